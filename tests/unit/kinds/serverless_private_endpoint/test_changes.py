"""What is changed in Atlas is told, once, and never what is not changed; at a first contact before it is."""

from __future__ import annotations

import pytest

from atlas_endpoints.atlas.errors import AtlasUnavailableError
from atlas_endpoints.atlas.serverless_private_endpoints import UPDATE
from unit.kinds.serverless_private_endpoint.world import ENDPOINT, VPCE, World

TAKING_OVER = ("Adopting", f"First contact with endpoint {ENDPOINT}, whose values are about to be changed: ")


def unavailable(*, lost: bool = False) -> AtlasUnavailableError:
    return AtlasUnavailableError("Not now.", operation=UPDATE, http_status=503, unknown_outcome=lost)


def changes(world: World) -> list[str]:
    """What was told to be changed, each time."""
    assert all((reason, message[: len(TAKING_OVER[1])]) == TAKING_OVER for reason, message in world.announced)
    return [message.removeprefix(TAKING_OVER[1]) for _, message in world.announced]


async def test_each_field_is_told_from_what_to_what(world: World) -> None:
    world.atlas.put(ENDPOINT, status="RESERVED", comment="somebody's", endpoint_service_name="com.amazonaws.vpce.shop")
    world.create(comment="ours", cloudProviderEndpointId=VPCE)
    await world.run_for(0)
    assert changes(world) == [f"cloudProviderEndpointId from empty to '{VPCE}'; comment from 'somebody's' to 'ours'."]


async def test_it_is_told_before_the_patch(world: World) -> None:
    world.atlas.put(ENDPOINT, comment="somebody's")
    world.atlas.go_down("PATCH", error=unavailable())
    world.create(comment="ours")
    await world.run_for(0)
    assert world.atlas.endpoints[ENDPOINT].comment == "somebody's"
    assert changes(world) == ["comment from 'somebody's' to 'ours'."]


async def test_what_is_as_it_should_be_is_not_told(world: World) -> None:
    world.atlas.put(ENDPOINT, comment="ours", cloud_provider_endpoint_id=VPCE)
    world.create(comment="ours", cloudProviderEndpointId=VPCE)
    await world.run_for(3600)
    assert world.announced == []


@pytest.mark.parametrize("policy", ["Observe", "Plan"])
async def test_where_nothing_is_sent_nothing_is_told_until_it_is(world: World, policy: str) -> None:
    world.atlas.put(ENDPOINT, comment="somebody's")
    resource = world.create(comment="ours", managementPolicy=policy)
    await world.run_for(3600)
    assert world.announced == []
    world.edit(resource, managementPolicy="Manage")
    await world.run_for(0)
    assert changes(world) == ["comment from 'somebody's' to 'ours'."]


async def test_writes_that_are_switched_on_are_told_of(world: World) -> None:
    world.restart(writes=False)
    world.atlas.put(ENDPOINT, comment="somebody's")
    world.create(comment="ours")
    await world.run_for(60)
    assert world.announced == []
    world.restart()
    world.see_all()
    await world.run_for(0)
    assert changes(world) == ["comment from 'somebody's' to 'ours'."]


@pytest.mark.parametrize("lost", [False, True], ids=["refused for now", "with its answer lost"])
async def test_a_patch_that_is_tried_again_is_told_of_once(world: World, *, lost: bool) -> None:
    world.atlas.put(ENDPOINT, comment="somebody's")
    world.atlas.go_down("PATCH", error=unavailable(lost=lost))
    world.create(comment="ours")
    await world.run_for(300)
    assert world.atlas.calls.count("PATCH comment") > 2
    world.atlas.come_back()
    await world.run_for(600)
    assert world.atlas.endpoints[ENDPOINT].comment == "ours"
    assert len(changes(world)) == 1


async def test_a_process_that_comes_after_a_failure_tells_only_that_it_is_done(world: World) -> None:
    world.atlas.put(ENDPOINT, comment="somebody's")
    world.atlas.fail_once("PATCH", unavailable())
    world.create(comment="ours")
    await world.run_for(0)
    world.restart()
    world.see_all()
    await world.run_for(0)
    assert world.atlas.endpoints[ENDPOINT].comment == "ours"
    assert [reason for reason, _ in world.announced] == ["Adopting", "Updated"]


async def test_what_somebody_changes_between_two_tries_is_told(world: World) -> None:
    world.atlas.put(ENDPOINT, comment="somebody's")
    world.atlas.fail_once("PATCH", unavailable())
    world.create(comment="ours")
    await world.run_for(0)
    world.atlas.put(ENDPOINT, comment="another's")
    world.atlas.forget_all()
    await world.run_for(10)
    assert changes(world) == ["comment from 'somebody's' to 'ours'.", "comment from 'another's' to 'ours'."]


async def test_an_edit_is_no_first_contact(world: World) -> None:
    world.atlas.put(ENDPOINT, comment="ours")
    resource = world.create(comment="ours")
    await world.settle()
    world.edit(resource, comment="ours, too")
    await world.run_for(0)
    assert world.atlas.calls == ["PATCH comment"]
    assert world.announced == [
        ("Updated", "The endpoint was changed as the spec says: comment from 'ours' to 'ours, too'.")
    ]


async def test_drift_that_is_set_back_tells_what_somebody_had_changed(world: World) -> None:
    world.atlas.put(ENDPOINT, comment="ours")
    world.create(comment="ours")
    await world.settle()
    world.atlas.put(ENDPOINT, comment="theirs")
    await world.run_for(3600)
    words = "Somebody had changed the endpoint in Atlas, and it was set back: comment from 'theirs' to 'ours'."
    assert world.announced == [("DriftCorrected", words)]


async def test_an_edit_whose_patch_fails_is_told_once_it_is_made(world: World) -> None:
    world.atlas.put(ENDPOINT, comment="ours")
    resource = world.create(comment="ours")
    await world.settle()
    world.atlas.fail_once("PATCH", unavailable())
    world.edit(resource, comment="ours, too")
    await world.run_for(0)
    assert world.announced == []
    await world.run_for(60)
    assert [reason for reason, _ in world.announced] == ["Updated"]


async def test_an_edit_whose_answer_is_lost_is_no_first_contact_though_nothing_was_ever_applied(world: World) -> None:
    world.atlas.put(ENDPOINT, comment="ours")
    resource = world.create(comment="ours")
    await world.settle()
    world.atlas.fail_once("PATCH", unavailable(lost=True))
    world.edit(resource, comment="ours, too")
    await world.run_for(300)
    assert world.atlas.endpoints[ENDPOINT].comment == "ours, too"
    assert [reason for reason, _ in world.announced] == ["Updated"]


async def test_what_atlas_stores_otherwise_is_not_told_as_done(world: World) -> None:
    world.atlas.put(ENDPOINT, comment="ours")
    resource = world.create(comment="ours")
    await world.settle()
    world.atlas.stores = lambda endpoint: endpoint.model_copy(update={"comment": "cut"})
    world.edit(resource, comment="ours, too")
    await world.run_for(0)
    assert world.announced == []


async def test_what_is_sent_by_force_and_changes_nothing_is_not_told(world: World) -> None:
    world.atlas.put(
        ENDPOINT, status="FAILED", comment="ours", cloud_provider_endpoint_id=VPCE, endpoint_service_name="service"
    )
    resource = world.create(comment="ours", cloudProviderEndpointId=VPCE)
    await world.run_for(0)
    world.annotate(resource, force_sync="once more")
    await world.run_for(0)
    assert len([call for call in world.atlas.calls if call.startswith("PATCH")]) == 1
    assert world.announced == []


async def test_what_has_to_wait_is_not_told_as_about_to_be_changed(world: World) -> None:
    world.atlas.put(ENDPOINT, status="INITIATING", comment="somebody's", cloud_provider_endpoint_id=VPCE[:-1] + "1")
    world.create(comment="ours", cloudProviderEndpointId=VPCE)
    await world.run_for(0)
    assert world.atlas.calls == ["LIST", "PATCH comment"]
    assert changes(world) == ["comment from 'somebody's' to 'ours'."]


@pytest.mark.parametrize("lost", [False, True], ids=["at once", "with the answer lost"])
async def test_an_endpoint_that_was_reserved_for_the_resource_is_no_one_elses(world: World, *, lost: bool) -> None:
    if lost:
        world.atlas.fail_once("POST", unavailable(lost=True), applies="at once")
    world.create(endpoint_id=None, comment="ours")
    await world.run_for(0)
    (endpoint,) = world.atlas.endpoints.values()
    world.atlas.put(endpoint.id, status="RESERVED", endpoint_service_name="com.amazonaws.vpce.shop")
    await world.run_for(600)
    (endpoint,) = world.atlas.endpoints.values()
    assert endpoint.comment == "ours"
    assert world.announced == [], "neither a first contact, nor that the mark is gone"


async def test_a_namesake_is_told_of_anew(world: World) -> None:
    world.atlas.put(ENDPOINT, comment="somebody's")
    world.atlas.go_down("PATCH", error=unavailable())
    first = world.create(comment="ours")
    await world.run_for(0)
    world.vanish(first)
    world.create(comment="ours")
    await world.run_for(0)
    assert len(changes(world)) == 2


async def test_words_of_others_are_bounded_harmless_and_no_secret(world: World) -> None:
    secret = "mdb_sa_sk_" + "x" * 30
    world.atlas.put(ENDPOINT, comment=f"{secret} \x1b[2J\n\u202e" + "y" * 5000)
    world.create(comment="ours")
    await world.run_for(0)
    (told,) = changes(world)
    assert "xxx" not in told
    assert told.isprintable()
    assert told.endswith("...' to 'ours'.")
    assert len(told) < 250
