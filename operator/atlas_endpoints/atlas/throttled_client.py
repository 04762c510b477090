"""A client whose calls the throttle admits; it never waits itself."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from atlas_endpoints.atlas.answers import Answer, Requester
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import AtlasError, AtlasHeldError
from atlas_endpoints.atlas.listings import Listing, send_list
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.atlas.throttle import Throttle, Wait

T = TypeVar("T")


class ThrottledClient:
    """Makes calls as the throttle admits them.

    A call raises ``AtlasHeldError`` when nothing was sent; try again after its ``retry_after`` seconds.
    """

    def __init__(self, client: Requester, throttle: Throttle, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._throttle = throttle
        self._clock = clock

    def fingerprint(self, credentials: Credentials) -> str:
        """Return the name of credentials at their Atlas."""
        return credentials.fingerprint(self._client.base_url)

    def forget(self, fingerprint: str) -> None:
        """Drop the state of credentials."""
        self._throttle.forget(fingerprint, self._clock())

    async def call(self, credentials: Credentials, scope: Scope, request: Request, read: Callable[[Answer], T]) -> T:
        """Make one call about a scope, and return the result of ``read``, whose error fails the call."""
        with self._admission(credentials, scope, request):
            return read(await self._client.request(credentials, request))

    async def list(
        self,
        credentials: Credentials,
        scope: Scope,
        request: Request,
        parse: Callable[[object], tuple[str, T] | None],
    ) -> Listing[T]:
        """Make the LIST of a scope; see ``listings.send_list``."""
        with self._admission(credentials, scope, request):
            return await send_list(self._client, credentials, request, parse)

    def let_through(self, credentials: Credentials, scope: Scope) -> None:
        """Admit the next call to a scope before the time that Atlas named, once in each such wait."""
        self._throttle.let_through(*self._where(credentials, scope), self._clock())

    @contextmanager
    def _admission(self, credentials: Credentials, scope: Scope, request: Request) -> Iterator[None]:
        now = self._clock()
        admitted = self._throttle.admit(*self._where(credentials, scope), now)
        if isinstance(admitted, Wait):
            raise AtlasHeldError(
                admitted.message,
                reason=admitted.reason,
                operation=request.operation,
                retry_after=admitted.until - now,
            )
        try:
            yield
        except AtlasError as error:
            self._throttle.report(admitted, error, self._clock())
            raise
        except BaseException:
            self._throttle.release(admitted)
            raise
        self._throttle.report(admitted, None, self._clock())

    def _where(self, credentials: Credentials, scope: Scope) -> tuple[str, str, str]:
        project = f"{credentials.base_url or self._client.base_url} {scope.project_id}"
        return self.fingerprint(credentials), project, f"{scope.kind} {scope.name}"
