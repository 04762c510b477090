"""A real Prometheus that reads the metrics of one operator."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import httpx
import yaml

from control_plane.ports import free_port
from control_plane.process import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from control_plane.process import Server, ServerGroup

SCRAPE = 2
"""Seconds between two scrapes: a story of minutes instead of hours."""


class NoPrometheusError(Exception):
    """There is no Prometheus on this machine."""


def find_program() -> str:
    """Find the program: what the variable ``PROMETHEUS`` names, or ``prometheus`` as Debian's package brings it.

    Raises:
        NoPrometheusError: there is none; the message has the remedy.
    """
    program = shutil.which(os.environ.get("PROMETHEUS") or "prometheus")
    if program is None:
        raise NoPrometheusError(
            "The picture needs a Prometheus: install the package `prometheus`, or name the program with PROMETHEUS=."
        )
    return program


class Prometheus:
    """A running server."""

    def __init__(self, server: Server, url: str) -> None:
        self.server = server
        self._http = httpx.Client(base_url=f"{url}/api/v1", trust_env=False, timeout=30)

    @classmethod
    def start(cls, program: str, group: ServerGroup, folder: Path, *, target: str) -> Prometheus:
        """Start it, and wait until it answers."""
        labels = {"namespace": "atlas-endpoints", "instance": "atlas-endpoints-0"}
        config = {
            "global": {"scrape_interval": f"{SCRAPE}s"},
            "scrape_configs": [
                {
                    "job_name": "atlas-endpoints-metrics",
                    "static_configs": [{"targets": [target], "labels": labels}],
                }
            ],
        }
        (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
        address = f"127.0.0.1:{free_port()}"
        arguments = {
            "config.file": folder / "prometheus.yaml",
            "storage.tsdb.path": folder / "data",
            "web.listen-address": address,
        }
        server = group.start(
            "prometheus", [program, *(f"--{name}={value}" for name, value in arguments.items())], folder=folder
        )
        started = cls(server, f"http://{address}")
        wait_until(started._answers, "Prometheus", servers=[server], timeout=60)
        return started

    def now(self, query: str) -> list[dict[str, Any]]:
        return self._ask("query", query=query)

    def over(self, query: str, *, start: float, end: float, step: float) -> list[dict[str, Any]]:
        return self._ask("query_range", query=query, start=str(start), end=str(end), step=str(step))

    def close(self) -> None:
        self._http.close()

    def _ask(self, what: str, **parameters: str) -> list[dict[str, Any]]:
        answer = self._http.get(what, params=parameters).raise_for_status().json()
        return list(answer["data"]["result"])

    def _answers(self) -> bool:
        try:
            return self._http.get("status/buildinfo").is_success
        except httpx.TransportError:
            return False
