"""The reasons of conditions, and what those of ``Ready`` mean to those who wait for a resource.

The names are part of the product: users, alerts and documentation branch on them.
"""

from enum import Enum, StrEnum, auto
from typing import NamedTuple

from atlas_endpoints.engine.conditions import ConditionStatus


class Reason(StrEnum):
    """Why a resource is, or is not, ready."""

    AVAILABLE = "Available"
    PENDING = "Pending"
    RESERVATION_REQUESTED = "ReservationRequested"
    INITIATING = "Initiating"
    WAITING_FOR_CLOUD_ENDPOINT = "WaitingForCloudEndpoint"
    DELETING = "Deleting"
    RATE_LIMITED = "RateLimited"
    ATLAS_UNAVAILABLE = "AtlasUnavailable"
    INTERNAL_ERROR = "InternalError"
    CREDENTIALS_INVALID = "CredentialsInvalid"
    MISSING_ROLE = "MissingRole"
    IP_NOT_ALLOWED = "IPNotAllowed"
    REFERENCE_NOT_READY = "ReferenceNotReady"
    ENDPOINT_NOT_FOUND = "EndpointNotFound"
    CONFLICT = "Conflict"
    PROJECT_NOT_FOUND = "ProjectNotFound"
    INSTANCE_NOT_FOUND = "InstanceNotFound"
    ENDPOINT_FAILED = "EndpointFailed"
    UPDATE_REJECTED = "UpdateRejected"
    INVALID_SPEC = "InvalidSpec"
    API_GONE = "APIGone"
    NOT_SERVERLESS = "NotServerless"
    ACCOUNT_SUSPENDED = "AccountSuspended"
    PROVISIONING_TIMEOUT = "ProvisioningTimeout"
    DELETION_BLOCKED = "DeletionBlocked"
    METADATA_REFUSED = "MetadataRefused"
    CORRECTION_HELD = "CorrectionHeld"
    DRIFTED = "Drifted"
    PLANNED = "Planned"
    SUSPENDED = "Suspended"


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


class Meaning(NamedTuple):
    """What a reason says in the conditions ``Ready``, ``Reconciling`` and ``Stalled``.

    Attributes:
        ready: the status of ``Ready``.
        progress: which of the two others goes with it.
        retried: whether it is Reconciling since something failed and is tried again, and not since it is on its way.
    """

    ready: ConditionStatus
    progress: Progress
    retried: bool = False


MEANING: dict[Reason, Meaning] = {
    Reason.AVAILABLE: Meaning("True", Progress.NONE),
    Reason.PENDING: Meaning("Unknown", Progress.RECONCILING),
    Reason.RESERVATION_REQUESTED: Meaning("False", Progress.RECONCILING),
    Reason.INITIATING: Meaning("False", Progress.RECONCILING),
    Reason.WAITING_FOR_CLOUD_ENDPOINT: Meaning("False", Progress.RECONCILING),
    Reason.DELETING: Meaning("False", Progress.RECONCILING),
    Reason.RATE_LIMITED: Meaning("False", Progress.RECONCILING, retried=True),
    Reason.ATLAS_UNAVAILABLE: Meaning("False", Progress.RECONCILING, retried=True),
    Reason.INTERNAL_ERROR: Meaning("False", Progress.RECONCILING, retried=True),
    Reason.CREDENTIALS_INVALID: Meaning("False", Progress.GRACE),
    Reason.MISSING_ROLE: Meaning("False", Progress.GRACE),
    Reason.IP_NOT_ALLOWED: Meaning("False", Progress.GRACE),
    Reason.REFERENCE_NOT_READY: Meaning("False", Progress.GRACE),
    Reason.ENDPOINT_NOT_FOUND: Meaning("False", Progress.GRACE),
    Reason.CONFLICT: Meaning("False", Progress.GRACE),
    Reason.PROJECT_NOT_FOUND: Meaning("False", Progress.GRACE),
    Reason.INSTANCE_NOT_FOUND: Meaning("False", Progress.GRACE),
    Reason.ENDPOINT_FAILED: Meaning("False", Progress.STALLED),
    Reason.UPDATE_REJECTED: Meaning("False", Progress.STALLED),
    Reason.INVALID_SPEC: Meaning("False", Progress.STALLED),
    Reason.API_GONE: Meaning("False", Progress.STALLED),
    Reason.NOT_SERVERLESS: Meaning("False", Progress.STALLED),
    Reason.ACCOUNT_SUSPENDED: Meaning("False", Progress.STALLED),
    Reason.PROVISIONING_TIMEOUT: Meaning("False", Progress.STALLED),
    Reason.DELETION_BLOCKED: Meaning("False", Progress.STALLED),
    Reason.METADATA_REFUSED: Meaning("False", Progress.STALLED),
    Reason.CORRECTION_HELD: Meaning("False", Progress.RECONCILING),
    Reason.DRIFTED: Meaning("False", Progress.STALLED),
    Reason.PLANNED: Meaning("False", Progress.STALLED),
    Reason.SUSPENDED: Meaning("False", Progress.NONE),
}


class SyncedReason(StrEnum):
    """Why ``Synced`` is as it is, where the reason of ``Ready`` does not say it."""

    IN_SYNC = "InSync"
    UPDATED = "Updated"
    OBSERVING = "Observing"
    PLANNED = Reason.PLANNED
    DRIFT_DETECTED = "DriftDetected"
    UPDATE_REJECTED = Reason.UPDATE_REJECTED
    REFERENCE_NOT_READY = Reason.REFERENCE_NOT_READY


class CredentialsReason(StrEnum):
    """What Atlas says about credentials; why there are none is said by who looks for them."""

    VERIFIED = "Verified"
    UNAUTHORIZED = "Unauthorized"
    NOT_ALLOWED = "NotAllowed"


class ContendedReason(StrEnum):
    """Why ``Contended`` is true."""

    PENDING = Reason.PENDING
    CONFLICT = Reason.CONFLICT


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
    GONE = Reason.API_GONE


class ReferencesReason(StrEnum):
    """Why ``ReferencesResolved`` is true; who looks for what is missing gives the other reasons."""

    RESOLVED = "Resolved"


FAILURES = frozenset[str](
    reason
    for reason, meaning in MEANING.items()
    if meaning.retried or meaning.progress in {Progress.GRACE, Progress.STALLED}
)
"""The reasons that tell of a failure, or of what only a person can move on."""
