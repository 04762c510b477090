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
    OTHER,
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
def a_refused_creation_a_lost_answer_and_a_list_that_lags_end_in_one_service(env: Env) -> None:
    project = Project(env)
    project.fail("POST", "privateEndpoint/endpointService$", drop="after", times=1)
    project.fail("GET", "privateEndpoint/AZURE/endpointService$", status=200, body=[], times=3)
    project.create("azure", **AZURE)
    wait_until(lambda: US_EAST_2 in project.services(), "the first creation to arrive")

    project.put(IRELAND)
    project.fail("GET", "privateEndpoint/AWS/endpointService$", status=200, body=[], times=2)
    project.create("aws", **AWS, cloudProviderEndpointId=VPCE)

    env.becomes_ready("aws")
    body = env.becomes("WaitingForCloudEndpoint", "Reconciling", name="azure")
    assert body["status"]["service"]["origin"] == "Created"  # it appears right after a creation that was not answered
    assert {each for each in project.writes() if "service" in each} == {"POST service 409", "POST service lost"}
    assert set(project.services()) == {IRELAND, US_EAST_2}


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
def no_capacity_has_a_reason_of_its_own_and_heals(env: Env) -> None:
    project = Project(env)
    detail = {
        "error": 400,
        "errorCode": "ATLAS_GENERAL_ERROR",
        "detail": "Reason: No Capacity.",
        "reason": "Bad Request",
    }
    project.fail("POST", "privateEndpoint/endpointService$", status=400, body=detail)
    project.create(NAME, cloudProviderEndpointId=VPCE)
    env.becomes("NoCapacity", "Reconciling", says=("no capacity",), error={"httpStatus": 400})
    began = time.time()
    time.sleep(3 * INTERVAL)
    assert 1 <= len(project.writes(since=began)) <= 4, "tried again at each interval"

    project.heal()
    env.becomes_ready()


@cases
def a_service_that_fails_or_stays_on_its_way_is_reported_and_holds_up_no_other(env: Env) -> None:
    """Such a resource can be deleted, and stays away from what Atlas may be doing."""
    project = Project(env)
    project.put("EU_WEST_2", status="FAILED", errorMessage="A system failure has occurred.")
    project.put("EU_WEST_3", status="INITIATING", advance=False)
    project.put("EU_NORTH_1", status="DELETING", advance=False)
    regions = {"failed": "eu-west-2", "stuck": "eu-west-3", "going": "eu-north-1", "well": "eu-west-1"}
    for name, region in regions.items():
        more = {"deletionPolicy": "Delete", "provisioningTimeout": "5m"}
        project.create(name, providerName="AWS", region=region, cloudProviderEndpointId=VPCE, **more)

    env.becomes("ServiceFailed", "Stalled", name="failed", says=("A system failure has occurred.",))
    env.becomes("ServiceInitiating", "Reconciling", name="stuck", says=("is creating",))
    env.becomes("ServiceInitiating", "Reconciling", name="going", says=("is deleting",))
    env.becomes_ready("well")
    assert has(env.resources.get("stuck"), "ServiceReady", "False", "NotReady")

    # Atlas has deleted the one, and finished the other.
    project.put("EU_NORTH_1", remove=True)
    project.put("EU_WEST_3", status="AVAILABLE")
    assert env.becomes_ready("going")["status"]["service"]["origin"] == "Created"
    assert env.becomes_ready("stuck")["status"]["service"]["origin"] == "Adopted"
    goes(env.resources, "failed")
    assert project.services()["EU_WEST_2"]["status"] == "FAILED"


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


@cases
def a_service_that_is_gone_within_an_hour_is_created_anew_with_its_endpoint_on_request(env: Env) -> None:
    project = Project(env)
    project.create(NAME, cloudProviderEndpointId=VPCE)
    first = env.becomes_ready()["status"]["service"]
    project.put(remove=True)
    env.becomes("ServiceInitiating", "Reconciling", says=("within an hour", "force-sync"))

    env.resources.annotate(NAME, {"atlas-endpoints.dev/force-sync": "now"})
    env.resources.wait(
        NAME, lambda body: body["status"].get("service", first)["id"] != first["id"], says="in another service"
    )
    assert env.becomes_ready()["status"]["service"]["endpointServiceName"] != first["endpointServiceName"]
    began = time.time()
    time.sleep(3 * INTERVAL)
    assert project.writes(since=began) == []

    project.create("next", cloudProviderEndpointId=OTHER)
    env.becomes_ready("next")
    assert project.endpoints() == {VPCE: "AVAILABLE", OTHER: "AVAILABLE"}
    assert project.writes().count("POST service 201") == 2
