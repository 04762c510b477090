"""Comparing what a resource wants with what Atlas shows, by meaning and not by letter."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import TypeAlias

from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.kinds.serverless_private_endpoint.model import ManagedField

CONNECTION = frozenset({ManagedField.CLOUD_PROVIDER_ENDPOINT_ID, ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS})
"""The fields that connect an endpoint to the cloud; Atlas takes them together and not at any time."""

Fields: TypeAlias = Mapping[ManagedField, str]
"""Values by field. A field that is not in it is not managed (in a desire) or not known (in a confirmation)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not as desired.

    Attributes:
        field: which one.
        desired: what the resource wants.
        actual: what Atlas shows, or ``None``.
    """

    field: ManagedField
    desired: str
    actual: str | None


def same(field: ManagedField, one: str | None, other: str | None) -> bool:
    """Tell whether two values of a field mean the same.

    Atlas may show an Azure resource ID in other letter case, an address in another notation, and no comment as null.
    """
    match field:
        case ManagedField.COMMENT:
            return (one or "") == (other or "")
        case ManagedField.CLOUD_PROVIDER_ENDPOINT_ID:
            return (one or "").casefold() == (other or "").casefold()
        case ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS:
            return _address(one) == _address(other)


def shown(endpoint: Endpoint, field: ManagedField) -> str | None:
    """Give what Atlas shows for a field."""
    match field:
        case ManagedField.COMMENT:
            return endpoint.comment
        case ManagedField.CLOUD_PROVIDER_ENDPOINT_ID:
            return endpoint.cloud_provider_endpoint_id
        case ManagedField.PRIVATE_ENDPOINT_IP_ADDRESS:
            return endpoint.private_endpoint_ip_address


def compare(desired: Fields, endpoint: Endpoint) -> tuple[Difference, ...]:
    """Give the managed fields that Atlas does not show as desired."""
    return tuple(
        Difference(field, value, shown(endpoint, field))
        for field, value in desired.items()
        if not same(field, value, shown(endpoint, field))
    )


def _address(text: str | None) -> object:
    if not text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return text
    # An IPv4 address in IPv6 clothes is the same address.
    return (address.ipv4_mapped if isinstance(address, IPv6Address) else None) or address
