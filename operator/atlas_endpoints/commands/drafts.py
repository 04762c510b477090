"""Manifests as YAML text with comments, as ``atlas-endpoints import`` writes them. Pure."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
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
    names, files = set[tuple[str | None, str]](), set[str]()
    for each in made:
        manifest = each if isinstance(each, LeftOut) else _accepted(kind, each)
        if isinstance(manifest, LeftOut):
            yield manifest
            continue
        namespace, name, number = manifest.namespace, manifest.name, 1
        while (namespace, name) in names:
            number += 1
            name = fitting(manifest.name, str(number))
        names.add((namespace, name))
        metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
        body = {"apiVersion": kind.names.api_version, "kind": kind.names.kind, "metadata": metadata}
        body["spec"] = manifest.spec
        text = yaml.dump(body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf)
        file = f"{namespace}.{name}" if name in files else name
        files.add(file)
        yield Draft(file, _comments("# ", manifest.remarks) + text + _comments("  # ", manifest.to_do))


def _accepted(kind: KindWithCommands[Any], made: NewManifest) -> NewManifest | LeftOut:
    """Return a manifest without the optional field that breaks a rule, or without any; with a comment about each."""
    whole = problems = _problems_of(kind, made.spec)
    if not whole:
        return made
    for left in (*((field,) for field in made.optional), made.optional):
        spec = {name: value for name, value in made.spec.items() if name not in left}
        problems = _problems_of(kind, spec)
        if not problems:
            why = "; ".join(whole)
            unmanaged = [f"{each} is not managed, so Atlas keeps {made.spec[each]!r}. {why}" for each in sorted(left)]
            return replace(made, spec=spec, to_do=[*made.to_do, *unmanaged])
    return LeftOut(made.what, "; ".join(problems))


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
