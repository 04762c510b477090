"""Who may write to an entry that several resources name, and whether somebody still needs it. Pure.

Only a resource that manages, is not suspended and whose own credentials have seen the endpoint can own it: nobody gets hold of
an endpoint, or keeps one from being deleted, by naming it alone. Whoever owns it goes on owning it, through lost answers,
outages and a Secret that is away for a moment, until it lastingly cannot work; age decides only where nobody owns it yet.

A resource of another namespace counts only if it is proved (``counts``): for edits, deletions, reservations and restores alike.

All that is read from what the resources' own statuses say, so it holds across restarts. Whoever has seen an endpoint and has
no condition ``Contended`` owns it. The statuses are read as plain JSON, since anybody can make many resources that name an
endpoint, and each reconcile of one of them looks at all of them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, Protocol, TypeAlias

from atlas_endpoints.controller.cache import Body, Key, key_of
from atlas_endpoints.reconcile.metadata import skips
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.status import CONTENDED, Status

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
"""Reasons for which a resource that is Stalled cannot do anything for its endpoint."""

PATIENCE = timedelta(minutes=30)
"""For how long those of its namespace wait for a resource that has not come to see the endpoint, since something fails that may pass."""

PROOF_WAIT = timedelta(minutes=5)
"""How long after its resource an endpoint is deleted that one of another namespace names, which may be about to prove itself."""

SKEW = timedelta(seconds=10)
"""By how much the clock of the API server, which tells when a resource was deleted, may be ahead of the operator's own."""


class Undecided(Enum):
    """What is not known yet about the others."""

    UNDECIDED = auto()
    """One of them may still come to see the endpoint."""


@dataclass(frozen=True, slots=True)
class Owner:
    """The resource that an endpoint belongs to instead."""

    key: Key

    def named_for(self, namespace: str) -> str:
        """Name it as far as people of a namespace may know."""
        return f"resource {self.key.name}" if self.key.namespace == namespace else "a resource of another namespace"


Claim: TypeAlias = Owner | Undecided | None

_Status: TypeAlias = Mapping[str, Any] | None
"""A status as the API server has it, which has seen to its schema."""


class Reads(Protocol):
    """What of a kind's objects tells which entry they stand for, as plain JSON."""

    def shown_in(self, status: Mapping[str, Any]) -> str | None:
        """Return the entry that a status shows: the credentials of its resource have seen it."""
        ...

    def recorded_in(self, status: Mapping[str, Any]) -> str | None:
        """Return the entry that was created for a resource, or taken over by it, as its status says."""
        ...

    def scope_name_in(self, spec: Mapping[str, Any]) -> str | None:
        """Return the name of the scope that a spec names."""
        ...


def owner_before(reads: Reads, resource: Resource, others: Collection[Body], now: datetime) -> Claim:
    """Tell who owns the endpoint of a resource in its place; ``None``: nobody, so that it is its own.

    Args:
        reads: the kind.
        resource: whose credentials have seen the endpoint, or are about to look at it.
        others: the resources that stand for an endpoint of the same id, itself among them or not.
        now: wall-clock time, UTC.
    """
    entry = resource.entry
    if resource.spec.management_policy != "Manage" or entry is None:
        return None
    if all(body["metadata"]["uid"] == resource.metadata.uid for body in others):  # as nearly always
        return None
    incumbents = [body for body in others if _owns(reads, body.get("status"), entry)]
    incumbents = [body for body in _rivals(reads, resource, incumbents) if _may_own(body)]
    mine = (resource.metadata.creation_timestamp or "", resource.metadata.uid)
    if owns := _owns(reads, resource.status.to_json(), entry):
        incumbents = [body for body in incumbents if _age(body) < mine]
    if incumbents:
        return Owner(key_of(min(incumbents, key=_age)))
    if owns:
        return None
    older = [body for body in _rivals(reads, resource, others) if _age(body) < mine and _may_own(body)]
    namespace = resource.metadata.namespace
    counting = [body for body in older if counts(reads, body, entry, namespace)]
    able = [body for body in counting if _may_come_to_own(reads, body.get("status"), entry, now)]
    first = min(able, key=_age, default=None)
    if first is not None:
        return Owner(key_of(first)) if _has_seen(reads, first.get("status"), entry) else Undecided.UNDECIDED
    # One of another namespace may be looking in this moment. It can delay the first write alone: its own proof comes before.
    is_proved = _has_seen(reads, resource.status.to_json(), entry)
    return Undecided.UNDECIDED if len(counting) < len(older) and not is_proved else None


def needed_by(reads: Reads, resource: Resource, entry: str, others: Iterable[Body], now: datetime) -> Claim:
    """Tell who still needs an endpoint of a resource that is being deleted, and so has to keep it.

    In its own namespace that is whoever stands for it, whatever its state. Of other namespaces those that are proved: else anybody
    could keep an endpoint from being deleted by naming it. What is not proved may be so soon, as when it is just being restored,
    and is waited for once: until ``PROOF_WAIT`` after the deletion, whatever becomes of it, and whoever comes meanwhile.

    Args:
        reads: the kind.
        resource: that is being deleted.
        entry: its endpoint.
        others: the resources that stand for an endpoint of this id, itself among them or not.
        now: wall-clock time, UTC.
    """
    rivals = _rivals(reads, resource, others)
    needing = [body for body in rivals if counts(reads, body, entry, resource.metadata.namespace)]
    if needing:
        return Owner(key_of(min(needing, key=_age)))
    deleted = resource.metadata.deletion_timestamp or now
    # A deletion that is further ahead is told by a clock that is wrong, and is no reason to wait until then.
    return Undecided.UNDECIDED if rivals and -SKEW <= now - deleted < PROOF_WAIT else None


def is_owner(reads: Reads, body: Body, entry: str) -> bool:
    """Return whether a resource owns the endpoint that it stands for, as far as its own status and spec say."""
    return _may_own(body) and _owns(reads, body.get("status"), entry)


def counts(reads: Reads, body: Body, entry: str, namespace: str) -> bool:
    """Return whether a resource counts as a rival for the resources of a namespace.

    With one of their own namespace always. With one of another namespace if it is proved: its status, which the operator alone
    writes, shows the endpoint, so its own credentials have seen it. Whoever may create a resource can write all the rest.

    Args:
        reads: the kind.
        body: that stands for the endpoint.
        entry: of the endpoint.
        namespace: of those who ask.
    """
    return bool(body["metadata"]["namespace"] == namespace) or _has_seen(reads, body.get("status"), entry)


def is_held(reads: Reads, entry: str, others: Iterable[Body], namespace: str) -> bool:
    """Tell whether an endpoint is somebody's already, so that a resource of a namespace must neither take nor discard it.

    Args:
        reads: the kind.
        entry: of the endpoint.
        others: the resources that stand for it.
        namespace: of the resource that asks.
    """
    return any(counts(reads, body, entry, namespace) for body in others)


def _rivals(reads: Reads, resource: Resource, others: Iterable[Body]) -> list[Body]:
    """Give those that are others, live, and mean the same instance; a project that is not known yet may be the same."""
    uid, scope, project = resource.metadata.uid, resource.scope_name, resource.known_project_id
    return [
        body
        for body in others
        if body["metadata"]["uid"] != uid
        and "deletionTimestamp" not in body["metadata"]
        and reads.scope_name_in(spec := body.get("spec") or {}) == scope
        and (project is None or (spec.get("projectId") or _resolved(body).get("projectId")) in {project, None})
    ]


def _resolved(body: Body) -> Mapping[str, Any]:
    return (body.get("status") or {}).get("resolved") or {}


def _may_own(body: Body) -> bool:
    spec = body.get("spec") or {}
    manages = spec.get("managementPolicy", "Manage") == "Manage"
    return manages and not spec.get("suspend") and not skips(body["metadata"].get("annotations") or {})


def _owns(reads: Reads, status: _Status, entry: str) -> bool:
    """Tell whether a status is that of an owner, as long as its spec lets it be one."""
    return _has_seen(reads, status, entry) and _condition(status, CONTENDED) is None and not _is_unable(status)


def _may_come_to_own(reads: Reads, status: _Status, entry: str, now: datetime) -> bool:
    """Tell whether a resource goes first where nobody owns the endpoint: it can work on it, or may be about to."""
    return not _is_unable(status) if _has_seen(reads, status, entry) else _may_see(reads, status, now)


def _has_seen(reads: Reads, status: _Status, entry: str) -> bool:
    return status is not None and reads.shown_in(status) == entry


def _is_unable(status: _Status) -> bool:
    """Tell whether a resource cannot do anything for its endpoint, and that not only for a moment."""
    stalled = _condition(status, "Stalled")
    return stalled is not None and stalled.get("reason") in UNABLE


def _may_see(reads: Reads, status: _Status, now: datetime) -> bool:
    """Tell whether a resource that has not seen its endpoint may still come to: it is new, or something fails that passes."""
    if not status or status.get("observedGeneration", Status.NEVER_OBSERVED) == Status.NEVER_OBSERVED:
        return True
    failure = status.get("lastError") or {}
    if not failure and reads.shown_in(status) is None and reads.recorded_in(status):
        return True  # it has just come to stand for it
    return bool(failure.get("retryable")) and now - datetime.fromisoformat(failure["since"]) < PATIENCE


def _condition(status: _Status, type_: str) -> Mapping[str, Any] | None:
    conditions = (status or {}).get("conditions") or ()
    for each in conditions:  # a generator would take twice as long, and this is what a claim costs
        if each["type"] == type_:
            found: Mapping[str, Any] = each
            return found
    return None


def _age(body: Body) -> tuple[str, str]:
    """Order resources, the oldest first; RFC 3339 in UTC orders as text, and the uid decides within a second."""
    metadata = body["metadata"]
    return metadata.get("creationTimestamp") or "", metadata["uid"]
