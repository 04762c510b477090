"""Decide about the other AWS regions from which endpoints may connect to a service, which its resources share. Pure.

A resource adds the regions that it names. It removes a region if a resource has added it and none names it any more; what
others have set stays. A PATCH replaces the whole list. If Atlas refuses it, the endpoint is registered all the same.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from atlas_endpoints.controller.cache import spec_of, status_of
from atlas_endpoints.controller.requeue import RequeueAfter
from atlas_endpoints.kinds.dedicated_private_endpoint import atlas
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import Service
from atlas_endpoints.kinds.dedicated_private_endpoint.regions import atlas_name
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import REGIONS, RemoteRegions
from atlas_endpoints.kinds.dedicated_private_endpoint.service import Facts, is_known
from atlas_endpoints.reconcile.compare import SETTLE
from atlas_endpoints.reconcile.kind import POLL_FIRST, Decision, State, Write, WriteOutcome
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import FORCE, part
from atlas_endpoints.reconcile.status import Cause
from atlas_endpoints.reconcile.waiting import OBSERVE, words


def update(facts: Facts, service: Service) -> Decision | None:
    """Return the update that the service needs for the resource; None: none."""
    shown, before, added = _named(service.supported_remote_regions), _recorded(facts, service), _added(facts, service)
    missing = _wanted(facts) - shown - (set() if facts.forced else _named(before.refused))
    needless = (added & shown) - _wanted(facts) - _wanted_by_others(facts, service)
    if facts.policy == "Observe" or not (missing or needless):
        return None
    is_drift = missing <= added and not needless
    reports = facts.resource.spec.drift_policy != "Correct" or _is_recent(facts, before)
    if is_drift and reports and not facts.forced:
        return None
    wanted = (shown - needless) | missing
    message = f"The operator sets supportedRemoteRegions of the endpoint service to {_list(wanted)}."
    request = atlas.remote_regions_of(facts.scope.project_id, service.id, wanted)
    touches = (service.id, facts.resource.written_as)
    write = Write(request, Cause.DRIFT if is_drift else Cause.EDIT, touches=touches, tolerates_refusal=True)
    return Decision(State(Reason.PENDING, message, RequeueAfter(POLL_FIRST)), write)


def with_problem(facts: Facts, service: Service, decision: Decision) -> Decision:
    """Return the decision about a resource that needs nothing else, with what is wrong with its regions."""
    state, before = decision.state, recorded(facts, service)
    missing = _wanted(facts) - _named(service.supported_remote_regions)
    refused = missing & _named(before.refused)
    if decision.write is not None or not missing or (_is_recent(facts, before) and not refused):
        return decision
    if refused:
        reason = Reason.UPDATE_REJECTED
        message = (
            f"Atlas refuses {_list(refused)} in supportedRemoteRegions of the endpoint service. Correct the spec, or {FORCE} to"
            f" send it again. Message from Atlas: {words(before.error_message)}"
        )
    else:
        reason = Reason.DRIFTED
        why = OBSERVE if facts.policy == "Observe" else "spec.driftPolicy is Report"
        message = f"The endpoint service lacks {_list(missing)} in supportedRemoteRegions, and {why}."
    match state.reason:
        case Reason.AVAILABLE:
            return replace(decision, state=replace(state, reason=reason, message=message))
        case Reason.WAITING_FOR_CLOUD_ENDPOINT:
            return replace(decision, state=replace(state, message=f"{state.message} {message}"))
        case _:
            return decision


def recorded(facts: Facts, service: Service) -> RemoteRegions:
    """Return what the status records, including a write that was just made."""
    before, shown, done = _recorded(facts, service), _named(service.supported_remote_regions), facts.done
    added, wanted = _added(facts, service), _wanted(facts)
    refused, error, sent_at = _named(before.refused) & wanted, before.error_message, before.sent_at
    if done is not None and done.write.request.operation == atlas.UPDATE:
        sent = _named((done.write.request.body or {})["supportedRemoteRegions"])
        new = sent - _shown_before(facts)
        match done.outcome:
            case WriteOutcome.CONFIRMED:
                added, refused, sent_at = (added & sent) | new, refused - sent, facts.now
            case WriteOutcome.REFUSED if done.error is not None:
                refused, error = refused | new, done.error.detail or done.error.message
            case _:
                pass
    return RemoteRegions(
        added=tuple(sorted(added & (shown | wanted)))[:REGIONS],
        sent_at=sent_at,
        refused=tuple(sorted(refused))[:REGIONS],
        error_message=error if refused else None,
    )


def stay(facts: Facts, service: Service) -> set[str]:
    """Return the regions that a resource has added, and that stay when it is deleted."""
    shown = _named(service.supported_remote_regions)
    return (_named(_recorded(facts, service).added) & shown) - _wanted_by_others(facts, service)


def _recorded(facts: Facts, service: Service) -> RemoteRegions:
    known = facts.resource.status.service
    found = known.remote_regions if known is not None and is_known(facts, service) else None
    return found or RemoteRegions()


def _added(facts: Facts, service: Service) -> set[str]:
    """Return the regions that this resource has added, and others that share the service, also if they are gone since."""
    before = _recorded(facts, service)
    added = _named(before.added)
    if not _is_recent(facts, before):  # what was just removed is in the records of others, and may be shown for a while
        for body in facts.sharers(service.id):
            added |= _named(part(part(status_of(body), "service"), "remoteRegions").get("added") or ())
    return added


def _is_recent(facts: Facts, before: RemoteRegions) -> bool:
    """Return whether Atlas may not show yet what it has accepted."""
    return before.sent_at is not None and facts.now - before.sent_at < SETTLE


def _wanted(facts: Facts) -> set[str]:
    return _named(facts.resource.spec.supported_remote_regions)


def _wanted_by_others(facts: Facts, service: Service) -> set[str]:
    found: set[str] = set()
    return found.union(
        *(_named(spec_of(body).get("supportedRemoteRegions") or ()) for body in facts.sharers(service.id))
    )


def _shown_before(facts: Facts) -> set[str]:
    """Return what Atlas showed before a write."""
    known = facts.resource.status.service
    return set() if known is None else _named(known.supported_remote_regions)


def _named(regions: Iterable[Any]) -> set[str]:
    return {atlas_name("AWS", each) for each in regions}


def _list(regions: Iterable[str]) -> str:
    return ", ".join(sorted(regions)) or "none"
