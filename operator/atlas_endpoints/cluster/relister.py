"""Keeps the cache complete: an own LIST at start, from time to time, and whenever kopf lists anew.

Deletions during an outage never come as events, and kopf delivers a LIST object by object without telling when it is
through. So only a LIST of our own tells what is there and what has gone.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto
from random import Random
from typing import Protocol

from atlas_endpoints.cluster.errors import ClusterUnavailableError, ClusterWentBackError, SelectorRefusedError
from atlas_endpoints.controller import backoff
from atlas_endpoints.controller.cache import Body, Cache, Comparison, Key, Listing, key_of, version_of
from atlas_endpoints.controller.log_deduplication import LogDeduplicator
from atlas_endpoints.controller.log_fields import LogFields

logger = logging.getLogger(__name__)

SETTLE = 2.0
"""Seconds after kopf has listed, so that one LIST of ours serves all its watches, which often break together."""

PATIENCE = 30.0
"""Seconds: the longest wait before another try while the API server is away."""

NOT_SERVED = 5.0
"""Seconds after which to look again whether the API server knows our kind."""

DOUBT = 5.0
"""Seconds after which to look again when a LIST was of the past."""

DOUBTS = 2
"""How many such LISTs in a row are enough to find out whether the cluster itself has gone back."""

ABSENCES = 2
"""How many LISTs in a row have to find the kind not served before its objects are taken for gone.

Of several API servers, one may not serve it for a moment, as right after its own start.
"""

PROOFS = 3
"""How many objects are asked about for that."""

UNDECIDED = 60.0
"""Seconds after which a past of which no object tells what it is counts as the present: a cache has caught up by then."""


class Past(Enum):
    """What a LIST is that is older than what was known before it began."""

    SHOWN = auto()
    """Shown only: the cluster has moved on, and the API server does not say so yet."""
    IS_NOW = auto()
    """The present: the cluster has gone back there."""
    UNDECIDABLE = auto()
    """One of the two: no object is there that would tell."""


class Reader(Protocol):
    """Performs the LIST; see ``cluster.writer.ResourceWriter``."""

    async def read(self, key: Key) -> Body | None:
        """Read an object as it is now, past all caches; ``None`` when there is none.

        Raises:
            ClusterUnavailableError: it could not be read.
        """
        ...

    async def list(self, namespace: str | None, label_selector: str) -> Listing | None:
        """List the objects of one namespace, or of all; ``None`` when the API server does not know our kind.

        Raises:
            SelectorRefusedError: the API server cannot read the label selector.
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


class Relister:
    """Compares the cache with the API server.

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
        cache: Cache,
        reader: Reader,
        receiver: Receiver,
        *,
        namespaces: tuple[str, ...],
        label_selector: str,
        interval: float,
        random: Random,
    ) -> None:
        self._cache = cache
        self._reader = reader
        self._receiver = receiver
        self._namespaces: tuple[str | None, ...] = namespaces or (None,)
        self._label_selector = label_selector
        self._interval = interval
        self._random = random
        self._deduplicator: LogDeduplicator[str] = LogDeduplicator()
        self._wanted = asyncio.Event()
        self._doubts = 0
        self._absences = 0
        self._told_past = False
        self._undecided_since: float | None = None
        self._told_not_served = False
        self._hurried = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []
        self.complete = asyncio.Event()
        """Set once the cache holds everything; it stays so."""
        self.served = False
        """Whether the API server knows our kind, as of the last comparison."""

    def relisted(self) -> None:
        """Compare soon: kopf has listed anew, or an event leaves open what is there."""
        self._wanted.set()

    async def refresh(self) -> None:
        """Wait until the cache is complete by a LIST that begins from now on, which it does at once.

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
            SelectorRefusedError: the API server has never been able to read the label selector.
            ClusterWentBackError: only a fresh memory can go on.
        """
        failures = 0
        while True:
            try:
                wait = await self.compare()
            except ClusterUnavailableError as error:
                if isinstance(error, SelectorRefusedError) and not self.complete.is_set():
                    raise
                failures += 1
                self._undecided_since = None
                is_news = not error.told_elsewhere and self._deduplicator.failed("LIST", str(error))
                level = logging.WARNING if is_news else logging.DEBUG
                logger.log(level, "The resources could not be listed; trying again: %s", error)
                wait = min(backoff.delay(failures, random=self._random.random()), PATIENCE)
            else:
                failures = 0
                self._deduplicator.mended("LIST")
            await self._rest(wait)

    async def compare(self) -> float:
        """LIST, bring the cache in line with it, and tell after how many seconds to do it again.

        Raises:
            ClusterUnavailableError: the objects could not be listed, or not those of each namespace.
            ClusterWentBackError: only a fresh memory can go on.
        """
        self._wanted.clear()
        self._hurried.clear()
        waiting = len(self._waiting)
        with self._cache.comparing() as comparison:
            lists = [await self._reader.list(namespace, self._label_selector) for namespace in self._namespaces]
        listings = [listing for listing in lists if listing is not None]
        self._check_served(lists)
        if self._absences and len(self._cache) and self._absences < ABSENCES:
            return NOT_SERVED
        if past := [listing for listing in listings if comparison.is_of_the_past(listing)]:
            await self._doubt(past, comparison)
            return DOUBT
        self._end_doubts()
        listed = [body for listing in listings for body in listing.bodies]
        for key, uid in comparison.vanished(listed):
            self._receiver.gone(key, uid)
        for body in comparison.standing(listed):
            self._receiver.seen(body)
        self.served = not self._absences
        return self._conclude(waiting)

    def _check_served(self, lists: Sequence[Listing | None]) -> None:
        """Count the LISTs in a row that find the kind not served.

        Raises:
            ClusterUnavailableError: it is served for one namespace and not for another, which is true of no cluster.
        """
        absent = [name for name, listing in zip(self._namespaces, lists, strict=True) if listing is None]
        if absent and len(absent) < len(lists):
            self._absences = 0
            raise ClusterUnavailableError(
                f"The API server does not serve the kind in a LIST of namespace {absent[0]}, and does in others, so nothing is"
                " concluded. If that stays so, check each kube-apiserver and the load balancer before them."
            )
        self._absences = self._absences + 1 if absent else 0

    def _end_doubts(self) -> None:
        self._doubts = 0
        self._told_past = False
        self._undecided_since = None

    def _conclude(self, waiting: int) -> float:
        """Tell those who have been waiting since before the LIST, and when to look again."""
        if self.served and not self.complete.is_set():
            logger.info("All resources are known", extra=LogFields(resources=len(self._cache)))
            self.complete.set()
        if self.complete.is_set():
            told, self._waiting = self._waiting[:waiting], self._waiting[waiting:]
            for each in told:
                if not each.done():  # else whoever waited has given up
                    each.set_result(None)
        if not self.served:
            if not self._told_not_served:
                logger.warning(
                    "The API server does not serve the kind; install the CRD (kubectl apply -f crds/, or crds.install of the"
                    " chart). It is looked for every few seconds"
                )
            self._told_not_served = True
            return NOT_SERVED
        self._told_not_served = False
        return self._interval * self._random.uniform(0.9, 1.1)

    async def _doubt(self, listings: Sequence[Listing], comparison: Comparison) -> None:
        """Take in LISTs that are older than what had been known before they began; nothing else is taken from them.

        Either they were answered from the past, which passes. Or the cluster itself has gone back, as when etcd was restored
        from a backup: then its versions count on from there, and all that it says would be taken for the past for a long
        time, by us and by the watch. LISTs cannot tell the two apart. What is so now is told by a read by name.

        Raises:
            ClusterWentBackError: the cluster has gone back.
        """
        self._doubts += 1
        if self._doubts < DOUBTS:
            return
        if not self._told_past:
            logger.warning("The API server shows an earlier state of the resources; waiting until it is up to date")
        self._told_past = True
        judgements = {await self._judge(listing, comparison) for listing in listings}
        now = asyncio.get_running_loop().time()
        if Past.UNDECIDABLE not in judgements or Past.SHOWN in judgements:
            self._undecided_since = None
        elif self._undecided_since is None:
            self._undecided_since = now
        undecided_for = now - self._undecided_since if self._undecided_since is not None else 0.0
        if Past.IS_NOW in judgements or undecided_for >= UNDECIDED:
            raise ClusterWentBackError(
                "The cluster's data are older than what the operator has seen of them, as after etcd was restored from a backup."
            )

    async def _judge(self, listing: Listing, comparison: Comparison) -> Past:
        """Find out what a LIST is that is older than what was known."""
        older = comparison.older(listing.bodies)
        suspects = older or comparison.newer_than(listing)
        try:
            for body in suspects[:PROOFS]:
                present = await self._reader.read(key_of(body))
                if present is None or present["metadata"]["uid"] != body["metadata"]["uid"]:
                    continue
                if older and version_of(present) == version_of(body):
                    return Past.IS_NOW
                if not older and version_of(present) >= version_of(body):
                    return Past.SHOWN
        except ClusterUnavailableError as error:
            logger.debug("Whether the cluster has gone back cannot be found out: %s", error)
            return Past.UNDECIDABLE
        # None of the older states is the present one: all have been edited, and later LISTs will tell.
        return Past.SHOWN if older else Past.UNDECIDABLE

    async def _rest(self, seconds: float) -> None:
        """Wait so long, or until kopf lists anew: then the API server is there, and something may have gone."""
        if await _set_within(self._wanted, seconds):
            await _set_within(self._hurried, SETTLE)


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await event.wait()
    return False
