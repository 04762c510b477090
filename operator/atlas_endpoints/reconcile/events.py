"""The Kubernetes Events, and their texts. Pure.

Most follow from two statuses alone, so a repeated failure and a restart cause no Event. The log has each of them, too; a
lost Event changes no decision.

Source: sig-architecture/api-conventions.md, "Events"; the bounds are those of ``events.k8s.io/v1``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.atlas.redaction import redacted
from atlas_endpoints.controller.texts import MESSAGE_LIMIT
from atlas_endpoints.reconcile.compare import compare
from atlas_endpoints.reconcile.decision import Difference, Write
from atlas_endpoints.reconcile.facts import Facts
from atlas_endpoints.reconcile.kind import Kind
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

ALSO_IN_STATUS = frozenset[str]({EventReason.ADOPTING, EventReason.UPDATED, EventReason.DRIFT_CORRECTED})
"""The reasons of Events about what the log line of the status tells, too."""


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

    A failure that goes on causes no Event, even if it becomes ``Stalled``, unless an edit changes the message.
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
        is_edited = before.get("observedGeneration") != after.get("observedGeneration")
        goes_on = reason == earlier and not (is_edited and before.get("message") != after.get("message"))
        operation = str((status.get("lastError") or {}).get("operation") or RECONCILE)
        return None if goes_on else Event("Warning", reason, _note(after["message"]), _action(operation))
    if reason is None or earlier is None or reason == earlier:
        return None
    # A suspended resource is not observed, so its resumption is an Event, too.
    ends = earlier in failures or Reason.SUSPENDED in {reason, earlier}
    return Event("Normal", reason, _note(after["message"]), RECONCILE) if ends else None


def _action(operation: str) -> str:
    return operation[0].upper() + operation[1:]


def _value(text: str | None) -> str:
    return f"'{one_line(redacted(text, ()), limit=VALUE_LIMIT)}'" if text else "empty"


def _note(message: str) -> str:
    line = one_line(redacted(message, ()), limit=MESSAGE_LIMIT)
    if len(line.encode()) <= NOTE_LIMIT:
        return line
    return line.encode()[: NOTE_LIMIT - len("…".encode())].decode(errors="ignore") + "…"


def adopting(facts: Facts[Any], write: Write, seen: object) -> Event | None:
    """Return the Event of a first contact that is about to be made, or None if it is none, or the status shows that it failed before.

    A first contact replaces values of somebody else, and nothing shows them afterwards, not even a confirmation if the answer is lost.
    """
    resource, operation = facts.resource, write.request.operation
    # An entry that was created for the resource never had values of somebody else.
    is_own = resource.creates_its_own and resource.is_owner
    if facts.baseline.contacted or is_own or facts.attempt.shown_failure(operation) is not None:
        return None
    if not (differences := compare(resource, write.fields, seen)):
        return None
    message = f"The operator changes {resource.noun} {resource.entry} for the first time: {diff(differences)}."
    return new_event(EventReason.ADOPTING, message, action=_action(operation))


def changed(facts: Facts[Any], write: Write, seen: object, answer: object) -> Event | None:
    """Return the Event of what Atlas has confirmed, or None if that is nothing; ``seen`` is the entry before the write."""
    resource = facts.resource
    shown = resource.shown(answer) if write.fields else {}
    # The name of a created entry gives way to the comment of the spec, which is no Event.
    differences = tuple(
        each
        for each in compare(resource, write.fields, seen)
        if resource.same(each.field, shown.get(each.field), each.desired) and each.actual != resource.created_as
    )
    if not differences:
        return None
    reason, what = EventReason.UPDATED, f"The {resource.noun} was updated"
    if write.cause is Cause.DRIFT:
        reason, what = EventReason.DRIFT_CORRECTED, "Drift in Atlas was corrected"
    return new_event(reason, f"{what}: {diff(differences)}.", action=_action(write.request.operation))
