"""Stories of a resource that names no endpoint: exactly one is reserved for it, whatever is lost on the way."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from atlas_endpoints.atlas.errors import AtlasUnavailableError, MissingRoleError, UpdateRejectedError
from atlas_endpoints.atlas.serverless_private_endpoints import CREATE, Endpoint
from atlas_endpoints.kinds.serverless_private_endpoint.model import Reservation
from atlas_endpoints.kinds.serverless_private_endpoint.reservations import (
    Adopt,
    Discard,
    Intend,
    Look,
    Reserve,
    Step,
    step,
)
from unit.kinds.serverless_private_endpoint.world import START, VPCE, Resource, World, unavailable

INTERVAL = 600.0
ANNOTATION = "atlas-endpoints.dev/endpoint-id"
MARK = "atlas-endpoints.dev/uid-db"

A, B, CONNECTED = (
    Endpoint(id="a", status="RESERVED"),
    Endpoint(id="b", status="RESERVED"),
    Endpoint(id="c", status="AVAILABLE", cloud_provider_endpoint_id=VPCE),
)
ALSO = Endpoint(id="d", status="AVAILABLE", cloud_provider_endpoint_id=VPCE)


def asked(seconds: float) -> Reservation:
    """A reservation that was asked for so many seconds ago."""
    return Reservation(requested_at=START - timedelta(seconds=seconds))


STEPS: dict[str, tuple[tuple[Endpoint, ...], Reservation | None, bool, Step]] = {
    "nothing was ever asked for: it is written down first": ((), None, False, Intend()),
    "it was written down and nothing else happened since: it is reserved": ((), asked(1), True, Reserve()),
    "somebody has written it down before: it may be on its way": ((), asked(10), False, Look(75.0)),
    "it cannot be on its way any more": ((), asked(85), False, Intend()),
    "there is one": ((A,), asked(1), False, Adopt(A)),
    "there is one though nobody has asked": ((A,), None, False, Adopt(A)),
    "there is one though it is our turn": ((A,), asked(1), True, Adopt(A)),
    "there are two: the second goes": ((A, B), asked(1), False, Discard(B)),
    "there are two, and the second is connected: the first goes": ((A, CONNECTED), asked(1), False, Discard(A)),
    "there are two, and both are connected: the first is kept": ((CONNECTED, ALSO), asked(1), False, Adopt(CONNECTED)),
    "there are three": ((A, B, CONNECTED), asked(1), False, Discard(A)),
}


@pytest.mark.parametrize(("marked", "reservation", "unused", "expected"), STEPS.values(), ids=STEPS)
def test_step(marked: tuple[Endpoint, ...], reservation: Reservation | None, *, unused: bool, expected: Step) -> None:
    assert step(marked, reservation, unused=unused, now=START) == expected


def lost() -> AtlasUnavailableError:
    return AtlasUnavailableError("The connection dropped.", operation="POST", unknown_outcome=True)


def posts(world: World) -> int:
    return world.atlas.calls.count("POST")


def one(world: World) -> Endpoint:
    """The one endpoint that there is."""
    (endpoint,) = world.atlas.endpoints.values()
    return endpoint


def is_taken_note_of(resource: Resource, endpoint: Endpoint) -> bool:
    recorded = resource.annotations.get(ANNOTATION) == f"{endpoint.id}/{resource.uid}"
    return recorded and resource.status["reservation"]["endpointId"] == endpoint.id


async def reserved(world: World, **spec: Any) -> Resource:
    """A resource whose endpoint is RESERVED."""
    resource = world.create(endpoint_id=None, **spec)
    await world.run_for(10)
    world.atlas.put(one(world).id, status="RESERVED", endpoint_service_name="svc")
    await world.run_for(60)
    return resource


async def test_it_is_reserved_connected_and_keeps_the_comment_of_the_spec(world: World) -> None:
    resource = world.create(endpoint_id=None, comment="orders", cloudProviderEndpointId=VPCE)
    await world.run_for(4)
    assert posts(world) == 1
    assert one(world).comment == MARK
    assert is_taken_note_of(resource, one(world))
    assert resource.ready == ("False", "ReservationRequested")
    assert resource.status["endpoint"]["id"] == one(world).id

    world.atlas.put(one(world).id, status="RESERVED", endpoint_service_name="svc")
    await world.run_for(10)
    assert one(world).comment == "orders"
    assert one(world).cloud_provider_endpoint_id == VPCE
    world.atlas.put(one(world).id, status="AVAILABLE")
    await world.run_for(60)
    assert resource.ready == ("True", "Available")
    assert posts(world) == 1
    assert [each["cause"] for each in resource.status["history"]] == ["Edit", "Reservation"]


async def test_many_at_once_share_a_look(world: World) -> None:
    """One that began after the intents of all of them."""
    crowd = [world.create(f"db-{number}", endpoint_id=None) for number in range(20)]
    for resource in crowd:
        await world.pass_over(resource)
    world.reset_log()
    world.clock.seconds += 1.0
    for resource in crowd:
        await world.pass_over(resource)
    assert posts(world) == len(crowd)
    assert world.atlas.calls.count("LIST") <= 1


async def test_what_is_connected_later_tells_the_service_meanwhile(world: World) -> None:
    resource = await reserved(world)
    assert resource.ready == ("False", "WaitingForCloudEndpoint")
    assert "svc" in resource.message
    world.edit(resource, cloudProviderEndpointId=VPCE)
    await world.run_for(1)
    assert one(world).cloud_provider_endpoint_id == VPCE


async def test_at_rest_it_costs_what_a_named_one_costs(world: World) -> None:
    resource = await reserved(world, comment="orders", cloudProviderEndpointId=VPCE)
    world.atlas.put(one(world).id, status="AVAILABLE")
    await world.run_for(INTERVAL)
    assert resource.ready == ("True", "Available")
    world.reset_log()
    await world.run_for(3 * INTERVAL)
    assert world.atlas.calls == ["LIST"] * 3
    assert not world.writes


@pytest.mark.parametrize("applies", ["never", "at once", "late"])
async def test_a_lost_answer_makes_no_second_endpoint(world: World, applies: Any) -> None:
    world.atlas.fail_once("POST", lost(), applies=applies)
    resource = world.create(endpoint_id=None)
    await world.run_for(20)
    assert posts(world) == 1
    world.atlas.apply_late()
    await world.run_for(120)
    assert is_taken_note_of(resource, one(world))
    assert posts(world) == (2 if applies == "never" else 1)


@pytest.mark.parametrize("applies", ["never", "at once", "late"])
@pytest.mark.parametrize("writes_status", [True, False])
async def test_a_crash_after_the_call_makes_no_second_endpoint(
    world: World, applies: Any, *, writes_status: bool
) -> None:
    """Whether or not the status still tells that the answer was lost."""
    resource = world.create(endpoint_id=None)
    await world.pass_over(resource)
    assert posts(world) == 0
    assert "endpointId" not in resource.status["reservation"]
    before = resource.status
    world.atlas.fail_once("POST", lost(), applies=applies)
    await world.pass_over(resource)
    if not writes_status:
        resource.status = before
        world.changed(resource)
    world.restart()
    world.see_all()
    await world.run_for(20)
    assert posts(world) == 1
    world.atlas.apply_late()
    await world.run_for(120)
    assert is_taken_note_of(resource, one(world))
    assert posts(world) == (2 if applies == "never" else 1)


async def test_a_crash_after_the_answer_finds_the_endpoint_though_lists_lag(world: World) -> None:
    resource = world.create(endpoint_id=None, comment="orders")
    await world.pass_over(resource)
    before = resource.status
    await world.pass_over(resource)
    assert posts(world) == 1
    resource.status = before
    world.changed(resource)
    world.atlas.hidden.add(one(world).id)
    world.restart()
    world.see_all()
    await world.run_for(30)
    assert resource.ready == ("False", "ReservationRequested")
    world.atlas.hidden.clear()
    await world.run_for(120)
    assert is_taken_note_of(resource, one(world))
    assert posts(world) == 1


async def test_a_crash_before_the_call_puts_it_off(world: World) -> None:
    resource = world.create(endpoint_id=None)
    await world.pass_over(resource)
    world.restart()
    world.see_all()
    await world.run_for(50)
    assert posts(world) == 0
    await world.run_for(60)
    assert posts(world) == 1
    assert is_taken_note_of(resource, one(world))


async def test_nothing_is_changed_before_the_endpoint_is_taken_note_of(world: World) -> None:
    """Else nobody would find it any more, once its comment is another."""
    resource = world.create(endpoint_id=None, comment="orders")
    await world.pass_over(resource)
    await world.pass_over(resource)
    world.atlas.put(one(world).id, status="RESERVED", endpoint_service_name="svc")
    world.atlas.forget_all()
    await world.pass_over(resource)
    assert resource.annotations[ANNOTATION] == f"{one(world).id}/uid-db"
    assert one(world).comment == MARK
    await world.pass_over(resource)
    assert one(world).comment == "orders"


async def test_a_call_that_was_surely_refused_is_made_again_at_once(world: World) -> None:
    world.atlas.fail_once("POST", unavailable("POST"))
    resource = world.create(endpoint_id=None)
    await world.run_for(9)
    assert posts(world) == 2
    assert is_taken_note_of(resource, one(world))


async def test_an_edit_meanwhile_makes_no_second_one(world: World) -> None:
    resource = world.create(endpoint_id=None, comment="one")
    await world.pass_over(resource)
    world.edit(resource, comment="two")
    await world.pass_over(resource)
    world.edit(resource, comment="three")
    await world.run_for(30)
    world.atlas.put(one(world).id, status="RESERVED", endpoint_service_name="svc")
    await world.run_for(30)
    assert posts(world) == 1
    assert one(world).comment == "three"


async def test_without_writes_the_call_is_shown_and_made_when_they_are_on_again(world: World) -> None:
    world.restart(writes=False)
    resource = world.create(endpoint_id=None)
    await world.run_for(3 * INTERVAL)
    assert resource.ready == ("False", "Planned")
    assert resource.status["plan"] == {"method": "POST", "body": {"comment": MARK}, "reason": "Reservation"}
    assert posts(world) == 0
    world.restart()
    world.see_all()
    await world.run_for(10)
    assert is_taken_note_of(resource, one(world))


class TestLost:
    async def test_one_that_has_lasted_is_replaced_at_once(self, world: World) -> None:
        resource = await reserved(world)
        await world.run_for(2 * 3600)
        old = one(world)
        world.atlas.vanish(old.id)
        await world.run_for(INTERVAL + 5)
        assert one(world).id != old.id
        assert is_taken_note_of(resource, one(world))
        assert resource.status["reservation"]["attempt"] == 1

    async def test_those_that_go_soon_are_replaced_ever_later(self, world: World) -> None:
        resource = await reserved(world)
        attempts = []
        for _ in range(4):
            world.atlas.vanish(one(world).id)
            world.annotate(resource, force_sync=str(world.clock.seconds))
            began = world.clock.seconds
            while not world.atlas.endpoints:
                await world.run_for(5)
            attempts.append(world.clock.seconds - began)
            await world.run_for(10)
        assert attempts == sorted(attempts)
        assert attempts[-1] > 4 * 60
        assert is_taken_note_of(resource, one(world))

    async def test_it_is_told_while_it_is_not_replaced_yet(self, world: World) -> None:
        resource = world.create(endpoint_id=None)
        await world.run_for(20)
        world.atlas.vanish(one(world).id)
        await world.run_for(20)
        assert resource.ready == ("False", "ReservationRequested")
        assert "expired" in resource.message
        assert "applied" not in resource.status
        await world.run_for(60)
        assert is_taken_note_of(resource, one(world))
        assert resource.status["reservation"]["attempt"] == 2

    async def test_it_is_only_reported_where_drift_is(self, world: World) -> None:
        resource = await reserved(world, driftPolicy="Report")
        await world.run_for(7200)
        world.atlas.vanish(one(world).id)
        await world.run_for(3 * INTERVAL)
        assert resource.ready == ("False", "EndpointNotFound")
        assert posts(world) == 1

    async def test_an_endpoint_that_the_spec_names_is_never_replaced(self, world: World) -> None:
        world.atlas.put("7f7cac1adf5d6c6306f4b283")
        resource = world.create(endpoint_id="7f7cac1adf5d6c6306f4b283")
        await world.settle()
        world.atlas.vanish("7f7cac1adf5d6c6306f4b283")
        await world.run_for(3 * INTERVAL)
        assert resource.ready == ("False", "EndpointNotFound")
        assert posts(world) == 0


class TestCopies:
    async def test_a_copy_of_one_that_is_there_reserves_its_own(self, world: World) -> None:
        original = await reserved(world)
        taken = one(world).id
        copy = world.create("copy", endpoint_id=None)
        copy.annotations = dict(original.annotations)
        await world.run_for(30)
        assert len(world.atlas.endpoints) == 2
        assert copy.status["reservation"]["endpointId"] != taken
        assert copy.annotations[ANNOTATION].endswith("/uid-copy")

    async def test_a_restored_backup_finds_its_endpoint(self, world: World) -> None:
        original = await reserved(world, comment="orders")
        await world.run_for(60)
        assert one(world).comment == "orders"
        world.vanish(original)
        restored = world.create("restored", endpoint_id=None, comment="orders")
        restored.annotations = dict(original.annotations)
        await world.run_for(30)
        assert restored.status["reservation"]["endpointId"] == one(world).id
        assert restored.status["reservation"]["adopted"] is True
        assert restored.annotations[ANNOTATION].endswith("/uid-db"), "whose it was is not forgotten"
        assert posts(world) == 1
        assert restored.ready == ("False", "WaitingForCloudEndpoint")

    async def test_a_restored_backup_whose_endpoint_is_gone_gets_its_own_and_takes_nothing_over(
        self, world: World
    ) -> None:
        original = await reserved(world)
        world.vanish(original)
        world.atlas.vanish(one(world).id)
        restored = world.create("restored", endpoint_id=None)
        restored.annotations = dict(original.annotations)
        await world.run_for(10)
        assert is_taken_note_of(restored, one(world))
        assert "adopted" not in restored.status["reservation"]

    async def test_a_restored_backup_whose_endpoint_is_gone_tells_a_refusal_once(self, world: World) -> None:
        """Else it would take over, lose and ask again in turn, for ever, with an Event for each."""
        original = await reserved(world)
        world.vanish(original)
        world.atlas.vanish(one(world).id)
        refusal = UpdateRejectedError("There are too many.", operation=CREATE, http_status=409)
        world.atlas.go_down("POST", error=refusal)
        restored = world.create("restored", endpoint_id=None)
        restored.annotations = dict(original.annotations)
        await world.run_for(5)
        reasons = set()
        for _ in range(100):
            await world.run_for(10)
            reasons.add(restored.ready[1])
        assert reasons == {"UpdateRejected"}

    async def test_where_a_loss_is_only_reported_a_restored_backup_reports_it(self, world: World) -> None:
        original = await reserved(world)
        world.vanish(original)
        world.atlas.vanish(one(world).id)
        restored = world.create("restored", endpoint_id=None, driftPolicy="Report")
        restored.annotations = dict(original.annotations)
        await world.run_for(INTERVAL)
        assert restored.ready == ("False", "EndpointNotFound")
        assert posts(world) == 1

    async def test_of_two_restored_at_once_one_finds_it_and_the_other_reserves_its_own(self, world: World) -> None:
        original = await reserved(world)
        taken = one(world).id
        world.vanish(original)
        copies = [world.create(name, endpoint_id=None) for name in ("first", "second")]
        for copy in copies:
            copy.annotations = dict(original.annotations)
            copy.status = {
                "reservation": {"requestedAt": copy.created, "endpointId": taken, "attempt": 1, "adopted": True}
            }
            world.changed(copy)
        await world.run_for(120)
        first, second = (copy.status["reservation"] for copy in copies)
        assert first["endpointId"] == taken
        assert second["endpointId"] != taken
        assert len(world.atlas.endpoints) == 2
        assert [copy.condition("Contended") for copy in copies] == [None, None]

    async def test_of_two_whose_passes_go_side_by_side_one_alone_writes_to_it(self, world: World) -> None:
        original = await reserved(world)
        taken = one(world).id
        world.vanish(original)
        copies = [world.create(name, endpoint_id=None, comment=name) for name in ("first", "second")]
        for copy in copies:
            copy.annotations = dict(original.annotations)
            world.changed(copy)
        world.reset_log()
        for _ in range(2):
            await asyncio.gather(*(world.pass_over(copy) for copy in copies))
        assert world.atlas.calls.count("PATCH comment") == 1
        await world.run_for(120)
        first, second = (copy.status["reservation"] for copy in copies)
        assert first["endpointId"] == taken
        assert second["endpointId"] != taken
        assert world.atlas.endpoints[taken].comment == "first"
        assert [copy.condition("Contended") for copy in copies] == [None, None]

    async def test_who_has_had_a_taken_over_endpoint_does_not_give_it_up(self, world: World) -> None:
        original = await reserved(world, comment="orders")
        taken = one(world).id
        world.vanish(original)
        restored = world.create("restored", endpoint_id=None, comment="orders")
        restored.annotations = dict(original.annotations)
        await world.run_for(60)
        world.edit(restored, suspend=True)
        other = world.create("other", endpoint_id=taken, comment="others")
        await world.run_for(60)
        assert other.condition("Contended") is None
        world.edit(restored, suspend=False)
        await world.run_for(3 * INTERVAL)
        assert restored.status["reservation"]["endpointId"] == taken
        assert set(world.atlas.endpoints) == {taken}

    async def test_a_status_that_was_wiped_is_found_again_by_the_annotation(self, world: World) -> None:
        resource = await reserved(world, comment="orders")
        await world.run_for(60)
        resource.status = {"observedGeneration": -1}
        world.changed(resource)
        world.restart()
        world.see_all()
        await world.run_for(60)
        assert posts(world) == 1
        assert resource.status["endpoint"]["id"] == one(world).id

    @pytest.mark.parametrize("text", ["", "nonsense", "5f7cac1adf5d6c6306f4b283", "../../x/uid-db", "/uid-db"])
    async def test_an_annotation_that_says_nothing_is_nothing(self, world: World, text: str) -> None:
        resource = world.create(endpoint_id=None)
        resource.annotations[ANNOTATION] = text
        world.changed(resource)
        await world.run_for(10)
        assert posts(world) == 1
        assert is_taken_note_of(resource, one(world))


async def test_one_that_is_named_later_stays_the_same(world: World) -> None:
    resource = await reserved(world)
    world.edit(resource, endpointId=one(world).id)
    await world.run_for(INTERVAL)
    assert posts(world) == 1
    assert resource.status["endpoint"]["id"] == one(world).id


async def test_of_two_with_its_mark_the_unconnected_one_goes(world: World) -> None:
    world.atlas.put("1" * 24, status="RESERVED", comment=MARK)
    world.atlas.put("2" * 24, status="RESERVED", comment=MARK)
    resource = world.create(endpoint_id=None)
    await world.run_for(3)
    assert world.atlas.endpoints["2" * 24].status == "DELETING"
    assert [reason for reason, _ in world.announced] == ["EndpointDiscarded"]
    world.atlas.vanish("2" * 24)
    await world.run_for(30)
    assert posts(world) == 0
    assert is_taken_note_of(resource, world.atlas.endpoints["1" * 24])


async def test_of_two_with_its_mark_that_are_connected_the_one_that_is_left_is_told(world: World) -> None:
    for each in "12":
        world.atlas.put(each * 24, comment=MARK, cloud_provider_endpoint_id=VPCE)
    resource = world.create(endpoint_id=None)
    await world.run_for(30)
    assert is_taken_note_of(resource, world.atlas.endpoints["1" * 24])
    ((reason, message),) = world.announced
    assert reason == "EndpointRetained"
    assert "2" * 24 in message
    assert "DELETE" not in world.atlas.calls


async def test_one_that_appears_very_late_beside_the_one_that_it_has_goes_and_is_told(world: World) -> None:
    resource = await reserved(world, comment="orders", cloudProviderEndpointId=VPCE)
    world.atlas.put(one(world).id, status="AVAILABLE")
    kept, late = one(world).id, "e" * 24
    await world.run_for(INTERVAL)
    world.atlas.put(late, status="RESERVED", comment=MARK)
    await world.run_for(2 * INTERVAL)
    assert world.atlas.endpoints[late].status == "DELETING"
    assert world.atlas.endpoints[kept].status == "AVAILABLE"
    assert resource.ready == ("True", "Available")
    assert [reason for reason, _ in world.announced] == ["Updated", "EndpointDiscarded"]
    world.reset_log()
    await world.run_for(3 * INTERVAL)
    assert world.atlas.calls == ["LIST"] * 3
    assert not world.passes


@pytest.mark.parametrize("spared", ["connected", "named", "planned", "somebody has added words", "gone"])
async def test_one_that_appears_very_late_stays_where_somebody_uses_it(world: World, spared: str) -> None:
    resource = await reserved(world, comment="orders")
    late = "e" * 24
    match spared:
        case "connected":
            world.atlas.put(late, status="AVAILABLE", comment=MARK, cloud_provider_endpoint_id=VPCE)
        case "named":
            world.create("other", endpoint_id=late)
            world.atlas.put(late, status="RESERVED", comment=MARK)
        case "planned":
            world.edit(resource, managementPolicy="Plan")
            world.atlas.put(late, status="RESERVED", comment=MARK)
        case "somebody has added words":
            world.atlas.put(late, status="RESERVED", comment=f"{MARK} is kept for the payments team")
            world.annotate(resource, force_sync="now")
        case _:
            world.atlas.put(late, status="RESERVED", comment="atlas-endpoints.dev/uid-other")
    await world.run_for(3 * INTERVAL)
    assert "DELETE" not in world.atlas.calls
    assert world.announced == []


async def test_one_that_appears_very_late_and_cannot_be_deleted_is_no_failure_of_the_resource(world: World) -> None:
    resource = await reserved(world, comment="orders")
    late = "e" * 24
    world.atlas.put(late, status="RESERVED", comment=MARK)
    world.atlas.go_down("DELETE")
    await world.run_for(3 * INTERVAL)
    assert resource.ready == ("False", "WaitingForCloudEndpoint")
    world.atlas.come_back()
    await world.run_for(2 * INTERVAL)
    assert world.atlas.endpoints[late].status == "DELETING"


@pytest.mark.parametrize("how", ["WRITES=off", "Plan"])
async def test_where_nothing_may_be_written_what_is_one_too_many_stays(world: World, how: str) -> None:
    world.restart(writes=how != "WRITES=off")
    for each in "12":
        world.atlas.put(each * 24, status="RESERVED", comment=MARK)
    resource = world.create(endpoint_id=None, managementPolicy="Plan" if how == "Plan" else "Manage")
    await world.run_for(60)
    assert set(world.atlas.calls) == {"LIST"}
    assert resource.status["reservation"]["endpointId"] == "1" * 24


async def test_an_endpoint_with_its_mark_that_another_stands_for_is_left_to_that_one(world: World) -> None:
    world.atlas.put("1" * 24, status="RESERVED", comment=MARK)
    world.create("other", endpoint_id="1" * 24)
    await world.run_for(10)
    resource = world.create(endpoint_id=None)
    await world.run_for(20)
    assert resource.status["reservation"]["endpointId"] != "1" * 24
    assert world.atlas.endpoints["1" * 24].status == "RESERVED"


async def test_what_is_being_deleted_is_not_taken(world: World) -> None:
    world.atlas.put("1" * 24, status="DELETING", comment=MARK)
    resource = world.create(endpoint_id=None)
    await world.run_for(20)
    assert resource.status["reservation"]["endpointId"] != "1" * 24


async def test_nothing_is_reserved_for_what_is_suspended_meanwhile(world: World) -> None:
    resource = world.create(endpoint_id=None)
    await world.pass_over(resource)

    def suspend(instance: Any) -> None:
        world.edit(resource, suspend=True)

    world.atlas.while_listing = suspend
    await world.run_for(60)
    assert posts(world) == 0


async def test_one_that_leaves_and_comes_back_while_its_mark_is_looked_for_begins_anew(world: World) -> None:
    """As when a label is taken away by mistake: what was remembered of it is gone."""
    resource = world.create(endpoint_id=None)
    await world.pass_over(resource)

    def leave(instance: Any) -> None:
        world.reconciler.forget(resource.key)

    world.atlas.while_listing = leave
    await world.run_for(100)
    assert posts(world) == 1
    assert is_taken_note_of(resource, one(world))


async def test_an_intent_that_grows_old_while_it_is_looked_for_is_written_anew(world: World) -> None:
    """Who finds it after a crash counts from it how long the call may still be on its way."""
    resource = world.create(endpoint_id=None)
    await world.pass_over(resource)
    written = resource.status["reservation"]["requestedAt"]
    world.atlas.next_list_takes = 60.0
    await world.pass_over(resource)
    assert posts(world) == 0
    assert resource.status["reservation"]["requestedAt"] > written
    await world.run_for(10)
    assert posts(world) == 1


async def test_an_intent_that_did_not_reach_the_api_server_is_not_acted_on(world: World) -> None:
    resource = world.create(endpoint_id=None)
    await world.pass_over(resource)
    known_to_the_engine = resource.body
    resource.status = {"observedGeneration": -1}
    world.changed(resource)
    await world.reconciler.reconcile(known_to_the_engine, known_to_the_engine["status"])
    assert posts(world) == 0


class TestRefused:
    async def test_a_refusal_is_told_once_and_lets_an_endpoint_be_named(self, world: World) -> None:
        error = UpdateRejectedError("There are too many.", operation=CREATE, http_status=409)
        world.atlas.go_down("POST", error=error)
        resource = world.create(endpoint_id=None)
        await world.run_for(5)
        assert resource.ready == ("False", "UpdateRejected")
        assert "reservation" not in resource.status
        reasons = set()
        for _ in range(300):
            await world.run_for(10)
            reasons.add(resource.ready[1])
        assert reasons == {"UpdateRejected"}
        assert posts(world) <= 7
        world.atlas.come_back()
        await world.run_for(INTERVAL + 10)
        assert is_taken_note_of(resource, one(world))

    async def test_a_role_that_is_too_weak_is_told_as_ever(self, world: World) -> None:
        world.atlas.go_down("POST", error=MissingRoleError("Too weak.", operation=CREATE, http_status=403))
        resource = world.create(endpoint_id=None)
        await world.run_for(3 * INTERVAL)
        assert resource.ready == ("False", "MissingRole")
        assert resource.condition("Stalled") is not None
        assert (resource.condition("CredentialsValid") or {})["reason"] == "NotAllowed"


async def test_an_annotation_of_its_own_is_taken_over_once_and_moves_nothing_afterwards(world: World) -> None:
    for each in "12":
        world.atlas.put(each * 24, comment="theirs")
    resource = world.create(endpoint_id=None, comment="mine", deletionPolicy="Delete")
    resource.annotations[ANNOTATION] = f"{'1' * 24}/uid-db"
    world.changed(resource)
    await world.run_for(30)
    assert resource.status["reservation"] == {
        "requestedAt": resource.status["reservation"]["requestedAt"],
        "endpointId": "1" * 24,
        "attempt": 1,
        "adopted": True,
    }
    world.annotate(resource, endpoint_id=f"{'2' * 24}/uid-db")
    await world.run_for(30)
    assert world.atlas.endpoints["2" * 24].comment == "theirs"
    world.delete(resource)
    await world.run_for(30)
    assert "DELETE" not in world.atlas.calls


async def test_what_was_reserved_for_a_resource_that_went_meanwhile_is_told(world: World) -> None:
    resource = world.create(endpoint_id=None)
    await world.pass_over(resource)

    def go(instance: Any) -> None:
        world.vanish(resource)

    world.atlas.while_posting = go
    await world.pass_over(resource)
    assert posts(world) == 1
    ((reason, message),) = world.announced
    assert reason == "EndpointRetained"
    assert one(world).id in message
