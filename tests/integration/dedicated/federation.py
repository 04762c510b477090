"""An endpoint for Data Federation, which the same operator serves: its life, and the hostname that applications get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_endpoints.kinds.data_federation_private_endpoint.kind import KIND
from control_plane.process import wait_until
from integration.dedicated.endpoints import outputs
from integration.dedicated.project import OTHER, VPCE, Project, goes
from support.concurrent_cases import NAME, Cases
from support.resources import Resources

if TYPE_CHECKING:
    from support.concurrent_cases import Env

cases = Cases()

ENDPOINTS = "/privateNetworkSettings/endpointIds"


@cases
def an_endpoint_for_data_federation_to_its_proven_end_and_one_that_somebody_edits(
    env: Env,
) -> None:
    def in_atlas() -> dict[str, str]:
        """Return the comments by the IDs of the endpoints."""
        found = env.atlas.project(env.place)["dataFederationEndpoints"]
        return {each["endpointId"]: each["comment"] for each in found}

    def put(comment: str) -> None:
        """Put the other endpoint, as a person does."""
        fields = {"projectId": env.place.project, "endpointId": OTHER, "comment": comment}
        env.atlas.post("dataFederationEndpoints", fields)

    def create(name: str, endpoint: str, **fields: Any) -> None:
        named = {"providerName": "AWS", "cloudProviderEndpointId": endpoint, "comment": name}
        lakes.create(name, Project(env).spec(**named, driftPolicy="Correct", **fields))

    lakes = Resources(env.control_plane, env.resources.namespace, {"served-by": "dedicated"}, names=KIND.names)
    put("archive")
    create("archive", OTHER)
    databases = [{"name": "lake", "configMapRef": {"name": "lake"}}]
    create(NAME, VPCE, deletionPolicy="Delete", federatedDatabases=databases)
    lakes.wait_ready("archive")
    put("changed by hand")
    lakes.wait_ready(NAME)
    wait_until(lambda: outputs(env, "lake") is not None, "the hostname")
    data = outputs(env, "lake") or {}
    assert data.pop("hostname").startswith(f"lake-{env.place.project[-5:]}-pe-")
    assert data == {"federatedDatabaseName": "lake", "endpointId": VPCE, "providerName": "AWS"}

    lakes.edit(NAME, comment="billing")
    wait_until(lambda: in_atlas()[VPCE] == "billing", "the edit")
    goes(lakes, NAME, says=f"Endpoint {VPCE} is deleted from Atlas.")
    wait_until(lambda: in_atlas() == {OTHER: "archive"}, "the correction")

    calls = [each for each in env.calls() if ENDPOINTS in each["path"]]
    sent = [each["body"] for each in calls if each["method"] == "POST"]
    assert [each["comment"] for each in sent if each["endpointId"] == VPCE] == [NAME, "billing"]
    assert [each["comment"] for each in sent if each["endpointId"] == OTHER] == ["archive"]
    (deletion,) = (number for number, each in enumerate(calls) if each["method"] == "DELETE")
    assert any(each["path"].endswith(VPCE) and each["status"] == 404 for each in calls[deletion:]), "no proof"
    lakes.delete("archive")
    lakes.close()
