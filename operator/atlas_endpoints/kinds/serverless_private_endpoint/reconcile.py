"""One pass over a resource: observe, plan, at most one write, and an outcome.

A pass does no input or output itself: it asks its ports, which are few and small, so that tests and explorations can
stand in for the world. What it decides stands in ``plan``, ``conclusions`` and ``failures``.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.errors import AtlasError, AtlasUnavailableError, EndpointAbsentError, UpdateRejectedError
from atlas_endpoints.atlas.errors import Retry as AtlasRetry
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.atlas.snapshots import Instance
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.engine.clock import Clock
from atlas_endpoints.engine.outcome import Again, Next, Rest, Retry
from atlas_endpoints.engine.store import Key, key_of
from atlas_endpoints.kinds.access import Access, NoCredentialsError
from atlas_endpoints.kinds.serverless_private_endpoint import conclusions, failures
from atlas_endpoints.kinds.serverless_private_endpoint.agreements import Agreements
from atlas_endpoints.kinds.serverless_private_endpoint.comparison import compare
from atlas_endpoints.kinds.serverless_private_endpoint.conclusions import Pass
from atlas_endpoints.kinds.serverless_private_endpoint.context import Defaults, forced
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    Cause,
    CredentialsPlace,
    InvalidSpecError,
    ObjectMeta,
    Resolved,
    ServerlessPrivateEndpoint,
    Status,
)
from atlas_endpoints.kinds.serverless_private_endpoint.plan import hold, plan
from atlas_endpoints.kinds.serverless_private_endpoint.ports import AccessPort, AtlasPort, BrakesPort, RoundsPort
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import Reason
from atlas_endpoints.kinds.serverless_private_endpoint.standstill import Standstill
from atlas_endpoints.kinds.serverless_private_endpoint.status import render, says
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Action, Outcome, Send, Verdict

logger = logging.getLogger(__name__)

SHARED = 5.0
"""Seconds: a LIST that began no longer ago serves routine looks."""

MEMORY = timedelta(minutes=10)
"""The oldest observation that may justify a PATCH without looking first."""

PATIENCE = timedelta(minutes=30)
"""For at least this long a settled resource stays Ready while looking at it fails."""

LAST_LOOK = 1.0
"""Seconds after which an endpoint is looked at once more at the earliest, for a doubt that ends or has ended meanwhile."""


class Reconciler:
    """Keeps endpoints as their resources want them.

    Args:
        access: finds credentials.
        atlas: reads and changes endpoints.
        rounds: the resync of instances.
        brakes: may hold corrections of drift back.
        writes: whether anything may be written to Atlas; if not, statuses show what would be.
        clock: tells the time.
        defaults: where a resource says nothing.
        grace: for how long something that another object may heal counts as progress.
    """

    def __init__(
        self,
        access: AccessPort,
        atlas: AtlasPort,
        rounds: RoundsPort,
        *,
        brakes: BrakesPort,
        writes: bool,
        clock: Clock,
        defaults: Defaults,
        grace: timedelta,
    ) -> None:
        self._access = access
        self._atlas = atlas
        self._rounds = rounds
        self._brakes = brakes
        self._writes = writes
        self._clock = clock
        self._defaults = defaults
        self._grace = grace
        self._standstill = Standstill(grace)
        self._agreements = Agreements()
        self._unseen_since: dict[Key, datetime] = {}

    async def reconcile(self, body: Mapping[str, Any], previous: Mapping[str, Any]) -> Outcome:
        """Run one pass over a resource."""
        now, key = self._clock.now(), key_of(body)
        generation = _generation(body)
        if "deletionTimestamp" in body["metadata"]:
            self.forget(key)
            return failures.quiet(generation, Rest())
        try:
            resource = ServerlessPrivateEndpoint.parse(body)
        except InvalidSpecError as error:
            self.forget(key)
            outcome = failures.of_invalid_spec(error, generation, Status.parse(previous), now)
            return replace(outcome, handled=_request(body))
        status = resource.status  # which is the previous one
        if resource.suspended_by:
            self.forget(key)
            return _suspended(resource, status)
        try:
            return await self._with_credentials(resource, status, now)
        except NoCredentialsError as error:
            self.forget(key)
            outcome = failures.of_no_credentials(error, generation, status, now=now, grace=self._grace)
            return replace(
                outcome,
                applied=conclusions.confirmed_so_far(resource, status),
                handled=resource.metadata.reconcile_request,
            )
        except ClusterUnavailableError as error:
            logger.warning("A Secret could not be read; it will be tried again: %s", error, extra={"key": str(key)})
            return failures.quiet(generation, Retry())

    def failed(self, body: Mapping[str, Any], error: Exception) -> Outcome:
        """Turn an error that no table knows into an outcome."""
        return failures.of_bug(error, _generation(body), Status.parse(body.get("status")), self._clock.now())

    def render(
        self,
        body: Mapping[str, Any],  # noqa: ARG002  # for kinds whose status depends on more than the one before
        previous: Mapping[str, Any],
        outcome: Outcome,
    ) -> Mapping[str, Any]:
        """Say in a status what a pass came to; without anything to say, what was said before stands."""
        if outcome.verdict is None:
            return previous
        return render(Status.parse(previous), outcome, now=self._clock.now(), grace=self._grace).to_json()

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a resource that is gone, is to be left alone or cannot be worked on."""
        self._rounds.leave(key)
        self._standstill.release(key)
        self._brakes.release(key)
        self._agreements.end(key)
        self._unseen_since.pop(key, None)

    def needs_work(self, body: Mapping[str, Any], instance: Instance, seen: Endpoint | AtlasError | None) -> bool:
        """Tell whether what a round of the instance has seen gives a resource anything to do or to say.

        Args:
            body: the resource.
            instance: of the round.
            seen: its endpoint, ``None`` when the LIST does not hold it, or what the LIST failed with.
        """
        key, now = key_of(body), self._clock.now()
        if isinstance(seen, Endpoint):
            self._unseen_since.pop(key, None)
            if self._agreements.stands(key, body, seen, self._announcement(instance, now)):
                return False
        try:
            resource = ServerlessPrivateEndpoint.parse(body)
        except InvalidSpecError:
            # Its own pass has said so, unless the watch had hidden what a LIST has brought up.
            return not says(Status.parse(body.get("status")), reason=Reason.INVALID_SPEC, generation=_generation(body))
        status = resource.status
        pass_ = self._begin(resource, status, now, instance, status.resolved or Resolved())
        if seen is None:
            return not says(status, reason=Reason.ENDPOINT_NOT_FOUND, generation=pass_.generation)
        if isinstance(seen, AtlasError):
            outcome = self._unseen_for_long(pass_, seen)
        else:
            action = plan(pass_.desired, seen, pass_.context(seen))
            if isinstance(action, Send) and not pass_.plans_only:
                return True
            outcome = self._announced(instance, _without_writing(pass_, action, seen))
        if render(status, outcome, now=now, grace=self._grace) != status:
            return True
        if isinstance(seen, Endpoint) and _is_timeless(pass_, outcome, seen):
            self._agreements.conclude(key, body, seen, self._announcement(instance, now))
        return False

    async def still_uses(self, place: CredentialsPlace, instance: Instance) -> bool:
        """Tell whether the credentials at a place are those of an instance, as its Secret is now.

        Raises:
            ClusterUnavailableError: the Secret could not be read.
        """
        try:
            access = await self._access.resolve(place.namespace, place.secret_name)
        except NoCredentialsError:
            return False
        return access.fingerprint == instance.credentials

    def release(self, key: Key) -> None:
        """Let a resource ask Atlas again, since a round has seen that it is worth it."""
        self._standstill.release(key)

    async def _with_credentials(self, resource: ServerlessPrivateEndpoint, status: Status, now: datetime) -> Outcome:
        """Run the pass, and once more if credentials were refused and newer ones are there by now."""
        key, metadata, secret_name = _key(resource), resource.metadata, resource.secret_name
        access = await self._access.resolve(metadata.namespace, secret_name, fresh=forced(resource, status))
        replayed = self._standstill.replay(key, resource, access.fingerprint, now)
        if replayed is not None:
            return replayed
        outcome = await self._observed(key, resource, status, now, access)
        if outcome.verdict is not None and outcome.verdict.reason is Reason.CREDENTIALS_INVALID:
            newest = await self._access.resolve(metadata.namespace, secret_name, fresh=True)
            if newest.fingerprint != access.fingerprint:
                access = newest
                outcome = await self._observed(key, resource, status, now, access)
        self._standstill.hold(key, resource, access.fingerprint, outcome)
        return outcome

    async def _observed(
        self, key: Key, resource: ServerlessPrivateEndpoint, status: Status, now: datetime, access: Access
    ) -> Outcome:
        """Run the pass with credentials, all errors of Atlas turned into outcomes."""
        spec = resource.spec
        instance = Instance(access.fingerprint, spec.project_id, spec.instance_name)
        resolved = Resolved(
            project_id=spec.project_id,
            cloud_provider_endpoint_id=spec.cloud_provider_endpoint_id,
            private_endpoint_ip_address=spec.private_endpoint_ip_address,
            credentials_source=access.source,
        )
        pass_ = self._begin(resource, status, now, instance, resolved)
        self._rounds.join(key, instance, pass_.interval)
        doubted_for = self._atlas.doubted_for(instance, spec.endpoint_id)
        try:
            outcome = await self._converge(pass_, instance)
        except AtlasError as error:
            outcome = self._unseen_for_long(pass_, error)
            if not _may_pass(error):
                self._brakes.release(key)
        else:
            self._unseen_since.pop(key, None)
        return self._announced(instance, self._looking_again(pass_, instance, outcome, doubted_for))

    async def _converge(self, pass_: Pass, instance: Instance) -> Outcome:
        """Observe, plan, act.

        Raises:
            AtlasError: looking at the endpoint failed.
        """
        endpoint_id = pass_.resource.spec.endpoint_id
        wants_a_look = pass_.in_doubt or pass_.forced
        # What is only planned brings no answer that would correct an outdated memory.
        if not (wants_a_look or pass_.plans_only):
            max_age = min(pass_.interval, MEMORY).total_seconds()
            remembered = self._atlas.recall(instance, endpoint_id, max_age=max_age)
            if remembered is not None:
                action = plan(pass_.desired, remembered, pass_.context(remembered))
                # Memory may only justify a write that the resource asks for; all else is looked at first.
                if isinstance(action, Send) and action.cause in {Cause.FIRST_CONTACT, Cause.EDIT}:
                    return await self._send(pass_, instance, action, remembered)
        observed = await self._look(instance, endpoint_id, max_age=0.0 if wants_a_look else SHARED)
        action = plan(pass_.desired, observed, pass_.context(observed))
        if isinstance(action, Verdict) or pass_.plans_only:
            self._atlas.settle(instance, endpoint_id)
            self._brakes.release(_key(pass_.resource))
            return _without_writing(pass_, action, observed)
        if self._is_held_back(pass_, action):
            return conclusions.came_through(pass_, hold(pass_.desired, observed, pass_.context(observed)), observed)
        return await self._send(pass_, instance, action, observed)

    def _is_held_back(self, pass_: Pass, send: Send) -> bool:
        """Ask the emergency brakes, but never about what a person has asked for."""
        return send.cause is Cause.DRIFT and not pass_.forced and not self._brakes.may_correct(_key(pass_.resource))

    async def _look(self, instance: Instance, endpoint_id: str, *, max_age: float) -> Endpoint:
        """Find the endpoint in the shared LIST, or else past it.

        Its absence takes proof: a GET that says so, and a LIST without it that began for this very purpose.

        Raises:
            AtlasError: ``EndpointAbsentError`` when its absence is proved.
        """
        observed = await self._atlas.observe(instance, endpoint_id, max_age=max_age)
        if observed is not None:
            return observed
        try:
            return await self._atlas.get(instance, endpoint_id)
        except EndpointAbsentError:
            observed = await self._atlas.observe(instance, endpoint_id, max_age=0.0) if max_age > 0 else None
            if observed is None:
                raise
            return observed

    async def _send(self, pass_: Pass, instance: Instance, send: Send, before: Endpoint) -> Outcome:
        """PATCH, and judge what comes back.

        Raises:
            AtlasError: looking at the endpoint, which the answer had made necessary, failed.
        """
        spec = pass_.resource.spec
        self._brakes.release(_key(pass_.resource))
        try:
            answer = await self._atlas.update(
                instance,
                spec.endpoint_id,
                provider_name=spec.provider_name,
                fields={field.value: value for field, value in send.fields.items()},
            )
        except EndpointAbsentError as error:
            seen = await self._look(instance, spec.endpoint_id, max_age=0.0)
            return conclusions.not_applied(pass_, seen, _contradiction(error))
        except UpdateRejectedError as error:
            # The endpoint may not be any more what was planned for: it was remembered, or a lost write has arrived late.
            # That the same is refused again, which is tried as seldom as a healthy resource is checked, is no such news.
            is_news = not says(pass_.previous, reason=Reason.UPDATE_REJECTED, generation=pass_.generation)
            if is_news and await self._look(instance, spec.endpoint_id, max_age=0.0) != before:
                return failures.quiet(pass_.generation, Again(0.0))
            return conclusions.refused(pass_, send, before, error)
        except AtlasError as error:
            if error.unknown_outcome:
                return conclusions.lost(pass_, send, error)
            return conclusions.not_applied(pass_, before, error)
        self._atlas.settle(instance, spec.endpoint_id)
        return conclusions.confirmed(pass_, send, before, answer)

    def _begin(
        self, resource: ServerlessPrivateEndpoint, status: Status, now: datetime, instance: Instance, resolved: Resolved
    ) -> Pass:
        in_doubt = self._atlas.doubted_for(instance, resource.spec.endpoint_id) is not None
        return Pass(
            resource,
            status,
            now,
            resolved,
            in_doubt=in_doubt,
            plans_only=not self._writes,
            defaults=self._defaults,
            grace=self._grace,
        )

    def _unseen_for_long(self, pass_: Pass, error: AtlasError) -> Outcome:
        """Looking at the endpoint failed: say so, unless the resource is settled and it may well be over soon."""
        outcome = conclusions.unseen(pass_, error)
        if not _may_pass(error) or not failures.is_settled(pass_.previous, pass_.generation):
            return outcome
        since = self._unseen_since.setdefault(_key(pass_.resource), pass_.now)
        if pass_.now - since >= max(3 * pass_.interval, PATIENCE):
            return outcome
        return failures.quiet(pass_.generation, outcome.next)

    def _looking_again(self, pass_: Pass, instance: Instance, outcome: Outcome, at_first: float | None) -> Outcome:
        """Have one more look when a write that is in doubt cannot be applied any more.

        Args:
            pass_: that is about to end.
            instance: where the endpoint is.
            outcome: of the pass.
            at_first: for how many seconds a write was in doubt when the pass began; with 0 it has had that look.
        """
        doubted_for = self._atlas.doubted_for(instance, pass_.resource.spec.endpoint_id)
        if doubted_for is None or (doubted_for == 0 and at_first == 0):
            return outcome
        return replace(outcome, next=_sooner(outcome.next, max(doubted_for, LAST_LOOK)))

    def _announcement(self, instance: Instance, now: datetime) -> tuple[Deprecation | None, bool]:
        """Give what Atlas announces about the end of its API, and whether that is past."""
        deprecation = self._atlas.deprecation(instance)
        sunset = deprecation.sunset if deprecation is not None else None
        return deprecation, sunset is not None and sunset <= now

    def _announced(self, instance: Instance, outcome: Outcome) -> Outcome:
        """Add what Atlas announces about the end of its API."""
        return replace(outcome, deprecation=self._atlas.deprecation(instance))


def _is_timeless(pass_: Pass, outcome: Outcome, seen: Endpoint) -> bool:
    """Tell whether a pass would come to the same at any other time, but for what Atlas announces.

    All times that matter to a plan are those after which Atlas, or a difference, is treated otherwise.
    """
    verdict = outcome.verdict
    return verdict is not None and verdict.reason is Reason.AVAILABLE and not compare(pass_.desired, seen)


def _without_writing(pass_: Pass, action: Action, observed: Endpoint) -> Outcome:
    """Conclude a pass that writes nothing to Atlas."""
    if isinstance(action, Send):
        return conclusions.planned(pass_, action, observed)
    return conclusions.came_through(pass_, action, observed)


def _key(resource: ServerlessPrivateEndpoint) -> Key:
    return Key(resource.metadata.namespace, resource.metadata.name)


def _generation(body: Mapping[str, Any]) -> int:
    return int(body["metadata"].get("generation", 0))


def _may_pass(error: AtlasError) -> bool:
    """Tell whether a failure may be over soon, without anybody doing anything."""
    if error.retry is AtlasRetry.WHEN_DUE:  # nothing was sent: it is as with the answer that began the wait
        return error.reason not in failures.CURED_BY_CREDENTIALS
    return error.retry is AtlasRetry.BACKOFF


def _contradiction(error: EndpointAbsentError) -> AtlasUnavailableError:
    """Atlas shows an endpoint and does not find it when it is to change it: let it make up its mind."""
    return AtlasUnavailableError(
        "Atlas contradicts itself: it shows the endpoint, and says on a change that it does not exist. The change is tried"
        " again.",
        operation=error.operation,
        http_status=error.http_status,
        error_code=error.error_code,
        detail=error.detail,
    )


def _request(body: Mapping[str, Any]) -> str | None:
    """Give the request for a pass at once, as far as the metadata can be read."""
    try:
        return ObjectMeta.parse(body).reconcile_request
    except InvalidSpecError:
        return None


def _suspended(resource: ServerlessPrivateEndpoint, previous: Status) -> Outcome:
    return Outcome(
        next=Rest(),
        generation=resource.metadata.generation,
        verdict=Verdict(
            Reason.SUSPENDED,
            f"Suspended by {' and '.join(resource.suspended_by)}: Atlas is neither read nor changed until that is taken back.",
            Rest(),
        ),
        applied=conclusions.confirmed_so_far(resource, previous),
        handled=resource.metadata.reconcile_request,
    )


def _sooner(next_: Next, delay: float) -> Next:
    """Look again after ``delay`` seconds at the latest."""
    match next_:
        case Rest():
            return Again(delay)
        case Again(other):
            return Again(min(delay, other))
        case Retry():
            return next_
