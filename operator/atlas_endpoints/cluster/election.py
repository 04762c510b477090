"""Decide who leads, from the Lease and from how long it has been unchanged. Pure.

A replica compares times of its own monotonic clock only, and counts from its own observations. The wall clock times
in the Lease are for people: wall clocks differ from host to host, and jump.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

WRITE = 15.0
"""Seconds for a write to Atlas or to the API server."""

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


@dataclass(frozen=True, slots=True)
class Record:
    """The spec of a Lease.

    Attributes:
        holder: the identity of the leader; empty when there is none.
        duration: seconds without a renewal after which others may take it.
        acquired: in RFC 3339, for people.
        renewed: in RFC 3339, for people.
        transitions: the number of changes of the holder.
    """

    holder: str = ""
    duration: int = 0
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """One state of the Lease on the API server.

    Attributes:
        version: its ``resourceVersion``.
    """

    version: str
    record: Record


@dataclass(frozen=True, slots=True)
class Observation:
    """The newest state of the Lease that this replica has observed; times are of its own clock.

    Attributes:
        version: ``GONE`` when the Lease was deleted.
        since: when this state was first observed.
        expires: when the Lease may be taken if it stays unchanged.
    """

    version: str
    since: float
    expires: float


@dataclass(frozen=True, slots=True)
class Claim:
    """Write our identity into the Lease: take it, renew it, or create it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Another replica leads.

    Attributes:
        until: when that ends without a renewal, by our own clock.
    """

    until: float


@dataclass(frozen=True, slots=True)
class Lost:
    """We have led, and must not do so any longer.

    Attributes:
        why: for people; follows the name of the Lease.
    """

    why: str


Decision: TypeAlias = Claim | Wait | Lost


def observe(before: Observation | None, lease: Lease | None, now: float, duration: float) -> Observation | None:
    """Return the observation after a read of the Lease.

    A deletion counts as a change: it does not stop the holder, who may have renewed the Lease right before.

    Args:
        now: a time after the read.
        duration: seconds of our own Lease.
    """
    if lease is None:
        if before is None or before.version == GONE:
            return before
        return Observation(GONE, now, now + (before.expires - before.since))
    if before is not None and before.version == lease.version:
        return before
    # The longer of the two: the holder may be of another version, or have other settings.
    return Observation(lease.version, now, now + max(duration, lease.record.duration))


def decide(
    lease: Lease | None, observation: Observation | None, *, own: str, valid_until: float | None, now: float
) -> Decision:
    """Decide what to do about the Lease.

    Args:
        lease: as it was just read.
        observation: of that read.
        own: our identity, which no other process has or has had.
        valid_until: the end of our leadership; None when we do not lead yet.
    """
    holder = lease.record.holder if lease is not None else None
    if valid_until is not None:
        if now >= valid_until:
            return Lost(NOT_RENEWED)
        if holder in {own, None}:  # deleted: no other replica may take it before it would have expired
            return Claim()
        return Lost(f"is held by {holder}" if holder else "was emptied by somebody")
    if holder in {own, ""}:  # ours: the answer to an earlier claim was lost
        return Claim()
    if observation is None or now >= observation.expires:
        return Claim()
    return Wait(observation.expires)


def claim(before: Record | None, *, own: str, duration: float, now: datetime) -> Record:
    """Return the record with which we hold the Lease.

    Args:
        duration: seconds, a whole number.
        now: UTC.
    """
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

    Source: ``release`` in k8s.io/client-go/tools/leaderelection, whose standbys take over at once.
    """
    stamp = _stamp(now)
    return Record("", 1, stamp, stamp, before.transitions)


def _stamp(time: datetime) -> str:
    """Return a ``MicroTime`` of Kubernetes: always with six digits after the point."""
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}Z"
