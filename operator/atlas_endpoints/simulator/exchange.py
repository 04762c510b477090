"""One HTTP exchange as the simulated Atlas sees it, free of any HTTP library."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent.

    Attributes:
        method: The HTTP method in capitals.
        target: Path and query exactly as on the request line; what HTTP digest signs.
        path: The path alone, still percent-encoded; what answers quote.
        segments: The decoded parts of the path between its slashes.
        query: The decoded query parameters; of a repeated one the last.
        headers: The header fields, looked up without regard to case.
        body: The whole body; empty if there is none.
        remote: The client's IP address.
    """

    method: str
    target: str
    path: str
    segments: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    remote: str

    def asks(self, flag: str) -> bool:
        """Tell whether a boolean query parameter is switched on."""
        return self.query.get(flag, "").lower() == "true"


@dataclass(slots=True)
class Answer:
    """What the server answers.

    Attributes:
        status: The HTTP status.
        body: The body as it goes over the wire.
        content_type: The media type; also sent with an empty body, as Atlas does on a 204.
        headers: Further header fields.
        error_code: Atlas's errorCode, if the answer is an error.
    """

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    error_code: str | None = None


def to_json(value: object, *, pretty: bool = False) -> bytes:
    """Serialise as Atlas does: UTF-8 on one line, or indented when a client asks for ``pretty=true``."""
    if pretty:
        text = json.dumps(value, ensure_ascii=False, indent=2, separators=(",", " : "))
    else:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")  # JSON may hold half a surrogate pair, UTF-8 may not
