"""The image as the workflow of a release builds and pushes it, but for its builder: buildah, for the architecture of this machine."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

import atlas_endpoints
from delivery.forge import REPOSITORY, SERVER, Forge, oras, registry
from image.builders import find_builder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(900)  # it brings all packages anew
def test_the_workflow_builds_and_pushes_the_image(configuration: dict[str, Any], tmp_path: Path) -> None:
    if find_builder(os.environ.get("BUILDER")).name != "buildah":
        pytest.skip("the workflow's step is played with buildah")
    base = configuration["Labels"]["org.opencontainers.image.base.name"]
    with registry(tmp_path) as host:
        forge = Forge(tmp_path, host, f"v{atlas_endpoints.__version__}", base)
        forge.run("image")
        image = f"{host}/{REPOSITORY.lower()}"
        digest = oras("resolve", "--platform=linux/amd64", f"{image}@{forge.outputs['image']['digest']}")
        pushed = json.loads(oras("manifest", "fetch-config", f"{image}@{digest}"))["config"]
    label = "org.opencontainers.image."
    assert pushed["Labels"][f"{label}source"] == f"{SERVER}/{REPOSITORY}"
    assert pushed["Labels"][f"{label}version"] == atlas_endpoints.__version__
    for name in ("User", "Env", "Entrypoint", "Cmd", "StopSignal", "ExposedPorts"):
        assert pushed[name] == configuration[name]
