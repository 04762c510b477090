from __future__ import annotations

from typing import Any

import pytest

from delivery.values import Value, described, schema_leaves, values_of

TEXT = """\
# What follows is about the image.
image:
  # -- Where it is
  repository: example
  # -- (int or string) Its tag
  # @default -- the newest
  tag: null

# Not this.

# -- Labels of nodes
nodes:
  # of all of them
  os: linux
"""
VALUES = [
    Value(("image", "repository"), "Where it is", None, "example"),
    Value(("image", "tag"), "Its tag", "the newest", None),
    Value(("nodes",), "Labels of nodes", None, {"os": "linux"}),
]


def test_a_value_is_what_has_a_comment_and_a_key_without_one_holds_others() -> None:
    assert values_of(TEXT) == VALUES


def test_a_key_without_a_comment_that_holds_no_others_is_named() -> None:
    with pytest.raises(ValueError, match=r"^image\.digest has no comment$"):
        values_of(TEXT.replace("  # -- (int", "  digest: none\n  # -- (int"))


def schema(**described_by: str) -> dict[str, Any]:
    def description(name: str) -> dict[str, str]:
        return {"description": described_by[name]} if name in described_by else {}

    return {
        "type": "object",
        "properties": {
            "image": {
                "type": "object",
                "properties": {
                    "repository": {**description("repository"), "type": "string"},
                    "tag": {**description("tag"), "type": ["string", "null"]},
                },
            },
            "nodes": {**description("nodes"), "type": "object"},
            "global": {"description": "of a parent", "type": "object"},
        },
    }


def requiring(old: dict[str, Any], root: list[str], image: list[str]) -> dict[str, Any]:
    properties = {**old["properties"], "image": {**old["properties"]["image"], "required": image}}
    return {**old, "required": root, "properties": properties}


DESCRIBED = schema(repository="Where it is", tag="Its tag", nodes="Labels of nodes")
COMPLETE = requiring(DESCRIBED, ["image"], ["repository"])


@pytest.mark.parametrize(
    "old",
    [schema(), requiring(schema(repository="Elsewhere", nodes="Old"), ["nodes"], ["tag"]), COMPLETE],
    ids=["none", "outdated", "up to date"],
)
def test_a_schema_gets_the_descriptions_of_the_comments_and_requires_what_has_content(old: dict[str, Any]) -> None:
    assert described(old, VALUES) == COMPLETE


def test_what_the_schema_does_not_know_yet_is_left_to_whoever_writes_it() -> None:
    assert described(schema(), [*VALUES, Value(("replicas",), "How many", None, 1)]) == COMPLETE


def test_the_leaves_of_a_schema_are_what_it_describes() -> None:
    paths = {value.path for value in VALUES}
    assert {*schema_leaves(COMPLETE)} == {*paths, ("global",)}
