"""The token endpoint."""

import base64
from typing import Any
from urllib.parse import quote_plus

import httpx
import pytest

from unit.simulator.harness import ACCEPT, Atlas, collection, start

FORM = {"grant_type": "client_credentials"}


async def test_a_token_is_refused_once_its_life_is_over(atlas: Atlas) -> None:
    await atlas.control("switches", {"oauth": {"expiresIn": 5}})
    answer = (await _ask(atlas)).json()
    token = answer["access_token"]
    atlas.clock.advance(4)
    before = await _use(atlas, token)
    atlas.clock.advance(1)

    assert answer["expires_in"] == 5
    assert before.status_code == 200
    assert (await _use(atlas, token)).status_code == 401


@pytest.mark.parametrize(
    ("request_", "status", "error"),
    [
        pytest.param({"auth": ("owner", "wrong")}, 401, "invalid_client", id="a wrong secret"),
        pytest.param({"auth": ("nobody", "owner-secret")}, 401, "invalid_client", id="an unknown client"),
        pytest.param({"auth": ("ownerkey", "owner-private")}, 401, "invalid_client", id="an API key"),
        pytest.param({"auth": None}, 401, "invalid_client", id="no credentials"),
        pytest.param({"auth": None, "headers": {"Authorization": "Basic ???"}}, 401, "invalid_client", id="garbage"),
        pytest.param({"data": {}}, 400, "invalid_request", id="no form"),
        pytest.param({"data": {"a": "b"}}, 400, "invalid_request", id="no grant type"),
        pytest.param({"data": {"grant_type": "password"}}, 400, "unsupported_grant_type", id="another grant type"),
        pytest.param({"data": None, "json": FORM}, 400, "invalid_request", id="JSON"),
    ],
)
async def test_a_bad_request_gets_an_error_in_the_shape_of_oauth(
    atlas: Atlas, request_: dict[str, Any], status: int, error: str
) -> None:
    answer = await _ask(atlas, **request_)

    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert sorted(answer.json()) == ["error", "error_description"]


async def test_more_than_ten_requests_a_minute_get_429_in_the_shape_of_the_api(atlas: Atlas) -> None:
    answers = [await _ask(atlas) for _ in range(11)]

    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert answers[-1].json() == {
        "detail": "Resource /api/oauth/token is limited to 10 requests every 1 minutes.",
        "error": 429,
        "errorCode": "RATE_LIMITED",
        "parameters": ["/api/oauth/token", 10, 1],
        "reason": "Too Many Requests",
    }
    assert "Retry-After" not in answers[-1].headers


async def test_the_quota_is_counted_for_each_client_and_begins_anew_after_a_minute(atlas: Atlas) -> None:
    await atlas.control("switches", {"oauth": {"requestsPerMinute": 1}})
    first, second = await _ask(atlas, auth=("owner", "wrong")), await _ask(atlas)
    other = await _ask(atlas, auth=("reader", "reader-secret"))
    atlas.clock.advance(60)

    assert [first.status_code, second.status_code, other.status_code] == [401, 429, 200]
    assert (await _ask(atlas)).status_code == 200


async def test_the_101st_live_token_is_denied_until_one_expires(atlas: Atlas) -> None:
    await atlas.control("switches", {"oauth": {"requestsPerMinute": None}})
    for _ in range(100):
        assert (await _ask(atlas)).status_code == 200

    denied = await _ask(atlas)
    atlas.clock.advance(3600)

    assert (denied.status_code, denied.json()["error"]) == (403, "access_denied")
    assert (await _ask(atlas)).status_code == 200


async def test_only_a_post_of_a_form_with_the_grant_gets_a_token(atlas: Atlas) -> None:
    auth = ("owner", "owner-secret")
    answer = await atlas.http.post("/api/oauth/token", auth=auth, data={"a": "b"})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert (await atlas.http.get("/api/oauth/token")).status_code == 405
    assert (await atlas.http.post("/api/oauth/revoke", auth=auth, data=FORM)).status_code == 404


async def test_while_a_secret_is_rotated_both_are_valid(atlas: Atlas) -> None:
    account = {"clientId": "owner", "clientSecrets": ["owner-secret", "new-secret"], "roles": "*"}
    await atlas.control("credentials", {"serviceAccounts": [account]})

    old, new = await _ask(atlas), await _ask(atlas, auth=("owner", "new-secret"))
    await atlas.control("credentials", {"serviceAccounts": [account | {"clientSecrets": ["new-secret"]}]})

    assert (old.status_code, new.status_code) == (200, 200)
    assert (await _ask(atlas)).status_code == 401
    assert (await _use(atlas, old.json()["access_token"])).status_code == 200  # a token outlives its secret


@pytest.mark.parametrize(("revoke", "status"), [(True, 401), (["owner"], 401), (["reader"], 200)])
async def test_the_control_api_revokes_tokens(atlas: Atlas, revoke: bool | list[str], status: int) -> None:
    token = await atlas.token()

    await atlas.control("credentials", {"revokeTokens": revoke})

    assert (await _use(atlas, token)).status_code == status


async def test_credentials_escaped_as_mongodbs_own_client_does_are_understood() -> None:
    secret = "a b+c/%="
    seed = {"serviceAccounts": [{"clientId": "odd id", "clientSecret": secret, "roles": "*"}]}
    async with start(seed) as atlas:
        basic = base64.b64encode(f"{quote_plus('odd id')}:{quote_plus(secret)}".encode()).decode()
        escaped = await _ask(atlas, auth=None, headers={"Authorization": f"Basic {basic}"})
        plain = await _ask(atlas, auth=("odd id", secret))

    assert (escaped.status_code, plain.status_code) == (200, 200)


async def _ask(atlas: Atlas, **changes: Any) -> httpx.Response:
    return await atlas.http.post("/api/oauth/token", **({"auth": ("owner", "owner-secret"), "data": FORM} | changes))


async def _use(atlas: Atlas, token: str) -> httpx.Response:
    return await atlas.http.get(collection(), headers={"Authorization": f"Bearer {token}", "Accept": ACCEPT})
