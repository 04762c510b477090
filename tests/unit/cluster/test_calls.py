"""What becomes of the many ways in which a call to the API server can fail."""

import asyncio
import traceback

import aiohttp
import pytest
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster import calls
from atlas_endpoints.cluster.calls import call
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from unit.cluster.api_server import HANG, RESET, Answer, ApiServer, serving, status_of

CANARY = "canary-4711"


async def read_secret(server: ApiServer, *, within: float = calls.TIMEOUT) -> client.V1Secret:
    async with server.api() as api:
        return await call(client.CoreV1Api(api).read_namespaced_secret("mine", "shop"), within=within)


async def test_a_good_answer_is_handed_on(server: ApiServer) -> None:
    server.secrets["shop", "mine"] = {"clientId": "one"}
    assert (await read_secret(server)).data == {"clientId": "b25l"}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 415, 422])
async def test_a_refusal_is_for_the_caller_to_understand(server: ApiServer, status: int) -> None:
    server.answers.append(Answer(status, status_of(status, "Reason", "words")))
    with pytest.raises(ApiException) as caught:
        await read_secret(server)
    assert caught.value.status == status


UNAVAILABLE = {
    "429, as an API server that starts": Answer(429, status_of(429, "TooManyRequests", "storage is (re)initializing")),
    "500": Answer(500, status_of(500, "InternalError", "etcdserver: request timed out")),
    "503 from a proxy, as HTML": Answer(503, "<html>", "text/html"),
    "200 with HTML": Answer(200, "<html>Sign in</html>", "text/html"),
    "200 with JSON that is cut off": Answer(200, '{"kind": "Sec'),
    "200 with another object": Answer(200, ["a list"]),
    "200 with values of a wrong type": Answer(200, {"kind": "Secret", "data": {"clientSecret": {CANARY: CANARY}}}),
    "200 with an unknown content type": Answer(200, "binary", "application/octet-stream"),
    "200 with nothing": Answer(200, "", "text/plain"),
}


@pytest.mark.parametrize("answer", UNAVAILABLE)
async def test_anything_else_is_one_error(server: ApiServer, answer: str) -> None:
    server.answers.append(UNAVAILABLE[answer])
    with pytest.raises(ClusterUnavailableError) as caught:
        await read_secret(server)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


async def test_a_connection_that_breaks_is_one_error(server: ApiServer) -> None:
    server.answers.extend([RESET, RESET])  # aiohttp sends a GET twice by itself
    with pytest.raises(ClusterUnavailableError, match="cannot be reached: ServerDisconnectedError"):
        await read_secret(server)


async def test_a_server_that_is_not_there_is_one_error() -> None:
    async with serving() as server:
        pass
    with pytest.raises(ClusterUnavailableError, match="cannot be reached: Connection refused"):
        await read_secret(server)


async def test_a_call_that_hangs_is_given_up(server: ApiServer) -> None:
    server.answers.append(HANG)
    with pytest.raises(ClusterUnavailableError, match="cannot be reached: TimeoutError"):
        await read_secret(server, within=0.05)


def test_a_call_is_bounded_as_every_write_has_to_be() -> None:
    """The Lease's deadline counts on it."""
    assert calls.TIMEOUT == 15.0


@pytest.mark.parametrize("error", [aiohttp.ClientPayloadError(), ConnectionResetError(), TimeoutError()], ids=repr)
async def test_whatever_the_client_lets_through_is_one_error(error: Exception) -> None:
    async def request() -> None:
        raise error

    with pytest.raises(ClusterUnavailableError, match=type(error).__name__):
        await call(request())


async def test_who_is_cancelled_is_cancelled(server: ApiServer) -> None:
    server.answers.append(HANG)
    task = asyncio.create_task(read_secret(server))
    while not server.requests:  # noqa: ASYNC110  # the server is another's; it takes no event of ours
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
