"""Decide which of several resources that name the same endpoint may write to it, and which protect it from deletion. Pure.

A resource names an endpoint, and perhaps a service that it shares, by the keys of its kind (``Kind.named_by``). An owner stays
the owner, whatever fails, until it is deleted, suspended or only observes. While nobody owns the endpoint, the oldest resource
that counts does.

A resource of another namespace counts only if it is proved (``counts``), for edits, deletions, reservations and restores:
naming an endpoint does not give control of it.

All this follows from the specs and statuses of the resources, so it survives restarts: a resource whose status shows the
endpoint and has no condition ``Contended`` owns it. Both are read as plain JSON, since anybody can create many resources that
name an endpoint, and each reconcile of one of them reads all of them.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, TypeAlias

from atlas_endpoints.controller.cache import Body, Key, annotations_of, is_deleting, key_of, spec_of, status_of, uid_of
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.resource import Resource, Thing, project_id_in, skips
from atlas_endpoints.reconcile.status import CONTENDED, condition_in

UNBOUND = "by a reference"
"""Ends the key of what is shared, in any project, for those of which nobody knows yet which endpoint of it they name."""


class Unlisted(Enum):
    """The owner may be in a namespace that the operator may not list."""

    UNLISTED = auto()


@dataclass(frozen=True, slots=True)
class Owner:
    """The other resource that owns an endpoint, or protects it.

    Attributes:
        is_certain: whether it names the endpoint; otherwise it may, since nobody knows its project yet.
    """

    key: Key
    is_certain: bool = True

    @classmethod
    def of(cls, body: Body) -> "Owner":
        return cls(key_of(body), project_id_in(body) is not None)

    def named_for(self, namespace: str) -> str:
        """Return a description that reveals no names to other namespaces."""
        return f"resource {self.key.name}" if self.key.namespace == namespace else "a resource of another namespace"


Claim: TypeAlias = Owner | Unlisted | None


def index_of(kind: Kind[Any], body: Body) -> Collection[str]:
    """Return the values by which an object is found among those that name the same; see :func:`found_by`."""
    named, project = kind.named_by(body), project_id_in(body)
    shared = named.shared and f"{project or _unknown_project_in(body['metadata']['namespace'])} {named.shared}"
    unbound = f"{named.shared} {UNBOUND}" if named.is_unbound else None
    recorded = None if named.recorded is None else Thing.endpoint(named.recorded).key
    return tuple(value for value in (named.exclusive, shared, unbound, recorded) if value is not None)


def found_by(key: str, *, project_id: str | None, namespace: str) -> Sequence[str]:
    """Return the values of :func:`index_of` of those that name something, by its key; in the namespace, also in an unknown project.

    Args:
        project_id: None: not known.
    """
    # What is shared has the same key in each project, and thousands of resources may name it.
    return key, f"{project_id} {key}", f"{_unknown_project_in(namespace)} {key}"


def _unknown_project_in(namespace: str) -> str:
    return f"{namespace}/"


def owner_before(
    kind: Kind[Any], resource: Resource, others: Collection[Body], *, changes: bool, may_miss: Callable[[], bool]
) -> Claim:
    """Return which other resource owns the endpoint; None: this one does.

    Args:
        resource: its credentials have seen the endpoint, or are about to read it.
        others: the resources that name the same endpoint, with or without itself.
        changes: whether it would change what Atlas has of the endpoint.
        may_miss: returns whether there may be others in a namespace that the operator may not list. Then nothing is taken over.
    """
    thing = resource.thing
    if resource.spec.management_policy != "Manage" or thing is None:
        return None
    able = [body for body in rivals(kind, resource, others) if _may_own(body)]
    if not able and not may_miss():
        return None
    own = resource.status.to_json()
    owns, namespace = _owns(kind, own, thing.id), resource.metadata.namespace
    mine = (resource.metadata.creation_timestamp or "", resource.metadata.uid)
    owners = [body for body in able if _owns(kind, status_of(body), thing.id) and (not owns or _age(body) < mine)]
    if not owners and not owns:
        owners = [body for body in able if _age(body) < mine and counts(kind, body, thing.id, namespace)]
    if owners:
        return Owner.of(min(owners, key=_age))
    # It takes over what may be another's: after a Conflict, by a copied annotation, or by a first change.
    is_foreign = not resource.is_owner or (changes and not resource.creates_its_own)
    takes_over = condition_in(own, CONTENDED) or (is_foreign and not has_seen(kind, own, thing.id))
    return Unlisted.UNLISTED if takes_over and may_miss() else None


def standing(kind: Kind[Any], body: Body) -> object:
    """Return everything in an object from which others may conclude that they own its endpoint."""
    status = status_of(body)
    return is_deleting(body), _may_own(body), frozenset(kind.shown_in(status)), bool(condition_in(status, CONTENDED))


def in_conflict(kind: Kind[Any], body: Body, found_by: Callable[[str], Iterable[Body]]) -> Sequence[Key]:
    """Return the other resources that wait since somebody else owns, or may own, the endpoint that an object names."""
    key = kind.named_by(body).exclusive
    others = () if key is None else found_by(key)
    return [
        key_of(each) for each in others if uid_of(each) != uid_of(body) and condition_in(status_of(each), CONTENDED)
    ]


def protectors(kind: Kind[Any], resource: Resource, thing: Thing, others: Iterable[Body]) -> Sequence[Body]:
    """Return the other live resources that protect a thing from deletion, the oldest first.

    In the same namespace every resource that names it does, in any state. In other namespaces only proved ones do: otherwise
    anybody could prevent a deletion by naming the thing.

    Args:
        others: the resources that name the thing, with or without itself.
    """
    namespace = resource.metadata.namespace
    found = (body for body in rivals(kind, resource, others) if counts(kind, body, thing.id, namespace))
    return sorted(found, key=_age)


def sharers(kind: Kind[Any], resource: Resource, thing: Thing, others: Iterable[Body]) -> Sequence[Body]:
    """Return the other resources that name a thing and whose own credentials have seen it, also those that are being deleted."""
    found = rivals(kind, resource, others, deleting=True)
    return [body for body in found if has_seen(kind, status_of(body), thing.id)]


def is_owner(kind: Kind[Any], body: Body, id_: str) -> bool:
    """Return whether a resource owns the endpoint that it names, according to its own status and spec."""
    return _may_own(body) and _owns(kind, status_of(body), id_)


def counts(kind: Kind[Any], body: Body, id_: str, namespace: str) -> bool:
    """Return whether a resource that names a thing counts for the resources of a namespace.

    In its own namespace it always does. For another namespace it counts if it is proved: its status, which only the
    operator writes, shows the thing, so its own credentials have seen it. Anybody who may create a resource can
    write all the rest.
    """
    return bool(body["metadata"]["namespace"] == namespace) or has_seen(kind, status_of(body), id_)


def has_seen(kind: Kind[Any], status: Mapping[str, Any], id_: str) -> bool:
    """Return whether a status shows a thing."""
    # Azure does not preserve the letter case of IDs.
    return id_.casefold() in {each.casefold() for each in kind.shown_in(status)}


def rivals(kind: Kind[Any], resource: Resource, others: Iterable[Body], *, deleting: bool = False) -> list[Body]:
    """Return the other resources of the same scope, proved or not; a project that is not known yet may be the same.

    Args:
        deleting: whether those that are being deleted are among them.
    """
    uid, scope, project = resource.metadata.uid, resource.scope_name, resource.known_project_id
    return [
        body
        for body in others
        if uid_of(body) != uid
        and (deleting or not is_deleting(body))
        and kind.scope_name_in(spec_of(body)) == scope
        and (project is None or project_id_in(body) in {project, None})
    ]


def is_suspended(body: Body) -> bool:
    """Return whether the operator leaves a resource alone, except for its deletion."""
    return bool(spec_of(body).get("suspend") or skips(annotations_of(body)))


def _may_own(body: Body) -> bool:
    return spec_of(body).get("managementPolicy", "Manage") == "Manage" and not is_suspended(body)


def _owns(kind: Kind[Any], status: Mapping[str, Any], id_: str) -> bool:
    """Return whether a status is that of an owner, if the spec permits it."""
    return has_seen(kind, status, id_) and not condition_in(status, CONTENDED)


def _age(body: Body) -> tuple[str, str]:
    """Return a sort key, the oldest first; RFC 3339 in UTC sorts as text, and the uid decides within a second."""
    return body["metadata"].get("creationTimestamp") or "", uid_of(body)
