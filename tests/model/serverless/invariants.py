"""What must hold of endpoints of serverless instances; see ``model.invariants``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from model.invariants import Invariant, broken, check_words, known
from model.ports import said
from model.serverless.truth import MANAGED, MARK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from atlas_endpoints.controller.cache import Body
    from model.ports import Effect
    from model.run import Run as AnyRun
    from model.serverless.atlas import Serverless
    from model.serverless.truth import Truth

    Run: TypeAlias = AnyRun[Serverless]


def on_call(run: Run, effect: Effect) -> None:
    """A write to Atlas begins."""
    environment, target = run.environment, effect.target
    if effect.kind != "POST" and target not in set(_ours(run, effect.replica)):
        broken(run, Invariant.OURS, f"a write to {target}")
    if effect.kind == "DELETE":
        _check_own(run, effect)
    holds = environment.endpoints.get(target)
    if effect.kind != "PATCH" or holds is None:
        return
    _check_owner(run, effect)
    is_held = all(holds.get(name) == effect.content[name] for name in MANAGED if name in effect.content)
    if is_held and target not in environment.meddled:
        broken(run, Invariant.NEEDED, f"a write of what {target} holds")


def _ours(run: Run, replica: int) -> Iterator[str]:
    """Give the endpoints that are named by a resource that is there, that a replica knows, or that it works on."""
    for body in (*run.environment.objects.values(), *known(run, replica)):
        yield from run.environment.endpoints_of(body["metadata"]["uid"], body["spec"])


def _check_own(run: Run, effect: Effect) -> None:
    """An endpoint is deleted only for its owner, and not from under another that the replica knows of."""
    bodies = list(known(run, effect.replica))
    ours = [
        each for each in bodies if effect.target in run.environment.endpoints_of(each["metadata"]["uid"], each["spec"])
    ]
    going = [each for each in ours if "deletionTimestamp" in each["metadata"]]
    if not any(each["spec"].get("deletionPolicy") == "Delete" for each in going):
        broken(run, Invariant.OWN, f"{effect.target} is to be deleted, and no resource that goes is to take it along")
    if len(going) < len(ours):
        broken(run, Invariant.OWN, f"{effect.target} is to be deleted from under another resource")


def _check_owner(run: Run, effect: Effect) -> None:
    """Of several resources that live the oldest one owns an endpoint: in these models it has come to see it first."""
    core, environment = run.replicas[effect.replica].core, run.environment
    bodies = [body for key in core.cache if (body := core.cache.get(key)) is not None]
    living = [each for each in bodies if "deletionTimestamp" not in each["metadata"]]
    owners = [each["metadata"]["uid"] for each in living if KIND.entry_of(each) == effect.target]
    wanted = [each.spec for each in environment.truths if each.uid == min(owners, default=None)]
    sent = {name: value for name, value in effect.content.items() if name in MANAGED}
    if wanted and not any(sent.items() <= spec.items() for spec in wanted):
        broken(run, Invariant.OWNER, f"{effect.target} is to be {sent}, and its owner wants that not")


def on_status(run: Run, body: Body) -> None:
    """A status was written."""
    status: dict[str, Any] = body["status"]
    _check_present(run, status)
    check_words(run, body)
    _check_claims(run, body, status)
    _check_stalled(run, body, status)


def on_change(run: Run, kind: str, target: str) -> None:
    """A write that is no status has arrived, perhaps late."""
    if kind == "POST":
        uid = target.removeprefix(MARK)
        if len(there := _reserved(run, uid)) > 1:
            broken(run, Invariant.ONCE, f"{' and '.join(there)} are reserved for {uid}")
    for uid in run.environment.released if kind in {"POST", "METADATA"} else ():
        told = {each.reason for each in run.environment.announced if each.uid == uid}
        if (left := _left_behind(run, uid)) and not told & {"EndpointRetained", "EndpointHandedOver"}:
            broken(run, Invariant.KEPT, f"{uid} is gone, and {left[0]} is there")


def _reserved(run: Run, uid: str) -> list[str]:
    """Give the endpoints that are there for a resource that names none."""
    there = [
        id_ for id_, owner in run.environment.reserved_for.items() if owner == uid and id_ in run.environment.endpoints
    ]
    return [id_ for id_ in there if run.environment.endpoints[id_]["status"] != "DELETING"]


def _left_behind(run: Run, uid: str) -> list[str]:
    """Give the endpoints of a resource that are there."""
    spec = next(each.spec for each in reversed(run.environment.truths) if each.uid == uid)
    return [id_ for id_ in run.environment.endpoints_of(uid, spec) if id_ in run.environment.endpoints]


def _check_present(run: Run, status: Mapping[str, Any]) -> None:
    """A status that says Ready names an endpoint that is there, or was a moment ago."""
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    id_ = (status.get("endpoint") or {}).get("id")
    if ready["status"] == "True" and id_ not in run.environment.endpoints and id_ not in run.environment.lately:
        broken(run, Invariant.PRESENT, f"Ready, and there is no endpoint {id_} ({said(status)})")


def _check_claims(run: Run, body: Body, status: Mapping[str, Any]) -> None:
    """A status claims only what Atlas has confirmed."""
    uid, generation = body["metadata"]["uid"], status["observedGeneration"]
    truths = {each.generation: each for each in run.environment.truths if each.uid == uid}
    truth = truths[generation]
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    if ready["status"] == "True" and not truth.available:
        broken(
            run, Invariant.CLAIMS, f"Ready, and Atlas has not shown what generation {generation} wants ({said(status)})"
        )
    applied = status.get("applied") or {}
    for name in MANAGED:
        if name in applied and applied[name] not in _held_since(truths, applied["generation"], name):
            broken(run, Invariant.CLAIMS, f"applied claims {name}={applied[name]!r}, and Atlas has not held that since")
    if applied.get("generation") == generation and not truth.shown and _same(applied, truth.spec):
        broken(run, Invariant.CLAIMS, f"applied claims generation {generation}, and Atlas has not shown it")


def _held_since(truths: Mapping[int, Truth], generation: int, name: str) -> set[str]:
    """Give what a field has held since a generation was made, or an earlier one if all since want the same of it."""
    wanted, values = truths[generation].spec.get(name), set[str]()
    while generation in truths and truths[generation].spec.get(name) == wanted:
        values.update(truths[generation].held.get(name, ()))
        generation -= 1
    return values


def _check_stalled(run: Run, body: Body, status: Mapping[str, Any]) -> None:
    """A resource is Stalled only where a person has to act."""
    endpoint = run.environment.kind.entry_of(body)
    stalled = next((each["reason"] for each in status["conditions"] if each["type"] == "Stalled"), None)
    has_a_cause = {
        None: True,
        "EndpointFailed": run.environment.failed,
        "Drifted": endpoint in run.environment.meddled,
        "EndpointNotFound": endpoint not in run.environment.endpoints,
        "Conflict": any(
            endpoint in run.environment.endpoints_of(each.uid, each.spec)
            for each in run.environment.truths
            if each.uid != body["metadata"]["uid"]
        ),
    }
    if not has_a_cause.get(stalled, False):
        broken(run, Invariant.STALLED, f"Stalled for {stalled}, and nobody has to act ({said(status)})")


def is_as_desired(run: Run) -> bool:
    """Tell whether the environment is as its resources want it, and their statuses say so."""
    handed_over = {each.uid for each in run.environment.announced if each.reason == "EndpointHandedOver"}
    is_gone = not any(_left_behind(run, uid) for uid in run.environment.released - handed_over)
    return is_gone and all(_is_as_desired(run, body) for body in run.environment.objects.values())


def _is_as_desired(run: Run, body: Body) -> bool:
    status, spec, metadata = body["status"], body["spec"], body["metadata"]
    ready = next((each for each in status.get("conditions", ()) if each["type"] == "Ready"), None)
    if ready is None or status["observedGeneration"] != metadata["generation"] or "deletionTimestamp" in metadata:
        return False
    if bool(metadata.get("finalizers")) != (spec.get("deletionPolicy") == "Delete"):
        return False
    if ready["reason"] == "Conflict":
        return any(_is_settled(run, each) for each in _rivals(run, body))
    return _is_settled(run, body)


def _is_settled(run: Run, body: Body) -> bool:
    """Tell whether a resource has the one endpoint that it is to have, and whether that is as it wants it."""
    status, spec, environment = body["status"], body["spec"], run.environment
    ready = next((each for each in status.get("conditions", ()) if each["type"] == "Ready"), None)
    endpoint_id = KIND.entry_of(body)
    if ready is None or ("endpointId" not in spec and _reserved(run, body["metadata"]["uid"]) != [endpoint_id]):
        return False
    if endpoint_id not in environment.endpoints:
        return bool(ready["reason"] == "EndpointNotFound")
    endpoint = environment.endpoints[endpoint_id]
    if endpoint["status"] == "FAILED":
        return bool(ready["reason"] == "EndpointFailed")
    if ready["reason"] == "Drifted":
        return bool(spec.get("driftPolicy") == "Report") and not environment.shows(endpoint_id, spec)
    waits = endpoint["status"] == "RESERVED" and "cloudProviderEndpointId" not in spec
    says_so = ready["reason"] == "WaitingForCloudEndpoint" if waits else ready["status"] == "True"
    return environment.shows(endpoint_id, spec) and bool(says_so) and _same(status.get("applied") or {}, spec)


def _rivals(run: Run, body: Body) -> list[Body]:
    """Give the other resources that stand for the endpoint of one."""
    others = run.environment.objects.values()
    return [each for each in others if each is not body and KIND.entry_of(each) == KIND.entry_of(body)]


def _same(applied: Any, spec: Any) -> bool:
    return all(applied.get(name) == spec[name] for name in MANAGED if name in spec)
