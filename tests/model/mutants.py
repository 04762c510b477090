"""Bugs that operators have had: the explorer must find each of them in a small environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from support.planted import Planted

if TYPE_CHECKING:
    from collections.abc import Callable

    from model.environment import Environment
    from model.invariants import Invariant

W = TypeVar("W", bound="Callable[..., Any]")


@dataclass(frozen=True)
class Mutant(Planted):
    """A planted bug, the invariant that it breaks first, and the smallest environment that shows it."""

    invariant: Invariant
    model: Environment


def planter(mutants: list[Mutant]) -> Callable[[str, Invariant, Environment, Any, str], Callable[[W], W]]:
    """Return a decorator that enters a bug among others: the function below stands in for one of the operator's."""

    def plants(bug: str, invariant: Invariant, model: Environment, owner: Any, name: str) -> Callable[[W], W]:
        def enter(wrong: W) -> W:
            mutants.append(Mutant(bug, owner, name, wrong, invariant, model))
            return wrong

        return enter

    return plants
