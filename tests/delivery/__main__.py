"""The command line: `python -m delivery build [PROGRAM...] | generate | bundle FOLDER`, which make calls."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from control_plane.go_build import BuildError
from control_plane.toolchain import ToolchainError
from delivery import bundle, generated
from delivery.argo_lua import provide_argo_lua
from delivery.programs import APART, PACKAGES, provide
from delivery.promtool import provide_promtool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


PROVIDERS: Mapping[str, Callable[[], Path]] = {
    **{name: partial(provide, name) for name in (*PACKAGES, *APART)},
    "argolua": provide_argo_lua,
    "promtool": provide_promtool,
}


def main() -> None:
    """Run a command; what the user can mend is told in words, without a traceback."""
    parser = argparse.ArgumentParser(
        prog="delivery", description="What the delivery of the operator is made and tested with."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    builder = commands.add_parser(
        "build", help="build the programs that the delivery tests need, unless they are up to date"
    )
    builder.add_argument(
        "names", nargs="*", metavar="PROGRAM", help=f"of {', '.join(PROVIDERS)}; all when none is named"
    )
    commands.add_parser("generate", help="bring the generated files up to date")
    bundler = commands.add_parser("bundle", help="make the bundle by which OLM installs the operator")
    bundler.add_argument("folder", type=Path)
    options = parser.parse_args()
    try:
        if options.command == "build":
            if unknown := set(options.names) - set(PROVIDERS):
                parser.error(f"no program {', '.join(unknown)}; there are {', '.join(PROVIDERS)}")
            for name in options.names or PROVIDERS:
                sys.stdout.write(f"{name}: {PROVIDERS[name]()}\n")
        elif options.command == "bundle":
            bundle.write(options.folder)
        else:
            for name in generated.generate() or ["nothing"]:
                sys.stdout.write(f"generated {name}\n")
    except (BuildError, ToolchainError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
