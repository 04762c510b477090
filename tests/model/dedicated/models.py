"""The small models of private endpoints of dedicated clusters that are walked, and the bounds of each."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from model.dedicated.atlas import Dedicated, vpce

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.environment import Action, Environment

SLOWLY = 1320.0
"""Seconds: what comes as no event is found by the next LIST, and then by the next GET of the endpoint."""


def model_of(
    script: Sequence[Action], *, left: str = "", others: Sequence[str] | None = None, **bounds: Any
) -> Dedicated:
    """Make a model.

    Args:
        script: what people do, in this order, at any moment.
        left: the faults that may strike, each as often as it is named.
        others: the endpoints of a service that Atlas holds and that ours have not made; ``None``: it holds none.
        bounds: further attributes of the model.
    """
    faults = Counter(each.strip() for each in left.split(",") if each.strip())
    model = Dedicated(script=list(script), left=faults, **{"within": SLOWLY, **bounds})
    if others is not None:
        service = model.new()
        for each in others:
            model.register_by_hand(service, each)
    return model


A = {"deletionPolicy": "Delete"}
NO_ENDPOINT = {**A, "cloudProviderEndpointId": None}
ONE: list[Action] = [("a", A)]
GOES: list[Action] = [*ONE, ("a", None)]
EMPTY_GOES: list[Action] = [("a", NO_ENDPOINT), ("a", None)]
IMPATIENT: list[Action] = [("a", {**A, "provisioningTimeout": "5m"}), ("a", None)]
"""What others register again blocks its deletion, which the status says after this time."""
REPLACES: list[Action] = [*ONE, ("a", {**A, "cloudProviderEndpointId": vpce("c")})]
TWO: list[Action] = [("a", A), ("b", A), ("a", None)]
SHARES: list[Action] = [("a", A), ("b", NO_ENDPOINT), ("a", None)]
REJECTED = ", ".join(["Atlas rejects"] * 4)

GATE: dict[str, Environment] = {
    "a service and an endpoint are made, and a crash": model_of(ONE, left="crash"),
    "a service and an endpoint are made, an answer is lost, and a LIST does not show what is new": model_of(
        ONE, left="lost answer, list lags"
    ),
    "an endpoint is made, and Atlas rejects it again and again": model_of(ONE, left=REJECTED),
    "a service and an endpoint go with their resource, and an answer is lost": model_of(
        GOES, settled=1, left="lost answer"
    ),
    "a service goes with its resource, and others create it at that moment": model_of(
        EMPTY_GOES, left="another's service"
    ),
    "a service goes with its resource, and a crash": model_of(EMPTY_GOES, settled=1, left="crash"),
    "an endpoint of others is adopted, and Atlas may reject it": model_of(
        ONE, left="Atlas rejects", others=[vpce("a")]
    ),
    "an endpoint of others stays when its resource goes": model_of(GOES, settled=1, others=[vpce("a")]),
    "one of two resources that share a service goes, and an answer is lost": model_of(
        TWO, settled=2, left="lost answer"
    ),
    "one of two resources goes, and the other one has no endpoint": model_of(SHARES, settled=2),
    "the last of two resources goes, and others register an endpoint": model_of(
        [*SHARES, ("b", None)], settled=3, left="stranger"
    ),
    "a service and an endpoint are made, and others make the service": model_of(ONE, left="another's service"),
    "a service and an endpoint are made, and others register the endpoint": model_of(ONE, left="registration"),
    "a service and an endpoint are made, and others delete one of them": model_of(ONE, left="removal"),
}
"""What ``make test`` walks."""

MODELS: dict[str, Environment] = {
    **GATE,
    "a service is made and goes, an answer is lost, and a LIST does not show what is new": model_of(
        EMPTY_GOES, left="lost answer, list lags"
    ),
    "an endpoint goes with its resource, and others register it at that moment": model_of(
        IMPATIENT, left="registration"
    ),
    "the last of two resources goes, and a crash": model_of([*SHARES, ("b", None)], settled=3, left="crash"),
    "others delete an endpoint and its service": model_of(ONE, settled=1, left="removal, removal"),
    "an endpoint goes with its resource, and others register it again": model_of(
        IMPATIENT, settled=1, left="registration"
    ),
}
"""What ``make test-all`` walks."""

DEEPER: dict[str, Environment] = {
    "a service and an endpoint are made, a crash, and an answer is lost": model_of(ONE, left="crash, lost answer"),
    "a service and an endpoint are made, a write arrives late, and a LIST does not show what is new": model_of(
        ONE, left="late write, list lags"
    ),
    "a service and an endpoint are made, and others delete both": model_of(ONE, left="removal, removal"),
    "a service and an endpoint are made and go, and an answer is lost": model_of(GOES, left="lost answer"),
    "a service and an endpoint are made and go, and a write arrives late": model_of(GOES, left="late write"),
    "a service and an endpoint go with their resource, and a crash": model_of(GOES, settled=1, left="crash"),
    "an endpoint is replaced, and a crash": model_of(REPLACES, settled=1, left="crash"),
    "two resources ask for one service": model_of(TWO[:2]),
    "a resource comes while another one of its service goes": model_of(
        [EMPTY_GOES[0], ("b", NO_ENDPOINT), EMPTY_GOES[1]], settled=1
    ),
    "two resources go at once": model_of([*SHARES, ("b", None)], settled=2),
}
"""What ``make explore`` walks besides."""
