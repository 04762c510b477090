"""An API server in memory, as far as resources, their finalizers and a watch are concerned; it fails as it is told to."""

from __future__ import annotations

import asyncio
from collections import Counter
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from atlas_endpoints.cluster.errors import ClusterUnavailableError, ForbiddenError
from atlas_endpoints.controller.cache import Body, Key, Listing, key_of
from atlas_endpoints.controller.controller import ConflictError, GoneError, MetadataChange
from support.named import NAMED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from random import Random

NAMESPACE = "shop"


class Cluster:
    """Keeps resources.

    Args:
        random: decides how long calls take and which of them fail.
        now: wall-clock time as RFC 3339 has it.
        named: apiVersion and kind of the resources.

    Attributes:
        objects: as they are.
        watcher: is told of each change, some time later; ``None`` while nobody watches.
        down: whether nothing arrives.
        lists_down: whether no LIST of a namespace is answered.
        forbidden: the namespaces in which the operator has no rights.
        changes_fail: what changes of metadata are answered with.
        strips: whether they are answered as if they were made, and are not.
        listed: is told of each LIST of a namespace, before its answer.
        unwritable: the name of a resource whose status cannot be written once it shows an endpoint.
        unreliable: the share of calls whose answer is lost.
        written: is told when something was written by the operator.
        changed: is told of each object as it is after a change.
        gone: is told of an object that is gone.
        status_written: is told of each status before it is stored, with the object as it is.
        metadata_written: is told before each change of metadata.
        next_write: how many seconds the next write of a status takes, and whether its answer is lost.
        written_at: by uid, when the operator has first written anything into an object, in seconds of the loop.
        deleted: the body of each object that is gone, as it was last.
        held: the uids of those that had a finalizer when they were deleted.
        wanted_delete: the uids of those that have ever had the policy to take their endpoint along.
    """

    def __init__(self, random: Random, now: Callable[[], str], named: Mapping[str, str] = NAMED) -> None:
        self._random = random
        self._named = named
        self._now = now
        self.objects: dict[Key, dict[str, Any]] = {}
        self.watcher: Callable[[str, Body], None] | None = None
        self.down = self.lists_down = False
        self.forbidden: Collection[str] = ()
        self.changes_fail: Exception | None = None
        self.strips = False
        self.listed: Callable[[], None] = lambda: None
        self.unwritable: str | None = None
        self.unreliable = 0.0
        self.lost_events = 0.0
        self.deleted: list[Body] = []
        self.written: Callable[[], None] = lambda: None
        self.changed: Callable[[Body], None] = lambda _: None
        self.gone: Callable[[Body], None] = lambda _: None
        self.status_written: Callable[[Body, Mapping[str, Any]], None] = lambda _, __: None
        self.metadata_written: Callable[[], None] = lambda: None
        self.next_write = (0.0, False)
        self.written_at: dict[str, float] = {}
        self.wanted_delete: set[str] = set()
        self.held: set[str] = set()
        self._version = 100
        self._uids = Counter[str]()

    def key(self, name: str) -> Key:
        """Return the key of a resource; a name such as ``web/db`` also names its namespace, unless only one is called ``db``."""
        namespace, _, name = name.rpartition("/")
        key = Key(self._named["kind"], namespace or NAMESPACE, name)
        others = [each for each in self.objects if each.name == name]
        return others[0] if not namespace and key not in self.objects and len(others) == 1 else key

    @staticmethod
    def name_of(key: Key) -> str:
        """Return the name by which this cluster knows a resource."""
        return key.name if key.namespace == NAMESPACE else f"{key.namespace}/{key.name}"

    # What people do.

    def apply(self, name: str, spec: Mapping[str, Any], annotations: Mapping[str, str] | None = None) -> None:
        """Create a resource, or change its spec; a field that is ``None`` is left out."""
        key = self.key(name)
        known = self.objects.get(key)
        wanted = {name: value for name, value in spec.items() if value is not None}
        if known is None:
            self._add(key, wanted, annotations=dict(annotations or {}))
        elif known["spec"] != wanted:
            known["spec"] = wanted
            known["metadata"]["generation"] += 1
            self._changed("MODIFIED", key)

    def restore(self, name: str) -> None:
        """Put a copy without a status in the place of a resource, as from a backup: a new one, with its finalizers."""
        key = self.key(name)
        former = self.objects.pop(key)
        self.deleted.append(former)
        self._tell("DELETED", former)
        copy = deepcopy(former)
        kept = {each: copy["metadata"][each] for each in ("annotations", "finalizers") if each in copy["metadata"]}
        self._add(key, copy["spec"], **kept)

    def vanish(self, name: str) -> None:
        """Let a resource be gone, whatever its finalizers say."""
        former = self.objects.pop(self.key(name))
        self.deleted.append(former)
        self._tell("DELETED", former)

    def _add(self, key: Key, spec: Mapping[str, Any], **metadata: Any) -> None:
        self._uids[key.name] += 1
        number = self._uids[key.name]
        self.objects[key] = {
            **self._named,
            "metadata": {
                "namespace": key.namespace,
                "name": key.name,
                "uid": f"uid-{key.name}" if number == 1 else f"uid-{key.name}-{number}",
                "generation": 1,
                "creationTimestamp": self._now(),
                **metadata,
            },
            "spec": spec,
            "status": {"observedGeneration": -1},
        }
        self._changed("ADDED", key)

    def edit(self, name: str, **fields: Any) -> None:
        """Change fields of a spec; ``None`` removes one."""
        self.apply(name, {**self.objects[self.key(name)]["spec"], **fields})

    def annotate(self, name: str, **annotations: str) -> None:
        """Set annotations of ours, named with underscores."""
        key = self.key(name)
        for each, value in annotations.items():
            self.objects[key]["metadata"]["annotations"][f"atlas-endpoints.dev/{each.replace('_', '-')}"] = value
        self._changed("MODIFIED", key)

    def label(self, name: str, **labels: str) -> None:
        """Set labels."""
        key = self.key(name)
        self.objects[key]["metadata"].setdefault("labels", {}).update(labels)
        self._changed("MODIFIED", key)

    def delete(self, name: str) -> None:
        """Delete a resource: at once, or when its finalizers are gone."""
        key = self.key(name)
        metadata = self.objects[key]["metadata"]
        if "deletionTimestamp" in metadata:
            return
        metadata["deletionTimestamp"] = self._now()
        if metadata.get("finalizers"):
            self.held.add(metadata["uid"])
        metadata["generation"] += 1
        self._changed("MODIFIED", key)

    # What the operator calls.

    async def write(self, body: Body, status: Mapping[str, Any]) -> Body:
        def write(present: dict[str, Any]) -> None:
            self.status_written(present, status)
            present["status"] = deepcopy(dict(status))

        if self.name_of(key_of(body)) == self.unwritable and "endpoint" in status:
            raise ClusterUnavailableError("The API server does not answer a write.")
        (takes, is_lost), self.next_write = self.next_write, (0.0, False)
        await asyncio.sleep(takes)
        answer = await self._write(body, write)
        if is_lost:
            raise ClusterUnavailableError("The answer was lost.")
        return answer

    async def change(self, body: Body, change: MetadataChange) -> Body:
        if self.changes_fail is not None:
            raise self.changes_fail
        change = MetadataChange() if self.strips else change
        self.metadata_written()

        def write(present: dict[str, Any]) -> None:
            metadata = present["metadata"]
            kept = [each for each in metadata.get("finalizers", ()) if change.finalizers.get(each, True)]
            added = [each for each, wanted in change.finalizers.items() if wanted and each not in kept]
            assert not (added and "deletionTimestamp" in metadata), "no finalizer is added to what is being deleted"
            metadata["finalizers"] = kept + added
            metadata["annotations"].update(change.annotations)

        return await self._write(body, write)

    async def read(self, key: Key) -> Body | None:
        await self._arrive()
        if key.namespace in self.forbidden:
            raise ForbiddenError("403 Forbidden: cannot get")
        present = deepcopy(self.objects.get(key))
        await self._answer()
        return present

    async def list(self, namespace: str | None, known: Callable[[Body], Body]) -> Listing | None:
        await self._arrive()
        if namespace is not None and self.lists_down:
            raise ClusterUnavailableError("The API server does not answer a LIST.")
        if namespace in self.forbidden:
            raise ForbiddenError("403 Forbidden: cannot list")
        if namespace is not None:
            self.listed()
        found = (body for key, body in self.objects.items() if namespace in {None, key.namespace})
        listing = Listing([known(deepcopy(body)) for body in found], self._version)
        await self._answer()
        return listing

    async def _write(self, body: Body, write: Callable[[dict[str, Any]], None]) -> Body:
        key, metadata = key_of(body), body["metadata"]
        await self._arrive()
        present = self.objects.get(key)
        if present is None:
            raise GoneError
        if any(present["metadata"][name] != metadata[name] for name in ("uid", "resourceVersion")):
            raise ConflictError
        write(present)
        self.written_at.setdefault(metadata["uid"], asyncio.get_running_loop().time())
        self._changed("MODIFIED", key)
        self.written()
        answer = deepcopy(present)
        await self._answer()
        return answer

    def _changed(self, type_: str, key: Key) -> None:
        body = self.objects[key]
        metadata = body["metadata"]
        self._version += 1
        metadata["resourceVersion"] = str(self._version)
        if body["spec"].get("deletionPolicy") == "Delete":
            self.wanted_delete.add(metadata["uid"])
        self.changed(body)
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            del self.objects[key]
            self.deleted.append(body)
            self.gone(body)
            type_ = "DELETED"
        self._tell(type_, body)

    def _tell(self, type_: str, body: Body) -> None:
        if body["metadata"]["namespace"] in self.forbidden:
            return
        if self.watcher is not None and self._random.random() >= self.lost_events:
            # Each comes in its time, and none overtakes another of its object.
            self.watcher(type_, deepcopy(body))

    async def _arrive(self) -> None:
        await asyncio.sleep(self._random.uniform(0.0, 0.05))
        if self.down:
            raise ClusterUnavailableError("The API server cannot be reached.")

    async def _answer(self) -> None:
        await asyncio.sleep(self._random.uniform(0.0, 0.05))
        if self.down or self._random.random() < self.unreliable:
            raise ClusterUnavailableError("The answer was lost.")
