"""Wall clocks that jump: after a correction, work goes on within the usual waits."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atlas_endpoints.reconcile.compare import FLAP_PAUSE
from atlas_endpoints.reconcile.creation import ARRIVES
from unit.reconcile.harness import ENDPOINT, GRACE, VPCE, Harness, Resource, atlas_error

INTERVAL = 600.0
MONTH = timedelta(days=30)
PATIENCE = 2 * 3600.0


@dataclass(frozen=True)
class Phase:
    """A step at one state of the clock.

    Attributes:
        ahead: by how much the clock is wrong.
        seconds: for which it is so.
        restart: whether another process begins with it.
    """

    ahead: timedelta
    seconds: float
    restart: bool


@dataclass(frozen=True)
class Case:
    """A piece of work.

    Attributes:
        begin: makes it; by the clock of the first phase.
        disturb: what happens in each phase.
        at_last: what happens when the clock is right again.
        wait: seconds after which it has to be done.
        done: tells whether it is.
    """

    begin: Callable[[Harness], Resource]
    disturb: Callable[[Harness, Resource], object]
    at_last: Callable[[Harness, Resource], object]
    wait: float
    done: Callable[[Harness, Resource], object]


def nothing(_harness: Harness, _resource: Resource) -> None:
    pass


def names_none(harness: Harness) -> Resource:
    """A resource without an endpoint; no POST arrives while the clock is wrong."""
    harness.atlas.go_down("POST", error=atlas_error("lost", "POST"))
    return harness.create(endpoint_id=None, deletionPolicy="Delete")


def heals(harness: Harness, _resource: Resource) -> None:
    harness.atlas.come_back()


def connected(harness: Harness, **spec: str) -> Resource:
    harness.atlas.put(comment="one", cloud_provider_endpoint_id=VPCE)
    return harness.create(comment="two", cloudProviderEndpointId=VPCE, **spec)


def on_its_way(harness: Harness) -> Resource:
    harness.atlas.put(status="INITIATING", cloud_provider_endpoint_id=VPCE)
    return harness.create(cloudProviderEndpointId=VPCE)


def is_changed_by_somebody(harness: Harness, _resource: Resource) -> None:
    harness.atlas.put(comment=f"three, {harness.clock.seconds}")


def is_shown_as_drift(_harness: Harness, resource: Resource) -> bool:
    return resource.ready == ("False", "Drifted")


def is_corrected(harness: Harness, _resource: Resource) -> bool:
    return harness.atlas.endpoints[ENDPOINT].comment == "two"


def is_deleted(harness: Harness, resource: Resource) -> None:
    if not resource.deleting:
        resource.deleted_at = harness.clock.now()
        harness.delete(resource)


def is_deleted_while_atlas_is_there(harness: Harness, resource: Resource) -> None:
    harness.atlas.come_back()
    is_deleted(harness, resource)


def is_deleted_while_atlas_is_down(harness: Harness, resource: Resource) -> None:
    harness.atlas.go_down()
    is_deleted(harness, resource)


def is_lost(harness: Harness, resource: Resource) -> None:
    """The reserved endpoint is gone from Atlas."""
    harness.atlas.come_back()
    if (endpoint_id := reserved(resource)) in harness.atlas.endpoints:
        harness.atlas.vanish(str(endpoint_id))


def reserved(resource: Resource) -> str | None:
    endpoint_id: str | None = resource.status.get("reservation", {}).get("endpointId")
    return endpoint_id


def has_its_endpoint(harness: Harness, resource: Resource) -> bool:
    return reserved(resource) in harness.atlas.endpoints and len(harness.atlas.endpoints) == 1


def without_the_role(harness: Harness) -> Resource:
    harness.atlas.go_down(error=atlas_error("MissingRole"))
    return connected(harness)


def is_deleted_without_the_role(harness: Harness, resource: Resource) -> None:
    harness.atlas.go_down(error=atlas_error("MissingRole", "DELETE"))
    is_deleted(harness, resource)


def is_away(harness: Harness, _resource: Resource) -> None:
    harness.atlas.go_down()


def is_stalled(_harness: Harness, resource: Resource) -> bool:
    return resource.condition("Stalled") is not None


CASES: dict[str, Case] = {
    "an endpoint is reserved": Case(names_none, nothing, heals, ARRIVES + 330, has_its_endpoint),
    "another one is reserved for one that is lost": Case(
        names_none, is_lost, is_lost, 3600 + ARRIVES + INTERVAL, has_its_endpoint
    ),
    "drift is shown": Case(
        lambda harness: connected(harness, driftPolicy="Report"),
        nothing,
        is_changed_by_somebody,
        2 * INTERVAL,
        is_shown_as_drift,
    ),
    "drift is corrected": Case(
        connected, is_changed_by_somebody, is_changed_by_somebody, FLAP_PAUSE.total_seconds() + INTERVAL, is_corrected
    ),
    "drift that somebody had fought for is corrected": Case(
        connected, is_changed_by_somebody, nothing, FLAP_PAUSE.total_seconds() + 2 * INTERVAL, is_corrected
    ),
    "the finalizer goes with the endpoint": Case(
        lambda harness: connected(harness, deletionPolicy="Delete"),
        is_deleted_while_atlas_is_down,
        is_deleted_while_atlas_is_there,
        330,
        lambda harness, _: harness.atlas.endpoints[ENDPOINT].status == "DELETING",
    ),
    "a deletion that was refused is tried again": Case(
        lambda harness: connected(harness, deletionPolicy="Delete"),
        is_deleted_without_the_role,
        is_deleted_while_atlas_is_there,
        INTERVAL + 60,
        lambda harness, _: harness.atlas.endpoints[ENDPOINT].status == "DELETING",
    ),
    "the finalizer goes where an endpoint was only asked for": Case(
        names_none,
        nothing,
        is_deleted,
        ARRIVES + 330,
        lambda harness, resource: not harness.exists(resource),
    ),
    "a deletion that takes too long is told": Case(
        lambda harness: connected(harness, deletionPolicy="Delete"),
        is_deleted,
        is_deleted,
        PATIENCE + INTERVAL,
        lambda harness, resource: resource.ready == ("False", "DeletionBlocked"),
    ),
    "that Atlas takes too long is told": Case(
        on_its_way,
        nothing,
        nothing,
        PATIENCE + INTERVAL,
        lambda harness, resource: resource.ready == ("False", "ProvisioningTimeout"),
    ),
    "what a person has to mend is Stalled": Case(
        without_the_role, nothing, nothing, GRACE.total_seconds() + 60, is_stalled
    ),
    "that Atlas is away is told": Case(
        connected, is_away, is_away, 3 * INTERVAL + 2 * INTERVAL, lambda harness, resource: resource.ready[0] == "False"
    ),
}

PHASES = st.lists(
    st.builds(
        Phase,
        st.sampled_from(
            [MONTH, timedelta(hours=5), timedelta(minutes=10), timedelta(seconds=20), timedelta(0)]
        ).flatmap(lambda each: st.sampled_from([each, -each])),
        st.sampled_from([0, 3, 45, INTERVAL + 60]),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@settings(max_examples=10, deadline=None)
@given(phases=PHASES, restart=st.booleans())
@example(phases=[Phase(MONTH, 3, restart=False)], restart=True)
@example(phases=[Phase(MONTH, INTERVAL + 60, restart=False)], restart=True)
@example(phases=[Phase(MONTH, INTERVAL + 60, restart=False)], restart=False)
@example(phases=[Phase(MONTH, INTERVAL / 2, restart=False)] * 5, restart=False)
async def test_after_the_clock_is_corrected(case: Case, phases: list[Phase], *, restart: bool) -> None:
    harness = Harness()
    harness.clock.ahead = phases[0].ahead
    resource = case.begin(harness)
    for phase in phases:
        harness.clock.ahead = phase.ahead
        if phase.restart:
            harness.restart()
            harness.enqueue_all()
        await harness.run_for(phase.seconds)
        case.disturb(harness, resource)
        await harness.run_for(phase.seconds)
    harness.clock.ahead = timedelta(0)
    if restart:
        harness.restart()
        harness.enqueue_all()
    await harness.run_for(1)
    case.at_last(harness, resource)
    await harness.run_for(case.wait)
    assert case.done(harness, resource), (resource.status, harness.atlas.endpoints)
    assert len(harness.atlas.endpoints) <= 1
