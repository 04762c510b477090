"""What a second region of a project means for its sharded clusters: without regional mode, they have one string for all regions. Pure."""

from collections.abc import Sequence

from atlas_endpoints.kinds.dedicated_private_endpoint.resource import Service
from atlas_endpoints.kinds.lives.life import Facts
from atlas_endpoints.kinds.lives.made import some_of
from atlas_endpoints.reconcile.decision import Get

_READS = (Get("clusters", beside=True, optional=True), Get("regionalMode", beside=True, optional=True))


def reads(facts: Facts, service: Service) -> tuple[Get, ...]:
    """Return what is read beside an endpoint that is about to be registered, or on its way."""
    return _READS if _other_regions(facts, service) else ()


def _other_regions(facts: Facts, service: Service) -> Sequence[str]:
    """Return the other regions of the cloud in which the project has endpoints."""
    services = (seen.value for seen in facts.view.entries.values() if isinstance(seen.value, Service))
    return sorted({each.region for each in services if each.region and each.endpoint_ids} - {service.region})


def doubt(facts: Facts, service: Service) -> str:
    """Return a sentence, after a blank, about the clusters in two regions, as far as they and the mode were read; "": there is none."""
    clusters, is_on, region = facts.view.value("clusters"), facts.view.value("regionalMode"), service.region
    if clusters is None or is_on is not False or region is None:
        return ""
    others = _other_regions(facts, service)
    found = [
        each.name for each in clusters if not each.is_replica_set and any(each.spans(region, one) for one in others)
    ]
    if not found:
        return ""
    return (
        f" The project also has endpoints in {', '.join(others)}, and these sharded clusters have nodes in both: {some_of(found)}. They"
        " have a string for each region only in regional mode: create a PrivateEndpointRegionalMode."
    )
