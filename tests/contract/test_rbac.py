"""The operator has the rights that its calls need, and no other: in each overlay, with no Role unbound and none bound elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from atlas_endpoints.kinds import KINDS
from atlas_endpoints.settings import OperatorSettings
from support.deploy import ACCESS, COMPONENTS, NAME, OVERLAYS, manifests, the

APIEXTENSIONS, LEASES, EVENTS = "apiextensions.k8s.io", "coordination.k8s.io", "events.k8s.io"
LEADER_ELECTION = f"{NAME}-leader-election"


RIGHTS = {
    *((kind.names.group, kind.names.plural, verb) for kind in KINDS for verb in ("list", "watch", "get", "patch")),
    *((kind.names.group, f"{kind.names.plural}/status", "patch") for kind in KINDS),
    # kopf waits for the CRD, and goes on when it comes back.
    (APIEXTENSIONS, "customresourcedefinitions", "list"),
    (APIEXTENSIONS, "customresourcedefinitions", "watch"),
    (EVENTS, "events", "create"),
    *((LEASES, "leases", verb) for verb in ("get", "create", "update")),
    ("", "secrets", "get"),
    ("", "namespaces", "get"),
    ("", "configmaps", "get"),
    *(
        (group, resource, "get")
        for kind in OperatorSettings.model_fields["reference_kinds"].default
        for resource, _, group in (kind.partition("."),)
    ),
}
"""Group, resource and verb of each call, with no wildcard; tests/delivery/test_rights_in_use.py proves that each is made."""
OUTPUT_RIGHTS = {("", "configmaps", verb) for verb in ("get", "create", "patch")}
"""Those that are made only with the setting OUTPUTS."""


def shipped(overlay: str = "cluster") -> list[dict[str, Any]]:
    return list(manifests(OVERLAYS[overlay]))


def rules(overlay: str = "cluster") -> list[dict[str, Any]]:
    return [rule for each in shipped(overlay) if each["kind"] in {"ClusterRole", "Role"} for rule in each["rules"]]


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
    assert granted(overlay) == RIGHTS


def test_what_the_component_for_outputs_grants_is_what_is_called_with_it() -> None:
    assert OperatorSettings.model_fields["outputs"].default is False
    (patch,) = yaml.safe_load((COMPONENTS["outputs"] / "rbac.yaml").read_text(encoding="utf-8"))
    assert rights_of(patch["value"]) == OUTPUT_RIGHTS


def test_for_its_namespaces_alone_the_operator_gets_no_right_in_the_cluster() -> None:
    """With namespaces, kopf does not look for the CRD, which is the cluster's."""
    assert granted("namespaced") == {right for right in RIGHTS if right[0] != APIEXTENSIONS}
    assert not {"ClusterRole", "ClusterRoleBinding"} & {each["kind"] for each in shipped("namespaced")}


def test_in_a_namespace_it_may_do_what_it_may_do_in_all_but_for_what_is_the_cluster_s() -> None:
    in_all = [rule for rule in the("ClusterRole", shipped())["rules"] if APIEXTENSIONS not in rule["apiGroups"]]
    assert the("Role", manifests(ACCESS))["rules"] == in_all


def test_of_crds_only_those_of_the_operator_can_be_watched() -> None:
    names = [each["metadata"]["name"] for each in shipped() if each["kind"] == "CustomResourceDefinition"]
    assert [rule["resourceNames"] for rule in rules() if APIEXTENSIONS in rule["apiGroups"]] == [names]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_but_for_creating_it_the_operator_has_rights_on_its_own_lease_alone(overlay: str) -> None:
    name = OperatorSettings.model_fields["lease_name"].default
    ours = [rule for rule in rules(overlay) if LEASES in rule["apiGroups"]]
    named = {verb: rule.get("resourceNames") for rule in ours for verb in rule["verbs"]}
    assert named == {"get": [name], "update": [name], "create": None}
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
