"""Walks everything that can happen in a small world, and tells the shortest story in which a law is broken."""

from __future__ import annotations

import math
import time
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from typing_extensions import override

from exploration import laws
from exploration.memory import freeze, thaw
from exploration.moves import Move, moves, perform
from exploration.run import Run
from exploration.story import Story, tell
from support.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from exploration.world import World


@dataclass
class _State:
    """A moment that was reached.

    Attributes:
        parent: from which, and by which move.
        base: the last moment at which nothing was under way, frozen; and what has happened since.
        fair: the moment that follows when nothing more goes wrong.
        quiet: whether nothing was written on the way there.
        seconds: that passed on the way there.
        desired: whether the world is as it should be.
    """

    number: int
    parent: int
    move: Move | None
    depth: int
    base: bytes
    since: tuple[Move, ...]
    options: list[Move]
    desired: bool
    fair: int = -1
    quiet: bool = True
    seconds: float = 0.0


@dataclass
class Report:
    """What an exploration came to."""

    world: str
    states: int = 0
    transitions: int = 0
    depth: int = 0
    seconds: float = 0.0
    moves: Counter[str] = field(default_factory=Counter)
    violation: str | None = None
    story: Story | None = None
    complete: bool = False

    @override
    def __str__(self) -> str:
        summed = (
            f"{self.world}: {self.states} states, {self.transitions} transitions, depth {self.depth},"
            f" {self.seconds:.1f} s{'' if self.complete else ', not complete'}"
        )
        return summed if self.violation is None else f"{summed}\n{self.violation}\n{self.story}"


class Explorer:
    """Walks one world, breadth first, so that the first story that breaks a law is a shortest one.

    Args:
        name: of the world.
        world: as it begins.
        limit: of states; an exploration that reaches it is not complete.
    """

    def __init__(self, name: str, world: World, *, limit: int = 1_000_000) -> None:
        self._world = world
        self._limit = limit
        self._loop = VirtualTimeLoop()
        self._states: list[_State] = []
        self._known: dict[int, int] = {}
        self.report = Report(name)

    def explore(self) -> Report:
        """Walk until nothing new is found, or a law is broken."""
        began = time.perf_counter()
        report = self.report
        try:
            self._explore()
            report.complete = report.violation is None and len(self._states) < self._limit
        finally:
            report.states = len(self._states)
            report.depth = max((state.depth for state in self._states), default=0)
            report.seconds = time.perf_counter() - began
            self._loop.close()
        return report

    def _explore(self) -> None:
        run = settled(self._world, self._loop)
        base = freeze(run)
        run.begin(self._loop)
        self._visit(run, -1, None, base, ())
        at = 0
        while at < len(self._states) < self._limit:
            state = self._states[at]
            for number, move in enumerate(state.options):
                self._step(state, move, fair=number == 0)
                if self.report.violation is not None:
                    return
            state.options = []
            at += 1
        if at == len(self._states):
            self._check_convergence()

    def _step(self, state: _State, move: Move, *, fair: bool) -> None:
        run: Run = thaw(state.base)
        run.begin(self._loop)
        for past in state.since:
            perform(run, past)
        run.writes.clear()
        began = run.now
        perform(run, move)
        self.report.transitions += 1
        self.report.moves[move.kind] += 1
        quiet, seconds = not run.writes, run.now - began
        number = self._visit(run, state.number, move, state.base, state.since)
        if fair:
            state.fair, state.quiet, state.seconds = number, quiet, seconds

    def _visit(self, run: Run, parent: int, move: Move | None, base: bytes, since: tuple[Move, ...]) -> int:
        """Take in a moment that was reached, and give its number."""
        if run.world.violations:
            self._broken(run.world.violations[0], [*self._path(parent), *([move] if move else [])])
        form = hash(run.state())
        known = self._known.get(form)
        if known is not None:
            run.end()
            return known
        options, desired, open_ = moves(run), laws.is_as_desired(run), run.open
        run.end()
        if not open_:
            base, since = freeze(run), ()
        elif move is not None:
            since = (*since, move)
        number = self._known[form] = len(self._states)
        depth = self._states[parent].depth + 1 if parent >= 0 else 0
        self._states.append(_State(number, parent, move, depth, base, since, options, desired))
        return number

    def _check_convergence(self) -> None:
        """From everywhere, the operator alone reaches the desired world in time, and then writes no more."""
        waits: dict[int, float] = {}
        for state in self._states:
            trail: list[int] = []
            number = state.number
            while number not in waits and number not in trail:
                trail.append(number)
                number = self._states[number].fair
            if number not in waits:
                cycle = [self._states[each] for each in trail[trail.index(number) :]]
                at_rest = all(each.desired and each.quiet for each in cycle)
                waits.update(dict.fromkeys((each.number for each in cycle), 0.0 if at_rest else math.inf))
            for each in reversed(trail):
                if each not in waits:
                    there = self._states[each]
                    wait = waits[there.fair] + there.seconds
                    waits[each] = wait if wait > there.seconds or not there.desired or not there.quiet else 0.0
            if waits[state.number] > self._world.within:
                self._broken(
                    "the operator alone does not bring the world to rest as its resources want it"
                    + ("" if waits[state.number] == math.inf else f" within {self._world.within:.0f} s"),
                    [*self._path(state.number), *[Move("fair")] * len(trail)],
                )
                return

    def _path(self, number: int) -> list[Move]:
        path: list[Move] = []
        while number >= 0:
            state = self._states[number]
            if state.move is not None:
                path.append(state.move)
            number = state.parent
        return path[::-1]

    def _broken(self, law: str, path: list[Move]) -> None:
        if self.report.violation is None:
            self.report.violation = law
            loop = VirtualTimeLoop()
            self.report.story = tell(settled(self._world, loop), path, loop)
            loop.close()


def settled(world: World, loop: VirtualTimeLoop) -> Run:
    """Begin a run, have what is to have happened already come to rest, and leave it there."""
    run = Run(deepcopy(world))
    if run.world.settled:
        run.begin(loop)
        for _ in range(run.world.settled):
            perform(run, Move("act"))
        while (move := moves(run)[0]).kind != "time":
            perform(run, move)
        run.end()
    return run
