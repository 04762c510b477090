"""An API server in memory, as far as resources, their finalizers and a watch are concerned; it fails as it is told to."""

from __future__ import annotations

import asyncio
from collections import Counter
from copy import deepcopy
from random import Random
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from atlas_endpoints.cluster.errors import ClusterUnavailableError, ForbiddenError
from atlas_endpoints.controller.cache import Body, Key, ListedObjects, key_of
from atlas_endpoints.controller.controller import MetadataChange
from support.named import NAMED
from support.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

NAMESPACE, PREFIX = "shop", "atlas-endpoints.dev/"


class Latency(Random):
    """Has each call take the same time, half of it on either way."""

    seconds = 0.0

    @override
    def uniform(self, a: float, b: float) -> float:
        return self.seconds / 2


class Cluster(Objects):
    """Keeps resources, of which it tells a watch, and answers the operator's calls.

    Args:
        random: decides how long calls take and which of them fail.
        now: wall-clock time as RFC 3339 has it.
        named: apiVersion and kind of the resources.

    Attributes:
        watcher: is told of each change, some time later; ``None`` while nobody watches.
        down: whether nothing arrives.
        lists: when each LIST began, in seconds of the loop.
        lists_fail: what each LIST is answered with.
        lists_down: whether no LIST of a namespace is answered.
        unread: the namespaces of which no LIST is answered.
        unreadable: whether no object may be read by its name.
        unserved: the namespaces of whose LISTs the answer is that the kind is not served.
        forbidden: the namespaces in which the operator has no rights.
        changes_fail: what changes of metadata are answered with.
        strips: whether they are answered as if they were made, and are not.
        listed: is told of each LIST of a namespace, before its answer.
        unwritable: the name of a resource whose status cannot be written once it shows an endpoint.
        unreliable: the share of calls whose answer is lost.
        written: is told when something was written by the operator.
        changed: is told of each object as it is after a change.
        gone: is told of an object that is gone.
        status_written: is told of each status that is written, with the object as it was.
        metadata_written: is told before each change of metadata.
        next_write: how many seconds the next write of a status takes, and whether its answer is lost.
        written_at: by uid, when the operator has first written anything into an object, in seconds of the loop.
        deleted: the body of each object that is gone, as it was last.
        held: the uids of those that had a finalizer when they were deleted.
        wanted_delete: the uids of those that have ever had the policy to take their endpoint along.
    """

    def __init__(self, random: Random, now: Callable[[], str], named: Mapping[str, str] = NAMED) -> None:
        super().__init__()
        self._random = random
        self._named = named
        self._now = now
        self.watcher: Callable[[str, Body], None] | None = None
        self.down = self.lists_down = False
        self.lists: list[float] = []
        self.lists_fail: Exception | None = None
        self.unread: Collection[str | None] = ()
        self.unreadable = False
        self.unserved: set[str | None] = set()
        self.forbidden: Collection[str | None] = ()
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
        wanted = {name: value for name, value in spec.items() if value is not None}
        if key in self.objects:
            self.update(key, spec=wanted)
        else:
            self._add(key, wanted, annotations=dict(annotations or {}))

    def restore(self, name: str) -> None:
        """Put a copy without a status in the place of a resource, as from a backup: a new one, with its finalizers."""
        key = self.key(name)
        former = self.objects[key]
        self.vanish(name)
        kept = {each: former["metadata"][each] for each in ("annotations", "finalizers") if each in former["metadata"]}
        self._add(key, former["spec"], **kept)

    def vanish(self, name: str) -> None:
        """Let a resource be gone, whatever its finalizers say."""
        former = self.objects.pop(self.key(name))
        self.deleted.append(former)
        self._tell("DELETED", former)

    def remembered(self) -> tuple[int, dict[Key, Body]]:
        """Return a copy of all there is, as a backup or as a cache that lags behind."""
        return self.version, deepcopy(self.objects)

    def go_back(self, backup: tuple[int, dict[Key, Body]], *, versions: int = 0) -> None:
        """Put an earlier state in the place of all there is, as from a backup of etcd: no event tells of it.

        Args:
            versions: by how many the versions have gone on since.
        """
        self.version, self.objects = backup[0] + versions, deepcopy(backup[1])

    def _add(self, key: Key, spec: Mapping[str, Any], **metadata: Any) -> None:
        self._uids[key.name] += 1
        number = self._uids[key.name]
        uid = f"uid-{key.name}" if number == 1 else f"uid-{key.name}-{number}"
        self.create(key, self._named["apiVersion"], spec, uid=uid, creationTimestamp=self._now(), **metadata)

    def edit(self, name: str, **fields: Any) -> None:
        """Change fields of a spec; ``None`` removes one."""
        self.apply(name, {**self.objects[self.key(name)]["spec"], **fields})

    def annotate(self, name: str, **annotations: str) -> None:
        """Set annotations; those of ours are named without their prefix, and may be with underscores."""
        named = {each if "/" in each else PREFIX + each.replace("_", "-"): value for each, value in annotations.items()}
        self._merge(name, "annotations", named)

    def label(self, name: str, **labels: str) -> None:
        """Set labels."""
        self._merge(name, "labels", labels)

    def _merge(self, name: str, field: str, values: Mapping[str, str]) -> None:
        key = self.key(name)
        self.update(key, **{field: {**self.objects[key]["metadata"].get(field, {}), **values}})

    def set_metadata(self, name: str, **fields: Any) -> None:
        """Replace fields of the metadata, as no client may."""
        self.update(self.key(name), **fields)

    def set_status(self, name: str, status: Mapping[str, Any]) -> None:
        """Replace a status, as a backup does."""
        key = self.key(name)
        self.put("MODIFIED", key, {**self.objects[key], "status": status})

    def delete(self, name: str) -> None:
        """Delete a resource: at once, or when its finalizers are gone."""
        key = self.key(name)
        metadata = self.objects[key]["metadata"]
        if metadata.get("finalizers"):
            self.held.add(metadata["uid"])
        self.remove(key, self._now())

    # What the operator calls.

    async def write(self, body: Body, status: Mapping[str, Any]) -> Body:
        if self.name_of(key_of(body)) == self.unwritable and "endpoint" in status:
            raise ClusterUnavailableError("The API server does not answer a write.")
        (takes, is_lost), self.next_write = self.next_write, (0.0, False)
        await asyncio.sleep(takes)
        answer = await self._write(body, self.write_status, status)
        if is_lost:
            raise ClusterUnavailableError("The answer was lost.")
        return answer

    async def change(self, body: Body, change: MetadataChange) -> Body:
        if self.changes_fail is not None:
            raise self.changes_fail
        self.metadata_written()
        return await self._write(body, self.write_metadata, MetadataChange() if self.strips else change)

    async def read(self, key: Key) -> Body | None:
        await self._arrive()
        if self.unreadable or key.namespace in self.forbidden:
            raise ForbiddenError("403 Forbidden: cannot get")
        present = deepcopy(self.objects.get(key))
        await self._answer()
        return present

    async def list(self, namespace: str | None, known: Callable[[Body], Body]) -> ListedObjects | None:
        self.lists.append(asyncio.get_running_loop().time())
        await self._arrive()
        if self.lists_fail is not None:
            raise self.lists_fail
        if namespace in self.unread or (namespace is not None and self.lists_down):
            raise ClusterUnavailableError("The API server does not answer a LIST.")
        if namespace in self.forbidden:
            raise ForbiddenError("403 Forbidden: cannot list")
        if namespace is not None:
            self.listed()
        found = [known(deepcopy(body)) for key, body in self.objects.items() if namespace in {None, key.namespace}]
        listing = ListedObjects(found, self.version) if namespace not in self.unserved else None
        await self._answer()
        return listing

    async def _write(self, body: Body, write: Callable[[Key, str, str, Any], Body], what: Any) -> Body:
        metadata = body["metadata"]
        await self._arrive()
        answer = deepcopy(write(key_of(body), metadata["uid"], metadata["resourceVersion"], what))
        self.written_at.setdefault(metadata["uid"], asyncio.get_running_loop().time())
        self.written()
        await self._answer()
        return answer

    @override
    def write_status(self, key: Key, uid: str, version: str, status: Mapping[str, Any]) -> Body:
        self.status_written(self.exactly(key, uid, version), status)
        return super().write_status(key, uid, version, status)

    @override
    def put(self, type_: str, key: Key, body: Body) -> Body:
        body = super().put(type_, key, body)
        if body["spec"].get("deletionPolicy") == "Delete":
            self.wanted_delete.add(body["metadata"]["uid"])
        self.changed(body)
        if type_ == "DELETED":
            self.deleted.append(body)
            self.gone(body)
        self._tell(type_, body)
        return body

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
