"""What an answer contains, and which error a refusal is."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_endpoints.atlas.answers import (
    Deprecation,
    ErrorBody,
    RefusedAnswer,
    classify,
    classify_token_answer,
    deprecation_from,
    error_body_from,
    json_from,
    retry_after_from,
    unreadable,
)
from atlas_endpoints.atlas.errors import (
    AccountSuspendedError,
    APIGoneError,
    AtlasError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    CredentialsRateLimitedError,
    EndpointAbsentError,
    InstanceNotFoundError,
    InvalidRequestError,
    IPNotAllowedError,
    MissingRoleError,
    NoCapacityError,
    NotServerlessError,
    ProjectNotFoundError,
    RateLimitedError,
    Retry,
    UpdateRejectedError,
    Wording,
    one_line,
)
from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.kinds.serverless_private_endpoint.calls import REFUSALS

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HTML = b"<html><body>Sorry</body></html>"
ONCE = Wording(retry="")
"""For a reader who makes a call once."""


@dataclass(frozen=True)
class Row:
    status: int
    code: str | None = None
    expected: type[AtlasError] = AtlasUnavailableError
    says: str = ""
    """Words of the remedy."""
    body: bytes | None = None
    """Instead of an ApiError with the code."""
    headers: dict[str, str] = field(default_factory=dict)
    writes: bool | None = None
    """Whether the row is about writes only or reads only; None: both."""
    in_doubt: bool = False
    """Whether a write may have been applied."""


ROWS: dict[str, Row] = {
    # AtlasUnavailable
    "500 is Atlas unavailable": Row(500, "UNEXPECTED_ERROR", in_doubt=True),
    "502 in HTML is Atlas unavailable": Row(502, body=HTML, in_doubt=True),
    "503 is Atlas unavailable": Row(503, "SERVICE_UNAVAILABLE", in_doubt=True),
    "a 5xx with a code of absence proves nothing": Row(500, "TENANT_PRIVATE_ENDPOINT_NOT_FOUND", in_doubt=True),
    "a status that HTTP does not know is Atlas unavailable": Row(999, in_doubt=True),
    "switching protocols is Atlas unavailable": Row(101, body=b"", in_doubt=True),
    "405 during an upgrade of Atlas is Atlas unavailable": Row(405, "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES"),
    "another 405 is Atlas unavailable": Row(405, "METHOD_NOT_ALLOWED"),
    "a request timeout may have been passed on": Row(408, body=b"", in_doubt=True),
    "301 names ATLAS_URL": Row(
        301, says="ATLAS_ENDPOINTS_ATLAS_URL", body=b"", headers={"location": "https://elsewhere"}
    ),
    "304 names ATLAS_URL": Row(304, says="ATLAS_ENDPOINTS_ATLAS_URL", body=b""),
    "400 in HTML is not Atlas": Row(400, body=HTML, says="ATLAS_ENDPOINTS_ATLAS_URL"),
    "401 in HTML is not Atlas": Row(401, body=HTML, says="proxies"),
    "403 in HTML is not Atlas": Row(403, body=HTML, says="proxies"),
    "404 in HTML is not Atlas": Row(404, body=HTML, says="proxies"),
    "410 in HTML is not Atlas": Row(410, body=HTML, says="proxies"),
    "400 with broken JSON is not Atlas": Row(400, body=b'{"errorCode": "VALID', says="ATLAS_ENDPOINTS_ATLAS_URL"),
    "a proxy that wants credentials is named": Row(407, body=HTML, says="HTTPS_PROXY"),
    # RateLimited
    "429 is rate limited": Row(429, "RATE_LIMITED_TOKEN_BUCKET", RateLimitedError),
    "429 without a body is rate limited": Row(429, None, RateLimitedError, body=b""),
    "429 in HTML is rate limited": Row(429, None, RateLimitedError, body=HTML),
    "the code for a rate limit counts under any refusal": Row(403, "RATE_LIMITED", RateLimitedError),
    # MissingRole
    "USER_UNAUTHORIZED on a write needs Project Owner": Row(
        401, "USER_UNAUTHORIZED", MissingRoleError, "Project Owner", writes=True
    ),
    "USER_UNAUTHORIZED on a read needs Project Read Only": Row(
        401, "USER_UNAUTHORIZED", MissingRoleError, "Project Read Only", writes=False
    ),
    "403 for the role is a missing role": Row(403, "ACCESS_FORBIDDEN", MissingRoleError, "role"),
    "403 without a body is a missing role": Row(403, None, MissingRoleError, "role", body=b""),
    # ProjectNotFound
    "NOT_IN_GROUP is a project that is not visible": Row(401, "NOT_IN_GROUP", ProjectNotFoundError, "not visible"),
    "NOT_IN_GROUP is the same under 403": Row(403, "NOT_IN_GROUP", ProjectNotFoundError, "not visible"),
    "GROUP_NOT_FOUND is a project that does not exist": Row(404, "GROUP_NOT_FOUND", ProjectNotFoundError, "projectId"),
    "INVALID_GROUP_ID is a project that does not exist": Row(404, "INVALID_GROUP_ID", ProjectNotFoundError),
    # CredentialsInvalid
    "401 without a known code refuses the credentials": Row(401, "UNEXPECTED_ERROR", CredentialsInvalidError, "Secret"),
    "401 without a body refuses the credentials": Row(401, None, CredentialsInvalidError, "Secret", body=b""),
    "401 in plain text that names a scheme refuses the credentials": Row(
        401, None, CredentialsInvalidError, body=b"Unauthorized", headers={"www-authenticate": "Bearer"}
    ),
    # IPNotAllowed
    "an address off the access list is not allowed": Row(
        403, "IP_ADDRESS_NOT_ON_ACCESS_LIST", IPNotAllowedError, "access list"
    ),
    "an address off the whitelist, as it was called, is not allowed": Row(
        403, "IP_ADDRESS_NOT_ON_WHITELIST", IPNotAllowedError
    ),
    "an organization that demands an access list allows nobody without": Row(
        403, "ORG_REQUIRES_ACCESS_LIST", IPNotAllowedError, "address of the operator"
    ),
    # AccountSuspended
    "402 is a suspended account": Row(402, "ACCOUNT_SUSPENDED", AccountSuspendedError, "billing"),
    "402 with an unknown code is a suspended account": Row(402, "ODD", AccountSuspendedError),
    "a feature that the account does not have is no missing role": Row(
        403, "FEATURE_UNSUPPORTED", AccountSuspendedError, "Change the plan"
    ),
    # the endpoint is absent
    "404 with the endpoint's code is absence": Row(404, "TENANT_PRIVATE_ENDPOINT_NOT_FOUND", EndpointAbsentError),
    "400 with the endpoint's code is absence": Row(400, "TENANT_PRIVATE_ENDPOINT_NOT_FOUND", EndpointAbsentError),
    "404 with a similar code is absence": Row(404, "SERVERLESS_PRIVATE_ENDPOINT_NOT_FOUND", EndpointAbsentError),
    "403 with the endpoint's code is no proof": Row(403, "TENANT_PRIVATE_ENDPOINT_NOT_FOUND", MissingRoleError),
    "a bare 404 is no proof": Row(404, body=b"", says="ATLAS_ENDPOINTS_ATLAS_URL"),
    "a 404 for the path is no proof": Row(404, "RESOURCE_NOT_FOUND", says="ATLAS_ENDPOINTS_ATLAS_URL"),
    "a 404 of JSON that is no ApiError is no proof": Row(404, body=b'"not found"', says="ATLAS_ENDPOINTS_ATLAS_URL"),
    "an absent service is no absent endpoint": Row(404, "PRIVATE_ENDPOINT_SERVICE_NOT_FOUND", writes=False),
    "a 404 with an unknown code on a read is no proof": Row(
        404, "UNEXPECTED_ERROR", says="does not know", writes=False
    ),
    "a bare 400 on a read is no proof": Row(400, body=b"", writes=False),
    # what is absent otherwise
    "SERVERLESS_INSTANCE_NOT_FOUND is an absent instance": Row(
        404,
        "SERVERLESS_INSTANCE_NOT_FOUND",
        InstanceNotFoundError,
        "DedicatedPrivateEndpoint with `atlas-endpoints import -f",
    ),
    "CLUSTER_NOT_FOUND is an absent instance": Row(404, "CLUSTER_NOT_FOUND", InstanceNotFoundError),
    "a Flex cluster is not serverless": Row(400, "NOT_SERVERLESS_TENANT_CLUSTER", NotServerlessError, "Flex"),
    "a dedicated cluster is not serverless": Row(
        400, "CANNOT_USE_CLUSTER_IN_SERVERLESS_INSTANCE_API", NotServerlessError, "DedicatedPrivateEndpoint"
    ),
    "VERSION_GONE is the end of the API": Row(410, "VERSION_GONE", APIGoneError, "Move to a dedicated"),
    "410 without a body is the end of the API": Row(410, None, APIGoneError, body=b""),
    "406 is the end of the API": Row(406, None, APIGoneError, body=b""),
    "INVALID_VERSION_DATE is the end of the API": Row(400, "INVALID_VERSION_DATE", APIGoneError),
    "a serverless instance is no dedicated cluster": Row(
        400, "CANNOT_USE_SERVERLESS_INSTANCE_IN_CLUSTER_API", NotServerlessError
    ),
    # NoCapacity
    "a capacity that Atlas does not find is one that it has later": Row(409, "NO_CAPACITY", NoCapacityError, "again"),
    # the rest of what is refused
    "an id that Atlas cannot parse is one of the spec": Row(
        400, "PATH_PARAM_PARSE_ERROR", InvalidRequestError, "endpointId"
    ),
    "400 on a write is rejected": Row(400, "VALIDATION_ERROR", UpdateRejectedError, writes=True),
    "409 on a write is rejected": Row(409, "ODD", UpdateRejectedError, writes=True),
    "422 on a write is rejected": Row(422, "ODD", UpdateRejectedError, writes=True),
    **{
        f"404 {code} on a write is rejected": Row(404, code, UpdateRejectedError, "Correct the fields", writes=True)
        for code in ("PROVIDER_UNSUPPORTED", "PRIVATELINK_INTERFACE_ENDPOINT_ID_MALFORMED", "UNEXPECTED_ERROR")
    },
    **{
        f"{code} on a read is one of the spec": Row(404, code, InvalidRequestError, writes=False)
        for code in ("PROVIDER_UNSUPPORTED", "PRIVATELINK_INTERFACE_ENDPOINT_ID_MALFORMED")
    },
    "what a resource policy forbids is rejected, by the words alone": Row(
        403,
        None,
        UpdateRejectedError,
        "Organization Owner",
        body=b'{"detail": "A Resource Policy does not permit it."}',
        writes=True,
    ),
    "a code with these words is enough": Row(
        400, None, UpdateRejectedError, "Organization Owner", body=b'{"errorCode": "RESOURCE_POLICY_ODD"}', writes=True
    ),
    "a bare 400 on a write is rejected": Row(400, None, UpdateRejectedError, body=b"", writes=True),
    "400 with an unknown code on a read is one of the spec": Row(400, "ODD", InvalidRequestError, writes=False),
    "409 on a read is Atlas unavailable": Row(409, "ODD", writes=False),
    "any other refusal is Atlas unavailable": Row(418, "ODD"),
}

RETRIES = {
    AtlasUnavailableError: (Retry.BACKOFF, "AtlasUnavailable"),
    RateLimitedError: (Retry.BACKOFF, "RateLimited"),
    MissingRoleError: (Retry.SLOW, "MissingRole"),
    ProjectNotFoundError: (Retry.SLOW, "ProjectNotFound"),
    CredentialsInvalidError: (Retry.SLOW, "CredentialsInvalid"),
    IPNotAllowedError: (Retry.SLOW, "IPNotAllowed"),
    AccountSuspendedError: (Retry.SLOW, "AccountSuspended"),
    EndpointAbsentError: (Retry.SLOW, "EndpointNotFound"),
    InstanceNotFoundError: (Retry.SLOW, "InstanceNotFound"),
    NotServerlessError: (Retry.SLOW, "NotServerless"),
    APIGoneError: (Retry.SLOW, "APIGone"),
    InvalidRequestError: (Retry.ON_CHANGE, "InvalidSpec"),
    UpdateRejectedError: (Retry.ON_CHANGE, "UpdateRejected"),
    NoCapacityError: (Retry.BACKOFF, "NoCapacity"),
}


def api_error(code: str | None, **more: Any) -> bytes:
    return json.dumps(
        {"detail": "Atlas's own words.", "error": 1, "errorCode": code, "parameters": None} | more
    ).encode()


def oauth_error(code: str) -> bytes:
    return json.dumps({"error": code}).encode()


def refused(status: int, body: bytes, *, headers: dict[str, str] | None = None, writes: bool = True) -> AtlasError:
    request = Request("op", "PATCH" if writes else "GET", "/", refusals=REFUSALS)
    return classify(RefusedAnswer(status, headers or {}, body), request, now=NOW)


@pytest.mark.parametrize("name", ROWS)
def test_a_refusal(name: str) -> None:
    row = ROWS[name]
    for writes in (True, False) if row.writes is None else (row.writes,):
        body = api_error(row.code) if row.body is None else row.body
        error = refused(row.status, body, headers=row.headers, writes=writes)
        assert type(error) is row.expected
        assert (error.retry, error.reason) == RETRIES[row.expected]
        assert row.says in error.message
        assert "retr" not in error.explanation.worded(ONCE)
        assert error.unknown_outcome is (writes and row.in_doubt)
        assert (error.http_status, error.operation) == (row.status, "op")
        if row.body is None:
            assert error.error_code == row.code
            assert error.message.endswith("Message from Atlas: Atlas's own words.")


def test_the_message_has_the_refused_address_in_the_words_of_atlas() -> None:
    error = refused(403, api_error("IP_ADDRESS_NOT_ON_ACCESS_LIST", detail="IP address 203.0.113.7 is not allowed."))
    assert isinstance(error, IPNotAllowedError)
    assert "does not allow the address of the operator." in error.message
    assert error.message.endswith("IP address 203.0.113.7 is not allowed.")


def test_the_message_of_a_rate_limit_does_not_change_between_attempts() -> None:
    def limited(seconds: int) -> AtlasError:
        detail = f"Rate limit exceeded for api/atlas/v2/orgs. Please retry after {seconds} seconds. Capacity: 10."
        parameters = ["api/atlas/v2/orgs", seconds, 10, 5, 60]
        return refused(429, api_error("RATE_LIMITED_TOKEN_BUCKET", detail=detail, parameters=parameters))

    assert (limited(55).message, limited(55).detail) == (limited(1).message, limited(1).detail)
    assert (limited(55).retry_after, limited(1).retry_after) == (55, 1)


def test_a_message_is_one_line_of_bounded_length_and_keeps_the_remedy() -> None:
    error = refused(401, api_error("USER_UNAUTHORIZED", detail="a\r\n\x1b[31mb\u202e" + "long " * 999))
    assert len(error.message) <= 700
    assert error.message.isprintable()
    assert "Project Owner" in error.message
    assert error.detail is not None
    assert error.detail.startswith("a [31mb long")


TOKEN_ROWS: dict[str, tuple[int, bytes, type[AtlasError]]] = {
    **{
        f"{code} needs a person, who looks at the credentials": (400, oauth_error(code), CredentialsInvalidError)
        for code in (
            "invalid_client",
            "invalid_request",
            "invalid_grant",
            "unauthorized_client",
            "unsupported_grant_type",
            "invalid_scope",
        )
    },
    "invalid_client is the same under 401": (401, oauth_error("invalid_client"), CredentialsInvalidError),
    "an empty 401 refuses the credentials": (401, b"", CredentialsInvalidError),
    "Atlas's own 401 refuses the credentials": (401, api_error("UNEXPECTED_ERROR"), CredentialsInvalidError),
    "a code of OAuth from a broken server": (502, oauth_error("invalid_request"), AtlasUnavailableError),
    "a 400 with a code that nobody documents": (400, oauth_error("odd"), AtlasUnavailableError),
    "access_denied is the limit of active tokens": (403, oauth_error("access_denied"), CredentialsRateLimitedError),
    "429 is the quota of the token endpoint": (429, b"", CredentialsRateLimitedError),
    "an address off the access list": (403, api_error("IP_ADDRESS_NOT_ON_ACCESS_LIST"), IPNotAllowedError),
    "a suspended account": (402, api_error("ACCOUNT_SUSPENDED"), AccountSuspendedError),
    "503": (503, b"", AtlasUnavailableError),
    "a redirect": (302, b"", AtlasUnavailableError),
    "HTML": (401, HTML, AtlasUnavailableError),
    "an unknown path": (404, api_error("RESOURCE_NOT_FOUND"), AtlasUnavailableError),
    "a role means nothing to the token endpoint": (403, api_error("USER_UNAUTHORIZED"), AtlasUnavailableError),
}


@pytest.mark.parametrize("name", TOKEN_ROWS)
def test_at_the_token_endpoint(name: str) -> None:
    status, body, expected = TOKEN_ROWS[name]
    error = classify_token_answer(RefusedAnswer(status, {}, body), operation="op", now=NOW)
    assert isinstance(error, expected)
    assert "retr" not in error.explanation.worded(ONCE)
    assert not error.unknown_outcome


@pytest.mark.parametrize("writes", [True, False])
def test_an_unreadable_2xx_leaves_the_outcome_of_a_write_unknown(writes: bool) -> None:
    error = unreadable(200, operation="op", writes=writes)
    assert (error.unknown_outcome, error.http_status) == (writes, 200)


@settings(deadline=None)  # a loaded machine is no failure
@given(
    status=st.integers(0, 1000).filter(lambda status: not 200 <= status < 300),
    code=st.text(max_size=30) | st.sampled_from([row.code for row in ROWS.values()]) | st.integers(),
    detail=st.text() | st.none() | st.integers(),
    parameters=st.lists(st.text() | st.floats() | st.none() | st.booleans(), max_size=4) | st.text() | st.none(),
    retry_after=st.text(max_size=20) | st.integers().map(str),
    writes=st.booleans(),
)
def test_any_refusal_becomes_an_error_with_a_printable_bounded_message(
    *, status: int, code: object, detail: object, parameters: object, retry_after: str, writes: bool
) -> None:
    body = json.dumps({"errorCode": code, "detail": detail, "parameters": parameters}).encode()
    error = refused(status, body, headers={"retry-after": retry_after}, writes=writes)
    assert len(error.message) <= 700
    assert error.message.isprintable()
    assert error.retry_after is None or 0 <= error.retry_after <= 3600
    assert "{" not in error.message or "{" in str(detail)


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
        (
            b'{"detail": "D", "badRequestDetail": {"fields": [{"field": "f", "description": "too long"}, {"field": "x"}, 1]}}',
            ErrorBody(None, "D [f: too long; x]"),
        ),
        (b'{"badRequestDetail": {"fields": [{"field": "f"}, {"field": ""}, null]}}', ErrorBody(None, "f")),
    ],
)
def test_error_bodies(body: bytes, expected: ErrorBody) -> None:
    assert error_body_from(body) == expected


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100000, b"1" * 9999, b"\x80"])
def test_a_body_without_json_is_none(body: bytes) -> None:
    assert json_from(body) is None
    assert json_from(b"\xef\xbb\xbf[1]") == [1], "a byte order mark is accepted"


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
