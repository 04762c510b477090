"""Resources whose project an AtlasProject tells, whose controller the tests play: before it is there, after it is gone, and changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from control_plane.process import wait_until
from support import clouds
from support.atlas import CLOUD_ENDPOINT
from support.clouds import PROJECT, CloudObject
from support.concurrent_cases import NAME, Env, Setup
from support.observed import Recorder
from support.resources import Resources, condition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.fixtures import MakeNamespace, RunOperator
    from support.operator_process import OperatorProcess

LABEL = "projects"
FINALIZER = "atlas-endpoints.dev/cleanup"
NOWHERE = "face" * 6
PATIENCE = 45.0


@pytest.fixture(scope="module")
def operator(start_operator: RunOperator, atlas: Atlas) -> OperatorProcess:
    return start_operator(label=LABEL, atlas=atlas, namespace="default", sync_interval="3s", stall_grace="2s")


@pytest.fixture
def env(
    *,
    control_plane: ControlPlane,
    atlas: Atlas,
    operator: OperatorProcess,
    place: Place,
    make_namespace: MakeNamespace,
) -> Iterator[Env]:
    recorder = Recorder(control_plane)
    resources = Resources(control_plane, make_namespace(), {"served-by": LABEL}, recorder=recorder)
    resources.secret()
    env = Env(Setup(atlas, operator), place, resources, control_plane)
    yield env
    env.close()
    recorder.stop()


@pytest.fixture
def project(control_plane: ControlPlane, env: Env) -> Iterator[CloudObject]:
    """An AtlasProject that is not there yet; its CRD is."""
    clouds.install(control_plane, PROJECT)
    found = CloudObject(control_plane, env.resources.namespace, PROJECT, "orders")
    yield found
    found.close()


def report(project: CloudObject, id_: str | None, **fields: Any) -> None:
    """Have MongoDB's operator tell the ID of the project."""
    project.report(id=id_, conditions=[{"type": "ProjectReady", "status": "True" if id_ else "False"}], **fields)


def refer(env: Env, *, without: tuple[str, ...] = (), **fields: Any) -> None:
    """Create a resource that names no project, and leaves out other fields."""
    spec = env.place.spec(**{"projectRef": {"name": "orders"}, **fields})
    env.resources.create(NAME, {name: value for name, value in spec.items() if name not in {"projectId", *without}})


def made(env: Env, project: CloudObject) -> None:
    """Have an AtlasProject with an ID."""
    project.create({"name": "Orders"})
    report(project, env.place.project)


def waits_for(env: Env, reason: str, *words: str) -> None:
    """Wait until the project is told to be unknown, in these words, and that only somebody else can help."""
    body = tells(env, "False", reason, *words)
    assert "projectId" not in body["status"].get("resolved", {})
    env.becomes("ReferenceNotReady", "Stalled", says=words, error={"operation": "readReference", "errorCode": reason})


def tells(env: Env, status: str, reason: str, *words: str) -> dict[str, Any]:
    """Wait until the condition about the reference says so, and so does Ready where it holds the resource up."""

    def is_told(body: dict[str, Any]) -> bool:
        found, ready = condition(body, "ReferencesResolved"), condition(body, "Ready")
        return (
            found is not None
            and ready is not None
            and (found["status"], found["reason"]) == (status, reason)
            and all(word in ready["message"] for word in words)
        )

    return env.resources.wait(NAME, is_told, says=f"{status} {reason}")


def writes(env: Env) -> list[str]:
    return [each["method"] for each in env.calls() if each["method"] != "GET"]


def test_an_endpoint_is_reserved_and_connected_once_the_project_is_made(
    env: Env, project: CloudObject, control_plane: ControlPlane
) -> None:
    """Everything may be applied at once, and the CRD of MongoDB's operator last of all."""
    clouds.uninstall(control_plane, PROJECT)
    before = len(env.atlas.requests())
    refer(env, without=("endpointId",), cloudProviderEndpointId=CLOUD_ENDPOINT, deletionPolicy="Delete")
    waits_for(env, "NotFound", "no namespaced kind AtlasProject in atlas.mongodb.com/v1", "Install its CRD")

    clouds.install(control_plane, PROJECT)
    waits_for(env, "NotFound", "There is no AtlasProject orders in namespace")
    project.create({"name": "Orders"})
    waits_for(
        env, "NotReady", "AtlasProject orders has no .status.id yet", "the operator neither reads nor changes Atlas"
    )
    assert len(env.atlas.requests()) == before
    assert env.resources.get(NAME)["metadata"]["finalizers"] == [FINALIZER]

    report(project, env.place.project)
    body = env.becomes_ready()
    assert body["status"]["resolved"]["projectId"] == env.place.project
    assert body["status"]["reservation"]["endpointId"] == body["status"]["endpoint"]["id"]
    tells(env, "True", "Resolved")
    assert writes(env).count("POST") == 1
    shown = control_plane.kubectl("get", "spe", NAME, f"--namespace={env.resources.namespace}", "--output=wide").stdout
    assert env.place.project in shown


def test_a_project_that_goes_is_told_and_the_endpoint_goes_on_and_is_deleted_in_the_end(
    env: Env, project: CloudObject, control_plane: ControlPlane
) -> None:
    made(env, project)
    refer(env, cloudProviderEndpointId=CLOUD_ENDPOINT, deletionPolicy="Delete")
    env.becomes_ready()

    project.delete()
    body = tells(env, "False", "NotFound")
    told = condition(body, "ReferencesResolved")
    assert told is not None
    assert told["message"].endswith(f"The endpoint stays in project {env.place.project}.")
    env.edit(comment="two")
    env.becomes_ready()
    assert env.atlas.endpoint(env.place)["comment"] == "two"
    for state in env.resources.states(NAME):
        assert condition(state, "Stalled") is None

    control_plane.kubectl("delete", "spe", NAME, f"--namespace={env.resources.namespace}", "--timeout=60s")
    assert "DELETE" in writes(env)
    assert env.place.endpoint not in {each["_id"] for each in env.atlas.endpoints()}


def test_another_project_is_refused_and_nothing_is_sent_to_either(env: Env, project: CloudObject) -> None:
    made(env, project)
    refer(env, cloudProviderEndpointId=CLOUD_ENDPOINT)
    env.becomes_ready()

    report(project, NOWHERE)
    env.becomes("InvalidSpec", "Stalled", says=(NOWHERE, env.place.project), error={"operation": "validate"})
    env.edit(comment="two")
    body = env.becomes("InvalidSpec", "Stalled", error={"operation": "validate"})
    assert body["status"]["resolved"]["projectId"] == env.place.project
    assert env.calls_within(6) == []
    assert not [each for each in env.atlas.requests() if NOWHERE in each["path"]]
    assert env.atlas.endpoint(env.place).get("comment") != "two"

    env.edit(projectRef=None, projectId=env.place.project)
    env.becomes_ready()
    assert env.atlas.endpoint(env.place)["comment"] == "two"


def test_the_project_and_the_reference_take_each_others_place_without_a_call_that_changes_anything(
    env: Env, project: CloudObject
) -> None:
    made(env, project)
    env.create(connected=True)
    env.becomes_ready()
    env.edit(projectId=None, projectRef={"name": "orders"})
    env.becomes_ready()
    tells(env, "True", "Resolved")
    env.edit(projectId=env.place.project, projectRef=None)
    body = env.becomes_ready()
    assert condition(body, "ReferencesResolved") is None
    assert writes(env) == []


@pytest.mark.parametrize("value", ["Orders", "../../../orgs", f"{NOWHERE}\n", NOWHERE.upper()])
def test_what_is_no_project_is_told_and_never_a_part_of_a_path(env: Env, project: CloudObject, value: str) -> None:
    project.create({"name": "Orders"})
    report(project, value)
    before = len(env.atlas.requests())
    refer(env)
    waits_for(env, "FieldMissing", ".status.id of AtlasProject orders is not the ID of an Atlas project")
    assert value not in str(env.resources.get(NAME)["status"])
    assert len(env.atlas.requests()) == before


def test_a_deletion_without_any_project_says_why_and_how_it_goes_all_the_same(env: Env, project: CloudObject) -> None:
    refer(env, deletionPolicy="Delete")
    waits_for(env, "NotFound", "There is no AtlasProject orders")
    env.resources.delete(NAME)
    env.becomes(
        "DeletionBlocked",
        "Stalled",
        says=("its project is unknown", "There is no AtlasProject orders", "force-finalize"),
        error={"operation": "readReference", "errorCode": "NotFound"},
    )
    assert writes(env) == []
    made(env, project)
    wait_until(lambda: not env.resources.exists(NAME), "the resource to be gone")
    assert env.place.endpoint not in {each["_id"] for each in env.atlas.endpoints()}
