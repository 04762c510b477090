"""What the whole remembers of what the watch tells, where this takes more than the cache."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from typing_extensions import override

from atlas_endpoints.cluster import relister
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Body, Key, Listing
from atlas_endpoints.controller.controller import MetadataChange, Status
from atlas_endpoints.controller.requeue import Backoff, Requeue
from atlas_endpoints.core import Core, ServedKind
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.resource import FINALIZER
from atlas_endpoints.settings import OperatorSettings
from support.cores import core_of
from support.named import NAMED
from support.ports import NoObserver
from support.virtual_time import on_virtual_time
from support.worker import Worker

KEY = Key("ServerlessPrivateEndpoint", "shop", "db")


class Cluster:
    """Holds one object, or none that has the label."""

    def __init__(self) -> None:
        self.labelled: list[Body] = []
        self.version = 0
        self.lists = 0

    async def list(self, namespace: str | None, known: Callable[[Body], Body]) -> Listing | None:
        del namespace
        self.lists += 1
        return Listing([known(body) for body in self.labelled], self.version)

    async def read(self, key: Key) -> Body | None:
        raise NotImplementedError

    async def write(self, body: Body, status: Status) -> Body:
        raise NotImplementedError

    async def change(self, body: Body, change: MetadataChange) -> Body:
        raise NotImplementedError


def body(version: int, *, uid: str = "uid") -> Body:
    metadata = {"namespace": KEY.namespace, "name": KEY.name, "uid": uid, "generation": 1}
    return {**NAMED, "metadata": {**metadata, "resourceVersion": str(version)}, "spec": {}}


@pytest.fixture(autouse=True)
def lists_follow_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relister, "SETTLE", 0.0)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def core(cluster: Cluster) -> Core:
    return core_of(cluster)


def served(core: Core) -> ServedKind:
    return core.kinds[KIND.names.kind]


class TestDeletionsThatComeLate:
    """An object that has lost the label comes as deleted, and may have got it back by then."""

    async def begin(self, core: Core, cluster: Cluster, version: int) -> "asyncio.Task[None]":
        """Have the object be known at a version, all LISTs made for now."""
        cluster.labelled, cluster.version = [body(version)], version
        keeping = asyncio.create_task(served(core).relister.keep())
        await served(core).relister.complete.wait()
        assert served(core).cache.get(KEY) == body(version)
        return keeping

    async def test_an_object_that_has_the_label_again_is_cached_after_a_relist(
        self, core: Core, cluster: Cluster
    ) -> None:
        keeping = await self.begin(core, cluster, 7)
        core.deleted(body(6))
        assert served(core).cache.get(KEY) is None, "nothing tells whether the newer state has the label"
        async with asyncio.timeout(60):
            while served(core).cache.get(KEY) is None:  # noqa: ASYNC110  # it is a dictionary
                await asyncio.sleep(0.01)
        keeping.cancel()

    async def test_an_object_that_was_only_written_since_stays_deleted(self, core: Core, cluster: Cluster) -> None:
        """The newer state was the answer to a write, which reaches an object whatever its labels are."""
        keeping = await self.begin(core, cluster, 6)
        core.seen(body(8))
        cluster.labelled, cluster.version = [], 8
        core.deleted(body(7))
        async with asyncio.timeout(60):
            while cluster.lists == 1:  # noqa: ASYNC110  # it is a number
                await asyncio.sleep(0.01)
        assert served(core).cache.get(KEY) is None
        keeping.cancel()

    @pytest.mark.parametrize("gone", [body(8), body(7), body(6, uid="predecessor")], ids=["later", "as known", "other"])
    async def test_any_other_deletion_causes_no_relist(self, core: Core, cluster: Cluster, gone: Body) -> None:
        keeping = await self.begin(core, cluster, 7)
        core.deleted(gone)
        await asyncio.sleep(0.1)
        assert cluster.lists == 1
        keeping.cancel()


HELD = "6f4b28377b7de4a2b52f9a01"


class TestWhatStaysIsLogged:
    """A replica that does not lead sends no Event for a resource that goes; its log names what stays in Atlas."""

    async def deleted(
        self, core: Core, caplog: pytest.LogCaptureFixture, metadata: Body, status: Body, policy: str = "Retain"
    ) -> list[str]:
        caplog.set_level(logging.INFO)
        plain = body(7)
        spec = {"endpointId": HELD, "projectId": "a" * 24, "instanceName": "shop", "providerName": "AWS"}
        spec["deletionPolicy"] = policy
        gone = {**plain, "spec": spec, "metadata": {**plain["metadata"], **metadata}, "status": status}
        core.seen(gone)
        core.deleted(gone)
        return [record.getMessage() for record in caplog.records]

    @pytest.mark.parametrize(
        "metadata",
        [
            pytest.param({}, id="in the background"),
            pytest.param(
                {"deletionTimestamp": "2026-11-25T12:00:00Z", "finalizers": [FINALIZER]}, id="its finalizer was removed"
            ),
            pytest.param(
                {"deletionTimestamp": "2026-11-25T12:00:00Z", "finalizers": ["foregroundDeletion"]},
                id="in the foreground",
            ),
        ],
    )
    async def test_a_resource_without_a_finalizer_is_named_once_with_its_endpoint(
        self, core: Core, caplog: pytest.LogCaptureFixture, metadata: Body
    ) -> None:
        (line,) = await self.deleted(core, caplog, metadata, {"endpoint": {"id": HELD}})
        assert line.startswith(f"If no other replica has deleted it: Endpoint {HELD} stays in Atlas: the resource")
        (record,) = caplog.records
        assert vars(record)["resourceName"] == KEY.name

    @pytest.mark.parametrize("finalizers", [[], [FINALIZER]])
    async def test_one_that_another_of_its_name_replaces_is_named(
        self, core: Core, caplog: pytest.LogCaptureFixture, finalizers: list[str]
    ) -> None:
        caplog.set_level(logging.INFO)
        former = body(7)
        former["metadata"]["finalizers"] = finalizers
        core.seen({**former, "status": {"endpoint": {"id": HELD}}})
        core.seen(body(8, uid="successor"))
        (record,) = caplog.records
        assert "stays in Atlas" in record.getMessage()

    @pytest.mark.parametrize(
        ("metadata", "status"),
        [
            pytest.param({}, {}, id="one that has not reached an endpoint"),
            pytest.param(
                {"finalizers": [FINALIZER]},
                {"endpoint": {"id": HELD}},
                id="one that lost its labels and keeps its finalizer",
            ),
        ],
    )
    async def test_nothing_is_said_of(
        self, core: Core, caplog: pytest.LogCaptureFixture, metadata: Body, status: Body
    ) -> None:
        assert await self.deleted(core, caplog, metadata, status, "Delete") == []


class Listening(NoObserver):
    """Hears what passes come to."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    @override
    def reconciled(self, kind: str, following: Requeue, seconds: float) -> None:
        self.heard.append(following)

    @override
    def blocked(self, kind: str, reason: str) -> None:
        self.heard.append(reason)


@pytest.mark.parametrize(
    ("error", "reason"),
    [(ClusterUnavailableError("away"), "ClusterUnavailable"), (NotImplementedError("defect"), "InternalError")],
)
async def test_a_status_that_cannot_be_written_is_reported_to_the_observer(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, error: Exception, reason: str
) -> None:
    async def write(_body: Body, _status: Status) -> Body:
        raise error

    listening, worker = Listening(), Worker()
    core = core_of(cluster, observer=listening, around=worker)
    monkeypatch.setattr(cluster, "write", write)
    core.seen(body(1))  # whose spec is no spec, so that a status says so
    with pytest.raises(type(error)):
        await worker.run(KEY)
    assert listening.heard == ["InvalidSpec", reason, Backoff()]


@pytest.mark.parametrize("secrets", [1, 2, 16])
async def test_slow_calls_of_another_namespace_do_not_delay_an_edit(core: Core, secrets: int) -> None:
    for number in range(100):
        metadata = {"namespace": "slow", "name": f"db-{number}", "uid": f"{number}", "generation": 1}
        spec = {"credentialsSecretRef": {"name": f"atlas-{number % secrets}"}}
        core.seen({**NAMED, "metadata": {**metadata, "resourceVersion": "1"}, "spec": spec})
    workers = [asyncio.create_task(core.queue.get()) for _ in range(OperatorSettings().concurrency)]
    await asyncio.sleep(0)
    core.seen(body(2))
    await asyncio.wait(workers, timeout=0.1)
    assert KEY in {worker.result() for worker in workers if worker.done()}
    core.queue.close()
    await asyncio.gather(*workers)


async def test_slow_routine_work_of_a_namespace_does_not_delay_its_own_edit(core: Core) -> None:
    for number in range(100):
        other = body(1, uid=f"{number}")
        metadata = {**other["metadata"], "name": f"db-{number}"}
        core.seen({**other, "metadata": metadata, "status": {"observedGeneration": 1}})
    workers = [asyncio.create_task(core.queue.get()) for _ in range(OperatorSettings().concurrency)]
    await asyncio.sleep(0)
    core.seen(body(2))
    await asyncio.wait(workers, timeout=0.1)
    assert KEY in {worker.result() for worker in workers if worker.done()}
    core.queue.close()
    await asyncio.gather(*workers)


class Waiting(NoObserver):
    """Hears which priority each key had, until there were two."""

    def __init__(self) -> None:
        self.urgent: list[bool] = []
        self.twice = asyncio.Event()

    @override
    def waited(self, seconds: float, *, urgent: bool) -> None:
        self.urgent.append(urgent)
        if len(self.urgent) > 1:
            self.twice.set()


async def test_an_edit_is_urgent_until_its_status_is_written(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    async def write(_body: Body, _status: Status) -> Body:
        raise ClusterUnavailableError("away")

    monkeypatch.setattr(cluster, "write", write)
    waiting = Waiting()
    core = core_of(cluster, observer=waiting)
    core.seen(body(1))
    working = asyncio.create_task(core.loop.work())
    async with asyncio.timeout(60):
        await waiting.twice.wait()
    core.queue.close()
    await working
    assert waiting.urgent[:2] == [True, True]


@on_virtual_time
async def test_a_resource_whose_status_can_never_be_written_is_routine_until_its_next_edit() -> None:
    class Refusing(Cluster):
        @override
        async def write(self, body: Body, status: Status) -> Body:
            raise ClusterUnavailableError("a webhook refuses it")

    waiting = Waiting()
    core = core_of(Refusing(), observer=waiting)
    core.seen(body(1))
    working = asyncio.create_task(core.loop.work())
    await asyncio.sleep(600)
    assert waiting.urgent[:3] == [True, True, True]
    assert not any(waiting.urgent[3:])

    waiting.urgent.clear()
    served(core).wake(KEY)  # as its resync does
    await asyncio.sleep(0.01)
    assert waiting.urgent == [False]
    edited = body(2)
    core.seen({**edited, "metadata": {**edited["metadata"], "generation": 2}})
    await asyncio.sleep(0.01)
    assert waiting.urgent == [False, True]
    core.queue.close()
    await working
