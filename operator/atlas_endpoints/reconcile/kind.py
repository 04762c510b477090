"""What a kind implements. Start reading here, with ``Kind``; what stands before it has defaults for a simple kind.

A kind is pure: no input or output, no clock, no state. Calls to Atlas are data; the reconciler makes them. ``decide`` runs
again on fresher facts until ``observe``, which all kinds share, accepts them, and once more after a write.

``resource.Resource`` defines which fields are compared, and which of them are names in Atlas.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.requeue import NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.reconcile.reasons import EventReason, Reason
from atlas_endpoints.reconcile.resource import Resource, Thing
from atlas_endpoints.reconcile.status import Cause, Creation, Finding

if TYPE_CHECKING:
    from atlas_endpoints.reconcile.facts import Facts
    from atlas_endpoints.reconcile.outputs import Output


POLL_FIRST = 5.0
"""Seconds between observations of a change that has just begun."""

POLL_LAST = 150.0
"""Seconds between observations of a change that takes long."""

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

    reason: Reason
    message: str
    requeue: Requeue = field(default_factory=NoRequeue)
    differences: tuple[Difference, ...] | None = None
    conditions: Mapping[str, Finding] = field(default_factory=dict)
    observed: str = ""


@dataclass(frozen=True, slots=True)
class Creates:
    """What a write creates. A repetition would create it twice, so an intent is written to the status first.

    Attributes:
        name: by which the observation shows the result.
        attempt: how many in a row were created and soon lost, this one included.
        reason: of ``Ready`` meanwhile.
        searched: the message while the result of a lost call is searched.
    """

    name: str
    attempt: int
    reason: Reason
    intended: str
    searched: str


@dataclass(frozen=True, slots=True)
class Write:
    """One write to Atlas.

    Attributes:
        cause: None: it deletes with its resource, or discards.
        names: what the history calls it if it sends no fields.
        planned: completes a sentence about what it brings into being; "": nothing new.
        touches: the entries that a write of unknown outcome may have changed.
        creates: set if a repetition would create a second entry.
        reads: an entry whose GET it rests on: it is read right before, and others write to this entry before or after both.
        deletes: what it deletes, which other resources may protect; None: for a deleted resource, its endpoint.
        surplus: the id of a second entry, which this write deletes.
    """

    request: Request
    cause: Cause | None = None
    fields: Fields = field(default_factory=dict)
    names: tuple[str, ...] = ()
    planned: str = ""
    touches: tuple[str, ...] = ()
    creates: Creates | None = None
    reads: str | None = None
    deletes: Thing | None = None
    surplus: str | None = None

    @property
    def is_beside(self) -> bool:
        """Whether it changes something beside the entry: if Atlas refuses it, the kind decides on without it."""
        return self.request.method == "PATCH" and not self.fields


@dataclass(frozen=True, slots=True)
class Look:
    """An observation of an entry that a decision needs, and that only a GET shows.

    Attributes:
        settled: whether an observation from within the resync interval will do.
        beyond_list: whether it is an entry that a LIST shows as well, and perhaps late: the GET has to follow the LIST.
    """

    entry: str
    settled: bool = False
    beyond_list: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """The state, and at most one write that would change it.

    Attributes:
        seen: the entry as Atlas shows it, or will show it while it deletes it; None: there is none.
        absent: an entry whose absence the decision rests on, and ``observe`` must prove.
        looks: what has to be observed beside the LIST.
        own: changed fields of the kind's own status.
        records: whether the status has to show this before the reconcile goes on.
        left: the ids of surplus entries that stay in Atlas, for Events.
        leaves_open: whether a force-sync request stays open.
        nothing_left: for a deletion: whether Atlas has nothing of the resource any more; without ``absent``, a LIST of this reconcile
            has to show that.
        gone, stays: the Events at its end: what was deleted, and what stays in Atlas.
    """

    state: State
    write: Write | None = None
    seen: Any | None = None
    absent: str | None = None
    looks: tuple[Look, ...] = ()
    own: Mapping[str, Any] = field(default_factory=dict)
    records: bool = False
    left: tuple[str, ...] = ()
    leaves_open: bool = False
    nothing_left: bool = False
    gone: str | None = None
    stays: str | None = None


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
    """

    write: Write
    outcome: WriteOutcome
    before: Mapping[str, str | None] = field(default_factory=dict)
    answer: Any | None = None
    error: AtlasError | None = None
    refused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Named:
    """What an object names in its scope, which is known before Atlas has shown it.

    Attributes:
        endpoint: its ID, as people know it; two objects that name the same one conflict. None: none.
        shared: what several objects may share, for people; None: nothing.
        is_unbound: whether a reference gives the endpoint, and the status does not show its value yet.
    """

    endpoint: str | None
    shared: str | None = None
    is_unbound: bool = False

    @property
    def exclusive(self) -> str | None:
        """The key of the endpoint, whose ID may be unique only within what is shared."""
        return None if self.endpoint is None else f"{self.shared or ''}/{self.endpoint}"


R = TypeVar("R", bound=Resource)


class CreatesEntries(Generic[R]):
    """What a kind states that creates an entry for a resource which names none; the defaults create none."""

    def label(self, value: Any) -> str | None:  # noqa: ARG002  # as above
        """Return the name by which an entry that was created for a resource is found, if it has one."""
        return None

    def recorded_in(self, status: Mapping[str, Any]) -> str | None:  # noqa: ARG002  # as above
        """Return the entry that a resource has created or adopted, according to its status."""
        return None

    def intended(self, facts: "Facts[R]", creates: Creates, creation: Creation) -> Mapping[str, Any]:  # noqa: ARG002  # as above
        """Return the fields of the kind's own status that record an intent to create."""
        return {}

    def not_created(self, facts: "Facts[R]", name: str) -> Mapping[str, Any]:  # noqa: ARG002  # as above
        """Return the fields of the kind's own status if Atlas has certainly created nothing of this name."""
        return {}


class SharesThings:
    """What a kind states whose resources have more than one thing in Atlas, or share one; the defaults have one of their own."""

    def called(self, entry: str) -> str:
        """Return what people call an entry, at the beginning of a sentence."""
        return f"Endpoint {entry}"

    def in_atlas(self, status: Any, entry: str | None) -> Sequence[str]:  # noqa: ARG002  # as above
        """Return the entries that Atlas has for a resource; what Atlas may be deleting comes first."""
        return () if entry is None else (entry,)

    def took_over(self, status: Any, other: Body) -> bool:  # noqa: ARG002  # as above
        """Return whether another object records what a status knows of what they share; until then, its resource stays."""
        return True


class Publishes(Generic[R]):
    """What a kind tells and hands over beside its status; the defaults are silent."""

    def outputs(self, resource: R, own: Mapping[str, Any]) -> "Sequence[Output]":  # noqa: ARG002  # as above
        """Return the ConfigMaps that a resource publishes; ``own`` has the changed fields of the kind's own status."""
        return ()

    def news(self, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[tuple[EventReason, str]]:  # noqa: ARG002  # as above
        """Return the Events about entries that follow from a new status: their reasons and messages."""
        return ()


class Kind(CreatesEntries[R], SharesThings, Publishes[R], ABC):
    """A kind of resource. An entry is one object in Atlas; a scope is what one LIST covers.

    Attributes:
        templates: the path of each operation in Atlas's API reference.
        keeps_confirmed: whether what Atlas has confirmed still counts when the entry is gone.
    """

    names: ClassVar[Names]
    resource: type[R]
    templates: ClassVar[Mapping[str, str]]
    keeps_confirmed: ClassVar[bool] = False

    # Plain JSON, for code that reads many objects.

    @abstractmethod
    def entry_of(self, body: Body) -> str | None:
        """Return the entry that an object owns, even if its spec is invalid; None: none yet."""

    def named_by(self, body: Body) -> Named:
        """Return what an object names, even if its spec is invalid."""
        return Named(self.entry_of(body))

    @abstractmethod
    def shown_in(self, status: Mapping[str, Any]) -> Collection[str]:
        """Return the IDs of the things that a status shows: the resource's credentials have reached them."""

    @abstractmethod
    def scope_name_in(self, spec: Mapping[str, Any]) -> str | None:
        """Return the name of the scope in a spec."""

    # Atlas: calls as data, answers as values.

    @abstractmethod
    def list_request(self, scope: Scope) -> Request:
        """Return the LIST of a scope."""

    @abstractmethod
    def listed(self, item: Any) -> tuple[str, Any] | None:
        """Return the id and the value of an item of a LIST; None: it has no usable id."""

    @abstractmethod
    def get_request(self, scope: Scope, entry: str) -> Request:
        """Return the GET of one entry."""

    @abstractmethod
    def got(self, entry: str, answer: Any) -> Any | None:
        """Return the entry in the answer to a GET; None: it is not readable."""

    def written(self, write: Write, answer: Any) -> tuple[str, Any] | None:
        """Return the id and the value of the entry in the answer to a write; None: it is not readable."""
        value = self.got(write.touches[0], answer)
        return None if value is None else (write.touches[0], value)

    def is_outdated(self, error: AtlasError) -> bool:  # noqa: ARG002  # for kinds whose entries others change
        """Return whether the refusal of a write only shows that the observation is outdated: observe again."""
        return False

    # Decisions.

    @abstractmethod
    def decide(self, facts: "Facts[R]") -> Decision:
        """Return the state of a live resource, and at most one write that would change it."""

    @abstractmethod
    def decide_deletion(self, facts: "Facts[R]") -> Decision:
        """Return the state of an entry that is to be deleted, and at most one write for that."""

    @abstractmethod
    def render(self, facts: "Facts[R]", seen: Any) -> Mapping[str, Any]:
        """Return the fields of the kind's own status that show an entry, by their names."""
