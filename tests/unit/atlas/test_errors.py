import re

import pytest

from atlas_endpoints.atlas import errors
from atlas_endpoints.atlas.errors import AtlasError, AtlasHeldError, Retry, one_line


def subclasses(of: type[AtlasError]) -> set[type[AtlasError]]:
    return {of}.union(*(subclasses(one) for one in of.__subclasses__()))


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    assert errors.__doc__ is not None
    drawn = set(re.findall(r"^ {4,}(\w+Error)\b", errors.__doc__, re.MULTILINE))
    assert drawn == {one.__name__ for one in subclasses(AtlasError)}


def test_every_error_says_what_it_is_and_when_to_try_again() -> None:
    for one in subclasses(AtlasError):
        assert one.__doc__
        assert isinstance(one.retry, Retry)
        assert one.reason


def test_a_held_call_bears_the_reason_of_its_wait() -> None:
    error = AtlasHeldError("wait", reason="RateLimited", operation="op", retry_after=3)
    assert (error.reason, error.retry, error.retry_after, error.unknown_outcome) == (
        "RateLimited",
        Retry.WHEN_DUE,
        3,
        False,
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("two\r\nlines", "two lines"),
        ("a\x00b\x1b[0m\u2028c\u202ed\ud800e", "a b [0m c d e"),
        ("  much   space ", "much space"),
        ("12345678901", "1234567..."),
        ("1234567890", "1234567890"),
    ],
)
def test_one_line(text: str, expected: str) -> None:
    assert one_line(text, limit=10 if text.startswith("12") else 100) == expected
