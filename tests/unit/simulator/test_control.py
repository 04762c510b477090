"""The control API: the state, the log, and hands behind the scenes."""

import contextlib
from typing import Any

import httpx
import pytest

from unit.simulator.harness import (
    ABSENT_ENDPOINT,
    ABSENT_PROJECT,
    ACCEPT,
    AWS_ENDPOINT,
    AWS_SERVICE,
    AZURE_ENDPOINT,
    PROJECT,
    VPCE,
    Atlas,
    collection,
    endpoint,
)

AWS = {"projectId": PROJECT, "instanceName": "aws"}


async def test_the_index_lists_every_control(atlas: Atlas) -> None:
    index = await atlas.control("")

    assert index["/_simulator/faults"] == ["GET", "POST", "DELETE"]
    for path, methods in index.items():
        if "GET" in methods:
            assert (await atlas.http.get(path)).status_code == 200


@pytest.mark.parametrize(("method", "name", "status"), [("GET", "none", 404), ("DELETE", "mode", 405)])
async def test_an_unknown_control_is_refused(atlas: Atlas, method: str, name: str, status: int) -> None:
    answer = await atlas.http.request(method, f"/_simulator/{name}")

    assert answer.status_code == status
    assert name in answer.json()["error"]


async def test_the_state_holds_each_endpoint_with_its_project_and_instance(atlas: Atlas) -> None:
    state = await atlas.control("state")

    project = state["projects"][0]
    assert project["id"] == PROJECT
    assert [(each["name"], each["providerName"]) for each in project["instances"]] == [
        ("aws", "AWS"),
        ("azure", "AZURE"),
    ]
    azure = {"_id": AZURE_ENDPOINT, "projectId": PROJECT, "instanceName": "azure", "status": "RESERVED"}
    assert project["instances"][1]["endpoints"][0].items() >= azure.items()
    assert state["mode"] == "normal"
    assert state["time"] == atlas.clock.now


async def test_neither_state_nor_log_ever_shows_a_secret(atlas: Atlas) -> None:
    form = {"grant_type": "client_credentials", "client_secret": "owner-secret"}
    await atlas.http.post("/api/oauth/token", auth=("owner", "owner-secret"), data=form)
    token = await atlas.token()
    await atlas.call("GET", collection())
    await atlas.http.get(collection(), auth=httpx.DigestAuth("ownerkey", "owner-private"), headers={"Accept": ACCEPT})

    shown = str(await atlas.control("state")) + str(await atlas.control("requests"))

    assert "owner-secret" not in shown
    assert "owner-private" not in shown
    assert token not in shown
    assert "ownerkey" in shown


async def test_the_log_tells_what_was_sent_and_what_was_answered(atlas: Atlas) -> None:
    await atlas.token()
    await atlas.control("requests", method="DELETE")
    await atlas.call(
        "PATCH",
        endpoint() + "?envelope=true",
        json={"providerName": "AWS", "comment": "new"},
        headers={"User-Agent": "tester/1"},
    )
    await atlas.call("GET", endpoint(endpoint_id=ABSENT_ENDPOINT), who="owner")

    patched, missed = await atlas.control("requests")

    assert patched == {
        "index": 1,
        "time": atlas.clock.now,
        "answered": atlas.clock.now,
        "method": "PATCH",
        "path": endpoint(),
        "query": {"envelope": "true"},
        "status": 200,
        "errorCode": None,
        "dropped": None,
        "fault": False,
        "body": {"providerName": "AWS", "comment": "new"},
        "credentials": "owner",
        "userAgent": "tester/1",
        "accept": ACCEPT,
        "contentType": "application/json",
        "remote": "127.0.0.1",
    }
    assert (missed["index"], missed["status"], missed["body"]) == (2, 404, None)
    assert missed["errorCode"] == "TENANT_PRIVATE_ENDPOINT_NOT_FOUND"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"drop": "before"}, {"dropped": "before", "status": None, "fault": False}),
        ({"drop": "after"}, {"dropped": "after", "status": None, "fault": False}),
        ({"drop": "after", "applyAfter": 1}, {"dropped": "late", "status": None, "fault": False}),
        ({"status": 503}, {"dropped": None, "status": 503, "fault": True, "errorCode": "SERVICE_UNAVAILABLE"}),
        ({"status": 200, "headers": {"Content-Length": "9"}}, {"dropped": None, "status": 200, "fault": True}),
    ],
)
async def test_the_log_tells_what_a_fault_did(atlas: Atlas, fault: dict[str, Any], expected: dict[str, Any]) -> None:
    await atlas.token()
    await atlas.control("faults", fault)
    with contextlib.suppress(httpx.RemoteProtocolError):
        await atlas.patch(endpoint(), comment="new")

    entry = (await atlas.control("requests"))[-1]

    assert entry.items() >= expected.items()
    assert entry["answered"] == atlas.clock.now


async def test_the_log_can_be_read_from_a_number_on_and_the_numbers_survive_its_clearing(atlas: Atlas) -> None:
    for _ in range(3):
        await atlas.call("GET", collection())  # the first is preceded by the request for a token
    after = [entry["index"] for entry in await atlas.control("requests?since=2")]
    cleared = await atlas.control("requests", method="DELETE")
    await atlas.call("GET", collection())

    assert after == [2, 3]
    assert cleared == {"next": 4}
    assert [entry["index"] for entry in await atlas.control("requests")] == [4]
    assert await atlas.control("requests?since=5") == []


async def test_a_person_changes_what_is_named_and_null_clears_it(atlas: Atlas) -> None:
    await atlas.patch(endpoint(), comment="mine")

    await atlas.put(status="AVAILABLE")
    changed = await atlas.show(endpoint())
    await atlas.put(comment=None)

    assert (changed["status"], changed["comment"]) == ("AVAILABLE", "mine")
    assert (await atlas.show(endpoint()))["comment"] is None


async def test_a_person_may_add_an_endpoint_with_or_without_an_id(atlas: Atlas) -> None:
    named = await atlas.control("endpoints", AWS | {"endpoint": {"_id": ABSENT_ENDPOINT, "comment": "x"}})
    unnamed = await atlas.control("endpoints", AWS)

    listed = [each["_id"] for each in (await atlas.call("GET", collection())).json()]
    assert listed == [AWS_ENDPOINT, ABSENT_ENDPOINT, unnamed["_id"]]
    assert named.items() >= {"status": "RESERVED", "comment": "x", "providerName": "AWS", **AWS}.items()
    assert named["endpointServiceName"].startswith("com.amazonaws.vpce.")


async def test_thousands_of_endpoints_are_put_at_once(atlas: Atlas) -> None:
    documents = [AWS | {"endpoint": {"_id": f"{number:024x}", "comment": "x" * 80}} for number in range(6000)]

    put = await atlas.control("endpoints", documents)

    assert [each["_id"] for each in put] == [f"{number:024x}" for number in range(6000)]
    assert len((await atlas.call("GET", collection())).json()) == 6001


async def test_the_log_shows_a_body_that_is_no_json_as_text(atlas: Atlas) -> None:
    await atlas.call("PATCH", endpoint(), content=b"{oops")

    assert (await atlas.control("requests"))[-1]["body"] == "{oops"


async def test_a_body_that_is_no_json_is_refused(atlas: Atlas) -> None:
    body = await atlas.http.post("/_simulator/mode", content=b"gone")
    index = await atlas.http.get("/_simulator/requests?since=yesterday")

    assert (body.status_code, index.status_code) == (400, 400)
    assert body.json()["error"].startswith("body is not JSON")
    assert index.json()["error"].startswith("since")


async def test_an_instance_can_be_added_and_removed(atlas: Atlas) -> None:
    before = await atlas.call("GET", collection("new"))
    await atlas.control("instances", {"projectId": PROJECT, "name": "new", "providerName": "AZURE"})
    between = await atlas.call("GET", collection("new"))
    await atlas.control("instances", {"projectId": PROJECT, "name": "new", "remove": True})
    await atlas.control("instances", {"projectId": PROJECT, "name": "aws"})  # is there already, and stays as it is

    assert len((await atlas.call("GET", collection())).json()) == 1
    assert (before.status_code, between.status_code, between.json()) == (404, 200, [])
    assert (await atlas.call("GET", collection("new"))).status_code == 404


async def test_a_project_can_be_added_and_removed(atlas: Atlas) -> None:
    path = collection(project=ABSENT_PROJECT)
    added = await atlas.control("instances", {"projectId": ABSENT_PROJECT, "name": "aws"})
    between = await atlas.call("GET", path, who="everywhere")
    await atlas.control("instances", {"projectId": ABSENT_PROJECT, "remove": True})

    assert {"id": ABSENT_PROJECT, "instances": ["aws"]} in added["projects"]
    assert between.status_code == 200
    assert (await atlas.call("GET", path, who="everywhere")).status_code == 404


async def test_api_keys_can_be_replaced(atlas: Atlas) -> None:
    key = {"publicKey": "ownerkey", "privateKey": "new-private", "roles": {PROJECT: "GROUP_OWNER"}}

    listed = await atlas.control("credentials", {"apiKeys": [key]})

    assert listed["apiKeys"] == ["ownerkey", "readerkey"]
    for password, status in [("owner-private", 401), ("new-private", 200)]:
        auth = httpx.DigestAuth("ownerkey", password)
        assert (await atlas.http.get(collection(), auth=auth, headers={"Accept": ACCEPT})).status_code == status


async def test_the_state_holds_services_and_clusters_with_their_project(atlas: Atlas) -> None:
    project = (await atlas.control("state"))["projects"][0]

    service, cluster = project["endpointServices"][0], project["clusters"][0]
    assert service.items() >= {"id": AWS_SERVICE, "regionName": "EU_WEST_1", "projectId": PROJECT}.items()
    assert [each["id"] for each in service["endpoints"]] == [VPCE]
    assert (cluster["name"], cluster["projectId"]) == ("orders", PROJECT)
    assert project["regionalMode"] is False
    (entry,) = cluster["connectionStrings"]["privateEndpoint"]
    assert entry["endpoints"] == [{"endpointId": VPCE, "providerName": "AWS", "region": "EU_WEST_1"}]


async def test_a_person_puts_a_service_by_either_name_of_its_region_or_by_its_id(atlas: Atlas) -> None:
    place = {"projectId": PROJECT, "cloudProvider": "AWS"}

    by_name = await atlas.control("endpointServices", place | {"regionName": "eu-west-1", "status": "DELETING"})
    by_id = await atlas.control("endpointServices", {"projectId": PROJECT, "id": AWS_SERVICE, "status": "AVAILABLE"})
    added = await atlas.control("endpointServices", place | {"regionName": "US_WEST_2"})

    assert by_name["id"] == by_id["id"] == AWS_SERVICE
    assert (by_name["status"], by_id["status"], by_id["regionName"]) == ("DELETING", "AVAILABLE", "EU_WEST_1")
    assert added["endpointServiceName"].startswith("com.amazonaws.vpce.us-west-2.")


@pytest.mark.parametrize(
    ("name", "body", "problem"),
    [
        ("endpointServices", {"cloudProvider": "AWS"}, "projectId: Field required"),
        ("endpointServices", {"projectId": PROJECT, "cloudProvider": "OVH"}, "cloudProvider: Input should be"),
        ("endpointServices", {"projectId": PROJECT, "endpoints": [{}]}, "endpoints.0.id: Field required"),
        ("endpointServices", [{"projectId": PROJECT, "remove": True}, {"projectId": PROJECT, "x": 1}], "x: Extra"),
        ("clusters", {"projectId": PROJECT}, "name: Field required"),
        ("clusters", {"projectId": PROJECT, "name": "x", "clusterType": "M0"}, "clusterType: Input should be"),
    ],
)
async def test_a_wrong_service_or_cluster_is_refused_as_a_whole(
    atlas: Atlas, name: str, body: Any, problem: str
) -> None:
    before = (await atlas.control("state"))["projects"]

    assert problem in await atlas.refused(name, body)
    assert (await atlas.control("state"))["projects"] == before


async def test_a_cluster_comes_changes_and_goes_in_a_new_project(atlas: Atlas) -> None:
    place = {"projectId": ABSENT_PROJECT, "name": "new"}

    made, changed = await atlas.control("clusters", [place, place | {"stateName": "REPAIRING"}])
    gone = await atlas.control("clusters", place | {"remove": True})

    assert (made["stateName"], changed["stateName"]) == ("IDLE", "REPAIRING")
    assert made["id"] == changed["id"]
    assert gone == {"removed": True, "projectId": ABSENT_PROJECT}
