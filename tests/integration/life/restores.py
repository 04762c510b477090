"""What becomes of resources that a backup brings back as Velero does: without their status, and with all else as it was."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from support.atlas import CLOUD_ENDPOINT
from support.concurrent_cases import NAME, Cases
from support.resources import told

if TYPE_CHECKING:
    from collections.abc import Callable

    from support.concurrent_cases import Env

cases = Cases()


def _nothing_is_sent(env: Env, sent: list[dict[str, Any]]) -> None:
    body = env.becomes_ready()
    assert env.patches() == sent
    assert "history" not in body["status"], told(body)


def _the_value_from_before_is_sent(env: Env, sent: list[dict[str, Any]]) -> None:
    body = env.becomes_ready()
    assert env.patches() == [*sent, {"comment": "orders"}]
    assert body["status"]["history"][0]["cause"] == "FirstContact"


def _it_is_shown_and_not_sent(env: Env, sent: list[dict[str, Any]]) -> None:
    body = env.becomes("Drifted", "Stalled")
    planned = {"providerName": "AWS", "comment": "orders"}
    assert body["status"]["plan"] == {"method": "PATCH", "reason": "FirstContact", "body": planned}
    assert env.patches() == sent


def _is_restored(
    env: Env, *, comment: str, policy: str | None, ends: Callable[[Env, list[dict[str, Any]]], None]
) -> None:
    """The status and all that the API server sets are no part of a backup."""
    env.create(cloudProviderEndpointId=CLOUD_ENDPOINT, comment="orders")
    backup = env.becomes_ready()
    sent = env.patches()
    env.resources.delete(NAME)
    assert not env.resources.exists(NAME)
    env.atlas.change(env.place, comment=comment)

    spec = backup["spec"] | ({} if policy is None else {"managementPolicy": policy})
    env.resources.create(NAME, spec, annotations=backup["metadata"].get("annotations", {}))

    ends(env, sent)


for _sentence, _comment, _policy, _ends in (
    ("nothing is sent for what Atlas still holds", "orders", None, _nothing_is_sent),
    ("what was changed since the backup gets its value from before", "newer", None, _the_value_from_before_is_sent),
    ("with the policy Observe it is shown and not sent", "newer", "Observe", _it_is_shown_and_not_sent),
):
    cases.add(_sentence, partial(_is_restored, comment=_comment, policy=_policy, ends=_ends))
