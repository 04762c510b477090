"""Helm and `deploy/` install the same: by default, and with what both can be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from delivery.helm import rendered
from delivery.kustomize import moved, objects
from delivery.plain import plain
from support import deploy
from support.deploy import COMPONENTS, NAME

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from delivery.helm import Helm

Objects = dict[tuple[str, str, str], dict[str, Any]]

SAME = {
    "cluster": ("cluster", (), ()),
    "openshift": ("openshift", (), ("openshift.enabled=true",)),
    "namespaced": ("namespaced", (), (f"watchNamespaces={{{NAME}}}",)),
    "network policy": ("cluster", ("network-policy",), ("networkPolicy.enabled=true",)),
    "outputs": ("cluster", ("outputs",), ("outputs.enabled=true",)),
    "outputs in one namespace": ("namespaced", ("outputs",), (f"watchNamespaces={{{NAME}}}", "outputs.enabled=true")),
    "prometheus": (
        "cluster",
        ("prometheus",),
        ("metrics.serviceMonitor.enabled=true", "metrics.prometheusRule.enabled=true"),
    ),
}
"""An overlay, components beside it, and the values that come to the same."""


def by_identity(found: Iterable[dict[str, Any]]) -> Objects:
    """Name objects by what tells them apart on the API server."""
    return {
        (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): plain(each) for each in found
    }


def installed(helm: Helm, values: Iterable[str] = ()) -> Objects:
    """What the chart installs; `helm test` is no part of it."""
    chart = rendered(helm, flags=[f"--set={value}" for value in values])
    return by_identity(each for each in chart if "helm.sh/hook" not in each["metadata"].get("annotations", {}))


def without_the_namespace(found: Objects) -> Objects:
    """Leave out what `helm install --create-namespace` makes and the chart does not."""
    return {identity: manifest for identity, manifest in found.items() if identity[0] != "Namespace"}


def assert_same(chart: Objects, ours: Objects) -> None:
    assert sorted(chart) == sorted(ours)
    for identity, manifest in ours.items():
        assert chart[identity] == manifest


def test_the_chart_s_defaults_are_what_install_yaml_holds(helm: Helm) -> None:
    assert_same(installed(helm), without_the_namespace(by_identity(deploy.documents(deploy.INSTALL))))


@pytest.mark.parametrize("case", SAME)
def test_an_overlay_with_components_is_the_chart_with_values(case: str, helm4: Helm, tmp_path: Path) -> None:
    overlay, components, values = SAME[case]
    ours = objects(moved(tmp_path, NAME, overlay, [COMPONENTS[name] for name in components]))
    for container in deploy.the("Deployment", ours)["spec"]["template"]["spec"]["containers"]:
        if "env" in container:  # none of them needs another one, so that their order means nothing
            container["env"].sort(key=lambda variable: variable["name"])
        for variable in container.get("env", ()):
            # The overlay has the Pod told where it is; the chart knows.
            if variable.pop("valueFrom", None) == {"fieldRef": {"fieldPath": "metadata.namespace"}}:
                variable["value"] = NAME

    assert_same(installed(helm4, values), without_the_namespace(by_identity(ours)))
