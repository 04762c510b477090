"""Endpoints that Atlas makes for a region, which the same operator serves: to a key of the user's, and to the buckets of backups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_endpoints.kinds.backup_private_endpoint import KIND as BACKUP
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.kind import KIND as ENCRYPTION
from atlas_endpoints.reconcile.resource import FORCE_DELETE
from control_plane.process import wait_until
from integration.dedicated.endpoints import outputs
from integration.dedicated.project import AZURE, Project
from support.concurrent_cases import NAME, Cases
from support.resources import Resources, ready

if TYPE_CHECKING:
    from support.concurrent_cases import Env

cases = Cases()

VAULT = {"subscriptionID": "4e133d35", "resourceGroupName": "keys", "keyVaultName": "orders"}
NODES = {"providerName": "AZURE", "regionName": "US_EAST_2"}
ENDPOINTS = "/privateEndpoints"


@cases
def an_endpoint_to_a_key_vault_that_somebody_approves_and_a_cluster_needs_and_one_to_buckets_beside_it(
    env: Env,
) -> None:
    project = Project(env)

    def put(control: str, **fields: Any) -> None:
        """Do what a person does in Atlas, or in Azure."""
        env.atlas.post(control, {"projectId": project.id, **fields})

    def in_atlas(family: str) -> list[str]:
        """Return the statuses of the endpoints."""
        return [each["status"] for each in env.atlas.project(env.place)[family]]

    def of(kind: Any) -> Resources:
        return Resources(env.control_plane, env.resources.namespace, {"served-by": "dedicated"}, names=kind.names)

    keys, buckets = of(ENCRYPTION), of(BACKUP)
    put("encryptionAtRest", azureKeyVault={"enabled": True, "requirePrivateNetworking": True, **VAULT})
    put("clusters", name="orders", regions=[NODES], encryptionAtRestProvider="AZURE")
    bound = {"deletionPolicy": "Delete", "outputConfigMapRef": {"name": "vault"}}
    keys.create(NAME, project.spec(**AZURE, **bound))
    buckets.create(NAME, project.spec(vpcRegion="us-east-1", deletionPolicy="Delete"))

    waiting = keys.wait_reason(NAME, "WaitingForApproval")["status"]
    name = waiting["endpoint"]["privateEndpointConnectionName"]
    assert waiting["approveCommand"].endswith(f" --resource-group keys --resource-name orders --name {name}")
    wait_until(lambda: outputs(env, "vault") is not None, "the name of the connection")
    endpoint = {"endpointId": waiting["endpoint"]["id"], "privateEndpointConnectionName": name}
    assert outputs(env, "vault") == {**endpoint, "providerName": "AZURE", "region": "US_EAST_2"}
    put("encryptionAtRestEndpoints", id=endpoint["endpointId"], connection="approve")
    wait_until(lambda: in_atlas("encryptionAtRestEndpoints") == ["ACTIVE"], "Atlas to see the approval")
    keys.annotate(NAME, {"atlas-endpoints.dev/force-sync": "approved"})
    assert "approveCommand" not in keys.wait_ready(NAME)["status"]

    buckets.wait_ready(NAME)
    buckets.delete(NAME)
    keys.delete(NAME)
    assert (
        f"reach their key through endpoint {endpoint['endpointId']}: orders."
        in ready(keys.wait_reason(NAME, "DeletionBlocked"))["message"]
    )
    keys.annotate(NAME, {FORCE_DELETE: "true"})
    wait_until(lambda: not keys.exists(NAME) and not buckets.exists(NAME), "both endpoints to go")
    for each in (keys, buckets):
        wait_until(lambda found=each: _is_gone(found), "an Event about the end")  # type: ignore[misc]  # the loop's own
    assert (in_atlas("encryptionAtRestEndpoints"), in_atlas("backupEndpoints")) == ([], [])
    calls = [each for each in env.calls() if ENDPOINTS in each["path"]]
    assert sorted(each["method"] for each in calls if each["method"] != "GET") == ["DELETE", "DELETE", "POST", "POST"]
    for each in (keys, buckets):
        each.close()


def _is_gone(resources: Resources) -> bool:
    return any("is deleted from Atlas" in each["note"] for each in resources.events(NAME))
