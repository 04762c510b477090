"""The bundle by which OLM installs the operator, made of the chart: its objects on OpenShift, and what it tells Artifact Hub."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import yaml

from delivery.helm import CHART, ROOT
from delivery.manifests import rendered

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CHANNEL = "alpha"
"""What one subscribes to, as long as the API is alpha, too."""
ANNOTATIONS = {
    "mediatype": "registry+v1",
    "manifests": "manifests/",
    "metadata": "metadata/",
    "package": "atlas-endpoints",
    "channels": CHANNEL,
    "channel.default": CHANNEL,
}
MODES = {"AllNamespaces": True, "SingleNamespace": False, "MultiNamespace": False, "OwnNamespace": False}


def texts() -> dict[str, str]:
    """Return the files of the bundle by their paths in its folder.

    An object that OLM neither makes itself nor finds a place for in its ClusterServiceVersion is an error.
    """
    metadata = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    objects = {name: yaml.safe_load(text) for name, text in rendered("openshift.enabled=true").items()}
    version = _version(metadata, objects)
    for kind in ("ServiceAccount", "ClusterRoleBinding", "RoleBinding"):  # OLM makes them of the permissions
        objects = {name: each for name, each in objects.items() if each["kind"] != kind}
    service = objects.pop("Service atlas-endpoints-metrics")
    del service["metadata"]["namespace"]
    if objects:
        raise ValueError(f"no place in a bundle for {', '.join(objects)}")
    annotations = {f"operators.operatorframework.io.bundle.{name}.v1": text for name, text in ANNOTATIONS.items()}
    labels = "".join(f"LABEL {name}={text}\n" for name, text in annotations.items())
    return {
        "manifests/atlas-endpoints.clusterserviceversion.yaml": _yaml(version),
        "manifests/atlas-endpoints-metrics.service.yaml": _yaml(service),
        **{f"manifests/{path.name}": path.read_text(encoding="utf-8") for path in (ROOT / "crds").glob("*.yaml")},
        "metadata/annotations.yaml": _yaml({"annotations": annotations}),
        "bundle.Dockerfile": f"FROM scratch\n{labels}COPY manifests /manifests/\nCOPY metadata /metadata/\n",
    }


def write(folder: Path) -> None:
    """Write the bundle into a folder."""
    for name, text in texts().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _version(metadata: Mapping[str, Any], objects: dict[str, Any]) -> dict[str, Any]:
    """Make the ClusterServiceVersion, and take out of the objects what is in it."""
    told = {name.removeprefix("artifacthub.io/"): text for name, text in metadata["annotations"].items()}
    deployment = objects.pop("Deployment atlas-endpoints")
    pod = deployment["spec"]["template"]["spec"]
    (image,) = (each["image"] for each in pod["containers"])
    account = pod["serviceAccountName"]

    def permissions(name: str) -> list[dict[str, Any]]:
        return [{"serviceAccountName": account, "rules": objects.pop(name)["rules"]}]

    return {
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "ClusterServiceVersion",
        "metadata": {
            "name": f"atlas-endpoints.v{metadata['version']}",
            "namespace": "placeholder",
            "annotations": {
                "alm-examples": json.dumps(yaml.safe_load(told["crdsExamples"])),
                "capabilities": told["operatorCapabilities"],
                "categories": told["category"].capitalize(),
                "containerImage": image,
                "description": metadata["description"],
                "repository": metadata["home"],
            },
        },
        "spec": {
            "displayName": "Private endpoints of MongoDB Atlas",
            "description": f"{metadata['description']}. The documentation is at {metadata['home']}.",
            "version": metadata["version"],
            "minKubeVersion": metadata["kubeVersion"].removeprefix(">=").removesuffix("-0"),
            "maturity": CHANNEL,
            "provider": metadata["maintainers"][0],
            "keywords": metadata["keywords"],
            "links": yaml.safe_load(told["links"]),
            "relatedImages": [{"name": "operator", "image": image}],
            "installModes": [{"type": name, "supported": supported} for name, supported in MODES.items()],
            "customresourcedefinitions": {"owned": yaml.safe_load(told["crds"])},
            "install": {
                "strategy": "deployment",
                "spec": {
                    "clusterPermissions": permissions("ClusterRole atlas-endpoints"),
                    "permissions": permissions("Role atlas-endpoints-leader-election"),
                    "deployments": [{"name": deployment["metadata"]["name"], "spec": deployment["spec"]}],
                },
            },
        },
    }


def _yaml(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, width=120)
