"""Who may come in to one control plane, and with what: its tokens, its certificate, its kubeconfigs."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from control_plane.configuration import token_file
from control_plane.keys import new_private_key
from control_plane.kubeconfig import render_kubeconfig, write_private

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane.arguments import Files

CERTIFICATE_END = "-----END CERTIFICATE-----\n"


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
        everything = "system:masters"
        tokens = [
            (self.admin_token, "admin", everything),
            (self.controller_manager_token, "system:kube-controller-manager", everything),
        ]
        write_private(self.files.tokens, token_file(tokens))
        write_private(self.files.service_account_key, new_private_key())

    def keep_ca(self) -> bool:
        """Take the issuer's certificate out of what the API server has made for itself.

        Returns:
            Whether it could: the API server writes the two certificates some time after its start.
        """
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
        """Write a kubeconfig for whoever has the token."""
        ca = self.files.ca.read_text()
        write_private(path, render_kubeconfig(url=url, ca=ca, user=user, token=token, namespace=namespace))
