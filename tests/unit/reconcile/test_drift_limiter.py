"""The drift limiter: corrections within a window, and mass drift."""

import logging
import math
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_endpoints.atlas.errors import AtlasError, RateLimitedError
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.reconcile.drift_limiter import AT_LEAST, DriftLimiter, Limit
from unit.reconcile.harness import Harness, Resource, lost

WINDOW = 540.0
INTERVAL = 600.0
HELD, DRIFTED, AVAILABLE = ("False", "CorrectionHeld"), ("False", "Drifted"), ("True", "Available")


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

    @pytest.mark.parametrize("text", ["20%", "3", "0"])
    def test_str_returns_the_setting(self, text: str) -> None:
        assert str(Limit.parse(text)) == text

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
        return self.limiter.wait_to_correct(Key("ServerlessPrivateEndpoint", "shop", name))

    def release(self, name: str) -> None:
        self.limiter.release(Key("ServerlessPrivateEndpoint", "shop", name))


class TestWindow:
    def test_no_more_resources_than_the_limit_are_corrected(self) -> None:
        drift = Drift()
        assert [drift.may(name) for name in "abc"] == [True, True, False]

    def test_a_repeated_correction_counts_once(self) -> None:
        drift = Drift()
        assert [drift.may(name) for name in "aaabaabc"] == [True] * 7 + [False]

    def test_there_is_room_after_the_window(self) -> None:
        drift = Drift()
        drift.may("a")
        drift.may("b", later=100)
        assert not drift.may("c", later=WINDOW - 101)
        assert drift.may("c", later=1)
        assert not drift.may("d")
        assert drift.may("d", later=100)

    def test_a_resource_counts_for_as_long_as_its_latest_correction_does(self) -> None:
        drift = Drift()
        drift.may("a")
        drift.may("b", later=1)
        drift.may("a", later=WINDOW - 2)
        assert drift.may("c", later=2), "b has left"
        assert not drift.may("d"), "a was corrected again a moment ago"

    def test_more_resources_make_more_room(self) -> None:
        drift = Drift("20%")
        drift.known = 60
        assert [drift.may(str(number)) for number in range(13)] == [True] * 12 + [False]
        drift.known = 65
        assert drift.may("12")

    def test_the_limit_0_permits_nothing(self) -> None:
        drift = Drift("0")
        assert not drift.may("a")
        assert drift.wait("a") == math.inf
        assert not drift.may("a", later=10 * WINDOW)

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

    def test_others_move_up_when_a_resource_is_released(self) -> None:
        drift = Drift("1")
        drift.may("a")
        assert [drift.wait(name) for name in "bcd"] == [WINDOW, 2 * WINDOW, 3 * WINDOW]
        drift.release("b")
        assert [drift.wait(name) for name in "cd"] == [WINDOW, 2 * WINDOW]


class TestHeld:
    def test_a_delayed_resource_counts_once_until_it_is_released(self) -> None:
        drift = Drift("1")
        for name in "abcbc":
            drift.may(name)
        assert drift.limiter.held == 2
        drift.release("b")
        drift.release("a")
        assert drift.limiter.held == 1
        drift.release("c")
        assert drift.limiter.held == 0

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


async def crowd(harness: Harness, number: int = 60) -> list[Resource]:
    """Return settled resources that were resynced seconds ago; the interval is ten minutes."""
    for index in range(number):
        harness.atlas.put(f"{index:024x}", comment="ours")
    resources = [harness.create(f"db-{index}", f"{index:024x}", comment="ours") for index in range(number)]
    await harness.run_for(0)
    await harness.run_for(INTERVAL + 40)
    harness.reset_log()
    assert {each.ready for each in resources} == {AVAILABLE}
    return resources


def drift(harness: Harness, resources: Sequence[Resource], comment: str = "theirs") -> None:
    """Have somebody change the endpoints of many resources in Atlas."""
    for each in resources:
        harness.atlas.put(each.spec["endpointId"], comment=comment)


def held(resources: Sequence[Resource]) -> list[Resource]:
    return [each for each in resources if each.ready == HELD]


class TestMassDrift:
    async def test_mass_drift_is_corrected_in_portions(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        resources = await crowd(harness)
        drift(harness, resources)
        portions, waiting = [], []
        for _ in range(10):
            await harness.run_for(INTERVAL)
            portions.append(harness.atlas.calls.count("PATCH comment"))
            waiting.append(harness.limiter.held)
            harness.atlas.calls.clear()
            assert len(held(resources)) == harness.limiter.held
            if not harness.limiter.held:
                break
        assert portions == [12] * 5, "a fifth of sixty, each interval"
        assert waiting == [48, 36, 24, 12, 0]
        assert {each.ready for each in resources} == {AVAILABLE}
        assert {each.comment for each in harness.atlas.endpoints.values()} == {"ours"}
        assert [record.levelname for record in caplog.records if "drift limiter" in record.message] == [
            "WARNING",
            "INFO",
        ]

    async def test_a_delayed_resource_has_its_reason_and_one_status_write(self, harness: Harness) -> None:
        resources = await crowd(harness)
        drift(harness, resources)
        await harness.run_for(INTERVAL)
        waiting = held(resources)[-1]
        assert waiting.status["drift"] == [{"field": "comment", "desired": "ours", "actual": "theirs"}]
        assert (waiting.condition("Reconciling") or {})["reason"] == "CorrectionHeld"
        assert waiting.condition("Stalled") is None, "nobody has to act"
        assert (waiting.condition("Synced") or {})["reason"] == "DriftDetected"
        assert "MAX_CORRECTIONS" in waiting.message
        harness.reset_log()
        await harness.run_for(2 * INTERVAL)
        assert waiting.ready == HELD
        assert harness.writes[waiting.name] == 0

    async def test_edits_are_sent_and_take_no_turn(self, harness: Harness) -> None:
        resources = await crowd(harness)
        drift(harness, resources)
        await harness.run_for(INTERVAL)
        edited = held(resources)[:20]
        harness.reset_log()
        for each in edited:
            harness.edit(each, comment="newer")
        await harness.run_for(1)
        assert harness.atlas.calls.count("PATCH comment") == 20
        assert {each.ready for each in edited} == {AVAILABLE}
        assert harness.limiter.held == 28
        await harness.run_for(INTERVAL)
        assert harness.limiter.held == 16

    async def test_first_contacts_are_not_delayed(self, harness: Harness) -> None:
        resources = await crowd(harness)
        drift(harness, resources)
        await harness.run_for(INTERVAL)
        harness.atlas.put("f" * 24, comment="whose?")
        newcomer = harness.create("newcomer", "f" * 24, comment="mine")
        await harness.run_for(1)
        assert newcomer.ready == AVAILABLE
        assert harness.atlas.endpoints["f" * 24].comment == "mine"

    async def test_a_forced_sync_is_not_delayed(self, harness: Harness) -> None:
        resources = await crowd(harness)
        drift(harness, resources)
        await harness.run_for(INTERVAL)
        waiting = held(resources)[-1]
        harness.annotate(waiting, force_sync="now")
        await harness.run_for(1)
        assert waiting.ready == AVAILABLE
        assert waiting.status["lastHandledReconcileAt"] == "now"
        assert harness.limiter.held == 47

    async def test_a_resource_that_no_longer_drifts_is_released(self, harness: Harness) -> None:
        resources = await crowd(harness)
        drift(harness, resources)
        await harness.run_for(INTERVAL)
        drift(harness, resources, comment="ours")
        harness.reset_log()
        await harness.run_for(INTERVAL)
        assert harness.limiter.held == 0
        assert {each.ready for each in resources} == {AVAILABLE}
        assert "PATCH comment" not in harness.atlas.calls

    async def test_a_resource_whose_endpoint_is_gone_is_released(self, harness: Harness) -> None:
        resources = await crowd(harness)
        drift(harness, resources)
        await harness.run_for(INTERVAL)
        waiting = held(resources)[-1]
        del harness.atlas.endpoints[waiting.spec["endpointId"]]
        await harness.run_for(INTERVAL)
        assert waiting.ready == ("False", "EndpointNotFound")
        assert harness.limiter.held == len(held(resources)) == 35

    async def test_an_outage_does_not_change_the_delays(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        resources = await crowd(harness)
        drift(harness, resources)
        await harness.run_for(INTERVAL)
        harness.atlas.go_down()
        await harness.run_for(INTERVAL)
        assert harness.limiter.held == 48
        harness.atlas.come_back()
        await harness.run_for(5 * INTERVAL)
        assert {each.ready for each in resources} == {AVAILABLE}
        assert len([record for record in caplog.records if "drift limiter" in record.message]) == 2

    @pytest.mark.parametrize("going", ["deleted", "suspended"])
    async def test_a_deleted_or_suspended_resource_is_released(self, harness: Harness, going: str) -> None:
        resources = await crowd(harness)
        drift(harness, resources)
        await harness.run_for(INTERVAL)
        waiting = held(resources)[-1]
        if going == "deleted":
            harness.vanish(waiting)
        else:
            harness.edit(waiting, suspend=True)
        await harness.run_for(1)
        assert harness.limiter.held == 47

    @pytest.mark.parametrize(
        "error",
        [
            pytest.param(lost(), id="its answer is lost"),
            pytest.param(
                RateLimitedError("Slow down.", operation="PATCH", http_status=429), id="Atlas asks to slow down"
            ),
        ],
    )
    async def test_a_failed_correction_counts_once(self, harness: Harness, error: AtlasError) -> None:
        resources = await crowd(harness)
        drift(harness, resources)
        for _ in range(6):
            harness.atlas.fail_once("PATCH", error)
        await harness.run_for(INTERVAL)
        corrected = [each for each in harness.atlas.endpoints.values() if each.comment == "ours"]
        assert len(corrected) == 12
        assert harness.limiter.held == 48

    async def test_an_early_resync_costs_no_turn(self, harness: Harness) -> None:
        """Rounds are up to a tenth early; what they find no room for comes back by itself."""
        resources = await crowd(harness)
        drift(harness, resources)
        await harness.run_for(INTERVAL)
        first = harness.resync.scope_of(resources[0].key)
        assert first is not None
        harness.reset_log()
        for _ in range(4):
            await harness.run_for(0.85 * INTERVAL)
            harness.schedule(first, 0)  # a round of its instance, before there is room
            await harness.run_for(0.15 * INTERVAL)
        assert harness.atlas.calls.count("PATCH comment") == 48
        assert {each.ready for each in resources} == {AVAILABLE}

    async def test_a_few_drifted_resources_are_corrected_at_once(self, harness: Harness) -> None:
        resources = await crowd(harness)
        drift(harness, resources[:12])
        await harness.run_for(INTERVAL)
        assert {each.ready for each in resources} == {AVAILABLE}
        assert harness.atlas.calls.count("PATCH comment") == 12

    async def test_nothing_is_corrected_while_the_limit_is_zero_and_edits_are_sent(self, harness: Harness) -> None:
        harness.restart(max_corrections="0")
        resources = await crowd(harness, 2)
        drift(harness, resources)
        await harness.run_for(5 * INTERVAL)
        assert {each.ready for each in resources} == {DRIFTED}
        harness.edit(resources[0], comment="newer")
        await harness.run_for(1)
        assert harness.atlas.calls.count("PATCH comment") == 1
        assert resources[0].ready == AVAILABLE
