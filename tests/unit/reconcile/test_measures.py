"""Which changes of a status are counted: the way to Ready, and what has drifted; and what is told of a resource."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.measures import (
    FACTS,
    IDS,
    credentials_scope,
    drifted,
    facts,
    facts_with_ids,
    seconds_to_ready,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NOW = datetime(2026, 11, 25, 12, 10, tzinfo=UTC)
CREATED, LATER = "2026-11-25T12:00:00Z", "2026-11-25T12:09:00Z"


def ready(status: str, reason: str = "Initiating", *, since: str = LATER, **rest: Any) -> dict[str, Any]:
    condition = {"type": "Ready", "status": status, "reason": reason, "lastTransitionTime": since}
    return {"conditions": [condition], **rest}


class Way(NamedTuple):
    previous: Mapping[str, Any] | None
    status: Mapping[str, Any]
    seconds: float | None


WAYS = {
    "it is Ready at once": Way(None, ready("True", "Available"), 600.0),
    "the API server has given it the default status": Way({"observedGeneration": -1}, ready("True"), 600.0),
    "it was not Ready for a minute": Way(ready("False"), ready("True", "Available"), 60.0),
    "nobody knew whether it was for a minute": Way(ready("Unknown"), ready("True"), 60.0),
    "it is not Ready yet": Way(ready("False"), ready("False"), None),
    "it goes on being Ready": Way(ready("True"), ready("True", "Available"), None),
    "it is not Ready any more": Way(ready("True"), ready("False"), None),
    "it was suspended": Way(ready("False", "Suspended"), ready("True", "Available"), None),
    "our clock is behind": Way(ready("False", since="2026-11-25T12:10:05Z"), ready("True"), 0.0),
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_how_long_it_took_to_be_ready(way: Way) -> None:
    body = {"metadata": {"creationTimestamp": CREATED}, "status": way.previous}
    assert seconds_to_ready(body, way.status, NOW) == way.seconds


def sent(cause: str, *fields: str, result: str = "Applied", time: str = LATER) -> dict[str, Any]:
    return {"history": [{"time": time, "generation": 1, "cause": cause, "fields": list(fields), "result": result}]}


def shows(reason: str, *fields: str, **rest: Any) -> dict[str, Any]:
    return {
        "conditions": [{"type": "Synced", "status": "False", "reason": reason}],
        "drift": [{"field": field, "desired": "ours", "actual": "theirs"} for field in fields],
        **rest,
    }


class Change(NamedTuple):
    previous: Mapping[str, Any]
    status: Mapping[str, Any]
    fields: Sequence[str] = ()


REJECTED = "Rejected: 400"
CHANGES = {
    "nothing": Change({}, {}),
    "an edit is sent": Change({}, sent("Edit", "comment")),
    "drift is corrected": Change({}, sent("Drift", "comment", "cloudProviderEndpointId"), ["comment", "cloudProviderEndpointId"]),
    "that it was corrected still stands there": Change(sent("Drift", "comment"), sent("Drift", "comment")),
    "the same drifts again later": Change(
        sent("Drift", "comment"), sent("Drift", "comment", time="2026-11-25T12:10:00Z"), ["comment"]
    ),
    "drift is only told": Change({}, shows("DriftDetected", "comment"), ["comment"]),
    "it goes on": Change(shows("DriftDetected", "comment"), shows("DriftDetected", "comment")),
    "another field drifts, too": Change(
        shows("DriftDetected", "comment"), shows("DriftDetected", "comment", "cloudProviderEndpointId"), ["cloudProviderEndpointId"]
    ),
    "its correction was held back and is made": Change(shows("DriftDetected", "comment"), sent("Drift", "comment")),
    "it is corrected in vain, and then not": Change(sent("Drift", "comment", result=REJECTED), sent("Drift", "comment")),
    "a difference that is no drift": Change({}, shows("UpdateRejected", "comment")),
    "a correction is planned": Change({}, shows("Planned", "comment", plan={"reason": "Drift"}), ["comment"]),
    "an edit is planned": Change({}, shows("Planned", "comment", plan={"reason": "Edit"})),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_which_fields_have_drifted(change: Change) -> None:
    assert drifted(change.previous, change.status) == tuple(change.fields)


def resource(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"namespace": "shop", "name": "db"}, "spec": spec}


def test_what_is_told_of_a_resource_names_no_id_unless_that_is_asked_for() -> None:
    body = resource(providerName="AWS", projectId="p", instanceName="shop", endpointId="e", managementPolicy="Plan")
    body["status"] = {"resolved": {"credentialsSource": "namespace/atlas"}}
    told = {"provider": "AWS", "management_policy": "Plan", "credentials": "namespace/atlas"}
    assert facts(body) == told
    assert facts_with_ids(body, KIND.entry_of) == told | {
        "project_id": "p",
        "instance_name": "shop",
        "endpoint_id": "e",
    }
    assert credentials_scope(body) == "namespace"


def test_what_is_not_known_of_a_resource_is_empty() -> None:
    assert facts(resource()) == {"provider": "", "management_policy": "Manage", "credentials": ""}
    assert [*facts_with_ids(resource(), KIND.entry_of).values()][3:] == ["", "", ""]
    assert credentials_scope(resource()) == ""


def test_what_is_told_has_the_names_that_are_announced() -> None:
    assert (*facts(resource()),) == FACTS
    assert (*facts_with_ids(resource(), KIND.entry_of),) == IDS
