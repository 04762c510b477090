"""Time: the world is the same however rarely it is looked at."""

import random
from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.simulator import Simulator, read
from atlas_endpoints.simulator.endpoint import Change
from atlas_endpoints.simulator.service import PrivateEndpoint
from atlas_endpoints.simulator.world import Timeline
from unit.simulator.harness import AWS_ENDPOINT, AWS_SERVICE, OTHER_VPCE, PROJECT, SEED, VPCE, FakeClock

PANEL: dict[str, Any] = {"transition": 3, "reservedAfterConnect": 2, "reservationExpiry": 7, "listLag": 1}


def test_events_run_in_the_order_of_their_due_times_and_at_them() -> None:
    timeline, seen = Timeline(0), list[tuple[str, float]]()

    def happen(name: str) -> None:
        seen.append((name, timeline.now))

    for due, name in [(3, "c"), (1, "a"), (1, "b"), (9, "never")]:
        timeline.at(due, partial(happen, name))

    timeline.run(5)

    assert seen == [("a", 1), ("b", 1), ("c", 3)]
    assert timeline.now == 5


def test_what_an_event_plans_runs_in_the_same_look_if_it_is_due() -> None:
    timeline, seen = Timeline(0), list[float]()

    def again() -> None:
        seen.append(timeline.now)
        timeline.at(timeline.now + 2, again)

    timeline.at(1, again)
    timeline.run(6)

    assert seen == [1, 3, 5]


@given(looks=st.lists(st.floats(0.1, 4), max_size=12), connect=st.booleans())
def test_the_outcome_does_not_depend_on_when_somebody_looks(looks: list[float], connect: bool) -> None:
    watched, unwatched = _world(connect=connect), _world(connect=connect)

    for seconds in looks:
        watched[1].advance(seconds)
        watched[0].world.settle()
    unwatched[1].now = watched[1].now
    unwatched[0].world.settle()

    assert _shown(watched[0]) == _shown(unwatched[0])


def _world(*, connect: bool) -> tuple[Simulator, FakeClock]:
    clock = FakeClock()
    simulator = Simulator(read(SEED | {"switches": PANEL}), clock=clock, rng=random.Random(1))  # noqa: S311  repeatable
    instance = simulator.world.projects[PROJECT].instances["aws"]
    simulator.world.reserve(instance, "new")
    if connect:
        seeded = instance.endpoints[AWS_ENDPOINT]
        simulator.world.update(instance, seeded, Change(cloud_provider_endpoint_id=VPCE))
        project = simulator.world.projects[PROJECT]
        simulator.services.create(project, ("GCP", "US_EAST_4", False), None)
        service = project.services[AWS_SERVICE]
        simulator.services.register(project, service, PrivateEndpoint.registered(OTHER_VPCE, "AWS"))
        simulator.services.deregister(project, service, service.endpoints[VPCE])
    return simulator, clock


def _shown(simulator: Simulator) -> list[object]:
    project = simulator.world.projects[PROJECT]
    instance, services = project.instances["aws"], project.services.values()
    lives: list[Any] = [
        *instance.endpoints.values(),
        *services,
        *(each for one in services for each in one.endpoints.values()),
    ]
    pages = [instance.page(), *(project.listings[cloud].page() for cloud in ("AWS", "GCP"))]
    return [pages, [(each.document(), each.since) for each in lives]]
