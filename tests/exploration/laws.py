"""What must hold at each moment of each story, whatever happens; and what the world must come to once nothing more does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exploration.ends import said
from exploration.world import MANAGED, resource
from support import kstatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_endpoints.engine.store import Body
    from exploration.ends import Effect
    from exploration.run import Run


def on_call(run: Run, effect: Effect) -> None:
    """A call begins."""
    if effect.kind != "PATCH":
        return
    world = run.world
    if effect.target not in {truth.spec["endpointId"] for truth in world.truths}:
        _broken(run, f"a write to {effect.target}, which is not ours")
    if any(each.kind == "PATCH" and each.target == effect.target for each in run.effects):
        _broken(run, f"two writes to {effect.target} are under way at once")
    if not run.leads(effect.replica):
        _broken(run, f"replica {effect.replica} writes to Atlas and does not lead")
    holds = world.endpoints[effect.target]
    if not world.meddled and all(holds.get(name) == effect.content[name] for name in MANAGED if name in effect.content):
        _broken(run, "a write that changes nothing, though nobody else has changed anything")


def on_write(run: Run, effect: Effect) -> None:
    """A write has arrived."""
    if effect.kind != "STATUS" or isinstance(effect.held, Exception):
        return
    body: Body = run.world.objects[resource(effect.target)]
    status: dict[str, Any] = body["status"]
    for problem in kstatus.problems(body):
        _broken(run, f"{problem} ({said(status)})")
    _check_claims(run, body, status)
    _check_stalled(run, status)


def on_release(run: Run, number: int) -> None:
    """A replica gives up its Lease of its own will."""
    if any(each.replica == number and each.kind in {"PATCH", "STATUS"} for each in run.effects):
        _broken(run, f"replica {number} releases the Lease while a write of its own is under way")


def _check_claims(run: Run, body: Body, status: Mapping[str, Any]) -> None:
    """A status claims only what Atlas has confirmed."""
    key = body["metadata"]["uid"], status["observedGeneration"]
    truth = next(each for each in run.world.truths if (each.uid, each.generation) == key)
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    if ready["status"] == "True" and not truth.available:
        _broken(run, f"Ready, and Atlas has never shown what generation {truth.generation} wants ({said(status)})")
    applied = status.get("applied") or {}
    held = run.world.held[truth.spec["endpointId"]]
    for name in MANAGED:
        if name in applied and applied[name] not in held[name]:
            _broken(run, f"applied claims {name}={applied[name]!r}, which Atlas has never held")
    if applied.get("generation") == truth.generation and not truth.shown and _same(applied, truth.spec):
        _broken(run, f"applied claims generation {truth.generation}, which Atlas has never shown")


def _check_stalled(run: Run, status: Mapping[str, Any]) -> None:
    """A resource is Stalled only where a person has to act."""
    stalled = next((each["reason"] for each in status["conditions"] if each["type"] == "Stalled"), None)
    has_a_cause = {None: True, "EndpointFailed": run.world.failed, "Drifted": run.world.meddled}
    if not has_a_cause.get(stalled, False):
        _broken(run, f"Stalled for {stalled}, and nobody has to act ({said(status)})")


def on_moment(run: Run) -> None:
    """Everything that could happen at once has happened."""
    if run.effects or run.world.leader not in run.replicas:
        return
    core = run.replicas[run.world.leader].core
    if not core.inventory.complete.is_set():
        return
    for key, newest in core.told.items():
        if core.store.get(key) is not None and core.begun.get(key, ("", 0)) < newest:
            _broken(run, f"generation {newest[1]} of {key.name} has arrived, all workers are idle, and no pass begins")


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


def _broken(run: Run, law: str) -> None:
    run.world.violations.append(law)
