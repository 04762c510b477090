"""Other people's scanners over everything that is no Python. What they may find stands here, with the reason, and nowhere else."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
import yaml

from delivery.forge import STAND_INS
from delivery.helm import CHART, Helm, documents
from delivery.kustomize import build
from delivery.programs import provide
from delivery.scanners import checkov, complaints, kubernetes_validate, scanner
from support.deploy import POLICIES

if TYPE_CHECKING:
    from pathlib import Path


ROOT = CHART.parents[1]
PIPELINES = ROOT / "deploy" / "pipelines"
WORKFLOWS = [*sorted((ROOT / ".github" / "workflows").glob("*.yaml")), PIPELINES / "github.yaml"]

DEPLOYMENT = "Deployment.atlas-endpoints.atlas-endpoints"
POD = "Pod.atlas-endpoints.atlas-endpoints"
TEST = "Pod.atlas-endpoints.atlas-endpoints-test"

ACCEPTED = {
    ("CKV_DOCKER_2", "Dockerfile"): "Kubernetes does not read HEALTHCHECK; the probes are in the manifests",
    ("CKV_DOCKER_7", "Dockerfile"): "it does not see that the argument BASE_IMAGE has a tag",
    ("CKV_K8S_11", DEPLOYMENT): "no limit of CPU: throttling makes probes late and calls to Atlas time out",
    ("CKV_K8S_15", DEPLOYMENT): "Always would need the registry for each restart; tags of releases are not moved",
    ("CKV_K8S_38", DEPLOYMENT): "an operator needs the token of its ServiceAccount",
    ("CKV_K8S_40", DEPLOYMENT): "the image names its user, and OpenShift assigns another that it runs as",
    ("CKV_K8S_43", DEPLOYMENT): "no image is published yet; a release puts its digest into chart and manifests",
    ("CKV2_K8S_6", POD): "a NetworkPolicy can be switched on; what it has to let through differs between clusters",
    ("CKV_K8S_8", TEST): "the Pod of `helm test` ends by itself, so that no probe has to watch it",
    ("CKV_K8S_9", TEST): "nor has it to be ready for anybody",
    ("CKV_K8S_15", TEST): "as the operator's Pod",
    ("CKV_K8S_40", TEST): "as the operator's Pod",
    ("CKV_K8S_43", TEST): "as the operator's Pod",
    ("CKV2_K8S_6", TEST): "as the operator's Pod",
}
"""What checkov may find, by rule and place, and why. What it does not find any more has to go from here."""


@pytest.fixture(scope="module")
def defaults(one_helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what gets into a cluster as long as nobody sets anything, and the policies."""
    folder = tmp_path_factory.mktemp("manifests")
    (folder / "chart.yaml").write_text(one_helm.template())
    (folder / "policies.yaml").write_text(build(POLICIES))
    return folder


@pytest.fixture
def variants(helm4: Helm, tmp_path: Path) -> Path:
    """Every object that the chart makes of any of the values in its ci folder, once."""
    rendered = [helm4.template(values=[values]) for values in sorted((CHART / "ci").glob("*-values.yaml"))]
    distinct = {json.dumps(each, sort_keys=True): each for text in rendered for each in documents(text)}
    path = tmp_path / "variants.yaml"
    path.write_text(yaml.safe_dump_all(distinct.values()))
    return path


def test_dockerfile() -> None:
    assert complaints("hadolint", ROOT / "Dockerfile") == ""


def test_shell_in_scripts() -> None:
    stand_ins = [
        path for path in STAND_INS.iterdir() if path.read_text(encoding="utf-8").startswith("#!/usr/bin/env bash")
    ]
    assert stand_ins
    assert complaints("shellcheck", "--norc", ROOT / ".ci" / "run", *stand_ins) == ""


def test_workflows_and_the_shell_in_them() -> None:
    """A reusable workflow of the same commit is `$/`, which actionlint does not know yet."""
    for path in WORKFLOWS:
        assert yaml.safe_load(path.read_text(encoding="utf-8"))["defaults"]["run"]["shell"] == "bash"
    flags = (f"-shellcheck={scanner('shellcheck')}", "-pyflakes=", '-ignore=reusable workflow call "\\$/')
    done = subprocess.run([provide("actionlint"), *flags, *WORKFLOWS], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


def test_yaml() -> None:
    assert complaints("yamllint", "--strict", f"--config-file={ROOT / '.yamllint.yaml'}", ROOT) == ""


def test_security_of_workflows() -> None:
    workflows = (ROOT / ".github", PIPELINES / "github.yaml")
    assert complaints("zizmor", "--offline", "--no-progress", "--persona=auditor", *workflows) == ""


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("--builtin-schema=custom.github-workflows-require-timeout", WORKFLOWS),
        ("--builtin-schema=vendor.gitlab-ci", [PIPELINES / "gitlab.yaml"]),
        ("--builtin-schema=vendor.dependabot", [ROOT / ".github" / "dependabot.yml"]),
        # The files in ci/ are parts of values, which Helm adds the rest to before it looks; it does so for test_chart.py.
        (f"--schemafile={CHART / 'values.schema.json'}", [CHART / "values.yaml"]),
        ("--check-metaschema", [CHART / "values.schema.json"]),
    ],
)
def test_form_of_what_has_a_schema(schema: str, files: list[Path]) -> None:
    assert complaints("check-jsonschema", schema, *files) == ""


def test_manifests_satisfy_the_schemas_of_each_supported_kubernetes(defaults: Path, variants: Path) -> None:
    assert kubernetes_validate(*defaults.glob("*.yaml"), variants) == []


def test_policies_for_manifests_and_dockerfile(defaults: Path) -> None:
    shutil.copy(ROOT / "Dockerfile", defaults)
    assert checkov(defaults) == ACCEPTED.keys()
