"""The resync of scopes: one LIST for each scope and interval, whatever the number of its resources.

A resync refreshes what is known of every entry of the scope and brings back only the resources that have something to do or to
say. This is how drift is found, and how what is stalled notices that its cause is gone.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import Any, Protocol

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.errors import Retry as AtlasRetry
from atlas_endpoints.atlas.observations import View
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Body, Cache, Key
from atlas_endpoints.controller.clock import Clock
from atlas_endpoints.controller.log_fields import LogFields
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.reconcile.observe import SHARED
from atlas_endpoints.reconcile.resource import CredentialsPlace, part

logger = logging.getLogger(__name__)

JITTER = 0.1
"""Resyncs are up to this share earlier or later, so that scopes do not fall into step."""

SECRETS_TIME = 30.0
"""Seconds that a resync spends at most on reading the Secrets of its resources."""

BREATH = 0.002
"""Seconds that resources are compared at a time before others get their turn; an edit that comes meanwhile waits so long."""


class ObservationsPort(Protocol):
    """Shared observations; see ``atlas.observations.ObservationCache``."""

    async def list(self, scope: Scope, *, since: float) -> View[Any]:
        """Have a LIST that began at ``since`` or later."""
        ...

    def forget(self, scope: Scope) -> None:
        """Drop a scope that nobody asks for any more."""
        ...


class Resync:
    """Which resources belong to which scope, and when each scope is looked at next.

    Args:
        store: the resources.
        atlas: performs and keeps the LISTs.
        clock: tells the time.
        random: for the jitter.
        schedule: asks for a resync of a scope after some seconds.
        unschedule: takes that back.
        still_uses: returns whether the credentials at a place are those of the scope, as of now, and come from where a status
            says; may raise ``ClusterUnavailableError``.
        needs_work: returns whether what was seen, or what the LIST failed with, gives a resource anything to do.
        enqueue: brings a resource back.
    """

    def __init__(
        self,
        cache: Cache,
        atlas: ObservationsPort,
        *,
        clock: Clock,
        random: Random,
        schedule: Callable[[Scope, float], None],
        unschedule: Callable[[Scope], None],
        still_uses: Callable[[CredentialsPlace, str | None, Scope], Awaitable[bool]],
        needs_work: Callable[[Key, Scope, AtlasError | None], bool],
        enqueue: Callable[[Key], None],
    ) -> None:
        self._cache = cache
        self._atlas = atlas
        self._clock = clock
        self._random = random
        self._schedule = schedule
        self._unschedule = unschedule
        self._still_uses = still_uses
        self._needs_work = needs_work
        self._enqueue = enqueue
        self._members: dict[Scope, dict[Key, timedelta]] = {}
        self._scope_of: dict[Key, Scope] = {}
        self._paced_by: dict[Scope, timedelta] = {}

    def join(self, key: Key, scope: Scope, interval: timedelta) -> None:
        """Have a resource looked at with its scope, at least as often as it wants."""
        if self._scope_of.get(key) not in {None, scope}:
            self.leave(key)
        self._members.setdefault(scope, {})[key] = interval
        self._scope_of[key] = scope
        paced_by = self._paced_by.get(scope)
        if paced_by is None or interval < paced_by:
            self._paced_by[scope] = interval
            self._schedule(scope, self._jittered(interval))

    def scope_of(self, key: Key) -> Scope | None:
        """Return with which scope a resource is looked at, if it is."""
        return self._scope_of.get(key)

    def credentials_source(self, scope: Scope) -> str:
        """Return namespace, scope and name of a Secret that holds a scope's credentials, as far as a status names one."""
        body = next((self._cache.get(key) for key in self._members.get(scope, ())), None)
        source = _source(body) if body is not None else None
        return f"{body['metadata']['namespace']}/{source}" if body is not None and source is not None else ""

    def namespace_of(self, scope: Scope) -> str:
        """Return in which namespace the resource is that is looked at with a scope for longest; empty: in none."""
        return next((key.namespace for key in self._members.get(scope, ())), "")

    def leave(self, key: Key) -> None:
        """Have a resource looked at no more."""
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
        """Look at a scope, and bring back the resources that this concerns."""
        self._dismiss_vanished(scope)
        await self._dismiss_changed(scope)
        if scope not in self._members:
            return NoRequeue()
        failure: AtlasError | None = None
        try:
            await self._atlas.list(scope, since=self._clock.monotonic() - SHARED)
        except AtlasError as error:
            failure = error
        breathed = self._clock.monotonic()
        for key in tuple(self._members.get(scope, ())):
            if self._concerns(key, scope, failure):
                self._enqueue(key)
            if self._clock.monotonic() >= breathed + BREATH:
                await asyncio.sleep(0)
                breathed = self._clock.monotonic()
        if failure is not None and failure.retry in {AtlasRetry.BACKOFF, AtlasRetry.WHEN_DUE}:
            return Backoff(at_least=failure.retry_after or 0.0)
        members = self._members.get(scope)
        if not members:
            return NoRequeue()
        self._paced_by[scope] = min(members.values())
        return RequeueAfter(self._jittered(self._paced_by[scope]))

    def _dismiss_vanished(self, scope: Scope) -> None:
        """Let resources leave that joined in a reconcile during which they were deleted."""
        for key in tuple(self._members.get(scope, ())):
            if self._cache.get(key) is None:
                self.leave(key)

    async def _dismiss_changed(self, scope: Scope) -> None:
        """Let resources leave whose Secret is gone or holds other credentials by now: nobody uses the old ones for them.

        So do those who have the same ones from another Secret by now, which their statuses are to tell.

        Each Secret is asked about once, however many resources share it.

        Where the API server cannot be asked, or is too slow for all of them, what it said last counts.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECRETS_TIME):
                for (place, source), keys in self._by_credentials(scope).items():
                    if await self._has_changed(place, source, scope):
                        for key in keys:
                            if self._scope_of.get(key) == scope:
                                self.leave(key)
                                self._enqueue(key)

    async def _has_changed(self, place: CredentialsPlace, source: str | None, scope: Scope) -> bool:
        try:
            return not await self._still_uses(place, source, scope)
        except ClusterUnavailableError:  # one Secret, or all of them
            return False

    def _by_credentials(self, scope: Scope) -> dict[tuple[CredentialsPlace, str | None], list[Key]]:
        """Put the resources together that want their credentials from the same place, and say the same about their source."""
        groups: dict[tuple[CredentialsPlace, str | None], list[Key]] = {}
        for key in self._members.get(scope, ()):
            body = self._cache.get(key)
            if body is not None:
                groups.setdefault((CredentialsPlace.of(body), _source(body)), []).append(key)
        return groups

    def _concerns(self, key: Key, scope: Scope, failure: AtlasError | None) -> bool:
        """Return whether what was seen gives a resource anything to do."""
        if self._cache.get(key) is None:
            return False
        try:
            return self._needs_work(key, scope, failure)
        except Exception:
            # One resource must not cost the others their resync; its own reconcile says what is the matter.
            logger.exception("A resync met an error that it does not know", extra=LogFields(key=str(key)))
            return True

    def _jittered(self, interval: timedelta) -> float:
        return interval.total_seconds() * self._random.uniform(1 - JITTER, 1 + JITTER)


def _source(body: Body) -> str | None:
    """Return where the credentials of a resource came from, as its status says."""
    found = part(part(body, "status"), "resolved").get("credentialsSource")
    return found if isinstance(found, str) else None
