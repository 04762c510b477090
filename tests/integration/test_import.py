"""``atlas-endpoints import``: what it writes is taken by the real API server and by the operator, and changes nothing in Atlas.

What is in a manifest, and which file it is written into, the tables in ``tests/unit/importing`` tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import pytest
import yaml

from atlas_endpoints.cli import main
from support.atlas import CLIENT_SECRET, CLOUD_ENDPOINT, READ_ONLY_CLIENT_ID

if TYPE_CHECKING:
    from pathlib import Path

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
    before = [env.atlas.endpoint(each) for each in places]

    where = ("--namespace", env.resources.namespace, "--credentials-secret", "atlas-credentials")
    imported = run(*of(env.atlas, env.place), *where)
    labelled = re.sub(r"^metadata:$", "metadata:\n  labels: {served-by: shared}", imported.output, flags=re.MULTILINE)
    applied = control_plane.kubectl("apply", "--filename=-", "--output=name", stdin=labelled).stdout.split()

    assert (imported.code, len(applied)) == (0, 4)
    for each in places:
        body = env.becomes_ready(f"shop-{each.endpoint}")
        assert body["status"]["endpoint"]["id"] == each.endpoint
    assert {each["method"] for each in env.calls()} == {"GET"}
    assert [env.atlas.endpoint(each) for each in places] == before


def test_each_endpoint_gets_a_file_and_a_plan_of_the_folder_finds_nothing_to_do(
    run: Run, atlas: Atlas, place: Place, tmp_path: Path
) -> None:
    """A file that somebody has changed is left as it is."""
    atlas.connect(place, "as it is")
    atlas.change(place.sibling(1), status="RESERVED")
    flags = (*of(atlas, place), "--output-dir", str(tmp_path), "--instance", "shop")
    names = [f"shop-{each.endpoint}.yaml" for each in (place, place.sibling(1))]

    assert (run(*flags).code, sorted(path.name for path in tmp_path.iterdir())) == (0, names)
    (tmp_path / names[1]).write_text("mine")
    assert run(*flags).code == 1
    assert (tmp_path / names[1]).read_text() == "mine"
    (tmp_path / names[1]).unlink()
    assert run(*flags).code == 0

    assert main(["plan", "--atlas-url", atlas.url, "-f", str(tmp_path)]) == 0
    assert yaml.safe_load((tmp_path / names[0]).read_text())["spec"] == {
        **{name: value for name, value in place.spec().items() if name != "credentialsSecretRef"},
        "cloudProviderEndpointId": CLOUD_ENDPOINT,
        "comment": "as it is",
        "deletionPolicy": "Retain",
    }


@pytest.mark.parametrize(
    ("flags", "variables", "said"),
    [
        pytest.param(("--instance", "none"), {}, "none: ", id="an instance that is not there"),
        pytest.param(("--project", "f" * 24), {}, "--project", id="a project that is not there"),
        pytest.param(
            (), {"CLIENT_SECRET": "mdb_sa_sk_wrong"}, "MONGODB_ATLAS_CLIENT_ID", id="credentials that Atlas refuses"
        ),
        pytest.param((), {"CLIENT_SECRET": ""}, "MONGODB_ATLAS_CLIENT_SECRET", id="half of the credentials"),
    ],
)
def test_a_failed_read_is_reported_and_the_code_is_1(  # noqa: PLR0917  # fixtures
    flags: tuple[str, ...],
    variables: dict[str, str],
    said: str,
    run: Run,
    atlas: Atlas,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"MONGODB_ATLAS_{name}", value)

    imported = run(*of(atlas, place), *flags)

    assert (imported.code, imported.output) == (1, "")
    assert said in imported.errors


def test_an_endpoint_that_is_being_deleted_is_omitted_and_reported(run: Run, atlas: Atlas, place: Place) -> None:
    atlas.change(place.sibling(1), status="DELETING")
    atlas.fail(place, method="GET", status=503, times=1)

    imported = run(*of(atlas, place))

    endpoints = [each["spec"]["endpointId"] for each in yaml.safe_load_all(imported.output)]
    assert (imported.code, endpoints) == (0, [place.endpoint])
    assert place.sibling(1).endpoint in imported.errors


def test_a_cluster_that_is_not_serverless_any_more_is_passed_over_unless_it_is_asked_for(
    run: Run, atlas: Atlas, place: Place
) -> None:
    atlas.fail(place, status=400, errorCode="NOT_SERVERLESS_TENANT_CLUSTER")

    all_of_them, asked_for = run(*of(atlas, place)), run(*of(atlas, place), "--instance", "shop")

    assert (all_of_them.code, asked_for.code) == (0, 1)
    assert all_of_them.errors.startswith("shop ")
    assert "`atlas-endpoints import --as dedicated-private-endpoint`" in asked_for.errors


def test_when_atlas_does_not_answer_any_more_the_resources_know_enough(
    run: Run, env: Env, control_plane: ControlPlane, tmp_path: Path
) -> None:
    env.create(connected=True)
    env.becomes_ready()
    env.atlas.fail(env.place, status=410, errorCode="VERSION_GONE")
    says = ("`atlas-endpoints import --as dedicated-private-endpoint`",)
    env.becomes("APIGone", "Stalled", says=says, error={"httpStatus": 410})
    exported = control_plane.kubectl("get", "spe", "--namespace", env.resources.namespace, "--output=yaml").stdout
    (tmp_path / "exported.yaml").write_text(exported, encoding="utf-8")

    imported = run("--as", "dedicated-private-endpoint", "-f", str(tmp_path / "exported.yaml"))

    assert imported.code == 0
    assert f"# {CLOUD_ENDPOINT} cannot be used again" in imported.output
    assert yaml.safe_load(imported.output)["spec"]["region"] == "US_EAST_1"
