"""Resources that refer to objects of other controllers, whose part the tests play: from nothing to AVAILABLE, and what goes wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from integration.life.deletions import FINALIZER
from support import clouds
from support.atlas import CLOUD_ENDPOINT, Atlas
from support.audit import deeds
from support.clouds import PROJECT, CloudObject
from support.concurrent_cases import NAME, Env, Setup
from support.resources import condition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from control_plane import ControlPlane
    from support.atlas import Place
    from support.fixtures import MakeEnv, RunOperator
    from support.operator_process import OperatorProcess

LABEL = "references"
OPERATOR = f"system:serviceaccount:default:operator-{LABEL}"
SETTINGS = {"sync_interval": "3s", "stall_grace": "2s"}


@pytest.fixture(scope="module")
def operator(start_operator: RunOperator, atlas: Atlas) -> OperatorProcess:
    return start_operator(label=LABEL, atlas=atlas, **SETTINGS)


@pytest.fixture
def env(make_env: MakeEnv, atlas: Atlas, operator: OperatorProcess, place: Place) -> Env:
    return make_env(Setup(atlas, operator), place, LABEL)


@pytest.fixture
def project(control_plane: ControlPlane, env: Env) -> Iterator[CloudObject]:
    """An AtlasProject that is not there yet; its CRD is."""
    clouds.install(control_plane, PROJECT)
    found = CloudObject(control_plane, env.resources.namespace, PROJECT, "orders")
    yield found
    found.close()


def report(project: CloudObject, id_: str | None) -> None:
    """Have MongoDB's operator tell the ID of the project."""
    project.report(id=id_, conditions=[{"type": "ProjectReady", "status": "True" if id_ else "False"}])


def refer(env: Env, *, without: tuple[str, ...] = (), **fields: Any) -> None:
    """Create a resource that names no project, and leaves out other fields."""
    spec = env.place.spec(**{"projectRef": {"name": "orders"}, **fields})
    env.resources.create(NAME, {name: value for name, value in spec.items() if name not in {"projectId", *without}})


def resolved(body: dict[str, Any]) -> tuple[str, str]:
    found = condition(body, "ReferencesResolved")
    return (found["status"], found["reason"]) if found else ("", "")


def reported(env: Env, status: str, reason: str, *words: str) -> dict[str, Any]:
    """Wait until the condition about references says so, in these words, and give the resource."""

    def is_reported(body: dict[str, Any]) -> bool:
        message = (condition(body, "ReferencesResolved") or {}).get("message", "")
        return resolved(body) == (status, reason) and all(word in message for word in words)

    return env.resources.wait(NAME, is_reported, says=f"{status} {reason}: {words}")


def waits_for(env: Env, reason: str, *words: str) -> dict[str, Any]:
    """Wait until what the spec refers to is told to be missing, in these words, and give the resource."""
    return reported(env, "False", reason, *words)


def misses_its_project(env: Env, reason: str, *words: str) -> None:
    """Wait until the project is told to be unknown, and that only somebody else can help."""
    body = waits_for(env, reason, *words)
    assert "projectId" not in body["status"].get("resolved", {})
    env.becomes("ReferenceNotReady", "Stalled", says=words, error={"operation": "readReference", "errorCode": reason})


def writes(env: Env) -> list[str]:
    return [each["method"] for each in env.calls() if each["method"] != "GET"]


def test_a_kind_that_is_not_among_the_settings_is_not_even_asked_for(env: Env, control_plane: ControlPlane) -> None:
    reference = {"apiVersion": "apps.example.com/v1", "kind": "Deployment", "name": "x", "fieldPath": ".status.id"}
    env.create(cloudProviderEndpointRef=reference)
    waits_for(env, "KindNotAllowed", "ATLAS_ENDPOINTS_REFERENCE_KINDS")
    env.becomes("ReferenceNotReady", "Stalled", error={"errorCode": "KindNotAllowed"})
    assert "deployments" not in {each.resource for each in deeds(control_plane, OPERATOR)}


def test_an_endpoint_is_reserved_and_connected_once_the_project_is_made(
    env: Env, project: CloudObject, control_plane: ControlPlane
) -> None:
    """Everything may be applied at once, and the CRD of MongoDB's operator last of all."""
    clouds.uninstall(control_plane, PROJECT)
    before = len(env.atlas.requests())
    refer(env, without=("endpointId",), cloudProviderEndpointId=CLOUD_ENDPOINT, deletionPolicy="Delete")
    misses_its_project(env, "NotFound", "AtlasProject", "atlas.mongodb.com/v1", "CRD")

    clouds.install(control_plane, PROJECT)
    misses_its_project(env, "NotFound", "AtlasProject orders")
    project.create({"name": "Orders"})
    misses_its_project(env, "NotReady", "AtlasProject orders", ".status.id")
    assert len(env.atlas.requests()) == before
    assert env.resources.get(NAME)["metadata"]["finalizers"] == [FINALIZER]

    report(project, env.place.project)
    body = env.becomes_ready()
    assert body["status"]["resolved"]["projectId"] == env.place.project
    assert body["status"]["reservation"]["endpointId"] == body["status"]["endpoint"]["id"]
    reported(env, "True", "Resolved")
    assert writes(env).count("POST") == 1
    shown = control_plane.kubectl("get", "spe", NAME, f"--namespace={env.resources.namespace}", "--output=wide").stdout
    assert env.place.project in shown
