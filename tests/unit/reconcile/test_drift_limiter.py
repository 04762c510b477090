"""The drift limiter: corrections within a window; the cases of mass drift are in ``behaviour/serverless/mass_drift.yaml``."""

import logging
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_endpoints.controller.cache import Key
from atlas_endpoints.reconcile.drift_limiter import AT_LEAST, DriftLimiter, Limit

WINDOW = 540.0


class TestLimit:
    @pytest.mark.parametrize(
        ("text", "known", "allowed"),
        [
            pytest.param("20%", 1000, 200, id="a share"),
            pytest.param("20%", 59, 11, id="a share is rounded down"),
            pytest.param("20%", 10, AT_LEAST, id="a share of few is ten all the same"),
            pytest.param("1%", 0, AT_LEAST, id="a share of none"),
            pytest.param("100%", 1000, 1000, id="all of them"),
            pytest.param("3", 1000, 3, id="a number is taken at its word"),
            pytest.param("0", 1000, 0, id="none at all"),
            pytest.param(" 50 ", 10, 50, id="stray spaces do not matter"),
        ],
    )
    def test_allowed_resources(self, text: str, known: int, allowed: int) -> None:
        assert Limit.parse(text).of(known) == allowed

    @pytest.mark.parametrize("text", ["", "%", "many", "-1", "1.5", "20 %", "٣", "1000000000"])
    def test_an_invalid_limit_is_rejected(self, text: str) -> None:
        with pytest.raises(ValueError, match="examples are 20%"):
            Limit.parse(text)

    @pytest.mark.parametrize("text", ["0%", "101%"])
    def test_an_invalid_percentage_is_rejected(self, text: str) -> None:
        with pytest.raises(ValueError, match="from 1% to 100%"):
            Limit.parse(text)


class Drift:
    """A limiter of two corrections within a window, and the time."""

    def __init__(self, limit: str = "2") -> None:
        self.now = 1000.0
        self.known = 100
        self.limiter = DriftLimiter(
            Limit.parse(limit), window=WINDOW, monotonic=lambda: self.now, known=lambda: self.known
        )

    def may(self, name: str, *, later: float = 0.0) -> bool:
        self.now += later
        return self.wait(name) == 0

    def wait(self, name: str) -> float:
        return self.limiter.take_slot(Key("ServerlessPrivateEndpoint", "shop", name))

    def release(self, name: str) -> None:
        self.limiter.release(Key("ServerlessPrivateEndpoint", "shop", name))


class TestWindow:
    def test_each_waiting_resource_has_its_own_turn(self) -> None:
        drift = Drift()
        drift.may("a")
        drift.may("b", later=100)
        # One place is free when a leaves, one when b does, and the others a window after those.
        waits = {name: drift.wait(name) for name in "cdefg"}
        assert waits == {
            "c": WINDOW - 100,
            "d": WINDOW,
            "e": 2 * WINDOW - 100,
            "f": 2 * WINDOW,
            "g": 3 * WINDOW - 100,
        }
        assert drift.wait("g") == waits["g"], "to ask once more changes nothing"

    def test_a_resource_that_asks_at_its_turn_is_permitted(self) -> None:
        drift = Drift()
        drift.may("a")
        drift.may("b", later=100)
        turns = sorted((drift.now + drift.wait(name), name) for name in "cdefg")
        for time, name in turns:
            assert drift.may(name, later=time - drift.now), name
            drift.release(name)


class TestHeld:
    def test_the_begin_and_the_end_of_delays_are_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        drift = Drift("1")
        for name in "abcbc":
            drift.may(name)
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "MAX_CORRECTIONS=1" in caplog.text
        assert "ATLAS_ENDPOINTS_WRITES=off" in caplog.text
        drift.release("b")
        assert len(caplog.records) == 1
        drift.release("c")
        drift.release("c")
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
        assert "no longer delays" in caplog.text
        drift.may("d")
        assert [record.levelname for record in caplog.records] == ["WARNING", "INFO", "WARNING"]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 4), st.lists(st.tuples(st.integers(0, 300), st.sampled_from("abcdefgh")), max_size=60))
def test_no_window_exceeds_the_limit_and_no_delay_is_needless(limit: int, asked: Sequence[tuple[int, str]]) -> None:
    drift = Drift(str(limit))
    passed: list[tuple[float, str]] = []
    for pause, name in asked:
        allowed = drift.may(name, later=pause)
        within = {other for time, other in passed if time > drift.now - WINDOW}
        assert allowed == (name in within or len(within) < limit)
        if allowed:
            passed.append((drift.now, name))
            assert len(within | {name}) <= limit
    assert drift.may("i", later=WINDOW) == (limit > 0)
