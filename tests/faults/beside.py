"""Resources of all kinds but serverless ones in a soak: they are edited beside, and what Atlas made for them stays what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_endpoints.kinds import KINDS
from support.atlas import place
from support.resources import Resources, observed, ready

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from control_plane import ControlPlane
    from support.atlas import Atlas

VPCE = "vpce-0123456789abcdef0"
SPECS: Mapping[str, Mapping[str, Any]] = {
    "DedicatedPrivateEndpoint": {"region": "us-east-1", "cloudProviderEndpointId": VPCE},
    "DataFederationPrivateEndpoint": {"cloudProviderEndpointId": VPCE},
    "EncryptionAtRestPrivateEndpoint": {"region": "us-east-1"},
    "BackupPrivateEndpoint": {"region": "us-east-1"},
    "StreamPrivateEndpoint": {"vendor": "KINESIS", "region": "us-east-1"},
}
FAMILIES = (
    "endpointServices",
    "dataFederationEndpoints",
    "encryptionAtRestEndpoints",
    "backupEndpoints",
    "streamEndpoints",
)
"""Where the simulator's state has what is made for them."""
CALLS = "/(privateEndpoint|encryptionAtRest|backup|privateNetworkSettings|streams)/"
"""The paths of their calls to Atlas, as a regular expression for faults."""
NAME = "beside"


class Beside:
    """One resource of each of these kinds, in the first project of an Atlas."""

    def __init__(self, control_plane: ControlPlane, resources: Resources, labels: Mapping[str, str]) -> None:
        self._kinds = {
            kind.names.kind: Resources(control_plane, resources.namespace, labels, names=kind.names)
            for kind in KINDS
            if kind.names.kind in SPECS
        }
        self._spec = {
            "projectId": place(0).project,
            "providerName": "AWS",
            "credentialsSecretRef": {"name": "atlas-credentials"},
        }

    def create(self) -> None:
        """Create them all."""
        for kind, resources in self._kinds.items():
            resources.create(NAME, {**self._spec, **SPECS[kind]})

    def edit(self, random: Random) -> None:
        """Edit one of them, such that Atlas is looked at and nothing is sent."""
        resources = self._kinds[random.choice(list(self._kinds))]
        resources.edit(NAME, driftPolicy=random.choice(["Correct", "Report"]))

    def astray(self) -> list[str]:
        """Tell which are not as they should be, and how they are."""
        found = {kind: resources.get(NAME) for kind, resources in self._kinds.items()}
        return [
            f"{kind}: {body['status']}"
            for kind, body in found.items()
            if not (observed(body) and ready(body)["status"] == "True")
        ]

    def made(self, atlas: Atlas) -> dict[str, list[str]]:
        """Return the IDs of what Atlas has of each family."""
        project = atlas.project(place(0))
        ids = {family: [_id_of(each) for each in project[family]] for family in FAMILIES}
        return {**ids, "endpoints": [each["id"] for one in project["endpointServices"] for each in one["endpoints"]]}

    def close(self) -> None:
        """Close the connections."""
        for each in self._kinds.values():
            each.close()


def _id_of(document: Mapping[str, Any]) -> str:
    return str(next(document[name] for name in ("id", "_id", "endpointId") if name in document))
