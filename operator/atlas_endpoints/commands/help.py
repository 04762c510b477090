"""The flags of the commands as argparse has them: a command's own first, with the types that people know."""

import argparse
import inspect
import re
from collections.abc import Mapping
from datetime import timedelta
from difflib import get_close_matches
from typing import Any, NoReturn, get_args

import durationpy
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, CliSettingsSource
from typing_extensions import override

from atlas_endpoints.settings import AtlasSettings, OperatorSettings

GROUPS: Mapping[type[BaseSettings], str] = {
    AtlasSettings: "the way to Atlas",
    OperatorSettings: "settings of the operator, as for run",
}
"""The headings of inherited flags."""

TYPES: Mapping[str, str] = {
    "Path": "FILE",
    "bool": "on|off",
    "float": "SECONDS",
    "int": "NUMBER",
    "str": "NAME",
    "timedelta": "DURATION",
    "tuple[str,...]": "NAME,...",
}
"""What stands for a value, by pydantic's name of its type."""

VALUES: Mapping[str, str] = {
    "atlas_url": "URL",
    "credentials_secret": "NAMESPACE/NAME",
    "filename": "FILE",
    "from_here": "HOST",
    "gcp_project": "ID",
    "host": "ADDRESS",
    "http_address": "HOST:PORT",
    "label_selector": "LABELS",
    "max_corrections": "SHARE|NUMBER",
    "output_dir": "FOLDER",
    "project": "ID",
    "region": "REGION",
    "resource": "NAMESPACE/NAME",
    "secret": "NAMESPACE/NAME",
    "target": "KIND",
}
"""The same, by the setting, where the type says too little."""


class Parser(argparse.ArgumentParser):
    """A parser that names the most similar flag when it refuses one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._flags: list[str] = []
        self._groups: dict[str, argparse._ArgumentGroup] = {}

    def declare(self, heading: str | None, *names: str, **options: Any) -> argparse.Action:
        """Add an argument under a heading; None: under that of the command's own."""
        if names[0].startswith("-"):
            self._flags += names
        else:
            self.usage = f"%(prog)s [{options['metavar']}] [flags]"
        if heading is None:
            return self.add_argument(*names, **options)
        group = self._groups.get(heading) or self.add_argument_group(heading)
        self._groups[heading] = group
        return group.add_argument(*names, **options)

    @override
    def error(self, message: str) -> NoReturn:
        refused = re.search(r"invalid choice: '([^']*)' [(]choose from (.*)[)]", message)
        alike = get_close_matches(refused[1], re.findall(r"[a-z]+", refused[2]), n=1) if refused else []
        super().error(f"{message}. Did you mean {alike[0]}?" if alike else message)

    @override
    def parse_known_args(self, *args: Any, **options: Any) -> Any:
        found, unknown = super().parse_known_args(*args, **options)
        if unknown:
            names = {each.lstrip("-"): each for each in self._flags}
            alike = get_close_matches(unknown[0].lstrip("-").partition("=")[0], names, n=1)
            hint = f". Did you mean {names[alike[0]]}?" if alike else f". See {self.prog} --help."
            if "f" in names and not unknown[0].startswith("-"):
                hint = f". Did you mean -f {unknown[0]}?"
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return found, unknown


def declared(commands: type[BaseSettings]) -> dict[str, type[BaseSettings]]:
    """Return the settings of each command by its name."""
    return {field.alias or name: get_args(field.annotation)[0] for name, field in commands.model_fields.items()}


def command_line(commands: type[BaseSettings], program: str) -> CliSettingsSource[Parser]:
    """Return the source of settings that parses arguments; ``source(args=…)`` does so."""
    settings = declared(commands)

    def add_argument(parser: Parser, *names: str, **options: Any) -> argparse.Action:
        command, _, name = str(options.get("dest", names[0])).partition(".")
        field = settings[command].model_fields[name]
        if "metavar" in options:
            options["metavar"] = VALUES.get(name) or TYPES.get(options["metavar"], options["metavar"])
        options["help"] = _help(field)
        owner = next(each for each in settings[command].__mro__ if name in inspect.get_annotations(each))
        return parser.declare(None if owner is settings[command] else GROUPS.get(owner), *names, **options)

    def add_parser(subparsers: Any, name: str, **options: Any) -> Parser:
        description = inspect.cleandoc(options.pop("description") or "")
        parser: Parser = subparsers.add_parser(name, description=description, usage="%(prog)s [flags]", **options)
        return parser

    root = Parser(
        prog=program,
        description=commands.__doc__,
        epilog=f"{program} COMMAND --help shows the flags of a command, with examples; {program} --version shows the version.",
        allow_abbrev=False,
    )
    return CliSettingsSource(commands, root_parser=root, add_argument_method=add_argument, add_parser_method=add_parser)


def _help(field: FieldInfo) -> str:
    """Return the description of a setting, with its default if it has one."""
    match field.default:
        case bool() as value:
            shown = "on" if value else "off"
        case timedelta() as value:
            shown = durationpy.to_str(value)
        case tuple() as value:
            shown = ", ".join(value)
        case value:
            shown = "" if value is None or field.is_required() else str(value)
    return f"{field.description}{f' (default: {shown})' if shown else ''}".replace("%", "%%")
