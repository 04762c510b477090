"""The steps to the cluster of a connection string, with a DNS server and ports on loopback."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest
from typing_extensions import override

from atlas_endpoints.commands.check import from_here
from atlas_endpoints.commands.check.from_here import targets_in
from atlas_endpoints.commands.check.report import Report

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOST = "orders-pl-0.a1b2c.mongodb.net"
LOOP = b"\xc0\x0c"
"""A name that is that of the question."""
ITSELF = struct.pack("!BB", 0xC0, 12 + len(f"_mongodb._tcp.{HOST}") + 2 + 4)
"""A name right after the question that is itself."""


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        (f"mongodb+srv://user:secret@{HOST}/shop?retryWrites=true", [(HOST, 0)]),
        (HOST, [(HOST, 0)]),
        (f"mongodb://user:p%40ss@a.{HOST}:1024,b.{HOST}:1025/?ssl=true", [(f"a.{HOST}", 1024), (f"b.{HOST}", 1025)]),
        ("mongodb://user:p@s/s@db/?appName=a@b", [("db", 27017)]),
        ("db:1024,db:1025", [("db", 1024), ("db", 1025)]),
        ("db,db:1025", []),
        ("mongodb+srv://db:1024", []),
        ("postgres://db:1024", []),
        ("mongodb://user:secret@", []),
        ("db:port", []),
        ("", []),
    ],
)
def test_the_hosts_of_a_string(text: str, targets: list[tuple[str, int]]) -> None:
    assert targets_in(text) == targets


class Dns(asyncio.DatagramProtocol):
    """Answers each question.

    Args:
        ports: in the SRV records, after a record of another type.
        flags: of the answer, with its code.
        hostile: the whole answer after the ID; or a number of records, and what follows the question in their place.
    """

    def __init__(self, ports: list[int], flags: int, hostile: bytes | tuple[int, bytes] | None) -> None:
        self._ports, self._flags, self._hostile = ports, flags, hostile

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    @override
    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = data[12 : data.index(b"\0", 12) + 5]
        ports = self._ports if question[-4:] == struct.pack("!2H", from_here.SRV, 1) else []
        count, records = 1 + len(ports), LOOP + struct.pack("!2HIH", 5, 1, 60, 2) + LOOP
        for port in ports:
            target = struct.pack("!3H", 0, 0, port) + b"\x03127\x010\x010\x011\0"
            records += LOOP + struct.pack("!2HIH", from_here.SRV, 1, 60, len(target)) + target
        if isinstance(self._hostile, tuple):
            count, records = self._hostile
        answer = struct.pack("!5H", 0x8180 | self._flags, 1, count, 0, 0) + question + records
        self._transport.sendto(data[:2] + (self._hostile if isinstance(self._hostile, bytes) else answer), addr)


@asynccontextmanager
async def port() -> AsyncIterator[int]:
    """Listen at a port."""
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def findings(
    text: str, *ports: int, flags: int = 0, hostile: bytes | tuple[int, bytes] | None = None
) -> list[str]:
    lines: list[str] = []
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: Dns(list(ports), flags, hostile), local_addr=("127.0.0.1", 0)
    )
    try:
        await from_here.run(text, Report(lines.append), [transport.get_extra_info("sockname")])
    finally:
        transport.close()
    return lines[1:]


async def test_the_records_of_a_host_lead_to_its_ports() -> None:
    closed = closed_port()
    async with port() as opened:
        found = await findings(f"mongodb+srv://user:secret@{HOST}/", opened, closed)

    assert found[:2] == [
        f"ok       SRV records of {HOST}: 127.0.0.1:{opened} and 127.0.0.1:{closed}.",
        f"ok       127.0.0.1:{opened} at 127.0.0.1: opens.",
    ]
    assert found[2].startswith(f"failed   127.0.0.1:{closed} at 127.0.0.1: refused. Nothing listens there")
    assert "secret" not in "".join(found)


@pytest.mark.parametrize(
    ("flags", "hostile", "says"),
    [
        pytest.param(0, None, "DNS has none.", id="no records"),
        pytest.param(3, None, "DNS has none.", id="no such name"),
        pytest.param(2, None, "no usable answer of DNS (ValueError).", id="a server that fails"),
        pytest.param(0, b"", "no usable answer of DNS (error).", id="an answer without a header"),
        pytest.param(0x0200, None, "no usable answer", id="an answer that is cut"),
        pytest.param(0, (1, ITSELF), "no usable answer", id="a name that contains itself"),
        pytest.param(0, (1, b"\x3fa"), "no usable answer", id="a name that does not end"),
        pytest.param(0, (9, b""), "no usable answer", id="fewer records than it says"),
    ],
)
async def test_an_answer_without_hosts_fails_with_its_remedy(
    flags: int, hostile: bytes | tuple[int, bytes] | None, says: str
) -> None:
    (found,) = await findings(HOST, flags=flags, hostile=hostile)

    assert found.startswith("failed   SRV ")
    assert says in found
    assert "TimeoutError" not in found
    assert "port 53" in found


async def test_what_is_no_string_is_refused_and_not_repeated() -> None:
    (found,) = await findings("secret at host")

    assert found == "failed   --from-here is no connection string, no host of mongodb+srv, and no HOST:PORT."
