"""What can go wrong between a client and a server that it talks HTTP to, as data."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from random import Random

Verb: TypeAlias = Literal["list", "watch", "get", "write"]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as faults are matched with it.

    Attributes:
        method: of HTTP.
        path: with neither query nor host.
        watching: whether it asks for a stream of events.
        many: whether it asks for a collection.
    """

    method: str
    path: str
    watching: bool = False
    many: bool = False

    @property
    def verb(self) -> Verb:
        """What the request is for."""
        if self.method not in {"GET", "HEAD"}:
            return "write"
        if self.watching:
            return "watch"
        return "list" if self.many else "get"


@dataclass(frozen=True, slots=True)
class Match:
    """Which requests a fault concerns; what is not given matches everything.

    Attributes:
        verb: what they are for.
        path: a regular expression to be found in the path.
    """

    verb: Verb | None = None
    path: str = ""

    def __call__(self, request: Request) -> bool:
        """Tell whether the fault concerns a request."""
        return (self.verb is None or self.verb == request.verb) and re.search(self.path, request.path) is not None


class Moment(Enum):
    """When something goes wrong with a request."""

    BEFORE = auto()
    """It never reaches the server."""
    AFTER = auto()
    """The server has acted on it, and its answer never reaches the client."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection breaks."""

    moment: Moment = Moment.BEFORE


@dataclass(frozen=True, slots=True)
class Delay:
    """The request takes longer: so many seconds before the server sees it."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is not the server's.

    Attributes:
        status: of HTTP.
        reason: the API machinery's word for it, such as ``ServiceUnavailable``.
        moment: whether the server has acted on the request all the same.
        headers: of the answer.
    """

    status: int
    reason: str = ""
    moment: Moment = Moment.BEFORE
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The body that is sent."""
        return json.dumps(status(self.status, self.reason))


@dataclass(frozen=True, slots=True)
class Truncated:
    """The server's answer ends in the middle, as if it were meant to."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """A watch stays open and says nothing more, until the client closes it."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A watch ends, as the server may end it at any time."""


@dataclass(frozen=True, slots=True)
class Said:
    """A watch says something that is not the server's, and ends."""

    line: bytes

    @classmethod
    def error(cls, code: int, reason: str) -> Said:
        """An ERROR event."""
        return cls(json.dumps({"type": "ERROR", "object": status(code, reason)}).encode() + b"\n")


@dataclass(frozen=True, slots=True)
class Unmarked:
    """A watch brings no bookmarks."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """Only one token is still good."""

    good: str


@dataclass(frozen=True, slots=True)
class Hold:
    """The request waits, before or after the server acts on it, until the fault is cleared; then its connection breaks."""

    moment: Moment


FailedState: TypeAlias = Reset | Delay | Refusal | Truncated | Frozen | Closed | Said | Unmarked | Revoked | Hold


@dataclass(slots=True)
class Fault:
    """One thing that goes wrong.

    Attributes:
        match: which requests.
        trouble: what becomes of them.
        times: how many requests; by default all, until the fault is cleared.
        share: of the requests, by chance.
        spared: how many requests go well before.
        hits: how many it has happened to.
        happened: set once it has taken effect: for what happens after the server has acted, after that.
        healed: set once it cannot happen any more; of the loop that serves the requests.
    """

    match: Match
    trouble: FailedState
    times: int | None = None
    share: float = 1.0
    spared: int = 0
    hits: int = 0
    happened: threading.Event = field(default_factory=threading.Event)
    healed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, request: Request, random: Random) -> bool:
        """Tell whether it happens to a request, and count it."""
        if self.hits == self.times or not self.match(request):
            return False
        if self.share < 1.0 and random.random() >= self.share:
            return False
        if self.spared:
            self.spared -= 1
            return False
        self.hits += 1
        return True


def status(code: int, reason: str, message: str = "the proxy was told to say so") -> dict[str, Any]:
    """A ``Status``, as an API server explains its refusals."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
