"""The product with the kind of the tests beside its own: ``python -m toy run …``, ``… plan …``, ``… simulate …``."""

import asyncio
import sys

from pydantic_settings import get_subcommand

from atlas_endpoints import simulator
from atlas_endpoints.cli import Commands, main
from atlas_endpoints.kinds import KINDS
from atlas_endpoints.settings import SimulatorSettings
from toy.notice import NOTICES
from toy.simulated import notices

match get_subcommand(Commands(_cli_parse_args=sys.argv[1:])):  # pyright: ignore[reportCallIssue]  # from the base class
    case SimulatorSettings() as settings:
        asyncio.run(simulator.serve(port=settings.port, seed=settings.seed, families=[notices]))
    case _:
        sys.exit(main(kinds=[*KINDS, NOTICES]))
