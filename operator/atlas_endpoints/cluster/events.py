"""Write Kubernetes Events about resources, in the background.

The status holds all that an Event does. So a failure costs this Event and nothing else.
"""

import asyncio
import logging
import socket
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal, TypeAlias

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.api import GROUP
from atlas_endpoints.cluster.calls import call, is_in_no_namespace, message_of
from atlas_endpoints.cluster.errors import ClusterUnavailableError, ClusterUnreachableError, NotLeaderError
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.log_lines import LogDeduplicator, LogFields

logger = logging.getLogger(__name__)

REPORTING_CONTROLLER = f"{GROUP}/operator"
"""The source of the Events, which ``kubectl describe`` shows in the column From."""

WAITING = 1000
"""Events that may wait to be written; as many as in client-go's recorder."""

SHARE = WAITING // 4
"""Endings, and Warnings, of one namespace that may wait as such, so that it cannot crowd out the other Events of all namespaces."""

PAUSE = 0.04
"""Seconds between two Events: at most 25 a second, so that 500 take less than half a minute."""

BUSY_PAUSES = 12
"""Pauses between two Events while all workers are busy, since an Event takes the API server a third of the time of a status write."""

WITHIN = 5.0
"""Seconds for a call."""

AGAIN = 1.0
"""Seconds before the second attempt at an Event that may not have arrived."""

NAME_LIMIT = 253
"""Characters of an object's name."""

REMEDY = " Give the operator's ServiceAccount the verb create on events of the API group events.k8s.io."
"""What helps when an Event is forbidden."""

Result: TypeAlias = Literal["written", "dropped"]
"""The result for an Event."""

_Event: TypeAlias = dict[str, Any]
"""An Event as JSON."""


class _Waiting:
    """The Events that wait: namespaces take turns, and in its turn, a namespace has those of the first rank first.

    The ranks are those of endings, Warnings and all others; what is more than ``SHARE`` has the last rank, too.
    """

    def __init__(self) -> None:
        self._queues: OrderedDict[str, tuple[deque[_Event], ...]] = OrderedDict()
        """By namespace, one for each rank."""
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, event: _Event, *, ending: bool) -> bool:
        """Add an Event; return whether there are too many now, so that one was dropped: the newest where most of the last rank wait."""
        queues = self._queues.setdefault(event["metadata"]["namespace"], (deque(), deque(), deque()))
        queue = queues[0 if ending else 1 if event["type"] == "Warning" else -1]
        (queue if len(queue) < SHARE else queues[-1]).append(event)
        self._count += 1
        if self._count <= WAITING:
            return False
        by_rank = zip(*self._queues.values(), strict=True)
        *_, longest = (each for rank in by_rank if (each := max(rank, key=len)))
        self._removed(longest.pop())
        return True

    def take(self) -> _Event | None:
        """Remove and return the next Event, or None."""
        if not self._queues:
            return None
        namespace, queues = next(iter(self._queues.items()))
        self._queues.move_to_end(namespace)
        event = next(queue for queue in queues if queue).popleft()
        self._removed(event)
        return event

    def _removed(self, event: _Event) -> None:
        self._count -= 1
        namespace = event["metadata"]["namespace"]
        if not any(self._queues[namespace]):
            del self._queues[namespace]


class EventRecorder:
    """Writes Events one after the other, in the namespaces of their resources.

    Args:
        api: its fence holds back the Events of a replica that does not lead.
        now: UTC.
        counted: called with the result of each Event.
        busy: whether all workers are busy.
    """

    def __init__(
        self,
        api: client.ApiClient,
        *,
        now: Callable[[], datetime],
        counted: Callable[[Result], None],
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._api = api
        self._now = now
        self._counted = counted
        self._busy = busy
        self._instance = socket.gethostname()
        self._waiting = _Waiting()
        self._arrived, self._idle = asyncio.Event(), asyncio.Event()
        self._idle.set()
        self._closing = asyncio.Event()
        self._deduplicator: LogDeduplicator[str] = LogDeduplicator()

    def record(
        self,
        body: Body,
        *,
        type_: Literal["Normal", "Warning"],
        reason: str,
        action: str,
        note: str,
        ending: bool = False,
    ) -> None:
        """Queue an Event about a resource; if too many wait already, one of them is dropped.

        Args:
            reason: at most 128 characters, like ``action``.
            note: at most 1024 bytes.
            ending: whether no status shows it, since its resource is removed; in its namespace, it comes first and is dropped last.
        """
        metadata = body["metadata"]
        event: _Event = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"namespace": metadata["namespace"], "name": _name(metadata["name"])},
            "eventTime": f"{self._now():%Y-%m-%dT%H:%M:%S.%fZ}",
            "type": type_,
            "reason": reason,
            "action": action,
            "note": note,
            "regarding": {
                "apiVersion": body["apiVersion"],
                "kind": body["kind"],
                **{each: metadata[each] for each in ("namespace", "name", "uid", "resourceVersion")},
            },
            "reportingController": REPORTING_CONTROLLER,
            "reportingInstance": self._instance,
        }
        if self._waiting.put(event, ending=ending):
            self._counted("dropped")
        self._idle.clear()
        self._arrived.set()

    async def run(self) -> None:
        """Write Events until cancelled."""
        while True:
            while (event := self._waiting.take()) is None:
                self._idle.set()
                self._arrived.clear()
                await self._arrived.wait()
            result: Result = "dropped"
            try:
                result = "written" if await self._write(event) else "dropped"
            except Exception:  # a defect costs its Event, and no other
                logger.exception("An Event is dropped", extra=LogFields(namespace=event["metadata"]["namespace"]))
            finally:
                self._counted(result)
            for _ in range(BUSY_PAUSES):
                await self._pause(PAUSE)
                if not self._busy():
                    break

    async def close(self, *, within: float) -> None:
        """Write the waiting Events without pauses, and drop the rest after so many seconds."""
        self._closing.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._idle.wait()
        if self._waiting:
            logger.info("Stopping: %d Events are dropped for lack of time", len(self._waiting))
        while self._waiting.take() is not None:
            self._counted("dropped")

    async def _write(self, event: _Event) -> bool:
        """Return whether an Event was written; log why not.

        It may be sent twice, since the first attempt may be lost; it has a name, so it is created once.
        """
        namespace = event["metadata"]["namespace"]
        try:
            try:
                await self._post(event)
            except ClusterUnreachableError:
                await self._pause(AGAIN)
                await self._post(event)
        except (ClusterUnreachableError, NotLeaderError) as error:  # logged elsewhere
            logger.debug("An Event is dropped: %s", error, extra=LogFields(namespace=namespace))
        except ApiException as error:
            if error.status == HTTPStatus.CONFLICT:  # the first attempt did arrive
                return True
            if not is_in_no_namespace(error):
                self._log(namespace, message_of(error), REMEDY if error.status == HTTPStatus.FORBIDDEN else "")
        except ClusterUnavailableError as error:
            self._log(namespace, str(error))
        else:
            self._deduplicator.recovered(namespace)
            return True
        return False

    async def _post(self, event: _Event) -> None:
        path = ("apis", "events.k8s.io", "v1", "namespaces", event["metadata"]["namespace"], "events")
        await call(self._api, "POST", path, body=event, within=WITHIN)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than until ``close``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    def _log(self, namespace: str, cause: str, remedy: str = "") -> None:
        """Log each cause once, and again when it affects ten times as many namespaces."""
        namespaces = self._deduplicator.failed(namespace, cause)
        if namespaces:
            logger.warning(
                "Events are dropped in %d namespace(s). Nothing else is affected, since statuses contain the same.%s %s",
                namespaces,
                remedy,
                cause,
                extra=LogFields(namespace=namespace),
            )


def _name(about: str) -> str:
    """Return a unique name, as client-go does: it begins with that of the resource, if there is room."""
    name = f"{about}.{time.time_ns():x}"
    return name if len(name) <= NAME_LIMIT else str(uuid.uuid4())
