"""Cases of reconciles in YAML: what happens to resources, Secrets and Atlas, and what must be true afterwards.

A file of ``cases/`` holds cases by name. A case is a list of steps, or ``each`` (variants by name, with the values of
variables; ``with`` has those that they share) and ``steps``. A step is a mapping of actions, done in their order (a variable
may hold several steps): `Actions` has one method for each, and `Views` one for each thing that ``expect`` can ask for. An
action and ``expect`` may name a resource or an endpoint: ``edit other``, ``expect other``; without a name it is the resource
``db``, and the only endpoint or else ``it``. In texts, ``$NAME`` stands for a variable or a constant. Times are such as
``90s`` or ``1h``.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from typing_extensions import override

from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessPrivateEndpoint
from unit.reconcile import harness as h

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

FOLDER = Path(__file__).parent
CONSTANTS: Mapping[str, Any] = {
    "ENDPOINT": h.ENDPOINT,
    "OTHER": "7f7cac1adf5d6c6306f4b283",
    "PROJECT": h.PROJECT,
    "OTHER_PROJECT": "7f7cac1adf5d6c6306f4b283",
    "VPCE": h.VPCE,
    "OTHER_VPCE": "vpce-0123456789abcdef1",
    "AZURE_ID": "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg"
    "/providers/Microsoft.Network/privateEndpoints/pe",
    "REF": {"apiVersion": "ec2.services.k8s.aws/v1alpha1", "kind": "VPCEndpoint", "name": "vpc"},
    "SERVICE": {"endpointId": h.ENDPOINT, "endpointServiceName": "svc"},
}
ENDPOINTS = {"it": h.ENDPOINT, "other": CONSTANTS["OTHER"], "first": "1" * 24, "second": "2" * 24, "late": "e" * 24}
"""The ids of the endpoints that cases name."""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
FINALIZER, PREFIX = "atlas-endpoints.dev/cleanup", "atlas-endpoints.dev/"
STATUS_OF_READY = {"Available": "True", "Pending": "Unknown"}
"""Of the other reasons it is ``False``."""


class Case(NamedTuple):
    """A case of a file."""

    name: str
    steps: Sequence[Mapping[str, Any]]


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice: the first of them would be lost."""

    @override
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [key.value for key, _ in node.value]
        assert len(names) == len(set(names)), f"{node.start_mark}: {names}"
        return super().construct_mapping(node, deep=deep)


def load(file: str) -> Any:
    """Read a YAML file of this folder."""
    return yaml.load((FOLDER / file).read_text("utf-8"), _Loader)  # noqa: S506  # it is a SafeLoader


def cases() -> Iterator[Case]:
    """Yield all cases, each variant for itself."""
    for path in sorted(FOLDER.glob("cases/*.yaml")):
        for name, case in load(f"cases/{path.name}").items():
            if isinstance(case, list):
                yield Case(f"{path.stem}: {name}", filled(case, CONSTANTS))
                continue
            for variant, values in case["each"].items():
                known = {**CONSTANTS, "variant": variant, **case.get("with", {}), **(values or {})}
                yield Case(f"{path.stem}: {name} [{variant}]", filled(case["steps"], known))


def filled(data: Any, values: Mapping[str, Any]) -> Any:
    """Replace variables and constants in all texts and keys; a text that is nothing else becomes the very value."""
    match data:
        case str() if data[:1] == "$" and data[1:] in values:
            return filled(values[data[1:]], values)
        case str():
            return re.sub(r"\$(\w+)", lambda found: str(values[found[1]]), data)
        case list():
            return [filled(each, values) for each in data]
        case dict():
            return {filled(name, values): filled(each, values) for name, each in data.items()}
        case _:
            return data


def seconds(text: str) -> float:
    """Return the seconds of a text such as ``1h30m``."""
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)([smhd])", text))


async def play(actions: object, steps: Sequence[Mapping[str, Any]]) -> None:
    """Do the steps of a case, which may contain lists of steps, by the methods of their names."""
    for step in steps:
        if isinstance(step, list):
            await play(actions, step)
            continue
        for words, data in step.items():
            action, _, name = words.partition(" ")
            running = getattr(actions, action)(data, name)
            if inspect.isawaitable(running):
                await running


class Actions:
    """What can happen in a case: the method ``name`` does the step ``name``."""

    def __init__(self) -> None:
        self.harness = h.Harness()
        self.outcome: Any = None
        """Of the latest reconcile that a case has asked for."""

    async def do(self, steps: Sequence[Mapping[str, Any]]) -> None:
        await play(self, steps)

    def resource(self, name: str = "") -> h.Resource:
        return self.harness.created[name or "db"]

    def endpoint_id(self, name: str = "") -> str:
        if name:
            return ENDPOINTS.get(name) or str(self.resource(name).status["endpoint"]["id"])
        held = self.harness.atlas.endpoints
        return next(iter(held)) if len(held) == 1 else h.ENDPOINT

    # Resources.

    def create(self, spec: Mapping[str, Any], name: str) -> None:
        given = {"endpointId": h.ENDPOINT, **spec}
        namespace = given.pop("namespace", "shop")
        self.harness.create(name or "db", given.pop("endpointId"), namespace=namespace, **given)

    async def settle(self, spec: Mapping[str, Any], name: str) -> None:
        """Create a resource that is as its endpoint, and let what is known of the endpoint grow old."""
        self.atlas(
            {field: spec[field] for field in ServerlessPrivateEndpoint.fields if field in spec}, name and "other"
        )
        self.create({"endpointId": ENDPOINTS["other"], **spec} if name else spec, name)
        await self.harness.settle()
        assert self.resource(name).ready == ("True", "Available"), self.resource(name).status

    def crowd(self, spec: Mapping[str, Any], name: str) -> None:
        """Create as many resources as the action names, each with an endpoint: ``db-0`` and so on."""
        for number in range(int(name)):
            self.harness.atlas.put(f"{number:024x}", comment="one")
            self.harness.create(f"db-{number}", f"{number:024x}", **spec)

    def drift(self, comment: str, words: str) -> None:
        """Change so many endpoints of a crowd in Atlas."""
        for number in range(int(words)):
            self.harness.atlas.put(f"{number:024x}", comment=comment)

    def resync(self, name: str, _: str) -> None:
        """Have the resync of a resource be due."""
        scope = self.harness.resync.scope_of(self.resource(name).key)
        assert scope is not None
        self.harness.schedule(scope, 0)

    async def ask(self, options: Mapping[str, Any], name: str) -> None:
        """Ask for a sync again and again: ``times`` within a time, each time maybe with an edit."""
        asking = [self.resource(name)] if name else list(self.harness.resources.values())
        for number in range(options["times"]):
            for resource in asking:
                resource.annotations[f"{PREFIX}force-sync"] = str(number)
                if options.get("edits"):
                    self.harness.edit(resource, provisioningTimeout=f"{number % 20 + 1}h")
                else:
                    self.harness.changed(resource)
            await self.harness.run_for(seconds(options["within"]) / options["times"])

    async def reserve(self, spec: Mapping[str, Any], name: str) -> None:
        """Create a resource that names no endpoint, and have one be reserved."""
        self.create({"endpointId": None, **spec}, name)
        await self.harness.run_for(10)
        self.atlas({"status": "RESERVED", "endpointServiceName": "svc"}, "")
        await self.harness.run_for(60)

    def edit(self, spec: Mapping[str, Any], name: str) -> None:
        self.harness.edit(self.resource(name), **spec)

    def annotate(self, annotations: Mapping[str, str], name: str) -> None:
        resource = self.resource(name)
        resource.annotations |= {each if "/" in each else PREFIX + each: text for each, text in annotations.items()}
        self.harness.changed(resource)

    def copy(self, source: str, name: str) -> None:
        """Copy the annotations of another resource, as a backup does."""
        self.resource(name).annotations = dict(self.resource(source).annotations)
        self.harness.changed(self.resource(name))

    def wipe(self, _: None, name: str) -> None:
        """Remove the status, as a backup does."""
        resource = self.resource(name)
        resource.status = {"observedGeneration": -1}
        self.harness.changed(resource)

    def unwritten(self, _: None, name: str) -> None:
        """Have the latest change of the status be lost."""
        self.resource(name).status = self.harness.before
        self.harness.changed(self.resource(name))

    def take(self, options: Mapping[str, str], _: str) -> None:
        """Create a resource that stands for an endpoint by nothing but the annotation of an earlier one."""
        project = options.get("project")
        h.taken_over(
            self.harness,
            options["name"],
            namespace=options.get("namespace", h.THEIRS),
            endpoint_id=options["endpoint"],
            project_id=project,
        )

    def born(self, time: str, name: str) -> None:
        self.resource(name).created = time
        self.harness.changed(self.resource(name))

    def delete(self, ahead: str | None, name: str) -> None:
        """Delete a resource; the clock of the API server may be ahead."""
        resource = self.resource(name)
        if not resource.deleting:
            self.harness.delete(resource)
        if ahead:
            resource.deleted_at += timedelta(seconds=seconds(ahead))
            self.harness.changed(resource)

    def strip(self, other: str | None, name: str) -> None:
        """Remove the finalizers, like a tool; or add one of somebody else."""
        resource = self.resource(name)
        resource.finalizers = [*resource.finalizers, other] if other else []
        self.harness.changed(resource)

    def forbid(self, why: str, _: str) -> None:
        """Have the API server refuse changes of the metadata; without a reason: none any more."""
        self.harness.forbids = why

    def vanish(self, _: None, name: str) -> None:
        self.harness.vanish(self.resource(name))

    def lose(self, _: None, name: str) -> None:
        """Have a resource be gone without an event."""
        del self.harness.resources[self.resource(name).key]

    # Time and the operator.

    async def run(self, time: str, _: str) -> None:
        await self.harness.run_for(seconds(time))

    def jump(self, time: str, _: str) -> None:
        """Let time pass in which nothing runs."""
        self.harness.clock.seconds += seconds(time)

    async def stay(self, expected: Mapping[str, str], name: str) -> None:
        """Let some time pass in which ``ready`` does not change, not even for ten seconds."""
        for _ in range(int(seconds(expected["for"]) / 10)):
            await self.harness.run_for(10)
            Views(self, name).ready(expected["ready"])

    async def reconcile(self, _: None, name: str) -> None:
        self.outcome = await self.harness.reconcile_of(self.resource(name))

    def restart(self, options: Mapping[str, Any] | None, _: str) -> None:
        self.harness.restart(**(options or {}))
        self.harness.enqueue_all()

    def clear(self, _: None, __: str) -> None:
        """Clear the log of calls, reads and writes."""
        self.harness.reset_log()

    # Atlas.

    def atlas(self, fields: Mapping[str, str | None], name: str) -> None:
        """Create or change an endpoint, like a person."""
        self.harness.atlas.put(self.endpoint_id(name), **{h.snake(field): value for field, value in fields.items()})

    def expire(self, _: None, name: str) -> None:
        """Have an endpoint be gone, if it is there."""
        if (id_ := self.endpoint_id(name)) in self.harness.atlas.endpoints:
            self.harness.atlas.vanish(id_)

    def hide(self, _: None, name: str) -> None:
        """Have no LIST show an endpoint, until ``show``."""
        self.harness.atlas.hidden.add(self.endpoint_id(name))

    def show(self, _: None, __: str) -> None:
        self.harness.atlas.hidden.clear()

    def forget(self, _: None, __: str) -> None:
        """Drop what is remembered of the endpoints."""
        self.harness.atlas.forget_all()

    def fail(self, faults: Mapping[str, str] | str, _: str) -> None:
        """Have calls fail until ``recover``."""
        if isinstance(faults, str):
            faults = dict.fromkeys(("LIST", "GET", "PATCH", "POST", "DELETE"), faults)
        for call, reason in faults.items():
            self.harness.atlas.go_down(call, error=h.atlas_error(reason, call))

    def once(self, faults: Mapping[str, str], _: str) -> None:
        """Have the next call of a kind fail; ``, at once`` and ``, late``: its change is applied nevertheless."""
        for call, text in faults.items():
            reason, _, applies = text.partition(", ")
            self.harness.atlas.fail_once(call, h.atlas_error(reason, call), applies=applies or "never")  # type: ignore[arg-type]

    def ignore(self, ignores: bool, _: str) -> None:
        """Have a DELETE be without effect."""
        self.harness.atlas.ignores_deletes = ignores

    def recover(self, _: None, __: str) -> None:
        self.harness.atlas.come_back()

    def late(self, _: None, __: str) -> None:
        """Apply what lost calls had carried."""
        self.harness.atlas.apply_late()

    def stores(self, fields: Mapping[str, str | None], _: str) -> None:
        """Have Atlas store other values than it is sent."""
        update: dict[str, Any] = {h.snake(field): value for field, value in fields.items()}
        self.harness.atlas.stores = lambda endpoint: replace(endpoint, **update)

    def refuses(self, _: str, __: str) -> None:
        """Have Atlas refuse another connection of an endpoint."""
        self.harness.atlas.stores = self.harness.atlas.same_connection

    def listing(self, options: Mapping[str, Any], _: str) -> None:
        """Change the next LIST: ``takes`` a while, is ``empty``; ``meanwhile``, steps are done."""
        atlas = self.harness.atlas
        atlas.next_list_takes, atlas.lists_late = seconds(options.get("takes", "0s")), options.get("empty", False)
        if "meanwhile" in options:
            atlas.while_listing = lambda _: self._at_once(options["meanwhile"])

    def reading(self, steps: Sequence[Mapping[str, Any]], _: str) -> None:
        """Do steps while the next resource is read from the API server."""
        self.harness.while_reading = lambda: self._at_once(steps)

    def recording(self, options: Mapping[str, Any], _: str) -> None:
        """Change the next record of an intent: it ``takes`` a while, or its answer is ``lost``."""
        self.harness.record_takes, self.harness.loses_record = seconds(options.get("takes", "0s")), "lost" in options

    def posting(self, steps: Sequence[Mapping[str, Any]], _: str) -> None:
        """Do steps while the next POST is on its way."""
        self.harness.atlas.while_posting = lambda _: self._at_once(steps)

    def _at_once(self, steps: Sequence[Mapping[str, Any]]) -> None:
        for step in steps:
            for words, data in step.items():
                action, _, name = words.partition(" ")
                getattr(self, action)(data, name)

    def deprecate(self, sunset: str, _: str) -> None:
        """Announce the end of the API, so long after now."""
        self.harness.atlas.announce_the_end(self.harness.clock.now() + timedelta(seconds=seconds(sunset)))

    # The cluster.

    def secret(self, values: Mapping[str, Mapping[str, str] | str | None], _: str) -> None:
        """Replace Secrets by what they hold, or by ``now``, what is ``remembered``, and the ``source``; ``None``: it is missing."""
        for name, value in values.items():
            self.harness.secrets.put(None if name == "operator" else name, value)

    def target(self, values: Mapping[str, str | None], _: str) -> None:
        """Replace what references lead to; ``None``: nothing."""
        self.harness.targets.put(values)

    def configmap(self, data: Mapping[str, str] | None, name: str) -> None:
        """Replace a ConfigMap, like somebody else; ``owner`` is the uid of its owner."""
        if data is None:
            del self.harness.config_maps.found[name]
            return
        owners = (data["owner"],) if "owner" in data else ()
        self.harness.config_maps.put(name, {key: text for key, text in data.items() if key != "owner"}, *owners)

    def refuse(self, reason: str | None, _: str) -> None:
        """Have all calls for ConfigMaps fail; ``None``: none."""
        self.harness.config_maps.error = h.unwritable(reason) if reason else None

    def interfere(self, data: Mapping[str, str], how: str) -> None:
        """Have somebody else write the ConfigMap of the case between its reading and the next write, or ``always``, or ``never``."""

        def change() -> None:
            self.configmap(data, "orders")
            if how == "always":
                self.harness.config_maps.meanwhile = change

        self.harness.config_maps.meanwhile = change if how != "never" else lambda: None

    def rename(self, uid: str, name: str) -> None:
        """Give a resource another uid."""
        resource = self.resource(name)
        self.harness.cache.remove(resource.key, resource.uid)
        resource.uid = uid
        self.harness.changed(resource)

    def strings(self, srvs: Mapping[str, str], _: str) -> None:
        """Replace the connection strings that Atlas shows, by cloud endpoint."""
        self.harness.atlas.shown_connections = h.connections(srvs)

    # What is true afterwards.

    def expect(self, expected: Mapping[str, Any], name: str) -> None:
        views = Views(self, name)
        for view, value in expected.items():
            getattr(views, view)(value)


class Views:
    """What ``expect`` can ask for: the method ``name`` compares what the case names so."""

    def __init__(self, actions: Actions, name: str) -> None:
        self._actions, self._name, self._harness = actions, name, actions.harness

    @property
    def _resource(self) -> h.Resource:
        return self._actions.resource(self._name)

    def ready(self, reason: str) -> None:
        assert self._resource.ready == (STATUS_OF_READY.get(reason, "False"), reason), self._resource.status

    def all_ready(self, reason: str) -> None:
        found = {each.ready for each in self._harness.resources.values()}
        assert found == {(STATUS_OF_READY.get(reason, "False"), reason)}

    def all_handled(self, request: str) -> None:
        assert {each.status.get("lastHandledReconcileAt") for each in self._harness.resources.values()} == {request}

    def progress(self, expected: str | None) -> None:
        """``Reconciling``, ``Stalled`` or neither."""
        found = [each for each in ("Reconciling", "Stalled") if self._resource.condition(each)]
        assert found == ([expected] if expected else [])

    def conditions(self, expected: Mapping[str, str | None]) -> None:
        """Status and reason of conditions; ``None``: there is none."""
        for type_, words in expected.items():
            found = self._resource.condition(type_)
            assert (found and f"{found['status']} {found['reason']}") == words, type_

    def says(self, words: Sequence[str]) -> None:
        assert [each for each in words if each not in self._resource.message] == [], self._resource.message

    def never_says(self, words: Sequence[str]) -> None:
        assert [each for each in words if each in self._resource.message] == [], self._resource.message

    def status(self, expected: Mapping[str, Any]) -> None:
        """Fields by their paths; ``None``: there is no such field."""
        for path, value in expected.items():
            found: Any = self._resource.status
            for part in path.split("."):
                found = dict(enumerate(found)).get(int(part)) if part.isdigit() else (found or {}).get(part)
            assert found == value, path

    def handled(self, request: str | None) -> None:
        """The latest request of a sync that was handled."""
        assert self._resource.status.get("lastHandledReconcileAt") == request

    def blocked(self, words: Sequence[str]) -> None:
        """A deletion is blocked: what hinders it, and the ways out."""
        self.ready("DeletionBlocked")
        self.progress("Stalled")
        self.says([*words, "force-finalize"])

    def finalizer(self, expected: bool) -> None:
        assert self._resource.finalizers == ([FINALIZER] if expected else [])

    def changed_after(self, expected: Sequence[int]) -> None:
        """How many calls to Atlas preceded each change of the metadata."""
        assert self._harness.changed_after == expected

    def finalizers(self, expected: Sequence[str]) -> None:
        assert self._resource.finalizers == expected

    def exists(self, expected: bool) -> None:
        assert self._harness.exists(self._resource) is expected, self._resource.status

    def calls(self, expected: Sequence[str] | Mapping[str, int | str]) -> None:
        """The calls to Atlas in their order, or the numbers of some kinds, exact or such as ``<= 5``."""
        if isinstance(expected, list):
            assert self._harness.atlas.calls == expected
            return
        assert isinstance(expected, dict)
        for call, number in expected.items():
            self._count(sum(each.startswith(call) for each in self._harness.atlas.calls), number)

    def _count(self, found: int, number: int | str) -> None:
        if isinstance(number, str):
            low, _, high = number.rpartition("<=")
            assert int(low or 0) <= found <= int(high), (found, number)
        else:
            assert found == number

    def endpoint(self, expected: Mapping[str, str | None]) -> None:
        """Fields of an endpoint, which ``expect`` names, or of the only one."""
        name = self._name if self._name in ENDPOINTS else ""
        found = self._harness.atlas.endpoints[self._actions.endpoint_id(name)]
        assert {field: getattr(found, h.snake(field)) for field in expected} == expected

    def endpoints(self, number: int) -> None:
        assert len(self._harness.atlas.endpoints) == number

    def reserved(self, endpoint: str | bool | None) -> None:
        """Whether the only endpoint, or a named one, or none is recorded as reserved for the resource."""
        found = self._resource.status.get("reservation", {}).get("endpointId")
        if endpoint is True:
            (id_,) = (each for each, held in self._harness.atlas.endpoints.items() if held.status != "DELETING")
            assert self._resource.annotations[f"{PREFIX}endpoint-id"] == f"{id_}/{self._resource.uid}"
            assert found == id_
        else:
            assert found == (ENDPOINTS[str(endpoint)] if endpoint else None)

    def discarded(self, endpoint: str | None) -> None:
        """The one endpoint that is being deleted."""
        found = [id_ for id_, each in self._harness.atlas.endpoints.items() if each.status == "DELETING"]
        assert found == ([ENDPOINTS[endpoint]] if endpoint else [])

    def annotation(self, expected: str) -> None:
        """The record of the endpoint."""
        assert self._resource.annotations[f"{PREFIX}endpoint-id"] == expected

    def credentials(self, expected: Sequence[str]) -> None:
        """Of the calls to Atlas, without repetition."""
        assert sorted(set(self._harness.atlas.credentials)) == expected

    def projects(self, expected: Sequence[str]) -> None:
        """Of the calls to Atlas, without repetition."""
        assert sorted(set(self._harness.atlas.projects)) == expected

    def judged(self, expected: bool) -> None:
        """Whether Atlas was recorded to accept the operator's own credentials."""
        assert set(self._harness.secrets.judgements) == {("operator/atlas", expected)}

    def reads(self, expected: Sequence[str] | int | str) -> None:
        """The ages that readings of Secrets allow, or their number."""
        found = [each.name for each in self._harness.secrets.reads]
        if isinstance(expected, list):
            assert found == expected
        else:
            self._count(len(found), expected)  # type: ignore[arg-type]

    def fresh(self, number: str) -> None:
        """How often a Secret or a reference was read past what is remembered: each at most so often."""
        ages = (
            self._harness.secrets.reads,
            [age for _, age in self._harness.targets.reads],
        )
        for each in ages:
            self._count(sum(age.name == "FRESH" for age in each), number)

    def lookups(self, expected: Sequence[Any] | int | str) -> None:
        """What references have read: namespace, group, version, kind, name, path and age; or the number."""
        reads = self._harness.targets.reads
        found = [" ".join([*target[:-1], ".".join(target.path), age.name]) for target, age in reads]
        if isinstance(expected, list):
            assert found == expected
        else:
            self._count(len(found), expected)  # type: ignore[arg-type]

    def writes(self, expected: int | str | Mapping[str, int | str]) -> None:
        """How often statuses were written, of all resources or of some."""
        if not isinstance(expected, dict):
            self._count(self._harness.writes.total(), expected)  # type: ignore[arg-type]
            return
        for name, number in expected.items():
            self._count(self._harness.writes[name], number)

    def reconciles(self, expected: int | Mapping[str, int]) -> None:
        found = self._harness.reconciles
        assert (found.total() if isinstance(expected, int) else found) == (
            expected if isinstance(expected, int) else Counter(expected)
        )

    def events(self, reasons: Sequence[str]) -> None:
        """The Events that no status shows."""
        assert [reason for reason, _ in self._harness.announced] == reasons

    def event_says(self, words: Sequence[str]) -> None:
        _, message = self._harness.announced[-1]
        assert [each for each in words if each not in message] == [], message

    def event_never_says(self, words: Sequence[str]) -> None:
        assert [each for each in words if each in self._harness.announced[-1][1]] == []

    def held(self, number: int) -> None:
        """How many corrections the drift limiter delays."""
        assert self._harness.limiter.held == number

    def requeue(self, expected: str) -> None:
        """Of the latest reconcile that the case has asked for."""
        found = str(self._actions.outcome.requeue)
        assert re.sub(r"\d+\.\d+", lambda number: str(round(float(number[0]), 3)), found) == expected

    def counts_as(self, reason: str | None) -> None:
        """The reason under which metrics count the latest reconcile that the case has asked for."""
        assert self._actions.outcome.failure_reason == reason

    def status_unchanged(self, expected: bool) -> None:
        """Whether the latest reconcile that the case has asked for changes no status."""
        assert (self._actions.outcome.state is None) is expected

    def output(self, expected: Mapping[str, str] | None) -> None:
        """What the ConfigMap of the case holds."""
        assert self._harness.config_maps.held("orders") == expected

    def output_key(self, expected: Sequence[str]) -> None:
        """One key of it, and its value."""
        name, value = expected
        assert (self._harness.config_maps.held("orders") or {})[name] == value

    def owners(self, uids: Sequence[str]) -> None:
        assert sorted(self._harness.config_maps.found["orders"].owners) == uids

    def written(self, expected: bool) -> None:
        """Whether a ConfigMap was written, or tried to be."""
        assert bool(set(self._harness.config_maps.calls) - {"GET"}) is expected

    def outputs(self, calls: Sequence[str]) -> None:
        """The calls for ConfigMaps."""
        assert self._harness.config_maps.calls == calls
