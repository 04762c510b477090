"""States of a resource that waits for Atlas, and the texts in them. Pure."""

import zlib
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.controller.requeue import NoRequeue, at_latest
from atlas_endpoints.reconcile.attempt import as_long_again, pace, spaced
from atlas_endpoints.reconcile.decision import Difference, State
from atlas_endpoints.reconcile.deletion import REMEDY_WHILE_WAITING
from atlas_endpoints.reconcile.facts import Facts
from atlas_endpoints.reconcile.reasons import ReadyReason, Reason
from atlas_endpoints.reconcile.status import ShownEntry, as_shown

RESET_AFTER = timedelta(hours=1)
"""What existed for so long and is lost is created again at once, and the attempts begin again at 1."""


def since_shown(
    before: ShownEntry | None, id_: str, status: str | None, now: datetime, no_steps: Collection[str] = ()
) -> datetime:
    """Return since when an entry has been observed in its status, given what the status of the resource shows.

    Args:
        no_steps: statuses that are no step on the way to others; the steps of one way count together, in whatever order they come.
    """
    if before is None or before.status_since is None or not same_id(before.id, id_):
        return now
    on_its_way = no_steps and before.status not in no_steps and status not in no_steps
    return before.status_since if on_its_way or before.status == as_shown(status) else now


def same_id(shown: str | None, id_: str) -> bool:
    """Return whether a status shows an id, in any letter case."""
    return shown is not None and shown.casefold() == as_shown(id_).casefold()


def deleted_at(facts: Facts[Any]) -> datetime:
    """Return when the resource was deleted, as far as the clock of the API server agrees; else, ten minutes ago."""
    at = facts.resource.metadata.deletion_timestamp or facts.now
    return min(at, facts.now) if at - facts.now < timedelta(minutes=1) else facts.now - timedelta(minutes=10)


def asks_again_in(facts: Facts[Any], shown: ShownEntry | None) -> float:
    """Return the seconds until the next look at what Atlas was asked to delete; 0 or less: ask again, which happens ever less often.

    Args:
        shown: in the status, with the status DELETING since Atlas was asked.
    """
    if shown is None or shown.status != "DELETING" or shown.status_since is None or facts.forced:
        return 0.0
    asked, began, now, interval = shown.status_since, deleted_at(facts), facts.now, facts.interval
    left = spaced(began, asked, interval) - (now - asked).total_seconds()
    return min(left, max(as_long_again(now - asked, interval), pace(now - began) / 4))


def until_next_look(facts: Facts[Any]) -> float:
    """Return the seconds until an entry is read again that no LIST shows: each resource has its own moment of the interval."""
    interval = facts.interval.total_seconds()
    phase = zlib.crc32(facts.resource.metadata.uid.encode()) / 2**32
    left = interval - (facts.now.timestamp() - phase * interval) % interval
    return left if left >= 1 else left + interval  # rounded, a moment may lie just ahead again


def waiting(
    facts: Facts[Any],
    reason: ReadyReason,
    message: str,
    since: datetime,
    differences: tuple[Difference, ...] | None = None,
) -> State:
    """Return a state that Atlas is to leave by itself, with growing intervals, until the provisioning timeout."""
    elapsed = facts.now - since
    left = facts.provisioning_timeout - elapsed
    if left <= timedelta(0):
        message = (
            f"{message} It has taken longer than spec.provisioningTimeout. The operator continues to check, and the resource"
            " recovers when Atlas is done. If it does not, ask MongoDB support."
        )
        return State(Reason.PROVISIONING_TIMEOUT, message, NoRequeue(), differences)
    return State(reason, message, at_latest(facts.polls, left.total_seconds()), differences)


def deleting(facts: Facts[Any], what: str, since: datetime) -> State:
    """Return the state of a deleted resource while Atlas deletes ``what``, or has not done so in time."""
    elapsed = facts.now - since
    if elapsed >= facts.provisioning_timeout:
        message = (
            f"Atlas has not deleted {what} within spec.provisioningTimeout. The operator continues to check. Ask MongoDB"
            f" support. {REMEDY_WHILE_WAITING}"
        )
        return State(Reason.DELETION_BLOCKED, message, facts.polls)
    message = f"Atlas is deleting {what}. The resource is removed when it no longer exists."
    return State(Reason.DELETING, message, facts.polls)


def words(text: str | None) -> str:
    """Return Atlas's message for people."""
    return one_line(text or "", limit=500) or "no message"


def unknown(status: str | None) -> str:
    """Return a status that the operator does not know, for people."""
    if not status:
        return "no status"
    return f"the status {one_line(status, limit=100)!r}, which this version of the operator does not support"
