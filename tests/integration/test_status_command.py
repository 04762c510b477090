"""``atlas-endpoints status``: one resource as an on-call engineer asks about it, in conflict with one of another namespace; and all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pytest

from atlas_endpoints.cli import main
from support.atlas import CLIENT_SECRET, CLOUD_ENDPOINT
from support.checking import LOCATION

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.fixtures import MakeResources, RunOperator

    class Ask(Protocol):
        """Returns the exit code, the lines for people, and what was said besides."""

        def __call__(self, kubeconfig: Path, *arguments: str) -> tuple[int, list[str], str]: ...


LABEL = "status"


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs the command."""

    def run(kubeconfig: Path, *arguments: str) -> tuple[int, list[str], str]:
        monkeypatch.setattr(LOCATION, str(kubeconfig))
        code = main(["status", *arguments])
        output = capsys.readouterr()
        return code, output.out.splitlines(), output.err

    return run


def test_two_teams_that_name_one_endpoint(  # noqa: PLR0917  # fixtures
    control_plane: ControlPlane,
    run_operator: RunOperator,
    make_resources: MakeResources,
    atlas: Atlas,
    place: Place,
    ask: Ask,
) -> None:
    """Who may not list those of other namespaces is not told of them."""
    run_operator(label=LABEL, atlas=atlas)
    owner, other = make_resources(LABEL), make_resources(LABEL)
    atlas.connect(place, "orders")
    owner.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="orders"))
    owner.wait_ready("orders")
    other.create("copy", place.spec(comment="another"))
    other.wait_reason("copy", "Conflict")

    name = f"{other.namespace}/copy"
    code, lines, _ = ask(control_plane.kubeconfig, name)
    assert code == 0
    assert lines[0].startswith(f"ServerlessPrivateEndpoint {name}: Ready is False, Conflict")
    for words in (
        (f"{owner.namespace}/orders", "Available"),
        (name, "Conflict"),
        (place.endpoint, "AVAILABLE"),
        ('"comment"', '"orders"', '"another"'),
        ("force-sync",),
    ):
        assert any(all(word in line for word in words) for line in lines[1:]), (words, lines)

    _, lines, _ = ask(control_plane.kubeconfig)
    states = {each[0]: [*each[2:6]] for each in map(str.split, lines) if len(each) > 6}
    assert states[owner.namespace] == ["orders", "Settled", "True", "Available"]
    assert [states[other.namespace][at] for at in (0, 3)] == ["copy", "Conflict"]

    _, lines, _ = ask(control_plane.kubeconfig, name, "--bundle")
    for heading in ("Versions", "Status", "Resource", "Events"):
        assert f"## {heading}" in "\n".join(lines)
    assert any("Warning Conflict: " in line for line in lines)
    assert not [line for line in lines if CLIENT_SECRET in line]

    kubectl, here = control_plane.kubectl, f"--namespace={other.namespace}"
    kind = "--resource=serverlessprivateendpoints.atlas-endpoints.dev"
    kubectl("create", "serviceaccount", "person", here)
    kubectl("create", "role", "look", here, "--verb=get,list", kind)
    kubectl("create", "rolebinding", "look", here, "--role=look", f"--serviceaccount={other.namespace}:person")
    of_person = control_plane.kubeconfig_for(other.namespace, "person")
    _, lines, said = ask(of_person, name)
    assert not any(owner.namespace in line for line in lines)
    assert f"only {other.namespace} is shown" in said
    code, lines, said = ask(of_person)
    assert (code, len(lines)) == (0, len(["head", name, "", "summary"]))
    assert f"only {other.namespace} is shown" in said
