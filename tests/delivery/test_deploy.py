"""What `deploy/` installs, rendered by kubectl, on the real API server, and with its rights alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from control_plane.process import wait_until
from delivery.admission import RESTRICTED, objections
from delivery.kustomize import moved, objects, of_kind
from support.deploy import COMPONENTS, DEPLOY, NAME, OVERLAYS, the
from support.running import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane import ControlPlane
    from support.fixtures import MakeNamespace

MONITORING = ROOT / "tests" / "delivery" / "testdata" / "monitoring.coreos.com"


def apply(control_plane: ControlPlane, folder: Path) -> None:
    """Apply a kustomization, and expect that the API server takes all of it and warns of nothing."""
    done = control_plane.kubectl("apply", "--server-side", "--force-conflicts", "--validate=strict", "-k", str(folder))
    assert not done.stderr, done.stderr


def has_pods(control_plane: ControlPlane, namespace: str) -> bool:
    return bool(control_plane.kubectl("get", "pods", f"--namespace={namespace}", "--output=name").stdout)


@pytest.mark.usefixtures("controller_manager")
def test_kubectl_apply_k_deploy_gets_a_pod_into_the_cluster_without_a_warning(
    control_plane: ControlPlane, crd: str
) -> None:
    apply(control_plane, DEPLOY)

    # The controllers create it in a namespace that enforces the Pod Security Standard `restricted`.
    wait_until(lambda: has_pods(control_plane, NAME), "a Pod")
    again = control_plane.kubectl("diff", "-k", str(DEPLOY), check=False)
    assert (again.returncode, again.stdout) == (0, "")


@pytest.fixture
def monitoring(control_plane: ControlPlane) -> None:
    """The kinds of the Prometheus Operator."""
    control_plane.kubectl("apply", "--server-side", f"--filename={MONITORING}")
    control_plane.wait_for_crds("servicemonitors.monitoring.coreos.com")


@pytest.mark.usefixtures("crd", "monitoring", "controller_manager")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_can_be_installed_elsewhere_with_all_components(
    overlay: str, control_plane: ControlPlane, make_namespace: MakeNamespace, tmp_path: Path
) -> None:
    namespace = make_namespace()

    apply(control_plane, moved(tmp_path, namespace, overlay, COMPONENTS.values()))

    wait_until(lambda: has_pods(control_plane, namespace), "a Pod")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_id_of_a_user_or_group_is_asked_for_which_openshift_would_refuse(overlay: str) -> None:
    spec = the("Deployment", objects(OVERLAYS[overlay]))["spec"]["template"]["spec"]
    asked = {name for each in (spec, *spec["containers"]) for name in each["securityContext"]}
    assert asked
    assert not {name for name in asked if name.endswith(("User", "Group", "Groups"))}


def test_on_openshift_the_pod_asks_for_the_scc_that_is_as_strict_as_it_is_itself() -> None:
    cluster, openshift = (the("Deployment", objects(OVERLAYS[name])) for name in ("cluster", "openshift"))
    annotations = cluster["spec"]["template"]["metadata"]["annotations"]
    annotations["openshift.io/required-scc"] = "restricted-v2"
    assert openshift == cluster


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_component_finds_the_operator_s_pods_and_ports(component: str, tmp_path: Path) -> None:
    rendered = objects(moved(tmp_path, "somewhere", "cluster", [COMPONENTS[component]]))
    template = the("Deployment", rendered)["spec"]["template"]
    service = the("Service", rendered, f"{NAME}-metrics")
    ports = {port["name"] for each in template["spec"]["containers"] for port in each["ports"]}

    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    for monitor in of_kind("ServiceMonitor", rendered):
        assert monitor["metadata"]["namespace"] == service["metadata"]["namespace"] == "somewhere"
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        assert {each["port"] for each in monitor["spec"]["endpoints"]} <= {p["name"] for p in service["spec"]["ports"]}
    for policy in of_kind("NetworkPolicy", rendered):
        assert policy["spec"]["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
        assert {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]} == ports
        egress = {(port["protocol"], port["port"]) for rule in policy["spec"]["egress"] for port in rule["ports"]}
        assert {("TCP", 443), ("TCP", 6443), ("UDP", 53), ("TCP", 53)} == egress


def test_the_namespaced_overlay_serves_the_namespace_that_it_is_in() -> None:
    """By what the Pod is told about itself, so that moving it elsewhere needs no other change."""
    (container,) = the("Deployment", objects(OVERLAYS["namespaced"]))["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [
        {"name": "ATLAS_ENDPOINTS_NAMESPACES", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    ]


def documented() -> list[Any]:
    """Give the kustomizations of a user's own that pages show: the files of each by their paths."""
    found: list[Any] = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text(encoding="utf-8")
        for block in re.finditer(r"^```yaml\n# (\S+/kustomization\.yaml)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            path, content = block.groups()
            if path == "my-cluster/kustomization.yaml":
                line = text.count("\n", 0, block.start()) + 1
                found.append(pytest.param({}, id=f"{page.relative_to(ROOT)}:{line}"))
            found[-1].values[0][path] = content
    return found


@pytest.mark.parametrize("files", documented())
def test_a_kustomization_on_a_page_installs_an_operator(
    files: dict[str, str], control_plane: ControlPlane, make_namespace: MakeNamespace, tmp_path: Path
) -> None:
    (tmp_path / "atlas-endpoints").symlink_to(ROOT)
    for path, content in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(content, encoding="utf-8")
    rendered = objects(tmp_path / "my-cluster")

    assert objections(control_plane, make_namespace(RESTRICTED), the("Deployment", rendered)) == []
    # A role that is given in a namespace is given to the account that the operator has.
    account = the("ServiceAccount", rendered)["metadata"]
    subject = {"kind": "ServiceAccount", "namespace": account["namespace"], "name": account["name"]}
    bindings = [each for each in rendered if each["kind"].endswith("Binding")]
    assert all(each["subjects"] == [subject] for each in bindings)
    if "$patch: delete" in files["my-cluster/kustomization.yaml"]:  # where nothing of the cluster may be changed
        assert {each["metadata"].get("namespace") for each in rendered} == {"shop"}
    served = {path.split("/")[1] for path in files if path.count("/") == 2}
    assert served <= {each["metadata"].get("namespace") for each in bindings}
    readers = [
        each["metadata"].get("namespace", "")
        for each in rendered
        for rule in each.get("rules") or ()
        if "secrets" in rule["resources"]
    ]
    assert readers == sorted(served) or not served, "it reads Secrets where its resources are, and nowhere else"
