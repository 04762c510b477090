"""Which requests are hit by a fault, and how often."""

from __future__ import annotations

from random import Random

import pytest

from faults.rules import Fault, Faults, Frozen, Match, Refusal, Request, Reset, Stale, status

KIND = "/apis/atlas-endpoints.dev/v1alpha1/serverlessprivateendpoints"
LIST = Request("GET", KIND, many=True)
WATCH = Request("GET", KIND, watching=True, many=True)
GET = Request("GET", f"{KIND}/orders")
PATCH = Request("PATCH", f"{KIND}/orders/status")

MATCHES: dict[str, tuple[Match, list[Request]]] = {
    "everything": (Match(), [LIST, WATCH, GET, PATCH]),
    "lists": (Match("list"), [LIST]),
    "watches": (Match("watch"), [WATCH]),
    "reads of one object": (Match("get"), [GET]),
    "writes": (Match("write"), [PATCH]),
    "a path that is found anywhere": (Match(None, "/orders"), [GET, PATCH]),
    "a path to its end": (Match(None, "/orders$"), [GET]),
    "writes to another path": (Match("write", "/other"), []),
}


@pytest.mark.parametrize(("match", "requests"), MATCHES.values(), ids=MATCHES)
def test_which_requests_match(match: Match, requests: list[Request]) -> None:
    assert [request for request in (LIST, WATCH, GET, PATCH) if match(request)] == requests


@pytest.fixture
def faults() -> Faults:
    return Faults(Random(1))  # noqa: S311  # which requests are hit


def hits(faults: Faults, count: int) -> list[bool]:
    return [faults.take(GET) is not None for _ in range(count)]


def test_without_a_limit_every_request_is_hit_until_it_is_healed(faults: Faults) -> None:
    fault = Fault(Match(), Reset())
    faults.add(fault)
    assert hits(faults, 3) == [True] * 3
    faults.remove(fault)
    assert hits(faults, 1) == [False]
    assert fault.healed.is_set()
    assert fault.hits == 3


def test_some_are_spared_and_then_some_are_hit(faults: Faults) -> None:
    faults.add(Fault(Match(), Reset(), times=2, spared=1))
    assert hits(faults, 5) == [False, True, True, False, False]


def test_a_share_is_hit(faults: Faults) -> None:
    faults.add(Fault(Match(), Reset(), share=0.3))
    assert 250 < sum(hits(faults, 1000)) < 350


def test_of_two_the_one_that_was_added_first_happens(faults: Faults) -> None:
    first, second = Fault(Match("get"), Reset(), times=1), Fault(Match(), Frozen())
    faults.add(first)
    faults.add(second)
    assert [faults.take(LIST), faults.take(GET), faults.take(GET)] == [second, first, second]
    faults.remove(None)
    assert hits(faults, 1) == [False]


def test_a_refusal_explains_itself_as_an_api_server_does() -> None:
    assert status(410, "Expired") | {"message": ""} == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": "",
        "reason": "Expired",
        "code": 410,
    }
    assert '"code": 410' in Refusal(410, "Expired").text
    assert Refusal(200, body="<html>").text == "<html>"


def test_the_past_is_what_was_listed_then() -> None:
    past = Stale({"items": [{"metadata": {"name": "orders"}, "spec": {}}]})
    assert past.answer(LIST) == (200, past.listing)
    assert past.answer(GET) == (200, past.listing["items"][0])
    code, body = past.answer(Request("GET", f"{KIND}/unknown"))
    assert (code, body["reason"]) == (404, "NotFound")
