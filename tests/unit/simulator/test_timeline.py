"""Time: the world is the same however rarely it is looked at."""

from functools import partial
from typing import Any

from atlas_endpoints.simulator import Simulator
from atlas_endpoints.simulator.world import Timeline
from unit.simulator.harness import PROJECT

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
