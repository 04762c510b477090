"""What a kind decides: a state, and at most one write. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, TypeAlias

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.controller.requeue import NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.reconcile.reasons import ReadyReason
from atlas_endpoints.reconcile.resource import Thing
from atlas_endpoints.reconcile.status import Cause, Finding
from atlas_endpoints.tunings import POLL_FIRST

SOON = RequeueAfter(0.0)
"""The next step follows at once."""

POLL = RequeueAfter(POLL_FIRST)
"""Atlas has just begun a change."""


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
        differences: None: the fields were not compared.
        conditions: those of the kind's own types.
        observed: the message where nothing may be written, if the other one tells what the operator sends.
    """

    reason: ReadyReason
    message: str
    requeue: Requeue = field(default_factory=NoRequeue)
    differences: tuple[Difference, ...] | None = None
    conditions: Mapping[str, Finding] = field(default_factory=dict)
    observed: str = ""


@dataclass(frozen=True, slots=True)
class Write:
    """One write to Atlas.

    Attributes:
        cause: None: it deletes with its resource.
        names: what the history calls it if it sends no fields.
        planned: completes a sentence about what it brings into being; "": nothing new.
        doubt: a sentence, after a blank, about why Atlas may refuse it; "": none is known.
        remedy: of a refusal, where the spec cannot change; "": a correction of its fields.
        touches: the entries that a write of unknown outcome may have changed; the first one is what it is about.
        reads: an entry whose GET it rests on: it is read right before, and others write to this entry before or after both.
        deletes: what it deletes, which other resources may protect; None: for a deleted resource, its endpoint.
    """

    request: Request
    cause: Cause | None = None
    fields: Fields = field(default_factory=dict)
    names: tuple[str, ...] = ()
    planned: str = ""
    doubt: str = ""
    remedy: str = ""
    touches: tuple[str, ...] = ()
    reads: str | None = None
    deletes: Thing | None = None

    @property
    def is_beside(self) -> bool:
        """Whether it changes something beside the entry: if Atlas refuses it, the kind decides on without it."""
        return self.request.method == "PATCH" and not self.fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Create(Write):
    """A write whose repetition would create a second entry, so an intent is written to the status first.

    Attributes:
        name: by which the observation shows the result.
        attempt: how many in a row were created and soon lost, this one included.
        reason: of ``Ready`` meanwhile.
        intended: the message before it is sent.
        searched: the message while the result of a lost call is searched.
    """

    name: str
    attempt: int = 1
    reason: ReadyReason
    intended: str
    searched: str


@dataclass(frozen=True, slots=True)
class Get:
    """An observation of an entry that a decision needs, and that only a GET shows.

    Attributes:
        settled: whether an observation from within the resync interval will do.
        beyond_list: whether it is an entry that a LIST shows as well, and perhaps late: the GET has to follow the LIST.
        beside: whether it shows something else than an entry or a part of one, so that the LIST has to be as recent as without it.
        optional: whether the decision can do without it if Atlas does not answer: then the view has no value of it.
    """

    entry: str
    settled: bool = False
    beyond_list: bool = False
    beside: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The state, and at most one write that would change it.

    Attributes:
        seen: the entry as Atlas shows it, or will show it while it deletes it; None: there is none.
        absent: an entry whose absence the decision rests on, and ``observe`` must prove.
        gets: what has to be observed beside the LIST.
        own: changed fields of the kind's own status.
        status_first: whether the status has to show this before the reconcile goes on.
        leaves_open: whether a force-sync request stays open.
        nothing_left: for a deletion: whether Atlas has nothing of the resource any more; without ``absent``, a LIST of this reconcile
            has to show that.
        gone, stays: the Events at its end: what was deleted, and what stays in Atlas.
    """

    state: State
    write: Write | None = None
    seen: Any | None = None
    absent: str | None = None
    gets: tuple[Get, ...] = ()
    own: Mapping[str, Any] = field(default_factory=dict)
    status_first: bool = False
    leaves_open: bool = False
    nothing_left: bool = False
    gone: str | None = None
    stays: str | None = None


class WriteResult(Enum):
    """The result of a write."""

    CONFIRMED = auto()
    REFUSED = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Done:
    """A write that was made.

    Attributes:
        before: what Atlas showed of the managed fields.
    """

    write: Write
    result: WriteResult
    before: Mapping[str, str | None] = field(default_factory=dict)
    answer: Any | None = None
    error: AtlasError | None = None
