"""What is not known of Atlas: the rows of ``simulator/unconfirmed.yaml``, which the documentation shows as tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parents[2] / "simulator" / "unconfirmed.yaml"


@dataclass(frozen=True, slots=True)
class Row:
    """One behaviour.

    Attributes:
        simulator: what the simulator does; "": the row is about the operator.
        assumes: what the operator assumes, and what it does if that is wrong; "": the row is about the simulator.
        source: what supports the assumption.
        reason: why it is not tried; "": a probe tries it.
        switch: the switches of the simulator that turn it to another possibility.
    """

    id: str
    families: Sequence[str]
    question: str
    simulator: str = ""
    assumes: str = ""
    source: str = ""
    reason: str = ""
    switch: Mapping[str, Any] | None = None


def rows() -> Sequence[Row]:
    """Return all rows in the order of the documentation."""
    document = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    reasons = document["reasons"] | {"": ""}
    return [
        Row(**each | {"families": table["families"], "reason": reasons[each.get("reason", "")]})
        for table in document["tables"]
        for each in table["rows"]
    ]
