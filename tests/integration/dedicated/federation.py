"""An endpoint for Data Federation, which the same operator serves: its life, and the hostname that applications get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_endpoints.kinds.data_federation_private_endpoint.kind import KIND
from control_plane.process import wait_until
from integration.dedicated.endpoints import outputs
from integration.dedicated.project import VPCE, Project, goes
from support.concurrent_cases import NAME, Cases
from support.resources import Resources

if TYPE_CHECKING:
    from support.concurrent_cases import Env

cases = Cases()

ENDPOINTS = "/privateNetworkSettings/endpointIds"


@cases
def an_endpoint_for_data_federation_from_its_registration_to_its_proven_end(env: Env) -> None:
    def in_atlas() -> list[dict[str, Any]]:
        return list(env.atlas.project(env.place)["dataFederationEndpoints"])

    def has_comment(comment: str) -> bool:
        return [each["comment"] for each in in_atlas()] == [comment]

    lakes = Resources(env.control_plane, env.resources.namespace, {"served-by": "dedicated"}, names=KIND.names)
    fields = {"providerName": "AWS", "cloudProviderEndpointId": VPCE, "comment": "orders", "deletionPolicy": "Delete"}
    databases = [{"name": "lake", "configMapRef": {"name": "lake"}}]
    lakes.create(NAME, Project(env).spec(**fields, driftPolicy="Correct", federatedDatabases=databases))
    lakes.wait_ready(NAME)
    wait_until(lambda: outputs(env, "lake") is not None, "the hostname")
    data = outputs(env, "lake") or {}
    assert data.pop("hostname").startswith(f"lake-{env.place.project[-5:]}-pe-")
    assert data == {"federatedDatabaseName": "lake", "endpointId": VPCE, "providerName": "AWS"}

    lakes.edit(NAME, comment="billing")
    wait_until(lambda: has_comment("billing"), "the edit")
    where = {"projectId": env.place.project, "endpointId": VPCE}
    env.atlas.post("dataFederationEndpoints", {**where, "comment": "changed by hand"})
    wait_until(lambda: has_comment("billing"), "the correction")
    goes(lakes, NAME, says=f"Endpoint {VPCE} is deleted from Atlas.")
    assert in_atlas() == []

    calls = [each for each in env.calls() if ENDPOINTS in each["path"]]
    sent = [(each["method"], (each["body"] or {}).get("comment")) for each in calls if each["method"] != "GET"]
    assert sent == [("POST", "orders"), ("POST", "billing"), ("POST", "billing"), ("DELETE", None)]
    after = calls[max(number for number, each in enumerate(calls) if each["method"] == "DELETE") + 1 :]
    assert any(each["status"] == 200 for each in after), "a LIST proves that it is gone"
    lakes.close()
