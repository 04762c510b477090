"""Who leads: decided from what the Lease says, and for how long it has said so. Pure.

Wall clocks are written into the Lease for people, and never compared: they differ from host to host and jump. A replica
goes by its own clock alone, and counts from what it has seen itself.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

WRITE = 15.0
"""Seconds that a write to Atlas or to the API server may take at most."""

GONE = ""
"""The version of a Lease that was there and is not any more."""

NOT_RENEWED = "could not be renewed in time"
"""Why the leadership is lost when the deadline passes."""


@dataclass(frozen=True, slots=True)
class Terms:
    """For how long a replica leads without renewing, and what follows from that.

    Whoever leads stops sending at the deadline. What was sent before has arrived, or never will, when the time for a write
    has passed as well; that is sooner than anybody else leads, with a ninth to spare for clocks that run unevenly.

    Attributes:
        lease: seconds that have to pass without a sign of the leader before another one takes over.
    """

    lease: float

    @property
    def deadline(self) -> float:
        """Seconds after its last renewal for which the leader may begin to write: 25 of 45."""
        return self.lease * 5 / 9

    @property
    def retry(self) -> float:
        """Seconds between two renewals, or between two looks of a standby: 5 of 45."""
        return self.lease / 9

    @property
    def write(self) -> float:
        """Seconds that a write may take: 15 of 45, and never more."""
        return min(WRITE, self.lease / 3)


@dataclass(frozen=True, slots=True)
class Record:
    """What a Lease says.

    Attributes:
        holder: the identity of the replica that leads; empty when nobody does.
        duration: seconds without a renewal after which the others may take it.
        acquired: when the holder took it, in RFC 3339, for people.
        renewed: when the holder renewed it last, in RFC 3339, for people.
        transitions: how often it has changed hands.
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
        version: its ``resourceVersion``, which is another one after every change.
        record: what it says.
    """

    version: str
    record: Record


@dataclass(frozen=True, slots=True)
class Sighting:
    """The newest state of the Lease that this replica has seen.

    Attributes:
        version: of that state; ``GONE`` when there is a Lease no more.
        since: when it was first seen, by this replica's own clock.
        expires: when it may be taken if it stays unchanged.
    """

    version: str
    since: float
    expires: float


@dataclass(frozen=True, slots=True)
class Claim:
    """Write ourselves into the Lease: take it, renew it, or create it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody else leads.

    Attributes:
        until: when that ends without another sign of him, by our own clock.
    """

    until: float


@dataclass(frozen=True, slots=True)
class Lost:
    """We have led, and must not do so any longer.

    Attributes:
        why: for people; goes on from the name of the Lease.
    """

    why: str


Decision: TypeAlias = Claim | Wait | Lost


def look(before: Sighting | None, lease: Lease | None, now: float, duration: float) -> Sighting | None:
    """Take in what the Lease says now.

    That it is gone is a change like any other: who deletes it does not thereby stop its holder, who may have renewed it
    right before.

    Args:
        before: what was seen before.
        lease: what was read; None when there is none.
        now: a time after it was read.
        duration: seconds for which we count on the Lease ourselves.
    """
    if lease is None:
        if before is None or before.version == GONE:
            return before
        return Sighting(GONE, now, now + (before.expires - before.since))
    if before is not None and before.version == lease.version:
        return before
    # The longer of the two: the holder may be of another version, or set otherwise.
    return Sighting(lease.version, now, now + max(duration, lease.record.duration))


def decide(
    lease: Lease | None, sighting: Sighting | None, *, own: str, valid_until: float | None, now: float
) -> Decision:
    """Decide what to do about the Lease.

    Args:
        lease: as it was just read; None when there is none.
        sighting: what ``look`` made of it.
        own: our identity, which no other process has or has had.
        valid_until: until when we lead; None when we do not lead yet.
        now: our own clock.
    """
    holder = lease.record.holder if lease is not None else None
    if valid_until is not None:
        if now >= valid_until:
            return Lost(NOT_RENEWED)
        if holder in {own, None}:  # deleted: nobody else may take it as long as it would have lasted
            return Claim()
        return Lost(f"is held by {holder}" if holder else "was emptied by somebody")
    if holder in {own, ""}:  # ours: the answer to an earlier claim was lost
        return Claim()
    if sighting is None or now >= sighting.expires:
        return Claim()
    return Wait(sighting.expires)


def claim(before: Record | None, *, own: str, duration: float, now: datetime) -> Record:
    """Give what the Lease is to say when we hold it.

    Args:
        before: what it says; None when there is none.
        own: our identity.
        duration: seconds for which we count on it, a whole number.
        now: wall-clock time, UTC.
    """
    renewed = _stamp(now)
    if before is None or before.holder != own:
        transitions = 0 if before is None else before.transitions + 1
        return Record(own, int(duration), renewed, renewed, transitions)
    if renewed == before.renewed:
        # The API server ignores a write that changes nothing, and then nobody sees that it was renewed.
        renewed = _stamp(now + timedelta(microseconds=1))
    return Record(own, int(duration), before.acquired, renewed, before.transitions)


def released(before: Record, *, now: datetime) -> Record:
    """Give what the Lease is to say when we have let go of it, in the words of client-go.

    Source: ``release`` in k8s.io/client-go/tools/leaderelection, whose standbys take over at once.
    """
    stamp = _stamp(now)
    return Record("", 1, stamp, stamp, before.transitions)


def _stamp(time: datetime) -> str:
    """Write a time as Kubernetes reads a ``MicroTime``: always with six digits after the point."""
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}Z"
