"""What the whole remembers of what the watch tells, and whom it serves first, where this takes more than the cache or the queue."""

import asyncio
import logging
from random import Random
from typing import Any

import pytest
from typing_extensions import override

from atlas_endpoints.cluster.relister import APART
from atlas_endpoints.controller.cache import Body, Key
from atlas_endpoints.controller.requeue import Backoff, Requeue
from atlas_endpoints.core import Core, ServedKind
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.resource import FINALIZER
from behaviour.api_server import Cluster
from support.cores import core_of
from support.named import NAMED
from support.ports import NoObserver
from support.virtual_time import VirtualClock, on_virtual_time

KEY = Key("ServerlessPrivateEndpoint", "shop", "db")
HELD = "6f4b28377b7de4a2b52f9a01"


def body(version: int = 7, *, uid: str = "uid-db", name: str = "db", **rest: Any) -> dict[str, Any]:
    metadata = {"namespace": KEY.namespace, "name": name, "uid": uid, "generation": 1, "resourceVersion": str(version)}
    return {**NAMED, "metadata": metadata, "spec": {}, **rest}


def served(core: Core) -> ServedKind:
    return core.kinds[KIND.names.kind]


class Listening(NoObserver):
    """Hears what reconciles come to, and the priority of each key that a worker gets."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.urgent: list[bool] = []

    @override
    def reconciled(self, kind: str, following: Requeue, seconds: float) -> None:
        self.heard.append(following)

    @override
    def blocked(self, kind: str, reason: str) -> None:
        self.heard.append(reason)

    @override
    def waited(self, seconds: float, *, urgent: bool) -> None:
        self.urgent.append(urgent)


class Harness:
    """A core, the API server in memory, and one object that is known; on virtual time, without a watch."""

    def __init__(self) -> None:
        self.clock = VirtualClock(asyncio.get_running_loop())
        self.cluster = Cluster(Random(1), lambda: "2026-11-25T12:00:00Z")  # noqa: S311  # latencies
        self.observer = Listening()
        self.core = core_of(self.cluster, observer=self.observer, clock=self.clock)
        self.cluster.apply("db", {})
        self.known = self.cluster.objects[KEY]
        self.version = int(self.known["metadata"]["resourceVersion"])

    async def listed(self) -> None:
        """Let the cache become complete."""
        self.keeping = asyncio.create_task(served(self.core).relister.keep())
        await served(self.core).relister.complete.wait()
        assert self.cached is not None

    def at(self, version: int, **metadata: Any) -> Body:
        """Return the object at another version."""
        return {**self.known, "metadata": {**self.known["metadata"], "resourceVersion": str(version), **metadata}}

    @property
    def cached(self) -> Body | None:
        return served(self.core).cache.get(KEY)

    async def relists(self) -> bool:
        """Let the time pass in which a LIST would follow."""
        before = len(self.cluster.lists)
        await asyncio.sleep(APART + 1)
        return len(self.cluster.lists) > before


class TestDeletionsThatComeLate:
    """An object that has lost the label comes as deleted, and may have got it back by then."""

    @on_virtual_time
    async def test_an_object_that_has_the_label_again_is_cached_after_a_relist(self) -> None:
        harness = Harness()
        await harness.listed()
        harness.core.deleted(harness.at(harness.version - 1))
        assert harness.cached is None, "nothing tells whether the newer state has the label"
        assert await harness.relists()
        assert harness.cached == harness.known

    @on_virtual_time
    async def test_an_object_that_was_only_written_since_stays_deleted(self) -> None:
        """The newer state was the answer to a write, which reaches an object whatever its labels are."""
        harness = Harness()
        await harness.listed()
        harness.core.seen(harness.at(harness.version + 2))
        harness.cluster.go_back((harness.version + 2, {}))
        harness.core.deleted(harness.at(harness.version + 1))
        assert await harness.relists()
        assert harness.cached is None

    @pytest.mark.parametrize(
        ("later", "uid"), [(1, "uid-db"), (0, "uid-db"), (-1, "predecessor")], ids=["later", "as known", "other"]
    )
    @on_virtual_time
    async def test_any_other_deletion_causes_no_relist(self, later: int, uid: str) -> None:
        harness = Harness()
        await harness.listed()
        harness.core.deleted(harness.at(harness.version + later, uid=uid))
        assert not await harness.relists()


class TestWhatStaysIsLogged:
    """A replica that does not lead sends no Event for a resource that goes; its log names what stays in Atlas."""

    @on_virtual_time
    async def deleted(self, metadata: Body, status: Body, policy: str = "Retain") -> None:
        core = Harness().core
        spec = {"endpointId": HELD, "projectId": "a" * 24, "instanceName": "shop", "providerName": "AWS"}
        gone = body(spec={**spec, "deletionPolicy": policy}, status=status)
        gone["metadata"] |= metadata
        core.seen(gone)
        core.deleted(gone)

    @pytest.mark.parametrize(
        "finalizers",
        [
            pytest.param(None, id="in the background"),
            pytest.param([FINALIZER], id="its finalizer was removed"),
            pytest.param(["foregroundDeletion"], id="in the foreground"),
        ],
    )
    def test_a_resource_without_a_finalizer_is_named_once_with_its_endpoint(
        self, caplog: pytest.LogCaptureFixture, finalizers: list[str] | None
    ) -> None:
        caplog.set_level(logging.INFO)
        begun = {"deletionTimestamp": "2026-11-25T12:00:00Z", "finalizers": finalizers}
        self.deleted(begun if finalizers else {}, {"endpoint": {"id": HELD}})
        (record,) = caplog.records
        words = f"If no other replica has deleted it: Endpoint {HELD} stays in Atlas: the resource"
        assert record.getMessage().startswith(words)
        assert vars(record)["resourceName"] == KEY.name

    @pytest.mark.parametrize("finalizers", [[], [FINALIZER]])
    @on_virtual_time
    async def test_one_that_another_of_its_name_replaces_is_named(
        self, caplog: pytest.LogCaptureFixture, finalizers: list[str]
    ) -> None:
        caplog.set_level(logging.INFO)
        former = body(status={"endpoint": {"id": HELD}})
        former["metadata"]["finalizers"] = finalizers
        core = Harness().core
        core.seen(former)
        core.seen(body(8, uid="successor"))
        (record,) = caplog.records
        assert "stays in Atlas" in record.getMessage()

    @pytest.mark.parametrize(
        ("metadata", "status"),
        [
            pytest.param({}, {}, id="one that has not reached an endpoint"),
            pytest.param({"finalizers": [FINALIZER]}, {"endpoint": {"id": HELD}}, id="one that lost its labels only"),
        ],
    )
    def test_nothing_is_said_of(self, caplog: pytest.LogCaptureFixture, metadata: Body, status: Body) -> None:
        caplog.set_level(logging.INFO)
        self.deleted(metadata, status, "Delete")
        assert caplog.records == []


@pytest.mark.parametrize(
    ("defect", "reason"), [(False, "ClusterUnavailable"), (True, "InternalError")], ids=["away", "defect"]
)
@on_virtual_time
async def test_a_status_that_cannot_be_written_is_reported_and_routine_after_a_few_failures_until_the_next_edit(
    defect: bool, reason: str
) -> None:
    def breaks(*_: object) -> None:
        raise ZeroDivisionError

    harness = Harness()
    await harness.listed()
    urgent = harness.observer.urgent
    if defect:
        harness.cluster.status_written = breaks
    else:
        harness.cluster.down = True
    working = asyncio.create_task(harness.core.loop.work())
    await asyncio.sleep(600)
    # The spec is none, so that a status says so.
    assert harness.observer.heard[:3] == ["InvalidSpec", reason, Backoff()]
    assert (urgent[:3], {*urgent[3:]}) == ([True] * 3, {False})

    urgent.clear()
    served(harness.core).wake(KEY)  # as its resync does
    await asyncio.sleep(0.2)
    assert urgent == [False]
    harness.core.seen(harness.at(harness.version + 1, generation=2))
    await asyncio.sleep(0.2)
    assert urgent[:2] == [False, True]
    harness.core.queue.close()
    await working
