"""Which failures are news: a cause that people were not told of yet, however many keys it meets and however often. Pure."""

import re
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

_QUOTED = re.compile(r'"[^"]*"')
"""Names in a refusal: what differs from object to object when the cause is the same."""


class LogDeduplicator(Generic[K]):
    """Remembers which keys fail for which cause, as long as they do."""

    def __init__(self) -> None:
        self._cause_of: dict[K, str] = {}
        self._failing: dict[str, int] = {}
        self._told: dict[str, int] = {}

    def failed(self, key: K, text: str) -> int:
        """Take in a failure.

        Args:
            key: that failed.
            text: the cause, in which quoted names do not count.

        Returns:
            How many keys fail for this cause now, when that is worth a line: the first, and each tenfold. Else 0.
        """
        cause = _QUOTED.sub('""', text)
        if self._cause_of.get(key) != cause:
            self.mended(key)
            self._cause_of[key] = cause
            self._failing[cause] = self._failing.get(cause, 0) + 1
        count = self._failing[cause]
        if count < self._told.get(cause, 1):
            return 0
        self._told[cause] = 10 * max(count, self._told.get(cause, 1))
        return count

    def mended(self, key: K) -> None:
        """Take in that a key does not fail for its cause any more; a cause that meets no key is news when it is back."""
        cause = self._cause_of.pop(key, None)
        if cause is None:
            return
        self._failing[cause] -= 1
        if not self._failing[cause]:
            del self._failing[cause]
            self._told.pop(cause, None)
