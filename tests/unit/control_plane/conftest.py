"""A stand-in for Go, so that a build is a matter of milliseconds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class FakeGo:
    """A script named `go`, alone on PATH with the shell.

    Attributes:
        folder: Where it notes each build in `builds`, and the environment of the last one in `environment`.
    """

    folder: Path

    @property
    def builds(self) -> list[str]:
        """The arguments of each build."""
        noted = self.folder / "builds"
        return noted.read_text().splitlines() if noted.exists() else []

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the last build."""
        return dict(line.split("=", 1) for line in (self.folder / "environment").read_text().splitlines())

    def install(
        self, *, version: str = "go1.26.8", go_env: dict[str, str] | None = None, build: str = "printf binary > $out"
    ) -> None:
        """Put it on PATH.

        Args:
            version: What it claims to be.
            go_env: What `go env` answers.
            build: Shell code that builds `$out`.
        """
        caches = {name: str(self.folder / name) for name in ("GOPATH", "GOMODCACHE", "GOCACHE")}
        script = f"""#!/bin/sh
            case $1 in
            version) echo go version {version} linux/amd64 ;;
            env) echo '{json.dumps(caches | {"GOFLAGS": ""} | (go_env or {}))}' ;;
            build)
                echo "$*" >> {self.folder}/builds
                env > {self.folder}/environment
                while [ "$1" != -o ]; do shift; done
                out=$2
                {build}
                ;;
            esac
            """
        go = self.folder / "go"
        go.write_text(script)
        go.chmod(0o755)


@pytest.fixture
def fake_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeGo:
    """A Go that builds at once; the real one cannot be reached."""
    folder = tmp_path / "fake-go"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    fake = FakeGo(folder)
    fake.install()
    return fake
