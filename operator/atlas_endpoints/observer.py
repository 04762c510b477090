"""What becomes of what the core tells: lines in the log, metrics, and Kubernetes Events."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from atlas_endpoints.cluster.events import EventRecorder
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.controller import Status
from atlas_endpoints.controller.log_fields import LogFields
from atlas_endpoints.controller.requeue import Requeue
from atlas_endpoints.reconcile.events import (
    IN_A_STATUS,
    Event,
    announce,
)
from atlas_endpoints.reconcile.measures import drifted, seconds_to_ready
from atlas_endpoints.telemetry import work
from atlas_endpoints.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)


class Told:
    """Hears what the core tells; see ``served_kind.Observer``.

    Args:
        metrics: count it.
        events: tell of it whoever looks at the resource.
        now: wall-clock time, UTC.
    """

    def __init__(self, metrics: Metrics, events: EventRecorder, now: Callable[[], datetime]) -> None:
        self._now = now
        self._metrics = metrics
        self._events = events

    def held_up(self, kind: str, reason: str) -> None:
        """Count what held a reconcile up."""
        self._metrics.held_up(kind, reason)

    def waited(self, seconds: float, *, urgent: bool) -> None:
        """Count a wait in the queue."""
        self._metrics.waited(seconds, urgent=urgent)

    def retried(self) -> None:
        """Count what is tried again."""
        self._metrics.retried()

    def reconciled(self, kind: str, following: Requeue, seconds: float) -> None:
        """Count a reconcile."""
        self._metrics.reconciled(kind, following, seconds)

    def written(self, body: Body, status: Status) -> None:
        """Count a status, log what it says (as a warning where a failure begins), and announce what is news in it."""
        previous = body.get("status") or {}
        news = announce(previous, status)
        self._count(body, status)
        ready = next((each for each in status.get("conditions", ()) if each["type"] == "Ready"), None)
        if ready is not None:
            self._metrics.status_written(body["kind"], ready["reason"])
            changes = _changes()
            says_so = changes or news or previous.get("conditions") != status.get("conditions")
            level = logging.INFO if says_so else logging.DEBUG
            words = [*changes, *(each.message for each in news if each.reason != ready["reason"]), ready["message"]]
            extra: LogFields = {
                **work.resource(body),
                "generation": status["observedGeneration"],
                "ready": ready["status"],
                "reason": ready["reason"],
                **_request(),
            }
            warns = any(each.type == "Warning" for each in news)
            logger.log(logging.WARNING if warns else level, "%s", " ".join(words), extra=extra)
        for each in news:
            self._record(body, each)

    def recorded(self, body: Body, event: Event) -> None:
        """Tell in an Event, and in the log, what no status will tell, or not before it happens."""
        level = logging.WARNING if event.type == "Warning" else logging.INFO
        if event.reason in IN_A_STATUS:
            level = logging.DEBUG  # the line about the status tells it
            if (current := work.current()) is not None:
                current.changes.append(event.message)
        extra: LogFields = {**work.resource(body), "reason": event.reason, **_request()}
        logger.log(level, "%s", event.message, extra=extra)
        self._record(body, event)

    def _count(self, body: Body, status: Status) -> None:
        if (seconds := seconds_to_ready(body, status, self._now())) is not None:
            self._metrics.became_ready(body["kind"], seconds)
        self._metrics.drifted(body["kind"], drifted(body.get("status") or {}, status))

    def _record(self, body: Body, news: Event) -> None:
        self._events.record(body, type_=news.type, reason=news.reason, action=news.action, note=news.message)


class Requests:
    """Hears of the calls to Atlas.

    Args:
        metrics: count them.
        templates: the path of each operation.
    """

    def __init__(self, metrics: Metrics, templates: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._templates = templates

    def requested(
        self, operation: str, method: str, status: int | None, error_code: str | None, seconds: float
    ) -> None:
        """Count a call to Atlas, and keep it in mind for the lines of the work that it was made for."""
        self._metrics.requested(operation, method, status, error_code, seconds)
        facts = {
            "method": method,
            "path": self._templates.get(operation, ""),
            "status": status,
            "errorCode": error_code,
            "seconds": round(seconds, 3),
        }
        request = {name: value for name, value in facts.items() if value not in {None, ""}}
        if operation in self._templates and (current := work.current()) is not None:  # and not that of a token
            current.requested(request)
        logger.debug("Atlas was called", extra=LogFields(atlasRequest=request))


def _changes() -> Sequence[str]:
    """Give what the reconcile has changed in Atlas and no line has told."""
    current = work.current()
    if current is None:
        return ()
    changes, current.changes = current.changes, []
    return changes


def _request() -> LogFields:
    """Give the call to Atlas that the reconcile has come from, if it has made one."""
    current = work.current()
    return {} if current is None or current.request is None else {"atlasRequest": current.request}
