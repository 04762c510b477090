"""Exchanges with Atlas as they were, in the format of the recorded answers of the tests."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import httpx
from typing_extensions import override

from atlas_endpoints.atlas.answers import Answer, Requester, json_from
from atlas_endpoints.atlas.auth import TOKEN_OPERATION
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import AccountSuspendedError, AtlasError, MissingRoleError, RateLimitedError, Wording
from atlas_endpoints.atlas.redaction import carried, redacted, without
from atlas_endpoints.atlas.requests import Request
from atlas_endpoints.atlas.transport import BoundedTransport
from atlas_endpoints.commands.check.interview import is_hopeless
from atlas_endpoints.commands.clusterless import CALL_ATTEMPTS, LONGEST_WAIT
from atlas_endpoints.commands.pauses import pause, waiting

HEADERS = ("Content-Type", "Deprecation", "RateLimit-Limit", "Retry-After", "Sunset", "X-Error-Code", "X-Java-Method")
"""What is kept of the headers of an answer."""

ERROR = 500


class StopError(Exception):
    """A life cannot go on, for the reason in the text."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A call and its answer; ``step`` names it within the life of a family.

    Attributes:
        response: status, headers and body; None: no answer came, or it was lost with a process.
    """

    step: str
    op: str
    date: str
    request: Mapping[str, Any]
    response: Mapping[str, Any] | None
    fidelity: str = "bytes"

    @property
    def status(self) -> int:
        """The HTTP status; 0 without an answer."""
        return self.response["status"] if self.response else 0

    @property
    def is_success(self) -> bool:
        """Whether the answer is 2xx."""
        return httpx.codes.is_success(self.status)

    @property
    def body(self) -> Mapping[str, Any]:
        """The body, if it is an object; else an empty one."""
        body = self.response["body"] if self.response else None
        return body if isinstance(body, dict) else {}

    @property
    def summary(self) -> str:
        """The status, and the error code if there is one."""
        return f"{self.status} {self.body.get('errorCode') or ''}".strip() if self.response else "no answer"


def unanswered(step: str, request: Request) -> Exchange:
    """Return a call without an answer."""
    body = {} if request.body is None else {"body": dict(request.body)}
    sent = {"method": request.method, "path": request.path, **body}
    return Exchange(step, request.operation, datetime.now(UTC).isoformat(timespec="seconds"), sent, None)


class Wire(httpx.AsyncBaseTransport):
    """Keeps the last answer to a call, without credentials."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = BoundedTransport(transport)
        self._last: tuple[httpx.Request, httpx.Response] | None = None

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._last = None
        response = await self._transport.handle_async_request(request)
        if request.extensions["operation"] != TOKEN_OPERATION:
            self._last = request, response
        return response

    @override
    async def aclose(self) -> None:
        await self._transport.aclose()

    def last(self, secret: str) -> Mapping[str, Any] | None:
        """Return status, headers and body of the last answer; None: none came."""
        if self._last is None:
            return None
        request, response = self._last
        hide = carried(secret, request.headers.get("Authorization", ""))
        parsed = json_from(response.content)
        body = redacted(response.text, hide) or None if parsed is None else without(parsed, hide)
        headers = {name: response.headers[name] for name in HEADERS if name in response.headers}
        return {"status": response.status_code, "headers": headers, "body": body}


@dataclass(frozen=True, slots=True)
class Atlas:
    """Makes calls one after the other. It repeats a GET, and a write only if Atlas has refused it for its rate."""

    client: Requester
    credentials: Credentials
    wire: Wire
    wording: Wording
    say: Callable[[str], object]
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep

    @property
    def base_url(self) -> str:
        """The address of Atlas."""
        return self.client.base_url

    async def request(self, credentials: Credentials, request: Request) -> Answer:
        """Make a call; see ``Requester``."""
        for attempt in range(1, CALL_ATTEMPTS):
            try:
                return await self.client.request(credentials, request)
            except AtlasError as error:
                is_away = not request.writes and (error.http_status or ERROR) >= ERROR
                if not (is_away or isinstance(error, RateLimitedError)):
                    raise
                seconds = min(pause(error.reason, attempt, error.retry_after), LONGEST_WAIT)
                self.say(waiting(error.reason, seconds))
                await self.sleep(seconds)
        return await self.client.request(credentials, request)

    async def send(self, step: str, request: Request) -> Exchange:
        """Make a call and return it with its answer, which may be a refusal.

        Raises:
            AtlasError: other calls would not be answered either, or the outcome of a write is unknown.
            StopError: the credentials or the organization may not make such calls.
        """
        try:
            await self.request(self.credentials, request)
        except AtlasError as error:
            if isinstance(error, MissingRoleError | AccountSuspendedError):
                raise StopError(error.explanation.worded(self.wording)) from error
            if is_hopeless(error) or error.unknown_outcome or isinstance(error, RateLimitedError):
                raise
        return replace(unanswered(step, request), response=self.last_answer())

    def last_answer(self) -> Mapping[str, Any] | None:
        """Return the answer to the last call; None: none came."""
        return self.wire.last(self.credentials.secret)
