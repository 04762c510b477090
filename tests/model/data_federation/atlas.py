"""An Atlas that holds the endpoints of a project for Data Federation, for small models; it notes what was true and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from atlas_endpoints.atlas.errors import EndpointAbsentError
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.kinds.data_federation_private_endpoint.kind import KIND
from model.data_federation import invariants
from model.dedicated.atlas import Dedicated, vpce
from model.dedicated.named import lives
from model.environment import PROJECT
from model.serverless.atlas import Serverless

if TYPE_CHECKING:
    from atlas_endpoints.controller.cache import Body
    from atlas_endpoints.reconcile.kind import Kind
    from model.environment import Spec
    from model.invariants import Laws

STRANGER = "vpce-ffffffffffffffff0"
"""An endpoint of the same project that no resource names."""
THEIRS = "theirs"
"""The name of a resource in another namespace, and that namespace."""


@dataclass(kw_only=True)
class DataFederation(Serverless):
    """An environment whose resources are about endpoints of one project.

    Attributes:
        in_steps: whether Atlas takes its time to connect and to delete an endpoint.
        pages: whether the answer to a POST is a page without its endpoint.
        ignores: how many times Atlas answers a DELETE without carrying it out.
        served: the requests to make dead endpoints again that were served: the uid of each resource, and its annotation.
    """

    kind: ClassVar[Kind[Any]] = KIND
    laws: ClassVar[Laws] = invariants
    connecting: ClassVar = "PENDING"
    available: ClassVar = "OK"

    in_steps: bool = False
    pages: bool = False
    ignores: int = 0
    served: set[tuple[str, str]] = field(default_factory=set)

    @override
    def read(self, method: str, path: str, content: Any) -> tuple[str, str]:
        named = path.rpartition("/endpointIds")[2].removeprefix("/") or (content or {}).get("endpointId", "")
        return "LIST" if not named else method, named

    @override
    def serve(self, kind: str, target: str, content: Any) -> Any:
        match kind:
            case "LIST":
                return self._page(self.endpoints)
            case "POST":
                self._register(target, content.get("comment"))
                return self._page([STRANGER] if self.pages else self.endpoints)
            case _ if target not in self.endpoints:
                raise EndpointAbsentError("There is none.", operation=kind, http_status=404)
            case "DELETE":
                return self._delete(target)
            case _:
                return self._document(target)

    @override
    def lagging(self) -> Any:
        return self._page([id_ for id_ in self.endpoints if id_ not in self.made])

    def _page(self, ids: Any) -> Any:
        return {"results": [self._document(id_) for id_ in sorted(ids)]}

    def _document(self, id_: str) -> Any:
        return {"endpointId": id_, "provider": "AWS", "type": "DATA_LAKE", **self.endpoints[id_]}

    def _register(self, id_: str, comment: str | None) -> None:
        """Register an endpoint, or change the comment of one."""
        known = self.endpoints.get(id_)
        if known is None:
            status = self.connecting if self.in_steps else self.available
            self.endpoints[id_] = {"status": status, "comment": comment, "cloudProviderEndpointId": id_}
            self.served |= {each for body in self.naming(id_) if (each := Dedicated.request_of(body)) is not None}
            if self.left["list lags"]:
                self.made[id_] = self.now
        elif comment is not None:
            known["comment"] = comment
        self.note()

    def _delete(self, id_: str) -> None:
        if self.ignores:
            self.ignores -= 1
        elif self.in_steps:
            self.endpoints[id_]["status"] = "DELETING"
        else:
            del self.endpoints[id_]
            self.lately[id_] = self.now
        self.note()

    @override
    def whole(self, name: str, spec: Spec) -> dict[str, Any]:
        return {"projectId": PROJECT, "providerName": "AWS", "cloudProviderEndpointId": vpce(name), **spec}

    @override
    def key(self, name: str) -> Key:
        return Key(KIND.names.kind, THEIRS, name) if name == THEIRS else super().key(name)

    @override
    def endpoints_of(self, uid: str, spec: Spec) -> list[str]:
        return [spec["cloudProviderEndpointId"]]

    @override
    def is_shared(self, target: str) -> bool:
        return not any(map(lives, self.naming(target)))  # resources that are deleted together may delete the same

    def naming(self, id_: str) -> list[Body]:
        """Give the resources that name an endpoint."""
        return [body for body in self.objects.values() if KIND.entry_of(body) == id_]

    @override
    def edited(self, key: Key) -> None:
        super().edited(key)
        named = KIND.entry_of(self.objects[key])  # and so it may be there again
        self.released -= {each.uid for each in self.truths if named in self.endpoints_of(each.uid, each.spec)}
