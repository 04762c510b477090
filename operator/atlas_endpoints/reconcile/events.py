"""The Kubernetes Events, and their texts. Pure.

The status or Atlas already shows whatever an Event reports, so a lost Event loses nothing. The start and the end of a
failure follow from two statuses alone: a repeated failure and a restart cause no Event.

Source: sig-architecture/api-conventions.md, "Events"; the bounds are those of ``events.k8s.io/v1``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.atlas.redaction import redacted
from atlas_endpoints.controller.texts import MESSAGE_LIMIT
from atlas_endpoints.reconcile.compare import compare
from atlas_endpoints.reconcile.decision import Difference, Write
from atlas_endpoints.reconcile.facts import Facts
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.memory import Memories
from atlas_endpoints.reconcile.reasons import EventReason, Reason
from atlas_endpoints.reconcile.status import Cause, condition_in

NOTE_LIMIT = 1024
"""Bytes of an Event's note, in UTF-8."""

VALUE_LIMIT = 150
"""Characters of a value in a note, so that the diff of all fields fits."""

RECONCILE = "Reconcile"
"""The action of an Event that no single call causes."""

WARNINGS = frozenset(
    {
        EventReason.OUTPUTS_FAILED,
        EventReason.ENDPOINT_LOST,
        EventReason.SERVICE_LOST,
        EventReason.ENDPOINT_WARNING,
        EventReason.ENDPOINT_ORPHANED,
        EventReason.FORCE_FINALIZED,
    }
)
"""The reasons of Warnings."""

ENDINGS = frozenset[str](
    {
        EventReason.ENDPOINT_DELETED,
        EventReason.ENDPOINT_RETAINED,
        EventReason.ENDPOINT_HANDED_OVER,
        EventReason.ENDPOINT_ORPHANED,
        EventReason.FORCE_FINALIZED,
    }
)
"""The reasons that say what became of an endpoint when its resource was deleted; no status says that."""

ALSO_IN_STATUS = frozenset[str]({EventReason.ADOPTING, EventReason.UPDATED, EventReason.DRIFT_CORRECTED})
"""The reasons that also appear in a status."""


@dataclass(frozen=True, slots=True)
class Event:
    """An Event.

    Attributes:
        reason: the new reason of ``Ready``, or an ``EventReason``.
        message: one line of printable characters, within ``NOTE_LIMIT``.
        action: machine-readable, such as ``UpdateServerlessPrivateEndpoint``.
    """

    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    action: str


def new_event(reason: EventReason, message: str, *, action: str = RECONCILE) -> Event:
    """Return an Event that is neither a failure nor its end."""
    return Event("Warning" if reason in WARNINGS else "Normal", reason, _note(message), action)


def stays(called: str, why: str) -> Event:
    """Return the Event of an entry that was created for a resource and stays in Atlas."""
    return new_event(EventReason.ENDPOINT_RETAINED, retained((called,), why), action="Create")


def retained(things: Sequence[str], why: str, *, deleting: bool = False) -> str:
    """Return a text about what is in Atlas and for which nothing (more) is sent; the first may be ``deleting``."""
    if not deleting or not things:
        return f"{listed(things) or 'An endpoint that may have been reserved'} {_stays(things)}: {why}."
    first, *others = things
    rest = f". {listed(others)} {_stays(others)}" if others else ""
    return f"{first} is being deleted by Atlas, which cannot be stopped{rest}: {why}."


def listed(things: Sequence[str]) -> str:
    """Return a list of what people call things, such as ``Endpoint a and endpoint b``."""
    return " and ".join(each if number == 0 else each[:1].lower() + each[1:] for number, each in enumerate(things))


def _stays(things: Sequence[str]) -> str:
    return "stay in Atlas" if len(things) > 1 else "stays in Atlas"


def diff(differences: Iterable[Difference]) -> str:
    """Return a text of changed fields; values are cut, without control characters, and without what looks like a secret."""
    return "; ".join(f"{each.field} from {_value(each.actual)} to {_value(each.desired)}" for each in differences)


def events_of(kind: Kind[Any], previous: Mapping[str, Any], status: Mapping[str, Any]) -> Sequence[Event]:
    """Return the Events that follow from a new status, as JSON; anybody may have written the previous one.

    A failure that goes on causes no Event, even if it becomes ``Stalled`` or has a new generation, unless an edit changes the
    message, the credentials fail for another reason, or something else has drifted.
    """
    # Plain JSON: parsing a status with the models would take longer than everything else here.
    found = [new_event(reason, message) for reason, message in kind.news(previous, status)]
    before, after = condition_in(previous, "OutputsWritten"), condition_in(status, "OutputsWritten")
    if after.get("status") == "False" and after["reason"] != before.get("reason"):
        found.append(new_event(EventReason.OUTPUTS_FAILED, after["message"]))
    of_ready = _of_ready(kind.failures, previous, status)
    return found if of_ready is None else [*found, of_ready]


def _of_ready(failures: frozenset[str], previous: Mapping[str, Any], status: Mapping[str, Any]) -> Event | None:
    before, after = condition_in(previous, "Ready"), condition_in(status, "Ready")
    reason, earlier = after.get("reason"), before.get("reason")
    if reason in failures:
        goes_on = reason == earlier and not _is_another_failure(previous, status)
        operation = str((status.get("lastError") or {}).get("operation") or RECONCILE)
        return None if goes_on else Event("Warning", reason, _note(after["message"]), _action(operation))
    if reason is None or earlier is None or reason == earlier:
        return None
    # A suspended resource is not observed, so its resumption is an Event, too.
    ends = earlier in failures or Reason.SUSPENDED in {reason, earlier}
    return Event("Normal", reason, _note(after["message"]), RECONCILE) if ends else None


def _is_another_failure(previous: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Return whether a failure that goes on for the same reason of ``Ready`` deserves an Event."""
    before, after = condition_in(previous, "Ready"), condition_in(status, "Ready")
    if after["reason"] == Reason.DRIFTED and previous.get("drift") != status.get("drift"):
        return True
    is_edited = before.get("observedGeneration") != after.get("observedGeneration")
    if is_edited and before.get("message") != after.get("message"):
        return True
    return _credentials_reason(previous) != _credentials_reason(status)


def _credentials_reason(status: Mapping[str, Any]) -> object:
    """Return the reason for which the credentials fail, or None; unlike the message, it is the same at each retry."""
    credentials = condition_in(status, "CredentialsValid")
    return credentials.get("reason") if credentials.get("status") == "False" else None


def _action(operation: str) -> str:
    return operation[0].upper() + operation[1:]


def _value(text: str | None) -> str:
    return f"'{one_line(redacted(text, ()), limit=VALUE_LIMIT)}'" if text else "empty"


def _note(message: str) -> str:
    line = one_line(redacted(message, ()), limit=MESSAGE_LIMIT)
    if len(line.encode()) <= NOTE_LIMIT:
        return line
    return line.encode()[: NOTE_LIMIT - len("…".encode())].decode(errors="ignore") + "…"


class ChangeEvents:
    """Records each change in Atlas once: after it is confirmed; at a first contact, before it is sent.

    A first contact replaces values of somebody else, and nothing shows them afterwards.
    """

    def __init__(self, record: Callable[[Mapping[str, Any], Event], None], memories: Memories) -> None:
        self._record = record
        self._memories = memories

    def before(self, facts: Facts[Any], write: Write, seen: object) -> None:
        """Record what is about to be sent at a first contact, unless it was recorded before."""
        resource = facts.resource
        if not write.fields or seen is None:
            return
        memory = self._memories[resource.key]
        known, memory.told = memory.told, frozenset()
        # An entry that was created for the resource never had values of somebody else.
        is_own = resource.creates_its_own and resource.is_owner
        differences = () if facts.baseline.contacted or is_own else compare(resource, write.fields, seen)
        if not differences or (not known and facts.attempt.shown_failure(write.request.operation)):
            return
        memory.told = known.union(differences)
        if not known.issuperset(differences):
            message = f"The operator changes endpoint {resource.entry} for the first time: {diff(differences)}."
            event = new_event(EventReason.ADOPTING, message, action=_action(write.request.operation))
            self._record(resource.named, event)

    def after(self, facts: Facts[Any], write: Write, seen: object, answer: object) -> None:
        """Record what Atlas has confirmed, unless it was recorded before; ``seen`` is the entry before the write."""
        resource = facts.resource
        if not write.fields:
            return
        shown = resource.shown(answer)
        # The name of a created entry gives way to the comment of the spec, which is no Event.
        differences = tuple(
            each
            for each in compare(resource, write.fields, seen)
            if resource.same(each.field, shown.get(each.field), each.desired) and each.actual != resource.created_as
        )
        if self._memories[resource.key].told.issuperset(differences):
            return
        reason, what = EventReason.UPDATED, "The endpoint was updated"
        if write.cause is Cause.DRIFT:
            reason = EventReason.DRIFT_CORRECTED
            what = "Drift in Atlas was corrected"
        event = new_event(reason, f"{what}: {diff(differences)}.", action=_action(write.request.operation))
        self._record(resource.named, event)
