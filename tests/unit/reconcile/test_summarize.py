"""The status: which conditions are set, which stay, and which never occur."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.credentials import CredentialsProblem
from atlas_endpoints.atlas.errors import (
    APIGoneError,
    AtlasError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    EndpointAbsentError,
    InstanceNotFoundError,
    RateLimitedError,
    UpdateRejectedError,
)
from atlas_endpoints.controller.conditions import Condition
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint
from atlas_endpoints.kinds.serverless_private_endpoint.decide import status_since
from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus, ManagedField
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessStatus as Status
from atlas_endpoints.reconcile import failures
from atlas_endpoints.reconcile.credentials import NoCredentialsError
from atlas_endpoints.reconcile.failures import failing_since
from atlas_endpoints.reconcile.kind import Difference, State
from atlas_endpoints.reconcile.outcome import Outcome, Sent, quiet
from atlas_endpoints.reconcile.reasons import CredentialsReason, Progress, Reason
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.status import Applied, Cause, Finding, LastError, Plan, find, has_reason
from atlas_endpoints.reconcile.summarize import of_suspension
from support.crd import refusals
from support.kstatus import HISTORY_LIMIT, kstatus, problems
from support.named import NAMED
from unit.reconcile.situations import COMMENT, GRACE, ID, RESOLVED, facts_of, made, rendered
from unit.reconcile.situations import failed as of_error

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=30)
ENDPOINT = Endpoint(id="5f7cac1adf5d6c6306f4b283", status="AVAILABLE", comment="a")
DIFFERENCE = Difference(COMMENT, "b", "a")
PLAN = Plan(method="PATCH", body={"providerName": "AWS", "comment": "b"}, reason=Cause.EDIT)


def outcome(
    reason: Reason = Reason.AVAILABLE,
    *differences: Difference,
    generation: int = 1,
    seen: Endpoint | None = ENDPOINT,
    since: datetime = NOON,
    **fields: Any,
) -> Outcome:
    """The outcome of a successful reconcile, changed by ``fields``."""
    return replace(
        Outcome(
            requeue=NoRequeue(),
            generation=generation,
            state=State(reason, f"It is {reason}.", NoRequeue(), differences),
            seen=seen,
            own={} if seen is None else {"endpoint": EndpointStatus.of(seen, since)},
            applied=Applied.of(generation, {"comment": "a"}),
            resolved=RESOLVED,
            credentials=failures.VERIFIED,
        ),
        **fields,
    )


def failed(reason: Reason = Reason.ATLAS_UNAVAILABLE, *, generation: int = 1, **fields: Any) -> Outcome:
    """The outcome of a reconcile that has not observed the endpoint."""
    failure = LastError(since=NOON, operation="listServerlessPrivateEndpoint", retryable=True)
    unknown = {"seen": None, "resolved": None, "credentials": None, "failure": failure}
    return outcome(reason, generation=generation, **{**unknown, **fields})


def sent(result: str = "Applied", *fields: str) -> Sent:
    return Sent(fields or (COMMENT,), Cause.EDIT, result)


def after(*outcomes: Outcome, now: datetime = NOON) -> Status:
    """The status after some reconciles at one time."""
    return then(Status(), *outcomes, now=now)


def then(status: Status, *outcomes: Outcome, now: datetime = LATER) -> Status:
    for each in outcomes:
        status = rendered(status, each, now=now)
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


def test_a_whole_status() -> None:
    status = after(
        outcome(
            generation=3,
            applied=Applied.of(3, {"cloudProviderEndpointId": "vpce-1", "comment": ""}),
            seen=Endpoint(id="1", status="AVAILABLE", cloud_provider_endpoint_id="VPCE-1", endpoint_service_name="svc"),
            sent=sent("Applied", ID, COMMENT),
            handled="noon",
        )
    )
    common = {"observedGeneration": 3, "lastTransitionTime": "2026-11-25T12:00:00Z"}
    assert status.to_json() == {
        "observedGeneration": 3,
        "conditions": [
            {"type": "Ready", "status": "True", "reason": "Available", "message": "It is Available.", **common},
            {
                "type": "Synced",
                "status": "True",
                "reason": "Updated",
                "message": "Atlas confirmed the last change.",
                **common,
            },
            {
                "type": "CredentialsValid",
                "status": "True",
                "reason": "Verified",
                "message": "Atlas accepts the credentials.",
                **common,
            },
        ],
        "applied": {"generation": 3, "cloudProviderEndpointId": "vpce-1", "comment": ""},
        "endpoint": {
            "id": "1",
            "status": "AVAILABLE",
            "statusSince": "2026-11-25T12:00:00Z",
            "cloudProviderEndpointId": "VPCE-1",
            "endpointServiceName": "svc",
        },
        "resolved": {"projectId": "32b6e34b3d91647abb20e7b8", "credentialsSource": "resource/atlas"},
        "lastAppliedTime": "2026-11-25T12:00:00Z",
        "lastHandledReconcileAt": "noon",
        "history": [
            {
                "time": "2026-11-25T12:00:00Z",
                "generation": 3,
                "cause": "Edit",
                "fields": ["cloudProviderEndpointId", "comment"],
                "result": "Applied",
            }
        ],
    }


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


@pytest.mark.parametrize(
    ("reason", "waiting"),
    [
        pytest.param(Reason.AVAILABLE, "Current", id="done"),
        pytest.param(Reason.INITIATING, "InProgress", id="on its way"),
        pytest.param(Reason.INSTANCE_NOT_FOUND, "InProgress", id="others may heal it"),
        pytest.param(Reason.ENDPOINT_FAILED, "Failed", id="a person must act"),
        pytest.param(
            Reason.SUSPENDED, "InProgress", id="suspended: nobody gives up, and nobody is told that it is done"
        ),
    ],
)
def test_the_result_of_kstatus(reason: Reason, waiting: str) -> None:
    assert kstatus(body(after(outcome(reason)), 1)) == waiting


class TestSynced:
    """Whether Atlas has what the resource wants, whatever the state of the endpoint."""

    @pytest.mark.parametrize(
        ("outcomes", "expected"),
        [
            pytest.param([outcome()], ("True", "InSync"), id="nothing was sent and nothing differs"),
            pytest.param([outcome(sent=sent())], ("True", "Updated"), id="something was sent"),
            pytest.param([outcome(sent=sent()), outcome()], ("True", "Updated"), id="for this generation"),
            pytest.param(
                [outcome(sent=sent()), outcome(generation=2)], ("True", "InSync"), id="for an older generation"
            ),
            pytest.param(
                [outcome(sent=sent()), outcome(sent=sent("Unknown: AtlasUnavailable")), outcome()],
                ("True", "InSync"),
                id="the answer was lost, and nothing differs",
            ),
            pytest.param(
                [outcome(Reason.WAITING_FOR_CLOUD_ENDPOINT)], ("True", "InSync"), id="Atlas waits for the cloud's id"
            ),
            pytest.param([outcome(Reason.ENDPOINT_FAILED)], ("True", "InSync"), id="the endpoint failed as specified"),
            pytest.param(
                [outcome(Reason.INITIATING, DIFFERENCE)], ("False", "Initiating"), id="a change waits for its time"
            ),
            pytest.param([outcome(Reason.DRIFTED, DIFFERENCE)], ("False", "DriftDetected"), id="drift"),
            pytest.param(
                [outcome(Reason.CORRECTION_HELD, DIFFERENCE)],
                ("False", "DriftDetected"),
                id="drift that waits for its turn",
            ),
            pytest.param(
                [outcome(Reason.UPDATE_REJECTED, DIFFERENCE)], ("False", "UpdateRejected"), id="stored otherwise"
            ),
            pytest.param(
                [failed(Reason.UPDATE_REJECTED)], ("False", "UpdateRejected"), id="refused, which is known for certain"
            ),
            pytest.param(
                [outcome(Reason.PLANNED, DIFFERENCE, plan=PLAN)], ("False", "Planned"), id="a change is only planned"
            ),
            pytest.param([outcome(Reason.INVALID_SPEC)], ("False", "InvalidSpec"), id="Atlas contradicts the spec"),
            pytest.param([failed()], ("Unknown", "AtlasUnavailable"), id="it could not be compared"),
            pytest.param(
                [outcome(Reason.MISSING_ROLE, DIFFERENCE, failure=failed().failure)],
                ("False", "MissingRole"),
                id="it was compared and could not be changed",
            ),
            pytest.param(
                [outcome(sent=sent()), failed(Reason.SUSPENDED, failure=None, generation=2)],
                ("True", "Updated"),
                id="suspended: as it was",
            ),
        ],
    )
    def test_the_condition(self, outcomes: Sequence[Outcome], expected: tuple[str, str]) -> None:
        assert said(after(*outcomes), "Synced") == expected

    def test_it_names_what_differs(self) -> None:
        status = after(outcome(Reason.INITIATING, DIFFERENCE, Difference(ID, "vpce-1", None)))
        assert "comment, cloudProviderEndpointId" in condition_of(status, "Synced").message

    def test_a_suspended_resource_that_was_never_compared_has_no_condition(self) -> None:
        assert find(after(failed(Reason.SUSPENDED, failure=None)), "Synced") is None


class TestPlan:
    def test_the_request_is_shown_as_it_would_be_sent(self) -> None:
        status = after(outcome(Reason.PLANNED, DIFFERENCE, plan=PLAN))
        assert status.to_json()["plan"] == {
            "method": "PATCH",
            "body": {"providerName": "AWS", "comment": "b"},
            "reason": "Edit",
        }
        assert problems(body(status, 1)) == []
        assert kstatus(body(status, 1)) == "Failed"

    def test_an_empty_comment_is_part_of_the_request(self) -> None:
        clearing = Plan(method="PATCH", body={"providerName": "AWS", "comment": ""}, reason=Cause.EDIT)
        status = after(outcome(Reason.PLANNED, DIFFERENCE, plan=clearing))
        assert status.to_json()["plan"]["body"] == {"providerName": "AWS", "comment": ""}

    @pytest.mark.parametrize(
        "following",
        [
            pytest.param(outcome(sent=sent()), id="it was sent"),
            pytest.param(outcome(), id="it has become needless"),
            pytest.param(failed(), id="nobody knows whether it is still needed"),
            pytest.param(failed(Reason.SUSPENDED, failure=None), id="the resource was suspended"),
        ],
    )
    def test_it_goes_when(self, following: Outcome) -> None:
        status = then(after(outcome(Reason.PLANNED, DIFFERENCE, plan=PLAN)), following)
        assert status.plan is None
        assert problems(body(status, 1)) == []


class TestCredentials:
    def test_the_condition_shows_the_finding(self) -> None:
        status = after(failed(credentials=Finding("False", CredentialsReason.UNAUTHORIZED, "No.")))
        assert said(status, "CredentialsValid") == ("False", "Unauthorized")

    def test_a_known_condition_keeps_its_generation(self) -> None:
        status = then(after(outcome()), failed(generation=2))
        found = condition_of(status, "CredentialsValid")
        assert (found.status, found.observed_generation) == ("True", 1)
        assert condition_of(status, "Ready").observed_generation == 2
        assert problems(body(status, 2)) == []

    def test_without_a_finding_there_is_no_condition(self) -> None:
        assert find(after(failed()), "CredentialsValid") is None


class TestDeprecated:
    ANNOUNCED = Deprecation(NOON, LATER + timedelta(days=30))

    @pytest.mark.parametrize(
        ("deprecation", "reason", "words"),
        [
            pytest.param(Deprecation(NOON, None), "APIDeprecated", "deprecated", id="without an end"),
            pytest.param(ANNOUNCED, "APIDeprecated", "2026-12-25", id="with an end to come"),
            pytest.param(
                Deprecation(NOON, NOON), "APISunset", "2026-11-25. That date is past", id="with an end that is past"
            ),
            pytest.param(Deprecation(None, None), "APIDeprecated", "deprecated", id="in words that make no sense"),
        ],
    )
    def test_atlas_announces_the_end(self, deprecation: Deprecation, reason: str, words: str) -> None:
        found = condition_of(after(outcome(deprecation=deprecation)), "Deprecated")
        assert (found.status, found.reason) == ("True", reason)
        assert words in found.message

    def test_nothing_is_announced(self) -> None:
        assert find(after(outcome()), "Deprecated") is None

    def test_what_was_announced_stays(self) -> None:
        status = after(outcome(deprecation=self.ANNOUNCED))
        for each in (outcome(), failed(), outcome(generation=2)):
            status = then(status, each)
            assert said(status, "Deprecated") == ("True", "APIDeprecated")
        assert problems(body(status, 2)) == []

    def test_the_api_is_gone(self) -> None:
        assert said(after(failed(Reason.API_GONE)), "Deprecated") == ("True", "APIGone")

    def test_the_api_stays_gone_while_atlas_cannot_be_reached(self) -> None:
        assert said(after(failed(Reason.API_GONE), failed()), "Deprecated") == ("True", "APIGone")

    def test_the_api_is_back(self) -> None:
        assert find(after(failed(Reason.API_GONE), outcome()), "Deprecated") is None

    def test_the_api_is_back_and_its_end_announced(self) -> None:
        status = after(failed(Reason.API_GONE), outcome(deprecation=self.ANNOUNCED))
        assert said(status, "Deprecated") == ("True", "APIDeprecated")


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


class TestUnchangedParts:
    def test_the_endpoint_stays_while_it_cannot_be_seen(self) -> None:
        before = after(outcome())
        assert then(before, failed()).endpoint == before.endpoint
        assert then(before, failed(Reason.ENDPOINT_NOT_FOUND)).endpoint == before.endpoint

    def test_the_endpoint_is_shown_as_atlas_shows_it(self) -> None:
        changed = Endpoint(id="1", status="REHEATING", error_message="Two\nlines.", comment="")
        endpoint = then(after(outcome()), outcome(seen=changed, since=LATER)).endpoint
        assert endpoint is not None
        assert (endpoint.status, endpoint.error_message, endpoint.comment) == ("REHEATING", "Two lines.", "")
        assert endpoint.status_since == LATER

    def test_resolved_values_stay_while_nothing_is_resolved(self) -> None:
        assert then(after(outcome()), failed()).resolved == RESOLVED

    def test_drift_stays_while_the_endpoint_cannot_be_seen(self) -> None:
        before = after(outcome(Reason.DRIFTED, DIFFERENCE))
        assert then(before, failed()).drift == before.drift != ()

    def test_drift_that_a_failure_knows_of_is_reported(self) -> None:
        before = after(outcome(Reason.DRIFTED, DIFFERENCE))
        refused = failed(
            Reason.UPDATE_REJECTED,
            state=State(Reason.UPDATE_REJECTED, "No.", NoRequeue(), (Difference(ID, "vpce-1", None),)),
        )
        assert [each.field for each in then(before, refused).drift] == [ID]

    def test_drift_of_an_older_spec_goes(self) -> None:
        before = after(outcome(Reason.DRIFTED, DIFFERENCE))
        assert then(before, failed(generation=2)).drift == ()

    def test_drift_goes_when_nothing_differs_any_more(self) -> None:
        assert then(after(outcome(Reason.DRIFTED, DIFFERENCE)), outcome()).drift == ()

    def test_drift_is_reported_field_by_field(self) -> None:
        status = after(outcome(Reason.DRIFTED, DIFFERENCE, Difference(ID, "vpce-1", None)))
        assert [(each.field, each.desired, each.actual) for each in status.drift] == [
            ("comment", "b", "a"),
            ("cloudProviderEndpointId", "vpce-1", None),
        ]

    def test_an_error_goes_when_all_is_well(self) -> None:
        assert then(after(failed()), outcome()).last_error is None

    def test_a_request_that_was_handled_stays_handled(self) -> None:
        status = then(after(outcome(handled="noon")), outcome(), failed())
        assert status.last_handled_reconcile_at == "noon"

    def test_a_quiet_outcome_keeps_the_status(self) -> None:
        before = after(outcome())
        assert then(before, quiet(2, NoRequeue())) is before


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
        assert then(status, attempt, attempt) == status

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


class TestApplied:
    """``applied`` distinguishes edits from drift, so it must end with its confirmation."""

    CONFIRMED = Applied.of(1, {"comment": "a"})

    def test_it_outlives_failures(self) -> None:
        status = then(after(outcome()), failed(generation=2, applied=self.CONFIRMED))
        assert status.applied == self.CONFIRMED

    def test_it_ends_with_a_write_whose_answer_was_lost(self) -> None:
        assert then(after(outcome()), failed(applied=None)).applied is None

    @pytest.mark.parametrize(
        "missed",
        [
            pytest.param(failed(generation=3, applied=CONFIRMED), id="it fails"),
            pytest.param(
                failed(Reason.SUSPENDED, generation=3, applied=CONFIRMED, failure=None), id="the resource is suspended"
            ),
            pytest.param(
                outcome(Reason.INITIATING, DIFFERENCE, generation=3, applied=CONFIRMED), id="the change has to wait"
            ),
        ],
    )
    def test_it_ends_when_a_spec_in_between_may_have_been_sent_and_was_never_recorded(self, missed: Outcome) -> None:
        status = then(after(outcome()), missed)
        assert status.applied is None
        assert then(status, missed).applied is None, "an old outcome that is said again brings it back"

    def test_it_begins_anew_with_what_is_confirmed_then(self) -> None:
        status = then(after(outcome()), outcome(generation=3))
        assert status.applied == Applied.of(3, {"comment": "a"})


class TestSince:
    @pytest.mark.parametrize(
        ("reason", "generation", "since"),
        [
            pytest.param(Reason.ATLAS_UNAVAILABLE, 1, NOON, id="the same failure"),
            pytest.param(Reason.RATE_LIMITED, 1, LATER, id="another failure"),
            pytest.param(Reason.ATLAS_UNAVAILABLE, 2, LATER, id="a new spec"),
        ],
    )
    def test_failing_since(self, reason: Reason, generation: int, since: datetime) -> None:
        assert failing_since(after(failed()), reason=reason, generation=generation, now=LATER) == since

    def test_a_failure_that_was_over_is_a_new_one(self) -> None:
        status = after(failed(), outcome())
        assert failing_since(status, reason=Reason.ATLAS_UNAVAILABLE, generation=1, now=LATER) == LATER

    def test_what_was_no_failure_before_begins_now(self) -> None:
        stored_otherwise = after(outcome(Reason.UPDATE_REJECTED, DIFFERENCE))
        assert failing_since(stored_otherwise, reason=Reason.UPDATE_REJECTED, generation=1, now=LATER) == LATER

    def test_says(self) -> None:
        status = after(failed())
        assert has_reason(status, reason=Reason.ATLAS_UNAVAILABLE, generation=1)
        assert not has_reason(status, reason=Reason.ATLAS_UNAVAILABLE, generation=2)
        assert not has_reason(status, reason=Reason.RATE_LIMITED, generation=1)
        assert not has_reason(Status(), reason=Reason.RATE_LIMITED, generation=-1)


NOT_HELD_UP = {
    "Available", "Pending", "ReservationRequested", "Initiating", "WaitingForCloudEndpoint", "Deleting", "CorrectionHeld",
    "Drifted", "Planned", "Suspended",
}  # fmt: skip


class TestHeldUp:
    """Which outcomes count as held up."""

    @pytest.mark.parametrize("reason", Reason)
    def test_a_state_holds_up_if_something_failed_or_only_a_person_can_move_on(self, reason: Reason) -> None:
        assert outcome(reason).failure_reason == (None if reason.value in NOT_HELD_UP else reason.value)

    @pytest.mark.parametrize(
        ("requeue", "unreported", "failure_reason"),
        [
            (NoRequeue(), None, None),
            (RequeueAfter(5), None, None),
            (Backoff(), None, "ClusterUnavailable"),
            (Backoff(), "AtlasUnavailable", "AtlasUnavailable"),
            (RequeueAfter(5), "RateLimited", "RateLimited"),
        ],
    )
    def test_a_failure_without_a_status_is_counted_too(
        self, requeue: Requeue, unreported: str | None, failure_reason: str | None
    ) -> None:
        assert quiet(1, requeue, unreported=unreported).failure_reason == failure_reason


# Histories: whatever happens to a resource, in whatever order, each status that is written obeys the rules.

Event: TypeAlias = Callable[[Status, int, datetime], Outcome]
"""An outcome, by the status before, the generation and the time."""

_TEXTS = st.text(max_size=40) | st.builds(lambda text: text * 300, st.text(min_size=1, max_size=9))
_ENDPOINTS = st.builds(
    Endpoint,
    id=_TEXTS,
    status=st.sampled_from(["RESERVED", "AVAILABLE", "FAILED"]) | _TEXTS,
    error_message=st.none() | _TEXTS,
    cloud_provider_endpoint_id=st.none() | _TEXTS,
    comment=st.none() | _TEXTS,
)
_DIFFERENCES = st.lists(
    st.builds(Difference, st.sampled_from(ManagedField), _TEXTS, st.none() | _TEXTS),
    max_size=3,
    unique_by=lambda difference: difference.field,
).map(tuple)
_SENT = st.none() | st.builds(
    Sent,
    st.lists(st.sampled_from(ManagedField), unique=True).map(tuple),
    st.sampled_from(Cause),
    st.just("Applied") | _TEXTS,
)
_DEPRECATIONS = st.none() | st.builds(Deprecation, st.none(), st.sampled_from([None, NOON, NOON + timedelta(days=365)]))
_SEEN = sorted(
    {
        Reason.PENDING,
        Reason.RESERVATION_REQUESTED,
        Reason.INITIATING,
        Reason.WAITING_FOR_CLOUD_ENDPOINT,
        Reason.DELETING,
        Reason.ENDPOINT_FAILED,
        Reason.UPDATE_REJECTED,
        Reason.PROVISIONING_TIMEOUT,
        Reason.CORRECTION_HELD,
        Reason.DRIFTED,
    }
)
_ERRORS = (
    AtlasUnavailableError,
    RateLimitedError,
    CredentialsInvalidError,
    EndpointAbsentError,
    InstanceNotFoundError,
    APIGoneError,
    UpdateRejectedError,
)


@st.composite
def _available(draw: st.DrawFn) -> Event:
    write, handled, deprecation = draw(_SENT), draw(st.none() | st.just("noon")), draw(_DEPRECATIONS)
    return lambda _, generation, now: outcome(
        generation=generation, sent=write, handled=handled, deprecation=deprecation, since=now
    )


@st.composite
def _seen(draw: st.DrawFn) -> Event:
    state = State(draw(st.sampled_from(_SEEN)), f"It is so: {draw(_TEXTS)}", NoRequeue(), draw(_DIFFERENCES))
    seen, write = draw(_ENDPOINTS), draw(_SENT)
    return lambda previous, generation, now: outcome(
        generation=generation, state=state, seen=seen, sent=write, applied=previous.applied, since=now
    )


@st.composite
def _planned(draw: st.DrawFn) -> Event:
    fields = draw(st.dictionaries(st.sampled_from(ManagedField), _TEXTS, min_size=1))
    body = {
        "providerName": draw(st.sampled_from(["AWS", "AZURE"])),
        **{str(name): text for name, text in fields.items()},
    }
    plan = Plan(method="PATCH", body=body, reason=draw(st.sampled_from(Cause)))
    state = State(Reason.PLANNED, f"It would send: {draw(_TEXTS)}", NoRequeue(), draw(_DIFFERENCES))
    seen = draw(_ENDPOINTS)
    return lambda previous, generation, now: outcome(
        generation=generation, state=state, seen=seen, plan=plan, applied=previous.applied, since=now
    )


@st.composite
def _failing(draw: st.DrawFn) -> Event:
    class_, text, write = draw(st.sampled_from(_ERRORS)), draw(_TEXTS), draw(_SENT)
    error: AtlasError = class_(
        f"It failed: {text}",
        operation="listServerlessPrivateEndpoint",
        http_status=draw(st.none() | st.just(500)),
        error_code=draw(st.none() | _TEXTS),
        detail=draw(st.none() | _TEXTS),
    )

    def event(previous: Status, generation: int, now: datetime) -> Outcome:
        found = of_error(error, facts_of(made(generation=generation), previous, now=now))
        return replace(found, sent=write, applied=previous.applied)

    return event


@st.composite
def _without_credentials(draw: st.DrawFn) -> Event:
    source, text = draw(st.none() | _TEXTS), draw(_TEXTS)
    error = NoCredentialsError(CredentialsProblem.MISSING_KEYS, f"Add them: {text}", source=source, retry_in=5)
    return lambda previous, generation, now: failures.of_no_credentials(
        error, generation, previous, now=now, grace=GRACE
    )


def _suspended(previous: Status, generation: int, _: datetime) -> Outcome:
    return of_suspension(made(generation=generation, suspend=True), previous)


def _invalid(previous: Status, generation: int, now: datetime) -> Outcome:
    error = InvalidSpecError(["spec: no"])
    return failures.of_invalid_spec(error, generation, previous, now)


def _bug(previous: Status, generation: int, now: datetime) -> Outcome:
    return failures.of_bug(ValueError(), generation, previous, now)


_EVENTS = (
    _available()
    | _seen()
    | _planned()
    | _failing()
    | _without_credentials()
    | st.sampled_from([_suspended, _invalid, _bug, lambda _, generation, __: quiet(generation, NoRequeue())])
)
_HISTORIES = st.lists(st.tuples(_EVENTS, st.integers(0, 2), st.integers(0, 200)), min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(_HISTORIES)
def test_every_status_of_every_history_obeys_the_rules(history: Sequence[tuple[Event, int, int]]) -> None:
    status, generation, now = Status(), 1, NOON
    for event, edits, pause in history:
        before, result = status, event(status, generation := generation + edits, now := now + timedelta(seconds=pause))
        status = rendered(before, result, now=now)
        assert refusals(status.to_json()) == []
        assert problems(body(status, generation)) == []
        assert Status.parse(status.to_json()) == status
        for each in status.conditions:
            known = find(before, each.type)
            stays = known is not None and known.status == each.status
            assert each.last_transition_time == (known.last_transition_time if known is not None and stays else now)


@settings(max_examples=60, deadline=None)
@given(_HISTORIES, st.integers(1, 10**6))
def test_the_same_outcome_at_another_time_changes_no_status(
    history: Sequence[tuple[Event, int, int]], pause: int
) -> None:
    status, generation, now = Status(), 1, NOON
    result = quiet(1, NoRequeue())
    for event, edits, wait in history:
        result = event(status, generation := generation + edits, now := now + timedelta(seconds=wait))
        status = rendered(status, result, now=now)
    later = now + timedelta(seconds=pause)
    again = rendered(status, replace(result, sent=None), now=later)
    if find(again, "Stalled") is not None and find(status, "Reconciling") is not None:
        # Time alone does this one thing: a grace comes to its end.
        assert result.failure is not None
        assert later - result.failure.since >= GRACE
        again = again.model_copy(
            update={
                "conditions": tuple(
                    find(status, "Reconciling") if each.type == "Stalled" else each for each in again.conditions
                )
            }
        )
    assert again == status


@settings(max_examples=60, deadline=None)
@given(_HISTORIES, _failing(), st.integers(1, 10**6))
def test_a_failure_that_goes_on_changes_no_status(
    history: Sequence[tuple[Event, int, int]], event: Event, pause: int
) -> None:
    status, generation, now = Status(), 1, NOON
    for each, edits, wait in history:
        result = each(status, generation := generation + edits, now := now + timedelta(seconds=wait))
        status = rendered(status, result, now=now)
    status = rendered(status, event(status, generation, now), now=now)
    later = now + timedelta(seconds=pause)
    again = rendered(status, replace(event(status, generation, later), sent=None), now=later)
    assert again.last_error == status.last_error
    assert {each.type: each for each in again.conditions if each.type not in {"Reconciling", "Stalled"}} == {
        each.type: each for each in status.conditions if each.type not in {"Reconciling", "Stalled"}
    }


HOSTILE = st.text(max_size=60) | st.sampled_from(
    ["\x1b[31mred\x1b[0m", "one\ntwo", "\u202egpj.exe", "a\u2028b", "\x00", "\ud800", "x" * 5000, "\x9b2J"]
)


class TestTextsOfAtlas:
    """A text that pretends to come from Atlas must not control a terminal."""

    @given(
        st.builds(
            Endpoint,
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
    def test_they_are_printable_and_bounded_and_read_back_the_same(self, endpoint: Endpoint, words: str) -> None:
        state = State(Reason.DRIFTED, f"comment is {words}", NoRequeue(), (Difference(COMMENT, "b", words),))
        drifted = outcome(state=state, seen=endpoint)
        status = after(drifted)
        texts = list(texts_in(status.to_json()))
        assert [text for text in texts if not text.isprintable() or len(text) > 1024] == []
        assert Status.parse(status.to_json()) == status
        assert then(status, drifted, now=NOON) == status

    @given(HOSTILE, HOSTILE)
    def test_how_long_a_strange_status_has_stood_is_known_all_the_same(self, id_: str, word: str) -> None:
        endpoint = Endpoint(id=id_, status=word)
        facts = facts_of(made(), after(outcome(seen=endpoint)), endpoint, now=LATER)
        assert status_since(facts, endpoint) == NOON


def texts_in(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict() | list():
            for each in value.values() if isinstance(value, dict) else value:
                yield from texts_in(each)
        case _:
            pass
