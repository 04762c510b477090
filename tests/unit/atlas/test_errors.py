import pytest

from atlas_endpoints.atlas.errors import AtlasError, AtlasHeldError, Retry, one_line


def subclasses(of: type[AtlasError]) -> set[type[AtlasError]]:
    return {of}.union(*(subclasses(one) for one in of.__subclasses__()))


def test_every_error_has_a_reason_and_a_retry() -> None:
    for one in subclasses(AtlasError):
        assert one.__doc__
        assert isinstance(one.retry, Retry)
        assert one.reason


def test_a_held_call_has_the_reason_of_its_wait() -> None:
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
