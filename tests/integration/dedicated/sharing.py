"""Who shares a service: resources of several namespaces, strangers, and tenants who name what is not theirs."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from control_plane.process import wait_until
from integration.dedicated.project import IRELAND, OTHER, STRANGER, VPCE, Project, goes
from support.concurrent_cases import INTERVAL, NAME, Cases
from support.resources import ready

if TYPE_CHECKING:
    from support.concurrent_cases import Env
    from support.resources import Resources

cases = Cases()

REFUSED = {"MissingRole", "Conflict", "WaitingForCloudEndpoint"}
"""Reasons of resources whose credentials may only read: two ways to be told, and that of one that sends nothing."""


def was_always_ready(resources: Resources, name: str) -> bool:
    """Return whether a resource was ready ever since it was the first time."""
    seen = [ready(body)["status"] for body in resources.states(name)]
    return set(seen[seen.index("True") :]) == {"True"}


@cases
def nobody_else_s_endpoint_is_deleted_and_the_service_goes_with_the_last_that_needs_it(env: Env) -> None:
    project = Project(env)
    beside = project.beside(data=env.atlas.put_api_key(env.place))
    project.create(NAME, cloudProviderEndpointId=VPCE, deletionPolicy="Delete")
    env.becomes_ready()
    project.put(endpoints=[{"id": STRANGER}])
    beside.create(
        "theirs",
        project.spec(region=IRELAND, providerName="AWS", cloudProviderEndpointId=OTHER, deletionPolicy="Delete"),
    )
    assert beside.wait_ready("theirs")["status"]["service"]["origin"] == "Created"

    goes(env.resources, NAME, says="stays in Atlas")
    assert project.endpoints() == {OTHER: "AVAILABLE", STRANGER: "AVAILABLE"}
    project.create("again", cloudProviderEndpointId=VPCE, deletionPolicy="Delete")
    env.becomes_ready("again")
    goes(beside, "theirs", says=STRANGER)
    project.put(endpoints=[{"id": STRANGER, "remove": True}])
    goes(env.resources, "again")

    assert project.services() == {}
    assert project.writes() == [
        *("POST service 201", "POST endpoint 201", "POST endpoint 201", "DELETE endpoint 202"),
        *("POST endpoint 201", "DELETE endpoint 202", "DELETE endpoint 202", "DELETE service 202"),
    ]
    beside.close()


@cases
def credentials_of_another_project_neither_hold_up_nor_learn_anything(env: Env) -> None:
    """Whoever only names a project, its region and its endpoint is nobody."""
    project = Project(env)
    project.create(NAME, cloudProviderEndpointId=VPCE, deletionPolicy="Delete")
    service = env.becomes_ready()["status"]["service"]
    foreign = project.beside(data=env.atlas.put_account(env.place, role=None))
    more = {"cloudProviderEndpointId": VPCE, "deletionPolicy": "Delete", "supportedRemoteRegions": ["us-east-1"]}
    for number in range(20):
        foreign.create(f"number-{number}", project.spec(**more))
    for number in range(20):
        body = foreign.wait_reason(f"number-{number}", "ProjectNotFound")
        assert {"service", "endpoint"} & set(body["status"]) == set()
        assert service["id"] not in json.dumps(body)
        assert service["endpointServiceName"] not in json.dumps(body)

    began = time.monotonic()
    assert was_always_ready(env.resources, NAME)
    goes(env.resources, NAME)
    assert time.monotonic() - began < 60, "a deletion waits for nobody who has not seen the endpoint"
    assert project.services() == {}
    for number in range(19):
        goes(foreign, f"number-{number}")  # kept for the next one
    foreign.delete("number-19")
    assert "deletion-policy" in ready(foreign.wait_reason("number-19", "DeletionBlocked"))["message"]
    foreign.annotate("number-19", {"atlas-endpoints.dev/deletion-policy": "Retain"})
    wait_until(lambda: not foreign.exists("number-19"), "number-19 to go")
    assert project.writes() == ["POST service 201", "POST endpoint 201", "DELETE endpoint 202", "DELETE service 202"]
    foreign.close()


@cases
def whoever_may_only_read_the_project_changes_nothing_in_it_not_even_by_the_credentials_of_others(env: Env) -> None:
    project = Project(env)
    project.create(NAME, cloudProviderEndpointId=VPCE, deletionPolicy="Delete", supportedRemoteRegions=["eu-central-1"])
    env.becomes_ready()
    reader = project.beside(data=env.atlas.put_account(env.place, role="GROUP_READ_ONLY"))
    wide = {"deletionPolicy": "Delete", "supportedRemoteRegions": ["us-east-1", "sa-east-1"]}
    reader.create("region", project.spec(**wide, managementPolicy="Observe"))
    body = reader.wait_reason("region", "Drifted")
    assert body["status"]["plan"]["method"] == "PATCH"
    reader.create("same", project.spec(**wide, cloudProviderEndpointId=VPCE))
    reader.create("own", project.spec(**wide, cloudProviderEndpointId=OTHER))
    for name in ("same", "own"):
        reader.wait(name, lambda body: ready(body)["reason"] in REFUSED, says="refused")
    time.sleep(3 * INTERVAL)

    assert was_always_ready(env.resources, NAME)
    assert project.services()[IRELAND]["supportedRemoteRegions"] == ["EU_CENTRAL_1"]
    assert project.endpoints() == {VPCE: "AVAILABLE"}
    project.create("second", cloudProviderEndpointId=OTHER)  # younger than the one that named it
    env.becomes_ready("second")
    for name in ("region", "same", "own"):
        goes(reader, name)
    assert [each for each in project.writes() if not each.endswith((" 401", " 403"))] == [
        *("POST service 201", "PATCH service 202", "POST endpoint 201", "POST endpoint 201")
    ]
    goes(env.resources, NAME)
    assert project.endpoints() == {OTHER: "AVAILABLE"}
    reader.close()


@cases
def two_resources_that_name_one_endpoint_are_told_and_it_goes_with_the_last_of_them(env: Env) -> None:
    project = Project(env)
    beside = project.beside(data=env.atlas.put_account(env.place))
    project.create(NAME, cloudProviderEndpointId=VPCE, deletionPolicy="Delete")
    env.becomes_ready()
    beside.create("second", project.spec(cloudProviderEndpointId=VPCE, deletionPolicy="Delete"))
    body = beside.wait_reason("second", "Conflict")
    assert NAME not in ready(body)["message"], "names of another namespace are not said"
    assert was_always_ready(env.resources, NAME)

    goes(env.resources, NAME)
    assert project.endpoints() == {VPCE: "AVAILABLE"}
    beside.wait_ready("second")
    goes(beside, "second")
    assert project.services() == {}
    beside.close()
