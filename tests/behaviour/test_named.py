"""What another live resource of the namespace names is not deleted in Atlas: every kind, way to name it, state and moment.

The rule is *protects* in section 9a of the design: the other resource protects the thing in any state.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import cycle
from typing import Any

import pytest

from behaviour.atlas import PROJECT
from behaviour.cases import filled, play
from behaviour.data_federation import CONSTANTS as DATA
from behaviour.data_federation import DataFederationSteps
from behaviour.dedicated import CONSTANTS as DEDICATED
from behaviour.dedicated import VPCE, DedicatedSteps
from behaviour.regional import CONSTANTS as REGIONAL
from behaviour.regional import BackupSteps, EncryptionSteps
from behaviour.regional_mode import ModeSteps
from behaviour.serverless import ServerlessSteps
from behaviour.steps import Steps
from behaviour.streams import CONSTANTS as STREAMS
from behaviour.streams import StreamSteps
from support.virtual_time import on_virtual_time

Fields = Mapping[str, Any]
IN_AWS, RESERVED = {"cloudProviderEndpointId": VPCE}, {"endpointId": f"{0:024x}"}
OTHER_CASE = {"cloudProviderEndpointId": DEDICATED["AZURE_ID_IN_CAPITALS"]}
RULES = [{"name": f"rule-{n}", "ipAddress": "10.0.0.4"} for n in range(6)]
GROUP = {"projectId": "my-project-1", "portMappingEnabled": False, "endpointGroupName": "group", "endpoints": RULES}
HUB, CONFLUENT = STREAMS["EVENTHUB"], STREAMS["CONFLUENT"]
IN_EUROPE = {"region": "EU_WEST_1"}
THINGS: Mapping[str, tuple[type[Steps], Fields, Fields]] = {
    "a serverless endpoint": (ServerlessSteps, IN_AWS, {}),
    "a reserved serverless endpoint": (ServerlessSteps, {"endpointId": None, **IN_AWS}, RESERVED),
    "a dedicated endpoint in AWS": (DedicatedSteps, {**DEDICATED["ON_AWS"], **IN_AWS}, IN_EUROPE),
    "a dedicated endpoint in Azure": (
        DedicatedSteps,
        {**DATA["AZURE"], "region": "eastus2"},
        {**OTHER_CASE, "region": "US_EAST_2"},
    ),
    "a dedicated endpoint of rules": (DedicatedSteps, {**DEDICATED["ON_GCP"], "gcp": GROUP}, {"region": "CENTRAL_US"}),
    "a Data Federation endpoint in AWS": (DataFederationSteps, DATA["AWS"], IN_EUROPE),
    "a Data Federation endpoint in Azure": (DataFederationSteps, DATA["AZURE"], OTHER_CASE),
    "an encryption endpoint": (EncryptionSteps, REGIONAL["AZURE"], {"region": "EUROPE_WEST"}),
    "a backup endpoint": (BackupSteps, REGIONAL["AWS"], {**IN_EUROPE, "vpcRegion": "eu-west-1"}),
    "the regional mode": (ModeSteps, {}, {}),
    "a connection to MSK": (StreamSteps, STREAMS["MSK"], {"authenticationScheme": "IAM"}),
    "a connection to Confluent": (
        StreamSteps,
        CONFLUENT,
        {**IN_EUROPE, "serviceEndpointId": CONFLUENT["serviceEndpointId"].rpartition(".")[2]},
    ),
    "a connection to Event Hubs": (
        StreamSteps,
        HUB,
        {"vendor": "EVENTHUB", "serviceEndpointId": HUB["serviceEndpointId"].upper()},
    ),
}
"""What is in Atlas: the spec of the resource ``db``, which is deleted, and what another one has that names it in other words."""

STATES: Mapping[str, Fields] = {
    "a resource": {},
    "a suspended resource": {"suspend": True},
    "a resource that observes": {"managementPolicy": "Observe"},
    "a resource without its Secret": {"credentialsSecretRef": {"name": "missing"}},
}
DELETION = {"clear": None, "target": {"VPCEndpoint late": "$ID", "AtlasProject late": PROJECT}, "delete": None}
"""What the references to ``late`` lead to is there in that moment only."""
MOMENTS: Mapping[str, list[Fields]] = {
    "ten minutes before": [{"create other": "$other", "run": "10m"}, DELETION],
    "just before": [{"create other": "$other"}, DELETION],
    "just after": [DELETION, {"create other": "$other"}],
    "while the operator is away": [{"kill": None, "create other": "$other"}, DELETION, {"boot": None}],
}
GATE = "a resource"
"""The state in which the gate has each way to name each thing."""


def reference(name: str) -> Fields:
    return {"cloudProviderEndpointId": None, "cloudProviderEndpointRef": {**DEDICATED["REF"], "name": name}}


def namings(spec: Fields, spelled: Fields) -> Iterator[tuple[str, Fields]]:
    """Yield the ways to name a thing, each with what makes another spec of that of ``db``."""
    given = spelled if "endpointId" in spec else {}
    yield "literally", given
    if spelled != given:
        yield "in other words", spelled
    if "cloudProviderEndpointId" in spec:
        yield "by a reference", {**given, **reference("vpc")}
        yield "by a reference that leads to it only now", {**given, **reference("late")}
        both = {"projectId": None, "projectRef": {"name": "late"}}
        yield "by two references that lead to it only now", {**given, **reference("late"), **both}
    yield "in a project by a reference", {**given, "projectId": None, "projectRef": {"name": "main"}}
    yield "in a project by a reference to nowhere", {**given, "projectId": None, "projectRef": {"name": "nowhere"}}


def cells() -> Iterator[Any]:
    """Yield each way to name each thing in each state, in turn at each moment: each two of these come together."""
    moments = cycle(MOMENTS)
    for thing, (steps, spec, spelled) in THINGS.items():
        for naming, fields in namings(spec, spelled):
            for state, moment in zip(STATES, moments, strict=False):
                title = f"{thing}: named {naming} by {state}, created {moment}"
                marks = [] if state == GATE else [pytest.mark.beyond]
                other = {**spec, **fields, **STATES[state]}
                yield pytest.param(steps, spec, other, MOMENTS[moment], id=title, marks=marks)
            next(moments)


def in_atlas(steps: Steps) -> list[str]:
    """Return the IDs of all endpoints."""
    project = steps.atlas.world.projects[PROJECT]
    endpoints: list[Iterable[str]] = [each.endpoints for each in project.services.values()]
    endpoints += [each.endpoints for each in project.instances.values()]
    endpoints += [project.regional_endpoints, project.stream_endpoints, project.federation_endpoints]
    found = [id_ for some in endpoints for id_ in some]
    return [*found, "regional mode"] if project.regional_mode else found


async def deleted(steps: Steps, spec: Fields, moment: list[Fields], other: Fields | None) -> tuple[Sequence[str], ...]:
    """Delete ``db``, and return what Atlas has before that and ten minutes later."""
    id_ = spec.get("cloudProviderEndpointId", "")
    async with steps.running():
        steps.target({"AtlasProject main": PROJECT, "VPCEndpoint vpc": id_}, "")
        if isinstance(steps, ServerlessSteps):
            steps.switch({"transition": 2}, "")
            if "endpointId" not in spec:
                steps.endpoint({}, "")
        steps.create({**spec, "deletionPolicy": "Delete"}, "db")
        await steps.run("3m", "")
        before = in_atlas(steps)
        await play(steps, filled(moment, {"ID": id_, "other": other}))
        await steps.run("10m", "")
    return before, in_atlas(steps)


@pytest.mark.parametrize(("steps", "spec", "other", "moment"), [*cells()])
@on_virtual_time
async def test_what_another_resource_names_is_not_deleted(
    steps: type[Steps], spec: Fields, other: Fields, moment: list[Fields]
) -> None:
    world = steps()
    before, after = await deleted(world, spec, moment, other)
    assert [call for call in world.atlas.calls if call.startswith("DELETE")] == []
    assert world.atlas.calls.count("PATCH mode") <= 1  # which has switched it on
    assert before == after != []
    assert world.cluster.key("db") not in world.cluster.objects, world.bodies["db"]["status"]


@pytest.mark.parametrize(("steps", "spec"), [each[:2] for each in THINGS.values()], ids=THINGS)
@on_virtual_time
async def test_what_no_other_resource_names_is_deleted(steps: type[Steps], spec: Fields) -> None:
    before, after = await deleted(steps(), spec, [DELETION], None)
    assert (len(before), after) == (1, [])
