"""One life of a family in a project: what is asked and made, kept in the record, and removed.

A life is a coroutine that asks step by step. A step that the record has is not asked again, so another process goes on where the
last one ended.
"""

import math
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from atlas_endpoints.atlas.answers import send_list
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.commands.conform.record import Record
from atlas_endpoints.commands.conform.traffic import Atlas, Exchange, StopError

PAUSE = 15.0
"""Seconds between two looks at something that changes."""

UNKNOWN_FOR = 90.0
"""Seconds after which a write whose answer was lost has shown its effect, or has none."""

DELETE_AGAIN = 120.0
"""Seconds after which an accepted DELETE is repeated."""

NOT_FOUND = 404


class LaterError(Exception):
    """The time is used up while Atlas is at work; another run goes on."""


@dataclass(frozen=True, slots=True)
class Family:
    """What a life needs to know of the endpoints of one purpose.

    Attributes:
        needs, makes, takes: for people, before anything is made.
        list_of, get_of, deletion_of: the calls, by project and entry.
        entries_in: the entries of an item of a LIST, each with what it is for, such as a region.
        place_of: the same for the request of a POST.
        named: the entry that a POST names itself; None: Atlas names it.
        made: the entry that the answer to a POST shows; None: it cannot be read.
        live: the life.
        is_deleted: whether an answer shows something that no longer exists.
    """

    name: str
    needs: str
    makes: str
    takes: str
    list_of: Callable[[str], Request]
    get_of: Callable[[str, str], Request]
    deletion_of: Callable[[str, str], Request]
    entries_in: Callable[[Any], Mapping[str, str]]
    place_of: Callable[[Request], str]
    named: Callable[[Request], str | None]
    made: Callable[[Any], str | None]
    live: Callable[["Life"], Awaitable[None]]
    is_deleted: Callable[[Mapping[str, Any]], bool] = lambda _: False


class Life:
    """The life of one family.

    Args:
        most: how much may be made in all lives.
        within: seconds to wait in this process.
    """

    def __init__(self, family: Family, record: Record, atlas: Atlas, *, region: str, most: int, within: float) -> None:
        self.family = family
        self.project = record.project
        self._record = record
        self._atlas = atlas
        self._most = most
        self._left = within
        new = {"region": region, "id": secrets.token_hex(9)[:17], "made": {}, "gone": [], "unclear": []}
        self._kept = record.lives.setdefault(
            family.name, new | {"exchanges": [], "late": [], "pending": None, "end": None}
        )
        self.region: str = self._kept["region"]

    @property
    def end(self) -> str | None:
        """Why it has ended; None: it goes on, or has not begun."""
        return self._kept["end"]

    @property
    def exchanges(self) -> list[Exchange]:
        """What was asked and answered, in order."""
        return [Exchange(**each) for each in self._kept["exchanges"]]

    @property
    def left(self) -> list[str]:
        """What Atlas may still have: what it has made, and what it may have made."""
        made = [each for each in self._kept["made"] if each not in self._kept["gone"]]
        unclear = [f"{each} (somebody may have made it; not touched)" for each in self._kept["unclear"]]
        pending = self._kept["pending"]
        return [*made, *unclear, *([f"what “{pending['step']}” may have made"] if pending else [])]

    def vpc_endpoint(self, number: int) -> str:
        """Return an ID that no VPC endpoint has, as one of AWS."""
        return f"vpce-{self._kept['id'][number:]}{self._kept['id'][:number]}"

    def made_by(self, step: str) -> str:
        """Return the entry that a step has made; raises ``StopError`` if it has made none."""
        for entry, name in self._kept["made"].items():
            if name == step:
                return str(entry)
        raise StopError(f"the step “{step}” made nothing: {self._find(step).summary or 'no answer'}")

    async def run(self) -> None:
        """Live, and remove what was made.

        Raises:
            AtlasError: Atlas does not answer these credentials; another run goes on.
            LaterError: as it says.
        """
        await self._settle()
        if self.end is None:
            try:
                if not self._kept["exchanges"]:
                    await self._begin()
                await self.family.live(self)
                self._ended("")
            except StopError as reason:
                self._ended(str(reason))
        await self.remove()

    async def stop(self, reason: str) -> None:
        """End it early, and remove what was made."""
        if self.end is None:
            self._ended(reason)
        await self._settle()
        await self.remove()

    async def step(self, name: str, request: Request) -> Exchange:
        """Return a call of the life with its answer."""
        if (known := self._found(name)) is not None:
            return known
        self._atlas.say(f"{self.family.name}: {name}")
        return await (self._write if request.writes else self._read)(name, request)

    async def until(
        self, name: str, request: Request, done: Callable[[Exchange], bool], *, most: float = math.inf
    ) -> Exchange:
        """Return the first answer to a GET with which something is done, or the last one after ``most`` seconds."""
        waited, said = 0.0, False
        while True:
            last = self._found(name)
            if last is not None and (done(last) or name in self._kept["late"]):
                return last
            if not said:
                self._atlas.say(f"{self.family.name}: {name}")
                said = True
            found = await self._atlas.send(name, request)
            if last is None or (found.status, found.response and found.response["body"]) != (
                last.status,
                last.response and last.response["body"],
            ):
                self._keep(found)
            if done(found):
                return found
            if waited >= most:
                self._kept["late"].append(name)
                self._record.save()
                continue
            await self._wait()
            waited += PAUSE

    async def gone(self, name: str, entry: str, *, most: float = math.inf) -> Exchange:
        """Return the first GET of an entry that shows that it no longer exists."""
        request = self.family.get_of(self.project, entry)
        return await self.until(name, request, lambda each: self._shows_end(each), most=most)

    async def remove(self) -> None:
        """Delete what was made, the last first, until Atlas proves that it is gone."""
        for entry in reversed(self._kept["made"]):
            since = math.inf
            while entry not in self._kept["gone"]:
                if await self._is_gone(entry):
                    self._kept["gone"].append(entry)
                    self._record.save()
                    break
                if since >= DELETE_AGAIN:
                    self._atlas.say(f"{self.family.name}: deleting {entry}")
                    try:
                        answer = await self._atlas.send("cleanup", self.family.deletion_of(self.project, entry))
                    except AtlasError as error:
                        if not error.unknown_outcome:
                            raise
                    else:
                        since = 0.0 if answer.is_success else since
                await self._wait()
                since += PAUSE

    async def _begin(self) -> None:
        """Refuse a project that already has something of the family."""
        if there := await self._entries():
            raise StopError(f"the project already has {', '.join(sorted(there))}")
        await self.step("list", self._page())

    async def _read(self, name: str, request: Request) -> Exchange:
        return self._keep(await self._atlas.send(name, request))

    async def _write(self, name: str, request: Request) -> Exchange:
        """Send a write that stands in the record before, with what Atlas has before."""
        before = [*await self._entries()] if request.method == "POST" else []
        if strangers := sorted({*before} - {*self._kept["made"]}):
            raise StopError(f"somebody else has made {', '.join(strangers)} meanwhile")
        named = self.family.named(request)
        made = sum(len(each["made"]) for each in self._record.lives.values())
        if request.method == "POST" and named not in self._kept["made"] and made >= self._most:
            raise StopError(f"--max-endpoints ({self._most}) is reached before the step “{name}”")
        self._kept["pending"] = {
            "step": name,
            "op": request.operation,
            "method": request.method,
            "path": request.path,
            "named": named,
            "place": self.family.place_of(request),
            "before": before,
            "at": time.time(),
        }
        self._record.save()
        try:
            found = await self._atlas.send(name, request)
        except AtlasError as error:
            if error.unknown_outcome:
                return await self._settle() or self._find(name)
            self._kept["pending"] = None  # it was not sent, or refused
            self._record.save()
            raise
        except StopError:
            self._kept["pending"] = None
            raise
        if request.method == "POST" and found.is_success:
            entry = named or self.family.made(found.body)
            if entry is None:
                return await self._settle() or self._find(name)
            self._kept["made"].setdefault(entry, name)
        self._kept["pending"] = None
        return self._keep(found)

    async def _settle(self) -> Exchange | None:
        """Find out what a write has made whose answer was lost; return it without an answer, or None if there is none."""
        pending = self._kept["pending"]
        if pending is None:
            return None
        waited = time.time() - pending["at"]
        while pending["method"] == "POST":
            known = {*pending["before"], *self._kept["made"]}
            found = {each: place for each, place in (await self._entries()).items() if each not in known}
            if pending["named"] is not None:
                ours = [each for each in found if each == pending["named"]]
            else:
                ours = [each for each, place in found.items() if place == pending["place"]]
            if len(ours) == 1:
                self._kept["made"].setdefault(ours[0], pending["step"])
                break
            if waited >= UNKNOWN_FOR:
                self._kept["unclear"] += found
                break
            await self._atlas.sleep(PAUSE)
            waited += PAUSE
        self._kept["pending"] = None
        date, request = (
            datetime.now(UTC).isoformat(timespec="seconds"),
            {"method": pending["method"], "path": pending["path"]},
        )
        return self._keep(Exchange(pending["step"], pending["op"], date, request, self._atlas.last_answer()))

    async def _entries(self) -> Mapping[str, str]:
        """Return all entries of the family in the project, each with what it is for."""
        list_request = self.family.list_of(self.project)
        try:
            listing = await send_list(
                self._atlas, self._atlas.credentials, list_request, lambda item: _first(self.family.entries_in(item))
            )
        except AtlasError as error:
            if error.http_status is None:
                raise
            raise StopError(error.explanation.worded(self._atlas.wording)) from error
        if listing.skipped:
            raise StopError(f"the IDs of {listing.skipped} endpoints of the project cannot be read")
        return {entry: place for each in listing.entries.values() for entry, place in each.items()}

    async def _is_gone(self, entry: str) -> bool:
        """Return whether a GET and a LIST prove that an entry is gone."""
        found = await self._atlas.send("cleanup", self.family.get_of(self.project, entry))
        return self._shows_end(found) and (self.family.is_deleted(found.body) or entry not in await self._entries())

    def _shows_end(self, found: Exchange) -> bool:
        code = str(found.body.get("errorCode") or "RESOURCE_NOT_FOUND")
        is_absent = found.status == NOT_FOUND and code != "RESOURCE_NOT_FOUND"  # that is an unknown path
        return is_absent or (found.is_success and self.family.is_deleted(found.body))

    def _page(self) -> Request:
        request = self.family.list_of(self.project)
        return request.page(1) if request.paged else request

    async def listed(self, name: str, entry: str, *, most: float) -> Exchange:
        """Return the first LIST that shows an entry."""
        return await self.until(
            name, self._page(), lambda each: f'"{entry}"' in str(each.response).replace("'", '"'), most=most
        )

    async def _wait(self) -> None:
        if self._left < PAUSE:
            raise LaterError
        self._left -= PAUSE
        await self._atlas.sleep(PAUSE)

    def _found(self, name: str) -> Exchange | None:
        return next((each for each in reversed(self.exchanges) if each.step == name), None)

    def _find(self, name: str) -> Exchange:
        found = self._found(name)
        assert found is not None, name  # noqa: S101  # a life names its own steps
        return found

    def _keep(self, exchange: Exchange) -> Exchange:
        self._kept["exchanges"].append(asdict(exchange))
        self._record.save()
        return exchange

    def _ended(self, reason: str) -> None:
        self._kept["end"] = reason
        self._record.save()


def _first(entries: Mapping[str, str]) -> tuple[str, Mapping[str, str]] | None:
    """Return the entries of an item by the first of them, which is the item itself; None: it has no ID."""
    return next(((each, entries) for each in entries), None)
