"""Access tokens of service accounts (OAuth2 client credentials).

Source: https://www.mongodb.com/docs/atlas/api/service-accounts/generate-oauth2-token/
Atlas limits token requests (about ten a minute) and active tokens (100 for a service account). So one token, in memory only,
serves all calls until shortly before it expires, which it does within an hour.
"""

import asyncio
import base64
import math
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

import httpx
from typing_extensions import override

from atlas_endpoints.atlas.answers import (
    Refusal,
    classify_token_answer,
    json_from,
    refuses_credentials,
    seconds_from,
    unreadable,
)
from atlas_endpoints.atlas.credentials import ServiceAccount
from atlas_endpoints.atlas.redaction import carried
from atlas_endpoints.atlas.transport import TRANSPORT_ERRORS

if TYPE_CHECKING:
    from atlas_endpoints.atlas.errors import AtlasError

TOKEN_OPERATION = "createAccessToken"  # noqa: S105  # the name of an operation

_RENEW_FROM, _RENEW_UNTIL = 0.6, 0.75
"""Shares of a token's life between which it is renewed, at random, so that replicas and accounts do not renew together."""

_ASSUMED_LIFE = 600.0
"""Seconds that a token lives when its answer has no usable ``expires_in``."""

_TOKEN = re.compile(r"[!-~]{1,8192}")
"""A token that fits a header. Atlas's have about a thousand characters, and servers accept headers of 8 kB."""

_RETRY_RENEWAL = 60.0
"""Seconds until an early renewal that failed is retried; the old token serves until then."""


@dataclass(frozen=True, slots=True)
class _Token:
    """Times are monotonic seconds."""

    value: str = field(repr=False)
    renew_at: float
    expires_at: float


class ServiceAccountAuth(httpx.Auth):
    """Signs requests with the access token of a service account.

    One call at a time requests a token; the calls that wait share its result, also a refusal. While Atlas asks to wait with the
    next token request, none is sent. One call renews the token after about two thirds of its life, and the others go on with the
    old one; if the renewal fails, the old token serves until it expires. A call whose token is refused renews it and is repeated
    once. (A call that is refused for a missing role or a foreign project is no refusal of the token.)
    """

    def __init__(
        self, credentials: ServiceAccount, base_url: str, *, clock: Callable[[], float], random: Random
    ) -> None:
        self._credentials = credentials
        self._base_url = base_url
        self._clock = clock
        self._random = random
        self._token: _Token | None = None
        self._renewing = asyncio.Lock()
        self._attempts = 0
        self._failure: Callable[[], AtlasError] | None = None
        self._not_before = -math.inf

    @override
    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        refused = ""
        while True:
            if self._lacks_token(refused) or self._renewal_is_due():
                attempts = self._attempts
                async with self._renewing:
                    answered = self._attempts > attempts or self._clock() < self._not_before
                    if self._failure and answered and self._lacks_token(refused):
                        raise self._refusal(self._failure)
                    if self._lacks_token(refused) or self._renewal_is_due():
                        sent_at = self._clock()
                        if self._token is not None:  # if the renewal fails, calls go on with the old token
                            self._token = replace(self._token, renew_at=sent_at + _RETRY_RENEWAL)
                        try:
                            response = yield self._token_request(request)
                            self._store_result(response, sent_at)
                        except TRANSPORT_ERRORS:
                            if self._lacks_token(refused):
                                raise
                        if self._failure and self._lacks_token(refused):
                            raise self._refusal(self._failure)
            token = self._token
            assert token is not None  # noqa: S101  # without a token, the branch above has raised
            request.headers["Authorization"] = f"Bearer {token.value}"
            response = yield request
            if refused or not refuses_credentials(response.status_code, response.content):
                return
            refused = token.value

    @property
    def has_token(self) -> bool:
        """Whether there is a token that has not expired."""
        return self._token is not None and self._clock() < self._token.expires_at

    def _lacks_token(self, refused: str) -> bool:
        return self._token is None or self._token.value == refused or self._clock() >= self._token.expires_at

    def _renewal_is_due(self) -> bool:
        return self._token is not None and self._clock() >= max(self._token.renew_at, self._not_before)

    def _refusal(self, failure: Callable[[], "AtlasError"]) -> "AtlasError":
        """Return the token endpoint's error for one more call, with the rest of the wait that it asks for."""
        error, left = failure(), self._not_before - self._clock()
        if left > 0:
            error.retry_after = left
        return error

    def _store_result(self, response: httpx.Response, sent_at: float) -> None:
        self._attempts += 1
        share = self._random.uniform(_RENEW_FROM, _RENEW_UNTIL)
        if response.is_success and (token := _token_in(response.content, sent_at, share)) is not None:
            self._token, self._failure = token, None
        elif response.is_success:
            self._failure = partial(unreadable, response.status_code, operation=TOKEN_OPERATION, writes=False)
        else:
            self._failure = partial(
                classify_token_answer,
                Refusal(response.status_code, response.headers, response.content),
                operation=TOKEN_OPERATION,
                now=datetime.now(UTC),
                hide=carried(self._credentials.secret, self._basic()),
            )
            self._not_before = self._clock() + (self._failure().retry_after or 0.0)

    def _basic(self) -> str:
        pair = f"{quote_plus(self._credentials.identity)}:{quote_plus(self._credentials.secret)}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    def _token_request(self, call: httpx.Request) -> httpx.Request:
        return httpx.Request(
            "POST",
            f"{self._base_url}/api/oauth/token",
            headers={
                "Accept": "application/json",
                "Authorization": self._basic(),
                "Content-Type": "application/x-www-form-urlencoded",
                "User-Agent": call.headers["User-Agent"],
            },
            content=b"grant_type=client_credentials",
            extensions={"operation": TOKEN_OPERATION, "timeout": call.extensions["timeout"]},
        )


def _token_in(body: bytes, sent_at: float, share: float) -> _Token | None:
    """Parse a token that is due for renewal after ``share`` of its life; None when there is none."""
    parsed = json_from(body)
    value = parsed.get("access_token") if isinstance(parsed, dict) else None
    if not isinstance(value, str) or not _TOKEN.fullmatch(value):
        return None
    life = seconds_from(parsed.get("expires_in"))
    if life is None or life <= 0:
        life = _ASSUMED_LIFE
    return _Token(value, renew_at=sent_at + life * share, expires_at=sent_at + life - min(10.0, life / 10))
