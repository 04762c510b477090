"""What the operator reads of a resource's metadata, and what it writes there.

Pure.
"""

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

FINALIZER = "atlas-endpoints.dev/cleanup"
"""Keeps a resource whose endpoint is to be deleted with it until Atlas has none any more."""
ENDPOINT_ANNOTATION = "atlas-endpoints.dev/endpoint-id"
"""Where the operator writes which endpoint it has reserved, so that a backup of the resource knows it, too."""
POLICY_ANNOTATIONS = ("atlas-endpoints.dev/reconcile-policy", "mongodb.com/atlas-reconciliation-policy")
"""``skip`` in any of them suspends the resource; the second is the name that MongoDB's own operator uses."""
REQUEST_ANNOTATIONS = ("atlas-endpoints.dev/force-sync", "reconcile.fluxcd.io/requestedAt")
"""A new value in any of them asks for a reconcile at once."""
DELETION_ANNOTATIONS = ("atlas-endpoints.dev/deletion-policy", "mongodb.com/atlas-resource-policy")
"""Go over ``spec.deletionPolicy``, the first over the second; the second is the name that MongoDB's own operator uses."""
FORCE_FINALIZE = "atlas-endpoints.dev/force-finalize"
"""``true`` lets a deleted resource go, whatever becomes of its endpoint."""

_DELETION_POLICIES: Mapping[str, DeletionPolicy] = {"retain": "Retain", "keep": "Retain", "delete": "Delete"}


class EndpointRecord(NamedTuple):
    """What ``ENDPOINT_ANNOTATION`` says.

    Attributes:
        endpoint_id: of the endpoint.
        uid: of the resource that it was reserved for; another one's where the resource was made from a copy.
    """

    endpoint_id: str
    uid: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read it; None when it is none: people can write anything into an annotation."""
        endpoint_id, _, uid = text.partition("/")
        is_id = len(endpoint_id) == 24 and set(endpoint_id) <= set("0123456789abcdef")  # noqa: PLR2004  # an ObjectId
        return cls(endpoint_id, uid) if is_id and uid else None

    @override
    def __str__(self) -> str:
        """Write it."""
        return f"{self.endpoint_id}/{self.uid}"


class ObjectMeta(BaseModel):
    """What the operator reads of ``metadata``, with the wishes that annotations can state."""

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
        return skips(self.annotations)

    @property
    def reconcile_request(self) -> str | None:
        """The token of the request for a reconcile at once, or None; another token than the last one is a new request.

        It is the annotation's value as it stands, so that tools find it again in ``status.lastHandledReconcileAt``; of
        two annotations a JSON list of both values, so that a new value of either makes a new token (and so does the
        removal of one); a digest when that is too long for the status.
        """
        values = [value for name in REQUEST_ANNOTATIONS if (value := self.annotations.get(name))]
        if not values:
            return None
        token = values[0] if len(values) == 1 else json.dumps(values, ensure_ascii=False)
        return token if len(token) <= REQUEST_LIMIT else "sha256:" + hashlib.sha256(token.encode()).hexdigest()

    @property
    def trigger(self) -> Trigger:
        """What has made a reconcile due; see ``engine.cache.Store.trigger``."""
        watched = _watched(self.annotations, self.finalizers)
        deleting = self.deletion_timestamp is not None
        return Trigger(self.uid, self.generation, deleting, tuple(sorted(watched.items())))

    @property
    def endpoint_record(self) -> EndpointRecord | None:
        """The endpoint that the annotation tells of."""
        return EndpointRecord.parse(self.annotations.get(ENDPOINT_ANNOTATION, ""))

    @property
    def deletion_policy(self) -> DeletionPolicy | None:
        """What an annotation says about the endpoint's fate; None: nothing.

        Raises:
            InvalidSpecError: it says what nobody understands.
        """
        for name in DELETION_ANNOTATIONS:
            if (value := self.annotations.get(name)) is not None:
                return _deletion_policy(name, value, "")
        return None

    @property
    def is_force_finalized(self) -> bool:
        """Whether a person lets the resource go, whatever becomes of its endpoint."""
        return self.annotations.get(FORCE_FINALIZE, "").strip().lower() == "true"


def skips(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Give those of ``POLICY_ANNOTATIONS`` that say ``skip``, in any letter case."""
    return tuple(name for name in POLICY_ANNOTATIONS if annotations.get(name, "").strip().lower() == "skip")


def deletion_policy_in(annotations: Mapping[str, str]) -> DeletionPolicy | None:
    """Give what a Namespace's annotations say about the endpoints of its resources; None: nothing.

    Args:
        annotations: of the Namespace.

    Raises:
        InvalidSpecError: they say what nobody understands.
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
    """Return the annotations whose change makes a reconcile due, and our finalizer among them; all else is none of our business.

    Args:
        body: the whole object with its wire names, as JSON gives it.
    """
    metadata = body.get("metadata", {})
    return _watched(metadata.get("annotations") or {}, metadata.get("finalizers") or ())


def asks_for_something(body: Mapping[str, Any]) -> bool:
    """Tell whether a person may be waiting for what an annotation asks for.

    Args:
        body: the whole object with its wire names, as JSON gives it.
    """
    annotations = body["metadata"].get("annotations") or {}
    return any(name in annotations for name in WATCHED if name != ENDPOINT_ANNOTATION)


def _watched(annotations: Mapping[str, str], finalizers: Collection[str]) -> dict[str, str]:
    watched = {name: annotations[name] for name in WATCHED if name in annotations}
    return {**watched, FINALIZER: "true"} if FINALIZER in finalizers else watched
