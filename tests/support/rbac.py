"""ServiceAccounts with exactly the rights that are shipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"


def shipped(kind: str) -> dict[str, Any]:
    """The one object of a kind among those that are shipped."""
    for path in sorted(DEPLOY.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            if document and document.get("kind") == kind:
                return dict(document)
    raise LookupError(f"deploy/ ships no {kind}")


def service_account(namespace: str, name: str) -> str:
    """Manifests of a ServiceAccount that may do what the shipped one may: with the Lease, in its own namespace."""
    role, lease = shipped("ClusterRole"), shipped("Role")
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
