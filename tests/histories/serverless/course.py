"""What people and Atlas do in a history of serverless private endpoints.

People edit, connect, suspend, delete and create anew; Atlas expires and fails endpoints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from typing_extensions import override

from histories.course import Course, Setup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from histories.serverless.judge import Held

NAMES = ("one", "two", "three")
VPCES = ("vpce-11111111111111111", "vpce-22222222222222222")


class ServerlessSetup(Setup, Protocol):
    """A setup with an Atlas of serverless endpoints."""

    def endpoints(self) -> Mapping[str, Held]:
        """Give what Atlas holds."""
        ...

    def put(self, endpoint_id: str, **fields: Any) -> None:
        """Put, change or remove an endpoint as a person in the Atlas UI would."""


class ServerlessCourse(Course):
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
        setup: ServerlessSetup,
        *,
        place: Mapping[str, Any],
        named: Sequence[str],
        foreign: str,
        longest: float = 60.0,
    ) -> None:
        super().__init__(random, setup, longest=longest)
        self._stage = setup
        self._place = place
        self._named = named
        self._foreign = foreign

    @override
    def people(self) -> list[Callable[[], None]]:
        if not self._names:
            return [self._create]
        people = [self._create, self._edit, self._edit, self._connect]
        return [*people, self._policy, self._delete, self._suspend, self._force]

    @override
    def atlas(self) -> list[Callable[[], None]]:
        return [self._expires, self._meddles, self._fails]

    # People.

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
