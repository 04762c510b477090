"""What a broken set-up is made of: a team with a namespace, a project in Atlas, and a service account for it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from demo.stage import Stage
    from demo.terminal import Terminal

ORDERS = "orders"
"""The resource that each team has."""
SECRET = "atlas-credentials"
SERVED: Mapping[str, str] = {"environment": "production"}
"""The labels of the resources that the operator serves."""
VAULT = "vault"
"""The namespace of the Secrets with what is right for each team, for people who heal a set-up themselves."""

INSTANCE = "ServerlessInstance0"
CLUSTER = "orders"
"""A dedicated cluster."""
REGION = "EU_WEST_1"
CLOUD_ENDPOINT = "vpce-0123456789abcdef0"
STRANGE_CLOUD_ENDPOINT = "vpce-0badbadbadbadbad0"
"""Of this one, Atlas says that there is none."""

PATIENCE = 90.0
"""Seconds until what is expected soon has to be there: some things are looked at once a minute."""


class Kind(NamedTuple):
    """A kind of resource, as the API and kubectl name it."""

    name: str
    plural: str
    short: str


SERVERLESS = Kind("ServerlessPrivateEndpoint", "serverlessprivateendpoints", "spe")
DEDICATED = Kind("DedicatedPrivateEndpoint", "dedicatedprivateendpoints", "dpe")


@dataclass(frozen=True, slots=True)
class Team:
    """A team.

    Attributes:
        name: Of its namespace.
        number: That nobody else has.
        client_secret: Of its service account; made up anew for each run.
    """

    name: str
    number: int
    client_secret: str = field(default_factory=lambda: f"mdb_sa_sk_{secrets.token_hex(16)}")

    @property
    def project(self) -> str:
        return f"32b6e34b3d91647abb20e7{self.number:02x}"

    @property
    def endpoint(self) -> str:
        """The ID of the endpoint of its serverless instance, which is AVAILABLE at first."""
        return f"5f7cac1adf5d6c6306f4b2{self.number:02x}"

    @property
    def client_id(self) -> str:
        return f"mdb_sa_id_{self.project}"

    def account(self, role: str = "GROUP_OWNER", access_list: Sequence[str] = ()) -> dict[str, Any]:
        """Give its service account, as the simulated Atlas takes it."""
        roles = {self.project: role}
        secret = {"clientId": self.client_id, "clientSecret": self.client_secret}
        return {**secret, "roles": roles, "accessList": list(access_list)}


def world(teams: Sequence[Team]) -> dict[str, Any]:
    """Return the Atlas in which each team has what it needs."""
    available = {"status": "AVAILABLE", "cloudProviderEndpointId": CLOUD_ENDPOINT}
    return {
        "projects": [
            {
                "id": team.project,
                "instances": [{"name": INSTANCE, "endpoints": [{"_id": team.endpoint, **available}]}],
                "endpointServices": [{"cloudProvider": "AWS", "regionName": REGION}],
                "clusters": [{"name": CLUSTER, "regions": [{"providerName": "AWS", "regionName": REGION}]}],
            }
            for team in teams
        ],
        "serviceAccounts": [team.account() for team in teams],
        "switches": {"connectFails": STRANGE_CLOUD_ENDPOINT},
    }


class Scene:
    """What one set-up acts on.

    Attributes:
        stage: Where it plays.
        team: Whose it is.
        terminal: Where it is told.
        kind: Of its resources; another one once they are healed if they were of the wrong one.
    """

    def __init__(self, stage: Stage, team: Team, terminal: Terminal, kind: Kind) -> None:
        self.stage = stage
        self.team = team
        self.terminal = terminal
        self.kind = kind

    # Unseen: what breaks

    def namespace(self) -> None:
        self.kubectl_unseen("create", "namespace", self.team.name)

    def secret(self, client_secret: str | None = None) -> None:
        """Create the Secret, with the right client secret or another one."""
        self.kubectl_unseen(*self._secret(client_secret or self.team.client_secret))

    def create(self, name: str = ORDERS, *, labels: Mapping[str, str] = SERVED, **spec: Any) -> None:
        """Create a resource that connects the endpoint as it is; `None` leaves a field out."""
        self.kubectl_unseen("apply", "-f", str(self.manifest(name, labels=labels, **spec)))

    def edit(self, **spec: Any) -> None:
        self.kubectl_unseen("patch", self.kind.short, ORDERS, "--type=merge", "--patch", json.dumps({"spec": spec}))

    def becomes_ready(self) -> None:
        """Wait until all is well, before something is broken."""
        self.kubectl_unseen("wait", "--for=condition=Ready", f"{self.kind.short}/{ORDERS}", "--timeout=50s")

    def put(self, *documents: Mapping[str, Any], status_of: str | None = None) -> None:
        """Apply documents; or the status alone of the one object of this kind and name."""
        for document in documents:
            if status_of is None:
                self.kubectl_unseen("apply", "-f", "-", stdin=json.dumps(document))
            else:
                self.kubectl_unseen(
                    "patch", status_of, "--subresource=status", "--type=merge", "-p", json.dumps(document)
                )

    def endpoint(self, **fields: Any) -> None:
        endpoint = {"_id": self.team.endpoint, **fields}
        place = {"projectId": self.team.project, "instanceName": INSTANCE}
        self.stage.atlas.post("endpoints", {**place, "endpoint": endpoint})

    def endpoint_service(self, **fields: Any) -> None:
        place = {"projectId": self.team.project, "cloudProvider": "AWS", "regionName": REGION}
        self.stage.atlas.post("endpointServices", {**place, **fields})

    def account(self, **account: Any) -> None:
        """Change the service account in Atlas; arguments as for `Team.account`."""
        self.stage.atlas.post("credentials", {"serviceAccounts": [self.team.account(**account)]})

    # Before everybody's eyes: what heals

    def kubectl(self, *words: str, hide: str | None = None) -> None:
        self.stage.kubectl("-n", self.team.name, *words, hide=hide, terminal=self.terminal)

    def create_secret(self) -> None:
        self.kubectl(*self._secret(self.team.client_secret), hide=self.team.client_secret)

    def force_sync(self) -> None:
        """Ask the operator to look at once; any new value does."""
        value = f"look-{len(self.stage.atlas.requests())}"
        self.kubectl("annotate", "--overwrite", self.kind.short, ORDERS, f"atlas-endpoints.dev/force-sync={value}")

    # What is there

    def manifest(self, name: str = ORDERS, *, labels: Mapping[str, str] = SERVED, **spec: Any) -> Path:
        """Write the manifest of a resource into a file; arguments as for `create`."""
        identity = {"instanceName": INSTANCE, "endpointId": self.team.endpoint}
        whole = {
            "projectId": self.team.project,
            "providerName": "AWS",
            **(identity if self.kind is SERVERLESS else {"region": REGION}),
            "cloudProviderEndpointId": CLOUD_ENDPOINT,
            "credentialsSecretRef": {"name": SECRET},
            **spec,
        }
        document = {
            "apiVersion": "atlas-endpoints.dev/v1alpha1",
            "kind": self.kind.name,
            "metadata": {"name": name, "labels": dict(labels)},
            "spec": {field: value for field, value in whole.items() if value is not None},
        }
        return self.file(f"{name}.yaml", document)

    def file(self, name: str, document: Mapping[str, Any]) -> Path:
        path = self.stage.folder / self.team.name / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump(dict(document), sort_keys=False), encoding="utf-8")
        return path

    def resources(self) -> list[Any]:
        return self._list(f"apis/atlas-endpoints.dev/v1alpha1/namespaces/{self.team.name}/{self.kind.plural}")

    def events(self) -> list[Any]:
        return self._list(f"api/v1/namespaces/{self.team.name}/events")

    def _list(self, path: str) -> list[Any]:
        # Not by kubectl, which takes a tenth of a second of a processor each time.
        with self.stage.control_plane.client() as client:
            return list(client.get(f"/{path}").raise_for_status().json()["items"])

    def _secret(self, client_secret: str) -> tuple[str, ...]:
        literals = {"clientId": self.team.client_id, "clientSecret": client_secret}
        return ("create", "secret", "generic", SECRET, *(f"--from-literal={key}={literals[key]}" for key in literals))

    def kubectl_unseen(self, *words: str, stdin: str | None = None) -> str:
        return self.stage.control_plane.kubectl("-n", self.team.name, *words, stdin=stdin).stdout
