"""What people and Atlas do in a history of private endpoints of dedicated clusters.

People create, name an endpoint later, rename, rotate, change regions, suspend, restore and delete, also while no operator
runs. In the Atlas UI others register, remove and reject endpoints, and create, widen and delete services; services vanish with
their last endpoint, or not.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from typing_extensions import override

from atlas_endpoints.simulator.service import AVAILABLE, FAILED, REJECTED
from histories.course import Course, Setup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from atlas_endpoints.simulator.service import PrivateEndpoint, Service
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
FOREIGN_REGION = "AP_SOUTH_1"
"""A remote region that none of them names."""


class DedicatedSetup(Setup, Protocol):
    """A setup in which resources are restored, and the operator does not always run."""

    def spec(self, name: str) -> Mapping[str, Any]:
        """Give the spec of a resource."""
        ...

    def restore(self, name: str) -> None:
        """Put a copy without a status in the place of a resource, as from a backup."""

    def later(self, seconds: float, event: Callable[[], None]) -> None:
        """Have something happen in so many seconds."""

    def stop(self, seconds: float) -> None:
        """Have no operator run for a while."""

    def takes_no_writes(self, seconds: float) -> None:
        """Have Atlas refuse all writes for a while, as during an upgrade."""


class DedicatedCourse(Course):
    """The course of one history.

    Args:
        random: decides everything that happens.
        setup: has it happen.
        atlas: where people meddle.
        project: of all resources.
    """

    def __init__(self, random: Random, setup: DedicatedSetup, *, atlas: Atlas, project: str) -> None:
        super().__init__(random, setup)
        self._stage = setup
        self._atlas = atlas
        self._project = project

    @override
    def go_on(self) -> str:
        self._atlas.look()
        return super().go_on()

    @override
    def people(self) -> list[Callable[[], None]]:
        if not self._names:
            return [self._create]
        people = [self._create, self._create, self._names_one, self._renames, self._rotates]
        people += [self._remote_regions, self._remote_regions]
        people += [self._drift_policy, self._policy, self._delete, self._delete, self._suspend, self._force]
        return [*people, self._force, self._restores, self._stops, self._observes]

    @override
    def atlas(self) -> list[Callable[[], None]]:
        changes = [self._registers, self._registers_a_stranger, self._removes, self._removes_the_service]
        changes += [self._registers_what_nobody_names, self._widens_the_service, self._widens_the_service]
        changes += [self._takes_no_writes, self._creates_the_service]
        return [*changes, self._creates_the_service, self._rejects, self._service_fails, self._refuses, self._vanishes]

    # People.

    def _create(self) -> None:
        if (name := self._free_name()) is None:
            return
        cloud = self._random.choice(["AWS", "AWS", "AZURE"])
        spec = {
            "projectId": self._project,
            "providerName": cloud,
            "region": self._random.choice(REGIONS[cloud]),
            "deletionPolicy": self._random.choice([None, "Retain", "Delete", "Delete"]),
            "driftPolicy": self._random.choice([None, None, "Report"]),
            "supportedRemoteRegions": self._some_regions() if cloud == "AWS" else None,
        }
        self._stage.apply(name, {**spec, **self._endpoint(cloud, [None, *ENDPOINTS[cloud]])})

    def _names_one(self) -> None:
        """Name an endpoint in a resource that names none: what is named stays."""
        name = self._name()
        spec = self._stage.spec(name)
        if "cloudProviderEndpointId" not in spec:
            cloud = spec["providerName"]
            self._stage.edit(name, **self._endpoint(cloud, ENDPOINTS[cloud]))

    def _renames(self) -> None:
        """Move a resource to another name, in either order, at once or in a moment."""
        name, new = self._name(), self._free_name()
        if new is not None:
            moves = [partial(self._copies, self._stage.spec(name), new), partial(self._drops, name)]
            first, second = self._random.choice([moves, moves[::-1]])
            first()
            self._stage.later(self._random.choice([0.0, self._random.uniform(0.0, 5.0)]), second)

    def _copies(self, spec: Mapping[str, Any], new: str) -> None:
        if new not in self._stage.names():
            self._stage.apply(new, spec)

    def _drops(self, name: str) -> None:
        if name in self._stage.names():
            self._stage.delete(name)

    def _rotates(self) -> None:
        """Have a second resource name another endpoint; the first one may go at once."""
        name, new = self._name(), self._free_name()
        if new is not None:
            spec = self._stage.spec(name)
            cloud, known = spec["providerName"], spec.get("cloudProviderEndpointId")
            others = [each for each in ENDPOINTS[cloud] if each != known]
            self._stage.apply(new, {**spec, **self._endpoint(cloud, others)})
            if self._random.random() < 0.5:
                self._stage.delete(name)

    def _endpoint(self, cloud: str, endpoints: Sequence[str | None]) -> dict[str, Any]:
        endpoint_id = self._random.choice(endpoints)
        address = None if endpoint_id is None or cloud == "AWS" else self._random.choice(ADDRESSES)
        return {"cloudProviderEndpointId": endpoint_id, "privateEndpointIpAddress": address}

    def _free_name(self) -> str | None:
        free = [each for each in NAMES if each not in self._names]
        return self._random.choice(free) if free else None

    def _restores(self) -> None:
        for name in self._random.choice([[self._name()], self._names]):
            self._stage.restore(name)

    def _observes(self) -> None:
        self._stage.edit(self._name(), managementPolicy=self._random.choice([None, "Observe"]))

    def _stops(self) -> None:
        self._stage.stop(self._a_while())

    def _remote_regions(self) -> None:
        """Change the remote regions of a resource, or of all at once."""
        for name in self._random.choice([[self._name()], self._names]):
            if self._stage.spec(name)["providerName"] == "AWS":
                self._stage.edit(name, supportedRemoteRegions=self._some_regions())

    def _some_regions(self) -> list[str] | None:
        regions = self._random.choice([(), REMOTE_REGIONS[:1], REMOTE_REGIONS[1:], REMOTE_REGIONS])
        return [*regions] or None

    def _drift_policy(self) -> None:
        self._stage.edit(self._name(), driftPolicy=self._random.choice([None, "Report"]))

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

    def _registers_what_nobody_names(self) -> None:
        """Have a stranger register what a resource that is gone may have named."""
        if (service := self._some_service()) is not None:
            named = {self._stage.spec(each).get("cloudProviderEndpointId") for each in self._names}
            free = [each for each in ENDPOINTS[service.cloud_provider] if each not in named]
            if free:
                self._register(service, self._random.choice(free))

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

    def _widens_the_service(self) -> None:
        service = self._some_service()
        if service is not None and service.cloud_provider == "AWS":
            there = [each for each in service.remote_regions or () if each != FOREIGN_REGION]
            self._atlas.put(service, supportedRemoteRegions=[*there, FOREIGN_REGION])

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

    def _takes_no_writes(self) -> None:
        self._stage.takes_no_writes(self._a_while())

    def _refuses(self) -> None:
        """Have Atlas reject one endpoint from now on, or none."""
        self._atlas.switch(connectFails=self._random.choice([None, ENDPOINTS["AWS"][0]]))

    def _vanishes(self) -> None:
        """Have services vanish with their last endpoint from now on, or stay."""
        self._atlas.switch(dedicated={"vanishesWhenEmpty": self._random.choice([[], ["AWS", "AZURE"]])})
