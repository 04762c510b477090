"""Events: what is written, and that nothing is ever held up for them."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import Counter
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.aio import client

from atlas_endpoints.cluster import events
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.cluster.events import WAITING, EventRecorder
from unit.cluster.api_server import HANG, RESET, Answer, ApiServer, status_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

NOW = datetime(2026, 11, 25, 12, 0, 0, 42, tzinfo=UTC)
FORBIDDEN = Answer(
    403, status_of(403, "Forbidden", 'events is forbidden: cannot create resource "events" in the namespace "shop"')
)
TERMINATING = Answer(
    403,
    status_of(403, "Forbidden", "is being terminated", causes=[{"reason": "NamespaceTerminating", "message": "shop"}]),
)
NO_NAMESPACE = Answer(404, status_of(404, "NotFound", 'namespaces "shop" not found'))
BUSY = Answer(429, status_of(429, "TooManyRequests", "slow down"))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


class Harness:
    """A recorder that runs, its API server, and what it counts."""

    def __init__(self, server: ApiServer, api: client.ApiClient) -> None:
        self.server = server
        self.counted: Counter[str] = Counter()
        self._more = asyncio.Event()
        self.recorder = EventRecorder(api, now=lambda: NOW, counted=self.count)

    def count(self, result: str) -> None:
        """Take in what became of an Event."""
        self.counted[result] += 1
        self._more.set()

    def record(self, name: str = "db", *, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Have an Event written about a resource, one that is made for it if there is none."""
        body = body or self.server.put("shop", name)
        told: Any = {"type_": "Warning", "reason": "CredentialsInvalid", "action": "ReadSecret", "note": "No Secret."}
        self.recorder.record(body, **told)
        return body

    async def done(self, number: int = 1) -> None:
        """Wait until something has become of so many Events."""
        async with asyncio.timeout(60):
            while self.counted.total() < number:
                self._more.clear()
                await self._more.wait()

    @property
    def about(self) -> list[str]:
        """The names of the resources that Events were written about, in order."""
        return [event["regarding"]["name"] for event in self.server.events.values()]


@pytest.fixture
async def still(server: ApiServer, api: client.ApiClient) -> Harness:
    """A recorder that does not run yet."""
    return Harness(server, api)


@pytest.fixture
async def harness(still: Harness) -> AsyncIterator[Harness]:
    task = asyncio.create_task(still.recorder.run())
    yield still
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})


class TestWriting:
    async def test_an_event_has_its_resource_its_source_and_its_time(self, harness: Harness) -> None:
        body = harness.record()
        await harness.done()
        ((key, event),) = harness.server.events.items()
        assert event == {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"namespace": "shop", "name": key[1]},
            "eventTime": "2026-11-25T12:00:00.000042Z",
            "type": "Warning",
            "reason": "CredentialsInvalid",
            "action": "ReadSecret",
            "note": "No Secret.",
            "regarding": {
                "apiVersion": "atlas-endpoints.dev/v1alpha1",
                "kind": "ServerlessPrivateEndpoint",
                "namespace": "shop",
                "name": "db",
                "uid": body["metadata"]["uid"],
                "resourceVersion": body["metadata"]["resourceVersion"],
            },
            "reportingController": "atlas-endpoints.dev/operator",
            "reportingInstance": event["reportingInstance"],
        }
        assert 0 < len(event["reportingInstance"]) <= 128
        assert harness.server.requests[0].query == {"fieldManager": "atlas-endpoints"}
        assert harness.counted == {"written": 1}

    async def test_its_name_begins_with_that_of_the_resource_if_there_is_room(self, harness: Harness) -> None:
        for name in ("db", "d" * 253):
            harness.record(name)
        await harness.done(2)
        (_, short), (_, long) = harness.server.events
        assert re.fullmatch(r"db\.[0-9a-f]{16}", short)
        assert re.fullmatch(r"[0-9a-f-]{36}", long)

    async def test_events_are_written_in_order(self, harness: Harness) -> None:
        names = [f"db{number}" for number in range(20)]
        for name in names:
            harness.record(name)
        await harness.done(len(names))
        assert harness.about == names


class TestOneObject:
    """An object that fails and recovers without end has few Events, as with client-go."""

    @pytest.fixture
    def clock(self, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
        clock = SimpleNamespace(now=0.0)
        monkeypatch.setattr(events, "time", SimpleNamespace(monotonic=lambda: clock.now, time_ns=time.time_ns))
        return clock

    async def test_it_has_25_at_once_and_then_one_in_five_minutes(self, still: Harness, clock: SimpleNamespace) -> None:
        body = still.record()
        for number in range(300):
            still.record(body=body)
            assert still.counted.total() == max(0, number - 23)
        still.record("another")
        assert still.counted.total() == 276
        clock.now = 300.0
        still.record(body=body)
        still.record(body=body)
        assert still.counted.total() == 277
        clock.now = 1e6
        for _ in range(30):
            still.record(body=body)
        assert still.counted.total() == 277 + 5

    async def test_of_many_only_the_latest_are_remembered(
        self, still: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(events, "BURST", 1)
        monkeypatch.setattr(events, "OBJECTS", 2)
        bodies = [still.record(name) for name in ("a", "b", "c")]
        for body in bodies:
            still.record(body=body)
        assert still.counted.total() == 0, "each was forgotten for those after it"
        still.record(body=bodies[-1])
        assert still.counted.total() == 1


class TestWhatGoesWrong:
    async def test_more_than_can_wait_are_dropped_and_counted(self, still: Harness) -> None:
        for _ in range(WAITING + 7):
            still.record()
        assert still.counted == {"dropped": 7}

    @pytest.mark.parametrize("answer", [RESET, BUSY, Answer(500), Answer(503)], ids=lambda answer: str(answer.status))
    async def test_a_failure_costs_its_event_and_no_other(self, harness: Harness, answer: Answer) -> None:
        harness.server.answers.append(answer)
        harness.record()
        harness.record("next")
        await harness.done(2)
        assert (harness.counted, harness.about) == ({"dropped": 1, "written": 1}, ["next"])

    async def test_a_missing_right_is_logged_once_with_the_remedy_and_again_after_a_success(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        for number in (1, 2):
            harness.server.answers.extend([FORBIDDEN] * 5)
            for _ in range(6):
                harness.record()
            await harness.done(6 * number)
            assert len(warnings(caplog)) == number
        assert "403" in warnings(caplog)[0]
        assert (
            "Give the operator's ServiceAccount the verb create on events of the API group events.k8s.io."
            in (warnings(caplog)[0])
        )
        assert harness.counted == {"dropped": 10, "written": 2}

    @pytest.mark.parametrize(
        ("answer", "lines"),
        [
            pytest.param(TERMINATING, 0, id="a namespace that ends"),
            pytest.param(NO_NAMESPACE, 0, id="a namespace that is gone"),
            pytest.param(Answer(404, "404 page not found", "text/plain"), 1, id="an API server without the API"),
            pytest.param(Answer(422, status_of(422, "Invalid", "note: too long")), 1, id="an Event that is refused"),
            pytest.param(Answer(200, "<html>", "text/html"), 1, id="somebody else who answers"),
            pytest.param(Answer(403, "[" * 100_000), 1, id="an answer that cannot be read"),
        ],
    )
    async def test_a_refusal_costs_its_event_and_is_logged_if_somebody_has_to_act(
        self, harness: Harness, answer: Answer, lines: int, caplog: pytest.LogCaptureFixture
    ) -> None:
        harness.server.answers.append(answer)
        harness.record()
        harness.record("next")
        await harness.done(2)
        assert (harness.counted, harness.about) == ({"dropped": 1, "written": 1}, ["next"])
        assert len(warnings(caplog)) == lines
        assert all("the log has them, too" in line for line in warnings(caplog))

    @pytest.mark.parametrize("name", ["message_of", "call"])
    async def test_a_defect_costs_its_event_and_no_other(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        def broken(*_: object, **__: object) -> str:
            monkeypatch.undo()
            raise KeyError("broken")

        monkeypatch.setattr(events, name, broken)
        if name == "message_of":
            harness.server.answers.append(FORBIDDEN)
        harness.record()
        harness.record("next")
        await harness.done(2)
        assert (harness.counted, harness.about) == ({"dropped": 1, "written": 1}, ["next"])
        assert "KeyError" in caplog.text

    async def test_an_api_server_that_does_not_answer_delays_no_caller(
        self, harness: Harness, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(events, "WITHIN", 1.0)
        harness.server.answers.append(HANG)
        harness.record()
        assert harness.server.requests == [], "whoever records goes on before anything is sent"
        harness.record("next")
        await harness.done(2)
        assert harness.about == ["next"]

    async def test_a_replica_that_does_not_lead_writes_none(self, still: Harness) -> None:
        guarded = Connection(client.Configuration(host=still.server.url))
        still.recorder = EventRecorder(guarded.fenced(lambda: False), now=lambda: NOW, counted=still.count)
        task = asyncio.create_task(still.recorder.run())
        still.record()
        await still.done()
        task.cancel()
        await asyncio.wait({task})
        await guarded.close()
        assert still.counted == {"dropped": 1}
        assert still.server.requests == []


class TestTheEnd:
    async def test_waiting_events_are_written(self, harness: Harness) -> None:
        for _ in range(50):
            harness.record()
        await harness.recorder.close(within=60)
        assert harness.counted == {"written": 50}

    async def test_events_that_are_late_are_dropped(
        self, harness: Harness, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(events, "WITHIN", 600.0)
        caplog.set_level(logging.INFO)
        harness.server.answers.append(HANG)
        for _ in range(3):
            harness.record()
        began = time.monotonic()
        await harness.recorder.close(within=0.2)
        assert time.monotonic() - began < 60
        assert harness.counted == {"dropped": 2}  # the third is under way, and ends with the process
        assert "Stopping: 2 Events are dropped" in caplog.text

    async def test_without_events_close_returns_at_once(self, harness: Harness) -> None:
        began = time.monotonic()
        await harness.recorder.close(within=90)
        assert time.monotonic() - began < 60
