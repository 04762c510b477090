"""Helm as a program: either major, with its own home folders, so that a test leaves and finds nothing on the machine."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "atlas-endpoints"
CI = CHART / "ci"
"""Values that the chart ships to be tried with."""
RELEASE = NAMESPACE = "atlas-endpoints"
"""What the documentation installs, and where."""


class HelmError(Exception):
    """Helm has failed; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Helm:
    """A Helm of one major version.

    Attributes:
        program: The executable.
        major: 3 or 4.
        home: A folder of its own, for caches, configuration and plugins.
        kubeconfig: The cluster that it acts on; without one it can reach none.
    """

    program: Path
    major: int
    home: Path
    kubeconfig: Path | None = None

    def __call__(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Run a command and return what it printed; a HelmError says why it has failed."""
        folders = {"HOME": ".", "HELM_CACHE_HOME": "cache", "HELM_CONFIG_HOME": "config", "HELM_DATA_HOME": "data"}
        environment = {
            "PATH": os.environ["PATH"],
            "GOGC": "off",  # a process this short collects its garbage by ending
            "KUBECONFIG": str(self.kubeconfig or self.home / "no-kubeconfig"),
            **{name: str(self.home / folder) for name, folder in folders.items()},
        }
        command = [self.program, *arguments]
        done = subprocess.run(
            command, env=environment, cwd=ROOT, input=stdin, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise HelmError((done.stderr + done.stdout).strip())
        return done.stdout

    def lint(self, chart: Path = CHART, *, values: Sequence[Path] = ()) -> str:
        """Lint a chart, warnings being errors."""
        return self("lint", "--strict", chart, *_files(values))

    def template(
        self,
        *arguments: str,
        chart: Path = CHART,
        values: Sequence[Path] = (),
        release: str = RELEASE,
        namespace: str = NAMESPACE,
    ) -> str:
        """Render a chart, a folder or an archive, with flags and files of values, the last one first in rank."""
        return self("template", release, chart, "--namespace", namespace, *_files(values), *arguments)

    def package(self, chart: Path, target: Path, *arguments: str) -> Path:
        """Put a chart into an archive in a folder, and give the archive."""
        self("package", chart, "--destination", target, *arguments)
        (archive,) = target.glob("*.tgz")
        return archive


def rendered(helm: Helm, *values: str, flags: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Give the objects that the chart makes of files in its ci folder, by their names, and of more flags.

    CRDs are among them for the file `names` alone: they take most of the time.
    """
    without = () if "names" in values else ("--set=crds.install=false",)
    return documents(helm.template(*without, *flags, values=[CI / f"{name}-values.yaml" for name in values]))


def documents(rendered: str) -> list[dict[str, Any]]:
    """Read what was rendered, object by object."""
    return [each for each in yaml.load_all(rendered, Loader=yaml.CSafeLoader) if each]


def _files(values: Sequence[Path]) -> list[str]:
    return [f"--values={path}" for path in values]
