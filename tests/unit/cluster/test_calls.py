"""What becomes of the many ways in which a call to the API server can fail."""

import traceback

import aiohttp
import pytest
from kubernetes.aio.client.rest import RESTClientObject

from atlas_endpoints.cluster import calls
from atlas_endpoints.cluster.calls import call
from atlas_endpoints.cluster.errors import ClusterUnavailableError, ClusterUnreachableError
from unit.cluster.api_server import HANG, RESET, Answer, ApiServer, serving, status_of

CANARY = "canary-4711"
STARTING = status_of(429, "TooManyRequests", "storage is (re)initializing")


async def read_secret(server: ApiServer, *, within: float = calls.TIMEOUT) -> None:
    async with server.api() as api:
        await call(api, "GET", ("api", "v1", "namespaces", "shop", "secrets", "mine"), within=within)


FAILURES = {
    "429, as an API server that starts": (Answer(429, STARTING), "answered 429"),
    "500": (Answer(500, status_of(500, "InternalError", "etcdserver: request timed out")), "answered 500"),
    "503 from a proxy, as HTML": (Answer(503, "<html>", "text/html"), "answered 503"),
    "200 with HTML": (Answer(200, "<html>Sign in</html>", "text/html"), "not the requested object"),
    "200 with JSON that is cut off": (Answer(200, f'{{"kind": "{CANARY}'), "not the requested object"),
    "200 with an unknown content type": (Answer(200, "?", "application/octet-stream"), "not the requested object"),
    "200 with nothing": (Answer(200, "", "text/plain"), "not the requested object"),
    "a connection that breaks": (RESET, "cannot be reached: ServerDisconnectedError"),
    "no answer": (HANG, "cannot be reached: TimeoutError"),
}


@pytest.mark.parametrize("case", FAILURES)
async def test_a_failure_is_one_error(server: ApiServer, case: str) -> None:
    answer, words = FAILURES[case]
    server.answers.extend([answer] * 2)  # aiohttp sends a GET twice by itself
    with pytest.raises(ClusterUnavailableError, match=words) as caught:
        await read_secret(server, within=0.5 if answer == HANG else calls.TIMEOUT)
    assert CANARY not in "".join(traceback.format_exception(caught.value))


async def test_a_server_that_is_not_there_is_one_error() -> None:
    async with serving() as server:
        pass
    with pytest.raises(ClusterUnreachableError, match="cannot be reached: Connection refused"):
        await read_secret(server)


@pytest.mark.parametrize("error", [aiohttp.ClientPayloadError(), ConnectionResetError()], ids=repr)
async def test_each_error_of_the_client_is_one_error(
    server: ApiServer, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def request(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(RESTClientObject, "request", request)
    with pytest.raises(ClusterUnreachableError, match=type(error).__name__):
        await read_secret(server)
