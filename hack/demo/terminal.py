"""How the demo looks: headings, words, commands with their output."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable

BOLD, DIM, RED, GREEN, CYAN = "1", "2", "31", "32", "36"
"""Codes of ECMA-48's SGR, as every terminal knows them."""


class Terminal:
    """Writes the story to a stream, in colours if it is a terminal and nobody minds."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._colours = stream.isatty() and "NO_COLOR" not in os.environ

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
