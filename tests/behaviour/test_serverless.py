"""What no case in YAML can tell of serverless private endpoints: what happens while a call runs, several operators, odd values."""

from __future__ import annotations

import json
import logging
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.kinds.cloud_endpoint import is_cloud_id
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.spec import is_object_id
from behaviour.serverless import CONSTANTS, ENDPOINT, VPCE, ServerlessSteps, name_of
from support.virtual_time import on_virtual_time, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.kinds.cloud_endpoint import Provider

OTHER, REF = CONSTANTS["OTHER"], CONSTANTS["REF"]
AZURE_ID = CONSTANTS["AZURE_ID"]


@on_virtual_time
async def test_a_resync_skips_decide_for_an_unchanged_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    decided: list[str | None] = []
    right = type(KIND).decide

    def counting(kind: Any, facts: Any) -> Any:
        decided.append(getattr(facts.view.value(ENDPOINT), "comment", None))
        return right(kind, facts)

    async with ServerlessSteps().running() as steps:
        await steps.settle({"comment": "one"}, "")
        monkeypatch.setattr(type(KIND), "decide", counting)
        await steps.run("50m", "")
        assert set(decided) == {"one"}
        assert len(decided) <= 2
        steps.endpoint({"comment": "by hand"}, "")
        await steps.run("10m", "")
        steps.edit({"comment": "two"}, "")
        await steps.run("10m", "")
        assert steps.instance.endpoints[ENDPOINT].comment == "two"
        decided.clear()
        await steps.run("30m", "")
        assert len(decided) <= 1, "for the first resync after the edit"


@on_virtual_time
async def test_a_refusal_caused_by_a_late_write_is_decided_again_and_not_reported() -> None:
    steps = ServerlessSteps()

    def comes_second(request: Request) -> None:
        if name_of(request).startswith("PATCH"):
            steps.atlas.before = before
            steps.late(None, "")
            steps.endpoint({"status": "INITIATING"}, "")
            steps.once({"PATCH": "UpdateRejected"}, "")
        before(request)

    before = steps.atlas.before
    async with steps.running():
        steps.endpoint({"status": "RESERVED", "endpointServiceName": "service"}, "")
        steps.once({"PATCH": "lost, late"}, "")
        steps.create({"cloudProviderEndpointId": VPCE}, "")
        await steps.run("0s", "")
        steps.atlas.before = comes_second
        steps.edit({"comment": "two"}, "")
        await steps.run("10s", "")
        views = steps.views("")
        views.ready("Initiating")
        views.endpoint({"comment": "two"})
        history = steps.bodies["db"]["status"]["history"]
        assert not any("Rejected" in entry["result"] for entry in history)


@on_virtual_time
async def test_a_refusal_is_reported_although_the_endpoint_has_another_message_each_time() -> None:
    """Otherwise the change would be sent again at once, forever."""
    steps, looks = ServerlessSteps(), count()

    def talks(request: Request) -> Any:
        if name_of(request) != "LIST":
            return accepted(request)
        shown = json.loads(steps.instance.page())
        return [{**each, "errorMessage": f"attempt {next(looks)} has failed"} for each in shown]

    accepted, steps.atlas.accepted = steps.atlas.accepted, talks
    async with steps.running():
        steps.endpoint({"comment": "zero"}, "")
        steps.fail({"PATCH": "UpdateRejected"}, "")
        steps.create({"comment": "one"}, "")
        await steps.run("1s", "")
        steps.views("").ready("UpdateRejected")


@on_virtual_time
async def test_a_refusal_stays_in_the_status_while_nothing_is_sent() -> None:
    async with ServerlessSteps().running() as steps:
        await steps.settle({"comment": "one", "cloudProviderEndpointId": OTHER_VPCE}, "")
        steps.refuses("", "")
        steps.edit({"comment": "two", "cloudProviderEndpointId": VPCE}, "")
        await steps.run("1s", "")
        before = steps.bodies["db"]["status"]
        await steps.run("1m", "")
        after = steps.bodies["db"]["status"]
        assert {**after, "history": ()} == {**before, "history": ()}
        assert after["history"][0]["fields"] == ["cloudProviderEndpointId", "comment"]


OTHER_VPCE = CONSTANTS["OTHER_VPCE"]


@pytest.mark.parametrize("is_deleted", [False, True])
@on_virtual_time
async def test_an_api_server_that_cannot_serve_a_secret_is_logged(
    caplog: pytest.LogCaptureFixture, *, is_deleted: bool
) -> None:
    async with ServerlessSteps().running() as steps:
        await steps.settle({"deletionPolicy": "Delete"}, "")
        steps.secret({"operator": "unreachable"}, "")
        if is_deleted:
            steps.delete(None, "")
        else:
            steps.annotate({"force-sync": "1"}, "")
        await steps.run("1s", "")
    (record, *_) = caplog.records
    assert record.levelno == logging.WARNING
    assert "The API server cannot be reached." in record.getMessage()
    assert vars(record)["key"] == "shop/db"


def vanishes(steps: ServerlessSteps) -> None:
    steps.vanish(None, "")


def is_replaced(steps: ServerlessSteps) -> None:
    steps.vanish(None, "")
    steps.create({"comment": "one", "suspend": True}, "")


@pytest.mark.parametrize("during", ["the LIST", "the reading of its Secret"])
@pytest.mark.parametrize("happens", [vanishes, is_replaced])
@on_virtual_time
async def test_nothing_is_sent_for_a_resource_that_goes_meanwhile(
    during: str, happens: Callable[[ServerlessSteps], None]
) -> None:
    """Also if a changed label removes it from the served resources."""
    async with ServerlessSteps().running() as steps:
        steps.endpoint({"comment": "zero"}, "")
        if during == "the LIST":
            steps.at_next("LIST", lambda: happens(steps))
        else:
            steps.secrets.meanwhile = lambda: happens(steps)
        steps.create({"comment": "one"}, "")
        await steps.run("1h", "")
        assert set(steps.atlas.calls) <= {"LIST"}
        assert steps.instance.endpoints[ENDPOINT].comment == "zero"


@on_virtual_time
async def test_a_resource_that_is_gone_leaves_nothing_behind() -> None:
    async with ServerlessSteps().running() as steps:
        steps.create({"endpointId": OTHER, "comment": "one"}, "waiting")
        await steps.settle({"comment": "one"}, "")
        steps.fail("AtlasUnavailable", "")
        await steps.run("10m", "")
        steps.fail({"LIST": "MissingRole"}, "")
        await steps.run("10m", "")
        for name in ("waiting", "db"):
            steps.vanish(None, name)
        steps.clear(None, "")
        await steps.run("1h", "")
        assert steps.atlas.calls == []
        steps.create({"endpointId": OTHER, "comment": "one"}, "waiting")
        await steps.run("1s", "")
        assert steps.atlas.calls == ["LIST"], "what the former one waited for counts no more"


@on_virtual_time
async def test_a_defect_is_reported_without_its_message_and_confirms_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The write may have been made before; if the spec returns to the old value, that is an edit and no drift."""

    def fails(kind: Any, facts: Any) -> Any:
        if facts.done is not None:
            raise KeyError("top secret")
        return right(kind, facts)

    right = type(KIND).decide
    async with ServerlessSteps().running() as steps:
        await steps.settle({"comment": "one"}, "")
        monkeypatch.setattr(type(KIND), "decide", fails)
        steps.edit({"comment": "two"}, "")
        await steps.run("0s", "")
        status = steps.bodies["db"]["status"]
        steps.views("").ready("InternalError")
        assert "top secret" not in str(status)
        assert "comment" not in status.get("applied", {})
    caplog.clear()


@on_virtual_time
async def test_comments_in_events_are_bounded_printable_and_redacted() -> None:
    secret = "mdb_sa_sk_" + "x" * 30
    async with ServerlessSteps().running() as steps:
        steps.endpoint({"comment": f"{secret} \x1b[2J\n\u202e" + "y" * 5000}, "")
        steps.create({"comment": "ours"}, "")
        await steps.run("1s", "")
        ((_, _, message),) = steps.observer.events
        assert "xxx" not in message
        assert message.isprintable()
        assert message.endswith("...' to 'ours'.")
        assert len(message) < 350


# Reservations.


@on_virtual_time
async def test_many_reservations_share_a_list() -> None:
    async with ServerlessSteps().running() as steps:
        for number in range(20):
            steps.create({"endpointId": None}, f"db-{number}")
        await steps.run("1s", "")
        assert steps.atlas.calls.count("POST") == 20
        assert steps.atlas.calls.count("LIST") <= 1


@on_virtual_time
async def test_those_that_are_lost_soon_are_replaced_ever_later() -> None:
    async with ServerlessSteps().running() as steps:
        steps.create({"endpointId": None}, "")
        await steps.run("10s", "")
        attempts = []
        for _ in range(4):
            steps.expire(None, "")
            began = steps.clock.monotonic()
            steps.annotate({"force-sync": str(began)}, "")
            while not steps.instance.endpoints:
                await steps.run("5s", "")
            attempts.append(steps.clock.monotonic() - began)
            await steps.run("10s", "")
        assert attempts == sorted(attempts)
        assert attempts[-1] > 4 * 60


@on_virtual_time
async def test_a_reason_of_another_version_does_not_keep_a_refused_one_from_being_made() -> None:
    async with ServerlessSteps().running() as steps:
        steps.once({"POST": "UpdateRejected"}, "")
        steps.create({"endpointId": None}, "")
        await steps.run("5s", "")
        steps.views("").ready("UpdateRejected")
        body = steps.cluster.objects[steps.cluster.key("db")]
        for each in body["status"]["conditions"]:
            if each["type"] == "Ready":
                each["reason"] = "Newer"
        steps.annotate({"force-sync": "now"}, "")
        await steps.run("10s", "")
        assert steps.instance.endpoints


@on_virtual_time
async def test_of_two_restored_ones_one_alone_writes_to_the_endpoint() -> None:
    async with ServerlessSteps().running() as steps:
        await steps.reserve({}, "")
        (taken,) = steps.instance.endpoints
        record = steps.bodies["db"]["metadata"]["annotations"]
        steps.vanish(None, "")
        for name in ("first", "second"):
            steps.create({"endpointId": None, "comment": name}, name)
            steps.annotate(record, name)
        steps.clear(None, "")
        await steps.run("2m", "")
        steps.views("second").ready("Conflict")
        assert steps.instance.endpoints[taken].comment == "first"
        assert steps.atlas.calls.count("PATCH comment") == 1


@on_virtual_time
async def test_a_resource_that_leaves_and_returns_during_the_search_starts_again() -> None:
    """For example if a label is removed by mistake: its cached state is gone."""
    async with ServerlessSteps().running() as steps:
        steps.create({"endpointId": None}, "")
        await steps.run("1s", "")
        body = steps.bodies["db"]
        steps.process.core.deleted({**body, "metadata": {**body["metadata"], "resourceVersion": "999999"}})
        await steps.run("1s", "")
        steps.process.core.seen(steps.bodies["db"])
        await steps.run("100s", "")
        assert steps.atlas.calls.count("POST") == 1
        steps.views("").reserved(True)


class TestCopiesOfACluster:
    """Their resources have equal uids, and so equal marks; see docs/serverless.md."""

    async def turns(self, one: ServerlessSteps, number: int) -> None:
        """Let minutes pass in which Atlas does what it is asked to."""
        for _ in range(number):
            await one.run("1m", "")
            for id_, each in list(one.instance.endpoints.items()):
                if each.status == "DELETING":
                    one.endpoint({"remove": True}, id_)
                elif each.status == "RESERVATION_REQUESTED":
                    one.endpoint({"status": "RESERVED", "endpointServiceName": "svc"}, id_)
                elif each.status == "INITIATING":
                    one.endpoint({"status": "AVAILABLE"}, id_)

    def copy(self, one: ServerlessSteps) -> ServerlessSteps:
        """Return a cluster beside another one, with an operator of its own, on the same Atlas."""
        two = ServerlessSteps()
        two.atlas.simulator = one.atlas.simulator
        return two

    async def connected(self, one: ServerlessSteps) -> str:
        """Have a resource whose endpoint is in use."""
        one.create({"endpointId": None, "comment": "orders", "cloudProviderEndpointId": VPCE}, "")
        await self.turns(one, 4)
        ((id_, endpoint),) = one.instance.endpoints.items()
        assert (endpoint.comment, endpoint.cloud_provider_endpoint_id) == ("orders", VPCE)
        return id_

    @on_virtual_time
    async def test_of_two_clusters_neither_deletes_what_the_other_has(self) -> None:
        async with ServerlessSteps().running() as one:
            id_ = await self.connected(one)
            two = self.copy(one)
            async with two.running():
                two.create({"endpointId": None}, "")
                await self.turns(one, 120)
            assert [each.atlas.calls.count("DELETE") for each in (one, two)] == [0, 0]
            assert two.atlas.calls.count("POST") <= 1
            assert one.instance.endpoints[id_].cloud_provider_endpoint_id == VPCE

    @on_virtual_time
    async def test_a_copy_whose_operator_does_not_write_takes_nothing_from_the_first(self) -> None:
        async with ServerlessSteps().running() as one:
            id_ = await self.connected(one)
            two = self.copy(one)
            async with two.running():
                two.restart({"writes": False}, "")
                two.create({"endpointId": None}, "")
                await self.turns(one, 120)
            assert {"POST", "DELETE"} & {*two.atlas.calls} == set()
            assert [one.atlas.calls.count("POST"), one.atlas.calls.count("DELETE")] == [1, 0]
            assert list(one.instance.endpoints) == [id_]


# What a reference may lead to: only what can be an id or an address is ever sent.

HOSTILE = (
    *("../../secrets/x", "vpce-../..", f"{VPCE}\n", f"{VPCE}/../x", f" {VPCE}", VPCE.upper(), "x" * 1000, AZURE_ID),
    *("vpce-\u202e0123456789abcdef", f"{AZURE_ID}/", f"{AZURE_ID}\x00", AZURE_ID + "p" * 300),
)


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("provider", ["AWS", "AZURE"])
def test_an_invalid_value_is_reported_without_its_text_and_never_sent(provider: Provider, value: str) -> None:
    run(check_cloud_id(provider, value))


@given(st.sampled_from(["AWS", "AZURE"]), st.text(min_size=1) | st.text().map(lambda text: VPCE + text))
def test_only_a_valid_cloud_id_is_ever_sent(provider: Provider, value: str) -> None:
    run(check_cloud_id(provider, value))


async def check_cloud_id(provider: Provider, value: str) -> None:
    if is_cloud_id(provider, value):
        return
    async with ServerlessSteps().running() as steps:
        steps.endpoint({"status": "RESERVED", "providerName": provider, "endpointServiceName": "svc"}, "")
        steps.targets.held["VPCEndpoint vpc"] = value
        address = {"privateEndpointIpAddress": "10.0.0.4"} if provider == "AZURE" else {}
        steps.create({"providerName": provider, "cloudProviderEndpointRef": REF, **address}, "")
        await steps.run("1s", "")
        assert steps.atlas.calls == ["LIST"]
        _is_told_without_text(steps, ".status.vpcEndpointID of VPCEndpoint vpc", value)


def _is_told_without_text(steps: ServerlessSteps, words: str, value: str) -> None:
    steps.expect({"ready": "ReferenceNotReady", "conditions": {"ReferencesResolved": "False FieldMissing"}}, "")
    (message,) = (each["message"] for each in steps.bodies["db"]["status"]["conditions"] if each["type"] == "Ready")
    assert len(value) < 20 or value not in message
    assert words in message


@given(st.text(min_size=1) | st.text("0123456789abcdefA/\n", min_size=22, max_size=26))
def test_only_a_valid_project_id_is_ever_used(value: str) -> None:
    async def check() -> None:
        async with ServerlessSteps().running() as steps:
            steps.targets.held["AtlasProject orders"] = value
            steps.create({"endpointId": None, "projectId": None, "projectRef": {"name": "orders"}}, "")
            await steps.run("1s", "")
            assert steps.atlas.calls == []
            _is_told_without_text(steps, ".status.id of AtlasProject orders", value)

    if not is_object_id(value):
        run(check())
