"""Each change in Atlas causes one Event; at a first contact before the write."""

from __future__ import annotations

import pytest

from atlas_endpoints.atlas.errors import AtlasUnavailableError
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import UPDATE
from unit.reconcile.harness import ENDPOINT, VPCE, Harness

TAKING_OVER = ("Adopting", f"The operator changes endpoint {ENDPOINT} for the first time: ")


def unavailable(*, lost: bool = False) -> AtlasUnavailableError:
    return AtlasUnavailableError("Not now.", operation=UPDATE, http_status=503, unknown_outcome=lost)


def changes(harness: Harness) -> list[str]:
    """The changes in the Events."""
    assert all((reason, message[: len(TAKING_OVER[1])]) == TAKING_OVER for reason, message in harness.announced)
    return [message.removeprefix(TAKING_OVER[1]) for _, message in harness.announced]


async def test_a_first_contact_records_the_old_and_the_new_values(harness: Harness) -> None:
    harness.atlas.put(
        ENDPOINT, status="RESERVED", comment="somebody's", endpoint_service_name="com.amazonaws.vpce.shop"
    )
    harness.create(comment="ours", cloudProviderEndpointId=VPCE)
    await harness.run_for(0)
    assert changes(harness) == [f"cloudProviderEndpointId from empty to '{VPCE}'; comment from 'somebody's' to 'ours'."]


async def test_a_first_contact_is_recorded_before_the_patch(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, comment="somebody's")
    harness.atlas.go_down("PATCH", error=unavailable())
    harness.create(comment="ours")
    await harness.run_for(0)
    assert harness.atlas.endpoints[ENDPOINT].comment == "somebody's"
    assert changes(harness) == ["comment from 'somebody's' to 'ours'."]


async def test_an_equal_field_causes_no_event(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, comment="ours", cloud_provider_endpoint_id=VPCE)
    harness.create(comment="ours", cloudProviderEndpointId=VPCE)
    await harness.run_for(3600)
    assert harness.announced == []


@pytest.mark.parametrize("policy", ["Observe", "Plan"])
async def test_without_a_write_there_is_no_event(harness: Harness, policy: str) -> None:
    harness.atlas.put(ENDPOINT, comment="somebody's")
    resource = harness.create(comment="ours", managementPolicy=policy)
    await harness.run_for(3600)
    assert harness.announced == []
    harness.edit(resource, managementPolicy="Manage")
    await harness.run_for(0)
    assert changes(harness) == ["comment from 'somebody's' to 'ours'."]


async def test_writes_that_are_switched_on_are_reported(harness: Harness) -> None:
    harness.restart(writes=False)
    harness.atlas.put(ENDPOINT, comment="somebody's")
    harness.create(comment="ours")
    await harness.run_for(60)
    assert harness.announced == []
    harness.restart()
    harness.enqueue_all()
    await harness.run_for(0)
    assert changes(harness) == ["comment from 'somebody's' to 'ours'."]


@pytest.mark.parametrize("lost", [False, True], ids=["refused for now", "with its answer lost"])
async def test_a_patch_that_is_tried_again_is_reported_once(harness: Harness, *, lost: bool) -> None:
    harness.atlas.put(ENDPOINT, comment="somebody's")
    harness.atlas.go_down("PATCH", error=unavailable(lost=lost))
    harness.create(comment="ours")
    await harness.run_for(300)
    assert harness.atlas.calls.count("PATCH comment") > 2
    harness.atlas.come_back()
    await harness.run_for(600)
    assert harness.atlas.endpoints[ENDPOINT].comment == "ours"
    assert len(changes(harness)) == 1


async def test_after_a_failure_another_process_records_only_the_change(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, comment="somebody's")
    harness.atlas.fail_once("PATCH", unavailable())
    harness.create(comment="ours")
    await harness.run_for(0)
    harness.restart()
    harness.enqueue_all()
    await harness.run_for(0)
    assert harness.atlas.endpoints[ENDPOINT].comment == "ours"
    assert [reason for reason, _ in harness.announced] == ["Adopting", "Updated"]


async def test_a_change_between_two_attempts_is_recorded(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, comment="somebody's")
    harness.atlas.fail_once("PATCH", unavailable())
    harness.create(comment="ours")
    await harness.run_for(0)
    harness.atlas.put(ENDPOINT, comment="another's")
    harness.atlas.forget_all()
    await harness.run_for(10)
    assert changes(harness) == ["comment from 'somebody's' to 'ours'.", "comment from 'another's' to 'ours'."]


async def test_an_edit_is_no_first_contact(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, comment="ours")
    resource = harness.create(comment="ours")
    await harness.settle()
    harness.edit(resource, comment="ours, too")
    await harness.run_for(0)
    assert harness.atlas.calls == ["PATCH comment"]
    assert harness.announced == [("Updated", "The endpoint was updated: comment from 'ours' to 'ours, too'.")]


async def test_corrected_drift_is_recorded(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, comment="ours")
    harness.create(comment="ours")
    await harness.settle()
    harness.atlas.put(ENDPOINT, comment="theirs")
    await harness.run_for(3600)
    words = "Drift in Atlas was corrected: comment from 'theirs' to 'ours'."
    assert harness.announced == [("DriftCorrected", words)]


async def test_an_edit_whose_patch_fails_is_recorded_when_it_succeeds(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, comment="ours")
    resource = harness.create(comment="ours")
    await harness.settle()
    harness.atlas.fail_once("PATCH", unavailable())
    harness.edit(resource, comment="ours, too")
    await harness.run_for(0)
    assert harness.announced == []
    await harness.run_for(60)
    assert [reason for reason, _ in harness.announced] == ["Updated"]


async def test_an_edit_whose_answer_is_lost_is_no_first_contact_though_nothing_was_ever_applied(
    harness: Harness,
) -> None:
    harness.atlas.put(ENDPOINT, comment="ours")
    resource = harness.create(comment="ours")
    await harness.settle()
    harness.atlas.fail_once("PATCH", unavailable(lost=True))
    harness.edit(resource, comment="ours, too")
    await harness.run_for(300)
    assert harness.atlas.endpoints[ENDPOINT].comment == "ours, too"
    assert [reason for reason, _ in harness.announced] == ["Updated"]


async def test_a_field_that_is_stored_with_another_value_is_not_recorded_as_changed(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, comment="ours")
    resource = harness.create(comment="ours")
    await harness.settle()
    harness.atlas.stores = lambda endpoint: endpoint.model_copy(update={"comment": "cut"})
    harness.edit(resource, comment="ours, too")
    await harness.run_for(0)
    assert harness.announced == []


async def test_a_forced_write_without_a_difference_is_not_recorded(harness: Harness) -> None:
    harness.atlas.put(
        ENDPOINT, status="FAILED", comment="ours", cloud_provider_endpoint_id=VPCE, endpoint_service_name="service"
    )
    resource = harness.create(comment="ours", cloudProviderEndpointId=VPCE)
    await harness.run_for(0)
    harness.annotate(resource, force_sync="once more")
    await harness.run_for(0)
    assert len([call for call in harness.atlas.calls if call.startswith("PATCH")]) == 1
    assert harness.announced == []


async def test_a_field_that_has_to_wait_is_not_recorded(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, status="INITIATING", comment="somebody's", cloud_provider_endpoint_id=VPCE[:-1] + "1")
    harness.create(comment="ours", cloudProviderEndpointId=VPCE)
    await harness.run_for(0)
    assert harness.atlas.calls == ["LIST", "PATCH comment"]
    assert changes(harness) == ["comment from 'somebody's' to 'ours'."]


@pytest.mark.parametrize("lost", [False, True], ids=["at once", "with the answer lost"])
async def test_a_reserved_endpoint_has_no_first_contact(harness: Harness, *, lost: bool) -> None:
    if lost:
        harness.atlas.fail_once("POST", unavailable(lost=True), applies="at once")
    harness.create(endpoint_id=None, comment="ours")
    await harness.run_for(0)
    (endpoint,) = harness.atlas.endpoints.values()
    harness.atlas.put(endpoint.id, status="RESERVED", endpoint_service_name="com.amazonaws.vpce.shop")
    await harness.run_for(600)
    (endpoint,) = harness.atlas.endpoints.values()
    assert endpoint.comment == "ours"
    assert harness.announced == [], "neither a first contact, nor that the mark is gone"


async def test_a_namesake_has_its_own_event(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, comment="somebody's")
    harness.atlas.go_down("PATCH", error=unavailable())
    first = harness.create(comment="ours")
    await harness.run_for(0)
    harness.vanish(first)
    harness.create(comment="ours")
    await harness.run_for(0)
    assert len(changes(harness)) == 2


async def test_comments_are_bounded_printable_and_redacted(harness: Harness) -> None:
    secret = "mdb_sa_sk_" + "x" * 30
    harness.atlas.put(ENDPOINT, comment=f"{secret} \x1b[2J\n\u202e" + "y" * 5000)
    harness.create(comment="ours")
    await harness.run_for(0)
    (told,) = changes(harness)
    assert "xxx" not in told
    assert told.isprintable()
    assert told.endswith("...' to 'ours'.")
    assert len(told) < 250
