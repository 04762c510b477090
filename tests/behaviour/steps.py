"""What can happen in a case of every kind, and what ``expect`` can ask for: the real core, an API server in memory and the
simulator, on virtual time. A kind's own steps and views are in its module. Without a name, all are about the resource ``db``."""

from __future__ import annotations

import asyncio
import itertools
import json
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import asynccontextmanager, suppress
from copy import deepcopy
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar, Self

from atlas_endpoints.atlas.errors import AtlasUnavailableError
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.controller import ConflictError, RefusedError
from atlas_endpoints.settings import OperatorSettings
from behaviour.api_server import PREFIX, Cluster
from behaviour.atlas import PROJECT, SimulatedAtlas, lost
from behaviour.cases import play, seconds
from behaviour.ports import ConfigMaps, Namespaces, Observer, Secrets, Targets
from behaviour.process import Process
from support.crd import refusals
from support.kstatus import problems
from support.objects import NEVER_SEEN
from support.virtual_time import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.controller.cache import Body
    from atlas_endpoints.reconcile.kind import Kind

AT_LEAST = 0.5
"""Seconds that any step takes in which something is to happen: the API server takes its time to answer."""

FINALIZER = f"{PREFIX}cleanup"
SETTINGS = OperatorSettings.model_construct(
    credentials_secret="operator/atlas",  # a name
    concurrency=4,
    outputs=True,
    reference_targets=("ec2.services.k8s.aws/VPCEndpoint",),
)


class Steps(ABC):
    """What can happen in a case: the method ``name`` does the step ``name``.

    Attributes:
        bodies: the latest known objects by name, also those that are gone.
        written: the number of status writes by name.
        before: the status that the latest write has replaced.
    """

    kind: ClassVar[Kind[Any]]

    def __init__(self, projects: Sequence[str] = (PROJECT,)) -> None:
        loop = asyncio.get_running_loop()
        self.clock, self.true_clock = VirtualClock(loop), VirtualClock(loop)
        self.random: Random = Random(1)  # noqa: S311  # jitter; each run of a case is the same
        random = Random(1)  # noqa: S311  # the same
        named = {"apiVersion": self.kind.names.api_version, "kind": self.kind.names.kind}
        self._ahead = timedelta(0)
        self.cluster = Cluster(random, self._api_server_time, named)
        self.cluster.status_written = self._checked
        self.cluster.changed = self._changed
        self.atlas = SimulatedAtlas(lambda: self.true_clock.now().timestamp(), projects=projects, named=self.name_of)
        self.config_maps, self.targets, self.secrets, self.observer = ConfigMaps(), Targets(), Secrets(), Observer()
        self.namespaces = Namespaces()
        self.bodies: dict[str, Mapping[str, Any]] = {}
        self.written: Counter[str] = Counter()
        self.before: Mapping[str, Any] = {}
        self._settings = SETTINGS
        self.process = Process(self.cluster, self.kind)
        self._late: list[Request] = []

    @staticmethod
    @abstractmethod
    def name_of(request: Request) -> str:
        """Return the name of a call in cases."""

    @abstractmethod
    def views(self, name: str) -> Views:
        """Return what ``expect`` can ask for about a resource."""

    async def do(self, steps: Sequence[Mapping[str, Any]]) -> None:
        async with self.running():
            await play(self, steps)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Let the operator run meanwhile."""
        self.boot(None, "")
        try:
            yield self
        finally:
            self.kill(None, "")

    def _api_server_time(self) -> str:
        return f"{self.true_clock.now() + self._ahead:%Y-%m-%dT%H:%M:%SZ}"

    def _changed(self, body: Body) -> None:
        self.bodies[body["metadata"]["name"]] = deepcopy(body)

    def _checked(self, before: Body, status: Mapping[str, Any]) -> None:
        """Check what is true of every status: the schema of the CRD, the rules of kstatus, and the times of its conditions."""
        assert refusals(status, self.kind.names.kind) == []
        assert problems({**before, "status": status}) == []
        known = {each["type"]: each for each in before["status"].get("conditions", ())}
        for each in status["conditions"]:
            former = known.get(each["type"])
            if former is not None and former["status"] == each["status"] == "True":
                assert each["lastTransitionTime"] <= former["lastTransitionTime"], each
        self.before = before["status"]
        self.written[before["metadata"]["name"]] += 1

    # The operator's process.

    def boot(self, _: object, __: str) -> None:
        """Start the operator."""
        self.process.boot(
            settings=self._settings,
            client=self.atlas,
            clock=self.clock,
            config_maps=self.config_maps,
            targets=self.targets,
            secrets=self.secrets,
            namespaces=self.namespaces,
            observer=self.observer,
            random=self.random,
        )

    def kill(self, _: object, __: str) -> None:
        """Kill the operator."""
        self.process.kill()

    def restart(self, values: Mapping[str, Any] | None, _: str) -> None:
        """Kill the operator and start it, with other settings if some are given."""
        self._settings = self._settings.model_copy(update=dict(values or {}))
        self.kill(None, "")
        self.boot(None, "")

    # Resources.

    def create(self, spec: Mapping[str, Any], name: str) -> None:
        """Create a resource; a name such as ``web/db`` also names its namespace."""
        metadata = dict(spec.get("annotations", {}))
        fields = {key: value for key, value in spec.items() if key != "annotations"}
        self.cluster.apply(name or "db", {"projectId": PROJECT, **fields}, metadata)

    def edit(self, fields: Mapping[str, Any], name: str) -> None:
        self.cluster.edit(name or "db", **fields)

    def annotate(self, values: Mapping[str, str], name: str) -> None:
        self.cluster.annotate(name or "db", **values)

    def label(self, values: Mapping[str, str], name: str) -> None:
        self.cluster.label(name or "db", **values)

    def delete(self, _: object, name: str) -> None:
        self.cluster.delete(name or "db")

    def restore(self, _: object, name: str) -> None:
        """Put a copy without a status in the place of a resource, as from a backup."""
        self.cluster.restore(name or "db")

    def forget_status(self, _: object, name: str) -> None:
        """Lose a status, as a restore of a backup does."""
        self.cluster.set_status(name or "db", NEVER_SEEN)

    def api_server(self, state: str, _: str) -> None:
        """Let the API server be ``up``, or ``down``: its watch goes on."""
        self.cluster.down = state == "down"

    def ahead(self, time: str, _: str) -> None:
        """Set how far the clock of the API server is ahead."""
        self._ahead = timedelta(seconds=seconds(time))

    def metadata(self, state: str, _: str) -> None:
        """Let changes of metadata be ``refused``, ``stripped``, end in a ``conflict``, be ``down``, or ``up``."""
        self.cluster.strips = state == "stripped"
        failures = {
            "refused": RefusedError("not here"),
            "conflict": ConflictError(),
            "down": ClusterUnavailableError("a webhook is down"),
        }
        self.cluster.changes_fail = failures.get(state)

    def lists(self, state: str, _: str) -> None:
        """Let LISTs of a namespace be ``up``, or ``down``."""
        self.cluster.lists_down = state == "down"

    def gets(self, state: str, _: str) -> None:
        """Let reads of a resource by its name be ``forbidden``, or ``up``."""
        self.cluster.unreadable = state == "forbidden"

    def without_rights(self, namespaces: Sequence[str], _: str) -> None:
        """Let the operator have no rights in these namespaces, which its watch finds out, and have them in all others."""
        self.cluster.forbidden = namespaces
        self.process.core.relisted(self.kind.names.kind)

    def unwritable(self, name: str | None, _: str) -> None:
        """Let writes of the status of this resource fail once it shows an endpoint; ``null``: of none any more."""
        self.cluster.unwritable = name

    def lost_events(self, share: float, _: str) -> None:
        """Let this share of the events of the API server be lost from now on."""
        self.cluster.lost_events = share

    # What stands beside them.

    def secret(self, values: Mapping[str, Mapping[str, str] | str | None], _: str) -> None:
        """Replace Secrets by the name of a key, or by ``now`` and what is ``remembered``; ``None``: it is missing."""
        for name, value in values.items():
            self.secrets.put("atlas" if name == "operator" else name, value)

    def namespace(self, annotations: Mapping[str, str], _: str) -> None:
        """Replace the annotations of ours that the namespaces have."""
        self.namespaces.found = {f"{PREFIX}{name}": value for name, value in annotations.items()}

    def target(self, values: Mapping[str, str | None], _: str) -> None:
        """Replace what references lead to; ``None``: nothing."""
        self.targets.put(values)

    def unreadable(self, target: str, _: str) -> None:
        """Let each read of the target of a reference fail."""
        self.targets.held[target] = ClusterUnavailableError(f"{target} could not be read")

    # Atlas.

    def switch(self, switches: Mapping[str, Any], _: str) -> None:
        """Set switches of the simulator."""
        self.atlas.switch(**switches)

    def lose(self, call: str, how: str) -> None:
        """Lose the next such call: it never arrives (``call``), its answer does not (``answer``), or it arrives ``late``.

        ``late, and it dies``: the operator, too, is killed.
        """

        def fails(request: Request) -> None:
            if self.name_of(request) != call:
                return
            self.atlas.before = self.atlas.after = lambda _: None
            if "late" in how:
                self._late.append(request)
            if "dies" in how:
                asyncio.get_running_loop().call_soon(self.kill, None, "")
            raise lost(request)

        setattr(self.atlas, "after" if how == "answer" else "before", fails)

    def accept_with(self, answer: Mapping[str, Any], call: str) -> None:
        """Answer such calls with success and the same body, and do nothing."""
        self.atlas.accepted = lambda request: answer if self.name_of(request) == call else None

    def turns(self, answers: Mapping[str, Sequence[Any]], _: str) -> None:
        """Answer each of these calls with another one of its answers, in turn; ``#`` in them is the number of the call."""
        made = Counter[str]()

        def accepted(request: Request) -> Any:
            if not (of := answers.get(name := self.name_of(request), ())):
                return None
            made[name] += 1
            return json.loads(json.dumps(of[made[name] % len(of)]).replace("#", f"{made[name]:024x}"))

        self.atlas.accepted = accepted

    def refuse(self, answer: Mapping[str, Any] | None, _: str) -> None:
        """Refuse such calls, or some ``times`` only, or those whose path has ``below`` in it; ``null``: none any more."""
        body = json.dumps({"error": 400, "detail": "no", **(answer or {})}).encode()
        left = itertools.repeat(1) if answer is None or "times" not in answer else iter(range(answer["times"]))

        def refuses(request: Request) -> None:
            is_such = (
                answer is not None
                and self.name_of(request) == answer["call"]
                and answer.get("below", "") in request.path
            )
            if answer is not None and is_such and next(left, None) is not None:
                after = answer.get("retryAfter")
                raise self.atlas.refusal(request, answer.get("error", 400), body, retry_after=after)

        self.atlas.before = refuses

    def rotate_before(self, call: str, _: str) -> None:
        """Rotate the operator's API key just before such a call: Atlas knows the former one no more."""

        def refuses(request: Request) -> None:
            if self.name_of(request) == call:
                self.atlas.before = lambda _: None
                self.secrets.put("atlas", "operator-2")
                raise self.atlas.refusal(request, 401, b'{"error": 401}')

        self.atlas.before = refuses

    def slow(self, time: str, call: str) -> None:
        """Let each such call to Atlas take this long from now on; without a name, each call."""
        self.atlas.takes = lambda request: seconds(time) if call in {"", self.name_of(request)} else 0.0

    def kill_after(self, call: str, _: str) -> None:
        """Kill and restart the operator when such a call was performed, before its answer arrives."""

        def dies(request: Request) -> None:
            if self.name_of(request) == call:
                self.atlas.after = lambda _: None
                asyncio.get_running_loop().call_soon(self.restart, None, "")
                raise AtlasUnavailableError("The process died.", operation=request.operation, unknown_outcome=True)

        self.atlas.after = dies

    def away_after(self, call: str, _: str) -> None:
        """Let the API server be down from the moment at which such a call was performed."""

        def goes(request: Request) -> None:
            if self.name_of(request) == call:
                self.atlas.after = lambda _: None
                self.cluster.down = True

        self.atlas.after = goes

    # Time.

    async def run(self, time: str, _: str) -> None:
        """Let time pass, and at least what the API server takes for its answers."""
        await asyncio.sleep(max(seconds(time), AT_LEAST))
        with suppress(ValueError):
            self.atlas.world.settle()

    async def stay(self, expected: Mapping[str, str], name: str) -> None:
        """Let some time pass in which ``ready`` does not change, not even for ten seconds."""
        for _ in range(int(seconds(expected["for"]) / 10)):
            await self.run("10s", "")
            self.views(name).ready(expected["ready"])

    def clear(self, _: object, __: str) -> None:
        """Forget the calls, writes and Events so far."""
        for each in (self.atlas.calls, self.atlas.credentials, self.config_maps.calls, self.written):
            each.clear()
        for reads in (self.secrets.reads, self.targets.reads, self.observer.events, self.observer.reconciles):
            reads.clear()

    # What is true afterwards.

    def expect(self, expected: Mapping[str, Any], name: str) -> None:
        views = self.views(name)
        for view, value in expected.items():
            getattr(views, view)(value)


class Views:
    """What ``expect`` can ask for: the method ``name`` compares what the case names so."""

    def __init__(self, steps: Steps, name: str) -> None:
        self._steps, self._name = steps, name or "db"

    @property
    def _body(self) -> Mapping[str, Any]:
        return self._steps.bodies[self._name.rpartition("/")[2]]

    @property
    def _status(self) -> Mapping[str, Any]:
        status: Mapping[str, Any] = self._body.get("status", {})
        return status

    def _condition(self, type_: str) -> Mapping[str, Any]:
        return next((each for each in self._status.get("conditions", ()) if each["type"] == type_), {})

    @property
    def _message(self) -> str:
        return str(self._condition("Ready").get("message", ""))

    def ready(self, reason: str) -> None:
        assert self._condition("Ready").get("reason") == reason, (self._status, self._steps.atlas.calls)

    def all_ready(self, reason: str) -> None:
        statuses = [each["status"] for each in self._steps.cluster.objects.values()]
        found = {each["reason"] for status in statuses for each in status["conditions"] if each["type"] == "Ready"}
        assert found == {reason}

    def conditions(self, expected: Mapping[str, str | None]) -> None:
        """Status and reason of conditions; ``None``: there is none."""
        for type_, words in expected.items():
            found = self._condition(type_)
            assert (f"{found['status']} {found['reason']}" if found else None) == words, (type_, self._status)

    def progress(self, expected: str | None) -> None:
        """``Reconciling``, ``Stalled`` or neither."""
        found = [each for each in ("Reconciling", "Stalled") if self._condition(each)]
        assert found == ([expected] if expected else []), self._status

    def says(self, words: Sequence[str]) -> None:
        assert [each for each in words if each not in self._message] == [], self._message

    def never_says(self, words: Sequence[str]) -> None:
        assert [each for each in words if each in self._message] == [], self._message

    does_not_say = never_says

    def tells(self, expected: Mapping[str, Sequence[str]]) -> None:
        """Words in the messages of conditions."""
        for type_, words in expected.items():
            message = self._condition(type_).get("message", "")
            assert [each for each in words if each not in message] == [], message

    def status(self, expected: Mapping[str, Any]) -> None:
        """Fields by their paths; ``None``: there is no such field."""
        for path, value in expected.items():
            found: Any = self._status
            for part in path.split("."):
                found = dict(enumerate(found)).get(int(part)) if part.isdigit() else (found or {}).get(part)
            assert found == value, (path, self._status)

    def handled(self, request: str | None) -> None:
        """The latest request of a sync that was handled."""
        assert self._status.get("lastHandledReconcileAt") == request

    def blocked(self, words: Sequence[str]) -> None:
        """A deletion is blocked: what hinders it, and the ways out."""
        self.ready("DeletionBlocked")
        self.progress("Stalled")
        self.says([*words, "force-finalize"])

    def exists(self, expected: bool) -> None:
        is_there = self._steps.cluster.key(self._name) in self._steps.cluster.objects
        assert is_there is expected, (self._status, self._steps.atlas.calls)

    def finalizer(self, expected: bool) -> None:
        assert (FINALIZER in self._body["metadata"].get("finalizers", ())) is expected

    def finalizers(self, expected: Sequence[str]) -> None:
        assert self._body["metadata"].get("finalizers", []) == expected

    def annotation(self, expected: str) -> None:
        """The record of the endpoint."""
        assert self._body["metadata"]["annotations"][f"{PREFIX}endpoint-id"] == expected

    def calls(self, expected: Mapping[str, int | str] | Sequence[str]) -> None:
        """The calls to Atlas in their order, or the numbers of some, exact or such as ``<= 5``."""
        made = self._steps.atlas.calls
        if isinstance(expected, list):
            assert made == expected
            return
        assert isinstance(expected, dict)
        for call, number in expected.items():
            self._count(sum(self._is(each, call) for each in made), number, call)

    @staticmethod
    def _is(made: str, call: str) -> bool:
        return made == call

    def _count(self, found: int, number: int | str, what: str = "") -> None:
        low, _, high = str(number).rpartition("<=")
        assert int(low or (0 if "<=" in str(number) else high)) <= found <= int(high), (
            what,
            found,
            number,
            self._steps.atlas.calls,
        )

    def writes(self, expected: int | str | Mapping[str, int | str]) -> None:
        """How often statuses were written, of all resources or of some."""
        if isinstance(expected, int | str):
            self._count(self._steps.written.total(), expected, "writes")
            return
        for name, number in expected.items():
            self._count(self._steps.written[name], number, f"writes {name}")

    def reconcile_count(self, expected: int | str) -> None:
        """The number of reconciles."""
        self._count(len(self._steps.observer.reconciles), expected, "reconciles")

    def credentials(self, expected: Sequence[str]) -> None:
        """The keys of the calls to Atlas, without repetition."""
        assert sorted(set(self._steps.atlas.credentials)) == expected

    def reads(self, expected: Sequence[str] | int | str) -> None:
        """The ages that readings of Secrets allow, or their number."""
        found = [each.name for each in self._steps.secrets.reads]
        if isinstance(expected, int | str):
            self._count(len(found), expected, "reads")
        else:
            assert found == expected

    def events(self, reasons: Sequence[str]) -> None:
        """The Events of the resource that no status shows."""
        found = [reason for name, reason, _ in self._steps.observer.events if name == self._name]
        assert found == reasons, self._steps.observer.events

    def event_says(self, words: Sequence[str]) -> None:
        found = [message for name, _, message in self._steps.observer.events if name == self._name]
        assert [each for each in words if not any(each in message for message in found)] == [], found

    def event_never_says(self, words: Sequence[str]) -> None:
        found = [message for name, _, message in self._steps.observer.events if name == self._name]
        assert [each for each in words if any(each in message for message in found)] == [], found

    def held(self, number: int) -> None:
        """How many statuses say that the drift limiter delays a correction."""
        statuses = [each["status"] for each in self._steps.cluster.objects.values()]
        found = [each["reason"] for status in statuses for each in status["conditions"] if each["type"] == "Ready"]
        assert found.count("CorrectionHeld") == number

    def outputs(self, expected: Mapping[str, Mapping[str, str] | None]) -> None:
        """The data of ConfigMaps by name, as far as they are named; ``None``: there is none."""
        for name, data in expected.items():
            held = self._steps.config_maps.held(name)
            found = None if held is None else {key: held.get(key) for key in data or {}}
            assert found == data, (name, held)
