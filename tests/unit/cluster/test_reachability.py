"""What people are told of an API server that does not answer: its going and its coming back, and no more."""

import logging

import pytest

from atlas_endpoints.cluster.reachability import NOTICED, Reachability, kind_of


class Harness:
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
def harness() -> Harness:
    return Harness()


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in caplog.records]


def test_an_outage_is_logged_at_its_beginning_and_its_end(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            harness.fail_for(300)
            harness.reachability.answered()
            harness.reachability.answered()
    assert told(caplog) == 2 * [
        (
            "WARNING",
            "The API server has not answered for 3 s (ClientConnectorError); the operator retries all calls",
        ),
        ("INFO", "The API server answers again, after 301 s"),
    ]
    assert len(harness.returns) == 2


def test_a_short_outage_is_not_logged(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        for _ in range(100):
            harness.fail_for(NOTICED - 1)
            harness.reachability.answered()
    assert told(caplog) == []
    assert harness.returns == []


@pytest.mark.parametrize(
    ("method", "path", "watch", "kind"),
    [
        ("GET", "/apis/g.dev/v1/things", False, "LIST things"),
        ("GET", "/apis/g.dev/v1/namespaces/shop/things", True, "WATCH things"),
        ("GET", "/apis/g.dev/v1/namespaces/shop/things/db", False, "GET things"),
        ("PATCH", "/apis/g.dev/v1/namespaces/shop/things/db/status", False, "PATCH things/status"),
        ("GET", "/api/v1/namespaces/shop/secrets/key", False, "GET secrets"),
        ("GET", "/api/v1/namespaces", True, "WATCH namespaces"),
        ("PATCH", "/k8s/clusters/c-1/apis/g.dev/v1/namespaces/shop/things/db/status", False, "PATCH things/status"),
        ("GET", "/api/v1/namespaces/api/secrets/apis", False, "GET secrets"),
        ("GET", "/apis", False, "GET apis"),
        ("GET", "/version", False, "GET version"),
        ("GET", "/apis/g.dev/v1", False, "GET"),
    ],
    ids=str,
)
def test_a_kind_of_call_has_a_name(method: str, path: str, watch: bool, kind: str) -> None:
    assert kind_of(method, path, watch=watch) == kind
