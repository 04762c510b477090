"""That the image is the same each time it is built."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from image.builders import ROOT, find_builder


@pytest.mark.timeout(900)  # each build brings all packages anew
def test_two_builds_of_one_commit_are_one_image(configuration: dict[str, Any]) -> None:
    builder = find_builder(os.environ.get("BUILDER"))
    if builder.name == "docker":
        pytest.skip("docker builds by default leave the times of files as they are; docs/releases.md says so")
    base = configuration["Labels"]["org.opencontainers.image.base.name"]
    names = [f"localhost/atlas-endpoints-again:{number}" for number in (1, 2)]
    for name in names:
        subprocess.run(
            [sys.executable, "-m", "image", "build", f"--image={name}", f"--base={base}"],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": "tests:hack"},
            capture_output=True,
            check=True,
        )
    first, second = (builder.identity(name) for name in names)
    for name in names:
        builder.remove(name)
    assert first == second
