"""Shared observations: who shares a LIST or its failure, and what changes the cache."""

import asyncio
import gc
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeAlias

import pytest

from atlas_endpoints.atlas.answers import Deprecation, Listing
from atlas_endpoints.atlas.errors import AtlasError, AtlasHeldError, AtlasUnavailableError, EndpointAbsentError
from atlas_endpoints.atlas.observations import FAILURE_FIRST, FAILURE_LAST, SCOPE_IDLE, ObservationCache, Seen, View
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.tunings import ABSENT, UNKNOWN_FOR

ORDERS = Scope("alice", "5f7cac1adf5d6c6306f4b283", "Endpoint", "orders")
USERS = ORDERS._replace(name="users")
SCOPES = {"alice": ORDERS, "bob": ORDERS._replace(credentials="bob"), "users": USERS}
"""Two pairs of credentials in one instance, and another instance."""
SHARED = 5.0
ABSENCE = EndpointAbsentError("No such endpoint.", operation="get", http_status=404)


class Endpoint(NamedTuple):
    """An entry."""

    id: str
    comment: str


Endpoints: TypeAlias = Listing[Endpoint]


def listing(*shown: str, deprecation: Deprecation | None = None) -> Endpoints:
    """Return a LIST that shows entries such as ``e1=one``."""
    pairs = (each.split("=") for each in shown)
    return Listing({id_: Endpoint(id_, comment) for id_, comment in pairs}, deprecation)


def unavailable() -> AtlasUnavailableError:
    return AtlasUnavailableError("Atlas cannot serve the call.", operation="list", http_status=503)


def held() -> AtlasHeldError:
    return AtlasHeldError("Not now.", reason="RateLimited", operation="list", retry_after=7.0)


async def pause() -> None:
    """Let everything happen that can happen now."""
    for _ in range(10):
        await asyncio.sleep(0)


class Harness:
    """A cache whose LISTs are answered by the steps of scripts, which are about ``e1`` of ``alice`` if they name nothing else.

    Attributes:
        lists_sent: each LIST that was sent.
    """

    def __init__(self) -> None:
        self.now = 100.0
        self.lists_sent: list[asyncio.Future[Endpoints]] = []
        parts: View[Any] = View(
            parent_of=lambda entry: entry.rpartition("/")[0], label=lambda each: each.comment or None
        )
        self.cache = ObservationCache(self._fetch, lambda: self.now, empty={ORDERS.kind: parts})
        self._callers: dict[str, asyncio.Task[str | None]] = {}
        self._marked = self._looked = 0.0
        self._proof: Seen[Endpoint] | None = None

    async def _fetch(self, scope: Scope) -> Endpoints:
        answer: asyncio.Future[Endpoints] = asyncio.get_running_loop().create_future()
        self.lists_sent.append(answer)
        return await answer

    # What happens.

    async def observe(
        self, name: str, age: str = str(SHARED), entry: str = "e1", whose: str | Scope = "alice"
    ) -> asyncio.Task[str | None]:
        """Observe an entry as a reconcile does that may have written to it, as far as possible without an answer."""
        scope = SCOPES[whose] if isinstance(whose, str) else whose

        async def comment() -> str | None:
            since = max(self.cache.moment() - float(age), self.cache.needed_since(scope, entry))
            found = (await self.cache.list(scope, since=since)).value(entry)
            return None if found is None else str(found.comment)

        caller = self._callers[name] = asyncio.create_task(comment())
        await pause()
        return caller

    async def answer(self, *shown: str, deprecation: Deprecation | None = None) -> None:
        """Answer the newest LIST."""
        self.lists_sent[-1].set_result(listing(*shown, deprecation=deprecation))
        await pause()

    async def fail(self, how: str = "") -> None:
        self.lists_sent[-1].set_exception(held() if how == "held" else unavailable())
        await pause()

    async def seen(self, *shown: str, whose: str | Scope = "alice", deprecation: Deprecation | None = None) -> None:
        """Send a LIST and answer it; a scope may stand first."""
        if shown and shown[0] in SCOPES:
            whose, *shown = shown  # type: ignore[assignment]  # the rest is a list
        caller = await self.observe("seen", "0", "any", whose)
        await self.answer(*shown, deprecation=deprecation)
        await caller

    def cancel(self, name: str) -> None:
        self._callers[name].cancel()

    def write(self, whose: str = "alice") -> None:
        self.cache.remember_write(SCOPES[whose], "e1", Endpoint("e1", "written"))

    def lose(self, whose: str = "alice") -> None:
        """Lose the answer to a write."""
        self.cache.outcome_unknown(SCOPES[whose], "e1")

    def read(self, how: str = "") -> None:
        """Be answered to a GET that began now, or when it was ``marked``."""
        began = self._marked if how else self.cache.moment()
        self.cache.remember_read(ORDERS, "e1", Seen(Endpoint("e1", "read"), began))

    def gone(self) -> None:
        """Prove the absence by a GET."""
        self._proof = Seen(None, self.cache.moment(), ABSENCE)
        self.cache.remember_read(ORDERS, "e1", self._proof)

    def mark(self) -> None:
        self._marked = self.cache.moment()

    def forget(self) -> None:
        self.cache.forget(ORDERS)

    def look(self) -> None:
        """Look at the observations, to resolve an outcome by them."""
        self._looked = self.cache.view(ORDERS).began

    def resolve(self) -> None:
        self.cache.resolve_unknown(ORDERS, "e1", began=self._looked)

    def wait(self, seconds: str) -> None:
        self.now += float(seconds)

    # What is true.

    async def gets(self, name: str, value: str) -> None:
        """A caller gets a comment, ``none`` or ``an-error``."""
        found = await asyncio.gather(self._callers.pop(name), return_exceptions=True)
        assert ("an-error" if isinstance(found[0], AtlasError) else found[0] or "none") == value

    def knows(self, *expected: str) -> None:
        for each in expected:
            entry, value = each.split("=")
            id_, _, whose = entry.partition("@")
            found = self.cache.view(SCOPES[whose or "alice"]).value(id_)
            assert (found.comment if found else "none") == value, each

    def lists(self, number: str) -> None:
        assert len(self.lists_sent) == int(number)

    def unknown(self, seconds: str, whose: str = "alice", entry: str = "e1") -> None:
        """Atlas may apply a write for so long; ``none``: there is no such write."""
        found = self.cache.unknown_for(SCOPES[whose], entry)
        assert found == (None if seconds == "none" else pytest.approx(float(seconds)))

    def proven(self, expected: str) -> None:
        assert (self.cache.view(ORDERS).entries.get("e1") == self._proof) is (expected == "yes")


MEANWHILE = {
    "nothing happens": ("look", "listed"),
    "a write is answered": ("write", "written"),
    "a write with other credentials is answered": ("write bob", "none"),
    "the answer to a write is lost": ("lose", "none"),
    "the answer to a write with other credentials is lost": ("lose bob", "none"),
    "a GET that began later is answered": ("read", "read"),
    "a GET proves the absence": ("gone", "none"),
}
SCRIPTS = {
    "concurrent callers share one LIST": (
        "observe a; observe b; observe c; answer e1=one; gets a one; gets b one; gets c one; lists 1"
    ),
    "the age of a LIST counts from its beginning": (
        "observe a; wait 5; answer e1=one; gets a one; observe b; gets b one; lists 1; wait 0.1; observe c; lists 2"
    ),
    "callers that need a newer LIST than the running one share the next one": (
        "observe a; observe b 0; observe c 0; answer e1=old; answer e1=new; gets a old; gets b new; gets c new; lists 2"
    ),
    "each instance and each pair of credentials has its own LIST": (
        "observe a; observe b 5 e1 bob; observe c 5 e1 users; lists 3"
    ),
    "a cancelled caller does not cancel the LIST": "observe a; cancel a; answer e1=one; knows e1=one; lists 1",
    "a cancelled caller does not cancel the LIST of another": (
        "observe a; observe b; cancel a; answer e1=one; gets b one; lists 1"
    ),
    "an entry that is missing in a LIST is dropped": "seen e1=one e2=two; seen e2=two; knows e1=none e2=two",
    "a failure keeps the observations": "seen e1=one; observe a 0; fail; gets a an-error; knows e1=one",
    "a LIST that was held does not count as attempted": (
        "seen e1=one; observe a 0; fail held; gets a an-error; observe b; gets b one"
    ),
    **{
        f"during a LIST {shows} the entry {what}": (
            f"seen e1=one; observe a 0 other; {step}; answer {entry}=listed; knows e1={known}"
        )
        for what, (step, remembered) in MEANWHILE.items()
        for shows, entry, known in (
            ("with", "e1", remembered),
            ("without", "other", "none" if remembered == "listed" else remembered),
        )
    },
    **{
        f"a later LIST counts after this: {what}": f"seen e1=one; {step}; seen e1=listed; knows e1=listed"
        for what, (step, _) in MEANWHILE.items()
    },
    **{
        f"an earlier GET undoes nothing: {what}": f"seen e1=one; mark; {step}; read marked; knows e1={remembered}"
        for what, (step, remembered) in MEANWHILE.items()
        if step not in {"look", "gone"}
    },
    **{
        f"after the lost answer to a write of {whose} a caller gets a later LIST": (
            f"observe a 5 other; lose {whose}; observe b; answer e1=before; answer e1=after; gets b after; lists 2"
        )
        for whose in ("alice", "bob")
    },
    "a write drops only the observations of its entry": (
        "seen e1=one e2=two; seen bob e1=one e2=two; seen users e1=one e2=two; write;"
        " knows e1=written e2=two e1@bob=none e2@bob=two e1@users=one"
    ),
    "a LIST returns its answer when the instance is forgotten meanwhile": (
        "observe a; forget; answer e1=one; gets a one; knows e1=none"
    ),
    "an answer about a forgotten instance is not recorded": (
        "seen e1=one; forget; knows e1=none; write; read; knows e1=none"
    ),
    "a lost answer leaves the outcome unknown for a minute": (
        "unknown none; lose; wait 20; unknown 40; unknown 40 bob; unknown none users; unknown none alice e2"
    ),
    "a LIST that begins after the minute resolves it": (
        "lose; wait 65; observe a; answer e1=one; gets a one; wait 2; look; resolve; unknown none"
    ),
    "a LIST that begins before the end of the minute does not resolve it": (
        "lose; wait 59; observe a; answer e1=one; gets a one; wait 2; look; resolve; unknown 0"
    ),
    "a LIST during which another answer is lost does not resolve it": (
        "lose; wait 61; observe a; lose; answer e1=one; gets a none; wait 2; look; resolve; unknown 58"
    ),
    "a LIST that began before the end of the minute serves nobody after it": (
        "lose; wait 59; seen e1=one; wait 2; observe a; lists 2"
    ),
    "a LIST that fails resolves no outcome": (
        "lose; wait 61; look; observe a; fail; gets a an-error; resolve; unknown 0"
    ),
    "a LIST of another caller resolves no outcome": "lose; wait 61; look; seen e1=one; resolve; unknown 0",
    "a later write does not resolve it: Atlas may still apply the lost one": (
        "seen e1=one; lose; write; knows e1=written; unknown 60"
    ),
    "a LIST without the entry keeps the proof of its absence": "seen e1=one; gone; seen e2=two; proven yes",
    **{
        f"the proof of an absence ends with: {what}": f"seen e1=one; gone; {step}; proven no; knows e1={remembered}"
        for what, (step, remembered) in MEANWHILE.items()
        if step in {"write", "read", "lose"}
    },
}  # fmt: skip


@pytest.fixture
def harness() -> Harness:
    return Harness()


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
async def test_observing(harness: Harness, script: str) -> None:
    for step in script.split("; "):
        verb, *words = step.split()
        if (running := getattr(harness, verb)(*words)) is not None:
            await running


async def test_the_sunset_is_the_earliest_of_all_instances(harness: Harness) -> None:
    assert harness.cache.sunset is None
    for whose, month in (("alice", 7), ("users", 3), ("bob", None)):
        sunset = None if month is None else datetime(2027, month, 1, tzinfo=UTC)
        await harness.seen(whose=whose, deprecation=Deprecation(None, sunset))
    assert harness.cache.sunset == datetime(2027, 3, 1, tzinfo=UTC)
    harness.cache.forget(USERS)
    assert harness.cache.sunset == datetime(2027, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize("error", [unavailable(), held(), ZeroDivisionError()], ids=lambda error: type(error).__name__)
async def test_all_waiting_callers_get_the_error_with_a_short_traceback(harness: Harness, error: Exception) -> None:
    """Each raise would add to the traceback of the one exception, for as long as the outage lasts."""
    callers = [await harness.observe(str(number)) for number in range(50)]
    harness.lists_sent[-1].set_exception(error)
    await pause()
    assert await asyncio.gather(*callers, return_exceptions=True) == [error] * 50
    harness.lists("1")
    frames, traceback = 0, error.__traceback__
    while traceback is not None:
        frames, traceback = frames + 1, traceback.tb_next
    assert frames < 10
    caller = await harness.observe("next", "0")
    await harness.answer("e1=one")
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
async def test_later_callers_share_a_failure_for_a_while(failures: int, successes: int, shared: float) -> None:
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


async def test_entries_are_found_by_their_labels_in_the_order_of_their_ids(harness: Harness) -> None:
    assert harness.cache.view(ORDERS).labelled == {}
    await harness.seen("e3=mark", "e2=other", "e1=mark", "e4=")
    found = {label: [each.id for each in entries] for label, entries in harness.cache.view(ORDERS).labelled.items()}
    assert found == {"mark": ["e1", "e3"], "other": ["e2"]}
    harness.cache.written_now(ORDERS, "e2")
    assert harness.cache.view(ORDERS).labelled.keys() == {"mark"}


async def list_of_nothing(harness: Harness, number: int) -> None:
    """List a project that does not exist."""
    caller = await harness.observe("nothing", "0", whose=ORDERS._replace(project_id=f"{number:024x}"))
    await harness.fail()
    with pytest.raises(AtlasUnavailableError):
        await caller


async def writes_of_others(harness: Harness, number: int) -> None:
    """Write to other entries than before."""
    for each in range(10):
        harness.cache.written_now(ORDERS, f"e{number}-{each}")
    await harness.seen()


async def test_old_observations_are_dropped(harness: Harness) -> None:
    scopes = [ORDERS._replace(name=f"instance-{number}") for number in range(100)]
    began, shown = harness.cache.moment(), Endpoint("e2", "shown")
    for scope in scopes:
        await harness.seen(whose=scope)
        harness.cache.remember_write(scope, "e2", shown)
        harness.cache.outcome_unknown(scope, "e1")
    harness.now += SCOPE_IDLE + UNKNOWN_FOR + 1
    await harness.seen()
    for scope in scopes:
        assert harness.cache.view(scope).value("e2") is None
        assert harness.cache.unknown_for(scope, "e1") is None
        await harness.seen(whose=scope)
        harness.cache.remember_read(scope, "e2", Seen(shown, began))
        assert harness.cache.view(scope).value("e2") == shown, "the write is forgotten"


class TestParts:
    """What no LIST shows, since it is a part of an entry."""

    def read(self, harness: Harness, part: str, *, is_there: bool = True) -> None:
        seen = Seen(Endpoint(part, "read") if is_there else None, harness.cache.moment(), None if is_there else ABSENCE)
        harness.cache.remember_read(ORDERS, f"s1/{part}", seen)

    async def known(self, harness: Harness) -> set[str]:
        await harness.seen("s1=service")
        return {*harness.cache.view(ORDERS).entries}

    async def test_the_absence_of_one_is_dropped_after_a_while(self, harness: Harness) -> None:
        """As that of any entry: else each endpoint that was deleted would stay in memory."""
        for number in range(100):
            await harness.seen("s1=service")
            self.read(harness, "kept")
            self.read(harness, str(number), is_there=False)
            harness.now += 0.6 * ABSENT
        assert await self.known(harness) == {"s1", "s1/kept", "s1/99"}

    async def test_one_is_dropped_when_nothing_has_read_it_for_a_day(self, harness: Harness) -> None:
        for part in ("kept", "forgotten"):
            await harness.seen("s1=service")
            self.read(harness, part)
        harness.now += SCOPE_IDLE / 2
        self.read(harness, "kept")
        harness.now += SCOPE_IDLE / 2 + 1
        assert await self.known(harness) == {"s1", "s1/kept"}


@pytest.mark.parametrize("happen", [list_of_nothing, writes_of_others])
async def test_memory_does_not_grow_with_what_was_named_before(
    harness: Harness, happen: Callable[[Harness, int], Awaitable[object]]
) -> None:
    await harness.seen()

    async def grown(numbers: range) -> int:
        before, _ = tracemalloc.get_traced_memory()
        for number in numbers:
            harness.now += 10
            await happen(harness, number)
        await harness.seen()
        harness.lists_sent.clear()
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before

    tracemalloc.start()
    try:
        await grown(range(100))
        assert await grown(range(100, 300)) < 50_000
    finally:
        tracemalloc.stop()
