"""The garbage collector: seldom, and past what stays."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from atlas_endpoints import garbage


class Node:
    """May refer to itself."""

    itself: "Node"


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Leave the collector as it was."""
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_it_runs_seldom_and_still_by_itself() -> None:
    garbage.collect_seldom()
    assert gc.isenabled()
    assert gc.get_threshold() == (garbage.YOUNG, garbage.OLDER, garbage.OLDER)


def test_what_is_there_is_spared() -> None:
    kept = [Node() for _ in range(1000)]
    garbage.spare_what_stays()
    assert gc.get_freeze_count() >= len(kept)
    assert not any(each is kept[0] for each in gc.get_objects())


def test_what_was_left_in_a_cycle_before_is_not_spared() -> None:
    node = Node()
    node.itself = node
    seen = weakref.ref(node)
    del node
    garbage.spare_what_stays()
    assert seen() is None
