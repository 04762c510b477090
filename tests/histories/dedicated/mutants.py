"""Bugs that would hurt most in a kind whose resources share a service, planted by patching.

The first argument of a wrong function is the right one. A bug is found by a history, or by a case of the kind's own.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from atlas_endpoints.kinds import connection_strings
from atlas_endpoints.kinds.connection_strings import Connected, PrivateStrings
from atlas_endpoints.kinds.dedicated_private_endpoint import endpoint, remote_regions
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import DedicatedPrivateEndpoints
from atlas_endpoints.reconcile import last, ownership
from atlas_endpoints.reconcile.gather import Gatherer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Mutant:
    """A planted bug.

    Attributes:
        bug: what the operator does wrong.
        found: what a history says of it, or the name of the case that fails.
        owner, name, wrong: what is replaced by what.
    """

    bug: str
    found: str
    owner: Any
    name: str
    wrong: Callable[..., Any]

    @contextmanager
    def planted(self) -> Iterator[None]:
        right = getattr(self.owner, self.name)

        def wrong(*args: Any, **kwargs: Any) -> Any:
            return self.wrong(right, *args, **kwargs)

        with patch.object(self.owner, self.name, wrong):
            yield


def _shared_by_nobody(right: Any, kind: Any, resource: Any, thing: Any, others: Any) -> Any:
    return () if thing == resource.shares else right(kind, resource, thing, others)


def _named_by_nobody(right: Any, kind: Any, resource: Any, thing: Any, others: Any) -> Any:
    return () if thing == resource.thing else right(kind, resource, thing, others)


def _dead_on_request(right: Any, facts: Any, *found: Any) -> Any:
    """Take an endpoint for dead when a force-sync asks for it."""
    return endpoint._dead(facts, *found) if facts.forced else right(facts, *found)  # noqa: SLF001  # where the bug is


def _on_what_a_list_shows(right: Any, *args: Any) -> Any:
    write = right(*args)
    return None if write is None else replace(write, reads=None)


def _keeps_the_intent(_: Any, *__: Any) -> Any:
    return {}


def _in_silence(right: Any, _: Any) -> Any:
    return right({})


def _forgetful(right: Any, *args: Any, **kwargs: Any) -> Any:
    """Forget that an earlier call may still create a service."""
    facts = replace(right(*args, **kwargs), uncertain=False)
    intent = facts.resource.status.service_creation
    if intent is None or facts.now - intent.requested_at < timedelta(seconds=2):
        return facts
    status = facts.resource.status.model_copy(update={"service_creation": None})
    return replace(facts, resource=facts.resource.model_copy(update={"status": status}))


def _with_public_strings(right: Any, name: str, answer: Any) -> Any:
    found = right(name, answer)
    public = (answer.get("connectionStrings") or {}).get("standardSrv")
    return [*found, PrivateStrings((Connected("vpce-0123456789abcdef0"),), srv=public)]


IN_HISTORIES = [
    Mutant("a service is deleted that another resource shares", "shares", ownership, "protectors", _shared_by_nobody),
    Mutant("an endpoint is deleted that another resource names", "names", ownership, "protectors", _named_by_nobody),
    Mutant(
        "a force-sync deletes an endpoint that is not dead",
        "is AVAILABLE, and no resource goes",
        endpoint,
        "_present",
        _dead_on_request,
    ),
    Mutant(
        "remote regions are sent as a LIST shows them, and undo those of others",
        "are removed",
        remote_regions,
        "update",
        _on_what_a_list_shows,
    ),
    Mutant(
        "a refused creation counts as one, and the service of somebody else as its result",
        "for its own",
        DedicatedPrivateEndpoints,
        "not_created",
        _keeps_the_intent,
    ),
    Mutant("no Event names what stays", "no Event names it", last, "_released", _in_silence),
]
IN_CASES = [
    Mutant(
        "a service is asked for again while an earlier call may still create it",
        "services: a refused second creation, a lost answer and a list that lags end in one service"
        " [the answer is lost, and the list lags]",
        Gatherer,
        "facts",
        _forgetful,
    ),
    Mutant(
        "the public connection string is handed over",
        "regions_and_strings: the public strings are never handed over",
        connection_strings,
        "private_strings",
        _with_public_strings,
    ),
]
