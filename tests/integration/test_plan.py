"""``atlas-endpoints plan`` against the simulator, without a cluster: what it says, its exit code, and what Atlas was asked."""

from __future__ import annotations

import io
import itertools
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

    @property
    def document(self) -> dict[str, Any]:
        return dict(json.loads(self.output))


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
    return yaml.safe_dump(
        {
            "apiVersion": "atlas-endpoints.dev/v1alpha1",
            "kind": "ServerlessPrivateEndpoint",
            "metadata": {"name": name},
            "spec": place.spec(**fields),
        },
        explicit_start=True,
    )


def test_a_pull_request_is_told_what_it_would_change_and_to_programs_with_3(
    plan: Plan, atlas: Atlas, place: Place, tmp_path: Path
) -> None:
    atlas.connect(place, "before")
    (tmp_path / "orders.yaml").write_text(manifest(place, comment="after"), encoding="utf-8")
    (tmp_path / "other.yaml").write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n", encoding="utf-8")

    planned = plan("-f", str(tmp_path))

    assert (planned.code, planned.errors, planned.calls) == (3, "", ["GET"])
    assert f"default/orders ({tmp_path}/orders.yaml, document 1): would be changed in Atlas" in planned.output
    assert "  ~ comment: 'before' -> 'after'" in planned.output
    assert planned.output.endswith(
        "Plan: 1 would change, 0 would not. Nothing was sent.\nSkipped objects of other kinds: 1 Secret.\n"
    )


def test_what_atlas_holds_already_gives_0(plan: Plan, atlas: Atlas, place: Place) -> None:
    atlas.connect(place, "as it is")

    planned = plan("-f", "-", text=manifest(place, comment="as it is", cloudProviderEndpointId=CLOUD_ENDPOINT))

    assert planned.code == 0
    assert "(the standard input, document 1): nothing would be sent" in planned.output


def test_what_the_operator_would_send_is_what_the_plan_says(plan: Plan, place: Place) -> None:
    planned = plan("-o", "json", "-f", "-", text=manifest(place, cloudProviderEndpointId=CLOUD_ENDPOINT, comment="new"))

    (resource,) = planned.document["resources"]
    assert (planned.code, planned.document["exitCode"]) == (3, 3)
    assert resource["request"] == {
        "method": "PATCH",
        "path": f"/api/atlas/v2/groups/{place.project}/privateEndpoint/serverless/instance/shop/endpoint/{place.endpoint}",
        "body": {"providerName": "AWS", "cloudProviderEndpointId": CLOUD_ENDPOINT, "comment": "new"},
    }


def test_many_manifests_of_one_instance_cost_one_list(plan: Plan, atlas: Atlas, place: Place) -> None:
    siblings = [place.sibling(number) for number in range(100, 130)]
    for each in siblings:
        atlas.change(each, status="RESERVED")

    planned = plan("-o", "yaml", "-f", "-", text="".join(manifest(each, f"m-{i}") for i, each in enumerate(siblings)))

    assert (planned.code, planned.calls) == (0, ["GET"])
    assert yaml.safe_load(planned.output)["summary"] == {"None": 30}


@pytest.mark.parametrize("policy", [{"suspend": True}, {"managementPolicy": "Observe"}, {"managementPolicy": "Plan"}])
def test_a_manifest_that_forbids_writing_changes_nothing(
    policy: dict[str, Any], plan: Plan, atlas: Atlas, place: Place
) -> None:
    atlas.connect(place, "before")

    planned = plan("-f", "-", text=manifest(place, comment="after", **policy))

    assert planned.code == 0
    assert f"spec.{next(iter(policy))}" in planned.output
    assert planned.calls == ([] if "suspend" in policy else ["GET"])


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        pytest.param(
            {"CLIENT_ID": CLIENT_ID, "CLIENT_SECRET": "mdb_sa_sk_wrong"},
            "They are from MONGODB_ATLAS_CLIENT_ID and MONGODB_ATLAS_CLIENT_SECRET in the environment.",
            id="refused by Atlas",
        ),
        pytest.param({"CLIENT_ID": CLIENT_ID}, "MONGODB_ATLAS_CLIENT_SECRET must be set", id="half of them"),
    ],
)
def test_credentials_of_no_use_give_1_and_are_named(
    credentials: dict[str, str], said: str, plan: Plan, place: Place
) -> None:
    planned = plan("-f", "-", text=manifest(place), **credentials)

    assert planned.code == 1
    assert "the result is unknown" in planned.output
    assert said in planned.output


def test_an_api_key_will_do(plan: Plan, atlas: Atlas, place: Place) -> None:
    key = atlas.put_api_key(place, role="GROUP_READ_ONLY")

    planned = plan("-f", "-", text=manifest(place), PUBLIC_KEY=key["publicApiKey"], PRIVATE_KEY=key["privateApiKey"])

    assert planned.code == 0


def test_an_endpoint_that_is_not_there_gives_1(plan: Plan, place: Place) -> None:
    planned = plan("-f", "-", text=manifest(place.sibling(999)))

    assert planned.code == 1
    assert "the result is unknown" in planned.output
    assert place.sibling(999).endpoint in planned.output


def test_a_mistake_is_found_and_the_others_are_planned_all_the_same(plan: Plan, atlas: Atlas, place: Place) -> None:
    atlas.connect(place, "before")

    planned = plan("-f", "-", text=manifest(place, comment="after") + manifest(place, "typo", coment="after"))

    assert planned.code == 1
    assert "default/typo (the standard input, document 2, from line 15): is invalid\n  spec.coment: unknown field" in (
        planned.output
    )
    assert "~ comment: 'before' -> 'after'" in planned.output


BOMB = f"a: &a [x{', x' * 9}]\n" + "".join(
    f"{name}: &{name} [*{before}{f', *{before}' * 9}]\n" for before, name in itertools.pairwise("abcdefghi")
)
"""Some hundred bytes whose aliases stand for a billion values."""


def test_files_of_which_each_could_end_a_run_are_named_and_the_others_are_planned(
    plan: Plan, atlas: Atlas, place: Place, tmp_path: Path
) -> None:
    atlas.connect(place, "before")
    bad = {
        "a-bomb.yaml": manifest(place, "bomb") + "  comment: {" + ", ".join(BOMB.splitlines()) + "}\n",
        "b-cycle.yaml": "kind: List\nitems: &a [*a]\n",
        "c-empty.yaml": "kind: Secret\ndata: !!int ''\n",
        "d-long.yaml": manifest(place, "long") + f"  comment: {'9' * 5000}\n",
        "e-hashed.yaml": "apiVersion: [v1]\nkind: ConfigMap\nmetadata: {name: a}\n",
        "f-\udcff.yaml": "kind: [",
    }
    for name, text in bad.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    (tmp_path / "g-endless.yaml").symlink_to("/dev/zero")
    (tmp_path / "orders.yaml").write_text(manifest(place, comment="after"), encoding="utf-8")

    planned = plan("-o", "json", "-f", str(tmp_path))

    assert planned.code == 1
    found = {each["source"]["file"].removeprefix(f"{tmp_path}/"): each for each in planned.document["resources"]}
    assert found.pop("orders.yaml")["action"] == "Update"
    assert {each["action"] for each in found.values()} == {"Invalid"}
    assert [name[0] for name in sorted(found)] == ["a", "b", "c", "d", "f", "g"]
    assert planned.document["skipped"] == {"ConfigMap": 1}


def test_an_export_beside_the_manifests_tells_who_owns_an_endpoint_and_is_not_counted(
    plan: Plan, atlas: Atlas, place: Place, tmp_path: Path
) -> None:
    """As `kubectl get spe -A -o yaml | atlas-endpoints plan -f deploy/ -f -` gives it."""
    atlas.connect(place, "before")
    (tmp_path / "three.yaml").write_text(manifest(place, "three", comment="after"), encoding="utf-8")
    exports = []
    for name, contended in (("one", []), ("three", [CONTENDED])):
        (export,) = yaml.safe_load_all(manifest(place, name, comment="before"))
        export["metadata"] |= {"namespace": "default", "uid": name, "resourceVersion": "7"}
        export["status"] = {"observedGeneration": 1, "endpoint": {"id": place.endpoint}, "conditions": contended}
        exports.append(export)

    planned = plan(
        "-o", "json", "-f", str(tmp_path), "-f", "-", text=yaml.safe_dump({"kind": "List", "items": exports})
    )

    assert planned.code == 0
    three, one = planned.document["resources"]
    assert (three["name"], three["action"], three["reason"], three["request"]) == ("three", "Report", "Conflict", None)
    assert "default/one owns the endpoint, so nothing would be sent" in three["message"]
    assert (one["name"], one["action"]) == ("one", "None")
    (warning,) = planned.document["warnings"]
    assert "default/one owns it" in warning


CONTENDED = {
    "type": "Contended",
    "status": "True",
    "reason": "Conflict",
    "message": "m",
    "observedGeneration": 1,
    "lastTransitionTime": "2026-11-27T00:00:00Z",
}


def test_nothing_found_is_no_success(plan: Plan, place: Place, tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "orders.yaml").write_text(manifest(place), encoding="utf-8")

    planned = plan("-f", str(tmp_path))

    assert (planned.code, planned.calls) == (1, [])
    assert f"{tmp_path}: is invalid\n  contains no ServerlessPrivateEndpoint (atlas-endpoints.dev) in" in planned.output
    assert "-R (--recursive)" in planned.output
    assert plan("-R", "-f", str(tmp_path)).code == 0


def test_an_atlas_that_stumbles_once_is_asked_again(plan: Plan, atlas: Atlas, place: Place) -> None:
    atlas.fail(place, method="GET", status=503, times=1)

    planned = plan("-f", "-", text=manifest(place))

    assert (planned.code, planned.calls) == (0, ["GET", "GET"])


def test_a_certificate_file_that_is_not_there_gives_1(plan: Plan, tmp_path: Path) -> None:
    planned = plan("-f", str(tmp_path), "--ca-file", str(tmp_path / "none.pem"))

    assert (planned.code, planned.output) == (1, "")
    assert "none.pem" in planned.errors
