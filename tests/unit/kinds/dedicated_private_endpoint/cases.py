"""Cases of the kind in YAML: the real core, an API server in memory and the simulator, on virtual time.

A file of ``cases/`` holds cases by name; see ``unit.reconcile.cases`` for their form. `Actions` has one method for each step,
and `Views` one for each thing that ``expect`` can ask for. Without a name, both are about the resource ``db``.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import yaml
from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasUnavailableError
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.controller import ConflictError, RefusedError
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from atlas_endpoints.settings import OperatorSettings
from atlas_endpoints.simulator.cluster import ClusterDocument
from atlas_endpoints.simulator.service import ServiceDocument
from atlas_endpoints.simulator.services import put_cluster
from histories.cluster import Cluster
from support.cores import core_of
from support.ports import NoObserver, OneSecret
from support.simulated_atlas import PROJECT, SimulatedAtlas, lost, name_of
from support.virtual_time import VirtualClock
from unit.reconcile.cases import Case, filled, play, seconds
from unit.reconcile.harness import ConfigMaps, Targets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.cluster.api import Age
    from atlas_endpoints.controller.cache import Body
    from atlas_endpoints.reconcile.events import Event

VPCE, OTHER_VPCE = "vpce-0123456789abcdef0", "vpce-0123456789abcdef1"
AZURE_ID = "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg/providers/Microsoft.Network/privateEndpoints/pe"
CONSTANTS: Mapping[str, Any] = {
    "PROJECT": PROJECT,
    "VPCE": VPCE,
    "OTHER_VPCE": OTHER_VPCE,
    "AZURE_ID": AZURE_ID,
    "AZURE_ID_IN_CAPITALS": AZURE_ID.replace("/rg/", "/RG/"),
    "SERVICE": "a" * 24,
    "ON_AWS": {"providerName": "AWS", "region": "eu-west-1"},
    "ON_AZURE": {"providerName": "AZURE", "region": "eastus2"},
    "ON_GCP": {"providerName": "GCP", "region": "us-central1", "gcp": {"projectId": "my-project-1"}},
    "REF": {"apiVersion": "ec2.services.k8s.aws/v1alpha1", "kind": "VPCEndpoint", "name": "vpc"},
}
SETTINGS = OperatorSettings.model_construct(
    credentials_secret="operator/atlas",  # a name
    concurrency=4,
    outputs=True,
    reference_targets=("ec2.services.k8s.aws/VPCEndpoint",),
)
FINALIZER = "atlas-endpoints.dev/cleanup"


def cases(folder: Path) -> Iterator[Case]:
    """Yield all cases, each variant for itself."""
    for path in sorted(folder.glob("*.yaml")):
        for name, case in yaml.safe_load(path.read_text("utf-8")).items():
            if isinstance(case, list):
                yield Case(f"{path.stem}: {name}", filled(case, CONSTANTS))
                continue
            for variant, values in case["each"].items():
                known = {**CONSTANTS, "variant": variant, **case.get("with", {}), **(values or {})}
                yield Case(f"{path.stem}: {name} [{variant}]", filled(case["steps"], known))


class _Observer(NoObserver):
    """Keeps the Events that no status shows."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    @override
    def recorded(self, body: Body, event: Event) -> None:
        self.events.append((body["metadata"]["name"], event.reason, event.message))


class _Secrets(OneSecret):
    """An API key in each Secret, which may be rotated."""

    rotated = False

    @override
    async def read(self, namespace: str, name: str, *, age: Age) -> Mapping[str, str]:
        read = await super().read(namespace, name, age=age)
        return {**read, "publicApiKey": "hgfedcba"} if self.rotated else read


class Actions:
    """What can happen in a case: the method ``name`` does the step ``name``."""

    def __init__(self, projects: Sequence[str] = (PROJECT,)) -> None:
        self._clock = VirtualClock(asyncio.get_running_loop())
        random = Random(1)  # noqa: S311  # each run of a case is the same
        named = {"apiVersion": KIND.names.api_version, "kind": KIND.names.kind}
        self._ahead = timedelta(0)
        self.cluster = Cluster(random, lambda: f"{self._clock.now() + self._ahead:%Y-%m-%dT%H:%M:%SZ}", named)
        self.atlas = SimulatedAtlas(lambda: self._clock.now().timestamp(), projects=projects)
        self.config_maps, self.targets, self.secrets, self.observer = ConfigMaps(), Targets(), _Secrets(), _Observer()
        self._settings = SETTINGS
        self._tasks: list[asyncio.Task[Any]] = []
        self.bodies: dict[str, Mapping[str, Any]] = {}
        """The latest known objects, also those that are gone."""
        self._late: list[Request] = []

    async def do(self, steps: Sequence[Mapping[str, Any]]) -> None:
        self.boot(None, "")
        try:
            await play(self, steps)
        finally:
            self.kill(None, "")

    # The operator's process.

    def boot(self, _: object, __: str) -> None:
        """Start the operator."""
        core = self.core = core_of(
            self.cluster,
            settings=self._settings,
            kind=KIND,
            client=self.atlas,
            clock=self._clock,
            config_maps=self.config_maps,
            targets=self.targets,
            secrets=self.secrets,
            observer=self.observer,
        )
        events: asyncio.Queue[tuple[str, Body]] = asyncio.Queue()

        def seen(type_: str, body: Body) -> None:
            self.bodies[body["metadata"]["name"]] = body
            events.put_nowait((type_, body))

        self.cluster.watcher = seen

        async def watch() -> None:
            while True:
                type_, body = await events.get()
                (core.deleted if type_ == "DELETED" else core.seen)(body)

        for each in (core.kinds[KIND.names.kind].relister.keep(), core.work(), watch()):
            self._tasks.append(asyncio.create_task(each))

    def kill(self, _: object, __: str) -> None:
        """Kill the operator."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()

    def restart(self, _: object, __: str) -> None:
        self.kill(None, "")
        self.boot(None, "")

    def settings(self, values: Mapping[str, Any], _: str) -> None:
        """Restart with other settings."""
        self._settings = self._settings.model_copy(update=dict(values))
        self.restart(None, "")

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
        self.cluster.objects[self.cluster.key(name or "db")]["status"] = {"observedGeneration": -1}
        self.cluster.annotate(name or "db")

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

    def unwritable(self, name: str | None, _: str) -> None:
        """Let writes of the status of this resource fail once it shows an endpoint; ``null``: of none any more."""
        self.cluster.unwritable = name

    def lost_events(self, share: float, _: str) -> None:
        """Let this share of the events of the API server be lost from now on."""
        self.cluster.lost_events = share

    def targets_are(self, values: Mapping[str, str | None], _: str) -> None:
        self.targets.put(values)

    def unreadable(self, target: str, _: str) -> None:
        """Let each read of the target of a reference fail."""
        self.targets.held[target] = ClusterUnavailableError(f"{target} could not be read")

    # Atlas.

    def service(self, document: Mapping[str, Any], _: str) -> None:
        """Put an endpoint service and its endpoints as a person does."""
        where = {"cloudProvider": "AWS", "regionName": "EU_WEST_1"}
        project = self.atlas.simulator.world.projects[PROJECT]
        put = ServiceDocument.model_validate({**where, **document})
        self.atlas.simulator.services.put(project, put, advance=put.advance is not False)

    def atlas_cluster(self, document: Mapping[str, Any], _: str) -> None:
        """Put a cluster."""
        world = self.atlas.simulator.world
        put_cluster(world, world.projects[PROJECT], ClusterDocument.model_validate(document))

    def switch(self, switches: Mapping[str, Any], _: str) -> None:
        """Set switches of the simulator."""
        world = self.atlas.simulator.world
        world.turn(world.switches.changed(switches))

    def lose(self, call: str, how: str) -> None:
        """Lose the next such call: it never arrives (``call``), its answer does not (``answer``), or it arrives ``late``.

        ``late, and it dies``: the operator, too, is killed.
        """

        def fails(request: Request) -> None:
            if name_of(request) != call:
                return
            self.atlas.before = self.atlas.after = lambda _: None
            if "late" in how:
                self._late.append(request)
            if "dies" in how:
                asyncio.get_running_loop().call_soon(self.kill, None, "")
            raise lost(request)

        setattr(self.atlas, "after" if how == "answer" else "before", fails)

    def accept(self, call: str, _: str) -> None:
        """Answer such calls with success; the first takes effect only with ``late``, the others never; a LIST is empty."""
        self._late.clear()

        def accepts(request: Request) -> Any | None:
            if name_of(request) != call:
                return None
            self._late.append(request)
            if call == "LIST":
                return []
            shown = json.loads(self.atlas.simulator.world.projects[PROJECT].listings["AWS"].page())
            return shown[0] if request.method == "PATCH" else {}

        self.atlas.accepted = accepts

    def accept_with(self, answer: Mapping[str, Any], call: str) -> None:
        """Answer such calls with success and the same body, and do nothing."""
        self.atlas.accepted = lambda request: answer if name_of(request) == call else None

    def turns(self, answers: Mapping[str, Sequence[Any]], _: str) -> None:
        """Answer each of these calls with another one of its answers, in turn; ``#`` in them is the number of the call."""
        made = Counter[str]()

        def accepted(request: Request) -> Any:
            if not (of := answers.get(name := name_of(request), ())):
                return None
            made[name] += 1
            return json.loads(json.dumps(of[made[name] % len(of)]).replace("#", f"{made[name]:024x}"))

        self.atlas.accepted = accepted

    def refuse(self, answer: Mapping[str, Any] | None, _: str) -> None:
        """Refuse such calls, or some ``times`` only; ``null``: none any more."""
        body = json.dumps({"error": 400, "detail": "no", **(answer or {})}).encode()
        left = itertools.repeat(1) if answer is None or "times" not in answer else iter(range(answer["times"]))

        def refuses(request: Request) -> None:
            if answer is not None and name_of(request) == answer["call"] and next(left, None) is not None:
                after = answer.get("retryAfter")
                raise self.atlas.refusal(request, answer.get("error", 400), body, retry_after=after)

        self.atlas.before = refuses

    def rotate(self, _: object, __: str) -> None:
        """Rotate the API keys."""
        self.secrets.rotated = True

    def rotate_before(self, call: str, _: str) -> None:
        """Rotate the API keys just before such a call: Atlas knows the former one no more."""

        def refuses(request: Request) -> None:
            if name_of(request) == call:
                self.atlas.before = lambda _: None
                self.secrets.rotated = True
                raise self.atlas.refusal(request, 401, b'{"error": 401}')

        self.atlas.before = refuses

    def once_intended(self, document: Mapping[str, Any], _: str) -> None:
        """Put a service once a status says that something is about to be created."""

        def written() -> None:
            statuses = [each["status"] for each in self.cluster.objects.values()]
            if any(each.get("serviceCreation") for each in statuses):
                self.cluster.written = lambda: None
                self.service(document, "")

        self.cluster.written = written

    def service_once_listed(self, document: Mapping[str, Any], _: str) -> None:
        """Put a service while the resources of a namespace are listed."""

        def listed() -> None:
            self.cluster.listed = lambda: None
            self.service(document, "")

        self.cluster.listed = listed

    def edit_once_intended(self, fields: Mapping[str, Any], name: str) -> None:
        """Edit a resource once its status says that something is about to be created."""
        key = self.cluster.key(name or "db")

        def written() -> None:
            if self.cluster.objects[key]["status"].get("serviceCreation"):
                self.cluster.written = lambda: None
                self.edit(fields, name)

        self.cluster.written = written

    def late(self, _: object, __: str) -> None:
        """Let the late calls arrive."""
        self.atlas.accepted = lambda _: None
        for request in self._late[:1]:
            self.atlas.perform(request)
        self._late.clear()

    def slow(self, time: str, call: str) -> None:
        """Let each such call to Atlas take this long from now on; without a name, each call."""
        self.atlas.takes = lambda request: seconds(time) if call in {"", name_of(request)} else 0.0

    def kill_after(self, call: str, _: str) -> None:
        """Kill and restart the operator when such a call was performed, before its answer arrives."""

        def dies(request: Request) -> None:
            if name_of(request) == call:
                self.atlas.after = lambda _: None
                asyncio.get_running_loop().call_soon(self.restart, None, "")
                raise AtlasUnavailableError("The process died.", operation=request.operation, unknown_outcome=True)

        self.atlas.after = dies

    def clear(self, _: object, __: str) -> None:
        """Forget the calls and Events so far."""
        self.atlas.calls.clear()
        self.observer.events.clear()

    async def run(self, time: str, _: str) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds(time))
        with suppress(ValueError):
            self.atlas.simulator.world.settle()

    # What is true afterwards.

    def expect(self, expected: Mapping[str, Any], name: str) -> None:
        views = Views(self, name or "db")
        for view, value in expected.items():
            getattr(views, view)(value)


class Views:
    """What ``expect`` can ask for: the method ``name`` compares what the case names so."""

    def __init__(self, actions: Actions, name: str) -> None:
        self._actions, self._name = actions, name

    @property
    def _status(self) -> Mapping[str, Any]:
        status: Mapping[str, Any] = self._actions.bodies[self._name].get("status", {})
        return status

    def _condition(self, type_: str) -> Mapping[str, Any]:
        return next((each for each in self._status.get("conditions", ()) if each["type"] == type_), {})

    def ready(self, reason: str) -> None:
        assert self._condition("Ready").get("reason") == reason, self._status

    def conditions(self, expected: Mapping[str, str | None]) -> None:
        """Status and reason of conditions; ``None``: there is none."""
        for type_, words in expected.items():
            found = self._condition(type_)
            assert (f"{found['status']} {found['reason']}" if found else None) == words, (type_, self._status)

    def says(self, words: Sequence[str]) -> None:
        message = self._condition("Ready").get("message", "")
        assert [each for each in words if each not in message] == [], message

    def tells(self, expected: Mapping[str, Sequence[str]]) -> None:
        """Words in the messages of conditions."""
        for type_, words in expected.items():
            message = self._condition(type_).get("message", "")
            assert [each for each in words if each not in message] == [], message

    def does_not_say(self, words: Sequence[str]) -> None:
        message = self._condition("Ready").get("message", "")
        assert [each for each in words if each in message] == [], message

    def status(self, expected: Mapping[str, Any]) -> None:
        """Fields by their paths; ``None``: there is no such field."""
        for path, value in expected.items():
            found: Any = self._status
            for part in path.split("."):
                found = dict(enumerate(found)).get(int(part)) if part.isdigit() else (found or {}).get(part)
            assert found == value, (path, self._status)

    def exists(self, expected: bool) -> None:
        names = {key.name for key in self._actions.cluster.objects}
        assert (self._name in names) is expected, (self._status, self._actions.atlas.calls)

    def finalizer(self, expected: bool) -> None:
        assert (FINALIZER in self._actions.bodies[self._name]["metadata"].get("finalizers", ())) is expected

    def calls(self, expected: Mapping[str, int | str] | Sequence[str]) -> None:
        """The calls to Atlas in their order, or the numbers of some, exact or such as ``<= 5``."""
        made = self._actions.atlas.calls
        if isinstance(expected, list):
            assert made == expected
            return
        assert isinstance(expected, dict)
        for call, number in expected.items():
            found = sum(each == call for each in made)
            low, _, high = str(number).rpartition("<=")
            assert int(low or (0 if "<=" in str(number) else high)) <= found <= int(high), (call, made)

    def services(self, expected: Mapping[str, Mapping[str, str]] | None) -> None:
        """The status of each endpoint in Atlas, by id and by the region of its service."""
        world = self._actions.atlas.simulator.world
        found = {
            each.region + ("" if each.cloud_provider != "GCP" or each.port_mapping else " legacy"): {
                id_: endpoint.status for id_, endpoint in each.endpoints.items()
            }
            for each in world.projects[PROJECT].services.values()
            if each.status != "DELETING"
        }
        assert found == (expected or {}), (self._actions.atlas.calls, self._actions.observer.events)

    def remote_regions(self, expected: Sequence[str] | None) -> None:
        """Those of the only service."""
        (service,) = self._actions.atlas.simulator.world.projects[PROJECT].services.values()
        assert list(service.remote_regions or ()) == expected

    def events(self, reasons: Sequence[str]) -> None:
        """The Events of the resource that no status shows."""
        assert [reason for name, reason, _ in self._actions.observer.events if name == self._name] == reasons

    def event_says(self, words: Sequence[str]) -> None:
        found = [message for name, _, message in self._actions.observer.events if name == self._name]
        assert [each for each in words if not any(each in message for message in found)] == [], found

    def outputs(self, expected: Mapping[str, Mapping[str, str] | None]) -> None:
        """The data of ConfigMaps by name, as far as they are named; ``None``: there is none."""
        for name, data in expected.items():
            held = self._actions.config_maps.held(name)
            found = None if held is None else {key: held.get(key) for key in data or {}}
            assert found == data, (name, held)
