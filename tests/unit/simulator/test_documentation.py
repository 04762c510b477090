"""The pages about the simulator say what it does, and nothing else."""

import json
import re
from pathlib import Path

import pytest

from atlas_endpoints.settings import SimulatorSettings
from atlas_endpoints.simulator import Switches, read
from atlas_endpoints.simulator.faults import Fault, Faults
from unit.simulator.harness import Atlas

DOCS = Path(__file__).parents[3] / "docs"
PAGES = "".join((DOCS / name).read_text(encoding="utf-8") for name in ("simulator.md", "simulator-control.md"))


def section(heading: str) -> str:
    """Return the text under a heading, up to the next one of any level."""
    found = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##+ |\Z)", PAGES, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found[1]


def first_column(text: str) -> set[str]:
    cells = (line.split("|")[1] for line in text.splitlines() if line.startswith("|"))
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}


def test_every_flag_is_explained_and_no_other_is() -> None:
    rows = [line.split("|") for line in section("Run it").splitlines() if line.startswith("| `")]
    explained = {row[1].strip(" `").split(" ")[0]: row[2].strip(" `") for row in rows}

    assert explained.keys() == {f"--{name}" for name in SimulatorSettings.model_fields}
    for name in ("host", "port"):
        assert explained[f"--{name}"] == str(SimulatorSettings.model_fields[name].default)


def test_every_switch_is_explained_with_its_name() -> None:
    panel = Switches().model_dump(by_alias=True)
    groups = {"digest", "oauth", "dedicated", "federation", "regional", "streams"}
    names = {name for name in panel if name not in groups}
    names |= {f"{group}.{name}" for group in groups for name in panel[group]}
    explained = first_column(section("Switches"))

    assert explained | {"digest.nonceBucket"} == names  # the one that is explained beside another


def test_every_key_of_a_fault_is_explained() -> None:
    keys = {field.alias or name for name, field in Fault.model_fields.items()}
    table, _, examples = section("Faults").partition("| to get |")

    assert first_column(table) == keys
    assert examples


def test_every_example_of_a_fault_is_one() -> None:
    _, _, examples = section("Faults").partition("| to get |")
    documents = re.findall(r"\| `(\{.*\})` \|", examples)
    faults = Faults()
    for document in documents:
        faults.add(json.loads(document))

    assert len(faults.documents()) == len(documents) == 8


def test_the_example_of_a_seed_file_is_one() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", section("The seed file"), re.DOTALL)

    assert len(read(json.loads(example)).projects) == 1


async def test_every_control_is_listed(atlas: Atlas) -> None:
    cells = [line.split("|")[1] for line in section("The control API").splitlines() if line.startswith("|")]
    listed = {
        name.partition("?")[0]: None
        for cell in cells
        for name in re.findall(r"(?:GET|POST|DELETE)`? ?`?([a-zA-Z]+)", cell)
    }

    index = await atlas.control("")

    assert set(listed) == {path.rpartition("/")[2] for path in index} - {""}


@pytest.mark.parametrize("mode", ["normal", "flex", "gone", "read-only"])
async def test_every_mode_is_explained(atlas: Atlas, mode: str) -> None:
    assert (await atlas.control("mode", {"mode": mode}))["mode"] == mode
    assert first_column(section("Modes")) == {"normal", "flex", "gone", "read-only"}
