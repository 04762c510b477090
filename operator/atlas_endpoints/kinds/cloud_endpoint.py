"""What resources of several kinds have: a private endpoint in a cloud, with its ID, its address and where they come from. Pure."""

import ipaddress
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError
from typing_extensions import override

from atlas_endpoints.cluster.api import Target
from atlas_endpoints.kinds.parts.fields import DeclaredResource, DeclaredSpec
from atlas_endpoints.reconcile.crd import ATOMIC, Rule, fixed, only_one
from atlas_endpoints.reconcile.resource import Reference
from atlas_endpoints.reconcile.spec import (
    ApiVersion,
    AsWritten,
    ConfigMapKeyRef,
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
GCP_NAME = r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?"

CLOUD_IDS: Mapping[Provider, tuple[str, str]] = {
    "AWS": (_AWS_ID, "the ID of an AWS VPC endpoint (`vpce-` and 17 lower-case hexadecimal digits)"),
    "AZURE": (_AZURE_ID, "the resource ID of an Azure private endpoint"),
    "GCP": (GCP_NAME, "the name of a Google Cloud forwarding rule"),
}
"""What an ID of a private endpoint matches, and what it is, for people."""


def _cloud_id(provider: Provider, message: str) -> Rule:
    is_id = cel_matches(CLOUD_IDS[provider][0])
    cel = f'self.providerName != "{provider}" || !has(self.cloudProviderEndpointId) || self.cloudProviderEndpointId.{is_id}'
    return Rule(cel, message, "cloudProviderEndpointId")


GCP_ID = _cloud_id(
    "GCP",
    "must be the name of a Google Cloud forwarding rule: at most 63 lower-case letters, digits and `-`, beginning with a letter"
    " and not ending with `-`; leave the field out while there is none",
)


def is_cloud_id(provider: Provider, text: str) -> bool:
    """Return whether a text is the ID of a private endpoint in a cloud."""
    return len(text) <= CLOUD_ID_LIMIT and matches(CLOUD_IDS[provider][0], text)


def _of_its_cloud(text: str, of: ValidationInfo) -> str:
    """Check an ID in a spec once more, whatever the API server knows of it: calls to Atlas have it in their paths."""
    provider = of.data.get("provider_name")
    if provider is not None and not is_cloud_id(provider, text):
        raise PydanticCustomError("rule", "{message}", {"message": f"must be {CLOUD_IDS[provider][1]}"})
    return text


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
    pattern(
        r"[^\x00-\x1f\x7f]*",
        "must be one line without control characters; in YAML write it in quotes, not as a `|` block",
    ),
    Rule(
        "self.trim() == self",
        "must not begin or end with white space: Atlas may strip it, so the comment would always differ",
    ),
]
"""The comment of an endpoint."""

Region = Annotated[
    str,
    Field(max_length=64),
    pattern(
        "[a-zA-Z0-9_-]+",
        "must be the name of a region, such as `EU_WEST_1` or `eu-west-1`, that is letters, digits, `-` and `_`",
    ),
]
"""The name of a region in Atlas or in the cloud."""

IpAddress = Annotated[
    str,
    Field(max_length=45),
    Rule("isIP(self)", "must be an IP address such as 10.0.0.4, without leading zeros, mask or zone"),
]


class CloudProviderEndpointRef(ObjectRef, json_schema_extra=ATOMIC):
    """An object that contains the ID of the private endpoint in the cloud.

    The known kinds are those of AWS Controllers for Kubernetes (ACK) and Azure Service Operator (ASO).
    """

    known_paths: ClassVar = {
        ("ec2.services.k8s.aws", "VPCEndpoint"): "status.vpcEndpointID",
        ("network.azure.com", "PrivateEndpoint"): "status.id",
    }
    cel_rules: ClassVar = [
        leads_to_a_field(
            known_paths,
            "Required value: must be set unless the kind is VPCEndpoint of ec2.services.k8s.aws or PrivateEndpoint of"
            " network.azure.com: add the path of the field that holds the ID, such as `.status.atProvider.id`",
        ),
    ]

    api_version: Annotated[ApiVersion, api_version_such_as("ec2.services.k8s.aws/v1alpha1")]
    """The group and version of the object, such as `ec2.services.k8s.aws/v1alpha1`. Required."""
    kind: Annotated[ObjectKind, kind_such_as("VPCEndpoint")]
    """The kind of the object, such as `VPCEndpoint`. Required."""
    field_path: FieldPath | None = None
    """The field that contains the ID, as field names separated by dots, such as `.status.atProvider.id`. Default for a
    VPCEndpoint of ACK: `.status.vpcEndpointID`. Default for a PrivateEndpoint of ASO: `.status.id`. Required for other
    kinds."""


class AddressRef(ObjectRef):
    """An object that contains the address of the private endpoint; the known kind is that of Config Connector."""

    known_paths: ClassVar = {("compute.cnrm.cloud.google.com", "ComputeAddress"): "status.observedState.address"}
    cel_rules: ClassVar = [
        leads_to_a_field(
            known_paths,
            "Required value: must be set unless the kind is ComputeAddress of compute.cnrm.cloud.google.com: add the path of the"
            " field that holds the address, such as `.status.atProvider.address`",
        ),
    ]

    api_version: Annotated[ApiVersion, api_version_such_as("compute.cnrm.cloud.google.com/v1beta1")]
    """The group and version of the object, such as `compute.cnrm.cloud.google.com/v1beta1`. Required."""
    kind: Annotated[ObjectKind, kind_such_as("ComputeAddress")]
    """The kind of the object, such as `ComputeAddress`. Required."""
    field_path: FieldPath | None = None
    """The field that contains the address, as field names separated by dots, such as `.status.atProvider.address`. Default for
    a ComputeAddress of Config Connector: `.status.observedState.address`. Required for other kinds."""


class AddressSource(AsWritten, json_schema_extra=ATOMIC):
    """The source of the private endpoint's address; a kind defines its fields."""

    words: ClassVar[Mapping[str, str]] = {
        "value": "address",
        "writer": "Azure Service Operator writes such a ConfigMap for `operatorSpec.configMaps.primaryNicPrivateIpAddress` of a"
        " PrivateEndpoint.",
    }

    @abstractmethod
    def target(self, namespace: str) -> Target | None:
        """Return where the address is; None: it names nothing."""


class EitherSource(AddressSource):
    """The source of a value; exactly one of the fields is set."""

    cel_rules: ClassVar = [
        Rule(
            "has(self.configMapKeyRef) || has(self.objectRef)",
            "Required value: must be set, unless `objectRef` names an object that holds the {value}",
            "configMapKeyRef",
        ),
        only_one("configMapKeyRef", "objectRef"),
    ]

    config_map_key_ref: ConfigMapKeyRef | None = None
    """A key of a ConfigMap in the namespace of this resource. {writer}"""
    object_ref: ObjectRef | None = None
    """An object in the namespace of this resource that contains the {value}{object_ref}. {reference_kinds}"""

    @override
    def target(self, namespace: str) -> Target | None:
        source = self.config_map_key_ref or self.object_ref
        return None if source is None else source.target(namespace)


class EndpointSpec(DeclaredSpec):
    """The fields with which a spec names a private endpoint in a cloud; what they may contain depends on the kind."""

    cel_rules: ClassVar = [
        fixed("providerName", "may not be changed: an endpoint never moves to another cloud; {instead_there}"),
        _cloud_id(
            "AWS",
            "must be the ID of an AWS VPC endpoint: `vpce-` and 17 lower-case hexadecimal digits; leave the field out while there is none."
            " If it is that of an Azure private endpoint, providerName is wrong",
        ),
        _cloud_id(
            "AZURE",
            "must be the resource ID of an Azure private endpoint: `/subscriptions/<GUID>/resourceGroups/<group>"
            "/providers/Microsoft.Network/privateEndpoints/<name>`; leave the field out while there is none. If it begins with `vpce-`,"
            " providerName is wrong",
        ),
        only_one("cloudProviderEndpointId", "cloudProviderEndpointRef"),
        only_one("privateEndpointIpAddress", "privateEndpointIpAddressFrom"),
    ]

    provider_name: Provider
    cloud_provider_endpoint_id: (
        Annotated[str, Field(max_length=CLOUD_ID_LIMIT), AfterValidator(_of_its_cloud)] | None
    ) = None
    """The private endpoint in your cloud, which {connects}. AWS: the ID of the VPC endpoint, `vpce-` and 17 lower-case
    hexadecimal digits. AZURE: the resource ID of the private endpoint,
    `/subscriptions/<GUID>/resourceGroups/<group>/providers/Microsoft.Network/privateEndpoints/<name>`, in any letter
    case{cloud_id}"""
    cloud_provider_endpoint_ref: CloudProviderEndpointRef | None = None
    """An object in the namespace of this resource that contains the ID, instead of `cloudProviderEndpointId`. Examples are a
    VPCEndpoint of AWS Controllers for Kubernetes (ACK){examples}. The operator reads the object until it contains the ID,
    and then once in each sync interval. {another_id} Until the object contains the ID, the operator handles the rest of the
    spec (condition ReferencesResolved). {other_reference} {reference_kinds}"""
    private_endpoint_ip_address: IpAddress | None = None
    """{clouds} only: the private IP address of the private endpoint's network interface{or_rule}, such as `10.0.0.4`. Set it
    together with `cloudProviderEndpointId`. {another_address}"""
    private_endpoint_ip_address_from: AddressSource | None = None
    """The source of the address, instead of `privateEndpointIpAddress`: exactly one of `configMapKeyRef` and `objectRef`. The
    operator reads it at the same times as `cloudProviderEndpointRef`. The address stays the one to which it first resolved
    (`status.resolved.privateEndpointIpAddress`): the operator reports another one and does not send it. You can replace the
    source with another one, or with the address to which it resolved."""

    @property
    def has_cloud_id(self) -> bool:
        """Whether it names a private endpoint, by its ID or by a reference."""
        return self.cloud_provider_endpoint_id is not None or self.cloud_provider_endpoint_ref is not None

    @property
    def has_address(self) -> bool:
        """Whether it has an address, or the source of one."""
        return self.private_endpoint_ip_address is not None or self.private_endpoint_ip_address_from is not None


def connection_rules(
    *,
    on_aws: str = "may only be set when `providerName` is AZURE: Atlas identifies an AWS endpoint by its ID only; remove the field",
    no_address: str = "Required value: must be set together with `cloudProviderEndpointId` when `providerName` is AZURE: add the private"
    " IP address of that private endpoint",
    no_id: str = "Required value: must be set together with `privateEndpointIpAddress`: name the private endpoint that has this address",
    may_have: str = 'self.providerName == "AZURE"',
    needs_none: str = 'self.providerName == "AWS"',
    unless: str = "",
) -> tuple[Rule, ...]:
    """Return the rules of the ID and the address.

    Args:
        on_aws: the message about an address of an endpoint in AWS, where it has none.
        may_have: the condition in CEL that there may be an address; ``needs_none``, that none belongs to an ID; ``unless``
            anything else is true.
    """
    has_id = "has(self.cloudProviderEndpointId) || has(self.cloudProviderEndpointRef)"
    has_address = "has(self.privateEndpointIpAddress) || has(self.privateEndpointIpAddressFrom)"
    return (
        Rule(f"{may_have} || !has(self.privateEndpointIpAddress)", on_aws, "privateEndpointIpAddress"),
        Rule(f"{may_have} || !has(self.privateEndpointIpAddressFrom)", on_aws, "privateEndpointIpAddressFrom"),
        Rule(f"{needs_none} || !({has_id}) || {has_address}{unless}", no_address, "privateEndpointIpAddress"),
        Rule(f"{needs_none} || !({has_address}) || {has_id}{unless}", no_id, "cloudProviderEndpointId"),
    )


def config_maps_of_their_own(field: str, what: str) -> Rule:
    """Return the rule that a list of outputs names no ConfigMap that another output has; each item is for one ``what``."""
    cel = f"""!has(self.{field}) || self.{field}.all(each,
        self.{field}.exists_one(other, other.configMapRef.name == each.configMapRef.name)
        && (!has(self.outputConfigMapRef) || self.outputConfigMapRef.name != each.configMapRef.name))"""
    message = (
        f"may not name one ConfigMap twice, nor that of `outputConfigMapRef`: give each {what} a ConfigMap of its own"
    )
    return Rule(cel, message, field)


class RegisteredSpec(EndpointSpec):
    """The fields of a spec whose endpoint is registered in Atlas, which cannot change it afterwards."""

    cel_rules: ClassVar = [
        Rule(
            """has(self.cloudProviderEndpointId) ? !has(oldSelf.cloudProviderEndpointId)
            || self.cloudProviderEndpointId.lowerAscii() == oldSelf.cloudProviderEndpointId.lowerAscii()
            : has(self.cloudProviderEndpointRef)
            || !(has(oldSelf.cloudProviderEndpointId) || has(oldSelf.cloudProviderEndpointRef))""",
            "may not be changed or removed: Atlas cannot change the ID of an endpoint; {rotate} {atlas_keeps_it}",
            "cloudProviderEndpointId",
        ),
        Rule(
            """has(self.privateEndpointIpAddress) ? !has(oldSelf.privateEndpointIpAddress)
            || self.privateEndpointIpAddress == oldSelf.privateEndpointIpAddress
            || isIP(self.privateEndpointIpAddress) && ip(self.privateEndpointIpAddress) == ip(oldSelf.privateEndpointIpAddress)
            : has(self.privateEndpointIpAddressFrom)
            || !(has(oldSelf.privateEndpointIpAddress) || has(oldSelf.privateEndpointIpAddressFrom))""",
            "may not be changed or removed: Atlas cannot change the address of an endpoint; to rotate, create a second resource with"
            " the new ID and its address, move your applications to it, and delete this one; for another address of the same endpoint,"
            " {made_again}",
            "privateEndpointIpAddress",
        ),
    ]


def kept(field: str, source: str, what: str, same: str, remedy: str) -> Rule:
    """Return the rule that a value which replaces a reference is the one that the reference gave.

    Args:
        what: the value, for people.
        same: a comparison of ``{old}`` and ``{new}`` in CEL.
    """
    old, new = f"self.status.resolved.{field}", f"self.spec.{field}"
    known = f"!has(self.status) || !has(self.status.resolved) || !has({old})"
    return Rule(
        f"!has(oldSelf.spec.{source}) || !has({new}) || {known} || {same.format(old=old, new=new)}",
        f"must be the {what} to which `{source}` resolved, because Atlas cannot change the {what} of an endpoint; it is in"
        f" `status.resolved.{field}`; {remedy}",
        f"spec.{field}",
    )


class EndpointResource(DeclaredResource, frozen=True):
    """A resource that connects a private endpoint in a cloud."""

    words: ClassVar = {
        "clouds": "AZURE",
        "or_rule": "",
        "examples": " and a PrivateEndpoint of Azure Service Operator (ASO)",
        "comment": "A text that Atlas stores with the endpoint: one line of at most 80 characters, without white space at either end. If"
        ' the field is absent, the operator does not manage it, and Atlas keeps its comment. `""` clears the comment.',
    }

    spec: EndpointSpec

    @property
    @override
    def references(self) -> Sequence[Reference]:
        spec, namespace, found = self.spec, self.metadata.namespace, []
        if (cloud_id := spec.cloud_provider_endpoint_ref) is not None:
            cloud = spec.provider_name
            expected = f"{CLOUD_IDS[cloud][1]}, as spec.providerName {cloud} wants it"
            is_valid = partial(is_cloud_id, cloud)
            found.append(Reference("cloud_provider_endpoint_id", cloud_id.target(namespace), is_valid, expected))
        source = spec.private_endpoint_ip_address_from
        if source is not None and (target := source.target(namespace)) is not None:
            expected = "an IP address such as 10.0.0.4, without white space, mask or zone"
            found.append(Reference("private_endpoint_ip_address", target, is_ip_address, expected))
        return found

    @override
    def unconnected(self) -> Mapping[str, str | None]:
        return {"cloud_provider_endpoint_id": None, "private_endpoint_ip_address": None}
