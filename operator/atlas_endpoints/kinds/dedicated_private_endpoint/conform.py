"""How ``atlas-endpoints conform`` tries endpoint services: with one, and with an endpoint that no VPC has. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.kinds.conforming import (
    CLOUD,
    MALFORMED,
    NOWHERE,
    Exchange,
    Family,
    Life,
    StopError,
    own_name,
    text_in,
)
from atlas_endpoints.kinds.dedicated_private_endpoint.calls import CHANGES, ENDPOINTS, SERVICES
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from atlas_endpoints.kinds.dedicated_private_endpoint.remote_regions import NO_CHANGE, body_of
from atlas_endpoints.kinds.dedicated_private_endpoint.service import READY
from atlas_endpoints.kinds.regions import atlas_name

DECIDED_WITHIN = 1200.0
"""Seconds for which it is waited until AWS and Atlas decide about an endpoint."""


async def live(life: Life) -> None:
    """Live; see ``Family``."""
    scope, endpoint = life.scope, life.vpc_endpoint(0)
    creation = _creation(scope, life.region)
    await life.step("unknown cloud", SERVICES.list_of(scope._replace(name="MARS")))
    await life.step("unknown region", _creation(scope, NOWHERE))
    service = await life.begin(creation)

    def registration(id_: str) -> Request:
        return ENDPOINTS.creation_of(scope, {"id": id_}, service)

    get, deletion = life.get_of(service), life.deletion_of(service)
    if life.is_new("early get"):
        await life.step("early register", registration(life.vpc_endpoint(1)))
    ready = await life.until("ready", get, lambda each: each.body.get("status") != "INITIATING")
    if ready.body.get("status") not in READY:
        raise StopError(f"the service is {ready.body.get('status') or ready.summary}")
    await life.step("malformed register", registration(MALFORMED))
    entry = await life.create("register", registration(endpoint))
    if life.is_new("register"):
        await life.step("endpoint", life.get_of(entry))
    await life.step("second register", registration(endpoint))
    await life.step("no change", CHANGES.update_of(scope, service, NO_CHANGE))
    other = body_of([own_name(life.elsewhere)])
    await life.step("remote region", CHANGES.update_of(scope, service, other))
    settled = await life.until("settled", life.get_of(entry), _is_settled, most=DECIDED_WITHIN)
    if settled.body.get("connectionStatus") == "REJECTED":
        await life.step("register again", registration(endpoint))
    if (await life.step("delete with endpoint", deletion)).is_success:
        raise StopError("Atlas deletes a service with an endpoint")
    await life.delete("deregister", entry)
    if life.is_new("deregister"):
        await life.step("second deregister", life.deletion_of(entry))
    await life.gone("endpoint gone", entry)
    if life.made("early register") or life.made("malformed register"):
        raise StopError("Atlas has registered an endpoint that it should refuse")
    if not (await life.step("empty service", get)).is_success:
        raise StopError("the service is gone with its last endpoint")
    await life.step("absent endpoint", life.get_of(entry))
    await life.finish(service, creation)


def _creation(scope: Scope, region: str) -> Request:
    return CHANGES.creation_of(scope, {"providerName": CLOUD, "region": region})


def _is_settled(found: Exchange) -> bool:
    return found.body.get("connectionStatus") in {"AVAILABLE", "FAILED", "REJECTED"}


def _ids(item: Any) -> Sequence[str]:
    if (found := KIND.listed(item)) is None:
        return []
    return [found[0], *(f"{found[0]}/{each}" for each in found[1].endpoint_ids)]


def _region(fields: Mapping[str, Any]) -> str:
    return atlas_name(CLOUD, text_in(fields, "regionName") or text_in(fields, "region"))


def _named(request: Request) -> str | None:
    if request.operation != ENDPOINTS.create:
        return None
    return f"{request.path.split('/')[-2]}/{text_in(request.body, 'id')}"


def _deletion_of(scope: Scope, entry: str) -> Request:
    return (ENDPOINTS if "/" in entry else SERVICES).deletion_of(scope, entry)


FAMILY = Family(live, KIND, _deletion_of, _ids, _region, _named)
