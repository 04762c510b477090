"""Stories about passes: what Atlas was asked, what it holds afterwards, and what the resource says about it."""

import asyncio
import itertools
import logging
import math
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
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.atlas.snapshots import DOUBT, Instance
from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.engine.outcome import Again, Rest, Retry
from atlas_endpoints.kinds.errors import NoCredentialsError
from atlas_endpoints.kinds.serverless_private_endpoint import glance
from atlas_endpoints.kinds.serverless_private_endpoint.comparison import Fields
from atlas_endpoints.kinds.serverless_private_endpoint.context import Context
from atlas_endpoints.kinds.serverless_private_endpoint.failures import SECRET_LOOK
from atlas_endpoints.kinds.serverless_private_endpoint.plan import plan
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Action
from unit.kinds.serverless_private_endpoint.world import (
    ENDPOINT,
    INSTANCE,
    PROJECT,
    VPCE,
    Resource,
    World,
    absent,
    held,
    lost,
    unavailable,
)

INTERVAL = 600.0
ANOTHER = "7f7cac1adf5d6c6306f4b283"
OTHER_VPCE = "vpce-0123456789abcdef1"
AVAILABLE = ("True", "Available")


async def settled(world: World, **spec: Any) -> Resource:
    """A resource whose endpoint is as it wants it, looked at a while ago."""
    spec = spec or {"comment": "one"}
    world.atlas.put(ENDPOINT, comment=str(spec.get("comment", "one")))
    resource = world.create(**spec)
    await world.settle()
    assert resource.ready == AVAILABLE
    return resource


def comment(world: World) -> str | None:
    return world.atlas.endpoints[ENDPOINT].comment


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


class TestActingOnWhatIsKnown:
    async def test_the_first_pass_lists_once_and_sends_nothing_when_all_is_as_desired(self, world: World) -> None:
        world.atlas.put(ENDPOINT, comment="one")
        resource = world.create(comment="one")
        await world.run_for(0)
        assert world.atlas.calls == ["LIST"]
        assert resource.ready == AVAILABLE
        assert resource.status["applied"] == {"generation": 1, "comment": "one"}
        assert resource.status["resolved"]["credentialsSource"] == "operator/atlas"
        valid = resource.condition("CredentialsValid")
        assert valid is not None
        assert (valid["status"], valid["reason"]) == ("True", "Verified")

    async def test_the_first_pass_sends_only_what_differs(self, world: World) -> None:
        world.atlas.put(ENDPOINT, comment="somebody's", cloud_provider_endpoint_id=VPCE)
        resource = world.create(comment="one", cloudProviderEndpointId=VPCE)
        await world.run_for(0)
        assert world.atlas.calls == ["LIST", "PATCH comment"]
        assert comment(world) == "one"
        assert resource.ready == AVAILABLE
        assert resource.status["history"][0]["cause"] == "FirstContact"

    async def test_first_contact_is_made_also_when_drift_is_only_reported(self, world: World) -> None:
        world.atlas.put(ENDPOINT, comment="somebody's")
        world.create(comment="one", driftPolicy="Report")
        await world.run_for(0)
        assert comment(world) == "one"

    async def test_an_edit_acts_on_memory_with_one_patch_and_no_list(self, world: World) -> None:
        resource = await settled(world)
        world.edit(resource, comment="two")
        await world.run_for(0)
        assert world.atlas.calls == ["PATCH comment"]
        assert comment(world) == "two"
        assert resource.ready == AVAILABLE
        assert resource.status["observedGeneration"] == 2
        assert world.writes["db"] == 1

    async def test_first_contact_acts_on_memory_too(self, world: World) -> None:
        """Another resource of the instance has had it listed."""
        world.atlas.put("6f7cac1adf5d6c6306f4b000", comment="somebody's")
        await settled(world)
        world.create("other", "6f7cac1adf5d6c6306f4b000", comment="other")
        await world.run_for(0)
        assert world.atlas.calls == ["PATCH comment"]

    async def test_force_sync_looks_although_the_last_look_was_a_moment_ago(self, world: World) -> None:
        world.atlas.put(ENDPOINT, comment="one")
        resource = world.create(comment="one")
        await world.run_for(1)
        world.atlas.put(ENDPOINT, comment="changed")
        world.annotate(resource, force_sync="now")
        await world.run_for(0)
        assert world.atlas.calls == ["LIST", "LIST", "PATCH comment"]
        assert comment(world) == "one"

    async def test_memory_that_is_older_than_ten_minutes_is_not_acted_on(self, world: World) -> None:
        resource = await settled(world, comment="one", syncInterval="24h")
        await world.run_for(700)
        world.edit(resource, comment="two")
        await world.run_for(0)
        assert world.atlas.calls == ["LIST", "PATCH comment"]

    async def test_memory_that_is_older_than_the_interval_is_not_acted_on(self, world: World) -> None:
        resource = await settled(world, comment="one", syncInterval="2m")
        world.atlas.go_down("LIST")
        await world.run_for(130)
        world.atlas.come_back()
        world.reset_log()
        world.edit(resource, comment="two")
        await world.run_for(0)
        assert world.atlas.calls == ["LIST", "PATCH comment"]

    async def test_memory_never_says_ready(self, world: World) -> None:
        """An edit for which memory shows no difference is observed first, and so finds what it could not remember."""
        resource = await settled(world)
        world.atlas.put(ENDPOINT, comment="changed in the UI meanwhile")
        world.edit(resource, provisioningTimeout="3h")
        await world.run_for(0)
        assert world.atlas.calls == ["LIST", "PATCH comment"]
        assert resource.ready == AVAILABLE
        assert comment(world) == "one"

    async def test_memory_never_corrects_drift(self, world: World) -> None:
        """What a LIST showed a while ago may have been mended by whoever did it."""
        resource = await settled(world)
        world.atlas.put(ENDPOINT, comment="changed")
        world.atlas.go_down("PATCH", error=RateLimitedError("Slow down.", operation="PATCH", http_status=429))
        await world.run_for(INTERVAL)
        world.atlas.put(ENDPOINT, comment="one")
        world.atlas.come_back()
        world.reset_log()
        await world.run_for(INTERVAL)
        assert "PATCH comment" not in world.atlas.calls
        assert resource.ready == AVAILABLE

    async def test_two_edits_in_a_row_end_with_the_last_one(self, world: World) -> None:
        resource = await settled(world)
        world.edit(resource, comment="two")
        world.edit(resource, comment="three")
        await world.run_for(0)
        assert world.atlas.calls == ["PATCH comment"]
        assert comment(world) == "three"

    async def test_resources_of_one_instance_share_their_first_list(self, world: World) -> None:
        ids = [f"6f7cac1adf5d6c6306f4b{number:03x}" for number in range(50)]
        for number, id_ in enumerate(ids):
            world.atlas.put(id_, comment="one")
            world.create(f"db-{number}", id_, comment="one")
        await world.run_for(0)
        assert world.atlas.calls == ["LIST"]
        assert all(resource.ready == AVAILABLE for resource in world.resources.values())

    async def test_a_settled_resource_costs_nothing_but_its_share_of_the_round(self, world: World) -> None:
        await settled(world)
        await world.run_for(3600)
        assert world.atlas.calls == ["LIST"] * 6
        assert not world.writes
        assert not world.passes

    async def test_an_announced_end_of_the_api_is_shown(self, world: World) -> None:
        world.atlas.announce_the_end(datetime(2026, 1, 22, tzinfo=UTC))
        resource = await settled(world)
        deprecated = resource.condition("Deprecated")
        assert deprecated is not None
        assert deprecated["reason"] == "APISunset"

    async def test_an_end_that_is_announced_later_is_shown_by_the_round(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.announce_the_end(datetime(2027, 1, 22, tzinfo=UTC))
        await world.run_for(INTERVAL)
        deprecated = resource.condition("Deprecated")
        assert deprecated is not None
        assert deprecated["reason"] == "APIDeprecated"

    async def test_an_end_that_passes_is_shown_by_the_round(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.announce_the_end(world.clock.now() + timedelta(seconds=3 * INTERVAL))
        await world.run_for(2 * INTERVAL)
        assert [each["reason"] for each in resource.status["conditions"]][-1] == "APIDeprecated"
        await world.run_for(2 * INTERVAL)
        assert [each["reason"] for each in resource.status["conditions"]][-1] == "APISunset"

    async def test_a_round_plans_nothing_for_what_is_as_it_was(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resource = await settled(world)
        planned: list[str | None] = []

        def counting(desired: Fields, observed: Endpoint, context: Context) -> Action:
            planned.append(observed.comment)
            return plan(desired, observed, context)

        monkeypatch.setattr(glance, "plan", counting)
        await world.run_for(5 * INTERVAL)
        assert planned == ["one"]
        world.atlas.put(comment="by hand")
        await world.run_for(INTERVAL)
        assert comment(world) == "one"
        planned.clear()
        world.edit(resource, comment="two")
        await world.run_for(3 * INTERVAL)
        assert comment(world) == "two"
        assert planned.count("two") == 1, "for the first round after the edit"


class TestLostAnswers:
    @pytest.mark.parametrize("applies", ["never", "at once"])
    async def test_a_lost_answer_is_found_out_by_a_list_that_began_after_it(self, world: World, applies: "str") -> None:
        resource = await settled(world)
        world.atlas.fail_once("PATCH", lost(), applies="at once" if applies == "at once" else "never")
        world.edit(resource, comment="two")
        await world.run_for(0)
        assert world.atlas.calls == ["PATCH comment"]
        assert resource.ready == ("False", "AtlasUnavailable")
        assert "applied" not in resource.status
        assert resource.status["history"][0]["result"] == "Unknown: AtlasUnavailable"
        world.reset_log()
        await world.run_for(1)
        assert world.atlas.calls == (["LIST"] if applies == "at once" else ["LIST", "PATCH comment"])
        assert comment(world) == "two"
        assert resource.ready == AVAILABLE

    async def test_one_more_look_follows_when_the_write_cannot_be_applied_any_more(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.fail_once("PATCH", lost(), applies="at once")
        world.edit(resource, comment="two")
        await world.run_for(DOUBT - 1)
        world.reset_log()
        await world.run_for(2)
        assert world.atlas.calls == ["LIST"]
        world.reset_log()
        await world.run_for(INTERVAL - DOUBT)
        assert world.atlas.calls in ([], ["LIST"])  # of the round
        assert not world.passes

    @pytest.mark.parametrize("policy", ["Correct", "Report"])
    async def test_a_write_that_is_applied_late_is_healed(self, world: World, policy: str) -> None:
        """Also where drift is only reported: it is no drift, it is ours."""
        resource = await settled(world, comment="one", driftPolicy=policy)
        world.atlas.fail_once("PATCH", lost(), applies="late")
        world.edit(resource, comment="two")
        await world.run_for(0)
        world.edit(resource, comment="three")
        await world.run_for(30)
        assert comment(world) == "three"
        world.atlas.apply_late()
        assert comment(world) == "two"
        await world.run_for(DOUBT)
        assert comment(world) == "three"
        assert resource.ready == AVAILABLE

    async def test_a_late_application_is_healed_although_somebody_else_looked_first(self, world: World) -> None:
        """Another resource of the instance LISTs between the end of the doubt and this one's own look."""
        resource = await settled(world, comment="one", driftPolicy="Report")
        world.atlas.put("6f7cac1adf5d6c6306f4b000", comment="other")
        other = world.create("other", "6f7cac1adf5d6c6306f4b000", comment="other")
        await world.run_for(10)
        world.atlas.fail_once("PATCH", lost(), applies="late")
        world.edit(resource, comment="two")
        await world.run_for(0)
        world.edit(resource, comment="one")
        await world.run_for(30)
        world.atlas.apply_late()
        world.clock.seconds += DOUBT
        world.annotate(other, force_sync="now")
        await world.pass_over(other)
        assert world.atlas.calls[-1] == "LIST"
        await world.run_for(0)
        assert comment(world) == "one"
        assert resource.ready == AVAILABLE

    async def test_a_late_application_is_healed_although_the_first_attempt_at_it_is_held_back(
        self, world: World
    ) -> None:
        resource = await settled(world, comment="one", driftPolicy="Report")
        world.atlas.fail_once("PATCH", lost(), applies="late")
        world.edit(resource, comment="two")
        await world.run_for(0)
        world.edit(resource, comment="one")
        await world.run_for(30)
        world.atlas.apply_late()
        world.atlas.fail_once("PATCH", held("RateLimited", retry_after=10.0))
        await world.run_for(DOUBT + 20)
        assert comment(world) == "one"
        assert resource.ready == AVAILABLE

    async def test_healing_a_late_application_is_not_given_up_when_it_is_refused(self, world: World) -> None:
        resource = await settled(world, comment="one", driftPolicy="Report")
        world.atlas.fail_once("PATCH", lost(), applies="late")
        world.edit(resource, comment="two")
        await world.run_for(0)
        world.edit(resource, comment="one")
        await world.run_for(30)
        world.atlas.apply_late()
        world.atlas.fail_once("PATCH", rejected())
        await world.run_for(DOUBT)
        assert resource.ready == ("False", "UpdateRejected")
        assert world.atlas.calls[-3:] == ["LIST", "PATCH comment", "LIST"], "once, and then slowly"
        await world.run_for(INTERVAL)
        assert comment(world) == "one"
        assert resource.ready == AVAILABLE

    async def test_a_refusal_that_a_lost_write_has_caused_by_arriving_late_is_planned_anew_and_not_told(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name="service")
        world.atlas.fail_once("PATCH", lost(), applies="late")
        resource = world.create(cloudProviderEndpointId=VPCE)
        await world.run_for(0)
        update = world.atlas.update

        async def comes_second(*args: Any, **kwargs: Any) -> Endpoint:
            monkeypatch.undo()
            world.atlas.apply_late()
            world.atlas.put(ENDPOINT, status="INITIATING")
            world.atlas.fail_once("PATCH", rejected())
            return await update(*args, **kwargs)

        monkeypatch.setattr(world.atlas, "update", comes_second)
        world.edit(resource, cloudProviderEndpointId=VPCE, comment="two")
        await world.run_for(5)

        assert resource.ready == ("False", "Initiating")
        assert comment(world) == "two"
        assert not any("Rejected" in entry["result"] for entry in resource.status["history"])

    async def test_the_last_look_is_not_put_off_by_a_wait_for_something_else(self, world: World) -> None:
        world.atlas.put(ENDPOINT, status="INITIATING", comment="one")
        resource = world.create(comment="one")
        await world.run_for(3000)
        world.atlas.fail_once("PATCH", lost(), applies="at once")
        world.edit(resource, comment="two")
        await world.run_for(40)
        world.annotate(resource, force_sync="now")
        outcome = await world.pass_over(resource)
        assert isinstance(outcome.next, Again)
        assert outcome.next.delay == pytest.approx(DOUBT - 40)

    async def test_a_look_that_ends_after_the_doubt_and_began_before_is_not_the_last(self, world: World) -> None:
        resource = await settled(world, comment="one", driftPolicy="Report")
        world.atlas.fail_once("PATCH", lost(), applies="at once")
        world.edit(resource, comment="two")
        await world.run_for(DOUBT - 1)
        world.annotate(resource, force_sync="now")
        world.atlas.next_list_takes = 2.0
        await world.pass_over(resource)
        world.reset_log()
        await world.run_for(10)
        assert world.atlas.calls == ["LIST"], "one more look, and no more than one"
        world.atlas.put(ENDPOINT, comment="changed")
        await world.run_for(INTERVAL)
        assert comment(world) == "changed"
        assert resource.ready == ("False", "Drifted")

    async def test_after_the_last_look_what_differs_is_drift_again(self, world: World) -> None:
        resource = await settled(world, comment="one", driftPolicy="Report")
        world.atlas.fail_once("PATCH", lost(), applies="at once")
        world.edit(resource, comment="two")
        await world.run_for(DOUBT + 10)
        world.atlas.put(ENDPOINT, comment="changed")
        await world.run_for(INTERVAL)
        assert comment(world) == "changed"
        assert resource.ready == ("False", "Drifted")

    async def test_an_edit_at_the_end_of_a_doubt_has_the_last_look_first(self, world: World) -> None:
        resource = await settled(world, comment="one", driftPolicy="Report")
        world.atlas.fail_once("PATCH", lost(), applies="at once")
        world.edit(resource, comment="two")
        await world.run_for(30)
        world.reset_log()
        world.clock.seconds += DOUBT
        world.edit(resource, comment="three")
        await world.run_for(0)
        assert world.atlas.calls == ["LIST", "PATCH comment"]
        world.atlas.put(ENDPOINT, comment="changed")
        await world.run_for(INTERVAL)
        assert resource.ready == ("False", "Drifted")

    async def test_reverting_an_edit_while_atlas_fails_ends_with_the_revert(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.fail_once("PATCH", lost(), applies="at once")
        world.edit(resource, comment="two")
        await world.run_for(0)
        world.atlas.go_down()
        world.edit(resource, comment="one")
        await world.run_for(20)
        assert resource.ready == ("False", "AtlasUnavailable")
        world.atlas.come_back()
        await world.run_for(60)
        assert comment(world) == "one"
        assert resource.ready == AVAILABLE
        assert resource.status["observedGeneration"] == 3

    async def test_a_call_that_surely_changed_nothing_leaves_what_is_confirmed(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.fail_once(
            "PATCH", RateLimitedError("Slow down.", operation="PATCH", http_status=429, retry_after=7.0)
        )
        world.edit(resource, comment="two")
        outcome = await world.pass_over(resource)
        assert outcome.next == Retry(at_least=7.0)
        assert resource.ready == ("False", "RateLimited")
        assert resource.status["applied"] == {"generation": 2}, "what the spec has left counts no more"
        assert resource.status["drift"] == [{"field": "comment", "desired": "two", "actual": "one"}]
        assert "history" not in resource.status
        world.reset_log()
        await world.run_for(10)
        assert comment(world) == "two"


class TestCrashes:
    @pytest.mark.parametrize("policy", ["Correct", "Report"])
    @pytest.mark.parametrize("next_status", ["an outage", "a missing Secret", "suspended"])
    async def test_a_revert_ends_right_though_the_edit_was_sent_and_never_told_of(
        self, world: World, next_status: str, policy: str
    ) -> None:
        """The process ends between a PATCH and its status; the next status of that spec cannot know of the PATCH."""
        resource = await settled(world, comment="one", driftPolicy=policy, credentialsSecretRef={"name": "mine"})
        world.edit(resource, comment="two")
        world.atlas.put(ENDPOINT, comment="two")
        world.restart()
        match next_status:
            case "an outage":
                world.atlas.go_down()
            case "a missing Secret":
                missing = NoCredentialsError("SecretNotFound", "Gone.", source="resource/mine", retry_in=60.0)
                world.secrets.found["mine"] = missing
            case _:
                world.annotate(resource, reconcile_policy="skip")
        await world.pass_over(resource)
        assert resource.status["observedGeneration"] == 2
        world.atlas.come_back()
        world.secrets.found["mine"] = "mine-1"
        world.annotate(resource, reconcile_policy="")
        world.edit(resource, comment="one")
        await world.run_for(5)
        assert comment(world) == "one"
        assert resource.ready == AVAILABLE

    async def test_a_spec_that_no_status_tells_of_may_have_been_sent_in_all_its_fields(self, world: World) -> None:
        world.atlas.put(ENDPOINT, comment="one", cloud_provider_endpoint_id=VPCE)
        resource = world.create(comment="one", cloudProviderEndpointId=VPCE, driftPolicy="Report")
        await world.settle()
        world.edit(resource, cloudProviderEndpointId=OTHER_VPCE)
        world.atlas.put(ENDPOINT, cloud_provider_endpoint_id=OTHER_VPCE)
        world.restart()
        world.edit(resource, cloudProviderEndpointId=VPCE, comment="three")
        world.atlas.go_down()
        await world.run_for(5)
        world.atlas.come_back()
        await world.run_for(10)
        assert world.atlas.endpoints[ENDPOINT].cloud_provider_endpoint_id == VPCE
        assert resource.ready == AVAILABLE

    async def test_what_the_spec_has_not_left_stays_confirmed_through_an_outage(self, world: World) -> None:
        world.atlas.put(ENDPOINT, comment="one", cloud_provider_endpoint_id=VPCE)
        resource = world.create(comment="one", cloudProviderEndpointId=VPCE, driftPolicy="Report")
        await world.settle()
        world.atlas.go_down()
        world.edit(resource, comment="two")
        await world.run_for(5)
        assert resource.status["applied"] == {"generation": 2, "cloudProviderEndpointId": VPCE}
        world.atlas.put(ENDPOINT, cloud_provider_endpoint_id=OTHER_VPCE)
        world.atlas.come_back()
        world.reset_log()
        await world.run_for(INTERVAL)
        assert [each for each in world.atlas.calls if each != "LIST"] == ["PATCH comment"]
        assert resource.ready == ("False", "Drifted")


class Talkative(dict[str, Endpoint]):
    """Endpoints of which Atlas has something else to say at each look."""

    looks = itertools.count()

    @override
    def items(self) -> Any:
        words = {"error_message": f"attempt {next(self.looks)} has failed"}
        return {id_: each.model_copy(update=words) for id_, each in super().items()}.items()


class TestRefusals:
    async def test_one_is_told_though_the_words_of_the_endpoint_are_others_at_each_look(self, world: World) -> None:
        """Else the change would be sent again at once, for ever."""
        world.atlas.put(comment="zero")
        world.atlas.endpoints = Talkative(world.atlas.endpoints)
        world.atlas.go_down("PATCH", error=rejected())
        resource = world.create(comment="one")
        await world.pass_over(resource)
        assert resource.ready == ("False", "UpdateRejected")

    async def test_a_refusal_is_told_in_atlas_words(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.go_down("PATCH", error=rejected())
        world.edit(resource, comment="two")
        await world.run_for(0)
        assert resource.ready == ("False", "UpdateRejected")
        assert "comment is not allowed" in resource.message
        assert resource.condition("Stalled") is not None
        assert resource.status["lastError"]["fields"] == ["comment"]
        assert resource.status["endpoint"]["comment"] == "one"
        assert resource.status["drift"] == [{"field": "comment", "desired": "two", "actual": "one"}]

    async def test_a_refused_change_is_repeated_as_seldom_as_a_healthy_resource_is_checked(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.go_down("PATCH", error=rejected())
        world.edit(resource, comment="two")
        await world.run_for(10)
        world.reset_log()
        await world.run_for(3600)
        assert world.atlas.calls.count("PATCH comment") == 6
        assert world.atlas.calls.count("LIST") == 6
        assert not world.writes, "nothing new is there to say"
        world.atlas.come_back()
        await world.run_for(INTERVAL)
        assert resource.ready == AVAILABLE

    async def test_force_sync_repeats_a_refused_change_at_once(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.go_down("PATCH", error=rejected())
        world.edit(resource, comment="two")
        await world.run_for(10)
        world.atlas.come_back()
        world.annotate(resource, force_sync="now")
        await world.run_for(0)
        assert comment(world) == "two"
        assert resource.ready == AVAILABLE
        assert resource.status["lastHandledReconcileAt"] == "now"

    async def test_other_fields_go_without_the_one_that_atlas_refuses(self, world: World) -> None:
        resource = await settled(world)

        world.atlas.stores = takes_no_connection
        world.edit(resource, comment="two", cloudProviderEndpointId=VPCE)
        await world.run_for(1)
        assert comment(world) == "two"
        assert world.atlas.calls[-1] == "PATCH comment"
        assert resource.ready == ("False", "UpdateRejected")
        assert "cannot be changed once AVAILABLE" in resource.message
        assert resource.status["lastError"]["fields"] == ["cloudProviderEndpointId"]
        world.reset_log()
        world.edit(resource, comment="three")
        await world.run_for(1)
        assert world.atlas.calls == ["PATCH comment"]
        assert comment(world) == "three"

    async def test_a_refused_change_of_what_was_confirmed_before_is_still_a_refused_change(self, world: World) -> None:
        """It is repeated slowly, and not taken for something that Atlas has stored otherwise."""
        world.atlas.put(ENDPOINT, comment="one", cloud_provider_endpoint_id=VPCE)
        resource = world.create(comment="one", cloudProviderEndpointId=VPCE)
        await world.settle()
        world.atlas.stores = takes_no_other_connection
        world.edit(resource, comment="two", cloudProviderEndpointId=OTHER_VPCE)
        await world.run_for(10)
        assert comment(world) == "two"
        assert "cannot be changed once AVAILABLE" in resource.message
        world.reset_log()
        await world.run_for(3 * INTERVAL)
        assert world.atlas.calls.count("PATCH cloudProviderEndpointId") == 3
        assert resource.ready == ("False", "UpdateRejected")

    async def test_a_refusal_that_no_longer_matters_is_not_kept(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.stores = takes_no_connection
        world.edit(resource, cloudProviderEndpointId=VPCE)
        await world.run_for(10)
        world.atlas.put(ENDPOINT, status="INITIATING")
        await world.run_for(INTERVAL)
        assert resource.ready == ("False", "Initiating")
        assert "lastError" not in resource.status

    async def test_what_was_refused_stays_known_while_nothing_is_sent(self, world: World) -> None:
        """A pass right after the change of the other fields says the same, and forgets no refusal."""
        resource = await settled(world)
        world.atlas.stores = takes_no_connection
        world.edit(resource, comment="two", cloudProviderEndpointId=VPCE)
        await world.run_for(1)
        assert comment(world) == "two"
        before = resource.status
        for _ in range(3):
            await world.pass_over(resource)
        assert {**resource.status, "history": ()} == {**before, "history": ()}
        assert [each["fields"] for each in resource.status["history"]] == [
            ["cloudProviderEndpointId"],
            ["comment"],
            ["cloudProviderEndpointId", "comment"],
        ]

    async def test_a_field_that_atlas_takes_after_all_and_stores_otherwise_is_told_as_that(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.fail_once("PATCH", rejected("comment is not allowed"))
        world.edit(resource, comment="two")
        await world.run_for(0)
        assert "is not allowed" in resource.message
        world.atlas.stores = lambda endpoint: endpoint.model_copy(update={"comment": "TWO"})
        world.annotate(resource, force_sync="now")
        await world.run_for(0)
        assert resource.ready == ("False", "UpdateRejected")
        assert "comment is 'TWO', not 'two'" in resource.message
        assert "lastError" not in resource.status

    async def test_a_refusal_because_memory_was_old_is_planned_anew_on_a_fresh_look(self, world: World) -> None:
        resource = await settled(world, comment="one", cloudProviderEndpointId=VPCE)
        world.atlas.put(ENDPOINT, cloud_provider_endpoint_id=VPCE, comment="changed in the UI")
        world.atlas.fail_once("PATCH", rejected("cloudProviderEndpointId cannot be changed"))
        world.edit(resource, comment="two")
        await world.run_for(0)
        assert world.atlas.calls == ["PATCH comment", "LIST", "PATCH comment"]
        assert comment(world) == "two"
        assert resource.ready == AVAILABLE
        assert world.writes["db"] == 1, "the refusal was never a fact about this resource"

    async def test_a_refusal_is_believed_when_a_fresh_look_shows_what_was_remembered(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.fail_once("PATCH", rejected())
        world.edit(resource, comment="two")
        await world.run_for(0)
        assert world.atlas.calls == ["PATCH comment", "LIST"]
        assert resource.ready == ("False", "UpdateRejected")

    async def test_the_same_refusal_is_one_entry_of_the_history(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.go_down("PATCH", error=rejected())
        world.edit(resource, comment="two")
        await world.run_for(3 * INTERVAL)
        assert [each["result"] for each in resource.status["history"]] == ["Rejected: INVALID_ATTRIBUTE"]

    async def test_a_change_that_is_stored_otherwise_is_rejected_and_not_repeated_for_that_generation(
        self, world: World
    ) -> None:
        resource = await settled(world)
        world.atlas.stores = lambda endpoint: endpoint.model_copy(update={"comment": "shortened"})
        world.edit(resource, comment="two")
        await world.run_for(0)
        assert resource.ready == ("False", "UpdateRejected")
        assert "comment is 'shortened', not 'two'" in resource.message
        world.reset_log()
        await world.run_for(3600)
        assert set(world.atlas.calls) == {"LIST"}
        assert not world.writes
        world.atlas.stores = lambda endpoint: endpoint
        world.edit(resource, comment="three")
        await world.run_for(0)
        assert comment(world) == "three"
        assert resource.ready == AVAILABLE

    async def test_a_first_change_that_is_stored_otherwise_is_rejected_too(self, world: World) -> None:
        world.atlas.put(ENDPOINT, comment="somebody's")
        world.atlas.stores = lambda endpoint: endpoint.model_copy(update={"comment": "shortened"})
        resource = world.create(comment="one")
        await world.run_for(0)
        assert resource.ready == ("False", "UpdateRejected")

    async def test_a_change_that_is_stored_otherwise_while_another_is_in_doubt_is_not_repeated_all_the_time(
        self, world: World
    ) -> None:
        resource = await settled(world)
        world.atlas.fail_once("PATCH", lost())
        world.atlas.stores = lambda endpoint: endpoint.model_copy(update={"comment": "shortened"})
        world.edit(resource, comment="two")
        await world.run_for(INTERVAL)
        assert resource.ready == ("False", "UpdateRejected")
        assert world.atlas.calls.count("PATCH comment") == 3, "the lost one, the next, and one after the last look"

    @pytest.mark.parametrize("shown", ["one", None], ids=["the old value", "no value"])
    async def test_a_change_that_is_not_shown_yet_is_waited_for_before_it_is_called_rejected(
        self, world: World, shown: str | None
    ) -> None:
        resource = await settled(world)
        world.atlas.stores = lambda endpoint: endpoint.model_copy(update={"comment": shown})
        world.edit(resource, comment="two")
        await world.run_for(20)
        assert resource.ready == ("Unknown", "Pending")
        await world.run_for(20)
        assert resource.ready == ("False", "UpdateRejected")
        assert world.atlas.calls.count("PATCH comment") == 1

    async def test_a_change_that_is_shown_after_a_moment_is_available(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.stores = lambda endpoint: endpoint.model_copy(update={"comment": "one"})
        world.edit(resource, comment="two")
        await world.run_for(11)
        world.atlas.put(ENDPOINT, comment="two")
        await world.run_for(10)
        assert resource.ready == AVAILABLE
        assert world.atlas.calls.count("PATCH comment") == 1


class TestDrift:
    async def test_drift_is_corrected_by_the_round(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.put(ENDPOINT, comment="changed")
        await world.run_for(INTERVAL)
        assert comment(world) == "one"
        assert world.atlas.calls == ["LIST", "PATCH comment"]
        assert resource.ready == AVAILABLE
        assert resource.status["history"][0]["cause"] == "Drift"

    async def test_drift_is_only_reported_when_the_resource_says_so(self, world: World) -> None:
        resource = await settled(world, comment="one", driftPolicy="Report")
        world.atlas.put(ENDPOINT, comment="changed")
        await world.run_for(INTERVAL)
        assert comment(world) == "changed"
        assert resource.ready == ("False", "Drifted")
        assert resource.status["drift"] == [{"field": "comment", "desired": "one", "actual": "changed"}]
        world.reset_log()
        await world.run_for(3 * INTERVAL)
        assert not world.writes
        world.atlas.put(ENDPOINT, comment="one")
        await world.run_for(INTERVAL)
        assert resource.ready == AVAILABLE

    @pytest.mark.parametrize("edits", [1, 2])
    async def test_drift_that_the_answer_to_an_edit_shows_is_drift_all_the_same(self, world: World, edits: int) -> None:
        """What was confirmed before and not sent now counts as confirmed."""
        world.atlas.put(ENDPOINT, comment="one", cloud_provider_endpoint_id=VPCE)
        resource = world.create(comment="one", cloudProviderEndpointId=VPCE, driftPolicy="Report")
        await world.settle()
        world.atlas.put(ENDPOINT, cloud_provider_endpoint_id=OTHER_VPCE)
        for number in range(edits):
            world.edit(resource, comment=f"edit {number}")
        await world.run_for(0)
        assert world.atlas.calls == ["PATCH comment"]
        assert resource.ready == ("False", "Drifted")
        await world.run_for(2 * INTERVAL)
        assert resource.ready == ("False", "Drifted")
        assert set(world.atlas.calls) == {"PATCH comment", "LIST"}

    async def test_a_correction_that_fails_is_not_hidden_behind_ready(self, world: World) -> None:
        """Looking succeeded, and what it showed is not what the spec says."""
        resource = await settled(world)
        world.atlas.put(ENDPOINT, comment="changed")
        world.atlas.go_down("PATCH", error=RateLimitedError("Slow down.", operation="PATCH", http_status=429))
        await world.run_for(INTERVAL)
        assert resource.ready == ("False", "RateLimited")
        assert resource.status["drift"] == [{"field": "comment", "desired": "one", "actual": "changed"}]
        assert resource.status["endpoint"]["comment"] == "changed"


class TestOutages:
    async def test_a_settled_resource_keeps_ready_without_a_write_through_an_outage(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.go_down()
        await world.run_for(1700)
        assert resource.ready == AVAILABLE
        assert not world.writes
        world.atlas.come_back()
        await world.run_for(INTERVAL)
        assert not world.writes

    async def test_a_pass_that_finds_an_outage_and_says_nothing_of_it_is_counted(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.go_down()
        await world.run_for(60)
        outcome = await world.pass_over(resource)
        assert (outcome.verdict, outcome.held_up_by) == (None, "AtlasUnavailable")

    async def test_after_three_intervals_and_half_an_hour_the_outage_is_told(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.go_down()
        await world.run_for(INTERVAL + 1800 + 300)
        assert resource.ready == ("False", "AtlasUnavailable")
        assert world.writes["db"] == 1
        world.atlas.come_back()
        await world.run_for(INTERVAL)
        assert resource.ready == AVAILABLE

    async def test_with_a_long_interval_it_is_told_after_three_of_them(self, world: World) -> None:
        resource = await settled(world, comment="one", syncInterval="30m")
        world.atlas.go_down()
        await world.run_for(1800 + 5300)
        assert resource.ready == AVAILABLE
        await world.run_for(400)
        assert resource.ready == ("False", "AtlasUnavailable")

    async def test_with_a_short_interval_it_is_told_after_half_an_hour(self, world: World) -> None:
        resource = await settled(world, comment="one", syncInterval="1m")
        world.atlas.go_down()
        await world.run_for(60 + 1500)
        assert resource.ready == AVAILABLE
        await world.run_for(700)
        assert resource.ready == ("False", "AtlasUnavailable")

    async def test_a_rate_limit_is_an_outage_like_any_other(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.go_down("LIST", error=held("RateLimited", retry_after=60.0))
        await world.run_for(1700)
        await world.pass_over(resource)
        assert resource.ready == AVAILABLE
        assert not world.writes

    async def test_a_request_is_not_handled_by_an_attempt_that_failed(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.go_down()
        world.edit(resource, comment="two")
        world.annotate(resource, force_sync="now")
        await world.run_for(10)
        assert resource.ready == ("False", "AtlasUnavailable")
        assert "lastHandledReconcileAt" not in resource.status

    async def test_a_person_who_asks_during_an_outage_is_answered_soon_after_it(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.go_down()
        world.annotate(resource, force_sync="now")
        await world.run_for(10)
        assert "lastHandledReconcileAt" not in resource.status
        world.atlas.come_back()
        await world.run_for(10)
        assert resource.status["lastHandledReconcileAt"] == "now"

    async def test_a_look_in_between_that_succeeds_starts_the_time_anew(self, world: World) -> None:
        resource = await settled(world)
        for _ in range(4):
            world.atlas.go_down()
            await world.run_for(1500)
            world.atlas.come_back()
            await world.run_for(INTERVAL)
        assert resource.ready == AVAILABLE
        assert not world.writes

    async def test_a_pass_that_succeeds_starts_the_time_anew_as_a_round_does(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.go_down()
        await world.run_for(1700)
        world.atlas.come_back()
        world.annotate(resource, force_sync="now")
        await world.run_for(0)
        world.atlas.go_down()
        await world.run_for(1700)
        assert resource.ready == AVAILABLE

    async def test_an_edit_during_an_outage_is_not_hidden(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.go_down()
        world.edit(resource, comment="two")
        await world.run_for(0)
        assert resource.ready == ("False", "AtlasUnavailable")
        assert resource.status["observedGeneration"] == 2

    async def test_a_failed_list_is_shared_by_all_resources_of_the_instance(self, world: World) -> None:
        world.atlas.go_down()
        for number in range(50):
            world.create(f"db-{number}", f"6f7cac1adf5d6c6306f4b{number:03x}", comment="one")
        await world.run_for(0)
        assert world.atlas.calls == ["LIST"]
        await world.run_for(600)
        assert len(world.atlas.calls) <= 600 / 5 + 5

    async def test_whoever_does_not_lead_is_quiet(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.go_down("PATCH", error=NotLeaderError("Another replica leads.", operation="PATCH"))
        world.edit(resource, comment="two")
        before = resource.status
        outcome = await world.pass_over(resource)
        assert outcome.verdict is None
        assert outcome.next == Retry()
        assert resource.status == before

    async def test_a_call_that_was_held_back_behind_a_trial_is_quiet(self, world: World) -> None:
        world.atlas.put(ENDPOINT, comment="one")
        world.atlas.fail_once("LIST", held("Pending", retry_after=2.0))
        resource = world.create(comment="one")
        outcome = await world.pass_over(resource)
        assert outcome.next == Again(2.0)
        assert resource.status == {"observedGeneration": -1}
        await world.run_for(2)
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


class TestWaitingForSomebodyElse:
    @pytest.mark.parametrize("reason", ONLY_OTHERS_CAN_HELP)
    async def test_atlas_is_asked_no_more_often_than_for_a_healthy_resource(self, world: World, reason: str) -> None:
        world.atlas.put(ENDPOINT, comment="one")
        world.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP[reason])
        resource = world.create(comment="one")
        await world.run_for(1)
        assert resource.ready == ("False", reason)
        world.reset_log()
        await world.run_for(3600)
        assert world.atlas.calls == ["LIST"] * 6
        assert resource.condition("Stalled") is not None
        assert world.writes["db"] <= 1, "only that it is stalled, once its grace is over"
        world.atlas.come_back()
        await world.run_for(INTERVAL)
        assert resource.ready == AVAILABLE

    async def test_whose_credentials_are_refused_is_told_and_that_they_are_accepted_again(self, world: World) -> None:
        world.atlas.put(ENDPOINT, comment="one")
        world.atlas.go_down("LIST", error=REFUSED)
        world.create(comment="one")
        await world.run_for(1)
        assert set(world.secrets.judgements) == {("operator/atlas", False)}
        world.secrets.judgements.clear()
        world.atlas.come_back()
        await world.run_for(INTERVAL)
        assert set(world.secrets.judgements) == {("operator/atlas", True)}

    async def test_credentials_whose_role_is_too_weak_are_accepted_all_the_same(self, world: World) -> None:
        world.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        world.create(comment="one")
        await world.run_for(1)
        assert set(world.secrets.judgements) == {("operator/atlas", True)}

    @pytest.mark.parametrize("reason", CREDENTIALS_CAN_HELP)
    async def test_a_changed_secret_heals_it_within_the_time_between_looks(self, world: World, reason: str) -> None:
        world.secrets.found["mine"] = "weak"
        world.atlas.put(ENDPOINT, comment="one")
        world.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP[reason])
        resource = world.create(comment="one", credentialsSecretRef={"name": "mine"})
        await world.run_for(200)
        world.atlas.come_back()
        world.secrets.found["mine"], world.secrets.remembered["mine"] = "strong", "weak"
        world.reset_log()
        await world.run_for(SECRET_LOOK)
        assert resource.ready == AVAILABLE
        assert world.atlas.credentials == ["strong"]

    @pytest.mark.parametrize("reason", CREDENTIALS_CAN_HELP)
    async def test_the_first_that_finds_a_secret_changed_has_the_others_helped_at_once(
        self, world: World, reason: str
    ) -> None:
        """However much later they would have looked themselves; who waits for another Secret is left alone."""
        world.secrets.found.update(mine="weak", other="weak too")
        ids = [f"{number:024x}" for number in range(4)]
        for each in ids:
            world.atlas.put(each, comment="one")
        world.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP[reason])
        waiting: list[Resource] = []
        for number, secret in enumerate(["mine", "mine", "other", "mine"]):
            reference = {"name": secret}
            waiting.append(world.create(f"db-{number}", ids[number], comment="one", credentialsSecretRef=reference))
            await world.run_for(7)
        world.atlas.come_back()
        world.secrets.found["mine"] = "strong"
        world.reset_log()
        await world.run_for(2)
        assert [each.ready[1] for each in waiting] == ["Available", "Available", reason, "Available"]
        assert world.atlas.credentials == ["strong"]
        assert world.passes == {"db-0": 1, "db-1": 1, "db-3": 1}

    async def test_who_was_woken_for_nothing_waits_on_and_is_woken_again(self, world: World) -> None:
        """Secrets of one name in two namespaces may hold the same credentials."""
        world.secrets.found.update(mine="weak", twin="weak")
        world.secrets.sources["twin"] = "resource/mine"
        ids = [f"{number:024x}" for number in range(3)]
        for each in ids:
            world.atlas.put(each, comment="one")
        world.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        waiting: list[Resource] = []
        for number, secret in enumerate(["mine", "twin", "twin"]):
            reference = {"name": secret}
            waiting.append(world.create(f"db-{number}", ids[number], comment="one", credentialsSecretRef=reference))
            await world.run_for(5)
        first, twin, other_twin = waiting
        world.atlas.come_back()
        world.secrets.found["mine"] = "strong"
        await world.pass_over(first)
        await world.run_for(0)
        assert (twin.ready[1], other_twin.ready[1]) == ("MissingRole", "MissingRole")
        world.secrets.found["twin"] = "stronger"
        await world.pass_over(twin)
        await world.run_for(0)
        assert other_twin.ready == AVAILABLE

    async def test_looking_at_the_secret_costs_no_call_and_no_write(self, world: World) -> None:
        world.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        world.create(comment="one")
        await world.run_for(150)
        world.reset_log()
        await world.run_for(300)
        assert not world.atlas.calls
        assert not world.writes
        assert len(world.secrets.reads) == 300 / SECRET_LOOK
        assert set(world.secrets.reads) == {Age.FRESH}, "an older one could be of before the change"

    async def test_a_request_is_handled_by_an_answer_that_will_not_change_by_itself(self, world: World) -> None:
        world.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        resource = world.create(comment="one")
        world.annotate(resource, force_sync="now")
        await world.run_for(0)
        assert resource.status["lastHandledReconcileAt"] == "now"

    async def test_a_pass_in_between_puts_nothing_off(self, world: World) -> None:
        """Neither the end of the grace nor the next look at the Secret."""
        world.secrets.found["mine"] = "weak"
        for each in (ENDPOINT, ANOTHER):
            world.atlas.put(each, comment="one")
        world.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        resource = world.create(comment="one", credentialsSecretRef={"name": "mine"})
        await world.run_for(15)
        await world.pass_over(resource)
        await world.run_for(106)
        assert resource.condition("Stalled") is not None
        other = world.create("other", ANOTHER, comment="one", credentialsSecretRef={"name": "mine"})
        await world.run_for(15)
        await world.pass_over(other)
        world.secrets.found["mine"] = "strong"
        world.atlas.come_back()
        await world.run_for(SECRET_LOOK)
        assert other.ready == AVAILABLE

    async def test_what_was_found_is_not_repeated_once_it_was_otherwise(self, world: World) -> None:
        world.atlas.put(ENDPOINT, comment="one")
        world.atlas.fail_once("LIST", ONLY_OTHERS_CAN_HELP["MissingRole"])
        resource = world.create(comment="one")
        await world.run_for(1)
        world.annotate(resource, force_sync="now")
        await world.run_for(1)
        assert resource.ready == AVAILABLE
        world.annotate(resource, force_sync="")
        await world.run_for(1)
        assert resource.ready == AVAILABLE

    async def test_it_counts_as_stalled_when_its_grace_is_over_and_no_sooner(self, world: World) -> None:
        world.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        resource = world.create(comment="one")
        await world.run_for(119)
        assert resource.condition("Reconciling") is not None
        await world.run_for(2)
        assert resource.condition("Stalled") is not None
        assert world.atlas.calls == ["LIST"]

    async def test_a_role_that_is_too_weak_to_write_costs_one_patch_an_interval(self, world: World) -> None:
        world.atlas.put(ENDPOINT, comment="one")
        world.atlas.go_down("PATCH", error=MissingRoleError("Too weak.", operation="PATCH", http_status=403))
        resource = world.create(comment="two")
        await world.run_for(1)
        assert resource.ready == ("False", "MissingRole")
        world.reset_log()
        await world.run_for(3600)
        assert world.atlas.calls.count("PATCH comment") == 6
        world.atlas.come_back()
        await world.run_for(INTERVAL)
        assert comment(world) == "two"

    @pytest.mark.parametrize("change", ["edit", "force-sync"])
    async def test_a_person_who_asks_is_answered_at_once(self, world: World, change: str) -> None:
        world.atlas.put(ENDPOINT, comment="one")
        world.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        resource = world.create(comment="one")
        await world.run_for(200)
        world.atlas.come_back()
        if change == "edit":
            world.edit(resource, comment="two")
        else:
            world.annotate(resource, force_sync="now")
        await world.run_for(1)
        assert resource.ready == AVAILABLE

    async def test_a_new_resource_of_the_same_name_is_not_taken_for_the_one_before(self, world: World) -> None:
        world.atlas.put(ENDPOINT, comment="one")
        world.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        world.create(comment="one")
        await world.run_for(10)
        world.atlas.come_back()
        successor = Resource("db", ENDPOINT, {"comment": "one"})
        successor.uid = "uid-successor"
        world.resources[successor.key] = successor
        await world.pass_over(successor)
        assert successor.ready == AVAILABLE

    async def test_credentials_that_were_refused_are_read_again_at_once(self, world: World) -> None:
        """The Secret was changed a moment ago, and what is remembered of it is what was refused."""
        world.atlas.put(ENDPOINT, comment="one")
        world.atlas.fail_once("LIST", REFUSED)
        resource = world.create(comment="one", credentialsSecretRef={"name": "mine"})
        world.secrets.remembered["mine"] = "old"
        world.secrets.found["mine"] = "new"
        await world.pass_over(resource)
        assert world.secrets.reads == [Age.RECENT, Age.ANEW]
        assert world.atlas.credentials == ["old", "new"]
        assert resource.ready == AVAILABLE

    async def test_credentials_that_are_the_same_after_reading_them_again_are_not_tried_again(
        self, world: World
    ) -> None:
        world.atlas.go_down("LIST", error=REFUSED)
        resource = world.create(comment="one")
        await world.pass_over(resource)
        assert world.atlas.calls == ["LIST"]
        assert resource.ready == ("False", "CredentialsInvalid")

    async def test_the_same_credentials_are_not_used_for_a_second_write_that_is_refused(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.go_down("PATCH", error=REFUSED)
        world.edit(resource, comment="two")
        await world.pass_over(resource)
        assert world.atlas.calls == ["PATCH comment"]
        assert resource.ready == ("False", "CredentialsInvalid")

    async def test_a_secret_that_was_gone_for_a_while_is_tried_again_though_it_is_the_same(self, world: World) -> None:
        world.secrets.found["mine"] = "weak"
        world.atlas.put(ENDPOINT, comment="one")
        world.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        resource = world.create(comment="one", credentialsSecretRef={"name": "mine"})
        await world.run_for(1)
        world.secrets.found["mine"] = NoCredentialsError(
            "SecretNotFound", "Gone.", source="resource/mine", retry_in=5.0
        )
        await world.pass_over(resource)
        world.secrets.found["mine"] = "weak"
        world.atlas.come_back()
        await world.pass_over(resource)
        assert resource.ready == AVAILABLE

    async def test_a_resource_that_was_suspended_for_a_while_asks_again(self, world: World) -> None:
        world.atlas.put(ENDPOINT, comment="one")
        world.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        resource = world.create(comment="one")
        await world.run_for(1)
        world.annotate(resource, reconcile_policy="skip")
        await world.run_for(1)
        world.atlas.come_back()
        world.annotate(resource, reconcile_policy="")
        await world.run_for(1)
        assert resource.ready == AVAILABLE

    async def test_force_sync_reads_the_secret_afresh(self, world: World) -> None:
        resource = await settled(world)
        world.annotate(resource, force_sync="now")
        await world.run_for(0)
        assert world.secrets.reads == [Age.FRESH]
        assert world.atlas.calls == ["LIST"]

    async def test_revoked_credentials_are_no_outage_for_a_settled_resource(self, world: World) -> None:
        """Also for one that only hears that calls are held back, since another resource's call was refused."""
        resource = await settled(world)
        world.atlas.go_down("LIST", error=held("CredentialsInvalid", retry_after=600.0))
        await world.run_for(INTERVAL)
        await world.pass_over(resource)
        assert resource.ready == ("False", "CredentialsInvalid")
        assert Age.ANEW not in world.secrets.reads, "whoever was refused has done that"

    async def test_nor_does_it_read_the_secret_anew_where_its_status_tells_of_a_refusal_already(
        self, world: World
    ) -> None:
        world.atlas.put(ENDPOINT, comment="one")
        world.atlas.go_down("LIST", error=REFUSED)
        resource = world.create(comment="one")
        await world.run_for(0)
        assert resource.status["lastError"]["httpStatus"] == REFUSED.http_status
        world.restart()
        world.atlas.go_down("LIST", error=held("CredentialsInvalid", retry_after=600.0))
        world.secrets.reads.clear()
        await world.pass_over(resource)
        assert resource.ready == ("False", "CredentialsInvalid")
        assert Age.ANEW not in world.secrets.reads

    @pytest.mark.parametrize("refused", [False, True], ids=["that are accepted", "that are refused"])
    async def test_the_source_of_credentials_is_told_also_when_another_secret_holds_the_same_ones(
        self, world: World, *, refused: bool
    ) -> None:
        resource = await settled(world)
        if refused:
            world.atlas.go_down("LIST", error=REFUSED)
            await world.run_for(2 * INTERVAL)
            assert resource.ready == ("False", "CredentialsInvalid")
        assert resource.status["resolved"]["credentialsSource"] == "operator/atlas"
        world.secrets.sources[None] = "namespace/team"
        await world.run_for(SECRET_LOOK if refused else 2 * INTERVAL)
        assert resource.status["resolved"]["credentialsSource"] == "namespace/team"
        world.reset_log()
        await world.run_for(INTERVAL)
        assert world.atlas.calls == ["LIST"], "and then all is as before"

    async def test_revoked_credentials_are_told_by_every_resource_within_a_round(self, world: World) -> None:
        resources = []
        for number in range(10):
            world.atlas.put(f"6f7cac1adf5d6c6306f4b{number:03x}", comment="one")
            resources.append(world.create(f"db-{number}", f"6f7cac1adf5d6c6306f4b{number:03x}", comment="one"))
        await world.settle()
        world.atlas.go_down("LIST", error=REFUSED)
        await world.run_for(INTERVAL)
        assert {resource.ready for resource in resources} == {("False", "CredentialsInvalid")}


class TestWithoutCredentials:
    async def test_a_missing_secret_is_told_and_atlas_is_not_asked(self, world: World) -> None:
        missing = NoCredentialsError("SecretNotFound", "There is no Secret mine.", source="resource/mine", retry_in=5.0)
        world.secrets.found["mine"] = missing
        resource = world.create(comment="one", credentialsSecretRef={"name": "mine"})
        outcome = await world.pass_over(resource)
        assert outcome.next == Again(5.0)
        assert resource.ready == ("False", "CredentialsInvalid")
        assert resource.message == "There is no Secret mine."
        valid = resource.condition("CredentialsValid")
        assert valid is not None
        assert (valid["status"], valid["reason"]) == ("False", "SecretNotFound")
        assert not world.atlas.calls

    async def test_without_its_secret_a_resource_costs_no_round(self, world: World) -> None:
        world.secrets.found["mine"] = "good"
        resource = await settled(world, comment="one", credentialsSecretRef={"name": "mine"})
        world.secrets.found["mine"] = NoCredentialsError(
            "SecretNotFound", "Gone.", source="resource/mine", retry_in=60.0
        )
        await world.pass_over(resource)
        world.reset_log()
        await world.run_for(3600)
        assert not world.atlas.calls
        world.secrets.found["mine"] = "good"
        await world.run_for(60)
        assert resource.ready == AVAILABLE

    async def test_a_round_uses_no_credentials_whose_secret_is_gone(self, world: World) -> None:
        world.secrets.found["mine"] = "good"
        resource = await settled(world, comment="one", credentialsSecretRef={"name": "mine"})
        world.secrets.found["mine"] = NoCredentialsError(
            "SecretNotFound", "Gone.", source="resource/mine", retry_in=60.0
        )
        await world.run_for(INTERVAL)
        assert resource.ready == ("False", "CredentialsInvalid")
        assert not world.atlas.calls

    async def test_a_round_uses_the_credentials_that_the_secret_holds_by_now(self, world: World) -> None:
        world.secrets.found["mine"] = "good"
        resource = await settled(world, comment="one", credentialsSecretRef={"name": "mine"})
        world.secrets.found["mine"] = "better"
        await world.run_for(3 * INTERVAL)
        assert set(world.atlas.credentials) == {"better"}
        assert resource.ready == AVAILABLE
        assert not world.writes

    async def test_a_secret_that_goes_takes_no_round_from_those_that_use_another(self, world: World) -> None:
        world.secrets.found["mine"] = world.secrets.found["yours"] = "good"
        world.atlas.put(ANOTHER)
        await settled(world, comment="one", credentialsSecretRef={"name": "mine"})
        world.create("other", ANOTHER, credentialsSecretRef={"name": "yours"})
        await world.settle()
        world.secrets.found["mine"] = NoCredentialsError(
            "SecretNotFound", "Gone.", source="resource/mine", retry_in=60.0
        )
        await world.run_for(2 * INTERVAL)
        assert world.atlas.calls == ["LIST", "LIST"]

    async def test_a_round_goes_on_while_the_api_server_cannot_be_reached(self, world: World) -> None:
        resource = await settled(world)
        world.secrets.found[None] = ClusterUnavailableError("The API server cannot be reached.")
        world.atlas.put(comment="drifted")
        await world.run_for(INTERVAL)
        assert world.atlas.calls == ["LIST"]
        assert resource.ready == AVAILABLE
        world.secrets.found[None] = "good"
        await world.run_for(INTERVAL)
        assert comment(world) == "one"

    async def test_an_api_server_that_cannot_be_reached_is_nothing_to_write_about(self, world: World) -> None:
        resource = await settled(world)
        world.secrets.found[None] = ClusterUnavailableError("The API server cannot be reached.")
        before = resource.status
        outcome = await world.pass_over(resource)
        assert outcome.next == Retry()
        assert resource.status == before
        assert not world.atlas.calls

    async def test_an_api_server_that_cannot_serve_a_secret_is_logged_once_a_pass(
        self, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        resource = await settled(world)
        world.secrets.found[None] = ClusterUnavailableError("HTTP 500: the KMS plugin is away")
        await world.pass_over(resource)
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "the KMS plugin is away" in record.getMessage()
        assert "Secret" not in record.getMessage(), "it may be a Namespace that could not be read; the error says what"
        assert vars(record)["key"] == str(resource.key)


class TestAbsence:
    async def test_an_endpoint_that_neither_list_nor_get_shows_is_not_found(self, world: World) -> None:
        resource = world.create(comment="one")
        await world.run_for(0)
        assert resource.ready == ("False", "EndpointNotFound")
        assert world.atlas.calls == ["LIST", "GET", "LIST"], "the last one began after it was missed"

    async def test_what_a_list_leaves_out_is_there_if_a_get_shows_it(self, world: World) -> None:
        world.atlas.put(ENDPOINT, comment="one")
        world.atlas.hidden.add(ENDPOINT)
        resource = world.create(comment="one")
        await world.run_for(0)
        assert resource.ready == AVAILABLE
        assert world.atlas.calls == ["LIST", "GET"]

    async def test_what_a_get_denies_is_there_if_a_later_list_shows_it(self, world: World) -> None:
        world.atlas.put(ENDPOINT, comment="one")
        world.atlas.lists_late = True
        world.atlas.fail_once("GET", absent("GET"))
        resource = world.create(comment="one")
        await world.run_for(0)
        assert resource.ready == AVAILABLE

    @pytest.mark.parametrize(
        "error",
        [unavailable("GET"), MissingRoleError("Too weak.", operation="GET", http_status=403)],
        ids=["no usable answer", "no role"],
    )
    async def test_a_get_that_fails_in_another_way_proves_nothing(self, world: World, error: AtlasError) -> None:
        world.atlas.fail_once("GET", error)
        resource = world.create(comment="one")
        await world.pass_over(resource)
        assert resource.ready == ("False", error.reason)

    async def test_an_absent_endpoint_is_looked_for_by_the_round_alone(self, world: World) -> None:
        resource = world.create(comment="one")
        await world.run_for(300)
        assert resource.condition("Stalled") is not None
        world.reset_log()
        await world.run_for(3600)
        assert world.atlas.calls == ["LIST"] * 6
        assert not world.passes
        assert not world.writes
        world.atlas.put(ENDPOINT, comment="one")
        await world.run_for(INTERVAL)
        assert resource.ready == AVAILABLE

    async def test_an_endpoint_that_is_deleted_under_a_settled_resource_is_told_by_the_round(
        self, world: World
    ) -> None:
        resource = await settled(world)
        world.atlas.endpoints.clear()
        await world.run_for(INTERVAL)
        assert resource.ready == ("False", "EndpointNotFound")
        assert resource.status["endpoint"]["comment"] == "one", "the last that was known"

    async def test_a_patch_that_finds_no_endpoint_is_not_enough(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.fail_once("PATCH", absent("PATCH"))
        world.edit(resource, comment="two")
        await world.pass_over(resource)
        assert resource.ready == ("False", "AtlasUnavailable"), "a LIST shows it: Atlas contradicts itself"
        assert "shows the endpoint" in resource.message
        assert "does not exist" in resource.message
        assert resource.status["lastError"]["retryable"]
        await world.run_for(1)
        assert comment(world) == "two"
        assert resource.ready == AVAILABLE

    async def test_an_endpoint_that_is_gone_when_it_is_patched_is_not_found(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.endpoints.clear()
        world.edit(resource, comment="two")
        await world.pass_over(resource)
        assert resource.ready == ("False", "EndpointNotFound")
        assert world.atlas.calls == ["PATCH comment", "LIST", "GET"]


class TestRequestsThatAtlasIsNotAskedFor:
    """Tools wait for the acknowledgement, whatever the answer is."""

    async def test_a_suspended_resource_acknowledges(self, world: World) -> None:
        resource = await settled(world)
        world.edit(resource, suspend=True)
        world.annotate(resource, force_sync="now")
        await world.run_for(0)
        assert resource.ready == ("False", "Suspended")
        assert resource.status["lastHandledReconcileAt"] == "now"

    async def test_an_invalid_spec_acknowledges(self, world: World) -> None:
        resource = await settled(world)
        world.edit(resource, comment="x" * 81)
        world.annotate(resource, force_sync="now")
        await world.run_for(0)
        assert resource.ready == ("False", "InvalidSpec")
        assert resource.status["lastHandledReconcileAt"] == "now"

    async def test_missing_credentials_acknowledge_and_are_read_past_the_cache_once(self, world: World) -> None:
        resource = await settled(world)
        world.secrets.found[None] = NoCredentialsError(
            "SecretNotFound", "Create it.", source="operator/atlas", retry_in=5.0
        )
        world.annotate(resource, force_sync="now")
        await world.run_for(20)
        assert resource.ready[1] == "CredentialsInvalid"
        assert resource.status["lastHandledReconcileAt"] == "now"
        assert world.secrets.reads[0] is Age.FRESH
        assert set(world.secrets.reads[1:]) <= {Age.RECENT}


class TestLeavingAtlasAlone:
    @pytest.mark.parametrize("how", ["spec.suspend", "annotation"])
    async def test_a_suspended_resource_makes_no_call_ever(self, world: World, how: str) -> None:
        resource = await settled(world)
        world.atlas.put(ENDPOINT, comment="changed")
        if how == "annotation":
            world.annotate(resource, reconcile_policy="skip")
        else:
            world.edit(resource, suspend=True)
        await world.run_for(3600)
        assert resource.ready == ("False", "Suspended")
        assert not world.atlas.calls
        assert not world.secrets.reads
        assert resource.status["applied"]["comment"] == "one"

    async def test_what_was_edited_while_suspended_is_sent_afterwards(self, world: World) -> None:
        resource = await settled(world, comment="one", driftPolicy="Report")
        world.edit(resource, suspend=True)
        await world.run_for(10)
        world.edit(resource, comment="two")
        await world.run_for(10)
        world.edit(resource, suspend=None)
        await world.run_for(10)
        assert comment(world) == "two"
        assert resource.ready == AVAILABLE

    async def test_a_deleted_resource_makes_no_call_and_is_not_written_to(self, world: World) -> None:
        resource = await settled(world)
        world.atlas.put(ENDPOINT, comment="changed")
        world.delete(resource)
        await world.run_for(3600)
        assert not world.atlas.calls
        assert not world.writes
        assert comment(world) == "changed"

    async def test_a_deleted_resource_is_left_alone_also_when_its_spec_is_invalid(self, world: World) -> None:
        resource = await settled(world)
        resource.spec["comment"] = "x" * 81
        world.delete(resource)
        await world.run_for(0)
        assert not world.writes

    async def test_an_invalid_spec_is_told_and_costs_nothing(self, world: World) -> None:
        resource = await settled(world)
        world.edit(resource, comment="x" * 81)
        await world.run_for(3600)
        assert resource.ready == ("False", "InvalidSpec")
        assert "spec.comment" in resource.message
        assert not world.atlas.calls
        world.edit(resource, comment="two")
        await world.run_for(1)
        assert resource.ready == AVAILABLE

    async def test_a_round_brings_no_invalid_spec_back_that_was_told(self, world: World) -> None:
        resource = await settled(world)
        world.edit(resource, comment="x" * 81)
        await world.run_for(0)
        assert not world.reconciler.needs_work(resource.body, Instance("operator-1", PROJECT, INSTANCE), None)

    async def test_a_round_brings_back_an_invalid_spec_that_a_watch_had_hidden(self, world: World) -> None:
        """A watch that is older than the CRD leaves out a field, which a LIST brings up without a new generation."""
        resource = await settled(world)
        resource.spec["comment"] = "x" * 81
        assert world.reconciler.needs_work(resource.body, Instance("operator-1", PROJECT, INSTANCE), None)

    async def test_metadata_that_no_api_server_would_take_is_told_too(self, world: World) -> None:
        resource = world.create("n" * 64, comment="one")
        outcome = await world.pass_over(resource)
        assert outcome.next == Rest()
        assert resource.ready == ("False", "InvalidSpec")
        assert "metadata.name" in resource.message

    async def test_a_resource_that_vanishes_during_its_pass_is_forgotten_all_the_same(self, world: World) -> None:
        resource = await settled(world)
        world.vanish(resource)
        await world.reconciler.reconcile(resource.body, resource.status)
        world.reset_log()
        await world.run_for(3600)
        assert not world.atlas.calls

    async def test_a_resource_that_vanishes_while_its_pass_looks_has_nothing_sent_for_it(self, world: World) -> None:
        """So it is too when its labels have taken it out of what is served."""
        world.atlas.put(status="AVAILABLE", comment="zero")
        resource = world.create(comment="one")
        pass_ = asyncio.create_task(world.reconciler.reconcile(resource.body, resource.status))
        while not world.atlas.calls:  # noqa: ASYNC110  # it is a list
            await asyncio.sleep(0)
        world.vanish(resource)
        outcome = await pass_
        assert world.atlas.calls == ["LIST"]
        assert outcome.verdict is None

    async def test_nor_has_one_that_vanishes_while_its_secret_is_read(self, world: World) -> None:
        world.atlas.put(status="AVAILABLE", comment="zero")
        resource = world.create(comment="one")
        pass_ = asyncio.create_task(world.reconciler.reconcile(resource.body, resource.status))
        while not world.secrets.reads:  # noqa: ASYNC110  # it is a list
            await asyncio.sleep(0)
        world.vanish(resource)
        outcome = await pass_
        assert world.atlas.calls == ["LIST"]
        assert outcome.verdict is None

    async def test_nor_is_anything_sent_once_a_namesake_has_taken_its_place(self, world: World) -> None:
        world.atlas.put(status="AVAILABLE", comment="zero")
        resource = world.create(comment="one")
        pass_ = asyncio.create_task(world.reconciler.reconcile(resource.body, resource.status))
        while not world.secrets.reads:  # noqa: ASYNC110  # it is a list
            await asyncio.sleep(0)
        world.vanish(resource)
        namesake = resource.body
        namesake["metadata"] |= {"uid": "uid-namesake", "resourceVersion": "9"}
        world.store.put(namesake)
        await pass_
        assert world.atlas.calls == ["LIST"]

    async def test_a_resource_that_is_gone_leaves_nothing_behind(self, world: World) -> None:
        waiting, unseen = world.create("waiting", ANOTHER, comment="one"), await settled(world)
        world.atlas.go_down()
        await world.run_for(INTERVAL)
        world.atlas.go_down("LIST", error=ONLY_OTHERS_CAN_HELP["MissingRole"])
        await world.pass_over(waiting)
        instance = world.rounds.instance_of(unseen.key)
        assert instance is not None
        assert world.atlas.recall(instance, ENDPOINT, max_age=math.inf) is not None
        for resource in (waiting, unseen):
            world.vanish(resource)
            assert world.rounds.instance_of(resource.key) is None
        assert world.atlas.recall(instance, ENDPOINT, max_age=math.inf) is None
        assert not world.brakes.held
        world.reset_log()
        await world.pass_over(world.create("waiting", ANOTHER, comment="one"))
        assert world.atlas.calls == ["LIST"], "what the former one waited for counts no more"
        world.clock.seconds += 86400
        world.atlas.go_down()
        namesake = world.create(comment="one")
        namesake.status = unseen.status
        world.changed(namesake)
        await world.pass_over(namesake)
        assert namesake.ready == AVAILABLE, "how long the former one was not seen counts no more"


class TestSayingNothing:
    async def test_a_pass_that_says_nothing_keeps_a_status_that_is_not_written_yet(self, world: World) -> None:
        """The engine hands over the newest status, which may not have reached the API server."""
        resource = await settled(world)
        unwritten = {**resource.status, "observedGeneration": 2}
        world.secrets.found[None] = ClusterUnavailableError("The API server cannot be reached.")
        outcome = await world.reconciler.reconcile(resource.body, unwritten)
        assert world.reconciler.render(resource.body, unwritten, outcome) == unwritten

    async def test_a_defect_is_told_without_its_words(self, world: World) -> None:
        resource = await settled(world)
        outcome = world.reconciler.failed(resource.body, KeyError("top secret"))
        status = world.reconciler.render(resource.body, resource.status, outcome)
        assert "InternalError" in str(status)
        assert "top secret" not in str(status)


STATES: dict[str, Callable[[World], None]] = {
    "RESERVED is connected, with all that connects": lambda world: world.atlas.put(
        ENDPOINT, status="RESERVED", endpoint_service_name="com.amazonaws.vpce.svc", comment="one"
    ),
    "FAILED is tried again with what differs": lambda world: world.atlas.put(
        ENDPOINT, status="FAILED", endpoint_service_name="com.amazonaws.vpce.svc", comment="one"
    ),
}


class TestStates:
    @pytest.mark.parametrize("state", STATES)
    async def test_a_state_that_takes_the_connection(self, world: World, state: str) -> None:
        STATES[state](world)
        world.atlas.stores = lambda endpoint: endpoint.model_copy(update={"status": "INITIATING"})
        resource = world.create(comment="one", cloudProviderEndpointId=VPCE)
        await world.run_for(0)
        assert world.atlas.calls == ["LIST", "PATCH cloudProviderEndpointId"]
        assert resource.ready == ("False", "Initiating")
        world.atlas.put(ENDPOINT, status="AVAILABLE")
        await world.run_for(10)
        assert resource.ready == AVAILABLE
        assert "PATCH" not in "".join(world.atlas.calls[2:])

    async def test_force_sync_of_a_failed_endpoint_sends_everything_once(self, world: World) -> None:
        world.atlas.put(
            ENDPOINT,
            status="FAILED",
            endpoint_service_name="com.amazonaws.vpce.svc",
            comment="one",
            cloud_provider_endpoint_id=VPCE,
            error_message="the cloud said no",
        )
        resource = world.create(comment="one", cloudProviderEndpointId=VPCE)
        await world.run_for(INTERVAL)
        assert resource.ready == ("False", "EndpointFailed")
        assert "the cloud said no" in resource.message
        assert not [call for call in world.atlas.calls if call.startswith("PATCH")]
        world.annotate(resource, force_sync="now")
        await world.run_for(3 * INTERVAL)
        assert [call for call in world.atlas.calls if call.startswith("PATCH")] == [
            "PATCH cloudProviderEndpointId,comment"
        ]

    async def test_a_slow_atlas_that_shows_the_old_state_for_a_moment_is_not_asked_twice(self, world: World) -> None:
        world.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name="com.amazonaws.vpce.svc", comment="one")
        before = world.atlas.endpoints[ENDPOINT]
        world.atlas.stores = lambda _: before
        resource = world.create(comment="one", cloudProviderEndpointId=VPCE)
        await world.run_for(20)
        assert world.atlas.calls.count("PATCH cloudProviderEndpointId") == 1
        assert resource.ready == ("False", "Initiating")

    async def test_time_that_provisioning_takes_counts_from_when_the_state_was_first_seen(self, world: World) -> None:
        world.atlas.put(ENDPOINT, status="INITIATING", comment="one", cloud_provider_endpoint_id=VPCE)
        resource = world.create(comment="one", cloudProviderEndpointId=VPCE, provisioningTimeout="1h")
        await world.run_for(3500)
        assert resource.ready == ("False", "Initiating")
        await world.run_for(200)
        assert resource.ready == ("False", "ProvisioningTimeout")
        world.atlas.put(ENDPOINT, status="AVAILABLE")
        await world.run_for(INTERVAL)
        assert resource.ready == AVAILABLE
