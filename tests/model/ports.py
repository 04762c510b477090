"""The ends of an operator in a small environment: each call stays open until a move of the explorer answers it."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
from typing_extensions import override

from atlas_endpoints.atlas.answers import Answer
from atlas_endpoints.atlas.errors import AtlasUnavailableError
from atlas_endpoints.atlas.transport import GuardedTransport, WriteProgress
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import ListedObjects
from support.ports import NoObserver

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

    from atlas_endpoints.atlas.credentials import Credentials
    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.controller.cache import Body, Key
    from atlas_endpoints.controller.controller import MetadataChange, Status
    from atlas_endpoints.reconcile.events import Event
    from model.environment import Environment

READS = frozenset({"LIST", "GET", "READ", "INVENTORY"})
CHANGES = frozenset({"POST", "PATCH", "DELETE"})
"""The writes to Atlas."""
RECORDS = frozenset({"STATUS", "METADATA"})
"""The writes to the API server."""


@dataclass
class Effect:
    """A call that is under way.

    Attributes:
        replica: who made it.
        kind: LIST, GET, POST, PATCH or DELETE at Atlas; STATUS, METADATA, READ or INVENTORY at the API server.
        target: what it is about in Atlas, as its kind of resource has it, or the resource; empty for lists.
        content: what it carries.
        opened: when, in monotonic seconds.
        answer: where the caller waits.
        held: what it was answered, while the answer is on its way.
        clears: whether the answer confirms a write that nobody has meddled with since.
    """

    replica: int
    kind: str
    target: str
    content: Any
    opened: float
    answer: asyncio.Future[Any]
    held: Any = None
    clears: bool = False

    def told(self) -> str:
        carried = ""
        if self.kind == "PATCH":
            carried = " " + ", ".join(f"{k}={v!r}" for k, v in self.content.items() if k != "providerName")
        if self.kind == "STATUS":
            carried = " " + said(self.content["status"])
        if self.kind == "METADATA":
            change = self.content["change"]
            carried = f" {dict(change.finalizers)} {dict(change.annotations)}"
        return f"{self.kind} {self.target}".strip() + carried


class Ports(httpx.AsyncBaseTransport, NoObserver):
    """One replica's ends: calls to Atlas (through the real fence) and to the API server, and who is told.

    Args:
        replica: whose.
        read: gives the kind and the target of a call to Atlas.
        open_: takes a call and gives the future of its answer.
        leads: tells whether the replica's Lease is valid.
        record: takes an Event about a resource.
    """

    base_url = "https://atlas.example"

    def __init__(
        self,
        replica: int,
        read: Callable[[str, str, Any], tuple[str, str]],
        open_: Callable[[int, str, str, Any], asyncio.Future[Any]],
        leads: Callable[[int], bool],
        record: Callable[[Body, Event], None],
    ) -> None:
        self._replica = replica
        self._read = read
        self._record = record
        self._open = open_
        self._leads = leads
        self._fenced = GuardedTransport(self, self.may_write)

    async def request(self, credentials: Credentials, request: Request) -> Answer:
        """Make a call to Atlas."""
        extensions = {"write": WriteProgress(request.operation) if request.writes else None, "json": request.body}
        sent = httpx.Request(request.method, _url(self.base_url + request.path), extensions=extensions)
        await self._fenced.handle_async_request(sent)
        return Answer(200, sent.extensions["answer"])

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Take a call that the fence has let through."""
        content = request.extensions["json"]
        kind, target = self._read(request.method, request.url.path, content)
        request.extensions["answer"] = await self._open(self._replica, kind, target, content)
        return httpx.Response(200)

    def may_write(self) -> bool:
        """Tell whether the replica leads; the fence asks."""
        return self._leads(self._replica)

    async def write(self, body: Body, status: Status) -> Body:
        """Write a status."""
        metadata = body["metadata"]
        content = {"uid": metadata["uid"], "version": metadata["resourceVersion"], "status": status}
        after: Body = await self._open(self._replica, "STATUS", metadata["name"], content)
        return after

    async def change(self, body: Body, change: MetadataChange) -> Body:
        """Write into the metadata of a resource."""
        metadata = body["metadata"]
        content = {"uid": metadata["uid"], "version": metadata["resourceVersion"], "change": change}
        after: Body = await self._open(self._replica, "METADATA", metadata["name"], content)
        return after

    async def read(self, key: Key) -> Body | None:
        """Read a resource."""
        body: Body = await self._open(self._replica, "READ", key.name, None)
        return body or None

    async def list(self, namespace: str | None, known: Callable[[Body], Body]) -> ListedObjects | None:
        """List the resources; that the answer is of the past is told by them alone."""
        del namespace
        bodies: list[Body] = await self._open(self._replica, "INVENTORY", "", None)
        return ListedObjects([known(body) for body in bodies], sys.maxsize)

    @override
    def recorded(self, body: Body, event: Event) -> None:
        """Tell people what becomes of an endpoint."""
        self._record(body, event)


@functools.cache
def _url(text: str) -> httpx.URL:
    return httpx.URL(text)


def serve(environment: Environment, effect: Effect) -> Any:
    """Have the environment serve a call, and give what it answers.

    Raises:
        AtlasError, ConflictError, GoneError: it answers with that.
    """
    key, content = environment.key(effect.target), effect.content
    match effect.kind:
        case "STATUS":
            return environment.write_status(key, content["uid"], content["version"], content["status"])
        case "METADATA":
            return environment.write_metadata(key, content["uid"], content["version"], content["change"])
        case "READ":
            return environment.objects.get(key)
        case "INVENTORY":
            return list(environment.objects.values())
        case _:
            return environment.serve(effect.kind, effect.target, content)


def failure(effect: Effect, *, sent: bool) -> Exception:
    """Give the error that a caller sees when a call breaks: before it was sent, or when its fate is unknown."""
    if effect.kind in {"LIST", "GET", *CHANGES}:
        unknown = sent and effect.kind in CHANGES
        return AtlasUnavailableError("Atlas gave no answer.", operation=effect.kind, unknown_outcome=unknown)
    return ClusterUnavailableError("The API server gave no answer.")


def said(status: Mapping[str, Any]) -> str:
    """Sum a status up in a few words."""
    ready = next((each for each in status.get("conditions", ()) if each["type"] == "Ready"), None)
    applied = status.get("applied") or {}
    confirmed = applied.get("comment", applied.get("cloudProviderEndpointId", "-"))
    verdict = f"Ready={ready['status']} {ready['reason']}" if ready else "no Ready"
    return f"generation {status.get('observedGeneration')}: {verdict}, applied {confirmed}"
