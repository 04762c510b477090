"""How far a long build is, on a terminal and in the log of a CI job."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

TERMINAL_INTERVAL = 0.2
"""Seconds between two updates of the one line on a terminal."""
LOG_INTERVAL = 5.0
"""Seconds between two lines of a log, which keeps them all."""


class BuildState:
    """How far a run of `go build -v` is, by its error output."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self._downloads = 0
        self._compiled = 0

    def see(self, line: str) -> None:
        """Take in one line: a module that Go fetches, a package that it compiles, or a message."""
        if line.startswith("go: downloading "):
            self._downloads += 1
        elif re.fullmatch(r"[\w.~/-]+", line):
            self._compiled += 1
        else:
            self.messages.append(line)

    def describe(self) -> str:
        if self._compiled:
            return f"compiled {self._compiled} packages"
        if self._downloads:
            return f"fetched {self._downloads} modules"
        return "reading the packages"


class Progress:
    """Writes how far something is: in place on a terminal, line by line and more rarely in a log."""

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._terminal = stream.isatty()
        self._interval = TERMINAL_INTERVAL if self._terminal else LOG_INTERVAL
        self._started = clock()
        self._shown: float | None = None

    def show(self, state: str) -> None:
        """Show a passing state, unless one was shown just now."""
        now = self._clock()
        if self._shown is not None and now - self._shown < self._interval:
            return
        self._shown = now
        minutes, seconds = divmod(int(now - self._started), 60)
        text = f"    {minutes}:{seconds:02} {state}"
        self._stream.write(f"\r\033[K{text}" if self._terminal else f"{text}\n")
        self._stream.flush()

    def say(self, text: str) -> None:
        self._stream.write(f"\r\033[K{text}\n" if self._terminal else f"{text}\n")
        self._stream.flush()
