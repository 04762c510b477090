"""What can go wrong between us and the Kubernetes API, without its client's exceptions. Pure."""

from enum import StrEnum

from atlas_endpoints.controller.requeue import TemporaryError


class NoClusterError(Exception):
    """Nothing says where the API server is, or what says so cannot be read."""


class ClusterUnavailableError(TemporaryError):
    """The API server could not be reached, or did not answer as it should; heals by itself."""


class ClusterUnreachableError(ClusterUnavailableError):
    """It did not answer, or said that it cannot serve.

    ``cluster.reachability`` tells people: once for all calls, or once for one kind of call.
    """

    told_elsewhere = True


class SelectorRefusedError(ClusterUnavailableError):
    """The API server cannot read the label selector; only another setting helps. The text repeats its words."""


class ClusterWentBackError(Exception):
    """The cluster's data are older than what was known of them, as after a restore. Only a fresh memory can go on."""


class SecretProblem(StrEnum):
    """Why a Secret cannot be had, or the Namespace that may name one: a reason of ``CredentialsValid``."""

    NOT_FOUND = "SecretNotFound"
    FORBIDDEN = "SecretForbidden"
    NAMESPACE_FORBIDDEN = "NamespaceForbidden"


class ReferenceProblem(StrEnum):
    """Why what a resource refers to cannot be had: a reason of ``ReferencesResolved``."""

    NOT_FOUND = "NotFound"
    NOT_READY = "NotReady"
    KIND_NOT_ALLOWED = "KindNotAllowed"
    FIELD_MISSING = "FieldMissing"


class UnreadableError(Exception):
    """An object that a resource depends on cannot be had.

    Attributes:
        reason: of a condition: a ``SecretProblem`` or a ``ReferenceProblem``.
        message: for people, with the remedy.
        what: names the object, for people, where it is a Secret or a Namespace.
        retry_in: seconds after which it is worth reading again; shared by all who wait for this object.
    """

    def __init__(self, reason: StrEnum, message: str, *, retry_in: float, what: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.what = what
        self.retry_in = retry_in


class RefusedError(Exception):
    """The API server does not let the operator do it, until somebody changes something; the text repeats its words."""


class NotLeaderError(ClusterUnavailableError):
    """Nothing was sent: another replica leads, or may lead by now."""


class LeaseRefusedError(Exception):
    """The Lease cannot be had until somebody mends the configuration; the text says what and how."""


class LeaseConflictError(Exception):
    """The Lease has changed since it was read, or somebody has created it first."""


class LeadershipLostError(Exception):
    """This replica has led and must not do so any longer: its process has to end."""
