"""Walks everything that can happen in a small model, and tells the shortest trace in which an invariant is broken."""

from __future__ import annotations

import gc
import math
import time
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from model import invariants
from model.environment import Move
from model.invariants import Invariant, Violation
from model.memory import freeze, thaw
from model.moves import moves, perform
from model.ports import said
from model.run import Run
from support.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from model.environment import Environment


@dataclass(eq=False)
class _Moment:
    """A state, by the way in which it was met first.

    Attributes:
        base: the last moment at which nothing was under way, frozen; and what has happened since.
        options: what can happen here; first what does when nothing more goes wrong.
        desired: whether the model is as it should be.
        broken: by what an invariant is broken here, if one is.
        fair: the moment that follows when nothing more goes wrong.
        quiet: whether nothing was written on the way there.
        seconds: that passed on the way there.
        number: in the order of the walk; negative as long as the walk has not come here.
        parent: from which the walk came here first, and so on a shortest way, and by which move.
        depth: how many moves the beginning is away.
        wait: seconds in which the operator, left alone from here on, brings the model to rest; infinite if it never does.
    """

    base: bytes
    since: tuple[Move, ...]
    options: list[Move]
    desired: bool
    broken: Violation | None
    fair: _Moment | None = None
    quiet: bool = True
    seconds: float = 0.0
    number: int = -1
    parent: _Moment | None = None
    move: Move | None = None
    depth: int = 0
    wait: float | None = None


@dataclass(frozen=True)
class Trace:
    """Rows of: seconds, what happened, Atlas, the resources."""

    rows: list[tuple[str, str, str, str]]

    @override
    def __str__(self) -> str:
        rows = [("s", "what happens", "Atlas", "resources"), *self.rows]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        return "\n".join(
            " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        )


@dataclass
class Report:
    """What an exploration came to; its seconds are the processor's."""

    model: str
    states: int = 0
    transitions: int = 0
    depth: int = 0
    seconds: float = 0.0
    moves: Counter[tuple[str, str]] = field(default_factory=Counter)
    violation: Violation | None = None
    trace: Trace | None = None
    complete: bool = False

    @override
    def __str__(self) -> str:
        summed = (
            f"{self.model}: {self.states} states, {self.transitions} transitions, depth {self.depth},"
            f" {self.seconds:.1f} s{'' if self.complete else ', not complete'}"
        )
        return summed if self.violation is None else f"{summed}\n{self.violation}\n{self.trace}"


class Explorer:
    """Walks one model, breadth first, so that the first trace that breaks an invariant is a shortest one.

    To return to a state costs more than to go on from it. So wherever a new one is met, what follows when nothing more
    goes wrong is made to happen at once, and kept until the walk comes there.

    Args:
        name: of the model.
        model: as it begins.
        limit: of states; an exploration that reaches it is not complete.
    """

    def __init__(self, name: str, model: Environment, *, limit: int = 1_000_000) -> None:
        self._model = model
        self._limit = limit
        self._loop = VirtualTimeLoop()
        self._met: dict[bytes, _Moment] = {}
        self._walked: list[_Moment] = []
        self.report = Report(name)

    def explore(self) -> Report:
        """Walk until nothing new is found, or an invariant is broken."""
        began = time.process_time()
        report, collected = self.report, gc.get_threshold()
        gc.set_threshold(20_000, 20, 100)  # most that is made here is short-lived, and a walk makes much
        try:
            self._explore()
            report.complete = report.violation is None and len(self._walked) < self._limit
        finally:
            gc.set_threshold(*collected)
            report.states = len(self._walked)
            report.depth = max((moment.depth for moment in self._walked), default=0)
            report.seconds = time.process_time() - began
            self._loop.close()
        return report

    def _explore(self) -> None:
        run = settled(self._model, self._loop)
        base = freeze(run)
        run.begin(self._loop)
        self._come_to(self._meet(run, base, ()), None, None)
        for moment in self._walked:  # which grows on the way
            if self.report.violation is not None or len(self._walked) >= self._limit:
                return
            self._walk_on(moment)

    def _walk_on(self, moment: _Moment) -> None:
        """Have everything happen that can happen in a moment."""
        for move in moment.options:
            following = moment.fair if move == moment.options[0] else self._step(moment, move)
            assert following is not None
            self.report.transitions += 1
            self.report.moves[move.kind, move.how] += 1
            self._come_to(following, moment, move)
            if self.report.violation is not None:
                return

    def _come_to(self, moment: _Moment, parent: _Moment | None, move: Move | None) -> None:
        if moment.number >= 0:
            return
        moment.number, moment.parent, moment.move = len(self._walked), parent, move
        moment.depth = parent.depth + 1 if parent is not None else 0
        self._walked.append(moment)
        if moment.broken is not None:
            self._tell(moment.broken, self._path(moment))
        else:
            self._check_wait(moment)

    def _step(self, moment: _Moment, move: Move) -> _Moment:
        """Return to a moment and have something happen."""
        run: Run[Any] = thaw(moment.base)
        run.begin(self._loop)
        for past in moment.since:
            perform(run, past)
        perform(run, move)
        return self._meet(run, moment.base, (*moment.since, move))

    def _meet(self, run: Run[Any], base: bytes, since: tuple[Move, ...]) -> _Moment:
        """Take in a moment that was reached, and all that follow until one is known."""
        form = run.state()
        first = moment = self._met.get(form) or self._new(run, form, base, since)
        while moment.fair is None and moment.broken is None:
            if not moment.since:
                run.end()
                run = thaw(moment.base)
                run.begin(self._loop)
            began = run.now
            run.writes.clear()
            perform(run, moment.options[0])
            moment.quiet, moment.seconds = not run.writes, run.now - began
            form = run.state()
            moment.fair = self._met.get(form)
            if moment.fair is None:
                moment.fair = self._new(run, form, moment.base, (*moment.since, moment.options[0]))
            moment = moment.fair
        run.end()
        return first

    def _new(self, run: Run[Any], form: bytes, base: bytes, since: tuple[Move, ...]) -> _Moment:
        broken = run.environment.violations[0] if run.environment.violations else None
        options, desired = moves(run), invariants.is_as_desired(run)
        if not run.open:
            run.end()
            base, since = freeze(run), ()
        moment = self._met[form] = _Moment(base, since, options, desired, broken)
        return moment

    def _check_wait(self, moment: _Moment) -> None:
        """From everywhere, the operator alone reaches the desired model in time, and then writes no more."""
        trail: dict[_Moment, None] = {}
        at: _Moment | None = moment
        while at is not None and at.wait is None and at not in trail:
            trail[at] = None
            at = at.fair
        passed = list(trail)
        if at is None:  # an invariant is broken there, of which the walk will tell
            return
        if at.wait is None:
            cycle = passed[passed.index(at) :]
            at_rest = all(each.desired and each.quiet for each in cycle)
            for each in cycle:
                each.wait = 0.0 if at_rest else math.inf
        for each in reversed(passed):
            if each.wait is None:
                assert each.fair is not None
                assert each.fair.wait is not None
                is_at_rest = each.fair.wait == 0 and each.desired and each.quiet
                each.wait = 0.0 if is_at_rest else each.fair.wait + each.seconds
        assert moment.wait is not None
        if moment.wait > self._model.within:
            what = "it never does" if moment.wait == math.inf else f"it takes more than {self._model.within:.0f} s"
            self._tell(Violation(Invariant.REST, what), [*self._path(moment), *[Move("fair")] * len(passed)])

    def _path(self, moment: _Moment) -> list[Move]:
        path: list[Move] = []
        at: _Moment | None = moment
        while at is not None:
            if at.move is not None:
                path.append(at.move)
            at = at.parent
        return path[::-1]

    def _tell(self, violation: Violation, path: list[Move]) -> None:
        self.report.violation = violation
        loop = VirtualTimeLoop()
        self.report.trace = tell(settled(self._model, loop), path, loop)
        loop.close()


def settled(model: Environment, loop: VirtualTimeLoop) -> Run[Any]:
    """Begin a run, have what is to have happened already come to rest, and leave it there."""
    run = Run(deepcopy(model))
    if run.environment.settled:
        run.begin(loop)
        for _ in range(run.environment.settled):
            perform(run, Move("act"))
        while (move := moves(run)[0]).kind != "time" or not invariants.is_as_desired(run):
            perform(run, move)
        run.end()
    if run.environment.script:
        run.environment.acts_until = run.now + run.environment.leisure
    return run


def tell(run: Run[Any], path: list[Move], loop: VirtualTimeLoop) -> Trace:
    """Have a trace happen again, and write it down."""
    run.begin(loop)
    began = run.now
    rows: list[tuple[str, str, str, str]] = [_row(run, began, "(it begins)")]
    for move in path:
        what = perform(run, moves(run)[0] if move.kind == "fair" else move)
        rows.append(_row(run, began, what))
    rows.extend(("", f"broken: {invariant}", "", "") for invariant in run.environment.violations[:1])
    run.end()
    return Trace(rows)


def _row(run: Run[Any], began: float, what: str) -> tuple[str, str, str, str]:
    resources = "; ".join(
        f"{key.name} at {body['metadata']['generation']}: {said(body['status'])}"
        for key, body in run.environment.objects.items()
    )
    return f"{run.now - began:.0f}", what, run.environment.told(), resources
