"""Building the programs of a Go module of this checkout, once.

They are rebuilt only when what they are made of has changed; a stamp beside them remembers a digest of that.
"""

from __future__ import annotations

import fcntl
import hashlib
import platform
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from control_plane.progress import BuildState, Progress
from control_plane.toolchain import ToolchainError, find_go

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CACHE = Path(__file__).resolve().parents[2] / ".cache"
"""Everything the checkout makes for itself; git ignores it."""

COMMON_FLAGS = ("-mod=readonly", "-buildvcs=false", "-trimpath")
"""Each flag is given so that none of them depends on the user's GOFLAGS."""

QUICK_FLAGS = ("-gcflags=all=-l -dwarf=false -d=ssa/prove/off,gcstart=1024",)
"""Flags for programs that are built more often than they are busy: the compiler inlines nothing, writes no debugging
information, proves no bounds, and collects no garbage before it has used 1 GiB. The package's documentation has figures."""


class BuildError(Exception):
    """Go could not build the programs; the message holds its words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoModule:
    """A Go module, and what is built from it.

    Attributes:
        title: What its programs are to people, such as `the control plane`.
        folder: Where its go.mod is.
        programs: The packages to build, by the names of the executables they become.
        links: Other names that an executable answers to, by its name.
        flags: What `go build` is told beside `COMMON_FLAGS`.
        requirements: The file that says which modules are needed, beside one with their checksums; `go.mod`, or another in
            the same folder from which other releases of the same programs are built.
        patience: How long it takes when nothing is cached.
        way_out: What spares the build, for those who have no Go; empty if nothing does.
    """

    title: str
    folder: Path
    programs: Mapping[str, str]
    links: Mapping[str, Sequence[str]]
    flags: Sequence[str]
    patience: str
    requirements: str = "go.mod"
    way_out: str = ""

    def sources(self) -> dict[str, bytes]:
        """Read the files that the programs are made of, by their paths in the module.

        A folder within that has a go.mod of its own is a module of its own.
        """
        others = {path.parent for path in self.folder.rglob("go.mod")} - {self.folder}
        required = {self.requirements, Path(self.requirements).with_suffix(".sum").name}
        return {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in self.folder.rglob("*")
            if (path.suffix == ".go" and not path.stem.endswith("_test")) or path.name in required
            if others.isdisjoint(path.parents)
        }

    def requirement_flags(self) -> list[str]:
        """Say where Go finds what is required, if not where it looks by itself."""
        return [] if self.requirements == "go.mod" else [f"-modfile={self.requirements}"]


def digest(sources: Mapping[str, bytes], flags: Sequence[str], machine: str) -> str:
    """Name what a binary is made of: the same digest, the same binary.

    Args:
        sources: The contents of the source files by name.
        flags: What `go build` is told.
        machine: The operating system and processor it runs on.
    """
    parts = [machine.encode(), *(flag.encode() for flag in flags)]
    for name in sorted(sources):
        parts += [name.encode(), sources[name]]
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))  # so that moving a byte from one part to the next is a change
        total.update(part)
    return total.hexdigest()


def ensure_built(module: GoModule, target: Path) -> Path:
    """Build the programs of a module into a folder, unless they are there and up to date.

    Two processes may ask at once: one of them builds, the other waits for it.

    Returns:
        The folder with the programs.
    """
    flags = [*COMMON_FLAGS, *module.requirement_flags(), *module.flags]
    wanted = digest(module.sources(), flags, f"{platform.system()} {platform.machine()}")
    stamp = target / "stamp"
    if _reads(stamp, wanted):
        return target
    target.mkdir(parents=True, exist_ok=True)
    progress = Progress(sys.stderr)
    with _locked(target / "lock", module, progress):
        if not _reads(stamp, wanted):  # else the process that held the lock has built it meanwhile
            unfinished = _build(module, target, flags, progress)
            stamp.unlink(missing_ok=True)  # a failed build leaves stamp and binary alone; from here on they disagree
            _install(module, unfinished, target, progress)
            stamp.write_text(wanted)
    return target


def _reads(stamp: Path, wanted: str) -> bool:
    try:
        return stamp.read_text() == wanted
    except FileNotFoundError:
        return False


@contextmanager
def _locked(path: Path, module: GoModule, progress: Progress) -> Iterator[None]:
    with path.open("w") as lock:  # the kernel gives the lock back when its holder ends, however it ends
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say(f"another process is building {module.title}; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(module: GoModule, target: Path, flags: Sequence[str], progress: Progress) -> dict[str, Path]:
    """Build the programs, and give the files by the names of the programs."""
    try:
        go, environment = find_go(module.folder, CACHE / "go", builds=module.title)
    except ToolchainError as error:
        raise ToolchainError(
            f"{error}, or build nothing: {module.way_out}." if module.way_out else f"{error}."
        ) from None
    progress.say(f"building {module.title} ({module.patience} when nothing is cached)")
    unfinished = {}
    for name, package in module.programs.items():
        # Under a name of its own until it is whole: one that runs keeps the old file, a killed build leaves none.
        unfinished[name] = target / f"{name}.unfinished"
        command = [go, "build", "-v", *flags, "-o", str(unfinished[name]), package]
        _run(command, module.folder, environment, progress)
    return unfinished


def _install(module: GoModule, unfinished: Mapping[str, Path], target: Path, progress: Progress) -> None:
    names: list[str] = []
    for name, binary in unfinished.items():
        binary.replace(target / name)
        for other in module.links.get(name, ()):
            link = target / other
            link.unlink(missing_ok=True)
            link.symlink_to(name)
        names += module.links.get(name, [name])
    megabytes = sum((target / name).stat().st_size for name in unfinished) / 1e6
    progress.say(f"built {', '.join(names)}: {megabytes:.0f} MB in {target}")


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str], progress: Progress) -> None:
    state = BuildState()
    with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        reader = threading.Thread(target=_follow, args=(process.stderr, state), daemon=True)
        reader.start()
        try:
            while process.poll() is None:
                progress.show(state.describe())
                reader.join(timeout=0.2)
        except BaseException:  # the user's ^C among others: Go must not work on unseen
            process.kill()
            raise
        reader.join()
        if process.returncode != 0:
            raise BuildError("\n".join([f"`{' '.join(command[:2])}` failed:", *state.messages[-40:]]))


def _follow(lines: Iterator[str], state: BuildState) -> None:
    for line in lines:
        state.see(line.rstrip())
