"""A bar for whoever waits in front of a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

FEW = 3
"""Up to so many steps, there is nothing to watch."""


@contextmanager
def bar(title: str, steps: int) -> Iterator[Callable[[], object]]:
    """Show on the standard error how far something is, if that is a terminal.

    Args:
        title: of the bar.
        steps: that there are.

    Yields:
        What is to be called after each step.
    """
    # None: not unless it is a terminal.
    with tqdm(desc=title, total=steps, file=sys.stderr, leave=False, disable=None if steps > FEW else True) as shown:
        yield shown.update
