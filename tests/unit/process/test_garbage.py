"""The garbage collector runs less often, and not on long-lived objects."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from atlas_endpoints.process import garbage


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


def test_the_thresholds_are_higher_and_the_collector_is_enabled() -> None:
    garbage.raise_thresholds()
    assert gc.isenabled()
    assert gc.get_threshold() == (garbage.YOUNG, garbage.OLDER, garbage.OLDER)


def test_present_objects_are_excluded() -> None:
    kept = [Node() for _ in range(1000)]
    garbage.freeze()
    assert gc.get_freeze_count() >= len(kept)
    assert not any(each is kept[0] for each in gc.get_objects())


def test_a_cycle_is_collected_before_the_others_are_excluded() -> None:
    node = Node()
    node.itself = node
    seen = weakref.ref(node)
    del node
    garbage.freeze()
    assert seen() is None
