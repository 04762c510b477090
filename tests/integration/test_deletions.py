"""What may stand in the way of a deletion, and who needs an endpoint besides, on a real control plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT, Atlas
from support.resources import Resources, ready, told

if TYPE_CHECKING:
    from control_plane import ControlPlane
    from support.atlas import Place
    from support.fixtures import MakeNamespace, RunOperator

WORTHLESS = {"clientId": "mdb_sa_id_00000000000000000000ffff", "clientSecret": "mdb_sa_sk_worthless"}


def deleting(atlas: Atlas, place: Place, **fields: Any) -> dict[str, Any]:
    """The spec of a resource whose endpoint is connected, and goes with it."""
    atlas.connect(place, "one")
    return place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one", deletionPolicy="Delete", **fields)


def statuses(atlas: Atlas, place: Place) -> list[str]:
    """In which statuses Atlas has the endpoint of a place: one, or none where it is gone."""
    projects = httpx.get(f"{atlas.url}/_simulator/state").raise_for_status().json()["projects"]
    instances = [each for project in projects if project["id"] == place.project for each in project["instances"]]
    endpoints = [each for instance in instances for each in instance["endpoints"]]
    return [each["status"] for each in endpoints if each["_id"] == place.endpoint]


def test_wrong_credentials_keep_a_deleted_resource_until_they_are_mended(
    resources: Resources, atlas: Atlas, place: Place
) -> None:
    resources.create("orders", deleting(atlas, place))
    resources.wait_ready("orders")
    resources.secret(data=WORTHLESS)
    resources.wait_reason("orders", "CredentialsInvalid")
    resources.delete("orders")
    body = resources.wait_reason("orders", "DeletionBlocked", pair="Stalled")
    assert "force-finalize" in ready(body)["message"]
    assert statuses(atlas, place) == ["AVAILABLE"]
    resources.secret()
    wait_until(lambda: not resources.exists("orders"), "the resource to go")
    assert statuses(atlas, place) == []


def test_an_api_that_is_gone_lets_a_deleted_resource_go_and_names_what_is_left(
    resources: Resources, atlas: Atlas, place: Place
) -> None:
    resources.create("orders", deleting(atlas, place))
    resources.wait_ready("orders")
    atlas.fail(place, status=410, errorCode="VERSION_GONE")
    resources.delete("orders")
    wait_until(lambda: not resources.exists("orders"), "the resource to go")
    wait_until(lambda: any(each["reason"] == "EndpointOrphaned" for each in resources.events("orders")), "it told")
    (orphaned,) = (each for each in resources.events("orders") if each["reason"] == "EndpointOrphaned")
    assert orphaned["type"] == "Warning"
    assert place.endpoint in orphaned["note"]
    assert statuses(atlas, place) == ["AVAILABLE"]


def test_two_that_are_deleted_at_once_take_their_endpoint_along(
    resources: Resources, atlas: Atlas, place: Place
) -> None:
    spec = deleting(atlas, place)
    resources.create("orders", spec)
    resources.wait_ready("orders")
    resources.create("other", spec)
    resources.wait_reason("other", "Conflict")
    resources.delete("other")
    resources.delete("orders")
    wait_until(lambda: resources.all() == [], "both to go")
    assert statuses(atlas, place) == []
    # In the same moment each may ask for it; which is no more than one of them would.
    assert len(atlas.requests(place, "DELETE")) in {1, 2}


@pytest.mark.gate
def test_what_is_deleted_while_no_operator_runs_goes_with_its_endpoint_once_one_does(
    control_plane: ControlPlane,
    make_namespace: MakeNamespace,
    start_operator: RunOperator,
    atlas: Atlas,
    place: Place,
) -> None:
    resources = Resources(control_plane, make_namespace(), {"served-by": "down"})
    resources.secret()
    resources.create("orders", deleting(atlas, place))
    operator = start_operator(label="down", atlas=atlas, namespace="default")
    resources.wait_ready("orders")
    operator.stop(kill=True)
    resources.delete("orders")
    assert resources.get("orders")["metadata"]["deletionTimestamp"]
    assert statuses(atlas, place) == ["AVAILABLE"]

    again = start_operator(label="down", atlas=atlas, namespace="default")
    wait_until(lambda: not resources.exists("orders"), "the resource to go")
    assert statuses(atlas, place) == []
    assert len(atlas.requests(place, "DELETE")) == 1
    again.stop()
    resources.close()


def test_one_of_another_namespace_whose_credentials_are_worthless_holds_no_endpoint(
    control_plane: ControlPlane, make_namespace: MakeNamespace, resources: Resources, atlas: Atlas, place: Place
) -> None:
    """Neither from who manages it, though it is the older of the two, nor from being deleted."""
    squatters = Resources(control_plane, make_namespace(), {"served-by": "shared"})
    squatters.secret(data=WORTHLESS)
    squatters.create("squatter", place.spec(comment="squatter"))
    squatters.wait_reason("squatter", "CredentialsInvalid", pair="Stalled")
    resources.create("orders", deleting(atlas, place))
    resources.wait_ready("orders")
    resources.delete("orders")
    body = resources.wait_reason("orders", "Deleting")
    assert "a resource of another namespace names the same endpoint" in ready(body)["message"], told(body)
    squatters.delete("squatter")
    wait_until(lambda: not resources.exists("orders"), "the resource to go")
    assert statuses(atlas, place) == []
    squatters.close()
