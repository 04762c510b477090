"""Scanners of what is no Python, each in the release that requirements/ locks.

They come as packages into two environments below .cache (`make scanners` brings them) and fetch nothing when they run.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

from control_plane.go_build import CACHE

if TYPE_CHECKING:
    from pathlib import Path

KUBERNETES = ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
"""The releases whose schemas manifests have to satisfy: all that are supported."""


class ScannerError(Exception):
    """A scanner is missing or could not do its work; the message names the remedy or holds its words."""


def complaints(name: str, *arguments: str | Path) -> str:
    """Give what a scanner says when it ends with an error, whether it has found something or could not do its work."""
    ran = _run(name, *arguments)
    return f"{ran.stdout}{ran.stderr}" if ran.returncode else ""


def kubernetes_validate(*manifests: Path) -> list[str]:
    """Compare manifests with the schemas of each supported release of Kubernetes; unknown fields are errors."""
    found: list[str] = []
    for release in KUBERNETES:
        lines = _run("kubernetes-validate", f"--kubernetes-version={release}", "--strict", *manifests).stdout
        seen = re.findall(r"^.* for resource \S+ against .*$", lines, re.MULTILINE)
        if not seen:
            raise ScannerError(f"kubernetes-validate has looked at nothing:\n{lines}")
        found += [line for line in seen if not line.startswith("INFO")]
    return found


def checkov(folder: Path) -> set[tuple[str, str]]:
    """Hold the manifests and the Dockerfile in a folder against checkov's policies, and give rules and places that fail."""
    frameworks = ("--framework", "kubernetes", "dockerfile")
    ran = _run("checkov", f"--directory={folder}", *frameworks, "--skip-download", "--output=json")
    if ran.returncode not in {0, 1}:
        raise ScannerError(ran.stderr or ran.stdout)
    answer = json.loads(ran.stdout)
    reports: list[dict[str, Any]] = answer if isinstance(answer, list) else [answer]
    if broken := [error for report in reports for error in report["results"]["parsing_errors"]]:
        raise ScannerError(f"checkov could not read {', '.join(broken)}")
    failed = [each for report in reports for each in report["results"]["failed_checks"]]
    return {(each["check_id"], _short(each["resource"])) for each in failed}


def _short(resource: str) -> str:
    """Name a resource as people do; checkov adds the labels of a Pod, and writes the path of a Dockerfile."""
    kind, namespace, name = [*resource.split("."), "", ""][:3]
    return "Dockerfile" if resource.startswith("/Dockerfile") else f"{kind}.{namespace}.{name}"


def scanner(name: str) -> Path:
    """Return the executable."""
    environment = CACHE / ("checkov" if name == "checkov" else "scanners")
    program = environment / "bin" / name
    if not os.access(program, os.X_OK):
        raise ScannerError(f"{name} is not in {environment}: `make scanners` brings it")
    return program


def _run(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([scanner(name), *arguments], capture_output=True, text=True, check=False)
