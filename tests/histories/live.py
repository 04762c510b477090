"""Histories on a real control plane: a few at once before each operator, whose process is killed under all of them.

What happens and what has to come of it is the same as in ``history``; calls break on their real ways, and time is true.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from faults.rules import Frozen, Hold, Moment, Reset
from histories.batch import INSTANCE, TICK
from histories.course import Side
from histories.serverless.course import NAMES, ServerlessCourse
from histories.serverless.judge import Ending, Held
from support.atlas import endpoint_id, project_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from faults.proxy import Proxy
    from faults.rules import Fault, Verb
    from histories.batch import Batch
    from support.observed import Recorder
    from support.resources import Resources

TROUBLED = (30.0, 60.0, 90.0)
"""Seconds in which things happen."""
LONGEST = 20.0
"""Seconds for which a misfortune may last."""
LATE = 10.0
"""Seconds for which a write whose connection broke may still be on its way."""
LIMIT = 600.0
"""Seconds within which everything has to be as wanted afterwards: more than a second reservation that was lost waits for."""
KIND = "/serverlessprivateendpoints"


@dataclass(slots=True)
class _Until:
    """What is to be done at a time, or when a fault has happened."""

    act: Callable[[], None]
    at: float | None = None
    fault: Fault | None = None

    def is_due(self, now: float) -> bool:
        return now >= self.at if self.at is not None else self.fault is not None and self.fault.happened.is_set()


@dataclass
class Verdict:
    """What came of a history.

    Attributes:
        seed: of it.
        wrong: what is not as it should be; ``None``: nothing.
        seconds: from its end until all was.
        told: what has happened in it.
    """

    seed: int
    wrong: str | None = "nothing has been looked at"
    seconds: float = 0.0
    told: list[str] = field(default_factory=list)


class LiveHistory:
    """One history, in a namespace and a project of its own.

    Args:
        seed: decides what happens, as far as it is there to happen to; what the operator is at meanwhile is up to the machine.
        batch: in which it is played.
        number: of it in the batch, and of its project.
        resources: a namespace for it, with credentials.
        recorder: sees all states.
    """

    def __init__(  # each is a fact of its own
        self, seed: int, batch: Batch, number: int, resources: Resources, recorder: Recorder
    ) -> None:
        self._batch = batch
        self._resources = resources
        self._recorder = recorder
        self._project = project_id(number)
        self._foreign = endpoint_id(number, 2)
        place = {
            "projectId": self._project,
            "instanceName": INSTANCE,
            "providerName": "AWS",
            "credentialsSecretRef": {"name": "atlas-credentials"},
        }
        random = Random(seed)  # noqa: S311  # a history is to be the same each time
        named = [endpoint_id(number, index) for index in range(2)]
        self._course = ServerlessCourse(random, self, place=place, named=named, foreign=self._foreign, longest=LONGEST)
        self._times = self._course.times(TROUBLED)
        self._until: list[_Until] = []
        self._names: set[str] = set()
        self._held: set[str] = set()
        self._wanted_delete: set[str] = set()
        self.verdict = Verdict(seed)

    def play(self) -> None:
        """Have everything happen."""
        began = time.monotonic()
        for at in self._times:
            while time.monotonic() < began + at:
                self._act_on_what_is_due()
                time.sleep(TICK / 2)
            self.verdict.told.append(f"{at:6.1f} s {self._course.go_on()}")
        for each in self._until:
            if each.at is not None:
                each.act()
            elif each.fault is not None:
                self._heal(*self._batch.ways.values(), fault=each.fault)
        self._until.clear()
        for name in self.names():
            self.edit(name, suspend=None)

    def judge(self) -> None:
        """Wait until all is as it should be, or until it has had time enough."""
        began = time.monotonic()
        time.sleep(LATE + 5)  # what is late has arrived
        while self.verdict.wrong is not None and time.monotonic() < began + LIMIT:
            self.verdict.wrong = self._ending().wrong()
            self.verdict.seconds = time.monotonic() - began
            time.sleep(1.0)

    # What happens.

    def names(self) -> list[str]:
        return sorted(each["metadata"]["name"] for each in self._resources.all())

    def apply(self, name: str, spec: Mapping[str, Any]) -> None:
        self._note(self._resources.create(name, {name: value for name, value in spec.items() if value is not None}))

    def edit(self, name: str, **fields: Any) -> None:
        if (body := self._resources.patch_if_there(name, {"spec": fields})) is not None:
            self._note(body)

    def annotate(self, name: str, **annotations: str) -> None:
        named = {f"atlas-endpoints.dev/{each.replace('_', '-')}": value for each, value in annotations.items()}
        self._resources.patch_if_there(name, {"metadata": {"annotations": named}})

    def delete(self, name: str) -> None:
        if (body := self._resources.delete_if_there(name)) is not None:
            self._held.add(body["metadata"]["uid"])

    def endpoints(self) -> dict[str, Held]:
        return {
            each["_id"]: Held(each["status"], each.get("comment") or "")
            for each in self._batch.atlas.endpoints()
            if each["projectId"] == self._project
        }

    def put(self, endpoint_id: str, **fields: Any) -> None:
        endpoint = {"_id": endpoint_id, "advance": True, **fields}
        self._batch.atlas.post(
            "endpoints", {"projectId": self._project, "instanceName": INSTANCE, "endpoint": endpoint}
        )

    def crash(self) -> None:
        self._batch.kill()

    def crash_at_a_write(self, side: Side, number: int) -> None:
        way = self._batch.ways[side]
        fault = way.inject(Hold(Moment.AFTER), verb="write", path=self._path(side), times=1, spared=number - 1)

        def kill() -> None:
            self._batch.kill()
            self._heal(way, fault=fault)

        self._until.append(_Until(kill, fault=fault))

    def loses_answers(self, side: Side, seconds: float) -> None:
        self._break(side, Reset(Moment.AFTER), seconds, share=0.25)
        self._break(side, Reset(), seconds, share=0.33)
        if side is Side.ATLAS:
            path = f"{self._path(side)}.*/endpoint"
            late = [
                {"match": {"path": path, "method": method}, "drop": "after", "applyAfter": LATE, "times": 1}
                for method in ("POST", "PATCH", "DELETE")
            ]
            self._batch.atlas.post("faults", late)
            self._later(seconds, lambda: self._batch.atlas.heal(path=path))

    def loses_events(self, seconds: float) -> None:
        self._break(Side.API_SERVER, Frozen(), seconds, verb="watch", path=KIND)

    def is_away(self, side: Side, seconds: float) -> None:
        if side is Side.ATLAS:
            self._break(side, Reset(), seconds)
        else:
            self._batch.refuse()
            self._later(seconds, self._batch.listen)

    def lists_lag(self, seconds: float) -> None:
        self._batch.atlas.post("switches", {"listLag": seconds})

    def _break(
        self,
        side: Side,
        trouble: Frozen | Reset,
        seconds: float,
        *,
        share: float = 1.0,
        verb: Verb | None = None,
        path: str | None = None,
    ) -> None:
        way = self._batch.ways[side]
        fault = way.inject(trouble, share=share, verb=verb, path=self._path(side) if path is None else path)
        self._later(seconds, lambda: way.heal(fault))

    def _path(self, side: Side) -> str:
        return f"/groups/{self._project}/" if side is Side.ATLAS else f"/namespaces/{self._resources.namespace}/"

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        self._until.append(_Until(act, at=time.monotonic() + seconds))

    def _act_on_what_is_due(self) -> None:
        now = time.monotonic()
        due = [each for each in self._until if each.is_due(now)]
        self._until = [each for each in self._until if each not in due]
        for each in due:
            each.act()

    @staticmethod
    def _heal(*ways: Proxy, fault: Fault) -> None:
        for way in ways:
            way.heal(fault)

    def _note(self, body: Mapping[str, Any]) -> None:
        if body["spec"].get("deletionPolicy") == "Delete":
            self._wanted_delete.add(body["metadata"]["uid"])

    # What there is in the end.

    def _ending(self) -> Ending:
        bodies = self._resources.all()
        living = {body["metadata"]["uid"] for body in bodies}
        gone = {body["metadata"]["uid"]: body for body in self._states() if body["metadata"]["uid"] not in living}
        written = [
            (each["method"], each["path"].rpartition("/")[2])
            for each in self._batch.atlas.requests()
            if f"/groups/{self._project}/" in each["path"]
            and (each["dropped"] in {"after", "late"} or each["status"] in {200, 204})
        ]
        return Ending(
            bodies=bodies,
            gone=gone,
            held=self._held,
            wanted_delete=self._wanted_delete,
            endpoints=self.endpoints(),
            foreign=self._foreign,
            reserved_for=self._batch.reserved_for[self._project],
            deletions={endpoint for method, endpoint in written if method == "DELETE"},
            changes={endpoint for method, endpoint in written if method == "PATCH"},
        )

    def _states(self) -> Iterator[dict[str, Any]]:
        for name in NAMES:
            yield from self._recorder.states(self._resources.namespace, name)
