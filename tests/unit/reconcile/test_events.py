"""Which changes of a status lead to an Event: a failure once, its end once, and nothing else."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.kinds.data_federation_private_endpoint.kind import KIND as DATA_FEDERATION
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND as DEDICATED
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND as SERVERLESS
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessStatus as Status
from atlas_endpoints.reconcile.events import NOTE_LIMIT, Event, events_of
from behaviour.cases import load
from support.kstatus import REASONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_endpoints.reconcile.kind import Kind
    from atlas_endpoints.reconcile.reasons import ReadyReason

NEW: Mapping[str, Any] = {"observedGeneration": -1}
"""The status of a new resource; the schema's default."""
ROWS: Mapping[str, Any] = load(Path(__file__).with_name("events.yaml"))
KINDS: Mapping[str, Kind[Any]] = {
    "serverless": SERVERLESS,
    "dedicated": DEDICATED,
    "data federation": DATA_FEDERATION,
}
THEN, ID = "2026-11-25T12:00:00Z", "a" * 24


def status(
    says: str,
    why: str = "why",
    *,
    generation: int = 1,
    pair: str | None = None,
    operation: str | None = None,
    credentials: str | None = None,
    outputs: str | None = None,
) -> dict[str, Any]:
    """A status in JSON; ``credentials`` is the reason for which they fail, ``outputs`` status and reason of the condition."""
    types = {"Ready": ("False", says), **({pair: ("True", says)} if pair else {}), "Synced": ("False", says)}
    if credentials is not None:
        types["CredentialsValid"] = ("True" if credentials == "Verified" else "False", credentials)
    if outputs is not None:
        types["OutputsWritten"] = (outputs.partition(" ")[0], outputs.partition(" ")[2])
    times = {"observedGeneration": generation, "lastTransitionTime": THEN}
    conditions = [
        {"type": type_, "status": value, "reason": reason, "message": why, **times}
        for type_, (value, reason) in types.items()
    ]
    error = {"lastError": {"since": THEN, "operation": operation, "retryable": False}} if operation else {}
    return {"observedGeneration": generation, "conditions": conditions, **error}


def status_of(row: Mapping[str, Any] | str) -> dict[str, Any]:
    """Return the status that a row means; the file says how."""
    if isinstance(row, str):
        return dict(NEW)
    plain = {name: row[name] for name in ("says", "why", "generation", "pair", "credentials", "outputs") if name in row}
    found = status(**plain) if plain else {}
    for name, value in row.items():
        match name:
            case "drift":
                found[name] = [{"field": each, "desired": "ours", "actual": value[each]} for each in value]
            case "reserved":
                adopted = {"adopted": True} if "adopted" in row else {}
                found["reservation"] = {"requestedAt": THEN, **({"endpointId": ID} if value else {}), **adopted}
            case "service" if value:
                found["service"] = {"id": ID, "origin": "Created"}
            case "service":
                found["serviceCreation"] = {"requestedAt": THEN}
            case "endpoint" if value:
                found |= {"endpoint": {"id": value}, "applied": {"cloudProviderEndpointId": value}}
            case "calls":
                time = "2026-11-25T13:00:00Z" if "later" in row else THEN
                call = {"time": time, "generation": 1, "cause": "Edit", "fields": ["cloudProviderEndpointId"]}
                found["history"] = [{**call, "result": each} for each in value]
            case "applied" | "registrations" | "observedGeneration":
                found[name] = value
            case _:
                pass
    return found


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_events_of_a_new_status(row: Mapping[str, Any]) -> None:
    before, after = status_of(row["from"]), status_of(row["to"])
    found = events_of(KINDS[row.get("kind", "serverless")], before, after)
    assert [f"{each.type} {each.reason}" for each in found] == ([row["event"]] if "event" in row else [])


def test_a_reservation_and_the_end_of_a_failure_are_two_events() -> None:
    before, after = status("AtlasUnavailable"), status_of({"says": "ReservationRequested", "reserved": True})
    told = events_of(SERVERLESS, before, after)
    assert [each.reason for each in told] == ["EndpointReserved", "ReservationRequested"]
    assert ID in told[0].message


@pytest.mark.parametrize("reason", SERVERLESS.reasons)
def test_an_unchanged_status_causes_no_event(reason: ReadyReason) -> None:
    assert not events_of(SERVERLESS, status(reason), status(reason))


@given(st.lists(st.sampled_from(sorted(REASONS["Ready"] - {"Suspended"})), max_size=20))
def test_each_end_follows_a_failure(reasons: list[str]) -> None:
    """Each end follows a failure, and no failure is reported twice in a row."""
    statuses = [NEW, *map(status, reasons)]
    told = [each for before, after in pairwise(statuses) for each in events_of(SERVERLESS, before, after)]
    assert not any(one.type == other.type == "Normal" for one, other in pairwise(told))
    assert not any(one == other for one, other in pairwise(told))
    assert not told or told[0].type == "Warning"


def test_the_message_is_that_of_ready_and_the_action_is_the_call_that_failed() -> None:
    failed = status("UpdateRejected", "Refused. (HTTP 400)", operation="updateServerlessPrivateEndpoint")
    assert events_of(SERVERLESS, status("Available"), failed) == [
        Event("Warning", "UpdateRejected", "Refused. (HTTP 400)", "UpdateServerlessPrivateEndpoint")
    ]


@pytest.mark.parametrize("which", ["a failure without a call to blame", "the end of a failure"])
def test_without_a_failed_call_the_action_is_reconcile(which: str) -> None:
    failed, well = status("Drifted", operation=None), status("Available")
    (found,) = events_of(SERVERLESS, *((well, failed) if which.startswith("a failure") else (failed, well)))
    assert found.action == "Reconcile"


@given(st.text(max_size=2000))
def test_a_note_is_one_line_of_printable_characters_that_fits(message: str) -> None:
    (found,) = events_of(SERVERLESS, NEW, {"conditions": [{"type": "Ready", "reason": "APIGone", "message": message}]})
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
    (found,) = events_of(SERVERLESS, NEW, status("APIGone", message))
    assert found.message == note


def test_a_status_of_the_models_is_read_as_one_of_the_api_server() -> None:
    before, after = (Status.parse(each).to_json() for each in (status("Available"), status("APIGone")))
    (found,) = events_of(SERVERLESS, before, after)
    assert found.reason == "APIGone"
