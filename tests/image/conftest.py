"""What the tests of the image share: its configuration, and its root file system in a folder."""

from __future__ import annotations

import os
import shutil
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from image.builders import ROOT, ImageError, find_builder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the image be chosen."""
    parser.addoption("--image", default="", help="the image to look into; by default the one that `make image` builds")


@pytest.fixture(scope="session")
def image(pytestconfig: pytest.Config) -> str:
    """The image's name."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    return pytestconfig.getoption("--image") or f"localhost/atlas-endpoints:{version}"


@pytest.fixture(scope="session")
def configuration(image: str) -> dict[str, Any]:
    """How the image says that it is run."""
    return find_builder(os.environ.get("BUILDER")).configuration(image)


@pytest.fixture(scope="session")
def root(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The image's root file system."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        raise ImageError("owners are kept and root file systems changed by root only, on Linux: sudo make test-image")
    folder = tmp_path_factory.mktemp("root")
    find_builder(os.environ.get("BUILDER")).unpack(image, folder)
    yield folder
    shutil.rmtree(folder)
