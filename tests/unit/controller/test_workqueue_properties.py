"""What holds for the queue whatever is done to it, and in whatever order; a model of a few lines says what is right."""

import asyncio  # noqa: TC003  # hypothesis reads the rules' annotations
from collections import Counter
from dataclasses import dataclass
from random import Random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from atlas_endpoints.controller.workqueue import ROUTINE_SHARE, Flow, Queue
from support.virtual_time import VirtualClock, VirtualTimeLoop

LANE_LIMIT = 2
WORKERS = 5
keys = st.integers(min_value=0, max_value=15)
flows = st.sampled_from([Flow("x", "a"), Flow("x", "b"), Flow("y", "b"), Flow("y", "c")])
"""Two of each owner, one of which they have in common."""
delays = st.sampled_from([0.0, 0.0, 1.0, 2.0, 2.5, 60.0])


@dataclass(frozen=True)
class Asked:
    """What was asked for a key that is with no worker, or that is to run again."""

    flow: Flow
    due: float
    urgent: bool


class QueueMachine(RuleBasedStateMachine):
    """A queue and its model, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualTimeLoop()
        self.workers: list[asyncio.Task[None]] = []
        self.picks: list[tuple[int, float]] = []
        self.asked: dict[int, Asked] = {}
        self.running: dict[int, Asked] = {}
        self.forgotten: set[int] = set()
        self.urgent_in_a_row: Counter[Flow | str] = Counter()
        """Of each flow, and of all under the name of ``all``."""
        self.routine_passed_over: Counter[Flow | str] = Counter()

    @initialize(
        routine_limit=st.sampled_from([1, 2, WORKERS]),
        routine_flow_limit=st.integers(min_value=1, max_value=LANE_LIMIT),
        added=st.lists(st.tuples(flows, st.booleans()), max_size=8),
        workers=st.integers(min_value=0, max_value=WORKERS),
    )
    def a_queue_is_made(
        self, routine_limit: int, routine_flow_limit: int, added: list[tuple[Flow, bool]], workers: int
    ) -> None:
        """It begins with some keys and workers, so that the limits are reached often."""
        self.routine_limit = routine_limit
        self.routine_flow_limit = routine_flow_limit
        self.queue: Queue[int] = Queue(
            VirtualClock(self.loop),
            flow_limit=LANE_LIMIT,
            routine_limit=routine_limit,
            routine_flow_limit=routine_flow_limit,
        )
        for key, (flow, urgent) in enumerate(added):
            self.add(key, flow, 0.0, urgent=urgent)
        self.workers = [self.loop.create_task(self.work()) for _ in range(workers)]
        self.settle()

    # What may happen.

    @precondition(lambda self: len(self.workers) + len(self.running) < WORKERS)
    @rule()
    def a_worker_asks(self) -> None:
        self.workers.append(self.loop.create_task(self.work()))
        self.settle()

    @precondition(lambda self: self.workers)
    @rule()
    def a_worker_is_cancelled(self) -> None:
        self.cancel_one()
        self.settle()

    @rule(key=keys, flow=flows, delay=delays, urgent=st.booleans())
    def a_key_is_added(self, key: int, flow: Flow, delay: float, urgent: bool) -> None:
        self.add(key, flow, delay, urgent=urgent)
        self.settle()

    @rule(flow=flows, many=st.sets(keys, min_size=5), delay=delays, urgent=st.booleans())
    def many_keys_are_added_together(self, flow: Flow, many: set[int], delay: float, urgent: bool) -> None:
        for key in sorted(many):
            self.add(key, flow, delay, urgent=urgent)
        self.settle()

    @precondition(lambda self: self.running)
    @rule(
        data=st.data(),
        delay=st.none() | delays,
        urgent=st.booleans(),
        cancelled=st.sampled_from(["nobody", "before", "after"]),
    )
    def a_worker_gives_its_key_back(
        self, data: st.DataObject, delay: float | None, urgent: bool, cancelled: str
    ) -> None:
        """At the same moment another one may be cancelled, who may have been woken or not."""
        key = data.draw(st.sampled_from(sorted(self.running)))
        if cancelled == "before":
            self.cancel_one()
        self.done(key, delay, urgent=urgent)
        if cancelled == "after":
            self.cancel_one()
        self.settle()

    @precondition(lambda self: self.running)
    @rule(random=st.randoms(use_true_random=False), times=st.integers(min_value=10, max_value=50))
    def for_a_while_all_that_runs_comes_back_as_it_was(self, random: Random, times: int) -> None:
        """Edits without end, and routine keys without end."""
        for _ in range(times):
            key = random.choice(sorted(self.running))
            self.add(key, self.running[key].flow, 0.0, urgent=self.running[key].urgent)
            self.done(key, None)
            self.workers.append(self.loop.create_task(self.work()))
            self.settle()
            self.all_is_as_the_model_says()
            if not self.running:
                return

    @rule(key=keys)
    def a_key_is_forgotten(self, key: int) -> None:
        self.queue.forget(key)
        self.asked.pop(key, None)
        self.forgive()
        if key in self.running:
            self.forgotten.add(key)
        self.settle()

    @rule(seconds=st.sampled_from([0.5, 1.0, 2.0, 59.0, 300.0]))
    def time_passes(self, seconds: float) -> None:
        self.settle(seconds)

    # What must hold.

    @invariant()
    def all_is_as_the_model_says(self) -> None:
        now = self.loop.time()
        due = {key for key, asked in self.asked.items() if asked.due <= now and key not in self.running}
        assert len(self.queue) == len(due)
        assert self.queue.running == len(self.running)
        assert {key for key in range(16) if key in self.queue} == set(self.asked)
        cancelled = sum(worker.cancelling() for worker in self.workers)
        assert len(self.workers) == cancelled or not any(map(self.may_run, due)), (
            "a worker sleeps over a key that is due"
        )

    @override
    def teardown(self) -> None:
        self.queue.close()
        self.loop.run_for(0)
        assert all(worker.done() for worker in self.workers), "closing leaves a worker waiting"
        self.loop.close()

    # The model.

    def add(self, key: int, flow: Flow, delay: float, *, urgent: bool) -> None:
        self.queue.add(key, flow=flow, delay=delay, urgent=urgent)
        self.model_add(key, flow, delay, urgent=urgent)

    def model_add(self, key: int, flow: Flow, delay: float, *, urgent: bool) -> None:
        due = self.loop.time() + delay
        before = self.asked.get(key)
        if before is not None:
            due, urgent = min(due, before.due), urgent or before.urgent
        self.asked[key] = Asked(flow, due, urgent)
        self.forgive()

    def forgive(self) -> None:
        """Nobody is passed over in a flow from which the last routine key that waited has been taken away."""
        now = self.loop.time()
        waiting = (each for key, each in self.asked.items() if key not in self.running and each.due <= now)
        routine = {each.flow for each in waiting if not each.urgent}
        for flow in self.routine_passed_over.keys() - routine - {"all"}:
            self.routine_passed_over[flow] = 0

    def done(self, key: int, delay: float | None, *, urgent: bool = False) -> None:
        self.queue.done(key, delay=delay, urgent=urgent)
        ran = self.running.pop(key)
        if delay is not None and key not in self.forgotten:
            newer = self.asked.get(key)
            urgent = urgent or (ran.urgent and delay == 0)
            self.model_add(key, newer.flow if newer else ran.flow, delay, urgent=urgent)
        self.forgotten.discard(key)

    def cancel_one(self) -> None:
        if self.workers:
            self.workers[0].cancel()

    async def work(self) -> None:
        key = await self.queue.get()
        if key is not None:
            self.picks.append((key, self.loop.time()))

    def settle(self, seconds: float = 0.0) -> None:
        """Let happen what is due, and follow it in the model."""
        began = self.loop.time()
        self.loop.run_for(seconds)
        self.workers = [worker for worker in self.workers if not worker.done()]
        for key, at in self.picks:
            self.follow(key, at, began)
        self.picks.clear()

    def follow(self, key: int, at: float, began: float) -> None:
        """A worker got a key."""
        asked = self.asked[key]
        assert at == max(asked.due, began), "it was handed out too early or too late"
        assert self.may_run(key), "it is with a worker already, or its flow, its owner or its priority is full"
        rivals = [other for other, its in self.asked.items() if its.due <= at and other != key and self.may_run(other)]
        if asked.urgent:
            for scope in (asked.flow, "all"):
                self.urgent_in_a_row[scope] += 1
                routine = any(
                    not self.asked[other].urgent and scope in {"all", self.asked[other].flow} for other in rivals
                )
                self.routine_passed_over[scope] = self.routine_passed_over[scope] + 1 if routine else 0
                assert self.routine_passed_over[scope] < ROUTINE_SHARE, f"routine keys starve: {scope}"
        else:
            edits_wait = any(self.asked[other].urgent for other in rivals)
            most = max(self.urgent_in_a_row[asked.flow], self.urgent_in_a_row["all"])
            assert not edits_wait or most >= ROUTINE_SHARE - 1, "a routine key went before an edit"
            for scope in (asked.flow, "all"):
                self.urgent_in_a_row[scope] = self.routine_passed_over[scope] = 0
        del self.asked[key]
        self.running[key] = asked

    def may_run(self, key: int) -> bool:
        asked, held = self.asked[key], list(self.running.values())
        routine = [each for each in held if not each.urgent]
        has_room = asked.urgent or (
            len(routine) < self.routine_limit and share(asked.flow, routine) < self.routine_flow_limit
        )
        return key not in self.running and share(asked.flow, held) < LANE_LIMIT and has_room


def share(flow: Flow, among: list[Asked]) -> int:
    """The larger share of the flow's owner and name."""
    owners, names = Counter(each.flow.owner for each in among), Counter(each.flow.name for each in among)
    return max(owners[flow.owner], names[flow.name])


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
