"""Who may come in to one control plane, and with what: its tokens, its keys and certificate, its kubeconfigs."""

from __future__ import annotations

import base64
import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane.arguments import Files

CERTIFICATE_END = "-----END CERTIFICATE-----\n"
NAME = "control-plane"
"""The name of the cluster and of the context in kubeconfigs."""
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""The order of the curve P-256; a private key is any number from 1 up to this (SEC 2, 2.4.2)."""

DER_HEAD = bytes.fromhex("3031 020101 0420")
DER_TAIL = bytes.fromhex("a00a 0608 2a8648ce3d030107")
"""RFC 5915's ECPrivateKey without its optional public key: version 1, the number in 32 bytes, the curve's name."""


def _new_token() -> str:
    return secrets.token_hex(16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The credentials of one control plane, new ones for each.

    Attributes:
        files: Where they are kept.
        admin_token: May do everything.
        controller_manager_token: May too, under a name of its own, so that the audit log can tell the two apart.
    """

    files: Files
    admin_token: str = field(default_factory=_new_token)
    controller_manager_token: str = field(default_factory=_new_token)

    def write_for_apiserver(self) -> None:
        """Write what the API server has to know to let anybody in."""
        tokens = {"admin": self.admin_token, "system:kube-controller-manager": self.controller_manager_token}
        lines = [f"{token},{user},{user},system:masters\n" for user, token in tokens.items()]
        write_private(self.files.tokens, "".join(lines))
        write_private(self.files.service_account_key, new_private_key())

    def keep_ca(self) -> bool:
        """Store the issuer's certificate of what the API server makes for itself, if it has by now; return whether."""
        own = self.files.certificate
        match own.read_text().split(CERTIFICATE_END) if own.exists() else []:
            case [_own, issuer, ""]:
                self.files.ca.write_text(issuer + CERTIFICATE_END)
                return True
            case _:
                return False

    def write_kubeconfigs(self, url: str) -> None:
        """Write the kubeconfigs of those who have fixed tokens."""
        self.write_kubeconfig(self.files.admin_kubeconfig, url, user="admin", token=self.admin_token)
        self.write_kubeconfig(
            self.files.controller_manager_kubeconfig,
            url,
            user="kube-controller-manager",
            token=self.controller_manager_token,
        )

    def write_kubeconfig(self, path: Path, url: str, *, user: str, token: str, namespace: str = "default") -> None:
        ca = self.files.ca.read_text()
        write_private(path, render_kubeconfig(url=url, ca=ca, user=user, token=token, namespace=namespace))


def new_private_key() -> str:
    """Make an ECDSA key on P-256, as PEM.

    A private key on this curve is just a random number, so neither openssl nor a cryptography package is needed to
    make one; the servers work the public half out themselves.
    """
    number = 1 + secrets.randbelow(P256_ORDER - 1)
    encoded = base64.encodebytes(DER_HEAD + number.to_bytes(32, "big") + DER_TAIL).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{encoded}-----END EC PRIVATE KEY-----\n"


def render_kubeconfig(*, url: str, ca: str, user: str, token: str, namespace: str = "default") -> str:
    """Return a kubeconfig that holds all it needs and so can be copied anywhere."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {
                    "name": NAME,
                    "cluster": {"server": url, "certificate-authority-data": base64.b64encode(ca.encode()).decode()},
                }
            ],
            "users": [{"name": user, "user": {"token": token}}],
            "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": user, "namespace": namespace}}],
            "current-context": NAME,
        },
        sort_keys=False,
    )


def write_private(path: Path, text: str) -> None:
    """Write a file that holds a secret: readable by its owner alone from its first byte on, and never half written."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(path)
