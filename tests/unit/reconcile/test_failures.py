"""The reason, the conditions and the requeue of each failure: at first, in its grace, and after it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atlas_endpoints.atlas import errors
from atlas_endpoints.atlas.answers import RefusedAnswer, classify, classify_token_answer
from atlas_endpoints.atlas.credentials import CredentialsProblem
from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasHeldError,
    AtlasUnavailableError,
    CredentialsRateLimitedError,
    InvalidRequestError,
    NotLeaderError,
    OutOfTimeError,
    RateLimitedError,
    WritesOffError,
)
from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.cluster.errors import SecretProblem
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.kinds.serverless_private_endpoint.calls import REFUSALS
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessStatus as Status
from atlas_endpoints.reconcile import failures
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.credentials import NoCredentialsError
from atlas_endpoints.reconcile.outcome import Outcome
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.spec import InvalidSpecError as BrokenSpecError
from atlas_endpoints.reconcile.status import Condition, Resolved, find
from support.crd import refusals
from support.kstatus import problems
from unit.reconcile.situations import (
    GRACE,
    RESOLVED,
    facts_of,
    failed,
    made,
    rendered,
)

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
WITHIN = timedelta(seconds=100)
"""After the first failure; 20 s before the grace is over."""
LATER = NOON + timedelta(seconds=50)
HTML = b"<html><body>Bad gateway</body></html>"
SLOW = "SERVERLESS_INSTANCE_NOT_FOUND"


def refusal(status: int, code: str | None = None, *, body: bytes | None = None, **headers: str) -> RefusedAnswer:
    error = {"error": status, "errorCode": code, "detail": "Atlas's own words."} if code else None
    return RefusedAnswer(
        status,
        {name.replace("_", "-").lower(): value for name, value in headers.items()},
        body if body is not None else json.dumps(error).encode() if error else b"",
    )


def read(status: int, code: str | None = None, **more: Any) -> AtlasError:
    """The error of a LIST."""
    return classify(
        refusal(status, code, **more), Request("listServerlessPrivateEndpoint", "GET", "/", refusals=REFUSALS), now=NOON
    )


def write(status: int, code: str | None = None, **more: Any) -> AtlasError:
    """The error of a PATCH."""
    return classify(
        refusal(status, code, **more),
        Request("updateServerlessPrivateEndpoint", "PATCH", "/", refusals=REFUSALS),
        now=NOON,
    )


def token(status: int, body: Mapping[str, str]) -> AtlasError:
    """The error of a request for an access token."""
    return classify_token_answer(refusal(status, body=json.dumps(body).encode()), operation="token", now=NOON)


def read_held_back(error: AtlasError) -> AtlasHeldError:
    """The error of a later call that is held back."""
    return AtlasHeldError(error.explanation, reason=error.reason, operation=error.operation, retry_after=500)


def held(reason: str, retry_after: float) -> AtlasHeldError:
    return AtlasHeldError("Not now.", reason=reason, operation="listServerlessPrivateEndpoint", retry_after=retry_after)


def after(
    error: AtlasError,
    previous: Status,
    now: datetime,
    *,
    generation: int = 1,
    grace: timedelta = GRACE,
    resolved: Resolved = RESOLVED,
) -> Outcome:
    """The outcome of a failed observation."""
    return failed(error, facts_of(made(generation=generation), previous, now=now, grace=grace, resolved=resolved))


def written(previous: Status, outcome: Outcome, now: datetime, generation: int = 1) -> Status:
    """The status after an outcome, checked against the schema."""
    status = rendered(previous, outcome, now=now, generation=generation)
    assert refusals(status.to_json()) == []
    assert problems({"metadata": {"generation": generation}, "spec": {}, "status": status.to_json()}) == []
    return status


def failing(error: AtlasError, previous: Status | None = None, now: datetime = NOON, **more: Any) -> Status:
    """The status after a failure; the first one, if there was none before."""
    status = Status() if previous is None else previous
    return written(status, after(error, status, now, **more), now, more.get("generation", 1))


def pair(status: Status) -> str:
    (found,) = [each.type for each in status.conditions if each.type in {"Reconciling", "Stalled"}]
    return found


def said(status: Status, type_: str = "Ready") -> Condition:
    found = find(status, type_)
    assert found is not None, f"there is no {type_}"
    return found


def told(status: Status, *names: str) -> tuple[object, ...]:
    """Fields of the last error."""
    assert status.last_error is not None
    return tuple(getattr(status.last_error, name) for name in names)


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
    pace: Requeue
    within: Requeue | None = None
    afterwards: Requeue | None = None
    credentials: str | None = "Verified"
    retryable: bool = False


def unavailable(error: AtlasError, pace: Backoff | None = None) -> Row:
    return Row(error, Reason.ATLAS_UNAVAILABLE, pace or Backoff(), credentials=None, retryable=True)


def limited(error: AtlasError, pace: Requeue) -> Row:
    return Row(error, Reason.RATE_LIMITED, pace, credentials=None, retryable=True)


def cured(error: AtlasError, reason: Reason, credentials: str) -> Row:
    """Other credentials may fix it: the Secret is read again often, and when the grace ends."""
    return Row(error, reason, RequeueAfter(30), RequeueAfter(20), RequeueAfter(30), credentials)


def slow(error: AtlasError, reason: Reason) -> Row:
    """Another object may fix it: only the resync of the scope asks again; the status changes when the grace ends."""
    return Row(error, reason, RequeueAfter(120), RequeueAfter(20), NoRequeue())


def stalled(error: AtlasError, reason: Reason, credentials: str | None = "Verified") -> Row:
    """A person must act: only the resync of the scope asks again."""
    return Row(error, reason, NoRequeue(), credentials=credentials)


TABLE: Mapping[str, Row] = {
    "no connection": unavailable(AtlasUnavailableError("Refused.", operation="listServerlessPrivateEndpoint")),
    "503 that says when": unavailable(read(503, "SERVICE_UNAVAILABLE", retry_after="30"), Backoff(30)),
    "429 that says when": limited(read(429, "RATE_LIMITED", retry_after="30"), Backoff(30)),
    "too many tokens": limited(token(403, {"error": "access_denied"}), Backoff()),
    "held back, since Atlas limits the rate": limited(held("RateLimited", 42), RequeueAfter(42, held=True)),
    "held back without being told for how long": limited(held("RateLimited", 0), RequeueAfter(1, held=True)),
    "the role is too weak": cured(write(401, "USER_UNAUTHORIZED"), Reason.MISSING_ROLE, "NotAllowed"),
    "the project is not visible": cured(read(401, "NOT_IN_GROUP"), Reason.PROJECT_NOT_FOUND, "Verified"),
    "the service account is unknown": cured(token(401, {"error": "invalid_client"}), Reason.CREDENTIALS_INVALID, "Unauthorized"),
    "held back, since the credentials were refused": cured(held("CredentialsInvalid", 500), Reason.CREDENTIALS_INVALID, "Unauthorized"),
    "the address is not on the access list": cured(read(403, "IP_ADDRESS_NOT_ON_ACCESS_LIST"), Reason.IP_NOT_ALLOWED, "NotAllowed"),
    "there is no such instance": slow(read(404, SLOW), Reason.INSTANCE_NOT_FOUND),
    "there is no such endpoint, by a 404": slow(read(404, "TENANT_PRIVATE_ENDPOINT_NOT_FOUND"), Reason.ENDPOINT_NOT_FOUND),
    "402": stalled(read(402, "ACCOUNT_SUSPENDED"), Reason.ACCOUNT_SUSPENDED),
    "the instance is no serverless one": stalled(read(400, "NOT_SERVERLESS_TENANT_CLUSTER"), Reason.NOT_SERVERLESS),
    "410": stalled(read(410, "VERSION_GONE"), Reason.API_GONE, None),
    "Atlas cannot parse an id": stalled(read(400, "PATH_PARAM_PARSE_ERROR"), Reason.INVALID_SPEC),
    "an id that cannot be asked for": stalled(
        InvalidRequestError("Correct it.", operation="listServerlessPrivateEndpoint"), Reason.INVALID_SPEC, None
    ),
    "400 of a PATCH": stalled(write(400, "INVALID_ATTRIBUTE"), Reason.UPDATE_REJECTED),
    "400 of a POST where Atlas has no capacity": Row(
        write(400, "ATLAS_GENERAL_ERROR", body=b'{"detail": "No Capacity", "errorCode": "ATLAS_GENERAL_ERROR"}'),
        Reason.NO_CAPACITY,
        Backoff(300),
        credentials="Verified",
        retryable=True,
    ),
    "a change that may not be sent and all the same was about to be": Row(
        WritesOffError("Held back.", operation="updateServerlessPrivateEndpoint"),
        Reason.INTERNAL_ERROR,
        Backoff(),
        credentials=None,
        retryable=True,
    ),
}  # fmt: skip
QUIET: Mapping[str, tuple[AtlasError, Requeue]] = {
    "another replica leads": (NotLeaderError("No.", operation="updateServerlessPrivateEndpoint"), Backoff()),
    "the calls for a decision have taken long": (OutOfTimeError(operation="list"), RequeueAfter(0.1, held=True)),
    "another call finds out whether the credentials work": (held("Pending", 2), RequeueAfter(2, held=True)),
    "another call finds that out, nobody knows for how long": (held("Pending", 0), RequeueAfter(1, held=True)),
}


def every_error(base: type[AtlasError] = AtlasError) -> set[type[AtlasError]]:
    return {base}.union(*(every_error(each) for each in base.__subclasses__()))


class TestAtlas:
    def test_the_table_has_every_error(self) -> None:
        tested = {type(row.error) for row in TABLE.values()} | {type(error) for error, _ in QUIET.values()}
        assert tested == every_error() - {AtlasError}
        assert {each.__module__ for each in tested} == {errors.__name__}

    @pytest.mark.parametrize("row", TABLE.values(), ids=TABLE)
    def test_a_failure_at_first_within_its_grace_and_after_it(self, row: Row) -> None:
        outcome, error = after(row.error, Status(), NOON), row.error
        status, state, failure = written(Status(), outcome, NOON), outcome.state, outcome.failure
        assert state is not None
        assert failure is not None
        assert (state.reason, outcome.requeue, state.requeue) == (row.reason, row.pace, row.pace)
        assert said(status).reason == row.reason
        assert said(status).message.startswith(error.message.split(".")[0])
        assert (failure.since, failure.operation, failure.retryable) == (NOON, error.operation, row.retryable)
        assert (failure.http_status, failure.error_code) == (error.http_status, error.error_code)
        credentials = outcome.findings.get("CredentialsValid")
        assert (credentials.reason if credentials else None) == row.credentials
        assert pair(status) == ("Stalled" if row.within is None and not row.retryable else "Reconciling")

        assert after(row.error, status, NOON + WITHIN).requeue == (row.within or row.pace)
        assert failing(row.error, status, NOON + WITHIN) == status

        assert after(row.error, status, NOON + GRACE).requeue == (row.afterwards or row.pace)
        later = failing(row.error, status, NOON + GRACE)
        assert pair(later) == ("Reconciling" if row.retryable else "Stalled")
        assert later.last_error == status.last_error
        assert failing(row.error, later, NOON + 9 * GRACE) == later

    @pytest.mark.parametrize(
        ("error", "lasted", "wait"),
        [
            pytest.param(read(429, retry_after="1"), 299, 1, id="by the backoff while a limit may be that of a burst"),
            pytest.param(read(429, retry_after="1"), 300, 50, id="later and later when a limit lasts"),
            pytest.param(read(503, retry_after="1"), 299, 50, id="later and later when an outage lasts"),
            pytest.param(read(503, retry_after="60"), 299, 60, id="not before Atlas allows it"),
        ],
    )
    def test_a_write_that_fails_is_tried_again(self, error: AtlasError, lasted: int, wait: float) -> None:
        outcome = after(error, Status(), NOON).paced(timedelta(seconds=lasted), 50.0)
        assert outcome.requeue == Backoff(wait)

    @pytest.mark.parametrize(("error", "pace"), QUIET.values(), ids=QUIET)
    def test_the_same_failure_changes_no_status(self, error: AtlasError, pace: Requeue) -> None:
        outcome = after(error, Status(), NOON)
        assert (outcome.requeue, outcome.state) == (pace, None)
        assert rendered(Status(), outcome, now=NOON) == Status()


@pytest.mark.parametrize(
    ("source", "remedy"),
    [
        pytest.param("resource/mine", ["Secret mine"], id="of the resource"),
        pytest.param("namespace/ours", ["Secret ours"], id="of its namespace"),
        pytest.param(
            "operator/atlas",
            ["Secret atlas", "spec.credentialsSecretRef.name", "atlas-endpoints.dev/credentials-secret"],
            id="of the operator, where nobody else can mend them",
        ),
        pytest.param(None, ["the Secret"], id="of whoever: not known"),
    ],
)
def test_the_remedy_for_refused_credentials_names_the_secret(source: str | None, remedy: Sequence[str]) -> None:
    error = read(401, "UNEXPECTED_ERROR")
    for each in (error, read_held_back(error)):
        status = failing(each, resolved=Resolved(credentials_source=source))
        for message in (said(status).message, said(status, "CredentialsValid").message):
            assert [words for words in [*remedy, "HTTP 401"] if words not in message] == [], message
            assert message.endswith("Atlas's own words.")


MISSING = NoCredentialsError(SecretProblem.NOT_FOUND, "There is no Secret.", source="resource/atlas", retry_in=5.0)


class TestFirstMessage:
    """Retries change no status, even if the message of a failure varies."""

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
    def test_the_first_message_stays_while_the_reason_stays(self, first: AtlasError, then: AtlasError) -> None:
        status = failing(first)
        assert failing(then, status, LATER) == status

    def test_another_cause_of_the_same_reason_has_a_new_message(self) -> None:
        """The Secret was missing; now it exists, and Atlas has already refused its credentials."""
        outcome = failures.of_no_credentials(MISSING, Attempt(1, Status(), NOON, GRACE))
        status = failing(read_held_back(read(401)), written(Status(), outcome, NOON), NOON + WITHIN)
        assert said(status).message != MISSING.message
        assert told(status, "since") == (NOON + WITHIN,)
        assert pair(status) == "Reconciling"
        valid = said(status, "CredentialsValid")
        assert (valid.reason, valid.message) == ("Unauthorized", said(status).message)

    def test_another_cause_begins_anew_and_what_is_stalled_stays_so(self) -> None:
        problem = CredentialsProblem.MISSING_KEYS
        lacking = NoCredentialsError(problem, "It lacks a key.", source="resource/atlas", retry_in=5.0)
        status, later = Status(), NOON + GRACE
        for now in (NOON, later):
            status = written(status, failures.of_no_credentials(MISSING, Attempt(1, status, now, GRACE)), now)
        assert told(status, "since") == (NOON,)
        later += WITHIN
        status = written(status, failures.of_no_credentials(lacking, Attempt(1, status, later, GRACE)), later)
        assert told(status, "since", "error_code") == (later, "MissingKeys")
        assert pair(status) == "Stalled"


class TestGrace:
    ERROR = read(404, SLOW)

    def test_it_ends_to_the_second(self) -> None:
        status, moment = failing(self.ERROR), timedelta(microseconds=1)
        assert after(self.ERROR, status, NOON + GRACE - timedelta(seconds=1)).requeue == RequeueAfter(1)
        for late, expected in ((GRACE - moment, "Reconciling"), (GRACE, "Stalled"), (GRACE + moment, "Stalled")):
            assert pair(failing(self.ERROR, status, NOON + late)) == expected


class TestInvalidSpec:
    def test_many_problems_fit(self) -> None:
        error = BrokenSpecError(["spec.x: " + "y" * 500] * 20)
        status = written(Status(), failures.of_invalid_spec(error, Attempt(1, Status(), NOON, GRACE)), NOON)
        assert written(status, failures.of_invalid_spec(error, Attempt(1, status, LATER, GRACE)), LATER) == status
