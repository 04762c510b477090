"""The jobs of the release's workflow on this machine: each script as the forge runs it, in a copy of the checkout.

A container registry on loopback takes what is pushed. What needs a daemon, an identity or a forge has a stand-in, which says what
it was asked for, and asks the registry for each reference that it is given.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from control_plane import provide_programs
from control_plane.go_build import CACHE
from control_plane.ports import free_port
from control_plane.process import ServerGroup, wait_until
from delivery.helm import ROOT
from delivery.programs import provide

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

STAND_INS = Path(__file__).parent / "stand_ins"
SERVER, REPOSITORY = "https://forge.example.org", "Example/Atlas-Endpoints"
BUILT = ("Bring ", "Build the wheel and the site")
"""How steps begin whose outcome is put where they would leave it, since they build for minutes."""


@contextmanager
def registry(folder: Path) -> Iterator[str]:
    """Run a registry on loopback that holds nothing yet; its host and port, and its log in the folder."""
    port = free_port()
    servers = ServerGroup(detached=False)
    server = servers.start("registry", [str(provide("registry")), f"-port={port}"], folder=folder)

    def answers() -> bool:
        try:
            return httpx.get(f"http://localhost:{port}/v2/", trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        wait_until(answers, "the registry to answer", servers=[server])
        yield f"localhost:{port}"
    finally:
        server.stop(kill=True)
        servers.close()


def oras(*arguments: str) -> str:
    """Ask a registry, and return the answer."""
    return subprocess.run([provide("oras"), *arguments], check=True, capture_output=True, text=True).stdout.strip()


class StepError(Exception):
    """A step has failed; the message is what it said."""


@dataclass
class Forge:
    """Runs jobs, one after the other.

    Attributes:
        folder: For all that comes about.
        registry: The host and port of the registry.
        tag: The tag that is released.
        base: The image that buildah builds the operator's on; without one, an image with a file takes its place.
        outputs: Of the jobs that have run.
    """

    folder: Path
    registry: str
    tag: str
    base: str = ""
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)

    @cached_property
    def workflow(self) -> dict[str, Any]:
        """The workflow; but it builds for one architecture, since others take an emulator."""
        text = (ROOT / ".github" / "workflows" / "release.yaml").read_text(encoding="utf-8")
        loaded: dict[str, Any] = yaml.safe_load(text)
        loaded["env"]["ARCHITECTURES"] = "amd64"
        return loaded

    def checkout(self, job: str) -> Path:
        """Give a job its copy of the checkout, which says that the version is released, and has what steps of `BUILT` leave."""
        copy = self.folder / "checkouts" / job
        if copy.exists():
            return copy
        ignored = shutil.ignore_patterns(".git", ".venv", ".cache", ".*_cache", "__pycache__")
        shutil.copytree(ROOT, copy, ignore=ignored)
        for page in (*copy.glob("*.md"), *copy.glob("docs/*.md"), copy / "deploy" / "base" / "kustomization.yaml"):
            text = page.read_text(encoding="utf-8")
            text = text.replace("(not released yet)", "(2026-12-01)").replace("is published yet", "is published")
            page.write_text(text, encoding="utf-8")
        (copy / ".venv").symlink_to(ROOT / ".venv")
        (copy / ".cache" / "site").mkdir(parents=True)
        (copy / ".cache" / "site" / "index.html").touch()
        for built in ("control-plane", "delivery", "build"):
            (copy / ".cache" / built).symlink_to(CACHE / built)
        build: list[str | Path] = [
            CACHE / "build" / "bin" / "hatchling",
            "build",
            "--target",
            "wheel",
            "--directory",
            ".cache/wheel",
        ]
        subprocess.run(build, cwd=copy, check=True, capture_output=True)
        return copy

    @property
    def calls(self) -> list[str]:
        """What stand-ins were asked for."""
        return (self.folder / "calls").read_text(encoding="utf-8").splitlines()

    def run(self, job: str, *names: str) -> None:
        """Run the steps of a job, or only those with some names, and keep its outputs; a StepError says what has failed."""
        told, checkout = self.workflow["jobs"][job], self.checkout(job)
        known: dict[str, dict[str, str]] = {}
        for step in told["steps"]:
            name = step.get("name", step.get("uses", ""))
            if names and name not in names:
                continue
            if name.startswith("actions/upload-artifact"):
                shutil.copytree(checkout / step["with"]["path"], self.folder / "artifacts", dirs_exist_ok=True)
            elif name.startswith("actions/download-artifact"):
                shutil.copytree(self.folder / "artifacts", checkout / step["with"]["path"], dirs_exist_ok=True)
            elif "run" in step and not name.startswith(BUILT):
                wanted = {**self.workflow["env"], **told.get("env", {}), **step.get("env", {})}
                environment = {each: self._filled(text, known) for each, text in wanted.items()}
                known[step.get("id", name)] = self._script(step, environment, checkout)
        self.outputs[job] = {name: self._filled(text, known) for name, text in told.get("outputs", {}).items()}

    def _filled(self, text: str, steps: Mapping[str, Mapping[str, str]]) -> str:
        contexts: dict[str, Any] = {
            "vars": {"REGISTRY": self.registry},
            "github": {
                "server_url": SERVER,
                "repository": REPOSITORY,
                "ref_name": self.tag,
                "ref": f"refs/tags/{self.tag}",
            },
            "needs": {job: {"outputs": outputs} for job, outputs in self.outputs.items()},
            "steps": {step: {"outputs": outputs} for step, outputs in steps.items()},
        }

        def value(found: re.Match[str]) -> str:
            at: Any = contexts
            for part in found[1].split("."):
                at = at.get(part, {})
            return str(at or "")

        return re.sub(r"\$\{\{ ([\w.]+) \}\}", value, text)

    def _script(self, step: Mapping[str, Any], environment: Mapping[str, str], checkout: Path) -> dict[str, str]:
        """Run a step as the forge does, and return its outputs."""
        temporary = self.folder / "temporary"
        temporary.mkdir(exist_ok=True)
        output = temporary / "output"
        output.write_text("", encoding="utf-8")
        programs = [STAND_INS, provide_programs().kubectl.parent, provide("oras").parent, Path(os.environ["PATH"])]
        given = {
            "PATH": ":".join(map(str, programs)),
            "HOME": str(self.folder),
            "BASE": self.base,
            "CALLS": str(self.folder / "calls"),
            "HELM": str(provide("helm4")),
            "GITHUB_OUTPUT": str(output),
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_SERVER_URL": SERVER,
            "GITHUB_SHA": "0" * 40,
            "GITHUB_WORKSPACE": str(checkout),
            "RUNNER_TEMP": str(temporary),
            **({"SSL_CERT_FILE": os.environ["SSL_CERT_FILE"]} if "SSL_CERT_FILE" in os.environ else {}),
            **environment,
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        folder = checkout / step.get("working-directory", ".")
        done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StepError(f"{step.get('name')}: {done.stdout}{done.stderr}")
        return dict(line.split("=", 1) for line in output.read_text(encoding="utf-8").splitlines())
