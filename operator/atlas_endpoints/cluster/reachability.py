"""Whether the API server answers: told in the log when that changes, and not at each try."""

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)

NOTICED = 3.0
"""Seconds without any answer after which people are told: a call that is lost now and then is no outage."""


class Reachability:
    """Hears of every call to the API server, ours and kopf's.

    Args:
        monotonic: seconds that only grow.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failing_since: float | None = None
        self._told = False
        self.returned: Callable[[], None] = lambda: None
        """Called when the API server answers again after an outage that people were told of."""

    def failed(self, why: str) -> None:
        """Take in that a call got no answer, or that the server cannot serve any.

        Args:
            why: a word or two for people, with nothing of the objects concerned.
        """
        now = self._monotonic()
        if self._failing_since is None:
            self._failing_since = now
        elif not self._told and now - self._failing_since >= NOTICED:
            self._told = True
            logger.warning(
                "The API server has not answered for %.0f s (%s); everything is tried again until it does",
                now - self._failing_since,
                why,
            )

    def answered(self) -> None:
        """Take in that a call was answered, be it with a refusal."""
        since, told = self._failing_since, self._told
        self._failing_since, self._told = None, False
        if since is not None and told:
            logger.info("The API server answers again, after %.0f s", self._monotonic() - since)
            self.returned()
