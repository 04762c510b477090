"""The commands. No logic: each reads its settings and hands them on.

Flags and environment variables come from the settings' own declarations, so each is written once.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Sequence

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, CliSubCommand, SettingsConfigDict, get_subcommand

from atlas_endpoints import __version__, app, check, importing, inspection, planning, simulator
from atlas_endpoints.cluster.errors import ClusterWentBackError, NoClusterError, SelectorRefusedError
from atlas_endpoints.clusterless import ImportSettings, PlanSettings
from atlas_endpoints.event_loop import new_event_loop
from atlas_endpoints.kinds.registry import KINDS
from atlas_endpoints.settings import (
    CheckSettings,
    OperatorSettings,
    SimulatorSettings,
    StatusSettings,
    unknown_variables,
)
from atlas_endpoints.telemetry import logs

FAILED, USAGE = 1, 2

logger = logging.getLogger(__name__)


class Commands(BaseSettings):
    """A Kubernetes operator for MongoDB Atlas serverless private endpoints."""

    model_config = SettingsConfigDict(
        cli_prog_name="atlas-endpoints",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_shortcuts={"filename": "f", "output": "o", "recursive": "R", "target": "as"},
    )

    run: CliSubCommand[OperatorSettings] = Field(description="Run the operator")
    check: CliSubCommand[CheckSettings] = Field(
        description="Tell what is missing of what the operator needs, and what to do about it; changes nothing"
    )
    status: CliSubCommand[StatusSettings] = Field(
        description="Tell what is known of one resource, who else names its endpoint, and when it is looked at next"
    )
    plan: CliSubCommand[PlanSettings] = Field(
        description="Tell what manifests would change in Atlas; needs no cluster and changes nothing"
    )
    import_: CliSubCommand[ImportSettings] = Field(
        alias="import", description="Write manifests for the endpoints that Atlas holds already; changes nothing"
    )
    simulate: CliSubCommand[SimulatorSettings] = Field(description="Run a simulated Atlas on this machine")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments (by default the process's own) name, and return its exit code.

    Returns:
        0 done; 1 failed; 2 the arguments or a setting are wrong; 3 a plan would change something. Who loses the leadership does not return: see
        ``leadership.LOST``.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    if list(arguments) == ["--version"]:
        sys.stdout.write(f"atlas-endpoints {__version__}\n")
        return 0
    try:
        command = get_subcommand(
            Commands(_cli_parse_args=list(arguments or ["--help"]))  # pyright: ignore[reportCallIssue]  # from the base class
        )
    except ValidationError as error:
        return _usage(error)
    match command:
        case CheckSettings():
            return _check(command)
        case StatusSettings():
            return _status(command)
        case PlanSettings():
            return _plan(command)
        case ImportSettings():
            return _import(command)
        case OperatorSettings():
            return _operate(command)
        case SimulatorSettings():
            return _simulate(command)
        case _:
            return USAGE


def _operate(settings: OperatorSettings) -> int:
    logs.configure(settings.log_format, settings.log_level)
    for name in unknown_variables():
        logger.warning("%s is no setting of this version and has no effect", name)
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(app.run(settings, KINDS))
    except (NoClusterError, SelectorRefusedError, OSError, ValueError) as error:
        logger.error("The operator cannot start: %s", error)  # noqa: TRY400  # a traceback would hide the sentence
        return FAILED
    except ClusterWentBackError as error:
        logger.error("The operator has to be started anew: %s", error)  # noqa: TRY400  # as above
        return FAILED
    except Exception:
        logger.exception("The operator cannot go on")
        return FAILED
    return 0


def _check(settings: CheckSettings) -> int:
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            passed = runner.run(check.run(settings, _print))
    except KeyboardInterrupt:
        _say("The check was interrupted.")
        return FAILED
    return 0 if passed else FAILED


def _status(settings: StatusSettings) -> int:
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            found = runner.run(inspection.run(settings, _print, _say))
    except (NoClusterError, OSError, ValueError) as error:
        _say(str(error))
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    return 0 if found else FAILED


def _plan(settings: PlanSettings) -> int:
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(planning.run(settings, _print))
    except ValueError as error:
        _say(str(error))
        return FAILED
    except KeyboardInterrupt:
        _say("The plan was interrupted.")
        return FAILED


def _import(settings: ImportSettings) -> int:
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            complete = runner.run(importing.run(settings, _print, _say))
    except (ValueError, OSError) as error:
        _say(str(error))
        return FAILED
    except KeyboardInterrupt:
        _say("The import was interrupted.")
        return FAILED
    return 0 if complete else FAILED


def _simulate(settings: SimulatorSettings) -> int:
    try:
        asyncio.run(
            simulator.serve(
                host=settings.host,
                port=settings.port,
                seed=settings.seed,
                transition=settings.transition,
                latency=settings.latency,
            )
        )
    except (simulator.InvalidDocumentError, OSError) as error:
        _say(str(error))
        return FAILED
    return 0


def _usage(error: ValidationError) -> int:
    """Name each wrong setting by its flag and by its variable, since either may hold it."""
    prefixes: dict[str, type[BaseSettings]] = {
        "run": OperatorSettings,
        "check": CheckSettings,
        "status": StatusSettings,
        "plan": PlanSettings,
        "import": ImportSettings,
        "simulate": SimulatorSettings,
    }
    for each in error.errors(include_url=False):
        command, *names = map(str, each["loc"])
        name = names[0] if names else command
        kind = prefixes.get(command)
        if kind is StatusSettings:  # it takes no flag
            _say(f"{name.upper()} {each['msg'].removeprefix('Value error, ')}")
            continue
        variable = f" ({kind.model_config.get('env_prefix', '')}{name.upper()})" if kind and names else ""
        _say(f"--{name.replace('_', '-')}{variable}: {each['msg'].removeprefix('Value error, ')}")
    return USAGE


def _print(line: str) -> None:
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads, such as `head`, has had enough. The exit code is for somebody else.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
