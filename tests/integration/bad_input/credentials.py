"""Cases about credentials: those that are missing, refused, or good for less than is needed."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from support.atlas import CLOUD_ENDPOINT, PRIVATE_KEY, Atlas
from support.audit import deeds
from support.concurrent_cases import NAME, Cases, seldom
from support.resources import condition, ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.concurrent_cases import Env

cases = Cases()

OPERATOR = "system:serviceaccount:default:operator-shared"
MISSING: dict[str, Any] = {
    "says": ("no Secret later in namespace", "clientId and clientSecret (or publicApiKey and privateApiKey)"),
    "error": {"operation": "readSecret", "httpStatus": None, "errorCode": "SecretNotFound", "retryable": False},
    "credentials": ("False", "SecretNotFound"),
}


@cases(setup="patient")
def a_secret_that_comes_soon_after_its_resource_stalls_nothing(env: Env) -> None:
    """As when one Helm release brings both."""
    env.create(connected=True, credentialsSecretRef={"name": "later"})
    env.becomes("CredentialsInvalid", "Reconciling", **MISSING)
    assert env.calls_within(2) == []

    env.resources.secret("later")

    env.becomes_ready()
    assert not any(condition(body, "Stalled") for body in env.resources.states(NAME))


@cases
def a_secret_that_comes_late_is_found_by_itself(env: Env) -> None:
    """It is looked for at growing intervals, and Atlas is not bothered meanwhile."""
    began = time.monotonic()
    env.create(connected=True, credentialsSecretRef={"name": "later"})
    env.stalls("CredentialsInvalid", **MISSING)
    assert env.calls_within(8) == []
    looks = [
        each
        for each in deeds(env.control_plane, OPERATOR)
        if (each.resource, each.namespace, each.name) == ("secrets", env.resources.namespace, "later")
    ]
    elapsed = time.monotonic() - began
    assert 2 <= len(looks) <= 1 + sum(after <= elapsed for after in (5, 15, 35, 75, 135, 195))

    env.resources.secret("later")

    env.becomes_ready()


@cases
def a_wrong_client_secret_is_tried_seldom_until_the_secret_is_mended(env: Env) -> None:
    """It is shown nowhere."""
    right = env.atlas.put_account(env.place)
    env.resources.secret(data={**right, "clientSecret": "mdb_sa_sk_mistyped"})
    env.create(connected=True)
    body = env.stalls(
        "CredentialsInvalid",
        says=("Put valid credentials into Secret ",),
        error={"httpStatus": 401, "errorCode": "invalid_client", "retryable": False},
        credentials=("False", "Unauthorized"),
    )
    assert "mdb_sa_sk_mistyped" not in json.dumps([body, *env.resources.states(NAME)])
    since = time.time()
    assert env.calls_within(10) == []
    tokens = [each for each in env.atlas.signed_by(right, since=since) if each["path"] == "/api/oauth/token"]
    assert seldom(tokens, 10)

    env.resources.secret(data=right)

    env.becomes_ready()


@cases
def a_client_secret_that_atlas_comes_to_accept_works_at_the_next_try(env: Env) -> None:
    """Nobody has to touch the Secret or the resource."""
    wrong = {**env.atlas.put_account(env.place), "clientSecret": "mdb_sa_sk_not_yet"}
    env.resources.secret(data=wrong)
    env.create(connected=True)
    env.becomes("CredentialsInvalid", "Stalled", error={"errorCode": "invalid_client"})

    env.atlas.put_account(env.place, client_secret="mdb_sa_sk_not_yet")

    env.becomes_ready()


@cases
def a_wrong_api_key_is_tried_seldom_until_the_secret_is_mended(env: Env) -> None:
    """A try costs a challenge and one signed call."""
    right = env.atlas.put_api_key(env.place)
    env.resources.secret(data={**right, "privateApiKey": PRIVATE_KEY.replace("0", "f")})
    with env.setup.turn:  # in some ways of doing digest a refusal costs more
        env.create(connected=True)
        error = {"operation": "listServerlessPrivateEndpoint", "httpStatus": 401, "errorCode": "UNEXPECTED_ERROR"}
        env.stalls("CredentialsInvalid", error=error, credentials=("False", "Unauthorized"))
        calls = env.calls_within(8)
        signed = [each for each in calls if each["credentials"]]
        assert seldom(signed, 8)
        assert len(calls) <= 2 * len(signed) + 1

    env.resources.secret(data=right)

    env.becomes_ready()


@cases
def a_foreign_project_of_one_resource_is_nothing_to_the_others_of_its_credentials(env: Env) -> None:
    """They are ready beside it, and so are their edits."""
    data = env.atlas.put_account(env.place)
    env.resources.secret(data=data)
    foreign = replace(env.place, project=f"6{env.place.project[1:]}")
    names = [f"foreign-{number}" for number in range(5)]
    for number, name in enumerate(names):
        env.resources.create(name, foreign.sibling(number).spec(comment="not ours"))
    env.create(connected=True)
    error = {"errorCode": "NOT_IN_GROUP"}
    for name in names:
        env.becomes("ProjectNotFound", "Stalled", name=name, error=error, credentials=("True", "Verified"))

    for number in range(5):
        env.edit(comment=f"edit {number}")
        env.becomes_ready()

    assert {each["status"] for each in env.calls()} == {200}
    assert {each["errorCode"] for each in env.atlas.requests(foreign)} == {"NOT_IN_GROUP"}
    assert [each["status"] for each in env.atlas.signed_by(data) if each["path"] == "/api/oauth/token"] == [200]
    assert {ready(body)["status"] for body in env.resources.states(NAME)} == {"", "True"}


def _may_read_only(env: Env, *, put: Callable[..., dict[str, str]]) -> None:
    env.resources.secret(data=put(env.atlas, env.place, role="GROUP_READ_ONLY"))
    content = env.place.sibling(1)
    env.atlas.connect(content)
    env.resources.create("content", content.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    env.becomes_ready("content")
    env.atlas.connect(env.place)
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="mine")

    env.stalls(
        "MissingRole",
        says=("Project Owner",),
        error={
            "operation": "updateServerlessPrivateEndpoint",
            "httpStatus": 401,
            "errorCode": "USER_UNAUTHORIZED",
            "retryable": False,
        },
        credentials=("False", "NotAllowed"),
    )
    assert seldom(env.calls_within(10), 10)
    env.becomes_ready("content")
    put(env.atlas, env.place, role="GROUP_OWNER")

    env.becomes_ready()
    assert env.atlas.endpoint(env.place)["comment"] == "mine"


READERS: dict[str, Callable[..., dict[str, str]]] = {
    "a read only role": Atlas.put_account,
    "a read only role of an API key": Atlas.put_api_key,
}

for _whose, _put in READERS.items():
    cases.add(f"{_whose} is enough until something has to be written", partial(_may_read_only, put=_put))
