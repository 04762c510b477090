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
from support.atlas import CLIENT_SECRET, CLOUD_ENDPOINT, READ_ONLY_CLIENT_ID

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
