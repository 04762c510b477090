"""HTTP digest for API keys (RFC 7616), in all the ways servers do it."""

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from hmac import compare_digest

from atlas_endpoints.simulator.credentials import ApiKey, Credentials
from atlas_endpoints.simulator.errors import unauthorized
from atlas_endpoints.simulator.exchange import Request
from atlas_endpoints.simulator.switches import DigestSwitches
from atlas_endpoints.simulator.world import World

REALM = "MMS Public API"
_FIELD = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_ESCAPED = re.compile(r"\\(.)")
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
_KEPT_NONCES = 100_000


@dataclass(slots=True)
class _Nonce:
    issued: float
    highest: int = 0
    used: set[int] = field(default_factory=set)

    def accept(self, count: int, rule: str) -> bool:
        """Use a counter; return whether the rule allows it."""
        refused = (rule == "unused" and count in self.used) or (rule == "rising" and count <= self.highest)
        if rule == "unused" and not refused:
            self.used.add(count)
        self.highest = max(self.highest, count)
        return not refused


class Digest:
    """Challenges clients and checks their answers."""

    def __init__(self, world: World, credentials: Credentials) -> None:
        self._world = world
        self._credentials = credentials
        self._nonces: OrderedDict[str, _Nonce] = OrderedDict()

    def authenticate(self, request: Request, header: str) -> ApiKey:
        """Return the API key that signed a request.

        Args:
            request: The request.
            header: Its Authorization field, without the scheme.

        Raises:
            ApiError: 401; nobody known signed it, or with a nonce or counter that is not accepted.
        """
        switches = self._world.switches.digest
        fields = parse(header)
        key = self._credentials.api_keys.get(fields.get("username", ""))
        if key is None or fields.get("uri") != request.target:
            raise unauthorized(self.challenge())
        response = _response(fields, key, request, switches)
        if response is None or not compare_digest(response, fields.get("response", "").lower()):
            raise unauthorized(self.challenge())
        nonce = self._nonces.get(fields["nonce"])
        if nonce is None or self._world.clock() - nonce.issued > switches.nonce_lifetime:
            raise unauthorized(self.challenge(stale=True))
        if not nonce.accept(int(fields["nc"], 16), switches.nonce_count):
            raise unauthorized(self.challenge(stale=switches.stale_on_replay))
        return key

    def challenge(self, *, stale: bool = False) -> str:
        """Return a WWW-Authenticate field."""
        switches = self._world.switches.digest
        every = switches.quoting == "all"
        bare = switches.quoting == "none"
        quote = '"{}"'.format
        quote_list = str if bare and "," not in switches.qop else quote
        values = {
            "realm": quote(REALM),  # holds spaces, so it cannot go bare
            "domain": quote(""),
            "nonce": (str if bare else quote)(self._issue(switches)),
            "algorithm": (quote if every else str)(switches.algorithm),
            "qop": quote_list(switches.qop),
            "stale": (quote if every else str)(str(stale).lower()),
        }
        return "Digest " + ", ".join(f"{name}={value}" for name, value in values.items())

    def _issue(self, switches: DigestSwitches) -> str:
        now = self._world.clock()
        if switches.nonces == "timeBucket":
            bucket = now // switches.nonce_bucket
            seed = f"{REALM} {switches.nonce_bucket} {bucket}"
            value = hashlib.sha256(seed.encode()).hexdigest()[:32]
        else:
            value = self._world.names.hex(32)
        # Whoever shares a nonce gets it with its whole life before it, and with the counters that others have used.
        self._nonces.setdefault(value, _Nonce(now)).issued = now
        if len(self._nonces) > _KEPT_NONCES:
            self._nonces.popitem(last=False)
        return value


def parse(header: str) -> dict[str, str]:
    """Split the fields of a Digest header; quoted or not, as both occur."""
    return {
        name.lower(): _ESCAPED.sub(r"\1", quoted) if quoted else bare for name, quoted, bare in _FIELD.findall(header)
    }


def _response(fields: dict[str, str], key: ApiKey, request: Request, switches: DigestSwitches) -> str | None:
    """Compute the right ``response``; ``None``: the client's header is incomplete or not what was offered."""
    qop, algorithm = fields.get("qop", ""), fields.get("algorithm", "MD5")
    counted = re.fullmatch("[0-9a-fA-F]{8}", fields.get("nc", ""))
    offered = qop in switches.qop.split(",") and algorithm.upper() == switches.algorithm
    if not (counted and offered and fields.get("nonce") and fields.get("cnonce") and fields.get("realm") == REALM):
        return None

    def digest(text: bytes) -> str:
        return _HASHES[switches.algorithm](text).hexdigest()

    identity = digest(f"{key.public_key}:{REALM}:{key.private_key}".encode())
    action = f"{request.method}:{request.target}"
    if qop == "auth-int":
        action += f":{digest(request.body)}"
    signed = (identity, fields["nonce"], fields["nc"], fields["cnonce"], qop, digest(action.encode()))
    return digest(":".join(signed).encode())
