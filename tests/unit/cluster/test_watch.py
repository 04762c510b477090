"""kopf as a shell: what it asks an API server for, what it hands on, and how it is set up."""

import asyncio
import gc
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import kopf
import pytest
from kubernetes.aio import client

from atlas_endpoints.cluster import connection, kopf_calls, watch
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from support.named import NAMED
from unit.cluster.api_server import CRDS, GROUP, PLURAL, RESOURCES, Answer, ApiServer, status_of

DEADLINE = 60.0
ALL = f"{RESOURCES}/{PLURAL}"


def test_the_delays_between_attempts_are_jittered_and_stop_growing_near_four_seconds() -> None:
    """The longest is what the operator sleeps on after the API server is back."""
    runs = [list(itertools.islice(watch.EndlessDelays(), 100)) for _ in range(50)]
    for delays in runs:
        for delay, middle in zip(delays, (0.25, 0.5, 1.0, 2.0, *[4.0] * 96), strict=True):
            assert middle * 0.5 <= delay <= middle * 1.5
    assert len({first for first, *_ in runs}) == len(runs)


def test_of_several_crds_the_selector_names_the_one_that_is_applied_last() -> None:
    kinds = [KIND.names._replace(plural="dedicatedprivateendpoints"), KIND.names]
    for each in (kinds, kinds[::-1]):
        selectors = watch.kopf_settings(each, "", namespaced=False).watching.field_selectors
        assert [*selectors.values()] == [f"metadata.name={PLURAL}.{GROUP}"]


def change(name: str, version: int = 1, type_: str = "MODIFIED") -> dict[str, Any]:
    """An event of the watch."""
    metadata = {"namespace": "shop", "name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"type": type_, "object": {**NAMED, "metadata": {**metadata, "generation": version}, "spec": {}}}


async def comes(condition: Callable[[], object]) -> None:
    """Wait for what has no event: what a stub has heard or said, or the end of a task of kopf's."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110  # see above
            await asyncio.sleep(0.01)


class Harness:
    """kopf, the API server, and what is told: objects with their versions."""

    def __init__(self, server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watch, "RELOGIN", 0.01)
        self.server = server
        configuration = client.Configuration(host=server.url, api_key={"BearerToken": "Bearer one"})
        self.connection = Connection(configuration)
        self.told: asyncio.Queue[str] = asyncio.Queue()
        self.lists = 0
        self.served = True
        self.starts = 0

    # What kopf tells.

    def seen(self, body: Body) -> None:
        if body["metadata"]["name"] == "poison":
            raise RuntimeError("This object cannot be taken in.")
        self._tell("seen", body)

    def deleted(self, body: Body) -> None:
        self._tell("deleted", body)

    def relisted(self, kind: str) -> None:
        assert kind == KIND.names.kind
        self.lists += 1

    def _tell(self, what: str, body: Body) -> None:
        self.told.put_nowait(f"{what} {body['metadata']['name']} {body['metadata']['resourceVersion']}")

    def has_started(self) -> None:
        self.starts += 1

    # What a test does.

    async def next(self, count: int = 1) -> list[str]:
        """Return what is told next."""
        async with asyncio.timeout(DEADLINE):
            return [await self.told.get() for _ in range(count)]

    async def starts_after(self, starts: int) -> None:
        await comes(lambda: self.starts > starts)

    def end_watch(self) -> None:
        self.server.changes.put_nowait(None)

    async def edit_arrives(self) -> None:
        """Edit an object, and wait until the watch or a LIST brings it."""
        edited = self.server.put("shop", "one")
        self.server.changes.put_nowait({"type": "MODIFIED", "object": edited})
        while await self.next() != [f"seen one {edited['metadata']['resourceVersion']}"]:
            pass

    @asynccontextmanager
    async def running(self, *, namespaces: tuple[str, ...] = (), label_selector: str = "") -> AsyncIterator[None]:
        task = asyncio.create_task(
            watch.run(
                self.connection,
                self,
                [KIND.names],
                namespaces=namespaces,
                label_selector=label_selector,
                served=lambda _: self.served,
                started=self.has_started,
            )
        )
        try:
            if self.server.serves_the_kind:
                await self.watches(crds=not namespaces)
            yield
        finally:
            task.cancel()
            async with asyncio.timeout(DEADLINE):
                await asyncio.wait({task})
            assert task.cancelled(), task

    async def watches(self, *, crds: bool = False) -> None:
        """Wait until our kind is watched, and CRDs."""
        watched = self.server.watched
        await comes(lambda: (CRDS in watched or not crds) and any(path.endswith(PLURAL) for path in watched))

    def queries(self, path: str, *, watching: bool) -> list[Any]:
        return [
            each.query for each in self.server.requests if each.path == path and ("watch" in each.query) is watching
        ]


@pytest.fixture
async def harness(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Harness]:
    harness = Harness(server, monkeypatch)
    yield harness
    await harness.connection.close()
    # What kopf leaves behind unasked must not be found during another test.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    gc.collect()


def over_http(status: str, body: bytes = b"", *headers: str) -> bytes:
    head = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers)
    return "\r\n".join((*head, "", "")).encode() + body


FAULTS = {
    "no HTTP at all": b"hello\r\n\r\n",
    "a header that is none": over_http("200 OK", b"{}", "no header"),
    "a header without end": over_http("200 OK", b"{}", "X-Trace: " + "x" * 10_000),
    "chunks that are none": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n",
    "a coding that nobody knows": over_http("200 OK", b"{}", "Content-Encoding: br"),
    "an object whose metadata are none": over_http(
        "200 OK", b'{"type":"ADDED","object":{"metadata":0},"metadata":0}\n'
    ),
    "items that are none": over_http("200 OK", b'{"items": {"a": 1}}'),
    "a page that is no UTF-8": over_http(
        "502 Bad Gateway", "<html>déjà vu".encode("latin-1"), "Content-Type: text/html"
    ),
    "a page that is cut short": over_http("502 Bad Gateway").replace(b"Length: 0", b"Length: 9") + b"<html>",
    "a page that is packed badly": over_http("502 Bad Gateway", b"no gzip", "Content-Encoding: gzip"),
    "a refusal that is a list": over_http("503 Service Unavailable", b"[1]"),
    "a refusal with strange details": over_http("429 Too Many Requests", b'{"kind": "Status", "details": [1]}'),
    "a time until which to wait": over_http("429 Too Many Requests", b"", "Retry-After: Wed, 25 Nov 2026 07:28:00 GMT"),
    "a day for which to wait": over_http("429 Too Many Requests", b"", "Retry-After: 86400"),
    "a request that was too slow": over_http("408 Request Timeout"),
    "a request that is no good": over_http("400 Bad Request"),
    "a host that is not served": over_http("421 Misdirected Request"),
}
"""What may come from an API server, a load balancer or a proxy in answer to anything; kopf ends after most of these."""

ERROR = b'{"type": "ERROR", "object": {"kind": "Status", "code": 500}}\n'
EXPIRED = b'{"type": "ERROR", "object": {"kind": "Status", "code": 410}}\n'
EVENT = b'{"type": "MODIFIED", "object": {"metadata": {"name": "a", "uid": "a", "resourceVersion": "1"}}}\n'

STREAMS = {
    "a version that is too old": EXPIRED,
    "any error": ERROR,
    "an error after an event": EVENT + ERROR,
    "an error that is none": b'{"type": "ERROR", "object": {}}\n',
    "half an event": EVENT[:20],
    "half an event after an event": EVENT + EVENT[:20],
    "the page of a proxy": b"<html>\n<body>",
    "what is no object": b"[]\n",
    "an event without an object": b'{"type": "ADDED"}\n',
    "an event without a type": b'{"object": {}}\n',
    "an object whose metadata are none": b'{"type": "BOOKMARK", "object": {"metadata": []}}\n',
    "an event that nobody knows": EVENT.replace(b"MODIFIED", b"RENAMED"),
    "an empty line": b"\n",
    "nothing": b"",
}
"""What a watch may say before it ends."""

LISTS = {
    "a LIST that is cut short": Answer(200, '{"items": ['),
    "a LIST that is a word": Answer(200, '"word"'),
    "a LIST of something": Answer(200, '{"items": {"a": 1}}'),
    "a LIST of nothing": Answer(200, '{"items": null}'),
    "a LIST whose metadata are none": Answer(200, '{"items": [], "metadata": []}'),
    "a second page that is refused as too old": Answer(200, '{"items": [], "metadata": {"continue": "5"}}'),
    "a kind that is not served for a moment": Answer(404, "404 page not found"),
    "a LIST that is refused as too old": Answer(410, "{}"),
}
"""What a LIST may be answered with."""


def change_kopf(monkeypatch: pytest.MonkeyPatch, name: str, value: float) -> None:
    """Change one of kopf's settings for watching."""
    original = watch.kopf_settings

    def settings(kinds: Sequence[Names], label_selector: str, *, namespaced: bool) -> kopf.OperatorSettings:
        result = original(kinds, label_selector, namespaced=namespaced)
        setattr(result.watching, name, value)
        return result

    monkeypatch.setattr(watch, "kopf_settings", settings)


@pytest.fixture
def kopf_without_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove kopf's delays between attempts."""
    monkeypatch.setattr(kopf_calls, "PACE", 0.0)
    monkeypatch.setattr(watch.EndlessDelays, "__iter__", lambda _: itertools.repeat(0.01))
    change_kopf(monkeypatch, "reconnect_backoff", 0.01)


def _tasks(beginning: str) -> list["asyncio.Task[Any]"]:
    return [task for task in asyncio.all_tasks() if task.get_name().startswith(beginning) and PLURAL in task.get_name()]


class TestWatching:
    async def test_a_list_of_nothing_is_reported_too(self, harness: Harness) -> None:
        """What there was may have gone while nobody watched."""
        async with harness.running():
            await comes(lambda: harness.lists)

    async def test_a_list_may_take_longer_than_an_answer(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection, "ANSWER_WITHIN", 0.5)
        change_kopf(monkeypatch, "chunk_size", 1)
        for number in range(8):
            harness.server.put("shop", f"db-{number}")
        harness.server.slowness = 0.1
        async with harness.running():
            await harness.next(8)
        assert len(harness.queries(ALL, watching=False)) == 8, "none was asked for again"

    async def test_a_burst_of_events_is_received_in_order(self, harness: Harness) -> None:
        async with harness.running():
            for version in range(2, 102):
                harness.server.changes.put_nowait(change("one", version))
            harness.server.changes.put_nowait(change("one", 102, "DELETED"))
            expected = [f"seen one {version}" for version in range(2, 102)]
            assert await harness.next(101) == [*expected, "deleted one 102"]

    async def test_a_receivers_error_does_not_affect_the_next_object(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with harness.running():
            for name in ("poison", "one"):
                harness.server.changes.put_nowait(change(name, type_="ADDED"))
            assert await harness.next() == ["seen one 1"]
        assert "This object cannot be taken in." in caplog.text
        assert harness.starts == 1

    async def test_kopf_soon_has_no_task_for_an_object(self, harness: Harness) -> None:
        for name in ("one", "two"):
            harness.server.put("shop", name)
        async with harness.running():
            await harness.next(2)
            await comes(lambda: not _tasks("worker for"))

    async def test_a_watch_continues_where_the_last_one_ended(self, harness: Harness) -> None:
        async with harness.running():
            harness.server.changes.put_nowait(change("one", 41))
            await harness.next()
            harness.server.watched.clear()
            harness.end_watch()
            await harness.watches()
            harness.server.changes.put_nowait(change("one", 42))
            assert await harness.next() == ["seen one 42"]
        assert [query["resourceVersion"] for query in harness.queries(ALL, watching=True)] == ["10", "41"]
        assert len(harness.queries(ALL, watching=False)) == 1, "nothing has to be listed anew"

    @pytest.mark.usefixtures("kopf_without_delays")
    @pytest.mark.parametrize("fault", FAULTS)
    async def test_an_edit_arrives_after(self, harness: Harness, fault: str) -> None:
        """At the start, when kopf looks what there is, and when a watch and a LIST begin."""
        harness.server.answers.extend([Answer(0, raw=FAULTS[fault])] * 4)
        async with harness.running():
            harness.server.answers.extend([Answer(0, raw=FAULTS[fault])] * 4)
            harness.end_watch()
            await comes(lambda: not harness.server.answers)
            await harness.edit_arrives()
        assert not [task for task in asyncio.all_tasks() if "/kopf/" in repr(task.get_coro())], "no call goes on"

    @pytest.mark.usefixtures("kopf_without_delays")
    @pytest.mark.parametrize("fault", STREAMS)
    async def test_an_edit_arrives_after_a_watch_with(self, harness: Harness, fault: str) -> None:
        harness.server.streams.extend([STREAMS[fault]] * 2)
        async with harness.running():
            await harness.edit_arrives()
        assert not harness.server.streams

    @pytest.mark.usefixtures("kopf_without_delays")
    @pytest.mark.parametrize("fault", LISTS)
    async def test_an_edit_arrives_after_a_list_with(self, harness: Harness, fault: str) -> None:
        harness.server.lists.extend([LISTS[fault], Answer(410, "{}")])
        async with harness.running():
            await harness.edit_arrives()
        assert not harness.server.lists

    async def test_a_watch_that_goes_on_needs_no_start(self, harness: Harness) -> None:
        harness.server.streams.extend([b"", EXPIRED])
        async with harness.running():
            await harness.edit_arrives()
        assert harness.starts == 1

    @pytest.mark.usefixtures("kopf_without_delays")
    async def test_a_deletion_while_kopf_is_down_is_followed_by_a_list(self, harness: Harness) -> None:
        harness.server.put("shop", "one")
        async with harness.running():
            await harness.next()
            harness.server.streams.append(ERROR)
            harness.server.resources.clear()
            before = harness.lists
            harness.end_watch()
            await comes(lambda: harness.lists > before)
        assert harness.starts == 2

    @pytest.mark.usefixtures("kopf_without_delays")
    async def test_kopf_leaves_no_task_and_cancels_none_of_ours(self, harness: Harness) -> None:
        async with harness.running():
            others = asyncio.create_task(asyncio.sleep(DEADLINE))
            before = {task.get_name() for task in asyncio.all_tasks()}
            began = asyncio.get_running_loop().time()
            for _ in range(3):
                starts = harness.starts
                harness.server.streams.append(ERROR)
                harness.end_watch()
                await harness.starts_after(starts)
            await harness.edit_arrives()
            assert asyncio.get_running_loop().time() - began < 15, "kopf.run_tasks waits for 5 s, three times"
            await asyncio.sleep(0.2)  # idle workers end
            tasks = [task.get_name() for task in asyncio.all_tasks()]
            assert len(tasks) <= len(before) + 5, tasks
            assert not others.done()
            others.cancel()
        assert harness.starts == 4

    @pytest.mark.usefixtures("kopf_without_delays")
    @pytest.mark.parametrize(
        ("statuses", "warnings"),
        [
            pytest.param([400] * 3, [f"kopf has ended (LIST {PLURAL}: HTTP 400); it is restarted"], id="an error"),
            pytest.param([404, 410, 404], [], id="a normal end"),
        ],
    )
    async def test_why_kopf_has_ended_is_logged_once(
        self, harness: Harness, caplog: pytest.LogCaptureFixture, statuses: list[int], warnings: list[str]
    ) -> None:
        harness.server.lists.extend([Answer(status, "{}") for status in statuses])
        async with harness.running():
            await harness.edit_arrives()
        told = [each for each in caplog.records if (each.name, each.levelname) == (watch.__name__, "WARNING")]
        assert [each.getMessage() for each in told] == warnings
        assert harness.starts == 4

    async def test_a_missing_watcher_is_replaced(self, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        """kopf does not notice if one was cancelled."""
        monkeypatch.setattr(watch, "CHECK_INTERVAL", 0.3)
        harness.served = False
        async with harness.running():
            assert watch.watching(KIND.names, ())
            (watcher,) = _tasks("watcher for")
            watcher.cancel()
            await asyncio.sleep(1)
            assert harness.starts == 1, "nobody can watch what is not served"
            harness.served = True
            await harness.edit_arrives()
        assert harness.starts == 2
        assert harness.lists, "perhaps the CRD was deleted"

    async def test_some_namespaces_are_watched_as_soon_as_the_kind_is_served(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """kopf itself would not look again: it may not watch CRDs here."""
        monkeypatch.setattr(watch, "CHECK_INTERVAL", 0.05)
        harness.server.serves_the_kind = harness.served = False
        async with harness.running(namespaces=("shop",)):
            await asyncio.sleep(0.5)
            assert not watch.watching(KIND.names, ("shop",))
            harness.server.serves_the_kind = harness.served = True
            await harness.edit_arrives()

    async def test_kopf_writes_nothing_and_all_namespaces_are_one_watch(self, harness: Harness) -> None:
        for namespace, name in (("shop", "one"), ("warehouse", "two")):
            harness.server.put(namespace, name)
        async with harness.running():
            assert sorted(await harness.next(2)) == ["seen one 11", "seen two 12"]
            await harness.edit_arrives()
        assert {each.method for each in harness.server.requests} == {"GET"}
        assert {each.headers.get("Authorization") for each in harness.server.requests} == {"Bearer one"}
        assert len(harness.queries(ALL, watching=False)) == 1
        assert harness.queries(ALL, watching=True)[0]["timeoutSeconds"] == "60"
        (query,) = harness.queries(CRDS, watching=False)
        assert query["fieldSelector"] == f"metadata.name={PLURAL}.{GROUP}", "of the CRDs only ours is watched"

    async def test_some_namespaces_are_watched_alone(self, harness: Harness) -> None:
        for namespace, name in (("shop", "one"), ("warehouse", "two")):
            harness.server.put(namespace, name)
        async with harness.running(namespaces=("shop",)):
            assert await harness.next() == ["seen one 11"]
        assert not harness.queries(ALL, watching=False)
        assert harness.told.empty()
        asked = {each.path for each in harness.server.requests}
        assert not asked & {"/api/v1/namespaces", CRDS}, "that would take rights over the whole cluster"

    async def test_a_label_selector_goes_to_the_server(self, harness: Harness) -> None:
        async with harness.running(label_selector="team=blue"):
            pass
        for watching in (False, True):
            assert harness.queries(ALL, watching=watching)[0]["labelSelector"] == "team=blue"
        assert "labelSelector" not in harness.queries(CRDS, watching=False)[0], "the CRD has no such labels"

    async def test_a_401_is_answered_with_a_new_session(self, harness: Harness) -> None:
        harness.server.answers.extend([Answer(401, status_of(401, "Unauthorized", "Unauthorized"))] * 2)
        harness.server.put("shop", "one")
        async with harness.running():
            assert await harness.next() == ["seen one 11"]
