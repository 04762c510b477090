"""What an API server keeps: plain data with the rules of Kubernetes, in which no time passes and no call is under way."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from atlas_endpoints.controller.controller import ConflictError, GoneError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_endpoints.controller.cache import Body, Key
    from atlas_endpoints.controller.controller import MetadataChange

NEVER_SEEN: Mapping[str, Any] = {"observedGeneration": -1}
"""The default that the schema gives a status."""


@dataclass(kw_only=True)
class Objects:
    """Keeps objects: versions only grow, a change of the spec is a new generation, and finalizers hold up a deletion.

    An object is replaced and never changed, so that whoever was given it may keep it.

    Attributes:
        objects: as they are.
        version: of the latest change.
    """

    objects: dict[Key, Body] = field(default_factory=dict)
    version: int = 100

    def put(self, type_: str, key: Key, body: Body) -> Body:
        """Have an object be ``ADDED``, ``MODIFIED`` or ``DELETED``, and return it with its new version."""
        self.version += 1
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        if type_ == "DELETED":
            del self.objects[key]
        else:
            self.objects[key] = body
        return body

    def create(self, key: Key, api_version: str, spec: Mapping[str, Any], **metadata: Any) -> None:
        named = {"namespace": key.namespace, "name": key.name, "generation": 1}
        body = {"apiVersion": api_version, "kind": key.kind, "metadata": {**named, **metadata}, "spec": spec}
        self.put("ADDED", key, {**body, "status": dict(NEVER_SEEN)})

    def update(self, key: Key, *, spec: Mapping[str, Any] | None = None, **metadata: Any) -> None:
        """Replace the spec of an object, or fields of its metadata."""
        known = self.objects[key]
        spec = known["spec"] if spec is None else spec
        generation = known["metadata"]["generation"] + (spec != known["spec"])
        after = {**known, "spec": spec, "metadata": {**known["metadata"], "generation": generation, **metadata}}
        if after != known:
            self._modify(key, after)

    def remove(self, key: Key, at: str) -> None:
        """Delete an object: at once, or when its finalizers are gone."""
        known = self.objects[key]
        if not known["metadata"].get("finalizers"):
            self.put("DELETED", key, known)
        elif "deletionTimestamp" not in known["metadata"]:
            self.update(key, deletionTimestamp=at, generation=known["metadata"]["generation"] + 1)

    def write_status(self, key: Key, uid: str, version: str, status: Mapping[str, Any]) -> Body:
        """Write the status of exactly this version of an object, and return the object."""
        known = self.exactly(key, uid, version)
        return known if known["status"] == status else self._modify(key, {**known, "status": deepcopy(dict(status))})

    def write_metadata(self, key: Key, uid: str, version: str, change: MetadataChange) -> Body:
        """Write finalizers and annotations of exactly this version of an object, and return the object."""
        known = self.exactly(key, uid, version)
        metadata = known["metadata"]
        kept = [each for each in metadata.get("finalizers", ()) if change.finalizers.get(each, True)]
        added = [each for each, wanted in change.finalizers.items() if wanted and each not in kept]
        assert not (added and "deletionTimestamp" in metadata), "no finalizer is added to what is being deleted"
        annotations = {**metadata.get("annotations", {}), **change.annotations}
        return self._modify(
            key, {**known, "metadata": {**metadata, "finalizers": kept + added, "annotations": annotations}}
        )

    def _modify(self, key: Key, body: Body) -> Body:
        if "deletionTimestamp" in body["metadata"] and not body["metadata"].get("finalizers"):
            self.put("DELETED", key, body)
            return body  # its event alone has the version of its end
        return self.put("MODIFIED", key, body)

    def exactly(self, key: Key, uid: str, version: str) -> Body:
        """Return an object if this is its version."""
        known = self.objects.get(key)
        if known is None:
            raise GoneError
        if (known["metadata"]["uid"], known["metadata"]["resourceVersion"]) != (uid, version):
            raise ConflictError
        return known
