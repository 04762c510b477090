"""``atlas-endpoints import``: what it writes is taken by the real API server and by the operator, and changes nothing in Atlas."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from atlas_endpoints.cli import main
from support.atlas import CLIENT_SECRET, CLOUD_ENDPOINT, READ_ONLY_CLIENT_ID

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.resources import Resources


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of somebody who may only read."""
    for name in ("PUBLIC_API_KEY", "PRIVATE_API_KEY", "PUBLIC_KEY", "PRIVATE_KEY"):
        monkeypatch.delenv(f"MONGODB_ATLAS_{name}", raising=False)
    monkeypatch.setenv("MONGODB_ATLAS_CLIENT_ID", READ_ONLY_CLIENT_ID)
    monkeypatch.setenv("MONGODB_ATLAS_CLIENT_SECRET", CLIENT_SECRET)


def run(atlas: Atlas, place: Place, *flags: str) -> int:
    return main(["import", "--atlas-url", atlas.url, "--project", place.project, *flags])


def test_to_import_and_apply_makes_all_ready_and_changes_nothing_in_atlas(
    atlas: Atlas, place: Place, resources: Resources, control_plane: ControlPlane, capsys: pytest.CaptureFixture[str]
) -> None:
    places = [place, *(place.sibling(number) for number in (1, 2, 3))]
    for comment, each in zip(
        ["as it is", None, "atlas-endpoints.dev/0123", 'quotes " and: colons'], places, strict=True
    ):
        atlas.connect(each, comment)
    before = [atlas.endpoint(each) for each in places]

    code = run(atlas, place, "--namespace", resources.namespace, "--credentials-secret", "atlas-credentials")
    text = capsys.readouterr().out
    labelled = re.sub(r"^metadata:$", "metadata:\n  labels: {served-by: shared}", text, flags=re.MULTILINE)
    applied = control_plane.kubectl("apply", "--filename=-", "--output=name", stdin=labelled).stdout.split()

    assert (code, len(applied)) == (0, 4)
    for each in places:
        body = resources.wait_ready(f"shop-{each.endpoint}")
        assert body["status"]["endpoint"]["id"] == each.endpoint
    assert {each["method"] for each in atlas.requests(place)} == {"GET"}
    assert [atlas.endpoint(each) for each in places] == before


def test_each_endpoint_gets_a_file_and_a_plan_of_the_folder_finds_nothing_to_do(
    atlas: Atlas, place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    atlas.connect(place, "as it is")
    atlas.change(place.sibling(1), status="RESERVED")

    assert run(atlas, place, "--output-dir", str(tmp_path), "--instance", "shop") == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "2 manifests written.\n")
    names = [f"shop-{each.endpoint}.yaml" for each in (place, place.sibling(1))]
    (tmp_path / names[1]).write_text("mine")
    assert run(atlas, place, "--output-dir", str(tmp_path), "--instance", "shop") == 1
    left = capsys.readouterr().err
    assert "exists with other content and was not changed" in left
    assert left.endswith("\n1 manifest written.\n")
    (tmp_path / names[1]).unlink()
    assert run(atlas, place, "--output-dir", str(tmp_path), "--instance", "shop") == 0
    capsys.readouterr()
    assert sorted(path.name for path in tmp_path.iterdir()) == names
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
        pytest.param({"--instance": "none"}, {}, "none: The project has no serverless instance with this name.", id="an instance that is not there"),
        pytest.param({"--project": "f" * 24}, {}, "correct --project or --instance", id="a project that is not there"),
        pytest.param(
            {},
            {"CLIENT_SECRET": "mdb_sa_sk_wrong"},
            "They are from MONGODB_ATLAS_CLIENT_ID and MONGODB_ATLAS_CLIENT_SECRET in the environment. Set them to valid ones.",
            id="credentials that Atlas refuses",
        ),
        pytest.param({}, {"CLIENT_SECRET": ""}, "MONGODB_ATLAS_CLIENT_SECRET must be set", id="half of the credentials"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_gives_1_and_is_told(  # noqa: PLR0917  # fixtures
    flags: dict[str, str],
    variables: dict[str, str],
    said: str,
    atlas: Atlas,
    place: Place,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"MONGODB_ATLAS_{name}", value)

    code = run(atlas, place, *(word for flag in flags.items() for word in flag))

    captured = capsys.readouterr()
    assert (code, captured.out) == (1, "")
    assert said in captured.err
    assert CLIENT_SECRET not in captured.err


def test_an_endpoint_that_is_being_deleted_is_left_out_and_told(
    atlas: Atlas, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    atlas.change(place.sibling(1), status="DELETING")
    atlas.fail(place, method="GET", status=503, times=1)

    code = run(atlas, place)

    captured = capsys.readouterr()
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(captured.out))
    assert [each["spec"]["endpointId"] for each in documents] == [place.endpoint]
    assert (code, captured.err) == (
        0,
        f"No manifest for endpoint {place.sibling(1).endpoint}: Atlas is deleting it.\n1 manifest written.\n",
    )


def test_a_cluster_that_is_not_serverless_any_more_is_passed_over_unless_it_is_asked_for(
    atlas: Atlas, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    atlas.fail(place, status=400, errorCode="NOT_SERVERLESS_TENANT_CLUSTER")

    codes = [run(atlas, place), run(atlas, place, "--instance", "shop")]

    told, asked = capsys.readouterr().err.split("0 manifests written.\n")[:2]
    assert codes == [0, 1]
    assert told == "shop is no longer a serverless instance and has no such endpoints.\n"
    assert "`atlas-endpoints import --as atlas-private-endpoint`" in asked


WAY_OUT = ("--as", "atlas-private-endpoint", "--credentials-secret", "atlas-credentials")


def test_the_successors_of_endpoints_are_written_from_what_atlas_shows(
    atlas: Atlas, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    atlas.connect(place)

    code = run(atlas, place, *WAY_OUT, "--instance", "shop")

    captured = capsys.readouterr()
    assert (code, captured.err) == (0, "1 manifest written.\n")
    assert f"# - {place.endpoint} of shop: {CLOUD_ENDPOINT}" in captured.out
    assert yaml.safe_load(captured.out) == {
        "apiVersion": "atlas.mongodb.com/v1",
        "kind": "AtlasPrivateEndpoint",
        "metadata": {"name": f"aws-us-east-1-{place.project}"},
        "spec": {
            "externalProjectRef": {"id": place.project},
            "connectionSecret": {"name": "atlas-credentials"},
            "provider": "AWS",
            "region": "US_EAST_1",
        },
    }


def test_when_atlas_does_not_answer_any_more_the_resources_know_enough(  # noqa: PLR0917  # fixtures
    atlas: Atlas,
    place: Place,
    resources: Resources,
    control_plane: ControlPlane,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    atlas.connect(place)
    resources.create("orders", place.spec())
    resources.wait_ready("orders")
    atlas.fail(place, status=410, errorCode="VERSION_GONE")
    gone = resources.wait_reason("orders", "APIGone")
    exported = control_plane.kubectl("get", "spe", "--namespace", resources.namespace, "--output=yaml").stdout
    (tmp_path / "exported.yaml").write_text(exported, encoding="utf-8")

    code = main(["import", *WAY_OUT, "-f", str(tmp_path / "exported.yaml")])

    (message,) = [each["message"] for each in gone["status"]["conditions"] if each["type"] == "Ready"]
    captured = capsys.readouterr()
    assert "`atlas-endpoints import --as atlas-private-endpoint`" in message
    assert (code, captured.err) == (0, "1 manifest written.\n")
    assert f"# - {resources.namespace}/orders: {CLOUD_ENDPOINT}" in captured.out
    assert yaml.safe_load(captured.out)["spec"]["region"] == "US_EAST_1"


def test_the_project_of_exported_resources_that_refer_to_one_is_in_their_status(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = {"projectRef": {"name": "shop"}, "instanceName": "shop", "providerName": "AWS"}
    kind = {"apiVersion": "atlas-endpoints.dev/v1alpha1", "kind": "ServerlessPrivateEndpoint", "spec": spec}
    known = {**kind, "metadata": {"name": "known"}, "status": {"resolved": {"projectId": "5f" * 12}}}
    unknown = {**kind, "metadata": {"name": "unknown"}}
    (tmp_path / "exported.yaml").write_text(yaml.safe_dump_all([known, unknown]), encoding="utf-8")

    code = main(["import", *WAY_OUT, "--region", "US_EAST_1", "-f", str(tmp_path / "exported.yaml")])

    captured = capsys.readouterr()
    assert code == 1
    assert yaml.safe_load(captured.out)["spec"]["externalProjectRef"] == {"id": "5f" * 12}
    assert "No manifest for endpoint default/unknown: spec.projectRef is not resolved." in captured.err
