"""Keep the cache complete by an own LIST: at start, from time to time, and after each LIST of kopf.

Deletions during an outage never come as events, and kopf delivers a LIST object by object without marking its end.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from random import Random
from typing import Protocol

from atlas_endpoints.cluster.errors import (
    ClusterUnavailableError,
    ClusterWentBackError,
    ForbiddenError,
    NoAnswerError,
    SelectorRefusedError,
)
from atlas_endpoints.cluster.writer import TURN
from atlas_endpoints.controller.cache import Body, Cache, Key, ListedObjects, RunningList, is_deleting, uid_of
from atlas_endpoints.controller.log_lines import LogDeduplicator, LogFields
from atlas_endpoints.controller.requeue import backoff_delay

logger = logging.getLogger(__name__)

APART = 2.0
"""Seconds between the beginnings of two comparisons, at least: the watches of kopf often break together."""

MAX_BACKOFF = 60.0
"""Seconds of the longest wait until the next comparison while a namespace cannot be listed."""

LISTS = 8
"""Namespaces that are listed at once, so that a slow one holds up no others and an API server has few of our pages to make."""

STALE_FOR = 60.0
"""Seconds of stale LISTs, without any other, after which the cluster counts as restored."""


class _NotServedError(ClusterUnavailableError):
    """The API server does not serve the kind, in a namespace or at all."""


class Reader(Protocol):
    """Lists objects; see ``cluster.writer.ResourceWriter``."""

    async def list(self, namespace: str | None, known: Callable[[Body], Body]) -> ListedObjects | None:
        """Return the served objects of one namespace, or of all; None when the API server does not serve the kind.

        ``known`` returns the object to keep in place of one that was just read.
        """
        ...


@dataclass(eq=False, repr=False)
class Relister:
    """Compares the cache with the API server.

    A namespace that cannot be listed affects no other one: the cache keeps what it holds of it.

    Attributes:
        seen: receives the state of an object that was listed.
        gone: receives an object that is gone.
        namespaces: all when empty.
        interval: seconds between comparisons.
        regained: called when a namespace is listed that could not be.
        complete: set once the cache holds everything that the operator can list; it stays set.
        served: whether the API server serves the kind, as of the last comparison.
        listed: the namespaces that were ever listed since the last refresh, and since the kind is served; None stands for all.
    """

    cache: Cache
    reader: Reader
    seen: Callable[[Body], None]
    gone: Callable[[Key, str], None]
    _: KW_ONLY
    namespaces: tuple[str, ...]
    interval: float
    random: Random
    regained: Callable[[], None] = lambda: None
    complete: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    served: bool = field(init=False, default=False)
    listed: set[str | None] = field(init=False, default_factory=set)
    _unlisted: dict[str | None, type[ClusterUnavailableError]] = field(init=False, default_factory=dict)
    """The namespaces that could not be listed by the last comparison, and why; that they are forbidden stays until they are listed."""
    _deduplicator: LogDeduplicator[str] = field(init=False, default_factory=LogDeduplicator)
    _stale_since: float = field(init=False, default=math.inf)
    _wanted: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _waiting: set[asyncio.Event] = field(init=False, default_factory=set)
    _reads: dict[str, asyncio.Task[frozenset[str]]] = field(init=False, default_factory=dict)

    def relisted(self) -> None:
        """Compare soon: kopf has listed, or an event leaves open which objects exist."""
        self._wanted.set()

    @property
    def forbidden(self) -> set[str | None]:
        """The namespaces that the operator may not list."""
        return {each for each, error in self._unlisted.items() if error is ForbiddenError}

    @property
    def may_list(self) -> bool:
        """Whether the operator may list any namespace."""
        return bool({*(self.namespaces or (None,))} - self.forbidden)

    def holds(self, namespace: str) -> bool:
        """Return whether the objects of a namespace have to wait: it may not be listed, or was not listed yet and cannot be."""
        place = self._listed_by(namespace)
        return place in self._unlisted and (place not in self.listed or place in self.forbidden)

    def may_miss_objects(self) -> bool:
        """Return whether live objects may exist that the cache does not hold, or not as they are: a last LIST failed, for any cause.

        What was deleted before that, as with the namespace itself, is not waited for.
        """
        if not self._unlisted:
            return False
        bodies = (self.cache.get(key) for key in self.cache if self._listed_by(key.namespace) in self._unlisted)
        return not self.listed >= self._unlisted.keys() or any(body and not is_deleting(body) for body in bodies)

    def _listed_by(self, namespace: str) -> str | None:
        return namespace if self.namespaces else None

    async def refresh(self) -> None:
        """Start a LIST soon, and wait until the cache is complete by it. ``keep`` has to run, or to be started."""
        compared = asyncio.Event()
        self._waiting.add(compared)
        self._wanted.set()
        await compared.wait()

    async def read(self, namespace: str) -> frozenset[str]:
        """LIST the objects of one namespace, take them in, and return their uids.

        Those who ask while a LIST runs share the next one: the running one may have begun before what they have to see.

        Raises:
            ClusterUnavailableError: they could not be listed, or only as they were a while ago.
        """
        if (begun := self._reads.get(namespace)) is not None:
            await asyncio.wait({begun})
        if (task := self._reads.get(namespace)) is None or task.done():
            task = self._reads[namespace] = asyncio.create_task(self._read(namespace), name="read namespace")
            task.add_done_callback(partial(self._end_read, namespace))
        # Not ``await task``: a caller that is cancelled would cancel the LIST for the others.
        await asyncio.wait({task})
        return task.result()

    async def _read(self, namespace: str) -> frozenset[str]:
        with self.cache.listing() as running:
            listing = await self.reader.list(namespace, self.cache.known)
            if listing is None or running.is_stale(listing):
                raise ClusterUnavailableError(f"The API server returned an outdated LIST of namespace {namespace}.")
            await self._take_in(listing.bodies, running)
            return frozenset(map(uid_of, listing.bodies))

    def _end_read(self, namespace: str, task: asyncio.Task[frozenset[str]]) -> None:
        if self._reads.get(namespace) is task:
            del self._reads[namespace]
        if not task.cancelled():
            task.exception()  # else asyncio logs a failure for which nobody waits any more

    async def _take_in(self, listed: Sequence[Body], running: RunningList) -> None:
        for number, body in enumerate(listed):
            if number % TURN == 0:
                await asyncio.sleep(0)
            if running.stands(body):
                self.seen(body)

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
                failures = 0
            except ClusterUnavailableError as error:
                if isinstance(error, SelectorRefusedError) and not self.complete.is_set():
                    raise
                failures += 1
                wait = backoff_delay(failures, random=self.random.random(), at_most=MAX_BACKOFF)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._wanted.wait()
            await asyncio.sleep(began + APART - now())

    async def compare(self) -> float:
        """LIST, update the cache, and return the seconds until the next comparison.

        Raises:
            ClusterUnavailableError: the objects of some namespace could not be listed; those of the others are taken in.
            ClusterWentBackError: the cluster was restored to an older state.
        """
        self._wanted.clear()
        waiting = set(self._waiting)
        if waiting:  # another replica may have worked in a namespace since it was empty here
            self.listed.clear()
        with self.cache.listing() as running:
            await self._compare(running)
        if _NotServedError not in self._unlisted.values() and not self.complete.is_set():
            logger.info("The resources are listed", extra=LogFields(resources=len(self.cache)))
            self.complete.set()
        if self.complete.is_set():
            self._waiting -= waiting
            for each in waiting:
                each.set()
        if self._unlisted:
            raise ClusterUnavailableError("Some namespaces could not be listed.")
        return self.interval * self.random.uniform(0.9, 1.1)

    async def _compare(self, running: RunningList) -> None:
        """LIST, and take in what could be listed; raise if nothing could be, but for lack of rights."""
        names, places = self.namespaces or (None,), asyncio.Semaphore(LISTS)
        answers = dict(zip(names, await asyncio.gather(*(self._list(each, places) for each in names)), strict=True))
        unlisted = {each: answer for each, answer in answers.items() if isinstance(answer, ClusterUnavailableError)}
        listings = {each: answer for each, answer in answers.items() if isinstance(answer, ListedObjects)}
        absent = {each for each, error in unlisted.items() if isinstance(error, _NotServedError)}
        if listings or absent:
            self.served = bool(listings)
        failures = [each for each in unlisted.values() if not isinstance(each, ForbiddenError | _NotServedError)]
        if len(failures) == len(answers):
            raise failures[0]
        if any(map(running.is_stale, listings.values())):
            raise self._stale()
        self._stale_since = math.inf
        self._deduplicator.recovered("stale")
        listed = [body for listing in listings.values() for body in listing.bodies]
        for key, uid in running.vanished(listed):
            if self._listed_by(key.namespace) in listings:
                self.gone(key, uid)
        await self._take_in(listed, running)
        # That a kind is not served shows no namespace to be empty.
        self.listed = (self.listed - absent) | listings.keys()
        before, forbidden = self._unlisted, self.forbidden
        self._unlisted = {
            each: ForbiddenError if each in forbidden else type(error) for each, error in unlisted.items()
        }
        for each in forbidden - self.forbidden:
            logger.info("The operator may list the resources again", extra=LogFields(namespace=each or ""))
        if before.keys() - unlisted.keys():
            self.regained()

    async def _list(self, namespace: str | None, places: asyncio.Semaphore) -> ListedObjects | ClusterUnavailableError:
        """LIST one namespace; return the error for people if it fails, which is logged once for each cause."""
        where, subject = "The cluster" if namespace is None else f"Namespace {namespace}", f"LIST {namespace}"
        try:
            async with places:
                listing = await self.reader.list(namespace, self.cache.known)
            if listing is None:
                raise _NotServedError(
                    f"{where} is not served, because the API server does not serve the kind there; install the CRD (kubectl apply -f crds/,"
                    " or crds.install of the chart). If it is installed, check each kube-apiserver and the load balancer before them."
                )
        except NoAnswerError as error:
            return error  # an outage is logged elsewhere, once for all kinds
        except ForbiddenError as error:
            failure: ClusterUnavailableError = ForbiddenError(
                f"{where} is not served, because the operator may not list its resources: {error}. While resources may be there, nothing"
                f" of the kind is deleted in Atlas, and no Conflict is settled. {remedy(namespace)}"
            )
        except ClusterUnavailableError as error:
            failure = error
        else:
            self._deduplicator.recovered(subject)
            return listing
        if self._deduplicator.failed(subject, str(failure)):
            logger.warning("A LIST fails and is repeated: %s", failure)
        return failure

    def _stale(self) -> Exception:
        """Return the error for a LIST that is older than what was observed before it began; nothing is taken from it.

        An API server that is behind catches up. If the cluster was restored to an older state, its versions count on from there, and
        all of its answers would count as stale for a long time, here and in the watch; only a restart takes them in.
        """
        now = asyncio.get_running_loop().time()
        self._stale_since = min(self._stale_since, now)
        if now - self._stale_since >= STALE_FOR:
            return ClusterWentBackError(
                "The cluster's data are older than what the operator has observed, as after a restore of etcd from a backup."
            )
        text = "The API server shows an earlier state of the resources; waiting until it is up to date"
        if self._deduplicator.failed("stale", text):
            logger.warning(text)
        return ClusterUnavailableError(text)


def remedy(namespace: str | None) -> str:
    """Return how an administrator lets the operator list the resources of a namespace; None: of the cluster."""
    if namespace is None:
        return "Apply the ClusterRole and the ClusterRoleBinding of deploy/overlays/cluster, or upgrade the chart."
    return (
        "Apply the Role and the RoleBinding of deploy/access there, or set the chart's watchNamespaces; take a namespace that is gone for"
        " good out of NAMESPACES."
    )
