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
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

import httpx
from typing_extensions import override

from atlas_endpoints.atlas.answers import (
    RefusedAnswer,
    classify_token_answer,
    json_from,
    refuses_credentials,
    seconds_from,
    unreadable,
)
from atlas_endpoints.atlas.credentials import ServiceAccount
from atlas_endpoints.atlas.redaction import carried
from atlas_endpoints.atlas.requests import TOKEN_OPERATION

if TYPE_CHECKING:
    from atlas_endpoints.atlas.errors import AtlasError

_ASSUMED_LIFE = 600.0
"""Seconds that a token lives when its answer has no usable ``expires_in``."""

_TOKEN = re.compile(r"[!-~]{1,8192}")
"""A token that fits a header. Atlas's have about a thousand characters, and servers accept headers of 8 kB."""


class ServiceAccountAuth(httpx.Auth):
    """Signs requests with the access token of a service account.

    One call at a time requests a token, when there is none or it is about to expire; the calls that wait share its result, also a
    refusal. While Atlas asks to wait with the next token request, none is sent. A call whose token is refused requests another one
    and is repeated once. (A call that is refused for a missing role or a foreign project is no refusal of the token.)
    """

    def __init__(self, credentials: ServiceAccount, base_url: str, *, clock: Callable[[], float]) -> None:
        self._credentials = credentials
        self._base_url = base_url
        self._clock = clock
        self._token = ""
        self._expires_at = self._not_before = -math.inf
        self._requesting = asyncio.Lock()
        self._answers = 0
        self._failure: Callable[[], AtlasError] | None = None

    @override
    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        refused = ""
        while True:
            answers = self._answers
            if not self.has_token or self._token == refused:
                async with self._requesting:
                    if not self.has_token or self._token == refused:
                        is_answered = self._answers > answers or self._clock() < self._not_before
                        if self._failure is None or not is_answered:
                            sent_at = self._clock()
                            response = yield self._token_request(request)
                            self._store_result(response, sent_at)
                        if self._failure is not None:
                            error, left = self._failure(), self._not_before - self._clock()
                            error.retry_after = left if left > 0 else error.retry_after
                            raise error
            token = self._token
            request.headers["Authorization"] = f"Bearer {token}"
            response = yield request
            if refused or not refuses_credentials(response.status_code, response.content):
                return
            refused = token

    @property
    def has_token(self) -> bool:
        """Whether there is a token that has not expired."""
        return self._clock() < self._expires_at

    def _store_result(self, response: httpx.Response, sent_at: float) -> None:
        self._answers += 1
        if not response.is_success:
            self._failure = partial(
                classify_token_answer,
                RefusedAnswer(response.status_code, response.headers, response.content),
                operation=TOKEN_OPERATION,
                now=datetime.now(UTC),
                hide=carried(self._credentials.secret, self._basic()),
            )
            self._not_before = self._clock() + (self._failure().retry_after or 0.0)
            return
        parsed = json_from(response.content)
        value = parsed.get("access_token") if isinstance(parsed, dict) else None
        if not isinstance(value, str) or not _TOKEN.fullmatch(value):
            self._failure = partial(unreadable, response.status_code, operation=TOKEN_OPERATION, writes=False)
            return
        life = seconds_from(parsed.get("expires_in")) or 0.0
        life = life if life > 0 else _ASSUMED_LIFE
        self._token, self._expires_at, self._failure = value, sent_at + life - min(10.0, life / 10), None

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
