"""Which changes of a status lead to an Event: a failure once, its end once, and nothing else."""

from __future__ import annotations

from itertools import pairwise, starmap
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND as DEDICATED
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND as SERVERLESS
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessStatus as Status
from atlas_endpoints.reconcile.events import NOTE_LIMIT, Event, events_of
from atlas_endpoints.reconcile.reasons import FAILURES, Reason
from support.kstatus import A_PERSON_MUST_ACT, OTHERS_MAY_HEAL, REASONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_endpoints.reconcile.kind import Kind

NEW: Mapping[str, Any] = {"observedGeneration": -1}
"""The status of a new resource; the schema's default."""


def status(
    reason: str,
    message: str = "why",
    *,
    generation: int = 1,
    pair: str | None = None,
    operation: str | None = None,
    credentials: str | None = None,
) -> dict[str, Any]:
    """A status in JSON; ``credentials`` is the reason for which they fail."""
    types = {"Ready": ("False", reason), **({pair: ("True", reason)} if pair else {}), "Synced": ("False", reason)}
    if credentials is not None:
        types["CredentialsValid"] = ("True" if credentials == "Verified" else "False", credentials)
    conditions = [
        {
            "type": type_,
            "status": value,
            "reason": why,
            "message": message,
            "observedGeneration": generation,
            "lastTransitionTime": "2026-11-25T12:00:00Z",
        }
        for type_, (value, why) in types.items()
    ]
    error = {"since": "2026-11-25T12:00:00Z", "operation": operation, "retryable": False}
    return {
        "observedGeneration": generation,
        "conditions": conditions,
        **({"lastError": error} if operation is not None else {}),
    }


def drifted(**fields: str) -> dict[str, Any]:
    """A status with drift."""
    drift = [{"field": field, "desired": "ours", "actual": actual} for field, actual in fields.items()]
    return {**status("Drifted"), "drift": drift}


def reserved(endpoint_id: str | None, *, adopted: bool = False) -> dict[str, Any]:
    """A status with a reservation, with or without an endpoint."""
    found = {} if endpoint_id is None else {"endpointId": endpoint_id}
    return {
        **status("ReservationRequested"),
        "reservation": {"requestedAt": "2026-11-25T12:00:00Z", **found, **({"adopted": True} if adopted else {})},
    }


def on_service(service_id: str | None) -> dict[str, Any]:
    """A status with a service that was created, or is about to be."""
    if service_id is None:
        return {**status("ServiceInitiating"), "serviceCreation": {"requestedAt": "2026-11-25T12:00:00Z"}}
    return {**status("ServiceInitiating"), "service": {"id": service_id, "origin": "Created"}}


REGISTRATION = {"time": "2026-11-25T12:00:00Z", "generation": 1, "cause": "Edit", "fields": ["cloudProviderEndpointId"]}


def with_endpoint(endpoint_id: str | None, *results: str, **fields: Any) -> dict[str, Any]:
    """A status that shows an endpoint, after calls about it with these results."""
    shown: dict[str, Any] = {}
    if endpoint_id is not None:
        shown = {"endpoint": {"id": endpoint_id}, "applied": {"cloudProviderEndpointId": endpoint_id}}
    return {
        **status("Initiating"),
        **shown,
        "history": [{**REGISTRATION, "result": each} for each in results],
        **fields,
    }


class Row(NamedTuple):
    """Two statuses, and type and reason of the Event."""

    previous: Mapping[str, Any]
    status: Mapping[str, Any]
    announced: tuple[str, str] | None
    kind: Kind[Any] = SERVERLESS


ROWS = {
    "a new resource whose credentials are wrong is announced": Row(
        NEW, status("CredentialsInvalid", pair="Reconciling"), ("Warning", "CredentialsInvalid")
    ),
    "a resource without any status whose endpoint is not found is announced": Row(
        {}, status("EndpointNotFound"), ("Warning", "EndpointNotFound")
    ),
    "a new resource that waits is not": Row(NEW, status("Initiating"), None),
    "a new resource that is available is not": Row(NEW, status("Available"), None),
    "a new resource that is suspended is not": Row(NEW, status("Suspended"), None),
    "normal progress is not": Row(status("Initiating"), status("Available"), None),
    "a change that waits to be sent is not": Row(status("Available"), status("Pending", generation=2), None),
    "a correction that is held is not, as the limit is the operator's own": Row(
        status("Available"), status("CorrectionHeld"), None
    ),
    "a settled resource that fails is announced": Row(
        status("Available"), status("EndpointFailed", pair="Stalled"), ("Warning", "EndpointFailed")
    ),
    "an edit that Atlas cannot take for now is announced": Row(
        status("Available"), status("AtlasUnavailable", generation=2), ("Warning", "AtlasUnavailable")
    ),
    "a failure that stalls is no news": Row(
        status("CredentialsInvalid", pair="Reconciling"), status("CredentialsInvalid", pair="Stalled"), None
    ),
    "a failure that comes to be told in other words is no news": Row(
        status("IPNotAllowed", "203.0.113.1"), status("IPNotAllowed", "203.0.113.2"), None
    ),
    "credentials that are refused once their Secret is there are announced": Row(
        status("CredentialsInvalid", "no Secret", credentials="SecretNotFound"),
        status("CredentialsInvalid", "refused", credentials="Unauthorized"),
        ("Warning", "CredentialsInvalid"),
    ),
    "credentials that are refused for the same reason in other words are no news": Row(
        status("CredentialsInvalid", "refused", credentials="Unauthorized"),
        status("CredentialsInvalid", "refused again", credentials="Unauthorized"),
        None,
    ),
    "that credentials turn out to be good is no news while another failure goes on": Row(
        status("InvalidSpec"), status("InvalidSpec", credentials="Verified"), None
    ),
    "an edit that leaves a failure as it is is no news": Row(
        status("CredentialsInvalid"), status("CredentialsInvalid", generation=2), None
    ),
    "an edit that is refused for other fields is news": Row(
        status("UpdateRejected", "comment"), status("UpdateRejected", "id", generation=2), ("Warning", "UpdateRejected")
    ),
    "a failure that becomes another one is announced": Row(
        status("CredentialsInvalid"), status("EndpointNotFound"), ("Warning", "EndpointNotFound")
    ),
    "a resource that is available after a failure is announced": Row(
        status("CredentialsInvalid"), status("Available"), ("Normal", "Available")
    ),
    "a resource that is on its way after a failure is announced": Row(
        status("UpdateRejected"), status("Initiating", generation=2), ("Normal", "Initiating")
    ),
    "a resource that is suspended while it fails has not recovered, and says that nobody looks any more": Row(
        status("CredentialsInvalid"), status("Suspended", generation=2), ("Normal", "Suspended")
    ),
    "a resource that is suspended while it is well says so": Row(
        status("Available"), status("Suspended", generation=2), ("Normal", "Suspended")
    ),
    "a resource that is well once it is resumed is announced, whatever it was before": Row(
        status("Suspended"), status("Available", generation=2), ("Normal", "Available")
    ),
    "a resource that is on its way once it is resumed is announced": Row(
        status("Suspended"), status("Initiating", generation=2), ("Normal", "Initiating")
    ),
    "a suspension that goes on is no news": Row(status("Suspended"), status("Suspended", "why", generation=2), None),
    "drift that somebody adds to is announced anew": Row(
        drifted(comment="theirs"), drifted(comment="theirs, too"), ("Warning", "Drifted")
    ),
    "drift that stays as it is is no news": Row(drifted(comment="theirs"), drifted(comment="theirs"), None),
    "an endpoint that is reserved is announced": Row(
        status("ReservationRequested"), reserved("a" * 24), ("Normal", "EndpointReserved")
    ),
    "that it is about to be reserved is not": Row(NEW, reserved(None), None),
    "an endpoint that stays is no news": Row(reserved("a" * 24), reserved("a" * 24), None),
    "an endpoint that is taken over is announced": Row(
        NEW, reserved("a" * 24, adopted=True), ("Normal", "EndpointTakenOver")
    ),
    "an endpoint that is lost is announced": Row(reserved("a" * 24), reserved(None), ("Warning", "EndpointLost")),
    "so is one that was taken over": Row(reserved("a" * 24, adopted=True), reserved(None), ("Warning", "EndpointLost")),
    "one that was taken over and is another resource's is not lost": Row(
        reserved("a" * 24, adopted=True), status("ReservationRequested"), None
    ),
    "a service that was created is announced": Row(
        on_service(None), on_service("a" * 24), ("Normal", "ServiceCreated"), DEDICATED
    ),
    "one that was there is not": Row(status("Pending"), on_service("a" * 24), None, DEDICATED),
    "a service that is gone is announced": Row(
        on_service("a" * 24), on_service(None), ("Warning", "ServiceLost"), DEDICATED
    ),
    "an endpoint that was registered for the resource is announced": Row(
        with_endpoint(None), with_endpoint("vpce-1", "Applied"), ("Normal", "EndpointRegistered"), DEDICATED
    ),
    "one that is registered again, since somebody removed it, is announced again": Row(
        with_endpoint("vpce-1", "Applied"),
        with_endpoint("vpce-1", history=[{**REGISTRATION, "time": "2026-11-25T13:00:00Z", "result": "Applied"}]),
        ("Normal", "EndpointRegistered"),
        DEDICATED,
    ),
    "one that was perhaps registered by a call whose answer was lost is adopted": Row(
        with_endpoint(None), with_endpoint("vpce-1", "Unknown: x"), ("Normal", "EndpointAdopted"), DEDICATED
    ),
    "one that was there is adopted": Row(
        with_endpoint(None), with_endpoint("vpce-1"), ("Normal", "EndpointAdopted"), DEDICATED
    ),
    "one that was there before a refused call, too": Row(
        with_endpoint(None), with_endpoint("vpce-1", "Rejected: x"), ("Normal", "EndpointAdopted"), DEDICATED
    ),
    "one that another resource manages, or that is only observed, is not": Row(
        with_endpoint(None), with_endpoint("vpce-1", applied={}), None, DEDICATED
    ),
    "one that it showed before is not": Row(with_endpoint("vpce-1"), with_endpoint("vpce-1"), None, DEDICATED),
    "a registration of an earlier version that the spec does not name is said to stay": Row(
        with_endpoint("vpce-1", registrations=[{"endpointId": "VPCE-1"}, {"endpointId": "vpce-2"}]),
        with_endpoint("vpce-1"),
        ("Normal", "EndpointRetained"),
        DEDICATED,
    ),
    "a resource that fails once it is resumed is announced": Row(
        status("Suspended"), status("CredentialsInvalid", generation=2), ("Warning", "CredentialsInvalid")
    ),
    "a reason that only another version of the operator knows is no failure to recover from": Row(
        status("CosmicRays"), status("Available"), None
    ),
    "a failure after a reason that only another version knows is announced": Row(
        status("CosmicRays"), status("APIGone"), ("Warning", "APIGone")
    ),
    "a status without conditions announces nothing": Row(status("APIGone"), {"observedGeneration": 1}, None),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_events_of_a_new_status(row: Row) -> None:
    found = events_of(row.previous, row.status, row.kind.news(row.previous, row.status))
    assert [(each.type, each.reason) for each in found] == ([] if row.announced is None else [row.announced])


def test_a_reservation_and_the_end_of_a_failure_are_two_events() -> None:
    before, after = status("AtlasUnavailable"), reserved("a" * 24)
    told = events_of(before, after, SERVERLESS.news(before, after))
    assert [each.reason for each in told] == ["EndpointReserved", "ReservationRequested"]
    assert "a" * 24 in told[0].message


def test_the_failures_among_the_reasons() -> None:
    retried = {"RateLimited", "AtlasUnavailable", "NoCapacity", "InternalError"}
    assert OTHERS_MAY_HEAL | A_PERSON_MUST_ACT | retried == FAILURES


@pytest.mark.parametrize("reason", Reason)
def test_an_unchanged_status_causes_no_event(reason: Reason) -> None:
    assert not events_of(status(reason), status(reason))


@pytest.mark.parametrize("reason", Reason)
def test_whatever_is_ready_is_no_failure(reason: Reason) -> None:
    assert reason not in FAILURES or reason.ready == "False"


@given(st.lists(st.sampled_from(sorted(REASONS["Ready"] - {"Suspended"})), max_size=20))
def test_each_end_follows_a_failure(reasons: list[str]) -> None:
    """Each end follows a failure, and no failure is reported twice in a row."""
    statuses = [NEW, *map(status, reasons)]
    told = [each for found in starmap(events_of, pairwise(statuses)) for each in found]
    assert not any(one.type == other.type == "Normal" for one, other in pairwise(told))
    assert not any(one == other for one, other in pairwise(told))
    assert not told or told[0].type == "Warning"


def test_the_message_is_that_of_ready_and_the_action_is_the_call_that_failed() -> None:
    failed = status("UpdateRejected", "Refused. (HTTP 400)", operation="updateServerlessPrivateEndpoint")
    assert events_of(status("Available"), failed) == [
        Event("Warning", "UpdateRejected", "Refused. (HTTP 400)", "UpdateServerlessPrivateEndpoint")
    ]


@pytest.mark.parametrize("which", ["a failure without a call to blame", "the end of a failure"])
def test_without_a_failed_call_the_action_is_reconcile(which: str) -> None:
    failed, well = status("Drifted", operation=None), status("Available")
    (found,) = events_of(well, failed) if which.startswith("a failure") else events_of(failed, well)
    assert found.action == "Reconcile"


@given(st.text(max_size=2000))
def test_a_note_is_one_line_of_printable_characters_that_fits(message: str) -> None:
    (found,) = events_of(NEW, {"conditions": [{"type": "Ready", "reason": "APIGone", "message": message}]})
    assert len(found.message.encode()) <= NOTE_LIMIT
    assert found.message.isprintable()


@pytest.mark.parametrize(
    ("message", "note"),
    [
        pytest.param("a\n  b\tc\x1b[31m\u202ed", "a b c [31m d", id="line breaks, tabs and controls become spaces"),
        pytest.param("é" * 512, "é" * 512, id="what has just the length stays whole"),
        pytest.param("é" * 513, "é" * 510 + "…", id="what is longer is cut between two characters"),
        pytest.param("€" * 1024, "€" * 340 + "…", id="characters of three bytes are counted as such"),
    ],
)
def test_a_note_is_cut_to_bytes(message: str, note: str) -> None:
    (found,) = events_of(NEW, status("APIGone", message))
    assert found.message == note


def test_a_status_of_the_models_is_read_as_one_of_the_api_server() -> None:
    before, after = (Status.parse(each).to_json() for each in (status("Available"), status("APIGone")))
    (found,) = events_of(before, after)
    assert found.reason == "APIGone"
