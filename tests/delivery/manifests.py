"""The objects of `deploy/`, as the chart renders them: in whole, and as patches of what a value changes.

Kustomizations and the Namespace are written by hand: the chart knows of neither.
"""

from __future__ import annotations

import re
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from delivery.helm import Helm
from delivery.programs import provide
from support.deploy import DEPLOY, NAME

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

HEADER = "# Rendered from charts/atlas-endpoints by `make generate`; to change it, patch it in a kustomization of your own.\n"
IN_ALL_NAMESPACES = "overlays/cluster/rbac.yaml"
"""What is beside the base in one overlay, and so may be missing in others."""
WHOLE = {
    "ServiceAccount atlas-endpoints": "base/service-account.yaml",
    "Role atlas-endpoints-leader-election": "base/leader-election.yaml",
    "RoleBinding atlas-endpoints-leader-election": "base/leader-election.yaml",
    "Service atlas-endpoints-metrics": "base/service.yaml",
    "Deployment atlas-endpoints": "base/deployment.yaml",
    "ClusterRole atlas-endpoints": IN_ALL_NAMESPACES,
    "ClusterRoleBinding atlas-endpoints": IN_ALL_NAMESPACES,
    "Role atlas-endpoints": "access/rbac.yaml",
    "RoleBinding atlas-endpoints": "access/rbac.yaml",
    "NetworkPolicy atlas-endpoints": "components/network-policy/network-policy.yaml",
    "ServiceMonitor atlas-endpoints": "components/prometheus/service-monitor.yaml",
    "PrometheusRule atlas-endpoints": "components/prometheus/prometheus-rule.yaml",
}
"""The file of each object that the chart renders, by default or with one of `VALUES`; one that has none is an error."""
VALUES: Mapping[str, Mapping[str, str]] = {
    f"watchNamespaces={{{NAME}}}": {"Deployment": "overlays/namespaced/settings.yaml"},
    "openshift.enabled=true": {"Deployment": "overlays/openshift/scc.yaml"},
    "networkPolicy.enabled=true": {},
    "outputs.enabled=true": {
        "Deployment": "components/outputs/settings.yaml",
        "ClusterRole": "components/outputs/rbac.yaml",
    },
    "metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true": {},
}
"""What is rendered beside the defaults, and the patch for each kind of object that it changes."""
PATHS = tuple(
    DEPLOY / path
    for path in dict.fromkeys([*WHOLE.values(), *(path for each in VALUES.values() for path in each.values())])
)
_HELM_S_OWN = re.compile(
    r"^(# Source: .*| *(app\.kubernetes\.io/(instance|managed-by|version)|helm\.sh/\S+): .*|\s*)\n", re.MULTILINE
)


@cache
def texts() -> Mapping[Path, str]:
    """Give the text of each of `PATHS`."""
    default = rendered("")
    files: dict[str, list[str]] = {}
    for name, text in default.items():
        files.setdefault(WHOLE[name], []).append(text)
    for values, patches in VALUES.items():
        changed = rendered(values)
        _see_that_none_is_gone({WHOLE[name] for name in default.keys() - changed.keys()} - {IN_ALL_NAMESPACES}, values)
        for name, text in changed.items():
            if name not in default:
                files.setdefault(WHOLE[name], []).append(text)
            elif text != default[name]:
                kind, _, _ = name.partition(" ")
                files[patches[kind]] = [_patch(yaml.safe_load(default[name]), yaml.safe_load(text))]
    return {DEPLOY / path: HEADER + "---\n".join(parts) for path, parts in files.items()}


def rendered(values: str) -> dict[str, str]:
    """Render the chart, and give the texts of its objects by kind and name, comments kept and Helm's own labels left out."""
    with tempfile.TemporaryDirectory() as home:
        helm = Helm(provide("helm4"), 4, Path(home))
        text = helm.template("--no-hooks", "--set=crds.install=false", f"--set={values}")
    parts = [_HELM_S_OWN.sub("", part) for part in text.split("---\n")]
    return {f"{body['kind']} {body['metadata']['name']}": part for part in parts if (body := yaml.safe_load(part))}


def _patch(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Give what makes of an object the other one: of a role, operations on its rules; of others, a strategic merge patch."""
    if "rules" in after:
        _see_that_none_is_gone([rule for rule in before["rules"] if rule not in after["rules"]], "a value")
        patch: Any = [
            {"op": "add", "path": f"/rules/{number}", "value": rule}
            for number, rule in enumerate(after["rules"])
            if rule not in before["rules"]
        ]
    else:
        identity = {name: after["metadata"][name] for name in ("name", "namespace")}
        patch = {"apiVersion": after["apiVersion"], "kind": after["kind"], "metadata": identity, **_more(before, after)}
    return yaml.safe_dump(patch, sort_keys=False)


def _more(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Give what an object has, and another one before it has not or has otherwise."""
    _see_that_none_is_gone(before.keys() - after.keys(), "a merge patch")
    return {name: _change(before.get(name), value) for name, value in after.items() if value != before.get(name)}


def _change(before: Any, after: Any) -> Any:
    if isinstance(after, dict) and isinstance(before, dict):
        return _more(before, after)
    if isinstance(after, list) and all(isinstance(each, dict) and "name" in each for each in after):  # merged by names
        known = {each["name"]: each for each in before or ()}
        _see_that_none_is_gone(known.keys() - {each["name"] for each in after}, "a merge patch")
        return [
            _told({"name": each["name"], **_more(known.get(each["name"], {}), each)})
            for each in after
            if each != known.get(each["name"])
        ]
    return after


def _told(entry: dict[str, Any]) -> dict[str, Any]:
    """Have the Pod told its namespace, which a user's kustomization may change."""
    if entry.get("value") != NAME:
        return entry
    return {"name": entry["name"], "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}


def _see_that_none_is_gone(gone: Collection[Any], where: str) -> None:
    """Refuse what no patch that is made here can say."""
    if gone:
        raise ValueError(f"{where} takes {gone} away")
