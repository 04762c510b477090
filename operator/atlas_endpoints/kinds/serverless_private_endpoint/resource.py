"""The resource ``ServerlessPrivateEndpoint``: its spec with the rules of the CRD, and its status. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from typing_extensions import override

from atlas_endpoints.cluster.api import Target
from atlas_endpoints.kinds.cloud_endpoint import (
    NO_ADDRESS,
    ON_AWS,
    AddressSource,
    Comment,
    EndpointResource,
    EndpointSpec,
)
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint, EndpointState
from atlas_endpoints.reconcile.resource import ENDPOINT_ANNOTATION, EndpointRecord
from atlas_endpoints.reconcile.spec import ConfigMapKeyRef, ConfigMapRef, InstanceName, ObjectId, rule
from atlas_endpoints.reconcile.status import Creation, Shown, ShownEntry, Status, Word

MARK = "atlas-endpoints.dev/"
"""The start of the comment of an endpoint that the operator has reserved; a resource's uid follows."""

_NOT_RESERVED = (
    "Required value: must be set when `managementPolicy` is Observe: the operator then reserves no endpoint; "
    "name the endpoint to observe"
)
_ID_MISSING = (
    "Required value: must be set together with `privateEndpointIpAddress`: "
    "add the resource ID of the private endpoint that has this address"
)


OwnComment = Annotated[
    Comment,
    rule(
        lambda text: not text.startswith("atlas-endpoints.dev/"),
        "must not begin with `atlas-endpoints.dev/`: the operator marks endpoints with it",
    ),
]


class ManagedField(StrEnum):
    """The fields that are sent to Atlas; their names in the spec and in Atlas's JSON are the same."""

    CLOUD_PROVIDER_ENDPOINT_ID = "cloudProviderEndpointId"
    PRIVATE_ENDPOINT_IP_ADDRESS = "privateEndpointIpAddress"
    COMMENT = "comment"


class PrivateEndpointIpAddressFrom(AddressSource):
    """The source of the private endpoint's address."""

    config_map_key_ref: ConfigMapKeyRef

    @override
    def target(self, namespace: str) -> Target:
        return self.config_map_key_ref.target(namespace)


class Spec(EndpointSpec):
    """The spec; ``kubectl explain spe.spec`` describes each field.

    A ``ManagedField`` that is None is not managed: Atlas keeps its value. ``comment == ""`` clears the comment. If
    ``endpoint_id`` is None, the operator reserves an endpoint.
    """

    instance_name: InstanceName
    provider_name: Literal["AWS", "AZURE"]  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    private_endpoint_ip_address_from: PrivateEndpointIpAddressFrom | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    endpoint_id: ObjectId | None = None
    comment: OwnComment | None = None
    connection_string_config_map_ref: ConfigMapRef | None = None

    @property
    @override
    def desired(self) -> Mapping[str, str]:
        values = {
            ManagedField.CLOUD_PROVIDER_ENDPOINT_ID: self.cloud_provider_endpoint_id,
            ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS: self.private_endpoint_ip_address,
            ManagedField.COMMENT: self.comment,
        }
        return {field: value for field, value in values.items() if value is not None}

    @override
    def violations(self) -> Iterator[tuple[str, str]]:
        yield from super().violations()
        if self.endpoint_id is None and self.management_policy == "Observe":
            yield "endpointId", _NOT_RESERVED
        yield from self.violations_of_connection(on_aws=ON_AWS, no_address=NO_ADDRESS, no_id=_ID_MISSING)


class EndpointStatus(ShownEntry):
    """The endpoint as the status shows it."""

    id: Shown | None = None
    provider_name: Shown | None = None
    cloud_provider_endpoint_id: Shown | None = None
    private_endpoint_ip_address: Shown | None = None
    endpoint_service_name: Shown | None = None
    private_link_service_resource_id: Shown | None = None
    comment: Shown | None = None

    @classmethod
    def of(cls, endpoint: Endpoint, since: datetime) -> "EndpointStatus":
        """Return the status of an endpoint that Atlas shows."""
        return cls(**asdict(endpoint), status_since=since)


class Reservation(Creation):
    """An endpoint that was, or is about to be, reserved because the spec names none.

    Attributes:
        endpoint_id: None: it is not known yet whether Atlas has reserved one.
        adopted: it was found by the annotation of an earlier resource, such as that of a backup, and not reserved for
            this one; it is retained until ``spec.endpointId`` names it.
    """

    endpoint_id: Word | None = None
    adopted: bool | None = None


class ServerlessStatus(Status):
    """The status of the kind."""

    endpoint: EndpointStatus | None = None
    reservation: Reservation | None = None

    @property
    @override
    def is_being_deleted(self) -> bool:
        return self.endpoint is not None and self.endpoint.status == EndpointState.DELETING

    @property
    @override
    def creation(self) -> Creation | None:
        reservation = self.reservation
        return reservation if reservation is not None and reservation.endpoint_id is None else None


class ServerlessPrivateEndpoint(EndpointResource, frozen=True):
    """A resource of the kind."""

    spec_type: ClassVar = Spec
    status_type: ClassVar = ServerlessStatus
    fields: ClassVar = tuple(field.value for field in ManagedField)

    spec: Spec
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
    def scope_name(self) -> str:
        return self.spec.instance_name

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
    def is_bound(self) -> bool:
        return self.status.endpoint is not None or self.status.reservation is not None

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
        return {
            ManagedField.CLOUD_PROVIDER_ENDPOINT_ID: self.spec.cloud_provider_endpoint_id,
            ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS: self.spec.private_endpoint_ip_address,
        }

    @property
    @override
    def has_outputs(self) -> bool:
        spec = self.spec
        return spec.output_config_map_ref is not None or spec.connection_string_config_map_ref is not None

    @override
    def shown(self, value: Endpoint) -> Mapping[str, str | None]:
        return shown(value)


def shown(endpoint: Endpoint) -> Mapping[str, str | None]:
    """Return the managed fields of an endpoint in Atlas."""
    return {
        ManagedField.CLOUD_PROVIDER_ENDPOINT_ID: endpoint.cloud_provider_endpoint_id,
        ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS: endpoint.private_endpoint_ip_address,
        ManagedField.COMMENT: endpoint.comment,
    }
