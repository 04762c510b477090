"""``atlas-endpoints import``: what it writes is taken by the real API server and by the operator, and changes nothing in Atlas.

What is in a manifest, and which file it is written into, the tables in ``tests/unit/importing`` tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest

from atlas_endpoints.cli import main
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND as DEDICATED
from support.atlas import CLIENT_SECRET, CLOUD_ENDPOINT, READ_ONLY_CLIENT_ID
from support.resources import Resources

if TYPE_CHECKING:
    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.concurrent_cases import Env


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of it: the exit code, and what was printed on either side."""

    code: int
    output: str
    errors: str


class Run(Protocol):
    """Runs the command with credentials that may only read, and sees that it shows no secret."""

    def __call__(self, *flags: str) -> Imported: ...


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    for name in ("PUBLIC_API_KEY", "PRIVATE_API_KEY", "PUBLIC_KEY", "PRIVATE_KEY"):
        monkeypatch.delenv(f"MONGODB_ATLAS_{name}", raising=False)
    monkeypatch.setenv("MONGODB_ATLAS_CLIENT_ID", READ_ONLY_CLIENT_ID)
    monkeypatch.setenv("MONGODB_ATLAS_CLIENT_SECRET", CLIENT_SECRET)

    def run(*flags: str) -> Imported:
        capsys.readouterr()
        code = main(["import", *flags])
        captured = capsys.readouterr()
        assert CLIENT_SECRET not in captured.out + captured.err
        return Imported(code, captured.out, captured.err)

    return run


def of(atlas: Atlas, place: Place) -> tuple[str, ...]:
    """The flags for a project."""
    return ("--atlas-url", atlas.url, "--project", place.project)


def test_to_import_and_apply_makes_all_ready_and_changes_nothing_in_atlas(
    run: Run, env: Env, control_plane: ControlPlane
) -> None:
    places = [env.place, *(env.place.sibling(number) for number in (1, 2, 3))]
    comments = ["as it is", None, "atlas-endpoints.dev/0123", 'quotes " and: colons']
    for comment, each in zip(comments, places, strict=True):
        env.atlas.connect(each, comment)
    where = {"projectId": env.place.project, "cloudProvider": "AWS", "regionName": "EU_WEST_1"}
    env.atlas.post("endpointServices", {**where, "endpoints": [{"id": CLOUD_ENDPOINT}]})
    before = env.atlas.project(env.place)

    target = ("--namespace", env.resources.namespace, "--credentials-secret-name", "atlas-credentials")
    imported = run(*of(env.atlas, env.place), *target)
    labelled = re.sub(r"^metadata:$", "metadata:\n  labels: {served-by: shared}", imported.output, flags=re.MULTILINE)
    applied = control_plane.kubectl("apply", "--filename=-", "--output=name", stdin=labelled).stdout.split()

    assert (imported.code, len(applied)) == (0, 5)
    Resources(control_plane, env.resources.namespace, {}, names=DEDICATED.names).wait_ready(
        f"aws-eu-west-1-{CLOUD_ENDPOINT}"
    )
    for each in places:
        body = env.becomes_ready(f"shop-{each.endpoint}")
        assert body["status"]["endpoint"]["id"] == each.endpoint
    assert {each["method"] for each in env.calls()} == {"GET"}
    assert env.atlas.project(env.place) == before
