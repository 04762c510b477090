"""The cause of a failed connection in a status or a log: words of the system, and no text of the other side."""

import os
import ssl

import aiohttp


def words_of(cause: BaseException) -> str:
    """Return the system's words, such as `Connection refused`, or else the name of the error's type."""
    return _system_words(cause) or type(cause).__name__


def _system_words(cause: BaseException) -> str:
    if isinstance(cause, aiohttp.ClientHttpProxyError):
        return f"HTTP {cause.status}"
    certificate = getattr(cause, "certificate_error", None)
    if isinstance(certificate, ssl.SSLCertVerificationError):
        return certificate.verify_message
    system = getattr(cause, "os_error", cause)
    if isinstance(system, ssl.SSLError):
        return (system.reason or "").replace("_", " ").lower()
    if isinstance(system, OSError) and system.errno:
        # asyncio's own text contains addresses; only a failed name lookup (negative) has no other one.
        return os.strerror(system.errno) if system.errno > 0 else system.strerror or ""
    return ""
