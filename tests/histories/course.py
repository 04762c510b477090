"""What happens in a random history: what people, Atlas and bad luck do next, and when; the setup has it happen.

Calls are lost or late; the operator is killed at any instant. What people and Atlas do depends on the kind of resource.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

EVENTS = 25


class Side(Enum):
    """Whom the operator talks to."""

    ATLAS = auto()
    API_SERVER = auto()


class Setup(Protocol):
    """Where a history is played: in this process and in no time, or on a real control plane."""

    def names(self) -> list[str]:
        """Give the names of the resources that are there, also of those that are being deleted."""
        ...

    def apply(self, name: str, spec: Mapping[str, Any]) -> None:
        """Create a resource; a field that is ``None`` is left out."""

    def edit(self, name: str, **fields: Any) -> None:
        """Change fields of a spec; ``None`` removes one."""

    def annotate(self, name: str, **annotations: str) -> None:
        """Set annotations of ours, named with underscores."""

    def delete(self, name: str) -> None:
        """Delete a resource."""

    def crash(self) -> None:
        """Kill the operator, and start it anew."""

    def crash_at_a_write(self, side: Side, number: int) -> None:
        """Have the write of this number from now on be the last thing that the operator does before it is killed."""

    def loses_answers(self, side: Side, seconds: float) -> None:
        """Lose half of the calls, or their answers, for a while."""

    def loses_events(self, seconds: float) -> None:
        """Have the watch not tell of everything for a while."""

    def is_away(self, side: Side, seconds: float) -> None:
        """Have no call arrive for a while."""

    def lists_lag(self, seconds: float) -> None:
        """Have LIST of Atlas show everything so many seconds later from now on."""


class Course(ABC):
    """The course of one history.

    Args:
        random: decides everything that happens.
        setup: has it happen.
        longest: seconds for which a misfortune may last.
    """

    def __init__(self, random: Random, setup: Setup, *, longest: float = 60.0) -> None:
        self._random = random
        self._setup = setup
        self._longest = longest
        self._names: list[str] = []

    def times(self, lengths: Sequence[float]) -> list[float]:
        """Tell when something happens, in seconds from the beginning, in order.

        Args:
            lengths: seconds that a history may last, one of which is chosen: some are dense, some are long.
        """
        length = self._random.choice(lengths)
        return sorted(self._random.uniform(0.0, length) for _ in range(EVENTS))

    def go_on(self) -> str:
        """Have something happen; say what."""
        self._names = self._setup.names()  # once: on a real control plane one may be gone before it is asked for again
        event = self._random.choice(self._possible())
        event()
        return event.__name__.strip("_")

    @abstractmethod
    def people(self) -> list[Callable[[], None]]:
        """Give what people may do with resources now."""

    @abstractmethod
    def atlas(self) -> list[Callable[[], None]]:
        """Give what may happen in Atlas."""

    def _possible(self) -> list[Callable[[], None]]:
        people = self.people()
        misfortunes = [
            self._crash,
            self._crash_at_a_write,
            self._crash_at_a_write,
            self._loses_answers,
            self._api_is_away,
            self._atlas_is_away,
        ]
        misfortunes += [self._lists_lag, self._loses_events]
        return self._random.choice([people, people, misfortunes, self.atlas()])

    # People.

    def _name(self) -> str:
        return self._random.choice(self._names)

    def _suspend(self) -> None:
        self._setup.edit(self._name(), suspend=self._random.choice([None, True]))

    def _policy(self) -> None:
        self._setup.edit(self._name(), deletionPolicy=self._random.choice([None, "Retain", "Delete"]))

    def _force(self) -> None:
        self._setup.annotate(self._name(), force_sync=str(self._random.random()))

    def _delete(self) -> None:
        self._setup.delete(self._name())

    # Bad luck.

    def _crash(self) -> None:
        self._setup.crash()

    def _crash_at_a_write(self) -> None:
        """One of the next writes is the last thing that the process does, whether or not its answer would have come."""
        self._setup.crash_at_a_write(self._side(), self._random.randint(1, 3))

    def _loses_answers(self) -> None:
        self._setup.loses_answers(self._side(), self._a_while())

    def _loses_events(self) -> None:
        self._setup.loses_events(self._a_while())

    def _api_is_away(self) -> None:
        self._setup.is_away(Side.API_SERVER, self._a_while())

    def _atlas_is_away(self) -> None:
        self._setup.is_away(Side.ATLAS, self._a_while())

    def _lists_lag(self) -> None:
        self._setup.lists_lag(self._random.choice([0.0, 3.0, 20.0]))

    def _side(self) -> Side:
        return self._random.choice(list(Side))

    def _a_while(self) -> float:
        return self._random.uniform(1.0, self._longest)
