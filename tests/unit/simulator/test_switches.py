"""What real servers may do differently, one switch each."""

from typing import Any

import httpx
import pytest

from unit.simulator.harness import (
    ARM_ID,
    AWS_ENDPOINT,
    AZURE_ENDPOINT,
    PROJECT,
    VPCE,
    Atlas,
    collection,
    endpoint,
    start,
)


async def test_answers_may_show_azure_ids_in_another_letter_case(atlas: Atlas) -> None:
    await _put(atlas, "azure", cloudProviderEndpointId=ARM_ID)
    await atlas.control("switches", {"armIdCase": "lower"})
    lower = await _both(atlas, "azure")
    await atlas.control("switches", {"armIdCase": "upper"})
    upper = await _both(atlas, "azure")

    assert [each["cloudProviderEndpointId"] for each in lower] == [ARM_ID.lower()] * 2
    assert [each["cloudProviderEndpointId"] for each in upper] == [ARM_ID.upper()] * 2


async def test_aws_ids_keep_their_letter_case(atlas: Atlas) -> None:
    await _put(atlas, cloudProviderEndpointId=VPCE)
    await atlas.control("switches", {"armIdCase": "upper"})

    assert (await atlas.show(endpoint()))["cloudProviderEndpointId"] == VPCE


async def test_answers_may_trim_the_comment(atlas: Atlas) -> None:
    await atlas.control("switches", {"trimComment": True})

    answer = await atlas.patch(endpoint(), comment="  a b ")

    assert [each["comment"] for each in [answer.json(), *await _both(atlas)]] == ["a b"] * 3


async def test_answers_may_show_null_for_an_empty_comment(atlas: Atlas) -> None:
    plain = await atlas.patch(endpoint(), comment="")
    await atlas.control("switches", {"emptyCommentAsNull": True})

    assert plain.json()["comment"] == ""
    assert [each["comment"] for each in await _both(atlas)] == [None] * 2


async def test_answers_may_lack_fields(atlas: Atlas) -> None:
    await atlas.control("switches", {"missingFields": ["providerName", "errorMessage"]})

    for shown in await _both(atlas):
        assert "providerName" not in shown
        assert "errorMessage" not in shown
        assert shown["status"] == "RESERVED"


async def test_the_state_shows_what_is_kept_whatever_answers_show(atlas: Atlas) -> None:
    await atlas.control("switches", {"missingFields": ["providerName"], "trimComment": True})
    await atlas.patch(endpoint(), comment=" x ")

    state = await atlas.control("state")

    kept = state["projects"][0]["instances"][0]["endpoints"][0]
    assert (kept["providerName"], kept["comment"]) == ("AWS", " x ")


async def test_reserved_may_be_shown_a_moment_longer_after_the_connection(atlas: Atlas) -> None:
    await atlas.control("switches", {"reservedAfterConnect": 5})
    answer = await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)
    seen = [answer.json()["status"]]
    for seconds in (4, 1, 2):
        atlas.clock.advance(seconds)
        seen.append((await atlas.show(endpoint()))["status"])

    assert seen == ["RESERVED", "RESERVED", "INITIATING", "AVAILABLE"]
    assert answer.json()["cloudProviderEndpointId"] == VPCE


async def test_the_same_connection_twice_does_not_begin_again(atlas: Atlas) -> None:
    await atlas.control("switches", {"reservedAfterConnect": 5})
    await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)
    atlas.clock.advance(4)
    await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)
    atlas.clock.advance(3)

    assert (await atlas.show(endpoint()))["status"] == "AVAILABLE"


async def test_list_may_lag_behind_what_get_shows(atlas: Atlas) -> None:
    await atlas.control("switches", {"listLag": 3})
    await atlas.patch(endpoint(), comment="new")
    created = (await atlas.call("POST", collection(), json={})).json()["_id"]

    got, listed = (await atlas.show(endpoint()))["comment"], await _listed(atlas)
    atlas.clock.advance(2.9)
    still = await _listed(atlas)
    atlas.clock.advance(0.1)

    assert got == "new"
    assert listed == still == {AWS_ENDPOINT: None}
    assert await _listed(atlas) == {AWS_ENDPOINT: "new", created: None}


async def test_a_lagging_list_shows_each_version_in_its_turn(atlas: Atlas) -> None:
    await atlas.control("switches", {"listLag": 3})
    for comment in ("one", "two"):
        await atlas.patch(endpoint(), comment=comment)
        atlas.clock.advance(2)
    seen = [await _listed(atlas)]
    atlas.clock.advance(1)
    seen.append(await _listed(atlas))

    assert seen == [{AWS_ENDPOINT: "one"}, {AWS_ENDPOINT: "two"}]


async def test_without_the_lag_list_catches_up_for_good(atlas: Atlas) -> None:
    await atlas.control("switches", {"listLag": 3})
    await atlas.patch(endpoint(), comment="one")
    await atlas.control("switches", {"listLag": 0})
    at_once = await _listed(atlas)
    await atlas.patch(endpoint(), comment="two")
    atlas.clock.advance(3)

    assert at_once == {AWS_ENDPOINT: "one"}
    assert await _listed(atlas) == {AWS_ENDPOINT: "two"}


async def test_a_write_may_take_effect_long_after_its_connection_was_lost(atlas: Atlas) -> None:
    await atlas.token()
    await atlas.control("switches", {"lateWrites": 4})
    with pytest.raises(httpx.RemoteProtocolError):
        await atlas.patch(endpoint(), comment="late")
    before = (await atlas.show(endpoint()))["comment"]
    atlas.clock.advance(4)

    assert before is None
    assert (await atlas.show(endpoint()))["comment"] == "late"


async def test_what_follows_from_a_late_write_is_counted_from_when_it_took_effect(atlas: Atlas) -> None:
    await atlas.token()
    await atlas.control("switches", {"lateWrites": 4})
    with pytest.raises(httpx.RemoteProtocolError):
        await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)
    atlas.clock.advance(6)

    assert (await atlas.show(endpoint()))["status"] == "AVAILABLE"


async def test_a_write_that_is_refused_is_answered_and_not_lost(atlas: Atlas) -> None:
    await atlas.control("switches", {"lateWrites": 4})

    answer = await atlas.call("DELETE", endpoint(), who="reader")

    assert answer.json()["errorCode"] == "USER_UNAUTHORIZED"


async def test_errors_may_carry_nulls(atlas: Atlas) -> None:
    await atlas.control("switches", {"nullErrorFields": True})

    answer = await atlas.call("GET", collection("none"))

    assert answer.json() == {
        "detail": None,
        "error": 404,
        "errorCode": "SERVERLESS_INSTANCE_NOT_FOUND",
        "parameters": None,
        "reason": None,
    }


async def test_a_seed_can_turn_switches() -> None:
    async with start({"switches": {"digest": {"algorithm": "SHA-256"}, "transition": None}}) as atlas:
        switches = await atlas.control("switches")

    assert (switches["digest"]["algorithm"], switches["transition"]) == ("SHA-256", None)
    assert switches["digest"]["qop"] == "auth"


@pytest.mark.parametrize(
    ("switches", "complaint"),
    [
        pytest.param({"transitions": 1}, "switches: transitions", id="an unknown switch"),
        pytest.param({"transition": -1}, "switches: transition", id="a negative duration"),
        pytest.param({"digest": {"qop": "none"}}, "switches: digest.qop", id="an unknown position"),
        pytest.param({"digest": {"nonces": "unique", "x": 1}}, "switches: digest.x", id="an unknown switch inside"),
        pytest.param({"digest": 5}, "switches: digest", id="a number for a group"),
        pytest.param({"connectFails": "("}, "switches: connectFails", id="no regular expression"),
        pytest.param({"rateLimit": {"capacity": 0, "refillRate": 1}}, "switches: rateLimit.capacity", id="no capacity"),
        pytest.param({"list_lag": 1}, "switches: list_lag", id="a name in another style"),
        pytest.param([], "switches: document", id="a list"),
    ],
)
async def test_a_wrong_position_names_the_switch_and_turns_none(atlas: Atlas, switches: Any, complaint: str) -> None:
    before = await atlas.control("switches")

    error = await atlas.refused("switches", switches)

    assert error.startswith(complaint)
    assert await atlas.control("switches") == before


async def _put(atlas: Atlas, instance: str = "aws", **fields: Any) -> None:
    endpoint_id = AWS_ENDPOINT if instance == "aws" else AZURE_ENDPOINT
    document = {"_id": endpoint_id, **fields}
    await atlas.control("endpoints", {"projectId": PROJECT, "instanceName": instance, "endpoint": document})


async def _both(atlas: Atlas, instance: str = "aws") -> list[dict[str, Any]]:
    return [await atlas.show(endpoint(instance)), (await atlas.call("GET", collection(instance))).json()[0]]


async def _listed(atlas: Atlas) -> dict[str, str | None]:
    return {each["_id"]: each["comment"] for each in (await atlas.call("GET", collection())).json()}
