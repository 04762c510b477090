"""In no small world is there a story that breaks a law, and from everywhere the operator brings the world to rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from exploration.conftest import WALKED
from exploration.explorer import Explorer
from exploration.worlds import WORLDS

if TYPE_CHECKING:
    from exploration.world import World
    from support.fixtures import RecordProperty


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("name", "world"), WORLDS.items(), ids=list(WORLDS))
def test_everything_that_can_happen(name: str, world: World, record_property: RecordProperty) -> None:
    report = Explorer(name, world).explore()

    assert report.violation is None, f"\n{report}"
    assert report.complete
    record_property(WALKED, str(report))


@pytest.mark.parametrize(
    ("misfortune", "move"),
    [
        ("fault", "fail"),
        ("slow", "hold"),
        ("crash", "crash"),
        ("lost event", "lose event"),
        ("stale event", "stale event"),
        ("person", "person"),
        ("silence", "silence"),
        ("hand over", "hand over"),
    ],
)
def test_each_misfortune_does_strike(misfortune: str, move: str) -> None:
    world = next(world for world in WORLDS.values() if misfortune in world.left)

    report = Explorer("a part", world, limit=600).explore()

    assert report.moves[move] > 0
