"""Whether one CRD can take the place of another: all that was accepted still is, and all that was there still is.

Within a version an API only grows (sig-architecture's api_changes.md): a field may be added, a bound loosened, a value of an
enumeration added. What is found otherwise is told with the path of the field, such as ``v1alpha1 status.conditions[].reason``.
What refuses may be right all the same, say a rule of CEL that speaks about a new field only: that is for people to say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Schema: TypeAlias = "Mapping[str, Any]"

UPPER_BOUNDS = ("maxLength", "maxItems", "maxProperties", "maximum")
LOWER_BOUNDS = ("minLength", "minItems", "minProperties", "minimum")
FIXED = (
    "type",
    "format",
    "pattern",
    "multipleOf",
    "default",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type",
    "x-kubernetes-embedded-resource",
)
"""What may not change, since nobody can tell in general which of two values accepts more, or since it decides how objects are
merged or read back."""

MAY_GO = frozenset({"format", "pattern", "multipleOf", "allOf", "anyOf", "oneOf", "not"})
"""What of it only refuses, so that nothing is lost when it goes."""

TIGHTENS = ("uniqueItems", "exclusiveMaximum", "exclusiveMinimum")
LOOSENS = ("nullable", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string")
LOOKED_INTO = ("properties", "required", "items", "additionalProperties", "enum", "x-kubernetes-validations")
FOR_PEOPLE = ("description", "title", "example", "externalDocs")

KNOWN = frozenset({*UPPER_BOUNDS, *LOWER_BOUNDS, *FIXED, *TIGHTENS, *LOOSENS, *LOOKED_INTO, *FOR_PEOPLE})


def incompatibilities(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return what of an old CRD a new one takes away or newly refuses."""
    return [*_of_definition(old["spec"], new["spec"]), *_of_versions(old["spec"], new["spec"])]


def _of_definition(old: Schema, new: Schema) -> Iterator[str]:
    for name in ("group", "scope"):
        if old[name] != new[name]:
            yield f"{name} is {new[name]} and was {old[name]}"
    for name in ("kind", "listKind", "plural", "singular"):
        if old["names"].get(name) != new["names"].get(name):
            yield f"names.{name} is {new['names'].get(name)} and was {old['names'].get(name)}"
    for name, title in (("shortNames", "short name"), ("categories", "category")):
        for lost in _lost(old["names"].get(name), new["names"].get(name)):
            yield f"names.{name}: the {title} {lost} is removed"


def _of_versions(old: Schema, new: Schema) -> Iterator[str]:
    versions = {each["name"]: each for each in new["versions"]}
    for before in old["versions"]:
        name = before["name"]
        after = versions.get(name)
        if after is None:
            yield f"{name}: the version is removed"
            continue
        if before["served"] and not after["served"]:
            yield f"{name}: the version is not served any more"
        for lost in _lost(before.get("subresources"), after.get("subresources")):
            yield f"{name}: the subresource {lost} is removed"
        fields = ([each["jsonPath"] for each in version.get("selectableFields", ())] for version in (before, after))
        for lost in _lost(*fields):
            yield f"{name} {lost.removeprefix('.')}: the field can not be selected by any more"
        yield from _of_columns(name, before, after)
        schemas = (version["schema"]["openAPIV3Schema"] for version in (before, after))
        yield from (f"{name} {problem}" for problem in _of_schema("", *schemas))


def _of_columns(version: str, old: Schema, new: Schema) -> Iterator[str]:
    columns = {each["name"]: each for each in new.get("additionalPrinterColumns", ())}
    for before in old.get("additionalPrinterColumns", ()):
        after = columns.get(before["name"])
        if after is None:
            yield f"{version}: the printer column {before['name']} is removed"
            continue
        for name in ("type", "jsonPath"):
            if before[name] != after[name]:
                yield f"{version}: {name} of the printer column {before['name']} is {after[name]} and was {before[name]}"
        if before.get("priority", 0) < after.get("priority", 0):
            yield f"{version}: the printer column {before['name']} is shown with --output=wide only"


def _of_schema(path: str, old: Schema, new: Schema) -> Iterator[str]:
    """Compare what is said about one field, and about all that is in it."""
    here = path or "object"
    yield from (f"{here}: {problem}" for problem in _of_words(old, new))
    yield from (f"{here}: {problem}" for problem in _of_bounds(old, new))
    yield from _of_properties(path, old, new)
    for name, step in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(old.get(name), dict) and isinstance(new.get(name), dict):
            yield from _of_schema(path + step, old[name], new[name])
        elif name in old and name not in new:
            yield f"{here}: {name} is removed"


def _of_properties(path: str, old: Schema, new: Schema) -> Iterator[str]:
    for name, before in old.get("properties", {}).items():
        field = f"{path}.{name}".removeprefix(".")
        if name in new.get("properties", {}):
            yield from _of_schema(field, before, new["properties"][name])
        else:
            yield f"{field}: the field is removed"
    for name in _lost(new.get("required"), old.get("required")):
        yield f"{f'{path}.{name}'.removeprefix('.')}: the field is required and was not"


def _of_words(old: Schema, new: Schema) -> Iterator[str]:
    for name in sorted(new.keys() - KNOWN):
        yield f"what {name} means to compatibility is not known; say so in support/crd_compatibility.py"
    for name in FIXED:
        if old.get(name) != new.get(name) and not (name in MAY_GO and name not in new):
            yield f"{name} is {new.get(name, 'absent')} and was {old.get(name, 'absent')}"
    for name in TIGHTENS:
        if new.get(name) and not old.get(name):
            yield f"{name} is set and was not"
    for name in LOOSENS:
        if old.get(name) and not new.get(name):
            yield f"{name} was set and is not"
    if "enum" in new:
        if "enum" not in old:
            yield f"enum is {new['enum']} and was absent"
        for lost in _lost(old.get("enum"), new["enum"]):
            yield f"the value {lost} is removed from enum"
    for rule in _lost(_rules(new), _rules(old)):
        yield f"the rule is new, and may refuse what was accepted: {rule}"


def _of_bounds(old: Schema, new: Schema) -> Iterator[str]:
    for name in UPPER_BOUNDS:
        if name in new and (name not in old or new[name] < old[name]):
            yield f"{name} is {new[name]} and was {old.get(name, 'absent')}"
    for name in LOWER_BOUNDS:
        if name in new and (name not in old or new[name] > old[name]):
            yield f"{name} is {new[name]} and was {old.get(name, 'absent')}"


def _rules(schema: Schema) -> list[str]:
    """Return the rules of CEL at a field, however they are laid out."""
    return [" ".join(each["rule"].split()) for each in schema.get("x-kubernetes-validations", ())]


def _lost(old: Any, new: Any) -> list[Any]:
    """Return what is in the one and not in the other, in order; either may be absent."""
    return [each for each in old or () if each not in (new or ())]
