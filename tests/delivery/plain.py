"""What the chart renders, without Helm's own words: as `deploy/` has it."""

from __future__ import annotations

import copy
from typing import Any

HELM_LABELS = {
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
}
HELM_ANNOTATIONS = {"helm.sh/resource-policy"}


def plain(each: dict[str, Any]) -> dict[str, Any]:
    """Take Helm's own words out of an object; to a CRD it gives labels that ours, which is no part of a release, has not."""
    found = copy.deepcopy(each)
    if found["kind"] == "CustomResourceDefinition":
        found["metadata"].pop("labels", None)
    _forget(found)
    return found


def _forget(node: Any) -> None:
    """Remove Helm's labels and annotations wherever labels are: in metadata, in those of templates, in selectors."""
    if isinstance(node, list):
        for each in node:
            _forget(each)
    elif isinstance(node, dict):
        for name in (*HELM_LABELS, *HELM_ANNOTATIONS):
            node.pop(name, None)
        for each in node.values():
            _forget(each)
        if node.get("annotations") == {}:
            del node["annotations"]
