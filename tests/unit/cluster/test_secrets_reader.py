"""Reading Secrets: how often the API server is asked, and what is said when it has none to give."""

import asyncio
import gc
import json
import logging
import traceback
from weakref import WeakSet

import pytest
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.atlas.credentials import keep_credentials
from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, UnreadableError
from atlas_endpoints.cluster.object_cache import FRESH, IDLE, MAX_AGE, MISSED, RETRY_FIRST, RETRY_LAST, ObjectCache
from atlas_endpoints.cluster.secrets_reader import SecretReader
from unit.cluster.api_server import RESET, Answer, ApiServer, status_of

CANARY = "canary-4711"
FORBIDDEN = Answer(403, status_of(403, "Forbidden", "secrets is forbidden"))
MISSING = Answer(404, status_of(404, "NotFound", "secrets not found"))


class Value:
    """What is wanted of an object."""


class Harness:
    """A reader, its API server, and the time."""

    def __init__(self, api_server: ApiServer, api: client.ApiClient) -> None:
        self.server = api_server
        self.now = 100.0
        self.reader = SecretReader(api, lambda: self.now, keep=keep_credentials)

    @property
    def asked(self) -> int:
        return len(self.server.requests)

    async def problem(self) -> UnreadableError:
        with pytest.raises(UnreadableError) as caught:
            await self.reader.read("shop", "mine")
        return caught.value


@pytest.fixture
def harness(server: ApiServer, api: client.ApiClient) -> Harness:
    server.secrets["shop", "mine"] = {"clientId": "one", "clientSecret": CANARY}
    return Harness(server, api)


class TestReadings:
    async def test_the_values_are_decoded(self, harness: Harness) -> None:
        assert await harness.reader.read("shop", "mine") == {"clientId": "one", "clientSecret": CANARY}
        assert harness.server.calls == ["GET /api/v1/namespaces/shop/secrets/mine"]

    async def test_only_the_kept_values_are_cached(self, harness: Harness) -> None:
        """Whoever may write one Secret would else fill the memory of all."""
        harness.server.secrets["shop", "mine"] = {
            "clientId": "one",
            "clientSecret": "s" * 500_000,
            "tls.crt": "c" * 250_000,
        }
        values = await harness.reader.read("shop", "mine")
        assert set(values) == {"clientId", "clientSecret"}
        assert sum(map(len, values.values())) < 1000

    async def test_a_secret_without_data_is_empty(self, harness: Harness) -> None:
        harness.server.secrets["shop", "mine"] = {}
        assert await harness.reader.read("shop", "mine") == {}

    async def test_concurrent_callers_share_one_call(self, harness: Harness) -> None:
        readers = await asyncio.gather(*(harness.reader.read("shop", "mine") for _ in range(100)))
        assert {each["clientId"] for each in readers} == {"one"}
        assert harness.asked == 1

    async def test_concurrent_callers_share_one_problem(self, harness: Harness) -> None:
        harness.server.secrets.clear()
        results = await asyncio.gather(
            *(harness.reader.read("shop", "mine") for _ in range(100)), return_exceptions=True
        )
        assert all(isinstance(each, UnreadableError) for each in results)
        assert harness.asked == 1

    async def test_a_cancelled_caller_affects_no_other(self, harness: Harness) -> None:
        impatient = asyncio.create_task(harness.reader.read("shop", "mine"))
        patient = asyncio.create_task(harness.reader.read("shop", "mine"))
        await asyncio.sleep(0)
        impatient.cancel()
        assert (await patient)["clientId"] == "one"
        assert harness.asked == 1

    async def test_a_failure_without_callers_is_not_logged_by_asyncio(self, harness: Harness) -> None:
        log_deduplication: list[str] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: log_deduplication.append(context["message"])
        )
        harness.server.answers.append(Answer(500, status_of(500, "InternalError", "etcd")))
        impatient = asyncio.create_task(harness.reader.read("shop", "mine"))
        await asyncio.sleep(0)
        (read,) = (each for each in asyncio.all_tasks() if each.get_name() == "read Secret")
        impatient.cancel()
        await asyncio.wait({impatient, read})
        del impatient, read
        gc.collect()
        assert log_deduplication == []

    async def test_an_entry_is_recent_for_half_a_minute(self, harness: Harness) -> None:
        await harness.reader.read("shop", "mine")
        harness.server.secrets["shop", "mine"] = {"clientId": "two"}
        harness.now += MAX_AGE - 0.1
        assert (await harness.reader.read("shop", "mine"))["clientId"] == "one"
        harness.now += 0.1
        assert (await harness.reader.read("shop", "mine"))["clientId"] == "two"
        assert harness.asked == 2

    async def test_a_fresh_entry_is_two_seconds_old_at_most(self, harness: Harness) -> None:
        await harness.reader.read("shop", "mine")
        harness.server.secrets["shop", "mine"] = {"clientId": "two"}
        harness.now += FRESH
        assert (await harness.reader.read("shop", "mine", age=Age.FRESH))["clientId"] == "two"
        harness.now += FRESH - 0.1
        await harness.reader.read("shop", "mine", age=Age.FRESH)
        assert harness.asked == 2

    async def test_age_anew_starts_another_read(self, harness: Harness) -> None:
        await harness.reader.read("shop", "mine")
        begun = asyncio.create_task(harness.reader.read("shop", "mine", age=Age.ANEW))
        await asyncio.sleep(0)
        harness.server.secrets["shop", "mine"] = {"clientId": "two"}
        found = await asyncio.gather(*(harness.reader.read("shop", "mine", age=Age.ANEW) for _ in range(3)))
        assert [each["clientId"] for each in found] == ["two"] * 3
        await begun
        assert harness.asked == 3

    async def test_age_fresh_waits_for_the_current_read(self, harness: Harness) -> None:
        await harness.reader.read("shop", "mine")
        harness.server.secrets["shop", "mine"] = {"clientId": "two"}
        begun = asyncio.create_task(harness.reader.read("shop", "mine", age=Age.ANEW))
        await asyncio.sleep(0)
        assert (await harness.reader.read("shop", "mine", age=Age.FRESH))["clientId"] == "two"
        assert (await begun)["clientId"] == "two"
        assert harness.asked == 2

    async def test_other_names_and_other_namespaces_are_other_secrets(self, harness: Harness) -> None:
        harness.server.secrets["shop", "other"] = {"clientId": "other"}
        harness.server.secrets["warehouse", "mine"] = {"clientId": "elsewhere"}
        for namespace, name, value in (
            ("shop", "mine", "one"),
            ("shop", "other", "other"),
            ("warehouse", "mine", "elsewhere"),
        ):
            assert (await harness.reader.read(namespace, name))["clientId"] == value

    async def test_unused_entries_are_dropped(self) -> None:
        now, read = 100.0, WeakSet[Value]()

        async def get(_: str) -> Value:
            read.add(value := Value())
            return value

        cache = ObjectCache[str, Value]("value", get, lambda *_: AssertionError(), lambda: now)
        await cache.read("mine", age=Age.RECENT)
        now += IDLE + 1
        await cache.read("other", age=Age.RECENT)
        gc.collect()
        assert len(read) == 1


class TestProblems:
    async def test_a_missing_secret_is_an_error_with_the_remedy(self, harness: Harness) -> None:
        harness.server.secrets.clear()
        problem = await harness.problem()
        assert problem.reason == "SecretNotFound"
        assert "There is no Secret mine in namespace shop." in problem.message
        assert "clientId and clientSecret" in problem.message
        assert problem.retry_in == RETRY_FIRST

    async def test_it_is_read_again_with_backoff(self, harness: Harness) -> None:
        harness.server.secrets.clear()
        waits = []
        for number in range(1, 8):
            problem = await harness.problem()
            assert harness.asked == number
            waits.append(problem.retry_in)
            harness.now += problem.retry_in
        assert waits == [5.0, 10.0, 20.0, 40.0, RETRY_LAST, RETRY_LAST, RETRY_LAST]

    async def test_a_secret_that_is_missing_for_days_is_read_at_the_longest_backoff(self) -> None:
        now = 100.0

        async def get(_: str) -> Value:
            raise ApiException(404, body=json.dumps(MISSING.body))

        cache = ObjectCache[str, Value]("value", get, lambda *_: LookupError(), lambda: now)
        for _ in range(1100):  # so many doublings are more than a float holds
            with pytest.raises(LookupError):
                await cache.read("mine", age=Age.RECENT)
            now += RETRY_LAST
        assert cache.due_in("mine") == 0
        now -= RETRY_LAST
        assert cache.due_in("mine") == RETRY_LAST

    async def test_the_backoff_is_shared_by_all_callers(self, harness: Harness) -> None:
        harness.server.secrets.clear()
        for _ in range(600):
            await harness.problem()
            harness.now += 0.5
        assert harness.asked == 8, "after 0, 5, 15, 35, 75, 135, 195 and 255 seconds"

    async def test_the_error_has_the_time_of_the_next_read(self, harness: Harness) -> None:
        harness.server.secrets.clear()
        await harness.problem()
        harness.now += 2.0
        assert (await harness.problem()).retry_in == 3.0

    async def test_age_fresh_does_not_wait_for_the_backoff(self, harness: Harness) -> None:
        harness.server.secrets.clear()
        await harness.problem()
        harness.server.secrets["shop", "mine"] = {"clientId": "two"}
        harness.now += FRESH
        assert (await harness.reader.read("shop", "mine", age=Age.FRESH))["clientId"] == "two"

    async def test_a_success_resets_the_backoff(self, harness: Harness) -> None:
        harness.server.secrets.clear()
        for _ in range(4):
            harness.now += (await harness.problem()).retry_in
        harness.server.secrets["shop", "mine"] = {"clientId": "two"}
        await harness.reader.read("shop", "mine")
        harness.server.secrets.clear()
        harness.now += MAX_AGE
        assert (await harness.problem()).retry_in == RETRY_FIRST

    async def test_a_forbidden_secret_is_an_error_with_the_remedy(self, harness: Harness) -> None:
        harness.server.answers.extend([FORBIDDEN, FORBIDDEN])
        with pytest.raises(ClusterUnavailableError):
            await harness.reader.read("shop", "mine")
        harness.now += RETRY_FIRST
        problem = await harness.problem()
        assert problem.reason == "SecretForbidden"
        assert "may not read Secret mine in namespace shop, whether it exists or not" in problem.message
        assert "verb get" in problem.message
        assert problem.retry_in == 10.0

    async def test_the_first_refusal_may_come_from_an_api_server_that_has_just_started(self, harness: Harness) -> None:
        await harness.reader.read("shop", "mine")
        harness.now += MAX_AGE
        harness.server.answers.append(FORBIDDEN)
        with pytest.raises(ClusterUnavailableError, match="asked once more"):
            await harness.reader.read("shop", "mine")
        harness.now += 1.0
        with pytest.raises(ClusterUnavailableError, match="asked once more"):
            await harness.reader.read("shop", "mine")
        assert harness.asked == 2, "not before its time"
        harness.now += RETRY_FIRST
        assert (await harness.reader.read("shop", "mine"))["clientId"] == "one"

    async def test_the_second_refusal_counts_even_days_later(self, harness: Harness) -> None:
        harness.server.answers.append(FORBIDDEN)
        with pytest.raises(ClusterUnavailableError, match="asked once more"):
            await harness.reader.read("shop", "mine")
        harness.server.secrets["shop", "other"] = {"clientId": "other"}
        for _ in range(26):
            harness.now += 3600.0
            await harness.reader.read("shop", "other")
        harness.server.answers.append(FORBIDDEN)
        assert (await harness.problem()).reason == "SecretForbidden"

    async def test_a_failed_read_is_dropped_after_two_days(self, harness: Harness) -> None:
        harness.server.answers.append(FORBIDDEN)
        with pytest.raises(ClusterUnavailableError, match="asked once more"):
            await harness.reader.read("shop", "mine")
        harness.now += MISSED + 1
        harness.server.secrets["shop", "other"] = {"clientId": "other"}
        await harness.reader.read("shop", "other")
        harness.server.answers.append(FORBIDDEN)
        with pytest.raises(ClusterUnavailableError, match="asked once more"):
            await harness.reader.read("shop", "mine")

    async def test_a_refusal_after_a_missing_secret_is_a_first_refusal(self, harness: Harness) -> None:
        harness.server.answers.extend([MISSING, FORBIDDEN])
        await harness.problem()
        harness.now += RETRY_FIRST
        with pytest.raises(ClusterUnavailableError, match="asked once more"):
            await harness.reader.read("shop", "mine")

    async def test_a_broken_connection_is_a_temporary_error(self, harness: Harness) -> None:
        harness.server.answers.extend([RESET, RESET])  # aiohttp sends a GET twice by itself
        with pytest.raises(ClusterUnavailableError, match="cannot be reached"):
            await harness.reader.read("shop", "mine")
        assert (await harness.reader.read("shop", "mine"))["clientId"] == "one"

    @pytest.mark.parametrize(
        "answer",
        [
            Answer(500, status_of(500, "InternalError", "etcd")),
            Answer(429, status_of(429, "TooManyRequests", "storage is (re)initializing")),
            Answer(401, status_of(401, "Unauthorized", "Unauthorized")),
            Answer(404, "404 page not found", "text/plain"),
            Answer(404, "<html>Not found</html>", "text/html"),
            Answer(403, "<html>Forbidden</html>", "text/html"),
            Answer(200, "<html>Sign in</html>", "text/html"),
            Answer(200, "{", "application/json"),
            Answer(200, ["no", "Secret"]),
            Answer(200, {"kind": "Secret", "data": {"clientSecret": {CANARY: CANARY}}}),
            Answer(200, "binary", "application/octet-stream"),
        ],
        ids=lambda answer: f"{answer.status} {answer.content_type} {str(answer.body)[:12]}",
    )
    async def test_anything_else_is_a_temporary_error(
        self, harness: Harness, answer: Answer, caplog: pytest.LogCaptureFixture
    ) -> None:
        harness.server.answers.append(answer)
        with caplog.at_level(logging.DEBUG), pytest.raises(ClusterUnavailableError) as caught:
            await harness.reader.read("shop", "mine")
        assert CANARY not in "".join([*traceback.format_exception(caught.value), caplog.text])
        assert (await harness.reader.read("shop", "mine"))["clientId"] == "one", "and heals by itself"
