"""Decide about the other AWS regions from which endpoints may connect to a service, which its resources share. Pure.

Regions are only added. A PATCH replaces the whole list, so it sends what a GET right before it shows, and what the spec of the
resource names besides. If Atlas refuses it, the endpoint is registered all the same.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from atlas_endpoints.kinds.dedicated_private_endpoint.calls import CHANGES
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import REGIONS, RemoteRegions, Service
from atlas_endpoints.kinds.dedicated_private_endpoint.service import is_known
from atlas_endpoints.kinds.lives.life import Facts
from atlas_endpoints.kinds.regions import atlas_name, doubt
from atlas_endpoints.reconcile.compare import cause_of_loss
from atlas_endpoints.reconcile.decision import POLL, Decision, Get, State, Write, WriteResult
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import FORCE
from atlas_endpoints.reconcile.status import Cause
from atlas_endpoints.reconcile.waiting import words

NAME = "supportedRemoteRegions"
"""As Atlas and the history of the status name it."""

NO_CHANGE: Mapping[str, Any] = {"cloudProvider": "AWS"}
"""The body of a PATCH that contains nothing to change."""


@dataclass(frozen=True, slots=True)
class Regions:
    """What is known of the remote regions of a service, in Atlas's names.

    Attributes:
        shown: what the service has.
        confirmed: of those in the spec, what Atlas has shown.
        missing: of those in the spec, what the service lacks.
        refused: of the missing ones, what Atlas has refused, or not taken, since the spec was edited.
        error: Atlas's message about these; None: it answered with success.
        is_sent: whether a PATCH was just made.
    """

    shown: frozenset[str]
    confirmed: frozenset[str]
    missing: frozenset[str]
    refused: frozenset[str]
    error: str | None
    is_sent: bool

    @classmethod
    def of(cls, facts: Facts, service: Service) -> Self:
        """Return them for a decision, which may follow a PATCH."""
        known, done = facts.resource.status.service, facts.done
        before = (known.remote_regions if known is not None and is_known(facts, service) else None) or RemoteRegions()
        shown = _named(service.supported_remote_regions)
        wanted = _named(facts.resource.spec.supported_remote_regions)
        is_edited = facts.previous.observed_generation != facts.generation
        refused, error = frozenset() if is_edited else _named(before.refused), before.error_message
        is_sent = done is not None and done.write.request.operation == CHANGES.update
        if done is not None and is_sent and done.result is not WriteResult.UNKNOWN:
            refused, error = wanted, None if done.error is None else done.error.detail or done.error.message
        confirmed, missing = (_named(before.confirmed) | shown) & wanted, wanted - shown
        return cls(shown, confirmed, missing, refused & missing, error, is_sent)

    @property
    def recorded(self) -> RemoteRegions | None:
        """What the status records."""
        if not self.confirmed and not self.refused:
            return None
        return RemoteRegions(
            confirmed=tuple(sorted(self.confirmed))[:REGIONS],
            refused=tuple(sorted(self.refused))[:REGIONS],
            error_message=self.error if self.refused else None,
        )


def update(facts: Facts, service: Service, regions: Regions, *, repeats: bool) -> Write | None:
    """Return the write that adds the missing regions; None: none is missing, or it may not be sent, or was just made.

    Args:
        repeats: whether those that Atlas refused are sent again.
    """
    to_send = regions.missing if repeats else regions.missing - regions.refused
    if not to_send or regions.is_sent:
        return None
    is_drift = to_send <= regions.confirmed
    if is_drift and facts.resource.spec.drift_policy != "Correct" and not facts.forced:
        return None
    return Write(
        CHANGES.update_of(facts.scope, service.id, body_of(regions.shown | to_send)),
        cause_of_loss(facts, is_lost=is_drift, otherwise=Cause.EDIT),
        names=(NAME,),
        touches=(service.id, facts.resource.written_as),
        reads=service.id,
    )


def body_of(regions: Iterable[str]) -> Mapping[str, Any]:
    """Return the body of the PATCH that replaces the remote regions, by Atlas's names, which are the only ones that it takes here."""
    return {**NO_CHANGE, NAME: sorted(regions)}


def state_of(write: Write, follows: str) -> State:
    """Return the state of a resource for which regions are about to be added; ``follows`` is a sentence about the next write."""
    wanted = (write.request.body or {})[NAME]
    message = f"The operator sets supportedRemoteRegions of the endpoint service to {_list(wanted)}.{follows}"
    return State(Reason.PENDING, message, POLL)


def with_problem(facts: Facts, service: Service, regions: Regions, decision: Decision) -> Decision:
    """Return the decision about a resource that needs nothing else, with what is wrong with its regions."""
    if decision.write is not None or not regions.missing:
        return decision
    taken_at = facts.baseline.patched.get(NAME)
    if taken_at is not None and facts.now - taken_at <= facts.interval:
        # What Atlas has taken, a LIST may show late.
        decision = replace(decision, gets=(*decision.gets, Get(service.id, beyond_list=True)))
    state, reason = decision.state, Reason.DRIFTED
    if regions.refused:
        reason = Reason.UPDATE_REJECTED
        said = f"Message from Atlas: {words(regions.error)}"
        if regions.error is None:
            said = "Atlas answered with success, and did not add it."
        hints = "".join(doubt("AWS", each) for each in sorted(regions.refused))
        message = (
            f"Atlas refuses to add {_list(regions.refused)} to supportedRemoteRegions of the endpoint service.{hints} Correct"
            f" the spec, or {FORCE} to send it again. {said}"
        )
    elif facts.resource.spec.drift_policy == "Correct":
        return decision
    else:
        message = (
            f"The endpoint service lacks {_list(regions.missing)} in supportedRemoteRegions, and spec.driftPolicy is Report. To add it,"
            f" set spec.driftPolicy to Correct, or {FORCE}."
        )
    match state.reason:
        case Reason.AVAILABLE:
            return replace(decision, state=replace(state, reason=reason, message=message))
        case Reason.WAITING_FOR_CLOUD_ENDPOINT | Reason.ENDPOINT_FAILED:
            return replace(decision, state=replace(state, message=f"{state.message} {message}"))
        case _:
            return decision


def _named(regions: Iterable[str]) -> frozenset[str]:
    return frozenset(atlas_name("AWS", each) for each in regions)


def _list(regions: Iterable[str]) -> str:
    return ", ".join(sorted(regions)) or "none"
