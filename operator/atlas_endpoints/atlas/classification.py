"""The one table from a refusal to an error: by error code first, otherwise by HTTP status.

Codes and statuses are facts of Atlas's error reference and of recorded answers. Where the status of a code is not documented,
the code alone decides. An explanation states what happened and what to do; Atlas's own words follow.
"""

import ipaddress
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from atlas_endpoints.atlas.answers import ErrorBody, Refusal, error_body_from, json_from, retry_after_from
from atlas_endpoints.atlas.errors import (
    ATLAS_ADDRESS,
    MAKE_ANEW,
    PUT_VALID_ONES,
    RETRIED_LATER,
    THEN_AGAIN,
    AccountSuspendedError,
    APIGoneError,
    AtlasError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    CredentialsRateLimitedError,
    EndpointAbsentError,
    InstanceNotFoundError,
    InvalidSpecError,
    IPNotAllowedError,
    MissingRoleError,
    NotServerlessError,
    ProjectNotFoundError,
    RateLimitedError,
    UpdateRejectedError,
)
from atlas_endpoints.atlas.redaction import redacted
from atlas_endpoints.atlas.requests import Request


@dataclass(frozen=True, slots=True)
class _Row:
    error: type[AtlasError]
    explanation: str


_CHECK_URL = f"check {ATLAS_ADDRESS} and the proxies on the way"
_UNAVAILABLE = _Row(AtlasUnavailableError, "Atlas cannot serve the call at the moment; it is retried.")
_NOT_ATLAS = _Row(AtlasUnavailableError, f"Something that is not the Atlas Admin API answered; {_CHECK_URL}.")
_REDIRECT = _Row(
    AtlasUnavailableError,
    f"The call was redirected, and redirects are never followed: {ATLAS_ADDRESS} must be the address of the Atlas Admin "
    "API itself, such as https://cloud.mongodb.com.",
)
_PROXY = _Row(AtlasUnavailableError, "A proxy wants credentials: put them into the proxy's URL (HTTPS_PROXY).")
_UNKNOWN_PATH = _Row(AtlasUnavailableError, f"Atlas does not know the path of this call; {_CHECK_URL}.")
_RATE_LIMITED = _Row(RateLimitedError, f"Atlas limits the rate of calls for this project; {RETRIED_LATER}.")
_TOKEN_LIMITED = _Row(
    CredentialsRateLimitedError,
    f"Atlas issues no more access tokens to this service account for now; {RETRIED_LATER}. Other programs "
    "that use the same service account share its quota.",
)
_MISSING_ROLE = _Row(
    MissingRoleError,
    "The credentials may not do this: they need the role {role} in the project. Grant it to the service account or API "
    f"key in Atlas (Project Settings, Access Manager). {THEN_AGAIN}",
)
_CREDENTIALS_INVALID = _Row(
    CredentialsInvalidError,
    "Atlas does not accept the credentials: they are mistyped, revoked or expired, or belong to another Atlas "
    f"(ATLAS_ENDPOINTS_ATLAS_URL). {PUT_VALID_ONES}",
)
_NO_TOKEN = _Row(
    CredentialsInvalidError,
    "Atlas issues no access token for this service account. Check in Atlas (Organization Access Manager, Applications) that it "
    f"exists and is enabled, and that {ATLAS_ADDRESS} is right. Otherwise other credentials are needed. {PUT_VALID_ONES}",
)
_IP_NOT_ALLOWED = _Row(
    IPNotAllowedError,
    "The access list of these credentials does not allow the address {address}. Add it to the API access list of the "
    f"service account or API key in Atlas. {THEN_AGAIN}",
)
_SUSPENDED = _Row(
    AccountSuspendedError,
    f"The Atlas organization is suspended or has no means of payment. Settle its billing in Atlas. {THEN_AGAIN}",
)
_NOT_OFFERED = _Row(
    AccountSuspendedError,
    "Atlas does not offer this to the organization or the project: the plan or the level of the account does not include it."
    f" Change the plan in Atlas, or ask MongoDB's support. {THEN_AGAIN}",
)
_NO_PROJECT = _Row(ProjectNotFoundError, f"Atlas has no project of this id. If projectId is wrong, {MAKE_ANEW}.")
_INVISIBLE_PROJECT = _Row(
    ProjectNotFoundError,
    "The project is not visible to these credentials: projectId is wrong, or the service account or API key was not "
    f"invited to the project. If projectId is wrong, {MAKE_ANEW}; else invite it to the project. {THEN_AGAIN}",
)
_NO_INSTANCE = _Row(InstanceNotFoundError, f"The project has no instance of this name. If it is wrong, {MAKE_ANEW}.")
_NOT_SERVERLESS = _Row(NotServerlessError, "The instance is not serverless (any more).")
_GONE = _Row(APIGoneError, "Atlas no longer serves this part of its API.")
_UNPARSABLE = _Row(
    InvalidSpecError, f"Atlas cannot parse the call: a name or an id has a wrong form. To correct it, {MAKE_ANEW}."
)
_REJECTED = _Row(UpdateRejectedError, "Atlas refuses the change. Correct the fields that it names.")
_ABSENT = _Row(EndpointAbsentError, "Atlas has no entry of this id.")

_BY_CODE: Mapping[str, _Row] = {
    "USER_UNAUTHORIZED": _MISSING_ROLE,
    "NOT_IN_GROUP": _INVISIBLE_PROJECT,
    "GROUP_NOT_FOUND": _NO_PROJECT,
    "INVALID_GROUP_ID": _NO_PROJECT,
    "SERVERLESS_INSTANCE_NOT_FOUND": _NO_INSTANCE,
    "CLUSTER_NOT_FOUND": _NO_INSTANCE,
    "NOT_SERVERLESS_TENANT_CLUSTER": _NOT_SERVERLESS,
    "CANNOT_USE_CLUSTER_IN_SERVERLESS_INSTANCE_API": _NOT_SERVERLESS,
    "CANNOT_USE_FLEX_CLUSTER_IN_CLUSTER_API": _NOT_SERVERLESS,
    "CANNOT_USE_FLEX_CLUSTER_IN_SERVERLESS_INSTANCE_API": _NOT_SERVERLESS,
    "VERSION_GONE": _GONE,
    "INVALID_VERSION_DATE": _GONE,
    "IP_ADDRESS_NOT_ON_ACCESS_LIST": _IP_NOT_ALLOWED,
    "IP_ADDRESS_NOT_ON_WHITELIST": _IP_NOT_ALLOWED,
    "RESOURCE_REQUIRES_ACCESS_LIST": _IP_NOT_ALLOWED,
    "RESOURCE_REQUIRES_WHITELIST": _IP_NOT_ALLOWED,
    "ORG_REQUIRES_ACCESS_LIST": _IP_NOT_ALLOWED,
    "ORG_REQUIRES_WHITELIST": _IP_NOT_ALLOWED,
    "ACCOUNT_SUSPENDED": _SUSPENDED,
    "NO_PAYMENT_INFORMATION_FOUND": _SUSPENDED,
    "FEATURE_UNSUPPORTED": _NOT_OFFERED,
    "PATH_PARAM_PARSE_ERROR": _UNPARSABLE,
    "RATE_LIMITED": _RATE_LIMITED,
    "RATE_LIMITED_TOKEN_BUCKET": _RATE_LIMITED,
    "SERVICE_UNAVAILABLE": _UNAVAILABLE,
    "WRITES_NOT_ALLOWED_DURING_APP_UPGRADES": _UNAVAILABLE,
}

_BY_STATUS: Mapping[int, _Row] = {
    401: _CREDENTIALS_INVALID,
    402: _SUSPENDED,
    403: _MISSING_ROLE,
    404: _UNKNOWN_PATH,
    406: _GONE,
    407: _PROXY,
    410: _GONE,
    429: _RATE_LIMITED,
}

_TOKEN_REFUSED = _Row(AtlasUnavailableError, f"The token endpoint does not answer as that of Atlas does; {_CHECK_URL}.")

_TOKEN_BY_CODE: Mapping[str, _Row] = {
    **{code: row for code, row in _BY_CODE.items() if row in {_GONE, _IP_NOT_ALLOWED, _SUSPENDED, _UNAVAILABLE}},
    "RATE_LIMITED": _TOKEN_LIMITED,
    "RATE_LIMITED_TOKEN_BUCKET": _TOKEN_LIMITED,
    "access_denied": _TOKEN_LIMITED,
    "invalid_client": _CREDENTIALS_INVALID,
    # All other refusals of OAuth (RFC 6749, section 5.2); the request is always the same.
    "invalid_grant": _NO_TOKEN,
    "invalid_request": _NO_TOKEN,
    "invalid_scope": _NO_TOKEN,
    "unauthorized_client": _NO_TOKEN,
    "unsupported_grant_type": _NO_TOKEN,
}

_TOKEN_BY_STATUS: Mapping[int, _Row] = {
    401: _CREDENTIALS_INVALID,
    407: _PROXY,
    429: _TOKEN_LIMITED,
}

_KNOWN_CODES = frozenset({*_BY_CODE, *_TOKEN_BY_CODE})

_WORDS_WITH_ADDRESS = 100
"""Words that are searched for an IP address."""

_REDIRECTS = range(300, 400)
_REFUSALS = range(400, 500)


def classify(refusal: Refusal, request: Request, *, now: datetime, hide: Collection[str] = ()) -> AtlasError:
    """Return the error for a refusal of the API; ``hide`` are secrets that a foreign server might echo."""
    error = error_body_from(refusal.body)
    status = refusal.status
    # Intermediaries also send a 408 for a request that they have forwarded.
    refused = status in _REDIRECTS or (status in _REFUSALS and status != HTTPStatus.REQUEST_TIMEOUT)
    row = _row(refusal, error, request)
    return _error(
        _Row(row.error, request.refusals.explanations.get(row.error, row.explanation)),
        refusal,
        error,
        operation=request.operation,
        role="Project Owner" if request.writes else "Project Read Only",
        now=now,
        hide=hide,
        unknown_outcome=request.writes and not refused,
    )


def classify_token_answer(refusal: Refusal, *, operation: str, now: datetime, hide: Collection[str] = ()) -> AtlasError:
    """Return the error for a refusal of the token endpoint.

    It answers with OAuth's errors (``error`` and ``error_description``), and with Atlas's own for its quota. No call was made yet,
    so no outcome is unknown.
    """
    error = error_body_from(refusal.body)
    row = (
        _intermediate(refusal)
        or _TOKEN_BY_CODE.get(error.code or "")
        or _TOKEN_BY_STATUS.get(refusal.status, _TOKEN_REFUSED)
    )
    return _error(row, refusal, error, operation=operation, role="", now=now, hide=hide, unknown_outcome=False)


def unreadable(status: int, *, operation: str, writes: bool) -> AtlasUnavailableError:
    """Return the error for a 2xx answer without the expected content; a write may have been applied nevertheless."""
    return AtlasUnavailableError(
        f"Atlas's answer ({status}) cannot be used: it is empty, cut off, not JSON, not from Atlas, or beyond 4 MiB or 100,000 "
        f"values; if it persists, {_CHECK_URL}.",
        operation=operation,
        http_status=status,
        unknown_outcome=writes,
    )


def bounded_code(code: str | None, request: Request) -> str | None:
    """Return the code if it is a known one, else ``other``, so that a server cannot create any number of metric series; None stays."""
    return code if code is None or code in _KNOWN_CODES or code in request.refusals.absent else "other"


def _row(refusal: Refusal, error: ErrorBody, request: Request) -> _Row:
    if (intermediate := _intermediate(refusal)) is not None:
        return intermediate
    code, status = error.code or "", refusal.status
    if code.endswith(request.refusals.absent) and status in {400, 404}:
        return _ABSENT
    if (row := _BY_CODE.get(code) or _BY_STATUS.get(status)) is not None:
        return row
    if status in {400, 409, 422} and request.writes:
        return _REJECTED
    if status in {400, 422} and code:
        return _UNPARSABLE
    return _UNAVAILABLE


def _intermediate(refusal: Refusal) -> _Row | None:
    """Return the row of an answer that is not from Atlas: a redirect, a 5xx, or a refusal that is no JSON."""
    if refusal.status in _REDIRECTS:
        return _REDIRECT
    if refusal.status not in _REFUSALS:
        return _UNAVAILABLE
    status_suffices = refusal.status in {407, 429} or "www-authenticate" in refusal.headers
    if status_suffices or not refusal.body.strip() or json_from(refusal.body) is not None:
        return None
    return _NOT_ATLAS


def _error(
    row: _Row,
    refusal: Refusal,
    error: ErrorBody,
    *,
    operation: str,
    role: str,
    now: datetime,
    hide: Collection[str],
    unknown_outcome: bool,
) -> AtlasError:
    detail = redacted(_atlas_words(error), hide)
    code = error.code if error.code and redacted(error.code, hide) == error.code else None
    address = _address_in(error) if row.error is IPNotAllowedError else None
    explanation = row.explanation.format(role=role, address=address or "of the operator")
    numbers = f"HTTP {refusal.status}" + (f" {code}" if code else "")
    raised = row.error(
        f"{explanation} ({numbers})" + (f" Atlas says: {detail}" if detail else ""),
        operation=operation,
        http_status=refusal.status,
        error_code=code,
        detail=detail,
        retry_after=retry_after_from(refusal.headers, error, now=now),
        unknown_outcome=unknown_outcome,
    )
    if isinstance(raised, IPNotAllowedError):
        raised.address = address
    return raised


def _atlas_words(error: ErrorBody) -> str:
    # The remaining seconds would change the message, and so the status, at each attempt; retry_after has them.
    detail = re.sub(r"Please retry after \d{1,9} seconds?\.?", "", error.detail or "").strip()
    fields = "; ".join(error.fields)
    return f"{detail} [{fields}]" if detail and fields else detail or fields


def _address_in(error: ErrorBody) -> str | None:
    words = [parameter for parameter in error.parameters[:_WORDS_WITH_ADDRESS] if isinstance(parameter, str)]
    for word in [*words, *re.findall(r"[0-9A-Fa-f:.]{3,45}", error.detail or "")[:_WORDS_WITH_ADDRESS]]:
        try:
            return str(ipaddress.ip_address(word.rstrip(".")))
        except ValueError:
            continue
    return None
