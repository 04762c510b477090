"""What a CRD says of a model beside the types, bounds and docstrings of its fields: rules in CEL, and what kubectl shows. Pure.

``make generate`` writes the CRDs from it (``hack/crd``); the operator itself does nothing with it. In each text, a word
in braces stands for that of the kind, or of the model in which it is used: see ``words`` of the models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import AfterValidator, GetJsonSchemaHandler
from pydantic_core import CoreSchema

ATOMIC: dict[str, Any] = {"x-kubernetes-map-type": "atomic"}
"""An object that is applied as a whole, such as a reference."""

SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}
"""A list without duplicates; other lists are applied as a whole."""

INT32: dict[str, Any] = {"format": "int32"}
INT64: dict[str, Any] = {"format": "int64"}


def map_by(key: str) -> dict[str, Any]:
    """Return the type of a list whose items are told apart by a field."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule in CEL: of the type that it annotates, or of the model in whose ``cel_rules`` it stands.

    Attributes:
        message: after ``Required value: ``, the API server reports the field as missing.
        field: what the message is about, by its path in the model; "": the value itself.
    """

    cel: str
    message: str
    field: str = ""

    def to_json(self) -> dict[str, str]:
        message = self.message.removeprefix("Required value: ")
        reason = {} if message == self.message else {"reason": "FieldValueRequired"}
        path = {"fieldPath": f".{self.field}"} if self.field else {}
        return {"rule": self.cel, "message": message, **reason, **path}

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        schema = handler(core)
        rules = schema.get("x-kubernetes-validations", ())
        return {**schema, "x-kubernetes-validations": [*rules, self.to_json()]}


@dataclass(frozen=True, slots=True)
class Checked(AfterValidator):
    """A rule that the operator checks, too, because it is about one value, and the check follows from the rule."""

    rule: Rule

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return self.rule.__get_pydantic_json_schema__(core, handler)


def only_one(name: str, other: str) -> Rule:
    """Return the rule that two fields are not both set."""
    message = f"may not be set together with `{name}`: keep one of the two"
    return Rule(f"!has(self.{name}) || !has(self.{other})", message, other)


def fixed(name: str, message: str) -> Rule:
    """Return the rule that a required field never changes."""
    return Rule(f"self.{name} == oldSelf.{name}", message, name)


def fixed_if_any(name: str, message: str) -> Rule:
    """Return the rule that an optional field is never set, changed or removed after the creation."""
    return Rule(
        f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})",
        message,
        name,
    )


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ``kubectl get``."""

    name: str
    path: str
    description: str = ""
    type: str = "string"


@dataclass(frozen=True, slots=True)
class Crd:
    """What only the CRD of a kind says.

    Attributes:
        selectable: fields of the spec that a field selector may name.
        columns: beside those that all kinds have; ``wide`` ones are shown with ``-o wide``.
        applied: the descriptions of fields in ``status.applied``, where they are not "The confirmed `spec.<field>`.".
        resolved: those of fields in ``status.resolved`` that not all kinds have.
        body: those of fields in ``status.plan.body``, by Atlas's names; or more of their schemas.
    """

    short_name: str
    selectable: Sequence[str]
    columns: Sequence[Column]
    wide: Sequence[Column]
    body: Mapping[str, str | Mapping[str, Any]]
    applied: Mapping[str, str] = field(default_factory=dict)
    resolved: Mapping[str, str] = field(default_factory=dict)


WORDS: Mapping[str, str] = {
    "thing": "endpoint",
    "state": "status",
    "instead_there": "create a second resource there, {moved}and delete this one {atlas_keeps}",
    "moved": "move your applications to it, ",
    "atlas_keeps": "(Atlas keeps the {kept}, unless `deletionPolicy` is Delete)",
    "kept": "{thing}",
    "created": "{thing}",
    "made_again": "delete this resource with `deletionPolicy` Delete, wait until it is gone, and create it again",
    "in_a_project": "the {thing} in a project, or has created it",
    "reference_kinds": "The operator's setting REFERENCE_KINDS contains the kinds that the operator may read.",
    "role": "Project Owner in the project",
    "scope": "project",
    "at_once": "sends edits",
    "timeout": "2h",
    "timeout_since": "`statusSince` in `status.{thing}`",
    "timeout_of": "it",
    "kept_for_others": "The {thing} stays if another resource of the namespace names it, or one of another namespace whose"
    " credentials have seen it.",
    "deletion_too": "",
    "deletion_annotation": "The annotation `atlas-endpoints.dev/deletion-policy` on the resource overrides this field.",
    "own_config_map": "The ConfigMap is deleted with this resource. The operator does not change a ConfigMap that was not"
    " created for this resource.",
    "outputs_on": "The operator's setting OUTPUTS must be on.",
    "own_conditions": "",
    "synced": "the last comparison or change succeeded and no managed field differs",
    "contended": "{thing} and owns it",
    "config_maps": "a ConfigMap",
    "or_nothing": "",
    "not_applied": "",
    "plan_for": "It is for `status.{thing}`, if it is there.",
    "body_names": ", with Atlas's names of the fields",
    "differs": "Atlas differs, or has lost the {lost}",
    "differed": "Atlas differed, or had lost the {lost}",
    "lost": "{thing}",
    "reserves": "other kinds only",
    "reserved": "other kinds only",
    "as_returned": "It stays here while Atlas is not reachable. A field that Atlas omitted or returned as null is absent.",
    "on_its_way": "",
    "error_message": "; absent when there is no error",
    "sent_without_refused": "The operator sends an edit of other fields without them.",
    "or_thing": ", or `{thing}`",
    "retried": "The operator retries failed calls. {retained}",
    "retained": "When you delete the resource, Atlas stays unchanged, unless `deletionPolicy` is Delete.",
    "annotations": "Annotations supplement the spec: with `atlas-endpoints.dev/reconcile-policy: skip`, the operator makes no call"
    " to Atlas; with `atlas-endpoints.dev/force-sync: <any new value>`, it reconciles the resource at once;",
    "removes_only": 'with `atlas-endpoints.dev/force-finalize: "true"`, a deletion removes only the resource.',
    "others_change": "The other fields control how the operator works, and you can change them at any time.",
}
"""What stands for the names in braces, where a kind or a model has no other words."""
