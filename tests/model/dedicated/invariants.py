"""What must hold of private endpoints of dedicated clusters; see ``model.invariants``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from atlas_endpoints.kinds.dedicated_private_endpoint.endpoint import ATTEMPTS
from atlas_endpoints.simulator.service import AVAILABLE
from histories.dedicated.atlas import is_there, target_of
from histories.dedicated.judge import Ending, named_by, service_of
from model.invariants import Invariant, broken, check_words, known
from model.ports import said

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas_endpoints.controller.cache import Body
    from histories.dedicated.atlas import Target
    from model.dedicated.atlas import Dedicated
    from model.ports import Effect
    from model.run import Run as AnyRun

    Run: TypeAlias = AnyRun[Dedicated]


def on_call(run: Run, effect: Effect) -> None:
    """A write to Atlas begins."""
    service_id, _, endpoint_id = effect.target.partition("/")
    target = target_of(service_id, endpoint_id)
    match effect.kind:
        case "POST" if not service_id:
            _check_first(run)
        case "POST" if run.environment.attempts.get(target, 0) >= ATTEMPTS:
            broken(run, Invariant.BOUND, f"{endpoint_id} is registered more than {ATTEMPTS} times in a row")
        case "DELETE" if not endpoint_id:
            _check_unused(run, effect, service_id)
        case "DELETE" if run.environment.endpoint(target) and target not in run.environment.registered:
            broken(run, Invariant.STRANGER, f"{endpoint_id} is to be deleted, which nobody of ours has registered")
        case _:
            pass


def _check_first(run: Run) -> None:
    """Nobody asks for a second service as long as the first one is there, or may come."""
    environment = run.environment
    if len(environment.objects) > 1:  # each may ask: Atlas refuses the second call
        return
    there = [each.id for each in environment.services if each.id in environment.created and is_there(each)]
    coming = [each for each in environment.ghosts if not each.target]
    if there or coming:
        broken(run, Invariant.ONCE, f"a second service is asked for, beside {there or 'one that may come'}")


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
    for body in known(run, effect.replica):
        if "deletionTimestamp" not in body["metadata"] and service_of(body) == service_id:
            broken(
                run, Invariant.SHARED, f"service {service_id} is to be deleted, which {body['metadata']['name']} uses"
            )


def on_change(run: Run, kind: str, target: str) -> None:
    """A write that is no status has arrived, perhaps late."""
    if kind in {"POST", "METADATA"} and (left := [*_left_behind(run)]):
        broken(run, Invariant.KEPT, f"its resource is gone, and {left[0]} is there")


def _left_behind(run: Run) -> Iterator[Target]:
    """Yield what is there of what was to go with resources that are gone, and nobody else needs."""
    environment = run.environment
    bodies = list(environment.objects.values())
    needed = {*map(named_by, bodies), *(target_of(id_, "") for body in bodies if (id_ := service_of(body)))}
    unused = {target_of(each.id, "") for each in environment.services if is_there(each) and not each.endpoints}
    yield from sorted(environment.owed & (environment.registered | unused) - needed)


def on_status(run: Run, body: Body) -> None:
    """A status was written."""
    check_words(run, body)
    environment, status = run.environment, body["status"]
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    target = named_by(body)
    if ready["status"] != "True" or target is None:
        return
    endpoint = environment.endpoint(target)
    connects = endpoint is not None and endpoint.status == AVAILABLE
    if not connects and "/".join(target) not in environment.lately:
        broken(run, Invariant.PRESENT, f"Ready, and {target.endpoint_id} is {endpoint} ({said(status)})")


def is_as_desired(run: Run) -> bool:
    """Tell whether Atlas is as the resources want it, and their statuses say so."""
    environment = run.environment
    return not any(_left_behind(run)) and Ending(list(environment.objects.values()), environment, ()).wrong() is None
