"""The observation cache: one shared LIST for each scope, and the answers to our writes.

N resources of one scope cost one call: a running or recent LIST, or its failure, serves all of them. Because calls overlap, each
observation has a moment: of a read, when it began; of a write, when its answer arrived. The newer one counts. A read that began
before the answer to a write of ours, with any credentials, is no observation of that entry.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Container, Hashable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeAlias, TypeVar

from atlas_endpoints.atlas.answers import Deprecation, Listing
from atlas_endpoints.atlas.errors import AtlasHeldError, EndpointAbsentError
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.controller.bookkeeping import Sweep
from atlas_endpoints.controller.requeue import doubled
from atlas_endpoints.tunings import ABSENT, NEVER_LISTED, UNKNOWN_FOR

V = TypeVar("V")

FAILURE_FIRST, FAILURE_LAST = 1.0, 5.0
"""Seconds for which callers share the failure of a LIST; doubled from the first to the last while LISTs fail."""

SCOPE_IDLE = 86400.0
"""Seconds (a day) after which observations are dropped: the longest interval of a resource."""

OVERLAP = 600.0
"""Seconds after which the moments of writes are dropped; no call takes that long."""


@dataclass(frozen=True, slots=True)
class Seen(Generic[V]):
    """The observation of one entry at a moment; value None: Atlas has proved its absence, with ``error``."""

    value: V | None
    at: float
    error: EndpointAbsentError | None = None


@dataclass(frozen=True)
class View(Generic[V]):
    """The observations of a scope.

    Attributes:
        entries: by their ids. ``<id>/<id of a part>`` is a part of an entry, which no LIST shows, only a GET.
        began: the moment of the newest successful LIST.
        deprecation: in the answer to it; an end that Atlas announces may be taken back.
        skipped: items of the last LIST without a usable id.
        failing: whether a later LIST has failed or was held.
        label: returns the second key by which an entry is found, or None.
        parent_of: returns the entry that another one is a part of, which no LIST shows, or None.
    """

    entries: Mapping[str, Seen[V]] = field(default_factory=dict)
    began: float = -math.inf
    deprecation: Deprecation | None = None
    skipped: int = 0
    failing: bool = False
    label: Callable[[V], str | None] = lambda _: None
    parent_of: Callable[[str], str | None] = lambda _: None

    def value(self, entry: str) -> V | None:
        seen = self.entries.get(entry)
        return None if seen is None else seen.value

    def showing(self, entry: str, seen: Seen[V] | None) -> "View[V]":
        """Return a copy with this observation of an entry, or with none of it."""
        others = {name: each for name, each in self.entries.items() if name != entry}
        return replace(self, entries=others if seen is None else {**others, entry: seen})

    def after(self, listing: Listing[V], began: float, *, written: Container[Hashable]) -> "View[V]":
        """Return the observations after a LIST that began at a moment: its items, except for later observations.

        The parts of its items stay as they were observed, for as long as a resource may use that. ``written`` are the entries that
        were written since.
        """
        # A recent proof of absence outlasts a LIST that does not show the entry.
        newer = {
            name: seen
            for name, seen in self.entries.items()
            if seen.at > began
            or (seen.value is None and seen.at > began - ABSENT)
            or (seen.value is not None and seen.at > began - SCOPE_IDLE and self.parent_of(name) in listing.entries)
        }
        listed = {name: Seen(value, began) for name, value in listing.entries.items() if name not in written}
        shown = {name: seen for name, seen in listed.items() if name not in newer or newer[name].at < began}
        entries, announced = {**newer, **shown}, listing.deprecation
        return replace(
            self, entries=entries, began=began, deprecation=announced, skipped=listing.skipped, failing=False
        )

    @cached_property
    def labelled(self) -> Mapping[str, tuple[V, ...]]:
        """The entries with a label, by it; those of one label in the order of their ids."""
        found: dict[str, list[V]] = {}
        for _, seen in sorted(self.entries.items()):
            if seen.value is not None and (label := self.label(seen.value)) is not None:
                found.setdefault(label, []).append(seen.value)
        return {label: tuple(values) for label, values in found.items()}


_Place: TypeAlias = tuple[str, str, str]
"""``Scope.place``."""


@dataclass(slots=True)
class _Known:
    """The observations of one scope, and the state of its LISTs.

    Attributes:
        view: replaced as a whole.
        attempted: the moment of the newest LIST that was sent.
        failures: failed LISTs in a row.
    """

    view: View[Any]
    attempted: float = -math.inf
    failure: Exception | None = None
    failures: int = 0
    listing: asyncio.Task[AtlasHeldError | None] | None = None


class ObservationCache:
    """Shared observations; ``fetch`` makes the LIST of a scope, and ``empty`` has a view of nothing by kind."""

    def __init__(
        self,
        fetch: Callable[[Scope], Awaitable[Listing[Any]]],
        monotonic: Callable[[], float],
        *,
        empty: Mapping[str, View[Any]],
    ) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._empty = empty
        self._last_moment = -math.inf
        self._known: dict[_Place, dict[str, _Known]] = {}
        """By scope and credentials, since a LIST or a write concerns only its own scope."""
        self._written: dict[tuple[_Place, str], float] = {}
        """The moments of the last writes, by scope and entry."""
        self._unknown: dict[tuple[_Place, str], float] = {}
        """The moments of writes whose answers were lost."""
        self._sweep = Sweep()
        self.unknown_at = -math.inf
        """The moment of the last write of unknown outcome."""

    def view(self, scope: Scope) -> View[Any]:
        """Return the observations of a scope, without a call."""
        known = self._known.get(scope.place, {}).get(scope.credentials)
        if known is not None:
            return known.view
        return self._empty.get(scope.kind) or View()

    async def list(self, scope: Scope, *, since: float) -> View[Any]:
        """Return the observations after a LIST of a scope that began at ``since`` (a moment) or later.

        Raises the error of that LIST, perhaps one of another caller.
        """
        by_credentials = self._known.setdefault(scope.place, {})
        known = by_credentials.setdefault(scope.credentials, _Known(self.view(scope)))
        if known.failure is not None:
            shared = doubled(FAILURE_FIRST, known.failures - 1, FAILURE_LAST)
            since = max(since, self._monotonic() - shared)
        while known.attempted < since:
            if known.listing is None:
                known.listing = asyncio.create_task(self._list(scope, known), name=f"LIST {scope.name}")
            # A cancelled caller must not cancel the LIST of the others.
            held = await asyncio.shield(known.listing)
            if held is not None:
                raise held.with_traceback(None)
        if known.failure is not None:
            # Many callers raise this one exception, and each raise would lengthen its traceback.
            raise known.failure.with_traceback(None)
        return known.view

    def remember_write(self, scope: Scope, entry: str, value: object) -> None:
        """Record the answer to a write of ours, the newest observation of an entry.

        An earlier write of unknown outcome remains so: Atlas may still apply it, after this one.
        """
        self._put(scope, entry, Seen(value, self.written_now(scope, entry)))

    def written_now(self, scope: Scope, entry: str) -> float:
        """Record a write to an entry, such as its deletion: drop its observations with any credentials, and return the moment."""
        self._written[scope.place, entry] = at = self.moment()
        for known in self._known.get(scope.place, {}).values():
            if entry in known.view.entries:
                known.view = known.view.showing(entry, None)
        return at

    def remember_read(self, scope: Scope, entry: str, seen: Seen[Any]) -> None:
        """Record the answer to a GET of one entry; its moment is the :meth:`moment` right before the GET."""
        if self._written.get((scope.place, entry), -math.inf) < seen.at:
            self._put(scope, entry, seen)

    def outcome_unknown(self, scope: Scope, entry: str) -> None:
        """Record a write that Atlas may have applied or may still apply: only a new LIST observes the entry."""
        self.unknown_at = self._unknown[scope.place, entry] = self.written_now(scope, entry)

    def unknown_for(self, scope: Scope, entry: str) -> float | None:
        """Return for how many more seconds Atlas may apply a write whose answer was lost; None without such a write.

        It is 0 from the end of that time until ``resolve_unknown``.
        """
        since = self._unknown.get((scope.place, entry))
        return None if since is None else max(0.0, since + UNKNOWN_FOR - self._monotonic())

    def needed_since(self, scope: Scope, entry: str) -> float:
        """Return the earliest moment of a LIST that shows the result of an unknown write; minus infinity without one."""
        since = self._unknown.get((scope.place, entry), -math.inf)
        until = since + UNKNOWN_FOR
        return until if self._monotonic() >= until else since

    def resolve_unknown(self, scope: Scope, entry: str, *, began: float) -> None:
        """Forget a write of unknown outcome if its time was over when the LIST of ``began`` began.

        The caller has acted on that LIST; a LIST alone, perhaps of another resource, resolves nothing.
        """
        if began >= self._unknown.get((scope.place, entry), math.inf) + UNKNOWN_FOR:
            del self._unknown[scope.place, entry]

    @property
    def sunset(self) -> datetime | None:
        """The earliest announced end of these operations, or None."""
        views = (known.view for by in self._known.values() for known in by.values())
        announced = [view.deprecation.sunset for view in views if view.deprecation is not None]
        return min((sunset for sunset in announced if sunset is not None), default=None)

    def forget(self, scope: Scope) -> None:
        """Drop the observations of a scope."""
        self._known.get(scope.place, {}).pop(scope.credentials, None)

    def moment(self) -> float:
        """Return the time in monotonic seconds, unique and increasing, so that of two events one is the newer."""
        self._last_moment = max(self._monotonic(), math.nextafter(self._last_moment, math.inf))
        return self._last_moment

    async def _list(self, scope: Scope, known: _Known) -> AtlasHeldError | None:
        """Make a LIST and record its result; return the error of one that was not sent."""
        self._drop_old()
        began = self.moment()
        try:
            listing = await self._fetch(scope)
        except AtlasHeldError as held:
            known.view = replace(known.view, failing=True)
            return held
        except Exception as error:  # noqa: BLE001  # all callers that wait for this LIST raise it
            # They keep the frames of the call, with its credentials, in memory.
            error.__cause__ = error.__context__ = None
            known.view = replace(known.view, failing=True)
            known.failure = error
            known.failures += 1
        else:
            known.failure = None
            known.failures = 0
            written = {name for name in listing.entries if self._written.get((scope.place, name), -math.inf) > began}
            known.view = known.view.after(listing, began, written=written)
        finally:
            known.listing = None
        known.attempted = began
        return None

    def _put(self, scope: Scope, entry: str, seen: Seen[Any]) -> None:
        """Record an observation, unless a newer one is there or the scope was forgotten."""
        known = self._known.get(scope.place, {}).get(scope.credentials)
        if known is None:
            return
        before = known.view.entries.get(entry)
        if before is None or before.at < seen.at:
            known.view = replace(known.view, entries={**known.view.entries, entry: seen})

    def _drop_old(self) -> None:
        """Drop what is too old, such as observations for resources that were deleted."""
        now = self._monotonic()
        if not self._sweep.is_due(now):
            return
        for place, by_credentials in list(self._known.items()):
            for name, known in list(by_credentials.items()):
                kept_for = NEVER_LISTED if known.view.began == -math.inf else SCOPE_IDLE
                if known.listing is None and known.attempted <= now - kept_for:
                    del by_credentials[name]
            if not by_credentials:
                del self._known[place]
        self._written = {key: at for key, at in self._written.items() if at > now - OVERLAP}
        self._unknown = {key: since for key, since in self._unknown.items() if since > now - SCOPE_IDLE}
