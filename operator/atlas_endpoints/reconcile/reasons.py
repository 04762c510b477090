"""The reasons of conditions, and what those of ``Ready`` mean to tools that wait for a resource.

Users, alerts and documentation depend on the names.
"""

from enum import Enum, StrEnum, auto
from typing import Literal, Self, TypeAlias

ConditionStatus: TypeAlias = Literal["True", "False", "Unknown"]


class Progress(Enum):
    """Which of kstatus's two conditions belongs to a reason."""

    NONE = auto()
    """Neither: the resource is settled, or a person suspended it."""
    RECONCILING = auto()
    """Wait: it makes progress or recovers by itself."""
    GRACE = auto()
    """Wait for a while, since another object may fix it soon (a Secret of the same release); then it is stalled."""
    STALLED = auto()
    """Do not wait: a person must act."""


class Trait(Enum):
    """What a reason means beside ``Progress``."""

    RETRIED = auto()
    DEAD = auto()


class ReadyReason(StrEnum):
    """A reason of ``Ready`` with its meaning. ``Reason`` has those that all kinds share; a kind may bring more, as a subclass.

    Attributes:
        ready: the status of ``Ready``.
        retried: whether it is Reconciling because a failure is retried.
        dead: whether Atlas reports that something has failed, which says more than that it differs from the spec.
    """

    ready: ConditionStatus
    progress: Progress
    retried: bool
    dead: bool

    def __new__(
        cls, name: str, ready: ConditionStatus = "False", progress: Progress = Progress.NONE, trait: Trait | None = None
    ) -> Self:
        reason = str.__new__(cls, name)
        reason._value_ = name
        reason.ready, reason.progress = ready, progress
        reason.retried, reason.dead = trait is Trait.RETRIED, trait is Trait.DEAD
        return reason

    @property
    def is_failure(self) -> bool:
        """Whether it means a failure, or something that only a person can resolve."""
        return self.retried or self.progress in {Progress.GRACE, Progress.STALLED}


class Reason(ReadyReason):
    """The reasons of ``Ready`` that all kinds share."""

    AVAILABLE = "Available", "True", Progress.NONE
    PENDING = "Pending", "Unknown", Progress.RECONCILING
    INITIATING = "Initiating", "False", Progress.RECONCILING
    WAITING_FOR_CLOUD_ENDPOINT = "WaitingForCloudEndpoint", "False", Progress.RECONCILING
    DELETING = "Deleting", "False", Progress.RECONCILING
    RATE_LIMITED = "RateLimited", "False", Progress.RECONCILING, Trait.RETRIED
    ATLAS_UNAVAILABLE = "AtlasUnavailable", "False", Progress.RECONCILING, Trait.RETRIED
    NO_CAPACITY = "NoCapacity", "False", Progress.RECONCILING, Trait.RETRIED
    INTERNAL_ERROR = "InternalError", "False", Progress.RECONCILING, Trait.RETRIED
    CREDENTIALS_INVALID = "CredentialsInvalid", "False", Progress.GRACE
    MISSING_ROLE = "MissingRole", "False", Progress.GRACE
    IP_NOT_ALLOWED = "IPNotAllowed", "False", Progress.GRACE
    REFERENCE_NOT_READY = "ReferenceNotReady", "False", Progress.GRACE
    ENDPOINT_NOT_FOUND = "EndpointNotFound", "False", Progress.GRACE
    CONFLICT = "Conflict", "False", Progress.GRACE
    PROJECT_NOT_FOUND = "ProjectNotFound", "False", Progress.GRACE
    INSTANCE_NOT_FOUND = "InstanceNotFound", "False", Progress.GRACE
    ENDPOINT_FAILED = "EndpointFailed", "False", Progress.STALLED, Trait.DEAD
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
    SUSPENDED = "Suspended", "False", Progress.NONE


def blocks(reason: ReadyReason) -> bool:
    """Return whether a reason blocks a reconcile, as each failure does but a difference that is only reported."""
    return reason.is_failure and reason is not Reason.DRIFTED


CLUSTER_UNAVAILABLE = "ClusterUnavailable"
"""The API server did not answer; never in a status."""


class SyncedReason(StrEnum):
    """Reasons of ``Synced`` that differ from that of ``Ready``."""

    IN_SYNC = "InSync"
    UPDATED = "Updated"
    OBSERVING = "Observing"
    DRIFT_DETECTED = "DriftDetected"
    UPDATE_REJECTED = Reason.UPDATE_REJECTED.value
    REFERENCE_NOT_READY = Reason.REFERENCE_NOT_READY.value


class CredentialsReason(StrEnum):
    """Reasons of ``CredentialsValid`` from Atlas; ``credentials`` has those of a missing Secret."""

    VERIFIED = "Verified"
    UNAUTHORIZED = "Unauthorized"
    NOT_ALLOWED = "NotAllowed"


class OutputsReason(StrEnum):
    """Reasons of ``OutputsWritten``."""

    WRITTEN = "Written"
    PENDING = "Pending"
    DISABLED = "Disabled"
    NOT_FOUND = "NotFound"
    NOT_OURS = "NotOurs"
    REFUSED = "Refused"


class DeprecatedReason(StrEnum):
    """Reasons of ``Deprecated``."""

    DEPRECATED = "APIDeprecated"
    SUNSET = "APISunset"
    GONE = Reason.API_GONE.value


class ReferencesReason(StrEnum):
    """The reason if ``ReferencesResolved`` is true, or a value changed; the reader of the references has the others."""

    RESOLVED = "Resolved"
    CHANGED = "Changed"


class EventReason(StrEnum):
    """The reasons of Events that are not reasons of ``Ready``."""

    ADOPTING = "Adopting"
    UPDATED = "Updated"
    DRIFT_CORRECTED = "DriftCorrected"
    OUTPUTS_FAILED = "OutputsFailed"
    ENDPOINT_RESERVED = "EndpointReserved"
    ENDPOINT_TAKEN_OVER = "EndpointTakenOver"
    ENDPOINT_REGISTERED = "EndpointRegistered"
    ENDPOINT_ADOPTED = "EndpointAdopted"
    ENDPOINT_CREATED = "EndpointCreated"
    ENDPOINT_LOST = "EndpointLost"
    ENDPOINT_WARNING = "EndpointWarning"
    SERVICE_CREATED = "ServiceCreated"
    SERVICE_LOST = "ServiceLost"
    ENDPOINT_DELETED = "EndpointDeleted"
    ENDPOINT_RETAINED = "EndpointRetained"
    ENDPOINT_HANDED_OVER = "EndpointHandedOver"
    ENDPOINT_ORPHANED = "EndpointOrphaned"
    FORCE_FINALIZED = "ForceFinalized"
