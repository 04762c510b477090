"""Reconciles that no case in YAML can tell: what happens while one runs, and what the process keeps."""

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from typing_extensions import override

from unit.reconcile.harness import (
    ENDPOINT,
    KIND,
    PROJECT,
    VPCE,
    Endpoint,
    Harness,
    InHarness,
    Resource,
    Scope,
    atlas_error,
    unreadable,
)

INTERVAL, MIN_INTERVAL = 600.0, 5.0
ANOTHER = "7f7cac1adf5d6c6306f4b283"
AVAILABLE = ("True", "Available")


async def settled(harness: Harness, **spec: Any) -> Resource:
    """A resource whose endpoint is as specified, observed a while ago."""
    harness.atlas.put(ENDPOINT, comment="one")
    resource = harness.create(comment="one", **spec)
    await harness.settle()
    assert resource.ready == AVAILABLE
    return resource


async def test_a_resync_skips_decide_for_an_unchanged_resource(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = await settled(harness)
    decided: list[str | None] = []
    right = type(KIND).decide

    def counting(kind: Any, facts: Any) -> Any:
        decided.append(getattr(facts.view.value(ENDPOINT), "comment", None))
        return right(kind, facts)

    monkeypatch.setattr(type(KIND), "decide", counting)
    await harness.run_for(5 * INTERVAL)
    assert decided == ["one"]
    harness.atlas.put(comment="by hand")
    await harness.run_for(INTERVAL)
    harness.edit(resource, comment="two")
    await harness.run_for(INTERVAL)
    assert harness.atlas.endpoints[ENDPOINT].comment == "two"
    decided.clear()
    await harness.run_for(3 * INTERVAL)
    assert len(decided) <= 1, "for the first resync after the edit"


async def test_a_refusal_caused_by_a_late_write_is_decided_again_and_not_reported(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.atlas.put(ENDPOINT, status="RESERVED", endpoint_service_name="service")
    harness.atlas.fail_once("PATCH", atlas_error("lost", "PATCH"), applies="late")
    resource = harness.create(cloudProviderEndpointId=VPCE)
    await harness.run_for(0)
    write = harness.atlas.write

    async def comes_second(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.undo()
        harness.atlas.apply_late()
        harness.atlas.put(ENDPOINT, status="INITIATING")
        harness.atlas.fail_once("PATCH", atlas_error("UpdateRejected", "PATCH"))
        return await write(*args, **kwargs)

    monkeypatch.setattr(harness.atlas, "write", comes_second)
    harness.edit(resource, comment="two")
    await harness.run_for(5)
    assert resource.ready == ("False", "Initiating")
    assert harness.atlas.endpoints[ENDPOINT].comment == "two"
    assert not any("Rejected" in entry["result"] for entry in resource.status["history"])


class Talkative(dict[str, Endpoint]):
    """Endpoints whose message is different at each reading."""

    looks = itertools.count()

    @override
    def items(self) -> Any:
        words = {"error_message": f"attempt {next(self.looks)} has failed"}
        return {id_: replace(each, **words) for id_, each in super().items()}.items()


async def test_a_refusal_is_reported_although_the_endpoint_has_another_message_each_time(harness: Harness) -> None:
    """Otherwise the change would be sent again at once, forever."""
    harness.atlas.put(comment="zero")
    harness.atlas.endpoints = Talkative(harness.atlas.endpoints)
    harness.atlas.go_down("PATCH", error=atlas_error("UpdateRejected", "PATCH"))
    resource = harness.create(comment="one")
    await harness.reconcile_of(resource)
    assert resource.ready == ("False", "UpdateRejected")


async def test_a_refusal_stays_in_the_status_while_nothing_is_sent(harness: Harness) -> None:
    resource = await settled(harness)
    harness.atlas.stores = harness.atlas.same_connection
    harness.edit(resource, comment="two", cloudProviderEndpointId=VPCE)
    await harness.run_for(1)
    before = resource.status
    for _ in range(3):
        await harness.reconcile_of(resource)
    assert {**resource.status, "history": ()} == {**before, "history": ()}
    assert [each["fields"] for each in resource.status["history"]] == [
        ["cloudProviderEndpointId"],
        ["comment"],
        ["cloudProviderEndpointId", "comment"],
    ]


@pytest.mark.parametrize("deleting", [False, True])
async def test_an_api_server_that_cannot_serve_a_secret_is_logged_once_a_reconcile(
    harness: Harness, caplog: pytest.LogCaptureFixture, *, deleting: bool
) -> None:
    resource = await settled(harness, deletionPolicy="Delete")
    resource.deleting = deleting
    harness.secrets.put(None, "unreachable")
    await harness.reconcile_of(resource)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert str(unreadable("unreachable")) in record.getMessage()
    assert "Secret" not in record.getMessage(), "it may be a Namespace that could not be read; the error says what"
    assert vars(record)["key"] == str(resource.key)


async def test_a_resync_enqueues_an_invalid_spec_that_the_watch_missed(harness: Harness) -> None:
    """A watch that is older than the CRD omits a field, which a LIST shows without a new generation."""
    resource = await settled(harness)
    scope = Scope("operator-1", PROJECT, KIND.names.kind, "orders")
    assert not harness.reconciler.finds_work(resource.body, scope, None)
    resource.spec["nonsense"] = 1
    assert harness.reconciler.finds_work(resource.body, scope, None)


def is_replaced(harness: Harness, resource: Resource) -> None:
    harness.vanish(resource)
    namesake = resource.body
    namesake["metadata"] |= {"uid": "uid-namesake", "resourceVersion": "9"}
    harness.cache.put(namesake)


@pytest.mark.parametrize("during", ["the LIST", "the reading of its Secret"])
@pytest.mark.parametrize("happens", [Harness.vanish, is_replaced], ids=["vanishes", "is replaced by a namesake"])
async def test_nothing_is_sent_for_a_resource_that_goes_meanwhile(
    harness: Harness, during: str, happens: Callable[[Harness, Resource], None]
) -> None:
    """Also if a changed label removes it from the served resources."""
    harness.atlas.put(comment="zero")
    resource = harness.create(comment="one")
    log: list[Any] = harness.atlas.calls if during == "the LIST" else harness.secrets.reads
    running = asyncio.create_task(harness.reconciler.reconcile(resource.body, InHarness(harness, resource)))
    while not log:  # noqa: ASYNC110  # it is a list
        await asyncio.sleep(0)
    happens(harness, resource)
    result = await running
    assert harness.atlas.calls == ["LIST"]
    assert result.outcome.state is None


async def test_a_resource_that_vanishes_during_its_reconcile_is_forgotten_all_the_same(harness: Harness) -> None:
    resource = await settled(harness)
    harness.vanish(resource)
    await harness.reconciler.reconcile(resource.body, InHarness(harness, resource))
    harness.reset_log()
    await harness.run_for(3600)
    assert not harness.atlas.calls


async def test_a_resource_that_is_gone_leaves_nothing_behind(harness: Harness) -> None:
    waiting, unseen = harness.create("waiting", ANOTHER, comment="one"), await settled(harness)
    harness.atlas.go_down()
    await harness.run_for(INTERVAL)
    harness.atlas.go_down("LIST", error=atlas_error("MissingRole"))
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


async def test_a_resource_that_is_created_anew_has_the_floor_of_its_name(harness: Harness) -> None:
    resource = await settled(harness)
    harness.atlas.put(ANOTHER, comment="one")
    harness.create("neighbour", ANOTHER, comment="one")
    await harness.settle()
    for _ in range(20):
        harness.vanish(resource)
        resource = harness.create(comment="one")
        harness.annotate(resource, force_sync="same")
        await harness.run_for(0.5)
    await harness.run_for(MIN_INTERVAL)
    assert len(harness.atlas.calls) <= 2 * (10 / MIN_INTERVAL + 1), "a look of each name, and one that is shared"
    assert resource.status["lastHandledReconcileAt"] == "same"


async def test_a_defect_is_reported_without_its_message(harness: Harness) -> None:
    resource = await settled(harness)
    outcome = harness.reconciler.failed(resource.body, KeyError("top secret"))
    assert "InternalError" in str(outcome.status)
    assert "top secret" not in str(outcome.status)


async def test_comments_in_events_are_bounded_printable_and_redacted(harness: Harness) -> None:
    secret = "mdb_sa_sk_" + "x" * 30
    harness.atlas.put(ENDPOINT, comment=f"{secret} \x1b[2J\n\u202e" + "y" * 5000)
    harness.create(comment="ours")
    await harness.run_for(0)
    ((_, message),) = harness.announced
    assert "xxx" not in message
    assert message.isprintable()
    assert message.endswith("...' to 'ours'.")
    assert len(message) < 350


async def test_a_resource_that_is_being_deleted_is_not_advised_to_delete_itself(harness: Harness) -> None:
    resource = await settled(harness, deletionPolicy="Delete")
    harness.atlas.go_down(error=harness.classified(401, "NOT_IN_GROUP"))
    harness.annotate(resource, force_sync="1")
    await harness.run_for(5)
    assert "delete this resource" in resource.message
    harness.delete(resource)
    await harness.run_for(5)
    assert resource.ready == ("False", "ProjectNotFound")
    assert "delete this resource" not in resource.message


async def test_after_a_defect_a_value_that_the_spec_no_longer_wants_is_not_confirmed(harness: Harness) -> None:
    """The write may have been made before; if the spec returns to the old value, that is an edit and no drift."""
    harness.atlas.put(comment="one")
    resource = harness.create(comment="one")
    await harness.settle()
    harness.edit(resource, comment="two")
    outcome = harness.reconciler.failed(resource.body, KeyError("defect")).outcome
    assert outcome.applied is not None
    assert "comment" not in outcome.applied.values
