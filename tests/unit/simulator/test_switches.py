"""What real servers may do differently; what shows in the life of an endpoint is in testdata/lives.yaml."""

import httpx
import pytest

from unit.simulator.harness import VPCE, Atlas, collection, endpoint, start


async def test_answers_may_lack_fields_and_the_state_shows_what_is_kept(atlas: Atlas) -> None:
    await atlas.control("switches", {"missingFields": ["providerName", "errorMessage"], "trimComment": True})
    await atlas.patch(endpoint(), comment=" x ")

    for shown in (await atlas.show(endpoint()), (await atlas.call("GET", collection())).json()[0]):
        assert not {"providerName", "errorMessage"} & shown.keys()
        assert (shown["status"], shown["comment"]) == ("RESERVED", "x")
    kept = (await atlas.control("state"))["projects"][0]["instances"][0]["endpoints"][0]
    assert (kept["providerName"], kept["comment"]) == ("AWS", " x ")


async def test_a_write_may_take_effect_long_after_its_connection_was_lost(atlas: Atlas) -> None:
    await atlas.token()
    await atlas.control("switches", {"lateWrites": 4})
    with pytest.raises(httpx.RemoteProtocolError):
        await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)
    before = (await atlas.show(endpoint()))["status"]
    atlas.clock.advance(6)  # what follows is counted from when it took effect

    assert before == "RESERVED"
    assert (await atlas.show(endpoint()))["status"] == "AVAILABLE"


async def test_a_late_write_that_is_refused_is_answered(atlas: Atlas) -> None:
    await atlas.control("switches", {"lateWrites": 4})

    answer = await atlas.call("DELETE", endpoint(), who="reader")

    assert answer.json()["errorCode"] == "USER_UNAUTHORIZED"


async def test_errors_may_carry_nulls(atlas: Atlas) -> None:
    await atlas.control("switches", {"nullErrorFields": True})

    error = (await atlas.call("GET", collection("none"))).json()

    code = "SERVERLESS_INSTANCE_NOT_FOUND"
    assert error == {"detail": None, "error": 404, "errorCode": code, "parameters": None, "reason": None}


async def test_a_seed_can_set_switches() -> None:
    async with start({"switches": {"digest": {"algorithm": "SHA-256"}, "transition": None}}) as atlas:
        switches = await atlas.control("switches")

    assert (switches["digest"]["algorithm"], switches["transition"]) == ("SHA-256", None)
    assert switches["digest"]["qop"] == "auth"
