"""Resources whose project another object tells: where something is asked of Atlas, and where nothing is."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.atlas.errors import ProjectNotFoundError
from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, ReferenceProblem, UnreadableError
from atlas_endpoints.reconcile.spec import is_object_id
from unit.reconcile.harness import (
    ENDPOINT,
    GRACE,
    PROJECT,
    TARGET_LOOK,
    VPCE,
    Harness,
    Resource,
    lost,
)

OTHER_PROJECT = "7f7cac1adf5d6c6306f4b283"
OBJECT = "AtlasProject orders"
REFERENCE = {"name": "orders"}
INTERVAL = 600.0
FINALIZER = "atlas-endpoints.dev/cleanup"


def referring(harness: Harness, endpoint_id: str | None = ENDPOINT, **spec: Any) -> Resource:
    """A resource that names no project."""
    return harness.create("db", endpoint_id, projectId=None, **{"projectRef": REFERENCE, **spec})


async def settled(harness: Harness, **spec: Any) -> Resource:
    """A resource that is ready, with the project that its reference leads to."""
    harness.atlas.put(ENDPOINT, comment="one", cloud_provider_endpoint_id=VPCE)
    harness.targets.held[OBJECT] = PROJECT
    resource = referring(harness, comment="one", cloudProviderEndpointId=VPCE, **spec)
    await harness.settle()
    assert resource.ready == ("True", "Available")
    return resource


def resolved(resource: Resource) -> tuple[str, str]:
    found = resource.condition("ReferencesResolved")
    return (found["status"], found["reason"]) if found else ("", "")


def pair(resource: Resource) -> list[str]:
    return [each for each in ("Reconciling", "Stalled") if resource.condition(each)]


class TestResolving:
    async def test_the_project_of_an_atlas_project_is_used_and_recorded(self, harness: Harness) -> None:
        resource = await settled(harness)
        assert resource.status["resolved"]["projectId"] == PROJECT
        assert resolved(resource) == ("True", "Resolved")
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        assert harness.atlas.calls == ["PATCH comment"]
        assert harness.atlas.projects == [PROJECT]

    async def test_the_id_is_read_from_an_object_in_the_same_namespace(self, harness: Harness) -> None:
        harness.targets.held[OBJECT] = PROJECT
        referring(harness)
        await harness.run_for(0)
        target, age = harness.targets.reads[0]
        assert target == ("shop", "atlas.mongodb.com", "v1", "AtlasProject", "orders", ("status", "id"))
        assert age is Age.RECENT

    async def test_any_kind_works_with_a_field_path(self, harness: Harness) -> None:
        harness.targets.held["Project p"] = PROJECT
        reference = {"apiVersion": "x.example.com/v1", "kind": "Project", "name": "p", "fieldPath": ".status.at.id"}
        harness.atlas.put(ENDPOINT)
        resource = referring(harness, projectRef=reference)
        await harness.run_for(0)
        assert harness.targets.reads[0][0] == ("shop", "x.example.com", "v1", "Project", "p", ("status", "at", "id"))
        assert resource.ready == ("True", "Available")

    async def test_an_endpoint_is_reserved_in_the_project(self, harness: Harness) -> None:
        harness.targets.held[OBJECT] = PROJECT
        resource = referring(harness, None)
        await harness.run_for(5)
        assert harness.atlas.calls.count("POST") == 1
        assert set(harness.atlas.projects) == {PROJECT}
        assert resource.ready == ("False", "ReservationRequested")

    async def test_a_suspended_resource_reads_nothing(self, harness: Harness) -> None:
        referring(harness, suspend=True)
        await harness.run_for(0)
        assert harness.targets.reads == []


class TestWaiting:
    @pytest.mark.parametrize("endpoint_id", [ENDPOINT, None], ids=["named", "to be reserved"])
    async def test_without_its_project_no_call_is_made(self, harness: Harness, endpoint_id: str | None) -> None:
        harness.atlas.put(ENDPOINT)
        resource = referring(harness, endpoint_id)
        await harness.run_for(0)
        assert resource.ready == ("False", "ReferenceNotReady")
        assert resource.message == (
            f"There is no {OBJECT}. Until the project is known, the operator neither reads nor changes Atlas."
        )
        assert resolved(resource) == ("False", "NotFound")
        error = resource.status["lastError"]
        assert (error["operation"], error["errorCode"], error["retryable"]) == ("readReference", "NotFound", True)
        assert pair(resource) == ["Reconciling"]
        await harness.run_for(GRACE.total_seconds())
        assert pair(resource) == ["Stalled"]
        assert harness.atlas.calls == []

    async def test_it_continues_once_the_project_exists(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT)
        resource = referring(harness)
        await harness.run_for(GRACE.total_seconds() + 60)
        harness.targets.held[OBJECT] = PROJECT
        await harness.run_for(TARGET_LOOK)
        assert resource.ready == ("True", "Available")
        assert resolved(resource) == ("True", "Resolved")
        assert pair(resource) == []
        assert "lastError" not in resource.status

    async def test_waiting_writes_nothing_and_reads_no_credentials(self, harness: Harness) -> None:
        referring(harness)
        await harness.run_for(GRACE.total_seconds())
        harness.reset_log()
        await harness.run_for(INTERVAL)
        assert harness.writes["db"] == 0
        assert harness.secrets.reads == []
        assert len(harness.targets.reads) == pytest.approx(INTERVAL / TARGET_LOOK, abs=5)

    async def test_a_forced_sync_is_handled_and_reads_the_reference_again(self, harness: Harness) -> None:
        resource = referring(harness)
        await harness.run_for(0)
        harness.reset_log()
        harness.annotate(resource, force_sync="now")
        await harness.run_for(0)
        assert [age for _, age in harness.targets.reads] == [Age.FRESH]
        assert resource.status["lastHandledReconcileAt"] == "now"

    async def test_an_unreachable_api_server_changes_nothing(self, harness: Harness) -> None:
        resource = await settled(harness)
        before = resource.status
        harness.targets.held[OBJECT] = ClusterUnavailableError("away")  # type: ignore[assignment]  # raised as it is
        harness.annotate(resource, force_sync="now")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(harness.targets, "read", _raise)
            await harness.run_for(5)
        assert resource.status == before

    @given(st.text(min_size=1) | st.text("0123456789abcdefA/\n", min_size=22, max_size=26))
    async def test_an_invalid_id_is_reported_without_its_text_and_never_used(self, value: str) -> None:
        if is_object_id(value):
            return
        harness = Harness()
        harness.targets.held[OBJECT] = value
        resource = referring(harness, None)
        await harness.run_for(0)
        assert harness.atlas.calls == []
        assert resolved(resource) == ("False", "FieldMissing")
        assert f".status.id of {OBJECT} is not the ID of an Atlas project" in resource.message
        assert len(value) < 20 or value not in resource.message

    async def test_a_project_that_atlas_does_not_have_does_not_bind(self, harness: Harness) -> None:
        """Nothing was seen in the project, so to correct the reference is to correct a mistake."""
        harness.targets.held[OBJECT] = OTHER_PROJECT
        harness.atlas.go_down("LIST", error=ProjectNotFoundError("No.", operation="LIST", http_status=404))
        harness.atlas.put(ENDPOINT)
        resource = referring(harness)
        await harness.run_for(0)
        assert resource.ready == ("False", "ProjectNotFound")
        assert resource.status["resolved"]["projectId"] == OTHER_PROJECT
        harness.atlas.come_back()
        harness.targets.held["AtlasProject right"] = PROJECT
        harness.edit(resource, projectRef={"name": "right"})
        await harness.run_for(0)
        assert resource.ready == ("True", "Available")
        assert resource.status["resolved"]["projectId"] == PROJECT


async def _raise(*_: object, **__: object) -> str:
    raise ClusterUnavailableError("away")


class TestLoss:
    @pytest.mark.parametrize(
        "found",
        [
            None,
            UnreadableError(ReferenceProblem.NOT_READY, "AtlasProject orders is being deleted.", retry_in=TARGET_LOOK),
            UnreadableError(ReferenceProblem.KIND_NOT_ALLOWED, "No.", retry_in=TARGET_LOOK),
            "none",
        ],
        ids=["gone", "going", "forbidden", "without an id"],
    )
    async def test_a_deleted_object_is_reported_and_blocks_nothing(
        self, harness: Harness, found: str | UnreadableError | None
    ) -> None:
        resource = await settled(harness)
        del harness.targets.held[OBJECT]
        if found is not None:
            harness.targets.held[OBJECT] = found
        await harness.run_for(INTERVAL)
        assert resource.ready == ("True", "Available")
        synced, references = resource.condition("Synced"), resource.condition("ReferencesResolved")
        assert synced is not None
        assert references is not None
        assert synced["status"] == "True"
        assert references["status"] == "False"
        assert references["message"].endswith(f" The endpoint stays in project {PROJECT}.")
        assert resource.status["resolved"]["projectId"] == PROJECT
        harness.reset_log()
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        assert harness.atlas.calls == ["PATCH comment"]
        assert harness.atlas.projects == [PROJECT]
        harness.targets.held[OBJECT] = PROJECT
        await harness.run_for(INTERVAL)
        assert resolved(resource) == ("True", "Resolved")

    async def test_it_makes_no_more_calls_than_a_healthy_endpoint(self, harness: Harness) -> None:
        await settled(harness)
        del harness.targets.held[OBJECT]
        await harness.run_for(INTERVAL)
        harness.reset_log()
        await harness.run_for(3 * INTERVAL)
        assert harness.atlas.calls == ["LIST"] * 3
        assert harness.writes["db"] == 0

    async def test_a_lost_reservation_is_searched_in_its_first_project(self, harness: Harness) -> None:
        harness.targets.held[OBJECT] = PROJECT
        harness.atlas.fail_once("POST", lost(), applies="late")
        resource = referring(harness, None)
        await harness.run_for(2)
        assert harness.atlas.calls.count("POST") == 1
        del harness.targets.held[OBJECT]
        harness.restart()
        harness.enqueue_all()
        harness.atlas.apply_late()
        await harness.run_for(30)
        assert harness.atlas.calls.count("POST") == 1
        assert set(harness.atlas.projects) == {PROJECT}
        assert resource.status["reservation"]["endpointId"] in harness.atlas.endpoints

    async def test_a_missing_connection_has_precedence(self, harness: Harness) -> None:
        resource = await settled(harness)
        ack = {"apiVersion": "ec2.services.k8s.aws/v1alpha1", "kind": "VPCEndpoint", "name": "vpc"}
        harness.edit(resource, cloudProviderEndpointId=None, cloudProviderEndpointRef=ack)
        del harness.targets.held[OBJECT]
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "ReferenceNotReady")
        assert resource.message.startswith("There is no VPCEndpoint vpc.")


class TestChange:
    async def test_another_project_is_an_error_and_nothing_is_sent_to_either(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.targets.held[OBJECT] = OTHER_PROJECT
        await harness.run_for(INTERVAL)
        harness.reset_log()
        harness.edit(resource, comment="two")
        await harness.run_for(INTERVAL)
        assert harness.atlas.calls == []
        assert resource.ready == ("False", "InvalidSpec")
        assert pair(resource) == ["Stalled"]
        assert f"spec.projectRef ({OBJECT}) resolves to project {OTHER_PROJECT}" in resource.message
        assert f"the endpoint is in project {PROJECT}" in resource.message
        assert resource.status["resolved"]["projectId"] == PROJECT
        assert resource.status["endpoint"]["id"] == ENDPOINT
        error = resource.status["lastError"]
        assert (error["operation"], error["retryable"]) == ("validate", False)

    async def test_it_continues_once_it_is_the_same_project_again(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.targets.held[OBJECT] = OTHER_PROJECT
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "InvalidSpec")
        harness.targets.held[OBJECT] = PROJECT
        await harness.run_for(60)
        assert resource.ready == ("True", "Available")
        assert set(harness.atlas.projects) == {PROJECT}
        assert "lastError" not in resource.status

    async def test_a_requested_endpoint_binds_to_its_project(self, harness: Harness) -> None:
        harness.targets.held[OBJECT] = PROJECT
        harness.atlas.fail_once("POST", lost(), applies="late")
        resource = referring(harness, None)
        await harness.run_for(2)
        harness.targets.held[OBJECT] = OTHER_PROJECT
        await harness.run_for(600)
        assert resource.ready == ("False", "InvalidSpec")
        assert set(harness.atlas.projects) == {PROJECT}

    async def test_another_object_with_the_same_project_is_accepted(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.targets.held["AtlasProject orders-2"] = PROJECT
        harness.edit(resource, projectRef={"name": "orders-2"})
        await harness.run_for(0)
        assert resource.ready == ("True", "Available")
        assert set(harness.atlas.projects) <= {PROJECT}

    async def test_a_project_id_may_replace_the_reference(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.edit(resource, projectRef=None, projectId=PROJECT)
        await harness.run_for(0)
        assert resource.ready == ("True", "Available")
        assert resource.condition("ReferencesResolved") is None
        assert not [call for call in harness.atlas.calls if call.startswith("PATCH")]

    async def test_a_reference_may_replace_the_project_id(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT)
        resource = harness.create()
        await harness.settle()
        harness.targets.held[OBJECT] = PROJECT
        harness.edit(resource, projectId=None, projectRef=REFERENCE)
        await harness.run_for(0)
        assert resource.ready == ("True", "Available")
        assert resolved(resource) == ("True", "Resolved")

    async def test_a_reference_to_another_project_may_not_replace_it(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT)
        resource = harness.create()
        await harness.settle()
        harness.targets.held[OBJECT] = OTHER_PROJECT
        harness.edit(resource, projectId=None, projectRef=REFERENCE)
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "InvalidSpec")
        assert harness.atlas.calls == []

    async def test_another_project_id_is_an_error(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.edit(resource, projectRef=None, projectId=OTHER_PROJECT)
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "InvalidSpec")
        assert f"spec.projectId is project {OTHER_PROJECT}" in resource.message
        assert harness.atlas.calls == []

    async def test_a_rival_takes_over_if_the_owner_is_lastingly_unable(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.targets.held[OBJECT] = OTHER_PROJECT
        await harness.run_for(INTERVAL)
        rival = harness.create("rival", ENDPOINT, comment="two")
        await harness.run_for(0)
        assert rival.ready == ("True", "Available")
        assert harness.atlas.endpoints[ENDPOINT].comment == "two"
        assert resource.ready == ("False", "InvalidSpec")


class TestDeletion:
    @pytest.mark.parametrize("found", [PROJECT, OTHER_PROJECT, None], ids=["the same", "another", "gone"])
    async def test_the_endpoint_is_deleted_in_its_project_despite_another_reference(
        self, harness: Harness, found: str | None
    ) -> None:
        resource = await settled(harness, deletionPolicy="Delete")
        del harness.targets.held[OBJECT]
        if found is not None:
            harness.targets.held[OBJECT] = found
        harness.delete(resource)
        await harness.run_for(30)
        assert harness.atlas.calls.count("DELETE") == 1
        assert set(harness.atlas.projects) == {PROJECT}
        harness.atlas.vanish(ENDPOINT)
        await harness.run_for(60)
        assert not harness.exists(resource)

    async def test_an_unseen_endpoint_is_deleted_in_the_referenced_project(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT)
        resource = referring(harness, deletionPolicy="Delete")
        resource.finalizers = [FINALIZER]
        harness.targets.held[OBJECT] = PROJECT
        harness.delete(resource)
        await harness.run_for(30)
        assert harness.atlas.calls.count("DELETE") == 1
        assert set(harness.atlas.projects) == {PROJECT}

    async def test_without_a_project_the_deletion_is_blocked_with_a_remedy(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT)
        resource = referring(harness, deletionPolicy="Delete")
        await harness.run_for(0)
        assert resource.finalizers == [FINALIZER]
        harness.delete(resource)
        await harness.run_for(0)
        assert resource.ready == ("False", "DeletionBlocked")
        for words in (f"There is no {OBJECT}.", "its project is unknown", "force-finalize"):
            assert words in resource.message
        assert resource.status["lastError"]["errorCode"] == "NotFound"
        assert harness.atlas.calls == []
        harness.targets.held[OBJECT] = PROJECT
        await harness.run_for(60)
        assert harness.atlas.calls.count("DELETE") == 1

    async def test_the_last_resolved_project_is_used_if_the_object_is_gone(self, harness: Harness) -> None:
        harness.targets.held[OBJECT] = PROJECT
        harness.atlas.go_down()
        harness.atlas.put(ENDPOINT)
        resource = referring(harness, deletionPolicy="Delete")
        await harness.run_for(0)
        assert resource.ready == ("False", "AtlasUnavailable")
        del harness.targets.held[OBJECT]
        harness.atlas.come_back()
        harness.delete(resource)
        await harness.run_for(30)
        assert harness.atlas.calls.count("DELETE") == 1

    async def test_a_resource_without_an_endpoint_is_deleted_without_a_project(self, harness: Harness) -> None:
        resource = referring(harness, None, deletionPolicy="Delete")
        await harness.run_for(0)
        harness.delete(resource)
        await harness.run_for(0)
        assert not harness.exists(resource)
        assert harness.atlas.calls == []

    async def test_an_endpoint_that_another_resource_needs_is_kept_without_a_project(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT)
        harness.create("heir")
        await harness.settle()
        resource = referring(harness, deletionPolicy="Delete")
        await harness.run_for(0)
        harness.delete(resource)
        await harness.run_for(30)
        assert not harness.exists(resource)
        assert "DELETE" not in harness.atlas.calls
        assert [reason for reason, _ in harness.announced] == ["EndpointHandedOver"]
