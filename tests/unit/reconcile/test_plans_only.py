"""Reconciles with WRITES=off: statuses show the exact plan, which is sent when writes are on again."""

from collections.abc import Mapping
from typing import Any

import pytest

from unit.reconcile.harness import ENDPOINT, VPCE, Harness, Resource, unavailable

INTERVAL = 600.0
OTHER_VPCE = "vpce-0123456789abcdef1"
PLANNED, AVAILABLE = ("False", "Planned"), ("True", "Available")


async def settled(harness: Harness, **spec: Any) -> Resource:
    """A ready resource, after writes were switched off."""
    spec = {"comment": "one", "cloudProviderEndpointId": VPCE, **spec}
    harness.atlas.put(ENDPOINT, comment="one", cloud_provider_endpoint_id=VPCE)
    resource = harness.create(**spec)
    await harness.settle()
    assert resource.ready == AVAILABLE
    await begin_again(harness, writes=False)
    harness.reset_log()
    return resource


async def begin_again(harness: Harness, *, writes: bool) -> None:
    """Restart the operator with writes on or off, and reconcile everything."""
    harness.restart(writes=writes)
    harness.enqueue_all()
    await harness.run_for(1)


def patches(harness: Harness) -> list[str]:
    return [call for call in harness.atlas.calls if call.startswith("PATCH")]


def planned(resource: Resource) -> tuple[Mapping[str, Any], str]:
    """The body and the reason of the plan."""
    plan = resource.status["plan"]
    assert plan["method"] == "PATCH"
    return plan["body"], plan["reason"]


@pytest.mark.parametrize("policy", ["Correct", "Report"])
class TestEdit:
    async def test_it_is_planned_and_sent_when_writes_are_on(self, harness: Harness, policy: str) -> None:
        resource = await settled(harness, driftPolicy=policy)
        harness.edit(resource, comment="two")
        await harness.run_for(1)
        assert resource.ready == PLANNED
        assert (resource.condition("Stalled") or {})["reason"] == "Planned"
        assert (resource.condition("Synced") or {})["status"] == "False"
        assert (resource.condition("Synced") or {})["reason"] == "Planned"
        assert planned(resource) == ({"providerName": "AWS", "comment": "two"}, "Edit")
        assert "ATLAS_ENDPOINTS_WRITES=on" in resource.message
        assert resource.status["observedGeneration"] == 2
        assert not patches(harness)

        await begin_again(harness, writes=True)
        assert patches(harness) == ["PATCH comment"]
        assert harness.atlas.endpoints[ENDPOINT].comment == "two"
        assert resource.ready == AVAILABLE
        assert "plan" not in resource.status
        assert resource.status["history"][0]["cause"] == "Edit"

    async def test_it_stays_planned_through_restarts_and_costs_nothing_at_rest(
        self, harness: Harness, policy: str
    ) -> None:
        resource = await settled(harness, driftPolicy=policy)
        harness.edit(resource, comment="two")
        await harness.run_for(INTERVAL)
        await begin_again(harness, writes=False)
        await begin_again(harness, writes=False)
        harness.reset_log()
        await harness.run_for(5 * INTERVAL)
        assert planned(resource) == ({"providerName": "AWS", "comment": "two"}, "Edit")
        assert not harness.writes
        assert not harness.reconciles
        assert harness.atlas.calls == ["LIST"] * 5

    async def test_several_edits_add_up(self, harness: Harness, policy: str) -> None:
        resource = await settled(harness, driftPolicy=policy)
        harness.edit(resource, comment="two")
        await harness.run_for(1)
        harness.edit(resource, comment="three", cloudProviderEndpointId=OTHER_VPCE)
        await harness.run_for(1)
        everything = {"providerName": "AWS", "cloudProviderEndpointId": OTHER_VPCE, "comment": "three"}
        assert planned(resource) == (everything, "Edit")
        await begin_again(harness, writes=True)
        assert patches(harness) == ["PATCH cloudProviderEndpointId,comment"]
        assert resource.ready == AVAILABLE

    async def test_one_that_is_taken_back_leaves_nothing_to_send(self, harness: Harness, policy: str) -> None:
        resource = await settled(harness, driftPolicy=policy)
        harness.edit(resource, comment="two")
        await harness.run_for(1)
        harness.edit(resource, comment="one")
        await harness.run_for(1)
        assert resource.ready == AVAILABLE
        assert "plan" not in resource.status
        await begin_again(harness, writes=True)
        assert not patches(harness)

    async def test_one_that_somebody_makes_by_hand_is_done(self, harness: Harness, policy: str) -> None:
        resource = await settled(harness, driftPolicy=policy)
        harness.edit(resource, comment="two")
        await harness.run_for(1)
        harness.atlas.put(ENDPOINT, comment="two")
        await harness.run_for(INTERVAL)
        assert resource.ready == AVAILABLE
        assert resource.status["applied"]["comment"] == "two"
        assert "plan" not in resource.status


class TestOtherCauses:
    async def test_a_first_contact_is_planned_and_sent_when_writes_are_on(self, harness: Harness) -> None:
        harness.restart(writes=False)
        harness.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name="svc")
        resource = harness.create(comment="", cloudProviderEndpointId=VPCE)
        await harness.run_for(1)
        assert resource.ready == PLANNED
        assert planned(resource) == ({"providerName": "AWS", "cloudProviderEndpointId": VPCE}, "FirstContact")
        assert "applied" not in resource.status
        await begin_again(harness, writes=True)
        assert patches(harness) == ["PATCH cloudProviderEndpointId"]

    async def test_drift_is_planned_and_corrected_when_writes_are_on(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.put(ENDPOINT, comment="theirs")
        await harness.run_for(INTERVAL)
        assert resource.ready == PLANNED
        assert planned(resource) == ({"providerName": "AWS", "comment": "one"}, "Drift")
        assert resource.status["drift"] == [{"field": "comment", "desired": "one", "actual": "theirs"}]
        await begin_again(harness, writes=True)
        assert patches(harness) == ["PATCH comment"]
        assert resource.ready == AVAILABLE

    async def test_a_mass_drift_is_planned_whole_and_afterwards_corrected_in_portions(self, harness: Harness) -> None:
        ids = [f"{number:024x}" for number in range(60)]
        for each in ids:
            harness.atlas.put(each, comment="ours")
        resources = [harness.create(f"db-{each[-2:]}", each, comment="ours") for each in ids]
        await harness.settle()
        await begin_again(harness, writes=False)
        for each in ids:
            harness.atlas.put(each, comment="theirs")
        await harness.run_for(INTERVAL)
        assert {each.ready for each in resources} == {PLANNED}
        assert harness.limiter.held == 0
        await begin_again(harness, writes=True)
        assert len(patches(harness)) == 12
        assert harness.limiter.held == 48

    async def test_drift_that_is_only_reported_is_reported(self, harness: Harness) -> None:
        resource = await settled(harness, driftPolicy="Report")
        harness.atlas.put(ENDPOINT, comment="theirs")
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "Drifted")
        assert "plan" not in resource.status

    async def test_force_sync_is_planned_and_stays_open_until_it_was_sent(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.put(ENDPOINT, status="FAILED", endpoint_service_name="svc")
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "EndpointFailed")
        harness.annotate(resource, force_sync="now")
        await harness.run_for(1)
        everything = {"providerName": "AWS", "cloudProviderEndpointId": VPCE, "comment": "one"}
        assert planned(resource) == (everything, "Forced")
        assert "lastHandledReconcileAt" not in resource.status
        harness.reset_log()
        await harness.run_for(3 * INTERVAL)
        assert not harness.reconciles
        assert harness.atlas.calls == ["LIST"] * 3

        await begin_again(harness, writes=True)
        assert patches(harness) == ["PATCH cloudProviderEndpointId,comment"]
        assert resource.status["lastHandledReconcileAt"] == "now"

    async def test_force_sync_with_nothing_to_send_is_handled(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.annotate(resource, force_sync="now")
        await harness.run_for(1)
        assert resource.ready == AVAILABLE
        assert resource.status["lastHandledReconcileAt"] == "now"


class TestLooking:
    async def test_a_resource_that_needs_no_write_stays_ready_and_nothing_is_written(self, harness: Harness) -> None:
        resource = await settled(harness)
        await harness.run_for(5 * INTERVAL)
        assert resource.ready == AVAILABLE
        assert not harness.writes
        assert harness.atlas.calls == ["LIST"] * 5

    async def test_nothing_is_planned_on_an_outdated_cache(self, harness: Harness) -> None:
        """The answer to a PATCH corrects the cache; a plan from the cache would be wrong."""
        resource = await settled(harness)
        await harness.run_for(60)
        harness.atlas.put(ENDPOINT, comment="two")
        harness.edit(resource, comment="two")
        await harness.run_for(1)
        assert resource.ready == AVAILABLE

    async def test_an_outage_is_reported_as_ever_and_the_plan_comes_back(self, harness: Harness) -> None:
        resource = await settled(harness)
        await harness.run_for(60)
        harness.atlas.fail_once("LIST", unavailable())
        harness.edit(resource, comment="two")
        await harness.run_for(0.5)
        assert resource.ready == ("False", "AtlasUnavailable")
        assert "plan" not in resource.status
        await harness.run_for(5)
        assert planned(resource) == ({"providerName": "AWS", "comment": "two"}, "Edit")

    async def test_an_endpoint_that_is_being_connected_is_polled(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.put(ENDPOINT, status="INITIATING")
        await harness.run_for(INTERVAL)
        harness.edit(resource, comment="two")
        await harness.run_for(1)
        assert resource.ready == PLANNED
        harness.atlas.put(ENDPOINT, status="AVAILABLE", comment="two")
        await harness.run_for(60)
        assert resource.ready == AVAILABLE
