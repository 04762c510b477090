"""An operator with the rights of `deploy/access` in some namespaces, and none anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from control_plane.process import wait_until
from support.atlas import CLOUD_ENDPOINT
from support.audit import deeds
from support.deploy import ACCESS, manifests, the
from support.named import NAMED
from support.operator_process import OperatorProcess
from support.resources import condition, ready

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


def test_a_namespace_without_a_role_is_named_and_stops_only_what_may_concern_it(
    *,
    control_plane: ControlPlane,
    make_resources: MakeResources,
    group: ServerGroup,
    atlas: Atlas,
    place: Place,
    tmp_path: Path,
) -> None:
    shop, pay = make_resources(LABEL), make_resources(LABEL)
    here, there, later = place, place.sibling(1), place.sibling(2)
    for each in (here, there, later):
        atlas.connect(each)
    control_plane.kubectl("apply", "--filename=-", stdin=_access(shop.namespace))
    operator = OperatorProcess.start(
        group,
        tmp_path,
        kubeconfig=control_plane.kubeconfig_for(shop.namespace, LABEL),
        atlas_url=atlas.url,
        label_selector=f"served-by={LABEL}",
        namespaces=f"{shop.namespace},{pay.namespace}",
        sync_interval="4s",
    )

    def is_forbidden() -> bool:
        labels = {"kind": NAMED["kind"], "resource_namespace": pay.namespace}
        return operator.metric("atlas_endpoints_namespace_forbidden", **labels) == 1

    try:
        shop.create("orders", here.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, deletionPolicy="Delete"))
        pay.create("invoices", there.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
        shop.wait_ready("orders")
        probe = operator.get("readyz")
        assert probe.status_code == 200
        assert f"{pay.namespace}. Apply the Role and the RoleBinding of deploy/access" in probe.text
        assert is_forbidden()

        shop.delete("orders")
        assert "may not list" in ready(shop.wait_reason("orders", "Deleting"))["message"]
        assert not atlas.requests(here, "DELETE")

        control_plane.kubectl("apply", "--filename=-", stdin=_access(pay.namespace, account_in=shop.namespace))
        pay.wait_ready("invoices")
        wait_until(lambda: not shop.exists("orders"), "the deletion")
        assert operator.get("readyz").text == "ok"

        # As when somebody deletes the namespace: with all that it holds, and its Role.
        pay.delete("invoices")
        wait_until(lambda: not pay.exists("invoices"), "the resource to go")
        control_plane.kubectl("delete", "rolebinding", "--all", f"--namespace={pay.namespace}")
        wait_until(is_forbidden, "the refusal")
        shop.create("orders", later.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, deletionPolicy="Delete"))
        shop.wait_ready("orders")
        shop.delete("orders")
        wait_until(lambda: not shop.exists("orders"), "the deletion")
        deleted = [each["path"].rpartition("/")[2] for each in atlas.requests(place, "DELETE")]
        assert deleted == [here.endpoint, later.endpoint]
    finally:
        operator.stop()


def _access(namespace: str, *without: str, account_in: str = "") -> str:
    """Manifests of a ServiceAccount with what `deploy/access` grants in a namespace, but for some resources."""
    account_in = account_in or namespace
    objects = list(manifests(ACCESS))
    role, binding = the("Role", objects), the("RoleBinding", objects)
    role["rules"] = [rule for rule in role["rules"] if not set(without) & set(rule["resources"])]
    role["metadata"]["namespace"] = binding["metadata"]["namespace"] = namespace
    binding["subjects"] = [{"kind": "ServiceAccount", "namespace": account_in, "name": LABEL}]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": LABEL, "namespace": account_in}}
    return yaml.safe_dump_all([account, role, binding])
