"""The command line: `python -m delivery build | generate`, which make calls."""

from __future__ import annotations

import argparse
import sys

from control_plane.go_build import CACHE, BuildError
from control_plane.toolchain import ToolchainError
from delivery import generated
from delivery.argo_lua import provide_argo_lua
from delivery.programs import provide_delivery_programs
from delivery.promtool import provide_promtool


def build() -> None:
    """Build the programs that the delivery tests need, unless they are up to date."""
    provide_delivery_programs()
    provide_argo_lua()
    provide_promtool()
    sys.stdout.write(f"the programs for the delivery tests are in {CACHE}\n")


def generate() -> None:
    """Bring the generated files up to date."""
    for name in generated.generate(provide_delivery_programs()) or ["nothing"]:
        sys.stdout.write(f"generated {name}\n")


COMMANDS = {"build": build, "generate": generate}


def main() -> None:
    """Run a command; what the user can mend is told in words, without a traceback."""
    parser = argparse.ArgumentParser(
        prog="delivery", description="What the delivery of the operator is made and tested with."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.__doc__, description=command.__doc__)
    try:
        COMMANDS[parser.parse_args().command]()
    except (BuildError, ToolchainError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
