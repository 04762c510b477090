"""The calls as the throttle allows them: each is admitted first and reported afterwards."""

import time
from collections.abc import Awaitable, Callable
from typing import Concatenate, ParamSpec, TypeVar

from atlas_endpoints.atlas import serverless_instances, serverless_private_endpoints
from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import AtlasError, AtlasHeldError
from atlas_endpoints.atlas.throttle import Throttle, Wait

_OPERATIONS = {**serverless_private_endpoints.OPERATIONS, **serverless_instances.OPERATIONS}
_P = ParamSpec("_P")
_T = TypeVar("_T")


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

    async def call(
        self,
        operation: Callable[Concatenate[Requester, Credentials, str, str, _P], Awaitable[_T]],
        credentials: Credentials,
        project_id: str,
        instance_name: str,
        *args: _P.args,
        **kwargs: _P.kwargs,
    ) -> _T:
        """Make one call, such as ``await atlas.call(list_endpoints, credentials, project_id, instance_name)``.

        Raises:
            AtlasHeldError: nothing was sent; come again after its ``retry_after`` seconds.
            AtlasError: what the call failed with.
        """
        now = self._clock()
        admitted = self._throttle.admit(*self._where(credentials, project_id, instance_name), now)
        if isinstance(admitted, Wait):
            raise AtlasHeldError(
                admitted.message,
                reason=admitted.reason,
                operation=_OPERATIONS.get(getattr(operation, "__name__", ""), "call"),
                retry_after=admitted.until - now,
            )
        try:
            result = await operation(self._client, credentials, project_id, instance_name, *args, **kwargs)
        except AtlasError as error:
            self._throttle.report(admitted, error, self._clock())
            raise
        except BaseException:
            self._throttle.release(admitted)
            raise
        self._throttle.report(admitted, None, self._clock())
        return result

    def let_through(self, credentials: Credentials, project_id: str, instance_name: str) -> None:
        """Let the next call to an instance pass before the time that Atlas named, once in each such wait."""
        self._throttle.let_through(*self._where(credentials, project_id, instance_name), self._clock())

    def _where(self, credentials: Credentials, project_id: str, instance_name: str) -> tuple[str, str, str]:
        project = f"{credentials.base_url or self._client.base_url} {project_id}"
        return self.fingerprint(credentials), project, instance_name
