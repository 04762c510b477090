"""``atlas-endpoints plan`` against the simulator, without a cluster: its exit code, what it prints, and what Atlas was asked.

What it would do about which manifest, and what it says of each mistake, the tables in ``tests/unit/planning`` tell.
"""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Protocol

import pytest
import yaml

from atlas_endpoints.cli import main
from support.atlas import CLIENT_ID, CLIENT_SECRET, CLOUD_ENDPOINT, READ_ONLY_CLIENT_ID

if TYPE_CHECKING:
    from pathlib import Path

    from support.atlas import Atlas, Place

VARIABLES = ("CLIENT_ID", "CLIENT_SECRET", "PUBLIC_API_KEY", "PRIVATE_API_KEY", "PUBLIC_KEY", "PRIVATE_KEY")


@dataclass(frozen=True, slots=True)
class Planned:
    """What came of a plan: the exit code, what was printed on either side, the methods of the calls to the place."""

    code: int
    output: str
    errors: str
    calls: list[str]


class Plan(Protocol):
    """Runs a plan, as somebody without a cluster, and sees that it has changed nothing and shown no secret."""

    def __call__(self, *flags: str, text: str = "", **credentials: str) -> Planned: ...


@pytest.fixture
def plan(atlas: Atlas, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Plan:
    monkeypatch.setenv("KUBECONFIG", "/nonexistent")

    def run(*flags: str, text: str = "", **credentials: str) -> Planned:
        for name in VARIABLES:
            monkeypatch.delenv(f"MONGODB_ATLAS_{name}", raising=False)
        for name, value in (credentials or {"CLIENT_ID": READ_ONLY_CLIENT_ID, "CLIENT_SECRET": CLIENT_SECRET}).items():
            monkeypatch.setenv(f"MONGODB_ATLAS_{name}", value)
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(text.encode())))
        before, endpoint = len(atlas.requests(place)), atlas.endpoint(place)
        capsys.readouterr()
        code = main(["plan", "--atlas-url", atlas.url, *flags])
        captured = capsys.readouterr()
        assert atlas.endpoint(place) == endpoint
        assert CLIENT_SECRET not in captured.out + captured.err
        calls = [each["method"] for each in atlas.requests(place)[before:]]
        assert set(calls) <= {"GET"}
        return Planned(code, captured.out, captured.err, calls)

    return run


def manifest(place: Place, name: str = "orders", **fields: Any) -> str:
    body = {
        "apiVersion": "atlas-endpoints.dev/v1alpha1",
        "kind": "ServerlessPrivateEndpoint",
        "metadata": {"name": name},
        "spec": place.spec(**fields),
    }
    return yaml.safe_dump(body, explicit_start=True)


def test_the_plan_of_a_pull_request_shows_its_changes_and_the_code_is_3(
    plan: Plan, atlas: Atlas, place: Place, tmp_path: Path
) -> None:
    """Also from folders below, if that is asked for: to find nothing is no success."""
    atlas.connect(place, "before")
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "orders.yaml").write_text(manifest(place, comment="after"), encoding="utf-8")
    (tmp_path / "other.yaml").write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n", encoding="utf-8")

    flat, planned = plan("-f", str(tmp_path)), plan("-R", "-f", str(tmp_path))

    assert (flat.code, flat.calls) == (1, [])
    assert (planned.code, planned.errors, planned.calls) == (3, "", ["GET"])
    assert "  ~ comment: 'before' -> 'after'" in planned.output


def test_the_operator_would_send_exactly_what_the_plan_shows(plan: Plan, place: Place) -> None:
    planned = plan("-o", "json", "-f", "-", text=manifest(place, cloudProviderEndpointId=CLOUD_ENDPOINT, comment="new"))

    document = json.loads(planned.output)
    (resource,) = document["resources"]
    assert (planned.code, document["exitCode"]) == (3, 3)
    assert resource["request"] == {
        "method": "PATCH",
        "path": f"/api/atlas/v2/groups/{place.project}/privateEndpoint/serverless/instance/shop/endpoint/{place.endpoint}",
        "body": {"providerName": "AWS", "cloudProviderEndpointId": CLOUD_ENDPOINT, "comment": "new"},
    }


def test_many_manifests_of_one_instance_cost_one_list_and_one_that_fails_is_asked_for_again(
    plan: Plan, atlas: Atlas, place: Place
) -> None:
    siblings = [place.sibling(number) for number in range(100, 130)]
    for each in siblings:
        atlas.change(each, status="RESERVED")
    atlas.fail(place, method="GET", status=503, times=1)

    planned = plan("-o", "json", "-f", "-", text="".join(manifest(each, f"m-{i}") for i, each in enumerate(siblings)))

    assert (planned.code, planned.calls) == (0, ["GET", "GET"])
    assert json.loads(planned.output)["summary"] == {"None": 30}


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        pytest.param(
            {"CLIENT_ID": CLIENT_ID, "CLIENT_SECRET": "mdb_sa_sk_wrong"},
            "MONGODB_ATLAS_CLIENT_ID and MONGODB_ATLAS_CLIENT_SECRET",
            id="refused by Atlas",
        ),
        pytest.param({"CLIENT_ID": CLIENT_ID}, "MONGODB_ATLAS_CLIENT_SECRET", id="half of them"),
    ],
)
def test_credentials_of_no_use_give_1_and_are_named(
    credentials: dict[str, str], said: str, plan: Plan, place: Place
) -> None:
    planned = plan("-f", "-", text=manifest(place), **credentials)

    assert planned.code == 1
    assert said in planned.output


def test_an_api_key_will_do(plan: Plan, atlas: Atlas, place: Place) -> None:
    key = atlas.put_api_key(place, role="GROUP_READ_ONLY")

    planned = plan("-f", "-", text=manifest(place), PUBLIC_KEY=key["publicApiKey"], PRIVATE_KEY=key["privateApiKey"])

    assert planned.code == 0


def test_a_failed_plan_exits_with_1_and_the_others_are_planned(
    plan: Plan, atlas: Atlas, place: Place, tmp_path: Path
) -> None:
    """An endpoint that is not there, a mistake, and files of which each could end a run."""
    atlas.connect(place, "before")
    files = {
        "a-missing.yaml": manifest(place.sibling(999), "missing"),
        "b-typo.yaml": manifest(place, "typo", coment="after"),
        "c-cycle.yaml": "kind: List\nitems: &a [*a]\n",
        "d-\udcff.yaml": "kind: [",
        "orders.yaml": manifest(place, comment="after"),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "e-endless.yaml").symlink_to("/dev/zero")

    planned = plan("-o", "json", "-f", str(tmp_path))

    assert planned.code == 1
    resources = json.loads(planned.output)["resources"]
    found = {each["source"]["file"].rpartition("/")[2][0]: each["action"] for each in resources}
    assert found == {"a": "Unknown", "b": "Invalid", "c": "Invalid", "d": "Invalid", "e": "Invalid", "o": "Update"}


def test_an_export_beside_the_manifests_shows_the_owner_of_an_endpoint_and_is_not_counted(
    plan: Plan, atlas: Atlas, place: Place, tmp_path: Path
) -> None:
    """As `kubectl get spe -A -o yaml | atlas-endpoints plan -f deploy/ -f -` gives it."""
    atlas.connect(place, "before")
    (tmp_path / "three.yaml").write_text(manifest(place, "three", comment="after"), encoding="utf-8")
    contended = {
        "type": "Contended",
        "status": "True",
        "reason": "Conflict",
        "message": "m",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-11-27T00:00:00Z",
    }
    exports = []
    for name, conditions in (("one", []), ("three", [contended])):
        export = yaml.safe_load(manifest(place, name, comment="before"))
        export["metadata"] |= {"namespace": "default", "uid": name, "resourceVersion": "7"}
        export["status"] = {"observedGeneration": 1, "endpoint": {"id": place.endpoint}, "conditions": conditions}
        exports.append(export)

    listed = yaml.safe_dump({"kind": "List", "items": exports})
    planned = plan("--use-statuses", "-o", "json", "-f", str(tmp_path), "-f", "-", text=listed)

    assert planned.code == 0
    document = json.loads(planned.output)
    three, one = document["resources"]
    assert (three["name"], three["action"], three["reason"], three["request"]) == ("three", "Report", "Conflict", None)
    assert "default/one" in three["message"]
    assert (one["name"], one["action"]) == ("one", "None")
    (warning,) = document["warnings"]
    assert "default/one" in warning


def test_with_a_missing_certificate_file_the_code_is_1(plan: Plan, tmp_path: Path) -> None:
    planned = plan("-f", str(tmp_path), "--ca-file", str(tmp_path / "none.pem"))

    assert (planned.code, planned.output) == (1, "")
    assert "none.pem" in planned.errors
