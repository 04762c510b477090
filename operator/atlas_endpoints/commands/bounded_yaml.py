"""Parse YAML and JSON of unknown origin within bounds, as kubectl does. Pure.

A pull request may bring any file into a pipeline. By aliases, a few hundred bytes may expand to billions of values, or
contain themselves. So values are counted, with aliases resolved, before any is made.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from typing_extensions import override

from atlas_endpoints.atlas.errors import one_line

MOST_NODES = 100_000
"""Values of a document with its aliases resolved; a resource with its status has about 200."""

MOST_LEVELS = 100
"""Levels of nested values; a CRD with the schema of a Pod has 40."""

LONG_TEXT = 64
"""Characters of a text that count as one more value."""

LONGEST_NUMBER = 64
"""Characters of a number."""


@dataclass(slots=True)
class Budget:
    """What one run may still read.

    Attributes:
        size: bytes.
        nodes: scalars, lists and objects.
    """

    size: int = 32 << 20
    nodes: int = 300_000


class InvalidYamlError(Exception):
    """A text is not YAML, or is more than a manifest may hold; the message is one line."""

    def __init__(self, problem: object, mark: yaml.Mark | None) -> None:
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        text = f"is not valid YAML, so the rest of the file is ignored: {where}{problem}"
        super().__init__(one_line(text, limit=400))


def load(text: str, budget: Budget) -> Iterator[tuple[int, Any]]:
    """Yield each document of a text with its first line.

    Raises:
        InvalidYamlError: the text is not valid.
    """
    loader = None
    try:
        loader = _Loader(text, budget)
        while loader.check_node() and (node := loader.get_node()) is not None:
            yield node.start_mark.line + 1, loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        raise InvalidYamlError(error.problem, error.problem_mark) from error
    except (yaml.YAMLError, *_OTHER_ERRORS) as error:
        raise InvalidYamlError(error, loader.get_mark() if loader is not None else None) from error


_OTHER_ERRORS = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""PyYAML's other errors for an invalid escape, directive or tag."""


class _Loader(yaml.SafeLoader):
    """Counts values, with aliases resolved. Dates and keys are texts, and keys are unique."""

    yaml_implicit_resolvers = {  # noqa: RUF012  # as in the base class
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def __init__(self, text: str, budget: Budget) -> None:
        super().__init__(text)
        self._budget = budget
        self._size = self._depth = self._deepest = 0
        self._anchored: dict[str, tuple[int, int]] = {}

    @override
    def compose_document(self) -> yaml.Node | None:
        self._size = self._depth = self._deepest = 0
        self._anchored = {}
        return super().compose_document()

    @override
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # of the stubs
        mark = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            node = super().compose_node(parent, index)
            if event.anchor not in self._anchored:
                problem = f"the alias *{event.anchor} is part of its own value"
                raise InvalidYamlError(problem, mark)
            size, height = self._anchored[event.anchor]
            self._count(size, 1 + height, mark)
            return node
        size, deepest = self._size, self._deepest
        self._depth += 1
        self._deepest = self._depth
        self._budget.nodes -= 1
        self._count(1 + len(getattr(event, "value", "")) // LONG_TEXT, 0, mark)
        node = super().compose_node(parent, index)
        if event.anchor is not None:
            self._anchored[event.anchor] = (self._size - size, self._deepest - self._depth)
        self._deepest = max(self._deepest, deepest)
        self._depth -= 1
        if node is not None:
            node.end_mark = None  # unused, and a third of a node's memory
        return node

    def _count(self, size: int, height: int, mark: yaml.Mark) -> None:
        """Add values, and levels below the current one; raise an error beyond a limit."""
        self._size += size
        self._deepest = max(self._deepest, self._depth + height)
        if self._deepest > MOST_LEVELS:
            problem = f"it has more than {MOST_LEVELS} nested levels"
        elif self._size > MOST_NODES:
            problem = f"it has more than {MOST_NODES} values, with aliases resolved: split it"
        elif self._budget.nodes < 0:
            problem = "the files before it are too large together: run the command with fewer files"
        else:
            return
        raise InvalidYamlError(problem, mark)

    @override
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):  # such as a list with the tag of a set
            return super().construct_mapping(node, deep=deep)  # raises
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise InvalidYamlError(f"the key {key.value!r} occurs twice", key.start_mark)
                seen.add(key.value)
        self.flatten_mapping(node)
        node.value = [(_as_text(key), value) for key, value in node.value]
        return super().construct_mapping(node, deep=deep)

    @override
    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        if isinstance(node, yaml.ScalarNode) and tag in {"!!int", "!!float"} and len(node.value) > LONGEST_NUMBER:
            problem = f"the number has {len(node.value)} characters: put it in quotes if it is a text"
            raise InvalidYamlError(problem, node.start_mark)
        try:
            return super().construct_object(node, deep=deep)
        except _OTHER_ERRORS as error:
            shown = repr(one_line(node.value[:80], limit=40)) if isinstance(node, yaml.ScalarNode) else "this"
            problem = f"{shown} is not a value of the tag {tag}"
            raise InvalidYamlError(problem, node.start_mark) from error

    @override
    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        # JSON writes a character beyond U+FFFF as two escapes; one of them alone is invalid.
        return str(super().construct_scalar(node)).encode("utf-16", "surrogatepass").decode("utf-16")


def _as_text(key: yaml.Node) -> yaml.Node:
    if not isinstance(key, yaml.ScalarNode):
        return key
    return yaml.ScalarNode("tag:yaml.org,2002:str", key.value, key.start_mark, key.end_mark)
