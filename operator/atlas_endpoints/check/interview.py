"""The questions about a place, in their order, and what the answers mean. Pure.

Only operations of the operator are used, so that the findings are what it would meet. Atlas has no harmless request
that needs the right to write. So the check sends a PATCH without a change to an endpoint that cannot exist: Atlas
refuses a role that is too weak before it looks for the endpoint.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from typing import TypeAlias

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.errors import (
    MAKE_ANEW,
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
)
from atlas_endpoints.atlas.listings import Listing
from atlas_endpoints.check.findings import Finding, failed, named, ok, skipped, took, warning
from atlas_endpoints.check.places import Instance, Place
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import Endpoint
from atlas_endpoints.reconcile.spec import Provider

NOWHERE = Instance("0" * 24, "none")
"""An instance that cannot exist: Atlas answers only valid credentials about it."""

NO_ENDPOINT = "0" * 24
"""The id of an endpoint that cannot exist."""

PROVIDERS: tuple[Provider, ...] = ("AWS", "AZURE")


@dataclass(frozen=True, slots=True)
class ListEndpoints:
    """Ask for the endpoints of an instance."""

    instance: Instance


@dataclass(frozen=True, slots=True)
class ChangeNothing:
    """Send a PATCH without a change to an endpoint that cannot exist.

    Attributes:
        provider: of the instance; Atlas refuses a PATCH without it, or with the wrong one.
    """

    instance: Instance
    provider: Provider


Question: TypeAlias = ListEndpoints | ChangeNothing


@dataclass(frozen=True, slots=True)
class Answer:
    """Atlas's answer to a question.

    Attributes:
        seconds: its duration.
        refusal: None if Atlas has done what it was asked.
        listing: the endpoints, if they were asked for.
    """

    seconds: float
    refusal: AtlasError | None = None
    listing: Listing[Endpoint] = field(default_factory=lambda: Listing({}))


@dataclass(frozen=True, slots=True)
class Result:
    """The result of an interview.

    Attributes:
        deprecation: what Atlas has announced about the end of its API.
        listed: whether Atlas has answered the LIST, so that ``deprecation`` is valid.
        hopeless: whether other places need not be asked about with the same credentials.
    """

    findings: tuple[Finding, ...]
    deprecation: Deprecation | None = None
    listed: bool = False
    hopeless: bool = False


async def interview(place: Place, ask: Callable[[Question], Awaitable[Answer]], *, writes: bool) -> Result:
    """Ask about a place; ask for the right to write only with ``writes``."""
    if place.instance is None:
        return _credentials_alone(await ask(ListEndpoints(NOWHERE)))
    answer = await ask(ListEndpoints(place.instance))
    if answer.refusal is not None:
        return Result(tuple(_refused(answer.refusal, answer.seconds)), hopeless=_is_hopeless(answer.refusal))
    listing = answer.listing
    findings = [
        ok(f"Atlas accepts the credentials, and they may read the project (LIST, {took(answer.seconds)})."),
        ok(f"The instance is there and serverless; private endpoints in it: {len(listing.entries)}."),
    ]
    findings += _contradicted(listing, place.providers)
    if not writes:
        findings.append(skipped("Whether the credentials may write is not asked, since WRITES is off."))
        return Result(tuple(findings), listing.deprecation, listed=True)
    for provider in _providers(listing, tuple(place.providers)):
        answer = await ask(ChangeNothing(place.instance, provider))
        if not isinstance(answer.refusal, UpdateRejectedError):
            break
    findings.append(_may_write(answer))
    return Result(tuple(findings), listing.deprecation, listed=True)


def answered(error: AtlasError | None, seconds: float) -> Finding:
    """Return whether Atlas answers, from the result of a call without credentials: None is the expected refusal."""
    if error is None:
        return ok(f"Atlas answers ({took(seconds)}).")
    if isinstance(error, AtlasUnavailableError):
        return failed(error.message)
    return warning(f"Atlas answers ({took(seconds)}), and says: {error.message}")


def announced(deprecations: Iterable[Deprecation | None], *, now: datetime) -> list[Finding]:
    """Return what Atlas has announced about the end of its API; None is an answer without the headers."""
    distinct = list(dict.fromkeys(deprecations))
    if distinct == [None]:
        return [ok("Atlas announces no end of this API: its answers have neither a Deprecation nor a Sunset header.")]
    return [_announced(each, now) for each in distinct if each is not None]


def _announced(deprecation: Deprecation, now: datetime) -> Finding:
    dates = {"Deprecation": deprecation.deprecated, "Sunset": deprecation.sunset}
    headers = "; ".join(
        f"{name}: {format_datetime(date, usegmt=True)}" for name, date in dates.items() if date is not None
    )
    shown = f" ({headers})" if headers else ""
    if deprecation.sunset is not None and deprecation.sunset <= now:
        return warning(
            f"The end that Atlas has announced for this API is past: it may be switched off at any time{shown}. Move to a"
            " dedicated cluster and its private endpoints."
        )
    return warning(
        f"Atlas has announced that this API ends{shown}. Plan the move to a dedicated cluster and its private endpoints."
    )


def _credentials_alone(answer: Answer) -> Result:
    match answer.refusal:
        case None | ProjectNotFoundError() | InstanceNotFoundError() | MissingRoleError():
            found = ok(f"Atlas accepts the credentials (LIST, {took(answer.seconds)}).")
            rest = skipped("What they may do is told by a project only: name one with --project and --instance.")
            return Result((found, rest))
        case error:
            return Result((failed(error.message),), hopeless=_is_hopeless(error))


_PROVED: Mapping[type[AtlasError], str] = {
    MissingRoleError: "Atlas accepts the credentials",
    ProjectNotFoundError: "Atlas accepts the credentials",
    InstanceNotFoundError: "Atlas accepts the credentials, and they may read the project",
    NotServerlessError: "Atlas accepts the credentials, and they may read the project",
}
"""What a refusal proves, since Atlas checks it before."""


def _refused(error: AtlasError, seconds: float) -> Iterable[Finding]:
    if (proved := _PROVED.get(type(error))) is not None:
        yield ok(f"{proved} (LIST, {took(seconds)}).")
    if isinstance(error, CredentialsRateLimitedError):
        yield warning(error.message)  # it passes by itself
        return
    yield failed(error.message.replace(MAKE_ANEW, "create the resources anew with the right one, or correct the flag"))


def _is_hopeless(error: AtlasError) -> bool:
    """Return whether the same credentials would fail everywhere, or Atlas cannot be reached."""
    match error:
        case CredentialsInvalidError() | IPNotAllowedError() | CredentialsRateLimitedError() | AccountSuspendedError():
            return True
        case AtlasUnavailableError():
            return error.http_status is None
        case _:
            return False


def _contradicted(listing: Listing[Endpoint], providers: Mapping[Provider, Sequence[Key]]) -> Iterable[Finding]:
    """Yield a finding for each provider that resources name and Atlas does not show."""
    shown = sorted({each.provider_name for each in listing.entries.values() if each.provider_name is not None})
    for provider, resources in providers.items() if shown else ():
        if provider not in shown:
            yield failed(
                f"providerName is {provider} in {named(map(str, resources), most=10)}, and the endpoints that Atlas shows are of"
                f" {named(shown)}. providerName cannot change: delete it and create it anew; Atlas keeps the endpoint, unless"
                " deletionPolicy is Delete."
            )


def _providers(listing: Listing[Endpoint], by_resources: Sequence[Provider]) -> Iterable[Provider]:
    """Return the clouds to try: first what Atlas shows, else what resources name."""
    shown = {each.provider_name for each in listing.entries.values()}
    known: Sequence[Provider] = [each for each in PROVIDERS if each in shown] or by_resources
    return tuple(dict.fromkeys((*known, *PROVIDERS)))


def _may_write(answer: Answer) -> Finding:
    match answer.refusal:
        case None | EndpointAbsentError():
            return ok(f"The credentials may write, too (PATCH without a change, {took(answer.seconds)}).")
        case MissingRoleError() as error:
            return failed(error.message)
        case UpdateRejectedError() as error:
            return warning(
                f"Whether the credentials may write cannot be told: Atlas refuses the question. {error.message}"
            )
        case error:
            return failed(f"Whether the credentials may write cannot be told. {error.message}")
