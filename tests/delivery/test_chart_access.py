"""What the chart lets the operator do: what `deploy/` does, which tests/contract/test_rbac.py compares with its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml

from delivery.helm import CHART, NAMESPACE, documents
from support.deploy import ACCESS, OVERLAYS, manifests

if TYPE_CHECKING:
    from collections.abc import Iterable

    from delivery.helm import Helm

CI = CHART / "ci"
RESOURCES = ("atlas-endpoints.dev", "serverlessprivateendpoints")
STATUS = ("atlas-endpoints.dev", "serverlessprivateendpoints/status")
LEASES = ("coordination.k8s.io", "leases")
SECRETS = ("", "secrets")
USERS = ("rbac.authorization.k8s.io/aggregate-to-view", "rbac.authorization.k8s.io/aggregate-to-edit")


class Right(NamedTuple):
    """One verb on one kind of object.

    Attributes:
        namespace: where; empty: in all of them.
        group: API group.
        resource: resource, with its subresource.
        verb: as RBAC names it.
        names: of the objects; empty: of any name.
    """

    namespace: str
    group: str
    resource: str
    verb: str
    names: tuple[str, ...] = ()


def granted(objects: Iterable[dict[str, Any]]) -> set[Right]:
    """Give the rights of the operator's account: those of roles that are bound to it."""
    roles = {
        (each["kind"], each["metadata"]["name"], each["metadata"].get("namespace", "")): each["rules"]
        for each in objects
        if each["kind"] in {"Role", "ClusterRole"}
    }
    (account,) = {
        (subject["namespace"], subject["name"])
        for each in objects
        if each["kind"] in {"RoleBinding", "ClusterRoleBinding"}
        for subject in each["subjects"]
    }
    assert account == (NAMESPACE, "atlas-endpoints")
    bound = [
        (each["roleRef"]["kind"], each["roleRef"]["name"], each["metadata"].get("namespace", ""))
        for each in objects
        if each["kind"] in {"RoleBinding", "ClusterRoleBinding"}
    ]
    return {
        Right(reference[2], group, resource, verb, tuple(rule.get("resourceNames", ())))
        for reference in bound
        for rule in roles[reference]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def rendered(helm: Helm, *values: str) -> list[dict[str, Any]]:
    return documents(helm.template(*(f"--values={CI / name}-values.yaml" for name in values)))


def test_by_default_it_may_do_what_the_overlay_for_the_whole_cluster_lets_it_do(helm: Helm) -> None:
    assert granted(rendered(helm)) == granted(list(manifests(OVERLAYS["cluster"])))


def test_with_namespaces_it_may_do_in_each_what_deploy_access_lets_it_do_and_nothing_elsewhere(helm: Helm) -> None:
    rights = granted(documents(helm.template("--set=watchNamespaces={shop,billing}")))
    in_one = {right._replace(namespace="") for right in granted(list(manifests(ACCESS)))}
    lease = {right for right in rights if (right.group, right.resource) == LEASES}
    assert rights - lease == {right._replace(namespace=name) for right in in_one for name in ("shop", "billing")}
    assert {right.namespace for right in lease} == {NAMESPACE}


def test_it_may_watch_the_namespace_that_it_is_in(helm: Helm) -> None:
    objects = documents(helm.template(f"--set=watchNamespaces={{{NAMESPACE}}}"))
    names = [(each["kind"], each["metadata"]["name"]) for each in objects if each["kind"].startswith("Role")]
    assert len(names) == len(set(names))
    assert {right.namespace for right in granted(objects)} == {NAMESPACE}


def test_of_secrets_it_may_read_those_that_are_named_and_its_own(helm: Helm) -> None:
    secrets = {right for right in granted(rendered(helm, "namespaced")) if (right.group, right.resource) == SECRETS}
    assert secrets == {
        Right("shop", *SECRETS, "get", ("atlas-credentials",)),
        Right("billing", *SECRETS, "get", ("atlas-credentials",)),
        Right("platform", *SECRETS, "get", ("atlas",)),
    }


def test_in_the_whole_cluster_too(helm: Helm) -> None:
    objects = documents(helm.template("--set=rbac.secretNames={atlas-credentials},credentials.existingSecret=atlas"))
    assert {right for right in granted(objects) if (right.group, right.resource) == SECRETS} == {
        Right("", *SECRETS, "get", ("atlas-credentials",)),
        Right(NAMESPACE, *SECRETS, "get", ("atlas",)),
    }


def test_its_own_secret_takes_no_right_of_its_own_where_it_may_read_all(helm: Helm) -> None:
    assert granted(documents(helm.template("--set=credentials.existingSecret=atlas"))) == granted(rendered(helm))


def test_the_lease_is_the_one_that_the_operator_is_told_to_use(helm: Helm) -> None:
    objects = rendered(helm, "replicas")
    leases = {right for right in granted(objects) if (right.group, right.resource) == LEASES}
    assert leases == {
        *(Right("leases", *LEASES, verb, ("private-endpoints",)) for verb in ("get", "update", "watch")),
        Right("leases", *LEASES, "create"),
    }


def test_without_leader_election_it_may_touch_no_lease(helm: Helm) -> None:
    assert not {right for right in granted(rendered(helm, "single")) if (right.group, right.resource) == LEASES}


def test_a_second_release_has_a_lease_of_its_own(helm: Helm) -> None:
    objects = documents(helm.template(release="second"))
    (name,) = {
        name
        for each in objects
        if each["kind"] == "Role"
        for rule in each["rules"]
        for name in rule.get("resourceNames", ())
    }
    (deployment,) = [each for each in objects if each["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {"name": "ATLAS_ENDPOINTS_LEASE_NAME", "value": name} in container["env"]
    assert name == "second-atlas-endpoints"


def test_where_others_bring_account_rights_and_crd_there_are_none(helm: Helm) -> None:
    kinds = {each["kind"] for each in rendered(helm, "given")}
    assert kinds == {"Deployment", "Service", "Pod"}


def test_people_get_rights_only_when_they_are_asked_for(helm: Helm) -> None:
    assert not [each for each in rendered(helm) if set(USERS) & set(each["metadata"]["labels"])]


@pytest.mark.parametrize(
    ("asked", "label", "verbs"),
    [
        ("view", "view", {"get", "list", "watch"}),
        ("edit", "edit", {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}),
        ("admin", "admin", {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}),
    ],
)
def test_a_role_of_kubernetes_gets_rights_on_resources_and_not_on_their_status(
    helm: Helm, asked: str, label: str, verbs: set[str]
) -> None:
    objects = documents(helm.template(f"--set=rbac.aggregateTo.{asked}=true"))
    label = f"rbac.authorization.k8s.io/aggregate-to-{label}"
    (role,) = [each for each in objects if each["metadata"]["labels"].get(label) == "true"]
    (rule,) = role["rules"]
    assert (rule["apiGroups"], rule["resources"], set(rule["verbs"])) == ([RESOURCES[0]], [RESOURCES[1]], verbs)
    assert granted(objects) == granted(rendered(helm))  # the operator's own are as before


def test_no_rule_has_a_wildcard_or_lists_secrets(helm: Helm) -> None:
    for path in sorted(CI.glob("*-values.yaml")):
        for each in documents(helm.template(values=[path])):
            for rule in each.get("rules") or ():
                assert "*" not in yaml.safe_dump(rule)
                assert "secrets" not in rule["resources"] or rule["verbs"] == ["get"]
