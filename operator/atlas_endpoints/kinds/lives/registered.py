"""The life of an endpoint of the user's network, which Atlas registers by the ID that the cloud gave it. Pure.

It is registered by a POST, which a second one cannot repeat, and of which Atlas can change little.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeVar

from pydantic.alias_generators import to_camel
from typing_extensions import override

from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds.cloud_endpoint import EndpointResource, kept
from atlas_endpoints.kinds.lives.life import Facts, Life, Words, may_appear
from atlas_endpoints.reconcile.decision import POLL, SOON, Decision, State
from atlas_endpoints.reconcile.facts import APPLIED
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.reasons import EventReason, Reason, ReferencesReason
from atlas_endpoints.reconcile.references import TEMPORARY
from atlas_endpoints.reconcile.resource import part
from atlas_endpoints.reconcile.status import Cause, Resolved

FIELD = "cloudProviderEndpointId"
"""The managed field that is the ID. That it was confirmed means that Atlas has shown the endpoint."""


class RegisteredResource(EndpointResource, frozen=True):
    """A resource that registers a private endpoint of a cloud; its references keep the values that they had first."""

    cel_rules: ClassVar = [
        kept(
            "cloudProviderEndpointId",
            "cloudProviderEndpointRef",
            "ID",
            "{old}.lowerAscii() == {new}.lowerAscii()",
            "{rotate} {atlas_keeps_it}",
        ),
        kept(
            "privateEndpointIpAddress",
            "privateEndpointIpAddressFrom",
            "address",
            "{old} == {new} || isIP({old}) && isIP({new}) && ip({old}) == ip({new})",
            "for another address of the same endpoint, {made_again}",
        ),
    ]
    words: ClassVar = {
        "connects": "the operator registers in Atlas",
        "in_a_project": "the endpoint in a project, or has registered it",
        "rotate": "to rotate, create a second resource with the new ID, move your applications to it, and delete this one",
        "atlas_keeps_it": "(Atlas keeps the endpoint, unless `deletionPolicy` is Delete)",
        "set_later": "You can set the field later; then it never changes. A reference may take its place.",
        "first_id": "absent when there is none. With `spec.cloudProviderEndpointRef`, the ID to which the reference first resolved, which"
        " the endpoint keeps.",
        "first_address": "The private IP address; absent when there is none. With `spec.privateEndpointIpAddressFrom`, the address to"
        " which it first resolved, which the endpoint keeps.",
        "another_id": "The endpoint stays the one to which the reference first resolved (`status.resolved.cloudProviderEndpointId`):"
        " the operator reports another ID and does not register it.",
        "other_reference": "You can replace the reference with another one, or with the ID to which it resolved.",
        "another_address": "Once set, it never changes, because Atlas cannot change an address. For another address of the same private"
        " endpoint, delete the resource with `deletionPolicy` Delete, wait until it is gone, and create it again.",
        "deleted": "the endpoint that the spec names from Atlas, no matter who registered",
    }

    @property
    def endpoint_id(self) -> str | None:
        """The endpoint that the spec names; for a reference that is not resolved now, the one that it is bound to."""
        bound = self.bound(FIELD) if self.spec.cloud_provider_endpoint_ref else None
        return self.spec.desired.get(FIELD) or bound

    @override
    def bound(self, field: str) -> str | None:
        resolved = self.status.resolved
        return None if resolved is None else resolved.values.get(field)

    @override
    def unconnected(self) -> Mapping[str, str | None]:
        """Return what the references are bound to, which Atlas cannot change."""
        return {each.field: self.bound(to_camel(each.field)) for each in self.references}


R = TypeVar("R", bound=RegisteredResource)


class Registered(Life[R]):
    """A kind of such endpoints."""

    words = Words(
        makes="registers",
        again="register it again",
        anew="register it again",
        if_wrong="If the ID is mistyped, set deletionPolicy to Delete (only if the Event was EndpointRegistered), delete this resource, wait"
        " until it is gone, and create it with the right ID.",
        refused="What names an endpoint cannot change, except for what a reference gives: if it is wrong, correct the reference, or delete this"
        " resource (nothing was registered in Atlas) and create it again with the right values.",
    )

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
        decision = self.absent(facts)
        was_shown = is_confirmed(facts, id_) or resource.status.endpoint is not None
        return replace(decision, absent=resource.entry) if was_shown else decision  # a LIST may lag

    def absent(self, facts: Facts) -> Decision:
        """Decide about an endpoint that Atlas does not have."""
        own, problem, id_ = {"endpoint": None}, facts.problem, facts.resource.endpoint_id
        may_arrive = facts.uncertain or facts.arrives_for > 0
        if problem is not None and problem.reason == ReferencesReason.CHANGED and not may_arrive:
            message = f"Atlas has no endpoint {id_}. The operator takes the value that the reference gives now."
            resolved = Resolved(
                project_id=facts.resolved.project_id, credentials_source=facts.resolved.credentials_source
            )
            return Decision(State(Reason.PENDING, message, SOON), own={**own, "resolved": resolved})
        if problem is not None:
            return Decision(self.waits_for_cloud(facts), own=own)
        is_lost = is_confirmed(facts, id_)
        if is_lost and (state := self.stays_lost(facts, FIELD)) is not None:
            return Decision(state, own=own)
        write = replace(self.creation(facts), fields=facts.desired)
        first = Cause.EDIT if facts.baseline.contacted else Cause.FIRST_CONTACT
        return replace(self.makes(facts, write, first, is_lost=is_lost), own=own)

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
    def news(self, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[tuple[EventReason, str]]:
        """Yield the Event if an endpoint was registered for a resource, or adopted."""
        endpoint = part(status, "endpoint").get("id")
        if endpoint is None or not _is_confirmed_in(status, endpoint):
            return
        registration = _registration(status)
        if registration is not None and registration != _registration(previous):
            yield EventReason.ENDPOINT_REGISTERED, f"Endpoint {endpoint} is registered for this resource."
        elif not _is_confirmed_in(previous, endpoint):
            message = (
                f"Endpoint {endpoint} was registered before, or by a call whose answer was lost, and this resource names it now."
                " With managementPolicy Manage and deletionPolicy Delete, it is deleted with this resource, unless another one uses it."
            )
            yield EventReason.ENDPOINT_ADOPTED, message


def is_confirmed(facts: Facts, endpoint_id: str) -> bool:
    """Return whether Atlas has confirmed the endpoint."""
    confirmed = (facts.baseline.confirmed or {}).get(FIELD)
    return confirmed is not None and facts.resource.same(FIELD, confirmed, endpoint_id)


def named_in(body: Body, literal: object, shared: str | None = None) -> Named:
    """Return what an object names by the literal in its spec; without one, its reference names what it is bound to."""
    has_reference = literal is None and "cloudProviderEndpointRef" in part(body, "spec")
    named = part(part(body, "status"), "resolved").get(FIELD) if has_reference else literal
    return Named(named if isinstance(named, str) else None, shared, is_unbound=has_reference and named is None)


def waiting_for_cloud(facts: Facts, create: str, missing: Sequence[str] = ()) -> State:
    """Return the state of a resource whose private endpoint is not known yet.

    Args:
        create: what to create in the cloud, as the beginning of a sentence.
        missing: the fields to set then, if not the ID and the address.
    """
    spec, problem = facts.resource.spec, facts.problem
    needed = {"spec.cloudProviderEndpointId": spec.has_cloud_id}
    if spec.provider_name != "AWS":
        needed["spec.privateEndpointIpAddress"] = spec.has_address
    missing = missing or [field for field, is_set in needed.items() if not is_set]
    if problem is not None and problem.reason not in TEMPORARY:
        return State(Reason.REFERENCE_NOT_READY, problem.message)
    message = f"{create}; then set {' and '.join(missing)}." if missing else f"{create}."
    if problem is not None:
        message = f"{message} {problem.message}"
    return State(Reason.WAITING_FOR_CLOUD_ENDPOINT, message, differences=())


def _is_confirmed_in(status: Mapping[str, Any], endpoint_id: str) -> bool:
    """Return whether a status records that Atlas has confirmed an endpoint for its resource, which then manages it."""
    confirmed: str = part(status, "applied").get(FIELD) or ""
    return confirmed.casefold() == endpoint_id.casefold()


def _registration(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the newest call in the history of a status that registers the endpoint; None without one, or if it was not applied."""
    sent = (each for each in status.get("history") or () if FIELD in each.get("fields", ()))
    newest: Mapping[str, Any] | None = next(sent, None)
    return newest if newest is not None and newest["result"] == APPLIED else None
