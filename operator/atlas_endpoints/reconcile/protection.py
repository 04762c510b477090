"""Whether something may be deleted in Atlas: no other resource names it, and all that may name it are known."""

from atlas_endpoints.controller.cache import Key, is_deleting, key_of, uid_of
from atlas_endpoints.reconcile import ownership
from atlas_endpoints.reconcile.facts import Gatherer
from atlas_endpoints.reconcile.ownership import Owner
from atlas_endpoints.reconcile.resource import Resource, Thing


class Protection:
    """Finds who protects a thing from deletion.

    What a resource names may follow from its first reconcile, as when it was restored or moved while no operator ran. So a
    deletion waits until this process has reconciled each resource that may name the thing, for a limited time.
    """

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer
        self._reconciled: set[Key] = set()
        self._waiting_since: dict[Key, float] = {}

    def reconciled(self, key: Key) -> None:
        """Record that a resource was reconciled."""
        self._reconciled.add(key)

    def forget(self, key: Key) -> None:
        """Drop what is known of a resource that is gone."""
        self._reconciled.discard(key)
        self._waiting_since.pop(key, None)

    async def protector(self, resource: Resource, thing: Thing, project_id: str | None) -> Owner | None:
        """Return another resource that protects a thing; None: none does.

        Raises:
            ClusterUnavailableError: the other resource could not be read.
        """
        kind, gone = self._gatherer.kind, set[str]()
        while True:
            # Read anew after each wait: other resources may have come meanwhile.
            others = [
                each for each in self._gatherer.naming(resource, thing.key, project_id) if uid_of(each) not in gone
            ]
            found = ownership.protectors(kind, resource, thing, others)
            if not found:
                return None
            body = await self._gatherer.ports.read(key_of(found[0]))
            if body is not None and uid_of(body) == uid_of(found[0]) and not is_deleting(body):
                return Owner(key_of(body))
            gone.add(uid_of(found[0]))  # the event of its deletion was lost

    def wait(self, resource: Resource, thing: Thing, project_id: str | None) -> float:
        """Return for how many more seconds to wait for the first reconciles of those that may name a thing; 0: not at all."""
        others = ownership.rivals(self._gatherer.kind, resource, self._gatherer.naming(resource, thing.key, project_id))
        if all(key_of(body) in self._reconciled for body in others):
            self._waiting_since.pop(resource.key, None)
            return 0.0
        now = self._gatherer.ports.clock.monotonic()
        since = self._waiting_since.setdefault(resource.key, now)
        return max(0.0, since + self._gatherer.ports.grace.total_seconds() - now)
