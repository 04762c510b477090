"""An Atlas in memory that holds the endpoint services of one project: the whole simulator behind the client port."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasUnavailableError
from atlas_endpoints.kinds.dedicated_private_endpoint import calls
from atlas_endpoints.simulator.service import DELETING, PrivateEndpoint, Service, ServiceDocument
from behaviour.atlas import PROJECT
from histories.atlas import UnreliableAtlas
from model.dedicated.named import target_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from random import Random

    from atlas_endpoints.atlas.answers import Answer
    from atlas_endpoints.atlas.credentials import Credentials
    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.simulator.exchange import Answer as Served
    from model.dedicated.named import Target


class Atlas(UnreliableAtlas):
    """Holds the endpoint services of one project.

    Args:
        random: decides how long calls take and which of them fail.
        clock: seconds since 1970.

    Attributes:
        made: the services that calls have created.
        registered: the endpoints that are there because of a call, by service and ID in lower case.
        appeared: when each endpoint that is there was first seen.
        opened: when each remote region of a service was first seen, in its order.
        unanswered: when a POST of a service last had an unknown outcome.
    """

    def __init__(self, random: Random, clock: Callable[[], float]) -> None:
        super().__init__(random, clock)
        self._project = self.world.projects[PROJECT]
        self.made: set[str] = set()
        self.registered: set[Target] = set()
        self.appeared: dict[Target, float] = {}
        self.opened: dict[tuple[str, str], float] = {}
        self.unanswered = float("-inf")

    @property
    def services(self) -> list[Service]:
        """The services that are there."""
        return list(self._project.services.values())

    def service(self, service_id: str | None) -> Service | None:
        return self._project.services.get(service_id or "")

    def endpoint(self, target: Target) -> PrivateEndpoint | None:
        service = self.service(target.service_id)
        return None if service is None else service.find(target.endpoint_id)

    def endpoints(self) -> Iterator[tuple[Target, PrivateEndpoint]]:
        """Yield the endpoints that are there."""
        for service in self.services:
            for endpoint in service.endpoints.values():
                yield target_of(service.id, endpoint.id), endpoint

    # What people do in the Atlas UI.

    def put(self, service: Service | None, **fields: Any) -> None:
        """Put or change a service, or endpoints of it."""
        where = {} if service is None else {"id": service.id}
        document = ServiceDocument.model_validate({**where, **fields})
        self.simulator.services.put(self._project, document, advance=True)
        self.look()

    def remove(self, service: Service, endpoint: PrivateEndpoint | None = None) -> None:
        """Delete a service without endpoints, or one of its endpoints."""
        services = self.simulator.services
        if endpoint is not None:
            services.deregister(self._project, service, endpoint)
        elif not service.endpoints:
            services.delete(self._project, service)

    # What the operator does.

    @override
    async def request(self, credentials: Credentials, request: Request) -> Answer:
        try:
            return await super().request(credentials, request)
        except (AtlasUnavailableError, asyncio.CancelledError):
            if request.operation == calls.CHANGES.create:
                self.unanswered = self._clock()
            raise

    @override
    def perform(self, request: Request) -> Served:
        self.look()
        before = {each.id for each in self.services}
        target = target_in(request)
        answer = super().perform(request)
        if answer.status == 201 and target is not None:
            self.made |= {each.id for each in self.services} - before
            if target.endpoint_id:
                self.registered.add(target)
        self.look()
        return answer

    def look(self) -> None:
        """Take note of what is there."""
        self.world.settle()
        there, now = dict(self.endpoints()), self._clock()
        self.registered &= there.keys()
        self.appeared = {each: self.appeared.get(each, now) for each in there}
        regions = [(service.id, region) for service in self.services for region in service.remote_regions or ()]
        self.opened = {each: self.opened.get(each, now) for each in regions}


def target_in(request: Request) -> Target | None:
    """Return what a write is about, which for the POST of a service has no id; ``None``: it is a read."""
    if not request.writes:
        return None
    _, _, path = request.path.partition("/endpointService")
    service_id, _, endpoint_id = path.removeprefix("/").partition("/endpoint")
    body = request.body or {}
    named = endpoint_id.removeprefix("/") or body.get("id") or body.get("endpointGroupName") or ""
    return target_of(service_id, unquote(str(named)))


def is_there(service: Service | None) -> bool:
    """Return whether a service is there, and not on its way out."""
    return service is not None and service.status != DELETING
