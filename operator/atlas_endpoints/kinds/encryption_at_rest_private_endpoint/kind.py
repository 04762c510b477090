"""The kind ``EncryptionAtRestPrivateEndpoint``: what an endpoint for encryption at rest rests on, and who needs it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from typing_extensions import override

from atlas_endpoints.cluster.api import Names
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint import atlas
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.atlas import Cluster, Encryption
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.resource import EncryptionAtRestPrivateEndpoint, Spec
from atlas_endpoints.kinds.made_by_atlas import Facts, some_of
from atlas_endpoints.kinds.regional import RegionalKind
from atlas_endpoints.kinds.regional_atlas import Endpoint, EndpointState
from atlas_endpoints.kinds.regional_decisions import NO_STEPS, RegionalReason, may_be_in_region
from atlas_endpoints.reconcile.decision import Decision, Get, State
from atlas_endpoints.reconcile.reasons import EventReason, Progress, ReadyReason, Reason
from atlas_endpoints.reconcile.resource import part
from atlas_endpoints.reconcile.status import condition_in


class EncryptionReason(ReadyReason):
    """The reasons of ``Ready`` that only this kind has."""

    WAITING_FOR_APPROVAL = "WaitingForApproval", "False", Progress.RECONCILING
    ENCRYPTION_NOT_CONFIGURED = "EncryptionNotConfigured", "False", Progress.GRACE
    PRIVATE_NETWORKING_REQUIRED = "PrivateNetworkingRequired", "False", Progress.GRACE


class EncryptionAtRestPrivateEndpoints(RegionalKind[EncryptionAtRestPrivateEndpoint]):
    """Endpoints through which clusters reach their keys in a KMS or a Key Vault."""

    names = Names(
        "atlas-endpoints.dev", "v1alpha1", "EncryptionAtRestPrivateEndpoint", "encryptionatrestprivateendpoints"
    )
    resource = EncryptionAtRestPrivateEndpoint
    reasons = (*Reason, *RegionalReason, *EncryptionReason)
    scopes = ("AWS", "AZURE")
    calls = atlas.CALLS
    beside = atlas.BESIDE
    templates: ClassVar[Mapping[str, str]] = {
        **atlas.CALLS.templates,
        **{each.operation: each.template for each in atlas.BESIDE.values()},
    }
    reads_beside = frozenset(each.operation for each in atlas.BESIDE.values())
    read_before_post = "encryptionAtRest"
    read_before_delete = "clusters"
    forced_deletion = "that deletes the endpoint all the same; the nodes lose their key."
    no_steps = NO_STEPS | {EndpointState.PENDING_ACCEPTANCE}  # a person may take any time to approve it
    keys = ("endpointId", "privateEndpointConnectionName", "providerName", "region")
    purpose = "encryption at rest"

    @override
    def body_of(self, spec: Spec) -> Mapping[str, str]:
        return {"regionName": spec.regions_in_atlas["region"]}

    @override
    def hindrance(self, facts: Facts, value: Encryption) -> State | None:
        provider = facts.resource.spec.provider_name
        block, name = value[provider], atlas.BLOCKS[provider]
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
    def needed_by(self, facts: Facts, endpoint: Endpoint, value: Iterable[Cluster]) -> str:
        spec = facts.resource.spec
        names = [
            each.name
            for each in value
            if any(may_be_in_region(facts, endpoint, region) for region in each.regions_by_key(spec.provider_name))
        ]
        if not names:
            return ""
        return f"These clusters have nodes in {spec.where} that may reach their key through endpoint {endpoint.id}: {some_of(names)}. Delete the clusters, move them to other regions, or switch off their encryption with your key."

    @override
    def accepting(self, facts: Facts, endpoint: Endpoint) -> Decision:
        if facts.resource.spec.provider_name != "AZURE":
            return super().accepting(facts, endpoint)
        name, known = endpoint.private_endpoint_connection_name, facts.resource.status
        is_known = known.endpoint is not None and known.endpoint.private_endpoint_connection_name == name
        command = known.approve_command if is_known else None
        gets = (Get("encryptionAtRest", beside=True, optional=True),) if command is None else ()
        if command is None:
            value = facts.view.value("encryptionAtRest")
            command = None if value is None else value["AZURE"].approval_of(name)
        what = f"the connection {name}" if name else "its connection, which Atlas has not named yet"
        how = (
            "Run the command in status.approveCommand"
            if command
            else "Do it in Azure (Key Vault, Networking, Private endpoint connections)"
        )
        message = (
            f"Endpoint {endpoint.id} waits until somebody approves {what}. {how}. Atlas shows that within some minutes."
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
