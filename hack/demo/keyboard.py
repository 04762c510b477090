"""Waiting for a key press, where somebody sits."""

from __future__ import annotations

import os
import select
import termios
import tty
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

LOOK = 1.0
"""Seconds between two looks at other things while nobody presses a key."""


class Keyboard:
    """The keys of the terminal that a stream reads from.

    Args:
        stream: Of which only the file descriptor is used.
    """

    def __init__(self, stream: TextIO) -> None:
        self._file = stream.fileno()

    def wait(self, meanwhile: Callable[[], None]) -> None:
        """Wait for any key, or the end of the terminal; Ctrl-C interrupts as ever.

        Args:
            meanwhile: Is called every second; what it raises ends the waiting.
        """
        as_it_was = termios.tcgetattr(self._file)
        tty.setcbreak(self._file)
        try:
            while not select.select([self._file], [], [], LOOK)[0]:
                meanwhile()
            os.read(self._file, 1)
        finally:
            # With it goes what was typed too much: some keys send more than one character.
            termios.tcsetattr(self._file, termios.TCSAFLUSH, as_it_was)
