"""What the chart lets the operator do: what `deploy/` does, which tests/contract/test_rbac.py compares with its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from delivery.helm import CI, NAMESPACE, documents, rendered
from delivery.rights import Right, granted
from support.deploy import ACCESS, manifests, the

if TYPE_CHECKING:
    from delivery.helm import Helm

GROUP = "atlas-endpoints.dev"
PLURALS = ["dedicatedprivateendpoints", "serverlessprivateendpoints"]
LEASES = ("coordination.k8s.io", "leases")
SECRETS = ("", "secrets")
USERS = ("rbac.authorization.k8s.io/aggregate-to-view", "rbac.authorization.k8s.io/aggregate-to-edit")


def test_with_namespaces_it_may_do_in_each_what_deploy_access_lets_it_do_and_nothing_elsewhere(helm: Helm) -> None:
    rights = granted(rendered(helm, flags=["--set=watchNamespaces={shop,billing}"]))
    in_one = {right._replace(namespace="") for right in granted(list(manifests(ACCESS)))}
    lease = {right for right in rights if (right.group, right.resource) == LEASES}
    assert rights - lease == {right._replace(namespace=name) for right in in_one for name in ("shop", "billing")}
    assert {right.namespace for right in lease} == {NAMESPACE}


def test_it_may_watch_the_namespace_that_it_is_in(helm: Helm) -> None:
    objects = rendered(helm, flags=[f"--set=watchNamespaces={{{NAMESPACE}}}"])
    names = [(each["kind"], each["metadata"]["name"]) for each in objects if each["kind"].startswith("Role")]
    assert len(names) == len(set(names))
    assert {right.namespace for right in granted(objects)} == {NAMESPACE}


IN_SHOP = Right("shop", *SECRETS, "get", ("atlas-credentials",))
OWN = Right(NAMESPACE, *SECRETS, "get", ("atlas",))
NAMED: dict[str, tuple[tuple[str, str], list[str], list[str], set[Right]]] = {
    "Secrets in namespaces: those that are named, and its own": (
        SECRETS,
        ["namespaced"],
        [],
        {IN_SHOP, IN_SHOP._replace(namespace="billing"), OWN._replace(namespace="platform")},
    ),
    "Secrets in the whole cluster: the same": (
        SECRETS,
        [],
        ["--set=rbac.secretNames={atlas-credentials},credentials.existingSecret=atlas"],
        {IN_SHOP._replace(namespace=""), OWN},
    ),
    "the Lease that it is told to use": (
        LEASES,
        ["replicas"],
        [],
        {
            *(Right("leases", *LEASES, verb, ("private-endpoints",)) for verb in ("get", "update", "watch")),
            Right("leases", *LEASES, "create"),
        },
    ),
    "no Lease without leader election": (LEASES, ["single"], [], set()),
}


@pytest.mark.parametrize("case", NAMED)
def test_of_secrets_and_leases_it_may_touch_those_that_are_named(helm: Helm, case: str) -> None:
    kind, values, flags, rights = NAMED[case]
    given = granted(rendered(helm, *values, flags=flags))
    assert {right for right in given if (right.group, right.resource) == kind} == rights


def test_its_own_secret_takes_no_right_of_its_own_where_it_may_read_all(helm: Helm) -> None:
    assert granted(rendered(helm, flags=["--set=credentials.existingSecret=atlas"])) == granted(rendered(helm))


def test_a_second_release_has_a_lease_of_its_own(helm: Helm) -> None:
    objects = documents(helm.template(release="second"))
    (name,) = {
        name
        for each in objects
        if each["kind"] == "Role"
        for rule in each["rules"]
        for name in rule.get("resourceNames", ())
    }
    (container,) = the("Deployment", objects, name)["spec"]["template"]["spec"]["containers"]
    assert {"name": "ATLAS_ENDPOINTS_LEASE_NAME", "value": name} in container["env"]
    assert name == "second-atlas-endpoints"


def test_where_others_bring_account_rights_and_crd_there_are_none(helm: Helm) -> None:
    kinds = {each["kind"] for each in rendered(helm, "given")}
    assert kinds == {"Deployment", "Service", "Pod"}


def test_people_get_rights_only_when_they_are_asked_for(helm: Helm) -> None:
    assert not [each for each in rendered(helm) if set(USERS) & set(each["metadata"]["labels"])]


READS = {"get", "list", "watch"}
EDITS = {*READS, "create", "delete", "deletecollection", "patch", "update"}


@pytest.mark.parametrize(("asked", "verbs"), [("view", READS), ("edit", EDITS), ("admin", EDITS)])
def test_a_role_of_kubernetes_gets_rights_on_resources_and_not_on_their_status(
    helm: Helm, asked: str, verbs: set[str]
) -> None:
    objects = rendered(helm, flags=[f"--set=rbac.aggregateTo.{asked}=true"])
    label = f"rbac.authorization.k8s.io/aggregate-to-{asked}"
    (role,) = [each for each in objects if each["metadata"]["labels"].get(label) == "true"]
    (rule,) = role["rules"]
    assert (rule["apiGroups"], rule["resources"], set(rule["verbs"])) == ([GROUP], PLURALS, verbs)
    assert granted(objects) == granted(rendered(helm))  # the operator's own are as before


def test_no_rule_has_a_wildcard_or_lists_secrets(helm: Helm) -> None:
    for path in sorted(CI.glob("*-values.yaml")):
        for each in documents(helm.template(values=[path])):
            for rule in each.get("rules") or ():
                assert "*" not in yaml.safe_dump(rule)
                assert "secrets" not in rule["resources"] or rule["verbs"] == ["get"]
