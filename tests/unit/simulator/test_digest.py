"""HTTP digest, asked by a client that is written here from RFC 7616 and shares nothing with the server."""

import hashlib
from dataclasses import dataclass, field
from typing import Any
from urllib.request import parse_http_list, parse_keqv_list

import httpx
import pytest

from unit.simulator.harness import ACCEPT, Atlas, collection, endpoint

BODY = b'{"providerName":"AWS","comment":"signed"}'


@dataclass
class DigestClient:
    """Signs requests one at a time, with the nonce and the counter that it is told to use."""

    atlas: Atlas
    user: str = "ownerkey"
    password: str = "owner-private"
    challenge: dict[str, str] = field(default_factory=dict)

    async def greet(self) -> dict[str, str]:
        answer = await self.atlas.http.get(collection())
        self.challenge = challenge_of(answer)
        return self.challenge

    async def send(
        self,
        count: int,
        method: str = "GET",
        path: str = collection(),
        *,
        body: bytes = b"",
        qop: str = "auth",
        changes: dict[str, str] | None = None,
    ) -> httpx.Response:
        signed = self.sign(count, method, path, body, qop) | (changes or {})
        header = "Digest " + ", ".join(f'{name}="{value}"' for name, value in signed.items())
        headers = {"Authorization": header, "Accept": ACCEPT, "Content-Type": "application/json"}
        return await self.atlas.http.request(method, path, content=body, headers=headers)

    def sign(self, count: int, method: str, path: str, body: bytes, qop: str) -> dict[str, str]:
        algorithm = self.challenge["algorithm"]

        def h(text: bytes) -> str:
            return {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm](text).hexdigest()

        nonce, nc, cnonce, realm = self.challenge["nonce"], f"{count:08x}", "0a4f113b", self.challenge["realm"]
        ha1 = h(f"{self.user}:{realm}:{self.password}".encode())
        ha2 = h(f"{method}:{path}".encode() + (b":" + h(body).encode() if qop == "auth-int" else b""))
        response = h(f"{ha1}:{nonce}:{nc}:{cnonce}:{qop}:{ha2}".encode())
        fields = {"username": self.user, "realm": realm, "nonce": nonce, "uri": path, "algorithm": algorithm}
        return fields | {"qop": qop, "nc": nc, "cnonce": cnonce, "response": response}


def challenge_of(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 401
    scheme, _, rest = answer.headers["WWW-Authenticate"].partition(" ")
    assert scheme == "Digest"
    return parse_keqv_list(parse_http_list(rest))


@pytest.fixture
async def client(atlas: Atlas) -> DigestClient:
    client = DigestClient(atlas)
    await client.greet()
    return client


async def test_a_body_that_travels_with_an_unsigned_request_is_not_acted_on(client: DigestClient) -> None:
    unsigned = await client.atlas.http.patch(endpoint(), content=BODY, headers={"Content-Type": "application/json"})
    before = (await client.atlas.show(endpoint()))["comment"]

    signed = await client.send(1, "PATCH", endpoint(), body=BODY)

    assert (unsigned.status_code, before) == (401, None)
    assert (signed.status_code, signed.json()["comment"]) == (200, "signed")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"response": "0" * 32}, id="a wrong response"),
        pytest.param({"response": ""}, id="an empty response"),
        pytest.param({"username": "nobody"}, id="an unknown key"),
        pytest.param({"username": "owner"}, id="a service account"),
        pytest.param({"uri": "/"}, id="another URL"),
        pytest.param({"nc": "1"}, id="a counter of another length"),
        pytest.param({"nc": "zzzzzzzz"}, id="a counter that is no number"),
        pytest.param({"qop": "auth-int"}, id="a protection that was not offered"),
        pytest.param({"algorithm": "SHA-256"}, id="an algorithm that was not offered"),
        pytest.param({"realm": "other"}, id="another realm"),
        pytest.param({"cnonce": ""}, id="no client nonce"),
    ],
)
async def test_a_wrong_signature_gets_a_new_challenge_that_is_not_stale(
    client: DigestClient, changes: dict[str, str]
) -> None:
    challenge = challenge_of(await client.send(1, changes=changes))

    assert challenge["stale"] == "false"
    assert challenge["nonce"] != client.challenge["nonce"]


@pytest.mark.parametrize("challenges", [False, True])
async def test_a_server_challenges_or_not_when_only_the_role_is_too_weak(
    client: DigestClient, challenges: bool
) -> None:
    await client.atlas.control("switches", {"challengeOnRole": challenges})
    client.user, client.password = "readerkey", "reader-private"

    answer = await client.send(1, "DELETE", endpoint())

    assert (answer.status_code, answer.json()["errorCode"]) == (401, "USER_UNAUTHORIZED")
    assert ("WWW-Authenticate" in answer.headers) == challenges


@pytest.mark.parametrize(
    ("rule", "counts", "statuses"),
    [
        pytest.param("any", [1, 2, 2, 1], [200, 200, 200, 200], id="nonce and counter may be used again"),
        pytest.param("rising", [1, 3, 2, 3, 4], [200, 200, 401, 401, 200], id="counters must rise"),
        pytest.param("unused", [1, 3, 2, 3, 4], [200, 200, 200, 401, 200], id="each counter once, in any order"),
    ],
)
async def test_a_server_has_a_rule_for_counters(
    client: DigestClient, rule: str, counts: list[int], statuses: list[int]
) -> None:
    await _digest(client, nonceCount=rule)

    assert [(await client.send(count)).status_code for count in counts] == statuses


async def test_a_nonce_that_is_too_old_is_stale(client: DigestClient) -> None:
    await _digest(client, nonceLifetime=10)
    client.atlas.clock.advance(10)
    in_time = await client.send(1)
    client.atlas.clock.advance(1)

    challenge = challenge_of(await client.send(2))
    client.challenge = challenge

    assert in_time.status_code == 200
    assert challenge["stale"] == "true"
    assert (await client.send(1)).status_code == 200


async def test_a_nonce_that_the_server_never_gave_is_stale_too(client: DigestClient) -> None:
    client.challenge["nonce"] = "f" * 32

    assert challenge_of(await client.send(1))["stale"] == "true"


@pytest.mark.parametrize("stale", [True, False])
async def test_a_refused_counter_is_stale_or_not_as_the_switch_says(client: DigestClient, stale: bool) -> None:
    await _digest(client, nonceCount="rising", staleOnReplay=stale)
    await client.send(1)

    assert challenge_of(await client.send(1))["stale"] == str(stale).lower()


async def test_a_time_bucket_repeats_its_nonce_and_the_next_one_has_another(client: DigestClient) -> None:
    await _digest(client, nonces="timeBucket", nonceBucket=10)

    first, again = await client.greet(), await client.greet()
    client.atlas.clock.advance(10)

    assert first["nonce"] == again["nonce"]
    assert (await client.greet())["nonce"] != first["nonce"]


async def test_a_repeated_nonce_remembers_its_counters(client: DigestClient) -> None:
    await _digest(client, nonces="timeBucket", nonceBucket=60, nonceCount="unused")
    await client.greet()
    await client.send(1)
    await client.greet()

    assert (await client.send(1)).status_code == 401
    assert (await client.send(2)).status_code == 200


async def test_a_repeated_nonce_is_never_handed_out_with_its_life_half_over(client: DigestClient) -> None:
    await _digest(client, nonces="timeBucket", nonceBucket=600, nonceLifetime=10)
    for _ in range(3):
        await client.greet()
        client.atlas.clock.advance(10)
        assert (await client.send(1)).status_code == 200


async def test_sha_256_is_offered_and_checked(client: DigestClient) -> None:
    await _digest(client, algorithm="SHA-256")
    old = await client.send(1)

    assert old.status_code == 401
    assert (await client.greet())["algorithm"] == "SHA-256"
    assert (await client.send(1)).status_code == 200


@pytest.mark.parametrize(
    ("offered", "chosen"), [("auth,auth-int", "auth"), ("auth,auth-int", "auth-int"), ("auth-int", "auth-int")]
)
async def test_the_body_may_be_protected_too(client: DigestClient, offered: str, chosen: str) -> None:
    await _digest(client, qop=offered)
    assert (await client.greet())["qop"] == offered

    answer = await client.send(1, "PATCH", endpoint(), body=BODY, qop=chosen)

    assert answer.status_code == 200


async def test_a_protected_body_that_was_changed_is_refused(client: DigestClient) -> None:
    await _digest(client, qop="auth-int")
    await client.greet()
    signed = client.sign(1, "PATCH", endpoint(), BODY, "auth-int")

    answer = await client.send(1, "PATCH", endpoint(), body=b'{"providerName":"AWS"}', qop="auth-int", changes=signed)

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("quoting", "ending"),
    [
        ("standard", '", algorithm=MD5, qop="auth", stale=false'),
        ("all", '", algorithm="MD5", qop="auth", stale="false"'),
        ("none", ", algorithm=MD5, qop=auth, stale=false"),
    ],
)
async def test_the_fields_are_quoted_as_the_switch_says(client: DigestClient, quoting: str, ending: str) -> None:
    await _digest(client, quoting=quoting)

    header = (await client.atlas.http.get(collection())).headers["WWW-Authenticate"]
    await client.greet()

    assert header.endswith(ending)
    assert (await client.send(1)).status_code == 200


async def test_the_header_of_mongodbs_own_client_is_understood(client: DigestClient) -> None:
    signed = client.sign(1, "GET", collection(), b"", "auth")
    bare = {"qop", "nc"}
    fields = (f"{name}={value}" if name in bare else f'{name}="{value}"' for name, value in signed.items())

    headers = {"Authorization": "Digest " + ", ".join(fields), "Accept": ACCEPT}
    answer = await client.atlas.http.get(collection(), headers=headers)

    assert answer.status_code == 200


async def test_httpx_as_it_comes_gets_through(atlas: Atlas) -> None:
    auth = httpx.DigestAuth("ownerkey", "owner-private")

    answers = [await atlas.http.get(collection(), auth=auth, headers={"Accept": ACCEPT}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert [entry["status"] for entry in await atlas.control("requests")] == [401, 200, 200, 200]


async def _digest(client: DigestClient, **switches: Any) -> None:
    await client.atlas.control("switches", {"digest": switches})
