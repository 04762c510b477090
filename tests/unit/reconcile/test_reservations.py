"""Reservations that no case in YAML can tell: several at once, and copies of a cluster."""

import asyncio

from unit.reconcile.harness import VPCE, Harness, Scope, atlas_error

ANNOTATION = "atlas-endpoints.dev/endpoint-id"


def posts(harness: Harness) -> int:
    return harness.atlas.calls.count("POST")


async def test_many_reservations_share_a_list(harness: Harness) -> None:
    crowd = [harness.create(f"db-{number}", endpoint_id=None) for number in range(20)]
    for resource in crowd:
        await harness.reconcile_of(resource)
    assert posts(harness) == len(crowd)
    assert harness.atlas.calls.count("LIST") <= 1


async def test_those_that_are_lost_soon_are_replaced_ever_later(harness: Harness) -> None:
    resource = harness.create(endpoint_id=None)
    await harness.run_for(10)
    attempts = []
    for _ in range(4):
        harness.atlas.vanish(*harness.atlas.endpoints)
        harness.annotate(resource, force_sync=str(harness.clock.seconds))
        began = harness.clock.seconds
        while not harness.atlas.endpoints:
            await harness.run_for(5)
        attempts.append(harness.clock.seconds - began)
        await harness.run_for(10)
    assert attempts == sorted(attempts)
    assert attempts[-1] > 4 * 60


async def test_a_reason_of_another_version_does_not_keep_a_refused_one_from_being_made(harness: Harness) -> None:
    harness.atlas.fail_once("POST", atlas_error("UpdateRejected", "POST"))
    resource = harness.create(endpoint_id=None)
    await harness.run_for(5)
    assert resource.ready == ("False", "UpdateRejected")
    conditions = [
        {**each, "reason": "Newer"} if each["type"] == "Ready" else each for each in resource.status["conditions"]
    ]
    resource.status = {**resource.status, "conditions": conditions}
    harness.annotate(resource, force_sync="now")
    await harness.reconcile_of(resource)
    assert resource.ready == ("False", "ReservationRequested")
    await harness.run_for(5)
    assert harness.atlas.endpoints


async def test_of_two_restored_ones_that_are_reconciled_at_once_one_alone_writes_to_the_endpoint(
    harness: Harness,
) -> None:
    original = harness.create(endpoint_id=None)
    await harness.run_for(10)
    (taken,) = harness.atlas.endpoints
    harness.atlas.put(taken, status="RESERVED", endpoint_service_name="svc")
    await harness.run_for(60)
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
    first, second = (copy.status["reservation"]["endpointId"] for copy in copies)
    assert first == taken != second
    assert harness.atlas.endpoints[taken].comment == "first"
    assert [copy.condition("Contended") for copy in copies] == [None, None]


async def test_a_resource_that_leaves_and_returns_during_the_search_starts_again(harness: Harness) -> None:
    """For example if a label is removed by mistake: its cached state is gone."""
    resource = harness.create(endpoint_id=None)
    await harness.reconcile_of(resource)
    harness.atlas.while_listing = lambda _: harness.reconciler.forget(resource.key)
    await harness.run_for(100)
    assert posts(harness) == 1
    (endpoint,) = harness.atlas.endpoints
    assert resource.annotations[ANNOTATION] == f"{endpoint}/uid-db"


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

    async def test_of_two_that_reserve_at_once_each_discards_the_other_s_and_one_remains(self) -> None:
        one = Harness()
        two = Harness(one.clock)
        two.atlas.endpoints = one.atlas.endpoints
        mine, theirs = one.create(endpoint_id=None), two.create(endpoint_id=None)
        await one.reconcile_of(mine)
        two.atlas.hidden = set(one.atlas.endpoints)
        await two.reconcile_of(theirs)
        two.atlas.hidden = set()
        assert len(one.atlas.endpoints) == 2
        await self.run(one, two, turns=60)
        assert all(1 <= each.atlas.calls.count("DELETE") <= 2 for each in (one, two))
        assert len(one.atlas.endpoints) == 1
