"""The controller with a simple kind, wired as in the product.

The kind keeps an external state (``Mirror.external``) that follows the specs of the objects; each of its reconciles takes a second.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Body, Cache, Key, key_of
from atlas_endpoints.controller.controller import Controller, MetadataChange, RefusedError, Result, Store
from atlas_endpoints.controller.loop import Loop
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.controller.workqueue import Queue
from support.virtual_time import VirtualClock
from unit.controller.api_server import ApiServer

Status = Mapping[str, Any]


class PlantedError(Exception):
    """A bug in a kind."""


class Mirror:
    """Keeps an external state; the status lists all sent values and the time of its last write."""

    def __init__(self, clock: VirtualClock) -> None:
        self.external: dict[Key, str] = {}
        self.sent: list[str] = []
        self.sent_for: defaultdict[str, list[str]] = defaultdict(list)
        self.reconciles: list[tuple[str, int]] = []
        self.begins: Callable[[Body], None] = lambda _body: None
        self.remembered: dict[Key, str] = {}
        self.next: Requeue = NoRequeue()
        self.bug = False
        self.quiet: Requeue | None = None
        self.change: MetadataChange | None = None
        """The metadata change of each reconcile."""
        self.records = False
        """Whether each reconcile records an intent."""
        self.may_wait = False
        """Whether no status need be written yet."""
        self.duration = 1.0
        self._clock = clock

    async def reconcile(self, body: Body, store: Store) -> Result:
        key, value = key_of(body), body["spec"]["value"]
        self.reconciles.append((key.name, body["metadata"]["generation"]))
        self.begins(body)
        refusal = ""
        try:
            if self.change is not None and not await store.change(self.change):
                return Result(requeue=RequeueAfter(0.0), status=body["status"])
        except RefusedError as error:
            refusal = str(error)
        except ClusterUnavailableError:
            return Result(requeue=Backoff(), status=body["status"])
        if self.records and not await store.write_status({**body["status"], "intent": value}):
            return Result(requeue=RequeueAfter(0.0), status=store.body["status"])
        await asyncio.sleep(self.duration)
        self.remembered[key] = body["metadata"]["uid"]
        if self.bug:
            raise PlantedError("a bug")
        following = Backoff() if refusal else self.quiet or self.next
        if self.quiet is not None:
            said = self._status(store.body, said=f"Refused: {refusal}")
            return Result(requeue=following, status=said if refusal else store.body["status"])
        sent = [] if self.external.get(key) == value else [value]
        self.external[key] = value
        self.sent += sent
        self.sent_for[body["metadata"]["uid"]] += sent
        status = self._status(store.body, *sent, said=f"Done, but {refusal}" if refusal else "Done")
        return Result(requeue=following, status=status, may_wait=self.may_wait)

    def failed(self, body: Body, error: Exception) -> Result:
        sent = len(body["status"].get("sent", []))
        return Result(requeue=Backoff(), status=self._status(body, said=f"InternalError after {sent} sent"))

    def _status(self, body: Body, *sent: str, said: str = "Done") -> Status:
        previous: Status = body["status"]
        generation = body["metadata"]["generation"]
        status = {"observedGeneration": generation, "sent": [*previous.get("sent", []), *sent], "said": said}
        status |= {"intent": previous["intent"]} if "intent" in previous else {}
        status |= {"team": team} if (team := body["metadata"]["labels"].get("team")) else {}
        if status == {name: value for name, value in previous.items() if name != "since"}:
            return previous
        return status | {"since": self._clock.monotonic()}

    def forget(self, key: Key) -> None:
        self.remembered.pop(key, None)


class Operator:
    """The controller and its kind, wired as in the product."""

    def __init__(self, clock: VirtualClock, server: ApiServer) -> None:
        self.server = server
        self.mirror = Mirror(clock)
        self.cache = Cache(lambda body: body["metadata"].get("annotations", {}))
        self.queue: Queue[Key] = Queue(clock, flow_limit=10)
        self.shown: list[Status] = []
        self.shown_after: list[Status] = []
        """For each status that was shown, the one before it."""
        self.controller = Controller(
            self.mirror,
            self.cache,
            server,
            enqueue=self._enqueue,
            written=self._written,
        )
        self.loop: Loop[Key] = Loop(self.queue, self.controller.run, clock=clock, workers=2, random=Random(1))  # noqa: S311  # jitter
        server.watch = self._watch

    def seen(self, body: Body) -> None:
        self.controller.seen(body)

    def gone(self, key: Key, uid: str) -> None:
        if self.controller.gone(key, uid):
            self.loop.forget(key)

    def _written(self, body: Body, status: Status) -> None:
        self.shown_after.append(body.get("status") or {})
        self.shown.append(status)

    def _watch(self, type_: str, body: Body) -> None:
        if type_ == "DELETED":
            self.gone(key_of(body), body["metadata"]["uid"])
        else:
            self.seen(body)

    def _enqueue(self, key: Key, body: Body) -> None:
        self.loop.reset(key)
        self.queue.add(key, urgent=True)
