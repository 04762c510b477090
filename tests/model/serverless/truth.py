"""What was true of the resources of a small model, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from model.environment import Spec

MARK = "atlas-endpoints.dev/"
"""What the comment of an endpoint begins with that was reserved; the uid of its resource follows."""
MANAGED = ("comment", "cloudProviderEndpointId")
"""The fields of a spec that small models are about."""


@dataclass
class Truth:
    """What was true of one generation of a resource.

    Attributes:
        uid: of the resource.
        generation: of it.
        spec: what it asks for.
        shown: whether Atlas has shown that since, and since the operator had a write confirmed.
        available: whether the endpoint was available while it did.
        held: by field, each value that Atlas has held since.
    """

    uid: str
    generation: int
    spec: Spec
    shown: bool = False
    available: bool = False
    held: dict[str, list[str]] = field(default_factory=dict)


def shows(endpoint: Mapping[str, str | None], spec: Spec) -> bool:
    """Tell whether an endpoint is as a spec asks for it."""
    return all((endpoint.get(name) or "") == spec[name] for name in MANAGED if name in spec)


def note(truth: Truth, endpoint: Mapping[str, str | None]) -> None:
    """Take in what an endpoint holds."""
    shown = shows(endpoint, truth.spec)
    for name in MANAGED:
        values = truth.held.setdefault(name, [])
        if (value := endpoint.get(name) or "") not in values:
            values.append(value)
            values.sort()
    truth.shown |= shown
    truth.available |= shown and endpoint["status"] in {"AVAILABLE", "OK"}
