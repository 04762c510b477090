"""The fields that every spec has, and the texts of validation errors. Pure.

The rules are those of the CRDs, in the same words; only the rules about changes (immutable fields) are the API
server's alone. They are repeated here because an object may be older than the CRD, or the CRD newer than the
operator, which must not act on what it does not understand.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, Self, TypeAlias

from pydantic import ValidationError, model_validator
from pydantic_core import PydanticCustomError

from atlas_endpoints.controller.conditions import shorten
from atlas_endpoints.reconcile.reference_fields import ProjectRef, SecretRef
from atlas_endpoints.reconcile.values import AsWritten, Duration, ObjectId

DriftPolicy: TypeAlias = Literal["Correct", "Report"]
ManagementPolicy: TypeAlias = Literal["Manage", "Observe", "Plan"]
DeletionPolicy: TypeAlias = Literal["Retain", "Delete"]

_NO_PROJECT = "Required value: must be set, unless `projectRef` names an object that holds the ID of the project"
_PROJECT_TWICE = "may not be set together with `projectId`: keep one of the two"


class InvalidSpecError(ValueError):
    """The resource breaks the rules of its kind; the text has one line for each problem, with the field as in YAML.

    The rest of such a resource is still readable: ``ObjectMeta.parse(body)`` and
    ``Status.parse(body.get("status"))``.

    Attributes:
        problems: at most eight.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(shorten(" ".join(each.splitlines()), 300) for each in problems)[:8]
        super().__init__("\n".join(self.problems))


class CommonSpec(AsWritten):
    """The fields that every spec has; ``kubectl explain`` describes them.

    Exactly one of ``project_id`` and ``project_ref`` is set. If a duration is None, the operator's settings decide;
    if ``deletion_policy`` is None, the Namespace does.
    """

    project_id: ObjectId | None = None
    project_ref: ProjectRef | None = None
    credentials_secret_ref: SecretRef | None = None
    management_policy: ManagementPolicy = "Manage"
    drift_policy: DriftPolicy = "Correct"
    sync_interval: Duration | None = None
    provisioning_timeout: Duration | None = None
    deletion_policy: DeletionPolicy | None = None
    suspend: bool = False

    @classmethod
    def parse(cls, raw: object) -> Self:
        """Return the spec in a JSON object.

        Raises:
            InvalidSpecError: it breaks a rule, or has a field that this version of the operator does not know.
        """
        try:
            return cls.model_validate(raw, by_alias=True, by_name=False)
        except ValidationError as error:
            raise InvalidSpecError(problems("spec", error)) from None

    @property
    def desired(self) -> Mapping[str, str]:
        """The managed fields that are sent to Atlas, with their desired values, in a fixed order."""
        raise NotImplementedError

    def misfits(self) -> Iterator[tuple[str, str]]:
        """Yield the fields that do not fit together, each with a message."""
        if self.project_id is None and self.project_ref is None:
            yield "projectId", _NO_PROJECT
        if self.project_id is not None and self.project_ref is not None:
            yield "projectRef", _PROJECT_TWICE

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        misfits = {str(field): message for field, message in self.misfits()}
        if misfits:
            raise PydanticCustomError("misfits", "fields do not fit together", misfits)
        return self


def problems(root: str, error: ValidationError) -> Iterator[str]:
    """Yield pydantic's errors in the API server's words: the path as in YAML, what is wrong, what to do.

    Args:
        root: the path of the validated object, such as ``spec``.
    """
    for each in error.errors(include_url=False):
        path = ".".join((root, *map(str, each["loc"])))
        details = each.get("ctx", {})
        if each["type"] == "misfits":
            yield from (f"{path}.{field}: {message}" for field, message in details.items())
        else:
            yield f"{path}: {_what_is_wrong(each['type'], each['input'], details, otherwise=each['msg'])}"


def _what_is_wrong(kind: str, value: object, details: dict[str, Any], *, otherwise: str) -> str:
    shown = shorten(json.dumps(value, default=str, ensure_ascii=False), 60)
    match kind:
        case "missing":
            return "Required value: add it"
        case "extra_forbidden":
            return (
                "unknown field: remove it; or, when the CRD has it, upgrade the operator, which is older than the CRD"
            )
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
        case _:
            return f"Invalid value: {shown}: {otherwise}"
