"""One pass over a resource: observe, plan, at most one write, and an outcome.

A pass does no input or output itself: it asks its ports, which are few and small, so that tests and explorations can
stand in for the world. What it decides stands in ``plan`` and ``failures``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.errors import AtlasError, EndpointAbsentError, UpdateRejectedError
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.atlas.snapshots import Instance
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.engine.clock import Clock
from atlas_endpoints.engine.outcome import Again, Next, Rest, Retry
from atlas_endpoints.engine.store import Key, key_of
from atlas_endpoints.kinds.access import Access, NoCredentialsError
from atlas_endpoints.kinds.serverless_private_endpoint import failures
from atlas_endpoints.kinds.serverless_private_endpoint.comparison import Difference, compare, same, shown
from atlas_endpoints.kinds.serverless_private_endpoint.context import (
    APPLIED,
    Context,
    Defaults,
    applied_of,
    forced,
    gather,
    status_since,
)
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    Applied,
    Cause,
    InvalidSpecError,
    ManagedField,
    ObjectMeta,
    Resolved,
    ServerlessPrivateEndpoint,
    Status,
)
from atlas_endpoints.kinds.serverless_private_endpoint.plan import judge, plan
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import Reason
from atlas_endpoints.kinds.serverless_private_endpoint.status import find, render
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Outcome, Send, Sent, Verdict

SHARED = 5.0
"""Seconds: a LIST that began no longer ago serves routine looks."""

MEMORY = timedelta(minutes=10)
"""The oldest observation that may justify a PATCH without looking first."""

PATIENCE = timedelta(minutes=30)
"""For at least this long a settled resource stays Ready while looking at it fails."""


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

    def deprecation(self, instance: Instance) -> Deprecation | None:
        """Tell what Atlas announced about the end of its API."""
        ...


class RoundsPort(Protocol):
    """The resync of instances; see ``resync.Rounds``."""

    def join(self, key: Key, instance: Instance, interval: timedelta) -> None:
        """Have a resource looked at with its instance from now on."""
        ...

    def leave(self, key: Key) -> None:
        """Have it looked at no more."""
        ...


@dataclass(frozen=True, slots=True)
class _Gate:
    """Keeps a resource that waits for better credentials from asking Atlas again before its time."""

    generation: int
    request: str | None
    fingerprint: str
    until: float


@dataclass(frozen=True, slots=True)
class _Pass:
    """What one pass knows from its beginning.

    Attributes:
        resource: as it is.
        previous: the status before.
        now: wall-clock time, UTC, the same for the whole pass.
        instance: where the endpoint is, as the resource's credentials see it.
        resolved: what the pass uses, for the status.
        in_doubt: whether a write may still be applied whose answer was lost.
    """

    resource: ServerlessPrivateEndpoint
    previous: Status
    now: datetime
    instance: Instance
    resolved: Resolved
    in_doubt: bool

    @property
    def generation(self) -> int:
        return self.resource.metadata.generation


class Reconciler:
    """Keeps endpoints as their resources want them.

    Args:
        access: finds credentials.
        atlas: reads and changes endpoints.
        rounds: the resync of instances.
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
        clock: Clock,
        defaults: Defaults,
        grace: timedelta,
    ) -> None:
        self._access = access
        self._atlas = atlas
        self._rounds = rounds
        self._clock = clock
        self._defaults = defaults
        self._grace = grace
        self._gates: dict[Key, _Gate] = {}
        self._unseen_since: dict[Key, datetime] = {}

    async def reconcile(self, body: Mapping[str, Any], previous: Mapping[str, Any]) -> Outcome:
        """Run one pass over a resource."""
        now, status, key = self._clock.now(), Status.parse(previous), key_of(body)
        try:
            resource = ServerlessPrivateEndpoint.parse(body)
        except InvalidSpecError as error:
            self._rounds.leave(key)
            return failures.of_invalid_spec(error, ObjectMeta.parse(body).generation, status, now)
        generation = resource.metadata.generation
        if resource.metadata.deletion_timestamp is not None:
            self.forget(key)
            return failures.quiet(generation, Rest())
        if resource.suspended:
            self.forget(key)
            return _suspended(generation, status)
        try:
            return await self._with_credentials(key, resource, status, now)
        except NoCredentialsError as error:
            self._rounds.leave(key)
            return failures.of_no_credentials(error, generation, status, now=now, grace=self._grace)
        except ClusterUnavailableError:
            return failures.quiet(generation, Retry())

    def failed(self, body: Mapping[str, Any], error: Exception) -> Outcome:
        """Turn an error that no table knows into an outcome."""
        status = Status.parse(body.get("status"))
        return failures.of_bug(error, body["metadata"].get("generation", 0), status, self._clock.now())

    def render(self, body: Mapping[str, Any], previous: Mapping[str, Any], outcome: Outcome) -> Mapping[str, Any]:
        """Say in a status what a pass came to."""
        if outcome.verdict is None:
            return body.get("status") or {}
        return render(Status.parse(previous), outcome, now=self._clock.now(), grace=self._grace).to_json()

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a resource that is gone or wants to be left alone."""
        self._rounds.leave(key)
        self._gates.pop(key, None)
        self._unseen_since.pop(key, None)

    def needs_work(self, body: Mapping[str, Any], instance: Instance, seen: Endpoint | AtlasError | None) -> bool:
        """Tell whether what a round of the instance has seen gives a resource anything to do or to say.

        Args:
            body: the resource.
            instance: of the round.
            seen: its endpoint, ``None`` when the LIST does not hold it, or what the LIST failed with.
        """
        status = Status.parse(body.get("status"))
        try:
            resource = ServerlessPrivateEndpoint.parse(body)
        except InvalidSpecError:
            return False  # its own pass has said so
        pass_ = self._begin(resource, status, self._clock.now(), instance, status.resolved or Resolved())
        if seen is None:
            return status.observed_generation != pass_.generation or not _is_ready_reason(
                status, Reason.ENDPOINT_NOT_FOUND
            )
        if isinstance(seen, AtlasError):
            outcome = self._fail(pass_, seen)
        else:
            self._unseen_since.pop(key_of(body), None)
            action = plan(resource.spec.desired, seen, self._context(pass_, seen))
            if isinstance(action, Send):
                return True
            outcome = self._conclude(pass_, action, seen)
        return outcome.verdict is not None and self.render(body, status.to_json(), outcome) != status.to_json()

    def release(self, key: Key) -> None:
        """Let a resource ask Atlas again before its time, since a round has seen that it is worth it."""
        self._gates.pop(key, None)

    async def _with_credentials(
        self, key: Key, resource: ServerlessPrivateEndpoint, status: Status, now: datetime
    ) -> Outcome:
        """Run the pass, and once more if credentials were refused and newer ones are there by now."""
        metadata, reference = resource.metadata, resource.spec.credentials_secret_ref
        secret_name = reference.name if reference else None
        access = await self._access.resolve(metadata.namespace, secret_name)
        gate = self._gates.get(key)
        if gate is not None and (gate.generation, gate.request, gate.fingerprint) == (
            metadata.generation,
            metadata.reconcile_request,
            access.fingerprint,
        ):
            remaining = gate.until - self._clock.monotonic()
            if remaining > 0:
                return failures.quiet(metadata.generation, Again(min(remaining, failures.SECRET_LOOK)))
        outcome = await self._observed(key, resource, status, now, access)
        if outcome.verdict is not None and outcome.verdict.reason is Reason.CREDENTIALS_INVALID:
            newer = await self._access.resolve(metadata.namespace, secret_name, fresh=True)
            if newer.fingerprint != access.fingerprint:
                access = newer
                outcome = await self._observed(key, resource, status, now, access)
        self._set_gate(key, resource, access, outcome)
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
        self._rounds.join(key, instance, spec.sync_interval or self._defaults.sync_interval)
        pass_ = self._begin(resource, status, now, instance, resolved)
        try:
            outcome = await self._converge(pass_)
        except AtlasError as error:
            return self._fail(pass_, error)
        self._unseen_since.pop(key, None)
        return outcome

    async def _converge(self, pass_: _Pass) -> Outcome:
        """Observe, plan, act.

        Raises:
            AtlasError: looking at the endpoint failed.
        """
        spec = pass_.resource.spec
        wants_a_look = pass_.in_doubt or forced(pass_.resource, pass_.previous)
        if not wants_a_look:
            max_age = min(spec.sync_interval or self._defaults.sync_interval, MEMORY).total_seconds()
            remembered = self._atlas.recall(pass_.instance, spec.endpoint_id, max_age=max_age)
            if remembered is not None:
                action = plan(spec.desired, remembered, self._context(pass_, remembered))
                # Memory may only justify a write that the resource asks for; all else is looked at first.
                if isinstance(action, Send) and action.cause in {Cause.FIRST_CONTACT, Cause.EDIT}:
                    old = self._atlas.recall(pass_.instance, spec.endpoint_id, max_age=SHARED) is None
                    return await self._send(pass_, action, remembered, from_memory=old)
        observed = await self._look(pass_, max_age=0.0 if wants_a_look else SHARED)
        action = plan(spec.desired, observed, self._context(pass_, observed))
        if isinstance(action, Send):
            return await self._send(pass_, action, observed, from_memory=False)
        return self._conclude(pass_, action, observed)

    async def _look(self, pass_: _Pass, *, max_age: float) -> Endpoint:
        """Find the endpoint in the shared LIST; when it is not there, ask for it, since a LIST alone proves nothing.

        Raises:
            AtlasError: ``EndpointAbsentError`` when its absence is proved.
        """
        endpoint_id = pass_.resource.spec.endpoint_id
        observed = await self._atlas.observe(pass_.instance, endpoint_id, max_age=max_age)
        return observed if observed is not None else await self._atlas.get(pass_.instance, endpoint_id)

    async def _send(self, pass_: _Pass, send: Send, before: Endpoint, *, from_memory: bool) -> Outcome:
        """PATCH, and judge the answer, which is the whole truth."""
        spec = pass_.resource.spec
        try:
            answer = await self._atlas.update(
                pass_.instance,
                spec.endpoint_id,
                provider_name=spec.provider_name,
                fields={field.value: value for field, value in send.fields.items()},
            )
        except EndpointAbsentError:
            await self._look(pass_, max_age=0.0)
            return failures.quiet(pass_.generation, Retry())  # Atlas contradicts itself: let it make up its mind
        except UpdateRejectedError as error:
            # What was remembered may be why: look, and let the next pass plan on what is true.
            if from_memory and await self._look(pass_, max_age=0.0) != before:
                return failures.quiet(pass_.generation, Again(0.0))
            return self._refused(pass_, send, before, error)
        except AtlasError as error:
            if not error.unknown_outcome:
                return self._fail(pass_, error)
            sent = Sent(tuple(send.fields), send.cause, f"Unknown: {error.reason}", confirmed=False)
            return self._fail(pass_, error, sent=sent, forget_applied=True)
        return self._confirmed(pass_, send, before, answer)

    def _confirmed(self, pass_: _Pass, send: Send, before: Endpoint, answer: Endpoint) -> Outcome:
        """Atlas took the PATCH: judge what it answered."""
        desired = pass_.resource.spec.desired
        context = self._context(pass_, before)
        kept = {
            field: value
            for field, value in (context.confirmed or {}).items()
            if field in desired and field not in send.fields and same(field, value, desired[field])
        }
        values = {**kept, **{field: shown(answer, field) or "" for field in send.fields}}
        contradicted = any(
            value and not same(field, value, desired[field]) and not same(field, value, shown(before, field))
            for field, value in values.items()
        )
        after = replace(
            self._context(pass_, answer),
            confirmed=values,
            confirmed_generation=pass_.generation,
            # A value that is neither the old nor the new one does not come from Atlas being slow.
            confirmed_at=None if contradicted else pass_.now,
            seen_generation=pass_.generation,
            in_doubt=False,
            forced=False,
        )
        sent = Sent(tuple(send.fields), send.cause, APPLIED, confirmed=True)
        verdict = judge(desired, answer, after)
        return self._conclude(pass_, verdict, answer, sent=sent, applied=applied_of(pass_.generation, values))

    def _refused(self, pass_: _Pass, send: Send, before: Endpoint, error: UpdateRejectedError) -> Outcome:
        """Atlas does not take the PATCH: remember which fields, so that the others go without them."""
        names = tuple(send.fields)
        refused = failures.refused_fields(error, names)
        result = f"Rejected: {error.error_code or error.http_status}"
        newest = next(iter(pass_.previous.history), None)
        repeated = newest is not None and (newest.generation, newest.fields, newest.result) == (
            pass_.generation,
            names,
            result,
        )
        outcome = self._fail(
            pass_,
            error,
            sent=None if repeated else Sent(names, send.cause, result, confirmed=False),
            refused=refused,
            differences=compare(pass_.resource.spec.desired, before),
        )
        outcome = replace(outcome, endpoint=before, status_since=status_since(pass_.previous, before, pass_.now))
        return outcome if set(refused) == set(names) else replace(outcome, next=Again(0.0))

    def _conclude(
        self,
        pass_: _Pass,
        verdict: Verdict,
        endpoint: Endpoint,
        *,
        sent: Sent | None = None,
        applied: Applied | None = None,
    ) -> Outcome:
        """The pass has come through: say what is true of the endpoint."""
        desired = pass_.resource.spec.desired
        if not compare(desired, endpoint):
            applied = applied_of(pass_.generation, desired)
        still_refused = verdict.reason is Reason.UPDATE_REJECTED and sent is not None
        doubted_for = self._atlas.doubted_for(pass_.instance, endpoint.id)
        return Outcome(
            next=verdict.next if doubted_for is None else _sooner(verdict.next, doubted_for),
            generation=pass_.generation,
            verdict=verdict,
            applied=applied or pass_.previous.applied,
            endpoint=endpoint,
            status_since=status_since(pass_.previous, endpoint, pass_.now),
            resolved=pass_.resolved,
            credentials=failures.VERIFIED,
            sent=sent,
            failure=failures.still_refused(pass_.previous, verdict) if still_refused else None,
            handled=pass_.resource.metadata.reconcile_request,
            deprecation=self._atlas.deprecation(pass_.instance),
        )

    def _fail(
        self,
        pass_: _Pass,
        error: AtlasError,
        *,
        sent: Sent | None = None,
        refused: tuple[ManagedField, ...] = (),
        differences: tuple[Difference, ...] = (),
        forget_applied: bool = False,
    ) -> Outcome:
        """The pass has not come through: say why, unless the resource is settled and it may well be over soon."""
        resource, previous = pass_.resource, pass_.previous
        outcome = failures.of_atlas(
            error,
            pass_.generation,
            previous,
            now=pass_.now,
            grace=self._grace,
            resolved=pass_.resolved,
            sent=sent,
            refused=refused,
            differences=differences,
            applied=None if forget_applied else previous.applied,
        )
        if outcome.verdict is None or outcome.failure is None:
            return outcome
        if not outcome.failure.retryable:
            return replace(outcome, handled=resource.metadata.reconcile_request)
        if sent is None and failures.is_settled(previous, pass_.generation):
            since = self._unseen_since.setdefault(_key(resource), pass_.now)
            interval = resource.spec.sync_interval or self._defaults.sync_interval
            if pass_.now - since < max(3 * interval, PATIENCE):
                return failures.quiet(pass_.generation, outcome.next)
        return outcome

    def _begin(
        self, resource: ServerlessPrivateEndpoint, status: Status, now: datetime, instance: Instance, resolved: Resolved
    ) -> _Pass:
        doubted_for = self._atlas.doubted_for(instance, resource.spec.endpoint_id)
        return _Pass(resource, status, now, instance, resolved, in_doubt=doubted_for is not None)

    def _context(self, pass_: _Pass, observed: Endpoint) -> Context:
        return gather(
            pass_.resource,
            pass_.previous,
            observed,
            now=pass_.now,
            in_doubt=pass_.in_doubt,
            defaults=self._defaults,
        )

    def _set_gate(self, key: Key, resource: ServerlessPrivateEndpoint, access: Access, outcome: Outcome) -> None:
        """After a failure that only better credentials cure, ask Atlas again no sooner than a healthy resource does."""
        if outcome.verdict is None or outcome.verdict.reason not in failures.CURED_BY_CREDENTIALS:
            self._gates.pop(key, None)
            return
        wait = resource.spec.sync_interval or self._defaults.sync_interval
        if outcome.failure is not None:
            grace_left = outcome.failure.since + self._grace - self._clock.now()
            wait = grace_left if timedelta(0) < grace_left < wait else wait
        self._gates[key] = _Gate(
            resource.metadata.generation,
            resource.metadata.reconcile_request,
            access.fingerprint,
            self._clock.monotonic() + wait.total_seconds(),
        )


def _key(resource: ServerlessPrivateEndpoint) -> Key:
    return Key(resource.metadata.namespace, resource.metadata.name)


def _suspended(generation: int, previous: Status) -> Outcome:
    return Outcome(
        next=Rest(),
        generation=generation,
        verdict=Verdict(
            Reason.SUSPENDED,
            "Suspended by spec.suspend or an annotation: Atlas is neither read nor changed.",
            Rest(),
        ),
        applied=previous.applied,
    )


def _sooner(following: Next, delay: float) -> Next:
    """Look again after ``delay`` seconds at the latest."""
    match following:
        case Rest():
            return Again(delay)
        case Again(other):
            return Again(min(delay, other))
        case Retry():
            return following


def _is_ready_reason(status: Status, reason: Reason) -> bool:
    ready = find(status, "Ready")
    return ready is not None and ready.reason == reason
