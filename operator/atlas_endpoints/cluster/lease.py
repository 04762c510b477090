"""The elector: one of several replicas leads, by a Lease that it renews. ``election`` decides; here are time and calls.

A replica leads from the confirmation of a claim until a deadline that counts from *before* that claim was sent, by a
clock that goes on while the host sleeps. So ``leads`` is false before another replica may take over, whatever happens
to the network or this process.
"""

import asyncio
import logging
import socket
import uuid
from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import NoReturn, Protocol

from atlas_endpoints.cluster.election import (
    NOT_RENEWED,
    Claim,
    Lease,
    Lost,
    Observation,
    Record,
    Terms,
    Wait,
    claim,
    decide,
    observe,
    released,
)
from atlas_endpoints.cluster.errors import (
    ClusterUnavailableError,
    LeadershipLostError,
    LeaseConflictError,
    LeaseRefusedError,
)
from atlas_endpoints.controller.log_lines import LogFields

logger = logging.getLogger(__name__)

UNAVAILABLE = "unavailable"
"""The one kind of all failures that are no refusals: they share a line in the log."""

SOON = 0.2
"""The least seconds between two attempts, however fast the Lease changes."""

RELEASE = 3.0
"""Seconds for the release."""

ARRIVAL = 1.0
"""Seconds for which a release waits for an unanswered claim: it may arrive after the first read."""


class Leases(Protocol):
    """The Lease on the API server; see ``lease_api.LeaseApi``."""

    async def read(self) -> Lease | None:
        """Return the Lease, or None."""
        ...

    async def create(self, record: Record) -> Lease:
        """Create the Lease."""
        ...

    async def replace(self, lease: Lease, record: Record) -> Lease:
        """Write the Lease if it is still as it was when it was read."""
        ...

    async def changed(self, lease: Lease, *, within: float) -> None:
        """Return as soon as the Lease has changed, or after so many seconds."""
        ...


def new_identity() -> str:
    """Return an identity that no other process has, not even this container after a restart."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


class Elector:
    """Competes for the Lease and renews it.

    Args:
        leases: its text is the name of the Lease.
        own: our identity; see ``new_identity``.
        clock: monotonic seconds that also count while the host sleeps.
        now: UTC, for people.

    Attributes:
        elected: set when this replica leads; it stays set, since a loss ends the process.
        decided: set after the first attempt, whatever its result.
        refusal: why this replica cannot even stand by; None if it heals by itself.
    """

    def __init__(
        self,
        leases: Leases,
        *,
        own: str,
        terms: Terms,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        random: Random,
    ) -> None:
        self._leases = leases
        self._own = own
        self._terms = terms
        self._clock = clock
        self._now = now
        self._random = random
        self._lease: Lease | None = None
        """As of the last answer; None while a claim is unanswered or after a failure."""
        self._observation: Observation | None = None
        self._valid_until = float("-inf")
        self._failure = ""
        self._unanswered = False
        """Whether a claim was sent and its outcome is unknown."""
        self._logged: set[str] = set()
        self._followed = ""
        self.elected = asyncio.Event()
        self.decided = asyncio.Event()
        self.refusal: str | None = None

    def leads(self) -> bool:
        """Return whether this replica may begin a write now. Ask right before each write."""
        return self._clock() < self._valid_until

    async def run(self) -> NoReturn:
        """Compete, and lead when elected.

        Raises:
            LeadershipLostError: this replica has led and must not do so any longer.
        """
        while True:
            started = self._clock()
            pause = await self._attempt()
            self.decided.set()
            await self._pause(started, pause)

    async def release(self) -> None:
        """Release the Lease, if that takes no longer than a moment, so that a standby leads at once.

        Call it when ``run`` has ended, and all writes of this replica have.
        """
        if not self.elected.is_set() and not self._unanswered:
            return
        self._valid_until = float("-inf")
        read_until = self._clock() + ARRIVAL if self._unanswered else self._clock()
        try:
            async with asyncio.timeout(RELEASE):
                while not await self._release(read_until):
                    self._lease = None
        except (ClusterUnavailableError, LeaseRefusedError, TimeoutError) as error:
            logger.warning(
                "Lease %s could not be released; another replica leads in %g s: %s",
                self._leases,
                self._terms.lease,
                str(error) or type(error).__name__,
            )
        else:
            logger.info("Lease %s is released", self._leases)

    async def _release(self, read_until: float) -> bool:
        """Write that nobody holds the Lease; return whether that is done."""
        lease = self._lease or await self._leases.read()
        if lease is None or lease.record.holder != self._own:
            if self._clock() >= read_until:
                return True
            await asyncio.sleep(SOON)
            return False
        try:
            await self._leases.replace(lease, released(lease.record, now=self._now()))
        except LeaseConflictError:
            return False
        return True

    async def _attempt(self) -> float:
        """Try to lead, or to renew; return the seconds from its beginning to the next attempt."""
        seconds = self._terms.retry
        if self.elected.is_set():
            seconds = min(seconds, self._valid_until - self._clock())
            if seconds <= 0:
                raise self._loss(NOT_RENEWED)
        try:
            async with asyncio.timeout(seconds):
                pause = await self._step()
        except LeaseConflictError:
            self._lease = None
            self._unanswered = False
            return SOON
        except LeaseRefusedError as error:
            self.refusal = str(error)
            self._failed(str(error), kind=str(error))
        except ClusterUnavailableError as error:
            self._failed(str(error))
        except TimeoutError:
            # An attempt that the deadline has cut short is no new failure.
            cut_short = self._failure and seconds < self._terms.retry
            self._failed(self._failure if cut_short else "The API server did not answer in time.")
        else:
            self._succeeded()
            return pause
        return self._terms.retry

    async def _step(self) -> float:
        elected = self.elected.is_set()
        # A leader has written the Lease itself, and reads it only after a failure.
        lease = self._lease if elected and self._lease is not None else await self._leases.read()
        self._lease = lease
        now = self._clock()
        self._observation = observe(self._observation, lease, now, self._terms.lease)
        valid_until = self._valid_until if elected else None
        match decide(lease, self._observation, own=self._own, valid_until=valid_until, now=now):
            case Lost(why):
                raise self._loss(why)
            case Wait(until):
                self._stand_by(lease)
                return min(self._jittered(self._terms.retry), until - now)
            case Claim():
                await self._claim(lease)
                return self._jittered(self._terms.retry)

    async def _claim(self, lease: Lease | None) -> None:
        record = claim(
            None if lease is None else lease.record, own=self._own, duration=self._terms.lease, now=self._now()
        )
        self._lease = None  # unknown until the answer is here
        sent = self._clock()
        self._unanswered = True
        self._lease = await (self._leases.create(record) if lease is None else self._leases.replace(lease, record))
        self._unanswered = False
        self._valid_until = sent + self._terms.deadline
        if self.leads() and not self.elected.is_set():
            self.elected.set()
            logger.info("This replica leads", extra=LogFields(lease=str(self._leases), identity=self._own))

    async def _pause(self, started: float, pause: float) -> None:
        """Wait for the next attempt; a standby waits no longer than until the Lease changes."""
        left = started + pause - self._clock()
        if self.elected.is_set() or self._lease is None:
            await asyncio.sleep(left)
        else:
            await self._leases.changed(self._lease, within=max(0.0, left))
            await asyncio.sleep(started + SOON - self._clock())

    def _stand_by(self, lease: Lease | None) -> None:
        holder = lease.record.holder if lease is not None else ""
        if holder == self._followed:
            return
        self._followed = holder
        # The holder may be an earlier run of this container, which is not known to have ended.
        same_host = holder.rpartition("_")[0] == self._own.rpartition("_")[0]
        logger.info(
            "Standing by: %s leads%s",
            holder or "nobody",
            f", on this very host; if that was an earlier life of this container, its Lease runs out in {self._terms.lease:g} s"
            if same_host
            else "",
            extra=LogFields(lease=str(self._leases), identity=self._own),
        )

    def _failed(self, failure: str, *, kind: str = UNAVAILABLE) -> None:
        """Log an outage once, and a refusal once for each text, since each names another remedy."""
        self._lease = None
        if kind not in self._logged:
            logger.warning("Lease %s cannot be had; trying again: %s", self._leases, failure)
        self._logged.add(kind)
        self._failure = failure

    def _succeeded(self) -> None:
        if self._failure:
            logger.info("Lease %s can be had again", self._leases)
        self._failure = ""
        self._logged.clear()
        self.refusal = None

    def _loss(self, why: str) -> LeadershipLostError:
        failure = f" ({self._failure})" if self._failure else ""
        return LeadershipLostError(f"This replica leads no more: Lease {self._leases} {why}{failure}")

    def _jittered(self, seconds: float) -> float:
        return seconds * self._random.uniform(0.9, 1.1)
