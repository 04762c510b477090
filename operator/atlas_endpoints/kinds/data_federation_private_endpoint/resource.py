"""The resource ``DataFederationPrivateEndpoint``: its spec, its status and its CRD. Pure."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from typing_extensions import override

from atlas_endpoints.kinds.cloud_endpoint import (
    Comment,
    EitherSource,
    Region,
    RegisteredSpec,
    config_maps_of_their_own,
    connection_rules,
    ip_of,
    kept,
)
from atlas_endpoints.kinds.data_federation_private_endpoint.service_names import service_name
from atlas_endpoints.kinds.lives.registered import RegisteredResource
from atlas_endpoints.kinds.parts.fields import Entry, Sent
from atlas_endpoints.kinds.regions import atlas_name, same_region
from atlas_endpoints.reconcile.crd import Column, Crd, Rule, map_by, only_one
from atlas_endpoints.reconcile.resource import Reference
from atlas_endpoints.reconcile.spec import (
    ApiVersion,
    AsWritten,
    ConfigMapRef,
    FieldPath,
    ObjectKind,
    ObjectRef,
    api_version_such_as,
    cel_matches,
    kind_such_as,
    leads_to_a_field,
    matches,
    pattern,
)
from atlas_endpoints.reconcile.status import Shown, Status, as_shown

SCOPE = "Data Federation"
"""The name of the scope, which is the project; for people, too."""

_DNS_NAME = r"([a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?[.])+[a-zA-Z]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"
_LONGEST_DNS_NAME = 253
_DATABASE = r"[^\x00-\x20/\x7f]+"

_ONLY_ON_AWS = "may only be set when `providerName` is AWS: remove the field"


def is_vpc_endpoint_name(text: str) -> bool:
    """Return whether a text is a DNS name that AWS gave a VPC endpoint."""
    is_dns_name = len(text) <= _LONGEST_DNS_NAME and matches(_DNS_NAME, text)
    return is_dns_name and matches(r"(?i)vpce-[0-9a-f]{17}-.+[.]vpce[.]amazonaws[.]com([.]cn)?", text)


DnsName = Annotated[
    str,
    Field(max_length=_LONGEST_DNS_NAME),
    pattern(
        _DNS_NAME,
        "must be a DNS name of the VPC endpoint, such as `vpce-0123456789abcdef0-abcdefgh.vpce-svc-0123456789abcdef0.eu-west-1.vpce.amazonaws.com`",
    ),
]


class DnsNameRef(ObjectRef):
    """An object that contains the DNS name; the known kind is that of AWS Controllers for Kubernetes (ACK)."""

    known_paths: ClassVar = {("ec2.services.k8s.aws", "VPCEndpoint"): "status.dnsEntries[0].dnsName"}
    cel_rules: ClassVar = [
        leads_to_a_field(
            known_paths,
            "Required value: must be set unless the kind is VPCEndpoint of ec2.services.k8s.aws: add the path of the field that"
            " holds the DNS name, such as `.status.atProvider.dnsEntry[0].dnsName`",
        ),
    ]

    api_version: Annotated[ApiVersion, api_version_such_as("ec2.services.k8s.aws/v1alpha1")]
    """The group and version of the object, such as `ec2.services.k8s.aws/v1alpha1`. Required."""
    kind: Annotated[ObjectKind, kind_such_as("VPCEndpoint")]
    """The kind of the object, such as `VPCEndpoint`. Required."""
    field_path: FieldPath | None = None
    """The field that contains the DNS name, as field names separated by dots, such as
    `.status.atProvider.dnsEntry[0].dnsName`. Default for a VPCEndpoint of ACK: `.status.dnsEntries[0].dnsName`. Required for
    other kinds."""


class DnsNameFrom(EitherSource):
    """The source of the DNS name."""

    words: ClassVar = {"value": "DNS name", "writer": "", "object_ref": ", such as a VPCEndpoint of ACK"}

    object_ref: DnsNameRef | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen


class AddressRef(ObjectRef):
    """An object that contains the address; no kind is known that does so in one field."""

    known_paths: ClassVar[Mapping[tuple[str, str], str]] = {}
    cel_rules: ClassVar = [
        leads_to_a_field(
            known_paths,
            "Required value: must be set: add the path of the field that holds the address, such as `.status.atProvider.privateIpAddress`",
        ),
    ]

    api_version: Annotated[ApiVersion, api_version_such_as("network.azure.m.upbound.io/v1beta1")]
    """The group and version of the object, such as `network.azure.m.upbound.io/v1beta1`. Required."""
    kind: Annotated[ObjectKind, kind_such_as("PrivateEndpoint")]
    """The kind of the object, such as `PrivateEndpoint`. Required."""
    field_path: FieldPath | None = None
    """The field that contains the address, as field names separated by dots, such as `.status.atProvider.privateIpAddress`.
    Required."""


class AddressFrom(EitherSource):
    """The source of the address."""

    words: ClassVar = {"object_ref": ""}

    object_ref: AddressRef | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen


class FederatedDatabase(AsWritten):
    """One federated database instance."""

    name: Annotated[
        str,
        Field(max_length=64),
        Rule(
            f'self.{cel_matches(_DATABASE)} && self != "." && self != ".."',
            "must be the name of a federated database, without white space and `/`",
        ),
    ]
    """The name of the federated database instance in Atlas. Required."""
    config_map_ref: ConfigMapRef
    """A ConfigMap in the namespace of this resource that the operator creates and updates. Its keys are `hostname`,
    `federatedDatabaseName`, `endpointId`, `providerName` and `region`. {own_config_map} Required."""


def _same_dns_name(text: str) -> str:
    return text.casefold().rstrip(".")


class Spec(RegisteredSpec):
    """The spec. AWS's region is sent with the DNS name only, as Atlas demands."""

    cel_rules: ClassVar = [
        Rule(
            """has(oldSelf.region) ? has(self.region) && self.region == oldSelf.region
            : !has(self.region) || !(has(oldSelf.cloudProviderEndpointId) || has(oldSelf.cloudProviderEndpointRef))""",
            "may not be changed or removed, nor added to a private endpoint: Atlas ignores another region of an endpoint, and another"
            " spelling (`EU_WEST_1`, `eu-west-1`) is the same region; for another region of the same endpoint, {made_again}",
            "region",
        ),
        Rule(
            """has(oldSelf.customerEndpointDnsName) || has(oldSelf.customerEndpointDnsNameFrom)
            ? has(self.customerEndpointDnsNameFrom)
            || has(self.customerEndpointDnsName) && (!has(oldSelf.customerEndpointDnsName)
            || self.customerEndpointDnsName.lowerAscii() == oldSelf.customerEndpointDnsName.lowerAscii())
            : !(has(self.customerEndpointDnsName) || has(self.customerEndpointDnsNameFrom))
            || !(has(oldSelf.cloudProviderEndpointId) || has(oldSelf.cloudProviderEndpointRef))""",
            "may not be changed or removed, nor added to a private endpoint: Atlas ignores another DNS name of an endpoint; for another"
            " DNS name of the same endpoint, {made_again}",
            "customerEndpointDnsName",
        ),
        *connection_rules(),
        Rule(
            'self.providerName == "AWS" || !has(self.customerEndpointDnsName)', _ONLY_ON_AWS, "customerEndpointDnsName"
        ),
        Rule(
            'self.providerName == "AWS" || !has(self.customerEndpointDnsNameFrom)',
            _ONLY_ON_AWS,
            "customerEndpointDnsNameFrom",
        ),
        only_one("customerEndpointDnsName", "customerEndpointDnsNameFrom"),
        Rule(
            """self.providerName != "AWS" || has(self.region)
            || !(has(self.customerEndpointDnsName) || has(self.customerEndpointDnsNameFrom))""",
            "Required value: must be set together with `customerEndpointDnsName`: add the region of the VPC endpoint",
            "region",
        ),
        config_maps_of_their_own("federatedDatabases", "federated database"),
    ]

    provider_name: Literal["AWS", "AZURE"]  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    """The cloud of the endpoint: `AWS` or `AZURE`. Required; never changes."""
    region: Region | None = None
    """The region of the private endpoint: Atlas's name, such as `EU_WEST_1`, or the cloud's, such as `eu-west-1`. With it,
    `status.serviceName` shows to which service of Atlas a VPC endpoint in AWS must connect. The operator sends Atlas's name; on
    AWS only together with `customerEndpointDnsName`, which Atlas demands. You can add the field until a private endpoint is
    named; once set, it never changes."""
    private_endpoint_ip_address_from: AddressFrom | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    customer_endpoint_dns_name: DnsName | None = None
    """AWS only: the first DNS name of the VPC endpoint. With it and `region`, Atlas returns hostnames of the region. You can add
    the field until a private endpoint is named; once set, it never changes, because Atlas ignores another DNS name."""
    customer_endpoint_dns_name_from: DnsNameFrom | None = None
    """The source of the DNS name, instead of `customerEndpointDnsName`: exactly one of `configMapKeyRef` and `objectRef`. The
    operator reads it at the same times as `cloudProviderEndpointRef`. The DNS name stays the one to which it first resolved
    (`status.resolved.customerEndpointDnsName`): the operator reports another one and does not send it. You can replace the
    source with another one, or with the DNS name to which it resolved."""
    comment: Comment | None = None
    """{comment}"""
    federated_databases: Annotated[
        tuple[FederatedDatabase, ...], Field(strict=False, max_length=16, json_schema_extra=map_by("name"))
    ] = ()
    """The federated database instances whose hostname for this endpoint the operator writes to ConfigMaps, for the applications
    that use the endpoint. The operator writes a ConfigMap when Atlas returns the hostname (condition OutputsWritten), and never
    writes the public hostname. {outputs_on}"""

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
        "region": Sent(),
        "customer_endpoint_dns_name": Sent("customerEndpointDNSName", key=_same_dns_name),
        "private_endpoint_ip_address": Sent("customerEndpointIPAddress", "customer_endpoint_ip_address", ip_of),
        "comment": Sent(key=as_shown, changes=True),
    }

    @property
    @override
    def desired(self) -> Mapping[str, str]:
        values = {**super().desired, "region": self.region_in_atlas}
        sends_region = self.provider_name == "AZURE" or self.customer_endpoint_dns_name is not None
        return {
            name: value for name, value in values.items() if value is not None and (sends_region or name != "region")
        }


class EndpointStatus(Entry):
    """The endpoint as the status shows it; ``region`` is as Atlas spells it."""

    id_name = "endpointId"
    id_pattern = r"(?s).+"
    in_atlas: ClassVar = {
        "customer_endpoint_dns_name": "customerEndpointDNSName",
        "customer_endpoint_ip_address": "customerEndpointIPAddress",
    }

    id: Shown
    """The private endpoint in the cloud, as Atlas stores it."""
    provider: Shown | None = None
    """The cloud, as Atlas stores it."""
    comment: Shown | None = None
    """The comment, as Atlas stores it."""
    region: Shown | None = None
    """The region, as Atlas stores it."""
    customer_endpoint_dns_name: Shown | None = None
    """AWS only. The DNS name, as Atlas stores it."""
    customer_endpoint_ip_address: Shown | None = None
    """AZURE only. The private IP address, as Atlas stores it."""
    azure_link_id: Shown | None = None
    """AZURE only. An ID that Atlas gives the connection."""


class DataFederationStatus(Status):
    """The status of the kind."""

    endpoint: EndpointStatus | None = None
    """The endpoint as Atlas last returned it; absent until it is registered. {as_returned}"""
    service_name: Shown | None = None
    """AWS only. The service of Atlas in `spec.region` to which your VPC endpoint must connect; absent when this version of the
    operator does not know it."""


class DataFederationPrivateEndpoint(RegisteredResource, frozen=True):
    """DataFederationPrivateEndpoint describes one private endpoint of your network for all federated database instances and Online Archives of a MongoDB Atlas project.

    The operator shows what your private endpoint must connect to, registers the private endpoint in Atlas, and writes the state
    in Atlas to the status. It retries failed calls. {retained} {annotations} {removes_only}
    """

    spec_type: ClassVar = Spec
    status_type: ClassVar = DataFederationStatus
    scope: ClassVar = SCOPE
    bound_by: ClassVar = ("endpoint", "applied")
    crd: ClassVar = Crd(
        short_name="dfpe",
        selectable=("projectId", "providerName", "region", "cloudProviderEndpointId"),
        columns=(Column("Region", ".spec.region"),),
        wide=(
            Column("Service", ".status.serviceName", "The service of Atlas to which a VPC endpoint connects"),
            Column(
                "Cloud-Endpoint", ".status.endpoint.id", "The private endpoint in the cloud that is registered in Atlas"
            ),
        ),
        applied={"region": "The confirmed `spec.region`, as Atlas stores it."},
        resolved={
            "cloudProviderEndpointId": "The private endpoint in the cloud; {first_id}",
            "region": "The region that is sent to Atlas; absent when none is sent.",
            "customerEndpointDnsName": "The DNS name; absent when there is none. With `spec.customerEndpointDnsNameFrom`, the name to"
            " which it first resolved, which the endpoint keeps.",
            "privateEndpointIpAddress": "{first_address}",
        },
        body={
            "endpointId": "The private endpoint in the cloud.",
            "provider": "The cloud.",
            "type": "Always `DATA_LAKE`.",
            "region": "The region.",
            "customerEndpointDNSName": "AWS only. The DNS name.",
            "customerEndpointIPAddress": "AZURE only. The private IP address.",
            "comment": "The comment.",
        },
    )
    cel_rules: ClassVar = [
        kept(
            "customerEndpointDnsName",
            "customerEndpointDnsNameFrom",
            "DNS name",
            "{old}.lowerAscii() == {new}.lowerAscii()",
            "for another DNS name of the same endpoint, {made_again}",
        ),
    ]
    words: ClassVar = {
        "cloud_id": "; it requires `privateEndpointIpAddress`, too. The private endpoint of a cluster cannot serve here. If the field is"
        " absent, the status only shows what your private endpoint must connect to (reason WaitingForCloudEndpoint). {set_later}",
        "reported": "differences (reason Drifted, `status.drift`), or that the endpoint is missing",
        "drift": "somebody changes the comment or deletes the endpoint in Atlas. `Correct` (default): it sends the comment, or registers"
        " the endpoint, again. `Report`: it only reports this (reasons Drifted and EndpointNotFound, `status.drift`). Other differences,"
        " which Atlas cannot change, it only reports. With both values, it sends your own edits.",
        "outputs": "and updates. Its keys are `endpointServiceName` (AWS, in a known region) and `endpointId`, as far as they are known",
        "provision": "move the endpoint from one state to the next",
        "provisioned": "the next state is reached",
        "ready": "Atlas has the values of the spec and reports OK",
        "config_maps": "ConfigMaps",
        "states": "PENDING (AZURE), OK, FAILED, DELETING",
        "operation": "createPrivateEndpointId",
        "methods": "`POST` to register the endpoint or to change its comment, or `DELETE` to remove a failed endpoint before it is"
        " registered again",
    }

    spec: Spec
    """The desired state. `projectId` (or the ID to which `projectRef` refers) and `cloudProviderEndpointId` identify the endpoint.
    `region`, `customerEndpointDnsName` and `privateEndpointIpAddress` are sent when the endpoint is registered; Atlas ignores
    their edits later, so they never change once the endpoint is named. Atlas changes only the `comment`. {others_change}"""
    status: DataFederationStatus

    @property
    @override
    def entry(self) -> str | None:
        return None if self.endpoint_id is None else self.endpoint_id.lower()

    @property
    @override
    def references(self) -> Sequence[Reference]:
        found = [*super().references]
        source = self.spec.customer_endpoint_dns_name_from
        if source is not None and (target := source.target(self.metadata.namespace)) is not None:
            # A status shows what a reference gives, which shall be no other text of somebody's object.
            expected = "a DNS name of a VPC endpoint, which begins with vpce-"
            found.append(Reference("customer_endpoint_dns_name", target, is_vpc_endpoint_name, expected))
        return found

    @override
    def same(self, field: str, one: str | None, other: str | None) -> bool:
        if field == "region":
            return same_region(self.spec.provider_name, one or "", other or "")
        return super().same(field, one, other)
