"""The work of a task, for its log lines: which resource or scope, which reconcile, which call to Atlas."""

import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from atlas_endpoints.controller.cache import Body, generation_of
from atlas_endpoints.controller.log_lines import LogFields

Facts = Mapping[str, object]
"""Log fields by name."""


@dataclass(slots=True)
class Work:
    """A reconcile of a resource, or a resync of a scope.

    Attributes:
        about: the fields of each log line.
        request: the last call to Atlas, or the last one that may have written.
        changes: what it has changed in Atlas, or is about to, in words.
    """

    about: Facts
    request: Facts | None = None
    changes: list[str] = field(default_factory=list)

    def requested(self, request: Facts) -> None:
        """Record a call to Atlas."""
        if self.request is None or self.request["method"] == "GET" or request["method"] != "GET":
            self.request = request


_CURRENT: ContextVar[Work | None] = ContextVar("work", default=None)


def begin(about: Facts) -> None:
    """Begin another piece of work in this task and the tasks that it starts."""
    _CURRENT.set(Work(about))


def current() -> Work | None:
    """Return the work of this task, or None."""
    return _CURRENT.get()


def reconcile_of(body: Body) -> LogFields:
    """Return the log fields of a new reconcile."""
    return {**resource(body), "generation": generation_of(body), "reconcileID": str(uuid.uuid4())}


def resource(body: Body) -> LogFields:
    """Return the log fields of a resource."""
    metadata = body["metadata"]
    return {"namespace": metadata["namespace"], "resourceName": metadata["name"], "uid": metadata["uid"]}
