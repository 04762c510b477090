"""What the simulated Atlas holds at the start: the content of a seed file, or a small world with new secrets."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, model_validator

from atlas_endpoints.simulator.auth import EVERY_PROJECT, GROUP_OWNER, ApiKey, ServiceAccount
from atlas_endpoints.simulator.cluster import ClusterDocument, ClusterName
from atlas_endpoints.simulator.endpoint import EndpointDocument, Names, ObjectId, Provider
from atlas_endpoints.simulator.federation_endpoint import FederationEndpointDocument
from atlas_endpoints.simulator.regional_endpoint import (
    BackupEndpointDocument,
    EncryptionDocument,
    EncryptionEndpointDocument,
    ExportBucketDocument,
)
from atlas_endpoints.simulator.service import ServiceDocument
from atlas_endpoints.simulator.stream_endpoint import StreamConnectionDocument, StreamEndpointDocument
from atlas_endpoints.simulator.switches import Document, InvalidDocumentError, RateLimit, Switches, parse, parse_json

InstanceName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9-]*$", max_length=64)]


class InstanceSeed(Document):
    """A serverless instance and its endpoints."""

    name: InstanceName
    provider_name: Provider = "AWS"
    region_name: str = "US_EAST_1"
    endpoints: tuple[EndpointDocument, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> "InstanceSeed":
        _check_unique("_id", [each.id for each in self.endpoints if each.id is not None])
        return self


class ProjectSeed(Document):
    """A project, what it holds, and its rate limit if it has one of its own."""

    id: ObjectId
    rate_limit: RateLimit | None = None
    instances: tuple[InstanceSeed, ...] = ()
    endpoint_services: tuple[ServiceDocument, ...] = ()
    clusters: tuple[ClusterDocument, ...] = ()
    data_federation_endpoints: tuple[FederationEndpointDocument, ...] = ()
    federated_databases: frozenset[ClusterName] = frozenset()
    regional_mode: bool = False
    encryption_at_rest: EncryptionDocument = EncryptionDocument()
    encryption_at_rest_endpoints: tuple[EncryptionEndpointDocument, ...] = ()
    backup_endpoints: tuple[BackupEndpointDocument, ...] = ()
    export_buckets: tuple[ExportBucketDocument, ...] = ()
    stream_endpoints: tuple[StreamEndpointDocument, ...] = ()
    stream_connections: tuple[StreamConnectionDocument, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> "ProjectSeed":
        _check_unique("name", [each.name for each in self.instances])
        _check_unique("clusters.name", [each.name for each in self.clusters])
        ids = [each.endpoint_id.casefold() for each in self.data_federation_endpoints]
        _check_unique("dataFederationEndpoints.endpointId", ids)
        regional = (*self.encryption_at_rest_endpoints, *self.backup_endpoints)
        _check_unique("endpoints' id", [each.id for each in regional if each.id is not None])
        _check_unique("exportBuckets.bucketName", [each.bucket_name for each in self.export_buckets])
        _check_unique("streamEndpoints._id", [each.id for each in self.stream_endpoints if each.id is not None])
        names = [f"{each.workspace_name} {each.name}" for each in self.stream_connections]
        _check_unique("streamConnections", names)
        _check_unique("endpointServices", [" ".join(map(str, each.place)) for each in self.endpoint_services])
        return self


class Seed(Document):
    """The whole seed file."""

    projects: tuple[ProjectSeed, ...] = ()
    service_accounts: tuple[ServiceAccount, ...] = ()
    api_keys: tuple[ApiKey, ...] = ()
    switches: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _makes_sense(self) -> "Seed":
        _check_unique("projects.id", [each.id for each in self.projects])
        _check_unique("serviceAccounts.clientId", [each.client_id for each in self.service_accounts])
        _check_unique("apiKeys.publicKey", [each.public_key for each in self.api_keys])
        known = {project.id for project in self.projects} | {EVERY_PROJECT}
        for principal in (*self.service_accounts, *self.api_keys):
            for project in principal.roles:
                if project not in known:
                    raise ValueError(f"roles name the project {project}, which is not among projects")
        Switches().changed(self.switches)
        return self


_SEED = TypeAdapter(Seed)


def read(document: object) -> Seed:
    """Validate a decoded seed file; raises InvalidDocumentError, which names the field."""
    return parse(_SEED, document, what="seed")


def read_file(path: Path) -> Seed:
    """Read a seed file.

    Raises:
        InvalidDocumentError: It cannot be read, or breaks a rule; the text names file, field and rule.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InvalidDocumentError(f"seed file {path}: {error.strerror or error}") from None
    return parse_json(_SEED, text, what=f"seed file {path}")


def make_up(names: Names) -> Seed:
    """Return a small world: a project with something of each family, and credentials."""
    project = names.object_id()
    places = ("aws-instance", "AWS", "US_EAST_1"), ("azure-instance", "AZURE", "US_EAST_2")
    instances = [
        {
            "name": name,
            "providerName": cloud,
            "regionName": region,
            "endpoints": [{"_id": names.object_id(), "status": "RESERVED"}],
        }
        for name, cloud, region in places
    ]
    secrets = {"clientId": f"mdb_sa_id_{names.object_id()}", "clientSecret": f"mdb_sa_sk_{names.hex(40)}"}
    pair = {"publicKey": names.hex(8), "privateKey": names.guid()}
    roles = {"roles": {project: GROUP_OWNER}}
    return read(
        {
            "projects": [
                {
                    "id": project,
                    "instances": instances,
                    "endpointServices": [
                        {"id": names.object_id(), "cloudProvider": cloud, "regionName": region}
                        for cloud, region in (*(place[1:] for place in places), ("GCP", "CENTRAL_US"))
                    ],
                    "clusters": [{"name": "cluster"}],
                    "federatedDatabases": ["federated-database"],
                    "encryptionAtRest": {
                        "awsKms": {"enabled": True, "requirePrivateNetworking": True},
                        "azureKeyVault": {
                            "enabled": True,
                            "requirePrivateNetworking": True,
                            "subscriptionID": names.guid(),
                            "resourceGroupName": "resource-group",
                            "keyVaultName": "key-vault",
                        },
                    },
                    "exportBuckets": [{"bucketName": "bucket", "region": "us-east-1"}],
                }
            ],
            "serviceAccounts": [secrets | roles],
            "apiKeys": [pair | roles],
        }
    )


def _check_unique(what: str, values: list[str]) -> None:
    repeated = sorted({value for value in values if values.count(value) > 1})
    if repeated:
        raise ValueError(f"{what} {', '.join(repeated)} occurs more than once")
