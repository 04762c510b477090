"""How ``atlas-endpoints conform`` tries endpoints that Atlas makes for a region: with one. Pure."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.kinds.conforming import CLOUD, NOWHERE, Exchange, Family, Life, StopError, id_in, own_name, text_in
from atlas_endpoints.kinds.lives.regional import Regional
from atlas_endpoints.kinds.regions import atlas_name


def family_of(kind: Regional[Any], check: Callable[[Life], Awaitable[None]] | None = None) -> Family:
    """Return the family; ``check`` raises ``StopError`` in a project that does not suit."""

    async def live(life: Life) -> None:
        def post(**body: str) -> Request:
            return kind.api.creation_of(life.scope, {"cloudProvider": CLOUD, **body})

        def is_initiating(found: Exchange) -> bool:
            return found.body.get("status") == "INITIATING"

        if check is not None:
            await check(life)
        await life.step("no region", post())
        await life.step("unknown region", post(regionName=NOWHERE))
        await life.step("cloud's region", post(regionName=own_name(life.elsewhere)))
        # Azure has neither region. If Atlas goes by the path's cloud, the LIST shows what it makes; else it makes nothing.
        other = "SA_EAST_1" if life.region != "SA_EAST_1" else "AF_SOUTH_1"
        await life.step("other cloud", post(regionName=other, cloudProvider="AZURE"))
        entry = await life.begin(post(regionName=life.region))
        is_early = life.is_new("early get") and is_initiating(await life.step("still early", life.get_of(entry)))
        if is_early and (await life.step("early delete", life.deletion_of(entry))).is_success:
            raise StopError("Atlas deletes an endpoint that is INITIATING")
        await life.until("made", life.get_of(entry), lambda each: not is_initiating(each))
        await life.finish(entry, post(regionName=life.region))

    def place(fields: Mapping[str, Any]) -> str:
        return atlas_name(CLOUD, text_in(fields, "regionName"))

    return Family(live, kind, kind.api.deletion_of, id_in("id"), place)
