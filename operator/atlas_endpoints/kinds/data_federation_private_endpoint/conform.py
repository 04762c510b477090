"""How ``atlas-endpoints conform`` tries Data Federation: with an endpoint that no VPC has. Pure."""

from typing import Any

from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.kinds.conforming import CLOUD, MALFORMED, Family, Life, own_name, text_in
from atlas_endpoints.kinds.data_federation_private_endpoint.kind import KIND

SOON = 600.0
"""Seconds within which what is deleted at once is gone."""


async def live(life: Life) -> None:
    """Live; see ``Family``."""
    endpoint, *others = (life.vpc_endpoint(number) for number in range(5))
    name = {"customerEndpointDNSName": f"{endpoint}.example.com"}
    first, second = {"comment": "conform"}, {"comment": "conform again"}

    def post(id_: str, **values: str) -> Request:
        body = {"endpointId": id_, "provider": CLOUD, "type": "DATA_LAKE", **values}
        return KIND.api.creation_of(life.scope, body)

    get = life.get_of(endpoint)
    await life.step("malformed path", life.get_of(MALFORMED))
    await life.step("malformed id", post(MALFORMED))
    await life.step("region alone", post(others[0], region=life.region))
    await life.step("cloud's region", post(others[1], region=own_name(life.region), **name))
    await life.step("name alone", post(others[2], **name))
    await life.step("address", post(others[3], customerEndpointIPAddress="10.0.0.4"))
    await life.create("create", post(endpoint, **first))
    await life.step("endpoint", get)
    for change, request in {
        "computed fields": post(endpoint, **first, status="DELETING", errorMessage="made up"),
        "other comment": post(endpoint, **second),
        "other region": post(endpoint, **second, **name, region=life.region),
        "no comment": post(endpoint),
        "empty comment": post(endpoint, comment=""),
    }.items():
        await life.step(change, request)
        await life.step(f"after {change}", get)
    await life.delete("delete", endpoint)
    if life.is_new("delete"):
        await life.step("after delete", get)
    await life.gone("gone", endpoint, most=SOON)
    await life.step("delete of nothing", life.deletion_of(endpoint))


def _entry(fields: Any) -> str:
    return KIND.key_of(text_in(fields, "endpointId"))


FAMILY = Family(
    live,
    KIND,
    KIND.api.deletion_of,
    ids=lambda item: [*filter(None, [_entry(item)])],
    place=lambda _: "",
    named=lambda request: _entry(request.body),
)
