"""Cases about an Atlas that answers and does not want to: rate limits, billing, an API that ends, an instance that is none."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT
from support.concurrent_cases import NAME, Cases, seldom
from support.resources import condition

if TYPE_CHECKING:
    from typing import Any

    from support.concurrent_cases import Env

cases = Cases()

TOKEN_BUCKET = {
    "detail": "Rate limit exceeded for api/atlas/v2/groups. Please retry after 7 seconds.",
    "error": 429,
    "errorCode": "RATE_LIMITED_TOKEN_BUCKET",
    "parameters": ["api/atlas/v2/groups", 7, 10, 5, 60],
    "reason": "Too Many Requests",
}

LIMITS: dict[str, tuple[dict[str, Any], str, float]] = {
    "a rate limit with Retry-After holds up the whole project": ({"headers": {"Retry-After": "8"}}, "RATE_LIMITED", 8),
    "a rate limit that names its seconds in the body holds up the whole project": (
        {"body": TOKEN_BUCKET},
        "RATE_LIMITED_TOKEN_BUCKET",
        7,
    ),
    "a rate limit without a word about how long holds up the whole project": ({}, "RATE_LIMITED", 10),
}
"""A 429, its errorCode, and for how many seconds nothing may be sent."""


def _limits(env: Env, *, fault: dict[str, Any], code: str, seconds: float) -> None:
    content = replace(env.place, instance="store")
    env.atlas.post("instances", {"projectId": content.project, "name": content.instance})
    env.atlas.connect(content)
    env.resources.create("content", content.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    env.create(connected=True)
    env.becomes_ready("content")
    env.becomes_ready()

    env.atlas.fail(env.place, method="PATCH", status=429, times=1, **fault)
    env.edit(comment="limited")
    wait_until(lambda: bool(_refused(env)), "the 429")
    env.resources.edit("content", comment="held")

    env.becomes_ready()
    env.becomes_ready("content")
    env.became(
        "RateLimited",
        "Reconciling",
        says=("Atlas limits the rate of calls for this project; the call is retried later.", f"(HTTP 429 {code})"),
        error={
            "operation": "updateServerlessPrivateEndpoint",
            "httpStatus": 429,
            "errorCode": code,
            "retryable": True,
        },
    )
    env.became(
        "RateLimited",
        "Reconciling",
        name="content",
        says=("Atlas limits the rate of calls for this project; the call is retried later.",),
        error={
            "httpStatus": None,
            "retryable": True,
        },  # of the PATCH, or of a LIST where what is known has become too old
    )
    (limited,) = _refused(env)
    during = [each for each in env.calls(since=limited["answered"]) if each["time"] < limited["answered"] + seconds]
    assert during == []
    assert env.atlas.endpoint(env.place)["comment"] == "limited"
    assert env.atlas.endpoint(content)["comment"] == "held"


def _refused(env: Env) -> list[dict[str, Any]]:
    return [each for each in env.calls() if each["status"] == 429]


for _sentence, (_fault, _code, _seconds) in LIMITS.items():
    cases.add(_sentence, partial(_limits, fault=_fault, code=_code, seconds=_seconds))


@cases
def an_outage_that_names_a_time_holds_up_the_whole_instance_and_lets_one_call_through_that_is_asked_for(
    env: Env,
) -> None:
    """Rounds, edits and other resources wait, too."""
    sibling, seconds = env.place.sibling(1), 60
    env.atlas.connect(sibling)
    env.resources.create("sibling", sibling.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    env.create(connected=True)
    env.becomes_ready("sibling")
    env.becomes_ready()

    env.atlas.fail(env.place, method="GET", status=503, headers={"Retry-After": str(seconds)}, times=1)
    wait_until(lambda: bool(_failed(env)), "the 503")
    (first,) = _failed(env)
    env.edit(comment="edited")
    env.resources.edit("sibling", comment="edited")
    time.sleep(6)  # more than a round, and than any backoff begins with
    assert _since(env, first) == []
    for name in ("sibling", NAME):  # what was told to wait comes then, or when it is asked for
        env.resources.annotate(name, {"atlas-endpoints.dev/force-sync": "1"})
        env.becomes_ready(name)
    asked, *others = _since(env, first)
    assert (asked["method"], asked["status"], asked["time"] < first["answered"] + seconds) == ("GET", 200, True)
    assert [each for each in others if each["time"] < asked["answered"]] == []
    assert env.atlas.endpoint(env.place)["comment"] == env.atlas.endpoint(sibling)["comment"] == "edited"


def _failed(env: Env) -> list[dict[str, Any]]:
    return [each for each in env.calls() if each["status"] == 503]


def _since(env: Env, call: dict[str, Any]) -> list[dict[str, Any]]:
    return env.calls(since=call["answered"])


@cases
def a_project_with_few_calls_to_spend_gets_along_with_them(env: Env) -> None:
    """Atlas's own token bucket: a call every three seconds, while a look is due every four and edits come."""
    scarce = replace(env.place, project=f"7{env.place.project[1:]}")
    limit = {"capacity": 2, "refillRate": 1, "refillDurationSeconds": 3}
    env.atlas.post("instances", {"projectId": scarce.project, "name": scarce.instance, "rateLimit": limit})
    env.atlas.connect(scarce)
    env.resources.create(NAME, scarce.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    env.becomes_ready()

    for number in range(6):
        env.edit(comment=str(number))
        time.sleep(2)

    env.becomes_ready()
    assert env.atlas.endpoint(scarce)["comment"] == "5"
    calls = env.atlas.requests(scarce)
    refused = [each["time"] for each in calls if each["status"] == 429]
    assert len(refused) <= len(calls) / 2
    assert all(later - earlier > 1 for earlier, later in itertools.pairwise(refused)), refused


@cases(setup="patient")
def a_service_account_that_gets_no_more_tokens_waits(env: Env) -> None:
    """Its quota may be used up by others."""
    env.resources.secret(data=env.atlas.put_account(env.place))
    fault = {"match": {"path": "/api/oauth/token"}, "status": 429, "headers": {"Retry-After": "5"}, "times": 1}
    env.atlas.post("faults", [fault])
    env.create(connected=True)

    env.becomes(
        "RateLimited",
        "Reconciling",
        says=("Atlas issues no more access tokens to this service account for now", "share its quota"),
        error={"httpStatus": 429, "errorCode": "RATE_LIMITED", "retryable": True},
    )
    env.becomes_ready()
    tokens = [each for each in env.atlas.requests() if each["path"] == "/api/oauth/token"][-2:]
    assert [each["status"] for each in tokens] == [429, 200]
    assert tokens[1]["time"] - tokens[0]["time"] >= 5


@cases
def an_unpaid_bill_stalls_at_once_and_is_looked_after_seldom(env: Env) -> None:
    """It may take days."""
    env.atlas.fail(env.place, status=402)
    env.create(connected=True)
    env.becomes(
        "AccountSuspended",
        "Stalled",
        says=("The Atlas organization is suspended or has no means of payment. Settle its billing in Atlas.",),
        error={"httpStatus": 402, "errorCode": "ACCOUNT_SUSPENDED", "retryable": False},
        credentials=("True", "Verified"),
    )
    assert not any(condition(body, "Reconciling") for body in env.resources.states(NAME))
    assert seldom(env.calls_within(9), 9)
    env.atlas.heal(env.place)

    env.becomes_ready()


@cases(setup="patient")
def the_end_of_the_api_is_told_with_the_way_out(env: Env) -> None:
    """And should Atlas serve it again, all goes on."""
    env.create(connected=True)
    body = env.becomes_ready()
    deprecated = condition(body, "Deprecated")
    assert deprecated is not None
    assert (deprecated["status"], deprecated["reason"]) == ("True", "APISunset")

    env.atlas.post("mode", {"mode": "gone"})
    try:
        body = env.becomes(
            "APIGone",
            "Stalled",
            says=(
                "Atlas no longer serves the API of serverless private endpoints (its sunset was 2026-01-22).",
                "Move to a dedicated cluster, write the manifest of its private endpoint with `atlas-endpoints import",
            ),
            error={"httpStatus": 410, "errorCode": "VERSION_GONE", "retryable": False},
            credentials=("True", "Verified"),
        )
        deprecated = condition(body, "Deprecated")
        assert deprecated is not None
        assert (deprecated["status"], deprecated["reason"]) == ("True", "APIGone")
        assert body["status"]["endpoint"]["status"] == "AVAILABLE"
        assert seldom(env.calls_within(6), 6)
    finally:
        env.atlas.post("mode", {"mode": "normal"})

    body = env.becomes_ready()
    deprecated = condition(body, "Deprecated")
    assert deprecated is not None
    assert deprecated["reason"] == "APISunset"


@cases(setup="patient")
def an_instance_that_is_not_serverless_is_told_the_way_out(env: Env) -> None:
    """Atlas turned serverless instances into others."""
    env.create(connected=True)
    env.becomes_ready()

    env.atlas.post("mode", {"mode": "flex"})
    try:
        env.becomes(
            "NotServerless",
            "Stalled",
            says=(
                "The instance is not serverless",
                "For a dedicated cluster, write the manifest of its private endpoint",
            ),
            error={"httpStatus": 400, "errorCode": "NOT_SERVERLESS_TENANT_CLUSTER", "retryable": False},
            credentials=("True", "Verified"),
        )
        assert seldom(env.calls_within(6), 6)
    finally:
        env.atlas.post("mode", {"mode": "normal"})

    env.becomes_ready()


@cases(setup="patient")
def an_atlas_that_is_read_only_is_still_read(env: Env) -> None:
    """During an upgrade of Atlas what needs no write stays ready, and what does waits."""
    env.create(connected=True)
    env.becomes_ready()

    env.atlas.post("mode", {"mode": "read-only"})
    try:
        env.edit(comment="after the upgrade")
        env.becomes(
            "AtlasUnavailable",
            "Reconciling",
            says=("Atlas cannot serve the call at the moment. The call is retried.",),
            error={"httpStatus": 405, "errorCode": "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES", "retryable": True},
        )
        wait_until(lambda: len(env.calls("PATCH")) >= 3, "the third attempt")
    finally:
        env.atlas.post("mode", {"mode": "normal"})

    env.becomes_ready()
    assert env.atlas.endpoint(env.place)["comment"] == "after the upgrade"
