"""What the operator reads and writes in a resource's metadata. Pure."""

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from typing_extensions import override

from atlas_endpoints.controller.cache import Trigger
from atlas_endpoints.reconcile.spec import DeletionPolicy, InvalidSpecError, problems
from atlas_endpoints.reconcile.status import REQUEST_LIMIT
from atlas_endpoints.reconcile.values import is_object_id

FINALIZER = "atlas-endpoints.dev/cleanup"
"""Keeps a resource with deletion policy Delete until its endpoint is gone from Atlas."""
ENDPOINT_ANNOTATION = "atlas-endpoints.dev/endpoint-id"
"""Contains the endpoint that the operator has reserved, so that backups of the resource contain it, too."""
POLICY_ANNOTATIONS = ("atlas-endpoints.dev/reconcile-policy", "mongodb.com/atlas-reconciliation-policy")
"""``skip`` in any of them suspends the resource; the second one is from MongoDB's own operator."""
REQUEST_ANNOTATIONS = ("atlas-endpoints.dev/force-sync", "reconcile.fluxcd.io/requestedAt")
"""A new value in any of them requests a reconcile at once."""
DELETION_ANNOTATIONS = ("atlas-endpoints.dev/deletion-policy", "mongodb.com/atlas-resource-policy")
"""Override ``spec.deletionPolicy``, the first before the second, which is from MongoDB's own operator."""
FORCE_FINALIZE = "atlas-endpoints.dev/force-finalize"
"""``true`` removes the finalizer of a deleted resource, whatever happens to its endpoint."""

_DELETION_POLICIES: Mapping[str, DeletionPolicy] = {"retain": "Retain", "keep": "Retain", "delete": "Delete"}


class EndpointRecord(NamedTuple):
    """The content of ``ENDPOINT_ANNOTATION``.

    Attributes:
        uid: of the resource that it was reserved for; in a copy of a resource, that of the original.
    """

    endpoint_id: str
    uid: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the record, or None if the annotation, which anybody can write, contains none."""
        endpoint_id, _, uid = text.partition("/")
        return cls(endpoint_id, uid) if is_object_id(endpoint_id) and uid else None

    @override
    def __str__(self) -> str:
        """Return the annotation's value."""
        return f"{self.endpoint_id}/{self.uid}"


class ObjectMeta(BaseModel):
    """The part of ``metadata`` that the operator reads."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)

    namespace: str
    name: str = Field(max_length=63)
    uid: str
    generation: int
    resource_version: str
    creation_timestamp: str | None = None
    deletion_timestamp: AwareDatetime | None = None
    annotations: Mapping[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()

    @classmethod
    def parse(cls, body: Mapping[str, Any]) -> Self:
        """Return the metadata of an object, whether or not its spec is valid.

        Raises:
            InvalidSpecError: a field is missing or has a wrong type; no API server stores that.
        """
        try:
            return cls.model_validate(body.get("metadata"))
        except ValidationError as error:
            raise InvalidSpecError(problems("metadata", error)) from None

    @property
    def skips(self) -> tuple[str, ...]:
        """The annotations that suspend the resource."""
        return skips(self.annotations)

    @property
    def reconcile_request(self) -> str | None:
        """The token of the request for a reconcile at once, or None; a new token is a new request.

        It is the annotation's value, so that tools find it again in ``status.lastHandledReconcileAt``. With two
        annotations it is a JSON list of both values, so that a change of either is a new token. If that is too long
        for the status, it is a digest.
        """
        values = [value for name in REQUEST_ANNOTATIONS if (value := self.annotations.get(name))]
        if not values:
            return None
        token = values[0] if len(values) == 1 else json.dumps(values, ensure_ascii=False)
        return token if len(token) <= REQUEST_LIMIT else "sha256:" + hashlib.sha256(token.encode()).hexdigest()

    @property
    def trigger(self) -> Trigger:
        """What makes a reconcile due; see ``controller.cache``."""
        watched = _watched(self.annotations, self.finalizers)
        deleting = self.deletion_timestamp is not None
        return Trigger(self.uid, self.generation, deleting, tuple(sorted(watched.items())))

    @property
    def endpoint_record(self) -> EndpointRecord | None:
        """The endpoint in the annotation, or None."""
        return EndpointRecord.parse(self.annotations.get(ENDPOINT_ANNOTATION, ""))

    @property
    def deletion_policy(self) -> DeletionPolicy | None:
        """The deletion policy in an annotation, or None.

        Raises:
            InvalidSpecError: the value is not a policy.
        """
        for name in DELETION_ANNOTATIONS:
            if (value := self.annotations.get(name)) is not None:
                return _deletion_policy(name, value, "")
        return None

    @property
    def is_force_finalized(self) -> bool:
        """Whether to remove the finalizer, whatever happens to the endpoint."""
        return self.annotations.get(FORCE_FINALIZE, "").strip().lower() == "true"


def skips(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ``POLICY_ANNOTATIONS`` whose value is ``skip``, ignoring case and blanks, since a miss would write."""
    return tuple(name for name in POLICY_ANNOTATIONS if annotations.get(name, "").strip().lower() == "skip")


def deletion_policy_in(annotations: Mapping[str, str]) -> DeletionPolicy | None:
    """Return the deletion policy in a Namespace's annotations, or None.

    Raises:
        InvalidSpecError: the value is not a policy.
    """
    name = DELETION_ANNOTATIONS[0]
    return _deletion_policy(name, annotations[name], "Namespace: ") if name in annotations else None


def _deletion_policy(name: str, value: str, where: str) -> DeletionPolicy:
    policy = _DELETION_POLICIES.get(value.strip().lower())
    if policy is None:
        problem = f"{where}metadata.annotations[{name}]: Unsupported value: must be Retain or Delete; or remove it"
        raise InvalidSpecError([problem])
    return policy


WATCHED = (
    *POLICY_ANNOTATIONS,
    *REQUEST_ANNOTATIONS,
    *DELETION_ANNOTATIONS,
    FORCE_FINALIZE,
    ENDPOINT_ANNOTATION,
)
"""The annotations whose change makes a reconcile due."""


def watched_annotations(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the annotations of an object whose change makes a reconcile due, and our finalizer among them."""
    metadata = body.get("metadata", {})
    return _watched(metadata.get("annotations") or {}, metadata.get("finalizers") or ())


def asks_for_something(body: Mapping[str, Any]) -> bool:
    """Return whether an annotation of an object requests something that a person may be waiting for."""
    annotations = body["metadata"].get("annotations") or {}
    return any(name in annotations for name in WATCHED if name != ENDPOINT_ANNOTATION)


def _watched(annotations: Mapping[str, str], finalizers: Collection[str]) -> dict[str, str]:
    watched = {name: annotations[name] for name in WATCHED if name in annotations}
    return {**watched, FINALIZER: "true"} if FINALIZER in finalizers else watched
