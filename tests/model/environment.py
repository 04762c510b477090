"""A small environment in memory: an API server, an Atlas, people, and what is under way between them; plain data with rules.

Nothing in it knows the operator. It notes down what was true and when, so that ``invariants`` can tell a claim from a lie.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_endpoints.controller.cache import Body, Key
from model.memory import rfc3339
from support.named import NAMED

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from model.invariants import Violation

PROJECT = "5f7cac1adf5d6c6306f4b283"
INSTANCE = "orders"
FOREIGN = "6f7cac1adf5d6c6306f4b2ff"
"""An endpoint of the same instance that no resource names."""
NAMESPACE = "team"
SHARED = 5.0
"""Seconds: what was seen so long ago counts as seen now; the operator promises no more."""
LATELY = 20.0
"""Seconds for which a status may not know yet that an endpoint is gone: the above, and a call of fifteen."""
GHOST_LIFE = 60.0
"""Seconds for which a write whose connection broke may still arrive at Atlas, and for which a LIST may not show a new endpoint."""
MARK = "atlas-endpoints.dev/"
"""What the comment of an endpoint begins with that was reserved; the uid of its resource follows."""
MANAGED = ("comment", "cloudProviderEndpointId")
"""The fields of a spec that small models are about."""
Spec: TypeAlias = "Mapping[str, Any]"
Action: TypeAlias = "tuple[str, Spec | None]"
"""What a person does to a resource: its name, and the new spec, or ``None`` to delete it."""


def endpoint_id(name: str) -> str:
    """The endpoint in Atlas that a resource of this name manages in all models."""
    return "6f7cac1adf5d6c6306f4b2" + name.encode().hex()[:2]


def resource(name: str) -> Key:
    return Key("ServerlessPrivateEndpoint", NAMESPACE, name)


@dataclass
class Truth:
    """What was true of one generation of a resource.

    Attributes:
        uid: of the resource.
        generation: of it.
        spec: what it asks for.
        shown: whether Atlas has shown that since, and since the operator had a write confirmed.
        available: whether the endpoint was AVAILABLE while it did.
        held: by field, each value that Atlas has held since.
    """

    uid: str
    generation: int
    spec: Spec
    shown: bool = False
    available: bool = False
    held: dict[str, list[str]] = field(default_factory=dict)


def shows(endpoint: Mapping[str, str | None], spec: Spec) -> bool:
    """Tell whether an endpoint is as a spec asks for it."""
    return all((endpoint.get(name) or "") == spec[name] for name in MANAGED if name in spec)


def note(truth: Truth, endpoint: Mapping[str, str | None]) -> None:
    """Take in what an endpoint holds."""
    shown = shows(endpoint, truth.spec)
    for name in MANAGED:
        values = truth.held.setdefault(name, [])
        if (value := endpoint.get(name) or "") not in values:
            values.append(value)
            values.sort()
    truth.shown |= shown
    truth.available |= shown and endpoint["status"] == "AVAILABLE"


@dataclass
class Ghost:
    """A write that left and whose connection broke: it arrives later, or never.

    Attributes:
        kind: POST, PATCH or DELETE.
        target: as of an effect.
        fields: that it carries.
        until: when it does not arrive any more.
    """

    kind: str
    target: str
    fields: Mapping[str, str]
    until: float


@dataclass
class Environment:
    """Everything outside the operator.

    Attributes:
        script: what people still do to resources, in this order, at any moment.
        left: how often each kind of fault may still happen.
        endpoints: what Atlas holds, by id.
        settled: how much of the script has happened, and come to rest, when exploration begins.
        within: seconds in which the operator, left alone, brings everything to rest.
        replicas: of the operator.
        standby_lags: whether the watch of a replica that does not lead brings nothing yet.
        lists_take_time: whether anything can happen while the API server answers a LIST, or that LIST can fail.
        objects: what the API server holds.
        outdated: earlier states of each object, or of its name, as a stale API server would show them: the last one of what
            was before the present generation, and the last one of this. Kept only as long as one may still be shown.
        events: what the watch has still to bring, for each replica.
        ghosts: writes to Atlas that may still arrive.
        leader: the replica whose Lease is valid; ``None`` between two.
        truths: of each generation.
        before: each endpoint as it was before somebody changed it by hand, and when that was.
        meddled: endpoints that anybody but the operator, as it is now, has changed since it had a write confirmed.
        failed: whether Atlas ever reported a failure.
        reserved_for: the uid of the resource that each endpoint was reserved for.
        made: when each of them was reserved; kept only as long as a LIST may still not show it.
        removed: when an endpoint has vanished; kept only as long as a status may not know it yet.
        released: the uids of resources that had a finalizer when they were deleted, and were let go.
        announced: what people were told of the endpoint of a resource, by its uid.
        violations: of invariants.
    """

    script: list[Action]
    left: Counter[str]
    endpoints: dict[str, dict[str, str | None]]
    settled: int = 0
    within: float = 120.0
    replicas: int = 1
    standby_lags: bool = False
    lists_take_time: bool = False
    objects: dict[Key, Body] = field(default_factory=dict)
    outdated: dict[Key, list[Body]] = field(default_factory=dict)
    events: dict[int, list[tuple[str, Body]]] = field(default_factory=dict)
    ghosts: list[Ghost] = field(default_factory=list)
    leader: int | None = 0
    truths: list[Truth] = field(default_factory=list)
    before: dict[str, tuple[dict[str, str | None], float]] = field(default_factory=dict)
    meddled: set[str] = field(default_factory=set)
    failed: bool = False
    reserved_for: dict[str, str] = field(default_factory=dict)
    made: dict[str, float] = field(default_factory=dict)
    removed: dict[str, float] = field(default_factory=dict)
    released: set[str] = field(default_factory=set)
    announced: set[tuple[str, str]] = field(default_factory=set)
    violations: list[Violation] = field(default_factory=list)
    now: float = 0.0
    version: int = 100
    uids: int = 0

    # People.

    def act(self) -> str:
        """Have people do what is next in the script; say what."""
        name, spec = self.script.pop(0)
        key = resource(name)
        known = self.objects.get(key)
        if spec is None:
            assert known is not None
            self._delete(key, known)
            return f"somebody deletes {name}"
        if known is None:
            self.uids += 1
            metadata = {"namespace": NAMESPACE, "name": name, "uid": f"uid-{self.uids}", "generation": 1}
            body: Body = {
                **NAMED,
                "metadata": metadata,
                "spec": self._spec(name, spec),
                "status": {"observedGeneration": -1},
            }
            self._changed("ADDED", key, body)
        else:
            generation = known["metadata"]["generation"] + 1
            body = {
                **known,
                "spec": self._spec(name, spec),
                "metadata": {**known["metadata"], "generation": generation},
            }
            self._changed("MODIFIED", key, body)
        self._begin_truth(key)
        return f"somebody applies {name}: {_told(spec)}"

    def _delete(self, key: Key, known: Body) -> None:
        metadata = known["metadata"]
        if not metadata.get("finalizers"):
            self._changed("DELETED", key, known)
            return
        deleted = {"deletionTimestamp": rfc3339(self.now), "generation": metadata["generation"] + 1}
        self._changed("MODIFIED", key, {**known, "metadata": {**metadata, **deleted}})
        self._begin_truth(key)

    def _begin_truth(self, key: Key) -> None:
        body = self.objects[key]
        truth = Truth(body["metadata"]["uid"], body["metadata"]["generation"], body["spec"])
        self.truths.append(truth)
        for id_, (before, at) in self.before.items():
            if id_ in self.endpoints_of(truth.uid, truth.spec) and self.now - at <= SHARED:
                note(truth, before)
        self.note()

    # The API server.

    def write_status(self, uid: str, version: str, key: Key, status: Mapping[str, Any]) -> Body | str:
        """Write a status, compare-and-set; the body afterwards, or ``gone`` or ``conflict``."""
        known = self._at(uid, version, key)
        if isinstance(known, str) or known["status"] == status:
            return known
        self._changed("MODIFIED", key, {**known, "status": deepcopy(dict(status))})
        return self.objects[key]

    def write_metadata(
        self, uid: str, version: str, key: Key, *, finalizers: Mapping[str, bool], annotations: Mapping[str, str]
    ) -> Body | str:
        """Write finalizers, each with whether it is to be there, and annotations; as ``write_status``."""
        known = self._at(uid, version, key)
        if isinstance(known, str):
            return known
        metadata = known["metadata"]
        kept = [each for each in metadata.get("finalizers", ()) if finalizers.get(each, True)]
        kept += [each for each, wanted in finalizers.items() if wanted and each not in kept]
        after = {**metadata, "finalizers": kept, "annotations": {**metadata.get("annotations", {}), **annotations}}
        is_released = "deletionTimestamp" in metadata and not kept
        if is_released:
            self.released.add(uid)
        self._changed("DELETED" if is_released else "MODIFIED", key, {**known, "metadata": after})
        return {**known, "metadata": after} if is_released else self.objects[key]

    def _at(self, uid: str, version: str, key: Key) -> Body | str:
        known = self.objects.get(key)
        if known is None:
            return "gone"
        is_there = (known["metadata"]["uid"], known["metadata"]["resourceVersion"]) == (uid, version)
        return known if is_there else "conflict"

    def _changed(self, type_: str, key: Key, body: Body) -> None:
        self.version += 1
        body = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}
        if key in self.objects and self.may_show_the_past:
            past = [*self.outdated.get(key, ()), self.objects[key]]
            former = [each for each in past if not _is_of_one_generation(each, body)]
            self.outdated[key] = [*former[-1:], *(each for each in past[-1:] if _is_of_one_generation(each, body))]
        if type_ == "DELETED":
            del self.objects[key]
        else:
            self.objects[key] = body
        for events in self.events.values():
            events.append((type_, body))

    @property
    def may_show_the_past(self) -> bool:
        """Tell whether an earlier state of an object may still be shown."""
        return bool(self.left["stale event"] or (self.left["fault"] and self.lists_take_time))

    def past(self) -> list[tuple[str, Body]]:
        """Give the earlier states that a watch may bring again, each with how old it is."""
        return [
            (self._how_old(body, self.objects[key]), body)
            for key, bodies in sorted(self.outdated.items())
            if key in self.objects
            for body in bodies
        ]

    @staticmethod
    def _how_old(body: Body, present: Body) -> str:
        if body["metadata"]["uid"] != present["metadata"]["uid"]:
            return "a former object"
        return "an older version" if _is_of_one_generation(body, present) else "an older generation"

    # Atlas.

    def apply(self, kind: str, target: str, fields: Mapping[str, str]) -> None:
        """Have a write arrive that nobody waits for any more."""
        match kind:
            case "POST":
                self.reserve(target)
            case "PATCH":
                self.patch(target, fields)
            case "DELETE":
                self.delete(target)
            case _:
                raise AssertionError(kind)

    def reserve(self, mark: str) -> str:
        """Reserve an endpoint, with this comment; its id."""
        id_ = f"6f7cac1adf5d6c6306f4c1{len(self.reserved_for):02x}"
        self.endpoints[id_] = {
            "status": "RESERVED",
            "providerName": "AWS",
            "endpointServiceName": "service",
            "cloudProviderEndpointId": None,
            "comment": mark,
        }
        self.reserved_for[id_] = mark.removeprefix(MARK)
        if self.left["list lags"]:
            self.made[id_] = self.now
        self.note()
        return id_

    def delete(self, endpoint: str) -> None:
        """Begin to delete an endpoint, if it is there."""
        if endpoint in self.endpoints:
            self.endpoints[endpoint]["status"] = "DELETING"
            self.note()

    def remove(self, endpoint: str) -> None:
        """Have an endpoint be gone."""
        del self.endpoints[endpoint]
        self.removed[endpoint] = self.now

    def endpoints_of(self, uid: str, spec: Spec) -> list[str]:
        """Give the endpoint that a resource names, or those that were reserved for it."""
        if (named := spec.get("endpointId")) is not None:
            return [named]
        return [id_ for id_, owner in self.reserved_for.items() if owner == uid]

    def forget(self) -> None:
        """Drop what makes no difference any more."""
        lags = bool(self.left["list lags"])
        self.made = {id_: at for id_, at in self.made.items() if lags and self.now - at < GHOST_LIFE}
        self.removed = {id_: at for id_, at in self.removed.items() if self.now - at <= LATELY}

    def patch(self, endpoint: str, fields: Mapping[str, str]) -> dict[str, str | None] | None:
        """Change an endpoint as Atlas does; ``None`` when it refuses."""
        known = self.endpoints.get(endpoint)
        if known is None:
            return None
        connects = "cloudProviderEndpointId" in fields
        if known["status"] not in {"RESERVED", "INITIATING", "AVAILABLE", "FAILED"}:
            return None
        if connects and known["status"] == "INITIATING":
            return None
        known.update({name: value for name, value in fields.items() if name != "providerName"})
        if connects and known["status"] in {"RESERVED", "FAILED"}:
            known.update(status="INITIATING", errorMessage=None)
        self.note()
        return dict(known)

    def note(self) -> None:
        """Write down what is true now."""
        for truth in self.truths:
            for id_ in self.endpoints_of(truth.uid, truth.spec):
                if id_ in self.endpoints:
                    note(truth, self.endpoints[id_])

    def confirmed(self, endpoint: str) -> None:
        """Take in that the operator knows what it has written: from now on only what Atlas shows since then counts."""
        self.meddled.discard(endpoint)
        for truth in self.truths:
            if endpoint in self.endpoints_of(truth.uid, truth.spec):
                truth.shown, truth.available, truth.held = False, False, {}
        self.note()

    def meddle(self, endpoint: str, **changes: str) -> None:
        """Have a person change an endpoint in Atlas."""
        self.before[endpoint] = dict(self.endpoints[endpoint]), self.now
        self.endpoints[endpoint].update(changes)
        self.note()

    def shows(self, endpoint: str, spec: Spec) -> bool:
        """Tell whether Atlas shows now what a spec asks for."""
        return shows(self.endpoints[endpoint], spec)

    @staticmethod
    def _spec(name: str, spec: Spec) -> dict[str, Any]:
        whole = {
            "projectId": PROJECT,
            "instanceName": INSTANCE,
            "providerName": "AWS",
            "endpointId": endpoint_id(name),
            **spec,
        }
        return {name: value for name, value in whole.items() if value is not None}


def _is_of_one_generation(body: Body, other: Body) -> bool:
    one, two = body["metadata"], other["metadata"]
    return bool((one["uid"], one["generation"]) == (two["uid"], two["generation"]))


def _told(spec: Spec) -> str:
    return ", ".join(f"{name}={value}" for name, value in spec.items())
