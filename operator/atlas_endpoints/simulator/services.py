"""What requests, people and time do to the endpoint services and the clusters of all projects."""

from functools import partial
from typing import Any

from atlas_endpoints.simulator.cluster import Cluster, ClusterDocument
from atlas_endpoints.simulator.service import (
    AVAILABLE,
    DELETING,
    PROVIDERS,
    WAITING_FOR_USER,
    PrivateEndpoint,
    PrivateEndpointDocument,
    Service,
    ServiceDocument,
    render,
)
from atlas_endpoints.simulator.world import Life, Project, World


class Services:
    """What requests, people and time do to the endpoint services of all projects."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.turned.append(self._turn)

    def create(self, project: Project, place: tuple[str, str, bool], remote_regions: list[str] | None) -> Service:
        """Do what a POST does."""
        service = self._new(project, self._world.names.object_id(), place)
        service.remote_regions = remote_regions
        self._entered(project, service)
        return service

    def update(self, project: Project, service: Service, remote_regions: list[str] | None) -> None:
        """Do what a PATCH does."""
        service.remote_regions = remote_regions
        self._show(project, service)

    def delete(self, project: Project, service: Service) -> None:
        """Do what a DELETE does."""
        if service.status != DELETING:
            service.status, service.held = DELETING, False
            self._entered(project, service)

    def register(self, project: Project, service: Service, endpoint: PrivateEndpoint) -> None:
        """Do what a POST of an endpoint does."""
        endpoint.number = next(project.registrations)
        service.endpoints[endpoint.id] = endpoint
        if service.status == WAITING_FOR_USER:
            service.status = AVAILABLE
        self._show(project, service)
        self._endpoint_entered(project, service, endpoint)

    def deregister(self, project: Project, service: Service, endpoint: PrivateEndpoint) -> None:
        """Do what a DELETE of an endpoint does."""
        if endpoint.status != DELETING:
            endpoint.status, endpoint.held, endpoint.delete_requested = DELETING, False, True
            self._endpoint_entered(project, service, endpoint)

    def put(self, project: Project, document: ServiceDocument, *, advance: bool = False) -> Service | None:
        """Put, change or remove a service and its endpoints directly, like a person in the Atlas UI.

        Args:
            advance: Whether transitional statuses change by themselves, unless the document says it.

        Returns:
            The service, or ``None`` if it is gone.
        """
        self._world.settle()
        service = project.services.get(document.id or "")
        if service is None and document.id is None:
            service = next((each for each in project.services.values() if each.place == document.place), None)
        if document.remove:
            if service is not None:
                self._forget(project, service)
            return None
        is_new = service is None
        if service is None:
            service = self._new(project, document.id or self._world.names.object_id(), document.place)
            service.status = AVAILABLE
        service.put(document, self._world.names)
        for each in document.endpoints:
            self._put_endpoint(project, service, each, advance=advance)
        if is_new or document.moves:
            service.held = not (advance if document.advance is None else document.advance)
            self._entered(project, service)
        else:
            self._show(project, service)
        return service

    def _put_endpoint(
        self, project: Project, service: Service, document: PrivateEndpointDocument, *, advance: bool
    ) -> None:
        endpoint = service.find(document.id)
        if document.remove:
            if endpoint is not None:
                endpoint.epoch += 1
                del service.endpoints[endpoint.id]
            return
        is_new = endpoint is None
        if endpoint is None:
            endpoint = PrivateEndpoint(document.id, service.cloud_provider, AVAILABLE)
            endpoint.port_mapping = service.port_mapping
            endpoint.number = next(project.registrations)
            service.endpoints[endpoint.id] = endpoint
        endpoint.put(document)
        if is_new or document.moves:
            endpoint.held = not (advance if document.advance is None else document.advance)
            self._endpoint_entered(project, service, endpoint)

    def _new(self, project: Project, service_id: str, place: tuple[str, str, bool]) -> Service:
        names, switches = self._world.names, self._world.switches
        service = Service.initiated(service_id, place, project_id=project.id, names=names, switches=switches)
        project.services[service.id] = service
        return service

    def _entered(self, project: Project, service: Service) -> None:
        self._show(project, service)
        self._world.enter(service, partial(self._advance, project, service))

    def _advance(self, project: Project, service: Service) -> None:
        if service.advance(self._world.switches, self._world.names):
            self._entered(project, service)
        else:
            self._forget(project, service)

    def _endpoint_entered(self, project: Project, service: Service, endpoint: PrivateEndpoint) -> None:
        self._world.enter(endpoint, partial(self._advance_endpoint, project, service, endpoint))

    def _advance_endpoint(self, project: Project, service: Service, endpoint: PrivateEndpoint) -> None:
        if endpoint.advance(self._world.switches):
            self._endpoint_entered(project, service, endpoint)
            return
        del service.endpoints[endpoint.id]
        self._show(project, service)
        if not service.endpoints and service.cloud_provider in self._world.switches.dedicated.vanishes_when_empty:
            self.delete(project, service)

    def _forget(self, project: Project, service: Service) -> None:
        lives: list[Life] = [service, *service.endpoints.values()]
        for life in lives:
            life.epoch += 1  # what was planned no longer applies
        del project.services[service.id]
        self._world.list(project.listings[service.cloud_provider], service.id, None)

    def _show(self, project: Project, service: Service) -> None:
        shown = render(service.document(), self._world.switches)
        self._world.list(project.listings[service.cloud_provider], service.id, shown)

    def _turn(self) -> None:
        world = self._world
        for project in world.projects.values():
            for cloud in PROVIDERS:
                services = [each for each in project.services.values() if each.cloud_provider == cloud]
                project.listings[cloud].show_only(
                    {each.id: render(each.document(), world.switches) for each in services}
                )
                for service in services:
                    world.plan(service, partial(self._advance, project, service))
                    for endpoint in service.endpoints.values():
                        world.plan(endpoint, partial(self._advance_endpoint, project, service, endpoint))


def put_cluster(world: World, project: Project, document: ClusterDocument) -> Cluster | None:
    """Put, change or remove a cluster; return it, or ``None`` if it is gone."""
    if document.remove:
        project.clusters.pop(document.name, None)
        return None
    cluster = project.clusters.get(document.name) or Cluster(world.names.object_id(), document.name)
    project.clusters[cluster.name] = cluster
    cluster.put(document)
    return cluster


def cluster_document(world: World, project: Project, cluster: Cluster) -> dict[str, Any]:
    """Return a cluster as the API shows it now."""
    switches = world.switches.dedicated
    services = [*project.services.values()]
    return cluster.document(services, regional=project.regional_mode, settled=world.clock() - switches.string_lag)
