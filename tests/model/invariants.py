"""What must hold at each moment of each trace, whatever happens; and what the environment must come to once nothing more does."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from typing_extensions import override

from atlas_endpoints.kinds.serverless_private_endpoint.resource import entry_of as endpoint_of
from model.environment import MANAGED, MARK, resource
from model.ports import CHANGES, RECORDS, said
from support import kstatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from atlas_endpoints.controller.cache import Body
    from model.environment import Truth
    from model.ports import Effect
    from model.run import Run


LANE = 2
"""Workers that one pair of credentials may have, of which there is one in these models: half of the four."""


class Invariant(Enum):
    """What must hold."""

    OURS = "no write goes to an endpoint that no resource names"
    ONE_AT_A_TIME = "never two writes at once to one endpoint"
    LEADER = "no write comes from a replica that does not lead"
    RELEASE = "no write is in progress when the Lease is released"
    NEEDED = "every write changes something, unless somebody else has changed the endpoint"
    CLAIMS = "applied and Ready contain only what Atlas has shown since that generation was created"
    WORDS = "each status follows the rules of kstatus and Flux"
    STALLED = "a resource is Stalled only where a person has to act"
    AT_ONCE = "the reconcile of an edit begins as soon as a worker is free"
    NEWEST = "no reconcile uses a spec older than one that has arrived"
    FORWARD = "an earlier version never replaces an object in the cache"
    ALIVE = "no worker and no comparison ends with an error"
    ONCE = "no second endpoint is reserved for a resource that has one"
    OWN = "an endpoint is deleted only for its owner, if this is being deleted and its policy is Delete"
    KEPT = "a resource with the policy Delete ends after its endpoint, unless an Event reports it"
    PRESENT = "Ready only with an endpoint that exists"
    OWNER = "a write to an endpoint that several resources name has the values of its owner"
    REST = "without further faults, the operator brings the environment to rest in time"


class Violation(NamedTuple):
    """An invariant that is broken, and by what."""

    invariant: Invariant
    what: str

    @override
    def __str__(self) -> str:
        return f"{self.what} (the invariant: {self.invariant.value})"


def on_call(run: Run, effect: Effect) -> None:
    """A call begins."""
    if effect.kind not in CHANGES:
        return
    environment, target = run.environment, effect.target
    if effect.kind != "POST" and target not in set(_ours(run, effect.replica)):
        _broken(run, Invariant.OURS, f"a write to {target}")
    if any(each.kind in CHANGES and each.target == target for each in run.effects):
        _broken(run, Invariant.ONE_AT_A_TIME, f"two writes to {target} are under way")
    if not run.leads(effect.replica):
        _broken(run, Invariant.LEADER, f"replica {effect.replica} writes to Atlas")
    if effect.kind == "DELETE":
        _check_own(run, effect)
    holds = environment.endpoints.get(target)
    if effect.kind != "PATCH" or holds is None:
        return
    _check_owner(run, effect)
    is_held = all(holds.get(name) == effect.content[name] for name in MANAGED if name in effect.content)
    if is_held and target not in environment.meddled:
        _broken(run, Invariant.NEEDED, f"a write of what {target} holds")


def _ours(run: Run, replica: int) -> Iterator[str]:
    """Give the endpoints that are named by a resource that is there, that a replica knows, or that it works on."""
    for body in (*run.environment.objects.values(), *_known(run, replica)):
        yield from run.environment.endpoints_of(body["metadata"]["uid"], body["spec"])


def _known(run: Run, replica: int) -> Iterator[Body]:
    """Give the resources that a replica knows, or that it works on."""
    core = run.replicas[replica].core
    yield from (body for key in core.cache if (body := core.cache.get(key)) is not None)
    yield from core.working_on.values()


def _check_own(run: Run, effect: Effect) -> None:
    """An endpoint is deleted only for its owner, and not from under another that the replica knows of."""
    bodies = list(_known(run, effect.replica))
    ours = [
        each for each in bodies if effect.target in run.environment.endpoints_of(each["metadata"]["uid"], each["spec"])
    ]
    going = [each for each in ours if "deletionTimestamp" in each["metadata"]]
    if not any(each["spec"].get("deletionPolicy") == "Delete" for each in going):
        _broken(run, Invariant.OWN, f"{effect.target} is to be deleted, and no resource that goes is to take it along")
    if len(going) < len(ours):
        _broken(run, Invariant.OWN, f"{effect.target} is to be deleted from under another resource")


def _check_owner(run: Run, effect: Effect) -> None:
    """Of several resources that live the oldest one owns an endpoint: in these models it has come to see it first."""
    core, environment = run.replicas[effect.replica].core, run.environment
    bodies = [body for key in core.cache if (body := core.cache.get(key)) is not None]
    living = [each for each in bodies if "deletionTimestamp" not in each["metadata"]]
    owners = [each["metadata"]["uid"] for each in living if endpoint_of(each) == effect.target]
    wanted = [each.spec for each in environment.truths if each.uid == min(owners, default=None)]
    sent = {name: value for name, value in effect.content.items() if name in MANAGED}
    if wanted and not any(sent.items() <= spec.items() for spec in wanted):
        _broken(run, Invariant.OWNER, f"{effect.target} is to be {sent}, and its owner wants that not")


def on_write(run: Run, effect: Effect) -> None:
    """A write has arrived."""
    if isinstance(effect.held, Exception):
        return
    if effect.kind != "STATUS":
        on_change(run, effect.kind, effect.target)
        return
    body: Body = run.environment.objects[resource(effect.target)]
    status: dict[str, Any] = body["status"]
    _check_present(run, status)
    for problem in kstatus.problems(body):
        _broken(run, Invariant.WORDS, f"{problem} ({said(status)})")
    _check_claims(run, body, status)
    _check_stalled(run, body, status)


def on_change(run: Run, kind: str, target: str) -> None:
    """A write that is no status has arrived, perhaps late."""
    if kind == "POST":
        uid = target.removeprefix(MARK)
        if len(there := _reserved(run, uid)) > 1:
            _broken(run, Invariant.ONCE, f"{' and '.join(there)} are reserved for {uid}")
    for uid in run.environment.released if kind in {"POST", "METADATA"} else ():
        told = {reason for who, reason in run.environment.announced if who == uid}
        if (left := _left_behind(run, uid)) and not told & {"EndpointRetained", "EndpointHandedOver"}:
            _broken(run, Invariant.KEPT, f"{uid} is gone, and {left[0]} is there")


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
    if ready["status"] == "True" and id_ not in run.environment.endpoints and id_ not in run.environment.removed:
        _broken(run, Invariant.PRESENT, f"Ready, and there is no endpoint {id_} ({said(status)})")


def on_release(run: Run, number: int) -> None:
    """A replica gives up its Lease of its own will."""
    if any(each.replica == number and each.kind in CHANGES | RECORDS for each in run.effects):
        _broken(run, Invariant.RELEASE, f"replica {number} releases the Lease")


def _check_claims(run: Run, body: Body, status: Mapping[str, Any]) -> None:
    """A status claims only what Atlas has confirmed."""
    uid, generation = body["metadata"]["uid"], status["observedGeneration"]
    truths = {each.generation: each for each in run.environment.truths if each.uid == uid}
    truth = truths[generation]
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    if ready["status"] == "True" and not truth.available:
        _broken(
            run, Invariant.CLAIMS, f"Ready, and Atlas has not shown what generation {generation} wants ({said(status)})"
        )
    applied = status.get("applied") or {}
    for name in MANAGED:
        if name in applied and applied[name] not in _held_since(truths, applied["generation"], name):
            _broken(
                run, Invariant.CLAIMS, f"applied claims {name}={applied[name]!r}, and Atlas has not held that since"
            )
    if applied.get("generation") == generation and not truth.shown and _same(applied, truth.spec):
        _broken(run, Invariant.CLAIMS, f"applied claims generation {generation}, and Atlas has not shown it")


def _held_since(truths: Mapping[int, Truth], generation: int, name: str) -> set[str]:
    """Give what a field has held since a generation was made, or an earlier one if all since want the same of it."""
    wanted, values = truths[generation].spec.get(name), set[str]()
    while generation in truths and truths[generation].spec.get(name) == wanted:
        values.update(truths[generation].held.get(name, ()))
        generation -= 1
    return values


def _check_stalled(run: Run, body: Body, status: Mapping[str, Any]) -> None:
    """A resource is Stalled only where a person has to act."""
    endpoint = endpoint_of(body)
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
        _broken(run, Invariant.STALLED, f"Stalled for {stalled}, and nobody has to act ({said(status)})")


def on_moment(run: Run) -> None:
    """Everything that could happen at once has happened."""
    replica = run.replicas.get(run.environment.leader) if run.environment.leader is not None else None
    if replica is None or not replica.works or replica.stops:
        return
    core = replica.core
    if core.queue.running >= LANE:
        return
    for key, newest in core.told.items():
        is_known = core.cache.get(key) is not None and key not in core.working_on
        if is_known and core.begun.get(key, ("", 0)) < newest:
            _broken(run, Invariant.AT_ONCE, f"generation {newest[1]} of {key.name} has arrived, and no pass begins")


def is_as_desired(run: Run) -> bool:
    """Tell whether the environment is as its resources want it, and their statuses say so."""
    cores = [replica.core for number, replica in run.replicas.items() if run.leads(number)]
    known = all(set(core.cache) == set(run.environment.objects) for core in cores)
    is_gone = not any(
        _left_behind(run, uid)
        for uid in run.environment.released
        if (uid, "EndpointHandedOver") not in run.environment.announced
    )
    return known and is_gone and all(_is_as_desired(run, body) for body in run.environment.objects.values())


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
    endpoint_id = endpoint_of(body)
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
    return [each for each in others if each is not body and endpoint_of(each) == endpoint_of(body)]


def _same(applied: Any, spec: Any) -> bool:
    return all(applied.get(name) == spec[name] for name in MANAGED if name in spec)


def _broken(run: Run, invariant: Invariant, what: str) -> None:
    run.environment.violations.append(Violation(invariant, what))
