"""When a force-sync request has its turn: at most one observation for requests in an interval, of each resource and each scope."""

import math
from collections.abc import Callable

from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.reconcile.facts import is_forced
from atlas_endpoints.reconcile.memory import Memories, Request
from atlas_endpoints.reconcile.resource import Resource

MIN_INTERVAL = 5.0
"""Seconds between two observations for requests, for each resource and each scope."""


class ForceSync:
    """Keeps the open requests, and the times of the last granted ones.

    Args:
        let_through: lets the next call to the project of a scope pass before the time that Atlas named, once in each such wait.
    """

    def __init__(
        self, monotonic: Callable[[], float], memories: Memories, *, let_through: Callable[[Scope], None]
    ) -> None:
        self._monotonic = monotonic
        self._let_through = let_through
        self._memories = memories
        self._granted: dict[Key | Scope, float] = {}
        """The last grant of each. A resource that is created anew has the interval of its name."""

    def take_turn(self, resource: Resource) -> float:
        """Return for how many seconds a request waits for its resource's interval; 0: it has its turn, or there is none.

        Call it before the first reading of a reconcile: until then nothing is read for the request.
        """
        key, metadata = resource.key, resource.metadata
        if not is_forced(resource):
            self._memories[key].request = None
            return 0.0
        request = self._memories[key].request
        if request is None or (request.uid, request.token) != (metadata.uid, metadata.reconcile_request):
            request = Request(metadata.uid, metadata.reconcile_request, self._monotonic())
            self._memories[key].request = request
        if not request.has_turn and (wait := self._take(key)) > 0:
            return wait
        request.has_turn = True
        return 0.0

    def take_scope_turn(self, key: Key, scope: Scope) -> float:
        """Return for how many seconds a request waits for its scope's interval; 0: its observation begins, or there is none."""
        request = self._memories[key].request
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
        request = self._memories[key].request
        return Age.ANEW if request is not None and request.has_turn else Age.RECENT

    def _take(self, name: Key | Scope) -> float:
        """Return for how many seconds a minimum interval lasts; 0: it is over, and the next one begins."""
        now = self._monotonic()
        if (wait := self._granted.get(name, -math.inf) + MIN_INTERVAL - now) > 0:
            return wait
        self._granted = {each: at for each, at in self._granted.items() if at > now - MIN_INTERVAL}
        self._granted[name] = now
        return 0.0
