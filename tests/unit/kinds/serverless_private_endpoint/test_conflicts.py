"""Stories of two resources that name one endpoint: one owns it, the other says so and writes nothing."""

import pytest

from atlas_endpoints.atlas.errors import CredentialsInvalidError
from atlas_endpoints.kinds.errors import NoCredentialsError
from unit.kinds.serverless_private_endpoint.world import ENDPOINT, GRACE, World, lost

INTERVAL = 600.0
CONFLICT, AVAILABLE = ("False", "Conflict"), ("True", "Available")


@pytest.fixture
def world() -> World:
    world = World()
    world.atlas.put(ENDPOINT, comment="theirs")
    return world


def patches(world: World) -> int:
    return len([call for call in world.atlas.calls if call.startswith("PATCH")])


async def test_the_older_one_owns_it_and_the_other_waits_for_it_to_go(world: World) -> None:
    older = world.create("older", comment="a")
    await world.run_for(10)
    younger = world.create("younger", comment="b")
    await world.run_for(3 * INTERVAL)
    assert older.ready == AVAILABLE
    assert younger.ready == CONFLICT
    assert younger.condition("Stalled") is not None
    assert "resource older" in younger.message
    assert patches(world) == 1
    world.vanish(older)
    await world.run_for(20)
    assert younger.ready == AVAILABLE
    assert world.atlas.endpoints[ENDPOINT].comment == "b"


async def test_two_that_come_at_once_do_not_fight(world: World) -> None:
    one, two = world.create("one", comment="a"), world.create("two", comment="b")
    await world.run_for(60)
    assert (one.ready, two.ready) == (AVAILABLE, CONFLICT)
    assert patches(world) == 1


async def test_two_that_come_at_once_the_younger_first_do_not_fight(world: World) -> None:
    two = world.create("b-two", comment="b")
    one = world.create("a-one", comment="a")
    await world.pass_over(two)
    assert two.ready == ("Unknown", "Pending")
    await world.run_for(60)
    assert (one.ready, two.ready) == (AVAILABLE, CONFLICT)
    assert patches(world) == 1


async def test_it_holds_across_a_restart(world: World) -> None:
    older = world.create("older", comment="a")
    await world.run_for(10)
    younger = world.create("younger", comment="b")
    await world.run_for(10)
    world.restart()
    world.see_all()
    await world.pass_over(younger)
    await world.run_for(INTERVAL)
    assert (older.ready, younger.ready) == (AVAILABLE, CONFLICT)
    assert patches(world) == 1


async def test_nobody_holds_an_endpoint_with_worthless_credentials(world: World) -> None:
    world.secrets.found["mine"] = NoCredentialsError("SecretNotFound", "None.", source=None, retry_in=30.0)
    world.create("squatter", comment="a", credentialsSecretRef={"name": "mine"})
    await world.run_for(10)
    honest = world.create("honest", comment="b")
    await world.run_for(10)
    assert honest.ready == AVAILABLE


async def test_nobody_holds_an_endpoint_with_credentials_that_were_revoked(world: World) -> None:
    older = world.create("older", comment="a", credentialsSecretRef={"name": "mine"})
    await world.run_for(10)
    younger = world.create("younger", comment="b")
    await world.run_for(20)
    assert younger.ready == CONFLICT
    world.secrets.found["mine"] = NoCredentialsError("SecretNotFound", "None.", source=None, retry_in=30.0)
    world.edit(older, comment="c")
    await world.run_for(GRACE.total_seconds() + 30)
    assert younger.ready == AVAILABLE
    world.secrets.found["mine"] = "mine-1"
    await world.run_for(2 * INTERVAL)
    assert (older.ready, younger.ready) == (CONFLICT, AVAILABLE)


async def test_a_secret_that_is_away_for_a_moment_does_not_move_ownership(world: World) -> None:
    older = world.create("older", comment="a", credentialsSecretRef={"name": "mine"})
    await world.run_for(10)
    younger = world.create("younger", comment="b")
    await world.run_for(20)
    world.secrets.found["mine"] = NoCredentialsError("SecretNotFound", "None.", source=None, retry_in=5.0)
    world.annotate(older, force_sync="1")
    await world.run_for(40)
    assert older.ready == ("False", "CredentialsInvalid")
    world.secrets.found["mine"] = "mine-1"
    await world.run_for(INTERVAL)
    assert (older.ready, younger.ready) == (AVAILABLE, CONFLICT)
    assert patches(world) == 1


async def test_a_lost_answer_does_not_move_ownership(world: World) -> None:
    """The younger one had owned it while the older one was suspended, and has something confirmed."""
    older = world.create("older", comment="a")
    await world.run_for(30)
    world.edit(older, suspend=True)
    younger = world.create("younger", comment="b")
    await world.run_for(60)
    assert younger.ready == AVAILABLE
    world.edit(older, suspend=None)
    await world.run_for(60)
    world.atlas.fail_once("PATCH", lost(), applies="at once")
    world.edit(older, comment="a2")
    await world.run_for(3 * INTERVAL)
    assert (older.ready, younger.ready) == (AVAILABLE, CONFLICT)
    assert world.atlas.endpoints[ENDPOINT].comment == "a2"


async def test_an_outage_does_not_move_ownership_to_an_older_one(world: World) -> None:
    older = world.create("older", comment="a", suspend=True)
    await world.run_for(10)
    owner = world.create("owner", comment="b")
    await world.run_for(10)
    world.edit(older, suspend=None)
    await world.run_for(30)
    assert (older.ready, owner.ready) == (CONFLICT, AVAILABLE)
    world.atlas.go_down()
    world.edit(older, comment="c")
    world.annotate(older, force_sync="1")
    await world.run_for(60)
    assert older.ready == ("False", "AtlasUnavailable")
    world.atlas.come_back()
    await world.run_for(INTERVAL)
    assert (older.ready, owner.ready) == (CONFLICT, AVAILABLE)
    assert world.atlas.endpoints[ENDPOINT].comment == "b"
    assert "resource owner" in older.message
    assert "is older" not in older.message


async def test_one_that_was_looked_at_first_and_wants_what_is_there_has_no_claim_by_that(world: World) -> None:
    younger = world.create("b-younger", comment="theirs")
    older = world.create("a-older", comment="a")
    older.created = "2026-11-25T11:00:00Z"
    world.changed(older)
    await world.pass_over(younger)
    assert younger.ready == ("Unknown", "Pending")
    assert "applied" not in younger.status
    await world.run_for(2 * INTERVAL)
    assert (older.ready, younger.ready) == (AVAILABLE, CONFLICT)


async def test_an_owner_whose_spec_is_not_valid_any_more_owns_nothing(world: World) -> None:
    older = world.create("older", comment="a")
    await world.run_for(10)
    younger = world.create("younger", comment="b")
    await world.run_for(20)
    world.edit(older, nonsense=1)
    await world.run_for(30)
    assert (older.ready, younger.ready) == (("False", "InvalidSpec"), AVAILABLE)


@pytest.mark.parametrize(
    "change", [{"suspend": True}, {"managementPolicy": "Observe"}, {"managementPolicy": "Plan"}], ids=str
)
async def test_nobody_holds_an_endpoint_that_it_does_not_manage(world: World, change: dict[str, object]) -> None:
    older = world.create("older", comment="a")
    await world.run_for(10)
    younger = world.create("younger", comment="b")
    await world.run_for(20)
    assert younger.ready == CONFLICT
    world.edit(older, **change)
    await world.run_for(20)
    assert younger.ready == AVAILABLE
    world.edit(older, suspend=None, managementPolicy=None)
    await world.run_for(INTERVAL)
    assert (older.ready, younger.ready) == (AVAILABLE, CONFLICT)


async def test_what_only_observes_has_no_conflict(world: World) -> None:
    world.create("older", comment="a")
    await world.run_for(10)
    watcher = world.create("watcher", managementPolicy="Observe", comment="a")
    await world.run_for(20)
    assert watcher.ready == AVAILABLE


async def test_at_rest_a_conflict_costs_no_call_and_no_write(world: World) -> None:
    world.create("older", comment="a")
    await world.run_for(10)
    world.create("younger", comment="b")
    await world.run_for(300)
    world.reset_log()
    await world.run_for(3 * INTERVAL)
    assert not world.writes
    assert world.atlas.calls == ["LIST"] * 3  # of the rounds


async def test_another_instance_is_another_endpoint(world: World) -> None:
    world.create("older", comment="theirs")
    await world.run_for(10)
    other = world.create("other", comment="theirs", instanceName="shop")
    await world.run_for(20)
    assert other.ready == AVAILABLE


async def test_a_failing_owner_is_told_of_and_not_overtaken(world: World) -> None:
    older = world.create("older", comment="a")
    await world.run_for(10)
    younger = world.create("younger", comment="b")
    world.atlas.fail_once("LIST", CredentialsInvalidError("Refused.", operation="LIST", http_status=401))
    await world.run_for(60)
    assert younger.ready == CONFLICT
    assert older.ready == AVAILABLE


async def test_who_has_it_already_keeps_it_from_one_that_came_in_the_same_second(world: World) -> None:
    incumbent = world.create("z-incumbent", comment="a")
    await world.run_for(10)
    newcomer = world.create("a-newcomer", comment="b")
    newcomer.created = incumbent.created
    world.changed(newcomer)
    await world.run_for(60)
    assert (incumbent.ready, newcomer.ready) == (AVAILABLE, CONFLICT)
    assert patches(world) == 1


async def test_an_older_one_whose_credentials_are_mended_does_not_take_it_away(world: World) -> None:
    world.secrets.found["mine"] = NoCredentialsError("SecretNotFound", "None.", source=None, retry_in=30.0)
    older = world.create("older", comment="a", credentialsSecretRef={"name": "mine"})
    await world.run_for(10)
    younger = world.create("younger", comment="b")
    await world.run_for(10)
    world.secrets.found["mine"] = "mine-1"
    await world.run_for(INTERVAL)
    assert (older.ready, younger.ready) == (CONFLICT, AVAILABLE)


async def test_one_that_wants_the_same_has_no_claim_by_that(world: World) -> None:
    owner = world.create("z-owner", comment="theirs")
    await world.run_for(10)
    same = world.create("a-same", comment="theirs")
    same.created = owner.created
    world.changed(same)
    await world.run_for(2 * INTERVAL)
    assert (owner.ready, same.ready) == (AVAILABLE, CONFLICT)
    assert "applied" not in same.status
