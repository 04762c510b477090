"""The project of a case: what resources want there, and what a person sees and does in Atlas beside the operator."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from control_plane.process import wait_until
from support.concurrent_cases import new_namespace
from support.resources import condition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.concurrent_cases import Env
    from support.resources import Resources

VPCE, OTHER, STRANGER = (f"vpce-0123456789abcdef{number}" for number in range(3))
"""VPC endpoints: the one of a resource, that of another one, and one that no resource names."""

AZURE_ID = "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/pe"

AWS: Mapping[str, Any] = {"providerName": "AWS", "region": "eu-west-1"}
AZURE: Mapping[str, Any] = {"providerName": "AZURE", "region": "eastus2"}
GCP: Mapping[str, Any] = {"providerName": "GCP", "region": "us-central1", "gcp": {"projectId": "my-project-1"}}
IRELAND, US_EAST_2, CENTRAL_US = "EU_WEST_1", "US_EAST_2", "CENTRAL_US"
"""Atlas's names of these regions."""


class Project:
    """The project of an environment."""

    def __init__(self, env: Env) -> None:
        self._env = env
        self.id = env.place.project

    def spec(self, **fields: Any) -> dict[str, Any]:
        """Return a spec in this project, on AWS unless it has another provider."""
        cloud = {} if "providerName" in fields else AWS
        return {"projectId": self.id, "credentialsSecretRef": {"name": "atlas-credentials"}, **cloud, **fields}

    def create(self, name: str, **fields: Any) -> None:
        """Create a resource of this project."""
        self._env.resources.create(name, self.spec(**fields))

    def beside(self, data: Mapping[str, str] | None = None) -> Resources:
        """Return the resources of a new namespace with a Secret of its own."""
        return self._env.resources.beside(new_namespace(self._env.control_plane), data)

    def services(self) -> dict[str, dict[str, Any]]:
        """Return the services in Atlas by Atlas's names of their regions."""
        return {
            each["regionName"] + (" legacy" if each.get("portMappingEnabled") is False else ""): each
            for each in self._env.atlas.project(self._env.place)["endpointServices"]
        }

    def endpoints(self, region: str = IRELAND) -> dict[str, str]:
        """Return the statuses of the endpoints in a region by their IDs."""
        found = self.services()[region]["endpoints"]
        return {each["id"]: each.get("connectionStatus") or each["status"] for each in found}

    def put(self, region: str = IRELAND, cloud: str = "AWS", **fields: Any) -> dict[str, Any]:
        """Put or change a service and its endpoints, as a person or Atlas itself does."""
        where = {"projectId": self.id, "cloudProvider": cloud, "regionName": region}
        return dict(self._env.atlas.post("endpointServices", {**where, **fields}))

    def fail(self, method: str, path: str = "", **fault: Any) -> None:
        """Have calls fail, those whose path after the project matches a regular expression; see the simulator's faults."""
        match = {"method": method, "path": f"/groups/{self.id}/{path}"}
        self._env.atlas.post("faults", [{"match": match, **fault}])

    def heal(self) -> None:
        """Have all calls to all projects answered by Atlas again."""
        for fault in self._env.atlas.faults():
            if self.id in (path := fault["match"].get("path", "")):
                self._env.atlas.heal(path=path)

    def calls(self, *, since: float = 0.0) -> list[str]:
        """Return what was called, such as ``POST endpoint 201``, in this order."""
        return [named(each) for each in self._env.calls(since=since)]

    def writes(self, *, since: float = 0.0) -> list[str]:
        """Return the calls that change something."""
        return [each for each in self.calls(since=since) if not each.startswith(("GET", "LIST"))]

    def bodies(self, call: str) -> list[Any]:
        """Return what was sent with the calls of a name that Atlas has taken."""
        return [
            each["body"] for each in self._env.calls() if named(each).startswith(call) and (each["status"] or 0) < 300
        ]


def named(call: Mapping[str, Any]) -> str:
    """Return the name of a call, and the status of its answer, or that this was lost."""
    method, path, status = call["method"], call["path"], call["status"] or "lost"
    if "/clusters/" in path:
        what = "cluster"
    elif re.search(r"/endpoint(/|$)", path):
        what = "endpoint"
    else:
        what = "service"
    if method == "GET" and path.endswith("/endpointService"):
        return f"LIST {status}"
    return f"{method} {what} {status}"


def goes(resources: Resources, name: str, *, says: str = "") -> None:
    """Delete a resource, and wait until it is no more; an Event about that has these words.

    One whose endpoint never showed stays for 95 s, while a call may still register it.
    """
    resources.delete(name)
    wait_until(lambda: not resources.exists(name), f"{name} to go", timeout=240)
    wait_until(lambda: not says or any(says in each["note"] for each in resources.events(name)), f"an Event: {says}")


def has(body: Mapping[str, Any], type_: str, status: str, reason: str) -> bool:
    """Return whether a resource has a condition with this status for this reason."""
    found = condition(body, type_)
    return found is not None and (found["status"], found["reason"]) == (status, reason)
