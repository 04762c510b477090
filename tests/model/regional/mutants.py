"""Bugs of operators of endpoints that Atlas makes for a region: what they would make twice, delete or give up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from atlas_endpoints.kinds.backup_private_endpoint import BackupPrivateEndpoints
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.kind import EncryptionAtRestPrivateEndpoints
from atlas_endpoints.kinds.lives.regional import Regional
from atlas_endpoints.reconcile import ownership
from atlas_endpoints.reconcile.waiting import since_shown
from model.dedicated.mutants import is_dead_on_request, remembers_nothing
from model.invariants import Invariant
from model.mutants import planter
from model.ports import Ports
from model.regional.atlas import Backup, Encryption
from model.regional.models import AGAIN, AZURE, GATE, GOES, MODELS, TIMED, model_of
from model.serverless.mutants import ends_at_the_request, nobody_protects

if TYPE_CHECKING:
    from model.mutants import Mutant

MUTANTS: list[Mutant] = []
plants = planter(MUTANTS)

CRASH = MODELS["an endpoint is made, a crash, and a LIST does not show it"]
WAITS = model_of(Encryption, TIMED, holds="PENDING_ACCEPTANCE", **AZURE)
REMOVED = MODELS["a connection that somebody has just approved is removed"]
OFF, NEEDED = (
    GATE["private networking is switched on"],
    GATE["an endpoint goes with its resource, when nobody needs it any more"],
)
EARLY = MODELS["an endpoint goes before Atlas has made it"]
IGNORED = MODELS["an endpoint goes at the second request"]
BESIDE = model_of(Backup, GOES, settled=1, left="registration", twice=True, leisure=30.0)
RENAMED = MODELS["a resource is renamed while the operator is away"]
REPORTED = MODELS["somebody removes an endpoint, and drift is only reported"]
EXISTS = MODELS["an endpoint is made that somebody else has just made, and a LIST does not show it"]


async def posts_without_an_intent(right: Any, self: Any, body: Any, status: Any) -> Any:
    intends = "creation" in status
    return {**body, "status": status} if intends else await right(self, body, status)


def _follows_the_last(right: Any, self: Any, facts: Any) -> Any:
    first, others = right(self, facts)
    return (others[-1], [first, *others[:-1]]) if first and others else (first, others)


def _is_on_its_way(right: Any, self: Any, facts: Any, endpoint: Any) -> Any:
    return since_shown(self.known(facts), endpoint.id, endpoint.status, facts.now, BackupPrivateEndpoints.no_steps)


def _shows_it_as_active(right: Any, self: Any, write: Any, answer: Any) -> Any:
    entry, endpoint = right(self, write, answer)
    return entry, endpoint.model_copy(update={"status": "ACTIVE"})


plants("no status tells of a POST", Invariant.ONCE, CRASH, Ports, "write")(posts_without_an_intent)
plants("what is asked for is there", Invariant.PRESENT, EARLY, Regional, "written")(_shows_it_as_active)
plants("that it exists is a refusal", Invariant.STALLED, EXISTS, Regional, "is_outdated")(lambda *_: False)
plants("nobody asks for the switch", Invariant.NEEDED, OFF, EncryptionAtRestPrivateEndpoints, "hindrance")(
    lambda *_: None
)
plants("nobody asks who needs it", Invariant.GUARDED, NEEDED, Regional, "before_delete")(lambda *_: ((), None))
plants("no bucket needs it", Invariant.GUARDED, NEEDED, BackupPrivateEndpoints, "needed_by")(lambda *_: "")
plants("an approval has a timeout", Invariant.STALLED, WAITS, EncryptionAtRestPrivateEndpoints, "waits")(
    lambda _, self, *asked: Regional.waits(self, *asked)
)
plants("an approval is a step of Atlas", Invariant.STALLED, REMOVED, Regional, "since")(_is_on_its_way)
plants("an early DELETE is any refusal", Invariant.STALLED, EARLY, Regional, "is_early")(lambda *_: False)
plants("nobody knows of a DELETE", Invariant.PACED, IGNORED, Regional, "asked_for")(lambda *_: 0.0)
plants("of several the last one goes", Invariant.RECORDED, BESIDE, Regional, "there")(_follows_the_last)
plants("a 204 proves a deletion", Invariant.KEPT, IGNORED, Regional, "decide_deletion")(ends_at_the_request)
plants("the other resource is not asked", Invariant.NAMED, RENAMED, ownership, "protectors")(nobody_protects)
plants("what is gone is made again", Invariant.REPORTED, REPORTED, Regional, "decide")(remembers_nothing)
plants("a request deletes what works", Invariant.LIVE, model_of(Backup, AGAIN, settled=1), Regional, "decide")(
    is_dead_on_request
)
