"""The resync: one LIST for each scope and interval, however many resources the scope has.

A resync refreshes the cached observations of a scope, and enqueues only the resources that have work or a new status.
It detects drift, and it detects that the cause of a stalled resource is gone.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict, deque
from collections.abc import Callable
from datetime import timedelta
from random import Random

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.errors import Retry as AtlasRetry
from atlas_endpoints.atlas.observations import ObservationCache
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Body, Cache, Key
from atlas_endpoints.controller.clock import Clock
from atlas_endpoints.controller.log_lines import LogFields
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.reconcile.credentials import NoCredentialsError
from atlas_endpoints.reconcile.ports import CredentialsPort
from atlas_endpoints.reconcile.resource import CredentialsPlace, credentials_source_in
from atlas_endpoints.tunings import SHARED_FOR

logger = logging.getLogger(__name__)

JITTER = 0.1
"""A resync runs up to this share earlier or later, so that scopes do not synchronize."""

SECRETS_TIMEOUT = 30.0
"""Seconds that a resync spends at most on reading Secrets."""

YIELD_AFTER = 0.001
"""Seconds of comparison before a resync yields to other tasks."""


class Resync:
    """Which resources belong to which scope, and when each scope is resynced.

    Args:
        schedule: schedules the resync of a scope, in seconds.
        finds_work: see ``at_rest.finds_work``.
    """

    def __init__(
        self,
        cache: Cache,
        atlas: ObservationCache,
        credentials: CredentialsPort,
        *,
        clock: Clock,
        random: Random,
        schedule: Callable[[Scope, float], None],
        unschedule: Callable[[Scope], None],
        finds_work: Callable[[Body, Scope, AtlasError | None], bool],
        enqueue: Callable[[Key], None],
    ) -> None:
        self._cache = cache
        self._atlas = atlas
        self._credentials = credentials
        self._clock = clock
        self._random = random
        self._schedule = schedule
        self._unschedule = unschedule
        self._finds_work = finds_work
        self._enqueue = enqueue
        self._members: dict[Scope, dict[Key, timedelta]] = {}
        self._scope_of: dict[Key, Scope] = {}
        self._paced_by: dict[Scope, timedelta] = {}
        self._comparing = asyncio.Lock()

    def join(self, key: Key, scope: Scope, interval: timedelta) -> None:
        """Resync a resource with its scope, about once in ``interval``."""
        if self._scope_of.get(key) not in {None, scope}:
            self.leave(key)
        self._members.setdefault(scope, {})[key] = interval
        self._scope_of[key] = scope
        paced_by = self._paced_by.get(scope)
        if paced_by is None or interval < paced_by:
            self._paced_by[scope] = interval
            self._schedule(scope, self._jittered(interval))

    def scope_of(self, key: Key) -> Scope | None:
        """Return the scope of a resource, or None."""
        return self._scope_of.get(key)

    def credentials_source(self, scope: Scope) -> str:
        """Return namespace, scope and name of a Secret with a scope's credentials, or "" if no status names one."""
        body = next((self._cache.get(key) for key in self._members.get(scope, ())), None)
        source = credentials_source_in(body) if body is not None else None
        return f"{body['metadata']['namespace']}/{source}" if body is not None and source is not None else ""

    def namespace_of(self, scope: Scope) -> str:
        """Return the namespace of the oldest member of a scope, or ""."""
        return next((key.namespace for key in self._members.get(scope, ())), "")

    def leave(self, key: Key) -> None:
        """Stop the resync of a resource."""
        scope = self._scope_of.pop(key, None)
        if scope is None:
            return
        members = self._members[scope]
        del members[key]
        if not members:
            del self._members[scope], self._paced_by[scope]
            self._atlas.forget(scope)
            self._unschedule(scope)

    async def run(self, scope: Scope) -> Requeue:
        """Resync a scope, and enqueue the resources that it concerns."""
        await self._remove_changed(scope)
        if scope not in self._members:
            return NoRequeue()
        failure: AtlasError | None = None
        try:
            await self._atlas.list(scope, since=self._clock.monotonic() - SHARED_FOR)
        except AtlasError as error:
            failure = error
        await self._compare(scope, failure)
        if failure is not None and failure.retry in {AtlasRetry.BACKOFF, AtlasRetry.WHEN_DUE}:
            return Backoff(at_least=failure.retry_after or 0.0)
        members = self._members.get(scope)
        if not members:
            return NoRequeue()
        self._paced_by[scope] = min(members.values())
        return RequeueAfter(self._jittered(self._paced_by[scope]))

    async def _compare(self, scope: Scope, failure: AtlasError | None) -> None:
        """Enqueue the members of a scope that a LIST, or its failure, concerns."""
        members = deque(self._members.get(scope, ()))
        while members:
            # Scopes take turns, which come one at a time: with several, each step of an edit would wait for all of them.
            async with self._comparing:
                until = self._clock.monotonic() + YIELD_AFTER
                while members:
                    key = members.popleft()
                    if self._concerns(key, scope, failure):
                        self._enqueue(key)
                    if self._clock.monotonic() >= until:
                        await asyncio.sleep(0)
                        break

    async def _remove_changed(self, scope: Scope) -> None:
        """Remove members whose credentials changed, or come from another Secret, and enqueue them.

        Each Secret is read once. If the API server is unavailable or slow, the last reading counts.
        """
        groups = defaultdict[tuple[CredentialsPlace, str | None], list[Key]](list)
        for key in self._members.get(scope, ()):
            if (body := self._cache.get(key)) is not None:
                groups[CredentialsPlace.of(body), credentials_source_in(body)].append(key)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECRETS_TIMEOUT):
                for (place, source), keys in groups.items():
                    try:
                        access = await self._credentials.resolve(place.namespace, place.secret_name)
                    except ClusterUnavailableError:  # one Secret, or all of them
                        continue
                    except NoCredentialsError:
                        access = None
                    if access and access.fingerprint == scope.credentials and source in {None, access.source}:
                        continue
                    for key in keys:
                        if self._scope_of.get(key) == scope:
                            self.leave(key)
                            self._enqueue(key)

    def _concerns(self, key: Key, scope: Scope, failure: AtlasError | None) -> bool:
        """Return whether the resync found work for a resource."""
        body = self._cache.get(key)
        if body is None:
            return False
        try:
            return self._finds_work(body, scope, failure)
        except Exception:
            # One resource must not prevent the resync of the others; its own reconcile reports the error.
            logger.exception("A resync failed with an unexpected error", extra=LogFields(key=str(key)))
            return True

    def _jittered(self, interval: timedelta) -> float:
        return interval.total_seconds() * self._random.uniform(1 - JITTER, 1 + JITTER)
