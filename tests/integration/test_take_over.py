"""A standby that takes over a large cluster at rest: it knows all, and changes nothing."""

from __future__ import annotations

import asyncio
import copy
import json
import ssl
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT, Atlas, Place, place, seed
from support.audit import writes
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.fixtures import MakeNamespace, RecordProperty, RunOperator

MANY, PER_INSTANCE = 5000, 100
COLLECTION = "/apis/atlas-endpoints.dev/v1alpha1/namespaces/{}/serverlessprivateendpoints"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"
SENDERS = 24


@pytest.mark.timeout(300)  # most of it is for creating them, on a busy machine
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
    resources = Resources(control_plane, namespace, {"world": "many"})
    resources.secret()
    places = [place(index // PER_INSTANCE, index % PER_INSTANCE) for index in range(MANY)]
    settled = settled_by_an_operator(resources, places[0], start_operator, atlas)
    asyncio.run(create(control_plane, namespace, [as_if_settled(settled, each) for each in places[1:]]))
    before = {body["metadata"]["name"]: body["metadata"]["resourceVersion"] for body in resources.all()}
    assert len(before) == MANY
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

        wait_until(lambda: standby.metric("atlas_endpoints_leader") == 1, "the take-over", timeout=30)
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


def connected(world: dict[str, Any]) -> dict[str, Any]:
    """Have all endpoints of a seed be connected, to services of one name, so that their statuses are alike."""
    for project in world["projects"]:
        for endpoint in project["instances"][0]["endpoints"]:
            endpoint.update(
                status="AVAILABLE",
                cloudProviderEndpointId=CLOUD_ENDPOINT,
                endpointServiceName="com.amazonaws.vpce.shop",
            )
    return world


def settled_by_an_operator(
    resources: Resources, where: Place, start_operator: RunOperator, atlas: Atlas
) -> dict[str, Any]:
    """Have one resource settled by an operator, as a model for the others."""
    resources.create(name_of(where), where.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    first = start_operator(label="many", atlas=atlas, namespace="default")
    body = resources.wait_ready(name_of(where))
    assert first.stop() == 0
    return body


def name_of(where: Place) -> str:
    return f"e-{where.endpoint[-16:]}"


def as_if_settled(body: dict[str, Any], where: Place) -> dict[str, Any]:
    """Give what a resource looks like that was settled as this one was."""
    copied = copy.deepcopy(body)
    metadata = {"name": name_of(where), "labels": copied["metadata"]["labels"]}
    copied.update(metadata=metadata, spec=where.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    text = json.dumps(copied["status"]).replace(body["spec"]["endpointId"], where.endpoint)
    copied["status"] = json.loads(text.replace(body["spec"]["projectId"], where.project))
    return copied


async def create(control_plane: ControlPlane, namespace: str, bodies: Iterable[dict[str, Any]]) -> None:
    """Create resources with their statuses, many at a time."""
    path = COLLECTION.format(namespace)
    left = iter(bodies)

    async def send(session: aiohttp.ClientSession) -> None:
        for body in left:
            async with session.post(path, json=body) as answer:
                created = await answer.json()
            assert answer.ok, created
            created["status"] = body["status"]
            async with session.put(f"{path}/{body['metadata']['name']}/status", json=created) as answer:
                assert answer.ok, await answer.text()

    async with aiohttp.ClientSession(
        control_plane.url,
        headers={"Authorization": f"Bearer {control_plane.admin_token}"},
        connector=aiohttp.TCPConnector(limit=SENDERS, ssl=ssl.create_default_context(cafile=control_plane.ca)),
    ) as session:
        await asyncio.gather(*(send(session) for _ in range(SENDERS)))


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
