"""Cases about credentials that are replaced or taken away while they are in use."""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING

from control_plane.process import wait_until
from support.concurrent_cases import NAME, Cases
from support.resources import condition, ready

if TYPE_CHECKING:
    from support.concurrent_cases import Env

cases = Cases()

PROMISED, STOPPED = 30.0, 60.0
"""Seconds after which a changed Secret is used, and a deleted one is not used any more."""
ON_A_BUSY_MACHINE = 90.0
"""Seconds more that a test allows."""

OLD_SECRET, NEW_SECRET = "mdb_sa_sk_old-one", "mdb_sa_sk_new-one"
TOKEN = "/api/oauth/token"


def _new_tokens(env: Env, since: float) -> object:
    """The log shows no secrets; but the token that the old one got lasts for an hour."""
    signed = env.atlas.signed_by({"clientId": f"mdb_sa_id_{env.place.project}"}, since=since)
    return [each for each in signed if (each["path"], each["status"]) == (TOKEN, HTTPStatus.OK)]


def _old(env: Env) -> dict[str, str]:
    return env.atlas.put_account(env.place, client_secret=OLD_SECRET)


def _new(env: Env) -> dict[str, str]:
    """With these, the old ones are valid still: a service account may have two secrets."""
    return env.atlas.put_account(env.place, client_secret=NEW_SECRET, former_secret=OLD_SECRET)


def _ready_by(env: Env, credentials: dict[str, str]) -> dict[str, str]:
    env.resources.secret(data=credentials)
    env.create(connected=True)
    env.becomes_ready()
    return credentials


def _edit(env: Env, comment: str) -> None:
    """Edit and wait until that has landed."""
    env.edit(comment=comment)
    env.becomes_ready()


def _never_in_doubt(env: Env) -> None:
    """Check that nobody was ever told that anything is wrong with the credentials, or with the resource."""
    states = env.resources.states(NAME)
    found = [condition(body, "CredentialsValid") for body in states]
    assert {each["status"] for each in found if each is not None} == {"True"}
    assert {ready(body)["status"] for body in states} == {"", "True"}
    assert not any("lastError" in body["status"] for body in states)


@cases
def a_service_account_is_rotated_while_both_are_valid(env: Env) -> None:
    """Somebody edits all the time; the old ones are withdrawn when the new ones are in use, and nobody notices."""
    _ready_by(env, _old(env))
    new = _new(env)

    env.resources.secret(data=new)
    changed = time.time()
    while not _new_tokens(env, changed):
        assert time.time() < changed + PROMISED + ON_A_BUSY_MACHINE
        _edit(env, f"at {time.time()}")
        time.sleep(0.5)

    env.atlas.revoke_tokens(env.atlas.put_account(env.place, client_secret=NEW_SECRET))
    revoked = time.time()
    for number in range(3):
        _edit(env, f"edit {number}")
    taken = [each for each in env.calls("PATCH", since=revoked) if each["status"] == HTTPStatus.OK]
    assert {each["credentials"] for each in taken} == {next(iter(new.values()))}
    assert env.patches()[-1] == {"comment": "edit 2"}
    _never_in_doubt(env)


@cases
def a_service_account_is_not_used_any_more_when_its_secret_is_gone(env: Env) -> None:
    """Somebody edits all the time; what was edited meanwhile is sent when there is a new one."""
    old = _ready_by(env, _old(env))

    env.resources.delete_secret()

    deleted = time.time()
    env.becomes(
        "CredentialsInvalid",
        "Reconciling",
        error={"operation": "readSecret", "errorCode": "SecretNotFound"},
        credentials=("False", "SecretNotFound"),
        timeout=STOPPED,
    )
    for number in range(6):
        env.edit(comment=f"edit {number}")
        time.sleep(1)
    used = [each["time"] for each in env.atlas.signed_by(old, since=deleted)]
    assert max(used, default=0.0) < min(deleted + STOPPED, time.time() - 5)

    env.resources.secret(data=_new(env))

    env.becomes_ready()
    assert env.patches() == [{"comment": "edit 5"}]


@cases
def an_account_makes_way_for_an_api_key(env: Env) -> None:
    """Both are good all the while; nothing is signed by the account from then on."""
    account = _ready_by(env, env.atlas.put_account(env.place))
    key = env.atlas.put_api_key(env.place)

    env.resources.secret(data=key)

    wait_until(lambda: env.atlas.signed_by(key) != [], "the key", timeout=PROMISED + ON_A_BUSY_MACHINE)
    began = time.time()
    _edit(env, "by the key")
    assert env.atlas.signed_by(account, since=began) == []
    _never_in_doubt(env)
