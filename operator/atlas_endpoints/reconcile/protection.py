"""Whether something may be deleted in Atlas: no other resource names it, and all that may name it are known."""

from collections.abc import Sequence
from dataclasses import dataclass

from atlas_endpoints.controller.cache import Body, Key, is_deleting, key_of, uid_of
from atlas_endpoints.controller.requeue import Backoff, RequeueAfter
from atlas_endpoints.reconcile import ownership
from atlas_endpoints.reconcile.gather import Gatherer
from atlas_endpoints.reconcile.kind import POLL_FIRST, POLL_LAST, Write
from atlas_endpoints.reconcile.outcome import Outcome
from atlas_endpoints.reconcile.ownership import Owner
from atlas_endpoints.reconcile.resource import Resource, Thing


@dataclass(frozen=True, slots=True)
class Later:
    """A write that may not be made yet: decide again after so many seconds; ``message`` is for the status, or empty."""

    seconds: float
    message: str = ""


UNPROTECTED = (
    "Other resources may name the same in Atlas. The operator deletes it when it has reconciled each of them once."
)


class Protection:
    """Finds who protects a thing from deletion.

    What a resource names may follow from its first reconcile, as when it was restored or moved while no operator ran. So a
    deletion waits until this process has reconciled each resource that may name the thing, for a limited time.
    """

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer
        self._reconciled: dict[Key, str | None] = {}
        """The version of each object whose status was still to be written when its reconcile was done; None: it was the same."""
        self._waiting_since: dict[Key, float] = {}

    def reconciled(self, body: Body, outcome: Outcome, *, is_written: bool) -> None:
        """Record that a resource was reconciled, if nothing follows at once: its status then shows what it names.

        Args:
            is_written: whether the API server has this status already.
        """
        if outcome.metadata is not None or outcome.unreported is not None:
            return
        match outcome.requeue:
            case Backoff():
                return
            case RequeueAfter(delay) if delay < POLL_FIRST:
                return
        if is_written:
            self._reconciled.setdefault(key_of(body), None)
        else:
            self._reconciled[key_of(body)] = body["metadata"].get("resourceVersion", "")

    def forget(self, key: Key) -> None:
        """Drop what is known of a resource that is gone."""
        self._reconciled.pop(key, None)
        self._waiting_since.pop(key, None)

    async def permit(self, resource: Resource, write: Write, project_id: str) -> Owner | Later | None:
        """Return who or what prevents a write; None: make it now.

        Whoever protects what is deleted is asked last: another resource may have come during any of the calls before.

        Raises:
            ClusterUnavailableError: this or another resource could not be read.
        """
        ports = self._gatherer.ports
        if write.request.method == "DELETE":
            # Events of this resource, and of others that name the same, may be late or lost.
            existing = await ports.refresh(resource.metadata.namespace)
            if resource.metadata.uid not in existing:
                return Later(POLL_LAST, "The operator does not find the resource any more, and deletes nothing for it.")
        deletes = resource.thing if write.cause is None and write.deletes is None else write.deletes
        if deletes is not None:
            if (owner := await self.protector(resource, deletes, project_id)) is not None:
                return owner
            if (wait := self._wait(resource, deletes, project_id)) > 0:
                return Later(min(wait, POLL_FIRST), UNPROTECTED)
        return None if ports.resources.is_unchanged(resource.key, resource.metadata.trigger) else Later(0.0)

    async def protector(self, resource: Resource, thing: Thing, project_id: str | None) -> Owner | None:
        """Return another resource that protects a thing; None: none does.

        Raises:
            ClusterUnavailableError: the other resource could not be read.
        """
        kind, gone = self._gatherer.kind, set[str]()
        while True:
            # Read anew after each wait: other resources may have come meanwhile.
            others = [
                *self._gatherer.naming(resource, thing.key, project_id),
                # Nobody knows what the reference of a suspended one gives.
                *filter(ownership.is_suspended, self._unbound(resource, thing, project_id)),
            ]
            others = [each for each in others if uid_of(each) not in gone]
            found = ownership.protectors(kind, resource, thing, others)
            if not found:
                return None
            body = await self._gatherer.ports.read(key_of(found[0]))
            if body is not None and uid_of(body) == uid_of(found[0]) and not is_deleting(body):
                return Owner(key_of(body))
            gone.add(uid_of(found[0]))  # the event of its deletion was lost

    def _wait(self, resource: Resource, thing: Thing, project_id: str | None) -> float:
        """Return for how many more seconds to wait for the first reconciles of those that may name a thing; 0: not at all."""
        others = [
            *self._gatherer.naming(resource, thing.key, project_id),
            *self._unbound(resource, thing, project_id),
        ]
        if all(self._is_reconciled(body) for body in ownership.rivals(self._gatherer.kind, resource, others)):
            self._waiting_since.pop(resource.key, None)
            return 0.0
        now = self._gatherer.ports.clock.monotonic()
        since = self._waiting_since.setdefault(resource.key, now)
        return max(0.0, since + self._gatherer.ports.grace.total_seconds() - now)

    def _is_reconciled(self, body: Body) -> bool:
        key = key_of(body)
        return key in self._reconciled and self._reconciled[key] != body["metadata"].get("resourceVersion", "")

    def _unbound(self, resource: Resource, thing: Thing, project_id: str | None) -> Sequence[Body]:
        """Return the resources that may name the endpoint of a resource by a reference whose value is not known yet."""
        if thing != resource.thing or resource.shares is None:
            return ()
        return self._gatherer.naming(resource, f"{resource.shares.key} {ownership.UNBOUND}", project_id)
