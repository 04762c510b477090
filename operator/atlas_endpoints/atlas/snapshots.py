"""What Atlas was last seen to hold: one shared LIST for each instance and credentials, and the answers to our writes.

N resources of one instance cost one call: a LIST that is under way or recent serves everybody who asks, and so does
its failure. Because calls overlap, each thing that is known has a moment: that of a reading is when it began, that of a
write is when its answer arrived. What is newer stands; a reading that began before the answer to one of our writes
arrived, with whatever credentials either was made, says nothing about that endpoint.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from typing_extensions import override

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.errors import AtlasHeldError, AtlasUnavailableError
from atlas_endpoints.atlas.serverless_private_endpoints import LIST, Endpoint, Listing
from atlas_endpoints.engine.backoff import doubled
from atlas_endpoints.engine.bookkeeping import Bookkeeping
from atlas_endpoints.engine.sweep import Sweep

DOUBT = 60.0
"""Seconds for which Atlas may still apply a write whose answer was lost."""

FAILURE_FIRST, FAILURE_LAST = 1.0, 5.0
"""Seconds for which a LIST that failed speaks for others, who would fail in the same way; doubled from the first to the
last while LISTs go on failing. Short at first, so that a hiccup is over soon."""

IDLE = 86400.0
"""Seconds (a day) after which what is known of an instance, or of a write, is of no use to anybody: no call takes that
long, and no memory that old justifies anything."""


class Instance(NamedTuple):
    """A serverless instance as seen with one pair of credentials; what one sees, another may not.

    Attributes:
        credentials: fingerprint of the credentials.
        project_id: 24 hexadecimal digits.
        name: the instance's name.
    """

    credentials: str
    project_id: str
    name: str

    @override
    def __str__(self) -> str:
        """Return its name for the log, without its credentials."""
        return f"{self.project_id}/{self.name}"


class _Place(NamedTuple):
    """An instance, whoever looks at it."""

    project_id: str
    name: str


class _EndpointKey(NamedTuple):
    place: _Place
    endpoint_id: str


class Sight(NamedTuple):
    """One endpoint as it was seen, and the moment of that."""

    endpoint: Endpoint
    at: float


@dataclass(slots=True)
class _View:
    """What is known of one instance with one pair of credentials.

    Attributes:
        sights: by endpoint id.
        began: moment of the newest LIST that has taken place.
        failure: what it failed with, if it did.
        failures: how many LISTs in a row have failed.
        deprecation: what Atlas announced last.
        skipped: how many items of that LIST had no usable id.
        listing: the LIST that is under way.
    """

    sights: dict[str, Sight] = field(default_factory=dict)
    began: float = -math.inf
    failure: Exception | None = None
    failures: int = 0
    deprecation: Deprecation | None = None
    skipped: int = 0
    listing: asyncio.Task[AtlasHeldError | None] | None = None


@dataclass(slots=True)
class _Doubt:
    """A write that may have been applied, or may still be.

    Attributes:
        since: moment at which its answer was given up.
        until: when it will not be applied any more.
        looked: whether a LIST that began after ``until`` has been shown to whoever asked about this endpoint.
    """

    since: float
    until: float
    looked: bool = False


class Snapshots:
    """Shared observations of endpoints.

    Args:
        fetch: performs the LIST of an instance.
        monotonic: seconds that only grow.
    """

    _last_moment: Bookkeeping[float]

    def __init__(self, fetch: Callable[[Instance], Awaitable[Listing]], monotonic: Callable[[], float]) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._last_moment = -math.inf
        self._views: dict[_Place, dict[str, _View]] = {}
        """By instance and credentials: neither a LIST nor a write goes over other instances than its own."""
        self._seen_with: dict[str, set[_Place]] = {}
        """By credentials: the instances that there are views of."""
        self._written: dict[_Place, dict[str, float]] = {}
        """By instance and endpoint id."""
        self._doubts: dict[_EndpointKey, _Doubt] = {}
        self._sweep = Sweep()
        self.doubted_at = -math.inf
        """When, in monotonic seconds, it was last learned of a write that nobody knows whether it was applied."""

    def recall(self, instance: Instance, endpoint_id: str, *, max_age: float) -> Endpoint | None:
        """Give what is remembered of an endpoint without asking Atlas, or ``None``.

        Args:
            instance: where the endpoint is.
            endpoint_id: which one.
            max_age: seconds; older memories are not given.
        """
        view = self._view(instance)
        sight = view.sights.get(endpoint_id) if view else None
        if sight is None or sight.at < self._monotonic() - max_age:
            return None
        return sight.endpoint

    def recall_commented(self, instance: Instance, beginning: str) -> tuple[Endpoint, ...]:
        """Give what is remembered of the endpoints of an instance whose comments begin in some way, without asking Atlas."""
        view = self._view(instance)
        sights = view.sights.values() if view else ()
        return tuple(each.endpoint for each in sights if (each.endpoint.comment or "").startswith(beginning))

    async def observe(self, instance: Instance, endpoint_id: str, *, max_age: float) -> Endpoint | None:
        """Look an endpoint up in the instance's LIST.

        Args:
            instance: where the endpoint is.
            endpoint_id: which one.
            max_age: seconds; a LIST that began earlier is not good enough, and with 0 none that has begun already is. While
                a write to the endpoint is in doubt, the LIST is newer than that write, whatever is asked here.

        Returns:
            The endpoint, or ``None`` when the LIST does not hold it, which by itself is no proof of its absence.

        Raises:
            Exception: what the LIST failed with, also when somebody else had asked for it.
        """
        view = await self._viewed(instance, endpoint_id, max_age)
        sight = view.sights.get(endpoint_id)
        return sight.endpoint if sight else None

    async def marked(self, instance: Instance, mark: str, *, max_age: float) -> tuple[Endpoint, ...]:
        """Give the endpoints of an instance with this very comment, the smallest id first; arguments as of ``observe``.

        Raises:
            AtlasUnavailableError: none has it, and the LIST holds something without a usable id, which may be the one.
            Exception: what the LIST failed with, also when somebody else had asked for it.
        """
        view = await self._viewed(instance, mark, max_age)
        found = (sight.endpoint for sight in view.sights.values() if sight.endpoint.comment == mark)
        endpoints = tuple(sorted(found, key=lambda each: each.id))
        if view.skipped and not endpoints:
            raise AtlasUnavailableError(
                "Atlas shows endpoints without an id, of which one may be the endpoint that is looked for; it is looked for"
                " again.",
                operation=LIST,
            )
        return endpoints

    async def _viewed(self, instance: Instance, what: str, max_age: float) -> _View:
        """Give a view that is new enough, also with regard to a write that is in doubt."""
        since = self.moment() - max_age
        doubt = self._doubts.get(_key(instance, what))
        over = doubt is not None and self._monotonic() >= doubt.until
        if doubt is not None:
            since = max(since, doubt.until if over else doubt.since)
        view = await self._refreshed(instance, since)
        if doubt is not None and over:
            doubt.looked = True
        return view

    async def refresh(self, instance: Instance, *, since: float) -> None:
        """Have a LIST of an instance that began at ``since`` (monotonic seconds) or later.

        Raises:
            Exception: what that LIST failed with.
        """
        await self._refreshed(instance, since)

    def remember_write(self, instance: Instance, endpoint: Endpoint) -> None:
        """Take in the answer to a write of ours: the newest truth about an endpoint.

        An earlier write that is in doubt remains so: it may still be applied, after this one.
        """
        at = self._written_now(_key(instance, endpoint.id))
        self._put(instance, Sight(endpoint, at))

    def remember_gone(self, instance: Instance, endpoint_id: str) -> None:
        """Take in that Atlas deletes an endpoint: what was known of it before holds no more."""
        self._written_now(_key(instance, endpoint_id))

    def remember_read(self, instance: Instance, endpoint: Endpoint, *, began: float) -> None:
        """Take in the answer to a GET of one endpoint.

        Args:
            instance: where the endpoint is.
            endpoint: as Atlas showed it.
            began: the :meth:`moment` right before it was asked for.
        """
        if self._written.get(_place(instance), {}).get(endpoint.id, -math.inf) < began:
            self._put(instance, Sight(endpoint, began))

    def doubt(self, instance: Instance, endpoint_id: str) -> None:
        """Take in that a write may or may not have been applied, or may still be: nothing is known until a new LIST."""
        key = _key(instance, endpoint_id)
        at = self._written_now(key)
        self._doubts[key] = _Doubt(since=at, until=at + DOUBT)
        self.doubted_at = at

    def doubted_for(self, instance: Instance, endpoint_id: str) -> float | None:
        """Tell for how many more seconds a write is in doubt; ``None`` when none is.

        It is 0 when that time is over and what one more look has shown was not settled yet.
        """
        doubt = self._doubts.get(_key(instance, endpoint_id))
        return None if doubt is None else max(0.0, doubt.until - self._monotonic())

    def settle(self, instance: Instance, endpoint_id: str) -> None:
        """End a doubt whose time is over, once whoever asks for this endpoint has been shown a LIST that began later.

        It is for that one to call, after acting on it: that somebody else happened to LIST heals nothing.
        """
        doubt = self._doubts.get(_key(instance, endpoint_id))
        if doubt is not None and doubt.looked:
            del self._doubts[_key(instance, endpoint_id)]

    def deprecation(self, instance: Instance) -> Deprecation | None:
        """Tell what Atlas last announced about the end of these operations."""
        view = self._view(instance)
        return view.deprecation if view else None

    @property
    def sunset(self) -> datetime | None:
        """When the first of these operations ends, as Atlas has announced it; ``None``: it has not."""
        views = (view for views in self._views.values() for view in views.values())
        announced = [view.deprecation.sunset for view in views if view.deprecation is not None]
        return min((sunset for sunset in announced if sunset is not None), default=None)

    def forget(self, instance: Instance) -> None:
        """Drop an instance that nobody asks for any more."""
        self._views.get(_place(instance), {}).pop(instance.credentials, None)
        self._seen_with.get(instance.credentials, set()).discard(_place(instance))

    def forget_credentials(self, fingerprint: str) -> None:
        """Drop all observations that were made with credentials."""
        for place in self._seen_with.pop(fingerprint, ()):
            self._views.get(place, {}).pop(fingerprint, None)

    def moment(self) -> float:
        """Give the time of an event in monotonic seconds; no two events share one, so that one of them is the newer."""
        self._last_moment = max(self._monotonic(), math.nextafter(self._last_moment, math.inf))
        return self._last_moment

    def _view(self, instance: Instance) -> _View | None:
        return self._views.get(_place(instance), {}).get(instance.credentials)

    async def _refreshed(self, instance: Instance, since: float) -> _View:
        """Give the view of an instance with a LIST that began at ``since`` or later."""
        view = self._views.setdefault(_place(instance), {}).setdefault(instance.credentials, _View())
        self._seen_with.setdefault(instance.credentials, set()).add(_place(instance))
        if view.failure is not None:
            shared = doubled(FAILURE_FIRST, view.failures - 1, FAILURE_LAST)
            since = max(since, self._monotonic() - shared)
        while view.began < since:
            if view.listing is None:
                view.listing = asyncio.create_task(self._list(instance, view), name=f"LIST {instance.name}")
            # Whoever gives up waiting must not take the answer from the others.
            held = await asyncio.shield(view.listing)
            if held is not None:
                raise held.with_traceback(None)
        if view.failure is not None:
            # One exception is raised to many: each raise would lengthen its traceback.
            raise view.failure.with_traceback(None)
        return view

    async def _list(self, instance: Instance, view: _View) -> AtlasHeldError | None:
        """Perform a LIST and take in what came of it; one that was held back has not taken place."""
        self._drop_old()
        began = self.moment()
        try:
            listing = await self._fetch(instance)
        except AtlasHeldError as held:
            return held
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait for this LIST are told
            view.failure = error
            view.failures += 1
        else:
            view.failure = None
            view.failures = 0
            view.deprecation = listing.deprecation or view.deprecation
            view.skipped = listing.skipped
            written = {id_ for id_, at in self._written.get(_place(instance), {}).items() if at > began}
            view.sights = merged(view.sights, listing, began, written=written)
        finally:
            view.listing = None
        view.began = began
        return None

    def _written_now(self, key: _EndpointKey) -> float:
        """Drop what anybody remembers of an endpoint, with whatever credentials it was seen, and give the moment."""
        self._written.setdefault(key.place, {})[key.endpoint_id] = at = self.moment()
        for view in self._views.get(key.place, {}).values():
            view.sights.pop(key.endpoint_id, None)
        return at

    def _put(self, instance: Instance, sight: Sight) -> None:
        """Remember a sight, unless a newer one is known or nobody asks for the instance any more."""
        view = self._view(instance)
        if view is None:
            return
        known = view.sights.get(sight.endpoint.id)
        if known is None or known.at < sight.at:
            view.sights[sight.endpoint.id] = sight

    def _drop_old(self) -> None:
        """Drop from time to time what has been of no use for long, such as the endpoints of resources that were deleted since."""
        now = self._monotonic()
        if not self._sweep.is_due(now):
            return
        too_old = now - IDLE
        self._views = {
            place: kept
            for place, views in self._views.items()
            if (kept := {by: view for by, view in views.items() if view.listing is not None or view.began > too_old})
        }
        self._seen_with = {}
        for place, views in self._views.items():
            for by in views:
                self._seen_with.setdefault(by, set()).add(place)
        self._written = {
            place: recent
            for place, written in self._written.items()
            if (recent := {id_: at for id_, at in written.items() if at > too_old})
        }
        self._doubts = {key: doubt for key, doubt in self._doubts.items() if doubt.until > too_old}


def merged(known: Mapping[str, Sight], listing: Listing, began: float, *, written: Container[str]) -> dict[str, Sight]:
    """Give what is known after a LIST: what it shows, except for what is known of a later moment.

    Args:
        known: by endpoint id, before.
        listing: the answer.
        began: the moment at which it was asked for.
        written: the ids of endpoints that were written to since.
    """
    newer = {id_: sight for id_, sight in known.items() if sight.at > began}
    listed = {each.id: Sight(each, began) for each in listing.endpoints if each.id not in written}
    return {**listed, **newer}


def _key(instance: Instance, endpoint_id: str) -> _EndpointKey:
    return _EndpointKey(_place(instance), endpoint_id)


def _place(instance: Instance) -> _Place:
    return _Place(instance.project_id, instance.name)
