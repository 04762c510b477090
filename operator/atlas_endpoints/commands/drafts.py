"""Manifests as YAML text with comments, as ``atlas-endpoints import`` writes them. Pure."""

import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, count
from typing import Any

import yaml

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.commands import crd_rules
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.kinds.importer import LeftOut
from atlas_endpoints.kinds.new_manifest import NewManifest, fitting
from atlas_endpoints.reconcile.spec import InvalidSpecError

LONGEST_COMMENT = 600
"""Characters of a comment in YAML."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A manifest, as YAML that ends with a line feed; the name is unique, and that of its file."""

    name: str
    text: str


def drafts_of(kind: KindWithCommands[Any], made: Iterable[NewManifest | LeftOut]) -> Iterator[Draft | LeftOut]:
    """Yield the manifests of a kind whose spec is valid, with unique names."""
    valid: list[NewManifest] = []
    taken: set[tuple[str | None, str]] = set()
    for each in made:
        manifest = each if isinstance(each, LeftOut) else _accepted(kind, each)
        if isinstance(manifest, LeftOut):
            yield manifest
        else:
            numbered = (manifest.name if number == 1 else fitting(manifest.name, str(number)) for number in count(1))
            name = next(name for name in numbered if (manifest.namespace, name) not in taken)
            taken.add((manifest.namespace, name))
            valid.append(replace(manifest, name=name))
    names = Counter(each.name for each in valid)
    for each in valid:
        metadata = {"name": each.name, "namespace": each.namespace} if each.namespace else {"name": each.name}
        body = {"apiVersion": kind.names.api_version, "kind": kind.names.kind, "metadata": metadata, "spec": each.spec}
        text = yaml.dump(body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf)
        name = each.name if names[each.name] == 1 else f"{each.namespace}.{each.name}"
        yield Draft(name, _comments("# ", each.remarks) + text + _comments("  # ", each.to_do))


def _accepted(kind: KindWithCommands[Any], made: NewManifest) -> NewManifest | LeftOut:
    """Return a manifest with as many of its optional fields as its spec may have, and a comment about each other one."""

    def without(fields: Collection[str]) -> Mapping[str, Any]:
        return {name: value for name, value in made.spec.items() if name not in fields}

    # Those of a connection are only valid together.
    sizes = range(len(made.optional) + 1)
    subsets = ({*fields} for size in sizes for fields in combinations(made.optional, size))
    left = next((each for each in subsets if not _problems_of(kind, without(each))), None)
    if left is None:
        return LeftOut(made.what, "; ".join(_problems_of(kind, without(made.optional))))
    unmanaged = []
    for field in sorted(left):
        why = _problems_of(kind, without(left - {field}))[0].partition(": ")[2]
        unmanaged.append(f"{field} is not managed, so Atlas keeps {made.spec[field]!r}. {why}")
    return replace(made, spec=without(left), to_do=[*made.to_do, *unmanaged])


def _problems_of(kind: KindWithCommands[Any], spec: Mapping[str, Any]) -> Sequence[str]:
    """Return what is wrong with a spec."""
    refusal = None
    try:
        kind.resource.spec_type.parse(spec)
    except InvalidSpecError as error:
        refusal = error
    return crd_rules.problems(kind.crd, {"spec": spec}, refusal=refusal)


class _Dumper(yaml.SafeDumper):
    """Quotes each text but words: other parsers of YAML take an ID such as 123e45 as a number, and y as true."""


def _represented(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if text.isalpha() and len(text) > 1 else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _represented)


def _comments(mark: str, lines: Iterable[str]) -> str:
    return "".join(f"{mark}{one_line(line, limit=LONGEST_COMMENT)}\n" for line in lines)
