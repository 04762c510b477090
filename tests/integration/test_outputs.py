"""What a resource hands to the other side: from one commit to AVAILABLE, and a ConfigMap that is nobody else's."""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from atlas_endpoints.cli import main
from atlas_endpoints.kinds.data_federation_private_endpoint.kind import KIND as DATA_FEDERATION_KIND
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND as DEDICATED_KIND
from control_plane.process import wait_until
from support import clouds
from support.atlas import CLOUD_ENDPOINT, OTHER_CLOUD_ENDPOINT
from support.clouds import ACK, ADDRESS, ASO, FORWARDING_RULE, CloudObject
from support.deploy import COMPONENTS
from support.documentation import DOCS, section
from support.resources import MERGE, Resources, condition, ready
from support.running import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from control_plane import ControlPlane
    from support.atlas import Atlas, Place
    from support.fixtures import MakeResources, RunOperator
    from support.operator_process import OperatorProcess

LABEL = "outputs"
ACCOUNT = f"operator-{LABEL}"
FLUX = ROOT / "tests" / "delivery" / "testdata" / "toolkit.fluxcd.io"
EXAMPLES = {
    "endpointServiceName": "com.amazonaws.vpce.eu-west-1.vpce-svc-9c342d834393930b3",
    "privateLinkServiceName": "pls_62f5394fcbfe456e4ed881d6",
    "privateLinkServiceResourceId": "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg/providers"
    "/Microsoft.Network/privateLinkServices/pls_62f5394fcbfe456e4ed881d6",
    "serviceAttachmentNames": "projects/p-1/regions/us-central1/serviceAttachments/sa-us-central1-1",
}
INPUTS = {"projectId": "32b6e34b3d91647abb20e7b8", "region": "eu-west-1", "vpcID": "vpc-0f1e2d3c4b5a69788"}


@pytest.fixture(scope="module")
def operator(start_operator: RunOperator, atlas: Atlas) -> OperatorProcess:
    return start_operator(label=LABEL, atlas=atlas, sync_interval="3s", outputs="true")


@pytest.fixture
def allowed(control_plane: ControlPlane) -> Iterator[None]:
    """The rights of the component ``outputs``, beside those of the overlay."""
    with granted(control_plane):
        yield


@contextmanager
def granted(control_plane: ControlPlane) -> Iterator[None]:
    manifests = yaml.safe_dump_all(rights())
    control_plane.kubectl("apply", "--filename=-", stdin=manifests)
    yield
    control_plane.kubectl("delete", "--filename=-", stdin=manifests)


def rights() -> list[dict[str, Any]]:
    (patch,) = yaml.safe_load((COMPONENTS["outputs"] / "rbac.yaml").read_text(encoding="utf-8"))
    api, name = "rbac.authorization.k8s.io", f"{ACCOUNT}-outputs"
    subject = {"kind": "ServiceAccount", "namespace": "default", "name": ACCOUNT}
    return [
        {"apiVersion": f"{api}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": [patch["value"]]},
        {
            "apiVersion": f"{api}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": {"apiGroup": api, "kind": "ClusterRole", "name": name},
            "subjects": [subject],
        },
    ]


@pytest.fixture
def resources(operator: OperatorProcess, make_resources: MakeResources) -> Resources:
    return make_resources(LABEL)


class ConfigMaps:
    """The ConfigMaps of a namespace, as somebody else sees and changes them."""

    def __init__(self, control_plane: ControlPlane, namespace: str) -> None:
        self._http = control_plane.client()
        self._path = f"/api/v1/namespaces/{namespace}/configmaps"

    def get(self, name: str) -> dict[str, Any] | None:
        answer = self._http.get(f"{self._path}/{name}")
        return None if answer.status_code == 404 else dict(answer.raise_for_status().json())

    def data(self, name: str) -> dict[str, str]:
        return dict((self.get(name) or {}).get("data") or {})

    def create(self, name: str, **data: str) -> None:
        self._http.post(self._path, json={"metadata": {"name": name}, "data": data}).raise_for_status()

    def patch(self, name: str, patch: dict[str, Any]) -> None:
        self._http.patch(f"{self._path}/{name}", content=json.dumps(patch), headers=MERGE).raise_for_status()

    def delete(self, name: str) -> None:
        self._http.delete(f"{self._path}/{name}").raise_for_status()

    def close(self) -> None:
        self._http.close()


@pytest.fixture
def config_maps(control_plane: ControlPlane, resources: Resources) -> Iterator[ConfigMaps]:
    found = ConfigMaps(control_plane, resources.namespace)
    yield found
    found.close()


def waits_for(resources: Resources, status: str, reason: str) -> dict[str, Any]:
    """Wait until the resource says how it stands with its ConfigMap, and give it."""

    def is_reported(body: dict[str, Any]) -> bool:
        found = condition(body, "OutputsWritten")
        return found is not None and (found["status"], found["reason"]) == (status, reason)

    return resources.wait("orders", is_reported, says=reason)


def substituted(text: str, values: dict[str, str]) -> str:
    """Put values into a manifest, as Flux's ``postBuild`` does: what is missing is empty."""
    return re.sub(r"\$\{(\w+)\}", lambda match: values.get(match[1], ""), text)


def blocks(title: str) -> list[str]:
    """Give the YAML of a section of the page about both ends of a connection."""
    text = section(DOCS / "cloud-endpoints.md", title)
    return re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def block(title: str, kind: str) -> str:
    (found,) = [each for each in blocks(title) if f"\nkind: {kind}\n" in each]
    return found


@pytest.mark.usefixtures("allowed", "controller_manager")
def test_what_the_walk_through_shows_goes_from_nothing_to_available_in_one_commit(
    control_plane: ControlPlane, resources: Resources, config_maps: ConfigMaps, place: Place
) -> None:
    clouds.install(control_plane, ACK)
    shown = yaml.safe_load(block("For a serverless instance", "ServerlessPrivateEndpoint"))["spec"]
    here = {name: place.spec()[name] for name in ("projectId", "instanceName", "credentialsSecretRef")}
    resources.create("orders", {**shown, **here})
    wait_until(lambda: config_maps.get("orders-atlas") is not None, "the ConfigMap")

    data = config_maps.data("orders-atlas")
    body = resources.wait(
        "orders", lambda found: ready(found)["reason"] == "WaitingForCloudEndpoint", says="the service"
    )
    assert data == {
        "endpointId": body["status"]["reservation"]["endpointId"],
        "endpointServiceName": body["status"]["endpoint"]["endpointServiceName"],
    }
    network = yaml.safe_load(substituted(block("AWS with ACK", "VPCEndpoint"), data))
    assert network["spec"]["serviceName"] == data["endpointServiceName"]
    vpc_endpoint = CloudObject(control_plane, resources.namespace, ACK, network["metadata"]["name"])
    vpc_endpoint.create(network["spec"])
    vpc_endpoint.report(vpcEndpointID=CLOUD_ENDPOINT, state="pendingAcceptance")
    resources.wait_ready("orders")
    waits_for(resources, "True", "Written")
    assert config_maps.data("orders-connection")["connectionStringSrv"].startswith("mongodb+srv://")

    resources.delete("orders")
    wait_until(lambda: config_maps.get("orders-atlas") is None, "the garbage collector")
    vpc_endpoint.close()


def test_a_missing_right_is_named_and_the_operator_continues_once_it_is_granted(
    control_plane: ControlPlane, resources: Resources, config_maps: ConfigMaps, place: Place
) -> None:
    resources.create("orders", place.spec(outputConfigMapRef={"name": "out"}))
    body = waits_for(resources, "False", "Refused")
    found = condition(body, "OutputsWritten")
    assert found is not None
    assert "configmaps" in found["message"]
    assert ready(body)["reason"] == "WaitingForCloudEndpoint"
    assert config_maps.get("out") is None

    with granted(control_plane):
        waits_for(resources, "True", "Written")


@pytest.mark.parametrize(
    ("title", "kinds"),
    [
        ("AWS with ACK", {"VPCEndpoint", "Kustomization"}),
        ("Azure with ASO", {"PrivateEndpoint"}),
        ("Google Cloud with Config Connector", {"ComputeAddress", "ComputeForwardingRule"}),
    ],
)
@pytest.mark.usefixtures("crd")
def test_what_a_walk_through_shows_is_taken_by_all_sides(
    control_plane: ControlPlane, title: str, kinds: set[str]
) -> None:
    for kind in (ACK, ASO, ADDRESS, FORWARDING_RULE):
        clouds.install(control_plane, kind)
    control_plane.kubectl("apply", "--server-side", f"--filename={FLUX / 'kustomizations.yaml'}")
    control_plane.wait_for_crds("kustomizations.kustomize.toolkit.fluxcd.io")
    shown = [body for each in blocks(title) for body in yaml.safe_load_all(substituted(each, EXAMPLES))]
    assert {body["kind"] for body in shown} == {"DedicatedPrivateEndpoint", *kinds}
    (resource,) = [body for body in shown if body["kind"] == "DedicatedPrivateEndpoint"]
    named = {"kind": "ConfigMap", "name": resource["spec"]["outputConfigMapRef"]["name"]}
    for flux in (body for body in shown if body["kind"] == "Kustomization"):
        assert flux["spec"]["postBuild"]["substituteFrom"] == [named]
        flux["metadata"]["namespace"] = "default"

    text = yaml.safe_dump_all(shown)
    assert "${" not in text
    control_plane.kubectl("apply", "--dry-run=server", "--validate=strict", "--filename=-", stdin=text)


@pytest.mark.usefixtures("allowed")
def test_the_guide_to_data_federation_goes_from_nothing_to_a_hostname(
    control_plane: ControlPlane, resources: Resources, config_maps: ConfigMaps, place: Place
) -> None:
    clouds.install(control_plane, ACK)
    text = section(DOCS / "data-federation.md", "From nothing to a query")
    shown, network = (yaml.safe_load(each) for each in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL))
    lakes = Resources(control_plane, resources.namespace, {"served-by": LABEL}, names=DATA_FEDERATION_KIND.names)
    lakes.create("lake", {**shown["spec"], "projectId": place.project})
    service = network["spec"]["serviceName"]
    wait_until(lambda: config_maps.data("lake-atlas") == {"endpointServiceName": service}, "the service")
    vpc_endpoint = CloudObject(control_plane, resources.namespace, ACK, network["metadata"]["name"])
    vpc_endpoint.create(network["spec"])
    dns_name = f"{CLOUD_ENDPOINT}-abcdefgh.{service.rpartition('.')[2]}.eu-west-1.vpce.amazonaws.com"
    vpc_endpoint.report(vpcEndpointID=CLOUD_ENDPOINT, dnsEntries=[{"dnsName": dns_name}])

    endpoint = lakes.wait_ready("lake")["status"]["endpoint"]
    assert (endpoint["customerEndpointDnsName"], endpoint["region"]) == (dns_name, "EU_WEST_1")
    wait_until(lambda: config_maps.data("lake-connection").get("endpointId") == CLOUD_ENDPOINT, "the hostname")
    assert config_maps.data("lake-connection")["hostname"].startswith("lake-")
    vpc_endpoint.close()
    lakes.close()


@pytest.mark.usefixtures("allowed", "controller_manager")
def test_the_way_out_leads_to_a_dedicated_cluster_and_the_same_config_maps(  # noqa: PLR0917  # fixtures
    control_plane: ControlPlane,
    resources: Resources,
    config_maps: ConfigMaps,
    atlas: Atlas,
    place: Place,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From the end of the serverless API, by the command that the resource names, to the strings of the dedicated cluster."""
    atlas.connect(place)
    names = {"outputConfigMapRef": "service", "connectionStringConfigMapRef": "connection"}
    fields = {field: {"name": f"orders-{name}"} for field, name in names.items()}
    resources.create("orders", place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, **fields))
    resources.wait_ready("orders")
    wait_until(lambda: config_maps.data("orders-connection").get("clusterName") == "shop", "the former strings")
    former = config_maps.data("orders-connection")
    atlas.fail(place, status=410, errorCode="VERSION_GONE")
    gone = ready(resources.wait_reason("orders", "APIGone"))
    (command,) = re.findall(r"`atlas-endpoints (import [^`]*)`", gone["message"])
    exported = tmp_path / "exported.yaml"
    exported.write_text(control_plane.kubectl("get", "spe", "-n", resources.namespace, "-o", "yaml").stdout)

    typed = command.replace("FILE", str(exported)).replace("REGION", "US_EAST_1")
    assert main(typed.split()) == 0
    successor = capsys.readouterr().out
    labelled = successor.replace("metadata:\n", f"metadata:\n  labels: {{served-by: {LABEL}}}\n")
    control_plane.kubectl("apply", "--filename=-", stdin=labelled)
    dedicated = Resources(control_plane, resources.namespace, {}, names=DEDICATED_KIND.names)
    waiting = dedicated.wait("orders", lambda body: (ready(body) or {}).get("reason") == "WaitingForCloudEndpoint")
    assert waiting["status"]["service"]["region"] == "US_EAST_1"
    assert waiting["status"]["service"]["endpointServiceName"].startswith("com.amazonaws.vpce.us-east-1.")
    atlas.post("clusters", {"projectId": place.project, "name": "shop"})
    dedicated.edit("orders", cloudProviderEndpointId=OTHER_CLOUD_ENDPOINT)
    found = dedicated.wait("orders", lambda body: "orders-connection exists" in str(body["status"]))
    assert (condition(found, "OutputsWritten") or {}).get("reason") == "NotOurs"
    assert config_maps.data("orders-connection") == former

    resources.delete("orders")
    wait_until(lambda: config_maps.data("orders-connection").get("endpointId") == OTHER_CLOUD_ENDPOINT, "the strings")
    assert config_maps.data("orders-connection").keys() > former.keys() - {"region"}
    assert config_maps.data("orders-service")["endpointServiceName"].startswith("com.amazonaws.vpce.us-east-1.")
    dedicated.close()
