"""The resource ``ServerlessPrivateEndpoint``: its spec, its status and its CRD. Pure."""

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from atlas_endpoints.cluster.api import Target
from atlas_endpoints.kinds.cloud_endpoint import (
    AddressSource,
    Comment,
    EndpointResource,
    EndpointSpec,
    connection_rules,
    ip_of,
)
from atlas_endpoints.kinds.parts.fields import Entry, Sent
from atlas_endpoints.reconcile.crd import Column, Crd, Rule, fixed
from atlas_endpoints.reconcile.resource import ENDPOINT_ANNOTATION, EndpointRecord
from atlas_endpoints.reconcile.spec import ConfigMapKeyRef, ConfigMapRef, DeletionPolicy, InstanceName, ObjectId
from atlas_endpoints.reconcile.status import Creation, Shown, Status, Time, Word, as_shown

MARK = "atlas-endpoints.dev/"
"""The start of the comment of an endpoint that the operator has reserved; a resource's uid follows."""

FIELD = "cloudProviderEndpointId"
CONNECTION = (FIELD, "privateEndpointIpAddress")
"""The fields that connect a private endpoint, which Atlas takes together."""


OwnComment = Annotated[
    Comment,
    Rule(
        '!self.startsWith("atlas-endpoints.dev/")',
        "must not begin with `atlas-endpoints.dev/`: the operator marks endpoints with it",
    ),
]


class PrivateEndpointIpAddressFrom(AddressSource):
    """The source of the private endpoint's address."""

    config_map_key_ref: ConfigMapKeyRef
    """A key of a ConfigMap in the namespace of this resource. {writer} Required."""

    @override
    def target(self, namespace: str) -> Target:
        return self.config_map_key_ref.target(namespace)


class Spec(EndpointSpec):
    """The spec."""

    cel_rules: ClassVar = [
        fixed("instanceName", "may not be changed: an endpoint never moves to another instance; {instead_there}"),
        Rule(
            "!has(oldSelf.endpointId) || (has(self.endpointId) && self.endpointId == oldSelf.endpointId)",
            "may not be changed or removed: a resource represents one endpoint; create a second resource with the other ID, {moved}and"
            " delete this one {atlas_keeps}",
            "endpointId",
        ),
        Rule(
            """has(self.endpointId) || !has(self.managementPolicy) || self.managementPolicy != "Observe\"""",
            "Required value: must be set when `managementPolicy` is Observe: the operator then reserves no endpoint; name the"
            " endpoint to observe",
            "endpointId",
        ),
        *connection_rules(
            no_id="Required value: must be set together with `privateEndpointIpAddress`: add the resource ID of the private endpoint"
            " that has this address",
            needs_none='self.providerName != "AZURE"',
        ),
    ]

    instance_name: InstanceName
    """The name of the serverless instance in Atlas. It consists of at most 64 letters, digits and `-`, and begins with a letter or
    digit. Required; never changes."""
    provider_name: Literal["AWS", "AZURE"]  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    """The cloud of the instance: `AWS` or `AZURE`. Atlas requires it in every change. Required; never changes."""
    private_endpoint_ip_address_from: PrivateEndpointIpAddressFrom | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    """The source of the address, instead of `privateEndpointIpAddress`. The operator detects a changed value at the same times as
    for `cloudProviderEndpointRef`."""
    deletion_policy: DeletionPolicy | None = None
    """What happens to the endpoint when you delete this resource. `Retain` (default): the endpoint stays unchanged in Atlas, and
    the operator sets no finalizer. `Delete` (with `managementPolicy` Manage): the operator deletes the endpoint, and the
    resource waits until the endpoint is gone (finalizer `atlas-endpoints.dev/cleanup`). {kept_for_others}
    {deletion_annotation}"""
    endpoint_id: ObjectId | None = None
    """The ID of the endpoint in Atlas: 24 lower-case hexadecimal characters (`_id` in the answers of the Atlas Admin API). The
    operator manages only this endpoint. If the field is absent, the operator reserves an endpoint, and stores its ID in
    `status.reservation` and in the annotation `atlas-endpoints.dev/endpoint-id`. You can set the field to this ID later. Never
    changes."""
    comment: OwnComment | None = None
    """{comment} The text must not begin with `atlas-endpoints.dev/`, because the operator marks endpoints with this prefix."""
    connection_string_config_map_ref: ConfigMapRef | None = None
    """A ConfigMap in the namespace of this resource that the operator creates and updates, for the applications that use the
    endpoint. The key `connectionStringSrv` contains the private connection string for this endpoint, without credentials. The
    other keys are `endpointId`, `clusterName` (the instance), `providerName` and `region`. The operator writes the ConfigMap when
    the endpoint is AVAILABLE and Atlas returns the string, which can be minutes later (condition OutputsWritten). A written
    string stays until Atlas returns another one for this endpoint. The operator never writes the public string.
    {own_config_map} {outputs_on}"""

    sent: ClassVar = {
        "cloud_provider_endpoint_id": Sent(key=str.casefold, changes=True),
        "private_endpoint_ip_address": Sent(key=ip_of, changes=True),
        "comment": Sent(key=as_shown, changes=True),
    }


class EndpointStatus(Entry):
    """The endpoint as the status shows it."""

    id_name: ClassVar = "_id"
    id_pattern: ClassVar = r"(?s:.+)"  # recorded ones break the published pattern

    id: Shown = ""  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen; optional in the CRD
    """The endpoint's ID in Atlas."""
    provider_name: Shown | None = None
    """The cloud, as Atlas names it; some answers of Atlas do not contain it."""
    cloud_provider_endpoint_id: Shown | None = None
    """The private endpoint in the cloud, as Atlas stores it."""
    private_endpoint_ip_address: Shown | None = None
    """AZURE only. The private IP address, as Atlas stores it."""
    endpoint_service_name: Shown | None = None
    """The endpoint service to connect to. AWS: the service name for the VPC endpoint. AZURE: the name for the private endpoint's
    manual connection. Present from the state RESERVED on."""
    private_link_service_resource_id: Shown | None = None
    """AZURE only. The resource ID of the private link service, the target of the private endpoint's manual connection. Present
    from the state RESERVED on."""
    comment: Shown | None = None
    """The comment, as Atlas stores it."""


class Reservation(Creation):
    """An endpoint that was, or is about to be, reserved because the spec names none."""

    requested_at: Time
    """When the operator requested the endpoint. While `endpointId` is absent, the operator does not yet have the result from
    Atlas."""
    attempt: int = Field(default=1, ge=1)
    """The number of consecutive endpoints that were reserved and soon lost, including this one."""
    endpoint_id: Word | None = None
    """The ID of the endpoint in Atlas."""
    adopted: bool | None = None
    """Whether the operator found the endpoint by the annotation of an earlier resource, such as one in a backup, and did not
    reserve it for this resource. Until `spec.endpointId` names the endpoint, the operator retains it when you delete this
    resource."""


class ServerlessStatus(Status):
    """The status of the kind."""

    endpoint: EndpointStatus | None = None
    """The endpoint as Atlas last returned it. {as_returned}"""
    reservation: Reservation | None = None
    """The endpoint that the operator has reserved or is about to reserve for this resource, if `spec.endpointId` is absent."""

    @property
    @override
    def creation(self) -> Creation | None:
        reservation = self.reservation
        return reservation if reservation is not None and reservation.endpoint_id is None else None


class ServerlessPrivateEndpoint(EndpointResource, frozen=True):
    """ServerlessPrivateEndpoint describes one private endpoint of a MongoDB Atlas serverless instance.

    The operator changes the endpoint in Atlas to match the spec, through the Atlas Admin API. It writes the state in Atlas to the
    status, and retries failed calls. When you delete the resource, the endpoint in Atlas stays unchanged, unless `deletionPolicy`
    is Delete. {annotations} {removes_only}
    """

    spec_type: ClassVar = Spec
    status_type: ClassVar = ServerlessStatus
    scope_field: ClassVar = "instance_name"
    bound_by: ClassVar = ("endpoint", "reservation")
    crd: ClassVar = Crd(
        short_name="spe",
        selectable=("projectId", "instanceName", "providerName", "endpointId"),
        columns=(Column("Instance", ".spec.instanceName"),),
        wide=(
            Column("Endpoint-Id", ".status.endpoint.id"),
            Column(
                "Cloud-Endpoint",
                ".status.endpoint.cloudProviderEndpointId",
                "The private endpoint in the cloud that Atlas is connected to",
            ),
        ),
        resolved={
            "cloudProviderEndpointId": "The private endpoint in the cloud; absent when the operator does not manage it.",
            "privateEndpointIpAddress": "The private IP address; absent when the operator does not manage it.",
        },
        body={
            "cloudProviderEndpointId": "The private endpoint in the cloud that Atlas would receive and connect.",
            "privateEndpointIpAddress": "The private IP address that Atlas would receive.",
            "comment": "The comment that Atlas would receive; empty to clear it.",
            "providerName": {"description": "The cloud, which Atlas requires in every change.", "maxLength": 64},
        },
    )
    cel_rules: ClassVar = [
        Rule(
            """has(oldSelf.spec.endpointId) || !has(self.spec.endpointId) || !has(self.status) || !has(self.status.reservation)
            || (has(self.status.reservation.endpointId) && self.status.reservation.endpointId == self.spec.endpointId)""",
            "must be the endpoint that was reserved for this resource, whose ID is in `status.reservation.endpointId`; if there is no ID"
            " yet, wait until the endpoint is reserved",
            "spec.endpointId",
        ),
    ]
    words: ClassVar = {
        "in_a_project": "the endpoint in a project, or has requested an endpoint",
        "connects": "Atlas connects",
        "cloud_id": "; it requires `privateEndpointIpAddress`. If the field is absent, the operator does not manage it, and a RESERVED"
        " endpoint waits for it (reason WaitingForCloudEndpoint; `status.endpoint` contains the service to connect to). Atlas may refuse"
        " to change it when the endpoint is AVAILABLE (reason UpdateRejected, with Atlas's message).",
        "another_id": "It sends a changed ID like an edit.",
        "other_reference": "",
        "another_address": "Atlas documents IPv4 addresses only; the operator sends an IPv6 address as you write it.",
        "reported": "differences (reason Drifted, `status.drift`), or a missing endpoint",
        "drift": "somebody changes a managed field in Atlas, or an endpoint that it has reserved is lost. `Correct` (default): it sends"
        " your value again, or reserves another endpoint. `Report`: it only reports the difference (reason Drifted, `status.drift`) or the"
        " loss (reason EndpointNotFound). With both values, it sends your own edits.",
        "scope": "instance",
        "provision": "move the endpoint from one state to the next",
        "timeout_since": "`status.endpoint.statusSince`; for a RESERVED endpoint with a `cloudProviderEndpointId`, it starts at"
        " `status.lastAppliedTime` if that is later",
        "timeout_of": "the endpoint",
        "provisioned": "the endpoint reaches the next state",
        "outputs": "and updates. Its keys are `endpointId`, `endpointServiceName` and, on AZURE, `privateLinkServiceResourceId`: the values"
        " that the private endpoint in the cloud needs. The operator writes the ConfigMap when Atlas has returned all of these values",
        "ready": "Atlas has the values of the spec and reports AVAILABLE",
        "not_applied": "A field that the operator did not manage is absent.",
        "states": "RESERVATION_REQUESTED, RESERVED (waits for `spec.cloudProviderEndpointId`), INITIATING, AVAILABLE, FAILED, DELETING",
        "operation": "updateServerlessPrivateEndpoint",
        "methods": "`PATCH`, or `POST` to reserve an endpoint",
        "plan_for": "`status.endpoint.id` is the endpoint of the request.",
        "body_names": "",
        "differs": "Atlas differs",
        "differed": "Atlas differed",
        "reserves": "the resource has no endpoint",
        "reserved": "the resource had no endpoint",
        "or_thing": "",
    }

    spec: Spec
    """The desired state. `projectId` (or the ID to which `projectRef` refers), `instanceName`, `providerName` and `endpointId`
    identify the endpoint and never change. The operator sends `cloudProviderEndpointId`, `privateEndpointIpAddress` and `comment`
    to Atlas. If one of these three is absent, the operator does not manage it, and Atlas keeps its value. The other fields
    control how the operator works."""
    status: ServerlessStatus

    @property
    @override
    def entry(self) -> str | None:
        """The endpoint in the spec, or else the reservation in the status; None: none yet.

        The annotation counts only once it was copied to the status, so that an edit of it cannot move a resource to another
        endpoint.
        """
        if self.spec.endpoint_id is not None:
            return self.spec.endpoint_id
        return self.status.reservation.endpoint_id if self.status.reservation is not None else None

    @property
    @override
    def is_owner(self) -> bool:
        reservation = self.status.reservation
        return self.spec.endpoint_id is not None or reservation is None or not reservation.adopted

    @property
    @override
    def creates_its_own(self) -> bool:
        return self.spec.endpoint_id is None

    @classmethod
    @override
    def created_as_of(cls, uid: str) -> str:
        return f"{MARK}{uid}"

    @property
    @override
    def record(self) -> Mapping[str, str]:
        reservation = self.status.reservation
        if reservation is None or reservation.endpoint_id is None or reservation.adopted:
            return {}
        return {ENDPOINT_ANNOTATION: str(EndpointRecord(reservation.endpoint_id, self.metadata.uid))}

    @property
    @override
    def connection(self) -> Mapping[str, str | None]:
        desired = self.spec.desired
        return {field: desired.get(field) for field in CONNECTION}
