"""What a planted bug must be like, so that it is found for what it does, and not because it cannot be called."""

from collections.abc import Callable
from inspect import Parameter, iscoroutinefunction, signature
from typing import Any


def check_fits(right: Callable[..., Any], wrong: Callable[..., Any]) -> None:
    """Check that a wrong function takes the right one, and then what that takes.

    Raises:
        TypeError: it does not.
    """
    taken = signature(right).parameters.values()
    by_name = {each.name: None for each in taken if each.kind is Parameter.KEYWORD_ONLY}
    by_place = [each for each in taken if each.kind in {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}]
    signature(wrong).bind(right, *by_place, **by_name)
    if iscoroutinefunction(right) and not iscoroutinefunction(wrong):
        raise TypeError(f"{wrong.__name__} stands in for a coroutine function, and is none")
