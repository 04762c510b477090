"""The main job on a real API server: an edit becomes one PATCH, and what Atlas says lands in the status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.atlas import CLOUD_ENDPOINT

if TYPE_CHECKING:
    from support.concurrent_cases import Env

pytestmark = pytest.mark.gate


def test_a_resource_connects_its_endpoint_and_becomes_ready_and_an_edit_costs_one_patch(env: Env) -> None:
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="for orders")

    status = env.becomes_ready()["status"]

    wanted = {"cloudProviderEndpointId": CLOUD_ENDPOINT, "comment": "for orders"}
    assert env.patches() == [wanted]
    assert env.atlas.endpoint(env.place)["status"] == "AVAILABLE"
    assert (status["endpoint"]["status"], status["endpoint"]["comment"]) == ("AVAILABLE", "for orders")
    assert status["applied"] == {"generation": 1, **wanted}
    assert status["resolved"]["credentialsSource"] == "resource/atlas-credentials"
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "Ready": "True",
        "Synced": "True",
        "CredentialsValid": "True",
        "Deprecated": "True",
    }

    before = len(env.calls())
    env.edit(comment="two")
    env.becomes_ready()

    calls = [(each["method"], each["body"]) for each in env.calls()[before:] if each["method"] != "GET"]
    assert calls == [("PATCH", {"providerName": "AWS", "comment": "two"})]
    assert env.atlas.endpoint(env.place)["comment"] == "two"
