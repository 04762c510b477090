"""How ``atlas-endpoints conform`` tries what is not known of a kind's calls: what a kind provides, and what the command does. Pure."""

import math
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.kinds.commands import KindWithCommands

CLOUD, NOWHERE, MALFORMED = "AWS", "MARS_WEST_1", "vpce-x"
"""Lives are on AWS, where nothing has to be made in the cloud first."""

SHOWN_WITHIN = 150.0
"""Seconds within which a LIST shows what was made."""

GONE_WITHIN = 7200.0
"""Seconds after which what Atlas has still not deleted is a difference."""


class StopError(Exception):
    """A life cannot go on, for the reason in the text."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call and its answer; ``step`` names it within the life of a family.

    Attributes:
        response: status, headers and body; None: no answer came, or it was lost with a process.
    """

    step: str
    op: str
    date: str
    request: Mapping[str, Any]
    response: Mapping[str, Any] | None
    fidelity: str = "bytes"

    @property
    def status(self) -> int:
        """The HTTP status; 0 without an answer."""
        return self.response["status"] if self.response else 0

    @property
    def is_answered(self) -> bool:
        """Whether Atlas has decided about the call, rather than failed."""
        return 0 < self.status < HTTPStatus.INTERNAL_SERVER_ERROR and self.status != HTTPStatus.REQUEST_TIMEOUT

    @property
    def is_success(self) -> bool:
        """Whether the answer is 2xx."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    @property
    def body(self) -> Mapping[str, Any]:
        """The body, if it is an object; else an empty one."""
        body = self.response["body"] if self.response else None
        return body if isinstance(body, dict) else {}

    @property
    def summary(self) -> str:
        """The status, and the error code if there is one."""
        return f"{self.status} {self.body.get('errorCode') or ''}".strip() if self.response else "no answer"

    @property
    def shows_end(self) -> bool:
        """Whether a GET shows that something no longer exists; an unknown path does not."""
        is_absent = self.status == HTTPStatus.NOT_FOUND and self.body.get("errorCode") not in {
            None,
            "RESOURCE_NOT_FOUND",
        }
        return is_absent or (self.is_success and self.body.get("state") == "DELETED")


@dataclass(frozen=True, slots=True)
class Family:
    """What a kind provides.

    Attributes:
        live: asks step by step; a step that was asked by an earlier process is not asked again.
        kind: makes the LIST and the GETs.
        deletion_of: returns the DELETE of an entry.
        ids: the entries in an item of a LIST, or in the answer to a POST.
        place: what an item, or the body of a POST, is for, such as its region.
        named: the entry that a POST names itself; None: Atlas names it.
    """

    live: Callable[["Life"], Awaitable[None]]
    kind: KindWithCommands[Any]
    deletion_of: Callable[[Scope, str], Request]
    ids: Callable[[Any], Sequence[str]]
    place: Callable[[Mapping[str, Any]], str]
    named: Callable[[Request], str | None] = lambda _: None


class Life(ABC):
    """The life of a family in a project. What passes quickly is only looked for by the process that has brought it about.

    What Atlas should refuse is sent for the region ``elsewhere``: what it makes all the same stands in nobody's way.
    """

    def __init__(self, family: Family, project: str, region: str) -> None:
        self.family, self.project, self.region = family, project, region
        self.scope = Scope("", project, family.kind.names.kind, CLOUD)
        self.elsewhere = "EU_WEST_1" if region != "EU_WEST_1" else "EU_WEST_3"

    @abstractmethod
    def vpc_endpoint(self, number: int) -> str:
        """Return an ID that no VPC endpoint has, as one of AWS."""

    @abstractmethod
    def made(self, step: str) -> Sequence[str]:
        """Return the entries that a step has made."""

    @abstractmethod
    def is_new(self, step: str) -> bool:
        """Return whether this process has got the answer to a step."""

    @abstractmethod
    async def step(self, name: str, request: Request) -> Exchange:
        """Return a call of the life with its answer."""

    @abstractmethod
    async def look(self, request: Request) -> Exchange:
        """Return a GET with its answer, which is not kept: it shows more than the report may."""

    @abstractmethod
    async def until(
        self, name: str, request: Request, done: Callable[[Exchange], bool], *, most: float = math.inf
    ) -> Exchange:
        """Return the first answer to a GET with which something is done, or the one after ``most`` seconds."""

    def get_of(self, entry: str) -> Request:
        """Return the GET of an entry."""
        return self.family.kind.get_request(self.scope, entry)

    def deletion_of(self, entry: str) -> Request:
        """Return the DELETE of an entry."""
        return self.family.deletion_of(self.scope, entry)

    def list_of(self) -> Request:
        """Return the LIST."""
        return self.family.kind.list_request(self.scope)

    async def create(self, name: str, request: Request) -> str:
        """Return the entry that a POST has made; raises ``StopError`` if it has made none."""
        found = await self.step(name, request)
        if not (made := self.made(name)):
            raise StopError(f"Atlas shows nothing that the step “{name}” made: {found.summary}")
        return made[0]

    async def begin(self, request: Request) -> str:
        """Return the entry that a POST has made, after a look at it and a second POST."""
        entry = await self.create("create", request)
        if self.is_new("create"):
            await self.step("early get", self.get_of(entry))
            page = self.list_of().page(1) if self.list_of().paged else self.list_of()
            await self.until("listed", page, lambda each: entry in str(each.response), most=SHOWN_WITHIN)
        await self.step("second create", request)
        return entry

    async def finish(self, entry: str, creation: Request) -> None:
        """Delete an entry twice, try to create it meanwhile, and wait until it is gone."""
        await self.delete("delete", entry)
        if self.is_new("delete"):
            await self.step("after delete", self.get_of(entry))
            await self.step("second delete", self.deletion_of(entry))
            await self.step("create while deleting", creation)
        await self.gone("gone", entry)

    async def delete(self, name: str, entry: str) -> None:
        """Delete an entry; raises ``StopError`` if Atlas refuses that."""
        if not (found := await self.step(name, self.deletion_of(entry))).is_success:
            raise StopError(f"Atlas refuses the step “{name}”: {found.summary}")

    async def gone(self, name: str, entry: str, *, most: float = GONE_WITHIN) -> None:
        """Wait until an entry no longer exists, and look once more; raises ``StopError`` if it still does after ``most`` seconds."""
        found = await self.until(f"until {name}", self.get_of(entry), lambda each: each.shows_end, most=most)
        if not found.shows_end:
            raise StopError(f"{entry} is still there {most / 60:g} minutes after its DELETE")
        await self.step(name, self.get_of(entry))


def text_in(fields: Any, name: str) -> str:
    """Return a text of an object, "" without one."""
    return text_of(fields.get(name)) or "" if isinstance(fields, dict) else ""


def id_in(name: str) -> Callable[[Any], Sequence[str]]:
    """Return what finds the one entry in an item, by the field of its ID."""
    return lambda item: [*filter(None, [text_in(item, name)])]


def own_name(region: str) -> str:
    """Return a region of AWS in its own spelling."""
    return region.lower().replace("_", "-")
