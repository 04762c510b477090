"""The small models of private endpoints of dedicated clusters that are walked, and the bounds of each."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from atlas_endpoints.simulator.service import AVAILABLE, REJECTED
from model.dedicated.atlas import Dedicated, vpce
from model.environment import FORCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from model.environment import Action, Environment

PENDING = "PENDING_ACCEPTANCE"
SLOWLY = 1320.0
"""Seconds: what comes as no event is found by the next LIST, and then by the next GET of the endpoint."""


def model_of(
    script: Sequence[Action], *, left: str = "", others: Mapping[str, str] | None = None, **bounds: Any
) -> Dedicated:
    """Make a model.

    Args:
        script: what people do, in this order, at any moment.
        left: the faults that may strike, each as often as it is named.
        others: the endpoints of a service that Atlas holds and that ours have not made, and their statuses; ``None``: it
            holds none.
        bounds: further attributes of the model.
    """
    faults = Counter(each.strip() for each in left.split(",") if each.strip())
    model = Dedicated(script=list(script), left=faults, **{"within": SLOWLY, **bounds})
    if others is not None:
        service = model.new()
        for each, status in others.items():
            model.register_by_hand(service, each, status)
    return model


A = {"deletionPolicy": "Delete"}
OF_A = {**A, "cloudProviderEndpointId": vpce("a")}
"""Of a resource of another name, which names the endpoint of ``a``."""
NO_ENDPOINT = {**A, "cloudProviderEndpointId": None}
REPORTS = {**A, "driftPolicy": "Report"}
ONE: list[Action] = [("a", A)]
GOES: list[Action] = [*ONE, ("a", None)]
EMPTY: list[Action] = [("a", NO_ENDPOINT)]
EMPTY_GOES: list[Action] = [*EMPTY, ("a", None)]
EDITED: list[Action] = [*ONE, ("a", {**A, "cloudProviderEndpointId": vpce("c")})]
"""As only an API server with an older CRD takes it."""
TWO: list[Action] = [("a", A), ("b", A), ("a", None)]
"""A rotation, too: the second one has the new endpoint."""
SHARES: list[Action] = [("a", A), ("b", NO_ENDPOINT), ("a", None)]
RENAMED: list[Action] = [("a", A), ("b", OF_A), ("a", None)]
RENAMED_LATE: list[Action] = [("a", A), ("a", None), ("b", OF_A)]
KEPT: list[Action] = [("a", A), ("b", {**OF_A, "deletionPolicy": "Retain"}), ("a", None)]
CHANGES_MIND: list[Action] = [*GOES, ("a", {"deletionPolicy": "Retain"})]
FARTHER: list[Action] = [*EMPTY, ("a", {**NO_ENDPOINT, "supportedRemoteRegions": ["US_EAST_1"]})]
REMOTE: list[Action] = [
    ("a", {**NO_ENDPOINT, "supportedRemoteRegions": ["US_EAST_1"]}),
    ("b", {**NO_ENDPOINT, "supportedRemoteRegions": ["US_WEST_2"]}),
]
MADE_AGAIN: list[Action] = [("a", A), ("a", {**A, FORCE: "1"})]
DISPUTED: list[Action] = [("a", A), ("b", OF_A), ("a", {**A, FORCE: "1"}), ("b", None)]

GATE: dict[str, Environment] = {
    "a service and an endpoint are made, and a crash": model_of(ONE, left="crash"),
    "a service and an endpoint are made, an answer is lost, and a LIST does not show what is new": model_of(
        ONE, left="lost answer, list lags"
    ),
    "an endpoint is made, and Atlas rejects it": model_of(ONE, left="Atlas rejects"),
    "a dead endpoint is made again on request, and Atlas may reject it": model_of(
        MADE_AGAIN, settled=1, left="Atlas rejects", others={vpce("a"): REJECTED}
    ),
    "a dead endpoint is made again on request, and another resource names it": model_of(
        DISPUTED, settled=2, leisure=0.0, others={vpce("a"): REJECTED}
    ),
    "a service is made, and fails": model_of(EMPTY, left="service fails"),
    "a service and an endpoint go with their resource, and an answer is lost": model_of(
        GOES, settled=1, left="lost answer"
    ),
    "a service goes with its resource, and others create it at that moment": model_of(
        EMPTY_GOES, left="another's service", leisure=0.0
    ),
    "a service goes with its resource, and a crash": model_of(EMPTY_GOES, settled=1, left="crash"),
    "an endpoint of others is adopted, and goes with its resource": model_of(
        GOES, settled=1, others={vpce("a"): AVAILABLE}
    ),
    "one of two resources that share a service goes, and an answer is lost": model_of(
        TWO, settled=2, left="lost answer"
    ),
    "a resource is restored without a status, and goes": model_of(GOES, settled=1, left="restore", leisure=30.0),
    "a resource is renamed while the operator is away": model_of(RENAMED, settled=1, left="away", leisure=0.0),
    "a resource goes, and comes back with another name": model_of(RENAMED_LATE, settled=1, leisure=0.0),
    "an endpoint goes with its resource, and a stranger registers it": model_of(
        GOES, settled=1, left="registration", leisure=0.0
    ),
    "the last of two resources goes, and others register an endpoint": model_of(
        [*SHARES, ("b", None)], settled=3, left="stranger"
    ),
    "a resource adds a region to its service, somebody another one, and a LIST does not show what is new": model_of(
        FARTHER, settled=1, left="region, list lags", others={}
    ),
    "a service and an endpoint are made, and others make the service": model_of(ONE, left="another's service"),
    "a service and an endpoint are made, and others delete one of them": model_of(ONE, left="removal"),
}
"""What ``make test`` walks."""

MODELS: dict[str, Environment] = {
    **GATE,
    "a service and an endpoint are made, and others register the endpoint": model_of(ONE, left="registration"),
    "an endpoint of others is adopted, and Atlas may reject it": model_of(
        ONE, left="Atlas rejects", others={vpce("a"): PENDING}
    ),
    "a service fails, and a crash": model_of(EMPTY, left="service fails, crash"),
    "one of two resources goes, and the other one has no endpoint": model_of(SHARES, settled=2),
    "the last of two resources goes, and a crash": model_of([*SHARES, ("b", None)], settled=3, left="crash"),
    "drift is only reported, and others delete an endpoint and its service": model_of(
        [("a", REPORTS)], settled=1, left="removal, removal"
    ),
    "two resources name one endpoint, one goes, and the other one retains it": model_of(KEPT, settled=1, leisure=0.0),
    "two resources name one endpoint, one goes, and the other one is suspended": model_of(
        [("a", A), ("b", {**OF_A, "suspend": True}), ("a", None)], settled=1, leisure=0.0
    ),
    "two resources name one endpoint, one goes, and the other one only observes it": model_of(
        [("a", A), ("b", {**OF_A, "managementPolicy": "Observe"}), ("a", None)], settled=1, leisure=0.0
    ),
    "a resource is to retain its endpoint while it goes": model_of(CHANGES_MIND, settled=1, leisure=0.0),
    "two resources add regions to one service": model_of(REMOTE, leisure=0.0, others={}),
    "a resource is restored without a status, and goes, and a crash": model_of(
        GOES, settled=1, left="restore, crash", leisure=0.0
    ),
    "two resources share a service, and go while the operator is away": model_of(
        [*SHARES, ("b", None)], settled=2, left="away", leisure=0.0
    ),
    "two resources share a service, and go, and an answer is lost": model_of(
        [*SHARES, ("b", None)], settled=2, left="lost answer", leisure=0.0
    ),
    "a resource is renamed, and an event is lost": model_of(RENAMED, settled=1, left="lost event", leisure=0.0),
    "a dead endpoint is to be made again, and another resource comes to name it": model_of(
        [*MADE_AGAIN, ("b", OF_A)], settled=1, leisure=0.0, others={vpce("a"): REJECTED}
    ),
    "a service and an endpoint go with their resource, and a call breaks": model_of(
        GOES, settled=1, left="fault", leisure=0.0
    ),
    "a service and an endpoint are made and go, and a write arrives late": model_of(
        GOES, left="late write", leisure=0.0
    ),
    "drift is only reported, others delete the endpoint, and it is made again on request": model_of(
        [("a", REPORTS), ("a", {**REPORTS, FORCE: "1"})], settled=1, left="removal", leisure=30.0
    ),
    "a resource is renamed": model_of(RENAMED, settled=1, leisure=30.0),
    "an endpoint is rotated": model_of(TWO, settled=1, leisure=0.0),
    "a dead endpoint is made again on request, Atlas may reject it, and an answer is lost": model_of(
        MADE_AGAIN, settled=1, left="Atlas rejects, lost answer", others={vpce("a"): REJECTED}
    ),
    "the ID of an endpoint is edited": model_of([*EDITED, ("a", None)], settled=1),
}
"""What ``make test-all`` walks."""

DEEPER: dict[str, Environment] = {
    "two resources ask for one service": model_of([*EMPTY, ("b", NO_ENDPOINT)], leisure=0.0),
    "two resources ask for one service, and an answer is lost": model_of(
        [*EMPTY, ("b", NO_ENDPOINT)], leisure=0.0, left="lost answer"
    ),
    "a dead endpoint is to be made again, and others register it again": model_of(
        MADE_AGAIN, settled=1, left="removal, registration", leisure=0.0, others={vpce("a"): REJECTED}
    ),
    "an endpoint is rotated while the operator is away": model_of(TWO, settled=1, left="away", leisure=0.0),
    "a service is made and goes, an answer is lost, and a LIST does not show what is new": model_of(
        EMPTY_GOES, left="lost answer, list lags"
    ),
    "two resources share a service, and both go": model_of(
        [*EMPTY, ("b", NO_ENDPOINT), ("a", None), ("b", None)], settled=1, leisure=0.0
    ),
    "others delete an endpoint and its service": model_of(ONE, settled=1, left="removal, removal"),
    "two resources name one endpoint, and both go": model_of([*RENAMED, ("b", None)], settled=2, leisure=0.0),
    "two resources name one endpoint, are restored without statuses, and one goes": model_of(
        RENAMED, settled=2, left="restore", leisure=0.0
    ),
    "two resources share a service, are restored without statuses, and one goes": model_of(
        TWO, settled=2, left="restore", leisure=0.0
    ),
    "a dead endpoint is made again on request, and a crash": model_of(
        MADE_AGAIN, settled=1, left="crash", others={vpce("a"): REJECTED}
    ),
    "two resources ask for one service at once": model_of([("a", NO_ENDPOINT), ("b", NO_ENDPOINT)]),
    "a service and an endpoint are made, a crash, and an answer is lost": model_of(ONE, left="crash, lost answer"),
    "a service and an endpoint are made, a write arrives late, and a LIST does not show what is new": model_of(
        ONE, left="late write, list lags"
    ),
    "a service and an endpoint are made, and others delete both": model_of(ONE, left="removal, removal"),
    "a service and an endpoint are made and go, and an answer is lost": model_of(GOES, left="lost answer"),
    "a service and an endpoint go with their resource, and a crash": model_of(GOES, settled=1, left="crash"),
    "a resource is renamed, and a crash": model_of(RENAMED, settled=1, left="crash", leisure=0.0),
    "a resource is renamed, and a call breaks": model_of(RENAMED, settled=1, left="fault", leisure=0.0),
    "a resource is renamed at any time": model_of(RENAMED, settled=1),
    "two resources name one endpoint": model_of(RENAMED[:2]),
    "an endpoint is rotated, and a crash": model_of(TWO, settled=1, left="crash", leisure=0.0),
    "two resources name one endpoint, and both go, and an answer is lost": model_of(
        [*RENAMED, ("b", None)], settled=2, left="lost answer", leisure=0.0
    ),
    "two resources share a service, and it fails": model_of(
        [*EMPTY, ("b", NO_ENDPOINT)], leisure=0.0, left="service fails"
    ),
    "two resources add regions to one service, and an answer is lost": model_of(
        REMOTE, leisure=0.0, others={}, left="lost answer"
    ),
    "two resources ask for one service and two endpoints": model_of(TWO[:2]),
    "a resource comes while another one of its service goes": model_of(
        [EMPTY_GOES[0], ("b", NO_ENDPOINT), EMPTY_GOES[1]], settled=1
    ),
    "two resources go at once": model_of([*SHARES, ("b", None)], settled=2),
}
"""What ``make explore`` walks besides."""
