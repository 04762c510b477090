"""The resource ``DedicatedPrivateEndpoint``: its spec with the rules of the CRD, and its status. Pure."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Annotated, ClassVar, Literal, Self, TypeAlias

from pydantic import Field
from typing_extensions import override

from atlas_endpoints.kinds.cloud_endpoint import (
    NO_ID,
    AddressRef,
    EitherSource,
    EndpointSpec,
    IpAddress,
    Region,
    ip_of,
    is_gcp_name,
)
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import READY, Endpoint, EndpointState, Service, entry_name
from atlas_endpoints.kinds.regions import atlas_name, same_region
from atlas_endpoints.kinds.registered import RegisteredResource
from atlas_endpoints.reconcile.resource import Thing
from atlas_endpoints.reconcile.spec import AsWritten, ConfigMapRef, duplicates, matches, rule
from atlas_endpoints.reconcile.status import Creation, Shown, ShownEntry, Status, StatusModel

Origin: TypeAlias = Literal["Created", "Adopted"]

REGIONS = 35
"""Regions that Atlas permits."""

_CLUSTER = r"[a-zA-Z0-9][a-zA-Z0-9-]*"
_GCP_PROJECT = r"([a-z0-9.-]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]"

_NOT_ON_AWS = (
    "may not be set when `providerName` is AWS: Atlas identifies an AWS endpoint by its ID only; remove the field"
)
_ADDRESS_MISSING = (
    "Required value: must be set together with `cloudProviderEndpointId` unless `providerName` is AWS: "
    "add the private IP address of that private endpoint"
)
_ONLY_ON_AWS = "may only be set when `providerName` is AWS: in other clouds an endpoint connects in its own region; remove the field"
_OWN_REGION = "may not contain `region` itself, which needs no permission: remove it"
_ONLY_ON_GCP = "may only be set when `providerName` is GCP: remove the field"
_GCP_MISSING = (
    "Required value: must be set when `providerName` is GCP: add `projectId`, the ID of the Google Cloud project that "
    "contains the endpoint"
)
_NO_GROUP = (
    "may only be set when `portMappingEnabled` is false: with port mapping, `cloudProviderEndpointId` and "
    "`privateEndpointIpAddress` name the only forwarding rule; remove the field"
)
_NO_SINGLE_RULE = (
    "may not be set when `gcp.portMappingEnabled` is false: `gcp.endpointGroupName` and `gcp.endpoints` then name the "
    "endpoint; remove the field"
)
_GROUP_MISSING = "Required value: must be set together with `endpoints`: add the name under which Atlas registers these forwarding rules"
_RULES_MISSING = "Required value: must be set together with `endpointGroupName`: add the name and the address of each forwarding rule"

_TEXT_LIMIT = 1000
"""Characters of ``gcp_endpoints_text``; a status cuts longer texts, which would then always differ."""


class ManagedField(StrEnum):
    """The fields that are sent to Atlas and compared.

    With legacy GCP endpoints, the group is the ``CLOUD_PROVIDER_ENDPOINT_ID``, and its forwarding rules are one text.
    """

    CLOUD_PROVIDER_ENDPOINT_ID = "cloudProviderEndpointId"
    PRIVATE_ENDPOINT_IP_ADDRESS = "privateEndpointIpAddress"
    GCP_ENDPOINTS = "gcpEndpoints"


ClusterName = Annotated[
    str,
    Field(max_length=64),
    rule(
        partial(matches, _CLUSTER),
        "must consist of letters, digits and `-`, and begin with a letter or digit, as Atlas cluster names do",
    ),
]
GcpName = Annotated[
    str,
    Field(max_length=63),
    rule(
        is_gcp_name,
        "must be a name in Google Cloud: lower-case letters, digits and `-`, beginning with a letter and not ending with `-`",
    ),
]
GcpProjectId = Annotated[
    str,
    Field(max_length=100),
    rule(
        partial(matches, _GCP_PROJECT),
        "must be the ID of a Google Cloud project, such as `my-project-1`, not its name or number",
    ),
]


class GcpEndpoint(AsWritten):
    """A forwarding rule of a legacy endpoint in Google Cloud."""

    name: GcpName
    ip_address: IpAddress


class Gcp(AsWritten):
    """The part of a spec that only Google Cloud has."""

    project_id: GcpProjectId
    port_mapping_enabled: bool = True
    endpoint_group_name: GcpName | None = None
    endpoints: Annotated[tuple[GcpEndpoint, ...], Field(strict=False, max_length=100)] = ()


class ConnectionString(AsWritten):
    """A cluster whose private connection strings are written to a ConfigMap."""

    cluster_name: ClusterName
    config_map_ref: ConfigMapRef


class PrivateEndpointIpAddressFrom(EitherSource):
    """The source of the private endpoint's address."""

    object_ref: AddressRef | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen


class Spec(EndpointSpec):
    """The spec; ``kubectl explain dpe.spec`` describes each field.

    If no endpoint is named, the service of the region is made ready for one.
    """

    region: Region
    private_endpoint_ip_address_from: PrivateEndpointIpAddressFrom | None = None  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    gcp: Gcp | None = None
    supported_remote_regions: Annotated[tuple[Region, ...], Field(strict=False, max_length=REGIONS)] = ()
    connection_strings: Annotated[tuple[ConnectionString, ...], Field(strict=False, max_length=16)] = ()

    @property
    def is_legacy(self) -> bool:
        """Whether it is an endpoint of many forwarding rules in Google Cloud, without port mapping."""
        return self.gcp is not None and not self.gcp.port_mapping_enabled

    def is_served_by(self, service: Service) -> bool:
        """Return whether a service is that of its region, and on GCP of its way of mapping ports."""
        is_in_region = same_region(self.provider_name, service.region_name, self.region)
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

    @property
    @override
    def desired(self) -> Mapping[str, str]:
        values = {
            ManagedField.CLOUD_PROVIDER_ENDPOINT_ID: self.endpoint_id,
            ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS: self.private_endpoint_ip_address,
            ManagedField.GCP_ENDPOINTS: gcp_endpoints_text(self.rules) if self.is_legacy and self.rules else None,
        }
        return {field: value for field, value in values.items() if value is not None}

    @override
    def violations(self) -> Iterator[tuple[str, str]]:
        yield from super().violations()
        yield from ((field, message) for field, is_wrong, message in self._rules if is_wrong)
        if not self.is_legacy:
            yield from self.violations_of_connection(on_aws=_NOT_ON_AWS, no_address=_ADDRESS_MISSING, no_id=NO_ID)
        if self.private_endpoint_ip_address_from is not None:
            yield from self.private_endpoint_ip_address_from.violations("privateEndpointIpAddressFrom", "address")
        yield from duplicates("gcp.endpoints", (each.name for each in self.gcp.endpoints) if self.gcp else ())
        yield from duplicates("supportedRemoteRegions", self.supported_remote_regions)
        yield from duplicates("connectionStrings", (each.cluster_name for each in self.connection_strings))
        config_maps = (each.config_map_ref for each in self.connection_strings)
        yield from self.shared_config_maps("connectionStrings", config_maps, "cluster")

    @property
    def _rules(self) -> Iterable[tuple[str, object, str]]:
        """What may be wrong with the fields: each one, whether it is wrong, and the message."""
        is_gcp, is_legacy, remote_regions = self.provider_name == "GCP", self.is_legacy, self.supported_remote_regions
        group = self.gcp.endpoint_group_name if self.gcp is not None else None
        rules = self.gcp.endpoints if self.gcp is not None else ()
        has_own_region = any(same_region(self.provider_name, each, self.region) for each in remote_regions)
        address_from = self.private_endpoint_ip_address_from
        return (
            ("supportedRemoteRegions", self.provider_name == "AWS" and has_own_region, _OWN_REGION),
            ("supportedRemoteRegions", self.provider_name != "AWS" and remote_regions, _ONLY_ON_AWS),
            ("gcp", not is_gcp and self.gcp is not None, _ONLY_ON_GCP),
            ("gcp", is_gcp and self.gcp is None, _GCP_MISSING),
            ("gcp.endpointGroupName", not is_legacy and group is not None, _NO_GROUP),
            ("gcp.endpoints", not is_legacy and rules, _NO_GROUP),
            ("gcp.endpointGroupName", is_legacy and rules and group is None, _GROUP_MISSING),
            ("gcp.endpoints", is_legacy and not rules and group is not None, _RULES_MISSING),
            ("cloudProviderEndpointId", is_legacy and self.cloud_provider_endpoint_id is not None, _NO_SINGLE_RULE),
            ("cloudProviderEndpointRef", is_legacy and self.cloud_provider_endpoint_ref is not None, _NO_SINGLE_RULE),
            ("privateEndpointIpAddress", is_legacy and self.private_endpoint_ip_address is not None, _NO_SINGLE_RULE),
            ("privateEndpointIpAddressFrom", is_legacy and address_from is not None, _NO_SINGLE_RULE),
        )


_Regions = Annotated[tuple[Shown, ...], Field(max_length=REGIONS)]


class RemoteRegions(StatusModel):
    """What is known of the remote regions that the spec names, in Atlas's names.

    Attributes:
        confirmed: what Atlas has shown.
        refused: what Atlas refused to add, with its ``error_message``, or answered with success and did not add.
    """

    confirmed: _Regions = ()
    refused: _Regions = ()
    error_message: Shown | None = None


class ServiceStatus(ShownEntry):
    """The service of the region.

    Attributes:
        region: as Atlas spells it.
        service_attachment_names: all of them, or none: Atlas adds them one by one until the service is ready.
    """

    id: Shown  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    region: Shown | None = None
    origin: Origin | None = None
    endpoint_service_name: Shown | None = None
    private_link_service_name: Shown | None = None
    private_link_service_resource_id: Shown | None = None
    service_attachment_names: Annotated[tuple[Shown, ...], Field(max_length=100)] = ()
    port_mapping_enabled: bool | None = None
    supported_remote_regions: _Regions = ()
    remote_regions: RemoteRegions | None = None

    @classmethod
    def of(cls, service: Service, since: datetime, origin: Origin) -> Self:
        """Return the status of a service that Atlas shows."""
        own = {
            "status_since": since,
            "region": service.region_name,
            "origin": origin,
            "service_attachment_names": service.service_attachment_names[:100] if service.status in READY else (),
            "supported_remote_regions": service.supported_remote_regions[:REGIONS],
        }
        return cls.model_validate({**asdict(service), **own})


class EndpointStatus(ShownEntry):
    """The endpoint.

    Attributes:
        id: that the cloud gave it, as Atlas shows it.
        gcp_endpoints: see ``gcp_endpoints_text``.
    """

    id: Shown  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    private_endpoint_ip_address: Shown | None = None
    connection_name: Shown | None = None
    gcp_endpoints: Shown | None = None

    @classmethod
    def of(cls, endpoint_id: str, endpoint: Endpoint, since: datetime) -> Self:
        """Return the status of an endpoint that Atlas shows; ``endpoint_id`` counts if Atlas does not send its ID."""
        own = {
            "id": next((each for each in endpoint.ids if each.casefold() == endpoint_id.casefold()), endpoint_id),
            "status_since": since,
            "connection_name": endpoint.private_endpoint_connection_name,
            "gcp_endpoints": gcp_endpoints_text(rules_of(endpoint)) or None,
        }
        return cls.model_validate({**asdict(endpoint), **own})


class DedicatedStatus(Status):
    """The status of the kind.

    Attributes:
        service_creation: of a service that Atlas has not shown yet.
    """

    service: ServiceStatus | None = None
    service_creation: Creation | None = None
    endpoint: EndpointStatus | None = None

    @property
    @override
    def is_being_deleted(self) -> bool:
        return self.endpoint is not None and self.endpoint.status == EndpointState.DELETING

    @property
    @override
    def creation(self) -> Creation | None:
        return self.service_creation


class DedicatedPrivateEndpoint(RegisteredResource, frozen=True):
    """A resource of the kind."""

    spec_type: ClassVar = Spec
    status_type: ClassVar = DedicatedStatus
    fields: ClassVar = tuple(field.value for field in ManagedField)

    spec: Spec
    status: DedicatedStatus

    @property
    @override
    def entry(self) -> str | None:
        """The endpoint that the spec names, in the service of its region; None: one of the two is not known yet.

        The ID is in the letter case of the spec, in which it is registered: nobody knows whether Atlas finds it in another one.
        """
        service, endpoint_id = self.status.service, self.endpoint_id
        return entry_name(service.id, endpoint_id) if service is not None and endpoint_id is not None else None

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
        status = self.status
        return self.endpoint_id is not None or status.service is not None or status.service_creation is not None

    @property
    @override
    def scope_name(self) -> str:
        return self.spec.provider_name

    @property
    @override
    def is_bound(self) -> bool:
        return self.status.service is not None or self.status.service_creation is not None

    @property
    @override
    def connection(self) -> Mapping[str, str | None]:
        desired = self.spec.desired
        return {field: desired.get(field) for field in ManagedField}

    @property
    @override
    def has_outputs(self) -> bool:
        return self.spec.output_config_map_ref is not None or bool(self.spec.connection_strings)

    @override
    def shown(self, value: Service | Endpoint) -> Mapping[str, str | None]:
        """Return the managed fields of an endpoint in Atlas; a service has none."""
        if isinstance(value, Service):
            return {}
        wanted, rules, address = self.spec.endpoint_id, rules_of(value), value.private_endpoint_ip_address
        if self.spec.gcp is not None:
            address = None if self.spec.is_legacy else next(iter(rules.values()), None)
        if not self.spec.is_legacy:
            address = address or self.spec.private_endpoint_ip_address  # what Atlas does not show is no difference
        # With port mapping, the answer may also contain a group of another name.
        endpoint_id = wanted if wanted in value.ids or not value.ids else value.ids[0]
        return {
            ManagedField.CLOUD_PROVIDER_ENDPOINT_ID: endpoint_id,
            ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS: address,
            ManagedField.GCP_ENDPOINTS: gcp_endpoints_text(rules or self.spec.rules) if self.spec.is_legacy else None,
        }


def rules_of(endpoint: Endpoint) -> Mapping[str, str]:
    """Return the addresses of the forwarding rules of an endpoint in Google Cloud by their names."""
    return {
        each.endpoint_name: each.ip_address
        for each in endpoint.endpoints
        if each.endpoint_name is not None and each.ip_address is not None
    }


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
