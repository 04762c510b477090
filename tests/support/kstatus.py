"""Judges a resource as those do who wait for it, and by the rules that its conditions have to obey.

``kstatus`` tells what kubectl's, Helm's and Flux's library says of any object. ``problems`` tells what is wrong with a
resource of any kind of ours, whatever moment it was caught at. It is a reading of its own of what is promised to users,
and so shares nothing with the operator.

Sources: sig-architecture's api-conventions.md, "Typical status properties"; ``sigs.k8s.io/cli-utils/pkg/kstatus``;
``github.com/fluxcd/pkg/runtime/conditions/check``. One rule of Flux's is left out, that nothing is Ready while its
generation has not been observed: it holds at the end of a reconcile, and every edit of a resource at rest breaks it until then.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Literal, TypeAlias

Body: TypeAlias = Mapping[str, Any]
Conditions: TypeAlias = Mapping[str, Mapping[str, Any]]

HEALS_BY_ITSELF = frozenset(
    {
        "Pending",
        "ReservationRequested",
        "Initiating",
        "Recreating",
        "WaitingForApproval",
        "WaitingForCloudEndpoint",
        "ServiceInitiating",
        "NoCapacity",
        "Deleting",
        "RateLimited",
        "AtlasUnavailable",
        "InternalError",
        "CorrectionHeld",
    }
)
"""Reasons of ``Ready`` that are Reconciling however long they last."""

OTHERS_MAY_HEAL = frozenset(
    {
        "CredentialsInvalid",
        "MissingRole",
        "IPNotAllowed",
        "ReferenceNotReady",
        "EndpointNotFound",
        "Conflict",
        "ProjectNotFound",
        "InstanceNotFound",
        "EncryptionNotConfigured",
        "PrivateNetworkingRequired",
    }
)
"""Reasons that are Reconciling for a while and Stalled afterwards."""

A_PERSON_MUST_ACT = frozenset(
    {
        "EndpointFailed",
        "ServiceFailed",
        "StringsWillChange",
        "UpdateRejected",
        "InvalidSpec",
        "APIGone",
        "NotServerless",
        "AccountSuspended",
        "ProvisioningTimeout",
        "DeletionBlocked",
        "MetadataRefused",
        "Drifted",
    }
)
"""Reasons that are Stalled at once."""

REASONS: Mapping[str, frozenset[str]] = {
    "Ready": HEALS_BY_ITSELF | OTHERS_MAY_HEAL | A_PERSON_MUST_ACT | {"Available", "Suspended"},
    "Reconciling": HEALS_BY_ITSELF | OTHERS_MAY_HEAL,
    "Stalled": OTHERS_MAY_HEAL | A_PERSON_MUST_ACT,
    "Synced": HEALS_BY_ITSELF
    | OTHERS_MAY_HEAL
    | A_PERSON_MUST_ACT
    | {"InSync", "Observing", "Updated", "DriftDetected", "UpdateRejected"},
    "ReferencesResolved": frozenset({"Resolved", "NotFound", "NotReady", "FieldMissing", "KindNotAllowed", "Changed"}),
    "OutputsWritten": frozenset({"Written", "Pending", "NotFound", "NotOurs", "Disabled", "Refused"}),
    "CredentialsValid": frozenset(
        {
            "SecretNotFound",
            "SecretForbidden",
            "MissingKeys",
            "AmbiguousKeys",
            "BaseURLNotAllowed",
            "InvalidBaseURL",
            "InvalidSecretName",
            "NamespaceForbidden",
            "NamespaceNotAllowed",
            "Unauthorized",
            "NotAllowed",
            "Verified",
        }
    ),
    "Contended": frozenset({"Conflict", "Pending"}),
    "ServiceReady": frozenset({"Ready", "NotReady", "NotFound"}),
    "Deprecated": frozenset({"APIDeprecated", "APISunset", "APIGone"}),
}
"""The types of condition that a resource may have, and the reasons that each may give."""

MESSAGE_LIMIT = 1024
HISTORY_LIMIT = 5
_PASCAL_CASE = re.compile(r"[A-Z][A-Za-z0-9]*")
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def kstatus(body: Body) -> Literal["InProgress", "Failed", "Current", "Terminating"]:
    """Return what kstatus says of an object of a kind that it does not know.

    The conditions Reconciling and Stalled count in the order of the list; an object without any status is Current, which is
    why the CRD gives every new one a status that is behind. A generation that is no number is an error to kstatus, which
    those who wait for an object take for not done.
    """
    metadata, status = body["metadata"], body.get("status") or {}
    if "deletionTimestamp" in metadata:
        return "Terminating"
    if "observedGeneration" in status and status["observedGeneration"] != metadata["generation"]:
        return "InProgress"
    conditions = status.get("conditions") or ()
    for each in conditions:
        if each["status"] == "True" and each["type"] == "Reconciling":
            return "InProgress"
        if each["status"] == "True" and each["type"] == "Stalled":
            return "Failed"
    ready = [each["status"] for each in conditions if each["type"] == "Ready"]
    return "Current" if ready in ([], ["True"]) else "InProgress"


def problems(body: Body) -> list[str]:
    """Return what is wrong with the status of a resource, in words; nothing when all is well.

    Args:
        body: the whole object, at any moment of its life.
    """
    status = body.get("status")
    if not isinstance(status, Mapping):
        return ["there is no status, so that kstatus takes the resource for done"]
    observed = status.get("observedGeneration")
    if type(observed) is not int:
        return [f"observedGeneration is {observed!r} and no integer"]
    if observed > body["metadata"]["generation"]:
        return [f"observedGeneration {observed} is ahead of the generation {body['metadata']['generation']}"]
    if observed == -1:
        return (
            [] if set(status) == {"observedGeneration"} else ["there is a status of a generation that was never seen"]
        )
    listed = status.get("conditions", [])
    conditions = {each["type"]: each for each in listed}
    found = [f"{name} is null" for name in _nulls(status)]
    if len(conditions) != len(listed):
        found.append("a type of condition is there twice")
    found += [f"{each['type']}: {problem}" for each in listed for problem in _of_condition(each, observed)]
    for rule in (_of_ready, _of_pair, _of_readiness, _of_applied, _of_plan):
        found += rule(body, status, conditions)
    if len(status.get("history", ())) > HISTORY_LIMIT:
        found.append(f"the history has more than {HISTORY_LIMIT} entries")
    times = [each["time"] for each in status.get("history", ())]
    if times != sorted(times, reverse=True):
        found.append("the history does not have the newest first")
    return found


def _nulls(value: object, path: str = "status") -> Iterator[str]:
    if value is None:
        yield path
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield from _nulls(each, f"{path}.{name}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _nulls(each, f"{path}[{number}]")


def _of_condition(condition: Mapping[str, Any], observed: int) -> Iterator[str]:
    if condition["type"] not in REASONS:
        yield "no such type of condition is promised"
    elif condition["reason"] not in REASONS[condition["type"]]:
        yield f"the reason {condition['reason']} is not one of this condition's"
    if not _PASCAL_CASE.fullmatch(condition["reason"]):
        yield f"the reason {condition['reason']!r} is no PascalCase word"
    if condition["status"] not in {"True", "False", "Unknown"}:
        yield f"the status is {condition['status']!r}"
    if not condition.get("message", "").strip():
        yield "there is no message"
    if len(condition.get("message", "")) > MESSAGE_LIMIT:
        yield f"the message has more than {MESSAGE_LIMIT} characters"
    if type(condition.get("observedGeneration")) is not int:
        yield "there is no observedGeneration"
    elif not 0 <= condition["observedGeneration"] <= observed:
        yield f"observedGeneration {condition['observedGeneration']} is not one up to that of the status, {observed}"
    if not _is_time(condition.get("lastTransitionTime")):
        yield f"lastTransitionTime is {condition.get('lastTransitionTime')!r}"


def _of_ready(_: Body, status: Body, conditions: Conditions) -> Iterator[str]:
    ready = conditions.get("Ready")
    if ready is None:
        yield "Ready is missing"
        return
    expected = {"Available": "True", "Pending": "Unknown"}.get(ready["reason"], "False")
    if ready["status"] != expected:
        yield f"Ready is {ready['status']} for the reason {ready['reason']}"
    if ready.get("observedGeneration") != status["observedGeneration"]:
        yield "Ready speaks about another generation than the status"


def _of_pair(_: Body, status: Body, conditions: Conditions) -> Iterator[str]:
    """Check kstatus's two conditions, which are there only while they are true, and never both."""
    pair = [name for name in ("Reconciling", "Stalled") if name in conditions]
    reason = conditions["Ready"]["reason"] if "Ready" in conditions else None
    if len(pair) > 1:
        yield "Reconciling and Stalled are both there"
    for name in pair:
        if conditions[name]["status"] != "True":
            yield f"{name} is there and not True"
        if conditions[name]["reason"] != reason:
            yield f"{name} has another reason than Ready"
        if conditions[name].get("observedGeneration") != status["observedGeneration"]:
            yield f"{name} speaks about another generation than the status"
    if not pair and reason not in {"Available", "Suspended", None}:
        yield f"neither Reconciling nor Stalled is there for the reason {reason}"
    if pair and reason in {"Available", "Suspended"}:
        yield f"{pair[0]} is there for the reason {reason}"


READY: Mapping[str, frozenset[str | None]] = {
    "DataFederationPrivateEndpoint": frozenset({"OK", None}),
    "EncryptionAtRestPrivateEndpoint": frozenset({"ACTIVE"}),
    "BackupPrivateEndpoint": frozenset({"ACTIVE"}),
    "StreamPrivateEndpoint": frozenset({"DONE"}),
    "PrivateEndpointRegionalMode": frozenset({"ENABLED"}),
}
"""What Atlas says of an endpoint that works, by kind, or nothing, as far as the kind has no step between; of others, AVAILABLE."""


def _of_readiness(body: Body, status: Body, conditions: Conditions) -> Iterator[str]:
    if "Ready" not in conditions or conditions["Ready"]["status"] != "True":
        return
    for name, each in conditions.items():
        if each.get("observedGeneration") != status["observedGeneration"]:
            yield f"{name} speaks about another generation than the status although Ready is True"
    for name in ("Synced", "CredentialsValid"):
        if name not in conditions or conditions[name]["status"] != "True":
            yield f"{name} is not True although Ready is"
    works = READY.get(body.get("kind", ""), frozenset({"AVAILABLE"}))
    shown = {**status.get("mode", {}), **status.get("endpoint", {})}
    in_atlas = status.get("connection", {}).get("state", shown.get("status"))
    if in_atlas not in works:
        yield f"Ready is True although Atlas says none of {set(works)}, which READY of tests/support/kstatus.py names"
    yield from (f"Ready is True although there is {name}" for name in ("drift", "lastError") if name in status)


def _of_applied(body: Body, status: Body, conditions: Conditions) -> Iterator[str]:
    """Check that Ready is True only while what Atlas has confirmed is what the spec says."""
    if status["observedGeneration"] != body["metadata"]["generation"]:
        return  # the spec has changed since
    if "Ready" not in conditions or conditions["Ready"]["status"] != "True":
        return
    if "applied" not in status:
        yield "Ready is True although nothing was confirmed"
        return
    for field, same in _MEANS_THE_SAME.items():
        wanted, confirmed = body["spec"].get(field), status["applied"].get(field)
        if wanted is not None and not same(wanted, confirmed or ""):
            yield f"Ready is True although {field} is wanted as {wanted!r} and confirmed as {confirmed!r}"


_PLANNED = {"Drifted", "EndpointNotFound", "EndpointFailed", "ServiceFailed"}
"""The reasons with which a plan may stand."""


def _of_plan(_: Body, status: Body, conditions: Conditions) -> Iterator[str]:
    """Check that a request is only shown where something differs from the spec."""
    if "plan" not in status:
        return
    if conditions.get("Ready", {}).get("reason") not in _PLANNED:
        yield f"there is a plan although the reason is none of {sorted(_PLANNED)}"
    if conditions.get("Synced", {}).get("status") == "True":
        yield "Synced is True although something would be sent"


def _same_address(one: str, other: str) -> bool:
    return bool(other) and ip_address(one) == ip_address(other)


_MEANS_THE_SAME: Mapping[str, Callable[[str, str], bool]] = {
    "cloudProviderEndpointId": lambda one, other: one.lower() == other.lower(),
    "privateEndpointIpAddress": _same_address,
    "comment": lambda one, other: one == other,
}


def _is_time(value: object) -> bool:
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
