"""The Lease on the API server: read, create, and replace by compare-and-set."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException
from typing_extensions import override

from atlas_endpoints.cluster.calls import call, is_gone, message_of, refused, unexpected_answer
from atlas_endpoints.cluster.errors import LeaseConflictError, LeaseRefusedError

GROUP, VERSION, PLURAL = "coordination.k8s.io", "v1", "leases"


class Record(NamedTuple):
    """The spec of a Lease.

    Attributes:
        holder: the identity of the leader; empty when there is none.
        duration: seconds without a renewal after which others may take it.
        acquired: in RFC 3339, for people.
        renewed: in RFC 3339, for people.
        transitions: the number of changes of the holder.
    """

    holder: str = ""
    duration: int = 0
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0


FIELDS = {
    "holder": "holderIdentity",
    "duration": "leaseDurationSeconds",
    "acquired": "acquireTime",
    "renewed": "renewTime",
    "transitions": "leaseTransitions",
}
"""The names in the API of the values of a ``Record``."""


@dataclass(frozen=True, slots=True)
class Lease:
    """One state of the Lease.

    Attributes:
        version: its ``resourceVersion``.
        metadata: as read, so that a write keeps others' labels and annotations.
    """

    version: str
    record: Record
    metadata: Mapping[str, Any] = field(default_factory=dict, compare=False)


class LeaseApi:
    """One Lease of ``coordination.k8s.io``.

    Each call raises ``LeaseRefusedError`` when somebody has to correct something, ``LeaseConflictError`` when a write
    meets another state of the Lease, and ``ClusterUnavailableError`` when the outcome is unknown.

    Args:
        api: no fence may hold its writes back.
    """

    def __init__(self, api: client.ApiClient, namespace: str, name: str) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._path = ("apis", GROUP, VERSION, "namespaces", namespace, PLURAL)

    @override
    def __str__(self) -> str:
        return f"{self._namespace}/{self._name}"

    async def read(self) -> Lease | None:
        try:
            return _parse(await call(self._api, "GET", (*self._path, self._name)))
        except ApiException as error:
            if is_gone(error):
                return None
            raise self._refusal(error, "get") from error

    async def create(self, record: Record) -> Lease:
        body = _body({"name": self._name, "namespace": self._namespace}, record)
        try:
            return _parse(await call(self._api, "POST", self._path, body=body))
        except ApiException as error:
            raise self._refusal(error, "create") from error

    async def replace(self, lease: Lease, record: Record) -> Lease:
        """Write the Lease if it is still as it was when it was read."""
        body = _body({**lease.metadata, "name": self._name, "resourceVersion": lease.version}, record)
        try:
            return _parse(await call(self._api, "PUT", (*self._path, self._name), body=body))
        except ApiException as error:
            if is_gone(error):
                raise LeaseConflictError from error
            raise self._refusal(error, "update") from error

    def _refusal(self, error: ApiException, verb: str) -> Exception:
        """Return the error for a refusal, with the remedy."""
        if error.status == HTTPStatus.CONFLICT:
            return LeaseConflictError()
        if error.status == HTTPStatus.FORBIDDEN:
            return LeaseRefusedError(
                f"The operator may not {verb} Lease {self} ({message_of(error)}). Give its ServiceAccount the verbs get, create"
                f" and update on leases of {GROUP} in that namespace, as deploy/base/leader-election.yaml does, or run a single"
                " replica with ATLAS_ENDPOINTS_LEADER_ELECT=false."
            )
        if is_gone(error):
            return LeaseRefusedError(
                f"Lease {self} cannot be created, as there is no namespace {self._namespace}. Create it, or name another"
                " one with ATLAS_ENDPOINTS_LEASE_NAMESPACE."
            )
        return refused(error)


def _parse(body: Any) -> Lease:
    try:
        metadata, spec = body["metadata"], body.get("spec") or {}
        values = {name: spec[field] for name, field in FIELDS.items() if spec.get(field)}
        for name in ("duration", "transitions"):
            values[name] = int(values.get(name, 0))
        return Lease(str(metadata["resourceVersion"]), Record(**values), metadata)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise unexpected_answer() from None


def _body(metadata: Mapping[str, Any], record: Record) -> dict[str, Any]:
    spec = {FIELDS[name]: value for name, value in record._asdict().items()}
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Lease", "metadata": metadata, "spec": spec}
