"""Decide about the other AWS regions from which endpoints may connect to a service, which its resources share. Pure.

Regions are only added. A PATCH replaces the whole list, so it sends what a GET right before it shows, and what the spec of the
resource names besides. If Atlas refuses it, the endpoint is registered all the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

from atlas_endpoints.kinds.dedicated_private_endpoint import atlas
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import Service
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import REGIONS, RemoteRegions
from atlas_endpoints.kinds.dedicated_private_endpoint.service import Facts, is_known
from atlas_endpoints.kinds.regions import atlas_name, did_you_mean
from atlas_endpoints.reconcile.compare import is_contested
from atlas_endpoints.reconcile.kind import POLL, Decision, Look, State, Write, WriteOutcome
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import FORCE
from atlas_endpoints.reconcile.status import Cause
from atlas_endpoints.reconcile.waiting import words

NAME = "supportedRemoteRegions"
"""As the history of the status names it."""


def update(facts: Facts, service: Service) -> Write | None:
    """Return the write that adds the missing regions; None: none is missing, or it may not be sent, or was just made."""
    regions = _Regions.of(facts, service)
    to_send = regions.missing if facts.forced else regions.missing - regions.refused
    if not to_send or _is_sent(facts):
        return None
    is_drift = to_send <= regions.confirmed
    is_held = facts.resource.spec.drift_policy != "Correct" or is_contested(NAME, facts)
    if is_drift and is_held and not facts.forced:
        return None
    request = atlas.remote_regions_of(facts.scope.project_id, service.id, regions.shown | to_send)
    return Write(
        request,
        Cause.FORCED if facts.forced else Cause.DRIFT if is_drift else Cause.EDIT,
        names=(NAME,),
        touches=(service.id, facts.resource.written_as),
        reads=service.id,
    )


def state_of(write: Write, follows: str) -> State:
    """Return the state of a resource for which regions are about to be added; ``follows`` is a sentence about the next write."""
    wanted = (write.request.body or {})["supportedRemoteRegions"]
    message = f"The operator sets supportedRemoteRegions of the endpoint service to {_list(wanted)}.{follows}"
    return State(Reason.PENDING, message, POLL)


def with_problem(facts: Facts, service: Service, decision: Decision) -> Decision:
    """Return the decision about a resource that needs nothing else, with what is wrong with its regions."""
    regions, state, known = _Regions.of(facts, service), decision.state, recorded(facts, service)
    if decision.write is not None or not regions.missing:
        return decision
    # What Atlas has taken, a LIST may show late.
    decision = replace(decision, looks=(*decision.looks, Look(service.id, beyond_list=True)))
    if refused := _named(known.refused) & regions.missing:
        reason = Reason.UPDATE_REJECTED
        said = f"Message from Atlas: {words(known.error_message)}"
        if known.error_message is None:
            said = "Atlas answered with success, and did not add it."
        message = (
            f"Atlas refuses to add {_list(refused)} to supportedRemoteRegions of the endpoint service.{_hints(refused)} Correct"
            f" the spec, or {FORCE} to send it again. {said}"
        )
    elif facts.resource.spec.drift_policy == "Correct":
        reason = Reason.DRIFTED
        message = (
            f"{_list(regions.missing)} keeps vanishing from supportedRemoteRegions of the endpoint service, so the operator adds it"
            " only once an hour. Find out who removes it."
        )
    else:
        reason = Reason.DRIFTED
        message = f"The endpoint service lacks {_list(regions.missing)} in supportedRemoteRegions, and spec.driftPolicy is Report."
    match state.reason:
        case Reason.AVAILABLE:
            return replace(decision, state=replace(state, reason=reason, message=message))
        case Reason.WAITING_FOR_CLOUD_ENDPOINT:
            return replace(decision, state=replace(state, message=f"{state.message} {message}"))
        case _:
            return decision


def recorded(facts: Facts, service: Service) -> RemoteRegions:
    """Return what the status records, including a write that was just made."""
    regions, done = _Regions.of(facts, service), facts.done
    refused, error = regions.refused, regions.before.error_message
    if done is not None and _is_sent(facts):
        if done.outcome is WriteOutcome.REFUSED and done.error is not None:
            refused, error = regions.missing, done.error.detail or done.error.message
        elif done.outcome is WriteOutcome.CONFIRMED:
            refused, error = regions.missing, None
    confirmed = (regions.confirmed | regions.shown) & regions.wanted
    return RemoteRegions(
        confirmed=tuple(sorted(confirmed))[:REGIONS],
        refused=tuple(sorted(refused & regions.missing))[:REGIONS],
        error_message=error if refused & regions.missing else None,
    )


@dataclass(frozen=True, slots=True)
class _Regions:
    """What is known of the remote regions of a service, in Atlas's names.

    Attributes:
        confirmed: of those in the spec, what Atlas has shown before.
        refused: what Atlas has refused, or not taken, since the spec was edited.
    """

    before: RemoteRegions
    shown: frozenset[str]
    wanted: frozenset[str]
    confirmed: frozenset[str]
    refused: frozenset[str]

    @classmethod
    def of(cls, facts: Facts, service: Service) -> Self:
        known = facts.resource.status.service
        before = (known.remote_regions if known is not None and is_known(facts, service) else None) or RemoteRegions()
        is_edited = facts.previous.observed_generation != facts.generation
        return cls(
            before=before,
            shown=_named(service.supported_remote_regions),
            wanted=_named(facts.resource.spec.supported_remote_regions),
            confirmed=_named(before.confirmed),
            refused=frozenset() if is_edited else _named(before.refused),
        )

    @property
    def missing(self) -> frozenset[str]:
        return self.wanted - self.shown


def _is_sent(facts: Facts) -> bool:
    """Return whether the decision follows a PATCH that was just made."""
    return facts.done is not None and facts.done.write.request.operation == atlas.UPDATE


def _named(regions: Iterable[Any]) -> frozenset[str]:
    return frozenset(atlas_name("AWS", each) for each in regions)


def _hints(regions: Iterable[str]) -> str:
    return "".join(hint for each in sorted(regions) if (hint := did_you_mean("AWS", each)))


def _list(regions: Iterable[str]) -> str:
    return ", ".join(sorted(regions)) or "none"
