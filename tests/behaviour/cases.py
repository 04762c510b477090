"""Cases in YAML: what happens to resources, objects beside them and Atlas, and what must be true afterwards.

A case is a list of steps, or ``each`` (variants by name, with the values of variables; ``with`` has those that they share) and
``steps``. A step is a mapping of actions, done in their order (a variable may hold several steps): `Steps` has one method for each,
and `Views` one for each thing that ``expect`` can ask for. An action and ``expect`` may name a resource: ``edit other``. In texts,
``$NAME`` stands for a variable or a constant. Times are such as ``90s`` or ``1h30m``.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence
    from pathlib import Path

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Case(NamedTuple):
    """A case of a file."""

    name: str
    steps: Sequence[Mapping[str, Any]]


class _Loader(yaml.SafeLoader):
    """Refuses a key that is there twice: the first of them would be lost."""

    @override
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [key.value for key, _ in node.value]
        assert len(names) == len(set(names)), f"{node.start_mark}: {names}"
        return super().construct_mapping(node, deep=deep)


def load(path: Path) -> Any:
    """Read a YAML file."""
    return yaml.load(path.read_text("utf-8"), _Loader)  # noqa: S506  # it is a SafeLoader


def cases(folder: Path, constants: Mapping[str, Any]) -> Iterator[Case]:
    """Yield all cases of a folder, each variant for itself."""
    for path in sorted(folder.glob("*.yaml")):
        for name, case in load(path).items():
            if isinstance(case, list):
                yield Case(f"{path.stem}: {name}", filled(case, constants))
                continue
            for variant, values in case["each"].items():
                known = {**constants, "variant": variant, **case.get("with", {}), **(values or {})}
                yield Case(f"{path.stem}: {name} [{variant}]", filled(case["steps"], known))


def filled(data: Any, values: Mapping[str, Any]) -> Any:
    """Replace variables and constants in all texts and keys; a text that is nothing else becomes the very value."""
    match data:
        case str() if data[:1] == "$" and data[1:] in values:
            return filled(values[data[1:]], values)
        case str():
            return re.sub(r"\$(\w+)", lambda found: str(values[found[1]]), data)
        case list():
            return [filled(each, values) for each in data]
        case dict():
            return {filled(name, values): filled(each, values) for name, each in data.items()}
        case _:
            return data


def seconds(text: str) -> float:
    """Return the seconds of a text such as ``1h30m``."""
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)([smhd])", text))


async def play(steps: object, case: Sequence[Mapping[str, Any]]) -> None:
    """Do the steps of a case, which may contain lists of steps, by the methods of their names."""
    for step in case:
        if isinstance(step, list):
            await play(steps, step)
            continue
        for words, data in step.items():
            action, _, name = words.partition(" ")
            running = getattr(steps, action)(data, name)
            if inspect.isawaitable(running):
                await running
