"""Bugs that are planted at seams of the operator: its ports, what its classes and kinds promise, and its rules."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from inspect import Parameter, iscoroutinefunction, signature
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@dataclass(frozen=True)
class Planted:
    """A planted bug.

    Attributes:
        bug: what the operator does wrong.
        owner, name, wrong: what is replaced by what; the first argument of a wrong function is the right one.
    """

    bug: str
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

    def check_fits(self) -> None:
        """Check that it is found for what it does, and not because it cannot be called, and that a refactoring keeps it.

        Raises:
            TypeError: it does not take the right function, and then what that takes; or what it replaces is private.
        """
        right = getattr(self.owner, self.name)
        taken = signature(right).parameters.values()
        by_name = {each.name: None for each in taken if each.kind is Parameter.KEYWORD_ONLY}
        by_place = [each for each in taken if each.kind in {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}]
        signature(self.wrong).bind(right, *by_place, **by_name)
        if iscoroutinefunction(right) and not iscoroutinefunction(self.wrong):
            raise TypeError(f"{self.wrong.__name__} stands in for a coroutine function, and is none")
        if self.name.startswith("_"):
            raise TypeError(f"{self.name} is private")
