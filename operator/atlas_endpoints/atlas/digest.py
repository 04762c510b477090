"""HTTP digest (RFC 7616) for API keys, safe to share by concurrent calls.

Atlas asks for MD5 with ``qop="auth"``, and does not document how it issues nonces. httpx's own ``DigestAuth`` costs a challenge for
each concurrent first call, resets the count of a nonce when it retries, and fails with servers that insist on rising counts. This
one supports these.
"""

import asyncio
import hashlib
import secrets
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from urllib.request import parse_http_list

import httpx
from typing_extensions import override

from atlas_endpoints.atlas.answers import refuses_credentials
from atlas_endpoints.atlas.credentials import ApiKey
from atlas_endpoints.atlas.errors import AtlasUnavailableError, Explanation

_ATTEMPTS = 4
"""Signed requests of one call: the first, and three with the challenges of refusals."""

_HASHES: dict[str, Callable[[bytes], "hashlib._Hash"]] = {
    "MD5": partial(hashlib.md5, usedforsecurity=False),  # what Atlas asks for; TLS protects it
    "SHA-256": hashlib.sha256,
}

_MOST_CHALLENGES = 8
"""Headers with challenges that are parsed; the HTTP library limits each to 8 kB."""

_NO_CHALLENGE = "Atlas refuses the call without asking for a digest, which API keys need; check {atlas_url} and the proxies on the way."

_UNSUPPORTED = (
    "Atlas requests a kind of digest that is not supported: neither MD5 nor SHA-256, or without the qop auth."
)


@dataclass(slots=True)
class _Challenge:
    """A challenge of the server, with our own nonce and the number of requests that were signed with it."""

    realm: str
    nonce: str
    algorithm: str | None
    opaque: str | None
    stale: bool
    cnonce: str = field(default_factory=lambda: secrets.token_hex(16))
    count: int = 0


class DigestAuth(httpx.Auth):
    """Signs requests with an API key; a call costs one request as long as its nonce lasts.

    Concurrent calls share a nonce that has worked once; until then, one call at a time requests and tries one. A refused call goes
    on with the nonce of the refusal, and shares it when it works. The 401 is returned, which means that the credentials are
    refused, when a nonce of this call alone was refused at its first count, and the server did not call it stale.
    """

    def __init__(self, credentials: ApiKey) -> None:
        self._credentials = credentials
        self._shared: _Challenge | None = None
        self._handshake = asyncio.Lock()

    @override
    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        async with AsyncExitStack() as handshake:
            if self._shared is None:
                await handshake.enter_async_context(self._handshake)
            challenge = self._shared
            if challenge is None:
                response = yield request
                if response.status_code != httpx.codes.UNAUTHORIZED:
                    return
                challenge = _challenge_in(response)
                if challenge is None:
                    raise _unavailable(request, _NO_CHALLENGE)
            else:
                await handshake.aclose()  # another call has shared a nonce
            for _ in range(_ATTEMPTS):
                challenge.count += 1
                is_first = challenge.count == 1
                request.headers["Authorization"] = _authorization(self._credentials, challenge, request)
                response = yield request
                if not refuses_credentials(response.status_code, response.content):
                    self._shared = challenge
                    return
                offered = _challenge_in(response)
                if is_first and not (offered and offered.stale):
                    self._shared = None
                    return
                if offered is None:
                    break
                if offered.nonce != challenge.nonce:  # else its count goes on
                    challenge = offered
            self._shared = None
            raise _unavailable(request, "Atlas refuses each digest nonce. {retry}")


def _challenge_in(response: httpx.Response) -> _Challenge | None:
    """Return the first supported challenge, or None without a digest; raises if all digests are of other kinds."""
    headers = response.headers.get_list("www-authenticate")[:_MOST_CHALLENGES]
    digests = [fields for header in headers if (fields := _digest_fields(header))]
    for fields in digests:
        algorithm, offered = fields.get("algorithm"), fields.get("qop", "").replace(",", " ").lower().split()
        if (algorithm or "MD5").upper() in _HASHES and "nonce" in fields and "auth" in offered:
            return _Challenge(
                realm=fields.get("realm", ""),
                nonce=fields["nonce"],
                algorithm=algorithm,
                opaque=fields.get("opaque"),
                stale=fields.get("stale", "").lower() == "true",
            )
    if digests:
        raise _unavailable(response.request, _UNSUPPORTED)
    return None


def _digest_fields(header: str) -> dict[str, str]:
    """Return the fields of a digest challenge; none for another scheme, and for fields that no header can carry."""
    scheme, _, fields = header.partition(" ")
    if scheme.lower() != "digest" or not (header.isascii() and header.isprintable()):
        return {}
    pairs = (item.partition("=") for item in parse_http_list(fields))
    return {key.strip().lower(): value.strip().removeprefix('"').removesuffix('"') for key, _, value in pairs}


def _authorization(credentials: ApiKey, challenge: _Challenge, request: httpx.Request) -> str:
    hashed = _HASHES[(challenge.algorithm or "MD5").upper()]

    def digest(*parts: str) -> str:
        return hashed(":".join(parts).encode()).hexdigest()

    uri = request.url.raw_path.decode("ascii")
    secret = digest(credentials.identity, challenge.realm, credentials.secret)
    signed = digest(request.method, uri)
    count = f"{challenge.count:08x}"
    response = digest(secret, challenge.nonce, count, challenge.cnonce, "auth", signed)
    fields = [
        f"username={_quoted(credentials.identity)}",
        f"realm={_quoted(challenge.realm)}",
        f"nonce={_quoted(challenge.nonce)}",
        f"uri={_quoted(uri)}",
        f'response="{response}"',
        "qop=auth",
        f"nc={count}",
        f'cnonce="{challenge.cnonce}"',
    ]
    if challenge.algorithm:
        fields.append(f"algorithm={challenge.algorithm}")
    if challenge.opaque is not None:
        fields.append(f"opaque={_quoted(challenge.opaque)}")
    return "Digest " + ", ".join(fields)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unavailable(request: httpx.Request, template: str) -> AtlasUnavailableError:
    return AtlasUnavailableError(Explanation(template), operation=request.extensions["operation"], http_status=401)
