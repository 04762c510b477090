"""The resource ``DataFederationPrivateEndpoint``: its spec with the rules of the CRD, and its status. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from atlas_endpoints.kinds.cloud_endpoint import (
    NO_ADDRESS,
    NO_ID,
    ON_AWS,
    Comment,
    EitherSource,
    EndpointSpec,
    Region,
    ip_of,
)
from atlas_endpoints.kinds.data_federation_private_endpoint.services import service_name
from atlas_endpoints.kinds.parts.fields import DeclaredResource, DeclaredSpec, Entry, Sent
from atlas_endpoints.kinds.regions import atlas_name, same_region
from atlas_endpoints.kinds.registered import RegisteredResource
from atlas_endpoints.reconcile.resource import Reference
from atlas_endpoints.reconcile.spec import (
    ApiVersion,
    AsWritten,
    ConfigMapRef,
    ObjectKind,
    ObjectRef,
    api_version_such_as,
    duplicates,
    kind_such_as,
    matches,
    rule,
)
from atlas_endpoints.reconcile.status import Shown, Status

SCOPE = "Data Federation"
"""The name of the scope, which is the project; for people, too."""

_DNS_NAME = r"(?i)([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])+[a-z]([-a-z0-9]{0,61}[a-z0-9])?"
_LONGEST_DNS_NAME = 253
_DATABASE = r"[^\x00-\x20/\x7f]+"

_ONLY_ON_AWS = "may only be set when `providerName` is AWS: remove the field"
_NO_REGION = "Required value: must be set together with `customerEndpointDnsName`: add the region of the VPC endpoint"
_NAME_TWICE = "may not be set together with `customerEndpointDnsName`: keep one of the two"


def is_dns_name(text: str) -> bool:
    """Return whether a text is a DNS name of at least two labels."""
    return len(text) <= _LONGEST_DNS_NAME and matches(_DNS_NAME, text)


def is_database_name(text: str) -> bool:
    """Return whether a text may be the name of a federated database, which no path contains as a step to another one."""
    return matches(_DATABASE, text) and text not in {".", ".."}


def is_vpc_endpoint_name(text: str) -> bool:
    """Return whether a text is a DNS name that AWS gave a VPC endpoint."""
    return is_dns_name(text) and matches(r"(?i)vpce-[0-9a-f]{17}-.+[.]vpce[.]amazonaws[.]com([.]cn)?", text)


DnsName = Annotated[
    str,
    Field(max_length=_LONGEST_DNS_NAME),
    rule(
        is_dns_name,
        "must be a DNS name of the VPC endpoint, such as `vpce-0123456789abcdef0-abcdefgh.vpce-svc-0123456789abcdef0.eu-west-1.vpce.amazonaws.com`",
    ),
]


class DnsNameRef(ObjectRef):
    """An object that contains the DNS name; the known kind is that of AWS Controllers for Kubernetes (ACK)."""

    known_paths: ClassVar = {("ec2.services.k8s.aws", "VPCEndpoint"): "status.dnsEntries[0].dnsName"}
    no_field_path: ClassVar = (
        "Required value: must be set unless the kind is VPCEndpoint of ec2.services.k8s.aws: add the path of the field that"
        " holds the DNS name, such as `.status.atProvider.dnsEntry[0].dnsName`"
    )

    api_version: Annotated[ApiVersion, api_version_such_as("ec2.services.k8s.aws/v1alpha1")]
    kind: Annotated[ObjectKind, kind_such_as("VPCEndpoint")]


class DnsNameFrom(EitherSource):
    """The source of the DNS name."""

    object_ref: DnsNameRef | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen


class AddressRef(ObjectRef):
    """An object that contains the address; no kind is known that does so in one field."""

    known_paths: ClassVar[Mapping[tuple[str, str], str]] = {}
    no_field_path: ClassVar = "Required value: must be set: add the path of the field that holds the address, such as `.status.atProvider.privateIpAddress`"

    api_version: Annotated[ApiVersion, api_version_such_as("network.azure.m.upbound.io/v1beta1")]
    kind: Annotated[ObjectKind, kind_such_as("PrivateEndpoint")]


class AddressFrom(EitherSource):
    """The source of the address."""

    object_ref: AddressRef | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen


class FederatedDatabase(AsWritten):
    """A federated database whose hostname for this endpoint is written to a ConfigMap."""

    name: Annotated[
        str,
        Field(max_length=64),
        rule(is_database_name, "must be the name of a federated database, without white space and `/`"),
    ]
    config_map_ref: ConfigMapRef


def _same_dns_name(text: str) -> str:
    return text.casefold().rstrip(".")


class Spec(EndpointSpec, DeclaredSpec):
    """The spec; ``kubectl explain dfpe.spec`` describes each field.

    If no endpoint is named, the status shows the service to connect to. AWS's region is sent with the DNS name only, as Atlas
    demands.
    """

    provider_name: Literal["AWS", "AZURE"]  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    region: Region | None = None
    private_endpoint_ip_address_from: AddressFrom | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    customer_endpoint_dns_name: DnsName | None = None
    customer_endpoint_dns_name_from: DnsNameFrom | None = None
    comment: Comment | None = None
    federated_databases: Annotated[tuple[FederatedDatabase, ...], Field(strict=False, max_length=16)] = ()

    @property
    def has_dns_name(self) -> bool:
        """Whether it has a DNS name, or the source of one."""
        return self.customer_endpoint_dns_name is not None or self.customer_endpoint_dns_name_from is not None

    @property
    def service_name(self) -> str | None:
        """The service of Atlas to which a VPC endpoint connects, or None if it is not known."""
        return service_name(self.provider_name, self.region)

    @property
    def region_in_atlas(self) -> str | None:
        """Atlas's name of the region."""
        return None if self.region is None else atlas_name(self.provider_name, self.region)

    sent: ClassVar = {
        "cloud_provider_endpoint_id": Sent("endpointId", "id", str.casefold),
        "region": Sent("region"),
        "customer_endpoint_dns_name": Sent("customerEndpointDNSName", key=_same_dns_name),
        "private_endpoint_ip_address": Sent("customerEndpointIPAddress", "customer_endpoint_ip_address", ip_of),
        "comment": Sent("comment", changes=True),
    }

    @property
    @override
    def desired(self) -> Mapping[str, str]:
        values = {**super().desired, "region": self.region_in_atlas}
        sends_region = self.provider_name == "AZURE" or self.customer_endpoint_dns_name is not None
        return {
            name: value for name, value in values.items() if value is not None and (sends_region or name != "region")
        }

    @override
    def violations(self) -> Iterator[tuple[str, str]]:
        yield from super().violations()
        yield from self.violations_of_connection(on_aws=ON_AWS, no_address=NO_ADDRESS, no_id=NO_ID)
        yield from ((field, message) for field, is_wrong, message in self._rules if is_wrong)
        if self.private_endpoint_ip_address_from is not None:
            yield from self.private_endpoint_ip_address_from.violations("privateEndpointIpAddressFrom", "address")
        if self.customer_endpoint_dns_name_from is not None:
            yield from self.customer_endpoint_dns_name_from.violations("customerEndpointDnsNameFrom", "DNS name")
        yield from duplicates("federatedDatabases", (each.name for each in self.federated_databases))
        config_maps = (each.config_map_ref for each in self.federated_databases)
        yield from self.shared_config_maps("federatedDatabases", config_maps, "federated database")

    @property
    def _rules(self) -> Iterable[tuple[str, bool, str]]:
        """What may be wrong with the fields: each one, whether it is wrong, and the message."""
        name, source = self.customer_endpoint_dns_name, self.customer_endpoint_dns_name_from
        is_aws = self.provider_name == "AWS"
        return (
            ("customerEndpointDnsName", not is_aws and name is not None, _ONLY_ON_AWS),
            ("customerEndpointDnsNameFrom", not is_aws and source is not None, _ONLY_ON_AWS),
            ("customerEndpointDnsNameFrom", name is not None and source is not None, _NAME_TWICE),
            ("region", is_aws and self.has_dns_name and self.region is None, _NO_REGION),
        )


class EndpointStatus(Entry):
    """The endpoint as the status shows it; ``region`` is as Atlas spells it."""

    id_name = "endpointId"
    id_pattern = r"(?s).+"
    in_atlas: ClassVar = {
        "customer_endpoint_dns_name": "customerEndpointDNSName",
        "customer_endpoint_ip_address": "customerEndpointIPAddress",
    }

    provider: Shown | None = None
    comment: Shown | None = None
    region: Shown | None = None
    customer_endpoint_dns_name: Shown | None = None
    customer_endpoint_ip_address: Shown | None = None
    azure_link_id: Shown | None = None


class DataFederationStatus(Status):
    """The status of the kind.

    Attributes:
        service_name: of Atlas's service, to which a VPC endpoint in AWS connects.
    """

    endpoint: EndpointStatus | None = None
    service_name: Shown | None = None

    @property
    @override
    def is_being_deleted(self) -> bool:
        return self.endpoint is not None and self.endpoint.status == "DELETING"


class DataFederationPrivateEndpoint(DeclaredResource, RegisteredResource, frozen=True):
    """A resource of the kind."""

    spec_type: ClassVar = Spec
    status_type: ClassVar = DataFederationStatus

    spec: Spec
    status: DataFederationStatus

    @property
    @override
    def entry(self) -> str | None:
        return None if self.endpoint_id is None else self.endpoint_id.lower()

    @property
    @override
    def scope_name(self) -> str:
        return SCOPE

    @property
    @override
    def is_bound(self) -> bool:
        return self.status.endpoint is not None or self.status.applied is not None

    @property
    @override
    def references(self) -> Sequence[Reference]:
        found = [*super().references]
        if (source := self.spec.customer_endpoint_dns_name_from) is not None:
            # A status shows what a reference gives, which shall be no other text of somebody's object.
            target, expected = (
                source.target(self.metadata.namespace),
                "a DNS name of a VPC endpoint, which begins with vpce-",
            )
            found.append(Reference("customer_endpoint_dns_name", target, is_vpc_endpoint_name, expected))
        return found

    @property
    @override
    def has_outputs(self) -> bool:
        return self.spec.output_config_map_ref is not None or bool(self.spec.federated_databases)

    @override
    def same(self, field: str, one: str | None, other: str | None) -> bool:
        if field == "region":
            return same_region(self.spec.provider_name, one or "", other or "")
        return super().same(field, one, other)
