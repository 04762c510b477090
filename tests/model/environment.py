"""What is around an operator in every small model: an API server, people, and calls that are under way; plain data with rules.

What Atlas holds depends on the kind of resource; see ``serverless`` and ``dedicated``. Nothing in it knows the operator.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.controller.cache import Body, Key
from model.memory import rfc3339
from support.objects import NEVER_SEEN, Objects

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Mapping

    from atlas_endpoints.reconcile.kind import Kind
    from model.invariants import Laws, Violation
    from model.run import Run

PROJECT = "5f7cac1adf5d6c6306f4b283"
NAMESPACE = "team"
ANNOTATIONS = "atlas-endpoints.dev/"
SHARED = 5.0
"""Seconds: what was seen so long ago counts as seen now; the operator promises no more."""
LATELY = 20.0
"""Seconds for which the operator may not know yet that an endpoint is gone, or there: the above, and a call of fifteen."""
GHOST_LIFE = 60.0
"""Seconds for which a write whose connection broke may still arrive at Atlas, and for which a LIST may not show what is new."""
Spec: TypeAlias = "Mapping[str, Any]"
Action: TypeAlias = "tuple[str, Spec | None]"
"""What a person does to a resource: its name, and the new spec, or ``None`` to delete it; a spec may have ``FORCE``."""
FORCE = "force-sync"
"""What stands in a spec for the annotation of this name."""


class Early(Random):
    """Rounds come early, so that one begins while what the one before it has seen still counts; backoff is the mean."""

    @override
    def random(self) -> float:
        return 0.5

    @override
    def uniform(self, a: float, b: float) -> float:
        return min(a, b)


class Move(NamedTuple):
    """Something that can happen.

    Attributes:
        kind: what.
        number: of the replica, the call, the ghost, what Atlas holds, the earlier state.
        how: in which variant.
    """

    kind: str
    number: int = 0
    how: str = ""


class Told(NamedTuple):
    """What people were told of what a resource stands for in Atlas.

    Attributes:
        uid: of the resource.
        reason, note: of the Event.
    """

    uid: str
    reason: str
    note: str


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


@dataclass(kw_only=True)
class Environment(Objects, ABC):
    """Everything outside the operator.

    Attributes:
        kind: of the resources.
        laws: what must hold for it.
        random: what stands in for chance in the operator.
        script: what people still do to resources, in this order, at any moment.
        left: how often each kind of fault may still happen.
        settled: how much of the script has happened, and come to rest, when exploration begins.
        leisure: seconds from then on after which people do at once what is left of the script.
        within: seconds in which the operator, left alone, brings everything to rest.
        replicas: of the operator.
        standby_lags: whether the watch of a replica that does not lead brings nothing yet.
        lists_take_time: whether anything can happen while the API server answers a LIST, or that LIST can fail.
        acts_until: when the leisure ends, as long as something is left of the script.
        outdated: earlier states of each object, or of its name, as a stale API server would show them: the last one of what
            was before the present generation, and the last one of this. Kept only as long as one may still be shown.
        events: what the watch has still to bring, for each replica.
        ghosts: writes to Atlas that may still arrive.
        leader: the replica whose Lease is valid; ``None`` between two.
        made: when what operators have made in Atlas was made; kept only as long as a LIST may still not show it.
        lately: when an endpoint has vanished, or has come by another hand; kept only as long as the operator may not know it yet.
        released: the uids of resources that had a finalizer when they were deleted, and were let go.
        announced: what people were told of the endpoints of resources.
        violations: of invariants.
    """

    kind: ClassVar[Kind[Any]]
    laws: ClassVar[Laws]
    random: ClassVar[type[Random]] = Early

    script: list[Action]
    left: Counter[str]
    settled: int = 0
    leisure: float = inf
    within: float = 120.0
    replicas: int = 1
    standby_lags: bool = False
    lists_take_time: bool = False
    acts_until: float = inf
    outdated: dict[Key, list[Body]] = field(default_factory=dict)
    events: dict[int, list[tuple[str, Body]]] = field(default_factory=dict)
    ghosts: list[Ghost] = field(default_factory=list)
    leader: int | None = 0
    made: dict[str, float] = field(default_factory=dict)
    lately: dict[str, float] = field(default_factory=dict)
    released: set[str] = field(default_factory=set)
    announced: set[Told] = field(default_factory=set)
    violations: list[Violation] = field(default_factory=list)
    now: float = 0.0
    uids: int = 0

    # Atlas.

    @abstractmethod
    def read(self, method: str, path: str, content: Any) -> tuple[str, str]:
        """Give the kind and the target of a call to Atlas; see ``Effect``."""

    @abstractmethod
    def serve(self, kind: str, target: str, content: Any) -> Any:
        """Serve a call to Atlas, and give what it answers.

        Raises:
            AtlasError: it answers with that.
        """

    @abstractmethod
    def lagging(self) -> list[Any]:
        """Give what a LIST answers that does not show what is new."""

    @abstractmethod
    def passing(self) -> list[Move]:
        """Give what Atlas does by itself to what is in a status that passes."""

    @abstractmethod
    def meddling(self) -> Iterator[Move]:
        """Yield what else may happen in Atlas, as often as is left of it."""

    @abstractmethod
    def happen(self, run: Run[Any], move: Move) -> str:
        """Have something happen in Atlas; say what."""

    @abstractmethod
    def told(self) -> str:
        """Say what Atlas holds."""

    def apply(self, ghost: Ghost) -> None:
        """Have a write arrive that nobody waits for any more."""
        with suppress(AtlasError):
            self.serve(ghost.kind, ghost.target, ghost.fields)

    def forget(self) -> None:
        """Drop what makes no difference any more."""
        lags = bool(self.left["list lags"])
        self.made = {id_: at for id_, at in self.made.items() if lags and self.now - at < GHOST_LIFE}
        self.lately = {id_: at for id_, at in self.lately.items() if self.now - at <= LATELY}

    # For kinds that note down what was true, and when.

    def is_shared(self, target: str) -> bool:  # for kinds whose resources share something
        """Tell whether several resources may write to something at once, of which Atlas refuses what comes second."""
        return False

    def edited(self, key: Key) -> None:
        """A resource has a new generation."""

    def forgotten(self) -> None:
        """Statuses are lost, or it is long ago that the operator ran: only what they show is known of what was sent."""

    def confirmed(self, target: str) -> None:
        """The operator knows what it has written."""

    def meddled_with(self, target: str) -> None:
        """Somebody else has changed something, or a write that nobody waits for."""

    # People.

    @abstractmethod
    def whole(self, name: str, spec: Spec) -> dict[str, Any]:
        """Give a spec with the fields that small models are not about; one that is ``None`` is left out."""

    def key(self, name: str) -> Key:
        return Key(self.kind.names.kind, NAMESPACE, name)

    def act(self) -> str:
        """Have people do what is next in the script; say what."""
        name, spec = self.script.pop(0)
        if not self.script:
            self.acts_until = inf
        key = self.key(name)
        known = self.objects.get(key)
        if spec is None:
            self.remove(key, rfc3339(self.now))
            if key in self.objects:
                self.edited(key)
            return f"somebody deletes {name}"
        wanted = {field: value for field, value in self.whole(name, spec).items() if value is not None}
        annotations = {f"{ANNOTATIONS}{each}": wanted.pop(each) for each in (FORCE,) if each in wanted}
        if known is None:
            self.uids += 1
            self.create(key, self.kind.names.api_version, wanted, uid=f"uid-{self.uids}", annotations=annotations)
        else:
            self.update(key, spec=wanted, annotations={**known["metadata"]["annotations"], **annotations})
        self.edited(key)
        return f"somebody applies {name}: {', '.join(f'{field}={value}' for field, value in spec.items())}"

    def restore(self) -> None:
        """Have resources come back from a backup that keeps their finalizers and annotations, and no statuses."""
        for key, known in list(self.objects.items()):
            if "deletionTimestamp" in known["metadata"]:  # a backup has no such resource
                del self.objects[key]
                continue
            self.uids += 1
            metadata = {**known["metadata"], "uid": f"uid-{self.uids}", "generation": 1}
            self.put("ADDED", key, {**known, "metadata": metadata, "status": dict(NEVER_SEEN)})
            self.edited(key)

    # The API server.

    @override
    def put(self, type_: str, key: Key, body: Body) -> Body:
        if key in self.objects and self.may_show_the_past:
            past = [*self.outdated.get(key, ()), self.objects[key]]
            former = [each for each in past if not _is_of_one_generation(each, body)]
            self.outdated[key] = [*former[-1:], *(each for each in past[-1:] if _is_of_one_generation(each, body))]
        if type_ == "DELETED" and "deletionTimestamp" in body["metadata"]:
            self.release(body)
        body = super().put(type_, key, body)
        for events in self.events.values():
            events.append((type_, body))
        return body

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

    def release(self, body: Body) -> None:
        """A resource that is being deleted is let go."""
        self.released.add(body["metadata"]["uid"])


def _is_of_one_generation(body: Body, other: Body) -> bool:
    one, two = body["metadata"], other["metadata"]
    return bool((one["uid"], one["generation"]) == (two["uid"], two["generation"]))
