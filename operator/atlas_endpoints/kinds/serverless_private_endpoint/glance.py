"""What a round has seen, held against a resource without a pass over it: is there anything to do or to say?"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.atlas.snapshots import Instance
from atlas_endpoints.engine.clock import Clock
from atlas_endpoints.engine.store import key_of
from atlas_endpoints.kinds.serverless_private_endpoint import conclusions
from atlas_endpoints.kinds.serverless_private_endpoint.agreements import Agreements
from atlas_endpoints.kinds.serverless_private_endpoint.claims import Claim
from atlas_endpoints.kinds.serverless_private_endpoint.comparison import compare
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    InvalidSpecError,
    Resolved,
    ServerlessPrivateEndpoint,
    Status,
)
from atlas_endpoints.kinds.serverless_private_endpoint.passes import Passes
from atlas_endpoints.kinds.serverless_private_endpoint.plan import plan
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import Reason
from atlas_endpoints.kinds.serverless_private_endpoint.status import render, says
from atlas_endpoints.kinds.serverless_private_endpoint.this_pass import Pass
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Outcome, Send


class Glance:
    """Tells whether a resource needs a pass.

    Args:
        passes: begins what a pass would be.
        agreements: what was concluded before and still holds.
        claim: who owns an endpoint in the place of a resource that has seen it.
        clock: tells the time.
        grace: for how long something that another object may heal counts as progress.
    """

    def __init__(
        self,
        passes: Passes,
        agreements: Agreements,
        claim: Callable[[Pass, str], Claim],
        *,
        clock: Clock,
        grace: timedelta,
    ) -> None:
        self._passes = passes
        self._agreements = agreements
        self._claim = claim
        self._clock = clock
        self._grace = grace

    def needs_work(self, body: Mapping[str, Any], instance: Instance, seen: Endpoint | AtlasError | None) -> bool:
        """Tell whether what a round of the instance has seen gives a resource anything to do or to say.

        Args:
            body: the resource.
            instance: of the round.
            seen: its endpoint, ``None`` when the LIST does not hold it, or what the LIST failed with.
        """
        key, now = key_of(body), self._clock.now()
        if isinstance(seen, Endpoint):
            self._passes.seen(key)
            if self._agreements.stands(key, body, seen, self._passes.announcement(instance, now)):
                return False
        try:
            # Its times as they stand: only a pass can write those in the future anew, and what waits has a pass of its own due.
            resource = ServerlessPrivateEndpoint.parse(body)
        except InvalidSpecError:
            # Its own pass has said so, unless the watch had hidden what a LIST has brought up.
            return not says(
                Status.parse(body.get("status")),
                reason=Reason.INVALID_SPEC,
                generation=int(body["metadata"].get("generation", 0)),
            )
        if resource.needs_the_cluster and isinstance(seen, Endpoint):
            return True  # what it refers to, or has written, may have changed, which only a pass reads
        status = resource.status
        pass_ = self._passes.begin(resource, status, now, instance, status.resolved or Resolved())
        if seen is None:
            if resource.endpoint_id is None or pass_.replaces_lost:
                return not says(status, reason=Reason.PLANNED, generation=pass_.generation)
            return not says(status, reason=Reason.ENDPOINT_NOT_FOUND, generation=pass_.generation)
        if isinstance(seen, AtlasError):
            outcome = self._passes.unseen(pass_, seen)
        elif (claim := self._claim(pass_, seen.id)) is not None:
            outcome = self._passes.announced(instance, conclusions.contended(pass_, claim, seen))
        else:
            action = plan(pass_.desired, seen, pass_.context(seen))
            if isinstance(action, Send) and pass_.policy == "Manage":
                return True
            outcome = self._passes.announced(instance, conclusions.without_writing(pass_, action, seen))
        if render(status, outcome, now=now, grace=self._grace) != status:
            return True
        if isinstance(seen, Endpoint) and _is_timeless(pass_, outcome, seen):
            self._agreements.conclude(key, body, seen, self._passes.announcement(instance, now))
        return False


def _is_timeless(pass_: Pass, outcome: Outcome, seen: Endpoint) -> bool:
    """Tell whether a pass would come to the same at any other time, but for what Atlas announces.

    All times that matter to a plan are those after which Atlas, or a difference, is treated otherwise.
    """
    verdict = outcome.verdict
    return verdict is not None and verdict.reason is Reason.AVAILABLE and not compare(pass_.desired, seen)
