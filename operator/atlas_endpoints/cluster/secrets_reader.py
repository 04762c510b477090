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

MAX_AGE = 30.0
"""Seconds for which a reading may be used."""

FRESH = 2.0
"""Seconds: what counts as fresh, so that many who ask at once cost one call."""

RETRY_FIRST, RETRY_LAST = 5.0, 60.0
"""Seconds between readings of a Secret that somebody waits for; doubled from the first to the last."""

IDLE = 3600.0
"""Seconds after which a Secret that nobody asked for is dropped from memory."""

NOT_FOUND, FORBIDDEN = 404, 403


class _Name(NamedTuple):
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class _Reading:
    data: Mapping[str, str] | None
    problem: str
    at: float
    misses: int

    @property
    def retry_after(self) -> float:
        return min(RETRY_FIRST * 2.0 ** (self.misses - 1), RETRY_LAST)

    def usable(self, now: float, max_age: float) -> bool:
        return now < self.at + (max_age if self.data is not None else min(self.retry_after, max_age))


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
        self._reads: dict[_Name, asyncio.Task[None]] = {}

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
        if reading is None or not reading.usable(self._monotonic(), FRESH if fresh else MAX_AGE):
            task = self._reads.get(key)
            if task is None:
                task = self._reads[key] = asyncio.create_task(self._read(key), name=f"read Secret {namespace}/{name}")
            # Whoever gives up waiting must not take the answer from the others.
            await asyncio.shield(task)
            reading = self._readings[key]
        if reading.data is not None:
            return reading.data
        due = max(0.0, reading.at + reading.retry_after - self._monotonic())
        raise SecretProblemError(reading.problem, _message(reading.problem, key), retry_in=due)

    async def _read(self, key: _Name) -> None:
        data: Mapping[str, str] | None = None
        problem = ""
        try:
            secret = await call(self._core.read_namespaced_secret(key.name, key.namespace))
            data = {name: _decoded(value) for name, value in (secret.data or {}).items()}
        except ApiException as error:
            if error.status not in {NOT_FOUND, FORBIDDEN}:
                raise ClusterUnavailableError(f"The API server refused to show a Secret: {error.status}.") from None
            problem = "SecretNotFound" if error.status == NOT_FOUND else "SecretForbidden"
        finally:
            del self._reads[key]
        now = self._monotonic()
        before = self._readings.get(key)
        misses = 0 if data is not None else (before.misses if before else 0) + 1
        self._readings = {name: kept for name, kept in self._readings.items() if kept.at > now - IDLE}
        self._readings[key] = _Reading(data, problem, now, misses)


def _decoded(value: bytes | str) -> str:
    return base64.b64decode(value).decode(errors="replace")


def _message(problem: str, key: _Name) -> str:
    if problem == "SecretNotFound":
        return (
            f"There is no Secret {key.name} in namespace {key.namespace}. Create it with the keys clientId and clientSecret"
            " (or publicApiKey and privateApiKey); it is picked up by itself."
        )
    return (
        f"The operator may not read Secret {key.name} in namespace {key.namespace}, whether it exists or not. Give its"
        " ServiceAccount the verb get on it, or use a Secret that it may read."
    )
