"""A text that looks like a number stays a text, wherever the chart puts it.

Which values are texts is read from the schema, and each of them is set in a file of `ci/`, so that a new one is among them.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from delivery.helm import CHART

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from delivery.helm import Helm

WORD, NUMBER = "0x1f", 31
"""What may be the name of a Secret, a Lease or a namespace, and what a reader of YAML takes it for."""
OF_THEIR_OWN_FORM = {
    "settings.atlasUrl",
    "settings.syncInterval",
    "settings.kinds",
    "settings.stallGrace",
    "settings.maxCorrections",
    "leaderElection.leaseDuration",
    "metrics.prometheusRule.disabled",
    "extraObjects",
}
"""Values that a template refuses unless they are an address, a duration, a share, the name of an alert or an object."""
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


def replaced(schema: dict[str, Any], value: Any, path: str = "") -> Any:
    """Give a value with the word in place of each text that may be one."""
    if path.removeprefix(".") in OF_THEIR_OWN_FORM:
        return value
    if isinstance(value, list):
        return [replaced(schema.get("items", {}), each, path) for each in value[:1]]  # none may be there twice
    if isinstance(value, dict):
        others = schema.get("additionalProperties")
        known = schema.get("properties", {})
        return {
            name: replaced(known.get(name, others if isinstance(others, dict) else {}), each, f"{path}.{name}")
            for name, each in value.items()
        }
    fitting = (each for each in (WORD, ".".join([WORD] * 3)) if re.search(schema.get("pattern", ""), each))
    return next(fitting, value) if "string" in schema.get("type", ()) and "enum" not in schema else value


def leaves(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        node = [*node, *node.values()]
    for each in node if isinstance(node, list) else ():
        yield from leaves(each)
    if not isinstance(node, list):
        yield node


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem) for path in sorted((CHART / "ci").glob("*-values.yaml"))],
)
def test_a_text_that_looks_like_a_number_stays_a_text(helm4: Helm, tmp_path: Path, path: Path) -> None:
    values = replaced(SCHEMA, yaml.safe_load(path.read_text(encoding="utf-8")))
    (tmp_path / "values.yaml").write_text(json.dumps(values))
    rendered = helm4.template(values=[tmp_path / "values.yaml"], release=WORD, namespace=WORD)
    assert NUMBER not in leaves(list(yaml.load_all(rendered, yaml.CSafeLoader)))
