"""What the tests of commands share: the simulator as a command has it, with what a case has in Atlas."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import yaml

from atlas_endpoints.atlas.credentials import ApiKey
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.commands.check.interview import Place, interview
from atlas_endpoints.simulator.auth import ServiceAccount
from atlas_endpoints.simulator.endpoint import EndpointDocument
from atlas_endpoints.simulator.federation_endpoint import FederationEndpointDocument
from atlas_endpoints.simulator.regional_endpoint import (
    BackupEndpointDocument,
    EncryptionDocument,
    EncryptionEndpointDocument,
)
from atlas_endpoints.simulator.service import ServiceDocument
from atlas_endpoints.simulator.stream_endpoint import StreamEndpointDocument
from behaviour.atlas import ACCOUNT, PROJECT, SimulatedAtlas
from behaviour.cases import filled
from behaviour.dedicated import CONSTANTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from atlas_endpoints.kinds.commands import KindWithCommands

_IN_AZURE = "/subscriptions/00000000-0000-4000-8000-000000000000/resourceGroups/rg/providers/{}"
KNOWN = {
    **CONSTANTS,
    "FOLDER": "written",
    "OTHER_SERVICE": "b" * 24,
    "AZURE_ID_IN_CAPITALS": CONSTANTS["AZURE_ID"].upper(),
    "AZURE_ID_IN_OTHER_GROUP": CONSTANTS["AZURE_ID"].replace("/rg/", "/other/"),
    "ARN": "arn:aws:kafka:eu-west-1:123456789012:cluster/orders/de8982fa-8222-4e87-8b20-9bf3cdfa1521-2",
    "AWS_SERVICE": "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0",
    "NAMESPACE": _IN_AZURE.format("Microsoft.EventHub/namespaces/orders"),
    "AZURE_SERVICE": _IN_AZURE.format("Microsoft.Network/privateLinkServices/one"),
    "ATTACHMENT": "projects/orders/regions/us-central1/serviceAttachments/one",
}

READS = {"GET service", "GET endpoint", "GET regionalMode", "LIST"}


class ReadAtlas(SimulatedAtlas):
    """The simulator with the endpoints of all families that a case has; ``role`` is that of the credentials, if not the owner's."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        super().__init__(lambda: 1_800_000_000.0)
        world = self.simulator.world
        project, world.mode = world.projects[PROJECT], case.get("mode", "normal")
        project.regional_mode = case.get("regional", False)
        for each in case.get("services", ()):
            self.simulator.services.put(project, ServiceDocument.model_validate(each))
        for each in case.get("federation", ()):
            self.simulator.federation.put(project, FederationEndpointDocument.model_validate(each))
        regional = self.simulator.regional
        for each in case.get("encryption", ()):
            regional.put(project, EncryptionEndpointDocument.model_validate(each))
        for each in case.get("backups", ()):
            regional.put(project, BackupEndpointDocument.model_validate(each))
        regional.put_encryption(project, EncryptionDocument.model_validate(case.get("encryptionAtRest", {})))
        for each in case.get("streams", ()):
            self.simulator.streams.put(project, StreamEndpointDocument.model_validate(each))
        if "role" in case:
            account = ServiceAccount.model_validate({**ACCOUNT, "roles": {PROJECT: case["role"]}})
            self.simulator.credentials.put((account,), ())
        for name, endpoints in case.get("instances", {}).items():
            instance = world.add_instance(project, name, provider_name="AWS", region_name="US_EAST_1")
            for each in endpoints:
                world.put(instance, EndpointDocument.model_validate(each))

    async def aclose(self) -> None:
        pass


class Run(Protocol):
    """Runs a command against the project of a case, and returns its exit code and what it printed."""

    def __call__(self, case: Mapping[str, Any], *arguments: str) -> tuple[int, str, str]: ...


def cases(file: Path) -> list[Any]:
    """Return the cases in a file, with what their constants stand for."""
    found = yaml.safe_load(file.read_text("utf-8"))
    return [pytest.param(filled(case, KNOWN), id=title) for title, case in found.items()]


def resource(kind: KindWithCommands[Any], name: str, **spec: Any) -> dict[str, Any]:
    """Return the manifest of a resource in the project."""
    return {
        "apiVersion": kind.names.api_version,
        "kind": kind.names.kind,
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"projectId": PROJECT, **spec},
    }


def planned(run: Run, folder: Path, case: Mapping[str, Any], *bodies: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return what ``plan`` says of manifests: the exit code and the document."""
    (folder / "all.yaml").write_text(yaml.safe_dump_all(bodies))
    code, output, _ = run(case, "plan", "-o", "json", "-f", str(folder / "all.yaml"))
    document: dict[str, Any] = json.loads(output)
    return code, document


def place_of(kind: KindWithCommands[Any], **spec: Any) -> Place:
    """Return the place of a resource, which is the only one."""
    body = stored(kind, **spec)
    parsed = kind.resource.parse(body)
    scope = Scope("f", PROJECT, kind.names.kind, parsed.scope_name)
    return Place(kind, scope, "", (parsed,), frozenset({kind.named_by(body)}))


def stored(kind: KindWithCommands[Any], **spec: Any) -> dict[str, Any]:
    """Return a resource as the API server has it."""
    body = resource(kind, "one", **spec)
    return {**body, "metadata": {**body["metadata"], "uid": "u", "generation": 1, "resourceVersion": "1"}}


def asked(case: Mapping[str, Any], place: Place) -> list[str]:
    """Return the findings about a place."""
    result = asyncio.run(interview(place, ReadAtlas(case), ApiKey("p", "k"), writes=True))
    return [str(each) for each in result.findings]
