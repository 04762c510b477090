"""What keeps the cache complete, whatever the watch has missed: on an API server in memory, on virtual time."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from random import Random

import pytest

from atlas_endpoints.cluster.errors import (
    ClusterUnavailableError,
    ClusterUnreachableError,
    ClusterWentBackError,
    SelectorRefusedError,
)
from atlas_endpoints.cluster.relister import (
    AT_ONCE,
    FOR_EACH,
    FORBIDDEN,
    MAX_BACKOFF,
    NOT_SERVED,
    SETTLE,
    STALE,
    STALE_FOR,
    Relister,
)
from atlas_endpoints.controller.cache import Body, Cache, Key, key_of
from support.virtual_time import on_virtual_time
from unit.controller.api_server import ApiServer

INTERVAL = 600.0


class Cluster:
    """An API server, the operator's memory of it, and the relister that compares the two."""

    def __init__(self, *, namespaces: tuple[str, ...] = (), interval: float = INTERVAL) -> None:
        self.server = ApiServer()
        self.server.watch = self._watch
        self.cache = Cache(lambda _body: {})
        self.saw = asyncio.Event()
        self.gone_objects: list[str] = []
        self.regained = 0
        self.relister = Relister(
            self.cache,
            self.server,
            self,
            namespaces=namespaces,
            interval=interval,
            random=Random(1),  # noqa: S311  # jitter
            regained=self._regained,
        )

    def _regained(self) -> None:
        self.regained += 1

    def seen(self, body: Body) -> None:
        self.saw.set()
        self.cache.put(body)

    def gone(self, key: Key, uid: str) -> None:
        self.cache.remove(key, uid)
        self.gone_objects.append(uid)

    def known(self) -> dict[str, str]:
        """By name, the value in the spec of each object that the operator knows."""
        bodies = {key: self.cache.get(key) for key in self.cache}
        return {key.name: body["spec"]["value"] for key, body in bodies.items() if body is not None}

    def _watch(self, type_: str, body: Body) -> None:
        if type_ == "DELETED":
            self.cache.remove(key_of(body), body["metadata"]["uid"])
        else:
            self.cache.put(body)


@asynccontextmanager
async def keeping(cluster: Cluster) -> AsyncIterator[ApiServer]:
    keeper = asyncio.create_task(cluster.relister.keep())
    yield cluster.server
    keeper.cancel()
    await asyncio.wait([keeper])
    assert keeper.cancelled()


@asynccontextmanager
async def complete(cluster: Cluster) -> AsyncIterator[ApiServer]:
    async with keeping(cluster) as server:
        await cluster.relister.complete.wait()
        yield server


@asynccontextmanager
async def ending(cluster: Cluster, *, within: float) -> AsyncIterator[ApiServer]:
    """Expect that the relister ends in time after the block, since the cluster was restored."""
    keeper = asyncio.create_task(cluster.relister.keep())
    await cluster.relister.complete.wait()
    yield cluster.server
    with pytest.raises(ClusterWentBackError, match="restore of etcd"):
        await asyncio.wait_for(keeper, within)


async def next_list(server: ApiServer) -> None:
    server.list_began.clear()
    await server.list_began.wait()


class TestStart:
    @on_virtual_time
    async def test_the_cache_is_complete_after_the_first_list(self) -> None:
        cluster = Cluster()
        cluster.server.watch_lags = True
        cluster.server.latency = 1.0
        for name in ("a", "b"):
            cluster.server.apply(name, "v1")
        async with keeping(cluster):
            await asyncio.sleep(0.9)
            assert not cluster.relister.complete.is_set()
            await asyncio.sleep(0.2)
            assert cluster.relister.complete.is_set()
            assert cluster.relister.served
            assert cluster.known() == {"a": "v1", "b": "v1"}

    @on_virtual_time
    async def test_only_the_selected_namespaces_and_labels_are_listed(self) -> None:
        cluster = Cluster(namespaces=("blue", "green"))
        cluster.server.label_selector = "team=mine"
        cluster.server.watch_lags = True
        for namespace in ("blue", "green", "red"):
            for team in ("mine", "yours"):
                cluster.server.apply(f"{namespace}-{team}", namespace=namespace, team=team)
        async with complete(cluster):
            assert set(cluster.known()) == {"blue-mine", "green-mine"}


class TestLabelSelector:
    @on_virtual_time
    async def test_an_invalid_selector_ends_the_operator_at_its_start(self) -> None:
        cluster = Cluster()
        cluster.server.fails = SelectorRefusedError("LABEL_SELECTOR cannot be read.")
        with pytest.raises(SelectorRefusedError):
            await cluster.relister.keep()

    @on_virtual_time
    async def test_a_selector_that_was_valid_before_does_not_end_it(self) -> None:
        cluster = Cluster()
        async with complete(cluster) as server:
            server.fails = SelectorRefusedError("LABEL_SELECTOR cannot be read.")
            await asyncio.sleep(INTERVAL * 2)
            server.fails = None
            server.watch_lags = True
            server.apply("new", "v1")
            await asyncio.sleep(MAX_BACKOFF * 2)
            assert cluster.known() == {"new": "v1"}


class TestRefreshing:
    @on_virtual_time
    async def test_before_the_start_it_waits_for_the_first_list_and_asks_for_no_other(self) -> None:
        cluster = Cluster()
        cluster.server.latency = 1.0
        refreshed = asyncio.create_task(cluster.relister.refresh())
        await asyncio.sleep(0)
        async with keeping(cluster) as server:
            await asyncio.sleep(0.9)
            assert not refreshed.done()
            await asyncio.sleep(0.2)
            assert refreshed.done()
            await asyncio.sleep(SETTLE * 2)
            assert len(server.lists) == 1

    @on_virtual_time
    async def test_a_list_that_has_begun_does_not_count(self) -> None:
        cluster = Cluster()
        cluster.server.watch_lags = True
        cluster.server.latency = 1.0
        async with keeping(cluster) as server:
            await asyncio.sleep(0.5)
            refreshed = asyncio.create_task(cluster.relister.refresh())
            await cluster.relister.complete.wait()
            assert not refreshed.done()
            server.apply("new", "v1")
            await asyncio.wait_for(refreshed, 1.1)
            assert cluster.known() == {"new": "v1"}

    @pytest.mark.parametrize("settling", [False, True], ids=["between comparisons", "while kopf settles"])
    @on_virtual_time
    async def test_it_lists_at_once(self, settling: bool) -> None:
        cluster = Cluster()
        cluster.server.watch_lags = True
        async with complete(cluster) as server:
            if settling:
                cluster.relister.relisted()
            await asyncio.sleep(SETTLE / 4)
            server.apply("new", "v1")
            await asyncio.wait_for(cluster.relister.refresh(), 0.1)
            assert cluster.known() == {"new": "v1"}

    @on_virtual_time
    async def test_while_the_api_server_is_away_it_waits(self) -> None:
        cluster = Cluster()
        async with complete(cluster) as server:
            server.down = True
            refreshed = asyncio.create_task(cluster.relister.refresh())
            await asyncio.sleep(MAX_BACKOFF * 10)
            assert not refreshed.done()
            server.down = False
            await asyncio.wait_for(refreshed, MAX_BACKOFF * 1.1)

    @on_virtual_time
    async def test_a_cancelled_caller_affects_no_other(self) -> None:
        cluster = Cluster()
        cluster.server.latency = 1.0
        async with keeping(cluster):
            impatient = asyncio.create_task(cluster.relister.refresh())
            await asyncio.sleep(0.1)
            impatient.cancel()
            await asyncio.wait_for(cluster.relister.refresh(), 2.5)


class TestMissedEvents:
    @on_virtual_time
    async def test_missed_events_are_found_after_an_interval(self) -> None:
        cluster = Cluster()
        deleted, replaced = cluster.server.apply("deleted", "v1"), cluster.server.apply("replaced", "v1")
        cluster.server.apply("edited", "v1")
        async with complete(cluster) as server:
            server.watch_lags = True
            server.delete(deleted)
            server.delete(replaced)
            server.apply("replaced", "v2")
            server.apply("edited", "v2")
            server.apply("new", "v2")
            server.lose_events()
            await asyncio.sleep(INTERVAL * 1.1)
            assert cluster.known() == {"edited": "v2", "replaced": "v2", "new": "v2"}
            assert cluster.gone_objects == ["uid-1", "uid-2"]

    @on_virtual_time
    async def test_the_interval_is_jittered(self) -> None:
        cluster = Cluster()
        async with keeping(cluster) as server:
            await asyncio.sleep(INTERVAL * 100)
            gaps = [later - earlier for earlier, later in pairwise(server.lists)]
            assert all(INTERVAL * 0.9 <= gap <= INTERVAL * 1.1 for gap in gaps)
            assert len(set(gaps)) > 50

    @on_virtual_time
    async def test_many_objects_are_compared_less_often(self) -> None:
        cluster = Cluster(interval=4.0)
        for each in range(100):
            cluster.server.apply(f"db-{each}")
        async with complete(cluster) as server:
            before = len(server.lists)
            await asyncio.sleep(100 * FOR_EACH * 10)
            assert len(server.lists) - before in range(9, 12)


class TestLargeLists:
    @on_virtual_time
    async def test_an_object_that_is_deleted_while_a_list_is_taken_in_stays_deleted(self) -> None:
        cluster = Cluster()
        cluster.server.watch_lags = True
        *_, last = [cluster.server.apply(f"db-{number:03}") for number in range(3 * AT_ONCE)]
        async with keeping(cluster) as server:
            await cluster.saw.wait()
            assert len(cluster.cache) < 3 * AT_ONCE  # others do their work meanwhile
            cluster.gone(last, server.body(last)["metadata"]["uid"])
            await cluster.relister.complete.wait()
            assert len(cluster.cache) == 3 * AT_ONCE - 1


class TestRelisting:
    @on_virtual_time
    async def test_a_list_of_the_watch_with_many_objects_leads_to_one_comparison(self) -> None:
        cluster = Cluster()
        key = cluster.server.apply("a", "v1")
        async with keeping(cluster) as server:
            await asyncio.sleep(1)
            assert len(server.lists) == 1
            server.watch_lags = True
            server.delete(key)
            server.lose_events()
            for _ in range(5000):
                cluster.relister.relisted()
                await asyncio.sleep(SETTLE * 0.9 / 5000)
            await asyncio.sleep(SETTLE * 0.2)
            assert cluster.known() == {}
            await asyncio.sleep(INTERVAL / 2)
            assert len(server.lists) == 2

    @on_virtual_time
    async def test_a_list_of_the_watch_while_one_of_ours_is_under_way_leads_to_another(self) -> None:
        cluster = Cluster()
        cluster.server.latency = 1.0
        async with keeping(cluster) as server:
            await asyncio.sleep(0.7)
            cluster.relister.relisted()
            await asyncio.sleep(INTERVAL / 2)
            assert len(server.lists) == 2


class TestOutage:
    @on_virtual_time
    async def test_an_outage_at_the_start_is_waited_out(self) -> None:
        cluster = Cluster()
        cluster.server.down = True
        cluster.server.apply("a", "v1")
        async with keeping(cluster) as server:
            await asyncio.sleep(600)
            assert not cluster.relister.complete.is_set()
            assert 20 <= len(server.lists) <= 80, "neither given up nor hammered"
            server.down = False
            await asyncio.wait_for(cluster.relister.complete.wait(), MAX_BACKOFF)
            assert cluster.known() == {"a": "v1"}

    @on_virtual_time
    async def test_a_list_of_the_watch_ends_the_backoff(self) -> None:
        cluster = Cluster()
        key = cluster.server.apply("a", "v1")
        async with complete(cluster) as server:
            server.down = True
            server.watch_lags = True
            await asyncio.sleep(INTERVAL * 2)
            server.delete(key)
            server.lose_events()
            await next_list(server)
            await asyncio.sleep(0.1)
            server.down = False
            cluster.relister.relisted()
            await asyncio.sleep(SETTLE + 0.1)
            assert cluster.known() == {}

    @on_virtual_time
    async def test_after_an_outage_the_backoff_begins_anew(self) -> None:
        cluster = Cluster()
        async with keeping(cluster) as server:
            for _ in range(2):
                server.down = True
                await asyncio.sleep(INTERVAL * 2)
                server.down = False
                await asyncio.sleep(INTERVAL * 2)
            server.down = True
            await next_list(server)
            before = len(server.lists)
            await asyncio.sleep(4)
            assert len(server.lists) - before >= 2

    @on_virtual_time
    async def test_with_one_unlisted_namespace_no_object_counts_as_gone(self) -> None:
        cluster = Cluster(namespaces=("blue", "green"))
        for namespace in ("blue", "green"):
            cluster.server.apply(f"in-{namespace}", "v1", namespace=namespace)
        async with complete(cluster) as server:
            server.latency = 1.0
            await next_list(server)
            await next_list(server)
            server.down = True  # between the two
            await asyncio.sleep(INTERVAL)
            assert set(cluster.known()) == {"in-blue", "in-green"}


class TestKindNotServed:
    @on_virtual_time
    async def test_without_the_crd_nothing_is_complete_until_it_comes(self) -> None:
        cluster = Cluster()
        cluster.server.served = False
        async with keeping(cluster) as server:
            await asyncio.sleep(59)
            assert not cluster.relister.served
            assert not cluster.relister.complete.is_set()
            assert server.lists == [NOT_SERVED * number for number in range(12)]
            server.served = True
            await asyncio.wait_for(cluster.relister.complete.wait(), NOT_SERVED)
            assert cluster.relister.served

    @on_virtual_time
    async def test_a_deleted_crd_removes_its_objects_and_the_operator_continues(self) -> None:
        cluster = Cluster()
        key = cluster.server.apply("a", "v1")
        async with complete(cluster) as server:
            server.watch_lags = True
            server.delete(key)
            server.lose_events()
            server.served = False
            await asyncio.sleep(INTERVAL * 1.1)
            assert cluster.known() == {}
            assert cluster.gone_objects == ["uid-1"]
            assert not cluster.relister.served
            assert cluster.relister.complete.is_set()
            server.served = True
            server.apply("b", "v1")
            server.lose_events()
            await asyncio.sleep(NOT_SERVED)
            assert cluster.known() == {"b": "v1"}

    @on_virtual_time
    async def test_after_one_such_answer_no_object_counts_as_gone(self) -> None:
        cluster = Cluster()
        cluster.server.apply("a", "v1")
        async with complete(cluster) as server:
            server.served = False
            await next_list(server)
            await asyncio.sleep(NOT_SERVED / 2)
            server.served = True
            await asyncio.sleep(INTERVAL)
            assert cluster.gone_objects == []
            assert cluster.relister.served

    @on_virtual_time
    async def test_a_mixed_answer_resets_the_count(self) -> None:
        cluster = Cluster(namespaces=("blue", "green"))
        cluster.server.apply("a", "v1", namespace="blue")
        async with complete(cluster) as server:
            for unserved in ({"blue", "green"}, {"green"}, {"blue", "green"}, {"green"}):
                server.unserved = set(unserved)
                refreshed = asyncio.create_task(cluster.relister.refresh())
                await asyncio.sleep(0.1)
                refreshed.cancel()
                assert set(cluster.known()) == {"a"}
            assert cluster.gone_objects == []

    @on_virtual_time
    async def test_in_one_namespace_of_two_it_changes_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        cluster = Cluster(namespaces=("blue", "green"))
        for namespace in ("blue", "green"):
            cluster.server.apply(f"in-{namespace}", "v1", namespace=namespace)
        async with complete(cluster) as server:
            server.unserved = {"green"}
            await asyncio.sleep(INTERVAL * 2)
            assert set(cluster.known()) == {"in-blue", "in-green"}
            assert cluster.relister.served
            assert "of namespace green" in caplog.text
            server.lose_events()
            server.unserved = set()
            server.apply("new", "v1", namespace="green")
            await asyncio.sleep(MAX_BACKOFF)
            assert set(cluster.known()) == {"in-blue", "in-green", "new"}

    @on_virtual_time
    async def test_in_one_namespace_of_two_at_the_start_nothing_is_complete(self) -> None:
        cluster = Cluster(namespaces=("blue", "green"))
        cluster.server.unserved = {"green"}
        async with keeping(cluster) as server:
            await asyncio.sleep(INTERVAL)
            assert not cluster.relister.complete.is_set()
            server.unserved = set()
            await asyncio.wait_for(cluster.relister.complete.wait(), MAX_BACKOFF)


class TestForbiddenNamespace:
    @on_virtual_time
    async def test_the_others_are_served_and_it_is_once_it_may_be_listed(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        cluster = Cluster(namespaces=("blue", "green"))
        cluster.server.forbidden = {"green"}
        cluster.server.watch_lags = True
        for namespace in ("blue", "green"):
            cluster.server.apply(f"in-{namespace}", "v1", namespace=namespace)
        async with complete(cluster) as server:
            assert cluster.known() == {"in-blue": "v1"}
            assert cluster.relister.is_forbidden("green")
            assert not cluster.relister.is_forbidden("blue")
            assert "Namespace green is not served" in caplog.text
            assert "deploy/access" in caplog.text
            server.apply("in-blue", "v2", namespace="blue")
            await asyncio.sleep(INTERVAL * 1.1)
            assert cluster.known() == {"in-blue": "v2"}
            assert cluster.regained == 0
            server.forbidden = set()
            await asyncio.wait_for(cluster.relister.refresh(), 1)
            assert cluster.known() == {"in-blue": "v2", "in-green": "v1"}
            assert cluster.regained == 1
            assert not cluster.relister.is_forbidden("green")

    @pytest.mark.parametrize("namespace", ["green", None])
    @on_virtual_time
    async def test_one_refusal_alone_counts_for_nothing(self, namespace: str | None) -> None:
        cluster = Cluster(namespaces=("blue", namespace) if namespace else ())
        cluster.server.forbidden = {namespace}
        cluster.server.apply("a", "v1", namespace=namespace or "any")
        async with keeping(cluster) as server:
            await asyncio.sleep(FORBIDDEN / 2)
            assert not cluster.relister.complete.is_set()
            server.forbidden = set()
            await asyncio.wait_for(cluster.relister.complete.wait(), FORBIDDEN)
            assert cluster.known() == {"a": "v1"}
            assert not cluster.relister.forbidden

    @on_virtual_time
    async def test_without_any_right_it_asks_again_and_again(self) -> None:
        cluster = Cluster(namespaces=("blue", "green"))
        cluster.server.forbidden = {"blue", "green"}
        async with complete(cluster) as server:
            assert not cluster.relister.listed
            assert cluster.relister.may_miss_objects()
            await asyncio.sleep(INTERVAL)
            server.forbidden = set()
            await asyncio.sleep(MAX_BACKOFF * 1.1)
            assert cluster.relister.listed == {"blue", "green"}
            assert not cluster.relister.may_miss_objects()

    @pytest.mark.parametrize(
        ("before", "deleting", "misses"),
        [
            pytest.param((), (), False, id="one that was empty, as one that is deleted"),
            pytest.param(("a", "b"), ("a", "b"), False, id="one that is being deleted with all that it held"),
            pytest.param(("a", "b"), ("a",), True, id="one with something live"),
        ],
    )
    @on_virtual_time
    async def test_what_is_known_of_a_namespace_stays_known_when_its_rights_are_revoked(
        self, before: tuple[str, ...], deleting: tuple[str, ...], misses: bool
    ) -> None:
        cluster = Cluster(namespaces=("blue", "green"))
        keys = {name: cluster.server.apply(name, "v1", namespace="green") for name in before}
        async with complete(cluster) as server:
            for name in deleting:
                server.objects[keys[name]]["metadata"]["deletionTimestamp"] = "2026-11-25T12:00:00Z"
                server.label(keys[name])
            server.watch_lags = True
            server.forbidden = {"green"}
            await asyncio.sleep(INTERVAL * 1.1 + FORBIDDEN)
            assert cluster.relister.is_forbidden("green")
            assert set(cluster.known()) == set(before)
            assert cluster.relister.may_miss_objects() is misses


class TestWhatIsTold:
    @on_virtual_time
    async def test_a_kind_that_is_not_served_is_logged_once_each_time(self, caplog: pytest.LogCaptureFixture) -> None:
        cluster = Cluster()
        async with keeping(cluster) as server:
            for _ in range(2):
                server.served = False
                await asyncio.sleep(INTERVAL * 2)
                server.served = True
                await asyncio.sleep(INTERVAL * 2)
        assert caplog.text.count("install the CRD (kubectl apply -f crds/") == 2

    @pytest.mark.parametrize(
        ("error", "lines"),
        [
            (ClusterUnavailableError("The API server refused: 403 Forbidden"), 2),
            (ClusterUnreachableError("The API server cannot be reached: ClientConnectorError."), 0),
        ],
        ids=["a refusal is told when it begins", "an outage is told elsewhere"],
    )
    @on_virtual_time
    async def test_failures_are_logged(
        self, error: ClusterUnavailableError, lines: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        cluster = Cluster()
        async with keeping(cluster) as server:
            for _ in range(2):
                server.fails = error
                await asyncio.sleep(INTERVAL * 2)
                server.fails = None
                await asyncio.sleep(INTERVAL * 2)
        assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == lines


RESTORED: dict[str, tuple[Callable[[ApiServer], object], int, str]] = {
    "an object was edited": (lambda server: server.apply("a", "v2"), 0, "v1"),
    "an object was created": (lambda server: server.apply("new", "v1"), 0, "v1"),
    "an object came and went": (lambda server: server.delete(server.apply("brief", "v1")), 0, "v1"),
    "other kinds have new versions since": (lambda server: server.apply("a", "v2"), 1000, "v1"),
    "an edit has a new version since, and an earlier generation": (
        lambda server: [server.apply("a", value) for value in ("v2", "v3")],
        1000,
        "v4",
    ),
}
"""What happened after the backup, how many versions the restored cluster has gone on by, and what the object says there."""


class TestThePast:
    @on_virtual_time
    async def test_a_stale_list_changes_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        cluster = Cluster()
        deleted = cluster.server.apply("deleted", "v1")
        cluster.server.apply("edited", "v1")
        past = cluster.server.remember()
        cluster.server.delete(deleted)
        cluster.server.apply("edited", "v2")
        cluster.server.apply("new", "v1")
        async with complete(cluster) as server:
            for _ in range(2):  # the time of the first one does not count later
                server.past = past
                cluster.relister.relisted()
                await asyncio.sleep(STALE_FOR - STALE)
                assert cluster.known() == {"edited": "v2", "new": "v1"}
                assert not cluster.gone_objects
                server.past = None
                await asyncio.sleep(STALE)
            assert caplog.text.count("an earlier state") == 2
            server.watch_lags = True
            server.apply("edited", "v3")
            await asyncio.sleep(INTERVAL * 1.1)
            assert cluster.known() == {"edited": "v3", "new": "v1"}

    @on_virtual_time
    async def test_a_stale_list_does_not_end_a_refresh(self) -> None:
        cluster = Cluster()
        past = cluster.server.remember()
        cluster.server.apply("a", "v1")
        async with complete(cluster) as server:
            server.past = past
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(cluster.relister.refresh(), STALE_FOR / 2)
            server.past = None
            await asyncio.wait_for(cluster.relister.refresh(), 1)

    @pytest.mark.parametrize(("lost", "versions", "value"), RESTORED.values(), ids=RESTORED)
    @on_virtual_time
    async def test_a_restored_cluster_ends_the_process(
        self, lost: Callable[[ApiServer], object], versions: int, value: str
    ) -> None:
        cluster = Cluster(namespaces=("blue", "default"))
        cluster.server.apply("a", "v1")
        backup = cluster.server.remember()
        lost(cluster.server)
        async with ending(cluster, within=SETTLE + STALE_FOR + STALE) as server:
            server.restore(backup)
            server.version += versions
            server.apply("a", value)
            cluster.relister.relisted()

    @on_virtual_time
    async def test_an_outage_meanwhile_is_waited_out(self) -> None:
        cluster = Cluster()
        cluster.server.apply("a", "v1")
        backup = cluster.server.remember()
        cluster.server.apply("a", "v2")
        async with ending(cluster, within=MAX_BACKOFF + STALE) as server:
            server.restore(backup)
            cluster.relister.relisted()
            await asyncio.sleep(SETTLE + STALE)
            server.down = True
            await asyncio.sleep(INTERVAL)
            server.down = False


class TestOneNamespace:
    @on_virtual_time
    async def test_what_the_watch_has_missed_is_taken_in_and_what_it_has_removed_stays_away(self) -> None:
        cluster = Cluster()
        cluster.server.latency = 1.0
        brief = cluster.server.apply("brief", "v1", namespace="blue")
        cluster.server.apply("elsewhere", "v1", namespace="green")
        async with complete(cluster) as server:
            server.watch_lags = True
            server.apply("late", "v1", namespace="blue")
            server.apply("late elsewhere", "v1", namespace="green")
            reading = asyncio.create_task(cluster.relister.read("blue"))
            await asyncio.sleep(0.75)  # its answer is on its way
            cluster.gone(brief, cluster.server.objects[brief]["metadata"]["uid"])
            assert await reading == {"uid-1", "uid-3"}
            assert cluster.known() == {"elsewhere": "v1", "late": "v1"}

    @on_virtual_time
    async def test_an_outdated_list_is_no_answer(self) -> None:
        cluster = Cluster()
        past = cluster.server.remember()
        cluster.server.apply("a", "v1")
        async with complete(cluster) as server:
            server.past = past
            with pytest.raises(ClusterUnavailableError, match="outdated"):
                await cluster.relister.read("blue")
            assert cluster.known() == {"a": "v1"}

    @on_virtual_time
    async def test_many_readers_at_once_cost_two_lists(self) -> None:
        cluster = Cluster()
        cluster.server.latency = 1.0
        cluster.server.apply("a", namespace="blue")
        readers = [cluster.relister.read("blue") for _ in range(100)]
        assert set(await asyncio.gather(*readers)) == {frozenset({"uid-1"})}
        assert len(cluster.server.lists) == 2

    @on_virtual_time
    async def test_a_reader_during_a_list_gets_the_next_one(self) -> None:
        cluster = Cluster()
        cluster.server.latency = 1.0
        first = asyncio.create_task(cluster.relister.read("blue"))
        await asyncio.sleep(0.75)  # its answer is on its way
        cluster.server.apply("new", namespace="blue")
        following = [asyncio.create_task(cluster.relister.read("blue")) for _ in range(2)]
        assert await first == set()
        assert await asyncio.gather(*following) == [{"uid-1"}, {"uid-1"}]
        assert await cluster.relister.read("blue") == {"uid-1"}
        assert len(cluster.server.lists) == 3

    @on_virtual_time
    async def test_readers_of_another_namespace_do_not_wait(self) -> None:
        cluster = Cluster()
        cluster.server.latency = 1.0
        await asyncio.gather(*(cluster.relister.read(namespace) for namespace in ("blue", "green")))
        assert cluster.server.lists == [0.0, 0.0]

    @on_virtual_time
    async def test_a_failure_reaches_those_who_wait_and_nobody_else(self) -> None:
        cluster = Cluster()
        cluster.server.latency = 1.0
        cluster.server.down = True
        readers = [cluster.relister.read("blue") for _ in range(100)]
        results = await asyncio.gather(*readers, return_exceptions=True)
        assert all(isinstance(result, ClusterUnavailableError) for result in results)
        assert len(cluster.server.lists) == 2
        cluster.server.down = False
        assert await cluster.relister.read("blue") == set()

    @on_virtual_time
    async def test_when_the_one_who_lists_is_cancelled_another_lists_in_his_place(self) -> None:
        cluster = Cluster()
        cluster.server.latency = 1.0
        readers = [asyncio.create_task(cluster.relister.read("blue")) for _ in range(4)]
        await asyncio.sleep(1.5)  # the second LIST is on its way
        readers[1].cancel()
        assert await asyncio.gather(readers[0], *readers[2:]) == [set()] * 3
        assert len(cluster.server.lists) == 3
