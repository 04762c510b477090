"""The life of a private endpoint: what requests and time do to it.

::

    POST                    cloud id (PATCH)
     |                            |
    RESERVATION_REQUESTED -> RESERVED -> INITIATING -> AVAILABLE
     |                         |  ^          |
     v                  expiry v  |          v   changed id (PATCH)
    FAILED                  absent   FAILED -+-> INITIATING

    DELETE, from anywhere -> DELETING -> absent
"""

import re
from dataclasses import dataclass
from ipaddress import ip_address

from atlas_endpoints.simulator import errors
from atlas_endpoints.simulator.endpoint import AZURE, Endpoint, Status, assign_service, failure
from atlas_endpoints.simulator.names import Names
from atlas_endpoints.simulator.switches import Switches


@dataclass(frozen=True, slots=True)
class Change:
    """What a PATCH asks for; ``None``: leave it."""

    comment: str | None = None
    cloud_provider_endpoint_id: str | None = None
    private_endpoint_ip_address: str | None = None


def planned(endpoint: Endpoint, switches: Switches) -> float | None:
    """Return after how many seconds in its status the endpoint changes by itself; ``None``: it does not."""
    if endpoint.held:
        return None
    match endpoint.status:
        case Status.RESERVATION_REQUESTED | Status.INITIATING | Status.DELETING:
            return switches.transition
        case Status.RESERVED if endpoint.connecting:
            return switches.reserved_after_connect
        case Status.RESERVED:
            return switches.reservation_expiry
        case _:
            return None


def advance(endpoint: Endpoint, switches: Switches, *, region: str, names: Names) -> bool:
    """Move the endpoint to its next status; return whether it still exists."""
    match endpoint.status:
        case Status.RESERVATION_REQUESTED if switches.reservation_fails:
            endpoint.status = Status.FAILED
            endpoint.error_message = failure(endpoint)
        case Status.RESERVATION_REQUESTED:
            endpoint.status = Status.RESERVED
            assign_service(endpoint, region=region, names=names)
        case Status.RESERVED if endpoint.connecting:
            endpoint.status = Status.INITIATING
        case Status.INITIATING:
            endpoint.connecting = False
            cloud_id = endpoint.cloud_provider_endpoint_id or ""
            if switches.connect_fails is not None and re.search(switches.connect_fails, cloud_id):
                endpoint.status = Status.FAILED
                endpoint.error_message = failure(endpoint)
            else:
                endpoint.status = Status.AVAILABLE
        case _:
            return False
    return True


def update(endpoint: Endpoint, change: Change, switches: Switches) -> None:
    """Apply a PATCH as a whole or not at all.

    Raises:
        ApiError: The endpoint's status does not allow it.
    """
    if endpoint.status == Status.DELETING:
        raise errors.validation_error(f"The private endpoint {endpoint.id} is being deleted.")
    if change.cloud_provider_endpoint_id is not None or change.private_endpoint_ip_address is not None:
        _connect(endpoint, change, switches)
    if change.comment is not None:
        endpoint.comment = change.comment


def delete(endpoint: Endpoint) -> None:
    """Begin to delete the endpoint; a second DELETE changes nothing."""
    endpoint.status = Status.DELETING
    endpoint.connecting = False


def _connect(endpoint: Endpoint, change: Change, switches: Switches) -> None:
    cloud_id = change.cloud_provider_endpoint_id or endpoint.cloud_provider_endpoint_id
    address = change.private_endpoint_ip_address or endpoint.private_endpoint_ip_address
    if cloud_id is None:
        raise errors.missing_attribute("cloudProviderEndpointId")
    if endpoint.provider_name == AZURE and address is None:
        raise errors.missing_attribute("privateEndpointIpAddress")
    waiting = endpoint.status == Status.RESERVED and not endpoint.connecting
    if not waiting and _is_connected_to(endpoint, cloud_id, address):
        return
    if endpoint.endpoint_service_name is None:
        raise errors.invalid_attribute(f"cloudProviderEndpointId. The private endpoint is {endpoint.status}.")
    if not waiting and endpoint.status != Status.FAILED:
        what = "It can't be changed after the private endpoint was connected"
        raise errors.invalid_attribute(f"cloudProviderEndpointId. {what} (status {endpoint.status}).")
    endpoint.cloud_provider_endpoint_id = cloud_id
    endpoint.private_endpoint_ip_address = address
    endpoint.error_message = None
    endpoint.connecting = True
    endpoint.status = Status.RESERVED if switches.reserved_after_connect else Status.INITIATING


def _is_connected_to(endpoint: Endpoint, cloud_id: str, address: str | None) -> bool:
    known_id, known_address = endpoint.cloud_provider_endpoint_id, endpoint.private_endpoint_ip_address
    if known_id is None or cloud_id.casefold() != known_id.casefold():  # Azure's ids are the same in any letter case
        return False
    if address is None or known_address is None:
        return address == known_address
    return ip_address(address) == ip_address(known_address)
