"""The Go toolchain of this machine: is it new enough, and where may it keep its caches."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MINIMUM = (1, 26)
"""The oldest Go that compiles the Kubernetes release in `go.mod`."""

REMEDY = "Install it from https://go.dev/dl/, or let an older Go fetch it with GOTOOLCHAIN=auto"

CACHES = {"GOPATH": "path", "GOMODCACHE": "mod", "GOCACHE": "build"}
"""The folders Go cannot do without, and what each is called when the checkout has to keep it."""


class ToolchainError(Exception):
    """Go is missing or too old; the message names the remedy."""


def check_version(answer: str) -> None:
    """Refuse a Go that is too old, by what `go version` prints: `go version go1.26.8 linux/amd64`."""
    found = re.search(r"\bgo(\d+)\.(\d+)", answer)
    if found is None or (int(found[1]), int(found[2])) < MINIMUM:
        needed = ".".join(map(str, MINIMUM))
        raise ToolchainError(f"Go {needed} or newer is needed, and `go version` says: {answer.strip()}\n{REMEDY}")


def cache_overrides(go_env: Mapping[str, str], fallback: Path, is_usable: Callable[[Path], bool]) -> dict[str, str]:
    """Choose folders for the caches that Go could not keep where it wants to.

    Args:
        go_env: Go's own view (`go env -json`) of the variables in `CACHES`; empty where Go has no idea, which is so
            when HOME is not set, or `off`.
        fallback: The folder to keep them in instead.
        is_usable: Whether a folder can be written to, or made.

    Returns:
        The environment variables to set, nothing for a machine whose HOME is in order.
    """

    def is_in_order(value: str) -> bool:
        first = Path(value.split(os.pathsep, maxsplit=1)[0])  # GOPATH may be a list; Go writes to its first folder
        return first.is_absolute() and is_usable(first)

    overrides = {name: str(fallback / folder) for name, folder in CACHES.items() if not is_in_order(go_env[name])}
    if "GOMODCACHE" in overrides:
        # Go makes its module cache read-only, and then `rm -rf .cache` would fail for everybody but root.
        overrides["GOFLAGS"] = "-modcacherw"
    return overrides


def is_usable_folder(path: Path) -> bool:
    """Whether the folder can be written to, or could be made."""
    existing = next(ancestor for ancestor in (path, *path.parents) if os.access(ancestor, os.F_OK))
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def find_go(module: Path, fallback: Path, *, builds: str) -> tuple[str, dict[str, str]]:
    """Return the path of a Go that can build the module, and the environment to run it in.

    Args:
        module: The folder of `go.mod`; a Go that may do so switches to the version that it asks for.
        fallback: Where caches go that cannot be kept where Go wants them.
        builds: What Go is needed for, in words that follow "to build".
    """
    go = shutil.which("go")
    if go is None:
        raise ToolchainError(f"Go is needed to build {builds}, and there is no `go` on PATH.\n{REMEDY}")
    # The binary is for this machine, whatever the user's shell cross-compiles for, and needs no C compiler. A go.work
    # in a folder above would pull this module into somebody else's workspace.
    environment = {name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH"}}
    environment |= {"CGO_ENABLED": "0", "GOWORK": "off"}

    def ask(*question: str) -> str:
        asked = subprocess.run(
            [go, *question], cwd=module, env=environment, capture_output=True, text=True, check=False
        )
        if asked.returncode != 0:  # such as an older Go that could not fetch a newer one
            raise ToolchainError(f"`go {question[0]}` failed: {asked.stderr.strip()}\n{REMEDY}")
        return asked.stdout

    check_version(ask("version"))
    go_env: dict[str, str] = json.loads(ask("env", "-json", *CACHES, "GOFLAGS"))
    overrides = cache_overrides(go_env, fallback, is_usable_folder)
    if "GOFLAGS" in overrides:
        overrides["GOFLAGS"] = f"{go_env['GOFLAGS']} {overrides['GOFLAGS']}".strip()
    return go, environment | overrides
