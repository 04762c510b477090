"""What a pass asks of the world: few and small ports, behind which tests and explorations can put worlds of their own."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.atlas.snapshots import Instance
from atlas_endpoints.engine.store import Key
from atlas_endpoints.kinds.access import Access


class AccessPort(Protocol):
    """Finds credentials; see ``kinds.access.AccessResolver``."""

    async def resolve(self, namespace: str, secret_name: str | None, *, fresh: bool = False) -> Access:
        """Find the credentials of a resource."""
        ...


class AtlasPort(Protocol):
    """Reads and changes endpoints; see ``atlas.gateway.Gateway`` and ``atlas.snapshots.Snapshots``."""

    def recall(self, instance: Instance, endpoint_id: str, *, max_age: float) -> Endpoint | None:
        """Give what is remembered, without a call."""
        ...

    async def observe(self, instance: Instance, endpoint_id: str, *, max_age: float) -> Endpoint | None:
        """Look an endpoint up in the instance's shared LIST."""
        ...

    async def get(self, instance: Instance, endpoint_id: str) -> Endpoint:
        """Read one endpoint past all memory."""
        ...

    async def update(
        self, instance: Instance, endpoint_id: str, *, provider_name: str, fields: Mapping[str, str]
    ) -> Endpoint:
        """Change an endpoint."""
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

    def may_correct(self, key: Key) -> bool:
        """Tell whether drift of a resource may be corrected now; what a person has asked for is never asked about."""
        ...

    def release(self, key: Key) -> None:
        """Take in that nothing of a resource is held back (any more)."""
        ...


class RoundsPort(Protocol):
    """The resync of instances; see ``resync.Rounds``."""

    def join(self, key: Key, instance: Instance, interval: timedelta) -> None:
        """Have a resource looked at with its instance from now on."""
        ...

    def leave(self, key: Key) -> None:
        """Have it looked at no more."""
        ...
