"""What the roles of an installation let its operator do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection

ROLES, BINDINGS = {"Role", "ClusterRole"}, {"RoleBinding", "ClusterRoleBinding"}


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


def granted(objects: Collection[dict[str, Any]]) -> set[Right]:
    """Give the rights of roles that are bound; all of them have to be bound to the same one account."""
    roles = {(each["kind"], *_named(each["metadata"])): each["rules"] for each in objects if each["kind"] in ROLES}
    bindings = [each for each in objects if each["kind"] in BINDINGS]
    accounts = {(subject["namespace"], subject["name"]) for each in bindings for subject in each["subjects"]}
    assert len(accounts) == 1, accounts
    return {
        Right(where, group, resource, verb, tuple(rule.get("resourceNames", ())))
        for each in bindings
        for where in (each["metadata"].get("namespace", ""),)
        for rule in roles[each["roleRef"]["kind"], each["roleRef"]["name"], where]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def _named(metadata: dict[str, Any]) -> tuple[str, str]:
    return metadata["name"], metadata.get("namespace", "")
