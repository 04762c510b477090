"""Reconciles: the calls to Atlas, the endpoints afterwards, and the status."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typing_extensions import override

from atlas_endpoints.atlas.errors import (
    APIGoneError,
    AtlasError,
    CredentialsInvalidError,
    InstanceNotFoundError,
    IPNotAllowedError,
    MissingRoleError,
    NotLeaderError,
    ProjectNotFoundError,
    RateLimitedError,
    UpdateRejectedError,
)
from atlas_endpoints.atlas.observations import UNKNOWN_FOR as DOUBT
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, SecretProblem
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, RequeueAfter
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint
from atlas_endpoints.kinds.serverless_private_endpoint.decide import Facts
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.credentials import NoCredentialsError
from atlas_endpoints.reconcile.failures import SECRET_REQUEUE
from atlas_endpoints.reconcile.kind import Decision
from atlas_endpoints.reconcile.pacing import FLOOR
from unit.reconcile.harness import (
    ENDPOINT,
    INSTANCE,
    PROJECT,
    VPCE,
    Harness,
    Resource,
    absent,
    held,
    lost,
    unavailable,
)

INTERVAL = 600.0
ANOTHER = "7f7cac1adf5d6c6306f4b283"
OTHER_VPCE = "vpce-0123456789abcdef1"
AVAILABLE = ("True", "Available")


async def settled(harness: Harness, **spec: Any) -> Resource:
    """A resource whose endpoint is as specified, observed a while ago."""
    spec = spec or {"comment": "one"}
    harness.atlas.put(ENDPOINT, comment=str(spec.get("comment", "one")))
    resource = harness.create(**spec)
    await harness.settle()
    assert resource.ready == AVAILABLE
    return resource


def comment(harness: Harness) -> str | None:
    return harness.atlas.endpoints[ENDPOINT].comment


def rejected(words: str = "comment is not allowed", code: str | None = "INVALID_ATTRIBUTE") -> UpdateRejectedError:
    return UpdateRejectedError(
        f"Atlas refuses the change. Atlas says: {words}",
        operation="updateServerlessPrivateEndpoint",
        http_status=400,
        error_code=code,
        detail=words,
    )


def takes_no_connection(endpoint: Endpoint) -> Endpoint:
    """Refuse, as Atlas does for an endpoint that is connected already."""
    if endpoint.cloud_provider_endpoint_id:
        raise rejected("cloudProviderEndpointId cannot be changed once AVAILABLE")
    return endpoint


def takes_no_other_connection(endpoint: Endpoint) -> Endpoint:
    """Refuse, as Atlas does for an endpoint that is connected to ``VPCE``."""
    if endpoint.cloud_provider_endpoint_id != VPCE:
        raise rejected("cloudProviderEndpointId cannot be changed once AVAILABLE")
    return endpoint


class TestCachedObservations:
    async def test_the_first_reconcile_lists_once_and_sends_nothing_when_all_is_as_desired(
        self, harness: Harness
    ) -> None:
        harness.atlas.put(ENDPOINT, comment="one")
        resource = harness.create(comment="one")
        await harness.run_for(0)
        assert harness.atlas.calls == ["LIST"]
        assert resource.ready == AVAILABLE
        assert resource.status["applied"] == {"generation": 1, "comment": "one"}
        assert resource.status["resolved"]["credentialsSource"] == "operator/atlas"
        valid = resource.condition("CredentialsValid")
        assert valid is not None
        assert (valid["status"], valid["reason"]) == ("True", "Verified")

    async def test_the_first_reconcile_sends_only_what_differs(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, comment="somebody's", cloud_provider_endpoint_id=VPCE)
        resource = harness.create(comment="one", cloudProviderEndpointId=VPCE)
        await harness.run_for(0)
        assert harness.atlas.calls == ["LIST", "PATCH comment"]
        assert comment(harness) == "one"
        assert resource.ready == AVAILABLE
        assert resource.status["history"][0]["cause"] == "FirstContact"

    async def test_first_contact_is_made_also_when_drift_is_only_reported(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, comment="somebody's")
        harness.create(comment="one", driftPolicy="Report")
        await harness.run_for(0)
        assert comment(harness) == "one"

    async def test_an_edit_uses_the_cache_and_costs_one_patch_and_no_list(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        assert harness.atlas.calls == ["PATCH comment"]
        assert comment(harness) == "two"
        assert resource.ready == AVAILABLE
        assert resource.status["observedGeneration"] == 2
        assert harness.writes["db"] == 1

    async def test_a_first_contact_uses_the_cache_too(self, harness: Harness) -> None:
        """Another resource of the instance has caused a LIST."""
        harness.atlas.put("6f7cac1adf5d6c6306f4b000", comment="somebody's")
        await settled(harness)
        harness.create("other", "6f7cac1adf5d6c6306f4b000", comment="other")
        await harness.run_for(0)
        assert harness.atlas.calls == ["PATCH comment"]

    async def test_force_sync_observes_although_the_last_observation_is_recent(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, comment="one")
        resource = harness.create(comment="one")
        await harness.run_for(1)
        harness.atlas.put(ENDPOINT, comment="changed")
        harness.annotate(resource, force_sync="now")
        await harness.run_for(0)
        assert harness.atlas.calls == ["LIST", "LIST", "PATCH comment"]
        assert comment(harness) == "one"

    async def test_a_cache_older_than_ten_minutes_is_not_used(self, harness: Harness) -> None:
        resource = await settled(harness, comment="one", syncInterval="24h")
        await harness.run_for(700)
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        assert harness.atlas.calls == ["LIST", "PATCH comment"]

    async def test_a_cache_older_than_the_interval_is_not_used(self, harness: Harness) -> None:
        resource = await settled(harness, comment="one", syncInterval="2m")
        harness.atlas.go_down("LIST")
        await harness.run_for(130)
        harness.atlas.come_back()
        harness.reset_log()
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        assert harness.atlas.calls == ["LIST", "PATCH comment"]

    async def test_the_cache_never_makes_a_resource_ready(self, harness: Harness) -> None:
        """An edit without a difference from the cache is observed first, and finds what the cache does not have."""
        resource = await settled(harness)
        harness.atlas.put(ENDPOINT, comment="changed in the UI meanwhile")
        harness.edit(resource, provisioningTimeout="3h")
        await harness.run_for(0)
        assert harness.atlas.calls == ["LIST", "PATCH comment"]
        assert resource.ready == AVAILABLE
        assert comment(harness) == "one"

    async def test_the_cache_never_corrects_drift(self, harness: Harness) -> None:
        """Whoever caused the drift may have reverted it since the LIST."""
        resource = await settled(harness)
        harness.atlas.put(ENDPOINT, comment="changed")
        harness.atlas.go_down("PATCH", error=RateLimitedError("Slow down.", operation="PATCH", http_status=429))
        await harness.run_for(INTERVAL)
        harness.atlas.put(ENDPOINT, comment="one")
        harness.atlas.come_back()
        harness.reset_log()
        await harness.run_for(INTERVAL)
        assert "PATCH comment" not in harness.atlas.calls
        assert resource.ready == AVAILABLE

    async def test_two_edits_in_a_row_end_with_the_last_one(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.edit(resource, comment="two")
        harness.edit(resource, comment="three")
        await harness.run_for(0)
        assert harness.atlas.calls == ["PATCH comment"]
        assert comment(harness) == "three"

    async def test_resources_of_one_instance_share_their_first_list(self, harness: Harness) -> None:
        ids = [f"6f7cac1adf5d6c6306f4b{number:03x}" for number in range(50)]
        for number, id_ in enumerate(ids):
            harness.atlas.put(id_, comment="one")
            harness.create(f"db-{number}", id_, comment="one")
        await harness.run_for(0)
        assert harness.atlas.calls == ["LIST"]
        assert all(resource.ready == AVAILABLE for resource in harness.resources.values())

    async def test_a_settled_resource_costs_only_the_list_of_its_resync(self, harness: Harness) -> None:
        await settled(harness)
        await harness.run_for(3600)
        assert harness.atlas.calls == ["LIST"] * 6
        assert not harness.writes
        assert not harness.reconciles

    async def test_an_announced_end_of_the_api_is_shown(self, harness: Harness) -> None:
        harness.atlas.announce_the_end(datetime(2026, 1, 22, tzinfo=UTC))
        resource = await settled(harness)
        deprecated = resource.condition("Deprecated")
        assert deprecated is not None
        assert deprecated["reason"] == "APISunset"

    async def test_an_end_that_is_announced_later_is_shown_by_the_resync(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.announce_the_end(datetime(2027, 1, 22, tzinfo=UTC))
        await harness.run_for(INTERVAL)
        deprecated = resource.condition("Deprecated")
        assert deprecated is not None
        assert deprecated["reason"] == "APIDeprecated"

    async def test_an_end_that_has_passed_is_shown_by_the_resync(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.announce_the_end(harness.clock.now() + timedelta(seconds=3 * INTERVAL))
        await harness.run_for(2 * INTERVAL)
        assert [each["reason"] for each in resource.status["conditions"]][-1] == "APIDeprecated"
        await harness.run_for(2 * INTERVAL)
        assert [each["reason"] for each in resource.status["conditions"]][-1] == "APISunset"

    async def test_a_resync_skips_decide_for_an_unchanged_resource(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resource = await settled(harness)
        decided: list[str | None] = []
        right = type(KIND).decide

        def counting(self: Any, facts: Facts) -> Decision:
            decided.append(getattr(facts.view.value(ENDPOINT), "comment", None))
            return right(self, facts)

        monkeypatch.setattr(type(KIND), "decide", counting)
        await harness.run_for(5 * INTERVAL)
        assert decided == ["one"]
        harness.atlas.put(comment="by hand")
        await harness.run_for(INTERVAL)
        assert comment(harness) == "one"
        harness.edit(resource, comment="two")
        await harness.run_for(INTERVAL)
        assert comment(harness) == "two"
        decided.clear()
        await harness.run_for(3 * INTERVAL)
        assert len(decided) <= 1, "for the first resync after the edit"


class TestLostAnswers:
    @pytest.mark.parametrize("applies", ["never", "at once"])
    async def test_a_lost_answer_is_resolved_by_a_list_that_began_after_it(
        self, harness: Harness, applies: "str"
    ) -> None:
        resource = await settled(harness)
        harness.atlas.fail_once("PATCH", lost(), applies="at once" if applies == "at once" else "never")
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        assert harness.atlas.calls == ["PATCH comment"]
        assert resource.ready == ("False", "AtlasUnavailable")
        assert "applied" not in resource.status
        assert resource.status["history"][0]["result"] == "Unknown: AtlasUnavailable"
        harness.reset_log()
        await harness.run_for(1)
        assert harness.atlas.calls == (["LIST"] if applies == "at once" else ["LIST", "PATCH comment"])
        assert comment(harness) == "two"
        assert resource.ready == AVAILABLE

    async def test_one_more_observation_follows_when_the_write_cannot_be_applied_any_more(
        self, harness: Harness
    ) -> None:
        resource = await settled(harness)
        harness.atlas.fail_once("PATCH", lost(), applies="at once")
        harness.edit(resource, comment="two")
        await harness.run_for(DOUBT - 1)
        harness.reset_log()
        await harness.run_for(2)
        assert harness.atlas.calls == ["LIST"]
        harness.reset_log()
        await harness.run_for(INTERVAL - DOUBT)
        assert harness.atlas.calls in ([], ["LIST"])  # of the round
        assert not harness.reconciles

    @pytest.mark.parametrize("policy", ["Correct", "Report"])
    async def test_a_write_that_is_applied_late_is_corrected(self, harness: Harness, policy: str) -> None:
        """Even if drift is only reported: the operator's own late write is no drift."""
        resource = await settled(harness, comment="one", driftPolicy=policy)
        harness.atlas.fail_once("PATCH", lost(), applies="late")
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        harness.edit(resource, comment="three")
        await harness.run_for(30)
        assert comment(harness) == "three"
        harness.atlas.apply_late()
        assert comment(harness) == "two"
        await harness.run_for(DOUBT)
        assert comment(harness) == "three"
        assert resource.ready == AVAILABLE

    async def test_a_late_application_is_corrected_although_another_observation_came_first(
        self, harness: Harness
    ) -> None:
        """Another resource of the instance LISTs between the end of the doubt and this one's own observation."""
        resource = await settled(harness, comment="one", driftPolicy="Report")
        harness.atlas.put("6f7cac1adf5d6c6306f4b000", comment="other")
        other = harness.create("other", "6f7cac1adf5d6c6306f4b000", comment="other")
        await harness.run_for(10)
        harness.atlas.fail_once("PATCH", lost(), applies="late")
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        harness.edit(resource, comment="one")
        await harness.run_for(30)
        harness.atlas.apply_late()
        harness.clock.seconds += DOUBT
        harness.annotate(other, force_sync="now")
        await harness.reconcile_of(other)
        assert harness.atlas.calls[-1] == "LIST"
        await harness.run_for(0)
        assert comment(harness) == "one"
        assert resource.ready == AVAILABLE

    async def test_a_late_application_is_corrected_although_the_first_attempt_is_held_back(
        self, harness: Harness
    ) -> None:
        resource = await settled(harness, comment="one", driftPolicy="Report")
        harness.atlas.fail_once("PATCH", lost(), applies="late")
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        harness.edit(resource, comment="one")
        await harness.run_for(30)
        harness.atlas.apply_late()
        harness.atlas.fail_once("PATCH", held("RateLimited", retry_after=10.0))
        await harness.run_for(DOUBT + 20)
        assert comment(harness) == "one"
        assert resource.ready == AVAILABLE

    async def test_a_refused_correction_of_a_late_application_is_retried(self, harness: Harness) -> None:
        resource = await settled(harness, comment="one", driftPolicy="Report")
        harness.atlas.fail_once("PATCH", lost(), applies="late")
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        harness.edit(resource, comment="one")
        await harness.run_for(30)
        harness.atlas.apply_late()
        harness.atlas.fail_once("PATCH", rejected())
        await harness.run_for(DOUBT)
        assert resource.ready == ("False", "UpdateRejected")
        assert harness.atlas.calls[-3:] == ["LIST", "PATCH comment", "LIST"], "once, and then slowly"
        await harness.run_for(INTERVAL)
        assert comment(harness) == "one"
        assert resource.ready == AVAILABLE

    async def test_a_refusal_caused_by_a_late_write_is_decided_again_and_not_reported(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        harness.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name="service")
        harness.atlas.fail_once("PATCH", lost(), applies="late")
        resource = harness.create(cloudProviderEndpointId=VPCE)
        await harness.run_for(0)
        write = harness.atlas.write

        async def comes_second(*args: Any, **kwargs: Any) -> Any:
            monkeypatch.undo()
            harness.atlas.apply_late()
            harness.atlas.put(ENDPOINT, status="INITIATING")
            harness.atlas.fail_once("PATCH", rejected())
            return await write(*args, **kwargs)

        monkeypatch.setattr(harness.atlas, "write", comes_second)
        harness.edit(resource, cloudProviderEndpointId=VPCE, comment="two")
        await harness.run_for(5)

        assert resource.ready == ("False", "Initiating")
        assert comment(harness) == "two"
        assert not any("Rejected" in entry["result"] for entry in resource.status["history"])

    async def test_the_last_observation_is_not_delayed_by_another_wait(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, status="INITIATING", comment="one")
        resource = harness.create(comment="one")
        await harness.run_for(3000)
        harness.atlas.fail_once("PATCH", lost(), applies="at once")
        harness.edit(resource, comment="two")
        await harness.run_for(40)
        harness.annotate(resource, force_sync="now")
        outcome = await harness.reconcile_of(resource)
        assert isinstance(outcome.requeue, RequeueAfter)
        assert outcome.requeue.delay == pytest.approx(DOUBT - 40)

    async def test_an_observation_that_began_while_the_write_was_unknown_is_not_the_last(
        self, harness: Harness
    ) -> None:
        resource = await settled(harness, comment="one", driftPolicy="Report")
        harness.atlas.fail_once("PATCH", lost(), applies="at once")
        harness.edit(resource, comment="two")
        await harness.run_for(DOUBT - 1)
        harness.annotate(resource, force_sync="now")
        harness.atlas.next_list_takes = 2.0
        harness.reset_log()
        await harness.reconcile_of(resource)
        await harness.run_for(10)
        assert harness.atlas.calls == ["LIST", "LIST"], "one more look, and no more than one"
        harness.atlas.put(ENDPOINT, comment="changed")
        await harness.run_for(INTERVAL)
        assert comment(harness) == "changed"
        assert resource.ready == ("False", "Drifted")

    async def test_after_the_last_observation_a_difference_is_drift_again(self, harness: Harness) -> None:
        resource = await settled(harness, comment="one", driftPolicy="Report")
        harness.atlas.fail_once("PATCH", lost(), applies="at once")
        harness.edit(resource, comment="two")
        await harness.run_for(DOUBT + 10)
        harness.atlas.put(ENDPOINT, comment="changed")
        await harness.run_for(INTERVAL)
        assert comment(harness) == "changed"
        assert resource.ready == ("False", "Drifted")

    async def test_an_edit_waits_for_the_last_observation_of_an_unknown_write(self, harness: Harness) -> None:
        resource = await settled(harness, comment="one", driftPolicy="Report")
        harness.atlas.fail_once("PATCH", lost(), applies="at once")
        harness.edit(resource, comment="two")
        await harness.run_for(30)
        harness.reset_log()
        harness.clock.seconds += DOUBT
        harness.edit(resource, comment="three")
        await harness.run_for(0)
        assert harness.atlas.calls == ["LIST", "PATCH comment"]
        harness.atlas.put(ENDPOINT, comment="changed")
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "Drifted")

    async def test_reverting_an_edit_while_atlas_fails_ends_with_the_revert(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.fail_once("PATCH", lost(), applies="at once")
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        harness.atlas.go_down()
        harness.edit(resource, comment="one")
        await harness.run_for(20)
        assert resource.ready == ("False", "AtlasUnavailable")
        harness.atlas.come_back()
        await harness.run_for(60)
        assert comment(harness) == "one"
        assert resource.ready == AVAILABLE
        assert resource.status["observedGeneration"] == 3

    async def test_a_call_that_changed_nothing_keeps_the_confirmed_values(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.fail_once(
            "PATCH", RateLimitedError("Slow down.", operation="PATCH", http_status=429, retry_after=7.0)
        )
        harness.edit(resource, comment="two")
        outcome = await harness.reconcile_of(resource)
        assert outcome.requeue == Backoff(at_least=7.0)
        assert resource.ready == ("False", "RateLimited")
        assert resource.status["applied"] == {"generation": 2}, "what the spec has left counts no more"
        assert resource.status["drift"] == [{"field": "comment", "desired": "two", "actual": "one"}]
        assert "history" not in resource.status
        harness.reset_log()
        await harness.run_for(10)
        assert comment(harness) == "two"


class TestCrashes:
    @pytest.mark.parametrize("policy", ["Correct", "Report"])
    @pytest.mark.parametrize("next_status", ["an outage", "a missing Secret", "suspended"])
    async def test_a_revert_converges_although_the_edit_was_sent_without_a_status(
        self, harness: Harness, next_status: str, policy: str
    ) -> None:
        """The process ends between a PATCH and its status; the next status of that spec cannot know of the PATCH."""
        resource = await settled(harness, comment="one", driftPolicy=policy, credentialsSecretRef={"name": "mine"})
        harness.edit(resource, comment="two")
        harness.atlas.put(ENDPOINT, comment="two")
        harness.restart()
        match next_status:
            case "an outage":
                harness.atlas.go_down()
            case "a missing Secret":
                missing = NoCredentialsError(SecretProblem.NOT_FOUND, "Gone.", source="resource/mine", retry_in=60.0)
                harness.secrets.found["mine"] = missing
            case _:
                harness.annotate(resource, reconcile_policy="skip")
        await harness.reconcile_of(resource)
        assert resource.status["observedGeneration"] == 2
        harness.atlas.come_back()
        harness.secrets.found["mine"] = "mine-1"
        harness.annotate(resource, reconcile_policy="")
        harness.edit(resource, comment="one")
        await harness.run_for(5)
        assert comment(harness) == "one"
        assert resource.ready == AVAILABLE

    async def test_a_spec_without_a_status_may_have_been_sent_with_all_its_fields(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, comment="one", cloud_provider_endpoint_id=VPCE)
        resource = harness.create(comment="one", cloudProviderEndpointId=VPCE, driftPolicy="Report")
        await harness.settle()
        harness.edit(resource, cloudProviderEndpointId=OTHER_VPCE)
        harness.atlas.put(ENDPOINT, cloud_provider_endpoint_id=OTHER_VPCE)
        harness.restart()
        harness.edit(resource, cloudProviderEndpointId=VPCE, comment="three")
        harness.atlas.go_down()
        await harness.run_for(5)
        harness.atlas.come_back()
        await harness.run_for(10)
        assert harness.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == VPCE
        assert resource.ready == AVAILABLE

    async def test_unchanged_values_stay_confirmed_through_an_outage(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, comment="one", cloud_provider_endpoint_id=VPCE)
        resource = harness.create(comment="one", cloudProviderEndpointId=VPCE, driftPolicy="Report")
        await harness.settle()
        harness.atlas.go_down()
        harness.edit(resource, comment="two")
        await harness.run_for(5)
        assert resource.status["applied"] == {"generation": 2, "cloudProviderEndpointId": VPCE}
        harness.atlas.put(ENDPOINT, cloud_provider_endpoint_id=OTHER_VPCE)
        harness.atlas.come_back()
        harness.reset_log()
        await harness.run_for(INTERVAL)
        assert [each for each in harness.atlas.calls if each != "LIST"] == ["PATCH comment"]
        assert resource.ready == ("False", "Drifted")


class Talkative(dict[str, Endpoint]):
    """Endpoints whose message is different at each reading."""

    looks = itertools.count()

    @override
    def items(self) -> Any:
        words = {"error_message": f"attempt {next(self.looks)} has failed"}
        return {id_: each.model_copy(update=words) for id_, each in super().items()}.items()


class TestRefusals:
    async def test_a_refusal_is_reported_although_the_endpoint_has_another_message_each_time(
        self, harness: Harness
    ) -> None:
        """Otherwise the change would be sent again at once, forever."""
        harness.atlas.put(comment="zero")
        harness.atlas.endpoints = Talkative(harness.atlas.endpoints)
        harness.atlas.go_down("PATCH", error=rejected())
        resource = harness.create(comment="one")
        await harness.reconcile_of(resource)
        assert resource.ready == ("False", "UpdateRejected")

    async def test_a_refusal_has_the_message_of_atlas(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.go_down("PATCH", error=rejected())
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        assert resource.ready == ("False", "UpdateRejected")
        assert "comment is not allowed" in resource.message
        assert resource.condition("Stalled") is not None
        assert resource.status["lastError"]["fields"] == ["comment"]
        assert resource.status["endpoint"]["comment"] == "one"
        assert resource.status["drift"] == [{"field": "comment", "desired": "two", "actual": "one"}]

    async def test_a_refused_change_is_repeated_as_seldom_as_a_healthy_resource_is_checked(
        self, harness: Harness
    ) -> None:
        resource = await settled(harness)
        harness.atlas.go_down("PATCH", error=rejected())
        harness.edit(resource, comment="two")
        await harness.run_for(10)
        harness.reset_log()
        await harness.run_for(3600)
        assert harness.atlas.calls.count("PATCH comment") == 6
        assert harness.atlas.calls.count("LIST") == 6
        assert not harness.writes, "nothing new is there to say"
        harness.atlas.come_back()
        await harness.run_for(INTERVAL)
        assert resource.ready == AVAILABLE

    async def test_force_sync_repeats_a_refused_change_at_once(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.go_down("PATCH", error=rejected())
        harness.edit(resource, comment="two")
        await harness.run_for(10)
        harness.atlas.come_back()
        harness.annotate(resource, force_sync="now")
        await harness.run_for(0)
        assert comment(harness) == "two"
        assert resource.ready == AVAILABLE
        assert resource.status["lastHandledReconcileAt"] == "now"

    async def test_other_fields_go_without_the_one_that_atlas_refuses(self, harness: Harness) -> None:
        resource = await settled(harness)

        harness.atlas.stores = takes_no_connection
        harness.edit(resource, comment="two", cloudProviderEndpointId=VPCE)
        await harness.run_for(1)
        assert comment(harness) == "two"
        assert harness.atlas.calls[-1] == "PATCH comment"
        assert resource.ready == ("False", "UpdateRejected")
        assert "cannot be changed once AVAILABLE" in resource.message
        assert resource.status["lastError"]["fields"] == ["cloudProviderEndpointId"]
        harness.reset_log()
        harness.edit(resource, comment="three")
        await harness.run_for(1)
        assert harness.atlas.calls == ["PATCH comment"]
        assert comment(harness) == "three"

    async def test_a_refused_change_of_what_was_confirmed_before_is_still_a_refused_change(
        self, harness: Harness
    ) -> None:
        """It is repeated slowly, and is not reported as stored with another value."""
        harness.atlas.put(ENDPOINT, comment="one", cloud_provider_endpoint_id=VPCE)
        resource = harness.create(comment="one", cloudProviderEndpointId=VPCE)
        await harness.settle()
        harness.atlas.stores = takes_no_other_connection
        harness.edit(resource, comment="two", cloudProviderEndpointId=OTHER_VPCE)
        await harness.run_for(10)
        assert comment(harness) == "two"
        assert "cannot be changed once AVAILABLE" in resource.message
        harness.reset_log()
        await harness.run_for(3 * INTERVAL)
        assert harness.atlas.calls.count("PATCH cloudProviderEndpointId") == 3
        assert resource.ready == ("False", "UpdateRejected")

    async def test_a_refusal_that_no_longer_matters_is_not_kept(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.stores = takes_no_connection
        harness.edit(resource, cloudProviderEndpointId=VPCE)
        await harness.run_for(10)
        harness.atlas.put(ENDPOINT, status="INITIATING")
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "Initiating")
        assert "lastError" not in resource.status

    async def test_a_refusal_stays_in_the_status_while_nothing_is_sent(self, harness: Harness) -> None:
        """A reconcile right after the change of the other fields keeps the refusal."""
        resource = await settled(harness)
        harness.atlas.stores = takes_no_connection
        harness.edit(resource, comment="two", cloudProviderEndpointId=VPCE)
        await harness.run_for(1)
        assert comment(harness) == "two"
        before = resource.status
        for _ in range(3):
            await harness.reconcile_of(resource)
        assert {**resource.status, "history": ()} == {**before, "history": ()}
        assert [each["fields"] for each in resource.status["history"]] == [
            ["cloudProviderEndpointId"],
            ["comment"],
            ["cloudProviderEndpointId", "comment"],
        ]

    async def test_a_field_that_is_accepted_later_and_stored_with_another_value_is_reported(
        self, harness: Harness
    ) -> None:
        resource = await settled(harness)
        harness.atlas.fail_once("PATCH", rejected("comment is not allowed"))
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        assert "is not allowed" in resource.message
        harness.atlas.stores = lambda endpoint: endpoint.model_copy(update={"comment": "TWO"})
        harness.annotate(resource, force_sync="now")
        await harness.run_for(0)
        assert resource.ready == ("False", "UpdateRejected")
        assert "comment is 'TWO', not 'two'" in resource.message
        assert "lastError" not in resource.status

    async def test_a_refusal_because_of_an_old_cache_is_decided_again_on_a_fresh_observation(
        self, harness: Harness
    ) -> None:
        resource = await settled(harness, comment="one", cloudProviderEndpointId=VPCE)
        harness.atlas.put(ENDPOINT, cloud_provider_endpoint_id=VPCE, comment="changed in the UI")
        harness.atlas.fail_once("PATCH", rejected("cloudProviderEndpointId cannot be changed"))
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        assert harness.atlas.calls == ["PATCH comment", "LIST", "PATCH comment"]
        assert comment(harness) == "two"
        assert resource.ready == AVAILABLE
        assert harness.writes["db"] == 1, "the refusal was never a fact about this resource"

    async def test_a_refusal_is_reported_if_a_fresh_observation_equals_the_cache(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.fail_once("PATCH", rejected())
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        assert harness.atlas.calls == ["PATCH comment", "LIST"]
        assert resource.ready == ("False", "UpdateRejected")

    async def test_the_same_refusal_is_one_entry_of_the_history(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.go_down("PATCH", error=rejected())
        harness.edit(resource, comment="two")
        await harness.run_for(3 * INTERVAL)
        assert [each["result"] for each in resource.status["history"]] == ["Rejected: INVALID_ATTRIBUTE"]

    async def test_a_change_that_is_stored_with_another_value_is_rejected_and_not_repeated_for_its_generation(
        self, harness: Harness
    ) -> None:
        resource = await settled(harness)
        harness.atlas.stores = lambda endpoint: endpoint.model_copy(update={"comment": "shortened"})
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        assert resource.ready == ("False", "UpdateRejected")
        assert "comment is 'shortened', not 'two'" in resource.message
        harness.reset_log()
        await harness.run_for(3600)
        assert set(harness.atlas.calls) == {"LIST"}
        assert not harness.writes
        harness.atlas.stores = lambda endpoint: endpoint
        harness.edit(resource, comment="three")
        await harness.run_for(0)
        assert comment(harness) == "three"
        assert resource.ready == AVAILABLE

    async def test_a_first_change_that_is_stored_with_another_value_is_rejected_too(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, comment="somebody's")
        harness.atlas.stores = lambda endpoint: endpoint.model_copy(update={"comment": "shortened"})
        resource = harness.create(comment="one")
        await harness.run_for(0)
        assert resource.ready == ("False", "UpdateRejected")

    async def test_a_change_that_is_stored_with_another_value_is_not_repeated_while_another_is_unknown(
        self, harness: Harness
    ) -> None:
        resource = await settled(harness)
        harness.atlas.fail_once("PATCH", lost())
        harness.atlas.stores = lambda endpoint: endpoint.model_copy(update={"comment": "shortened"})
        harness.edit(resource, comment="two")
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "UpdateRejected")
        assert harness.atlas.calls.count("PATCH comment") == 3, "the lost one, the next, and one after the last look"

    @pytest.mark.parametrize("shown", ["one", None], ids=["the old value", "no value"])
    async def test_a_change_that_is_not_shown_yet_is_waited_for_before_it_is_called_rejected(
        self, harness: Harness, shown: str | None
    ) -> None:
        resource = await settled(harness)
        harness.atlas.stores = lambda endpoint: endpoint.model_copy(update={"comment": shown})
        harness.edit(resource, comment="two")
        await harness.run_for(20)
        assert resource.ready == ("Unknown", "Pending")
        await harness.run_for(20)
        assert resource.ready == ("False", "UpdateRejected")
        assert harness.atlas.calls.count("PATCH comment") == 1

    async def test_a_change_that_is_shown_after_a_moment_is_available(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.stores = lambda endpoint: endpoint.model_copy(update={"comment": "one"})
        harness.edit(resource, comment="two")
        await harness.run_for(11)
        harness.atlas.put(ENDPOINT, comment="two")
        await harness.run_for(10)
        assert resource.ready == AVAILABLE
        assert harness.atlas.calls.count("PATCH comment") == 1


class TestDrift:
    async def test_drift_is_corrected_by_the_resync(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.put(ENDPOINT, comment="changed")
        await harness.run_for(INTERVAL)
        assert comment(harness) == "one"
        assert harness.atlas.calls == ["LIST", "PATCH comment"]
        assert resource.ready == AVAILABLE
        assert resource.status["history"][0]["cause"] == "Drift"

    async def test_drift_is_only_reported_when_the_resource_says_so(self, harness: Harness) -> None:
        resource = await settled(harness, comment="one", driftPolicy="Report")
        harness.atlas.put(ENDPOINT, comment="changed")
        await harness.run_for(INTERVAL)
        assert comment(harness) == "changed"
        assert resource.ready == ("False", "Drifted")
        assert resource.status["drift"] == [{"field": "comment", "desired": "one", "actual": "changed"}]
        harness.reset_log()
        await harness.run_for(3 * INTERVAL)
        assert not harness.writes
        harness.atlas.put(ENDPOINT, comment="one")
        await harness.run_for(INTERVAL)
        assert resource.ready == AVAILABLE

    @pytest.mark.parametrize("edits", [1, 2])
    async def test_drift_in_the_answer_to_an_edit_is_drift(self, harness: Harness, edits: int) -> None:
        """What was confirmed before and not sent now counts as confirmed."""
        harness.atlas.put(ENDPOINT, comment="one", cloud_provider_endpoint_id=VPCE)
        resource = harness.create(comment="one", cloudProviderEndpointId=VPCE, driftPolicy="Report")
        await harness.settle()
        harness.atlas.put(ENDPOINT, cloud_provider_endpoint_id=OTHER_VPCE)
        for number in range(edits):
            harness.edit(resource, comment=f"edit {number}")
        await harness.run_for(0)
        assert harness.atlas.calls == ["PATCH comment"]
        assert resource.ready == ("False", "Drifted")
        await harness.run_for(2 * INTERVAL)
        assert resource.ready == ("False", "Drifted")
        assert set(harness.atlas.calls) == {"PATCH comment", "LIST"}

    async def test_a_correction_that_fails_is_not_hidden_behind_ready(self, harness: Harness) -> None:
        """The observation succeeded and shows drift."""
        resource = await settled(harness)
        harness.atlas.put(ENDPOINT, comment="changed")
        harness.atlas.go_down("PATCH", error=RateLimitedError("Slow down.", operation="PATCH", http_status=429))
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "RateLimited")
        assert resource.status["drift"] == [{"field": "comment", "desired": "one", "actual": "changed"}]
        assert resource.status["endpoint"]["comment"] == "changed"


class TestOutages:
    async def test_a_settled_resource_keeps_ready_without_a_write_through_an_outage(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.go_down()
        await harness.run_for(1700)
        assert resource.ready == AVAILABLE
        assert not harness.writes
        harness.atlas.come_back()
        await harness.run_for(INTERVAL)
        assert not harness.writes

    async def test_a_reconcile_that_hides_an_outage_is_counted(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.go_down()
        await harness.run_for(60)
        outcome = await harness.reconcile_of(resource)
        assert (outcome.state, outcome.failure_reason) == (None, "AtlasUnavailable")

    async def test_an_outage_is_reported_after_three_intervals_and_half_an_hour(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.go_down()
        await harness.run_for(INTERVAL + 1800 + 300)
        assert resource.ready == ("False", "AtlasUnavailable")
        assert harness.writes["db"] == 1
        harness.atlas.come_back()
        await harness.run_for(INTERVAL)
        assert resource.ready == AVAILABLE

    async def test_an_outage_is_reported_after_three_long_intervals(self, harness: Harness) -> None:
        resource = await settled(harness, comment="one", syncInterval="30m")
        harness.atlas.go_down()
        await harness.run_for(1800 + 5300)
        assert resource.ready == AVAILABLE
        await harness.run_for(400)
        assert resource.ready == ("False", "AtlasUnavailable")

    async def test_with_a_short_interval_an_outage_is_reported_after_half_an_hour(self, harness: Harness) -> None:
        resource = await settled(harness, comment="one", syncInterval="1m")
        harness.atlas.go_down()
        await harness.run_for(60 + 1500)
        assert resource.ready == AVAILABLE
        await harness.run_for(700)
        assert resource.ready == ("False", "AtlasUnavailable")

    async def test_a_rate_limit_is_an_outage_like_any_other(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.go_down("LIST", error=held("RateLimited", retry_after=60.0))
        await harness.run_for(1700)
        await harness.reconcile_of(resource)
        assert resource.ready == AVAILABLE
        assert not harness.writes

    async def test_a_request_is_not_handled_by_an_attempt_that_failed(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.go_down()
        harness.edit(resource, comment="two")
        harness.annotate(resource, force_sync="now")
        await harness.run_for(10)
        assert resource.ready == ("False", "AtlasUnavailable")
        assert "lastHandledReconcileAt" not in resource.status

    async def test_a_force_sync_during_an_outage_is_handled_soon_after_it(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.go_down()
        harness.annotate(resource, force_sync="now")
        await harness.run_for(10)
        assert "lastHandledReconcileAt" not in resource.status
        harness.atlas.come_back()
        await harness.run_for(10)
        assert resource.status["lastHandledReconcileAt"] == "now"

    async def test_a_successful_resync_restarts_the_time(self, harness: Harness) -> None:
        resource = await settled(harness)
        for _ in range(4):
            harness.atlas.go_down()
            await harness.run_for(1500)
            harness.atlas.come_back()
            await harness.run_for(INTERVAL)
        assert resource.ready == AVAILABLE
        assert not harness.writes

    async def test_a_successful_reconcile_restarts_the_time(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.go_down()
        await harness.run_for(1700)
        harness.atlas.come_back()
        harness.annotate(resource, force_sync="now")
        await harness.run_for(0)
        harness.atlas.go_down()
        await harness.run_for(1700)
        assert resource.ready == AVAILABLE

    async def test_an_edit_during_an_outage_is_not_hidden(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.go_down()
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        assert resource.ready == ("False", "AtlasUnavailable")
        assert resource.status["observedGeneration"] == 2

    async def test_a_failed_list_is_shared_by_all_resources_of_the_instance(self, harness: Harness) -> None:
        harness.atlas.go_down()
        for number in range(50):
            harness.create(f"db-{number}", f"6f7cac1adf5d6c6306f4b{number:03x}", comment="one")
        await harness.run_for(0)
        assert harness.atlas.calls == ["LIST"]
        await harness.run_for(600)
        assert len(harness.atlas.calls) <= 600 / 5 + 5

    async def test_a_replica_that_does_not_lead_writes_no_status(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.go_down("PATCH", error=NotLeaderError("Another replica leads.", operation="PATCH"))
        harness.edit(resource, comment="two")
        before = resource.status
        outcome = await harness.reconcile_of(resource)
        assert outcome.state is None
        assert outcome.requeue == Backoff()
        assert resource.status == before

    async def test_a_call_that_is_held_back_behind_a_probe_writes_no_status(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, comment="one")
        harness.atlas.fail_once("LIST", held("Pending", retry_after=2.0))
        resource = harness.create(comment="one")
        outcome = await harness.reconcile_of(resource)
        assert outcome.requeue == RequeueAfter(2.0)
        assert resource.status == {"observedGeneration": -1}
        await harness.run_for(2)
        assert resource.ready == AVAILABLE


REFUSED = CredentialsInvalidError("Atlas does not accept the credentials.", operation="LIST", http_status=401)
ONLY_OTHERS_CAN_HELP: dict[str, AtlasError] = {
    "CredentialsInvalid": REFUSED,
    "MissingRole": MissingRoleError("The role is too weak.", operation="LIST", http_status=403),
    "IPNotAllowed": IPNotAllowedError("The address is not allowed.", operation="LIST", http_status=403),
    "ProjectNotFound": ProjectNotFoundError("No such project.", operation="LIST", http_status=404),
    "InstanceNotFound": InstanceNotFoundError("No such instance.", operation="LIST", http_status=404),
    "APIGone": APIGoneError("The API has ended.", operation="LIST", http_status=410),
}

CREDENTIALS_CAN_HELP = ["CredentialsInvalid", "MissingRole", "IPNotAllowed", "ProjectNotFound"]


class TestFailureCache:
    @pytest.mark.parametrize("reason", ONLY_OTHERS_CAN_HELP)
    async def test_atlas_is_asked_no_more_often_than_for_a_healthy_resource(
        self, harness: Harness, reason: str
    ) -> None:
        harness.atlas.put(ENDPOINT, comment="one")
        harness.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP[reason])
        resource = harness.create(comment="one")
        await harness.run_for(1)
        assert resource.ready == ("False", reason)
        harness.reset_log()
        await harness.run_for(3600)
        assert harness.atlas.calls == ["LIST"] * 6
        assert resource.condition("Stalled") is not None
        assert harness.writes["db"] <= 1, "only that it is stalled, once its grace is over"
        harness.atlas.come_back()
        await harness.run_for(INTERVAL)
        assert resource.ready == AVAILABLE

    async def test_the_resolver_is_notified_of_refused_and_accepted_credentials(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, comment="one")
        harness.atlas.go_down("LIST", error=REFUSED)
        harness.create(comment="one")
        await harness.run_for(1)
        assert set(harness.secrets.judgements) == {("operator/atlas", False)}
        harness.secrets.judgements.clear()
        harness.atlas.come_back()
        await harness.run_for(INTERVAL)
        assert set(harness.secrets.judgements) == {("operator/atlas", True)}

    async def test_credentials_whose_role_is_too_weak_are_accepted_all_the_same(self, harness: Harness) -> None:
        harness.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        harness.create(comment="one")
        await harness.run_for(1)
        assert set(harness.secrets.judgements) == {("operator/atlas", True)}

    @pytest.mark.parametrize("reason", CREDENTIALS_CAN_HELP)
    async def test_a_changed_secret_is_used_at_the_next_requeue(self, harness: Harness, reason: str) -> None:
        harness.secrets.found["mine"] = "weak"
        harness.atlas.put(ENDPOINT, comment="one")
        harness.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP[reason])
        resource = harness.create(comment="one", credentialsSecretRef={"name": "mine"})
        await harness.run_for(200)
        harness.atlas.come_back()
        harness.secrets.found["mine"], harness.secrets.remembered["mine"] = "strong", "weak"
        harness.reset_log()
        await harness.run_for(SECRET_REQUEUE)
        assert resource.ready == AVAILABLE
        assert harness.atlas.credentials == ["strong"]

    @pytest.mark.parametrize("reason", CREDENTIALS_CAN_HELP)
    async def test_the_first_resource_that_finds_a_secret_changed_wakes_the_others(
        self, harness: Harness, reason: str
    ) -> None:
        """Whatever their own requeue; resources that wait for another Secret are not woken."""
        harness.secrets.found.update(mine="weak", other="weak too")
        ids = [f"{number:024x}" for number in range(4)]
        for each in ids:
            harness.atlas.put(each, comment="one")
        harness.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP[reason])
        waiting: list[Resource] = []
        for number, secret in enumerate(["mine", "mine", "other", "mine"]):
            reference = {"name": secret}
            waiting.append(harness.create(f"db-{number}", ids[number], comment="one", credentialsSecretRef=reference))
            await harness.run_for(7)
        harness.atlas.come_back()
        harness.secrets.found["mine"] = "strong"
        harness.reset_log()
        await harness.run_for(2)
        assert [each.ready[1] for each in waiting] == ["Available", "Available", reason, "Available"]
        assert harness.atlas.credentials == ["strong"]
        assert harness.reconciles == {"db-0": 1, "db-1": 1, "db-3": 1}

    async def test_a_resource_that_was_woken_in_vain_is_woken_again(self, harness: Harness) -> None:
        """Secrets of one name in two namespaces may hold the same credentials."""
        harness.secrets.found.update(mine="weak", twin="weak")
        harness.secrets.sources["twin"] = "resource/mine"
        ids = [f"{number:024x}" for number in range(3)]
        for each in ids:
            harness.atlas.put(each, comment="one")
        harness.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        waiting: list[Resource] = []
        for number, secret in enumerate(["mine", "twin", "twin"]):
            reference = {"name": secret}
            waiting.append(harness.create(f"db-{number}", ids[number], comment="one", credentialsSecretRef=reference))
            await harness.run_for(5)
        first, twin, other_twin = waiting
        harness.atlas.come_back()
        harness.secrets.found["mine"] = "strong"
        await harness.reconcile_of(first)
        await harness.run_for(0)
        assert (twin.ready[1], other_twin.ready[1]) == ("MissingRole", "MissingRole")
        harness.secrets.found["twin"] = "stronger"
        await harness.reconcile_of(twin)
        await harness.run_for(0)
        assert other_twin.ready == AVAILABLE

    async def test_reading_the_secret_costs_no_call_and_no_write(self, harness: Harness) -> None:
        harness.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        harness.create(comment="one")
        await harness.run_for(150)
        harness.reset_log()
        await harness.run_for(300)
        assert not harness.atlas.calls
        assert not harness.writes
        assert len(harness.secrets.reads) == 300 / SECRET_REQUEUE
        assert set(harness.secrets.reads) == {Age.FRESH}, "an older one could be of before the change"

    async def test_a_failure_that_only_an_action_can_fix_handles_a_request(self, harness: Harness) -> None:
        harness.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        resource = harness.create(comment="one")
        harness.annotate(resource, force_sync="now")
        await harness.run_for(0)
        assert resource.status["lastHandledReconcileAt"] == "now"

    async def test_a_reconcile_in_between_delays_nothing(self, harness: Harness) -> None:
        """Neither the end of the grace nor the next reading of the Secret."""
        harness.secrets.found["mine"] = "weak"
        for each in (ENDPOINT, ANOTHER):
            harness.atlas.put(each, comment="one")
        harness.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        resource = harness.create(comment="one", credentialsSecretRef={"name": "mine"})
        await harness.run_for(15)
        await harness.reconcile_of(resource)
        await harness.run_for(106)
        assert resource.condition("Stalled") is not None
        other = harness.create("other", ANOTHER, comment="one", credentialsSecretRef={"name": "mine"})
        await harness.run_for(15)
        await harness.reconcile_of(other)
        harness.secrets.found["mine"] = "strong"
        harness.atlas.come_back()
        await harness.run_for(SECRET_REQUEUE)
        assert other.ready == AVAILABLE

    async def test_a_failure_is_not_replayed_after_a_success(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, comment="one")
        harness.atlas.fail_once("LIST", ONLY_OTHERS_CAN_HELP["MissingRole"])
        resource = harness.create(comment="one")
        await harness.run_for(1)
        harness.annotate(resource, force_sync="now")
        await harness.run_for(1)
        assert resource.ready == AVAILABLE
        harness.annotate(resource, force_sync="")
        await harness.run_for(1)
        assert resource.ready == AVAILABLE

    async def test_it_counts_as_stalled_when_its_grace_is_over_and_no_sooner(self, harness: Harness) -> None:
        harness.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        resource = harness.create(comment="one")
        await harness.run_for(119)
        assert resource.condition("Reconciling") is not None
        await harness.run_for(2)
        assert resource.condition("Stalled") is not None
        assert harness.atlas.calls == ["LIST"]

    async def test_a_role_that_is_too_weak_to_write_costs_one_patch_an_interval(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, comment="one")
        harness.atlas.go_down("PATCH", error=MissingRoleError("Too weak.", operation="PATCH", http_status=403))
        resource = harness.create(comment="two")
        await harness.run_for(1)
        assert resource.ready == ("False", "MissingRole")
        harness.reset_log()
        await harness.run_for(3600)
        assert harness.atlas.calls.count("PATCH comment") == 6
        harness.atlas.come_back()
        await harness.run_for(INTERVAL)
        assert comment(harness) == "two"

    @pytest.mark.parametrize("change", ["edit", "force-sync"])
    async def test_a_force_sync_is_handled_at_once(self, harness: Harness, change: str) -> None:
        harness.atlas.put(ENDPOINT, comment="one")
        harness.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        resource = harness.create(comment="one")
        await harness.run_for(200)
        harness.atlas.come_back()
        if change == "edit":
            harness.edit(resource, comment="two")
        else:
            harness.annotate(resource, force_sync="now")
        await harness.run_for(1)
        assert resource.ready == AVAILABLE

    async def test_a_new_resource_of_the_same_name_has_no_cached_failure(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, comment="one")
        harness.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        harness.create(comment="one")
        await harness.run_for(10)
        harness.atlas.come_back()
        successor = Resource("db", ENDPOINT, {"comment": "one"})
        successor.uid = "uid-successor"
        harness.resources[successor.key] = successor
        await harness.reconcile_of(successor)
        assert successor.ready == AVAILABLE

    async def test_credentials_that_were_refused_are_read_again_at_once(self, harness: Harness) -> None:
        """The Secret has just changed, and the cache holds the refused credentials."""
        harness.atlas.put(ENDPOINT, comment="one")
        harness.atlas.fail_once("LIST", REFUSED)
        resource = harness.create(comment="one", credentialsSecretRef={"name": "mine"})
        harness.secrets.remembered["mine"] = "old"
        harness.secrets.found["mine"] = "new"
        await harness.reconcile_of(resource)
        assert harness.secrets.reads == [Age.RECENT, Age.ANEW]
        assert harness.atlas.credentials == ["old", "new"]
        assert resource.ready == AVAILABLE

    async def test_credentials_that_are_the_same_after_reading_them_again_are_not_tried_again(
        self, harness: Harness
    ) -> None:
        harness.atlas.go_down("LIST", error=REFUSED)
        resource = harness.create(comment="one")
        await harness.reconcile_of(resource)
        assert harness.atlas.calls == ["LIST"]
        assert resource.ready == ("False", "CredentialsInvalid")

    async def test_the_same_credentials_are_not_used_for_a_second_write_that_is_refused(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.go_down("PATCH", error=REFUSED)
        harness.edit(resource, comment="two")
        await harness.reconcile_of(resource)
        assert harness.atlas.calls == ["PATCH comment"]
        assert resource.ready == ("False", "CredentialsInvalid")

    async def test_a_secret_that_was_gone_for_a_while_is_tried_again_though_it_is_the_same(
        self, harness: Harness
    ) -> None:
        harness.secrets.found["mine"] = "weak"
        harness.atlas.put(ENDPOINT, comment="one")
        harness.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        resource = harness.create(comment="one", credentialsSecretRef={"name": "mine"})
        await harness.run_for(1)
        harness.secrets.found["mine"] = NoCredentialsError(
            SecretProblem.NOT_FOUND, "Gone.", source="resource/mine", retry_in=5.0
        )
        await harness.reconcile_of(resource)
        harness.secrets.found["mine"] = "weak"
        harness.atlas.come_back()
        await harness.reconcile_of(resource)
        assert resource.ready == AVAILABLE

    async def test_a_resource_that_was_suspended_for_a_while_asks_again(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, comment="one")
        harness.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        resource = harness.create(comment="one")
        await harness.run_for(1)
        harness.annotate(resource, reconcile_policy="skip")
        await harness.run_for(1)
        harness.atlas.come_back()
        harness.annotate(resource, reconcile_policy="")
        await harness.run_for(1)
        assert resource.ready == AVAILABLE

    async def test_force_sync_reads_the_secret_afresh(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.annotate(resource, force_sync="now")
        await harness.run_for(0)
        assert harness.secrets.reads == [Age.FRESH]
        assert harness.atlas.calls == ["LIST"]

    async def test_revoked_credentials_are_no_outage_for_a_settled_resource(self, harness: Harness) -> None:
        """Also for a resource whose call is held back, because another resource's call was refused."""
        resource = await settled(harness)
        harness.atlas.go_down("LIST", error=held("CredentialsInvalid", retry_after=600.0))
        await harness.run_for(INTERVAL)
        await harness.reconcile_of(resource)
        assert resource.ready == ("False", "CredentialsInvalid")
        assert Age.ANEW not in harness.secrets.reads, "whoever was refused has done that"

    async def test_a_refusal_in_the_status_causes_no_second_reading_of_the_secret(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, comment="one")
        harness.atlas.go_down("LIST", error=REFUSED)
        resource = harness.create(comment="one")
        await harness.run_for(0)
        assert resource.status["lastError"]["httpStatus"] == REFUSED.http_status
        harness.restart()
        harness.atlas.go_down("LIST", error=held("CredentialsInvalid", retry_after=600.0))
        harness.secrets.reads.clear()
        await harness.reconcile_of(resource)
        assert resource.ready == ("False", "CredentialsInvalid")
        assert Age.ANEW not in harness.secrets.reads

    @pytest.mark.parametrize("refused", [False, True], ids=["that are accepted", "that are refused"])
    async def test_the_source_of_credentials_is_updated_if_another_secret_has_the_same_ones(
        self, harness: Harness, *, refused: bool
    ) -> None:
        resource = await settled(harness)
        if refused:
            harness.atlas.go_down("LIST", error=REFUSED)
            await harness.run_for(2 * INTERVAL)
            assert resource.ready == ("False", "CredentialsInvalid")
        assert resource.status["resolved"]["credentialsSource"] == "operator/atlas"
        harness.secrets.sources[None] = "namespace/team"
        await harness.run_for(SECRET_REQUEUE if refused else 2 * INTERVAL)
        assert resource.status["resolved"]["credentialsSource"] == "namespace/team"
        harness.reset_log()
        await harness.run_for(INTERVAL)
        assert harness.atlas.calls == ["LIST"], "and then all is as before"

    async def test_every_resource_reports_revoked_credentials_within_an_interval(self, harness: Harness) -> None:
        resources = []
        for number in range(10):
            harness.atlas.put(f"6f7cac1adf5d6c6306f4b{number:03x}", comment="one")
            resources.append(harness.create(f"db-{number}", f"6f7cac1adf5d6c6306f4b{number:03x}", comment="one"))
        await harness.settle()
        harness.atlas.go_down("LIST", error=REFUSED)
        await harness.run_for(INTERVAL)
        assert {resource.ready for resource in resources} == {("False", "CredentialsInvalid")}


class TestWithoutCredentials:
    async def test_a_missing_secret_is_reported_and_atlas_is_not_asked(self, harness: Harness) -> None:
        missing = NoCredentialsError(
            SecretProblem.NOT_FOUND, "There is no Secret mine.", source="resource/mine", retry_in=5.0
        )
        harness.secrets.found["mine"] = missing
        resource = harness.create(comment="one", credentialsSecretRef={"name": "mine"})
        outcome = await harness.reconcile_of(resource)
        assert outcome.requeue == RequeueAfter(5.0)
        assert resource.ready == ("False", "CredentialsInvalid")
        assert resource.message == "There is no Secret mine."
        valid = resource.condition("CredentialsValid")
        assert valid is not None
        assert (valid["status"], valid["reason"]) == ("False", "SecretNotFound")
        assert not harness.atlas.calls

    async def test_a_resource_without_its_secret_costs_no_resync(self, harness: Harness) -> None:
        harness.secrets.found["mine"] = "good"
        resource = await settled(harness, comment="one", credentialsSecretRef={"name": "mine"})
        harness.secrets.found["mine"] = NoCredentialsError(
            SecretProblem.NOT_FOUND, "Gone.", source="resource/mine", retry_in=60.0
        )
        await harness.reconcile_of(resource)
        harness.reset_log()
        await harness.run_for(3600)
        assert not harness.atlas.calls
        harness.secrets.found["mine"] = "good"
        await harness.run_for(60)
        assert resource.ready == AVAILABLE

    async def test_a_resync_uses_no_credentials_whose_secret_is_gone(self, harness: Harness) -> None:
        harness.secrets.found["mine"] = "good"
        resource = await settled(harness, comment="one", credentialsSecretRef={"name": "mine"})
        harness.secrets.found["mine"] = NoCredentialsError(
            SecretProblem.NOT_FOUND, "Gone.", source="resource/mine", retry_in=60.0
        )
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "CredentialsInvalid")
        assert not harness.atlas.calls

    async def test_a_resync_uses_the_credentials_that_the_secret_holds_by_now(self, harness: Harness) -> None:
        harness.secrets.found["mine"] = "good"
        resource = await settled(harness, comment="one", credentialsSecretRef={"name": "mine"})
        harness.secrets.found["mine"] = "better"
        await harness.run_for(3 * INTERVAL)
        assert set(harness.atlas.credentials) == {"better"}
        assert resource.ready == AVAILABLE
        assert not harness.writes

    async def test_a_deleted_secret_stops_no_resync_with_another_secret(self, harness: Harness) -> None:
        harness.secrets.found["mine"] = harness.secrets.found["yours"] = "good"
        harness.atlas.put(ANOTHER)
        await settled(harness, comment="one", credentialsSecretRef={"name": "mine"})
        harness.create("other", ANOTHER, credentialsSecretRef={"name": "yours"})
        await harness.settle()
        harness.secrets.found["mine"] = NoCredentialsError(
            SecretProblem.NOT_FOUND, "Gone.", source="resource/mine", retry_in=60.0
        )
        await harness.run_for(2 * INTERVAL)
        assert harness.atlas.calls == ["LIST", "LIST"]

    async def test_a_resync_goes_on_while_the_api_server_cannot_be_reached(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.secrets.found[None] = ClusterUnavailableError("The API server cannot be reached.")
        harness.atlas.put(comment="drifted")
        await harness.run_for(INTERVAL)
        assert harness.atlas.calls == ["LIST"]
        assert resource.ready == AVAILABLE
        harness.secrets.found[None] = "good"
        await harness.run_for(INTERVAL)
        assert comment(harness) == "one"

    async def test_an_unreachable_api_server_changes_no_status(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.secrets.found[None] = ClusterUnavailableError("The API server cannot be reached.")
        before = resource.status
        outcome = await harness.reconcile_of(resource)
        assert outcome.requeue == Backoff()
        assert resource.status == before
        assert not harness.atlas.calls

    async def test_an_api_server_that_cannot_serve_a_secret_is_logged_once_a_reconcile(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        resource = await settled(harness)
        harness.secrets.found[None] = ClusterUnavailableError("HTTP 500: the KMS plugin is away")
        await harness.reconcile_of(resource)
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "the KMS plugin is away" in record.getMessage()
        assert "Secret" not in record.getMessage(), "it may be a Namespace that could not be read; the error says what"
        assert vars(record)["key"] == str(resource.key)


class TestAbsence:
    async def test_an_endpoint_that_neither_list_nor_get_shows_is_not_found(self, harness: Harness) -> None:
        resource = harness.create(comment="one")
        await harness.run_for(0)
        assert resource.ready == ("False", "EndpointNotFound")
        assert harness.atlas.calls == ["LIST", "GET", "LIST"], "the last one began after it was missed"

    async def test_an_endpoint_that_only_a_get_shows_exists(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, comment="one")
        harness.atlas.hidden.add(ENDPOINT)
        resource = harness.create(comment="one")
        await harness.run_for(0)
        assert resource.ready == AVAILABLE
        assert harness.atlas.calls == ["LIST", "GET"]

    async def test_an_endpoint_that_only_a_later_list_shows_exists(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, comment="one")
        harness.atlas.lists_late = True
        harness.atlas.fail_once("GET", absent("GET"))
        resource = harness.create(comment="one")
        await harness.run_for(0)
        assert resource.ready == AVAILABLE

    @pytest.mark.parametrize(
        "error",
        [unavailable("GET"), MissingRoleError("Too weak.", operation="GET", http_status=403)],
        ids=["no usable answer", "no role"],
    )
    async def test_a_get_that_fails_in_another_way_proves_nothing(self, harness: Harness, error: AtlasError) -> None:
        harness.atlas.fail_once("GET", error)
        resource = harness.create(comment="one")
        await harness.reconcile_of(resource)
        assert resource.ready == ("False", error.reason)

    async def test_only_the_resync_searches_an_absent_endpoint(self, harness: Harness) -> None:
        resource = harness.create(comment="one")
        await harness.run_for(300)
        assert resource.condition("Stalled") is not None
        harness.reset_log()
        await harness.run_for(3600)
        assert harness.atlas.calls == ["LIST"] * 6
        assert not harness.reconciles
        assert not harness.writes
        harness.atlas.put(ENDPOINT, comment="one")
        await harness.run_for(INTERVAL)
        assert resource.ready == AVAILABLE

    async def test_the_resync_reports_a_deleted_endpoint_of_a_settled_resource(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.endpoints.clear()
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "EndpointNotFound")
        assert resource.status["endpoint"]["comment"] == "one", "the last that was known"

    async def test_a_patch_that_finds_no_endpoint_is_no_proof(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.fail_once("PATCH", absent("PATCH"))
        harness.edit(resource, comment="two")
        await harness.reconcile_of(resource)
        assert resource.ready == ("False", "AtlasUnavailable"), "a LIST shows it: Atlas contradicts itself"
        assert "shows the endpoint" in resource.message
        assert "does not exist" in resource.message
        assert resource.status["lastError"]["retryable"]
        await harness.run_for(1)
        assert comment(harness) == "two"
        assert resource.ready == AVAILABLE

    async def test_an_endpoint_that_is_gone_when_it_is_patched_is_not_found(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.endpoints.clear()
        harness.edit(resource, comment="two")
        await harness.reconcile_of(resource)
        assert resource.ready == ("False", "EndpointNotFound")
        assert harness.atlas.calls == ["PATCH comment", "LIST", "GET"]


class TestRequestsWithoutACall:
    """Tools wait for the acknowledgement, whatever the answer is."""

    async def test_a_suspended_resource_acknowledges(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.edit(resource, suspend=True)
        harness.annotate(resource, force_sync="now")
        await harness.run_for(0)
        assert resource.ready == ("False", "Suspended")
        assert resource.status["lastHandledReconcileAt"] == "now"

    async def test_an_invalid_spec_acknowledges(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.edit(resource, comment="x" * 81)
        harness.annotate(resource, force_sync="now")
        await harness.run_for(0)
        assert resource.ready == ("False", "InvalidSpec")
        assert resource.status["lastHandledReconcileAt"] == "now"

    async def test_missing_credentials_acknowledge_and_are_read_past_the_cache_once(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.secrets.found[None] = NoCredentialsError(
            SecretProblem.NOT_FOUND, "Create it.", source="operator/atlas", retry_in=5.0
        )
        harness.annotate(resource, force_sync="now")
        await harness.run_for(20)
        assert resource.ready[1] == "CredentialsInvalid"
        assert resource.status["lastHandledReconcileAt"] == "now"
        assert harness.secrets.reads[0] is Age.FRESH
        assert set(harness.secrets.reads[1:]) <= {Age.RECENT}


class TestNoCalls:
    @pytest.mark.parametrize("how", ["spec.suspend", "annotation"])
    async def test_a_suspended_resource_makes_no_call_ever(self, harness: Harness, how: str) -> None:
        resource = await settled(harness)
        harness.atlas.put(ENDPOINT, comment="changed")
        if how == "annotation":
            harness.annotate(resource, reconcile_policy="skip")
        else:
            harness.edit(resource, suspend=True)
        await harness.run_for(3600)
        assert resource.ready == ("False", "Suspended")
        assert not harness.atlas.calls
        assert not harness.secrets.reads
        assert resource.status["applied"]["comment"] == "one"

    async def test_an_edit_during_a_suspension_is_sent_afterwards(self, harness: Harness) -> None:
        resource = await settled(harness, comment="one", driftPolicy="Report")
        harness.edit(resource, suspend=True)
        await harness.run_for(10)
        harness.edit(resource, comment="two")
        await harness.run_for(10)
        harness.edit(resource, suspend=None)
        await harness.run_for(10)
        assert comment(harness) == "two"
        assert resource.ready == AVAILABLE

    async def test_a_deleted_resource_makes_no_call_and_is_not_written_to(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.put(ENDPOINT, comment="changed")
        harness.delete(resource)
        await harness.run_for(3600)
        assert not harness.atlas.calls
        assert not harness.writes
        assert comment(harness) == "changed"

    async def test_a_deleted_resource_is_left_alone_also_when_its_spec_is_invalid(self, harness: Harness) -> None:
        resource = await settled(harness)
        resource.spec["comment"] = "x" * 81
        harness.delete(resource)
        await harness.run_for(0)
        assert not harness.writes

    async def test_an_invalid_spec_is_reported_and_costs_no_call(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.edit(resource, comment="x" * 81)
        await harness.run_for(3600)
        assert resource.ready == ("False", "InvalidSpec")
        assert "spec.comment" in resource.message
        assert not harness.atlas.calls
        harness.edit(resource, comment="two")
        await harness.run_for(1)
        assert resource.ready == AVAILABLE

    async def test_a_resync_does_not_enqueue_a_reported_invalid_spec(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.edit(resource, comment="x" * 81)
        await harness.run_for(0)
        assert not harness.reconciler.needs_work(
            resource.body, Scope("operator-1", PROJECT, KIND.names.kind, INSTANCE), None
        )

    async def test_a_resync_enqueues_an_invalid_spec_that_the_watch_missed(self, harness: Harness) -> None:
        """A watch that is older than the CRD omits a field, which a LIST shows without a new generation."""
        resource = await settled(harness)
        resource.spec["comment"] = "x" * 81
        assert harness.reconciler.needs_work(
            resource.body, Scope("operator-1", PROJECT, KIND.names.kind, INSTANCE), None
        )

    async def test_invalid_metadata_is_reported_too(self, harness: Harness) -> None:
        resource = harness.create("n" * 64, comment="one")
        outcome = await harness.reconcile_of(resource)
        assert outcome.requeue == NoRequeue()
        assert resource.ready == ("False", "InvalidSpec")
        assert "metadata.name" in resource.message

    async def test_a_resource_that_vanishes_during_its_reconcile_is_forgotten_all_the_same(
        self, harness: Harness
    ) -> None:
        resource = await settled(harness)
        harness.vanish(resource)
        await harness.reconciler.reconcile(resource.body, resource.status)
        harness.reset_log()
        await harness.run_for(3600)
        assert not harness.atlas.calls

    async def test_nothing_is_sent_for_a_resource_that_vanishes_during_the_observation(self, harness: Harness) -> None:
        """Also if a changed label removes it from the served resources."""
        harness.atlas.put(status="AVAILABLE", comment="zero")
        resource = harness.create(comment="one")
        pass_ = asyncio.create_task(harness.reconciler.reconcile(resource.body, resource.status))
        while not harness.atlas.calls:  # noqa: ASYNC110  # it is a list
            await asyncio.sleep(0)
        harness.vanish(resource)
        outcome = await pass_
        assert harness.atlas.calls == ["LIST"]
        assert outcome.state is None

    async def test_nothing_is_sent_for_a_resource_that_vanishes_while_its_secret_is_read(
        self, harness: Harness
    ) -> None:
        harness.atlas.put(status="AVAILABLE", comment="zero")
        resource = harness.create(comment="one")
        pass_ = asyncio.create_task(harness.reconciler.reconcile(resource.body, resource.status))
        while not harness.secrets.reads:  # noqa: ASYNC110  # it is a list
            await asyncio.sleep(0)
        harness.vanish(resource)
        outcome = await pass_
        assert harness.atlas.calls == ["LIST"]
        assert outcome.state is None

    async def test_nothing_is_sent_for_a_resource_that_was_replaced_by_a_namesake(self, harness: Harness) -> None:
        harness.atlas.put(status="AVAILABLE", comment="zero")
        resource = harness.create(comment="one")
        pass_ = asyncio.create_task(harness.reconciler.reconcile(resource.body, resource.status))
        while not harness.secrets.reads:  # noqa: ASYNC110  # it is a list
            await asyncio.sleep(0)
        harness.vanish(resource)
        namesake = resource.body
        namesake["metadata"] |= {"uid": "uid-namesake", "resourceVersion": "9"}
        harness.cache.put(namesake)
        await pass_
        assert harness.atlas.calls == ["LIST"]

    async def test_a_resource_that_is_gone_leaves_nothing_behind(self, harness: Harness) -> None:
        waiting, unseen = harness.create("waiting", ANOTHER, comment="one"), await settled(harness)
        harness.atlas.go_down()
        await harness.run_for(INTERVAL)
        harness.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        await harness.reconcile_of(waiting)
        instance = harness.resync.scope_of(unseen.key)
        assert instance is not None
        assert harness.atlas.view(instance).value(ENDPOINT) is not None
        for resource in (waiting, unseen):
            harness.vanish(resource)
            assert harness.resync.scope_of(resource.key) is None
        assert harness.atlas.view(instance).value(ENDPOINT) is None
        assert not harness.limiter.held
        harness.reset_log()
        await harness.reconcile_of(harness.create("waiting", ANOTHER, comment="one"))
        assert harness.atlas.calls == ["LIST"], "what the former one waited for counts no more"
        harness.clock.seconds += 86400
        harness.atlas.go_down()
        namesake = harness.create(comment="one")
        namesake.status = unseen.status
        harness.changed(namesake)
        await harness.reconcile_of(namesake)
        assert namesake.ready == AVAILABLE, "how long the former one was not seen counts no more"


class TestManyRequests:
    """Repeated force-sync requests cost one observation of each resource and instance in each floor."""

    async def ask(self, harness: Harness, *resources: Resource, times: int, within: float, edits: bool = False) -> None:
        for number in range(times):
            for resource in resources:
                resource.annotations["atlas-endpoints.dev/force-sync"] = str(number)
                if edits:
                    harness.edit(resource, provisioningTimeout=f"{number % 20 + 1}h")
                else:
                    harness.changed(resource)
            await harness.run_for(within / times)

    async def test_three_hundred_requests_for_one_resource_cost_one_list_in_each_floor(self, harness: Harness) -> None:
        resource = await settled(harness)
        await self.ask(harness, resource, times=300, within=30)
        await harness.run_for(FLOOR)
        assert len(harness.atlas.calls) <= 30 / FLOOR + 1
        assert harness.writes["db"] <= 30 / FLOOR + 1
        assert resource.status["lastHandledReconcileAt"] == "299"

    async def test_requests_for_many_resources_of_an_instance_share_lists(self, harness: Harness) -> None:
        ids = [f"6f7cac1adf5d6c6306f4b{number:03x}" for number in range(30)]
        for id_ in ids:
            harness.atlas.put(id_, comment="one")
        resources = [harness.create(id_[-3:], id_, comment="one") for id_ in ids]
        await harness.settle()
        await self.ask(harness, *resources, times=10, within=30)
        await harness.run_for(2 * FLOOR)
        assert harness.atlas.calls == ["LIST"] * len(harness.atlas.calls)
        assert len(harness.atlas.calls) <= 30 / FLOOR + 2
        assert {each.status["lastHandledReconcileAt"] for each in resources} == {"9"}

    @pytest.mark.parametrize(
        "kind", ["an endpoint that is not there", "a change that is refused", "a role that is missing"]
    )
    async def test_a_failure_is_retried_once_in_each_floor(self, harness: Harness, kind: str) -> None:
        resource = await settled(harness)
        if kind == "an endpoint that is not there":
            harness.atlas.vanish(ENDPOINT)
        else:
            error = (
                rejected()
                if kind == "a change that is refused"
                else MissingRoleError("No.", operation="PATCH", http_status=401)
            )
            harness.atlas.go_down("PATCH", error=error)
            harness.edit(resource, comment="two")
            await harness.run_for(1)
        harness.reset_log()
        await self.ask(harness, resource, times=100, within=10)
        await harness.run_for(FLOOR)
        looks = 10 / FLOOR + 2
        assert len(harness.atlas.calls) <= 3 * looks, "a LIST, and what follows from it"
        assert resource.status["lastHandledReconcileAt"] == "99"

    @pytest.mark.parametrize("state", ["Atlas refuses", "Atlas is deleting it"])
    async def test_a_resource_that_is_being_deleted_is_observed_once_in_each_floor(
        self, harness: Harness, state: str
    ) -> None:
        resource = await settled(harness, comment="one", deletionPolicy="Delete")
        if state == "Atlas refuses":
            harness.atlas.go_down("DELETE", error=rejected())
        harness.delete(resource)
        await harness.run_for(1)
        harness.reset_log()
        await self.ask(harness, resource, times=100, within=10)
        await harness.run_for(FLOOR)
        each = ["LIST", "DELETE"] if state == "Atlas refuses" else ["LIST"]
        assert {*harness.atlas.calls} == {*each}
        assert len(harness.atlas.calls) <= len(each) * (10 / FLOOR + 2)
        assert len(harness.secrets.reads) <= 10 / FLOOR + 2
        assert resource.status["lastHandledReconcileAt"] == "99"

    @pytest.mark.parametrize("kind", ["all is well", "there is no Secret", "a project that is referred to", "deletion"])
    async def test_secrets_and_references_are_read_once_in_each_floor(self, harness: Harness, kind: str) -> None:
        resource = await settled(harness, comment="one", deletionPolicy=None)
        if kind == "there is no Secret":
            harness.secrets.found[None] = NoCredentialsError(
                SecretProblem.NOT_FOUND, "There is no Secret.", source=None, retry_in=30.0
            )
        if kind == "a project that is referred to":
            harness.edit(resource, projectId=None, projectRef={"name": "nowhere"})
        if kind == "deletion":
            harness.namespaces.found = {"atlas-endpoints.dev/deletion-policy": "Delete"}
            harness.annotate(resource, force_sync="before")
            await harness.run_for(1)
            harness.atlas.go_down("DELETE", error=rejected())
            harness.delete(resource)
        await harness.settle()
        harness.namespaces.ages.clear()
        await self.ask(harness, resource, times=300, within=30)
        await harness.run_for(FLOOR)
        reads = 30 / FLOOR + 2
        assert harness.secrets.reads.count(Age.FRESH) <= reads
        assert len([age for _, age in harness.targets.reads if age is Age.FRESH]) <= reads
        assert harness.namespaces.ages.count(Age.FRESH) <= reads
        assert resource.status["lastHandledReconcileAt"] == "299"

    async def test_requests_for_many_resources_read_their_secret_once_each_in_a_floor(self, harness: Harness) -> None:
        """Also while their instance has its floor, and other values come."""
        resource = await settled(harness)
        harness.atlas.put(ANOTHER, comment="one")
        other = harness.create("other", ANOTHER, comment="one")
        await harness.settle()
        await self.ask(harness, resource, other, times=300, within=30)
        await harness.run_for(2 * FLOOR)
        assert harness.secrets.reads.count(Age.FRESH) <= 2 * 2 * (30 / FLOOR + 2), (
            "at its turn, and when the look begins"
        )
        assert len(harness.atlas.calls) <= 30 / FLOOR + 3
        assert {each.status["lastHandledReconcileAt"] for each in (resource, other)} == {"299"}

    async def test_a_request_that_an_edit_comes_with_stays_open_where_there_is_no_secret(
        self, harness: Harness
    ) -> None:
        """The outcome of the edit precedes the reading of the Secret for the request."""
        resource = await settled(harness)
        harness.secrets.found[None] = NoCredentialsError(
            SecretProblem.NOT_FOUND, "There is no Secret.", source=None, retry_in=30.0
        )
        await self.ask(harness, resource, times=1, within=0.1)
        assert resource.status["lastHandledReconcileAt"] == "0"
        resource.annotations["atlas-endpoints.dev/force-sync"] = "second"
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        assert resource.status["observedGeneration"] == 2
        assert resource.status["lastHandledReconcileAt"] == "0"
        harness.secrets.found[None] = "operator-1"
        await harness.run_for(FLOOR)
        assert resource.status["lastHandledReconcileAt"] == "second"
        assert comment(harness) == "two"

    async def test_a_request_with_each_edit_costs_no_list_for_each_edit(self, harness: Harness) -> None:
        resource = await settled(harness)
        await self.ask(harness, resource, times=100, within=10, edits=True)
        await harness.run_for(FLOOR)
        assert len(harness.atlas.calls) <= 2 * (10 / FLOOR + 1)
        assert resource.status["lastHandledReconcileAt"] == "99"

    async def test_an_edit_waits_for_no_floor(self, harness: Harness) -> None:
        resource = await settled(harness)
        await self.ask(harness, resource, times=2, within=0.2)
        resource.annotations["atlas-endpoints.dev/force-sync"] = "third"
        harness.edit(resource, comment="two")
        await harness.run_for(0)
        assert comment(harness) == "two"
        assert resource.status["observedGeneration"] == 2
        assert resource.status["lastHandledReconcileAt"] == "0", "no look has begun since"
        await harness.run_for(FLOOR)
        assert resource.status["lastHandledReconcileAt"] == "third"

    async def test_an_observation_that_began_before_a_request_does_not_handle_it(self, harness: Harness) -> None:
        """Whether it began for an earlier request, for another resource, or for a resync."""
        resource = await settled(harness)
        other = harness.create("other", ANOTHER, comment="one")
        harness.atlas.put(ANOTHER, comment="one")
        await harness.settle()

        def asked_meanwhile(_: Scope) -> None:
            harness.atlas.endpoints[ENDPOINT] = harness.atlas.endpoints[ENDPOINT].model_copy(
                update={"comment": "drift"}
            )
            harness.annotate(resource, force_sync="meanwhile")

        harness.atlas.next_list_takes = 2.0
        harness.atlas.while_listing = asked_meanwhile
        harness.annotate(other, force_sync="first")
        await harness.run_for(FLOOR - 0.1)
        assert "lastHandledReconcileAt" not in resource.status
        await harness.run_for(0.2)
        assert resource.status["lastHandledReconcileAt"] == "meanwhile"
        assert harness.atlas.calls == ["LIST", "LIST", "PATCH comment"]
        assert comment(harness) == "one"

    async def test_a_resource_that_is_created_anew_has_the_floor_of_its_name(self, harness: Harness) -> None:
        resource = await settled(harness)
        harness.atlas.put(ANOTHER, comment="one")
        harness.create("neighbour", ANOTHER, comment="one")
        await harness.settle()
        for _ in range(20):
            harness.vanish(resource)
            resource = harness.create(comment="one")
            harness.annotate(resource, force_sync="same")
            await harness.run_for(0.5)
        await harness.run_for(FLOOR)
        assert len(harness.atlas.calls) <= 2 * (10 / FLOOR + 1), (
            "a look at each name's floor, and one that is shared as ever"
        )
        assert resource.status["lastHandledReconcileAt"] == "same"


class TestQuietOutcomes:
    async def test_a_quiet_reconcile_keeps_a_status_that_is_not_written_yet(self, harness: Harness) -> None:
        """The controller passes the newest status, which may not have reached the API server."""
        resource = await settled(harness)
        unwritten = {**resource.status, "observedGeneration": 2}
        harness.secrets.found[None] = ClusterUnavailableError("The API server cannot be reached.")
        outcome = await harness.reconciler.reconcile(resource.body, unwritten)
        assert harness.reconciler.render(resource.body, unwritten, outcome) == unwritten

    async def test_a_defect_is_reported_without_its_message(self, harness: Harness) -> None:
        resource = await settled(harness)
        outcome = harness.reconciler.failed(resource.body, KeyError("top secret"))
        status = harness.reconciler.render(resource.body, resource.status, outcome)
        assert "InternalError" in str(status)
        assert "top secret" not in str(status)


STATES: dict[str, Callable[[Harness], None]] = {
    "RESERVED is connected, with all that connects": lambda harness: harness.atlas.put(
        ENDPOINT, status="RESERVED", endpoint_service_name="com.amazonaws.vpce.svc", comment="one"
    ),
    "FAILED is tried again with what differs": lambda harness: harness.atlas.put(
        ENDPOINT, status="FAILED", endpoint_service_name="com.amazonaws.vpce.svc", comment="one"
    ),
}


class TestStates:
    @pytest.mark.parametrize("state", STATES)
    async def test_a_state_that_takes_the_connection(self, harness: Harness, state: str) -> None:
        STATES[state](harness)
        harness.atlas.stores = lambda endpoint: endpoint.model_copy(update={"status": "INITIATING"})
        resource = harness.create(comment="one", cloudProviderEndpointId=VPCE)
        await harness.run_for(0)
        assert harness.atlas.calls == ["LIST", "PATCH cloudProviderEndpointId"]
        assert resource.ready == ("False", "Initiating")
        harness.atlas.put(ENDPOINT, status="AVAILABLE")
        await harness.run_for(10)
        assert resource.ready == AVAILABLE
        assert "PATCH" not in "".join(harness.atlas.calls[2:])

    async def test_force_sync_of_a_failed_endpoint_sends_everything_once(self, harness: Harness) -> None:
        harness.atlas.put(
            ENDPOINT,
            status="FAILED",
            endpoint_service_name="com.amazonaws.vpce.svc",
            comment="one",
            cloud_provider_endpoint_id=VPCE,
            error_message="the cloud said no",
        )
        resource = harness.create(comment="one", cloudProviderEndpointId=VPCE)
        await harness.run_for(INTERVAL)
        assert resource.ready == ("False", "EndpointFailed")
        assert "the cloud said no" in resource.message
        assert not [call for call in harness.atlas.calls if call.startswith("PATCH")]
        harness.annotate(resource, force_sync="now")
        await harness.run_for(3 * INTERVAL)
        assert [call for call in harness.atlas.calls if call.startswith("PATCH")] == [
            "PATCH cloudProviderEndpointId,comment"
        ]

    async def test_an_old_state_right_after_a_write_causes_no_second_write(self, harness: Harness) -> None:
        harness.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name="com.amazonaws.vpce.svc", comment="one")
        before = harness.atlas.endpoints[ENDPOINT]
        harness.atlas.stores = lambda _: before
        resource = harness.create(comment="one", cloudProviderEndpointId=VPCE)
        await harness.run_for(20)
        assert harness.atlas.calls.count("PATCH cloudProviderEndpointId") == 1
        assert resource.ready == ("False", "Initiating")

    async def test_time_that_provisioning_takes_counts_from_when_the_state_was_first_seen(
        self, harness: Harness
    ) -> None:
        harness.atlas.put(ENDPOINT, status="INITIATING", comment="one", cloud_provider_endpoint_id=VPCE)
        resource = harness.create(comment="one", cloudProviderEndpointId=VPCE, provisioningTimeout="1h")
        await harness.run_for(3500)
        assert resource.ready == ("False", "Initiating")
        await harness.run_for(200)
        assert resource.ready == ("False", "ProvisioningTimeout")
        harness.atlas.put(ENDPOINT, status="AVAILABLE")
        await harness.run_for(INTERVAL)
        assert resource.ready == AVAILABLE
