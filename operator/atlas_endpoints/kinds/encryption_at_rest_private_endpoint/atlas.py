"""Private endpoints for encryption at rest in the Atlas Admin API, and what they rest on: models and calls as data. Pure.

Source: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-encryption-at-rest-using-customer-key-management. They
have never been recorded; what is known of them comes from the tests of MongoDB's Terraform provider.
"""

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.kinds.regional_atlas import Calls, ProjectRead, all_of
from atlas_endpoints.reconcile.status import as_shown

CALLS = Calls(
    list="listRestPrivateEndpoints",
    get="getRestPrivateEndpoint",
    create="createRestPrivateEndpoint",
    delete="requestPrivateEndpointDeletion",
    below="encryptionAtRest",
    api_version="2023-01-01",
)

BLOCKS: Mapping[str, str] = {"AWS": "awsKms", "AZURE": "azureKeyVault"}
"""The part of a project's encryption at rest that a cloud has."""

CLOUDS = frozenset({"AWS", "AZURE", "GCP"})

_NAME = re.compile(r"[A-Za-z0-9_(][A-Za-z0-9_.()-]{0,259}")
"""What Azure takes for the name of a resource, of a group of them, or of a subscription: no option, and nothing that hides."""


@dataclass(frozen=True, slots=True)
class Block:
    """What a project's encryption at rest has for a cloud; the vault is Azure's."""

    enabled: bool = False
    requires_private_networking: bool = False
    subscription: str | None = None
    resource_group: str | None = None
    vault: str | None = None

    def approval_of(self, connection: str | None) -> str | None:
        """Return the command that approves a connection to the Key Vault, or None if Atlas does not show all that it needs, as Azure names it."""
        values = {
            "--subscription": self.subscription,
            "--resource-group": self.resource_group,
            "--resource-name": self.vault,
            "--name": connection,
        }
        # People paste it into a shell, and somebody else has named these things.
        if not all(_NAME.fullmatch(value or "") for value in values.values()):
            return None
        options = " ".join(f"{option} {shlex.quote(value or '')}" for option, value in values.items())
        command = f"az network private-endpoint-connection approve --type Microsoft.KeyVault/vaults {options}"
        return command if as_shown(command) == command else None


Encryption: TypeAlias = Mapping[str, Block]
"""A project's encryption at rest, by cloud."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster, as far as it needs a key.

    Attributes:
        provider: the cloud whose key encrypts it, or NONE; what is another word may be any of them.
        nodes: where it has them: the cloud, which may be another word, and the region in Atlas's spelling; "": Atlas does not show it.
    """

    name: str
    provider: str
    nodes: frozenset[tuple[str, str]]

    def regions_by_key(self, provider: str) -> Collection[str]:
        """Return the regions of a cloud where its nodes may need a key of this cloud; "" for one that Atlas does not show."""
        if self.provider in {"NONE", *CLOUDS} - {provider}:
            return ()
        return [region for cloud, region in self.nodes if cloud not in CLOUDS - {provider}]


def encryption_in(answer: Any) -> Encryption | None:
    """Return the encryption at rest in an answer, or None if it is none, or has something else in the place of a block or a switch."""
    found = {cloud: answer.get(name) or {} for cloud, name in BLOCKS.items()} if isinstance(answer, dict) else {}
    are_readable = found and all(_is_readable(each) for each in found.values())
    return {cloud: _block_in(each) for cloud, each in found.items()} if are_readable else None


def _is_readable(block: Any) -> bool:
    return isinstance(block, dict) and all(
        isinstance(block.get(name) or False, bool) for name in ("enabled", "requirePrivateNetworking")
    )


def _block_in(value: Mapping[str, Any]) -> Block:
    texts = (text_of(value.get(name)) for name in ("subscriptionID", "resourceGroupName", "keyVaultName"))
    return Block(value.get("enabled") is True, value.get("requirePrivateNetworking") is True, *texts)


def clusters_in(items: Any) -> Sequence[Cluster] | None:
    """Return the clusters in the items of a LIST, or None if one of them is none."""
    return all_of(items, _cluster_in)


def _cluster_in(item: Any) -> Cluster | None:
    name = text_of(item.get("name")) if isinstance(item, dict) else None
    if not name:
        return None
    configs = [
        config for spec in _objects(item.get("replicationSpecs")) for config in _objects(spec.get("regionConfigs"))
    ]
    nodes = {(text_of(each.get("providerName")) or "", text_of(each.get("regionName")) or "") for each in configs}
    return Cluster(name, text_of(item.get("encryptionAtRestProvider")) or "", frozenset(nodes))


def _objects(value: Any) -> Sequence[Mapping[str, Any]]:
    """Return the objects of a list; an empty one for each that is not readable, and for a list that is not."""
    found = value if isinstance(value, list) else []
    return [each if isinstance(each, dict) else {} for each in found] or [{}]


ENCRYPTION = ProjectRead("getEncryptionAtRest", "encryptionAtRest", "2023-01-01", encryption_in)
CLUSTERS = ProjectRead("listClusters", "clusters", "2024-08-05", clusters_in, paged=True, page_size=20)
"""A cluster may have 50 shards, which take 100 KiB."""
BESIDE: Mapping[str, ProjectRead] = {"encryptionAtRest": ENCRYPTION, "clusters": CLUSTERS}
