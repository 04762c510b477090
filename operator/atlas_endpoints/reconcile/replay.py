"""A failure that only a change can fix is replayed, without a call to Atlas, until something that it depends on changes. Pure."""

from dataclasses import replace
from typing import Any

from atlas_endpoints.controller.requeue import NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.reconcile import failures
from atlas_endpoints.reconcile.attempt import Attempt
from atlas_endpoints.reconcile.credentials import Access
from atlas_endpoints.reconcile.memory import Failure
from atlas_endpoints.reconcile.outcome import Outcome
from atlas_endpoints.reconcile.reasons import Progress, Reason
from atlas_endpoints.reconcile.references import Resolution


def failure_of(resolution: Resolution[Any], access: Access, outcome: Outcome) -> Failure | None:
    """Return a failure that only another input can fix: until then, Atlas is not called again; None: it is no such one."""
    if outcome.reason is None or outcome.reason is Reason.CONFLICT:
        return None
    waits = resolution.problem is not None and isinstance(outcome.requeue, NoRequeue)
    fixed = waits or outcome.reason.progress is Progress.GRACE
    awaits = outcome.reason in failures.CURED_BY_CREDENTIALS
    return Failure(_inputs(resolution, access), outcome, awaits) if fixed else None


def replayed(known: Failure | None, resolution: Resolution[Any], access: Access, attempt: Attempt) -> Outcome | None:
    """Return the outcome of a known failure, which sends nothing, if nothing that it depends on has changed; else None."""
    if known is None or known.inputs != _inputs(resolution, access):
        return None
    requeue: Requeue = RequeueAfter(failures.SECRET_REQUEUE) if known.awaits_credentials else NoRequeue()
    if (failure := known.outcome.failure) is not None:
        if failure.since > attempt.now:  # its grace would not end
            return None
        requeue = attempt.within_grace(requeue, failure.since)
    return replace(known.outcome, requeue=requeue, sent=None)


def _inputs(resolution: Resolution[Any], access: Access) -> tuple[object, ...]:
    metadata, spec = resolution.resource.metadata, resolution.resource.spec
    return metadata.uid, metadata.generation, metadata.reconcile_request, spec, access, resolution.problem
