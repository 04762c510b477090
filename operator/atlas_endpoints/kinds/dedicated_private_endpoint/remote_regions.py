"""Decide about the other AWS regions from which endpoints may connect to a service, which its resources share. Pure.

A resource adds the regions that it names. It removes a region that it has added when its spec drops it and no other resource
names it; what others have set stays. A PATCH replaces the whole list. If Atlas refuses it, the endpoint is registered all the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Self

from atlas_endpoints.controller.cache import spec_of, status_of
from atlas_endpoints.kinds.dedicated_private_endpoint import atlas
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import Service
from atlas_endpoints.kinds.dedicated_private_endpoint.regions import atlas_name, did_you_mean
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import REGIONS, RemoteRegions
from atlas_endpoints.kinds.dedicated_private_endpoint.service import Facts, is_known
from atlas_endpoints.reconcile.compare import SETTLE
from atlas_endpoints.reconcile.kind import POLL, Decision, State, Write, WriteOutcome
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import FORCE, part
from atlas_endpoints.reconcile.status import Cause
from atlas_endpoints.reconcile.waiting import OBSERVE, words


def update(facts: Facts, service: Service) -> Decision | None:
    """Return the update that the service needs for the resource; None: none, or it was just made."""
    regions = _Regions.of(facts, service)
    missing, needless = regions.missing - regions.refused, regions.needless - regions.refused
    if facts.policy == "Observe" or is_sent(facts) or not (missing or needless):
        return None
    is_drift = not needless and missing <= regions.added | _named(regions.before.confirmed)
    is_reported = facts.resource.spec.drift_policy != "Correct" or regions.is_recent
    if is_drift and is_reported and not facts.forced:
        return None
    wanted = (regions.shown - needless) | missing
    message = f"The operator sets supportedRemoteRegions of the endpoint service to {_list(wanted)}."
    request = atlas.remote_regions_of(facts.scope.project_id, service.id, wanted)
    touches = (service.id, facts.resource.written_as)
    write = Write(request, Cause.DRIFT if is_drift else Cause.EDIT, touches=touches, tolerates_refusal=True)
    return Decision(State(Reason.PENDING, message, POLL), write)


def is_sent(facts: Facts) -> bool:
    """Return whether the decision follows a PATCH that was just made."""
    return facts.done is not None and facts.done.write.request.operation == atlas.UPDATE


def with_problem(facts: Facts, service: Service, decision: Decision) -> Decision:
    """Return the decision about a resource that needs nothing else, with what is wrong with its regions."""
    regions, state, known = _Regions.of(facts, service), decision.state, recorded(facts, service)
    refused = _named(known.refused) & (regions.missing | regions.needless)
    if decision.write is not None or not (refused or (regions.missing and not regions.is_recent)):
        return decision
    if refused:
        reason = Reason.UPDATE_REJECTED
        message = (
            f"Atlas refuses to change {_list(refused)} in supportedRemoteRegions of the endpoint service.{_hints(refused)} Correct"
            f" the spec, or {FORCE} to send it again. Message from Atlas: {words(known.error_message)}"
        )
    else:
        reason = Reason.DRIFTED
        why = OBSERVE if facts.policy == "Observe" else "spec.driftPolicy is Report"
        message = f"The endpoint service lacks {_list(regions.missing)} in supportedRemoteRegions, and {why}."
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
    before, added, refused = regions.before, regions.added, regions.refused_before
    error, sent_at = before.error_message, before.sent_at
    if done is not None and is_sent(facts):
        sent = _named((done.write.request.body or {})["supportedRemoteRegions"])
        shown = _shown_before(facts)
        match done.outcome:
            case WriteOutcome.REFUSED if done.error is not None:
                refused = refused | ((sent ^ shown) & (regions.wanted | added))
                error = done.error.detail or done.error.message
            case WriteOutcome.CONFIRMED:
                added, refused, sent_at = (
                    (added & sent) | ((sent - shown) & regions.wanted),
                    frozenset[str](),
                    facts.now,
                )
            case _:
                added |= (sent - shown) & regions.wanted
    confirmed = (_named(before.confirmed) | regions.shown) & regions.wanted
    return RemoteRegions(
        added=tuple(sorted(added & (regions.shown | regions.wanted)))[:REGIONS],
        confirmed=tuple(sorted(confirmed))[:REGIONS],
        sent_at=sent_at,
        refused=tuple(sorted(refused))[:REGIONS],
        error_message=error if refused else None,
    )


def stay(facts: Facts, service: Service) -> frozenset[str]:
    """Return the regions that the operator has added for a resource, and that stay when it is deleted."""
    regions = _Regions.of(facts, service)
    return (regions.added & regions.shown) - regions.wanted_by_others


@dataclass(frozen=True, slots=True)
class _Regions:
    """What is known of the remote regions of a service, in Atlas's names.

    Attributes:
        added: by the operator, for this resource, or for another one what this one names, too.
        refused_before: what Atlas has refused since the spec was edited; ``refused`` is not sent again.
        is_recent: whether Atlas may not show yet what it has accepted.
    """

    before: RemoteRegions
    shown: frozenset[str]
    wanted: frozenset[str]
    wanted_by_others: frozenset[str]
    added: frozenset[str]
    refused_before: frozenset[str]
    refused: frozenset[str]
    is_recent: bool

    @classmethod
    def of(cls, facts: Facts, service: Service) -> Self:
        known, named = facts.resource.status.service, facts.resource.spec.supported_remote_regions
        sharers = facts.sharers(service.id) if named or service.supported_remote_regions else ()
        before = (known.remote_regions if known is not None and is_known(facts, service) else None) or RemoteRegions()
        wanted = _named(named)
        theirs = (part(part(status_of(each), "service"), "remoteRegions").get("added") or () for each in sharers)
        added = _named(before.added) | (_named(chain.from_iterable(theirs)) & wanted)
        is_edited = facts.previous.observed_generation != facts.generation
        refused = frozenset[str]() if is_edited else _named(before.refused) & (wanted | added)
        return cls(
            before=before,
            shown=_named(service.supported_remote_regions),
            wanted=wanted,
            wanted_by_others=_named(
                chain.from_iterable(spec_of(each).get("supportedRemoteRegions") or () for each in sharers)
            ),
            added=added,
            refused_before=refused,
            refused=frozenset() if facts.forced else refused,
            is_recent=before.sent_at is not None and facts.now - before.sent_at < SETTLE,
        )

    @property
    def missing(self) -> frozenset[str]:
        return self.wanted - self.shown

    @property
    def needless(self) -> frozenset[str]:
        return (self.added & self.shown) - self.wanted - self.wanted_by_others


def _shown_before(facts: Facts) -> frozenset[str]:
    """Return what Atlas showed before a write."""
    known = facts.resource.status.service
    return frozenset() if known is None else _named(known.supported_remote_regions)


def _named(regions: Iterable[Any]) -> frozenset[str]:
    return frozenset(atlas_name("AWS", each) for each in regions)


def _hints(regions: Iterable[str]) -> str:
    return "".join(hint for each in sorted(regions) if (hint := did_you_mean("AWS", each)))


def _list(regions: Iterable[str]) -> str:
    return ", ".join(sorted(regions)) or "none"
