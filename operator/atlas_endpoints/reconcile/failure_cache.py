"""Resources that only somebody else can help: what was found stays true until something has changed.

Such a resource comes back often, to see whether its Secret or what it refers to has changed, and once when its grace is over, to
say so. Neither is a reason to ask Atlas again: the resync of its scope does that, as often as for a healthy resource.

Many may wait for one Secret, each with a time of its own to look. The first that finds it changed brings back the others,
so that all are helped at once, with one reading.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from atlas_endpoints.controller.cache import Key
from atlas_endpoints.controller.requeue import NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.reconcile import failures
from atlas_endpoints.reconcile.credentials import Access
from atlas_endpoints.reconcile.facts import Problem
from atlas_endpoints.reconcile.reasons import Progress, Reason
from atlas_endpoints.reconcile.references import Resolution
from atlas_endpoints.reconcile.spec import CommonSpec
from atlas_endpoints.reconcile.summarize import Outcome


@dataclass(frozen=True, slots=True)
class _Held:
    """An outcome and everything that it was found with."""

    uid: str
    generation: int
    request: str | None
    spec: CommonSpec
    access: Access
    problem: Problem | None
    outcome: Outcome


class FailureCache:
    """Remembers such outcomes.

    Args:
        grace: for how long something that another object may heal counts as progress.
        wake: has a resource come back at once.
    """

    def __init__(self, grace: timedelta, *, wake: Callable[[Key], None]) -> None:
        self._grace = grace
        self._wake = wake
        self._held: dict[Key, _Held] = {}
        self._awaiting: defaultdict[Access, set[Key]] = defaultdict(set)
        """Who waits for better credentials than these, and was not woken since it looked last."""

    def replay(self, key: Key, resolution: Resolution[Any], access: Access, now: datetime) -> Outcome | None:
        """Return what a reconcile would come to, as long as nothing has changed that it depends on; else None.

        Args:
            key: of the resource.
            resolution: the resource as it is, with what it refers to.
            access: its credentials as they are.
            now: wall-clock time, UTC.
        """
        held = self._held.get(key)
        if held is None:
            return None
        if held.access != access:
            self._wake_others(key, held.access)
        failure = held.outcome.failure
        is_of_the_future = failure is not None and failure.since > now  # its grace would not end
        if is_of_the_future or held != _held(resolution, access, held.outcome):
            return None
        self._await(key, held)
        return replace(held.outcome, requeue=self._requeue(held.outcome, now))

    def hold(self, key: Key, resolution: Resolution[Any], access: Access, outcome: Outcome) -> None:
        """Take in what a reconcile came to."""
        state = outcome.state
        waits = resolution.problem is not None and isinstance(outcome.requeue, NoRequeue)
        asks_atlas = state is not None and state.reason is not Reason.CONFLICT and not outcome.creates
        self.release(key)
        if state is not None and asks_atlas and (waits or state.reason.progress is Progress.GRACE):
            held = self._held[key] = _held(resolution, access, outcome)
            self._await(key, held)

    def awaits_credentials(self, key: Key) -> bool:
        """Return whether a resource comes back only to see whether its Secret holds better credentials by now."""
        held = self._held.get(key)
        return held is not None and _curable_by_credentials(held.outcome)

    def release(self, key: Key) -> None:
        """Let the next reconcile ask Atlas."""
        held = self._held.pop(key, None)
        if held is not None and held.access in self._awaiting:
            self._awaiting[held.access].discard(key)
            if not self._awaiting[held.access]:
                del self._awaiting[held.access]

    def _await(self, key: Key, held: _Held) -> None:
        if _curable_by_credentials(held.outcome):
            self._awaiting[held.access].add(key)

    def _wake_others(self, key: Key, access: Access) -> None:
        """Bring back who else waits for better credentials than these, each once: it looks for itself."""
        for other in sorted(self._awaiting.pop(access, set()) - {key}):
            self._wake(other)

    def _requeue(self, outcome: Outcome, now: datetime) -> Requeue:
        """Come back to look at the Secret, if that may help, and when the grace is over."""
        delays = []
        if _curable_by_credentials(outcome):
            delays.append(failures.SECRET_LOOK)
        if outcome.failure is not None and now < outcome.failure.since + self._grace:
            delays.append((outcome.failure.since + self._grace - now).total_seconds())
        return RequeueAfter(min(delays)) if delays else NoRequeue()


def _curable_by_credentials(outcome: Outcome) -> bool:
    return outcome.state is not None and outcome.state.reason in failures.CURED_BY_CREDENTIALS


def _held(resolution: Resolution[Any], access: Access, outcome: Outcome) -> _Held:
    metadata, spec = resolution.resource.metadata, resolution.resource.spec
    return _Held(
        metadata.uid, metadata.generation, metadata.reconcile_request, spec, access, resolution.problem, outcome
    )
