"""The calls of a reconcile: what each sends, whether it is admitted, and what its end means for the observations."""

import asyncio
import logging
import math
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from atlas_endpoints.atlas.answers import Answer, Deprecation
from atlas_endpoints.atlas.credentials import KEPT, UNUSED, ApiKey, Credentials, ServiceAccount
from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasHeldError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    EndpointAbsentError,
    MissingRoleError,
    NotLeaderError,
    RateLimitedError,
    Retry,
    UpdateRejectedError,
)
from atlas_endpoints.atlas.gateway import READ_LAST, Gateway
from atlas_endpoints.atlas.observations import UNKNOWN_FOR, View
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.atlas.throttle import Throttle
from atlas_endpoints.kinds.connection_strings import Connected, PrivateStrings, private_strings
from atlas_endpoints.kinds.serverless_private_endpoint.atlas import (
    creation_of,
    deletion_of,
    instance_of,
    update_of,
)
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.decision import Write

PROJECT = "5f7cac1adf5d6c6306f4b283"
ENDPOINT = "6f7cac1adf5d6c6306f4b283"
ENDPOINTS = f"/api/atlas/v2/groups/{PROJECT}/privateEndpoint/serverless/instance/orders/endpoint"
INSTANCE = f"/api/atlas/v2/groups/{PROJECT}/serverless/orders"
UNREADABLE: list[Any] = [
    None,
    [],
    {},
    {"errorCode": "ODD"},
    "x",
    {"status": None},
    {"_id": "another", "status": "RESERVED"},
]
SRV = "mongodb+srv://orders-pe-0.abcde.mongodb.net"
ALICE, BOB = ServiceAccount("mdb_sa_id_alice", "secret-1"), ApiKey("abcdefgh", "secret-2")


@dataclass
class Atlas:
    """Holds one endpoint; the test allows answers and sets failures."""

    base_url: str = "https://cloud.mongodb.com"
    comment: str = "one"
    calls: list[tuple[str, str, Any]] = field(default_factory=list)
    credentials: list[Credentials] = field(default_factory=list)
    document: Any = None
    """The instance."""
    endpoint: Answer | None = None
    """What a call about the one endpoint is answered with, if not with the endpoint."""
    listing: Answer | None = None
    """What a LIST is answered with, if not with the endpoint."""
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

    async def request(self, credentials: Credentials, request: Request) -> Answer:
        method, path, json = request.method, request.path, request.body
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
        prepared = self.listing if (method, path) == ("GET", ENDPOINTS) else self.endpoint
        if prepared is not None and (method, path) != ("POST", ENDPOINTS):
            return prepared
        endpoint = {"_id": ENDPOINT, "status": "AVAILABLE", "comment": comment}
        is_list = (method, path) == ("GET", ENDPOINTS)
        return Answer(200, [endpoint, *[{}] * self.unusable] if is_list else endpoint, self.deprecation)


def comment_in(view: View[Any]) -> str | None:
    known = view.value(ENDPOINT)
    return None if known is None else str(known.comment)


class Harness:
    def __init__(self) -> None:
        self.now = 100.0
        self.atlas = Atlas()
        readers = {KIND.names.kind: KIND}
        self.gateway = Gateway(self.atlas, Throttle(), lambda: self.now, readers=readers)
        self.scope = self.of(ALICE)

    def of(self, credentials: Credentials) -> Scope:
        return Scope(self.gateway.introduce(credentials), PROJECT, KIND.names.kind, "orders")

    def recall(self) -> str | None:
        return comment_in(self.gateway.view(self.scope))

    async def list(self, scope: Scope | None = None) -> View[Any]:
        return await self.gateway.list(scope or self.scope, since=self.gateway.moment())

    async def observed(self) -> None:
        await self.list()
        self.atlas.calls.clear()

    async def write(self, request: Request, *touches: str) -> str | None:
        def parse(answer: object) -> tuple[str, Any] | None:
            return (
                KIND.listed(answer)
                if request.method == "POST"
                else KIND.written(Write(request, touches=touches), answer)
            )

        _, answer = await self.gateway.write(self.scope, request, parse=parse, touches=touches)
        return None if answer is None else str(answer.comment)

    async def update(self, comment: str = "two") -> str | None:
        return await self.write(update_of(PROJECT, "orders", ENDPOINT, "AWS", {"comment": comment}), ENDPOINT)

    async def get(self) -> View[Any]:
        return await self.gateway.get(self.scope, ENDPOINT)

    @property
    def unknown_for(self) -> float | None:
        return self.gateway.unknown_for(self.scope, ENDPOINT)

    async def connections(self, *, max_age: float) -> tuple[PrivateStrings, ...] | None:
        parse = partial(private_strings, "orders")
        found: tuple[PrivateStrings, ...] = await self.gateway.read(
            self.scope, instance_of(PROJECT, "orders"), parse=parse, max_age=max_age
        )
        return found


@pytest.fixture
def harness() -> Harness:
    return Harness()


class TestCredentials:
    async def test_each_call_uses_the_credentials_of_the_scope(self, harness: Harness) -> None:
        for credentials in (ALICE, BOB):
            await harness.list(harness.of(credentials))
        assert harness.atlas.credentials == [ALICE, BOB]

    def test_equal_credentials_have_the_same_fingerprint(self, harness: Harness) -> None:
        assert harness.of(ALICE) == harness.of(ServiceAccount(ALICE.identity, ALICE.secret))
        assert harness.of(ALICE) != harness.of(ServiceAccount(ALICE.identity, "rotated"))

    async def test_the_credentials_used_last_are_kept_for_an_hour_and_dropped_ones_hold_their_calls(
        self, harness: Harness
    ) -> None:
        """Until they are introduced again, as the next reconcile does; the observations stay those of their scope."""
        await harness.list()
        harness.now += UNUSED - 1
        await harness.get()
        harness.now += UNUSED - 1
        harness.of(BOB)
        await harness.get()
        harness.now += UNUSED
        harness.of(BOB)
        harness.atlas.calls.clear()
        with pytest.raises(AtlasHeldError) as raised:
            await harness.list()
        assert (raised.value.reason, raised.value.retry_after, harness.atlas.calls) == ("Pending", 1.0, [])
        assert harness.recall() == "one"
        assert harness.of(ALICE) == harness.scope
        assert comment_in(await harness.list()) == "one"

    async def test_of_many_credentials_the_last_ones_are_kept(self, harness: Harness) -> None:
        first, second, *_ = [harness.of(ApiKey("abcdefgh", f"secret-{number}")) for number in range(KEPT)]
        await harness.list(first)
        harness.of(ALICE)
        await harness.list(first)
        with pytest.raises(AtlasHeldError):
            await harness.list(second)


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
                [PrivateStrings((Connected("vpce-1", "AWS", "US_EAST_1"),), srv=SRV)],
                id="one",
            ),
            pytest.param(
                shown(private(endpointId="vpce-1", region=None)),
                [PrivateStrings((Connected("vpce-1"),), srv=SRV)],
                id="one whose region is not told",
            ),
            pytest.param(
                shown(None, "x", {}, private(None), private("mongodb+srv://user:secret@host"), private("http://host")),
                [],
                id="what is no connection string, or holds credentials",
            ),
            pytest.param(
                shown({"srvConnectionString": SRV, "endpoints": [None, {"endpointId": None}]}),
                [],
                id="of no endpoint",
            ),
        ],
    )
    async def test_a_read_returns_the_answer(
        self, harness: Harness, document: Any, expected: list[PrivateStrings]
    ) -> None:
        harness.atlas.document = document
        assert await harness.connections(max_age=0.0) == tuple(expected)

    @pytest.mark.parametrize("document", [None, [], {}, {"name": "other"}])
    async def test_an_unreadable_answer_fails_the_read(self, harness: Harness, document: Any) -> None:
        harness.atlas.document = document
        with pytest.raises(AtlasUnavailableError, match="cannot be used"):
            await harness.connections(max_age=0.0)

    async def test_callers_share_a_recent_answer(self, harness: Harness) -> None:
        harness.atlas.document = shown(private(endpointId="vpce-1"))
        for seconds in (0.0, 20.0, 9.9, 0.1):
            harness.now += seconds
            asking = (harness.connections(max_age=30.0) for _ in range(10))
            assert len({*await asyncio.gather(*asking)}) == 1
        assert harness.atlas.calls == [("GET", INSTANCE, None)] * 2

    async def test_callers_share_a_recent_failure(self, harness: Harness) -> None:
        harness.atlas.failure = AtlasUnavailableError("down", operation="getServerlessInstance")
        for _ in range(3):
            with pytest.raises(AtlasUnavailableError, match="down"):
                await harness.connections(max_age=30.0)
        assert len(harness.atlas.calls) == 1
        harness.now += 5.0
        harness.atlas.failure, harness.atlas.document = None, shown()
        assert await harness.connections(max_age=30.0) == ()

    async def test_old_answers_make_room_for_new_ones(self, harness: Harness) -> None:
        """A spec may name any number of clusters, one after the other."""
        harness.atlas.document = shown()
        await harness.connections(max_age=30.0)
        harness.now += READ_LAST + 1
        request = instance_of(PROJECT, "another")
        await harness.gateway.read(harness.scope, request, parse=lambda _: (), max_age=0.0)
        harness.atlas.calls.clear()
        await harness.connections(max_age=10 * READ_LAST)
        assert harness.atlas.calls == [("GET", INSTANCE, None)]


class TestReading:
    async def test_a_list_observes_the_instance_and_its_deprecation(self, harness: Harness) -> None:
        harness.atlas.deprecation = Deprecation(None, datetime(2026, 1, 22, tzinfo=UTC))
        view = await harness.list()
        assert (comment_in(view), view.deprecation) == ("one", harness.atlas.deprecation)
        assert harness.atlas.calls == [("GET", ENDPOINTS, None)]

    @pytest.mark.parametrize(("unusable", "lines"), [(0, []), (2, ["A LIST contains 2 items without a usable id"])])
    async def test_items_without_a_usable_id_are_logged(
        self, harness: Harness, caplog: pytest.LogCaptureFixture, unusable: int, lines: list[str]
    ) -> None:
        harness.atlas.unusable = unusable
        await harness.observed()
        assert harness.recall() == "one"
        records = [each for each in caplog.records if each.name == "atlas_endpoints.atlas.gateway"]
        assert [each.getMessage().partition(";")[0] for each in records] == lines
        assert all(each.levelno == logging.WARNING for each in records)
        assert all((vars(each)["project"], vars(each)["instance"]) == (PROJECT, "orders") for each in records)

    async def test_a_get_bypasses_the_cache_and_is_remembered(self, harness: Harness) -> None:
        await harness.observed()
        harness.atlas.comment = "changed"
        assert comment_in(await harness.get()) == "changed"
        assert harness.atlas.calls == [("GET", f"{ENDPOINTS}/{ENDPOINT}", None)]
        assert harness.recall() == "changed"

    async def test_a_get_returns_a_proof_of_absence(self, harness: Harness) -> None:
        await harness.observed()
        before = harness.gateway.moment()
        harness.atlas.failure = error = EndpointAbsentError("No such endpoint.", operation="get", http_status=404)
        view = await harness.get()
        seen = view.entries[ENDPOINT]
        assert (seen.value, seen.error) == (None, error)
        assert seen.at > before > view.began
        assert harness.recall() is None

    @pytest.mark.parametrize("document", UNREADABLE)
    async def test_an_unreadable_answer_to_a_get_observes_nothing(self, harness: Harness, document: Any) -> None:
        await harness.observed()
        harness.atlas.endpoint = Answer(200, document)
        with pytest.raises(AtlasUnavailableError) as raised:
            await harness.get()
        assert not raised.value.unknown_outcome
        assert harness.recall() == "one"


class TestWriting:
    async def test_a_patch_holds_the_changes_and_the_provider(self, harness: Harness) -> None:
        await harness.observed()
        assert await harness.update() == "two"
        assert harness.atlas.calls == [("PATCH", f"{ENDPOINTS}/{ENDPOINT}", {"providerName": "AWS", "comment": "two"})]
        assert harness.recall() == "two"

    @pytest.mark.parametrize(
        ("failure", "is_unknown"),
        [
            (AtlasUnavailableError("No answer.", operation="update", unknown_outcome=True), True),
            (AtlasUnavailableError("Refused connection.", operation="update"), False),
            (UpdateRejectedError("Refused.", operation="update", http_status=400), False),
            (NotLeaderError("Another replica leads.", operation="update"), False),
            (CredentialsInvalidError("Revoked.", operation="update", http_status=401), False),
        ],
        ids=["no answer", "never sent", "refused", "not the leader", "refused credentials"],
    )
    async def test_only_an_unknown_outcome_drops_the_observation(
        self, harness: Harness, failure: AtlasError, *, is_unknown: bool
    ) -> None:
        await harness.observed()
        harness.atlas.failure = failure
        with pytest.raises(type(failure)):
            await harness.update()
        if isinstance(failure, CredentialsInvalidError):
            with pytest.raises(AtlasHeldError):
                await harness.update()
        assert len(harness.atlas.calls) == 1
        assert harness.recall() == (None if is_unknown else "one")
        assert harness.unknown_for == (pytest.approx(UNKNOWN_FOR) if is_unknown else None)
        assert (harness.gateway.unknown_at > -math.inf) is is_unknown

    async def test_a_cancelled_write_has_an_unknown_outcome(self, harness: Harness) -> None:
        await harness.observed()
        harness.atlas.hold_back("PATCH")
        updating = asyncio.create_task(harness.update())
        await asyncio.sleep(0)
        updating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await updating
        assert harness.recall() is None
        assert harness.unknown_for == pytest.approx(UNKNOWN_FOR)

    @pytest.mark.parametrize("document", UNREADABLE)
    async def test_an_unreadable_answer_to_a_write_leaves_its_outcome_unknown(
        self, harness: Harness, document: Any
    ) -> None:
        await harness.observed()
        harness.atlas.endpoint = Answer(202, document)
        with pytest.raises(AtlasUnavailableError) as raised:
            await harness.update()
        assert (raised.value.unknown_outcome, raised.value.http_status) == (True, 202)
        assert harness.recall() is None
        assert harness.unknown_for == pytest.approx(UNKNOWN_FOR)

    async def test_a_created_entry_is_remembered_by_its_id(self, harness: Harness) -> None:
        await harness.observed()
        harness.gateway.remember_gone(harness.scope, ENDPOINT)
        assert await harness.write(creation_of(PROJECT, "orders", "mark"), "mark") == "mark"
        assert harness.atlas.calls == [("POST", ENDPOINTS, {"comment": "mark"})]
        assert harness.recall() == "mark"

    async def test_a_creation_of_unknown_outcome_is_found_by_its_mark(self, harness: Harness) -> None:
        await harness.observed()
        harness.atlas.failure = AtlasUnavailableError("No answer.", operation="create", unknown_outcome=True)
        with pytest.raises(AtlasUnavailableError):
            await harness.write(creation_of(PROJECT, "orders", "mark"), "mark")
        assert harness.gateway.unknown_for(harness.scope, "mark") == pytest.approx(UNKNOWN_FOR)
        assert harness.recall() == "one"

    async def test_a_deletion_drops_the_observation(self, harness: Harness) -> None:
        await harness.observed()
        harness.atlas.endpoint = Answer(204, None)
        assert await harness.write(deletion_of(PROJECT, "orders", ENDPOINT), ENDPOINT) is None
        assert harness.atlas.calls == [("DELETE", f"{ENDPOINTS}/{ENDPOINT}", None)]
        assert ENDPOINT not in harness.gateway.view(harness.scope).entries
        assert harness.unknown_for is None


class TestAdmission:
    """The throttle decides; here it is asked before each call, and told of the end of each."""

    @pytest.mark.parametrize("error", [CredentialsInvalidError, RateLimitedError])
    async def test_a_wait_for_one_atlas_holds_no_call_to_another(
        self, harness: Harness, error: type[AtlasError]
    ) -> None:
        harness.atlas.failure = error("No.", operation="op", http_status=429, retry_after=55)
        with pytest.raises(error):
            await harness.get()
        harness.atlas.failure = None
        await harness.list(harness.of(replace(ALICE, base_url="https://elsewhere.example")))
        with pytest.raises(AtlasHeldError):
            await harness.get()

    async def test_one_call_is_let_through_on_request(self, harness: Harness) -> None:
        harness.atlas.failure = AtlasUnavailableError("Away.", operation="op", http_status=503, retry_after=120)
        with pytest.raises(AtlasUnavailableError):
            await harness.get()
        harness.gateway.let_through(harness.scope)
        for raised in (AtlasUnavailableError, AtlasHeldError):
            with pytest.raises(raised, match="Away"):
                await harness.get()

    @pytest.mark.parametrize("cancelled", [True, False], ids=["that is cancelled", "whose parser raises"])
    async def test_a_call_is_released(self, harness: Harness, *, cancelled: bool) -> None:
        def parse(_answer: object) -> None:
            raise ZeroDivisionError

        answer = harness.atlas.hold_back("GET")
        read = harness.gateway.read(harness.scope, instance_of(PROJECT, "orders"), parse=parse, max_age=0.0)
        reading = asyncio.create_task(harness.get() if cancelled else read)
        for _ in range(3):
            await asyncio.sleep(0)
        with pytest.raises(AtlasHeldError, match="Another call tests"):
            await harness.update()
        if cancelled:
            read.close()
            reading.cancel()
        answer.set()
        with suppress(ZeroDivisionError, asyncio.CancelledError):
            await reading
        assert await harness.update() == "two"


class TestRefusalsWithoutACode:
    """Atlas has answered 403 without a code between good answers: it is a missing role only if it lasts."""

    REFUSAL = MissingRoleError("No.", operation="op", http_status=403)

    async def failed(self, harness: Harness, error: AtlasError | None = REFUSAL) -> AtlasError | None:
        """Return as what a LIST fails with this answer."""
        harness.atlas.failure = error
        try:
            await harness.list()
        except AtlasError as raised:
            return raised
        return None

    async def test_it_is_retried_twice_in_a_minute_before_it_counts(self, harness: Harness) -> None:
        reasons = []
        for _ in range(5):
            error = await self.failed(harness)
            assert error is not None
            reasons.append((error.reason, error.retry, error.retry_after, error.http_status))
            harness.now += 20
        passing, lasting = ("AtlasUnavailable", Retry.BACKOFF, 20, 403), ("MissingRole", Retry.SLOW, None, 403)
        assert reasons == [passing] * 3 + [lasting] * 2

    @pytest.mark.parametrize(
        "other",
        [
            pytest.param(None, id="success"),
            pytest.param(AtlasUnavailableError("Away.", operation="op", http_status=503), id="an outage"),
            pytest.param(MissingRoleError("No.", operation="op", error_code="USER_UNAUTHORIZED"), id="a refusal"),
        ],
    )
    async def test_another_answer_to_the_call_ends_the_row(self, harness: Harness, other: AtlasError | None) -> None:
        for error, seconds in ((self.REFUSAL, 59), (other, 2), (self.REFUSAL, 59)):
            await self.failed(harness, error)
            harness.now += seconds
        assert isinstance(await self.failed(harness), AtlasUnavailableError)

    async def test_the_answer_to_another_call_does_not(self, harness: Harness) -> None:
        await self.failed(harness)
        harness.atlas.failure = None
        await harness.get()
        harness.now += 60
        assert isinstance(await self.failed(harness), MissingRoleError)

    async def test_a_refusal_hours_later_is_a_first_one(self, harness: Harness) -> None:
        await self.failed(harness)
        harness.now += 3600
        assert isinstance(await self.failed(harness), AtlasUnavailableError)

    async def test_a_refusal_with_a_code_counts_at_once(self, harness: Harness) -> None:
        refusal = MissingRoleError("No.", operation="op", http_status=401, error_code="USER_UNAUTHORIZED")
        assert await self.failed(harness, refusal) is refusal
