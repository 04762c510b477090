"""The operations over shared observations: what each call sends, and what its end means for what is remembered."""

import asyncio
import logging
import math
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from atlas_endpoints.atlas.answers import Answer, Deprecation
from atlas_endpoints.atlas.credentials import ApiKey, Credentials, ServiceAccount
from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasHeldError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    EndpointAbsentError,
    NotLeaderError,
    UpdateRejectedError,
)
from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.serverless_instances import PrivateConnection
from atlas_endpoints.atlas.snapshots import DOUBT, Instance
from atlas_endpoints.atlas.throttle import Throttle
from atlas_endpoints.atlas.throttled_client import ThrottledClient

PROJECT = "5f7cac1adf5d6c6306f4b283"
ENDPOINT = "6f7cac1adf5d6c6306f4b283"
ENDPOINTS = f"/api/atlas/v2/groups/{PROJECT}/privateEndpoint/serverless/instance/orders/endpoint"
INSTANCE = f"/api/atlas/v2/groups/{PROJECT}/serverless/orders"
SRV = "mongodb+srv://orders-pe-0.abcde.mongodb.net"
ALICE, BOB = ServiceAccount("mdb_sa_id_alice", "secret-1"), ApiKey("abcdefgh", "secret-2")


@dataclass
class Atlas:
    """Holds one endpoint; answers when it is let, and fails when it is told to."""

    base_url: str = "https://cloud.mongodb.com"
    comment: str = "one"
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    credentials: list[Credentials] = field(default_factory=list)
    document: Any = None
    """The instance."""
    unusable: int = 0
    """Number of items in a LIST that have no id."""
    failure: AtlasError | None = None
    deprecation: Deprecation | None = None
    held_back: dict[str, asyncio.Event] = field(default_factory=dict)
    """By method: what its answers wait for; they tell what was true when they were asked."""

    def hold_back(self, method: str) -> asyncio.Event:
        """Answer this method only when the event that is given is set."""
        self.held_back[method] = asyncio.Event()
        return self.held_back[method]

    async def request(
        self, credentials: Credentials, method: str, path: str, *, operation: str, json: object = None
    ) -> Answer:
        self.calls.append((method, path, json))
        self.credentials.append(credentials)
        comment = self.comment
        if method in self.held_back:
            await self.held_back[method].wait()
        if self.failure is not None:
            raise self.failure
        if isinstance(json, dict):
            self.comment = comment = json["comment"]
        if path == INSTANCE:
            return Answer(200, self.document)
        endpoint = {"_id": ENDPOINT, "status": "AVAILABLE", "comment": comment}
        return Answer(200, [endpoint, *[{}] * self.unusable] if path == ENDPOINTS else endpoint, self.deprecation)


class Harness:
    def __init__(self) -> None:
        self.now = 100.0
        self.atlas = Atlas()
        self.dropped: list[Credentials] = []
        client = ThrottledClient(self.atlas, Throttle(), clock=lambda: self.now)
        self.gateway = Gateway(client, lambda: self.now, dropped=self.dropped.append)
        self.instance = self.of(ALICE)

    def of(self, credentials: Credentials) -> Instance:
        return Instance(self.gateway.introduce(credentials), PROJECT, "orders")

    def recall(self) -> str | None:
        known = self.gateway.recall(self.instance, ENDPOINT, max_age=600.0)
        return known.comment if known else None

    async def observed(self) -> None:
        await self.gateway.observe(self.instance, ENDPOINT, max_age=0.0)
        self.atlas.calls.clear()

    async def update(self, comment: str = "two") -> str | None:
        answer = await self.gateway.update(self.instance, ENDPOINT, provider_name="AWS", fields={"comment": comment})
        return answer.comment


@pytest.fixture
def harness() -> Harness:
    return Harness()


class TestCredentials:
    async def test_each_call_is_made_with_what_the_instance_names(self, harness: Harness) -> None:
        for credentials in (ALICE, BOB):
            await harness.gateway.observe(harness.of(credentials), ENDPOINT, max_age=0.0)
        assert harness.atlas.credentials == [ALICE, BOB]

    def test_the_same_have_the_same_name(self, harness: Harness) -> None:
        assert harness.of(ALICE) == harness.of(ServiceAccount(ALICE.client_id, ALICE.client_secret))
        assert harness.of(ALICE) != harness.of(ServiceAccount(ALICE.client_id, "rotated"))

    async def test_those_that_nobody_uses_any_more_are_dropped_with_all_that_was_seen(self, harness: Harness) -> None:
        harness.gateway.use("resource", harness.instance.credentials)
        await harness.observed()
        other = harness.of(BOB)
        harness.gateway.use("resource", other.credentials)
        assert harness.dropped == [ALICE]
        assert harness.recall() is None
        with pytest.raises(KeyError, match=harness.instance.credentials):
            await harness.gateway.get(harness.instance, ENDPOINT)
        await harness.gateway.get(other, ENDPOINT)

    async def test_those_that_are_worked_with_are_kept_as_long(self, harness: Harness) -> None:
        """The work that has begun since cannot have them."""
        harness.gateway.use("resource", harness.instance.credentials)
        with ExitStack() as later:
            with harness.gateway.work():
                harness.gateway.release("resource")
                with harness.gateway.work():
                    pass
                later.enter_context(harness.gateway.work())
                await harness.gateway.get(harness.instance, ENDPOINT)
            with pytest.raises(KeyError):
                await harness.gateway.get(harness.instance, ENDPOINT)

    async def test_those_that_were_read_and_never_used_end_with_the_work(self, harness: Harness) -> None:
        with harness.gateway.work():
            instance = harness.of(BOB)
            await harness.gateway.get(instance, ENDPOINT)
        with pytest.raises(KeyError):
            await harness.gateway.get(instance, ENDPOINT)


def shown(*items: Any) -> Any:
    """An instance, with what it has in the place of private connection strings."""
    public = {"standardSrv": "mongodb+srv://orders.abcde.mongodb.net"}
    return {"name": "orders", "connectionStrings": {**public, "privateEndpoint": list(items)}}


def private(srv: Any = SRV, **endpoint: Any) -> Any:
    return {"srvConnectionString": srv, "type": "MONGOS", "endpoints": [endpoint]}


class TestConnections:
    @pytest.mark.parametrize(
        ("document", "expected"),
        [
            pytest.param(shown(), [], id="none"),
            pytest.param({"name": "orders", "connectionStrings": None}, [], id="an instance that is being made"),
            pytest.param(
                shown(private(endpointId="vpce-1", providerName="AWS", region="US_EAST_1")),
                [PrivateConnection(SRV, "US_EAST_1", frozenset({"vpce-1"}))],
                id="one",
            ),
            pytest.param(
                shown(private(endpointId="vpce-1", region=None)),
                [PrivateConnection(SRV, None, frozenset({"vpce-1"}))],
                id="one whose region is not told",
            ),
            pytest.param(
                shown(None, "x", {}, private(None), private("mongodb+srv://user:secret@host"), private("http://host")),
                [],
                id="what is no connection string, or holds credentials",
            ),
            pytest.param(
                shown({"srvConnectionString": SRV, "endpoints": [None, {"endpointId": 7}]}),
                [PrivateConnection(SRV, None, frozenset())],
                id="of no endpoint",
            ),
        ],
    )
    async def test_what_atlas_shows(self, harness: Harness, document: Any, expected: list[PrivateConnection]) -> None:
        harness.atlas.document = document
        assert list(await harness.gateway.connections(harness.instance, max_age=0.0)) == expected

    @pytest.mark.parametrize("document", [None, [], {}, {"name": "other"}])
    async def test_an_answer_that_is_not_the_instance(self, harness: Harness, document: Any) -> None:
        harness.atlas.document = document
        with pytest.raises(AtlasUnavailableError):
            await harness.gateway.connections(harness.instance, max_age=0.0)

    async def test_one_call_serves_all_who_ask_for_a_while(self, harness: Harness) -> None:
        harness.atlas.document = shown(private(endpointId="vpce-1"))
        for seconds in (0.0, 20.0, 9.9, 0.1):
            harness.now += seconds
            asking = (harness.gateway.connections(harness.instance, max_age=30.0) for _ in range(10))
            assert len({*await asyncio.gather(*asking)}) == 1
        assert harness.atlas.calls == [("GET", INSTANCE, None)] * 2

    async def test_a_failure_serves_all_who_ask_for_a_moment(self, harness: Harness) -> None:
        harness.atlas.failure = AtlasUnavailableError("down", operation="getServerlessInstance")
        for _ in range(3):
            with pytest.raises(AtlasUnavailableError, match="down"):
                await harness.gateway.connections(harness.instance, max_age=30.0)
        assert len(harness.atlas.calls) == 1
        harness.now += 5.0
        harness.atlas.failure, harness.atlas.document = None, shown()
        assert await harness.gateway.connections(harness.instance, max_age=30.0) == ()


class TestReading:
    async def test_a_look_lists_the_instance(self, harness: Harness) -> None:
        seen = await harness.gateway.observe(harness.instance, ENDPOINT, max_age=5.0)
        assert seen is not None
        assert seen.comment == "one"
        assert harness.atlas.calls == [("GET", ENDPOINTS, None)]

    async def test_what_a_list_announces_is_remembered(self, harness: Harness) -> None:
        harness.atlas.deprecation = Deprecation(None, datetime(2026, 1, 22, tzinfo=UTC))
        await harness.observed()
        assert harness.gateway.deprecation(harness.instance) == harness.atlas.deprecation

    @pytest.mark.parametrize(("unusable", "lines"), [(0, []), (2, ["A LIST held 2 items without a usable id"])])
    async def test_items_of_a_list_that_cannot_be_told_apart_are_warned_about(
        self, harness: Harness, caplog: pytest.LogCaptureFixture, unusable: int, lines: list[str]
    ) -> None:
        harness.atlas.unusable = unusable
        await harness.observed()
        assert harness.recall() == "one"
        records = [each for each in caplog.records if each.name == "atlas_endpoints.atlas.gateway"]
        assert [each.getMessage().partition(";")[0] for each in records] == lines
        assert all(each.levelno == logging.WARNING for each in records)
        assert all((vars(each)["project"], vars(each)["instance"]) == (PROJECT, "orders") for each in records)

    async def test_a_get_reads_past_all_memory_and_is_remembered(self, harness: Harness) -> None:
        await harness.observed()
        harness.atlas.comment = "changed"
        assert (await harness.gateway.get(harness.instance, ENDPOINT)).comment == "changed"
        assert harness.atlas.calls == [("GET", f"{ENDPOINTS}/{ENDPOINT}", None)]
        assert harness.recall() == "changed"

    async def test_a_get_that_overlaps_with_a_write_does_not_undo_it(self, harness: Harness) -> None:
        await harness.observed()
        answer = harness.atlas.hold_back("GET")
        getting = asyncio.create_task(harness.gateway.get(harness.instance, ENDPOINT))
        await asyncio.sleep(0)
        await harness.update()
        answer.set()
        assert (await getting).comment == "one"
        assert harness.recall() == "two"

    async def test_absence_is_the_callers_to_judge(self, harness: Harness) -> None:
        await harness.observed()
        harness.atlas.failure = EndpointAbsentError("No such endpoint.", operation="get", http_status=404)
        with pytest.raises(EndpointAbsentError):
            await harness.gateway.get(harness.instance, ENDPOINT)


class TestWriting:
    async def test_a_patch_carries_what_changes_and_the_provider(self, harness: Harness) -> None:
        await harness.observed()
        assert await harness.update() == "two"
        assert harness.atlas.calls == [("PATCH", f"{ENDPOINTS}/{ENDPOINT}", {"providerName": "AWS", "comment": "two"})]

    async def test_its_answer_is_remembered_as_the_newest_truth(self, harness: Harness) -> None:
        await harness.observed()
        await harness.update()
        assert harness.recall() == "two"

    @pytest.mark.parametrize(
        "failure",
        [
            AtlasUnavailableError("No answer.", operation="update", unknown_outcome=True),
            AtlasUnavailableError("503", operation="update", http_status=503, unknown_outcome=True),
        ],
        ids=["no answer", "503"],
    )
    async def test_an_unknown_fate_destroys_what_is_remembered(self, harness: Harness, failure: AtlasError) -> None:
        await harness.observed()
        harness.atlas.failure = failure
        with pytest.raises(AtlasUnavailableError):
            await harness.update()
        assert harness.recall() is None
        assert harness.gateway.doubted_for(harness.instance, ENDPOINT) == pytest.approx(DOUBT)
        assert harness.gateway.doubted_at > -math.inf

    @pytest.mark.parametrize(
        "failure",
        [
            UpdateRejectedError("Refused.", operation="update", http_status=400),
            NotLeaderError("Another replica leads.", operation="update"),
            AtlasUnavailableError("Refused connection.", operation="update"),
        ],
        ids=["refused", "not the leader", "never sent"],
    )
    async def test_a_write_that_surely_changed_nothing_leaves_it(self, harness: Harness, failure: AtlasError) -> None:
        await harness.observed()
        harness.atlas.failure = failure
        with pytest.raises(type(failure)):
            await harness.update()
        assert harness.recall() == "one"
        assert harness.gateway.doubted_for(harness.instance, ENDPOINT) is None
        assert harness.gateway.doubted_at == -math.inf

    async def test_a_write_that_is_held_back_is_no_write(self, harness: Harness) -> None:
        await harness.observed()
        harness.atlas.failure = CredentialsInvalidError("Revoked.", operation="update", http_status=401)
        with pytest.raises(CredentialsInvalidError):
            await harness.update()
        harness.atlas.calls.clear()
        with pytest.raises(AtlasHeldError):
            await harness.update()
        assert not harness.atlas.calls
        assert harness.recall() == "one"
        assert harness.gateway.doubted_for(harness.instance, ENDPOINT) is None

    async def test_nobody_knows_how_far_a_cancelled_write_came(self, harness: Harness) -> None:
        await harness.observed()
        harness.atlas.hold_back("PATCH")
        updating = asyncio.create_task(harness.update())
        await asyncio.sleep(0)
        updating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await updating
        assert harness.recall() is None
        assert harness.gateway.doubted_for(harness.instance, ENDPOINT) == pytest.approx(DOUBT)

    async def test_a_field_that_no_patch_can_carry_is_not_sent(self, harness: Harness) -> None:
        await harness.observed()
        with pytest.raises(ValueError, match="status"):
            await harness.gateway.update(
                harness.instance, ENDPOINT, provider_name="AWS", fields={"status": "AVAILABLE"}
            )
        assert not harness.atlas.calls
        assert harness.recall() == "one"
