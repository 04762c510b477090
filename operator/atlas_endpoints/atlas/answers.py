"""Answers of Atlas: what a 2xx contains, and which error a refusal is.

Real answers deviate from the published schema, and proxies answer in Atlas's place. So what cannot be read is None, and a LIST that
cannot be read as a whole is an ``AtlasError``.

``_ROWS`` is the one table from a refusal to an error: the error code decides, but for resource policies, otherwise the HTTP status.
Both are facts of Atlas's error reference and of recorded answers. An explanation states the fault and the remedy; a kind may
have its own for an error.
"""

import asyncio
import email.utils
import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from http import HTTPStatus
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import (
    AccountSuspendedError,
    APIGoneError,
    AtlasError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    CredentialsRateLimitedError,
    EndpointAbsentError,
    Explanation,
    InstanceNotFoundError,
    InvalidRequestError,
    IPNotAllowedError,
    MissingRoleError,
    NoCapacityError,
    NotServerlessError,
    ProjectNotFoundError,
    RateLimitedError,
    UpdateRejectedError,
)
from atlas_endpoints.atlas.redaction import redacted
from atlas_endpoints.atlas.requests import Request

V = TypeVar("V")

MOST_VALUES = 100_000
"""Values of an answer, by the ``{``, ``[`` and ``,`` in it: 4 MiB of ``{}`` take 100 MiB to parse. An endpoint has 8 to 10."""

MOST_PAGES = 40
"""Pages of a LIST: 20,000 items in pages of 500, also when pages have more or fewer than they may."""

_LONGEST_PAGES = 4 << 20
"""Bytes of all pages but the last one: together, they cost no more than one long answer."""

_AUTHENTICATED = frozenset({"USER_UNAUTHORIZED", "NOT_IN_GROUP"})
"""Codes of a 401 that refuse the call and not the credentials: new tokens and nonces do not help."""

_MAX_WAIT = 3600.0
"""Longest wait in seconds that is accepted; a proxy or a bug may ask for years."""

_PARSED_AT_ONCE = 500
"""Items of a LIST that are parsed before other tasks run; they take some milliseconds."""

_LONGEST_TEXT = 2048
"""Characters of a text that are read: more than a spec permits, so that a longer one differs from any."""


@dataclass(frozen=True, slots=True)
class Deprecation:
    """The announced end of an operation; None where a header is missing or unreadable."""

    deprecated: datetime | None
    sunset: datetime | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer; ``json`` is None also when the body is empty or no JSON. ``size`` is that of the body, in bytes."""

    status: int
    json: Any
    deprecation: Deprecation | None = None
    size: int = 0


def text_of(value: object) -> str | None:
    """Return a text in an answer, or None if there is none; a number counts as one."""
    if isinstance(value, bool | int | float):
        return str(value)
    if not isinstance(value, str):
        return None
    text = value[:_LONGEST_TEXT]
    # A lone surrogate is legal in JSON and cannot be encoded again, neither for Kubernetes nor for a log.
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


@dataclass(frozen=True)
class RefusedAnswer:
    """An answer that is not 2xx; ``headers`` has lower-case keys, or is a case-insensitive mapping."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def error(self) -> "ErrorBody":
        """The parsed body."""
        return error_body_from(self.body)


@dataclass(frozen=True, slots=True)
class Listing(Generic[V]):
    """The answer to a LIST, by id; ``skipped`` counts the items without a usable id.

    With skipped items, a proof of absence needs a GET of the one entry as well.
    """

    entries: Mapping[str, V]
    deprecation: Deprecation | None = None
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """The body of a refusal, in the shape of Atlas's ``ApiError`` or of OAuth's errors.

    Attributes:
        detail: Atlas's own words, with the refused fields.
        parameters: strings and numbers in real answers, objects in the schema.
    """

    code: str | None = None
    detail: str | None = None
    parameters: tuple[object, ...] = ()


class Requester(Protocol):
    """Makes one exchange with Atlas."""

    @property
    def base_url(self) -> str:
        """The address of Atlas for credentials that name no other, without a trailing slash."""
        ...

    async def request(self, credentials: Credentials, request: Request) -> Answer:
        """Make one call and return its 2xx answer; raises ``AtlasError`` otherwise."""
        ...


async def send_list(
    client: Requester, credentials: Credentials, request: Request, parse: Callable[[object], tuple[str, V] | None]
) -> Listing[V]:
    """Make a LIST, whose answer is one bare array, or comes in pages; raises ``AtlasError``.

    It succeeds only as a whole: what moves from one page to another meanwhile may be in none that was read, so several pages are read
    twice, and have to contain the same. ``parse`` returns the id and the value of an item, or None without a usable id.
    """
    listing, pages = await _read(client, credentials, request, parse)
    if pages > 1:
        before, (listing, _) = listing, await _read(client, credentials, request, parse)
        if (before.entries.keys(), before.skipped) != (listing.entries.keys(), listing.skipped):
            raise unreadable(HTTPStatus.OK, operation=request.operation, writes=False)
    return listing


async def _read(
    client: Requester, credentials: Credentials, request: Request, parse: Callable[[object], tuple[str, V] | None]
) -> tuple[Listing[V], int]:
    """Return what all pages of a LIST contain, and their number; the links in recorded ones lead to no host of Atlas."""
    entries: dict[str, V] = {}
    number, skipped, read, size = 0, 0, 0, 0
    while True:
        number += 1
        answer = await _answer_to(client, credentials, request.page(number) if request.paged else request)
        whole = [answer.json] if request.single else answer.json
        items, goes_on = _page_in(answer.json, request.page_size) if request.paged else (whole, False)
        if isinstance(items, list):
            read += max(len(items), request.page_size)
            size += answer.size
        is_too_much = goes_on and (read >= MOST_PAGES * request.page_size or size > _LONGEST_PAGES)
        if not isinstance(items, list) or is_too_much:
            raise unreadable(answer.status, operation=request.operation, writes=False)
        before = set(entries)
        for count, item in enumerate(items, 1):
            if (found := parse(item)) is None and not request.single:
                skipped += 1
            elif found is None or found[0] in before:
                raise unreadable(answer.status, operation=request.operation, writes=False)
            else:
                entries[found[0]] = found[1]
            if count % _PARSED_AT_ONCE == 0:
                await asyncio.sleep(0)
        if not goes_on:
            return Listing(entries, answer.deprecation, skipped), number


async def _answer_to(client: Requester, credentials: Credentials, request: Request) -> Answer:
    try:
        return await client.request(credentials, request)
    except EndpointAbsentError as error:
        # A LIST names no endpoint, so the code proves no absence.
        why = Explanation("Atlas answered a LIST with an error code for a single endpoint. {retry}")
        raise error.refuted(why) from error


def _page_in(answer: Any, page_size: int) -> tuple[object, bool]:
    """Return the items of a page, and whether another one follows; ``totalCount`` is an estimate, and does not say so."""
    page: Mapping[str, Any] = answer if isinstance(answer, dict) else {}
    items, links = page.get("results"), page.get("links")
    has_next = isinstance(links, list) and any(isinstance(each, dict) and each.get("rel") == "next" for each in links)
    return items, has_next or (isinstance(items, list) and len(items) >= page_size)


def refuses_credentials(status: int, body: bytes) -> bool:
    """Return whether an answer refuses the token or the signature of a call, and not the call."""
    return status == HTTPStatus.UNAUTHORIZED and error_body_from(body).code not in _AUTHENTICATED


def json_from(body: bytes) -> Any:
    """Parse a body, whatever its content type; None when it is empty, no JSON, or has more than ``MOST_VALUES`` values."""
    if sum(map(body.count, (b"{", b"[", b","))) > MOST_VALUES:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):  # ValueError covers bad JSON, bad encodings and absurdly long numbers
        return None


def error_body_from(body: bytes) -> ErrorBody:
    """Parse the body of a refusal; a body of another shape has neither code nor detail."""
    parsed = json_from(body)
    if not isinstance(parsed, dict):
        return ErrorBody()
    detail = _text(parsed.get("detail")) or _text(parsed.get("error_description")) or _text(parsed.get("reason"))
    if fields := _bad_fields(parsed.get("badRequestDetail")):
        detail = f"{detail} [{fields}]" if detail else fields
    parameters = parsed.get("parameters")
    return ErrorBody(
        code=_code(parsed.get("errorCode")) or _code(parsed.get("error")),
        detail=detail,
        parameters=tuple(parameters) if isinstance(parameters, list) else (),
    )


def retry_after_from(headers: Mapping[str, str], error: ErrorBody, *, now: datetime) -> float | None:
    """Return the seconds that Atlas asks to wait, or None.

    ``Retry-After`` (seconds or a date) comes first. Then comes the second parameter of ``RATE_LIMITED_TOKEN_BUCKET``; that of the
    older ``RATE_LIMITED`` is a number of requests. ``now`` is for an answer without ``Date``: the server's clock and ours may differ.
    """
    value = headers.get("retry-after", "").strip()
    seconds = seconds_from(value)
    if seconds is None and (until := _http_date(value)) is not None:
        seconds = (until - (_http_date(headers.get("date", "")) or now)).total_seconds()
    if seconds is None and error.code == "RATE_LIMITED_TOKEN_BUCKET" and len(error.parameters) > 1:
        seconds = seconds_from(error.parameters[1])
    return None if seconds is None else min(max(seconds, 0.0), _MAX_WAIT)


def deprecation_from(headers: Mapping[str, str]) -> Deprecation | None:
    """Return the parsed ``Deprecation`` and ``Sunset`` headers, or None without either.

    Atlas sends HTTP dates without zero padding ("Thu, 1 Jul 2027 ..."); RFC 9745 has "@" and a Unix time.
    """
    if "deprecation" not in headers and "sunset" not in headers:
        return None
    return Deprecation(_http_date(headers.get("deprecation", "")), _http_date(headers.get("sunset", "")))


def seconds_from(value: object) -> float | None:
    """Parse a number of seconds, given as a number or as text; None when it is neither."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return seconds if math.isfinite(seconds) else None


def _code(value: object) -> str | None:
    # A code ends up in messages and metrics: only what looks like one counts. Atlas has one of 90 characters.
    return value if isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,127}", value) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _bad_fields(value: object) -> str:
    fields = value.get("fields") if isinstance(value, dict) else None
    pairs = [
        filter(None, (_text(field.get("field")), _text(field.get("description"))))
        for field in (fields if isinstance(fields, list) else [])
        if isinstance(field, dict)
    ]
    return "; ".join(filter(None, map(": ".join, pairs)))


def _http_date(value: str) -> datetime | None:
    try:
        if match := re.fullmatch(r"@(\d{1,12})", value.strip()):
            return datetime.fromtimestamp(int(match[1]), UTC)
        parsed = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError, OSError, IndexError):
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


_CHECK_URL = "check {atlas_url} and the proxies on the way"


class _Row(NamedTuple):
    """An error, and the template of its explanation, which may have ``role`` beside the fields of ``Wording``."""

    error: type[AtlasError]
    template: str


_ROWS: Mapping[str, _Row] = {
    # Nobody has to act, or the answer is not from Atlas.
    "SERVICE_UNAVAILABLE WRITES_NOT_ALLOWED_DURING_APP_UPGRADES :unavailable": _Row(
        AtlasUnavailableError, "Atlas cannot serve the call at the moment. {retry}"
    ),
    ":not-atlas": _Row(AtlasUnavailableError, f"The answer is not from the Atlas Admin API; {_CHECK_URL}."),
    ":redirect": _Row(
        AtlasUnavailableError,
        "The call was redirected, and redirects are never followed: {atlas_url} must be the address of the Atlas Admin "
        "API itself, such as https://cloud.mongodb.com.",
    ),
    "407 token:407": _Row(
        AtlasUnavailableError, "A proxy requires credentials. Put them into the proxy's URL (HTTPS_PROXY)."
    ),
    "RESOURCE_NOT_FOUND :unknown-path": _Row(
        AtlasUnavailableError, f"Atlas does not know the path of this call; {_CHECK_URL}."
    ),
    ":unknown-code": _Row(
        AtlasUnavailableError,
        "Atlas does not find something, by an error code that this version does not know. {retry}",
    ),
    "429 RATE_LIMITED RATE_LIMITED_TOKEN_BUCKET": _Row(
        RateLimitedError, "Atlas limits the rate of calls for this project. {retry}"
    ),
    "token:429 token:RATE_LIMITED token:RATE_LIMITED_TOKEN_BUCKET token:access_denied": _Row(
        CredentialsRateLimitedError,
        "Atlas issues no more access tokens to this service account for now. Other programs that use the same account share its"
        " quota. {retry}",
    ),
    "NO_CAPACITY": _Row(
        NoCapacityError,
        "Atlas has no capacity for it in this region now. The operator tries again less and less often. If that lasts, ask"
        " MongoDB's support.",
    ),
    # Somebody has to act in Atlas, or on the Secret.
    "403 USER_UNAUTHORIZED": _Row(
        MissingRoleError,
        "The credentials may not do this: they need the role {role} in the project. Grant it to the service account or API "
        "key in Atlas (Project Settings, Access Manager). {then}",
    ),
    "401 token:401 token:invalid_client": _Row(
        CredentialsInvalidError,
        "Atlas does not accept the credentials: they are mistyped, revoked or expired, or belong to another Atlas "
        "(ATLAS_ENDPOINTS_ATLAS_URL). {credentials}",
    ),
    # All other refusals of OAuth (RFC 6749, section 5.2); the request is always the same.
    "token:invalid_grant token:invalid_request token:invalid_scope token:unauthorized_client token:unsupported_grant_type": _Row(
        CredentialsInvalidError,
        "Atlas issues no access token for this service account. Check in Atlas (Organization Access Manager, Applications) that it "
        "exists and is enabled, and that {atlas_url} is right. Otherwise other credentials are needed. {credentials}",
    ),
    "IP_ADDRESS_NOT_ON_ACCESS_LIST IP_ADDRESS_NOT_ON_WHITELIST RESOURCE_REQUIRES_ACCESS_LIST RESOURCE_REQUIRES_WHITELIST"
    " ORG_REQUIRES_ACCESS_LIST ORG_REQUIRES_WHITELIST": _Row(
        IPNotAllowedError,
        "The access list of these credentials does not allow the address {address}. Add it to the API access list of the "
        "service account or API key in Atlas. {then}",
    ),
    "402 ACCOUNT_SUSPENDED NO_PAYMENT_INFORMATION_FOUND": _Row(
        AccountSuspendedError,
        "The Atlas organization is suspended or has no means of payment. Settle its billing in Atlas. {then}",
    ),
    "FEATURE_UNSUPPORTED": _Row(
        AccountSuspendedError,
        "Atlas does not offer this to the organization or the project: the plan or the level of the account does not include it."
        " Change the plan in Atlas, or ask MongoDB's support. {then}",
    ),
    "NOT_IN_GROUP": _Row(
        ProjectNotFoundError,
        "The project is not visible to these credentials: projectId is wrong, or the service account or API key was not "
        "invited to the project. If projectId is wrong, {wrong_field}; else invite it to the project. {then}",
    ),
    ":policy": _Row(
        UpdateRejectedError,
        "A resource policy of the Atlas organization forbids the change. Ask an Organization Owner to change the policy, or keep"
        " to it. {then}",
    ),
    # The spec is wrong, or what it names is no more.
    "GROUP_NOT_FOUND INVALID_GROUP_ID": _Row(
        ProjectNotFoundError, "Atlas has no project of this id. If projectId is wrong, {wrong_field}."
    ),
    "SERVERLESS_INSTANCE_NOT_FOUND CLUSTER_NOT_FOUND": _Row(
        InstanceNotFoundError, "The project has no instance of this name. If it is wrong, {wrong_field}."
    ),
    "NOT_SERVERLESS_TENANT_CLUSTER CANNOT_USE_CLUSTER_IN_SERVERLESS_INSTANCE_API CANNOT_USE_SERVERLESS_INSTANCE_IN_CLUSTER_API"
    " CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API CANNOT_USE_FLEX_CLUSTER_IN_SERVERLESS_INSTANCE_API": _Row(
        NotServerlessError, "The instance is not serverless (any more)."
    ),
    "406 410 VERSION_GONE INVALID_VERSION_DATE": _Row(APIGoneError, "Atlas no longer serves this part of its API."),
    "PATH_PARAM_PARSE_ERROR :unparsable": _Row(
        InvalidRequestError,
        "Atlas cannot parse the call: a name or an id has a wrong form. To correct it, {wrong_field}.",
    ),
    ":rejected": _Row(UpdateRejectedError, "Atlas refuses the change. {refused}"),
    ":absent": _Row(EndpointAbsentError, "Atlas has no entry of this id."),
}
"""By error codes, HTTP statuses, both also of the token endpoint alone, and names (with a colon) of what ``_key`` finds out."""

_TABLE: Mapping[str, _Row] = {key: row for keys, row in _ROWS.items() for key in keys.split()}

_OF_BOTH = APIGoneError, IPNotAllowedError, AccountSuspendedError, AtlasUnavailableError
"""The errors whose codes mean the same at the token endpoint."""

_MALFORMED = "PROVIDER_UNSUPPORTED", "_ID_MALFORMED"
"""Ends of codes with which Atlas also refuses by a 404."""


def classify(refusal: RefusedAnswer, request: Request, *, now: datetime, hide: Collection[str] = ()) -> AtlasError:
    """Return the error for a refusal of the API; ``hide`` are secrets that a foreign server might echo."""
    row = _TABLE[_key(refusal, request)]
    row = row._replace(template=request.refusals.explanations.get(row.error, row.template))
    return _error(row, refusal, operation=request.operation, writes=request.writes, now=now, hide=hide)


def classify_token_answer(
    refusal: RefusedAnswer, *, operation: str, now: datetime, hide: Collection[str] = ()
) -> AtlasError:
    """Return the error for a refusal of the token endpoint.

    It answers with OAuth's errors (``error`` and ``error_description``), and with Atlas's own for its quota.
    """
    code = refusal.error.code or ""
    of_both = code if code in _TABLE and issubclass(_TABLE[code].error, _OF_BOTH) else ""
    keys = _intermediate(refusal), f"token:{code}", of_both, f"token:{refusal.status}"
    row = _TABLE[next((key for key in keys if key in _TABLE), ":not-atlas")]
    return _error(row, refusal, operation=operation, writes=False, now=now, hide=hide)


def unreadable(status: int, *, operation: str, writes: bool) -> AtlasUnavailableError:
    """Return the error for a 2xx answer without the expected content; a write may have been applied nevertheless."""
    return AtlasUnavailableError(
        Explanation(
            f"Atlas's answer ({status}) cannot be used: it is empty, cut off, not JSON, not from Atlas, or beyond 4 MiB, 100,000 "
            f"values or the pages that are read. If it persists, {_CHECK_URL}."
        ),
        operation=operation,
        http_status=status,
        unknown_outcome=writes,
    )


def bounded_code(code: str | None, request: Request) -> str | None:
    """Return the code if it is a known one, else ``other``, so that a server cannot create any number of metric series; None stays.

    A code that only ends like one that proves an absence is ``other``.
    """
    known = code is None or code in _TABLE or f"token:{code}" in _TABLE or code in request.refusals.absent
    return code if known else "other"


def _key(refusal: RefusedAnswer, request: Request) -> str:
    """Return the key of a refusal in the table: the code decides, otherwise the HTTP status."""
    status, code = str(refusal.status), refusal.error.code or ""
    if intermediate := _intermediate(refusal):
        return intermediate
    if code not in _TABLE and code.endswith(request.refusals.absent) and status in {"400", "404"}:
        return ":absent"
    words = f"{code} {refusal.error.detail or ''}".replace("_", " ").casefold()
    if request.writes and status in {"400", "403", "409", "422"} and "resource polic" in words:
        return ":policy"
    if code in _TABLE or status in _TABLE:
        return code if code in _TABLE else status
    if request.writes and (status in {"400", "409", "422"} or (status == "404" and code)):
        return "NO_CAPACITY" if "no capacity" in words else ":rejected"
    if code and (status in {"400", "422"} or code.endswith(_MALFORMED)):
        return ":unparsable"
    if status == "404":
        return ":unknown-code" if code else ":unknown-path"
    return ":unavailable"


def _intermediate(refusal: RefusedAnswer) -> str:
    """Return the key of an answer that is not from Atlas: a redirect, a 5xx, or a refusal that is no JSON; else an empty one."""
    if refusal.status in range(300, 400):
        return ":redirect"
    if refusal.status not in range(400, 500):
        return ":unavailable"
    status_suffices = refusal.status in {407, 429} or "www-authenticate" in refusal.headers
    is_of_atlas = status_suffices or not refusal.body.strip() or json_from(refusal.body) is not None
    return "" if is_of_atlas else ":not-atlas"


def _error(
    row: _Row, refusal: RefusedAnswer, *, operation: str, writes: bool, now: datetime, hide: Collection[str]
) -> AtlasError:
    body = refusal.error
    # The remaining seconds would change the message, and so the status, at each attempt; retry_after has them.
    detail = redacted(re.sub(r"Please retry after \d{1,9} seconds?\.?", "", body.detail or "").strip(), hide)
    code = body.code if body.code and redacted(body.code, hide) == body.code else None
    said = f" Message from Atlas: {detail}" if detail else ""
    # Intermediaries also send a 408 for a request that they have forwarded.
    refused = refusal.status in range(300, 500) and refusal.status != HTTPStatus.REQUEST_TIMEOUT
    return row.error(
        Explanation(
            row.template.replace("{role}", "Project Owner" if writes else "Project Read Only"),
            f" (HTTP {refusal.status}{f' {code}' if code else ''}){said}",
        ),
        operation=operation,
        http_status=refusal.status,
        error_code=code,
        detail=detail,
        retry_after=retry_after_from(refusal.headers, body, now=now),
        unknown_outcome=writes and not refused,
    )
