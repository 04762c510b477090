"""In which order a check asks about places, so that no namespace keeps it from the others."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Sequence

from atlas_endpoints.commands.check.interview import Place, Result
from atlas_endpoints.commands.check.report import Finding, Report, failed, named, skipped

CALLS_AT_ONCE = 8
"""Places in parallel, each with credentials of its own: a pair gets one question after the other."""

MOST_LEFT = 20
"""Namespaces that are named among those for which there was no time."""


async def ask_all(
    ask: Callable[[Place], Awaitable[Result]], places: Sequence[Place], report: Report, *, within: float, until: float
) -> list[Result]:
    """Ask about places, and report each as soon as it is known, and at the end those for which there was no time.

    Args:
        within: seconds of the whole check, for users.
        until: when they end, by the clock of the event loop.
    """
    waiting, busy, results = dict(enumerate(_in_turns(places))), set[str](), list[Result]()

    async def work() -> None:
        while (
            number := next((n for n, each in waiting.items() if each.scope.credentials not in busy), None)
        ) is not None:
            place, pair = waiting[number], waiting[number].scope.credentials
            busy.add(pair)
            result = await ask(place)
            busy.remove(pair)
            del waiting[number]
            results.append(result)
            report.section(place.title, *result.findings)
            for other, each in list(waiting.items()) if result.hopeless else ():
                if each.scope.credentials == pair:
                    report.section(each.title, skipped("Not checked: see the failure of these credentials above."))
                    del waiting[other]

    try:
        async with asyncio.timeout_at(until), asyncio.TaskGroup() as workers:
            for _ in range(CALLS_AT_ONCE):
                workers.create_task(work())
    except TimeoutError:
        report.section("Not checked", *_left(places, list(waiting.values()), within))
    return results


def _in_turns(places: Sequence[Place]) -> list[Place]:
    """Return the places in the order in which to ask about them: namespaces take turns, with one place in each round.

    A place of several namespaces has the first of their turns.
    """
    taken: Counter[str] = Counter()
    rounds: list[int] = []
    for place in places:
        rounds.append(min(taken[each] for each in place.namespaces))
        taken.update(place.namespaces)
    return [places[number] for number in sorted(range(len(places)), key=rounds.__getitem__)]


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
