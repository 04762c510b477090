"""What can go wrong between us and the Kubernetes API, without its client's exceptions. Pure."""

from atlas_endpoints.engine.outcome import TemporaryError


class NoClusterError(Exception):
    """Nothing says where the API server is, or what says so cannot be read."""


class ClusterUnavailableError(TemporaryError):
    """The API server could not be reached, or did not answer as it should; heals by itself."""


class ClusterUnreachableError(ClusterUnavailableError):
    """It did not answer, or said that it cannot serve; ``cluster.reachability`` tells people, once for all calls."""

    told_elsewhere = True


class ClusterWentBackError(Exception):
    """The cluster's data are older than what was known of them, as after a restore. Only a fresh memory can go on."""


class SecretProblemError(Exception):
    """A Secret cannot be had.

    Attributes:
        reason: ``SecretNotFound`` or ``SecretForbidden``.
        message: for people, with the remedy.
        retry_in: seconds after which it is worth reading again; shared by all who wait for this Secret.
    """

    def __init__(self, reason: str, message: str, *, retry_in: float) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_in = retry_in


class NotLeaderError(ClusterUnavailableError):
    """Nothing was sent: another replica leads, or may lead by now."""


class LeaseRefusedError(Exception):
    """The Lease cannot be had until somebody mends the configuration; the text says what and how."""


class LeaseConflictError(Exception):
    """The Lease has changed since it was read, or somebody has created it first."""


class LeadershipLostError(Exception):
    """This replica has led and must not do so any longer: its process has to end."""
