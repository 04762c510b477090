"""Which credentials a resource uses: from a Secret of its namespace, else the operator's own."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from atlas_endpoints.atlas.credentials import Credentials, CredentialsError, parse_credentials
from atlas_endpoints.cluster.errors import SecretProblemError

logger = logging.getLogger(__name__)


class SecretReader(Protocol):
    """Reads Secrets by name, not older than it promises."""

    async def read(self, namespace: str, name: str, *, fresh: bool) -> Mapping[str, str]:
        """Give the decoded values of a Secret.

        Args:
            namespace: of the Secret.
            name: of the Secret.
            fresh: whether even a recent reading is too old.

        Raises:
            SecretProblemError: there is no such Secret or it may not be read.
            ClusterUnavailableError: the API server could not be reached.
        """
        ...


class NoCredentialsError(Exception):
    """A resource has no usable credentials.

    Attributes:
        reason: of the condition ``CredentialsValid``.
        message: for people, with the remedy.
        source: where they were looked for.
        retry_in: seconds after which to look again.
    """

    def __init__(self, reason: str, message: str, *, source: str | None, retry_in: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.source = source
        self.retry_in = retry_in


@dataclass(frozen=True, slots=True)
class Access:
    """What a resource may use.

    Attributes:
        fingerprint: names the credentials without telling them.
        source: ``Secret/<name>`` of the resource's namespace, or ``operator``.
    """

    fingerprint: str
    source: str


class _Place(NamedTuple):
    """Where credentials are looked for.

    Attributes:
        namespace: of the Secret.
        name: of the Secret.
        source: how a status names it.
    """

    namespace: str
    name: str
    source: str


RETRY_UNUSABLE = 30.0
"""Seconds after which a Secret that exists and is of no use is read again."""

OPERATOR = "operator"
"""How a status names the operator's own credentials."""

_OPERATOR_LACKS_ITS_OWN = (
    "The resource names no Secret, and the operator's own cannot be read. Set spec.credentialsSecretRef.name, or ask whoever"
    " runs the operator to mend its credentials."
)
"""Users are told neither the name nor the namespace of a Secret that is not theirs."""


class AccessResolver:
    """Finds the credentials of a resource; the most specific source wins.

    Args:
        secrets: reads Secrets.
        default: namespace and name of the operator's own Secret, if it has one.
        introduce: makes credentials known and gives their fingerprint.
    """

    def __init__(
        self,
        secrets: SecretReader,
        *,
        default: tuple[str, str] | None,
        introduce: Callable[[Credentials], str],
    ) -> None:
        self._secrets = secrets
        self._default = default
        self._introduce = introduce
        self._warned: dict[_Place, list[str]] = {}

    async def resolve(self, namespace: str, secret_name: str | None, *, fresh: bool = False) -> Access:
        """Find the credentials.

        Args:
            namespace: of the resource; a Secret of another namespace is never read on its behalf.
            secret_name: what the resource names, if anything.
            fresh: whether even a recent reading of the Secret is too old.

        Raises:
            NoCredentialsError: there are none, or not usable ones.
            ClusterUnavailableError: the API server could not be reached.
        """
        place = self._place(namespace, secret_name)
        try:
            data = await self._secrets.read(place.namespace, place.name, fresh=fresh)
            credentials, warnings = parse_credentials(data)
        except SecretProblemError as problem:
            message = _OPERATOR_LACKS_ITS_OWN if place.source == OPERATOR else problem.message
            raise NoCredentialsError(
                problem.reason, message, source=place.source, retry_in=problem.retry_in
            ) from problem
        except CredentialsError as error:
            subject = "The operator's own Secret" if place.source == OPERATOR else f"Secret {place.name}"
            raise NoCredentialsError(
                error.reason, f"{subject}: {error.message}", source=place.source, retry_in=RETRY_UNUSABLE
            ) from error
        self._warn(place, warnings)
        return Access(self._introduce(credentials), place.source)

    def _place(self, namespace: str, secret_name: str | None) -> _Place:
        if secret_name is not None:
            return _Place(namespace, secret_name, f"Secret/{secret_name}")
        if self._default is not None:
            return _Place(*self._default, OPERATOR)
        raise NoCredentialsError(
            "SecretNotFound",
            "The resource names no Secret and the operator has none of its own. Set spec.credentialsSecretRef.name, or"
            " ask whoever runs the operator to give it credentials.",
            source=None,
            retry_in=RETRY_UNUSABLE,
        )

    def _warn(self, place: _Place, warnings: list[str]) -> None:
        """Log what is odd about a Secret, once as long as it stays so; never its content."""
        if self._warned.get(place, []) == warnings:
            return
        for warning in warnings:
            logger.warning("Secret %s/%s: %s", place.namespace, place.name, warning)
        if warnings:
            self._warned[place] = warnings
        else:
            del self._warned[place]
