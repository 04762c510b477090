"""What the API server would say to a status, without an API server: the CRD's schema, checked in a few lines.

It knows the words of a structural schema that the status is described with, and refuses to read others, so that a new word in
the CRD is not passed over in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import yaml

from atlas_endpoints.kinds import named

if TYPE_CHECKING:
    from atlas_endpoints.reconcile.resource import Resource

Schema: TypeAlias = Mapping[str, Any]

_CRDS = Path(__file__).parents[2] / "crds"

_KNOWN = frozenset(
    {
        "type",
        "format",
        "description",
        "default",
        "required",
        "properties",
        "items",
        "enum",
        "minLength",
        "maxLength",
        "minimum",
        "maxItems",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
    }
)
_DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_TYPES: Mapping[str, type] = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


@cache
def crds() -> Mapping[str, Mapping[str, Any]]:
    """The CRDs by their kinds."""
    files = sorted(_CRDS.glob("*.yaml"), reverse=True)
    read = (yaml.load(each.read_text(encoding="utf-8"), yaml.CSafeLoader) for each in files)
    return {each["spec"]["names"]["kind"]: each for each in read}


def path_of(kind: str) -> Path:
    """The file of a CRD."""
    spec = crds()[kind]["spec"]
    return _CRDS / f"{spec['group']}_{spec['names']['plural']}.yaml"


def schema_of(kind: str) -> Schema:
    """The schema of a whole object."""
    (version,) = crds()[kind]["spec"]["versions"]
    schema: Schema = version["schema"]["openAPIV3Schema"]
    return schema


def resource_of(kind: str) -> type[Resource]:
    """The model of a kind."""
    (found,) = named([kind])
    return found.resource


def refusals(status: object, kind: str = "ServerlessPrivateEndpoint") -> list[str]:
    """Return why the API server would refuse a status, or silently drop parts of it; nothing when it takes all of it."""
    return list(_check("status", status, schema_of(kind)["properties"]["status"]))


CRD = path_of("ServerlessPrivateEndpoint")


def _check(path: str, value: Any, schema: Schema) -> Iterator[str]:
    if unknown := schema.keys() - _KNOWN:
        raise NotImplementedError(f"{path}: the schema says {sorted(unknown)}, which this checker cannot read")
    if type(value) is not _TYPES[schema["type"]]:
        yield f"{path}: {value!r} is of another type than {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r} is not one of {schema['enum']}"
    if isinstance(value, dict):
        yield from _object(path, value, schema)
    elif isinstance(value, list):
        yield from _list(path, value, schema)
    elif isinstance(value, str):
        yield from _string(path, value, schema)
    elif value < schema.get("minimum", value):
        yield f"{path}: {value} is less than {schema['minimum']}"


def _object(path: str, value: Mapping[str, Any], schema: Schema) -> Iterator[str]:
    yield from (f"{path}.{name}: is required" for name in schema.get("required", ()) if name not in value)
    for name, each in value.items():
        if name in schema["properties"]:
            yield from _check(f"{path}.{name}", each, schema["properties"][name])
        else:
            yield f"{path}.{name}: is not known"


def _list(path: str, value: list[Any], schema: Schema) -> Iterator[str]:
    if len(value) > schema["maxItems"]:
        yield f"{path}: has more than {schema['maxItems']} items"
    for number, each in enumerate(value):
        yield from _check(f"{path}[{number}]", each, schema["items"])
    if schema["x-kubernetes-list-type"] == "map":
        names = [tuple(each.get(key) for key in schema["x-kubernetes-list-map-keys"]) for each in value]
        if len(set(names)) < len(names):
            yield f"{path}: has an item twice"


def _string(path: str, value: str, schema: Schema) -> Iterator[str]:
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{path}: has {len(value)} characters"
    if schema.get("format") == "date-time" and not _DATE_TIME.fullmatch(value):
        yield f"{path}: {value!r} is no date-time"
    try:
        value.encode()
    except UnicodeEncodeError:
        yield f"{path}: cannot be encoded"
