"""Deletion of a resource: its endpoint is deleted or retained by policy, and an Event reports which."""

from datetime import timedelta
from typing import Any

import pytest

from atlas_endpoints.atlas.answers import Refusal
from atlas_endpoints.atlas.classification import classify
from atlas_endpoints.atlas.credentials import CredentialsProblem
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
from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, SecretProblem, UnreadableError
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import REFUSALS
from atlas_endpoints.reconcile.credentials import NoCredentialsError
from atlas_endpoints.reconcile.kind import POLL_FIRST
from unit.reconcile.harness import (
    ENDPOINT,
    START,
    THEIRS,
    VPCE,
    Harness,
    Resource,
    taken_over,
    unavailable,
)

INTERVAL = 600.0
FINALIZER = "atlas-endpoints.dev/cleanup"
PREFIX = "atlas-endpoints.dev/"


async def settled(harness: Harness, **spec: Any) -> Resource:
    """A ready resource whose endpoint is deleted with it."""
    harness.atlas.put(ENDPOINT, comment="one", cloud_provider_endpoint_id=VPCE)
    resource = harness.create(**{"comment": "one", "cloudProviderEndpointId": VPCE, "deletionPolicy": "Delete", **spec})
    await harness.settle()
    assert resource.ready == ("True", "Available")
    return resource


def deletes(harness: Harness) -> int:
    return harness.atlas.calls.count("DELETE")


def is_blocked(resource: Resource, *words: str) -> bool:
    assert resource.ready == ("False", "DeletionBlocked"), resource.message
    assert resource.condition("Stalled") is not None
    for each in (*words, "force-finalize"):
        assert each in resource.message, resource.message
    return True


class TestDelete:
    async def test_the_endpoint_goes_first_and_then_the_resource(self, harness: Harness) -> None:
        resource = await settled(harness)
        assert resource.finalizers == [FINALIZER]
        harness.delete(resource)
        await harness.run_for(30)
        assert deletes(harness) == 1
        assert harness.exists(resource)
        assert resource.ready == ("False", "Deleting")
        harness.atlas.vanish(ENDPOINT)
        await harness.run_for(60)
        assert not harness.exists(resource)
        assert deletes(harness) == 1
        assert [reason for reason, _ in harness.announced] == ["EndpointDeleted"]

    async def test_a_finalizer_of_somebody_else_stays(self, harness: Harness) -> None:
        resource = await settled(harness)
        resource.finalizers.append("example.com/other")
        harness.delete(resource)
        harness.atlas.vanish(ENDPOINT)
        await harness.run_for(60)
        assert resource.finalizers == ["example.com/other"]

    async def test_an_endpoint_that_is_absent_releases_it_at_once(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.vanish(ENDPOINT)
        harness.delete(resource)
        await harness.run_for(1)
        assert not harness.exists(resource)
        assert deletes(harness) == 0

    async def test_one_observation_without_it_is_no_proof(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.hidden.add(ENDPOINT)
        harness.delete(resource)
        await harness.run_for(1)
        assert harness.exists(resource)
        assert deletes(harness) == 1

    @pytest.mark.parametrize("applies", ["never", "at once", "late"])
    async def test_the_deletion_goes_on_after_a_lost_answer(self, harness: Harness, applies: Any) -> None:
        resource = await settled(harness)
        error = AtlasUnavailableError("The connection dropped.", operation="DELETE", unknown_outcome=True)
        harness.atlas.fail_once("DELETE", error, applies=applies)
        harness.delete(resource)
        await harness.run_for(30)
        assert harness.exists(resource)
        assert harness.atlas.endpoints[ENDPOINT].status == "DELETING"
        harness.atlas.vanish(ENDPOINT)
        await harness.run_for(60)
        assert not harness.exists(resource)

    async def test_the_deletion_goes_on_after_a_restart(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.delete(resource)
        await harness.run_for(1)
        harness.restart()
        harness.enqueue_all()
        harness.atlas.vanish(ENDPOINT)
        await harness.run_for(10)
        assert not harness.exists(resource)
        assert deletes(harness) == 1

    async def test_a_deletion_that_takes_too_long_is_reported_and_goes_on(self, harness: Harness) -> None:
        resource = await settled(harness, provisioningTimeout="10m")
        harness.delete(resource)
        await harness.run_for(900)
        assert is_blocked(resource, "not deleted the endpoint within")
        harness.atlas.vanish(ENDPOINT)
        await harness.run_for(120)
        assert not harness.exists(resource)


class TestReservation:
    async def test_the_finalizer_is_there_before_the_first_call(self, harness: Harness) -> None:
        resource = harness.create(endpoint_id=None, deletionPolicy="Delete")
        await harness.reconcile_of(resource)
        assert resource.finalizers == [FINALIZER]
        assert harness.atlas.calls == []

    async def test_nothing_was_reserved_yet_it_goes_at_once(self, harness: Harness) -> None:
        harness.secrets.found[None] = NoCredentialsError(
            SecretProblem.NOT_FOUND, "No Secret.", source=None, retry_in=30.0
        )
        resource = harness.create(endpoint_id=None, deletionPolicy="Delete")
        await harness.run_for(10)
        assert resource.finalizers == [FINALIZER]
        harness.delete(resource)
        await harness.run_for(1)
        assert not harness.exists(resource)
        assert harness.announced == []

    @pytest.mark.parametrize("applies", ["never", "at once", "late"])
    async def test_a_possible_reservation_is_searched(self, harness: Harness, applies: Any) -> None:
        error = AtlasUnavailableError("The connection dropped.", operation="POST", unknown_outcome=True)
        harness.atlas.fail_once("POST", error, applies=applies)
        resource = harness.create(endpoint_id=None, deletionPolicy="Delete")
        for _ in range(3):
            await harness.reconcile_of(resource)
        assert harness.atlas.calls.count("POST") == 1
        harness.delete(resource)
        await harness.run_for(20)
        assert harness.exists(resource)
        harness.atlas.apply_late()
        await harness.run_for(20)
        assert deletes(harness) == (0 if applies == "never" else 1)
        for each in tuple(harness.atlas.endpoints):
            harness.atlas.vanish(each)
        await harness.run_for(60)
        assert not harness.exists(resource)
        assert harness.atlas.endpoints == {}

    async def test_an_endpoint_that_atlas_does_not_delete_is_reported_in_the_end(self, harness: Harness) -> None:
        error = AtlasUnavailableError("The connection dropped.", operation="POST", unknown_outcome=True)
        harness.atlas.fail_once("POST", error, applies="at once")
        harness.atlas.ignores_deletes = True
        resource = harness.create(endpoint_id=None, deletionPolicy="Delete", provisioningTimeout="10m")
        for _ in range(3):
            await harness.reconcile_of(resource)
        harness.delete(resource)
        await harness.run_for(900)
        assert is_blocked(resource, "not deleted the endpoint within")

    async def test_a_surplus_reservation_is_deleted_too(self, harness: Harness) -> None:
        """Atlas has applied a call very late, and no resync has found it yet."""
        resource = harness.create(endpoint_id=None, deletionPolicy="Delete", comment="orders")
        await harness.run_for(10)
        (endpoint,) = harness.atlas.endpoints
        harness.atlas.put(endpoint, status="RESERVED", endpoint_service_name="svc")
        await harness.run_for(900)
        late = "e" * 24
        harness.atlas.put(late, status="RESERVED", comment="atlas-endpoints.dev/uid-db")
        harness.delete(resource)
        await harness.run_for(10)
        harness.atlas.vanish(endpoint)
        await harness.run_for(60)
        assert harness.exists(resource)
        assert harness.atlas.endpoints[late].status == "DELETING"
        harness.atlas.vanish(late)
        await harness.run_for(60)
        assert not harness.exists(resource)

    async def test_what_was_reserved_is_deleted(self, harness: Harness) -> None:
        resource = harness.create(endpoint_id=None, deletionPolicy="Delete")
        await harness.run_for(10)
        (endpoint,) = harness.atlas.endpoints
        harness.delete(resource)
        await harness.run_for(10)
        assert harness.atlas.endpoints[endpoint].status == "DELETING"
        harness.atlas.vanish(endpoint)
        await harness.run_for(60)
        assert not harness.exists(resource)


class TestPolicy:
    async def test_by_default_there_is_no_finalizer_and_no_call(self, harness: Harness) -> None:
        resource = await settled(harness, deletionPolicy="Retain")
        assert resource.finalizers == []
        harness.delete(resource)
        await harness.run_for(INTERVAL)
        assert harness.atlas.calls == []

    async def test_it_may_change(self, harness: Harness) -> None:
        resource = await settled(harness, deletionPolicy="Retain")
        harness.edit(resource, deletionPolicy="Delete")
        await harness.run_for(1)
        assert resource.finalizers == [FINALIZER]
        harness.edit(resource, deletionPolicy=None)
        await harness.run_for(1)
        assert resource.finalizers == []

    async def test_it_may_change_while_the_resource_is_being_deleted(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.go_down()
        harness.delete(resource)
        await harness.run_for(10)
        harness.edit(resource, deletionPolicy="Retain")
        await harness.run_for(10)
        assert not harness.exists(resource)
        assert harness.atlas.endpoints[ENDPOINT].status == "AVAILABLE"
        assert [reason for reason, _ in harness.announced] == ["EndpointRetained"]
        assert ENDPOINT in harness.announced[0][1]

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
        harness: Harness,
        annotations: dict[str, str],
        spec: dict[str, str],
        namespace: dict[str, str],
        *,
        wanted: bool,
    ) -> None:
        harness.namespaces.found = {PREFIX + name: value for name, value in namespace.items()}
        harness.atlas.put(ENDPOINT)
        resource = Resource("db", ENDPOINT, spec)
        resource.annotations = annotations
        harness.resources[resource.key] = resource
        harness.changed(resource)
        await harness.run_for(1)
        assert resource.finalizers == ([FINALIZER] if wanted else [])

    async def test_an_annotation_that_is_invalid_is_reported(self, harness: Harness) -> None:
        resource = await settled(harness, deletionPolicy="Retain")
        harness.annotate(resource, deletion_policy="Orphan")
        await harness.run_for(1)
        assert resource.ready == ("False", "InvalidSpec")
        assert "metadata.annotations[atlas-endpoints.dev/deletion-policy]" in resource.message
        assert resource.finalizers == []

    async def test_a_namespace_that_is_invalid_is_reported_before_anything_is_reserved(self, harness: Harness) -> None:
        harness.namespaces.found = {PREFIX + "deletion-policy": "Orphan"}
        resource = harness.create(endpoint_id=None)
        await harness.run_for(10)
        assert harness.atlas.calls == []
        assert resource.ready == ("False", "InvalidSpec")
        assert "Namespace: metadata.annotations[atlas-endpoints.dev/deletion-policy]" in resource.message
        harness.namespaces.found = {PREFIX + "deletion-policy": "Delete"}
        await harness.run_for(40)
        assert resource.finalizers == [FINALIZER]
        assert len(harness.atlas.endpoints) == 1

    async def test_a_namespace_that_is_invalid_leaves_what_is_there_as_it_is(self, harness: Harness) -> None:
        harness.namespaces.found = {PREFIX + "deletion-policy": "Delete"}
        resource = await settled(harness, deletionPolicy=None)
        harness.namespaces.found = {PREFIX + "deletion-policy": "Orphan"}
        harness.edit(resource, comment="two")
        await harness.run_for(10)
        assert harness.atlas.endpoints[ENDPOINT].comment == "two"
        assert resource.finalizers == [FINALIZER]
        harness.delete(resource)
        await harness.run_for(10)
        assert is_blocked(resource, "Namespace: metadata.annotations")
        harness.namespaces.found = {PREFIX + "deletion-policy": "Retain"}
        await harness.run_for(40)
        assert not harness.exists(resource)
        assert deletes(harness) == 0

    async def test_a_changed_policy_of_the_namespace_reaches_a_waiting_deletion(self, harness: Harness) -> None:
        harness.namespaces.found = {PREFIX + "deletion-policy": "Delete"}
        resource = await settled(harness, deletionPolicy=None)
        harness.edit(resource, suspend=True)
        harness.delete(resource)
        await harness.run_for(1)
        assert is_blocked(resource, "suspended")
        harness.namespaces.found = {PREFIX + "deletion-policy": "Retain"}
        await harness.run_for(60)
        assert not harness.exists(resource)
        assert deletes(harness) == 0

    async def test_force_sync_reads_the_policy_of_the_namespace_afresh(self, harness: Harness) -> None:
        harness.namespaces.found = {PREFIX + "deletion-policy": "Delete"}
        resource = await settled(harness, deletionPolicy=None)
        assert Age.FRESH not in harness.namespaces.ages
        harness.edit(resource, suspend=True)
        harness.delete(resource)
        await harness.run_for(1)
        harness.namespaces.found = {PREFIX + "deletion-policy": "Retain"}
        harness.annotate(resource, force_sync="now")
        await harness.run_for(1)
        assert not harness.exists(resource)
        assert harness.namespaces.ages[-1] is Age.FRESH

    async def test_a_namespace_that_may_not_be_read_changes_nothing(self, harness: Harness) -> None:
        harness.namespaces.found = UnreadableError(SecretProblem.NAMESPACE_FORBIDDEN, "No.", retry_in=60.0)
        resource = await settled(harness, deletionPolicy=None)
        assert resource.finalizers == []

    async def test_a_namespace_that_cannot_be_read_is_read_again_before_anything_is_reserved(
        self, harness: Harness
    ) -> None:
        harness.namespaces.found = ClusterUnavailableError("Away.")
        resource = harness.create(endpoint_id=None)
        await harness.run_for(60)
        assert harness.atlas.calls == []
        harness.namespaces.found = {PREFIX + "deletion-policy": "Delete"}
        await harness.run_for(120)
        assert resource.finalizers == [FINALIZER]
        assert len(harness.atlas.endpoints) == 1


class TestBlocked:
    async def test_a_suspended_resource_waits_and_reports_it(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.edit(resource, suspend=True)
        await harness.run_for(1)
        harness.delete(resource)
        await harness.run_for(INTERVAL)
        assert is_blocked(resource, "suspended")
        assert harness.atlas.calls == []
        harness.edit(resource, suspend=False)
        await harness.run_for(1)
        assert deletes(harness) == 1

    @pytest.mark.parametrize("hindered_by", ["suspend", "WRITES"])
    @pytest.mark.parametrize("shown", [True, False], ids=["and shows it", "and has said so"])
    async def test_no_message_denies_a_deletion_that_atlas_has_begun(
        self, harness: Harness, hindered_by: str, shown: bool
    ) -> None:
        resource = await settled(harness)
        harness.delete(resource)
        await harness.run_for(30 if shown else 1)
        assert deletes(harness) == 1
        if hindered_by == "suspend":
            harness.edit(resource, suspend=True)
        else:
            harness.restart(writes=False)
            harness.enqueue_all()
        for again in ("once", "twice"):
            harness.annotate(resource, force_sync=again)
            await harness.run_for(1)
            assert is_blocked(resource, hindered_by, "Atlas is deleting the endpoint", "without waiting for Atlas")
            assert "does not delete" not in resource.message
            assert "keep the endpoint" not in resource.message

    async def test_one_that_is_skipped_goes_and_the_endpoint_stays(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.annotate(resource, reconcile_policy="skip")
        await harness.run_for(1)
        harness.delete(resource)
        await harness.run_for(1)
        assert not harness.exists(resource)
        assert deletes(harness) == 0
        assert ENDPOINT in harness.announced[0][1]

    async def test_an_operator_that_may_not_write_releases_nothing(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.restart(writes=False)
        harness.delete(resource)
        await harness.run_for(INTERVAL)
        assert is_blocked(resource, "WRITES")
        assert deletes(harness) == 0
        harness.restart()
        harness.enqueue_all()
        await harness.run_for(1)
        assert deletes(harness) == 1

    async def test_a_deletion_waits_for_its_secret(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.secrets.found[None] = NoCredentialsError(
            SecretProblem.NOT_FOUND, "There is none.", source=None, retry_in=60.0
        )
        harness.delete(resource)
        await harness.run_for(300)
        assert is_blocked(resource, "There is none.")
        assert deletes(harness) == 0
        harness.secrets.found[None] = "operator-1"
        await harness.run_for(61)
        assert deletes(harness) == 1

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
    async def test_a_blocked_deletion_has_the_remedies(self, harness: Harness, error: AtlasError) -> None:
        resource = await settled(harness)
        harness.atlas.go_down("DELETE", error=error)
        harness.delete(resource)
        await harness.run_for(3 * INTERVAL)
        assert is_blocked(resource, error.message)
        assert resource.status["lastError"]["httpStatus"] == error.http_status
        assert deletes(harness) <= 5
        harness.atlas.come_back()
        await harness.run_for(INTERVAL + 60)
        assert harness.atlas.endpoints[ENDPOINT].status == "DELETING"

    async def test_one_that_is_being_deleted_is_not_reported_to_delete_it(self, harness: Harness) -> None:
        resource = await settled(harness)
        refusal = Refusal(401, {}, b'{"errorCode": "NOT_IN_GROUP"}')
        error = classify(refusal, Request("LIST", "GET", "/", refusals=REFUSALS), now=START)
        harness.atlas.go_down("LIST", "GET", "DELETE", error=error)
        harness.annotate(resource, force_sync="1")
        await harness.run_for(5)
        assert "delete this resource" in resource.message
        harness.delete(resource)
        await harness.run_for(5)
        assert is_blocked(resource, "invite it to the project", "delete the endpoint in Atlas")
        assert "delete this resource" not in resource.message

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
    async def test_an_endpoint_whose_parent_is_gone_is_named_and_the_resource_released(
        self, harness: Harness, error: AtlasError
    ) -> None:
        resource = await settled(harness)
        harness.atlas.go_down("LIST", "GET", error=error)
        harness.delete(resource)
        await harness.run_for(10)
        assert not harness.exists(resource)
        ((reason, message),) = harness.announced
        assert reason == "EndpointOrphaned"
        assert ENDPOINT in message

    @pytest.mark.parametrize(
        "error", [unavailable(), RateLimitedError("Slow.", operation="LIST", http_status=429, retry_after=5.0)]
    )
    async def test_an_outage_is_reported_and_waited_out(self, harness: Harness, error: AtlasError) -> None:
        resource = await settled(harness)
        harness.atlas.go_down("LIST", "GET", "DELETE", error=error)
        harness.delete(resource)
        await harness.run_for(60)
        assert resource.ready == ("False", error.reason)
        assert resource.condition("Reconciling") is not None
        harness.atlas.come_back()
        await harness.run_for(300)
        assert deletes(harness) == 1

    @pytest.mark.parametrize("breaks", ["nothing", "the spec", "the Secret", "Atlas"])
    async def test_an_annotation_always_releases_it(self, harness: Harness, breaks: str) -> None:
        resource = await settled(harness)
        if breaks == "the spec":
            resource.spec["instanceName"] = "/"
        if breaks == "the Secret":
            harness.secrets.found[None] = NoCredentialsError(
                SecretProblem.NOT_FOUND, "None.", source=None, retry_in=30.0
            )
        if breaks == "Atlas":
            harness.atlas.go_down()
        harness.delete(resource)
        if breaks != "nothing":
            await harness.run_for(30)
            assert harness.exists(resource)
        harness.annotate(resource, force_finalize="true")
        await harness.run_for(1)
        assert not harness.exists(resource)
        ((reason, message),) = harness.announced
        assert reason == "ForceFinalized"
        assert ENDPOINT in message
        assert harness.atlas.endpoints[ENDPOINT].status == "AVAILABLE"

    async def test_a_spec_that_is_invalid_is_reported(self, harness: Harness) -> None:
        resource = await settled(harness)
        resource.spec["newer"] = "field"
        harness.delete(resource)
        await harness.run_for(30)
        assert is_blocked(resource, "spec.newer")


class TestOthers:
    async def test_a_renamed_resource_keeps_its_endpoint(self, harness: Harness) -> None:
        """The new resource is applied and the old one pruned: the endpoint stays."""
        old = await settled(harness)
        new = harness.create("new", comment="one", cloudProviderEndpointId=VPCE, deletionPolicy="Delete")
        harness.delete(old)
        await harness.run_for(60)
        assert not harness.exists(old)
        assert deletes(harness) == 0
        assert new.ready == ("True", "Available")
        assert [reason for reason, _ in harness.announced] == ["EndpointHandedOver"]

    @pytest.mark.parametrize("hindered_by", ["an outage", "a Secret that comes later", "suspend"])
    async def test_a_renamed_resource_keeps_its_endpoint_although_the_new_one_has_not_observed_it(
        self, harness: Harness, hindered_by: str
    ) -> None:
        old = await settled(harness)
        spec: dict[str, Any] = {"comment": "one", "cloudProviderEndpointId": VPCE, "deletionPolicy": "Delete"}
        if hindered_by == "a Secret that comes later":
            missing = NoCredentialsError(SecretProblem.NOT_FOUND, "None.", source=None, retry_in=30.0)
            harness.secrets.found["new"] = missing
            spec["credentialsSecretRef"] = {"name": "new"}
        if hindered_by == "an outage":
            harness.atlas.forget_all()
            harness.atlas.go_down()
        harness.create("new", **spec, suspend=hindered_by == "suspend")
        await harness.run_for(2)
        harness.delete(old)
        harness.atlas.come_back()
        await harness.run_for(10)
        assert not harness.exists(old)
        assert deletes(harness) == 0
        assert [reason for reason, _ in harness.announced] == ["EndpointHandedOver"]

    async def test_one_in_conflict_leaves_the_owner_its_endpoint_also_while_that_has_no_secret(
        self, harness: Harness
    ) -> None:
        owner = await settled(harness, credentialsSecretRef={"name": "mine"})
        loser = harness.create("loser", deletionPolicy="Delete")
        await harness.run_for(60)
        assert loser.ready == ("False", "Conflict")
        harness.secrets.found["mine"] = NoCredentialsError(SecretProblem.NOT_FOUND, "None.", source=None, retry_in=30.0)
        harness.annotate(owner, force_sync="1")
        await harness.run_for(1)
        assert owner.ready == ("False", "CredentialsInvalid")
        harness.delete(loser)
        await harness.run_for(10)
        assert not harness.exists(loser)
        assert deletes(harness) == 0

    @pytest.mark.parametrize("does", ["nothing", "edits it", "makes it anew", "suspends it", "copies the annotation"])
    async def test_one_of_another_namespace_that_has_never_seen_it_delays_the_end_once(
        self, harness: Harness, does: str
    ) -> None:
        """Anybody who may create a resource can name an endpoint, and edit or recreate that resource forever."""
        victim = await settled(harness)
        named: dict[str, Any] = {"projectId": None, "projectRef": {"name": "nowhere"}}
        squatter = harness.create("squatter", namespace=THEIRS, **named, suspend=does == "suspends it")
        await harness.run_for(60)
        if does == "copies the annotation":
            harness.vanish(squatter)
            squatter = taken_over(harness, "copy", namespace=THEIRS)
            await harness.run_for(60)
        harness.delete(victim)
        for minute in range(1, 7):
            await harness.run_for(55)
            assert deletes(harness) == (1 if minute == 6 else 0)
            if minute < 6:
                assert victim.ready == ("False", "Deleting")
                assert "another namespace" in victim.message
                assert "deletion-policy to Retain" in victim.message
            if does == "edits it":
                harness.edit(squatter, comment=f"{minute}")
            if does == "makes it anew":
                harness.vanish(squatter)
                squatter = harness.create("squatter", namespace=THEIRS, **named)
        assert harness.writes["db"] <= 2

    async def test_an_annotation_ends_that_wait_and_the_endpoint_is_reported_as_retained(
        self, harness: Harness
    ) -> None:
        victim = await settled(harness)
        harness.create("squatter", namespace=THEIRS, projectId=None, projectRef={"name": "nowhere"})
        harness.delete(victim)
        await harness.run_for(30)
        harness.annotate(victim, deletion_policy="Retain")
        await harness.run_for(1)
        assert not harness.exists(victim)
        ((reason, message),) = harness.announced
        assert reason == "EndpointRetained"
        assert "stays in Atlas" in message

    @pytest.mark.parametrize(
        "ahead",
        [timedelta(days=30), timedelta(minutes=4, seconds=55), timedelta(seconds=11), timedelta(seconds=10)],
        ids=str,
    )
    async def test_a_clock_that_ran_ahead_when_it_was_deleted_makes_that_delay_little_longer(
        self, harness: Harness, ahead: timedelta
    ) -> None:
        """A few seconds of clock skew prolong the wait; a deletion further in the future does not count."""
        victim = await settled(harness)
        harness.create("squatter", namespace=THEIRS, projectId=None, projectRef={"name": "nowhere"})
        harness.delete(victim)
        victim.deleted_at += ahead
        harness.changed(victim)
        await harness.run_for(290)
        assert deletes(harness) == (ahead > timedelta(seconds=10))
        await harness.run_for(310 + POLL_FIRST - 290)
        assert deletes(harness) == 1

    @pytest.mark.parametrize("then", ["", "its credentials are revoked", "it is suspended", "the operator restarts"])
    async def test_one_of_another_namespace_that_proves_itself_meanwhile_keeps_it(
        self, harness: Harness, then: str
    ) -> None:
        """For example after a restore, when one Secret comes last; the proof stays valid."""
        victim = await settled(harness)
        missing = NoCredentialsError(SecretProblem.NOT_FOUND, "None.", source=None, retry_in=30.0)
        harness.secrets.found["mine"] = missing
        sharer = harness.create("sharer", namespace=THEIRS, credentialsSecretRef={"name": "mine"})
        if not then:
            harness.delete(victim)
        await harness.run_for(120)
        assert harness.exists(victim)
        harness.secrets.found["mine"] = "mine-1"
        await harness.run_for(60)
        if then:
            assert sharer.status["endpoint"]["id"] == ENDPOINT
            if then == "its credentials are revoked":
                harness.secrets.found["mine"] = missing
                harness.edit(sharer, comment="two")
            if then == "it is suspended":
                harness.edit(sharer, suspend=True)
            await harness.run_for(INTERVAL)
            if then == "the operator restarts":
                harness.restart()
                harness.enqueue_all()
            harness.delete(victim)
            await harness.run_for(10)
        assert not harness.exists(victim)
        assert deletes(harness) == 0
        assert [reason for reason, _ in harness.announced][-1] == "EndpointHandedOver"

    async def test_one_of_another_namespace_that_goes_as_well_delays_nothing(self, harness: Harness) -> None:
        victim = await settled(harness)
        other = harness.create("other", namespace=THEIRS, projectId=None, projectRef={"name": "nowhere"})
        await harness.run_for(10)
        harness.delete(other)
        harness.delete(victim)
        await harness.run_for(10)
        assert deletes(harness) == 1

    async def test_one_of_another_namespace_that_names_what_was_reserved_does_not_orphan_it(
        self, harness: Harness
    ) -> None:
        error = AtlasUnavailableError("The connection dropped.", operation="POST", unknown_outcome=True)
        harness.atlas.fail_once("POST", error, applies="at once")
        victim = harness.create(endpoint_id=None, deletionPolicy="Delete")
        for _ in range(3):
            await harness.reconcile_of(victim)
        (endpoint,) = harness.atlas.endpoints
        harness.create("squatter", endpoint, namespace=THEIRS, projectId=None, projectRef={"name": "nowhere"})
        harness.delete(victim)
        await harness.run_for(400)
        assert harness.exists(victim)
        assert harness.atlas.endpoints[endpoint].status == "DELETING"

    async def test_two_that_go_at_once_delete_it_once(self, harness: Harness) -> None:
        one = await settled(harness)
        two = harness.create("two", comment="one", cloudProviderEndpointId=VPCE, deletionPolicy="Delete")
        await harness.run_for(30)
        harness.delete(one)
        harness.delete(two)
        await harness.run_for(30)
        harness.atlas.vanish(ENDPOINT)
        await harness.run_for(60)
        assert not harness.exists(one)
        assert not harness.exists(two)

    async def test_what_was_taken_over_from_a_backup_is_retained_until_the_spec_names_it(
        self, harness: Harness
    ) -> None:
        harness.atlas.put(ENDPOINT, comment="one")
        restored = harness.create(endpoint_id=None, comment="one", deletionPolicy="Delete")
        restored.annotations[PREFIX + "endpoint-id"] = f"{ENDPOINT}/uid-of-another"
        harness.changed(restored)
        await harness.run_for(60)
        assert restored.ready == ("True", "Available")
        assert restored.finalizers == []
        harness.edit(restored, endpointId=ENDPOINT)
        await harness.run_for(5)
        assert restored.finalizers == [FINALIZER]


class TestChangesDuringADeletion:
    """Changes during a reconcile count."""

    async def test_a_changed_policy_stops_the_call(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.while_listing = lambda _: harness.annotate(resource, deletion_policy="Retain")
        harness.delete(resource)
        await harness.run_for(60)
        assert not harness.exists(resource)
        assert deletes(harness) == 0

    async def test_another_resource_that_comes_keeps_the_endpoint(self, harness: Harness) -> None:
        old = await settled(harness)

        def come(_: Any) -> None:
            harness.create("new", comment="one", cloudProviderEndpointId=VPCE)

        harness.atlas.while_listing = come
        harness.delete(old)
        await harness.run_for(60)
        assert not harness.exists(old)
        assert deletes(harness) == 0


async def test_an_annotation_releases_an_invalid_resource_too(harness: Harness) -> None:
    resource = await settled(harness)
    resource.spec["newer"] = "field"
    harness.delete(resource)
    await harness.run_for(30)
    assert is_blocked(resource, "spec.newer")
    harness.annotate(resource, deletion_policy="Retain")
    await harness.run_for(1)
    assert not harness.exists(resource)
    assert deletes(harness) == 0


async def test_a_policy_that_is_invalid_is_reported_before_anything_is_sent(harness: Harness) -> None:
    resource = await settled(harness)
    applied = resource.status["applied"]
    harness.annotate(resource, deletion_policy="Orphan")
    harness.edit(resource, comment="two")
    await harness.run_for(INTERVAL)
    assert resource.ready == ("False", "InvalidSpec")
    assert not [call for call in harness.atlas.calls if call.startswith("PATCH")]
    assert resource.status["applied"] == applied
    assert resource.finalizers == [FINALIZER]


async def test_an_invalid_policy_of_the_namespace_is_a_warning_for_a_healthy_resource(harness: Harness) -> None:
    """Otherwise nobody would know before the resource is gone, and its endpoint retained."""
    harness.namespaces.found = {PREFIX + "deletion-policy": "Delte"}
    resource = await settled(harness, deletionPolicy=None)
    assert resource.ready == ("True", "Available")
    assert "must be Retain or Delete" in resource.message
    await harness.run_for(3 * INTERVAL)
    assert "must be Retain or Delete" in resource.message
    assert harness.writes["db"] == 0
    assert set(harness.atlas.calls) == {"LIST"}
    harness.atlas.go_down()
    await harness.run_for(12 * INTERVAL)
    assert resource.ready == ("False", "AtlasUnavailable")
    assert harness.writes["db"] == 1
    harness.atlas.come_back()
    harness.namespaces.found = {PREFIX + "deletion-policy": "Delete"}
    await harness.run_for(2 * INTERVAL)
    assert "must be" not in resource.message
    assert resource.finalizers == [FINALIZER]


async def test_a_namespace_that_may_not_be_read_any_more_leaves_the_finalizer_and_is_reported(harness: Harness) -> None:
    harness.namespaces.found = {PREFIX + "deletion-policy": "Delete"}
    resource = await settled(harness, deletionPolicy=None)
    assert resource.finalizers == [FINALIZER]
    harness.namespaces.found = UnreadableError(SecretProblem.NAMESPACE_FORBIDDEN, "It may not be read.", retry_in=60.0)
    harness.edit(resource, comment="two")
    await harness.run_for(10)
    assert resource.finalizers == [FINALIZER]
    harness.delete(resource)
    await harness.run_for(10)
    assert is_blocked(resource, "It may not be read.")
    harness.namespaces.found = {PREFIX + "deletion-policy": "Delete"}
    await harness.run_for(70)
    assert deletes(harness) == 1


async def test_a_finalizer_that_a_tool_has_removed_comes_back(harness: Harness) -> None:
    resource = await settled(harness)
    resource.finalizers = []
    harness.changed(resource)
    await harness.run_for(5)
    assert resource.finalizers == [FINALIZER]


async def test_a_delete_that_finds_nothing_is_no_proof(harness: Harness) -> None:
    resource = await settled(harness)
    error = EndpointAbsentError("None.", operation="DELETE", http_status=404)
    harness.atlas.go_down("DELETE", error=error)
    harness.delete(resource)
    await harness.run_for(30)
    assert harness.exists(resource)
    assert harness.atlas.endpoints[ENDPOINT].status == "AVAILABLE"


@pytest.mark.parametrize("error", [CredentialsInvalidError, MissingRoleError])
async def test_a_corrected_secret_is_read_within_a_minute_whatever_the_interval(
    harness: Harness, error: type[AtlasError]
) -> None:
    resource = await settled(harness, syncInterval="24h")
    harness.atlas.go_down("LIST", "GET", "DELETE", error=error("Refused.", operation="DELETE", http_status=401))
    harness.delete(resource)
    await harness.run_for(3600)
    assert is_blocked(resource, "Refused.")
    assert len(harness.atlas.calls) <= 2
    harness.secrets.found[None] = "operator-2"
    harness.atlas.come_back()
    await harness.run_for(60)
    assert deletes(harness) == 1


async def test_force_sync_detects_a_granted_role_at_once(harness: Harness) -> None:
    resource = await settled(harness, syncInterval="24h")
    error = MissingRoleError("Refused.", operation="DELETE", http_status=401)
    harness.atlas.go_down("LIST", "GET", "DELETE", error=error)
    harness.delete(resource)
    await harness.run_for(600)
    asked = len(harness.atlas.calls)
    harness.annotate(resource, force_sync="too early")
    await harness.run_for(600)
    assert is_blocked(resource, "Refused.")
    assert resource.status["lastHandledReconcileAt"] == "too early"
    assert asked < len(harness.atlas.calls) <= asked + 2
    harness.atlas.come_back()
    harness.annotate(resource, force_sync="granted")
    await harness.run_for(5)
    assert deletes(harness) == 1


async def test_a_delete_without_effect_is_reported_in_the_end(harness: Harness) -> None:
    resource = await settled(harness, provisioningTimeout="30m")
    harness.atlas.ignores_deletes = True
    harness.delete(resource)
    await harness.run_for(2400)
    assert is_blocked(resource, "not deleted the endpoint within")
    assert deletes(harness) < 80


async def test_an_outage_has_the_remedies_too(harness: Harness) -> None:
    resource = await settled(harness)
    harness.atlas.go_down()
    harness.delete(resource)
    await harness.run_for(600)
    assert "force-finalize" in resource.message
    writes = harness.writes["db"]
    await harness.run_for(3600)
    assert harness.writes["db"] == writes


async def test_what_atlas_is_deleting_already_is_not_said_to_stay_for_another_resource(harness: Harness) -> None:
    resource = await settled(harness)
    harness.delete(resource)
    await harness.run_for(30)
    harness.create("other")
    await harness.run_for(60)
    ((reason, message),) = harness.announced
    assert reason == "EndpointHandedOver"
    assert "being deleted" in message
    assert "resource other" in message


async def test_what_atlas_is_deleting_already_is_not_said_to_stay(harness: Harness) -> None:
    resource = await settled(harness)
    harness.delete(resource)
    await harness.run_for(1)
    harness.edit(resource, deletionPolicy="Retain")
    await harness.run_for(1)
    ((reason, message),) = harness.announced
    assert reason == "EndpointRetained"
    assert "cannot be stopped" in message


async def test_nothing_is_handed_over_to_one_that_is_gone_without_an_event(harness: Harness) -> None:
    old = await settled(harness)
    heir = harness.create("heir", comment="one", cloudProviderEndpointId=VPCE)
    await harness.run_for(30)
    del harness.resources[heir.key]
    harness.delete(old)
    await harness.reconcile_of(old)
    assert deletes(harness) == 1
    assert harness.announced == []


async def test_another_cause_restarts_the_time(harness: Harness) -> None:
    resource = await settled(harness)
    harness.secrets.found[None] = NoCredentialsError(
        SecretProblem.NOT_FOUND, "None.", source="operator/atlas", retry_in=5.0
    )
    harness.delete(resource)
    await harness.run_for(0)
    assert is_blocked(resource)
    first = resource.status["lastError"]["since"]
    await harness.run_for(100)
    assert resource.status["lastError"]["since"] == first
    harness.secrets.found[None] = NoCredentialsError(
        CredentialsProblem.MISSING_KEYS, "It lacks.", source="operator/atlas", retry_in=5.0
    )
    await harness.run_for(10)
    assert is_blocked(resource, "It lacks.")
    assert resource.status["lastError"]["since"] > first
