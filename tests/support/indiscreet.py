"""Something that answers in Atlas's place, as a proxy on the way there, and says all that it was told."""

from __future__ import annotations

import base64
import json
import re
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlsplit

from typing_extensions import override

from support.atlas import CLOUD_ENDPOINT

if TYPE_CHECKING:
    from types import TracebackType

STATUSES = (400, 401, 402, 403, 404, 409, 410, 429, 500)
MANNERS = (
    "well",
    "escaped",
    "refused-change",
    "escaped-refusal",
    "page",
    "cut-off",
    "silent",
    "elsewhere",
    "garbage",
    "address",
    "challenge",
    *(f"status-{status}" for status in STATUSES),
)
"""How an instance of that name is answered for.

``escaped`` is what JSON writes with an escape for each character, ``address`` a refusal of an IPv6 address whose zone is a secret,
and ``challenge`` a request for a digest of that kind.
"""
OF_TOKENS = ("token-400", "token-401", "token-403", "token-429", "token-500", "token-page")
"""How requests for a token are answered, by the end of the client's id."""
OUR_COMMENT = "as it was"


def escaped(text: str) -> str:
    """Write a text, of characters below 2**16, as JSON may."""
    return '"' + "".join(f"\\u{ord(each):04x}" for each in text) + '"'


def forms(secret: str) -> set[str]:
    """Return the forms in which a secret is looked for, and said."""
    return {secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode()}


class Indiscreet:
    """A server on loopback; use it as a context manager.

    Attributes:
        url: as a proxy's.
        heard: what requests have carried that nobody may see, tokens that were issued included.
        passwords: of the users of HTTP digest, by their names.
        endpoint: the id of the one endpoint that every instance has.
    """

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.heard: set[str] = set()
        self.passwords: dict[str, str] = {}
        self._tokens: dict[str, str] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"told": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="indiscreet", daemon=True)
        self.url = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join(10)
        self._server.server_close()

    def issue(self, client_id: str, secret: str) -> str:
        token = f"canary-token-{len(self._tokens)}-{client_id}"
        self._tokens[token] = secret
        self.heard.add(token)
        return token

    def secret_of(self, authorization: str) -> str:
        scheme, _, value = authorization.partition(" ")
        match scheme:
            case "Bearer":
                return self._tokens[value]
            case "Basic":
                return base64.b64decode(value).decode().partition(":")[2]
            case _:
                found = re.search(r'username="([^"]+)"', value)
                return self.passwords[found[1]] if found else ""


class _Handler(BaseHTTPRequestHandler):
    told: Indiscreet
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PATCH(self) -> None:
        self._answer()

    @override
    def log_message(self, format: str, *args: Any) -> None:  # as in the base class
        """Say nothing."""

    @override
    def handle(self) -> None:
        """Serve a connection, which the operator may drop as it ends."""
        with suppress(ConnectionError):
            super().handle()

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, authorization = urlsplit(self.path).path, self.headers.get("Authorization", "")
        if not authorization:
            challenge = 'Digest realm="r", nonce="canary-nonce", qop="auth", algorithm=MD5'
            self._say(401, b"{}", {"WWW-Authenticate": challenge})
            return
        self.told.heard.add(authorization.partition(" ")[2])
        self.told.heard.update(re.findall(r'response="([^"]+)"', authorization))
        self.told.heard.add(self.headers.get("Proxy-Authorization", "").partition(" ")[2] or "canary-no-proxy")
        secret = self.told.secret_of(authorization)
        echo = " ".join([str(self.headers), authorization.partition(" ")[2], *sorted(forms(secret))])
        if path.startswith("/api/oauth"):
            self._token(authorization, secret, echo)
            return
        found = re.search("/instance/([^/]+)/", path)
        assert found is not None
        told = [authorization.partition(" ")[2], *re.findall(r'response="([^"]+)"', authorization)]
        match found[1]:
            case "address":
                error = {"errorCode": "IP_ADDRESS_NOT_ON_ACCESS_LIST", "parameters": [f"fe80::1%{told[-1]}"]}
                self._say(403, json.dumps(error).encode())
            case "challenge":
                challenge = f'Digest realm="r", nonce="n", qop="auth", algorithm="{told[-1]}"'
                self._say(401, b"{}", {"WWW-Authenticate": challenge})
            case manner:
                self._behave(manner, echo)

    def _token(self, authorization: str, secret: str, echo: str) -> None:
        client_id = base64.b64decode(authorization.partition(" ")[2]).decode().partition(":")[0]
        manner = next((each for each in OF_TOKENS if client_id.endswith(each.replace("-", "_"))), "")
        if manner == "token-page":
            self._say(502, f"<html>{echo}</html>".encode(), {"Content-Type": "text/html"})
        elif manner:
            code = {"token-401": "invalid_client", "token-403": "access_denied"}.get(manner, "odd")
            self._say(int(manner[-3:]), json.dumps({"error": code, "error_description": echo}).encode())
        else:
            self._say(
                200, json.dumps({"access_token": self.told.issue(client_id, secret), "expires_in": 3600}).encode()
            )

    def _behave(self, manner: str, echo: str) -> None:
        endpoint = {
            "_id": self.told.endpoint,
            "status": "AVAILABLE",
            "cloudProviderEndpointId": CLOUD_ENDPOINT,
            "comment": OUR_COMMENT,
            "errorMessage": echo,
            "endpointServiceName": echo,
        }
        error = {"errorCode": "ODD", "detail": echo, "reason": echo, "parameters": [echo]}
        fields = {"badRequestDetail": {"fields": [{"field": "comment", "description": echo}]}}
        writes = self.command == "PATCH"
        match manner:
            case "well" | "refused-change" | "escaped-refusal" if not writes:
                self._say(200, json.dumps([endpoint]).encode())
            case "escaped" if not writes:
                self._say(200, json.dumps([endpoint]).replace(json.dumps(echo), escaped(echo)).encode())
            case "well":
                self._say(200, json.dumps(endpoint).encode())
            case "escaped":
                self._say(200, json.dumps(endpoint).replace(json.dumps(echo), escaped(echo)).encode())
            case "refused-change":
                self._say(400, json.dumps({**error, **fields}).encode())
            case "escaped-refusal":
                self._say(400, json.dumps({**error, **fields}).replace(json.dumps(echo), escaped(echo)).encode())
            case "page":
                self._say(502, f"<html>{echo}</html>".encode(), {"Content-Type": "text/html"})
            case "elsewhere":
                self._say(302, b"", {"Location": f"http://elsewhere.invalid/?{quote(echo)}"})
            case "cut-off":
                self._say(500, json.dumps(error).encode(), {"Content-Length": "100000"})
                self.close_connection = True
            case "garbage":
                self.wfile.write(echo.encode("latin-1", "replace"))
                self.close_connection = True
            case "silent":
                self.close_connection = True
            case _:
                self._say(int(manner.removeprefix("status-")), json.dumps(error).encode())

    def _say(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
