"""Which resources there are: names, labels, specs and endpoints, all by number. Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LABEL = "atlas-endpoints.dev/population"
INSTANCES = 40
TENANTS = 4
"""Projects, each with credentials of its own: as many of ours may use all workers, and none more than half of them."""
NAMESPACES = tuple(f"benchmark-{number}" for number in range(8))
"""Where the resources are: no namespace gets more than half of our workers."""
CLOUD_ENDPOINT = "vpce-0123456789abcdef0"


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource; its number is that of its endpoint."""

    population: str
    number: int
    tenants: int = TENANTS

    @property
    def name(self) -> str:
        return f"{self.population}-{self.number:05}"

    @property
    def namespace(self) -> str:
        """Where it is. All resources of an instance are in one namespace."""
        return NAMESPACES[self.number % INSTANCES % len(NAMESPACES)]

    @property
    def instance(self) -> str:
        return f"shop-{self.number % INSTANCES:02}"

    @property
    def tenant(self) -> int:
        """Whose it is: number of the project and of the credentials. An instance is in one project."""
        return self.number % INSTANCES % self.tenants

    @property
    def project(self) -> str:
        return project_id(self.tenant)

    @property
    def endpoint(self) -> str:
        return f"e{self.number:023x}"

    def manifest(self, comment: str) -> dict[str, Any]:
        return {
            "apiVersion": "atlas-endpoints.dev/v1alpha1",
            "kind": "ServerlessPrivateEndpoint",
            "metadata": {"namespace": self.namespace, "name": self.name, "labels": {LABEL: self.population}},
            "spec": {
                "projectId": self.project,
                "instanceName": self.instance,
                "providerName": "AWS",
                "endpointId": self.endpoint,
                "cloudProviderEndpointId": CLOUD_ENDPOINT,
                "comment": comment,
                "credentialsSecretRef": {"name": secret_name(self.tenant)},
            },
        }


@dataclass(frozen=True, slots=True)
class Population:
    """Resources with one label.

    Attributes:
        name: The label's value.
        size: How many there are.
        first: The number of the first.
        tenants: How many pairs of credentials share them.
    """

    name: str
    size: int
    first: int = 0
    tenants: int = TENANTS

    def __iter__(self) -> Iterator[Resource]:
        return (Resource(self.name, number, self.tenants) for number in range(self.first, self.first + self.size))

    @property
    def after(self) -> int:
        """The number that the next population may begin with."""
        return self.first + self.size


def project_id(tenant: int) -> str:
    return f"{0xA + tenant:x}{tenant:023x}"


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


def world(populations: Iterable[Population], comment: str) -> list[dict[str, Any]]:
    """Return what the stub of Atlas is to hold: an endpoint for each resource, with this comment."""
    endpoints: dict[tuple[str, str], list[str]] = defaultdict(list)
    for population in populations:
        for resource in population:
            endpoints[resource.project, resource.instance].append(resource.endpoint)
    return [
        {"projectId": project, "instanceName": instance, "endpointIds": ids, "comment": comment}
        for (project, instance), ids in endpoints.items()
    ]


def status_of(sample: Resource, status: str, resource: Resource) -> str:
    """Return the status that a resource has at rest.

    Args:
        sample: A resource that a contender has brought to rest.
        status: Its status as JSON.
        resource: Another one, in the same state.
    """
    for known, other in (
        (sample.endpoint, resource.endpoint),
        (sample.project, resource.project),
        (f"resource/{secret_name(sample.tenant)}", f"resource/{secret_name(resource.tenant)}"),
    ):
        status = status.replace(known, other)
    return status
