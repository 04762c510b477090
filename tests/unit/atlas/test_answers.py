from datetime import UTC, datetime

import pytest

from atlas_endpoints.atlas.answers import (
    Deprecation,
    ErrorBody,
    deprecation_from,
    error_body_from,
    json_from,
    retry_after_from,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)

RETRY_AFTER: dict[str, tuple[dict[str, str], ErrorBody, float | None]] = {
    "seconds": ({"retry-after": "55"}, ErrorBody(), 55),
    "a fraction of a second": ({"retry-after": " 0.5 "}, ErrorBody(), 0.5),
    "a date, by the server's clock": (
        {"retry-after": "Wed, 25 Nov 2026 09:00:30 GMT", "date": "Wed, 25 Nov 2026 09:00:00 GMT"},
        ErrorBody(),
        30,
    ),
    "a date, by our clock when the server shows none": (
        {"retry-after": "Wed, 25 Nov 2026 12:00:30 GMT"},
        ErrorBody(),
        30,
    ),
    "a date without zero padding": ({"retry-after": "Wed, 25 Nov 2026 12:0:9 GMT"}, ErrorBody(), 9),
    "a date in the past": ({"retry-after": "Wed, 1 Jan 2020 00:00:00 GMT"}, ErrorBody(), 0),
    "less than nothing": ({"retry-after": "-5"}, ErrorBody(), 0),
    "years": ({"retry-after": "99999999999"}, ErrorBody(), 3600),
    "infinity": ({"retry-after": "inf"}, ErrorBody(), None),
    "words": ({"retry-after": "later"}, ErrorBody(), None),
    "the body's own figure": ({}, ErrorBody("RATE_LIMITED_TOKEN_BUCKET", None, ("path", 55, 10, 5, 60)), 55),
    "the body's own figure as text": ({}, ErrorBody("RATE_LIMITED_TOKEN_BUCKET", None, ("path", "55")), 55),
    "the header before the body's own figure": (
        {"retry-after": "3"},
        ErrorBody("RATE_LIMITED_TOKEN_BUCKET", None, ("path", 55)),
        3,
    ),
    "the older code, whose second figure counts requests": ({}, ErrorBody("RATE_LIMITED", None, ("path", 10, 1)), None),
    "a bucket that says nothing": ({}, ErrorBody("RATE_LIMITED_TOKEN_BUCKET", None, ()), None),
    "a bucket that says nonsense": ({}, ErrorBody("RATE_LIMITED_TOKEN_BUCKET", None, ("path", True)), None),
    "nothing": ({}, ErrorBody(), None),
}


@pytest.mark.parametrize("name", RETRY_AFTER)
def test_retry_after_is_parsed_from(name: str) -> None:
    headers, error, expected = RETRY_AFTER[name]
    assert retry_after_from(headers, error, now=NOW) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        (
            {"deprecation": "Wed, 10 Dec 2025 00:00:00 GMT", "sunset": "Thu, 1 Jul 2027 00:00:00 GMT"},
            Deprecation(datetime(2025, 12, 10, tzinfo=UTC), datetime(2027, 7, 1, tzinfo=UTC)),
        ),
        ({"deprecation": "@1765324800"}, Deprecation(datetime(2025, 12, 10, tzinfo=UTC), None)),
        ({"deprecation": "true"}, Deprecation(None, None)),
        (
            {"sunset": "Thu, 1 Jul 2027 00:00:00 -0000", "deprecation": ""},
            Deprecation(None, datetime(2027, 7, 1, tzinfo=UTC)),
        ),
        ({"sunset": "@999999999999"}, Deprecation(None, None)),
    ],
)
def test_deprecation_headers(headers: dict[str, str], expected: Deprecation | None) -> None:
    assert deprecation_from(headers) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", ErrorBody()),
        (b"<html>", ErrorBody()),
        (b"[]", ErrorBody()),
        (b"{}", ErrorBody()),
        (
            b'{"detail": "D", "error": 404, "errorCode": "E", "parameters": ["x", 5], "reason": "Not Found"}',
            ErrorBody("E", "D", ("x", 5)),
        ),
        (b'{"errorCode": null, "parameters": null, "badRequestDetail": null, "reason": "R"}', ErrorBody(None, "R")),
        (b'{"errorCode": "<b>", "detail": 5, "parameters": {"a": 1}, "badRequestDetail": []}', ErrorBody()),
        (b'{"error": "invalid_client", "error_description": "D"}', ErrorBody("invalid_client", "D")),
    ],
)
def test_error_bodies(body: bytes, expected: ErrorBody) -> None:
    assert error_body_from(body) == expected


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100000, b"1" * 9999, b"\x80"])
def test_a_body_without_json_is_none(body: bytes) -> None:
    assert json_from(body) is None


def test_a_byte_order_mark_is_accepted() -> None:
    assert json_from(b"\xef\xbb\xbf[1]") == [1]
