"""A small Kubernetes API server on a real socket: it keeps resources of our kind and what belongs to them, and misbehaves.

It knows as much of the protocol as the modules under test use. JSON patches are applied for real, with their tests.
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

GROUP, VERSION, _, PLURAL = KIND.names

RESOURCES = f"/apis/{GROUP}/{VERSION}"
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
    """

    status: int
    body: object = ""
    content_type: str = "application/json"
    location: str | None = None


RESET, HANG, STALL = Answer(0), Answer(-1), Answer(-2)


@dataclass
class ApiServer:
    """The API server.

    Attributes:
        resources: bodies, and of ``secrets`` values, by namespace and name.
        namespaces: annotations by name; of those that have none, ``None``.
        others: plurals of other kinds that are served, by apiVersion and kind; ``objects`` holds their bodies by path, and ``logs`` those of Pods.
        serves_the_kind: whether our CRD is installed.
        answers: what to answer to the next requests instead of the truth.
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
        self.resources[namespace, name] = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "ServerlessPrivateEndpoint",
            "metadata": {
                "namespace": namespace,
                "name": name,
                "uid": f"uid-{self._version}",
                "generation": 1,
                "resourceVersion": str(self._version),
            },
            "spec": spec,
            "status": {"observedGeneration": -1},
        }
        return self.get(namespace, name)

    def touch(self, namespace: str, name: str) -> None:
        """Change a resource in a way that moves nothing but its version."""
        self._version += 1
        self.resources[namespace, name]["metadata"]["resourceVersion"] = str(self._version)

    def get(self, namespace: str, name: str) -> dict[str, Any]:
        copy: dict[str, Any] = json.loads(json.dumps(self.resources[namespace, name]))
        return copy

    async def handle(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = json.loads(text) if text else None
        self.requests.append(Request(request.method, request.path, dict(request.query), dict(request.headers), body))
        if self.answers:
            return await self._misbehave(request, self.answers.popleft())
        return self._other(request.path) or self._ours(request, body)

    def _ours(self, request: web.Request, body: Any) -> web.Response:
        match request.path.strip("/").split("/"):
            case ["api", "v1", "namespaces", namespace, "secrets", name]:
                return self._secret(namespace, name)
            case ["apis", "events.k8s.io", "v1", "namespaces", namespace, "events"] if isinstance(body, dict):
                return self.take_event(namespace, body)
            case ["api", "v1", "namespaces", name]:
                return self._namespace(name)
            case ["apis", _, _, *_] if not self.serves_the_kind:
                return web.Response(status=404, text="404 page not found")
            case ["apis", _, _, plural] if plural == PLURAL:
                return self._list(None, request.query)
            case ["apis", _, _, "namespaces", namespace, _]:
                return self._list(namespace, request.query)
            case ["apis", _, _, "namespaces", namespace, _, name, *rest]:
                if (namespace, name) not in self.resources:
                    return refusal(404, "NotFound", f"{PLURAL} {name!r} not found")
                if rest == ["status"] and request.method == "PATCH":
                    return self._patch(self.resources[namespace, name], request.headers["Content-Type"], body)
                return web.json_response(self.resources[namespace, name])
            case _:
                return web.Response(status=404, text="404 page not found")

    async def _misbehave(self, request: web.Request, answer: Answer) -> web.StreamResponse:
        if answer.status == STALL.status:
            response = web.StreamResponse(headers={"Content-Length": "1000"})
            await response.prepare(request)
            await response.write(b"{")
        if answer.status in {HANG.status, STALL.status}:
            await self._ends.wait()
        if answer.status in {RESET.status, HANG.status, STALL.status}:
            assert request.transport is not None
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

    def _other(self, path: str) -> web.Response | None:
        """Answer about other kinds; ``None`` when it is about none of them."""
        if path in self.objects:
            return web.json_response(self.objects[path])
        if path in self.logs:
            return web.Response(text=self.logs[path])
        kinds = {kind: plural for (api, kind), plural in self.others.items() if f"{path}/".startswith(f"/apis/{api}/")}
        if not kinds and "/configmaps/" not in path:
            return None
        if path.count("/") > len(("", "apis", "group", "version")) - 1:
            return refusal(404, "NotFound", f"{path} not found")
        resources = [{"kind": kind, "name": plural, "namespaced": True} for kind, plural in kinds.items()]
        resources += [{**each, "name": f"{each['name']}/status"} for each in resources]
        return web.json_response({"kind": "APIResourceList", "resources": resources})

    def _list(self, namespace: str | None, query: Mapping[str, str]) -> web.Response:
        items = [body for (place, _), body in self.resources.items() if namespace in {None, place}]
        begin = int(query.get("continue", "0"))
        end = begin + int(query["limit"])
        metadata = {"resourceVersion": str(self._version), **({"continue": str(end)} if end < len(items) else {})}
        items = items[begin:end]
        return web.json_response({"kind": "ServerlessPrivateEndpointList", "metadata": metadata, "items": items})

    def _patch(self, resource: dict[str, Any], content_type: str, operations: Any) -> web.Response:
        if content_type != JSON_PATCH:
            return refusal(415, "UnsupportedMediaType", f"{content_type} is not served here")
        for operation in operations:
            parent, leaf = resource, operation["path"].rpartition("/")[2]
            for step in operation["path"].split("/")[1:-1]:
                parent = parent[step]
            match operation["op"]:
                case "test" if parent.get(leaf) != operation["value"]:
                    return refusal(422, "Invalid", "the server rejected our request due to an error in our request")
                case "add":
                    parent[leaf] = operation["value"]
                case _:
                    pass
        self._version += 1
        resource["metadata"]["resourceVersion"] = str(self._version)
        return web.json_response(resource)

    def end(self) -> None:
        self._ends.set()


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
