"""Cases about an Atlas that answers and does not want to: rate limits, an API that ends, an instance that is none."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT
from support.concurrent_cases import Cases

if TYPE_CHECKING:
    from support.atlas import Place
    from support.concurrent_cases import Env

cases = Cases()

SECONDS = 8
"""For which nothing may be sent."""


def _beside(env: Env, name: str, place: Place) -> None:
    """Have another resource be ready beside that of the case."""
    env.atlas.connect(place)
    env.resources.create(name, place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    env.create(connected=True)
    env.becomes_ready(name)
    env.becomes_ready()


def _answered(env: Env, status: int) -> list[dict[str, Any]]:
    return [each for each in env.calls() if each["status"] == status]


@cases
def a_rate_limit_holds_up_the_whole_project(env: Env) -> None:
    """And no call is sent before the time that Atlas names."""
    content = replace(env.place, instance="store")
    env.atlas.post("instances", {"projectId": content.project, "name": content.instance})
    _beside(env, "content", content)

    env.atlas.fail(env.place, method="PATCH", status=429, times=1, headers={"Retry-After": str(SECONDS)})
    env.edit(comment="limited")
    wait_until(lambda: bool(_answered(env, 429)), "the 429")
    env.resources.edit("content", comment="held")

    env.becomes_ready()
    env.becomes_ready("content")
    error = {
        "operation": "updateServerlessPrivateEndpoint",
        "httpStatus": 429,
        "errorCode": "RATE_LIMITED",
        "retryable": True,
    }
    env.became("RateLimited", "Reconciling", error=error)
    (limited,) = _answered(env, 429)
    during = [
        each for each in env.calls("PATCH", since=limited["answered"]) if each["time"] < limited["answered"] + SECONDS
    ]
    assert during == []
    assert env.atlas.endpoint(env.place)["comment"] == "limited"
    assert env.atlas.endpoint(content)["comment"] == "held"
