"""Cases about credentials that are replaced or taken away while they are in use."""

from __future__ import annotations

import time
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from control_plane.process import wait_until
from support.audit import deeds, length
from support.concurrent_cases import NAME, Cases
from support.resources import condition, ready

if TYPE_CHECKING:
    from support.concurrent_cases import Env

cases = Cases()

PROMISED = 30.0
"""Seconds after which a changed Secret is used."""

STOPPED = 60.0
"""Seconds after which a deleted Secret is not used any more."""

ON_A_BUSY_MACHINE = 90.0
"""Seconds more that a test allows."""

OPERATOR = "system:serviceaccount:default:operator-shared"

OLD_SECRET, NEW_SECRET = "mdb_sa_sk_old-one", "mdb_sa_sk_new-one"
NEW_KEY = "fedcba98-7654-3210-fedc-ba9876543210"


class Kind(Protocol):
    """How credentials of one kind are rotated; what is given back is what a Secret with them holds."""

    def old(self, env: Env) -> dict[str, str]:
        """Issue the first ones."""
        ...

    def new(self, env: Env) -> dict[str, str]:
        """Issue others, with which the first are valid still."""
        ...

    def revoke(self, env: Env) -> None:
        """Have Atlas accept the new ones alone, from now on."""
        ...

    def new_is_used(self, env: Env, since: float) -> bool:
        """Tell whether Atlas has seen the new ones since a time, which is later than the first call with the old ones."""
        ...


class Account:
    """A service account, which may have two secrets."""

    def old(self, env: Env) -> dict[str, str]:
        return env.atlas.put_account(env.place, client_secret=OLD_SECRET)

    def new(self, env: Env) -> dict[str, str]:
        return env.atlas.put_account(env.place, client_secret=NEW_SECRET, former_secret=OLD_SECRET)

    def revoke(self, env: Env) -> None:
        env.atlas.revoke_tokens(env.atlas.put_account(env.place, client_secret=NEW_SECRET))

    def new_is_used(self, env: Env, since: float) -> bool:
        """The log shows no secrets; but the token that the old one got lasts for an hour."""
        tokens = env.atlas.signed_by({"clientId": f"mdb_sa_id_{env.place.project}"}, since=since)
        return any(each["path"] == "/api/oauth/token" and each["status"] == HTTPStatus.OK for each in tokens)


class ApiKey:
    """An API key, beside which another one is made."""

    def old(self, env: Env) -> dict[str, str]:
        return env.atlas.put_api_key(env.place)

    def new(self, env: Env) -> dict[str, str]:
        return env.atlas.put_api_key(env.place, NEW_KEY, generation=1)

    def revoke(self, env: Env) -> None:
        env.atlas.remove_credentials(env.atlas.put_api_key(env.place))

    def new_is_used(self, env: Env, since: float) -> bool:
        return bool(env.atlas.signed_by(self.new(env), since=since))


def _never_in_doubt(env: Env) -> None:
    """Check that nobody was ever told that anything is wrong with the credentials, or with the resource."""
    states = env.resources.states(NAME)
    found = [condition(body, "CredentialsValid") for body in states]
    assert {each["status"] for each in found if each is not None} == {"True"}
    assert {ready(body)["status"] for body in states} == {"", "True"}
    assert not any("lastError" in body["status"] for body in states)


def _is_rotated_while_both_are_valid(env: Env, *, kind: Kind) -> None:
    """Somebody edits all the time; the old ones are withdrawn when the new ones are in use, and nobody notices."""
    old = kind.old(env)
    env.resources.secret(data=old)
    env.create(connected=True)
    env.becomes_ready()
    new = kind.new(env)

    env.resources.secret(data=new)
    changed = time.time()
    edits = 0
    while not kind.new_is_used(env, changed):
        assert time.time() < changed + PROMISED + ON_A_BUSY_MACHINE
        edits += _edit(env, edits)
        time.sleep(0.5)

    kind.revoke(env)
    revoked = time.time()
    for _ in range(3):
        edits += _edit(env, edits)
    taken = [each for each in env.calls("PATCH", since=revoked) if each["status"] == HTTPStatus.OK]
    assert {each["credentials"] for each in taken} == {next(iter(new.values()))}
    assert env.patches()[-1] == {"comment": f"edit {edits - 1}"}
    _never_in_doubt(env)


def _edit(env: Env, number: int) -> int:
    """Edit and wait until that has landed; give how many edits this was."""
    env.edit(comment=f"edit {number}")
    env.becomes_ready()
    return 1


def _is_read_again_when_atlas_refuses_the_old_ones(env: Env, *, kind: Kind) -> None:
    """An edit right after that lands at once, though the Secret was read a moment ago."""
    env.resources.secret(data=kind.old(env))
    env.create(connected=True)
    env.becomes_ready()
    new = kind.new(env)
    env.resources.secret(data=new)
    began, log = time.time(), length(env.control_plane)
    kind.revoke(env)

    env.edit(comment="in the middle of it")

    env.becomes_ready()
    done = deeds(env.control_plane, OPERATOR, since=log)
    assert [each for each in done if (each.resource, each.namespace) == ("secrets", env.resources.namespace)]
    assert env.atlas.endpoint(env.place)["comment"] == "in the middle of it"
    assert any(each["status"] == HTTPStatus.UNAUTHORIZED for each in env.calls(since=began))
    assert [each["status"] for each in env.calls("PATCH", since=began)][-1] == 200
    _never_in_doubt(env)


def _is_not_used_any_more_when_its_secret_is_gone(env: Env, *, kind: Kind) -> None:
    """Somebody edits all the time; what was edited meanwhile is sent when there is a new one."""
    old = kind.old(env)
    env.resources.secret(data=old)
    env.create(connected=True)
    env.becomes_ready()

    env.resources.delete_secret()

    deleted = time.time()
    env.becomes(
        "CredentialsInvalid",
        "Reconciling",
        says=("There is no Secret atlas-credentials in namespace",),
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


KINDS: dict[str, Kind] = {"a service account": Account(), "an API key": ApiKey()}

for _kind, _rotate in KINDS.items():
    cases.add(f"{_kind} is rotated while both are valid", partial(_is_rotated_while_both_are_valid, kind=_rotate))
    cases.add(
        f"the Secret of {_kind} is read again when Atlas refuses the old one",
        partial(_is_read_again_when_atlas_refuses_the_old_ones, kind=_rotate),
    )
    cases.add(
        f"{_kind} is not used any more when its Secret is gone",
        partial(_is_not_used_any_more_when_its_secret_is_gone, kind=_rotate),
    )


@cases
def an_account_makes_way_for_an_api_key(env: Env) -> None:
    """Both are good all the while; nothing is signed by the account from then on, but that its token is revoked, which it is."""
    account = env.atlas.put_account(env.place)
    env.resources.secret(data=account)
    env.create(connected=True)
    env.becomes_ready()
    key = env.atlas.put_api_key(env.place)

    env.resources.secret(data=key)

    wait_until(lambda: env.atlas.signed_by(key) != [], "the key", timeout=PROMISED + ON_A_BUSY_MACHINE)
    began = time.time()
    env.edit(comment="by the key")
    env.becomes_ready()
    signed = {each["path"] for each in env.atlas.signed_by(account, since=began)}
    assert signed <= {"/api/oauth/revoke"}
    wait_until(
        lambda: any(each["path"] == "/api/oauth/revoke" for each in env.atlas.signed_by(account)),
        "its token is revoked",
        timeout=PROMISED + ON_A_BUSY_MACHINE,
    )
    _never_in_doubt(env)


@cases
def a_token_that_is_revoked_costs_an_edit_a_second_try(env: Env) -> None:
    """With a new token, once; the body is as it was."""
    account = env.atlas.put_account(env.place)
    env.resources.secret(data=account)
    env.create(connected=True)
    env.becomes_ready()
    env.atlas.revoke_tokens(account)
    began = time.time()

    env.edit(comment="sent twice")

    env.becomes_ready()
    signed = [each for each in env.atlas.signed_by(account, since=began) if each["method"] != "GET"]
    assert [each["status"] for each in signed if each["path"] == "/api/oauth/token"] == [200]
    patches = [each for each in env.calls(since=began) if each["method"] == "PATCH"]
    assert {str(each["body"]) for each in patches} == {str({"providerName": "AWS", "comment": "sent twice"})}
    assert [each["status"] for each in patches] in ([401, 200], [200])  # unless a look at the endpoint came first
    _never_in_doubt(env)
