"""The calls to Atlas about a place, in their order, and what the answers mean. Pure.

Only calls of the operator are used, so that the findings are what it would meet. Atlas has no request that only reads
and needs the right to write, so the kind states writes that change nothing.
"""

import time
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from atlas_endpoints.atlas.answers import Listing, Requester, send_list
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import (
    AccountSuspendedError,
    AtlasError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    CredentialsRateLimitedError,
    EndpointAbsentError,
    InstanceNotFoundError,
    IPNotAllowedError,
    MissingRoleError,
    NotServerlessError,
    ProjectNotFoundError,
    UpdateRejectedError,
    Wording,
)
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.commands.check.report import Finding, failed, named, ok, skipped, warning
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.resource import Resource

T = TypeVar("T")

ACCEPTED = "Atlas accepts the credentials"

WORDING = Wording(
    address="of this machine or Pod",
    retry="Run the check again later.",
    wrong_field="delete the resources with deletionPolicy Retain and create them again with the right one, or correct the flag",
    refused="Nothing was changed.",
)

ACCEPTING = MissingRoleError, ProjectNotFoundError, InstanceNotFoundError, NotServerlessError
"""The refusals before which Atlas has accepted the credentials."""

HOPELESS = CredentialsInvalidError, IPNotAllowedError, CredentialsRateLimitedError, AccountSuspendedError
"""The refusals that do not depend on the place."""


@dataclass(frozen=True, slots=True)
class Place:
    """One pair of credentials and one scope: a section of the report.

    Attributes:
        scope: without a project, only the credentials are checked.
        source: of the credentials, for users, if only they are checked.
        names: what the live resources of the scope name, with any credentials; None: they were not read.
        read_in: where these were read, for users, such as "in namespace shop"; "": in the whole cluster.
    """

    kind: KindWithCommands[Any]
    scope: Scope
    source: str = ""
    resources: tuple[Resource, ...] = ()
    names: frozenset[Named] | None = None
    read_in: str = ""

    @property
    def title(self) -> str:
        """The heading of its section."""
        if not self.scope.project_id:
            return f"Credentials: {self.source}"
        users = f", for {named(str(each.key) for each in self.resources)}" if self.resources else ""
        return f"Project {self.scope.project_id}, {self.kind.shown_scope(self.scope.name)}{users}"


class Result(NamedTuple):
    """The findings about a place, and whether the same credentials would fail everywhere."""

    findings: tuple[Finding, ...]
    hopeless: bool = False


async def timed(call: Awaitable[T]) -> tuple[T | AtlasError, str]:
    """Return the answer to a call or its error, and its duration as text."""
    began = time.monotonic()
    answer: T | AtlasError
    try:
        answer = await call
    except AtlasError as error:
        answer = error
    return answer, f"{(time.monotonic() - began) * 1000:.0f} ms"


async def interview(place: Place, client: Requester, credentials: Credentials, *, writes: bool) -> Result:
    """Ask about a place; ask for the right to write only with ``writes``."""
    kind, scope = place.kind, place.scope
    if not scope.project_id:
        # Atlas answers only valid credentials about a project that cannot exist.
        scope = scope._replace(project_id="0" * 24, name="none")
    answer, took = await timed(send_list(client, credentials, kind.list_request(scope), kind.listed))
    accepted = ok(f"{ACCEPTED} (LIST, {took}).")
    if not place.scope.project_id and isinstance(answer, (Listing, *ACCEPTING)):
        unknown = skipped(
            "The rights of the credentials are not checked: name a project with --project; and --instance or --provider, if you use them."
        )
        return Result((accepted, unknown))
    if isinstance(answer, AtlasError):
        finding = warning if isinstance(answer, CredentialsRateLimitedError) else failed  # the limit passes by itself
        refused = finding(answer.explanation.worded(WORDING))
        return Result((accepted, refused) if isinstance(answer, ACCEPTING) else (refused,), is_hopeless(answer))
    values = [*answer.entries.values()]
    is_readable = ok(f"{ACCEPTED}, and they may read the project (LIST, {took}). Listed: {len(values)}.")
    may_write = skipped("The right to write is not checked, because WRITES is off.")
    if writes:
        may_write = await _may_write(place, values, client, credentials)
    return Result((is_readable, *_unnamed(place, answer.entries), may_write))


def _unnamed(place: Place, entries: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what Atlas has and no live resource names, such as what a late call or a deleted resource has left."""
    if place.names is None:
        return
    where = f" {place.read_in}" if place.read_in else ""
    for what, ids in place.kind.unnamed(place.scope, entries, place.names).items():
        if ids:
            yield ok(f"{what} that no live resource{where} names: {len(ids)} ({named(ids, most=20)}).")


async def _may_write(place: Place, values: list[object], client: Requester, credentials: Credentials) -> Finding:
    found = skipped("The right to write is not checked, because this kind has no write without an effect.")
    for request in place.kind.harmless_writes(place.scope, values):
        answer, took = await timed(client.request(credentials, request))
        match answer:
            case UpdateRejectedError() as error:
                found = warning(
                    f"The right to write is unknown, because Atlas rejects the test. {error.explanation.worded(WORDING)}"
                )
            case MissingRoleError() as error:
                return failed(error.explanation.worded(WORDING))
            case AtlasError() as error if not isinstance(error, EndpointAbsentError):
                return failed(f"The right to write is unknown. {error.explanation.worded(WORDING)}")
            case _:
                return ok(
                    f"The credentials may write to the project ({request.method} without a change, to an ID that cannot exist, {took})."
                )
    return found


def reached(error: AtlasError | None, took: str) -> Finding:
    """Return whether Atlas answers, from the result of a call without credentials: None is the expected refusal."""
    if error is None:
        return ok(f"Atlas answers ({took}).")
    if isinstance(error, AtlasUnavailableError):
        return failed(error.explanation.worded(WORDING))
    return warning(f"Atlas answers ({took}). {error.explanation.worded(WORDING)}")


def is_hopeless(error: AtlasError) -> bool:
    """Return whether the same credentials would fail everywhere, or Atlas cannot be reached."""
    is_away = isinstance(error, AtlasUnavailableError) and error.http_status is None
    return is_away or isinstance(error, HOPELESS)
