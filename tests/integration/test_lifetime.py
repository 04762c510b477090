"""The operator over its lifetime: at rest, under a burst, stopped, killed and started again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT, place, seed
from support.audit import writes

if TYPE_CHECKING:
    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.fixtures import MakeResources, RunOperator, StartAtlas
    from support.resources import Resources

PER_INSTANCE = 20


def settled(resources: Resources, atlas: Atlas, here: Place, **fields: Any) -> None:
    """Create a resource whose endpoint is as wanted already."""
    atlas.connect(here, "one")
    resources.create("orders", here.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one", **fields))


def interrupt(resources: Resources, atlas: Atlas, here: Place, *, delay: float) -> None:
    """Edit a resource, and have the PATCH be applied whose answer takes so long."""
    atlas.fail(here, method="PATCH", delay=delay, times=1)
    resources.edit("orders", comment="two")
    wait_until(lambda: bool(atlas.requests(here, "PATCH")), "the call")


def test_at_rest_an_instance_costs_one_list_per_interval_and_kubernetes_no_write(
    control_plane: ControlPlane, start_atlas: StartAtlas, make_resources: MakeResources, run_operator: RunOperator
) -> None:
    interval, intervals, user = 3, 5, "system:serviceaccount:default:operator-rest"
    resources, atlas = make_resources("rest"), start_atlas(seed(1, endpoints=PER_INSTANCE))
    for index in range(PER_INSTANCE):
        each = place(0, index)
        atlas.connect(each)
        resources.create(f"e{index}", each.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    operator = run_operator(label="rest", atlas=atlas, sync_interval=f"{interval}s")
    for index in range(PER_INSTANCE):
        resources.wait_ready(f"e{index}")
    # A reconcile is counted after its status is written, so the last one may yet be missing.
    wait_until(lambda: operator.metric("atlas_endpoints_reconcile_total") >= PER_INSTANCE, "every first reconcile")
    passes = operator.metric("atlas_endpoints_reconcile_total")
    called = len(atlas.requests())
    began = time.monotonic()

    wait_until(lambda: len(atlas.requests()) >= called + intervals, "some rounds", timeout=interval * intervals * 3)

    # Five rounds have come, each no sooner than nine tenths of an interval after the one before it.
    assert time.monotonic() - began >= 0.9 * interval * (intervals - 1)
    assert {(each["method"], each["status"]) for each in atlas.requests()[called:]} == {("GET", 200)}
    assert len(writes(control_plane, user)) == PER_INSTANCE
    assert operator.metric("atlas_endpoints_reconcile_total") == passes


def test_sigterm_lets_a_call_finish_and_records_its_result(
    atlas: Atlas, place: Place, make_resources: MakeResources, run_operator: RunOperator
) -> None:
    resources = make_resources("term")
    settled(resources, atlas, place)
    operator = run_operator(label="term", atlas=atlas)
    resources.wait_ready("orders")
    interrupt(resources, atlas, place, delay=9)  # longer than the 5 s after which kopf would cancel what it finds
    resources.create("later", place.sibling(1).spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    began = time.monotonic()

    assert operator.stop() == 0

    assert time.monotonic() - began < 30  # the Pod's terminationGracePeriodSeconds
    assert atlas.endpoint(place)["comment"] == "two"
    assert resources.get("orders")["status"]["applied"]["comment"] == "two"


@pytest.mark.gate
def test_what_is_deleted_while_no_operator_runs_goes_with_its_endpoint_once_one_does(
    atlas: Atlas, place: Place, make_resources: MakeResources, run_operator: RunOperator
) -> None:
    def is_there() -> bool:
        return place.endpoint in {each["_id"] for each in atlas.endpoints()}

    resources = make_resources("down")
    settled(resources, atlas, place, deletionPolicy="Delete")
    operator = run_operator(label="down", atlas=atlas)
    resources.wait_ready("orders")
    operator.stop(kill=True)
    resources.delete("orders")
    assert resources.get("orders")["metadata"]["deletionTimestamp"]
    assert is_there()

    run_operator(label="down", atlas=atlas)

    wait_until(lambda: not resources.exists("orders"), "the resource to go")
    assert not is_there()
    assert len(atlas.requests(place, "DELETE")) == 1


def test_with_a_list_of_namespaces_it_serves_these_and_no_others(
    atlas: Atlas, place: Place, make_resources: MakeResources, run_operator: RunOperator
) -> None:
    foreign, *served = (make_resources("listed") for _ in range(3))
    operator = run_operator(label="listed", atlas=atlas, namespaces=",".join(each.namespace for each in served))

    for number, resources in enumerate((foreign, *served)):
        # Created after the start, so only a watch can tell of it.
        atlas.connect(place.sibling(number))
        resources.create("orders", place.sibling(number).spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    for resources in served:
        resources.wait_ready("orders")

    assert foreign.get("orders")["status"] == {"observedGeneration": -1}
    assert operator.get("livez").text == operator.get("readyz").text == "ok"
