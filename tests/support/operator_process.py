"""The operator as a process of its own, under the ServiceAccount and RBAC that are shipped."""

from __future__ import annotations

import re
import signal
import ssl
from typing import TYPE_CHECKING, Any

import httpx

from control_plane.process import PATIENCE, wait_until
from support.atlas import COMMAND

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from control_plane.process import Server, ServerGroup


_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Certificates that are not asked for need not be read for each look at a probe."""


class OperatorProcess:
    """A running operator."""

    def __init__(self, server: Server, probes: str) -> None:
        self.server = server
        self.probes = probes

    @staticmethod
    def command(
        *,
        kubeconfig: Path,
        atlas_url: str,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = COMMAND,
        **settings: Any,
    ) -> list[str]:
        """Return the command that runs it; arguments as of ``start``."""
        # By default it leads alone: the operators of many tests run beside each other, each for resources of its own.
        settings = {
            "http_address": "127.0.0.1:0",
            "atlas_url": atlas_url,
            "log_format": "text",
            "leader_elect": "false",
            **settings,
        }
        flags = [part for key, value in settings.items() for part in (f"--{key.replace('_', '-')}", str(value))]
        variables = [f"{key}={value}" for key, value in {"KUBECONFIG": kubeconfig, **(environment or {})}.items()]
        return ["/usr/bin/env", *variables, *program, "run", *flags]

    @classmethod
    def start(  # each is a fact of its own
        cls,
        group: ServerGroup,
        folder: Path,
        *,
        kubeconfig: Path,
        atlas_url: str,
        name: str = "operator",
        wait: bool = True,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = COMMAND,
        **settings: Any,
    ) -> OperatorProcess:
        """Start an operator and wait until it works."""
        command = cls.command(
            kubeconfig=kubeconfig, atlas_url=atlas_url, environment=environment, program=program, **settings
        )
        server = group.start(name, command, folder=folder)
        already = len(server.log.read_text())
        address = re.compile(r"""Started.*probes"?[=:] ?\[['"]([^'"]+)['"]""")
        wait_until(
            lambda: address.search(server.log.read_text()[already:]) is not None,
            "the operator",
            servers=[server],
        )
        found = address.search(server.log.read_text()[already:])
        assert found is not None
        process = cls(server, f"http://{found[1]}")
        if wait:
            wait_until(process.ready, "the operator to be ready", servers=[server])
        return process

    def ready(self) -> bool:
        return self.get("readyz").is_success

    def get(self, path: str) -> httpx.Response:
        return httpx.get(f"{self.probes}/{path}", trust_env=False, timeout=30, verify=_NO_TLS)

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric over all series with these labels."""
        total = 0.0
        for line in self.get("metrics").text.splitlines():
            series, _, value = line.rpartition(" ")
            if series.split("{")[0] == name and all(f'{label}="{text}"' in series for label, text in labels.items()):
                total += float(value)
        return total

    def stop(self, *, kill: bool = False) -> int:
        """End it by SIGTERM (or SIGKILL) and return its exit code, negative for a signal."""
        self.server.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        return self.server.process.wait(PATIENCE)

    @property
    def log(self) -> str:
        return self.server.log.read_text(errors="replace")
