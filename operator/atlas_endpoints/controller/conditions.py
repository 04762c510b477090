"""Conditions as the Kubernetes API conventions, kstatus and Flux define them.

Sources: sig-architecture/api-conventions.md, "Typical status properties"; ``sigs.k8s.io/cli-utils/pkg/kstatus``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

ConditionStatus: TypeAlias = Literal["True", "False", "Unknown"]

MESSAGE_LIMIT = 1024
"""Characters: longer messages are cut, since people read conditions in a terminal."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One ``metav1.Condition``.

    Attributes:
        type: in PascalCase, such as ``Ready``.
        reason: one PascalCase word that programs may branch on.
        message: a sentence for people.
        last_transition_time: of ``status`` (not of reason or message), in UTC.
    """

    type: str
    status: ConditionStatus
    reason: str
    message: str
    observed_generation: int
    last_transition_time: datetime


def condition(
    type_: str, *, status: ConditionStatus, reason: str, message: str, generation: int, now: datetime
) -> Condition:
    """Return a condition that changed now; ``merge`` restores the older time of an equal status."""
    return Condition(
        type=type_,
        status=status,
        reason=reason,
        message=shorten(printable(message), MESSAGE_LIMIT),
        observed_generation=generation,
        last_transition_time=now,
    )


def merge(previous: Iterable[Condition], wanted: Sequence[Condition]) -> tuple[Condition, ...]:
    """Return the wanted conditions in their order, each with the transition time of its status.

    Other previous conditions go: ``Reconciling`` and ``Stalled`` must only be present while they are true.
    """
    before: Mapping[str, Condition] = {each.type: each for each in previous}
    return tuple(
        replace(each, last_transition_time=before[each.type].last_transition_time)
        if each.type in before and before[each.type].status == each.status
        else each
        for each in wanted
    )


def shorten(text: str, limit: int) -> str:
    """Return at most ``limit`` characters of a text; an ellipsis marks a cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def printable(text: str) -> str:
    """Return a text from outside without characters that can harm its reader.

    White space of all kinds, line separators included, becomes spaces. Other unprintable characters become U+FFFD: control characters
    (also in terminal escapes), bidirectional overrides and lone surrogates.
    """
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    return " " if char.isspace() else "\ufffd"
