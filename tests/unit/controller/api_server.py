"""An API server in memory, as far as one kind of object with a status is concerned."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from atlas_endpoints.cluster.errors import ClusterUnavailableError, ForbiddenError
from atlas_endpoints.controller.cache import Body, Key, Listing, key_of
from atlas_endpoints.controller.controller import ConflictError, GoneError, MetadataChange, RefusedError
from support.named import NAMED

NAMESPACE = "default"
NEVER_SEEN = {"observedGeneration": -1}
"""The default that the schema gives a status."""


class ApiServer:
    """Keeps objects: versions only grow, uids are never used twice, a change of the spec is a new generation.

    Calls take ``latency`` seconds: they are served half way, and the answer arrives at the end. People's changes take no
    time; each becomes an event, which is handed to ``watch`` at once, or later while ``watch_lags``.
    """

    def __init__(self) -> None:
        self.objects: dict[Key, dict[str, Any]] = {}
        self.label_selector = ""
        self.latency = 0.0
        self.down = False
        self.fails: Exception | None = None
        """What calls fail with."""
        self.forbids = ""
        """Why changes of the metadata are refused, if they are."""
        self.loses_answers = False
        self.served = True
        self.unserved: set[str | None] = set()
        """Namespaces of which a LIST is answered as if the kind were not served."""
        self.forbidden: set[str | None] = set()
        """Namespaces that may not be listed."""
        self.watch: Callable[[str, Body], None] = lambda _type, _body: None
        self.writes: list[tuple[str, Mapping[str, Any]]] = []
        self.changes: list[tuple[str, MetadataChange]] = []
        self.refused = 0
        self.lists: list[float] = []
        self.list_began = asyncio.Event()
        self.version = 99
        self.past: tuple[int, dict[Key, dict[str, Any]]] | None = None
        """What a LIST is answered from, if not from what there is."""
        self._uids = itertools.count(1)
        self._lag = False
        self._events: list[tuple[str, Body]] = []

    # What people do.

    def apply(self, name: str, value: str = "", *, namespace: str = NAMESPACE, **labels: str) -> Key:
        """Create an object, or change the value in its spec."""
        key = Key("ServerlessPrivateEndpoint", namespace, name)
        body = self.objects.get(key)
        if body is None:
            metadata = {"namespace": namespace, "name": name, "uid": f"uid-{next(self._uids)}", "labels": labels}
            body = self.objects[key] = {**NAMED, "metadata": metadata | {"generation": 1}, "spec": {"value": value}}
            body["status"] = dict(NEVER_SEEN)
            self._changed("ADDED", body)
        elif body["spec"]["value"] != value:
            body["spec"]["value"] = value
            body["metadata"]["generation"] += 1
            self._changed("MODIFIED", body)
        return key

    def label(self, key: Key, **labels: str) -> None:
        self.objects[key]["metadata"]["labels"] |= labels
        self._changed("MODIFIED", self.objects[key])

    def annotate(self, key: Key, **annotations: str) -> None:
        metadata = self.objects[key]["metadata"]
        metadata["annotations"] = metadata.get("annotations", {}) | annotations
        self._changed("MODIFIED", self.objects[key])

    def delete(self, key: Key) -> None:
        self._changed("DELETED", self.objects.pop(key))

    def status(self, key: Key) -> dict[str, Any]:
        status: dict[str, Any] = self.objects[key]["status"]
        return status

    def body(self, key: Key) -> Body:
        return deepcopy(self.objects[key])

    # What becomes of the events.

    @property
    def watch_lags(self) -> bool:
        return self._lag

    @watch_lags.setter
    def watch_lags(self, lags: bool) -> None:
        self._lag = lags
        while self._events and not self._lag:
            self.watch(*self._events.pop(0))

    def lose_events(self) -> None:
        """The watch breaks, and what it had not brought yet never comes."""
        self._events.clear()

    # What the operator calls.

    async def write(self, body: Body, status: Mapping[str, Any]) -> Body:
        present = await self._present(body)
        if present["status"] != status:
            present["status"] = deepcopy(dict(status))
            self._changed("MODIFIED", present)
        self.writes.append((present["metadata"]["name"], present["status"]))
        answer = deepcopy(present)
        await self._answer()
        return answer

    async def change(self, body: Body, change: MetadataChange) -> Body:
        present = await self._present(body)
        if self.forbids:
            raise RefusedError(self.forbids)
        metadata = present["metadata"]
        kept = [each for each in metadata.get("finalizers", ()) if change.finalizers.get(each, True)]
        metadata["finalizers"] = kept + [
            name for name, is_in in change.finalizers.items() if is_in and name not in kept
        ]
        metadata["annotations"] = {**metadata.get("annotations", {}), **change.annotations}
        self.changes.append((metadata["name"], change))
        if "deletionTimestamp" in metadata and not metadata["finalizers"]:
            self.delete(key_of(present))
        else:
            self._changed("MODIFIED", present)
        answer = deepcopy(present)
        await self._answer()
        return answer

    async def _present(self, body: Body) -> dict[str, Any]:
        """Give exactly this version of an object."""
        metadata = body["metadata"]
        await self._arrive()
        present = self.objects.get(key_of(body))
        if present is None:
            self.refused += 1
            raise GoneError
        if any(present["metadata"][name] != metadata[name] for name in ("uid", "resourceVersion")):
            self.refused += 1
            raise ConflictError
        return present

    async def read(self, key: Key) -> Body | None:
        await self._arrive()
        present = deepcopy(self.objects.get(key))
        await self._answer()
        return present

    async def list(self, namespace: str | None, known: Callable[[Body], Body]) -> Listing | None:
        self.lists.append(asyncio.get_running_loop().time())
        self.list_began.set()
        await self._arrive()
        if namespace in self.forbidden:
            raise ForbiddenError("403 Forbidden: cannot list")
        version, objects = self.past if self.past is not None else (self.version, self.objects)
        selected: list[Body] = [
            known(deepcopy(body))
            for key, body in objects.items()
            if namespace in {None, key.namespace}
            and (not self.label_selector or self.label_selector.split("=")[1] in body["metadata"]["labels"].values())
        ]
        served = self.served and namespace not in self.unserved
        await self._answer()
        return Listing(selected, version) if served else None

    # What becomes of the data.

    def remember(self) -> tuple[int, dict[Key, dict[str, Any]]]:
        """Give a copy of all there is, as a backup or as a cache that lags behind."""
        return self.version, deepcopy(self.objects)

    def restore(self, backup: tuple[int, dict[Key, dict[str, Any]]]) -> None:
        """Go back to an earlier state; versions go on from there, and no event tells of it."""
        self.version, self.objects = backup[0], deepcopy(backup[1])

    def _changed(self, type_: str, body: dict[str, Any]) -> None:
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        self._events.append((type_, deepcopy(body)))
        self.watch_lags = self._lag

    async def _arrive(self) -> None:
        await asyncio.sleep(self.latency / 2)
        if self.fails is not None:
            raise self.fails
        if self.down:
            raise ClusterUnavailableError("The API server cannot be reached.")

    async def _answer(self) -> None:
        await asyncio.sleep(self.latency / 2)
        if self.down or self.loses_answers:
            raise ClusterUnavailableError("The answer was lost.")
