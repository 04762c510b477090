import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import httpx
import pytest

from atlas_endpoints.atlas.transport import failure, is_loopback, open_wire, proxy_from_environment

PLACE = cast("Any", SimpleNamespace(host="cloud.mongodb.com", port=443, ssl=True))
UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed")
UNTRUSTED.verify_message = "self-signed certificate in certificate chain"


def caused(error: Exception, cause: Exception | None = None) -> Exception:
    error.__cause__ = cause
    return error


FAILURES: dict[str, tuple[Exception, str, bool]] = {
    "an unknown host was surely not sent to": (
        caused(httpx.ConnectError("x"), aiohttp.ClientConnectorDNSError(PLACE, OSError(-2, "Name not known"))),
        "cluster's DNS. (Name not known)",
        False,
    ),
    "a refused connection was surely not sent to": (
        caused(httpx.ConnectTimeout("x"), aiohttp.ClientConnectorError(PLACE, OSError(111, "Connection refused"))),
        "firewalls. (Connection refused)",
        False,
    ),
    "a connection that takes too long was surely not sent to": (
        caused(httpx.ConnectTimeout("x"), aiohttp.ConnectionTimeoutError("x")),
        "cannot be reached",
        False,
    ),
    "an untrusted certificate was surely not sent to": (
        caused(httpx.ConnectError("x"), aiohttp.ClientConnectorCertificateError(PLACE, UNTRUSTED)),
        "SSL_CERT_FILE. (self-signed certificate in certificate chain)",
        False,
    ),
    "a proxy that is gone was surely not sent to": (
        caused(httpx.ProxyError("x"), aiohttp.ClientProxyConnectionError(PLACE, OSError(111, "Connection refused"))),
        "HTTPS_PROXY",
        False,
    ),
    "a connect timeout of httpx alone proves nothing": (httpx.ConnectTimeout("x"), "in time", True),
    "a reset after the request was sent, dressed as a connect timeout, is in doubt": (
        caused(httpx.ConnectTimeout("x"), aiohttp.ClientOSError(104, "Connection reset by peer")),
        "broke off; the call is retried. (Connection reset by peer)",
        True,
    ),
    "a server that hangs up is in doubt": (
        caused(httpx.ConnectTimeout("x"), aiohttp.ServerDisconnectedError()),
        "broke off; the call is retried. (ServerDisconnectedError)",
        True,
    ),
    "a timeout around the whole call is in doubt": (TimeoutError(), "did not answer in time", True),
}


@pytest.mark.parametrize("name", FAILURES)
def test_that(name: str) -> None:
    raised, words, in_doubt = FAILURES[name]
    error = failure(raised, operation="op", unknown_outcome=True)
    assert words in error.message
    assert error.unknown_outcome is in_doubt
    assert not failure(raised, operation="op", unknown_outcome=False).unknown_outcome


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        ("https://cloud.mongodb.com", {}, None),
        ("https://cloud.mongodb.com", {"https_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ("https://cloud.mongodb.com", {"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128"),
        ("https://cloud.mongodb.com", {"all_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ("https://cloud.mongodb.com", {"http_proxy": "http://proxy:3128"}, None),
        ("https://cloud.mongodb.com", {"https_proxy": "http://proxy:3128", "no_proxy": ".mongodb.com"}, None),
        ("http://127.0.0.1:8080", {"http_proxy": "http://proxy:3128"}, None),
        ("http://localhost:8080", {"http_proxy": "http://proxy:3128"}, None),
    ],
)
def test_the_proxy_is_the_one_that_other_programs_would_use(
    url: str, environment: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_from_environment(url) == proxy


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(ValueError, match=f"{name} cannot be read as certificates in PEM"):
            open_wire(ca_file=tmp_path / name, proxy=None, max_connections=1)


def test_an_unreadable_ssl_cert_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/missing")
    with pytest.raises(ValueError, match="SSL_CERT_FILE"):
        open_wire(ca_file=None, proxy=None, max_connections=1)


def test_a_proxy_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="http://") as raised:
        open_wire(ca_file=None, proxy="socks5://user:canary@proxy:1080", max_connections=1)
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("a.localhost", True), ("127.9.9.9", True), ("::1", True), ("10.0.0.1", False), ("", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
