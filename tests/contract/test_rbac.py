"""The operator has the rights that its calls need, and no other: in each overlay, with no Role unbound and none bound elsewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from atlas_endpoints.cluster.api import GROUP, PLURAL
from atlas_endpoints.settings import OperatorSettings
from support.deploy import ACCESS, COMPONENTS, NAME, OVERLAYS, manifests, the

CLUSTER = Path(__file__).parents[2] / "operator" / "atlas_endpoints" / "cluster"
APIEXTENSIONS, LEASES, EVENTS = "apiextensions.k8s.io", "coordination.k8s.io", "events.k8s.io"
LEADER_ELECTION = f"{NAME}-leader-election"


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
        'self._api, "PATCH", _path(metadata["namespace"], metadata["name"], *subresource)',
        GROUP,
        f"{PLURAL}/status",
        "patch",
    ),
    Call(
        "writer.py",
        'self._api, "PATCH", _path(metadata["namespace"], metadata["name"], *subresource)',
        GROUP,
        PLURAL,
        "patch",
    ),
    Call("events.py", 'self._api, "POST", _path(event["metadata"]["namespace"])', EVENTS, "events", "create"),
    Call("lease_api.py", "get_namespaced_custom_object", LEASES, "leases", "get"),
    Call("lease_api.py", "create_namespaced_custom_object", LEASES, "leases", "create"),
    Call("lease_api.py", "replace_namespaced_custom_object", LEASES, "leases", "update"),
    Call("lease_api.py", "list_namespaced_custom_object_without_preload_content", LEASES, "leases", "watch"),
    Call("secrets_reader.py", "read_namespaced_secret", "", "secrets", "get"),
    Call("namespaces_reader.py", "read_namespace", "", "namespaces", "get"),
    Call("references_reader.py", 'self._api, "GET", _path(place)', "", "configmaps", "get"),
    *(
        Call("references_reader.py", 'self._api, "GET", _path(place)', group, resource, "get")
        for kind in OperatorSettings.model_fields["reference_kinds"].default
        for resource, _, group in (kind.partition("."),)
    ),
)
OUTPUT_CALLS = (
    Call("config_maps_writer.py", 'self._api, "GET", _path(namespace, name)', "", "configmaps", "get"),
    Call("config_maps_writer.py", 'self._api, "POST", _path(owner.namespace)', "", "configmaps", "create"),
    Call("config_maps_writer.py", 'self._api, "PATCH", _path(owner.namespace, name)', "", "configmaps", "patch"),
)
"""What is called only with the setting OUTPUTS."""
CLIENT_METHOD = re.compile(
    r"\.((?:read|get|list|create|patch|replace|delete|watch|connect)_(?:namespace|(?:namespaced|cluster)_\w+)|\w+_for_all_namespaces)\("
)
EXCHANGE = re.compile(r'exchange\((self\._api, "[A-Z]+", \(?\*?_path\([^)]*\)(?:, "\w+"\))?)')
"""The calls past the client's generated methods."""


def words(module: str) -> str:
    """A module of `cluster/` without its line breaks."""
    return re.sub(r"\s+", " ", (CLUSTER / module).read_text(encoding="utf-8")).replace("( ", "(")


def shipped(overlay: str = "cluster") -> list[dict[str, Any]]:
    return list(manifests(OVERLAYS[overlay]))


def rules(overlay: str = "cluster") -> list[dict[str, Any]]:
    return [rule for each in shipped(overlay) if each["kind"] in {"ClusterRole", "Role"} for rule in each["rules"]]


@pytest.mark.parametrize(
    "call", [*CALLS, *OUTPUT_CALLS], ids=lambda call: f"{call.verb} {call.resource}: {call.evidence}"
)
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
        for call in (*CALLS, *OUTPUT_CALLS)
        if CLIENT_METHOD.match(f".{call.evidence}(") or EXCHANGE.match(f"exchange({call.evidence}")
    }
    assert called == told


def granted(overlay: str) -> set[tuple[str, str, str]]:
    return {right for rule in rules(overlay) for right in rights_of(rule)}


def rights_of(rule: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.mark.parametrize("overlay", ["cluster", "openshift"])
def test_what_is_granted_is_what_is_called(overlay: str) -> None:
    assert granted(overlay) == {(call.group, call.resource, call.verb) for call in CALLS}


def test_what_the_component_for_outputs_grants_is_what_is_called_with_it() -> None:
    assert OperatorSettings.model_fields["outputs"].default is False
    (patch,) = yaml.safe_load((COMPONENTS["outputs"] / "rbac.yaml").read_text(encoding="utf-8"))
    assert rights_of(patch["value"]) == {(call.group, call.resource, call.verb) for call in OUTPUT_CALLS}


def test_for_its_namespaces_alone_the_operator_gets_no_right_in_the_cluster() -> None:
    """With namespaces, kopf does not look for the CRD, which is the cluster's."""
    assert "result.scanning.disabled = namespaced" in words("watch.py")
    assert granted("namespaced") == {
        (call.group, call.resource, call.verb) for call in CALLS if call.group != APIEXTENSIONS
    }
    assert not {"ClusterRole", "ClusterRoleBinding"} & {each["kind"] for each in shipped("namespaced")}


def test_in_a_namespace_it_may_do_what_it_may_do_in_all_but_for_what_is_the_cluster_s() -> None:
    in_all = [rule for rule in the("ClusterRole", shipped())["rules"] if APIEXTENSIONS not in rule["apiGroups"]]
    assert the("Role", manifests(ACCESS))["rules"] == in_all


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_no_rule_has_a_wildcard(overlay: str) -> None:
    assert "*" not in {
        each
        for rule in rules(overlay)
        for part in ("apiGroups", "resources", "verbs", "resourceNames")
        for each in rule.get(part, ())
    }
    assert not any("nonResourceURLs" in rule for rule in rules(overlay))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_secrets_can_be_read_by_name_and_not_enumerated(overlay: str) -> None:
    assert [rule["verbs"] for rule in rules(overlay) if "secrets" in rule["resources"]] == [["get"]]


def test_of_crds_only_those_of_the_operator_can_be_watched() -> None:
    names = [each["metadata"]["name"] for each in shipped() if each["kind"] == "CustomResourceDefinition"]
    assert [rule["resourceNames"] for rule in rules() if APIEXTENSIONS in rule["apiGroups"]] == [names]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_but_for_creating_it_the_operator_has_rights_on_its_own_lease_alone(overlay: str) -> None:
    name = OperatorSettings.model_fields["lease_name"].default
    ours = [rule for rule in rules(overlay) if LEASES in rule["apiGroups"]]
    named = {verb: rule.get("resourceNames") for rule in ours for verb in rule["verbs"]}
    assert named == {"get": [name], "update": [name], "watch": [name], "create": None}
    assert the("Role", shipped(overlay), LEADER_ELECTION)["rules"] == ours


@pytest.mark.parametrize(
    ("overlay", "kind", "name"),
    [
        ("cluster", "ClusterRole", NAME),
        ("cluster", "Role", LEADER_ELECTION),
        ("namespaced", "Role", NAME),
        ("namespaced", "Role", LEADER_ELECTION),
    ],
)
def test_the_role_is_bound_to_the_account_that_the_pod_uses(overlay: str, kind: str, name: str) -> None:
    objects = shipped(overlay)
    account, role, binding = (
        the("ServiceAccount", objects),
        the(kind, objects, name),
        the(f"{kind}Binding", objects, name),
    )
    subject = {"kind": "ServiceAccount", "namespace": account["metadata"]["namespace"], "name": NAME}
    assert binding["subjects"] == [subject]
    assert binding["roleRef"] == {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}
    assert role["metadata"].get("namespace") == binding["metadata"].get("namespace")
    deployment = the("Deployment", objects)
    account_of_pod = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    assert (deployment["metadata"]["namespace"], account_of_pod) == (subject["namespace"], NAME)
    assert the("Namespace", objects)["metadata"]["name"] == subject["namespace"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_role_is_bound(overlay: str) -> None:
    roles = sorted(
        (each["kind"], each["metadata"]["name"]) for each in shipped(overlay) if each["kind"].endswith("Role")
    )
    bound = [each["roleRef"] for each in shipped(overlay) if each["kind"].endswith("RoleBinding")]
    assert sorted((each["kind"], each["name"]) for each in bound) == roles


def test_the_lease_is_where_the_operator_has_rights_on_it() -> None:
    """By default it is in the Pod's own namespace."""
    assert OperatorSettings.model_fields["lease_namespace"].default is None
    role = the("Role", shipped(), LEADER_ELECTION)
    assert role["metadata"]["namespace"] == the("Deployment", shipped())["metadata"]["namespace"]
