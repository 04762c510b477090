"""A small world in memory: an API server, an Atlas, people, and what is under way between them; plain data with rules.

Nothing in it knows the operator. It notes down what was true and when, so that ``laws`` can tell a claim from a lie.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_endpoints.engine.store import Body, Key

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping

    from exploration.laws import Violation

PROJECT = "5f7cac1adf5d6c6306f4b283"
INSTANCE = "orders"
FOREIGN = "6f7cac1adf5d6c6306f4b2ff"
"""An endpoint of the same instance that no resource names."""
NAMESPACE = "team"
MANAGED = ("comment", "cloudProviderEndpointId")
"""The fields of a spec that small worlds are about."""
SHARED = 5.0
"""Seconds: what was seen so long ago counts as seen now; the operator promises no more."""
GHOST_LIFE = 60.0
"""Seconds for which a write whose connection broke may still arrive at Atlas."""
Spec: TypeAlias = "Mapping[str, Any]"
Action: TypeAlias = "tuple[str, Spec | None]"
"""What a person does to a resource: its name, and the new spec, or ``None`` to delete it."""


def endpoint_id(name: str) -> str:
    """The endpoint in Atlas that a resource of this name manages in all worlds."""
    return "6f7cac1adf5d6c6306f4b2" + name.encode().hex()[:2]


def resource(name: str) -> Key:
    return Key(NAMESPACE, name)


@dataclass
class Ghost:
    """A write that left and whose connection broke: it arrives later, or never."""

    endpoint: str
    fields: Mapping[str, str]
    until: float


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


@dataclass
class World:
    """Everything outside the operator.

    Attributes:
        script: what people still do to resources, in this order, at any moment.
        left: how often each kind of misfortune may still happen.
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
        violations: of laws.
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
            self._changed("DELETED", key, known)
            return f"somebody deletes {name}"
        if known is None:
            self.uids += 1
            metadata = {"namespace": NAMESPACE, "name": name, "uid": f"uid-{self.uids}", "generation": 1}
            body: Body = {"metadata": metadata, "spec": self._spec(name, spec), "status": {"observedGeneration": -1}}
            self._changed("ADDED", key, body)
        else:
            generation = known["metadata"]["generation"] + 1
            body = {
                **known,
                "spec": self._spec(name, spec),
                "metadata": {**known["metadata"], "generation": generation},
            }
            self._changed("MODIFIED", key, body)
        now = self.objects[key]["metadata"]
        truth = Truth(now["uid"], now["generation"], self.objects[key]["spec"])
        self.truths.append(truth)
        for id_, (before, at) in self.before.items():
            if id_ == truth.spec["endpointId"] and self.now - at <= SHARED:
                _note(truth, before)
        self.note()
        return f"somebody applies {name}: {_told(spec)}"

    # The API server.

    def write_status(self, uid: str, version: str, key: Key, status: Mapping[str, Any]) -> Body | str:
        """Write a status, compare-and-set; the body afterwards, or ``gone`` or ``conflict``."""
        known = self.objects.get(key)
        if known is None:
            return "gone"
        if (known["metadata"]["uid"], known["metadata"]["resourceVersion"]) != (uid, version):
            return "conflict"
        if known["status"] != status:
            self._changed("MODIFIED", key, {**known, "status": deepcopy(dict(status))})
        return self.objects[key]

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

    def patch(self, endpoint: str, fields: Mapping[str, str]) -> dict[str, str | None] | None:
        """Change an endpoint as Atlas does; ``None`` when it refuses."""
        known = self.endpoints[endpoint]
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
            _note(truth, self.endpoints[truth.spec["endpointId"]])

    def confirmed(self, endpoint: str) -> None:
        """Take in that the operator knows what it has written: from now on only what Atlas shows since then counts."""
        self.meddled.discard(endpoint)
        for truth in self.truths:
            if truth.spec["endpointId"] == endpoint:
                truth.shown, truth.available, truth.held = False, False, {}
        self.note()

    def meddle(self, endpoint: str, **changes: str) -> None:
        """Have a person change an endpoint in Atlas."""
        self.before[endpoint] = dict(self.endpoints[endpoint]), self.now
        self.endpoints[endpoint].update(changes)
        self.note()

    def shows(self, spec: Spec) -> bool:
        """Tell whether Atlas shows now what a spec asks for."""
        return _shows(self.endpoints[spec["endpointId"]], spec)

    @staticmethod
    def _spec(name: str, spec: Spec) -> dict[str, Any]:
        return {
            "projectId": PROJECT,
            "instanceName": INSTANCE,
            "providerName": "AWS",
            "endpointId": endpoint_id(name),
            **spec,
        }


def _shows(endpoint: Mapping[str, str | None], spec: Spec) -> bool:
    return all((endpoint.get(name) or "") == spec[name] for name in MANAGED if name in spec)


def _is_of_one_generation(body: Body, other: Body) -> bool:
    one, two = body["metadata"], other["metadata"]
    return bool((one["uid"], one["generation"]) == (two["uid"], two["generation"]))


def _note(truth: Truth, endpoint: Mapping[str, str | None]) -> None:
    shown = _shows(endpoint, truth.spec)
    for name in MANAGED:
        values = truth.held.setdefault(name, [])
        if (value := endpoint.get(name) or "") not in values:
            values.append(value)
            values.sort()
    truth.shown |= shown
    truth.available |= shown and endpoint["status"] == "AVAILABLE"


def _told(spec: Spec) -> str:
    return ", ".join(f"{name}={value}" for name, value in spec.items())
