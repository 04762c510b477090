"""A server with HTTP digest that can be as particular about nonces and counts as real ones are.

It shares nothing with the client: it verifies each signature by its own reading of RFC 7616.
"""

import asyncio
import hashlib
import random
import re
from collections import defaultdict
from dataclasses import dataclass, field

from aiohttp import web

PUBLIC_KEY = "abcdefgh"
PRIVATE_KEY = "11111111-2222-3333-4444-555555555555"

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclass
class DigestServer:
    """How this server behaves, and what it saw."""

    algorithm: str | None = "MD5"
    qop: str | None = "auth"
    quoted: bool = False
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

    requests: int = 0
    challenges: int = 0
    signed_ok: int = 0
    refused: int = 0
    targets: list[str] = field(default_factory=list)
    used: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    _issued: int = 0
    _random: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311  # shuffles requests

    async def handle(self, request: web.Request) -> web.Response:
        self.requests += 1
        body = await request.read()
        if self.shuffles:
            for _ in range(self._random.randrange(20)):
                await asyncio.sleep(0)
        self.targets.append(request.raw_path)
        header = request.headers.get("Authorization")
        if header is None:
            self.challenges += 1
            return self._challenge(stale=False)
        fields = {
            match[1]: match[2].strip('"') for match in re.finditer(r'(\w+)=("[^"]*"|[^,\s]+)', header.partition(" ")[2])
        }
        if not self._signed_well(fields, request, body):
            self.refused += 1
            return self._challenge(stale=False)
        if not self._fresh(fields["nonce"], int(fields.get("nc", "1"), 16)):
            self.refused += 1
            return self._challenge(stale=self.says_stale)
        self.signed_ok += 1
        if self.refuses_role:
            return self._challenge(stale=False, code="USER_UNAUTHORIZED")
        return web.json_response([])

    def current_nonce(self) -> str:
        if self.shared_nonce_for is not None:
            return f"shared-{self.requests // self.shared_nonce_for}"
        self._issued += 1
        return f"own-{self._issued}"

    def _challenge(self, *, stale: bool, code: str = "UNEXPECTED_ERROR") -> web.Response:
        fields = ['realm="MMS Public API"', 'domain=""', f'nonce="{self.current_nonce()}"']
        if self.algorithm:
            fields.append(f'algorithm="{self.algorithm}"' if self.quoted else f"algorithm={self.algorithm}")
        if self.qop:
            fields.append(f'qop="{self.qop}"')
        fields.append(('stale="%s"' if self.quoted else "stale=%s") % str(stale).lower())
        fields.append('opaque="a, \\"b\\""')
        return web.json_response(
            {"error": 401, "reason": "Unauthorized", "errorCode": code, "detail": "Refused."},
            status=401,
            headers={"WWW-Authenticate": "Digest " + ", ".join(fields)},
        )

    def _signed_well(self, fields: dict[str, str], request: web.Request, body: bytes) -> bool:
        hashed = _HASHES[(self.algorithm or "MD5").upper().removesuffix("-SESS")]

        def digest(text: str) -> str:
            return hashed(text.encode()).hexdigest()

        secret = digest(f"{PUBLIC_KEY}:MMS Public API:{self.private_key}")
        if (self.algorithm or "").upper().endswith("-SESS"):
            secret = digest(f"{secret}:{fields['nonce']}:{fields['cnonce']}")
        signed = f"{request.method}:{request.raw_path}"
        if fields.get("qop") == "auth-int":
            signed += f":{hashed(body).hexdigest()}"
        middle = fields["nonce"]
        if self.qop:
            middle += f":{fields['nc']}:{fields['cnonce']}:{fields['qop']}"
        return (
            fields["username"] == PUBLIC_KEY
            and fields["uri"] == request.raw_path
            and fields["response"] == digest(f"{secret}:{middle}:{digest(signed)}")
        )

    def _fresh(self, nonce: str, count: int) -> bool:
        used = self.used[nonce]
        if self.nonce_lasts is not None and len(used) >= self.nonce_lasts:
            return False
        if self.shared_nonce_for is not None and nonce != self.current_nonce():
            return False
        if (self.counts == "unused" and count in used) or (self.counts == "rising" and count <= max(used, default=0)):
            return False
        used.add(count)
        return True
