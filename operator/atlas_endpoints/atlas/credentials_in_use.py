"""The credentials that resources use, each for as long as one does.

A resource uses the pair that it was given last. A pair without a resource is dropped when all work has ended that was running
when the last resource released it: until then, that work may make a call with it.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.controller.bookkeeping import Bookkeeping


class CredentialsInUse:
    """Credentials by their fingerprints; ``drop`` is called with each pair that is no longer used."""

    _unused: Bookkeeping[dict[str, int]]
    """Pairs without a resource, and the number of the last work that had begun by then, in ascending order."""
    _working: Bookkeeping[dict[int, None]]
    """The numbers of the running work, in ascending order."""
    _begun: Bookkeeping[int]

    def __init__(self, drop: Callable[[str, Credentials], None]) -> None:
        self._drop = drop
        self._known: dict[str, Credentials] = {}
        self._used_by: dict[Hashable, str] = {}
        self._users: Counter[str] = Counter()
        self._unused = {}
        self._working = {}
        self._begun = 0

    def __getitem__(self, fingerprint: str) -> Credentials:
        return self._known[fingerprint]

    def introduce(self, fingerprint: str, credentials: Credentials) -> None:
        """Add a pair, at least for the running work."""
        self._known[fingerprint] = credentials
        if not self._users[fingerprint]:
            self._mark_unused(fingerprint)

    def use(self, user: Hashable, fingerprint: str) -> None:
        """Keep a pair for a resource, and release the pair that it used before."""
        if self._used_by.get(user) != fingerprint:
            self._users[fingerprint] += 1
            self._unused.pop(fingerprint, None)
            self.release(user)
            self._used_by[user] = fingerprint

    def release(self, user: Hashable) -> None:
        """Release the pair of a resource."""
        fingerprint = self._used_by.pop(user, None)
        if fingerprint is not None:
            self._users[fingerprint] -= 1
            if not self._users[fingerprint]:
                self._mark_unused(fingerprint)
                if not self._working:
                    self._drop_unused()

    @contextmanager
    def work(self) -> Iterator[None]:
        """Keep all pairs during this context, and drop the unused ones afterwards."""
        self._begun += 1
        number = self._begun
        self._working[number] = None
        try:
            yield
        finally:
            del self._working[number]
            self._drop_unused()

    def _mark_unused(self, fingerprint: str) -> None:
        del self._users[fingerprint]
        self._unused.pop(fingerprint, None)
        self._unused[fingerprint] = self._begun

    def _drop_unused(self) -> None:
        oldest = next(iter(self._working), self._begun + 1)
        while self._unused and next(iter(self._unused.values())) < oldest:
            fingerprint = next(iter(self._unused))
            del self._unused[fingerprint]
            self._drop(fingerprint, self._known.pop(fingerprint))
