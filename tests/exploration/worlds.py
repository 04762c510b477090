"""The small worlds that are walked, and the bounds of each: what people do, and how often each misfortune may strike."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from exploration.world import FOREIGN, World, endpoint_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exploration.world import Action

VPCE = "vpce-0123456789abcdef0"
A, B = {"comment": "A"}, {"comment": "B"}


def world(
    script: Sequence[Action],
    *,
    status: str = "AVAILABLE",
    settled: int = 0,
    replicas: int = 1,
    lists_take_time: bool = False,
    **left: int,
) -> World:
    """Make a world in which Atlas holds an endpoint for each resource of the script, and one more.

    Args:
        script: what people do, in this order, at any moment.
        status: of the endpoints; AVAILABLE ones are connected.
        settled: how much of the script has happened, and come to rest, before.
        replicas: of the operator.
        lists_take_time: whether anything can happen while the API server answers a LIST.
        left: how often each misfortune may strike; ``lost_event`` and so on.
    """
    connected = VPCE if status == "AVAILABLE" else None
    ours = {
        "status": status,
        "providerName": "AWS",
        "endpointServiceName": "service",
        "cloudProviderEndpointId": connected,
        "comment": "A",
    }
    endpoints = {endpoint_id(name): dict(ours) for name, _ in script}
    endpoints[FOREIGN] = {**ours, "status": "AVAILABLE", "comment": "theirs"}
    return World(
        script=list(script),
        left=Counter({name.replace("_", " "): times for name, times in left.items()}),
        endpoints=endpoints,
        settled=settled,
        replicas=replicas,
        lists_take_time=lists_take_time,
    )


def _connects(**fields: str) -> dict[str, str]:
    return {"cloudProviderEndpointId": VPCE, **fields}


WORLDS: dict[str, World] = {
    "a start, and a call breaks": world([("a", B)], lists_take_time=True, fault=1),
    "an edit and its revert, one call breaks": world([("a", A), ("a", B), ("a", A)], settled=1, fault=1),
    "an edit, two calls break": world([("a", A), ("a", B)], settled=1, fault=2),
    "an edit and its revert, one answer is slow": world([("a", A), ("a", B), ("a", A)], settled=1, slow=1),
    "an edit, a crash and a call that breaks": world([("a", A), ("a", B)], settled=1, crash=1, fault=1),
    "an edit and its revert, a crash": world([("a", A), ("a", B), ("a", A)], settled=1, crash=1),
    "an edit, lost and outdated events": world([("a", A), ("a", B), ("a", A)], settled=1, lists_take_time=True, lost_event=1, stale_event=1),
    "an edit, and somebody changes the endpoint": world([("a", A), ("a", B)], settled=1, person=1, fault=1),
    "the same, and drift is only reported": world(
        [("a", {**A, "driftPolicy": "Report"}), ("a", {**B, "driftPolicy": "Report"})], settled=1, person=1, fault=1
    ),
    "a reservation is connected, which may fail": world(
        [("a", _connects()), ("a", _connects(comment="B"))], status="RESERVED", Atlas_fails=1, patience=2, fault=1
    ),
    "two endpoints of one instance": world([("a", A), ("b", A), ("a", B), ("b", B)], settled=2, fault=1),
    "a resource is deleted and made anew": world(
        [("a", A), ("a", None), ("a", B)], settled=1, lists_take_time=True, lost_event=1, slow=1
    ),
    "a leader falls silent": world([("a", A), ("a", B)], settled=1, replicas=2, silence=1),
    "a leader hands over": world([("a", A), ("a", B), ("a", A)], settled=1, replicas=2, hand_over=1),
}
