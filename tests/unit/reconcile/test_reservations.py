"""A resource that names no endpoint: exactly one is reserved, even if calls or statuses are lost."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from atlas_endpoints.atlas.errors import (
    AccountSuspendedError,
    AtlasError,
    AtlasUnavailableError,
    InstanceNotFoundError,
    IPNotAllowedError,
    MissingRoleError,
    ProjectNotFoundError,
    UpdateRejectedError,
)
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.errors import SecretProblem
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import CREATE, Endpoint
from atlas_endpoints.kinds.serverless_private_endpoint.resource import Reservation
from atlas_endpoints.reconcile.creation import may_arrive_for
from atlas_endpoints.reconcile.credentials import NoCredentialsError
from unit.reconcile.harness import (
    START,
    THEIRS,
    VPCE,
    Harness,
    Resource,
    taken_over,
    unavailable,
)

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
    """A reservation that was requested so many seconds ago."""
    return Reservation(requested_at=START - timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("reservation", "expected"),
    [
        pytest.param(None, 0.0, id="nothing was requested"),
        pytest.param(asked(10), 75.0, id="the request may be on its way"),
        pytest.param(asked(85), 0.0, id="the request is lost"),
    ],
)
def test_how_long_a_requested_endpoint_may_appear(reservation: Reservation | None, expected: float) -> None:
    assert may_arrive_for(reservation, START) == expected


FOUND: dict[str, tuple[tuple[Endpoint, ...], str | None, str | None]] = {
    "there is one": ((A,), "a", None),
    "there are two: the second goes": ((A, B), None, "b"),
    "there are two, and the second is connected: the first goes": ((A, CONNECTED), None, "a"),
    "there are two, and both are connected: the first is kept": ((CONNECTED, ALSO), "c", None),
    "there are three": ((A, B, CONNECTED), None, "a"),
}


@pytest.mark.parametrize(("marked", "adopted", "discarded"), FOUND.values(), ids=FOUND)
async def test_of_the_endpoints_with_the_mark_one_is_kept(
    harness: Harness, marked: tuple[Endpoint, ...], adopted: str | None, discarded: str | None
) -> None:
    resource = harness.create(endpoint_id=None, comment="one")
    for each in marked:
        harness.atlas.endpoints[each.id] = each.model_copy(update={"comment": f"atlas-endpoints.dev/{resource.uid}"})
    await harness.reconcile_of(resource)
    assert resource.status.get("reservation", {}).get("endpointId") == adopted
    gone = [id_ for id_, each in harness.atlas.endpoints.items() if each.status == "DELETING"]
    assert gone == ([discarded] if discarded else [])


def lost() -> AtlasUnavailableError:
    return AtlasUnavailableError("The connection dropped.", operation="POST", unknown_outcome=True)


def posts(harness: Harness) -> int:
    return harness.atlas.calls.count("POST")


def one(harness: Harness) -> Endpoint:
    """The only endpoint."""
    (endpoint,) = harness.atlas.endpoints.values()
    return endpoint


def is_taken_note_of(resource: Resource, endpoint: Endpoint) -> bool:
    recorded = resource.annotations.get(ANNOTATION) == f"{endpoint.id}/{resource.uid}"
    return recorded and resource.status["reservation"]["endpointId"] == endpoint.id


async def reserved(harness: Harness, **spec: Any) -> Resource:
    """A resource whose endpoint is RESERVED."""
    resource = harness.create(endpoint_id=None, **spec)
    await harness.run_for(10)
    harness.atlas.put(one(harness).id, status="RESERVED", endpoint_service_name="svc")
    await harness.run_for(60)
    return resource


async def test_it_is_reserved_connected_and_keeps_the_comment_of_the_spec(harness: Harness) -> None:
    resource = harness.create(endpoint_id=None, comment="orders", cloudProviderEndpointId=VPCE)
    await harness.run_for(4)
    assert posts(harness) == 1
    assert one(harness).comment == MARK
    assert is_taken_note_of(resource, one(harness))
    assert resource.ready == ("False", "ReservationRequested")
    assert resource.status["endpoint"]["id"] == one(harness).id

    harness.atlas.put(one(harness).id, status="RESERVED", endpoint_service_name="svc")
    await harness.run_for(10)
    assert one(harness).comment == "orders"
    assert one(harness).cloud_provider_endpoint_id == VPCE
    harness.atlas.put(one(harness).id, status="AVAILABLE")
    await harness.run_for(60)
    assert resource.ready == ("True", "Available")
    assert posts(harness) == 1
    assert [each["cause"] for each in resource.status["history"]] == ["Edit", "Reservation"]


async def test_many_reservations_share_a_list(harness: Harness) -> None:
    """One that began after the intents of all of them."""
    crowd = [harness.create(f"db-{number}", endpoint_id=None) for number in range(20)]
    for resource in crowd:
        await harness.reconcile_of(resource)
    harness.reset_log()
    harness.clock.seconds += 1.0
    for resource in crowd:
        await harness.reconcile_of(resource)
    assert posts(harness) == len(crowd)
    assert harness.atlas.calls.count("LIST") <= 1


async def test_what_is_connected_later_tells_the_service_meanwhile(harness: Harness) -> None:
    resource = await reserved(harness)
    assert resource.ready == ("False", "WaitingForCloudEndpoint")
    assert "svc" in resource.message
    harness.edit(resource, cloudProviderEndpointId=VPCE)
    await harness.run_for(1)
    assert one(harness).cloud_provider_endpoint_id == VPCE


async def test_a_settled_reservation_costs_as_much_as_a_named_endpoint(harness: Harness) -> None:
    resource = await reserved(harness, comment="orders", cloudProviderEndpointId=VPCE)
    harness.atlas.put(one(harness).id, status="AVAILABLE")
    await harness.run_for(INTERVAL)
    assert resource.ready == ("True", "Available")
    harness.reset_log()
    await harness.run_for(3 * INTERVAL)
    assert harness.atlas.calls == ["LIST"] * 3
    assert not harness.writes


@pytest.mark.parametrize("applies", ["never", "at once", "late"])
async def test_a_lost_answer_makes_no_second_endpoint(harness: Harness, applies: Any) -> None:
    harness.atlas.fail_once("POST", lost(), applies=applies)
    resource = harness.create(endpoint_id=None)
    await harness.run_for(20)
    assert posts(harness) == 1
    harness.atlas.apply_late()
    await harness.run_for(120)
    assert is_taken_note_of(resource, one(harness))
    assert posts(harness) == (2 if applies == "never" else 1)


@pytest.mark.parametrize("applies", ["never", "at once", "late"])
@pytest.mark.parametrize("writes_status", [True, False])
async def test_a_crash_after_the_call_makes_no_second_endpoint(
    harness: Harness, applies: Any, *, writes_status: bool
) -> None:
    """Whether or not the status still tells that the answer was lost."""
    resource = harness.create(endpoint_id=None)
    await harness.reconcile_of(resource)
    assert posts(harness) == 0
    assert "endpointId" not in resource.status["reservation"]
    before = resource.status
    harness.atlas.fail_once("POST", lost(), applies=applies)
    await harness.reconcile_of(resource)
    if not writes_status:
        resource.status = before
        harness.changed(resource)
    harness.restart()
    harness.enqueue_all()
    await harness.run_for(20)
    assert posts(harness) == 1
    harness.atlas.apply_late()
    await harness.run_for(120)
    assert is_taken_note_of(resource, one(harness))
    assert posts(harness) == (2 if applies == "never" else 1)


async def test_a_crash_after_the_answer_finds_the_endpoint_though_lists_lag(harness: Harness) -> None:
    resource = harness.create(endpoint_id=None, comment="orders")
    await harness.reconcile_of(resource)
    before = resource.status
    await harness.reconcile_of(resource)
    assert posts(harness) == 1
    resource.status = before
    harness.changed(resource)
    harness.atlas.hidden.add(one(harness).id)
    harness.restart()
    harness.enqueue_all()
    await harness.run_for(30)
    assert resource.ready == ("False", "ReservationRequested")
    harness.atlas.hidden.clear()
    await harness.run_for(120)
    assert is_taken_note_of(resource, one(harness))
    assert posts(harness) == 1


@pytest.mark.parametrize("named_by", ["nobody", "one of another namespace that has never seen it"])
async def test_one_whose_answer_was_lost_is_found_whoever_names_it(harness: Harness, named_by: str) -> None:
    harness.atlas.fail_once("POST", lost(), applies="at once")
    resource = harness.create(endpoint_id=None)
    await harness.reconcile_of(resource)
    await harness.reconcile_of(resource)
    if named_by != "nobody":
        spec: dict[str, Any] = {"projectId": None, "projectRef": {"name": "nowhere"}}
        harness.create("squatter", one(harness).id, namespace=THEIRS, **spec)
    await harness.run_for(120)
    assert posts(harness) == 1
    assert is_taken_note_of(resource, one(harness))


async def test_a_crash_before_the_call_delays_it(harness: Harness) -> None:
    resource = harness.create(endpoint_id=None)
    await harness.reconcile_of(resource)
    harness.restart()
    harness.enqueue_all()
    await harness.run_for(50)
    assert posts(harness) == 0
    await harness.run_for(60)
    assert posts(harness) == 1
    assert is_taken_note_of(resource, one(harness))


async def test_the_endpoint_is_recorded_before_the_first_change(harness: Harness) -> None:
    """Otherwise nobody would find it after its comment has changed."""
    resource = harness.create(endpoint_id=None, comment="orders")
    await harness.reconcile_of(resource)
    await harness.reconcile_of(resource)
    harness.atlas.put(one(harness).id, status="RESERVED", endpoint_service_name="svc")
    harness.atlas.forget_all()
    await harness.reconcile_of(resource)
    assert resource.annotations[ANNOTATION] == f"{one(harness).id}/uid-db"
    assert one(harness).comment == MARK
    await harness.reconcile_of(resource)
    assert one(harness).comment == "orders"


async def test_a_call_that_was_surely_refused_is_made_again_at_once(harness: Harness) -> None:
    harness.atlas.fail_once("POST", unavailable("POST"))
    resource = harness.create(endpoint_id=None)
    await harness.run_for(9)
    assert posts(harness) == 2
    assert is_taken_note_of(resource, one(harness))


async def test_an_edit_meanwhile_makes_no_second_one(harness: Harness) -> None:
    resource = harness.create(endpoint_id=None, comment="one")
    await harness.reconcile_of(resource)
    harness.edit(resource, comment="two")
    await harness.reconcile_of(resource)
    harness.edit(resource, comment="three")
    await harness.run_for(30)
    harness.atlas.put(one(harness).id, status="RESERVED", endpoint_service_name="svc")
    await harness.run_for(30)
    assert posts(harness) == 1
    assert one(harness).comment == "three"


async def test_without_writes_the_call_is_shown_and_made_when_they_are_on_again(harness: Harness) -> None:
    harness.restart(writes=False)
    resource = harness.create(endpoint_id=None)
    await harness.run_for(3 * INTERVAL)
    assert resource.ready == ("False", "Planned")
    assert resource.status["plan"] == {"method": "POST", "body": {"comment": MARK}, "reason": "Reservation"}
    assert posts(harness) == 0
    harness.restart()
    harness.enqueue_all()
    await harness.run_for(10)
    assert is_taken_note_of(resource, one(harness))


class TestLost:
    async def test_one_that_has_lasted_is_replaced_at_once(self, harness: Harness) -> None:
        resource = await reserved(harness)
        await harness.run_for(2 * 3600)
        old = one(harness)
        harness.atlas.vanish(old.id)
        await harness.run_for(INTERVAL + 5)
        assert one(harness).id != old.id
        assert is_taken_note_of(resource, one(harness))
        assert resource.status["reservation"]["attempt"] == 1

    async def test_those_that_go_soon_are_replaced_ever_later(self, harness: Harness) -> None:
        resource = await reserved(harness)
        attempts = []
        for _ in range(4):
            harness.atlas.vanish(one(harness).id)
            harness.annotate(resource, force_sync=str(harness.clock.seconds))
            began = harness.clock.seconds
            while not harness.atlas.endpoints:
                await harness.run_for(5)
            attempts.append(harness.clock.seconds - began)
            await harness.run_for(10)
        assert attempts == sorted(attempts)
        assert attempts[-1] > 4 * 60
        assert is_taken_note_of(resource, one(harness))

    async def test_it_is_reported_while_it_is_not_replaced_yet(self, harness: Harness) -> None:
        resource = harness.create(endpoint_id=None)
        await harness.run_for(20)
        harness.atlas.vanish(one(harness).id)
        await harness.run_for(20)
        assert resource.ready == ("False", "ReservationRequested")
        assert "expired" in resource.message
        assert "applied" not in resource.status
        await harness.run_for(60)
        assert is_taken_note_of(resource, one(harness))
        assert resource.status["reservation"]["attempt"] == 2

    async def test_it_is_only_reported_where_drift_is(self, harness: Harness) -> None:
        resource = await reserved(harness, driftPolicy="Report")
        await harness.run_for(7200)
        harness.atlas.vanish(one(harness).id)
        await harness.run_for(3 * INTERVAL)
        assert resource.ready == ("False", "EndpointNotFound")
        assert posts(harness) == 1

    async def test_an_endpoint_that_the_spec_names_is_never_replaced(self, harness: Harness) -> None:
        harness.atlas.put("7f7cac1adf5d6c6306f4b283")
        resource = harness.create(endpoint_id="7f7cac1adf5d6c6306f4b283")
        await harness.settle()
        harness.atlas.vanish("7f7cac1adf5d6c6306f4b283")
        await harness.run_for(3 * INTERVAL)
        assert resource.ready == ("False", "EndpointNotFound")
        assert posts(harness) == 0


class TestCopies:
    async def test_a_copy_of_one_that_is_there_reserves_its_own(self, harness: Harness) -> None:
        original = await reserved(harness)
        taken = one(harness).id
        copy = harness.create("copy", endpoint_id=None)
        copy.annotations = dict(original.annotations)
        await harness.run_for(30)
        assert len(harness.atlas.endpoints) == 2
        assert copy.status["reservation"]["endpointId"] != taken
        assert copy.annotations[ANNOTATION].endswith("/uid-copy")

    async def test_a_restored_backup_finds_its_endpoint(self, harness: Harness) -> None:
        original = await reserved(harness, comment="orders")
        await harness.run_for(60)
        assert one(harness).comment == "orders"
        harness.vanish(original)
        restored = harness.create("restored", endpoint_id=None, comment="orders")
        restored.annotations = dict(original.annotations)
        await harness.run_for(30)
        assert restored.status["reservation"]["endpointId"] == one(harness).id
        assert restored.status["reservation"]["adopted"] is True
        assert restored.annotations[ANNOTATION].endswith("/uid-db"), "whose it was is not forgotten"
        assert posts(harness) == 1
        assert restored.ready == ("False", "WaitingForCloudEndpoint")

    @pytest.mark.parametrize("how", ["by its spec", "by its spec, refused", "by a copied annotation"])
    async def test_one_of_another_namespace_that_has_never_seen_it_does_not_keep_a_restored_backup_from_it(
        self, harness: Harness, how: str
    ) -> None:
        """Otherwise a resource that names an endpoint would reserve a second one, and orphan the one in use."""
        original = await reserved(harness, comment="orders")
        taken = one(harness).id
        harness.vanish(original)
        if how == "by a copied annotation":
            taken_over(harness, "squatter", namespace=THEIRS, endpoint_id=taken)
        elif how == "by its spec":
            harness.create("squatter", taken, namespace=THEIRS, projectId=None, projectRef={"name": "nowhere"})
        else:
            harness.secrets.found["mine"] = NoCredentialsError(
                SecretProblem.NOT_FOUND, "None.", source=None, retry_in=30.0
            )
            harness.create("squatter", taken, namespace=THEIRS, credentialsSecretRef={"name": "mine"})
        await harness.run_for(3 * 3600)
        restored = harness.create("restored", endpoint_id=None, comment="orders")
        restored.annotations = dict(original.annotations)
        await harness.run_for(30)
        assert posts(harness) == 1
        assert restored.status["reservation"]["endpointId"] == taken
        assert restored.ready == ("False", "WaitingForCloudEndpoint")

    async def test_one_of_another_namespace_that_has_seen_it_has_it_and_a_copy_gets_its_own(
        self, harness: Harness
    ) -> None:
        original = await reserved(harness, comment="orders")
        taken = one(harness).id
        harness.vanish(original)
        sharer = harness.create("sharer", taken, namespace=THEIRS, comment="orders")
        await harness.run_for(60)
        restored = harness.create("restored", endpoint_id=None, comment="orders")
        restored.annotations = dict(original.annotations)
        await harness.run_for(60)
        assert sharer.status["endpoint"]["id"] == taken
        assert is_taken_note_of(restored, next(each for each in harness.atlas.endpoints.values() if each.id != taken))

    async def test_a_restored_backup_whose_endpoint_is_gone_gets_its_own_and_takes_nothing_over(
        self, harness: Harness
    ) -> None:
        original = await reserved(harness)
        harness.vanish(original)
        harness.atlas.vanish(one(harness).id)
        restored = harness.create("restored", endpoint_id=None)
        restored.annotations = dict(original.annotations)
        await harness.run_for(10)
        assert is_taken_note_of(restored, one(harness))
        assert "adopted" not in restored.status["reservation"]

    async def test_a_restored_backup_whose_endpoint_is_gone_tells_a_refusal_once(self, harness: Harness) -> None:
        """Otherwise it would adopt, lose and reserve in turn forever, with an Event for each."""
        original = await reserved(harness)
        harness.vanish(original)
        harness.atlas.vanish(one(harness).id)
        refusal = UpdateRejectedError("There are too many.", operation=CREATE, http_status=409)
        harness.atlas.go_down("POST", error=refusal)
        restored = harness.create("restored", endpoint_id=None)
        restored.annotations = dict(original.annotations)
        await harness.run_for(5)
        reasons = set()
        for _ in range(100):
            await harness.run_for(10)
            reasons.add(restored.ready[1])
        assert reasons == {"UpdateRejected"}

    async def test_where_a_loss_is_only_reported_a_restored_backup_reports_it(self, harness: Harness) -> None:
        original = await reserved(harness)
        harness.vanish(original)
        harness.atlas.vanish(one(harness).id)
        restored = harness.create("restored", endpoint_id=None, driftPolicy="Report")
        restored.annotations = dict(original.annotations)
        await harness.run_for(INTERVAL)
        assert restored.ready == ("False", "EndpointNotFound")
        assert posts(harness) == 1

    async def test_of_two_restored_at_once_one_finds_it_and_the_other_reserves_its_own(self, harness: Harness) -> None:
        original = await reserved(harness)
        taken = one(harness).id
        harness.vanish(original)
        copies = [harness.create(name, endpoint_id=None) for name in ("first", "second")]
        for copy in copies:
            copy.annotations = dict(original.annotations)
            copy.status = {
                "reservation": {"requestedAt": copy.created, "endpointId": taken, "attempt": 1, "adopted": True}
            }
            harness.changed(copy)
        await harness.run_for(120)
        first, second = (copy.status["reservation"] for copy in copies)
        assert first["endpointId"] == taken
        assert second["endpointId"] != taken
        assert len(harness.atlas.endpoints) == 2
        assert [copy.condition("Contended") for copy in copies] == [None, None]

    async def test_of_two_whose_reconciles_go_side_by_side_one_alone_writes_to_it(self, harness: Harness) -> None:
        original = await reserved(harness)
        taken = one(harness).id
        harness.vanish(original)
        copies = [harness.create(name, endpoint_id=None, comment=name) for name in ("first", "second")]
        for copy in copies:
            copy.annotations = dict(original.annotations)
            harness.changed(copy)
        harness.reset_log()
        for _ in range(2):
            await asyncio.gather(*(harness.reconcile_of(copy) for copy in copies))
        assert harness.atlas.calls.count("PATCH comment") == 1
        await harness.run_for(120)
        first, second = (copy.status["reservation"] for copy in copies)
        assert first["endpointId"] == taken
        assert second["endpointId"] != taken
        assert harness.atlas.endpoints[taken].comment == "first"
        assert [copy.condition("Contended") for copy in copies] == [None, None]

    async def test_who_has_had_a_taken_over_endpoint_does_not_give_it_up(self, harness: Harness) -> None:
        original = await reserved(harness, comment="orders")
        taken = one(harness).id
        harness.vanish(original)
        restored = harness.create("restored", endpoint_id=None, comment="orders")
        restored.annotations = dict(original.annotations)
        await harness.run_for(60)
        harness.edit(restored, suspend=True)
        other = harness.create("other", endpoint_id=taken, comment="others")
        await harness.run_for(60)
        assert other.condition("Contended") is None
        harness.edit(restored, suspend=False)
        await harness.run_for(3 * INTERVAL)
        assert restored.status["reservation"]["endpointId"] == taken
        assert set(harness.atlas.endpoints) == {taken}

    async def test_a_status_that_was_wiped_is_found_again_by_the_annotation(self, harness: Harness) -> None:
        resource = await reserved(harness, comment="orders")
        await harness.run_for(60)
        resource.status = {"observedGeneration": -1}
        harness.changed(resource)
        harness.restart()
        harness.enqueue_all()
        await harness.run_for(60)
        assert posts(harness) == 1
        assert resource.status["endpoint"]["id"] == one(harness).id

    @pytest.mark.parametrize("text", ["", "nonsense", "5f7cac1adf5d6c6306f4b283", "../../x/uid-db", "/uid-db"])
    async def test_an_annotation_that_says_nothing_is_nothing(self, harness: Harness, text: str) -> None:
        resource = harness.create(endpoint_id=None)
        resource.annotations[ANNOTATION] = text
        harness.changed(resource)
        await harness.run_for(10)
        assert posts(harness) == 1
        assert is_taken_note_of(resource, one(harness))


async def test_one_that_is_named_later_stays_the_same(harness: Harness) -> None:
    resource = await reserved(harness)
    harness.edit(resource, endpointId=one(harness).id)
    await harness.run_for(INTERVAL)
    assert posts(harness) == 1
    assert resource.status["endpoint"]["id"] == one(harness).id


async def test_of_two_with_its_mark_the_unconnected_one_goes(harness: Harness) -> None:
    harness.atlas.put("1" * 24, status="RESERVED", comment=MARK)
    harness.atlas.put("2" * 24, status="RESERVED", comment=MARK)
    resource = harness.create(endpoint_id=None)
    await harness.run_for(3)
    assert harness.atlas.endpoints["2" * 24].status == "DELETING"
    assert [reason for reason, _ in harness.announced] == ["EndpointDiscarded"]
    harness.atlas.vanish("2" * 24)
    await harness.run_for(30)
    assert posts(harness) == 0
    assert is_taken_note_of(resource, harness.atlas.endpoints["1" * 24])


async def test_of_two_with_its_mark_that_are_connected_the_one_that_is_left_is_reported(harness: Harness) -> None:
    for each in "12":
        harness.atlas.put(each * 24, comment=MARK, cloud_provider_endpoint_id=VPCE)
    resource = harness.create(endpoint_id=None)
    await harness.run_for(30)
    assert is_taken_note_of(resource, harness.atlas.endpoints["1" * 24])
    ((reason, message),) = harness.announced
    assert reason == "EndpointRetained"
    assert "2" * 24 in message
    assert "DELETE" not in harness.atlas.calls


async def test_one_that_appears_very_late_beside_the_one_that_it_has_goes_and_is_reported(harness: Harness) -> None:
    resource = await reserved(harness, comment="orders", cloudProviderEndpointId=VPCE)
    harness.atlas.put(one(harness).id, status="AVAILABLE")
    kept, late = one(harness).id, "e" * 24
    await harness.run_for(INTERVAL)
    harness.atlas.put(late, status="RESERVED", comment=MARK)
    await harness.run_for(2 * INTERVAL)
    assert harness.atlas.endpoints[late].status == "DELETING"
    assert harness.atlas.endpoints[kept].status == "AVAILABLE"
    assert resource.ready == ("True", "Available")
    assert [reason for reason, _ in harness.announced] == ["Updated", "EndpointDiscarded"]
    harness.reset_log()
    await harness.run_for(3 * INTERVAL)
    assert harness.atlas.calls == ["LIST"] * 3
    assert not harness.reconciles


@pytest.mark.parametrize(
    "spared", ["connected", "named", "seen by one of another namespace", "planned", "somebody has added words", "gone"]
)
async def test_one_that_appears_very_late_stays_where_somebody_uses_it(harness: Harness, spared: str) -> None:
    resource = await reserved(harness, comment="orders")
    late = "e" * 24
    match spared:
        case "connected":
            harness.atlas.put(late, status="AVAILABLE", comment=MARK, cloud_provider_endpoint_id=VPCE)
        case "named" | "seen by one of another namespace":
            harness.atlas.put(late, status="RESERVED", comment=MARK)
            other = harness.create("other", endpoint_id=late, namespace="shop" if spared == "named" else THEIRS)
            await harness.reconcile_of(other)
        case "planned":
            harness.edit(resource, managementPolicy="Plan")
            harness.atlas.put(late, status="RESERVED", comment=MARK)
        case "somebody has added words":
            harness.atlas.put(late, status="RESERVED", comment=f"{MARK} is kept for the payments team")
            harness.annotate(resource, force_sync="now")
        case _:
            harness.atlas.put(late, status="RESERVED", comment="atlas-endpoints.dev/uid-other")
    await harness.run_for(3 * INTERVAL)
    assert "DELETE" not in harness.atlas.calls
    assert harness.announced == []


async def test_one_that_appears_very_late_and_cannot_be_deleted_is_no_failure_of_the_resource(harness: Harness) -> None:
    resource = await reserved(harness, comment="orders")
    late = "e" * 24
    harness.atlas.put(late, status="RESERVED", comment=MARK)
    harness.atlas.go_down("DELETE")
    await harness.run_for(3 * INTERVAL)
    assert resource.ready == ("False", "WaitingForCloudEndpoint")
    harness.atlas.come_back()
    await harness.run_for(2 * INTERVAL)
    assert harness.atlas.endpoints[late].status == "DELETING"


@pytest.mark.parametrize("how", ["WRITES=off", "Plan"])
async def test_where_nothing_may_be_written_what_is_one_too_many_stays(harness: Harness, how: str) -> None:
    harness.restart(writes=how != "WRITES=off")
    for each in "12":
        harness.atlas.put(each * 24, status="RESERVED", comment=MARK)
    resource = harness.create(endpoint_id=None, managementPolicy="Plan" if how == "Plan" else "Manage")
    await harness.run_for(60)
    assert set(harness.atlas.calls) == {"LIST"}
    assert resource.status["reservation"]["endpointId"] == "1" * 24


async def test_an_endpoint_with_its_mark_that_another_stands_for_is_left_to_that_one(harness: Harness) -> None:
    harness.atlas.put("1" * 24, status="RESERVED", comment=MARK)
    harness.create("other", endpoint_id="1" * 24)
    await harness.run_for(10)
    resource = harness.create(endpoint_id=None)
    await harness.run_for(20)
    assert resource.status["reservation"]["endpointId"] != "1" * 24
    assert harness.atlas.endpoints["1" * 24].status == "RESERVED"


async def test_what_is_being_deleted_is_not_taken(harness: Harness) -> None:
    harness.atlas.put("1" * 24, status="DELETING", comment=MARK)
    resource = harness.create(endpoint_id=None)
    await harness.run_for(20)
    assert resource.status["reservation"]["endpointId"] != "1" * 24


async def test_nothing_is_reserved_for_what_is_suspended_meanwhile(harness: Harness) -> None:
    resource = harness.create(endpoint_id=None)
    await harness.reconcile_of(resource)

    def suspend(instance: Any) -> None:
        harness.edit(resource, suspend=True)

    harness.atlas.while_listing = suspend
    await harness.run_for(60)
    assert posts(harness) == 0


async def test_a_resource_that_leaves_and_returns_during_the_search_starts_again(harness: Harness) -> None:
    """For example if a label is removed by mistake: its cached state is gone."""
    resource = harness.create(endpoint_id=None)
    await harness.reconcile_of(resource)

    def leave(instance: Any) -> None:
        harness.reconciler.forget(resource.key)

    harness.atlas.while_listing = leave
    await harness.run_for(100)
    assert posts(harness) == 1
    assert is_taken_note_of(resource, one(harness))


async def test_an_intent_that_expires_during_the_search_is_written_again(harness: Harness) -> None:
    """After a crash, the time for which the call may still be applied counts from it."""
    resource = harness.create(endpoint_id=None)
    await harness.reconcile_of(resource)
    written = resource.status["reservation"]["requestedAt"]
    harness.atlas.next_list_takes = 60.0
    await harness.reconcile_of(resource)
    assert posts(harness) == 0
    assert resource.status["reservation"]["requestedAt"] > written
    await harness.run_for(10)
    assert posts(harness) == 1


async def test_an_intent_that_did_not_reach_the_api_server_is_not_acted_on(harness: Harness) -> None:
    resource = harness.create(endpoint_id=None)
    await harness.reconcile_of(resource)
    known_to_the_engine = resource.body
    resource.status = {"observedGeneration": -1}
    harness.changed(resource)
    await harness.reconciler.reconcile(known_to_the_engine, known_to_the_engine["status"])
    assert posts(harness) == 0


class TestCopiesOfACluster:
    """Their resources have equal uids, and so equal marks; see docs/lifecycle.md."""

    async def run(self, one: Harness, two: Harness, *, turns: int) -> None:
        """Have two operators take turns of a minute on one Atlas, which does what it is asked to meanwhile."""
        for _ in range(turns):
            await one.run_for(60)
            await two.run_for(60)
            for id_, each in list(one.atlas.endpoints.items()):
                if each.status == "DELETING":
                    del one.atlas.endpoints[id_]
                elif each.status == "RESERVATION_REQUESTED":
                    one.atlas.put(id_, status="RESERVED", endpoint_service_name="svc")
            one.atlas.deleted = two.atlas.deleted = sum(each.atlas.calls.count("DELETE") for each in (one, two))

    async def connected(self) -> tuple[Harness, Harness, str]:
        """A resource whose endpoint is in use, and an operator that begins on a copy of before."""
        one = Harness()
        two = Harness(one.clock)
        two.atlas.endpoints = one.atlas.endpoints
        one.create(endpoint_id=None, comment="orders", cloudProviderEndpointId=VPCE)
        await self.run(one, one, turns=3)
        ((id_, endpoint),) = one.atlas.endpoints.items()
        assert (endpoint.comment, endpoint.cloud_provider_endpoint_id) == ("orders", VPCE)
        return one, two, id_

    async def test_what_a_copy_reserves_is_discarded_and_reserved_ever_later_and_what_is_in_use_stays(self) -> None:
        one, two, id_ = await self.connected()
        reserved: list[float] = []

        def noted(_: Scope) -> None:
            reserved.append(two.clock.seconds)
            two.atlas.while_posting = noted

        two.atlas.while_posting = noted
        two.create(endpoint_id=None)
        await self.run(one, two, turns=60)
        assert 4 <= len(reserved) <= 10
        assert reserved[-1] - reserved[-2] > 2 * (reserved[1] - reserved[0])
        assert len(reserved) - one.atlas.calls.count("DELETE") in {0, 1}
        assert two.atlas.calls.count("DELETE") == 0
        assert one.atlas.endpoints[id_].cloud_provider_endpoint_id == VPCE

    async def test_a_copy_whose_operator_does_not_write_takes_nothing_from_the_first(self) -> None:
        one, two, id_ = await self.connected()
        two.restart(writes=False)
        two.create(endpoint_id=None)
        await self.run(one, two, turns=60)
        assert {"POST", "DELETE"} & {*two.atlas.calls} == set()
        assert [one.atlas.calls.count("POST"), one.atlas.calls.count("DELETE")] == [1, 0]
        assert list(one.atlas.endpoints) == [id_]

    async def test_of_two_that_reserve_at_once_each_discards_the_other_s_and_no_more(self) -> None:
        one = Harness()
        two = Harness(one.clock)
        two.atlas.endpoints = one.atlas.endpoints
        mine, theirs = one.create(endpoint_id=None), two.create(endpoint_id=None)
        await one.reconcile_of(mine)
        await two.reconcile_of(theirs)
        await one.reconcile_of(mine)
        two.atlas.hidden = set(one.atlas.endpoints)
        await two.reconcile_of(theirs)
        two.atlas.hidden = set()
        assert len(one.atlas.endpoints) == 2
        await self.run(one, two, turns=60)
        assert [each.atlas.calls.count("DELETE") for each in (one, two)] == [1, 1]
        assert len(one.atlas.endpoints) == 1


class TestRefused:
    async def test_a_refusal_is_reported_once_and_lets_an_endpoint_be_named(self, harness: Harness) -> None:
        error = UpdateRejectedError("There are too many.", operation=CREATE, http_status=409)
        harness.atlas.go_down("POST", error=error)
        resource = harness.create(endpoint_id=None)
        await harness.run_for(5)
        assert resource.ready == ("False", "UpdateRejected")
        assert "reservation" not in resource.status
        reasons = set()
        for _ in range(300):
            await harness.run_for(10)
            reasons.add(resource.ready[1])
        assert reasons == {"UpdateRejected"}
        assert posts(harness) <= 7
        harness.atlas.come_back()
        await harness.run_for(INTERVAL + 10)
        assert is_taken_note_of(resource, one(harness))

    async def test_a_role_that_is_too_weak_is_reported_as_ever(self, harness: Harness) -> None:
        harness.atlas.go_down("POST", error=MissingRoleError("Too weak.", operation=CREATE, http_status=403))
        resource = harness.create(endpoint_id=None)
        await harness.run_for(3 * INTERVAL)
        assert resource.ready == ("False", "MissingRole")
        assert resource.condition("Stalled") is not None
        assert (resource.condition("CredentialsValid") or {})["reason"] == "NotAllowed"

    @pytest.mark.parametrize(
        "kind",
        [MissingRoleError, IPNotAllowedError, ProjectNotFoundError, InstanceNotFoundError, AccountSuspendedError],
    )
    async def test_what_was_refused_once_is_reserved_when_the_cause_is_gone(
        self, harness: Harness, kind: type[AtlasError]
    ) -> None:
        harness.atlas.go_down("POST", error=kind("Refused.", operation=CREATE, http_status=403))
        resource = harness.create(endpoint_id=None)
        await harness.run_for(60)
        assert harness.atlas.calls.count("POST") == 1

        harness.atlas.come_back()
        await harness.run_for(1.1 * INTERVAL)
        assert is_taken_note_of(resource, one(harness))
        assert harness.atlas.calls.count("POST") == 2


async def test_an_annotation_of_its_own_is_taken_over_once_and_moves_nothing_afterwards(harness: Harness) -> None:
    for each in "12":
        harness.atlas.put(each * 24, comment="theirs")
    resource = harness.create(endpoint_id=None, comment="mine", deletionPolicy="Delete")
    resource.annotations[ANNOTATION] = f"{'1' * 24}/uid-db"
    harness.changed(resource)
    await harness.run_for(30)
    assert resource.status["reservation"] == {
        "requestedAt": resource.status["reservation"]["requestedAt"],
        "endpointId": "1" * 24,
        "attempt": 1,
        "adopted": True,
    }
    harness.annotate(resource, endpoint_id=f"{'2' * 24}/uid-db")
    await harness.run_for(30)
    assert harness.atlas.endpoints["2" * 24].comment == "theirs"
    harness.delete(resource)
    await harness.run_for(30)
    assert "DELETE" not in harness.atlas.calls


async def test_what_was_reserved_for_a_resource_that_went_meanwhile_is_reported(harness: Harness) -> None:
    resource = harness.create(endpoint_id=None)
    await harness.reconcile_of(resource)

    def go(instance: Any) -> None:
        harness.vanish(resource)

    harness.atlas.while_posting = go
    await harness.reconcile_of(resource)
    assert posts(harness) == 1
    ((reason, message),) = harness.announced
    assert reason == "EndpointRetained"
    assert one(harness).id in message
