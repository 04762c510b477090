"""The resource ``ServerlessPrivateEndpoint`` as frozen models, and the one place to import them from.

Pure: no input or output, no clock, no environment.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from atlas_endpoints.kinds.serverless_private_endpoint.resource_spec import (
    DriftPolicy,
    InvalidSpecError,
    ManagedField,
    Provider,
    SecretRef,
    Spec,
    problems,
)
from atlas_endpoints.kinds.serverless_private_endpoint.resource_status import (
    HISTORY_LIMIT,
    REQUEST_LIMIT,
    Applied,
    Cause,
    DriftItem,
    EndpointStatus,
    HistoryEntry,
    LastError,
    Plan,
    PlanBody,
    Resolved,
    Status,
)

__all__ = [
    "HISTORY_LIMIT",
    "Applied",
    "Cause",
    "CredentialsPlace",
    "DriftItem",
    "DriftPolicy",
    "EndpointStatus",
    "HistoryEntry",
    "InvalidSpecError",
    "LastError",
    "ManagedField",
    "ObjectMeta",
    "Plan",
    "PlanBody",
    "Provider",
    "Resolved",
    "SecretRef",
    "ServerlessPrivateEndpoint",
    "Spec",
    "Status",
    "watched_annotations",
]

POLICY_ANNOTATIONS = ("atlas-endpoints.dev/reconcile-policy", "mongodb.com/atlas-reconciliation-policy")
"""``skip`` in any of them suspends the resource; the second is the name that MongoDB's own operator uses."""
REQUEST_ANNOTATIONS = ("atlas-endpoints.dev/force-sync", "reconcile.fluxcd.io/requestedAt")
"""A new value in any of them asks for a pass at once."""


class ObjectMeta(BaseModel):
    """What the operator reads of ``metadata``, with the wishes that annotations can state."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)

    namespace: str
    name: str = Field(max_length=63)
    uid: str
    generation: int
    resource_version: str
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    annotations: Mapping[str, str] = Field(default_factory=dict)

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read the metadata of an object, whether or not its spec is valid.

        Args:
            body: the whole object with its wire names, as JSON gives it.

        Raises:
            InvalidSpecError: a field is missing or of the wrong type, which no API server lets happen.
        """
        try:
            return cls.model_validate(body.get("metadata"))
        except ValidationError as error:
            raise InvalidSpecError(problems("metadata", error)) from None

    @property
    def skips(self) -> tuple[str, ...]:
        """The annotations that ask to leave Atlas alone; letter case and stray blanks are forgiven, since a miss would write."""
        return tuple(name for name in POLICY_ANNOTATIONS if self.annotations.get(name, "").strip().lower() == "skip")

    @property
    def reconcile_request(self) -> str | None:
        """The token of the request for a pass at once, or None; another token than the last one is a new request.

        It is the annotation's value as it stands, so that tools find it again in ``status.lastHandledReconcileAt``; of
        two annotations a JSON list of both values, so that a new value of either makes a new token (and so does the
        removal of one); a digest when that is too long for the status.
        """
        values = [value for name in REQUEST_ANNOTATIONS if (value := self.annotations.get(name))]
        if not values:
            return None
        token = values[0] if len(values) == 1 else json.dumps(values, ensure_ascii=False)
        return token if len(token) <= REQUEST_LIMIT else "sha256:" + hashlib.sha256(token.encode()).hexdigest()


class ServerlessPrivateEndpoint(BaseModel):
    """One resource as the API server holds it: ``metadata``, a valid ``spec``, and the ``status`` we wrote before."""

    model_config = ConfigDict(frozen=True)

    metadata: ObjectMeta
    spec: Spec
    status: Status

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Read an object of the API server.

        Args:
            body: the whole object with its wire names, as JSON gives it.

        Raises:
            InvalidSpecError: the spec breaks a rule, or has a field that this version of the operator does not know.
        """
        metadata = ObjectMeta.parse(body)
        if body.get("spec") is None:
            raise InvalidSpecError(["spec: Required value: add it"])
        return cls(metadata=metadata, spec=Spec.parse(body["spec"]), status=Status.parse(body.get("status")))

    @property
    def secret_name(self) -> str | None:
        """The Secret with the credentials; None: the operator's own."""
        reference = self.spec.credentials_secret_ref
        return reference.name if reference else None

    @property
    def suspended_by(self) -> tuple[str, ...]:
        """What forbids every call to Atlas, if anything: ``spec.suspend``, and annotations with ``skip``."""
        annotations = tuple(f"the annotation {name}" for name in self.metadata.skips)
        return ("spec.suspend", *annotations) if self.spec.suspend else annotations


class CredentialsPlace(NamedTuple):
    """Where a resource wants its credentials from.

    Attributes:
        namespace: of the resource, and of the Secret.
        secret_name: None: the operator's own credentials.
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


def watched_annotations(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the annotations whose change makes a pass due; all others are none of the operator's business.

    Args:
        body: the whole object with its wire names, as JSON gives it.
    """
    annotations = body.get("metadata", {}).get("annotations") or {}
    return {name: annotations[name] for name in (*POLICY_ANNOTATIONS, *REQUEST_ANNOTATIONS) if name in annotations}
