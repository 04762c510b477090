"""What planning needs to know beside the desire and the observation, gathered from a resource and its status; pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.kinds.serverless_private_endpoint.comparison import Fields, same
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    Applied,
    Cause,
    HistoryEntry,
    ManagedField,
    ServerlessPrivateEndpoint,
    Status,
)
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import Reason
from atlas_endpoints.kinds.serverless_private_endpoint.resource_status import as_shown
from atlas_endpoints.kinds.serverless_private_endpoint.status import find
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import APPLIED


@dataclass(frozen=True, slots=True)
class Correction:
    """An earlier correction of drift: when, and of which fields."""

    time: datetime
    fields: frozenset[str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """What Atlas has refused: the values by field, and its words."""

    fields: Fields
    message: str


@dataclass(frozen=True, slots=True)
class Context:
    """What planning needs to know beside the desire and the observation.

    Attributes:
        now: wall-clock time, UTC.
        generation: of the spec that is being planned for.
        provider_name: that the spec names.
        seen_generation: of the last spec that a status was written for; -1 for none.
        confirmed: what Atlas has confirmed for us, by field; ``None`` before the first contact.
        confirmed_generation: the generation whose fields that were.
        confirmed_at: when a PATCH was confirmed last; ``None`` also when its answer left no hope that Atlas is merely slow.
        patched: by field, when a PATCH that carried it was confirmed last.
        status_since: since when Atlas shows the present status.
        forced: whether a person asked for a fresh attempt.
        in_doubt: whether a write may still be applied whose answer was lost.
        refusal: what Atlas has refused.
        contacted: whether anything was ever confirmed, as far as is remembered.
        corrections: of drift, earlier ones, the oldest first.
        correct_drift: whether drift is corrected or only reported.
        sync_interval: how often the endpoint is looked at.
        provisioning_timeout: how long Atlas may take for one step.
    """

    now: datetime
    generation: int
    provider_name: str
    seen_generation: int
    confirmed: Fields | None
    confirmed_generation: int
    confirmed_at: datetime | None
    patched: Mapping[ManagedField, datetime]
    status_since: datetime
    forced: bool
    in_doubt: bool
    refusal: Refusal | None
    contacted: bool
    corrections: Sequence[Correction]
    correct_drift: bool
    sync_interval: timedelta
    provisioning_timeout: timedelta


@dataclass(frozen=True, slots=True)
class Defaults:
    """The operator's settings, where a resource says nothing.

    Attributes:
        sync_interval: how often an endpoint is looked at.
        provisioning_timeout: how long Atlas may take for one step.
    """

    sync_interval: timedelta = timedelta(minutes=10)
    provisioning_timeout: timedelta = timedelta(hours=2)


def gather(
    resource: ServerlessPrivateEndpoint,
    previous: Status,
    observed: Endpoint,
    *,
    now: datetime,
    in_doubt: bool,
    defaults: Defaults,
) -> Context:
    """Gather what planning needs.

    Args:
        resource: as it is.
        previous: the status before this pass, which may be newer than the resource's own.
        observed: the endpoint.
        now: wall-clock time, UTC.
        in_doubt: whether a write may still be applied whose answer was lost.
        defaults: where the resource says nothing.
    """
    applied = confirmed_before(previous, resource.spec.desired, resource.metadata.generation)
    return Context(
        now=now,
        generation=resource.metadata.generation,
        provider_name=resource.spec.provider_name,
        seen_generation=previous.observed_generation,
        confirmed=applied.values if applied else None,
        confirmed_generation=applied.generation if applied else Status.NEVER_OBSERVED,
        confirmed_at=None if _is_rejected(previous, resource.metadata.generation) else previous.last_applied_time,
        patched=_patched(previous.history),
        status_since=status_since(previous, observed, now),
        forced=forced(resource, previous),
        in_doubt=in_doubt,
        refusal=_refusal(previous),
        contacted=applied is not None or any(entry.result == APPLIED for entry in previous.history),
        corrections=[
            Correction(entry.time, frozenset(entry.fields))
            for entry in reversed(previous.history)
            if entry.cause is Cause.DRIFT and entry.result == APPLIED
        ],
        correct_drift=resource.spec.drift_policy == "Correct",
        sync_interval=resource.spec.sync_interval or defaults.sync_interval,
        provisioning_timeout=resource.spec.provisioning_timeout or defaults.provisioning_timeout,
    )


def forced(resource: ServerlessPrivateEndpoint, previous: Status) -> bool:
    """Tell whether a person asked for a fresh attempt that has not been made yet."""
    request = resource.metadata.reconcile_request
    return request is not None and request != previous.last_handled_reconcile_at


def status_since(previous: Status, observed: Endpoint, now: datetime) -> datetime:
    """Tell since when an endpoint has been seen in the status that it has."""
    before = previous.endpoint
    now_shown = (as_shown(observed.id), as_shown(observed.status))
    if before is not None and (before.id, before.status) == now_shown and before.status_since:
        return before.status_since
    return now


def confirmed_before(previous: Status, desired: Fields, generation: int) -> Applied | None:
    """Give what a status tells as confirmed and what still counts as such for what is desired now.

    A value that comes from another object may change while the generation stays. The older one was confirmed and is not what
    is wanted any more, so that the new one is an edit; ``Status.resolved`` tells which one was wanted before. (With a value that was
    wanted before, a confirmation of something else means that Atlas has stored something else.)

    Args:
        previous: the status before the pass.
        desired: the managed fields, references resolved.
        generation: that a status is about to be written for.
    """
    applied, resolved = previous.applied, previous.resolved
    if applied is not None and resolved is not None:
        wanted_before = {
            ManagedField.CLOUD_PROVIDER_ENDPOINT_ID: resolved.cloud_provider_endpoint_id,
            ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS: resolved.private_endpoint_ip_address,
        }
        replaced = {
            field
            for field, before in wanted_before.items()
            if field in desired
            and not same(field, applied.values.get(field), desired[field])
            and not same(field, before, desired[field])
        }
        if replaced & applied.values.keys():
            kept = {field: value for field, value in applied.values.items() if field not in replaced}
            applied = applied_of(applied.generation, kept)
    return still_confirmed(applied, desired, generation)


def still_confirmed(applied: Applied | None, desired: Fields, generation: int) -> Applied | None:
    """Give what still counts as confirmed for a generation.

    Once a newer spec wants another value of a field, that value may have been sent, even if no status tells of it: the operator
    may have been stopped in between. So the older confirmation is void, also for a spec that returns to the older value.

    Args:
        applied: what was confirmed.
        desired: the managed fields of the generation.
        generation: that a status is about to be written for.
    """
    if applied is None or applied.generation == generation:
        return applied
    kept = {field: value for field, value in applied.values.items() if same(field, value, desired.get(field, value))}
    return applied_of(applied.generation, kept)


def applied_of(generation: int, values: Fields) -> Applied:
    """Write down what Atlas has confirmed for a generation."""
    return Applied.model_validate({"generation": generation, **values})


def _patched(history: Iterable[HistoryEntry]) -> Mapping[ManagedField, datetime]:
    """Tell when each field was in a PATCH that Atlas has confirmed."""
    return {
        field: entry.time
        for entry in reversed(tuple(history))
        if entry.result == APPLIED
        for field in ManagedField
        if field in entry.fields
    }


def _is_rejected(previous: Status, generation: int) -> bool:
    """Tell whether this very generation is already known to be refused or stored otherwise; that is not taken back."""
    ready = find(previous, "Ready")
    return previous.observed_generation == generation and ready is not None and ready.reason == Reason.UPDATE_REJECTED


def _refusal(previous: Status) -> Refusal | None:
    """Read back what Atlas has refused: which fields from the last error, which values from the differences."""
    ready = find(previous, "Ready")
    if previous.last_error is None or ready is None or ready.reason != Reason.UPDATE_REJECTED:
        return None
    fields = {
        field: each.desired
        for each in previous.drift
        for field in ManagedField
        if field == each.field and field in previous.last_error.fields and each.desired is not None
    }
    return Refusal(fields, ready.message) if fields else None
