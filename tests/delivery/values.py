"""The values of the chart, read from values.yaml with their comments: what is documented is a value."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DESCRIPTION = re.compile(r"# -- (?:\([^)]*\) )?(?P<text>.*)")
DEFAULT = re.compile(r"# @default -- (?P<text>.*)")


@dataclass(frozen=True, slots=True)
class Value:
    """A value that users may set.

    Attributes:
        path: Its keys, from the outermost.
        description: What its comment says.
        default: What its comment says about the default, if that is not what stands there.
        value: What stands there.
    """

    path: tuple[str, ...]
    description: str
    default: str | None
    value: Any

    @property
    def name(self) -> str:
        """The keys, joined by dots."""
        return ".".join(self.path)

    @property
    def outermost(self) -> str:
        """The first of the keys."""
        return self.path[0]


def values_of(text: str) -> list[Value]:
    """Read the values from the text of a values.yaml.

    A value has a comment right above it that begins with `--`, as helm-docs reads it. A key without one holds others; else
    it is a ValueError.
    """
    return list(_values_in(yaml.compose(text, Loader=yaml.SafeLoader), (), text.splitlines()))


def _values_in(node: yaml.Node | None, path: tuple[str, ...], lines: Sequence[str]) -> Iterator[Value]:
    if not isinstance(node, yaml.MappingNode):
        raise ValueError(f"{'.'.join(path)} has no comment")  # noqa: TRY004  # of the right type, and the wrong content
    for key, child in node.value:
        inner = (*path, key.value)
        comment = _comment_above(key.start_mark.line, lines)
        if any(DESCRIPTION.fullmatch(line) for line in comment):
            description = next(found["text"] for line in comment if (found := DESCRIPTION.fullmatch(line)))
            default = next((found["text"] for line in comment if (found := DEFAULT.fullmatch(line))), None)
            yield Value(inner, description, default, yaml.safe_load(yaml.serialize(child)))
        else:
            yield from _values_in(child, inner, lines)


def _comment_above(line: int, lines: Sequence[str]) -> list[str]:
    comment: list[str] = []
    while line > 0 and lines[line - 1].lstrip().startswith("#"):
        line -= 1
        comment.insert(0, lines[line].strip())
    return comment


def described(schema: dict[str, Any], values: Sequence[Value]) -> dict[str, Any]:
    """Give a JSON schema of the values in which each value is described as in values.yaml, and required if it has to be there.

    Helm looks at values with the chart's defaults among them, so that what is required is missing only if `null` has
    taken it away, or `--reuse-values` goes on with those of a chart that did not have it. It has to be there if it holds
    others, or has a content of its own that its type does not let be `null`; templates do without empty ones and lists.
    """
    properties = dict(schema["properties"])
    known = [value for value in values if value.outermost in properties]
    required = sorted(
        {value.outermost for value in known if len(value.path) > 1 or _has_to_be_there(value, properties)}
    )
    for name in {value.outermost for value in known}:
        inner = [
            Value(value.path[1:], value.description, value.default, value.value)
            for value in values
            if value.outermost == name and len(value.path) > 1
        ]
        own = next((value.description for value in values if value.path == (name,)), None)
        described_here = {} if own is None else {"description": own}
        rest = {key: each for key, each in properties[name].items() if key != "description"}
        properties[name] = {**described_here, **(described(rest, inner) if inner else rest)}
    return {**schema, "required": required, "properties": properties}


def _has_to_be_there(value: Value, properties: dict[str, Any]) -> bool:
    if value.value in ("", None) or isinstance(value.value, (dict, list)):
        return False
    return "null" not in properties[value.outermost]["type"]


def schema_leaves(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Give the paths that a JSON schema describes and does not lead on from."""
    for name, child in schema["properties"].items():
        inner = (*path, name)
        if "properties" in child and "description" not in child:
            yield from schema_leaves(child, inner)
        else:
            yield inner
