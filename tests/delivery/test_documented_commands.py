"""Each command that documentation shows is one that the tool takes: its subcommand, its flags and their types."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import pytest
import yaml
from pydantic import ValidationError

from atlas_endpoints.cli import Commands
from control_plane import provide_programs
from delivery.helm import CHART, Helm
from delivery.programs import provide
from support.documentation import PAGES, ROOT, blocks_of, prose
from support.shell import Command, commands, console

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from control_plane import ControlPlane

CHECKED = {"kubectl", "helm", "atlas-endpoints", "make"}
"""The tools that are asked."""

NOT_ASKED = {
    "velero": "no program of Velero is built here; what a restore comes to is tried by hand (behaviour/serverless/copies.yaml)",
    "argocd": "no program of Argo CD is built here; what the action does is tried with its Lua engine (test_argocd.py)",
    "flux": "no program of Flux is built here; its objects are held against its schemas (test_flux.py)",
    "cosign": "no program of Sigstore is built here; the release workflow runs the same verification",
    "gh": "as cosign",
    "docker": "no Docker is here; `make image` is what it stands beside (hack/image)",
    "kind": "as Docker, which it needs",
    "curl": "run against the simulator (test_simulator_page.py)",
    "jq": "as curl",
    "sed": "run (test_commands.py)",
    "date": "of every system; whether a value of force-sync is new is all that counts",
    "grep": "of every system",
    "pytest": "of the locked environment, as whoever reads CONTRIBUTING.md runs it",
    "setup-envtest": "it downloads programs; what is done with them is tried with those that are built here",
}
"""What else is shown, and why no tool is asked about it."""

ONLY_HELM_4 = {"--force-conflicts", "--server-side"}
"""Flags of which the pages say that Helm 3 has them not."""

A_GROUP = re.compile(r"SUBCOMMAND|\[command\]|^kubectl create -f")
"""How the usage begins that a tool shows when it does not know the subcommand of one that has some."""


class Shown(NamedTuple):
    """A command and where it stands.

    Attributes:
        where: The page.
        command: It.
        whole: Whether it can be typed as it is; in the text of a page it may only name what it is about.
    """

    where: str
    command: Command
    whole: bool


@cache
def shown() -> tuple[Shown, ...]:
    """Give the commands of all pages."""
    return tuple(
        Shown(page.relative_to(ROOT).as_posix(), command, whole) for page in PAGES for command, whole in _of(page)
    )


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


def asked(program: str) -> list[object]:
    """Give each command of a program once, those that run in a Pod too."""
    found = dict.fromkeys(
        (each.arguments, whole)
        for _, command, whole in shown()
        for each in (_halves(command)[0], *_halves(command)[1])
        if each.program == program
    )
    return [pytest.param(arguments, whole, id=" ".join(arguments)) for arguments, whole in found]


def _halves(command: Command) -> tuple[Command, list[Command]]:
    """Divide `kubectl exec … -- PROGRAM …`; a plugin of kubectl is the program itself."""
    if command.program == "kubectl" and command.arguments[:1] == ("atlas-endpoints",):
        return Command("atlas-endpoints", command.arguments[1:]), []
    if "--" not in command.arguments:
        return command, []
    at = command.arguments.index("--")
    program, *arguments = command.arguments[at + 1 :]
    return Command(command.program, command.arguments[:at]), [Command(program, tuple(arguments))]


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


@pytest.fixture(scope="module")
def kubectl() -> Path:
    return provide_programs().kubectl


@pytest.mark.parametrize(("arguments", "whole"), asked("kubectl"))
def test_kubectl_takes_what_is_shown(kubectl: Path, arguments: tuple[str, ...], whole: bool) -> None:
    assert complaint(kubectl, arguments) == ""


ABOUT = {"get", "describe", "delete", "annotate", "label", "patch", "scale", "wait", "edit", "explain"}
"""Subcommands of kubectl whose first word is what they are about."""
WITH_A_VALUE = {"-n", "--namespace", "-o", "--output", "-l", "--selector", "--field-selector", "--for", "-f", "-k"}
"""Flags whose value is a word of its own."""


KINDS_OF_OTHERS = {
    "atlasprivateendpoints": "of MongoDB's own operator, from which the migration leads",
    "atlasprojects": "of MongoDB's own operator, which a projectRef may name",
    "vpcendpoints": "of ACK, which a cloudProviderEndpointRef may name",
}
"""Kinds that are shown and that no installation of ours brings."""


def kinds() -> set[str]:
    """Give the names of kinds that kubectl is asked about, as they are written."""
    found = set[str]()
    for _, command, _ in shown():
        if command.program != "kubectl":
            continue
        values = {number + 1 for number, each in enumerate(command.arguments) if each in WITH_A_VALUE}
        words = [
            each
            for number, each in enumerate(_halves(command)[0].arguments)
            if number not in values and not each.startswith("-")
        ]
        if len(words) > 1 and words[0] in ABOUT:
            found |= {name.partition("/")[0].partition(".")[0] for name in words[1].split(",")}
    return found


def test_the_kinds_that_kubectl_is_asked_about_are_served(control_plane: ControlPlane, crd: str) -> None:
    table = control_plane.kubectl("api-resources", "--no-headers").stdout
    known = {name for line in table.splitlines() for name in _names(line)} | {"atlas"}  # the category
    assert {"spe", "lease", "deployment"} <= kinds()
    # Other tests on the same control plane may have installed some of others.
    assert kinds() - (known - KINDS_OF_OTHERS.keys()) == KINDS_OF_OTHERS.keys()


def _names(line: str) -> set[str]:
    """Give the names of a kind in a line of `kubectl api-resources`: plural, short, and the kind itself."""
    plural, *short, _, _, kind = line.split()
    return {plural, kind.lower(), *(name for each in short for name in each.split(","))}


@pytest.mark.parametrize(("arguments", "whole"), asked("helm"))
def test_helm_takes_what_is_shown(arguments: tuple[str, ...], whole: bool) -> None:
    assert complaint(provide("helm4"), arguments) == ""
    if not ONLY_HELM_4 & {each.partition("=")[0] for each in arguments}:
        assert complaint(provide("helm3"), arguments) == ""


@pytest.mark.parametrize(("arguments", "whole"), asked("helm"))
def test_the_values_that_are_set_on_helm_s_command_line_exist(arguments: tuple[str, ...], whole: bool) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    for setting in _set(arguments):
        there = values
        for key in setting.partition("=")[0].split("."):
            assert key in there, setting
            there = there[key]


@pytest.mark.parametrize(("arguments", "whole"), asked("helm"))
def test_the_chart_takes_the_values_that_are_set(helm4: Helm, arguments: tuple[str, ...], whole: bool) -> None:
    if settings := [f"--set={each}" for each in _set(arguments)]:
        assert "kind: Deployment" in helm4.template(*settings)


def _set(arguments: tuple[str, ...]) -> Iterator[str]:
    for number, each in enumerate(arguments):
        if each in {"--set", "--set-string"}:
            yield from arguments[number + 1].split(",")
        elif each.startswith(("--set=", "--set-string=")):
            yield from each.partition("=")[2].split(",")


@pytest.mark.parametrize(("arguments", "whole"), asked("atlas-endpoints"))
def test_the_operator_takes_what_is_shown(arguments: tuple[str, ...], whole: bool) -> None:
    assert ours(arguments, whole=whole) == ""


def ours(arguments: tuple[str, ...], *, whole: bool = True) -> str:
    """Give what our own command line has to say against arguments, without doing anything; if not whole, some may be missing."""
    try:
        Commands(_cli_parse_args=[each for each in arguments if each != "--help"])  # pyright: ignore[reportCallIssue]  # from the base class
    except ValidationError as error:
        return str(error) if whole else ""
    except SystemExit as error:
        return f"ends with {error.code}"
    return ""


def test_each_program_that_is_shown_is_asked_or_its_exception_has_a_reason() -> None:
    programs = {each.program for _, command, _ in shown() for each in (_halves(command)[0], *_halves(command)[1])}
    assert programs == CHECKED | NOT_ASKED.keys()


def test_each_variable_that_make_is_given_is_one_of_its() -> None:
    known = set(re.findall(r"^([A-Z_]+) \?=", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    given = {
        word.partition("=")[0]
        for _, command, _ in shown()
        if command.program == "make"
        for word in command.arguments
        if "=" in word
    }
    assert given - known <= {"BUILDER", "KEEP"}  # which our programs read from the environment
