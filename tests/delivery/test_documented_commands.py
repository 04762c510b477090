"""Each command that documentation shows is one that the tool takes: its subcommand, its flags and their types."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from atlas_endpoints.cli import Commands
from control_plane import provide_programs
from delivery.programs import provide
from support.documentation import PAGES, ROOT, blocks_of, prose
from support.shell import Command, commands, console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from control_plane import ControlPlane
    from delivery.helm import Helm

CHECKED = {"kubectl", "helm", "atlas-endpoints", "make"}
"""The tools that are asked."""

ONLY_HELM_4 = {"--force-conflicts", "--server-side"}
"""Flags of which the pages say that Helm 3 has them not."""

A_GROUP = re.compile(r"SUBCOMMAND|\[command\]|^kubectl create -f")
"""How the usage begins that a tool shows when it does not know the subcommand of one that has some."""


@cache
def shown() -> dict[Command, bool]:
    """Give the commands of all pages, those that run in a Pod too, and whether each can be typed as it is.

    In the text of a page a command may only name what it is about.
    """
    found = [(part, whole) for page in PAGES for command, whole in _of(page) for part in _parts(command)]
    return dict(sorted(found, key=lambda each: each[1]))  # the last one counts


def _of(page: Path) -> Iterator[tuple[Command, bool]]:
    """Give the commands in the blocks of a page, and those in its text that begin with the name of a tool of ours."""
    for block in blocks_of(page):
        if block.language in {"bash", "console"}:
            for command in commands(block.text if block.language == "bash" else console(block.text)):
                yield command, True
    for code in re.findall(r"`([^`\n]+)`", prose(page)):
        first, _, rest = code.removeprefix(".venv/bin/").partition(" ")
        if first in CHECKED and rest and not rest.startswith("-"):  # not `helm --wait`
            for command in commands(code.replace("…", "")):
                yield command, False


def _parts(command: Command) -> Iterator[Command]:
    """Divide `kubectl exec … -- PROGRAM …`; a plugin of kubectl is the program itself."""
    if command.program == "kubectl" and command.arguments[:1] == ("atlas-endpoints",):
        yield Command("atlas-endpoints", command.arguments[1:])
        return
    if "--" not in command.arguments:
        yield command
        return
    at = command.arguments.index("--")
    program, *arguments = command.arguments[at + 1 :]
    yield Command(command.program, command.arguments[:at])
    yield Command(program, tuple(arguments))


def of(program: str) -> pytest.MarkDecorator:
    """Run a test with the arguments of each command of a program."""
    found = [each.arguments for each in shown() if each.program == program]
    return pytest.mark.parametrize("arguments", found, ids=" ".join)


def complaint(program: Path, arguments: tuple[str, ...]) -> str:
    """Give what a program built with cobra has to say against arguments: it reads all flags before it heeds `--help`."""
    done = subprocess.run([program, *arguments, "--help"], capture_output=True, text=True, check=False, timeout=30)
    if done.returncode:
        return (done.stderr or done.stdout).strip()
    usage = re.search(r"^Usage:\n +(.*)$", done.stdout, re.MULTILINE)
    if usage is None or A_GROUP.search(usage[1]):
        path = [word for word in arguments if not word.startswith("-")]
        return f"unknown subcommand in {path}" if len(path) > 1 and "-f" not in arguments else ""
    return ""


@of("kubectl")
def test_kubectl_takes_what_is_shown(arguments: tuple[str, ...]) -> None:
    assert complaint(provide_programs().kubectl, arguments) == ""


OF_OTHERS = {"atlasprivateendpoints", "atlasprojects", "resources", "vpcendpoints"}
"""Kinds of MongoDB's own operator, of Crossplane and of ACK, which are shown and which no installation of ours brings."""


def test_the_kinds_that_kubectl_is_asked_about_are_served(control_plane: ControlPlane, crd: str) -> None:
    texts = [" ".join(each.arguments) for each in shown() if each.program == "kubectl"]
    verbs = r"\b(?:get|describe|delete|annotate|label|patch|scale|edit|explain) ([a-z][a-z,.]*)"
    kinds = {kind.partition(".")[0] for text in texts for found in re.findall(verbs, text) for kind in found.split(",")}
    served = control_plane.kubectl("api-resources", "--no-headers").stdout.lower().replace(",", " ").split()
    assert {"spe", "lease", "deployment"} <= kinds
    assert kinds - {*served, *(each.removesuffix("s") for each in served), "atlas"} <= OF_OTHERS  # and our category


@of("helm")
def test_helm_takes_what_is_shown_and_the_chart_the_values(helm4: Helm, arguments: tuple[str, ...]) -> None:
    assert complaint(provide("helm4"), arguments) == ""
    if not ONLY_HELM_4 & {each.partition("=")[0] for each in arguments}:
        assert complaint(provide("helm3"), arguments) == ""
    settings = re.findall(r"--set(?:-string)?[= ](\S+)", " ".join(arguments))
    assert "kind: Deployment" in helm4.template(*(f"--set={each}" for each in settings))


@of("atlas-endpoints")
def test_the_operator_takes_what_is_shown(arguments: tuple[str, ...]) -> None:
    try:
        Commands(_cli_parse_args=[each for each in arguments if each != "--help"])  # pyright: ignore[reportCallIssue]  # from the base class
    except ValidationError:
        assert not shown()[Command("atlas-endpoints", arguments)]  # some may be missing


def test_each_variable_that_make_is_given_is_one_of_its() -> None:
    known = set(re.findall(r"^([A-Z_]+) \?=", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    words = {word for each in shown() if each.program == "make" for word in each.arguments if "=" in word}
    assert {word.partition("=")[0] for word in words} - known <= {
        "BUILDER",
        "KEEP",
    }  # which our programs read themselves
