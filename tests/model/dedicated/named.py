"""What resources of small models name in Atlas. All are about one region, which has one service."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from atlas_endpoints.controller.cache import Body


class Target(NamedTuple):
    """An endpoint in a service, ignoring the letter case; a service has no endpoint's id."""

    service_id: str
    endpoint_id: str


def target_of(service_id: str, endpoint_id: str) -> Target:
    return Target(service_id, endpoint_id.casefold())


def named_by(body: Body) -> str | None:
    """Return the endpoint that a resource names, in lower case."""
    named: str | None = body["spec"].get("cloudProviderEndpointId")
    return None if named is None else named.casefold()


def service_of(body: Body) -> str | None:
    """Return the service that a status shows."""
    found: str | None = (body["status"].get("service") or {}).get("id")
    return found


def deletes(body: Body) -> bool:
    """Tell whether a resource takes what it names along."""
    return bool(body["spec"].get("deletionPolicy") == "Delete")


def lives(body: Body) -> bool:
    return "deletionTimestamp" not in body["metadata"]
