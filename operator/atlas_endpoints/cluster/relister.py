"""Keep the cache complete by an own LIST: at start, from time to time, and after each LIST of kopf.

Deletions during an outage never come as events, and kopf delivers a LIST object by object without marking its end.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass, field
from random import Random
from typing import Protocol

from atlas_endpoints.cluster.errors import (
    ClusterUnavailableError,
    ClusterWentBackError,
    ForbiddenError,
    SelectorRefusedError,
)
from atlas_endpoints.controller.cache import Body, Cache, Key, Listing, RunningList, is_deleting, uid_of
from atlas_endpoints.controller.log_lines import LogDeduplicator, LogFields
from atlas_endpoints.controller.requeue import backoff_delay, doubled

logger = logging.getLogger(__name__)

SETTLE = 2.0
"""Seconds after a LIST of kopf, so that one LIST of ours serves all its watches, which often break together."""

MAX_BACKOFF = 30.0
"""Seconds of the longest backoff while the API server is away, or rights come and go."""

CALM = 60.0
"""Seconds between two comparisons after which the later one does not count as hasty."""

HASTY = 5
"""Hasty comparisons in a row before they are paced: more than rights need that are lost once and given back."""

LISTS = 8
"""Namespaces that are listed at once, so that a slow one holds up no others and an API server has few of our pages to make."""

NOT_SERVED = 5.0
"""Seconds until the next LIST while the API server does not serve the kind."""

STALE = 5.0
"""Seconds until the next LIST after a stale one."""

AT_ONCE = 100
"""Objects of a LIST that are taken in at once: a millisecond, so that thousands do not hold up an edit."""

FOR_EACH = 0.1
"""Seconds between two comparisons for each object, so that they stay a small part of the work at a short interval."""

FOR_ALL = 600.0
"""Seconds between two comparisons, with any number of objects, unless the interval is longer."""

ABSENCES = 2
"""Consecutive LISTs that have to find the kind not served before its objects count as gone.

One of several API servers may not serve it for a moment, as right after its own start.
"""

FORBIDDEN = 5.0
"""Seconds until the next LIST after one that is forbidden for the first time."""

REFUSALS = 2
"""Consecutive LISTs that have to fail before the operator goes on without a namespace, or does not serve it.

An API server that has just started refuses for a moment what it permits.
"""

STALE_FOR = 60.0
"""Seconds of stale LISTs, without any other, after which the cluster counts as restored."""


class Reader(Protocol):
    """Lists objects; see ``cluster.writer.ResourceWriter``."""

    async def list(self, namespace: str | None, known: Callable[[Body], Body]) -> Listing | None:
        """Return the served objects of one namespace, or of all; None when the API server does not serve the kind.

        ``known`` returns the object to keep in place of one that was just read.
        """
        ...


class Receiver(Protocol):
    """Receives the differences."""

    def seen(self, body: Body) -> None:
        """Receive the state of an object."""

    def gone(self, key: Key, uid: str) -> None:
        """Note that an object is gone."""


@dataclass(slots=True)
class _Reads:
    """The LISTs of one namespace while somebody reads it, one after the other.

    Attributes:
        readers: how many wait or LIST.
        begun: how many LISTs have begun.
        answered: which of them has answered last; ``answer`` has its uids, or its failure.
    """

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    readers: int = 0
    begun: int = 0
    answered: int = 0
    answer: frozenset[str] | ClusterUnavailableError = frozenset()


@dataclass(eq=False, repr=False)
class Relister:
    """Compares the cache with the API server.

    A namespace that cannot be listed affects no other one: the cache keeps what it holds of it.

    Attributes:
        namespaces: all when empty.
        interval: seconds between comparisons; with many objects they are longer apart.
        regained: called when a namespace is listed that could not be.
        complete: set once the cache holds everything that the operator can list; it stays set.
        served: whether the API server serves the kind, as of the last comparison.
        listed: the namespaces that were ever listed since the last refresh, and since the kind is served; None stands for all.
    """

    cache: Cache
    reader: Reader
    receiver: Receiver
    _: KW_ONLY
    namespaces: tuple[str, ...]
    interval: float
    random: Random
    regained: Callable[[], None] = lambda: None
    complete: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    served: bool = field(init=False, default=False)
    listed: set[str | None] = field(init=False, default_factory=set)
    _refusals: dict[str | None, int] = field(init=False, default_factory=dict)
    """Of each namespace whose last LIST failed: how many were forbidden since the last one that did not fail."""
    _unsettled: int = field(init=False, default=0)
    """Comparisons in a row that left a namespace out for a cause that may pass."""
    _hasty: int = field(init=False, default=0)
    """Comparisons in a row that could not wait, and followed soon after another."""
    _deduplicator: LogDeduplicator[str] = field(init=False, default_factory=LogDeduplicator)
    _stale_since: float = field(init=False, default=math.inf)
    _absences: int = field(init=False, default=0)
    _wanted: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _hurried: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _waiting: set[asyncio.Event] = field(init=False, default_factory=set)
    _reads: dict[str, _Reads] = field(init=False, default_factory=dict)

    def relisted(self) -> None:
        """Compare soon: kopf has listed, or an event leaves open which objects exist."""
        self._wanted.set()

    @property
    def forbidden(self) -> set[str | None]:
        """The namespaces that the operator may not list: several LISTs were forbidden."""
        return {each for each, count in self._refusals.items() if count >= REFUSALS}

    @property
    def may_list(self) -> bool:
        """Whether the operator may list any namespace."""
        return bool({*(self.namespaces or (None,))} - self.forbidden)

    def is_forbidden(self, namespace: str) -> bool:
        """Return whether the operator may not list the objects of a namespace, so that the cache may be out of date."""
        return self._refusals.get(self._listed_by(namespace), 0) >= REFUSALS

    def may_miss_objects(self) -> bool:
        """Return whether live objects may exist that the cache does not hold, or not as they are: a last LIST failed, for any cause.

        What was deleted before that, as with the namespace itself, is not waited for.
        """
        if not self._refusals:
            return False
        bodies = (self.cache.get(key) for key in self.cache if self._listed_by(key.namespace) in self._refusals)
        return not self.listed >= self._refusals.keys() or any(body and not is_deleting(body) for body in bodies)

    def _listed_by(self, namespace: str) -> str | None:
        """Return the namespace of the LIST that shows the objects of a namespace."""
        return namespace if self.namespaces else None

    async def refresh(self) -> None:
        """Start a LIST at once, and wait until the cache is complete by it. ``keep`` has to run, or to be started."""
        compared = asyncio.Event()
        self._waiting.add(compared)
        self._wanted.set()
        self._hurried.set()
        await compared.wait()

    async def read(self, namespace: str) -> frozenset[str]:
        """LIST the objects of one namespace, take them in, and return their uids.

        Those who ask while a LIST runs share the next one: the running one may have begun before what they have to see.

        Raises:
            ClusterUnavailableError: they could not be listed, or only as they were a while ago.
        """
        with self._reading(namespace) as reads:
            begun_before = reads.begun
            async with reads.lock:
                if reads.answered <= begun_before:
                    reads.begun += 1
                    try:
                        reads.answer = await self._read(namespace)
                    except ClusterUnavailableError as error:
                        reads.answer = error
                    reads.answered = reads.begun
                if isinstance(reads.answer, ClusterUnavailableError):
                    # Many readers raise this one exception, and each raise would lengthen its traceback.
                    raise reads.answer.with_traceback(None)
                return reads.answer

    @contextmanager
    def _reading(self, namespace: str) -> Iterator[_Reads]:
        reads = self._reads.setdefault(namespace, _Reads())
        reads.readers += 1
        try:
            yield reads
        finally:
            reads.readers -= 1
            if not reads.readers:
                del self._reads[namespace]

    async def _read(self, namespace: str) -> frozenset[str]:
        with self.cache.listing() as running:
            listing = await self.reader.list(namespace, self.cache.known)
            if listing is None or running.is_stale(listing):
                raise ClusterUnavailableError(f"The API server returned an outdated LIST of namespace {namespace}.")
            await self._take_in(listing.bodies, running)
            return frozenset(map(uid_of, listing.bodies))

    async def _take_in(self, listed: Sequence[Body], running: RunningList) -> None:
        for number, body in enumerate(listed):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            if running.stands(body):
                self.receiver.seen(body)

    async def keep(self) -> None:
        """Compare at once and then for ever.

        Raises:
            SelectorRefusedError: the API server has never been able to parse the label selector.
            ClusterWentBackError: the cluster was restored to an older state.
        """
        failures, now = 0, asyncio.get_running_loop().time
        while True:
            began = now()
            try:
                wait = await self.compare()
            except ClusterUnavailableError as error:
                if isinstance(error, SelectorRefusedError) and not self.complete.is_set():
                    raise
                failures += 1
                if not error.logged_elsewhere:
                    self._warn("LIST", f"The resources could not be listed; trying again: {error}")
                wait = min(backoff_delay(failures, random=self.random.random()), MAX_BACKOFF)
            else:
                failures = 0
                self._deduplicator.recovered("LIST")
            is_asked = await _set_within(self._wanted, wait)
            if is_asked:
                await _set_within(self._hurried, self._paced(SETTLE))
            is_hasty = (is_asked or (self._unsettled and not failures)) and now() - began < CALM
            self._hasty = self._hasty + 1 if is_hasty else 0

    def _paced(self, seconds: float) -> float:
        """Return the seconds until a hasty comparison: twice as many after each one, if nobody waits for it.

        They are jittered: else rights that come and go in step with the comparisons are never there.
        """
        longest = doubled(seconds, 0 if self._waiting else max(0, self._hasty - HASTY), MAX_BACKOFF)
        return max(seconds, longest * self.random.uniform(0.5, 1))

    async def compare(self) -> float:
        """LIST, update the cache, and return the seconds until the next comparison.

        Raises:
            ClusterUnavailableError: the objects of some namespace could not be listed; those of the others are taken in.
            ClusterWentBackError: the cluster was restored to an older state.
        """
        if (
            self._hurried.is_set()
        ):  # by a refresh: another replica may have worked in a namespace since it was empty here
            self.listed.clear()
        self._wanted.clear()
        self._hurried.clear()
        waiting = set(self._waiting)
        with self.cache.listing() as running:
            return await self._compare(running, waiting)

    async def _compare(self, running: RunningList, waiting: set[asyncio.Event]) -> float:
        names, places = self.namespaces or (None,), asyncio.Semaphore(LISTS)
        lists = dict(zip(names, await asyncio.gather(*(self._list(each, places) for each in names)), strict=True))
        answers = {each: answer for each, answer in lists.items() if not isinstance(answer, ClusterUnavailableError)}
        errors = (each for each in lists.values() if isinstance(each, ClusterUnavailableError))
        failures = [each for each in errors if not isinstance(each, ForbiddenError)]
        if failures and (len(failures) == len(lists) or None in answers.values()):
            raise failures[0]
        listings = [listing for listing in answers.values() if listing is not None]
        self._check_served(answers)
        if self._absences and len(self.cache) and self._absences < ABSENCES:
            return NOT_SERVED
        if any(map(running.is_stale, listings)):
            self._ignore_stale_list()
            return STALE
        self._stale_since = math.inf
        self._deduplicator.recovered("stale")
        listed = [body for listing in listings for body in listing.bodies]
        for key, uid in running.vanished(listed):
            if self._listed_by(key.namespace) in answers:
                self.receiver.gone(key, uid)
        await self._take_in(listed, running)
        self._note_refusals(lists)
        self._unsettled = self._unsettled + 1 if self._refusals.keys() - self.forbidden else 0
        if not self._unsettled or self._unsettled >= REFUSALS:
            self._conclude(waiting, is_answered=bool(answers))
        if failures:
            raise failures[0]
        if self._unsettled:
            return self._paced(FORBIDDEN)
        if self._absences:
            self._warn(
                "served",
                "The API server does not serve the kind; install the CRD (kubectl apply -f crds/, or crds.install of the"
                " chart). The operator retries every few seconds",
            )
            return NOT_SERVED
        self._deduplicator.recovered("served")
        interval = max(self.interval, min(FOR_EACH * len(listed), FOR_ALL))
        if not answers:
            interval = min(self.interval, MAX_BACKOFF)
        return interval * self.random.uniform(0.9, 1.1)

    def _conclude(self, waiting: set[asyncio.Event], *, is_answered: bool) -> None:
        """Tell all who wait that the cache holds what can be listed."""
        if is_answered:
            self.served = not self._absences
        if not self._absences and not self.complete.is_set():
            logger.info("The resources are listed", extra=LogFields(resources=len(self.cache)))
            self.complete.set()
        if self.complete.is_set():
            self._waiting -= waiting
            for each in waiting:
                each.set()

    async def _list(self, namespace: str | None, places: asyncio.Semaphore) -> Listing | ClusterUnavailableError | None:
        async with places:
            try:
                return await self.reader.list(namespace, self.cache.known)
            except ClusterUnavailableError as error:
                return error

    def _note_refusals(self, lists: Mapping[str | None, object]) -> None:
        """Record which namespaces were listed, and which were not; that a kind is not served shows no namespace to be empty."""
        failed = {each: answer for each, answer in lists.items() if isinstance(answer, ClusterUnavailableError)}
        unserved = {each for each, answer in lists.items() if answer is None}
        self.listed = (self.listed - unserved) | (lists.keys() - unserved - failed.keys())
        before, were_forbidden = self._refusals, self.forbidden
        self._refusals = {each: before.get(each, 0) + isinstance(failed[each], ForbiddenError) for each in failed}
        for each in self.forbidden:
            if isinstance(failed[each], ForbiddenError):
                where = "The cluster" if each is None else f"Namespace {each}"
                self._warn(
                    f"LIST {each}",
                    f"{where} is not served, because the operator may not list its resources: {failed[each]}. While resources may be there,"
                    f" nothing of the kind is deleted in Atlas, and no Conflict is settled. {remedy(each)}",
                )
        for each in were_forbidden - self.forbidden:
            self._deduplicator.recovered(f"LIST {each}")
            logger.info("The operator may list the resources again", extra=LogFields(namespace=each or ""))
        if before.keys() - self._refusals.keys():
            self.regained()

    def _check_served(self, lists: Mapping[str | None, Listing | None]) -> None:
        """Count the consecutive LISTs that find the kind not served.

        Raises:
            ClusterUnavailableError: it is served for one namespace and not for another, which is true of no cluster.
        """
        absent = [namespace for namespace, listing in lists.items() if listing is None]
        if absent and len(absent) < len(lists):
            self._absences = 0
            raise ClusterUnavailableError(
                f"The API server does not serve the kind in a LIST of namespace {absent[0]}, and serves it in others. The result"
                " is ignored. If this lasts, check each kube-apiserver and the load balancer before them."
            )
        self._absences = self._absences + 1 if absent else 0

    def _ignore_stale_list(self) -> None:
        """Warn that a LIST is older than what was observed before it began; nothing is taken from it.

        An API server that is behind catches up. If the cluster was restored to an older state, its versions count on from there, and
        all of its answers would count as stale for a long time, here and in the watch; only a restart takes them in.

        Raises:
            ClusterWentBackError: no LIST has been up to date for ``STALE_FOR``.
        """
        now = asyncio.get_running_loop().time()
        self._stale_since = min(self._stale_since, now)
        if now - self._stale_since >= STALE_FOR:
            raise ClusterWentBackError(
                "The cluster's data are older than what the operator has observed, as after a restore of etcd from a backup."
            )
        self._warn("stale", "The API server shows an earlier state of the resources; waiting until it is up to date")

    def _warn(self, subject: str, text: str) -> None:
        """Log a failure once, until it has another cause or its subject has recovered."""
        if self._deduplicator.failed(subject, text):
            logger.warning(text)


def remedy(namespace: str | None) -> str:
    """Return how an administrator lets the operator list the resources of a namespace; None: of the cluster."""
    if namespace is None:
        return "Apply the ClusterRole and the ClusterRoleBinding of deploy/overlays/cluster, or upgrade the chart."
    return (
        "Apply the Role and the RoleBinding of deploy/access there, or set the chart's watchNamespaces; take a namespace that is gone for"
        " good out of NAMESPACES."
    )


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            return await event.wait()
    return False
