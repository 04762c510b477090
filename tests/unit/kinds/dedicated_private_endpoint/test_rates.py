"""How often a resource calls Atlas, and how often its status is written, in states that last: the rows of ``rates.yaml``."""

from __future__ import annotations

import asyncio
import json
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from behaviour.atlas import name_of
from behaviour.cases import filled, play, seconds
from behaviour.dedicated import CONSTANTS, DedicatedSteps
from support.virtual_time import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.controller.cache import Body

FIRST_HOUR, LATER = 90, 72
"""Calls in the first hour of a state, and in a later one."""

LASTING: Mapping[str, Any] = yaml.safe_load(Path(__file__).with_name("rates.yaml").read_text("utf-8"))
STATES: Mapping[str, Sequence[Any]] = filled(LASTING["states"], CONSTANTS)
ANSWERS: Mapping[str, tuple[int, str] | tuple[int, str, str]] = {
    "500": (500, '{"error": 500, "errorCode": "UNEXPECTED_ERROR", "detail": "Sorry."}'),
    "405 during an upgrade": (405, '{"error": 405, "errorCode": "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES"}'),
    "404 in HTML": (404, "<html>"),
    "404 with a code that nobody knows": (404, '{"error": 404, "errorCode": "WHO_KNOWS"}'),
    "302": (302, ""),
    "401 in HTML": (401, "<html>"),
    "415": (415, '{"error": 415}'),
    "403 without a code": (403, ""),
    "403": (403, '{"error": 403, "errorCode": "USER_UNAUTHORIZED"}'),
    "400": (400, '{"error": 400, "errorCode": "INVALID_ATTRIBUTE", "detail": "No."}'),
    "409 exists": (409, '{"error": 409, "errorCode": "PRIVATE_ENDPOINT_ALREADY_EXISTS", "detail": "No."}'),
    "429": (429, '{"error": 429, "errorCode": "RATE_LIMITED", "detail": "Slowly."}'),
    "429 for a second": (429, '{"error": 429, "errorCode": "RATE_LIMITED", "detail": "Slowly."}', "1"),
    "429 for a minute": (429, '{"error": 429, "errorCode": "RATE_LIMITED", "detail": "Slowly."}', "60"),
    "503 for a second": (503, '{"error": 503, "errorCode": "SERVICE_UNAVAILABLE"}', "1"),
    "503 for a minute": (503, '{"error": 503, "errorCode": "SERVICE_UNAVAILABLE"}', "60"),
    "404 of the endpoint": (404, '{"error": 404, "errorCode": "PRIVATE_ENDPOINT_NOT_FOUND"}'),
}
"""What Atlas answers for ever: the HTTP status, the body, and ``Retry-After``."""

CALLS: Mapping[str, Sequence[Sequence[Any]]] = filled(LASTING["calls"], CONSTANTS)
"""The steps after which a call is refused, and those that lead to the call."""


class Counted(DedicatedSteps):
    """Counts calls."""

    def answer(self, refusal: Sequence[str], _: str) -> None:
        """Give one answer to a call for ever, or some in turn."""
        call, answers = refusal[0], cycle(ANSWERS[each] for each in refusal[1:])

        def refuses(request: Request) -> None:
            if call == name_of(request):
                status, body, *named = next(answers)
                raise self.atlas.refusal(request, status, body.encode(), retry_after=named[0] if named else None)

        self.atlas.before = refuses

    def each(self, steps: Sequence[Mapping[str, Any]], time: str) -> None:
        """Do the steps again and again."""

        async def again() -> None:
            while True:
                await asyncio.sleep(seconds(time))
                await play(self, steps)

        self.process.tasks.append(asyncio.create_task(again()))

    async def rates(self, resources: int, _: str) -> None:
        """Check the rates in three hours; ``resources`` share the calls of one."""
        for calls in (FIRST_HOUR, LATER, LATER):
            self.clear(None, "")
            await self.run("1h", "")
            found = {name: self.atlas.calls.count(name) for name in sorted(set(self.atlas.calls))}
            told = found, json.dumps(self.bodies.get("db", {}).get("status"))
            assert len(self.atlas.calls) <= calls * resources, told


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@on_virtual_time
async def test_rate_in_a_lasting_state(state: Sequence[Any]) -> None:
    await Counted().do([*state, {"rates": 1}])


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("call", CALLS)
@on_virtual_time
async def test_rate_whatever_atlas_answers(call: str, answer: str) -> None:
    before, after = CALLS[call]
    await Counted().do([*before, {"answer": [call, answer]}, *after, {"rates": 1}])


@pytest.mark.parametrize("first", ["409 exists", "400", "429"])
@on_virtual_time
async def test_two_refusals_in_turn_cost_no_more_calls_than_one(first: str) -> None:
    before, after = CALLS["POST endpoint"]
    await Counted().do([*before, {"answer": ["POST endpoint", first, "500"]}, *after, {"rates": 1}])


@pytest.mark.parametrize(
    "answers", [("500", "429"), ("404 of the endpoint", "429"), ("404 of the endpoint", "429", "500")], ids=", ".join
)
@pytest.mark.parametrize("call", ["DELETE endpoint", "DELETE service"])
@on_virtual_time
async def test_answers_in_turn_to_a_delete_cost_no_more_than_one(call: str, answers: Sequence[str]) -> None:
    before, after = CALLS[call]
    await Counted().do([*before, {"answer": [call, *answers]}, *after, {"rates": 1}])


@on_virtual_time
async def test_a_list_that_shows_what_no_get_shows_costs_little_also_if_gets_fail_in_turn() -> None:
    answer = {"answer": ["GET endpoint", "404 of the endpoint", "500"]}
    await Counted().do([answer, *STATES["a LIST that shows what no GET shows"], {"rates": 1}])


@on_virtual_time
async def test_a_service_with_another_id_in_each_list_costs_little() -> None:
    shown = {"id": "#", "cloudProvider": "AWS", "regionName": "EU_WEST_1", "status": "AVAILABLE"}
    spec = {"providerName": "AWS", "region": "eu-west-1", "cloudProviderEndpointId": CONSTANTS["VPCE"]}
    await Counted().do([{"create": spec}, {"turns": {"LIST": [[shown]]}}, {"rates": 1}])


@on_virtual_time
async def test_twenty_that_wait_for_one_service_cost_as_much_as_five() -> None:
    spec = {"providerName": "AWS", "region": "eu-west-1"}
    made = [{f"create r{n}": {**spec, "cloudProviderEndpointId": f"vpce-{n:017x}"}} for n in range(20)]
    await Counted().do([{"answer": ["POST service", "500"]}, *made, {"rates": 5}])


@on_virtual_time
async def test_three_whose_regions_are_refused_cost_no_more_while_another_one_lists() -> None:
    spec = {"providerName": "AWS", "region": "eu-west-1", "supportedRemoteRegions": ["us-east-1"]}
    ids = [f"vpce-{n:017x}" for n in range(3)]
    slow = {"service": {"endpoints": [{"id": each, "status": "PENDING", "advance": False} for each in ids]}}
    others = {"service": {"regionName": "US_WEST_1", "status": "INITIATING", "advance": False}}
    made = [{f"create r{n}": {**spec, "cloudProviderEndpointId": each}} for n, each in enumerate(ids)]
    waits = {"create other": {"providerName": "AWS", "region": "us-west-1"}}
    await Counted().do([slow, others, {"answer": ["PATCH service", "400"]}, *made, waits, {"rates": 4}])


@on_virtual_time
async def test_three_whose_service_is_refused_cost_as_much_as_three_alone() -> None:
    spec = {"providerName": "AWS", "region": "eu-west-1"}
    made = [{f"create r{n}": {**spec, "cloudProviderEndpointId": f"vpce-{n:017x}"}} for n in range(3)]
    refused = {"call": "POST service", "error": 401, "errorCode": "UNAUTHORIZED"}
    await Counted().do([{"refuse": refused}, *made, {"rates": 3}])


@pytest.mark.parametrize("answer", ["429", "429 for a second", "503 for a second"])
@pytest.mark.parametrize("call", ["GET service", "PATCH service", "POST endpoint"])
@on_virtual_time
async def test_three_of_which_one_call_is_limited_cost_no_more_than_three_alone(call: str, answer: str) -> None:
    """Each of them holds the others again and again, while the LISTs of all succeed."""
    spec = {"providerName": "AWS", "region": "eu-west-1", "supportedRemoteRegions": ["us-east-1"]}
    made = [{f"create r{n}": {**spec, "cloudProviderEndpointId": f"vpce-{n:017x}"}} for n in range(3)]
    await Counted().do([{"service": {}}, {"answer": [call, answer]}, *made, {"rates": 3}])


@on_virtual_time
async def test_a_finalizer_that_somebody_removes_each_time_is_written_twice_a_minute() -> None:
    actions, changes, is_there = Counted(), 0, False

    def strip(body: Body) -> None:
        nonlocal changes, is_there
        if body["metadata"].get("finalizers") and not is_there:
            changes, is_there = changes + 1, True
            asyncio.get_running_loop().call_later(0.01, removed)

    def removed() -> None:
        nonlocal is_there
        is_there = False
        actions.cluster.objects[actions.cluster.key("db")]["metadata"]["finalizers"] = []
        actions.cluster.label("db", stripped=str(changes))

    actions.cluster.changed = strip
    spec = {"providerName": "AWS", "region": "eu-west-1", "deletionPolicy": "Delete"}
    await actions.do([{"create": spec, "run": "10m"}])
    assert changes <= 22


@on_virtual_time
async def test_two_that_share_a_service_that_somebody_deletes_in_each_interval_create_it_once_an_hour() -> None:
    spec = {"providerName": "AWS", "region": "eu-west-1", "supportedRemoteRegions": ["us-east-1"]}
    made = [{f"create r{n}": {**spec, "cloudProviderEndpointId": f"vpce-{n:017x}"}} for n in range(2)]
    deletes = {"each 10m": [{"service": {"remove": True}}]}
    hour = {"clear": None, "run": "1h", "expect r0": {"calls": {"POST service": "<= 1"}}}
    await Counted().do([*made, {"run": "5m"}, deletes, hour, hour, {"rates": 2}])
