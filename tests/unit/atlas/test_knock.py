"""The check, without credentials, that Atlas answers."""

import pytest
from aiohttp import web

from atlas_endpoints.atlas.errors import AtlasError, AtlasUnavailableError, RateLimitedError
from unit.atlas.wire import client_of, serving

CHALLENGE = {"WWW-Authenticate": 'Digest realm="MMS Public API", domain="", nonce="n", algorithm=MD5, qop="auth"'}


async def knocked(answer: web.Response) -> list[web.Request]:
    calls = []

    async def handle(request: web.Request) -> web.StreamResponse:
        calls.append(request)
        return answer

    async with serving(handle) as url, client_of(url) as client:
        await client.check_reachable()
    return calls


async def test_a_refused_call_without_credentials_proves_that_atlas_answers() -> None:
    (call,) = await knocked(web.json_response({"error": 401}, status=401, headers=CHALLENGE))

    assert (call.method, call.path) == ("GET", "/api/atlas/v2")
    assert "Authorization" not in call.headers


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        pytest.param({"text": "welcome", "status": 200}, AtlasUnavailableError, id="a page"),
        pytest.param({"text": "<h1>no</h1>", "status": 404}, AtlasUnavailableError, id="a page that says no"),
        pytest.param({"status": 302, "headers": {"Location": "/login"}}, AtlasUnavailableError, id="a redirection"),
        pytest.param({"status": 503}, AtlasUnavailableError, id="an outage"),
        pytest.param({"status": 429}, RateLimitedError, id="a limit"),
    ],
)
async def test_any_other_answer_raises(answer: dict[str, object], raised: type[AtlasError]) -> None:
    with pytest.raises(raised) as caught:
        await knocked(web.Response(**answer))  # type: ignore[arg-type]  # as the table says
    assert type(caught.value) is raised
