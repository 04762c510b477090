"""What the chart lets the operator do with each of its values; tests/contract/test_rbac.py compares the default with its calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from atlas_endpoints.kinds import KINDS
from delivery.helm import CI, NAMESPACE, documents, rendered
from delivery.rights import Right, granted
from support.deploy import the

if TYPE_CHECKING:
    from atlas_endpoints.kinds.commands import KindWithCommands
    from delivery.helm import Helm

GROUP = "atlas-endpoints.dev"
PLURALS = sorted(kind.names.plural for kind in KINDS)
LEASES = ("coordination.k8s.io", "leases")
SECRETS = ("", "secrets")


@pytest.mark.gate
def test_with_namespaces_it_may_do_in_each_what_it_may_do_in_all_and_nothing_elsewhere(helm: Helm) -> None:
    rights = granted(rendered(helm, flags=["--set=watchNamespaces={shop,billing}"]))
    lease = {right for right in rights if (right.group, right.resource) == LEASES}
    in_all = {right for right in granted(rendered(helm)) - lease if right.resource != "customresourcedefinitions"}
    assert rights - lease == {right._replace(namespace=name) for right in in_all for name in ("shop", "billing")}
    assert {right.namespace for right in lease} == {NAMESPACE}


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
    "its own Secret by the right to all": (
        SECRETS,
        [],
        ["--set=credentials.existingSecret=atlas"],
        {Right("", *SECRETS, "get")},
    ),
    "the Lease that it is told to use": (
        LEASES,
        ["replicas"],
        [],
        {
            *(Right("leases", *LEASES, verb, ("private-endpoints",)) for verb in ("get", "update")),
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


@pytest.mark.parametrize("off", KINDS, ids=lambda kind: kind.names.kind)
def test_of_a_kind_that_is_off_it_gets_no_right_and_keeps_all_others(helm: Helm, off: KindWithCommands[Any]) -> None:
    others = ", ".join(kind.names.kind for kind in KINDS if kind is not off).replace(",", r"\,")
    given, plural = granted(rendered(helm, flags=[f"--set=settings.kinds={others}"])), off.names.plural
    without = {
        right._replace(names=tuple(name for name in right.names if name != f"{plural}.{GROUP}"))
        for right in granted(rendered(helm))
        if right.resource.partition("/")[0] != plural
    }
    assert given == without
    assert plural not in repr(given)


def test_a_second_release_has_a_lease_of_its_own(helm: Helm) -> None:
    objects = documents(helm.template(release="second"))
    (name,) = {name for right in granted(objects) if (right.group, right.resource) == LEASES for name in right.names}
    (container,) = the("Deployment", objects, name)["spec"]["template"]["spec"]["containers"]
    assert {"name": "ATLAS_ENDPOINTS_LEASE_NAME", "value": name} in container["env"]
    assert name == "second-atlas-endpoints"


def test_where_others_bring_account_rights_and_crd_there_are_none(helm: Helm) -> None:
    assert {each["kind"] for each in rendered(helm, "given")} == {"Deployment", "Service", "Pod"}


READS = {"get", "list", "watch"}
EDITS = {*READS, "create", "delete", "deletecollection", "patch", "update"}


@pytest.mark.parametrize(("asked", "verbs"), [("view", READS), ("edit", EDITS), ("admin", EDITS)])
def test_people_get_rights_on_resources_and_not_on_their_status_when_they_are_asked_for(
    helm: Helm, asked: str, verbs: set[str]
) -> None:
    objects, default = rendered(helm, flags=[f"--set=rbac.aggregateTo.{asked}=true"]), rendered(helm)
    (role,) = [each for each in objects if each not in default]
    assert role["metadata"]["labels"][f"rbac.authorization.k8s.io/aggregate-to-{asked}"] == "true"
    (rule,) = role["rules"]
    assert (rule["apiGroups"], sorted(rule["resources"]), set(rule["verbs"])) == ([GROUP], PLURALS, verbs)


@pytest.mark.gate
def test_no_rule_has_a_wildcard_or_lists_secrets(helm: Helm) -> None:
    for path in sorted(CI.glob("*-values.yaml")):
        for each in documents(helm.template(values=[path])):
            for rule in each.get("rules") or ():
                assert "*" not in yaml.safe_dump(rule)
                assert "secrets" not in rule["resources"] or rule["verbs"] == ["get"]
