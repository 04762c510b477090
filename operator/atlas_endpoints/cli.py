"""The commands: each reads its settings and passes them on.

Flags and environment variables come from the declarations of the settings. Each command is imported when it is called, because
an operator that starts needs no other one: that is a fifth of the time of all imports.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar

from pydantic import Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, CliSubCommand, SettingsConfigDict, get_subcommand

from atlas_endpoints import __version__
from atlas_endpoints.atlas.errors import one_line
from atlas_endpoints.cluster.errors import ClusterWentBackError, NoClusterError, SelectorRefusedError
from atlas_endpoints.commands.check.settings import CheckSettings
from atlas_endpoints.commands.clusterless import ImportSettings, PlanSettings
from atlas_endpoints.commands.help import VALUES, command_line, declared
from atlas_endpoints.commands.status.settings import StatusSettings
from atlas_endpoints.kinds import IMPORTERS, KINDS, named
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.process import app
from atlas_endpoints.settings import (
    OperatorSettings,
    SimulatorSettings,
    unknown_variables,
)
from atlas_endpoints.telemetry import logs
from atlas_endpoints.telemetry.causes import words_of

if sys.platform == "win32":
    new_event_loop = asyncio.new_event_loop
else:
    import uvloop

    new_event_loop = uvloop.new_event_loop

T = TypeVar("T")

FAILED, USAGE = 1, 2

PROGRAM = "atlas-endpoints"

logger = logging.getLogger(__name__)


class Commands(BaseSettings):
    """A Kubernetes operator for private endpoints of MongoDB Atlas."""

    model_config = SettingsConfigDict(
        cli_prog_name=PROGRAM,
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        cli_shortcuts={"filename": "f", "namespace": "n", "output": "o", "recursive": "R", "target": "as"},
    )

    run: CliSubCommand[OperatorSettings] = Field(description="Run the operator")
    check: CliSubCommand[CheckSettings] = Field(
        description="Check what the operator needs, and show how to solve each problem; changes nothing"
    )
    status: CliSubCommand[StatusSettings] = Field(
        description="Show resources or one in detail, or write a support bundle about them; changes nothing"
    )
    plan: CliSubCommand[PlanSettings] = Field(
        description="Show what manifests would change in Atlas; needs no cluster and changes nothing"
    )
    import_: CliSubCommand[ImportSettings] = Field(
        alias="import", description="Write manifests for the endpoints that exist in Atlas; changes nothing"
    )
    simulate: CliSubCommand[SimulatorSettings] = Field(description="Run a simulated Atlas on this machine")


def main(arguments: Sequence[str] | None = None, kinds: Sequence[KindWithCommands[Any]] = KINDS) -> int:
    """Run the command in the arguments (by default the process's own), and return its exit code.

    Returns:
        0: done. 1: failed. 2: the arguments or a setting are wrong. 3: a plan would change something. A replica that
            loses the leadership does not return: see ``leadership.LOST``.
    """
    _open_closed_streams()
    arguments = sys.argv[1:] if arguments is None else arguments
    if list(arguments) == ["--version"]:
        sys.stdout.write(f"atlas-endpoints {__version__}\n")
        return 0
    try:
        source = command_line(Commands, _program())(args=list(arguments or ["--help"]))
        command = get_subcommand(Commands(_cli_settings_source=source))  # pyright: ignore[reportCallIssue]  # from the base class
    except ValidationError as error:
        return _usage(error)
    match command:
        case CheckSettings() | OperatorSettings():
            return _of_operator(command, kinds)
        case StatusSettings():
            from atlas_endpoints.commands.status import command as status

            return 0 if _result(status.run(command, kinds, _print, _say), failed=False) else FAILED
        case PlanSettings():
            from atlas_endpoints.commands.plan import command as plan

            return _result(plan.run(command, kinds, _print, _say), failed=FAILED)
        case ImportSettings():
            return _import(command)
        case SimulatorSettings():
            return _result(_simulate(command), failed=FAILED)
        case _:
            return USAGE


def _program() -> str:
    """Return the command as it was typed: also as a plugin of kubectl."""
    return f"kubectl {PROGRAM}" if Path(sys.argv[0]).name.startswith("kubectl-") else PROGRAM


def _open_closed_streams() -> None:
    """Open what the caller has closed, in the order of their numbers: else a connection gets the number, and libuv aborts."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115  # for the whole process


def _of_operator(settings: OperatorSettings, kinds: Sequence[KindWithCommands[Any]]) -> int:
    """Run the command ``check`` or ``run``."""
    try:
        kinds = named(settings.kinds, kinds)
    except ValueError as error:
        _say(f"--kinds (ATLAS_ENDPOINTS_KINDS): {error}")
        return USAGE
    if isinstance(settings, CheckSettings):
        from atlas_endpoints.commands.check import command as check

        return 0 if _result(check.run(settings, kinds, _print, _say), failed=False) else FAILED
    return _operate(settings, kinds)


def _import(settings: ImportSettings) -> int:
    from atlas_endpoints.commands import importing

    if (misuse := importing.misuse(settings, IMPORTERS)) is not None:
        name, why = misuse
        _say(f"{_flag(name, settings.model_config)}: {why}")
        return USAGE
    return 0 if _result(importing.run(settings, IMPORTERS, _print, _say), failed=False) else FAILED


def _operate(settings: OperatorSettings, kinds: Sequence[KindWithCommands[Any]]) -> int:
    logs.configure(settings.log_format, settings.log_level)
    for name in unknown_variables():
        logger.warning("%s is no setting of the operator in this version, and has no effect", name)
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(app.run(settings, kinds))
    except (NoClusterError, SelectorRefusedError, OSError, ValueError) as error:
        logger.error("The operator cannot start: %s", error)  # noqa: TRY400  # a traceback would hide the sentence
        return FAILED
    except ClusterWentBackError as error:
        logger.error("The operator must be restarted: %s", error)  # noqa: TRY400  # as above
        return FAILED
    except Exception:
        logger.exception("The operator cannot continue")
        return FAILED
    return 0


def _result(work: Coroutine[Any, Any, T], *, failed: T) -> T:
    """Return the result of a command, or ``failed`` if it was interrupted or cannot run."""
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            return runner.run(work)
    except (NoClusterError, OSError, ValueError, RecursionError) as error:  # the last one: JSON without end
        _say(one_line(str(error), limit=2000))
    except KeyboardInterrupt:
        _say("The command was interrupted.")
    return failed


async def _simulate(settings: SimulatorSettings) -> int:
    from atlas_endpoints import simulator

    try:
        await simulator.serve(
            host=settings.host,
            port=settings.port,
            seed=settings.seed,
            transition=settings.transition,
            latency=settings.latency,
        )
    except OSError as error:
        place = f"{settings.host}:{settings.port}"
        raise OSError(f"cannot listen at {place} ({words_of(error)}): set another --port or --host") from error
    return 0


def _usage(error: ValidationError) -> int:
    """Print each wrong setting with its flag and its variable, since either may contain it."""
    commands = declared(Commands)
    for each in error.errors(include_url=False):
        command, *names = map(str, each["loc"])
        name = names[0] if names else command
        kind = commands.get(command)
        if name == "resource":  # no flag
            _say(f"{VALUES[name]}: {_why(each)}")
            continue
        flag = _flag(name, kind.model_config) if kind and names else f"--{name}"
        _say(f"{flag}: {_why(each)}")
    return USAGE


def _why(error: ErrorDetails) -> str:
    """Return why a setting is wrong: our own words, or else pydantic's with the value."""
    must = "on or off" if error["type"].startswith("bool") else error["msg"].removeprefix("Input should be ")
    if must == error["msg"]:
        return must.removeprefix("Value error, ")
    return f"{one_line(str(error['input']), limit=80)!r} must be {must.partition(', unable')[0]}"


def _flag(name: str, config: SettingsConfigDict) -> str:
    """Return a setting as its flag and its variable."""
    return f"--{name.replace('_', '-')} ({config.get('env_prefix', '')}{name.upper()})"


def _print(line: str) -> None:
    _write(sys.stdout, line)


def _say(line: str) -> None:
    _write(sys.stderr, line)


def _write(stream: TextIO, line: str) -> None:
    try:
        stream.write(line + "\n")
        stream.flush()
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe; the exit code still matters.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
