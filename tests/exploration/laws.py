"""What must hold at each moment of each story, whatever happens; and what the world must come to once nothing more does."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import override

from exploration.ends import said
from exploration.world import MANAGED, resource
from support import kstatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from atlas_endpoints.engine.store import Body
    from exploration.ends import Effect
    from exploration.run import Run
    from exploration.world import Truth


LANE = 2
"""Workers that one pair of credentials may have, of which there is one in these worlds: half of the four."""


class Law(Enum):
    """What must hold."""

    OURS = "no write goes to an endpoint that no resource names"
    ONE_AT_A_TIME = "never two writes at once to one endpoint"
    LEADER = "no write comes from a replica that does not lead"
    RELEASE = "no write is under way when the Lease is released"
    NEEDED = "no write changes nothing, unless somebody else has meddled"
    CLAIMS = "applied and Ready claim only what Atlas has shown since that generation was made"
    WORDS = "each status obeys the rules of kstatus and Flux"
    STALLED = "a resource is Stalled only where a person has to act"
    AT_ONCE = "an edit that has arrived has a pass begun as soon as a worker is free"
    NEWEST = "no pass is over a spec older than one that has arrived"
    FORWARD = "what is known of an object never goes back to an earlier version"
    ALIVE = "whatever happens, the operator's workers and comparisons go on"
    REST = "left alone, the operator brings the world to rest as the resources want it, in time"


class Violation(NamedTuple):
    """A law that is broken, and by what."""

    law: Law
    what: str

    @override
    def __str__(self) -> str:
        return f"{self.what} (the law: {self.law.value})"


def on_call(run: Run, effect: Effect) -> None:
    """A call begins."""
    if effect.kind != "PATCH":
        return
    world, target = run.world, effect.target
    if target not in set(_ours(run, effect.replica)):
        _broken(run, Law.OURS, f"a write to {target}")
    if any(each.kind == "PATCH" and each.target == target for each in run.effects):
        _broken(run, Law.ONE_AT_A_TIME, f"two writes to {target} are under way")
    if not run.leads(effect.replica):
        _broken(run, Law.LEADER, f"replica {effect.replica} writes to Atlas")
    holds = world.endpoints[target]
    is_held = all(holds.get(name) == effect.content[name] for name in MANAGED if name in effect.content)
    if is_held and target not in world.meddled:
        _broken(run, Law.NEEDED, f"a write of what {target} holds")


def _ours(run: Run, replica: int) -> Iterator[str]:
    """Give the endpoints that are named by a resource that is there, that a replica knows, or that it works on."""
    core = run.replicas[replica].core
    yield from (body["spec"]["endpointId"] for body in run.world.objects.values())
    yield from (body["spec"]["endpointId"] for key in core.store if (body := core.store.get(key)) is not None)
    yield from core.working_on.values()


def on_write(run: Run, effect: Effect) -> None:
    """A write has arrived."""
    if effect.kind != "STATUS" or isinstance(effect.held, Exception):
        return
    body: Body = run.world.objects[resource(effect.target)]
    status: dict[str, Any] = body["status"]
    for problem in kstatus.problems(body):
        _broken(run, Law.WORDS, f"{problem} ({said(status)})")
    _check_claims(run, body, status)
    _check_stalled(run, body["spec"]["endpointId"], status)


def on_release(run: Run, number: int) -> None:
    """A replica gives up its Lease of its own will."""
    if any(each.replica == number and each.kind in {"PATCH", "STATUS"} for each in run.effects):
        _broken(run, Law.RELEASE, f"replica {number} releases the Lease")


def _check_claims(run: Run, body: Body, status: Mapping[str, Any]) -> None:
    """A status claims only what Atlas has confirmed."""
    uid, generation = body["metadata"]["uid"], status["observedGeneration"]
    truths = {each.generation: each for each in run.world.truths if each.uid == uid}
    truth = truths[generation]
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    if ready["status"] == "True" and not truth.available:
        _broken(run, Law.CLAIMS, f"Ready, and Atlas has not shown what generation {generation} wants ({said(status)})")
    applied = status.get("applied") or {}
    for name in MANAGED:
        if name in applied and applied[name] not in _held_since(truths, applied["generation"], name):
            _broken(run, Law.CLAIMS, f"applied claims {name}={applied[name]!r}, and Atlas has not held that since")
    if applied.get("generation") == generation and not truth.shown and _same(applied, truth.spec):
        _broken(run, Law.CLAIMS, f"applied claims generation {generation}, and Atlas has not shown it")


def _held_since(truths: Mapping[int, Truth], generation: int, name: str) -> set[str]:
    """Give what a field has held since a generation was made, or an earlier one if all since want the same of it."""
    wanted, values = truths[generation].spec.get(name), set[str]()
    while generation in truths and truths[generation].spec.get(name) == wanted:
        values.update(truths[generation].held[name])
        generation -= 1
    return values


def _check_stalled(run: Run, endpoint: str, status: Mapping[str, Any]) -> None:
    """A resource is Stalled only where a person has to act."""
    stalled = next((each["reason"] for each in status["conditions"] if each["type"] == "Stalled"), None)
    has_a_cause = {None: True, "EndpointFailed": run.world.failed, "Drifted": endpoint in run.world.meddled}
    if not has_a_cause.get(stalled, False):
        _broken(run, Law.STALLED, f"Stalled for {stalled}, and nobody has to act ({said(status)})")


def on_moment(run: Run) -> None:
    """Everything that could happen at once has happened."""
    replica = run.replicas.get(run.world.leader) if run.world.leader is not None else None
    if replica is None or not replica.works or replica.stops:
        return
    core = replica.core
    if core.queue.running >= LANE:
        return
    for key, newest in core.told.items():
        is_known = core.store.get(key) is not None and key not in core.working_on
        if is_known and core.begun.get(key, ("", 0)) < newest:
            _broken(run, Law.AT_ONCE, f"generation {newest[1]} of {key.name} has arrived, and no pass begins")


def is_as_desired(run: Run) -> bool:
    """Tell whether the world is as its resources want it, and their statuses say so."""
    cores = [replica.core for number, replica in run.replicas.items() if run.leads(number)]
    known = all(set(core.store) == set(run.world.objects) for core in cores)
    return known and all(_is_as_desired(run, body) for body in run.world.objects.values())


def _is_as_desired(run: Run, body: Body) -> bool:
    status, spec = body["status"], body["spec"]
    ready = next((each for each in status.get("conditions", ()) if each["type"] == "Ready"), None)
    if ready is None or status["observedGeneration"] != body["metadata"]["generation"]:
        return False
    if run.world.endpoints[spec["endpointId"]]["status"] == "FAILED":
        return bool(ready["reason"] == "EndpointFailed")
    if ready["reason"] == "Drifted":
        return bool(spec.get("driftPolicy") == "Report") and not run.world.shows(spec)
    return run.world.shows(spec) and bool(ready["status"] == "True") and _same(status.get("applied") or {}, spec)


def _same(applied: Any, spec: Any) -> bool:
    return all(applied.get(name) == spec[name] for name in MANAGED if name in spec)


def _broken(run: Run, law: Law, what: str) -> None:
    run.world.violations.append(Violation(law, what))
