"""What must hold of private endpoints that Atlas makes for a region; see ``model.invariants``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_endpoints.reconcile.status import condition_in
from model.dedicated.atlas import STAYS, Dedicated
from model.dedicated.named import deletes, lives
from model.invariants import Invariant, broken, check_words, known
from model.ports import CHANGES, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from atlas_endpoints.controller.cache import Body
    from model.ports import Effect
    from model.regional.atlas import Regional
    from model.run import Run as AnyRun

    Run: TypeAlias = AnyRun[Regional]


def shown_in(environment: Regional, status: Mapping[str, Any]) -> str | None:
    """Return the ID of the endpoint that a status shows."""
    found: str | None = (status.get(environment.kind.noun) or {}).get("id")
    return found


def on_call(run: Run, effect: Effect) -> None:
    """A write to Atlas begins."""
    environment, place = run.environment, run.environment.place(effect.target)
    bodies = {body["metadata"]["uid"]: body for body in known(run, effect.replica)}
    naming = [body for body in bodies.values() if environment.kind.named_by(body).endpoint == place]
    others = [each for each in run.effects if each.kind in CHANGES and environment.place(each.target) == place]
    if any(each.kind != effect.kind for each in others):
        broken(run, Invariant.ONE_AT_A_TIME, f"two writes are under way for {place}")
    if effect.target in environment.lately:
        return  # what it is about has just gone, or come
    if not naming:
        broken(run, Invariant.OURS, f"a {effect.kind} of {effect.target}")
    elif effect.kind == "POST":
        _check_creation(run, place, naming)
    else:
        _check_deletion(run, effect.target, naming)


def _check_creation(run: Run, place: str, naming: list[Body]) -> None:
    """There is no endpoint of the region, none that may still come, and Atlas makes one."""
    environment = run.environment
    unseen = environment.lately.keys() | (environment.by_hand & environment.made.keys())
    there = [each.id for each in environment.of(place) if each.id not in unseen and each.unseen != "deleted"]
    if there or any(each.kind == "POST" and each.target == place for each in environment.ghosts):
        broken(run, Invariant.ONCE, f"a POST for {place}, of which there is {there or 'one that may arrive'}")
    if not environment.is_on and "switch" not in environment.lately:
        broken(run, Invariant.NEEDED, "a POST that Atlas refuses as long as private networking is off")
    for body in naming:
        is_reported = body["spec"].get("driftPolicy") == "Report" and Dedicated.request_of(body) is None
        if is_reported and "applied" in body["status"]:
            broken(run, Invariant.REPORTED, f"the endpoint of {place} is to be made again")


def _check_deletion(run: Run, target: str, naming: list[Body]) -> None:
    """An endpoint is deleted for a resource that goes, or once if it is dead on request; not too often, and never a needed one."""
    environment = run.environment
    endpoint = environment.held.get(target)
    there = {each["metadata"]["uid"] for each in environment.objects.values() if lives(each)}
    living = [each for each in naming if lives(each) and each["metadata"]["uid"] in there]
    is_dead = endpoint is None or endpoint.status in {"FAILED", *environment.kind.going}
    requests = {request for each in naming if lives(each) and (request := Dedicated.request_of(each)) is not None}
    is_requested = is_dead and bool(requests - environment.served)
    going = [each for each in naming if deletes(each) and not lives(each)]
    if not going and not is_dead:
        broken(run, Invariant.LIVE, f"{target} is to be deleted, which works")
    elif not going and not is_requested:
        broken(run, Invariant.BOUND if requests else Invariant.NAMED, f"{target} is to be deleted without a request")
    if len(living) > is_requested:
        broken(run, Invariant.NAMED, f"{target} is to be deleted, which {living[-1]['metadata']['name']} names")
    # Statuses keep whole seconds.
    if environment.until.get(target, 0.0) >= environment.now + 1 and not is_requested:
        broken(run, Invariant.PACED, f"a DELETE of {target}, again too soon")
    recorded = {shown_in(environment, each["status"]) for each in naming}
    passing = environment.passing_in
    staying = {id_ for id_, each in environment.held.items() if each.unseen is None and each.status not in passing}
    if endpoint is not None and target not in recorded and recorded & staying:
        broken(run, Invariant.RECORDED, f"{target} is to be deleted, and {recorded} is recorded")
    if going and environment.asks_first and environment.is_needed and "need" not in environment.lately:
        broken(run, Invariant.GUARDED, f"{target} is to be deleted, which is needed")


def on_status(run: Run, body: Body) -> None:
    """A status was written."""
    environment, status = run.environment, body["status"]
    check_words(run, body)
    shown, ready = shown_in(environment, status), condition_in(status, "Ready")
    held = environment.held.get(shown or "")
    is_active = held is not None and held.status == environment.active
    if ready["status"] == "True" and shown not in environment.lately and not is_active:
        broken(run, Invariant.PRESENT, f"Ready, and {shown} is not active ({said(status)})")
    place = environment.kind.named_by(body).endpoint
    if held is not None and environment.place(held.id) != place:
        broken(run, Invariant.RECORDED, f"{shown} is recorded, which is not of {place}")
    stalled, there = condition_in(status, "Stalled").get("reason"), environment.of(place or "")
    has_a_cause = {
        None: True,
        "EndpointFailed": shown in environment.lately or (held is not None and held.status == "FAILED"),
        "EndpointNotFound": not there or "Report" in body["spec"].values(),
        "PrivateNetworkingRequired": "switch" in environment.left,  # it is looked for once in an interval
        "UpdateRejected": "switch" in environment.left or environment.is_refused(held, body["spec"]),
        "DeletionBlocked": environment.is_needed or "need" in environment.lately,
        "Conflict": len({each["metadata"]["uid"] for each in environment.naming(place or "")} | set(environment.owed))
        > 1
        or environment.is_ambiguous(place or "", shown),
    }
    if not has_a_cause.get(stalled, False):
        broken(run, Invariant.STALLED, f"Stalled for {stalled}, and nobody has to act ({said(status)})")


def on_change(run: Run, kind: str, target: str) -> None:
    """A write that is no status has arrived, perhaps late."""
    if kind in {"POST", "METADATA"} and (left := next(_left_behind(run), None)):
        broken(run, Invariant.KEPT, f"its resource is gone, and {left} is there")
    there = [each.id for each in run.environment.of(target) if each.id not in run.environment.by_hand]
    if kind == "POST" and len(there) > 1 and not run.environment.renews:
        broken(run, Invariant.ONCE, f"{' and '.join(there)} are made for {target}")


def _left_behind(run: Run) -> Iterator[str]:
    """Yield the endpoints of resources that are gone, of which no Event says that they stay."""
    environment = run.environment
    told = " ".join(each.note for each in environment.announced if each.reason in STAYS)
    handed_over = {each.uid for each in environment.announced if each.reason == "EndpointHandedOver"}
    for place in {place for uid, place in environment.owed.items() if uid not in handed_over}:
        ours = [each.id for each in environment.of(place) if each.id not in environment.by_hand]
        yield from (id_ for id_ in ours if id_ not in told and not environment.naming(place))


def is_as_desired(run: Run) -> bool:
    """Tell whether Atlas is as the resources want it, and their statuses say so."""
    return not any(_left_behind(run)) and all(
        _is_right(run.environment, each) for each in run.environment.objects.values()
    )


def _is_right(environment: Regional, body: Body) -> bool:
    """Tell whether Atlas is as a resource wants it, and its status says so; that others own its endpoint is for their sake."""
    metadata, spec, status = body["metadata"], body["spec"], body["status"]
    if status["observedGeneration"] != metadata["generation"] or bool(metadata.get("finalizers")) != deletes(body):
        return False
    place = environment.kind.named_by(body).endpoint or ""
    reason, there = condition_in(status, "Ready")["reason"], environment.of(place)
    shown = environment.held.get(shown_in(environment, status) or "")
    if not lives(body):
        return bool(environment.is_needed and reason == "DeletionBlocked")
    if reason == "Conflict":
        named_by = [condition_in(each["status"], "Ready").get("reason") for each in environment.naming(place)]
        return {*named_by} != {"Conflict"} or environment.is_ambiguous(place, shown_in(environment, status))
    if not there:
        is_off = not environment.is_on and reason == "PrivateNetworkingRequired"
        return is_off or bool(reason == "EndpointNotFound" and spec.get("driftPolicy") == "Report")
    if shown not in there:
        return False
    return reason in environment.said_of(shown, spec)
