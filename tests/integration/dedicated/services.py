"""How resources come by the service of their region: it exists, somebody else creates it, answers are lost, or it does not come."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from control_plane.process import wait_until
from integration.dedicated.project import (
    AWS,
    AZURE,
    AZURE_ID,
    CENTRAL_US,
    GCP,
    IRELAND,
    US_EAST_2,
    VPCE,
    Project,
    goes,
    has,
)
from support.concurrent_cases import INTERVAL, NAME, Cases

if TYPE_CHECKING:
    from support.concurrent_cases import Env

cases = Cases()

HTML = "<html>busy</html>"


@cases
def a_service_that_exists_is_adopted_by_the_cloud_s_name_of_its_region_and_outlives_its_resource(env: Env) -> None:
    """Also with the deletion policy Delete, which is about what the operator has made."""
    project = Project(env)
    project.put(IRELAND)
    project.put(US_EAST_2, "AZURE")
    project.put(CENTRAL_US, "GCP", portMappingEnabled=True)
    project.create("aws", **AWS, cloudProviderEndpointId=VPCE, deletionPolicy="Delete")
    address = {"privateEndpointIpAddress": "10.0.0.4", "deletionPolicy": "Delete"}
    project.create("azure", **AZURE, cloudProviderEndpointId=AZURE_ID, **address)
    project.create("gcp", **GCP, cloudProviderEndpointId="rule", **address)

    for name in ("aws", "azure", "gcp"):
        service = env.becomes_ready(name)["status"]["service"]
        assert (service["origin"], service["status"]) == ("Adopted", "AVAILABLE")
        goes(env.resources, name, says="was there before")
    assert sorted(project.writes()) == ["DELETE endpoint 202"] * 3 + ["POST endpoint 201"] * 3
    assert [project.endpoints(region) for region in (IRELAND, US_EAST_2, CENTRAL_US)] == [{}, {}, {}]


@cases
def twenty_resources_of_two_namespaces_share_one_service_and_at_rest_one_list(env: Env) -> None:
    project = Project(env)
    beside = project.beside(data=env.atlas.put_api_key(env.place))
    for number in range(20):
        (env.resources, beside)[number % 2].create(f"number-{number}", project.spec())
    for number in range(20):
        (env.resources, beside)[number % 2].wait_reason(f"number-{number}", "WaitingForCloudEndpoint")
    made = Counter(project.writes())
    assert made.pop("POST service 201") == 1
    assert set(made) <= {"POST service 409"}, made

    time.sleep(INTERVAL)
    seconds = 3 * INTERVAL
    calls = [each for each in env.calls_within(seconds) if each["status"] != 401]
    assert {each["method"] for each in calls} == {"GET"}
    assert {each["path"].rpartition("/")[2] for each in calls} == {"endpointService"}
    assert len(calls) <= 2 * (seconds / (INTERVAL * 0.9) + 1), calls  # one for each pair of credentials
    for each in (*env.resources.all(), *beside.all()):
        assert has(each, "ServiceReady", "True", "Ready")
    for number in range(1, 20, 2):
        beside.delete(f"number-{number}")
    beside.close()


@cases
def what_is_not_atlas_s_answer_proves_nothing(env: Env) -> None:
    """A refusal without a body, a page of HTML and half a document: what is settled stays, and nothing is created twice."""
    project = Project(env)
    answers = ({"status": 403, "body": ""}, {"status": 503, "body": HTML}, {"status": 200, "body": "["})
    for how in answers:
        project.fail("GET", "privateEndpoint/AWS/endpointService$", **how, times=1)
    project.create(NAME, cloudProviderEndpointId=VPCE, deletionPolicy="Delete")
    body = env.becomes_ready()

    for how in answers:
        began = time.time()
        project.fail("GET", "privateEndpoint", **how)
        wait_until(lambda since=began: len(project.calls(since=since)) >= 2, "failed calls")  # type: ignore[misc]
        project.heal()
    env.next_calls()
    assert env.becomes_ready()["status"]["service"] == body["status"]["service"]
    assert project.writes() == ["POST service 201", "POST endpoint 201"]

    project.fail("GET", "privateEndpoint", status=503, body=HTML)
    env.resources.delete(NAME)
    env.becomes("AtlasUnavailable", "Reconciling", error={"httpStatus": 503})
    project.heal()
    wait_until(lambda: not env.resources.exists(NAME), "the resource to go")
    assert project.services() == {}
