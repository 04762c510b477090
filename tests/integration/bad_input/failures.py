"""Cases that all go the same way: something is wrong, which is told and costs no more calls than health, and is mended."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from support.atlas import CLIENT_ID, CLOUD_ENDPOINT
from support.concurrent_cases import NAME, Cases, seldom
from support.resources import condition

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.atlas import Place
    from support.concurrent_cases import Env

cases = Cases()

VERIFIED, NOT_ALLOWED = ("True", "Verified"), ("False", "NotAllowed")
BOTH = ("Reconciling", "Stalled")


@dataclass(frozen=True, kw_only=True)
class Failure:
    """What is wrong with a resource, and how it gets well.

    Attributes:
        cause: what makes it so.
        create: creates the resource; by default one whose endpoint is connected already.
        reason: of ``Ready``.
        pairs: the conditions beside it, in order.
        says: what the message has to hold.
        error: what ``status.lastError`` has to hold.
        credentials: status and reason of ``CredentialsValid``.
        reaches_atlas: whether Atlas is called about it at all.
        cure: what makes it well.
    """

    cause: Callable[[Env], object] = lambda _: None
    create: Callable[[Env], object] = lambda env: env.create(connected=True)
    reason: str
    pairs: tuple[str, ...] = BOTH
    says: tuple[str, ...] = ()
    error: dict[str, Any] = field(default_factory=dict)
    credentials: tuple[str, str] | None = None
    reaches_atlas: bool = True
    cure: Callable[[Env], object]


def _fails_until_it_is_cured(env: Env, *, failure: Failure) -> None:
    failure.cause(env)
    failure.create(env)
    for pair in failure.pairs:
        env.becomes(failure.reason, pair, says=failure.says, error=failure.error, credentials=failure.credentials)
    if "Reconciling" not in failure.pairs:
        assert not any(condition(body, "Reconciling") for body in env.resources.states(NAME))
    calls = env.calls_within(9)
    assert seldom(calls, 9)
    assert failure.reaches_atlas or env.calls() == []

    failure.cure(env)

    env.becomes_ready()


def _account(**how: Any) -> Callable[[Env], object]:
    """Have the Secret hold a service account that is good for so much."""
    return lambda env: env.resources.secret(data=env.atlas.put_account(env.place, **how))


def _secret(**data: str) -> Callable[[Env], object]:
    return lambda env: env.resources.secret(data=data)


def _another_instance(place: Place) -> Place:
    return replace(place, instance="store")


def _name(elsewhere: Callable[[Place], Place]) -> Callable[[Env], object]:
    """Create a resource for a place that Atlas has not."""
    return lambda env: env.resources.create(NAME, elsewhere(env.place).spec(cloudProviderEndpointId=CLOUD_ENDPOINT))


def _make(elsewhere: Callable[[Place], Place]) -> Callable[[Env], object]:
    """Have Atlas have it."""

    def make(env: Env) -> None:
        place = elsewhere(env.place)
        env.atlas.post("instances", {"projectId": place.project, "name": place.instance})
        env.atlas.connect(place)

    return make


def _unusable(reason: str, *, says: str, **data: str) -> Failure:
    """A Secret that no credentials can be read from; what else may be wrong with one, unit tests try."""
    return Failure(
        cause=_secret(**data),
        reason="CredentialsInvalid",
        says=(says,),
        error={"operation": "readSecret", "httpStatus": None, "errorCode": reason, "retryable": False},
        credentials=("False", reason),
        reaches_atlas=False,
        cure=lambda env: env.resources.secret(),
    )


def _list_error(status: int, code: str) -> dict[str, Any]:
    return {
        "operation": "listServerlessPrivateEndpoint",
        "httpStatus": status,
        "errorCode": code,
        "retryable": False,
    }


FAILURES: dict[str, Failure] = {
    "a Secret without clientSecret is told which key it lacks": _unusable(
        "MissingKeys", says="clientSecret", clientId=CLIENT_ID
    ),
    "a Secret with a value that is too long is told which, and reaches nobody": _unusable(
        "MissingKeys", says="512", **{"clientId": CLIENT_ID, "clientSecret": "s" * 500_000, "tls.crt": "c" * 300_000}
    ),
    "an address that is not on the access list is named": Failure(
        cause=_account(access_list=["203.0.113.0/24"]),
        reason="IPNotAllowed",
        says=("127.0.0.1", "API access list"),
        error={"httpStatus": 403, "errorCode": "IP_ADDRESS_NOT_ON_ACCESS_LIST", "retryable": False},
        credentials=NOT_ALLOWED,
        cure=lambda env: env.atlas.put_account(env.place, access_list=["203.0.113.0/24", "127.0.0.0/8"]),
    ),
    "an instance that does not exist is found when it does": Failure(
        create=_name(_another_instance),
        reason="InstanceNotFound",
        says=("instanceName",),
        error=_list_error(404, "SERVERLESS_INSTANCE_NOT_FOUND"),
        credentials=VERIFIED,
        cure=_make(_another_instance),
    ),
    "an unpaid bill stalls at once and is looked after seldom": Failure(
        cause=lambda env: env.atlas.fail(env.place, status=402),
        reason="AccountSuspended",
        pairs=("Stalled",),
        error={"httpStatus": 402, "errorCode": "ACCOUNT_SUSPENDED", "retryable": False},
        credentials=VERIFIED,
        cure=lambda env: env.atlas.heal(env.place),
    ),
}

for _sentence, _failure in FAILURES.items():
    cases.add(_sentence, partial(_fails_until_it_is_cured, failure=_failure))
