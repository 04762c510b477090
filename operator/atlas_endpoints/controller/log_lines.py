"""Log lines: their fields, and the choice of the failures to log."""

import re
from collections.abc import Hashable
from typing import Generic, TypedDict, TypeVar

K = TypeVar("K", bound=Hashable)

_QUOTED = re.compile(r'"[^"]*"')
"""Names in a refusal, which differ between objects although the cause is the same."""


class LogFields(TypedDict, total=False):
    """The keys of ``extra``, beside time, level, logger, message and traceback.

    A resource's name is ``resourceName``, since ``name`` is the logger's.
    """

    allowed: int
    atlas: str
    atlasRequest: object
    credentialsSource: str
    generation: int | None
    identity: str
    instance: str
    key: str
    kubernetes: str
    lease: str
    namespace: str
    probes: list[str]
    project: str
    ready: str
    reason: str
    reconcileID: str
    resourceName: str
    resources: int
    uid: str
    version: str


class LogDeduplicator(Generic[K]):
    """Selects one line for each new cause, however many keys and tries it concerns."""

    def __init__(self) -> None:
        self._cause_of: dict[K, str] = {}
        self._failing: dict[str, int] = {}
        self._next_count: dict[str, int] = {}

    def failed(self, key: K, text: str) -> int:
        """Record a failure, and return how many keys fail for this cause if that is worth a line: the first, and each tenfold. Else 0.

        Quoted names in ``text`` do not distinguish causes.
        """
        cause = _QUOTED.sub('""', text)
        if self._cause_of.get(key) != cause:
            self.recovered(key)
            self._cause_of[key] = cause
            self._failing[cause] = self._failing.get(cause, 0) + 1
        count = self._failing[cause]
        if count < self._next_count.get(cause, 1):
            return 0
        self._next_count[cause] = 10 * max(count, self._next_count.get(cause, 1))
        return count

    def recovered(self, key: K) -> None:
        """Record that a key does not fail any more; a cause without keys is new when it returns."""
        cause = self._cause_of.pop(key, None)
        if cause is None:
            return
        self._failing[cause] -= 1
        if not self._failing[cause]:
            del self._failing[cause]
            self._next_count.pop(cause, None)
