"""Ports for servers that are told theirs before they listen."""

from __future__ import annotations

import random
import socket
from pathlib import Path

LOWEST = 10_000
EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
FIRST_EPHEMERAL = 32_768
"""Linux's default, and below the 49,152 of others."""
WIDTH = 1000
"""How many ports to choose from at least, should the kernel's range begin low."""


def free_port() -> int:
    """Choose a port on loopback that nobody listens on, below those that the kernel hands out for connections.

    A port of the kernel's own range would be free now, but while a server is stopped and started again any client might
    get it; one that keeps dialling the stopped server may even be connected to itself.
    """
    first = int(EPHEMERAL_RANGE.read_text().split()[0]) if EPHEMERAL_RANGE.exists() else FIRST_EPHEMERAL
    last = max(first, LOWEST + WIDTH) - 1
    for _ in range(100):
        # Not of the seeded generator: parallel test workers with one seed would all choose the same port.
        port = random.SystemRandom().randrange(LOWEST, last + 1)
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server will
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port on loopback from {LOWEST} to {last}")
