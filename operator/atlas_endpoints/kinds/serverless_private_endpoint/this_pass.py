"""What one pass over a resource knows from its beginning; pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.engine.store import Key
from atlas_endpoints.kinds.serverless_private_endpoint.comparison import Fields
from atlas_endpoints.kinds.serverless_private_endpoint.context import Context, Defaults, forced, gather
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    ManagementPolicy,
    Resolved,
    ServerlessPrivateEndpoint,
    Status,
)


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass knows from its beginning.

    Attributes:
        resource: as it is.
        previous: the status before.
        now: wall-clock time, UTC, the same for the whole pass.
        resolved: what the pass uses, for the status.
        in_doubt: whether a write may still be applied whose answer was lost.
        writes: whether the operator may write to Atlas at all.
        defaults: where the resource says nothing.
        grace: for how long something that another object may heal counts as progress.
        max_age: how many seconds old a LIST may be that the pass acts on.
    """

    resource: ServerlessPrivateEndpoint
    previous: Status
    now: datetime
    resolved: Resolved
    in_doubt: bool
    writes: bool
    defaults: Defaults
    grace: timedelta
    max_age: float

    @property
    def key(self) -> Key:
        """The resource."""
        return self.resource.key

    @property
    def generation(self) -> int:
        """The spec that the pass acts on."""
        return self.resource.metadata.generation

    @property
    def endpoint_id(self) -> str | None:
        """The endpoint that the resource stands for, if there is one yet."""
        return self.resource.endpoint_id

    @property
    def replaces_lost(self) -> bool:
        """Whether another endpoint is reserved when this one is gone from Atlas: that is drift, too."""
        spec = self.resource.spec
        return spec.endpoint_id is None and spec.drift_policy == "Correct" and self.policy == "Manage"

    @property
    def written_as(self) -> str:
        """By what a write is kept in mind as long as nobody knows what became of it."""
        return self.resource.endpoint_id or self.resource.mark

    @property
    def desired(self) -> Fields:
        """The managed fields as they are wanted."""
        return self.resource.spec.desired

    @property
    def forced(self) -> bool:
        """Whether a person asked for a fresh attempt that has not been made yet."""
        return forced(self.resource, self.previous)

    @property
    def policy(self) -> ManagementPolicy:
        """What is done about a difference: an operator that may not write shows what it would send."""
        wanted = self.resource.spec.management_policy
        return "Plan" if wanted == "Manage" and not self.writes else wanted

    @property
    def interval(self) -> timedelta:
        """How often the endpoint is looked at when all is well."""
        return self.resource.spec.sync_interval or self.defaults.sync_interval

    def context(self, observed: Endpoint) -> Context:
        """Give what planning needs to know beside the desire and the observation."""
        return gather(
            self.resource,
            self.previous,
            observed,
            now=self.now,
            in_doubt=self.in_doubt,
            defaults=self.defaults,
        )
