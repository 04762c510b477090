"""The Pod that the chart makes: its settings as the operator reads them, and what surrounds it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from atlas_endpoints.settings import OperatorSettings, unknown_variables
from delivery.helm import rendered

if TYPE_CHECKING:
    from delivery.helm import Helm


def the(kind: str, objects: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = [each for each in objects if each["kind"] == kind]
    return found


def pod(objects: list[dict[str, Any]]) -> dict[str, Any]:
    spec: dict[str, Any] = the("Deployment", objects)["spec"]["template"]["spec"]
    return spec


def container(objects: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = [each for each in pod(objects)["containers"] if each["name"] == "operator"]
    return dict(found)


def settings(objects: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> OperatorSettings:
    """Have the operator read the Pod's environment."""
    for each in container(objects).get("env", ()):
        monkeypatch.setenv(each["name"], each["value"])
    assert unknown_variables() == []
    return OperatorSettings()


def test_by_default_every_setting_has_the_operator_s_own_default(helm: Helm) -> None:
    assert "env" not in container(rendered(helm))


@pytest.mark.gate
def test_every_setting_arrives(helm: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = (
        "--set=watchNamespaces={shop,billing}",
        "--set=credentials.namespaces={shop}",
        "--set=references.kinds={vpcendpoints.ec2.aws.upbound.io}",
        "--set=outputs.enabled=true",
        "--set=caBundle.configMap=proxy-ca",
        "--set=leaderElection.leaseName=endpoints,leaderElection.leaseNamespace=leases",
        "--set=leaderElection.leaseDuration=30s",
    )
    read = settings(rendered(helm, "settings", flags=flags), monkeypatch)
    expected = OperatorSettings(
        allow_plain_http=True,
        atlas_url="http://atlas.test.svc:8090",
        ca_file=Path("/etc/atlas-endpoints/ca/ca.crt"),
        namespaces=("shop", "billing"),
        kinds=("DedicatedPrivateEndpoint",),
        label_selector="team=shop",
        credentials_secret="atlas-endpoints/atlas-credentials",
        credentials_namespaces=("shop",),
        reference_kinds=("vpcendpoints.ec2.aws.upbound.io",),
        outputs=True,
        sync_interval=timedelta(minutes=5),
        stall_grace=timedelta(seconds=90),
        max_corrections="50",
        writes=False,
        concurrency=4,
        resource_metrics="counts",
        lease_name="endpoints",
        lease_namespace="leases",
        lease_duration=timedelta(seconds=30),
        http_address="[::]:9090",
        log_format="text",
        log_level="DEBUG",
    )
    assert read == expected
    unset = {name for name, field in OperatorSettings.model_fields.items() if getattr(read, name) == field.default}
    assert unset == {"leader_elect"}  # which goes without a Lease: see the next


def test_leader_election_can_be_switched_off(helm: Helm, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = rendered(helm, "single")
    assert settings(objects, monkeypatch).leader_elect is False
    assert the("Deployment", objects)["spec"]["strategy"] == {"type": "Recreate"}


OWN = '--set-json=extraEnv=[{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}, {"name": "NO_PROXY", "value": "10.0.0.1"}]'
NOT_ON_THE_WAY = "$(KUBERNETES_SERVICE_HOST),.svc,.cluster.local"
PROXIES: dict[str, tuple[list[str], list[str], dict[str, str | None]]] = {
    "which is never on the way to the API server": (
        ["network"],
        [],
        {"HTTPS_PROXY": "http://proxy.example.com:3128", "NO_PROXY": f"{NOT_ON_THE_WAY},.example.com"},
    ),
    "from a Secret, which is not on it either": (["extra"], [], {"HTTPS_PROXY": None, "NO_PROXY": NOT_ON_THE_WAY}),
    "with exceptions of somebody's own": ([], [OWN], {"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "10.0.0.1"}),
    "that there is none of": (["settings"], [], {}),
}


@pytest.mark.parametrize("case", PROXIES)
def test_a_proxy(helm: Helm, case: str) -> None:
    values, flags, expected = PROXIES[case]
    given = {each["name"]: each.get("value") for each in container(rendered(helm, *values, flags=flags))["env"]}
    assert {name: value for name, value in given.items() if name in {"HTTPS_PROXY", "NO_PROXY"}} == expected


@pytest.mark.parametrize(("values", "source"), [("network", "configMap"), ("extra", "secret")])
def test_certificates_are_mounted_where_the_operator_looks_for_them(helm: Helm, values: str, source: str) -> None:
    objects = rendered(helm, values)
    (volume,) = [each for each in pod(objects)["volumes"] if each["name"] == "ca"]
    (mount,) = [each for each in container(objects)["volumeMounts"] if each["name"] == "ca"]
    (item,) = volume[source]["items"]
    variables = {each["name"]: each.get("value") for each in container(objects)["env"]}
    assert f"{mount['mountPath']}/{item['path']}" == variables["ATLAS_ENDPOINTS_CA_FILE"]
    assert item["key"] == item["path"]
    assert mount["readOnly"] is True


def test_on_openshift_no_user_and_no_group_is_fixed_and_the_scc_is_named(helm: Helm) -> None:
    objects = rendered(helm, "openshift")
    template = the("Deployment", objects)["spec"]["template"]
    assert template["metadata"]["annotations"]["openshift.io/required-scc"] == "restricted-v2"
    for spec in (template["spec"], the("Pod", objects)["spec"]):
        for context in (spec["securityContext"], *(each["securityContext"] for each in spec["containers"])):
            assert not {name for name in context if name.endswith(("User", "Group", "Groups"))}
        assert spec["securityContext"]["runAsNonRoot"] is True


def test_labels_and_names_of_a_site_change_no_selector_but_by_name(helm: Helm) -> None:
    objects = rendered(helm, "names")
    deployment = the("Deployment", objects)
    selector = {"app.kubernetes.io/name": "private-endpoints", "app.kubernetes.io/instance": "atlas-endpoints"}
    assert deployment["spec"]["selector"]["matchLabels"] == selector
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels == {**selector, "team": "platform", "sidecar.example.com/inject": "false"}
    assert deployment["metadata"]["name"] == "team-private-endpoints"
    assert all(each["metadata"]["labels"]["team"] == "platform" for each in objects)
    crds = [each for each in objects if each["kind"] == "CustomResourceDefinition"]
    assert crds
    assert not any("helm.sh/resource-policy" in each["metadata"]["annotations"] for each in crds)


def test_what_finds_pods_finds_those_of_the_deployment_and_no_others(helm: Helm) -> None:
    objects = rendered(helm, "replicas", "observed", "openshift")
    labels = the("Deployment", objects)["spec"]["template"]["metadata"]["labels"]
    test_pod = the("Pod", objects)["metadata"]["labels"]
    selectors = [
        the("Service", objects)["spec"]["selector"],
        the("PodDisruptionBudget", objects)["spec"]["selector"]["matchLabels"],
        the("NetworkPolicy", objects)["spec"]["podSelector"]["matchLabels"],
        pod(objects)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()
        assert not selector.items() <= test_pod.items()


@pytest.mark.parametrize(("values", "kind"), [("observed", "ServiceMonitor"), ("pod-monitor", "PodMonitor")])
def test_a_monitor_finds_what_it_scrapes(helm: Helm, values: str, kind: str) -> None:
    objects = rendered(helm, values)
    spec = the(kind, objects)["spec"]
    found = the("Service", objects) if kind == "ServiceMonitor" else the("Deployment", objects)["spec"]["template"]
    (endpoint,) = spec.get("endpoints") or spec["podMetricsEndpoints"]
    ports = found["spec"]["ports"] if kind == "ServiceMonitor" else container(objects)["ports"]
    assert spec["selector"]["matchLabels"].items() <= found["metadata"]["labels"].items()
    assert endpoint["port"] in {port["name"] for port in ports}
    assert endpoint["path"] == "/metrics"


DNS = {("UDP", 53), ("TCP", 53)}
API = {("TCP", 443), ("TCP", 6443)}
EGRESS: dict[str, tuple[list[str], list[str], set[tuple[str, int]]]] = {
    "to DNS, Atlas and the API server": ([], ["networkPolicy.enabled=true"], DNS | API),
    "to proxies": (["network"], [], DNS | {("TCP", port) for port in (443, 3128, 80, 8443)}),
    "to an Atlas at another port": (
        [],
        ["networkPolicy.enabled=true", "settings.atlasUrl=https://atlas.example.com:9443"],
        DNS | API | {("TCP", 9443)},
    ),
    # A rule without ports and peers would allow everything.
    "to DNS alone": ([], ["networkPolicy.enabled=true", "networkPolicy.egressPorts=null"], DNS),
}


@pytest.mark.parametrize("case", EGRESS)
def test_the_network_policy_lets_out(helm: Helm, case: str) -> None:
    values, flags, expected = EGRESS[case]
    policy = the("NetworkPolicy", rendered(helm, *values, flags=[f"--set={each}" for each in flags]))["spec"]
    assert {(port["protocol"], port["port"]) for rule in policy["egress"] for port in rule["ports"]} == expected


def test_the_network_policy_lets_in_who_reads_metrics_and_helm_test(helm: Helm) -> None:
    objects = rendered(helm, "network")
    (metrics, more) = the("NetworkPolicy", objects)["spec"]["ingress"]
    monitoring, test = metrics["from"]
    assert metrics["ports"] == [{"port": "http", "protocol": "TCP"}]
    assert monitoring["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "monitoring"}
    assert test["podSelector"]["matchLabels"].items() <= the("Pod", objects)["metadata"]["labels"].items()
    assert more == {"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}


def test_helm_test_asks_the_service_for_what_the_operator_serves(helm: Helm) -> None:
    objects = rendered(helm, "settings")
    test, service = the("Pod", objects), the("Service", objects)
    (container,) = test["spec"]["containers"]
    port = service["spec"]["ports"][0]["port"]
    assert test["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert container["command"][-1] == f"http://{service['metadata']['name']}.atlas-endpoints:{port}"
    assert port == 9090
    compile(container["command"][2], "helm test", "exec")
