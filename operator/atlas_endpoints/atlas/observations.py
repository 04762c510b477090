"""What Atlas was last seen to hold: one shared LIST for each scope, and the answers to our writes.

N resources of one scope cost one call: a LIST that is under way or recent serves everybody who asks, and so does its failure.
Because calls overlap, each thing that is known has a moment: that of a reading is when it began, that of a write is when its
answer arrived. What is newer stands; a reading that began before the answer to one of our writes arrived, with whatever
credentials either was made, says nothing about that entry.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Container, Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, NamedTuple, TypeVar

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.errors import AtlasHeldError, EndpointAbsentError
from atlas_endpoints.atlas.listings import Listing
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.controller.backoff import doubled
from atlas_endpoints.controller.bookkeeping import Bookkeeping
from atlas_endpoints.controller.sweep import Sweep

V = TypeVar("V")

UNKNOWN_FOR = 60.0
"""Seconds for which Atlas may still apply a write whose answer was lost."""

FAILURE_FIRST, FAILURE_LAST = 1.0, 5.0
"""Seconds for which a LIST that failed speaks for others, who would fail in the same way; doubled from the first to the
last while LISTs go on failing. Short at first, so that a hiccup is over soon."""

ABSENT = 60.0
"""Seconds for which it is remembered that Atlas has said that an entry is not there: as long as a proof of that takes."""

IDLE = 86400.0
"""Seconds (a day) after which what is known of a scope, or of a write, is of no use to anybody: no call takes that long, and no
memory that old justifies anything."""


@dataclass(frozen=True, slots=True)
class Seen(Generic[V]):
    """One entry as it was seen.

    Attributes:
        value: None: Atlas has said that there is none, with a code made for it.
        at: the moment of that.
        error: with which Atlas has said so.
    """

    value: V | None
    at: float
    error: EndpointAbsentError | None = None


def unlabelled(value: object) -> None:
    """Return that an entry is found by nothing but its id."""


@dataclass(frozen=True)
class View(Generic[V]):
    """What is known of a scope.

    Attributes:
        entries: by their ids.
        began: the moment of the newest LIST that has succeeded.
        deprecation: what Atlas announced last.
        skipped: how many items of the last LIST had no usable id.
        label: returns what entries are found by beside their ids, if they are.
    """

    entries: Mapping[str, Seen[V]] = field(default_factory=dict)
    began: float = -math.inf
    deprecation: Deprecation | None = None
    skipped: int = 0
    label: Callable[[V], str | None] = unlabelled

    def value(self, entry: str) -> V | None:
        """Return an entry that is known to be there."""
        seen = self.entries.get(entry)
        return None if seen is None else seen.value

    def showing(self, entry: str, seen: Seen[V]) -> "View[V]":
        """Return what is known with what was just seen of an entry."""
        return replace(self, entries={**self.entries, entry: seen})

    @cached_property
    def labelled(self) -> Mapping[str, tuple[V, ...]]:
        """The entries that have a label, by it; of one label in the order of their ids."""
        found: dict[str, list[V]] = {}
        for _, seen in sorted(self.entries.items()):
            if seen.value is not None and (label := self.label(seen.value)) is not None:
                found.setdefault(label, []).append(seen.value)
        return {label: tuple(values) for label, values in found.items()}


class _Place(NamedTuple):
    """A scope, whoever looks at it."""

    project_id: str
    kind: str
    name: str


class _Entry(NamedTuple):
    place: _Place
    name: str


@dataclass(slots=True)
class _Known:
    """What is known of one scope, and how its LISTs go.

    Attributes:
        view: replaced as a whole.
        attempted: the moment of the newest LIST that has taken place, whatever came of it.
        failure: what the last LIST failed with, if it did.
        failures: how many LISTs in a row have failed.
        listing: the LIST that is under way.
    """

    view: View[Any]
    attempted: float = -math.inf
    failure: Exception | None = None
    failures: int = 0
    listing: asyncio.Task[AtlasHeldError | None] | None = None


@dataclass(slots=True)
class _Unknown:
    """A write that may have been applied, or may still be.

    Attributes:
        since: the moment at which its answer was given up.
        until: when it will not be applied any more.
    """

    since: float
    until: float


class ObservationCache:
    """Shared observations.

    Args:
        fetch: performs the LIST of a scope.
        monotonic: seconds that only grow.
        labels: by kind, what returns what an entry is found by beside its id, if it is.
    """

    _last_moment: Bookkeeping[float]

    def __init__(
        self,
        fetch: Callable[[Scope], Awaitable[Listing[Any]]],
        monotonic: Callable[[], float],
        *,
        labels: Mapping[str, Callable[[Any], str | None]],
    ) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._labels = labels
        self._last_moment = -math.inf
        self._known: dict[_Place, dict[str, _Known]] = {}
        """By scope and credentials: neither a LIST nor a write goes over other scopes than its own."""
        self._seen_with: dict[str, set[_Place]] = {}
        """By credentials: the scopes that something is known of."""
        self._written: dict[_Place, dict[str, float]] = {}
        """By scope and entry."""
        self._unknown: dict[_Entry, _Unknown] = {}
        self._sweep = Sweep()
        self.unknown_at = -math.inf
        """When, in monotonic seconds, it was last learned of a write that nobody knows whether it was applied."""

    def view(self, scope: Scope) -> View[Any]:
        """Return what is known of a scope, without a call."""
        known = self._known.get(_place(scope), {}).get(scope.credentials)
        return View(label=self._labels.get(scope.kind, unlabelled)) if known is None else known.view

    async def list(self, scope: Scope, *, since: float) -> View[Any]:
        """Return what is known after a LIST of a scope that began at ``since`` (a moment) or later.

        Raises:
            Exception: what that LIST failed with, also when somebody else had asked for it.
        """
        known = self._known.setdefault(_place(scope), {}).get(scope.credentials)
        if known is None:
            known = self._known[_place(scope)][scope.credentials] = _Known(
                View(label=self._labels.get(scope.kind, unlabelled))
            )
        self._seen_with.setdefault(scope.credentials, set()).add(_place(scope))
        if known.failure is not None:
            shared = doubled(FAILURE_FIRST, known.failures - 1, FAILURE_LAST)
            since = max(since, self._monotonic() - shared)
        while known.attempted < since:
            if known.listing is None:
                known.listing = asyncio.create_task(self._list(scope, known), name=f"LIST {scope.name}")
            # Whoever gives up waiting must not take the answer from the others.
            held = await asyncio.shield(known.listing)
            if held is not None:
                raise held.with_traceback(None)
        if known.failure is not None:
            # One exception is raised to many: each raise would lengthen its traceback.
            raise known.failure.with_traceback(None)
        return known.view

    def remember_write(self, scope: Scope, entry: str, value: object) -> None:
        """Take in the answer to a write of ours: the newest truth about an entry.

        An earlier write whose outcome is unknown remains so: it may still be applied, after this one.
        """
        at = self._written_now(_entry(scope, entry))
        self._put(scope, entry, Seen(value, at))

    def remember_gone(self, scope: Scope, entry: str) -> None:
        """Take in that Atlas deletes an entry: what was known of it before holds no more."""
        self._written_now(_entry(scope, entry))

    def remember_read(self, scope: Scope, entry: str, seen: Seen[Any]) -> None:
        """Take in the answer to a GET of one entry.

        Args:
            scope: that it is in.
            entry: which one.
            seen: what Atlas has shown, at the :meth:`moment` right before it was asked for.
        """
        if self._written.get(_place(scope), {}).get(entry, -math.inf) < seen.at:
            self._put(scope, entry, seen)

    def outcome_unknown(self, scope: Scope, entry: str) -> None:
        """Take in that a write may or may not have been applied, or may still be: nothing is known until a new LIST."""
        key = _entry(scope, entry)
        at = self._written_now(key)
        self._unknown[key] = _Unknown(since=at, until=at + UNKNOWN_FOR)
        self.unknown_at = at

    def unknown_for(self, scope: Scope, entry: str) -> float | None:
        """Return for how many more seconds a write may be applied whose answer was lost; None: there is none.

        It is 0 when that time is over and what a LIST after it has shown was not acted on yet.
        """
        unknown = self._unknown.get(_entry(scope, entry))
        return None if unknown is None else max(0.0, unknown.until - self._monotonic())

    def needed_since(self, scope: Scope, entry: str) -> float:
        """Return the moment at which a LIST must have begun to tell what became of a write; minus infinity: there is none."""
        unknown = self._unknown.get(_entry(scope, entry))
        if unknown is None:
            return -math.inf
        return unknown.until if self._monotonic() >= unknown.until else unknown.since

    def settle(self, scope: Scope, entry: str, *, began: float) -> None:
        """Forget a write of unknown outcome whose time was over when a LIST began.

        It is for whoever has acted on what that LIST shows to call: that somebody else happened to LIST heals nothing.
        """
        unknown = self._unknown.get(_entry(scope, entry))
        if unknown is not None and began >= unknown.until:
            del self._unknown[_entry(scope, entry)]

    @property
    def sunset(self) -> datetime | None:
        """When the first of these operations ends, as Atlas has announced it; None: it has not."""
        views = (known.view for by in self._known.values() for known in by.values())
        announced = [view.deprecation.sunset for view in views if view.deprecation is not None]
        return min((sunset for sunset in announced if sunset is not None), default=None)

    def forget(self, scope: Scope) -> None:
        """Drop a scope that nobody asks for any more."""
        self._known.get(_place(scope), {}).pop(scope.credentials, None)
        self._seen_with.get(scope.credentials, set()).discard(_place(scope))

    def forget_credentials(self, fingerprint: str) -> None:
        """Drop all observations that were made with credentials."""
        for place in self._seen_with.pop(fingerprint, ()):
            self._known.get(place, {}).pop(fingerprint, None)

    def moment(self) -> float:
        """Return the time of an event in monotonic seconds; no two events share one, so that one of them is the newer."""
        self._last_moment = max(self._monotonic(), math.nextafter(self._last_moment, math.inf))
        return self._last_moment

    async def _list(self, scope: Scope, known: _Known) -> AtlasHeldError | None:
        """Perform a LIST and take in what came of it; one that was held back has not taken place."""
        self._drop_old()
        began = self.moment()
        try:
            listing = await self._fetch(scope)
        except AtlasHeldError as held:
            return held
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait for this LIST are told
            known.failure = error
            known.failures += 1
        else:
            known.failure = None
            known.failures = 0
            written = {name for name, at in self._written.get(_place(scope), {}).items() if at > began}
            entries = merged(known.view.entries, listing, began, written=written)
            deprecation = listing.deprecation or known.view.deprecation
            known.view = View(entries, began, deprecation, listing.skipped, known.view.label)
        finally:
            known.listing = None
        known.attempted = began
        return None

    def _written_now(self, key: _Entry) -> float:
        """Drop what anybody remembers of an entry, with whatever credentials it was seen, and return the moment."""
        self._written.setdefault(key.place, {})[key.name] = at = self.moment()
        for known in self._known.get(key.place, {}).values():
            if key.name in known.view.entries:
                entries = {name: seen for name, seen in known.view.entries.items() if name != key.name}
                known.view = replace(known.view, entries=entries)
        return at

    def _put(self, scope: Scope, entry: str, seen: Seen[Any]) -> None:
        """Remember what was seen, unless something newer is known or nobody asks for the scope any more."""
        known = self._known.get(_place(scope), {}).get(scope.credentials)
        if known is None:
            return
        before = known.view.entries.get(entry)
        if before is None or before.at < seen.at:
            known.view = replace(known.view, entries={**known.view.entries, entry: seen})

    def _drop_old(self) -> None:
        """Drop from time to time what has been of no use for long, such as the entries of resources that were deleted since."""
        now = self._monotonic()
        if not self._sweep.is_due(now):
            return
        too_old = now - IDLE
        self._known = {
            place: kept
            for place, by in self._known.items()
            if (
                kept := {
                    name: known for name, known in by.items() if known.listing is not None or known.attempted > too_old
                }
            )
        }
        self._seen_with = {}
        for place, by in self._known.items():
            for name in by:
                self._seen_with.setdefault(name, set()).add(place)
        self._written = {
            place: recent
            for place, written in self._written.items()
            if (recent := {name: at for name, at in written.items() if at > too_old})
        }
        self._unknown = {key: unknown for key, unknown in self._unknown.items() if unknown.until > too_old}


def merged(
    known: Mapping[str, Seen[V]], listing: Listing[V], began: float, *, written: Container[Hashable]
) -> dict[str, Seen[V]]:
    """Return what is known after a LIST: what it shows, except for what is known of a later moment.

    Args:
        known: by entry, before.
        listing: the answer.
        began: the moment at which it was asked for.
        written: the entries that were written to since.
    """
    # That Atlas has just said that an entry is not there, a LIST without it does not take back.
    newer = {
        name: seen
        for name, seen in known.items()
        if seen.at > began or (seen.value is None and seen.at > began - ABSENT)
    }
    listed = {name: Seen(value, began) for name, value in listing.entries.items() if name not in written}
    return {**newer, **{name: seen for name, seen in listed.items() if name not in newer or newer[name].at < began}}


def _entry(scope: Scope, name: str) -> _Entry:
    return _Entry(_place(scope), name)


def _place(scope: Scope) -> _Place:
    return _Place(scope.project_id, scope.kind, scope.name)
