"""Elect one of several replicas by a Lease that the leader renews.

A replica compares times of its own monotonic clock only, and counts from its own observations. The wall clock times
in the Lease are for people: wall clocks differ from host to host, and jump.

A replica leads from the confirmation of a claim until a deadline that counts from *before* that claim was sent, by a
clock that continues while the host sleeps. So ``leads`` is false before another replica may take over, whatever happens
to the network or this process.
"""

import asyncio
import logging
import math
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import NamedTuple, NoReturn

from atlas_endpoints.cluster.errors import (
    ClusterUnavailableError,
    LeadershipLostError,
    LeaseConflictError,
    LeaseRefusedError,
)
from atlas_endpoints.cluster.lease import Lease, LeaseApi, Record
from atlas_endpoints.controller.log_lines import LogFields

logger = logging.getLogger(__name__)

WRITE = 15.0
"""Seconds for a write to Atlas or to the API server."""

SOON = 0.2
"""Seconds until the next attempt after a conflict."""

RELEASE = 3.0
"""Seconds for the release."""

GONE = ""
"""The version of a Lease that was deleted."""

NOT_RENEWED = "could not be renewed in time"
"""Why the leadership is lost when the deadline passes."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The durations of leadership.

    The leader begins no write after the deadline. A write that began before ends within the time for a write, which
    is before another replica leads, with a ninth of the Lease's duration to spare for clocks that run unevenly.

    Attributes:
        lease: seconds without a renewal after which another replica takes over.
    """

    lease: float

    @property
    def deadline(self) -> float:
        """Return the seconds after its last renewal for which the leader may begin a write: 25 of 45."""
        return self.lease * 5 / 9

    @property
    def retry(self) -> float:
        """Return the seconds between two renewals, or between two reads of a standby: 5 of 45."""
        return self.lease / 9

    @property
    def write(self) -> float:
        """Return the seconds for a write: 15 of 45, and never more."""
        return min(WRITE, self.lease / 3)


class Observation(NamedTuple):
    """The newest state of the Lease that this replica has observed; times are of its own clock."""

    version: str
    since: float
    """When this state was first observed."""
    expires: float
    """When the Lease may be taken if it stays unchanged."""


class Claim(NamedTuple):
    """Write our identity into the Lease: take it, renew it, or create it."""


class StandBy(NamedTuple):
    """Another replica leads until then, by our own clock, if it does not renew the Lease."""

    until: float


class Lost(NamedTuple):
    """We have led, and must not do so any longer. The reason follows the name of the Lease."""

    why: str


def observe(before: Observation | None, lease: Lease | None, now: float, duration: float) -> Observation | None:
    """Return the observation after a read of the Lease.

    A deletion counts as a change: it does not stop the holder, who may have renewed the Lease right before.
    ``duration`` is that of our own Lease.
    """
    if lease is None:
        if before is None or before.version == GONE:
            return before
        return Observation(GONE, now, now + (before.expires - before.since))
    if before is not None and before.version == lease.version:
        return before
    # The longer of the two: the holder may be of another version, or have other settings.
    return Observation(lease.version, now, now + max(duration, lease.record.duration))


def next_step(
    lease: Lease | None, observation: Observation | None, *, own: str, valid_until: float | None, now: float
) -> Claim | StandBy | Lost:
    """Decide what to do about the Lease that was just read.

    Args:
        own: our identity, which no other process has or has had.
        valid_until: the end of our leadership; None when we do not lead yet.
    """
    holder = lease.record.holder if lease is not None else None
    if valid_until is not None:
        if now >= valid_until:
            return Lost(NOT_RENEWED)
        if holder in {own, None}:  # deleted: no other replica may take it before it would have expired
            return Claim()
        return Lost(f"is held by {holder}" if holder else "was cleared by somebody")
    if holder in {own, ""}:  # ours: the answer to an earlier claim was lost
        return Claim()
    if observation is None or now >= observation.expires:
        return Claim()
    return StandBy(observation.expires)


def claim(before: Record | None, *, own: str, duration: float, now: datetime) -> Record:
    """Return the record with which we hold the Lease."""
    renewed = _stamp(now)
    if before is None or before.holder != own:
        transitions = 0 if before is None else before.transitions + 1
        return Record(own, int(duration), renewed, renewed, transitions)
    if renewed == before.renewed:
        # The API server ignores a write that changes nothing, and then no replica observes the renewal.
        renewed = _stamp(now + timedelta(microseconds=1))
    return Record(own, int(duration), before.acquired, renewed, before.transitions)


def released(before: Record, *, now: datetime) -> Record:
    """Return the record with which we release the Lease, as client-go does.

    Source: ``release`` in k8s.io/client-go/tools/leaderelection.
    """
    return Record("", 1, _stamp(now), _stamp(now), before.transitions)


def _stamp(time: datetime) -> str:
    """Return a ``MicroTime`` of Kubernetes: always with six digits after the point."""
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}Z"


def new_identity() -> str:
    """Return an identity that no other process has, not even this container after a restart."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


@dataclass(eq=False, repr=False)
class Elector:
    """Competes for the Lease and renews it.

    Attributes:
        leases: its text is the name of the Lease.
        own: our identity; see ``new_identity``.
        clock: monotonic seconds that also count while the host sleeps.
        now: UTC, for people.
        elected: set when this replica leads; it stays set, since a loss ends the process.
        decided: set after the first attempt, whatever its result.
        refusal: why this replica cannot even stand by; None if it heals by itself.
    """

    leases: LeaseApi
    _: KW_ONLY
    own: str
    terms: Terms
    clock: Callable[[], float]
    now: Callable[[], datetime]
    random: Random
    elected: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    decided: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    refusal: str | None = field(init=False, default=None)
    _lease: Lease | None = field(init=False, default=None)
    """As of the last answer; None while a claim is unanswered or after a failure."""
    _observation: Observation | None = field(init=False, default=None)
    _valid_until: float = field(init=False, default=-math.inf)
    _failure: str = field(init=False, default="")
    _followed: str = field(init=False, default="")

    def leads(self) -> bool:
        """Return whether this replica may begin a write now. Ask right before each write."""
        return self.clock() < self._valid_until

    async def run(self) -> NoReturn:
        """Compete, and lead when elected; raise ``LeadershipLostError`` when this replica must not lead any longer."""
        while True:
            started = self.clock()
            pause = await self._attempt()
            self.decided.set()
            await asyncio.sleep(started + pause - self.clock())

    async def release(self) -> None:
        """Release the Lease, if that takes no longer than a moment, so that a standby leads soon.

        Call it when ``run`` has ended, and all writes of this replica have.
        """
        self._valid_until = -math.inf
        try:
            async with asyncio.timeout(RELEASE):
                # An earlier claim without an answer may have taken it.
                while (
                    lease := self._lease or await self.leases.read()
                ) is not None and lease.record.holder == self.own:
                    self._lease = None
                    with suppress(LeaseConflictError):
                        await self.leases.replace(lease, released(lease.record, now=self.now()))
                        logger.info("Lease %s is released", self.leases)
                        return
        except (ClusterUnavailableError, LeaseRefusedError, TimeoutError) as error:
            logger.warning(
                "Lease %s could not be released; another replica leads in %g s: %s",
                self.leases,
                self.terms.lease,
                str(error) or type(error).__name__,
            )

    async def _attempt(self) -> float:
        """Try to lead, or to renew; return the seconds from its beginning to the next attempt."""
        seconds = self.terms.retry
        if self.elected.is_set():
            seconds = min(seconds, self._valid_until - self.clock())
            if seconds <= 0:
                raise self._loss(NOT_RENEWED)
        try:
            async with asyncio.timeout(seconds):
                pause = await self._step()
        except LeaseConflictError:
            self._lease = None
            return SOON
        except LeaseRefusedError as error:
            is_news, self.refusal = str(error) != self.refusal, str(error)
            self._failed(str(error), is_news=is_news)
        except ClusterUnavailableError as error:
            self._failed(str(error))
        except TimeoutError:
            if seconds == self.terms.retry or not self._failure:  # else the deadline has cut short this attempt
                self._failed("The API server did not answer in time.")
        else:
            if self._failure:
                logger.info("Lease %s is available again", self.leases)
            self._failure, self.refusal = "", None
            return pause
        return self.terms.retry

    async def _step(self) -> float:
        elected = self.elected.is_set()
        # A leader has written the Lease itself, and reads it only after a failure.
        lease = self._lease if elected and self._lease is not None else await self.leases.read()
        self._lease = lease
        now = self.clock()
        self._observation = observe(self._observation, lease, now, self.terms.lease)
        valid_until = self._valid_until if elected else None
        match next_step(lease, self._observation, own=self.own, valid_until=valid_until, now=now):
            case Lost(why):
                raise self._loss(why)
            case StandBy(until):
                self._stand_by(lease)
                return min(self._jittered_retry(), until - now)
            case Claim():
                await self._claim(lease)
                return self._jittered_retry()

    async def _claim(self, lease: Lease | None) -> None:
        before = None if lease is None else lease.record
        record = claim(before, own=self.own, duration=self.terms.lease, now=self.now())
        self._lease = None  # unknown until the answer is here
        sent = self.clock()
        self._lease = await (self.leases.create(record) if lease is None else self.leases.replace(lease, record))
        self._valid_until = sent + self.terms.deadline
        if self.leads() and not self.elected.is_set():
            self.elected.set()
            logger.info("This replica leads", extra=LogFields(lease=str(self.leases), identity=self.own))

    def _stand_by(self, lease: Lease | None) -> None:
        holder = lease.record.holder if lease is not None else ""
        if holder == self._followed:
            return
        self._followed = holder
        logger.info(
            # The holder may also be an earlier run of this container, which is not known to have ended.
            "Standing by: %s leads. This replica takes over when the Lease is released, or not renewed for %g s",
            holder or "nobody",
            self.terms.lease,
            extra=LogFields(lease=str(self.leases), identity=self.own),
        )

    def _failed(self, failure: str, *, is_news: bool = False) -> None:
        """Log an outage once, and a refusal with each new text, since each names another remedy."""
        self._lease = None
        if is_news or not self._failure:
            logger.warning("Lease %s is not available; trying again: %s", self.leases, failure)
        self._failure = failure

    def _loss(self, why: str) -> LeadershipLostError:
        failure = f" ({self._failure})" if self._failure else ""
        return LeadershipLostError(f"This replica does not lead any more: Lease {self.leases} {why}{failure}")

    def _jittered_retry(self) -> float:
        return self.terms.retry * self.random.uniform(0.9, 1.1)
