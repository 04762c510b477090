"""In which order a check asks about places, so that no namespace keeps it from the others."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atlas_endpoints.commands.check.interview import Place, Result
from atlas_endpoints.commands.check.report import Finding, Report, failed, named, skipped

if TYPE_CHECKING:
    from atlas_endpoints.atlas.requests import Scope

AT_ONCE = 8
"""Places in parallel, each with credentials of its own: a pair gets one question after the other."""

RUNNING = 15.0
"""Seconds that a place counts for while it is asked about: one call that is not answered."""

MOST_LEFT = 20
"""Namespaces that are named among those for which there was no time."""


@dataclass(frozen=True, slots=True)
class Left:
    """The places of a namespace that were not asked about.

    Attributes:
        namespace: "": none, since the settings name the place.
        answered: how many others were asked about.
    """

    namespace: str
    places: Sequence[Place]
    answered: int


class Turns:
    """The places that are still to be asked about.

    The next one is of the namespace that has taken the least time so far, and of credentials that are not in use. A place
    that several namespaces use is asked about once.
    """

    def __init__(self, places: Iterable[Place]) -> None:
        self._waiting: dict[str, dict[str, dict[Scope, Place]]] = {}
        self._taken: dict[str, float] = defaultdict(float)
        self._answered: dict[str, int] = defaultdict(int)
        self._running: dict[Scope, Place] = {}
        for place in places:
            for namespace in place.namespaces:
                pairs = self._waiting.setdefault(namespace, {})
                pairs.setdefault(place.scope.credentials, {})[place.scope] = place

    def begin(self) -> Place | None:
        """Return the next place, or None: there is none, or its credentials are in use."""
        in_use = {scope.credentials for scope in self._running}
        for namespace in sorted(self._waiting, key=self._taken.__getitem__):
            for credentials, places in self._waiting[namespace].items():
                if credentials not in in_use:
                    place = next(iter(places.values()))
                    self._take(place)
                    return place
        return None

    def _take(self, place: Place) -> None:
        scope = place.scope
        self._running[scope] = place
        for namespace in place.namespaces:
            self._taken[namespace] += RUNNING
            pairs = self._waiting[namespace]
            del pairs[scope.credentials][scope]
            if not pairs[scope.credentials]:
                del pairs[scope.credentials]
            if not pairs:
                del self._waiting[namespace]

    def end(self, place: Place, seconds: float) -> None:
        """Record that a place was asked about, and for how long."""
        del self._running[place.scope]
        for namespace in place.namespaces:
            self._taken[namespace] += seconds - RUNNING
            self._answered[namespace] += 1

    def left(self) -> list[Left]:
        """Return what was not asked about, or not answered, by namespace."""
        found: dict[str, list[Place]] = {}
        for place in self._running.values():
            for namespace in place.namespaces:
                found.setdefault(namespace, []).append(place)
        for namespace, pairs in self._waiting.items():
            found.setdefault(namespace, []).extend(place for places in pairs.values() for place in places.values())
        return [Left(namespace, places, self._answered[namespace]) for namespace, places in sorted(found.items())]


async def ask_all(
    ask: Callable[[Place], Awaitable[Result]], places: Iterable[Place], report: Report, *, within: float, until: float
) -> list[Result]:
    """Ask about places, and report each as soon as it is known, and at the end those for which there was no time.

    Args:
        within: seconds of the whole check, for users.
        until: when they end, by the clock of the event loop.
    """
    turns, hopeless = Turns(places), set[str]()
    results: list[Result] = []
    running: dict[asyncio.Task[tuple[Result, float]], Place] = {}
    clock = asyncio.get_running_loop().time

    async def timed(place: Place) -> tuple[Result, float]:
        began = clock()
        return await ask(place), clock() - began

    try:
        async with asyncio.timeout_at(until):
            while True:
                while len(running) < AT_ONCE and (place := turns.begin()) is not None:
                    if place.scope.credentials in hopeless:
                        report.section(place.title, skipped("Not checked: see the failure of these credentials above."))
                        turns.end(place, 0.0)
                    else:
                        running[asyncio.create_task(timed(place))] = place
                if not running:
                    break
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    place = running.pop(task)
                    result, seconds = task.result()
                    turns.end(place, seconds)
                    if result.hopeless:
                        hopeless.add(place.scope.credentials)
                    results.append(result)
                    report.section(place.title, *result.findings)
    except TimeoutError:
        left = turns.left()
        unanswered, cut_short = [each for each in left if not each.answered], [each for each in left if each.answered]
        report.section("Not checked", *_left(unanswered, within, failed), *_left(cut_short, within, skipped))
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return results


def _left(left: Sequence[Left], within: float, finding: Callable[[str], Finding]) -> list[Finding]:
    """Return for which places there was no time, by namespace."""
    found = [finding(_of_namespace(each, within)) for each in left[:MOST_LEFT]]
    more = len(left) - len(found)
    return [*found, finding(f"There was no time for places of {more} more namespaces.")] if more else found


def _of_namespace(left: Left, within: float) -> str:
    where = f"Namespace {left.namespace}: " if left.namespace else ""
    total, places = left.answered + len(left.places), named(each.where for each in left.places)
    remedy = f" Check this namespace alone with --namespaces {left.namespace}." if left.namespace else ""
    return f"{where}There was no time for {len(left.places)} of {total} places within {within:.0f} s: {places}.{remedy}"
