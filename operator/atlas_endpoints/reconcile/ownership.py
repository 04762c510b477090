"""Decide which of several resources that name the same entry may write to it, and which still need it. Pure.

Only a resource that manages, is not suspended and whose credentials have seen the endpoint can own it: naming an
endpoint neither gives control of it nor prevents its deletion. An owner stays the owner, through lost answers,
outages and a missing Secret, until it is lastingly unable to work; age decides only while nobody owns the endpoint.

A resource of another namespace counts only if it is proved (``counts``), for edits, deletions, reservations and
restores.

All this follows from the statuses of the resources, so it survives restarts: a resource whose status shows the
endpoint and has no condition ``Contended`` owns it. Statuses are read as plain JSON, since anybody can create many
resources that name an endpoint, and each reconcile of one of them reads all of them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, TypeAlias

from atlas_endpoints.controller.cache import Body, Key, annotations_of, is_deleting, key_of, spec_of, status_of, uid_of
from atlas_endpoints.reconcile.kind import Kind
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import Resource, project_id_in, skips
from atlas_endpoints.reconcile.status import CONTENDED, Status, condition_in

UNABLE = frozenset[str](
    {
        Reason.CREDENTIALS_INVALID,
        Reason.MISSING_ROLE,
        Reason.IP_NOT_ALLOWED,
        Reason.PROJECT_NOT_FOUND,
        Reason.INSTANCE_NOT_FOUND,
        Reason.INVALID_SPEC,
        Reason.API_GONE,
        Reason.NOT_SERVERLESS,
    }
)
"""Reasons for which a Stalled resource cannot do anything for its endpoint."""

PATIENCE = timedelta(minutes=30)
"""How long resources of the same namespace wait for one that has not seen the endpoint because of a temporary failure."""

PROOF_WAIT = timedelta(minutes=5)
"""How long an endpoint is kept after its resource was deleted if a resource of another namespace names it, which may
soon be proved."""

SKEW = timedelta(seconds=10)
"""How far the clock of the API server, which sets deletion times, may be ahead of the operator's clock."""


class Undecided(Enum):
    """Whether others own the endpoint is not known yet."""

    UNDECIDED = auto()
    """Another resource may still see the endpoint."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The other resource that owns the endpoint."""

    key: Key

    def named_for(self, namespace: str) -> str:
        """Return a description that reveals no names to other namespaces."""
        return f"resource {self.key.name}" if self.key.namespace == namespace else "a resource of another namespace"


Claim: TypeAlias = Owner | Undecided | None


def owner_before(kind: Kind[Any], resource: Resource, others: Collection[Body], now: datetime) -> Claim:
    """Return which other resource owns the endpoint; None: this one does.

    Args:
        resource: its credentials have seen the endpoint, or are about to read it.
        others: the resources that stand for the same endpoint, with or without itself.
    """
    entry = resource.entry
    if resource.spec.management_policy != "Manage" or entry is None:
        return None
    if all(uid_of(body) == resource.metadata.uid for body in others):  # the usual case
        return None
    own = resource.status.to_json()
    incumbents = [body for body in others if _owns(kind, status_of(body), entry)]
    incumbents = [body for body in _rivals(kind, resource, incumbents) if _may_own(body)]
    mine = (resource.metadata.creation_timestamp or "", resource.metadata.uid)
    if owns := _owns(kind, own, entry):
        incumbents = [body for body in incumbents if _age(body) < mine]
    if incumbents:
        return Owner(key_of(min(incumbents, key=_age)))
    if owns:
        return None
    older = [body for body in _rivals(kind, resource, others) if _age(body) < mine and _may_own(body)]
    namespace = resource.metadata.namespace
    counting = [body for body in older if counts(kind, body, entry, namespace)]
    able = [body for body in counting if _has_precedence(kind, status_of(body), entry, now)]
    first = min(able, key=_age, default=None)
    if first is not None:
        return Owner(key_of(first)) if _has_seen(kind, status_of(first), entry) else Undecided.UNDECIDED
    # A resource of another namespace may be reading it right now. It can delay only the first write, and only once: what
    # is still to be created, nobody can see.
    has_waited = (
        _has_seen(kind, own, entry) or resource.status.creation is not None or bool(condition_in(own, CONTENDED))
    )
    return Undecided.UNDECIDED if len(counting) < len(older) and not has_waited else None


def needed_by(kind: Kind[Any], resource: Resource, entry: str, others: Iterable[Body], now: datetime) -> Claim:
    """Return which other resource still needs the endpoint of a resource that is being deleted, so that it has to stay.

    In the same namespace, every resource that stands for it needs it, whatever its state. In other namespaces, only
    proved ones do: otherwise anybody could prevent a deletion by naming the endpoint. A resource that is not proved
    may be so soon, for example after a restore: the deletion waits for it until ``PROOF_WAIT`` has passed, and only
    once.

    Args:
        others: the resources that stand for the same endpoint, with or without itself.
    """
    rivals = _rivals(kind, resource, others)
    needing = [body for body in rivals if counts(kind, body, entry, resource.metadata.namespace)]
    if needing:
        return Owner(key_of(min(needing, key=_age)))
    deleted = resource.metadata.deletion_timestamp or now
    # A deletion further in the future comes from a wrong clock, and is no reason to wait.
    return Undecided.UNDECIDED if rivals and -SKEW <= now - deleted < PROOF_WAIT else None


def is_owner(kind: Kind[Any], body: Body, entry: str) -> bool:
    """Return whether a resource owns the endpoint that it stands for, according to its own status and spec."""
    return _may_own(body) and _owns(kind, status_of(body), entry)


def counts(kind: Kind[Any], body: Body, entry: str, namespace: str) -> bool:
    """Return whether a resource that stands for an endpoint counts as a rival for the resources of a namespace.

    In its own namespace it always does. For another namespace it counts if it is proved: its status, which only the
    operator writes, shows the endpoint, so its own credentials have seen it. Anybody who may create a resource can
    write all the rest.
    """
    return bool(body["metadata"]["namespace"] == namespace) or _has_seen(kind, status_of(body), entry)


def is_claimed_by_other(kind: Kind[Any], entry: str, others: Iterable[Body], namespace: str) -> bool:
    """Return whether an endpoint belongs to one of ``others``, so that ``namespace`` must neither take nor discard it."""
    return any(counts(kind, body, entry, namespace) for body in others)


def sharers(kind: Kind[Any], resource: Resource, entry: str, others: Iterable[Body]) -> Sequence[Body]:
    """Return the other live resources that share an entry, and whose own credentials have seen it."""
    return [body for body in _rivals(kind, resource, others) if _has_seen(kind, status_of(body), entry)]


def _rivals(kind: Kind[Any], resource: Resource, others: Iterable[Body]) -> list[Body]:
    """Return the other live resources of the same scope; a project that is not known yet may be the same."""
    uid, scope, project = resource.metadata.uid, resource.scope_name, resource.known_project_id
    return [
        body
        for body in others
        if uid_of(body) != uid
        and not is_deleting(body)
        and kind.scope_name_in(spec_of(body)) == scope
        and (project is None or project_id_in(body) in {project, None})
    ]


def _may_own(body: Body) -> bool:
    spec = spec_of(body)
    manages = spec.get("managementPolicy", "Manage") == "Manage"
    return manages and not spec.get("suspend") and not skips(annotations_of(body))


def _owns(kind: Kind[Any], status: Mapping[str, Any], entry: str) -> bool:
    """Return whether a status is that of an owner, if the spec permits it."""
    return _has_seen(kind, status, entry) and not condition_in(status, CONTENDED) and not _is_unable(status)


def _has_precedence(kind: Kind[Any], status: Mapping[str, Any], entry: str, now: datetime) -> bool:
    """Return whether a resource has precedence while nobody owns the endpoint: it can work on it, or may soon."""
    return not _is_unable(status) if _has_seen(kind, status, entry) else _may_see(kind, status, now)


def _has_seen(kind: Kind[Any], status: Mapping[str, Any], entry: str) -> bool:
    # Azure does not preserve the letter case of IDs.
    return entry.casefold() in {each.casefold() for each in kind.shown_in(status)}


def _is_unable(status: Mapping[str, Any]) -> bool:
    """Return whether a resource is lastingly unable to do anything for its endpoint."""
    return condition_in(status, "Stalled").get("reason") in UNABLE


def _may_see(kind: Kind[Any], status: Mapping[str, Any], now: datetime) -> bool:
    """Return whether a resource may still see its endpoint: it is new, or its failure is temporary."""
    if not status or status.get("observedGeneration", Status.NEVER_OBSERVED) == Status.NEVER_OBSERVED:
        return True
    failure = status.get("lastError") or {}
    if not failure and not kind.shown_in(status) and kind.recorded_in(status):
        return True  # the endpoint has just been recorded
    return bool(failure.get("retryable")) and now - datetime.fromisoformat(failure["since"]) < PATIENCE


def _age(body: Body) -> tuple[str, str]:
    """Return a sort key, the oldest first; RFC 3339 in UTC sorts as text, and the uid decides within a second."""
    return body["metadata"].get("creationTimestamp") or "", uid_of(body)
