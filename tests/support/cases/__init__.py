"""The shared table of what the API accepts and refuses; the YAML files beside this module say what a row holds."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from typing_extensions import override

PROJECT = "32b6e34b3d91647abb20e7b8"
SERVERLESS, DEDICATED = "ServerlessPrivateEndpoint", "DedicatedPrivateEndpoint"
DATA_FEDERATION = "DataFederationPrivateEndpoint"
ENCRYPTION_AT_REST, BACKUP = "EncryptionAtRestPrivateEndpoint", "BackupPrivateEndpoint"
STREAM, REGIONAL_MODE = "StreamPrivateEndpoint", "PrivateEndpointRegionalMode"
KINDS = (SERVERLESS, DEDICATED, DATA_FEDERATION, ENCRYPTION_AT_REST, BACKUP, STREAM, REGIONAL_MODE)
_FILES = {
    SERVERLESS: ("common", "provider", "cloud_endpoint", "serverless_private_endpoint"),
    DEDICATED: ("common", "provider", "cloud_endpoint", "dedicated_private_endpoint"),
    DATA_FEDERATION: ("common", "provider", "cloud_endpoint", "data_federation_private_endpoint"),
    ENCRYPTION_AT_REST: ("common", "provider", "regional", "encryption_at_rest_private_endpoint"),
    BACKUP: ("common", "provider", "regional", "backup_private_endpoint"),
    STREAM: ("common", "provider", "stream_private_endpoint"),
    REGIONAL_MODE: ("common", "private_endpoint_regional_mode"),
}
_CONNECTED = {
    "cloudProviderEndpointId": "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg"
    "/providers/Microsoft.Network/privateEndpoints/pe",
    "privateEndpointIpAddress": "10.0.0.4",
}
_INSTANCE = {"projectId": PROJECT, "instanceName": "ServerlessInstance0", "endpointId": "5f7cac1adf5d6c6306f4b283"}
_IN_AWS = {"projectId": PROJECT, "providerName": "AWS", "region": "eu-west-1"}
_IN_AZURE = {"projectId": PROJECT, "providerName": "AZURE", "region": "EUROPE_NORTH"}
_IN_GCP = {"projectId": PROJECT, "providerName": "GCP", "region": "us-central1"}
_IN_REGION = {"AWS": _IN_AWS, "AZURE": _IN_AZURE, "AZURE_CONNECTED": {**_IN_AZURE, **_CONNECTED}}
_AZURE_GROUP = "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg/providers"
_BASES: dict[str, dict[str, dict[str, Any]]] = {
    SERVERLESS: {
        "AWS": {**_INSTANCE, "providerName": "AWS"},
        "AZURE": {**_INSTANCE, "providerName": "AZURE"},
        "AZURE_CONNECTED": {**_INSTANCE, "providerName": "AZURE", **_CONNECTED},
    },
    DATA_FEDERATION: _IN_REGION,
    DEDICATED: {
        **_IN_REGION,
        "GCP": {**_IN_GCP, "gcp": {"projectId": "my-project-1"}},
        "GCP_LEGACY": {**_IN_GCP, "gcp": {"projectId": "my-project-1", "portMappingEnabled": False}},
    },
    ENCRYPTION_AT_REST: {"AWS": _IN_AWS, "AZURE": _IN_AZURE},
    BACKUP: {"AWS": _IN_AWS},
    REGIONAL_MODE: {"AWS": {"projectId": PROJECT}},
    STREAM: {
        "AWS": {**_IN_AWS, "vendor": "S3", "serviceEndpointId": "com.amazonaws.eu-west-1.s3"},
        "MSK": {
            "projectId": PROJECT,
            "providerName": "AWS",
            "vendor": "MSK",
            "arn": "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/de8982fa-8222-4e87-8b20-9bf3cdfa1521-2",
        },
        "AWS_CONFLUENT": {
            **_IN_AWS,
            "vendor": "CONFLUENT",
            "serviceEndpointId": "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0",
        },
        "EVENTHUB": {
            **_IN_AZURE,
            "serviceEndpointId": f"{_AZURE_GROUP}/Microsoft.EventHub/namespaces/orders",
            "dnsDomain": "orders.servicebus.windows.net",
        },
        "BLOB": {
            **_IN_AZURE,
            "vendor": "AZURE_BLOB_STORAGE",
            "serviceEndpointId": f"{_AZURE_GROUP}/Microsoft.Storage/storageAccounts/orders",
            "dnsDomain": "orders.blob.core.windows.net",
        },
        "AZURE_CONFLUENT": {
            **_IN_AZURE,
            "vendor": "CONFLUENT",
            "azureResourceIds": [
                f"{_AZURE_GROUP}/Microsoft.Network/privateLinkServices/orders-{zone}" for zone in "123"
            ],
            "dnsDomain": "orders.northeurope.azure.confluent.cloud",
        },
        "GCP_CONFLUENT": {
            **_IN_GCP,
            "vendor": "CONFLUENT",
            "gcpServiceAttachmentUris": [
                f"projects/orders-1/regions/us-central1/serviceAttachments/orders-{zone}" for zone in "abc"
            ],
            "dnsDomain": "orders.us-central1.gcp.confluent.cloud",
        },
        "PUBSUB": {**_IN_GCP, "vendor": "PUBSUB"},
    },
}


@dataclass(frozen=True)
class Case:
    """A manifest, and what becomes of it.

    Attributes:
        name: a sentence.
        manifest: what a person would apply, without a namespace.
        refused: path of each field that is at fault, with a part of the reason; empty when it is accepted.
    """

    name: str
    manifest: Mapping[str, Any]
    refused: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        kind: str = self.manifest["kind"]
        return kind

    @override
    def __str__(self) -> str:
        """Return the id of the test."""
        return f"{self.kind}: {self.name}"


@dataclass(frozen=True)
class UpdateCase(Case):
    """A change of ``before`` to ``manifest``, and what becomes of it.

    Attributes:
        before: the resource as it was, without its status.
        status: what the operator has written before the change, beside the generation.
    """

    before: Mapping[str, Any] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)


@cache
def cases(kind: str = SERVERLESS) -> list[Case]:
    rows = [row for file in _FILES[kind] for row in _rows(f"{file}.yaml")]
    return [
        Case(name=row["name"], manifest=_manifest(number, kind=kind, **row), refused=row.get("refused", {}))
        for number, row in enumerate(rows)
    ]


@cache
def update_cases(kind: str = SERVERLESS) -> list[UpdateCase]:
    """Return the rows for changes of resources that exist."""
    found = []
    for number, row in enumerate(
        row for file in _FILES[kind] if file != "provider" for row in _rows(f"{file}_updates.yaml")
    ):
        without = row.get("without", [])
        before = _manifest(number, kind=kind, base=row["base"], spec=row.get("before"), without=without)
        after = deepcopy(before)
        after["spec"] |= row.get("set", {})
        for name in row.get("unset", []):
            del after["spec"][name]
        refused, status = row.get("refused", {}), row.get("status", {})
        found.append(UpdateCase(name=row["name"], before=before, manifest=after, refused=refused, status=status))
    return found


def each_case() -> list[Case]:
    """Return the cases of all kinds."""
    return [case for kind in KINDS for case in cases(kind)]


def manifest(
    base: str,
    spec: Mapping[str, Any] | None = None,
    *,
    kind: str = SERVERLESS,
    without: tuple[str, ...] = (),
    name: str = "case",
) -> dict[str, Any]:
    """Return a manifest as the rows do: ``spec`` set over a base, ``without`` some of its fields."""
    return _manifest(0, kind=kind, base=base, spec=spec, without=without, metadata={"name": name})


def _manifest(
    number: int,
    *,
    kind: str,
    base: str,
    spec: Mapping[str, Any] | None = None,
    without: tuple[str, ...] | list[str] = (),
    metadata: Mapping[str, Any] | None = None,
    **_: object,
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "apiVersion": "atlas-endpoints.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": f"case-{number}", **(metadata or {})},
        "spec": {**_BASES[kind][base], **(spec or {})},
    }
    for name in without:
        del (made if name == "spec" else made["spec"])[name]
    return made


@cache
def _rows(file: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / file).read_text(encoding="utf-8"))
    return rows
