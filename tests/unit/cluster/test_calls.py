"""What becomes of the many ways in which a call to the API server can fail."""

import asyncio
import traceback
from typing import Any

import aiohttp
import pytest
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.client.rest import RESTClientObject

from atlas_endpoints.cluster import calls
from atlas_endpoints.cluster.calls import call
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from unit.cluster.api_server import HANG, RESET, Answer, ApiServer, serving, status_of

CANARY = "canary-4711"


async def read_secret(server: ApiServer, *, within: float = calls.TIMEOUT) -> Any:
    async with server.api() as api:
        return await call(api, "GET", ("api", "v1", "namespaces", "shop", "secrets", "mine"), within=within)


async def test_a_good_answer_is_returned(server: ApiServer) -> None:
    server.secrets["shop", "mine"] = {"clientId": "one"}
    assert (await read_secret(server))["data"] == {"clientId": "b25l"}


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 415, 422])
async def test_a_refusal_is_raised_to_the_caller(server: ApiServer, code: int) -> None:
    server.answers.append(Answer(code, status_of(code, "Reason", "words")))
    with pytest.raises(ApiException) as caught:
        await read_secret(server)
    assert caught.value.status == code


UNAVAILABLE = {
    "429, as an API server that starts": Answer(429, status_of(429, "TooManyRequests", "storage is (re)initializing")),
    "500": Answer(500, status_of(500, "InternalError", "etcdserver: request timed out")),
    "503 from a proxy, as HTML": Answer(503, "<html>", "text/html"),
    "200 with HTML": Answer(200, "<html>Sign in</html>", "text/html"),
    "200 with JSON that is cut off": Answer(200, f'{{"kind": "{CANARY}'),
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


async def test_a_call_that_hangs_times_out(server: ApiServer) -> None:
    server.answers.append(HANG)
    with pytest.raises(ClusterUnavailableError, match="cannot be reached: TimeoutError"):
        await read_secret(server, within=0.05)


def test_a_call_takes_no_longer_than_a_write_may() -> None:
    """The Lease's deadline counts on it."""
    assert calls.TIMEOUT == 15.0


@pytest.mark.parametrize("error", [aiohttp.ClientPayloadError(), ConnectionResetError()], ids=repr)
async def test_each_error_of_the_client_is_one_error(
    server: ApiServer, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def request(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(RESTClientObject, "request", request)
    with pytest.raises(ClusterUnavailableError, match=type(error).__name__):
        await read_secret(server)


async def test_a_cancelled_call_is_cancelled(server: ApiServer) -> None:
    server.answers.append(HANG)
    task = asyncio.create_task(read_secret(server))
    while not server.requests:  # noqa: ASYNC110  # the server is another's; it takes no event of ours
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
