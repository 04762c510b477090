"""Limits how often the annotation ``force-sync`` causes a fresh observation.

A request costs calls from rate limits that others share. So each resource, and each scope, is observed for requests once in
``FLOOR`` seconds. A request within that time stays open, and is handled by an observation that begins after it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.reconcile.facts import is_forced
from atlas_endpoints.reconcile.observe import SHARED
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.status import Status

FLOOR = 5.0
"""Seconds between two observations for requests, for each resource and each scope."""


@dataclass(slots=True)
class _Request:
    """An open request.

    Attributes:
        token: the value of the annotation.
        seen: when it was found, in monotonic seconds.
        has_turn: whether the floor of the resource is over.
        granted: whether the floor of the scope is over, too, and the observation has begun.
    """

    uid: str
    token: str | None
    seen: float
    has_turn: bool = False
    granted: bool = False


class ForceSync:
    """Keeps the open requests, and the times of the last granted ones.

    Args:
        let_through: lets the next call to a scope pass before the time that Atlas named, once in each such wait.
    """

    def __init__(self, monotonic: Callable[[], float], *, let_through: Callable[[Scope], None]) -> None:
        self._monotonic = monotonic
        self._let_through = let_through
        self._open: dict[Key, _Request] = {}
        self._granted: dict[Key | Scope, float] = {}
        """The last grant of each. A resource that is created anew has the floor of its name."""

    def turn_in(self, resource: Resource, status: Status) -> float:
        """Return for how many seconds a request waits for its resource's floor; 0: it has its turn, or there is none.

        Call it before the first reading of a reconcile: until then nothing is read for the request.
        """
        key, metadata = resource.key, resource.metadata
        if not is_forced(resource, status):
            self._open.pop(key, None)
            return 0.0
        request = self._open.get(key)
        if request is None or (request.uid, request.token) != (metadata.uid, metadata.reconcile_request):
            request = self._open[key] = _Request(metadata.uid, metadata.reconcile_request, self._monotonic())
        if not request.has_turn and (wait := self._take(key)) > 0:
            return wait
        request.has_turn = True
        return 0.0

    def requeue_in(self, key: Key, scope: Scope) -> float:
        """Return for how many seconds a request waits for its scope's floor; 0: its observation begins, or there is none."""
        request = self._open.get(key)
        if request is None or request.granted:
            return 0.0  # a granted request that failed is retried like any other failure
        shares = self._granted.get(scope, -math.inf) > request.seen
        if not shares and (wait := self._take(scope)) > 0:
            return wait
        request.granted = True
        self._let_through(scope)
        return 0.0

    def age(self, key: Key) -> Age:
        """Return how old a reading may be: if a request has its turn, it must begin now."""
        request = self._open.get(key)
        return Age.FRESH if request is not None and request.has_turn else Age.RECENT

    def max_age(self, key: Key) -> float:
        """Return how many seconds old a LIST may be: it must have begun after a granted request."""
        request = self._open.get(key)
        return SHARED if request is None or not request.granted else min(SHARED, self._monotonic() - request.seen)

    def forget(self, key: Key) -> None:
        """Drop the request of a resource that is gone."""
        self._open.pop(key, None)

    def _take(self, name: Key | Scope) -> float:
        """Return for how many seconds a floor lasts; 0: it is over, and the next one begins."""
        now = self._monotonic()
        if (wait := self._granted.get(name, -math.inf) + FLOOR - now) > 0:
            return wait
        self._granted = {each: at for each, at in self._granted.items() if at > now - FLOOR}
        self._granted[name] = now
        return 0.0
