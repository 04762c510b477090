"""Caches failures that only a change of a Secret, of a reference or of the resource can fix.

Such a resource is requeued to read its Secret again, and once when its grace ends. Neither calls Atlas: the resync of the
scope does. The first resource that finds a Secret changed wakes all others that wait for it.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Self

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
class _Cached:
    """An outcome, and everything that it depends on."""

    uid: str
    generation: int
    request: str | None
    spec: CommonSpec
    access: Access
    problem: Problem | None
    outcome: Outcome

    @classmethod
    def of(cls, resolution: Resolution[Any], access: Access, outcome: Outcome) -> Self:
        metadata, spec = resolution.resource.metadata, resolution.resource.spec
        return cls(
            metadata.uid, metadata.generation, metadata.reconcile_request, spec, access, resolution.problem, outcome
        )


class FailureCache:
    """Caches outcomes.

    Args:
        grace: how long a failure that another object may fix counts as progress.
        wake: enqueues a resource at once.
    """

    def __init__(self, grace: timedelta, *, wake: Callable[[Key], None]) -> None:
        self._grace = grace
        self._wake = wake
        self._cached: dict[Key, _Cached] = {}
        self._awaiting: defaultdict[Access, set[Key]] = defaultdict(set)
        """The resources that wait for better credentials than these, and were not woken since their last reading."""

    def replay(self, key: Key, resolution: Resolution[Any], access: Access, now: datetime) -> Outcome | None:
        """Return the cached outcome if nothing that it depends on has changed; else None."""
        cached = self._cached.get(key)
        if cached is None:
            return None
        if cached.access != access:
            for other in sorted(self._awaiting.pop(cached.access, set()) - {key}):
                self._wake(other)
        failure = cached.outcome.failure
        is_of_the_future = failure is not None and failure.since > now  # otherwise its grace would not end
        if is_of_the_future or cached != _Cached.of(resolution, access, cached.outcome):
            return None
        self._await(key, cached)
        return replace(cached.outcome, requeue=self._requeue(cached.outcome, now))

    def store(self, key: Key, resolution: Resolution[Any], access: Access, outcome: Outcome) -> None:
        """Cache an outcome if it is such a failure."""
        state = outcome.state
        waits = resolution.problem is not None and isinstance(outcome.requeue, NoRequeue)
        asks_atlas = state is not None and state.reason is not Reason.CONFLICT and not outcome.creates
        self.release(key)
        if state is not None and asks_atlas and (waits or state.reason.progress is Progress.GRACE):
            cached = self._cached[key] = _Cached.of(resolution, access, outcome)
            self._await(key, cached)

    def awaits_credentials(self, key: Key) -> bool:
        """Return whether a resource is requeued only to read its Secret again."""
        cached = self._cached.get(key)
        return cached is not None and _curable_by_credentials(cached.outcome)

    def release(self, key: Key) -> None:
        """Let the next reconcile ask Atlas."""
        cached = self._cached.pop(key, None)
        if cached is not None and cached.access in self._awaiting:
            self._awaiting[cached.access].discard(key)
            if not self._awaiting[cached.access]:
                del self._awaiting[cached.access]

    def _await(self, key: Key, cached: _Cached) -> None:
        if _curable_by_credentials(cached.outcome):
            self._awaiting[cached.access].add(key)

    def _requeue(self, outcome: Outcome, now: datetime) -> Requeue:
        """Requeue to read the Secret, if other credentials may help, and when the grace ends."""
        requeue = RequeueAfter(failures.SECRET_REQUEUE) if _curable_by_credentials(outcome) else NoRequeue()
        if outcome.failure is None:
            return requeue
        return failures.within_grace(requeue, outcome.failure.since, now=now, grace=self._grace)


def _curable_by_credentials(outcome: Outcome) -> bool:
    return outcome.state is not None and outcome.state.reason in failures.CURED_BY_CREDENTIALS
