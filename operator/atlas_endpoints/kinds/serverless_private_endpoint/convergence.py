"""The heart of a pass: observe, plan, and at most one write.

It does no input or output itself: it asks its ports, which are few and small, so that tests and explorations can stand in
for the world. What it decides stands in ``plan`` and ``conclusions``.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError, AtlasUnavailableError, EndpointAbsentError, UpdateRejectedError
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.atlas.snapshots import Instance
from atlas_endpoints.engine.clock import Clock
from atlas_endpoints.engine.outcome import Again, Rest
from atlas_endpoints.kinds.serverless_private_endpoint import conclusions, failures, reservation_outcomes
from atlas_endpoints.kinds.serverless_private_endpoint.announcements import Announcement
from atlas_endpoints.kinds.serverless_private_endpoint.changes import Changes
from atlas_endpoints.kinds.serverless_private_endpoint.claims import Claim, Owner, Undecided, owner_before
from atlas_endpoints.kinds.serverless_private_endpoint.model import Cause
from atlas_endpoints.kinds.serverless_private_endpoint.observation import look
from atlas_endpoints.kinds.serverless_private_endpoint.plan import hold, plan
from atlas_endpoints.kinds.serverless_private_endpoint.ports import AtlasPort, BrakesPort, ResourcesPort
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import Reason
from atlas_endpoints.kinds.serverless_private_endpoint.reservations import Reservations
from atlas_endpoints.kinds.serverless_private_endpoint.status import says
from atlas_endpoints.kinds.serverless_private_endpoint.this_pass import Pass
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Outcome, Send, Verdict

MEMORY = timedelta(minutes=10)
"""The oldest observation that may justify a PATCH without looking first."""


class Convergence:
    """Brings an endpoint to what its resource wants, by one step.

    Args:
        atlas: reads and changes endpoints.
        brakes: may hold corrections of drift back.
        resources: which are still there.
        clock: tells the time.
        announce: tells people what no status tells, or not in time: what becomes of an endpoint whose resource is gone, what is
            about to be changed at a first contact, and what has been changed.
    """

    def __init__(
        self,
        atlas: AtlasPort,
        brakes: BrakesPort,
        resources: ResourcesPort,
        *,
        clock: Clock,
        announce: Callable[[Mapping[str, Any], Announcement], None],
    ) -> None:
        self._atlas = atlas
        self._brakes = brakes
        self._resources = resources
        self.changes = Changes(announce)
        self.reservations = Reservations(atlas, resources, clock=clock, announce=announce)

    async def converge(self, pass_: Pass, instance: Instance) -> Outcome:
        """Observe, plan, act.

        Raises:
            AtlasError: looking at the endpoint failed.
        """
        endpoint_id = pass_.endpoint_id
        if endpoint_id is None:
            return await self.reservations.reserve(pass_, instance)
        try:
            return await self._converge(pass_, instance, endpoint_id)
        except EndpointAbsentError:
            if not pass_.replaces_lost:
                raise
            return self.reservations.replace_lost(pass_)

    def claim(self, pass_: Pass, endpoint_id: str) -> Claim:
        """Tell who owns an endpoint in the place of a resource that has seen it."""
        return owner_before(pass_.resource, self._resources.found_by(endpoint_id), pass_.now)

    async def _converge(self, pass_: Pass, instance: Instance, endpoint_id: str) -> Outcome:
        wants_a_look = pass_.in_doubt or pass_.forced
        if not wants_a_look and (conclusion := self._contended_still(pass_, instance, endpoint_id)) is not None:
            return conclusion
        # What is only planned brings no answer that would correct an outdated memory.
        if not wants_a_look and pass_.policy == "Manage":
            max_age = min(pass_.interval, MEMORY).total_seconds()
            remembered = self._atlas.recall(instance, endpoint_id, max_age=max_age)
            if remembered is not None:
                action = plan(pass_.desired, remembered, pass_.context(remembered))
                # Memory may only justify a write that the resource asks for; all else is looked at first.
                if isinstance(action, Send) and action.cause in {Cause.FIRST_CONTACT, Cause.EDIT}:
                    return await self._send(pass_, instance, endpoint_id, action, remembered)
        max_age = 0.0 if pass_.in_doubt else pass_.max_age
        observed = await look(self._atlas, instance, endpoint_id, max_age=max_age, is_asked_for=pass_.forced)
        if (claim := self.claim(pass_, endpoint_id)) is not None:
            self._brakes.release(pass_.key)
            return self._contended(pass_, claim, observed)
        action = plan(pass_.desired, observed, pass_.context(observed))
        if isinstance(action, Verdict) or pass_.policy != "Manage":
            self._atlas.settle(instance, endpoint_id)
            self._brakes.release(pass_.key)
            await self.reservations.discard_surplus(pass_, instance, endpoint_id)
            return conclusions.without_writing(pass_, action, observed)
        if wait := self._held_back_for(pass_, action):
            held = hold(pass_.desired, observed, pass_.context(observed), wait)
            return conclusions.came_through(pass_, held, observed)
        return await self._send(pass_, instance, endpoint_id, action, observed)

    def _contended_still(self, pass_: Pass, instance: Instance, endpoint_id: str) -> Outcome | None:
        """Conclude without a look where the endpoint is another resource's: its round sees to it that memory is not old."""
        if (claim := self.claim(pass_, endpoint_id)) is None:
            return None
        remembered = self._atlas.recall(instance, endpoint_id, max_age=2 * pass_.interval.total_seconds())
        if remembered is None:
            return None
        self._brakes.release(pass_.key)
        return self._contended(pass_, claim, remembered)

    def _contended(self, pass_: Pass, claim: Owner | Undecided, endpoint: Endpoint) -> Outcome:
        if isinstance(claim, Owner) and self.reservations.yields(pass_):
            return reservation_outcomes.yielding(pass_)
        return conclusions.contended(pass_, claim, endpoint)

    def _held_back_for(self, pass_: Pass, send: Send) -> float:
        """Ask the emergency brakes for how many seconds, but never about what a person has asked for."""
        if send.cause is not Cause.DRIFT or pass_.forced:
            return 0.0
        return self._brakes.wait_to_correct(pass_.key)

    async def _send(self, pass_: Pass, instance: Instance, endpoint_id: str, send: Send, before: Endpoint) -> Outcome:
        """PATCH, and judge what comes back.

        Raises:
            AtlasError: looking at the endpoint, which the answer had made necessary, failed.
        """
        spec = pass_.resource.spec
        self._brakes.release(pass_.key)
        if not self._resources.holds(pass_.key, pass_.resource.metadata.uid):
            # While the pass waited, for its Secret or for a look, the resource has gone, or is none of ours any more by its labels.
            return failures.quiet(pass_.generation, Rest())
        self.changes.before(pass_, send, before)
        try:
            answer = await self._atlas.update(
                instance,
                endpoint_id,
                provider_name=spec.provider_name,
                fields={field.value: value for field, value in send.fields.items()},
            )
        except EndpointAbsentError as error:
            seen = await look(self._atlas, instance, endpoint_id, max_age=0.0)
            return conclusions.not_applied(pass_, seen, _contradiction(error))
        except UpdateRejectedError as error:
            # The endpoint may not be any more what was planned for: it was remembered, or a lost write has arrived late.
            # That the same is refused again, which is tried as seldom as a healthy resource is checked, is no such news.
            is_news = not says(pass_.previous, reason=Reason.UPDATE_REJECTED, generation=pass_.generation)
            if is_news and _planned_for(await look(self._atlas, instance, endpoint_id, max_age=0.0)) != _planned_for(
                before
            ):
                return failures.quiet(pass_.generation, Again(0.0))
            return conclusions.refused(pass_, send, before, error)
        except AtlasError as error:
            if error.unknown_outcome:
                return conclusions.lost(pass_, send, error)
            return conclusions.not_applied(pass_, before, error)
        self._atlas.settle(instance, endpoint_id)
        self.changes.after(pass_, send, before, answer)
        return conclusions.confirmed(pass_, send, before, answer)


def _planned_for(endpoint: Endpoint) -> Endpoint:
    """Give what a plan depends on: all but the words of a failure, which may be new at each look."""
    return endpoint.model_copy(update={"error_message": None})


def _contradiction(error: EndpointAbsentError) -> AtlasUnavailableError:
    """Atlas shows an endpoint and does not find it when it is to change it: let it make up its mind."""
    return AtlasUnavailableError(
        "Atlas contradicts itself: it shows the endpoint, and says on a change that it does not exist. The change is tried"
        " again.",
        operation=error.operation,
        http_status=error.http_status,
        error_code=error.error_code,
        detail=error.detail,
    )
