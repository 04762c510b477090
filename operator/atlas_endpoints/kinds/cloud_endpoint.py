"""What resources of several kinds have: a private endpoint in a cloud, with its ID, its address and where they come from. Pure."""

import ipaddress
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field
from typing_extensions import override

from atlas_endpoints.cluster.api import Target
from atlas_endpoints.kinds.regions import is_region
from atlas_endpoints.reconcile.resource import Reference, Resource
from atlas_endpoints.reconcile.spec import (
    ApiVersion,
    AsWritten,
    CommonSpec,
    ConfigMapKeyRef,
    ConfigMapRef,
    ObjectKind,
    ObjectRef,
    api_version_such_as,
    kind_such_as,
    matches,
    rule,
)

Provider: TypeAlias = Literal["AWS", "AZURE", "GCP"]
"""A cloud; not every kind supports all of them."""

CLOUD_ID_LIMIT = 300
"""Characters of a private endpoint's ID in a cloud."""
_AWS_ID = r"vpce-[0-9a-f]{17}"
_AZURE_NAME = r"[^/\x00-\x20\x7f]"
_AZURE_ID = (
    r"(?i)/subscriptions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/resourcegroups/"
    rf"{_AZURE_NAME}{{1,90}}/providers/microsoft[.]network/privateendpoints/{_AZURE_NAME}{{1,80}}"
)
"""Atlas's published pattern also requires the resource group ``privateLink``, which Atlas's own samples break."""
_GCP_NAME = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"

CLOUD_IDS: Mapping[Provider, str] = {
    "AWS": "the ID of an AWS VPC endpoint (`vpce-` and 17 lower-case hexadecimal digits)",
    "AZURE": "the resource ID of an Azure private endpoint",
    "GCP": "the name of a Google Cloud forwarding rule",
}
"""What ``is_cloud_id`` accepts, for people."""

NO_CLOUD_ID: Mapping[Provider, str] = {
    "AWS": (
        "must be the ID of an AWS VPC endpoint: `vpce-` and 17 lower-case hexadecimal digits; "
        "leave the field out while there is none. If it is that of an Azure private endpoint, providerName is wrong"
    ),
    "AZURE": (
        "must be the resource ID of an Azure private endpoint: `/subscriptions/<GUID>/resourceGroups/<group>"
        "/providers/Microsoft.Network/privateEndpoints/<name>`; leave the field out while there is none. If it begins with `vpce-`,"
        " providerName is wrong"
    ),
    "GCP": (
        "must be the name of a Google Cloud forwarding rule: at most 63 lower-case letters, digits and `-`, beginning with a "
        "letter and not ending with `-`; leave the field out while there is none"
    ),
}
"""The message about a text that ``is_cloud_id`` does not accept."""

_NO_FIELD_PATH = (
    "Required value: must be set unless the kind is VPCEndpoint of ec2.services.k8s.aws or PrivateEndpoint of "
    "network.azure.com: add the path of the field that holds the ID, such as `.status.atProvider.id`"
)
_NO_ADDRESS_PATH = (
    "Required value: must be set unless the kind is ComputeAddress of compute.cnrm.cloud.google.com: add the path of "
    "the field that holds the address, such as `.status.atProvider.address`"
)
ON_AWS = (
    "may only be set when `providerName` is AZURE: Atlas identifies an AWS endpoint by its ID only; remove the field"
)
"""The message about an address of an endpoint in AWS."""
NO_ADDRESS = (
    "Required value: must be set together with `cloudProviderEndpointId` when `providerName` is AZURE: "
    "add the private IP address of that private endpoint"
)
NO_ID = (
    "Required value: must be set together with `privateEndpointIpAddress`: "
    "name the private endpoint that has this address"
)
_ID_TWICE = "may not be set together with `cloudProviderEndpointId`: keep one of the two"
_ADDRESS_TWICE = "may not be set together with `privateEndpointIpAddress`: keep one of the two"


def is_cloud_id(provider: Provider, text: str) -> bool:
    """Return whether a text is the ID of a private endpoint in a cloud."""
    if len(text) > CLOUD_ID_LIMIT:
        return False
    match provider:
        case "AWS":
            return matches(_AWS_ID, text)
        case "AZURE":
            return matches(_AZURE_ID, text)
        case "GCP":
            return is_gcp_name(text)


def is_gcp_name(text: str) -> bool:
    """Return whether a text is the name of a resource in Google Cloud, such as that of a forwarding rule."""
    return matches(_GCP_NAME, text)


def is_ip_address(text: str) -> bool:
    """Return the result of CEL's ``isIP``: no zone, no IPv4-mapped IPv6 address."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return isinstance(address, ipaddress.IPv4Address) or (address.scope_id is None and address.ipv4_mapped is None)


def ip_of(text: str | None) -> object:
    """Return the address in a text, for comparison; a text that is no address as it is; None: it is empty."""
    if not text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text
    # An IPv4-mapped IPv6 address is the same address.
    return (address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None) or address


Comment = Annotated[
    str,
    Field(max_length=80),
    rule(
        partial(matches, r"[^\x00-\x1f\x7f]*"),
        "must be one line without control characters; in YAML write it in quotes, not as a `|` block",
    ),
    rule(
        lambda text: text.strip() == text,
        "must not begin or end with white space: Atlas may strip it, so the comment would always differ",
    ),
]
"""The comment of an endpoint."""

Region = Annotated[
    str,
    Field(max_length=64),
    rule(
        is_region,
        "must be the name of a region, such as `EU_WEST_1` or `eu-west-1`, that is letters, digits, `-` and `_`",
    ),
]
"""The name of a region in Atlas or in the cloud."""

IpAddress = Annotated[
    str,
    Field(max_length=45),
    rule(is_ip_address, "must be an IP address such as 10.0.0.4, without leading zeros, mask or zone"),
]


class CloudProviderEndpointRef(ObjectRef):
    """An object that contains the ID of the private endpoint in the cloud.

    The known kinds are those of AWS Controllers for Kubernetes (ACK) and Azure Service Operator (ASO).
    """

    known_paths: ClassVar = {
        ("ec2.services.k8s.aws", "VPCEndpoint"): "status.vpcEndpointID",
        ("network.azure.com", "PrivateEndpoint"): "status.id",
    }
    no_field_path: ClassVar = _NO_FIELD_PATH

    api_version: Annotated[ApiVersion, api_version_such_as("ec2.services.k8s.aws/v1alpha1")]
    kind: Annotated[ObjectKind, kind_such_as("VPCEndpoint")]


class AddressRef(ObjectRef):
    """An object that contains the address of the private endpoint; the known kind is that of Config Connector."""

    known_paths: ClassVar = {("compute.cnrm.cloud.google.com", "ComputeAddress"): "status.observedState.address"}
    no_field_path: ClassVar = _NO_ADDRESS_PATH

    api_version: Annotated[ApiVersion, api_version_such_as("compute.cnrm.cloud.google.com/v1beta1")]
    kind: Annotated[ObjectKind, kind_such_as("ComputeAddress")]


class AddressSource(AsWritten):
    """The source of the private endpoint's address; a kind defines its fields."""

    @abstractmethod
    def target(self, namespace: str) -> Target:
        """Return where the address is."""


class EitherSource(AddressSource):
    """The source of a value; exactly one of the fields is set."""

    config_map_key_ref: ConfigMapKeyRef | None = None
    object_ref: ObjectRef | None = None

    @override
    def target(self, namespace: str) -> Target:
        (source,) = (each for each in (self.config_map_key_ref, self.object_ref) if each is not None)
        return source.target(namespace)

    def violations(self, field: str, what: str) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with it; ``what`` it holds, for people."""
        if self.config_map_key_ref is None and self.object_ref is None:
            message = f"Required value: must be set, unless `objectRef` names an object that holds the {what}"
            yield f"{field}.configMapKeyRef", message
        if self.config_map_key_ref is not None and self.object_ref is not None:
            yield f"{field}.objectRef", "may not be set together with `configMapKeyRef`: keep one of the two"


class EndpointSpec(CommonSpec):
    """The fields with which a spec names a private endpoint in a cloud; what they may contain depends on the kind."""

    provider_name: Provider
    cloud_provider_endpoint_id: Annotated[str, Field(max_length=CLOUD_ID_LIMIT)] | None = None
    cloud_provider_endpoint_ref: CloudProviderEndpointRef | None = None
    private_endpoint_ip_address: IpAddress | None = None
    private_endpoint_ip_address_from: AddressSource | None = None
    output_config_map_ref: ConfigMapRef | None = None

    @property
    def has_cloud_id(self) -> bool:
        """Whether it names a private endpoint, by its ID or by a reference."""
        return self.cloud_provider_endpoint_id is not None or self.cloud_provider_endpoint_ref is not None

    @property
    def has_address(self) -> bool:
        """Whether it has an address, or the source of one."""
        return self.private_endpoint_ip_address is not None or self.private_endpoint_ip_address_from is not None

    @override
    def violations(self) -> Iterator[tuple[str, str]]:
        yield from super().violations()
        if self.cloud_provider_endpoint_id is not None and self.cloud_provider_endpoint_ref is not None:
            yield "cloudProviderEndpointRef", _ID_TWICE
        if self.private_endpoint_ip_address is not None and self.private_endpoint_ip_address_from is not None:
            yield "privateEndpointIpAddressFrom", _ADDRESS_TWICE

    def shared_config_maps(self, field: str, named: Iterable[ConfigMapRef], what: str) -> Iterator[tuple[str, str]]:
        """Yield that a list of outputs names a ConfigMap that another output has; each item is for one ``what``."""
        names = [each.name for each in (*named, self.output_config_map_ref) if each is not None]
        if len(set(names)) < len(names):
            message = f"may not name one ConfigMap twice, nor that of `outputConfigMapRef`: give each {what} a ConfigMap of its own"
            yield field, message

    def violations_of_connection(self, *, on_aws: str, no_address: str, no_id: str) -> Iterator[tuple[str, str]]:
        """Yield what is wrong with the ID and the address, whose rules have texts of their own in each CRD.

        Args:
            on_aws: the message about an address of an endpoint in AWS, where it has none.
        """
        cloud_id, is_aws = self.cloud_provider_endpoint_id, self.provider_name == "AWS"
        if cloud_id is not None and not is_cloud_id(self.provider_name, cloud_id):
            yield "cloudProviderEndpointId", NO_CLOUD_ID[self.provider_name]
        if is_aws and self.private_endpoint_ip_address is not None:
            yield "privateEndpointIpAddress", on_aws
        if is_aws and self.private_endpoint_ip_address_from is not None:
            yield "privateEndpointIpAddressFrom", on_aws
        if not is_aws and self.has_cloud_id and not self.has_address:
            yield "privateEndpointIpAddress", no_address
        if not is_aws and not self.has_cloud_id and self.has_address:
            yield "cloudProviderEndpointId", no_id


class EndpointResource(Resource, frozen=True):
    """A resource that connects a private endpoint in a cloud."""

    spec: EndpointSpec

    @property
    @override
    def references(self) -> Sequence[Reference]:
        spec, namespace, found = self.spec, self.metadata.namespace, []
        if (cloud_id := spec.cloud_provider_endpoint_ref) is not None:
            cloud = spec.provider_name
            expected, is_valid = (
                f"{CLOUD_IDS[cloud]}, as spec.providerName {cloud} wants it",
                partial(is_cloud_id, cloud),
            )
            found.append(Reference("cloud_provider_endpoint_id", cloud_id.target(namespace), is_valid, expected))
        if (address := spec.private_endpoint_ip_address_from) is not None:
            expected = "an IP address such as 10.0.0.4, without white space, mask or zone"
            found.append(Reference("private_endpoint_ip_address", address.target(namespace), is_ip_address, expected))
        return found

    @override
    def unconnected(self) -> Mapping[str, str | None]:
        return {"cloud_provider_endpoint_id": None, "private_endpoint_ip_address": None}

    @override
    def same(self, field: str, one: str | None, other: str | None) -> bool:
        """Return whether two values of a field are equal.

        Atlas may show an Azure resource ID in another letter case, and an address in another notation.
        """
        match field:
            case "cloudProviderEndpointId":
                return (one or "").casefold() == (other or "").casefold()
            case "privateEndpointIpAddress":
                return ip_of(one) == ip_of(other)
            case _:
                return super().same(field, one, other)

    @override
    def basis(self, value: Any) -> object:
        """Return the entry without the text of its failure, which may change with each observation."""
        return replace(value, error_message=None)
