"""What each status of an entry in Atlas means, declared: a table instead of a ``match`` in each kind. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from atlas_endpoints.reconcile.reasons import ReadyReason, Reason


@dataclass(frozen=True, slots=True)
class Works:
    """It works; what is said besides is compared."""


@dataclass(frozen=True, slots=True)
class Waits:
    """Atlas is to leave it by itself.

    Attributes:
        message: with ``{what}``, such as "endpoint vpce-0", ``{said}``, Atlas's own message, and ``{doubt}``, what is probably wrong,
            as a sentence after a blank.
        is_step: whether it is a step on the way of a new entry: the steps of one way count together.
        is_replaced: whether Atlas may make another entry in its place.
    """

    message: str
    reason: ReadyReason = Reason.INITIATING
    is_step: bool = True
    is_replaced: bool = False


@dataclass(frozen=True, slots=True)
class Dead:
    """Atlas makes nothing of it any more; ``check`` is what to check, as a sentence after a blank."""

    check: str = ""


@dataclass(frozen=True, slots=True)
class Going:
    """Atlas is deleting it."""


Meaning: TypeAlias = Works | Waits | Dead | Going
States: TypeAlias = Mapping[str, Meaning]
"""The meaning of each known status, by Atlas's word; "": Atlas shows none."""


def no_steps(states: States) -> frozenset[str]:
    """Return the statuses that are no step on the way of an entry."""
    return frozenset(word for word, each in states.items() if not (isinstance(each, Waits) and each.is_step))


def words_for(states: States, *meanings: type[Meaning]) -> frozenset[str]:
    """Return the statuses that have one of the meanings."""
    return frozenset(word for word, each in states.items() if isinstance(each, meanings))
