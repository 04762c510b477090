"""An endpoint of the user's network, which Atlas registers by the ID that the cloud gave it. Pure.

It is registered by a POST, which a second one cannot repeat, and of which Atlas can change little. So what is gone is registered
again, or reported, by the drift policy; and one that Atlas rejected, or that failed, is deleted and registered again only on request.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeAlias

from pydantic.alias_generators import to_camel
from typing_extensions import override

from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.requeue import RequeueAfter, at_latest
from atlas_endpoints.kinds.cloud_endpoint import EndpointResource, kept
from atlas_endpoints.reconcile.compare import KEEPS_VANISHING, cause_of_loss, described, keeps_vanishing
from atlas_endpoints.reconcile.decision import POLL, SOON, Decision, Difference, State, Write, WriteResult
from atlas_endpoints.reconcile.facts import APPLIED
from atlas_endpoints.reconcile.facts import Facts as AnyFacts
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.reasons import EventReason, Reason, ReferencesReason
from atlas_endpoints.reconcile.references import TEMPORARY
from atlas_endpoints.reconcile.resource import FORCE, part
from atlas_endpoints.reconcile.status import Cause, Resolved, ShownEntry
from atlas_endpoints.reconcile.waiting import asks_again_in, words

Facts: TypeAlias = AnyFacts[Any]

REFUSED = (
    "What names an endpoint cannot change, except for what a reference gives: if it is wrong, correct the reference, or delete this"
    " resource (nothing was registered in Atlas) and create it again with the right values."
)
"""The remedy if Atlas refuses a registration."""

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


def is_confirmed(facts: Facts, endpoint_id: str) -> bool:
    """Return whether Atlas has confirmed the endpoint."""
    confirmed = (facts.baseline.confirmed or {}).get(FIELD)
    return confirmed is not None and facts.resource.same(FIELD, confirmed, endpoint_id)


def absent(facts: Facts, endpoint_id: str, waits: Callable[[], State], registration: Callable[[], Write]) -> Decision:
    """Decide about an endpoint that Atlas does not have.

    Args:
        waits: returns the state while a reference is not resolved.
        registration: returns the write that registers it, without its cause.
    """
    own, problem = {"endpoint": None}, facts.problem
    may_arrive = facts.uncertain or facts.arrives_for > 0
    if problem is not None and problem.reason == ReferencesReason.CHANGED and not may_arrive:
        message = f"Atlas has no endpoint {endpoint_id}. The operator takes the value that the reference gives now."
        resolved = Resolved(project_id=facts.resolved.project_id, credentials_source=facts.resolved.credentials_source)
        return Decision(State(Reason.PENDING, message, SOON), own={**own, "resolved": resolved})
    if problem is not None:
        return Decision(waits(), own=own)
    is_lost, none = is_confirmed(facts, endpoint_id), f"Atlas has no endpoint {endpoint_id}."
    if is_lost and facts.resource.spec.drift_policy != "Correct" and not facts.forced:
        message = (
            f"Endpoint {endpoint_id} is no longer registered in Atlas, and spec.driftPolicy is Report. To register it again,"
            f" set spec.driftPolicy to Correct, or {FORCE}."
        )
        return Decision(State(Reason.DRIFTED, message, observed=none), own=own)
    if is_lost and keeps_vanishing(FIELD, facts):
        message = f"Endpoint {endpoint_id} keeps vanishing from Atlas. {KEEPS_VANISHING}"
        return Decision(State(Reason.DRIFTED, message, observed=none), own=own)
    first = Cause.EDIT if facts.baseline.contacted else Cause.FIRST_CONTACT
    cause = cause_of_loss(facts, is_lost=is_lost, otherwise=first)
    write = replace(
        registration(),
        cause=cause,
        fields=facts.desired,
        planned=f"registers endpoint {endpoint_id}",
        remedy=REFUSED,
    )
    state = State(Reason.INITIATING, f"The operator registers endpoint {endpoint_id}.", POLL, observed=none)
    return Decision(state, write, own=own)


def dead(
    facts: Facts,
    said: str,
    check: str,
    error_message: str | None,
    deletion: Callable[[Cause], Write],
    *,
    keep: str = "",
) -> Decision:
    """Decide about an endpoint that Atlas rejected, or that failed.

    Args:
        said: what Atlas reports, as a sentence.
        check: what to check in the cloud, as a sentence.
        keep: how to keep what else goes with a resource, as a sentence after a blank.
    """
    atlas_says = f"Message from Atlas: {words(error_message)}"
    observed = f"{said} {check} {atlas_says}"
    thing = facts.resource.thing
    if thing is None or facts.is_protected(thing):
        message = (
            f"{said} Another resource names it as well, so the operator does not delete it. To register it again, delete the other"
            f" resource, and {FORCE}. {atlas_says}"
        )
        return Decision(State(Reason.ENDPOINT_FAILED, message, observed=observed))
    message = (
        f"{said} {check} To delete it in Atlas and register it again, {FORCE}. If the ID is mistyped, set deletionPolicy to Delete (only"
        f" if the Event was EndpointRegistered), delete this resource, wait until it is gone, and create it with the right ID.{keep}"
        f" {atlas_says}"
    )
    return Decision(
        State(Reason.ENDPOINT_FAILED, message, observed=observed), deletion(Cause.FORCED) if facts.forced else None
    )


def unchangeable(differences: tuple[Difference, ...], *, keep: str = "") -> str:
    """Return the message about differences that Atlas cannot change; ``keep`` as in :func:`dead`."""
    return (
        f"The endpoint differs from the spec, and Atlas cannot change it: {described(differences)}. If the spec is wrong, create"
        " another resource with the right values, and set deletionPolicy of this one to Retain before you delete it. If the"
        f" endpoint is wrong, delete this resource with deletionPolicy Delete, wait until it is gone, and create it again.{keep}"
    )


def deletion(facts: Facts, state: State, shown: ShownEntry | None, write: Write, own: Mapping[str, Any]) -> Decision:
    """Return the decision to send a DELETE, unless Atlas has just refused it, or was asked for it before and does not show it.

    It is sent again less and less often.

    Args:
        shown: in the status, with the status DELETING since Atlas was asked.
        own: what shows that Atlas is asked now.
    """
    done = facts.done
    if done is not None and done.result is WriteResult.REFUSED and done.error is not None:
        said = f"Message from Atlas: {words(done.error.detail or done.error.message)}"
        message = f"Atlas refuses the deletion; the operator tries again. {said}"
        if state.reason is Reason.DELETION_BLOCKED:
            message = f"{state.message} {said}"
        return Decision(replace(state, message=message, requeue=facts.as_long_again))
    if (left := asks_again_in(facts, shown)) > 0:
        return Decision(replace(state, requeue=RequeueAfter(left)))
    return Decision(replace(state, requeue=POLL), write, own=own)


def may_appear(facts: Facts, left: float) -> Decision:
    """Return the decision about a deleted resource for which Atlas may still show something that was requested."""
    message = (
        "A call of this or a former process may still create something for this resource. The operator looks for it before the resource"
        " is removed."
    )
    return Decision(State(Reason.DELETING, message, at_latest(facts.as_long_again, left)))


def news(previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterator[tuple[EventReason, str]]:
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


def _is_confirmed_in(status: Mapping[str, Any], endpoint_id: str) -> bool:
    """Return whether a status records that Atlas has confirmed an endpoint for its resource, which then manages it."""
    confirmed: str = part(status, "applied").get(FIELD) or ""
    return confirmed.casefold() == endpoint_id.casefold()


def _registration(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the newest call in the history of a status that registers the endpoint; None without one, or if it was not applied."""
    sent = (each for each in status.get("history") or () if FIELD in each.get("fields", ()))
    newest: Mapping[str, Any] | None = next(sent, None)
    return newest if newest is not None and newest["result"] == APPLIED else None
