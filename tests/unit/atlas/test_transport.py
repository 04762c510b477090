import ssl
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import httpx
import pytest

from atlas_endpoints.atlas.transport import failure

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
