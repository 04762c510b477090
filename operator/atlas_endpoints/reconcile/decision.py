"""What a kind decides: what is true of a resource, and at most one write that would change it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, TypeAlias

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.controller.requeue import NoRequeue, Requeue
from atlas_endpoints.reconcile.reasons import ReadyReason
from atlas_endpoints.reconcile.status import Cause

Fields: TypeAlias = Mapping[str, str]
"""Values by field. A field that is not in it is not managed (in a desire) or not known (in a confirmation)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is not as desired.

    Attributes:
        field: which one.
        desired: what the resource wants.
        actual: what Atlas shows, or ``None``.
    """

    field: str
    desired: str
    actual: str | None


@dataclass(frozen=True, slots=True)
class State:
    """What is true of a resource if nothing (more) is written.

    Attributes:
        reason: of the condition ``Ready``.
        message: for people, Atlas's own words last.
        requeue: when to reconcile again.
        differences: the managed fields that are not as desired; None: they were not compared.
    """

    reason: ReadyReason
    message: str
    requeue: Requeue = field(default_factory=NoRequeue)
    differences: tuple[Difference, ...] | None = None


@dataclass(frozen=True, slots=True)
class Creates:
    """What a write creates that a repetition would create twice, so that it takes an intent in the status before.

    Attributes:
        name: by which the result is found in the view.
        attempt: how many in a row were created and soon lost, this one included.
        reason: of ``Ready`` meanwhile.
        intended: the message when it is about to be created.
        searched: the message while it is looked for, since it may have been created.
        planned: what would be done, for a plan.
    """

    name: str
    attempt: int
    reason: ReadyReason
    intended: str
    searched: str
    planned: str


@dataclass(frozen=True, slots=True)
class Write:
    """One write to Atlas.

    Attributes:
        request: the call.
        cause: why it is made; None: it deletes.
        fields: the managed fields that it carries.
        touches: the entries of which nothing is known when its outcome is not.
        creates: set where a repetition would create a second thing.
        surplus: the id of what was created twice, which it deletes.
    """

    request: Request
    cause: Cause | None = None
    fields: Fields = field(default_factory=dict)
    touches: tuple[str, ...] = ()
    creates: Creates | None = None
    surplus: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is true, and at most one write that would change it.

    Attributes:
        state: what holds if the write is not made.
        write: what would change it.
        seen: the entry that it is about, as Atlas shows it, or will after a deletion; None: nothing that is there.
        absent: an entry on whose absence the decision rests, which takes a proof; see ``freshness``.
        none_created: whether it rests on that nothing was created for the resource, which takes a LIST of this reconcile.
        own: fields of the kind's own status, by their names, as they are from now on; the others stay.
        left: the ids of what stays in Atlas though it was created for the resource, for Events.
        leaves_open: whether what a person has asked for is still to be done.
        nothing_left: of a deletion: whether Atlas has nothing of the resource any more.
    """

    state: State
    write: Write | None = None
    seen: Any | None = None
    absent: str | None = None
    none_created: bool = False
    own: Mapping[str, Any] = field(default_factory=dict)
    left: tuple[str, ...] = ()
    leaves_open: bool = False
    nothing_left: bool = False


class WriteOutcome(Enum):
    """What came of a write."""

    CONFIRMED = auto()
    REFUSED = auto()
    UNKNOWN = auto()
    NOT_APPLIED = auto()


@dataclass(frozen=True, slots=True)
class Done:
    """A write that was made.

    Attributes:
        write: it.
        outcome: what came of it.
        before: what Atlas showed of the managed fields before, by field.
        answer: the entry as Atlas answered, if it did.
        error: what it failed with.
        refused: the fields that Atlas refuses.
    """

    write: Write
    outcome: WriteOutcome
    before: Mapping[str, str | None] = field(default_factory=dict)
    answer: Any | None = None
    error: AtlasError | None = None
    refused: tuple[str, ...] = ()
