"""The real operator serves a kind that the product has not: one folder is all that a kind takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from control_plane.process import wait_until
from support.atlas import PRIVATE_KEY, PUBLIC_KEY, Atlas, place, project_id, seed
from support.kstatus import kstatus
from support.operator_process import OperatorProcess
from support.resources import Resources
from toy.notice import NOTICES
from toy.simulated import NOTICE_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.fixtures import MakeNamespace, StartAtlas

    Start = Callable[..., OperatorProcess]

pytestmark = pytest.mark.gate

TESTS = Path(__file__).parents[1]
LABELS = {"served-by": "toy"}
PROGRAM = ("/usr/bin/env", f"PYTHONPATH={TESTS.parent / 'operator'}:{TESTS}", sys.executable, "-m", "toy")


@pytest.fixture(scope="module")
def noticing_atlas(start_atlas: StartAtlas) -> Atlas:
    """A simulated Atlas that has notices, too."""
    return start_atlas(seed(6), program=PROGRAM)


@pytest.fixture(scope="module")
def start(
    control_plane: ControlPlane,
    crd: str,
    group: ServerGroup,
    noticing_atlas: Atlas,
    tmp_path_factory: pytest.TempPathFactory,
) -> Start:
    """What starts an operator that knows notices."""

    def start(**settings: Any) -> OperatorProcess:
        return OperatorProcess.start(
            group,
            tmp_path_factory.mktemp("operator"),
            kubeconfig=control_plane.kubeconfig,
            atlas_url=noticing_atlas.url,
            program=PROGRAM,
            sync_interval="2s",
            label_selector="served-by=toy",
            **settings,
        )

    return start


@pytest.fixture(scope="module")
def operator(control_plane: ControlPlane, start: Start) -> Iterator[OperatorProcess]:
    """An operator that serves notices, too."""
    control_plane.kubectl("apply", f"--filename={TESTS / 'toy' / 'crd.yaml'}")
    control_plane.wait_for_crds("notices.toy.atlas-endpoints.dev")
    operator = start()
    yield operator
    operator.server.stop(kill=True)


@pytest.fixture
def resources(
    control_plane: ControlPlane, make_namespace: MakeNamespace, operator: OperatorProcess
) -> Iterator[Resources]:
    """A namespace with working credentials."""
    resources = Resources(control_plane, make_namespace(), LABELS, names=NOTICES.names)
    resources.secret()
    yield resources
    resources.close()


class Project:
    """A project as a person sees and changes it, beside the operator."""

    def __init__(self, atlas: Atlas, number: int) -> None:
        self.id = project_id(number)
        self._atlas, self._place = atlas, place(number)
        self._url = f"{atlas.url}/api/atlas/v2/groups/{self.id}/notices"

    def spec(self, **fields: object) -> dict[str, object]:
        """A spec for its notice."""
        secret = {"name": "atlas-credentials"}
        return {"projectId": self.id, "noticeId": NOTICE_ID, "credentialsSecretRef": secret, **fields}

    def notice(self) -> dict[str, str] | None:
        """Its notice as Atlas has it."""
        return next(iter(self._ask("GET").json()), None)

    def writes(self) -> list[tuple[str, object]]:
        """The writes to it."""
        return [(each["method"], each["body"]) for each in self._atlas.requests(self._place) if each["method"] != "GET"]

    def _ask(self, method: str, path: str = "", **more: Any) -> httpx.Response:
        auth, headers = httpx.DigestAuth(PUBLIC_KEY, PRIVATE_KEY), {"Accept": "application/vnd.atlas.2023-01-01+json"}
        with httpx.Client(auth=auth, headers=headers, trust_env=False) as client:
            return client.request(method, self._url + path, **more).raise_for_status()


def test_a_kind_that_is_not_served_needs_no_crd(start: Start, control_plane: ControlPlane) -> None:
    assert (
        "notices.toy" not in control_plane.kubectl("get", "crds", "--output=name").stdout
    )  # what serves them comes later

    start(kinds="DedicatedPrivateEndpoint").server.stop(kill=True)  # it became ready
    everything = start(wait=False)
    wait_until(lambda: "does not serve the kind" in everything.server.log.read_text(), "the operator to miss the CRD")
    assert not everything.ready()
    everything.server.stop(kill=True)


def test_an_edit_becomes_one_call_and_the_status_shows_what_atlas_has(
    resources: Resources, noticing_atlas: Atlas
) -> None:
    project = Project(noticing_atlas, 0)
    resources.create("one", project.spec(text="hello", color="red"))
    body = resources.wait_ready("one")

    assert kstatus(body) == "Current"
    assert body["status"]["notice"] == {"id": NOTICE_ID, "status": "SHOWN", "text": "hello", "color": "red"}
    assert body["status"]["applied"] == {"generation": 1, "text": "hello", "color": "red"}

    resources.edit("one", text="goodbye")
    resources.wait_ready("one")
    assert project.writes() == [("PATCH", {"text": "hello", "color": "red"}), ("PATCH", {"text": "goodbye"})]


def test_the_commands_plan_and_status_show_it(
    resources: Resources, control_plane: ControlPlane, noticing_atlas: Atlas
) -> None:
    spec = Project(noticing_atlas, 5).spec(text="ours")
    resources.create("one", spec)
    resources.wait_ready("one")

    def run(*arguments: str, text: str = "") -> tuple[int, str]:
        variables = {
            "KUBECONFIG": str(control_plane.kubeconfig),
            "MONGODB_ATLAS_PUBLIC_API_KEY": PUBLIC_KEY,
            "MONGODB_ATLAS_PRIVATE_API_KEY": PRIVATE_KEY,
        }
        command = [*PROGRAM, *arguments]
        done = subprocess.run(
            command, input=text, env=os.environ | variables, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout

    names = {"apiVersion": f"{NOTICES.names.group}/{NOTICES.names.version}", "kind": NOTICES.names.kind}
    manifest = {**names, "metadata": {"name": "one"}, "spec": {**spec, "text": "new"}}
    code, planned = run("plan", "--atlas-url", noticing_atlas.url, "-f", "-", text=json.dumps(manifest))
    assert (code, "  ~ text: 'ours' -> 'new'" in planned) == (3, True), planned

    code, shown = run("status", f"{resources.namespace}/one")
    assert (code, f'notice: {{"id": "{NOTICE_ID}", "status": "SHOWN", "text": "ours"}}' in shown) == (0, True), shown
