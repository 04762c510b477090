"""Resources whose project an AtlasProject tells, whose controller the tests play: before it is there, after it is gone, and changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from control_plane.process import wait_until
from support import clouds
from support.atlas import CLOUD_ENDPOINT
from support.clouds import PROJECT, CloudObject
from support.observed import Recorder
from support.resources import Resources, condition
from support.scenes import NAME, Scene, Stage

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
def scene(
    *,
    control_plane: ControlPlane,
    atlas: Atlas,
    operator: OperatorProcess,
    place: Place,
    make_namespace: MakeNamespace,
) -> Iterator[Scene]:
    recorder = Recorder(control_plane)
    resources = Resources(control_plane, make_namespace(), {"world": LABEL}, recorder=recorder)
    resources.secret()
    scene = Scene(Stage(atlas, operator), place, resources, control_plane)
    yield scene
    scene.close()
    recorder.stop()


@pytest.fixture
def project(control_plane: ControlPlane, scene: Scene) -> Iterator[CloudObject]:
    """An AtlasProject that is not there yet; its CRD is."""
    clouds.install(control_plane, PROJECT)
    found = CloudObject(control_plane, scene.resources.namespace, PROJECT, "orders")
    yield found
    found.close()


def report(project: CloudObject, id_: str | None, **fields: Any) -> None:
    """Have MongoDB's operator tell the ID of the project."""
    project.report(id=id_, conditions=[{"type": "ProjectReady", "status": "True" if id_ else "False"}], **fields)


def refer(scene: Scene, *, without: tuple[str, ...] = (), **fields: Any) -> None:
    """Create a resource that names no project, and leaves out other fields."""
    spec = scene.place.spec(**{"projectRef": {"name": "orders"}, **fields})
    scene.resources.create(NAME, {name: value for name, value in spec.items() if name not in {"projectId", *without}})


def made(scene: Scene, project: CloudObject) -> None:
    """Have an AtlasProject with an ID."""
    project.create({"name": "Orders"})
    report(project, scene.place.project)


def waits_for(scene: Scene, reason: str, *words: str) -> None:
    """Wait until the project is told to be unknown, in these words, and that only somebody else can help."""
    body = tells(scene, "False", reason, *words)
    assert "projectId" not in body["status"].get("resolved", {})
    scene.becomes("ReferenceNotReady", "Stalled", says=words, error={"operation": "readReference", "errorCode": reason})


def tells(scene: Scene, status: str, reason: str, *words: str) -> dict[str, Any]:
    """Wait until the condition about the reference says so, and so does Ready where it holds the resource up."""

    def is_told(body: dict[str, Any]) -> bool:
        found, ready = condition(body, "ReferencesResolved"), condition(body, "Ready")
        return (
            found is not None
            and ready is not None
            and (found["status"], found["reason"]) == (status, reason)
            and all(word in ready["message"] for word in words)
        )

    return scene.resources.wait(NAME, is_told, says=f"{status} {reason}")


def writes(scene: Scene) -> list[str]:
    return [each["method"] for each in scene.calls() if each["method"] != "GET"]


def test_an_endpoint_is_reserved_and_connected_once_the_project_is_made(
    scene: Scene, project: CloudObject, control_plane: ControlPlane
) -> None:
    """Everything may be applied at once, and the CRD of MongoDB's operator last of all."""
    clouds.uninstall(control_plane, PROJECT)
    before = len(scene.atlas.requests())
    refer(scene, without=("endpointId",), cloudProviderEndpointId=CLOUD_ENDPOINT, deletionPolicy="Delete")
    waits_for(scene, "NotFound", "no namespaced kind AtlasProject in atlas.mongodb.com/v1", "Install its CRD")

    clouds.install(control_plane, PROJECT)
    waits_for(scene, "NotFound", "There is no AtlasProject orders in namespace")
    project.create({"name": "Orders"})
    waits_for(scene, "NotReady", "AtlasProject orders has no .status.id yet", "Atlas is neither read nor changed")
    assert len(scene.atlas.requests()) == before
    assert scene.resources.get(NAME)["metadata"]["finalizers"] == [FINALIZER]

    report(project, scene.place.project)
    body = scene.becomes_ready()
    assert body["status"]["resolved"]["projectId"] == scene.place.project
    assert body["status"]["reservation"]["endpointId"] == body["status"]["endpoint"]["id"]
    tells(scene, "True", "Resolved")
    assert writes(scene).count("POST") == 1
    shown = control_plane.kubectl(
        "get", "spe", NAME, f"--namespace={scene.resources.namespace}", "--output=wide"
    ).stdout
    assert scene.place.project in shown


def test_a_project_that_goes_is_told_and_the_endpoint_goes_on_and_is_deleted_in_the_end(
    scene: Scene, project: CloudObject, control_plane: ControlPlane
) -> None:
    made(scene, project)
    refer(scene, cloudProviderEndpointId=CLOUD_ENDPOINT, deletionPolicy="Delete")
    scene.becomes_ready()

    project.delete()
    body = tells(scene, "False", "NotFound")
    told = condition(body, "ReferencesResolved")
    assert told is not None
    assert told["message"].endswith(f"The endpoint stays in project {scene.place.project}, where it is.")
    scene.edit(comment="two")
    scene.becomes_ready()
    assert scene.atlas.endpoint(scene.place)["comment"] == "two"
    for state in scene.resources.states(NAME):
        assert condition(state, "Stalled") is None

    control_plane.kubectl("delete", "spe", NAME, f"--namespace={scene.resources.namespace}", "--timeout=60s")
    assert "DELETE" in writes(scene)
    assert scene.place.endpoint not in {each["_id"] for each in scene.atlas.endpoints()}


def test_another_project_is_refused_and_nothing_is_sent_to_either(scene: Scene, project: CloudObject) -> None:
    made(scene, project)
    refer(scene, cloudProviderEndpointId=CLOUD_ENDPOINT)
    scene.becomes_ready()

    report(project, NOWHERE)
    scene.becomes("InvalidSpec", "Stalled", says=(NOWHERE, scene.place.project), error={"operation": "validate"})
    scene.edit(comment="two")
    body = scene.becomes("InvalidSpec", "Stalled", error={"operation": "validate"})
    assert body["status"]["resolved"]["projectId"] == scene.place.project
    assert scene.calls_within(6) == []
    assert not [each for each in scene.atlas.requests() if NOWHERE in each["path"]]
    assert scene.atlas.endpoint(scene.place).get("comment") != "two"

    scene.edit(projectRef=None, projectId=scene.place.project)
    scene.becomes_ready()
    assert scene.atlas.endpoint(scene.place)["comment"] == "two"


def test_the_project_and_the_reference_take_each_others_place_without_a_call_that_changes_anything(
    scene: Scene, project: CloudObject
) -> None:
    made(scene, project)
    scene.create(connected=True)
    scene.becomes_ready()
    scene.edit(projectId=None, projectRef={"name": "orders"})
    scene.becomes_ready()
    tells(scene, "True", "Resolved")
    scene.edit(projectId=scene.place.project, projectRef=None)
    body = scene.becomes_ready()
    assert condition(body, "ReferencesResolved") is None
    assert writes(scene) == []


@pytest.mark.parametrize("value", ["Orders", "../../../orgs", f"{NOWHERE}\n", NOWHERE.upper()])
def test_what_is_no_project_is_told_and_never_a_part_of_a_path(scene: Scene, project: CloudObject, value: str) -> None:
    project.create({"name": "Orders"})
    report(project, value)
    before = len(scene.atlas.requests())
    refer(scene)
    waits_for(scene, "FieldMissing", ".status.id of AtlasProject orders does not hold the ID of an Atlas project")
    assert value not in str(scene.resources.get(NAME)["status"])
    assert len(scene.atlas.requests()) == before


def test_a_deletion_without_any_project_says_why_and_how_it_goes_all_the_same(
    scene: Scene, project: CloudObject
) -> None:
    refer(scene, deletionPolicy="Delete")
    waits_for(scene, "NotFound", "There is no AtlasProject orders")
    scene.resources.delete(NAME)
    scene.becomes(
        "DeletionBlocked",
        "Stalled",
        says=("its project is not known", "There is no AtlasProject orders", "force-finalize"),
        error={"operation": "readReference", "errorCode": "NotFound"},
    )
    assert writes(scene) == []
    made(scene, project)
    wait_until(lambda: not scene.resources.exists(NAME), "the resource to be gone")
    assert scene.place.endpoint not in {each["_id"] for each in scene.atlas.endpoints()}
