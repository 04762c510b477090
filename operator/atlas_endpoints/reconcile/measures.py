"""What of a resource is worth a figure: how long it took to be Ready, which of its fields drifted, and what it is; pure.

As for Events, all of it follows from the object and two of its statuses, so that a restart counts nothing twice. Statuses are
not read by way of the models here: that takes longer than all else that is done with one.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from atlas_endpoints.controller.clock import believed
from atlas_endpoints.reconcile.facts import APPLIED
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.status import Cause

FACTS = ("provider", "management_policy", "credentials")
"""Names of what is told of a resource."""

IDS = (*FACTS, "project_id", "instance_name", "endpoint_id")
"""The same with what Atlas names it by."""


def seconds_to_ready(body: Mapping[str, Any], status: Mapping[str, Any], now: datetime) -> float | None:
    """Tell for how long a resource had not been Ready when it became so.

    Args:
        body: the object with its status as it was before.
        status: as it is from now on.
        now: wall-clock time, UTC.

    Returns:
        Seconds since it was created, or since it was Ready last; ``None`` when it has not become Ready, or had been suspended,
        which is nobody's waiting.
    """
    before, after = _condition(body.get("status") or {}, "Ready"), _condition(status, "Ready")
    if after.get("status") != "True" or before.get("status") == "True" or before.get("reason") == Reason.SUSPENDED:
        return None
    since = before.get("lastTransitionTime") or body["metadata"].get("creationTimestamp")
    return (now - believed(datetime.fromisoformat(since), now=now)).total_seconds() if since else None


def drifted(previous: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the fields that were found to have drifted between two statuses, be it corrected or only told.

    A field that stays so, waits for its correction, or is corrected in vain, is named once.
    """
    newest, before = _newest(status), _newest(previous)
    if newest != before and newest.get("cause") == Cause.DRIFT:
        found: Sequence[str] = newest.get("fields") or ()
    else:
        found = _shown_as_drift(status)
    known = {*_shown_as_drift(previous)}
    if before.get("cause") == Cause.DRIFT and before.get("result") != APPLIED:
        known.update(before.get("fields") or ())
    return tuple(field for field in found if field not in known)


def facts(body: Mapping[str, Any]) -> dict[str, str]:
    """Give what ``FACTS`` names; what is not known is empty."""
    spec = body.get("spec") or {}
    values = (spec.get("providerName"), spec.get("managementPolicy") or "Manage", _source(body))
    return {name: str(value or "") for name, value in zip(FACTS, values, strict=True)}


def facts_with_ids(body: Mapping[str, Any], entry_of: Callable[[Mapping[str, Any]], str | None]) -> dict[str, str]:
    """Return what ``IDS`` names."""
    spec = body.get("spec") or {}
    resolved = (body.get("status") or {}).get("resolved") or {}
    ids = (spec.get("projectId") or resolved.get("projectId"), spec.get("instanceName"), entry_of(body))
    return facts(body) | {name: str(value or "") for name, value in zip(IDS[len(FACTS) :], ids, strict=True)}


def credentials_scope(body: Mapping[str, Any]) -> str:
    """Tell whether the resource, its namespace or the operator names its Secret; empty when that is not known."""
    return _source(body).partition("/")[0]


def _source(body: Mapping[str, Any]) -> str:
    resolved = (body.get("status") or {}).get("resolved") or {}
    return str(resolved.get("credentialsSource") or "")


def _shown_as_drift(status: Mapping[str, Any]) -> list[str]:
    """Name the fields that a status calls drift, and not only different."""
    is_drift = (
        _condition(status, "Synced").get("reason") == "DriftDetected"
        or (status.get("plan") or {}).get("reason") == Cause.DRIFT
    )
    return [each["field"] for each in status.get("drift") or ()] if is_drift else []


def _newest(status: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(iter(status.get("history") or ()), {})


def _condition(status: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    return next((each for each in status.get("conditions") or () if each["type"] == type_), {})
