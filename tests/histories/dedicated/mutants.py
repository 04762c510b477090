"""Bugs that would hurt most in a kind whose resources share a service, planted by patching.

The first argument of a wrong function is the right one. A bug is found by a history, or by a case of the kind's own.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from atlas_endpoints.kinds.dedicated_private_endpoint import atlas, endpoint
from atlas_endpoints.kinds.dedicated_private_endpoint.atlas import Connected, PrivateStrings
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import DedicatedPrivateEndpoints
from atlas_endpoints.kinds.dedicated_private_endpoint.resource import Registration
from atlas_endpoints.reconcile.facts import Gatherer

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


def _found_by_its_endpoint(_: Any, self: Any, body: Any) -> Any:
    entry = self.entry_of(body)
    return () if entry is None else (entry,)


def _has_registered_everything(right: Any, facts: Any) -> Any:
    """Take an endpoint that is there for one that was registered for the resource."""
    found, status, named = right(facts), facts.resource.status, facts.resource.endpoint_id
    if status.endpoint is None or status.endpoint.status_since is None or named is None:
        return found
    if any(each.is_of(facts.resource.entry) for each in found):
        return found
    since = status.endpoint.status_since
    new = Registration(service_id=status.service.id, endpoint_id=named, requested_at=since, attempt=1, confirmed=True)
    return (new, *found)


def _always_the_first_attempt(right: Any, self: Any, facts: Any, creates: Any, creation: Any) -> Any:
    return right(self, facts, creates, creation.model_copy(update={"attempt": 1}))


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
    Mutant(
        "a service is deleted that another resource shares",
        "shares",
        DedicatedPrivateEndpoints,
        "found_by",
        _found_by_its_endpoint,
    ),
    Mutant(
        "an endpoint is deleted that nobody registered for the resource",
        "no resource has registered it",
        endpoint,
        "registrations_of",
        _has_registered_everything,
    ),
    Mutant(
        "an endpoint that Atlas rejects is registered without end",
        "times in a row",
        DedicatedPrivateEndpoints,
        "intended",
        _always_the_first_attempt,
    ),
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
        atlas,
        "private_strings",
        _with_public_strings,
    ),
]
