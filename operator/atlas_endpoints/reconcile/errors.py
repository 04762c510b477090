"""Errors that end a reconcile before a call to Atlas."""

from enum import StrEnum


class SelectionProblem(StrEnum):
    """Why no Secret is read: a reason of ``CredentialsValid``."""

    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    INVALID_SECRET_NAME = "InvalidSecretName"  # noqa: S105  # no secret


class NoCredentialsError(Exception):
    """A resource has no usable credentials.

    Attributes:
        reason: of ``CredentialsValid``: a ``SelectionProblem``, ``SecretProblem`` or ``CredentialsProblem``.
        message: for people, with the remedy.
        source: see ``credentials.Access``.
        retry_in: seconds.
        operation: that failed.
    """

    def __init__(
        self, reason: StrEnum, message: str, *, source: str | None, retry_in: float, operation: str = "readSecret"
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.source = source
        self.retry_in = retry_in
        self.operation = operation
