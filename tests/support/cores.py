"""The real core on ports that do nothing, except those that a test gives."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from atlas_endpoints.controller.clock import SystemClock
from atlas_endpoints.core import Core, Objects
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.settings import OperatorSettings
from support.ports import NoAnnotations, NoObserver, OneSecret
from support.targets import NoConfigMaps, NoTargets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from atlas_endpoints.cluster.api import Names
    from atlas_endpoints.reconcile.kind import Kind

SETTINGS = OperatorSettings.model_construct(credentials_secret="operator/atlas", concurrency=4)
"""Those of the models and the histories, in which nothing else is at stake."""


def core_of(
    objects: Objects, *, settings: OperatorSettings | None = None, kind: Kind[Any] = KIND, **ports: Any
) -> Core:
    """Return a core of one kind, whose resources ``objects`` holds."""
    return core_of_all(lambda _: objects, [kind], settings=settings, **ports)


def core_of_all(
    objects: Callable[[Names], Objects],
    kinds: Sequence[Kind[Any]],
    *,
    settings: OperatorSettings | None = None,
    **ports: Any,
) -> Core:
    """Return a core of some kinds; ``objects`` gives what holds the resources of one."""
    defaults: dict[str, Any] = {
        "client": None,
        "secrets": OneSecret(),
        "namespaces": NoAnnotations(),
        "targets": NoTargets(),
        "config_maps": NoConfigMaps(),
        "observer": NoObserver(),
        "clock": SystemClock(),
        "random": Random(1),  # noqa: S311  # jitter
    }
    return Core(settings or OperatorSettings(), kinds, objects=objects, **defaults | ports)
