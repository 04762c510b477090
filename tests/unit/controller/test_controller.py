"""The controller on an API server in memory, with conflicts, failures and deletions."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.controller.controller import MetadataChange
from atlas_endpoints.controller.requeue import NoRequeue, RequeueAfter
from support.virtual_time import VirtualClock
from unit.controller.api_server import NEVER_SEEN, ApiServer
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


class TestStatus:
    async def test_a_reconcile_writes_its_status_once(self, server: ApiServer, operator: Operator) -> None:
        key = server.apply("a", "v1")
        await asyncio.sleep(100)
        assert server.status(key) == {"observedGeneration": 1, "sent": ["v1"], "said": "Done", "since": 1}
        assert len(server.writes) == 1
        assert operator.shown == [server.status(key)]

    async def test_a_reconcile_without_a_change_writes_nothing(self, server: ApiServer, operator: Operator) -> None:
        operator.mirror.next = RequeueAfter(10)
        server.apply("a", "v1")
        await asyncio.sleep(100)
        assert len(operator.mirror.reconciles) == 10
        assert len(server.writes) == 1

    async def test_a_new_operator_does_not_write_an_equal_status(self, server: ApiServer, clock: VirtualClock) -> None:
        key = server.apply("a", "v1")
        server.objects[key]["status"] = {"observedGeneration": 1, "sent": ["v1"], "said": "Done", "since": 1}
        operator = Operator(clock, server)
        operator.mirror.external[key] = "v1"
        operator.controller.seen(server.body(key))
        assert await operator.controller.run(key) == NoRequeue()
        assert operator.mirror.reconciles == [("a", 1)]
        assert not server.writes

    async def test_a_reconcile_of_an_unknown_object_does_nothing(self, server: ApiServer, operator: Operator) -> None:
        assert await operator.controller.run(Key("ServerlessPrivateEndpoint", "default", "unknown")) == NoRequeue()
        assert not operator.mirror.reconciles

    async def test_a_reconcile_without_a_change_keeps_a_status_that_somebody_else_wrote(
        self, server: ApiServer, operator: Operator
    ) -> None:
        operator.mirror.quiet = NoRequeue()
        key = server.apply("a", "v1")
        await asyncio.sleep(0.5)
        server.objects[key]["status"] = {"said": "by a former leader"}
        server.label(key, touched="yes")
        await asyncio.sleep(10)
        assert server.status(key) == {"said": "by a former leader"}


class TestEvents:
    async def test_only_a_change_of_the_trigger_causes_a_reconcile(self, server: ApiServer, operator: Operator) -> None:
        key = server.apply("a", "v1")
        await asyncio.sleep(10)
        server.label(key, team="blue")
        await asyncio.sleep(10)
        assert operator.mirror.reconciles == [("a", 1)]
        server.annotate(key, force="1")
        await asyncio.sleep(10)
        assert operator.mirror.reconciles == [("a", 1), ("a", 1)]

    async def test_an_edit_during_a_reconcile_causes_another_one(self, server: ApiServer, operator: Operator) -> None:
        key = server.apply("a", "v1")
        await asyncio.sleep(0.5)
        server.apply("a", "v2")
        server.apply("a", "v3")
        await asyncio.sleep(1.6)
        assert operator.mirror.reconciles == [("a", 1), ("a", 3)]
        assert operator.mirror.external[key] == "v3"
        assert server.status(key)["observedGeneration"] == 3

    async def test_an_edit_that_only_the_write_reveals_causes_another_reconcile(
        self, server: ApiServer, operator: Operator
    ) -> None:
        key = server.apply("a", "v1")
        await asyncio.sleep(0.5)
        server.watch_lags = True
        server.apply("a", "v2")
        await asyncio.sleep(10)
        assert operator.mirror.sent == ["v1", "v2"]
        assert server.status(key) == {"observedGeneration": 2, "sent": ["v1", "v2"], "said": "Done", "since": 2}
        server.watch_lags = False
        await asyncio.sleep(10)
        assert operator.mirror.sent == ["v1", "v2"]
        assert len(operator.mirror.reconciles) == 2, "the late event changes nothing"


class TestConflicts:
    async def test_a_change_from_the_watch_during_the_reconcile_causes_no_refused_write(
        self, server: ApiServer, operator: Operator
    ) -> None:
        key = server.apply("a", "v1")
        await asyncio.sleep(0.5)
        server.label(key, team="blue")
        await asyncio.sleep(10)
        assert server.status(key)["sent"] == ["v1"]
        assert (len(server.writes), server.refused) == (1, 0)

    async def test_a_change_without_an_event_causes_a_second_write_and_no_second_reconcile(
        self, server: ApiServer, operator: Operator
    ) -> None:
        key = server.apply("a", "v1")
        await asyncio.sleep(0.5)
        server.watch_lags = True
        server.label(key, team="blue")
        await asyncio.sleep(10)
        assert server.status(key)["sent"] == ["v1"]
        assert server.status(key)["team"] == server.objects[key]["metadata"]["labels"]["team"] == "blue"
        assert operator.mirror.reconciles == [("a", 1)]
        assert (len(server.writes), server.refused) == (1, 1)

    async def test_a_conflict_does_not_lose_an_unwritten_status(self, server: ApiServer, operator: Operator) -> None:
        key = server.apply("a", "v1")
        server.down = True
        await asyncio.sleep(60)
        server.apply("a", "v2")
        server.down = False
        await asyncio.sleep(0.5)
        server.watch_lags = True
        server.label(key, team="blue")
        await asyncio.sleep(10)
        assert server.refused == 1
        assert server.status(key)["sent"] == ["v1", "v2"]

    async def test_writes_of_an_object_in_constant_change_are_limited(
        self, server: ApiServer, operator: Operator
    ) -> None:
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


FINALIZER, NOTE = "example.com/keep", "example.com/note"
KEEP, LET_GO = MetadataChange({FINALIZER: True}, {NOTE: "one"}), MetadataChange({FINALIZER: False})


class TestMetadata:
    async def test_metadata_is_written_once_before_the_status(self, server: ApiServer, operator: Operator) -> None:
        operator.mirror.change = KEEP
        key = server.apply("a", "v1")
        await asyncio.sleep(10)
        metadata = server.objects[key]["metadata"]
        assert (metadata["finalizers"], metadata["annotations"]) == ([FINALIZER], {NOTE: "one"})
        assert len(server.changes) == 1
        assert server.status(key)["sent"] == ["v1"]
        assert server.refused == 0

    async def test_metadata_of_others_is_kept(self, server: ApiServer, operator: Operator) -> None:
        operator.mirror.change = KEEP
        key = server.apply("a", "v1")
        server.objects[key]["metadata"] |= {"finalizers": ["other"], "annotations": {"theirs": "too"}}
        await asyncio.sleep(10)
        metadata = server.objects[key]["metadata"]
        assert metadata["finalizers"] == ["other", FINALIZER]
        assert metadata["annotations"] == {"theirs": "too", NOTE: "one"}

    async def test_metadata_is_written_without_a_status_change(self, server: ApiServer, operator: Operator) -> None:
        operator.mirror.quiet, operator.mirror.change = NoRequeue(), KEEP
        key = server.apply("a", "v1")
        await asyncio.sleep(10)
        assert server.objects[key]["metadata"]["finalizers"] == [FINALIZER]
        assert server.writes == []

    async def test_a_refused_metadata_write_is_shown_beside_the_new_status(
        self, server: ApiServer, operator: Operator
    ) -> None:
        operator.mirror.change, server.forbids = KEEP, "not allowed"
        key = server.apply("a", "v1")
        await asyncio.sleep(1000)
        assert server.status(key)["said"] == "Done, but not allowed"
        assert server.status(key)["sent"] == ["v1"]
        assert len(server.writes) == 1
        server.forbids = ""
        await asyncio.sleep(1000)
        assert server.objects[key]["metadata"]["finalizers"] == [FINALIZER]
        assert server.status(key)["said"] == "Done"
        assert operator.mirror.sent == ["v1"]

    async def test_a_refused_metadata_write_is_shown_without_a_status_change(
        self, server: ApiServer, operator: Operator
    ) -> None:
        operator.mirror.quiet, operator.mirror.change, server.forbids = NoRequeue(), LET_GO, "not allowed"
        key = server.apply("a", "v1")
        server.objects[key]["metadata"]["finalizers"] = [FINALIZER]
        server.annotate(key, touched="yes")
        await asyncio.sleep(1000)
        assert server.status(key)["said"] == "Refused: not allowed"
        assert len(server.writes) == 1
        server.forbids = ""
        await asyncio.sleep(1000)
        assert server.objects[key]["metadata"]["finalizers"] == []

    async def test_an_object_with_a_refused_metadata_write_is_still_reconciled(
        self, server: ApiServer, operator: Operator
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

    async def test_a_failed_metadata_write_is_retried(self, server: ApiServer, operator: Operator) -> None:
        operator.mirror.change = KEEP
        key = server.apply("a", "v1")
        await asyncio.sleep(0.5)
        server.down = True
        await asyncio.sleep(30)
        server.down = False
        await asyncio.sleep(60)
        assert server.objects[key]["metadata"]["finalizers"] == [FINALIZER]
        assert operator.mirror.sent == ["v1"]

    @pytest.mark.parametrize("lags", [False, True], ids=["the watch tells first", "a conflict tells first"])
    async def test_a_metadata_change_is_not_written_to_an_object_that_has_changed(
        self, server: ApiServer, operator: Operator, *, lags: bool
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

    async def test_an_object_without_its_last_finalizer_is_gone(self, server: ApiServer, operator: Operator) -> None:
        operator.mirror.change = KEEP
        key = server.apply("a", "v1")
        await asyncio.sleep(10)
        operator.mirror.quiet, operator.mirror.change = NoRequeue(), LET_GO
        server.objects[key]["metadata"]["deletionTimestamp"] = "now"
        server.annotate(key, touched="yes")
        await asyncio.sleep(10)
        assert key not in server.objects
        assert operator.cache.get(key) is None


class TestFailedWrites:
    async def test_an_unwritten_status_is_written_later_without_another_reconcile(
        self, server: ApiServer, operator: Operator
    ) -> None:
        key = server.apply("a", "v1")
        server.down = True
        await asyncio.sleep(60)
        assert server.status(key) == NEVER_SEEN
        server.down = False
        await asyncio.sleep(120)
        assert server.status(key) == {"observedGeneration": 1, "sent": ["v1"], "said": "Done", "since": 1}
        assert operator.mirror.reconciles == [("a", 1)]
        assert len(server.writes) == 1

    async def test_the_requeue_delay_counts_from_a_late_write(self, server: ApiServer, operator: Operator) -> None:
        operator.mirror.next = RequeueAfter(500)
        key = server.apply("a", "v1")
        server.down = True
        await asyncio.sleep(60)
        server.down = False
        await asyncio.sleep(120)
        assert server.status(key)["sent"] == ["v1"]
        assert operator.mirror.reconciles == [("a", 1)]
        await asyncio.sleep(500)
        assert operator.mirror.reconciles == [("a", 1)] * 2

    async def test_a_write_whose_answer_was_lost_is_not_made_twice(self, server: ApiServer, operator: Operator) -> None:
        operator.mirror.next = RequeueAfter(100)
        key = server.apply("a", "v1")
        server.watch_lags = True
        server.loses_answers = True
        await asyncio.sleep(1.5)
        assert server.status(key)["sent"] == ["v1"]
        server.loses_answers = False
        await asyncio.sleep(60)
        assert server.status(key) == {"observedGeneration": 1, "sent": ["v1"], "said": "Done", "since": 1}
        assert len(server.writes) == 1
        assert operator.mirror.reconciles == [("a", 1)]
        await asyncio.sleep(220)
        assert operator.mirror.reconciles == [("a", 1)] * 3, "and then all goes on as usual"

    @pytest.mark.parametrize("lags", [False, True], ids=["the watch tells first", "a conflict tells first"])
    async def test_a_write_whose_answer_was_lost_is_reported_once(
        self, server: ApiServer, operator: Operator, lags: bool
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

    async def test_a_write_whose_answer_was_lost_is_reported_after_an_edit(
        self, server: ApiServer, operator: Operator
    ) -> None:
        key = server.apply("a", "v1")
        server.loses_answers = True
        await asyncio.sleep(1.5)
        first = server.status(key)
        server.loses_answers = False
        server.apply("a", "v2")
        await asyncio.sleep(60)
        assert (operator.shown_after, operator.shown) == ([NEVER_SEEN, first], [first, server.status(key)])

    async def test_a_status_that_was_never_written_is_not_reported(self, server: ApiServer, operator: Operator) -> None:
        key = server.apply("a", "v1")
        server.down = True
        await asyncio.sleep(60)
        server.objects[key]["status"] = {"said": "by somebody else"}
        server.apply("a", "v2")
        server.down = False
        await asyncio.sleep(60)
        assert (operator.shown_after, operator.shown) == ([{"said": "by somebody else"}], [server.status(key)])

    async def test_a_new_generation_builds_on_an_unwritten_status(self, server: ApiServer, operator: Operator) -> None:
        key = server.apply("a", "v1")
        server.down = True
        await asyncio.sleep(60)
        server.apply("a", "v2")
        await asyncio.sleep(60)
        server.apply("a", "v3")
        server.down = False
        await asyncio.sleep(60)
        assert operator.mirror.sent == ["v1", "v2", "v3"]
        assert server.status(key)["sent"] == ["v1", "v2", "v3"], "what was confirmed from outside is told"
        assert server.status(key)["observedGeneration"] == 3

    async def test_a_reconcile_without_a_change_does_not_lose_an_unwritten_status(
        self, server: ApiServer, operator: Operator
    ) -> None:
        key = server.apply("a", "v1")
        server.down = True
        await asyncio.sleep(60)
        operator.mirror.quiet = NoRequeue()
        server.apply("a", "v2")
        server.down = False
        await asyncio.sleep(60)
        assert operator.mirror.reconciles == [("a", 1), ("a", 2)]
        assert server.status(key) == {"observedGeneration": 1, "sent": ["v1"], "said": "Done", "since": 1}

    async def test_a_bug_does_not_lose_an_unwritten_status(self, server: ApiServer, operator: Operator) -> None:
        key = server.apply("a", "v1")
        server.down = True
        await asyncio.sleep(60)
        operator.mirror.bug = True
        server.apply("a", "v2")
        server.down = False
        await asyncio.sleep(10)
        assert server.status(key)["sent"] == ["v1"]
        assert [status["said"] for _, status in server.writes] == ["InternalError after 1 sent"]

    async def test_a_status_that_a_person_wrote_is_overwritten(self, server: ApiServer, operator: Operator) -> None:
        key = server.apply("a", "v1")
        server.down = True
        await asyncio.sleep(30)
        server.objects[key]["status"] = {"said": "nonsense"}
        server.label(key, touched="yes")
        server.down = False
        await asyncio.sleep(60)
        assert server.status(key) == {"observedGeneration": 1, "sent": ["v1"], "said": "Done", "since": 1}


class TestBugs:
    async def test_a_bug_is_shown_in_the_status_and_retried_without_harm_to_other_objects(
        self, server: ApiServer, operator: Operator, caplog: pytest.LogCaptureFixture
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


class TestDeletion:
    async def test_a_deleted_object_is_forgotten(self, server: ApiServer, operator: Operator) -> None:
        operator.mirror.next = RequeueAfter(10)
        key = server.apply("a", "v1")
        await asyncio.sleep(15)
        server.delete(key)
        await asyncio.sleep(100)
        assert len(operator.mirror.reconciles) == 2
        assert_nothing_is_left(operator)

    async def test_a_write_reveals_a_deletion_without_an_event(self, server: ApiServer, operator: Operator) -> None:
        key = server.apply("a", "v1")
        await asyncio.sleep(0.5)
        server.watch_lags = True
        server.delete(key)
        server.lose_events()
        await asyncio.sleep(100)
        assert len(operator.mirror.reconciles) == 1
        assert_nothing_is_left(operator)

    async def test_a_deletion_during_a_reconcile_leaves_nothing_behind(
        self, server: ApiServer, operator: Operator
    ) -> None:
        operator.mirror.next = RequeueAfter(10)
        key = server.apply("a", "v1")
        await asyncio.sleep(0.5)
        server.delete(key)
        await asyncio.sleep(100)
        assert operator.mirror.reconciles == [("a", 1)]
        assert_nothing_is_left(operator)

    async def test_a_deletion_during_a_reconcile_that_meets_a_bug_leaves_nothing_behind(
        self, server: ApiServer, operator: Operator
    ) -> None:
        operator.mirror.bug = True
        key = server.apply("a", "v1")
        await asyncio.sleep(0.5)
        server.delete(key)
        await asyncio.sleep(100)
        assert operator.mirror.reconciles == [("a", 1)]
        assert_nothing_is_left(operator)

    async def test_a_deletion_while_the_api_server_is_down_leaves_nothing_behind(
        self, server: ApiServer, operator: Operator
    ) -> None:
        key = server.apply("a", "v1")
        await asyncio.sleep(0.5)
        server.down = True
        await asyncio.sleep(10)
        server.delete(key)
        await asyncio.sleep(1000)
        assert_nothing_is_left(operator)

    async def test_the_answer_to_a_write_does_not_restore_a_deleted_object(
        self, server: ApiServer, operator: Operator
    ) -> None:
        server.latency = 1.0
        key = server.apply("a", "v1")
        await asyncio.sleep(1.7)
        assert server.status(key)["sent"] == ["v1"], "the write is done, its answer is on its way"
        server.delete(key)
        await asyncio.sleep(100)
        assert operator.mirror.reconciles == [("a", 1)]
        assert_nothing_is_left(operator)

    async def test_the_answer_to_a_read_does_not_restore_a_deleted_object(
        self, server: ApiServer, operator: Operator
    ) -> None:
        server.latency = 1.0
        key = server.apply("a", "v1")
        await asyncio.sleep(0.5)
        server.watch_lags = True
        server.label(key, team="blue")
        await asyncio.sleep(2.2)
        assert server.refused == 1
        server.watch_lags = False
        server.delete(key)
        await asyncio.sleep(100)
        assert operator.mirror.reconciles == [("a", 1)]
        assert_nothing_is_left(operator)

    async def test_an_object_that_is_gone_when_it_is_read_after_a_conflict_is_forgotten(
        self, server: ApiServer, operator: Operator
    ) -> None:
        server.latency = 1.0
        key = server.apply("a", "v1")
        await asyncio.sleep(0.5)
        server.watch_lags = True
        server.label(key, team="blue")
        await asyncio.sleep(1.2)
        assert server.refused == 1
        server.delete(key)
        server.lose_events()
        await asyncio.sleep(100)
        assert_nothing_is_left(operator)

    async def test_a_late_deletion_does_not_affect_another_object_of_the_name(
        self, server: ApiServer, operator: Operator
    ) -> None:
        key = server.apply("a", "v1")
        await asyncio.sleep(10)
        old = server.body(key)
        server.delete(key)
        server.apply("a", "v2")
        assert not operator.controller.gone(key, old["metadata"]["uid"])
        await asyncio.sleep(10)
        assert server.status(key)["sent"] == ["v2"]


class TestRecreation:
    @pytest.mark.parametrize("lags", [False, True], ids=["and the watch tells", "and the watch tells late"])
    async def test_another_object_of_the_name_during_a_reconcile_gets_its_own_reconcile_and_status(
        self, server: ApiServer, operator: Operator, lags: bool
    ) -> None:
        key = server.apply("a", "v1")
        await asyncio.sleep(0.5)
        server.watch_lags = lags
        server.delete(key)
        server.apply("a", "v2")
        await asyncio.sleep(5)
        server.watch_lags = False
        await asyncio.sleep(5)
        assert operator.mirror.reconciles == [("a", 1), ("a", 1)]
        assert server.status(key) == {"observedGeneration": 1, "sent": ["v2"], "said": "Done", "since": 2}
        assert operator.mirror.remembered == {key: "uid-2"}
        assert [status["sent"] for _, status in server.writes] == [["v2"]]

    async def test_another_object_of_the_name_does_not_get_an_unwritten_status(
        self, server: ApiServer, operator: Operator
    ) -> None:
        key = server.apply("a", "v1")
        server.down = True
        await asyncio.sleep(60)
        server.watch_lags = True
        server.delete(key)
        server.lose_events()
        server.watch_lags = False
        server.apply("a", "v2")
        server.down = False
        await asyncio.sleep(10)
        assert server.status(key)["sent"] == ["v2"]

    async def test_the_state_of_the_old_object_is_dropped_before_the_new_one_is_reconciled(
        self, server: ApiServer, operator: Operator
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
