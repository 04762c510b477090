"""Observing Atlas for one decision."""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typing_extensions import override

from atlas_endpoints.atlas.errors import OutOfTimeError
from atlas_endpoints.atlas.observations import Seen, View
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.decision import Decision, Get, State
from atlas_endpoints.reconcile.gather import UNFINISHED, Gatherer
from atlas_endpoints.reconcile.memory import Request
from atlas_endpoints.reconcile.observe import WITHIN, observe
from atlas_endpoints.reconcile.reasons import Reason
from support.virtual_time import on_virtual_time


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

    def __init__(self) -> None:
        self._moments = itertools.count(1)

    def moment(self) -> float:
        return float(next(self._moments))

    async def list(self, scope: object, *, since: float) -> View[str]:
        del scope, since
        return View(began=self.moment())

    async def get(self, scope: object, entry: str) -> View[str]:
        del scope
        view: View[str] = View()
        return view.showing(entry, Seen("there", self.moment()))


@on_virtual_time
async def test_what_a_get_shows_stays_although_the_scope_is_forgotten_meanwhile() -> None:
    def decide(facts: Any) -> Decision:
        state = State(Reason.PENDING, "")
        if facts.view.value("service") is None:
            return Decision(state, absent="service")
        return Decision(state, gets=(Get("service/a"), Get("service/b")))

    atlas: Any = _ForgettingAtlas()
    nothing: Any = _Facts(View())
    facts, _ = await observe(atlas, nothing, decide, max_age=5.0)

    assert set(facts.view.entries) == {"service", "service/a", "service/b"}


class _SlowAtlas:
    """An Atlas of which each call takes long, and whose observations are kept."""

    call = 14.9

    def __init__(self) -> None:
        self.seconds = 0.0
        self.calls: list[str] = []
        self.view: View[str] = View()

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

    def _called(self, name: str) -> float:
        began = self.moment()
        self.calls.append(name)
        self.seconds += self.call
        return began


@on_virtual_time
async def test_an_observation_that_takes_long_goes_on_in_the_next_reconcile() -> None:
    def decide(_: Any) -> Decision:
        return Decision(State(Reason.PENDING, ""), gets=tuple(map(Get, "abcdefgh")))

    atlas: Any = _SlowAtlas()
    gatherer = Gatherer(KIND, cast("Any", SimpleNamespace(atlas=atlas)))
    took: list[float] = []
    while len(took) < 4:
        began, facts = atlas.seconds, cast("Any", _Facts(atlas.view))
        with suppress(OutOfTimeError):
            await gatherer.observe(facts, decide)
            took.append(atlas.seconds - began)
            break
        took.append(atlas.seconds - began)

    assert atlas.calls == ["LIST", *"abcdefgh"]
    assert max(took) < WITHIN + atlas.call
    assert len(took) == 3


@on_virtual_time
async def test_what_was_read_before_a_request_does_not_count_for_it_though_it_takes_long() -> None:
    def decide(_: Any) -> Decision:
        return Decision(State(Reason.PENDING, ""), gets=(Get("a"), Get("b"), Get("c")))

    atlas: Any = _SlowAtlas()
    gatherer = Gatherer(KIND, cast("Any", SimpleNamespace(atlas=atlas)))
    for call in (atlas.call, 2 * atlas.call):
        atlas.call = call
        with suppress(OutOfTimeError):
            await gatherer.observe(cast("Any", _Facts(atlas.view)), decide)
        request = Request("uid", "now", atlas.seconds, has_turn=True, granted=True)
        gatherer.memories[cast("Any", "db")].request = gatherer.memories[cast("Any", "db")].request or request
    assert atlas.calls == ["LIST", "a", "b", "LIST", "a"]

    atlas.call = 0.0
    await gatherer.observe(cast("Any", _Facts(atlas.view)), decide)
    assert atlas.calls[5:] == ["b", "c"]


@on_virtual_time
async def test_what_was_read_before_a_request_that_waited_does_not_count_for_it() -> None:
    def decide(_: Any) -> Decision:
        return Decision(State(Reason.PENDING, ""), gets=(Get("a"), Get("b"), Get("c")))

    atlas: Any = _SlowAtlas()
    gatherer = Gatherer(KIND, cast("Any", SimpleNamespace(atlas=atlas)))
    with suppress(OutOfTimeError):
        await gatherer.observe(cast("Any", _Facts(atlas.view)), decide)
    gatherer.memories[cast("Any", "db")].request = Request("uid", "now", atlas.seconds, has_turn=True, granted=True)
    atlas.seconds, atlas.call = atlas.seconds + 6.0, 0.0
    atlas.calls.clear()

    await gatherer.observe(cast("Any", _Facts(atlas.view)), decide)
    assert atlas.calls == ["LIST", "a", "b", "c"]


@on_virtual_time
async def test_an_observation_that_was_left_for_long_begins_anew() -> None:
    def decide(_: Any) -> Decision:
        return Decision(State(Reason.PENDING, ""), gets=(Get("a"), Get("b"), Get("c")))

    atlas: Any = _SlowAtlas()
    gatherer = Gatherer(KIND, cast("Any", SimpleNamespace(atlas=atlas)))
    with suppress(OutOfTimeError):
        await gatherer.observe(cast("Any", _Facts(atlas.view)), decide)
    assert atlas.calls == ["LIST", "a", "b"]

    atlas.seconds, atlas.call = atlas.seconds + UNFINISHED, 0.0
    atlas.calls.clear()
    await gatherer.observe(cast("Any", _Facts(atlas.view)), decide)
    assert atlas.calls == ["LIST", "a", "b", "c"]


class _AtlasWithout(_ForgettingAtlas):
    """A forgetting Atlas that proves an absence."""

    @override
    async def get(self, scope: object, entry: str) -> View[str]:
        del scope
        view: View[str] = View()
        return view.showing(entry, Seen(None, self.moment()))


@on_virtual_time
async def test_the_proof_of_an_absence_stays_although_the_scope_is_forgotten_meanwhile() -> None:
    atlas: Any = _AtlasWithout()
    nothing: Any = _Facts(View())
    facts, _ = await observe(atlas, nothing, lambda _: Decision(State(Reason.PENDING, ""), absent="a"), max_age=5.0)

    assert set(facts.view.entries) == {"a"}


@on_virtual_time
async def test_what_takes_too_many_calls_is_tried_again() -> None:
    entries = map(str, itertools.count())
    atlas: Any = _ForgettingAtlas()
    nothing: Any = _Facts(View())
    with pytest.raises(OutOfTimeError):
        await observe(
            atlas, nothing, lambda _: Decision(State(Reason.PENDING, ""), gets=(Get(next(entries)),)), max_age=5.0
        )
