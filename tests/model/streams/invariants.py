"""What must hold of connections to services: what holds of endpoints of regions, and that no domain is lost and no connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_endpoints.reconcile.status import condition_in
from model.dedicated.named import lives
from model.invariants import Invariant, broken, known
from model.ports import said
from model.regional import invariants as regional
from model.regional.invariants import is_as_desired, on_change, shown_in

if TYPE_CHECKING:
    from atlas_endpoints.controller.cache import Body
    from model.ports import Effect
    from model.run import Run as AnyRun

    Run: TypeAlias = AnyRun[Any]

__all__ = ["is_as_desired", "on_call", "on_change", "on_status"]


def on_call(run: Run, effect: Effect) -> None:
    """A write to Atlas begins."""
    environment = run.environment
    if effect.kind != "PATCH":
        regional.on_call(run, effect)
        return
    held = environment.held.get(effect.target)
    if held is None or effect.target in environment.lately:
        return
    place = environment.place(effect.target)
    naming = [each for each in known(run, effect.replica) if environment.kind.named_by(each).endpoint == place]
    if not any(map(lives, naming)):
        broken(run, Invariant.OURS, f"a PATCH of {effect.target}")
    if not held.takes_domain or held.fields.get("dnsDomain") == effect.content["dnsDomain"]:
        broken(run, Invariant.NEEDED, f"a PATCH of {effect.target} that Atlas refuses, or that changes nothing")


def on_status(run: Run, body: Body) -> None:
    """A status was written."""
    environment, status, uid = run.environment, body["status"], body["metadata"]["uid"]
    regional.on_status(run, body)
    before, shown = environment.recorded.get(uid), shown_in(environment, status)
    if before not in {None, shown} and before in environment.held and before not in environment.lately:
        broken(run, Invariant.RECORDED, f"{before} is recorded no more, which is there ({said(status)})")
    environment.recorded = {
        each["metadata"]["uid"]: id_
        for each in environment.objects.values()
        if (id_ := shown_in(environment, each["status"]))
    }
    held, is_newest = environment.held.get(shown or ""), status["observedGeneration"] == body["metadata"]["generation"]
    is_ready = condition_in(status, "Ready")["status"] == "True" and is_newest
    if held is not None and is_ready and shown not in environment.lately and environment.differs(held, body["spec"]):
        broken(run, Invariant.CLAIMS, f"Ready, and {shown} has not the domain of the spec ({said(status)})")
