"""The simulated Atlas's state: projects and what they hold, rate limits, and time."""

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from math import ceil
from typing import Any, Literal, Protocol

from atlas_endpoints.simulator.cluster import Cluster
from atlas_endpoints.simulator.endpoint import Change, Endpoint, EndpointDocument, Names, Status
from atlas_endpoints.simulator.exchange import api_error
from atlas_endpoints.simulator.federation_endpoint import FederationEndpoint
from atlas_endpoints.simulator.regional_endpoint import RegionalEndpoint
from atlas_endpoints.simulator.routes import Call
from atlas_endpoints.simulator.service import Service
from atlas_endpoints.simulator.stream_endpoint import StreamEndpoint
from atlas_endpoints.simulator.switches import RateLimit, Switches

Clock = Callable[[], float]
"""Returns seconds since 1970."""
Event = Callable[[], object]
Mode = Literal["normal", "flex", "gone", "read-only"]


class Timeline:
    """Future events in the order of their due times, without a task or a timer: they run when somebody looks.

    Attributes:
        now: The time up to which everything has happened, in seconds since 1970. While an event runs it is that
            event's due time: what follows from it is planned from there, so the world is the same however rarely
            somebody looks.
    """

    def __init__(self, now: float) -> None:
        self.now = now
        self._heap: list[tuple[float, int, Event]] = []
        self._order = count()

    def at(self, due: float, event: Event) -> None:
        """Plan an event; those of one due time run in the order they were planned."""
        heapq.heappush(self._heap, (due, next(self._order), event))

    def run(self, now: float) -> None:
        """Run everything that is due, including what becomes due while doing so."""
        while self._heap and self._heap[0][0] <= now:
            self.now, _, event = heapq.heappop(self._heap)
            event()
        self.now = now


@dataclass(slots=True)
class Bucket:
    """A token bucket; it is refilled in steps, a whole ``refillRate`` every ``refillDurationSeconds``."""

    limit: RateLimit
    refilled: float
    tokens: int

    def take(self, now: float, path: str, *, headers: bool) -> dict[str, str]:
        """Take one token; return the header fields of the answer, if it shall have some.

        Raises:
            ApiError: The bucket is empty; the error names the path.
        """
        limit, step = self.limit, self.limit.refill_duration_seconds
        steps = int((now - self.refilled) // step)
        if steps > 0:
            self.tokens = min(limit.capacity, self.tokens + steps * limit.refill_rate)
            self.refilled += steps * step
        allowed = self.tokens > 0
        self.tokens -= allowed
        shown = {"RateLimit-Limit": str(limit.capacity), "RateLimit-Remaining": str(self.tokens)} if headers else {}
        if not allowed:
            wait = max(1, ceil(self.refilled + step - now))
            retry = {"Retry-After": str(wait)} if headers else {}
            figures = path.lstrip("/"), wait, limit.capacity, limit.refill_rate, step
            raise api_error("RATE_LIMITED_TOKEN_BUCKET", *figures, headers=shown | retry)
        return shown


class Life(Protocol):
    """What changes its status by itself as time passes.

    Attributes:
        since: When it got its status, in seconds since 1970.
        epoch: Counts changes of status; a change planned in an earlier epoch no longer applies.
    """

    since: float
    epoch: int

    def planned(self, switches: Switches) -> float | None:
        """Return after how many seconds in its status it changes; ``None``: it does not."""


@dataclass(slots=True)
class Listing:
    """What a LIST shows, which may be older than what is."""

    _listed: dict[str, bytes] = field(default_factory=dict, init=False)
    _page: bytes | None = field(default=None, init=False)

    def documents(self) -> list[bytes]:
        """Return what a LIST that comes in pages shows."""
        return list(self._listed.values())

    def page(self) -> bytes:
        """Return the LIST as JSON; assembled only when something in it changed."""
        if self._page is None:
            self._page = b"[" + b",".join(self._listed.values()) + b"]"
        return self._page

    def show(self, resource_id: str, document: bytes | None) -> None:
        """Show a resource like this in LIST from now on; ``None``: omit it."""
        if document is None:
            self._listed.pop(resource_id, None)
        else:
            self._listed[resource_id] = document
        self._page = None

    def show_only(self, documents: dict[str, bytes]) -> None:
        """Let LIST show exactly these."""
        self._listed = documents
        self._page = None


@dataclass(slots=True)
class Instance(Listing):
    """A serverless instance, and its endpoints twice: as they are, and as LIST shows them."""

    id: str
    name: str
    provider_name: str
    region_name: str
    created: float
    endpoints: dict[str, Endpoint] = field(default_factory=dict)


@dataclass(slots=True)
class Project:
    """A project; Atlas's API calls it a group.

    Attributes:
        instances: Serverless instances by name.
        services: Endpoint services of all clouds by id.
        listings: What LIST shows of the services, by cloud, and of regional endpoints, by purpose and cloud.
        registrations: Numbers for the endpoints that are registered with them.
        clusters: Dedicated and Flex clusters by name.
        regional_mode: Whether each region has connection strings of its own.
        federation_endpoints: Endpoints of Data Federation by their ids in small letters.
        federation_listing: What LIST shows of them.
        federated_databases: The names of federated databases.
        regional_endpoints: Endpoints that Atlas makes for a region by id.
        encryption: What is known of the encryption at rest, by the API's names of its parts; ``None``: not shown.
        export_buckets: Export buckets by name, as the API shows them.
        stream_endpoints: Endpoints of Stream Processing by id.
        stream_listing: What LIST shows of them.
        stream_workspaces: The connections of stream workspaces by name, as the API shows them, by the workspace's name.
        buckets: Token buckets by what they limit.
    """

    id: str
    rate_limit: RateLimit | None = None
    instances: dict[str, Instance] = field(default_factory=dict)
    services: dict[str, Service] = field(default_factory=dict)
    listings: dict[str, Listing] = field(default_factory=lambda: defaultdict(Listing))
    registrations: Iterator[int] = field(default_factory=count)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    regional_mode: bool = False
    federation_endpoints: dict[str, FederationEndpoint] = field(default_factory=dict)
    federation_listing: Listing = field(default_factory=Listing)
    federated_databases: set[str] = field(default_factory=set)
    regional_endpoints: dict[str, RegionalEndpoint] = field(default_factory=dict)
    encryption: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    export_buckets: dict[str, dict[str, Any]] = field(default_factory=dict)
    stream_endpoints: dict[str, StreamEndpoint] = field(default_factory=dict)
    stream_listing: Listing = field(default_factory=Listing)
    stream_workspaces: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    buckets: dict[str, Bucket] = field(default_factory=dict)


class World:
    """Everything that is, and what will become of it.

    Call :meth:`settle` before looking: what is due happens then.

    Attributes:
        mode: ``normal``; ``flex``: the instances have become Flex clusters; ``gone``: the sunset has passed;
            ``read-only``: Atlas is being upgraded.
        turned: Called when the switches have changed: what was planned and shown follows.
    """

    def __init__(self, *, clock: Clock, names: Names, switches: Switches) -> None:
        self.mode: Mode = "normal"
        self.clock = clock
        self.names = names
        self.timeline = Timeline(clock())
        self.projects: dict[str, Project] = {}
        self.turned: list[Callable[[], None]] = [self._turn_instances]
        self._switches = switches
        self._turns = 0

    @property
    def switches(self) -> Switches:
        """The switches as they stand."""
        return self._switches

    def turn(self, switches: Switches) -> None:
        """Replace the switches; everything shown and planned follows at once."""
        now = self.settle()
        self._switches = switches
        self._turns += 1
        for follow in self.turned:
            follow()
        self.timeline.run(now)

    def settle(self) -> float:
        """Let everything happen that is due; return the time."""
        now = self.clock()
        self.timeline.run(now)
        return now

    def add_project(self, project_id: str, rate_limit: RateLimit | None = None) -> Project:
        """Return the project, made if it is new; a given rate limit becomes its own."""
        project = self.projects.setdefault(project_id, Project(project_id))
        project.rate_limit = rate_limit or project.rate_limit
        return project

    def add_instance(self, project: Project, name: str, *, provider_name: str, region_name: str) -> Instance:
        """Make an instance."""
        instance = Instance(self.names.object_id(), name, provider_name, region_name, self.clock())
        project.instances[name] = instance
        return instance

    def project(self, call: Call) -> Project:
        """Return the project that a request is about."""
        return self.projects[call.names["groupId"]]

    def admit(self, call: Call, limited: str, limit: RateLimit | None = None) -> None:
        """Make the checks of a request that the families share: the rate limit, and whether Atlas takes writes.

        Args:
            limited: What is limited together; it has a token bucket of its own in each project.
            limit: Atlas's limit, unless the project or the switches have one.

        Raises:
            ApiError: The bucket is empty, or Atlas is being upgraded.
        """
        project, request = self.project(call), call.request
        limit = project.rate_limit or self._switches.rate_limit or limit
        if limit is None:
            project.buckets.pop(limited, None)
        else:
            bucket = project.buckets.get(limited)
            if bucket is None or bucket.limit != limit:
                bucket = project.buckets[limited] = Bucket(limit, self.clock(), limit.capacity)
            taken = bucket.take(self.clock(), request.path, headers=self._switches.rate_limit_headers)
            call.headers.update(taken)
        if self.mode == "read-only" and call.operation.writes:
            raise api_error("WRITES_NOT_ALLOWED_DURING_APP_UPGRADES")

    def enter(self, life: Life, advance: Event) -> None:
        """Begin the time of a new status, which ends with ``advance`` unless another status comes first."""
        life.since = self.timeline.now
        self.plan(life, advance)

    def plan(self, life: Life, advance: Event) -> None:
        """Plan the end of a status anew; what was planned before no longer applies."""
        life.epoch += 1
        delay = life.planned(self._switches)
        if delay is not None:
            event = partial(self._advance_in, life, life.epoch, advance)
            self.timeline.at(max(life.since + delay, self.timeline.now), event)

    def list(self, listing: Listing, resource_id: str, document: bytes | None) -> None:
        """Show a resource like this in LIST, now or after its lag; ``None``: omit it."""
        if self._switches.list_lag:
            event = partial(self._list_late, listing, resource_id, document, self._turns)
            self.timeline.at(self.timeline.now + self._switches.list_lag, event)
        else:
            listing.show(resource_id, document)

    def reserve(self, instance: Instance, comment: str | None) -> Endpoint:
        """Do what a POST does."""
        endpoint = Endpoint(
            self.names.object_id(), instance.provider_name, Status.RESERVATION_REQUESTED, comment=comment
        )
        instance.endpoints[endpoint.id] = endpoint
        self._entered(instance, endpoint)
        return endpoint

    def update(self, instance: Instance, endpoint: Endpoint, change: Change) -> None:
        """Do what a PATCH does; raises ApiError where the status does not allow it."""
        before = endpoint.status, endpoint.connecting
        endpoint.update(change, self._switches)
        if (endpoint.status, endpoint.connecting) != before:
            endpoint.held = False
            self._entered(instance, endpoint)
        else:
            self._show(instance, endpoint)

    def delete(self, instance: Instance, endpoint: Endpoint) -> None:
        """Do what a DELETE does."""
        if endpoint.status != Status.DELETING:
            endpoint.status = Status.DELETING
            endpoint.connecting = False
            endpoint.held = False
            self._entered(instance, endpoint)

    def put(self, instance: Instance, document: EndpointDocument, *, advance: bool = False) -> Endpoint | None:
        """Put, change or remove an endpoint directly, like a person in the Atlas UI.

        Args:
            advance: Whether a transitional status changes by itself, unless the document says it.

        Returns:
            The endpoint, or ``None`` if it is gone.
        """
        if document.advance is not None:
            advance = document.advance
        self.settle()
        endpoint_id = document.id or self.names.object_id()
        endpoint = instance.endpoints.get(endpoint_id)
        if document.remove:
            if endpoint is not None:
                self._forget(instance, endpoint)
            return None
        if endpoint is None:
            endpoint = Endpoint(endpoint_id, instance.provider_name, Status.RESERVED)
            instance.endpoints[endpoint_id] = endpoint
            moved = True
        else:
            moved = document.status is not None or document.advance is not None
        endpoint.put(document, region=instance.region_name, names=self.names)
        if moved:
            endpoint.held = not advance
            self._entered(instance, endpoint)
        else:
            self._show(instance, endpoint)
        return endpoint

    def _entered(self, instance: Instance, endpoint: Endpoint) -> None:
        self._show(instance, endpoint)
        self.enter(endpoint, partial(self._advance, instance, endpoint))

    def _advance(self, instance: Instance, endpoint: Endpoint) -> None:
        if instance.endpoints.get(endpoint.id) is not endpoint:
            return
        if endpoint.advance(self._switches, region=instance.region_name, names=self.names):
            self._entered(instance, endpoint)
        else:
            self._forget(instance, endpoint)

    def _forget(self, instance: Instance, endpoint: Endpoint) -> None:
        del instance.endpoints[endpoint.id]
        self.list(instance, endpoint.id, None)

    def _show(self, instance: Instance, endpoint: Endpoint) -> None:
        endpoint.shown = None
        self.list(instance, endpoint.id, endpoint.render(self._switches))

    def _turn_instances(self) -> None:
        for instance in [each for project in self.projects.values() for each in project.instances.values()]:
            for endpoint in instance.endpoints.values():
                endpoint.shown = None
                self.plan(endpoint, partial(self._advance, instance, endpoint))
            instance.show_only({key: each.render(self._switches) for key, each in instance.endpoints.items()})

    def _advance_in(self, life: Life, epoch: int, advance: Event) -> None:
        if life.epoch == epoch:
            advance()

    def _list_late(self, listing: Listing, resource_id: str, document: bytes | None, turns: int) -> None:
        if turns == self._turns:  # with new switches LIST has caught up, and this is old
            listing.show(resource_id, document)
