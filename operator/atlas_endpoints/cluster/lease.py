"""The elector: keeps one of several replicas leading, by a Lease that it renews while it leads.

What it does is decided in ``election``; here are time and calls. It leads from the moment at which a claim is confirmed
until a deadline that is counted from *before* that claim was sent, by a clock that goes on while the host sleeps. So
whatever happens to the network or to this process, ``leads`` is false before anybody else may take over.
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
    Record,
    Sighting,
    Terms,
    Wait,
    claim,
    decide,
    look,
    released,
)
from atlas_endpoints.cluster.errors import (
    ClusterUnavailableError,
    LeadershipLostError,
    LeaseConflictError,
    LeaseRefusedError,
)
from atlas_endpoints.controller.log_fields import LogFields

logger = logging.getLogger(__name__)

UNAVAILABLE = "unavailable"
"""The kind of trouble that no text of a refusal names: the API server does not answer, or not as it should."""

SOON = 0.2
"""Seconds between two attempts at least, however fast the Lease changes."""

RELEASE = 3.0
"""Seconds that letting go may take."""

ARRIVAL = 1.0
"""Seconds for which a claim is looked for on whose answer nobody waits any more: it may arrive after the first look."""


class Leases(Protocol):
    """The Lease on the API server; see ``lease_api.LeaseApi``."""

    async def read(self) -> Lease | None:
        """Read the Lease; None when there is none."""
        ...

    async def create(self, record: Record) -> Lease:
        """Create the Lease."""
        ...

    async def replace(self, lease: Lease, record: Record) -> Lease:
        """Write the Lease if it is still as it was when it was read."""
        ...

    async def changed(self, lease: Lease, *, within: float) -> None:
        """Return as soon as the Lease is another one than this, or after so many seconds."""
        ...


def new_identity() -> str:
    """Make an identity that no other process has, not even this container when it is started again."""
    return f"{socket.gethostname()}_{uuid.uuid4()}"


class Elector:
    """Competes for the Lease and renews it.

    Args:
        leases: the Lease on the API server; its text names it.
        own: our identity; see ``new_identity``.
        terms: durations.
        clock: seconds that only grow, also while the host sleeps.
        now: wall-clock time in UTC, for people.
        random: for jitter.
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
        """As it surely was at the last answer; None when that is not known."""
        self._sighting: Sighting | None = None
        self._valid_until = float("-inf")
        self._trouble = ""
        self._unanswered = False
        """Whether a claim was sent of which nobody knows whether it has arrived."""
        self._told: set[str] = set()
        self._followed = ""
        self.elected = asyncio.Event()
        """Set when this replica leads; it stays so, since a loss ends the process."""
        self.decided = asyncio.Event()
        """Set once it was tried to lead, whatever came of it."""
        self.refusal: str | None = None
        """Why this replica cannot even stand by, if that is for a person to mend."""

    def leads(self) -> bool:
        """Tell whether this replica may begin a write now; a plain comparison, to be made right before each write."""
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
            await self._rest(started, pause)

    async def release(self) -> None:
        """Let go of the Lease, as far as that goes within a moment, so that a standby leads at once.

        Call it when ``run`` has ended, and nothing that this replica sent is under way any more.
        """
        if not self.elected.is_set() and not self._unanswered:
            return
        self._valid_until = float("-inf")
        look_until = self._clock() + ARRIVAL if self._unanswered else self._clock()
        try:
            async with asyncio.timeout(RELEASE):
                while not await self._let_go(look_until):
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

    async def _let_go(self, look_until: float) -> bool:
        """Write that nobody holds the Lease; tell whether it needs no other try."""
        lease = self._lease or await self._leases.read()
        if lease is None or lease.record.holder != self._own:
            if self._clock() >= look_until:
                return True
            await asyncio.sleep(SOON)
            return False
        try:
            await self._leases.replace(lease, released(lease.record, now=self._now()))
        except LeaseConflictError:
            return False
        return True

    async def _attempt(self) -> float:
        """Try to lead, or to go on leading.

        Returns:
            After how many seconds, from its beginning, to try again.
        """
        seconds = self._time_for_an_attempt()
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
            # An attempt that the deadline has cut short tells nothing new.
            cut_short = self._trouble and seconds < self._terms.retry
            self._failed(self._trouble if cut_short else "The API server did not answer in time.")
        else:
            self._succeeded()
            return pause
        return self._terms.retry

    def _time_for_an_attempt(self) -> float:
        if not self.elected.is_set():
            return self._terms.retry
        left = self._valid_until - self._clock()
        if left <= 0:
            raise self._loss(NOT_RENEWED)
        return min(self._terms.retry, left)

    async def _step(self) -> float:
        elected = self.elected.is_set()
        # Who leads knows what the Lease says: what he wrote there. Only when in doubt he looks.
        lease = self._lease if elected and self._lease is not None else await self._leases.read()
        self._lease = lease
        now = self._clock()
        self._sighting = look(self._sighting, lease, now, self._terms.lease)
        valid_until = self._valid_until if elected else None
        match decide(lease, self._sighting, own=self._own, valid_until=valid_until, now=now):
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
        self._lease = None  # until the answer is here, nobody knows what the Lease says
        sent = self._clock()
        self._unanswered = True
        self._lease = await (self._leases.create(record) if lease is None else self._leases.replace(lease, record))
        self._unanswered = False
        self._valid_until = sent + self._terms.deadline
        if self.leads() and not self.elected.is_set():
            self.elected.set()
            logger.info("This replica leads", extra=LogFields(lease=str(self._leases), identity=self._own))

    async def _rest(self, started: float, pause: float) -> None:
        """Wait for the next attempt; a standby looks sooner when the Lease changes."""
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
        # The name of a host may be that of this one: an earlier life of this container, which is not known to have ended.
        same_host = holder.rpartition("_")[0] == self._own.rpartition("_")[0]
        logger.info(
            "Standing by: %s leads%s",
            holder or "nobody",
            f", on this very host; if that was an earlier life of this container, its Lease runs out in {self._terms.lease:g} s"
            if same_host
            else "",
            extra=LogFields(lease=str(self._leases), identity=self._own),
        )

    def _failed(self, trouble: str, *, kind: str = UNAVAILABLE) -> None:
        """Note what went wrong.

        An outage is one line in the log, however many attempts it outlasts and in however many ways they fail. A refusal is
        one for each text, since each names another remedy.
        """
        self._lease = None
        if kind not in self._told:
            logger.warning("Lease %s cannot be had; trying again: %s", self._leases, trouble)
        self._told.add(kind)
        self._trouble = trouble

    def _succeeded(self) -> None:
        if self._trouble:
            logger.info("Lease %s can be had again", self._leases)
        self._trouble = ""
        self._told.clear()
        self.refusal = None

    def _loss(self, why: str) -> LeadershipLostError:
        trouble = f" ({self._trouble})" if self._trouble else ""
        return LeadershipLostError(f"This replica leads no more: Lease {self._leases} {why}{trouble}")

    def _jittered(self, seconds: float) -> float:
        return seconds * self._random.uniform(0.9, 1.1)
