"""What can happen next, and having it happen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from model.environment import GHOST_LIFE, Ghost, Move
from model.ports import CHANGES, READS, RECORDS
from model.run import CALL, LEASE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from model.environment import Environment
    from model.run import Run

AWAY = 900.0
"""Seconds for which an operator is away, if it is: more than anything that it has sent may take."""
SLACK = 1e-6
"""Seconds by which a step in time goes past the timer, since sums of floats are not exact."""


def moves(run: Run[Any]) -> list[Move]:
    """List everything that can happen; first what happens when nothing goes wrong and nobody does anything."""
    fair = _fair(run)
    return [fair, *(each for each in _all(run) if each != fair)]


def _fair(run: Run[Any]) -> Move:
    environment = run.environment
    if environment.leader is not None and environment.events[environment.leader]:
        return Move("deliver", environment.leader)
    if run.effects:
        return Move("answer", 0)
    if environment.leader is None:
        return Move("take over")
    people = _people(run) if run.now >= environment.acts_until else ()
    return next(iter([*environment.passing(), *people]), Move("time"))


def _all(run: Run[Any]) -> Iterator[Move]:
    environment, left = run.environment, run.environment.left
    yield from _people(run)
    if environment.leader is not None:
        yield from _watch(run, environment.leader)
    for index in range(len(run.effects)):
        yield from _calls(run, index)
    for index in range(len(environment.ghosts)):
        yield Move("ghost arrives", index)
    yield from environment.passing()
    yield from environment.meddling()
    for number in run.replicas:
        if left["crash"] and run.leads(number):
            yield Move("crash", number)
            if any(each.kind in RECORDS and each.held is None for each in run.effects):
                yield Move("crash", number, "status written")
    yield from _leadership(run)
    if _time_may_pass(run):
        assert environment.leader is not None
        if not environment.events[environment.leader]:
            yield Move("time")
        elif left["slow event"]:
            yield Move("time", how="and an event is slow")


def _people(run: Run[Any]) -> Iterator[Move]:
    """Yield what people may do next; if the operator is to be away or to lose the statuses, at rest, then nothing before that.

    What happens to a call when an operator ends is a crash.
    """
    environment, leader = run.environment, run.environment.leader
    absences = [each for each in ("away", "restore") if environment.left[each]]
    if not absences and environment.script:
        yield Move("act")
    if leader is not None and not run.effects and not environment.events[leader]:
        yield from (Move(each, leader) for each in absences)


def _watch(run: Run[Any], number: int) -> Iterator[Move]:
    environment, left = run.environment, run.environment.left
    if environment.events[number]:
        yield Move("deliver", number)
        if left["lost event"]:
            yield Move("lose event", number)
    if left["stale event"]:
        yield from (Move("stale event", index, how) for index, (how, _) in enumerate(environment.past()))


def _calls(run: Run[Any], index: int) -> Iterator[Move]:
    effect, left = run.effects[index], run.environment.left
    yield Move("answer", index)
    if effect.held is not None:
        return
    if left["slow"] and not any(each.held is not None for each in run.effects):
        yield Move("hold", index)
    if left["lost answer"] and effect.kind in CHANGES:
        yield Move("fail", index, "after")
    if left["late write"] and effect.kind in CHANGES:
        yield Move("fail", index, "late")
    if left["list lags"] and effect.kind == "LIST" and run.environment.made:
        yield Move("answer", index, "without what is new")
    if not left["fault"]:
        return
    if effect.kind in READS:
        yield Move("fail", index, "before")
        if effect.kind == "INVENTORY" and run.environment.past():
            yield Move("answer", index, "an older state")
    else:
        yield from (Move("fail", index, how) for how in ("before", "lost", "after"))
        if effect.kind in CHANGES:
            yield Move("fail", index, "late")


def _leadership(run: Run[Any]) -> Iterator[Move]:
    environment, left = run.environment, run.environment.left
    if environment.leader is None:
        yield Move("take over")
        if 0 in run.replicas:
            yield Move("zombie ends", 0)
        return
    if left["silence"]:
        yield Move("silence", environment.leader)
    if left["hand over"]:
        yield Move("hand over", environment.leader)


def _time_may_pass(run: Run[Any]) -> bool:
    leader = run.environment.leader
    if leader is None or (run.now >= run.environment.acts_until and any(_people(run))):
        return False
    if _due(run) is None:
        return False
    return not run.environment.passing() or bool(run.environment.left["patience"])


def _due(run: Run[Any]) -> float | None:
    """Tell to when time may pass: to what is due next, though not past the end of a call that is under way."""
    due = run.next_timer()
    if due is None or any(each.held is None for each in run.effects):
        return None
    ends = min((each.opened + CALL for each in run.effects), default=due)
    return min(due, ends) if ends > run.now else None


def perform(run: Run[Any], move: Move) -> str:  # noqa: C901, PLR0912, PLR0915  # one flat table
    """Have something happen, and everything that follows from it at once; say what in words."""
    environment: Environment = run.environment
    left = environment.left
    match move:
        case Move("act"):
            told = environment.act()
        case Move("deliver", number):
            told = f"the watch brings {_event(*run.deliver(number))}"
        case Move("lose event", number):
            left["lost event"] -= 1
            told = f"the watch loses {_event(*environment.events[number].pop(0))}"
        case Move("stale event", index, _):
            left["stale event"] -= 1
            _, body = environment.past()[index]
            told = f"the watch brings once more {_event('MODIFIED', body)}"
            assert environment.leader is not None
            run.replicas[environment.leader].core.seen(body)
        case Move("answer", index, how):
            effect = run.effects[index]
            told = f"answered: {effect.told()}"
            if how == "without what is new":
                left["list lags"] -= 1
                told += f" {how}"
                effect.held = environment.lagging()
            elif how:
                left["fault"] -= 1
                told += f" with {how}"
                effect.held = [
                    next(iter(environment.outdated.get(key, ())), body) for key, body in environment.objects.items()
                ]
            run.answer(effect)
        case Move("hold", index):
            left["slow"] -= 1
            told = f"served, and the answer is slow: {run.effects[index].told()}"
            run.hold(run.effects[index])
        case Move("fail", index, how):
            left[_fault_of(left, how)] -= 1
            effect = run.effects[index]
            words = {"before": "not sent", "lost": "lost on its way", "after": "done, and the answer lost"}
            told = f"{words.get(how, 'no answer, and it may arrive later')}: {effect.told()}"
            if how == "after":
                run.hold(effect)
            if how == "late":
                environment.ghosts.append(Ghost(effect.kind, effect.target, effect.content, run.now + GHOST_LIFE))
            run.fail(effect, sent=how != "before")
        case Move("ghost arrives", index):
            ghost = environment.ghosts.pop(index)
            told = f"Atlas applies late: {ghost.kind} {ghost.target} {dict(ghost.fields or {})}"
            run.meddled(ghost.target)
            environment.apply(ghost)
            environment.laws.on_change(run, ghost.kind, ghost.target)
        case Move("crash", number, how):
            left["crash"] -= 1
            told = f"replica {number} crashes and starts again"
            if how:
                told += ", its status written"
                run.hold(next(each for each in run.effects if each.kind in RECORDS and each.held is None))
            run.crash(number)
            run.boot(number)
        case Move("restore", number):
            left["restore"] -= 1
            told = "a backup without statuses is restored, and the operator starts again"
            run.crash(number)
            environment.restore()
            environment.forgotten()
            run.boot(number)
        case Move("away", number):
            left["away"] -= 1
            run.crash(number)
            environment.forgotten()
            told = "the operator is away, and then comes back: " + ", ".join(
                environment.act() for _ in list(environment.script)
            )
            run.pass_time(AWAY)
            environment.ghosts.clear()
            run.boot(number)
        case Move("silence", number):
            left["silence"] -= 1
            told = f"replica {number} loses the API server, and so its Lease"
            environment.leader = None
            for effect in [each for each in run.effects if each.kind in {"READ", *RECORDS}]:
                run.fail(effect, sent=True)
        case Move("zombie ends", number):
            told = f"replica {number} ends"
            run.crash(number)
        case Move("hand over", number):
            left["hand over"] -= 1
            told = f"replica {number} is asked to end"
            run.stop(number)
        case Move("take over"):
            told = "replica 1 takes the Lease"
            for effect in [each for each in run.effects if each.replica == 0 and each.kind in CHANGES | RECORDS]:
                # A call ends before a Lease does; what it has sent may still arrive.
                if effect.kind in CHANGES and effect.held is None:
                    # What may be reserved counts from when it was asked for: that of a former leader, too, is looked for.
                    until = effect.opened + CALL if effect.kind == "POST" else run.now + LEASE
                    environment.ghosts.append(Ghost(effect.kind, effect.target, effect.content, until + GHOST_LIFE))
                run.fail(effect, sent=True)
            run.lead(1)
        case Move("time", _, how):
            if how:
                left["slow event"] -= 1
            due = _due(run)
            assert due is not None
            told = f"{due - run.now:.0f} seconds pass {how}".strip()
            if environment.passing():
                left["patience"] -= 1
            # Moments that are closer together than this are the same to the explorer, which would see nothing happen.
            run.pass_time(max(due - run.now, 0.01) + SLACK)
            environment.ghosts = [each for each in environment.ghosts if each.until > run.now]
        case _:
            told = environment.happen(run, move)
    run.settle()
    if not environment.may_show_the_past:
        environment.outdated.clear()
    return told


def _fault_of(left: Mapping[str, int], how: str) -> str:
    """Tell which fault strikes when a call breaks."""
    if left["fault"]:
        return "fault"
    return "late write" if how == "late" else "lost answer"


def _event(type_: str, body: object) -> str:
    assert isinstance(body, dict)
    metadata = body["metadata"]
    return f"{type_} {metadata['name']}, generation {metadata['generation']}, version {metadata['resourceVersion']}"
