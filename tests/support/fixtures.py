"""The types of what fixtures give to tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from support.atlas import Atlas
    from support.operator_process import OperatorProcess


class MakeNamespace(Protocol):
    """Makes a namespace with labels and returns its name."""

    def __call__(self, labels: Mapping[str, str] | None = None) -> str: ...


class RunOperator(Protocol):
    """Starts an operator that serves the resources of one test."""

    def __call__(self, *, label: str, atlas: Atlas, namespace: str, **settings: Any) -> OperatorProcess: ...


class RecordProperty(Protocol):
    """Leaves a figure in the test report."""

    def __call__(self, name: str, value: object) -> None: ...
