"""Caches failures that only a change of a Secret, of a reference or of the resource can fix.

Such a resource is requeued to read its Secret again, and once when its grace ends. Neither calls Atlas: the resync of the
scope does. The first resource that finds a Secret changed wakes all others that wait for it.
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
    """An outcome, and everything that it depends on."""

    uid: str
    generation: int
    request: str | None
    spec: CommonSpec
    access: Access
    problem: Problem | None
    outcome: Outcome


class FailureCache:
    """Caches outcomes.

    Args:
        grace: how long a failure that another object may fix counts as progress.
        wake: enqueues a resource at once.
    """

    def __init__(self, grace: timedelta, *, wake: Callable[[Key], None]) -> None:
        self._grace = grace
        self._wake = wake
        self._held: dict[Key, _Held] = {}
        self._awaiting: defaultdict[Access, set[Key]] = defaultdict(set)
        """The resources that wait for better credentials than these, and were not woken since their last reading."""

    def replay(self, key: Key, resolution: Resolution[Any], access: Access, now: datetime) -> Outcome | None:
        """Return the cached outcome if nothing that it depends on has changed; else None."""
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
        """Cache an outcome if it is such a failure."""
        state = outcome.state
        waits = resolution.problem is not None and isinstance(outcome.requeue, NoRequeue)
        asks_atlas = state is not None and state.reason is not Reason.CONFLICT and not outcome.creates
        self.release(key)
        if state is not None and asks_atlas and (waits or state.reason.progress is Progress.GRACE):
            held = self._held[key] = _held(resolution, access, outcome)
            self._await(key, held)

    def awaits_credentials(self, key: Key) -> bool:
        """Return whether a resource is requeued only to read its Secret again."""
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
        """Wake the other resources that wait for better credentials, each once."""
        for other in sorted(self._awaiting.pop(access, set()) - {key}):
            self._wake(other)

    def _requeue(self, outcome: Outcome, now: datetime) -> Requeue:
        """Requeue to read the Secret, if other credentials may help, and when the grace ends."""
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
