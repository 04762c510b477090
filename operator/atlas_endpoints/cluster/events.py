"""Write Kubernetes Events about resources, in the background.

The status holds all that an Event does. So a failure costs this Event and nothing else.
"""

import asyncio
import logging
import socket
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from typing import Any, Literal, TypeAlias

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.api import GROUP
from atlas_endpoints.cluster.calls import call, is_in_no_namespace, message_of
from atlas_endpoints.cluster.errors import ClusterUnavailableError, NotLeaderError
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.log_lines import LogDeduplicator, LogFields

logger = logging.getLogger(__name__)

REPORTING_CONTROLLER = f"{GROUP}/operator"
"""The source of the Events, which ``kubectl describe`` shows in the column From."""

WAITING = 1000
"""Events that may wait to be written; as many as in client-go's recorder."""

BURST, REFILL = 25, 300.0
"""Events about one object at once, and the seconds until it may have another; as in client-go's spam filter."""

OBJECTS = 4096
"""Objects whose Events are counted, the latest ones; as in client-go's spam filter."""

WITHIN = 5.0
"""Seconds for a call."""

NAME_LIMIT = 253
"""Characters of an object's name."""

REMEDY = " Give the operator's ServiceAccount the verb create on events of the API group events.k8s.io."
"""What helps when an Event is forbidden."""

Result: TypeAlias = Literal["written", "dropped"]
"""The result for an Event."""

_Event: TypeAlias = dict[str, Any]
"""An Event as JSON."""


class EventRecorder:
    """Writes Events one after the other, in the namespaces of their resources.

    Args:
        api: its fence holds back the Events of a replica that does not lead.
        now: UTC.
        counted: called with the result of each Event.
    """

    def __init__(
        self, api: client.ApiClient, *, now: Callable[[], datetime], counted: Callable[[Result], None]
    ) -> None:
        self._api = api
        self._now = now
        self._counted = counted
        self._instance = socket.gethostname()
        self._waiting: asyncio.Queue[_Event] = asyncio.Queue(WAITING)
        self._tokens: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """By uid: the Events that an object may still have, as of a time in monotonic seconds; the latest object comes last."""
        self._deduplicator: LogDeduplicator[str] = LogDeduplicator()

    def record(
        self,
        body: Body,
        *,
        type_: Literal["Normal", "Warning"],
        reason: str,
        action: str,
        note: str,
    ) -> None:
        """Queue an Event about a resource; drop it if the resource has had too many, or if too many wait.

        Args:
            reason: at most 128 characters, like ``action``.
            note: at most 1024 bytes.
        """
        metadata = body["metadata"]
        if self._waiting.full() or not self._takes_token(metadata["uid"]):
            self._counted("dropped")
            return
        self._waiting.put_nowait(
            {
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
        )

    def _takes_token(self, uid: str) -> bool:
        """Return whether an object may have another Event now, which then counts."""
        now = time.monotonic()
        tokens, since = self._tokens.pop(uid, (BURST, now))
        tokens = min(BURST, tokens + (now - since) / REFILL)
        is_allowed = tokens >= 1
        self._tokens[uid] = (tokens - is_allowed, now)
        if len(self._tokens) > OBJECTS:
            self._tokens.popitem(last=False)
        return is_allowed

    async def run(self) -> None:
        while True:
            event = await self._waiting.get()
            result: Result = "dropped"
            try:
                result = "written" if await self._write(event) else "dropped"
            except Exception:  # a defect costs its Event, and no other
                logger.exception("An Event is dropped", extra=LogFields(namespace=event["metadata"]["namespace"]))
            finally:
                self._counted(result)
                self._waiting.task_done()

    async def close(self, *, within: float) -> None:
        """Write the waiting Events, and drop the rest after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._waiting.join()
        if late := self._waiting.qsize():
            logger.info("Stopping: %d Events are dropped for lack of time", late)
        while not self._waiting.empty():
            self._waiting.get_nowait()
            self._counted("dropped")

    async def _write(self, event: _Event) -> bool:
        """Return whether an Event was written; log why not."""
        namespace = event["metadata"]["namespace"]
        path = ("apis", "events.k8s.io", "v1", "namespaces", namespace, "events")
        try:
            await call(self._api, "POST", path, body=event, within=WITHIN)
        except NotLeaderError:
            return False
        except ApiException as error:
            if is_in_no_namespace(error):
                return False
            cause = message_of(error) + (REMEDY if error.status == HTTPStatus.FORBIDDEN else "")
        except ClusterUnavailableError as error:
            cause = str(error)
        else:
            self._deduplicator.recovered(namespace)
            return True
        if self._deduplicator.failed(namespace, cause):
            logger.warning(
                "Events are dropped. Nothing else is affected, and the log has them, too. %s",
                cause,
                extra=LogFields(namespace=namespace),
            )
        return False


def _name(about: str) -> str:
    """Return a unique name, as client-go does: it begins with that of the resource, if there is room."""
    name = f"{about}.{time.time_ns():x}"
    return name if len(name) <= NAME_LIMIT else str(uuid.uuid4())
