"""Observing Atlas for one decision."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from atlas_endpoints.atlas.observations import Seen, View
from atlas_endpoints.reconcile.kind import Decision, Look, State
from atlas_endpoints.reconcile.observe import observe
from atlas_endpoints.reconcile.reasons import Reason
from support.virtual_time import on_virtual_time


@dataclass(frozen=True)
class _Facts:
    """What ``observe`` reads of the facts about a resource without an entry."""

    view: View[str]
    scope: Any = None
    resource: Any = field(default_factory=lambda: SimpleNamespace(entry=None))
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
        return Decision(state, looks=(Look("service/a"), Look("service/b")))

    atlas: Any = _ForgettingAtlas()
    nothing: Any = _Facts(View())
    facts, _ = await observe(atlas, nothing, decide, max_age=5.0)

    assert set(facts.view.entries) == {"service", "service/a", "service/b"}
