"""A standby that takes over a large cluster at rest: it knows all, and changes nothing."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT, Place, connected, place, seed
from support.audit import writes
from support.resources import MERGE
from support.stored import cache

if TYPE_CHECKING:
    from control_plane import ControlPlane
    from support.fixtures import MakeResources, RecordProperty, RunOperator, StartAtlas

MANY, PER_INSTANCE = 5000, 100
LEASE = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"


def test_a_standby_is_ready_and_takes_over_5000_resources_without_writing_to_any(
    control_plane: ControlPlane,
    start_atlas: StartAtlas,
    make_resources: MakeResources,
    run_operator: RunOperator,
    record_property: RecordProperty,
) -> None:
    """Another replica seems to lead, and lets go. One resource was settled by an operator, as a model for the others."""
    atlas = start_atlas(connected(seed(MANY // PER_INSTANCE, endpoints=PER_INSTANCE)))
    resources = make_resources("many")
    namespace, lease = resources.namespace, LEASE.format(resources.namespace)
    model, *others = [place(index // PER_INSTANCE, index % PER_INSTANCE) for index in range(MANY)]
    resources.create(name_of(model), model.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    first = run_operator(label="many", atlas=atlas)
    resources.wait_ready(name_of(model))
    assert first.stop() == 0
    by_name = {name_of(each): each for each in others}

    def copied(stored: str, name: str) -> str:
        """What is stored of a resource that was settled as the model was; neither holds its version."""
        other = by_name[name]
        renamed = stored.replace(name_of(model), name).replace(model.endpoint, other.endpoint)
        return renamed.replace(model.project, other.project)

    def versions() -> dict[str, str]:
        return {body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in resources.all()}

    cache(control_plane, namespace, name_of(model), list(by_name), copied)
    # What is stored in one transaction has one version, so for a moment the API server's cache may have a part of it only.
    wait_until(lambda: len(versions()) == MANY, "the API server to show all")
    before = versions()
    with control_plane.client() as http:
        spec = {"holderIdentity": "another", "leaseDurationSeconds": 600}
        http.post(lease, json={"metadata": {"name": "atlas-endpoints"}, "spec": spec}).raise_for_status()
        standby = run_operator(
            label="many", atlas=atlas, namespace=namespace, leader_elect="true", lease_duration="60s"
        )
        assert standby.metric("atlas_endpoints_resources") == MANY
        assert standby.metric("atlas_endpoints_leader") == 0
        assert standby.metric("atlas_endpoints_reconcile_total") == 0
        called = len(atlas.requests())

        began = time.monotonic()
        released = json.dumps({"spec": {"holderIdentity": "", "leaseDurationSeconds": 1}})
        http.patch(f"{lease}/atlas-endpoints", content=released, headers=MERGE).raise_for_status()

    wait_until(lambda: standby.metric("atlas_endpoints_leader") == 1, "the take-over")
    record_property("seconds until the standby leads", round(time.monotonic() - began, 2))
    while standby.metric("atlas_endpoints_reconcile_total", result="done") < MANY:
        time.sleep(0.5)  # each look costs what it looks at
    record_property("seconds until each of 5,000 had its first pass", round(time.monotonic() - began, 1))

    assert versions() == before
    user = f"system:serviceaccount:{namespace}:operator-many"
    assert {each.resource for each in writes(control_plane, user)} == {"leases"}
    assert {each["method"] for each in atlas.requests()[called:] if "/groups/" in each["path"]} == {"GET"}
    assert standby.stop() == 0


def name_of(where: Place) -> str:
    return f"e-{where.endpoint[-16:]}"
