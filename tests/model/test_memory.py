"""Two moments are the same state when nothing that can come tells them apart, and only then."""

import itertools
from dataclasses import dataclass
from typing import Any

import pytest

from atlas_endpoints.controller.bookkeeping import Bookkeeping  # read at run time
from model.memory import OLD, ORIGIN, Same, freeze, thaw
from support.named import NAMED


def state(value: Any, *, now: float = ORIGIN) -> Any:
    same = Same(now)
    same.add(value)
    return same.state()


@dataclass(frozen=True)
class Value:
    at: float
    name: str = ""


class Thing:
    def __init__(self, *parts: Any) -> None:
        self.parts = parts


BODY = {**NAMED, "metadata": {"name": "a", "resourceVersion": "101"}, "status": {"since": "2026-11-25T12:00:00Z"}}


@pytest.mark.parametrize(
    ("one", "other", "later"),
    [
        pytest.param(Value(ORIGIN + 5), Value(ORIGIN + 7), 2.0, id="times count from now"),
        pytest.param(Value(ORIGIN - OLD - 5), Value(ORIGIN - OLD), 10.0, id="what is old is only old"),
        pytest.param({"version": 7}, {"version": 9}, 0.0, id="numbers that only tell one from another do not count"),
        pytest.param({"b": 1, "a": 2}, {"a": 2, "b": 1}, 0.0, id="a mapping has no order"),
        pytest.param(itertools.count(3), itertools.count(9), 0.0, id="how far a counter has come does not count"),
        pytest.param(
            BODY,
            {**NAMED, "metadata": {"name": "a", "resourceVersion": "107"}, "status": {"since": "2026-11-25T12:00:02Z"}},
            2.0,
            id="so it is within a resource",
        ),
    ],
)
def test_the_same(one: Any, other: Any, later: float) -> None:
    assert state(one) == state(other, now=ORIGIN + later)


class Counted(Thing):
    used: Bookkeeping[int]

    def __init__(self, used: int) -> None:
        super().__init__()
        self.used = used


def test_what_the_product_calls_bookkeeping_does_not_count() -> None:
    assert state(Counted(1)) == state(Counted(2))


SHARED = Thing()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(Value(ORIGIN + 5), Value(ORIGIN + 6), id="another time"),
        pytest.param(Value(ORIGIN - 1), Value(ORIGIN - 2), id="one second ago, or two, which Python hashes alike"),
        pytest.param({"observed": -1}, {"observed": -2}, id="minus one, or minus two, which it hashes alike, too"),
        pytest.param({"used": 1}, {"used": 2}, id="a key of a mapping that names an irrelevant attribute elsewhere"),
        pytest.param(Thing({"log": 1}), Thing({"log": 2}), id="another log of something that is no queue"),
        pytest.param([ORIGIN, ORIGIN + 1e-9], [ORIGIN + 1e-9, ORIGIN], id="another order of moments"),
        pytest.param(
            [{"version": 1}, {"version": 2}], [{"version": 2}, {"version": 1}], id="another order of versions"
        ),
        pytest.param([1, 2], [2, 1], id="another order of a list"),
        pytest.param(Thing(SHARED, SHARED), Thing(SHARED, Thing()), id="one thing twice, or two things"),
        pytest.param(ValueError("a"), ValueError("b"), id="another error"),
        pytest.param(BODY, {**BODY, "spec": {}}, id="another resource"),
    ],
)
def test_not_the_same(one: Any, other: Any) -> None:
    assert state(one) != state(other)


def test_what_nobody_has_thought_of_is_an_error_and_no_state() -> None:
    with pytest.raises(TypeError, match="has to be said"):
        state(object())


def test_a_coroutine_is_where_it_stands_and_what_it_holds() -> None:
    class Pause:
        def __await__(self) -> Any:
            yield

    async def inner(held: str) -> None:
        await Pause()
        await Pause()

    def at(held: str, steps: int) -> Any:
        coroutine = inner(held)
        for _ in range(steps):
            coroutine.send(None)
        same = Same(ORIGIN)
        same.frames(coroutine)
        coroutine.close()
        return same.state()

    assert at("a", 1) == at("a", 1)
    assert at("a", 1) != at("b", 1)
    assert at("a", 1) != at("a", 2)


class NoError(Exception):
    def __init__(self, message: str, *, code: int) -> None:
        super().__init__(message)
        self.code = code


def test_what_is_frozen_comes_back_as_it_was() -> None:
    thing = Thing(NoError("no", code=7), itertools.count(5))
    both = thaw(freeze([thing, thing]))

    assert both[0] is both[1]
    failure, count = both[0].parts
    assert (str(failure), failure.code, next(count)) == ("no", 7, 5)
