"""The operator over its lifetime: at rest, under a burst, stopped, killed and started again."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT, Atlas, place, seed
from support.audit import writes
from support.resources import Resources, ready

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.fixtures import MakeNamespace, RecordProperty, RunOperator

BURST, PER_INSTANCE = 1000, 20


@pytest.fixture
def crowded_atlas(group: ServerGroup, tmp_path: Path) -> Iterator[Atlas]:
    """An Atlas of its own with many endpoints on each instance."""
    atlas = Atlas.start(group, tmp_path, seed(BURST // PER_INSTANCE, endpoints=PER_INSTANCE), transition=0.5)
    yield atlas
    atlas.close()


def test_at_rest_an_instance_costs_one_list_per_interval_and_kubernetes_no_write(
    control_plane: ControlPlane, crowded_atlas: Atlas, make_namespace: MakeNamespace, start_operator: RunOperator
) -> None:
    interval, intervals = 3, 5
    resources = Resources(control_plane, make_namespace(), {"served-by": "rest"})
    resources.secret()
    places = [place(0, index) for index in range(PER_INSTANCE)]
    for index, each in enumerate(places):
        crowded_atlas.connect(each)
        resources.create(f"e{index}", each.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    operator = start_operator(label="rest", atlas=crowded_atlas, namespace="default", sync_interval=f"{interval}s")
    for index in range(PER_INSTANCE):
        resources.wait_ready(f"e{index}")
    passes = operator.metric("atlas_endpoints_reconcile_total")
    written = len(writes(control_plane, "system:serviceaccount:default:operator-rest"))
    called = len(crowded_atlas.requests())
    began = time.monotonic()

    wait_until(
        lambda: len(crowded_atlas.requests()) >= called + intervals, "some rounds", timeout=interval * intervals * 3
    )

    # Five rounds have come, each no sooner than nine tenths of an interval after the one before it.
    assert time.monotonic() - began >= 0.9 * interval * (intervals - 1)
    assert {(each["method"], each["status"]) for each in crowded_atlas.requests()[called:]} == {("GET", 200)}
    assert len(writes(control_plane, "system:serviceaccount:default:operator-rest")) == written == PER_INSTANCE
    assert operator.metric("atlas_endpoints_reconcile_total") == passes
    operator.stop()
    resources.close()


def test_a_thousand_resources_at_once_all_converge(
    control_plane: ControlPlane,
    crowded_atlas: Atlas,
    make_namespace: MakeNamespace,
    start_operator: RunOperator,
    record_property: RecordProperty,
) -> None:
    resources = Resources(control_plane, make_namespace(), {"served-by": "burst"})
    resources.secret()
    operator = start_operator(label="burst", atlas=crowded_atlas, namespace="default")
    places = [place(index // PER_INSTANCE, index % PER_INSTANCE) for index in range(BURST)]
    began = time.monotonic()

    with ThreadPoolExecutor(16) as pool:
        wanted = {"cloudProviderEndpointId": CLOUD_ENDPOINT, "comment": "burst"}
        list(pool.map(lambda index: resources.create(f"e{index}", places[index].spec(**wanted)), range(BURST)))
    while not all(ready(body)["status"] == "True" for body in resources.all()):
        time.sleep(1)  # each look costs what it looks at

    record_property("seconds until all were ready", round(time.monotonic() - began, 1))
    patches = crowded_atlas.requests(method="PATCH")
    assert len(patches) == BURST
    assert all(each["status"] == 200 for each in patches)
    # Two statuses that a user can see: connecting, and available. Beside them there are Events, which tell of the adoption.
    written = Counter(each.resource for each in writes(control_plane, "system:serviceaccount:default:operator-burst"))
    assert written.pop("serverlessprivateendpoints/status") == 2 * BURST
    assert written.pop("events", 0) <= BURST
    assert not written
    operator.stop()
    resources.close()


def test_sigterm_lets_a_call_finish_and_records_its_result(
    control_plane: ControlPlane, crowded_atlas: Atlas, make_namespace: MakeNamespace, start_operator: RunOperator
) -> None:
    resources = Resources(control_plane, make_namespace(), {"served-by": "term"})
    resources.secret()
    here = place(1)
    crowded_atlas.connect(here, "one")
    resources.create("orders", here.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    operator = start_operator(label="term", atlas=crowded_atlas, namespace="default")
    resources.wait_ready("orders")
    # Longer than the 5 s after which kopf would cancel what it finds.
    crowded_atlas.fail(here, method="PATCH", delay=9, times=1)
    resources.edit("orders", comment="two")
    wait_until(lambda: bool(crowded_atlas.requests(here, "PATCH")), "the call")
    resources.create("later", place(2).spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    began = time.monotonic()

    assert operator.stop() == 0

    assert time.monotonic() - began < 30  # the Pod's terminationGracePeriodSeconds
    assert crowded_atlas.endpoint(here)["comment"] == "two"
    assert resources.get("orders")["status"]["applied"]["comment"] == "two"
    resources.close()


def test_killed_in_the_middle_of_a_call_it_converges_after_the_restart(
    control_plane: ControlPlane, crowded_atlas: Atlas, make_namespace: MakeNamespace, start_operator: RunOperator
) -> None:
    resources = Resources(control_plane, make_namespace(), {"served-by": "kill"})
    resources.secret()
    here = place(3)
    crowded_atlas.connect(here, "one")
    resources.create("orders", here.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    operator = start_operator(label="kill", atlas=crowded_atlas, namespace="default")
    resources.wait_ready("orders")
    # The PATCH arrives and is applied; its answer comes when nobody waits for it any more.
    crowded_atlas.fail(here, method="PATCH", delay=3, times=1)
    resources.edit("orders", comment="two")
    wait_until(lambda: bool(crowded_atlas.requests(here, "PATCH")), "the call")
    operator.stop(kill=True)
    resources.edit("orders", comment="one")

    start_operator(label="kill", atlas=crowded_atlas, namespace="default", sync_interval="2s")
    resources.wait_ready("orders")

    wait_until(lambda: crowded_atlas.endpoint(here)["comment"] == "one", "the last spec in Atlas")
    resources.wait_ready("orders")
    assert resources.get("orders")["status"]["applied"]["comment"] == "one"
    resources.close()


def test_a_restart_writes_nothing_when_nothing_has_changed(
    control_plane: ControlPlane, crowded_atlas: Atlas, make_namespace: MakeNamespace, start_operator: RunOperator
) -> None:
    resources = Resources(control_plane, make_namespace(), {"served-by": "again"})
    resources.secret()
    here = place(4)
    crowded_atlas.connect(here, "one")
    resources.create("orders", here.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    first = start_operator(label="again", atlas=crowded_atlas, namespace="default")
    resources.wait_ready("orders")
    first.stop()
    before = resources.get("orders")["metadata"]["resourceVersion"]
    called = len(crowded_atlas.requests(here))

    operator = start_operator(label="again", atlas=crowded_atlas, namespace="default")
    wait_until(lambda: operator.metric("atlas_endpoints_reconcile_total", result="done") >= 1, "a first pass")

    assert resources.get("orders")["metadata"]["resourceVersion"] == before
    assert [each["method"] for each in crowded_atlas.requests(here)[called:]] == ["GET"]
    resources.close()


def test_with_a_list_of_namespaces_it_serves_these_and_no_others(
    control_plane: ControlPlane, crowded_atlas: Atlas, make_namespace: MakeNamespace, start_operator: RunOperator
) -> None:
    labels = {"served-by": "listed"}
    served = [Resources(control_plane, make_namespace(), labels) for _ in range(2)]
    foreign = Resources(control_plane, make_namespace(), labels)
    operator = start_operator(
        label="listed",
        atlas=crowded_atlas,
        namespace="default",
        namespaces=",".join(each.namespace for each in served),
    )

    for number, resources in enumerate([foreign, *served]):
        resources.secret()
        crowded_atlas.connect(place(10 + number))
        # Created after the start, so only a watch can tell of it.
        resources.create("orders", place(10 + number).spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    for resources in served:
        resources.wait_ready("orders")

    assert foreign.get("orders")["status"] == {"observedGeneration": -1}
    assert operator.get("livez").text == "ok"
    operator.stop()
    for resources in [foreign, *served]:
        resources.close()


def test_the_probes_and_metrics_of_a_working_operator(crowded_atlas: Atlas, start_operator: RunOperator) -> None:
    operator = start_operator(label="probes", atlas=crowded_atlas, namespace="default")

    assert operator.get("livez").text == "ok"
    assert operator.get("readyz").text == "ok"
    assert operator.metric("atlas_endpoints_build_info") == 1
    operator.stop()
