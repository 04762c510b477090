"""The life of an endpoint of the user's network, which Atlas registers by the ID that the cloud gave it. Pure.

It is registered by a POST, which a second one cannot repeat, and of which Atlas can change little.
"""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from typing_extensions import override

from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds.lives.life import Facts, Life, Words, makes, may_appear, stays_lost
from atlas_endpoints.kinds.parts.fields import DeclaredResource
from atlas_endpoints.kinds.registered import FIELD, named_in, news
from atlas_endpoints.reconcile.decision import POLL, SOON, Decision, State, Write
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.reasons import EventReason, Reason, ReferencesReason
from atlas_endpoints.reconcile.resource import part
from atlas_endpoints.reconcile.status import Cause, Resolved

WORDS = Words(
    makes="registers",
    again="register it again",
    anew="register it again",
    if_wrong="If the ID is mistyped, set deletionPolicy to Delete (only if the Event was EndpointRegistered), delete this resource, wait"
    " until it is gone, and create it with the right ID.",
    refused="What names an endpoint cannot change, except for what a reference gives: if it is wrong, correct the reference, or delete this"
    " resource (nothing was registered in Atlas) and create it again with the right values.",
)

R = TypeVar("R", bound=DeclaredResource)


class Registered(Life[R]):
    """A kind of such endpoints."""

    words = WORDS
    nobody = "vpce-" + "0" * 17

    @abstractmethod
    def waits_for_cloud(self, facts: Facts) -> State:
        """Return what to create in the cloud, while no endpoint is named; see :func:`waiting_for_cloud`."""

    @override
    def key_of(self, id_: str) -> str:
        """Return the ID in lower case, since Azure does not preserve the letter case."""
        return id_.lower()  # a GET names it by that, so no letter becomes another one, as casefold makes ss of ß

    @override
    def entry_of(self, body: Body) -> str | None:
        named = self.named_by(body).endpoint
        return None if named is None else self.key_of(named)

    @override
    def named_by(self, body: Body) -> Named:
        return named_in(body, part(body, "spec").get(FIELD))

    @override
    def followed(self, facts: Facts) -> Any | None:
        return None if facts.resource.entry is None else facts.view.value(facts.resource.entry)

    @override
    def decide(self, facts: Facts) -> Decision:
        resource, id_, done = facts.resource, facts.resource.endpoint_id, facts.done
        if id_ is None:
            return Decision(self.waits_for_cloud(facts), own={"endpoint": None})
        if (entry := self.followed(facts)) is not None:
            return self.present(facts, entry)
        if done is not None and done.write.request.operation == self.api.delete:
            return Decision(State(Reason.DELETING, f"Atlas is deleting endpoint {id_}.", POLL))
        decision = absent(facts, partial(self.waits_for_cloud, facts), partial(self.creation, facts))
        was_shown = is_confirmed(facts, id_) or resource.status.endpoint is not None
        return replace(decision, absent=resource.entry) if was_shown else decision  # a LIST may lag

    @override
    def nothing_left(self, facts: Facts) -> Decision:
        # Also after a DELETE: a POST that changes what is there registers what is gone.
        resource, left = facts.resource, max(facts.arrives_for, facts.unknown_for)
        if resource.entry is not None and left > 0:
            return replace(may_appear(facts, left), absent=resource.entry)
        was_shown, id_ = resource.status.endpoint is not None, resource.endpoint_id
        gone = f"Endpoint {id_} is deleted from Atlas." if was_shown else None
        state = State(Reason.DELETING, "Atlas has no endpoint of this resource.")
        return Decision(state, absent=resource.entry, nothing_left=True, gone=gone)

    @override
    def news(self, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[tuple[EventReason, str]]:
        return news(previous, status)


def is_confirmed(facts: Facts, endpoint_id: str) -> bool:
    """Return whether Atlas has confirmed the endpoint."""
    confirmed = (facts.baseline.confirmed or {}).get(FIELD)
    return confirmed is not None and facts.resource.same(FIELD, confirmed, endpoint_id)


def absent(facts: Facts, waits: Callable[[], State], registration: Callable[[], Write]) -> Decision:
    """Decide about an endpoint that Atlas does not have.

    Args:
        waits: returns the state while a reference is not resolved.
        registration: returns the write that registers it, without its cause.
    """
    own, problem, id_ = {"endpoint": None}, facts.problem, facts.resource.endpoint_id
    may_arrive = facts.uncertain or facts.arrives_for > 0
    if problem is not None and problem.reason == ReferencesReason.CHANGED and not may_arrive:
        message = f"Atlas has no endpoint {id_}. The operator takes the value that the reference gives now."
        resolved = Resolved(project_id=facts.resolved.project_id, credentials_source=facts.resolved.credentials_source)
        return Decision(State(Reason.PENDING, message, SOON), own={**own, "resolved": resolved})
    if problem is not None:
        return Decision(waits(), own=own)
    is_lost = is_confirmed(facts, id_)
    if is_lost and (state := stays_lost(facts, WORDS, FIELD)) is not None:
        return Decision(state, own=own)
    write = replace(registration(), fields=facts.desired)
    first = Cause.EDIT if facts.baseline.contacted else Cause.FIRST_CONTACT
    return replace(makes(facts, WORDS, write, first, is_lost=is_lost), own=own)
