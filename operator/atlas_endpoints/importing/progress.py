"""A bar for whoever waits in front of a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

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
    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = console.is_terminal and steps > FEW
    with Progress(*columns, console=console, transient=True, disable=not shown) as progress:
        task = progress.add_task(title, total=steps)
        yield lambda: progress.advance(task)
