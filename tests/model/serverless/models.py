"""The small models that are walked, and the bounds of each: what people do, and how often each fault may strike."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from model.serverless.atlas import FOREIGN, Serverless, endpoint_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.environment import Action, Environment

VPCE = "vpce-0123456789abcdef0"
SLOWLY = 720.0
"""Seconds: what comes as no event is found by the next LIST, of Atlas or of the API server. So is a write that a process
had sent before it ended and that arrives late, since nobody remembers it any more."""
A, B = {"comment": "A"}, {"comment": "B"}


def model_of(script: Sequence[Action], *, status: str = "AVAILABLE", left: str = "", **bounds: Any) -> Serverless:
    """Make a model in which Atlas holds an endpoint for each resource of the script, and one more.

    Args:
        script: what people do, in this order, at any moment.
        status: of the endpoints; AVAILABLE ones are connected.
        left: the faults that may strike, each as often as it is named.
        bounds: further attributes of the model.
    """
    connected = VPCE if status == "AVAILABLE" else None
    ours = {
        "status": status,
        "providerName": "AWS",
        "endpointServiceName": "service",
        "cloudProviderEndpointId": connected,
        "comment": "A",
    }
    named = {name for name, spec in script if spec is not None and "endpointId" not in spec}
    endpoints = {endpoint_id(name): dict(ours) for name in sorted(named)}
    endpoints[FOREIGN] = {**ours, "status": "AVAILABLE", "comment": "theirs"}
    faults = Counter(each.strip() for each in left.split(",") if each.strip())
    return Serverless(script=list(script), left=faults, endpoints=endpoints, **bounds)


def _connects(**fields: str) -> dict[str, str]:
    return {"cloudProviderEndpointId": VPCE, **fields}


EDIT = [("a", A), ("a", B)]
REVERT = [*EDIT, ("a", A)]
CONNECT = [("a", _connects()), ("a", _connects(comment="B"))]
ANEW = [("a", A), ("a", None), ("a", B)]
TWO = [("a", A), ("b", A), ("a", B), ("b", B)]
RESERVE = [("a", {"endpointId": None, **A})]
BRIEF = [("a", {"endpointId": None, "deletionPolicy": "Delete", **A}), ("a", None)]
DELETE = [("a", {"deletionPolicy": "Delete", **A}), ("a", None)]
CLAIMED = [("a", A), ("b", {"endpointId": endpoint_id("a"), **B})]
INHERITED = [("a", {"deletionPolicy": "Delete", **A}), ("b", {"endpointId": endpoint_id("a"), **A}), ("a", None)]
REPORTED = [(name, {**spec, "driftPolicy": "Report"}) for name, spec in REVERT]

GATE: dict[str, Environment] = {
    "a start, and a call breaks": model_of([("a", B)], lists_take_time=True, left="fault"),
    "an edit, and an answer is slow": model_of(EDIT, settled=1, left="slow"),
    "an edit, and an event is slow": model_of(EDIT, settled=1, left="slow event", within=SLOWLY),
    "an edit, and a crash": model_of(EDIT, settled=1, left="crash", within=SLOWLY),
    "an edit, and an outdated event comes": model_of(EDIT, settled=1, left="stale event", within=SLOWLY),
    "a resource is deleted, and an event is lost": model_of(
        [("a", A), ("a", None)], settled=1, left="lost event", within=SLOWLY
    ),
    "a resource is deleted and made anew, and an outdated event comes": model_of(
        ANEW, settled=1, lists_take_time=True, left="stale event", within=SLOWLY
    ),
    "the sync interval is edited, and somebody changes the endpoint": model_of(
        [("a", A), ("a", {**A, "syncInterval": "20m"})], settled=1, left="person", within=2 * SLOWLY
    ),
    "a reservation is connected and changed, and it may fail": model_of(
        CONNECT, status="RESERVED", left="Atlas fails, patience"
    ),
    "a leader falls silent": model_of(EDIT, settled=1, replicas=2, left="silence", within=SLOWLY),
    "an edit, and a leader hands over": model_of(EDIT, settled=1, replicas=2, left="hand over"),
    "an endpoint is reserved, an answer is lost, and a LIST does not show what is new": model_of(
        RESERVE, left="lost answer, list lags, list lags", within=SLOWLY
    ),
    "an endpoint is reserved, and it expires": model_of(RESERVE, settled=1, left="expires", within=SLOWLY),
    "an endpoint goes with its resource, and a crash": model_of(DELETE, settled=1, left="crash", within=SLOWLY),
    "two resources claim one endpoint": model_of(CLAIMED, within=SLOWLY),
}
"""What ``make test`` walks: each kind of fault is in one of them."""

MODELS: dict[str, Environment] = {
    **GATE,
    "an edit and its revert, and an event is slow": model_of(REVERT, settled=1, left="slow event", within=SLOWLY),
    "a reservation is connected, and a call breaks": model_of(CONNECT[:1], status="RESERVED", left="patience, fault"),
    "a leader hands over": model_of(REVERT, settled=1, replicas=2, left="hand over"),
    "an endpoint is reserved, and a call breaks": model_of(RESERVE, left="fault", within=SLOWLY),
    "an endpoint is reserved, a crash, and a LIST does not show what is new": model_of(
        RESERVE, left="crash, list lags, list lags", within=SLOWLY
    ),
    "an edit, and the endpoint vanishes": model_of(EDIT, settled=1, left="expires", within=SLOWLY),
    "an endpoint goes with its resource, and a call breaks": model_of(
        DELETE, settled=1, left="fault, patience", within=SLOWLY
    ),
    "a resource goes while its endpoint is reserved, an answer is lost": model_of(
        BRIEF, left="lost answer", within=SLOWLY
    ),
    "two resources claim one endpoint, and its owner goes": model_of(INHERITED, settled=1, within=SLOWLY),
}
"""What ``make test-all`` walks."""

DEEPER: dict[str, Environment] = {
    "an edit, and a LIST breaks or shows the past": model_of(
        EDIT, settled=1, lists_take_time=True, left="fault", within=SLOWLY
    ),
    "a leader falls silent, and the standby lags": model_of(
        EDIT, settled=1, replicas=2, standby_lags=True, left="silence", within=SLOWLY
    ),
    "a leader hands over, and answers are slow": model_of(
        EDIT, settled=1, replicas=2, left="hand over, slow, slow", within=SLOWLY
    ),
    "a resource is deleted and made anew, an event is lost, and an answer is slow": model_of(
        ANEW, settled=1, lists_take_time=True, left="lost event, slow", within=SLOWLY
    ),
    "an edit and its revert, and a call breaks": model_of(REVERT, settled=1, left="fault"),
    "an edit, and two calls break": model_of(EDIT, settled=1, left="fault, fault"),
    "an edit and its revert, and an answer is slow": model_of(REVERT, settled=1, left="slow"),
    "an edit, a crash, and a call breaks": model_of(EDIT, settled=1, left="crash, fault", within=SLOWLY),
    "an edit and its revert, and a crash": model_of(REVERT, settled=1, left="crash", within=SLOWLY),
    "an edit and its revert, a lost event and an outdated one": model_of(
        REVERT, settled=1, left="lost event, stale event", within=SLOWLY
    ),
    "an edit, somebody changes the endpoint, and a call breaks": model_of(
        EDIT, settled=1, left="person, fault", within=SLOWLY
    ),
    "an edit, somebody changes the endpoint, drift is only reported, and a call breaks": model_of(
        REPORTED[:2], settled=1, left="person, fault", within=SLOWLY
    ),
    "drift is only reported, an edit and its revert, a crash, and an answer is lost": model_of(
        REPORTED, settled=1, left="crash, lost answer", within=SLOWLY
    ),
    "two endpoints of one instance, and an answer is slow": model_of(TWO, settled=2, left="slow"),
    "a resource goes while its endpoint is reserved, a crash, and a LIST does not show what is new": model_of(
        BRIEF, left="crash, list lags", within=SLOWLY
    ),
    "a reservation is connected and changed, it may fail, and a call breaks": model_of(
        CONNECT, status="RESERVED", left="Atlas fails, patience, fault"
    ),
    "an edit and its revert, and two calls break": model_of(REVERT, settled=1, left="fault, fault"),
    "an edit and its revert, a crash, and a call breaks": model_of(
        REVERT, settled=1, left="crash, fault", within=SLOWLY
    ),
    "the same, and drift is only reported": model_of(REPORTED, settled=1, left="crash, fault", within=SLOWLY),
    "an edit and its revert, two crashes": model_of(REVERT, settled=1, left="crash, crash", within=SLOWLY),
    "two endpoints of one instance, and a call breaks": model_of(TWO, settled=2, left="fault"),
    "a leader falls silent after an edit and before its revert": model_of(
        REVERT, settled=1, replicas=2, left="silence", within=SLOWLY
    ),
    "a leader falls silent, and a call breaks": model_of(
        EDIT, settled=1, replicas=2, left="silence, fault", within=SLOWLY
    ),
    "an endpoint is reserved, a write arrives late, and a crash": model_of(
        RESERVE, left="late write, crash", within=SLOWLY
    ),
    "a resource goes while its endpoint is reserved, and a crash": model_of(BRIEF, left="crash", within=SLOWLY),
    "a resource goes while its endpoint is reserved, and a write arrives late": model_of(
        BRIEF, left="late write", within=SLOWLY
    ),
    "an endpoint goes with its resource, a crash, and a call breaks": model_of(
        DELETE, settled=1, left="crash, fault", within=SLOWLY
    ),
    "two resources claim one endpoint, and a crash": model_of(CLAIMED, settled=1, left="crash", within=SLOWLY),
    "two resources claim one endpoint, its owner goes, and a crash": model_of(
        INHERITED, settled=2, left="crash", within=SLOWLY
    ),
    "two resources claim one endpoint, its owner goes, and a call breaks": model_of(
        INHERITED, settled=2, left="fault", within=SLOWLY
    ),
}
"""What ``make explore`` walks besides: each takes minutes."""
