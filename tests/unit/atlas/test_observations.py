"""Shared observations: who shares a LIST or its failure, and what changes the cache."""

import asyncio
import gc
import math
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

import pytest

from atlas_endpoints.atlas.answers import Deprecation, Listing
from atlas_endpoints.atlas.errors import AtlasHeldError, AtlasUnavailableError, EndpointAbsentError
from atlas_endpoints.atlas.observations import (
    ABSENT,
    FAILURE_FIRST,
    FAILURE_LAST,
    IDLE,
    UNKNOWN_FOR,
    ObservationCache,
    Seen,
    View,
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


async def pause() -> None:
    """Let everything happen that can happen now."""
    for _ in range(10):
        await asyncio.sleep(0)


@dataclass
class Harness:
    """A cache whose LISTs are answered by the test."""

    now: float = 100.0
    lists: list[asyncio.Future[Endpoints]] = field(default_factory=list)
    """Each LIST that was sent."""

    def __post_init__(self) -> None:
        parts: View[Any] = View(
            parent_of=lambda entry: entry.rpartition("/")[0], label=lambda each: each.comment or None
        )
        self.cache = ObservationCache(self._fetch, lambda: self.now, empty={ORDERS.kind: parts})

    async def _fetch(self, scope: Scope) -> Endpoints:
        answer: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
        self.lists.append(answer)
        return await answer

    async def observe(self, id_: str = "e1", *, max_age: float = SHARED, scope: Scope = ORDERS) -> asyncio.Task[Any]:
        """Observe an entry as a reconcile does that may have written to it, as far as possible without an answer."""

        async def comment() -> str | None:
            since = max(self.cache.moment() - max_age, self.cache.needed_since(scope, id_))
            found = (await self.cache.list(scope, since=since)).value(id_)
            return None if found is None else str(found.comment)

        caller = asyncio.create_task(comment())
        await pause()
        return caller

    async def answer(self, *endpoints: Endpoint, deprecation: Deprecation | None = None) -> None:
        """Answer the newest LIST, by default with one endpoint."""
        self.lists[-1].set_result(listing(*(endpoints or [endpoint("one")]), deprecation=deprecation))
        await pause()

    async def fail(self, error: Exception) -> None:
        self.lists[-1].set_exception(error)
        await pause()

    async def seen(self, *endpoints: Endpoint, scope: Scope = ORDERS, deprecation: Deprecation | None = None) -> None:
        """Send a LIST and answer it."""
        caller = await self.observe("any", max_age=0.0, scope=scope)
        await self.answer(*endpoints, deprecation=deprecation)
        await caller

    async def failed(self, *, max_age: float = SHARED) -> None:
        """Send a LIST that fails."""
        caller = await self.observe(max_age=max_age)
        await self.fail(unavailable())
        with pytest.raises(AtlasUnavailableError):
            await caller

    def recall(self, id_: str = "e1", *, scope: Scope = ORDERS) -> str | None:
        found = self.cache.view(scope).value(id_)
        return None if found is None else str(found.comment)


@pytest.fixture
def harness() -> Harness:
    return Harness()


class TestSharing:
    async def test_concurrent_callers_share_one_list(self, harness: Harness) -> None:
        callers = [await harness.observe() for _ in range(100)]
        await harness.answer()
        assert {*await asyncio.gather(*callers)} == {"one"}
        assert len(harness.lists) == 1

    async def test_the_age_of_a_list_counts_from_its_beginning(self, harness: Harness) -> None:
        caller = await harness.observe()
        harness.now += SHARED
        await harness.answer()
        assert [await caller, await (await harness.observe())] == ["one", "one"]
        assert len(harness.lists) == 1
        harness.now += 0.1
        _ = await harness.observe()
        assert len(harness.lists) == 2

    async def test_callers_that_need_a_newer_list_than_the_running_one_share_the_next_one(
        self, harness: Harness
    ) -> None:
        first = await harness.observe()
        others = [await harness.observe(max_age=0.0) for _ in range(50)]
        await harness.answer(endpoint("old"))
        await harness.answer(endpoint("new"))
        assert await first == "old"
        assert {*await asyncio.gather(*others)} == {"new"}
        assert len(harness.lists) == 2

    async def test_each_instance_and_each_pair_of_credentials_has_its_own_list(self, harness: Harness) -> None:
        for scope in (ORDERS, ORDERS_OF_BOB, USERS):
            _ = await harness.observe(scope=scope)
        assert len(harness.lists) == 3

    @pytest.mark.parametrize("others", [0, 1])
    async def test_a_cancelled_caller_does_not_cancel_the_list(self, harness: Harness, others: int) -> None:
        impatient, *patient = [await harness.observe() for _ in range(1 + others)]
        impatient.cancel()
        await pause()
        await harness.answer()
        assert [await caller for caller in patient] == ["one"] * others
        assert harness.recall() == "one"
        assert len(harness.lists) == 1

    async def test_an_entry_that_is_missing_in_a_list_is_dropped(self, harness: Harness) -> None:
        await harness.seen(endpoint("one"), endpoint("two", "e2"))
        await harness.seen(endpoint("two", "e2"))
        assert (harness.recall("e1"), harness.recall("e2")) == (None, "two")

    async def test_the_sunset_is_the_earliest_of_all_instances(self, harness: Harness) -> None:
        assert harness.cache.sunset is None
        for scope, month in ((ORDERS, 7), (USERS, 3), (ORDERS_OF_BOB, None)):
            sunset = None if month is None else datetime(2027, month, 1, tzinfo=UTC)
            await harness.seen(scope=scope, deprecation=Deprecation(None, sunset))
        assert harness.cache.sunset == datetime(2027, 3, 1, tzinfo=UTC)
        harness.cache.forget(USERS)
        assert harness.cache.sunset == datetime(2027, 7, 1, tzinfo=UTC)


class TestFailures:
    @pytest.mark.parametrize(
        "error", [unavailable(), held(), ZeroDivisionError()], ids=lambda error: type(error).__name__
    )
    async def test_all_waiting_callers_get_the_error_with_a_short_traceback(
        self, harness: Harness, error: Exception
    ) -> None:
        """Each raise would add to the traceback of the one exception, for as long as the outage lasts."""
        callers = [await harness.observe() for _ in range(50)]
        await harness.fail(error)
        assert await asyncio.gather(*callers, return_exceptions=True) == [error] * 50
        assert len(harness.lists) == 1
        frames, traceback = 0, error.__traceback__
        while traceback is not None:
            frames, traceback = frames + 1, traceback.tb_next
        assert frames < 10
        caller = await harness.observe(max_age=0.0)
        await harness.answer()
        assert await caller == "one", "who needs a newer LIST makes another attempt"

    @pytest.mark.parametrize(
        ("failures", "successes", "shared"),
        [
            pytest.param(1, 0, FAILURE_FIRST, id="the first failure"),
            pytest.param(6, 0, FAILURE_LAST, id="repeated failures"),
            pytest.param(10_000, 0, FAILURE_LAST, id="failures for days"),
            pytest.param(5, 1, FAILURE_FIRST, id="a failure after a success"),
        ],
    )
    async def test_later_callers_share_a_failure_for_a_while(
        self, failures: int, successes: int, shared: float
    ) -> None:
        now, lists, answers = 100.0, 0, [False] * failures + [True, False] * successes

        async def fetch(_scope: Scope) -> Endpoints:
            nonlocal lists
            lists += 1
            if lists <= len(answers) and answers[lists - 1]:
                return listing()
            raise unavailable()

        async def observe(max_age: float) -> None:
            with suppress(AtlasUnavailableError):
                await cache.list(ORDERS, since=cache.moment() - max_age)

        cache = ObservationCache(fetch, lambda: now, empty={})
        for _ in answers:
            now += FAILURE_LAST + 1
            await observe(0.0)
        for later, sent in ((shared, 0), (0.1, 1)):
            now += later
            await observe(SHARED)
            assert lists == len(answers) + sent

    async def test_a_failure_keeps_the_observations(self, harness: Harness) -> None:
        await harness.seen()
        await harness.failed(max_age=0.0)
        assert harness.recall() == "one"

    async def test_a_held_list_does_not_count_as_attempted(self, harness: Harness) -> None:
        await harness.seen()
        caller = await harness.observe(max_age=0.0)
        await harness.fail(held())
        with pytest.raises(AtlasHeldError):
            await caller
        assert await (await harness.observe()) == "one", "the LIST before it still serves"


def write(harness: Harness, scope: Scope = ORDERS) -> None:
    harness.cache.remember_write(scope, "e1", endpoint("written"))


def write_of_bob(harness: Harness) -> None:
    write(harness, ORDERS_OF_BOB)


def lose(harness: Harness, scope: Scope = ORDERS) -> None:
    harness.cache.outcome_unknown(scope, "e1")


def lose_of_bob(harness: Harness) -> None:
    lose(harness, ORDERS_OF_BOB)


def read(harness: Harness) -> None:
    harness.cache.remember_read(ORDERS, "e1", Seen(endpoint("read"), harness.cache.moment()))


def gone(harness: Harness) -> Seen[Endpoint]:
    error = EndpointAbsentError("No such endpoint.", operation="get", http_status=404)
    seen: Seen[Endpoint] = Seen(None, harness.cache.moment(), error)
    harness.cache.remember_read(ORDERS, "e1", seen)
    return seen


MEANWHILE: dict[str, tuple[Callable[[Harness], Any], str | None]] = {
    "nothing happens: the LIST is the newest": (lambda harness: None, "listed"),
    "a write is answered: its answer counts": (write, "written"),
    "a write with other credentials is answered: nothing is known here": (write_of_bob, None),
    "a write's answer is lost: nothing is known": (lose, None),
    "the answer to a write with other credentials is lost: nothing is known": (lose_of_bob, None),
    "a GET that began later is answered: it counts": (read, "read"),
    "a GET proves the absence: it counts": (gone, None),
}


class TestOverlaps:
    @pytest.mark.parametrize("shows_it", [True, False], ids=["with the endpoint", "without the endpoint"])
    @pytest.mark.parametrize("what", MEANWHILE)
    async def test_during_a_list(self, harness: Harness, what: str, *, shows_it: bool) -> None:
        happen, remembered = MEANWHILE[what]
        await harness.seen()
        _ = await harness.observe("other", max_age=0.0)
        happen(harness)
        await harness.answer(endpoint("listed", "e1" if shows_it else "other"))
        assert harness.recall() == (None if remembered == "listed" and not shows_it else remembered)

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
        _ = await harness.observe("other")
        lose_it(harness)
        caller = await harness.observe(max_age=SHARED)
        await harness.answer(endpoint("before it was applied"))
        await harness.answer(endpoint("after"))
        assert await caller == "after"
        assert len(harness.lists) == 2

    @pytest.mark.parametrize(
        ("happen", "remembered"),
        [(write, "written"), (write_of_bob, None), (lose, None), (lose_of_bob, None), (read, "read")],
    )
    async def test_an_earlier_get_undoes_nothing(
        self, harness: Harness, happen: Callable[[Harness], None], remembered: str | None
    ) -> None:
        await harness.seen()
        began = harness.cache.moment()
        happen(harness)
        harness.cache.remember_read(ORDERS, "e1", Seen(endpoint("before"), began))
        assert harness.recall() == remembered

    async def test_a_write_drops_only_the_observations_of_its_entry(self, harness: Harness) -> None:
        for scope in (ORDERS, ORDERS_OF_BOB, USERS):
            await harness.seen(endpoint("one"), endpoint("two", "e2"), scope=scope)
        write(harness)
        assert (harness.recall(), harness.recall("e2")) == ("written", "two")
        assert (harness.recall(scope=ORDERS_OF_BOB), harness.recall("e2", scope=ORDERS_OF_BOB)) == (None, "two")
        assert harness.recall(scope=USERS) == "one"

    async def test_a_list_returns_its_answer_when_the_instance_is_forgotten_meanwhile(self, harness: Harness) -> None:
        caller = await harness.observe()
        harness.cache.forget(ORDERS)
        await harness.answer()
        assert await caller == "one"
        assert harness.recall() is None


class TestUnknownOutcomes:
    async def test_a_lost_answer_leaves_the_outcome_unknown_for_a_minute(self, harness: Harness) -> None:
        assert harness.cache.unknown_for(ORDERS, "e1") is None
        assert harness.cache.needed_since(ORDERS, "e1") == -math.inf
        lose(harness)
        harness.now += 20
        for scope in (ORDERS, ORDERS_OF_BOB):
            assert harness.cache.unknown_for(scope, "e1") == pytest.approx(UNKNOWN_FOR - 20)
        assert harness.cache.unknown_for(USERS, "e1") is None
        assert harness.cache.unknown_for(ORDERS, "e2") is None

    @pytest.mark.parametrize(
        ("began", "during", "left"),
        [
            pytest.param(UNKNOWN_FOR + 5, lambda _: None, None, id="that begins after the minute"),
            pytest.param(UNKNOWN_FOR - 1, lambda _: None, 0.0, id="that begins before the end of the minute"),
            pytest.param(UNKNOWN_FOR + 1, lose, UNKNOWN_FOR, id="during which another answer is lost"),
        ],
    )
    async def test_a_list_resolves_it(
        self, harness: Harness, began: float, during: Callable[[Harness], None], left: float | None
    ) -> None:
        lose(harness)
        harness.now += began
        caller = await harness.observe()
        during(harness)
        at = harness.now
        await harness.answer()
        await caller
        harness.now += 2
        harness.cache.resolve_unknown(ORDERS, "e1", began=harness.cache.view(ORDERS).began)
        assert harness.cache.unknown_for(ORDERS, "e1") == (left and pytest.approx(left - (harness.now - at)))

    async def test_a_list_that_began_before_the_end_of_the_minute_serves_nobody_after_it(
        self, harness: Harness
    ) -> None:
        lose(harness)
        harness.now += UNKNOWN_FOR - 1
        await harness.seen()
        harness.now += 2
        _ = await harness.observe(max_age=SHARED)
        assert len(harness.lists) == 2

    @pytest.mark.parametrize("fails", [True, False], ids=["a failed LIST", "a LIST of another caller"])
    async def test_no_outcome_is_resolved_by(self, harness: Harness, *, fails: bool) -> None:
        lose(harness)
        harness.now += UNKNOWN_FOR + 1
        shown = harness.cache.view(ORDERS)
        await (harness.failed() if fails else harness.seen())
        harness.cache.resolve_unknown(ORDERS, "e1", began=shown.began)
        assert harness.cache.unknown_for(ORDERS, "e1") == 0.0

    async def test_a_later_answered_write_does_not_resolve_it(self, harness: Harness) -> None:
        """Atlas may still apply the lost one, after this one."""
        await harness.seen()
        lose(harness)
        write(harness)
        assert harness.recall() == "written"
        assert harness.cache.unknown_for(ORDERS, "e1") == pytest.approx(UNKNOWN_FOR)


class TestAbsence:
    """What Atlas has proved to be absent, by a GET."""

    async def test_a_list_without_the_entry_keeps_the_proof_of_absence(self, harness: Harness) -> None:
        await harness.seen()
        proof = gone(harness)
        await harness.seen(endpoint("two", "e2"))
        assert harness.cache.view(ORDERS).entries["e1"] == proof

    @pytest.mark.parametrize(
        ("happen", "remembered"),
        [
            pytest.param(write, "written", id="the answer to a write"),
            pytest.param(read, "read", id="a later GET"),
            pytest.param(lose, None, id="a lost answer"),
        ],
    )
    async def test_the_proof_of_absence_ends_with(
        self, harness: Harness, happen: Callable[[Harness], None], remembered: str | None
    ) -> None:
        await harness.seen()
        proof = gone(harness)
        happen(harness)
        assert harness.cache.view(ORDERS).entries.get("e1") != proof
        assert harness.recall() == remembered


async def test_entries_are_found_by_their_labels_in_the_order_of_their_ids(harness: Harness) -> None:
    shown = [endpoint("mark", "e3"), endpoint("other", "e2"), endpoint("mark", "e1"), endpoint("", "e4")]
    assert harness.cache.view(ORDERS).labelled == {}
    await harness.seen(*shown)
    assert harness.cache.view(ORDERS).labelled == {"mark": (shown[2], shown[0]), "other": (shown[1],)}
    harness.cache.remember_gone(ORDERS, "e2")
    assert harness.cache.view(ORDERS).labelled.keys() == {"mark"}


async def list_of_nothing(harness: Harness, number: int) -> None:
    """List a project that does not exist."""
    caller = await harness.observe(max_age=0.0, scope=ORDERS._replace(project_id=f"{number:024x}"))
    await harness.fail(unavailable())
    with pytest.raises(AtlasUnavailableError):
        await caller


async def writes_of_others(harness: Harness, number: int) -> None:
    """Write to other entries than before."""
    for each in range(10):
        harness.cache.remember_gone(ORDERS, f"e{number}-{each}")
    await harness.seen()


class TestMemory:
    async def test_an_answer_about_a_forgotten_instance_is_not_recorded(self, harness: Harness) -> None:
        await harness.seen()
        harness.cache.forget(ORDERS)
        assert harness.recall() is None
        write(harness)
        read(harness)
        assert harness.recall() is None

    async def test_old_observations_are_dropped(self, harness: Harness) -> None:
        scopes = [ORDERS._replace(name=f"instance-{number}") for number in range(100)]
        began = harness.cache.moment()
        for scope in scopes:
            await harness.seen(scope=scope)
            harness.cache.remember_write(scope, "e2", endpoint("written", "e2"))
            harness.cache.outcome_unknown(scope, "e1")
        harness.now += IDLE + UNKNOWN_FOR + 1
        await harness.seen()
        for scope in scopes:
            assert harness.recall("e2", scope=scope) is None
            assert harness.cache.unknown_for(scope, "e1") is None
            await harness.seen(scope=scope)
            harness.cache.remember_read(scope, "e2", Seen(endpoint("read", "e2"), began))
            assert harness.recall("e2", scope=scope) == "read", "the write is forgotten"

    async def test_the_absence_of_a_part_is_dropped_after_a_while(self, harness: Harness) -> None:
        """As that of any entry: else each endpoint that was deleted would stay in memory."""
        error = EndpointAbsentError("No such endpoint.", operation="get", http_status=404)
        for number in range(100):
            await harness.seen(endpoint("service", "s1"))
            harness.cache.remember_read(ORDERS, "s1/kept", Seen(endpoint("read"), harness.cache.moment()))
            harness.cache.remember_read(ORDERS, f"s1/{number}", Seen(None, harness.cache.moment(), error))
            harness.now += 0.6 * ABSENT
        await harness.seen(endpoint("service", "s1"))
        assert harness.cache.view(ORDERS).entries.keys() == {"s1", "s1/kept", "s1/99"}

    async def test_a_part_is_dropped_when_nothing_has_read_it_for_a_day(self, harness: Harness) -> None:
        for read in ("kept", "forgotten"):
            await harness.seen(endpoint("service", "s1"))
            harness.cache.remember_read(ORDERS, f"s1/{read}", Seen(endpoint("read"), harness.cache.moment()))
        harness.now += IDLE / 2
        harness.cache.remember_read(ORDERS, "s1/kept", Seen(endpoint("read"), harness.cache.moment()))
        harness.now += IDLE / 2 + 1
        await harness.seen(endpoint("service", "s1"))
        assert harness.cache.view(ORDERS).entries.keys() == {"s1", "s1/kept"}

    @pytest.mark.parametrize("happen", [list_of_nothing, writes_of_others])
    async def test_memory_does_not_grow_with_what_was_named_before(
        self, harness: Harness, happen: Callable[[Harness, int], Awaitable[object]]
    ) -> None:
        await harness.seen()

        async def grown(numbers: range) -> int:
            before, _ = tracemalloc.get_traced_memory()
            for number in numbers:
                harness.now += 10
                await happen(harness, number)
            await harness.seen()
            del harness.lists[:]
            gc.collect()
            return tracemalloc.get_traced_memory()[0] - before

        tracemalloc.start()
        try:
            await grown(range(100))
            assert await grown(range(100, 300)) < 50_000
        finally:
            tracemalloc.stop()
