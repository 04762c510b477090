"""What happens while Prometheus looks: three minutes in which a bit of everything goes wrong and is mended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from support.atlas import CLOUD_ENDPOINT, place

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.atlas import Atlas, Place
    from support.resources import Resources

CROWD = 40
"""Resources that there are from the beginning."""
PLACES = CROWD // 10 + 3
"""Instances; all but the last three hold ten endpoints of the crowd."""
SECONDS = 180.0


def crowd() -> list[Place]:
    return [place(number // 10, number % 10) for number in range(CROWD)]


def tell(atlas: Atlas, resources: Resources, say: Callable[[str], None]) -> None:
    began = time.monotonic()

    def at(second: float, what: str) -> None:
        time.sleep(max(0.0, began + second - time.monotonic()))
        say(f"{second:4.0f} s  {what}")

    at(0, "resources are created")
    for number, here in enumerate(crowd()):
        resources.create(f"shop-{number}", here.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="ours"))
    at(35, "one has credentials that are refused, one an endpoint that there is not")
    refused, missing, limited = (place(PLACES - 1 - number) for number in range(3))
    resources.secret("mistyped", {**atlas.put_account(refused), "clientSecret": "mdb_sa_sk_mistyped"})
    resources.create("billing", refused.spec(credentialsSecretRef={"name": "mistyped"}))
    resources.create("search", missing.sibling(99).spec())
    at(55, "somebody changes endpoints by hand")
    for here in crowd()[:6]:
        atlas.change(here, comment="theirs")
    at(75, "many are edited")
    for number in range(CROWD):
        resources.edit(f"shop-{number}", comment="newer")
    at(100, "Atlas slows a project down")
    atlas.fail(limited, status=429, errorCode="RATE_LIMITED_TOKEN_BUCKET", headers={"Retry-After": "25"})
    resources.create("limited", limited.spec(comment="ours"))
    at(120, "Atlas has errors of its own")
    for number in range(PLACES - 3):
        atlas.fail(place(number), status=503, errorCode="UNEXPECTED_ERROR")
    for number in range(8):
        resources.edit(f"shop-{number}", comment="newest")
    at(145, "all is well again")
    atlas.heal()
    resources.secret("mistyped", atlas.put_account(refused))
    at(SECONDS, "the end")
