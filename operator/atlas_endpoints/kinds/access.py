"""Which credentials a resource uses: from a Secret of its namespace, else the operator's own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from atlas_endpoints.atlas.credentials import Credentials, CredentialsError, parse_credentials
from atlas_endpoints.cluster.errors import SecretProblemError


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
        warnings: about the Secret's content, never the content.
    """

    fingerprint: str
    source: str
    warnings: tuple[str, ...] = ()


RETRY_UNUSABLE = 30.0
"""Seconds after which a Secret that exists and is of no use is read again."""

OPERATOR = "operator"
"""How a status names the operator's own credentials."""


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
        if secret_name is not None:
            where, source = (namespace, secret_name), f"Secret/{secret_name}"
        elif self._default is not None:
            where, source = self._default, OPERATOR
        else:
            raise NoCredentialsError(
                "SecretNotFound",
                "The resource names no Secret and the operator has none of its own. Set spec.credentialsSecretRef.name, or"
                " ask whoever runs the operator to give it credentials.",
                source=None,
                retry_in=RETRY_UNUSABLE,
            )
        try:
            data = await self._secrets.read(*where, fresh=fresh)
            credentials, warnings = parse_credentials(data)
        except SecretProblemError as problem:
            raise NoCredentialsError(
                problem.reason, problem.message, source=source, retry_in=problem.retry_in
            ) from problem
        except CredentialsError as error:
            raise NoCredentialsError(
                error.reason, f"{_named(where, source)}: {error.message}", source=source, retry_in=RETRY_UNUSABLE
            ) from error
        return Access(self._introduce(credentials), source, tuple(warnings))


def _named(where: tuple[str, str], source: str) -> str:
    """Name a Secret to a user, who need not know where the operator keeps its own."""
    return "The operator's own Secret" if source == OPERATOR else f"Secret {where[1]}"
