"""What the operator does with what an earlier build has written: it reads it, and goes on without a write to Atlas."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from atlas_endpoints.simulator.service import ServiceDocument
from behaviour import dedicated, serverless
from behaviour.api_server import NAMESPACE
from behaviour.atlas import PROJECT
from support.earlier_build import objects
from support.virtual_time import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from behaviour.steps import Steps

Objects = dict[str, dict[str, Any]]

TO_DO = {
    "DedicatedPrivateEndpoint": {"edited-since", "correction-held"},
    "ServerlessPrivateEndpoint": {
        "edited-since",
        "correction-held",
        "planned",
        "missing-role",
        "missing-role-for-long",
        "update-rejected",
        "metadata-refused",
    },
}
"""States in which something is to be sent, whichever operator runs: an edit, a correction, what could not be sent before."""
STAYS = {
    "available",
    "deleted",
    "deletion-blocked",
    "drifted",
    "endpoint-failed",
    "endpoint-not-found",
    "project-not-found",
    "provisioning-timeout",
    "service-failed",
    "skipped",
    "suspended",
    "waiting-for-cloud-endpoint",
}
"""States that last as long as nobody does anything."""
RECORDED = ("applied", "history", "service")
"""What of a status is no observation, and must not be lost."""
HOUR = 3600.0


def left_behind(kind: str, shared: Mapping[str, str]) -> Objects:
    """Return objects of a kind by their states, each with endpoints of its own; all records have the same ones.

    Args:
        shared: texts in all records, and what makes them others.
    """
    found: Objects = {}
    for number, (state, body) in enumerate(objects(kind).items(), 1):
        text = json.dumps(body)
        for each, own in {"vpce-0123456789abcdef0": "vpce-{:017x}", **shared}.items():
            text = text.replace(each, own.format(number))
        found[state] = {"status": {}, **json.loads(text)}
        found[state]["metadata"] |= {"namespace": NAMESPACE, "uid": f"uid-{number}"}
    return {state: body for state, body in found.items() if state not in TO_DO[kind]}


def of_dedicated() -> tuple[Steps, Objects]:
    bodies = left_behind("DedicatedPrivateEndpoint", {"5f7cac1adf5d6c6300000000": "5f7cac1a{:016x}"})
    nowhere = {state for state in bodies if "not-found" in state} | {"drifted"}
    projects = [body["spec"]["projectId"] for state, body in bodies.items() if "project-not-found" not in state]
    steps = dedicated.DedicatedSteps(projects)
    for body in (body for state, body in bodies.items() if state not in nowhere):
        spec, service = body["spec"], body["status"].get("service", {})
        endpoint = {"status": "AVAILABLE", **body["status"].get("endpoint", {})}
        named = [spec["cloudProviderEndpointId"]] if "cloudProviderEndpointId" in spec else []
        document = {
            "id": service.get("id"),
            "regionName": spec["region"],
            "status": service.get("status", "AVAILABLE"),
            "extra": {name: service[name] for name in ("endpointServiceName",) if name in service},
            "endpoints": [{"id": id_, "status": endpoint["status"], "advance": False} for id_ in named],
        }
        put = ServiceDocument.model_validate(document)
        steps.atlas.simulator.services.put(steps.atlas.world.projects[spec["projectId"]], put, advance=False)
    return steps, bodies


def of_serverless() -> tuple[Steps, Objects]:
    shared = {
        "5f7cac1adf5d6c6300000000": PROJECT,
        '"shop"': f'"{serverless.INSTANCE}"',
        "6f7cac1a0000000000000000": "6f7cac1a{:016x}",
    }
    bodies = left_behind("ServerlessPrivateEndpoint", shared)
    steps = serverless.ServerlessSteps()
    for body in (body for state, body in bodies.items() if "endpoint-not-found" not in state):
        shown = body["status"].get("endpoint", body["spec"])
        fields = ("status", "comment", "cloudProviderEndpointId", "endpointServiceName")
        steps.endpoint(
            {"advance": False, **{name: shown[name] for name in fields if name in shown}}, body["spec"]["endpointId"]
        )
    return steps, bodies


def test_each_state_that_is_named_exists() -> None:
    states = {kind: objects(kind).keys() for kind in TO_DO}
    assert set().union(*states.values()) >= STAYS
    assert all(states[kind] >= TO_DO[kind] for kind in TO_DO)


def reason(body: Mapping[str, Any]) -> str:
    (ready,) = (each for each in body["status"]["conditions"] if each["type"] == "Ready")
    return str(ready["reason"])


@pytest.mark.parametrize("world", [of_dedicated, of_serverless])
@on_virtual_time
async def test_statuses_of_an_earlier_build_are_read_and_nothing_is_written_to_atlas(
    world: Callable[[], tuple[Steps, Objects]],
) -> None:
    """Each status that is written is valid, too, which `Steps` checks."""
    steps, before = world()
    steps.secrets.put("atlas-credentials", "operator-1")
    for state, body in before.items():
        steps.cluster.put("ADDED", steps.cluster.key(state), body)

    async with steps.running():
        await asyncio.sleep(HOUR)

    assert [call for call in steps.atlas.calls if call.partition(" ")[0] not in {"GET", "LIST"}] == []
    assert {state: reason(steps.bodies[state]) for state in STAYS & before.keys()} == {
        state: reason(before[state]) for state in STAYS & before.keys()
    }
    for state, body in before.items():
        kept = {name: body["status"][name] for name in RECORDED if name in body["status"]}
        assert {name: steps.bodies[state]["status"].get(name) for name in kept} == kept, state
