"""Whether something may be deleted in Atlas: no other resource names it, and all that may name it are known."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from atlas_endpoints.cluster.api import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, ForbiddenError
from atlas_endpoints.controller.cache import (
    Body,
    Key,
    generation_of,
    is_deleting,
    key_of,
    status_of,
    uid_of,
    version_of,
)
from atlas_endpoints.controller.log_lines import LogFields
from atlas_endpoints.controller.requeue import Backoff, Requeue, RequeueAfter
from atlas_endpoints.reconcile import ownership
from atlas_endpoints.reconcile.decision import Write
from atlas_endpoints.reconcile.gather import Gatherer
from atlas_endpoints.reconcile.outcome import Outcome
from atlas_endpoints.reconcile.ownership import Owner
from atlas_endpoints.reconcile.reasons import Reason
from atlas_endpoints.reconcile.resource import Resource, Thing
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.reconcile.status import condition_in
from atlas_endpoints.tunings import POLL_FIRST

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Later:
    """A write that may not be made yet: decide again later; ``message`` is for the status, or empty."""

    requeue: Requeue
    message: str = ""


UNPROTECTED = (
    "Other resources may name the same in Atlas. The operator deletes it when it has reconciled each of them once."
)

IS_GONE = "The operator does not find the resource any more, and deletes nothing for it."

OTHERS_UNKNOWN = (
    "The resources of the namespace could not be listed, or what they refer to could not be read, so the operator does not know"
    " whether others name the same in Atlas. It tries again before it deletes anything."
)


MAY_NOT_LIST = (
    "The operator may not list or read, or cannot list now, the resources of a namespace that it should serve, so it does not know whether others"
    " name the same in Atlas. It deletes nothing in Atlas until it may. Ask its administrator, who finds the namespace in its log or in /readyz, to"
    " give it the verbs get, list and watch on {plural} there, as the chart and deploy/access do."
)


class Protection:
    """Finds who protects a thing from deletion.

    What a resource names may follow from its first reconcile, as when it was restored or moved while no operator ran. So a
    deletion waits until this process has reconciled each resource that may name the thing, for a limited time.
    """

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer
        self._memories = gatherer.memories

    def reconciled(self, body: Body, outcome: Outcome, status: Mapping[str, Any]) -> None:
        """Record that a resource was reconciled, if nothing follows at once: it counts when its status is stored.

        Args:
            body: with the status before.
            status: shows what the resource names.
        """
        if outcome.is_complete or self._is_reconciled(body):
            self._memories[key_of(body)].reconciled = generation_of(body), _digest(status)

    async def permit(self, resource: Resource, write: Write, project_id: str) -> Owner | Later | None:
        """Return who or what prevents a write; None: make it now.

        Whoever protects what is deleted is asked last: another resource may have come during any of the calls before.
        """
        ports = self._gatherer.ports
        deletes = resource.thing if write.cause is None and write.deletes is None else write.deletes
        is_deletion = write.cause is None or write.request.method == "DELETE"
        try:
            if is_deletion:
                # Events of this resource, and of others that name the same, may be late or lost.
                existing = await ports.refresh(resource.metadata.namespace)
                if resource.metadata.uid not in existing:
                    return self._later(resource, IS_GONE)
            if deletes is not None and (owner := await self.protector(resource, deletes, project_id)) is not None:
                return owner
        except ClusterUnavailableError as error:
            return self.unlisted(resource, error)
        if is_deletion and ports.may_miss_resources():
            return self._forbidden(resource)
        self._memories[resource.key].is_unlisted = False
        if deletes is not None:
            others = ownership.rivals(self._gatherer.kind, resource, self._naming(resource, deletes, project_id))
            if all(self._is_reconciled(body) for body in others):
                self._memories[resource.key].waiting_since = None
            elif (wait := self.patience(resource.key)) > 0:
                return Later(RequeueAfter(min(wait, POLL_FIRST)), UNPROTECTED)
        is_unchanged = ports.resources.is_unchanged(resource.key, resource.metadata.trigger)
        return None if is_unchanged else Later(RequeueAfter(0.0))

    def unlisted(self, resource: Resource, error: ClusterUnavailableError) -> Later:
        """Return that a DELETE waits until it is known who may need what it deletes, which could not be read."""
        later = (
            self._forbidden(resource) if isinstance(error, ForbiddenError) else self._later(resource, OTHERS_UNKNOWN)
        )
        logger.warning("%s %s", later.message, error, extra=LogFields(key=str(resource.key)))
        return later

    def _forbidden(self, resource: Resource) -> Later:
        return self._later(resource, MAY_NOT_LIST.format(plural=self._gatherer.kind.names.plural))

    def _later(self, resource: Resource, message: str) -> Later:
        self._memories[resource.key].is_unlisted = True
        return Later(Backoff(), message)

    async def protector(self, resource: Resource, thing: Thing, project_id: str | None) -> Owner | None:
        """Return another resource that protects a thing; None: none does.

        Raises:
            ClusterUnavailableError: the other resource, or what it refers to, could not be read.
        """
        asked = set[int]()
        while True:
            # Look anew after each wait: other resources may have come, or changed, meanwhile.
            others = [each for each in self._naming(resource, thing, project_id) if version_of(each) not in asked]
            found = ownership.protectors(self._gatherer.kind, resource, thing, others)
            if not found:
                return None
            if await self._names(found[0], thing):
                return Owner.of(found[0])
            asked.add(version_of(found[0]))

    async def _names(self, known: Body, thing: Thing) -> bool:
        """Return whether a resource, which may name a thing, exists and does so; what its references give now counts.

        Raises:
            ClusterUnavailableError: that could not be read.
        """
        kind, ports = self._gatherer.kind, self._gatherer.ports
        if kind.named_by(known).is_unbound:
            try:
                other = await ports.references.readable(kind.resource.parse(known), age=Age.FRESH)
            except InvalidSpecError:
                return False  # the deletion waits for it
            given = "" if other.thing is None else other.thing.key.casefold()
            if (memory := self._memories.get(key_of(known))) is not None:
                memory.given = given
            if given != thing.key.casefold():
                return False
        body = await ports.read(key_of(known))  # the event of its deletion may have been lost
        return body is not None and uid_of(body) == uid_of(known) and not is_deleting(body)

    def patience(self, key: Key) -> float:
        """Return for how many more seconds the deletion of a resource waits for what is to be done about others."""
        now, memory = self._gatherer.ports.clock.monotonic(), self._memories[key]
        memory.waiting_since = now if memory.waiting_since is None else memory.waiting_since
        return max(0.0, memory.waiting_since + self._gatherer.ports.grace.total_seconds() - now)

    def _is_reconciled(self, body: Body) -> bool:
        generation, digest = self._memories[key_of(body)].reconciled or (None, None)
        status = status_of(body)
        if condition_in(status, "Ready").get("reason") == Reason.SUSPENDED and not ownership.is_suspended(body):
            return False  # an annotation resumes it, which is no new generation
        return generation == generation_of(body) and digest == _digest(status)

    def _naming(self, resource: Resource, thing: Thing, project_id: str | None) -> Sequence[Body]:
        gatherer = self._gatherer
        return [*gatherer.naming(resource, thing.key, project_id), *gatherer.unbound(resource, thing, project_id)]


def _digest(status: Mapping[str, Any]) -> bytes:
    """Return what equals for equal statuses only; thousands are kept."""
    return hashlib.sha256(json.dumps(status, sort_keys=True).encode()).digest()
