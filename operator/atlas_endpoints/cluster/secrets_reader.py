"""Reading Secrets by name: no LIST, no watch, few calls, and never older than promised."""

import asyncio
import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.calls import call
from atlas_endpoints.cluster.errors import ClusterUnavailableError, SecretProblemError
from atlas_endpoints.engine.backoff import doubled

MAX_AGE = 30.0
"""Seconds for which a reading may be used."""

FRESH = 2.0
"""Seconds: what counts as fresh, so that many who ask at once cost one call."""

RETRY_FIRST, RETRY_LAST = 5.0, 60.0
"""Seconds between readings of a Secret that cannot be had; doubled from the first to the last, whoever waits for it."""

IDLE = 3600.0
"""Seconds after which a Secret that nobody asked for is dropped from memory."""

NOT_FOUND, FORBIDDEN = 404, 403


class _Name(NamedTuple):
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class _Reading:
    """What came of reading a Secret.

    Attributes:
        data: its decoded values, if it could be had.
        status: of the API server's answer, if it could not.
        at: when, in monotonic seconds.
        misses: how many readings in a row ended like this one, if it has no data.
    """

    data: Mapping[str, str] | None
    status: int | None
    at: float
    misses: int

    @property
    def due(self) -> float:
        """When to read again: with data, when somebody asks later than this."""
        if self.data is not None:
            return self.at + MAX_AGE
        return self.at + doubled(RETRY_FIRST, self.misses - 1, RETRY_LAST)


class SecretReader:
    """Reads Secrets; see ``kinds.access.SecretReader``.

    Args:
        api: the connection.
        monotonic: seconds that only grow.
    """

    def __init__(self, api: client.ApiClient, monotonic: Callable[[], float]) -> None:
        self._core = client.CoreV1Api(api)
        self._monotonic = monotonic
        self._readings: dict[_Name, _Reading] = {}
        self._reads: dict[_Name, asyncio.Task[_Reading]] = {}

    async def read(self, namespace: str, name: str, *, fresh: bool = False) -> Mapping[str, str]:
        """Give the decoded values of a Secret.

        Args:
            namespace: of the Secret.
            name: of the Secret.
            fresh: whether even a recent reading is too old.

        Raises:
            SecretProblemError: there is no such Secret, or it may not be read.
            ClusterUnavailableError: the API server could not be reached.
        """
        key = _Name(namespace, name)
        reading = self._readings.get(key)
        if reading is None or self._monotonic() >= (reading.at + FRESH if fresh else reading.due):
            task = self._reads.get(key)
            if task is None:
                task = self._reads[key] = asyncio.create_task(self._read(key), name=f"read Secret {namespace}/{name}")
            # Whoever gives up waiting must not take the answer from the others.
            reading = await asyncio.shield(task)
        if reading.data is not None:
            return reading.data
        raise _problem(key, reading, max(0.0, reading.due - self._monotonic()))

    async def _read(self, key: _Name) -> _Reading:
        try:
            data, status = await self._get(key)
        finally:
            del self._reads[key]
        now = self._monotonic()
        before = self._readings.get(key)
        misses = 0
        if data is None:
            misses = 1 + (before.misses if before is not None and before.status == status else 0)
        self._readings = {name: kept for name, kept in self._readings.items() if kept.at > now - IDLE}
        reading = self._readings[key] = _Reading(data, status, now, misses)
        return reading

    async def _get(self, key: _Name) -> tuple[Mapping[str, str] | None, int | None]:
        """Give the values of a Secret, or the status that says why not."""
        try:
            secret = await call(self._core.read_namespaced_secret(key.name, key.namespace))
        except ApiException as error:
            if error.status not in {NOT_FOUND, FORBIDDEN}:
                # Not chained: what else is in the answer is nobody's business.
                raise ClusterUnavailableError(f"The API server refused to show a Secret: {error.status}.") from None
            return None, error.status
        return {name: _decoded(value) for name, value in (secret.data or {}).items()}, None


def _decoded(value: bytes | str) -> str:
    return base64.b64decode(value).decode(errors="replace")


def _problem(key: _Name, reading: _Reading, retry_in: float) -> ClusterUnavailableError | SecretProblemError:
    if reading.status == NOT_FOUND:
        return SecretProblemError(
            "SecretNotFound",
            f"There is no Secret {key.name} in namespace {key.namespace}. Create it with the keys clientId and clientSecret"
            " (or publicApiKey and privateApiKey); it is picked up by itself.",
            retry_in=retry_in,
        )
    if reading.misses == 1:
        # An API server that has just started refuses for a moment what it permits: only the second time it is believed.
        return ClusterUnavailableError("The API server refused to show a Secret: 403. It is asked once more.")
    return SecretProblemError(
        "SecretForbidden",
        f"The operator may not read Secret {key.name} in namespace {key.namespace}, whether it exists or not. Give its"
        " ServiceAccount the verb get on it, or use a Secret that it may read.",
        retry_in=retry_in,
    )
