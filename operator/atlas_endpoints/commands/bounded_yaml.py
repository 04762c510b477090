"""Parse YAML and JSON of unknown origin, such as of a pull request, with bounds.

What expands is refused: aliases, merge keys and tags, which no manifest needs. Keys and dates are texts, as in JSON.
"""

from typing import Any

import yaml

from atlas_endpoints.atlas.errors import one_line

MOST_VALUES, MOST_LEVELS, LONGEST_NUMBER = 300_000, 100, 64
"""Values of a text, of which a resource with its status has about 200; levels of nested values; characters
of a number, of which a longer one is a text."""

TEXT, NUMBERS = "tag:yaml.org,2002:str", ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
PLAIN = {*NUMBERS, "tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"}


def load(text: str) -> list[tuple[int, Any]]:
    """Return each document of a text with its first line; raise ``ValueError`` with one line if the text is not valid."""
    try:
        _check(text)
        loader, found = _Loader(text), list[tuple[int, Any]]()
        while loader.check_node():
            node = loader.get_node()
            found.append((node.start_mark.line + 1, loader.construct_document(node)))
    except (yaml.YAMLError, ArithmeticError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
        problem = f"is not valid YAML: {where}{getattr(error, 'problem', None) or error}"
        raise ValueError(one_line(problem, limit=400)) from error
    return found


def _check(text: str) -> None:
    """Raise an error if the text has what is refused, before anything is made of it."""
    values = levels = 0
    for event in yaml.parse(text, Loader=_Loader):
        values += isinstance(event, yaml.NodeEvent)
        levels += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        for is_refused, problem in (
            (isinstance(event, yaml.AliasEvent), "an alias is not read: write the value in its place"),
            (getattr(event, "tag", None), "a tag is not read: remove it"),
            (levels > MOST_LEVELS, f"it has more than {MOST_LEVELS} nested levels"),
            (values > MOST_VALUES, f"it has more than {MOST_VALUES} values: split it"),
        ):
            if is_refused:
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)  # type: ignore[arg-type]  # libyaml's mark


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml's, where there is one
    yaml_implicit_resolvers = {  # noqa: RUF012  # as in the base class
        first: [(tag, pattern) for tag, pattern in resolvers if tag in PLAIN]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: Any) -> Any:
        tag = super().resolve(kind, value, implicit)
        return (
            TEXT if tag in NUMBERS and len(value) > LONGEST_NUMBER else tag
        )  # a longer one would take long to convert

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:  # noqa: FBT001, FBT002  # as in the base class
        seen = set[str]()
        for key in (each for each, _ in node.value if isinstance(each, yaml.ScalarNode)):
            if key.value in seen:
                problem = f"the key {key.value!r} occurs twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
            key.tag = TEXT
        return super().construct_mapping(node, deep=deep)
