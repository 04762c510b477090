"""Faults: answers that are not Atlas's, for tests and people who want something to go wrong."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, TypeAdapter, model_validator

from atlas_endpoints.simulator.exchange import Answer, ApiError, reason, to_json
from atlas_endpoints.simulator.switches import Document, Seconds, parse

_DEFAULT_CODES = {
    401: "UNEXPECTED_ERROR",
    402: "ACCOUNT_SUSPENDED",
    403: "ACCESS_FORBIDDEN",
    404: "RESOURCE_NOT_FOUND",
    405: "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES",
    406: "INVALID_VERSION_DATE",
    410: "VERSION_GONE",
    429: "RATE_LIMITED",
    503: "SERVICE_UNAVAILABLE",
}
_ERROR = 400
_FRAMING = frozenset({"content-length", "transfer-encoding"})


class Match(Document):
    """Which requests a fault concerns; what is not given matches everything."""

    method: str | None = None
    path: re.Pattern[str] | None = None
    query: re.Pattern[str] | None = None

    def matches(self, method: str, target: str) -> bool:
        """Return whether the fault concerns a request."""
        if self.method is not None and self.method.upper() != method:
            return False
        path, _, query = target.partition("?")
        return all(
            pattern is None or pattern.search(text) for pattern, text in ((self.path, path), (self.query, query))
        )


class Fault(Document):
    """One thing that goes wrong; docs/simulator.md explains each key."""

    match: Match = Match()
    status: int | None = Field(default=None, ge=200, le=599)
    error_code: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)
    body: str | dict[str, Any] | list[Any] | None = None
    raw: str | None = None
    delay: Seconds = 0
    drop: Literal["before", "after"] | None = None
    apply: bool = False
    apply_after: Seconds | None = None
    times: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _makes_sense(self) -> "Fault":
        if self.status is None and (self.error_code or self.headers or self.body is not None):
            raise ValueError("errorCode, headers and body need a status")
        if self.status is None and self.raw is None and self.drop is None and not self.delay:
            raise ValueError("give at least one of status, raw, drop and delay")
        if self.apply_after is not None and not self.applies:
            raise ValueError("applyAfter needs drop: after, or apply: true")
        if self.apply and not self.answers:
            raise ValueError("apply needs a status or raw to answer with")
        return self

    @property
    def answers(self) -> bool:
        """Whether the fault answers in Atlas's place."""
        return self.drop is None and (self.status is not None or self.raw is not None)

    @property
    def applies(self) -> bool:
        """Whether the request takes effect although its own answer never arrives."""
        return self.drop == "after" or (self.answers and self.apply)

    @cached_property
    def answer(self) -> Answer:
        """The answer of a fault that has a status; by default an error in Atlas's format."""
        status = self.status or 200
        if self.body is None and status >= _ERROR:
            code = self.error_code or _DEFAULT_CODES.get(status, "UNEXPECTED_ERROR")
            answer = ApiError(status, code, f"The simulator was told to answer {status} {code}.").answer()
        else:
            body = self.body if isinstance(self.body, str) else to_json(self.body)
            text = b"" if self.body is None else body if isinstance(body, bytes) else body.encode()
            media_type = "text/html" if text.lstrip().startswith(b"<") else "application/json"
            answer = Answer(status, text, media_type, error_code=self.error_code)
        answer.headers |= self.headers
        return answer

    @property
    def verbatim(self) -> bytes | None:
        """What goes over the wire byte by byte, if the fault breaks the framing of HTTP."""
        if self.raw is not None:
            return self.raw.encode()
        if not any(name.lower() in _FRAMING for name in self.headers):
            return None
        status, answer = self.status or 200, self.answer
        named = {name.lower() for name in answer.headers}
        fields = {} if "content-type" in named else {"Content-Type": answer.content_type}
        fields |= answer.headers | {"Connection": "close"}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return f"HTTP/1.1 {status} {reason(status)}\r\n{head}\r\n".encode() + answer.body


@dataclass(slots=True)
class ActiveFault:
    """A fault and how often it has happened."""

    fault: Fault
    hits: int = 0

    @property
    def left(self) -> int | None:
        """How often it still happens; ``None``: until it is removed."""
        return None if self.fault.times is None else self.fault.times - self.hits

    def document(self) -> dict[str, Any]:
        """Return the fault as the control API shows it."""
        described = self.fault.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return described | {"hits": self.hits, "left": self.left}


class Faults:
    """All faults in the order they were posted; the first that matches a request is the one that happens."""

    def __init__(self) -> None:
        self._active: list[ActiveFault] = []

    def add(self, document: object) -> None:
        """Add a fault or a list of them.

        Raises:
            InvalidDocumentError: A fault makes no sense.
        """
        faults = document if isinstance(document, list) else [document]
        self._active += [ActiveFault(each) for each in parse(_FAULTS, faults, what="faults")]

    def clear(self, path: str | None = None) -> None:
        """Remove all faults, or those with exactly this ``match.path``."""
        patterns = [(each, each.fault.match.path) for each in self._active]
        self._active = [each for each, found in patterns if path and (found is None or found.pattern != path)]

    def take(self, method: str, target: str) -> ActiveFault | None:
        """Return the fault that happens to a request, and count it."""
        for active in self._active:
            if active.left != 0 and active.fault.match.matches(method, target):
                active.hits += 1
                return active
        return None

    def documents(self) -> list[dict[str, Any]]:
        """Return all faults, also those that are used up."""
        return [active.document() for active in self._active]


_FAULTS = TypeAdapter(list[Fault])
