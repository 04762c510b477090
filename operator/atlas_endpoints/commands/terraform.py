"""Read a state of Terraform, as ``terraform show -json`` prints it.

It holds secrets, so messages have nothing of it but the addresses and the read fields of endpoints.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.commands.manifests import Invalid, place_of, text_in
from atlas_endpoints.kinds.importer import InTerraform

HAND_OVER = (
    "Before you apply the manifests, have Terraform forget what they are made of, without destroying it: terraform state rm"
    " ADDRESS, or a block removed with destroy = false."
)


def resources_in(file: str, types: Collection[str]) -> Sequence[InTerraform] | Invalid:
    """Return the resources of some types that a state manages, or why there are none."""
    text = text_in(file)
    if isinstance(text, Invalid):
        return text
    try:
        state = json.loads(text)
    except (ValueError, RecursionError):
        state = None
    values = state.get("values") if isinstance(state, Mapping) else None
    if not isinstance(values, Mapping):
        return Invalid(place_of(file), ("is not the output of terraform show -json for a state that has resources",))
    found = [each for each in _resources(values.get("root_module")) if each.type in types]
    return found or Invalid(place_of(file), (f"contains no {' or '.join(sorted(types))}",))


def _resources(root: Any) -> Iterator[InTerraform]:
    modules = [root]
    for module in modules:  # which grows
        if not isinstance(module, Mapping):
            continue
        modules += _items(module.get("child_modules"))
        for each in _items(module.get("resources")):
            # A data source has the type of a resource, and belongs to somebody else.
            if isinstance(each, Mapping) and each.get("mode") == "managed" and isinstance(each.get("values"), Mapping):
                yield InTerraform(str(each.get("type")), text_of(each.get("address")) or "", each["values"])


def _items(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
