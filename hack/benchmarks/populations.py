"""Which resources there are: names, labels, specs and endpoints, all by number. Pure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

LABEL = "atlas-endpoints.dev/population"
PLACES = 40
TENANTS = 4
"""Pairs of credentials: as many of ours may use all workers, and none more than half of them."""
NAMESPACES = tuple(f"benchmark-{number}" for number in range(8))
"""Where the resources are: no namespace gets more than half of our workers."""
CLOUD_ENDPOINT = "vpce-0123456789abcdef0"


@dataclass(frozen=True, slots=True)
class Fleet:
    """Resources of one kind, and how they are spread.

    Attributes:
        kind: What they are.
        prefix: The beginning of the names of their populations.
        places: How many instances they have, or projects of the second kind; each LIST shows one.
        tenants: How many pairs of credentials share them.
    """

    kind: type[Resource]
    prefix: str = ""
    places: int = PLACES
    tenants: int = TENANTS

    def population(self, name: str, size: int, first: int = 0) -> Population:
        return Population(self, f"{self.prefix}{name}", size, first)

    def secrets(self) -> set[tuple[str, int]]:
        """Return the namespaces and tenants of all resources."""
        return {(each.namespace, each.tenant) for each in self.population("all", self.places)}


@dataclass(frozen=True, slots=True)
class Resource(ABC):
    """One resource; its number is that of its endpoint."""

    fleet: Fleet
    population: str
    number: int

    kind: ClassVar[str]
    plural: ClassVar[str]

    @property
    def name(self) -> str:
        return f"{self.population}-{self.number:05}"

    @property
    def namespace(self) -> str:
        """Where it is. All resources of a place are in one namespace."""
        return NAMESPACES[self.place % len(NAMESPACES)]

    @property
    def place(self) -> int:
        return self.number % self.fleet.places

    @property
    def tenant(self) -> int:
        """Whose credentials it uses."""
        return self.place % self.fleet.tenants

    @property
    @abstractmethod
    def endpoint(self) -> str:
        """The ID that Atlas has for its endpoint."""

    @property
    @abstractmethod
    def edited(self) -> str:
        """The ID of what an edit changes in Atlas."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """All texts in its status that another resource has otherwise."""

    @abstractmethod
    def spec(self, words: str) -> dict[str, Any]:
        """Return the spec; the words tell it from others, if it has a place for them."""

    @abstractmethod
    def edit(self, words: str) -> dict[str, Any]:
        """Return the fields that an edit sets."""

    def manifest(self, words: str) -> dict[str, Any]:
        return {
            "apiVersion": "atlas-endpoints.dev/v1alpha1",
            "kind": self.kind,
            "metadata": {"namespace": self.namespace, "name": self.name, "labels": {LABEL: self.population}},
            "spec": {**self.spec(words), "credentialsSecretRef": {"name": secret_name(self.tenant)}},
        }


class Serverless(Resource):
    """Names an endpoint of Atlas; an edit is of its comment."""

    __slots__ = ()
    kind = "ServerlessPrivateEndpoint"
    plural = "serverlessprivateendpoints"

    @property
    def instance(self) -> str:
        return f"shop-{self.place:02}"

    @property
    def project(self) -> str:
        """The project, which each tenant has one of. An instance is in one project."""
        return project_id(self.tenant)

    @property
    @override
    def endpoint(self) -> str:
        return f"e{self.number:023x}"

    @property
    @override
    def edited(self) -> str:
        return self.endpoint

    @property
    @override
    def names(self) -> tuple[str, ...]:
        return self.endpoint, self.project, f"resource/{secret_name(self.tenant)}"

    @override
    def spec(self, words: str) -> dict[str, Any]:
        return {
            "projectId": self.project,
            "instanceName": self.instance,
            "providerName": "AWS",
            "endpointId": self.endpoint,
            "cloudProviderEndpointId": CLOUD_ENDPOINT,
            **self.edit(words),
        }

    @override
    def edit(self, words: str) -> dict[str, Any]:
        return {"comment": words}


class Dedicated(Resource):
    """Has an endpoint that the operator registers with the service of its project; an edit is of remote regions."""

    __slots__ = ()
    kind = "DedicatedPrivateEndpoint"
    plural = "dedicatedprivateendpoints"

    @property
    def project(self) -> str:
        """The project, of which there is one for each place."""
        return project_id(self.place)

    @property
    def service(self) -> str:
        return f"c{self.place:023x}"

    @property
    @override
    def endpoint(self) -> str:
        return f"vpce-{self.number:017x}"

    @property
    @override
    def edited(self) -> str:
        return self.service

    @property
    @override
    def names(self) -> tuple[str, ...]:
        return self.endpoint, self.service, self.project, f"resource/{secret_name(self.tenant)}"

    @override
    def spec(self, words: str) -> dict[str, Any]:
        return {
            "projectId": self.project,
            "providerName": "AWS",
            "region": "us-east-1",
            "cloudProviderEndpointId": self.endpoint,
        }

    @override
    def edit(self, words: str) -> dict[str, Any]:
        return {"supportedRemoteRegions": [words.replace(" ", "-")]}  # ours and the stub take any name


@dataclass(frozen=True, slots=True)
class Population:
    """Resources with one label.

    Attributes:
        fleet: What they are.
        name: The label's value.
        size: How many there are.
        first: The number of the first.
    """

    fleet: Fleet
    name: str
    size: int
    first: int = 0

    def __iter__(self) -> Iterator[Resource]:
        numbers = range(self.first, self.first + self.size)
        return (self.fleet.kind(self.fleet, self.name, number) for number in numbers)

    @property
    def after(self) -> int:
        """The number that the next population may begin with."""
        return self.first + self.size


SERVERLESS = Fleet(Serverless)
TWO_PROJECTS = Fleet(Serverless, "two-projects-", tenants=2)
WIDE = Fleet(Serverless, "wide-", places=2000, tenants=200)
DEDICATED = Fleet(Dedicated, "dedicated-")


def project_id(number: int) -> str:
    return f"a{number:023x}"


def secret_name(tenant: int) -> str:
    """Return the name of the Secret with a tenant's credentials."""
    return f"atlas-{tenant}"


def secret(namespace: str, tenant: int) -> dict[str, Any]:
    """Return a tenant's Secret as it is created in a namespace; the stub takes any credentials."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": namespace, "name": secret_name(tenant)},
        "stringData": {"clientId": f"mdb_sa_id_{project_id(tenant)}", "clientSecret": "mdb_sa_sk_for-the-benchmark"},
    }


def selector(populations: Iterable[Population]) -> str:
    """Return the label selector that a contender serves just these populations with."""
    return f"{LABEL} in ({','.join(population.name for population in populations)})"


def world(settled: Iterable[Population], to_create: Iterable[Population], comment: str) -> Mapping[str, Any]:
    """Return what the stub of Atlas is to hold: an endpoint for each resource, in an instance or a service.

    Args:
        settled: Resources at rest.
        to_create: Resources that will be created. For those of the second kind, the operator registers the endpoints.
        comment: Of the endpoints of the first kind.
    """
    instances: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    services: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for populations, are_registered in ((settled, True), (to_create, False)):
        for resource in (each for population in populations for each in population):
            if isinstance(resource, Serverless):
                instances[resource.project, resource.instance].append(resource.endpoint)
            if isinstance(resource, Dedicated):
                services[resource.project, resource.service] += [resource.endpoint] if are_registered else []
    return {
        "instances": [
            {"projectId": project, "instanceName": instance, "endpointIds": ids, "comment": comment}
            for (project, instance), ids in instances.items()
        ],
        "services": [
            {"projectId": project, "serviceId": service, "endpointIds": ids}
            for (project, service), ids in services.items()
        ],
    }


def status_of(sample: Resource, status: str, resource: Resource) -> str:
    """Return the status that a resource has at rest.

    Args:
        sample: A resource that a contender has brought to rest.
        status: Its status as JSON.
        resource: Another one, in the same state.
    """
    for known, other in zip(sample.names, resource.names, strict=True):
        status = status.replace(known, other)
    return status
