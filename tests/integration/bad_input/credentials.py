"""Stories about credentials: those that are missing, of no use, refused, or good for less than is needed."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from support.atlas import CLIENT_ID, CLIENT_SECRET, CLOUD_ENDPOINT, PRIVATE_KEY, PUBLIC_KEY
from support.audit import deeds
from support.resources import CREDENTIALS, condition, ready
from support.scenes import NAME, Stories, seldom

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from support.atlas import Atlas, Place
    from support.scenes import Scene

stories = Stories()

OPERATOR = "system:serviceaccount:default:operator-shared"


@stories(stage="patient")
def a_secret_that_comes_soon_after_its_resource_stalls_nothing(scene: Scene) -> None:
    """As when one Helm release brings both."""
    scene.create(connected=True, credentialsSecretRef={"name": "later"})
    _lacks_its_secret(scene, "Reconciling")
    assert scene.calls_within(2) == []

    scene.resources.secret("later")

    scene.becomes_ready()
    assert not any(condition(body, "Stalled") for body in scene.resources.states(NAME))


@stories
def a_secret_that_comes_late_is_found_by_itself(scene: Scene) -> None:
    """It is looked for at growing intervals, and Atlas is not bothered meanwhile."""
    scene.create(connected=True, credentialsSecretRef={"name": "later"})
    _lacks_its_secret(scene, "Reconciling")
    _lacks_its_secret(scene, "Stalled")
    assert scene.calls_within(8) == []
    looks = [
        each
        for each in deeds(scene.control_plane, OPERATOR)
        if (each.resource, each.namespace, each.name) == ("secrets", scene.resources.namespace, "later")
    ]
    assert 2 <= len(looks) <= 3  # at 0, 5 and 15 s

    scene.resources.secret("later")

    scene.becomes_ready()


def _lacks_its_secret(scene: Scene, pair: str) -> None:
    scene.becomes(
        "CredentialsInvalid",
        pair,
        says=(
            f"There is no Secret later in namespace {scene.resources.namespace}.",
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
        "Secret atlas-credentials: clientSecret is missing or empty in the Secret. Add it as Atlas has shown it.",
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
    "a service account in the keys of an API key is told where it belongs": (
        {"publicApiKey": CLIENT_ID, "privateApiKey": CLIENT_SECRET},
        "MissingKeys",
        (
            "publicApiKey holds a part of a service account, not of an API key. Put the service account's id into clientId"
            " and its secret into clientSecret."
        ),
    ),
}


def _is_unusable(scene: Scene, *, data: Mapping[str, str], reason: str, says: str) -> None:
    scene.resources.secret(data=data)
    scene.create(connected=True)
    for pair in ("Reconciling", "Stalled"):
        scene.becomes(
            "CredentialsInvalid",
            pair,
            says=(says,),
            error={"operation": "readSecret", "httpStatus": None, "errorCode": reason, "retryable": False},
            credentials=("False", reason),
        )

    assert scene.calls() == []
    scene.resources.secret()

    scene.becomes_ready()


for _sentence, (_data, _reason, _says) in UNUSABLE.items():
    stories.add(_sentence, partial(_is_unusable, data=_data, reason=_reason, says=_says))


@stories
def a_wrong_client_secret_is_tried_seldom_until_the_secret_is_mended(scene: Scene) -> None:
    """It is shown nowhere."""
    right = scene.atlas.put_account(scene.place)
    scene.resources.secret(data={**right, "clientSecret": "mdb_sa_sk_mistyped"})
    scene.create(connected=True)
    for pair in ("Reconciling", "Stalled"):
        body = scene.becomes(
            "CredentialsInvalid",
            pair,
            says=("Atlas does not accept the credentials: they are mistyped", "Put valid ones into Secret "),
            error={"httpStatus": 401, "errorCode": "invalid_client", "retryable": False},
            credentials=("False", "Unauthorized"),
        )
        assert "mdb_sa_sk_mistyped" not in json.dumps(body)
    time.sleep(10)
    assert scene.calls() == []
    assert seldom(_token_requests(scene, 10), 10)

    scene.resources.secret(data=right)

    scene.becomes_ready()


@stories
def a_client_secret_that_atlas_comes_to_accept_works_at_the_next_try(scene: Scene) -> None:
    """Nobody has to touch the Secret or the resource."""
    wrong = {**scene.atlas.put_account(scene.place), "clientSecret": "mdb_sa_sk_not_yet"}
    scene.resources.secret(data=wrong)
    scene.create(connected=True)
    scene.becomes("CredentialsInvalid", "Stalled", error={"errorCode": "invalid_client"})

    scene.atlas.put_account(scene.place, client_secret="mdb_sa_sk_not_yet")

    scene.becomes_ready()


@stories
def a_wrong_api_key_is_tried_seldom_until_the_secret_is_mended(scene: Scene) -> None:
    """A try costs a challenge and one signed call."""
    right = scene.atlas.put_api_key(scene.place)
    scene.resources.secret(data={**right, "privateApiKey": PRIVATE_KEY.replace("0", "f")})
    with scene.stage.turn:  # in some ways of doing digest a refusal costs more
        scene.create(connected=True)
        for pair in ("Reconciling", "Stalled"):
            scene.becomes(
                "CredentialsInvalid",
                pair,
                says=("Atlas does not accept the credentials", "Put valid ones into Secret "),
                error={
                    "operation": "listServerlessPrivateEndpoint",
                    "httpStatus": 401,
                    "errorCode": "UNEXPECTED_ERROR",
                    "retryable": False,
                },
                credentials=("False", "Unauthorized"),
            )
        calls = scene.calls_within(8)
        signed = [each for each in calls if each["credentials"]]
        assert seldom(signed, 8)
        assert len(calls) <= 2 * len(signed) + 1

    scene.resources.secret(data=right)

    scene.becomes_ready()


@stories
def a_foreign_project_is_not_visible_until_the_service_account_is_invited(scene: Scene) -> None:
    """Which says nothing against the credentials."""
    scene.resources.secret(data=scene.atlas.put_account(scene.place, role=None))
    scene.create(connected=True)
    for pair in ("Reconciling", "Stalled"):
        scene.becomes(
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
    assert seldom(scene.calls_within(10), 10)

    scene.atlas.put_account(scene.place)

    scene.becomes_ready()


@stories
def a_foreign_project_of_one_resource_is_nothing_to_the_others_of_its_credentials(scene: Scene) -> None:
    """They are ready beside it, and so are their edits."""
    data = scene.atlas.put_account(scene.place)
    scene.resources.secret(data=data)
    foreign = replace(scene.place, project=f"6{scene.place.project[1:]}")
    for number in range(5):
        scene.resources.create(f"foreign-{number}", foreign.sibling(number).spec(comment="not ours"))
    scene.create(connected=True)
    for number in range(5):
        scene.becomes(
            "ProjectNotFound",
            "Stalled",
            name=f"foreign-{number}",
            error={"errorCode": "NOT_IN_GROUP"},
            credentials=("True", "Verified"),
        )

    for number in range(5):
        scene.edit(comment=f"edit {number}")
        scene.becomes_ready()

    assert {each["status"] for each in scene.calls()} == {200}
    assert {each["errorCode"] for each in scene.atlas.requests(foreign)} == {"NOT_IN_GROUP"}
    assert [each["status"] for each in scene.atlas.signed_by(data) if each["path"] == "/api/oauth/token"] == [200]
    assert {ready(body)["status"] for body in scene.resources.states(NAME)} == {"", "True"}


def _may_read_only(scene: Scene, *, put: Callable[[Atlas, Place, str], dict[str, str]]) -> None:
    scene.resources.secret(data=put(scene.atlas, scene.place, "GROUP_READ_ONLY"))
    content = scene.place.sibling(1)
    scene.atlas.connect(content)
    scene.resources.create("content", content.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    scene.becomes_ready("content")
    scene.atlas.connect(scene.place)
    scene.create(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="mine")

    for pair in ("Reconciling", "Stalled"):
        scene.becomes(
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
    assert seldom(scene.calls_within(10), 10)
    scene.becomes_ready("content")
    put(scene.atlas, scene.place, "GROUP_OWNER")

    scene.becomes_ready()
    assert scene.atlas.endpoint(scene.place)["comment"] == "mine"


stories.add(
    "a read only role is enough until something has to be written",
    partial(_may_read_only, put=lambda atlas, place, role: atlas.put_account(place, role)),
)
stories.add(
    "a read only role of an API key is enough until something has to be written",
    partial(_may_read_only, put=lambda atlas, place, role: atlas.put_api_key(place, role=role)),
)


@stories
def an_address_that_is_not_on_the_access_list_is_named(scene: Scene) -> None:
    """By Atlas, which sees it."""
    scene.resources.secret(data=scene.atlas.put_account(scene.place, access_list=["203.0.113.0/24"]))
    scene.create(connected=True)
    for pair in ("Reconciling", "Stalled"):
        scene.becomes(
            "IPNotAllowed",
            pair,
            says=("does not allow the address 127.0.0.1", "Add it to the API access list"),
            error={"httpStatus": 403, "errorCode": "IP_ADDRESS_NOT_ON_ACCESS_LIST", "retryable": False},
            credentials=("False", "NotAllowed"),
        )
    assert seldom(scene.calls_within(10), 10)

    scene.atlas.put_account(scene.place, access_list=["203.0.113.0/24", "127.0.0.0/8"])

    scene.becomes_ready()


@stories
def a_project_that_does_not_exist_is_found_when_it_does(scene: Scene) -> None:
    """Credentials that see all projects know that there is none."""
    nowhere = replace(scene.place, project=f"6{scene.place.project[1:]}")
    scene.resources.create(NAME, nowhere.spec(cloudProviderEndpointId=CLOUD_ENDPOINT))
    for pair in ("Reconciling", "Stalled"):
        scene.becomes(
            "ProjectNotFound",
            pair,
            says=(
                "Atlas has no project of this id. If projectId is wrong, delete this resource",
                f"No group with ID {nowhere.project} exists.",
            ),
            error={"httpStatus": 404, "errorCode": "GROUP_NOT_FOUND", "retryable": False},
            credentials=("True", "Verified"),
        )

    scene.atlas.post("instances", {"projectId": nowhere.project, "name": nowhere.instance})
    scene.atlas.connect(nowhere)

    scene.becomes_ready()


def _token_requests(scene: Scene, seconds: float) -> list[dict[str, object]]:
    since = time.time() - seconds
    return [
        each
        for each in scene.atlas.requests()
        if each["path"] == "/api/oauth/token"
        and each["credentials"] == f"mdb_sa_id_{scene.place.project}"
        and each["time"] >= since
    ]
