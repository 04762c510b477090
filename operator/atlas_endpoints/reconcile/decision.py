"""What a kind decides: the state of a resource, and at most one write that would change it. Pure."""

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
"""Values by field. An absent field is not managed (in a spec) or not known (in a confirmation)."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that is not as desired; ``actual`` is what Atlas shows."""

    field: str
    desired: str
    actual: str | None


@dataclass(frozen=True, slots=True)
class State:
    """The state of a resource if no (further) write is made.

    Attributes:
        reason: of the condition ``Ready``.
        differences: None: the fields were not compared.
    """

    reason: ReadyReason
    message: str
    requeue: Requeue = field(default_factory=NoRequeue)
    differences: tuple[Difference, ...] | None = None


@dataclass(frozen=True, slots=True)
class Creates:
    """What a write creates. A repetition would create it twice, so an intent is written to the status first.

    Attributes:
        name: by which the observation shows the result.
        attempt: how many in a row were created and soon lost, this one included.
        reason: of ``Ready`` meanwhile.
        intended: the message before the creation.
        searched: the message while the result of a lost call is searched.
        planned: the text for a plan.
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
        cause: None: it deletes.
        touches: the entries that a write of unknown outcome may have changed.
        creates: set if a repetition would create a second entry.
        surplus: the id of a second entry, which this write deletes.
    """

    request: Request
    cause: Cause | None = None
    fields: Fields = field(default_factory=dict)
    touches: tuple[str, ...] = ()
    creates: Creates | None = None
    surplus: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The state, and at most one write that would change it.

    Attributes:
        seen: the entry as Atlas shows it, or will show it while it deletes it; None: there is none.
        absent: an entry whose absence the decision rests on, and ``observe`` must prove.
        none_created: whether it rests on that nothing was created, which takes a LIST of this reconcile.
        own: changed fields of the kind's own status.
        left: the ids of surplus entries that stay in Atlas, for Events.
        leaves_open: whether a force-sync request stays open.
        nothing_left: for a deletion: whether Atlas has nothing of the resource any more.
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
    """The outcome of a write."""

    CONFIRMED = auto()
    REFUSED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Done:
    """A write that was made.

    Attributes:
        before: what Atlas showed of the managed fields.
        answer: the entry in the answer.
        refused: the fields that Atlas refused.
    """

    write: Write
    outcome: WriteOutcome
    before: Mapping[str, str | None] = field(default_factory=dict)
    answer: Any | None = None
    error: AtlasError | None = None
    refused: tuple[str, ...] = ()
