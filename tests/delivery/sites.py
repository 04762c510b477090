"""Where a release is installed, and the resource in it that has to outlive it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import yaml

from control_plane import KubectlError
from control_plane.process import wait_until
from support.atlas import place

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane import ControlPlane
    from delivery.helm import Helm

NEW_FIELD = "comment"
"""A field that the CRD of the previous release does not have yet."""
SELECTOR = "app.kubernetes.io/name=atlas-endpoints"
CRD_NAME = "customresourcedefinition/serverlessprivateendpoints.atlas-endpoints.dev"


def older(crd: str) -> str:
    """Make the text of a CRD that of an earlier one."""
    document = yaml.safe_load(crd)
    (version,) = document["spec"]["versions"]
    del version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"][NEW_FIELD]
    return yaml.safe_dump(document, sort_keys=False)


@dataclass(frozen=True, slots=True)
class Site:
    """A namespace to install into, and a resource in it."""

    control_plane: ControlPlane
    namespace: str

    def helm(self, helm: Helm, *arguments: str | Path, stdin: str | None = None) -> str:
        """Run Helm on the namespace."""
        acting = replace(helm, kubeconfig=self.control_plane.kubeconfig)
        return acting(*arguments, f"--namespace={self.namespace}", stdin=stdin)

    def apply(self, **fields: Any) -> None:
        """Apply the resource; a field that the API server does not know is an error."""
        arguments = ("--validate=strict", "--filename=-", f"--namespace={self.namespace}")
        self.control_plane.kubectl("apply", *arguments, stdin=json.dumps(resource(**fields)))

    def applies(self, **fields: Any) -> bool:
        """Tell whether the resource can be applied by now."""
        try:
            self.apply(**fields)
        except KubectlError:
            return False
        return True

    def await_kind(self, **fields: Any) -> None:
        """Wait until the resource can be applied, which takes the API server a moment."""
        self.control_plane.wait_for_crds(CRD_NAME.partition("/")[2])
        wait_until(lambda: self.applies(**fields), "the API server to serve the kind")

    def uid(self) -> str:
        """The identity of the resource, which it loses when it is deleted and created again."""
        return self.get("spe/orders", "{.metadata.uid}")

    def comment(self) -> str:
        """What the resource has in the new field, as far as the API server knows it."""
        return self.get("spe/orders", "{.spec.comment}")

    def crd_uid(self) -> str:
        """The identity of the CRD."""
        return self.get(CRD_NAME, "{.metadata.uid}")

    def get(self, what: str, path: str) -> str:
        """Read a field of an object in the namespace, by its JSONPath."""
        return self.control_plane.kubectl(
            "get", what, f"--namespace={self.namespace}", f"--output=jsonpath={path}"
        ).stdout

    def names(self, kind: str) -> list[str]:
        """The names of what the chart has made of a kind."""
        return self.control_plane.kubectl(
            *("get", kind, f"--namespace={self.namespace}", f"--selector={SELECTOR}", "--output=name")
        ).stdout.split()


def resource(**fields: Any) -> dict[str, Any]:
    return {
        "apiVersion": "atlas-endpoints.dev/v1alpha1",
        "kind": "ServerlessPrivateEndpoint",
        "metadata": {"name": "orders"},
        "spec": place(0).spec(**fields),
    }
