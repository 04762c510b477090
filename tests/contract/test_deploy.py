"""What `kubectl apply -k deploy` installs: no right that is not used, no call without its right, a Pod that asks for little."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

import atlas_endpoints
from atlas_endpoints import app
from atlas_endpoints.cli import Commands
from atlas_endpoints.cluster import lease
from atlas_endpoints.cluster.api import GROUP, PLURAL
from atlas_endpoints.settings import OperatorSettings

ROOT = Path(__file__).parents[2]
DEPLOY, CRDS = ROOT / "deploy", ROOT / "crds"
CLUSTER = ROOT / "operator" / "atlas_endpoints" / "cluster"
APIEXTENSIONS, LEASES = "apiextensions.k8s.io", "coordination.k8s.io"


class Call(NamedTuple):
    """A call to the Kubernetes API.

    Attributes:
        module: which module of `cluster/` makes it.
        evidence: the words in that module that make it.
        group: API group.
        resource: resource, with its subresource.
        verb: as RBAC names it.
    """

    module: str
    evidence: str
    group: str
    resource: str
    verb: str


CALLS = (
    Call("watch.py", "kopf.on.event(GROUP, VERSION, PLURAL", GROUP, PLURAL, "list"),
    Call("watch.py", "kopf.on.event(GROUP, VERSION, PLURAL", GROUP, PLURAL, "watch"),
    # kopf waits for the CRD, and goes on when it comes back.
    Call("watch.py", "customresourcedefinitions", APIEXTENSIONS, "customresourcedefinitions", "list"),
    Call("watch.py", "customresourcedefinitions", APIEXTENSIONS, "customresourcedefinitions", "watch"),
    Call("writer.py", 'self._api, "GET", _path(namespace)', GROUP, PLURAL, "list"),
    Call("writer.py", 'self._api, "GET", _path(key.namespace, key.name)', GROUP, PLURAL, "get"),
    Call(
        "writer.py",
        'self._api, "PATCH", (*_path(metadata["namespace"], metadata["name"]), "status")',
        GROUP,
        f"{PLURAL}/status",
        "patch",
    ),
    Call("lease_api.py", "get_namespaced_custom_object", LEASES, "leases", "get"),
    Call("lease_api.py", "create_namespaced_custom_object", LEASES, "leases", "create"),
    Call("lease_api.py", "replace_namespaced_custom_object", LEASES, "leases", "update"),
    Call("lease_api.py", "list_namespaced_custom_object_without_preload_content", LEASES, "leases", "watch"),
    Call("secrets_reader.py", "read_namespaced_secret", "", "secrets", "get"),
)
CLIENT_METHOD = re.compile(
    r"\.((?:read|get|list|create|patch|replace|delete|watch|connect)_(?:namespaced|cluster)_\w+|\w+_for_all_namespaces)\("
)
EXCHANGE = re.compile(r'exchange\((self\._api, "[A-Z]+", \(?\*?_path\([^)]*\)(?:, "\w+"\))?)')
"""The calls past the client's generated methods."""


def words(module: str) -> str:
    """A module of `cluster/` without its line breaks."""
    return re.sub(r"\s+", " ", (CLUSTER / module).read_text(encoding="utf-8")).replace("( ", "(")


def documents(path: Path) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each]


def kustomization(path: Path) -> list[str]:
    (document,) = documents(path)
    resources: list[str] = document["resources"]
    return resources


def shipped() -> list[dict[str, Any]]:
    files = [name for name in kustomization(DEPLOY / "kustomization.yaml") if not name.startswith("../")]
    return [document for name in files for document in documents(DEPLOY / name)]


def the(kind: str) -> dict[str, Any]:
    (found,) = [each for each in shipped() if each["kind"] == kind]
    return found


def rules() -> list[dict[str, Any]]:
    return [*the("ClusterRole")["rules"], *the("Role")["rules"]]


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = the("Deployment")["spec"]["template"]["spec"]
    return spec


def container() -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = pod()["containers"]
    return found


def test_every_manifest_is_installed() -> None:
    files = {path.name for path in DEPLOY.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization(DEPLOY / "kustomization.yaml")) == files | {"../crds"}


def test_every_crd_is_installed() -> None:
    assert set(kustomization(CRDS / "Kustomization")) == {path.name for path in CRDS.glob("*.yaml")}


def test_kubectl_apply_f_of_the_crds_meets_nothing_else() -> None:
    assert {document["kind"] for path in CRDS.glob("*.y*ml") for document in documents(path)} == {
        "CustomResourceDefinition"
    }


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call.verb} {call.resource}: {call.evidence}")
def test_a_call_is_made_where_the_table_says(call: Call) -> None:
    assert call.evidence in words(call.module)


def test_the_table_has_every_method_of_the_client_that_is_called() -> None:
    called = {
        (path.name, found)
        for path in CLUSTER.glob("*.py")
        for pattern in (CLIENT_METHOD, EXCHANGE)
        for found in pattern.findall(words(path.name))
    }
    told = {
        (call.module, call.evidence)
        for call in CALLS
        if CLIENT_METHOD.match(f".{call.evidence}(") or EXCHANGE.match(f"exchange({call.evidence}")
    }
    assert called == told


def test_what_is_granted_is_what_is_called() -> None:
    granted = {
        (group, resource, verb)
        for rule in rules()
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == {(call.group, call.resource, call.verb) for call in CALLS}


def test_no_rule_has_a_wildcard() -> None:
    assert "*" not in {
        each
        for rule in rules()
        for part in ("apiGroups", "resources", "verbs", "resourceNames")
        for each in rule.get(part, ())
    }
    assert not any("nonResourceURLs" in rule for rule in rules())


def test_secrets_can_be_read_by_name_and_not_enumerated() -> None:
    assert [rule["verbs"] for rule in rules() if "secrets" in rule["resources"]] == [["get"]]


def test_of_crds_only_those_of_the_operator_can_be_watched() -> None:
    names = [document["metadata"]["name"] for path in CRDS.glob("*.yaml") for document in documents(path)]
    assert [rule["resourceNames"] for rule in rules() if APIEXTENSIONS in rule["apiGroups"]] == [names]


def test_but_for_creating_it_the_operator_has_rights_on_its_own_lease_alone() -> None:
    name = OperatorSettings.model_fields["lease_name"].default
    named = {verb: rule.get("resourceNames") for rule in the("Role")["rules"] for verb in rule["verbs"]}
    assert named == {"get": [name], "update": [name], "watch": [name], "create": None}
    assert not any(LEASES in rule["apiGroups"] for rule in the("ClusterRole")["rules"])


@pytest.mark.parametrize("kind", ["ClusterRole", "Role"])
def test_the_role_is_bound_to_the_account_that_the_pod_uses(kind: str) -> None:
    account, binding, deployment = the("ServiceAccount"), the(f"{kind}Binding"), the("Deployment")
    namespace, name = account["metadata"]["namespace"], account["metadata"]["name"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "namespace": namespace, "name": name}]
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": kind,
        "name": the(kind)["metadata"]["name"],
    }
    assert the(kind)["metadata"].get("namespace") == binding["metadata"].get("namespace")
    assert (deployment["metadata"]["namespace"], pod()["serviceAccountName"]) == (namespace, name)
    assert the("Namespace")["metadata"]["name"] == namespace


def test_the_account_s_token_is_only_where_it_is_asked_for() -> None:
    assert the("ServiceAccount")["automountServiceAccountToken"] is False
    assert pod()["automountServiceAccountToken"] is True


def test_the_namespace_enforces_the_restricted_pod_security_standard() -> None:
    labels = the("Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_pod_fulfils_the_restricted_pod_security_standard() -> None:
    # https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    assert pod()["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    context = container()["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert not {"hostNetwork", "hostPID", "hostIPC", "volumes", "initContainers"} & pod().keys()
    assert not any("hostPort" in port for port in container()["ports"])


def test_the_root_file_system_is_read_only() -> None:
    assert container()["securityContext"]["readOnlyRootFilesystem"] is True


def test_an_update_waits_for_a_replica_that_stands_by() -> None:
    assert the("Deployment")["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    # Without a Lease, two operators would send what one of them has decided.
    assert OperatorSettings.model_fields["leader_elect"].default is True
    assert not any("leader-elect" in flag for flag in container()["args"])


def test_the_lease_is_where_the_operator_has_rights_on_it() -> None:
    """By default it is in the Pod's own namespace."""
    assert OperatorSettings.model_fields["lease_namespace"].default is None
    assert the("Role")["metadata"]["namespace"] == the("Deployment")["metadata"]["namespace"]


def test_it_may_finish_what_is_under_way_and_hand_over() -> None:
    closing_down = 5
    assert pod()["terminationGracePeriodSeconds"] > app.DRAIN + lease.RELEASE + closing_down


def test_memory_is_bounded_and_cpu_is_not() -> None:
    resources = container()["resources"]
    assert resources["requests"].keys() == {"cpu", "memory"}
    assert resources["limits"].keys() == {"memory"}


def test_the_image_cannot_be_a_stranger_s_and_has_this_version() -> None:
    assert container()["image"] == f"localhost/atlas-endpoints:{atlas_endpoints.__version__}"


def test_arguments_and_variables_are_those_of_the_operator() -> None:
    command, *flags = container()["args"]
    assert command in Commands.model_fields
    names = [flag.partition("=")[0].removeprefix("--").replace("-", "_") for flag in flags]
    names += [each["name"].removeprefix("ATLAS_ENDPOINTS_").lower() for each in container().get("env", ())]
    assert set(names) <= OperatorSettings.model_fields.keys()


@pytest.mark.parametrize(
    ("probe", "path"), [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
)
def test_a_probe_asks_what_is_served(probe: str, path: str) -> None:
    served = (ROOT / "operator" / "atlas_endpoints" / "telemetry" / "probes.py").read_text(encoding="utf-8")
    (port,) = container()["ports"]
    assert container()[probe]["httpGet"] == {"path": path, "port": port["name"]}
    assert f'web.get("{path}"' in served
    assert str(port["containerPort"]) == OperatorSettings.model_fields["http_address"].default.rpartition(":")[2]


def test_the_pods_are_found_by_their_labels() -> None:
    spec = the("Deployment")["spec"]
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


def test_the_seed_for_the_simulator_has_what_the_samples_speak_about() -> None:
    samples = DEPLOY / "samples"
    seeded = {
        (project["id"], instance["name"], instance["providerName"], endpoint["_id"])
        for project in json.loads((samples / "simulator-seed.json").read_text())["projects"]
        for instance in project["instances"]
        for endpoint in instance["endpoints"]
    }
    specs = [
        document["spec"]
        for path in sorted(samples.glob("*.yaml"))
        for document in yaml.safe_load_all(path.read_text())
        if document["kind"] == "ServerlessPrivateEndpoint"
    ]

    assert specs
    assert {(s["projectId"], s["instanceName"], s["providerName"], s["endpointId"]) for s in specs} <= seeded
