"""The life of a release of the operator's chart on a real API server: what stays, what is taken over, what is refused.

There is no kubelet here, so no Pod ever becomes ready: nothing is installed with `--wait`.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from control_plane import ControlPlane, KubectlError, provide_programs
from control_plane.process import wait_until
from delivery.helm import CHART, RELEASE, Helm, HelmError
from delivery.installing import says
from delivery.kustomize import moved
from delivery.sites import SELECTOR, Site, older, resource
from support.crd import CRD, crds
from support.deploy import COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.fixtures import MakeNamespace


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of this module's own, since the CRD comes and goes."""
    with ControlPlane(provide_programs(), directory=tmp_path_factory.mktemp("control-plane")) as running:
        yield running


@dataclass(frozen=True, slots=True)
class Archives:
    """The chart as it is published: as of now, and as of a release before, which has one CRD that lacks a field."""

    previous: Path
    current: Path


@pytest.fixture(scope="module")
def archives(one_helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Archives:
    folder = tmp_path_factory.mktemp("charts")
    shutil.copytree(CHART, folder / "atlas-endpoints")
    shipped = folder / "atlas-endpoints" / "files" / "crds"
    for path in shipped.iterdir():
        path.unlink()
    (shipped / CRD.name).write_text(older(CRD.read_text(encoding="utf-8")), encoding="utf-8")
    previous, current = folder / "previous", folder / "current"
    return Archives(
        previous=one_helm.package(folder / "atlas-endpoints", previous, "--version=0.0.9"),
        current=one_helm.package(CHART, current),
    )


@pytest.fixture
def site(control_plane: ControlPlane, make_namespace: MakeNamespace) -> Iterator[Site]:
    """A cluster in which nothing of ours is installed."""
    yield Site(control_plane, make_namespace())
    control_plane.kubectl("delete", "clusterroles,clusterrolebindings", f"--selector={SELECTOR}")
    control_plane.kubectl(
        "delete", "crd", *(each["metadata"]["name"] for each in crds().values()), "--ignore-not-found"
    )


def test_an_upgrade_brings_a_field_that_the_crd_has_got_and_leaves_the_resources(
    site: Site, helm: Helm, archives: Archives
) -> None:
    site.helm(helm, "install", RELEASE, archives.previous)
    site.await_kind()
    uid = site.uid()
    with pytest.raises(KubectlError, match=says('unknown field "spec.')):
        site.apply(comment="new")

    site.helm(helm, "upgrade", RELEASE, archives.current)

    site.await_kind(comment="new")
    assert site.uid() == uid


def test_a_rollback_takes_the_field_away_again_and_nothing_else(site: Site, helm: Helm, archives: Archives) -> None:
    site.helm(helm, "install", RELEASE, archives.previous)
    site.helm(helm, "upgrade", RELEASE, archives.current)
    site.await_kind(comment="new")
    before = (site.crd_uid(), site.uid())
    assert site.comment() == "new"

    site.helm(helm, "rollback", RELEASE, "1")

    wait_until(lambda: not site.comment(), "the field to be gone")
    assert (site.crd_uid(), site.uid()) == before


def test_an_uninstall_keeps_the_crd_and_the_resources_and_nothing_else(
    site: Site, helm: Helm, archives: Archives
) -> None:
    site.helm(helm, "install", RELEASE, archives.current)
    site.await_kind()
    before = (site.crd_uid(), site.uid())
    assert site.names("deployments") == [f"deployment.apps/{RELEASE}"]

    told = site.helm(helm, "uninstall", RELEASE)

    assert "These resources were kept due to the resource policy:\n[CustomResourceDefinition]" in told
    assert (site.crd_uid(), site.uid()) == before
    for kind in ("deployments", "services", "serviceaccounts", "roles", "rolebindings", "clusterroles"):
        assert site.names(kind) == []


def test_the_same_release_takes_up_what_it_has_left(site: Site, helm: Helm, archives: Archives) -> None:
    site.helm(helm, "install", RELEASE, archives.previous)
    site.await_kind()
    before = (site.crd_uid(), site.uid())
    site.helm(helm, "uninstall", RELEASE)

    site.helm(helm, "install", RELEASE, archives.current)

    site.await_kind(comment="new")
    assert (site.crd_uid(), site.uid()) == before


def test_another_release_takes_it_up_only_if_it_is_told_to(site: Site, helm: Helm, archives: Archives) -> None:
    site.helm(helm, "install", RELEASE, archives.previous)
    site.await_kind()
    before = (site.crd_uid(), site.uid())
    site.helm(helm, "uninstall", RELEASE)
    refusal = says("invalid ownership metadata", 'key "meta.helm.sh/release-name" must equal')
    with pytest.raises(HelmError, match=refusal):
        site.helm(helm, "install", "another", archives.current)

    site.helm(helm, "install", "another", archives.current, "--take-ownership")

    site.await_kind(comment="new")
    assert (site.crd_uid(), site.uid()) == before
    site.helm(helm, "upgrade", "another", archives.current)  # and from now on it is its own


@pytest.mark.parametrize("flags", [(), ("--server-side=true", "--force-conflicts")], ids=["as before", "server-side"])
def test_helm_4_goes_on_with_a_release_of_helm_3(
    flags: tuple[str, ...], site: Site, helm3: Helm, helm4: Helm, archives: Archives
) -> None:
    site.helm(helm3, "install", RELEASE, archives.previous)
    site.await_kind()
    before = (site.crd_uid(), site.uid())

    site.helm(helm4, "upgrade", RELEASE, archives.current, *flags)

    site.await_kind(comment="new")
    assert (site.crd_uid(), site.uid()) == before
    assert [each["revision"] for each in json.loads(site.helm(helm4, "history", RELEASE, "--output=json"))] == [1, 2]
    site.helm(helm4, "uninstall", RELEASE)
    assert (site.crd_uid(), site.uid()) == before


@pytest.mark.parametrize("flag", ["--server-side", "--server-side=false"])
def test_a_crd_that_kubectl_has_applied_is_taken_up_only_if_helm_is_told_to(
    flag: str, site: Site, helm: Helm, archives: Archives
) -> None:
    """And Helm 4, which applies server-side, has to be told once more that it may overwrite what kubectl has written."""
    site.control_plane.kubectl("apply", flag, "--filename=-", stdin=older(CRD.read_text(encoding="utf-8")))
    site.await_kind()
    before = (site.crd_uid(), site.uid())
    refusal = says("invalid ownership metadata", 'missing key "app.kubernetes.io/managed-by": must be set to "Helm"')
    with pytest.raises(HelmError, match=refusal):
        site.helm(helm, "upgrade", "--install", RELEASE, archives.current)
    taking = ("upgrade", "--install", RELEASE, archives.current, "--take-ownership")

    if helm.major == 4:
        with pytest.raises(HelmError, match=says("conflict occurred while applying object", 'conflict with "kubectl')):
            site.helm(helm, *taking)
        site.helm(helm, *taking, "--force-conflicts")
    else:
        site.helm(helm, *taking)

    site.await_kind(comment="new")
    assert (site.crd_uid(), site.uid()) == before


def test_an_endpoint_in_the_same_first_install_as_its_crd_is_refused_and_nothing_is_installed(
    site: Site, helm: Helm, archives: Archives
) -> None:
    values = json.dumps({"extraObjects": [resource()]})
    refusal = says('no matches for kind "ServerlessPrivateEndpoint"', "ensure CRDs are installed first")
    with pytest.raises(HelmError, match=refusal):
        site.helm(helm, "install", RELEASE, archives.current, "--values=-", stdin=values)
    assert site.names("deployments") == []

    # What the page says to do instead: the endpoint comes with an upgrade.
    site.helm(helm, "install", RELEASE, archives.current)
    site.await_kind()
    site.control_plane.kubectl("delete", "spe", "orders", f"--namespace={site.namespace}")
    site.helm(helm, "upgrade", RELEASE, archives.current, "--values=-", stdin=values)

    assert site.uid()


def test_what_kubectl_has_installed_goes_on_as_a_release(
    site: Site, helm4: Helm, archives: Archives, tmp_path: Path
) -> None:
    site.control_plane.kubectl("apply", "-k", str(moved(tmp_path, site.namespace, "cluster")))
    site.await_kind()
    before = (site.crd_uid(), site.uid())
    taking = ("upgrade", "--install", RELEASE, archives.current, "--take-ownership", "--force-conflicts")
    with pytest.raises(HelmError, match=says("field is immutable")):
        site.helm(helm4, *taking)
    site.control_plane.kubectl("delete", "deployment", RELEASE, f"--namespace={site.namespace}")

    site.helm(helm4, *taking)

    assert (site.crd_uid(), site.uid()) == before
    assert site.names("deployments") == [f"deployment.apps/{RELEASE}"]


def test_a_failed_install_keeps_the_name_until_it_is_upgraded(site: Site, helm4: Helm, archives: Archives) -> None:
    site.control_plane.kubectl("apply", "--filename=-", stdin=older(CRD.read_text(encoding="utf-8")))
    taking = (RELEASE, archives.current, "--take-ownership")
    with pytest.raises(HelmError, match=says("conflict occurred while applying object")):
        site.helm(helm4, "install", *taking)
    with pytest.raises(HelmError, match=says("cannot reuse a name that is still in use")):
        site.helm(helm4, "install", *taking, "--force-conflicts")

    site.helm(helm4, "upgrade", "--install", *taking, "--force-conflicts")


def test_values_of_a_chart_that_had_fewer_are_reused_only_with_the_new_defaults(
    site: Site, helm: Helm, archives: Archives, tmp_path: Path
) -> None:
    fewer = tmp_path / "atlas-endpoints"
    shutil.copytree(CHART, fewer, ignore=lambda _, names: [each for each in names if each in {"tests", "files"}])
    for path in (fewer / "templates").glob("[!_]*"):
        if path.name != "serviceaccount.yaml":
            path.unlink()
    values = (fewer / "values.yaml").read_text(encoding="utf-8").replace("openshift:\n", "ignored:\n")
    (fewer / "values.yaml").write_text(values, encoding="utf-8")
    (fewer / "values.schema.json").unlink()
    site.helm(helm, "install", RELEASE, fewer, "--set=replicas=2")

    with pytest.raises(HelmError, match=says("missing property 'openshift'")):
        site.helm(helm, "upgrade", RELEASE, archives.current, "--reuse-values", "--set=ignored=null")
    site.helm(helm, "upgrade", RELEASE, archives.current, "--reset-then-reuse-values")

    assert site.get("deployment/atlas-endpoints", "{.spec.replicas}") == "2"


def test_the_component_for_prometheus_needs_its_operator(site: Site, tmp_path: Path) -> None:
    folder = moved(tmp_path, site.namespace, "cluster", [COMPONENTS["prometheus"]])
    with pytest.raises(KubectlError, match=says('no matches for kind "ServiceMonitor"')):
        site.control_plane.kubectl("apply", "-k", str(folder))

    site.await_kind()  # all the rest is there
