"""The errors of the Kubernetes API, without its client's exceptions. Pure."""

from enum import StrEnum

from atlas_endpoints.controller.requeue import TemporaryError


class NoClusterError(Exception):
    """The configuration of a cluster is missing or unreadable."""


class ClusterUnavailableError(TemporaryError):
    """The API server could not be reached, or its answer is not as it should be. It heals by itself."""


class ClusterUnreachableError(ClusterUnavailableError):
    """The API server did not answer, or cannot serve."""

    retry_within = 10.0


class NoAnswerError(ClusterUnreachableError):
    """The API server did not answer. ``cluster.reachability`` logs that if it answers nothing else either."""


class ForbiddenError(ClusterUnavailableError):
    """The operator's rights do not allow the call. The text repeats the server's message."""


class SelectorRefusedError(ClusterUnavailableError):
    """The API server cannot parse the label selector. The text repeats the server's message."""


class ClusterWentBackError(Exception):
    """The cluster's data are older than what was observed before, as after a restore. Only a restart helps."""


class SecretProblem(StrEnum):
    """Why a Secret, or the Namespace that may name one, is not available: a reason of ``CredentialsValid``."""

    NOT_FOUND = "SecretNotFound"
    FORBIDDEN = "SecretForbidden"
    NAMESPACE_FORBIDDEN = "NamespaceForbidden"


class ReferenceProblem(StrEnum):
    """Why a referenced value is not available: a reason of ``ReferencesResolved``."""

    NOT_FOUND = "NotFound"
    NOT_READY = "NotReady"
    KIND_NOT_ALLOWED = "KindNotAllowed"
    FIELD_MISSING = "FieldMissing"


class UnreadableError(Exception):
    """An object that a resource depends on is not available.

    Attributes:
        reason: of a condition: a ``SecretProblem`` or a ``ReferenceProblem``.
        message: for users, with the remedy.
        what: the object, for users, where it is a Secret or a Namespace.
        retry_in: seconds until the next read, shared by all who wait for this object.
        refused: whether the API server refused to return it, so that nobody knows whether it is there.
    """

    def __init__(
        self, reason: StrEnum, message: str, *, retry_in: float, what: str = "", refused: bool = False
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.what = what
        self.retry_in = retry_in
        self.refused = refused


class NotLeaderError(ClusterUnavailableError):
    """Nothing was sent: another replica leads, or may lead by now."""


class LeaseRefusedError(Exception):
    """The API server refuses the Lease until somebody corrects the configuration. The text names the remedy."""


class LeaseConflictError(Exception):
    """The Lease has changed since it was read, or exists already."""


class LeadershipLostError(Exception):
    """This replica has led and must not do so any longer: its process has to end."""
