"""The calls of a reconcile: whether each is admitted, and what its end means for the observations."""

import asyncio
import logging
import math
from contextlib import suppress
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from atlas_endpoints.atlas.answers import Answer
from atlas_endpoints.atlas.credentials import KEPT, UNUSED, ApiKey, Credentials, ServiceAccount
from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasHeldError,
    AtlasUnavailableError,
    CredentialsInvalidError,
    MissingRoleError,
    NotLeaderError,
    RateLimitedError,
    Retry,
    UpdateRejectedError,
)
from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.observations import View
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.atlas.throttle import Throttle
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.kind import KIND as ENCRYPTION
from atlas_endpoints.kinds.serverless_private_endpoint.calls import ENDPOINTS
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.kinds.stream_private_endpoint.kind import KIND as STREAM
from atlas_endpoints.reconcile.decision import Write
from atlas_endpoints.tunings import READ_LAST, UNKNOWN_FOR
from support.fake_atlas import Call, FakeAtlas

PROJECT = "5f7cac1adf5d6c6306f4b283"
ENDPOINT = "6f7cac1adf5d6c6306f4b283"
ALICE, BOB = ServiceAccount("mdb_sa_id_alice", "secret-1"), ApiKey("abcdefgh", "secret-2")
AWAY = AtlasUnavailableError("Away.", operation="op", http_status=503)
NEXT = {"rel": "next", "href": "https://elsewhere.example.com"}


def shown(call: Call) -> Any:
    """Answer as an Atlas that holds one endpoint, whose comment is that of the last write, or ``one``."""
    sent = call.json["comment"] if isinstance(call.json, dict) else "one"
    endpoint = {"_id": ENDPOINT, "status": "AVAILABLE", "comment": sent}
    return [endpoint] if call.path.endswith("/endpoint") else endpoint


class Harness:
    def __init__(self) -> None:
        self.now = 100.0
        self.atlas = FakeAtlas(shown)
        self.gateway = Gateway(
            self.atlas,
            Throttle(),
            lambda: self.now,
            readers={each.names.kind: each for each in (KIND, ENCRYPTION, STREAM)},
        )
        self.scope = self.of(ALICE)

    def of(self, credentials: Credentials) -> Scope:
        return Scope(self.gateway.introduce(credentials), PROJECT, KIND.names.kind, "orders")

    def ends(self, end: Any) -> None:
        """Have each call end so from now on: in an error, or with this answer."""
        self.atlas.answer = lambda _: end

    def hang(self) -> asyncio.Event:
        """Have calls be answered when the event is set that is returned."""
        may_answer = asyncio.Event()

        async def answer(call: Call) -> Any:
            await may_answer.wait()
            return shown(call)

        self.atlas.answer = answer
        return may_answer

    @property
    def known(self) -> str | None:
        """The comment of the endpoint, as it is remembered."""
        value = self.gateway.view(self.scope).value(ENDPOINT)
        return None if value is None else str(value.comment)

    async def list(self, scope: Scope | None = None) -> View[Any]:
        return await self.gateway.list(scope or self.scope, since=self.gateway.moment())

    async def update(self) -> str:
        request = ENDPOINTS.update_of(self.scope, ENDPOINT, {"providerName": "AWS", "comment": "two"})

        def parse(answer: object) -> tuple[str, Any] | None:
            return KIND.written(Write(request, touches=(ENDPOINT,)), answer)

        _, answer = await self.gateway.write(self.scope, request, parse=parse, touches=(ENDPOINT,))
        return str(answer.comment)

    async def get(self) -> View[Any]:
        return await self.gateway.get(self.scope, ENDPOINT)

    async def read(self, path: str = "/cluster", *, max_age: float = 30.0) -> Any:
        """Read something that is no entry."""
        request = Request("getCluster", "GET", path)
        return await self.gateway.read(self.scope, request, parse=lambda found: found or None, max_age=max_age)

    @property
    def unknown_for(self) -> float | None:
        return self.gateway.unknown_for(self.scope, ENDPOINT)


@pytest.fixture
def harness() -> Harness:
    return Harness()


class TestCredentials:
    async def test_those_used_last_are_kept_for_an_hour_and_dropped_ones_hold_their_calls(
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
        assert harness.known == "one"
        assert harness.of(ALICE) == harness.scope
        await harness.list()
        assert [call.credentials for call in harness.atlas.calls] == [ALICE]

    async def test_of_many_credentials_the_last_ones_are_kept(self, harness: Harness) -> None:
        first, second, *_ = [harness.of(ApiKey("abcdefgh", f"secret-{number}")) for number in range(KEPT)]
        await harness.list(first)
        harness.of(ALICE)
        await harness.list(first)
        with pytest.raises(AtlasHeldError):
            await harness.list(second)


class TestReads:
    """Of what is no entry."""

    async def test_an_unreadable_answer_fails_the_read(self, harness: Harness) -> None:
        harness.ends(Answer(200, None))
        with pytest.raises(AtlasUnavailableError, match="cannot be used"):
            await harness.read()

    async def test_callers_share_a_recent_answer(self, harness: Harness) -> None:
        for seconds in (0.0, 20.0, 9.9, 0.1):
            harness.now += seconds
            await asyncio.gather(*(harness.read() for _ in range(10)))
        assert [call.path for call in harness.atlas.calls] == ["/cluster"] * 2

    async def test_callers_share_a_recent_failure(self, harness: Harness) -> None:
        harness.ends(AWAY)
        for _ in range(3):
            with pytest.raises(AtlasUnavailableError, match="Away"):
                await harness.read()
        assert len(harness.atlas.calls) == 1
        harness.now += 5.0
        harness.ends(["found"])
        assert await harness.read() == ["found"]

    async def test_old_answers_make_room_for_new_ones(self, harness: Harness) -> None:
        """A spec may name any number of clusters, one after the other."""
        await harness.read()
        harness.now += READ_LAST + 1
        await harness.read("/another")
        await harness.read(max_age=10 * READ_LAST)
        assert [call.path for call in harness.atlas.calls] == ["/cluster", "/another", "/cluster"]


class TestEntries:
    async def test_items_of_a_list_without_a_usable_id_are_logged(
        self, harness: Harness, caplog: pytest.LogCaptureFixture
    ) -> None:
        harness.atlas.answer = lambda call: [*shown(call), {}, {}]
        await harness.list()
        assert harness.known == "one"
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert record.getMessage().startswith("A LIST contains 2 items without a usable id;")
        assert (vars(record)["project"], vars(record)["instance"]) == (PROJECT, "orders")

    async def test_an_unreadable_answer_to_a_get_observes_nothing(self, harness: Harness) -> None:
        await harness.list()
        harness.ends(Answer(200, {"_id": "another", "status": "RESERVED"}))
        with pytest.raises(AtlasUnavailableError) as raised:
            await harness.get()
        assert not raised.value.unknown_outcome
        assert harness.known == "one"

    @pytest.mark.parametrize(
        ("pages", "read"),
        [
            pytest.param([[{"id": "1", "name": "a"}]], ["a"], id="one page"),
            pytest.param([[{"id": "1", "name": "a"}], [{"id": "2", "name": "b"}]], ["a", "b"], id="all pages"),
            pytest.param([[{"_id": "1", "name": "a"}]], ["a"], id="the other name of an id"),
            pytest.param([[]], [], id="none"),
            pytest.param([[{"id": "1", "name": "a"}, {"name": "b"}]], None, id="an item without an id"),
            pytest.param([[{"id": "1", "name": "a"}], AWAY], None, id="a page that fails"),
            pytest.param([[{"id": "1", "name": "a"}], [{"id": "1", "name": "a"}]], None, id="pages that move"),
            pytest.param([[{"id": "1", "name": None}]], None, id="an item that nobody can read"),
        ],
    )
    async def test_what_comes_in_pages_is_read_as_a_whole(
        self, harness: Harness, pages: list[Any], read: list[str] | None
    ) -> None:
        scope = harness.scope._replace(kind=ENCRYPTION.names.kind, name="AWS")

        def answer(call: Call) -> Any:
            found = pages[int(call.path.rpartition("=")[2]) - 1]
            is_last = call.path.endswith(f"={len(pages)}")
            return found if isinstance(found, Exception) else {"results": found, "links": [] if is_last else [NEXT]}

        harness.atlas.answer = answer
        if read is None:
            with pytest.raises(AtlasUnavailableError):
                await harness.gateway.get(scope, "clusters")
        view = harness.gateway.view(scope) if read is None else await harness.gateway.get(scope, "clusters")
        value = view.value("clusters")
        assert (None if value is None else [each.name for each in value]) == read

    @pytest.mark.parametrize(
        ("end", "is_unknown"),
        [
            pytest.param(AtlasUnavailableError("No.", operation="op", unknown_outcome=True), True, id="no answer"),
            pytest.param(Answer(202, None), True, id="an unreadable answer"),
            pytest.param(AtlasUnavailableError("No connection.", operation="op"), False, id="never sent"),
            pytest.param(UpdateRejectedError("No.", operation="op", http_status=400), False, id="refused"),
            pytest.param(NotLeaderError("Another leads.", operation="op"), False, id="not the leader"),
            pytest.param(CredentialsInvalidError("Revoked.", operation="op", http_status=401), False, id="revoked"),
        ],
    )
    async def test_only_an_unknown_outcome_drops_the_observation(
        self, harness: Harness, end: AtlasError | Answer, *, is_unknown: bool
    ) -> None:
        await harness.list()
        harness.ends(end)
        with pytest.raises(type(end) if isinstance(end, AtlasError) else AtlasUnavailableError) as raised:
            await harness.update()
        assert raised.value.unknown_outcome is is_unknown
        assert harness.known == (None if is_unknown else "one")
        assert harness.unknown_for == (pytest.approx(UNKNOWN_FOR) if is_unknown else None)
        assert (harness.gateway.unknown_at > -math.inf) is is_unknown

    async def test_a_cancelled_write_has_an_unknown_outcome(self, harness: Harness) -> None:
        await harness.list()
        harness.hang()
        updating = asyncio.create_task(harness.update())
        await asyncio.sleep(0)
        updating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await updating
        assert harness.known is None
        assert harness.unknown_for == pytest.approx(UNKNOWN_FOR)

    FAILURES: ClassVar = {
        "an outage": AWAY,
        "no role": MissingRoleError("No.", operation="op", http_status=403, error_code="USER_UNAUTHORIZED"),
        "an unreadable answer": {"results": 7},
        "an item without an id": {"results": [{"name": "a"}]},
    }

    @pytest.mark.parametrize("name", FAILURES)
    async def test_what_need_not_be_read_shows_nothing_if_that_fails(self, harness: Harness, name: str) -> None:
        scope = harness.scope._replace(kind=STREAM.names.kind)
        harness.ends(self.FAILURES[name])
        view = await harness.gateway.get(scope, "workspaces")
        assert view.value("workspaces") is None
        assert "workspaces" in view.entries
        harness.ends({"results": [{"_id": "1", "name": "a"}]})
        assert (await harness.gateway.get(scope, "workspaces")).value("workspaces") == ("a",)

    async def test_what_need_not_be_read_waits_for_its_turn(self, harness: Harness) -> None:
        harness.ends(RateLimitedError("Slow.", operation="op", http_status=429, retry_after=60))
        scope = harness.scope._replace(kind=STREAM.names.kind)
        await harness.gateway.get(scope, "workspaces")
        with pytest.raises(AtlasHeldError):
            await harness.gateway.get(scope, "workspaces")


class TestAdmission:
    """The throttle decides; here it is asked before each call, and told of the end of each."""

    @pytest.mark.parametrize("error", [CredentialsInvalidError, RateLimitedError])
    async def test_a_wait_for_one_atlas_holds_no_call_to_another(
        self, harness: Harness, error: type[AtlasError]
    ) -> None:
        harness.ends(error("No.", operation="op", http_status=429, retry_after=55))
        with pytest.raises(error):
            await harness.get()
        harness.atlas.answer = shown
        await harness.list(harness.of(replace(ALICE, base_url="https://elsewhere.example")))
        with pytest.raises(AtlasHeldError):
            await harness.get()

    @pytest.mark.parametrize("cancelled", [True, False], ids=["that is cancelled", "whose parser raises"])
    async def test_a_call_is_released(self, harness: Harness, *, cancelled: bool) -> None:
        def parse(_answer: object) -> None:
            raise ZeroDivisionError

        may_answer = harness.hang()
        read = harness.gateway.read(harness.scope, Request("op", "GET", "/"), parse=parse, max_age=0.0)
        reading = asyncio.create_task(harness.get() if cancelled else read)
        for _ in range(3):
            await asyncio.sleep(0)
        with pytest.raises(AtlasHeldError, match="Another call tests"):
            await harness.update()
        if cancelled:
            read.close()
            reading.cancel()
        may_answer.set()
        with suppress(ZeroDivisionError, asyncio.CancelledError):
            await reading
        assert await harness.update() == "two"


class TestRefusalsWithoutACode:
    """Atlas has answered 403 without a code between good answers: it is a missing role only if it lasts."""

    REFUSAL = MissingRoleError("No.", operation="op", http_status=403)
    WITH_CODE = MissingRoleError("No.", operation="op", http_status=401, error_code="USER_UNAUTHORIZED")

    async def failed(self, harness: Harness, error: AtlasError | None = REFUSAL) -> AtlasError | None:
        """Return as what a LIST fails with this answer."""
        harness.ends(error or [])
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
        [pytest.param(None, id="success"), pytest.param(AWAY, id="an outage"), pytest.param(WITH_CODE, id="a refusal")],
    )
    async def test_another_answer_to_the_call_ends_the_row(self, harness: Harness, other: AtlasError | None) -> None:
        for error, seconds in ((self.REFUSAL, 59), (other, 2), (self.REFUSAL, 59)):
            raised = await self.failed(harness, error)
            assert error is self.REFUSAL or raised is error, "only a refusal without a code is doubted"
            harness.now += seconds
        assert isinstance(await self.failed(harness), AtlasUnavailableError)

    async def test_a_code_is_doubted_where_atlas_was_seen_to_use_it_once(self, harness: Harness) -> None:
        harness.scope = harness.scope._replace(kind=STREAM.names.kind)
        harness.ends(self.WITH_CODE)
        found = []
        for _ in range(4):
            with pytest.raises(AtlasError) as raised:
                await harness.list()
            found.append(raised.value.reason)
            harness.now += 25
        assert found == ["AtlasUnavailable"] * 3 + ["MissingRole"]

    async def test_the_answer_to_another_call_does_not(self, harness: Harness) -> None:
        await self.failed(harness)
        harness.atlas.answer = shown
        await harness.get()
        harness.now += 60
        assert isinstance(await self.failed(harness), MissingRoleError)

    async def test_a_refusal_hours_later_is_a_first_one(self, harness: Harness) -> None:
        await self.failed(harness)
        harness.now += 3600
        assert isinstance(await self.failed(harness), AtlasUnavailableError)
