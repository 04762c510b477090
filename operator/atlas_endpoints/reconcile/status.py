"""What every kind's status holds, as frozen models, as read back and as written. Pure.

The bounds are those of the CRDs: a text that is too long is cut when the model is made, so what is made can be written and what is
written reads back equal. A kind adds its own fields by a subclass of ``Status``.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from enum import StrEnum
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

from atlas_endpoints.controller.clock import believed
from atlas_endpoints.controller.conditions import Condition, ConditionStatus, printable, shorten

HISTORY_LIMIT = 5
"""Entries of ``Status.history``; the newest come first and the oldest fall off."""

CONTENDED = "Contended"
"""The condition of a resource whose entry is another one's, or may turn out to be; only there while that is so."""

REQUEST_LIMIT = 256
"""Characters of ``Status.last_handled_reconcile_at``."""


class Cause(StrEnum):
    """Why something was sent to Atlas."""

    FIRST_CONTACT = "FirstContact"
    """Nothing was ever confirmed for this resource."""
    EDIT = "Edit"
    """The resource was changed."""
    DRIFT = "Drift"
    """Atlas no longer shows what it had confirmed."""
    FORCED = "Forced"
    """A person asked for it."""
    RESERVATION = "Reservation"
    """The resource had no endpoint."""


class Cut:
    """Makes any text fit: at most ``limit`` characters, and no half of a surrogate pair, which no API server takes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def __call__(self, value: Any) -> Any:
        """Return a text that fits; anything else as it is."""
        if not isinstance(value, str):
            return value
        # Nearly all texts are ASCII, and ASCII knows no surrogates.
        return shorten(value if value.isascii() else value.encode(errors="replace").decode(), self.limit)


def _newest(value: Any) -> Any:
    return tuple(value)[:HISTORY_LIMIT] if isinstance(value, list | tuple) else value


def _to_the_second(value: datetime, info: ValidationInfo) -> datetime:
    if isinstance(info.context, datetime):
        value = believed(value, now=info.context)
    return value.astimezone(UTC).replace(microsecond=0)


def rfc3339(value: datetime) -> str:
    """Return a time of UTC as ``metav1.Time`` has it."""
    return f"{value:%Y-%m-%dT%H:%M:%SZ}"


Time = Annotated[AwareDatetime, AfterValidator(_to_the_second), PlainSerializer(rfc3339)]
"""UTC to the second, written as RFC 3339 with ``Z``, as ``metav1.Time`` is; with a time as the context, not later than that."""
Word = Annotated[str, BeforeValidator(Cut(64)), Field(max_length=64)]
Text = Annotated[str, BeforeValidator(Cut(1024)), Field(max_length=1024)]


def as_shown(value: Any) -> Any:
    """Give a text of Atlas as a status shows it: what does not print replaced, and cut."""
    return Cut(1024)(printable(value)) if isinstance(value, str) else value


Shown = Annotated[str, BeforeValidator(as_shown), Field(max_length=1024)]
"""Words of Atlas, or of whatever answers in its place: nothing is compared with them but what has come the same way."""


class StatusModel(BaseModel):
    """A part of a status: camelCase in the API server, snake_case here."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)

    def to_json(self) -> dict[str, Any]:
        """Return what the API server stores: wire names, no nulls, no empty lists; ``""`` is kept, it means cleared."""
        wire: dict[str, Any] = _without_empty_lists(self.model_dump(mode="json", by_alias=True, exclude_none=True))
        return wire


class ConditionEntry(StatusModel):
    """The wire form of ``engine.conditions.Condition``, whose attributes it has."""

    type: Annotated[Word, Field(min_length=1)]
    status: ConditionStatus
    reason: Annotated[Word, Field(min_length=1)]
    message: Text
    observed_generation: int = Field(ge=0)
    last_transition_time: Time


def _read_condition(value: Any, info: ValidationInfo) -> Condition:
    wire = ConditionEntry.model_validate(value, from_attributes=isinstance(value, Condition), context=info.context)
    return Condition(**dict(wire))


def _write_condition(value: Condition) -> dict[str, Any]:
    # By hand: a status is mostly conditions, and what was read or made by ``_read_condition`` needs no further check.
    return {
        "type": value.type,
        "status": value.status,
        "reason": value.reason,
        "message": value.message,
        "observedGeneration": value.observed_generation,
        "lastTransitionTime": rfc3339(value.last_transition_time),
    }


ConditionField = Annotated[Condition, BeforeValidator(_read_condition), PlainSerializer(_write_condition)]


class _ByField(StatusModel):
    """Holds values of fields of the spec, by their names, beside what it names itself."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, Text] = Field(init=False)

    @property
    def values(self) -> Mapping[str, str]:
        """The values by field."""
        return self.__pydantic_extra__


class Applied(_ByField):
    """What Atlas last confirmed of the spec; a field that was not managed is not in it.

    Attributes:
        generation: the ``metadata.generation`` whose values were confirmed.
    """

    generation: int = Field(ge=0)

    @classmethod
    def of(cls, generation: int, values: Mapping[str, str]) -> Self:
        """Write down what Atlas has confirmed for a generation."""
        return cls.model_validate({"generation": generation, **values})


class Resolved(_ByField):
    """What the last reconcile used, after all defaults, with the values that references have led to.

    Attributes:
        credentials_source: scope and name of the Secret, see ``credentials.Access``; never a value of it.
    """

    project_id: Word | None = None
    credentials_source: Annotated[str, BeforeValidator(Cut(320)), Field(max_length=320)] | None = None


class DriftItem(StatusModel):
    """One managed field that differs in Atlas; ``actual`` is None when Atlas has no value."""

    field: Word
    desired: Text | None = None
    actual: Shown | None = None


class Plan(StatusModel):
    """The request that the operator would send if it sent anything.

    Attributes:
        method: of HTTP.
        body: its fields, under Atlas's names.
        reason: why it would be sent.
    """

    method: Word
    body: dict[Word, Text] | None = None
    reason: Cause


class Creation(StatusModel):
    """Something that was, or is about to be, created in Atlas for the resource.

    Attributes:
        requested_at: when it was asked for.
        attempt: how many in a row were created and soon lost, this one included.
    """

    requested_at: Time
    attempt: int = Field(default=1, ge=1)


class LastError(StatusModel):
    """The failure that holds the resource up.

    Attributes:
        since: when this failure began, not when it was last seen.
        operation: what failed, such as ``updateServerlessPrivateEndpoint`` or ``readSecret``.
        http_status: None when there was no answer.
        fields: what Atlas refused of a change.
    """

    since: Time
    operation: Word
    http_status: int | None = None
    error_code: Annotated[str, BeforeValidator(Cut(128)), Field(max_length=128)] | None = None
    detail: Shown | None = None
    retryable: bool
    fields: Annotated[tuple[Word, ...], Field(max_length=8)] = ()


class HistoryEntry(StatusModel):
    """One change that was sent to Atlas, with what came of it."""

    time: Time
    generation: int = Field(ge=0)
    cause: Cause
    fields: Annotated[tuple[Word, ...], Field(max_length=8)] = ()
    result: Annotated[str, BeforeValidator(Cut(256)), Field(max_length=256)]


class Status(StatusModel):
    """What every kind's status holds; without anything, it is that of a resource nobody has looked at yet.

    Attributes:
        observed_generation: the ``metadata.generation`` that this status speaks about; -1 when none.
        last_handled_reconcile_at: the ``ObjectMeta.reconcile_request`` that was last acted on.
        history: the newest first.
    """

    NEVER_OBSERVED: ClassVar[int] = -1

    observed_generation: int = Field(default=NEVER_OBSERVED, ge=-1)
    conditions: Annotated[tuple[ConditionField, ...], Field(max_length=16)] = ()
    applied: Applied | None = None
    resolved: Resolved | None = None
    drift: Annotated[tuple[DriftItem, ...], Field(max_length=8)] = ()
    plan: Plan | None = None
    last_error: LastError | None = None
    last_applied_time: Time | None = None
    last_handled_reconcile_at: Annotated[str, Field(max_length=REQUEST_LIMIT)] | None = None
    history: Annotated[tuple[HistoryEntry, ...], Field(max_length=HISTORY_LIMIT), BeforeValidator(_newest)] = ()

    @property
    def is_going(self) -> bool:
        """Whether Atlas was seen deleting the entry; one that is only waited for is not."""
        return False

    @property
    def creation(self) -> Creation | None:
        """What was, or is about to be, created for the resource and is not known to be there yet."""
        return None

    @classmethod
    def parse(cls, raw: object, *, now: datetime | None = None) -> Self:
        """Read a status back, whatever is in it: another version of the operator may have written it.

        Args:
            raw: the object's ``status``, or None.
            now: wall-clock time, UTC; a later time in the status is read as this. None: times are read as they stand.

        Returns:
            What could be understood; unknown or unreadable fields and list items are left out. Never raises.
        """
        readable: Any = dict(raw) if isinstance(raw, Mapping) else {}
        # What this version has written, which is nearly all, is read at once.
        try:
            return cls.model_validate(readable, context=now)
        except ValidationError as error:
            fault = error.errors(include_url=False)[-1]["loc"]
        readable = deepcopy(readable)
        while True:
            _take_out(readable, fault)
            try:
                return cls.model_validate(readable, context=now)
            except ValidationError as error:
                fault = error.errors(include_url=False)[-1]["loc"]


def find(status: Status, type_: str) -> Condition | None:
    """Return a condition of a status by its type."""
    return next((each for each in status.conditions if each.type == type_), None)


def says(status: Status, *, reason: str, generation: int) -> bool:
    """Return whether a status gives this reason of ``Ready`` for this generation."""
    ready = find(status, "Ready")
    return status.observed_generation == generation and ready is not None and ready.reason == reason


def _take_out(raw: Any, path: Sequence[int | str]) -> None:
    """Take what cannot be read out of a status; where it is not there (which is the fault), what ought to hold it."""
    *above, last = path
    holder = raw
    try:
        for step in above:
            holder = holder[step]
        del holder[last]
    except (LookupError, TypeError):
        _take_out(raw, above)


def _without_empty_lists(value: Any) -> Any:
    """Leave empty lists out, at any depth."""
    if isinstance(value, dict):
        return {name: _without_empty_lists(each) for name, each in value.items() if each != []}
    if isinstance(value, list):
        return [_without_empty_lists(each) for each in value]
    return value
