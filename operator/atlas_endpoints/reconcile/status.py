"""The fields that every status has, as frozen models. Pure.

The limits are those of the CRDs: a text that is too long is cut when the model is created, so that every status can
be written, and is equal when it is read back. A kind adds fields in a subclass of ``Status``. The docstring below a field is its
description in the CRD.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
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
from atlas_endpoints.reconcile.crd import INT32, INT64, map_by
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
Generation = Annotated[int, Field(ge=0, json_schema_extra=INT64)]


def as_shown(value: Any) -> Any:
    """Return a text of Atlas as in a status: cut, and without unprintable characters."""
    return _fit(value if not isinstance(value, str) or value.isprintable() else printable(value), 1024)


Shown = Annotated[str, Field(max_length=1024), BeforeValidator(as_shown)]
"""A text of Atlas; compare it only with another one that ``as_shown`` returned."""


class StatusModel(BaseModel):
    """A part of a status: camelCase in the API server, snake_case here."""

    words: ClassVar[Mapping[str, str]] = {}
    """See ``AsWritten.words``."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, validate_by_name=True, validate_by_alias=True)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON for the API server: wire names, no nulls, no empty lists; ``""`` is kept, it means cleared."""
        wire: dict[str, Any] = _without_empty_lists(self.model_dump(mode="json", by_alias=True, exclude_none=True))
        return wire


class Condition(StatusModel):
    """One aspect of the resource's state."""

    # A metav1.Condition. Sources: sig-architecture/api-conventions.md, "Typical status properties"; kstatus in
    # sigs.k8s.io/cli-utils/pkg/kstatus.

    type: Name
    """The aspect, such as Ready."""
    status: ConditionStatus
    """True, False or Unknown."""
    reason: Name
    """The reason, as one CamelCase word for programs."""
    message: Text
    """The explanation for people, with the remedy."""
    observed_generation: Generation
    """The `metadata.generation` that this condition describes."""
    last_transition_time: Time
    """When `status` of this condition last changed."""


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
    """What Atlas last confirmed of the spec, without fields that were not managed."""

    generation: Generation
    """The `metadata.generation` whose values Atlas confirmed."""

    @classmethod
    def of(cls, generation: int, values: Mapping[str, str]) -> Self:
        return cls.model_validate({"generation": generation, **values})


class Resolved(_ByField):
    """The values that the operator used in its last reconcile, after all defaults."""

    project_id: Word | None = None
    """The Atlas project; with `spec.projectRef`, the project to which the reference resolved."""
    credentials_source: Annotated[str, Field(max_length=320), _cut(320)] | None = None
    """The source of the credentials: `resource/<name>` for the Secret that the resource names, `namespace/<name>` for the
    Secret that the namespace names, or `operator/<name>` for the operator's own Secret."""

    @classmethod
    def of(cls, project_id: str | None, source: str | None, values: Mapping[str, str | None]) -> Self:
        used = {name: value for name, value in values.items() if value is not None}
        return cls.model_validate({"project_id": project_id, "credentials_source": source, **used})


class DriftItem(StatusModel):
    """One field that differs."""

    field: Word
    """The name of the field in the spec."""
    desired: Text | None = None
    """The value in the spec."""
    actual: Shown | None = None
    """The value in Atlas; absent when Atlas has no value."""


class Plan(StatusModel):
    """The request that the operator would send if writes were permitted."""

    method: Word
    """The HTTP method: {methods}."""
    body: dict[Word, Text] | None = None
    """The body of the request{body_names}. The request does not contain a field that is absent."""
    reason: Cause
    """The reason for the request: FirstContact (the resource is new), Edit (the spec changed), Drift ({differs}), Forced (the
    annotation force-sync requests it), Reservation ({reserves})."""


class ShownEntry(StatusModel):
    """What a status shows of an entry in Atlas's words; None: Atlas sent null or nothing."""

    id: Shown | None
    status: Shown | None = None
    """The {thing}'s state: {states}, or a state that Atlas has added since."""
    status_since: Time | None = None
    """When the operator first observed the {thing} in this state{on_its_way}; see `spec.provisioningTimeout`."""
    error_message: Shown | None = None
    """The error message from Atlas{error_message}."""


class Creation(StatusModel):
    """Something that was, or is about to be, created in Atlas for the resource."""

    requested_at: Time
    """When the operator requested the {created}."""
    attempt: int = Field(default=1, ge=1)
    """Always 1."""


class LastError(StatusModel):
    """The failure that blocks the resource."""

    since: Time
    """When this failure began."""
    operation: Word
    """The failed operation: an operation of the Atlas Admin API, such as {operation}, or a step of the operator, such as
    readSecret."""
    http_status: Annotated[int, Field(json_schema_extra=INT32)] | None = None
    """The HTTP status of Atlas's answer; absent when Atlas did not answer."""
    error_code: Annotated[str, Field(max_length=128), _cut(128)] | None = None
    """Atlas's error code, such as IP_ADDRESS_NOT_ON_ACCESS_LIST."""
    detail: Shown | None = None
    """Atlas's explanation, or what happened to the call."""
    retryable: bool
    """True when a retry can succeed; false when somebody must change something first."""
    fields: Annotated[tuple[Word, ...], Field(max_length=8)] = ()
    """The fields that Atlas refused. {sent_without_refused}

    The name of a field in the spec."""


class HistoryEntry(StatusModel):
    """One change."""

    time: Time
    """When Atlas answered."""
    generation: Generation
    """The `metadata.generation` that the operator sent."""
    cause: Cause
    """The cause: FirstContact (the resource was new), Edit (the spec changed), Drift ({differed}), Forced (the annotation
    force-sync requested it), Reservation ({reserved})."""
    fields: Annotated[tuple[Word, ...], Field(max_length=8)] = ()
    """The fields that the operator sent.

    The name of a field in the spec{or_thing}."""
    result: Annotated[str, Field(max_length=256), _cut(256)]
    """The result: `Applied`; `Rejected: ` with Atlas's error code (or HTTP status); or `Unknown: ` with a reason, when the
    answer was lost and Atlas may have applied the change."""


class Status(StatusModel):
    """The fields that every status has; the default is that of a resource that was never reconciled."""

    NEVER_OBSERVED: ClassVar[int] = -1

    shown_as: ClassVar[str] = "endpoint"
    """The field that shows the entry."""
    going: ClassVar[Collection[str]] = ("DELETING",)
    """The statuses of an entry that Atlas deletes."""

    observed_generation: Annotated[int, Field(ge=-1, json_schema_extra=INT64)] = NEVER_OBSERVED
    """The `metadata.generation` that this status describes; -1 until the operator has observed the resource."""
    conditions: Annotated[tuple[Condition, ...], Field(max_length=16, json_schema_extra=map_by("type"))] = ()
    """Ready ({ready}), {own_conditions}Synced ({synced}), CredentialsValid, Contended (if another resource names the same
    {contended}), ReferencesResolved (if the spec refers to other objects), OutputsWritten (if the spec names {config_maps} to
    write), Deprecated (Atlas has announced or reached the end of this API), Reconciling and Stalled. Reconciling and Stalled
    exist only while they are True. Wait with `kubectl wait --for=condition=Ready`."""
    applied: Applied | None = None
    """The values of your spec that Atlas last confirmed. If the spec differs from them, this is an edit, which the operator
    sends with any `driftPolicy`. If the spec equals them and Atlas shows other values{or_nothing}, this is drift, and
    `driftPolicy` decides. {not_applied}"""
    resolved: Resolved | None = None
    """The values that the operator used in its last reconcile, after all defaults."""
    drift: Annotated[tuple[DriftItem, ...], Field(max_length=8, json_schema_extra=map_by("field"))] = ()
    """The managed fields that differ in Atlas; absent when no field differs."""
    plan: Plan | None = None
    """The request that the operator would send now, but does not send because it may not write to Atlas; absent otherwise.
    {plan_for}"""
    last_error: LastError | None = None
    """The failure that blocks the resource; absent when the last reconcile succeeded. The operator's metrics and log show how
    often and when it retries."""
    last_applied_time: Time | None = None
    """When Atlas last accepted a change from the operator."""
    not_ready_since: Time | None = None
    """Since when it is not Ready, for this spec and since the last accepted change."""
    last_handled_reconcile_at: Annotated[str, Field(max_length=REQUEST_LIMIT)] | None = None
    """The last value of the annotation `atlas-endpoints.dev/force-sync` or `reconcile.fluxcd.io/requestedAt` that the operator
    handled. If both are set, it is a JSON list of both values. If this is too long, it is a digest."""
    history: Annotated[tuple[HistoryEntry, ...], Field(max_length=HISTORY_LIMIT), BeforeValidator(_newest)] = ()
    """The last changes that the operator sent to Atlas, newest first, at most five."""

    @property
    def shown(self) -> ShownEntry | None:
        """What it shows of the entry."""
        found: ShownEntry | None = getattr(self, self.shown_as, None)
        return found

    @property
    def is_being_deleted(self) -> bool:
        """Whether Atlas was asked to delete the entry, or was seen deleting it."""
        return self.shown is not None and self.shown.status in self.going

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
