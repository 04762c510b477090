"""The resync of instances: one LIST for each instance and interval, whatever the number of its resources.

A round refreshes what is known of every endpoint of the instance and brings back only the resources that have something
to do or to say. This is how drift is found, and how what is stalled notices that its cause is gone.
"""

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random
from typing import Protocol

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.errors import Retry as AtlasRetry
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.atlas.snapshots import Instance
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.engine.clock import Clock
from atlas_endpoints.engine.log_fields import LogFields
from atlas_endpoints.engine.outcome import Again, Next, Rest, Retry
from atlas_endpoints.engine.store import Body, Key, Store
from atlas_endpoints.kinds.serverless_private_endpoint.model import MARK, CredentialsPlace, endpoint_of
from atlas_endpoints.kinds.serverless_private_endpoint.observation import SHARED, is_surplus, is_unused

logger = logging.getLogger(__name__)

JITTER = 0.1
"""Rounds are up to this share earlier or later, so that instances do not fall into step."""

SECRETS_TIME = 30.0
"""Seconds that a round spends at most on reading the Secrets of its resources."""

BREATH = 0.002
"""Seconds that resources are compared at a time before others get their turn; an edit that comes meanwhile waits so long."""


class SnapshotsPort(Protocol):
    """Shared observations; see ``atlas.snapshots.Snapshots``."""

    async def refresh(self, instance: Instance, *, since: float) -> None:
        """Have a LIST that began at ``since`` or later."""
        ...

    def recall(self, instance: Instance, endpoint_id: str, *, max_age: float) -> Endpoint | None:
        """Give what is remembered of an endpoint."""
        ...

    def recall_commented(self, instance: Instance, beginning: str) -> tuple[Endpoint, ...]:
        """Give the endpoints that are remembered whose comments begin so."""
        ...

    def forget(self, instance: Instance) -> None:
        """Drop an instance that nobody asks for any more."""
        ...


class Rounds:
    """Which resources belong to which instance, and when each instance is looked at next.

    Args:
        store: the resources.
        snapshots: performs and keeps the LISTs.
        clock: tells the time.
        random: for the jitter.
        schedule: asks for a round of an instance after some seconds.
        unschedule: takes that back.
        still_uses: tells whether the credentials at a place are those of the instance, as of now, and come from where a
            status says; may raise ``ClusterUnavailableError``.
        needs_work: tells whether what was seen gives a resource anything to do.
        enqueue: brings a resource back.
    """

    def __init__(
        self,
        store: Store,
        snapshots: SnapshotsPort,
        *,
        clock: Clock,
        random: Random,
        schedule: Callable[[Instance, float], None],
        unschedule: Callable[[Instance], None],
        still_uses: Callable[[CredentialsPlace, str | None, Instance], Awaitable[bool]],
        needs_work: Callable[[Key, Instance, Endpoint | AtlasError | None], bool],
        enqueue: Callable[[Key], None],
    ) -> None:
        self._store = store
        self._snapshots = snapshots
        self._clock = clock
        self._random = random
        self._schedule = schedule
        self._unschedule = unschedule
        self._still_uses = still_uses
        self._needs_work = needs_work
        self._enqueue = enqueue
        self._members: dict[Instance, dict[Key, timedelta]] = {}
        self._instance_of: dict[Key, Instance] = {}
        self._paced_by: dict[Instance, timedelta] = {}

    def join(self, key: Key, instance: Instance, interval: timedelta) -> None:
        """Have a resource looked at with its instance, at least as often as it wants."""
        if self._instance_of.get(key) not in {None, instance}:
            self.leave(key)
        self._members.setdefault(instance, {})[key] = interval
        self._instance_of[key] = instance
        paced_by = self._paced_by.get(instance)
        if paced_by is None or interval < paced_by:
            self._paced_by[instance] = interval
            self._schedule(instance, self._jittered(interval))

    def instance_of(self, key: Key) -> Instance | None:
        """Tell with which instance a resource is looked at, if it is."""
        return self._instance_of.get(key)

    def credentials_source(self, instance: Instance) -> str:
        """Return namespace, scope and name of a Secret that holds an instance's credentials, as far as a status names one."""
        body = next((self._store.get(key) for key in self._members.get(instance, ())), None)
        source = _source(body) if body is not None else None
        return f"{body['metadata']['namespace']}/{source}" if body is not None and source is not None else ""

    def namespace_of(self, instance: Instance) -> str:
        """Tell in which namespace the resource is that is looked at with an instance for longest; none: nowhere."""
        return next((key.namespace for key in self._members.get(instance, ())), "")

    def leave(self, key: Key) -> None:
        """Have a resource looked at no more."""
        instance = self._instance_of.pop(key, None)
        if instance is None:
            return
        members = self._members[instance]
        del members[key]
        if not members:
            del self._members[instance], self._paced_by[instance]
            self._snapshots.forget(instance)
            self._unschedule(instance)

    async def run(self, instance: Instance) -> Next:
        """Look at an instance, and bring back the resources that this concerns."""
        self._dismiss_vanished(instance)
        await self._dismiss_changed(instance)
        if instance not in self._members:
            return Rest()
        failure: AtlasError | None = None
        try:
            await self._snapshots.refresh(instance, since=self._clock.monotonic() - SHARED)
        except AtlasError as error:
            failure = error
        breathed = self._clock.monotonic()
        for key in tuple(self._members.get(instance, ())):
            if self._concerns(key, instance, failure):
                self._enqueue(key)
            if self._clock.monotonic() >= breathed + BREATH:
                await asyncio.sleep(0)
                breathed = self._clock.monotonic()
        for key in self._reserved_twice(instance):
            self._enqueue(key)
        if failure is not None and failure.retry in {AtlasRetry.BACKOFF, AtlasRetry.WHEN_DUE}:
            return Retry(at_least=failure.retry_after or 0.0)
        members = self._members.get(instance)
        if not members:
            return Rest()
        self._paced_by[instance] = min(members.values())
        return Again(self._jittered(self._paced_by[instance]))

    def _reserved_twice(self, instance: Instance) -> list[Key]:
        """Give the resources for which there is an endpoint with their mark that nobody stands for, beside the one they have."""
        found_by = self._store.found_by
        spare: dict[str, list[Endpoint]] = {}
        for each in self._snapshots.recall_commented(instance, MARK):
            uid = (each.comment or "").removeprefix(MARK)
            if is_unused(each) and all(body["metadata"]["uid"] != uid for body in found_by(each.id)):
                spare.setdefault(uid, []).append(each)
        if not spare:  # as nearly always
            return []
        bodies = ((key, self._store.get(key)) for key in self._members.get(instance, ()))
        return [
            key
            for key, body in bodies
            if body is not None
            and endpoint_of(body)
            and any(is_surplus(each, found_by, key.namespace) for each in spare.get(body["metadata"]["uid"], ()))
        ]

    def _dismiss_vanished(self, instance: Instance) -> None:
        """Let resources leave that joined in a pass during which they were deleted."""
        for key in tuple(self._members.get(instance, ())):
            if self._store.get(key) is None:
                self.leave(key)

    async def _dismiss_changed(self, instance: Instance) -> None:
        """Let resources leave whose Secret is gone or holds other credentials by now: nobody uses the old ones for them.

        So do those who have the same ones from another Secret by now, which their statuses are to tell.

        Each Secret is asked about once, however many resources share it.

        Where the API server cannot be asked, or is too slow for all of them, what it said last counts.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SECRETS_TIME):
                for (place, source), keys in self._by_credentials(instance).items():
                    if await self._has_changed(place, source, instance):
                        for key in keys:
                            if self._instance_of.get(key) == instance:
                                self.leave(key)
                                self._enqueue(key)

    async def _has_changed(self, place: CredentialsPlace, source: str | None, instance: Instance) -> bool:
        try:
            return not await self._still_uses(place, source, instance)
        except ClusterUnavailableError:  # one Secret, or all of them
            return False

    def _by_credentials(self, instance: Instance) -> dict[tuple[CredentialsPlace, str | None], list[Key]]:
        """Put the resources together that want their credentials from the same place, and say the same about their source."""
        groups: dict[tuple[CredentialsPlace, str | None], list[Key]] = {}
        for key in self._members.get(instance, ()):
            body = self._store.get(key)
            if body is not None:
                groups.setdefault((CredentialsPlace.of(body), _source(body)), []).append(key)
        return groups

    def _concerns(self, key: Key, instance: Instance, failure: AtlasError | None) -> bool:
        """Tell whether what was seen gives a resource anything to do."""
        body = self._store.get(key)
        if body is None:
            return False
        endpoint_id = endpoint_of(body)
        seen: Endpoint | AtlasError | None = failure
        if failure is None and endpoint_id is not None:
            seen = self._snapshots.recall(instance, endpoint_id, max_age=math.inf)
        try:
            return self._needs_work(key, instance, seen)
        except Exception:
            # One resource must not cost the others their round; its own pass says what is the matter.
            logger.exception("A round met an error that it does not know", extra=LogFields(key=str(key)))
            return True

    def _jittered(self, interval: timedelta) -> float:
        return interval.total_seconds() * self._random.uniform(1 - JITTER, 1 + JITTER)


def _source(body: Body) -> str | None:
    """Tell where the credentials of a resource came from, as its status says."""
    resolved = (body.get("status") or {}).get("resolved") or {}
    source: str | None = resolved.get("credentialsSource")
    return source
