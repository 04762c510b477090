"""A resource of any kind: its metadata, a valid spec, and the status that the operator wrote before. Pure."""

import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from typing_extensions import override

from atlas_endpoints.cluster.api import Target
from atlas_endpoints.controller.cache import Body, Key, Trigger, annotations_of, finalizers_of, spec_of, status_of
from atlas_endpoints.reconcile.crd import WORDS, Crd, Rule
from atlas_endpoints.reconcile.spec import CommonSpec, DeletionPolicy, InvalidSpecError, is_object_id, problems
from atlas_endpoints.reconcile.status import REQUEST_LIMIT, Status

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

FORCE_DELETE = "atlas-endpoints.dev/force-delete"
"""``true`` deletes an endpoint with its resource even if Atlas shows that something there needs it."""

FORCE = "set the annotation atlas-endpoints.dev/force-sync"
"""The remedy that requests a reconcile at once."""

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
        return f"{self.endpoint_id}/{self.uid}"


class ObjectMeta(BaseModel):
    """The part of ``metadata`` that the operator reads."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)

    namespace: str
    name: str = Field(max_length=63)
    uid: str
    generation: int
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
            raise InvalidSpecError(problems("metadata", error, cls)) from None

    @property
    def skips(self) -> tuple[str, ...]:
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
        return EndpointRecord.parse(self.annotations.get(ENDPOINT_ANNOTATION, ""))

    @property
    def deletion_policy(self) -> DeletionPolicy | None:
        """The deletion policy in an annotation, or None.

        Raises:
            InvalidSpecError: the value is not a policy.
        """
        for name in DELETION_ANNOTATIONS:
            if (value := self.annotations.get(name)) is not None:
                policy = _DELETION_POLICIES.get(value.strip().lower())
                if policy is None:
                    problem = f"metadata.annotations[{name}]: Unsupported value: must be Retain or Delete; or remove it"
                    raise InvalidSpecError([problem])
                return policy
        return None

    @property
    def is_force_finalized(self) -> bool:
        """Whether to remove the finalizer, whatever happens to the endpoint."""
        return self.annotations.get(FORCE_FINALIZE, "").strip().lower() == "true"

    @property
    def is_delete_forced(self) -> bool:
        """Whether to delete the endpoint of a deleted resource even if something in Atlas needs it."""
        return self.annotations.get(FORCE_DELETE, "").strip().lower() == "true"


def skips(annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Return the ``POLICY_ANNOTATIONS`` whose value is ``skip``, ignoring case and blanks, since a miss would write."""
    return tuple(name for name in POLICY_ANNOTATIONS if annotations.get(name, "").strip().lower() == "skip")


WATCHED = (
    *POLICY_ANNOTATIONS,
    *REQUEST_ANNOTATIONS,
    *DELETION_ANNOTATIONS,
    FORCE_FINALIZE,
    FORCE_DELETE,
    ENDPOINT_ANNOTATION,
)
"""The annotations whose change makes a reconcile due."""


def watched_annotations(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the annotations of an object whose change makes a reconcile due, and our finalizer among them."""
    return _watched(annotations_of(body), finalizers_of(body))


def asks_for_something(body: Mapping[str, Any]) -> bool:
    """Return whether an annotation of an object requests something that a person may be waiting for."""
    annotations = annotations_of(body)
    return any(name in annotations for name in WATCHED if name != ENDPOINT_ANNOTATION)


def _watched(annotations: Mapping[str, str], finalizers: Collection[str]) -> dict[str, str]:
    watched = {name: annotations[name] for name in WATCHED if name in annotations}
    return {**watched, FINALIZER: "true"} if FINALIZER in finalizers else watched


@dataclass(frozen=True, slots=True)
class Reference:
    """A field of the spec whose value is in another object.

    Attributes:
        field: of the spec, in Python's spelling.
        is_valid: returns whether a text is valid for the field.
        expected: describes a valid text to people.
    """

    field: str
    target: Target
    is_valid: Callable[[str], bool]
    expected: str


class Thing(NamedTuple):
    """An endpoint or a service in Atlas, as several resources may name it.

    Attributes:
        key: of all resources that name it; see ``kind.Named``.
        id: by which a status shows it.
        called: what people call it, at the beginning of a sentence.
        shared: the key of what it shares with others, if it is an endpoint; "": nothing.
    """

    key: str
    id: str
    called: str
    shared: str = ""

    @classmethod
    def endpoint(cls, id_: str, shared: str = "") -> Self:
        """Return an endpoint; ``shared`` is the key of what it shares with others, within which its ID is unique."""
        return cls(f"{shared}/{id_}", id_, f"Endpoint {id_}", shared)


class Resource(BaseModel, frozen=True):
    """One resource; a kind defines the types of its spec and status."""

    spec_type: ClassVar[type[CommonSpec]]
    status_type: ClassVar[type[Status]]
    fields: ClassVar[Sequence[str]]
    """The fields of the spec that are sent to Atlas."""
    bound_by: ClassVar[Sequence[str]] = ()
    """The fields of the status that show, if there is one of them, that its entry was seen or requested."""
    crd: ClassVar[Crd]
    cel_rules: ClassVar[Sequence[Rule]] = (
        Rule(
            """has(oldSelf.spec.projectId) || !has(self.spec.projectId) || !has(self.status) || !has(self.status.resolved)
            || !has(self.status.resolved.projectId) || !({bound}) || self.status.resolved.projectId == self.spec.projectId""",
            "must be the project to which `projectRef` resolved, because the {thing} is in this project; its ID is in"
            " `status.resolved.projectId`",
            "spec.projectId",
        ),
    )
    """Those between its parts; as in ``AsWritten``."""
    words: ClassVar[Mapping[str, str]] = WORDS
    """Those that its kind replaces."""
    noun: ClassVar[str] = "endpoint"
    """What people call what it stands for."""

    kind: str
    metadata: ObjectMeta
    spec: CommonSpec
    status: Status
    """The observed state and the results of the operator's requests; only the operator writes it. Texts from Atlas are in
    Atlas's own words, cut to the maximum length of the field. The status never contains a value of a Secret."""

    @classmethod
    def parse(cls, body: Mapping[str, Any], *, now: datetime | None = None) -> Self:
        """Return the resource in an object of the API server.

        Args:
            now: wall-clock time, UTC; later times in the status are replaced by it. None: times stay as they are.

        Raises:
            InvalidSpecError: the spec breaks a rule, or has a field that this version of the operator does not know.
        """
        metadata = ObjectMeta.parse(body)
        metadata.deletion_policy  # noqa: B018  # raises for an invalid annotation
        if body.get("spec") is None:
            raise InvalidSpecError(["spec: Required value: add it"])
        spec, status = cls.spec_type.parse(body["spec"]), cls.status_in(body, now=now)
        return cls(kind=body["kind"], metadata=metadata, spec=spec, status=status)

    @classmethod
    def status_in(cls, body: Mapping[str, Any], *, now: datetime | None = None) -> Status:
        """Return the readable part of the status of an object, whatever its spec; ``now`` as in :meth:`parse`."""
        return cls.status_type.parse(body.get("status"), now=now)

    @property
    def key(self) -> Key:
        return Key(self.kind, self.metadata.namespace, self.metadata.name)

    @property
    def generation(self) -> int:
        return self.metadata.generation

    @property
    @abstractmethod
    def entry(self) -> str | None:
        """The entry in Atlas that it stands for, and that only it may write to; None: none yet."""

    @property
    def thing(self) -> Thing | None:
        """The endpoint that it names, and that only it may write to; None: none yet."""
        return None if self.entry is None else Thing.endpoint(self.entry)

    @property
    def shares(self) -> Thing | None:
        """What it shares with others, as its status shows it; None: nothing, or it is not known yet."""
        return None

    @property
    def written_as(self) -> str:
        """The key of a write of unknown outcome: the entry, or the mark of one that was just created."""
        return self.entry or self.created_as

    @property
    @abstractmethod
    def scope_name(self) -> str:
        """The part of the project that one LIST covers."""

    @property
    def is_owner(self) -> bool:
        """Whether it may delete its entry."""
        return True

    @property
    def creates_its_own(self) -> bool:
        """Whether the operator creates its entry, instead of the spec naming it."""
        return False

    @classmethod
    def created_as_of(cls, uid: str) -> str:  # noqa: ARG003  # for kinds that create
        """Return the mark of an entry that was created for a resource and is not in its status yet; "": none is."""
        return ""

    @property
    def created_as(self) -> str:
        """The name by which a LIST shows an entry that was created for it; "": none is, or Atlas refuses a second one."""
        return self.created_as_of(self.metadata.uid)

    @property
    def is_bound(self) -> bool:
        """Whether its entry was seen in a project, or requested there, and so stays in that project."""
        return any(getattr(self.status, field) is not None for field in self.bound_by)

    @property
    def may_be_in_atlas(self) -> bool:
        """Whether Atlas may have something that is deleted with it."""
        return self.entry is not None or self.status.creation is not None

    @property
    def record(self) -> Mapping[str, str]:
        """Annotations that name what was created for it; a backup contains them, but perhaps not the status."""
        return {}

    @property
    def references(self) -> Sequence[Reference]:
        """The references beside the project; their fields are compared together or not at all."""
        return ()

    def bound(self, field: str) -> str | None:  # noqa: ARG002  # for kinds whose connection Atlas cannot change
        """Return the value that a reference keeps, whatever it gives now; None: it may give any."""
        return None

    def unconnected(self) -> Mapping[str, str | None]:
        """Return the values of the fields of references while one of these cannot be resolved; None: not compared."""
        return {}

    @property
    def connection(self) -> Mapping[str, str | None]:
        """The fields that references may supply, with the values in use, for the status."""
        return {}

    def same(self, field: str, one: str | None, other: str | None) -> bool:  # noqa: ARG002  # for kinds that compare fields differently
        """Return whether two values of a field are equal; an empty text equals none."""
        return (one or "") == (other or "")

    @abstractmethod
    def shown(self, value: Any) -> Mapping[str, str | None]:
        """Return the managed fields of an entry in Atlas."""

    def basis(self, value: Any) -> object:
        """Return the part of an entry that decisions depend on, for comparison."""
        return value

    @property
    def secret_name(self) -> str | None:
        """The Secret in the spec; None: that of the Namespace, or else the operator's own."""
        reference = self.spec.credentials_secret_ref
        return reference.name if reference else None

    @property
    def refers(self) -> bool:
        """Whether the spec refers to other objects, which may change while this one does not."""
        return self.spec.project_ref is not None or bool(self.references)

    @property
    def known_project_id(self) -> str | None:
        """The project in the spec, or else the one that its reference resolved to before."""
        resolved = self.status.resolved
        return self.spec.project_id or (resolved.project_id if resolved is not None else None)

    @property
    def bound_project_id(self) -> str | None:
        """The project that its entry was seen in, or requested in, and stays in; None: none yet."""
        resolved = self.status.resolved
        return resolved.project_id if resolved is not None and self.is_bound else None

    @property
    def deletion_policy(self) -> DeletionPolicy:
        """The deletion policy of the annotation, else of the spec, else Retain."""
        return self.metadata.deletion_policy or self.spec.deletion_policy or "Retain"

    @property
    def suspended_by(self) -> tuple[str, ...]:
        """What forbids all calls to Atlas: ``spec.suspend``, and annotations with ``skip``."""
        annotations = tuple(f"the annotation {name}" for name in self.metadata.skips)
        return ("spec.suspend", *annotations) if self.spec.suspend else annotations


class CredentialsPlace(NamedTuple):
    """The Secret that a resource names.

    Attributes:
        secret_name: None: that of the Namespace, or else the operator's own.
    """

    namespace: str
    secret_name: str | None

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Return it for an object, even if the rest of the spec is invalid."""
        reference = part(part(body, "spec"), "credentialsSecretRef")
        name = reference.get("name")
        return cls(body["metadata"]["namespace"], name if isinstance(name, str) else None)


def project_id_in(body: Body) -> str | None:
    """Return ``Resource.known_project_id`` of an object that the API server has validated; much faster."""
    found: str | None = spec_of(body).get("projectId") or _resolved_in(body).get("projectId")
    return found


def credentials_source_in(body: Body) -> str | None:
    """Return where the credentials of an object came from, according to its status."""
    found: str | None = _resolved_in(body).get("credentialsSource")
    return found


def _resolved_in(body: Body) -> Mapping[str, Any]:
    return status_of(body).get("resolved") or {}


def part(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a part of an object, or an empty mapping if it is something else."""
    found = body.get(name)
    return found if isinstance(found, Mapping) else {}
