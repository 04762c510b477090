"""The small models of connections to services, and the bounds of each."""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING, Any

from atlas_endpoints.simulator.stream_endpoint import CONFLUENT, DONE, FAILED
from model.regional.atlas import REGIONS
from model.regional.models import AGAIN, GOES, ONE, SLOWLY, A
from model.streams.atlas import Streams

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model.environment import Action, Environment


def model_of(script: Sequence[Action], *, left: str = "", holds: str = "", **bounds: Any) -> Streams:
    """Make a model, in which Atlas has also a connection that no resource names.

    Args:
        script: what people do, in this order, at any moment.
        left: the faults that may strike, each as often as it is named.
        holds: the state of the connection that others have made; "": there is none.
        bounds: further attributes of the model.
    """
    faults = Counter(each.strip() for each in left.split(",") if each.strip())
    model = Streams(script=list(script), left=faults, **{"within": SLOWLY, "leisure": 0.0, **bounds})
    model.make("US_EAST_1", status=DONE)
    if holds:
        model.make(REGIONS[model.cloud], status=holds)
    return model


NAMED: list[Action] = [*ONE, ("a", {**A, "dnsDomain": "one.example"})]
"""Confluent names the domain of a connection."""
RENAMES: list[Action] = [*NAMED, ("a", {**A, "dnsDomain": "two.example"})]
LATER: list[Action] = [*NAMED, ("a", None)]
WAITS = {"vendor": CONFLUENT}

GATE: dict[str, Environment] = {
    "a connection gets its domain, and an answer is lost": model_of(NAMED, settled=1, left="lost answer", **WAITS),
    "a connection is made, and a crash": model_of(ONE, left="crash", twice=True),
    "a connection goes with its resource, when no stream uses it any more": model_of(
        GOES, settled=1, left="need", is_needed=True
    ),
}
"""What ``make test`` walks."""

MODELS: dict[str, Environment] = {
    **GATE,
    "a domain changes while Atlas makes a connection, and a write arrives late": model_of(
        RENAMES, settled=1, left="late write", **WAITS
    ),
    "a domain changes, and Atlas makes a connection in steps": model_of(
        RENAMES, left="patience", in_steps=True, **WAITS
    ),
    "a connection gets its domain and goes, and a call breaks": model_of(LATER, settled=1, left="fault", **WAITS),
    "a connection is made, a crash, and a LIST does not show it": model_of(
        ONE, left="crash, list lags, list lags", twice=True
    ),
    "a connection is made while somebody else makes one": model_of(ONE, left="registration", twice=True),
    "a connection is made in steps, and it may fail": model_of(ONE, left="Atlas fails, patience", in_steps=True),
    "a connection goes in steps, and Atlas shows it as before for a while": model_of(
        GOES, settled=1, left="patience, patience, patience", in_steps=True
    ),
    "a connection is made and goes, and a write arrives late": model_of(GOES, left="late write", twice=True),
    "a connection goes, unless a stream uses it": model_of(GOES, settled=1, left="need, need", leisure=inf),
    "somebody removes one of two connections": model_of(ONE, settled=1, left="registration, expires", twice=True),
    "a resource of a connection is restored without a status": model_of(GOES, settled=1, left="restore"),
    "a dead connection is made again on request, in steps, and an answer is lost": model_of(
        AGAIN, settled=1, left="lost answer", holds=FAILED, in_steps=True
    ),
    "a dead connection that a stream uses is made again on request": model_of(
        AGAIN, settled=1, left="need", holds=FAILED, is_needed=True
    ),
}
"""What ``make test-all`` walks."""
