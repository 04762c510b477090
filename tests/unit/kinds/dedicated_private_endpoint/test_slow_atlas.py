"""What an Atlas that is slow, or hangs, does to resources with many connection strings, and to others."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from atlas_endpoints.process.app import STUCK
from behaviour.atlas import lost, name_of
from behaviour.dedicated import CONSTANTS, DedicatedSteps
from support.virtual_time import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from atlas_endpoints.atlas.requests import Request

CLUSTERS = 16
CALL = 15.0
"""Seconds after which the client gives up a call."""


@asynccontextmanager
async def at_rest(resources: int) -> AsyncIterator[DedicatedSteps]:
    """Run an operator with resources of 16 connection strings each, and one of another namespace without any."""
    actions = DedicatedSteps()
    actions.boot(None, "")
    actions.restart({"concurrency": 16}, "")
    for cluster in range(CLUSTERS):
        actions.atlas_cluster({"name": f"c{cluster}", "regions": [{"regionName": "EU_WEST_1"}]}, "")
    for number in range(resources):
        strings = [
            {"clusterName": f"c{cluster}", "configMapRef": {"name": f"strings-{number}-{cluster}"}}
            for cluster in range(CLUSTERS)
        ]
        spec = {"cloudProviderEndpointId": f"vpce-{number:017x}", "connectionStrings": strings}
        actions.create({**CONSTANTS["ON_AWS"], **spec}, f"slow-{number}")
    actions.create({**CONSTANTS["ON_AWS"], "cloudProviderEndpointId": CONSTANTS["VPCE"]}, "other/db")
    await actions.run("15m", "")
    assert outputs(actions) == ["True Written"] * resources
    actions.clear(None, "")
    try:
        yield actions
    finally:
        actions.kill(None, "")


def outputs(actions: DedicatedSteps) -> list[str]:
    """Return the condition OutputsWritten of all resources with strings."""
    conditions = [
        each
        for name, body in actions.bodies.items()
        if name.startswith("slow-")
        for each in body["status"]["conditions"]
        if each["type"] == "OutputsWritten"
    ]
    return [f"{each['status']} {each['reason']}" for each in conditions]


def hangs(request: Request) -> None:
    if name_of(request) == "GET cluster":
        raise lost(request)


def slowly(request: Request) -> float:
    return CALL if name_of(request) == "GET cluster" else 0.0


async def answered(actions: DedicatedSteps, name: str) -> float:
    """Return the seconds until the status of a resource shows its generation."""
    waited = 0.0
    while True:
        body = actions.bodies[name]
        if body["status"]["observedGeneration"] == body["metadata"]["generation"]:
            return waited
        await asyncio.sleep(0.25)
        waited += 0.25


@on_virtual_time
async def test_no_reconcile_takes_long_while_the_strings_cannot_be_read() -> None:
    async with at_rest(resources=4) as actions:
        actions.atlas.takes, actions.atlas.before = slowly, hangs
        longest = 0.0
        for _ in range(1800):
            await asyncio.sleep(1)
            longest = max(longest, actions.process.core.loop.longest_reconcile())
        assert CALL - 1 < longest <= 2 * CALL < STUCK, "so /livez does not fail"
        assert outputs(actions) == ["Unknown Pending"] * 4
        actions.atlas.takes, actions.atlas.before = lambda _: 0.0, lambda _: None
        await actions.run("20m", "")
        assert outputs(actions) == ["True Written"] * 4


@on_virtual_time
async def test_an_edit_waits_for_one_slow_string_of_others_at_most() -> None:
    """Also if they have its credentials, hold all workers that these may have, and are edited themselves."""
    async with at_rest(resources=8) as actions:
        actions.atlas.takes, actions.atlas.before = slowly, hangs
        waits = []
        for policy in ("Delete", "Retain") * 3:
            await actions.run("61s", "")
            for number in range(8):
                actions.edit({"deletionPolicy": policy}, f"slow-{number}")
            await actions.run("2s", "")
            actions.edit({"deletionPolicy": policy}, "other/db")
            waits.append(await answered(actions, "db"))
        assert max(waits) <= CALL, waits


@on_virtual_time
async def test_no_reconcile_takes_long_while_each_call_does() -> None:
    actions = DedicatedSteps()
    actions.boot(None, "")
    actions.atlas.takes = lambda _: CALL - 0.1
    spec = {
        "cloudProviderEndpointId": CONSTANTS["VPCE"],
        "supportedRemoteRegions": ["us-east-1"],
        "deletionPolicy": "Delete",
    }
    actions.create({**CONSTANTS["ON_AWS"], **spec}, "db")
    longest = 0.0

    async def wait(seconds: int) -> None:
        nonlocal longest
        for _ in range(seconds):
            await actions.run("1s", "")
            longest = max(longest, actions.process.core.loop.longest_reconcile())

    try:
        await wait(900)
        actions.expect({"ready": "Available", "remote_regions": ["US_EAST_1"]}, "")
        actions.delete(None, "")
        await wait(900)
        actions.expect({"exists": False, "services": {}}, "")
        assert 2 * CALL < longest < STUCK, "so /livez does not fail"
    finally:
        actions.kill(None, "")
