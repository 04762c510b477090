"""The calls of a kind, declared: one path, the names of its operations, and what refusals mean. Pure."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from atlas_endpoints.atlas.requests import PAGE, Refusals, Request, Scope, path

GROUP = "/api/atlas/v2/groups/{groupId}"
NONE = Refusals()


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """The calls for the entries of a kind.

    Attributes:
        below: the path of the LIST, below that of the project; a variable in it is the name of the scope, and a second one what
            entries are parts of: then an ID is that of the whole, a slash, and its own.
        one: the variable that names an entry; "": there is one entry, at the path of the LIST.
        list, get, create, delete, update: the operations, by their names in Atlas's API reference; "": there is none.
        paged: whether the LIST comes in pages.
        versions: those of single operations, where they differ.
        refusals: what they mean; the codes of absence count where the path names an entry.
        of_reads: those of GETs, where they differ.
    """

    below: str
    one: str
    list: str = ""
    get: str = ""
    create: str = ""
    delete: str = ""
    update: str = ""
    paged: bool = True
    version: str = "2023-01-01"
    versions: Mapping[str, str] = field(default_factory=dict)
    refusals: Refusals = NONE
    of_reads: Refusals | None = None

    @property
    def templates(self) -> Mapping[str, str]:
        """The path of each operation, as in Atlas's API reference."""
        every = f"{GROUP}/{self.below}"
        one = f"{every}/{{{self.one}}}" if self.one else every
        found = {self.list: every, self.create: every, self.get: one, self.delete: one, self.update: one}
        return {operation: where for operation, where in found.items() if operation}

    def list_of(self, scope: Scope) -> Request:
        return replace(self._request(self.list, "GET", scope), paged=self.paged, single=not self.one)

    def get_of(self, scope: Scope, id_: str) -> Request:
        return self._request(self.get, "GET", scope, id_=id_)

    def creation_of(self, scope: Scope, body: Mapping[str, Any], whole: str = "") -> Request:
        """Return the POST of an entry; ``whole``: the ID of what it is a part of."""
        return self._request(self.create, "POST", scope, body, whole=whole)

    def update_of(self, scope: Scope, id_: str, body: Mapping[str, Any]) -> Request:
        return self._request(self.update, "PATCH", scope, body, id_)

    def deletion_of(self, scope: Scope, id_: str) -> Request:
        return self._request(self.delete, "DELETE", scope, id_=id_)

    def _request(
        self,
        operation: str,
        method: str,
        scope: Scope,
        body: Mapping[str, Any] | None = None,
        id_: str | None = None,
        *,
        whole: str = "",
    ) -> Request:
        names = re.findall(r"{(\w+)}", self.below)
        id_ = id_ if self.one else None
        if id_ is not None and len(names) > 1:
            whole, _, id_ = id_.partition("/")
        segments = {"groupId": scope.project_id, **dict(zip(names, (scope.name, whole), strict=False))}
        if id_ is not None:
            segments[self.one] = id_
        refusals = (method == "GET" and self.of_reads) or self.refusals
        if id_ is None and not whole:
            refusals = replace(refusals, absent=())
        template = f"{GROUP}/{self.below}" if id_ is None else f"{GROUP}/{self.below}/{{{self.one}}}"
        where = path(template, operation, **segments)
        return Request(operation, method, where, body, refusals, self.versions.get(operation, self.version))


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Something beside the entries, which is only read.

    Attributes:
        below: its path with its query, below the path of the project; the variables in it are what :meth:`of` names.
        parse: returns its value from the answer, or from the list of all items if that comes in pages; None: it is not readable.
        paged, page_size, optional: as in ``Request``.
    """

    operation: str
    below: str
    parse: Callable[[Any], Any | None]
    version: str = "2023-01-01"
    paged: bool = False
    page_size: int = PAGE
    refusals: Refusals = NONE
    optional: bool = False

    @property
    def template(self) -> str:
        """Its path, as in Atlas's API reference."""
        return f"{GROUP}/{self.below}".partition("?")[0]

    def of(self, scope: Scope, *names: str) -> Request:
        """Return its GET."""
        segments = dict(zip(re.findall(r"{(\w+)}", self.below), names, strict=True))
        where = path(f"{GROUP}/{self.below}", self.operation, groupId=scope.project_id, **segments)
        found = Request(self.operation, "GET", where, None, self.refusals, self.version)
        return replace(found, paged=self.paged, page_size=self.page_size, optional=self.optional)


def all_of(parse: Callable[[Any], Any | None]) -> Callable[[Any], tuple[Any, ...] | None]:
    """Return what reads a list whole: None if one of its items is not readable, since that may need an endpoint."""

    def parse_all(items: Any) -> tuple[Any, ...] | None:
        found = tuple(map(parse, items)) if isinstance(items, list) else (None,)
        return None if None in found else found

    return parse_all
