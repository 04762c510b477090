"""What is in the image, and what is not."""

from __future__ import annotations

import importlib.metadata
import re
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from image.builders import ROOT

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

HOME = Path("opt/atlas-endpoints")
USER = 65532
MEGABYTES_OF_THE_OPERATOR, MEGABYTES_IN_ALL = 200, 400
"""docs/releases.md names both. Most of the first is the Kubernetes client, of the second the base."""

FOR_ALL = {"tmp", "var/tmp", "run/lock"}
"""Folders that any user may write to in any Debian, unless the root file system is read-only."""

TOOLS = {
    "pip",
    "pip3",
    "uv",
    "uvx",
    "gcc",
    "cc",
    "g++",
    "c++",
    "clang",
    "ld",
    "as",
    "make",
    "go",
    "rustc",
    "cargo",
    "git",
}
"""What installs or builds."""


@pytest.fixture(scope="module", name="files")
def all_files(root: Path) -> dict[str, os.stat_result]:
    """Everything in the image by its path, as it is itself: links are not followed."""
    found = {str(path.relative_to(root)): path.lstat() for path in root.rglob("*")}
    assert len(found) > 3000, "this is no root file system"
    return found


def distributions(root: Path) -> Iterator[importlib.metadata.Distribution]:
    (packages,) = root.glob(f"{HOME}/lib/python3*/site-packages")
    yield from importlib.metadata.distributions(path=[str(packages)])


def test_the_configuration_is_that_of_the_dockerfile(configuration: dict[str, Any]) -> None:
    assert configuration["User"] == f"{USER}:{USER}"
    assert configuration["Entrypoint"] == ["atlas-endpoints"]
    assert configuration["Cmd"] == ["run"]
    assert configuration["StopSignal"] == "SIGTERM"
    assert list(configuration["ExposedPorts"]) == ["8080/tcp"]


def test_the_labels_tell_what_it_was_built_from(configuration: dict[str, Any]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in configuration["Labels"].items()}
    assert labels["version"] == version
    assert labels["licenses"] == "Apache-2.0"
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["revision"])
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", labels["created"])
    assert labels["base.name"]
    assert all(labels.values())


def test_nothing_gains_rights(files: dict[str, os.stat_result]) -> None:
    assert [path for path, found in files.items() if stat.S_ISREG(found.st_mode) and found.st_mode & 0o6000] == []


def test_nothing_belongs_to_its_user_or_can_be_written_by_it(files: dict[str, os.stat_result]) -> None:
    assert [path for path, found in files.items() if USER in {found.st_uid, found.st_gid}] == []
    writable = {
        path for path, found in files.items() if not stat.S_ISLNK(found.st_mode) and found.st_mode & stat.S_IWOTH
    }
    assert {path for path in writable if stat.S_ISREG(files[path].st_mode)} == set()
    assert {path for path in writable if stat.S_ISDIR(files[path].st_mode)} <= FOR_ALL


def test_the_operator_belongs_to_root(files: dict[str, os.stat_result]) -> None:
    own = {path: found for path, found in files.items() if path.startswith(f"{HOME}/")}
    assert own
    assert {(found.st_uid, found.st_gid) for found in own.values()} == {(0, 0)}


def test_nothing_in_it_installs_or_builds(root: Path, files: dict[str, os.stat_result]) -> None:
    assert sorted(path for path in files if Path(path).name in TOOLS and Path(path).parent.name == "bin") == []
    assert sorted(path for path in files if re.search(r"-packages/(pip|setuptools|uv|hatchling)(-[^/]*)?$", path)) == []
    assert sorted(path for path in files if re.search(r"(^|/)ensurepip$|/(pip|setuptools)-[^/]*\.whl$", path)) == []
    locked = {each["name"] for each in tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]}
    assert {each.name.lower().replace("_", "-").replace(".", "-") for each in distributions(root)} <= locked


def test_nothing_of_the_checkout_but_the_package_is_in_it(files: dict[str, os.stat_result]) -> None:
    assert not any(path == "src" or path.startswith(("src/", "opt/dist", "opt/uv", "opt/build")) for path in files)
    assert not any(f"{HOME}/" in path and "/tests/" in path and "atlas_endpoints" in path for path in files)


def test_each_package_has_a_license(root: Path) -> None:
    own = root / "licenses" / "LICENSE"
    assert own.read_text(encoding="utf-8") == (ROOT / "LICENSE").read_text(encoding="utf-8")
    without = {
        each.name
        for each in distributions(root)
        if not (
            {"License", "License-Expression"} & set(each.metadata)
            or any("License ::" in line for line in each.metadata.get_all("Classifier") or [])
        )
    }
    assert without == set()


def test_all_bytecode_is_there_and_does_not_ask_for_the_time_of_its_source(root: Path) -> None:
    (packages,) = root.glob(f"{HOME}/lib/python3*/site-packages")
    sources = list(packages.rglob("*.py"))
    assert sources
    for source in sources:
        (compiled,) = (source.parent / "__pycache__").glob(f"{source.stem}.cpython-*.pyc")
        flags = int.from_bytes(compiled.read_bytes()[4:8], "little")
        assert flags == 0b01, f"{compiled.name}: PEP 552's flags are {flags}"


def test_nothing_remembers_when_it_was_built(root: Path) -> None:
    (information,) = root.glob(f"{HOME}/lib/python3*/site-packages/atlas_endpoints-*.dist-info")
    assert not {"uv_cache.json", "direct_url.json"} & {path.name for path in information.iterdir()}


def test_it_is_as_small_as_promised(root: Path) -> None:
    def megabytes(folder: Path) -> float:
        kilobytes = subprocess.run(["du", "-sk", folder], capture_output=True, text=True, check=True).stdout.split()[0]
        return int(kilobytes) / 1000

    assert megabytes(root / HOME) < MEGABYTES_OF_THE_OPERATOR
    assert megabytes(root) < MEGABYTES_IN_ALL
