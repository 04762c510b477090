"""Stories about credentials that are replaced or taken away while they are in use."""

from __future__ import annotations

import time
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from control_plane.process import wait_until
from support.resources import condition, ready
from support.scenes import NAME, Stories

if TYPE_CHECKING:
    from support.scenes import Scene

stories = Stories()

PROMISED = 30.0
"""Seconds after which a changed Secret is used."""

STOPPED = 60.0
"""Seconds after which a deleted Secret is not used any more."""

ON_A_BUSY_MACHINE = 10.0
"""Seconds more that a test allows."""

OLD_SECRET, NEW_SECRET = "mdb_sa_sk_old-one", "mdb_sa_sk_new-one"
NEW_KEY = "fedcba98-7654-3210-fedc-ba9876543210"


class Kind(Protocol):
    """How credentials of one kind are rotated; what is given back is what a Secret with them holds."""

    def old(self, scene: Scene) -> dict[str, str]:
        """Issue the first ones."""
        ...

    def new(self, scene: Scene) -> dict[str, str]:
        """Issue others, with which the first are valid still."""
        ...

    def revoke(self, scene: Scene) -> None:
        """Have Atlas accept the new ones alone, from now on."""
        ...

    def new_is_used(self, scene: Scene, since: float) -> bool:
        """Tell whether Atlas has seen the new ones since a time, which is later than the first call with the old ones."""
        ...


class Account:
    """A service account, which may have two secrets."""

    def old(self, scene: Scene) -> dict[str, str]:
        return scene.atlas.put_account(scene.place, client_secret=OLD_SECRET)

    def new(self, scene: Scene) -> dict[str, str]:
        return scene.atlas.put_account(scene.place, client_secret=NEW_SECRET, former_secret=OLD_SECRET)

    def revoke(self, scene: Scene) -> None:
        scene.atlas.revoke_tokens(scene.atlas.put_account(scene.place, client_secret=NEW_SECRET))

    def new_is_used(self, scene: Scene, since: float) -> bool:
        """The log shows no secrets; but the token that the old one got lasts for an hour."""
        tokens = scene.atlas.signed_by({"clientId": f"mdb_sa_id_{scene.place.project}"}, since=since)
        return any(each["path"] == "/api/oauth/token" and each["status"] == HTTPStatus.OK for each in tokens)


class ApiKey:
    """An API key, beside which another one is made."""

    def old(self, scene: Scene) -> dict[str, str]:
        return scene.atlas.put_api_key(scene.place)

    def new(self, scene: Scene) -> dict[str, str]:
        return scene.atlas.put_api_key(scene.place, NEW_KEY, generation=1)

    def revoke(self, scene: Scene) -> None:
        scene.atlas.remove_credentials(scene.atlas.put_api_key(scene.place))

    def new_is_used(self, scene: Scene, since: float) -> bool:
        return bool(scene.atlas.signed_by(self.new(scene), since=since))


def _never_in_doubt(scene: Scene) -> None:
    """Check that nobody was ever told that anything is wrong with the credentials, or with the resource."""
    states = scene.resources.states(NAME)
    found = [condition(body, "CredentialsValid") for body in states]
    assert {each["status"] for each in found if each is not None} == {"True"}
    assert {ready(body)["status"] for body in states} == {"", "True"}
    assert not any("lastError" in body["status"] for body in states)


def _is_rotated_while_both_are_valid(scene: Scene, *, kind: Kind) -> None:
    """Somebody edits all the time; the old ones are withdrawn when the new ones are in use, and nobody notices."""
    old = kind.old(scene)
    scene.resources.secret(data=old)
    scene.create(connected=True)
    scene.becomes_ready()
    new = kind.new(scene)

    scene.resources.secret(data=new)
    changed = time.time()
    edits = 0
    while not kind.new_is_used(scene, changed):
        assert time.time() < changed + PROMISED + ON_A_BUSY_MACHINE
        edits += _edit(scene, edits)
        time.sleep(0.5)

    kind.revoke(scene)
    revoked = time.time()
    for _ in range(3):
        edits += _edit(scene, edits)
    taken = [each for each in scene.calls("PATCH", since=revoked) if each["status"] == HTTPStatus.OK]
    assert {each["credentials"] for each in taken} == {next(iter(new.values()))}
    assert scene.patches()[-1] == {"comment": f"edit {edits - 1}"}
    _never_in_doubt(scene)


def _edit(scene: Scene, number: int) -> int:
    """Edit and wait until that has landed; give how many edits this was."""
    scene.edit(comment=f"edit {number}")
    scene.becomes_ready()
    return 1


def _is_read_again_when_atlas_refuses_the_old_ones(scene: Scene, *, kind: Kind) -> None:
    """An edit right after that lands at once, though the Secret was read a moment ago."""
    scene.resources.secret(data=kind.old(scene))
    scene.create(connected=True)
    scene.becomes_ready()
    new = kind.new(scene)
    scene.resources.secret(data=new)
    began = time.time()
    kind.revoke(scene)

    scene.edit(comment="in the middle of it")

    scene.becomes_ready()
    assert time.time() - began < PROMISED / 2
    assert scene.atlas.endpoint(scene.place)["comment"] == "in the middle of it"
    assert any(each["status"] == HTTPStatus.UNAUTHORIZED for each in scene.calls(since=began))
    assert [each["status"] for each in scene.calls("PATCH", since=began)][-1] == 200
    _never_in_doubt(scene)


def _is_not_used_any_more_when_its_secret_is_gone(scene: Scene, *, kind: Kind) -> None:
    """Somebody edits all the time; what was edited meanwhile is sent when there is a new one."""
    old = kind.old(scene)
    scene.resources.secret(data=old)
    scene.create(connected=True)
    scene.becomes_ready()

    scene.resources.delete_secret()

    deleted = time.time()
    scene.becomes(
        "CredentialsInvalid",
        "Reconciling",
        says=("There is no Secret atlas-credentials in namespace",),
        error={"operation": "readSecret", "errorCode": "SecretNotFound"},
        credentials=("False", "SecretNotFound"),
        timeout=STOPPED,
    )
    for number in range(6):
        scene.edit(comment=f"edit {number}")
        time.sleep(1)
    used = [each["time"] for each in scene.atlas.signed_by(old, since=deleted)]
    assert max(used, default=0.0) < min(deleted + STOPPED, time.time() - 5)

    scene.resources.secret(data=kind.new(scene))

    scene.becomes_ready()
    assert scene.patches() == [{"comment": "edit 5"}]


KINDS: dict[str, Kind] = {"a service account": Account(), "an API key": ApiKey()}

for _kind, _rotate in KINDS.items():
    stories.add(f"{_kind} is rotated while both are valid", partial(_is_rotated_while_both_are_valid, kind=_rotate))
    stories.add(
        f"the Secret of {_kind} is read again when Atlas refuses the old one",
        partial(_is_read_again_when_atlas_refuses_the_old_ones, kind=_rotate),
    )
    stories.add(
        f"{_kind} is not used any more when its Secret is gone",
        partial(_is_not_used_any_more_when_its_secret_is_gone, kind=_rotate),
    )


@stories
def an_account_makes_way_for_an_api_key(scene: Scene) -> None:
    """Both are good all the while; nothing is signed by the account from then on."""
    account = scene.atlas.put_account(scene.place)
    scene.resources.secret(data=account)
    scene.create(connected=True)
    scene.becomes_ready()
    key = scene.atlas.put_api_key(scene.place)

    scene.resources.secret(data=key)

    wait_until(lambda: scene.atlas.signed_by(key) != [], "the key", timeout=PROMISED + ON_A_BUSY_MACHINE)
    began = time.time()
    scene.edit(comment="by the key")
    scene.becomes_ready()
    assert scene.atlas.signed_by(account, since=began) == []
    _never_in_doubt(scene)


@stories
def a_token_that_is_revoked_costs_an_edit_a_second_try(scene: Scene) -> None:
    """With a new token, once; the body is as it was."""
    account = scene.atlas.put_account(scene.place)
    scene.resources.secret(data=account)
    scene.create(connected=True)
    scene.becomes_ready()
    scene.atlas.revoke_tokens(account)
    began = time.time()

    scene.edit(comment="sent twice")

    scene.becomes_ready()
    signed = [each for each in scene.atlas.signed_by(account, since=began) if each["method"] != "GET"]
    assert [each["status"] for each in signed if each["path"] == "/api/oauth/token"] == [200]
    patches = [each for each in scene.calls(since=began) if each["method"] == "PATCH"]
    assert {str(each["body"]) for each in patches} == {str({"providerName": "AWS", "comment": "sent twice"})}
    assert [each["status"] for each in patches] in ([401, 200], [200])  # unless a look at the endpoint came first
    _never_in_doubt(scene)
