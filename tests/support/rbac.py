"""ServiceAccounts with exactly the rights that are shipped."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import yaml

from support.deploy import OVERLAYS, manifests, the

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from control_plane import ControlPlane

_GRANTING = threading.Lock()
"""Threads that begin at once would all create the ClusterRole that they share."""


def grant(control_plane: ControlPlane, namespace: str, name: str) -> None:
    """Have a ServiceAccount that may do what the shipped one may."""
    with _GRANTING:
        _apply(control_plane, service_account(namespace, name))


def _apply(control_plane: ControlPlane, documents: str) -> None:
    """Apply an account and its rights as kubectl does on the server, without a process for each."""
    with control_plane.client() as http:
        for each in yaml.load_all(documents, yaml.CSafeLoader):
            version, metadata = each["apiVersion"], each["metadata"]
            root = f"/api/{version}" if version == "v1" else f"/apis/{version}"
            where = f"/namespaces/{metadata['namespace']}" if "namespace" in metadata else ""
            http.patch(
                f"{root}{where}/{each['kind'].lower()}s/{metadata['name']}",
                params={"fieldManager": "tests", "force": "true"},
                headers={"Content-Type": "application/apply-patch+yaml"},
                content=yaml.safe_dump(each),
            ).raise_for_status()


def grant_also(control_plane: ControlPlane, namespace: str, name: str, rules: Sequence[Mapping[str, Any]]) -> None:
    """Let a ServiceAccount do more, in all namespaces, as administrators do."""
    role, api = f"{namespace}-{name}-also", "rbac.authorization.k8s.io"
    documents = [
        {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": {"name": role}, "rules": list(rules)},
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": role},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
        },
    ]
    control_plane.kubectl("apply", "--filename=-", stdin=yaml.safe_dump_all(documents))


def service_account(namespace: str, name: str) -> str:
    """Manifests of a ServiceAccount that may do what the shipped one may: with the Lease, in its own namespace."""
    shipped = list(manifests(OVERLAYS["cluster"]))
    role, lease = the("ClusterRole", shipped), the("Role", shipped, "atlas-endpoints-leader-election")
    lease["metadata"]["namespace"] = namespace
    subject = {"kind": "ServiceAccount", "namespace": namespace, "name": name}
    return yaml.safe_dump_all(
        [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
            role,
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": f"{namespace}-{name}"},
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io",
                    "kind": "ClusterRole",
                    "name": role["metadata"]["name"],
                },
                "subjects": [subject],
            },
            lease,
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "RoleBinding",
                "metadata": {"name": name, "namespace": namespace},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": lease["metadata"]["name"]},
                "subjects": [subject],
            },
        ]
    )
