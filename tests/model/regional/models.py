"""The small models of private endpoints that Atlas makes for a region, and the bounds of each; they are of one of both kinds."""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING, Any

from model.data_federation.atlas import THEIRS
from model.environment import FORCE
from model.regional.atlas import REGIONS, Backup, Encryption

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.environment import Action, Environment
    from model.regional.atlas import Regional

SLOWLY = 1320.0
"""Seconds: what comes as no event is found by the next LIST, and what was sent late by the one after it."""


def model_of(
    of: type[Regional], script: Sequence[Action], *, left: str = "", holds: str = "", **bounds: Any
) -> Regional:
    """Make a model, in which Atlas has also an endpoint that no resource names.

    Args:
        of: the kind.
        script: what people do, in this order, at any moment.
        left: the faults that may strike, each as often as it is named.
        holds: the status of the endpoint that others have made; "": there is none.
        bounds: further attributes of the model.
    """
    faults = Counter(each.strip() for each in left.split(",") if each.strip())
    model = of(script=list(script), left=faults, **{"within": SLOWLY, "leisure": 0.0, **bounds})
    region = REGIONS[model.cloud]
    if of is Backup:
        model.make(region, "US_EAST_1", "ACTIVE")
    else:
        model.make("US_EAST_1", status="ACTIVE")
    if holds:
        model.make(region, status=holds)
    return model


A: dict[str, Any] = {"deletionPolicy": "Delete"}
CLOUDS: dict[str, Any] = {**A, "region": "eu-west-1"}
"""The same in the cloud's spelling."""
ONE: list[Action] = [("a", A)]
GOES: list[Action] = [*ONE, ("a", None)]
EDIT: list[Action] = [*ONE, ("a", {**A, "syncInterval": "20m"})]
REPORTED: list[Action] = [("a", {**A, "driftPolicy": "Report"})]
RENAMED: list[Action] = [*ONE, ("b", CLOUDS), ("a", None)]
MOVED: list[Action] = [*ONE, (THEIRS, CLOUDS), ("a", None)]
TWO: list[Action] = [*ONE, ("b", CLOUDS)]
AGAIN: list[Action] = [*ONE, ("a", {**A, FORCE: "1"})]
TIMED: list[Action] = [("a", {**A, "provisioningTimeout": "10m"})]
AZURE = {"cloud": "AZURE"}

GATE: dict[str, Environment] = {
    "an endpoint in Azure is approved": model_of(
        Encryption, TIMED, settled=1, holds="PENDING_ACCEPTANCE", left="approval", **AZURE
    ),
    "an endpoint is made again by Atlas, with another id": model_of(
        Backup, ONE, settled=1, left="recreation", in_steps=True, renews=True
    ),
    "private networking is switched on": model_of(Encryption, ONE, left="switch", is_on=False),
    "an endpoint goes with its resource, when nobody needs it any more": model_of(
        Backup, GOES, settled=1, left="need", is_needed=True
    ),
}
"""What ``make test`` walks."""

MODELS: dict[str, Environment] = {
    **GATE,
    "a connection that somebody has just approved is removed": model_of(
        Encryption, TIMED, settled=1, holds="PENDING_ACCEPTANCE", left="recreation", **AZURE
    ),
    "an endpoint is to be approved again, after Atlas has made it again": model_of(
        Encryption, ONE, settled=1, holds="ACTIVE", left="recreation, approval", **AZURE
    ),
    "private networking is switched on, and a crash": model_of(Encryption, ONE, left="switch, crash", is_on=False),
    "an endpoint is made, and an answer is lost": model_of(
        Encryption, ONE, left="lost answer", in_steps=True, twice=True
    ),
    "an endpoint is made, and a call breaks": model_of(Backup, ONE, left="fault"),
    "an endpoint is made, a crash, and a LIST does not show it": model_of(
        Backup, ONE, left="crash, list lags, list lags", twice=True
    ),
    "an endpoint is made in steps, and it may fail": model_of(Backup, ONE, left="Atlas fails, patience", in_steps=True),
    "an endpoint is made while somebody else makes one": model_of(Encryption, ONE, left="registration", twice=True),
    "an endpoint is made that somebody else has just made, and a LIST does not show it": model_of(
        Backup, ONE, left="registration, list lags, list lags"
    ),
    "an endpoint is made, and private networking is switched off": model_of(Encryption, ONE, left="switch"),
    "an endpoint is made, and a leader falls silent": model_of(Backup, ONE, replicas=2, left="silence"),
    "an endpoint is made and goes, and a write arrives late": model_of(Backup, GOES, left="late write", twice=True),
    "an endpoint is made and goes, and a crash": model_of(Encryption, GOES, left="crash"),
    "an endpoint goes before Atlas has made it": model_of(Encryption, GOES, left="patience, patience", in_steps=True),
    "an endpoint goes in steps, at the second request, and an answer is lost": model_of(
        Backup, GOES, settled=1, left="lost answer", in_steps=True, ignores=1, leisure=inf
    ),
    "an endpoint goes in steps, and Atlas shows it as before for a while": model_of(
        Backup, GOES, settled=1, left="patience, patience, patience", in_steps=True
    ),
    "an endpoint goes, unless a cluster needs it": model_of(
        Encryption, GOES, settled=1, left="need, need", leisure=inf
    ),
    "an endpoint that a cluster needs goes, beside another one that somebody makes": model_of(
        Encryption, GOES, settled=1, left="registration", is_needed=True, twice=True
    ),
    "an endpoint goes that a cluster needs no more, and an answer is lost": model_of(
        Encryption, GOES, settled=1, left="need, lost answer", is_needed=True
    ),
    "an endpoint goes at the second request": model_of(Backup, GOES, settled=1, ignores=1),
    "an endpoint goes, and a crash": model_of(Encryption, GOES, settled=1, left="crash"),
    "an endpoint goes while Atlas makes it again with another id": model_of(
        Encryption, GOES, settled=1, left="recreation", in_steps=True, renews=True
    ),
    "somebody removes an endpoint": model_of(Backup, EDIT, settled=1, left="expires", leisure=inf),
    "somebody removes an endpoint, and drift is only reported": model_of(
        Backup, REPORTED, settled=1, left="expires", leisure=inf
    ),
    "somebody removes one of two endpoints": model_of(Backup, ONE, settled=1, left="registration, expires", twice=True),
    "a resource is restored without a status, and goes": model_of(Encryption, GOES, settled=1, left="restore"),
    "a resource is renamed while the operator is away": model_of(Backup, RENAMED, settled=1, left="away"),
    "a resource moves to another namespace": model_of(Encryption, MOVED, settled=1, leisure=30.0),
    "two resources are made that name one region": model_of(Backup, TWO, twice=True),
    "two resources name one region, and one goes": model_of(Backup, RENAMED, settled=1),
    "a dead endpoint is made again on request, and Atlas shows it as before for a while": model_of(
        Encryption, AGAIN, settled=1, left="patience, patience, patience", holds="FAILED", in_steps=True
    ),
    "a dead endpoint is made again on request, and a write arrives late": model_of(
        Backup, AGAIN, settled=1, left="late write", holds="FAILED"
    ),
    "a dead endpoint is made again on request, and a crash": model_of(
        Backup, AGAIN, settled=1, left="crash", holds="FAILED"
    ),
    "a dead endpoint is made again in steps, it may fail again, and an answer is lost": model_of(
        Backup, AGAIN, settled=1, left="Atlas fails, lost answer", holds="FAILED", in_steps=True
    ),
}
"""What ``make test-all`` walks."""
