"""What a rate limit does to an edit, while hundreds of other calls wait for the same project."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from behaviour.atlas import name_of
from behaviour.dedicated import CONSTANTS, DedicatedSteps
from support.virtual_time import on_virtual_time

if TYPE_CHECKING:
    from atlas_endpoints.atlas.requests import Request

RESOURCES = 300
LIMIT = 10.0
"""Seconds of the wait after the first 429 that names no time."""


@pytest.mark.parametrize("after", [3.0, 14.0], ids=["during the wait", "while the others come back"])
@on_virtual_time
async def test_an_edit_is_not_behind_hundreds_of_calls_that_a_rate_limit_holds(after: float) -> None:
    actions, loop = DedicatedSteps(), asyncio.get_running_loop()
    limited: asyncio.Future[float] = loop.create_future()
    edited: list[float] = []

    def limits_one_call(request: Request) -> None:
        if not limited.done() and len(actions.atlas.calls) >= 10:
            limited.set_result(loop.time())
            raise actions.atlas.refusal(request, 429, b'{"error": 429, "errorCode": "RATE_LIMITED"}')
        if name_of(request) == "PATCH service":
            edited.append(loop.time())

    actions.boot(None, "")
    try:
        for number in range(RESOURCES):
            spec = {"cloudProviderEndpointId": f"vpce-{number:017x}"}
            actions.create({**CONSTANTS["ON_AWS"], **spec}, f"r{number}")
        await actions.run("5m", "")
        actions.clear(None, "")
        actions.atlas.takes, actions.atlas.before = lambda _: 0.02, limits_one_call
        actions.restart(None, "")  # so that all are compared with Atlas at once
        began = await asyncio.wait_for(limited, 600)
        await asyncio.sleep(after)
        actions.edit({"supportedRemoteRegions": ["us-east-1"]}, "r7")
        await actions.run("2m", "")
        assert edited[0] - began <= max(LIMIT, after) + 0.5
        assert actions.atlas.calls.count("GET endpoint") > RESOURCES, "the others come back, too"
    finally:
        actions.kill(None, "")


@on_virtual_time
async def test_creations_that_are_limited_for_ever_hold_up_neither_an_edit_nor_a_deletion() -> None:
    """Each of them that is tried again closes its own way only."""
    actions = DedicatedSteps()
    actions.boot(None, "")
    try:
        spec = {**CONSTANTS["ON_AWS"], "deletionPolicy": "Delete"}
        for name, number in (("edited", 1), ("deleted", 2)):
            actions.create({**spec, "cloudProviderEndpointId": f"vpce-{number:017x}"}, name)
        await actions.run("20m", "")
        actions.refuse({"call": "POST endpoint", "error": 429, "retryAfter": "60"}, "")
        for number in range(100, 120):
            actions.create({**spec, "cloudProviderEndpointId": f"vpce-{number:017x}"}, f"n{number}")
        await actions.run("15m", "")
        actions.clear(None, "")
        actions.edit({"supportedRemoteRegions": ["us-east-1"]}, "edited")
        actions.delete(None, "deleted")
        await actions.run("1m", "")
        assert (actions.atlas.calls.count("PATCH service"), actions.atlas.calls.count("DELETE endpoint")) == (1, 1)
    finally:
        actions.kill(None, "")
