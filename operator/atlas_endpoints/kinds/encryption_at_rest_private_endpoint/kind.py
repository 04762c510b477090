"""The kind ``EncryptionAtRestPrivateEndpoint``: an endpoint through which clusters reach their key in a KMS or a Key Vault. Pure.

Source: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-encryption-at-rest-using-customer-key-management. They
have never been recorded; what is known of them comes from the tests of MongoDB's Terraform provider.
"""

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from typing_extensions import override

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.kinds.clusters import CLUSTERS, Cluster
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.resource import EncryptionAtRestPrivateEndpoint
from atlas_endpoints.kinds.lives.imports import regional_importer_of
from atlas_endpoints.kinds.lives.life import Facts
from atlas_endpoints.kinds.lives.made import some_of
from atlas_endpoints.kinds.lives.regional import REFUSALS, Regional, RegionalReason
from atlas_endpoints.kinds.parts.api import Api, Read
from atlas_endpoints.kinds.parts.states import States, Waits
from atlas_endpoints.kinds.regional_resource import EndpointStatus
from atlas_endpoints.reconcile.compare import Comparison
from atlas_endpoints.reconcile.decision import Decision, Get, State
from atlas_endpoints.reconcile.reasons import EventReason, Progress, ReadyReason, Reason
from atlas_endpoints.reconcile.resource import part
from atlas_endpoints.reconcile.status import as_shown, condition_in

BLOCKS: Mapping[str, str] = {"AWS": "awsKms", "AZURE": "azureKeyVault"}
"""The part of a project's encryption at rest that a cloud has."""

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


def encryption_in(answer: Any) -> Mapping[str, Block] | None:
    """Return the encryption at rest in an answer, by cloud, or None if it is none, or has something else in the place of a block or a switch."""
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


ENCRYPTION = Read(operation="getEncryptionAtRest", below="encryptionAtRest", parse=encryption_in)


class EncryptionReason(ReadyReason):
    """The reasons of ``Ready`` that only this kind has."""

    WAITING_FOR_APPROVAL = "WaitingForApproval", "False", Progress.RECONCILING
    ENCRYPTION_NOT_CONFIGURED = "EncryptionNotConfigured", "False", Progress.GRACE
    PRIVATE_NETWORKING_REQUIRED = "PrivateNetworkingRequired", "False", Progress.GRACE


class EncryptionAtRestPrivateEndpoints(Regional[EncryptionAtRestPrivateEndpoint]):
    """Such endpoints, what they rest on, and who needs them."""

    names = Names(
        "atlas-endpoints.dev", "v1alpha1", "EncryptionAtRestPrivateEndpoint", "encryptionatrestprivateendpoints"
    )
    resource, entry = EncryptionAtRestPrivateEndpoint, EndpointStatus
    purpose, scopes = "encryption at rest", ("AWS", "AZURE")
    reasons = (*Reason, *RegionalReason, *EncryptionReason)
    api = Api(
        below="encryptionAtRest/{cloudProvider}/privateEndpoints",
        one="endpointId",
        list="listRestPrivateEndpoints",
        get="getRestPrivateEndpoint",
        create="createRestPrivateEndpoint",
        delete="requestPrivateEndpointDeletion",
        refusals=REFUSALS,
    )
    reads: ClassVar = {"encryptionAtRest": ENCRYPTION, "clusters": CLUSTERS}
    read_before_post, read_before_delete = "encryptionAtRest", "clusters"
    forced_deletion = "that deletes the endpoint all the same; the nodes lose their key."
    # A person may take any time to approve it.
    states: ClassVar[States] = {
        **Regional.states,
        "PENDING_ACCEPTANCE": Waits("Atlas is connecting {what}.", is_step=False),
    }

    @override
    def hindrance(self, facts: Facts, value: Mapping[str, Block]) -> State | None:
        provider = facts.resource.spec.provider_name
        block, name = value[provider], BLOCKS[provider]
        where = "Set it in Atlas (Security, Advanced), or with Terraform; the operator never changes it."
        if not block.enabled:
            message = f"The project does not use keys of {provider} for encryption at rest ({name}.enabled), so Atlas makes no endpoint. {where}"
            return State(EncryptionReason.ENCRYPTION_NOT_CONFIGURED, message)
        if not block.requires_private_networking:
            message = (
                f"Encryption at rest of the project does not require private networking ({name}.requirePrivateNetworking), so Atlas"
                f" makes no endpoint. {where} Beware: this is for projects whose clusters are each in one cloud, and it disables their"
                " multi-cloud clusters."
            )
            return State(EncryptionReason.PRIVATE_NETWORKING_REQUIRED, message)
        return None

    @override
    def needed_by(self, facts: Facts, endpoint: EndpointStatus, value: Iterable[Cluster]) -> str:
        spec = facts.resource.spec
        names = [
            each.name
            for each in value
            if any(self.may_be_in_region(facts, endpoint, region) for region in each.regions_by_key(spec.provider_name))
        ]
        if not names:
            return ""
        return f"These clusters have nodes in {spec.where} that may reach their key through endpoint {endpoint.id}: {some_of(names)}. Delete the clusters, move them to other regions, or switch off their encryption with your key."

    @override
    def waits(self, facts: Facts, entry: EndpointStatus, found: Comparison, meaning: Waits) -> Decision:
        if entry.status != "PENDING_ACCEPTANCE" or facts.resource.spec.provider_name != "AZURE":
            return super().waits(facts, entry, found, meaning)
        name, status, gets = entry.private_endpoint_connection_name, facts.resource.status, tuple[Get, ...]()
        is_known = status.endpoint is not None and status.endpoint.private_endpoint_connection_name == name
        if (command := status.approve_command if is_known else None) is None:
            gets, value = (Get("encryptionAtRest", beside=True, optional=True),), facts.view.value("encryptionAtRest")
            command = None if value is None else value["AZURE"].approval_of(name)
        what = f"the connection {name}" if name else "its connection, which Atlas has not named yet"
        how = (
            "Run the command in status.approveCommand"
            if command
            else "Do it in Azure (Key Vault, Networking, Private endpoint connections)"
        )
        message = (
            f"Endpoint {entry.id} waits until somebody approves {what}. {how}. Atlas shows that within some minutes."
        )
        state = State(EncryptionReason.WAITING_FOR_APPROVAL, message, facts.polls, ())
        return Decision(state, gets=gets, own={"approve_command": command})

    @override
    def decide(self, facts: Facts) -> Decision:
        return _without_command(super().decide(facts))

    @override
    def decide_deletion(self, facts: Facts) -> Decision:
        return _without_command(super().decide_deletion(facts))

    @override
    def news(self, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[tuple[EventReason, str]]:
        yield from super().news(previous, status)
        ready = condition_in(status, "Ready")
        before, now = (
            [part(each, "endpoint").get(field) for field in ("id", "status", "privateEndpointConnectionName")]
            for each in (previous, status)
        )
        if ready.get("reason") == EncryptionReason.WAITING_FOR_APPROVAL and now[-1] and before != now:
            yield EventReason.ENDPOINT_WARNING, ready["message"]


def _without_command(decision: Decision) -> Decision:
    """Return a decision with which the command is in the status only while somebody has to run it."""
    return replace(decision, own={"approve_command": None, **decision.own})


KIND = EncryptionAtRestPrivateEndpoints()
IMPORTER = regional_importer_of(KIND, "mongodbatlas_encryption_at_rest_private_endpoint")
