"""Keeps the store complete: an own LIST at start, from time to time, and whenever kopf lists anew.

Deletions during an outage never come as events, and kopf delivers a LIST object by object without telling when it is
through. So only a LIST of our own tells what is there and what has gone.
"""

import asyncio
import logging
from contextlib import suppress
from random import Random
from typing import Protocol

from atlas_endpoints.cluster.errors import ClusterUnavailableError, ClusterWentBackError
from atlas_endpoints.engine import backoff
from atlas_endpoints.engine.store import Body, Key, Listing, Store

logger = logging.getLogger(__name__)

SETTLE = 2.0
"""Seconds after the beginning of kopf's own LIST, so that one LIST of ours serves all that it brings."""

PATIENCE = 30.0
"""Seconds: the longest wait before another try while the API server is away."""

NOT_SERVED = 5.0
"""Seconds after which to look again whether the API server knows our kind."""

DOUBT = 5.0
"""Seconds after which to look again when a LIST was of the past."""

DOUBTS = 2
"""How many such LISTs in a row are enough to find out whether the cluster itself has gone back."""

PROOFS = 3
"""How many objects are asked about for that."""


class Reader(Protocol):
    """Performs the LIST; see ``cluster.writer.StatusWriter``."""

    async def confirms(self, body: Body) -> bool:
        """Tell whether an object is at this very version now, and not only in a reading of the past.

        Raises:
            ClusterUnavailableError: that could not be found out.
        """
        ...

    async def list(self, namespace: str | None, label_selector: str) -> Listing | None:
        """List the objects of one namespace, or of all; ``None`` when the API server does not know our kind.

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
        self._doubts = 0
        self._told_not_served = False
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
        """Compare at once and then for ever.

        Raises:
            ClusterWentBackError: only a fresh memory can go on.
        """
        failures = 0
        while True:
            try:
                wait = await self.compare()
            except ClusterUnavailableError as error:
                failures += 1
                is_news = failures == 1 and not error.told_elsewhere
                level = logging.WARNING if is_news else logging.DEBUG
                logger.log(level, "The resources could not be listed; trying again: %s", error)
                wait = min(backoff.delay(failures, random=self._random.random()), PATIENCE)
            else:
                failures = 0
            await self._rest(wait)

    async def compare(self) -> float:
        """LIST, bring the store in line with it, and tell after how many seconds to do it again.

        Raises:
            ClusterUnavailableError: the objects could not be listed.
            ClusterWentBackError: only a fresh memory can go on.
        """
        self._wanted.clear()
        self._hurried.clear()
        waiting = len(self._waiting)
        with self._store.comparing() as comparison:
            lists = [await self._reader.list(namespace, self._label_selector) for namespace in self._namespaces]
        listed = [body for listing in lists if listing is not None for body in listing.bodies]
        if any(listing is not None and comparison.is_of_the_past(listing) for listing in lists):
            await self._doubt(comparison.older(listed) or listed, comparison.known)
            return DOUBT
        self._doubts = 0
        for key, uid in comparison.vanished(listed):
            self._receiver.gone(key, uid)
        for body in comparison.standing(listed):
            self._receiver.seen(body)
        self.served = all(listing is not None for listing in lists)
        return self._conclude(waiting)

    def _conclude(self, waiting: int) -> float:
        """Tell those who have been waiting since before the LIST, and when to look again."""
        if self.served and not self.complete.is_set():
            logger.info("All resources are known", extra={"resources": len(self._store)})
            self.complete.set()
        if self.complete.is_set():
            told, self._waiting = self._waiting[:waiting], self._waiting[waiting:]
            for each in told:
                if not each.done():  # else whoever waited has given up
                    each.set_result(None)
        if not self.served:
            if not self._told_not_served:
                logger.warning(
                    "The API server does not serve the kind; install the CRD. It is looked for every few seconds"
                )
            self._told_not_served = True
            return NOT_SERVED
        self._told_not_served = False
        return self._interval * self._random.uniform(0.9, 1.1)

    async def _doubt(self, shown: list[Body], known: list[Body]) -> None:
        """Take in a LIST that is older than what had been known before it began; nothing else is taken from it.

        Either it was answered from the past, which passes. Or the cluster itself has gone back, as when etcd was restored from
        a backup: then its versions count on from there, and all that it says would be taken for the past for a long time, by us
        and by the watch. Reads cannot tell the two apart. Writes can: only the present version of an object can be changed.

        Raises:
            ClusterWentBackError: the cluster has gone back.
        """
        self._doubts += 1
        if self._doubts < DOUBTS:
            return
        went_back = await self._confirm(shown) if shown else not await self._confirm(known)
        if not went_back:
            if self._doubts == DOUBTS:
                logger.warning("The API server shows an earlier state of the resources; waiting until it is up to date")
            return
        raise ClusterWentBackError(
            "The cluster's data are older than what the operator has seen of them, as after etcd was restored from a backup."
        )

    async def _rest(self, seconds: float) -> None:
        """Wait so long, or until kopf lists anew: then the API server is there, and something may have gone."""
        if await _set_within(self._wanted, seconds):
            await _set_within(self._hurried, SETTLE)

    async def _confirm(self, bodies: list[Body]) -> bool:
        """Tell whether the cluster is as some objects have it; one of them may have changed since."""
        return any([await self._reader.confirms(body) for body in bodies[:PROOFS]])


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await event.wait()
    return False
