"""Keeps the store complete: an own LIST at start, from time to time, and whenever kopf lists anew.

Deletions during an outage never come as events, and kopf delivers a LIST object by object without telling when it is
through. So only a LIST of our own tells what is there and what has gone.
"""

import asyncio
import logging
from random import Random
from typing import Protocol

from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.cluster.writer import StatusWriter
from atlas_endpoints.engine import backoff
from atlas_endpoints.engine.store import Body, Key, Store, vanished

logger = logging.getLogger(__name__)

SETTLE = 2.0
"""Seconds after the beginning of kopf's own LIST, so that one LIST of ours serves all that it brings."""


class Receiver(Protocol):
    """Who is told of objects."""

    def seen(self, body: Body) -> None:
        """An object is there."""
        ...

    def gone(self, key: Key, uid: str) -> None:
        """An object is gone."""
        ...


class Inventory:
    """Compares the store with the API server.

    Args:
        store: what is known.
        reader: performs the LIST.
        receiver: is told of what is new and of what has gone.
        namespaces: to list; all when empty.
        label_selector: of the objects.
        interval: seconds between comparisons.
        random: for the jitter.
    """

    def __init__(
        self,
        store: Store,
        reader: StatusWriter,
        receiver: Receiver,
        *,
        namespaces: tuple[str, ...],
        label_selector: str,
        interval: float,
        random: Random,
    ) -> None:
        self._store = store
        self._reader = reader
        self._receiver = receiver
        self._namespaces: tuple[str | None, ...] = namespaces or (None,)
        self._label_selector = label_selector
        self._interval = interval
        self._random = random
        self._wanted = asyncio.Event()
        self.complete = asyncio.Event()
        """Set once the store holds everything; it stays so."""
        self.served = False
        """Whether the API server knows our kind, as of the last comparison."""

    def relisted(self) -> None:
        """Compare soon: kopf has begun to list anew."""
        self._wanted.set()

    async def keep(self) -> None:
        """Compare at once and then for ever."""
        failures = 0
        while True:
            try:
                await self._compare()
            except ClusterUnavailableError as error:
                failures += 1
                logger.warning("The resources could not be listed; trying again: %s", error)
                await asyncio.sleep(min(backoff.delay(failures, random=self._random.random()), 30.0))
                continue
            failures = 0
            if not self.served:
                logger.warning("The API server does not serve the kind yet; install the CRD. Looking again in 5 s")
            await self._rest(self._interval * self._random.uniform(0.9, 1.1) if self.served else 5.0)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        except TimeoutError:
            return
        await asyncio.sleep(SETTLE)

    async def _compare(self) -> None:
        self._wanted.clear()
        before = self._store.identities()
        lists = [await self._reader.list(namespace, self._label_selector) for namespace in self._namespaces]
        self.served = all(bodies is not None for bodies in lists)
        listed = [body for bodies in lists for body in bodies or ()]
        for key, uid in vanished(before, listed):
            self._receiver.gone(key, uid)
        for body in listed:
            self._receiver.seen(body)
        if self.served and not self.complete.is_set():
            logger.info("All resources are known; beginning to work", extra={"resources": len(self._store)})
            self.complete.set()
