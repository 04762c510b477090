"""The command line: `python -m control_plane build | build-controller-manager | build-oldest | up | down`, which make calls."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from control_plane import detached
from control_plane.go_build import CACHE, BuildError
from control_plane.process import ServerExitedError
from control_plane.programs import (
    ASSETS_VARIABLE,
    OLDEST,
    OLDEST_TARGET,
    ProgramsError,
    ensure_built,
    provide_programs,
    required_version,
)
from control_plane.toolchain import ToolchainError

# argparse, for typer takes longer to load than all else that `build` does when there is nothing to build.


def build() -> None:
    """Build the control plane's programs, unless they are up to date."""
    programs = provide_programs()
    source = f" (of {ASSETS_VARIABLE})" if os.environ.get(ASSETS_VARIABLE) else ""
    _say(f"the control plane's programs are in {_short(programs.etcd.parent)}{source}")


def build_controller_manager() -> None:
    """Build kube-controller-manager too, which some tests need, unless it is up to date."""
    manager = provide_programs(controller_manager=True).kube_controller_manager
    _say(f"kube-controller-manager is {_short(manager) if manager else 'not there; what needs it is skipped'}")


def build_oldest() -> None:
    """Build the programs of the oldest Kubernetes that is supported, unless they are up to date."""
    folder = ensure_built(OLDEST_TARGET, OLDEST)
    _say(f"the programs of Kubernetes {required_version(OLDEST)} are in {_short(folder)}")


def up() -> None:
    """Start a control plane that stays, unless one runs, with its kubeconfig in .cache/kubeconfig."""
    programs = provide_programs()
    begun = time.monotonic()
    record, started = detached.up(programs)
    state = f"started in {time.monotonic() - begun:.1f} s" if started else "running already"
    kubeconfig = _short(CACHE / detached.KUBECONFIG)
    _say(f"the control plane is {state}: {record.url}, its kubeconfig is {kubeconfig}; try")
    _say(f"  KUBECONFIG={kubeconfig} {_short(programs.kubectl)} get namespaces")
    _say("it runs no kube-controller-manager, so a namespace never finishes deleting")
    _say(f"its logs are in {record.directory}; `make down` stops it and forgets its data")


def down() -> None:
    """Stop the control plane that `up` started, and forget its data."""
    record = detached.down()
    _say(
        "no control plane to stop: `up` has started none"
        if record is None
        else f"stopped the control plane at {record.url} and removed its data"
    )


COMMANDS = {
    "build": build,
    "build-controller-manager": build_controller_manager,
    "build-oldest": build_oldest,
    "up": up,
    "down": down,
}


def main() -> None:
    """Run a command; what the user can mend is told in words, without a traceback."""
    parser = argparse.ArgumentParser(prog="control_plane", description="A real Kubernetes control plane for tests.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.__doc__, description=command.__doc__)
    try:
        COMMANDS[parser.parse_args().command]()
    except (ToolchainError, BuildError, ProgramsError, ServerExitedError, TimeoutError) as error:
        sys.exit(f"error: {error}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _short(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


if __name__ == "__main__":
    main()
