"""The calls as the throttle allows them: each is admitted first and reported afterwards."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from atlas_endpoints.atlas.answers import Answer, Requester
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import AtlasError, AtlasHeldError
from atlas_endpoints.atlas.listings import Listing, send_list
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.atlas.throttle import Throttle, Wait

T = TypeVar("T")


class ThrottledClient:
    """Makes calls as the throttle allows; it never waits itself.

    Args:
        client: makes the calls.
        throttle: decides about them.
        clock: monotonic seconds.
    """

    def __init__(self, client: Requester, throttle: Throttle, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._throttle = throttle
        self._clock = clock

    def fingerprint(self, credentials: Credentials) -> str:
        """Name credentials at their Atlas."""
        return credentials.fingerprint(self._client.base_url)

    def forget(self, fingerprint: str) -> None:
        """Drop the state of credentials."""
        self._throttle.forget(fingerprint, self._clock())

    async def call(self, credentials: Credentials, scope: Scope, request: Request, read: Callable[[Answer], T]) -> T:
        """Make one call about a scope.

        Args:
            credentials: to make it with.
            scope: that it is about.
            request: the call.
            read: reads the answer; what it raises is a failure of the call.

        Raises:
            AtlasHeldError: nothing was sent; come again after its ``retry_after`` seconds.
            AtlasError: what the call failed with.
        """

        async def call() -> T:
            return read(await self._client.request(credentials, request))

        return await self._admitted(credentials, scope, request, call)

    async def list(
        self,
        credentials: Credentials,
        scope: Scope,
        request: Request,
        parse: Callable[[object], tuple[str, T] | None],
    ) -> Listing[T]:
        """Make the LIST of a scope; see ``listings.send_list``.

        Raises:
            AtlasHeldError: nothing was sent; come again after its ``retry_after`` seconds.
            AtlasError: what the call failed with.
        """
        return await self._admitted(
            credentials, scope, request, lambda: send_list(self._client, credentials, request, parse)
        )

    def let_through(self, credentials: Credentials, scope: Scope) -> None:
        """Let the next call to a scope pass before the time that Atlas named, once in each such wait."""
        self._throttle.let_through(*self._where(credentials, scope), self._clock())

    async def _admitted(
        self, credentials: Credentials, scope: Scope, request: Request, call: Callable[[], Awaitable[T]]
    ) -> T:
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
            result = await call()
        except AtlasError as error:
            self._throttle.report(admitted, error, self._clock())
            raise
        except BaseException:
            self._throttle.release(admitted)
            raise
        self._throttle.report(admitted, None, self._clock())
        return result

    def _where(self, credentials: Credentials, scope: Scope) -> tuple[str, str, str]:
        project = f"{credentials.base_url or self._client.base_url} {scope.project_id}"
        return self.fingerprint(credentials), project, f"{scope.kind} {scope.name}"
