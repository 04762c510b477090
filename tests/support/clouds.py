"""What resources refer to in the cluster: objects of other operators, whose part the tests play."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from control_plane.process import wait_until
from support.resources import MERGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from control_plane import ControlPlane

CRDS = Path(__file__).parent / "crds"
ACK = {"apiVersion": "ec2.services.k8s.aws/v1alpha1", "kind": "VPCEndpoint"}
ASO = {"apiVersion": "network.azure.com/v1api20240301", "kind": "PrivateEndpoint"}
FORWARDING_RULE = {"apiVersion": "compute.cnrm.cloud.google.com/v1beta1", "kind": "ComputeForwardingRule"}
PROJECT = {"apiVersion": "atlas.mongodb.com/v1", "kind": "AtlasProject"}
PLURALS = {
    "VPCEndpoint": "vpcendpoints",
    "PrivateEndpoint": "privateendpoints",
    "ComputeForwardingRule": "computeforwardingrules",
    "AtlasProject": "atlasprojects",
}


def install(control_plane: ControlPlane, kind: Mapping[str, str]) -> None:
    """Install the CRD of a kind, and wait until it is served."""
    name = _crd(kind)
    group, plural = name.partition(".")[2], PLURALS[kind["kind"]]
    control_plane.kubectl("apply", "--server-side", f"--filename={CRDS / f'{group}_{plural}.yaml'}")
    control_plane.wait_for_crds(name)
    with control_plane.client() as http:
        wait_until(lambda: http.get(f"/apis/{kind['apiVersion']}/{plural}").is_success, "the kind")


def uninstall(control_plane: ControlPlane, kind: Mapping[str, str]) -> None:
    """Remove the CRD of a kind, with all its objects."""
    control_plane.kubectl("delete", "--ignore-not-found", "--timeout=90s", f"customresourcedefinition/{_crd(kind)}")


def _crd(kind: Mapping[str, str]) -> str:
    return f"{PLURALS[kind['kind']]}.{kind['apiVersion'].partition('/')[0]}"


class CloudObject:
    """One object of a namespace, whose controller is the test."""

    def __init__(self, control_plane: ControlPlane, namespace: str, kind: Mapping[str, str], name: str) -> None:
        self.reference = {**kind, "name": name}
        self._kind = kind
        self._name = name
        self._namespace = namespace
        self._http = control_plane.client()
        self._collection = f"/apis/{kind['apiVersion']}/namespaces/{namespace}/{PLURALS[kind['kind']]}"

    def create(self, spec: Mapping[str, Any] | None = None, *, finalizers: tuple[str, ...] = ()) -> None:
        metadata = {"name": self._name, "finalizers": list(finalizers)}
        body = {**self._kind, "metadata": metadata, "spec": dict(spec or {})}
        self._http.post(self._collection, params={"fieldValidation": "Strict"}, json=body).raise_for_status()

    def report(self, **status: Any) -> None:
        """Write fields of its status, as its controller would; ``None`` removes one."""
        path = f"{self._collection}/{self._name}/status"
        self._http.patch(path, content=json.dumps({"status": status}), headers=MERGE).raise_for_status()

    def delete(self) -> None:
        self._http.delete(f"{self._collection}/{self._name}").raise_for_status()

    def release(self) -> None:
        patch = {"metadata": {"finalizers": None}}
        self._http.patch(
            f"{self._collection}/{self._name}", content=json.dumps(patch), headers=MERGE
        ).raise_for_status()

    def export(self, name: str, **data: str) -> None:
        """Create or change a ConfigMap beside it, as Azure Service Operator does for what it exports."""
        collection = f"/api/v1/namespaces/{self._namespace}/configmaps"
        body = {"metadata": {"name": name}, "data": data}
        answer = self._http.put(f"{collection}/{name}", json=body)
        (answer if answer.is_success else self._http.post(collection, json=body)).raise_for_status()

    def close(self) -> None:
        self._http.close()
