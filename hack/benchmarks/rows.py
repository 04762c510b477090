"""What is measured: each row is one coroutine, run for each contender in each round.

A row returns figures by name. Times are in milliseconds or seconds as the name says, `cpu_ms`, `atlas_calls` and
`kubernetes_writes` are for each change, memory is in MB.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from benchmarks import scale as scales
from benchmarks import six_kinds
from benchmarks.api_server import each, is_at_rest
from benchmarks.atlas_stub import LATENCY
from benchmarks.contenders import Contender
from benchmarks.populations import DEDICATED, NAMESPACES, SERVERLESS, TWO_PROJECTS, WIDE, Fleet
from benchmarks.results import percentile
from benchmarks.stage import REST_TIMEOUT, SYNC_INTERVAL, Stage, measured_of, warm_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.api_server import Watcher
    from benchmarks.contenders import Running
    from benchmarks.populations import Population, Resource
    from support import audit

Figures: TypeAlias = dict[str, float]
Measure: TypeAlias = Callable[[Stage, Contender, Fleet, float], Awaitable[Figures]]

EDITS = 100
COUNTED = 200
"""Edits whose instructions are counted, which takes fifty times their time."""
PAUSE = (0.01, 0.05)
"""Seconds between two edits at rest, at random, so that they do not fall into step with anything."""
RESYNC_PAUSE = (0.05, 0.15)
"""Seconds between two edits during a resync: a hundred edits take longer than an interval."""
RESYNC_INTERVAL = 10.0
"""Seconds. The peer needs 6.3 of them for 5,000 calls of 20 ms with 16 workers."""
REST_INTERVAL = 15.0
REST_INTERVALS = 4
LOOKS = 10
"""How often the calls are counted in an interval."""
CALM = 2.0
"""Seconds that a contender gets to put its memory in order after its start."""
LOOK_TIMEOUT = 300.0
"""Seconds until all settled resources have to have been compared with Atlas."""
ADMITTED = 10
"""Calls a second that Atlas admits for a project where it has a limit. That of real projects is 33 for dedicated private
endpoints, and not known for serverless ones."""
ADMITTED_TIMEOUT = 1200.0
"""Seconds until an edit has to have come to rest where Atlas has a limit."""
LOGGED = 0.3
"""Seconds after which the audit log holds what a watch has already shown."""
HOUR = 3600.0
MILLISECONDS = 1000.0
MICROSECONDS = 1e6


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit.

    Attributes:
        resource: What was edited.
        accepted: The moment (`time.time`) at which the API server had accepted it.
        rested: The moment at which a watcher saw the status at rest.
    """

    resource: Resource
    accepted: float
    rested: float

    @property
    def milliseconds(self) -> float:
        return (self.rested - self.accepted) * MILLISECONDS


async def measure_edits(stage: Stage, contender: Contender, fleet: Fleet, scale: float) -> Figures:
    """One edit at a time, while nothing else is going on."""
    async with stage.at_work(contender, fleet) as (running, watcher):
        return await _measure_one_by_one(
            stage,
            running,
            _edit_one_by_one(stage, watcher, fleet, _scaled(EDITS, scale), PAUSE),
            changed=lambda resource: resource.edited,
        )


async def measure_new_and_edits(stage: Stage, contender: Contender, fleet: Fleet, scale: float) -> Figures:
    """One new resource at a time, while nothing else is going on; then one edit at a time."""
    population = measured_of(fleet, "new", _scaled(EDITS, scale))
    async with stage.at_work(contender, fleet, population) as (running, watcher):
        created = await _measure_one_by_one(
            stage,
            running,
            _create_one_by_one(stage, watcher, population, PAUSE),
            changed=lambda resource: resource.endpoint,
        )
        edited = await _measure_one_by_one(
            stage,
            running,
            _edit_one_by_one(stage, watcher, fleet, population.size, PAUSE),
            changed=lambda resource: resource.edited,
        )
        return _named("create", created) | _named("edit", edited)


async def measure_burst(
    stage: Stage, contender: Contender, fleet: Fleet, scale: float, *, size: int = 1000, workers: int
) -> Figures:
    """All resources are created at once, and then all are edited at once."""
    population = measured_of(fleet, "burst", _scaled(size, scale))
    async with stage.at_work(contender, fleet, population, workers=workers) as (running, watcher):
        figures: Figures = {}
        for name, change in (("create", stage.create), ("edit", stage.edit)):
            before = await _Counts.of(stage, running)
            await stage.atlas.forget_calls()
            edits, seconds = await _all_at_once(watcher, population, partial(change, words=name))
            calls = await stage.atlas.calls()
            phase = {
                "rate": population.size / seconds,
                **_percentiles([edit.milliseconds for edit in edits]),
                "atlas_calls": calls.admin / population.size,
                **await before.per_change(stage, running, population.size),
            }
            figures |= _named(name, phase)
        return {**figures, "resident_mb": running.memory().resident}


async def measure_instructions(stage: Stage, contender: Contender, fleet: Fleet, scale: float) -> Figures:
    """Instructions of ours for each edit of a burst: a measure that noise and machines do not touch."""
    del contender
    population = measured_of(fleet, "burst", _scaled(COUNTED, scale))
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder, "counts")
        async with stage.at_work(replace(stage.ours, counts=counts), fleet, population) as (running, watcher):
            await _all_at_once(watcher, population, partial(stage.create, words="create"))
            edits = _all_at_once(watcher, population, partial(stage.edit, words="edit"))
            counted = await running.instructions(edits, counts)
            return {f"{layer}_millions": count / 1e6 / population.size for layer, count in counted.items()}


async def measure_edits_within_limit(
    stage: Stage, contender: Contender, fleet: Fleet, scale: float, *, size: int = 1000
) -> Figures:
    """All resources are edited at once, while Atlas admits few calls a second for each project."""
    population = measured_of(fleet, "limit", _scaled(size, scale))
    async with stage.at_work(contender, fleet, population) as (_, watcher):
        await _all_at_once(watcher, population, partial(stage.create, words="create"))
        await stage.atlas.forget_calls()
        async with stage.atlas.limited(ADMITTED):
            change = partial(stage.edit, words="edit")
            edits, seconds = await _all_at_once(watcher, population, change, timeout=ADMITTED_TIMEOUT)
        calls = await stage.atlas.calls()
        return {
            "all_s": seconds,
            **_percentiles([edit.milliseconds for edit in edits]),
            "atlas_calls": calls.admin / population.size,
            "refused_calls": calls.counts.get("refused", 0) / population.size,
        }


async def measure_edits_in_resync(
    stage: Stage, contender: Contender, fleet: Fleet, scale: float, *, size: int = 5000, slower: float = 1.0
) -> Figures:
    """One edit at a time, while settled resources are compared with Atlas all the time.

    Args:
        stage: Where.
        contender: Whose work it is.
        fleet: What the resources are.
        scale: The share of the full size.
        size: How many resources are settled.
        slower: How many times as long an interval is, and the edits take.
    """
    settled = await stage.settle(fleet, [_scaled(size, scale)])
    interval, (shortest, longest) = RESYNC_INTERVAL * slower, RESYNC_PAUSE
    async with stage.at_work(contender, fleet, background=settled, sync_interval=interval) as (_, watcher):
        await stage.atlas.forget_calls()
        pause = shortest * slower, longest * slower
        edits = await _edit_one_by_one(stage, watcher, fleet, _scaled(EDITS, scale), pause)
        calls = await stage.atlas.calls()
        looks = calls.counts.get("list", 0) + calls.counts.get("get", 0)
        return {**_percentiles([edit.milliseconds for edit in edits]), "atlas_looks": looks}


async def measure_start(
    stage: Stage, contender: Contender, fleet: Fleet, scale: float, *, sizes: Sequence[int]
) -> Figures:
    """A start with settled resources: until all are known, and until all have been compared with Atlas."""
    settled = await stage.settle(fleet, [_scaled(size, scale) for size in sizes])
    count = sum(population.size for population in settled)
    await stage.replace_world(settled)
    moment = stage.moment()
    async with stage.running(contender, settled) as running:
        ready = await running.ready()
        compared = await running.passes(count, timeout=LOOK_TIMEOUT)
        await asyncio.sleep(CALM)
        memory = running.memory()
        calls = await stage.atlas.calls()
        return {
            "ready_s": ready,
            "compared_s": compared,
            "cpu_s": running.cpu_seconds(),
            "resident_mb": memory.resident,
            "peak_mb": memory.peak,
            "atlas_calls": calls.admin,
            "kubernetes_writes": stage.kubernetes_writes(running, moment),
        }


async def measure_rest(stage: Stage, contender: Contender, fleet: Fleet, scale: float, *, size: int = 1000) -> Figures:
    """An hour at rest, from a few short intervals: calls and writes do not depend on how long an interval is."""
    settled = await stage.settle(fleet, [_scaled(size, scale)])
    await stage.replace_world(settled)
    async with stage.running(contender, settled, sync_interval=REST_INTERVAL) as running:
        await running.ready()
        await running.passes(sum(population.size for population in settled), timeout=LOOK_TIMEOUT)
        await asyncio.sleep(REST_INTERVAL)  # the first round after the start is not like the others
        await stage.atlas.forget_calls()
        moment, cpu = stage.moment(), running.cpu_seconds()
        seen = [await stage.atlas.calls()]
        for _ in range(REST_INTERVALS * LOOKS):
            await asyncio.sleep(REST_INTERVAL / LOOKS)
            seen.append(await stage.atlas.calls())
        calls, busiest = seen[-1], max(after.admin - before.admin for before, after in pairwise(seen))
        an_hour = HOUR / SYNC_INTERVAL / REST_INTERVALS
        return {
            "atlas_calls_an_hour": calls.admin * an_hour,
            "lists_an_hour": calls.counts.get("list", 0) * an_hour,
            "gets_an_hour": calls.counts.get("get", 0) * an_hour,
            "busiest_tenth_percent": 100 * busiest * REST_INTERVALS / calls.admin,
            "kubernetes_writes": stage.kubernetes_writes(running, moment),
            "cpu_s_an_hour": (running.cpu_seconds() - cpu) * an_hour,
        }


async def measure_six_kinds_at_rest(
    stage: Stage, contender: Contender, fleet: Fleet, scale: float, *, size: int = 1000
) -> Figures:
    """An hour at rest of resources of all kinds, whose things the simulator has; otherwise as `measure_rest`."""
    del fleet
    count = _scaled(size, scale)

    async def create(number: int) -> None:
        await stage.objects(six_kinds.kind_of(number).plural).create(six_kinds.manifest(number))

    await each(range(count), create)
    with stage.simulated(six_kinds.seed(count)) as atlas:
        at_work = stage.running(
            contender, (), sync_interval=REST_INTERVAL, atlas_url=atlas.url, labels=six_kinds.SELECTOR
        )
        async with at_work as running:
            await running.ready()
            await running.passes(count, timeout=LOOK_TIMEOUT)
            await asyncio.sleep(2 * REST_INTERVAL)  # until each has its moment of the interval
            moment, cpu, begun = stage.moment(), running.cpu_seconds(), time.time()
            await asyncio.sleep(REST_INTERVALS * REST_INTERVAL)
            calls = [each for each in atlas.requests() if each["time"] >= begun and "/groups/" in each["path"]]
            writes, cpu = stage.kubernetes_writes(running, moment), running.cpu_seconds() - cpu
    bodies = [
        body
        for kind in six_kinds.KINDS
        for body in (await stage.objects(kind.plural).list(six_kinds.SELECTOR))["items"]
    ]
    for kind in six_kinds.KINDS:
        await stage.objects(kind.plural).delete_all(NAMESPACES, six_kinds.SELECTOR)
    an_hour = HOUR / SYNC_INTERVAL / REST_INTERVALS
    return {
        "atlas_calls_an_hour": len(calls) * an_hour,
        **six_kinds.looks(calls, REST_INTERVALS),
        "atlas_writes": sum(each["method"] != "GET" for each in calls),
        "restless": sum(not is_at_rest(body) for body in bodies),
        "kubernetes_writes": writes,
        "cpu_s_an_hour": cpu * an_hour,
    }


async def measure_among(stage: Stage, contender: Contender, fleet: Fleet, scale: float, *, size: int) -> Figures:
    """One operation of ours, in this process, among many instances and Secrets that are known."""
    del stage, contender, fleet
    known = _scaled(size, scale)
    operations = {"list": scales.a_list, "write": scales.a_write, "secret": scales.a_secret}
    return {
        f"{name}_us": await scales.cost(await prepared(known)) * MICROSECONDS for name, prepared in operations.items()
    }


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the benchmark.

    Attributes:
        measure: Runs it once.
        fleet: What there is.
        alone: Whether ours runs in it with no peer.
    """

    measure: Measure
    fleet: Fleet = SERVERLESS
    alone: bool = False


ROWS: Mapping[str, Row] = {
    "edit": Row(measure_edits),
    "burst-16": Row(partial(measure_burst, workers=16)),
    "burst-64": Row(partial(measure_burst, workers=64)),
    "instructions": Row(measure_instructions, alone=True),
    "limit": Row(measure_edits_within_limit, TWO_PROJECTS),
    "resync": Row(measure_edits_in_resync),
    "start-5000": Row(partial(measure_start, sizes=(5000,))),
    "start-20000": Row(partial(measure_start, sizes=(5000, 20000))),
    "rest": Row(measure_rest),
    "wide-start": Row(partial(measure_start, sizes=(20_000,)), WIDE),
    "wide-resync": Row(partial(measure_edits_in_resync, size=20_000, slower=4.0), WIDE),
    "dedicated-edit": Row(measure_new_and_edits, DEDICATED, alone=True),
    "dedicated-start-5000": Row(partial(measure_start, sizes=(5000,)), DEDICATED, alone=True),
    "dedicated-rest": Row(measure_rest, DEDICATED, alone=True),
    "six-kinds-rest": Row(measure_six_kinds_at_rest, six_kinds.FLEET, alone=True),
    "among-1000": Row(partial(measure_among, size=1000), alone=True),
    "among-20000": Row(partial(measure_among, size=20_000), alone=True),
}


@dataclass(frozen=True, slots=True)
class _Counts:
    """What a contender had used and done when a measurement began."""

    cpu_seconds: float
    control_plane_cpu_seconds: float
    moment: audit.Mark

    @classmethod
    async def of(cls, stage: Stage, running: Running) -> _Counts:
        await asyncio.sleep(LOGGED)
        return cls(running.cpu_seconds(), stage.control_plane_cpu_seconds(), stage.moment())

    async def per_change(self, stage: Stage, running: Running, changes: int) -> Figures:
        await asyncio.sleep(LOGGED)
        return {
            "cpu_ms": (running.cpu_seconds() - self.cpu_seconds) * MILLISECONDS / changes,
            "control_plane_cpu_ms": (stage.control_plane_cpu_seconds() - self.control_plane_cpu_seconds)
            * MILLISECONDS
            / changes,
            "kubernetes_writes": stage.kubernetes_writes(running, self.moment) / changes,
        }


async def _measure_one_by_one(
    stage: Stage, running: Running, changes: Awaitable[list[Edit]], *, changed: Callable[[Resource], str]
) -> Figures:
    """Make changes, and give what they came to.

    Args:
        stage: Where.
        running: Whose work it is.
        changes: Makes them.
        changed: Gives the ID of what is changed in Atlas.
    """
    before = await _Counts.of(stage, running)
    await stage.atlas.forget_calls()
    edits = await changes
    calls = await stage.atlas.calls()
    per_edit = calls.admin / len(edits)
    heard = dict(calls.writes)  # of several to one endpoint the last
    last = {changed(edit.resource): edit for edit in edits}
    until_heard = [(heard[each] - edit.accepted) * MILLISECONDS for each, edit in last.items()]
    return {
        **_percentiles([edit.milliseconds for edit in edits]),
        "own_p50_ms": percentile([edit.milliseconds for edit in edits], 50) - per_edit * LATENCY * MILLISECONDS,
        "heard_p50_ms": percentile(until_heard, 50),
        "atlas_calls": per_edit,
        **await before.per_change(stage, running, len(edits)),
    }


async def _edit_one_by_one(
    stage: Stage, watcher: Watcher, fleet: Fleet, count: int, pause: tuple[float, float]
) -> list[Edit]:
    resources = list(warm_of(fleet))
    edits = []
    for number in range(count):
        await asyncio.sleep(random.uniform(*pause))  # noqa: S311  # jitter
        resource = resources[number % len(resources)]
        edits.append(await _settle(watcher, resource, partial(stage.edit, words=f"edit {number}")))
    return edits


async def _create_one_by_one(
    stage: Stage, watcher: Watcher, population: Population, pause: tuple[float, float]
) -> list[Edit]:
    edits = []
    for resource in population:
        await asyncio.sleep(random.uniform(*pause))  # noqa: S311  # jitter
        edits.append(await _settle(watcher, resource, partial(stage.create, words="new")))
    return edits


async def _all_at_once(
    watcher: Watcher,
    population: Population,
    change: Callable[[Resource], Awaitable[tuple[int, float]]],
    *,
    timeout: float = REST_TIMEOUT,  # noqa: ASYNC109  of each edit
) -> tuple[list[Edit], float]:
    """Change all resources, and give the edits and the seconds from the first change to the last rest."""
    accepted: list[tuple[Resource, int, float]] = []

    async def act(resource: Resource) -> None:
        accepted.append((resource, *(await change(resource))))

    begun = time.time()
    await each(population, act)
    edits = [
        Edit(resource, moment, await watcher.rested(resource.name, generation, timeout=timeout))
        for resource, generation, moment in accepted
    ]
    return edits, max(edit.rested for edit in edits) - begun


async def _settle(
    watcher: Watcher, resource: Resource, change: Callable[[Resource], Awaitable[tuple[int, float]]]
) -> Edit:
    generation, accepted = await change(resource)
    return Edit(resource, accepted, await watcher.rested(resource.name, generation, timeout=REST_TIMEOUT))


def _named(change: str, figures: Figures) -> Figures:
    return {f"{change}_{figure}": value for figure, value in figures.items()}


def _percentiles(milliseconds: list[float]) -> Figures:
    return {"p50_ms": percentile(milliseconds, 50), "p99_ms": percentile(milliseconds, 99)}


def _scaled(count: int, scale: float) -> int:
    return max(1, round(count * scale))
