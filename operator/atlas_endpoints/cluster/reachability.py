"""Log when the API server stops answering and when it answers again, not each failed call."""

import logging
import re
from collections.abc import Callable

logger = logging.getLogger(__name__)

NOTICED = 3.0
"""Seconds without any answer after which an outage is logged; a single lost call is none."""

_RESOURCE = re.compile(r"/(?:api/[^/]+|apis/[^/]+/[^/]+)/(?:namespaces/[^/]+/)?([^/]+)(?:/([^/]+)(/.+)?)?$")
"""The plural, the name and the subresource in a path."""


class Reachability:
    """Observes every call to the API server, ours and kopf's.

    Attributes:
        is_away: whether an outage is logged and lasts.
        returned: callback for the first answer after it.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._since: float | None = None
        self.is_away = False
        self.returned: Callable[[], None] = lambda: None

    def failed(self, why: str) -> None:
        """Note that a call got no answer, or that the server could not serve it; ``why`` has nothing of the objects concerned."""
        now = self._monotonic()
        if self._since is None:
            self._since = now
        elif not self.is_away and now - self._since >= NOTICED:
            self.is_away = True
            logger.warning(
                "The API server has not answered for %.0f s (%s); the operator retries all calls",
                now - self._since,
                why,
            )

    def answered(self) -> None:
        """Note that a call was answered, perhaps with a refusal."""
        since, self._since = self._since, None
        if since is not None and self.is_away:
            self.is_away = False
            logger.info("The API server answers again, after %.0f s", self._monotonic() - since)
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
