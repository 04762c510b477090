"""In which order a check asks about places, so that no namespace keeps it from the others."""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from atlas_endpoints.commands.check.interview import Place, Result
from atlas_endpoints.commands.check.report import Finding, Report, failed, named, skipped

AT_ONCE = 8
"""Places in parallel, each with credentials of its own: a pair gets one question after the other."""

MOST_LEFT = 20
"""Namespaces that are named among those for which there was no time."""


class Turn(NamedTuple):
    """When a place is asked about: in which round of the namespaces, and in which order within it."""

    round: int
    number: int
    place: Place


async def ask_all(
    ask: Callable[[Place], Awaitable[Result]], places: Sequence[Place], report: Report, *, within: float, until: float
) -> list[Result]:
    """Ask about places, and report each as soon as it is known, and at the end those for which there was no time.

    Args:
        within: seconds of the whole check, for users.
        until: when they end, by the clock of the event loop.
    """
    pairs = _in_turns(places)
    idle = [waiting[0] for waiting in pairs.values()]
    heapify(idle)
    results: list[Result] = []

    async def work() -> None:
        while idle:  # whoever uses a pair goes on with it
            place = heappop(idle).place
            waiting = pairs[place.scope.credentials]
            result = await ask(place)
            waiting.popleft()
            results.append(result)
            report.section(place.title, *result.findings)
            while result.hopeless and waiting:
                title = waiting.popleft().place.title
                report.section(title, skipped("Not checked: see the failure of these credentials above."))
            if waiting:
                heappush(idle, waiting[0])

    try:
        async with asyncio.timeout_at(until), asyncio.TaskGroup() as workers:
            for _ in range(AT_ONCE):
                workers.create_task(work())
    except TimeoutError:
        left = [turn.place for waiting in pairs.values() for turn in waiting]
        report.section("Not checked", *_left(places, left, within))
    return results


def _in_turns(places: Iterable[Place]) -> Mapping[str, deque[Turn]]:
    """Return the turns of each pair of credentials, in their order.

    Namespaces take turns, with one place in each round. A place of several namespaces has the first of their turns.
    """
    taken: Counter[str] = Counter()
    turns: list[Turn] = []
    for number, place in enumerate(places):
        turns.append(Turn(min(taken[each] for each in place.namespaces), number, place))
        taken.update(place.namespaces)
    pairs: dict[str, deque[Turn]] = defaultdict(deque)
    for turn in sorted(turns):
        pairs[turn.place.scope.credentials].append(turn)
    return pairs


def _left(places: Sequence[Place], left: Sequence[Place], within: float) -> Iterator[Finding]:
    """Yield for which places there was no time, by namespace; one without any answer fails."""
    totals = Counter(namespace for place in places for namespace in place.namespaces)
    by_namespace: dict[str, list[str]] = defaultdict(list)
    for place in left:
        for namespace in place.namespaces:
            by_namespace[namespace].append(place.where)
    for finding in (failed, skipped):
        found = [
            (namespace, where)
            for namespace, where in sorted(by_namespace.items())
            if (len(where) == totals[namespace]) is (finding is failed)
        ]
        for namespace, where in found[:MOST_LEFT]:
            what = f"There was no time for {len(where)} of {totals[namespace]} places within {within:.0f} s: {named(where)}."
            remedy = f"Check this namespace alone with --namespaces {namespace}."
            yield finding(f"Namespace {namespace}: {what} {remedy}" if namespace else what)
        if (more := len(found) - MOST_LEFT) > 0:
            yield finding(f"There was no time for places of {more} more namespaces.")
