"""Rounds: how often an instance is looked at, for whom, and who is brought back."""

import asyncio
import logging
from datetime import timedelta
from random import Random

import pytest

from atlas_endpoints.atlas.errors import AtlasError, AtlasHeldError, AtlasUnavailableError, MissingRoleError
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint, Listing
from atlas_endpoints.atlas.snapshots import Instance, Snapshots
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.engine.outcome import Again, Next, Rest, Retry
from atlas_endpoints.engine.store import Key, Store
from atlas_endpoints.kinds.serverless_private_endpoint.model import CredentialsPlace
from atlas_endpoints.kinds.serverless_private_endpoint.resync import BREATH, JITTER, Rounds
from support.virtual_time import on_virtual_time
from unit.kinds.serverless_private_endpoint.world import Clock, NoJitter

ORDERS = Instance("alice", "5f7cac1adf5d6c6306f4b283", "orders")
USERS = ORDERS._replace(name="users")
ROTATED = ORDERS._replace(credentials="alice-2")
MINUTE, TEN_MINUTES = timedelta(minutes=1), timedelta(minutes=10)


class World:
    """Resources with endpoints of the same name, in an Atlas that counts its LISTs."""

    def __init__(self, random: Random | None = None) -> None:
        self.clock = Clock()
        self.store = Store(lambda _: {})
        self.lists: list[Instance] = []
        self.listing = asyncio.Event()
        self.failure: AtlasError | None = None
        self.snapshots = Snapshots(self._fetch, self.clock.monotonic)
        self.due: dict[Instance, float] = {}
        """When the next round of each instance is due, in seconds."""
        self.asked: dict[str, Endpoint | AtlasError | None] = {}
        """What the resources were asked about, by name."""
        self.brought_back: list[str] = []
        self.working: set[str] = set()
        """The resources that have something to do."""
        self.broken: set[str] = set()
        """The resources that cannot be asked, for a defect."""
        self.rotated: set[str] = set()
        """The Secrets, called like the resource that uses them, that hold other credentials than those of their instance."""
        self.places: list[CredentialsPlace] = []
        """The Secrets that were asked about."""
        self.unreadable: set[str] = set()
        """The Secrets that the API server cannot show, called likewise."""
        self.cluster_is_away = False
        self.asking_takes = 0.0
        """Seconds that each comparison takes."""
        self.reading_takes = 0.0
        """Seconds that each Secret takes to be read."""
        self.rounds = Rounds(
            self.store,
            self.snapshots,
            clock=self.clock,
            random=random or NoJitter(),
            schedule=self._schedule,
            still_uses=self._still_uses,
            needs_work=self._needs_work,
            enqueue=lambda key: self.brought_back.append(key.name),
        )

    def add(
        self, *names: str, instance: Instance = ORDERS, interval: timedelta = TEN_MINUTES, secret: str | None = None
    ) -> None:
        for name in names:
            metadata = {"namespace": "shop", "name": name, "uid": name, "resourceVersion": "1"}
            spec = {"endpointId": f"id of {name}", "credentialsSecretRef": {"name": secret or name}}
            self.store.put({"metadata": metadata, "spec": spec})
            self.rounds.join(key(name), instance, interval)

    def remove(self, name: str) -> None:
        self.store.remove(key(name), name)

    async def round(self, instance: Instance = ORDERS) -> Next:
        """Let time pass until the round is due, and run it."""
        self.clock.seconds = max(self.clock.seconds, self.due.pop(instance, 0.0))
        following = await self.rounds.run(instance)
        if isinstance(following, Again):
            self._schedule(instance, following.delay)
        return following

    async def begin_round(self, instance: Instance = ORDERS) -> asyncio.Task[Next]:
        """Run a round until its LIST is under way."""
        self.listing.clear()
        running = asyncio.create_task(self.round(instance))
        await self.listing.wait()
        return running

    async def _fetch(self, instance: Instance) -> Listing:
        self.lists.append(instance)
        self.listing.set()
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return Listing(tuple(Endpoint(id=f"id of {each.name}", status="AVAILABLE") for each in self.store))

    def _schedule(self, instance: Instance, delay: float) -> None:
        due = self.clock.seconds + delay
        self.due[instance] = min(due, self.due.get(instance, due))

    async def _still_uses(self, place: CredentialsPlace, source: str | None, instance: Instance) -> bool:
        self.places.append(place)
        if self.cluster_is_away or place.secret_name in self.unreadable:
            raise ClusterUnavailableError("The API server cannot be reached.")
        await asyncio.sleep(self.reading_takes)
        return place.secret_name not in self.rotated

    def _needs_work(self, key_: Key, instance: Instance, seen: Endpoint | AtlasError | None) -> bool:
        self.asked[key_.name] = seen
        self.clock.seconds += self.asking_takes
        if key_.name in self.broken:
            raise ZeroDivisionError
        return key_.name in self.working


def key(name: str) -> Key:
    return Key("shop", name)


@pytest.fixture
def world() -> World:
    return World()


class TestWhenAnInstanceIsLookedAt:
    async def test_a_thousand_resources_cost_one_list_an_interval(self, world: World) -> None:
        world.add(*(f"db-{number}" for number in range(1000)))
        for _ in range(6):
            await world.round()
        assert len(world.lists) == 6
        assert world.clock.seconds == 3600.0
        assert len(world.asked) == 1000

    async def test_the_first_round_comes_an_interval_after_the_first_resource(self, world: World) -> None:
        world.add("db")
        world.clock.seconds = 100.0
        world.add("other")
        assert world.due == {ORDERS: 600.0}

    async def test_the_shortest_interval_wins(self, world: World) -> None:
        world.add("slow")
        world.add("fast", interval=MINUTE)
        assert world.due == {ORDERS: 60.0}
        assert await world.round() == Again(60.0)

    async def test_a_longer_interval_puts_nothing_off(self, world: World) -> None:
        world.add("fast", interval=MINUTE)
        world.add("slow")
        assert world.due == {ORDERS: 60.0}

    async def test_joining_again_and_again_puts_nothing_off(self, world: World) -> None:
        world.add("db")
        for seconds in (100.0, 200.0, 599.0):
            world.clock.seconds = seconds
            world.add("db")
        assert world.due == {ORDERS: 600.0}

    async def test_a_resource_that_wants_it_sooner_gets_it_sooner(self, world: World) -> None:
        world.add("db")
        world.clock.seconds = 100.0
        world.add("db", interval=MINUTE)
        assert world.due == {ORDERS: 160.0}

    async def test_when_the_most_eager_has_left_the_others_interval_counts(self, world: World) -> None:
        world.add("slow")
        world.add("fast", interval=MINUTE)
        world.rounds.leave(key("fast"))
        assert await world.round() == Again(600.0)

    async def test_rounds_are_a_little_earlier_or_later_each_time(self) -> None:
        world = World(Random(7))  # noqa: S311  # jitter
        world.add("db")
        delays = {world.due[ORDERS]}
        assert delays != {600.0}
        for _ in range(20):
            following = await world.round()
            assert isinstance(following, Again)
            delays.add(following.delay)
        assert len(delays) == 21
        assert all(600 * (1 - JITTER) <= delay <= 600 * (1 + JITTER) for delay in delays)
        assert max(delays) > 630
        assert min(delays) < 570

    async def test_a_list_that_was_made_a_moment_ago_serves_the_round(self, world: World) -> None:
        world.add("db")
        world.clock.seconds = 596.0
        await world.snapshots.observe(ORDERS, "id of db", max_age=0.0)
        await world.round()
        assert len(world.lists) == 1
        assert isinstance(world.asked["db"], Endpoint)

    async def test_each_instance_has_rounds_of_its_own(self, world: World) -> None:
        world.add("db")
        world.add("user-db", instance=USERS)
        await world.round(USERS)
        assert world.lists == [USERS]
        assert list(world.asked) == ["user-db"]


class TestWhoIsBroughtBack:
    async def test_only_those_who_have_something_to_do(self, world: World) -> None:
        world.add("one", "two", "three")
        world.working = {"two"}
        await world.round()
        assert world.brought_back == ["two"]

    async def test_each_is_asked_about_its_own_endpoint(self, world: World) -> None:
        world.add("one", "two")
        await world.round()
        seen = {name: endpoint.id for name, endpoint in world.asked.items() if isinstance(endpoint, Endpoint)}
        assert seen == {"one": "id of one", "two": "id of two"}

    async def test_one_whose_endpoint_is_not_listed_is_asked_about_nothing(self, world: World) -> None:
        world.add("db")
        world.store.put(
            {
                "metadata": {"namespace": "shop", "name": "db", "uid": "db", "resourceVersion": "2"},
                "spec": {"endpointId": "another"},
            }
        )
        await world.round()
        assert world.asked == {"db": None}

    async def test_one_without_a_valid_spec_costs_the_others_nothing(self, world: World) -> None:
        world.add("broken", "db")
        metadata = {"namespace": "shop", "name": "broken", "uid": "broken", "resourceVersion": "2"}
        world.store.put({"metadata": metadata})
        await world.round()
        assert world.asked["broken"] is None
        assert isinstance(world.asked["db"], Endpoint)

    async def test_a_defect_in_asking_one_costs_the_others_nothing(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        world.add("one", "two", "three")

        world.working, world.broken = {"one", "three"}, {"two"}
        with caplog.at_level(logging.ERROR):
            assert await world.round() == Again(600.0)
        assert world.brought_back == ["one", "two", "three"], "its own pass says what is the matter"
        assert "ZeroDivisionError" in caplog.text
        caplog.clear()

    async def test_many_are_asked_without_holding_up_everybody_else(self, world: World) -> None:
        world.add(*(f"db-{number}" for number in range(1000)))
        world.asking_takes = BREATH / 100
        turns = 0

        async def somebody_else() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(somebody_else())
        await world.round()
        task.cancel()
        assert turns >= 10


class TestFailures:
    async def test_a_failure_that_may_heal_is_tried_again_with_backoff(self, world: World) -> None:
        world.add("db")
        world.failure = AtlasUnavailableError("503", operation="list", http_status=503)
        assert await world.round() == Retry()

    @pytest.mark.parametrize(
        "failure",
        [
            AtlasUnavailableError("503", operation="list", http_status=503, retry_after=40.0),
            AtlasHeldError("Not now.", reason="RateLimited", operation="list", retry_after=40.0),
        ],
        ids=["Retry-After", "held back"],
    )
    async def test_not_before_the_time_that_atlas_named(self, world: World, failure: AtlasError) -> None:
        world.add("db")
        world.failure = failure
        assert await world.round() == Retry(at_least=40.0)

    async def test_a_failure_that_somebody_must_mend_is_looked_at_again_after_an_interval(self, world: World) -> None:
        world.add("db")
        world.failure = MissingRoleError("Too weak.", operation="list", http_status=403)
        assert await world.round() == Again(600.0)

    async def test_all_are_asked_what_the_failure_means_to_them(self, world: World) -> None:
        world.add("settled", "stalled")
        world.failure = AtlasUnavailableError("503", operation="list", http_status=503)
        world.working = {"stalled"}
        await world.round()
        assert world.asked == {"settled": world.failure, "stalled": world.failure}
        assert world.brought_back == ["stalled"]
        assert len(world.lists) == 1

    async def test_after_an_outage_rounds_go_on_as_before(self, world: World) -> None:
        world.add("db")
        world.failure = AtlasUnavailableError("503", operation="list", http_status=503)
        await world.round()
        world.failure = None
        world.clock.seconds += 10
        assert await world.round() == Again(600.0)
        assert isinstance(world.asked["db"], Endpoint)


class TestLeaving:
    async def test_an_instance_without_resources_is_not_looked_at_and_forgotten(self, world: World) -> None:
        world.add("one", "two")
        await world.round()
        world.rounds.leave(key("one"))
        assert world.snapshots.recall(ORDERS, "id of two", max_age=600.0) is not None
        world.rounds.leave(key("two"))
        assert world.snapshots.recall(ORDERS, "id of two", max_age=600.0) is None
        world.lists.clear()
        assert await world.round() == Rest()
        assert not world.lists

    async def test_leaving_twice_or_without_having_joined_is_nothing(self, world: World) -> None:
        world.add("db")
        world.rounds.leave(key("db"))
        world.rounds.leave(key("db"))
        world.rounds.leave(key("stranger"))

    async def test_one_who_joins_another_instance_has_left_the_one_before(self, world: World) -> None:
        world.add("db")
        world.add("db", instance=ROTATED)
        assert await world.round() == Rest()
        assert world.due == {ROTATED: 600.0}

    async def test_one_who_joins_again_after_the_last_has_left_has_a_round_again(self, world: World) -> None:
        world.add("db")
        world.rounds.leave(key("db"))
        world.due.clear()
        world.add("db")
        assert world.due == {ORDERS: 600.0}

    async def test_one_who_was_deleted_during_its_pass_costs_no_call(self, world: World) -> None:
        world.add("db", "other")
        world.remove("db")
        await world.round()
        assert list(world.asked) == ["other"]
        world.remove("other")
        world.lists.clear()
        assert await world.round() == Rest()
        assert not world.lists

    async def test_one_who_leaves_while_the_list_is_under_way_is_not_asked(self, world: World) -> None:
        world.add("one", "two")
        running = await world.begin_round()
        world.rounds.leave(key("one"))
        world.remove("two")
        await running
        assert not world.asked

    async def test_the_interval_of_one_who_leaves_while_the_list_is_under_way_does_not_count(
        self, world: World
    ) -> None:
        world.add("slow")
        world.add("fast", interval=MINUTE)
        running = await world.begin_round()
        world.rounds.leave(key("fast"))
        assert await running == Again(600.0)

    async def test_when_all_leave_while_the_list_is_under_way_there_is_no_next_round(self, world: World) -> None:
        world.add("db")
        running = await world.begin_round()
        world.rounds.leave(key("db"))
        assert await running == Rest()
        assert not world.due

    async def test_one_whose_secret_has_changed_leaves_before_its_old_credentials_are_used(self, world: World) -> None:
        world.add("one", "two")
        world.rotated = {"two"}
        await world.round()
        assert world.brought_back == ["two"]
        assert list(world.asked) == ["one"]

    async def test_credentials_that_nobody_has_any_more_are_not_used(self, world: World) -> None:
        world.add("one", "two")
        world.rotated = {"one", "two"}
        assert await world.round() == Rest()
        assert world.brought_back == ["one", "two"]
        assert not world.lists

    async def test_a_secret_that_many_share_is_asked_about_once(self, world: World) -> None:
        world.add("one", "two", secret="shared")
        world.add("three", secret="other")
        await world.round()
        assert world.places == [CredentialsPlace("shop", "shared"), CredentialsPlace("shop", "other")]
        world.rotated = {"shared"}
        await world.round()
        assert world.brought_back == ["one", "two"]

    async def test_while_the_api_server_cannot_be_asked_what_it_said_last_counts(self, world: World) -> None:
        world.add("one", "two")

        world.cluster_is_away = True
        assert await world.round() == Again(600.0)
        assert list(world.asked) == ["one", "two"]
        assert not world.brought_back

    async def test_one_secret_that_cannot_be_read_keeps_no_other_from_being_asked_about(self, world: World) -> None:
        world.add("one", "two", "three")
        world.unreadable = {"one"}
        world.rotated = {"one", "two"}
        await world.round()
        assert world.brought_back == ["two"]

    @on_virtual_time
    async def test_secrets_that_take_long_to_read_hold_a_round_up_for_half_a_minute_only(self) -> None:
        world = World()
        world.add(*(f"number {number}" for number in range(100)))
        world.rotated = {"number 1", "number 99"}
        world.reading_takes = 9.0
        began = asyncio.get_running_loop().time()
        await world.round()
        assert asyncio.get_running_loop().time() - began == pytest.approx(30.0)
        assert world.brought_back == ["number 1"], "what was not asked counts as before"
        assert len(world.asked) == 99
        assert len(world.lists) == 1
