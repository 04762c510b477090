"""What a kind implements. Start reading here.

A kind is pure: no input or output, no clock, no state. Calls to Atlas are data; the reconciler makes them. ``decide`` runs
again on fresher facts until ``observe``, which all kinds share, accepts them, and once more after a write.

``resource.Resource`` defines which fields are compared, and which of them are names in Atlas.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.reconcile.decision import Decision, Write
from atlas_endpoints.reconcile.facts import Facts
from atlas_endpoints.reconcile.outputs import Output
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.status import Creation

R = TypeVar("R", bound=Resource)


class Kind(ABC, Generic[R]):
    """A kind of resource. An entry is one object in Atlas; a scope is what one LIST covers.

    Attributes:
        templates: the path of each operation in Atlas's API reference.
        scope_noun: what a scope is, for people.
    """

    names: ClassVar[Names]
    resource: type[R]
    templates: ClassVar[Mapping[str, str]]
    scope_noun: ClassVar[str] = "scope"

    # Plain JSON, for code that reads many objects.

    @abstractmethod
    def entry_of(self, body: Body) -> str | None:
        """Return the entry that an object owns, even if its spec is invalid; None: none yet."""

    @abstractmethod
    def shown_in(self, status: Mapping[str, Any]) -> str | None:
        """Return the entry that a status shows: the resource's credentials have reached it."""

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

    # For kinds whose entries are created for a resource that names none.

    def label(self, value: Any) -> str | None:  # noqa: ARG002  # for kinds that create
        """Return the name by which an entry that was created for a resource is found, if it has one."""
        return None

    def recorded_in(self, status: Mapping[str, Any]) -> str | None:  # noqa: ARG002  # for kinds that create
        """Return the entry that a resource has created or adopted, according to its status."""
        return None

    def intended(self, creation: Creation) -> Mapping[str, Any]:  # noqa: ARG002  # for kinds that create
        """Return the fields of the kind's own status that record an intent to create."""
        return {}

    def not_created(self, facts: Facts[R]) -> Mapping[str, Any]:  # noqa: ARG002  # for kinds that create
        """Return the fields of the kind's own status if Atlas has certainly created nothing."""
        return {}

    # For kinds that hand something over.

    def outputs(self, resource: R, own: Mapping[str, Any]) -> Sequence[Output]:  # noqa: ARG002  # for kinds that have some
        """Return the ConfigMaps that a resource publishes; ``own`` has the changed fields of the kind's own status."""
        return ()

    # For the commands ``check`` and ``plan``.

    def state_of(self, value: Any) -> str | None:  # noqa: ARG002  # for kinds whose entries have a state
        """Return the state of an entry in Atlas's word."""
        return None

    def misfit(self, resource: R, values: Collection[Any]) -> str | None:  # noqa: ARG002  # for kinds that have a rule
        """Return how a resource contradicts the entries of its scope, with the remedy; None: it does not."""
        return None

    def harmless_writes(self, scope: Scope, values: Collection[Any]) -> Iterable[Request]:  # noqa: ARG002  # for kinds that have some
        """Return writes that change nothing but need the right to write; each one if Atlas rejects those before it."""
        return ()
