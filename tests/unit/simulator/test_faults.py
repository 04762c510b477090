"""Faults: what goes wrong, and what has happened all the same."""

import contextlib
from typing import Any

import httpx
import pytest

from unit.simulator.harness import Atlas, collection, endpoint

PATCH = {"method": "PATCH"}


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


async def test_the_first_fault_that_matches_happens_and_the_next_one_when_it_is_used_up(atlas: Atlas) -> None:
    await atlas.token()
    await atlas.control("faults", [{"status": 500, "times": 2}, {"status": 502, "times": 1}])
    await atlas.control("faults", {"status": 503})

    statuses = [(await atlas.call("GET", collection())).status_code for _ in range(4)]

    assert statuses == [500, 500, 502, 503]
    assert [(each["left"], each["hits"]) for each in await atlas.control("faults")] == [(0, 2), (0, 1), (None, 1)]
    assert await atlas.control("faults", method="DELETE") == []
    assert (await atlas.call("GET", collection())).status_code == 200
