"""The keys that workers get, and when, on virtual time."""

import asyncio
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import pytest

from atlas_endpoints.controller.workqueue import Flow, Queue
from support.virtual_time import VirtualClock, VirtualTimeLoop


@dataclass
class Harness:
    """A queue between the steps of a test: only the test and due keys change it."""

    loop: VirtualTimeLoop
    queue: Queue[str]
    waits: list[tuple[float, bool]]
    """How long each key was due that a worker got, and whether it was urgent."""

    def take(self) -> str:
        """Start a worker that gets a key at once, and return the key."""
        worker = self.worker()
        assert worker.done(), "no key is due"
        key = worker.result()
        assert key is not None
        return key

    def worker(self) -> asyncio.Task[str | None]:
        """Start a worker that waits for a key."""
        worker = self.loop.create_task(self.queue.get())
        self.loop.run_for(0)
        return worker

    def due(self) -> list[str]:
        """Return the due keys in order; a worker finishes each at once."""
        taken = []
        while (worker := self.worker()).done():
            key = worker.result()
            assert key is not None
            taken.append(key)
            self.queue.done(key)
        worker.cancel()
        self.loop.run_for(0)
        return taken

    def pass_time(self, seconds: float) -> None:
        self.loop.run_for(seconds)


@pytest.fixture
def harness() -> Iterator[Harness]:
    loop = VirtualTimeLoop()
    waits: list[tuple[float, bool]] = []

    def waited(seconds: float, *, urgent: bool) -> None:
        waits.append((seconds, urgent))

    harness = Harness(loop, Queue(VirtualClock(loop), workers=2, waited=waited), waits)
    yield harness
    harness.queue.close()
    loop.run_for(0)
    loop.close()


def own(name: str) -> Flow:
    """The only flow of an owner."""
    return Flow(f"owner of {name}", name)


def test_it_reports_how_long_a_key_was_due(harness: Harness) -> None:
    harness.queue.add("a", delay=5)
    harness.queue.add("b", urgent=True)
    harness.pass_time(8)
    assert harness.due() == ["b", "a"]
    assert harness.waits == [(8, True), (3, False)]


SCRIPTS = {
    "a key that is added often is handed out once": "add a; add a; add a; due a; due nothing",
    "a running key is not handed out again": "add a; take a; add a; add b; due b",
    "a key that is added while it runs is handed out once afterwards": "add a; take a; add a; add a; done a; due a",
    "a finished key without a delay does not return": "add a; take a; done a; wait 1e6; due nothing",
    "keys come in the order of their due times": "add late in 30; add soon in 10; add middle in 20; wait 30; due soon middle late",
    "a later time does not replace an earlier one": "add a in 2; add a in 300; wait 2; due a; wait 1000; due nothing",
    "an earlier time replaces a later one": "add a in 300; add a in 2; wait 2; due a; wait 1000; due nothing",
    "the delay of done counts from its call": "add a; take a; wait 7; done a in 5; wait 4.9; due nothing; wait 0.1; due a",
    "a request during the reconcile comes before its delay": "add a; take a; add a; done a in 300; due a; wait 1000; due nothing",
    "the delay of the reconcile comes before a later request": "add a; take a; add a in 300; done a in 5; wait 5; due a; wait 1000; due nothing",
    "the length counts due keys without a worker": "add busy; take busy; add a; add b; add later in 60; length 2; wait 60; length 3",
    "the length excludes a running key that was added again": "add a; take a; add a; length 0; done a; length 1",
    "urgent keys come first": "add routine; add edit urgent; due edit routine",
    "a routine key becomes urgent by an edit": "add a; add b; add c; add c urgent; due c a b",
    "an urgent key stays urgent when it is added as routine": "add edit urgent; add edit; add other urgent; add edit; due edit other",
    "an edit of a key in backoff runs at once and first": "add failing in 300; add routine; add failing urgent; due failing routine",
    "an edit of a running key is urgent afterwards": "add a; take a; add a urgent; add routine; done a in 300; due a routine",
    "an urgent key that goes on at once stays urgent": "add edit urgent; take edit; add routine; done edit in 0; due edit routine",
    "a running key returns in its newest flow": "add a from old; take a; add a from new; done a in 0; add b from old; take a; take b",
    "a forgotten key is not handed out": "add due; add later in 5; forget due; forget later; forget unknown; wait 10; due nothing",
    "a forgotten running key does not return": "add a; take a; add a; forget a; done a in 1; wait 10; due nothing",
    "a key that is added after it was forgotten is handed out, without the old delay": "add a; take a; forget a; add a; done a in 300; due a; wait 1000; due nothing",
}
"""Steps; ``due`` lists the keys that are handed out now in order, each finished at once."""


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_the_queue_hands_out(harness: Harness, script: str) -> None:
    for step in script.split("; "):
        verb, key, *options = step.split()
        value = dict(pairwise(options))
        delay = float(value["in"]) if "in" in value else None
        match verb:
            case "add":
                flow = own(value.get("from", key))
                harness.queue.add(key, flow=flow, delay=delay or 0, urgent="urgent" in options)
            case "take":
                assert harness.take() == key, step
            case "done":
                harness.queue.done(key, delay=delay)
            case "forget":
                harness.queue.forget(key)
            case "wait":
                harness.pass_time(float(key))
            case "due":
                assert harness.due() == [each for each in (key, *options) if each != "nothing"], step
            case "length":
                assert len(harness.queue) == int(key), step
            case _:
                raise AssertionError(step)


def test_a_due_key_is_handed_out_when_another_moves_to_an_earlier_time_in_the_same_step(harness: Harness) -> None:
    worker = harness.worker()
    harness.queue.add("later", delay=60)
    harness.queue.add("now")
    harness.queue.add("later", delay=30)
    harness.pass_time(0)
    assert worker.done()
    assert worker.result() == "now"


def test_flows_take_turns_however_many_keys_one_of_them_has(harness: Harness) -> None:
    for number in range(50):
        harness.queue.add(f"many {number}", flow=own("many"))
    for number in range(2):
        harness.queue.add(f"few {number}", flow=own("few"))
    assert harness.due()[:4] == ["many 0", "few 0", "many 1", "few 1"]


def test_replaced_times_do_not_accumulate(harness: Harness) -> None:
    """A key that is edited all day while its next resync is a day away."""
    tracemalloc.start()
    for _ in range(5000):
        harness.queue.add("a", urgent=True)
        harness.take()
        harness.queue.done("a", delay=86400)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 500_000, "bytes; each time takes some 200"
    harness.pass_time(86400)
    assert harness.due() == ["a"]
