"""What is worth a Kubernetes Event, and its words; pure.

Whatever is worth one is in the status already, or in Atlas, so nothing is lost with an Event. That a failure begins or ends
follows from two statuses alone: at rest and after a restart there is none, however often a failure is met again.

Source: sig-architecture/api-conventions.md, "Events"; the bounds are those of ``events.k8s.io/v1``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.atlas.redaction import redacted
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.controller.conditions import MESSAGE_LIMIT
from atlas_endpoints.reconcile.compare import compare
from atlas_endpoints.reconcile.decision import Difference, Write
from atlas_endpoints.reconcile.facts import Facts
from atlas_endpoints.reconcile.reasons import FAILURES, Reason
from atlas_endpoints.reconcile.status import Cause

NOTE_LIMIT = 1024
"""Bytes of an Event's note, in UTF-8."""

VALUE_LIMIT = 150
"""Characters of a value in a note: the diff of all fields fits, whatever somebody has written into Atlas."""

RECONCILE = "Reconcile"
"""What the operator was about where no single call is to blame."""

EventType: TypeAlias = Literal["Normal", "Warning"]


class EventReason(StrEnum):
    """The reasons of Events beside those of ``Ready``, which tell of failures and their ends."""

    ADOPTING = "Adopting"
    UPDATED = "Updated"
    DRIFT_CORRECTED = "DriftCorrected"
    ENDPOINT_RESERVED = "EndpointReserved"
    ENDPOINT_TAKEN_OVER = "EndpointTakenOver"
    ENDPOINT_LOST = "EndpointLost"
    ENDPOINT_DISCARDED = "EndpointDiscarded"
    ENDPOINT_DELETED = "EndpointDeleted"
    ENDPOINT_RETAINED = "EndpointRetained"
    ENDPOINT_HANDED_OVER = "EndpointHandedOver"
    ENDPOINT_ORPHANED = "EndpointOrphaned"
    FORCE_FINALIZED = "ForceFinalized"


WARNINGS = frozenset({EventReason.ENDPOINT_LOST, EventReason.ENDPOINT_ORPHANED, EventReason.FORCE_FINALIZED})
"""Those of them with which something is amiss, or is left behind."""


IN_A_STATUS = frozenset[str]({EventReason.ADOPTING, EventReason.UPDATED, EventReason.DRIFT_CORRECTED})
"""Those of what a status comes to tell, too."""


@dataclass(frozen=True, slots=True)
class Event:
    """What an Event tells.

    Attributes:
        type: ``Warning`` where something is amiss.
        reason: the new reason of ``Ready``, or one of ``EventReason``.
        message: for people: one line of printable characters, within ``NOTE_LIMIT``.
        action: what was tried, as a word for programs, such as ``UpdateServerlessPrivateEndpoint``.
    """

    type: EventType
    reason: str
    message: str
    action: str


def tell(reason: EventReason, message: str, *, action: str = RECONCILE) -> Event:
    """Tell something that is neither a failure nor its end.

    Args:
        reason: what.
        message: for people, of any length.
        action: what was tried.
    """
    return Event("Warning" if reason in WARNINGS else "Normal", reason, _note(message), action)


def discarded(entry: str) -> Event:
    """Tell of an entry that was one too many."""
    note = (
        f"Endpoint {entry} was deleted: it was reserved for this resource by a call that Atlas took late, when the resource had"
        " another one already."
    )
    return tell(EventReason.ENDPOINT_DISCARDED, note, action="Delete")


def left_connected(entry: str) -> Event:
    """Tell of an entry that is one too many, and that somebody has connected."""
    note = (
        f"Endpoint {entry} stays in Atlas as it is: it was reserved for this resource, which has another one, and somebody"
        " has connected it."
    )
    return tell(EventReason.ENDPOINT_RETAINED, note, action="Create")


def diff(differences: Iterable[Difference]) -> str:
    """Say from what to what fields change.

    Comments are anybody's words: they are cut, made one line that does nothing to a terminal, and what looks like a secret in
    them is hidden.
    """
    return "; ".join(f"{each.field} from {_value(each.actual)} to {_value(each.desired)}" for each in differences)


def announce(previous: Mapping[str, Any], status: Mapping[str, Any]) -> Sequence[Event]:
    """Tell what is to be announced when a status takes the place of another.

    Args:
        previous: the status as it was before, as JSON; anybody may have written it.
        status: as it is from now on, as JSON.

    Returns:
        Mostly nothing. A failure that goes on is no news, be it ``Stalled`` by now or of another generation, unless an edit has
        led to other words, the credentials are at fault for another reason, or somebody has changed something else.
    """
    # Not by way of the models: to read a status with them takes longer than all else that is done with one.
    return [each for each in (_of_reservation(previous, status), _of_ready(previous, status)) if each is not None]


def _of_reservation(previous: Mapping[str, Any], status: Mapping[str, Any]) -> Event | None:
    reservation = status.get("reservation") or {}
    lost = (previous.get("reservation") or {}).get("endpointId")
    # With no reservation at all, one that was taken over is another resource's, and is there.
    if lost is not None and reservation and reservation.get("endpointId") is None:
        message = f"Endpoint {lost}, which was reserved, is gone from Atlas: it has expired or was deleted. Another is reserved."
        return tell(EventReason.ENDPOINT_LOST, message)
    found = reservation.get("endpointId")
    if found in {None, (previous.get("reservation") or {}).get("endpointId")}:
        return None
    if reservation.get("adopted"):
        message = (
            f"Endpoint {found} is taken over: the annotation of an earlier resource names it, and nobody stands for it. It stays in"
            " Atlas when this resource is deleted, until spec.endpointId names it."
        )
        return tell(EventReason.ENDPOINT_TAKEN_OVER, message)
    return tell(EventReason.ENDPOINT_RESERVED, f"Endpoint {found} is reserved for this resource.")


def _of_ready(previous: Mapping[str, Any], status: Mapping[str, Any]) -> Event | None:
    before, after = _ready(previous), _ready(status)
    reason, earlier = after.get("reason"), before.get("reason")
    if reason in FAILURES:
        goes_on = reason == earlier and not _is_another_failure(previous, status)
        return None if goes_on else _event("Warning", after, _operation(status))
    if reason is None or earlier is None or reason == earlier:
        return None
    # Nobody looks at what is suspended: that it is again ends what was told before.
    ends = earlier in FAILURES or Reason.SUSPENDED in {reason, earlier}
    return _event("Normal", after, RECONCILE) if ends else None


def _is_another_failure(previous: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Tell whether a failure that goes on for one reason of ``Ready`` is news all the same."""
    before, after = _ready(previous), _ready(status)
    if after["reason"] == Reason.DRIFTED and previous.get("drift") != status.get("drift"):
        return True
    other_words = _generation(before) != _generation(after) and before.get("message") != after.get("message")
    return other_words or _blamed(previous) != _blamed(status)


def _event(type_: EventType, ready: Mapping[str, Any], action: str) -> Event:
    return Event(type_, ready["reason"], _note(ready["message"]), action)


def _ready(status: Mapping[str, Any]) -> Mapping[str, Any]:
    return _condition(status, "Ready")


def _blamed(status: Mapping[str, Any]) -> object:
    """Tell for which reason the credentials are at fault, if they are; unlike words, it does not vary from try to try."""
    credentials = _condition(status, "CredentialsValid")
    return credentials.get("reason") if credentials.get("status") == "False" else None


def _condition(status: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    return next((each for each in status.get("conditions") or () if each["type"] == type_), {})


def _generation(condition: Mapping[str, Any]) -> object:
    return condition.get("observedGeneration")


def _operation(status: Mapping[str, Any]) -> str:
    """Name the call that failed, as an Event names what was done."""
    return _action(str((status.get("lastError") or {}).get("operation") or RECONCILE))


def _action(operation: str) -> str:
    """Name a call as an Event names what was tried."""
    return operation[0].upper() + operation[1:]


def _value(text: str | None) -> str:
    return f"'{one_line(redacted(text, ()), limit=VALUE_LIMIT)}'" if text else "empty"


def _note(message: str) -> str:
    """Make a message fit for a note; what is cut is cut between two characters."""
    line = one_line(redacted(message, ()), limit=MESSAGE_LIMIT)
    if len(line.encode()) <= NOTE_LIMIT:
        return line
    return line.encode()[: NOTE_LIMIT - len("…".encode())].decode(errors="ignore") + "…"


class ChangeEvents:
    """Records what is changed in Atlas, field by field, each change once: after it was, and at a first contact before it is.

    What Atlas holds at a first contact was somebody's, and nobody may remember it afterwards.

    Args:
        record: takes an Event of a resource.
    """

    def __init__(self, record: Callable[[Mapping[str, Any], Event], None]) -> None:
        self._record = record
        self._told: dict[Key, frozenset[Difference]] = {}

    def before(self, facts: Facts[Any], write: Write, seen: object) -> None:
        """Record what is about to be sent, if it is sent at a first contact and was not told.

        Args:
            facts: of the resource.
            write: that is about to be made.
            seen: the entry as it is known.
        """
        resource = facts.resource
        known = self._told.pop(resource.key, None)
        # An entry that was created for the resource has never been anybody else's.
        is_own = resource.creates_its_own and resource.is_owner
        differences = () if facts.baseline.contacted or is_own else compare(resource, write.fields, seen)
        if not differences:
            return
        if known is not None and known.issuperset(differences):
            self._told[resource.key] = known
        elif known is not None or not _was_tried(facts, write):
            self._told[resource.key] = (known or frozenset()).union(differences)
            message = f"First contact with endpoint {resource.entry}, whose values are about to be changed: {diff(differences)}."
            self._record(resource.named, tell(EventReason.ADOPTING, message, action=_action(write.request.operation)))

    def after(self, facts: Facts[Any], write: Write, seen: object, answer: object) -> None:
        """Record what was sent and confirmed, unless that was told before.

        Args:
            facts: of the resource, as they were before.
            write: that was made.
            seen: the entry as it was known.
            answer: as Atlas shows it now.
        """
        resource = facts.resource
        shown = resource.shown(answer)
        # That the name of what was created for the resource is gone from it is no news.
        differences = tuple(
            each
            for each in compare(resource, write.fields, seen)
            if resource.same(each.field, shown.get(each.field), each.desired) and each.actual != resource.created_as
        )
        if self._told.get(resource.key, frozenset()).issuperset(differences):
            return
        reason, what = EventReason.UPDATED, "The endpoint was changed as the spec says"
        if write.cause is Cause.DRIFT:
            reason, what = (
                EventReason.DRIFT_CORRECTED,
                "Somebody had changed the endpoint in Atlas, and it was set back",
            )
        self._record(
            resource.named,
            tell(reason, f"{what}: {diff(differences)}.", action=_action(write.request.operation)),
        )

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a resource that is gone."""
        self._told.pop(key, None)


def _was_tried(facts: Facts[Any], write: Write) -> bool:
    """Return whether the status says that this write for this very spec has failed: an earlier process has told of it."""
    last = facts.previous.last_error
    return (
        last is not None
        and last.operation == write.request.operation
        and facts.previous.observed_generation == facts.generation
    )
