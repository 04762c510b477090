"""The small models of private endpoints for Data Federation that are walked, and the bounds of each."""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING, Any

from model.data_federation.atlas import STRANGER, THEIRS, DataFederation
from model.dedicated.atlas import vpce
from model.environment import FORCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.environment import Action, Environment

SLOWLY = 1320.0
"""Seconds: what comes as no event is found by the next LIST, and what was sent late by the one after it."""


def model_of(script: Sequence[Action], *, left: str = "", holds: str | None = None, **bounds: Any) -> DataFederation:
    """Make a model.

    Args:
        script: what people do, in this order, at any moment.
        left: the faults that may strike, each as often as it is named.
        holds: the status of the endpoint of ``a`` that others have registered; ``None``: there is none.
        bounds: further attributes of the model.
    """
    statuses = {STRANGER: "OK"} | ({vpce("a"): holds} if holds else {})
    endpoints: dict[str, dict[str, str | None]] = {
        id_: {"status": status, "comment": "theirs", "cloudProviderEndpointId": id_} for id_, status in statuses.items()
    }
    faults = Counter(each.strip() for each in left.split(",") if each.strip())
    return DataFederation(
        script=list(script),
        left=faults,
        endpoints=endpoints,
        failed=holds == "FAILED",
        **{"within": SLOWLY, "leisure": 0.0, **bounds},
    )


A, B = {"deletionPolicy": "Delete", "comment": "A"}, {"deletionPolicy": "Delete", "comment": "B"}
OF_A = {**A, "cloudProviderEndpointId": vpce("a")}
"""Of a resource of another name, which names the endpoint of ``a``."""
ONE: list[Action] = [("a", A)]
GOES: list[Action] = [*ONE, ("a", None)]
EDIT: list[Action] = [*ONE, ("a", B)]
REPORTED: list[Action] = [("a", {**each, "driftPolicy": "Report"}) for each in (A, B)]
EDIT_GOES: list[Action] = [*EDIT, ("a", None)]
RENAMED: list[Action] = [*ONE, ("b", OF_A), ("a", None)]
MOVED: list[Action] = [*ONE, (THEIRS, OF_A), ("a", None)]
AGAIN: list[Action] = [*ONE, ("a", {**A, FORCE: "1"})]
DISPUTED: list[Action] = [*ONE, ("b", OF_A), *AGAIN[1:]]

GATE: dict[str, Environment] = {
    "an endpoint is registered, and a crash": model_of(ONE, left="crash"),
    "an endpoint is registered on a later page, and an answer is lost": model_of(ONE, left="lost answer", pages=True),
    "two resources name one endpoint, and one goes": model_of(RENAMED, settled=1),
    "a dead endpoint is made again on request": model_of(AGAIN, settled=1, holds="FAILED", leisure=inf),
}
"""What ``make test`` walks."""

MODELS: dict[str, Environment] = {
    **GATE,
    "an endpoint is registered and goes, and a write arrives late": model_of(GOES, left="late write"),
    "an endpoint is registered in steps, it may fail, and a LIST does not show it": model_of(
        ONE, left="Atlas fails, list lags, patience", in_steps=True
    ),
    "an endpoint of others is adopted, and an answer is lost": model_of(ONE, left="lost answer", holds="OK"),
    "an endpoint goes with its resource at the second request, and an answer is lost": model_of(
        GOES, settled=1, left="lost answer", ignores=1, leisure=inf
    ),
    "an endpoint goes in steps with its resource, and an answer is lost": model_of(
        GOES, settled=1, left="lost answer", in_steps=True, leisure=inf
    ),
    "an edit, a crash, and the resource goes": model_of(EDIT_GOES, settled=1, left="crash"),
    "an edit on a later page, and a call breaks": model_of(EDIT, settled=1, left="fault", pages=True, leisure=inf),
    "an edit, and somebody changes the comment": model_of(EDIT, settled=1, left="person", leisure=inf),
    "somebody changes the comment, and drift is only reported": model_of(
        REPORTED, settled=1, left="person", leisure=inf
    ),
    "somebody removes an endpoint": model_of(EDIT, settled=1, left="expires", leisure=inf),
    "somebody removes an endpoint, and drift is only reported": model_of(
        REPORTED, settled=1, left="expires", leisure=inf
    ),
    "a resource is renamed while the operator is away": model_of(RENAMED, settled=1, left="away"),
    "a resource is restored without a status, and goes": model_of(GOES, settled=1, left="restore"),
    "two resources name one endpoint, and both go, and an answer is lost": model_of(
        [*RENAMED, ("b", None)], settled=2, left="lost answer"
    ),
    "a resource moves to another namespace": model_of(MOVED, settled=1, leisure=30.0),
    "a resource moves to another namespace while the operator is away": model_of(MOVED, settled=1, left="away"),
    "a dead endpoint is made again on request, and a crash": model_of(AGAIN, settled=1, left="crash", holds="FAILED"),
    "a dead endpoint is made again in steps, it may fail again, and an answer is lost": model_of(
        AGAIN, settled=1, left="Atlas fails, lost answer", holds="FAILED", in_steps=True
    ),
    "a dead endpoint is to be made again that two resources name": model_of(DISPUTED, settled=2, holds="FAILED"),
}
"""What ``make test-all`` walks."""
