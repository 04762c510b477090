"""The life of one thing of a family in a project, and what it leaves."""

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml
from pydantic import TypeAdapter

from conform.exchanges import Atlas, Exchange, StopError
from conform.rows import Expected, difference, filled

PAUSE = 15
"""Seconds between two looks at something that changes."""

SHOWN_WITHIN, WITHIN = 150, 7200
"""Seconds within which Atlas shows what was made, and for which anything else is waited for."""

DELETE_AGAIN = 120
"""Seconds after which a DELETE is repeated."""

ANSWERED = "(?!408|429)[1-4]"
"""Statuses with which Atlas has decided about a call, rather than failed or put it off."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step; `lives.yaml` explains the fields of this class and of the next one."""

    call: str
    body: Mapping[str, Any] | None = None
    version: str = ""
    when: Mapping[str, Expected] = field(default_factory=dict)
    until: Expected = ""
    within: int = WITHIN
    must: Expected = ""


@dataclass(frozen=True, slots=True)
class Family:
    needs: str
    makes: str
    version: str
    list: str
    id: str
    steps: dict[str, Step]
    before: dict[str, Step] = field(default_factory=dict)


def families() -> Mapping[str, Family]:
    """Return the families by name."""
    written = Path(__file__).with_name("lives.yaml").read_text(encoding="utf-8")
    return TypeAdapter(dict[str, Family]).validate_python(yaml.safe_load(written))


def values_for(region: str) -> dict[str, str]:
    """Return what stands for names in braces: regions as Atlas and AWS spell them, and IDs that no VPC endpoint has."""
    regions = {"region": region, "elsewhere": "EU_WEST_1" if region != "EU_WEST_1" else "EU_WEST_3"}
    own = {f"aws_{name}": each.lower().replace("_", "-") for name, each in regions.items()}
    return {**regions, **own, **{f"vpc{number}": f"vpce-{secrets.token_hex(9)[:17]}" for number in range(5)}}


@dataclass(slots=True)
class Life:
    """The life of a family.

    Attributes:
        values: what stands for names in braces; a step that makes something adds its ID.
        exchanges: those that Atlas has answered, by step.
        end: why it has ended early; "": it was lived.
        left: the paths of what it has made and has not seen to be gone, the newest first.
        others: those of what the list shows beside it: a call whose answer was lost may have made it, or somebody else.
        in_doubt: the step whose POST may have made something that the list does not show yet.
    """

    name: str
    family: Family
    atlas: Atlas
    values: dict[str, str]
    say: Callable[[str], object]
    sleep: Callable[[float], Awaitable[object]]
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    end: str = ""
    left: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    in_doubt: str = ""
    waited: int = 0
    made_at: int = -SHOWN_WITHIN

    async def live(self) -> None:
        """Take all steps, and remove what they made."""
        self.end = "it was interrupted"
        try:
            await self._check()
            for name, step in self.family.steps.items():
                if all(self._fits(self.exchanges[earlier], answer) for earlier, answer in step.when.items()):
                    await self._take(name, step)
            self.end = ""
        except StopError as reason:
            self.end = str(reason)
        await self.remove()

    async def remove(self) -> None:
        """Delete what is left, until a GET proves that it is gone, and look at the list for more."""
        self.say(f"{self.name}: looking for what is left")
        try:
            while (self.left or self.in_doubt) and self.waited - self.made_at < SHOWN_WITHIN:
                await self._pause()
            for path in [*self.left]:
                await self._remove(path)
            self.others = [each for each in await self._listed() if each not in self.left]
            self.in_doubt = ""
        except StopError as reason:
            self.end = self.end or str(reason)

    async def _check(self) -> None:
        if await self._listed():
            raise StopError("the project has something of this family already")
        for name, step in self.family.before.items():
            if not self._fits(await self._send(name, step), step.must):
                raise StopError(f"the project must have {name}")

    async def _take(self, name: str, step: Step) -> None:
        """Make the call of a step, a GET until it is answered as it should be, and record it."""
        self.say(f"{self.name}: {name}")
        found, began = await self._send(name, step), self.waited
        until = step.until or (ANSWERED if step.call.startswith("GET ") else "")
        while not self._fits(found, until) and self.waited - began < step.within:
            await self._pause()
            found = await self._send(name, step)
        self.atlas.record(self.name, found)
        if not self._fits(found, ANSWERED):
            raise StopError(f"no usable answer to the step “{name}” has come: {found.summary}")
        self.exchanges[name] = found
        if self.in_doubt:
            raise StopError(f"the answer to the step “{name}” has no ID")
        if not self._fits(found, step.must):
            raise StopError(f"the answer to the step “{name}” is {difference(found, step.must, self.values)}")

    async def _send(self, name: str, step: Step) -> Exchange:
        """Make the call of a step, and note what it makes."""
        call, body = filled(step.call, self.values), json.loads(filled(json.dumps(step.body), self.values))
        is_post = call.startswith("POST ")
        self.in_doubt = name if is_post else ""
        found = await self.atlas.send(name, call, step.version or self.family.version, body)
        if not is_post or (self._fits(found, ANSWERED) and not found.is_success):
            self.in_doubt = ""
            return found
        self.made_at = self.waited
        if made := body.get(self.family.id) or found.body.get(self.family.id):
            below = call.removeprefix("POST ")
            below = below if below.startswith(self.family.list) else self.family.list
            path = f"{below}/{quote(str(made), safe='')}"
            self.values[name], self.in_doubt = path.rpartition("/")[2], ""
            self.left = [path, *(each for each in self.left if each != path)]
        return found

    async def _listed(self) -> list[str]:
        """Return the paths of what the project has of the family."""
        found = await self.atlas.send("list", f"GET {self.family.list}", self.family.version)
        shown = found.response["body"] if found.response and found.is_success else None
        items = shown.get("results") if isinstance(shown, dict) else shown
        if not isinstance(items, list) or not all(isinstance(each, dict) for each in items):
            raise StopError(f"Atlas does not say what the project has of this family: {found.summary}")
        there = [each.get(self.family.id) for each in items if each.get("state") != "DELETED"]
        return [f"{self.family.list}/{quote(str(each), safe='')}" for each in there]

    async def _remove(self, path: str) -> None:
        for waited in range(0, WITHIN, PAUSE):
            if (await self.atlas.send("cleanup", f"GET {path}", self.family.version)).is_gone:
                self.left.remove(path)
                return
            if waited % DELETE_AGAIN == 0:
                self.say(f"{self.name}: deleting {path}")
                await self.atlas.send("cleanup", f"DELETE {path}", self.family.version)
            await self._pause()

    async def _pause(self) -> None:
        await self.sleep(PAUSE)
        self.waited += PAUSE

    def _fits(self, found: Exchange, expected: Expected) -> bool:
        return not difference(found, expected, self.values)
