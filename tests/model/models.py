"""The small models of all kinds of resources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.data_federation import models as data_federation
from model.dedicated import models as dedicated
from model.regional import models as regional
from model.serverless import models as serverless
from model.streams import models as streams

if TYPE_CHECKING:
    from model.environment import Environment


def _of(kinds: str, models: dict[str, Environment]) -> dict[str, Environment]:
    return {f"{kinds}: {name}": model for name, model in models.items()}


GATE: dict[str, Environment] = {
    **serverless.GATE,
    **dedicated.GATE,
    **_of("Data Federation", data_federation.GATE),
    **_of("regional", regional.GATE),
    **_of("streams", streams.GATE),
}
"""What ``make test`` walks: each kind of fault is in one of them."""
MODELS: dict[str, Environment] = {
    **serverless.MODELS,
    **dedicated.MODELS,
    **_of("Data Federation", data_federation.MODELS),
    **_of("regional", regional.MODELS),
    **_of("streams", streams.MODELS),
}
"""What ``make test-all`` walks."""
DEEPER: dict[str, Environment] = {**serverless.DEEPER, **dedicated.DEEPER}
"""What ``make explore`` walks besides: each takes minutes."""

SOON = 60.0
"""Seconds that take the place of ``service.LASTING``: to the models, a time is only old before an hour has passed."""
