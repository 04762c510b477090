"""Each kind of the registry has its CRD, and the rights that the operator and people need for it, in deploy/ and in the chart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from atlas_endpoints.cluster.api import Names
from atlas_endpoints.kinds.registry import KINDS, named
from delivery.helm import CHART
from support.deploy import kustomization
from support.running import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CRDS, TEMPLATES = ROOT / "crds", CHART / "templates"
APPLIED, IN_A_NAMESPACE = (
    ROOT / "deploy" / "overlays" / "cluster" / "rbac.yaml",
    ROOT / "deploy" / "access" / "rbac.yaml",
)
OPERATOR_VERBS, VIEW_VERBS = {"get", "list", "patch", "watch"}, {"get", "list", "watch"}
EDIT_VERBS = VIEW_VERBS | {"create", "delete", "deletecollection", "patch", "update"}


def rules(path: Path) -> list[dict[str, Any]]:
    """Read the rules of a manifest or a template; directives that fill a line are left out, others become a word."""
    text = re.sub(r"(?ms)^\s*\{\{.*?\}\}[ \t]*$", "", path.read_text(encoding="utf-8"))
    documents = [each for each in yaml.safe_load_all(re.sub(r"\{\{.*?\}\}", "x", text)) if each]
    return [rule for each in documents for rule in (each if isinstance(each, list) else each.get("rules") or [])]


def missing(names: Names) -> Iterator[str]:
    """Yield what to add to which file for a kind."""
    crd = f"{names.plural}.{names.group}"
    file = f"{names.group}_{names.plural}.yaml"
    for folder in (CRDS, CHART / "files" / "crds"):
        spec = yaml.safe_load((folder / file).read_text(encoding="utf-8"))["spec"] if (folder / file).exists() else None
        if spec is None:
            yield f"{folder.relative_to(ROOT)}: add {file}"
        elif Names(
            spec["group"], spec["versions"][0]["name"], spec["names"]["kind"], spec["names"]["plural"]
        ) != names:  # fmt: skip
            yield f"{folder.relative_to(ROOT)}/{file}: group, version, kind and plural must be {names}"
    if file not in kustomization(CRDS)["resources"]:
        yield f"crds/Kustomization: add {file}"
    listed = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["annotations"]["artifacthub.io/crds"]
    if crd not in {each["name"] for each in yaml.safe_load(listed)}:
        yield f"charts/atlas-endpoints/Chart.yaml: add {crd} to artifacthub.io/crds"
    operator = {names.plural: [OPERATOR_VERBS], f"{names.plural}/status": [{"patch"}]}
    for path, resources in {
        APPLIED: operator,
        IN_A_NAMESPACE: operator,
        TEMPLATES / "_rbac.tpl": operator,
        TEMPLATES / "rbac-users.yaml": {names.plural: [VIEW_VERBS, EDIT_VERBS]},
    }.items():
        for resource, wanted in resources.items():
            found = [
                set(rule["verbs"])
                for rule in rules(path)
                if names.group in rule["apiGroups"] and resource in rule["resources"]
            ]
            for verbs in wanted:
                if verbs not in found:
                    yield f"{path.relative_to(ROOT)}: add {resource} of {names.group} with the verbs {sorted(verbs)}"
    for path in (APPLIED, TEMPLATES / "_rbac.tpl"):
        if not any(
            crd in rule.get("resourceNames", ())
            for rule in rules(path)
            if "customresourcedefinitions" in rule["resources"]
        ):
            yield f"{path.relative_to(ROOT)}: add {crd} to the resourceNames of customresourcedefinitions"


@pytest.mark.parametrize("names", [kind.names for kind in KINDS], ids=lambda names: names.kind)
def test_a_kind_has_its_crd_and_its_rights(names: Names) -> None:
    assert list(missing(names)) == []


def test_kinds_are_served_by_their_names() -> None:
    assert list(named(())) == list(KINDS)
    assert list(named([KINDS[0].names.kind])) == [KINDS[0]]
    with pytest.raises(ValueError, match=rf"Other: no such kind; the kinds are {KINDS[0].names.kind}"):
        named([KINDS[0].names.kind, "Other"])
