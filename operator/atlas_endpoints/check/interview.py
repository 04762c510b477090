"""What is asked about a place, in which order, and what the answers mean. Pure.

Only the operations that the operator uses are asked for, so that what is found is what it would meet. Atlas has no harmless
question for the right to write. So it is asked to change an endpoint that cannot exist, by a PATCH without any change in it:
a role that is too weak is refused before the endpoint is looked for.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
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
from atlas_endpoints.reconcile.values import Provider

NOWHERE = Instance("0" * 24, "none")
"""An instance that cannot exist: who may ask about it is known to Atlas."""

NO_ENDPOINT = "0" * 24
"""The id of an endpoint that cannot exist."""

PROVIDERS: tuple[Provider, ...] = ("AWS", "AZURE")


@dataclass(frozen=True, slots=True)
class ListEndpoints:
    """Ask for the endpoints of an instance."""

    instance: Instance


@dataclass(frozen=True, slots=True)
class ChangeNothing:
    """Ask to change an endpoint that cannot exist, without any change.

    Attributes:
        instance: where.
        provider: of the instance; Atlas refuses a PATCH without it, or with the wrong one.
    """

    instance: Instance
    provider: Provider


Question: TypeAlias = ListEndpoints | ChangeNothing


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question.

    Attributes:
        seconds: that it took.
        refusal: None: Atlas has done what it was asked.
        listing: the endpoints, if they were asked for.
    """

    seconds: float
    refusal: AtlasError | None = None
    listing: Listing[Endpoint] = field(default_factory=lambda: Listing({}))


@dataclass(frozen=True, slots=True)
class Told:
    """What a place comes to.

    Attributes:
        findings: in their order.
        deprecation: what Atlas has announced about the end of its API.
        listed: whether it was there to be heard.
        hopeless: whether the same credentials need not be tried elsewhere.
    """

    findings: tuple[Finding, ...]
    deprecation: Deprecation | None = None
    listed: bool = False
    hopeless: bool = False


def interview(place: Place, *, writes: bool) -> Generator[Question, Answer, Told]:
    """Ask about a place: yields questions, is sent their answers, returns what it comes to.

    Args:
        place: to ask about.
        writes: whether it may be asked for the right to write.
    """
    if place.instance is None:
        return _introduced((yield ListEndpoints(NOWHERE)))
    answer = yield ListEndpoints(place.instance)
    if answer.refusal is not None:
        return Told(tuple(_refused(answer.refusal, answer.seconds)), hopeless=_is_hopeless(answer.refusal))
    listing = answer.listing
    findings = [
        ok(f"Atlas accepts the credentials, and they may read the project (LIST, {took(answer.seconds)})."),
        ok(f"The instance is there and serverless; private endpoints in it: {len(listing.entries)}."),
    ]
    findings += _contradicted(listing, place.providers)
    if not writes:
        findings.append(skipped("Whether the credentials may write is not asked, since WRITES is off."))
        return Told(tuple(findings), listing.deprecation, listed=True)
    for provider in _providers(listing, tuple(place.providers)):
        answer = yield ChangeNothing(place.instance, provider)
        if not isinstance(answer.refusal, UpdateRejectedError):
            break
    findings.append(_may_write(answer))
    return Told(tuple(findings), listing.deprecation, listed=True)


def answered(error: AtlasError | None, seconds: float) -> Finding:
    """Tell whether Atlas can be reached, by what came of a call without credentials, which it always refuses.

    Args:
        error: what came of it; None: the refusal.
        seconds: that it took.
    """
    if error is None:
        return ok(f"Atlas answers ({took(seconds)}).")
    if isinstance(error, AtlasUnavailableError):
        return failed(error.message)
    return warning(f"Atlas answers ({took(seconds)}), and says: {error.message}")


def announced(deprecations: Iterable[Deprecation | None], *, now: datetime) -> list[Finding]:
    """Tell what Atlas has announced about the end of its API.

    Args:
        deprecations: of all answers; None: of one without the headers.
        now: wall-clock time, UTC.
    """
    distinct = list(dict.fromkeys(deprecations))
    if distinct == [None]:
        return [ok("Atlas announces no end of this API: its answers have neither a Deprecation nor a Sunset header.")]
    return [_announced(each, now) for each in distinct if each is not None]


def _announced(deprecation: Deprecation, now: datetime) -> Finding:
    dates = {"Deprecation": deprecation.deprecated, "Sunset": deprecation.sunset}
    headers = "; ".join(
        f"{name}: {format_datetime(date, usegmt=True)}" for name, date in dates.items() if date is not None
    )
    told = f" ({headers})" if headers else ""
    if deprecation.sunset is not None and deprecation.sunset <= now:
        return warning(
            f"The end that Atlas has announced for this API is past: it may be switched off at any time{told}. Move to a"
            " dedicated cluster and its private endpoints."
        )
    return warning(
        f"Atlas has announced that this API ends{told}. Plan the move to a dedicated cluster and its private endpoints."
    )


def _introduced(answer: Answer) -> Told:
    """Tell what an answer about an instance that cannot exist says about the credentials."""
    match answer.refusal:
        case None | ProjectNotFoundError() | InstanceNotFoundError() | MissingRoleError():
            found = ok(f"Atlas accepts the credentials (LIST, {took(answer.seconds)}).")
            rest = skipped("What they may do is told by a project only: name one with --project and --instance.")
            return Told((found, rest))
        case error:
            return Told((failed(error.message),), hopeless=_is_hopeless(error))


_PROVED: Mapping[type[AtlasError], str] = {
    MissingRoleError: "Atlas accepts the credentials",
    ProjectNotFoundError: "Atlas accepts the credentials",
    InstanceNotFoundError: "Atlas accepts the credentials, and they may read the project",
    NotServerlessError: "Atlas accepts the credentials, and they may read the project",
}
"""What a refusal says about that which Atlas looks at before."""


def _refused(error: AtlasError, seconds: float) -> Iterable[Finding]:
    if (proved := _PROVED.get(type(error))) is not None:
        yield ok(f"{proved} (LIST, {took(seconds)}).")
    if isinstance(error, CredentialsRateLimitedError):
        yield warning(error.message)  # it passes by itself
        return
    yield failed(error.message.replace(MAKE_ANEW, "create the resources anew with the right one, or correct the flag"))


def _is_hopeless(error: AtlasError) -> bool:
    """Tell a refusal that the same credentials would meet everywhere, or a way to Atlas that is broken."""
    match error:
        case CredentialsInvalidError() | IPNotAllowedError() | CredentialsRateLimitedError() | AccountSuspendedError():
            return True
        case AtlasUnavailableError():
            return error.http_status is None
        case _:
            return False


def _contradicted(listing: Listing[Endpoint], said: Mapping[Provider, Sequence[Key]]) -> Iterable[Finding]:
    """Yield a finding for each provider that resources name and Atlas does not show."""
    shown = sorted({each.provider_name for each in listing.entries.values() if each.provider_name is not None})
    for provider, resources in said.items() if shown else ():
        if provider not in shown:
            yield failed(
                f"providerName is {provider} in {named(map(str, resources), most=10)}, and the endpoints that Atlas shows are of"
                f" {named(shown)}. providerName cannot change: delete it and create it anew; Atlas keeps the endpoint, unless"
                " deletionPolicy is Delete."
            )


def _providers(listing: Listing[Endpoint], said: Sequence[Provider]) -> Iterable[Provider]:
    """Give the clouds that the instance may be in: what Atlas shows, else what its resources say, else each."""
    shown = {each.provider_name for each in listing.entries.values()}
    known: Sequence[Provider] = [each for each in PROVIDERS if each in shown] or said
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
