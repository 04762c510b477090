"""Showing how far a long build is, on a terminal and in the log of a CI job."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TERMINAL_INTERVAL = 0.2
"""Seconds between two updates of the one line on a terminal."""
LOG_INTERVAL = 5.0
"""Seconds between two lines of a log, which keeps them all."""
LIST_FORMAT = '{{.ImportPath}} {{len .Deps}} {{join .Imports " "}}'
"""What `go list -deps` prints of each package for an estimate."""
COST_OF_A_PACKAGE = 100
"""Compiling a package costs as much as reading so many dependencies: measured on the packages of Kubernetes."""
FIRST_ESTIMATE = 0.05
"""The part of the cost that is known before the time that is left is estimated."""


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


@dataclass(frozen=True, slots=True)
class Package:
    """A package that Go compiles.

    Attributes:
        cost: How long its compilation takes, in no unit.
        imports: The packages that are compiled before it; also indirectly through these.
    """

    cost: int
    imports: Sequence[str]


def packages_of(listed: str) -> dict[str, Package]:
    """Read the output of `go list` with `LIST_FORMAT`, in which the main package is the last one."""
    found = {}
    for line in listed.splitlines():
        name, dependencies, *imports = line.split()
        found[name] = Package(COST_OF_A_PACKAGE + int(dependencies), imports)
    return found


class BuildState:
    """How far a run of Go is."""

    def __init__(
        self, packages: Mapping[str, Package] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Start with the packages that are compiled at most; Go does not announce those in its cache."""
        self.messages: list[str] = []
        self._packages = packages or {}
        self._clock = clock
        self._downloads = 0
        self._compiled = 0
        self._cost = 0
        self._left = dict(self._packages)
        self._started = 0.0

    def see(self, line: str) -> None:
        """Take in one line of Go's error output."""
        match kind_of(line):
            case Kind.DOWNLOAD:
                self._downloads += 1
            case Kind.PACKAGE:
                self._see_package(line)
            case Kind.MESSAGE:
                self.messages.append(line)

    def describe(self) -> str:
        """Say in a few words how far it is."""
        if self._compiled and not self._left:
            return f"linking ({self._compiled} packages compiled)"
        if self._compiled:
            return f"compiled {self._compiled} packages, {len(self._left)} to go{self._estimate()}"
        if self._downloads:
            return f"fetched {self._downloads} modules"
        return "reading the packages"

    def _see_package(self, name: str) -> None:
        self._started = self._started or self._clock()
        self._compiled += 1
        if name in self._packages:
            self._cost += self._packages[name].cost
        done = [name]  # with all that it imports, which Go compiled before or found in its cache
        while done:
            package = self._left.pop(done.pop(), None)
            done += package.imports if package else ()

    def _estimate(self) -> str:
        left = sum(package.cost for package in self._left.values())
        if self._cost < FIRST_ESTIMATE * left:
            return ""
        seconds = (self._clock() - self._started) * left / self._cost
        return f", about {seconds / 60:.0f} min" if seconds > 90 else f", about {seconds:.0f} s"


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
