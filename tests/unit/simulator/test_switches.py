"""What real servers may do differently; what shows in the life of an endpoint is in testdata/lives.yaml."""

from unit.simulator.harness import Atlas, collection, endpoint


async def test_answers_may_lack_fields_and_the_state_shows_what_is_kept(atlas: Atlas) -> None:
    await atlas.control("switches", {"missingFields": ["providerName", "errorMessage"], "trimComment": True})
    await atlas.patch(endpoint(), comment=" x ")

    for shown in (await atlas.show(endpoint()), (await atlas.call("GET", collection())).json()[0]):
        assert not {"providerName", "errorMessage"} & shown.keys()
        assert (shown["status"], shown["comment"]) == ("RESERVED", "x")
    kept = (await atlas.control("state"))["projects"][0]["instances"][0]["endpoints"][0]
    assert (kept["providerName"], kept["comment"]) == ("AWS", " x ")
