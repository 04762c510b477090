"""The release as far as it runs here: image for amd64, chart, bundle, wheel and files, pushed to a registry on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import atlas_endpoints
from delivery.forge import REPOSITORY, SERVER, Forge, StepError, oras, registry
from release.changes import annotation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from delivery.helm import Helm

VERSION = atlas_endpoints.__version__
JOBS = ("image", "chart", "files", "release")


@pytest.fixture(scope="module", name="registry")
def on_loopback(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry")) as host:
        yield host


@pytest.fixture(scope="module")
def released(registry: str, tmp_path_factory: pytest.TempPathFactory) -> Forge:
    """A forge that has released the version."""
    forge = Forge(tmp_path_factory.mktemp("forge"), registry, f"v{VERSION}")
    for job in JOBS:
        forge.run(job)
    return forge


@pytest.fixture
def image(registry: str) -> str:
    return f"{registry}/{REPOSITORY.lower()}"


@pytest.fixture
def chart(released: Forge, image: str, helm4: Helm, tmp_path: Path) -> dict[str, Any]:
    """Chart.yaml of the chart as it is pulled, with its values."""
    helm4(
        "pull",
        f"oci://{image}/charts/atlas-endpoints",
        f"--version={VERSION}",
        "--plain-http",
        "--untar",
        f"-d={tmp_path}",
    )
    folder = tmp_path / "atlas-endpoints"
    texts = ((folder / name).read_text(encoding="utf-8") for name in ("Chart.yaml", "values.yaml"))
    metadata, values = map(yaml.safe_load, texts)
    return {**metadata, "values": values}


def page(released: Forge) -> Path:
    return released.checkout("release") / "assets"


def test_the_image_says_what_it_was_built_from(released: Forge, image: str) -> None:
    (part,) = json.loads(oras("manifest", "fetch", f"{image}:{VERSION}"))["manifests"]
    assert part["platform"] == {"architecture": "amd64", "os": "linux"}
    labels = json.loads(oras("manifest", "fetch-config", f"{image}@{part['digest']}"))["config"]["Labels"]
    assert labels["VERSION"] == VERSION
    assert labels["SOURCE"] == f"{SERVER}/{REPOSITORY}"
    assert labels["BASE_IMAGE"].startswith("python:3.13-slim@sha256:")
    assert labels["CREATED"] == "2025-12-01T00:00:00Z"


def test_chart_manifests_and_bundle_install_the_very_image(released: Forge, image: str, chart: dict[str, Any]) -> None:
    digest = oras("resolve", f"{image}:{VERSION}")
    assert (chart["values"]["image"]["repository"], chart["values"]["image"]["digest"]) == (image, digest)
    assert f"image: {image}@{digest}" in (page(released) / "install.yaml").read_text(encoding="utf-8")
    with tarfile.open(page(released) / f"atlas-endpoints-olm-{VERSION}.tar.gz") as bundle:
        version = bundle.extractfile("./manifests/atlas-endpoints.clusterserviceversion.yaml")
        assert version is not None
        assert f"@{digest}" in yaml.safe_load(version)["metadata"]["annotations"]["containerImage"]


def test_artifact_hub_reads_the_changes_and_the_repository(
    released: Forge, image: str, chart: dict[str, Any], tmp_path: Path
) -> None:
    told = annotation((released.checkout("release") / "CHANGELOG.md").read_text(encoding="utf-8"), VERSION)
    assert chart["annotations"].items() >= yaml.safe_load(told).items()
    changes = yaml.safe_load(chart["annotations"]["artifacthub.io/changes"])
    assert all(each.keys() <= {"kind", "description"} and "](" not in each["description"] for each in changes)
    reference = f"{image}/charts/atlas-endpoints:artifacthub.io"
    manifest = json.loads(oras("manifest", "fetch", reference))
    assert manifest["config"]["mediaType"] == "application/vnd.cncf.artifacthub.config.v1+yaml"
    (layer,) = manifest["layers"]
    assert layer["mediaType"] == "application/vnd.cncf.artifacthub.repository-metadata.layer.v1.yaml"
    oras("pull", reference, f"--output={tmp_path}")
    assert yaml.safe_load((tmp_path / "artifacthub-repo.yml").read_text(encoding="utf-8"))["owners"]


def test_changes_have_the_kinds_of_their_headings() -> None:
    changelog = "## 1.2.3 (2026-12-01)\n\n### Added\n\n- A **kind**\n  of [endpoint](docs/x.md).\n\n### Other\n\n- Words: `x`.\n\n## 1.2.2 (2026-11-01)\n\n### Fixed\n\n- No.\n"
    text = yaml.safe_load(f"annotations:\n{annotation(changelog, '1.2.3')}")["annotations"]["artifacthub.io/changes"]
    assert yaml.safe_load(text) == [
        {"kind": "added", "description": "A kind of endpoint."},
        {"description": "Words: `x`."},
    ]
    with pytest.raises(ValueError, match=r"no changes of 1\.2\.4"):
        annotation(changelog, "1.2.4")


def test_the_wheel_runs(released: Forge) -> None:
    (wheel,) = page(released).glob("*.whl")
    program = [sys.executable, "-m", "atlas_endpoints"]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(wheel), "PYTHONSAFEPATH": "1"}

    def said(*arguments: str) -> str:
        command = [*program, *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert VERSION in said("--version")


def test_the_page_has_each_file_its_signature_and_its_sum(released: Forge) -> None:
    names = {
        *("install.yaml", f"atlas-endpoints-{VERSION}.tgz", f"atlas-endpoints-olm-{VERSION}.tar.gz"),
        *(f"atlas_endpoints-{VERSION}-py3-none-any.whl", f"atlas-endpoints-docs-{VERSION}.tar.gz"),
        "atlas-endpoints-linux-amd64.spdx.json",
    }
    signed = {f"{name}.sigstore.json" for name in (*names, "SHA256SUMS")}
    assert {path.name for path in page(released).iterdir()} == {*names, *signed, "SHA256SUMS"}
    for line in (page(released) / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((page(released) / name).read_bytes()).hexdigest() == digest
    (published,) = [call for call in released.calls if call.startswith("gh release create")]
    assert f"gh release create v{VERSION} --verify-tag" in published
    assert all(f"assets/{name}" in published for name in {*names, *signed})


def test_the_notes_name_the_chart_and_their_links_lead_to_the_tag(released: Forge, image: str) -> None:
    notes = (released.folder / "temporary" / "notes.md").read_text(encoding="utf-8")

    assert f"oci://{image}/charts/atlas-endpoints, version {VERSION}" in notes
    assert f"/.github/workflows/release.yaml@refs/tags/v{VERSION}" in notes
    links = set(re.findall(r"]\(([^)#]+)", notes))
    assert len(links) > 10
    assert all(each.startswith((f"{SERVER}/{REPOSITORY}/blob/v{VERSION}/", "https://")) for each in links)


def test_image_and_chart_are_signed_by_their_digests(released: Forge, image: str) -> None:
    digests = {name: oras("resolve", f"{name}:{VERSION}") for name in (image, f"{image}/charts/atlas-endpoints")}
    for name, digest in digests.items():
        for action in ("sign", "verify"):
            assert any(
                call.startswith(f"cosign {action} ") and call.endswith(f"{name}@{digest}") for call in released.calls
            )


@pytest.mark.parametrize(
    ("job", "step"), [("image", "Refuse to push over an image"), ("chart", "Refuse to push over a chart")]
)
def test_nothing_is_pushed_over_what_is_there(released: Forge, job: str, step: str) -> None:
    steps = [step] if job == "chart" else ["Check the tag and gather facts", step]
    with pytest.raises(StepError, match="exists, and people may have pulled it"):
        released.run(job, *steps)
