"""What clients of the control plane are told, and keeping it from others."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pathlib import Path

NAME = "control-plane"
"""The name of the cluster and of the context."""


def render_kubeconfig(*, url: str, ca: str, user: str, token: str, namespace: str = "default") -> str:
    """Write a kubeconfig that holds all it needs and so can be copied anywhere.

    Args:
        url: The API server, such as `https://127.0.0.1:12345`.
        ca: The certificate that signed the API server's, as PEM.
        user: What to call the token's owner.
        token: The bearer token.
        namespace: Where commands act that name none.
    """
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
