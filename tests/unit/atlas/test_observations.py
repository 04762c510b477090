"""Shared observations: who shares a LIST or its failure, and what changes the cache."""

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_endpoints.atlas.answers import Deprecation, Listing
from atlas_endpoints.atlas.errors import AtlasHeldError, AtlasUnavailableError, EndpointAbsentError
from atlas_endpoints.atlas.observations import (
    FAILURE_FIRST,
    FAILURE_LAST,
    IDLE,
    UNKNOWN_FOR,
    ObservationCache,
    Seen,
)
from atlas_endpoints.atlas.requests import Scope

ORDERS = Scope("alice", "5f7cac1adf5d6c6306f4b283", "Endpoint", "orders")
ORDERS_OF_BOB = ORDERS._replace(credentials="bob")
USERS = ORDERS._replace(name="users")
SHARED = 5.0


class Endpoint(NamedTuple):
    """An entry."""

    id: str
    comment: str


Endpoints: TypeAlias = Listing[Endpoint]


def endpoint(comment: str, id_: str = "e1") -> Endpoint:
    return Endpoint(id_, comment)


def listing(*endpoints: Endpoint, deprecation: Deprecation | None = None) -> Endpoints:
    return Listing({each.id: each for each in endpoints}, deprecation)


def unavailable() -> AtlasUnavailableError:
    return AtlasUnavailableError("Atlas cannot serve the call.", operation="list", http_status=503)


def held() -> AtlasHeldError:
    return AtlasHeldError("Not now.", reason="RateLimited", operation="list", retry_after=7.0)


@dataclass
class Harness:
    """An Atlas whose LISTs answer on request, with its state at that time."""

    now: float = 100.0
    held: list[Endpoint] = field(default_factory=lambda: [endpoint("one")])
    lists: list[asyncio.Future[Endpoints]] = field(default_factory=list)
    """Each LIST that has begun."""
    began: float = -math.inf
    """Of the last observed LIST."""
    _started: list[asyncio.Task[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cache = ObservationCache(self._fetch, lambda: self.now, labels={})

    async def _fetch(self, scope: Scope) -> Endpoints:
        answer: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
        self.lists.append(answer)
        return await answer

    def answer(self, *endpoints: Endpoint, deprecation: Deprecation | None = None) -> None:
        """Let the newest LIST answer."""
        self.lists[-1].set_result(listing(*(endpoints or self.held), deprecation=deprecation))

    def fail(self, error: Exception) -> None:
        self.lists[-1].set_exception(error)

    def observe(self, id_: str = "e1", *, max_age: float = SHARED, scope: Scope = ORDERS) -> asyncio.Task[Any]:
        return asyncio.create_task(self._observe(scope, id_, max_age))

    async def _observe(self, scope: Scope, id_: str, max_age: float) -> Endpoint | None:
        """Observe as a reconcile does that may have written to the endpoint."""
        since = max(self.cache.moment() - max_age, self.cache.needed_since(scope, id_))
        view = await self.cache.list(scope, since=since)
        self.began = view.began
        found: Endpoint | None = view.value(id_)
        return found

    def start_observing(self, *, max_age: float = SHARED, scope: Scope = ORDERS) -> None:
        """Start a LIST, and do not wait for the answer."""
        self._started.append(self.observe(max_age=max_age, scope=scope))

    async def seen(self, *endpoints: Endpoint, scope: Scope = ORDERS) -> None:
        """Make a LIST and answer it."""
        caller = self.observe("any", max_age=0.0, scope=scope)
        await pause()
        self.answer(*endpoints)
        await caller

    def recall(self, id_: str = "e1", *, max_age: float = SHARED, scope: Scope = ORDERS) -> str | None:
        seen = self.cache.view(scope).entries.get(id_)
        if seen is None or seen.value is None or seen.at < self.now - max_age:
            return None
        return str(seen.value.comment)


def test_the_log_name_of_a_scope_hides_its_credentials() -> None:
    assert str(ORDERS) == "5f7cac1adf5d6c6306f4b283/orders"


@pytest.fixture
def harness() -> Harness:
    return Harness()


async def pause() -> None:
    """Let everything happen that can happen now."""
    for _ in range(10):
        await asyncio.sleep(0)


class TestSharing:
    async def test_concurrent_callers_share_one_list(self, harness: Harness) -> None:
        callers = [harness.observe() for _ in range(100)]
        await pause()
        harness.answer()
        assert {each.comment for each in await asyncio.gather(*callers)} == {"one"}
        assert len(harness.lists) == 1

    async def test_a_recent_list_serves_the_next_caller(self, harness: Harness) -> None:
        await harness.seen()
        harness.now += SHARED
        assert (await harness.observe()).comment == "one"
        assert len(harness.lists) == 1
        harness.now += 0.1
        harness.start_observing()
        await pause()
        assert len(harness.lists) == 2

    async def test_the_age_of_a_list_counts_from_its_beginning(self, harness: Harness) -> None:
        caller = harness.observe()
        await pause()
        harness.now += SHARED + 1
        harness.answer()
        await caller
        harness.start_observing()
        await pause()
        assert len(harness.lists) == 2

    async def test_a_running_list_does_not_serve_a_caller_that_needs_a_newer_one(self, harness: Harness) -> None:
        first = harness.observe()
        await pause()
        second = harness.observe(max_age=0.0)
        await pause()
        harness.answer(endpoint("old"))
        await first
        await pause()
        harness.answer(endpoint("new"))
        assert (await second).comment == "new"
        assert len(harness.lists) == 2

    async def test_callers_that_need_a_newer_list_share_it(self, harness: Harness) -> None:
        first = harness.observe()
        await pause()
        others = [harness.observe(max_age=0.0) for _ in range(50)]
        await pause()
        harness.answer()
        await first
        await pause()
        harness.answer()
        await asyncio.gather(*others)
        assert len(harness.lists) == 2

    async def test_each_instance_and_each_pair_of_credentials_has_its_own_list(self, harness: Harness) -> None:
        for scope in (ORDERS, ORDERS_OF_BOB, USERS):
            harness.start_observing(scope=scope)
        await pause()
        assert len(harness.lists) == 3

    async def test_a_cancelled_caller_does_not_cancel_the_list_of_the_others(self, harness: Harness) -> None:
        impatient, patient = harness.observe(), harness.observe()
        await pause()
        impatient.cancel()
        await pause()
        assert impatient.cancelled()
        harness.answer()
        assert (await patient).comment == "one"
        assert len(harness.lists) == 1

    async def test_a_list_without_callers_is_still_recorded(self, harness: Harness) -> None:
        caller = harness.observe()
        await pause()
        caller.cancel()
        await pause()
        harness.answer()
        await pause()
        assert harness.recall() == "one"

    async def test_an_entry_that_is_missing_in_a_list_is_dropped(self, harness: Harness) -> None:
        await harness.seen(endpoint("one"), endpoint("two", "e2"))
        await harness.seen(endpoint("two", "e2"))
        assert harness.recall("e1") is None
        assert harness.recall("e2") == "two"
        assert await harness.observe("e1") is None

    async def test_an_observation_is_used_until_it_is_too_old(self, harness: Harness) -> None:
        await harness.seen()
        harness.now += 600.0
        assert harness.recall(max_age=600.0) == "one"
        assert harness.recall(max_age=599.0) is None

    async def test_the_last_deprecation_counts(self, harness: Harness) -> None:
        assert harness.cache.view(ORDERS).deprecation is None
        announced = Deprecation(None, None)
        caller = harness.observe()
        await pause()
        harness.answer(deprecation=announced)
        await caller
        await harness.seen()
        assert harness.cache.view(ORDERS).deprecation is announced
        assert harness.cache.view(USERS).deprecation is None

    async def test_the_sunset_is_the_earliest_of_all_instances(self, harness: Harness) -> None:
        assert harness.cache.sunset is None
        for scope, month in ((ORDERS, 7), (USERS, 3), (ORDERS_OF_BOB, None)):
            sunset = None if month is None else datetime(2027, month, 1, tzinfo=UTC)
            caller = harness.observe(scope=scope)
            await pause()
            harness.answer(deprecation=Deprecation(None, sunset))
            await caller
        assert harness.cache.sunset == datetime(2027, 3, 1, tzinfo=UTC)
        harness.cache.forget(USERS)
        assert harness.cache.sunset == datetime(2027, 7, 1, tzinfo=UTC)


class TestFailures:
    async def test_all_waiting_callers_get_the_failure(self, harness: Harness) -> None:
        callers = [harness.observe() for _ in range(10)]
        await pause()
        harness.fail(unavailable())
        results = await asyncio.gather(*callers, return_exceptions=True)
        assert all(isinstance(each, AtlasUnavailableError) for each in results)
        assert len(harness.lists) == 1

    async def test_the_next_caller_gets_a_recent_failure_without_a_call(self, harness: Harness) -> None:
        await self._failed(harness)
        harness.now += FAILURE_FIRST
        with pytest.raises(AtlasUnavailableError):
            await harness.observe()
        assert len(harness.lists) == 1

    async def test_a_later_caller_sends_a_new_list(self, harness: Harness) -> None:
        await self._failed(harness)
        harness.now += FAILURE_FIRST + 0.1
        caller = harness.observe()
        await pause()
        harness.answer()
        assert (await caller).comment == "one"

    async def test_repeated_failures_are_shared_for_longer(self, harness: Harness) -> None:
        for _ in range(5):
            await self._failed(harness)
            harness.now += FAILURE_LAST + 1
        await self._failed(harness)
        harness.now += FAILURE_LAST
        with pytest.raises(AtlasUnavailableError):
            await harness.observe()
        assert len(harness.lists) == 6

    async def test_failures_for_days_keep_the_longest_sharing_time(self, harness: Harness) -> None:
        lists = 0

        async def fetch(_scope: Scope) -> Endpoints:
            nonlocal lists
            lists += 1
            raise unavailable()

        cache = ObservationCache(fetch, lambda: harness.now, labels={})
        for _ in range(10_000):
            with pytest.raises(AtlasUnavailableError):
                await cache.list(ORDERS, since=cache.moment())
            harness.now += FAILURE_LAST + 1
        for later, made in ((0.0, 10_001), (FAILURE_LAST, 10_001), (0.1, 10_002)):
            harness.now += later
            with pytest.raises(AtlasUnavailableError):
                await cache.list(ORDERS, since=cache.moment() - SHARED)
            assert lists == made

    async def test_a_caller_that_needs_a_newer_list_does_not_share_an_old_failure(self, harness: Harness) -> None:
        await self._failed(harness)
        caller = harness.observe(max_age=0.0)
        await pause()
        harness.answer()
        assert (await caller).comment == "one"

    async def test_a_failure_keeps_the_observations(self, harness: Harness) -> None:
        await harness.seen()
        await self._failed(harness, max_age=0.0)
        assert harness.recall() == "one"

    async def test_a_held_list_does_not_count_as_attempted(self, harness: Harness) -> None:
        await harness.seen()
        caller = harness.observe(max_age=0.0)
        await pause()
        harness.fail(held())
        with pytest.raises(AtlasHeldError):
            await caller
        assert (await harness.observe()).comment == "one", "the LIST before it still serves"
        harness.start_observing(max_age=0.0)
        await pause()
        assert len(harness.lists) == 3, "and who wants a new one makes an attempt"

    async def test_all_waiting_callers_get_the_error_of_a_held_list(self, harness: Harness) -> None:
        callers = [harness.observe() for _ in range(10)]
        await pause()
        harness.fail(held())
        results = await asyncio.gather(*callers, return_exceptions=True)
        assert [each.retry_after for each in results] == [7.0] * 10  # type: ignore[union-attr]  # each is a held error
        assert len(harness.lists) == 1

    async def test_all_waiting_callers_get_an_unexpected_error(self, harness: Harness) -> None:
        callers = [harness.observe() for _ in range(2)]
        await pause()
        harness.fail(ZeroDivisionError())
        results = await asyncio.gather(*callers, return_exceptions=True)
        assert all(isinstance(each, ZeroDivisionError) for each in results)
        caller = harness.observe(max_age=0.0)
        await pause()
        harness.answer()
        assert (await caller).comment == "one"

    async def test_a_success_resets_the_sharing_time_of_failures(self, harness: Harness) -> None:
        for _ in range(5):
            await self._failed(harness)
            harness.now += FAILURE_LAST + 1
        await harness.seen()
        harness.now += SHARED + 1
        await self._failed(harness)
        harness.now += FAILURE_FIRST + 0.1
        harness.start_observing()
        await pause()
        assert len(harness.lists) == 8

    @pytest.mark.parametrize("error", [unavailable(), held()], ids=["a failure", "a LIST that was held back"])
    async def test_a_shared_error_keeps_a_short_traceback(self, harness: Harness, error: Exception) -> None:
        """Each raise would add to the traceback of the one exception, for as long as the outage lasts."""
        callers = [harness.observe() for _ in range(50)]
        await pause()
        harness.fail(error)
        await asyncio.gather(*callers, return_exceptions=True)
        assert len(list(_frames(error))) < 10

    async def _failed(self, harness: Harness, *, max_age: float = SHARED) -> None:
        caller = harness.observe(max_age=max_age)
        await pause()
        harness.fail(unavailable())
        with pytest.raises(AtlasUnavailableError):
            await caller


def _frames(error: BaseException) -> Iterator[object]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def write(harness: Harness) -> None:
    harness.cache.remember_write(ORDERS, "e1", endpoint("written"))


def write_of_bob(harness: Harness) -> None:
    harness.cache.remember_write(ORDERS_OF_BOB, "e1", endpoint("written"))


def lose(harness: Harness) -> None:
    harness.cache.outcome_unknown(ORDERS, "e1")


def lose_of_bob(harness: Harness) -> None:
    harness.cache.outcome_unknown(ORDERS_OF_BOB, "e1")


def read(harness: Harness) -> None:
    harness.cache.remember_read(ORDERS, "e1", Seen(endpoint("read"), harness.cache.moment()))


def gone(harness: Harness) -> Seen[Endpoint]:
    error = EndpointAbsentError("No such endpoint.", operation="get", http_status=404)
    seen: Seen[Endpoint] = Seen(None, harness.cache.moment(), error)
    harness.cache.remember_read(ORDERS, "e1", seen)
    return seen


MEANWHILE: dict[str, tuple[Callable[[Harness], None], str | None]] = {
    "nothing happens: the LIST is the newest": (lambda harness: None, "listed"),
    "a write is answered: its answer counts": (write, "written"),
    "a write with other credentials is answered: nothing is known here": (write_of_bob, None),
    "a write's answer is lost: nothing is known": (lose, None),
    "the answer to a write with other credentials is lost: nothing is known": (lose_of_bob, None),
    "a GET that began later is answered: it counts": (read, "read"),
}


class TestOverlaps:
    @pytest.mark.parametrize("what", MEANWHILE)
    async def test_during_a_list_with_the_endpoint(self, harness: Harness, what: str) -> None:
        happen, remembered = MEANWHILE[what]
        await harness.seen()
        caller = harness.observe("other", max_age=0.0)
        await pause()
        happen(harness)
        harness.answer(endpoint("listed"))
        await caller
        assert harness.recall() == remembered

    @pytest.mark.parametrize("what", MEANWHILE)
    async def test_during_a_list_without_the_endpoint(self, harness: Harness, what: str) -> None:
        happen, remembered = MEANWHILE[what]
        await harness.seen()
        caller = harness.observe("other", max_age=0.0)
        await pause()
        happen(harness)
        harness.answer(endpoint("listed", "other"))
        await caller
        assert harness.recall() == (None if remembered == "listed" else remembered)

    @pytest.mark.parametrize("what", MEANWHILE)
    async def test_a_later_list_always_counts(self, harness: Harness, what: str) -> None:
        await harness.seen()
        MEANWHILE[what][0](harness)
        await harness.seen(endpoint("listed"))
        assert harness.recall() == "listed"

    @pytest.mark.parametrize("lose_it", [lose, lose_of_bob])
    async def test_after_a_lost_answer_a_caller_gets_a_later_list(
        self, harness: Harness, lose_it: Callable[[Harness], None]
    ) -> None:
        first = harness.observe("other")
        await pause()
        lose_it(harness)
        second = harness.observe(max_age=SHARED)
        await pause()
        harness.answer(endpoint("before it was applied"))
        await first
        await pause()
        harness.answer(endpoint("after"))
        assert (await second).comment == "after"
        assert len(harness.lists) == 2

    async def test_a_get_that_began_before_a_write_was_answered_does_not_undo_it(self, harness: Harness) -> None:
        await harness.seen()
        began = harness.cache.moment()
        write(harness)
        harness.cache.remember_read(ORDERS, "e1", Seen(endpoint("before"), began))
        assert harness.recall() == "written"

    async def test_a_get_that_began_before_a_lost_answer_does_not_restore_the_old_state(self, harness: Harness) -> None:
        await harness.seen()
        began = harness.cache.moment()
        lose(harness)
        harness.cache.remember_read(ORDERS, "e1", Seen(endpoint("before"), began))
        assert harness.recall() is None

    async def test_a_get_that_began_before_a_list_does_not_undo_it(self, harness: Harness) -> None:
        await harness.seen()
        began = harness.cache.moment()
        await harness.seen(endpoint("listed"))
        harness.cache.remember_read(ORDERS, "e1", Seen(endpoint("before"), began))
        assert harness.recall() == "listed"

    async def test_a_write_drops_the_observations_with_other_credentials(self, harness: Harness) -> None:
        await harness.seen()
        await harness.seen(scope=ORDERS_OF_BOB)
        write(harness)
        assert harness.recall() == "written"
        assert harness.recall(scope=ORDERS_OF_BOB) is None

    async def test_a_write_keeps_the_observations_of_other_endpoints(self, harness: Harness) -> None:
        await harness.seen(endpoint("one"), endpoint("two", "e2"))
        await harness.seen(endpoint("one", "e1"), scope=USERS)
        write(harness)
        assert harness.recall("e2") == "two"
        assert harness.recall("e1", scope=USERS) == "one"

    async def test_a_list_returns_its_answer_when_the_instance_is_forgotten_meanwhile(self, harness: Harness) -> None:
        caller = harness.observe()
        await pause()
        harness.cache.forget(ORDERS)
        harness.answer()
        assert (await caller).comment == "one"


class TestUnknownOutcomes:
    async def test_initially_no_outcome_is_unknown(self, harness: Harness) -> None:
        await harness.seen()
        assert harness.cache.unknown_for(ORDERS, "e1") is None
        assert harness.cache.needed_since(ORDERS, "e1") == -math.inf

    async def test_a_lost_answer_leaves_the_outcome_unknown_for_a_minute(self, harness: Harness) -> None:
        lose(harness)
        harness.now += 20
        for scope in (ORDERS, ORDERS_OF_BOB):
            assert harness.cache.unknown_for(scope, "e1") == pytest.approx(UNKNOWN_FOR - 20)
        assert harness.cache.unknown_for(USERS, "e1") is None
        assert harness.cache.unknown_for(ORDERS, "e2") is None

    async def test_a_list_that_began_after_the_minute_resolves_it(self, harness: Harness) -> None:
        lose(harness)
        harness.now += UNKNOWN_FOR + 5
        assert harness.cache.unknown_for(ORDERS, "e1") == 0.0
        caller = harness.observe()
        await pause()
        harness.answer()
        await caller
        harness.cache.settle(ORDERS, "e1", began=harness.began)
        assert harness.cache.unknown_for(ORDERS, "e1") is None

    async def test_no_list_resolves_it_before_the_minute_is_over(self, harness: Harness) -> None:
        lose(harness)
        harness.now += UNKNOWN_FOR - 1
        caller = harness.observe()
        await pause()
        harness.now += 2
        harness.answer()
        await caller
        harness.cache.settle(ORDERS, "e1", began=harness.began)
        assert harness.cache.unknown_for(ORDERS, "e1") == 0.0

    async def test_a_list_that_began_before_the_end_of_the_minute_does_not_resolve_it(self, harness: Harness) -> None:
        lose(harness)
        harness.now += UNKNOWN_FOR - 1
        await harness.seen()
        harness.now += 2
        harness.start_observing(max_age=SHARED)
        await pause()
        assert len(harness.lists) == 2

    async def test_a_list_of_another_caller_does_not_resolve_it(self, harness: Harness) -> None:
        lose(harness)
        harness.now += UNKNOWN_FOR + 1
        shown = harness.cache.view(ORDERS)
        await harness.seen()
        harness.cache.settle(ORDERS, "e1", began=shown.began)
        assert harness.cache.unknown_for(ORDERS, "e1") == 0.0

    async def test_a_failed_list_does_not_resolve_it(self, harness: Harness) -> None:
        lose(harness)
        harness.now += UNKNOWN_FOR + 1
        caller = harness.observe()
        await pause()
        harness.fail(unavailable())
        with pytest.raises(AtlasUnavailableError):
            await caller
        harness.cache.settle(ORDERS, "e1", began=harness.cache.view(ORDERS).began)
        assert harness.cache.unknown_for(ORDERS, "e1") == 0.0

    async def test_a_later_answered_write_does_not_resolve_it(self, harness: Harness) -> None:
        """The lost one may still be applied, on top of it."""
        await harness.seen()
        lose(harness)
        write(harness)
        assert harness.recall() == "written"
        assert harness.cache.unknown_for(ORDERS, "e1") == pytest.approx(UNKNOWN_FOR)

    async def test_a_second_lost_answer_starts_a_new_minute(self, harness: Harness) -> None:
        lose(harness)
        harness.now += UNKNOWN_FOR + 1
        caller = harness.observe()
        await pause()
        lose(harness)
        harness.answer()
        await caller
        harness.cache.settle(ORDERS, "e1", began=harness.began)
        assert harness.cache.unknown_for(ORDERS, "e1") == pytest.approx(UNKNOWN_FOR)


class TestAbsence:
    """What Atlas has said that is not there, by a GET."""

    async def test_a_list_without_the_entry_keeps_the_proof_of_absence(self, harness: Harness) -> None:
        await harness.seen()
        said = gone(harness)
        await harness.seen(endpoint("two", "e2"))
        assert harness.cache.view(ORDERS).entries["e1"] == said
        assert await harness.observe() is None

    async def test_an_earlier_list_does_not_restore_the_entry(self, harness: Harness) -> None:
        caller = harness.observe()
        await pause()
        said = gone(harness)
        harness.answer()
        assert await caller is None
        assert harness.cache.view(ORDERS).entries["e1"] == said

    @pytest.mark.parametrize("happen", [write, read], ids=["the answer to a write", "a later GET"])
    async def test_a_later_observation_of_the_entry_counts(
        self, harness: Harness, happen: Callable[[Harness], None]
    ) -> None:
        await harness.seen()
        gone(harness)
        happen(harness)
        assert harness.recall() in {"written", "read"}

    async def test_a_lost_answer_drops_the_proof_of_absence(self, harness: Harness) -> None:
        await harness.seen()
        gone(harness)
        lose(harness)
        assert "e1" not in harness.cache.view(ORDERS).entries

    async def test_a_failed_list_does_not_count_as_a_later_list(self, harness: Harness) -> None:
        """For a caller that needs a LIST after a proof of absence."""
        await harness.seen()
        said = gone(harness)
        caller = harness.observe(max_age=0.0)
        await pause()
        harness.fail(unavailable())
        with pytest.raises(AtlasUnavailableError):
            await caller
        assert harness.cache.view(ORDERS).began < said.at


class TestLabels:
    async def test_entries_are_found_by_their_labels_in_the_order_of_their_ids(self) -> None:
        shown = [endpoint("mark", "e3"), endpoint("other", "e2"), endpoint("mark", "e1"), endpoint("", "e4")]

        async def fetch(_scope: Scope) -> Endpoints:
            return listing(*shown)

        cache = ObservationCache(fetch, lambda: 100.0, labels={ORDERS.kind: lambda each: each.comment or None})
        assert cache.view(ORDERS).labelled == {}
        await cache.list(ORDERS, since=cache.moment())
        assert cache.view(ORDERS).labelled == {"mark": (shown[2], shown[0]), "other": (shown[1],)}
        cache.remember_gone(ORDERS, "e2")
        assert cache.view(ORDERS).labelled.keys() == {"mark"}

    async def test_a_returned_view_does_not_change(self, harness: Harness) -> None:
        await harness.seen()
        view = harness.cache.view(ORDERS)
        write(harness)
        assert view.value("e1") == endpoint("one")
        assert view.showing("e1", Seen(endpoint("two"), 1.0)).value("e1") == endpoint("two")
        assert view.value("e1") == endpoint("one")


class TestMemory:
    async def test_forget_drops_the_observations_of_an_instance(self, harness: Harness) -> None:
        await harness.seen()
        harness.cache.forget(ORDERS)
        assert harness.recall() is None

    async def test_an_answer_about_a_forgotten_instance_is_not_recorded(self, harness: Harness) -> None:
        await harness.seen()
        harness.cache.forget(ORDERS)
        write(harness)
        read(harness)
        assert harness.recall() is None

    async def test_old_observations_are_dropped(self, harness: Harness) -> None:
        scopes, began = (
            [ORDERS._replace(name=f"instance-{number}") for number in range(100)],
            harness.cache.moment(),
        )
        for scope in scopes:
            await harness.seen(scope=scope)
            harness.cache.remember_write(scope, "e2", endpoint("written", "e2"))
            harness.cache.outcome_unknown(scope, "e1")
        harness.now += IDLE + UNKNOWN_FOR + 1
        await harness.seen()
        for scope in scopes:
            assert harness.recall("e2", max_age=math.inf, scope=scope) is None
            assert harness.cache.unknown_for(scope, "e1") is None
            await harness.seen(scope=scope)
            harness.cache.remember_read(scope, "e2", Seen(endpoint("read", "e2"), began))
            assert harness.recall("e2", max_age=math.inf, scope=scope) == "read", "the write is forgotten"

    async def test_moments_are_unique_when_the_clock_stands_still(self, harness: Harness) -> None:
        moments = [harness.cache.moment() for _ in range(1000)]
        assert sorted(set(moments)) == moments
        assert moments[-1] == pytest.approx(harness.now)


@dataclass
class Server:
    """What Atlas really holds: the version of one endpoint, which each applied write raises."""

    version: int = 0
    confirmed: int = 0
    """The last version whose write was answered."""


@dataclass
class Read:
    """A LIST or GET under way; the server callers at what it holds at some time in between."""

    credentials: str
    began: float = 0.0
    answer: int | None = None
    future: asyncio.Future[Endpoints] | None = None


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "begin LIST",
                "read LIST",
                "end LIST",
                "fail LIST",
                "begin GET",
                "read GET",
                "end GET",
                "apply PATCH",
                "answer PATCH",
                "lose PATCH",
                "apply late",
                "wait",
            ]
        ),
        st.sampled_from(["alice", "bob"]),
    ),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(steps=STEPS)
def test_no_observation_is_older_than_the_last_confirmed_write(steps: list[tuple[str, str]]) -> None:
    """In whatever order LISTs, GETs and PATCHes begin, reach the server and are answered, with whatever credentials.

    Writes to one endpoint do not overlap each other: one worker at a time has its resource.
    """
    asyncio.run(_interleave(steps))


async def _interleave(steps: list[tuple[str, str]]) -> None:  # noqa: C901, PLR0912, PLR0915  # one branch for each step
    now = 100.0
    server = Server()
    lists: dict[str, Read] = {}
    gets: dict[str, Read] = {}
    patch: tuple[str, int] | None = None
    late = 0

    async def fetch(scope: Scope) -> Endpoints:
        future: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
        lists[scope.credentials].future = future
        return await future

    cache = ObservationCache(fetch, lambda: now, labels={})
    callers: list[asyncio.Task[Any]] = []
    for step, who in steps:
        scope = ORDERS._replace(credentials=who)
        match step:
            case "begin LIST" if who not in lists:
                lists[who] = Read(who)
                callers.append(asyncio.create_task(cache.list(scope, since=cache.moment())))
            case "read LIST" if who in lists and lists[who].answer is None:
                lists[who].answer = server.version
            case "end LIST" if who in lists:
                read_call = lists.pop(who)
                answer = server.version if read_call.answer is None else read_call.answer
                assert read_call.future is not None
                read_call.future.set_result(listing(endpoint(str(answer))))
            case "fail LIST" if who in lists:
                failing = lists.pop(who).future
                assert failing is not None
                failing.set_exception(unavailable())
            case "begin GET" if who not in gets:
                gets[who] = Read(who, began=cache.moment())
            case "read GET" if who in gets and gets[who].answer is None:
                gets[who].answer = server.version
            case "end GET" if who in gets:
                read_call = gets.pop(who)
                answer = server.version if read_call.answer is None else read_call.answer
                cache.remember_read(scope, "e1", Seen(endpoint(str(answer)), read_call.began))
            case "apply PATCH" if patch is None:
                server.version += 1
                patch = (who, server.version)
            case "answer PATCH" if patch is not None:
                server.confirmed = patch[1]
                cache.remember_write(ORDERS._replace(credentials=patch[0]), "e1", endpoint(str(patch[1])))
                patch = None
            case "lose PATCH" if patch is not None:
                cache.outcome_unknown(ORDERS._replace(credentials=patch[0]), "e1")
                patch = None
                late += 1
            case "apply late" if late:
                server.version += 1
                late -= 1
            case "wait":
                now += 1.0
            case _:
                continue
        await pause()
        for each in ("alice", "bob"):
            known = cache.view(ORDERS._replace(credentials=each)).value("e1")
            if known is not None:
                assert int(known.comment) >= server.confirmed, f"{each} after {step}"
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    for read_call in lists.values():
        if read_call.future is not None:
            read_call.future.cancel()
    await pause()
