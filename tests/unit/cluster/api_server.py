"""A small Kubernetes API server on a real socket: it keeps resources of our kind and what belongs to them, and misbehaves.

It knows as much of the protocol as the modules under test use, kopf's discovery, LISTs and watches among it.
"""

import asyncio
import base64
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client

from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from support.named import NAMED

GROUP, VERSION, _, PLURAL = KIND.names

RESOURCES = f"/apis/{GROUP}/{VERSION}"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    """What to answer next time, whatever is asked.

    Attributes:
        status: of HTTP; 0 drops the connection, -1 never answers, -2 never ends to.
        body: JSON, or text as it is.
        content_type: of the body.
        location: where a redirection leads.
        raw: what comes over the wire instead of all that.
    """

    status: int
    body: object = ""
    content_type: str = "application/json"
    location: str | None = None
    raw: bytes | None = None


RESET, HANG, STALL = Answer(0), Answer(-1), Answer(-2)


@dataclass
class ApiServer:
    """The API server.

    Attributes:
        resources: bodies, and of ``secrets`` values, by namespace and name.
        namespaces: annotations by name; of those that have none, ``None``.
        others: plurals of other kinds that are served, by apiVersion and kind; ``objects`` holds their bodies by path, and ``logs`` those of Pods, with ``?container&previous``.
        serves_the_kind: whether our CRD is installed.
        answers: what to answer to the next requests instead of the truth; ``lists``, to the next LISTs of our kind.
        slowness: seconds that each page of a LIST of our kind takes.
        streams: what the next watches of our kind say before they end.
        changes: events for a watch of our kind; ``None`` ends it, as it ends every minute.
        watched: the paths that are, or were, watched.
    """

    url: str = ""
    resources: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    secrets: dict[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    events: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    namespaces: dict[str, Mapping[str, str] | None] = field(default_factory=dict)
    others: dict[tuple[str, str], str] = field(default_factory=dict)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    serves_the_kind: bool = True
    requests: list[Request] = field(default_factory=list)
    answers: deque[Answer] = field(default_factory=deque)
    lists: deque[Answer] = field(default_factory=deque)
    slowness: float = 0.0
    streams: deque[bytes] = field(default_factory=deque)
    changes: asyncio.Queue[dict[str, Any] | None] = field(default_factory=asyncio.Queue)
    watched: set[str] = field(default_factory=set)
    _version: int = 10
    _ends: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def calls(self) -> list[str]:
        return [f"{each.method} {each.path}" for each in self.requests]

    def api(self) -> client.ApiClient:
        return client.ApiClient(client.Configuration(host=self.url))

    def put(self, namespace: str, name: str, **spec: Any) -> dict[str, Any]:
        """Create a resource, or replace it by a namesake; gives a copy."""
        self._version += 1
        metadata = {
            "namespace": namespace,
            "name": name,
            "uid": f"uid-{self._version}",
            "generation": 1,
            "resourceVersion": str(self._version),
        }
        self.resources[namespace, name] = {
            **NAMED,
            "metadata": metadata,
            "spec": spec,
            "status": {"observedGeneration": -1},
        }
        copy: dict[str, Any] = json.loads(json.dumps(self.resources[namespace, name]))
        return copy

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = json.loads(text) if text else None
        self.requests.append(Request(request.method, request.path, dict(request.query), dict(request.headers), body))
        if self.answers:
            return await self._misbehave(request, self.answers.popleft())
        if "watch" in request.query:
            return await self._watch(request)
        if request.path.endswith(PLURAL):
            await asyncio.sleep(self.slowness)
            if self.lists:
                return await self._misbehave(request, self.lists.popleft())
        found = self._discovery().get(request.path)
        return (
            web.json_response(found) if found else self._other(request.path, request.query) or self._ours(request, body)
        )

    def _ours(self, request: web.Request, body: Any) -> web.Response:
        match request.path.strip("/").split("/"):
            case ["api", "v1", "namespaces", namespace, "secrets", name]:
                return self._secret(namespace, name)
            case ["apis", "events.k8s.io", "v1", "namespaces", namespace, "events"] if isinstance(body, dict):
                return self.take_event(namespace, body)
            case ["api", "v1", "namespaces", name]:
                return self._namespace(name)
            case ["apis", group, *_] if group == GROUP and self.serves_the_kind:
                return self._resource(request, body)
            case _:
                return web.Response(status=404, text="404 page not found")

    def _resource(self, request: web.Request, body: Any) -> web.Response:
        match request.path.removeprefix(RESOURCES).strip("/").split("/"):
            case [_]:
                return self._list(None, request.query)
            case [_, namespace, _]:
                return self._list(namespace, request.query)
            case [_, namespace, _, name, *_] if (resource := self.resources.get((namespace, name))) is not None:
                if request.method == "PATCH" and request.path.endswith("/status"):
                    self._version += 1
                    resource["metadata"]["resourceVersion"] = str(self._version)
                    resource["status"] = body[-1]["value"]
                return web.json_response(resource)
            case _:
                return refusal(404, "NotFound", f"{PLURAL} not found")

    async def _misbehave(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        assert request.transport is not None
        if answer.raw is not None:
            request.transport.write(answer.raw)
            request.transport.close()
            return web.Response()
        if answer.status == STALL.status:
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b"{")
        if answer.status in {HANG.status, STALL.status}:
            await self._ends.wait()
        if answer.status in {RESET.status, HANG.status, STALL.status}:
            request.transport.abort()
            return web.Response()
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        headers = {"Location": answer.location} if answer.location is not None else {}
        return web.Response(status=answer.status, text=text, content_type=answer.content_type, headers=headers)

    def _secret(self, namespace: str, name: str) -> web.Response:
        values = self.secrets.get((namespace, name))
        if values is None:
            return refusal(404, "NotFound", f"secrets {name!r} not found")
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        metadata = {"namespace": namespace, "name": name}
        return web.json_response({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data or None})

    def take_event(self, namespace: str, event: dict[str, Any]) -> web.Response:
        """Keep an Event, unless one of its name is there."""
        key = namespace, event["metadata"]["name"]
        if key in self.events:
            return refusal(409, "AlreadyExists", f"events {key[1]!r} already exists")
        self.events[key] = event
        return web.json_response(event, status=201)

    def _namespace(self, name: str) -> web.Response:
        if name not in self.namespaces:
            return refusal(404, "NotFound", f"namespaces {name!r} not found")
        metadata = {"name": name, "annotations": self.namespaces[name]}
        return web.json_response({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def _other(self, path: str, query: Mapping[str, str]) -> web.Response | None:
        """Answer about other kinds; ``None`` when it is about none of them."""
        if path in self.objects:
            return web.json_response(self.objects[path])
        if (log := f"{path}?{query.get('container')}&{query.get('previous')}") in self.logs:
            lines = self.logs[log].splitlines(keepends=True)[-int(query["tailLines"]) :]
            return web.Response(body="".join(lines).encode()[: int(query["limitBytes"])])
        kinds = {kind: plural for (api, kind), plural in self.others.items() if f"{path}/".startswith(f"/apis/{api}/")}
        if not kinds and "/configmaps/" not in path:
            return None
        if path.count("/") > len(("", "apis", "group", "version")) - 1:
            return refusal(404, "NotFound", f"{path} not found")
        resources = [_served(plural, kind, namespaced=True) for kind, plural in kinds.items()]
        resources += [{**each, "name": f"{each['name']}/status"} for each in resources]
        return web.json_response({"kind": "APIResourceList", "resources": resources})

    def _discovery(self) -> dict[str, Any]:
        """Return what kopf asks for before it watches."""
        crd, ours = _served("customresourcedefinitions", "CRD"), _served(PLURAL, NAMED["kind"], namespaced=True)
        listed = {"metadata": {"resourceVersion": "1"}}
        found: dict[str, Any] = {
            "/api": {"versions": ["v1"]},
            "/apis": {"groups": [_group("apiextensions.k8s.io", "v1"), _group(GROUP, VERSION)]},
            "/api/v1": {"resources": [_served("namespaces", "Namespace")]},
            "/apis/apiextensions.k8s.io/v1": {"resources": [crd]},
            "/api/v1/namespaces": {
                "items": [{"metadata": {"name": each, "uid": each}} for each in self.namespaces],
                **listed,
            },
            CRDS: {"items": [], **listed},
        }
        return {**found, RESOURCES: {"resources": [ours]}} if self.serves_the_kind else found

    def _list(self, namespace: str | None, query: Mapping[str, str]) -> web.Response:
        items = [body for (place, _), body in self.resources.items() if namespace in {None, place}]
        begin = int(query.get("continue", "0"))
        end = begin + int(query["limit"])
        metadata = {"resourceVersion": str(self._version), **({"continue": str(end)} if end < len(items) else {})}
        items = items[begin:end]
        return web.json_response({"kind": "ServerlessPrivateEndpointList", "metadata": metadata, "items": items})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        ours = request.path.endswith(PLURAL)
        if ours and self.streams:
            await response.write(self.streams.popleft())
            return response
        self.watched.add(request.path)
        try:
            while (event := await (self.changes.get() if ours else self._end())) is not None:
                await response.write(json.dumps(event).encode() + b"\n")
        except (asyncio.CancelledError, ConnectionError):
            pass
        return response

    async def _end(self) -> None:
        await self._ends.wait()

    def end(self) -> None:
        self._ends.set()


def _group(name: str, version: str) -> dict[str, Any]:
    versions = {"groupVersion": f"{name}/{version}", "version": version}
    return {"name": name, "versions": [versions], "preferredVersion": versions}


def _served(plural: str, kind: str, *, namespaced: bool = False) -> dict[str, Any]:
    verbs = ["get", "list", "watch", "patch"]
    return {"name": plural, "kind": kind, "singularName": kind.lower(), "namespaced": namespaced, "verbs": verbs}


def refusal(status: int, reason: str, message: str, **details: object) -> web.Response:
    """Answer with a ``Status``, as an API server explains its refusals."""
    return web.json_response(status_of(status, reason, message, **details), status=status)


def status_of(status: int, reason: str, message: str, **details: object) -> dict[str, Any]:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": message,
        "reason": reason,
        "details": details,
        "code": status,
    }


@asynccontextmanager
async def serving() -> AsyncIterator[ApiServer]:
    api_server = ApiServer()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", api_server.handle)
    async with TestServer(app) as server:
        api_server.url = str(server.make_url("")).rstrip("/")
        try:
            yield api_server
        finally:
            api_server.end()
