"""The resource ``StreamPrivateEndpoint``: its spec with the rules of the CRD, and its status. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field
from typing_extensions import override

from atlas_endpoints.kinds.cloud_endpoint import Provider, Region
from atlas_endpoints.kinds.made_by_atlas_resource import MadeResource, MadeStatus
from atlas_endpoints.kinds.parts.fields import DeclaredSpec, Sent
from atlas_endpoints.kinds.regions import atlas_name
from atlas_endpoints.kinds.stream_private_endpoint.atlas import Connection, ConnectionState, target_of
from atlas_endpoints.kinds.stream_private_endpoint.services import (
    NO_SERVICE,
    SERVICE_IDS,
    SERVICES,
    Arn,
    AttachmentUri,
    Domain,
    ManagedField,
    ResourceId,
    SubDomain,
)
from atlas_endpoints.reconcile.spec import ConfigMapRef, Duration, duplicates, matches
from atlas_endpoints.reconcile.status import Shown, ShownEntry, StatusModel, Time

SCOPE = "Stream Processing"
"""The name of the scope, which is the project; for people, too."""

GOING = frozenset[str]({ConnectionState.DELETE_REQUESTED, ConnectionState.DELETING})
"""The states of a connection that Atlas deletes."""

_LISTS = (ManagedField.AZURE_RESOURCE_IDS, ManagedField.GCP_SERVICE_ATTACHMENT_URIS, ManagedField.DNS_SUB_DOMAIN)
_DOMAINS = frozenset({ManagedField.DNS_DOMAIN, ManagedField.DNS_SUB_DOMAIN})


class Spec(DeclaredSpec):
    """The spec; ``kubectl explain strpe.spec`` describes each field. Without ``vendor``, it is Event Hubs."""

    provider_name: Provider
    vendor: (
        Literal["MSK", "CONFLUENT", "S3", "LAMBDA", "KINESIS", "EVENTHUB", "AZURE_BLOB_STORAGE", "PUBSUB"] | None
    ) = None
    region: Region | None = None
    service_endpoint_id: Annotated[str, Field(max_length=300)] | None = None
    arn: Arn | None = None
    azure_resource_ids: Annotated[tuple[ResourceId, ...], Field(strict=False, max_length=3)] = ()
    gcp_service_attachment_uris: Annotated[tuple[AttachmentUri, ...], Field(strict=False, max_length=3)] = ()
    dns_domain: Domain | None = None
    dns_sub_domain: Annotated[tuple[SubDomain, ...], Field(strict=False, max_length=8)] = ()
    authentication_scheme: Literal["TLS", "SASL_SCRAM", "IAM"] | None = None
    output_config_map_ref: ConfigMapRef | None = None
    provisioning_timeout: Duration | None = timedelta(hours=3)

    sent: ClassVar = {
        "vendor": Sent("vendor"),
        "region": Sent("region"),
        "service_endpoint_id": Sent("serviceEndpointId"),
        "arn": Sent("arn"),
        "azure_resource_ids": Sent("azureResourceIds"),
        "gcp_service_attachment_uris": Sent("gcpServiceAttachmentUris"),
        "dns_domain": Sent("dnsDomain", changes=True),
        "dns_sub_domain": Sent("dnsSubDomain"),
        "authentication_scheme": Sent("authenticationScheme"),
    }

    @property
    def service(self) -> tuple[str, str]:
        """Its cloud and its vendor."""
        return self.provider_name, self.vendor or "EVENTHUB"

    @property
    def region_in_atlas(self) -> str:
        """Atlas's name of the region, which an ARN contains."""
        return atlas_name(self.provider_name, self.region or (self.arn or "").partition(":kafka:")[2].partition(":")[0])

    @property
    def _set(self) -> Mapping[str, Any]:
        """What is set of the fields that are sent to Atlas, by their names."""
        values = self.model_dump(by_alias=True, include={"vendor", *map(_python_name, ManagedField)})
        return {field: values[field] for field in ManagedField if values[field]}

    @property
    def body(self) -> Mapping[str, Any]:
        """The body of the POST."""
        values = {name: [*value] if name in _LISTS else value for name, value in self._set.items()}
        if self.region is not None:
            values[ManagedField.REGION] = self.region_in_atlas
        if self.service == ("AWS", "CONFLUENT"):
            values.setdefault(ManagedField.DNS_SUB_DOMAIN, [])  # Atlas demands it
        return {"provider": self.provider_name, **values}

    @property
    @override
    def desired(self) -> Mapping[str, str]:
        return {field: ",".join(sorted(value)) if field in _LISTS else value for field, value in self._set.items()}

    @override
    def violations(self) -> Iterator[tuple[str, str]]:
        yield from super().violations()
        for field in _LISTS:
            yield from duplicates(field, self._set.get(field, ()))
        service, id_ = SERVICES.get(self.service), SERVICE_IDS.get(self.service)
        if service is None:
            yield ManagedField.VENDOR, NO_SERVICE
            return
        described = self._set.keys() - {ManagedField.VENDOR}
        if not service.needs <= described <= service.needs | service.takes:
            yield ManagedField.VENDOR, service.message
        if self.service_endpoint_id is not None and id_ is not None and not matches(id_[0], self.service_endpoint_id):
            yield ManagedField.SERVICE_ENDPOINT_ID, id_[1]


def _python_name(field: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in field)


class ConnectionStatus(ShownEntry):
    """The connection as the status shows it.

    Attributes:
        target: what it leads to; see ``atlas.target_of``.
    """

    id: Shown  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    status: Shown | None = Field(default=None, alias="state")
    status_since: Time | None = Field(default=None, alias="stateSince")
    target: Shown | None = None
    interface_endpoint_id: Shown | None = None
    interface_endpoint_name: Shown | None = None
    provider_account_id: Shown | None = None
    dns_domain: Shown | None = None

    @classmethod
    def of(cls, connection: Connection, target: str, since: datetime) -> Self:
        """Return the status of a connection that Atlas shows, or is about to delete; ``target`` is that of the spec."""
        return cls.model_validate({**asdict(connection), "target": target, "status_since": since})


class AccountStatus(StatusModel):
    """The account and the network of Atlas, from which the connection comes."""

    aws_account_id: Shown | None = None
    vpc_id: Shown | None = None
    azure_subscription_id: Shown | None = None
    virtual_network_name: Shown | None = None
    gcp_project_id: Shown | None = None
    vpc_network_name: Shown | None = None
    cidr_block: Shown | None = None


class StreamStatus(MadeStatus):
    """The status of the kind."""

    going: ClassVar = GOING

    connection: ConnectionStatus | None = None
    account: AccountStatus | None = None

    @property
    @override
    def made(self) -> ConnectionStatus | None:
        return self.connection


class StreamPrivateEndpoint(MadeResource, frozen=True):
    """A resource of the kind."""

    spec_type: ClassVar = Spec
    status_type: ClassVar = StreamStatus
    fields: ClassVar = tuple(field.value for field in ManagedField)

    spec: Spec
    status: StreamStatus

    @property
    @override
    def place(self) -> str:
        return target_in(self.spec.model_dump(by_alias=True))

    @property
    @override
    def called(self) -> str:
        return f"connection to {self.place}"

    @property
    @override
    def scope_name(self) -> str:
        return SCOPE

    @property
    @override
    def has_outputs(self) -> bool:
        return self.spec.output_config_map_ref is not None

    @property
    @override
    def connection(self) -> Mapping[str, str | None]:
        return {}

    @override
    def basis(self, value: Any) -> object:
        return replace(value, error_message=None)

    @override
    def same(self, field: str, one: str | None, other: str | None) -> bool:
        """Return whether two values of a field are equal; Atlas ends domains with a dot, or not."""
        if field in _DOMAINS:
            return _same_domains(one) == _same_domains(other)
        return super().same(field, one, other)

    @override
    def shown(self, value: Connection) -> Mapping[str, str | None]:
        """Return what the spec says, since the connection was found by that; the rest only if Atlas shows it, but for the domain."""
        found: Mapping[str, str | None] = {
            ManagedField.DNS_SUB_DOMAIN: ",".join(value.dns_sub_domain),
            ManagedField.AUTHENTICATION_SCHEME: value.authentication_scheme,
        }
        shown = {field: text for field, text in found.items() if text}
        return {**self.spec.desired, **shown, ManagedField.DNS_DOMAIN: value.dns_domain}


def _same_domains(text: str | None) -> frozenset[str]:
    return frozenset(each.strip(".").casefold() for each in (text or "").split(","))


def target_in(spec: Mapping[str, Any]) -> str:
    """Return what the connection of a spec leads to, by the names of its fields; "": nothing that is known."""
    return target_of({**spec, "provider": spec.get("providerName")})
