"""Scanners of what is no Python, each in the release that requirements/ locks, and what they find.

They come as packages into two environments below .cache (`make scanners` brings them) and fetch nothing when they run.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control_plane.go_build import CACHE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KUBERNETES = ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
"""The releases whose schemas manifests have to satisfy: all that are supported."""


class ScannerError(Exception):
    """A scanner is missing or could not do its work; the message names the remedy or holds its words."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Something that a scanner does not like.

    Attributes:
        scanner: Which one.
        rule: Its own name of the rule.
        where: The object in a manifest, such as `Deployment.atlas-endpoints.atlas-endpoints`, else the file.
    """

    scanner: str
    rule: str
    where: str


def hadolint(dockerfile: Path) -> set[Finding]:
    """Lint a Dockerfile, and the shell in it."""
    found = json.loads(_run("hadolint", "--no-color", "--format=json", dockerfile))
    return {Finding("hadolint", each["code"], dockerfile.name) for each in found}


def shellcheck(*scripts: Path) -> set[Finding]:
    """Lint shell scripts."""
    found = json.loads(_run("shellcheck", "--norc", "--format=json", *scripts))
    return {Finding("shellcheck", f"SC{each['code']}", each["file"].rpartition("/")[2]) for each in found}


def yamllint(configuration: Path, *targets: Path) -> set[Finding]:
    """Lint the YAML below folders."""
    lines = _run("yamllint", "--strict", f"--config-file={configuration}", "--format=parsable", *targets).splitlines()
    shape = re.compile(r"(?P<file>.+?):\d+:\d+: \[\w+\] .*\((?P<rule>[\w-]+)\)")
    return {
        Finding("yamllint", found["rule"], found["file"].rpartition("/")[2])
        for found in map(shape.match, lines)
        if found
    }


def zizmor(target: Path) -> set[Finding]:
    """Audit the security of a workflow, or of all in a `.github` folder with its Dependabot configuration, as strictly as it can."""
    found = json.loads(
        _run("zizmor", "--offline", "--quiet", "--no-progress", "--persona=auditor", "--format=json", target)
    )
    return {
        Finding(
            "zizmor",
            each["ident"],
            each["locations"][0]["symbolic"]["key"]["Local"]["verbatim_path"].rpartition("/")[2],
        )
        for each in found
    }


def check_jsonschema(schema: str | Path, *files: Path) -> set[Finding]:
    """Compare files with a schema.

    Args:
        schema: one that comes with the program, such as `vendor.github-workflows`, or a file, which has to be a schema itself.
        files: YAML or JSON.
    """
    option = f"--schemafile={schema}" if isinstance(schema, Path) else f"--builtin-schema={schema}"
    runs: list[list[str | Path]] = [[option, *files]]
    if isinstance(schema, Path):
        runs.append(["--check-metaschema", schema])
    reports = [json.loads(_run("check-jsonschema", "--output-format=json", *run)) for run in runs]
    errors = [error for report in reports for error in [*report["errors"], *report.get("parse_errors", [])]]
    rule = schema.name if isinstance(schema, Path) else schema
    return {Finding("check-jsonschema", rule, each["filename"].rpartition("/")[2]) for each in errors}


def kubernetes_validate(*manifests: Path) -> set[Finding]:
    """Compare manifests with the schemas of each supported release of Kubernetes; unknown fields are errors."""
    findings = set()
    for release in KUBERNETES:
        output = _run("kubernetes-validate", f"--kubernetes-version={release}", "--strict", *manifests)
        seen = re.findall(r"^(\w+) \S+ .*?for resource (\S+) against", output, re.MULTILINE)
        if not seen:
            raise ScannerError(f"kubernetes-validate has looked at nothing:\n{output}")
        findings |= {Finding("kubernetes-validate", release, where) for level, where in seen if level != "INFO"}
    return findings


def checkov(folder: Path) -> set[Finding]:
    """Hold the manifests and the Dockerfile in a folder against checkov's policies."""
    answer = json.loads(
        _run(
            "checkov",
            f"--directory={folder}",
            "--framework",
            "kubernetes",
            "dockerfile",
            "--skip-download",
            "--output=json",
        )
    )
    reports: list[dict[str, Any]] = answer if isinstance(answer, list) else [answer]
    if broken := [error for report in reports for error in report["results"]["parsing_errors"]]:
        raise ScannerError(f"checkov could not read {', '.join(broken)}")
    failed = [each for report in reports for each in report["results"]["failed_checks"]]
    return {Finding("checkov", each["check_id"], _short(each["resource"])) for each in failed}


def _short(resource: str) -> str:
    """Name a resource as people do; checkov adds the labels of a Pod, and writes the path of a Dockerfile."""
    kind, namespace, name = [*resource.split("."), "", ""][:3]
    return "Dockerfile" if resource.startswith("/Dockerfile") else f"{kind}.{namespace}.{name}"


def _run(name: str, *arguments: str | Path) -> str:
    """Run a scanner and return what it printed. That it has found something is no error, and not told by its exit code alone."""
    environment = CACHE / ("checkov" if name == "checkov" else "scanners")
    program = environment / "bin" / name
    if not os.access(program, os.X_OK):
        raise ScannerError(f"{name} is not in {environment}: `make scanners` brings it")
    ran = subprocess.run([program, *_texts(arguments)], capture_output=True, text=True, check=False)
    if ran.returncode not in FOUND_SOMETHING.get(name, (0, 1)):
        raise ScannerError(f"{name} ended with {ran.returncode}: {(ran.stderr or ran.stdout).strip()[-2000:]}")
    return ran.stdout


FOUND_SOMETHING = {"zizmor": (0, 11, 12, 13, 14)}
"""How a scanner ends that could do its work, where that is not 0 or 1; zizmor tells the gravest finding."""


def _texts(arguments: Iterable[str | Path]) -> Sequence[str]:
    return [str(each) for each in arguments]
