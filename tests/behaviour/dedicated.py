"""Steps and views of dedicated private endpoints; see ``behaviour.cases`` for the form of a case."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from atlas_endpoints.simulator.cluster import ClusterDocument
from atlas_endpoints.simulator.service import ServiceDocument
from atlas_endpoints.simulator.services import put_cluster
from behaviour.atlas import PROJECT, name_of
from behaviour.steps import Steps, Views

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_endpoints.atlas.requests import Request

VPCE, OTHER_VPCE = "vpce-0123456789abcdef0", "vpce-0123456789abcdef1"
AZURE_ID = "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/pe"
CONSTANTS: Mapping[str, Any] = {
    "PROJECT": PROJECT,
    "VPCE": VPCE,
    "OTHER_VPCE": OTHER_VPCE,
    "AZURE_ID": AZURE_ID,
    "AZURE_ID_IN_CAPITALS": AZURE_ID.replace("/rg/", "/RG/"),
    "SERVICE": "a" * 24,
    "ON_AWS": {"providerName": "AWS", "region": "eu-west-1"},
    "ON_AZURE": {"providerName": "AZURE", "region": "eastus2"},
    "ON_GCP": {"providerName": "GCP", "region": "us-central1", "gcp": {"projectId": "my-project-1"}},
    "REF": {"apiVersion": "ec2.services.k8s.aws/v1alpha1", "kind": "VPCEndpoint", "name": "vpc"},
}


class DedicatedSteps(Steps):
    """What can happen to dedicated private endpoints."""

    kind = KIND
    name_of = staticmethod(name_of)

    @override
    def views(self, name: str) -> DedicatedViews:
        return DedicatedViews(self, name)

    def service(self, document: Mapping[str, Any], _: str) -> None:
        """Put an endpoint service and its endpoints as a person does."""
        where = {"cloudProvider": "AWS", "regionName": "EU_WEST_1"}
        project = self.atlas.world.projects[PROJECT]
        put = ServiceDocument.model_validate({**where, **document})
        self.atlas.simulator.services.put(project, put, advance=put.advance is not False)

    def endpoint_is(self, status: str | None, _: str) -> None:
        """Give the only endpoint of the only service this status, in which it stays; ``null``: a person removes it."""
        (service,) = self.atlas.world.projects[PROJECT].services.values()
        (endpoint,) = service.endpoints
        put = {"remove": True} if status is None else {"status": status, "advance": False}
        self.service({"id": service.id, "endpoints": [{"id": endpoint, **put}]}, "")

    def atlas_cluster(self, document: Mapping[str, Any], _: str) -> None:
        """Put a cluster."""
        world = self.atlas.world
        put_cluster(world, world.projects[PROJECT], ClusterDocument.model_validate(document))

    def regional_mode(self, is_on: bool, _: str) -> None:
        """Switch the regional mode as a person does."""
        self.atlas.world.projects[PROJECT].regional_mode = is_on

    def accept(self, call: str, _: str) -> None:
        """Answer such calls with success; the first takes effect only with ``late``, the others never; a LIST is empty."""
        self._late.clear()

        def accepts(request: Request) -> Any | None:
            if name_of(request) != call:
                return None
            self._late.append(request)
            if call == "LIST":
                return []
            shown = json.loads(self.atlas.world.projects[PROJECT].listings["AWS"].page())
            return shown[0] if request.method == "PATCH" else {}

        self.atlas.accepted = accepts

    def late(self, _: object, __: str) -> None:
        """Let the late calls arrive."""
        self.atlas.accepted = lambda _: None
        for request in self._late[:1]:
            self.atlas.perform(request)
        self._late.clear()

    def once_intended(self, document: Mapping[str, Any], _: str) -> None:
        """Put a service once a status says that something is about to be created."""

        def written() -> None:
            statuses = [each["status"] for each in self.cluster.objects.values()]
            if any(each.get("serviceCreation") for each in statuses):
                self.cluster.written = lambda: None
                self.service(document, "")

        self.cluster.written = written

    def service_once_listed(self, document: Mapping[str, Any], _: str) -> None:
        """Put a service while the resources of a namespace are listed."""

        def listed() -> None:
            self.cluster.listed = lambda: None
            self.service(document, "")

        self.cluster.listed = listed

    def edit_once_intended(self, fields: Mapping[str, Any], name: str) -> None:
        """Edit a resource once its status says that something is about to be created."""
        key = self.cluster.key(name or "db")

        def written() -> None:
            if self.cluster.objects[key]["status"].get("serviceCreation"):
                self.cluster.written = lambda: None
                self.edit(fields, name)

        self.cluster.written = written


class DedicatedViews(Views):
    """What ``expect`` can ask for about dedicated private endpoints."""

    def services(self, expected: Mapping[str, Mapping[str, str]] | None) -> None:
        """The status of each endpoint in Atlas, by id and by the region of its service."""
        found = {
            each.region + ("" if each.cloud_provider != "GCP" or each.port_mapping else " legacy"): {
                id_: endpoint.status for id_, endpoint in each.endpoints.items()
            }
            for each in self._steps.atlas.world.projects[PROJECT].services.values()
            if each.status != "DELETING"
        }
        assert found == (expected or {}), (self._steps.atlas.calls, self._steps.observer.events)

    def remote_regions(self, expected: Sequence[str] | None) -> None:
        """Those of the only service."""
        (service,) = self._steps.atlas.world.projects[PROJECT].services.values()
        assert list(service.remote_regions or ()) == expected
