"""Bugs that operators have had, planted by patching: the explorer must find each bug in a small environment.

Each bug names the smallest environment that shows it. The first argument of a wrong function is the right one.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from model.environment import Environment
    from model.invariants import Invariant

W = TypeVar("W", bound="Callable[..., Any]")


@dataclass(frozen=True)
class Mutant:
    """A planted bug.

    Attributes:
        bug: what the operator does wrong.
        invariant: that it breaks first.
        model: that shows it.
        owner, name, wrong: what is replaced by what.
    """

    bug: str
    invariant: Invariant
    model: Environment
    owner: Any
    name: str
    wrong: Callable[..., Any]

    @contextmanager
    def planted(self) -> Iterator[None]:
        right = getattr(self.owner, self.name)

        def wrong(*args: Any, **kwargs: Any) -> Any:
            return self.wrong(right, *args, **kwargs)

        wrong.__name__ = self.name  # by which a frozen run finds it again
        with patch.object(self.owner, self.name, wrong):
            yield


def planter(mutants: list[Mutant]) -> Callable[[str, Invariant, Environment, Any, str], Callable[[W], W]]:
    """Return a decorator that enters a bug among others: the function below stands in for one of the operator's."""

    def plants(bug: str, invariant: Invariant, model: Environment, owner: Any, name: str) -> Callable[[W], W]:
        def enter(wrong: W) -> W:
            mutants.append(Mutant(bug, invariant, model, owner, name, wrong))
            return wrong

        return enter

    return plants
