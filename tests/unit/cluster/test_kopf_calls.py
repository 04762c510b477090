"""How often kopf may ask, and what is measured of its calls: on a real socket."""

from collections.abc import AsyncIterator
from types import SimpleNamespace

import aiohttp
import pytest

from atlas_endpoints.cluster import kopf_calls
from atlas_endpoints.cluster.kopf_calls import PACE, KopfCalls
from unit.cluster.api_server import CRDS, PLURAL, RESOURCES, Answer, ApiServer

LIST = f"{RESOURCES}/{PLURAL}"
WATCH = f"{LIST}?watch=true"
ELSEWHERE = f"{RESOURCES}/namespaces/shop/{PLURAL}?watch=true"
CRDS_WATCH = f"{CRDS}?watch=true"


class Harness:
    """A session such as kopf gets, of a server that answers with a status; only pauses move the clock."""

    def __init__(self, server: ApiServer) -> None:
        self.server = server
        self.status = 200
        self.now = 100.0
        self.slept: list[float] = []
        self.lists = 0
        self.calls = KopfCalls(lambda: self.now)
        self.calls.relisted = {PLURAL: self.relisted}
        self.session = aiohttp.ClientSession(middlewares=[self.calls])

    async def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.slept.append(seconds)
            self.now += seconds

    def relisted(self) -> None:
        self.lists += 1

    async def ask(self, *paths: str) -> None:
        for path in paths:
            self.server.answers.append(Answer(self.status, '{"items": []}'))
            async with self.session.get(f"{self.server.url}{path}") as response:
                assert (response.status, await response.read()) == (self.status, b'{"items": []}'), (
                    "no answer is changed"
                )


@pytest.fixture
async def harness(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Harness]:
    harness = Harness(server)
    monkeypatch.setattr(kopf_calls, "asyncio", SimpleNamespace(sleep=harness.sleep))
    async with harness.session:
        yield harness


async def test_watches_that_end_at_once_are_paced_also_when_refused(harness: Harness) -> None:
    await harness.ask(WATCH, WATCH, LIST, LIST, WATCH, ELSEWHERE)
    assert harness.slept == [PACE] * 2, "LISTs and another watch do not wait for this one"
    harness.now += PACE / 4
    harness.status = 410
    await harness.ask(WATCH, WATCH)
    assert harness.slept[2:] == [PACE * 3 / 4, PACE], "it counts from the beginning of the last one"


async def test_a_429_is_a_connection_error_for_kopf(harness: Harness) -> None:
    harness.status = 429
    for path in (LIST, WATCH):
        with pytest.raises(aiohttp.ClientConnectionError):
            await harness.ask(path)


async def test_a_list_of_the_kind_is_reported_if_it_has_arrived_and_not_for_each_of_its_pages(harness: Harness) -> None:
    await harness.ask(CRDS, WATCH)
    assert harness.lists == 0
    await harness.ask(f"{LIST}?limit=100", f"{LIST}?limit=100&continue=abc", ELSEWHERE.partition("?")[0])
    assert harness.lists == 2
    harness.status = 503
    await harness.ask(LIST)
    assert harness.lists == 2


async def test_rights_that_go_or_come_are_reported_once_and_leave_no_watch_to_grow_old(harness: Harness) -> None:
    await harness.ask(WATCH, ELSEWHERE)
    harness.status = 403
    await harness.ask(WATCH, WATCH, WATCH)
    assert harness.lists == 1
    harness.now += 300
    harness.status = 200
    await harness.ask(ELSEWHERE)
    assert harness.calls.watch_age() == 0
    await harness.ask(WATCH, WATCH)
    assert harness.lists == 2
    harness.status = 403
    await harness.ask(WATCH, ELSEWHERE)
    harness.now += 300
    assert harness.calls.watch_age() == 0, "all are forbidden"
    harness.status = 200
    await harness.ask(LIST)
    assert harness.calls.watch_age() == 0, "the watch is about to begin"


async def test_the_age_is_that_of_the_oldest_current_watch(harness: Harness) -> None:
    harness.now += 10
    harness.status = 503
    await harness.ask(WATCH, CRDS_WATCH)
    assert harness.calls.watch_age() == 10 + sum(harness.slept), "without a watch the age grows"
    harness.status = 200
    await harness.ask(WATCH, ELSEWHERE)
    harness.now += 30
    await harness.ask(ELSEWHERE)
    assert harness.calls.watch_age() == 30
    await harness.ask(WATCH)
    assert harness.calls.watch_age() == 0
