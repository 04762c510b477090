"""The life of an endpoint, at the pace of a clock that the test turns."""

from typing import Any

import pytest

from unit.simulator.harness import (
    ARM_ID,
    AWS_ENDPOINT,
    AZURE_ENDPOINT,
    OTHER_VPCE,
    PROJECT,
    VPCE,
    Atlas,
    collection,
    endpoint,
)

IP = "10.0.0.4"


async def test_a_reservation_becomes_reserved_and_gets_its_service(atlas: Atlas) -> None:
    created = (await atlas.call("POST", collection(), json={})).json()["_id"]
    path = endpoint(endpoint_id=created)

    atlas.clock.advance(1.9)
    early = await atlas.show(path)
    atlas.clock.advance(0.1)
    late = await atlas.show(path)

    assert (early["status"], early["endpointServiceName"]) == ("RESERVATION_REQUESTED", None)
    assert late["status"] == "RESERVED"
    assert late["endpointServiceName"].startswith("com.amazonaws.vpce.")


async def test_an_aws_endpoint_is_connected_by_its_id(atlas: Atlas) -> None:
    answer = await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)
    atlas.clock.advance(2)

    assert answer.json()["status"] == "INITIATING"
    assert (await atlas.show(endpoint()))["status"] == "AVAILABLE"


async def test_an_azure_endpoint_is_connected_by_its_id_and_address(atlas: Atlas) -> None:
    await atlas.patch(endpoint("azure"), cloudProviderEndpointId=ARM_ID, privateEndpointIpAddress=IP)
    atlas.clock.advance(2)

    shown = await atlas.show(endpoint("azure"))
    assert shown["status"] == "AVAILABLE"
    assert (shown["cloudProviderEndpointId"], shown["privateEndpointIpAddress"]) == (ARM_ID, IP)


async def test_a_deleted_endpoint_is_gone_from_get_and_list_after_a_while(atlas: Atlas) -> None:
    await atlas.call("DELETE", endpoint())
    listed = (await atlas.call("GET", collection())).json()
    atlas.clock.advance(2)

    assert [each["status"] for each in listed] == ["DELETING"]
    assert (await atlas.call("GET", endpoint())).status_code == 404
    assert (await atlas.call("GET", collection())).json() == []


async def test_the_list_shows_each_change_of_status(atlas: Atlas) -> None:
    seen = []
    await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)
    for _ in range(3):
        seen.append((await atlas.call("GET", collection())).json()[0]["status"])
        atlas.clock.advance(1)

    assert seen == ["INITIATING", "INITIATING", "AVAILABLE"]


async def test_a_connection_may_fail_and_says_why(atlas: Atlas) -> None:
    await atlas.control("switches", {"connectFails": VPCE})

    await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)
    atlas.clock.advance(2)

    shown = await atlas.show(endpoint())
    assert shown["status"] == "FAILED"
    assert VPCE in shown["errorMessage"]


async def test_a_failed_endpoint_is_tried_again_with_another_id(atlas: Atlas) -> None:
    await atlas.control("switches", {"connectFails": VPCE})
    await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)
    atlas.clock.advance(2)

    answer = await atlas.patch(endpoint(), cloudProviderEndpointId=OTHER_VPCE)
    atlas.clock.advance(2)

    assert (answer.json()["status"], answer.json()["errorMessage"]) == ("INITIATING", None)
    assert (await atlas.show(endpoint()))["status"] == "AVAILABLE"


async def test_a_failed_endpoint_stays_failed_with_the_same_id(atlas: Atlas) -> None:
    await _put(atlas, "FAILED", cloudProviderEndpointId=VPCE)

    answer = await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)

    assert (answer.status_code, answer.json()["status"]) == (200, "FAILED")


async def test_a_failed_azure_endpoint_is_tried_again_with_another_address(atlas: Atlas) -> None:
    await _put(atlas, "FAILED", "azure", cloudProviderEndpointId=ARM_ID, privateEndpointIpAddress=IP)

    answer = await atlas.patch(endpoint("azure"), privateEndpointIpAddress="10.0.0.5")

    assert (answer.status_code, answer.json()["status"]) == (200, "INITIATING")


async def test_a_reservation_may_fail_and_then_no_id_helps(atlas: Atlas) -> None:
    await atlas.control("switches", {"reservationFails": True})
    created = (await atlas.call("POST", collection(), json={})).json()["_id"]
    atlas.clock.advance(2)
    path = endpoint(endpoint_id=created)

    shown = await atlas.show(path)
    answer = await atlas.patch(path, cloudProviderEndpointId=VPCE)

    assert (shown["status"], shown["endpointServiceName"]) == ("FAILED", None)
    assert shown["errorMessage"]
    assert answer.status_code == 400


async def test_an_unused_reservation_may_expire(atlas: Atlas) -> None:
    await atlas.control("switches", {"reservationExpiry": 60})
    atlas.clock.advance(59)
    before = await atlas.call("GET", endpoint())
    atlas.clock.advance(1)

    assert before.status_code == 200
    assert (await atlas.call("GET", endpoint())).status_code == 404


async def test_a_reservation_that_was_connected_does_not_expire(atlas: Atlas) -> None:
    await atlas.control("switches", {"reservationExpiry": 60})
    await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)
    atlas.clock.advance(1000)

    assert (await atlas.show(endpoint()))["status"] == "AVAILABLE"


@pytest.mark.parametrize("status", ["INITIATING", "AVAILABLE"])
async def test_another_id_is_refused_once_connected(atlas: Atlas, status: str) -> None:
    await _put(atlas, status, cloudProviderEndpointId=VPCE)

    answer = await atlas.patch(endpoint(), cloudProviderEndpointId=OTHER_VPCE)

    assert (answer.status_code, answer.json()["errorCode"]) == (400, "INVALID_ATTRIBUTE")
    assert status in answer.json()["detail"]
    assert (await atlas.show(endpoint()))["cloudProviderEndpointId"] == VPCE


async def test_another_address_is_refused_once_connected(atlas: Atlas) -> None:
    await _put(atlas, "AVAILABLE", "azure", cloudProviderEndpointId=ARM_ID, privateEndpointIpAddress=IP)

    answer = await atlas.patch(endpoint("azure"), privateEndpointIpAddress="10.0.0.5")

    assert answer.status_code == 400


async def test_the_same_azure_id_in_another_letter_case_is_no_change(atlas: Atlas) -> None:
    await _put(atlas, "AVAILABLE", "azure", cloudProviderEndpointId=ARM_ID, privateEndpointIpAddress="fd00::4")

    answer = await atlas.patch(
        endpoint("azure"), cloudProviderEndpointId=ARM_ID.lower(), privateEndpointIpAddress="fd00:0:0::4"
    )

    assert answer.status_code == 200
    assert answer.json()["cloudProviderEndpointId"] == ARM_ID


@pytest.mark.parametrize("status", ["RESERVATION_REQUESTED", "RESERVED", "INITIATING", "AVAILABLE", "FAILED"])
async def test_a_comment_may_change_in_every_status_but_deleting(atlas: Atlas, status: str) -> None:
    await _put(atlas, status, cloudProviderEndpointId=VPCE)

    answer = await atlas.patch(endpoint(), comment="new")

    assert (answer.status_code, answer.json()["comment"], answer.json()["status"]) == (200, "new", status)


async def test_an_endpoint_that_is_being_deleted_takes_no_patch(atlas: Atlas) -> None:
    await atlas.call("DELETE", endpoint())

    answer = await atlas.patch(endpoint(), comment="new")

    assert (answer.status_code, answer.json()["errorCode"]) == (400, "VALIDATION_ERROR")


async def test_an_id_is_refused_before_there_is_a_service_to_connect_to(atlas: Atlas) -> None:
    created = (await atlas.call("POST", collection(), json={})).json()["_id"]

    answer = await atlas.patch(endpoint(endpoint_id=created), cloudProviderEndpointId=VPCE)

    assert answer.status_code == 400
    assert "RESERVATION_REQUESTED" in answer.json()["detail"]


async def test_the_id_that_a_reserved_endpoint_already_shows_still_connects_it(atlas: Atlas) -> None:
    await _put(atlas, "RESERVED", cloudProviderEndpointId=VPCE)

    answer = await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)

    assert answer.json()["status"] == "INITIATING"


async def test_nothing_moves_while_transitions_are_switched_off_and_all_moves_once_they_are_on(atlas: Atlas) -> None:
    await atlas.control("switches", {"transition": None})
    await atlas.patch(endpoint(), cloudProviderEndpointId=VPCE)
    atlas.clock.advance(3000)
    held = (await atlas.show(endpoint()))["status"]

    await atlas.control("switches", {"transition": 5})

    assert held == "INITIATING"
    assert (await atlas.show(endpoint()))["status"] == "AVAILABLE"


async def test_with_no_delay_the_next_look_shows_the_next_status(atlas: Atlas) -> None:
    await atlas.control("switches", {"transition": 0})

    created = (await atlas.call("POST", collection(), json={})).json()

    assert created["status"] == "RESERVATION_REQUESTED"
    assert (await atlas.show(endpoint(endpoint_id=created["_id"])))["status"] == "RESERVED"


async def _put(atlas: Atlas, status: str, instance: str = "aws", **fields: Any) -> None:
    endpoint_id = AWS_ENDPOINT if instance == "aws" else AZURE_ENDPOINT
    document = {"_id": endpoint_id, "status": status, **fields}
    await atlas.control("endpoints", {"projectId": PROJECT, "instanceName": instance, "endpoint": document})
