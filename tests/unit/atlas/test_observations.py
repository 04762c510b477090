"""Shared observations: who pays for a LIST, who hears of its failure, and what may change what is remembered."""

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.errors import AtlasHeldError, AtlasUnavailableError, EndpointAbsentError
from atlas_endpoints.atlas.listings import Listing
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
    """An Atlas whose LISTs answer when they are told to, with what it holds at that time."""

    now: float = 100.0
    held: list[Endpoint] = field(default_factory=lambda: [endpoint("one")])
    lists: list[asyncio.Future[Endpoints]] = field(default_factory=list)
    """Each LIST that has begun."""
    began: float = -math.inf
    """Of the LIST that the last look has shown."""
    _looks: list[asyncio.Task[Any]] = field(default_factory=list)

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

    def look(self, id_: str = "e1", *, max_age: float = SHARED, scope: Scope = ORDERS) -> asyncio.Task[Any]:
        return asyncio.create_task(self._look(scope, id_, max_age))

    async def _look(self, scope: Scope, id_: str, max_age: float) -> Endpoint | None:
        """Look as somebody does who may have written to the endpoint."""
        since = max(self.cache.moment() - max_age, self.cache.needed_since(scope, id_))
        view = await self.cache.list(scope, since=since)
        self.began = view.began
        found: Endpoint | None = view.value(id_)
        return found

    def begin_to_look(self, *, max_age: float = SHARED, scope: Scope = ORDERS) -> None:
        """Look, and do not wait for the answer."""
        self._looks.append(self.look(max_age=max_age, scope=scope))

    async def seen(self, *endpoints: Endpoint, scope: Scope = ORDERS) -> None:
        """Have a whole LIST."""
        looking = self.look("any", max_age=0.0, scope=scope)
        await pause()
        self.answer(*endpoints)
        await looking

    def recall(self, id_: str = "e1", *, max_age: float = SHARED, scope: Scope = ORDERS) -> str | None:
        seen = self.cache.view(scope).entries.get(id_)
        if seen is None or seen.value is None or seen.at < self.now - max_age:
            return None
        return str(seen.value.comment)


def test_a_scope_is_named_in_the_log_without_its_credentials() -> None:
    assert str(ORDERS) == "5f7cac1adf5d6c6306f4b283/orders"


@pytest.fixture
def harness() -> Harness:
    return Harness()


async def pause() -> None:
    """Let everything happen that can happen now."""
    for _ in range(10):
        await asyncio.sleep(0)


class TestSharing:
    async def test_many_who_ask_at_once_cost_one_list(self, harness: Harness) -> None:
        looks = [harness.look() for _ in range(100)]
        await pause()
        harness.answer()
        assert {each.comment for each in await asyncio.gather(*looks)} == {"one"}
        assert len(harness.lists) == 1

    async def test_a_list_serves_whoever_asks_soon_enough(self, harness: Harness) -> None:
        await harness.seen()
        harness.now += SHARED
        assert (await harness.look()).comment == "one"
        assert len(harness.lists) == 1
        harness.now += 0.1
        harness.begin_to_look()
        await pause()
        assert len(harness.lists) == 2

    async def test_the_age_of_a_list_counts_from_its_beginning(self, harness: Harness) -> None:
        looking = harness.look()
        await pause()
        harness.now += SHARED + 1
        harness.answer()
        await looking
        harness.begin_to_look()
        await pause()
        assert len(harness.lists) == 2

    async def test_who_wants_a_new_list_is_not_served_by_one_that_is_under_way(self, harness: Harness) -> None:
        first = harness.look()
        await pause()
        second = harness.look(max_age=0.0)
        await pause()
        harness.answer(endpoint("old"))
        await first
        await pause()
        harness.answer(endpoint("new"))
        assert (await second).comment == "new"
        assert len(harness.lists) == 2

    async def test_many_who_want_a_new_list_share_it(self, harness: Harness) -> None:
        first = harness.look()
        await pause()
        others = [harness.look(max_age=0.0) for _ in range(50)]
        await pause()
        harness.answer()
        await first
        await pause()
        harness.answer()
        await asyncio.gather(*others)
        assert len(harness.lists) == 2

    async def test_other_instances_and_other_credentials_have_lists_of_their_own(self, harness: Harness) -> None:
        for scope in (ORDERS, ORDERS_OF_BOB, USERS):
            harness.begin_to_look(scope=scope)
        await pause()
        assert len(harness.lists) == 3

    async def test_who_gives_up_waiting_does_not_take_the_answer_from_the_others(self, harness: Harness) -> None:
        impatient, patient = harness.look(), harness.look()
        await pause()
        impatient.cancel()
        await pause()
        assert impatient.cancelled()
        harness.answer()
        assert (await patient).comment == "one"
        assert len(harness.lists) == 1

    async def test_a_list_that_nobody_waits_for_any_more_still_counts(self, harness: Harness) -> None:
        looking = harness.look()
        await pause()
        looking.cancel()
        await pause()
        harness.answer()
        await pause()
        assert harness.recall() == "one"

    async def test_what_a_list_does_not_hold_is_not_remembered(self, harness: Harness) -> None:
        await harness.seen(endpoint("one"), endpoint("two", "e2"))
        await harness.seen(endpoint("two", "e2"))
        assert harness.recall("e1") is None
        assert harness.recall("e2") == "two"
        assert await harness.look("e1") is None

    async def test_a_memory_is_given_until_it_is_too_old(self, harness: Harness) -> None:
        await harness.seen()
        harness.now += 600.0
        assert harness.recall(max_age=600.0) == "one"
        assert harness.recall(max_age=599.0) is None

    async def test_the_last_announcement_of_an_end_stands(self, harness: Harness) -> None:
        assert harness.cache.view(ORDERS).deprecation is None
        announced = Deprecation(None, None)
        looking = harness.look()
        await pause()
        harness.answer(deprecation=announced)
        await looking
        await harness.seen()
        assert harness.cache.view(ORDERS).deprecation is announced
        assert harness.cache.view(USERS).deprecation is None

    async def test_the_first_end_that_is_announced_for_any_instance_is_the_one_to_be_known(
        self, harness: Harness
    ) -> None:
        assert harness.cache.sunset is None
        for scope, month in ((ORDERS, 7), (USERS, 3), (ORDERS_OF_BOB, None)):
            sunset = None if month is None else datetime(2027, month, 1, tzinfo=UTC)
            looking = harness.look(scope=scope)
            await pause()
            harness.answer(deprecation=Deprecation(None, sunset))
            await looking
        assert harness.cache.sunset == datetime(2027, 3, 1, tzinfo=UTC)
        harness.cache.forget(USERS)
        assert harness.cache.sunset == datetime(2027, 7, 1, tzinfo=UTC)


class TestFailures:
    async def test_all_who_wait_hear_of_a_failure(self, harness: Harness) -> None:
        looks = [harness.look() for _ in range(10)]
        await pause()
        harness.fail(unavailable())
        results = await asyncio.gather(*looks, return_exceptions=True)
        assert all(isinstance(each, AtlasUnavailableError) for each in results)
        assert len(harness.lists) == 1

    async def test_who_asks_right_afterwards_hears_of_it_without_a_call(self, harness: Harness) -> None:
        await self._failed(harness)
        harness.now += FAILURE_FIRST
        with pytest.raises(AtlasUnavailableError):
            await harness.look()
        assert len(harness.lists) == 1

    async def test_who_asks_later_makes_a_new_attempt(self, harness: Harness) -> None:
        await self._failed(harness)
        harness.now += FAILURE_FIRST + 0.1
        looking = harness.look()
        await pause()
        harness.answer()
        assert (await looking).comment == "one"

    async def test_the_longer_it_fails_the_longer_a_failure_speaks_for_others(self, harness: Harness) -> None:
        for _ in range(5):
            await self._failed(harness)
            harness.now += FAILURE_LAST + 1
        await self._failed(harness)
        harness.now += FAILURE_LAST
        with pytest.raises(AtlasUnavailableError):
            await harness.look()
        assert len(harness.lists) == 6

    async def test_failures_for_days_leave_the_longest_time_for_which_one_speaks(self, harness: Harness) -> None:
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

    async def test_who_wants_a_new_list_gets_an_attempt_of_its_own(self, harness: Harness) -> None:
        await self._failed(harness)
        looking = harness.look(max_age=0.0)
        await pause()
        harness.answer()
        assert (await looking).comment == "one"

    async def test_a_failure_leaves_what_is_remembered(self, harness: Harness) -> None:
        await harness.seen()
        await self._failed(harness, max_age=0.0)
        assert harness.recall() == "one"

    async def test_a_list_that_was_held_back_has_not_taken_place(self, harness: Harness) -> None:
        await harness.seen()
        looking = harness.look(max_age=0.0)
        await pause()
        harness.fail(held())
        with pytest.raises(AtlasHeldError):
            await looking
        assert (await harness.look()).comment == "one", "the LIST before it still serves"
        harness.begin_to_look(max_age=0.0)
        await pause()
        assert len(harness.lists) == 3, "and who wants a new one makes an attempt"

    async def test_all_who_wait_hear_that_a_list_was_held_back(self, harness: Harness) -> None:
        looks = [harness.look() for _ in range(10)]
        await pause()
        harness.fail(held())
        results = await asyncio.gather(*looks, return_exceptions=True)
        assert [each.retry_after for each in results] == [7.0] * 10  # type: ignore[union-attr]  # each is a held error
        assert len(harness.lists) == 1

    async def test_a_defect_is_told_to_all_and_ends_nothing(self, harness: Harness) -> None:
        looks = [harness.look() for _ in range(2)]
        await pause()
        harness.fail(ZeroDivisionError())
        results = await asyncio.gather(*looks, return_exceptions=True)
        assert all(isinstance(each, ZeroDivisionError) for each in results)
        looking = harness.look(max_age=0.0)
        await pause()
        harness.answer()
        assert (await looking).comment == "one"

    async def test_after_a_success_a_failure_is_brief_again(self, harness: Harness) -> None:
        for _ in range(5):
            await self._failed(harness)
            harness.now += FAILURE_LAST + 1
        await harness.seen()
        harness.now += SHARED + 1
        await self._failed(harness)
        harness.now += FAILURE_FIRST + 0.1
        harness.begin_to_look()
        await pause()
        assert len(harness.lists) == 8

    @pytest.mark.parametrize("error", [unavailable(), held()], ids=["a failure", "a LIST that was held back"])
    async def test_what_many_hear_of_does_not_grow(self, harness: Harness, error: Exception) -> None:
        """Each raise would add to the traceback of the one exception, for as long as the outage lasts."""
        looks = [harness.look() for _ in range(50)]
        await pause()
        harness.fail(error)
        await asyncio.gather(*looks, return_exceptions=True)
        assert len(list(_frames(error))) < 10

    async def _failed(self, harness: Harness, *, max_age: float = SHARED) -> None:
        looking = harness.look(max_age=max_age)
        await pause()
        harness.fail(unavailable())
        with pytest.raises(AtlasUnavailableError):
            await looking


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
    "a write is answered: its answer stands": (write, "written"),
    "a write with other credentials is answered: nothing is known here": (write_of_bob, None),
    "a write's answer is lost: nothing is known": (lose, None),
    "the answer to a write with other credentials is lost: nothing is known": (lose_of_bob, None),
    "a GET that began later is answered: it stands": (read, "read"),
}


class TestOverlaps:
    @pytest.mark.parametrize("what", MEANWHILE)
    async def test_while_a_list_that_shows_the_endpoint_is_under_way(self, harness: Harness, what: str) -> None:
        happen, remembered = MEANWHILE[what]
        await harness.seen()
        looking = harness.look("other", max_age=0.0)
        await pause()
        happen(harness)
        harness.answer(endpoint("listed"))
        await looking
        assert harness.recall() == remembered

    @pytest.mark.parametrize("what", MEANWHILE)
    async def test_while_a_list_that_does_not_show_the_endpoint_is_under_way(self, harness: Harness, what: str) -> None:
        happen, remembered = MEANWHILE[what]
        await harness.seen()
        looking = harness.look("other", max_age=0.0)
        await pause()
        happen(harness)
        harness.answer(endpoint("listed", "other"))
        await looking
        assert harness.recall() == (None if remembered == "listed" else remembered)

    @pytest.mark.parametrize("what", MEANWHILE)
    async def test_a_list_that_begins_later_is_always_believed(self, harness: Harness, what: str) -> None:
        await harness.seen()
        MEANWHILE[what][0](harness)
        await harness.seen(endpoint("listed"))
        assert harness.recall() == "listed"

    @pytest.mark.parametrize("lose_it", [lose, lose_of_bob])
    async def test_who_looks_after_a_lost_answer_gets_a_list_that_began_later(
        self, harness: Harness, lose_it: Callable[[Harness], None]
    ) -> None:
        first = harness.look("other")
        await pause()
        lose_it(harness)
        second = harness.look(max_age=SHARED)
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

    async def test_a_get_that_began_before_a_write_was_lost_does_not_bring_back_what_was(
        self, harness: Harness
    ) -> None:
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

    async def test_a_write_is_news_to_the_holders_of_other_credentials(self, harness: Harness) -> None:
        await harness.seen()
        await harness.seen(scope=ORDERS_OF_BOB)
        write(harness)
        assert harness.recall() == "written"
        assert harness.recall(scope=ORDERS_OF_BOB) is None

    async def test_a_write_leaves_other_endpoints_alone(self, harness: Harness) -> None:
        await harness.seen(endpoint("one"), endpoint("two", "e2"))
        await harness.seen(endpoint("one", "e1"), scope=USERS)
        write(harness)
        assert harness.recall("e2") == "two"
        assert harness.recall("e1", scope=USERS) == "one"

    async def test_an_instance_that_is_forgotten_while_it_is_looked_at_is_looked_at_all_the_same(
        self, harness: Harness
    ) -> None:
        looking = harness.look()
        await pause()
        harness.cache.forget(ORDERS)
        harness.answer()
        assert (await looking).comment == "one"


class TestUnknownOutcomes:
    async def test_no_outcome_is_unknown_to_begin_with(self, harness: Harness) -> None:
        await harness.seen()
        assert harness.cache.unknown_for(ORDERS, "e1") is None
        assert harness.cache.needed_since(ORDERS, "e1") == -math.inf

    async def test_a_lost_answer_leaves_it_unknown_for_a_minute_whoever_asks(self, harness: Harness) -> None:
        lose(harness)
        harness.now += 20
        for scope in (ORDERS, ORDERS_OF_BOB):
            assert harness.cache.unknown_for(scope, "e1") == pytest.approx(UNKNOWN_FOR - 20)
        assert harness.cache.unknown_for(USERS, "e1") is None
        assert harness.cache.unknown_for(ORDERS, "e2") is None

    async def test_it_does_not_end_with_its_time_but_with_a_look_that_began_later(self, harness: Harness) -> None:
        lose(harness)
        harness.now += UNKNOWN_FOR + 5
        assert harness.cache.unknown_for(ORDERS, "e1") == 0.0
        looking = harness.look()
        await pause()
        harness.answer()
        await looking
        harness.cache.settle(ORDERS, "e1", began=harness.began)
        assert harness.cache.unknown_for(ORDERS, "e1") is None

    async def test_it_does_not_end_before_its_time(self, harness: Harness) -> None:
        lose(harness)
        harness.now += UNKNOWN_FOR - 1
        looking = harness.look()
        await pause()
        harness.now += 2
        harness.answer()
        await looking
        harness.cache.settle(ORDERS, "e1", began=harness.began)
        assert harness.cache.unknown_for(ORDERS, "e1") == 0.0

    async def test_a_list_that_began_before_its_end_is_not_good_enough_afterwards(self, harness: Harness) -> None:
        lose(harness)
        harness.now += UNKNOWN_FOR - 1
        await harness.seen()
        harness.now += 2
        harness.begin_to_look(max_age=SHARED)
        await pause()
        assert len(harness.lists) == 2

    async def test_it_does_not_end_because_somebody_else_had_a_look(self, harness: Harness) -> None:
        lose(harness)
        harness.now += UNKNOWN_FOR + 1
        shown = harness.cache.view(ORDERS)
        await harness.seen()
        harness.cache.settle(ORDERS, "e1", began=shown.began)
        assert harness.cache.unknown_for(ORDERS, "e1") == 0.0

    async def test_it_does_not_end_with_a_look_that_failed(self, harness: Harness) -> None:
        lose(harness)
        harness.now += UNKNOWN_FOR + 1
        looking = harness.look()
        await pause()
        harness.fail(unavailable())
        with pytest.raises(AtlasUnavailableError):
            await looking
        harness.cache.settle(ORDERS, "e1", began=harness.cache.view(ORDERS).began)
        assert harness.cache.unknown_for(ORDERS, "e1") == 0.0

    async def test_a_write_that_is_answered_later_does_not_end_it(self, harness: Harness) -> None:
        """The lost one may still be applied, on top of it."""
        await harness.seen()
        lose(harness)
        write(harness)
        assert harness.recall() == "written"
        assert harness.cache.unknown_for(ORDERS, "e1") == pytest.approx(UNKNOWN_FOR)

    async def test_a_second_lost_answer_begins_a_new_time(self, harness: Harness) -> None:
        lose(harness)
        harness.now += UNKNOWN_FOR + 1
        looking = harness.look()
        await pause()
        lose(harness)
        harness.answer()
        await looking
        harness.cache.settle(ORDERS, "e1", began=harness.began)
        assert harness.cache.unknown_for(ORDERS, "e1") == pytest.approx(UNKNOWN_FOR)


class TestAbsence:
    """What Atlas has said that is not there, by a GET."""

    async def test_a_list_without_it_does_not_take_that_back(self, harness: Harness) -> None:
        await harness.seen()
        said = gone(harness)
        await harness.seen(endpoint("two", "e2"))
        assert harness.cache.view(ORDERS).entries["e1"] == said
        assert await harness.look() is None

    async def test_a_list_that_began_earlier_does_not_show_it_again(self, harness: Harness) -> None:
        looking = harness.look()
        await pause()
        said = gone(harness)
        harness.answer()
        assert await looking is None
        assert harness.cache.view(ORDERS).entries["e1"] == said

    @pytest.mark.parametrize("happen", [write, read], ids=["the answer to a write", "a later GET"])
    async def test_what_shows_it_later_stands(self, harness: Harness, happen: Callable[[Harness], None]) -> None:
        await harness.seen()
        gone(harness)
        happen(harness)
        assert harness.recall() in {"written", "read"}

    async def test_a_lost_answer_leaves_nothing_of_it(self, harness: Harness) -> None:
        await harness.seen()
        gone(harness)
        lose(harness)
        assert "e1" not in harness.cache.view(ORDERS).entries

    async def test_a_list_that_failed_is_none_that_followed(self, harness: Harness) -> None:
        """To whoever takes an absence to be proved by a LIST that began after it was told."""
        await harness.seen()
        said = gone(harness)
        looking = harness.look(max_age=0.0)
        await pause()
        harness.fail(unavailable())
        with pytest.raises(AtlasUnavailableError):
            await looking
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

    async def test_a_view_that_was_given_does_not_change(self, harness: Harness) -> None:
        await harness.seen()
        view = harness.cache.view(ORDERS)
        write(harness)
        assert view.value("e1") == endpoint("one")
        assert view.showing("e1", Seen(endpoint("two"), 1.0)).value("e1") == endpoint("two")
        assert view.value("e1") == endpoint("one")


class TestMemory:
    async def test_a_forgotten_instance_is_not_remembered(self, harness: Harness) -> None:
        await harness.seen()
        harness.cache.forget(ORDERS)
        assert harness.recall() is None

    async def test_an_answer_about_a_forgotten_instance_does_not_bring_it_back(self, harness: Harness) -> None:
        await harness.seen()
        harness.cache.forget(ORDERS)
        write(harness)
        read(harness)
        assert harness.recall() is None

    async def test_what_is_of_no_use_any_more_is_dropped(self, harness: Harness) -> None:
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

    async def test_no_two_events_have_the_same_moment_though_the_clock_stands_still(self, harness: Harness) -> None:
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
class Reading:
    """A LIST or GET under way; the server looks at what it holds at some time in between."""

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
def test_memory_never_shows_a_value_that_is_older_than_the_last_confirmed_write(steps: list[tuple[str, str]]) -> None:
    """In whatever order LISTs, GETs and PATCHes begin, reach the server and are answered, with whatever credentials.

    Writes to one endpoint do not overlap each other: one worker at a time has its resource.
    """
    asyncio.run(_interleave(steps))


async def _interleave(steps: list[tuple[str, str]]) -> None:  # noqa: C901, PLR0912, PLR0915  # one branch for each step
    now = 100.0
    server = Server()
    lists: dict[str, Reading] = {}
    gets: dict[str, Reading] = {}
    patch: tuple[str, int] | None = None
    late = 0

    async def fetch(scope: Scope) -> Endpoints:
        future: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
        lists[scope.credentials].future = future
        return await future

    cache = ObservationCache(fetch, lambda: now, labels={})
    looks: list[asyncio.Task[Any]] = []
    for step, who in steps:
        scope = ORDERS._replace(credentials=who)
        match step:
            case "begin LIST" if who not in lists:
                lists[who] = Reading(who)
                looks.append(asyncio.create_task(cache.list(scope, since=cache.moment())))
            case "read LIST" if who in lists and lists[who].answer is None:
                lists[who].answer = server.version
            case "end LIST" if who in lists:
                reading = lists.pop(who)
                answer = server.version if reading.answer is None else reading.answer
                assert reading.future is not None
                reading.future.set_result(listing(endpoint(str(answer))))
            case "fail LIST" if who in lists:
                failing = lists.pop(who).future
                assert failing is not None
                failing.set_exception(unavailable())
            case "begin GET" if who not in gets:
                gets[who] = Reading(who, began=cache.moment())
            case "read GET" if who in gets and gets[who].answer is None:
                gets[who].answer = server.version
            case "end GET" if who in gets:
                reading = gets.pop(who)
                answer = server.version if reading.answer is None else reading.answer
                cache.remember_read(scope, "e1", Seen(endpoint(str(answer)), reading.began))
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
    for look in looks:
        look.cancel()
    await asyncio.gather(*looks, return_exceptions=True)
    for reading in lists.values():
        if reading.future is not None:
            reading.future.cancel()
    await pause()
