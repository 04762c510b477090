"""Steps and views of serverless private endpoints; see ``behaviour.cases`` for the form of a case.

An action and ``expect`` may also name an endpoint; without a name it is the only endpoint, or else ``it``.
"""

from __future__ import annotations

import asyncio
import json
import re
from datetime import timedelta
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from typing_extensions import override

from atlas_endpoints.atlas.errors import AtlasHeldError, NotLeaderError
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessPrivateEndpoint
from atlas_endpoints.simulator.endpoint import EndpointDocument, Names
from behaviour.api_server import PREFIX
from behaviour.atlas import PROJECT, lost
from behaviour.cases import seconds
from behaviour.ports import public_key
from behaviour.steps import SETTINGS, Steps, Views

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.simulator.endpoint import Endpoint
    from atlas_endpoints.simulator.world import Instance

INSTANCE, ENDPOINT, VPCE = "orders", "6f7cac1adf5d6c6306f4b283", "vpce-0123456789abcdef0"
CONSTANTS: Mapping[str, Any] = {
    "ENDPOINT": ENDPOINT,
    "OTHER": "7f7cac1adf5d6c6306f4b283",
    "PROJECT": PROJECT,
    "OTHER_PROJECT": "7f7cac1adf5d6c6306f4b283",
    "VPCE": VPCE,
    "OTHER_VPCE": "vpce-0123456789abcdef1",
    "AZURE_ID": "/subscriptions/4e133d35-e734-4385-a565-c0945567ae34/resourceGroups/rg"
    "/providers/Microsoft.Network/privateEndpoints/pe",
    "REF": {"apiVersion": "ec2.services.k8s.aws/v1alpha1", "kind": "VPCEndpoint", "name": "vpc"},
    "SERVICE": {"endpointId": ENDPOINT, "endpointServiceName": "svc"},
}
ENDPOINTS = {"it": ENDPOINT, "other": CONSTANTS["OTHER"], "first": "1" * 24, "second": "2" * 24, "late": "e" * 24}
"""The ids of the endpoints that cases name."""
CALLS = ("LIST", "GET", "PATCH", "POST", "DELETE")
FAULTS: Mapping[str, tuple[int, str | None]] = {
    "AtlasUnavailable": (503, None),
    "RateLimited": (429, None),
    "CredentialsInvalid": (401, None),
    "MissingRole": (403, "USER_UNAUTHORIZED"),
    "IPNotAllowed": (403, "IP_ADDRESS_NOT_ON_ACCESS_LIST"),
    "AccountSuspended": (402, None),
    "ProjectNotFound": (404, "GROUP_NOT_FOUND"),
    "ProjectNotVisible": (401, "NOT_IN_GROUP"),
    "InstanceNotFound": (404, "SERVERLESS_INSTANCE_NOT_FOUND"),
    "NotServerless": (400, "NOT_SERVERLESS_TENANT_CLUSTER"),
    "EndpointNotFound": (404, "TENANT_PRIVATE_ENDPOINT_NOT_FOUND"),
    "UpdateRejected": (400, "INVALID_ATTRIBUTE"),
    "APIGone": (410, None),
}
"""Status and code of the answers that mean a reason."""


def name_of(request: Request) -> str:
    """Return the name of a call; a PATCH with its fields."""
    parts = [unquote(each) for each in request.path.partition("?")[0].split("/")]
    if "privateEndpoint" not in parts:
        return "STRINGS"
    if request.method == "PATCH":
        return f"PATCH {','.join(name for name in (request.body or {}) if name != 'providerName')}"
    return "LIST" if request.method == "GET" and parts[-1] == "endpoint" else request.method


class NoJitter(Random):
    """No jitter, so that calls can be counted."""

    @override
    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2

    @override
    def random(self) -> float:
        return 0.999


class NumberedIds(Names):
    """Gives ids in their order, so that cases can name them."""

    def __init__(self, rng: Random, clock: Callable[[], float]) -> None:
        super().__init__(rng, clock)
        self._numbers = count()

    @override
    def object_id(self) -> str:
        return f"{next(self._numbers):024x}"


class ServerlessSteps(Steps):
    """What can happen to serverless private endpoints."""

    kind = KIND
    name_of = staticmethod(name_of)

    def __init__(self) -> None:
        super().__init__((PROJECT, CONSTANTS["OTHER_PROJECT"]))
        self.random = NoJitter(1)
        self.atlas.switch(transition=None, deprecation=None, sunset=None)
        world = self.atlas.world
        for project in world.projects.values():
            world.add_instance(project, INSTANCE, provider_name="AWS", region_name="US_EAST_1")
        world.names = NumberedIds(Random(1), world.clock)  # noqa: S311  # repeatable
        self._faults: dict[str, str] = {}
        self._next: dict[str, list[tuple[str, str]]] = {}
        self._hidden: set[str] = set()
        self._meanwhile: dict[str, Callable[[], object]] = {}
        self._stores: Mapping[str, str | None] = {}
        self._next_list_takes, self._next_list_is_empty = 0.0, False
        self._ignores_deletes = False
        self._strings: Mapping[str, str] | None = None
        self._refuses = False
        self._post_takes = 0.0
        self.changed_after: list[int] = []
        self.cluster.metadata_written = lambda: self.changed_after.append(len(self.atlas.calls))
        self.told = 0
        self.atlas.before, self.atlas.after, self.atlas.accepted = self._before, self._after, self._accepted
        self.atlas.takes = self._takes

    @override
    def views(self, name: str) -> ServerlessViews:
        return ServerlessViews(self, name)

    @property
    def instance(self) -> Instance:
        return self.atlas.world.projects[PROJECT].instances[INSTANCE]

    def endpoint_id(self, name: str = "") -> str:
        if name:
            return ENDPOINTS.get(name) or (
                name if len(name) == 24 else str(self.bodies[name]["status"]["endpoint"]["id"])
            )
        held = self.instance.endpoints
        return next(iter(held)) if len(held) == 1 else ENDPOINT

    # What Atlas does with a call.

    def _takes(self, request: Request) -> float:
        if name_of(request) == "POST":
            return self._post_takes
        if name_of(request) != "LIST":
            return 0.0
        takes, self._next_list_takes = self._next_list_takes, 0.0
        return 2 * takes

    def _before(self, request: Request) -> None:
        name = name_of(request).partition(" ")[0]
        self._meanwhile.pop(name, lambda: None)()
        fault, applies = self._next[name].pop(0) if self._next.get(name) else (self._faults.get(name, ""), "")
        if not fault:
            return
        if applies == "at once":
            self.atlas.perform(request)
        elif applies == "late":
            self._late.append(request)
        reason, _, wait = fault.partition(" ")
        if reason == "lost":
            raise lost(request)
        if reason in {"held", "NotLeader"}:  # nothing is sent
            self.atlas.calls.pop()
            self.atlas.credentials.pop()
            self.atlas.called_projects.pop()
            why, _, seconds_ = wait.partition(" ")
            if reason == "NotLeader":
                raise NotLeaderError("Another replica leads.", operation=request.operation)
            raise AtlasHeldError("Not now.", reason=why, operation=request.operation, retry_after=float(seconds_))
        status, code = FAULTS[reason]
        detail = f"The fault of Atlas is {reason}.{' comment is not allowed' if reason == 'UpdateRejected' else ''}"
        body = json.dumps({"error": status, "errorCode": code, "detail": detail}).encode()
        raise self.atlas.refusal(request, status, body, retry_after=wait or None)

    def _accepted(self, request: Request) -> Any | None:
        name = name_of(request)
        if name == "LIST":
            is_empty, self._next_list_is_empty = self._next_list_is_empty, False
            shown = json.loads(self.instance.page())
            if is_empty or any(each["_id"] in self._hidden for each in shown):
                return [each for each in shown if each["_id"] not in self._hidden and not is_empty]
        if name == "STRINGS" and self._strings is not None:
            shown = [
                {"srvConnectionString": srv, "endpoints": [{"endpointId": id_, "region": "US_EAST_1"}]}
                for id_, srv in self._strings.items()
            ]
            return {"name": INSTANCE, "connectionStrings": {"privateEndpoint": shown}}
        if name == "DELETE" and self._ignores_deletes:
            return {}
        if name.startswith("PATCH"):
            return self._patched(request.path.rpartition("/")[2], request)
        return None

    def _patched(self, endpoint_id: str, request: Request) -> Any | None:
        """Return the answer to a PATCH of which Atlas stores something else, or that connects an endpoint anew; None: it is usual."""
        if self._stores:
            self.atlas.perform(request)
            return self._put(endpoint_id, self._stores)
        known = self.instance.endpoints.get(endpoint_id)
        if self._refuses or known is None or known.status != "AVAILABLE":
            return None
        return self._put(
            endpoint_id, {name: value for name, value in (request.body or {}).items() if name != "providerName"}
        )

    def _after(self, request: Request) -> None:
        """Nothing is lost after a call but what ``once`` says."""

    def at_next(self, call: str, act: Callable[[], object]) -> None:
        """Do something when such a call arrives next."""
        self._meanwhile[call] = act

    def _put(self, endpoint_id: str, fields: Mapping[str, Any]) -> Any:
        world = self.atlas.world
        put = EndpointDocument.model_validate({"_id": endpoint_id, **fields})
        endpoint = world.put(self.instance, put)
        return None if endpoint is None else json.loads(endpoint.render(world.switches))

    def _at_once(self, steps: Sequence[Mapping[str, Any]]) -> None:
        for step in steps:
            for words, data in step.items():
                action, _, name = words.partition(" ")
                getattr(self, action)(data, name)

    # Resources.

    @override
    def create(self, spec: Mapping[str, Any], name: str) -> None:
        place = {"projectId": PROJECT, "instanceName": INSTANCE, "providerName": "AWS", "endpointId": ENDPOINT}
        given = {**place, **spec}
        self.instance.provider_name = given["providerName"]
        self._add_instance(given["instanceName"])
        namespace = given.pop("namespace", "")
        self.cluster.apply(f"{namespace}/{name or 'db'}" if namespace else name or "db", given)

    @override
    def edit(self, fields: Mapping[str, Any], name: str) -> None:
        self._add_instance(fields.get("instanceName", INSTANCE))
        super().edit(fields, name)

    def _add_instance(self, name: str) -> None:
        world = self.atlas.world
        if name not in world.projects[PROJECT].instances:
            world.add_instance(world.projects[PROJECT], name, provider_name="AWS", region_name="US_EAST_1")

    async def settle(self, spec: Mapping[str, Any], name: str) -> None:
        """Create a resource that is as its endpoint, and let what is known of the endpoint grow old."""
        self.endpoint(
            {field: spec[field] for field in ServerlessPrivateEndpoint.fields if field in spec}, name and "other"
        )
        self.create({"endpointId": ENDPOINTS["other"], **spec} if name else spec, name)
        await self.run("40s", "")
        self.clear(None, "")
        self.views(name).ready("Available")

    async def reserve(self, spec: Mapping[str, Any], name: str) -> None:
        """Create a resource that names no endpoint, and have one be reserved."""
        self.create({"endpointId": None, **spec}, name)
        await self.run("10s", "")
        self.endpoint({"status": "RESERVED", "endpointServiceName": "svc"}, "")
        await self.run("60s", "")

    def crowd(self, spec: Mapping[str, Any], name: str) -> None:
        """Create as many resources as the action names, each with an endpoint: ``db-0`` and so on."""
        for number in range(int(name)):
            self._put(f"{number:024x}", {"status": "AVAILABLE", "comment": "one"})
            self.create({"endpointId": f"{number:024x}", **spec}, f"db-{number}")

    def drift(self, comment: str, words: str) -> None:
        """Change so many endpoints of a crowd in Atlas."""
        for number in range(int(words)):
            self._put(f"{number:024x}", {"comment": comment})

    async def ask(self, options: Mapping[str, Any], name: str) -> None:
        """Ask for a sync again and again: ``times`` within a time, each time maybe with an edit."""
        names = [name] if name else [self.cluster.name_of(key) for key in self.cluster.objects]
        for number in range(options["times"]):
            for each in names:
                self.annotate({"force-sync": str(number)}, each)
                if options.get("edits"):
                    self.edit({"provisioningTimeout": f"{number % 20 + 1}h"}, each)
            await asyncio.sleep(seconds(options["within"]) / options["times"])

    def copy(self, source: str, name: str) -> None:
        """Copy the annotations of another resource, as a backup does."""
        self.cluster.set_metadata(name, annotations=self.bodies[source]["metadata"]["annotations"])

    wipe = Steps.forget_status

    def unwritten(self, _: None, name: str) -> None:
        """Have the latest change of the status be lost."""
        self.cluster.set_status(name or "db", self.before)

    def take(self, options: Mapping[str, str], _: str) -> None:
        """Create a resource that stands for an endpoint by nothing but the annotation of an earlier one."""
        name, namespace, endpoint = options["name"], options.get("namespace", "theirs"), options["endpoint"]
        project = {"projectId": options["project"]} if "project" in options else {"projectRef": {"name": "nowhere"}}
        spec = {"instanceName": INSTANCE, "providerName": "AWS", "driftPolicy": "Report", **project}
        self.cluster.apply(f"{namespace}/{name}", spec, {f"{PREFIX}endpoint-id": f"{endpoint}/uid-of-before"})
        body = self.cluster.objects[self.cluster.key(f"{namespace}/{name}")]
        reservation = {"requestedAt": body["metadata"]["creationTimestamp"], "endpointId": endpoint}
        status = {"observedGeneration": 1, "reservation": {**reservation, "attempt": 1, "adopted": True}}
        self.cluster.set_status(f"{namespace}/{name}", status)

    def born(self, time: str, name: str) -> None:
        self.cluster.set_metadata(name or "db", creationTimestamp=time)

    def strip(self, other: str | None, name: str) -> None:
        """Remove the finalizers, like a tool; or add one of somebody else."""
        metadata = self.cluster.objects[self.cluster.key(name or "db")]["metadata"]
        finalizers = [*metadata.get("finalizers", ()), other] if other else []
        self.cluster.set_metadata(name or "db", finalizers=finalizers)

    def forbid(self, why: str, _: str) -> None:
        """Have the API server refuse changes of the metadata; without a reason: none any more."""
        self.metadata("refused" if why else "up", "")

    def vanish(self, _: None, name: str) -> None:
        self.cluster.vanish(name or "db")

    def gone(self, _: None, name: str) -> None:
        """Have a resource be gone without an event."""
        del self.cluster.objects[self.cluster.key(name or "db")]

    @override
    def restart(self, values: Mapping[str, Any] | None, _: str) -> None:
        """Kill the operator and start it, with the settings that are given."""
        self._settings = SETTINGS
        super().restart(values, "")

    def jump(self, time: str, _: str) -> None:
        """Let time pass in which nothing runs."""
        loop: Any = asyncio.get_running_loop()
        loop.skip(seconds(time))

    def resync(self, name: str, _: str) -> None:
        """Have the resync of a resource be due."""
        served = self.process.core.kinds[self.kind.names.kind]
        scope = served.resync.scope_of(self.cluster.key(name))
        assert scope is not None
        served.schedule(scope, 0.0)

    async def reconcile(self, _: None, name: str) -> None:
        """Make a resource due, and let happen what happens at once."""
        self.told = self.written.total()
        self.observer.blocked_by.clear()
        self.process.core.kinds[self.kind.names.kind].wake(self.cluster.key(name or "db"))
        await self.run("0s", "")

    @override
    def clear(self, _: object, __: str) -> None:
        """Forget the calls and writes so far."""
        events = [*self.observer.events]
        super().clear(None, "")
        self.observer.events += events
        self.observer.reconciles.clear()
        self.observer.blocked_by.clear()

    # Atlas.

    def endpoint(self, fields: Mapping[str, Any], name: str) -> None:
        """Create or change an endpoint, like a person."""
        id_ = self.endpoint_id(name)
        new = {} if id_ in self.instance.endpoints else {"status": "AVAILABLE"}
        self._put(id_, {**new, **fields})

    def expire(self, _: None, name: str) -> None:
        """Have an endpoint be gone, if it is there."""
        self._put(self.endpoint_id(name), {"remove": True})

    def hide(self, _: None, name: str) -> None:
        """Have no LIST show an endpoint, until ``show``."""
        self._hidden.add(self.endpoint_id(name))

    def show(self, _: None, __: str) -> None:
        self._hidden.clear()

    def fail(self, faults: Mapping[str, str] | str, _: str) -> None:
        """Have calls fail until ``recover``."""
        self._faults |= dict.fromkeys(CALLS, faults) if isinstance(faults, str) else faults

    def once(self, faults: Mapping[str, str], _: str) -> None:
        """Have the next call of a kind fail; ``, at once`` and ``, late``: its change is applied nevertheless."""
        for call, text in faults.items():
            reason, _, applies = text.partition(", ")
            self._next.setdefault(call, []).append((reason, applies))

    def recover(self, _: None, __: str) -> None:
        self._faults.clear()

    def ignore(self, ignores: bool, _: str) -> None:
        """Have a DELETE be without effect."""
        self._ignores_deletes = ignores

    def late(self, _: None, __: str) -> None:
        """Apply what lost calls had carried."""
        for request in self._late:
            self.atlas.perform(request)
        self._late.clear()

    def stores(self, fields: Mapping[str, str | None], _: str) -> None:
        """Have Atlas store other values than it is sent."""
        self._stores = fields

    def refuses(self, _: str, __: str) -> None:
        """Have Atlas refuse another connection of an endpoint that is AVAILABLE."""
        self._refuses = True

    def listing(self, options: Mapping[str, Any], _: str) -> None:
        """Change the next LIST: ``takes`` a while, is ``empty``; ``meanwhile``, steps are done."""
        self._next_list_takes = seconds(options.get("takes", "0s"))
        self._next_list_is_empty = options.get("empty", False)
        if "meanwhile" in options:
            self.at_next("LIST", lambda: self._at_once(options["meanwhile"]))

    def reading(self, steps: Sequence[Mapping[str, Any]], _: str) -> None:
        """Do steps while the next resource, or its namespace, is read from the API server."""

        def listed() -> None:
            self.cluster.listed = lambda: None
            self._at_once(steps)

        self.cluster.listed = listed

    def recording(self, options: Mapping[str, Any], _: str) -> None:
        """Change the next write of a status: it ``takes`` a while, or its answer is ``lost``."""
        self.cluster.next_write = seconds(options.get("takes", "0s")), "lost" in options

    def posting(self, steps: Sequence[Mapping[str, Any]], _: str) -> None:
        """Do steps while the next POST is on its way."""
        self._post_takes = 1.0  # so that the operator hears of them before the answer
        self.at_next("POST", lambda: self._at_once(steps))

    def deprecate(self, sunset: str, _: str) -> None:
        """Announce the end of the API, so long after now."""
        at = (self.true_clock.now() + timedelta(seconds=seconds(sunset))).date()
        self.switch({"deprecation": at.isoformat(), "sunset": at.isoformat()}, "")

    # What stands beside them.

    def configmap(self, data: Mapping[str, str] | None, name: str) -> None:
        """Replace a ConfigMap, like somebody else; ``owner`` is the name of the resource that owns it."""
        if data is None:
            del self.config_maps.found[name]
            return
        owners = (self.uid(data["owner"]),) if "owner" in data else ()
        self.config_maps.put(name, {key: text for key, text in data.items() if key != "owner"}, *owners)

    def uid(self, name: str) -> str:
        """Return the uid of a resource that is called ``uid-db``; another text is one itself."""
        body = self.bodies.get(name.removeprefix("uid-"))
        return name if body is None else str(body["metadata"]["uid"])

    @override
    def refuse(self, answer: Any, _: str) -> None:
        """Have all calls for ConfigMaps fail; ``None``: none."""
        self.config_maps.fail(answer)

    def strings(self, srvs: Mapping[str, str], _: str) -> None:
        """Replace the connection strings that Atlas shows, by cloud endpoint."""
        self._strings = srvs

    def interfere(self, data: Mapping[str, str], how: str) -> None:
        """Have somebody else write the ConfigMap of the case between its reading and the next write, or ``always``, or ``never``."""

        def change() -> None:
            self.configmap(data, "orders")
            if how == "always":
                self.config_maps.meanwhile = change

        self.config_maps.meanwhile = change if how != "never" else lambda: None


class ServerlessViews(Views):
    """What ``expect`` can ask for about serverless private endpoints."""

    _steps: ServerlessSteps

    @staticmethod
    @override
    def _is(made: str, call: str) -> bool:
        return made.startswith(call)

    def all_handled(self, request: str) -> None:
        found = {each["status"].get("lastHandledReconcileAt") for each in self._steps.cluster.objects.values()}
        assert found == {request}

    def endpoint(self, expected: Mapping[str, str | None]) -> None:
        """Fields of an endpoint, which ``expect`` names, or of the only one."""
        held = self._steps.instance.endpoints
        found = held[self._steps.endpoint_id(self._name if self._name in ENDPOINTS else "")].document()
        assert {field: found[field] for field in expected} == expected

    def endpoints(self, number: int) -> None:
        assert len(self._steps.instance.endpoints) == number

    def _found(self, keep: Callable[[Endpoint], bool]) -> list[str]:
        return [each.id for each in self._steps.instance.endpoints.values() if keep(each)]

    def reserved(self, endpoint: str | bool | None) -> None:
        """Whether the only endpoint, or a named one, or none is recorded as reserved for the resource."""
        found = self._status.get("reservation", {}).get("endpointId")
        if endpoint is True:
            (id_,) = self._found(lambda each: each.status != "DELETING")
            self.annotation(f"{id_}/{self._body['metadata']['uid']}")
            assert found == id_
        else:
            assert found == (ENDPOINTS[str(endpoint)] if endpoint else None)

    def discarded(self, endpoint: str | None) -> None:
        """The one endpoint that is being deleted."""
        assert self._found(lambda each: each.status == "DELETING") == ([ENDPOINTS[endpoint]] if endpoint else [])

    @override
    def credentials(self, expected: Sequence[str]) -> None:
        assert set(self._steps.atlas.credentials) == {public_key(each) for each in expected}

    def projects(self, expected: Sequence[str]) -> None:
        """Of the calls to Atlas, without repetition."""
        assert sorted(set(self._steps.atlas.called_projects)) == expected

    def reconciles(self, expected: int | Mapping[str, int]) -> None:
        """How many there were, of one resource or of all."""
        number = expected if isinstance(expected, int) else sum(expected.values())
        assert len(self._steps.observer.reconciles) == number

    def requeue(self, expected: str) -> None:
        """Of the latest reconcile."""
        found = str(self._steps.observer.reconciles[-1])
        assert re.sub(r"\d+\.\d+", lambda number: str(round(float(number[0]), 3)), found) == expected

    def counts_as(self, reason: str | None) -> None:
        """The reason under which metrics count the latest reconcile that the case has asked for."""
        assert self._steps.observer.blocked_by[-1:] == ([reason] if reason else [])

    def status_unchanged(self, expected: bool) -> None:
        """Whether the latest reconcile that the case has asked for changes no status."""
        assert (self._steps.written.total() == self._steps.told) is expected

    def changed_after(self, expected: Sequence[int]) -> None:
        """How many calls to Atlas preceded each change of the metadata."""
        assert self._steps.changed_after == expected

    def fresh(self, number: str) -> None:
        """How often a Secret or a reference was read past what is remembered: each at most so often."""
        for each in (self._steps.secrets.reads, [age for _, age in self._steps.targets.reads]):
            self._count(sum(age.name != "RECENT" for age in each), number, "fresh")

    def lookups(self, expected: Sequence[Any] | int | str) -> None:
        """What references have read: namespace, group, version, kind, name, path and age; or the number."""
        reads = self._steps.targets.reads
        found = [" ".join([*target[:-1], ".".join(target.path), age.name]) for target, age in reads]
        if isinstance(expected, int | str):
            self._count(len(found), expected, "lookups")
        else:
            assert found == expected

    @override
    def events(self, reasons: Sequence[str]) -> None:
        assert [reason for _, reason, _ in self._steps.observer.events] == reasons

    @override
    def event_says(self, words: Sequence[str]) -> None:
        message = self._steps.observer.events[-1][2]
        assert [each for each in words if each not in message] == [], message

    @override
    def event_never_says(self, words: Sequence[str]) -> None:
        message = self._steps.observer.events[-1][2]
        assert [each for each in words if each in message] == [], message

    def output(self, expected: Mapping[str, str] | None) -> None:
        """What the ConfigMap of the case holds."""
        assert self._steps.config_maps.held("orders") == expected

    def output_key(self, expected: Sequence[str]) -> None:
        """One key of it, and its value."""
        name, value = expected
        assert (self._steps.config_maps.held("orders") or {})[name] == value

    def owners(self, uids: Sequence[str]) -> None:
        assert sorted(self._steps.config_maps.found["orders"].owners) == sorted(map(self._steps.uid, uids))

    def written(self, expected: bool) -> None:
        """Whether a ConfigMap was written, or tried to be."""
        assert bool(set(self._steps.config_maps.calls) - {"GET"}) is expected

    @override
    def outputs(self, expected: Any) -> None:
        """The calls for ConfigMaps."""
        assert self._steps.config_maps.calls == expected
