"""Observing Atlas for one decision."""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from atlas_endpoints.atlas.errors import OutOfTimeError
from atlas_endpoints.atlas.observations import Seen, View
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.decision import Decision, Get, State
from atlas_endpoints.reconcile.gather import UNFINISHED, Gatherer
from atlas_endpoints.reconcile.memory import Request
from atlas_endpoints.reconcile.observe import WITHIN, observe
from atlas_endpoints.reconcile.reasons import Reason
from support.virtual_time import on_virtual_time

STATE = State(Reason.PENDING, "")


@dataclass(frozen=True)
class _Facts:
    """What ``observe`` reads of the facts about a resource without an entry."""

    view: View[str]
    scope: Any = None
    resource: Any = field(default_factory=lambda: SimpleNamespace(entry=None, key="db"))
    attempt: Any = field(default_factory=lambda: SimpleNamespace(is_of_this_generation=False))
    interval: timedelta = timedelta(minutes=10)
    uncertain: bool = False
    forced: bool = False


class _ForgettingAtlas:
    """An Atlas whose observations are dropped after each call, as those of a scope without resources."""

    def __init__(self, shown: str | None = "there") -> None:
        self._moments = itertools.count(1)
        self._shown = shown

    def moment(self) -> float:
        return float(next(self._moments))

    async def list(self, scope: object, *, since: float) -> View[str]:
        del scope, since
        return View(began=self.moment())

    async def get(self, scope: object, entry: str) -> View[str]:
        del scope
        view: View[str] = View()
        return view.showing(entry, Seen(self._shown, self.moment()))


async def _observed(atlas: _ForgettingAtlas, decide: Any) -> set[str]:
    facts, _ = await observe(cast("Any", atlas), cast("Any", _Facts(View())), decide, max_age=5.0)
    return set(facts.view.entries)


@on_virtual_time
async def test_what_a_get_shows_stays_although_the_scope_is_forgotten_meanwhile() -> None:
    def decide(facts: Any) -> Decision:
        if facts.view.value("service") is None:
            return Decision(STATE, absent="service")
        return Decision(STATE, gets=(Get("service/a"), Get("service/b")))

    assert await _observed(_ForgettingAtlas(), decide) == {"service", "service/a", "service/b"}
    assert await _observed(_ForgettingAtlas(None), lambda _: Decision(STATE, absent="a")) == {"a"}


@on_virtual_time
async def test_what_takes_too_many_calls_is_tried_again() -> None:
    entries = map(str, itertools.count())
    with pytest.raises(OutOfTimeError):
        await _observed(_ForgettingAtlas(), lambda _: Decision(STATE, gets=(Get(next(entries)),)))


class _SlowAtlas:
    """An Atlas of which each call takes long, and whose observations are kept; and who observes it for one resource."""

    call = 14.9

    def __init__(self) -> None:
        self.seconds = 0.0
        self.calls: list[str] = []
        self.view: View[str] = View()
        self.gatherer = Gatherer(KIND, cast("Any", SimpleNamespace(atlas=self)))

    def moment(self) -> float:
        self.seconds += 1e-6
        return self.seconds

    async def list(self, scope: object, *, since: float) -> View[str]:
        del scope
        if self.view.began < since:
            self.view = View(self.view.entries, self._called("LIST"))
        return self.view

    async def get(self, scope: object, entry: str) -> View[str]:
        del scope
        self.view = self.view.showing(entry, Seen("there", self._called(entry)))
        return self.view

    async def observe(self, entries: str) -> float:
        """Observe these entries, for as long as a reconcile may; return the seconds that it took."""
        began = self.seconds
        with suppress(OutOfTimeError):
            decision = Decision(STATE, gets=tuple(map(Get, entries)))
            await self.gatherer.observe(cast("Any", _Facts(self.view)), lambda _: decision)
        return self.seconds - began

    def request(self) -> None:
        """Have a person ask for a look now."""
        memory = self.gatherer.memories[cast("Any", "db")]
        memory.request = Request("uid", "now", self.seconds, has_turn=True, granted=True)

    def _called(self, name: str) -> float:
        began = self.moment()
        self.calls.append(name)
        self.seconds += self.call
        return began


@on_virtual_time
async def test_an_observation_that_takes_long_goes_on_in_the_next_reconcile() -> None:
    atlas = _SlowAtlas()

    took = [await atlas.observe("abcdefgh") for _ in range(3)]

    assert atlas.calls == ["LIST", *"abcdefgh"]
    assert max(took) < WITHIN + atlas.call


@on_virtual_time
async def test_what_was_read_before_a_request_does_not_count_for_it_though_it_takes_long() -> None:
    atlas = _SlowAtlas()
    await atlas.observe("abc")
    atlas.request()
    atlas.call *= 2
    await atlas.observe("abc")
    assert atlas.calls == ["LIST", "a", "b", "LIST", "a"]

    atlas.call = 0.0
    await atlas.observe("abc")
    assert atlas.calls[5:] == ["b", "c"]


@pytest.mark.parametrize("later", ["a request that waited", "a long time"])
@on_virtual_time
async def test_what_was_read_before_is_read_anew_after(later: str) -> None:
    atlas = _SlowAtlas()
    await atlas.observe("abc")
    if later == "a long time":
        atlas.seconds += UNFINISHED
    else:
        atlas.request()
        atlas.seconds += 6.0
    atlas.call, atlas.calls = 0.0, []

    await atlas.observe("abc")

    assert atlas.calls == ["LIST", "a", "b", "c"]
