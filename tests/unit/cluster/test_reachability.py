"""What people are told of an API server that does not answer: its going and its coming back, and no more."""

import logging

import pytest

from atlas_endpoints.cluster.reachability import NOTICED, Reachability


class World:
    def __init__(self) -> None:
        self.now = 100.0
        self.returns: list[float] = []
        self.reachability = Reachability(lambda: self.now)
        self.reachability.returned = lambda: self.returns.append(self.now)

    def fail_for(self, seconds: float) -> None:
        """Fail once a second."""
        for _ in range(int(seconds) + 1):
            self.reachability.failed("ClientConnectorError")
            self.now += 1


@pytest.fixture
def world() -> World:
    return World()


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_an_outage_is_told_when_it_begins_and_when_it_ends(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            world.fail_for(300)
            world.reachability.answered()
            world.reachability.answered()
    assert told(caplog) == 2 * [
        (
            "WARNING",
            "The API server has not answered for 3 s (ClientConnectorError); everything is tried again until it does",
        ),
        ("INFO", "The API server answers again, after 301 s"),
    ]
    assert len(world.returns) == 2


def test_what_is_over_soon_is_not_worth_a_line(world: World, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(100):
            world.fail_for(NOTICED - 1)
            world.reachability.answered()
    assert told(caplog) == []
    assert world.returns == []
