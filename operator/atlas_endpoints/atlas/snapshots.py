"""What Atlas was last seen to hold: one shared LIST for each instance and credentials, and the answers to our writes.

N resources of one instance cost one call: a LIST that is under way or recent serves everybody who asks. Failures are
shared as successes are. Because a LIST and a write may overlap, a LIST that began before the answer to one of our
writes arrived says nothing about that endpoint.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from atlas_endpoints.atlas.errors import AtlasHeldError
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint, Listing

DOUBT = 60.0
"""Seconds for which Atlas may still apply a write whose answer was lost."""

FAILURE_SHARED = 1.0
"""Seconds for which a LIST that failed speaks for others, who would fail in the same way."""

FORGET = 3600.0
"""Seconds after which the time of a write is of no use any more: no LIST takes that long."""


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


@dataclass(frozen=True, slots=True)
class Sight:
    """One endpoint as it was seen.

    Attributes:
        endpoint: what Atlas showed.
        at: monotonic seconds; when the LIST began or the answer to a write arrived.
    """

    endpoint: Endpoint
    at: float


@dataclass(slots=True)
class _View:
    """What is known of one instance."""

    sights: dict[str, Sight] = field(default_factory=dict)
    began: float = float("-inf")
    failure: Exception | None = None
    succeeded: float | None = None
    listing: asyncio.Task[AtlasHeldError | None] | None = None


@dataclass(frozen=True, slots=True)
class _Doubt:
    since: float
    until: float


class _EndpointKey(NamedTuple):
    project_id: str
    instance: str
    endpoint_id: str


class Snapshots:
    """Shared observations of endpoints.

    Args:
        fetch: performs the LIST of an instance.
        monotonic: seconds that only grow.
    """

    def __init__(self, fetch: Callable[[Instance], Awaitable[Listing]], monotonic: Callable[[], float]) -> None:
        self._fetch = fetch
        self._monotonic = monotonic
        self._views: dict[Instance, _View] = {}
        self._written: dict[_EndpointKey, float] = {}
        self._doubts: dict[_EndpointKey, _Doubt] = {}

    def recall(self, instance: Instance, endpoint_id: str, *, max_age: float) -> Endpoint | None:
        """Give what is remembered of an endpoint without asking Atlas, or ``None``.

        Args:
            instance: where the endpoint is.
            endpoint_id: which one.
            max_age: seconds; older memories are not given.
        """
        view = self._views.get(instance)
        sight = view.sights.get(endpoint_id) if view else None
        if sight is None or sight.at < self._monotonic() - max_age:
            return None
        return sight.endpoint

    async def observe(self, instance: Instance, endpoint_id: str, *, max_age: float) -> Endpoint | None:
        """Look an endpoint up in the instance's LIST.

        Args:
            instance: where the endpoint is.
            endpoint_id: which one.
            max_age: seconds; a LIST that began earlier is not good enough. While a write to the endpoint is in doubt, the
                LIST is newer than that write, whatever is asked here.

        Returns:
            The endpoint, or ``None`` when the LIST does not hold it, which by itself is no proof of its absence.

        Raises:
            Exception: what the LIST failed with, also when somebody else had asked for it.
        """
        since = self._monotonic() - max_age
        doubt = self._doubts.get(_EndpointKey(instance.project_id, instance.name, endpoint_id))
        if doubt is not None:
            over = self._monotonic() >= doubt.until
            since = max(since, doubt.until if over else doubt.since)
        await self.refresh(instance, since=since)
        sight = self._views[instance].sights.get(endpoint_id)
        return sight.endpoint if sight else None

    async def refresh(self, instance: Instance, *, since: float) -> None:
        """Have a LIST of an instance that began at ``since`` (monotonic seconds) or later.

        Raises:
            Exception: what that LIST failed with.
        """
        view = self._views.setdefault(instance, _View())
        if view.failure is not None:
            since = max(since, self._monotonic() - FAILURE_SHARED)
        while view.began < since:
            if view.listing is None:
                view.listing = asyncio.create_task(
                    self._list(instance, view, self._monotonic()), name=f"LIST {instance.name}"
                )
            # Whoever gives up waiting must not take the answer from the others.
            held = await asyncio.shield(view.listing)
            if held is not None:
                raise held.with_traceback(None)
        if view.failure is not None:
            # One exception is raised to many: each raise would lengthen its traceback.
            raise view.failure.with_traceback(None)

    def remember(self, instance: Instance, endpoint: Endpoint) -> None:
        """Take in an answer about one endpoint, to a write of ours or to a GET: the newest truth about it.

        An earlier write that is in doubt remains so: it may still be applied, after this one.
        """
        now = self._monotonic()
        key = _EndpointKey(instance.project_id, instance.name, endpoint.id)
        self._invalidate(key, now)
        self._views.setdefault(instance, _View()).sights[endpoint.id] = Sight(endpoint, now)

    def doubt(self, instance: Instance, endpoint_id: str) -> None:
        """Take in that a write may or may not have been applied, or may still be: nothing is known until a new LIST."""
        now = self._monotonic()
        key = _EndpointKey(instance.project_id, instance.name, endpoint_id)
        self._invalidate(key, now)
        self._doubts[key] = _Doubt(since=now, until=now + DOUBT)

    def doubted_for(self, instance: Instance, endpoint_id: str) -> float | None:
        """Tell for how many more seconds a write is in doubt; ``None`` when none is.

        It is 0 when the time is over and the last look, with a LIST that begins after it, has not been had yet.
        """
        doubt = self._doubts.get(_EndpointKey(instance.project_id, instance.name, endpoint_id))
        return None if doubt is None else max(0.0, doubt.until - self._monotonic())

    def unseen_for(self, instance: Instance) -> float | None:
        """Tell for how many seconds no LIST of an instance has succeeded; ``None`` when none ever has."""
        view = self._views.get(instance)
        return None if view is None or view.succeeded is None else self._monotonic() - view.succeeded

    def forget(self, instance: Instance) -> None:
        """Drop an instance that nobody asks for any more."""
        self._views.pop(instance, None)

    def _invalidate(self, key: _EndpointKey, now: float) -> None:
        """Drop what anybody remembers of an endpoint, with whatever credentials it was seen."""
        self._written[key] = now
        for instance, view in self._views.items():
            if (instance.project_id, instance.name) == (key.project_id, key.instance):
                view.sights.pop(key.endpoint_id, None)

    async def _list(self, instance: Instance, view: _View, began: float) -> AtlasHeldError | None:
        """Perform a LIST and take in what came of it; one that was held back has not taken place."""
        try:
            listing = await self._fetch(instance)
        except AtlasHeldError as held:
            return held
        except Exception as error:  # noqa: BLE001  # whatever it is, those who wait for this LIST are told
            view.failure = error
        else:
            view.failure = None
            view.succeeded = self._monotonic()
            self._merge(instance, view, listing, began)
        finally:
            view.listing = None
        view.began = began
        return None

    def _merge(self, instance: Instance, view: _View, listing: Listing, began: float) -> None:
        sights = {endpoint.id: Sight(endpoint, began) for endpoint in listing.endpoints}
        for key, written in list(self._written.items()):
            if (key.project_id, key.instance) != (instance.project_id, instance.name):
                continue
            if written >= began:
                # The LIST may have been made before the write: what the write's answer said stands.
                sights.pop(key.endpoint_id, None)
                if key.endpoint_id in view.sights:
                    sights[key.endpoint_id] = view.sights[key.endpoint_id]
            elif written < began - FORGET:
                del self._written[key]
        view.sights = sights
        for key, doubt in list(self._doubts.items()):
            if (key.project_id, key.instance) == (instance.project_id, instance.name) and began >= doubt.until:
                del self._doubts[key]
