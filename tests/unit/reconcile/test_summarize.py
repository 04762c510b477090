"""The status: which conditions are set, which stay, and which never occur."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.controller.requeue import NoRequeue
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND as SERVERLESS
from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessStatus as Status
from atlas_endpoints.reconcile import failures
from atlas_endpoints.reconcile.decision import Decision, Difference, State, Write
from atlas_endpoints.reconcile.outcome import Outcome, Sent
from atlas_endpoints.reconcile.reasons import CredentialsReason, Progress, Reason
from atlas_endpoints.reconcile.status import Applied, Cause, Condition, Finding, LastError, find
from support.kstatus import HISTORY_LIMIT, problems
from support.named import NAMED
from unit.reconcile.situations import COMMENT, ID, RESOLVED, facts_of, made, rendered

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=30)
ENDPOINT = EndpointStatus(id="5f7cac1adf5d6c6306f4b283", status="AVAILABLE", comment="a")
CHANGED = EndpointStatus(id="1", status="REHEATING", error_message="Two\nlines.", comment="")
DIFFERENCE = Difference(COMMENT, "b", "a")


def planned(comment: str) -> Decision:
    """The decision to send a comment."""
    request = Request("update", "PATCH", "/", {"providerName": "AWS", "comment": comment})
    return Decision(State(Reason.DRIFTED, "It differs."), Write(request, Cause.EDIT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Of(Outcome):
    """The outcome of a reconcile of a generation."""

    generation: int


def outcome(
    reason: Reason = Reason.AVAILABLE,
    *differences: Difference,
    generation: int = 1,
    seen: EndpointStatus | None = ENDPOINT,
    since: datetime = NOON,
    **fields: Any,
) -> Outcome:
    """The outcome of a successful reconcile, changed by ``fields``."""
    return replace(
        Of(
            generation=generation,
            requeue=NoRequeue(),
            state=State(reason, f"It is {reason}.", NoRequeue(), differences),
            seen=seen,
            own={} if seen is None else {"endpoint": seen.model_copy(update={"status_since": since})},
            applied=Applied.of(generation, {"comment": "a"}),
            resolved=RESOLVED,
            findings={"CredentialsValid": failures.VERIFIED},
        ),
        **fields,
    )


def failed(reason: Reason = Reason.ATLAS_UNAVAILABLE, *, generation: int = 1, **fields: Any) -> Outcome:
    """The outcome of a reconcile that has not observed the endpoint."""
    failure = LastError(since=NOON, operation="listServerlessPrivateEndpoint", retryable=True)
    unknown: dict[str, Any] = {"seen": None, "resolved": None, "findings": {}, "failure": failure}
    return outcome(reason, generation=generation, **{**unknown, **fields})


def ends(at: datetime | None) -> Outcome:
    """The outcome of a reconcile in which Atlas announces the end of the API."""
    return outcome(deprecation=Deprecation(NOON, at))


def sent(result: str = "Applied", *fields: str) -> Sent:
    return Sent(fields or (COMMENT,), Cause.EDIT, result)


def after(*outcomes: Outcome, now: datetime = NOON) -> Status:
    """The status after some reconciles at one time."""
    return then(Status(), *outcomes, now=now)


def then(status: Status, *outcomes: Outcome, now: datetime = LATER) -> Status:
    for each in outcomes:
        status = rendered(status, each, now=now, generation=each.generation if isinstance(each, Of) else 1)
    return status


def condition_of(status: Status, type_: str) -> Condition:
    found = find(status, type_)
    assert found is not None, f"there is no {type_}"
    return found


def said(status: Status, type_: str) -> tuple[str, str]:
    found = condition_of(status, type_)
    return found.status, found.reason


def body(status: Status, generation: int) -> dict[str, Any]:
    return {**NAMED, "metadata": {"generation": generation}, "spec": {}, "status": status.to_json()}


@pytest.mark.parametrize("reason", Reason)
def test_the_pair_of_a_reason(reason: Reason) -> None:
    status = after(outcome(reason))
    expected = {
        Progress.NONE: [],
        Progress.RECONCILING: ["Reconciling"],
        Progress.GRACE: ["Reconciling"],
        Progress.STALLED: ["Stalled"],
    }
    assert condition_of(status, "Ready").status == reason.ready
    pair = [each for each in status.conditions if each.type in {"Reconciling", "Stalled"}]
    assert [each.type for each in pair] == expected[reason.progress]
    assert all((each.status, each.reason, each.message) == ("True", reason, f"It is {reason}.") for each in pair)


CONDITIONS: dict[str, tuple[str, Sequence[Outcome], str | None]] = {
    # Whether Atlas has what the resource wants, whatever the state of the endpoint.
    "nothing was sent and nothing differs": ("Synced", [outcome()], "True InSync"),
    "something was sent": ("Synced", [outcome(sent=sent())], "True Updated"),
    "it was sent for this generation": ("Synced", [outcome(sent=sent()), outcome()], "True Updated"),
    "it was sent for an older generation": ("Synced", [outcome(sent=sent()), outcome(generation=2)], "True InSync"),
    "the answer was lost, and nothing differs": (
        "Synced",
        [outcome(sent=sent()), outcome(sent=sent("Unknown: AtlasUnavailable")), outcome()],
        "True InSync",
    ),
    "Atlas waits for the cloud's id": ("Synced", [outcome(Reason.WAITING_FOR_CLOUD_ENDPOINT)], "True InSync"),
    "the endpoint failed as specified": ("Synced", [outcome(Reason.ENDPOINT_FAILED)], "True InSync"),
    "a change waits for its time": ("Synced", [outcome(Reason.INITIATING, DIFFERENCE)], "False Initiating"),
    "drift": ("Synced", [outcome(Reason.DRIFTED, DIFFERENCE)], "False DriftDetected"),
    "drift that waits for its turn": ("Synced", [outcome(Reason.CORRECTION_HELD, DIFFERENCE)], "False DriftDetected"),
    "stored with another value": ("Synced", [outcome(Reason.UPDATE_REJECTED, DIFFERENCE)], "False UpdateRejected"),
    "refused, which is known for certain": ("Synced", [failed(Reason.UPDATE_REJECTED)], "False UpdateRejected"),
    "Atlas contradicts the spec": ("Synced", [outcome(Reason.INVALID_SPEC)], "False InvalidSpec"),
    "it could not be compared": ("Synced", [failed()], "Unknown AtlasUnavailable"),
    "it was compared and could not be changed": ("Synced", [outcome(Reason.MISSING_ROLE, DIFFERENCE, failure=failed().failure)], "False MissingRole"),
    "suspended: as it was": ("Synced", [outcome(sent=sent()), failed(Reason.SUSPENDED, failure=None, generation=2)], "True Updated"),
    "suspended and never compared": ("Synced", [failed(Reason.SUSPENDED, failure=None)], None),
    "what was found about the credentials": (
        "CredentialsValid",
        [failed(findings={"CredentialsValid": Finding("False", CredentialsReason.UNAUTHORIZED, "No.")})],
        "False Unauthorized",
    ),
    "nothing was found about the credentials": ("CredentialsValid", [failed()], None),
    "Atlas announces no end": ("Deprecated", [outcome()], None),
    "Atlas announces an end without a time": ("Deprecated", [ends(None)], "True APIDeprecated"),
    "Atlas announces an end": ("Deprecated", [ends(LATER)], "True APIDeprecated"),
    "Atlas announces an end that is past": ("Deprecated", [ends(NOON)], "True APISunset"),
    "an announcement, and Atlas away": ("Deprecated", [ends(LATER), failed()], "True APIDeprecated"),
    "an announcement that is taken back": ("Deprecated", [ends(LATER), failed(), outcome()], None),
    "the API is gone": ("Deprecated", [failed(Reason.API_GONE)], "True APIGone"),
    "the API is gone, and Atlas away": ("Deprecated", [failed(Reason.API_GONE), failed()], "True APIGone"),
    "the API is back": ("Deprecated", [failed(Reason.API_GONE), outcome()], None),
    "the API is back and its end announced": ("Deprecated", [failed(Reason.API_GONE), ends(LATER)], "True APIDeprecated"),
}  # fmt: skip


@pytest.mark.parametrize(("type_", "outcomes", "expected"), CONDITIONS.values(), ids=CONDITIONS)
def test_a_condition(type_: str, outcomes: Sequence[Outcome], expected: str | None) -> None:
    found = find(after(*outcomes), type_)
    assert (found and f"{found.status} {found.reason}") == expected


def test_synced_names_what_differs_and_deprecated_the_end() -> None:
    status = after(
        outcome(Reason.INITIATING, DIFFERENCE, Difference(ID, "vpce-1", None), deprecation=Deprecation(NOON, LATER))
    )
    assert "comment, cloudProviderEndpointId" in condition_of(status, "Synced").message
    assert "2026-11-25" in condition_of(status, "Deprecated").message


def test_a_known_condition_of_the_credentials_keeps_its_generation() -> None:
    status = after(outcome(), failed(generation=2))
    assert condition_of(status, "CredentialsValid").observed_generation == 1
    assert condition_of(status, "Ready").observed_generation == 2
    assert problems(body(status, 2)) == []


SEEN_TO_DRIFT, SUSPENDED = outcome(Reason.DRIFTED, DIFFERENCE), failed(Reason.SUSPENDED, failure=None)
PLANNED = outcome(Reason.DRIFTED, DIFFERENCE, planned=planned("b"))
CONFIRMED = Applied.of(1, {"comment": "a"})
FIELDS: dict[str, tuple[Sequence[Outcome], str, object]] = {
    "the endpoint stays while it cannot be seen": ([outcome(), failed()], "endpoint.comment", "a"),
    "the endpoint stays when it is not found": ([outcome(), failed(Reason.ENDPOINT_NOT_FOUND)], "endpoint.comment", "a"),
    "the endpoint is as Atlas shows it": ([outcome(), outcome(Reason.PENDING, seen=CHANGED)], "endpoint.status", "REHEATING"),
    "its message is one line": ([outcome(Reason.PENDING, seen=CHANGED)], "endpoint.errorMessage", "Two lines."),
    "its comment may be empty": ([outcome(Reason.PENDING, seen=CHANGED)], "endpoint.comment", ""),
    "resolved values stay while nothing is resolved": ([outcome(), failed()], "resolved.projectId", RESOLVED.project_id),
    "drift is reported field by field": (
        [outcome(Reason.DRIFTED, DIFFERENCE, Difference(ID, "vpce-1", None))],
        "drift",
        [{"field": "comment", "desired": "b", "actual": "a"}, {"field": ID, "desired": "vpce-1"}],
    ),
    "drift stays while the endpoint cannot be seen": ([SEEN_TO_DRIFT, failed()], "drift.0.field", "comment"),
    "drift that a failure knows of is reported": (
        [
            SEEN_TO_DRIFT,
            failed(state=State(Reason.UPDATE_REJECTED, "No.", NoRequeue(), (Difference(ID, "vpce-1", None),))),
        ],
        "drift.0.field",
        ID,
    ),
    "drift of an older spec goes": ([SEEN_TO_DRIFT, failed(generation=2)], "drift", None),
    "drift goes when nothing differs": ([SEEN_TO_DRIFT, outcome()], "drift", None),
    "an error goes when all is well": ([failed(), outcome()], "lastError", None),
    "a request stays handled": ([outcome(handled="noon"), outcome(), failed()], "lastHandledReconcileAt", "noon"),
    "a plan is shown as it would be sent": (
        [PLANNED],
        "plan",
        {"method": "PATCH", "body": {"providerName": "AWS", "comment": "b"}, "reason": "Edit"},
    ),
    "an empty comment is part of a plan": ([outcome(Reason.DRIFTED, DIFFERENCE, planned=planned(""))], "plan.body.comment", ""),
    "a plan goes when it was sent": ([PLANNED, outcome(sent=sent())], "plan", None),
    "a plan goes when it is needless": ([PLANNED, outcome()], "plan", None),
    "a plan goes when nobody knows whether it is needed": ([PLANNED, failed()], "plan", None),
    "a plan goes with a suspension": ([PLANNED, SUSPENDED], "plan", None),
    "applied outlives failures": ([outcome(), failed(generation=2, applied=CONFIRMED)], "applied.comment", "a"),
    "applied ends with a write whose answer was lost": ([outcome(), failed(applied=None)], "applied", None),
    # A spec in between may have been sent and was never recorded, so applied ends, also when an old outcome is said again.
    "applied ends when a generation was missed and it fails": ([outcome(), *[failed(generation=3, applied=CONFIRMED)] * 2], "applied", None),
    "applied ends when a generation was missed and it is suspended": (
        [outcome(), *[failed(Reason.SUSPENDED, generation=3, applied=CONFIRMED, failure=None)] * 2],
        "applied",
        None,
    ),
    "applied ends when a generation was missed and the change has to wait": (
        [outcome(), *[outcome(Reason.INITIATING, DIFFERENCE, generation=3, applied=CONFIRMED)] * 2],
        "applied",
        None,
    ),
    "applied begins anew with what is confirmed then": ([outcome(), outcome(generation=3)], "applied.generation", 3),
}  # fmt: skip


@pytest.mark.parametrize(("outcomes", "path", "expected"), FIELDS.values(), ids=FIELDS)
def test_a_field(outcomes: Sequence[Outcome], path: str, expected: object) -> None:
    status = after(*outcomes)
    found: Any = status.to_json()
    for part in path.split("."):
        found = found[0] if part == "0" else found.get(part)
    assert found == expected
    assert problems(body(status, status.observed_generation)) == []


class TestTransitions:
    def test_they_move_with_the_status_of_a_condition_only(self) -> None:
        status = then(after(failed()), failed(Reason.RATE_LIMITED))
        assert condition_of(status, "Ready").last_transition_time == NOON
        assert condition_of(status, "Ready").reason == "RateLimited"
        status = then(status, outcome())
        assert condition_of(status, "Ready").last_transition_time == LATER

    def test_one_of_the_pair_that_comes_again_is_new(self) -> None:
        status = then(after(failed(), outcome()), failed())
        assert condition_of(status, "Reconciling").last_transition_time == LATER


class TestHistory:
    def test_the_last_ones_are_kept_the_newest_first(self) -> None:
        status = Status()
        for minute in range(HISTORY_LIMIT + 3):
            now = NOON + timedelta(minutes=minute)
            status = then(status, outcome(generation=minute, sent=sent()), now=now)
        assert [each.generation for each in status.history] == [7, 6, 5, 4, 3]
        assert status.last_applied_time == NOON + timedelta(minutes=7)

    @pytest.mark.parametrize("result", ["Rejected: INVALID_ATTRIBUTE", "Unknown: AtlasUnavailable"])
    def test_what_was_not_confirmed_was_not_applied(self, result: str) -> None:
        status = then(after(outcome(sent=sent())), failed(sent=sent(result)))
        assert status.last_applied_time == NOON
        assert [each.result for each in status.history] == [result, "Applied"]

    def test_attempts_that_fail_alike_have_one_entry(self) -> None:
        attempt = failed(sent=sent("Unknown: AtlasUnavailable"))
        status = after(outcome(sent=sent()), attempt)
        assert then(status, attempt, attempt, now=LATER + timedelta(milliseconds=250)) == status

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(failed(sent=sent("Rejected: INVALID_ATTRIBUTE")), id="it fails in another way"),
            pytest.param(failed(sent=sent("Unknown: AtlasUnavailable", ID)), id="it carries something else"),
            pytest.param(failed(generation=2, sent=sent("Unknown: AtlasUnavailable")), id="it is for another spec"),
        ],
    )
    def test_an_attempt_that_differs_has_its_own_entry(self, other: Outcome) -> None:
        status = then(after(failed(sent=sent("Unknown: AtlasUnavailable"))), other)
        assert [each.time for each in status.history] == [LATER, NOON]

    def test_each_confirmed_change_has_its_own_entry(self) -> None:
        status = then(after(outcome(sent=sent())), outcome(sent=sent()))
        assert [each.time for each in status.history] == [LATER, NOON]


NOT_BLOCKING = {
    "Available", "Pending", "ReservationRequested", "Initiating", "WaitingForCloudEndpoint", "ServiceInitiating", "Deleting",
    "CorrectionHeld", "Drifted", "Suspended",
}  # fmt: skip


class TestBlocking:
    """Which outcomes count as blocked."""

    @pytest.mark.parametrize("reason", Reason)
    def test_a_state_blocks_if_something_failed_or_only_a_person_can_move_on(self, reason: Reason) -> None:
        assert outcome(reason).failure_reason == (None if reason.value in NOT_BLOCKING else reason.value)


HOSTILE = st.text(max_size=60) | st.sampled_from(
    ["\x1b[31mred\x1b[0m", "one\ntwo", "\u202egpj.exe", "a\u2028b", "\x00", "\ud800", "x" * 5000, "\x9b2J"]
)


class TestTextsOfAtlas:
    """A text that pretends to come from Atlas must not control a terminal."""

    @given(
        st.builds(
            EndpointStatus,
            id=HOSTILE,
            status=HOSTILE,
            error_message=HOSTILE,
            provider_name=HOSTILE,
            cloud_provider_endpoint_id=HOSTILE,
            private_endpoint_ip_address=HOSTILE,
            endpoint_service_name=HOSTILE,
            private_link_service_resource_id=HOSTILE,
            comment=HOSTILE,
        ),
        HOSTILE,
    )
    def test_they_are_printable_and_bounded_and_read_back_the_same(self, endpoint: EndpointStatus, words: str) -> None:
        state = State(Reason.DRIFTED, f"comment is {words}", NoRequeue(), (Difference(COMMENT, "b", words),))
        drifted = outcome(state=state, seen=endpoint)
        status = after(drifted)
        texts = list(texts_in(status.to_json()))
        assert [text for text in texts if not text.isprintable() or len(text) > 1024] == []
        assert Status.parse(status.to_json()) == status
        assert then(status, drifted, now=NOON) == status

    @given(HOSTILE, HOSTILE)
    def test_how_long_a_strange_status_has_stood_is_known_all_the_same(self, id_: str, word: str) -> None:
        endpoint = EndpointStatus(id=id_, status=word)
        facts = facts_of(made(), after(outcome(seen=endpoint)), endpoint, now=LATER)
        assert SERVERLESS.since(facts, endpoint) == NOON


def texts_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict() | list():
            for each in value.values() if isinstance(value, dict) else value:
                yield from texts_in(each)
        case _:
            pass
