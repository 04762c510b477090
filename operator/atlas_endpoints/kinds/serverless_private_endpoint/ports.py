"""What a pass asks of the world: few and small ports, behind which tests and explorations can put worlds of their own."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.atlas.snapshots import Instance
from atlas_endpoints.cluster.age import Age
from atlas_endpoints.engine.store import Body, Key, Trigger
from atlas_endpoints.kinds.access import Access
from atlas_endpoints.kinds.serverless_private_endpoint.model import ServerlessPrivateEndpoint, Status
from atlas_endpoints.kinds.serverless_private_endpoint.projects import Project
from atlas_endpoints.kinds.serverless_private_endpoint.references import Resolution
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Outcome


class AccessPort(Protocol):
    """Finds credentials; see ``kinds.access.AccessResolver``."""

    async def resolve(self, namespace: str, secret_name: str | None, *, age: Age = Age.RECENT) -> Access:
        """Find the credentials of a resource."""
        ...

    def judged(self, access: Access, *, accepted: bool) -> None:
        """Take in whether Atlas accepts credentials."""
        ...


class ReferencesPort(Protocol):
    """Finds what resources refer to; see ``references.ReferenceResolver``."""

    async def resolve(self, resource: ServerlessPrivateEndpoint, *, age: Age) -> Resolution:
        """Put plain values in the place of references."""
        ...

    async def project(self, resource: ServerlessPrivateEndpoint, *, age: Age) -> Project:
        """Find the project that a resource is about."""
        ...


class OutputsPort(Protocol):
    """Writes what resources hand over; see ``outputs.Outputs``."""

    async def publish(
        self,
        resource: ServerlessPrivateEndpoint,
        outcome: Outcome,
        previous: Status,
        *,
        instance: Instance | None,
        max_age: float,
    ) -> Outcome:
        """Have it written, and say what came of it."""
        ...

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a resource."""
        ...


class AtlasPort(Protocol):
    """Reads and changes endpoints; see ``atlas.gateway.Gateway`` and ``atlas.snapshots.Snapshots``."""

    def use(self, resource: Key, fingerprint: str) -> None:
        """Keep credentials as long as a resource uses them."""
        ...

    def release(self, resource: Key) -> None:
        """Release the credentials that a resource uses."""
        ...

    def recall(self, instance: Instance, endpoint_id: str, *, max_age: float) -> Endpoint | None:
        """Give what is remembered, without a call."""
        ...

    def recall_commented(self, instance: Instance, beginning: str) -> tuple[Endpoint, ...]:
        """Give the endpoints that are remembered whose comments begin so, without a call."""
        ...

    async def observe(self, instance: Instance, endpoint_id: str, *, max_age: float) -> Endpoint | None:
        """Look an endpoint up in the instance's shared LIST."""
        ...

    def let_through(self, instance: Instance) -> None:
        """Let the next call to an instance pass before the time that Atlas named, once in each such wait."""
        ...

    async def get(self, instance: Instance, endpoint_id: str) -> Endpoint:
        """Read one endpoint past all memory."""
        ...

    async def update(
        self, instance: Instance, endpoint_id: str, *, provider_name: str, fields: Mapping[str, str]
    ) -> Endpoint:
        """Change an endpoint."""
        ...

    async def marked(self, instance: Instance, mark: str, *, max_age: float) -> tuple[Endpoint, ...]:
        """Give the endpoints with this comment, the smallest id first."""
        ...

    async def create(self, instance: Instance, mark: str) -> Endpoint:
        """Reserve an endpoint."""
        ...

    async def delete(self, instance: Instance, endpoint_id: str) -> None:
        """Have an endpoint deleted."""
        ...

    def doubted_for(self, instance: Instance, endpoint_id: str) -> float | None:
        """Tell for how many more seconds a write is in doubt."""
        ...

    def settle(self, instance: Instance, endpoint_id: str) -> None:
        """End a doubt whose time is over and after which a LIST was observed."""
        ...

    def deprecation(self, instance: Instance) -> Deprecation | None:
        """Tell what Atlas announced about the end of its API."""
        ...


class BrakesPort(Protocol):
    """Holds corrections of drift back when there are suspiciously many of them; see ``brakes.Brakes``."""

    def wait_to_correct(self, key: Key) -> float:
        """Tell after how many seconds drift of a resource may be corrected; what a person asked for is never asked about."""
        ...

    def release(self, key: Key) -> None:
        """Take in that nothing of a resource is held back (any more)."""
        ...


class ResourcesPort(Protocol):
    """The resources as they are known now; see ``engine.store.Store``."""

    def holds(self, key: Key, uid: str) -> bool:
        """Tell whether exactly this resource is there, not only one of its name."""
        ...

    def is_still(self, key: Key, trigger: Trigger) -> bool:
        """Tell whether a resource is still what a pass over it was begun for."""
        ...

    def get(self, key: Key) -> Body | None:
        """Give a resource as the API server has it."""
        ...

    def found_by(self, value: str) -> Sequence[Body]:
        """Give the resources that stand for the endpoint of an id."""
        ...


class RoundsPort(Protocol):
    """The resync of instances; see ``resync.Rounds``."""

    def join(self, key: Key, instance: Instance, interval: timedelta) -> None:
        """Have a resource looked at with its instance from now on."""
        ...

    def instance_of(self, key: Key) -> Instance | None:
        """Return with which instance a resource is looked at, if it is."""
        ...

    def leave(self, key: Key) -> None:
        """Have it looked at no more."""
        ...
