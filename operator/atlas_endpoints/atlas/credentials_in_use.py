"""The credentials that resources use, each for as long as one does. Pure state.

A resource uses the pair that it was given last. A pair that no resource uses is dropped when the work has ended that was
under way when the last one let go of it: until then, that work may make a call with it.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.controller.bookkeeping import Bookkeeping


class CredentialsInUse:
    """Pairs of credentials by their fingerprints.

    Args:
        drop: is called with the fingerprint and the credentials of each pair that nobody uses any more.
    """

    _unused: Bookkeeping[dict[str, int]]
    """What no resource uses, and the number of the last work that had begun by then; the least of these comes first."""
    _working: Bookkeeping[dict[int, None]]
    """The numbers of the work that is under way, the least of them first."""
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
        """Return the credentials of a fingerprint.

        Raises:
            KeyError: they were dropped.
        """
        return self._known[fingerprint]

    def introduce(self, fingerprint: str, credentials: Credentials) -> None:
        """Make a pair known, at least for the work that is under way."""
        self._known[fingerprint] = credentials
        if not self._users[fingerprint]:
            self._note_unused(fingerprint)

    def use(self, user: Hashable, fingerprint: str) -> None:
        """Keep a pair for a resource, and no longer the one that it has used before."""
        if self._used_by.get(user) != fingerprint:
            self._users[fingerprint] += 1
            self._unused.pop(fingerprint, None)
            self.release(user)
            self._used_by[user] = fingerprint

    def release(self, user: Hashable) -> None:
        """Keep no pair for a resource any more."""
        fingerprint = self._used_by.pop(user, None)
        if fingerprint is not None:
            self._users[fingerprint] -= 1
            if not self._users[fingerprint]:
                self._note_unused(fingerprint)
                if not self._working:
                    self._drop_unused()

    @contextmanager
    def work(self) -> Iterator[None]:
        """Keep whatever is known while this lasts, and drop afterwards what nobody uses."""
        self._begun += 1
        number = self._begun
        self._working[number] = None
        try:
            yield
        finally:
            del self._working[number]
            self._drop_unused()

    def _note_unused(self, fingerprint: str) -> None:
        del self._users[fingerprint]
        self._unused.pop(fingerprint, None)
        self._unused[fingerprint] = self._begun

    def _drop_unused(self) -> None:
        oldest = next(iter(self._working), self._begun + 1)
        while self._unused and next(iter(self._unused.values())) < oldest:
            fingerprint = next(iter(self._unused))
            del self._unused[fingerprint]
            self._drop(fingerprint, self._known.pop(fingerprint))
