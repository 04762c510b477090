"""Two resources that name one endpoint: one owns it, the other says so and writes nothing."""

from typing import Any

import pytest

from atlas_endpoints.atlas.errors import CredentialsInvalidError
from atlas_endpoints.cluster.errors import SecretProblem
from atlas_endpoints.reconcile.credentials import NoCredentialsError
from unit.reconcile.harness import ENDPOINT, GRACE, THEIRS, Harness, lost, taken_over

INTERVAL = 600.0
CONFLICT, AVAILABLE = ("False", "Conflict"), ("True", "Available")


@pytest.fixture
def harness() -> Harness:
    harness = Harness()
    harness.atlas.put(ENDPOINT, comment="theirs")
    return harness


def patches(harness: Harness) -> int:
    return len([call for call in harness.atlas.calls if call.startswith("PATCH")])


async def test_the_older_one_owns_it_and_the_other_waits_for_it_to_go(harness: Harness) -> None:
    older = harness.create("older", comment="a")
    await harness.run_for(10)
    younger = harness.create("younger", comment="b")
    await harness.run_for(3 * INTERVAL)
    assert older.ready == AVAILABLE
    assert younger.ready == CONFLICT
    assert younger.condition("Stalled") is not None
    assert "resource older" in younger.message
    assert patches(harness) == 1
    harness.vanish(older)
    await harness.run_for(20)
    assert younger.ready == AVAILABLE
    assert harness.atlas.endpoints[ENDPOINT].comment == "b"


async def test_two_that_come_at_once_do_not_fight(harness: Harness) -> None:
    one, two = harness.create("one", comment="a"), harness.create("two", comment="b")
    await harness.run_for(60)
    assert (one.ready, two.ready) == (AVAILABLE, CONFLICT)
    assert patches(harness) == 1


async def test_two_that_come_at_once_the_younger_first_do_not_fight(harness: Harness) -> None:
    two = harness.create("b-two", comment="b")
    one = harness.create("a-one", comment="a")
    await harness.reconcile_of(two)
    assert two.ready == ("Unknown", "Pending")
    await harness.run_for(60)
    assert (one.ready, two.ready) == (AVAILABLE, CONFLICT)
    assert patches(harness) == 1


async def test_it_holds_across_a_restart(harness: Harness) -> None:
    older = harness.create("older", comment="a")
    await harness.run_for(10)
    younger = harness.create("younger", comment="b")
    await harness.run_for(10)
    harness.restart()
    harness.enqueue_all()
    await harness.reconcile_of(younger)
    await harness.run_for(INTERVAL)
    assert (older.ready, younger.ready) == (AVAILABLE, CONFLICT)
    assert patches(harness) == 1


async def test_nobody_holds_an_endpoint_with_worthless_credentials(harness: Harness) -> None:
    harness.secrets.found["mine"] = NoCredentialsError(SecretProblem.NOT_FOUND, "None.", source=None, retry_in=30.0)
    harness.create("squatter", comment="a", credentialsSecretRef={"name": "mine"})
    await harness.run_for(10)
    honest = harness.create("honest", comment="b")
    await harness.run_for(10)
    assert honest.ready == AVAILABLE


async def test_nobody_holds_an_endpoint_with_credentials_that_were_revoked(harness: Harness) -> None:
    older = harness.create("older", comment="a", credentialsSecretRef={"name": "mine"})
    await harness.run_for(10)
    younger = harness.create("younger", comment="b")
    await harness.run_for(20)
    assert younger.ready == CONFLICT
    harness.secrets.found["mine"] = NoCredentialsError(SecretProblem.NOT_FOUND, "None.", source=None, retry_in=30.0)
    harness.edit(older, comment="c")
    await harness.run_for(GRACE.total_seconds() + 30)
    assert younger.ready == AVAILABLE
    harness.secrets.found["mine"] = "mine-1"
    await harness.run_for(2 * INTERVAL)
    assert (older.ready, younger.ready) == (CONFLICT, AVAILABLE)


async def test_a_secret_that_is_away_for_a_moment_does_not_move_ownership(harness: Harness) -> None:
    older = harness.create("older", comment="a", credentialsSecretRef={"name": "mine"})
    await harness.run_for(10)
    younger = harness.create("younger", comment="b")
    await harness.run_for(20)
    harness.secrets.found["mine"] = NoCredentialsError(SecretProblem.NOT_FOUND, "None.", source=None, retry_in=5.0)
    harness.annotate(older, force_sync="1")
    await harness.run_for(40)
    assert older.ready == ("False", "CredentialsInvalid")
    harness.secrets.found["mine"] = "mine-1"
    await harness.run_for(INTERVAL)
    assert (older.ready, younger.ready) == (AVAILABLE, CONFLICT)
    assert patches(harness) == 1


async def test_a_lost_answer_does_not_move_ownership(harness: Harness) -> None:
    """The younger one had owned it while the older one was suspended, and has something confirmed."""
    older = harness.create("older", comment="a")
    await harness.run_for(30)
    harness.edit(older, suspend=True)
    younger = harness.create("younger", comment="b")
    await harness.run_for(60)
    assert younger.ready == AVAILABLE
    harness.edit(older, suspend=None)
    await harness.run_for(60)
    harness.atlas.fail_once("PATCH", lost(), applies="at once")
    harness.edit(older, comment="a2")
    await harness.run_for(3 * INTERVAL)
    assert (older.ready, younger.ready) == (AVAILABLE, CONFLICT)
    assert harness.atlas.endpoints[ENDPOINT].comment == "a2"


async def test_an_outage_does_not_move_ownership_to_an_older_one(harness: Harness) -> None:
    older = harness.create("older", comment="a", suspend=True)
    await harness.run_for(10)
    owner = harness.create("owner", comment="b")
    await harness.run_for(10)
    harness.edit(older, suspend=None)
    await harness.run_for(30)
    assert (older.ready, owner.ready) == (CONFLICT, AVAILABLE)
    harness.atlas.go_down()
    harness.edit(older, comment="c")
    harness.annotate(older, force_sync="1")
    await harness.run_for(60)
    assert older.ready == ("False", "AtlasUnavailable")
    harness.atlas.come_back()
    await harness.run_for(INTERVAL)
    assert (older.ready, owner.ready) == (CONFLICT, AVAILABLE)
    assert harness.atlas.endpoints[ENDPOINT].comment == "b"
    assert "resource owner" in older.message
    assert "is older" not in older.message


async def test_one_that_was_looked_at_first_and_wants_what_is_there_has_no_claim_by_that(harness: Harness) -> None:
    younger = harness.create("b-younger", comment="theirs")
    older = harness.create("a-older", comment="a")
    older.created = "2026-11-25T11:00:00Z"
    harness.changed(older)
    await harness.reconcile_of(younger)
    assert younger.ready == ("Unknown", "Pending")
    assert "applied" not in younger.status
    await harness.run_for(2 * INTERVAL)
    assert (older.ready, younger.ready) == (AVAILABLE, CONFLICT)


async def test_an_owner_whose_spec_is_not_valid_any_more_owns_nothing(harness: Harness) -> None:
    older = harness.create("older", comment="a")
    await harness.run_for(10)
    younger = harness.create("younger", comment="b")
    await harness.run_for(20)
    harness.edit(older, nonsense=1)
    await harness.run_for(30)
    assert (older.ready, younger.ready) == (("False", "InvalidSpec"), AVAILABLE)


@pytest.mark.parametrize(
    "change", [{"suspend": True}, {"managementPolicy": "Observe"}, {"managementPolicy": "Plan"}], ids=str
)
async def test_nobody_holds_an_endpoint_that_it_does_not_manage(harness: Harness, change: dict[str, object]) -> None:
    older = harness.create("older", comment="a")
    await harness.run_for(10)
    younger = harness.create("younger", comment="b")
    await harness.run_for(20)
    assert younger.ready == CONFLICT
    harness.edit(older, **change)
    await harness.run_for(20)
    assert younger.ready == AVAILABLE
    harness.edit(older, suspend=None, managementPolicy=None)
    await harness.run_for(INTERVAL)
    assert (older.ready, younger.ready) == (AVAILABLE, CONFLICT)


async def test_what_only_observes_has_no_conflict(harness: Harness) -> None:
    harness.create("older", comment="a")
    await harness.run_for(10)
    watcher = harness.create("watcher", managementPolicy="Observe", comment="a")
    await harness.run_for(20)
    assert watcher.ready == AVAILABLE


async def test_at_rest_a_conflict_costs_no_call_and_no_write(harness: Harness) -> None:
    harness.create("older", comment="a")
    await harness.run_for(10)
    harness.create("younger", comment="b")
    await harness.run_for(300)
    harness.reset_log()
    await harness.run_for(3 * INTERVAL)
    assert not harness.writes
    assert harness.atlas.calls == ["LIST"] * 3  # of the rounds


async def test_another_instance_is_another_endpoint(harness: Harness) -> None:
    harness.create("older", comment="theirs")
    await harness.run_for(10)
    other = harness.create("other", comment="theirs", instanceName="shop")
    await harness.run_for(20)
    assert other.ready == AVAILABLE


async def test_a_failing_owner_is_told_of_and_not_overtaken(harness: Harness) -> None:
    older = harness.create("older", comment="a")
    await harness.run_for(10)
    younger = harness.create("younger", comment="b")
    harness.atlas.fail_once("LIST", CredentialsInvalidError("Refused.", operation="LIST", http_status=401))
    await harness.run_for(60)
    assert younger.ready == CONFLICT
    assert older.ready == AVAILABLE


async def test_who_has_it_already_keeps_it_from_one_that_came_in_the_same_second(harness: Harness) -> None:
    incumbent = harness.create("z-incumbent", comment="a")
    await harness.run_for(10)
    newcomer = harness.create("a-newcomer", comment="b")
    newcomer.created = incumbent.created
    harness.changed(newcomer)
    await harness.run_for(60)
    assert (incumbent.ready, newcomer.ready) == (AVAILABLE, CONFLICT)
    assert patches(harness) == 1


async def test_an_older_one_whose_credentials_are_mended_does_not_take_it_away(harness: Harness) -> None:
    harness.secrets.found["mine"] = NoCredentialsError(SecretProblem.NOT_FOUND, "None.", source=None, retry_in=30.0)
    older = harness.create("older", comment="a", credentialsSecretRef={"name": "mine"})
    await harness.run_for(10)
    younger = harness.create("younger", comment="b")
    await harness.run_for(10)
    harness.secrets.found["mine"] = "mine-1"
    await harness.run_for(INTERVAL)
    assert (older.ready, younger.ready) == (CONFLICT, AVAILABLE)


async def test_one_that_wants_the_same_has_no_claim_by_that(harness: Harness) -> None:
    owner = harness.create("z-owner", comment="theirs")
    await harness.run_for(10)
    same = harness.create("a-same", comment="theirs")
    same.created = owner.created
    harness.changed(same)
    await harness.run_for(2 * INTERVAL)
    assert (owner.ready, same.ready) == (AVAILABLE, CONFLICT)
    assert "applied" not in same.status


@pytest.mark.parametrize("how", ["by its spec", "by a copied annotation"])
async def test_one_of_another_namespace_that_has_never_seen_it_holds_nothing_up(harness: Harness, how: str) -> None:
    """However often it is edited: anybody can name an endpoint."""
    if how == "by its spec":
        squatter = harness.create("squatter", namespace=THEIRS, projectId=None, projectRef={"name": "nowhere"})
    else:
        squatter = taken_over(harness, "squatter", namespace=THEIRS)
    await harness.run_for(60)
    victim = harness.create("victim", comment="mine")
    await harness.run_for(10)
    assert victim.ready == AVAILABLE
    for comment in ("a", "b", "c"):
        harness.edit(squatter, comment=comment)
        harness.edit(victim, comment=comment)
        await harness.run_for(1)
        assert victim.ready == AVAILABLE
    assert patches(harness) == 4


@pytest.mark.parametrize("first", ["the older", "the younger"])
@pytest.mark.parametrize("restored", [False, True], ids=["new", "restored without statuses"])
async def test_of_two_that_are_new_in_two_namespaces_the_older_one_owns_it(
    harness: Harness, first: str, *, restored: bool
) -> None:
    """Whoever comes to look first: one that has not seen it yet looks, and writes when the other could have looked."""
    spec: dict[str, Any] = {"driftPolicy": "Report"}
    older, younger = (
        harness.create("b", comment="a", **spec),
        harness.create("a", comment="b", namespace=THEIRS, **spec),
    )
    younger.created = "2026-11-25T12:00:01Z"
    harness.changed(younger)
    if restored:
        await harness.run_for(60)
        for each in (older, younger):
            each.status = {"observedGeneration": -1}
            harness.changed(each)
        harness.restart()
        harness.enqueue_all()
        harness.reset_log()
    await harness.reconcile_of(older if first == "the older" else younger)
    await harness.run_for(60)
    assert (older.ready, younger.ready) == (AVAILABLE, CONFLICT)
    assert "a resource of another namespace" in younger.message
    assert harness.atlas.endpoints[ENDPOINT].comment == "a"
    assert patches(harness) == (0 if restored else 1)


async def test_one_of_another_namespace_whose_credentials_are_revoked_owns_it_no_more(harness: Harness) -> None:
    older = harness.create("older", comment="a", namespace=THEIRS, credentialsSecretRef={"name": "mine"})
    await harness.run_for(10)
    younger = harness.create("younger", comment="b")
    await harness.run_for(20)
    assert (older.ready, younger.ready) == (AVAILABLE, CONFLICT)
    harness.secrets.found["mine"] = NoCredentialsError(SecretProblem.NOT_FOUND, "None.", source=None, retry_in=30.0)
    harness.edit(older, comment="c")
    await harness.run_for(GRACE.total_seconds() + 60)
    assert younger.ready == AVAILABLE
    assert harness.atlas.endpoints[ENDPOINT].comment == "b"
