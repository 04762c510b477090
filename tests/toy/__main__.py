"""The product with the kind of the tests beside its own: ``python -m toy run …`` and ``python -m toy simulate …``."""

import asyncio
import sys

from pydantic_settings import get_subcommand

from atlas_endpoints import app, simulator
from atlas_endpoints.cli import Commands
from atlas_endpoints.kinds.registry import KINDS
from atlas_endpoints.settings import OperatorSettings, SimulatorSettings
from atlas_endpoints.telemetry import logs
from toy.notice import NOTICES
from toy.simulated import notices

match get_subcommand(Commands(_cli_parse_args=sys.argv[1:])):  # pyright: ignore[reportCallIssue]  # from the base class
    case OperatorSettings() as settings:
        logs.configure(settings.log_format, settings.log_level)
        asyncio.run(app.run(settings, [*KINDS, NOTICES]))
    case SimulatorSettings() as settings:
        asyncio.run(simulator.serve(port=settings.port, seed=settings.seed, families=[notices]))
    case command:
        sys.exit(f"{command} is no command of it")
