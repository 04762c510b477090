"""How passes over resources begin and end, whoever makes them: what they know, and what is added to what they came to."""

from dataclasses import replace
from datetime import datetime, timedelta

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.errors import Retry as AtlasRetry
from atlas_endpoints.atlas.snapshots import Instance
from atlas_endpoints.engine.clock import believed
from atlas_endpoints.engine.outcome import at_latest
from atlas_endpoints.engine.store import Key
from atlas_endpoints.kinds.serverless_private_endpoint import conclusions, failures
from atlas_endpoints.kinds.serverless_private_endpoint.context import Defaults
from atlas_endpoints.kinds.serverless_private_endpoint.model import Resolved, ServerlessPrivateEndpoint, Status
from atlas_endpoints.kinds.serverless_private_endpoint.observation import SHARED
from atlas_endpoints.kinds.serverless_private_endpoint.ports import AtlasPort
from atlas_endpoints.kinds.serverless_private_endpoint.this_pass import Pass
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Outcome

PATIENCE = timedelta(minutes=30)
"""For at least this long a settled resource stays Ready while looking at it fails."""

LAST_LOOK = 1.0
"""Seconds after which an endpoint is looked at once more at the earliest, for a doubt that ends or has ended meanwhile."""


class Passes:
    """Begins and ends passes, and remembers since when endpoints could not be looked at.

    Args:
        atlas: tells of doubts, and of the end of its API.
        writes: whether anything may be written to Atlas.
        defaults: where a resource says nothing.
        grace: for how long something that another object may heal counts as progress.
    """

    def __init__(self, atlas: AtlasPort, *, writes: bool, defaults: Defaults, grace: timedelta) -> None:
        self._atlas = atlas
        self._writes = writes
        self._defaults = defaults
        self._grace = grace
        self._unseen_since: dict[Key, datetime] = {}

    def begin(
        self,
        resource: ServerlessPrivateEndpoint,
        status: Status,
        now: datetime,
        instance: Instance,
        resolved: Resolved,
        *,
        max_age: float = SHARED,
    ) -> Pass:
        """Give what a pass knows from its beginning."""
        in_doubt = self._atlas.doubted_for(instance, resource.endpoint_id or resource.mark) is not None
        return Pass(
            resource,
            status,
            now,
            resolved,
            in_doubt=in_doubt,
            writes=self._writes,
            defaults=self._defaults,
            grace=self._grace,
            max_age=max_age,
        )

    def seen(self, key: Key) -> None:
        """Take in that the endpoint of a resource was looked at, or that nobody is to look any more."""
        self._unseen_since.pop(key, None)

    def unseen(self, pass_: Pass, error: AtlasError) -> Outcome:
        """Looking at the endpoint failed: say so, unless the resource is settled and it may well be over soon."""
        outcome = conclusions.unseen(pass_, error)
        if not may_pass(error) or not failures.is_settled(pass_.previous, pass_.generation):
            return outcome
        since = believed(self._unseen_since.get(pass_.key, pass_.now), now=pass_.now)
        self._unseen_since[pass_.key] = since
        if pass_.now - since >= max(3 * pass_.interval, PATIENCE):
            return outcome
        return failures.quiet(pass_.generation, outcome.next, unsaid=error.reason)

    def looking_again(self, pass_: Pass, instance: Instance, outcome: Outcome, at_first: float | None) -> Outcome:
        """Have one more look when a write that is in doubt cannot be applied any more.

        Args:
            pass_: that is about to end.
            instance: where the endpoint is.
            outcome: of the pass.
            at_first: for how many seconds a write was in doubt when the pass began; with 0 it has had that look.
        """
        doubted_for = self._atlas.doubted_for(instance, pass_.written_as)
        if doubted_for is None or (doubted_for == 0 and at_first == 0):
            return outcome
        return replace(outcome, next=at_latest(outcome.next, max(doubted_for, LAST_LOOK)))

    def announcement(self, instance: Instance, now: datetime) -> tuple[Deprecation | None, bool]:
        """Give what Atlas announces about the end of its API, and whether that is past."""
        deprecation = self._atlas.deprecation(instance)
        sunset = deprecation.sunset if deprecation is not None else None
        return deprecation, sunset is not None and sunset <= now

    def announced(self, instance: Instance, outcome: Outcome) -> Outcome:
        """Add what Atlas announces about the end of its API."""
        return replace(outcome, deprecation=self._atlas.deprecation(instance))


def may_pass(error: AtlasError) -> bool:
    """Tell whether a failure may be over soon, without anybody doing anything."""
    if error.retry is AtlasRetry.WHEN_DUE:  # nothing was sent: it is as with the answer that began the wait
        return error.reason not in failures.CURED_BY_CREDENTIALS
    return error.retry is AtlasRetry.BACKOFF
