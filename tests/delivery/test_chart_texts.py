"""A text that looks like a number, a truth value or nothing stays a text, wherever the chart puts it.

Which values are texts is read from the schema, and each of them is set in a file of `ci/`, so that a new one is among them.
"""

from __future__ import annotations

import copy
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

WORDS = ["0x1f", "1e3", "null", "on", "true"]
"""What may be the name of a Secret, a Lease or a namespace, and is something else for a reader of YAML."""

DIGITS = ["121", "122", "123", "124", "125"]
"""The same, each in place of the word at its index; in the same order, as a template may sort them."""

ORDINARY = "xq7z"
"""Where a text may not consist of digits."""

NAMESPACES = {"watchNamespaces", "namespaces"}
"""Values of which one must have what the other has."""

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

VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


class Wary(yaml.CSafeLoader):
    """Takes for a number what either version of YAML does."""


Wary.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?[0-9]+([.][0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def texts(
    schema: dict[str, Any], values: dict[str, Any], *above: str
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Yield each value that is a text or a list of texts by its schema, and the schema of the text."""
    for name, value in values.items():
        of_maps = schema.get("additionalProperties")
        inner = schema.get("properties", {}).get(name) or (of_maps if isinstance(of_maps, dict) else {})
        text = inner.get("items", inner)
        if isinstance(value, dict):
            yield from texts(inner, value, *above, name)
        elif "string" in text.get("type", ()) and "enum" not in text:
            yield (*above, name), text


def shaped(word: str, schema: dict[str, Any]) -> str | None:
    """Give a text of this word that the schema takes; None: there is none."""
    candidates = (word, ".".join([word] * 3))
    return next((each for each in candidates if re.search(schema.get("pattern", ""), each)), None)


def dealt(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give values with a word in each text, and the same with digits."""
    words, digits = copy.deepcopy(values), copy.deepcopy(values)
    for turn, (path, schema) in enumerate(texts(SCHEMA, values)):
        fitting = [index for index, word in enumerate(WORDS) if shaped(word, schema) is not None]
        if ".".join(path) in OF_THEIR_OWN_FORM or not fitting:
            continue
        index = fitting[0 if path[-1] in NAMESPACES else turn % len(fitting)]
        for changed, text in (
            (words, shaped(WORDS[index], schema)),
            (digits, shaped(DIGITS[index], schema) or shaped(f"{ORDINARY}{index}", schema)),
        ):
            inner = changed
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = [text] if isinstance(inner[path[-1]], list) else text
    return words, digits


ANY = re.compile("|".join([*WORDS, *DIGITS, f"{ORDINARY}[0-9]"]))


def alike(node: Any) -> Any:
    """Give what was read with one mark in place of any word or digits in its texts; what is no text stays."""
    if isinstance(node, dict):
        return {alike(key): alike(value) for key, value in node.items()}
    if isinstance(node, list):
        return [alike(each) for each in node]
    return ANY.sub("?", node) if isinstance(node, str) else node


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=() if turn % 2 else pytest.mark.gate)  # it takes Helm two runs
        for turn, path in enumerate(VALUES)
    ],
)
def test_a_text_that_looks_like_something_else_stays_a_text(helm4: Helm, tmp_path: Path, path: Path) -> None:
    """What is rendered with digits is the same as with words that are each read as something else again."""

    def rendered(values: dict[str, Any], given: list[str]) -> list[Any]:
        (tmp_path / "values.yaml").write_text(json.dumps(values))
        text = helm4.template(values=[tmp_path / "values.yaml"], release=given[0], namespace=given[-1])
        return [each for each in yaml.load_all(text, Wary) if each]

    words, digits = dealt(yaml.safe_load(path.read_text(encoding="utf-8")))
    assert alike(rendered(digits, DIGITS)) == alike(rendered(words, WORDS))
