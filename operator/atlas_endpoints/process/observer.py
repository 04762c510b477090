"""Turn what the core reports into log lines, metrics and Kubernetes Events."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from atlas_endpoints.cluster.events import EventRecorder
from atlas_endpoints.controller.cache import Body, status_of
from atlas_endpoints.controller.controller import Status
from atlas_endpoints.controller.log_lines import LogFields
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.reconcile.events import ALSO_IN_STATUS, Event, events_of
from atlas_endpoints.reconcile.facts import APPLIED
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.status import Cause, condition_in
from atlas_endpoints.telemetry import work
from atlas_endpoints.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

RESULTS: Mapping[type[Requeue], str] = {NoRequeue: "done", RequeueAfter: "waiting", Backoff: "retry"}
"""The result of a reconcile, by what follows it."""


class StatusObserver:
    """Reports statuses and events; see ``core.Observer``.

    Args:
        now: wall-clock time, UTC.
        kinds: by their names.
    """

    def __init__(
        self, metrics: Metrics, events: EventRecorder, now: Callable[[], datetime], kinds: Mapping[str, Kind[Any]]
    ) -> None:
        self._kinds = kinds
        self._now = now
        self._metrics = metrics
        self._events = events

    def reconciled(self, kind: str, following: Requeue, seconds: float) -> None:
        self._metrics.reconciles(kind, RESULTS[type(following)]).inc()
        self._metrics.reconcile_seconds(kind).observe(seconds)

    def blocked(self, kind: str, reason: str) -> None:
        self._metrics.errors(kind, reason).inc()

    def waited(self, seconds: float, *, urgent: bool) -> None:
        self._metrics.queue_waits("urgent" if urgent else "routine").observe(seconds)

    def retried(self) -> None:
        self._metrics.retries.inc()

    def written(self, body: Body, status: Status) -> None:
        """Count a status, log it (as a warning if a failure begins), and record its events."""
        previous = status_of(body)
        news = events_of(self._kinds[body["kind"]], previous, status)
        if (seconds := seconds_to_ready(body, status, self._now())) is not None:
            self._metrics.time_to_ready(body["kind"]).observe(seconds)
        for field in drifted(previous, status):
            self._metrics.drift(body["kind"], field).inc()
        if ready := condition_in(status, "Ready"):
            self._metrics.status_writes(body["kind"], ready["reason"]).inc()
            changes = _changes()
            is_news = changes or news or previous.get("conditions") != status.get("conditions")
            level = logging.INFO if is_news else logging.DEBUG
            words = [*changes, *(each.message for each in news if each.reason != ready["reason"]), ready["message"]]
            extra: LogFields = {
                **work.resource(body),
                "generation": status["observedGeneration"],
                "ready": ready["status"],
                "reason": ready["reason"],
                **_request(),
            }
            if any(each.type == "Warning" for each in news):
                level = logging.WARNING
            logger.log(level, "%s", " ".join(words), extra=extra)
        for each in news:
            self._record(body, each)

    def recorded(self, body: Body, event: Event) -> None:
        """Record an event, and log it unless the line about the status contains it."""
        level = logging.WARNING if event.type == "Warning" else logging.INFO
        if event.reason in ALSO_IN_STATUS:
            level = logging.DEBUG  # the line about the status contains it
            if (current := work.current()) is not None:
                current.changes.append(event.message)
        extra: LogFields = {**work.resource(body), "reason": event.reason, **_request()}
        logger.log(level, "%s", event.message, extra=extra)
        self._record(body, event)

    def _record(self, body: Body, news: Event) -> None:
        self._events.record(body, type_=news.type, reason=news.reason, action=news.action, note=news.message)


class RequestObserver:
    """Counts and logs calls to Atlas.

    Args:
        templates: the path of each operation.
    """

    def __init__(self, metrics: Metrics, templates: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._templates = templates

    def requested(
        self, operation: str, method: str, status: int | None, error_code: str | None, seconds: float
    ) -> None:
        """Count a call, and add it to the log lines of the work that it was made for."""
        code = "" if status is None else str(status)
        self._metrics.atlas_requests(operation, method, code, error_code or "").inc()
        self._metrics.atlas_request_seconds(operation).observe(seconds)
        facts = {
            "method": method,
            "path": self._templates.get(operation, ""),
            "status": status,
            "errorCode": error_code,
            "seconds": round(seconds, 3),
        }
        request = {name: value for name, value in facts.items() if value not in {None, ""}}
        if operation in self._templates and (current := work.current()) is not None:  # and not a token request
            current.requested(request)
        logger.debug("Request to Atlas", extra=LogFields(atlasRequest=request))


def _changes() -> Sequence[str]:
    """Return the changes in Atlas that the log does not contain yet."""
    current = work.current()
    if current is None:
        return ()
    changes, current.changes = current.changes, []
    return changes


def _request() -> LogFields:
    """Return the log field of the last call to Atlas for this work."""
    current = work.current()
    return {} if current is None or current.request is None else {"atlasRequest": current.request}


def seconds_to_ready(body: Mapping[str, Any], status: Mapping[str, Any], now: datetime) -> float | None:
    """Return the seconds since a resource was Ready or created, or None if the new status does not make it Ready.

    None also after a suspension. Statuses are read as JSON, which is much faster than the models.

    Args:
        body: the object with the status before.
        now: wall-clock time, UTC.
    """
    before, after = condition_in(status_of(body), "Ready"), condition_in(status, "Ready")
    if after.get("status") != "True" or before.get("status") == "True" or before.get("reason") == Reason.SUSPENDED:
        return None
    since = before.get("lastTransitionTime") or body["metadata"].get("creationTimestamp")
    return max(0.0, (now - datetime.fromisoformat(since)).total_seconds()) if since else None


def drifted(previous: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields that have drifted between two statuses, whether corrected or only reported.

    A field that remains different, waits for its correction, or is corrected in vain, counts once.
    """
    newest, before = _newest(status), _newest(previous)
    if newest != before and newest.get("cause") == Cause.DRIFT:
        found: Sequence[str] = newest.get("fields") or ()
    else:
        found = _shown_as_drift(status)
    known = {*_shown_as_drift(previous)}
    if before.get("cause") == Cause.DRIFT and before.get("result") != APPLIED:
        known.update(before.get("fields") or ())
    return tuple(field for field in found if field not in known)


def _shown_as_drift(status: Mapping[str, Any]) -> list[str]:
    """Return the fields that a status reports as drift, and not only as different."""
    planned = (status.get("plan") or {}).get("reason", Cause.DRIFT)
    is_drift = planned == Cause.DRIFT and condition_in(status, "Synced").get("reason") == "DriftDetected"
    return [each["field"] for each in status.get("drift") or ()] if is_drift else []


def _newest(status: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(iter(status.get("history") or ()), {})
