"""The fields that every spec has, their types and rules, and the texts of validation errors. Pure.

The docstring below a field is its description in the CRD. The operator checks what one field is: its type, its bounds, its pattern,
and that this version knows it, because the CRD may be newer, and nobody may act on what they do not understand. How fields belong
together, and what may change, are rules of the CRD alone, which the API server has evaluated; an object that slips through must do
no harm, but needs no sentence of its own.
"""

import json
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from itertools import islice
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias, get_args

import durationpy
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.json_schema import WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from atlas_endpoints.cluster.api import Target
from atlas_endpoints.controller.texts import shorten
from atlas_endpoints.reconcile.crd import ATOMIC, Checked, Rule, only_one

_OBJECT_ID = r"[0-9a-f]{24}"
_INSTANCE_NAME = r"[a-zA-Z0-9][a-zA-Z0-9-]*"
_DURATION = r"([0-9]{1,5}(h|m|s|ms)){1,4}"
"""Go's durations without sign and fraction, as in the Gateway API (GEP-2257)."""
_DURATION_LIMIT = 28
_NO_DURATION = "must be a duration from 1m to 24h, such as `90s`, `10m` or `1h30m`"
_NAME = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*"


def matches(pattern: str, text: str) -> bool:
    """Return whether a pattern matches the whole text."""
    # ASCII only, as in the API server's RE2.
    return re.fullmatch(pattern, text, re.ASCII) is not None


def is_object_id(text: str) -> bool:
    """Return whether a text is an ID of Atlas, such as that of a project."""
    return matches(_OBJECT_ID, text)


def _duration(value: Any) -> timedelta:
    if not isinstance(value, str):
        raise PydanticKnownError("string_type")
    if len(value) > _DURATION_LIMIT:
        raise PydanticKnownError("string_too_long", {"max_length": _DURATION_LIMIT})
    if matches(_DURATION, value):
        duration: timedelta = durationpy.from_str(value)
        if timedelta(minutes=1) <= duration <= timedelta(hours=24):
            return duration
    raise PydanticCustomError("rule", _NO_DURATION)


def pattern(regex: str, message: str) -> Checked:
    """Return the rule that a text matches a pattern as a whole, which the operator checks, too."""

    def check(value: str) -> str:
        if not matches(regex, value):
            raise PydanticCustomError("rule", "{message}", {"message": message})
        return value

    return Checked(check, Rule(f"self.{cel_matches(regex)}", message))


def cel_matches(regex: str) -> str:
    """Return the call in CEL that says whether the whole text matches; a pattern for any letter case begins with ``(?i)``."""
    quoted = regex.removeprefix("(?i)").replace("\\", r"\\")
    return f'{"lowerAscii()." if regex.startswith("(?i)") else ""}matches("^{quoted}$")'


ObjectId = Annotated[
    str,
    Field(max_length=24),
    pattern(_OBJECT_ID, "must be an Atlas ID of 24 lower-case hexadecimal characters, not a name"),
]


InstanceName = Annotated[
    str,
    Field(max_length=64),
    pattern(
        _INSTANCE_NAME,
        "must consist of letters, digits and `-`, and begin with a letter or digit, as Atlas instance names do",
    ),
]


_NO_NAME = "must be the name of %s, that is lower-case letters, digits, `-` and `.`, beginning and ending with a letter or digit"
SecretName = Annotated[str, Field(max_length=253), pattern(_NAME, _NO_NAME % "a Secret")]
ObjectName = Annotated[str, Field(max_length=253), pattern(_NAME, _NO_NAME % "an object")]
Duration = Annotated[
    timedelta,
    PlainValidator(_duration),
    WithJsonSchema({"type": "string", "maxLength": _DURATION_LIMIT}),
    Rule(
        f'self.{cel_matches(_DURATION)} && duration(self) >= duration("1m") && duration(self) <= duration("24h")',
        _NO_DURATION,
    ),
]


class AsWritten(BaseModel):
    """A strict model with the field names of a manifest."""

    cel_rules: ClassVar[Sequence[Rule]] = ()
    """Those between its fields, beside those of the classes from which it inherits; likewise ``words``."""
    words: ClassVar[Mapping[str, str]] = {}

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
    )


_API_VERSION = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)+/v[0-9][a-z0-9]*"
_KIND = r"[A-Z][a-zA-Z0-9]*"
_FIELD_PATH = r"[.]?[a-zA-Z0-9_-]+([.][a-zA-Z0-9_-]+|\[[0-9]{1,3}\])*"
_CONFIG_MAP_KEY = r"[-._a-zA-Z0-9]+"

PROJECT_API, PROJECT_KIND = "atlas.mongodb.com/v1", "AtlasProject"
"""The default of a reference to a project: the kind of MongoDB's own operator."""


def api_version_such_as(example: str) -> Checked:
    """Return the rule of an ``apiVersion``."""
    return pattern(_API_VERSION, f"must be group and version of a custom resource, such as `{example}`")


def kind_such_as(example: str) -> Checked:
    """Return the rule of a kind."""
    return pattern(_KIND, f"must be a kind, such as `{example}`")


ApiVersion = Annotated[str, Field(max_length=128)]
ObjectKind = Annotated[str, Field(max_length=63)]
FieldPath = Annotated[
    str,
    Field(max_length=256),
    pattern(
        _FIELD_PATH,
        "must be names of fields that are separated by dots, such as `.status.atProvider.id`, with the index of an item of a list in brackets; filters are not supported",
    ),
]


class SecretRef(AsWritten, json_schema_extra=ATOMIC):
    """A Secret."""

    name: SecretName
    """The name of the Secret. Required."""


def leads_to_a_field(known: Iterable[tuple[str, str]], message: str) -> Rule:
    """Return the rule that there is a ``fieldPath``, if the kind is none of the known ones (group and kind)."""
    kinds = (f'self.kind == "{kind}" && self.apiVersion.startsWith("{group}/")' for group, kind in known)
    return Rule(" || ".join(("has(self.fieldPath)", *kinds)), message, "fieldPath")


class ObjectRef(AsWritten):
    """An object that contains a value, at a path that is known for some kinds."""

    known_paths: ClassVar[Mapping[tuple[str, str], str]]
    """The default of ``field_path`` by group and kind."""

    api_version: ApiVersion
    kind: ObjectKind
    name: ObjectName
    """The name of the object. Required."""
    field_path: FieldPath | None = None

    def target(self, namespace: str) -> Target:
        group = self.api_version.partition("/")[0]
        path = self.field_path or self.known_paths.get((group, self.kind), "")
        return _target(namespace, self.api_version, self.kind, self.name, path)


class ProjectRef(AsWritten, json_schema_extra=ATOMIC):
    """An object that contains the ID of the Atlas project."""

    cel_rules: ClassVar = [
        Rule(
            "has(self.apiVersion) == has(self.kind)",
            "must be set together with `kind`: set both, or leave both out for an AtlasProject of MongoDB's own operator",
            "apiVersion",
        ),
        Rule(
            """has(self.fieldPath) || !has(self.kind) || !has(self.apiVersion)
            || self.kind == "AtlasProject" && self.apiVersion.startsWith("atlas.mongodb.com/")""",
            "Required value: must be set unless the kind is AtlasProject of atlas.mongodb.com: add the path of the field that"
            " holds the project's ID, such as `.status.atProvider.id`",
            "fieldPath",
        ),
    ]

    api_version: Annotated[ApiVersion, api_version_such_as(PROJECT_API)] | None = None
    """The group and version of the object. If `kind` is absent too, the default is `atlas.mongodb.com/v1`."""
    kind: Annotated[ObjectKind, kind_such_as(PROJECT_KIND)] | None = None
    """The kind of the object. If `apiVersion` is absent too, the default is `AtlasProject`."""
    name: ObjectName
    """The name of the object. Required."""
    field_path: FieldPath | None = None
    """The field that contains the ID of the project, as field names separated by dots, such as `.status.atProvider.id`.
    Default for an AtlasProject: `.status.id`. Required for other kinds."""

    @property
    def object_kind(self) -> str:
        return self.kind or PROJECT_KIND

    def target(self, namespace: str) -> Target:
        api, path = self.api_version or PROJECT_API, self.field_path or "status.id"
        return _target(namespace, api, self.object_kind, self.name, path)


class ConfigMapKeyRef(AsWritten):
    """A key of a ConfigMap."""

    name: ObjectName
    """The name of the ConfigMap. Required."""
    key: Annotated[
        str,
        Field(max_length=253),
        pattern(_CONFIG_MAP_KEY, "must be a key of a ConfigMap, that is letters, digits, `-`, `_` and `.`"),
    ]
    """The key in `data` that contains the {value}. Required."""

    def target(self, namespace: str) -> Target:
        return Target(namespace, "", "v1", "ConfigMap", self.name, ("data", self.key))


class ConfigMapRef(AsWritten, json_schema_extra=ATOMIC):
    """A ConfigMap."""

    name: ObjectName
    """The name of the ConfigMap. Required."""


def _target(namespace: str, api_version: str, kind: str, name: str, path: str) -> Target:
    group, _, version = api_version.partition("/")
    return Target(namespace, group, version, kind, name, tuple(re.findall(r"[^.\[\]]+", path)))


DriftPolicy: TypeAlias = Literal["Correct", "Report"]
ManagementPolicy: TypeAlias = Literal["Manage", "Observe"]
DeletionPolicy: TypeAlias = Literal["Retain", "Delete"]


class InvalidSpecError(ValueError):
    """The resource breaks the rules of its kind; the text has one line for each problem, with the field as in YAML.

    The rest of such a resource is still readable: ``ObjectMeta.parse(body)`` and
    ``Status.parse(body.get("status"))``.

    Attributes:
        problems: at most eight.
        is_readable: whether only patterns are broken, so that how fields belong together has a meaning.
    """

    def __init__(self, problems: Iterable[str], *, is_readable: bool = False) -> None:
        self.is_readable = is_readable
        self.problems = tuple(shorten(" ".join(each.splitlines()), 300) for each in islice(problems, 8))
        super().__init__("\n".join(self.problems))


class CommonSpec(AsWritten):
    """The fields that every spec has."""

    cel_rules: ClassVar = [
        Rule(
            "has(self.projectId) || has(self.projectRef)",
            "Required value: must be set, unless `projectRef` names an object that holds the ID of the project",
            "projectId",
        ),
        only_one("projectId", "projectRef"),
        Rule(
            "!has(self.projectId) || !has(oldSelf.projectId) || self.projectId == oldSelf.projectId",
            "may not be changed: an endpoint never moves to another project; {instead_there}",
            "projectId",
        ),
    ]

    project_id: ObjectId | None = None
    """The ID of the Atlas project: 24 lower-case hexadecimal characters. The address of every Atlas page of the project
    contains it (`/v2/<projectId>`). Required, unless `projectRef` is set; never changes. Quote it: YAML reads an ID of digits
    as a number."""
    project_ref: ProjectRef | None = None
    """An object in the namespace of this resource that contains the ID of the project, instead of `projectId`. An example is
    an AtlasProject of MongoDB Atlas Kubernetes Operator. The operator does not call Atlas until the object contains the ID
    (reason ReferenceNotReady). When the operator has observed {in_a_project} there, the {thing} stays in this project
    (`status.resolved.projectId`). From then on, the operator refuses a reference to another project (reason InvalidSpec), and
    a reference that no longer resolves is reported in the status. You can replace the reference with that `projectId`, and the
    `projectId` with a reference. {reference_kinds}"""
    credentials_secret_ref: SecretRef | None = None
    """The Secret with the Atlas credentials, in the namespace of this resource. Default: the Secret that the namespace names
    in its annotation `atlas-endpoints.dev/credentials-secret`, otherwise the operator's own Secret (its setting
    CREDENTIALS_SECRET). The Secret contains either `clientId` and `clientSecret` (a service account) or `publicApiKey` and
    `privateApiKey` (an API key), with the role {role}. The operator detects a changed Secret within 30 seconds of the next
    use."""
    management_policy: ManagementPolicy = "Manage"
    """Whether the operator changes the {thing}. `Manage` (default): the operator changes the {thing} in Atlas to match the
    spec. `Observe`: it never writes to Atlas. It reports {reported} (reason EndpointNotFound), and shows in `status.plan` the
    request that `Manage` would send."""
    drift_policy: DriftPolicy = "Correct"
    """What the operator does when {drift}"""
    sync_interval: Duration | None = None
    """How often the operator compares a settled {thing} with Atlas, such as `90s`, `10m` or `1h30m`; 1m to 24h. Default: the
    operator's setting SYNC_INTERVAL (10m). The resources of one {scope} share one call, at the shortest of their intervals.
    The operator {at_once} at once, with any interval."""
    provisioning_timeout: Duration | None = None
    """How long Atlas may take to {provision}, such as `{timeout}`; 1m to 24h. Default: {timeout}. After this time, the
    resource is Stalled (reason ProvisioningTimeout). The time starts at {timeout_since}. The operator continues to observe
    {timeout_of}, less often, and the resource recovers by itself when {provisioned}."""
    deletion_policy: DeletionPolicy | None = None
    """What happens in Atlas when you delete this resource. `Retain` (default): Atlas stays unchanged, and the operator sets no
    finalizer. `Delete` (with `managementPolicy` Manage): the operator removes {deleted} it, and the resource waits until it is
    gone (finalizer `atlas-endpoints.dev/cleanup`). {kept_for_others} {deletion_too} {deletion_annotation}"""
    suspend: bool = False
    """`true`: the operator makes no call to Atlas for this resource, and the status shows the reason Suspended; with
    `managementPolicy` Manage and `deletionPolicy` Delete, `kubectl delete` waits until this is false. Default: false. The
    annotation `atlas-endpoints.dev/reconcile-policy: skip` does the same, but a deletion then leaves Atlas unchanged."""
    output_config_map_ref: ConfigMapRef | None = None
    """A ConfigMap in the namespace of this resource that the operator creates {outputs}. The ConfigMap
    is deleted with this resource. The operator does not change a ConfigMap that was not created for this resource (condition
    OutputsWritten). {outputs_on}"""

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Return the spec in a JSON object.

        Raises:
            InvalidSpecError: it breaks a rule, or has a field that this version of the operator does not know.
        """
        try:
            return cls.model_validate(raw, by_alias=True, by_name=False)
        except ValidationError as error:
            is_readable = all(each["type"] == "rule" for each in error.errors(include_url=False))
            raise InvalidSpecError(problems("spec", error, cls), is_readable=is_readable) from None

    @property
    @abstractmethod
    def desired(self) -> Mapping[str, str]:
        """The managed fields that are sent to Atlas, with their desired values, in a fixed order."""


def problems(root: str, error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    """Yield pydantic's errors of a model in the API server's words: the path as in YAML, what is wrong, what to do."""
    for each in error.errors(include_url=False):
        path = root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in each["loc"])
        details = each.get("ctx", {})
        if each["type"] == "extra_forbidden":
            *above, field = each["loc"]
            alike = get_close_matches(str(field), _fields_of(model, above), n=1)
            hint = f"did you mean {alike[0]}? Otherwise " if alike else ""
            yield (
                f"{path}: unknown field: {hint}remove it; or, when the CRD has it, upgrade the operator, which is older than the CRD"
            )
        else:
            yield f"{path}: {_what_is_wrong(each['type'], each['input'], details, otherwise=each['msg'])}"


def _fields_of(model: type[BaseModel], path: Iterable[int | str]) -> list[str]:
    """Return the names of the fields that the object at a path of a model has."""
    for step in path:
        inner = (field.annotation for field in model.model_fields.values() if field.alias == step)
        model = next(filter(None, map(_model_in, inner)), model)
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model in a type such as a list of it, or None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)


def _what_is_wrong(kind: str, value: object, details: dict[str, Any], *, otherwise: str) -> str:
    shown = shorten(json.dumps(value, default=str, ensure_ascii=False), 60)
    match kind:
        case "missing":
            return "Required value: add it"
        case "literal_error":
            return f"Unsupported value: {shown}: must be {details['expected']}"
        case "string_too_long":
            return f"Too long: may not be more than {details['max_length']} characters"
        case "string_type":
            return f"Invalid value: {shown}: must be of type string: put the value in quotes"
        case "bool_type":
            return f"Invalid value: {shown}: must be of type boolean: write true or false without quotes"
        case "model_type":
            return f"Invalid value: {shown}: must be of type object"
        case "tuple_type":
            return f"Invalid value: {shown}: must be of type array"
        case "too_long":
            return f"Too many: {details['actual_length']}: must have at most {details['max_length']} items"
        case _:
            return f"Invalid value: {shown}: {otherwise}"
