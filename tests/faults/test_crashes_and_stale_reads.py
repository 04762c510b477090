"""Sieve's three patterns (OSDI 2022): a crash between any two writes, time travel, and what was never observed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from atlas_endpoints.cluster.relister import APART
from control_plane.process import PATIENCE, wait_until
from faults.environment import KIND
from faults.registering import a_crash_at_each_write_of_a_registration
from faults.reserving import a_crash_at_each_write_of_a_reservation
from faults.rules import Closed, Frozen, Hold, Moment, Refusal
from support.atlas import CLOUD_ENDPOINT
from support.resources import observed, ready

if TYPE_CHECKING:
    from faults.environment import AtOnce, Case, Env, Scale
    from faults.proxy import Exchange, Proxy
    from faults.rules import Fault
    from support.atlas import Atlas, Place
    from support.resources import Resources

SOON = "4s"
"""An operator's interval where the watch is silent: only a round can see then what was missed. Elsewhere it would hide it."""


@dataclass(frozen=True, slots=True)
class Write:
    """An outside write of a reconcile: the how-manieth to Atlas, or of the status."""

    target: str
    number: int


WRITES: dict[str, tuple[Write, ...]] = {
    "connect": (Write("atlas", 0), Write("status", 0), Write("status", 1)),
    "edit": (Write("atlas", 0), Write("status", 0)),
}
"""What an operator that nothing stops writes, in this order."""


class Reconcile:
    """A resource whose reconcile is to be stopped somewhere."""

    def __init__(self, kind: str, place: Place, resources: Resources, atlas: Atlas, *, name: str) -> None:
        self.kind = kind
        self.name = name
        self.place = place
        self._resources = resources
        self._atlas = atlas
        if kind == "edit":
            atlas.connect(place, "one")
            resources.create(name, place.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="one"))
            resources.wait_ready(name)

    @property
    def wanted(self) -> dict[str, Any]:
        """What Atlas is to be told, once."""
        return {"comment": "two"} | ({"cloudProviderEndpointId": CLOUD_ENDPOINT} if self.kind == "connect" else {})

    def begin(self) -> None:
        """Have the user ask for it."""
        if self.kind == "edit":
            self._resources.edit(self.name, comment="two")
        else:
            self._resources.create(self.name, self.place.spec(**self.wanted))

    def path(self, target: str) -> str:
        """Where its writes go."""
        return f"/endpoint/{self.place.endpoint}$" if target == "atlas" else f"/{self.name}/status$"

    def ends_well(self) -> None:
        """Check that it has come to its end, and that Atlas was told once."""
        body = self._resources.wait_ready(self.name)
        assert body["status"]["applied"]["comment"] == "two"
        assert self._atlas.endpoint(self.place)["comment"] == "two"
        assert self._atlas.patches(self.place) == [self.wanted]


def _written(reconcile: Reconcile, env: Env) -> tuple[Write, ...]:
    """The outside writes that were made for a reconcile, in their order."""
    made = []
    for target, proxy in (("atlas", env.way), ("status", env.api)):
        times = [
            each.time
            for each in proxy.exchanges
            if each.request.verb == "write" and each.request.path.endswith(reconcile.path(target).rstrip("$"))
        ]
        made += [(at, Write(target, number)) for number, at in enumerate(times)]
    return tuple(write for _, write in sorted(made, key=lambda each: each[0]))


def a_crash_between_any_two_writes(env: Env, _: Scale) -> None:
    """Every gap at once: each reconcile is held before or after one of its writes, and then the operator is killed."""
    resources = env.resources("crash")
    operator = env.start("crash", concurrency=64)
    for kind, writes in WRITES.items():
        free = Reconcile(kind, env.place(), resources, env.atlas, name=f"free-{kind}")
        seen_before = _written(free, env)
        free.begin()
        free.ends_well()
        numbered = _written(free, env)[len(seen_before) :]
        assert [each.target for each in numbered] == [each.target for each in writes], "a gap is missing from the table"

    held: dict[str, Fault] = {}
    reconciles = list[Reconcile]()
    for kind, writes in WRITES.items():
        for write in writes:
            for moment in Moment:
                name = f"{kind}-{write.target}-{write.number}-{moment.name.lower()}"
                reconcile = Reconcile(kind, env.place(), resources, env.atlas, name=name)
                proxy = env.way if write.target == "atlas" else env.api
                path = reconcile.path(write.target)
                held[name] = proxy.inject(Hold(moment), verb="write", path=path, spared=write.number)
                reconciles.append(reconcile)
                reconcile.begin()
    env.kill_held(operator, held)

    again = env.start("crash", concurrency=64)

    for reconcile in reconciles:
        reconcile.ends_well()
    again.stop()


def time_travel_to_an_api_server_that_lags_behind(env: Env, _: Scale) -> None:
    """It can serve the past only to those who say that any state will do; the operator never says so."""
    resources, operator = env.resources("lag"), env.start("lag")
    place = env.settled(resources)
    resources.edit("orders", comment="two")
    resources.wait_ready("orders")
    operator.stop(kill=True)
    called = len(env.atlas.requests(place))
    env.api.inject(Refusal(504, "Timeout"), verb="list", path=KIND)
    env.api.inject(Refusal(504, "Timeout"), verb="get", path=KIND)
    env.api.inject(Frozen(), verb="watch", path=KIND)

    began = len(env.api.exchanges)
    again = env.start("lag", wait=False)
    wait_until(lambda: len(_reads(env.api, began)) >= 3, "the operator to try", servers=[again.server])
    assert not again.ready()
    assert again.get("livez").text == "ok"
    assert len(env.atlas.requests(place)) == called
    env.api.heal()

    wait_until(again.ready, "the operator to be ready", servers=[again.server])
    assert not [each.query for each in _reads(env.api, 0) if "resourceVersion" in each.query]
    assert env.atlas.patches(place) == [{"comment": "two"}]


def _reads(api: Proxy, began: int) -> list[Exchange]:
    """What was read of our kind since then, watches aside, for which a version is where to go on."""
    return [
        each for each in api.exchanges[began:] if each.request.verb in {"list", "get"} and KIND in each.request.path
    ]


def _what_happens_unobserved(env: Env, _: Scale, *, blindness: str) -> None:
    """An edit, a deletion, another object of the same name, and a new one, while the watch says nothing or is not there."""
    resources = env.resources(blindness)
    operator = env.start(blindness, **({"sync_interval": SOON} if blindness == "frozen" else {}))
    new = env.place()
    edited, deleted, replaced = (env.settled(resources, name) for name in ("edited", "deleted", "replaced"))
    assert operator.metric("atlas_endpoints_resources") == 3
    if blindness == "frozen":
        assert env.api.inject(Frozen(), verb="watch", path=KIND).happened.wait(PATIENCE)
        time.sleep(2 * APART)  # else the LIST that follows kopf's first one shows everything
    else:
        refused = env.api.inject(Refusal(503, "ServiceUnavailable"), verb="watch", path=KIND)
        env.api.inject(Closed(), verb="watch", path=KIND, times=1)
        assert refused.happened.wait(PATIENCE)

    resources.edit("edited", comment="two")
    resources.delete("deleted")
    resources.delete("replaced")
    successor = resources.create("replaced", replaced.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="successor"))
    env.atlas.connect(new, None)
    resources.create("new", new.spec(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="new"))

    for name, place, comment in (("edited", edited, "two"), ("replaced", replaced, "successor"), ("new", new, "new")):
        resources.wait_ready(name)
        assert env.atlas.patches(place) == [{"comment": comment}]
    assert resources.get("replaced")["metadata"]["uid"] == successor["metadata"]["uid"]
    wait_until(lambda: operator.metric("atlas_endpoints_resources") == 3, "the deleted one to be forgotten")
    assert env.atlas.patches(deleted) == []
    env.api.heal()
    time.sleep(1)  # what the watch brings late changes nothing
    assert all(observed(body) and ready(body)["status"] == "True" for body in resources.all())
    operator.server.check()
    operator.stop()


CASES: dict[str, Case] = {
    "a crash between any two writes": a_crash_between_any_two_writes,
    "a crash at each write of a reservation": a_crash_at_each_write_of_a_reservation,
    "a crash at each write of a registration": a_crash_at_each_write_of_a_registration,
    "time travel to an API server that lags behind": time_travel_to_an_api_server_that_lags_behind,
    "what happens while the watch is frozen": partial(_what_happens_unobserved, blindness="frozen"),
    "what happens while there is no watch": partial(_what_happens_unobserved, blindness="closed"),
}


@pytest.mark.parametrize("case", CASES)
def test_crashes_and_stale_reads(case: str, at_once: AtOnce) -> None:
    at_once.outcome(case)
