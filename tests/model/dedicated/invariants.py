"""What must hold of private endpoints of dedicated clusters; see ``model.invariants``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from atlas_endpoints.simulator.service import AVAILABLE, DELETING, FAILED, REJECTED
from model.dedicated.named import deletes, lives, named_by, service_of, target_of
from model.invariants import Invariant, broken, check_words
from model.ports import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas_endpoints.controller.cache import Body
    from atlas_endpoints.simulator.service import Service
    from model.dedicated.atlas import Dedicated
    from model.dedicated.named import Target
    from model.ports import Effect
    from model.run import Run as AnyRun

    Run: TypeAlias = AnyRun[Dedicated]

DEAD = frozenset({REJECTED, FAILED})


def on_call(run: Run, effect: Effect) -> None:
    """A write to Atlas begins."""
    service_id, _, endpoint_id = effect.target.partition("/")
    match effect.kind:
        case "POST" if not service_id:
            _check_first(run)
        case "POST":
            _check_new(run, effect, target_of(service_id, endpoint_id))
        case "DELETE" if not endpoint_id:
            _check_unused(run, effect, service_id)
        case "DELETE":
            _check_named(run, effect, target_of(service_id, endpoint_id))
        case "PATCH":
            _check_regions(run, effect)
        case _:
            pass


def _check_first(run: Run) -> None:
    """Nobody asks for a second service as long as the first one is there, or may come."""
    environment = run.environment
    if any(each.kind == "POST" and not each.target for each in run.effects):
        broken(run, Invariant.ONCE, "a second service is asked for at once")
    if len(environment.objects) > 1:  # each may ask: Atlas refuses the second call
        return
    there = [each.id for each in environment.services if each.id in environment.created and _is_there(each)]
    coming = [each for each in environment.ghosts if not each.target]
    if there or coming:
        broken(run, Invariant.ONCE, f"a second service is asked for, beside {there or 'one that may come'}")


def _check_new(run: Run, effect: Effect, target: Target) -> None:
    """With the drift policy Report, what was confirmed is made again on request only."""
    naming = [each for each in _known(run, effect.replica) if named_by(each) == target.endpoint_id]
    if naming and all(_only_reports(each) and run.environment.request_of(each) is None for each in naming):
        broken(run, Invariant.REPORTED, f"{target.endpoint_id} is to be registered again")


def _only_reports(body: Body) -> bool:
    confirmed = (body["status"].get("applied") or {}).get("cloudProviderEndpointId")
    return bool(body["spec"].get("driftPolicy") == "Report" and confirmed is not None)


def _check_unused(run: Run, effect: Effect, service_id: str) -> None:
    environment = run.environment
    service = environment.held.get(service_id)
    if service is None:
        return
    if service_id not in environment.created:
        broken(run, Invariant.SHARED, f"service {service_id} is to be deleted, which nobody of ours has made")
    if any(f"{service_id}/{each}" not in environment.lately for each in service.endpoints):
        broken(
            run, Invariant.SHARED, f"service {service_id} is to be deleted, and it has {', '.join(service.endpoints)}"
        )
    bodies = _known(run, effect.replica)
    if service.status in {FAILED, DELETING} and any(lives(body) for body in bodies):
        return  # an empty one that failed is made again, perhaps already by a call of a process before
    if not any(deletes(body) and not lives(body) for body in bodies):
        broken(run, Invariant.SHARED, f"service {service_id} is to be deleted, and nobody is to take it along")
    for body in filter(lives, bodies):
        if _is_shown_alive(run, body) and service_of(body) == service_id:
            broken(
                run, Invariant.SHARED, f"service {service_id} is to be deleted, which {body['metadata']['name']} uses"
            )


def _check_named(run: Run, effect: Effect, target: Target) -> None:
    """An endpoint is deleted for a resource that is being deleted, or if it is dead on request, and protected by no other one."""
    environment, endpoint = run.environment, run.environment.endpoint(target)
    bodies = [body for body in _known(run, effect.replica) if named_by(body) == target.endpoint_id]
    going, living = [each for each in bodies if not lives(each)], [each for each in bodies if lives(each)]
    is_sure = "/".join(target) not in environment.lately
    if endpoint is not None and endpoint.status == AVAILABLE and is_sure and not going:
        broken(run, Invariant.LIVE, f"{target.endpoint_id} is to be deleted, which is AVAILABLE")
    may_be_dead = not is_sure or endpoint is None or endpoint.status in DEAD or endpoint.status == DELETING
    requests = {request for each in living if (request := environment.request_of(each)) is not None}
    if not any(map(deletes, going)):
        if not (may_be_dead and requests):
            broken(run, Invariant.NAMED, f"{target.endpoint_id} is to be deleted, and no resource is to take it along")
        elif requests <= environment.served:
            broken(run, Invariant.BOUND, f"{target.endpoint_id} is to be deleted once more for one request")
    others = [each for each in living if _is_shown_alive(run, each)]
    if len(others) > (1 if may_be_dead and requests - environment.served else 0):
        broken(
            run, Invariant.NAMED, f"{target.endpoint_id} is to be deleted, which {others[-1]['metadata']['name']} names"
        )


def _check_regions(run: Run, effect: Effect) -> None:
    """Regions are only added, by one call after the other."""
    if any(each.kind == "PATCH" and each.target == effect.target for each in run.effects):
        broken(run, Invariant.ONE_AT_A_TIME, f"two writes to {effect.target} are under way")
    service = run.environment.held.get(effect.target)
    shown = set() if service is None else set(service.remote_regions or ())
    if lost := shown - set(effect.content["supportedRemoteRegions"]):
        broken(run, Invariant.REGIONS, f"{', '.join(sorted(lost))} is to be removed from {effect.target}")


def _known(run: Run, replica: int) -> list[Body]:
    """Give the resources that a replica knows, or else works on."""
    core = run.replicas[replica].core
    cached = {key: body for key in core.cache if (body := core.cache.get(key)) is not None}
    return [*{**core.working_on, **cached}.values()]


def _is_shown_alive(run: Run, body: Body) -> bool:
    """Tell whether the API server, too, shows a resource that lives."""
    return any(
        each["metadata"]["uid"] == body["metadata"]["uid"] and lives(each) for each in run.environment.objects.values()
    )


def on_change(run: Run, kind: str, target: str) -> None:
    """A write that is no status has arrived, perhaps late."""
    if kind in {"POST", "METADATA"} and (left := [*_left_behind(run)]):
        broken(run, Invariant.KEPT, f"its resource is gone, and {left[0]} is there")


def _left_behind(run: Run) -> Iterator[Target]:
    """Yield what is there of what was to go with resources that are gone, and nobody else needs."""
    environment = run.environment
    unused = {target_of(each.id, "") for each in environment.services if _is_there(each) and not each.endpoints}
    yield from sorted(environment.owed & (environment.registered | unused))


def _is_there(service: Service) -> bool:
    return service.status != DELETING


def on_status(run: Run, body: Body) -> None:
    """A status was written."""
    check_words(run, body)
    environment, status = run.environment, body["status"]
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    service_id, endpoint_id = service_of(body), named_by(body)
    if ready["status"] != "True" or service_id is None or endpoint_id is None:
        return
    target = target_of(service_id, endpoint_id)
    endpoint = environment.endpoint(target)
    connects = endpoint is not None and endpoint.status == AVAILABLE
    if not connects and target not in environment.news and "/".join(target) not in environment.lately:
        broken(run, Invariant.PRESENT, f"Ready, and {target.endpoint_id} is {endpoint} ({said(status)})")


def is_as_desired(run: Run) -> bool:
    """Tell whether Atlas is as the resources want it, and their statuses say so."""
    return not any(_left_behind(run)) and all(_is_as_desired(run, body) for body in run.environment.objects.values())


def _is_as_desired(run: Run, body: Body) -> bool:
    metadata, status = body["metadata"], body["status"]
    ready = next((each["reason"] for each in status.get("conditions", ()) if each["type"] == "Ready"), None)
    if not lives(body) or status["observedGeneration"] != metadata["generation"]:
        return False
    spec = body["spec"]
    if bool(metadata.get("finalizers")) != (deletes(body) and spec.get("managementPolicy") != "Observe"):
        return False
    if spec.get("suspend"):
        return bool(ready == "Suspended")
    if ready == "Conflict":
        others = [each for each in run.environment.objects.values() if each is not body]
        return any(named_by(each) == named_by(body) and _is_settled(run, each) for each in others)
    return _is_settled(run, body)


def _is_settled(run: Run, body: Body) -> bool:
    """Tell whether the reason of a resource is right."""
    spec, status, endpoint_id = body["spec"], body["status"], named_by(body)
    service = next(iter(run.environment.services), None)
    endpoint = None if service is None or endpoint_id is None else service.find(endpoint_id)
    ready = next(each["reason"] for each in status["conditions"] if each["type"] == "Ready")
    is_reported: bool = spec.get("driftPolicy") == "Report" and ready in {"Drifted", "EndpointNotFound"}
    if service is None:
        return is_reported
    wanted = set(spec.get("supportedRemoteRegions", ()))
    if service.id != service_of(body) or not wanted <= set(service.remote_regions or ()):
        return False
    match ready:
        case "WaitingForCloudEndpoint":
            return endpoint_id is None
        case "Drifted" | "EndpointNotFound":
            return is_reported and endpoint is None
        case "EndpointFailed":
            return endpoint is not None and endpoint.status in DEAD
        case "ServiceFailed":
            return service.status == FAILED
        case "Available":
            return endpoint is not None and endpoint.status == AVAILABLE
        case _:
            return False
