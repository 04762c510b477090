"""HTTP digest, against a server that verifies signatures, nonces and counts."""

import asyncio
import hashlib
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_endpoints.atlas.client import AtlasClient
from atlas_endpoints.atlas.credentials import ApiKey
from atlas_endpoints.atlas.errors import AtlasError, AtlasUnavailableError, MissingRoleError
from support.listing import list_endpoints
from unit.atlas.wire import Atlas, client_of, get, patch

PUBLIC_KEY = "abcdefgh"
PRIVATE_KEY = "11111111-2222-3333-4444-555555555555"
KEY = ApiKey(PUBLIC_KEY, PRIVATE_KEY)
CONCURRENT = 16
ROUNDS = 10
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclass
class DigestServer(Atlas):
    """A server that can be as particular about nonces and counts as real ones are.

    It shares nothing with the client: it verifies each signature by its own reading of RFC 7616.
    """

    algorithm: str | None = "MD5"
    qop: str = "auth"
    quoted: bool | None = False
    """Whether all fields have quotes, only some (False), or none (None)."""
    private_key: str = PRIVATE_KEY
    nonce_lasts: int | None = None
    """Number of signed requests after which a nonce is refused; None: for ever."""
    shared_nonce_for: int | None = None
    """One nonce for everybody, and a new one after so many requests; None: a nonce for each challenge."""
    counts: str = "any"
    """any, unused (each at most once) or rising (each above the last one)."""
    says_stale: bool = True
    """Whether a refusal for the nonce or its count is marked stale=true."""
    shuffles: bool = False
    """Whether concurrent requests overtake each other."""
    refuses_role: bool = False
    """Whether good requests get a 401 for the role, with a challenge."""

    used: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    _issued: int = 0
    _random: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311  # shuffles requests

    def __post_init__(self) -> None:
        self.answer = self._verify

    @property
    def unsigned(self) -> int:
        """The number of calls without a signature."""
        return sum("Authorization" not in each.headers for each in self.calls)

    async def _verify(self, request: httpx.Request) -> httpx.Response:
        if self.shuffles:
            for _ in range(self._random.randrange(20)):
                await asyncio.sleep(0)
        header = request.headers.get("Authorization")
        if header is None:
            return self._challenge(stale=False)
        fields = {
            match[1]: match[2].strip('"') for match in re.finditer(r'(\w+)=("[^"]*"|[^,\s]+)', header.partition(" ")[2])
        }
        is_signed = self._is_signed(fields, request)
        if not is_signed or not self._is_fresh(fields["nonce"], int(fields["nc"], 16)):
            return self._challenge(stale=is_signed and self.says_stale)
        if self.refuses_role:
            return self._challenge(stale=False, code="USER_UNAUTHORIZED")
        return httpx.Response(200, json=[])

    def current_nonce(self) -> str:
        if self.shared_nonce_for is not None:
            return f"shared-{len(self.calls) // self.shared_nonce_for}"
        self._issued += 1
        return f"own-{self._issued}"

    def _challenge(self, *, stale: bool, code: str = "UNEXPECTED_ERROR") -> httpx.Response:
        fields = ['realm="MMS Public API"', 'domain=""', f'nonce="{self.current_nonce()}"', f'qop="{self.qop}"']
        if self.algorithm:
            fields.append(f'algorithm="{self.algorithm}"' if self.quoted else f"algorithm={self.algorithm}")
        fields.append(('stale="%s"' if self.quoted else "stale=%s") % str(stale).lower())
        fields.append('opaque="a, \\"b\\""')
        if self.quoted is None:
            fields = [field.replace('"', "") for field in fields[:-1]]
        headers = {"WWW-Authenticate": "Digest " + ", ".join(fields)}
        return httpx.Response(401, json={"error": 401, "errorCode": code, "detail": "Refused."}, headers=headers)

    def _is_signed(self, fields: dict[str, str], request: httpx.Request) -> bool:
        target = request.extensions.get("target") or request.url.raw_path.decode()
        hashed = _HASHES[self.algorithm or "MD5"]

        def digest(*parts: str) -> str:
            return hashed(":".join(parts).encode()).hexdigest()

        secret = digest(PUBLIC_KEY, "MMS Public API", self.private_key)
        signed = digest(request.method, target)
        response = digest(secret, fields["nonce"], fields["nc"], fields["cnonce"], "auth", signed)
        sent = fields["username"], fields["uri"], fields["qop"], fields["response"]
        return sent == (PUBLIC_KEY, target, "auth", response)

    def _is_fresh(self, nonce: str, count: int) -> bool:
        used = self.used[nonce]
        if self.nonce_lasts is not None and len(used) >= self.nonce_lasts:
            return False
        if self.shared_nonce_for is not None and nonce != self.current_nonce():
            return False
        if (self.counts == "unused" and count in used) or (self.counts == "rising" and count <= max(used, default=0)):
            return False
        used.add(count)
        return True


SERVERS: dict[str, dict[str, Any]] = {
    "a nonce that lasts": {},
    "quoted fields": {"quoted": True},
    "fields without quotes": {"quoted": None},
    "a choice of protection": {"qop": "auth,auth-int"},
    "no algorithm named": {"algorithm": None},
    "SHA-256": {"algorithm": "SHA-256", "quoted": True},
    "strictly rising counts": {"counts": "rising", "shuffles": True},
    "strictly rising counts, never called stale": {"counts": "rising", "shuffles": True, "says_stale": False},
    "counts that may be used once": {"counts": "unused", "shuffles": True},
    "a nonce for one request only": {"nonce_lasts": 1, "shuffles": True},
    "a nonce for ten requests": {"nonce_lasts": 10, "shuffles": True},
    "a nonce for ten requests, never called stale": {"nonce_lasts": 10, "shuffles": True, "says_stale": False},
    "one nonce for everybody": {"shared_nonce_for": 10**9, "counts": "unused", "shuffles": True},
    "one nonce for everybody for a while": {"shared_nonce_for": 50, "shuffles": True},
}


async def call(client: AtlasClient, credentials: ApiKey = KEY) -> str:
    try:
        await patch(client, credentials)
    except AtlasError as error:
        return type(error).__name__
    return "ok"


async def many(client: AtlasClient, rounds: int = ROUNDS, credentials: ApiKey = KEY) -> Counter[str]:
    """Calls by sixteen callers that do not wait for each other."""
    outcomes: Counter[str] = Counter()

    async def caller() -> None:
        for _ in range(rounds):
            outcomes[await call(client, credentials)] += 1

    await asyncio.gather(*(caller() for _ in range(CONCURRENT)))
    return outcomes


def refusing(*challenges: str) -> Atlas:
    """Refuse everything with these challenges."""
    headers = [(b"WWW-Authenticate", challenge.encode("latin-1")) for challenge in challenges]
    return Atlas(lambda _: httpx.Response(401, headers=headers, json={"error": 401, "errorCode": "UNEXPECTED_ERROR"}))


@pytest.mark.parametrize("name", SERVERS)
async def test_every_concurrent_call_succeeds_with(name: str) -> None:
    server = DigestServer(**SERVERS[name])
    async with server.client() as client:
        assert await many(client) == {"ok": CONCURRENT * ROUNDS}


async def test_concurrent_first_calls_cost_one_challenge_and_later_calls_one_request() -> None:
    server = DigestServer()
    async with server.client() as client:
        assert await many(client, rounds=1) == {"ok": CONCURRENT}
        for _ in range(10):
            assert await call(client) == "ok"
    assert (server.unsigned, len(server.calls)) == (1, CONCURRENT + 11)


WRONG: dict[str, dict[str, Any]] = {
    "own nonces": {},
    "rising counts": {"counts": "rising", "says_stale": False},
    "a nonce for one request": {"nonce_lasts": 1},
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_wrong_private_key_is_distinguished_from_a_bad_nonce_with(name: str) -> None:
    server = DigestServer(**WRONG[name])
    async with server.client() as client:
        for calls in range(1, 4):
            assert await call(client, ApiKey(PUBLIC_KEY, "wrong")) == "CredentialsInvalidError"
            assert len(server.calls) == calls * 2


@pytest.mark.parametrize("name", WRONG)
async def test_a_key_that_is_revoked_between_calls_is_refused_with(name: str) -> None:
    server = DigestServer(**WRONG[name])
    async with server.client() as client:
        assert await many(client, rounds=2) == {"ok": 2 * CONCURRENT}
        server.private_key, kept = "revoked", server.private_key
        assert await many(client, rounds=1) == {"CredentialsInvalidError": CONCURRENT}
        server.private_key = kept
        assert await many(client, rounds=2) == {"ok": 2 * CONCURRENT}


async def test_a_missing_role_with_a_challenge_costs_one_request_for_each_call() -> None:
    server = DigestServer(refuses_role=True)
    async with server.client() as client:
        for _ in range(10):
            with pytest.raises(MissingRoleError, match="Project Owner"):
                await patch(client, KEY)
    assert len(server.calls) == 11


async def test_a_server_that_calls_every_nonce_stale_is_unavailable() -> None:
    server = DigestServer(nonce_lasts=0)
    async with server.client() as client:
        assert await call(client) == "AtlasUnavailableError"
    assert len(server.calls) == 5


@pytest.mark.parametrize("name", ["we ird", "ä/b", "a'(1)*!$&,;=:@+~", "%41", "a?b#c", "a\tb"])
async def test_the_signed_path_is_the_sent_path_for(name: str) -> None:
    server = DigestServer()
    async with server.serving() as url, client_of(url) as client:
        assert (await list_endpoints(client, KEY, "5f7cac1adf5d6c6306f4b283", name)).entries == {}
    (target,) = {each.extensions["target"] for each in server.calls}
    assert unquote(target).split("/")[-2] == name.rsplit("/", 1)[-1]


async def test_a_hanging_first_call_does_not_block_the_next_one() -> None:
    server, hanging = DigestServer(), asyncio.Event()

    async def hangs(_: httpx.Request) -> httpx.Response:
        hanging.set()
        await asyncio.Event().wait()
        raise AssertionError

    server.once(hangs)
    async with server.client() as client:
        first = asyncio.create_task(get(client, KEY))
        await hanging.wait()
        second = asyncio.create_task(call(client))
        first.cancel()
        assert await second == "ok"
        with pytest.raises(asyncio.CancelledError):
            await first


@pytest.mark.parametrize("calls_before", [0, 1])
async def test_a_refusal_without_a_challenge_is_final_only_for_a_fresh_nonce(calls_before: int) -> None:
    server = DigestServer()
    verify = server.answer

    def refuses(request: httpx.Request) -> Any:
        bare = httpx.Response(401, json={"errorCode": "UNEXPECTED_ERROR"})
        return bare if "Authorization" in request.headers else verify(request)

    async with server.client() as client:
        for _ in range(calls_before):
            assert await call(client) == "ok"
        server.answer = refuses
        assert await call(client) == ("AtlasUnavailableError" if calls_before else "CredentialsInvalidError")
        server.answer = verify
        assert await call(client) == "ok"


CHALLENGES: dict[str, tuple[list[str], str]] = {
    "an unknown algorithm": (['Digest realm="r", nonce="n", algorithm=SHA-512-256, qop="auth"'], "not supported"),
    "protection of the body alone": (['Digest realm="r", nonce="n", qop="auth-int"'], "not supported"),
    "no protection, as in RFC 2069": (['Digest realm="r", nonce="n"'], "not supported"),
    "no nonce": (['Digest realm="r", qop="auth"'], "not supported"),
    "another scheme": (['Basic realm="r"'], "without asking for a digest"),
    "no challenge": ([], "without asking for a digest"),
    "garbage": (["Digest", "Digests a=b"], "without asking for a digest"),
    "what no header may carry": (['Digest realm="\xe9", nonce="n"'], "without asking for a digest"),
}


@pytest.mark.parametrize("name", CHALLENGES)
async def test_an_unsupported_challenge_is_explained_for(name: str) -> None:
    challenges, words = CHALLENGES[name]
    async with refusing(*challenges).client() as client:
        with pytest.raises(AtlasUnavailableError, match=words) as raised:
            await patch(client, KEY)
    assert raised.value.http_status == 401
    assert not raised.value.unknown_outcome


@pytest.mark.parametrize("field", ["algorithm", "qop"])
async def test_a_challenge_that_echoes_the_signature_shows_nothing_of_it(field: str) -> None:
    """People read the error in a status; and it is short, however much a challenge holds."""
    signatures: list[str] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        signed = re.findall(r'(?:response|cnonce)="(\w+)"', request.headers.get("Authorization", ""))
        signatures.extend(signed)
        echo = f', {field}="{" ".join((*signed, "x" * 8000))}"' if signed else ', qop="auth"'
        return httpx.Response(401, headers=[("WWW-Authenticate", f'Digest realm="r", nonce="n"{echo}')] * 8)

    async with Atlas(refuse).client() as client:
        with pytest.raises(AtlasUnavailableError, match="not supported") as raised:
            await get(client, KEY)
    assert len(signatures) == 2
    assert not [each for each in signatures if each[:8] in raised.value.message]
    assert len(raised.value.message) < 1000


@pytest.mark.parametrize(
    "challenges",
    [
        ['Basic realm="r"', 'Digest realm="r", nonce="right", qop="auth,auth-int"'],
        [
            f'Digest realm="r", nonce="{nonce}", algorithm={hash_}, qop=auth'
            for nonce, hash_ in (("odd", "SHA-1"), ("right", "md5"))
        ],
        ["digest nonce=right,REALM=r,QOP=AUTH"],
    ],
)
async def test_the_first_supported_challenge_is_used(challenges: list[str]) -> None:
    atlas = refusing(*challenges)
    async with atlas.client() as client:
        assert await call(client) == "CredentialsInvalidError"
    assert 'nonce="right"' in atlas.calls[-1].headers["Authorization"]


@settings(deadline=None)  # a loaded machine is no failure
@given(st.lists(st.text(st.characters(codec="latin-1", exclude_characters="\r\n")), max_size=3))
async def test_any_challenge_raises_only_atlas_errors(challenges: list[str]) -> None:
    async with refusing(*(f"Digest {challenge}" for challenge in challenges)).client() as client:
        assert (await call(client)).endswith("Error")
