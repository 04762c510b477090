"""What each failure comes to: reason, pair of conditions, and when it is tried again; at first, in its grace, and after it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest

from atlas_endpoints.atlas import errors
from atlas_endpoints.atlas.answers import Refusal
from atlas_endpoints.atlas.classification import classify, classify_token_answer, unreadable
from atlas_endpoints.atlas.credentials import CredentialsProblem
from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasHeldError,
    AtlasUnavailableError,
    CredentialsRateLimitedError,
    InvalidSpecError,
    NotLeaderError,
    RateLimitedError,
    UpdateRejectedError,
    WritesOffError,
)
from atlas_endpoints.cluster.errors import SecretProblem
from atlas_endpoints.engine.outcome import Again, Next, Rest, Retry
from atlas_endpoints.kinds.errors import NoCredentialsError
from atlas_endpoints.kinds.serverless_private_endpoint import failures
from atlas_endpoints.kinds.serverless_private_endpoint.comparison import Difference
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    Applied,
    ManagedField,
    Resolved,
    Status,
)
from atlas_endpoints.kinds.serverless_private_endpoint.model import InvalidSpecError as BrokenSpecError
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import MEANING, Progress, Reason
from atlas_endpoints.kinds.serverless_private_endpoint.status import find, render
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Outcome, Verdict
from support.crd import refusals
from support.kstatus import problems

ID, ADDRESS, COMMENT = ManagedField
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
GRACE = timedelta(minutes=2)
WITHIN = timedelta(seconds=100)
"""After the first failure; 20 s before the grace is over."""
RESOLVED = Resolved(project_id="32b6e34b3d91647abb20e7b8", credentials_source="resource/atlas")
HTML = b"<html><body>Bad gateway</body></html>"


def refusal(status: int, code: str | None = None, *, body: bytes | None = None, **headers: str) -> Refusal:
    error = {"error": status, "errorCode": code, "detail": "Atlas's own words."} if code else None
    return Refusal(
        status,
        {name.replace("_", "-").lower(): value for name, value in headers.items()},
        body if body is not None else json.dumps(error).encode() if error else b"",
    )


def read(status: int, code: str | None = None, **more: Any) -> AtlasError:
    """What a LIST fails with."""
    return classify(refusal(status, code, **more), operation="listServerlessPrivateEndpoint", writes=False, now=NOON)


def write(status: int, code: str | None = None, **more: Any) -> AtlasError:
    """What a PATCH fails with."""
    return classify(refusal(status, code, **more), operation="updateServerlessPrivateEndpoint", writes=True, now=NOON)


def token(status: int, body: Mapping[str, str]) -> AtlasError:
    """What getting an access token fails with."""
    return classify_token_answer(refusal(status, body=json.dumps(body).encode()), operation="token", now=NOON)


def read_held_back(error: AtlasError) -> AtlasHeldError:
    """What a later call fails with, which repeats what the answer said."""
    return AtlasHeldError(error.message, reason=error.reason, operation=error.operation, retry_after=500)


def held(reason: str, retry_after: float) -> AtlasHeldError:
    return AtlasHeldError("Not now.", reason=reason, operation="listServerlessPrivateEndpoint", retry_after=retry_after)


def after(error: AtlasError, previous: Status, now: datetime, **more: Any) -> Outcome:
    return failures.of_atlas(error, 1, previous, now=now, grace=GRACE, resolved=RESOLVED, **more)


def written(previous: Status, outcome: Outcome, now: datetime) -> Status:
    """The status that an outcome leads to, which must be fit to be written."""
    status = render(previous, outcome, now=now, grace=GRACE)
    generation = max(1, outcome.generation)
    assert refusals(status.to_json()) == []
    assert problems({"metadata": {"generation": generation}, "spec": {}, "status": status.to_json()}) == []
    return status


def pair(status: Status) -> str:
    (found,) = [each.type for each in status.conditions if each.type in {"Reconciling", "Stalled"}]
    return found


@dataclass(frozen=True)
class Row:
    """What a failure comes to.

    Attributes:
        error: the failure.
        reason: of ``Ready``.
        pace: when it is tried again, at first.
        within: the same, 20 s before the grace is over; ``None``: no grace.
        afterwards: the same, when the grace is over; ``None``: no grace.
        credentials: the reason of ``CredentialsValid``; ``None``: nothing was found out.
        retryable: whether it may heal by itself.
    """

    error: AtlasError
    reason: Reason
    pace: Next
    within: Next | None = None
    afterwards: Next | None = None
    credentials: str | None = "Verified"
    retryable: bool = False


def unavailable(error: AtlasError, pace: Retry | None = None) -> Row:
    return Row(error, Reason.ATLAS_UNAVAILABLE, pace or Retry(), credentials=None, retryable=True)


def limited(error: AtlasError, pace: Next) -> Row:
    return Row(error, Reason.RATE_LIMITED, pace, credentials=None, retryable=True)


def cured(error: AtlasError, reason: Reason, credentials: str) -> Row:
    """Other credentials may heal it: the Secret is read again often, and when the grace is over."""
    return Row(error, reason, Again(30), Again(20), Again(30), credentials)


def slow(error: AtlasError, reason: Reason) -> Row:
    """Others may heal it: only the round of the instance asks again, and the end of the grace is told in time."""
    return Row(error, reason, Again(120), Again(20), Rest())


def stalled(error: AtlasError, reason: Reason, credentials: str | None = "Verified") -> Row:
    """A person must act: only the round of the instance asks again."""
    return Row(error, reason, Rest(), credentials=credentials)


BUCKET = json.dumps(
    {"errorCode": "RATE_LIMITED_TOKEN_BUCKET", "detail": "Slow down.", "parameters": ["path", 55, 10, 5, 60]}
).encode()

TABLE: Mapping[str, Row] = {
    "no connection": unavailable(AtlasUnavailableError("Refused.", operation="listServerlessPrivateEndpoint")),
    "500": unavailable(read(500, "UNEXPECTED_ERROR")),
    "503 that says when": unavailable(read(503, "SERVICE_UNAVAILABLE", retry_after="30"), Retry(30)),
    "HTML of a proxy": unavailable(read(502, body=HTML)),
    "HTML of a proxy that calls itself a refusal": unavailable(read(403, body=HTML)),
    "an empty or broken 200": unavailable(unreadable(200, operation="listServerlessPrivateEndpoint", writes=False)),
    "405, Atlas is being upgraded": unavailable(write(405, "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES")),
    "an unknown code of a 5xx": unavailable(read(599, "WHO_KNOWS")),
    "a redirect": unavailable(read(302, location="https://example.com")),
    "404 without a code": unavailable(read(404)),
    "a bare 404 with a code that nobody knows": unavailable(read(404, "RESOURCE_NOT_FOUND")),
    "407 of a proxy": unavailable(read(407)),
    "429 that says when": limited(read(429, "RATE_LIMITED", retry_after="30"), Retry(30)),
    "429 with its own figure": limited(read(429, body=BUCKET), Retry(55)),
    "429 that does not say when": limited(read(429), Retry()),
    "429 of the token endpoint": limited(token(429, {"errorCode": "RATE_LIMITED"}), Retry()),
    "too many tokens": limited(token(403, {"error": "access_denied"}), Retry()),
    "held back, since Atlas limits the rate": limited(held("RateLimited", 42), Again(42)),
    "held back without being told for how long": limited(held("RateLimited", 0), Again(1)),
    "the role is too weak": cured(write(401, "USER_UNAUTHORIZED"), Reason.MISSING_ROLE, "NotAllowed"),
    "403": cured(write(403, "ACCESS_FORBIDDEN"), Reason.MISSING_ROLE, "NotAllowed"),
    "the project is not visible": cured(read(401, "NOT_IN_GROUP"), Reason.PROJECT_NOT_FOUND, "Verified"),
    "there is no such project": cured(read(404, "GROUP_NOT_FOUND"), Reason.PROJECT_NOT_FOUND, "Verified"),
    "the service account is unknown": cured(
        token(401, {"error": "invalid_client"}), Reason.CREDENTIALS_INVALID, "Unauthorized"
    ),
    "the token endpoint refuses the request itself": cured(
        token(400, {"error": "unsupported_grant_type"}), Reason.CREDENTIALS_INVALID, "Unauthorized"
    ),
    "401 without a code that says who asks": cured(
        read(401, "UNEXPECTED_ERROR"), Reason.CREDENTIALS_INVALID, "Unauthorized"
    ),
    "held back, since the credentials were refused": cured(
        held("CredentialsInvalid", 500), Reason.CREDENTIALS_INVALID, "Unauthorized"
    ),
    "the address is not on the access list": cured(
        read(403, "IP_ADDRESS_NOT_ON_ACCESS_LIST"), Reason.IP_NOT_ALLOWED, "NotAllowed"
    ),
    "there is no such instance": slow(read(404, "SERVERLESS_INSTANCE_NOT_FOUND"), Reason.INSTANCE_NOT_FOUND),
    "there is no such endpoint, by a 404": slow(
        read(404, "TENANT_PRIVATE_ENDPOINT_NOT_FOUND"), Reason.ENDPOINT_NOT_FOUND
    ),
    "there is no such endpoint, by a 400": slow(
        read(400, "TENANT_PRIVATE_ENDPOINT_NOT_FOUND"), Reason.ENDPOINT_NOT_FOUND
    ),
    "402": stalled(read(402, "ACCOUNT_SUSPENDED"), Reason.ACCOUNT_SUSPENDED),
    "the instance is no serverless one": stalled(read(400, "NOT_SERVERLESS_TENANT_CLUSTER"), Reason.NOT_SERVERLESS),
    "406": stalled(read(406), Reason.API_GONE, None),
    "410": stalled(read(410, "VERSION_GONE"), Reason.API_GONE, None),
    "Atlas cannot parse an id": stalled(read(400, "PATH_PARAM_PARSE_ERROR"), Reason.INVALID_SPEC),
    "an id that cannot be asked for": stalled(
        InvalidSpecError("Correct it.", operation="listServerlessPrivateEndpoint"), Reason.INVALID_SPEC, None
    ),
    "400 of a PATCH": stalled(write(400, "INVALID_ATTRIBUTE"), Reason.UPDATE_REJECTED),
    "409 of a PATCH": stalled(write(409, "CONFLICT"), Reason.UPDATE_REJECTED),
    "a change that may not be sent and all the same was about to be": Row(
        WritesOffError("Held back.", operation="updateServerlessPrivateEndpoint"),
        Reason.INTERNAL_ERROR,
        Retry(),
        credentials=None,
        retryable=True,
    ),
    "422 of a PATCH": stalled(write(422, "WHO_KNOWS"), Reason.UPDATE_REJECTED),
}
QUIET: Mapping[str, tuple[AtlasError, Next]] = {
    "another replica leads": (NotLeaderError("No.", operation="updateServerlessPrivateEndpoint"), Retry()),
    "another call finds out whether the credentials work": (held("Pending", 2), Again(2)),
    "another call finds that out, nobody knows for how long": (held("Pending", 0), Again(1)),
}


def every_error(base: type[AtlasError] = AtlasError) -> set[type[AtlasError]]:
    return {base}.union(*(every_error(each) for each in base.__subclasses__()))


class TestAtlas:
    def test_the_table_has_every_error(self) -> None:
        tested = {type(row.error) for row in TABLE.values()} | {type(error) for error, _ in QUIET.values()}
        assert tested == every_error() - {AtlasError}
        assert {each.__module__ for each in tested} == {errors.__name__}

    def test_the_table_has_every_reason_that_an_error_may_have(self) -> None:
        assert {row.reason for row in TABLE.values()} == {
            Reason(each.reason) for each in every_error() if each.reason != Reason.PENDING
        }

    @pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
    def test_a_failure(self, row: Row) -> None:
        outcome = after(row.error, Status(), NOON)
        status = written(Status(), outcome, NOON)
        verdict, failure, ready = outcome.verdict, outcome.failure, find(status, "Ready")
        assert verdict is not None
        assert failure is not None
        assert ready is not None
        assert (verdict.reason, outcome.next, verdict.next) == (row.reason, row.pace, row.pace)
        assert (ready.reason, ready.message) == (
            row.reason,
            row.error.message.replace(
                "into the Secret.", "into Secret atlas; they are picked up by themselves."
            ).replace("Then try again.", failures.NOTICED),
        )
        assert failure.retryable == row.retryable
        assert (failure.since, failure.operation) == (NOON, row.error.operation)
        assert (failure.http_status, failure.error_code) == (row.error.http_status, row.error.error_code)
        assert (outcome.credentials.reason if outcome.credentials else None) == row.credentials
        graceful = row.within is not None
        assert pair(status) == ("Stalled" if not graceful and not row.retryable else "Reconciling")

    @pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
    def test_the_same_failure_when_its_grace_is_nearly_over(self, row: Row) -> None:
        status = written(Status(), after(row.error, Status(), NOON), NOON)
        outcome = after(row.error, status, NOON + WITHIN)
        assert outcome.next == (row.within or row.pace)
        assert written(status, outcome, NOON + WITHIN) == status

    @pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
    def test_the_same_failure_when_its_grace_is_over(self, row: Row) -> None:
        first = written(Status(), after(row.error, Status(), NOON), NOON)
        outcome = after(row.error, first, NOON + GRACE)
        status = written(first, outcome, NOON + GRACE)
        assert outcome.next == (row.afterwards or row.pace)
        assert pair(status) == ("Reconciling" if row.retryable else "Stalled")
        assert status.last_error == first.last_error
        assert written(status, after(row.error, status, NOON + 9 * GRACE), NOON + 9 * GRACE) == status

    @pytest.mark.parametrize(("error", "pace"), QUIET.values(), ids=QUIET)
    def test_no_news(self, error: AtlasError, pace: Next) -> None:
        outcome = after(error, Status(), NOON)
        assert (outcome.next, outcome.verdict) == (pace, None)
        assert render(Status(), outcome, now=NOON, grace=GRACE) == Status()

    def test_the_table_of_paces_fits_the_table_of_reasons(self) -> None:
        for row in TABLE.values():
            progress = MEANING[row.reason].progress
            assert (row.within is not None) == (progress is Progress.GRACE)
            assert row.retryable == (progress is Progress.RECONCILING)


class TestRefusedCredentials:
    """The remedy is for whoever can mend it, and names the Secret."""

    ASK = (
        "They are those of the operator's own Secret atlas. Ask whoever runs the operator to mend that; or name a Secret in"
        " spec.credentialsSecretRef.name, or have the namespace name one in its annotation"
        " atlas-endpoints.dev/credentials-secret. (HTTP 401"
    )

    @pytest.mark.parametrize(
        ("source", "remedy"),
        [
            pytest.param(
                "resource/mine",
                "Put valid ones into Secret mine; they are picked up by themselves. (HTTP 401",
                id="of the resource",
            ),
            pytest.param(
                "namespace/ours",
                "Put valid ones into Secret ours; they are picked up by themselves. (HTTP 401",
                id="of its namespace",
            ),
            pytest.param("operator/atlas", ASK, id="of the operator, where nobody else can mend them"),
            pytest.param(None, "Put valid ones into the Secret. (HTTP 401", id="of whoever: not known"),
        ],
    )
    def test_the_remedy(self, source: str | None, remedy: str) -> None:
        error = read(401, "UNEXPECTED_ERROR")
        for each in (error, read_held_back(error)):
            outcome = failures.of_atlas(
                each, 1, Status(), now=NOON, grace=GRACE, resolved=Resolved(credentials_source=source)
            )
            status = written(Status(), outcome, NOON)
            for type_ in ("Ready", "CredentialsValid"):
                condition = find(status, type_)
                assert condition is not None
                assert remedy in condition.message
                assert condition.message.endswith("Atlas says: Atlas's own words.")


class TestFirstWords:
    """Retries write nothing, however the words of a failure vary."""

    @pytest.mark.parametrize(
        ("first", "then"),
        [
            pytest.param(read(503, "SERVICE_UNAVAILABLE"), read(502, body=HTML), id="another way of being unavailable"),
            pytest.param(
                RateLimitedError("The project.", operation="a"),
                CredentialsRateLimitedError("The credentials.", operation="b"),
                id="another limit",
            ),
            pytest.param(read(429), held("RateLimited", 42), id="a limit, and then held back"),
            pytest.param(
                read(401, "UNEXPECTED_ERROR"), held("CredentialsInvalid", 500), id="refused, and then held back"
            ),
        ],
    )
    def test_they_stand_while_the_reason_does(self, first: AtlasError, then: AtlasError) -> None:
        status = written(Status(), after(first, Status(), NOON), NOON)
        later = NOON + timedelta(seconds=50)
        assert written(status, after(then, status, later), later) == status

    def test_they_give_way_to_another_reason(self) -> None:
        status = written(Status(), after(read(503), Status(), NOON), NOON)
        later = NOON + timedelta(seconds=50)
        status = written(status, after(read(429), status, later), later)
        assert status.last_error is not None
        assert (status.last_error.since, status.last_error.http_status) == (later, 429)

    def test_they_give_way_to_the_name_of_another_secret_with_the_same_credentials(self) -> None:
        status = written(Status(), after(read(401), Status(), NOON), NOON)
        later = NOON + timedelta(seconds=50)
        moved = RESOLVED.model_copy(update={"credentials_source": "resource/other"})
        outcome = failures.of_atlas(read_held_back(read(401)), 1, status, now=later, grace=GRACE, resolved=moved)
        ready = find(written(status, outcome, later), "Ready")
        assert ready is not None
        assert "Put valid ones into Secret other;" in ready.message

    def test_they_give_way_to_another_cause_of_the_same_reason(self) -> None:
        """Its Secret was missing; now it is there, and Atlas has refused already what it holds."""
        missing = NoCredentialsError(
            SecretProblem.NOT_FOUND, "There is no Secret.", source="resource/atlas", retry_in=5.0
        )
        status = written(Status(), failures.of_no_credentials(missing, 1, Status(), now=NOON, grace=GRACE), NOON)
        outcome = after(read_held_back(read(401)), status, NOON + WITHIN)
        assert outcome.verdict is not None
        assert outcome.failure is not None
        assert "Atlas does not accept" in outcome.verdict.message
        assert outcome.failure.since == NOON + WITHIN
        status = written(status, outcome, NOON + WITHIN)
        assert find(status, "Reconciling") is not None
        valid = find(status, "CredentialsValid")
        assert valid is not None
        assert (valid.reason, valid.message) == ("Unauthorized", outcome.verdict.message)

    def test_another_cause_begins_anew_and_what_is_stalled_stays_so(self) -> None:
        missing = NoCredentialsError(
            SecretProblem.NOT_FOUND, "There is no Secret.", source="resource/atlas", retry_in=5.0
        )
        lacking = NoCredentialsError(
            CredentialsProblem.MISSING_KEYS, "It lacks a key.", source="resource/atlas", retry_in=5.0
        )
        status, later = Status(), NOON + GRACE
        for now in (NOON, later):
            status = written(status, failures.of_no_credentials(missing, 1, status, now=now, grace=GRACE), now)
        assert status.last_error is not None
        assert status.last_error.since == NOON
        later += WITHIN
        status = written(status, failures.of_no_credentials(lacking, 1, status, now=later, grace=GRACE), later)
        assert status.last_error is not None
        assert (status.last_error.since, status.last_error.error_code) == (later, "MissingKeys")
        assert find(status, "Stalled") is not None
        assert find(status, "Reconciling") is None

    def test_they_give_way_to_another_generation(self) -> None:
        status = written(Status(), after(read(503), Status(), NOON), NOON)
        later = NOON + timedelta(seconds=50)
        outcome = failures.of_atlas(read(500), 2, status, now=later, grace=GRACE, resolved=RESOLVED)
        status = written(status, outcome, later)
        assert status.last_error is not None
        assert (status.last_error.since, status.last_error.http_status) == (later, 500)

    def test_new_words_of_what_a_person_must_mend_are_news(self) -> None:
        status = written(Status(), after(read(404, "SERVERLESS_INSTANCE_NOT_FOUND"), Status(), NOON), NOON)
        later = NOON + timedelta(seconds=50)
        status = written(status, after(read(404, "CLUSTER_NOT_FOUND"), status, later), later)
        assert status.last_error is not None
        assert (status.last_error.since, status.last_error.error_code) == (NOON, "CLUSTER_NOT_FOUND")

    def test_there_are_none_in_a_status_without_an_error(self) -> None:
        before = written(Status(), after(read(503), Status(), NOON), NOON).model_copy(update={"last_error": None})
        assert written(before, after(read(503), before, NOON), NOON).last_error is not None

    def test_the_time_of_the_first_failure_is_kept_to_the_second(self) -> None:
        begun = NOON + timedelta(microseconds=1)
        status = written(Status(), after(read(503), Status(), begun), begun)
        later = NOON + timedelta(seconds=50)
        assert written(status, after(read(503), status, later), later) == status


class TestGrace:
    def test_it_ends_to_the_second(self) -> None:
        error = read(404, "SERVERLESS_INSTANCE_NOT_FOUND")
        status = written(Status(), after(error, Status(), NOON), NOON)
        assert after(error, status, NOON + GRACE - timedelta(seconds=1)).next == Again(1)
        for late, expected in (
            (GRACE - timedelta(microseconds=1), "Reconciling"),
            (GRACE, "Stalled"),
            (GRACE + timedelta(microseconds=1), "Stalled"),
        ):
            assert pair(written(status, after(error, status, NOON + late), NOON + late)) == expected

    def test_it_begins_anew_with_a_new_spec(self) -> None:
        error = read(404, "SERVERLESS_INSTANCE_NOT_FOUND")
        status = written(Status(), after(error, Status(), NOON), NOON)
        late = NOON + GRACE
        outcome = failures.of_atlas(error, 2, status, now=late, grace=GRACE, resolved=RESOLVED)
        assert pair(written(status, outcome, late)) == "Reconciling"
        assert outcome.next == Again(120)

    def test_no_grace_at_all(self) -> None:
        error = read(404, "SERVERLESS_INSTANCE_NOT_FOUND")
        outcome = failures.of_atlas(error, 1, Status(), now=NOON, grace=timedelta(0), resolved=RESOLVED)
        assert outcome.next == Rest()
        assert pair(render(Status(), outcome, now=NOON, grace=timedelta(0))) == "Stalled"


class TestWhatIsPassedOn:
    def test_what_was_sent_what_differs_and_what_is_confirmed(self) -> None:
        applied = Applied(generation=1, comment="a")
        differences = (Difference(ID, "vpce-1", None),)
        outcome = after(
            write(400, "INVALID_ATTRIBUTE"), Status(), NOON, refused=(ID,), differences=differences, applied=applied
        )
        status = written(Status(), outcome, NOON)
        assert status.applied == applied
        assert [each.field for each in status.drift] == [ID]
        assert status.last_error is not None
        assert status.last_error.fields == (ID,)
        assert status.resolved == RESOLVED


class TestNoCredentials:
    @staticmethod
    def outcome(
        previous: Status, now: datetime, retry_in: float = 5.0, reason: StrEnum = SecretProblem.NOT_FOUND
    ) -> Outcome:
        error = NoCredentialsError(reason, "Create the Secret.", source="resource/atlas", retry_in=retry_in)
        return failures.of_no_credentials(error, 1, previous, now=now, grace=GRACE)

    @pytest.mark.parametrize(
        "reason",
        [
            SecretProblem.NOT_FOUND,
            SecretProblem.FORBIDDEN,
            CredentialsProblem.MISSING_KEYS,
            CredentialsProblem.AMBIGUOUS_KEYS,
        ],
    )
    def test_it_is_said_in_two_conditions(self, reason: StrEnum) -> None:
        status = written(Status(), self.outcome(Status(), NOON, reason=reason), NOON)
        ready, credentials = find(status, "Ready"), find(status, "CredentialsValid")
        assert ready is not None
        assert credentials is not None
        assert (ready.reason, ready.message) == ("CredentialsInvalid", "Create the Secret.")
        assert (credentials.status, credentials.reason) == ("False", reason)
        assert status.last_error is not None
        assert (status.last_error.operation, status.last_error.retryable) == ("readSecret", False)

    def test_the_secret_is_read_as_often_as_its_reader_says_and_when_the_grace_is_over(self) -> None:
        status = written(Status(), self.outcome(Status(), NOON), NOON)
        assert self.outcome(Status(), NOON, retry_in=5).next == Again(5)
        assert self.outcome(status, NOON + WITHIN, retry_in=60).next == Again(20)
        assert self.outcome(status, NOON + GRACE, retry_in=60).next == Again(60)
        assert pair(written(status, self.outcome(status, NOON + GRACE), NOON + GRACE)) == "Stalled"

    def test_it_keeps_what_was_known(self) -> None:
        before = Status(observed_generation=1, applied=Applied(generation=1, comment="a"), resolved=RESOLVED)
        outcome = self.outcome(before, NOON)
        status = written(before, outcome, NOON)
        assert status.applied == before.applied
        assert status.resolved == RESOLVED

    def test_it_names_another_source(self) -> None:
        before = Status(observed_generation=1, resolved=RESOLVED)
        error = NoCredentialsError(SecretProblem.NOT_FOUND, "None.", source="operator/atlas", retry_in=5)
        outcome = failures.of_no_credentials(error, 1, before, now=NOON, grace=GRACE)
        resolved = written(before, outcome, NOON).resolved
        assert resolved is not None
        assert (resolved.project_id, resolved.credentials_source) == (RESOLVED.project_id, "operator/atlas")


class TestInvalidSpec:
    def test_it_names_each_problem_and_rests(self) -> None:
        error = BrokenSpecError(["spec.comment: Too long", "spec.endpointId: Required value: add it"])
        outcome = failures.of_invalid_spec(error, 1, Status(), NOON)
        status = written(Status(), outcome, NOON)
        ready = find(status, "Ready")
        assert outcome.next == Rest()
        assert ready is not None
        assert ready.reason == "InvalidSpec"
        assert "spec.comment: Too long; spec.endpointId: Required value: add it" in ready.message
        assert "CRD" in ready.message
        assert status.last_error is not None
        assert (status.last_error.operation, status.last_error.retryable) == ("validate", False)
        assert pair(status) == "Stalled"

    def test_many_problems_fit(self) -> None:
        error = BrokenSpecError(["spec.x: " + "y" * 500] * 20)
        status = written(Status(), failures.of_invalid_spec(error, 1, Status(), NOON), NOON)
        assert written(status, failures.of_invalid_spec(error, 1, status, NOON + GRACE), NOON + GRACE) == status


class TestBug:
    def test_it_is_retried_with_backoff_and_names_only_its_class(self) -> None:
        outcome = failures.of_bug(ValueError("a secret"), 1, Status(), NOON)
        status = written(Status(), outcome, NOON)
        ready = find(status, "Ready")
        assert outcome.next == Retry()
        assert ready is not None
        assert ready.reason == "InternalError"
        assert "ValueError" in ready.message
        assert status.last_error is not None
        assert (status.last_error.operation, status.last_error.retryable) == ("reconcile", True)
        assert "a secret" not in json.dumps(status.to_json())

    def test_it_keeps_what_was_confirmed(self) -> None:
        before = Status(observed_generation=1, applied=Applied(generation=1, comment="a"))
        outcome = failures.of_bug(ValueError(), 1, before, NOON)
        assert written(before, outcome, NOON).applied == before.applied

    def test_another_bug_at_the_next_try_writes_nothing(self) -> None:
        status = written(Status(), failures.of_bug(ValueError(), 1, Status(), NOON), NOON)
        later = NOON + GRACE
        assert written(status, failures.of_bug(KeyError(), 1, status, later), later) == status


class TestRefusedFields:
    @pytest.mark.parametrize(
        ("words", "sent", "refused"),
        [
            pytest.param("comment is too long", (ID, COMMENT), (COMMENT,), id="the field that Atlas names"),
            pytest.param("cloudProviderEndpointId.", (ID, COMMENT), (ID,), id="the connection, if Atlas names it"),
            pytest.param("No.", (ID, COMMENT), (ID,), id="the connection, if Atlas names nothing"),
            pytest.param(
                "No.", (ID, ADDRESS, COMMENT), (ID, ADDRESS), id="the whole connection, if Atlas names nothing"
            ),
            pytest.param(
                "privateEndpointIpAddress is taken",
                (ID, ADDRESS, COMMENT),
                (ID, ADDRESS),
                id="the whole connection, if Atlas names its address, since both are sent together",
            ),
            pytest.param(
                "comment and privateEndpointIpAddress",
                (ID, ADDRESS, COMMENT),
                (ID, ADDRESS, COMMENT),
                id="all that it names",
            ),
            pytest.param("No.", (COMMENT,), (COMMENT,), id="all that was sent, if it was no connection"),
            pytest.param(
                "cloudProviderEndpointId is missing",
                (COMMENT,),
                (COMMENT,),
                id="all that was sent, if Atlas names another",
            ),
        ],
    )
    def test_whom_to_blame(self, words: str, sent: tuple[ManagedField, ...], refused: tuple[ManagedField, ...]) -> None:
        error = UpdateRejectedError("Atlas refuses the change.", operation="update", detail=words)
        assert failures.refused_fields(error, sent) == refused


class TestStillRefused:
    @staticmethod
    def refused() -> Status:
        differences = (Difference(ID, "vpce-1", None), Difference(COMMENT, "b", "a"))
        outcome = after(write(400, "INVALID_ATTRIBUTE"), Status(), NOON, refused=(ID, COMMENT), differences=differences)
        return written(Status(), outcome, NOON)

    def test_what_remains_keeps_its_words(self) -> None:
        verdict = Verdict(Reason.UPDATE_REJECTED, "No.", Rest(), (Difference(ID, "vpce-1", None),))
        failure = failures.still_refused(self.refused(), verdict)
        assert failure is not None
        assert (failure.fields, failure.error_code, failure.since) == ((ID,), "INVALID_ATTRIBUTE", NOON)

    def test_nothing_remains(self) -> None:
        verdict = Verdict(Reason.UPDATE_REJECTED, "No.", Rest(), (Difference(ADDRESS, "10.0.0.1", None),))
        assert failures.still_refused(self.refused(), verdict) is None
        assert failures.still_refused(Status(), verdict) is None


class TestSettled:
    @pytest.mark.parametrize(
        ("status", "settled"),
        [
            pytest.param(Reason.AVAILABLE, True, id="available"),
            pytest.param(Reason.INITIATING, False, id="on its way"),
        ],
    )
    def test_it_was_seen_to_be_ready(self, status: Reason, settled: bool) -> None:
        outcome = Outcome(next=Rest(), generation=2, verdict=Verdict(status, "So it is.", Rest()))
        before = render(Status(), outcome, now=NOON, grace=GRACE)
        assert failures.is_settled(before, 2) is settled
        assert not failures.is_settled(before, 3)
        assert not failures.is_settled(Status(), 2)
        assert not failures.is_settled(Status(observed_generation=2), 2)

    def test_a_quiet_outcome_says_nothing(self) -> None:
        before = render(Status(), after(read(503), Status(), NOON), now=NOON, grace=GRACE)
        assert render(before, failures.quiet(2, Again(3)), now=NOON + GRACE, grace=GRACE) == before
