"""Resources that only somebody else can help: what was found stays true until something has changed.

Such a resource comes back often, to see whether its Secret has changed, and once when its grace is over, to say so. Neither
is a reason to ask Atlas again: the round of its instance does that, as often as for a healthy resource.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from atlas_endpoints.engine.outcome import Again, Next, Rest
from atlas_endpoints.engine.store import Key
from atlas_endpoints.kinds.serverless_private_endpoint import failures
from atlas_endpoints.kinds.serverless_private_endpoint.model import ServerlessPrivateEndpoint
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import MEANING, Progress
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Outcome


@dataclass(frozen=True, slots=True)
class _Held:
    """An outcome and everything that it was found with."""

    uid: str
    generation: int
    request: str | None
    fingerprint: str
    outcome: Outcome


class Standstill:
    """Remembers such outcomes.

    Args:
        grace: for how long something that another object may heal counts as progress.
    """

    def __init__(self, grace: timedelta) -> None:
        self._grace = grace
        self._held: dict[Key, _Held] = {}

    def replay(self, key: Key, resource: ServerlessPrivateEndpoint, fingerprint: str, now: datetime) -> Outcome | None:
        """Give what a pass would find, as long as nothing has changed that it depends on; else ``None``.

        Args:
            key: of the resource.
            resource: as it is.
            fingerprint: of its credentials as they are.
            now: wall-clock time, UTC.
        """
        held = self._held.get(key)
        if held is None or held != _held(resource, fingerprint, held.outcome):
            return None
        return replace(held.outcome, next=self._next(held.outcome, now))

    def hold(self, key: Key, resource: ServerlessPrivateEndpoint, fingerprint: str, outcome: Outcome) -> None:
        """Take in what a pass came to."""
        verdict = outcome.verdict
        if verdict is not None and MEANING[verdict.reason].progress is Progress.GRACE:
            self._held[key] = _held(resource, fingerprint, outcome)
        else:
            self.release(key)

    def release(self, key: Key) -> None:
        """Let the next pass ask Atlas."""
        self._held.pop(key, None)

    def _next(self, outcome: Outcome, now: datetime) -> Next:
        """Come back to look at the Secret, if that may help, and when the grace is over."""
        delays = []
        if outcome.verdict is not None and outcome.verdict.reason in failures.CURED_BY_CREDENTIALS:
            delays.append(failures.SECRET_LOOK)
        if outcome.failure is not None and now < outcome.failure.since + self._grace:
            delays.append((outcome.failure.since + self._grace - now).total_seconds())
        return Again(min(delays)) if delays else Rest()


def _held(resource: ServerlessPrivateEndpoint, fingerprint: str, outcome: Outcome) -> _Held:
    metadata = resource.metadata
    return _Held(metadata.uid, metadata.generation, metadata.reconcile_request, fingerprint, outcome)
