"""An operator with the rights of `deploy/access` in one namespace, and none anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from support.atlas import CLOUD_ENDPOINT
from support.audit import deeds
from support.deploy import ACCESS, manifests, the
from support.operator_process import OperatorProcess
from support.resources import condition

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane import ControlPlane
    from control_plane.process import ServerGroup
    from support.atlas import Atlas, Place
    from support.fixtures import MakeResources

LABEL = "confined"
ANNOTATION = "atlas-endpoints.dev/credentials-secret"


def test_the_right_to_its_namespace_is_enough_to_use_the_secret_that_it_names_and_without_it_none_is_used(
    *,
    control_plane: ControlPlane,
    make_resources: MakeResources,
    group: ServerGroup,
    atlas: Atlas,
    place: Place,
    tmp_path: Path,
) -> None:
    resources = make_resources(LABEL)
    namespace = resources.namespace
    control_plane.kubectl("annotate", "namespace", namespace, f"{ANNOTATION}=atlas-credentials")
    atlas.connect(place)
    control_plane.kubectl("apply", "--filename=-", stdin=_access(namespace, "namespaces"))
    operator = OperatorProcess.start(
        group,
        tmp_path,
        kubeconfig=control_plane.kubeconfig_for(namespace, LABEL),
        atlas_url=atlas.url,
        label_selector=f"served-by={LABEL}",
        namespaces=namespace,
        sync_interval="4s",
    )
    try:
        resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, credentialsSecretRef=None))
        body = resources.wait_reason("orders", "CredentialsInvalid")
        found = condition(body, "CredentialsValid") or {}
        assert (found["status"], found["reason"]) == ("False", "NamespaceForbidden")
        assert f"Namespace {namespace}" in found["message"]
        assert body["status"]["lastError"]["operation"] == "readNamespace"
        assert atlas.requests(place) == []

        control_plane.kubectl("apply", "--filename=-", stdin=_access(namespace))

        body = resources.wait_ready("orders")
        assert body["status"]["resolved"]["credentialsSource"] == "namespace/atlas-credentials"
        looks = deeds(control_plane, f"system:serviceaccount:{namespace}:{LABEL}")
        assert {each.code for each in looks if each.resource == "namespaces"} == {200, 403}
    finally:
        operator.stop()


def _access(namespace: str, *without: str) -> str:
    """Manifests of a ServiceAccount with what `deploy/access` grants in a namespace, but for some resources."""
    objects = list(manifests(ACCESS))
    role, binding = the("Role", objects), the("RoleBinding", objects)
    role["rules"] = [rule for rule in role["rules"] if not set(without) & set(rule["resources"])]
    role["metadata"]["namespace"] = binding["metadata"]["namespace"] = namespace
    binding["subjects"] = [{"kind": "ServiceAccount", "namespace": namespace, "name": LABEL}]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": LABEL, "namespace": namespace}}
    return yaml.safe_dump_all([account, role, binding])
