"""What the image promises to Kubernetes, to its builders and to the rest of the checkout."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

import atlas_endpoints
from atlas_endpoints.cli import Commands
from atlas_endpoints.settings import OperatorSettings, SimulatorSettings

ROOT = Path(__file__).parents[2]


class Instruction(NamedTuple):
    name: str
    text: str


def instructions() -> list[Instruction]:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    logical = "\n".join(line for line in lines if not line.startswith("#")).replace("\\\n", " ")
    return [Instruction(*line.split(maxsplit=1)) for line in logical.splitlines() if line.strip()]


def stages() -> list[list[Instruction]]:
    """Split at each FROM; what stands before the first is left out."""
    found: list[list[Instruction]] = []
    for each in instructions():
        if each.name == "FROM":
            found.append([each])
        elif found:
            found[-1].append(each)
    return found


def stage(name: str) -> list[Instruction]:
    (found,) = [each for each in stages() if each[0].text.endswith(f" AS {name}")]
    return found


def image() -> list[Instruction]:
    """What the operator's image is made of, but for what is built before."""
    return [*stage("runtime"), *stage("operator")]


def last_stage(name: str) -> list[str]:
    return [each.text for each in image() if each.name == name]


def argument(name: str) -> str:
    (value,) = {each.text.partition("=")[2] for each in instructions() if each.text.startswith(f"{name}=")}
    return value


def test_who_names_no_target_gets_the_operator() -> None:
    assert stages()[-1] == stage("operator")


def test_the_simulator_is_reached_from_outside_at_the_port_that_is_its_own() -> None:
    (entry_point,) = [json.loads(each.text) for each in stage("simulator") if each.name == "ENTRYPOINT"]
    assert entry_point == ["atlas-endpoints", "simulate", "--host=0.0.0.0"]
    (port,) = [each.text for each in stage("simulator") if each.name == "EXPOSE"]
    assert port == str(SimulatorSettings.model_fields["port"].default)


def test_the_usual_base_names_a_python_that_the_package_supports_and_no_host() -> None:
    name, _, tag = argument("BASE_IMAGE").partition(":")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = re.match(r"\d+\.\d+", tag)
    assert name == "python"
    assert found is not None
    assert f"Programming Language :: Python :: {found.group()}" in project["classifiers"]


def test_the_image_is_built_with_the_uv_that_developers_use_and_both_know_its_hash() -> None:
    (of_image,) = (each.text for each in stages()[0] if each.name == "RUN" and "bin/pip install" in each.text)
    (of_developers,) = re.findall(r"bin/pip install .*", (ROOT / "Makefile").read_text(encoding="utf-8"))
    for install in (of_image, of_developers):
        assert re.search(r"--require-hashes -r \S*\buv\.txt$", install)
    assert "requirements/uv.txt" in copied()


def test_only_what_is_locked_gets_in_and_of_that_no_tools() -> None:
    commands = [command for each in stages()[0] if each.name == "RUN" for command in each.text.split("&&")]
    syncs = [command for command in commands if "uv sync" in command]
    (of_builder,) = [sync for sync in syncs if "UV_PROJECT_ENVIRONMENT=/opt/build " in sync]
    (of_image,) = [sync for sync in syncs if "UV_PROJECT_ENVIRONMENT=/opt/atlas-endpoints " in sync]
    assert len(syncs) == 2
    assert all("--locked" in sync for sync in syncs)
    assert "--only-group build" in of_builder
    assert "--no-dev" in of_image
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert re.findall(r"--extra (\w+)", of_image) == [*project["optional-dependencies"]]
    taken = [each.text for each in image() if each.name == "COPY" and "--from" in each.text]
    assert taken == ["--from=build /opt/atlas-endpoints /opt/atlas-endpoints"]


def test_it_runs_as_a_numeric_user_that_is_not_root() -> None:
    assert last_stage("USER") == ["65532:65532"]
    later = image()[[each.name for each in image()].index("USER") :]
    assert not any(each.name in {"RUN", "COPY", "ADD"} for each in later)


def test_the_entry_point_is_the_command_itself_so_that_it_gets_the_signals() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (entry_point,), (command,) = last_stage("ENTRYPOINT"), last_stage("CMD")
    assert json.loads(entry_point) == [each for each in project["scripts"] if not each.startswith("kubectl-")]
    (subcommand,) = json.loads(command)
    assert subcommand in Commands.model_fields
    assert last_stage("STOPSIGNAL") == ["SIGTERM"]


def test_the_exposed_port_is_where_probes_and_metrics_are() -> None:
    assert last_stage("EXPOSE") == [OperatorSettings.model_fields["http_address"].default.rpartition(":")[2]]


def test_nothing_is_fetched_by_address() -> None:
    assert not any(each.name == "ADD" for each in instructions())
    assert not any("://" in each.text for each in instructions() if each.name in {"FROM", "RUN", "COPY"})


def test_it_has_this_version_and_comes_from_an_example_until_a_release_says_so() -> None:
    assert argument("VERSION") == atlas_endpoints.__version__
    assert argument("SOURCE") == "https://example.com/atlas-endpoints"
    release = (ROOT / ".github" / "workflows" / "release.yaml").read_text(encoding="utf-8")
    given = set(re.findall(r'--build-arg "(\w+)=', release))
    assert given == {each.text.partition("=")[0] for each in instructions() if each.name == "ARG"}


def copied() -> list[str]:
    copies = [each.text.split() for each in instructions() if each.name == "COPY" and "--from" not in each.text]
    return [source for words in copies for source in words[:-1]]


@pytest.mark.parametrize("source", copied())
def test_what_is_copied_exists_and_reaches_the_builder(source: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert (ROOT / source).exists()
    assert f"!{source}" in ignored


def test_nothing_else_reaches_the_builder() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] != "#"]
    assert lines[0] == "*"
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == set(copied())
