"""Bugs that would hurt most in a kind whose resources share a service: a history finds each, or a case of the kind's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from atlas_endpoints.kinds import connection_strings
from atlas_endpoints.kinds.connection_strings import Connected, PrivateStrings
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import DedicatedPrivateEndpoints
from atlas_endpoints.reconcile import creation, ownership
from histories.history import Events
from model.dedicated.mutants import emits_nothing, is_dead_on_request, reads_nothing_before
from model.serverless.mutants import nobody_protects, nothing_may_arrive
from support.planted import Planted


@dataclass(frozen=True)
class Mutant(Planted):
    """A planted bug, and what a history says of it, or the name of the case that fails."""

    found: str


def _keeps_the_intent(_: Any, *__: Any) -> Any:
    return {}


def _with_public_strings(right: Any, name: str, answer: Any) -> Any:
    found = right(name, answer)
    public: Any = (answer.get("connectionStrings") or {}).get("standardSrv")
    return [*found, PrivateStrings((Connected("vpce-0123456789abcdef0"),), {"connectionStringSrv": public})]


KIND = DedicatedPrivateEndpoints
IN_HISTORIES = [
    Mutant("a service is deleted that another resource shares", ownership, "protectors", nobody_protects, "shares"),
    Mutant("an endpoint is deleted that another resource names", ownership, "protectors", nobody_protects, "names"),
    Mutant(
        "a force-sync deletes an endpoint that is not dead",
        KIND,
        "decide",
        is_dead_on_request,
        "is AVAILABLE, and no resource goes",
    ),
    Mutant(
        "remote regions are sent as a LIST shows them, and undo those of others",
        KIND,
        "decide",
        reads_nothing_before,
        "are removed",
    ),
    Mutant(
        "a refused creation counts as one, and the service of somebody else as its result",
        KIND,
        "not_created",
        _keeps_the_intent,
        "for its own",
    ),
    Mutant("no Event names what stays", Events, "recorded", emits_nothing, "no Event names it"),
]
IN_CASES = [
    Mutant(
        "a service is asked for again while an earlier call may still create it",
        creation,
        "may_arrive_for",
        nothing_may_arrive,
        "services: a service that a former process may still create is not asked for again",
    ),
    Mutant(
        "the public connection string is handed over",
        connection_strings,
        "private_strings",
        _with_public_strings,
        "regions_and_strings: the public strings are never handed over",
    ),
]
