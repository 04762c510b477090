"""How the demo looks (headings, words, commands with their output), and how it waits for a key."""

from __future__ import annotations

import io
import os
import select
import shlex
import termios
import tty
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BOLD, DIM, RED, GREEN, CYAN = "1", "2", "31", "32", "36"
"""Codes of ECMA-48's SGR, as every terminal knows them."""


class Terminal:
    """Writes the story to a stream.

    Args:
        stream: Where to.
        colours: Whether it is to have colours; None: if it is a terminal, and nobody minds.
    """

    def __init__(self, stream: TextIO, *, colours: bool | None = None) -> None:
        self._stream = stream
        self._colours = stream.isatty() and "NO_COLOR" not in os.environ if colours is None else colours

    def draft(self) -> Draft:
        """Return a terminal for what is shown later, at once."""
        return Draft(io.StringIO(), colours=self._colours)

    def show(self, draft: Draft) -> None:
        self._stream.write(draft.text())
        self._stream.flush()

    def heading(self, text: str) -> None:
        self._write("")
        self._write(f"== {text}", BOLD)

    def say(self, text: str) -> None:
        self._write(text)

    def command(self, words: Iterable[str]) -> None:
        self._write(f"$ {shlex.join(words)}", CYAN)

    def output(self, text: str) -> None:
        for line in text.rstrip("\n").splitlines():
            self._write(f"  {line}")

    def good(self, text: str) -> None:
        self._write(text, GREEN)

    def bad(self, text: str) -> None:
        self._write(text, RED)

    def aside(self, text: str) -> None:
        self._write(text, DIM)

    def _write(self, line: str, code: str | None = None) -> None:
        self._stream.write(f"\033[{code}m{line}\033[0m\n" if code and self._colours else f"{line}\n")
        self._stream.flush()


class Draft(Terminal):
    """Keeps what is written."""

    def __init__(self, stream: io.StringIO, *, colours: bool) -> None:
        super().__init__(stream, colours=colours)
        self._kept = stream

    def text(self) -> str:
        return self._kept.getvalue()


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
