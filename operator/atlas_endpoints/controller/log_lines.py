"""Log lines: their fields, and the choice of the failures to log."""

import re
from collections import Counter
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
        self._failing: Counter[str] = Counter()

    def failed(self, key: K, text: str) -> bool:
        """Record a failure, and return whether its cause is new; quoted names in ``text`` do not distinguish causes."""
        cause = _QUOTED.sub('""', text)
        if self._cause_of.get(key) == cause:
            return False
        self.recovered(key)
        self._cause_of[key] = cause
        self._failing[cause] += 1
        return self._failing[cause] == 1

    def recovered(self, key: K) -> None:
        """Record that a key does not fail any more; a cause without keys is new when it returns."""
        if (cause := self._cause_of.pop(key, None)) is None:
            return
        self._failing[cause] -= 1
        if not self._failing[cause]:
            del self._failing[cause]
