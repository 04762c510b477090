"""What a kind states about itself. A newcomer reads this page first.

A kind is pure: it does no input or output, reads no clock, and remembers nothing. Calls to Atlas are data; the reconciler makes
them. ``decide`` is called again and again on better facts until they are good enough for its answer; which freshness an answer
needs is a rule that all kinds share (``observe``). After a write it runs once more on the facts with the answer in them.

The resource itself (``resource.Resource``) says what of it names things in Atlas and which fields are compared.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
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
    """One kind of resources. An entry is one thing in Atlas, by its id; a scope is what one LIST covers.

    Attributes:
        names: in the Kubernetes API.
        resource: its resources: spec, status, and what of them names things in Atlas.
        templates: the path of each of its operations, as Atlas's API reference has it.
    """

    names: ClassVar[Names]
    resource: type[R]
    templates: ClassVar[Mapping[str, str]]

    # Plain JSON, for what looks at many objects.

    @abstractmethod
    def entry_of(self, body: Body) -> str | None:
        """Return what an object stands for in Atlas, and may write to alone, also when its spec is not valid; None: nothing yet."""

    @abstractmethod
    def shown_in(self, status: Mapping[str, Any]) -> str | None:
        """Return the entry that a status shows: the credentials of its resource have seen it."""

    @abstractmethod
    def scope_name_in(self, spec: Mapping[str, Any]) -> str | None:
        """Return the name of the scope that a spec names."""

    # Atlas: calls as data, answers as values.

    @abstractmethod
    def list_request(self, scope: Scope) -> Request:
        """Return the LIST of a scope."""

    @abstractmethod
    def listed(self, item: Any) -> tuple[str, Any] | None:
        """Read the id and the value of an item of a LIST; None: it has no usable id."""

    @abstractmethod
    def get_request(self, scope: Scope, entry: str) -> Request:
        """Return the GET of one entry."""

    @abstractmethod
    def got(self, entry: str, answer: Any) -> Any | None:
        """Read the answer to a GET; None: it is not readable as this entry."""

    def written(self, write: Write, answer: Any) -> tuple[str, Any] | None:
        """Read the id and the value of an entry from the answer to a write; None: it is not readable."""
        value = self.got(write.touches[0], answer)
        return None if value is None else (write.touches[0], value)

    # Decisions.

    @abstractmethod
    def decide(self, facts: Facts[R]) -> Decision:
        """Return what is true of a resource that lives, and at most one write that would change it."""

    @abstractmethod
    def decide_deletion(self, facts: Facts[R]) -> Decision:
        """Return what is true of the entry of a resource that takes it along, and at most one write towards its end."""

    @abstractmethod
    def render(self, facts: Facts[R], seen: Any) -> Mapping[str, Any]:
        """Return the fields of the kind's own status that show an entry, by their names."""

    # For kinds whose entries are created for a resource that names none.

    def label(self, value: Any) -> str | None:  # noqa: ARG002  # for kinds that create
        """Return the name by which an entry is found that was created for a resource, if it has one."""
        return None

    def recorded_in(self, status: Mapping[str, Any]) -> str | None:  # noqa: ARG002  # for kinds that create
        """Return the entry that was created for a resource, or taken over by it, as its status says."""
        return None

    def intended(self, creation: Creation) -> Mapping[str, Any]:  # noqa: ARG002  # for kinds that create
        """Return the fields of the kind's own status that tell of something that is about to be created."""
        return {}

    def not_created(self, facts: Facts[R]) -> Mapping[str, Any]:  # noqa: ARG002  # for kinds that create
        """Return the fields of the kind's own status when Atlas has surely created nothing."""
        return {}

    # For kinds that hand something over.

    def outputs(self, resource: R, own: Mapping[str, Any]) -> Sequence[Output]:  # noqa: ARG002  # for kinds that have some
        """Return the ConfigMaps that a resource hands over.

        Args:
            resource: as it is; its status is the one before.
            own: the fields of the kind's own status that change, by their names.
        """
        return ()
