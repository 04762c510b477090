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
from atlas_endpoints.settings import OperatorSettings

ROOT = Path(__file__).parents[2]
LABELS = {"title", "description", "licenses", "version", "revision", "created", "base.name"}
"""Below org.opencontainers.image; where the image comes from is known to whoever publishes it, and added there."""


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


def last_stage(name: str) -> list[str]:
    return [each.text for each in stages()[-1] if each.name == name]


def argument(name: str) -> str:
    (value,) = {each.text.partition("=")[2] for each in instructions() if each.text.startswith(f"{name}=")}
    return value


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for text in last_stage("ENV") for pair in text.split())


def test_all_stages_have_the_same_base_so_that_the_environment_finds_its_interpreter() -> None:
    assert {each[0].text.split()[0] for each in stages()} == {"${BASE_IMAGE}"}
    assert len(stages()) == 2


def test_the_usual_base_names_a_python_that_the_package_supports_and_no_host() -> None:
    name, _, tag = argument("BASE_IMAGE").partition(":")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = re.match(r"\d+\.\d+", tag)
    assert name == "python"
    assert found is not None
    assert f"Programming Language :: Python :: {found.group()}" in project["classifiers"]


def test_the_image_is_built_with_the_uv_that_developers_use() -> None:
    used = re.search(r"^UV_VERSION := (.+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert used is not None
    assert argument("UV_VERSION") == used.group(1)


def test_only_what_is_locked_gets_in_and_bytecode_is_compiled() -> None:
    syncs = [each.text for each in stages()[0] if each.name == "RUN" and "uv sync" in each.text]
    assert len(syncs) == 2
    for sync in syncs:
        assert "--locked" in sync
        assert "--no-dev" in sync
    assert "--no-editable" in syncs[-1]
    assert any("UV_COMPILE_BYTECODE=1" in each.text for each in stages()[0])


def test_it_runs_as_a_numeric_user_that_is_not_root() -> None:
    assert last_stage("USER") == ["65532:65532"]
    later = stages()[-1][[each.name for each in stages()[-1]].index("USER") :]
    assert not any(each.name in {"RUN", "COPY", "ADD"} for each in later)


def test_a_user_without_a_name_has_what_libraries_ask_for() -> None:
    # Path.home() of the Kubernetes client and getpass.getuser() of kopf end the operator without them.
    assert {"HOME", "USER"} <= environment().keys()


def test_the_entry_point_is_the_command_itself_so_that_it_gets_the_signals() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (entry_point,), (command,) = last_stage("ENTRYPOINT"), last_stage("CMD")
    assert json.loads(entry_point) == list(project["scripts"])
    (subcommand,) = json.loads(command)
    assert subcommand in Commands.model_fields
    assert last_stage("STOPSIGNAL") == ["SIGTERM"]


def test_the_exposed_port_is_where_probes_and_metrics_are() -> None:
    assert last_stage("EXPOSE") == [OperatorSettings.model_fields["http_address"].default.rpartition(":")[2]]


def test_the_labels_say_what_it_is() -> None:
    (labels,) = last_stage("LABEL")
    assert set(re.findall(r"org\.opencontainers\.image\.([\w.]+)=", labels)) == LABELS
    assert argument("VERSION") == atlas_endpoints.__version__


def test_nothing_is_fetched_by_address() -> None:
    assert not any(each.name == "ADD" or "://" in each.text for each in instructions())


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
