"""The command line: `python -m delivery build [PROGRAM...] | generate`, which make calls."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from typing import TYPE_CHECKING

from control_plane.go_build import BuildError
from control_plane.toolchain import ToolchainError
from delivery import generated
from delivery.argo_lua import provide_argo_lua
from delivery.programs import PACKAGES, provide
from delivery.promtool import provide_promtool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


PROVIDERS: Mapping[str, Callable[[], Path]] = {
    **{name: partial(provide, name) for name in PACKAGES},
    "argolua": provide_argo_lua,
    "promtool": provide_promtool,
}


def build(names: Sequence[str]) -> None:
    """Build the programs that the delivery tests need, all or some, unless they are up to date, and print their paths."""
    for name, path in {name: PROVIDERS[name]() for name in names or PROVIDERS}.items():
        sys.stdout.write(f"{name}: {path}\n")


def generate() -> None:
    """Bring the generated files up to date."""
    for name in generated.generate() or ["nothing"]:
        sys.stdout.write(f"generated {name}\n")


def main() -> None:
    """Run a command; what the user can mend is told in words, without a traceback."""
    parser = argparse.ArgumentParser(
        prog="delivery", description="What the delivery of the operator is made and tested with."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser("build", help=build.__doc__, description=build.__doc__)
    builder.add_argument(
        "names", nargs="*", metavar="PROGRAM", help=f"of {', '.join(PROVIDERS)}; all when none is named"
    )
    commands.add_parser("generate", help=generate.__doc__, description=generate.__doc__)
    options = parser.parse_args()
    if options.command == "build" and (unknown := set(options.names) - set(PROVIDERS)):
        parser.error(f"no program {', '.join(unknown)}; there are {', '.join(PROVIDERS)}")
    try:
        build(options.names) if options.command == "build" else generate()
    except (BuildError, ToolchainError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
