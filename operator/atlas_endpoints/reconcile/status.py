"""The fields that every status has, as frozen models. Pure.

The limits are those of the CRDs: a text that is too long is cut when the model is created, so that every status can
be written, and is equal when it is read back. A kind adds fields in a subclass of ``Status``.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
)
from pydantic.alias_generators import to_camel

from atlas_endpoints.controller.texts import printable, shorten
from atlas_endpoints.reconcile.reasons import ConditionStatus

HISTORY_LIMIT = 5
"""Entries of ``Status.history``; the newest come first and the oldest are dropped."""

CONTENDED = "Contended"
"""The condition of a resource whose entry belongs to another one, or may; absent otherwise."""

REQUEST_LIMIT = 256
"""Characters of ``Status.last_handled_reconcile_at``."""


class Cause(StrEnum):
    """Why a write was sent to Atlas."""

    FIRST_CONTACT = "FirstContact"
    """Atlas never confirmed anything for this resource."""
    EDIT = "Edit"
    """The resource was changed."""
    DRIFT = "Drift"
    """Atlas no longer shows a value that it confirmed."""
    FORCED = "Forced"
    """A person requested it."""
    RESERVATION = "Reservation"
    """The resource had no endpoint."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The content of a condition."""

    status: ConditionStatus
    reason: StrEnum
    message: str


def _fit(value: Any, limit: int) -> Any:
    """Return a text cut to ``limit`` characters, without lone surrogates, which the API server rejects."""
    if not isinstance(value, str) or (value.isascii() and len(value) <= limit):  # nearly always
        return value
    return shorten(value.encode(errors="replace").decode(), limit)


def _cut(limit: int) -> BeforeValidator:
    return BeforeValidator(partial(_fit, limit=limit))


def _newest(value: Any) -> Any:
    return tuple(value)[:HISTORY_LIMIT] if isinstance(value, list | tuple) else value


def _to_the_second(value: datetime, info: ValidationInfo) -> datetime:
    if isinstance(info.context, datetime):
        value = min(value, info.context)
    try:
        return value.astimezone(UTC).replace(microsecond=0)
    except OverflowError as error:
        raise ValueError("in UTC it has no year that there is") from error


def rfc3339(value: datetime) -> str:
    """Return a time in UTC in the format of ``metav1.Time``."""
    return value.isoformat(timespec="seconds").replace("+00:00", "Z")


Time = Annotated[AwareDatetime, AfterValidator(_to_the_second), PlainSerializer(rfc3339)]
"""UTC to the second, in the format of ``metav1.Time``; at most the context, if that is a time."""
# The limit comes first: after a validator in Python, pydantic checks it in Python, too.
Word = Annotated[str, Field(max_length=64), _cut(64)]
Name = Annotated[str, Field(min_length=1, max_length=64), _cut(64)]
Text = Annotated[str, Field(max_length=1024), _cut(1024)]


def as_shown(value: Any) -> Any:
    """Return a text of Atlas as in a status: cut, and without unprintable characters."""
    return _fit(value if not isinstance(value, str) or value.isprintable() else printable(value), 1024)


Shown = Annotated[str, Field(max_length=1024), BeforeValidator(as_shown)]
"""A text of Atlas; compare it only with another one that ``as_shown`` returned."""


class StatusModel(BaseModel):
    """A part of a status: camelCase in the API server, snake_case here."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON for the API server: wire names, no nulls, no empty lists; ``""`` is kept, it means cleared."""
        wire: dict[str, Any] = _without_empty_lists(self.model_dump(mode="json", by_alias=True, exclude_none=True))
        return wire


class Condition(StatusModel):
    """One ``metav1.Condition``, as the Kubernetes API conventions, kstatus and Flux define it.

    Sources: sig-architecture/api-conventions.md, "Typical status properties"; ``sigs.k8s.io/cli-utils/pkg/kstatus``.

    Attributes:
        type: in PascalCase, such as ``Ready``.
        reason: one PascalCase word that programs may branch on.
        message: a sentence for people.
        last_transition_time: of ``status`` (not of reason or message).
    """

    type: Name
    status: ConditionStatus
    reason: Name
    message: Text
    observed_generation: int = Field(ge=0)
    last_transition_time: Time


def merge(previous: Iterable[Condition], wanted: Sequence[Condition]) -> tuple[Condition, ...]:
    """Return the wanted conditions in their order, each with the transition time of its status.

    Other previous conditions go: ``Reconciling`` and ``Stalled`` must only be present while they are true.
    """
    before: Mapping[str, Condition] = {each.type: each for each in previous}
    return tuple(
        each.model_copy(update={"last_transition_time": before[each.type].last_transition_time})
        if each.type in before and before[each.type].status == each.status
        else each
        for each in wanted
    )


class _ByField(StatusModel):
    """Contains values of spec fields by their names, beside its own fields."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, Text] = Field(init=False)  # pyright: ignore[reportIncompatibleVariableOverride]  # as pydantic documents

    @property
    def values(self) -> Mapping[str, str]:
        return self.__pydantic_extra__


class Applied(_ByField):
    """What Atlas last confirmed of the spec, without fields that were not managed.

    Attributes:
        generation: the ``metadata.generation`` of the confirmed values.
    """

    generation: int = Field(ge=0)

    @classmethod
    def of(cls, generation: int, values: Mapping[str, str]) -> Self:
        return cls.model_validate({"generation": generation, **values})


class Resolved(_ByField):
    """The values that the last reconcile used, after defaults and references.

    Attributes:
        credentials_source: see ``credentials.Access``; no secret value.
    """

    project_id: Word | None = None
    credentials_source: Annotated[str, Field(max_length=320), _cut(320)] | None = None

    @classmethod
    def of(cls, project_id: str | None, source: str | None, values: Mapping[str, str | None]) -> Self:
        used = {name: value for name, value in values.items() if value is not None}
        return cls.model_validate({"project_id": project_id, "credentials_source": source, **used})


class DriftItem(StatusModel):
    """A managed field that differs in Atlas; ``actual`` is None if Atlas has no value."""

    field: Word
    desired: Text | None = None
    actual: Shown | None = None


class Plan(StatusModel):
    """The request that the operator would send if writes were permitted; ``body`` has Atlas's field names."""

    method: Word
    body: dict[Word, Text] | None = None
    reason: Cause


class ShownEntry(StatusModel):
    """What a status shows of an entry in Atlas's words; None: Atlas sent null or nothing.

    Attributes:
        status_since: when the operator first observed this ``status``.
    """

    id: Shown | None
    status: Shown | None = None
    status_since: Time | None = None
    error_message: Shown | None = None


class Creation(StatusModel):
    """Something that was, or is about to be, created in Atlas for the resource.

    Attributes:
        attempt: how many in a row were created and soon lost, including this one.
    """

    requested_at: Time
    attempt: int = Field(default=1, ge=1)


class LastError(StatusModel):
    """The failure that holds up the resource.

    Attributes:
        http_status: None: there was no answer.
    """

    since: Time
    operation: Word
    http_status: int | None = None
    error_code: Annotated[str, Field(max_length=128), _cut(128)] | None = None
    detail: Shown | None = None
    retryable: bool
    fields: Annotated[tuple[Word, ...], Field(max_length=8)] = ()


class HistoryEntry(StatusModel):
    """A change that was sent to Atlas, with its result."""

    time: Time
    generation: int = Field(ge=0)
    cause: Cause
    fields: Annotated[tuple[Word, ...], Field(max_length=8)] = ()
    result: Annotated[str, Field(max_length=256), _cut(256)]


class Status(StatusModel):
    """The fields that every status has; the default is that of a resource that was never reconciled.

    Attributes:
        observed_generation: the ``metadata.generation`` of this status; -1: none.
        not_ready_since: since when the generation has not been settled, and the operator has changed nothing in Atlas.
        last_handled_reconcile_at: the last handled ``ObjectMeta.reconcile_request``.
        history: the newest first.
    """

    NEVER_OBSERVED: ClassVar[int] = -1

    observed_generation: int = Field(default=NEVER_OBSERVED, ge=-1)
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16)] = ()
    applied: Applied | None = None
    resolved: Resolved | None = None
    drift: Annotated[tuple[DriftItem, ...], Field(max_length=8)] = ()
    plan: Plan | None = None
    last_error: LastError | None = None
    last_applied_time: Time | None = None
    not_ready_since: Time | None = None
    last_handled_reconcile_at: Annotated[str, Field(max_length=REQUEST_LIMIT)] | None = None
    history: Annotated[tuple[HistoryEntry, ...], Field(max_length=HISTORY_LIMIT), BeforeValidator(_newest)] = ()

    @property
    def is_being_deleted(self) -> bool:
        """Whether Atlas was asked to delete the entry, or was seen deleting it."""
        return False

    @property
    def creation(self) -> Creation | None:
        """The creation whose result is not known yet, or None."""
        return None

    def covers_all_before(self, generation: int) -> bool:
        """Return whether no earlier generation may have been sent to Atlas without a status, while the operator was stopped."""
        return generation <= self.observed_generation + 1

    @classmethod
    def parse(cls, raw: object, *, now: datetime | None = None) -> Self:
        """Return the readable part of a status, which another version of the operator may have written.

        Unknown and unreadable fields and list items are left out. It never raises.

        Args:
            now: wall-clock time, UTC; later times in the status are replaced by it. None: times stay as they are.
        """
        readable: Any = dict(raw) if isinstance(raw, Mapping) else {}
        is_copy = False
        while True:
            try:
                return cls.model_validate(readable, context=now)
            except ValidationError as error:
                readable = readable if is_copy else deepcopy(readable)
                is_copy = True
                _remove(readable, error.errors(include_url=False)[-1]["loc"])


def find(status: Status, type_: str) -> Condition | None:
    """Return the condition of a type, or None."""
    return next((each for each in status.conditions if each.type == type_), None)


def condition_in(status: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    """Return the condition of a type in a status as JSON, or an empty mapping."""
    for each in status.get("conditions") or ():  # twice as fast as a generator; ownership calls it often
        if each["type"] == type_:
            found: Mapping[str, Any] = each
            return found
    return {}


def has_reason(status: Status, *, reason: str, generation: int) -> bool:
    """Return whether a status has this reason of ``Ready`` for this generation."""
    ready = find(status, "Ready")
    return status.observed_generation == generation and ready is not None and ready.reason == reason


def _remove(raw: Any, path: Sequence[int | str]) -> None:
    """Remove an unreadable value from a status; if it is missing (which is the error), remove its parent."""
    *above, last = path
    holder = raw
    try:
        for step in above:
            holder = holder[step]
        del holder[last]
    except (LookupError, TypeError):
        _remove(raw, above)


def _without_empty_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_empty_lists(each) for name, each in value.items() if each != []}
    if isinstance(value, list):
        return [_without_empty_lists(each) for each in value]
    return value
