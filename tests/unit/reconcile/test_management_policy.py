"""Management policies: Plan, Observe, and a return to Manage."""

from typing import Any

import pytest

from unit.reconcile.harness import ENDPOINT, VPCE, Harness, Resource

INTERVAL = 600.0
DRIFTED, PLANNED, AVAILABLE = ("False", "Drifted"), ("False", "Planned"), ("True", "Available")


async def settled(harness: Harness, **spec: Any) -> Resource:
    """A resource that equals its endpoint."""
    harness.atlas.put(ENDPOINT, comment="one", cloud_provider_endpoint_id=VPCE)
    resource = harness.create(**{"comment": "one", "cloudProviderEndpointId": VPCE, **spec})
    await harness.settle()
    assert resource.ready == AVAILABLE
    return resource


def patches(harness: Harness) -> list[str]:
    return [call for call in harness.atlas.calls if call.startswith("PATCH")]


@pytest.mark.parametrize("drift_policy", ["Correct", "Report"])
@pytest.mark.parametrize(("policy", "reason"), [("Observe", DRIFTED), ("Plan", PLANNED)])
class TestNothingIsSent:
    async def test_an_edit_waits_for_manage(
        self, harness: Harness, policy: str, reason: tuple[str, str], drift_policy: str
    ) -> None:
        resource = await settled(harness, managementPolicy=policy, driftPolicy=drift_policy)
        harness.edit(resource, comment="two")
        await harness.run_for(3 * INTERVAL)
        assert resource.ready == reason
        assert resource.condition("Stalled") is not None
        assert resource.status["drift"] == [{"field": "comment", "desired": "two", "actual": "one"}]
        assert not patches(harness)

        harness.edit(resource, managementPolicy=None)
        await harness.run_for(1)
        assert patches(harness) == ["PATCH comment"]
        assert resource.ready == AVAILABLE
        assert "plan" not in resource.status

    async def test_a_first_contact_waits_for_manage(
        self, harness: Harness, policy: str, reason: tuple[str, str], drift_policy: str
    ) -> None:
        harness.atlas.put(ENDPOINT, comment="theirs")
        resource = harness.create(comment="two", managementPolicy=policy, driftPolicy=drift_policy)
        await harness.run_for(INTERVAL)
        assert resource.ready == reason
        assert "applied" not in resource.status
        harness.edit(resource, managementPolicy="Manage")
        await harness.run_for(1)
        assert patches(harness) == ["PATCH comment"]

    async def test_force_sync_sends_nothing(
        self, harness: Harness, policy: str, reason: tuple[str, str], drift_policy: str
    ) -> None:
        resource = await settled(harness, managementPolicy=policy, driftPolicy=drift_policy)
        harness.atlas.put(ENDPOINT, status="FAILED", endpoint_service_name="svc", comment="theirs")
        harness.annotate(resource, force_sync="now")
        await harness.run_for(INTERVAL)
        assert not patches(harness)


async def test_what_only_observes_is_ready_while_nothing_differs_and_writes_nothing(harness: Harness) -> None:
    resource = await settled(harness, managementPolicy="Observe")
    synced = resource.condition("Synced") or {}
    assert (synced["status"], synced["reason"]) == ("True", "Observing")
    await harness.run_for(5 * INTERVAL)
    assert not harness.reconciles
    assert not harness.writes
    assert harness.atlas.calls == ["LIST"] * 5


async def test_an_observed_resource_reports_drift_and_its_end(harness: Harness) -> None:
    resource = await settled(harness, managementPolicy="Observe")
    harness.atlas.put(ENDPOINT, comment="theirs")
    await harness.run_for(INTERVAL)
    assert resource.ready == DRIFTED
    assert "Observe" in resource.message
    harness.atlas.put(ENDPOINT, comment="one")
    await harness.run_for(INTERVAL)
    assert resource.ready == AVAILABLE
    assert not patches(harness)


async def test_an_observation_handles_the_force_sync_of_an_observed_resource(harness: Harness) -> None:
    resource = await settled(harness, managementPolicy="Observe")
    harness.annotate(resource, force_sync="now")
    await harness.run_for(1)
    assert harness.atlas.calls == ["LIST"]
    assert resource.status["lastHandledReconcileAt"] == "now"


async def test_a_plan_names_the_policy_that_holds_it_and_the_whole_request(harness: Harness) -> None:
    resource = await settled(harness, managementPolicy="Plan")
    harness.edit(resource, comment="two")
    await harness.run_for(1)
    assert resource.status["plan"] == {
        "method": "PATCH",
        "body": {"providerName": "AWS", "comment": "two"},
        "reason": "Edit",
    }
    assert "spec.managementPolicy is Plan" in resource.message
    assert "WRITES" not in resource.message


async def test_an_observed_resource_reports_it_although_the_operator_may_not_write(harness: Harness) -> None:
    harness.restart(writes=False)
    harness.atlas.put(ENDPOINT, comment="theirs")
    resource = harness.create(comment="mine", managementPolicy="Observe")
    await harness.run_for(1)
    assert resource.ready == DRIFTED
    assert "plan" not in resource.status


async def test_drift_that_was_only_observed_is_treated_by_the_policy_for_drift_afterwards(harness: Harness) -> None:
    """A time of observation makes no edit: with Report, drift stays."""
    resource = await settled(harness, driftPolicy="Report")
    harness.edit(resource, managementPolicy="Observe")
    harness.atlas.put(ENDPOINT, comment="theirs")
    await harness.run_for(INTERVAL)
    assert resource.ready == DRIFTED
    harness.edit(resource, managementPolicy="Manage")
    await harness.run_for(INTERVAL)
    assert resource.ready == DRIFTED
    assert "driftPolicy is Report" in resource.message
    assert not patches(harness)
