"""What the fault tests share: a control plane and an Atlas for each worker, and ways between them and operators that break."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from faults.environment import AtOnce, Env, Scale
from faults.proxy import Proxy
from support.operator_process import OperatorProcess
from support.rbac import grant
from support.running import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from faults.environment import Case, StartBehind
    from support.atlas import Atlas, Place


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the length of long runs."""
    parser.addoption("--minutes", type=float, default=None, help="soak for so long, with outages of their true length")
    parser.addoption("--seeds", default=None, help="histories of true time to play, such as 0-4,17")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let connections be severed: what they leave behind warns when it is collected, in whichever test that happens."""
    for item in items:
        if item.path.parent == ROOT / "tests" / "faults":
            item.add_marker(pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"))


@pytest.fixture(scope="session")
def scale(request: pytest.FixtureRequest) -> Scale:
    """How long the long tests take."""
    return Scale.of(request.config.getoption("--minutes", default=None))


@pytest.fixture(scope="session")
def start_behind(
    control_plane: ControlPlane, crd: str, group: ServerGroup, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[StartBehind]:
    """A starter of operators that reach the API server through a proxy."""
    started: list[OperatorProcess] = []

    def start(api: Proxy, *, label: str, atlas_url: str, **settings: Any) -> tuple[OperatorProcess, Path]:
        grant(control_plane, "default", f"operator-{label}")
        folder = tmp_path_factory.mktemp(f"operator-{label}")
        kubeconfig = api.kubeconfig(control_plane.kubeconfig_for("default", f"operator-{label}"), folder / "kubeconfig")
        operator = OperatorProcess.start(
            group,
            folder,
            kubeconfig=kubeconfig,
            atlas_url=atlas_url,
            label_selector=f"served-by={label}",
            **settings,
        )
        started.append(operator)
        return operator, kubeconfig

    yield start
    for operator in started:
        operator.server.stop(kill=True)


@pytest.fixture(scope="module")
def env(
    control_plane: ControlPlane,
    atlas: Atlas,
    places: Iterator[Place],
    start_behind: StartBehind,
    group: ServerGroup,
) -> Iterator[Env]:
    """What the tests of one file stand on."""
    with Proxy(control_plane.url, ca=control_plane.ca) as api, Proxy(atlas.url) as way:
        env = Env(control_plane, api, atlas, way, places, start_behind, group)
        yield env
        for resources in env.made:
            resources.close()


@pytest.fixture(scope="module")
def at_once(request: pytest.FixtureRequest, env: Env, scale: Scale) -> Iterator[AtOnce]:
    """The cases of a module (its ``CASES``) that were selected, under way."""
    chosen = {
        str(item.callspec.params["case"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.path == request.path and "case" in item.fixturenames
    }
    cases: dict[str, Case] = request.module.CASES
    running = AtOnce({name: case for name, case in cases.items() if name in chosen}, env, scale)
    yield running
    running.close()
