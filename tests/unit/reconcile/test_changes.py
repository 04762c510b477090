"""What is changed in Atlas is told, once, and never what is not changed; at a first contact before it is."""

from __future__ import annotations

import pytest

from atlas_endpoints.atlas.errors import AtlasUnavailableError
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import UPDATE
from unit.reconcile.harness import ENDPOINT, VPCE, Harness

TAKING_OVER = ("Adopting", f"First contact with endpoint {ENDPOINT}, whose values are about to be changed: ")


def unavailable(*, lost: bool = False) -> AtlasUnavailableError:
    return AtlasUnavailableError("Not now.", operation=UPDATE, http_status=503, unknown_outcome=lost)


def changes(harness: Harness) -> list[str]:
    """What was told to be changed, each time."""
    assert all((reason, message[: len(TAKING_OVER[1])]) == TAKING_OVER for reason, message in harness.announced)
    return [message.removeprefix(TAKING_OVER[1]) for _, message in harness.announced]


async def test_each_field_is_told_from_what_to_what(harness: Harness) -> None:
    harness.atlas.put(
        ENDPOINT, status="RESERVED", comment="somebody's", endpoint_service_name="com.amazonaws.vpce.shop"
    )
    harness.create(comment="ours", cloudProviderEndpointId=VPCE)
    await harness.run_for(0)
    assert changes(harness) == [f"cloudProviderEndpointId from empty to '{VPCE}'; comment from 'somebody's' to 'ours'."]


async def test_it_is_told_before_the_patch(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, comment="somebody's")
    harness.atlas.go_down("PATCH", error=unavailable())
    harness.create(comment="ours")
    await harness.run_for(0)
    assert harness.atlas.endpoints[ENDPOINT].comment == "somebody's"
    assert changes(harness) == ["comment from 'somebody's' to 'ours'."]


async def test_what_is_as_it_should_be_is_not_told(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, comment="ours", cloud_provider_endpoint_id=VPCE)
    harness.create(comment="ours", cloudProviderEndpointId=VPCE)
    await harness.run_for(3600)
    assert harness.announced == []


@pytest.mark.parametrize("policy", ["Observe", "Plan"])
async def test_where_nothing_is_sent_nothing_is_told_until_it_is(harness: Harness, policy: str) -> None:
    harness.atlas.put(ENDPOINT, comment="somebody's")
    resource = harness.create(comment="ours", managementPolicy=policy)
    await harness.run_for(3600)
    assert harness.announced == []
    harness.edit(resource, managementPolicy="Manage")
    await harness.run_for(0)
    assert changes(harness) == ["comment from 'somebody's' to 'ours'."]


async def test_writes_that_are_switched_on_are_told_of(harness: Harness) -> None:
    harness.restart(writes=False)
    harness.atlas.put(ENDPOINT, comment="somebody's")
    harness.create(comment="ours")
    await harness.run_for(60)
    assert harness.announced == []
    harness.restart()
    harness.see_all()
    await harness.run_for(0)
    assert changes(harness) == ["comment from 'somebody's' to 'ours'."]


@pytest.mark.parametrize("lost", [False, True], ids=["refused for now", "with its answer lost"])
async def test_a_patch_that_is_tried_again_is_told_of_once(harness: Harness, *, lost: bool) -> None:
    harness.atlas.put(ENDPOINT, comment="somebody's")
    harness.atlas.go_down("PATCH", error=unavailable(lost=lost))
    harness.create(comment="ours")
    await harness.run_for(300)
    assert harness.atlas.calls.count("PATCH comment") > 2
    harness.atlas.come_back()
    await harness.run_for(600)
    assert harness.atlas.endpoints[ENDPOINT].comment == "ours"
    assert len(changes(harness)) == 1


async def test_a_process_that_comes_after_a_failure_tells_only_that_it_is_done(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, comment="somebody's")
    harness.atlas.fail_once("PATCH", unavailable())
    harness.create(comment="ours")
    await harness.run_for(0)
    harness.restart()
    harness.see_all()
    await harness.run_for(0)
    assert harness.atlas.endpoints[ENDPOINT].comment == "ours"
    assert [reason for reason, _ in harness.announced] == ["Adopting", "Updated"]


async def test_what_somebody_changes_between_two_tries_is_told(harness: Harness) -> None:
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
    assert harness.announced == [
        ("Updated", "The endpoint was changed as the spec says: comment from 'ours' to 'ours, too'.")
    ]


async def test_drift_that_is_set_back_tells_what_somebody_had_changed(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, comment="ours")
    harness.create(comment="ours")
    await harness.settle()
    harness.atlas.put(ENDPOINT, comment="theirs")
    await harness.run_for(3600)
    words = "Somebody had changed the endpoint in Atlas, and it was set back: comment from 'theirs' to 'ours'."
    assert harness.announced == [("DriftCorrected", words)]


async def test_an_edit_whose_patch_fails_is_told_once_it_is_made(harness: Harness) -> None:
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


async def test_what_atlas_stores_otherwise_is_not_told_as_done(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, comment="ours")
    resource = harness.create(comment="ours")
    await harness.settle()
    harness.atlas.stores = lambda endpoint: endpoint.model_copy(update={"comment": "cut"})
    harness.edit(resource, comment="ours, too")
    await harness.run_for(0)
    assert harness.announced == []


async def test_what_is_sent_by_force_and_changes_nothing_is_not_told(harness: Harness) -> None:
    harness.atlas.put(
        ENDPOINT, status="FAILED", comment="ours", cloud_provider_endpoint_id=VPCE, endpoint_service_name="service"
    )
    resource = harness.create(comment="ours", cloudProviderEndpointId=VPCE)
    await harness.run_for(0)
    harness.annotate(resource, force_sync="once more")
    await harness.run_for(0)
    assert len([call for call in harness.atlas.calls if call.startswith("PATCH")]) == 1
    assert harness.announced == []


async def test_what_has_to_wait_is_not_told_as_about_to_be_changed(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, status="INITIATING", comment="somebody's", cloud_provider_endpoint_id=VPCE[:-1] + "1")
    harness.create(comment="ours", cloudProviderEndpointId=VPCE)
    await harness.run_for(0)
    assert harness.atlas.calls == ["LIST", "PATCH comment"]
    assert changes(harness) == ["comment from 'somebody's' to 'ours'."]


@pytest.mark.parametrize("lost", [False, True], ids=["at once", "with the answer lost"])
async def test_an_endpoint_that_was_reserved_for_the_resource_is_no_one_elses(harness: Harness, *, lost: bool) -> None:
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


async def test_a_namesake_is_told_of_anew(harness: Harness) -> None:
    harness.atlas.put(ENDPOINT, comment="somebody's")
    harness.atlas.go_down("PATCH", error=unavailable())
    first = harness.create(comment="ours")
    await harness.run_for(0)
    harness.vanish(first)
    harness.create(comment="ours")
    await harness.run_for(0)
    assert len(changes(harness)) == 2


async def test_words_of_others_are_bounded_harmless_and_no_secret(harness: Harness) -> None:
    secret = "mdb_sa_sk_" + "x" * 30
    harness.atlas.put(ENDPOINT, comment=f"{secret} \x1b[2J\n\u202e" + "y" * 5000)
    harness.create(comment="ours")
    await harness.run_for(0)
    (told,) = changes(harness)
    assert "xxx" not in told
    assert told.isprintable()
    assert told.endswith("...' to 'ours'.")
    assert len(told) < 250
