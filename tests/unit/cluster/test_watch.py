"""kopf as a shell: what it asks an API server for, what it hands on, and how it is set up."""

import asyncio
import gc
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import kopf
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client

from atlas_endpoints.cluster import connection, kopf_calls, watch
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND

GROUP, VERSION, _, PLURAL = KIND.names

DEADLINE = 60.0
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RESOURCES = f"/apis/{GROUP}/{VERSION}/{PLURAL}"


class TestEndlessDelays:
    def test_they_begin_short_double_and_stop_growing_near_four_seconds(self) -> None:
        """The longest is what the operator sleeps on after the API server is back."""
        forever = watch.EndlessDelays()
        for _ in range(50):  # each iteration begins again
            delays = list(itertools.islice(forever, 100))
            for delay, middle in zip(delays, (0.25, 0.5, 1.0, 2.0, *[4.0] * 96), strict=True):
                assert middle * 0.5 <= delay <= middle * 1.5

    def test_they_are_jittered(self) -> None:
        assert len({next(iter(watch.EndlessDelays())) for _ in range(20)}) == 20


class TestSettings:
    """Of the settings only what the tests on a socket do not show."""

    @pytest.mark.parametrize(
        ("path", "value"),
        [
            pytest.param("networking.request_timeout", 30, id="our session bounds each answer before kopf does"),
            pytest.param("watching.inactivity_timeout", 1e8, id="nothing cancels the watcher for good"),
            pytest.param("watching.client_timeout", 70, id="streams end on our side later than on the server's"),
            pytest.param("watching.initial_streaming", False, id="no object is lost in an interrupted stream"),
            pytest.param("queueing.worker_limit", None, id="idle workers hold no slots"),
            pytest.param("process.ultimate_exiting_timeout", None, id="kopf kills nobody after it has ended"),
            pytest.param("posting.loggers", False, id="kopf posts no Events"),
            pytest.param("peering.standalone", True, id="there is no peering"),
        ],
    )
    def test_the_value(self, path: str, value: object) -> None:
        found: object = watch.kopf_settings([KIND.names], "", namespaced=False)
        for name in path.split("."):
            found = getattr(found, name)
        assert found == value

    def test_kopf_computes_no_diffs(self) -> None:
        storage = watch.kopf_settings([KIND.names], "", namespaced=False).persistence.diffbase_storage
        body = kopf.Body({"metadata": {"labels": {"team": "blue"}}, "spec": {"comment": "one"}})
        assert storage.build(body=body) == storage.fetch(body=body) == {}

    def test_kopf_removes_no_finalizer_of_ours(self) -> None:
        assert watch.kopf_settings([KIND.names], "", namespaced=False).persistence.finalizer != f"{GROUP}/cleanup"

    def test_of_several_crds_the_selector_names_the_one_that_is_applied_last(self) -> None:
        kinds = [KIND.names._replace(plural="dedicatedprivateendpoints"), KIND.names]
        for each in (kinds, kinds[::-1]):
            selectors = watch.kopf_settings(each, "", namespaced=False).watching.field_selectors
            assert [*selectors.values()] == [f"metadata.name={PLURAL}.{GROUP}"]


@dataclass
class ApiServer:
    """As much of an API server as kopf needs: discovery, LIST and WATCH."""

    items: list[dict[str, Any]] = field(default_factory=list)
    events: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    requests: list[tuple[str, str, dict[str, str], str | None]] = field(default_factory=list)
    """Method, path, query and Authorization."""
    refuses: int = 0
    """How many of the next requests are answered with 401."""
    slowness: float = 0.0
    """Seconds that each page of a LIST takes."""
    says: deque[bytes] = field(default_factory=deque)
    """What comes over the wire in answer to the next requests."""
    lists: deque[tuple[int, str]] = field(default_factory=deque)
    """Status and text of the answers to the next LISTs of our kind."""
    streams: deque[bytes] = field(default_factory=deque)
    """What the next watches of our kind say before they end."""
    watched: asyncio.Event = field(default_factory=asyncio.Event)
    """Set as soon as our kind is watched, and the CRD where that is to be watched too."""
    watches_crd: bool = True
    serves_the_kind: bool = True
    """Whether our kind is among what is discovered."""
    ends: asyncio.Event = field(default_factory=asyncio.Event)
    """Set it to have the watch of our kind end, as it does every minute."""
    _watched: set[str] = field(default_factory=set)
    url: str = ""

    def queries(self, path: str, *, watching: bool) -> list[dict[str, str]]:
        return [query for _, asked, query, _ in self.requests if asked == path and ("watch" in query) is watching]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        authorization = request.headers.get("Authorization")
        self.requests.append((request.method, request.path, dict(request.query), authorization))
        if self.says:
            return self._say(request, self.says.popleft())
        if self.refuses:
            self.refuses -= 1
            return web.json_response({"kind": "Status", "code": 401, "reason": "Unauthorized"}, status=401)
        match request.path:
            case "/api":
                return web.json_response({"versions": ["v1"]})
            case "/apis":
                groups = [_group("apiextensions.k8s.io", "v1"), _group(GROUP, VERSION)]
                return web.json_response({"groups": groups})
            case "/api/v1":
                return web.json_response({"resources": [_resource("namespaces", "Namespace", namespaced=False)]})
            case "/apis/apiextensions.k8s.io/v1":
                return web.json_response(
                    {"resources": [_resource("customresourcedefinitions", "CRD", namespaced=False)]}
                )
            case path if path == f"/apis/{GROUP}/{VERSION}" and self.serves_the_kind:
                return web.json_response(
                    {"resources": [_resource(PLURAL, "ServerlessPrivateEndpoint", namespaced=True)]}
                )
            case path if "watch" in request.query:
                return await self._watch(request, ours=path.endswith(PLURAL))
            case path if path in {CRDS, "/api/v1/namespaces"}:
                names = ["shop", "warehouse"] if path != CRDS else []
                items = [{"metadata": {"name": name, "uid": name}} for name in names]
                return web.json_response({"items": items, "metadata": {"resourceVersion": "1"}})
            case path if path.endswith(PLURAL) and self.lists:
                status, text = self.lists.popleft()
                return web.Response(status=status, text=text, content_type="application/json")
            case path if path.endswith(PLURAL):
                namespace = path.split("/")[-2] if "/namespaces/" in path else None
                items = [each for each in self.items if namespace in {None, each["metadata"]["namespace"]}]
                await asyncio.sleep(self.slowness)
                return web.json_response(_page(items, request.query))
            case _:
                return web.json_response({"kind": "Status", "code": 404}, status=404)

    def _say(self, request: web.Request, said: bytes) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.write(said)
        request.transport.close()
        return web.Response()

    async def _watch(self, request: web.Request, *, ours: bool) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if ours and self.streams:
            await response.write(self.streams.popleft())
            return response
        self._watched.add(request.path)
        if (CRDS in self._watched or not self.watches_crd) and any(path.endswith(PLURAL) for path in self._watched):
            self.watched.set()
        try:
            while True:
                if not ours:
                    await asyncio.sleep(3600)
                event = await self._next_event()
                if event is None:
                    return response
                await response.write(json.dumps(event).encode() + b"\n")
        except (asyncio.CancelledError, ConnectionError):
            return response

    async def _next_event(self) -> dict[str, Any] | None:
        event, end = asyncio.ensure_future(self.events.get()), asyncio.ensure_future(self.ends.wait())
        try:
            await asyncio.wait({event, end}, return_when=asyncio.FIRST_COMPLETED)
            if event.done():
                return event.result()
            self.ends.clear()
            return None
        finally:
            event.cancel()
            end.cancel()


def _page(items: list[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    begin = int(query.get("continue", 0))
    end = begin + int(query.get("limit", len(items)))
    following = {"continue": str(end)} if end < len(items) else {}
    return {"items": items[begin:end], "metadata": {"resourceVersion": "1", **following}}


def _group(name: str, version: str) -> dict[str, Any]:
    versions = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [versions], "preferredVersion": versions}


def _resource(plural: str, kind: str, *, namespaced: bool) -> dict[str, Any]:
    verbs = ["get", "list", "watch", "patch"]
    return {"name": plural, "kind": kind, "singularName": kind.lower(), "namespaced": namespaced, "verbs": verbs}


def resource(name: str, namespace: str = "shop", version: int = 1) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "ServerlessPrivateEndpoint",
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "generation": version,
        },
        "spec": {},
    }


class Receiver:
    """Takes down what it is told."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    def seen(self, body: Body) -> None:
        if body["metadata"]["name"] == "poison":
            raise RuntimeError("This object cannot be taken in.")
        self.told.put_nowait(("seen", f"{body['metadata']['name']} {body['metadata']['resourceVersion']}"))

    def deleted(self, body: Body) -> None:
        self.told.put_nowait(("deleted", f"{body['metadata']['name']} {body['metadata']['resourceVersion']}"))

    def relisted(self, kind: str) -> None:
        self.told.put_nowait(("relisted", ""))

    async def next(self, count: int) -> list[tuple[str, str]]:
        """The next objects; LISTs are left out."""
        found: list[tuple[str, str]] = []
        async with asyncio.timeout(DEADLINE):
            while len(found) < count:
                if (told := await self.told.get())[0] != "relisted":
                    found.append(told)
        return found

    async def list_arrives(self) -> None:
        async with asyncio.timeout(DEADLINE):
            while (await self.told.get())[0] != "relisted":
                pass


class Harness:
    """kopf and an API server."""

    def __init__(self, server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watch, "RELOGIN", 0.01)
        self.server = server
        self.configuration = client.Configuration(host=server.url, api_key={"BearerToken": "Bearer one"})
        self.connection = Connection(self.configuration)
        self.receiver = Receiver()
        self.served = True
        self.starts = 0
        self.ends = 0

    def has_started(self) -> None:
        self.starts += 1

    def has_ended(self) -> None:
        self.ends += 1

    async def edit_arrives(self) -> None:
        """Edit an object, and wait until the watch or a LIST brings it."""
        edited = resource("one", version=2)
        self.server.items = [edited]
        self.server.events.put_nowait({"type": "MODIFIED", "object": edited})
        while await self.receiver.next(1) != [("seen", "one 2")]:
            pass

    @asynccontextmanager
    async def running(self, *, namespaces: tuple[str, ...] = (), label_selector: str = "") -> AsyncIterator[None]:
        self.server.watches_crd = not namespaces
        task = asyncio.create_task(
            watch.run(
                self.connection,
                self.receiver,
                [KIND.names],
                namespaces=namespaces,
                label_selector=label_selector,
                served=lambda _: self.served,
                started=self.has_started,
                ended=self.has_ended,
            )
        )
        try:
            async with asyncio.timeout(DEADLINE):
                await self.server.watched.wait()
            yield
        finally:
            task.cancel()
            async with asyncio.timeout(DEADLINE):
                await asyncio.wait({task})
            assert task.cancelled(), task


@pytest.fixture
async def harness(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Harness]:
    server = ApiServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with TestServer(app) as running:
        server.url = str(running.make_url("")).rstrip("/")
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
    "a LIST that is cut short": (200, '{"items": ['),
    "a LIST that is a word": (200, '"word"'),
    "a LIST of something": (200, '{"items": {"a": 1}}'),
    "a LIST of nothing": (200, '{"items": null}'),
    "a LIST whose metadata are none": (200, '{"items": [], "metadata": []}'),
    "a second page that is refused as too old": (200, '{"items": [], "metadata": {"continue": "5"}}'),
    "a kind that is not served for a moment": (404, "404 page not found"),
    "a LIST that is refused as too old": (410, "{}"),
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


def _workers() -> list[str]:
    names = [task.get_name() for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith("worker for") and PLURAL in name]


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if (each.name, each.levelname) == (watch.__name__, "WARNING")]


class TestWatching:
    @pytest.mark.parametrize("items", [[], [resource("one")]], ids=["nothing", "an object"])
    async def test_a_list_is_reported_whatever_it_holds(self, harness: Harness, items: list[dict[str, Any]]) -> None:
        """What there was may have gone while nobody watched."""
        harness.server.items = items
        async with harness.running():
            await harness.receiver.list_arrives()

    async def test_a_list_may_take_longer_than_an_answer(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection, "ANSWER_WITHIN", 0.5)
        change_kopf(monkeypatch, "chunk_size", 1)
        harness.server.items = [resource(f"number {number}") for number in range(8)]
        harness.server.slowness = 0.1
        async with harness.running():
            assert len(await harness.receiver.next(8)) == 8
        assert len(harness.server.queries(RESOURCES, watching=False)) == 8, "none was asked for again"

    async def test_a_burst_of_events_is_received_in_order(self, harness: Harness) -> None:
        async with harness.running():
            for version in range(2, 102):
                harness.server.events.put_nowait({"type": "MODIFIED", "object": resource("one", version=version)})
            harness.server.events.put_nowait({"type": "DELETED", "object": resource("one", version=102)})
            expected = [("seen", f"one {version}") for version in range(2, 102)]
            assert await harness.receiver.next(101) == [*expected, ("deleted", "one 102")]

    async def test_a_receivers_error_does_not_affect_the_next_object(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with harness.running():
            for name in ("poison", "one"):
                harness.server.events.put_nowait({"type": "ADDED", "object": resource(name)})
            assert await harness.receiver.next(1) == [("seen", "one 1")]
        assert "This object cannot be taken in." in caplog.text
        assert harness.starts == 1

    async def test_kopf_soon_has_no_task_for_an_object(self, harness: Harness) -> None:
        harness.server.items = [resource("one"), resource("two")]
        async with harness.running():
            await harness.receiver.next(2)
            async with asyncio.timeout(DEADLINE):
                while _workers():  # noqa: ASYNC110  # the end of a task of kopf's has no event
                    await asyncio.sleep(0.01)

    async def test_a_watch_continues_where_the_last_one_ended(self, harness: Harness) -> None:
        async with harness.running():
            harness.server.events.put_nowait({"type": "MODIFIED", "object": resource("one", version=41)})
            await harness.receiver.next(1)
            harness.server.watched.clear()
            harness.server.ends.set()
            async with asyncio.timeout(DEADLINE):
                await harness.server.watched.wait()
            harness.server.events.put_nowait({"type": "MODIFIED", "object": resource("one", version=42)})
            assert await harness.receiver.next(1) == [("seen", "one 42")]
        assert [query["resourceVersion"] for query in harness.server.queries(RESOURCES, watching=True)] == ["1", "41"]
        assert len(harness.server.queries(RESOURCES, watching=False)) == 1, "nothing has to be listed anew"

    @pytest.mark.usefixtures("kopf_without_delays")
    @pytest.mark.parametrize("fault", FAULTS)
    async def test_an_edit_arrives_after(self, harness: Harness, fault: str) -> None:
        """At the start, when kopf looks what there is, and when a watch and a LIST begin."""
        harness.server.says.extend([FAULTS[fault]] * 4)
        async with harness.running():
            harness.server.says.extend([FAULTS[fault]] * 4)
            harness.server.ends.set()
            async with asyncio.timeout(DEADLINE):
                while harness.server.says:  # noqa: ASYNC110  # what a stub has said has no event
                    await asyncio.sleep(0.01)
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
        harness.server.lists.extend([LISTS[fault], (410, "{}")])
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
        harness.server.items = [resource("one")]
        async with harness.running():
            await harness.receiver.next(1)
            harness.server.streams.append(ERROR)
            harness.server.items = []
            harness.server.ends.set()
            await harness.receiver.list_arrives()
        assert harness.starts == 2

    @pytest.mark.usefixtures("kopf_without_delays")
    async def test_kopf_leaves_no_task_and_cancels_none_of_ours(self, harness: Harness) -> None:
        async with harness.running():
            others = asyncio.create_task(asyncio.sleep(DEADLINE))
            before = {task.get_name() for task in asyncio.all_tasks()}
            began = asyncio.get_running_loop().time()
            for starts in (2, 3, 4):
                harness.server.streams.append(ERROR)
                harness.server.ends.set()
                async with asyncio.timeout(DEADLINE):
                    while harness.starts < starts:  # noqa: ASYNC110  # as below
                        await asyncio.sleep(0.01)
            await harness.edit_arrives()
            assert asyncio.get_running_loop().time() - began < 5, "kopf.run_tasks waits for as long, three times"
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
        harness.server.lists.extend([(status, "{}") for status in statuses])
        async with harness.running():
            await harness.edit_arrives()
        assert _warnings(caplog) == warnings
        assert (harness.starts, harness.ends) == (4, 3)

    async def test_a_missing_watcher_is_replaced(self, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
        """kopf does not notice if one was cancelled."""
        monkeypatch.setattr(watch, "CHECK_INTERVAL", 0.3)
        harness.served = False
        async with harness.running():
            assert watch.watching(KIND.names, ())
            (watcher,) = [task for task in asyncio.all_tasks() if task.get_name().startswith(f"watcher for {PLURAL}")]
            watcher.cancel()
            await asyncio.sleep(1)
            assert harness.starts == 1, "nobody can watch what is not served"
            harness.served = True
            await harness.edit_arrives()
        assert (harness.starts, harness.ends) == (2, 0)

    async def test_some_namespaces_are_watched_as_soon_as_the_kind_is_served(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """kopf itself would not look again: it may not watch CRDs here."""
        monkeypatch.setattr(watch, "CHECK_INTERVAL", 0.05)
        harness.server.serves_the_kind = harness.served = False
        harness.server.watched.set()
        async with harness.running(namespaces=("shop",)):
            await asyncio.sleep(0.5)
            assert not watch.watching(KIND.names, ("shop",))
            harness.server.serves_the_kind = harness.served = True
            await harness.edit_arrives()

    async def test_kopf_writes_nothing_and_all_namespaces_are_one_watch(self, harness: Harness) -> None:
        harness.server.items = [resource("one"), resource("two", "warehouse")]
        async with harness.running():
            assert sorted(await harness.receiver.next(2)) == [("seen", "one 1"), ("seen", "two 1")]
            await harness.edit_arrives()
        assert {method for method, *_ in harness.server.requests} == {"GET"}
        assert {authorization for *_, authorization in harness.server.requests} == {"Bearer one"}
        assert len(harness.server.queries(RESOURCES, watching=False)) == 1
        assert harness.server.queries(RESOURCES, watching=True)[0]["timeoutSeconds"] == "60"
        (query,) = harness.server.queries(CRDS, watching=False)
        assert query["fieldSelector"] == f"metadata.name={PLURAL}.{GROUP}", "of the CRDs only ours is watched"

    async def test_some_namespaces_are_watched_alone(self, harness: Harness) -> None:
        harness.server.items = [resource("one"), resource("two", "warehouse")]
        async with harness.running(namespaces=("shop",)):
            told = await harness.receiver.next(1)
        assert ("seen", "one 1") in told
        assert not harness.server.queries(RESOURCES, watching=False)
        assert harness.receiver.told.empty()
        asked = {path for _, path, *_ in harness.server.requests}
        assert not asked & {"/api/v1/namespaces", CRDS}, "that would take rights over the whole cluster"

    async def test_a_label_selector_goes_to_the_server(self, harness: Harness) -> None:
        async with harness.running(label_selector="team=blue"):
            pass
        for watching in (False, True):
            assert harness.server.queries(RESOURCES, watching=watching)[0]["labelSelector"] == "team=blue"
        assert "labelSelector" not in harness.server.queries(CRDS, watching=False)[0], "the CRD has no such labels"

    async def test_a_401_is_answered_with_a_new_session(self, harness: Harness) -> None:
        harness.server.refuses = 2
        harness.server.items = [resource("one")]
        async with harness.running():
            told = await harness.receiver.next(1)
        assert ("seen", "one 1") in told
