"""Each kind of the registry has its CRD in the chart, and the operator has its rights in deploy/, as the chart renders them."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from atlas_endpoints.cluster.api import Names
from atlas_endpoints.cluster.watch import kopf_settings
from atlas_endpoints.kinds import KINDS, named
from behaviour.api_server import Cluster
from delivery.helm import CHART
from support.cores import core_of_all
from support.deploy import kustomization
from support.running import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from atlas_endpoints.kinds.commands import KindWithCommands

CRDS = ROOT / "crds"
APPLIED, IN_A_NAMESPACE = (
    ROOT / "deploy" / "overlays" / "cluster" / "rbac.yaml",
    ROOT / "deploy" / "access" / "rbac.yaml",
)
OPERATOR_VERBS = {"get", "list", "patch", "watch"}


def rules(path: Path) -> list[dict[str, Any]]:
    documents = yaml.safe_load_all(path.read_text(encoding="utf-8"))
    return [rule for each in documents for rule in each.get("rules") or ()]


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
    for path in (APPLIED, IN_A_NAMESPACE):
        for resource, verbs in {names.plural: OPERATOR_VERBS, f"{names.plural}/status": {"patch"}}.items():
            if verbs not in [
                set(rule["verbs"])
                for rule in rules(path)
                if names.group in rule["apiGroups"] and resource in rule["resources"]
            ]:
                yield f"{path.relative_to(ROOT)}: add {resource} of {names.group} with the verbs {sorted(verbs)}"
    if not any(
        crd in rule.get("resourceNames", ())
        for rule in rules(APPLIED)
        if "customresourcedefinitions" in rule["resources"]
    ):
        yield f"{APPLIED.relative_to(ROOT)}: add {crd} to the resourceNames of customresourcedefinitions"


@pytest.mark.parametrize("names", [kind.names for kind in KINDS], ids=lambda names: names.kind)
def test_a_kind_has_its_crd_and_its_rights(names: Names) -> None:
    assert list(missing(names)) == []


def test_kinds_are_served_by_their_names() -> None:
    assert list(named(())) == list(KINDS)
    assert list(named([KINDS[0].names.kind])) == [KINDS[0]]
    with pytest.raises(ValueError, match=rf"Other: no such kind; the kinds are {KINDS[0].names.kind}"):
        named([KINDS[0].names.kind, "Other"])


@pytest.mark.parametrize("off", KINDS, ids=lambda kind: kind.names.kind)
async def test_of_a_kind_that_is_off_nothing_is_listed_watched_or_kept(off: KindWithCommands[Any]) -> None:
    """So it needs no CRD; tests/delivery/test_chart_access.py proves that it needs no rights."""
    served = named([kind.names.kind for kind in KINDS if kind is not off])
    held = dict[Names, Cluster]()

    def objects(names: Names) -> Cluster:
        return held.setdefault(names, Cluster(Random(1), lambda: ""))  # noqa: S311  # latencies

    core = core_of_all(objects, served)

    expected = {kind.names for kind in KINDS} - {off.names}
    assert held.keys() == {each.kind.names for each in core.kinds.values()} == expected
    watching = kopf_settings([*expected], "team=shop", namespaced=False).watching
    watched = [*watching.label_selectors, *watching.field_selectors.values()]
    assert len(watched) == len(expected) + 1
    assert all(each.plural in repr(watched) for each in expected)
    assert off.names.plural not in repr(watched)
