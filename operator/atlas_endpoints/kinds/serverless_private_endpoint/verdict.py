"""The values that the parts of a pass hand to each other: what planning came to, and what the whole pass came to."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Self, TypeAlias

from atlas_endpoints.atlas.answers import Deprecation
from atlas_endpoints.atlas.serverless_private_endpoints import Endpoint
from atlas_endpoints.engine.conditions import ConditionStatus
from atlas_endpoints.engine.controller import MetadataChange
from atlas_endpoints.engine.outcome import Next, Retry
from atlas_endpoints.kinds.serverless_private_endpoint.comparison import Difference, Fields
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    Applied,
    Cause,
    LastError,
    ManagedField,
    Plan,
    Reservation,
    Resolved,
)
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import FAILURES, Reason

APPLIED = "Applied"
"""The result of a write that Atlas has confirmed."""

CLUSTER_UNAVAILABLE = "ClusterUnavailable"
"""The API server did not answer, which no status can tell."""

HOLD_UPS = FAILURES - {Reason.DRIFTED, Reason.PLANNED}
"""The reasons that hold a pass up: that a person does not want a difference to be settled does not."""

SOON = 1.0
"""Seconds after which a reference is looked at again at the earliest."""


@dataclass(frozen=True, slots=True)
class Send:
    """PATCH these fields.

    Attributes:
        fields: what to send, beside ``providerName``.
        cause: why.
    """

    fields: Fields
    cause: Cause


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is true of a resource when nothing is to be sent (any more).

    Attributes:
        reason: of the condition ``Ready``.
        message: for people, Atlas's own words last.
        next: when to look again.
        differences: the managed fields that are not as desired.
    """

    reason: Reason
    message: str
    next: Next
    differences: tuple[Difference, ...] = ()


Action: TypeAlias = Send | Verdict


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent in a pass, and what came of it.

    Attributes:
        fields: the names of what was sent.
        cause: why.
        result: ``APPLIED``, or how it failed.
        confirmed: whether Atlas confirmed it.
    """

    fields: tuple[ManagedField, ...]
    cause: Cause
    result: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """What holds a resource up.

    Attributes:
        since: when it began to.
        operation: what failed.
        retryable: whether it may heal by itself.
        http_status: of the answer, if there was one.
        error_code: Atlas's own.
        detail: Atlas's own words.
        fields: what Atlas refused, if it refused fields.
        held: whether nothing was sent, since an earlier answer says that it is not the time; no status tells that.
    """

    since: datetime
    operation: str
    retryable: bool
    http_status: int | None = None
    error_code: str | None = None
    detail: str | None = None
    fields: tuple[ManagedField, ...] = ()
    held: bool = False

    @classmethod
    def of(cls, last_error: LastError) -> Self:
        """Read back what a status says."""
        return cls(
            since=last_error.since,
            operation=last_error.operation,
            retryable=last_error.retryable,
            http_status=last_error.http_status,
            error_code=last_error.error_code,
            detail=last_error.detail,
            fields=tuple(field for field in ManagedField if field in last_error.fields),
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """What a pass found out about one thing, as a condition says it."""

    status: ConditionStatus
    reason: StrEnum
    message: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a reference leads nowhere.

    Attributes:
        reason: of the condition ``ReferencesResolved``.
        message: for people, with the remedy.
        retry_in: seconds after which to look again; it does not make another problem of it.
    """

    reason: StrEnum
    message: str
    retry_in: float = field(compare=False)

    @property
    def pace(self) -> float:
        """Seconds after which the reference is worth reading again."""
        return max(self.retry_in, SOON)

    @property
    def finding(self) -> Finding:
        """What the condition says."""
        return Finding("False", self.reason, self.message)

    def failure(self, since: datetime) -> Failure:
        """Hold a resource up that cannot go on without."""
        return Failure(
            since=since, operation="readReference", retryable=True, error_code=self.reason, detail=self.message
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a pass as a value.

    Attributes:
        next: when to look again.
        generation: the spec that was acted on.
        verdict: what is true of the resource; ``None`` when the pass has nothing to say and the status stays as it is.
        applied: what Atlas has confirmed for us, as of now.
        endpoint: as it was observed in this pass; ``None`` keeps what was known.
        status_since: since when that endpoint has its status.
        resolved: what the pass used; ``None`` keeps what was known.
        credentials: what it found out about the credentials; ``None`` keeps what was known.
        contended: that the endpoint is another resource's, or may be; ``None``: it is not, where it was seen or written to.
        references: what it found out about what the spec refers to; ``None`` keeps what was known of this generation.
        unconnected: whether the connection was not compared, since what it refers to is not there.
        outputs: what came of what the resource hands over; ``None`` keeps what was known of this generation.
        sent: the write that it made.
        plan: the write that it would have made.
        failure: what stopped it.
        handled: the request of a person that it has handled.
        deprecation: what Atlas announced about the end of its API.
        observing: whether the resource only observes.
        reservation: what is known of the endpoint that was, or is to be, reserved; ``None`` keeps what was known.
        forgets_reservation: whether what was known of one holds no more, since Atlas has surely reserved none.
        metadata: what is to be written into the resource's metadata.
        unsaid: the reason of a failure that the status does not tell (yet).
    """

    next: Next
    generation: int
    verdict: Verdict | None = None
    applied: Applied | None = None
    endpoint: Endpoint | None = None
    status_since: datetime | None = None
    resolved: Resolved | None = None
    credentials: Finding | None = None
    contended: Finding | None = None
    references: Finding | None = None
    unconnected: bool = False
    outputs: Finding | None = None
    sent: Sent | None = None
    plan: Plan | None = None
    failure: Failure | None = None
    handled: str | None = None
    deprecation: Deprecation | None = None
    observing: bool = False
    reservation: Reservation | None = None
    forgets_reservation: bool = False
    metadata: MetadataChange | None = None
    unsaid: str | None = None

    @property
    def held_up_by(self) -> str | None:
        """The reason for which the pass did not get where it was to get, if so; for counts."""
        if self.verdict is None:
            return self.unsaid or (CLUSTER_UNAVAILABLE if isinstance(self.next, Retry) else None)
        reason = self.verdict.reason
        return reason if reason in HOLD_UPS else None
