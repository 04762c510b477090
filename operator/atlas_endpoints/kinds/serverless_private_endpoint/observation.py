"""Looking at one endpoint: in the shared LIST, or else past it."""

from collections.abc import Callable, Sequence

from atlas_endpoints.atlas.errors import EndpointAbsentError
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint, EndpointStatus
from atlas_endpoints.atlas.snapshots import Instance
from atlas_endpoints.engine.store import Body
from atlas_endpoints.kinds.serverless_private_endpoint.claims import is_held
from atlas_endpoints.kinds.serverless_private_endpoint.ports import AtlasPort

SHARED = 5.0
"""Seconds: a LIST that began no longer ago serves routine looks, and rounds."""


async def look(
    atlas: AtlasPort, instance: Instance, endpoint_id: str, *, max_age: float, is_asked_for: bool = False
) -> Endpoint:
    """Find an endpoint in the shared LIST, or else past it.

    Its absence takes proof: a GET that says so, and a LIST without it that began for this very purpose.

    Args:
        atlas: where to look.
        instance: where the endpoint is.
        endpoint_id: which one.
        max_age: seconds; a LIST that began earlier is not good enough, and with 0 none that has begun already is.
        is_asked_for: whether a LIST of this age has begun after a person has asked for it, so that this is its purpose.

    Raises:
        AtlasError: ``EndpointAbsentError`` when its absence is proved.
    """
    observed = await atlas.observe(instance, endpoint_id, max_age=max_age)
    if observed is not None:
        return observed
    try:
        return await atlas.get(instance, endpoint_id)
    except EndpointAbsentError:
        observed = await atlas.observe(instance, endpoint_id, max_age=0.0) if max_age > 0 and not is_asked_for else None
        if observed is None:
            raise
        return observed


def is_surplus(endpoint: Endpoint, found_by: Callable[[str], Sequence[Body]], namespace: str) -> bool:
    """Tell whether an endpoint that was reserved is nobody's: it is unused, and no resource that counts stands for it.

    Args:
        endpoint: with a mark.
        found_by: gives the resources that stand for the endpoint of an id.
        namespace: of the resource that it was reserved for.
    """
    return is_unused(endpoint) and not is_held(endpoint.id, found_by(endpoint.id), namespace)


def is_unused(endpoint: Endpoint) -> bool:
    """Tell whether an endpoint is there to be deleted: nothing is connected to it, and Atlas is not at it already."""
    return endpoint.cloud_provider_endpoint_id is None and endpoint.status != EndpointStatus.DELETING
