"""One life of a family in a project: what is asked and made, kept in the record, and removed.

A step that the record has is not asked again, so another process goes on where the last one ended.
"""

import math
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.commands.conform.record import Kept, Pending, Record
from atlas_endpoints.commands.conform.traffic import Atlas, unanswered
from atlas_endpoints.kinds.conforming import SHOWN_WITHIN, Exchange, Family, Life, StopError

PAUSE = 15.0
"""Seconds between two looks at something that changes."""

CLAIMED_WITHIN = 900.0
"""Seconds after a write whose answer was lost within which the one new entry that it describes is its result. Later, it is unclear."""

DELETE_AGAIN = 120.0
"""Seconds after which an accepted DELETE is repeated."""


class LaterError(Exception):
    """The time is used up before the end; another run goes on."""


class FamilyLife(Life):
    """The life of one family, whose name is that in the record.

    Args:
        most: how much may be made in all lives.
        within: seconds to wait in this process.
    """

    def __init__(self, name: str, family: Family, record: Record, atlas: Atlas, *, most: int, within: float) -> None:
        super().__init__(family, record.project, record.region)
        self.name = name
        self._record, self._atlas, self._most = record, atlas, most
        self._within = self._remaining = within
        self.kept = record.lives.get(name) or self._begun()
        self._earlier = len(self.kept.exchanges)
        self._new: set[str] = set()

    @property
    def values(self) -> Mapping[str, str]:
        """What stands for names in braces in what is expected."""
        return {"region": self.region, "entry": next(iter(self.made("create")), "none")}

    @override
    def vpc_endpoint(self, number: int) -> str:
        return f"vpce-{self.kept.vpc[number:]}{self.kept.vpc[:number]}"

    @override
    def made(self, step: str) -> Sequence[str]:
        return [entry for entry, name in self.kept.made.items() if name == step]

    async def run(self) -> None:
        """Live, and remove what was made.

        Raises:
            AtlasError: Atlas does not answer these credentials; another run goes on, as after the others.
            LaterError: as it says.
            StopError: what was made cannot be removed.
        """
        if self.kept.pending:
            await self._settle(self.kept.pending)
        await self._forget_unclear()
        if self.kept.begins_anew:
            self.kept, self._earlier = self._begun(), 0
        if self.kept.end is None:
            try:
                if not self.kept.exchanges:
                    await self._refuse_others()
                await self.family.live(self)
                self._ended("")
            except StopError as reason:
                self._ended(str(reason))
        await self._remove()

    async def stop(self, reason: str) -> None:
        """End it early, and remove what was made, within as long as a run may take; raises as ``run`` does."""
        self._remaining = self._within
        if self.kept.end is None:
            self._ended(reason)
        if self.kept.pending:
            await self._settle(self.kept.pending)
        await self._forget_unclear()
        await self._remove()

    @override
    async def step(self, name: str, request: Request) -> Exchange:
        if not request.writes:
            return await self.until(name, request, lambda _: True, most=0)
        found = self._found(name) or await self._write(name, request)
        changes = request.method != "POST" or self.kept.made.get(self.family.named(request) or "", name) != name
        if changes and not found.is_answered:  # what a POST has made is known by now
            raise StopError(f"the answer to the step “{name}” was lost")
        return found

    @override
    def is_new(self, step: str) -> bool:
        return step in self._new

    @override
    async def look(self, request: Request) -> Exchange:
        return await self._atlas.send("look", request)

    @override
    async def until(
        self, name: str, request: Request, done: Callable[[Exchange], bool], *, most: float = math.inf
    ) -> Exchange:
        if (known := self._found(name)) is not None:
            return known
        self._atlas.say(f"{self.name}: {name}")
        calls = self.kept.exchanges
        waited = _age(calls[-1]) if calls and len(calls) == self._earlier else 0.0  # an earlier process may have waited
        while True:
            found = await self._atlas.send(name, request)
            if not most or (found.is_answered and (done(found) or waited >= most)):
                return self._keep(found)
            await self._wait()
            waited += PAUSE

    async def _remove(self) -> None:
        """Delete what was made, the last first, until a GET and a LIST prove that it is gone."""
        for entry in [each for each in reversed(self.kept.made) if each not in self.kept.gone]:
            since, age = math.inf, min((_age(each) for each in self._calls(self.kept.made[entry])), default=0.0)
            self._atlas.say(f"{self.name}: making sure that {entry} is gone")
            while True:
                found = await self._atlas.send("cleanup", self.get_of(entry))
                is_absent = found.shows_end and (found.is_success or entry not in await self._entries())
                if is_absent and age >= SHOWN_WITHIN:  # what is newer may not be shown yet
                    break
                if not is_absent and since >= DELETE_AGAIN:
                    self._atlas.say(f"{self.name}: deleting {entry}")
                    try:
                        answer = await self._atlas.send("cleanup", self.deletion_of(entry))
                        since = 0.0 if answer.is_success else since
                    except AtlasError as error:
                        if not error.unknown_outcome:
                            raise
                await self._wait()
                since, age = since + PAUSE, age + PAUSE
            self.kept.gone.append(entry)
            self._record.save()

    async def _forget_unclear(self) -> None:
        """Forget what somebody else may have made, and people have removed."""
        if self.kept.unclear:
            shown = await self._entries()
            self.kept.unclear = [each for each in self.kept.unclear if each in shown]
            self._record.save()

    async def _write(self, name: str, request: Request) -> Exchange:
        """Send a write that stands in the record before."""
        creates, named, made = request.method == "POST", self.family.named(request), self.kept.made
        if creates:
            await self._refuse_others()
        so_far = sum(len(each.made) + bool(each.unclear or each.may_have_made) for each in self._record.lives.values())
        if creates and named not in made and so_far >= self._most:
            raise StopError(f"--max-endpoints ({self._most}) is reached before the step “{name}”")
        call, place = unanswered(name, request), self.family.place(request.body or {})
        self._pending(pending := Pending(call=call, named=named, place=place, at=time.time()))
        self._atlas.say(f"{self.name}: {name}")
        try:
            found = await self._atlas.send(name, request)
        except (AtlasError, StopError) as error:
            if isinstance(error, AtlasError) and error.unknown_outcome:
                return await self._settle(pending, self._atlas.wire.last)
            self._pending(None)  # it was not sent, or refused
            raise
        if creates and (found.is_success or found.response is None):
            ids = [named] if named and found.is_success else self.family.ids(found.body)
            if not ids:
                return await self._settle(pending, found.response)
            made.setdefault(ids[0], name)
        self.kept.pending = None
        return self._keep(found)

    async def _refuse_others(self) -> None:
        """Raise ``StopError`` if the project has other entries than those that were made."""
        if others := sorted({*await self._entries()} - self.kept.made.keys()):
            if any(each.request["method"] == "POST" for each in self.kept.exchanges):  # its effect may show late
                self.kept.unclear = others
            raise StopError(f"the project has {', '.join(others)}")

    async def _settle(self, pending: Pending, response: Mapping[str, Any] | None = None) -> Exchange:
        """Find out what a pending write has made, whose answer was lost or says nothing, and keep it."""
        age = time.time() - pending.at
        waited, is_claimed = max(age, 0.0), bool(pending.named) or 0 <= age < CLAIMED_WITHIN
        while pending.call.request["method"] == "POST":
            found = {each: place for each, place in (await self._entries()).items() if each not in self.kept.made}
            named, place = pending.named, pending.place
            ours = [each for each in found if (each == named if named else found[each] == place)]
            if waited >= SHOWN_WITHIN or (named and ours):  # somebody else's may show first
                if len(ours) == 1 and is_claimed:
                    self.kept.made[ours[0]] = pending.call.step
                else:
                    self.kept.unclear += ours
                break
            await self._atlas.sleep(PAUSE)
            waited += PAUSE
        self.kept.pending = None
        call = self._keep(replace(pending.call, response=response))
        self._new.discard(call.step)  # time has passed
        return call

    async def _entries(self) -> Mapping[str, str]:
        """Return all entries of the family in the project, each with what it is for."""

        def parse(item: Any) -> tuple[str, Mapping[str, str]] | None:
            ids = self.family.ids(item)
            if ids and item.get("state") == "DELETED":
                return ids[0], {}
            return (ids[0], {each: self.family.place(item) if each == ids[0] else "" for each in ids}) if ids else None

        found = await self._atlas.list(self.list_of(), parse)
        return {entry: place for each in found for entry, place in each.items()}

    async def _wait(self) -> None:
        if self._remaining < PAUSE:
            raise LaterError
        self._remaining -= PAUSE
        await self._atlas.sleep(PAUSE)

    def _begun(self) -> Kept:
        self._record.lives[self.name] = Kept(vpc=secrets.token_hex(9)[:17])
        return self._record.lives[self.name]

    def _calls(self, step: str) -> list[Exchange]:
        return [each for each in self.kept.exchanges if each.step == step]

    def _found(self, name: str) -> Exchange | None:
        return next(iter(self._calls(name)), None)

    def _pending(self, write: Pending | None) -> None:
        self.kept.pending = write
        self._record.save()

    def _keep(self, exchange: Exchange) -> Exchange:
        if exchange.is_answered:  # else time has passed
            self._new.add(exchange.step)
        self.kept.exchanges.append(exchange)
        self._record.save()
        return exchange

    def _ended(self, reason: str) -> None:
        self.kept.end = reason
        self._record.save()


def _age(call: Exchange) -> float:
    """Return the seconds since a call; 0 if it is in the future."""
    return max(time.time() - datetime.fromisoformat(call.date).timestamp(), 0.0)
