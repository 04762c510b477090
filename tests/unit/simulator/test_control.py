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
    assert (
        project["instances"][1]["endpoints"][0].items()
        >= {
            "_id": AZURE_ENDPOINT,
            "projectId": PROJECT,
            "instanceName": "azure",
            "status": "RESERVED",
        }.items()
    )
    assert state["mode"] == "normal"
    assert state["time"] == atlas.clock.now


async def test_the_state_follows_the_clock(atlas: Atlas) -> None:
    await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)
    atlas.clock.advance(2)

    state = await atlas.control("state")

    assert state["projects"][0]["instances"][0]["endpoints"][0]["status"] == "AVAILABLE"


async def test_neither_state_nor_log_ever_shows_a_secret(atlas: Atlas) -> None:
    form = {"grant_type": "client_credentials", "client_secret": "owner-secret"}
    await atlas.http.post("/api/oauth/token", auth=("owner", "owner-secret"), data=form)
    token = await atlas.token()
    await atlas.call("GET", collection())
    await atlas.http.post("/api/oauth/revoke", auth=("owner", "owner-secret"), data={"token": token})
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
    assert (missed["index"], missed["status"], missed["errorCode"], missed["body"]) == (
        2,
        404,
        "TENANT_PRIVATE_ENDPOINT_NOT_FOUND",
        None,
    )


async def test_the_log_shows_a_body_that_is_no_json_as_text(atlas: Atlas) -> None:
    await atlas.call("PATCH", endpoint(), content=b"{oops")

    assert (await atlas.control("requests"))[-1]["body"] == "{oops"


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


async def test_the_control_api_leaves_no_trace_in_the_log(atlas: Atlas) -> None:
    await atlas.control("state")

    assert await atlas.control("requests") == []


async def test_an_index_that_is_no_number_is_refused(atlas: Atlas) -> None:
    answer = await atlas.http.get("/_simulator/requests?since=yesterday")

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("since")


async def test_a_person_may_change_an_endpoint_and_what_is_not_named_stays(atlas: Atlas) -> None:
    await atlas.patch(endpoint(), comment="mine")

    await atlas.control("endpoints", AWS | {"endpoint": {"_id": AWS_ENDPOINT, "status": "AVAILABLE"}})

    shown = await atlas.show(endpoint())
    assert (shown["status"], shown["comment"]) == ("AVAILABLE", "mine")


async def test_null_clears_a_field(atlas: Atlas) -> None:
    await atlas.patch(endpoint(), comment="mine")

    changed = await atlas.control("endpoints", AWS | {"endpoint": {"_id": AWS_ENDPOINT, "comment": None}})

    assert changed["comment"] is None
    assert (await atlas.show(endpoint()))["comment"] is None


async def test_a_person_may_add_an_endpoint_with_or_without_an_id(atlas: Atlas) -> None:
    named = await atlas.control("endpoints", AWS | {"endpoint": {"_id": ABSENT_ENDPOINT, "comment": "x"}})
    unnamed = await atlas.control("endpoints", AWS)

    listed = [each["_id"] for each in (await atlas.call("GET", collection())).json()]
    assert listed == [AWS_ENDPOINT, ABSENT_ENDPOINT, unnamed["_id"]]
    assert named.items() >= {"status": "RESERVED", "comment": "x", "providerName": "AWS", **AWS}.items()
    assert named["endpointServiceName"].startswith("com.amazonaws.vpce.")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"remove": True, "endpoint": {"_id": AWS_ENDPOINT}}, id="beside the endpoint"),
        pytest.param({"endpoint": {"_id": AWS_ENDPOINT, "remove": True}}, id="inside the endpoint"),
    ],
)
async def test_an_endpoint_may_vanish_at_once(atlas: Atlas, change: dict[str, Any]) -> None:
    await atlas.control("endpoints", AWS | change)

    assert (await atlas.call("GET", endpoint())).status_code == 404
    assert (await atlas.call("GET", collection())).json() == []


async def test_removing_what_is_not_there_is_no_error(atlas: Atlas) -> None:
    await atlas.control("endpoints", AWS | {"endpoint": {"_id": ABSENT_ENDPOINT, "remove": True}})


async def test_several_endpoints_are_put_at_once(atlas: Atlas) -> None:
    documents = [AWS | {"endpoint": {"_id": f"{number:024x}"}} for number in range(3)]

    put = await atlas.control("endpoints", documents)

    assert [each["_id"] for each in put] == [f"{number:024x}" for number in range(3)]
    assert len((await atlas.call("GET", collection())).json()) == 4


async def test_thousands_of_endpoints_are_put_at_once(atlas: Atlas) -> None:
    documents = [AWS | {"endpoint": {"_id": f"{number:024x}", "comment": "x" * 80}} for number in range(6000)]

    await atlas.control("endpoints", documents)

    assert len((await atlas.call("GET", collection())).json()) == 6001


async def test_a_status_put_by_hand_stays_until_a_request_moves_it(atlas: Atlas) -> None:
    await atlas.control("endpoints", AWS | {"endpoint": {"_id": AWS_ENDPOINT, "status": "DELETING"}})
    atlas.clock.advance(3000)
    held = (await atlas.show(endpoint()))["status"]

    await atlas.control("endpoints", AWS | {"endpoint": {"_id": AWS_ENDPOINT, "status": "RESERVED"}})
    await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)
    atlas.clock.advance(2)

    assert held == "DELETING"
    assert (await atlas.show(endpoint()))["status"] == "AVAILABLE"


async def test_a_status_put_by_hand_may_move_on_if_told(atlas: Atlas) -> None:
    await atlas.control("endpoints", AWS | {"advance": True, "endpoint": {"_id": AWS_ENDPOINT, "status": "DELETING"}})
    atlas.clock.advance(2)

    assert (await atlas.call("GET", endpoint())).status_code == 404


async def test_a_status_on_its_way_is_overtaken_by_a_hand(atlas: Atlas) -> None:
    await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)
    await atlas.control("endpoints", AWS | {"endpoint": {"_id": AWS_ENDPOINT, "status": "FAILED"}})
    atlas.clock.advance(2)

    shown = await atlas.show(endpoint())
    assert shown["status"] == "FAILED"
    assert VPCE in shown["errorMessage"]


async def test_a_failure_may_have_words_of_its_own_and_ends_with_the_status(atlas: Atlas) -> None:
    failed = {"_id": AWS_ENDPOINT, "status": "FAILED", "errorMessage": "no such thing"}
    first = await atlas.control("endpoints", AWS | {"endpoint": failed})

    healed = await atlas.control("endpoints", AWS | {"endpoint": {"_id": AWS_ENDPOINT, "status": "AVAILABLE"}})

    assert (first["errorMessage"], healed["errorMessage"]) == ("no such thing", None)


async def test_a_status_that_nobody_knows_and_fields_that_nobody_documented_can_be_shown(atlas: Atlas) -> None:
    odd = {"_id": AWS_ENDPOINT, "status": "REBALANCING", "extra": {"region": "US_EAST_1", "tags": []}}

    await atlas.control("endpoints", AWS | {"endpoint": odd})

    shown = await atlas.show(endpoint())
    assert (shown["status"], shown["region"], shown["tags"]) == ("REBALANCING", "US_EAST_1", [])


async def test_a_reservation_that_failed_has_no_service(atlas: Atlas) -> None:
    document = {"_id": ABSENT_ENDPOINT, "status": "FAILED", "endpointServiceName": None}

    put = await atlas.control("endpoints", AWS | {"endpoint": document})

    assert put["endpointServiceName"] is None
    assert "reserve" in put["errorMessage"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param({"projectId": ABSENT_PROJECT, "instanceName": "aws"}, "has no instance aws", id="no such project"),
        pytest.param(AWS | {"instanceName": "none"}, "has no instance none", id="no such instance"),
        pytest.param({"instanceName": "aws"}, "0.projectId", id="no project"),
        pytest.param(AWS | {"endpoint": {"_id": "xyz"}}, "0.endpoint._id", id="no id"),
        pytest.param(AWS | {"endpoint": {"commment": "x"}}, "0.endpoint.commment", id="a slip of the pen"),
        pytest.param(AWS | {"endpoint": []}, "0.endpoint", id="a list as an endpoint"),
        pytest.param("aws", "endpoints: 0", id="text"),
    ],
)
async def test_a_bad_endpoint_is_refused_with_the_field(atlas: Atlas, change: Any, complaint: str) -> None:
    assert complaint in await atlas.refused("endpoints", change)


async def test_a_body_that_is_no_json_is_refused(atlas: Atlas) -> None:
    answer = await atlas.http.post("/_simulator/mode", content=b"gone")

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("body is not JSON")


async def test_an_instance_can_be_added_and_removed(atlas: Atlas) -> None:
    before = await atlas.call("GET", collection("new"))
    await atlas.control("instances", {"projectId": PROJECT, "name": "new", "providerName": "AZURE"})
    between = await atlas.call("GET", collection("new"))
    await atlas.control("instances", {"projectId": PROJECT, "name": "new", "remove": True})

    assert (before.status_code, between.status_code, between.json()) == (404, 200, [])
    assert (await atlas.call("GET", collection("new"))).status_code == 404


async def test_adding_an_instance_again_keeps_its_endpoints(atlas: Atlas) -> None:
    await atlas.control("instances", {"projectId": PROJECT, "name": "aws"})

    assert len((await atlas.call("GET", collection())).json()) == 1


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


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        pytest.param({"serviceAccounts": [{"clientId": "a"}]}, "clientSecret or clientSecrets", id="no secret"),
        pytest.param({"apiKeys": [{"publicKey": "a"}]}, "apiKeys.0.privateKey", id="no private key"),
        pytest.param(
            {"apiKeys": [{"publicKey": "a", "privateKey": "b", "roles": {"*": "ORG_OWNER"}}]},
            "apiKeys.0.roles.*",
            id="an unknown role",
        ),
        pytest.param(
            {"apiKeys": [{"publicKey": "a", "privateKey": "b", "accessList": ["10.0.0.1/8"]}]},
            "apiKeys.0.accessList.0",
            id="no network",
        ),
    ],
)
async def test_bad_credentials_are_refused_with_the_field(atlas: Atlas, change: Any, complaint: str) -> None:
    assert complaint in await atlas.refused("credentials", change)
