"""The errors of calls to the Atlas Admin API.

``answers`` has the one table from answers to these classes. The exceptions of httpx and aiohttp never leave this
package; a test ensures it.
"""

import enum
from dataclasses import dataclass


@dataclass(frozen=True)
class Wording:
    """The remedies that depend on the reader of a message, as parts of its sentences."""

    atlas_url: str = "ATLAS_ENDPOINTS_ATLAS_URL (or baseUrl in the operator's Secret)"
    """The setting to check when something else than the intended Atlas answers."""
    dns: str = "the cluster's DNS"
    """The resolver to check."""
    address: str = "of the operator"
    """Which address Atlas refuses; its own words usually have it."""
    retry: str = "The call is retried."
    """What follows a failure that heals by itself."""
    credentials: str = "Put valid ones into the Secret."
    """How to replace refused credentials."""
    wrong_field: str = "delete this resource with deletionPolicy Retain, which does not change Atlas, and create it again with the right value"
    """How to correct an immutable field."""
    refused: str = "Correct the fields that it names."
    """What follows the refusal of a write."""
    then: str = "Then try again."
    """What follows a remedy that only another call can confirm."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The message of an error, before it is worded for a reader: a format string with the fields of ``Wording``, and what follows."""

    template: str
    words: str = ""

    def worded(self, wording: Wording) -> str:
        """Return the message as one line of at most 700 characters."""
        return one_line(self.template.format_map(vars(wording)) + self.words, limit=700)


class Retry(enum.Enum):
    """When to try again."""

    BACKOFF = "backoff"
    """Soon, with exponential backoff, and no earlier than ``retry_after``: it heals by itself."""

    SLOW = "slow"
    """At the interval of a healthy resource, and at once when the credentials change: somebody must act."""

    ON_CHANGE = "on change"
    """When the resource changes, and as ``SLOW``: the same request would be refused again."""

    WHEN_DUE = "when due"
    """After ``retry_after`` seconds. Nothing was sent, so this is no attempt."""


class AtlasError(Exception):
    """An Atlas call failed.

    Attributes:
        reason: the reason of the condition ``Ready``.
        explanation: the fault, the remedy, Atlas's own words last. It is constant as long as the cause is (no clock, no counts), so
            that attempts do not change the status. It never holds a secret.
        message: the explanation for a reader of whom nothing is known.
        operation: the failed call, by its name in Atlas's API reference.
        http_status: None when no answer came.
        retry_after: seconds that Atlas asks to wait, or the rest of them.
        unknown_outcome: whether a failed write may have been applied: no answer, 5xx, or an unreadable 2xx.
    """

    reason = "AtlasUnavailable"
    retry = Retry.BACKOFF
    at_least = 0.0
    """Seconds of the shortest backoff."""

    def __init__(
        self,
        explanation: Explanation | str,
        *,
        operation: str,
        http_status: int | None = None,
        error_code: str | None = None,
        detail: str | None = None,
        retry_after: float | None = None,
        unknown_outcome: bool = False,
    ) -> None:
        self.explanation = Explanation("", explanation) if isinstance(explanation, str) else explanation
        self.message = self.explanation.worded(Wording())
        self.operation = operation
        self.http_status = http_status
        self.error_code = error_code
        self.detail = one_line(detail, limit=500) if detail else None
        self.retry_after = retry_after
        self.unknown_outcome = unknown_outcome
        super().__init__(self.message)

    def refuted(self, explanation: Explanation | str, *, retry_after: float | None = None) -> "AtlasUnavailableError":
        """Return a retryable error for this answer, which does not prove what it says."""
        return AtlasUnavailableError(
            explanation,
            operation=self.operation,
            http_status=self.http_status,
            error_code=self.error_code,
            detail=self.detail,
            retry_after=retry_after,
        )


class AtlasUnavailableError(AtlasError):
    """No usable answer: connection, timeout, 5xx, HTML, broken JSON, redirect, upgrade."""


class RateLimitedError(AtlasError):
    """Atlas limits the rate of calls (429); calls of this sort have to wait in the project."""

    reason = "RateLimited"


class CredentialsRateLimitedError(RateLimitedError):
    """The quota of the token endpoint, or the limit of active tokens, is used up; the credentials have to wait."""


class AtlasHeldError(AtlasError):
    """Nothing was sent: the project or the credentials have to wait. ``retry_after`` is always set.

    ``reason`` and ``explanation`` are those of the answer that began the wait, or ``Pending`` while another call tries the credentials.
    """

    retry = Retry.WHEN_DUE

    def __init__(self, explanation: Explanation | str, *, reason: str, operation: str, retry_after: float) -> None:
        super().__init__(explanation, operation=operation, retry_after=retry_after)
        self.reason = reason


class OutOfTimeError(AtlasHeldError):
    """Nothing more was sent: Atlas is slow, and the calls for a decision have taken long. It never reaches a status."""

    def __init__(self, *, operation: str) -> None:
        super().__init__("Atlas is slow.", reason="Pending", operation=operation, retry_after=0.1)


class NotLeaderError(AtlasError):
    """A write was not sent, since this process does not lead (any more). It never reaches a status."""


class WritesOffError(AtlasError):
    """A write was not sent, since writes are off: a defect of the operator."""

    reason = "InternalError"


class CredentialsInvalidError(AtlasError):
    """Atlas refuses the credentials themselves, so every call with them fails."""

    reason = "CredentialsInvalid"
    retry = Retry.SLOW


class MissingRoleError(AtlasError):
    """The role of the credentials in the project is too weak for this call.

    Without an ``error_code`` that is a guess: Atlas has answered so between good answers, too.
    """

    reason = "MissingRole"
    retry = Retry.SLOW


class IPNotAllowedError(AtlasError):
    """The access list of the credentials lacks the address of the operator."""

    reason = "IPNotAllowed"
    retry = Retry.SLOW


class AccountSuspendedError(AtlasError):
    """The organization has not paid, or its plan lacks this feature."""

    reason = "AccountSuspended"
    retry = Retry.SLOW


class ProjectNotFoundError(AtlasError):
    """The project does not exist or is not visible to these credentials. It proves no absence."""

    reason = "ProjectNotFound"
    retry = Retry.SLOW


class InstanceNotFoundError(AtlasError):
    """The project has no serverless instance, or no cluster, of this name."""

    reason = "InstanceNotFound"
    retry = Retry.SLOW


class NotServerlessError(AtlasError):
    """The instance or cluster is of another type, which has no such endpoints."""

    reason = "NotServerless"
    retry = Retry.SLOW


class EndpointAbsentError(AtlasError):
    """Atlas proves, with an error code for it, that the endpoint does not exist."""

    reason = "EndpointNotFound"
    retry = Retry.SLOW


class InvalidRequestError(AtlasError):
    """Atlas cannot parse an id or a name in the request."""

    reason = "InvalidSpec"
    retry = Retry.ON_CHANGE


class UpdateRejectedError(AtlasError):
    """Atlas understood a write and refuses it."""

    reason = "UpdateRejected"
    retry = Retry.ON_CHANGE


class NoCapacityError(AtlasError):
    """Atlas has no capacity for it now; it often has later."""

    reason = "NoCapacity"
    at_least = 300.0


class APIGoneError(AtlasError):
    """Atlas no longer serves this version of the API."""

    reason = "APIGone"
    retry = Retry.SLOW


def one_line(text: str, *, limit: int) -> str:
    """Return a text from outside as one line of printable characters, at most ``limit`` long, for a status and a log.

    Control characters, line breaks, lone surrogates and bidirectional overrides become spaces; runs of spaces shrink.
    """
    cut = text[: limit * 8]
    line = " ".join("".join(char if char.isprintable() else " " for char in cut).split())
    return line if len(line) <= limit and len(cut) == len(text) else line[: limit - 3] + "..."
