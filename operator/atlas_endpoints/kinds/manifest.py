"""Manifests as YAML text with comments, as ``atlas-endpoints import`` writes them for every kind. Pure."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.kinds.importer import Draft

LONGEST_NAME = 63
"""Characters of a resource's name, as the CRDs have it."""

LONGEST_COMMENT = 300
"""Characters of a comment in YAML."""


def draft(name: str, lines: Iterable[str]) -> Draft:
    """Return a manifest of these lines."""
    return Draft(name, "".join(f"{line}\n" for line in lines))


def header(api_version: str, kind: str, name: str, namespace: str | None) -> Iterator[str]:
    """Yield the lines of a manifest up to its spec."""
    yield from (f"apiVersion: {api_version}", f"kind: {kind}", "metadata:", f"  name: {quoted(name)}")
    if namespace:
        yield f"  namespace: {quoted(namespace)}"
    yield "spec:"


def header_of(names: Names, name: str, namespace: str | None) -> Iterator[str]:
    """Yield the lines of a manifest of a kind of ours up to its spec."""
    return header(names.api_version, names.kind, name, namespace)


def fields(values: Mapping[str, Any], indent: str = "  ") -> Iterator[str]:
    """Yield the lines of the fields of a spec."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name}:"
            yield from fields(value, f"{indent}  ")
        elif isinstance(value, list | tuple):
            yield f"{indent}{name}:"
            for each in value:
                lines = fields(each, f"{indent}    ") if isinstance(each, Mapping) else (quoted(each),)
                first, *rest = lines
                yield f"{indent}  - {first.lstrip()}"
                yield from rest
        else:
            yield f"{indent}{name}: {quoted(value)}"


def quoted(value: Any) -> str:
    """Return a text in quotes, since YAML would parse an ID such as 123e45 as a number."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(yaml.safe_dump(str(value), default_style='"', allow_unicode=True, width=math.inf)).rstrip("\n")


def comment(text: str) -> str:
    """Return a text for a comment: one line, and not too long."""
    return one_line(text, limit=LONGEST_COMMENT)
