"""The operations of the API, and which of them a request asks for."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from atlas_endpoints.simulator import errors
from atlas_endpoints.simulator.exchange import Request
from atlas_endpoints.simulator.negotiation import RESOURCE_VERSION

API = ("api", "atlas", "v2")
"""How the paths of the Admin API begin."""
OAUTH = ("api", "oauth")
"""How the paths of the token endpoint begin."""

_PATTERNS = {"id": re.compile(r"[a-f0-9]{24}"), "name": re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]{0,63}")}
"""What a variable segment may be, by the end of its name; others may be anything."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request for an operation.

    Attributes:
        request: as it came.
        operation: that it asks for.
        names: the variable segments of its path, by their names.
        version: of the resource that is answered.
        headers: of the answer.
    """

    request: Request
    operation: "Operation"
    names: Mapping[str, str]
    version: str = RESOURCE_VERSION
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """What can be asked of the API.

    Attributes:
        java_method: its name in the header fields.
        perform: returns the status and the body of the answer, or raises ApiError.
        admit: checks what is the operation's own, before the body is read; raises ApiError, and adds header fields.
        writes: it changes something, which takes the role Project Owner.
        is_deprecated: its end is announced in the header fields.
        version: the one version of its resource.
    """

    java_method: str
    perform: Callable[[Call], tuple[int, bytes]]
    admit: Callable[[Call], None] = lambda _: None
    writes: bool = False
    is_deprecated: bool = False
    version: str = RESOURCE_VERSION


Family = Mapping[str, Mapping[str, Operation]]
"""Operations by their path, with ``{name}`` for a variable segment, and by their method."""


class Routes:
    """Finds the operation that a request asks for.

    Args:
        families: all operations; no two of their paths fit the same request.
    """

    def __init__(self, families: Sequence[Family]) -> None:
        self._paths = [
            (tuple(path.strip("/").split("/")), methods) for family in families for path, methods in family.items()
        ]

    def match(self, request: Request) -> Call:
        """Return a request with the operation that it asks for.

        Raises:
            ApiError: 404, the URL leads nowhere; 405, not with this method; 400, an id or name in it is malformed.
        """
        for path, methods in self._paths:
            if (names := _names(path, request.segments)) is None:
                continue
            operation = methods.get(request.method)
            if operation is None:
                raise errors.method_not_allowed(request.method)
            if not all(_fits(name, value) for name, value in names.items()):
                raise errors.malformed_path(request.path)
            return Call(request, operation, names, operation.version)
        raise errors.resource_not_found(request.path)


def _names(path: Sequence[str], segments: Sequence[str]) -> Mapping[str, str] | None:
    if len(path) != len(segments):
        return None
    names = {}
    for expected, segment in zip(path, segments, strict=True):
        if expected.startswith("{"):
            names[expected.strip("{}")] = segment
        elif expected != segment:
            return None
    return names


def _fits(name: str, value: str) -> bool:
    return all(pattern.fullmatch(value) for end, pattern in _PATTERNS.items() if name.lower().endswith(end))
