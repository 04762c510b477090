"""Cases about an Atlas that answers and does not want to: rate limits, an API that ends, an instance that is none."""

from __future__ import annotations

import itertools
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT
from support.concurrent_cases import NAME, Cases, seldom
from support.resources import condition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.atlas import Place
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
    "with Retry-After": ({"headers": {"Retry-After": "8"}}, "RATE_LIMITED", 8),
    "that names its seconds in the body": ({"body": TOKEN_BUCKET}, "RATE_LIMITED_TOKEN_BUCKET", 7),
    "without a word about how long": ({}, "RATE_LIMITED", 10),
}
"""A 429, its errorCode, and for how many seconds nothing may be sent."""


def _beside(env: Env, name: str, place: Place) -> None:
    """Have another resource be ready beside that of the case."""
    env.atlas.connect(place)
    env.resources.create(name, place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    env.create(connected=True)
    env.becomes_ready(name)
    env.becomes_ready()


def _answered(env: Env, status: int) -> list[dict[str, Any]]:
    return [each for each in env.calls() if each["status"] == status]


def _limits(env: Env, *, fault: dict[str, Any], code: str, seconds: float) -> None:
    content = replace(env.place, instance="store")
    env.atlas.post("instances", {"projectId": content.project, "name": content.instance})
    _beside(env, "content", content)

    env.atlas.fail(env.place, method="PATCH", status=429, times=1, **fault)
    env.edit(comment="limited")
    wait_until(lambda: bool(_answered(env, 429)), "the 429")
    env.resources.edit("content", comment="held")

    env.becomes_ready()
    env.becomes_ready("content")
    error = {"operation": "updateServerlessPrivateEndpoint", "httpStatus": 429, "errorCode": code, "retryable": True}
    env.became("RateLimited", "Reconciling", error=error)
    (limited,) = _answered(env, 429)
    during = [
        each for each in env.calls("PATCH", since=limited["answered"]) if each["time"] < limited["answered"] + seconds
    ]
    assert during == []
    assert env.atlas.endpoint(env.place)["comment"] == "limited"
    assert env.atlas.endpoint(content)["comment"] == "held"


for _words, (_fault, _code, _seconds) in LIMITS.items():
    _limited = partial(_limits, fault=_fault, code=_code, seconds=_seconds)
    cases.add(f"a rate limit {_words} holds up the whole project", _limited)


@cases
def an_outage_that_names_a_time_holds_up_the_whole_project_and_lets_one_call_through_that_is_asked_for(
    env: Env,
) -> None:
    """Rounds, edits and other resources wait, too."""
    sibling, seconds = env.place.sibling(1), 60
    _beside(env, "sibling", sibling)

    env.atlas.fail(env.place, method="GET", status=503, headers={"Retry-After": str(seconds)}, times=1)
    wait_until(lambda: bool(_answered(env, 503)), "the 503")
    (first,) = _answered(env, 503)
    env.edit(comment="edited")
    env.resources.edit("sibling", comment="edited")
    time.sleep(6)  # more than a round, and than any backoff begins with
    assert env.calls(since=first["answered"]) == []
    for name in ("sibling", NAME):  # what was told to wait comes then, or when it is asked for
        env.resources.annotate(name, {"atlas-endpoints.dev/force-sync": "1"})
        env.becomes_ready(name)
    asked, *others = env.calls(since=first["answered"])
    assert (asked["method"], asked["status"], asked["time"] < first["answered"] + seconds) == ("GET", 200, True)
    assert [each for each in others if each["time"] < asked["answered"]] == []
    assert env.atlas.endpoint(env.place)["comment"] == env.atlas.endpoint(sibling)["comment"] == "edited"


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
    refused = [each for each in calls if each["status"] == 429]
    assert len(refused) <= len(calls) / 2
    for method in ("GET", "PATCH"):  # each sort of calls finds out for itself
        times = [each["time"] for each in refused if each["method"] == method]
        assert all(later - earlier > 1 for earlier, later in itertools.pairwise(times)), refused


@cases(setup="patient")
def a_service_account_that_gets_no_more_tokens_waits(env: Env) -> None:
    """Its quota may be used up by others."""
    env.resources.secret(data=env.atlas.put_account(env.place))
    fault = {"match": {"path": "/api/oauth/token"}, "status": 429, "headers": {"Retry-After": "5"}, "times": 1}
    env.atlas.post("faults", [fault])
    env.create(connected=True)

    error = {"httpStatus": 429, "errorCode": "RATE_LIMITED", "retryable": True}
    env.becomes("RateLimited", "Reconciling", says=("access tokens",), error=error)
    env.becomes_ready()
    tokens = [each for each in env.atlas.requests() if each["path"] == "/api/oauth/token"][-2:]
    assert [each["status"] for each in tokens] == [429, 200]
    assert tokens[1]["time"] - tokens[0]["time"] >= 5


@contextmanager
def _mode(env: Env, mode: str) -> Iterator[None]:
    """Have a settled resource's Atlas be otherwise for a while; then all is well again."""
    env.create(connected=True)
    env.becomes_ready()
    env.atlas.post("mode", {"mode": mode})
    try:
        yield
    finally:
        env.atlas.post("mode", {"mode": "normal"})
    env.becomes_ready()


def _deprecated(env: Env) -> tuple[str, str]:
    found = condition(env.resources.get(NAME), "Deprecated") or {}
    return found["status"], found["reason"]


@cases(setup="patient")
def the_end_of_the_api_is_reported_with_the_remedy(env: Env) -> None:
    """And should Atlas serve it again, all goes on."""
    with _mode(env, "gone"):
        body = env.becomes(
            "APIGone",
            "Stalled",
            says=("2026-01-22", "`atlas-endpoints import"),
            error={"httpStatus": 410, "errorCode": "VERSION_GONE", "retryable": False},
            credentials=("True", "Verified"),
        )
        assert _deprecated(env) == ("True", "APIGone")
        assert body["status"]["endpoint"]["status"] == "AVAILABLE"
        assert seldom(env.calls_within(6), 6)
    assert _deprecated(env) == ("True", "APISunset")


@cases(setup="patient")
def an_instance_that_is_not_serverless_is_reported_with_the_remedy(env: Env) -> None:
    """Atlas turned serverless instances into others."""
    with _mode(env, "flex"):
        error = {"httpStatus": 400, "errorCode": "NOT_SERVERLESS_TENANT_CLUSTER", "retryable": False}
        env.becomes("NotServerless", "Stalled", error=error, credentials=("True", "Verified"))
        assert seldom(env.calls_within(6), 6)


@cases(setup="patient")
def an_atlas_that_is_read_only_is_still_read(env: Env) -> None:
    """During an upgrade of Atlas what needs no write stays ready, and what does waits."""
    with _mode(env, "read-only"):
        env.edit(comment="after the upgrade")
        error = {"httpStatus": 405, "errorCode": "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES", "retryable": True}
        env.becomes("AtlasUnavailable", "Reconciling", error=error)
        wait_until(lambda: len(env.calls("PATCH")) >= 3, "the third attempt")
    assert env.atlas.endpoint(env.place)["comment"] == "after the upgrade"
