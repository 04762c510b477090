"""Resyncs: when a scope is resynced, and which resources are enqueued."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from typing_extensions import override

from atlas_endpoints.atlas.answers import Listing
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.observations import ObservationCache
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.controller.cache import Body, Cache, Key
from atlas_endpoints.controller.requeue import Requeue, RequeueAfter
from atlas_endpoints.kinds.serverless_private_endpoint.resource import EndpointStatus
from atlas_endpoints.reconcile.credentials import Access
from atlas_endpoints.reconcile.resync import JITTER, YIELD_AFTER, Resync
from support.named import NAMED
from support.virtual_time import on_virtual_time

ORDERS = Scope("alice", "5f7cac1adf5d6c6306f4b283", "Some", "orders")
USERS = ORDERS._replace(name="users")
ROTATED = ORDERS._replace(credentials="alice-2")
MINUTE, TEN_MINUTES = timedelta(minutes=1), timedelta(minutes=10)


class Clock:
    """A clock that a test advances."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return datetime(2026, 11, 25, 12, tzinfo=UTC) + timedelta(seconds=self.seconds)


class NoJitter(Random):
    """No jitter, so that calls can be counted."""

    @override
    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


class Harness:
    """Resources with endpoints of the same name, in an Atlas that counts its LISTs."""

    def __init__(self, random: Random | None = None) -> None:
        self.clock = Clock()
        self.cache = Cache(lambda _: {})
        self.lists: list[Scope] = []
        self.listing = asyncio.Event()
        self.observations = ObservationCache(self._fetch, self.clock.monotonic, empty={})
        self.due: dict[Scope, float] = {}
        """When the next resync of each scope is due, in seconds."""
        self.asked: dict[str, EndpointStatus | None] = {}
        """The endpoints that were compared, by resource name."""
        self.enqueued: list[str] = []
        self.working: set[str] = set()
        """The resources with work."""
        self.broken: set[str] = set()
        """The resources whose comparison raises."""
        self.rotated: set[str] = set()
        """The Secrets, called like the resource that uses them, that hold other credentials than those of their scope."""
        self.asking_takes = 0.0
        """Seconds that each comparison takes."""
        self.reading_takes = 0.0
        """Seconds that each Secret takes to be read."""
        self.resync = Resync(
            self.cache,
            self.observations,
            self,
            clock=self.clock,
            random=random or NoJitter(),
            schedule=self._schedule,
            unschedule=self._unschedule,
            finds_work=self._finds_work,
            enqueue=lambda key: self.enqueued.append(key.name),
        )

    def add(self, *names: str, scope: Scope = ORDERS, interval: timedelta = TEN_MINUTES) -> None:
        for name in names:
            metadata = {"namespace": "shop", "name": name, "uid": name, "resourceVersion": "1"}
            spec = {"endpointId": f"id of {name}", "credentialsSecretRef": {"name": name}}
            self.cache.put({**NAMED, "metadata": metadata, "spec": spec})
            self.resync.join(key(name), scope, interval)

    async def round(self, scope: Scope = ORDERS) -> Requeue:
        """Advance the clock until the resync is due, and run it."""
        self.clock.seconds = max(self.clock.seconds, self.due.pop(scope, 0.0))
        following = await self.resync.run(scope)
        if isinstance(following, RequeueAfter):
            self._schedule(scope, following.delay)
        return following

    async def begin_round(self, scope: Scope = ORDERS) -> asyncio.Task[Requeue]:
        """Run a resync until its LIST has begun."""
        self.listing.clear()
        running = asyncio.create_task(self.round(scope))
        await self.listing.wait()
        return running

    async def _fetch(self, scope: Scope) -> Listing[EndpointStatus]:
        self.lists.append(scope)
        self.listing.set()
        await asyncio.sleep(0)
        return Listing(
            {f"id of {each.name}": EndpointStatus(id=f"id of {each.name}", status="AVAILABLE") for each in self.cache}
        )

    def _unschedule(self, scope: Scope) -> None:
        self.due.pop(scope, None)

    def _schedule(self, scope: Scope, delay: float) -> None:
        due = self.clock.seconds + delay
        self.due[scope] = min(due, self.due.get(scope, due))

    async def resolve(self, namespace: str, secret_name: str | None, *, age: Age = Age.RECENT) -> Access:
        del namespace, age
        await asyncio.sleep(self.reading_takes)
        found = ROTATED if secret_name in self.rotated else ORDERS
        return Access(found.credentials, f"resource/{secret_name}")

    def _finds_work(self, body: Body, scope: Scope, failure: AtlasError | None) -> bool:
        name = body["metadata"]["name"]
        endpoint_id = body.get("spec", {}).get("endpointId", "")
        assert failure is None
        self.asked[name] = self.observations.view(scope).value(endpoint_id)
        self.clock.seconds += self.asking_takes
        if name in self.broken:
            raise ZeroDivisionError
        return name in self.working


def key(name: str) -> Key:
    return Key("ServerlessPrivateEndpoint", "shop", name)


@pytest.fixture
def harness() -> Harness:
    return Harness()


class TestSchedule:
    @pytest.mark.parametrize(
        ("joins", "due"),
        [
            pytest.param([(0, "db", TEN_MINUTES), (100, "other", TEN_MINUTES)], 600, id="an interval after the first"),
            pytest.param([(0, "slow", TEN_MINUTES), (0, "fast", MINUTE)], 60, id="the shortest interval wins"),
            pytest.param([(0, "fast", MINUTE), (0, "slow", TEN_MINUTES)], 60, id="a longer interval delays nothing"),
            pytest.param([(0, "db", TEN_MINUTES), (599, "db", TEN_MINUTES)], 600, id="to join again delays nothing"),
            pytest.param([(0, "db", TEN_MINUTES), (100, "db", MINUTE)], 160, id="sooner for whoever wants it sooner"),
        ],
    )
    async def test_when_it_is_due(
        self, harness: Harness, joins: list[tuple[float, str, timedelta]], due: float
    ) -> None:
        for at, name, interval in joins:
            harness.clock.seconds = at
            harness.add(name, interval=interval)
        assert harness.due == {ORDERS: due}

    async def test_resyncs_are_a_little_earlier_or_later_each_time(self) -> None:
        harness = Harness(Random(7))  # noqa: S311  # jitter
        harness.add("db")
        delays = {harness.due[ORDERS]}
        assert delays != {600.0}
        for _ in range(20):
            following = await harness.round()
            assert isinstance(following, RequeueAfter)
            delays.add(following.delay)
        assert len(delays) == 21
        assert all(600 * (1 - JITTER) <= delay <= 600 * (1 + JITTER) for delay in delays)
        assert max(delays) > 630
        assert min(delays) < 570


class TestEnqueued:
    async def test_only_resources_with_work_are_enqueued(self, harness: Harness) -> None:
        harness.add("one", "two", "three")
        harness.working = {"two"}
        await harness.round()
        assert harness.enqueued == ["two"]
        seen = {name: endpoint.id for name, endpoint in harness.asked.items() if isinstance(endpoint, EndpointStatus)}
        assert seen == {"one": "id of one", "two": "id of two", "three": "id of three"}, "each with its own endpoint"

    async def test_a_defect_in_one_comparison_does_not_affect_the_others(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        harness.add("one", "two", "three")

        harness.working, harness.broken = {"one", "three"}, {"two"}
        with caplog.at_level(logging.ERROR):
            assert await harness.round() == RequeueAfter(600.0)
        assert harness.enqueued == ["one", "two", "three"], "its own pass says what is the matter"
        assert "ZeroDivisionError" in caplog.text
        caplog.clear()

    async def test_many_comparisons_yield_to_other_tasks(self, harness: Harness) -> None:
        harness.add(*(f"db-{number}" for number in range(1000)))
        harness.asking_takes = YIELD_AFTER / 100
        turns = 0

        async def somebody_else() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(somebody_else())
        await harness.round()
        task.cancel()
        assert turns >= 10

    @on_virtual_time
    async def test_scopes_that_are_compared_at_the_same_time_take_turns(self) -> None:
        """Else each step of an edit would wait for all of them, or a small scope, and its worker, for a large one."""
        harness = Harness()
        harness.add(*(f"db-{number}" for number in range(100)))
        harness.add("small", scope=USERS)
        harness.asking_takes = YIELD_AFTER
        running = {await harness.begin_round(ORDERS), asyncio.create_task(harness.resync.run(USERS))}
        compared = 0
        while not all(each.done() for each in running):
            await asyncio.sleep(0)
            assert len(harness.asked) <= compared + 1
            compared = len(harness.asked)
        assert list(harness.asked).index("small") < 20


class TestLeaving:
    @on_virtual_time
    async def test_slow_secrets_delay_a_resync_for_half_a_minute_only(self) -> None:
        harness = Harness()
        harness.add(*(f"number {number}" for number in range(100)))
        harness.rotated = {"number 1", "number 99"}
        harness.reading_takes = 9.0
        began = asyncio.get_running_loop().time()
        await harness.round()
        assert asyncio.get_running_loop().time() - began == pytest.approx(30.0)
        assert harness.enqueued == ["number 1"], "what was not asked counts as before"
        assert len(harness.asked) == 99
        assert len(harness.lists) == 1
