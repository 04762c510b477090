from pathlib import Path

import httpx
import pytest

from atlas_endpoints.atlas.errors import AtlasUnavailableError
from atlas_endpoints.atlas.transport import Transports, is_loopback, proxy_from_environment


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
        ("http://127.0.0.1:8080", {"http_proxy": "http://proxy:3128"}, None),
        ("http://localhost:8080", {"http_proxy": "http://proxy:3128"}, None),
    ],
)
def test_the_proxy_follows_the_environment(
    url: str, environment: dict[str, str], proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxies(monkeypatch, environment)
    assert proxy_from_environment(httpx.URL(url)) == proxy


def test_an_unreadable_ca_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(ValueError, match=f"{name} cannot be read as certificates in PEM"):
            transports(ca_file=tmp_path / name)


def test_an_unreadable_ssl_cert_file_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/missing")
    with pytest.raises(ValueError, match="SSL_CERT_FILE"):
        transports()


SOCKS = {"https_proxy": "socks5://user:canary@proxy:1080"}


def test_a_proxy_of_an_unknown_kind_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    proxies(monkeypatch, SOCKS)
    with pytest.raises(ValueError, match="http://") as raised:
        transports().transport_for(httpx.URL("https://cloud.mongodb.com"))
    assert "canary" not in str(raised.value)


async def test_a_call_with_a_proxy_of_an_unknown_kind_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    proxies(monkeypatch, SOCKS)
    request = httpx.Request("PATCH", "https://gateway.example/api", extensions={"operation": "op"})
    with pytest.raises(AtlasUnavailableError, match=r"must start with http:// .* HTTPS_PROXY") as raised:
        await transports().handle_async_request(request)
    assert "canary" not in str(raised.value)
    assert not raised.value.unknown_outcome


@pytest.mark.parametrize(
    "proxy",
    [
        pytest.param("http://user:canary/rest@proxy:3128", id="a slash in its password"),
        pytest.param("http://user:canary#rest@proxy:3128", id="a hash in its password"),
        pytest.param("http://proxy:canary", id="a port that is no number"),
    ],
)
async def test_the_error_of_an_unparsable_proxy_url_hides_it(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    proxies(monkeypatch, {"https_proxy": proxy})
    with pytest.raises(ValueError, match="proxy's URL cannot be read") as at_start:
        transports().transport_for(httpx.URL("https://cloud.mongodb.com"))
    request = httpx.Request("PATCH", "https://gateway.example/api", extensions={"operation": "op"})
    with pytest.raises(AtlasUnavailableError, match=r"cannot be read: .* HTTPS_PROXY") as at_call:
        await transports().handle_async_request(request)
    for raised in (at_start, at_call):
        # Not format_exception, which shows the lines of this test as well.
        assert raised.value.__suppress_context__
        assert "canary" not in str(raised.value)


def test_addresses_with_the_same_proxy_share_a_transport(monkeypatch: pytest.MonkeyPatch) -> None:
    proxies(monkeypatch, {"https_proxy": "http://proxy:3128", "no_proxy": "gateway.internal"})
    opened = transports()
    by_proxy, direct, beside, loopback, again = (
        opened.transport_for(httpx.URL(url))
        for url in (
            "https://cloud.mongodb.com/api/atlas",
            "https://gateway.internal",
            "http://gateway.internal:8080",
            "https://127.0.0.1:8443",
            "https://cloud.mongodbgov.com",
        )
    )
    assert by_proxy is again
    assert direct is beside is loopback
    assert by_proxy is not direct


async def test_closing_closes_all_transports_when_one_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    proxies(monkeypatch, {"https_proxy": "http://proxy:3128", "no_proxy": "gateway.internal"})
    opened = transports()
    failing, other = (
        opened.transport_for(httpx.URL(f"https://{host}")) for host in ("gateway.internal", "cloud.mongodb.com")
    )
    closed = []

    async def fails() -> None:
        raise OSError("broken")

    async def closes() -> None:
        closed.append(other)

    for first, second in ((failing, other), (other, failing)):
        monkeypatch.setattr(first, "aclose", fails)
        monkeypatch.setattr(second, "aclose", closes)
        with pytest.raises(OSError, match="broken"):
            await opened.aclose()
    assert len(closed) == 2


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("a.localhost", True), ("127.9.9.9", True), ("::1", True), ("10.0.0.1", False), ("", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
