"""The reasons of conditions, and what those of ``Ready`` mean to those who wait for a resource.

The names are part of the product: users, alerts and documentation branch on them.
"""

from enum import Enum, StrEnum, auto
from typing import Self

from atlas_endpoints.controller.conditions import ConditionStatus


class Progress(Enum):
    """Which of kstatus's two conditions goes with a reason."""

    NONE = auto()
    """Neither: the resource is where it should be, or rests because a person said so."""
    RECONCILING = auto()
    """Wait: it is on its way or heals by itself."""
    GRACE = auto()
    """Wait for a while, since another object may heal it soon (a Secret of the same release); then it is stalled."""
    STALLED = auto()
    """Do not wait: a person must act."""


class ReadyReason(StrEnum):
    """A reason of ``Ready``. Its meaning travels with it, so that a kind may have reasons of its own.

    Attributes:
        ready: the status of ``Ready``.
        progress: which of ``Reconciling`` and ``Stalled`` goes with it.
        retried: whether it is Reconciling since something failed and is tried again, and not since it is on its way.
    """

    ready: ConditionStatus
    progress: Progress
    retried: bool

    def __new__(
        cls,
        name: str,
        ready: ConditionStatus = "False",
        progress: Progress = Progress.NONE,
        retried: bool = False,  # noqa: FBT001, FBT002  # a member is made from a tuple
    ) -> Self:
        """Make a reason of its name and its meaning."""
        reason = str.__new__(cls, name)
        reason._value_ = name
        reason.ready, reason.progress, reason.retried = ready, progress, retried
        return reason

    @property
    def is_failure(self) -> bool:
        """Whether it tells of a failure, or of what only a person can move on."""
        return self.retried or self.progress in {Progress.GRACE, Progress.STALLED}


class Reason(ReadyReason):
    """The reasons that all kinds share."""

    AVAILABLE = "Available", "True", Progress.NONE
    PENDING = "Pending", "Unknown", Progress.RECONCILING
    RESERVATION_REQUESTED = "ReservationRequested", "False", Progress.RECONCILING
    INITIATING = "Initiating", "False", Progress.RECONCILING
    WAITING_FOR_CLOUD_ENDPOINT = "WaitingForCloudEndpoint", "False", Progress.RECONCILING
    DELETING = "Deleting", "False", Progress.RECONCILING
    RATE_LIMITED = "RateLimited", "False", Progress.RECONCILING, True
    ATLAS_UNAVAILABLE = "AtlasUnavailable", "False", Progress.RECONCILING, True
    INTERNAL_ERROR = "InternalError", "False", Progress.RECONCILING, True
    CREDENTIALS_INVALID = "CredentialsInvalid", "False", Progress.GRACE
    MISSING_ROLE = "MissingRole", "False", Progress.GRACE
    IP_NOT_ALLOWED = "IPNotAllowed", "False", Progress.GRACE
    REFERENCE_NOT_READY = "ReferenceNotReady", "False", Progress.GRACE
    ENDPOINT_NOT_FOUND = "EndpointNotFound", "False", Progress.GRACE
    CONFLICT = "Conflict", "False", Progress.GRACE
    PROJECT_NOT_FOUND = "ProjectNotFound", "False", Progress.GRACE
    INSTANCE_NOT_FOUND = "InstanceNotFound", "False", Progress.GRACE
    ENDPOINT_FAILED = "EndpointFailed", "False", Progress.STALLED
    UPDATE_REJECTED = "UpdateRejected", "False", Progress.STALLED
    INVALID_SPEC = "InvalidSpec", "False", Progress.STALLED
    API_GONE = "APIGone", "False", Progress.STALLED
    NOT_SERVERLESS = "NotServerless", "False", Progress.STALLED
    ACCOUNT_SUSPENDED = "AccountSuspended", "False", Progress.STALLED
    PROVISIONING_TIMEOUT = "ProvisioningTimeout", "False", Progress.STALLED
    DELETION_BLOCKED = "DeletionBlocked", "False", Progress.STALLED
    METADATA_REFUSED = "MetadataRefused", "False", Progress.STALLED
    CORRECTION_HELD = "CorrectionHeld", "False", Progress.RECONCILING
    DRIFTED = "Drifted", "False", Progress.STALLED
    PLANNED = "Planned", "False", Progress.STALLED
    SUSPENDED = "Suspended", "False", Progress.NONE


FAILURES = frozenset[str](reason for reason in Reason if reason.is_failure)
"""The shared reasons that tell of a failure, or of what only a person can move on."""

HOLD_UPS = FAILURES - {Reason.DRIFTED, Reason.PLANNED}
"""The reasons that hold a reconcile up: that a person does not want a difference to be settled does not."""

CLUSTER_UNAVAILABLE = "ClusterUnavailable"
"""The API server did not answer, which no status can tell."""


class SyncedReason(StrEnum):
    """Why ``Synced`` is as it is, where the reason of ``Ready`` does not say it."""

    IN_SYNC = "InSync"
    UPDATED = "Updated"
    OBSERVING = "Observing"
    PLANNED = Reason.PLANNED.value
    DRIFT_DETECTED = "DriftDetected"
    UPDATE_REJECTED = Reason.UPDATE_REJECTED.value
    REFERENCE_NOT_READY = Reason.REFERENCE_NOT_READY.value


class CredentialsReason(StrEnum):
    """What Atlas says about credentials; why there are none is said by who looks for them."""

    VERIFIED = "Verified"
    UNAUTHORIZED = "Unauthorized"
    NOT_ALLOWED = "NotAllowed"


class ContendedReason(StrEnum):
    """Why ``Contended`` is true."""

    PENDING = Reason.PENDING.value
    CONFLICT = Reason.CONFLICT.value


class OutputsReason(StrEnum):
    """Why ``OutputsWritten`` is as it is."""

    WRITTEN = "Written"
    PENDING = "Pending"
    DISABLED = "Disabled"
    NOT_OURS = "NotOurs"
    REFUSED = "Refused"


class DeprecatedReason(StrEnum):
    """Why ``Deprecated`` is true."""

    DEPRECATED = "APIDeprecated"
    SUNSET = "APISunset"
    GONE = Reason.API_GONE.value


class ReferencesReason(StrEnum):
    """Why ``ReferencesResolved`` is true; who looks for what is missing gives the other reasons."""

    RESOLVED = "Resolved"
