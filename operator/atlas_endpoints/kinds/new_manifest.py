"""Manifests as YAML text with comments, as ``atlas-endpoints import`` writes them for every kind. Pure."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, count
from typing import Any

import yaml

from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.kinds.importer import Draft, LeftOut
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.spec import CommonSpec, InvalidSpecError

LONGEST_NAME = 63
"""Characters of a resource's name, as the CRDs have it."""

LONGEST_COMMENT = 600
"""Characters of a comment in YAML."""


@dataclass(frozen=True, slots=True)
class NewManifest:
    """A manifest that is to be written, if its spec is valid.

    Attributes:
        what: for users, after the word "endpoint".
        remarks: comments above it.
        to_do: comments below its spec.
    """

    what: str
    name: str
    namespace: str | None
    spec: Mapping[str, Any]
    remarks: Sequence[str] = ()
    to_do: Sequence[str] = ()


def drafts_of(kind: Kind[Any], made: Iterable[NewManifest | LeftOut]) -> Iterator[Draft | LeftOut]:
    """Yield the manifests of a kind whose spec is valid, with unique names."""
    valid: list[NewManifest] = []
    taken: set[tuple[str | None, str]] = set()
    for each in made:
        if isinstance(each, LeftOut):
            yield each
        elif found := problems_of(kind.resource.spec_type, each.spec):
            yield LeftOut(each.what, "; ".join(found))
        else:
            numbered = (each.name if number == 1 else fitting(each.name, str(number)) for number in count(1))
            name = next(name for name in numbered if (each.namespace, name) not in taken)
            taken.add((each.namespace, name))
            valid.append(replace(each, name=name))
    names = Counter(each.name for each in valid)
    for each in valid:
        metadata = {"name": each.name, "namespace": each.namespace} if each.namespace else {"name": each.name}
        body = {"apiVersion": kind.names.api_version, "kind": kind.names.kind, "metadata": metadata, "spec": each.spec}
        text = yaml.dump(body, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf)
        name = each.name if names[each.name] == 1 else f"{each.namespace}.{each.name}"
        yield Draft(name, _comments("# ", each.remarks) + text + _comments("  # ", each.to_do))


def problems_of(spec_type: type[CommonSpec], spec: Mapping[str, Any]) -> Sequence[str]:
    """Return what is wrong with a spec."""
    try:
        spec_type.parse(spec)
    except InvalidSpecError as error:
        return error.problems
    return ()


def managed_fields(
    spec_type: type[CommonSpec], spec: Mapping[str, Any], in_atlas: Mapping[str, str | None]
) -> tuple[Mapping[str, str], Sequence[str]]:
    """Return as many fields with their values in Atlas as a spec may have, and a comment about each other one."""
    present = {str(field): value for field, value in in_atlas.items() if value}
    problems = problems_of(spec_type, {**spec, **present})
    # Those of a connection are only valid together.
    subsets = (dict(each) for size in range(len(present), -1, -1) for each in combinations(present.items(), size))
    managed = next((each for each in subsets if not problems_of(spec_type, {**spec, **each})), {})
    unmanaged = []
    for field in present.keys() - managed.keys():
        own = [each for each in problems if each.startswith(f"spec.{field}: ")]
        why = (own or problems)[0].partition(": ")[2]
        unmanaged.append(f"{field} is not managed, so Atlas keeps {present[field]!r}. {why}")
    return managed, sorted(unmanaged)


def retained(credentials_secret: str | None) -> Mapping[str, Any]:
    """Return the fields of the manifest of something that exists in Atlas; None: the credentials are the default ones."""
    # Explicit, so that another default never deletes it.
    found: dict[str, Any] = {"deletionPolicy": "Retain"}
    return {**found, "credentialsSecretRef": {"name": credentials_secret}} if credentials_secret else found


class _Dumper(yaml.SafeDumper):
    """Quotes each text but words: other parsers of YAML take an ID such as 123e45 as a number, and y as true."""


def _represented(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if text.isalpha() and len(text) > 1 else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style)


_Dumper.add_representer(str, _represented)


def _comments(mark: str, lines: Iterable[str]) -> str:
    return "".join(f"{mark}{one_line(line, limit=LONGEST_COMMENT)}\n" for line in lines)


def fitting(name: str, mark: str = "") -> str:
    """Return a valid name of a resource that ends with the mark."""
    end = f"-{_plain(mark)[-40:].strip('-')}" if mark else ""
    return _plain(name)[: LONGEST_NAME - len(end)].strip("-") + end


def last_part(cloud_id: str) -> str:
    """Return the last part of an ID, such as the name in an Azure resource ID."""
    return cloud_id.rpartition("/")[2]


def marked(endpoint_id: str, *where: str) -> str:
    """Return the last part of an ID with some digits, by which it differs from those of other places."""
    digest = hashlib.sha256("/".join((*where, endpoint_id)).encode()).hexdigest()[:8]
    return f"{last_part(endpoint_id)[:31]}-{digest}"


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
