"""Endpoints of dedicated clusters whose operator is killed at one of its writes, to either side: nothing is made twice or left."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from control_plane.process import wait_until
from faults.rules import Hold, Moment
from support.concurrent_cases import new_namespace
from support.resources import Resources

if TYPE_CHECKING:
    from faults.environment import Env, Scale
    from faults.proxy import Proxy
    from faults.rules import Fault
    from support.atlas import Place

Target: TypeAlias = Literal["metadata", "status", "service", "endpoint"]

LABEL = "registering"
VPCE = "vpce-0123456789abcdef0"

CREATED: tuple[Target, ...] = ("metadata", "service", "endpoint")
"""What a registration writes, but for its statuses: the finalizer, the service, whose intent is in a status, and the endpoint."""

DELETED: tuple[Target, ...] = ("endpoint", "service", "metadata")
"""What the deletion of a resource writes, but for its statuses: the endpoint, the service, and the finalizer."""

STATUSES = 4
"""Statuses of a registration at least: the service to be created, on its way, the endpoint on its way, Available."""

LONG_AGO = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Registration:
    """A resource that is to get a service and an endpoint of its own, or to leave with both."""

    name: str
    place: Place
    resources: Resources
    env: Env

    def begin(self) -> None:
        """Have the user ask for it."""
        spec = {
            "projectId": self.place.project,
            "providerName": "AWS",
            "region": "eu-west-1",
            "cloudProviderEndpointId": VPCE,
            "deletionPolicy": "Delete",
            "credentialsSecretRef": {"name": "atlas-credentials"},
        }
        self.resources.create(self.name, spec)

    def hold(self, target: Target, number: int, moment: Moment) -> Fault:
        """Have one of its writes wait before or after its server acts on it."""
        resource, services = f"/dedicatedprivateendpoints/{self.name}", f"/groups/{self.place.project}/privateEndpoint"
        path = {
            "metadata": f"{resource}$",
            "status": f"{resource}/status$",
            "service": f"{services}/(AWS/)?endpointService(/[0-9a-f]+)?$",
            "endpoint": f"{services}/AWS/endpointService/[0-9a-f]+/endpoint",
        }[target]
        way: Proxy = self.env.way if target in {"service", "endpoint"} else self.env.api
        return way.inject(Hold(moment), verb="write", path=path, spared=number)

    def grow_old(self) -> None:
        """Have its operator be down for so long that nothing can still be on its way to Atlas, in no time."""
        if not self.resources.exists(self.name):
            return
        status = self.resources.get(self.name)["status"]
        if "serviceCreation" in status and not self.env.atlas.project(self.place)["endpointServices"]:
            self.resources.write_status(self.name, {"serviceCreation": {"requestedAt": LONG_AGO, "attempt": 1}})

    def writes(self) -> list[str]:
        """What Atlas was sent, and took or may have taken."""
        found = [each for each in self.env.atlas.requests(self.place) if each["method"] != "GET"]
        return [
            f"{each['method']} {'endpoint' if re.search('/endpoint(/|$)', each['path']) else 'service'}"
            for each in found
            if (each["status"] or 200) < 300
        ]

    def is_registered(self) -> None:
        """Check that it has come to its end: one service and one endpoint, each asked for once."""
        body = self.resources.wait_ready(self.name, timeout=180)  # calls of the process that died may arrive for 85 s
        (service,) = self.env.atlas.project(self.place)["endpointServices"]
        assert [each["id"] for each in service["endpoints"]] == [VPCE], self.name
        assert body["status"]["service"]["id"] == service["id"]
        assert body["status"]["endpoint"]["id"] == VPCE, self.name
        assert self.writes() == ["POST service", "POST endpoint"], self.name

    def is_gone(self) -> None:
        """Check that it is gone with its endpoint and the service."""
        wait_until(lambda: not self.resources.exists(self.name), f"{self.name} to go")
        assert not self.env.atlas.project(self.place)["endpointServices"], self.name


def a_crash_at_each_write_of_a_registration(env: Env, _: Scale) -> None:
    """Each write of each side is held before or after its server acts on it, all at once; then the operator is killed."""
    resources = Resources(env.control_plane, new_namespace(env.control_plane), {"served-by": LABEL}, names=KIND.names)
    resources.secret()
    operator = env.start(LABEL, concurrency=64, sync_interval="4s")
    held: list[tuple[Registration, Fault]] = []
    statuses: list[tuple[Target, int]] = [("status", number) for number in range(STATUSES)]
    for target, number in [*((target, 0) for target in CREATED), *statuses]:
        for moment in Moment:
            name = f"{target}-{number}-{moment.name.lower()}"
            each = Registration(name, env.place(), resources, env)
            held.append((each, each.hold(target, number, moment)))
            each.begin()
    going = _going(env, resources)
    again = _restarted(env, operator, [*held, *going])

    for each, _fault in held:
        each.is_registered()
    for each, _fault in going:
        each.is_gone()
    for each, _fault in held:
        resources.delete(each.name)
    for each, _fault in held:
        each.is_gone()
    again.stop()
    resources.close()


def _going(env: Env, resources: Resources) -> list[tuple[Registration, Fault]]:
    """Have resources with all that they want, and hold them at each write of their deletion."""
    found = []
    for target in DELETED:
        for moment in Moment:
            each = Registration(f"going-{target}-{moment.name.lower()}", env.place(), resources, env)
            each.begin()
            found.append((each, target, moment))
    for each, _target, _moment in found:
        each.is_registered()
    held = [(each, each.hold(target, 0, moment)) for each, target, moment in found]
    for each, _target, _moment in found:
        resources.delete(each.name)
    return held


def _restarted(env: Env, operator: Any, held: list[tuple[Registration, Fault]]) -> Any:
    """Kill an operator when all are held, and return the next one."""
    env.kill_held(operator, {each.name: fault for each, fault in held})
    for each, _fault in held:
        each.grow_old()
    return env.start(LABEL, concurrency=64, sync_interval="4s")
