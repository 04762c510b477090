"""What an API server has against a Pod, by its admission controllers: the Pod Security Standards among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from control_plane import ControlPlane

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
"""Labels of a namespace that enforces the Pod Security Standard `restricted`, and warns of what makes Pods against it."""


def objections(control_plane: ControlPlane, namespace: str, workload: dict[str, Any]) -> list[str]:
    """Try to create a Deployment, and its Pod as the controllers would, or a Pod.

    Args:
        control_plane: where to.
        namespace: whereto, whatever the manifest says.
        workload: the manifest.

    Returns:
        Refusals and warnings, in the API server's words.
    """
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
