"""Stories of a resource that is deleted: its endpoint goes with it or stays, as its owner wants, and never in silence."""

from typing import Any

import pytest

from atlas_endpoints.atlas.errors import (
    AccountSuspendedError,
    APIGoneError,
    AtlasError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    EndpointAbsentError,
    InstanceNotFoundError,
    MissingRoleError,
    NotServerlessError,
    ProjectNotFoundError,
    RateLimitedError,
    UpdateRejectedError,
)
from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, UnreadableError
from atlas_endpoints.kinds.errors import NoCredentialsError
from unit.kinds.serverless_private_endpoint.world import ENDPOINT, VPCE, Resource, World, unavailable

INTERVAL = 600.0
FINALIZER = "atlas-endpoints.dev/cleanup"
PREFIX = "atlas-endpoints.dev/"


async def settled(world: World, **spec: Any) -> Resource:
    """A resource that is ready, and whose endpoint goes with it."""
    world.atlas.put(ENDPOINT, comment="one", cloud_provider_endpoint_id=VPCE)
    resource = world.create(**{"comment": "one", "cloudProviderEndpointId": VPCE, "deletionPolicy": "Delete", **spec})
    await world.settle()
    assert resource.ready == ("True", "Available")
    return resource


def deletes(world: World) -> int:
    return world.atlas.calls.count("DELETE")


def is_blocked(resource: Resource, *words: str) -> bool:
    assert resource.ready == ("False", "DeletionBlocked"), resource.message
    assert resource.condition("Stalled") is not None
    for each in (*words, "force-finalize"):
        assert each in resource.message, resource.message
    return True


class TestDelete:
    async def test_the_endpoint_goes_first_and_then_the_resource(self, world: World) -> None:
        resource = await settled(world)
        assert resource.finalizers == [FINALIZER]
        world.delete(resource)
        await world.run_for(30)
        assert deletes(world) == 1
        assert world.exists(resource)
        assert resource.ready == ("False", "Deleting")
        world.atlas.vanish(ENDPOINT)
        await world.run_for(60)
        assert not world.exists(resource)
        assert deletes(world) == 1
        assert [reason for reason, _ in world.announced] == ["EndpointDeleted"]

    async def test_a_finalizer_of_somebody_else_stays(self, world: World) -> None:
        resource = await settled(world)
        resource.finalizers.append("example.com/other")
        world.delete(resource)
        world.atlas.vanish(ENDPOINT)
        await world.run_for(60)
        assert resource.finalizers == ["example.com/other"]

    async def test_an_endpoint_that_is_absent_lets_it_go_at_once(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.vanish(ENDPOINT)
        world.delete(resource)
        await world.run_for(1)
        assert not world.exists(resource)
        assert deletes(world) == 0

    async def test_one_look_that_hides_it_is_no_proof(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.hidden.add(ENDPOINT)
        world.delete(resource)
        await world.run_for(1)
        assert world.exists(resource)
        assert deletes(world) == 1

    @pytest.mark.parametrize("applies", ["never", "at once", "late"])
    async def test_a_lost_answer_is_looked_after(self, world: World, applies: Any) -> None:
        resource = await settled(world)
        error = AtlasUnavailableError("The connection dropped.", operation="DELETE", unknown_outcome=True)
        world.atlas.fail_once("DELETE", error, applies=applies)
        world.delete(resource)
        await world.run_for(30)
        assert world.exists(resource)
        assert world.atlas.endpoints[ENDPOINT].status == "DELETING"
        world.atlas.vanish(ENDPOINT)
        await world.run_for(60)
        assert not world.exists(resource)

    async def test_a_restart_goes_on(self, world: World) -> None:
        resource = await settled(world)
        world.delete(resource)
        await world.run_for(1)
        world.restart()
        world.see_all()
        world.atlas.vanish(ENDPOINT)
        await world.run_for(10)
        assert not world.exists(resource)
        assert deletes(world) == 1

    async def test_one_that_takes_too_long_says_so_and_is_looked_at_still(self, world: World) -> None:
        resource = await settled(world, provisioningTimeout="10m")
        world.delete(resource)
        await world.run_for(900)
        assert is_blocked(resource, "longer to delete")
        world.atlas.vanish(ENDPOINT)
        await world.run_for(120)
        assert not world.exists(resource)


class TestReservation:
    async def test_the_finalizer_is_there_before_the_first_call(self, world: World) -> None:
        resource = world.create(endpoint_id=None, deletionPolicy="Delete")
        await world.pass_over(resource)
        assert resource.finalizers == [FINALIZER]
        assert world.atlas.calls == []

    async def test_nothing_was_reserved_yet_it_goes_at_once(self, world: World) -> None:
        world.secrets.found[None] = NoCredentialsError("SecretNotFound", "No Secret.", source=None, retry_in=30.0)
        resource = world.create(endpoint_id=None, deletionPolicy="Delete")
        await world.run_for(10)
        assert resource.finalizers == [FINALIZER]
        world.delete(resource)
        await world.run_for(1)
        assert not world.exists(resource)
        assert world.announced == []

    @pytest.mark.parametrize("applies", ["never", "at once", "late"])
    async def test_what_may_have_been_reserved_is_looked_for(self, world: World, applies: Any) -> None:
        error = AtlasUnavailableError("The connection dropped.", operation="POST", unknown_outcome=True)
        world.atlas.fail_once("POST", error, applies=applies)
        resource = world.create(endpoint_id=None, deletionPolicy="Delete")
        for _ in range(3):
            await world.pass_over(resource)
        assert world.atlas.calls.count("POST") == 1
        world.delete(resource)
        await world.run_for(20)
        assert world.exists(resource)
        world.atlas.apply_late()
        await world.run_for(20)
        assert deletes(world) == (0 if applies == "never" else 1)
        for each in tuple(world.atlas.endpoints):
            world.atlas.vanish(each)
        await world.run_for(60)
        assert not world.exists(resource)
        assert world.atlas.endpoints == {}

    async def test_what_atlas_does_not_delete_is_told_in_the_end(self, world: World) -> None:
        error = AtlasUnavailableError("The connection dropped.", operation="POST", unknown_outcome=True)
        world.atlas.fail_once("POST", error, applies="at once")
        world.atlas.ignores_deletes = True
        resource = world.create(endpoint_id=None, deletionPolicy="Delete", provisioningTimeout="10m")
        for _ in range(3):
            await world.pass_over(resource)
        world.delete(resource)
        await world.run_for(900)
        assert is_blocked(resource, "longer to delete")

    async def test_what_was_reserved_beside_it_goes_as_well(self, world: World) -> None:
        """Atlas has taken a call very late, and no round has found that yet."""
        resource = world.create(endpoint_id=None, deletionPolicy="Delete", comment="orders")
        await world.run_for(10)
        (endpoint,) = world.atlas.endpoints
        world.atlas.put(endpoint, status="RESERVED", endpoint_service_name="svc")
        await world.run_for(900)
        late = "e" * 24
        world.atlas.put(late, status="RESERVED", comment="atlas-endpoints.dev/uid-db")
        world.delete(resource)
        await world.run_for(10)
        world.atlas.vanish(endpoint)
        await world.run_for(60)
        assert world.exists(resource)
        assert world.atlas.endpoints[late].status == "DELETING"
        world.atlas.vanish(late)
        await world.run_for(60)
        assert not world.exists(resource)

    async def test_what_was_reserved_is_deleted(self, world: World) -> None:
        resource = world.create(endpoint_id=None, deletionPolicy="Delete")
        await world.run_for(10)
        (endpoint,) = world.atlas.endpoints
        world.delete(resource)
        await world.run_for(10)
        assert world.atlas.endpoints[endpoint].status == "DELETING"
        world.atlas.vanish(endpoint)
        await world.run_for(60)
        assert not world.exists(resource)


class TestPolicy:
    async def test_by_default_there_is_no_finalizer_and_no_call(self, world: World) -> None:
        resource = await settled(world, deletionPolicy="Retain")
        assert resource.finalizers == []
        world.delete(resource)
        await world.run_for(INTERVAL)
        assert world.atlas.calls == []

    async def test_it_may_change(self, world: World) -> None:
        resource = await settled(world, deletionPolicy="Retain")
        world.edit(resource, deletionPolicy="Delete")
        await world.run_for(1)
        assert resource.finalizers == [FINALIZER]
        world.edit(resource, deletionPolicy=None)
        await world.run_for(1)
        assert resource.finalizers == []

    async def test_it_may_change_while_the_resource_is_being_deleted(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.go_down()
        world.delete(resource)
        await world.run_for(10)
        world.edit(resource, deletionPolicy="Retain")
        await world.run_for(10)
        assert not world.exists(resource)
        assert world.atlas.endpoints[ENDPOINT].status == "AVAILABLE"
        assert [reason for reason, _ in world.announced] == ["EndpointRetained"]
        assert ENDPOINT in world.announced[0][1]

    @pytest.mark.parametrize(
        ("annotations", "spec", "namespace", "wanted"),
        [
            pytest.param({}, {}, {}, False, id="nobody says anything"),
            pytest.param({}, {}, {"deletion-policy": "Delete"}, True, id="the namespace"),
            pytest.param({}, {}, {"deletion-policy": "delete "}, True, id="the namespace in small letters"),
            pytest.param({}, {}, {"deletion-policy": "Orphan"}, False, id="the namespace says what nobody understands"),
            pytest.param({}, {"deletionPolicy": "Retain"}, {"deletion-policy": "Delete"}, False, id="the spec over it"),
            pytest.param(
                {}, {"deletionPolicy": "Delete"}, {"deletion-policy": "Retain"}, True, id="the spec over Retain"
            ),
            pytest.param(
                {PREFIX + "deletion-policy": "Retain"}, {"deletionPolicy": "Delete"}, {}, False, id="annotation"
            ),
            pytest.param(
                {PREFIX + "deletion-policy": "delete"}, {"deletionPolicy": "Retain"}, {}, True, id="annotated"
            ),
            pytest.param(
                {"mongodb.com/atlas-resource-policy": "keep"}, {"deletionPolicy": "Delete"}, {}, False, id="keep"
            ),
            pytest.param({"mongodb.com/atlas-resource-policy": "delete"}, {}, {}, True, id="delete"),
            pytest.param(
                {PREFIX + "deletion-policy": "Retain", "mongodb.com/atlas-resource-policy": "delete"},
                {},
                {},
                False,
                id="our own annotation over that of others",
            ),
            pytest.param({}, {"deletionPolicy": "Delete", "managementPolicy": "Observe"}, {}, False, id="Observe"),
            pytest.param({}, {"deletionPolicy": "Delete", "managementPolicy": "Plan"}, {}, False, id="Plan"),
        ],
    )
    async def test_the_most_specific_wins(
        self,
        world: World,
        annotations: dict[str, str],
        spec: dict[str, str],
        namespace: dict[str, str],
        *,
        wanted: bool,
    ) -> None:
        world.namespaces.found = {PREFIX + name: value for name, value in namespace.items()}
        world.atlas.put(ENDPOINT)
        resource = Resource("db", ENDPOINT, spec)
        resource.annotations = annotations
        world.resources[resource.key] = resource
        world.changed(resource)
        await world.run_for(1)
        assert resource.finalizers == ([FINALIZER] if wanted else [])

    async def test_an_annotation_that_nobody_understands_is_told(self, world: World) -> None:
        resource = await settled(world, deletionPolicy="Retain")
        world.annotate(resource, deletion_policy="Orphan")
        await world.run_for(1)
        assert resource.ready == ("False", "InvalidSpec")
        assert "metadata.annotations[atlas-endpoints.dev/deletion-policy]" in resource.message
        assert resource.finalizers == []

    async def test_a_namespace_that_nobody_understands_is_told_before_anything_is_reserved(self, world: World) -> None:
        world.namespaces.found = {PREFIX + "deletion-policy": "Orphan"}
        resource = world.create(endpoint_id=None)
        await world.run_for(10)
        assert world.atlas.calls == []
        assert resource.ready == ("False", "InvalidSpec")
        assert "Namespace: metadata.annotations[atlas-endpoints.dev/deletion-policy]" in resource.message
        world.namespaces.found = {PREFIX + "deletion-policy": "Delete"}
        await world.run_for(40)
        assert resource.finalizers == [FINALIZER]
        assert len(world.atlas.endpoints) == 1

    async def test_a_namespace_that_nobody_understands_leaves_what_is_there_as_it_is(self, world: World) -> None:
        world.namespaces.found = {PREFIX + "deletion-policy": "Delete"}
        resource = await settled(world, deletionPolicy=None)
        world.namespaces.found = {PREFIX + "deletion-policy": "Orphan"}
        world.edit(resource, comment="two")
        await world.run_for(10)
        assert world.atlas.endpoints[ENDPOINT].comment == "two"
        assert resource.finalizers == [FINALIZER]
        world.delete(resource)
        await world.run_for(10)
        assert is_blocked(resource, "Namespace: metadata.annotations")
        world.namespaces.found = {PREFIX + "deletion-policy": "Retain"}
        await world.run_for(40)
        assert not world.exists(resource)
        assert deletes(world) == 0

    async def test_a_policy_of_the_namespace_that_changes_arrives_where_a_deletion_waits(self, world: World) -> None:
        world.namespaces.found = {PREFIX + "deletion-policy": "Delete"}
        resource = await settled(world, deletionPolicy=None)
        world.edit(resource, suspend=True)
        world.delete(resource)
        await world.run_for(1)
        assert is_blocked(resource, "suspended")
        world.namespaces.found = {PREFIX + "deletion-policy": "Retain"}
        await world.run_for(60)
        assert not world.exists(resource)
        assert deletes(world) == 0

    async def test_who_asks_for_a_fresh_look_gets_the_policy_that_a_namespace_has_now(self, world: World) -> None:
        world.namespaces.found = {PREFIX + "deletion-policy": "Delete"}
        resource = await settled(world, deletionPolicy=None)
        assert Age.FRESH not in world.namespaces.ages
        world.edit(resource, suspend=True)
        world.delete(resource)
        await world.run_for(1)
        world.namespaces.found = {PREFIX + "deletion-policy": "Retain"}
        world.annotate(resource, force_sync="now")
        await world.run_for(1)
        assert not world.exists(resource)
        assert world.namespaces.ages[-1] is Age.FRESH

    async def test_a_namespace_that_may_not_be_read_says_nothing(self, world: World) -> None:
        world.namespaces.found = UnreadableError("NamespaceForbidden", "No.", retry_in=60.0)
        resource = await settled(world, deletionPolicy=None)
        assert resource.finalizers == []

    async def test_a_namespace_that_cannot_be_read_is_read_again_before_anything_is_reserved(
        self, world: World
    ) -> None:
        world.namespaces.found = ClusterUnavailableError("Away.")
        resource = world.create(endpoint_id=None)
        await world.run_for(60)
        assert world.atlas.calls == []
        world.namespaces.found = {PREFIX + "deletion-policy": "Delete"}
        await world.run_for(120)
        assert resource.finalizers == [FINALIZER]
        assert len(world.atlas.endpoints) == 1


class TestWhatStandsInTheWay:
    async def test_a_suspended_resource_waits_and_says_so(self, world: World) -> None:
        resource = await settled(world)
        world.edit(resource, suspend=True)
        await world.run_for(1)
        world.delete(resource)
        await world.run_for(INTERVAL)
        assert is_blocked(resource, "suspended")
        assert world.atlas.calls == []
        world.edit(resource, suspend=False)
        await world.run_for(1)
        assert deletes(world) == 1

    @pytest.mark.parametrize("hindered_by", ["suspend", "WRITES"])
    @pytest.mark.parametrize("shown", [True, False], ids=["and shows it", "and has said so"])
    async def test_while_atlas_is_at_it_nothing_says_that_the_endpoint_is_not_deleted(
        self, world: World, hindered_by: str, shown: bool
    ) -> None:
        resource = await settled(world)
        world.delete(resource)
        await world.run_for(30 if shown else 1)
        assert deletes(world) == 1
        if hindered_by == "suspend":
            world.edit(resource, suspend=True)
        else:
            world.restart(writes=False)
            world.see_all()
        for again in ("once", "twice"):
            world.annotate(resource, force_sync=again)
            await world.run_for(1)
            assert is_blocked(resource, hindered_by, "Atlas is deleting the endpoint", "without waiting for that")
            assert "is not deleted" not in resource.message
            assert "as it is" not in resource.message

    async def test_one_that_is_skipped_goes_and_the_endpoint_stays(self, world: World) -> None:
        resource = await settled(world)
        world.annotate(resource, reconcile_policy="skip")
        await world.run_for(1)
        world.delete(resource)
        await world.run_for(1)
        assert not world.exists(resource)
        assert deletes(world) == 0
        assert ENDPOINT in world.announced[0][1]

    async def test_an_operator_that_may_not_write_lets_nothing_go(self, world: World) -> None:
        resource = await settled(world)
        world.restart(writes=False)
        world.delete(resource)
        await world.run_for(INTERVAL)
        assert is_blocked(resource, "WRITES")
        assert deletes(world) == 0
        world.restart()
        world.see_all()
        await world.run_for(1)
        assert deletes(world) == 1

    async def test_without_its_secret_it_waits_and_goes_on_when_it_is_there(self, world: World) -> None:
        resource = await settled(world)
        world.secrets.found[None] = NoCredentialsError("SecretNotFound", "There is none.", source=None, retry_in=60.0)
        world.delete(resource)
        await world.run_for(300)
        assert is_blocked(resource, "There is none.")
        assert deletes(world) == 0
        world.secrets.found[None] = "operator-1"
        await world.run_for(61)
        assert deletes(world) == 1

    @pytest.mark.parametrize(
        "error",
        [
            CredentialsInvalidError("Refused.", operation="DELETE", http_status=401),
            MissingRoleError("Too weak.", operation="DELETE", http_status=403),
            AccountSuspendedError("Unpaid.", operation="DELETE", http_status=402),
            ProjectNotFoundError("Not visible.", operation="DELETE", http_status=401, error_code="NOT_IN_GROUP"),
            UpdateRejectedError("In use.", operation="DELETE", http_status=409),
        ],
        ids=lambda error: error.reason,
    )
    async def test_what_a_person_must_mend_is_told_with_the_ways_out(self, world: World, error: AtlasError) -> None:
        resource = await settled(world)
        world.atlas.go_down("DELETE", error=error)
        world.delete(resource)
        await world.run_for(3 * INTERVAL)
        assert is_blocked(resource, error.message)
        assert deletes(world) <= 5
        world.atlas.come_back()
        await world.run_for(INTERVAL + 60)
        assert world.atlas.endpoints[ENDPOINT].status == "DELETING"

    @pytest.mark.parametrize(
        "error",
        [
            APIGoneError("Ended.", operation="LIST", http_status=410),
            NotServerlessError("Flex.", operation="LIST", http_status=400),
            InstanceNotFoundError("None.", operation="LIST", http_status=404),
            ProjectNotFoundError("None.", operation="LIST", http_status=404, error_code="GROUP_NOT_FOUND"),
        ],
        ids=lambda error: error.reason,
    )
    async def test_what_is_gone_with_its_place_lets_it_go_and_says_which_endpoint(
        self, world: World, error: AtlasError
    ) -> None:
        resource = await settled(world)
        world.atlas.go_down("LIST", "GET", error=error)
        world.delete(resource)
        await world.run_for(10)
        assert not world.exists(resource)
        ((reason, message),) = world.announced
        assert reason == "EndpointOrphaned"
        assert ENDPOINT in message

    @pytest.mark.parametrize(
        "error", [unavailable(), RateLimitedError("Slow.", operation="LIST", http_status=429, retry_after=5.0)]
    )
    async def test_an_outage_is_told_and_waited_out(self, world: World, error: AtlasError) -> None:
        resource = await settled(world)
        world.atlas.go_down("LIST", "GET", "DELETE", error=error)
        world.delete(resource)
        await world.run_for(60)
        assert resource.ready == ("False", error.reason)
        assert resource.condition("Reconciling") is not None
        world.atlas.come_back()
        await world.run_for(300)
        assert deletes(world) == 1

    @pytest.mark.parametrize("breaks", ["nothing", "the spec", "the Secret", "Atlas"])
    async def test_a_person_can_always_let_it_go(self, world: World, breaks: str) -> None:
        resource = await settled(world)
        if breaks == "the spec":
            resource.spec["instanceName"] = "/"
        if breaks == "the Secret":
            world.secrets.found[None] = NoCredentialsError("SecretNotFound", "None.", source=None, retry_in=30.0)
        if breaks == "Atlas":
            world.atlas.go_down()
        world.delete(resource)
        if breaks != "nothing":
            await world.run_for(30)
            assert world.exists(resource)
        world.annotate(resource, force_finalize="true")
        await world.run_for(1)
        assert not world.exists(resource)
        ((reason, message),) = world.announced
        assert reason == "ForceFinalized"
        assert ENDPOINT in message
        assert world.atlas.endpoints[ENDPOINT].status == "AVAILABLE"

    async def test_a_spec_that_nobody_understands_is_told(self, world: World) -> None:
        resource = await settled(world)
        resource.spec["newer"] = "field"
        world.delete(resource)
        await world.run_for(30)
        assert is_blocked(resource, "spec.newer")


class TestOthers:
    async def test_a_renamed_resource_keeps_its_endpoint(self, world: World) -> None:
        """A new one is applied and the old one is pruned: nothing is deleted, and the new one goes on."""
        old = await settled(world)
        new = world.create("new", comment="one", cloudProviderEndpointId=VPCE, deletionPolicy="Delete")
        world.delete(old)
        await world.run_for(60)
        assert not world.exists(old)
        assert deletes(world) == 0
        assert new.ready == ("True", "Available")
        assert [reason for reason, _ in world.announced] == ["EndpointHandedOver"]

    @pytest.mark.parametrize("hindered_by", ["an outage", "a Secret that comes later", "suspend"])
    async def test_a_renamed_resource_keeps_its_endpoint_though_the_new_one_could_not_look_yet(
        self, world: World, hindered_by: str
    ) -> None:
        old = await settled(world)
        spec: dict[str, Any] = {"comment": "one", "cloudProviderEndpointId": VPCE, "deletionPolicy": "Delete"}
        if hindered_by == "a Secret that comes later":
            missing = NoCredentialsError("SecretNotFound", "None.", source=None, retry_in=30.0)
            world.secrets.found["new"] = missing
            spec["credentialsSecretRef"] = {"name": "new"}
        if hindered_by == "an outage":
            world.atlas.forget_all()
            world.atlas.go_down()
        world.create("new", **spec, suspend=hindered_by == "suspend")
        await world.run_for(2)
        world.delete(old)
        world.atlas.come_back()
        await world.run_for(10)
        assert not world.exists(old)
        assert deletes(world) == 0
        assert [reason for reason, _ in world.announced] == ["EndpointHandedOver"]

    async def test_one_in_conflict_leaves_the_owner_its_endpoint_also_while_that_has_no_secret(
        self, world: World
    ) -> None:
        owner = await settled(world, credentialsSecretRef={"name": "mine"})
        loser = world.create("loser", deletionPolicy="Delete")
        await world.run_for(60)
        assert loser.ready == ("False", "Conflict")
        world.secrets.found["mine"] = NoCredentialsError("SecretNotFound", "None.", source=None, retry_in=30.0)
        world.annotate(owner, force_sync="1")
        await world.run_for(1)
        assert owner.ready == ("False", "CredentialsInvalid")
        world.delete(loser)
        await world.run_for(10)
        assert not world.exists(loser)
        assert deletes(world) == 0

    async def test_one_of_another_namespace_with_worthless_credentials_holds_nothing_up(self, world: World) -> None:
        old = await settled(world)
        squatter = Resource("squatter", ENDPOINT, {}).body
        squatter["metadata"]["namespace"] = "theirs"
        squatter["status"] = {"observedGeneration": 1}
        world.store.put(squatter)
        world.delete(old)
        await world.run_for(60)
        assert deletes(world) == 1

    async def test_two_that_go_at_once_delete_it_once(self, world: World) -> None:
        one = await settled(world)
        two = world.create("two", comment="one", cloudProviderEndpointId=VPCE, deletionPolicy="Delete")
        await world.run_for(30)
        world.delete(one)
        world.delete(two)
        await world.run_for(30)
        world.atlas.vanish(ENDPOINT)
        await world.run_for(60)
        assert not world.exists(one)
        assert not world.exists(two)

    async def test_what_was_taken_over_from_a_backup_is_retained_until_the_spec_names_it(self, world: World) -> None:
        world.atlas.put(ENDPOINT, comment="one")
        restored = world.create(endpoint_id=None, comment="one", deletionPolicy="Delete")
        restored.annotations[PREFIX + "endpoint-id"] = f"{ENDPOINT}/uid-of-another"
        world.changed(restored)
        await world.run_for(60)
        assert restored.ready == ("True", "Available")
        assert restored.finalizers == []
        world.edit(restored, endpointId=ENDPOINT)
        await world.run_for(5)
        assert restored.finalizers == [FINALIZER]


class TestMeanwhile:
    """What comes while a pass waits for answers counts."""

    async def test_a_change_of_mind_stops_the_call(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.while_listing = lambda _: world.annotate(resource, deletion_policy="Retain")
        world.delete(resource)
        await world.run_for(60)
        assert not world.exists(resource)
        assert deletes(world) == 0

    async def test_another_resource_that_comes_keeps_the_endpoint(self, world: World) -> None:
        old = await settled(world)

        def come(_: Any) -> None:
            world.create("new", comment="one", cloudProviderEndpointId=VPCE)

        world.atlas.while_listing = come
        world.delete(old)
        await world.run_for(60)
        assert not world.exists(old)
        assert deletes(world) == 0


async def test_an_annotation_lets_go_also_what_nobody_understands(world: World) -> None:
    resource = await settled(world)
    resource.spec["newer"] = "field"
    world.delete(resource)
    await world.run_for(30)
    assert is_blocked(resource, "spec.newer")
    world.annotate(resource, deletion_policy="Retain")
    await world.run_for(1)
    assert not world.exists(resource)
    assert deletes(world) == 0


async def test_a_policy_that_nobody_understands_is_told_before_anything_is_sent(world: World) -> None:
    resource = await settled(world)
    applied = resource.status["applied"]
    world.annotate(resource, deletion_policy="Orphan")
    world.edit(resource, comment="two")
    await world.run_for(INTERVAL)
    assert resource.ready == ("False", "InvalidSpec")
    assert not [call for call in world.atlas.calls if call.startswith("PATCH")]
    assert resource.status["applied"] == applied
    assert resource.finalizers == [FINALIZER]


async def test_a_policy_of_the_namespace_that_nobody_understands_is_told_beside_what_is_well(world: World) -> None:
    """Else nobody would know before the resource is gone, and its endpoint is left."""
    world.namespaces.found = {PREFIX + "deletion-policy": "Delte"}
    resource = await settled(world, deletionPolicy=None)
    assert resource.ready == ("True", "Available")
    assert "must be Retain or Delete" in resource.message
    await world.run_for(3 * INTERVAL)
    assert "must be Retain or Delete" in resource.message
    assert world.writes["db"] == 0
    assert set(world.atlas.calls) == {"LIST"}
    world.atlas.go_down()
    await world.run_for(12 * INTERVAL)
    assert resource.ready == ("False", "AtlasUnavailable")
    assert world.writes["db"] == 1
    world.atlas.come_back()
    world.namespaces.found = {PREFIX + "deletion-policy": "Delete"}
    await world.run_for(2 * INTERVAL)
    assert "must be" not in resource.message
    assert resource.finalizers == [FINALIZER]


async def test_a_namespace_that_may_not_be_read_any_more_leaves_the_finalizer_and_is_told(world: World) -> None:
    world.namespaces.found = {PREFIX + "deletion-policy": "Delete"}
    resource = await settled(world, deletionPolicy=None)
    assert resource.finalizers == [FINALIZER]
    world.namespaces.found = UnreadableError("NamespaceForbidden", "It may not be read.", retry_in=60.0)
    world.edit(resource, comment="two")
    await world.run_for(10)
    assert resource.finalizers == [FINALIZER]
    world.delete(resource)
    await world.run_for(10)
    assert is_blocked(resource, "It may not be read.")
    world.namespaces.found = {PREFIX + "deletion-policy": "Delete"}
    await world.run_for(70)
    assert deletes(world) == 1


async def test_a_finalizer_that_a_tool_has_removed_comes_back(world: World) -> None:
    resource = await settled(world)
    resource.finalizers = []
    world.changed(resource)
    await world.run_for(5)
    assert resource.finalizers == [FINALIZER]


async def test_a_delete_that_finds_nothing_is_no_proof(world: World) -> None:
    resource = await settled(world)
    error = EndpointAbsentError("None.", operation="DELETE", http_status=404)
    world.atlas.go_down("DELETE", error=error)
    world.delete(resource)
    await world.run_for(30)
    assert world.exists(resource)
    assert world.atlas.endpoints[ENDPOINT].status == "AVAILABLE"


@pytest.mark.parametrize("error", [CredentialsInvalidError, MissingRoleError])
async def test_a_mended_secret_is_noticed_within_a_minute_however_seldom_atlas_is_asked(
    world: World, error: type[AtlasError]
) -> None:
    resource = await settled(world, syncInterval="24h")
    world.atlas.go_down("LIST", "GET", "DELETE", error=error("Refused.", operation="DELETE", http_status=401))
    world.delete(resource)
    await world.run_for(3600)
    assert is_blocked(resource, "Refused.")
    assert len(world.atlas.calls) <= 2
    world.secrets.found[None] = "operator-2"
    world.atlas.come_back()
    await world.run_for(60)
    assert deletes(world) == 1


async def test_a_role_that_was_granted_is_noticed_at_once_by_who_asks_for_it(world: World) -> None:
    resource = await settled(world, syncInterval="24h")
    error = MissingRoleError("Refused.", operation="DELETE", http_status=401)
    world.atlas.go_down("LIST", "GET", "DELETE", error=error)
    world.delete(resource)
    await world.run_for(600)
    asked = len(world.atlas.calls)
    world.annotate(resource, force_sync="too early")
    await world.run_for(600)
    assert is_blocked(resource, "Refused.")
    assert resource.status["lastHandledReconcileAt"] == "too early"
    assert asked < len(world.atlas.calls) <= asked + 2
    world.atlas.come_back()
    world.annotate(resource, force_sync="granted")
    await world.run_for(5)
    assert deletes(world) == 1


async def test_a_delete_that_atlas_does_not_follow_is_told_in_the_end(world: World) -> None:
    resource = await settled(world, provisioningTimeout="30m")
    world.atlas.ignores_deletes = True
    world.delete(resource)
    await world.run_for(2400)
    assert is_blocked(resource, "longer to delete")
    assert deletes(world) < 80


async def test_an_outage_tells_the_ways_out_as_well(world: World) -> None:
    resource = await settled(world)
    world.atlas.go_down()
    world.delete(resource)
    await world.run_for(600)
    assert "force-finalize" in resource.message
    writes = world.writes["db"]
    await world.run_for(3600)
    assert world.writes["db"] == writes


async def test_what_atlas_is_deleting_already_is_not_said_to_stay_for_another_resource(world: World) -> None:
    resource = await settled(world)
    world.delete(resource)
    await world.run_for(30)
    world.create("other")
    await world.run_for(60)
    ((reason, message),) = world.announced
    assert reason == "EndpointHandedOver"
    assert "being deleted" in message
    assert "resource other" in message


async def test_what_atlas_is_deleting_already_is_not_said_to_stay(world: World) -> None:
    resource = await settled(world)
    world.delete(resource)
    await world.run_for(1)
    world.edit(resource, deletionPolicy="Retain")
    await world.run_for(1)
    ((reason, message),) = world.announced
    assert reason == "EndpointRetained"
    assert "nobody can stop" in message


async def test_nothing_is_handed_over_to_one_that_is_gone_without_an_event(world: World) -> None:
    old = await settled(world)
    heir = world.create("heir", comment="one", cloudProviderEndpointId=VPCE)
    await world.run_for(30)
    del world.resources[heir.key]
    world.delete(old)
    await world.pass_over(old)
    assert deletes(world) == 1
    assert world.announced == []


async def test_another_cause_that_blocks_begins_anew(world: World) -> None:
    resource = await settled(world)
    world.secrets.found[None] = NoCredentialsError("SecretNotFound", "None.", source="operator/atlas", retry_in=5.0)
    world.delete(resource)
    await world.run_for(0)
    assert is_blocked(resource)
    first = resource.status["lastError"]["since"]
    await world.run_for(100)
    assert resource.status["lastError"]["since"] == first
    world.secrets.found[None] = NoCredentialsError("MissingKeys", "It lacks.", source="operator/atlas", retry_in=5.0)
    await world.run_for(10)
    assert is_blocked(resource, "It lacks.")
    assert resource.status["lastError"]["since"] > first
