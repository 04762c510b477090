"""What keeps the cache complete, whatever the watch has missed: on the API server in memory, on virtual time."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from random import Random

import pytest

from atlas_endpoints.cluster.errors import (
    ClusterUnavailableError,
    ClusterWentBackError,
    NoAnswerError,
    SelectorRefusedError,
)
from atlas_endpoints.cluster.relister import APART, Relister
from atlas_endpoints.cluster.writer import TURN
from atlas_endpoints.controller.cache import Body, Cache, Key, key_of
from behaviour.api_server import Cluster, Latency
from support.virtual_time import on_virtual_time

INTERVAL = 600.0
ERRORS = {
    "refused": ClusterUnavailableError("The API server refused: 403 Forbidden"),
    "unreachable": NoAnswerError("The API server cannot be reached: ClientConnectorError."),
    "selector": SelectorRefusedError("LABEL_SELECTOR cannot be read."),
}


class Operator:
    """A cache, and the relister that compares it with the API server; what a script can do to them, and ask of them."""

    def __init__(self, *namespaces: str) -> None:
        self.latency = Latency()
        self.cluster = Cluster(self.latency, lambda: "2026-11-25T12:00:00Z")
        self.cluster.watcher = self._watch
        self.cache = Cache(lambda _: {})
        self.saw = asyncio.Event()
        self.removed: list[str] = []
        self.regains = 0
        self.relister = Relister(
            self.cache,
            self.cluster,
            self.seen,
            self.gone,
            namespaces=namespaces,
            interval=INTERVAL,
            random=Random(1),  # noqa: S311  # jitter
            regained=self._regained,
        )
        self.keeping: asyncio.Task[None]
        self.refreshes: list[asyncio.Task[None]] = []
        self._backup = self._present = self.cluster.remembered()

    def _regained(self) -> None:
        self.regains += 1

    def seen(self, body: Body) -> None:
        self.saw.set()
        self.cache.put(body)

    def gone(self, key: Key, uid: str) -> None:
        self.cache.remove(key, uid)
        self.removed.append(uid)

    def _watch(self, type_: str, body: Body) -> None:
        if type_ == "DELETED":
            self.cache.remove(key_of(body), body["metadata"]["uid"])
        else:
            self.cache.put(body)

    # What happens.

    def apply(self, name: str, value: str = "") -> None:
        self.cluster.apply(name, {"value": value})

    def delete(self, name: str) -> None:
        self.cluster.delete(name)

    def delete_later(self, name: str) -> None:
        """Delete an object that a finalizer holds."""
        self.cluster.update(self.cluster.key(name), finalizers=["example.com/hold"])
        self.cluster.delete(name)

    def keep(self) -> None:
        self.keeping = asyncio.create_task(self.relister.keep())

    def refresh(self) -> None:
        self.refreshes.append(asyncio.create_task(self.relister.refresh()))

    def cancel(self) -> None:
        self.refreshes.pop().cancel()

    def deaf(self) -> None:
        """From now on no event arrives."""
        self.cluster.watcher = None

    def slow(self) -> None:
        self.latency.seconds = 1.0

    def down(self) -> None:
        self.cluster.down = True

    def up(self) -> None:
        self.cluster.down = False

    def fail(self, how: str) -> None:
        self.cluster.lists_fail = ERRORS[how]

    def recover(self) -> None:
        self.cluster.lists_fail = None

    def mute(self, *namespaces: str) -> None:
        """From now on no LIST of these namespaces is answered."""
        self.cluster.unread = namespaces

    def unserved(self, *namespaces: str) -> None:
        self.cluster.unserved = {*namespaces} or {None}

    def served(self) -> None:
        self.cluster.unserved = set()

    def forbid(self, *namespaces: str) -> None:
        self.cluster.forbidden = {*namespaces} or {None}

    def permit(self) -> None:
        self.cluster.forbidden = set()

    def remember(self) -> None:
        self._backup = self.cluster.remembered()

    def past(self) -> None:
        """From now on an API server answers that lags behind: it shows what was remembered."""
        self._present = self.cluster.remembered()
        self.restore()

    def present(self) -> None:
        self.cluster.go_back(self._present)

    def restore(self, versions: str = "0") -> None:
        self.cluster.go_back(self._backup, versions=int(versions))

    async def relisted(self, times: str = "1") -> None:
        for _ in range(int(times)):
            self.relister.relisted()
            await asyncio.sleep(APART * 0.9 / int(times) if times != "1" else 0)

    async def flap(self, hours: str) -> None:
        """Let the rights in the namespace green go and come, which the watch finds out each time."""
        for number in range(int(hours) * 720):
            self.cluster.forbidden = () if number % 2 else {"green"}
            self.relister.relisted()
            await asyncio.sleep(5)

    async def wait(self, seconds: str) -> None:
        await asyncio.sleep(float(seconds))

    async def list_begins(self) -> None:
        before = len(self.cluster.lists)
        while len(self.cluster.lists) == before:  # noqa: ASYNC110  # a list has no event
            await asyncio.sleep(0.1)

    def mark(self) -> None:
        self.cluster.lists.clear()

    # What is true.

    def knows(self, *expected: str) -> None:
        bodies = [self.cache.get(key) for key in self.cache]
        found = {f"{body['metadata']['name']}={body['spec']['value']}" for body in bodies if body is not None}
        assert found == {*expected}

    def forbidden(self, *expected: str) -> None:
        assert {*self.relister.forbidden} == {*expected}

    def holds(self, *expected: str) -> None:
        assert {each for each in ("blue", "green", "shop") if self.relister.holds(each)} == {*expected}

    def may_list(self, expected: str) -> None:
        assert self.relister.may_list is (expected == "yes")

    def regained(self, least: str, most: str = "") -> None:
        assert int(least) <= self.regains <= int(most or least)

    def misses(self, expected: str) -> None:
        assert self.relister.may_miss_objects() is (expected == "yes")

    def says_gone(self, *uids: str) -> None:
        assert self.removed == [*uids]

    def lists(self, least: str, most: str = "") -> None:
        assert int(least) <= len(self.cluster.lists) <= int(most or least)

    def complete(self, expected: str = "yes") -> None:
        assert self.relister.complete.is_set() is (expected == "yes")

    def serves(self, expected: str) -> None:
        assert self.relister.served is (expected == "yes")

    def refreshed(self, expected: str) -> None:
        assert self.refreshes[-1].done() is (expected == "yes")

    async def ends(self, within: str) -> None:
        with pytest.raises(ClusterWentBackError, match="restore of etcd"):
            await asyncio.wait_for(self.keeping, float(within))


RESTORED = "keep; wait 1; restore {}; apply a {}; relisted; ends 125"
SCRIPTS = {
    "the cache is complete after the first LIST": (
        "deaf; slow; apply a v1; apply b v1; keep; wait 0.9; complete no; wait 0.2; complete; serves yes; knows a=v1 b=v1"
    ),
    "only the selected namespaces are listed": (
        "of blue green; deaf; apply blue/a; apply green/b; apply red/c; keep; wait 1; knows a= b="
    ),
    "a selector that was valid before does not end it": (
        "keep; wait 1; fail selector; wait 1200; recover; deaf; apply new v1; wait 60; knows new=v1"
    ),
    "before the start a refresh waits for the first LIST and asks for no other": (
        "slow; refresh; wait 0; keep; wait 0.9; refreshed no; wait 0.2; refreshed yes; wait 4; lists 1"
    ),
    "a LIST that has begun does not count for a refresh": (
        "deaf; slow; keep; wait 0.5; refresh; wait 0.6; complete; refreshed no; apply new v1; wait 2; refreshed yes; knows new=v1"
    ),
    "a refresh lists at once, but for the last LIST": (
        "deaf; keep; wait 3; apply new v1; refresh; wait 0.1; refreshed yes; knows new=v1; refresh; wait 1.8; refreshed no; wait 0.2; refreshed yes"
    ),
    "a refresh waits while the API server is away": (
        "keep; wait 1; down; refresh; wait 300; refreshed no; up; wait 61; refreshed yes"
    ),
    "a cancelled refresh affects no other": "slow; keep; refresh; wait 0.1; cancel; refresh; wait 3.1; refreshed yes",
    "missed events are found after an interval": (
        "apply deleted v1; apply replaced v1; apply edited v1; keep; wait 1; deaf; delete deleted; delete replaced;"
        " apply replaced v2; apply edited v2; apply new v2; wait 660; knows edited=v2 replaced=v2 new=v2;"
        " says_gone uid-deleted uid-replaced"
    ),
    "many LISTs of the watch lead to two comparisons": (
        "apply a v1; keep; wait 3; lists 1; deaf; delete a; relisted 5000; knows; wait 300; lists 3"
    ),
    "a LIST of the watch while one of ours is under way leads to another": (
        "slow; keep; wait 0.7; relisted; wait 300; lists 2"
    ),
    "an outage at the start is waited out, neither given up nor hammered": (
        "down; apply a v1; keep; wait 600; complete no; lists 10 80; up; wait 61; complete; knows a=v1"
    ),
    "a LIST of the watch ends the backoff": (
        "apply a v1; keep; wait 1; down; deaf; wait 1200; delete a; list_begins; wait 0.1; up; relisted; wait 2.1; knows"
    ),
    "after an outage the backoff begins anew": (
        "keep; wait 1; down; wait 1200; up; wait 1200; down; wait 1200; up; wait 1200; down; list_begins; mark; wait 4; lists 2 9"
    ),
    "namespaces are listed together, eight at once": (
        "of a b c d e f g h i; slow; keep; wait 0.9; lists 8; complete no; wait 1.2; lists 9; complete"
    ),
    "rights that come and go count at once, and lead to a LIST of each namespace in two seconds at most": (
        "of blue green; keep; wait 1; forbid green; relisted; wait 2.5; forbidden green; permit; relisted; wait 2.5; regained 1; mark;"
        " flap 1; lists 1440 3600; forbid green; refresh; wait 2.5; refreshed yes; permit; relisted; wait 2.5; forbidden"
    ),
    "without the CRD nothing is complete until it comes": (
        "unserved; keep; wait 59; serves no; complete no; lists 5 12; served; wait 61; complete; serves yes"
    ),
    "while the CRD is away its objects wait, and what is gone then is gone": (
        "apply a v1; apply b v1; keep; wait 1; deaf; delete a; unserved; refresh; wait 660; knows a=v1 b=v1; says_gone; holds blue green shop; misses yes;"
        " serves no; complete; refreshed yes; served; wait 61; knows b=v1; says_gone uid-a; holds; misses no; regained 1"
    ),
    "in one namespace of two only that one waits": (
        "of blue green; apply blue/a v1; apply green/b v1; keep; wait 1; unserved green; wait 1200; knows a=v1 b=v1; holds green;"
        " serves yes; warns 1 Namespace green; deaf; served; apply green/new v1; wait 30; knows a=v1 b=v1 new=v1; holds"
    ),
    "in one namespace of two at the start nothing is complete": (
        "of blue green; unserved green; keep; wait 600; complete no; served; wait 30; complete"
    ),
    "a namespace that may not be listed stops no other one, and is served once it may": (
        "of blue green; forbid green; deaf; apply blue/a v1; apply green/b v1; keep; wait 12; complete; knows a=v1;"
        " forbidden green; warns 1 Namespace green is not served; warns 1 deploy/access; apply blue/a v2; wait 660; knows a=v2;"
        " regained 0; permit; refresh; wait 1; refreshed yes; knows a=v2 b=v1; regained 1; forbidden"
    ),
    "the first refusal holds what is there, and means that others may be missed": (
        "of blue green; forbid green; apply green/b v1; keep; wait 0.1; complete; holds green; misses yes; permit; wait 5; knows b=v1; holds; misses no"
    ),
    "so it does where all namespaces are listed at once": (
        "forbid; apply a v1; keep; wait 0.1; complete; holds blue green shop; misses yes; permit; wait 5; knows a=v1; holds; misses no; regained 1"
    ),
    "a namespace whose LIST fails stops no other one, and may have what is missed": (
        "of blue green; mute green; deaf; apply blue/a v1; apply green/b v1; keep; wait 0.1; complete; knows a=v1;"
        " misses yes; holds green; forbidden; warns 1 does not answer a LIST; apply blue/a v2; wait 120; knows a=v2; lists 8 40; refresh; wait 2;"
        " refreshed yes; regained 0; mute; wait 61; knows a=v2 b=v1; misses no; holds; regained 1"
    ),
    "so does one whose LIST fails later": (
        "of blue green; apply blue/a v1; apply green/b v1; keep; wait 1; misses no; deaf; mute blue; delete blue/a; apply green/b v2;"
        " relisted; wait 2; knows a=v1 b=v2; misses yes; holds; refresh; wait 2; refreshed yes; holds blue; mute; wait 61; knows b=v2; misses no; holds"
    ),
    "a failure does not end what a refusal has begun": (
        "of blue green; forbid green; keep; wait 12; forbidden green; permit; mute green; wait 700; forbidden green; mute; wait 61;"
        " forbidden; regained 1"
    ),
    "without any right it asks again and again": (
        "of blue green; forbid blue green; keep; wait 12; complete; forbidden blue green; misses yes; may_list no; wait 600; permit; wait 61;"
        " forbidden; misses no; may_list yes; forbid blue; refresh; wait 12; may_list yes; forbid blue green; refresh; wait 12; may_list no"
    ),
    "a namespace that was empty, as one that is deleted, misses nothing without rights": (
        "of blue green; keep; wait 1; forbid green; wait 700; forbidden green; knows; misses no"
    ),
    "whoever takes over does not know that it was": (
        "of blue green; keep; wait 1; forbid green; wait 12; misses no; refresh; wait 12; refreshed yes; misses yes; permit; wait 700; misses no"
    ),
    "nor by a LIST that has begun before": (
        "of blue green; slow; keep; wait 1.2; relisted; list_begins; wait 0.6; refresh; forbid green; wait 20; refreshed yes; misses yes"
    ),
    "nor does one in which all is being deleted": (
        "of blue green; apply green/a v1; keep; wait 1; delete_later green/a; deaf; forbid green; wait 700; knows a=v1; misses no"
    ),
    "that the kind was not served does not show a namespace to be empty": (
        "of blue green; keep; wait 1; unserved blue green; wait 700; serves no; served; forbid green; wait 60; forbidden green;"
        " misses yes"
    ),
    "one with something live may miss others": (
        "of blue green; apply green/a v1; keep; wait 1; deaf; forbid green; wait 700; knows a=v1; misses yes"
    ),
    "a kind that is not served is logged once each time": (
        "keep; unserved; wait 1200; served; wait 1200; unserved; wait 1200; warns 2 install the CRD (kubectl apply -f crds/"
    ),
    "a refusal is logged when it begins": (
        "keep; fail refused; wait 1200; recover; wait 1200; fail refused; wait 1200; warns 2 403"
    ),
    "an outage is logged elsewhere": "keep; wait 1; fail unreachable; wait 1200; recover; wait 1200; warns 0",
    "a stale LIST changes nothing, and its time does not count later": (
        "apply deleted v1; apply edited v1; remember; delete deleted; apply edited v2; apply new v1; keep; wait 1;"
        " past; relisted; wait 55; knows edited=v2 new=v1; says_gone; present; wait 61;"
        " past; relisted; wait 55; knows edited=v2 new=v1; says_gone; present; wait 61; warns 2 an earlier state;"
        " deaf; apply edited v3; wait 660; knows edited=v3 new=v1"
    ),
    "a stale LIST does not end a refresh": (
        "remember; apply a v1; keep; wait 1; past; refresh; wait 30; refreshed no; present; wait 61; refreshed yes"
    ),
    **{
        f"a restored cluster ends the process: {what}": f"of blue shop; apply a v1; remember; {since}; {RESTORED.format(*restored)}"
        for what, since, *restored in (
            ("an object was edited", "apply a v2", 0, "v1"),
            ("an object was created", "apply new v1", 0, "v1"),
            ("an object came and went", "apply brief v1; delete brief", 0, "v1"),
            ("other kinds have new versions since", "apply a v2", 1000, "v1"),
            ("an edit has a new version since, and an earlier generation", "apply a v2; apply a v3", 1000, "v4"),
        )
    },
    "a restored cluster ends the process, also after an outage meanwhile": (
        "apply a v1; remember; apply a v2; keep; wait 1; restore; relisted; wait 7; down; wait 600; up; ends 65"
    ),
}  # fmt: skip


def warnings(caplog: pytest.LogCaptureFixture, words: str) -> int:
    return sum(words in each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING)


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
@on_virtual_time
async def test_the_cache(script: str, caplog: pytest.LogCaptureFixture) -> None:
    *first, rest = script.removeprefix("of ").split("; ", 1) if script.startswith("of ") else [script]
    operator = Operator(*" ".join(first).split())
    for step in rest.split("; "):
        verb, *words = step.split()
        if verb == "warns":
            assert warnings(caplog, " ".join(words[1:])) == int(words[0])
        elif (running := getattr(operator, verb)(*words)) is not None:
            await running


@on_virtual_time
async def test_an_invalid_selector_ends_the_operator_at_its_start() -> None:
    operator = Operator()
    operator.fail("selector")
    with pytest.raises(SelectorRefusedError):
        await operator.relister.keep()


@on_virtual_time
async def test_comparisons_are_jittered() -> None:
    operator = Operator()
    operator.keep()
    await asyncio.sleep(INTERVAL * 100)
    gaps = [later - earlier for earlier, later in pairwise(operator.cluster.lists)]
    assert all(INTERVAL * 0.9 <= gap <= INTERVAL * 1.1 for gap in gaps)
    assert len(set(gaps)) > 50


@on_virtual_time
async def test_an_object_that_is_deleted_while_a_large_list_is_taken_in_stays_deleted() -> None:
    operator = Operator()
    operator.deaf()
    for number in range(3 * TURN):
        operator.apply(f"db-{number:03}")
    operator.keep()
    await operator.saw.wait()
    assert len(operator.cache) < 3 * TURN  # others do their work meanwhile
    *_, last = operator.cluster.objects
    operator.gone(last, f"uid-{last.name}")
    await operator.relister.complete.wait()
    assert len(operator.cache) == 3 * TURN - 1


class TestOneNamespace:
    """Those who read the objects of one namespace share its LISTs, which take a second."""

    def reading(self, *, before: Callable[[Operator], object] = lambda _: None, readers: int = 0) -> Operator:
        operator = Operator()
        before(operator)
        operator.deaf()
        operator.slow()
        self.readers = [asyncio.create_task(operator.relister.read("blue")) for _ in range(readers)]
        return operator

    @on_virtual_time
    async def test_what_the_watch_has_missed_is_taken_in_and_what_it_has_removed_stays_away(self) -> None:
        def before(operator: Operator) -> None:
            for name in ("blue/brief", "green/elsewhere"):
                operator.apply(name, "v1")

        operator = self.reading(before=before)
        for name in ("blue/late", "green/later"):
            operator.apply(name, "v1")
        reading = asyncio.create_task(operator.relister.read("blue"))
        await asyncio.sleep(0.75)  # its answer is on its way
        operator.gone(operator.cluster.key("brief"), "uid-brief")
        assert await reading == {"uid-brief", "uid-late"}
        operator.knows("elsewhere=v1", "late=v1")

    @on_virtual_time
    async def test_an_outdated_list_is_no_answer(self) -> None:
        operator = self.reading(before=partial(Operator.apply, name="a", value="v1"))
        operator.past()
        with pytest.raises(ClusterUnavailableError, match="outdated"):
            await operator.relister.read("blue")
        operator.knows("a=v1")

    @pytest.mark.parametrize("down", [False, True])
    @on_virtual_time
    async def test_many_readers_share_two_lists_or_their_failure(self, *, down: bool) -> None:
        operator = self.reading(readers=100)
        operator.apply("blue/a")
        operator.cluster.down = down
        results = await asyncio.gather(*self.readers, return_exceptions=True)
        assert {str(each) if down else each for each in results} == {
            "The API server cannot be reached." if down else frozenset({"uid-a"})
        }
        assert operator.cluster.lists == [0.0, 0.5 if down else 1.0]
        operator.up()
        assert await operator.relister.read("blue") == {"uid-a"}, "nobody else gets the failure"

    @on_virtual_time
    async def test_a_reader_during_a_list_gets_the_next_one(self) -> None:
        operator = self.reading(readers=1)
        await asyncio.sleep(0.75)  # its answer is on its way
        operator.apply("blue/new")
        following = [asyncio.create_task(operator.relister.read("blue")) for _ in range(2)]
        assert await self.readers[0] == set()
        assert await asyncio.gather(*following) == [{"uid-new"}, {"uid-new"}]
        assert len(operator.cluster.lists) == 2

    @on_virtual_time
    async def test_readers_of_another_namespace_do_not_wait(self) -> None:
        operator = self.reading()
        await asyncio.gather(*(operator.relister.read(namespace) for namespace in ("blue", "green")))
        assert operator.cluster.lists == [0.0, 0.0]

    @on_virtual_time
    async def test_when_the_one_who_lists_is_cancelled_the_others_get_his_list(self) -> None:
        operator = self.reading(readers=4)
        await asyncio.sleep(1.5)  # the second LIST is on its way
        self.readers.pop(1).cancel()
        assert await asyncio.gather(*self.readers) == [set()] * 3
        assert len(operator.cluster.lists) == 2
