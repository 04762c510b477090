"""The commands that docs/simulator.md shows, run one after the other against a simulator."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from support.atlas import Atlas
from support.documentation import DOCS, blocks_of

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane.process import ServerGroup

PROJECT = "5f5f5f5f5f5f5f5f5f5f5f5f"
SEED = {
    "projects": [
        {
            "id": PROJECT,
            "instances": [
                {"name": "aws-instance"},
                {"name": "shop", "endpoints": [{"_id": "a1a1a1a1a1a1a1a1a1a1a1a1"}]},
            ],
        }
    ],
    "serviceAccounts": [{"clientId": "shown", "clientSecret": "not-a-secret", "roles": "*"}],
    "apiKeys": [{"publicKey": "cikey", "privateKey": "not-a-secret", "roles": "*"}],
}
"""What the page speaks about."""

STRICT = '#!/bin/sh\nexec {curl} --fail-with-body --show-error "$@"\n'
"""A curl that fails when it is answered with an error."""


@pytest.fixture
def programs_of_the_page(tmp_path: Path) -> Path:
    """A folder with the programs that the page takes for granted."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("curl", "jq"):
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"there is no {name} on this machine")
        (folder / name).write_text(STRICT.format(curl=found) if name == "curl" else f'#!/bin/sh\nexec {found} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


def test_each_command_of_the_page_does_what_it_is_shown_for(
    group: ServerGroup, tmp_path: Path, programs_of_the_page: Path
) -> None:
    atlas = Atlas.start(group, tmp_path, SEED)
    blocks = [block.text for block in blocks_of(DOCS / "simulator.md") if block.language == "bash"]
    script = "\n".join(blocks).replace("http://127.0.0.1:8090", atlas.url)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={
            "PATH": f"{programs_of_the_page}:{os.defpath}",
            "PROJECT": PROJECT,
            "CLIENT_ID": "shown",
            "CLIENT_SECRET": "not-a-secret",
            "PUBLIC_KEY": "cikey",
            "PRIVATE_KEY": "not-a-secret",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    atlas.close()
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert len(blocks) > 5
    assert "a1a1a1a1a1a1a1a1a1a1a1a1" in done.stdout
