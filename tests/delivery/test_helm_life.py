"""The life of a release of the operator's chart on a real API server: what stays, what is taken over, what is refused.

There is no kubelet here, so no Pod ever becomes ready: nothing is installed with `--wait`.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from control_plane import ControlPlane, KubectlError, provide_programs
from control_plane.process import wait_until
from delivery.helm import CHART, RELEASE, Helm, HelmError
from delivery.installing import says
from delivery.kustomize import moved
from support.atlas import place
from support.crd import CRD, crds
from support.deploy import COMPONENTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.fixtures import MakeNamespace

NEW_FIELD = "comment"
"""A field that the CRD of the previous release does not have yet."""
SELECTOR = "app.kubernetes.io/name=atlas-endpoints"
CRD_NAME = "serverlessprivateendpoints.atlas-endpoints.dev"
CONFLICT = says("conflict occurred while applying object", 'conflict with "kubectl')


def older() -> str:
    """Make the CRD that of an earlier release."""
    document = yaml.safe_load(CRD.read_text(encoding="utf-8"))
    (version,) = document["spec"]["versions"]
    del version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"][NEW_FIELD]
    return yaml.safe_dump(document, sort_keys=False)


def resource(**fields: Any) -> dict[str, Any]:
    names = {"apiVersion": "atlas-endpoints.dev/v1alpha1", "kind": "ServerlessPrivateEndpoint"}
    return {**names, "metadata": {"name": "orders"}, "spec": place(0).spec(**fields)}


@dataclass(frozen=True, slots=True)
class Site:
    """A namespace to install into, and a resource in it that has to outlive a release."""

    control_plane: ControlPlane
    namespace: str

    def helm(self, helm: Helm, *arguments: str | Path, stdin: str | None = None) -> str:
        """Run Helm on the namespace."""
        acting = replace(helm, kubeconfig=self.control_plane.kubeconfig)
        return acting(*arguments, f"--namespace={self.namespace}", stdin=stdin)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl on the namespace."""
        return self.control_plane.kubectl(*arguments, f"--namespace={self.namespace}", stdin=stdin).stdout

    def apply(self, **fields: Any) -> None:
        """Apply the resource; a field that the API server does not know is an error."""
        self.kubectl("apply", "--validate=strict", "--filename=-", stdin=json.dumps(resource(**fields)))

    def await_kind(self, **fields: Any) -> None:
        """Wait until the resource can be applied, which takes the API server a moment."""

        def applies() -> bool:
            try:
                self.apply(**fields)
            except KubectlError:
                return False
            return True

        self.control_plane.wait_for_crds(CRD_NAME)
        wait_until(applies, "the API server to serve the kind")

    def get(self, what: str, path: str) -> str:
        """Read a field of an object by its JSONPath."""
        return self.kubectl("get", what, f"--output=jsonpath={path}")

    def identities(self) -> list[str]:
        """What the CRD and the resource lose when they are deleted and created again."""
        return [self.get(what, "{.metadata.uid}") for what in (f"crd/{CRD_NAME}", "spe/orders")]

    def deployments(self) -> str:
        """The names of those that the chart has made."""
        return self.kubectl("get", "deployments", f"--selector={SELECTOR}", "--output=name").strip()


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of this module's own, since the CRD comes and goes."""
    with ControlPlane(provide_programs(), directory=tmp_path_factory.mktemp("control-plane")) as running:
        yield running


@pytest.fixture(scope="module")
def current(one_helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart as it is published."""
    return one_helm.package(CHART, tmp_path_factory.mktemp("current"))


@pytest.fixture(scope="module")
def previous(one_helm: Helm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart of a release before, which has one CRD that lacks a field."""
    folder = tmp_path_factory.mktemp("previous")
    chart = shutil.copytree(CHART, folder / "atlas-endpoints")
    for path in (chart / "files" / "crds").iterdir():
        path.unlink()
    (chart / "files" / "crds" / CRD.name).write_text(older(), encoding="utf-8")
    return one_helm.package(chart, folder, "--version=0.0.9")


@pytest.fixture
def site(control_plane: ControlPlane, make_namespace: MakeNamespace) -> Iterator[Site]:
    """A cluster in which nothing of ours is installed."""
    yield Site(control_plane, make_namespace())
    control_plane.kubectl("delete", "clusterroles,clusterrolebindings", f"--selector={SELECTOR}")
    made = control_plane.kubectl("get", "crds", "--output=name").stdout
    names = [name for each in crds().values() if (name := each["metadata"]["name"]) in made]
    if names:
        # The API server tries minutes later to delete one anew whose storage it was still preparing.
        wait_until(lambda: not control_plane.kubectl("get", ",".join(names), "-A", check=False).returncode, "storage")
        control_plane.kubectl("delete", "crd", *names)


def test_crd_and_resources_outlive_upgrade_rollback_uninstall_and_another_release(
    site: Site, each_helm: Helm, previous: Path, current: Path
) -> None:
    site.helm(each_helm, "install", RELEASE, previous)
    site.await_kind()
    before = site.identities()
    with pytest.raises(KubectlError, match=says('unknown field "spec.')):
        site.apply(comment="new")

    site.helm(each_helm, "upgrade", RELEASE, current)
    site.await_kind(comment="new")
    assert site.deployments() == f"deployment.apps/{RELEASE}"
    site.helm(each_helm, "rollback", RELEASE, "1")
    wait_until(lambda: not site.get("spe/orders", "{.spec.comment}"), "the field to be gone")
    told = site.helm(each_helm, "uninstall", RELEASE)

    assert "These resources were kept due to the resource policy:\n[CustomResourceDefinition]" in told
    assert site.deployments() == ""
    assert site.identities() == before
    site.helm(each_helm, "install", RELEASE, current)
    site.await_kind(comment="new")
    site.helm(each_helm, "uninstall", RELEASE)
    refusal = says("invalid ownership metadata", 'key "meta.helm.sh/release-name" must equal')
    with pytest.raises(HelmError, match=refusal):
        site.helm(each_helm, "install", "another", current)
    site.helm(each_helm, "install", "another", current, "--take-ownership")
    site.helm(each_helm, "upgrade", "another", current)  # and from now on it is its own
    assert site.identities() == before


@pytest.mark.parametrize("flags", [(), ("--server-side=true", "--force-conflicts")], ids=["as before", "server-side"])
def test_helm_4_goes_on_with_a_release_of_helm_3(  # noqa: PLR0917  # fixtures
    flags: tuple[str, ...], site: Site, helm3: Helm, helm4: Helm, previous: Path, current: Path
) -> None:
    site.helm(helm3, "install", RELEASE, previous)
    site.await_kind()
    before = site.identities()

    site.helm(helm4, "upgrade", RELEASE, current, *flags)

    site.await_kind(comment="new")
    assert [each["revision"] for each in json.loads(site.helm(helm4, "history", RELEASE, "--output=json"))] == [1, 2]
    site.helm(helm4, "uninstall", RELEASE)
    assert site.identities() == before


@pytest.mark.parametrize("flag", ["--server-side", "--server-side=false"])
def test_a_crd_that_kubectl_has_applied_is_taken_up_only_if_helm_is_told_to(
    flag: str, site: Site, helm: Helm, current: Path
) -> None:
    """And Helm 4, which applies server-side, has to be told once more that it may overwrite what kubectl has written."""
    site.control_plane.kubectl("apply", flag, "--filename=-", stdin=older())
    site.await_kind()
    before = site.identities()
    refusal = says("invalid ownership metadata", 'missing key "app.kubernetes.io/managed-by": must be set to "Helm"')
    with pytest.raises(HelmError, match=refusal):
        site.helm(helm, "upgrade", "--install", RELEASE, current)

    taking: list[str | Path] = [RELEASE, current, "--take-ownership"]
    with pytest.raises(HelmError, match=CONFLICT):
        site.helm(helm, "install", *taking)
    taking.append("--force-conflicts")
    with pytest.raises(HelmError, match=says("cannot reuse a name that is still in use")):
        site.helm(helm, "install", *taking)
    site.helm(helm, "upgrade", "--install", *taking)

    site.await_kind(comment="new")
    assert site.identities() == before


def test_an_endpoint_in_the_same_first_install_as_its_crd_is_refused_and_nothing_is_installed(
    site: Site, helm: Helm, current: Path
) -> None:
    values = json.dumps({"extraObjects": [resource()]})
    refusal = says('no matches for kind "ServerlessPrivateEndpoint"', "ensure CRDs are installed first")
    with pytest.raises(HelmError, match=refusal):
        site.helm(helm, "install", RELEASE, current, "--values=-", stdin=values)
    assert site.deployments() == ""

    # What the page says to do instead: the endpoint comes with an upgrade.
    site.helm(helm, "install", RELEASE, current)
    site.await_kind()
    site.kubectl("delete", "spe", "orders")
    site.helm(helm, "upgrade", RELEASE, current, "--values=-", stdin=values)

    assert site.identities()


def test_values_of_a_chart_that_had_fewer_are_reused_only_with_the_new_defaults(
    site: Site, helm: Helm, current: Path, tmp_path: Path
) -> None:
    fewer = tmp_path / "atlas-endpoints"
    shutil.copytree(CHART, fewer, ignore=shutil.ignore_patterns("tests", "files", "values.schema.json"))
    for path in (fewer / "templates").glob("[!_]*"):
        if path.name != "serviceaccount.yaml":
            path.unlink()
    values = (fewer / "values.yaml").read_text(encoding="utf-8").replace("openshift:\n", "ignored:\n")
    (fewer / "values.yaml").write_text(values, encoding="utf-8")
    site.helm(helm, "install", RELEASE, fewer, "--set=replicas=2")

    with pytest.raises(HelmError, match=says("missing property 'openshift'")):
        site.helm(helm, "upgrade", RELEASE, current, "--reuse-values", "--set=ignored=null")
    site.helm(helm, "upgrade", RELEASE, current, "--reset-then-reuse-values")

    assert site.get("deployment/atlas-endpoints", "{.spec.replicas}") == "2"


def test_the_component_for_prometheus_needs_its_operator(site: Site, tmp_path: Path) -> None:
    folder = moved(tmp_path, site.namespace, "cluster", [COMPONENTS["prometheus"]])
    with pytest.raises(KubectlError, match=says('no matches for kind "ServiceMonitor"')):
        site.control_plane.kubectl("apply", "-k", str(folder))

    site.await_kind()  # all the rest is there
