"""Stories of a resource that only plans, only observes, and is managed again."""

from typing import Any

import pytest

from unit.kinds.serverless_private_endpoint.world import ENDPOINT, VPCE, Resource, World

INTERVAL = 600.0
DRIFTED, PLANNED, AVAILABLE = ("False", "Drifted"), ("False", "Planned"), ("True", "Available")


async def settled(world: World, **spec: Any) -> Resource:
    """A resource that is as Atlas shows it."""
    world.atlas.put(ENDPOINT, comment="one", cloud_provider_endpoint_id=VPCE)
    resource = world.create(**{"comment": "one", "cloudProviderEndpointId": VPCE, **spec})
    await world.settle()
    assert resource.ready == AVAILABLE
    return resource


def patches(world: World) -> list[str]:
    return [call for call in world.atlas.calls if call.startswith("PATCH")]


@pytest.mark.parametrize("drift_policy", ["Correct", "Report"])
@pytest.mark.parametrize(("policy", "reason"), [("Observe", DRIFTED), ("Plan", PLANNED)])
class TestNothingIsSent:
    async def test_an_edit_waits_for_manage(
        self, world: World, policy: str, reason: tuple[str, str], drift_policy: str
    ) -> None:
        resource = await settled(world, managementPolicy=policy, driftPolicy=drift_policy)
        world.edit(resource, comment="two")
        await world.run_for(3 * INTERVAL)
        assert resource.ready == reason
        assert resource.condition("Stalled") is not None
        assert resource.status["drift"] == [{"field": "comment", "desired": "two", "actual": "one"}]
        assert not patches(world)

        world.edit(resource, managementPolicy=None)
        await world.run_for(1)
        assert patches(world) == ["PATCH comment"]
        assert resource.ready == AVAILABLE
        assert "plan" not in resource.status

    async def test_a_first_contact_waits_for_manage(
        self, world: World, policy: str, reason: tuple[str, str], drift_policy: str
    ) -> None:
        world.atlas.put(ENDPOINT, comment="theirs")
        resource = world.create(comment="two", managementPolicy=policy, driftPolicy=drift_policy)
        await world.run_for(INTERVAL)
        assert resource.ready == reason
        assert "applied" not in resource.status
        world.edit(resource, managementPolicy="Manage")
        await world.run_for(1)
        assert patches(world) == ["PATCH comment"]

    async def test_a_person_who_forces_sends_nothing(
        self, world: World, policy: str, reason: tuple[str, str], drift_policy: str
    ) -> None:
        resource = await settled(world, managementPolicy=policy, driftPolicy=drift_policy)
        world.atlas.put(ENDPOINT, status="FAILED", endpoint_service_name="svc", comment="theirs")
        world.annotate(resource, force_sync="now")
        await world.run_for(INTERVAL)
        assert not patches(world)


async def test_what_only_observes_is_ready_while_nothing_differs_and_writes_nothing(world: World) -> None:
    resource = await settled(world, managementPolicy="Observe")
    synced = resource.condition("Synced") or {}
    assert (synced["status"], synced["reason"]) == ("True", "Observing")
    await world.run_for(5 * INTERVAL)
    assert not world.passes
    assert not world.writes
    assert world.atlas.calls == ["LIST"] * 5


async def test_what_only_observes_tells_of_drift_and_of_its_end(world: World) -> None:
    resource = await settled(world, managementPolicy="Observe")
    world.atlas.put(ENDPOINT, comment="theirs")
    await world.run_for(INTERVAL)
    assert resource.ready == DRIFTED
    assert "Observe" in resource.message
    world.atlas.put(ENDPOINT, comment="one")
    await world.run_for(INTERVAL)
    assert resource.ready == AVAILABLE
    assert not patches(world)


async def test_what_observes_has_force_sync_handled_by_a_look(world: World) -> None:
    resource = await settled(world, managementPolicy="Observe")
    world.annotate(resource, force_sync="now")
    await world.run_for(1)
    assert world.atlas.calls == ["LIST"]
    assert resource.status["lastHandledReconcileAt"] == "now"


async def test_a_plan_names_the_policy_that_holds_it_and_the_whole_request(world: World) -> None:
    resource = await settled(world, managementPolicy="Plan")
    world.edit(resource, comment="two")
    await world.run_for(1)
    assert resource.status["plan"] == {
        "method": "PATCH",
        "body": {"providerName": "AWS", "comment": "two"},
        "reason": "Edit",
    }
    assert "spec.managementPolicy is Plan" in resource.message
    assert "WRITES" not in resource.message


async def test_what_observes_says_so_also_where_the_operator_may_not_write(world: World) -> None:
    world.restart(writes=False)
    world.atlas.put(ENDPOINT, comment="theirs")
    resource = world.create(comment="mine", managementPolicy="Observe")
    await world.run_for(1)
    assert resource.ready == DRIFTED
    assert "plan" not in resource.status


async def test_drift_that_was_only_observed_is_treated_by_the_policy_for_drift_afterwards(world: World) -> None:
    """To observe for a while makes no edit of it: with Report, what others changed stays."""
    resource = await settled(world, driftPolicy="Report")
    world.edit(resource, managementPolicy="Observe")
    world.atlas.put(ENDPOINT, comment="theirs")
    await world.run_for(INTERVAL)
    assert resource.ready == DRIFTED
    world.edit(resource, managementPolicy="Manage")
    await world.run_for(INTERVAL)
    assert resource.ready == DRIFTED
    assert "driftPolicy is Report" in resource.message
    assert not patches(world)
