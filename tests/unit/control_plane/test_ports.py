from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from control_plane import ports

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ephemeral_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "range"
    monkeypatch.setattr(ports, "EPHEMERAL_RANGE", path)
    return path


def test_a_port_is_below_those_the_kernel_gives_to_connections(ephemeral_range: Path) -> None:
    ephemeral_range.write_text("12000\t60999\n")
    assert all(ports.LOWEST <= ports.free_port() < 12_000 for _ in range(20))


def test_a_port_that_is_listened_on_is_passed_over(ephemeral_range: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        monkeypatch.setattr(ports, "LOWEST", taken)
        ephemeral_range.write_text(f"{taken + 1}\t65535\n")
        monkeypatch.setattr(ports, "WIDTH", 1)
        with pytest.raises(OSError, match="no free port on loopback"):
            ports.free_port()
