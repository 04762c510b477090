"""Faults: what goes wrong, and what has happened all the same."""

import asyncio
import contextlib
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from unit.simulator.harness import ABSENT_ENDPOINT, ACCEPT, OTHER_PROJECT, Atlas, collection, endpoint, services, until

PATCH = {"method": "PATCH"}


async def test_a_fault_may_name_its_error_code_and_header_fields(atlas: Atlas) -> None:
    await atlas.token()
    await atlas.control("faults", {"status": 429, "errorCode": "RATE_LIMITED", "headers": {"Retry-After": "7"}})

    answer = await atlas.call("GET", collection())

    assert (answer.status_code, answer.json()["errorCode"], answer.headers["Retry-After"]) == (429, "RATE_LIMITED", "7")


@pytest.mark.parametrize(
    ("body", "content", "content_type"),
    [
        pytest.param("<html>Bad Gateway</html>", b"<html>Bad Gateway</html>", "text/html", id="HTML"),
        pytest.param('{"cut', b'{"cut', "application/json", id="half a JSON document"),
        pytest.param("", b"", "application/json", id="nothing"),
        pytest.param({"error": "invalid_client"}, b'{"error":"invalid_client"}', "application/json", id="an object"),
        pytest.param([1], b"[1]", "application/json", id="an array"),
    ],
)
async def test_the_body_is_sent_as_given(atlas: Atlas, body: Any, content: bytes, content_type: str) -> None:
    await atlas.control("faults", {"status": 502, "body": body})

    answer = await atlas.http.get(collection())

    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (502, content, content_type)


async def test_below_400_there_is_no_body(atlas: Atlas) -> None:
    await atlas.control("faults", {"status": 302, "headers": {"Location": "http://192.0.2.1/"}})

    redirect = await atlas.http.post(collection())

    assert (redirect.status_code, redirect.headers["Location"], redirect.content) == (302, "http://192.0.2.1/", b"")


async def test_a_status_that_nobody_knows_can_be_answered(atlas: Atlas) -> None:
    await atlas.control("faults", {"status": 599})

    answer = await atlas.http.get(collection())

    assert (answer.status_code, answer.json()["reason"]) == (599, "Unknown")


async def test_the_content_type_may_be_another(atlas: Atlas) -> None:
    await atlas.control("faults", {"status": 200, "body": "[]", "headers": {"content-type": "text/plain"}})

    assert (await atlas.http.get(collection())).headers.get_list("Content-Type") == ["text/plain"]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param({"status": 200, "body": "[]", "headers": {"Content-Length": "99"}}, id="a body that is cut short"),
        pytest.param(
            {"status": 200, "body": "zz", "headers": {"Transfer-Encoding": "chunked"}}, id="chunks of garbage"
        ),
        pytest.param({"raw": "HTTP/1.1 OK\r\n\r\n"}, id="a status line of garbage"),
        pytest.param({"raw": ""}, id="nothing at all"),
    ],
)
async def test_a_client_may_get_no_whole_answer(atlas: Atlas, fault: dict[str, Any]) -> None:
    await atlas.token()
    await atlas.control("faults", fault)

    with pytest.raises(httpx.RemoteProtocolError):
        await atlas.patch(endpoint(), comment="new")

    await atlas.control("faults", method="DELETE")
    assert (await atlas.show(endpoint()))["comment"] is None


@pytest.mark.parametrize(
    ("fault", "status", "comments"),
    [
        pytest.param({"status": 503}, 503, [None, None], id="answered with an error and not applied"),
        pytest.param({"status": 500, "apply": True}, 500, ["new", "new"], id="answered with an error and applied"),
        pytest.param({"drop": "before"}, None, [None, None], id="dropped before it is applied"),
        pytest.param({"drop": "after"}, None, ["new", "new"], id="dropped after it was applied"),
        pytest.param({"drop": "after", "applyAfter": 30}, None, [None, "new"], id="dropped and applied later"),
    ],
)
async def test_a_write_is(atlas: Atlas, fault: dict[str, Any], status: int | None, comments: list[str | None]) -> None:
    await atlas.token()
    await atlas.control("faults", {"match": PATCH, **fault})
    answer = None
    with contextlib.suppress(httpx.RemoteProtocolError):
        answer = await atlas.patch(endpoint(), comment="new")
    seen = [(await atlas.show(endpoint()))["comment"]]
    atlas.clock.advance(30)
    seen.append((await atlas.show(endpoint()))["comment"])

    assert (answer.status_code if answer else None, seen) == (status, comments)
    if answer:
        assert answer.headers["X-Error-Code"] == answer.json()["errorCode"]


async def test_a_late_write_to_an_endpoint_that_is_gone_by_then_changes_nothing(atlas: Atlas) -> None:
    await _dropped(atlas, {"match": PATCH, "drop": "after", "applyAfter": 30})
    await atlas.call("DELETE", endpoint())
    atlas.clock.advance(30)

    assert (await atlas.call("GET", endpoint())).status_code == 404


async def test_a_request_that_is_refused_anyway_is_answered_and_does_not_use_up_the_fault(atlas: Atlas) -> None:
    await atlas.control("faults", {"match": PATCH, "drop": "after", "times": 1})

    unsigned = await atlas.http.patch(endpoint(), json={}, headers={"Accept": ACCEPT})
    missing = await atlas.patch(endpoint(endpoint_id=ABSENT_ENDPOINT), comment="new")
    with pytest.raises(httpx.RemoteProtocolError):
        await atlas.patch(endpoint(), comment="new")

    assert (unsigned.status_code, missing.status_code) == (401, 404)


async def test_the_first_fault_that_matches_happens_and_the_next_one_when_it_is_used_up(atlas: Atlas) -> None:
    await atlas.token()
    await atlas.control("faults", [{"status": 500, "times": 2}, {"status": 502, "times": 1}])
    await atlas.control("faults", {"status": 503})

    statuses = [(await atlas.call("GET", collection())).status_code for _ in range(4)]

    assert statuses == [500, 500, 502, 503]
    assert [(each["left"], each["hits"]) for each in await atlas.control("faults")] == [(0, 2), (0, 1), (None, 1)]
    assert await atlas.control("faults", method="DELETE") == []
    assert (await atlas.call("GET", collection())).status_code == 200


@pytest.mark.parametrize(
    ("match", "hit"),
    [
        pytest.param({}, True, id="an empty match"),
        pytest.param({"method": "GET"}, True, id="the method"),
        pytest.param({"method": "get"}, True, id="the method in small letters"),
        pytest.param({"method": "PATCH"}, False, id="another method"),
        pytest.param({"path": "serverless/instance/aws/"}, True, id="a part of the path"),
        pytest.param({"path": "^/api/oauth/"}, False, id="another path"),
        pytest.param({"method": "GET", "path": "/azure/"}, False, id="the method on another path"),
    ],
)
async def test_a_fault_concerns_what_it_matches(atlas: Atlas, match: dict[str, str], hit: bool) -> None:
    await atlas.token()
    await atlas.control("faults", {"match": match, "status": 503})

    answer = await atlas.call("GET", collection())

    assert (answer.status_code == 503) == hit


async def test_faults_never_hit_the_control_api(atlas: Atlas) -> None:
    await atlas.control("faults", {"drop": "before"})

    assert (await atlas.control("mode"))["mode"] == "normal"


async def test_faults_of_one_pattern_can_be_cleared_alone(atlas: Atlas) -> None:
    one, other = "/groups/.*/endpoint$", "/groups/.*/endpoint/"
    await atlas.control("faults", [{"status": 503, "match": {"path": path}} for path in (one, other, one)])

    left = await atlas.control(f"faults?path={quote(one)}", method="DELETE")

    assert [each["match"] for each in left] == [{"path": other}]
    assert (await atlas.call("GET", collection())).status_code == 200


async def test_a_delay_alone_only_delays(atlas: Atlas) -> None:
    await atlas.token()
    await atlas.control("faults", {"delay": 0.05, "match": PATCH})
    loop = asyncio.get_running_loop()
    began = loop.time()

    answer = await atlas.patch(endpoint(), comment="new")

    assert loop.time() - began >= 0.05
    assert answer.json()["comment"] == "new"


async def test_a_write_whose_client_gave_up_waiting_is_applied_all_the_same(atlas: Atlas) -> None:
    await atlas.token()
    await atlas.control("faults", {"delay": 0.3, "match": PATCH})

    with pytest.raises(httpx.ReadTimeout):
        await atlas.call("PATCH", endpoint(), json={"providerName": "AWS", "comment": "new"}, timeout=0.1)

    async def applied() -> bool:
        return bool((await atlas.show(endpoint()))["comment"] == "new")

    await until(applied)


async def test_a_request_that_waits_holds_up_no_other(atlas: Atlas) -> None:
    await atlas.token()
    await atlas.control("faults", {"delay": 30, "match": PATCH})
    waiting = asyncio.create_task(atlas.patch(endpoint(), comment="new"))

    async def arrived() -> bool:
        return any(entry["method"] == "PATCH" for entry in await atlas.control("requests"))

    await until(arrived)

    answer = await atlas.call("GET", collection())
    waiting.cancel()

    assert answer.status_code == 200


async def _dropped(atlas: Atlas, fault: dict[str, Any]) -> None:
    await atlas.token()
    await atlas.control("faults", fault)
    with pytest.raises(httpx.RemoteProtocolError):
        await atlas.patch(endpoint(), comment="new")


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ({"drop": "before"}, []),
        ({"drop": "after"}, ["INITIATING"]),
        ({"status": 500, "apply": True}, ["INITIATING"]),
        ({"status": 409, "errorCode": "PRIVATELINK_ENDPOINT_SERVICE_ALREADY_EXISTS_FOR_REGION"}, []),
    ],
)
async def test_a_new_service_meets_the_same_faults(atlas: Atlas, fault: dict[str, Any], outcome: list[str]) -> None:
    await atlas.token()
    await atlas.control("faults", {"match": {"method": "POST", "path": "/endpointService$"}, **fault})
    path = f"/api/atlas/v2/groups/{OTHER_PROJECT}/privateEndpoint/endpointService"
    with contextlib.suppress(httpx.RemoteProtocolError):
        await atlas.call("POST", path, who="everywhere", json={"providerName": "AWS", "region": "us-east-1"})

    listed = await atlas.call("GET", services(project=OTHER_PROJECT), who="everywhere")
    assert [each["status"] for each in listed.json()] == outcome
