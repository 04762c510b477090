"""What happens while Prometheus looks: three minutes in which a bit of everything goes wrong and is mended."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from support.atlas import CLOUD_ENDPOINT, place, project_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from support.atlas import Atlas
    from support.resources import Resources

PROJECTS = 7
"""The first three have the dedicated resources of the crowd, the fourth one the serverless ones; each other one goes wrong."""
DEDICATED, SERVERLESS = range(30), range(30, 40)
"""The crowd: the numbers of the resources that there are from the beginning, ten for each project."""
SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class Cast:
    """The resources of a namespace, of each kind."""

    dedicated: Resources
    serverless: Resources


def spec(number: int, **fields: Any) -> Mapping[str, Any]:
    """Return the spec of a dedicated resource, of a project that it shares with nine others."""
    return {
        "projectId": project_id(number // 10),
        "providerName": "AWS",
        "region": "eu-west-1",
        "cloudProviderEndpointId": endpoint(number),
        "credentialsSecretRef": {"name": "atlas-credentials"},
        **fields,
    }


def endpoint(number: int) -> str:
    return f"vpce-{number:017x}"


def tell(atlas: Atlas, cast: Cast, say: Callable[[str], None]) -> None:
    began = time.monotonic()

    def at(second: float, what: str) -> None:
        time.sleep(max(0.0, began + second - time.monotonic()))
        say(f"{second:4.0f} s  {what}")

    def fail(project: int, **fault: Any) -> None:
        atlas.post("faults", [{"match": {"path": f"/groups/{project_id(project)}/privateEndpoint/"}, **fault}])

    at(0, "resources are created")
    for number in DEDICATED:
        cast.dedicated.create(f"shop-{number}", spec(number))
    for number in SERVERLESS:
        here = place(number // 10, number % 10)
        cast.serverless.create(f"shop-{number}", here.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="ours"))
    at(35, "one has credentials that are refused, one an endpoint that there is not")
    cast.dedicated.secret("mistyped", {**atlas.put_account(place(4)), "clientSecret": "mdb_sa_sk_mistyped"})
    cast.dedicated.create("billing", spec(40, credentialsSecretRef={"name": "mistyped"}))
    cast.serverless.create("search", place(5).sibling(99).spec())
    at(55, "somebody removes and changes endpoints by hand")
    service = {"projectId": project_id(0), "cloudProvider": "AWS", "regionName": "EU_WEST_1"}
    gone = [{"id": endpoint(number), "remove": True} for number in DEDICATED[:4]]
    atlas.post("endpointServices", {**service, "endpoints": gone})
    for number in SERVERLESS[:4]:
        atlas.change(place(number // 10, number % 10), comment="theirs")
    at(75, "many are edited")
    for number in DEDICATED:
        cast.dedicated.edit(f"shop-{number}", supportedRemoteRegions=["eu-west-2"])
    for number in SERVERLESS:
        cast.serverless.edit(f"shop-{number}", comment="newer")
    at(100, "Atlas slows a project down")
    fail(6, status=429, errorCode="RATE_LIMITED_TOKEN_BUCKET", headers={"Retry-After": "25"})
    cast.dedicated.create("limited", spec(60))
    at(120, "Atlas has errors of its own")
    for project in range(4):
        fail(project, status=503, errorCode="UNEXPECTED_ERROR")
    for number in DEDICATED[:8]:
        cast.dedicated.edit(f"shop-{number}", supportedRemoteRegions=["eu-west-2", "eu-central-1"])
    at(145, "all is well again")
    atlas.heal()
    cast.dedicated.secret("mistyped", atlas.put_account(place(4)))
    at(SECONDS, "the end")
