"""kopf as a shell: what it asks an API server for, what it hands on, and how it is set up."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import kopf
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client

from atlas_endpoints.cluster import watch
from atlas_endpoints.cluster.api import GROUP, PLURAL, VERSION
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.engine.store import Body

DEADLINE = 10.0
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RESOURCES = f"/apis/{GROUP}/{VERSION}/{PLURAL}"


class TestForever:
    def test_delays_have_no_end_and_stop_growing_near_four_seconds(self) -> None:
        """The longest is what the operator sleeps on after the API server is back."""
        delays = list(itertools.islice(watch.Forever(), 1000))
        assert all(2.0 <= delay <= 6.0 for delay in delays[10:])
        assert 3.5 < sum(delays[10:]) / 990 < 4.5

    def test_they_begin_short_and_double(self) -> None:
        for _ in range(50):
            for delay, middle in zip(watch.Forever(), (0.25, 0.5, 1.0, 2.0, 4.0, 4.0), strict=False):
                assert middle * 0.5 <= delay <= middle * 1.5

    def test_each_time_they_begin_anew(self) -> None:
        forever = watch.Forever()
        list(itertools.islice(forever, 100))
        assert next(iter(forever)) < 0.5

    def test_they_are_jittered(self) -> None:
        assert len({next(iter(watch.Forever())) for _ in range(20)}) == 20


SETTINGS: dict[str, tuple[str, object]] = {
    "a request that hangs is given up": ("networking.request_timeout", 15),
    "a server that is away is noticed": ("networking.connect_timeout", 5),
    "nothing cancels the watcher for good": ("watching.inactivity_timeout", 1e8),
    "streams end on the server's side before they are silently dead": ("watching.server_timeout", 60),
    "and on ours a little later": ("watching.client_timeout", 70),
    "a watch is not waited for long": ("watching.connect_timeout", 5),
    "a stream that ended is resumed after a moment": ("watching.reconnect_backoff", 0.5),
    "no continue token can expire": ("watching.chunk_size", None),
    "no object is lost in an interrupted stream": ("watching.initial_streaming", False),
    "idle workers hold no slots": ("queueing.worker_limit", None),
    "idle workers end soon": ("queueing.idle_timeout", 1),
    "failures of kopf's own are tried again": ("queueing.error_delays", (1, 2, 5, 10, 30)),
    "kopf posts no events": ("posting.loggers", False),
    "there is no peering": ("peering.standalone", True),
}


class TestSettings:
    @pytest.mark.parametrize("why", SETTINGS)
    def test_the_value(self, why: str) -> None:
        path, expected = SETTINGS[why]
        value: object = watch.settings("", namespaced=False)
        for name in path.split("."):
            value = getattr(value, name)
        assert value == expected

    def test_the_server_timeout_is_an_integer_as_kubernetes_parses_it(self) -> None:
        assert isinstance(watch.settings("", namespaced=False).watching.server_timeout, int)

    def test_no_outage_ends_the_operator(self) -> None:
        backoffs = watch.settings("", namespaced=False).networking.error_backoffs
        assert isinstance(backoffs, watch.Forever)

    def test_kopf_works_out_no_changes(self) -> None:
        storage = watch.settings("", namespaced=False).persistence.diffbase_storage
        body = kopf.Body({"metadata": {"labels": {"team": "blue"}}, "spec": {"comment": "one"}})
        assert storage.build(body=body) == storage.fetch(body=body) == {}

    def test_kopf_removes_no_finalizer_of_ours(self) -> None:
        assert watch.settings("", namespaced=False).persistence.finalizer != f"{GROUP}/cleanup"


@dataclass
class ApiServer:
    """As much of an API server as kopf needs: discovery, LIST and WATCH."""

    items: list[dict[str, Any]] = field(default_factory=list)
    events: asyncio.Queue[dict[str, Any]] = field(default_factory=asyncio.Queue)
    requests: list[tuple[str, str, dict[str, str], str | None]] = field(default_factory=list)
    """Method, path, query and Authorization."""
    refuses: int = 0
    """How many of the next requests are answered with 401."""
    watched: asyncio.Event = field(default_factory=asyncio.Event)
    """Set as soon as our kind is watched, and the CRD where that is to be watched too."""
    watches_crd: bool = True
    _watched: set[str] = field(default_factory=set)
    url: str = ""

    def queries(self, path: str, *, watching: bool) -> list[dict[str, str]]:
        return [query for _, asked, query, _ in self.requests if asked == path and ("watch" in query) is watching]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        authorization = request.headers.get("Authorization")
        self.requests.append((request.method, request.path, dict(request.query), authorization))
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
            case path if path == f"/apis/{GROUP}/{VERSION}":
                return web.json_response(
                    {"resources": [_resource(PLURAL, "ServerlessPrivateEndpoint", namespaced=True)]}
                )
            case path if "watch" in request.query:
                return await self._watch(request, ours=path.endswith(PLURAL))
            case path if path in {CRDS, "/api/v1/namespaces"}:
                names = ["shop", "warehouse"] if path != CRDS else []
                items = [{"metadata": {"name": name, "uid": name}} for name in names]
                return web.json_response({"items": items, "metadata": {"resourceVersion": "1"}})
            case path if path.endswith(PLURAL):
                namespace = path.split("/")[-2] if "/namespaces/" in path else None
                items = [each for each in self.items if namespace in {None, each["metadata"]["namespace"]}]
                return web.json_response({"items": items, "metadata": {"resourceVersion": "1"}})
            case _:
                return web.json_response({"kind": "Status", "code": 404}, status=404)

    async def _watch(self, request: web.Request, *, ours: bool) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        self._watched.add(request.path)
        if (CRDS in self._watched or not self.watches_crd) and any(path.endswith(PLURAL) for path in self._watched):
            self.watched.set()
        try:
            while True:
                if not ours:
                    await asyncio.sleep(3600)
                event = await self.events.get()
                await response.write(json.dumps(event).encode() + b"\n")
        except (asyncio.CancelledError, ConnectionError):
            return response


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
        self.told.put_nowait(("seen", f"{body['metadata']['name']} {body['metadata']['resourceVersion']}"))

    def deleted(self, body: Body) -> None:
        self.told.put_nowait(("deleted", f"{body['metadata']['name']} {body['metadata']['resourceVersion']}"))

    def relisted(self) -> None:
        self.told.put_nowait(("relisted", ""))

    async def next(self, count: int) -> list[tuple[str, str]]:
        async with asyncio.timeout(DEADLINE):
            return [await self.told.get() for _ in range(count)]


class World:
    """kopf and an API server."""

    def __init__(self, server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watch, "RELOGIN", 0.01)
        self.server = server
        self.configuration = client.Configuration(host=server.url, api_key={"BearerToken": "Bearer one"})
        self.connection = Connection(self.configuration)
        self.receiver = Receiver()
        self.stop = asyncio.Event()
        self.started = asyncio.Event()

    @asynccontextmanager
    async def running(self, *, namespaces: tuple[str, ...] = (), label_selector: str = "") -> AsyncIterator[None]:
        self.server.watches_crd = not namespaces
        task = asyncio.create_task(
            watch.run(
                self.connection,
                self.receiver,
                namespaces=namespaces,
                label_selector=label_selector,
                stop=self.stop,
                started=self.started.set,
            )
        )
        try:
            async with asyncio.timeout(DEADLINE):
                await self.server.watched.wait()
            yield
        finally:
            self.stop.set()
            async with asyncio.timeout(DEADLINE):
                await task


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    server = ApiServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with TestServer(app) as running:
        server.url = str(running.make_url("")).rstrip("/")
        world = World(server, monkeypatch)
        yield world
        await world.connection.close()


class TestWatching:
    async def test_what_is_there_is_told_as_a_list(self, world: World) -> None:
        world.server.items = [resource("one"), resource("two", "warehouse")]
        async with world.running():
            told = await world.receiver.next(4)
        assert sorted(told) == [("relisted", ""), ("relisted", ""), ("seen", "one 1"), ("seen", "two 1")]
        assert world.started.is_set()

    async def test_what_happens_is_told_in_its_order(self, world: World) -> None:
        async with world.running():
            for type_, version in (("ADDED", 2), ("MODIFIED", 3), ("DELETED", 4)):
                world.server.events.put_nowait({"type": type_, "object": resource("one", version=version)})
                told = await world.receiver.next(1)
                assert told == [("deleted" if type_ == "DELETED" else "seen", f"one {version}")]

    async def test_kopf_writes_nothing(self, world: World) -> None:
        world.server.items = [resource("one")]
        async with world.running():
            await world.receiver.next(2)
            world.server.events.put_nowait({"type": "MODIFIED", "object": resource("one", version=2)})
            await world.receiver.next(1)
        assert {method for method, *_ in world.server.requests} == {"GET"}

    async def test_all_namespaces_are_one_watch(self, world: World) -> None:
        async with world.running():
            pass
        assert len(world.server.queries(RESOURCES, watching=False)) == 1
        assert world.server.queries(RESOURCES, watching=True)[0]["timeoutSeconds"] == "60"

    async def test_some_namespaces_are_watched_alone(self, world: World) -> None:
        world.server.items = [resource("one"), resource("two", "warehouse")]
        async with world.running(namespaces=("shop",)):
            told = await world.receiver.next(2)
        assert ("seen", "one 1") in told
        assert not world.server.queries(RESOURCES, watching=False)
        assert world.receiver.told.empty()
        asked = {path for _, path, *_ in world.server.requests}
        assert not asked & {"/api/v1/namespaces", CRDS}, "that would take rights over the whole cluster"

    async def test_a_label_selector_goes_to_the_server(self, world: World) -> None:
        async with world.running(label_selector="team=blue"):
            pass
        for watching in (False, True):
            assert world.server.queries(RESOURCES, watching=watching)[0]["labelSelector"] == "team=blue"
        assert "labelSelector" not in world.server.queries(CRDS, watching=False)[0], "the CRD has no such labels"

    async def test_of_the_crds_only_ours_is_watched(self, world: World) -> None:
        async with world.running():
            pass
        (query,) = world.server.queries(CRDS, watching=False)
        assert query["fieldSelector"] == f"metadata.name={PLURAL}.{GROUP}"

    async def test_each_request_carries_the_token_that_is_current(self, world: World) -> None:
        async with world.running():
            assert {authorization for *_, authorization in world.server.requests} == {"Bearer one"}

    async def test_a_401_is_answered_with_a_new_session(self, world: World) -> None:
        world.server.refuses = 2
        world.server.items = [resource("one")]
        async with world.running():
            told = await world.receiver.next(2)
        assert ("seen", "one 1") in told

    async def test_whether_somebody_watches_can_be_told(self, world: World) -> None:
        assert not watch.watching(())
        async with world.running():
            assert watch.watching(())
        assert not watch.watching(())

    async def test_when_told_to_stop_it_stops(self, world: World) -> None:
        async with world.running():
            before = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - before < DEADLINE / 2
