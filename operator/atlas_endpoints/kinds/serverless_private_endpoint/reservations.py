"""Reserving an endpoint for a resource that names none: exactly one, whatever is lost on the way.

A POST has no key by which Atlas would know it again, so three things stand in for one. The endpoint is asked for with a mark
as its comment, by which a LIST finds it. That it is about to be asked for stands in the status before. And whoever finds
that there without having written it (after a crash, a lost answer, a change of leaders) looks for the mark for as long as a
POST may be on its way, before there is another one.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias

from atlas_endpoints.atlas.errors import AtlasError, EndpointAbsentError
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint, EndpointStatus
from atlas_endpoints.atlas.snapshots import DOUBT, Instance
from atlas_endpoints.engine.backoff import doubled
from atlas_endpoints.engine.clock import Clock
from atlas_endpoints.engine.log_fields import LogFields
from atlas_endpoints.engine.outcome import Again
from atlas_endpoints.engine.store import Key
from atlas_endpoints.kinds.serverless_private_endpoint import failures, reservation_outcomes
from atlas_endpoints.kinds.serverless_private_endpoint.announcements import Announcement
from atlas_endpoints.kinds.serverless_private_endpoint.claims import is_held
from atlas_endpoints.kinds.serverless_private_endpoint.farewell import left_by_a_race
from atlas_endpoints.kinds.serverless_private_endpoint.model import Reservation, Status
from atlas_endpoints.kinds.serverless_private_endpoint.observation import SHARED, is_surplus, look
from atlas_endpoints.kinds.serverless_private_endpoint.plan import POLL_FIRST
from atlas_endpoints.kinds.serverless_private_endpoint.ports import AtlasPort, ResourcesPort
from atlas_endpoints.kinds.serverless_private_endpoint.status import CONTENDED, find
from atlas_endpoints.kinds.serverless_private_endpoint.this_pass import Pass
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Outcome

logger = logging.getLogger(__name__)

AGAIN_FIRST, AGAIN_LAST = 60.0, 3600.0
"""Seconds between the reservation of an endpoint and that of the next one when it was lost; doubled each time."""

CALL = 15.0
"""Seconds that a call to Atlas may take."""

RECENT = timedelta(seconds=10)
"""How old an intent may be that is acted on: who finds it after a crash counts the seconds from when it was written."""

ARRIVES = RECENT.total_seconds() + CALL + DOUBT
"""Seconds after an intent for which the call that it was written for may still be applied."""

LASTING = timedelta(hours=1)
"""What has lasted so long before it was lost is no reason to wait."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """This endpoint is the resource's."""

    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Discard:
    """This endpoint is one too many, and nothing is connected to it."""

    endpoint: Endpoint


@dataclass(frozen=True, slots=True)
class Look:
    """An endpoint may have been reserved, or may still be: look for it again.

    Attributes:
        left: seconds for which that may be so.
    """

    left: float


@dataclass(frozen=True, slots=True)
class Intend:
    """Write down that one is about to be reserved."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Reserve one."""


Step: TypeAlias = Adopt | Discard | Look | Intend | Reserve


def step(marked: Sequence[Endpoint], reservation: Reservation | None, *, unused: bool, now: datetime) -> Step:
    """Decide what to do for a resource that has no endpoint.

    Args:
        marked: the endpoints with its mark; of several, one that is connected is kept, else the one with the smallest id.
        reservation: as its status has it; without an id of an endpoint.
        unused: whether this process has written it there, and has not acted on it.
        now: wall-clock time, UTC.
    """
    if marked:
        first, *others = sorted(marked, key=lambda each: (each.cloud_provider_endpoint_id is None, each.id))
        spare = [each for each in others if each.cloud_provider_endpoint_id is None]
        return Discard(spare[0]) if spare else Adopt(first)
    if reservation is None:
        return Intend()
    if unused:
        return Reserve()
    left = may_arrive_for(reservation, now)
    return Look(left) if left > 0 else Intend()


def may_arrive_for(reservation: Reservation, now: datetime) -> float:
    """Tell for how many more seconds an endpoint may appear that was asked for."""
    return max(0.0, (reservation.requested_at - now).total_seconds() + ARRIVES)


class Reservations:
    """Finds or reserves the endpoints of resources that name none, by one step for each pass.

    Args:
        atlas: reads and changes endpoints.
        resources: as they are known now.
        clock: tells the time.
        announce: tells people of an endpoint that is left behind.
    """

    def __init__(
        self,
        atlas: AtlasPort,
        resources: ResourcesPort,
        *,
        clock: Clock,
        announce: Callable[[Mapping[str, Any], Announcement], None],
    ) -> None:
        self._atlas = atlas
        self._resources = resources
        self._clock = clock
        self._announce = announce
        self._unused: dict[Key, Reservation] = {}

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a resource."""
        self._unused.pop(key, None)

    async def reserve(self, pass_: Pass, instance: Instance) -> Outcome:
        """Take one step towards an endpoint for the resource.

        Raises:
            AtlasError: looking for it failed.
        """
        orphan = self._orphan_of(pass_)
        if orphan is not None and not (pass_.replaces_lost and await self._is_gone(instance, orphan)):
            return reservation_outcomes.adopting(pass_, orphan)
        mark, unused = pass_.resource.mark, self._is_unused(pass_)
        marked = await self._atlas.marked(instance, mark, max_age=self._max_age(pass_, unused=unused))
        # What is going, and what somebody else stands for, is none of ours to take or to discard.
        namespace = pass_.key.namespace
        marked = tuple(
            each
            for each in marked
            if each.status != EndpointStatus.DELETING
            and not is_held(each.id, self._resources.found_by(each.id), namespace)
        )
        if pass_.policy != "Manage":
            if not marked:
                return reservation_outcomes.planned_reservation(pass_)
            marked = marked[:1]  # what is one too many stays until something may be written
        match step(marked, pass_.previous.reservation, unused=unused, now=pass_.now):
            case Adopt(endpoint):
                self._unused.pop(pass_.key, None)
                self._atlas.settle(instance, mark)
                for other in marked:
                    if other.id != endpoint.id:
                        self._announce(pass_.resource.metadata.named, reservation_outcomes.left_connected(other.id))
                return reservation_outcomes.reserved(pass_, endpoint)
            case Discard(endpoint):
                return await self._discard(pass_, instance, endpoint)
            case Look(left):
                return reservation_outcomes.looking_for_reservation(pass_, Again(min(POLL_FIRST, left)))
            case Intend():
                self._atlas.settle(instance, mark)
                return self._intend(pass_, attempt=_attempt(pass_.previous.reservation))
            case Reserve():
                return await self._reserve(pass_, instance)

    def yields(self, pass_: Pass) -> bool:
        """Tell whether a resource lets go of an endpoint that turns out to be another's: it has it from a copy, and never had it."""
        reservation, previous = pass_.previous.reservation, pass_.previous
        if reservation is None or not reservation.adopted or pass_.resource.spec.endpoint_id is not None:
            return False
        was_its_own = previous.endpoint is not None and find(previous, CONTENDED) is None
        return not was_its_own and previous.applied is None

    async def discard_surplus(self, pass_: Pass, instance: Instance, endpoint_id: str) -> None:
        """Have an endpoint deleted that was reserved for a resource which has another one: Atlas took a lost call very late.

        That it fails is no failure of the resource; the next round finds it again.
        """
        mark = pass_.resource.mark
        marked = (each for each in self._atlas.recall_commented(instance, mark) if each.comment == mark)
        found_by, namespace = self._resources.found_by, pass_.key.namespace
        surplus = next((each for each in marked if is_surplus(each, found_by, namespace)), None)
        if surplus is None or surplus.id == endpoint_id or pass_.policy != "Manage":
            return
        if not self._resources.is_still(pass_.key, pass_.resource.metadata.trigger):
            return
        try:
            await self._atlas.delete(instance, surplus.id)
        except AtlasError as error:
            logger.warning(
                "Endpoint %s, which was reserved beside another one, could not be deleted; it will be tried again: %s",
                surplus.id,
                error,
                extra=LogFields(key=str(pass_.key)),
            )
            return
        self._announce(pass_.resource.metadata.named, reservation_outcomes.discarded(surplus.id))

    def replace_lost(self, pass_: Pass) -> Outcome:
        """The endpoint that was reserved is gone from Atlas, which is proved: reserve another one, the later the sooner it went."""
        lost = pass_.previous.reservation
        if lost is None:  # only the annotation knows of it
            return self._intend(pass_, attempt=1)
        lasted = pass_.now - lost.requested_at
        wait = doubled(AGAIN_FIRST, lost.attempt - 1, AGAIN_LAST) - lasted.total_seconds()
        if wait > 0:
            return reservation_outcomes.lost_endpoint(pass_, Again(wait))
        return self._intend(pass_, attempt=1 if lasted >= LASTING else lost.attempt + 1)

    def _orphan_of(self, pass_: Pass) -> str | None:
        """Give the endpoint of the resource that this one is a copy of, as a backup is, if nobody stands for it any more."""
        record = pass_.resource.metadata.endpoint_record
        if record is None or pass_.previous.reservation is not None:
            return None
        held = is_held(record.endpoint_id, self._resources.found_by(record.endpoint_id), pass_.key.namespace)
        return None if held else record.endpoint_id

    async def _is_gone(self, instance: Instance, endpoint_id: str) -> bool:
        """Tell whether Atlas has an endpoint no more, so that there is nothing to take over; nor is there in another instance."""
        try:
            await look(self._atlas, instance, endpoint_id, max_age=SHARED)
        except EndpointAbsentError:
            return True
        return False

    def _intend(self, pass_: Pass, *, attempt: int) -> Outcome:
        reservation = Reservation(requested_at=self._clock.now(), attempt=attempt)
        self._unused[pass_.key] = reservation
        return reservation_outcomes.intending(pass_, reservation)

    def _max_age(self, pass_: Pass, *, unused: bool) -> float:
        """Tell how old a LIST may be: before a reservation, begun after this very intent, so that many intents share one."""
        if not unused:
            return pass_.max_age
        requested_at = self._unused[pass_.key].requested_at  # which was found there in this very moment
        return min(pass_.max_age, max(0.0, (self._clock.now() - requested_at).total_seconds()))

    def _is_unused(self, pass_: Pass) -> bool:
        """Tell whether the intent is this process's own, recent, was not acted on, and has reached the API server."""
        body = self._resources.get(pass_.key)
        written = Status.parse(body.get("status")).reservation if body is not None else None
        mine = self._unused.get(pass_.key)
        return (
            mine is not None
            and mine == written == pass_.previous.reservation
            and self._clock.now() - mine.requested_at < RECENT
        )

    async def _reserve(self, pass_: Pass, instance: Instance) -> Outcome:
        if not self._resources.is_still(pass_.key, pass_.resource.metadata.trigger):
            return failures.quiet(pass_.generation, Again(0.0))
        reservation = self._unused.pop(pass_.key, None)
        if reservation is None:  # it was gone for a moment, as by its labels, and what was remembered with it
            return failures.quiet(pass_.generation, Again(0.0))
        if self._clock.now() - reservation.requested_at >= RECENT:  # to look for it has taken long
            return self._intend(pass_, attempt=reservation.attempt)
        try:
            endpoint = await self._atlas.create(instance, pass_.resource.mark)
        except AtlasError as error:
            if error.unknown_outcome:
                anew = Reservation(requested_at=self._clock.now(), attempt=reservation.attempt)
                return reservation_outcomes.lost_reservation(pass_, error, anew)
            return reservation_outcomes.refused_reservation(pass_, error)
        if not self._resources.holds(pass_.key, pass_.resource.metadata.uid):
            self._announce(pass_.resource.metadata.named, left_by_a_race(endpoint.id))
        return reservation_outcomes.reserved(pass_, endpoint, new=True)

    async def _discard(self, pass_: Pass, instance: Instance, endpoint: Endpoint) -> Outcome:
        if not self._resources.is_still(pass_.key, pass_.resource.metadata.trigger):
            return failures.quiet(pass_.generation, Again(0.0))
        await self._atlas.delete(instance, endpoint.id)
        self._announce(pass_.resource.metadata.named, reservation_outcomes.discarded(endpoint.id))
        return reservation_outcomes.looking_for_reservation(pass_, Again(POLL_FIRST))


def _attempt(reservation: Reservation | None) -> int:
    return 1 if reservation is None else reservation.attempt
