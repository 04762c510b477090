"""Stories about an Atlas that answers and does not want to: rate limits, billing, an API that ends, an instance that is none."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT
from support.resources import condition
from support.scenes import NAME, Stories, seldom

if TYPE_CHECKING:
    from typing import Any

    from support.scenes import Scene

stories = Stories()

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


def _limits(scene: Scene, *, fault: dict[str, Any], code: str, seconds: float) -> None:
    content = replace(scene.place, instance="store")
    scene.atlas.post("instances", {"projectId": content.project, "name": content.instance})
    scene.atlas.connect(content)
    scene.resources.create("content", content.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    scene.create(connected=True)
    scene.becomes_ready("content")
    scene.becomes_ready()

    scene.atlas.fail(scene.place, method="PATCH", status=429, times=1, **fault)
    scene.edit(comment="limited")
    scene.becomes(
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
    scene.resources.edit("content", comment="held")
    scene.becomes(
        "RateLimited",
        "Reconciling",
        name="content",
        says=("Atlas limits the rate of calls for this project; the call is retried later.",),
        error={"operation": "updateServerlessPrivateEndpoint", "httpStatus": None, "retryable": True},
    )

    scene.becomes_ready()
    scene.becomes_ready("content")
    (limited,) = [each for each in scene.calls() if each["status"] == 429]
    during = [each for each in scene.calls(since=limited["answered"]) if each["time"] < limited["answered"] + seconds]
    assert during == []
    assert scene.atlas.endpoint(scene.place)["comment"] == "limited"
    assert scene.atlas.endpoint(content)["comment"] == "held"


for _sentence, (_fault, _code, _seconds) in LIMITS.items():
    stories.add(_sentence, partial(_limits, fault=_fault, code=_code, seconds=_seconds))


@stories
def a_project_with_few_calls_to_spend_gets_along_with_them(scene: Scene) -> None:
    """Atlas's own token bucket: a call every three seconds, while a look is due every four and edits come."""
    scarce = replace(scene.place, project=f"7{scene.place.project[1:]}")
    limit = {"capacity": 2, "refillRate": 1, "refillDurationSeconds": 3}
    scene.atlas.post("instances", {"projectId": scarce.project, "name": scarce.instance, "rateLimit": limit})
    scene.atlas.connect(scarce)
    scene.resources.create(NAME, scarce.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    scene.becomes_ready()

    for number in range(6):
        scene.edit(comment=str(number))
        time.sleep(2)

    scene.becomes_ready()
    assert scene.atlas.endpoint(scarce)["comment"] == "5"
    calls = scene.atlas.requests(scarce)
    refused = [each["time"] for each in calls if each["status"] == 429]
    assert len(refused) <= len(calls) / 2
    assert all(later - earlier > 1 for earlier, later in itertools.pairwise(refused)), refused


@stories(stage="patient")
def a_service_account_that_gets_no_more_tokens_waits(scene: Scene) -> None:
    """Its quota may be used up by others."""
    scene.resources.secret(data=scene.atlas.put_account(scene.place))
    fault = {"match": {"path": "/api/oauth/token"}, "status": 429, "headers": {"Retry-After": "5"}, "times": 1}
    scene.atlas.post("faults", [fault])
    scene.create(connected=True)

    scene.becomes(
        "RateLimited",
        "Reconciling",
        says=("Atlas issues no more access tokens to this service account for now", "share its quota"),
        error={"httpStatus": 429, "errorCode": "RATE_LIMITED", "retryable": True},
    )
    scene.becomes_ready()
    tokens = [each for each in scene.atlas.requests() if each["path"] == "/api/oauth/token"][-2:]
    assert [each["status"] for each in tokens] == [429, 200]
    assert tokens[1]["time"] - tokens[0]["time"] >= 5


@stories
def an_unpaid_bill_stalls_at_once_and_is_looked_after_seldom(scene: Scene) -> None:
    """It may take days."""
    scene.atlas.fail(scene.place, status=402)
    scene.create(connected=True)
    scene.becomes(
        "AccountSuspended",
        "Stalled",
        says=("The Atlas organization is suspended or has no means of payment. Settle its billing in Atlas.",),
        error={"httpStatus": 402, "errorCode": "ACCOUNT_SUSPENDED", "retryable": False},
        credentials=("True", "Verified"),
    )
    assert not any(condition(body, "Reconciling") for body in scene.resources.states(NAME))
    assert seldom(scene.calls_within(9), 9)
    scene.atlas.heal(scene.place)

    scene.becomes_ready()


@stories(stage="patient")
def the_end_of_the_api_is_told_with_the_way_out(scene: Scene) -> None:
    """And should Atlas serve it again, all goes on."""
    scene.create(connected=True)
    body = scene.becomes_ready()
    deprecated = condition(body, "Deprecated")
    assert deprecated is not None
    assert (deprecated["status"], deprecated["reason"]) == ("True", "APISunset")

    scene.atlas.post("mode", {"mode": "gone"})
    try:
        body = scene.becomes(
            "APIGone",
            "Stalled",
            says=(
                "Atlas no longer serves the API of serverless private endpoints (its sunset was 2026-01-22).",
                "Move to a dedicated cluster and its private endpoints, whose manifest `atlas-endpoints import",
            ),
            error={"httpStatus": 410, "errorCode": "VERSION_GONE", "retryable": False},
            credentials=("True", "Verified"),
        )
        deprecated = condition(body, "Deprecated")
        assert deprecated is not None
        assert (deprecated["status"], deprecated["reason"]) == ("True", "APIGone")
        assert body["status"]["endpoint"]["status"] == "AVAILABLE"
        assert seldom(scene.calls_within(6), 6)
    finally:
        scene.atlas.post("mode", {"mode": "normal"})

    body = scene.becomes_ready()
    deprecated = condition(body, "Deprecated")
    assert deprecated is not None
    assert deprecated["reason"] == "APISunset"


@stories(stage="patient")
def an_instance_that_is_not_serverless_is_told_the_way_out(scene: Scene) -> None:
    """Atlas turned serverless instances into others."""
    scene.create(connected=True)
    scene.becomes_ready()

    scene.atlas.post("mode", {"mode": "flex"})
    try:
        scene.becomes(
            "NotServerless",
            "Stalled",
            says=("The instance is not serverless (any more)", "on a dedicated cluster use its own private endpoints"),
            error={"httpStatus": 400, "errorCode": "NOT_SERVERLESS_TENANT_CLUSTER", "retryable": False},
            credentials=("True", "Verified"),
        )
        assert seldom(scene.calls_within(6), 6)
    finally:
        scene.atlas.post("mode", {"mode": "normal"})

    scene.becomes_ready()


@stories(stage="patient")
def an_atlas_that_is_read_only_is_still_read(scene: Scene) -> None:
    """During an upgrade of Atlas what needs no write stays ready, and what does waits."""
    scene.create(connected=True)
    scene.becomes_ready()

    scene.atlas.post("mode", {"mode": "read-only"})
    try:
        scene.edit(comment="after the upgrade")
        scene.becomes(
            "AtlasUnavailable",
            "Reconciling",
            says=("Atlas cannot serve the call at the moment; it is retried.",),
            error={"httpStatus": 405, "errorCode": "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES", "retryable": True},
        )
        wait_until(lambda: len(scene.calls("PATCH")) >= 3, "the third attempt")
    finally:
        scene.atlas.post("mode", {"mode": "normal"})

    scene.becomes_ready()
    assert scene.atlas.endpoint(scene.place)["comment"] == "after the upgrade"
