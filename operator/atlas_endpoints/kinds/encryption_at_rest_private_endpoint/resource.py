"""The resource ``EncryptionAtRestPrivateEndpoint``: its spec, its status and its CRD. Pure."""

from typing import ClassVar, Literal

from atlas_endpoints.kinds.cloud_endpoint import Region
from atlas_endpoints.kinds.regional_resource import RegionalResource, RegionalSpec, RegionalStatus
from atlas_endpoints.reconcile.crd import Column, Crd, fixed
from atlas_endpoints.reconcile.status import Shown


class Spec(RegionalSpec):
    """The spec."""

    cel_rules: ClassVar = [
        fixed("providerName", "may not be changed: an endpoint never moves to another cloud; {instead_there}"),
    ]

    provider_name: Literal["AWS", "AZURE"]
    """The cloud of the customer key: `AWS` for AWS KMS, `AZURE` for Azure Key Vault. Required; never changes."""
    region: Region
    """The region in which clusters reach your key: Atlas's name, such as `EU_WEST_1` or `EUROPE_WEST`, or the cloud's, such as
    `eu-west-1` or `westeurope`. The operator sends Atlas's name. Required; never changes. A cluster with nodes in several
    regions needs a resource for each of them."""


class EncryptionStatus(RegionalStatus):
    """The status of the kind."""

    approve_command: Shown | None = None
    """AZURE only. The command that approves the connection in your Key Vault; present while the endpoint waits for the
    approval."""


class EncryptionAtRestPrivateEndpoint(RegionalResource, frozen=True):
    """EncryptionAtRestPrivateEndpoint describes the private endpoint through which the clusters of a MongoDB Atlas project in one region reach your key in AWS KMS or Azure Key Vault.

    Atlas makes the endpoint in its own network. The operator asks Atlas for it, and writes its state to the status; in Azure,
    the status also shows the command with which you approve the connection. The operator never changes the project's encryption
    at rest: enable it with `requirePrivateNetworking` first. It retries failed calls. {retained} {annotations} {removes_only}
    """

    spec_type: ClassVar = Spec
    status_type: ClassVar = EncryptionStatus
    crd: ClassVar = Crd(
        short_name="earpe",
        selectable=("projectId", "providerName", "region"),
        columns=(Column("Region", ".spec.region"),),
        wide=(
            Column("Endpoint-Id", ".status.endpoint.id", "The ID that Atlas gave the endpoint"),
            Column(
                "Connection",
                ".status.endpoint.privateEndpointConnectionName",
                "The connection in the Key Vault or in AWS",
            ),
        ),
        resolved={"region": "The region."},
        body={"regionName": "The region."},
    )
    words: ClassVar = {
        "place": "region",
        "same_place": "region",
        "region": "The region",
        "connection_name": "AZURE: the name of the connection in your Key Vault, from the state PENDING_ACCEPTANCE on. AWS: the ID",
        "users": "clusters",
        "scope": "project and cloud",
        "timeout_since": "`statusSince` in `status.endpoint`. It does not apply while the endpoint waits for your approval",
        "keys": "`endpointId`, `privateEndpointConnectionName`, `providerName` and `region`",
        "deletion_too": "The deletion waits while clusters with nodes in the region use your key (reason DeletionBlocked).",
        "accepted": " (waits for your approval in AZURE)",
        "operation": "createRestPrivateEndpoint",
    }

    spec: Spec
    """The desired state. `projectId` (or the ID to which `projectRef` refers), `providerName` and `region` identify the endpoint
    and never change, because Atlas cannot change an endpoint and has one in each region. {others_change}"""
    status: EncryptionStatus
