"""Turns of a creation: one resource at a time, and none keeps the others from theirs."""

from datetime import UTC, datetime, timedelta

from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.reconcile.creation import TURN, Creations
from atlas_endpoints.reconcile.memory import Memories
from atlas_endpoints.reconcile.status import Creation

SCOPE, NAME = Scope("credentials", "project", "Kind", "AWS"), "service of eu-west-1"
MINE, THEIRS = Key("Kind", "shop", "db"), Key("Kind", "web", "db")
NOW, INTERVAL = datetime(2026, 11, 25, 12, tzinfo=UTC), timedelta(minutes=10)
INTENT = Creation(requested_at=NOW, attempt=1)


class Clock:
    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_resource_that_never_makes_its_call_lets_the_others_go_first() -> None:
    clock = Clock()
    turns = Creations(clock, lambda: NOW, Memories())
    turns.set_pending(SCOPE, NAME, THEIRS, INTENT)
    clock.seconds = TURN - 1
    turns.set_pending(SCOPE, NAME, THEIRS, INTENT)  # announced once more, which makes no turn longer
    assert turns.wait(SCOPE, NAME, MINE, forced=True) == 1
    clock.seconds = TURN + 1
    assert turns.wait(SCOPE, NAME, THEIRS, forced=True) == TURN - 1
    assert turns.wait(SCOPE, NAME, MINE, forced=False) == 0
    turns.set_pending(SCOPE, NAME, MINE, INTENT)
    assert turns.wait(SCOPE, NAME, THEIRS, forced=True) == TURN


def test_a_failure_of_last_week_makes_no_wait_longer() -> None:
    clock = Clock()
    turns = Creations(clock, lambda: NOW, Memories())
    first = turns.failed(SCOPE, NAME, NOW, NOW, INTERVAL)
    clock.seconds = 7 * 86400
    later = NOW + timedelta(days=7)
    assert turns.failed(SCOPE, NAME, later, later, INTERVAL) == first


def test_an_intent_that_is_withdrawn_ends_its_turn() -> None:
    turns = Creations(Clock(), lambda: NOW, Memories())
    turns.set_pending(SCOPE, NAME, THEIRS, INTENT)
    assert turns.wait(SCOPE, NAME, MINE, forced=False) == TURN
    assert turns.withdraw(THEIRS, INTENT) == NAME
    assert turns.wait(SCOPE, NAME, MINE, forced=False) == 0
