"""Credentials, their roles and access lists, and how a client proves them: access tokens and HTTP digest."""

import base64
import binascii
import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from hmac import compare_digest
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Annotated, Literal
from urllib.parse import parse_qs, unquote_plus

from pydantic import Field, field_validator, model_validator

from atlas_endpoints.simulator.exchange import Answer, ApiError, Request, api_error, to_json, unauthorized
from atlas_endpoints.simulator.switches import DigestSwitches, Document
from atlas_endpoints.simulator.world import World

GROUP_OWNER, STREAM_OWNER = "GROUP_OWNER", "GROUP_STREAM_PROCESSING_OWNER"
EVERY_PROJECT = "*"
Role = Literal["GROUP_OWNER", "GROUP_READ_ONLY", "GROUP_STREAM_PROCESSING_OWNER"]
Secret = Annotated[str, Field(min_length=1)]

TOKEN_PATH = "/api/oauth/token"  # noqa: S105  a path, no secret
_MINUTE = 60

_REALM = "MMS Public API"
_FIELD = re.compile(r'(\w+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_ESCAPED = re.compile(r"\\(.)")
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
_KEPT_NONCES = 100_000


class Principal(Document):
    """What both kinds of credentials have.

    Attributes:
        roles: Project id to role; the id ``"*"`` means all projects. The text ``"*"`` alone: owner of all projects.
        access_list: The networks from which the API may be used; empty: from anywhere.
    """

    roles: dict[str, Role] = Field(default={EVERY_PROJECT: "GROUP_OWNER"})
    access_list: tuple[IPv4Network | IPv6Network, ...] = ()

    @field_validator("roles", mode="before")
    @classmethod
    def _all_projects(cls, value: object) -> object:
        return {EVERY_PROJECT: GROUP_OWNER} if value == EVERY_PROJECT else value

    @property
    def sees_all_projects(self) -> bool:
        """Whether the credentials reach every project, so that an absent one is known to be absent."""
        return EVERY_PROJECT in self.roles

    def role(self, project: str) -> str | None:
        """Return the role in a project, or ``None``."""
        return self.roles.get(project) or self.roles.get(EVERY_PROJECT)

    def allows(self, address: str) -> bool:
        """Return whether the access list admits an address."""
        if not self.access_list:
            return True
        parsed = ip_address(address)
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:  # an IPv4 client of a socket for both
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self.access_list)


class ServiceAccount(Principal):
    """OAuth 2.0 client credentials; while a secret is rotated, two of them are valid at once."""

    client_id: str = Field(min_length=1)
    client_secret: Secret | None = Field(default=None, repr=False)
    client_secrets: tuple[Secret, ...] = Field(default=(), repr=False)

    @model_validator(mode="after")
    def _has_a_secret(self) -> "ServiceAccount":
        if not self.secrets:
            raise ValueError("clientSecret or clientSecrets is required")
        return self

    @property
    def secrets(self) -> frozenset[str]:
        """All valid secrets."""
        single = (self.client_secret,) if self.client_secret else ()
        return frozenset(single + self.client_secrets)


class ApiKey(Principal):
    """A pair for HTTP digest: the public key is the user, the private key the password."""

    public_key: str = Field(min_length=1)
    private_key: Secret = Field(repr=False)


class Credentials:
    """All service accounts and API keys, by their public names."""

    def __init__(self) -> None:
        self.service_accounts: dict[str, ServiceAccount] = {}
        self.api_keys: dict[str, ApiKey] = {}

    def put(self, accounts: tuple[ServiceAccount, ...], keys: tuple[ApiKey, ...]) -> None:
        """Add credentials, or replace those of the same public names."""
        self.service_accounts |= {account.client_id: account for account in accounts}
        self.api_keys |= {key.public_key: key for key in keys}

    def remove(self, name: str) -> None:
        """Remove the credentials of a public name, if there are any."""
        self.service_accounts.pop(name, None)
        self.api_keys.pop(name, None)


class OAuthError(Exception):
    """An error in OAuth's format, not in that of Atlas's API."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.answer = Answer(status, to_json({"error": error, "error_description": description}), error_code=error)


@dataclass(frozen=True, slots=True)
class _Token:
    client_id: str
    expires: float


class OAuth:
    """The token endpoint: OAuth 2.0 client credentials (RFC 6749, section 4.4)."""

    def __init__(self, world: World, credentials: Credentials) -> None:
        self._world = world
        self._credentials = credentials
        self._tokens: dict[str, _Token] = {}
        self._requests: dict[tuple[str, str], tuple[float, int]] = {}

    def answer(self, request: Request) -> Answer:
        """Answer a request to a path of OAuth, of which there is one."""
        try:
            if request.path != TOKEN_PATH:
                raise api_error("RESOURCE_NOT_FOUND", request.path)
            if request.method != "POST":
                raise api_error("METHOD_NOT_ALLOWED", request.method)
            return self._issue(request)
        except ApiError as error:
            return error.answer(nulls=self._world.switches.null_error_fields)
        except OAuthError as error:
            return error.answer

    def owner(self, token: str) -> str | None:
        """Return the client id of a token that is still valid."""
        known = self._tokens.get(token.strip())
        if known is None or known.expires <= self._world.clock():
            return None
        return known.client_id

    def active(self, client_id: str) -> int:
        """Return how many live tokens a service account holds."""
        now = self._world.clock()
        return sum(token.client_id == client_id and token.expires > now for token in self._tokens.values())

    def forget(self, client_id: str) -> None:
        """Revoke all tokens of a service account."""
        self._tokens = {value: token for value, token in self._tokens.items() if token.client_id != client_id}

    def forget_all(self) -> None:
        """Revoke all tokens."""
        self._tokens = {}

    def _issue(self, request: Request) -> Answer:
        switches = self._world.switches.oauth
        client_id, secret = _basic(request)
        self._count(request.remote, client_id, switches.requests_per_minute)
        account = self._authenticate(client_id, secret)
        if _form(request, "grant_type") != "client_credentials":
            raise OAuthError(400, "unsupported_grant_type", "The grant type must be client_credentials.")
        now = self._world.clock()
        self._tokens = {value: token for value, token in self._tokens.items() if token.expires > now}
        if switches.active_tokens is not None and self.active(account.client_id) >= switches.active_tokens:
            description = "Access Token limit reached. Revoke tokens or wait until some have expired."
            raise OAuthError(403, "access_denied", description)
        value = f"atlas-simulator-token-{self._world.names.hex(40)}"
        self._tokens[value] = _Token(account.client_id, now + switches.expires_in)
        body = {"access_token": value, "expires_in": switches.expires_in, "token_type": "Bearer"}
        return Answer(200, to_json(body), headers={"Cache-Control": "no-store"})

    def _authenticate(self, client_id: str, secret: str) -> ServiceAccount:
        # MongoDB's own client escapes id and secret as RFC 6749 demands, most others do not.
        for name, given in ((client_id, secret), (unquote_plus(client_id), unquote_plus(secret))):
            account = self._credentials.service_accounts.get(name)
            if account and any(compare_digest(each.encode(), given.encode()) for each in account.secrets):
                return account
        raise OAuthError(401, "invalid_client", "Invalid credentials provided.")

    def _count(self, remote: str, client_id: str, limit: int | None) -> None:
        if limit is None:
            return
        now = self._world.clock()
        began, requests = self._requests.get((remote, client_id), (now, 0))
        if now - began >= _MINUTE:
            began, requests = now, 0
        if requests >= limit:
            raise api_error("RATE_LIMITED", TOKEN_PATH, limit, 1)
        self._requests[remote, client_id] = began, requests + 1


def decode_basic(value: str) -> tuple[str, str] | None:
    """Return user and password of a Basic Authorization field, given without its scheme."""
    try:
        decoded = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    name, colon, secret = decoded.partition(":")
    return (name, secret) if colon else None


def _basic(request: Request) -> tuple[str, str]:
    scheme, value = request.authorization()
    decoded = decode_basic(value) if scheme == "basic" else None
    if decoded is None:
        raise OAuthError(401, "invalid_client", "Invalid credentials provided.")
    return decoded


def _form(request: Request, name: str) -> str:
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise OAuthError(400, "invalid_request", "The body must be application/x-www-form-urlencoded.")
    values = parse_qs(request.body.decode("utf-8", "replace")).get(name)
    if values is None:
        raise OAuthError(400, "invalid_request", f"The parameter {name} is missing.")
    return values[-1]


@dataclass(slots=True)
class _Nonce:
    issued: float
    highest: int = 0
    used: set[int] = field(default_factory=set)

    def accept(self, count: int, rule: str) -> bool:
        """Use a counter; return whether the rule allows it."""
        refused = (rule == "unused" and count in self.used) or (rule == "rising" and count <= self.highest)
        if rule == "unused":
            self.used.add(count)
        self.highest = max(self.highest, count)
        return not refused


class Digest:
    """HTTP digest for API keys (RFC 7616), in all the ways servers do it."""

    def __init__(self, world: World, credentials: Credentials) -> None:
        self._world = world
        self._credentials = credentials
        self._nonces: OrderedDict[str, _Nonce] = OrderedDict()

    def authenticate(self, request: Request, header: str) -> ApiKey:
        """Return the API key that signed a request, given its Authorization field without the scheme.

        Raises:
            ApiError: 401; the signature, the nonce or the counter is not accepted.
        """
        switches = self._world.switches.digest
        fields = parse_digest(header)
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
        values = {
            "realm": quote(_REALM),  # holds spaces, so it needs quotes
            "domain": quote(""),
            "nonce": (str if bare else quote)(self._issue(switches)),
            "algorithm": (quote if every else str)(switches.algorithm),
            "qop": (str if bare and "," not in switches.qop else quote)(switches.qop),
            "stale": (quote if every else str)(str(stale).lower()),
        }
        return "Digest " + ", ".join(f"{name}={value}" for name, value in values.items())

    def _issue(self, switches: DigestSwitches) -> str:
        now = self._world.clock()
        if switches.nonces == "timeBucket":
            seed = f"{_REALM} {switches.nonce_bucket} {now // switches.nonce_bucket}"
            value = hashlib.sha256(seed.encode()).hexdigest()[:32]
        else:
            value = self._world.names.hex(32)
        # Whoever shares a nonce gets it with its whole life before it, and with the counters that others have used.
        self._nonces.setdefault(value, _Nonce(now)).issued = now
        if len(self._nonces) > _KEPT_NONCES:
            self._nonces.popitem(last=False)
        return value


def parse_digest(header: str) -> dict[str, str]:
    """Return the fields of a Digest header; quoted or not, as both occur."""
    return {
        name.lower(): _ESCAPED.sub(r"\1", quoted) if quoted else bare for name, quoted, bare in _FIELD.findall(header)
    }


def _response(fields: dict[str, str], key: ApiKey, request: Request, switches: DigestSwitches) -> str | None:
    """Return the right ``response``; ``None``: the client's header is incomplete or not what was offered."""
    qop, algorithm = fields.get("qop", ""), fields.get("algorithm", "MD5")
    counted = re.fullmatch("[0-9a-fA-F]{8}", fields.get("nc", ""))
    offered = qop in switches.qop.split(",") and algorithm.upper() == switches.algorithm
    if not (counted and offered and fields.get("nonce") and fields.get("cnonce") and fields.get("realm") == _REALM):
        return None

    def digest(text: bytes) -> str:
        return _HASHES[switches.algorithm](text).hexdigest()

    identity = digest(f"{key.public_key}:{_REALM}:{key.private_key}".encode())
    action = f"{request.method}:{request.target}"
    if qop == "auth-int":
        action += f":{digest(request.body)}"
    signed = (identity, fields["nonce"], fields["nc"], fields["cnonce"], qop, digest(action.encode()))
    return digest(":".join(signed).encode())
