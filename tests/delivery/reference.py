"""The pages of reference, made from what they are about: the CRD's schema, the declarations of settings, the metrics."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import durationpy

from atlas_endpoints.cli import Commands
from atlas_endpoints.commands.check.settings import CheckSettings
from atlas_endpoints.commands.clusterless import ImportSettings, PlanSettings
from atlas_endpoints.commands.status.settings import StatusSettings
from atlas_endpoints.kinds import named
from atlas_endpoints.settings import OperatorSettings, SimulatorSettings
from crd import crd_of
from support.documentation import DOCS, buckets_of_metrics, exported_metrics, told_of_metrics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings


FOLDER = DOCS / "reference"
SHORT = {
    name: f"-{short}" if len(short) == 1 else f"--{short}"
    for name, short in (Commands.model_config.get("cli_shortcuts") or {}).items()
    if isinstance(short, str)
}
"""Other names of flags."""


KINDS = {
    "BackupPrivateEndpoint": "backup.md",
    "DataFederationPrivateEndpoint": "data-federation.md",
    "DedicatedPrivateEndpoint": "dedicated.md",
    "EncryptionAtRestPrivateEndpoint": "encryption-at-rest.md",
    "PrivateEndpointRegionalMode": "regional-mode.md",
    "ServerlessPrivateEndpoint": "serverless.md",
    "StreamPrivateEndpoint": "streams.md",
}
"""The page of each kind."""


def resource(kind: str) -> str:
    """Make the page about a kind: each field of spec and status."""
    crd = crd_of(*named([kind]))
    (version,) = crd["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]
    names = crd["spec"]["names"]
    parts = [
        f"# {kind}",
        (
            f"`apiVersion: {crd['spec']['group']}/{version['name']}`, `kind: {names['kind']}`; for kubectl `{names['plural']}`,"
            f" short `{names['shortNames'][0]}`. `kubectl explain` shows the same texts."
            " kubectl refuses a field that this page does not contain."
            f" The other kinds are {_listed(f'[{other}]({page})' for other, page in KINDS.items() if other != kind)}."
        ),
        schema["description"],
        "Selectors of fields: "
        + ", ".join(f"`{each['jsonPath'].removeprefix('.')}`" for each in version["selectableFields"])
        + f" (`kubectl get {names['shortNames'][0]} --field-selector spec.projectId=…`).",
    ]
    rules = _rules(schema, "")
    for name in ("spec", "status"):
        part = schema["properties"][name]
        parts += [f"## {name}", part["description"]]
        parts += _fields(part, name, rules)
    return _page(parts, "crds/")


def _listed(names: Iterable[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}"


class _Field(NamedTuple):
    path: str
    schema: Mapping[str, Any]
    required: bool


def _walk(schema: Mapping[str, Any], path: str) -> Iterator[_Field]:
    for name, each in schema.get("properties", {}).items():
        own = f"{path}.{name}"
        yield _Field(own, each, name in schema.get("required", ()))
        yield from _walk(each.get("items", each), own)


def _rules(schema: Mapping[str, Any], path: str) -> dict[str, list[str]]:
    """Give the messages of all rules, by the field that they are about."""
    found: dict[str, list[str]] = {}
    for rule in schema.get("x-kubernetes-validations", ()):
        about = f"{path}{rule.get('fieldPath', '')}".removeprefix(".")
        found.setdefault(about, []).append(rule["message"])
    for name, each in schema.get("properties", {}).items():
        for about, messages in _rules(each, f"{path}.{name}").items():
            found.setdefault(about, []).extend(messages)
    return found


def _fields(schema: Mapping[str, Any], path: str, rules: Mapping[str, list[str]]) -> Iterator[str]:
    for field in _walk(schema, path):
        yield f"{'#' * min(field.path.count('.') + 2, 5)} {field.path}"
        yield f"*{', '.join(_facts(field))}*"
        if "description" in field.schema:
            yield field.schema["description"]
        if field.path in rules:
            messages = "\n".join(f"- {each}" for each in rules[field.path])
            yield f"The API server refuses a value that breaks a rule, with one of these messages:\n\n{messages}"


BOUNDS = {
    "default": "default `{}`",
    "maxLength": "at most {} characters",
    "minimum": "at least {}",
    "maxItems": "at most {} entries",
}
"""What is told of a field beside its type, by the words of its schema."""


def _facts(field: _Field) -> Iterator[str]:
    schema = field.schema
    items = schema.get("items")
    yield f"list of {items['type']}s" if items else schema["type"]
    yield "required" if field.required else "optional"
    if "enum" in schema:
        yield "one of " + ", ".join(f"`{each}`" for each in schema["enum"])
    yield from (told.format(schema[name]) for name, told in BOUNDS.items() if name in schema)


COMMANDS: dict[str, type[BaseSettings]] = {
    "run": OperatorSettings,
    "check": CheckSettings,
    "status": StatusSettings,
    "plan": PlanSettings,
    "import": ImportSettings,
    "simulate": SimulatorSettings,
}
"""The commands and what they read."""


def settings() -> str:
    """Make the page about all flags and variables of all commands."""
    parts = [
        "# Commands, flags and variables",
        (
            "Each setting of `atlas-endpoints` is a flag and an environment variable; the flag overrides the variable."
            " [Settings](../settings.md) explains references, outputs and annotations, and"
            " [Commands](../commands.md) the other commands. `atlas-endpoints --version` prints the version."
        ),
    ]
    for command, declared in COMMANDS.items():
        own = {
            name: field
            for name, field in declared.model_fields.items()
            if (command != "check" or name not in OperatorSettings.model_fields) and name != "resource"  # no flag
        }
        parts += [f"## atlas-endpoints {command}", _first_line(declared)]
        parts += ["It takes all settings of `run`, and these:"] if command == "check" else []
        prefix = declared.model_config.get("env_prefix", "")
        rows = [_row(name, field, prefix) for name, field in own.items()]
        parts.append("\n".join(["| flag | variable | default | meaning |", "| --- | --- | --- | --- |", *rows]))
    return _page(parts, "operator/atlas_endpoints/settings.py, commands/clusterless.py and commands/status/settings.py")


def _first_line(declared: type[BaseSettings]) -> str:
    return (declared.__doc__ or "").strip().partition("\n")[0]


def _row(name: str, field: FieldInfo, prefix: str) -> str:
    flags = ", ".join(f"`{each}`" for each in (f"--{name.replace('_', '-')}", SHORT.get(name)) if each)
    return f"| {flags} | `{prefix}{name.upper()}` | {_default(field.default)} | {field.description} |"


def _default(value: Any) -> str:
    match value:
        case None | "" | ():
            return ""
        case bool():
            return f"`{str(value).lower()}`"
        case timedelta():
            return f"`{durationpy.to_str(value)}`"
        case tuple():
            return ", ".join(f"`{each}`" for each in value)
        case _:
            return f"`{value}`"


def metrics() -> str:
    """Make the page about all metrics, as a scrape tells of them."""
    told, buckets = told_of_metrics(), buckets_of_metrics()
    rows = []
    for name, (type_, labels) in sorted(exported_metrics().items()):
        shown = ", ".join(f"`{label}`" for label in sorted(labels))
        bounds = f" Buckets: {', '.join(f'{each:g}' for each in buckets[name])} s." if name in buckets else ""
        rows.append(f"| `{name}` | {type_} | {shown} | {told[name]}{bounds} |")
    parts = [
        "# All metrics",
        (
            "All metrics of `/metrics` by name, with their help texts. [Metrics and probes](../metrics.md)"
            " explains labels, and has useful queries."
        ),
        "\n".join(["| metric | type | labels | help text |", "| --- | --- | --- | --- |", *rows]),
    ]
    return _page(parts, "operator/atlas_endpoints/telemetry and process/runtime_metrics.py")


def _page(parts: list[str], source: str) -> str:
    note = f"<!-- Made from {source} by `make generate`: do not edit. -->"
    return "\n\n".join([parts[0], note, *parts[1:]]) + "\n"


PAGES: dict[Path, Callable[[], str]] = {
    **{FOLDER / page: partial(resource, kind) for kind, page in KINDS.items()},
    FOLDER / "settings.md": settings,
    FOLDER / "metrics.md": metrics,
}
"""Each page, and what makes it."""
