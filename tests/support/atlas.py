"""The simulated Atlas as a process of its own, and what tests do to it and ask it."""

from __future__ import annotations

import json
import re
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from control_plane.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from control_plane.process import Server, ServerGroup

COMMAND = (
    "/usr/bin/env",
    f"PYTHONPATH={Path(__file__).parents[2] / 'operator'}",
    str(Path(sys.executable).with_name("atlas-endpoints")),
)
"""The command of this very checkout, also where several share one environment."""

CLIENT_ID = "mdb_sa_id_5f7cac1adf5d6c6306f4b299"
CLIENT_SECRET = "mdb_sa_sk_for-tests-only"
READ_ONLY_CLIENT_ID = "mdb_sa_id_5f7cac1adf5d6c6306f4b2aa"
PUBLIC_KEY, PRIVATE_KEY = "testkeys", "01234567-89ab-cdef-0123-456789abcdef"

CLOUD_ENDPOINT = "vpce-0123456789abcdef0"
OTHER_CLOUD_ENDPOINT = "vpce-0123456789abcdef1"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one endpoint is in the simulated Atlas."""

    project: str
    instance: str
    endpoint: str

    @property
    def path(self) -> str:
        """The path of the instance's endpoints, as a regular expression for faults."""
        return f"/groups/{self.project}/.*/instance/{self.instance}/"

    def sibling(self, number: int) -> Place:
        """Another endpoint of the same instance, which is there once it was put."""
        return replace(self, endpoint=f"{self.endpoint[:16]}{number:08x}")

    def spec(self, **fields: Any) -> dict[str, Any]:
        return {
            "projectId": self.project,
            "instanceName": self.instance,
            "providerName": "AWS",
            "endpointId": self.endpoint,
            "credentialsSecretRef": {"name": "atlas-credentials"},
            **fields,
        }

    def reserving(self, **fields: Any) -> dict[str, Any]:
        """A spec for another endpoint of the same instance, which is still to be reserved."""
        return {name: value for name, value in self.spec(**fields).items() if name != "endpointId"}


class Atlas:
    """A running simulator; any thread may ask it."""

    def __init__(self, server: Server, url: str, launch: Callable[[int], Server]) -> None:
        self.server = server
        self.url = url
        self._launch = launch
        self._http = httpx.Client(base_url=f"{url}/_simulator/", trust_env=False, timeout=60)
        self._log: dict[int, dict[str, Any]] = {}
        self._settled = 0
        self._reading = threading.Lock()

    @classmethod
    def start(
        cls,
        group: ServerGroup,
        folder: Path,
        seed: dict[str, Any],
        *,
        transition: float = 0.5,
        program: Sequence[str] = COMMAND,
    ) -> Atlas:
        """Start the simulator of a program on a free port."""
        path = folder / "seed.json"
        path.write_text(json.dumps(seed))

        def launch(port: int) -> Server:
            arguments = ["--port", str(port), "--seed", str(path), "--transition", str(transition)]
            return group.start("simulator", [*program, "simulate", *arguments], folder=folder)

        server = launch(0)
        address = re.compile(r"^Atlas simulator: (\S+)$", re.MULTILINE)
        wait_until(lambda: address.search(server.log.read_text()) is not None, "the simulator", servers=[server])
        found = address.search(server.log.read_text())
        assert found is not None
        return cls(server, found[1], launch)

    def stop(self) -> None:
        """End the simulator, so that connections are refused; it forgets all that was not in the seed."""
        self.server.stop(kill=True)

    def switches(self) -> dict[str, Any]:
        return dict(self._http.get("switches").raise_for_status().json())

    def requests(self, place: Place | None = None, method: str | None = None) -> list[dict[str, Any]]:
        """The calls to the Admin API so far, of one place and method if asked for."""
        return [
            each
            for each in self._read_log()
            if (place is None or f"/groups/{place.project}/" in each["path"])
            and (method is None or each["method"] == method)
        ]

    def patches(self, place: Place) -> list[dict[str, Any]]:
        """The bodies of all PATCHes to a place, without what is in each of them."""
        return [
            {name: value for name, value in each["body"].items() if name != "providerName"}
            for each in self.requests(place, "PATCH")
            if each["path"].endswith(place.endpoint)
        ]

    def project(self, place: Place) -> dict[str, Any]:
        """Return the project of a place, with all that is in it."""
        projects = self._http.get("state").raise_for_status().json()["projects"]
        return next(dict(each) for each in projects if each["id"] == place.project)

    def endpoints(self) -> list[dict[str, Any]]:
        projects = self._http.get("state").raise_for_status().json()["projects"]
        return [each for project in projects for instance in project["instances"] for each in instance["endpoints"]]

    def reserved(self, place: Place) -> list[dict[str, Any]]:
        """The endpoints of a place's instance, but for the one that was there from the beginning."""
        projects = self._http.get("state").raise_for_status().json()["projects"]
        instances = (each for project in projects if project["id"] == place.project for each in project["instances"])
        return [each for instance in instances for each in instance["endpoints"] if each["_id"] != place.endpoint]

    def faults(self) -> list[dict[str, Any]]:
        """The faults that were posted, with how often each has happened."""
        return list(self._http.get("faults").raise_for_status().json())

    def endpoint(self, place: Place) -> dict[str, Any]:
        for project in self._http.get("state").raise_for_status().json()["projects"]:
            for instance in project["instances"]:
                for endpoint in instance["endpoints"]:
                    if (project["id"], instance["name"], endpoint["_id"]) == (
                        place.project,
                        place.instance,
                        place.endpoint,
                    ):
                        return dict(endpoint)
        raise LookupError(place)

    def change(self, place: Place, **fields: Any) -> None:
        """Change an endpoint as a person in the Atlas UI would."""
        endpoint = {"_id": place.endpoint, **fields}
        self.post("endpoints", {"projectId": place.project, "instanceName": place.instance, "endpoint": endpoint})

    def connect(self, place: Place, comment: str | None = None) -> None:
        """Have an endpoint connected already, so that a resource that wants just that is ready at once."""
        self.change(place, status="AVAILABLE", cloudProviderEndpointId=CLOUD_ENDPOINT, comment=comment)

    def put_account(
        self,
        place: Place,
        role: str | None = "GROUP_OWNER",
        *,
        client_secret: str = CLIENT_SECRET,
        former_secret: str | None = None,
        access_list: Sequence[str] = (),
    ) -> dict[str, str]:
        """Add or change a service account that no other place uses; its role is for that place's project alone.

        Args:
            place: that it is for.
            role: in the project of the place; ``None``: in none that there is.
            client_secret: its secret.
            former_secret: another one that is valid still.
            access_list: the addresses from which it may be used; none: all.

        Returns:
            What a Secret with its credentials holds.
        """
        client_id = f"mdb_sa_id_{place.project}"
        account = {
            "clientId": client_id,
            "clientSecret": client_secret,
            "clientSecrets": [former_secret] if former_secret else [],
            "roles": {place.project if role else "f" * 24: role or "GROUP_OWNER"},
            "accessList": list(access_list),
        }
        self.post("credentials", {"serviceAccounts": [account]})
        return {"clientId": client_id, "clientSecret": client_secret}

    def put_api_key(
        self, place: Place, private_key: str = PRIVATE_KEY, *, role: str = "GROUP_OWNER", generation: int = 0
    ) -> dict[str, str]:
        """Add or change an API key that no other place uses, and give what a Secret with it holds.

        Args:
            place: that it is for.
            private_key: its secret.
            role: in all projects.
            generation: of several keys for one place, 0 to 9.
        """
        public_key = "".join(chr(ord("a") + int(digit, 16)) for digit in f"{place.project[-7:]}{generation}")
        roles = {"*": role}
        self.post("credentials", {"apiKeys": [{"publicKey": public_key, "privateKey": private_key, "roles": roles}]})
        return {"publicApiKey": public_key, "privateApiKey": private_key}

    def remove_credentials(self, data: Mapping[str, str]) -> None:
        """Remove the account or key that a Secret with these keys holds; its tokens end with it."""
        self.post("credentials", {"remove": [data.get("clientId") or data["publicApiKey"]]})

    def revoke_tokens(self, data: Mapping[str, str]) -> None:
        """End all access tokens of the service account that a Secret with these keys holds."""
        self.post("credentials", {"revokeTokens": [data["clientId"]]})

    def signed_by(self, data: Mapping[str, str], *, since: float = 0.0) -> list[dict[str, Any]]:
        """All requests that name the account or key that a Secret with these keys holds, tokens and revocations included."""
        name = data.get("clientId") or data["publicApiKey"]
        return [each for each in self.requests() if each["credentials"] == name and each["time"] >= since]

    def fail(self, place: Place, *, method: str | None = None, **fault: Any) -> None:
        """Have calls about a place fail; see the simulator's faults."""
        match = {"path": place.path, **({"method": method} if method else {})}
        self.post("faults", [{"match": match, **fault}])

    def heal(self, place: Place | None = None, *, path: str | None = None) -> None:
        """Clear the faults of a place, those with a pattern for the path, or all."""
        path = place.path if place else path
        parameters = {"path": path} if path is not None else {}
        self._http.delete("faults", params=parameters).raise_for_status()

    def close(self) -> None:
        self._http.close()
        self.stop()

    def post(self, what: str, body: Any) -> Any:
        answer = self._http.post(what, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def _answers(self) -> bool:
        try:
            return self._http.get("mode").is_success
        except httpx.TransportError:
            return False

    def _read_log(self) -> list[dict[str, Any]]:
        """Return the whole log, of which only what is new is fetched."""
        with self._reading:
            answer = self._http.get("requests", params={"since": self._settled}).raise_for_status()
            for entry in answer.json():
                self._log[entry["index"]] = entry
            while self._settled in self._log and self._log[self._settled]["answered"] is not None:
                self._settled += 1
            return list(self._log.values())


def seed(projects: int, *, endpoints: int = 1, **extra: Any) -> dict[str, Any]:
    """A world with a number of projects, each with a federated database, and one AWS instance ``shop`` and reserved endpoints in it.

    Each project uses keys of its own over private networking.
    """
    on = {"enabled": True, "requirePrivateNetworking": True}
    vault = {
        "subscriptionID": "4e133d35-e734-4385-a565-c0945567ae34",
        "resourceGroupName": "keys",
        "keyVaultName": "orders",
    }
    return {
        "projects": [
            {
                "id": project_id(number),
                "instances": [
                    {
                        "name": "shop",
                        "providerName": "AWS",
                        "regionName": "US_EAST_1",
                        "endpoints": [
                            {"_id": endpoint_id(number, index), "status": "RESERVED"} for index in range(endpoints)
                        ],
                    }
                ],
                "federatedDatabases": ["lake"],
                "encryptionAtRest": {"awsKms": on, "azureKeyVault": {**on, **vault}},
            }
            for number in range(projects)
        ],
        "serviceAccounts": [
            {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET, "roles": "*"},
            {
                "clientId": READ_ONLY_CLIENT_ID,
                "clientSecret": CLIENT_SECRET,
                "roles": {project_id(number): "GROUP_READ_ONLY" for number in range(projects)},
            },
        ],
        "apiKeys": [{"publicKey": PUBLIC_KEY, "privateKey": PRIVATE_KEY, "roles": "*"}],
        # Many operators share a service account in a test run, more than Atlas's quota of tokens is for.
        "switches": {"oauth": {"requestsPerMinute": None}},
        **extra,
    }


def connected(world: dict[str, Any]) -> dict[str, Any]:
    """Have all endpoints of a seed be connected, to services of one name, so that their statuses are alike."""
    for project in world["projects"]:
        for endpoint in project["instances"][0]["endpoints"]:
            endpoint.update(
                status="AVAILABLE",
                cloudProviderEndpointId=CLOUD_ENDPOINT,
                endpointServiceName="com.amazonaws.vpce.shop",
            )
    return world


def project_id(number: int) -> str:
    return f"5f7cac1adf5d6c63{number:08x}"


def endpoint_id(project: int, index: int = 0) -> str:
    return f"6f7cac1a{project:08x}{index:08x}"


def place(project: int, index: int = 0) -> Place:
    return Place(project_id(project), "shop", endpoint_id(project, index))
