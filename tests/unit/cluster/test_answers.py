"""What kopf is told instead of what it would end the process for: on a real socket, with kopf itself."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from atlas_endpoints.cluster import answers
from atlas_endpoints.cluster.answers import Answer, Forbearance
from atlas_endpoints.cluster.stream import BEGIN_ANEW, Event
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND

GROUP, VERSION, _, PLURAL = KIND.names

LIST = f"/apis/{GROUP}/{VERSION}/{PLURAL}"
WATCH = f"{LIST}?watch=true"
EVENT = json.dumps({"type": "MODIFIED", "object": {"metadata": {"name": "a"}}}).encode() + b"\n"
ERROR = json.dumps({"type": "ERROR", "object": {"kind": "Status", "code": 500}}).encode() + b"\n"


@dataclass
class Harness:
    """A server that says what it is told to, and a session such as kopf gets."""

    status: int = 200
    body: bytes = b"{}"
    content_type: str = "application/json"
    pages: dict[str, str] = field(default_factory=dict)
    """What is said with status 200 instead, by the page that is asked for; the first one is ``""``."""
    asked: list[dict[str, str]] = field(default_factory=list)
    base: str = ""
    clock: Callable[[], float] = lambda: 90.0
    forbearance: Forbearance = field(init=False)
    session: aiohttp.ClientSession = field(init=False)

    def time(self) -> float:
        return self.clock()

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(dict(request.query))
        page = self.pages.get(request.query.get("continue", ""))
        if page is not None:
            return web.Response(text=page, content_type=self.content_type)
        return web.Response(status=self.status, body=self.body, content_type=self.content_type)

    async def lines(self, path: str = WATCH) -> list[bytes]:
        """Watch, and give what kopf would read."""
        async with self.session.get(f"{self.base}{path}") as response:
            assert response.status == 200
            text = b"".join([piece async for piece in response.content.iter_chunked(1024)])
        return text.splitlines(keepends=True)


@pytest.fixture
async def harness(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Harness]:
    monkeypatch.setattr(answers, "PACE", 0.0)
    harness = Harness()
    app = web.Application()
    app.router.add_get("/{path:.*}", harness.handle)
    async with TestServer(app) as server:
        harness.base = str(server.make_url("")).rstrip("/")
        harness.forbearance = Forbearance(harness.time)
        harness.forbearance.plural = PLURAL
        harness.clock = asyncio.get_running_loop().time
        async with aiohttp.ClientSession(middlewares=[harness.forbearance], response_class=Answer) as session:
            harness.session = session
            yield harness


STREAMS: dict[str, tuple[bytes, list[bytes]]] = {
    "events go on as they are": (EVENT + EVENT, [EVENT, EVENT]),
    "an event of many lines' length too": (
        json.dumps({"type": "ADDED", "object": {"x": "y" * 5000}}).encode() + b"\n",
        [json.dumps({"type": "ADDED", "object": {"x": "y" * 5000}}).encode() + b"\n"],
    ),
    "nothing at all is the end": (b"", []),
    "an empty line is passed on": (EVENT + b"\n", [EVENT, b"\n"]),
    "any error begins anew": (EVENT + ERROR + EVENT, [EVENT, BEGIN_ANEW]),
    "half an event begins anew": (EVENT + EVENT[:20], [EVENT, BEGIN_ANEW]),
    "a page of a proxy begins anew": (b"<html>\n<body>", [BEGIN_ANEW]),
    "what is no object begins anew": (b"[]\n", [BEGIN_ANEW]),
    "an event without an object begins anew": (b'{"type": "ADDED"}\n', [BEGIN_ANEW]),
    "an event without a type begins anew": (b'{"object": {}}\n', [BEGIN_ANEW]),
    "an object whose metadata are none begins anew": (
        b'{"type": "BOOKMARK", "object": {"metadata": []}}\n',
        [BEGIN_ANEW],
    ),
}


@pytest.mark.parametrize(("said", "read"), STREAMS.values(), ids=STREAMS)
async def test_what_a_watch_says(harness: Harness, said: bytes, read: list[bytes]) -> None:
    harness.body = said
    assert await harness.lines() == read


def happened(type_: str, version: int, **metadata: str) -> Event:
    return {"type": type_, "object": {"metadata": {"name": "a", "resourceVersion": str(version), **metadata}}}


def said(*events: Event) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def read_of(line: bytes) -> tuple[str, str]:
    """Give what matters to kopf of an event that it keeps to itself."""
    event = json.loads(line)
    return event["type"], event["object"]["metadata"]["resourceVersion"]


def has_pages(harness: Harness, count: int) -> list[dict[str, Any]]:
    """Have a LIST come in so many pages, and give what it holds."""
    items = [{"metadata": {"name": str(number)}} for number in range(count)]
    for number, item in enumerate(items):
        following = {"continue": f"page {number + 1}"} if item is not items[-1] else {}
        metadata = {"resourceVersion": "7", **following}
        harness.pages[f"page {number}" if number else ""] = json.dumps({"items": [item], "metadata": metadata})
    return items


class TestTakingOurObjects:
    async def test_of_what_has_happened_kopf_reads_only_how_far_the_stream_has_come(self, harness: Harness) -> None:
        events = [happened("ADDED", 3), happened("MODIFIED", 4), happened("DELETED", 5)]
        taken: list[Event] = []
        harness.forbearance.take = taken.append
        harness.body = said(*events)
        assert [read_of(line) for line in await harness.lines()] == [("BOOKMARK", str(n)) for n in (3, 4, 5)]
        assert taken == events

    async def test_a_bookmark_is_kopfs(self, harness: Harness) -> None:
        taken: list[Event] = []
        harness.forbearance.take = taken.append
        harness.body = said(happened("BOOKMARK", 9))
        assert await harness.lines() == [harness.body]
        assert taken == []

    async def test_what_happens_in_a_way_that_nobody_knows_is_kopfs(self, harness: Harness) -> None:
        """Which takes no notice of it."""
        taken: list[Event] = []
        harness.forbearance.take = taken.append
        harness.body = said(happened("RENAMED", 9))
        assert await harness.lines() == [harness.body]
        assert taken == []

    async def test_what_comes_before_an_error_is_taken(self, harness: Harness) -> None:
        taken: list[Event] = []
        harness.forbearance.take = taken.append
        harness.body = said(happened("ADDED", 3)) + ERROR
        assert (await harness.lines())[1:] == [BEGIN_ANEW]
        assert taken == [happened("ADDED", 3)]

    async def test_one_that_cannot_be_taken_in_does_not_hold_up_the_next(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        taken: list[str] = []
        harness.forbearance.take = lambda event: taken.append(event["object"]["metadata"]["uid"])
        harness.body = said(happened("ADDED", 3), happened("ADDED", 4, uid="second"))
        assert [read_of(line)[1] for line in await harness.lines()] == ["3", "4"]
        assert taken == ["second"]
        assert "could not be taken in" in caplog.text

    async def test_a_list_is_read_by_pages_of_which_kopf_gets_the_version(self, harness: Harness) -> None:
        items = has_pages(harness, 3)
        taken: list[Event | str] = []
        harness.forbearance.take = taken.append
        harness.forbearance.relisted = lambda: taken.append("relisted")
        async with harness.session.get(f"{harness.base}{LIST}?labelSelector=team%3Dblue") as response:
            assert await response.json() == {"items": [], "metadata": {"resourceVersion": "7"}}
        assert taken == [*({"type": None, "object": item} for item in items), "relisted"]
        asked = {"limit": str(answers.AT_ONCE), "labelSelector": "team=blue"}
        assert harness.asked == [asked, {**asked, "continue": "page 1"}, {**asked, "continue": "page 2"}]

    async def test_a_page_that_has_expired_looks_like_a_broken_connection(self, harness: Harness) -> None:
        harness.status = 410
        harness.pages[""] = json.dumps({"items": [], "metadata": {"resourceVersion": "7", "continue": "old"}})
        harness.forbearance.take = lambda _: None
        with pytest.raises(aiohttp.ClientConnectionError):
            await harness.session.get(f"{harness.base}{LIST}")
        assert [each.get("continue") for each in harness.asked] == [None, "old"]

    @pytest.mark.parametrize("body", [b"{}", b'{"items": null}', b'{"items": [], "metadata": {}}'])
    async def test_a_list_without_items_holds_nothing(self, harness: Harness, body: bytes) -> None:
        taken: list[Event | str] = []
        harness.forbearance.take = taken.append
        harness.forbearance.relisted = lambda: taken.append("relisted")
        harness.body = body
        async with harness.session.get(f"{harness.base}{LIST}") as response:
            assert (await response.json())["items"] == []
        assert taken == ["relisted"]

    async def test_other_kinds_are_kopfs(self, harness: Harness) -> None:
        taken: list[Event] = []
        harness.forbearance.take = taken.append
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        harness.body = said(happened("ADDED", 3))
        assert await harness.lines(f"{crds}?watch=true") == [harness.body]
        harness.body = b'{"items": [{"metadata": {"name": "a"}}]}'
        async with harness.session.get(f"{harness.base}{crds}") as response:
            assert len((await response.json())["items"]) == 1
        assert taken == []


@pytest.mark.parametrize("status", [404, 410])
async def test_a_watch_that_cannot_go_on_begins_anew(harness: Harness, status: int) -> None:
    harness.status = status
    assert await harness.lines() == [BEGIN_ANEW]


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
async def test_what_kopf_can_bear_is_left_to_it(harness: Harness, status: int) -> None:
    harness.status = status
    for path in (WATCH, LIST):
        async with harness.session.get(f"{harness.base}{path}") as response:
            assert response.status == status


@pytest.mark.parametrize("status", [400, 406, 408, 421])
async def test_of_what_kopf_cannot_bear_people_hear_once(
    harness: Harness, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    for again in (1, 2):
        harness.status = status
        for _ in range(3):
            assert await harness.lines() == [BEGIN_ANEW]
            with pytest.raises(aiohttp.ClientConnectionError):
                await harness.session.get(f"{harness.base}{LIST}")
        assert [record.getMessage() for record in caplog.records] == again * [
            f"The API server refuses {verb} {PLURAL} (HTTP {status}); it is tried again until it does not"
            for verb in ("WATCH", "LIST")
        ]
        harness.status = 200
        await harness.lines()
        await harness.session.get(f"{harness.base}{LIST}")


UNREADABLE: dict[str, dict[str, Any]] = {
    "a LIST that is cut short": {"body": b'{"items": ['},
    "a LIST that is a word": {"body": b'"word"'},
    "a LIST of something": {"body": b'{"items": {"a": 1}}'},
    "a LIST whose metadata are none": {"body": b'{"items": [], "metadata": []}'},
    "the page of a proxy": {"body": b"<html></html>", "content_type": "text/html"},
    "a kind that is not served for a moment": {"status": 404, "body": b"404 page not found"},
    "a LIST that is refused as too old": {"status": 410},
}


@pytest.mark.parametrize("whose", ["ours", "kopf's"])
@pytest.mark.parametrize("broken", UNREADABLE.values(), ids=UNREADABLE)
async def test_what_is_of_no_use_looks_like_a_broken_connection(
    harness: Harness, broken: dict[str, Any], whose: str
) -> None:
    """After which kopf asks again."""
    harness.forbearance.take = (lambda _: None) if whose == "ours" else None
    for name, value in broken.items():
        setattr(harness, name, value)
    with pytest.raises(aiohttp.ClientConnectionError):
        await harness.session.get(f"{harness.base}{LIST}")


async def test_a_group_that_is_not_there_is_no_trouble(harness: Harness) -> None:
    """So kopf learns what the API server serves."""
    harness.status = 404
    async with harness.session.get(f"{harness.base}/apis/{GROUP}/{VERSION}") as response:
        assert response.status == 404


async def test_what_was_checked_is_given_to_kopf_as_it_is(harness: Harness) -> None:
    harness.body = b'{"items": []}'
    async with harness.session.get(f"{harness.base}{LIST}") as response:
        first = await response.json()
        assert first == {"items": []}
        assert await response.json() is first


@dataclass
class Patience:
    """A clock that stands still but while somebody sleeps, and how long that was each time."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def patience(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> Patience:
    patience = Patience()
    monkeypatch.setattr(answers, "PACE", 1.0)  # again
    monkeypatch.setattr(answers, "asyncio", SimpleNamespace(sleep=patience.sleep))
    harness.clock = lambda: patience.now
    return patience


async def test_watches_that_end_at_once_are_begun_no_faster_than_they_should(
    harness: Harness, patience: Patience
) -> None:
    harness.body = b""
    for _ in range(3):
        await harness.lines()
    await harness.lines(f"/apis/{GROUP}/{VERSION}/namespaces/shop/{PLURAL}?watch=true")
    assert patience.slept == [answers.PACE] * 2, "another watch does not wait for this one"
    patience.now += answers.PACE / 4
    await harness.lines()
    assert patience.slept[2:] == [answers.PACE * 3 / 4], "it counts from the beginning of the last one"


@pytest.mark.parametrize(
    ("said", "slows_down"),
    [
        pytest.param(ERROR, True, id="an error"),
        pytest.param(EVENT + ERROR, True, id="an error after an event"),
        pytest.param(b"<html>\n", True, id="the page of a proxy"),
        pytest.param(BEGIN_ANEW, False, id="a version that is too old"),
        pytest.param(EVENT, False, id="a watch that ends as it should"),
    ],
)
async def test_watches_that_break_one_after_the_other_are_begun_ever_more_seldom(
    harness: Harness, patience: Patience, said: bytes, slows_down: bool
) -> None:
    """Since kopf lists everything after each of them; and as fast as before when one went well."""
    harness.body = said
    for _ in range(7):
        await harness.lines()
    harness.body = EVENT
    for _ in range(3):
        await harness.lines()
    assert patience.slept == ([1, 2, 4, 8, 16, 30, 30, 1, 1] if slows_down else [1] * 9)


async def test_a_watch_that_breaks_when_it_has_lasted_is_the_first_that_breaks(
    harness: Harness, patience: Patience, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.body = EVENT + ERROR
    for _ in range(4):
        await harness.lines()
    harness.forbearance.take = lambda _: monkeypatch.setattr(patience, "now", patience.now + answers.LONGEST_PACE + 1)
    await harness.lines()
    harness.forbearance.take = None
    patience.slept.clear()
    for _ in range(2):
        await harness.lines()
    assert patience.slept == [0, 2]


class TestFigures:
    async def test_the_age_of_a_watch_is_that_of_the_oldest_which_began_last_in_its_place(
        self, harness: Harness, patience: Patience
    ) -> None:
        harness.forbearance.take = lambda _: None
        elsewhere = f"/apis/{GROUP}/{VERSION}/namespaces/shop/{PLURAL}?watch=true"
        await harness.lines()
        await harness.lines(elsewhere)
        patience.now += 30
        await harness.lines(elsewhere)
        assert harness.forbearance.watch_age() == 30
        await harness.lines()
        assert harness.forbearance.watch_age() == 0

    async def test_a_watch_that_does_not_begin_grows_older_and_so_does_one_that_never_has(
        self, harness: Harness, patience: Patience
    ) -> None:
        harness.forbearance.take = lambda _: None
        assert harness.forbearance.watch_age() == 10
        harness.status = 503
        async with harness.session.get(f"{harness.base}{WATCH}"):
            assert harness.forbearance.watch_age() == 10

    async def test_each_end_of_a_watch_of_ours_is_told_and_no_other(self, harness: Harness) -> None:
        ends = []
        harness.forbearance.on_watch_end = lambda *, well: ends.append(well)
        await harness.lines("/apis/apiextensions.k8s.io/v1/customresourcedefinitions?watch=true")
        harness.forbearance.take = lambda _: None
        for harness.body in (b"", BEGIN_ANEW, ERROR):
            await harness.lines()
        assert ends == [True, True, False]
