"""Cases about credentials: those that are missing, of no use, refused, or good for less than is needed."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from support.atlas import CLIENT_ID, CLIENT_SECRET, CLOUD_ENDPOINT, PRIVATE_KEY, PUBLIC_KEY
from support.audit import deeds
from support.concurrent_cases import NAME, Cases, seldom
from support.resources import CREDENTIALS, condition, ready

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from support.atlas import Atlas, Place
    from support.concurrent_cases import Env

cases = Cases()

OPERATOR = "system:serviceaccount:default:operator-shared"


@cases(setup="patient")
def a_secret_that_comes_soon_after_its_resource_stalls_nothing(env: Env) -> None:
    """As when one Helm release brings both."""
    env.create(connected=True, credentialsSecretRef={"name": "later"})
    _lacks_its_secret(env, "Reconciling")
    assert env.calls_within(2) == []

    env.resources.secret("later")

    env.becomes_ready()
    assert not any(condition(body, "Stalled") for body in env.resources.states(NAME))


@cases
def a_secret_that_comes_late_is_found_by_itself(env: Env) -> None:
    """It is looked for at growing intervals, and Atlas is not bothered meanwhile."""
    began = time.monotonic()
    env.create(connected=True, credentialsSecretRef={"name": "later"})
    _lacks_its_secret(env, "Reconciling")
    _lacks_its_secret(env, "Stalled")
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


def _lacks_its_secret(env: Env, pair: str) -> None:
    env.becomes(
        "CredentialsInvalid",
        pair,
        says=(
            f"There is no Secret later in namespace {env.resources.namespace}.",
            "Create it with the keys clientId and clientSecret (or publicApiKey and privateApiKey)",
            "it is picked up by itself",
        ),
        error={"operation": "readSecret", "httpStatus": None, "errorCode": "SecretNotFound", "retryable": False},
        credentials=("False", "SecretNotFound"),
    )


UNUSABLE: dict[str, tuple[dict[str, str], str, str]] = {
    "a Secret without clientSecret is told which key it lacks": (
        {"clientId": CLIENT_ID},
        "MissingKeys",
        (
            "Secret atlas-credentials: clientSecret is missing or empty in the Secret. Add it as Atlas has shown it. A mended"
            " Secret is picked up by itself."
        ),
    ),
    "a Secret without any key is told which keys there are": (
        {},
        "MissingKeys",
        "clientId and clientSecret (a service account), or publicApiKey and privateApiKey (an API key), are missing",
    ),
    "a Secret with a misspelt key is told how it is spelt": (
        {"clientID": CLIENT_ID, "clientSecret": CLIENT_SECRET},
        "MissingKeys",
        "clientId is missing or empty in the Secret. clientID must be spelt clientId.",
    ),
    "a Secret with both pairs of keys is told to let one go": (
        {**CREDENTIALS, "publicApiKey": PUBLIC_KEY, "privateApiKey": PRIVATE_KEY},
        "AmbiguousKeys",
        "Remove one of the two pairs.",
    ),
    "a Secret with a value that is too long is told which, and reaches nobody": (
        {"clientId": CLIENT_ID, "clientSecret": "s" * 500_000, "tls.crt": "c" * 300_000},
        "MissingKeys",
        "Secret atlas-credentials: clientSecret has more than 512 characters, and no credentials of Atlas are that long.",
    ),
    "a service account in the keys of an API key is told where it belongs": (
        {"publicApiKey": CLIENT_ID, "privateApiKey": CLIENT_SECRET},
        "MissingKeys",
        (
            "publicApiKey contains a part of a service account, not of an API key. Put the service account's id into clientId"
            " and its secret into clientSecret."
        ),
    ),
}


def _is_unusable(env: Env, *, data: Mapping[str, str], reason: str, says: str) -> None:
    env.resources.secret(data=data)
    env.create(connected=True)
    for pair in ("Reconciling", "Stalled"):
        env.becomes(
            "CredentialsInvalid",
            pair,
            says=(says,),
            error={"operation": "readSecret", "httpStatus": None, "errorCode": reason, "retryable": False},
            credentials=("False", reason),
        )

    assert env.calls() == []
    env.resources.secret()

    env.becomes_ready()


for _sentence, (_data, _reason, _says) in UNUSABLE.items():
    cases.add(_sentence, partial(_is_unusable, data=_data, reason=_reason, says=_says))


@cases
def a_wrong_client_secret_is_tried_seldom_until_the_secret_is_mended(env: Env) -> None:
    """It is shown nowhere."""
    right = env.atlas.put_account(env.place)
    env.resources.secret(data={**right, "clientSecret": "mdb_sa_sk_mistyped"})
    env.create(connected=True)
    for pair in ("Reconciling", "Stalled"):
        body = env.becomes(
            "CredentialsInvalid",
            pair,
            says=("Atlas does not accept the credentials: they are mistyped", "Put valid credentials into Secret "),
            error={"httpStatus": 401, "errorCode": "invalid_client", "retryable": False},
            credentials=("False", "Unauthorized"),
        )
        assert "mdb_sa_sk_mistyped" not in json.dumps(body)
    time.sleep(10)
    assert env.calls() == []
    assert seldom(_token_requests(env, 10), 10)

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
        for pair in ("Reconciling", "Stalled"):
            env.becomes(
                "CredentialsInvalid",
                pair,
                says=("Atlas does not accept the credentials", "Put valid credentials into Secret "),
                error={
                    "operation": "listServerlessPrivateEndpoint",
                    "httpStatus": 401,
                    "errorCode": "UNEXPECTED_ERROR",
                    "retryable": False,
                },
                credentials=("False", "Unauthorized"),
            )
        calls = env.calls_within(8)
        signed = [each for each in calls if each["credentials"]]
        assert seldom(signed, 8)
        assert len(calls) <= 2 * len(signed) + 1

    env.resources.secret(data=right)

    env.becomes_ready()


@cases
def a_foreign_project_is_not_visible_until_the_service_account_is_invited(env: Env) -> None:
    """Which says nothing against the credentials."""
    env.resources.secret(data=env.atlas.put_account(env.place, role=None))
    env.create(connected=True)
    for pair in ("Reconciling", "Stalled"):
        env.becomes(
            "ProjectNotFound",
            pair,
            says=(
                "The project is not visible to these credentials",
                "else invite it to the project",
                "force-sync",
            ),
            error={
                "operation": "listServerlessPrivateEndpoint",
                "httpStatus": 401,
                "errorCode": "NOT_IN_GROUP",
                "retryable": False,
            },
            credentials=("True", "Verified"),
        )
    assert seldom(env.calls_within(10), 10)

    env.atlas.put_account(env.place)

    env.becomes_ready()


@cases
def a_foreign_project_of_one_resource_is_nothing_to_the_others_of_its_credentials(env: Env) -> None:
    """They are ready beside it, and so are their edits."""
    data = env.atlas.put_account(env.place)
    env.resources.secret(data=data)
    foreign = replace(env.place, project=f"6{env.place.project[1:]}")
    for number in range(5):
        env.resources.create(f"foreign-{number}", foreign.sibling(number).spec(comment="not ours"))
    env.create(connected=True)
    for number in range(5):
        env.becomes(
            "ProjectNotFound",
            "Stalled",
            name=f"foreign-{number}",
            error={"errorCode": "NOT_IN_GROUP"},
            credentials=("True", "Verified"),
        )

    for number in range(5):
        env.edit(comment=f"edit {number}")
        env.becomes_ready()

    assert {each["status"] for each in env.calls()} == {200}
    assert {each["errorCode"] for each in env.atlas.requests(foreign)} == {"NOT_IN_GROUP"}
    assert [each["status"] for each in env.atlas.signed_by(data) if each["path"] == "/api/oauth/token"] == [200]
    assert {ready(body)["status"] for body in env.resources.states(NAME)} == {"", "True"}


def _may_read_only(env: Env, *, put: Callable[[Atlas, Place, str], dict[str, str]]) -> None:
    env.resources.secret(data=put(env.atlas, env.place, "GROUP_READ_ONLY"))
    content = env.place.sibling(1)
    env.atlas.connect(content)
    env.resources.create("content", content.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    env.becomes_ready("content")
    env.atlas.connect(env.place)
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="mine")

    for pair in ("Reconciling", "Stalled"):
        env.becomes(
            "MissingRole",
            pair,
            says=("they need the role Project Owner in the project", "Grant it to the service account or API key"),
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
    put(env.atlas, env.place, "GROUP_OWNER")

    env.becomes_ready()
    assert env.atlas.endpoint(env.place)["comment"] == "mine"


cases.add(
    "a read only role is enough until something has to be written",
    partial(_may_read_only, put=lambda atlas, place, role: atlas.put_account(place, role)),
)
cases.add(
    "a read only role of an API key is enough until something has to be written",
    partial(_may_read_only, put=lambda atlas, place, role: atlas.put_api_key(place, role=role)),
)


@cases
def an_address_that_is_not_on_the_access_list_is_named(env: Env) -> None:
    """By Atlas, which sees it."""
    env.resources.secret(data=env.atlas.put_account(env.place, access_list=["203.0.113.0/24"]))
    env.create(connected=True)
    for pair in ("Reconciling", "Stalled"):
        env.becomes(
            "IPNotAllowed",
            pair,
            says=("does not allow the address 127.0.0.1", "Add it to the API access list"),
            error={"httpStatus": 403, "errorCode": "IP_ADDRESS_NOT_ON_ACCESS_LIST", "retryable": False},
            credentials=("False", "NotAllowed"),
        )
    assert seldom(env.calls_within(10), 10)

    env.atlas.put_account(env.place, access_list=["203.0.113.0/24", "127.0.0.0/8"])

    env.becomes_ready()


@cases
def a_project_that_does_not_exist_is_found_when_it_does(env: Env) -> None:
    """Credentials that see all projects know that there is none."""
    nowhere = replace(env.place, project=f"6{env.place.project[1:]}")
    env.resources.create(NAME, nowhere.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    for pair in ("Reconciling", "Stalled"):
        env.becomes(
            "ProjectNotFound",
            pair,
            says=(
                "Atlas has no project of this id. If projectId is wrong, delete this resource",
                f"No group with ID {nowhere.project} exists.",
            ),
            error={"httpStatus": 404, "errorCode": "GROUP_NOT_FOUND", "retryable": False},
            credentials=("True", "Verified"),
        )

    env.atlas.post("instances", {"projectId": nowhere.project, "name": nowhere.instance})
    env.atlas.connect(nowhere)

    env.becomes_ready()


def _token_requests(env: Env, seconds: float) -> list[dict[str, object]]:
    since = time.time() - seconds
    return [
        each
        for each in env.atlas.requests()
        if each["path"] == "/api/oauth/token"
        and each["credentials"] == f"mdb_sa_id_{env.place.project}"
        and each["time"] >= since
    ]
