"""Cases about credentials that are replaced or taken away while they are in use."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from control_plane.process import wait_until
from support.audit import deeds, mark
from support.concurrent_cases import NAME, Cases
from support.resources import condition, ready

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.concurrent_cases import Env

cases = Cases()

PROMISED, STOPPED = 30.0, 60.0
"""Seconds after which a changed Secret is used, and a deleted one is not used any more."""
ON_A_BUSY_MACHINE = 90.0
"""Seconds more that a test allows."""

OPERATOR = "system:serviceaccount:default:operator-shared"

OLD_SECRET, NEW_SECRET = "mdb_sa_sk_old-one", "mdb_sa_sk_new-one"
NEW_KEY = "fedcba98-7654-3210-fedc-ba9876543210"
TOKEN = "/api/oauth/token"


@dataclass(frozen=True, slots=True)
class Kind:
    """How credentials of one kind are rotated; what is given back is what a Secret with them holds.

    Attributes:
        old: issues the first ones.
        new: issues others, with which the first are valid still.
        revoke: has Atlas accept the new ones alone, from now on.
        signs: what Atlas has seen of the new ones since a time, which is later than the first call with the old ones.
    """

    old: Callable[[Env], dict[str, str]]
    new: Callable[[Env], dict[str, str]]
    revoke: Callable[[Env], None]
    signs: Callable[[Env, float], object]


def _new_key(env: Env) -> dict[str, str]:
    return env.atlas.put_api_key(env.place, NEW_KEY, generation=1)


def _new_tokens(env: Env, since: float) -> object:
    """The log shows no secrets; but the token that the old one got lasts for an hour."""
    signed = env.atlas.signed_by({"clientId": f"mdb_sa_id_{env.place.project}"}, since=since)
    return [each for each in signed if (each["path"], each["status"]) == (TOKEN, HTTPStatus.OK)]


KINDS = {
    "a service account": Kind(  # which may have two secrets
        old=lambda env: env.atlas.put_account(env.place, client_secret=OLD_SECRET),
        new=lambda env: env.atlas.put_account(env.place, client_secret=NEW_SECRET, former_secret=OLD_SECRET),
        revoke=lambda env: env.atlas.revoke_tokens(env.atlas.put_account(env.place, client_secret=NEW_SECRET)),
        signs=_new_tokens,
    ),
    "an API key": Kind(  # beside which another one is made
        old=lambda env: env.atlas.put_api_key(env.place),
        new=_new_key,
        revoke=lambda env: env.atlas.remove_credentials(env.atlas.put_api_key(env.place)),
        signs=lambda env, since: env.atlas.signed_by(_new_key(env), since=since),
    ),
}


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


def _is_rotated_while_both_are_valid(env: Env, *, kind: Kind) -> None:
    """Somebody edits all the time; the old ones are withdrawn when the new ones are in use, and nobody notices."""
    _ready_by(env, kind.old(env))
    new = kind.new(env)

    env.resources.secret(data=new)
    changed = time.time()
    while not kind.signs(env, changed):
        assert time.time() < changed + PROMISED + ON_A_BUSY_MACHINE
        _edit(env, f"at {time.time()}")
        time.sleep(0.5)

    kind.revoke(env)
    revoked = time.time()
    for number in range(3):
        _edit(env, f"edit {number}")
    taken = [each for each in env.calls("PATCH", since=revoked) if each["status"] == HTTPStatus.OK]
    assert {each["credentials"] for each in taken} == {next(iter(new.values()))}
    assert env.patches()[-1] == {"comment": "edit 2"}
    _never_in_doubt(env)


def _is_read_again_when_atlas_refuses_the_old_ones(env: Env, *, kind: Kind) -> None:
    """An edit right after that lands at once, though the Secret was read a moment ago."""
    _ready_by(env, kind.old(env))
    env.resources.secret(data=kind.new(env))
    began, log = time.time(), mark(env.control_plane)
    kind.revoke(env)

    _edit(env, "in the middle of it")

    done = deeds(env.control_plane, OPERATOR, since=log)
    assert [each for each in done if (each.resource, each.namespace) == ("secrets", env.resources.namespace)]
    assert env.atlas.endpoint(env.place)["comment"] == "in the middle of it"
    assert any(each["status"] == HTTPStatus.UNAUTHORIZED for each in env.calls(since=began))
    assert [each["status"] for each in env.calls("PATCH", since=began)][-1] == 200
    _never_in_doubt(env)


def _is_not_used_any_more_when_its_secret_is_gone(env: Env, *, kind: Kind) -> None:
    """Somebody edits all the time; what was edited meanwhile is sent when there is a new one."""
    old = _ready_by(env, kind.old(env))

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

    env.resources.secret(data=kind.new(env))

    env.becomes_ready()
    assert env.patches() == [{"comment": "edit 5"}]


for _name, _kind in KINDS.items():
    for _sentence, _case in {
        f"{_name} is rotated while both are valid": _is_rotated_while_both_are_valid,
        f"the Secret of {_name} is read again when Atlas refuses the old one": (
            _is_read_again_when_atlas_refuses_the_old_ones
        ),
        f"{_name} is not used any more when its Secret is gone": _is_not_used_any_more_when_its_secret_is_gone,
    }.items():
        cases.add(_sentence, partial(_case, kind=_kind))


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


@cases
def a_token_that_is_revoked_costs_an_edit_a_second_try(env: Env) -> None:
    """With a new token, once; the body is as it was."""
    account = _ready_by(env, env.atlas.put_account(env.place))
    env.atlas.revoke_tokens(account)
    began = time.time()

    _edit(env, "sent twice")

    signed = env.atlas.signed_by(account, since=began)
    assert [each["status"] for each in signed if each["path"] == TOKEN] == [200]
    patches = env.calls("PATCH", since=began)
    assert {str(each["body"]) for each in patches} == {str({"providerName": "AWS", "comment": "sent twice"})}
    assert [each["status"] for each in patches] in ([401, 200], [200])  # unless a look at the endpoint came first
    _never_in_doubt(env)
