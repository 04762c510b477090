"""What can go wrong between us and the Atlas Admin API: one tree of errors. Pure.

::

    AtlasError
      AtlasUnavailableError     no usable answer: connection, timeout, 5xx, HTML, broken JSON, redirect, upgrade
      RateLimitedError          429: the project has to wait
        CredentialsRateLimitedError   the token endpoint's quota: the credentials have to wait
      AtlasHeldError            nothing was sent: an earlier answer says that it is not the time
      NotLeaderError            nothing was sent: another replica leads
      WritesOffError            nothing was sent: nothing may be written
      CredentialsInvalidError   Atlas refuses the credentials themselves
      MissingRoleError          the credentials are good, their role is too weak
      IPNotAllowedError         the access list lacks our address
      AccountSuspendedError     402, or a feature that the account does not have
      ProjectNotFoundError      no such project, or not visible to these credentials
      InstanceNotFoundError     no such serverless instance
      NotServerlessError        the instance is of another kind (Flex, dedicated)
      EndpointAbsentError       Atlas names the endpoint as not found: an observation rather than a failure
      InvalidSpecError          Atlas cannot parse an id of ours
      UpdateRejectedError       Atlas understood a write and refuses it
      APIGoneError              this version of the API has ended

``classification`` holds the one table from answers to these classes. The exceptions of httpx and aiohttp never leave
this package; a test sees to that.
"""

import enum

ATLAS_ADDRESS = "ATLAS_ENDPOINTS_ATLAS_URL (or baseUrl in the operator's Secret)"
"""Where people look when what answers is not the Atlas that they mean."""

PUT_VALID_ONES = "Put valid ones into the Secret."
"""The remedy of ``CredentialsInvalidError``, for those who know which Secret is meant to say it better."""

MAKE_ANEW = "delete this resource, which leaves Atlas as it is, and create it anew with the right one"
"""What is left to do where a field is wrong that can never be changed, for those who have no such resource, or whose is being deleted, to say it better."""

RETRIED_LATER = "the call is retried later"
"""What the operator does where Atlas limits calls, for commands that end to say it better."""

CLUSTER_DNS = "the cluster's DNS"
"""What finds hosts for the operator, and not for a command."""

THEN_AGAIN = "Then try again."
"""What follows on a remedy of which nothing but another call can tell, for those who know how it is made to say it better."""

_BY_HAND = {
    RETRIED_LATER: "wait a minute and run the command again",
    ATLAS_ADDRESS: "--atlas-url",
    CLUSTER_DNS: "the DNS of this machine",
}


class Retry(enum.Enum):
    """When to try again."""

    BACKOFF = "backoff"
    """Soon, with exponential backoff, and no earlier than ``retry_after``: it heals by itself."""

    SLOW = "slow"
    """As seldom as a healthy resource is checked, and at once when the credentials change: somebody must act."""

    ON_CHANGE = "on change"
    """When the resource changes, and as seldom as with ``SLOW``: the same request would be refused again."""

    WHEN_DUE = "when due"
    """After ``retry_after`` seconds. Nothing was sent, so this is no attempt and no news for the status."""


class Scope(enum.Enum):
    """What a rate limit covers."""

    PROJECT = "project"
    CREDENTIALS = "credentials"


class AtlasError(Exception):
    """An Atlas call that did not succeed.

    Attributes:
        reason: the reason of the condition ``Ready`` that this error leads to.
        retry: when to try again.
        message: one line for a person: what happened, what to do, Atlas's own words last. It stays the same while the
            cause does (no clock, no counts), so that a status is not written anew at each attempt. Never a secret.
        operation: the call that failed, by the name of its operation in Atlas's API reference.
        http_status: None when no answer came.
        error_code: Atlas's ``errorCode``.
        detail: Atlas's ``detail``, in one line.
        retry_after: seconds that Atlas asks to wait (or that are left of such a wait).
        unknown_outcome: True when a write may have been applied although it failed: no answer, 5xx, an unreadable 2xx.
            False for reads, and for a write that was surely not sent or surely refused.
    """

    reason = "AtlasUnavailable"
    retry = Retry.BACKOFF

    def __init__(
        self,
        message: str,
        *,
        operation: str,
        http_status: int | None = None,
        error_code: str | None = None,
        detail: str | None = None,
        retry_after: float | None = None,
        unknown_outcome: bool = False,
    ) -> None:
        self.message = one_line(message, limit=700)
        self.operation = operation
        self.http_status = http_status
        self.error_code = error_code
        self.detail = one_line(detail, limit=500) if detail else None
        self.retry_after = retry_after
        self.unknown_outcome = unknown_outcome
        super().__init__(self.message)


class AtlasUnavailableError(AtlasError):
    """Atlas, or what lies between, gave no usable answer. Heals by itself more often than not."""


class RateLimitedError(AtlasError):
    """Atlas asks to slow down.

    Attributes:
        scope: what has to wait: the whole project, or everything that uses these credentials.
    """

    reason = "RateLimited"
    scope = Scope.PROJECT


class CredentialsRateLimitedError(RateLimitedError):
    """The token endpoint asks to slow down: its own quota, or the limit of active tokens, is used up."""

    scope = Scope.CREDENTIALS


class AtlasHeldError(AtlasError):
    """The call was not made: its project or its credentials have to wait. ``retry_after`` is always set.

    ``reason`` and ``message`` are those of the answer that began the wait, or ``Pending`` while another call is the one
    that finds out whether the credentials work.
    """

    retry = Retry.WHEN_DUE

    def __init__(self, message: str, *, reason: str, operation: str, retry_after: float) -> None:
        super().__init__(message, operation=operation, retry_after=retry_after)
        self.reason = reason


class NotLeaderError(AtlasError):
    """A write was held back at the last moment, since this process does not lead (any more). Not for a status."""


class WritesOffError(AtlasError):
    """A write was held back at the last moment, since nothing may be written; that it came so far is a defect of ours."""

    reason = "InternalError"


class CredentialsInvalidError(AtlasError):
    """Atlas refuses the credentials themselves; nothing else will work with them."""

    reason = "CredentialsInvalid"
    retry = Retry.SLOW


class MissingRoleError(AtlasError):
    """The credentials are good; their role in the project is too weak for this call."""

    reason = "MissingRole"
    retry = Retry.SLOW


class IPNotAllowedError(AtlasError):
    """The access list of the credentials does not hold our address.

    Attributes:
        address: the address that Atlas saw; None when it did not say.
    """

    reason = "IPNotAllowed"
    retry = Retry.SLOW
    address: str | None = None


class AccountSuspendedError(AtlasError):
    """The organization does not pay, or not for this."""

    reason = "AccountSuspended"
    retry = Retry.SLOW


class ProjectNotFoundError(AtlasError):
    """The project does not exist or is not visible to these credentials. Never a proof that anything is absent."""

    reason = "ProjectNotFound"
    retry = Retry.SLOW


class InstanceNotFoundError(AtlasError):
    """The project has no serverless instance of this name."""

    reason = "InstanceNotFound"
    retry = Retry.SLOW


class NotServerlessError(AtlasError):
    """The instance is not (or no longer) serverless; Flex and dedicated clusters have no such endpoints."""

    reason = "NotServerless"
    retry = Retry.SLOW


class EndpointAbsentError(AtlasError):
    """Atlas answered, with a code made for it, that the endpoint does not exist."""

    reason = "EndpointNotFound"
    retry = Retry.SLOW


class InvalidSpecError(AtlasError):
    """Atlas cannot parse what we ask for: an id or a name has the wrong form."""

    reason = "InvalidSpec"
    retry = Retry.ON_CHANGE


class UpdateRejectedError(AtlasError):
    """Atlas understood a write and refuses it."""

    reason = "UpdateRejected"
    retry = Retry.ON_CHANGE


class APIGoneError(AtlasError):
    """Atlas no longer serves this version of the API."""

    reason = "APIGone"
    retry = Retry.SLOW


def by_hand(message: str) -> str:
    """Reword a message of the operator for a command, which ends, and runs outside the cluster."""
    for of_the_operator, here in _BY_HAND.items():
        message = message.replace(of_the_operator, here)
    return message


def one_line(text: str, *, limit: int) -> str:
    """Make text from outside fit for a status and a log: one line of printable characters, at most ``limit`` long.

    Control characters, line breaks, lone surrogates and bidirectional overrides become spaces; runs of spaces shrink.
    """
    cut = text[: limit * 8]
    line = " ".join("".join(char if char.isprintable() else " " for char in cut).split())
    return line if len(line) <= limit and len(cut) == len(text) else line[: limit - 3] + "..."
