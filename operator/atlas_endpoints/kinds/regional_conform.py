"""How ``atlas-endpoints conform`` tries endpoints that Atlas makes for a region: with one. Pure."""

from collections.abc import Awaitable, Callable

from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.kinds.conforming import CLOUD, NOWHERE, Exchange, Family, Life, id_in, own_name, text_in
from atlas_endpoints.kinds.regional_atlas import Calls, EndpointState

NO_REGION_OF_AZURE = "SA_EAST_1"
"""Atlas makes nothing there, whichever cloud it believes: only the one of the path is looked at afterwards."""


async def _nothing(_: Life) -> None:
    pass


def family_of(calls: Calls, check: Callable[[Life], Awaitable[None]] = _nothing) -> Family:
    """Return the family; ``check`` raises ``StopError`` in a project that does not suit."""

    async def live(life: Life) -> None:
        def post(**body: str) -> Request:
            return calls.creation_of(life.project, CLOUD, {"cloudProvider": CLOUD, **body})

        def is_initiating(found: Exchange) -> bool:
            return found.body.get("status") == EndpointState.INITIATING

        await check(life)
        await life.step("no region", post())
        await life.step("unknown region", post(regionName=NOWHERE))
        await life.step("cloud's region", post(regionName=own_name(life.region)))
        await life.step("other cloud", post(regionName=NO_REGION_OF_AZURE, cloudProvider="AZURE"))
        entry = await life.begin(post(regionName=life.region))
        if life.is_new("early get") and is_initiating(await life.step("still early", life.get_of(entry))):
            await life.step("early delete", life.deletion_of(entry))
        await life.until("made", life.get_of(entry), lambda each: not is_initiating(each))
        await life.finish(entry, post(regionName=life.region))

    return Family(live, calls, (CLOUD,), id_in("id"), lambda fields: text_in(fields, "regionName"))
