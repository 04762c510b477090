"""What the checkout and the package promise: names, versions, and what must never be committed."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import atlas_endpoints
from control_plane.programs import NEWEST, OLDEST, required_version

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
GENERATED = {".git", ".venv", ".cache", "__pycache__", "dist"}
"""Folders that hold nothing that is committed; so do those whose names end in _cache."""

REGISTRY_HOST = re.compile(
    r"\b(pypi\.org|pythonhosted\.org|registry\.npmjs\.org|proxy\.golang\.org|crates\.io"
    r"|(index\.)?docker\.io|quay\.io|ghcr\.io|(\w+\.)?gcr\.io|mcr\.microsoft\.com|registry\.k8s\.io|public\.ecr\.aws)\b"
)
MACHINE_PATH = re.compile(r"(?<![\w.])/(root|work)/")


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def committed(folder: Path = ROOT) -> Iterator[Path]:
    """Walk over what a checkout is made of; without git, which a machine that only runs the tests may lack."""
    for path in sorted(folder.iterdir()):
        if path.name in GENERATED or path.name.endswith("_cache") or path.name == ".hypothesis":
            continue
        if path.is_dir():
            yield from committed(path)
        elif path.name != "uv.lock":  # the one file that has to say where packages come from
            yield path


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="ignore")


def test_the_source_root_is_no_package() -> None:
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_python_started_in_the_root_finds_its_own_operator_module() -> None:
    code = "import operator; print(operator.__file__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not Path(found.strip()).is_relative_to(ROOT / "operator")


def test_there_is_one_version() -> None:
    assert pyproject()["project"]["version"] == atlas_endpoints.__version__


def test_the_supported_releases_of_kubernetes_are_those_that_tests_run_on() -> None:
    oldest, newest = (required_version(each).removeprefix("v").rpartition(".")[0] for each in (OLDEST, NEWEST))
    chart = yaml.safe_load((ROOT / "charts" / "atlas-endpoints" / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["kubeVersion"] == f">={oldest}.0-0"
    assert f"[{oldest} to {newest}](#supported-versions)" in (ROOT / "docs" / "install.md").read_text(encoding="utf-8")


def test_the_oldest_python_is_the_same_for_all_tools() -> None:
    configuration = pyproject()
    oldest = configuration["project"]["requires-python"].removeprefix(">=")
    assert configuration["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    assert configuration["tool"]["pyright"]["pythonVersion"] == oldest
    assert f"Programming Language :: Python :: {oldest}" in configuration["project"]["classifiers"]


def test_the_command_exists_also_as_a_plugin_of_kubectl() -> None:
    scripts = pyproject()["project"]["scripts"]
    assert set(scripts) == {"atlas-endpoints", "kubectl-atlas_endpoints"}
    (target,) = set(scripts.values())
    module, _, name = target.partition(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "operator" / "atlas_endpoints" / "py.typed").is_file()


def test_the_changelog_has_the_place_where_fragments_go() -> None:
    towncrier = pyproject()["tool"]["towncrier"]
    assert towncrier["start_string"] in (ROOT / towncrier["filename"]).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", [pytest.param(each, id=each.name) for each in (ROOT / "changelog.d").iterdir()])
def test_a_fragment_of_the_changelog_has_a_known_type(path: Path) -> None:
    types = {each["directory"] for each in pyproject()["tool"]["towncrier"]["type"]}
    assert path.name == "README.md" or re.fullmatch(rf"(\d+|\+\w+)\.({'|'.join(types)})\.md", path.name)


@pytest.mark.parametrize("pattern", [REGISTRY_HOST, MACHINE_PATH], ids=["a registry's host", "a path of one machine"])
def test_no_file_names(pattern: re.Pattern[str]) -> None:
    found = {
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in committed()
        if path != Path(__file__)
        for match in pattern.finditer(text_of(path))
    }
    assert not found
