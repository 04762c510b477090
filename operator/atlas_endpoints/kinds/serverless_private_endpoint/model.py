"""The resource ``ServerlessPrivateEndpoint`` as frozen models, and the one place to import them from.

Pure: no input or output, no clock, no environment.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict

from atlas_endpoints.engine.store import Key
from atlas_endpoints.kinds.serverless_private_endpoint.resource_metadata import (
    DELETION_ANNOTATIONS,
    ENDPOINT_ANNOTATION,
    FINALIZER,
    FORCE_FINALIZE,
    POLICY_ANNOTATIONS,
    REQUEST_ANNOTATIONS,
    EndpointRecord,
    ObjectMeta,
    asks_for_something,
    deletion_policy_in,
    skips,
    watched_annotations,
)
from atlas_endpoints.kinds.serverless_private_endpoint.resource_references import (
    CloudProviderEndpointRef,
    ProjectRef,
    SecretRef,
)
from atlas_endpoints.kinds.serverless_private_endpoint.resource_spec import (
    DeletionPolicy,
    DriftPolicy,
    InvalidSpecError,
    ManagedField,
    ManagementPolicy,
    Spec,
)
from atlas_endpoints.kinds.serverless_private_endpoint.resource_status import (
    HISTORY_LIMIT,
    Applied,
    Cause,
    DriftItem,
    EndpointStatus,
    HistoryEntry,
    LastError,
    Plan,
    PlanBody,
    Reservation,
    Resolved,
    Status,
)
from atlas_endpoints.kinds.serverless_private_endpoint.resource_values import (
    Provider,
    is_cloud_id,
    is_ip_address,
    is_object_id,
)

__all__ = [
    "DELETION_ANNOTATIONS",
    "ENDPOINT_ANNOTATION",
    "FINALIZER",
    "FORCE_FINALIZE",
    "HISTORY_LIMIT",
    "MARK",
    "POLICY_ANNOTATIONS",
    "REQUEST_ANNOTATIONS",
    "Applied",
    "Cause",
    "CloudProviderEndpointRef",
    "CredentialsPlace",
    "DeletionPolicy",
    "DriftItem",
    "DriftPolicy",
    "EndpointRecord",
    "EndpointStatus",
    "HistoryEntry",
    "InvalidSpecError",
    "LastError",
    "ManagedField",
    "ManagementPolicy",
    "ObjectMeta",
    "Plan",
    "PlanBody",
    "ProjectRef",
    "Provider",
    "Reservation",
    "Resolved",
    "SecretRef",
    "ServerlessPrivateEndpoint",
    "Spec",
    "Status",
    "asks_for_something",
    "deletion_policy_in",
    "endpoint_of",
    "is_cloud_id",
    "is_ip_address",
    "is_object_id",
    "skips",
    "watched_annotations",
]

MARK = "atlas-endpoints.dev/"
"""How the comment of an endpoint begins that the operator has reserved; a resource's uid follows."""


class ServerlessPrivateEndpoint(BaseModel):
    """One resource as the API server holds it: ``metadata``, a valid ``spec``, and the ``status`` we wrote before."""

    model_config = ConfigDict(frozen=True)

    metadata: ObjectMeta
    spec: Spec
    status: Status

    @property
    def key(self) -> Key:
        """Its name in the store."""
        return Key(self.metadata.namespace, self.metadata.name)

    @classmethod
    def parse(cls, body: Mapping[str, Any], *, now: datetime | None = None) -> Self:
        """Read an object of the API server.

        Args:
            body: the whole object with its wire names, as JSON gives it.
            now: wall-clock time, UTC; a later time in the status is read as this. None: times are read as they stand.

        Raises:
            InvalidSpecError: the spec breaks a rule, or has a field that this version of the operator does not know.
        """
        metadata = ObjectMeta.parse(body)
        metadata.deletion_policy  # noqa: B018  # of which nobody understands it is told before anything is done
        if body.get("spec") is None:
            raise InvalidSpecError(["spec: Required value: add it"])
        return cls(metadata=metadata, spec=Spec.parse(body["spec"]), status=Status.parse(body.get("status"), now=now))

    @property
    def endpoint_id(self) -> str | None:
        """The endpoint that the resource stands for: the one that the spec names, or else its reservation; None: none yet.

        What the annotation says counts only once it was taken over into the status: what a person writes there moves no resource
        to another endpoint.
        """
        if self.spec.endpoint_id is not None:
            return self.spec.endpoint_id
        return self.status.reservation.endpoint_id if self.status.reservation is not None else None

    @property
    def is_owner(self) -> bool:
        """Whether its endpoint is its own to delete: named by the spec, or reserved for this very resource."""
        reservation = self.status.reservation
        return self.spec.endpoint_id is not None or reservation is None or not reservation.adopted

    @property
    def mark(self) -> str:
        """The comment of an endpoint that was reserved for this resource, until the resource has taken note of it."""
        return f"{MARK}{self.metadata.uid}"

    @property
    def secret_name(self) -> str | None:
        """The Secret with the credentials; None: the namespace's default, else the operator's own."""
        reference = self.spec.credentials_secret_ref
        return reference.name if reference else None

    @property
    def refers(self) -> bool:
        """Whether a part of the spec is in other objects, which may change while this one does not."""
        spec = self.spec
        references = (spec.project_ref, spec.cloud_provider_endpoint_ref, spec.private_endpoint_ip_address_from)
        return any(each is not None for each in references)

    @property
    def known_project_id(self) -> str | None:
        """The project as far as the resource itself tells it: its spec, or else what its reference has led to before."""
        resolved = self.status.resolved
        return self.spec.project_id or (resolved.project_id if resolved is not None else None)

    @property
    def bound_project_id(self) -> str | None:
        """The project that its endpoint was seen in, or asked for, and that it is in for ever; None: none yet."""
        resolved, status = self.status.resolved, self.status
        if resolved is None or (status.endpoint is None and status.reservation is None):
            return None
        return resolved.project_id

    @property
    def needs_the_cluster(self) -> bool:
        """Whether there is more to look at than the endpoint: what the spec refers to, or what was written for others."""
        spec = self.spec
        return self.refers or not spec.output_config_map_ref is spec.connection_string_config_map_ref is None

    @property
    def suspended_by(self) -> tuple[str, ...]:
        """What forbids every call to Atlas, if anything: ``spec.suspend``, and annotations with ``skip``."""
        annotations = tuple(f"the annotation {name}" for name in self.metadata.skips)
        return ("spec.suspend", *annotations) if self.spec.suspend else annotations


class CredentialsPlace(NamedTuple):
    """Where a resource wants its credentials from.

    Attributes:
        namespace: of the resource, and of the Secret.
        secret_name: None: the namespace's default, else the operator's own.
    """

    namespace: str
    secret_name: str | None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Read it from an object, also when the rest of its spec is not valid.

        Args:
            body: the whole object with its wire names, as JSON gives it.
        """
        spec = body.get("spec")
        reference = spec.get("credentialsSecretRef") if isinstance(spec, Mapping) else None
        name = reference.get("name") if isinstance(reference, Mapping) else None
        return cls(body["metadata"]["namespace"], name if isinstance(name, str) else None)


def endpoint_of(body: Mapping[str, Any]) -> str | None:
    """Give ``ServerlessPrivateEndpoint.endpoint_id`` of an object, also when its spec is not valid; much faster.

    Args:
        body: the whole object with its wire names, as JSON gives it.
    """
    named = _part(body, "spec").get("endpointId")
    if isinstance(named, str):
        return named
    reserved = _part(_part(body, "status"), "reservation").get("endpointId")
    return reserved if isinstance(reserved, str) else None


def _part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = body.get(name)
    return part if isinstance(part, Mapping) else {}
