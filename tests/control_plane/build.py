"""Building the control plane's one binary from the Go module beside this file.

The binary is rebuilt only when what it is made of has changed; a stamp beside it remembers a digest of that.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from control_plane.progress import BuildState, Progress
from control_plane.toolchain import find_go

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MODULE = Path(__file__).resolve().parent
CACHE = MODULE.parent.parent / ".cache"
"""Everything the checkout makes for itself; git ignores it."""
TARGET = CACHE / "control-plane"
BINARY = "control-plane"
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")
"""The names the binary answers to; the same as in its `main.go`."""
VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
"""Where the servers, and the clients' user agent, keep the release they belong to."""


class BuildError(Exception):
    """Go could not build the binary; the message holds its words."""


def kubernetes_version(go_mod: str) -> str:
    """Read the Kubernetes release, such as `v1.37.2`, from the text of a go.mod."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v\d+\.\d+\.\d+)$", go_mod, re.MULTILINE)
    if found is None:
        raise BuildError("go.mod requires no release of k8s.io/kubernetes")
    return found[1]


def build_flags(version: str) -> list[str]:
    """Say how `go build` makes a small binary that knows which Kubernetes release it is.

    Kubernetes' own release script sets the same variables. A module has no commit, so none is claimed.
    """
    major, minor, _ = version.removeprefix("v").split(".")
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitCommit": "", "gitTreeState": "clean"}
    stamps = [f"-X {package}.{name}={value}" for package in VERSION_PACKAGES for name, value in values.items()]
    # Each flag is given here so that none of them depends on the user's GOFLAGS.
    return ["-mod=readonly", "-buildvcs=false", "-trimpath", "-ldflags", " ".join(["-s -w", *stamps])]


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


def ensure_built(target: Path = TARGET) -> Path:
    """Build the programs into a folder, unless they are there and up to date.

    Two processes may ask at once: one of them builds, the other waits for it.

    Returns:
        The folder with `etcd`, `kube-apiserver`, `kube-controller-manager` and `kubectl`.

    Raises:
        ToolchainError: Go is missing or too old.
        BuildError: Go failed.
    """
    sources = {
        path.name: path.read_bytes()
        for path in MODULE.iterdir()
        if path.suffix == ".go" or path.name in {"go.mod", "go.sum"}
    }
    flags = build_flags(kubernetes_version(sources["go.mod"].decode()))
    wanted = digest(sources, flags, f"{platform.system()} {platform.machine()}")
    stamp = target / "stamp"
    if _reads(stamp, wanted):
        return target
    target.mkdir(parents=True, exist_ok=True)
    progress = Progress(sys.stderr)
    with _locked(target / "lock", progress):
        if not _reads(stamp, wanted):  # else the process that held the lock has built it meanwhile
            unfinished = _build(target, flags, progress)
            stamp.unlink(missing_ok=True)  # a failed build leaves stamp and binary alone; from here on they disagree
            _install(unfinished, target, progress)
            stamp.write_text(wanted)
    return target


def _reads(stamp: Path, wanted: str) -> bool:
    try:
        return stamp.read_text() == wanted
    except FileNotFoundError:
        return False


@contextmanager
def _locked(path: Path, progress: Progress) -> Iterator[None]:
    with path.open("w") as lock:  # the kernel gives the lock back when its holder ends, however it ends
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("another process is building the control plane; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(target: Path, flags: Sequence[str], progress: Progress) -> Path:
    go, environment = find_go(MODULE, CACHE / "go")
    progress.say("building the control plane (5 to 10 minutes on 2 cores when nothing is cached)")
    state = BuildState(main_package=BINARY)
    packages = _run([go, "list", "-mod=readonly", "-deps", "."], environment, state, progress)
    state.total = len(packages.splitlines())
    # Under a name of its own until it is whole: a running control plane keeps the old file, a killed build leaves none.
    unfinished = target / f"{BINARY}.unfinished"
    _run([go, "build", "-v", *flags, "-o", str(unfinished), "."], environment, state, progress)
    return unfinished


def _install(binary: Path, target: Path, progress: Progress) -> None:
    binary.replace(target / BINARY)
    for name in PROGRAMS:
        link = target / name
        link.unlink(missing_ok=True)
        link.symlink_to(BINARY)
    megabytes = (target / BINARY).stat().st_size / 1e6
    progress.say(f"built {', '.join(PROGRAMS)}: {megabytes:.0f} MB in {target}")


def _run(command: Sequence[str], environment: Mapping[str, str], state: BuildState, progress: Progress) -> str:
    """Run Go, showing how far it is, and return what it printed."""
    with (
        tempfile.TemporaryFile("w+") as output,
        subprocess.Popen(
            command, cwd=MODULE, env=environment, stdout=output, stderr=subprocess.PIPE, text=True
        ) as process,
    ):
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
        output.seek(os.SEEK_SET)
        return output.read()


def _follow(lines: Iterator[str], state: BuildState) -> None:
    for line in lines:
        state.see(line.rstrip())
