"""Conditions as the Kubernetes API conventions, kstatus and Flux want them.

Sources: sig-architecture/api-conventions.md, "Typical status properties"; ``sigs.k8s.io/cli-utils/pkg/kstatus``.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, TypeAlias

ConditionStatus: TypeAlias = Literal["True", "False", "Unknown"]

MESSAGE_LIMIT = 1024
"""Characters: longer messages are cut, since a condition is read by people in a terminal."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One ``metav1.Condition``.

    Attributes:
        type: PascalCase name of what is told, for example ``Ready``.
        status: ``True``, ``False`` or ``Unknown``.
        reason: one PascalCase word that programs may branch on.
        message: a sentence for people.
        observed_generation: the ``metadata.generation`` that this condition speaks about.
        last_transition_time: when ``status`` (not reason, not message) changed last, in UTC.
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
    """Make a condition as if it had just changed; ``merge`` keeps the older time where its status did not."""
    return Condition(
        type=type_,
        status=status,
        reason=reason,
        message=shorten(printable(message), MESSAGE_LIMIT),
        observed_generation=generation,
        last_transition_time=now,
    )


def merge(previous: Iterable[Condition], wanted: Sequence[Condition]) -> tuple[Condition, ...]:
    """Give each wanted condition the transition time it deserves.

    A condition of the previous set that is not wanted any more is gone: ``Reconciling`` and ``Stalled`` must only be
    present while they are true.

    Args:
        previous: the conditions as they were written before.
        wanted: the conditions as they are now, in the order in which people shall read them.
    """
    before: Mapping[str, Condition] = {each.type: each for each in previous}
    return tuple(
        replace(each, last_transition_time=before[each.type].last_transition_time)
        if each.type in before and before[each.type].status == each.status
        else each
        for each in wanted
    )


def shorten(text: str, limit: int) -> str:
    """Cut a text to at most ``limit`` characters, showing with an ellipsis that it was cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def printable(text: str) -> str:
    """Make text from outside harmless for whoever shows it, character by character.

    White space of all kinds, line separators included, becomes spaces; what else does not print becomes U+FFFD: control
    characters, and with them terminal escapes, bidirectional overrides and lone surrogates.
    """
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(char: str) -> str:
    if char.isprintable():
        return char
    return " " if char.isspace() else "\ufffd"
