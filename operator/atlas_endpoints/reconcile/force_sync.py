"""How often a person who asks for a look at once (``force-sync``) gets one.

A request costs calls out of rate limits that others share, and a new value costs its author nothing. So each resource, and
each scope, is looked at for the sake of requests once in ``FLOOR`` seconds. A request that comes within is open until
then, and is handled by a look that has begun after it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.age import Age
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.reconcile.facts import is_forced
from atlas_endpoints.reconcile.observe import SHARED
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.status import Status

FLOOR = 5.0
"""Seconds from a look that a person has asked for to the next one, of a resource and of an scope."""


@dataclass(slots=True)
class _Request:
    """A request that is open.

    Attributes:
        uid: of the resource.
        token: the value that asks.
        seen: when it was met first, in monotonic seconds.
        has_turn: whether what the resource depends on is read anew for it.
        granted: whether its look has begun.
    """

    uid: str
    token: str | None
    seen: float
    has_turn: bool = False
    granted: bool = False


class ForceSync:
    """Remembers the requests that are open, and when the last ones were granted.

    Args:
        monotonic: seconds that only grow.
        let_through: has the next call to an scope be made though Atlas has named a later time, once in such a wait.
    """

    def __init__(self, monotonic: Callable[[], float], *, let_through: Callable[[Scope], None]) -> None:
        self._monotonic = monotonic
        self._let_through = let_through
        self._open: dict[Key, _Request] = {}
        self._granted: dict[Key | Scope, float] = {}
        """When each had its turn last. A resource that is created anew has the floor of its name."""

    def turn_in(self, resource: Resource, status: Status) -> float:
        """Return for how many seconds the request of a resource waits for its turn; 0: it has it, or nothing is asked.

        It comes before the first reading of a reconcile: until then nothing is read for the request.

        Args:
            resource: as it is.
            status: before the reconcile.
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

    def look_in(self, key: Key, scope: Scope) -> float:
        """Return for how many seconds a request that has its turn waits for its scope; 0: its look begins, or nothing is asked.

        Args:
            key: of the resource.
            scope: that it belongs to.
        """
        request = self._open.get(key)
        if request is None or request.granted:
            return 0.0  # what it has led to has failed, and is tried again as any other failure
        shares = self._granted.get(scope, -math.inf) > request.seen
        if not shares and (wait := self._take(scope)) > 0:
            return wait
        request.granted = True
        self._let_through(scope)
        return 0.0

    def age(self, key: Key) -> Age:
        """Return how old a reading may be that serves a resource: begun from now on, if it has a request and that has its turn."""
        request = self._open.get(key)
        return Age.FRESH if request is not None and request.has_turn else Age.RECENT

    def max_age(self, key: Key) -> float:
        """Return how many seconds old a LIST may be that serves a resource: begun after the request, if there is one."""
        request = self._open.get(key)
        return SHARED if request is None or not request.granted else min(SHARED, self._monotonic() - request.seen)

    def forget(self, key: Key) -> None:
        """Drop the request of a resource that is gone."""
        self._open.pop(key, None)

    def _take(self, name: Key | Scope) -> float:
        """Return for how many seconds a floor lasts; 0: it is over, and another one begins."""
        now = self._monotonic()
        if (wait := self._granted.get(name, -math.inf) + FLOOR - now) > 0:
            return wait
        self._granted = {each: at for each, at in self._granted.items() if at > now - FLOOR}
        self._granted[name] = now
        return 0.0
