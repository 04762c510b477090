"""What happens in a random history: what people, Atlas and bad luck do next, and when; the setup has it happen.

People edit, connect, suspend, delete and create anew; Atlas expires and fails endpoints; calls are lost or late; the operator
is killed at any instant.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from histories.judge import Held

EVENTS = 25
NAMES = ("one", "two", "three")
VPCES = ("vpce-11111111111111111", "vpce-22222222222222222")


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

    def endpoints(self) -> Mapping[str, Held]:
        """Give what Atlas holds."""
        ...

    def put(self, endpoint_id: str, **fields: Any) -> None:
        """Put, change or remove an endpoint as a person in the Atlas UI would."""

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


class Course:
    """The course of one history.

    Args:
        random: decides everything that happens.
        setup: has it happen.
        place: the fields of each spec that say where its endpoint is.
        named: endpoints that resources may name.
        foreign: an endpoint that none of them names.
        longest: seconds for which a misfortune may last.
    """

    def __init__(  # each is a fact of its own
        self,
        random: Random,
        setup: Setup,
        *,
        place: Mapping[str, Any],
        named: Sequence[str],
        foreign: str,
        longest: float = 60.0,
    ) -> None:
        self._random = random
        self._stage = setup
        self._place = place
        self._named = named
        self._foreign = foreign
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
        self._names = self._stage.names()  # once: on a real control plane one may be gone before it is asked for again
        event = self._random.choice(self._possible())
        event()
        return event.__name__.strip("_")

    def _possible(self) -> list[Callable[[], None]]:
        people = [self._create]
        if self._names:
            people += [self._edit, self._edit, self._connect, self._policy, self._delete, self._suspend, self._force]
        misfortunes = [
            self._crash,
            self._crash_at_a_write,
            self._crash_at_a_write,
            self._loses_answers,
            self._api_is_away,
            self._atlas_is_away,
        ]
        misfortunes += [self._lists_lag, self._loses_events]
        atlas = [self._expires, self._meddles, self._fails]
        return self._random.choice([people, people, misfortunes, atlas])

    # People.

    def _name(self) -> str:
        return self._random.choice(self._names)

    def _create(self) -> None:
        free = [each for each in NAMES if each not in self._names]
        if not free:
            return
        name = self._random.choice(free)
        named = self._random.choice([None, None, *self._named])
        self._stage.apply(
            name,
            {
                **self._place,
                "endpointId": named,
                "comment": self._random.choice([None, "", "first"]),
                "cloudProviderEndpointId": self._random.choice([None, VPCES[0]]),
                "deletionPolicy": self._random.choice([None, "Retain", "Delete"]),
            },
        )

    def _edit(self) -> None:
        self._stage.edit(self._name(), comment=self._random.choice([None, "", "second", "third"]))

    def _connect(self) -> None:
        self._stage.edit(self._name(), cloudProviderEndpointId=VPCES[0])

    def _policy(self) -> None:
        self._stage.edit(self._name(), deletionPolicy=self._random.choice([None, "Retain", "Delete"]))

    def _suspend(self) -> None:
        self._stage.edit(self._name(), suspend=self._random.choice([None, True]))

    def _force(self) -> None:
        self._stage.annotate(self._name(), force_sync=str(self._random.random()))

    def _delete(self) -> None:
        self._stage.delete(self._name())

    # Bad luck.

    def _crash(self) -> None:
        self._stage.crash()

    def _crash_at_a_write(self) -> None:
        """One of the next writes is the last thing that the process does, whether or not its answer would have come."""
        self._stage.crash_at_a_write(self._side(), self._random.randint(1, 3))

    def _loses_answers(self) -> None:
        self._stage.loses_answers(self._side(), self._a_while())

    def _loses_events(self) -> None:
        self._stage.loses_events(self._a_while())

    def _api_is_away(self) -> None:
        self._stage.is_away(Side.API_SERVER, self._a_while())

    def _atlas_is_away(self) -> None:
        self._stage.is_away(Side.ATLAS, self._a_while())

    def _lists_lag(self) -> None:
        self._stage.lists_lag(self._random.choice([0.0, 3.0, 20.0]))

    def _side(self) -> Side:
        return self._random.choice(list(Side))

    def _a_while(self) -> float:
        return self._random.uniform(1.0, self._longest)

    # Atlas.

    def _endpoint(self) -> tuple[str, Held] | None:
        there = {each: held for each, held in self._stage.endpoints().items() if each != self._foreign}
        return self._random.choice(sorted(there.items())) if there else None

    def _expires(self) -> None:
        if (found := self._endpoint()) is not None and found[0] not in self._named:
            self._stage.put(found[0], remove=True)

    def _meddles(self) -> None:
        if (found := self._endpoint()) is not None:
            endpoint, held = found
            if held.comment.startswith("atlas-endpoints.dev/"):
                return  # whoever takes the mark away makes the endpoint a stranger's
            self._stage.put(endpoint, comment="by hand")

    def _fails(self) -> None:
        if (found := self._endpoint()) is not None and found[1].status == "AVAILABLE":
            self._stage.put(found[0], status="FAILED", errorMessage="It broke.")
