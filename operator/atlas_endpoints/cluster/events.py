"""Kubernetes Events about resources: written when there is time for it, and never waited for.

An Event tells nothing that the status does not. So whatever stands in the way of one costs that Event and nothing else.
"""

import asyncio
import logging
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal, TypeAlias

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.api import FIELD_MANAGER, GROUP
from atlas_endpoints.cluster.calls import call
from atlas_endpoints.cluster.errors import ClusterUnavailableError, ClusterUnreachableError, NotLeaderError
from atlas_endpoints.cluster.exchange import exchange
from atlas_endpoints.cluster.refusals import is_in_no_namespace, told
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.log_deduplication import LogDeduplicator
from atlas_endpoints.controller.log_fields import LogFields

logger = logging.getLogger(__name__)

REPORTING_CONTROLLER = f"{GROUP}/operator"
"""Under this name Events show who has written them; ``kubectl describe`` has it in the column From."""

WAITING = 1000
"""Events that may wait to be written; as many as client-go's recorder holds."""

PAUSE = 0.04
"""Seconds between two Events: at most 25 a second, so that 500 take less than half a minute, and a burst of statuses,
which is faster, leaves the API server room."""

WITHIN = 5.0
"""Seconds that a call may take."""

AGAIN = 1.0
"""Seconds after which an Event is tried once more that the API server may not have got."""

NAME_LIMIT = 253
"""Characters of an object's name."""

Result: TypeAlias = Literal["written", "dropped"]
"""What becomes of an Event."""


class EventRecorder:
    """Writes Events one after the other, in the namespaces of what they are about.

    Args:
        api: the connection; its fence holds back what a replica writes that does not lead.
        now: wall-clock time, UTC.
        counted: told of each Event what became of it.
    """

    def __init__(
        self, api: client.ApiClient, *, now: Callable[[], datetime], counted: Callable[[Result], None]
    ) -> None:
        self._api = api
        self._now = now
        self._counted = counted
        self._instance = socket.gethostname()
        self._events: asyncio.Queue[dict[str, Any]] = asyncio.Queue(WAITING)
        self._closing = asyncio.Event()
        self._deduplicator: LogDeduplicator[str] = LogDeduplicator()

    def record(self, body: Body, *, type_: Literal["Normal", "Warning"], reason: str, action: str, note: str) -> None:
        """Have an Event written, unless too many wait already.

        Args:
            body: the resource that it is about.
            type_: whether something is amiss.
            reason: why, in one CamelCase word of at most 128 characters.
            action: what was done or failed, likewise.
            note: for people, at most 1024 bytes.
        """
        metadata = body["metadata"]
        event = {
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
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:
            self._counted("dropped")

    async def run(self) -> None:
        """Write Events as they come."""
        while True:
            event = await self._events.get()
            result: Result = "dropped"
            try:
                if await self._write(event):
                    result = "written"
            except Exception:  # a defect costs its Event, and no other
                logger.exception("An Event is dropped", extra=LogFields(namespace=event["metadata"]["namespace"]))
            finally:
                self._counted(result)
                self._events.task_done()
            await self._pause(PAUSE)

    async def close(self, *, within: float) -> None:
        """Write what waits, without pauses; what cannot be written in time is dropped.

        Args:
            within: seconds.
        """
        self._closing.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._events.join()
        if late := self._events.qsize():
            logger.info("Stopping: %d Events are dropped, since there is no time left for them", late)
        for _ in range(late):
            self._events.get_nowait()
            self._counted("dropped")

    async def _write(self, event: dict[str, Any]) -> bool:
        """Write an Event; tell whether that went well, and people why not."""
        namespace = event["metadata"]["namespace"]
        try:
            await self._create(event)
        except (ClusterUnreachableError, NotLeaderError) as error:  # of which others tell
            logger.debug("An Event is dropped: %s", error, extra=LogFields(namespace=namespace))
        except ApiException as error:
            if error.status == HTTPStatus.CONFLICT:  # the first try did arrive
                return True
            if not is_in_no_namespace(error):
                self._tell(namespace, told(error), _remedy(error))
        except ClusterUnavailableError as error:
            self._tell(namespace, str(error))
        else:
            self._deduplicator.mended(namespace)
            return True
        return False

    async def _create(self, event: dict[str, Any]) -> None:
        """Create an Event, at a second try if the first may have been lost; since it has a name, it comes into being once."""
        try:
            await self._post(event)
        except ClusterUnreachableError:
            await self._pause(AGAIN)
            await self._post(event)

    async def _post(self, event: dict[str, Any]) -> None:
        query = {"fieldManager": FIELD_MANAGER}
        request = exchange(self._api, "POST", _path(event["metadata"]["namespace"]), query=query, body=event)
        await call(request, within=WITHIN)

    async def _pause(self, seconds: float) -> None:
        """Wait, unless it is time to come to an end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    def _tell(self, namespace: str, cause: str, remedy: str = "") -> None:
        """Have one line in the log for each cause, and one more when it has met ten times as many namespaces."""
        namespaces = self._deduplicator.failed(namespace, cause)
        if namespaces:
            logger.warning(
                "Events are dropped in %d namespace(s), which holds nothing else up: statuses tell the same.%s %s",
                namespaces,
                remedy,
                cause,
                extra=LogFields(namespace=namespace),
            )


def _remedy(error: ApiException) -> str:
    if error.status != HTTPStatus.FORBIDDEN:
        return ""
    return " Give the operator's ServiceAccount the verb create on events of the API group events.k8s.io."


def _name(about: str) -> str:
    """Make a name that no other Event has, as client-go does: it shows what the Event is about, if there is room."""
    name = f"{about}.{time.time_ns():x}"
    return name if len(name) <= NAME_LIMIT else str(uuid.uuid4())


def _path(namespace: str) -> tuple[str, ...]:
    return ("apis", "events.k8s.io", "v1", "namespaces", namespace, "events")
