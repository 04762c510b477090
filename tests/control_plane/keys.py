"""The key that signs the tokens of ServiceAccounts."""

from __future__ import annotations

import base64
import secrets

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of the curve P-256; a private key is any number from 1 up to this (SEC 2, 2.4.2)."""

DER_HEAD = bytes.fromhex("3031 020101 0420")
DER_TAIL = bytes.fromhex("a00a 0608 2a8648ce3d030107")
"""RFC 5915's ECPrivateKey without its optional public key: version 1, the number in 32 bytes, the curve's name."""


def new_private_key() -> str:
    """Make an ECDSA key on P-256, as PEM.

    A private key on this curve is just a random number, so neither openssl nor a cryptography package is needed to
    make one; the servers work the public half out themselves.
    """
    number = 1 + secrets.randbelow(P256_ORDER - 1)
    encoded = base64.encodebytes(DER_HEAD + number.to_bytes(32, "big") + DER_TAIL).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{encoded}-----END EC PRIVATE KEY-----\n"
