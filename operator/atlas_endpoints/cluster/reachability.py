"""Whether the API server answers: told in the log when that changes, and not at each try."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

logger = logging.getLogger(__name__)

NOTICED = 3.0
"""Seconds without any answer after which people are told: a call that is lost now and then is no outage."""

LASTING = 10.0
"""Seconds after which people are told that one kind of call fails while others are answered."""


@dataclass(slots=True)
class _Failing:
    """Since when something fails, and whether people were told."""

    since: float
    told: bool = False


class Reachability:
    """Hears of every call to the API server, ours and kopf's.

    Args:
        monotonic: seconds that only grow.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._all: _Failing | None = None
        self._kinds: dict[str, _Failing] = {}
        self.returned: Callable[[], None] = lambda: None
        """Called when the API server answers again after a failure that people were told of."""

    @property
    def is_away(self) -> bool:
        """Whether no call has been answered for so long that people were told."""
        return self._all is not None and self._all.told

    def failed(self, kind: str, why: str) -> None:
        """Take in that a call got no answer, or that the server cannot serve it.

        Args:
            kind: of call; see ``kind_of``.
            why: a word or two for people, with nothing of the objects concerned.
        """
        now = self._monotonic()
        if self._all is None:
            self._all = _Failing(now)
        elif not self._all.told and now - self._all.since >= NOTICED:
            self._all.told = True
            logger.warning(
                "The API server has not answered for %.0f s (%s); everything is tried again until it does",
                now - self._all.since,
                why,
            )
        failing = self._kinds.setdefault(kind, _Failing(now))
        if not failing.told and not self._all.told and now - failing.since >= LASTING:
            failing.told = True
            logger.warning(
                "The API server answers other calls, but for %.0f s has not answered any of the kind %s (%s); it is tried"
                " again until it does",
                now - failing.since,
                kind,
                why,
            )

    def answered(self, kind: str) -> None:
        """Take in that a call of a kind was answered, be it with a refusal."""
        now = self._monotonic()
        outage, self._all = self._all, None
        failing = self._kinds.pop(kind, None)
        if outage is not None and outage.told:
            # What failed for want of any answer is judged anew: only from now on others are answered.
            self._kinds.clear()
            logger.info("The API server answers again, after %.0f s", now - outage.since)
        if failing is not None and failing.told:
            logger.info("The API server answers %s again, after %.0f s", kind, now - failing.since)
        if any(each is not None and each.told for each in (outage, failing)):
            self.returned()


def kind_of(method: str, path: str, *, watch: bool) -> str:
    """Name the kind of a call as people know it, such as ``PATCH serverlessprivateendpoints/status``.

    Args:
        method: of HTTP.
        path: of the URL, as the Kubernetes API lays it out, perhaps behind what a gateway puts before it.
        watch: whether it is a watch.
    """
    parts = path.strip("/").split("/")
    root = next((place for place, part in enumerate(parts) if part in {"api", "apis"}), len(parts) - 1)
    match parts[root:]:
        case ["api", _, *rest] | ["apis", _, _, *rest]:
            pass
        case rest:
            return f"{method} {'/'.join(rest)}"
    match rest:
        case ["namespaces", _, plural, *object_]:
            pass
        case [plural, *object_]:
            pass
        case _:
            return method
    verb = "WATCH" if watch else "LIST" if method == "GET" and not object_ else method
    return " ".join((verb, "/".join((plural, *object_[1:]))))
