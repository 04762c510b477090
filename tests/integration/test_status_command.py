"""``atlas-endpoints status``: one resource as an on-call engineer asks about it, also in conflict with one of another namespace."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol

import pytest

from atlas_endpoints.cli import main
from support.atlas import CLOUD_ENDPOINT
from support.checking import LOCATION
from support.resources import Resources

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.fixtures import MakeNamespace, RunOperator

    class Ask(Protocol):
        """Returns the exit code, the lines for people, and what was said besides."""

        def __call__(self, kubeconfig: Path, name: str) -> tuple[int, list[str], str]: ...


LABEL = "status"


@pytest.fixture
def teams(control_plane: ControlPlane, crd: str, make_namespace: MakeNamespace) -> Iterator[list[Resources]]:
    """Two namespaces with working credentials."""
    teams = [Resources(control_plane, make_namespace(), {"served-by": LABEL}) for _ in range(2)]
    for each in teams:
        each.secret()
    yield teams
    for each in teams:
        each.close()


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs the command."""

    def run(kubeconfig: Path, name: str) -> tuple[int, list[str], str]:
        monkeypatch.setattr(LOCATION, str(kubeconfig))
        code = main(["status", name])
        output = capsys.readouterr()
        return code, output.out.splitlines(), output.err

    return run


def test_two_teams_that_name_one_endpoint(
    control_plane: ControlPlane,
    start_operator: RunOperator,
    teams: list[Resources],
    *,
    atlas: Atlas,
    place: Place,
    ask: Ask,
) -> None:
    start_operator(label=LABEL, atlas=atlas, namespace="default")
    atlas.connect(place, "orders")
    owner, other = teams
    owner.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="orders"))
    owner.wait_ready("orders")
    other.create("copy", place.spec(comment="another"))
    other.wait_reason("copy", "Conflict")

    name = f"{other.namespace}/copy"
    code, lines, _ = ask(control_plane.kubeconfig, name)
    assert code == 0
    assert lines[0].startswith(f"{name}: Ready is False, Conflict")
    assert f"Endpoint named by: {owner.namespace}/orders, the owner, Available" in lines
    assert f"Endpoint named by: {name}, not the owner, Conflict" in lines
    assert any(
        re.match(rf"Endpoint: id '{place.endpoint}', status 'AVAILABLE', statusSince \d+ s ago, ", line)
        for line in lines
    )
    assert "Differs: comment is 'orders' in Atlas and 'another' in the spec" in lines
    assert any(line.startswith("Next read of Atlas: ") and "force-sync" in line for line in lines)

    control_plane.kubectl("create", "serviceaccount", "person", f"--namespace={other.namespace}")
    grant_view(control_plane, other.namespace)
    person = control_plane.kubeconfig_for(other.namespace, "person")
    _, lines, _ = ask(person, name)
    assert not any(owner.namespace in line for line in lines)
    assert "Endpoint named by: resources of other namespaces are not shown, because you may not list them." in lines


def grant_view(control_plane: ControlPlane, namespace: str) -> None:
    """Let somebody look at the resources of one namespace."""
    control_plane.kubectl(
        "create", "role", "look", f"--namespace={namespace}", "--verb=get,list",
        "--resource=serverlessprivateendpoints.atlas-endpoints.dev",
    )  # fmt: skip
    control_plane.kubectl(
        "create",
        "rolebinding",
        "look",
        f"--namespace={namespace}",
        "--role=look",
        f"--serviceaccount={namespace}:person",
    )


def test_what_is_not_there_is_said(control_plane: ControlPlane, crd: str, ask: Ask) -> None:
    assert ask(control_plane.kubeconfig, "default/nothing") == (
        1,
        [],
        "There is no ServerlessPrivateEndpoint default/nothing.\n",
    )
