"""The controller on an API server in memory, with conflicts, failures and deletions."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.controller.controller import MetadataChange
from atlas_endpoints.controller.requeue import NoRequeue, RequeueAfter
from support.virtual_time import VirtualClock
from unit.controller.api_server import NAMESPACE, NEVER_SEEN, ApiServer
from unit.controller.mirror import Operator, PlantedError


@pytest.fixture
async def server() -> ApiServer:
    return ApiServer()


@pytest.fixture
async def operator(clock: VirtualClock, server: ApiServer, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Operator]:
    operator = Operator(clock, server)
    workers = asyncio.create_task(operator.loop.work())
    yield operator
    operator.queue.close()
    await workers
    errors = [record.exc_info[1] for record in caplog.get_records("call") if record.exc_info]
    assert [error for error in errors if not isinstance(error, (PlantedError, ClusterUnavailableError))] == []


FINALIZER, NOTE = "example.com/keep", "example.com/note"
KEEP, LET_GO = MetadataChange({FINALIZER: True}, {NOTE: "one"}), MetadataChange({FINALIZER: False})
KEY = Key("ServerlessPrivateEndpoint", NAMESPACE, "a")
DONE = {"observedGeneration": 1, "sent": ["v1"], "said": "Done", "since": 1}
FOREIGN = {"said": "by somebody else"}


SERVER = {
    "down": ("down", True),
    "up": ("down", False),
    "lag": ("watch_lags", True),
    "catch-up": ("watch_lags", False),
    "lose-answers": ("loses_answers", True),
    "answer": ("loses_answers", False),
    "slow": ("latency", 1.0),
    "forbid": ("forbids", "not allowed"),
    "allow": ("forbids", ""),
}
KIND = {
    "quiet": ("quiet", NoRequeue()),
    "bug": ("bug", True),
    "finalize": ("change", KEEP),
    "release": ("change", LET_GO),
    "record": ("records", True),
}


def take(server: ApiServer, operator: Operator, verb: str, word: str) -> None:
    """Take a step: change the object, the API server or the kind."""
    match verb:
        case "apply":
            server.apply(KEY.name, word)
        case "label":
            server.label(KEY, team="blue")
        case "annotate":
            server.annotate(KEY, touched="yes")
        case "delete":
            server.delete(KEY)
        case "overwrite":
            server.objects[KEY]["status"] = FOREIGN
            server.label(KEY, touched="yes")
        case "was-finalized":
            server.objects[KEY]["metadata"]["finalizers"] = [FINALIZER]
            server.annotate(KEY, touched="yes")
        case "lose-events":
            server.lose_events()
        case "requeue":
            operator.mirror.next = RequeueAfter(float(word))
        case _ if verb in SERVER:
            setattr(server, *SERVER[verb])
        case _:
            setattr(operator.mirror, *KIND[verb])


@dataclass(frozen=True)
class Case:
    """Steps, and what they lead to.

    Attributes:
        generations: of the reconciles, if they matter.
        status: some of its fields; None: the object is gone.
        writes: number of status writes.
        refused: number of writes that the API server refused, if it matters.
    """

    steps: str
    generations: list[int] | None
    status: dict[str, Any] | None = field(default_factory=lambda: DONE)
    writes: int = 1
    refused: int | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


CASES = {
    "a reconcile writes its status once": Case("apply v1; wait 100", [1]),
    "a reconcile without a change writes nothing": Case("requeue 10; apply v1; wait 100", [1] * 10),
    "a reconcile without a change keeps a status of somebody else": Case(
        "quiet; apply v1; wait 0.5; overwrite; wait 10", [1], FOREIGN, writes=0
    ),
    "only a change of the trigger causes a reconcile": Case(
        "apply v1; wait 10; label; wait 10; annotate; wait 10", [1, 1], DONE | {"team": "blue", "since": 21}, writes=2
    ),
    "an edit during a reconcile causes another one": Case(
        "apply v1; wait 0.5; apply v2; apply v3; wait 10",
        [1, 3],
        {"observedGeneration": 3, "sent": ["v1", "v3"]},
        writes=2,
    ),
    "an edit that only the write reveals causes another reconcile": Case(
        "apply v1; wait 0.5; lag; apply v2; wait 10; catch-up; wait 10",
        [1, 2],
        {"observedGeneration": 2, "sent": ["v1", "v2"]},
        writes=2,
        refused=1,
    ),
    "a change from the watch during the reconcile causes no conflict": Case(
        "apply v1; wait 0.5; label; wait 10", [1], refused=0
    ),
    "a change without an event causes a second write and no second reconcile": Case(
        "apply v1; wait 0.5; lag; label; wait 10", [1], refused=1
    ),
    "a conflict does not lose an unwritten status": Case(
        "apply v1; down; wait 60; apply v2; up; wait 0.5; lag; label; wait 10",
        [1, 2],
        {"sent": ["v1", "v2"]},
        refused=1,
    ),
    "metadata is written once before the status": Case(
        "finalize; apply v1; wait 10",
        [1],
        refused=0,
        metadata={"finalizers": [FINALIZER], "annotations": {NOTE: "one"}},
    ),
    "metadata is written without a status change": Case(
        "quiet; finalize; apply v1; wait 10", [1], NEVER_SEEN, writes=0, metadata={"finalizers": [FINALIZER]}
    ),
    "a failed metadata write is retried": Case(
        "finalize; down; apply v1; wait 30; up; wait 60", None, {"sent": ["v1"]}, metadata={"finalizers": [FINALIZER]}
    ),
    "a refused metadata write is shown beside the new status": Case(
        "finalize; forbid; apply v1; wait 1000", None, {"said": "Done, but not allowed", "sent": ["v1"]}
    ),
    "a refused metadata write is repeated until it is allowed": Case(
        "finalize; forbid; apply v1; wait 1000; allow; wait 1000",
        None,
        {"said": "Done", "sent": ["v1"]},
        writes=2,
        metadata={"finalizers": [FINALIZER]},
    ),
    "a refused metadata write is shown without a status change": Case(
        "quiet; release; forbid; apply v1; was-finalized; wait 1000", None, {"said": "Refused: not allowed"}
    ),
    "a refused metadata write without a status change is repeated until it is allowed": Case(
        "quiet; release; forbid; apply v1; was-finalized; wait 1000; allow; wait 1000",
        None,
        {},
        metadata={"finalizers": []},
    ),
    "what is recorded is written before the rest": Case(
        "record; apply v1; wait 0.5; delete; wait 10", [1], None, writes=1
    ),
    "an edit while it is recorded ends the reconcile": Case(
        "record; slow; apply v1; wait 0.5; apply v2; wait 20", [1, 2], {"intent": "v2", "sent": ["v2"]}, writes=2
    ),
    "an unwritten status is written later without another reconcile": Case(
        "apply v1; down; wait 60; up; wait 120", [1]
    ),
    "the requeue delay does not count from the reconcile": Case(
        "requeue 500; apply v1; down; wait 60; up; wait 480", [1]
    ),
    "the requeue delay counts from a late write": Case("requeue 500; apply v1; down; wait 60; up; wait 620", [1, 1]),
    "a write whose answer was lost is not made twice": Case(
        "requeue 100; apply v1; lag; lose-answers; wait 1.5; answer; wait 60", [1]
    ),
    "reconciles go on after a write whose answer was lost": Case(
        "requeue 100; apply v1; lag; lose-answers; wait 1.5; answer; wait 280", [1] * 3
    ),
    "a new generation builds on an unwritten status": Case(
        "apply v1; down; wait 60; apply v2; wait 60; apply v3; up; wait 60",
        [1, 2, 3],
        {"observedGeneration": 3, "sent": ["v1", "v2", "v3"]},
    ),
    "a reconcile without a change does not lose an unwritten status": Case(
        "apply v1; down; wait 60; quiet; apply v2; up; wait 60", [1, 2]
    ),
    "a status that a person wrote is overwritten": Case("apply v1; down; wait 30; overwrite; up; wait 60", [1]),
    "a deleted object is forgotten": Case("requeue 10; apply v1; wait 15; delete; wait 100", [1, 1], None),
    "a write reveals a deletion without an event": Case(
        "apply v1; wait 0.5; lag; delete; lose-events; wait 100", [1], None, writes=0
    ),
    "a deletion during a reconcile": Case("requeue 10; apply v1; wait 0.5; delete; wait 100", [1], None, writes=0),
    "a deletion during a reconcile that meets a bug": Case(
        "bug; apply v1; wait 0.5; delete; wait 100", [1], None, writes=0
    ),
    "a deletion while the API server is down": Case(
        "apply v1; wait 0.5; down; wait 10; delete; wait 1000", [1], None, writes=0
    ),
    "the answer to a write does not restore a deleted object": Case(
        "slow; apply v1; wait 1.7; delete; wait 100", [1], None
    ),
    "the answer to a read does not restore a deleted object": Case(
        "slow; apply v1; wait 0.5; lag; label; wait 2.2; catch-up; delete; wait 100", [1], None, writes=0
    ),
    "an object that is gone when it is read after a conflict": Case(
        "slow; apply v1; wait 0.5; lag; label; wait 1.2; delete; lose-events; wait 100", [1], None, writes=0
    ),
    "another object of the name during a reconcile gets its own": Case(
        "apply v1; wait 0.5; delete; apply v2; wait 10", [1, 1], DONE | {"sent": ["v2"], "since": 2}
    ),
    "another object of the name that the watch reports late gets its own": Case(
        "apply v1; wait 0.5; lag; delete; apply v2; wait 5; catch-up; wait 5",
        [1, 1],
        DONE | {"sent": ["v2"], "since": 2},
        refused=1,
    ),
    "another object of the name does not get an unwritten status": Case(
        "apply v1; down; wait 60; lag; delete; lose-events; catch-up; apply v2; up; wait 10", [1, 1], {"sent": ["v2"]}
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_an_object(server: ApiServer, operator: Operator, case: Case) -> None:
    for each in case.steps.split("; "):
        verb, _, word = each.partition(" ")
        if verb == "wait":
            await asyncio.sleep(float(word))
        else:
            take(server, operator, verb, word)
    generations = [generation for _, generation in operator.mirror.reconciles]
    assert case.generations in (None, generations)
    assert len(server.writes) == case.writes
    assert case.refused in {None, server.refused}
    if case.status is None:
        assert_nothing_is_left(operator)
    else:
        assert server.status(KEY).items() >= case.status.items()
        assert server.objects[KEY]["metadata"].items() >= case.metadata.items()
        assert len(server.changes) == (1 if case.metadata else 0)
        assert operator.mirror.remembered == {KEY: server.objects[KEY]["metadata"]["uid"]}


async def test_a_bug_does_not_lose_an_unwritten_status(server: ApiServer, operator: Operator) -> None:
    key = server.apply("a", "v1")
    server.down = True
    await asyncio.sleep(60)
    operator.mirror.bug = True
    server.apply("a", "v2")
    server.down = False
    await asyncio.sleep(10)
    assert server.status(key)["sent"] == ["v1"]
    assert [status["said"] for _, status in server.writes] == ["InternalError after 1 sent"]


async def test_a_status_that_may_wait_is_built_on_and_written_later(server: ApiServer, operator: Operator) -> None:
    operator.mirror.may_wait, operator.mirror.next = True, RequeueAfter(10)
    server.apply(KEY.name, "v1")
    await asyncio.sleep(15)
    assert operator.shown == []
    assert operator.mirror.sent == ["v1"]
    server.apply(KEY.name, "v2")
    await asyncio.sleep(1)
    operator.mirror.may_wait = False
    await asyncio.sleep(30)
    assert [status["sent"] for status in operator.shown] == [["v1", "v2"]]
    assert operator.mirror.sent == ["v1", "v2"]


async def test_a_status_that_waited_is_not_what_was_before(server: ApiServer, operator: Operator) -> None:
    operator.mirror.may_wait = True
    key = server.apply(KEY.name, "v1")
    await asyncio.sleep(2)
    operator.mirror.may_wait = False
    server.loses_answers = True
    server.apply(KEY.name, "v2")
    await asyncio.sleep(2)
    server.loses_answers = False
    await asyncio.sleep(60)
    assert (operator.shown_after, operator.shown) == ([NEVER_SEEN], [server.status(key)])


async def test_a_new_operator_does_not_write_an_equal_status(server: ApiServer, clock: VirtualClock) -> None:
    key = server.apply("a", "v1")
    server.objects[key]["status"] = {"observedGeneration": 1, "sent": ["v1"], "said": "Done", "since": 1}
    operator = Operator(clock, server)
    operator.mirror.external[key] = "v1"
    operator.controller.seen(server.body(key))
    assert await operator.controller.run(key) == NoRequeue()
    assert operator.mirror.reconciles == [("a", 1)]
    assert not server.writes


async def test_a_reconcile_of_an_unknown_object_does_nothing(server: ApiServer, operator: Operator) -> None:
    assert await operator.controller.run(Key("ServerlessPrivateEndpoint", "default", "unknown")) == NoRequeue()
    assert not operator.mirror.reconciles


async def test_writes_of_an_object_in_constant_change_are_limited(server: ApiServer, operator: Operator) -> None:
    server.latency = 0.02
    server.watch_lags = True
    key = server.apply("a", "v1")
    operator.controller.seen(server.body(key))
    for _ in range(6000):
        await asyncio.sleep(0.01)
        server.label(key, at=f"{asyncio.get_running_loop().time()}")
    assert server.refused < 60
    assert operator.mirror.reconciles == [("a", 1)]
    await asyncio.sleep(400)
    assert server.status(key)["sent"] == ["v1"]
    assert operator.mirror.reconciles == [("a", 1)]


async def test_metadata_of_others_is_kept(server: ApiServer, operator: Operator) -> None:
    operator.mirror.change = KEEP
    key = server.apply("a", "v1")
    server.objects[key]["metadata"] |= {"finalizers": ["other"], "annotations": {"theirs": "too"}}
    await asyncio.sleep(10)
    metadata = server.objects[key]["metadata"]
    assert metadata["finalizers"] == ["other", FINALIZER]
    assert metadata["annotations"] == {"theirs": "too", NOTE: "one"}


async def test_an_object_with_a_refused_metadata_write_is_still_reconciled(
    server: ApiServer, operator: Operator
) -> None:
    """Else a status would go on saying what was true when the refusals began."""
    operator.mirror.change, server.forbids, operator.mirror.next = KEEP, "not allowed", RequeueAfter(10)
    key = server.apply("a", "v1")
    await asyncio.sleep(100)
    operator.mirror.external[key] = "somebody else's"
    await asyncio.sleep(1000)
    assert operator.mirror.external[key] == "v1"
    assert server.status(key)["sent"] == ["v1", "v1"]
    assert server.status(key)["said"] == "Done, but not allowed"
    assert len(server.writes) == 2


@pytest.mark.parametrize("lags", [False, True], ids=["the watch tells first", "a conflict tells first"])
async def test_a_metadata_change_is_not_written_to_an_object_that_has_changed(
    server: ApiServer, operator: Operator, *, lags: bool
) -> None:
    """Else a finalizer that an edit had asked for would go, and the object with it."""
    operator.mirror.change = KEEP
    key = server.apply("a", "v1")
    await asyncio.sleep(10)
    operator.mirror.change, server.latency = LET_GO, 1.0
    server.apply("a", "v2")
    await asyncio.sleep(operator.mirror.duration + 0.1)  # the reconcile is over, and what it wants is on its way
    server.watch_lags = lags
    operator.mirror.change = KEEP
    server.objects[key]["metadata"]["deletionTimestamp"] = "now"
    server.apply("a", "v3")
    await asyncio.sleep(20)
    server.watch_lags = False
    await asyncio.sleep(20)
    assert server.objects[key]["metadata"]["finalizers"] == [FINALIZER]
    assert server.status(key)["observedGeneration"] == 3


async def test_an_object_that_leaves_and_returns_while_its_metadata_is_changed_is_reconciled_again(
    server: ApiServer, operator: Operator
) -> None:
    """By its labels; the answer to the change is lost, so nothing else wakes it."""
    operator.mirror.change, server.latency, server.loses_answers = KEEP, 1.0, True
    key = server.apply("a", "v1")
    await asyncio.sleep(0.7)
    body = server.body(key)
    operator.gone(key, body["metadata"]["uid"])
    operator.seen(body)
    await asyncio.sleep(0.4)
    server.loses_answers = False
    await asyncio.sleep(20)
    assert server.status(key)["sent"] == ["v1"]


async def test_an_object_without_its_last_finalizer_is_gone(server: ApiServer, operator: Operator) -> None:
    operator.mirror.change = KEEP
    key = server.apply("a", "v1")
    await asyncio.sleep(10)
    operator.mirror.quiet, operator.mirror.change = NoRequeue(), LET_GO
    server.objects[key]["metadata"]["deletionTimestamp"] = "now"
    server.annotate(key, touched="yes")
    await asyncio.sleep(10)
    assert key not in server.objects
    assert operator.cache.get(key) is None


@pytest.mark.parametrize("lags", [False, True], ids=["the watch tells first", "a conflict tells first"])
async def test_a_write_whose_answer_was_lost_is_reported_once(
    server: ApiServer, operator: Operator, lags: bool
) -> None:
    key = server.apply("a", "v1")
    server.watch_lags = lags
    server.loses_answers = True
    await asyncio.sleep(1.5)
    assert server.status(key)["sent"] == ["v1"]
    server.loses_answers = False
    await asyncio.sleep(60)
    assert (operator.shown_after, operator.shown) == ([NEVER_SEEN], [server.status(key)])
    assert len(server.writes) == 1


async def test_a_write_whose_answer_was_lost_is_reported_after_an_edit(server: ApiServer, operator: Operator) -> None:
    key = server.apply("a", "v1")
    server.loses_answers = True
    await asyncio.sleep(1.5)
    first = server.status(key)
    server.loses_answers = False
    server.apply("a", "v2")
    await asyncio.sleep(60)
    assert (operator.shown_after, operator.shown) == ([NEVER_SEEN, first], [first, server.status(key)])


async def test_a_status_that_was_never_written_is_not_reported(server: ApiServer, operator: Operator) -> None:
    key = server.apply("a", "v1")
    server.down = True
    await asyncio.sleep(60)
    server.objects[key]["status"] = {"said": "by somebody else"}
    server.apply("a", "v2")
    server.down = False
    await asyncio.sleep(60)
    assert (operator.shown_after, operator.shown) == ([{"said": "by somebody else"}], [server.status(key)])


async def test_a_bug_is_shown_in_the_status_and_retried_without_harm_to_other_objects(
    server: ApiServer, operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    operator.mirror.bug = True
    bad = server.apply("bad", "v1")
    await asyncio.sleep(5)
    assert server.status(bad)["said"].startswith("InternalError")
    assert len(server.writes) == 1, "the same bug is said once"
    operator.mirror.bug = False
    good = server.apply("good", "v1")
    await asyncio.sleep(60)
    assert server.status(good)["sent"] == server.status(bad)["sent"] == ["v1"]
    assert {record.__dict__["key"] for record in caplog.records} == {"default/bad"}


async def test_a_late_deletion_does_not_affect_another_object_of_the_name(
    server: ApiServer, operator: Operator
) -> None:
    key = server.apply("a", "v1")
    await asyncio.sleep(10)
    old = server.body(key)
    server.delete(key)
    server.apply("a", "v2")
    assert not operator.controller.gone(key, old["metadata"]["uid"])
    await asyncio.sleep(10)
    assert server.status(key)["sent"] == ["v2"]


async def test_the_state_of_the_old_object_is_dropped_before_the_new_one_is_reconciled(
    server: ApiServer, operator: Operator
) -> None:
    key = server.apply("a", "v1")
    await asyncio.sleep(10)
    server.watch_lags = True
    server.delete(key)
    server.lose_events()
    server.watch_lags = False
    server.apply("a", "v2")
    assert not operator.mirror.remembered
    await asyncio.sleep(10)
    assert operator.mirror.remembered == {key: "uid-2"}


def assert_nothing_is_left(operator: Operator) -> None:
    assert len(operator.cache) == 0
    assert not operator.mirror.remembered
    assert (len(operator.queue), operator.queue.running) == (0, 0)
    assert operator.loop.failing == 0
