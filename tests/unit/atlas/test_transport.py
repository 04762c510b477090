"""Connections, proxies, and the meaning of transport errors."""

import ssl
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import httpx
import pytest

from atlas_endpoints.atlas.errors import AtlasUnavailableError, Wording
from atlas_endpoints.atlas.transport import Transports, failure, proxy_from_environment


def transports(ca_file: Path | None = None) -> Transports:
    return Transports(ca_file=ca_file, max_connections=1, fence=lambda: True)


def proxies(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """Have the environment name these proxies, and no others."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        ("https://cloud.mongodb.com", {}, None),
        ("https://cloud.mongodb.com", {"https_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ("https://cloud.mongodb.com", {"HTTPS_PROXY": "proxy:3128"}, "http://proxy:3128"),
        ("https://cloud.mongodb.com", {"all_proxy": "http://proxy:3128"}, "http://proxy:3128"),
        ("https://cloud.mongodb.com", {"http_proxy": "http://proxy:3128"}, None),
        ("https://cloud.mongodb.com", {"https_proxy": "http://proxy:3128", "no_proxy": ".mongodb.com"}, None),
        *(
            (f"http://{host}:8080", {"http_proxy": "http://proxy:3128"}, None)
            for host in ("127.0.0.1", "127.9.9.9", "[::1]", "localhost", "a.localhost")
        ),
        ("http://10.0.0.1:8080", {"http_proxy": "http://proxy:3128"}, "http://proxy:3128"),
    ],
)
def test_the_proxy_follows_the_environment(
    url: str, environment: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies(monkeypatch, environment)
    assert proxy_from_environment(httpx.URL(url)) == proxy


async def test_each_address_has_its_connections_and_all_are_closed_even_if_that_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxies(monkeypatch, {"https_proxy": "http://proxy:3128", "no_proxy": "gateway.internal"})
    opened = transports()
    closed: list[None] = []
    hosts = ("cloud.mongodb.com", "cloud.mongodb.com", "gateway.internal")
    by_proxy, again, direct = (opened.transport_for(httpx.URL(f"https://{host}")) for host in hosts)
    assert by_proxy is again is not direct

    async def fails() -> None:
        closed.append(None)
        raise OSError("broken")

    for each in (by_proxy, direct):
        monkeypatch.setattr(each, "aclose", fails)
    with pytest.raises(OSError, match="broken"):
        await opened.aclose()
    assert len(closed) == 2


def test_unreadable_certificates_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(ValueError, match=f"{name} cannot be read as certificates in PEM"):
            transports(ca_file=tmp_path / name)
    monkeypatch.setenv("SSL_CERT_FILE", "/missing")
    with pytest.raises(ValueError, match="SSL_CERT_FILE"):
        transports()


@pytest.mark.parametrize(
    ("proxy", "words"),
    [
        pytest.param("socks5://user:canary@proxy:1080", "must start with http://", id="another kind"),
        pytest.param("http://user:canary/rest@proxy:3128", "cannot be read: ", id="a slash in its password"),
        pytest.param("http://user:canary#rest@proxy:3128", "cannot be read: ", id="a hash in its password"),
        pytest.param("http://proxy:canary", "cannot be read: ", id="a port that is no number"),
    ],
)
async def test_the_error_of_an_unusable_proxy_url_hides_it(
    proxy: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies(monkeypatch, {"https_proxy": proxy})
    with pytest.raises(ValueError, match=words) as at_start:
        transports().transport_for(httpx.URL("https://cloud.mongodb.com"))
    request = httpx.Request("PATCH", "https://gateway.example/api", extensions={"operation": "op"})
    with pytest.raises(AtlasUnavailableError, match=rf"{words}.* HTTPS_PROXY") as at_call:
        await transports().handle_async_request(request)
    assert not at_call.value.unknown_outcome
    for raised in (at_start, at_call):
        # Not format_exception, which shows the lines of this test as well.
        assert raised.value.__suppress_context__ or raised.value.__context__ is None
        assert "canary" not in str(raised.value)


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
        "broke off. The call is retried. (Connection reset by peer)",
        True,
    ),
    "a server that hangs up is in doubt": (
        caused(httpx.ConnectTimeout("x"), aiohttp.ServerDisconnectedError()),
        "broke off. The call is retried. (ServerDisconnectedError)",
        True,
    ),
    "a timeout around the whole call is in doubt": (TimeoutError(), "did not answer in time", True),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_transport_error_is_explained(name: str) -> None:
    raised, words, in_doubt = FAILURES[name]
    error = failure(raised, operation="op", unknown_outcome=True)
    assert words in error.message
    assert "retr" not in error.explanation.worded(Wording(retry=""))
    assert error.unknown_outcome is in_doubt
    assert not failure(raised, operation="op", unknown_outcome=False).unknown_outcome
