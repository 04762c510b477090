"""The token endpoint for service accounts: OAuth 2.0 client credentials (RFC 6749, section 4.4; RFC 7009 to revoke)."""

import base64
import binascii
from dataclasses import dataclass
from hmac import compare_digest
from urllib.parse import parse_qs, unquote_plus

from atlas_endpoints.simulator import errors
from atlas_endpoints.simulator.credentials import Credentials, ServiceAccount
from atlas_endpoints.simulator.exchange import Answer, Request, to_json
from atlas_endpoints.simulator.world import World

TOKEN_PATH = "/api/oauth/token"  # noqa: S105  a path, no secret
REVOKE_PATH = "/api/oauth/revoke"
_MINUTE = 60


class OAuthError(Exception):
    """An error in the shape of OAuth, not of Atlas's API."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        self.answer = Answer(status, to_json({"error": error, "error_description": description}), error_code=error)


@dataclass(frozen=True, slots=True)
class _Token:
    client_id: str
    expires: float


def basic_user(value: str) -> str | None:
    """Return the user of a Basic Authorization field, without its scheme."""
    decoded = _decode_basic(value)
    return decoded[0] if decoded else None


class OAuth:
    """Issues, checks and revokes access tokens."""

    def __init__(self, world: World, credentials: Credentials) -> None:
        self._world = world
        self._credentials = credentials
        self._tokens: dict[str, _Token] = {}
        self._requests: dict[tuple[str, str], tuple[float, int]] = {}

    def answer(self, request: Request) -> Answer:
        """Answer a request to one of the two paths."""
        try:
            if request.method != "POST":
                return errors.method_not_allowed(request.method).answer()
            if request.path == TOKEN_PATH:
                return self._issue(request)
            return self._revoke(request)
        except errors.ApiError as error:
            return error.answer(nulls=self._world.switches.null_error_fields)
        except OAuthError as error:
            return error.answer

    def owner(self, token: str) -> str | None:
        """Return the client id of a token that is still valid."""
        known = self._tokens.get(token)
        if known is None or known.expires <= self._world.clock():
            return None
        return known.client_id

    def active(self, client_id: str) -> int:
        """Return how many live tokens a service account holds."""
        now = self._world.clock()
        return sum(token.client_id == client_id and token.expires > now for token in self._tokens.values())

    def forget(self, client_id: str | None = None) -> None:
        """Revoke all tokens of a service account, or of all of them."""
        self._tokens = {
            value: token
            for value, token in self._tokens.items()
            if client_id is not None and token.client_id != client_id
        }

    def _issue(self, request: Request) -> Answer:
        switches = self._world.switches.oauth
        client_id, secret = _basic(request)
        self._count(request.remote, client_id, switches.requests_per_minute)
        account = self._authenticate(client_id, secret)
        form = _form(request)
        if "grant_type" not in form:
            raise OAuthError(400, "invalid_request", "The parameter grant_type is missing.")
        if form["grant_type"] != "client_credentials":
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

    def _revoke(self, request: Request) -> Answer:
        account = self._authenticate(*_basic(request))
        form = _form(request)
        if "token" not in form:
            raise OAuthError(400, "invalid_request", "The parameter token is missing.")
        token = self._tokens.get(form["token"])
        if token is not None and token.client_id == account.client_id:
            del self._tokens[form["token"]]
        return Answer(200)

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
            raise errors.token_quota_exceeded(TOKEN_PATH, limit)
        self._requests[remote, client_id] = began, requests + 1


def _basic(request: Request) -> tuple[str, str]:
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    decoded = _decode_basic(value) if scheme.lower() == "basic" else None
    if decoded is None:
        raise OAuthError(401, "invalid_client", "Invalid credentials provided.")
    return decoded


def _decode_basic(value: str) -> tuple[str, str] | None:
    try:
        decoded = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    name, colon, secret = decoded.partition(":")
    return (name, secret) if colon else None


def _form(request: Request) -> dict[str, str]:
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise OAuthError(400, "invalid_request", "The body must be application/x-www-form-urlencoded.")
    return {key: values[-1] for key, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
