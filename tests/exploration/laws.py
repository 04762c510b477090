"""What must hold at each moment of each story, whatever happens; and what the world must come to once nothing more does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_endpoints.engine.store import Body
from exploration.ends import said
from exploration.world import FOREIGN, resource
from support import kstatus

if TYPE_CHECKING:
    from exploration.ends import Effect
    from exploration.run import Run

PERSONS = frozenset({"EndpointFailed", "Drifted", "UpdateRejected"})
"""Reasons for which a resource may be Stalled in a small world, where each of them has a cause."""


def on_call(run: Run, effect: Effect) -> None:
    """A call begins."""
    if effect.kind != "PATCH":
        return
    named = {truth.spec["endpointId"] for truth in run.world.truths}
    if effect.target == FOREIGN or effect.target not in named:
        _broken(run, f"a write to {effect.target}, which is not ours")
    if any(each.kind == "PATCH" and each.target == effect.target for each in run.effects):
        _broken(run, f"two writes to {effect.target} are under way at once")
    if not run.leads(effect.replica):
        _broken(run, f"replica {effect.replica} writes to Atlas and does not lead")


def on_write(run: Run, effect: Effect) -> None:
    """A write has arrived."""
    if effect.kind != "STATUS" or isinstance(effect.held, Exception):
        return
    body: Body = run.world.objects[resource(effect.target)]
    status: dict[str, Any] = body["status"]
    truth = next(
        each
        for each in run.world.truths
        if (each.uid, each.generation) == (body["metadata"]["uid"], status["observedGeneration"])
    )
    for problem in kstatus.problems(body):
        _broken(run, f"{problem} ({said(status)})")
    conditions = {each["type"]: each for each in status["conditions"]}
    if conditions["Ready"]["status"] == "True" and not truth.available:
        _broken(run, f"Ready, and Atlas was never seen as generation {truth.generation} wants it ({said(status)})")
    applied = status.get("applied") or {}
    held = run.world.held[truth.spec["endpointId"]]
    for name in ("comment", "cloudProviderEndpointId"):
        if name in applied and applied[name] not in held[name]:
            _broken(run, f"applied claims {name}={applied[name]!r}, which Atlas never held")
    if applied.get("generation") == truth.generation and not truth.shown and _same(applied, truth.spec):
        _broken(run, f"applied claims generation {truth.generation}, which Atlas never showed")
    stalled = conditions.get("Stalled")
    if stalled is not None and stalled["reason"] not in PERSONS:
        _broken(run, f"Stalled, and nobody has to act ({said(status)})")
    if "Stalled" in conditions and conditions["Ready"]["reason"] == "EndpointFailed":
        statuses = run.world.held.get("statuses", {})
        del statuses


def on_moment(run: Run) -> None:
    """Everything that could happen at once has happened."""
    for body in run.world.objects.values():
        if body["status"]["observedGeneration"] > body["metadata"]["generation"]:
            _broken(run, "a status speaks of a generation that there is not yet")


def is_as_desired(run: Run) -> bool:
    """Tell whether the world is as its resources want it, and their statuses say so."""
    return all(_is_as_desired(run, body) for body in run.world.objects.values())


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
    return all(applied.get(name) == spec[name] for name in ("comment", "cloudProviderEndpointId") if name in spec)


def _broken(run: Run, law: str) -> None:
    run.world.violations.append(law)
