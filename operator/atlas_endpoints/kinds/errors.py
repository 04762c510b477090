"""What keeps a resource from its work before Atlas is asked."""


class NoCredentialsError(Exception):
    """A resource has no usable credentials.

    Attributes:
        reason: of the condition ``CredentialsValid``.
        message: for people, with the remedy.
        source: where they were looked for.
        retry_in: seconds after which to look again.
        operation: what failed.
    """

    def __init__(
        self, reason: str, message: str, *, source: str | None, retry_in: float, operation: str = "readSecret"
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.source = source
        self.retry_in = retry_in
        self.operation = operation
