"""An in-memory harness for reconciles: an Atlas that holds endpoints, Secrets, resources, and time.

The observation cache and the resync are the real ones; their ports are fakes that log the calls. ``Harness.run_for`` runs what
is due, in order, and advances the clock between, so that a day costs milliseconds.
"""

import asyncio
import json
import re
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Literal, TypeAlias, TypeVar

from typing_extensions import override

from atlas_endpoints.atlas.answers import Deprecation, Listing, Refusal, classify
from atlas_endpoints.atlas.errors import (
    AccountSuspendedError,
    APIGoneError,
    AtlasError,
    AtlasHeldError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    EndpointAbsentError,
    InstanceNotFoundError,
    IPNotAllowedError,
    MissingRoleError,
    NotLeaderError,
    NotServerlessError,
    ProjectNotFoundError,
    RateLimitedError,
    UpdateRejectedError,
)
from atlas_endpoints.atlas.observations import ObservationCache, Seen, View
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import Age, ConfigMap, OutputOwner, Target
from atlas_endpoints.cluster.errors import (
    ClusterUnavailableError,
    ReferenceProblem,
    SecretProblem,
    UnreadableError,
)
from atlas_endpoints.controller.cache import Body, Cache, Key, News
from atlas_endpoints.controller.controller import ConflictError, MetadataChange, RefusedError
from atlas_endpoints.controller.requeue import Backoff, NoRequeue, Requeue, RequeueAfter
from atlas_endpoints.kinds.connection_strings import Connected, PrivateStrings
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import REFUSALS, Endpoint
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.credentials import Access, NoCredentialsError
from atlas_endpoints.reconcile.drift_limiter import DriftLimiter, Limit
from atlas_endpoints.reconcile.outcome import Outcome
from atlas_endpoints.reconcile.outputs import Outputs
from atlas_endpoints.reconcile.ownership import index_of
from atlas_endpoints.reconcile.ports import Ports
from atlas_endpoints.reconcile.reconciler import Reconciler
from atlas_endpoints.reconcile.references import ReferenceResolver
from atlas_endpoints.reconcile.resource import watched_annotations
from atlas_endpoints.reconcile.resync import Resync
from support.crd import refusals
from support.kstatus import problems
from support.named import NAMED

__all__ = ["KIND", "Endpoint", "Scope"]
"""What tests use of the operator as it is."""

PROJECT = "5f7cac1adf5d6c6306f4b283"
INSTANCE = "orders"
ENDPOINT = "6f7cac1adf5d6c6306f4b283"
VPCE = "vpce-0123456789abcdef0"
GRACE = timedelta(minutes=2)
THEIRS = "theirs"
"""The namespace that is not ``shop``."""
TARGET_LOOK = 5.0
"""Seconds after which a reference that is not resolved is read again; constant here."""
START = datetime(2026, 11, 25, 12, tzinfo=UTC)

T = TypeVar("T")

Work: TypeAlias = Key | Scope
Applies: TypeAlias = Literal["never", "at once", "late"]


class Clock:
    """A clock that only the harness advances."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.ahead = timedelta(0)
        """The error of the wall clock."""

    def monotonic(self) -> float:
        return self.seconds

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds) + self.ahead


class NoJitter(Random):
    """No jitter, so that calls can be counted."""

    @override
    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


@dataclass(frozen=True)
class Fault:
    """How a call fails, and when its PATCH is applied nevertheless."""

    error: AtlasError
    applies: Applies = "never"


class Atlas(ObservationCache):
    """The endpoints of one instance, with injected faults."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(self._list_all, clock.monotonic, empty={KIND.names.kind: View(label=KIND.label)})
        self._clock = clock
        self.endpoints: dict[str, Endpoint] = {}
        self.ignores_deletes = False
        """Whether a DELETE has no effect."""
        self.while_listing: Callable[[Scope], object] = lambda _: None
        self.while_posting: Callable[[Scope], object] = lambda _: None
        """Runs during the next call."""
        self.deleted = 0
        """The number of deleted endpoints: no two have the same id."""
        self.calls: list[str] = []
        """``LIST``, ``GET``, ``POST``, ``DELETE``, and ``PATCH`` with its fields, in order."""
        self.credentials: list[str] = []
        """Of each call."""
        self.projects: list[str] = []
        """Of each call; for this Atlas they are all one."""
        self._announced: Deprecation | None = None
        self.shown_connections: tuple[PrivateStrings, ...] = ()
        """The connection strings of the instance."""
        self.hidden: set[str] = set()
        """Endpoints that a LIST does not show."""
        self.lists_late = False
        """Whether the next LIST is empty."""
        self.next_list_takes = 0.0
        """Seconds."""
        self.stores: Callable[[Endpoint], Endpoint] = lambda endpoint: endpoint
        """What Atlas stores after a PATCH."""
        self._next_faults: dict[str, deque[Fault]] = {}
        self._standing_faults: dict[str, Fault] = {}
        self._late: list[Callable[[], object]] = []

    def put(self, endpoint_id: str = ENDPOINT, **fields: Any) -> None:
        """Create or change an endpoint in Atlas, like a person."""
        known = self.endpoints.get(endpoint_id, Endpoint(id=endpoint_id, status="AVAILABLE"))
        self.endpoints[endpoint_id] = replace(known, **fields)

    def same_connection(self, endpoint: Endpoint) -> Endpoint:
        """Refuse another connection, as Atlas does once an endpoint is AVAILABLE; for ``stores``."""
        if endpoint.cloud_provider_endpoint_id != self.endpoints[endpoint.id].cloud_provider_endpoint_id:
            raise UpdateRejectedError(
                "Atlas refuses the change: cloudProviderEndpointId.",
                operation="updateServerlessPrivateEndpoint",
                http_status=400,
                error_code="INVALID_ATTRIBUTE",
                detail="cloudProviderEndpointId cannot be changed once AVAILABLE",
            )
        return endpoint

    def announce_the_end(self, sunset: datetime) -> None:
        self._announced = Deprecation(None, sunset)

    def fail_once(self, call: str, error: AtlasError, *, applies: Applies = "never") -> None:
        """Have the next call of a kind fail."""
        self._next_faults.setdefault(call, deque()).append(Fault(error, applies))

    def go_down(self, *calls: str, error: AtlasError | None = None) -> None:
        """Have all calls of these kinds fail, or all at all, until ``come_back``."""
        for call in calls or ("LIST", "GET", "PATCH", "POST", "DELETE"):
            self._standing_faults[call] = Fault(error or atlas_error("AtlasUnavailable", call))

    def come_back(self) -> None:
        self._standing_faults.clear()

    def apply_late(self) -> None:
        """Apply what a connection that was lost had carried."""
        for change in self._late:
            change()
        self._late.clear()

    def forget_all(self) -> None:
        """Remember nothing, as a process that has just begun; the endpoints are where they were."""
        super().__init__(self._list_all, self._clock.monotonic, empty={KIND.names.kind: View(label=KIND.label)})

    async def read(
        self, scope: Scope, request: Request, *, parse: Callable[[object], Any | None], max_age: float
    ) -> Any:
        """Read how clients reach the instance."""
        fault = await self._called("STRINGS", scope)
        if fault is not None:
            raise fault.error
        strings = [
            {
                "srvConnectionString": each.srv,
                "endpoints": [{"endpointId": one.id, "region": one.region} for one in each.endpoints],
            }
            for each in self.shown_connections
        ]
        return parse({"name": INSTANCE, "connectionStrings": {"privateEndpoint": strings}})

    def use(self, resource: Key, fingerprint: str) -> None: ...

    def release(self, resource: Key) -> None: ...

    def let_through(self, scope: Scope) -> None:
        """Nothing is held back here but what a test says."""

    async def get(self, scope: Scope, entry: str) -> View[Any]:
        began = self.moment()
        fault = await self._called("GET", scope)
        error = (
            fault.error
            if fault is not None
            else None
            if entry in self.endpoints
            else atlas_error("EndpointNotFound", "GET")
        )
        if isinstance(error, EndpointAbsentError):
            self.remember_read(scope, entry, Seen(None, began, error))
            return self.view(scope)
        if error is not None:
            raise error
        self.remember_read(scope, entry, Seen(self.endpoints[entry], began))
        return self.view(scope)

    async def write(
        self,
        scope: Scope,
        request: Request,
        *,
        parse: Callable[[object], tuple[str, Any] | None],
        touches: Sequence[str],
    ) -> tuple[str, Any]:
        """Serve a write by its method."""
        fields = dict(request.body or {})
        match request.method:
            case "PATCH":
                return touches[0], await self._update(scope, touches[0], fields)
            case "POST":
                created = await self._create(scope, fields["comment"])
                return created.id, created
            case _:
                await self._delete(scope, touches[0])
                return touches[0], None

    async def _update(self, scope: Scope, endpoint_id: str, body: Mapping[str, str]) -> Endpoint:
        assert body["providerName"] in {"AWS", "AZURE"}
        fields = {name: value for name, value in body.items() if name != "providerName"}

        def apply() -> Endpoint:
            self.endpoints[endpoint_id] = self.stores(
                replace(self.endpoints[endpoint_id], **{snake(name): value for name, value in fields.items()})
            )
            return self.endpoints[endpoint_id]

        def found() -> Endpoint:
            if endpoint_id not in self.endpoints:
                raise atlas_error("EndpointNotFound", "PATCH")
            return apply()

        answer = await self._write(f"PATCH {','.join(fields)}", scope, endpoint_id, found)
        self.remember_write(scope, endpoint_id, answer)
        return answer

    async def _create(self, scope: Scope, mark: str) -> Endpoint:
        def apply() -> Endpoint:
            id_ = f"{len(self.endpoints) + self.deleted:024x}"
            self.endpoints[id_] = Endpoint(id=id_, status="RESERVATION_REQUESTED", comment=mark)
            return self.endpoints[id_]

        happens, self.while_posting = self.while_posting, lambda _: None
        happens(scope)
        answer = await self._write("POST", scope, mark, apply)
        self.remember_write(scope, answer.id, answer)
        return answer

    async def _delete(self, scope: Scope, endpoint_id: str) -> None:
        def apply() -> None:
            if not self.ignores_deletes:
                self.put(endpoint_id, status="DELETING")

        if endpoint_id not in self.endpoints:
            raise atlas_error("EndpointNotFound", "DELETE")
        await self._write("DELETE", scope, endpoint_id, apply)
        self.remember_gone(scope, endpoint_id)

    def vanish(self, endpoint_id: str) -> None:
        """Have an endpoint be gone, as when it has expired or its deletion is done."""
        del self.endpoints[endpoint_id]
        self.deleted += 1

    async def _write(self, call: str, scope: Scope, what: str, apply: Callable[[], T]) -> T:
        fault = await self._called(call, scope)
        if fault is not None:
            if fault.applies == "at once":
                apply()
            elif fault.applies == "late":
                self._late.append(apply)
            if fault.error.unknown_outcome:
                self.outcome_unknown(scope, what)
            raise fault.error
        return apply()

    async def _list_all(self, scope: Scope) -> Listing[Endpoint]:
        fault = await self._called("LIST", scope)
        happens, self.while_listing = self.while_listing, lambda _: None
        happens(scope)
        self._clock.seconds += self.next_list_takes
        self.next_list_takes = 0.0
        if fault is not None:
            raise fault.error
        if self.lists_late:
            self.lists_late = False
            return Listing({})
        return Listing({id_: each for id_, each in self.endpoints.items() if id_ not in self.hidden}, self._announced)

    async def _called(self, call: str, scope: Scope) -> Fault | None:
        name = call.partition(" ")[0]
        faults = self._next_faults.get(name)
        fault = faults.popleft() if faults else self._standing_faults.get(name)
        if fault is None or not isinstance(fault.error, AtlasHeldError):
            self.calls.append(call)
            self.credentials.append(scope.credentials)
            self.projects.append(scope.project_id)
        await asyncio.sleep(0)
        return fault


class Secrets:
    """The credentials by Secret: a fingerprint, or the error of the reading."""

    def __init__(self) -> None:
        self.found: dict[str | None, str | Exception] = {None: "operator-1", "mine": "mine-1"}
        self.sources: dict[str | None, str] = {}
        """Unless the name shows it."""
        self.remembered: dict[str | None, str] = {}
        """Older values, for readings that may be some seconds old."""
        self.reads: list[Age] = []
        """The age that each reading allows."""
        self.judgements: list[tuple[str, bool]] = []
        """Which credentials Atlas accepts or refuses, by source."""

    def put(self, name: str | None, value: Mapping[str, str] | str | None) -> None:
        """Replace what a Secret holds: a fingerprint, nothing, or ``unreachable``."""
        match value:
            case None:
                self.found[name] = missing(name)
            case str():
                self.found[name] = unreadable(value) if value == "unreachable" else value
            case _:
                self.found[name] = value["now"]
                self.remembered[name] = value.get("remembered", "")
                if "source" in value:
                    self.sources[name] = value["source"]

    async def resolve(self, namespace: str, secret_name: str | None, *, age: Age = Age.RECENT) -> Access:
        assert namespace in {"shop", THEIRS}
        self.reads.append(age)
        await asyncio.sleep(0)
        if age is not Age.RECENT:
            self.remembered.pop(secret_name, None)
        found = self.remembered.get(secret_name) or self.found[secret_name]
        if isinstance(found, Exception):
            raise found
        source = f"resource/{secret_name}" if secret_name else "operator/atlas"
        return Access(found, self.sources.get(secret_name, source))

    def record_acceptance(self, access: Access, *, accepted: bool) -> None:
        self.judgements.append((access.source, accepted))


class Targets:
    """The values of referenced objects, by kind and name, or the error of the reading."""

    def __init__(self) -> None:
        self.held: dict[str, str | Exception] = {}
        self.reads: list[tuple[Target, Age]] = []
        """With the age that each reading allows."""

    def put(self, values: Mapping[str, str | None]) -> None:
        """Replace values by those given, or by the error that ``error <reason>`` names; ``None``: no object."""
        for name, value in values.items():
            if value is None:
                self.held.pop(name, None)
            else:
                self.held[name] = unreadable(value.removeprefix("error ")) if value.startswith("error ") else value

    async def read(self, target: Target, *, age: Age) -> str:
        self.reads.append((target, age))
        await asyncio.sleep(0)
        found = self.held.get(target.object)
        if found is None:
            raise UnreadableError(ReferenceProblem.NOT_FOUND, f"There is no {target.object}.", retry_in=TARGET_LOOK)
        if isinstance(found, Exception):
            raise found
        return found


class ConfigMaps:
    """The ConfigMaps of the namespace, by name, and a log of the calls."""

    def __init__(self) -> None:
        self.found: dict[str, ConfigMap] = {}
        self.calls: list[str] = []
        """``GET``, ``POST`` and ``PATCH``, in order."""
        self.error: Exception | None = None
        """The error of all calls, until it is reset."""
        self.meanwhile: Callable[[], object] = lambda: None
        """Runs between a reading and the write that follows."""
        self._version = 0

    def put(self, name: str, data: Mapping[str, str], *owners: str) -> None:
        """Create or replace a ConfigMap, like somebody else."""
        self._version += 1
        uid = self.found[name].uid if name in self.found else f"uid-{self._version}"
        self.found[name] = ConfigMap(uid, str(self._version), frozenset(owners), deleting=False, data=data)

    def held(self, name: str) -> Mapping[str, str] | None:
        return self.found[name].data if name in self.found else None

    async def read(self, namespace: str, name: str) -> ConfigMap | None:
        await self._called("GET")
        assert namespace == "shop"
        return self.found.get(name)

    async def create(self, owner: OutputOwner, name: str, data: Mapping[str, str]) -> None:
        await self._called("POST")
        if name in self.found:
            raise ConflictError
        self.put(name, data, owner.uid)

    async def update(self, owner: OutputOwner, name: str, found: ConfigMap, data: Mapping[str, str]) -> None:
        await self._called("PATCH")
        now = self.found.get(name)
        if now is None or (now.uid, now.version) != (found.uid, found.version):
            raise ConflictError
        self.put(name, data, *found.owners)

    async def _called(self, call: str) -> None:
        self.calls.append(call)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        if call != "GET":
            meanwhile, self.meanwhile = self.meanwhile, lambda: None
            meanwhile()


class Resource:
    """One resource as the API server holds it, and a person who changes it."""

    def __init__(
        self,
        name: str,
        endpoint_id: str | None,
        spec: Mapping[str, Any],
        *,
        created: float = 0.0,
        namespace: str = "shop",
    ) -> None:
        self.namespace = namespace
        self.generation = 1
        self.version = 1
        self.name = name
        self.uid = f"uid-{name}"
        self.annotations: dict[str, str] = {}
        self.deleting = False
        self.deleted_at = START
        self.finalizers: list[str] = []
        self.created = f"{START + timedelta(seconds=created):%Y-%m-%dT%H:%M:%SZ}"
        self.status: Mapping[str, Any] = {"observedGeneration": -1}
        wanted: dict[str, Any] = {
            "projectId": PROJECT,
            "instanceName": INSTANCE,
            "providerName": "AWS",
            "endpointId": endpoint_id,
            **spec,
        }
        self.spec = {name: value for name, value in wanted.items() if value is not None}

    @property
    def key(self) -> Key:
        return Key("ServerlessPrivateEndpoint", self.namespace, self.name)

    @property
    def body(self) -> dict[str, Any]:
        metadata: dict[str, Any] = {
            "namespace": self.namespace,
            "name": self.name,
            "uid": self.uid,
            "generation": self.generation,
            "resourceVersion": str(self.version),
            "annotations": dict(self.annotations),
            "finalizers": list(self.finalizers),
            "creationTimestamp": self.created,
        }
        if self.deleting:
            metadata["deletionTimestamp"] = f"{self.deleted_at:%Y-%m-%dT%H:%M:%SZ}"
        return {**NAMED, "metadata": metadata, "spec": dict(self.spec), "status": self.status}

    @property
    def ready(self) -> tuple[str, str]:
        """Status and reason of the condition ``Ready``."""
        found = self.condition("Ready")
        return (found["status"], found["reason"]) if found else ("", "")

    def condition(self, type_: str) -> Mapping[str, Any] | None:
        return next((each for each in self.status.get("conditions", ()) if each["type"] == type_), None)

    @property
    def message(self) -> str:
        found = self.condition("Ready")
        return str(found["message"]) if found else ""


class Harness:
    """All parts together, and time.

    A resource is due after an edit, after its requeue, and when a resync enqueues it. Backoff has no jitter: 1 s, 2 s, 4 s and so
    on, at most 5 minutes.

    Args:
        clock: of another harness that runs at the same time.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.atlas = Atlas(self.clock)
        self.secrets = Secrets()
        self.targets = Targets()
        self.config_maps = ConfigMaps()
        self.announced: list[tuple[str, str]] = []
        """Reason and message of each Event that no status shows."""
        self.cache = Cache(watched_annotations, partial(index_of, KIND))
        self.resources: dict[Key, Resource] = {}
        self.created: dict[str, Resource] = {}
        """The latest resource of each name, also when it is gone."""
        self.reconciles: Counter[str] = Counter()
        """The number of reconciles by resource name."""
        self.writes: Counter[str] = Counter()
        """The number of status writes by resource name."""
        self.before: Mapping[str, Any] = {}
        """What the latest written status has replaced."""
        self.while_reading: Callable[[], object] = lambda: None
        """Runs during the next reading of a resource."""
        self.changed_after: list[int] = []
        """The number of calls to Atlas before each change of metadata."""
        self.record_takes, self.loses_record = 0.0, False
        """What happens to the next record of an intent."""
        self.forbids = ""
        """Why changes of the metadata are refused, if they are."""
        self._due: dict[Work, float] = {}
        self._failures: Counter[Work] = Counter()
        self.limiter, self.resync, self.reconciler = self._begin()

    def restart(self, *, writes: bool = True, max_corrections: str = "20%", outputs: bool = True) -> None:
        """End the process before anything due, and begin another with empty caches."""
        self._due.clear()
        self._failures.clear()
        self.atlas.forget_all()
        self.limiter, self.resync, self.reconciler = self._begin(
            writes=writes, max_corrections=max_corrections, outputs=outputs
        )

    def enqueue_all(self) -> None:
        """Enqueue every resource, like a new process."""
        self._due.update(dict.fromkeys(self.resources, self.clock.seconds))

    def _begin(
        self, *, writes: bool = True, max_corrections: str = "20%", outputs: bool = True
    ) -> tuple[DriftLimiter, Resync, Reconciler]:
        limiter = DriftLimiter(
            Limit.parse(max_corrections),
            window=600.0,
            monotonic=self.clock.monotonic,
            known=lambda: len(self.cache),
        )
        resync = Resync(
            self.cache,
            self.atlas,
            self.secrets,
            clock=self.clock,
            random=NoJitter(),
            schedule=self.schedule,
            unschedule=self._unschedule,
            finds_work=lambda *found: self.reconciler.finds_work(*found),  # noqa: PLW0108  # it is built later
            enqueue=self._enqueue_member,
        )
        started = self.clock.monotonic()
        atlas: Any = self.atlas
        ports = Ports(
            atlas=atlas,
            credentials=self.secrets,
            references=ReferenceResolver(self.targets),
            outputs=Outputs(self.config_maps if outputs else None, atlas, self.clock.monotonic, KIND.names),
            resources=self.cache,
            limiter=limiter,
            resync=resync,
            read=self._read,
            refresh=self._refresh,
            emit=lambda _, event: self.announced.append((event.reason, event.message)),
            wake=lambda key: self._at(key, 0.0),
            clock=self.clock,
            started=lambda: started,
            writes=writes,
            grace=GRACE,
        )
        return limiter, resync, Reconciler(KIND, ports)

    def create(
        self, name: str = "db", endpoint_id: str | None = ENDPOINT, *, namespace: str = "shop", **spec: Any
    ) -> Resource:
        resource = Resource(name, endpoint_id, spec, created=self.clock.seconds, namespace=namespace)
        self.resources[resource.key] = self.created[name] = resource
        self.changed(resource)
        return resource

    def edit(self, resource: Resource, **spec: Any) -> None:
        """Change fields of the spec; ``None`` removes one."""
        resource.spec.update(spec)
        resource.spec = {name: value for name, value in resource.spec.items() if value is not None}
        resource.generation += 1
        self.changed(resource)

    def annotate(self, resource: Resource, **annotations: str) -> None:
        """Set annotations of ours, named with underscores."""
        for name, value in annotations.items():
            resource.annotations[f"atlas-endpoints.dev/{name.replace('_', '-')}"] = value
        self.changed(resource)

    def delete(self, resource: Resource) -> None:
        """Mark it as deleted, as with a finalizer; where it has none it stays all the same, as with somebody else's."""
        resource.deleting = True
        resource.deleted_at = self.clock.now()
        self.changed(resource)

    def exists(self, resource: Resource) -> bool:
        """Tell whether it is still there."""
        return resource.key in self.resources

    def vanish(self, resource: Resource) -> None:
        """Have it be gone without a reconcile, as when an event says so."""
        del self.resources[resource.key]
        self.cache.remove(resource.key, resource.uid)
        self._due.pop(resource.key, None)
        self.reconciler.forget(resource.key)

    def classified(self, status: int, code: str) -> AtlasError:
        """Return the error of a LIST that Atlas answers so."""
        body = json.dumps({"errorCode": code}).encode()
        return classify(Refusal(status, {}, body), Request("LIST", "GET", "/", refusals=REFUSALS), now=self.clock.now())

    async def _read(self, key: Key) -> Mapping[str, Any] | None:
        await asyncio.sleep(0)
        happens, self.while_reading = self.while_reading, lambda: None
        happens()
        return self.resources[key].body if key in self.resources else None

    async def _refresh(self, namespace: str) -> frozenset[str]:
        await asyncio.sleep(0)
        happens, self.while_reading = self.while_reading, lambda: None
        happens()
        found = [each for each in self.resources.values() if each.key.namespace == namespace]
        for each in found:
            if self.cache.put(each.body) is News.CHANGED:
                self._due[each.key] = self.clock.seconds
        return frozenset(each.uid for each in found)

    async def reconcile_of(self, resource: Resource) -> Outcome:
        """Run one reconcile now and write its status."""
        self._due.pop(resource.key, None)
        return await self._pass(resource)

    async def run_for(self, seconds: float) -> None:
        """Run whatever comes due within so many seconds."""
        end = self.clock.seconds + seconds
        for _ in range(100_000):
            work = min(self._due, key=lambda each: self._due[each], default=None)
            if work is None or self._due[work] > end:
                self.clock.seconds = end
                return
            self.clock.seconds = max(self.clock.seconds, self._due.pop(work))
            if isinstance(work, Scope):
                self._follow(work, await self.resync.run(work))
            else:
                await self._pass(self.resources[work])
        raise AssertionError("It does not come to rest: something is due at once, again and again.")

    async def settle(self) -> None:
        """Run what is due now, and then let the endpoint's memory grow old; the log begins anew."""
        await self.run_for(0)
        await self.run_for(40)
        self.reset_log()

    def reset_log(self) -> None:
        self.atlas.calls.clear()
        self.atlas.credentials.clear()
        self.atlas.projects.clear()
        self.secrets.reads.clear()
        self.targets.reads.clear()
        self.config_maps.calls.clear()
        self.reconciles.clear()
        self.writes.clear()

    def changed(self, resource: Resource) -> None:
        """Take in what a resource has become."""
        resource.version += 1
        if self.cache.put(resource.body) is News.CHANGED:
            self._failures.pop(resource.key, None)
            self._due[resource.key] = self.clock.seconds

    async def _pass(self, resource: Resource) -> Outcome:
        self.reconciles[resource.name] += 1
        body = resource.body
        store = InHarness(self, resource)
        result = await self.reconciler.reconcile(body, store)
        if resource.key in self.resources:
            store.write(result.status)
            self._follow(resource.key, result.requeue)
        return result.outcome

    def check(self, resource: Resource, status: Mapping[str, Any]) -> None:
        """Check what is true of every status: the schema of the CRD, the rules of kstatus, and the times of its conditions."""
        assert refusals(status) == []
        assert problems({**resource.body, "status": status}) == []
        for each in status["conditions"]:
            before = resource.condition(each["type"])
            if before and before["status"] == each["status"]:
                now = f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}"
                assert each["lastTransitionTime"] == min(before["lastTransitionTime"], now), each

    def _follow(self, work: Work, following: Requeue) -> None:
        match following:
            case NoRequeue():
                self._failures.pop(work, None)
            case RequeueAfter(delay, held):
                if not held:
                    self._failures.pop(work, None)
                self._at(work, delay)
            case Backoff(at_least):
                self._failures[work] += 1
                self._at(work, max(at_least, min(2.0 ** (self._failures[work] - 1), 300.0)))

    def _at(self, work: Work, delay: float) -> None:
        due = self.clock.seconds + delay
        self._due[work] = min(due, self._due.get(work, due))

    def _unschedule(self, scope: Scope) -> None:
        self._due.pop(scope, None)

    def schedule(self, scope: Scope, delay: float) -> None:
        self._at(scope, delay)

    def _enqueue_member(self, key: Key) -> None:
        self.reconciler.release(key)
        self._at(key, 0.0)


class InHarness:
    """Writes a resource during its reconcile."""

    def __init__(self, harness: Harness, resource: Resource) -> None:
        self._harness, self._resource = harness, resource
        self._trigger = harness.cache.trigger(resource.body)

    @property
    def body(self) -> Body:
        """The resource as it is."""
        return self._resource.body

    @property
    def _is_unchanged(self) -> bool:
        return self._harness.cache.is_unchanged(self._resource.key, self._trigger)

    async def change(self, change: MetadataChange) -> bool:
        if self._harness.forbids:
            raise RefusedError(self._harness.forbids)
        resource = self._resource
        if not self._is_unchanged or not change.needed_by(self.body):
            return self._is_unchanged
        changed = change.made_to(self.body)["metadata"]
        let_go = resource.deleting and bool(resource.finalizers) and not changed["finalizers"]
        resource.finalizers, resource.annotations = changed["finalizers"], changed["annotations"]
        resource.version += 1
        self._harness.changed_after.append(len(self._harness.atlas.calls))
        self._harness.cache.put(self.body)
        self._trigger = self._harness.cache.trigger(self.body)
        if let_go:
            self._harness.vanish(resource)
        return True

    async def write_status(self, status: Mapping[str, Any]) -> bool:
        self._harness.clock.seconds += self._harness.record_takes
        self._harness.record_takes = 0.0
        if self._is_unchanged:
            self.write(status)
        if self._harness.loses_record:
            self._harness.loses_record = False
            raise ClusterUnavailableError("The answer was lost.")
        return self._is_unchanged

    def write(self, status: Mapping[str, Any]) -> None:
        if status != self._resource.status:
            self._harness.check(self._resource, status)
            self._harness.writes[self._resource.name] += 1
            self._harness.before, self._resource.status = self._resource.status, status
            self._resource.version += 1
            self._harness.cache.put(self.body)


def taken_over(
    harness: Harness, name: str, *, namespace: str, endpoint_id: str, project_id: str | None = None
) -> Resource:
    """Create a resource that stands for an endpoint by nothing but the annotation of an earlier one.

    Without ``project_id`` it refers to a project that does not exist.
    """
    resource = harness.create(name, None, namespace=namespace, driftPolicy="Report", instanceName=INSTANCE)
    resource.annotations["atlas-endpoints.dev/endpoint-id"] = f"{endpoint_id}/uid-of-before"
    resource.status = {
        "observedGeneration": 1,
        "reservation": {"requestedAt": resource.created, "endpointId": endpoint_id, "attempt": 1, "adopted": True},
    }
    if project_id is None:
        resource.spec |= {"projectRef": {"name": "nowhere"}}
        del resource.spec["projectId"]
    harness.changed(resource)
    return resource


OPERATIONS = {"LIST": "list", "GET": "get", "PATCH": "update", "POST": "create", "DELETE": "delete"}
FAULTS: Mapping[str, tuple[type[AtlasError], int, str | None]] = {
    "AtlasUnavailable": (AtlasUnavailableError, 503, None),
    "RateLimited": (RateLimitedError, 429, None),
    "CredentialsInvalid": (CredentialsInvalidError, 401, None),
    "MissingRole": (MissingRoleError, 403, None),
    "IPNotAllowed": (IPNotAllowedError, 403, None),
    "AccountSuspended": (AccountSuspendedError, 402, None),
    "ProjectNotFound": (ProjectNotFoundError, 404, "GROUP_NOT_FOUND"),
    "ProjectNotVisible": (ProjectNotFoundError, 401, "NOT_IN_GROUP"),
    "InstanceNotFound": (InstanceNotFoundError, 404, None),
    "NotServerless": (NotServerlessError, 400, None),
    "EndpointNotFound": (EndpointAbsentError, 404, "TENANT_PRIVATE_ENDPOINT_NOT_FOUND"),
    "UpdateRejected": (UpdateRejectedError, 400, "INVALID_ATTRIBUTE"),
    "APIGone": (APIGoneError, 410, None),
}
"""The class, the HTTP status and the code of errors, by reason."""


def atlas_error(reason: str, call: str = "LIST") -> AtlasError:
    """Return the error of a call: ``lost`` (nobody knows the outcome), ``held <reason> <seconds>`` (nothing was sent), or a reason.

    ``RateLimited 7`` names the seconds to wait.
    """
    operation = f"{OPERATIONS[call]}ServerlessPrivateEndpoint" if call in OPERATIONS else call
    kind, _, rest = reason.partition(" ")
    if kind == "lost":
        return AtlasUnavailableError("The connection dropped.", operation=operation, unknown_outcome=True)
    if kind == "held":
        why, _, wait = rest.partition(" ")
        return AtlasHeldError("Not now.", reason=why, operation=operation, retry_after=float(wait))
    if kind == "NotLeader":
        return NotLeaderError("Another replica leads.", operation=operation)
    class_, status, code = FAULTS[kind]
    return class_(
        f"The fault of Atlas is {kind}.",
        operation=operation,
        http_status=status,
        error_code=code,
        retry_after=float(rest) if rest else None,
        detail="comment is not allowed" if kind == "UpdateRejected" else None,
    )


def missing(name: str | None = None, *, retry_in: float = 30.0) -> NoCredentialsError:
    """Return the error of a Secret that is not there."""
    source = f"resource/{name}" if name else "operator/atlas"
    return NoCredentialsError(SecretProblem.NOT_FOUND, "There is no Secret.", source=source, retry_in=retry_in)


def unreadable(how: str) -> Exception:
    """Return the error of reading an object of the cluster: ``unreachable``, or a reason."""
    if how == "unreachable":
        return ClusterUnavailableError("The API server cannot be reached.")
    reason = SecretProblem(how) if how in set(SecretProblem) else ReferenceProblem(how)
    return UnreadableError(reason, f"The fault of the object is {how}.", retry_in=TARGET_LOOK)


def unwritable(how: str) -> Exception:
    """Return the error of a call for a ConfigMap: ``refused`` or ``unreachable``."""
    return RefusedError("403 Forbidden: cannot create") if how == "refused" else unreadable(how)


def connections(srvs: Mapping[str, str]) -> tuple[PrivateStrings, ...]:
    """Return connection strings by their cloud endpoints."""
    return tuple(PrivateStrings((Connected(id_, "AWS", "US_EAST_1"),), srv=srv) for id_, srv in srvs.items())


def snake(name: str) -> str:
    """Return the Python name of a field of Atlas."""
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)
