"""What a task is working on, for its lines in the log: which resource, in which reconcile, and what Atlas was asked for it."""

import uuid
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field

from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.log_fields import LogFields

Facts = Mapping[str, object]
"""By the names of their fields in a line."""


@dataclass(slots=True)
class Work:
    """One reconcile of a resource, or one round of an instance.

    Attributes:
        about: what each line of it tells.
        request: the last call to Atlas that was made for it, or the last one that may have written.
        changes: what it has changed in Atlas, or is about to, in words.
    """

    about: Facts
    request: Facts | None = None
    changes: list[str] = field(default_factory=list)

    def requested(self, request: Facts) -> None:
        """Take note of a call."""
        if self.request is None or self.request["method"] == "GET" or request["method"] != "GET":
            self.request = request


_CURRENT: ContextVar[Work | None] = ContextVar("work", default=None)


def begin(about: Facts) -> None:
    """Begin another piece of work in this task; what it starts inherits it."""
    _CURRENT.set(Work(about))


def current() -> Work | None:
    """Give the work that this task is about, if it is about one."""
    return _CURRENT.get()


def reconcile_of(body: Body) -> LogFields:
    """Tell of a new reconcile of a resource."""
    generation = body["metadata"].get("generation")
    return {**resource(body), "generation": generation, "reconcileID": str(uuid.uuid4())}


def resource(body: Body) -> LogFields:
    """Tell which resource it is."""
    metadata = body["metadata"]
    return {"namespace": metadata["namespace"], "resourceName": metadata["name"], "uid": metadata["uid"]}
