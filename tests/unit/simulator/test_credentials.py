"""Who may do what, and from where."""

import pytest

from atlas_endpoints.simulator.auth import ApiKey
from unit.simulator.harness import OTHER_PROJECT, Atlas, collection, endpoint


@pytest.mark.parametrize(
    ("address", "allowed"),
    [("10.1.2.3", True), ("11.1.2.3", False), ("::ffff:10.1.2.3", True), ("fd00::1", True), ("fd01::1", False)],
)
def test_an_access_list_holds_networks_of_both_kinds(address: str, allowed: bool) -> None:
    key = {"publicKey": "k", "privateKey": "p", "accessList": ["10.0.0.0/8", "fd00::/16"]}

    assert ApiKey.model_validate(key).allows(address) == allowed


async def test_the_access_list_does_not_hold_for_getting_a_token(atlas: Atlas) -> None:
    assert await atlas.token("elsewhere")


async def test_who_does_not_say_who_he_is_gets_a_digest_challenge_over_several_lines(atlas: Atlas) -> None:
    answer = await atlas.http.get(collection())

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith('Digest realm="MMS Public API", domain="", nonce="')
    assert answer.headers["WWW-Authenticate"].endswith('", algorithm=MD5, qop="auth", stale=false')
    assert len(answer.text.splitlines()) > 1
    assert list(answer.json()) == ["error", "reason", "detail", "errorCode"]
    assert answer.json()["errorCode"] == "UNEXPECTED_ERROR"


async def test_a_stranger_learns_nothing_about_urls_or_versions(atlas: Atlas) -> None:
    answers = [
        await atlas.http.request(method, path)
        for method, path in [("PUT", collection()), ("GET", "/api/atlas/v2/none"), ("GET", endpoint(endpoint_id="x"))]
    ]

    assert {answer.status_code for answer in answers} == {401}


@pytest.mark.parametrize("token", ["made-up", "made up"])
async def test_a_made_up_token_is_refused_as_invalid(atlas: Atlas, token: str) -> None:
    answer = await atlas.http.get(collection(), headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]


async def test_removed_credentials_stop_working_at_once(atlas: Atlas) -> None:
    await atlas.token("owner")
    await atlas.control("credentials", {"remove": ["owner"]})

    assert (await atlas.call("GET", collection())).status_code == 401


async def test_a_role_can_be_given_while_a_token_is_in_use(atlas: Atlas) -> None:
    before = await atlas.call("GET", collection(project=OTHER_PROJECT))
    account = {"clientId": "owner", "clientSecret": "owner-secret", "roles": {OTHER_PROJECT: "GROUP_OWNER"}}

    await atlas.control("credentials", {"serviceAccounts": [account]})

    assert before.status_code == 401
    assert (await atlas.call("GET", collection(project=OTHER_PROJECT))).status_code == 200
