"""The simulated Atlas's state: projects, instances, endpoints, and time."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from atlas_endpoints.simulator import machine
from atlas_endpoints.simulator.buckets import Bucket
from atlas_endpoints.simulator.endpoint import Endpoint, EndpointDocument, Status
from atlas_endpoints.simulator.machine import Change
from atlas_endpoints.simulator.names import Names
from atlas_endpoints.simulator.switches import RateLimit, Switches
from atlas_endpoints.simulator.timeline import Timeline

Clock = Callable[[], float]
"""Returns seconds since 1970."""
Mode = Literal["normal", "flex", "gone", "read-only"]


@dataclass(slots=True)
class Instance:
    """A serverless instance, and its endpoints twice: as they are, and as LIST shows them."""

    id: str
    name: str
    provider_name: str
    region_name: str
    created: float
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    _listed: dict[str, bytes] = field(default_factory=dict)
    _page: bytes | None = None

    def page(self) -> bytes:
        """Return the LIST as JSON; assembled only when something in it changed."""
        if self._page is None:
            self._page = b"[" + b",".join(self._listed.values()) + b"]"
        return self._page

    def show(self, endpoint_id: str, document: bytes | None) -> None:
        """Let LIST show an endpoint like this from now on; ``None``: no longer at all."""
        if document is None:
            self._listed.pop(endpoint_id, None)
        else:
            self._listed[endpoint_id] = document
        self._page = None

    def show_only(self, documents: Mapping[str, bytes]) -> None:
        """Let LIST show exactly these."""
        self._listed = dict(documents)
        self._page = None


@dataclass(slots=True)
class Project:
    """A project; Atlas's API calls it a group."""

    id: str
    rate_limit: RateLimit | None = None
    instances: dict[str, Instance] = field(default_factory=dict)
    bucket: Bucket | None = None


class World:
    """Everything that is, and what will become of it.

    Call :meth:`settle` before looking: what is due happens then.

    Args:
        clock: Seconds since 1970.
        names: Where new ids come from.
        switches: The panel to begin with.

    Attributes:
        mode: ``normal``; ``flex``: the instances have become Flex clusters; ``gone``: the sunset has passed;
            ``read-only``: Atlas is being upgraded.
    """

    def __init__(self, *, clock: Clock, names: Names, switches: Switches) -> None:
        self.mode: Mode = "normal"
        self.clock = clock
        self.names = names
        self.timeline = Timeline(clock())
        self.projects: dict[str, Project] = {}
        self._switches = switches
        self._panel = 0  # counts the panels so far

    @property
    def switches(self) -> Switches:
        """The panel as it stands."""
        return self._switches

    def turn(self, switches: Switches) -> None:
        """Replace the panel; everything shown and planned follows at once."""
        now = self.settle()
        self._switches = switches
        self._panel += 1
        for instance in self.instances():
            for endpoint in instance.endpoints.values():
                endpoint.shown = None
                endpoint.epoch += 1  # what was planned, was planned with the old panel
                self._plan(instance, endpoint)
            instance.show_only({key: each.render(switches) for key, each in instance.endpoints.items()})
        self.timeline.run(now)

    def settle(self) -> float:
        """Let everything happen that is due; return the time."""
        now = self.clock()
        self.timeline.run(now)
        return now

    def instances(self) -> Iterator[Instance]:
        """Return every instance of every project."""
        return (instance for project in self.projects.values() for instance in project.instances.values())

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

    def bucket(self, project: Project) -> Bucket | None:
        """Return the project's token bucket; a new, full one when the limit has changed."""
        limit = project.rate_limit or self._switches.rate_limit
        if limit is None:
            project.bucket = None
        elif project.bucket is None or project.bucket.limit != limit:
            project.bucket = Bucket.full(limit, self.clock())
        return project.bucket

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
        machine.update(endpoint, change, self._switches)
        if (endpoint.status, endpoint.connecting) != before:
            endpoint.held = False
            self._entered(instance, endpoint)
        else:
            self._show(instance, endpoint)

    def delete(self, instance: Instance, endpoint: Endpoint) -> None:
        """Do what a DELETE does."""
        if endpoint.status != Status.DELETING:
            machine.delete(endpoint)
            endpoint.held = False
            self._entered(instance, endpoint)

    def put(self, instance: Instance, document: EndpointDocument, *, advance: bool = False) -> Endpoint | None:
        """Put, change or remove an endpoint directly.

        Args:
            instance: Where.
            document: What is to change.
            advance: Whether a status on the way moves on by itself, unless the document says so or the opposite.

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
        document.put(endpoint, region=instance.region_name, names=self.names)
        if moved:
            endpoint.held = not advance
            self._entered(instance, endpoint)
        else:
            self._show(instance, endpoint)
        return endpoint

    def _entered(self, instance: Instance, endpoint: Endpoint) -> None:
        endpoint.since = self.timeline.now
        endpoint.epoch += 1
        self._show(instance, endpoint)
        self._plan(instance, endpoint)

    def _plan(self, instance: Instance, endpoint: Endpoint) -> None:
        delay = machine.planned(endpoint, self._switches)
        if delay is not None:
            event = partial(self._advance, instance, endpoint, endpoint.epoch)
            self.timeline.at(max(endpoint.since + delay, self.timeline.now), event)

    def _advance(self, instance: Instance, endpoint: Endpoint, epoch: int) -> None:
        if endpoint.epoch != epoch or instance.endpoints.get(endpoint.id) is not endpoint:
            return
        if machine.advance(endpoint, self._switches, region=instance.region_name, names=self.names):
            self._entered(instance, endpoint)
        else:
            self._forget(instance, endpoint)

    def _forget(self, instance: Instance, endpoint: Endpoint) -> None:
        del instance.endpoints[endpoint.id]
        self._list(instance, endpoint.id, None)

    def _show(self, instance: Instance, endpoint: Endpoint) -> None:
        endpoint.shown = None
        self._list(instance, endpoint.id, endpoint.render(self._switches))

    def _list(self, instance: Instance, endpoint_id: str, document: bytes | None) -> None:
        if self._switches.list_lag:
            event = partial(self._list_late, instance, endpoint_id, document, self._panel)
            self.timeline.at(self.timeline.now + self._switches.list_lag, event)
        else:
            instance.show(endpoint_id, document)

    def _list_late(self, instance: Instance, endpoint_id: str, document: bytes | None, panel: int) -> None:
        if panel == self._panel:  # with a new panel LIST has caught up, and this is old
            instance.show(endpoint_id, document)
