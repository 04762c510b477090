"""The controller with a simple kind, wired as in the product, on the API server in memory: conflicts, failures, deletions."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Body, Cache, Key, key_of
from atlas_endpoints.controller.controller import (
    ConflictError,
    Controller,
    GoneError,
    MetadataChange,
    RefusedError,
    Result,
    Store,
)
from atlas_endpoints.controller.loop import Loop
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.controller.workqueue import Queue
from behaviour.api_server import NAMESPACE, Cluster, Latency
from support.virtual_time import VirtualClock

KEY = Key("ServerlessPrivateEndpoint", NAMESPACE, "a")
FINALIZER, NOTE = "example.com/keep", "example.com/note"
KEEP, LET_GO = MetadataChange({FINALIZER: True}, {NOTE: "one"}), MetadataChange({FINALIZER: False})
NEVER_SEEN = {"observedGeneration": -1}
DONE = {"observedGeneration": 1, "sent": ["v1"], "said": "Done", "since": 1}
FOREIGN = {"said": "by somebody else"}
DRIFTED = "somebody else's"
DURATION = 1.0
"""Seconds of a reconcile."""

Status = Mapping[str, Any]


class PlantedError(Exception):
    """A bug in a kind."""


class Mirror:
    """A kind with an external state that follows the specs; the status lists what was sent and the time of its last write."""

    def __init__(self, clock: VirtualClock) -> None:
        self.external: defaultdict[Key, list[str]] = defaultdict(list)
        """All values that were there, of which the last one is."""
        self.generations: list[int] = []
        """Of the reconciles."""
        self.remembered: dict[Key, str] = {}
        self.next: Requeue = NoRequeue()
        self.bug = False
        self.quiet = False
        """Whether each reconcile changes nothing."""
        self.change: MetadataChange | None = None
        """The metadata change of each reconcile."""
        self.records = False
        """Whether each reconcile records an intent."""
        self._clock = clock

    async def reconcile(self, body: Body, store: Store) -> Result:
        key, value = key_of(body), body["spec"]["value"]
        self.generations.append(body["metadata"]["generation"])
        refusal = ""
        try:
            if self.change is not None and not await store.change(self.change):
                return Result(requeue=RequeueAfter(0.0), status=body["status"])
        except RefusedError as error:
            refusal = str(error)
        except ClusterUnavailableError:
            return Result(requeue=Backoff(), status=body["status"])
        if self.records and not await store.write_status({**body["status"], "intent": value}):
            return Result(requeue=RequeueAfter(0.0), status=store.body["status"])
        await asyncio.sleep(DURATION)
        self.remembered[key] = body["metadata"]["uid"]
        if self.bug:
            raise PlantedError("a bug")
        if self.quiet:
            status = self._status(store.body, said=f"Refused: {refusal}") if refusal else store.body["status"]
            return Result(requeue=Backoff() if refusal else NoRequeue(), status=status)
        if self.external[key][-1:] != [value]:
            self.external[key].append(value)
        status = self._status(store.body, said=f"Done, but {refusal}" if refusal else "Done")
        return Result(requeue=Backoff() if refusal else self.next, status=status)

    def failed(self, body: Body, error: Exception) -> Result:
        return Result(requeue=Backoff(), status=self._status(body, said="InternalError"))

    def _status(self, body: Body, *, said: str) -> Status:
        previous, metadata = body["status"], body["metadata"]
        status = {
            **{name: previous[name] for name in ("intent",) if name in previous},
            **metadata.get("labels", {}),
            "observedGeneration": metadata["generation"],
            "sent": [each for each in self.external[key_of(body)] if each != DRIFTED],
            "said": said,
        }
        if status == {name: value for name, value in previous.items() if name != "since"}:
            return dict(previous)
        return status | {"since": self._clock.monotonic()}

    def forget(self, key: Key) -> None:
        self.remembered.pop(key, None)
        self.external.pop(key, None)


class Operator:
    """The controller and its kind, and what people and the network do to them.

    Attributes:
        performed: each status write that has reached the API server, with the status before; ``told``, what the controller reports.
        refused: number of writes that the API server has refused for the version.
        changes: number of metadata writes.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self.latency = Latency()
        self.cluster = Cluster(self.latency, lambda: "2026-11-25T12:00:00Z")
        self.mirror = Mirror(clock)
        self.cache = Cache(lambda body: body["metadata"].get("annotations", {}))
        self.queue: Queue[Key] = Queue(clock, workers=2)
        self.performed: list[tuple[Status, Status]] = []
        self.told: list[tuple[Status, Status]] = []
        self.refused = self.changes = 0
        self.lags = False
        self.events: list[tuple[str, Body]] = []
        self.cluster.watcher = self._watch
        self.cluster.status_written = lambda body, status: self.performed.append((body["status"], status))
        self.controller = Controller(
            self.mirror,
            self.cache,
            self,
            enqueue=self._enqueue,
            written=lambda body, status: self.told.append((body["status"], status)),
            left=lambda body: self.loop.forget(key_of(body)),
        )
        self.loop: Loop[Key] = Loop(self.queue, self.controller.run, clock=clock, random=Random(1))  # noqa: S311  # jitter

    async def write(self, body: Body, status: Status) -> Body:
        try:
            return await self.cluster.write(body, status)
        except (ConflictError, GoneError):
            self.refused += 1
            raise

    async def change(self, body: Body, change: MetadataChange) -> Body:
        after = await self.cluster.change(body, change)
        self.changes += 1
        return after

    async def read(self, key: Key) -> Body | None:
        return await self.cluster.read(key)

    def _enqueue(self, key: Key, _: Body) -> None:
        self.loop.reset(key)
        self.queue.add(key, urgent=True)

    def _watch(self, type_: str, body: Body) -> None:
        self.events.append((type_, body))
        self.let_lag(lags=self.lags)

    def let_lag(self, *, lags: bool) -> None:
        """Have events wait from now on, or hand over those that have waited."""
        self.lags = lags
        while self.events and not lags:
            type_, body = self.events.pop(0)
            if type_ == "DELETED":
                self.leave(body)
            else:
                self.controller.seen(body)

    def leave(self, body: Body) -> None:
        """Hear that an object is gone, or is served no more."""
        self.controller.gone(key_of(body), body["metadata"]["uid"])

    def put(self, status: Status | None = None, **metadata: object) -> None:
        """Write into the object, as a tool does."""
        body = self.cluster.objects[KEY]
        told = {**body, "metadata": {**body["metadata"], **metadata}, "status": status or body["status"]}
        self.cluster.put("MODIFIED", KEY, told)
        if metadata:
            self.cluster.annotate("a", written="yes")

    def miss(self) -> None:
        """Have the object leave what is served, and return."""
        body = deepcopy(self.cluster.objects[KEY])
        self.leave(body)
        self.controller.seen(body)


def sets(part: str, **values: object) -> Callable[[Operator, str], object]:
    return lambda operator, _: vars(getattr(operator, part)).update(values)


STEPS: dict[str, Callable[[Operator, str], object]] = {
    "apply": lambda operator, word: operator.cluster.apply("a", {"value": word}),
    "label": lambda operator, word: operator.cluster.label("a", team=word),
    "annotate": lambda operator, word: operator.cluster.annotate("a", team=word),
    "delete": lambda operator, _: operator.cluster.delete("a"),
    "overwrite": lambda operator, _: operator.put(FOREIGN),
    "was-finalized": lambda operator, _: operator.put(finalizers=[FINALIZER]),
    "is-being-deleted": lambda operator, _: operator.put(deletionTimestamp="now"),
    "leave-and-return": lambda operator, _: operator.miss(),
    "wake": lambda operator, _: operator.queue.add(KEY),
    "lag": lambda operator, _: operator.let_lag(lags=True),
    "catch-up": lambda operator, _: operator.let_lag(lags=False),
    "lose-events": lambda operator, _: operator.events.clear(),
    "slow": sets("latency", seconds=1.0),
    "down": sets("cluster", down=True),
    "up": sets("cluster", down=False),
    "lose-answers": sets("cluster", unreliable=1.0),
    "answer": sets("cluster", unreliable=0.0),
    "forbid": sets("cluster", changes_fail=RefusedError("not allowed")),
    "allow": sets("cluster", changes_fail=None),
    "drift": lambda operator, _: operator.mirror.external[KEY].append(DRIFTED),
    "requeue": lambda operator, word: sets("mirror", next=RequeueAfter(float(word)))(operator, word),
    "quiet": sets("mirror", quiet=True),
    "bug": sets("mirror", bug=True),
    "mend": sets("mirror", bug=False),
    "finalize": sets("mirror", change=KEEP),
    "release": sets("mirror", change=LET_GO),
    "record": sets("mirror", records=True),
}


@pytest.fixture
async def operator(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Operator]:
    operator = Operator(clock)
    workers = asyncio.create_task(operator.loop.work())
    yield operator
    operator.queue.close()
    await workers
    errors = [record.exc_info[1] for record in caplog.get_records("call") if record.exc_info]
    assert [error for error in errors if not isinstance(error, (PlantedError, ClusterUnavailableError))] == []


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
    "a reconcile of what is not there does nothing": Case("wake; wait 10", [], None, writes=0),
    "only a change of the trigger causes a reconcile": Case(
        "apply v1; wait 10; label blue; wait 10; annotate x; wait 10",
        [1, 1],
        DONE | {"team": "blue", "since": 21},
        writes=2,
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
        "apply v1; wait 0.5; label blue; wait 10", [1], refused=0
    ),
    "a change without an event causes a second write and no second reconcile": Case(
        "apply v1; wait 0.5; lag; label blue; wait 10", [1], refused=1
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
    "an object with a refused metadata write is still reconciled": Case(
        "finalize; forbid; apply v1; wait 100; drift; wait 1000",
        None,
        {"said": "Done, but not allowed", "sent": ["v1", "v1"]},
        writes=2,
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
    **{
        f"a finalizer stays that an edit has asked for: {how} tells of the edit": Case(
            f"finalize; apply v1; wait 10; release; slow; apply v2; wait 0.1; {lag}finalize; apply v3; wait 20; catch-up; wait 20",
            [1, 2, 3],
            {"observedGeneration": 3},
            writes=2,
            metadata={"finalizers": [FINALIZER]},
        )
        for how, lag in (("the watch", ""), ("a conflict", "lag; "))
    },
    "an object without its last finalizer is gone": Case(
        "quiet; finalize; apply v1; wait 10; release; is-being-deleted; wait 10", None, None, writes=0
    ),
    "an object that leaves and returns during a metadata write is reconciled again": Case(
        "finalize; slow; lose-answers; apply v1; wait 0.7; leave-and-return; wait 0.4; answer; wait 20",
        None,
        {"sent": ["v1"]},
    ),
    "what is recorded is written before the rest": Case(
        "record; apply v1; wait 0.5; delete; wait 10", [1], None, writes=1
    ),
    "an edit while it is recorded ends the reconcile": Case(
        "record; slow; apply v1; wait 0.5; apply v2; wait 20", [1, 2], {"intent": "v2", "sent": ["v2"]}, writes=2
    ),
    "the next reconcile builds on what could not be written": Case(
        "apply v1; down; wait 60; apply v2; wait 60; up; wait 60", None, {"observedGeneration": 2, "sent": ["v1", "v2"]}
    ),
    "a bug while nothing can be written is said": Case(
        "apply v1; down; wait 60; bug; apply v2; up; wait 10", None, {"sent": ["v1"], "said": "InternalError"}
    ),
    "a write whose answer was lost is not made twice": Case("apply v1; lose-answers; wait 1.5; answer; wait 60", None),
    "a bug is said once and retried": Case("bug; apply v1; wait 5; mend; wait 60", None, {"sent": ["v1"]}, writes=2),
    "a status that a person wrote is overwritten": Case(
        "apply v1; down; wait 30; overwrite; up; wait 60", None, {"said": "Done", "sent": ["v1"]}
    ),
    "a deleted object is forgotten": Case("requeue 10; apply v1; wait 15; delete; wait 100", [1, 1], None),
    "a write reveals a deletion without an event": Case(
        "apply v1; wait 0.5; lag; delete; lose-events; wait 100", [1], None, writes=0
    ),
    "a deletion during a reconcile": Case("requeue 10; apply v1; wait 0.5; delete; wait 100", [1], None, writes=0),
    "a deletion during a reconcile that meets a bug": Case(
        "bug; apply v1; wait 0.5; delete; wait 100", [1], None, writes=0
    ),
    "a deletion while the API server is down": Case(
        "apply v1; wait 0.5; down; wait 10; delete; wait 1000", None, None, writes=0
    ),
    "the answer to a write does not restore a deleted object": Case(
        "slow; apply v1; wait 1.7; delete; wait 100", [1], None
    ),
    "the answer to a read does not restore a deleted object": Case(
        "slow; apply v1; wait 0.5; lag; label blue; wait 2.2; catch-up; delete; wait 100", [1], None, writes=0
    ),
    "an object that is gone when it is read after a conflict": Case(
        "slow; apply v1; wait 0.5; lag; label blue; wait 1.2; delete; lose-events; wait 100", [1], None, writes=0
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
    "another object of the name while nothing can be written gets its own": Case(
        "apply v1; down; wait 60; lag; delete; lose-events; catch-up; apply v2; up; wait 10", None, {"sent": ["v2"]}
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_an_object(operator: Operator, case: Case) -> None:
    for each in case.steps.split("; "):
        verb, _, word = each.partition(" ")
        if verb == "wait":
            await asyncio.sleep(float(word))
        else:
            STEPS[verb](operator, word)
    assert case.generations in (None, operator.mirror.generations)
    assert len(operator.performed) == case.writes
    assert operator.told == operator.performed, "each status that was written is told once, with the one before"
    assert case.refused in {None, operator.refused}
    if case.status is None:
        assert len(operator.cache) == 0
        assert not operator.mirror.remembered
        assert (len(operator.queue), operator.queue.running, operator.loop.failing) == (0, 0, 0)
    else:
        present = operator.cluster.objects[KEY]
        assert present["status"].items() >= case.status.items()
        assert present["metadata"].items() >= case.metadata.items()
        assert operator.changes == (1 if case.metadata else 0)
        assert operator.mirror.remembered == {KEY: present["metadata"]["uid"]}


async def test_writes_of_an_object_in_constant_change_are_limited(operator: Operator) -> None:
    operator.latency.seconds = 0.02
    operator.cluster.apply("a", {"value": "v1"})
    operator.let_lag(lags=True)
    for number in range(6000):
        await asyncio.sleep(0.01)
        operator.cluster.label("a", team=str(number))
    assert operator.refused < 60
    await asyncio.sleep(400)
    assert operator.cluster.objects[KEY]["status"]["sent"] == ["v1"]
