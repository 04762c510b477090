"""Log when the API server stops answering and when it answers again, not each failed call."""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger(__name__)

NOTICED = 3.0
"""Seconds without any answer after which an outage is logged; a single lost call is none."""

LASTING = 10.0
"""Seconds after which it is logged that one kind of call fails while others are answered."""


_RESOURCE = re.compile(r"/(?:api/[^/]+|apis/[^/]+/[^/]+)/(?:namespaces/[^/]+/)?([^/]+)(?:/([^/]+)(/.+)?)?$")
"""The plural, the name and the subresource in a path."""


@dataclass(slots=True)
class _Failing:
    since: float
    logged: bool = False


class Reachability:
    """Observes every call to the API server, ours and kopf's.

    Attributes:
        returned: callback for the first answer after a logged failure.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._all: _Failing | None = None
        self._kinds: dict[str, _Failing] = {}
        self.returned: Callable[[], None] = lambda: None

    @property
    def is_away(self) -> bool:
        """Return whether an outage is logged and lasts."""
        return self._all is not None and self._all.logged

    def failed(self, kind: str, why: str) -> None:
        """Note that a call got no answer, or that the server could not serve it.

        Args:
            kind: see ``kind_of``.
            why: a word or two for the log, with nothing of the objects concerned.
        """
        now = self._monotonic()
        if self._all is None:
            self._all = _Failing(now)
        elif not self._all.logged and now - self._all.since >= NOTICED:
            self._all.logged = True
            logger.warning(
                "The API server has not answered for %.0f s (%s); the operator retries all calls",
                now - self._all.since,
                why,
            )
        failing = self._kinds.setdefault(kind, _Failing(now))
        if not failing.logged and not self._all.logged and now - failing.since >= LASTING:
            failing.logged = True
            logger.warning(
                "The API server answers other calls, but has not answered %s for %.0f s (%s); the operator retries it",
                kind,
                now - failing.since,
                why,
            )

    def answered(self, kind: str) -> None:
        """Note that a call of a kind was answered, perhaps with a refusal."""
        now = self._monotonic()
        outage, self._all = self._all, None
        failing = self._kinds.pop(kind, None)
        if outage is not None and outage.logged:
            # Only from now on are other calls answered, so each kind starts again.
            self._kinds.clear()
            logger.info("The API server answers again, after %.0f s", now - outage.since)
        if failing is not None and failing.logged:
            logger.info("The API server answers %s again, after %.0f s", kind, now - failing.since)
        if any(each is not None and each.logged for each in (outage, failing)):
            self.returned()


def kind_of(method: str, path: str, *, watch: bool) -> str:
    """Return the kind of a call, such as ``PATCH serverlessprivateendpoints/status``.

    Args:
        path: of the URL, perhaps with a gateway's prefix.
    """
    found = _RESOURCE.search(path)
    if found is None:
        return method if "/api" in path.rpartition("/")[0] else f"{method} {path.rpartition('/')[2]}"
    plural, name, subresource = found.groups(default="")
    verb = "WATCH" if watch else "LIST" if method == "GET" and not name else method
    return f"{verb} {plural}{subresource}"
