"""What a kind implements. Start reading here, with ``Kind``; its bases have defaults for a simple kind.

A kind is pure: no input or output, no clock, no state. Calls to Atlas are data; the reconciler makes them. ``decide`` runs
again on fresher facts until ``observe``, which all kinds share, accepts them, and once more after a write.

``resource.Resource`` defines which fields are compared, and which of them are names in Atlas; ``decision`` what is decided.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.reconcile.decision import Decision, Write
from atlas_endpoints.reconcile.facts import Facts
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.reasons import EventReason, ReadyReason, Reason
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.status import Creation


@dataclass(frozen=True, slots=True)
class Named:
    """What an object names in its scope, which is known before Atlas has shown it.

    Attributes:
        endpoint: its ID, as people know it; two objects that name the same one conflict. None: none.
        shared: what several objects may share, for people; None: nothing.
        is_unbound: whether a reference gives the endpoint, and the status does not show its value yet.
        recorded: the ID that Atlas has given it, according to the status; None: none, or the one that the object names.
    """

    endpoint: str | None
    shared: str | None = None
    is_unbound: bool = False
    recorded: str | None = None

    @property
    def exclusive(self) -> str | None:
        """The key of the endpoint, whose ID may be unique only within what is shared."""
        return None if self.endpoint is None else f"{self.shared or ''}/{self.endpoint}"


R = TypeVar("R", bound=Resource)


class CreatesEntries(Generic[R]):
    """What a kind states that creates an entry for a resource which names none; the defaults create none."""

    def label(self, value: Any) -> str | None:  # noqa: ARG002  # a default
        """Return the name by which an entry that was created for a resource is found, if it has one."""
        return None

    def intended(self, facts: Facts[R], creation: Creation) -> Mapping[str, Any]:  # noqa: ARG002  # a default
        """Return the fields of the kind's own status that record an intent to create."""
        return {}

    def not_created(self, facts: Facts[R], name: str) -> Mapping[str, Any]:  # noqa: ARG002  # a default
        """Return the fields of the kind's own status if Atlas has certainly created nothing of this name."""
        return {}


class SharesThings:
    """What a kind states whose resources have more than one thing in Atlas, or share one; the defaults have one of their own."""

    def parent_of(self, entry: str) -> str | None:  # noqa: ARG002  # a default
        """Return the entry that another one is a part of, which no LIST shows; None: a LIST shows it."""
        return None

    def called(self, entry: str) -> str:
        """Return what people call an entry, at the beginning of a sentence."""
        return f"Endpoint {entry}"

    def in_atlas(self, status: Any, entry: str | None) -> Sequence[str]:  # noqa: ARG002  # a default
        """Return the entries that Atlas has for a resource; what Atlas may be deleting comes first."""
        return () if entry is None else (entry,)

    def is_outdated(self, error: AtlasError) -> bool:  # noqa: ARG002  # a default
        """Return whether the refusal of a write only shows that the observation is outdated: observe again."""
        return False

    def is_early(self, error: AtlasError) -> bool:  # noqa: ARG002  # a default
        """Return whether the refusal of a DELETE only says that Atlas cannot do it yet: it is made again later."""
        return False

    def took_over(self, status: Any, other: Body) -> bool:  # noqa: ARG002  # a default
        """Return whether another object records what a status knows of what they share; until then, its resource stays."""
        return True


class Publishes(Generic[R]):
    """What a kind tells and hands over beside its status; the defaults are silent."""

    def outputs(self, resource: R, own: Mapping[str, Any]) -> Sequence[Output]:  # noqa: ARG002  # a default
        """Return the ConfigMaps that a resource publishes; ``own`` has the changed fields of the kind's own status."""
        return ()

    def news(self, previous: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[tuple[EventReason, str]]:  # noqa: ARG002  # a default
        """Return the Events about entries that follow from a new status: their reasons and messages."""
        return ()


class Kind(CreatesEntries[R], SharesThings, Publishes[R], ABC):
    """A kind of resource. An entry is one object in Atlas; a scope is what one LIST covers.

    Attributes:
        templates: the path of each operation in Atlas's API reference.
        keeps_confirmed: whether what Atlas has confirmed still counts when the entry is gone.
        reasons: those of ``Ready``; each kind adds its own.
        shown_within: seconds after an accepted POST for which a LIST may not show what it created.
        reads_beside: the operations that read something else than entries; what ends with them, entries outlast.
    """

    names: ClassVar[Names]
    resource: type[R]
    templates: ClassVar[Mapping[str, str]]
    keeps_confirmed: ClassVar[bool] = False
    reasons: ClassVar[Sequence[ReadyReason]] = tuple(Reason)
    shown_within: ClassVar[float] = 5.0
    reads_beside: ClassVar[Collection[str]] = ()

    @cached_property
    def failures(self) -> frozenset[str]:
        """The reasons of ``Ready`` that are failures."""
        return frozenset(each for each in self.reasons if each.is_failure)

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

    def removal_of(self, scope: Scope, entry: str) -> str:
        """Return the call by which people remove an entry."""
        return f"DELETE {self.get_request(scope, entry).path}"

    @abstractmethod
    def listed(self, item: Any) -> tuple[str, Any] | None:
        """Return the id and the value of an item of a LIST; None: it has no usable id."""

    @abstractmethod
    def get_request(self, scope: Scope, entry: str) -> Request:
        """Return the GET of one entry, or of something beside the entries that a decision names (``decision.Get``)."""

    @abstractmethod
    def got(self, entry: str, answer: Any) -> Any | None:
        """Return the entry in the answer to a GET, which is a list of all items if it comes in pages; None: it is not readable."""

    def written(self, write: Write, answer: Any) -> tuple[str, Any] | None:
        """Return the id and the value of the entry in the answer to a write; None: it is not readable."""
        value = self.got(write.touches[0], answer)
        return None if value is None else (write.touches[0], value)

    # Decisions.

    @abstractmethod
    def decide(self, facts: Facts[R]) -> Decision:
        """Return the state of a live resource, and at most one write that would change it."""

    @abstractmethod
    def decide_deletion(self, facts: Facts[R]) -> Decision:
        """Return the state of an entry that is to be deleted, and at most one write for that."""

    @abstractmethod
    def render(self, facts: Facts[R], seen: Any) -> Mapping[str, Any]:
        """Return the fields of the kind's own status that show an entry, by their names."""
