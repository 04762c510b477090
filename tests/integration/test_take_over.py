"""A standby that takes over a large cluster at rest: it knows all, and changes nothing."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT, Atlas, Place, connected, place, seed
from support.audit import writes
from support.resources import Resources
from support.stored import cache

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.fixtures import MakeNamespace, RecordProperty, RunOperator

MANY, PER_INSTANCE = 5000, 100
LEASE = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"


def test_a_standby_is_ready_and_takes_over_5000_resources_without_writing_to_any(  # noqa: PLR0917  # fixtures come by name
    control_plane: ControlPlane,
    group: ServerGroup,
    make_namespace: MakeNamespace,
    start_operator: RunOperator,
    tmp_path: Path,
    record_property: RecordProperty,
) -> None:
    atlas = Atlas.start(group, tmp_path, connected(seed(MANY // PER_INSTANCE, endpoints=PER_INSTANCE)))
    namespace = make_namespace()
    resources = Resources(control_plane, namespace, {"served-by": "many"})
    resources.secret()
    places = [place(index // PER_INSTANCE, index % PER_INSTANCE) for index in range(MANY)]
    settle_by_an_operator(resources, places[0], start_operator, atlas)
    by_name = {name_of(each): each for each in places[1:]}
    cache(
        control_plane,
        namespace,
        name_of(places[0]),
        list(by_name),
        lambda stored, name: copy_of(stored, places[0], by_name[name]),
    )
    # What is stored in one transaction has one version, so for a moment the API server's cache may have a part of it only.
    wait_until(lambda: len(resources.all()) == MANY, "the API server to show all")
    before = {body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in resources.all()}
    with control_plane.client() as http:
        hold_lease(http, namespace)
        standby = start_operator(
            label="many", atlas=atlas, namespace=namespace, leader_elect="true", lease_duration="60s"
        )
        assert standby.metric("atlas_endpoints_resources") == MANY
        assert standby.metric("atlas_endpoints_leader") == 0
        assert standby.metric("atlas_endpoints_reconcile_total") == 0
        called = len(atlas.requests())

        began = time.monotonic()
        let_go(http, namespace)

        wait_until(lambda: standby.metric("atlas_endpoints_leader") == 1, "the take-over")
        record_property("seconds until the standby leads", round(time.monotonic() - began, 2))
        while standby.metric("atlas_endpoints_reconcile_total", result="done") < MANY:
            time.sleep(0.5)  # each look costs what it looks at
        record_property("seconds until each of 5,000 had its first pass", round(time.monotonic() - began, 1))

    assert {body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in resources.all()} == before
    user = f"system:serviceaccount:{namespace}:operator-many"
    assert {each.resource for each in writes(control_plane, user)} == {"leases"}
    assert {each["method"] for each in atlas.requests()[called:] if "/groups/" in each["path"]} == {"GET"}
    assert standby.stop() == 0
    atlas.close()
    resources.close()


def settle_by_an_operator(resources: Resources, where: Place, start_operator: RunOperator, atlas: Atlas) -> None:
    """Have one resource settled by an operator, as a model for the others."""
    resources.create(name_of(where), where.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    first = start_operator(label="many", atlas=atlas, namespace="default")
    resources.wait_ready(name_of(where))
    assert first.stop() == 0


def name_of(where: Place) -> str:
    return f"e-{where.endpoint[-16:]}"


def copy_of(stored: str, model: Place, where: Place) -> str:
    """Give what is stored of a resource that was settled as the model was; neither holds its version."""
    renamed = stored.replace(name_of(model), name_of(where)).replace(model.endpoint, where.endpoint)
    return renamed.replace(model.project, where.project)


def hold_lease(http: Any, namespace: str) -> None:
    """Lead in the place of another replica."""
    spec = {"holderIdentity": "another", "leaseDurationSeconds": 600}
    http.post(LEASE.format(namespace), json={"metadata": {"name": "atlas-endpoints"}, "spec": spec}).raise_for_status()


def let_go(http: Any, namespace: str) -> None:
    """End as a replica does."""
    patch = json.dumps({"spec": {"holderIdentity": "", "leaseDurationSeconds": 1}})
    http.patch(
        f"{LEASE.format(namespace)}/atlas-endpoints",
        content=patch,
        headers={"Content-Type": "application/merge-patch+json"},
    ).raise_for_status()
