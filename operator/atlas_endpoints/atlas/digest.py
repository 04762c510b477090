"""HTTP digest (RFC 7616) for API keys, safe to share by concurrent calls.

httpx's own ``DigestAuth`` costs a challenge for each concurrent first call, resets the count of a nonce when it retries, and
fails with servers that insist on rising counts or issue one nonce to everybody for a while. Atlas does not document how it
issues nonces, so this one supports all of these.
"""

import asyncio
import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

import httpx
from typing_extensions import override

from atlas_endpoints.atlas.answers import AUTHENTICATED, error_body_from
from atlas_endpoints.atlas.credentials import ApiKey
from atlas_endpoints.atlas.errors import ATLAS_ADDRESS, AtlasUnavailableError

_ATTEMPTS = 4
"""Signed requests of one call: the first, and three with the challenges of refusals."""

_REMEMBERED_NONCES = 64
"""A server that issues one nonce to everybody repeats it, so the counts of the latest nonces are kept."""

_FAR = 1 << 24
"""A count that no client reaches by counting."""

_HASHES: dict[str, Callable[[bytes], "hashlib._Hash"]] = {
    "MD5": partial(hashlib.md5, usedforsecurity=False),  # what Atlas asks for; TLS protects it
    "SHA-256": hashlib.sha256,
}

_SCHEME_OR_FIELD = re.compile(  # from the beginning of a word, else a long one takes quadratic time
    r"(?<![\w-])(?:(?P<scheme>[\w-]+)\s+(?=[\w-]+\s*=)"
    r'|(?P<key>[\w-]+)\s*=\s*(?:"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<token>[^\s,]*)))'
)

_MOST_CHALLENGES = 8
"""Headers with challenges that are parsed; the HTTP library limits each to 8 kB."""


@dataclass(frozen=True, slots=True)
class _Challenge:
    """A challenge of the server, with our own nonce, since a session algorithm (``-sess``) binds the two."""

    realm: str
    nonce: str
    algorithm: str | None
    qop: str | None
    opaque: str | None
    stale: bool
    cnonce: str = field(default_factory=lambda: secrets.token_hex(16))


class DigestAuth(httpx.Auth):
    """Signs requests with an API key; a call costs one request as long as its nonce lasts.

    Concurrent calls share a nonce that has worked once; until then, one call at a time requests and tries one. A refused call goes
    on with the nonce of the refusal, and shares it when it works. The 401 is returned, which means that the credentials are
    refused, only when nothing else can be its cause: a nonce of this call alone was refused at its first count, and the server did
    not call it stale.
    """

    def __init__(self, credentials: ApiKey) -> None:
        self._credentials = credentials
        self._shared: _Challenge | None = None
        self._one_at_a_time = asyncio.Lock()
        self._counts: OrderedDict[str, int] = OrderedDict()

    @override
    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        alone = False
        try:
            if self._shared is None:
                alone = await self._one_at_a_time.acquire()
            challenge = self._shared
            if challenge is None:
                response = yield request
                if response.status_code != httpx.codes.UNAUTHORIZED:
                    return
                challenge = _first_challenge_in(response)
            elif alone:  # another call has shared a nonce meanwhile
                self._one_at_a_time.release()
                alone = False
            for _ in range(_ATTEMPTS):
                count = self._next_count(challenge.nonce)
                request.headers["Authorization"] = _authorization(self._credentials, challenge, count, request)
                response = yield request
                if not _refuses_credentials(response):
                    if alone or not self._one_at_a_time.locked():
                        self._shared = challenge
                    return
                offered = _challenge_in(response)
                if self._is_conclusive(challenge, count, offered, alone=alone):
                    self._shared = None
                    return
                if offered is None:
                    break
                if offered.nonce == challenge.nonce:
                    alone = await self._outrun_other_counts(challenge.nonce, count, alone=alone)
                challenge = offered
            self._shared = None
            raise _unavailable(request, "Atlas refuses one digest nonce after the other; the call is retried.")
        finally:
            if alone:
                self._one_at_a_time.release()

    async def _outrun_other_counts(self, nonce: str, count: int, *, alone: bool) -> bool:
        """Prepare another attempt with a nonce that the server issues to everybody: somebody used a higher count.

        The first time, exclude our other calls; the second time, jump beyond the counts of other processes.
        """
        if alone:
            self._counts[nonce] = max(count, _FAR + secrets.randbelow(_FAR))
        else:
            await self._one_at_a_time.acquire()
            self._shared = None  # so that no call begins in parallel
        return True

    def _is_conclusive(self, refused: _Challenge, count: int, offered: _Challenge | None, *, alone: bool) -> bool:
        """Return whether the credentials themselves are the only possible cause of a refusal."""
        if offered is not None and offered.stale:
            return False
        if offered is not None and offered.nonce == refused.nonce:
            return alone and count > _FAR
        return count == self._counts.get(refused.nonce) == 1

    def _next_count(self, nonce: str) -> int:
        count = self._counts.get(nonce, 0) + 1
        self._counts[nonce] = count
        self._counts.move_to_end(nonce)
        if len(self._counts) > _REMEMBERED_NONCES:
            self._counts.popitem(last=False)
        return count


def _refuses_credentials(response: httpx.Response) -> bool:
    """Return whether the signature is refused; a refusal of the call may carry a challenge as well."""
    if response.status_code != httpx.codes.UNAUTHORIZED:
        return False
    return error_body_from(response.content).code not in AUTHENTICATED


def _first_challenge_in(response: httpx.Response) -> _Challenge:
    challenge = _challenge_in(response)
    if challenge is None:
        raise _unavailable(
            response.request,
            f"Atlas refuses the call without asking for a digest, which API keys need; check {ATLAS_ADDRESS} and the "
            "proxies on the way.",
        )
    return challenge


def _challenge_in(response: httpx.Response) -> _Challenge | None:
    """Return the first supported challenge, or None without a digest; raises if all digests are of other kinds."""
    headers = response.headers.get_list("www-authenticate")[:_MOST_CHALLENGES]
    asked_for = [fields for header in headers for fields in _digests(header)]
    for fields in asked_for:
        algorithm = fields.get("algorithm")
        qop = fields.get("qop", "").replace(",", " ").lower().split()
        known = (algorithm or "MD5").upper().removesuffix("-SESS") in _HASHES
        if known and "nonce" in fields and (not qop or {"auth", "auth-int"} & set(qop)):
            return _Challenge(
                realm=fields.get("realm", ""),
                nonce=fields["nonce"],
                algorithm=algorithm,
                qop=("auth" if "auth" in qop else "auth-int") if qop else None,
                opaque=fields.get("opaque"),
                stale=fields.get("stale", "").lower() == "true",
            )
    if asked_for:
        wanted = ", ".join(f"algorithm {fields.get('algorithm')} qop {fields.get('qop')}" for fields in asked_for)
        raise _unavailable(response.request, f"Atlas asks for a kind of digest that is not supported: {wanted}.")
    return None


def _digests(header: str) -> Iterator[dict[str, str]]:
    """Yield the digest challenges of one header, which may hold challenges of other schemes as well."""
    fields: dict[str, str] | None = None
    # Fields that no header can carry are skipped; a challenge without its nonce is not used.
    for match in _SCHEME_OR_FIELD.finditer(header if header.isascii() and header.isprintable() else ""):
        if match["scheme"]:
            if fields is not None:
                yield fields
            fields = {} if match["scheme"].lower() == "digest" else None
        elif fields is not None:
            value = match["token"].strip('"') if match["quoted"] is None else re.sub(r"\\(.)", r"\1", match["quoted"])
            fields.setdefault(match["key"].lower(), value)
    if fields is not None:
        yield fields


def _authorization(credentials: ApiKey, challenge: _Challenge, count: int, request: httpx.Request) -> str:
    algorithm = (challenge.algorithm or "MD5").upper()
    hashed = _HASHES[algorithm.removesuffix("-SESS")]

    def digest(*parts: str) -> str:
        return hashed(":".join(parts).encode()).hexdigest()

    uri = request.url.raw_path.decode("ascii")
    secret = digest(credentials.public_key, challenge.realm, credentials.private_key)
    if algorithm.endswith("-SESS"):
        secret = digest(secret, challenge.nonce, challenge.cnonce)
    signed = [request.method, uri]
    if challenge.qop == "auth-int":
        signed.append(hashed(request.content).hexdigest())
    nonce = [challenge.nonce]
    if challenge.qop:
        nonce += [f"{count:08x}", challenge.cnonce, challenge.qop]
    fields = [
        f"username={_quoted(credentials.public_key)}",
        f"realm={_quoted(challenge.realm)}",
        f"nonce={_quoted(challenge.nonce)}",
        f"uri={_quoted(uri)}",
        f'response="{digest(secret, *nonce, digest(*signed))}"',
    ]
    if challenge.algorithm:
        fields.append(f"algorithm={challenge.algorithm}")
    if challenge.opaque is not None:
        fields.append(f"opaque={_quoted(challenge.opaque)}")
    if challenge.qop:
        fields += [f"qop={challenge.qop}", f"nc={count:08x}", f'cnonce="{challenge.cnonce}"']
    return "Digest " + ", ".join(fields)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _unavailable(request: httpx.Request, message: str) -> AtlasUnavailableError:
    return AtlasUnavailableError(message, operation=request.extensions["operation"], http_status=401)
