"""Showing how far a long build is, on a terminal and in the log of a CI job."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable

TERMINAL_INTERVAL = 0.2
"""Seconds between two updates of the one line on a terminal."""
LOG_INTERVAL = 5.0
"""Seconds between two lines of a log, which keeps them all."""


class Kind(Enum):
    """What a line of Go's error output tells."""

    DOWNLOAD = auto()
    PACKAGE = auto()
    MESSAGE = auto()


def kind_of(line: str) -> Kind:
    """Tell the lines of `go build -v` apart: a module it fetches, a package it compiles, or a complaint."""
    if line.startswith("go: downloading "):
        return Kind.DOWNLOAD
    if re.fullmatch(r"[\w.~/-]+", line):
        return Kind.PACKAGE
    return Kind.MESSAGE


@dataclass
class BuildState:
    """How far a run of Go is.

    Attributes:
        main_package: The package that is compiled last; what follows it is linking.
        total: How many packages there are at most; those in Go's cache are never announced.
    """

    main_package: str = ""
    total: int = 0
    downloads: int = 0
    packages: int = 0
    linking: bool = False
    messages: list[str] = field(default_factory=list)

    def see(self, line: str) -> None:
        """Take in one line of Go's error output."""
        match kind_of(line):
            case Kind.DOWNLOAD:
                self.downloads += 1
            case Kind.PACKAGE:
                self.packages += 1
                self.linking = line == self.main_package
            case Kind.MESSAGE:
                self.messages.append(line)

    def describe(self) -> str:
        """Say in a few words how far it is."""
        if self.linking:
            return f"linking ({self.packages} packages compiled)"
        if self.packages:
            return f"compiled {self.packages} of {self.total} packages"
        if self.downloads:
            return f"fetched {self.downloads} modules"
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
        """Write something that stays."""
        self._stream.write(f"\r\033[K{text}\n" if self._terminal else f"{text}\n")
        self._stream.flush()
