"""What `deploy/` installs, rendered by kubectl, and the Pods of the chart, on the real API server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from control_plane.process import wait_until
from delivery.helm import CI, documents
from delivery.kustomize import moved, objects
from support.deploy import COMPONENTS, DEPLOY, NAME, OVERLAYS, the
from support.running import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane import ControlPlane
    from delivery.helm import Helm
    from support.fixtures import MakeNamespace

MONITORING = ROOT / "tests" / "delivery" / "testdata" / "monitoring.coreos.com"


RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
"""Labels of a namespace that enforces the Pod Security Standard `restricted`, and warns of what makes Pods against it."""


def objections(control_plane: ControlPlane, namespace: str, workload: dict[str, Any]) -> list[str]:
    """Try to create a Deployment, and its Pod as the controllers would, or a Pod, and give the API server's words against it."""
    there = {**workload, "metadata": {**workload["metadata"], "namespace": namespace}}
    pods, deployments = f"/api/v1/namespaces/{namespace}/pods", f"/apis/apps/v1/namespaces/{namespace}/deployments"
    if workload["kind"] == "Pod":
        tried = [(pods, there)]
    else:
        template = workload["spec"]["template"]
        pod = {"metadata": {**template["metadata"], "name": "pod"}, "spec": template["spec"]}
        tried = [(pods, pod), (deployments, there)]
    with control_plane.client() as http:
        # A Pod is not taken before its account is there.
        account = tried[0][1]["spec"].get("serviceAccountName", "default")
        accounts = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        made = http.post(accounts, json={"metadata": {"name": account}})
        assert made.is_success or made.status_code == httpx.codes.CONFLICT, made.text
        parameters = {"dryRun": "All", "fieldValidation": "Strict"}
        answers = [http.post(path, params=parameters, json=body) for path, body in tried]
    refusals = [answer.json()["message"] for answer in answers if not answer.is_success]
    return refusals + [warning for answer in answers for warning in answer.headers.get_list("warning")]


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


def test_the_namespaced_overlay_serves_the_namespace_that_it_is_in() -> None:
    """By what the Pod is told about itself, so that moving it elsewhere needs no other change."""
    (container,) = the("Deployment", objects(OVERLAYS["namespaced"]))["spec"]["template"]["spec"]["containers"]
    assert container["env"] == [
        {"name": "ATLAS_ENDPOINTS_NAMESPACES", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    ]


@pytest.fixture(scope="module")
def sandbox(control_plane: ControlPlane) -> None:
    """The runtime class that one of the chart's values asks for."""
    manifest = "{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: gvisor}, handler: runsc}"
    control_plane.kubectl("apply", "--filename=-", stdin=manifest)


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("values", [None, *sorted(CI.glob("*-values.yaml"))], ids=lambda path: path and path.stem)
def test_the_pods_of_the_chart_are_admitted_where_the_standard_restricted_is_enforced(
    values: Path | None, control_plane: ControlPlane, helm4: Helm, make_namespace: MakeNamespace
) -> None:
    """That of `helm test` as well."""
    namespace = make_namespace(RESTRICTED)
    chart = documents(helm4.template(values=[values] if values else []))
    found = {each["kind"]: each for each in chart if each["kind"] in {"Deployment", "Pod"}}
    assert "Deployment" in found
    assert [each for workload in found.values() for each in objections(control_plane, namespace, workload)] == []


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
