"""What must hold of private endpoints for Data Federation; see ``model.invariants``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from atlas_endpoints.kinds.data_federation_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.status import condition_in
from model.dedicated.atlas import STAYS, Dedicated
from model.dedicated.named import deletes, lives
from model.invariants import Invariant, broken, known
from model.serverless import invariants as serverless
from model.serverless.truth import MANAGED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from atlas_endpoints.controller.cache import Body
    from model.data_federation.atlas import DataFederation
    from model.ports import Effect
    from model.run import Run as AnyRun

    Run: TypeAlias = AnyRun[DataFederation]


class Holds(Protocol):
    """An Atlas and its resources."""

    @property
    def endpoints(self) -> Mapping[str, Mapping[str, str | None]]: ...

    def naming(self, id_: str) -> Sequence[Body]: ...


on_status = serverless.on_status


def on_call(run: Run, effect: Effect) -> None:
    """A write to Atlas begins."""
    bodies = {body["metadata"]["uid"]: body for body in known(run, effect.replica)}
    naming = [body for body in bodies.values() if KIND.entry_of(body) == effect.target]
    if not naming:
        broken(run, Invariant.OURS, f"a {effect.kind} of {effect.target}")
    elif effect.kind == "POST":
        _check_registration(run, effect, naming)
    else:
        _check_deletion(run, effect.target, naming)


def _check_registration(run: Run, effect: Effect, naming: list[Body]) -> None:
    """A POST changes something, and with the drift policy Report nothing that was confirmed, but on request."""
    environment, target = run.environment, effect.target
    holds, sent = environment.endpoints.get(target), effect.content.get("comment")
    is_known = holds is not None and target not in environment.meddled and target not in environment.made
    if holds is not None and is_known and (sent is None or sent == holds["comment"]):
        broken(run, Invariant.NEEDED, f"a POST of what {target} holds")
    wanted = {"cloudProviderEndpointId": target, "comment": sent, "generation": 0}
    for body in naming:
        applied = dict(body["status"].get("applied") or {})
        is_same = applied.get("generation") == body["metadata"]["generation"] and {**applied, "generation": 0} == wanted
        if is_same and body["spec"].get("driftPolicy") == "Report" and Dedicated.request_of(body) is None:
            broken(run, Invariant.REPORTED, f"{target} is to be changed back")


def _check_deletion(run: Run, target: str, naming: list[Body]) -> None:
    """An endpoint is deleted for a resource that goes, or once if it is dead on request; and from under no other resource."""
    environment = run.environment
    there = {each["metadata"]["uid"] for each in environment.objects.values() if lives(each)}
    living = [each for each in naming if lives(each) and each["metadata"]["uid"] in there]
    endpoint = environment.endpoints.get(target)
    may_be_dead = endpoint is None or endpoint["status"] in {"FAILED", "DELETING"}
    requests = {request for each in naming if lives(each) and (request := Dedicated.request_of(each)) is not None}
    is_requested = may_be_dead and bool(requests - environment.served)
    if not any(deletes(each) and not lives(each) for each in naming):
        if not may_be_dead:
            broken(run, Invariant.LIVE, f"{target} is to be deleted, which works")
        elif not is_requested:
            broken(
                run, Invariant.BOUND if requests else Invariant.NAMED, f"{target} is to be deleted without a request"
            )
    if len(living) > is_requested:
        broken(run, Invariant.NAMED, f"{target} is to be deleted, which {living[-1]['metadata']['name']} names")


def on_change(run: Run, kind: str, target: str) -> None:
    """A write that is no status has arrived, perhaps late."""
    if kind in {"POST", "METADATA"} and (left := next(_left_behind(run), None)):
        broken(run, Invariant.KEPT, f"its resource is gone, and {left} is there")


def _left_behind(run: Run) -> Iterator[str]:
    """Yield the endpoints of resources that are gone, of which no Event says that they stay."""
    environment = run.environment
    told = {each.uid for each in environment.announced if each.reason in STAYS}
    for truth in environment.truths:
        ids = environment.endpoints_of(truth.uid, truth.spec) if truth.uid in environment.released - told else ()
        yield from (id_ for id_ in ids if id_ in environment.endpoints and not environment.naming(id_))


def is_as_desired(run: Run) -> bool:
    """Tell whether Atlas is as the resources want it, and their statuses say so."""
    return not any(_left_behind(run)) and all(
        is_right(run.environment, each) for each in run.environment.objects.values()
    )


def is_right(held: Holds, body: Body) -> bool:
    """Tell whether Atlas is as a resource wants it, and its status says so; that others own its endpoint is for their sake."""
    metadata, spec, status, id_ = body["metadata"], body["spec"], body["status"], KIND.entry_of(body)
    if not lives(body) or status["observedGeneration"] != metadata["generation"] or id_ is None:
        return False
    if bool(metadata.get("finalizers")) != deletes(body):
        return False
    reason, endpoint = condition_in(status, "Ready")["reason"], held.endpoints.get(id_)
    if reason == "Conflict":
        return any(condition_in(each["status"], "Ready").get("reason") != "Conflict" for each in held.naming(id_))
    if endpoint is not None and endpoint["status"] == "FAILED":
        return bool(reason == "EndpointFailed")
    if endpoint is None or (endpoint["comment"] or "") != spec.get("comment", endpoint["comment"] or ""):
        reported = "EndpointNotFound" if endpoint is None else "Drifted"
        return bool(reason == reported and spec.get("driftPolicy") == "Report")
    applied = status.get("applied") or {}
    return bool(reason == "Available") and all(applied.get(name) == spec[name] for name in MANAGED if name in spec)
