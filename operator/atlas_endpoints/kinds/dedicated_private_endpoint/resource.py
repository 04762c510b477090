"""The resource ``DedicatedPrivateEndpoint``: its spec, its status and its CRD. Pure."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import Field
from typing_extensions import override

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.kinds.cloud_endpoint import (
    GCP_ID,
    GCP_NAME,
    AddressRef,
    EitherSource,
    IpAddress,
    Provider,
    Region,
    RegisteredSpec,
    config_maps_of_their_own,
    connection_rules,
    ip_of,
)
from atlas_endpoints.kinds.lives.registered import FIELD, RegisteredResource
from atlas_endpoints.kinds.parts.fields import Entry, Sent
from atlas_endpoints.kinds.regions import atlas_name, same_region
from atlas_endpoints.reconcile.crd import SET, Column, Crd, Rule, fixed, map_by
from atlas_endpoints.reconcile.resource import Thing
from atlas_endpoints.reconcile.spec import AsWritten, ConfigMapRef, pattern
from atlas_endpoints.reconcile.status import Creation, Shown, Status, StatusModel

Origin: TypeAlias = Literal["Created", "Adopted"]

REGIONS = 35
"""Regions that Atlas permits."""

_NO_GROUP = (
    "may only be set when `portMappingEnabled` is false: with port mapping, `cloudProviderEndpointId` and "
    "`privateEndpointIpAddress` name the only forwarding rule; remove the field"
)

_TEXT_LIMIT = 1000
"""Characters of ``gcp_endpoints_text``; a status cuts longer texts, which would then always differ."""


_LONGEST_LIST = 256
"""Items of a list in an answer. Atlas permits 100 attachments, 90 endpoints of a service and 35 regions."""


ClusterName = Annotated[
    str,
    Field(max_length=64),
    pattern(
        r"[a-zA-Z0-9][a-zA-Z0-9-]*",
        "must consist of letters, digits and `-`, and begin with a letter or digit, as Atlas cluster names do",
    ),
]
GcpName = Annotated[
    str,
    Field(max_length=63),
    pattern(
        GCP_NAME,
        "must be a name in Google Cloud: lower-case letters, digits and `-`, beginning with a letter and not ending with `-`",
    ),
]
GcpProjectId = Annotated[
    str,
    Field(max_length=100),
    pattern(
        r"([a-z0-9.-]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]",
        "must be the ID of a Google Cloud project, such as `my-project-1`, not its name or number",
    ),
]


class GcpEndpoint(AsWritten):
    """One forwarding rule."""

    name: GcpName
    """The name of the forwarding rule. Required."""
    ip_address: IpAddress
    """The private IP address of the forwarding rule, such as `10.0.0.4`. Required."""


_LEGACY = "has(self.portMappingEnabled) && !self.portMappingEnabled"
_NOT_LEGACY = "!has(self.portMappingEnabled) || self.portMappingEnabled"


class Gcp(AsWritten):
    """The part of a spec that only Google Cloud has."""

    cel_rules: ClassVar = [
        Rule(f"!has(self.endpointGroupName) || {_LEGACY}", _NO_GROUP, "endpointGroupName"),
        Rule(f"!has(self.endpoints) || size(self.endpoints) == 0 || {_LEGACY}", _NO_GROUP, "endpoints"),
        Rule(
            f"!has(self.endpoints) || size(self.endpoints) == 0 || has(self.endpointGroupName) || {_NOT_LEGACY}",
            "Required value: must be set together with `endpoints`: add the name under which Atlas registers these forwarding rules",
            "endpointGroupName",
        ),
        Rule(
            f"!has(self.endpointGroupName) || has(self.endpoints) && size(self.endpoints) > 0 || {_NOT_LEGACY}",
            "Required value: must be set together with `endpointGroupName`: add the name and the address of each forwarding rule",
            "endpoints",
        ),
    ]

    project_id: GcpProjectId
    """The ID of the Google Cloud project that contains the forwarding rules, such as `my-project-1`. Required; never changes."""
    port_mapping_enabled: bool = True
    """`true` (default): one forwarding rule connects to all nodes of the clusters, through their ports. `false`: the older
    architecture with a forwarding rule for each service attachment, which Atlas serves until 2027-04-30; set
    `endpointGroupName` and `endpoints`, and not `cloudProviderEndpointId` and `privateEndpointIpAddress`. Never changes; for a
    migration, Atlas has both services in one region at the same time."""
    endpoint_group_name: GcpName | None = None
    """Without port mapping: the name under which Atlas registers the forwarding rules. Set it together with `endpoints`. If both
    are absent, the operator only makes the endpoint service ready. You can set them later; then they never change."""
    endpoints: Annotated[
        tuple[GcpEndpoint, ...], Field(strict=False, max_length=100, json_schema_extra=map_by("name"))
    ] = ()
    """Without port mapping: the forwarding rules, one for each service attachment in `status.service`, in any order. Once set,
    they never change, because Atlas cannot change them."""


class ConnectionString(AsWritten):
    """One cluster."""

    cluster_name: ClusterName
    """The name of the dedicated cluster in Atlas. Required."""
    config_map_ref: ConfigMapRef
    """A ConfigMap in the namespace of this resource that the operator creates and updates. Its keys are `connectionString`,
    `connectionStringSrv`, `connectionStringSrvShardOptimized` (if Atlas has one), `endpointId`, `providerName`, `region` and
    `clusterName`; the strings contain no credentials. {own_config_map} Required."""


class PrivateEndpointIpAddressFrom(EitherSource):
    """The source of the private endpoint's address."""

    words: ClassVar = {"object_ref": ", such as a ComputeAddress of Config Connector"}

    object_ref: AddressRef | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen


_BOTH_HAVE_GCP = "!has(self.gcp) || !has(oldSelf.gcp)"


def _is_mapped(which: str) -> str:
    return f"!has({which}.gcp) || !has({which}.gcp.portMappingEnabled) || {which}.gcp.portMappingEnabled"


class Spec(RegisteredSpec):
    """The spec. If no endpoint is named, the service of the region is made ready for one."""

    cel_rules: ClassVar = [
        fixed(
            "region",
            "may not be changed, not even to its other spelling (`EU_WEST_1`, `eu-west-1`): an endpoint never moves to another region;"
            " {instead_there}",
        ),
        Rule(
            f"({_is_mapped('self')}) == ({_is_mapped('oldSelf')})",
            "may not be changed: Atlas has one service with port mapping and another without; create another resource beside this one,"
            " and delete this one when your applications use the other",
            "gcp.portMappingEnabled",
        ),
        Rule(
            f"{_BOTH_HAVE_GCP} || self.gcp.projectId == oldSelf.gcp.projectId",
            "may not be changed: an endpoint never moves to another Google Cloud project; {instead_there}",
            "gcp.projectId",
        ),
        Rule(
            f"""{_BOTH_HAVE_GCP} || !has(oldSelf.gcp.endpointGroupName)
            || has(self.gcp.endpointGroupName) && self.gcp.endpointGroupName == oldSelf.gcp.endpointGroupName""",
            "may not be changed or removed: Atlas cannot change the name of an endpoint; to rotate, create a second resource with the new"
            " name, move your applications to it, and delete this one {atlas_keeps_it}",
            "gcp.endpointGroupName",
        ),
        Rule(
            f"""{_BOTH_HAVE_GCP} || !has(oldSelf.gcp.endpoints) || size(oldSelf.gcp.endpoints) == 0
            || has(self.gcp.endpoints) && size(self.gcp.endpoints) == size(oldSelf.gcp.endpoints)
            && self.gcp.endpoints.all(new, oldSelf.gcp.endpoints.exists(old, old.name == new.name
            && (old.ipAddress == new.ipAddress || isIP(new.ipAddress) && ip(old.ipAddress) == ip(new.ipAddress))))""",
            "may not be changed or removed: Atlas cannot change the forwarding rules of an endpoint; to rotate, create a second resource"
            " with a new `endpointGroupName` and the new rules, move your applications to it, and delete this one; for other rules of the"
            " same group, {made_again}",
            "gcp.endpoints",
        ),
        GCP_ID,
        *connection_rules(
            on_aws="may not be set when `providerName` is AWS: Atlas identifies an AWS endpoint by its ID only; remove the field",
            no_address="Required value: must be set together with `cloudProviderEndpointId` unless `providerName` is AWS: "
            "add the private IP address of that private endpoint",
            may_have='self.providerName != "AWS"',
            unless=" || has(self.gcp) && has(self.gcp.portMappingEnabled) && !self.gcp.portMappingEnabled",
        ),
        Rule(
            'self.providerName == "GCP" || !has(self.gcp)',
            "may only be set when `providerName` is GCP: remove the field",
            "gcp",
        ),
        Rule(
            'self.providerName != "GCP" || has(self.gcp)',
            "Required value: must be set when `providerName` is GCP: add `projectId`, the ID of the Google Cloud project that "
            "contains the endpoint",
            "gcp",
        ),
        *(
            Rule(
                f"!has(self.{field}) || {_is_mapped('self')}",
                "may not be set when `gcp.portMappingEnabled` is false: `gcp.endpointGroupName` and `gcp.endpoints` then name the"
                " endpoint; remove the field",
                field,
            )
            for field in (
                "cloudProviderEndpointId",
                "cloudProviderEndpointRef",
                "privateEndpointIpAddress",
                "privateEndpointIpAddressFrom",
            )
        ),
        Rule(
            """self.providerName == "AWS" || !has(self.supportedRemoteRegions) || size(self.supportedRemoteRegions) == 0""",
            "may only be set when `providerName` is AWS: in other clouds an endpoint connects in its own region; remove the field",
            "supportedRemoteRegions",
        ),
        Rule(
            """self.providerName != "AWS" || !has(self.supportedRemoteRegions) || !self.supportedRemoteRegions.exists(each,
            each.upperAscii().replace("-", "_") == self.region.upperAscii().replace("-", "_"))""",
            "may not contain `region` itself, which needs no permission: remove it",
            "supportedRemoteRegions",
        ),
        config_maps_of_their_own("connectionStrings", "cluster"),
    ]

    provider_name: Provider
    """The cloud of the endpoint: `AWS`, `AZURE` or `GCP`. Required; never changes."""
    region: Region
    """The region of the endpoint service: Atlas's name, such as `EU_WEST_1`, or the cloud's, such as `eu-west-1`. Your private
    endpoint connects to the service of this region. `status.service.region` shows Atlas's name. Required; never changes."""
    private_endpoint_ip_address_from: PrivateEndpointIpAddressFrom | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    gcp: Gcp | None = None
    """GCP only, and required there: the Google Cloud project of the endpoint, and the forwarding rules of an endpoint without
    port mapping."""
    supported_remote_regions: Annotated[
        tuple[Region, ...], Field(strict=False, max_length=REGIONS, json_schema_extra=SET)
    ] = ()
    """AWS only: the other regions from which private endpoints may connect to the service of `region`, by Atlas's names or AWS's.
    The operator adds them to the service, which all resources of the region share, and never removes a region.

    The name of a region, such as `EU_WEST_2` or `eu-west-2`."""
    connection_strings: Annotated[
        tuple[ConnectionString, ...], Field(strict=False, max_length=16, json_schema_extra=map_by("clusterName"))
    ] = ()
    """The clusters whose private connection strings for this endpoint the operator writes to ConfigMaps, for applications. The
    operator writes a ConfigMap when Atlas returns the strings, which can be minutes after the endpoint is AVAILABLE; a cluster
    of several regions has none until each region has an endpoint (condition OutputsWritten). Written strings stay while Atlas
    changes the cluster. The operator never writes public strings. {outputs_on}"""
    output_config_map_ref: ConfigMapRef | None = None
    """A ConfigMap in the namespace of this resource that the operator creates when the endpoint service is ready, and updates. It
    contains the values of `status.service` that your private endpoint needs, with the names that they have there. It is deleted
    with this resource. The operator does not change a ConfigMap that was not created for this resource (condition
    OutputsWritten). {outputs_on}"""

    @property
    def is_legacy(self) -> bool:
        """Whether it is an endpoint of many forwarding rules in Google Cloud, without port mapping."""
        return self.gcp is not None and not self.gcp.port_mapping_enabled

    def is_served_by(self, service: "ServiceStatus") -> bool:
        """Return whether a service is that of its region, and on GCP of its way of mapping ports."""
        is_in_region = same_region(self.provider_name, service.region, self.region)
        return is_in_region and (self.gcp is None or bool(service.port_mapping_enabled) is not self.is_legacy)

    @property
    def endpoint_id(self) -> str | None:
        """The ID by which Atlas registers the endpoint, or None."""
        return (
            self.gcp.endpoint_group_name if self.gcp is not None and self.is_legacy else self.cloud_provider_endpoint_id
        )

    @property
    def rules(self) -> Mapping[str, str]:
        """The addresses of all forwarding rules in Google Cloud by their names; empty if they are not known."""
        if self.gcp is None:
            return {}
        if self.is_legacy:
            return {each.name: each.ip_address for each in self.gcp.endpoints}
        name, address = self.cloud_provider_endpoint_id, self.private_endpoint_ip_address
        return {name: address} if name is not None and address is not None else {}

    sent: ClassVar = {
        "cloud_provider_endpoint_id": Sent(key=str.casefold),
        "private_endpoint_ip_address": Sent(key=ip_of),
        "gcp_endpoints": Sent(),
    }

    @property
    def gcp_endpoints(self) -> str | None:
        """The forwarding rules of an endpoint without port mapping, whose group is its ID."""
        return gcp_endpoints_text(self.rules) if self.is_legacy and self.rules else None

    @property
    @override
    def desired(self) -> Mapping[str, str]:
        named = {} if self.endpoint_id is None else {FIELD: self.endpoint_id}
        return {**named, **super().desired}

    def registration(self, endpoint_id: str) -> Mapping[str, Any]:
        """Return the body of the POST that registers an endpoint; in Google Cloud, it is a group, with port mapping of one rule."""
        if self.gcp is not None:
            rules = [{"endpointName": name, "ipAddress": address} for name, address in sorted(self.rules.items())]
            return {"endpointGroupName": endpoint_id, "gcpProjectId": self.gcp.project_id, "endpoints": rules}
        if self.provider_name == "AZURE":
            return {"id": endpoint_id, "privateEndpointIPAddress": self.private_endpoint_ip_address or ""}
        return {"id": endpoint_id}


_Regions = Annotated[tuple[Shown, ...], Field(max_length=REGIONS)]


class RemoteRegions(StatusModel):
    """What is known of the remote regions that the spec names, in Atlas's names."""

    confirmed: _Regions = ()
    """The regions that the spec names and Atlas has shown; if one is missing later, that is drift.

    One region."""
    # Also those that Atlas answered with success and did not add.
    refused: _Regions = ()
    """The regions of this resource that Atlas refused. The operator sends them again only on request.

    One region."""
    error_message: Shown | None = None
    """Atlas's message about the refused regions."""


class ServiceStatus(Entry):
    """The service of the region."""

    words: ClassVar = {
        "thing": "service",
        "states": "INITIATING, WAITING_FOR_USER or AVAILABLE (it accepts endpoints), FAILED, DELETING",
        "on_its_way": "",
    }
    in_atlas: ClassVar = {"region": "regionName"}
    computed: ClassVar[Collection[str]] = (
        "origin",
        "service_attachment_names",
        "port_mapping_enabled",
        "supported_remote_regions",
        "remote_regions",
    )

    id: Shown  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    """The service's ID in Atlas."""
    region: Shown | None = None
    """The region, as Atlas names it."""
    origin: Origin | None = None
    """Created: the operator created the service, for this resource or for another one that shares it. Adopted: the service was
    there before, or the operator does not know; it never deletes such a service."""
    endpoint_service_name: Shown | None = None
    """AWS only. The service name for the VPC endpoint."""
    private_link_service_name: Shown | None = None
    """AZURE only. The name of the private link service."""
    private_link_service_resource_id: Shown | None = None
    """AZURE only. The resource ID of the private link service, the target of the private endpoint's manual connection."""
    service_attachment_names: Annotated[tuple[Shown, ...], Field(max_length=100)] = ()
    """GCP only. The service attachments, the targets of the forwarding rules; absent until the service is ready, because Atlas
    returns them one by one.

    One service attachment."""
    port_mapping_enabled: bool | None = None
    """GCP only. Whether the service has port mapping; absent when Atlas does not return it."""
    supported_remote_regions: _Regions = ()
    """AWS only. The other regions from which private endpoints may connect, as Atlas names them.

    One region."""
    remote_regions: RemoteRegions | None = None
    """AWS only. What has become of `supportedRemoteRegions`."""


class Service(ServiceStatus):
    """A service, as an answer has it: a status shows less.

    Attributes:
        endpoint_ids: the registered endpoints, by the IDs that the cloud gave them.
    """

    computed: ClassVar[Collection[str]] = (*ServiceStatus.computed, "endpoint_ids")

    endpoint_ids: tuple[str, ...] = ()

    @classmethod
    @override
    def read(cls, answer: Any) -> Self | None:
        found = super().read(answer)
        if found is None:
            return None
        is_mapped = answer.get("portMappingEnabled")  # Atlas did not send it before 2026
        own = {
            "service_attachment_names": _texts(answer.get("serviceAttachmentNames")),
            "port_mapping_enabled": is_mapped if isinstance(is_mapped, bool) else None,
            "supported_remote_regions": _texts(answer.get("supportedRemoteRegions")),
            "endpoint_ids": (
                *_texts(answer.get("interfaceEndpoints")),
                *_texts(answer.get("privateEndpoints")),
                *_texts(answer.get("endpointGroupNames")),
            ),
        }
        return found.model_copy(update=own)

    def shows(self, endpoint_id: str) -> bool:
        """Return whether an endpoint is registered, ignoring the letter case, which Azure does not preserve."""
        return endpoint_id.casefold() in map(str.casefold, self.endpoint_ids)


class EndpointStatus(Entry):
    """The endpoint."""

    id_pattern: ClassVar = r"(?s:.+)"
    in_atlas: ClassVar = {
        "status": "connectionStatus",
        "private_endpoint_ip_address": "privateEndpointIPAddress",
        "connection_name": "privateEndpointConnectionName",
    }
    computed: ClassVar[Collection[str]] = ("gcp_endpoints",)

    id: Shown  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    """The private endpoint in the cloud, as Atlas stores it."""
    status: Shown | None = None
    """The endpoint's state. AWS: PENDING_ACCEPTANCE, PENDING, AVAILABLE, REJECTED, DELETING. AZURE: INITIATING, AVAILABLE,
    FAILED, DELETING. GCP: INITIATING, VERIFIED, AVAILABLE, FAILED, DELETING, DELETED. Or a state that Atlas has added since."""
    private_endpoint_ip_address: Shown | None = None
    """AZURE only. The private IP address, as Atlas stores it."""
    connection_name: Shown | None = None
    """AZURE only. The name of the private endpoint's connection to the private link service."""
    gcp_endpoints: Shown | None = None
    """GCP only. The forwarding rules, {gcp_endpoints}"""


class Endpoint(EndpointStatus):
    """An endpoint that is registered with a service, as an answer has it.

    Attributes:
        rules: the addresses of its forwarding rules in Google Cloud by their names.
    """

    computed: ClassVar[Collection[str]] = (*EndpointStatus.computed, "rules")

    gcp_project_id: str | None = None
    rules: Mapping[str, str] = {}

    @classmethod
    @override
    def named(cls, id_: str, answer: Any) -> Self | None:
        """Return the endpoint in an answer, or None if it is none or another one.

        The answer need not contain the ID, but then a status. What is to be deleted counts as ``DELETING``.
        """
        if not isinstance(answer, dict):
            return None
        ids = ("interfaceEndpointId", "privateEndpointResourceId", "endpointGroupName")
        names, rules = [*_texts([answer.get(name) for name in ids])], dict[str, str]()
        for each in (item for item in _items(answer.get("endpoints")) if isinstance(item, dict)):
            rule, address = text_of(each.get("endpointName")), text_of(each.get("ipAddress"))
            if rule and answer.get("portMappingEnabled") is not False:
                names.append(rule)  # the group may have another name than the only rule
            if rule and address is not None:
                rules[rule] = address
        status = "DELETING" if answer.get("deleteRequested") is True else text_of(answer.get("connectionStatus"))
        status = text_of(answer.get("status")) if status is None else status
        if not names and status is not None:
            names = [id_]
        shown = next((each for each in names if each.casefold() == id_.casefold()), None)
        if (found := cls.read({**answer, "id": shown, "connectionStatus": status})) is None:
            return None
        return found.model_copy(update={"rules": rules, "gcp_endpoints": gcp_endpoints_text(rules) if rules else None})


def _items(value: Any) -> Sequence[Any]:
    return value[:_LONGEST_LIST] if isinstance(value, list | tuple) else ()


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(text for each in _items(value) if (text := text_of(each)))


class DedicatedStatus(Status):
    """The status of the kind."""

    service: ServiceStatus | None = None
    """The endpoint service of the region as Atlas last returned it. {as_returned}"""
    service_creation: Creation | None = None
    """The operator is about to create the service, or has, and Atlas does not show it yet."""
    endpoint: EndpointStatus | None = None
    """The endpoint as Atlas last returned it; absent until it is registered. {as_returned}"""

    @property
    @override
    def creation(self) -> Creation | None:
        return self.service_creation


class DedicatedPrivateEndpoint(RegisteredResource, frozen=True):
    """DedicatedPrivateEndpoint describes one private endpoint of your network for the dedicated clusters of a MongoDB Atlas project in one region.

    Atlas has one endpoint service in each region of a project, which all private endpoints there share. The operator creates the
    service if there is none, shows what your private endpoint must connect to, registers the private endpoint in Atlas, and
    writes the state in Atlas to the status. It retries failed calls. {retained} {annotations} {removes_only}
    """

    spec_type: ClassVar = Spec
    status_type: ClassVar = DedicatedStatus
    scope_field: ClassVar = "provider_name"
    bound_by: ClassVar = ("service", "service_creation")
    crd: ClassVar = Crd(
        short_name="dpe",
        selectable=("projectId", "providerName", "region", "cloudProviderEndpointId"),
        columns=(Column("Region", ".spec.region"),),
        wide=(
            Column("Service", ".status.service.status", "The status of the endpoint service in Atlas"),
            Column("Service-Id", ".status.service.id"),
            Column(
                "Cloud-Endpoint", ".status.endpoint.id", "The private endpoint in the cloud that is registered in Atlas"
            ),
        ),
        applied={
            "cloudProviderEndpointId": "The confirmed `spec.cloudProviderEndpointId`, or `spec.gcp.endpointGroupName`.",
            "gcpEndpoints": "The confirmed `spec.gcp.endpoints`, {gcp_endpoints}",
        },
        resolved={
            "cloudProviderEndpointId": "The private endpoint in the cloud, or the endpoint group; {first_id}",
            "privateEndpointIpAddress": "{first_address}",
            "gcpEndpoints": "The forwarding rules of an endpoint without port mapping, as one text; a digest if the text is too long.",
        },
        body={
            "providerName": "The cloud of the service.",
            "region": "The region of the service.",
            "portMappingEnabled": "GCP only. Whether the service gets port mapping.",
            "cloudProvider": "The cloud, which Atlas requires in a change of the service.",
            "supportedRemoteRegions": "AWS only. The remote regions that the service would have.",
            "id": "AWS and AZURE. The private endpoint in the cloud.",
            "privateEndpointIPAddress": "AZURE only. The private IP address.",
            "endpointGroupName": "GCP only. The name under which Atlas would register the endpoint.",
            "gcpProjectId": "GCP only. The Google Cloud project.",
            "endpoints": "GCP only. The forwarding rules.",
        },
    )
    words: ClassVar = {
        "kept": "endpoint and its service",
        "created": "service",
        "in_a_project": "the endpoint service in a project, or has requested one",
        "clouds": "AZURE and GCP",
        "or_rule": " or of the forwarding rule",
        "cloud_id": ". GCP: the name of the forwarding rule. AZURE and GCP require `privateEndpointIpAddress`, too. If the field is"
        " absent, the operator only makes the endpoint service ready (reason WaitingForCloudEndpoint), and `status.service` contains what"
        " your private endpoint must connect to. {set_later}",
        "examples": ", a PrivateEndpoint of Azure Service Operator (ASO), and a ComputeForwardingRule of Config Connector, with the"
        " `fieldPath` `.metadata.name`",
        "gcp_endpoints": "as one text like `rule-0=10.0.0.5,rule-1=10.0.0.6`; a digest if the text is too long.",
        "reported": "differences (reason Drifted, `status.drift`), or what is missing",
        "drift": "something that the spec asks for is deleted in Atlas, or the service fails. `Correct` (default): it creates the"
        " service, registers the endpoint and adds remote regions again, and replaces an empty service of its own that failed. `Report`:"
        " it reports this (Drifted, EndpointNotFound, ServiceFailed). With both values, it only reports other differences, and still"
        " sends your edits.",
        "scope": "project and cloud",
        "provision": "make the endpoint service or the endpoint AVAILABLE",
        "timeout_since": "`statusSince` in `status.service` or `status.endpoint`",
        "timeout_of": "both",
        "provisioned": "both are AVAILABLE",
        "deletion_too": "Then the operator deletes the endpoint service, if it created the service, the service has no endpoint, and no"
        " other resource uses it.",
        "ready": "Atlas has the values of the spec and reports AVAILABLE",
        "config_maps": "ConfigMaps",
        "own_conditions": "ServiceReady (the endpoint service of the region accepts endpoints), ",
        "on_its_way": ", or on its way to be AVAILABLE",
        "operation": "createPrivateEndpoint",
        "methods": "`POST` to create the service or to register the endpoint, `PATCH` to add remote regions to the service, or `DELETE`"
        " to remove a rejected or failed endpoint, or a failed service, before it is made again",
        "plan_for": "It is for `status.service` or `status.endpoint`, if they are there.",
        "body_names": ", with Atlas's names of the fields; lists are in JSON",
        "lost": "service or the endpoint",
        "or_thing": ", `endpoint` or `endpointService`",
    }

    spec: Spec
    """The desired state. `projectId` (or the ID to which `projectRef` refers), `providerName` and `region` identify the endpoint
    service and never change. `cloudProviderEndpointId` and `privateEndpointIpAddress` (or `gcp.endpointGroupName` and
    `gcp.endpoints`) are the private endpoint that the operator registers with the service. You can set them later; then they
    never change, because Atlas cannot change an endpoint. To rotate, create a second resource with the new private endpoint,
    move your applications to it, and delete the first one. {others_change}"""
    status: DedicatedStatus

    @property
    @override
    def entry(self) -> str | None:
        """The endpoint that the spec names, in the service of its region; None: one of the two is not known yet.

        The ID is in the letter case of the spec, in which it is registered: nobody knows whether Atlas finds it in another one.
        """
        service, endpoint_id = self.status.service, self.endpoint_id
        return f"{service.id}/{endpoint_id}" if service is not None and endpoint_id is not None else None

    @property
    @override
    def shares(self) -> Thing | None:
        service = self.status.service
        return None if service is None else self.service(service.id)

    def service(self, service_id: str) -> Thing:
        """Return the service of its region, as other resources may name it."""
        return Thing(self.service_key, service_id, f"Endpoint service {service_id}")

    @property
    def service_key(self) -> str:
        """The key of the service of its region; see ``kind.Named``."""
        return service_key(self.spec.provider_name, self.spec.region, is_legacy=self.spec.is_legacy)

    @property
    @override
    def thing(self) -> Thing | None:
        return None if self.endpoint_id is None else Thing.endpoint(self.endpoint_id, self.service_key)

    @property
    @override
    def written_as(self) -> str:
        """Its uid, since it writes to the service that it shares, and to several endpoints of it."""
        return self.metadata.uid

    @property
    @override
    def may_be_in_atlas(self) -> bool:
        return self.endpoint_id is not None or self.is_bound

    @override
    def shown(self, value: Service | Endpoint) -> Mapping[str, str | None]:
        """Return the managed fields of an endpoint in Atlas; a service has none."""
        if isinstance(value, Service):
            return {}
        spec, address = self.spec, value.private_endpoint_ip_address
        if spec.is_legacy:
            return {FIELD: value.id, "gcpEndpoints": gcp_endpoints_text(value.rules or spec.rules)}
        if spec.gcp is not None:
            address = next(iter(value.rules.values()), None)
        # What Atlas does not show is no difference.
        return {FIELD: value.id, "privateEndpointIpAddress": address or spec.private_endpoint_ip_address}


def gcp_endpoints_text(rules: Mapping[str, str]) -> str:
    """Return forwarding rules as one text for a status, such as ``rule-0=10.0.0.5,rule-1=10.0.0.6``.

    A text that is too long for a status is replaced by the number of rules and a digest.
    """
    text = ",".join(f"{name}={ip_of(address)}" for name, address in sorted(rules.items()))
    if len(text) <= _TEXT_LIMIT:
        return text
    return f"{len(rules)} forwarding rules, sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def service_key(provider: str, region: str, *, is_legacy: bool) -> str:
    """Return the key of the service of a region, which people can read."""
    mapping = " without port mapping" if is_legacy else ""
    return f"the endpoint service of {provider} region {atlas_name(provider, region)}{mapping}"
