"""What Atlas answered: the recordings of ``tests/data``, whose README says what their fields mean."""

import json
from pathlib import Path
from typing import Any

import yaml

_DATA = Path(__file__).parents[1] / "data"


def recordings(**values: str) -> dict[str, dict[str, Any]]:
    """Return the recordings by their names, with values for some of their placeholders."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(_DATA.glob("*.json")):
        text = file.read_text("utf-8")
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        for each in json.loads(text):
            assert each["name"] not in found, f"{each['name']} is there twice"
            found[each["name"]] = each
    return found


def comparisons() -> dict[str, dict[str, Any]]:
    """Return how recordings are compared, by their names, where it is not as the README says of all."""
    found: dict[str, dict[str, Any]] = yaml.safe_load((_DATA / "comparison.yaml").read_text("utf-8"))
    return {name: each for name, each in found.items() if not name.startswith(".")}
