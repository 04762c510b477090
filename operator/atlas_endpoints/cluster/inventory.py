"""Keeps the store complete: an own LIST at start, from time to time, and whenever kopf lists anew.

Deletions during an outage never come as events, and kopf delivers a LIST object by object without telling when it is
through. So only a LIST of our own tells what is there and what has gone.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Protocol

from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.engine import backoff
from atlas_endpoints.engine.store import Body, Comparison, Key, Store

logger = logging.getLogger(__name__)

SETTLE = 2.0
"""Seconds after the beginning of kopf's own LIST, so that one LIST of ours serves all that it brings."""

PATIENCE = 30.0
"""Seconds: the longest wait before another try while the API server is away."""

NOT_SERVED = 5.0
"""Seconds after which to look again whether the API server knows our kind."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a LIST.

    Attributes:
        items: the objects.
        following: asks for the next page; empty on the last one.
    """

    items: Sequence[Body]
    following: str = ""


class Reader(Protocol):
    """Performs the LIST; see ``cluster.writer.StatusWriter``."""

    async def list(self, namespace: str | None, label_selector: str, following: str) -> Page | None:
        """List the objects of one namespace, or of all; ``None`` when the API server does not know our kind.

        Args:
            namespace: to list; ``None``: all.
            label_selector: of the objects.
            following: asks for the page after another one; empty for the first.

        Raises:
            ClusterUnavailableError: they could not be read.
        """
        ...


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
        reader: Reader,
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
        self._hurried = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self.complete = asyncio.Event()
        """Set once the store holds everything; it stays so."""
        self.served = False
        """Whether the API server knows our kind, as of the last comparison."""

    def relisted(self) -> None:
        """Compare soon: kopf has begun to list anew."""
        self._wanted.set()

    async def refresh(self) -> None:
        """Wait until the store is complete by a LIST that begins from now on, which it does at once.

        ``keep`` has to be running, or to be started.
        """
        compared = asyncio.get_running_loop().create_future()
        self._waiting.append(compared)
        self._wanted.set()
        self._hurried.set()
        await compared

    async def keep(self) -> None:
        """Compare at once and then for ever."""
        failures = 0
        while True:
            try:
                await self.compare()
            except ClusterUnavailableError as error:
                failures += 1
                logger.warning("The resources could not be listed; trying again: %s", error)
                wait = min(backoff.delay(failures, random=self._random.random()), PATIENCE)
            else:
                failures = 0
                wait = self._interval * self._random.uniform(0.9, 1.1) if self.served else NOT_SERVED
            await self._rest(wait)

    async def compare(self) -> None:
        """LIST, and bring the store in line with it.

        It goes page by page: all at once, many objects would hold everybody else up while they are read, and be in memory
        twice.

        Raises:
            ClusterUnavailableError: the objects could not be listed, or only in part: the next comparison begins anew.
        """
        self._wanted.clear()
        self._hurried.clear()
        waiting = tuple(self._waiting)
        with self._store.comparing() as comparison:
            served = [await self._take_in(namespace, comparison) for namespace in self._namespaces]
            for key, uid in comparison.vanished():
                self._receiver.gone(key, uid)
        self.served = all(served)
        if not self.served:
            logger.warning(
                "The API server does not serve the kind yet; install the CRD. Looking again in %g s", NOT_SERVED
            )
        elif not self.complete.is_set():
            logger.info("All resources are known", extra={"resources": len(self._store)})
            self.complete.set()
        if self.complete.is_set():
            self._waiting = self._waiting[len(waiting) :]
            for each in waiting:
                if not each.done():  # else whoever waited has given up
                    each.set_result(None)

    async def _take_in(self, namespace: str | None, comparison: Comparison) -> bool:
        """Take in what is in a namespace, or in all; tell whether the API server knows our kind."""
        following = ""
        while True:
            page = await self._reader.list(namespace, self._label_selector, following)
            if page is None:
                return False
            for body in comparison.standing(page.items):
                self._receiver.seen(body)
            if not page.following:
                return True
            following = page.following

    async def _rest(self, seconds: float) -> None:
        """Wait so long, or until kopf lists anew: then the API server is there, and something may have gone."""
        if await _set_within(self._wanted, seconds):
            await _set_within(self._hurried, SETTLE)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await event.wait()
    return False
