"""The types of what fixtures give to tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.atlas import Atlas, Place
    from support.concurrent_cases import Env, Setup
    from support.operator_process import OperatorProcess
    from support.resources import Resources


class MakeNamespace(Protocol):
    """Makes a namespace with labels and returns its name."""

    def __call__(self, labels: Mapping[str, str] | None = None) -> str: ...


class MakeResources(Protocol):
    """Makes a namespace with working credentials, whose resources have the label of an operator."""

    def __call__(self, label: str) -> Resources: ...


class MakeEnv(Protocol):
    """Makes such a namespace, for a place in Atlas, and closes it."""

    def __call__(self, setup: Setup, place: Place, label: str) -> Env: ...


class StartAtlas(Protocol):
    """Starts a simulated Atlas for the tests of one file."""

    def __call__(self, seed: dict[str, Any], **options: Any) -> Atlas: ...


class RunOperator(Protocol):
    """Starts an operator that serves the resources with one label."""

    def __call__(self, *, label: str, atlas: Atlas, namespace: str = "default", **settings: Any) -> OperatorProcess: ...


class RecordProperty(Protocol):
    """Leaves a figure in the test report."""

    def __call__(self, name: str, value: object) -> None: ...
