"""What `deploy/` installs: all that it holds, a Pod that asks for little, and what the operator is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import atlas_endpoints
from atlas_endpoints.cli import Commands
from atlas_endpoints.cluster import election
from atlas_endpoints.process import app
from atlas_endpoints.settings import OperatorSettings
from atlas_endpoints.simulator.regions import atlas_name
from atlas_endpoints.telemetry import probes
from support.crd import crds, schema_of
from support.deploy import ACCESS, COMPONENTS, DEPLOY, OVERLAYS, POLICIES, documents, kustomization, manifests, the

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).parents[2]
CRDS = ROOT / "crds"
CRD = "CustomResourceDefinition"


def shipped(overlay: str = "cluster") -> list[dict[str, Any]]:
    return list(manifests(OVERLAYS[overlay]))


def deployment() -> dict[str, Any]:
    return the("Deployment", shipped())


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = deployment()["spec"]["template"]["spec"]
    return spec


def container() -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = pod()["containers"]
    return found


def test_kubectl_apply_k_deploy_installs_the_operator_for_the_whole_cluster() -> None:
    assert kustomization(DEPLOY)["resources"] == ["overlays/cluster"]
    assert kustomization(DEPLOY).keys() == {"apiVersion", "kind", "resources"}


def test_the_overlay_for_the_whole_cluster_changes_nothing_that_its_files_say() -> None:
    """So that these tests, which read the files, see what is installed."""
    folders = (OVERLAYS["cluster"], DEPLOY / "base", CRDS)
    assert {key for folder in folders for key in kustomization(folder)} == {"apiVersion", "kind", "resources"}


@pytest.mark.parametrize(
    "folder", [DEPLOY / "base", ACCESS, POLICIES, *OVERLAYS.values(), *COMPONENTS.values()], ids=lambda path: path.name
)
def test_every_manifest_is_named_by_its_kustomization(folder: Path) -> None:
    document = kustomization(folder)
    named = {*document.get("resources", ()), *(each["path"] for each in document.get("patches", ()) if "path" in each)}
    assert {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"} <= named


def test_every_crd_is_installed() -> None:
    assert set(kustomization(CRDS)["resources"]) == {path.name for path in CRDS.glob("*.yaml")}
    for overlay in OVERLAYS:
        assert {each["metadata"]["name"] for each in shipped(overlay) if each["kind"] == CRD} == set(crd_names())


def test_kubectl_apply_f_of_the_crds_meets_nothing_else() -> None:
    assert {document["kind"] for path in CRDS.glob("*.y*ml") for document in documents(path)} == {CRD}


def crd_names() -> list[str]:
    return [document["metadata"]["name"] for path in CRDS.glob("*.yaml") for document in documents(path)]


def test_the_account_s_token_is_only_where_it_is_asked_for() -> None:
    assert the("ServiceAccount", shipped())["automountServiceAccountToken"] is False
    assert pod()["automountServiceAccountToken"] is True


def test_the_pod_fulfils_the_restricted_pod_security_standard() -> None:
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    assert pod()["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    context = container()["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC", "volumes", "initContainers"} & pod().keys()
    assert not any("hostPort" in port for port in container()["ports"])


def test_an_update_waits_for_a_replica_that_stands_by() -> None:
    assert deployment()["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    # Without a Lease, two operators would send what one of them has decided.
    assert OperatorSettings.model_fields["leader_elect"].default is True
    assert not any("leader-elect" in flag for flag in container()["args"])


def test_it_may_finish_what_is_under_way_and_hand_over() -> None:
    closing_down = 5
    assert pod()["terminationGracePeriodSeconds"] > app.DRAIN + election.RELEASE + closing_down


def test_the_image_cannot_be_a_stranger_s_and_has_this_version() -> None:
    assert container()["image"] == f"registry.example.com/atlas-endpoints:{atlas_endpoints.__version__}"


def test_arguments_and_variables_are_those_of_the_operator() -> None:
    command, *flags = container()["args"]
    assert command in Commands.model_fields
    names = [flag.partition("=")[0].removeprefix("--").replace("-", "_") for flag in flags]
    names += [each["name"].removeprefix("ATLAS_ENDPOINTS_").lower() for each in container().get("env", ())]
    assert set(names) <= OperatorSettings.model_fields.keys()


@pytest.mark.parametrize(
    ("probe", "path"),
    [("startupProbe", probes.LIVE), ("livenessProbe", probes.LIVE), ("readinessProbe", probes.READY)],
)
def test_a_probe_asks_what_is_served(probe: str, path: str) -> None:
    (port,) = container()["ports"]
    assert container()[probe]["httpGet"] == {"path": path, "port": port["name"]}
    assert str(port["containerPort"]) == OperatorSettings.model_fields["http_address"].default.rpartition(":")[2]


def _fields(spec: Mapping[str, Any], path: str = "spec") -> Iterator[str]:
    """Yield the paths of a spec that hold a value, without those of the objects around them."""
    for name, value in spec.items():
        if isinstance(value, dict):
            yield from _fields(value, f"{path}.{name}")
        elif isinstance(value, list) and isinstance(value[0], dict):
            for each in value:
                yield from _fields(each, f"{path}.{name}[]")
        else:
            yield f"{path}.{name}"


def _declared(schema: Mapping[str, Any], path: str = "spec") -> Iterator[str]:
    """Yield the same of the CRD's schema."""
    for name, child in schema["properties"].items():
        if "properties" in child:
            yield from _declared(child, f"{path}.{name}")
        elif "properties" in child.get("items", ()):
            yield from _declared(child["items"], f"{path}.{name}[]")
        else:
            yield f"{path}.{name}"


@pytest.mark.parametrize("kind", crds())
def test_the_samples_show_every_field(kind: str) -> None:
    specs = [
        document["spec"]
        for path in (DEPLOY / "samples").glob("*.yaml")
        for document in yaml.safe_load_all(path.read_text())
        if document["kind"] == kind
    ]
    declared = schema_of(kind)["properties"]["spec"]
    assert {field for spec in specs for field in _fields(spec)} == set(_declared(declared))


def test_the_seed_for_the_simulator_has_what_the_samples_speak_about() -> None:
    seeded = {
        (project["id"], instance["name"], instance["providerName"], endpoint["_id"])
        for project in _seeded_projects()
        for instance in project["instances"]
        for endpoint in instance["endpoints"]
    }
    specs = _specs_of("ServerlessPrivateEndpoint")

    assert specs
    assert {(s["projectId"], s["instanceName"], s["providerName"]) for s in specs} <= {each[:3] for each in seeded}
    assert {s["endpointId"] for s in specs if "endpointId" in s} <= {each[3] for each in seeded}
    databases = {(project["id"], name) for project in _seeded_projects() for name in project["federatedDatabases"]}
    assert databases == {
        (spec["projectId"], each["name"])
        for spec in _specs_of("DataFederationPrivateEndpoint")
        for each in spec.get("federatedDatabases", ())
    }


def test_the_seed_has_the_clusters_whose_connection_strings_the_samples_want_in_the_regions_of_their_endpoints() -> (
    None
):
    seeded = {
        (project["id"], cluster["name"], region["providerName"], region["regionName"])
        for project in _seeded_projects()
        for cluster in project["clusters"]
        for region in cluster["regions"]
    }
    wanted = {
        (spec["projectId"], each["clusterName"], spec["providerName"], atlas_name(spec["providerName"], spec["region"]))
        for spec in _specs_of("DedicatedPrivateEndpoint")
        for each in spec.get("connectionStrings", ())
    }
    assert wanted == seeded


def test_the_seed_has_keys_over_private_networking_for_the_endpoints_of_the_samples() -> None:
    blocks = {"AWS": "awsKms", "AZURE": "azureKeyVault"}
    on = {
        (project["id"], cloud)
        for project in _seeded_projects()
        for cloud, block in blocks.items()
        if project["encryptionAtRest"][block]["enabled"]
        and project["encryptionAtRest"][block]["requirePrivateNetworking"]
    }
    specs = _specs_of("EncryptionAtRestPrivateEndpoint")
    assert on == {(spec["projectId"], spec["providerName"]) for spec in specs if "projectId" in spec}


def test_the_seed_has_a_cluster_in_each_region_in_which_a_sample_reaches_pub_sub() -> None:
    regions = {
        (project["id"], region["regionName"])
        for project in _seeded_projects()
        for cluster in project["clusters"]
        for region in cluster["regions"]
        if region["providerName"] == "GCP"
    }
    specs = [spec for spec in _specs_of("StreamPrivateEndpoint") if spec.get("vendor") == "PUBSUB"]
    assert specs
    assert {(spec["projectId"], atlas_name("GCP", spec["region"])) for spec in specs} <= regions


def _seeded_projects() -> list[Any]:
    return list(json.loads((DEPLOY / "simulator" / "seed.json").read_text())["projects"])


def _specs_of(kind: str) -> list[Any]:
    """Return the specs of the samples of a kind that name their project themselves."""
    return [
        document["spec"]
        for path in sorted((DEPLOY / "samples").glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
        if document["kind"] == kind and "projectRef" not in document["spec"]
    ]
