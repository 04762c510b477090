"""Fixtures for tests on the real control plane: it, the CRD, a simulated Atlas, and operators between the two.

A plugin of pytest, which ``tests/conftest.py`` names.
"""

from __future__ import annotations

import fcntl
import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from control_plane import ControlPlane, provide_programs
from control_plane.process import ServerGroup, wait_until
from support import kstatus
from support.atlas import Atlas, Place, place, seed
from support.concurrent_cases import Env, Setup
from support.crd import crds, path_of
from support.observed import Recorder
from support.operator_process import OperatorProcess
from support.rbac import grant
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import httpx

    from support.fixtures import MakeEnv, MakeNamespace, MakeResources, RunOperator, StartAtlas

ROOT = Path(__file__).parents[2]
CRD_NAME = "customresourcedefinition/serverlessprivateendpoints.atlas-endpoints.dev"

LONGEST = (
    "test_bad_input",
    "test_dedicated",
    "test_leadership",
    "test_helm_life",
    "test_events",
    "test_references",
    "test_credentials_at_scale",
    "test_lifetime",
    "test_logs",
    "test_life",
    "test_rights_in_use",
    "test_recorded",
    "test_soak",
)
"""Files of tests on a control plane, the longest first."""

PLACES = 200
"""Projects in the shared Atlas: more than there are tests."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--statuses", type=Path, default=None, help="keep each distinct object that operators write, one JSON a line"
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """Begin a new file of statuses; the workers of a run that is spread over processes append to the same one."""
    kept: Path | None = session.config.getoption("--statuses")
    if kept is not None and not hasattr(session.config, "workerinput"):
        kept.unlink(missing_ok=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build the control plane, and the controller manager, before the first test that needs it.

    A cold build takes minutes: longer than a test may, and too long to say nothing. Here no test's clock runs yet, and
    with pytest's capture off, the progress is seen.
    """
    wanted = {name for item in session.items for name in _fixtures_of(item)}
    if session.config.option.collectonly or "control_plane" not in wanted:
        return
    capture: Any = session.config.pluginmanager.getplugin("capturemanager")  # its class is private to pytest
    with capture.global_and_fixture_disabled():
        provide_programs(controller_manager="controller_manager" in wanted)


def _fixtures_of(item: pytest.Item) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """The run's control plane (each xdist worker's own), with an audit log of all requests."""
    with ControlPlane(
        provide_programs(), directory=tmp_path_factory.mktemp("control-plane"), audit_log=True
    ) as running:
        yield running


@pytest.fixture
def controller_manager(control_plane: ControlPlane) -> Iterator[Path]:
    """Run kube-controller-manager for a test that needs it, on the test's `control_plane`; the program.

    A test that only deletes a namespace when it ends does not need it.
    """
    program = provide_programs(controller_manager=True).kube_controller_manager
    if program is None:
        pytest.skip("needs kube-controller-manager, which envtest does not ship")
    control_plane.start_controller_manager(program)
    yield program
    control_plane.stop_controller_manager()


@pytest.fixture(scope="module")
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    name = _create_namespace(control_plane, labels=None)
    yield name
    _delete_namespaces(control_plane, [name])


@pytest.fixture
def make_namespace(control_plane: ControlPlane) -> Iterator[MakeNamespace]:
    names: list[str] = []

    def make(labels: Mapping[str, str] | None = None) -> str:
        names.append(_create_namespace(control_plane, labels))
        return names[-1]

    yield make
    _delete_namespaces(control_plane, names)


def _create_namespace(control_plane: ControlPlane, labels: Mapping[str, str] | None) -> str:
    metadata = {"generateName": "test-", "labels": dict(labels or {})}
    with control_plane.client() as client:
        answer = client.post("/api/v1/namespaces", json={"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        return str(answer.raise_for_status().json()["metadata"]["name"])


def _delete_namespaces(control_plane: ControlPlane, names: list[str]) -> None:
    if not names:
        return
    with control_plane.client() as client:  # without kube-controller-manager, what is in a namespace stays
        for name in names:
            _delete_all(client, f"/apis/atlas-endpoints.dev/v1alpha1/namespaces/{name}/serverlessprivateendpoints")
            client.delete(f"/api/v1/namespaces/{name}")


def _delete_all(client: httpx.Client, path: str) -> None:
    """Delete a collection page by page: of thousands at once, the answer may take longer than a busy API server allows."""
    following = ""
    while True:
        answer = client.delete(path, params={"limit": 500, "continue": following})
        following = answer.json().get("metadata", {}).get("continue", "") if answer.is_success else ""
        if not following:  # or the kind is not served
            return


@pytest.fixture(scope="session")
def crd(recorder: Recorder) -> str:
    """The CRD, installed and established; its name."""
    return CRD_NAME


@pytest.fixture(scope="session")
def recorder(control_plane: ControlPlane, pytestconfig: pytest.Config) -> Iterator[Recorder]:
    """What sees all states of all resources of the first kind, from the installation of the CRDs on."""
    install(control_plane)
    with _recording(control_plane, "serverlessprivateendpoints", pytestconfig) as recorder:
        yield recorder


@pytest.fixture(scope="session")
def dedicated_recorder(control_plane: ControlPlane, crd: str, pytestconfig: pytest.Config) -> Iterator[Recorder]:
    """What sees all states of all private endpoints of dedicated clusters."""
    with _recording(control_plane, "dedicatedprivateendpoints", pytestconfig) as recorder:
        yield recorder


@contextmanager
def _recording(control_plane: ControlPlane, plural: str, pytestconfig: pytest.Config) -> Iterator[Recorder]:
    """Record a kind. Every status that operators write is checked at the end, and kept if ``--statuses`` says where."""
    recorder = Recorder(control_plane, plural)
    yield recorder
    recorder.stop()
    # Without this label no operator serves a resource: its status was written by a test.
    bodies = [body for body in recorder.distinct() if "served-by" in body["metadata"].get("labels", {})]
    kept: Path | None = pytestconfig.getoption("--statuses")
    if kept is not None:
        kept.parent.mkdir(exist_ok=True)
        with kept.open("a") as lines:
            fcntl.flock(lines, fcntl.LOCK_EX)  # the workers of a run share the file
            lines.write("".join(json.dumps(body) + "\n" for body in bodies))
    wrong = [
        f"{problem}: {json.dumps(body['status'])}"
        for body in bodies
        if not _is_status_of_a_test(body)
        for problem in kstatus.problems(body)
    ]
    assert not wrong, "\n".join(wrong[:20])


def _is_status_of_a_test(body: Mapping[str, Any]) -> bool:
    """Whether a test has written the status, or a part of it that is still there."""
    fields = body["metadata"].get("managedFields", ())
    return any(each.get("subresource") == "status" and each["manager"].startswith("python-httpx") for each in fields)


def install(control_plane: ControlPlane) -> None:
    """Install the CRDs, and wait until the kinds are served."""
    files = [f"--filename={path_of(kind)}" for kind in crds()]
    plurals = [each["spec"]["names"]["plural"] for each in crds().values()]

    def are_served() -> bool:
        # Unlike other commands, this one asks afresh and does not believe what kubectl remembers.
        shown = control_plane.kubectl("api-resources", "--categories=atlas").stdout
        return all(plural in shown for plural in plurals)

    control_plane.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", *files)
    control_plane.wait_for_crds(*(f"{plural}.atlas-endpoints.dev" for plural in plurals))
    wait_until(are_served, "the API server to serve the kinds")
    with control_plane.client() as client:
        # For a moment it answers 429, "storage is (re)initializing".
        paths = [f"/apis/atlas-endpoints.dev/v1alpha1/{plural}" for plural in plurals]
        wait_until(lambda: all(client.get(path).is_success for path in paths), "the API server to list the kinds")


@pytest.fixture(scope="session")
def group() -> Iterator[ServerGroup]:
    """What ends all processes of the run, however it ends."""
    group = ServerGroup(detached=False)
    yield group
    group.close()


@pytest.fixture(scope="session")
def atlas(group: ServerGroup, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Atlas]:
    """The simulated Atlas that most tests share; each test has places of its own in it."""
    atlas = Atlas.start(group, tmp_path_factory.mktemp("atlas"), seed(PLACES))
    yield atlas
    atlas.close()


@pytest.fixture(scope="session")
def start_operator(
    control_plane: ControlPlane, crd: str, group: ServerGroup, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunOperator]:
    """A starter of operators that serve the resources with one label only."""
    started: list[OperatorProcess] = []

    def start(*, label: str, atlas: Atlas, namespace: str = "default", **settings: Any) -> OperatorProcess:
        grant(control_plane, namespace, f"operator-{label}")
        operator = OperatorProcess.start(
            group,
            tmp_path_factory.mktemp(f"operator-{label}"),
            kubeconfig=control_plane.kubeconfig_for(namespace, f"operator-{label}"),
            atlas_url=atlas.url,
            label_selector=f"served-by={label}",
            **settings,
        )
        started.append(operator)
        return operator

    yield start
    for operator in started:
        operator.server.stop(kill=True)


@pytest.fixture
def run_operator(start_operator: RunOperator) -> Iterator[RunOperator]:
    """A starter of operators that run no longer than the test."""
    started: list[OperatorProcess] = []

    def run(**settings: Any) -> OperatorProcess:
        started.append(start_operator(**settings))
        return started[-1]

    yield run
    for operator in started:
        operator.server.stop(kill=True)


@pytest.fixture(scope="module")
def start_atlas(group: ServerGroup, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartAtlas]:
    """A starter of simulated Atlases for the tests of one file."""
    started: list[Atlas] = []

    def start(seed: dict[str, Any], **options: Any) -> Atlas:
        started.append(Atlas.start(group, tmp_path_factory.mktemp("atlas"), seed, **options))
        return started[-1]

    yield start
    for atlas in started:
        atlas.close()


@pytest.fixture
def make_resources(
    control_plane: ControlPlane, recorder: Recorder, make_namespace: MakeNamespace
) -> Iterator[MakeResources]:
    """A maker of namespaces with working credentials, for the resources of one operator each."""
    made: list[Resources] = []

    def make(label: str) -> Resources:
        made.append(Resources(control_plane, make_namespace(), {"served-by": label}, recorder=recorder))
        made[-1].secret()
        return made[-1]

    yield make
    for resources in made:
        resources.close()


@pytest.fixture
def make_env(control_plane: ControlPlane, make_resources: MakeResources) -> Iterator[MakeEnv]:
    """A maker of environments: a namespace with working credentials, a place in Atlas, and the operator between the two."""
    made: list[Env] = []

    def make(setup: Setup, place: Place, label: str) -> Env:
        made.append(Env(setup, place, make_resources(label), control_plane))
        return made[-1]

    yield make
    for env in made:
        env.close()


@pytest.fixture(scope="session")
def places() -> Iterator[Place]:
    return (place(number) for number in range(PLACES))


@pytest.fixture(name="place")
def own_place(places: Iterator[Place]) -> Place:
    """A place in the shared Atlas that no other test uses, with one endpoint that is RESERVED."""
    return next(places)
