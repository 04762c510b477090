"""What people and Atlas do in a history of private endpoints of dedicated clusters.

People create, connect to another endpoint, change addresses and regions, suspend and delete. In the Atlas UI others register,
remove and reject endpoints, and create and delete services; services vanish with their last endpoint, or not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from atlas_endpoints.simulator.service import AVAILABLE, FAILED, REJECTED
from histories.course import Course

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from atlas_endpoints.simulator.service import PrivateEndpoint, Service
    from histories.course import Setup
    from histories.dedicated.atlas import Atlas

NAMES = ("one", "two", "three", "web/four")
"""The last one is in another namespace."""


def _azure(name: str) -> str:
    group = "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg"
    return f"{group}/providers/Microsoft.Network/privateEndpoints/{name}"


ENDPOINTS: Mapping[str, Sequence[str]] = {
    "AWS": tuple(f"vpce-{digit * 17}" for digit in "123"),
    "AZURE": (_azure("one"), _azure("two")),
}
"""The endpoints that resources name, by cloud."""
FOREIGN: Mapping[str, str] = {"AWS": f"vpce-{'f' * 17}", "AZURE": _azure("foreign")}
"""An endpoint that none of them names, by cloud."""
REGIONS: Mapping[str, Sequence[str]] = {"AWS": ("eu-west-1", "EU_WEST_1"), "AZURE": ("eastus2",)}
"""The names of the one region of each cloud."""
ADDRESSES = ("10.0.0.4", "10.0.0.5")
REMOTE_REGIONS = ("US_EAST_1", "us-west-2")


class DedicatedCourse(Course):
    """The course of one history.

    Args:
        random: decides everything that happens.
        setup: has it happen.
        atlas: where people meddle.
        project: of all resources.
    """

    def __init__(self, random: Random, setup: Setup, *, atlas: Atlas, project: str) -> None:
        super().__init__(random, setup)
        self._atlas = atlas
        self._project = project
        self._cloud_of: dict[str, str] = {}

    @override
    def go_on(self) -> str:
        self._atlas.look()
        self._atlas.attempts.clear()  # somebody acts
        return super().go_on()

    @override
    def people(self) -> list[Callable[[], None]]:
        if not self._names:
            return [self._create]
        people = [self._create, self._create, self._names_another, self._names_another, self._remote_regions]
        return [*people, self._drift_policy, self._policy, self._delete, self._delete, self._suspend, self._force]

    @override
    def atlas(self) -> list[Callable[[], None]]:
        changes = [self._registers, self._registers_a_stranger, self._removes, self._removes_the_service]
        return [*changes, self._creates_the_service, self._rejects, self._service_fails, self._refuses, self._vanishes]

    # People.

    def _create(self) -> None:
        free = [each for each in NAMES if each not in self._names]
        if not free:
            return
        name, cloud = self._random.choice(free), self._random.choice(["AWS", "AWS", "AZURE"])
        self._cloud_of[name] = cloud
        spec = {
            "projectId": self._project,
            "providerName": cloud,
            "region": self._random.choice(REGIONS[cloud]),
            "deletionPolicy": self._random.choice([None, "Retain", "Delete", "Delete"]),
            "driftPolicy": self._random.choice([None, None, "Report"]),
        }
        self._setup.apply(name, {**spec, **self._endpoint(cloud)})

    def _names_another(self) -> None:
        name = self._name()
        self._setup.edit(name, **self._endpoint(self._cloud_of[name]))

    def _endpoint(self, cloud: str) -> dict[str, Any]:
        endpoint_id = self._random.choice([None, *ENDPOINTS[cloud]])
        address = None if endpoint_id is None or cloud == "AWS" else self._random.choice(ADDRESSES)
        return {"cloudProviderEndpointId": endpoint_id, "privateEndpointIpAddress": address}

    def _remote_regions(self) -> None:
        name = self._name()
        if self._cloud_of[name] == "AWS":
            regions: Sequence[str] | None = self._random.choice([None, (), REMOTE_REGIONS[:1], REMOTE_REGIONS])
            self._setup.edit(name, supportedRemoteRegions=None if regions is None else [*regions])

    def _drift_policy(self) -> None:
        self._setup.edit(self._name(), driftPolicy=self._random.choice([None, "Report"]))

    # In the Atlas UI.

    def _some_service(self) -> Service | None:
        services = self._atlas.services
        return self._random.choice(services) if services else None

    def _some_endpoint(self) -> tuple[Service, PrivateEndpoint] | None:
        service = self._some_service()
        if service is None or not service.endpoints:
            return None
        return service, self._random.choice(list(service.endpoints.values()))

    def _registers(self) -> None:
        service = self._some_service()
        if service is not None:
            self._register(service, self._random.choice(ENDPOINTS[service.cloud_provider]))

    def _registers_a_stranger(self) -> None:
        if (service := self._some_service()) is not None:
            self._register(service, FOREIGN[service.cloud_provider])

    def _register(self, service: Service, endpoint_id: str) -> None:
        if service.takes_endpoints and service.find(endpoint_id) is None:
            address = {"privateEndpointIPAddress": ADDRESSES[0]} if service.cloud_provider == "AZURE" else {}
            self._atlas.put(service, endpoints=[{"id": endpoint_id, **address}])

    def _removes(self) -> None:
        if (found := self._some_endpoint()) is not None:
            self._atlas.remove(*found)

    def _rejects(self) -> None:
        if (found := self._some_endpoint()) is not None and found[1].status == AVAILABLE:
            service, endpoint = found
            status = REJECTED if service.cloud_provider == "AWS" else FAILED
            self._atlas.put(service, endpoints=[{"id": endpoint.id, "status": status}])

    def _creates_the_service(self) -> None:
        cloud = self._random.choice(list(REGIONS))
        if all(each.cloud_provider != cloud for each in self._atlas.services):
            self._atlas.put(None, cloudProvider=cloud, regionName=REGIONS[cloud][0])

    def _removes_the_service(self) -> None:
        if (service := self._some_service()) is not None:
            self._atlas.remove(service)

    def _service_fails(self) -> None:
        if (service := self._some_service()) is not None and not service.endpoints and service.takes_endpoints:
            self._atlas.put(service, status=FAILED)

    def _refuses(self) -> None:
        """Have Atlas reject one endpoint from now on, or none."""
        self._atlas.switch(connectFails=self._random.choice([None, ENDPOINTS["AWS"][0]]))

    def _vanishes(self) -> None:
        """Have services vanish with their last endpoint from now on, or stay."""
        self._atlas.switch(dedicated={"vanishesWhenEmpty": self._random.choice([[], ["AWS", "AZURE"]])})
