"""What must hold at each moment of each trace, whatever happens; and what the environment must come to once nothing more does.

Here is what all kinds share. What else must hold depends on the kind; see ``serverless`` and ``dedicated``.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from typing_extensions import override

from model.ports import CHANGES, RECORDS, said
from support import kstatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from atlas_endpoints.controller.cache import Body
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
    ALIVE = "no worker, no comparison and no reconcile ends with an error"
    ONCE = (
        "no second endpoint is reserved for a resource that has one, and no service is asked for that may come already"
    )
    OWN = "an endpoint is deleted only for its owner, if this is being deleted and its policy is Delete"
    KEPT = "a resource with the policy Delete ends after its endpoint, unless an Event reports it"
    PRESENT = "Ready only with an endpoint that exists"
    OWNER = "a write to an endpoint that several resources name has the values of its owner"
    NAMED = "nothing is deleted that another live resource names, or that no resource with Delete names"
    LIVE = "an AVAILABLE endpoint is deleted only for a resource that is being deleted"
    SHARED = "a service is deleted only if ours made it, nobody else uses it, and it has no endpoint"
    REPORTED = "with the drift policy Report, what was confirmed is made again on request only"
    REGIONS = "a change of the remote regions of a service keeps those that it has"
    BOUND = "a request to make a dead endpoint again deletes it once"
    GUARDED = "no endpoint is deleted through which a cluster reaches its key, or Atlas a bucket"
    PACED = "a DELETE that Atlas has accepted, or refused as too early, is not repeated at once"
    RECORDED = "what is recorded or deleted is the endpoint of the region, and of several the recorded one"
    REST = "without further faults, the operator brings the environment to rest in time"


class Violation(NamedTuple):
    """An invariant that is broken, and by what."""

    invariant: Invariant
    what: str

    @override
    def __str__(self) -> str:
        return f"{self.what} (the invariant: {self.invariant.value})"


class Laws(Protocol):
    """What must hold for a kind of resource; a module."""

    def on_call(self, run: Run[Any], effect: Effect) -> None:
        """A write to Atlas begins."""

    def on_change(self, run: Run[Any], kind: str, target: str) -> None:
        """A write that is no status has arrived, perhaps late."""

    def on_status(self, run: Run[Any], body: Body) -> None:
        """A status was written."""

    def is_as_desired(self, run: Run[Any]) -> bool:
        """Tell whether Atlas is as the resources want it, and their statuses say so."""
        ...


def on_call(run: Run[Any], effect: Effect) -> None:
    """A call begins."""
    if effect.kind not in CHANGES:
        return
    is_shared = run.environment.is_shared(effect.target)
    if not is_shared and any(each.kind in CHANGES and each.target == effect.target for each in run.effects):
        broken(run, Invariant.ONE_AT_A_TIME, f"two writes to {effect.target} are under way")
    if not run.leads(effect.replica):
        broken(run, Invariant.LEADER, f"replica {effect.replica} writes to Atlas")
    run.environment.laws.on_call(run, effect)


def on_write(run: Run[Any], effect: Effect) -> None:
    """A write has arrived."""
    if isinstance(effect.held, Exception):
        return
    laws = run.environment.laws
    if effect.kind != "STATUS":
        laws.on_change(run, effect.kind, effect.target)
        return
    body: Body = run.environment.objects[run.environment.key(effect.target)]
    laws.on_status(run, body)


def on_release(run: Run[Any], number: int) -> None:
    """A replica gives up its Lease of its own will."""
    if any(each.replica == number and each.kind in CHANGES | RECORDS for each in run.effects):
        broken(run, Invariant.RELEASE, f"replica {number} releases the Lease")


def on_moment(run: Run[Any]) -> None:
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
            broken(run, Invariant.AT_ONCE, f"generation {newest[1]} of {key.name} has arrived, and no pass begins")


def is_as_desired(run: Run[Any]) -> bool:
    """Tell whether the environment is as its resources want it, and their statuses say so."""
    cores = [replica.core for number, replica in run.replicas.items() if run.leads(number)]
    all_known = all(set(core.cache) == set(run.environment.objects) for core in cores)
    return all_known and run.environment.laws.is_as_desired(run)


def known(run: Run[Any], replica: int) -> Iterator[Body]:
    """Give the resources that a replica knows, or that it works on."""
    core = run.replicas[replica].core
    yield from (body for key in core.cache if (body := core.cache.get(key)) is not None)
    yield from core.working_on.values()


def check_words(run: Run[Any], body: Body) -> None:
    """A status follows the rules."""
    for problem in kstatus.problems(body):
        broken(run, Invariant.WORDS, f"{problem} ({said(body['status'])})")
    if defect := [each for each in body["status"]["conditions"] if each["reason"] == "InternalError"]:
        broken(run, Invariant.ALIVE, f"a reconcile ends with {defect[0]['message']}")


def broken(run: Run[Any], invariant: Invariant, what: str) -> None:
    """Note that an invariant is broken."""
    run.environment.violations.append(Violation(invariant, what))
