"""An Atlas that holds endpoints of one serverless instance, for small models.

It notes down what was true and when, so that ``invariants`` can tell a claim from a lie.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from atlas_endpoints.atlas.errors import EndpointAbsentError, UpdateRejectedError
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from model.environment import PROJECT, SHARED, Environment, Move
from model.serverless import invariants
from model.serverless.truth import MARK, Truth, note, shows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from atlas_endpoints.controller.cache import Key
    from atlas_endpoints.reconcile.kind import Kind
    from model.environment import Spec
    from model.invariants import Laws
    from model.run import Run

INSTANCE = "orders"
FOREIGN = "6f7cac1adf5d6c6306f4b2ff"
"""An endpoint of the same instance that no resource names."""


def endpoint_id(name: str) -> str:
    """The endpoint in Atlas that a resource of this name manages in all models."""
    return "6f7cac1adf5d6c6306f4b2" + name.encode().hex()[:2]


@dataclass(kw_only=True)
class Serverless(Environment):
    """An environment whose resources are about endpoints of one instance.

    Attributes:
        endpoints: what Atlas holds, by id.
        truths: of each generation.
        before: each endpoint as it was before somebody changed it by hand, and when that was.
        meddled: endpoints that anybody but the operator, as it is now, has changed since it had a write confirmed.
        failed: whether Atlas ever reported a failure.
        reserved_for: the uid of the resource that each endpoint was reserved for.
    """

    kind: ClassVar[Kind[Any]] = KIND
    laws: ClassVar[Laws] = invariants
    connecting: ClassVar = "INITIATING"
    available: ClassVar = "AVAILABLE"

    endpoints: dict[str, dict[str, str | None]]
    truths: list[Truth] = field(default_factory=list)
    before: dict[str, tuple[dict[str, str | None], float]] = field(default_factory=dict)
    meddled: set[str] = field(default_factory=set)
    failed: bool = False
    reserved_for: dict[str, str] = field(default_factory=dict)

    @override
    def edited(self, key: Key) -> None:
        body = self.objects[key]
        truth = Truth(body["metadata"]["uid"], body["metadata"]["generation"], body["spec"])
        self.truths.append(truth)
        for id_, (before, at) in self.before.items():
            if id_ in self.endpoints_of(truth.uid, truth.spec) and self.now - at <= SHARED:
                note(truth, before)
        self.note()

    # Calls.

    @override
    def read(self, method: str, path: str, content: Any) -> tuple[str, str]:
        id_ = path.rpartition("/endpoint")[2].removeprefix("/")
        kind = "LIST" if method == "GET" and not id_ else method
        return kind, content["comment"] if kind == "POST" else id_

    @override
    def serve(self, kind: str, target: str, content: Any) -> Any:
        match kind:
            case "LIST":
                return [{"_id": id_, **endpoint} for id_, endpoint in sorted(self.endpoints.items())]
            case "POST":
                id_ = self.reserve(target)
                return {"_id": id_, **self.endpoints[id_]}
            case "GET" | "PATCH" | "DELETE" if target not in self.endpoints:
                raise EndpointAbsentError("There is none.", operation=kind, http_status=404)
            case "GET":
                return {"_id": target, **self.endpoints[target]}
            case "DELETE":
                self.endpoints[target]["status"] = "DELETING"
                self.note()
                return None
            case "PATCH":
                after = self.patch(target, content)
                if after is None:
                    words = "Atlas refused the change in the endpoint's present status."
                    raise UpdateRejectedError(words, operation="update", http_status=409)
                return {"_id": target, **after}
            case other:
                raise AssertionError(other)

    @override
    def lagging(self) -> list[Any]:
        return [each for each in self.serve("LIST", "", None) if each["_id"] not in self.made]

    def reserve(self, mark: str) -> str:
        """Reserve an endpoint, with this comment; its id."""
        id_ = f"6f7cac1adf5d6c6306f4c1{len(self.reserved_for):02x}"
        self.endpoints[id_] = {
            "status": "RESERVED",
            "providerName": "AWS",
            "endpointServiceName": "service",
            "cloudProviderEndpointId": None,
            "comment": mark,
        }
        self.reserved_for[id_] = mark.removeprefix(MARK)
        if self.left["list lags"]:
            self.made[id_] = self.now
        self.note()
        return id_

    def endpoints_of(self, uid: str, spec: Spec) -> list[str]:
        """Give the endpoint that a resource names, or those that were reserved for it."""
        if (named := spec.get("endpointId")) is not None:
            return [named]
        return [id_ for id_, owner in self.reserved_for.items() if owner == uid]

    def patch(self, endpoint: str, fields: Mapping[str, str]) -> dict[str, str | None] | None:
        """Change an endpoint as Atlas does; ``None`` when it refuses."""
        known = self.endpoints.get(endpoint)
        if known is None:
            return None
        connects = "cloudProviderEndpointId" in fields
        if known["status"] not in {"RESERVED", "INITIATING", "AVAILABLE", "FAILED"}:
            return None
        if connects and known["status"] == "INITIATING":
            return None
        known.update({name: value for name, value in fields.items() if name != "providerName"})
        if connects and known["status"] in {"RESERVED", "FAILED"}:
            known.update(status="INITIATING", errorMessage=None)
        self.note()
        return dict(known)

    # What happens by itself, and what people do.

    @override
    def passing(self) -> list[Move]:
        endpoints = enumerate(endpoint for _, endpoint in sorted(self.endpoints.items()))
        passing = {self.connecting: "Atlas connects", "DELETING": "Atlas deletes"}
        return [Move(passing[each["status"]], index) for index, each in endpoints if each["status"] in passing]

    @override
    def meddling(self) -> Iterator[Move]:
        for index, (id_, endpoint) in enumerate(sorted(self.endpoints.items())):
            if endpoint["status"] == self.connecting and self.left["Atlas fails"]:
                yield Move("Atlas fails", index)
            is_ours = any(self.kind.entry_of(body) == id_ for body in self.objects.values())
            for kind in ("person", "expires") if is_ours else ():
                if self.left[kind]:
                    yield Move(kind, index)

    @override
    def happen(self, run: Run[Any], move: Move) -> str:
        id_, endpoint = sorted(self.endpoints.items())[move.number]
        if move.kind in self.left:
            self.left[move.kind] -= 1
        match move.kind:
            case "Atlas connects":
                endpoint.update(status=self.available)
                self.note()
            case "Atlas fails":
                self.failed = True
                endpoint.update(status="FAILED", errorMessage="The connection was refused.")
                self.note()
            case "Atlas deletes" | "expires":
                run.meddled(id_)
                del self.endpoints[id_]
                self.lately[id_] = self.now
                return f"{id_} is gone from Atlas"
            case "person":
                run.meddled(id_)
                self.meddle(id_, comment="by hand")
                return f"somebody changes {id_} in Atlas"
            case other:
                raise AssertionError(other)
        return f"{move.kind}: {id_}"

    @override
    def told(self) -> str:
        return "; ".join(
            f"{endpoint['status']} {endpoint.get('comment') or '-'} {endpoint.get('cloudProviderEndpointId') or ''}".strip()
            for id_, endpoint in sorted(self.endpoints.items())
            if id_ != FOREIGN
        )

    @override
    def whole(self, name: str, spec: Spec) -> dict[str, Any]:
        where = {"projectId": PROJECT, "instanceName": INSTANCE, "providerName": "AWS"}
        return {**where, "endpointId": endpoint_id(name), **spec}

    # What is true.

    def note(self) -> None:
        """Write down what is true now."""
        for truth in self.truths:
            for id_ in self.endpoints_of(truth.uid, truth.spec):
                if id_ in self.endpoints:
                    note(truth, self.endpoints[id_])

    @override
    def meddled_with(self, target: str) -> None:
        self.meddled.add(target)

    @override
    def confirmed(self, target: str) -> None:
        """From now on only what Atlas shows since then counts."""
        self.meddled.discard(target)
        for truth in self.truths:
            if target in self.endpoints_of(truth.uid, truth.spec):
                truth.shown, truth.available, truth.held = False, False, {}
        self.note()

    def meddle(self, endpoint: str, **changes: str) -> None:
        """Have a person change an endpoint in Atlas."""
        self.before[endpoint] = dict(self.endpoints[endpoint]), self.now
        self.endpoints[endpoint].update(changes)
        self.note()

    def shows(self, endpoint: str, spec: Spec) -> bool:
        """Tell whether Atlas shows now what a spec asks for."""
        return shows(self.endpoints[endpoint], spec)
