"""Exchanges with Atlas as they were, in the format of the recorded answers of the tests."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
from typing_extensions import override

from atlas_endpoints.atlas.answers import Requester, json_from, send_list
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import AccountSuspendedError, AtlasError, MissingRoleError, RateLimitedError, Wording
from atlas_endpoints.atlas.redaction import carried, without
from atlas_endpoints.atlas.requests import TOKEN_OPERATION, Request
from atlas_endpoints.atlas.transport import GuardedTransport
from atlas_endpoints.commands.check.interview import is_hopeless
from atlas_endpoints.commands.clusterless import PatientClient
from atlas_endpoints.kinds.conforming import Exchange, StopError

V = TypeVar("V")

HEADERS = ("Content-Type", "Deprecation", "RateLimit-Limit", "Retry-After", "Sunset", "X-Error-Code", "X-Java-Method")
"""What is kept of the headers of an answer."""


def unanswered(step: str, request: Request) -> Exchange:
    """Return a call without an answer."""
    body = {} if request.body is None else {"body": dict(request.body)}
    sent = {"method": request.method, "path": request.path, **body}
    return Exchange(step, request.operation, datetime.now(UTC).isoformat(timespec="seconds"), sent, None)


class Wire(httpx.AsyncBaseTransport):
    """Keeps the last answer to a call, without credentials; ``secret`` is that of all calls."""

    def __init__(self, transport: httpx.AsyncBaseTransport, secret: str) -> None:
        self._transport, self._secret = GuardedTransport(transport), secret
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

    @property
    def last(self) -> Mapping[str, Any] | None:
        """Status, headers and body of the last answer; None: none came, or that of a proxy, which is no JSON."""
        if self._last is None:
            return None
        request, response = self._last
        hide = carried(self._secret, request.headers.get("Authorization", ""))
        body = without(json_from(response.content), hide)
        if body is None and response.content.strip():
            return None
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
    sleep: Callable[[float], Awaitable[object]]

    async def send(self, step: str, request: Request) -> Exchange:
        """Make a call and return it with its answer, which may be a refusal.

        Raises:
            AtlasError: other calls would not be answered either, or the outcome of a write is unknown.
            StopError: the credentials or the organization may not make such calls.
        """
        on = RateLimitedError if request.writes else AtlasError
        try:
            await PatientClient(self.client, self.say, on, sleep=self.sleep).request(self.credentials, request)
        except AtlasError as error:
            if isinstance(error, MissingRoleError | AccountSuspendedError):
                raise StopError(error.explanation.worded(self.wording)) from error
            if is_hopeless(error) or error.unknown_outcome or isinstance(error, RateLimitedError):
                raise
        return replace(unanswered(step, request), response=self.wire.last)

    async def list(self, request: Request, parse: Callable[[object], tuple[str, V] | None]) -> Sequence[V]:
        """Return the items of a LIST.

        Raises:
            AtlasError: Atlas does not answer.
            StopError: the answer is a refusal, or cannot be read.
        """
        try:
            listing = await send_list(
                PatientClient(self.client, self.say, sleep=self.sleep), self.credentials, request, parse
            )
        except AtlasError as error:
            if error.http_status is None or is_hopeless(error) or isinstance(error, RateLimitedError):
                raise
            raise StopError(error.explanation.worded(self.wording)) from error
        if listing.skipped:
            raise StopError(f"the IDs of {listing.skipped} endpoints of the project cannot be read")
        return [*listing.entries.values()]
