"""How often a person who asks for a look at once (``force-sync``) gets one.

A request costs calls out of rate limits that others share, and a new value costs its author nothing. So each resource, and
each instance, is looked at for the sake of requests once in ``FLOOR`` seconds. A request that comes within is open until
then, and is handled by a look that has begun after it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from atlas_endpoints.atlas.snapshots import Instance
from atlas_endpoints.engine.store import Key
from atlas_endpoints.kinds.serverless_private_endpoint.context import forced
from atlas_endpoints.kinds.serverless_private_endpoint.model import ServerlessPrivateEndpoint, Status

FLOOR = 5.0
"""Seconds from a look that a person has asked for to the next one, of a resource and of an instance."""


@dataclass(slots=True)
class _Request:
    """A request that is open.

    Attributes:
        uid: of the resource.
        token: the value that asks.
        seen: when it was met first, in monotonic seconds.
        granted: whether its look has begun.
    """

    uid: str
    token: str | None
    seen: float
    granted: bool = False


class Requests:
    """Remembers the requests that are open, and when the last ones were granted.

    Args:
        monotonic: seconds that only grow.
        let_through: has the next call to an instance be made though Atlas has named a later time, once in such a wait.
    """

    def __init__(self, monotonic: Callable[[], float], *, let_through: Callable[[Instance], None]) -> None:
        self._monotonic = monotonic
        self._let_through = let_through
        self._open: dict[Key, _Request] = {}
        self._granted: dict[Key | Instance, float] = {}
        """When a look was granted last. A resource that is created anew has the floor of its name."""

    def wait(self, resource: ServerlessPrivateEndpoint, status: Status, instance: Instance) -> float:
        """Tell for how many seconds the request of a resource has to wait; 0: it has its turn, or nothing is asked.

        Args:
            resource: as it is.
            status: before the pass.
            instance: that it belongs to.
        """
        key, metadata = resource.key, resource.metadata
        if not forced(resource, status):
            self._open.pop(key, None)
            return 0.0
        now, request = self._monotonic(), self._open.get(key)
        if request is None or (request.uid, request.token) != (metadata.uid, metadata.reconcile_request):
            request = self._open[key] = _Request(metadata.uid, metadata.reconcile_request, now)
        if request.granted:
            return 0.0  # what it has led to has failed, and is tried again as any other failure
        begun = self._granted.get(instance, -math.inf)
        shares = begun > request.seen
        floors = (self._granted.get(key, -math.inf), -math.inf if shares else begun)
        if (wait := max(floors) + FLOOR - now) > 0:
            return wait
        request.granted = True
        self._granted = {name: at for name, at in self._granted.items() if at > now - FLOOR}
        self._granted[key] = now
        if not shares:
            self._granted[instance] = now
        self._let_through(instance)
        return 0.0

    def max_age(self, key: Key) -> float:
        """Tell how many seconds old a LIST may be that serves a resource: begun after the request, if there is one."""
        request = self._open.get(key)
        return FLOOR if request is None or not request.granted else min(FLOOR, self._monotonic() - request.seen)

    def forget(self, key: Key) -> None:
        """Drop the request of a resource that is gone."""
        self._open.pop(key, None)
