"""The main job on a real API server: an edit becomes one PATCH, and what Atlas says lands in the status."""

import pytest

from support.atlas import CLOUD_ENDPOINT, Atlas, Place
from support.resources import Resources

pytestmark = pytest.mark.gate


def test_a_resource_connects_its_endpoint_and_becomes_ready(resources: Resources, atlas: Atlas, place: Place) -> None:
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="for orders"))

    body = resources.wait_ready("orders")

    assert atlas.patches(place) == [{"cloudProviderEndpointId": CLOUD_ENDPOINT, "comment": "for orders"}]
    assert atlas.endpoint(place)["status"] == "AVAILABLE"
    status = body["status"]
    assert status["endpoint"]["status"] == "AVAILABLE"
    assert status["endpoint"]["comment"] == "for orders"
    assert status["applied"] == {
        "generation": 1,
        "cloudProviderEndpointId": CLOUD_ENDPOINT,
        "comment": "for orders",
    }
    assert status["resolved"]["credentialsSource"] == "resource/atlas-credentials"
    assert "lastError" not in status
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "Ready": "True",
        "Synced": "True",
        "CredentialsValid": "True",
        "Deprecated": "True",
    }


def test_an_edit_of_a_settled_resource_costs_one_patch_and_no_look(
    resources: Resources, atlas: Atlas, place: Place
) -> None:
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
    resources.wait_ready("orders")
    before = len(atlas.requests(place))

    resources.edit("orders", comment="two")
    resources.wait_ready("orders")

    calls = [(each["method"], each["body"]) for each in atlas.requests(place)[before:]]
    assert [call for call in calls if call[0] != "GET"] == [("PATCH", {"providerName": "AWS", "comment": "two"})]
    assert atlas.endpoint(place)["comment"] == "two"
