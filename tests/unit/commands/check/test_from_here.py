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
LOCAL = "orders.0.0.1"
"""A host to whose parent domain the name 127.0.0.1 belongs, which needs no DNS."""
LOOP = b"\xc0\x0c"
"""A name that is that of the question."""
ITSELF = struct.pack("!BB", 0xC0, 12 + len(f"_mongodb._tcp.{HOST}") + 2 + 4)
"""A name right after the question that is itself."""


@pytest.mark.parametrize(
    ("text", "targets"),
    [
        (f"mongodb+srv://user:secret@{HOST}/shop?retryWrites=true", [(HOST, None)]),
        (f" MongoDB+SRV://{HOST}./?a=b://c&appName=a@b", [(HOST, None)]),
        (HOST, [(HOST, None)]),
        ("mongodb://user:12345?x@db/", [("db", 27017)]),
        ("mongodb://user:1?x=2@db/shop?appName=a@b", [("db", 27017)]),
        ("[::1]:1024,db:65535", [("::1", 1024), ("db", 65535)]),
        ("[::1]", []),
        ("db:0", []),
        ("db:65536", []),
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
def test_the_hosts_of_a_string(text: str, targets: list[tuple[str, int | None]]) -> None:
    assert targets_in(text) == targets


class Dns(asyncio.DatagramProtocol):
    """Answers each question, over TCP without ``flags``.

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
        self._transport.sendto(self.answer(data, self._flags), addr)

    async def over_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2))
        answer = self.answer(await reader.readexactly(size), 0)
        writer.write(struct.pack("!H", len(answer)) + answer)
        writer.close()

    def answer(self, data: bytes, flags: int) -> bytes:
        question = data[12 : data.index(b"\0", 12) + 5]
        ports = self._ports if question[-4:] == struct.pack("!2H", from_here.SRV, 1) else []
        count, records = 1 + len(ports), LOOP + struct.pack("!2HIH", 5, 1, 60, 2) + LOOP
        for port in ports:
            target = struct.pack("!3H", 0, 0, port) + b"\x03127\x010\x010\x011\0"
            records += LOOP + struct.pack("!2HIH", from_here.SRV, 1, 60, len(target)) + target
        if isinstance(self._hostile, tuple):
            count, records = self._hostile
        answer = struct.pack("!5H", 0x8180 | flags, 1, count, 0, 0) + question + records
        return data[:2] + (self._hostile if isinstance(self._hostile, bytes) else answer)


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
    text: str, *ports: int, flags: int = 0, hostile: bytes | tuple[int, bytes] | None = None, tcp: bool = False
) -> list[str]:
    lines: list[str] = []
    loop, fails = asyncio.get_running_loop(), Dns([], 2, None)
    transport, dns = await loop.create_datagram_endpoint(
        lambda: Dns(list(ports), flags, hostile), local_addr=("127.0.0.1", 0)
    )
    at = transport.get_extra_info("sockname")
    failing, _ = await loop.create_datagram_endpoint(lambda: fails, local_addr=("127.0.0.1", 0))
    over_tcp = await asyncio.start_server(dns.over_tcp, *at) if tcp else None
    try:
        await from_here.run(text, Report(lines.append), [failing.get_extra_info("sockname"), at])
    finally:
        transport.close()
        failing.close()
        if over_tcp is not None:
            over_tcp.close()
    return lines[1:]


@pytest.mark.parametrize(
    ("flags", "tcp"), [pytest.param(0, False, id="an answer"), pytest.param(from_here.CUT, True, id="one that is cut")]
)
async def test_the_records_of_a_host_lead_to_its_ports(flags: int, tcp: bool) -> None:
    closed = closed_port()
    async with port() as opened:
        found = await findings(f"mongodb+srv://user:secret@{LOCAL}/", opened, closed, flags=flags, tcp=tcp)

    assert found[:2] == [
        f"ok       SRV records of {LOCAL}: 127.0.0.1:{opened} and 127.0.0.1:{closed}.",
        f"ok       127.0.0.1:{opened} at 127.0.0.1: opens.",
    ]
    assert found[2].startswith(f"failed   127.0.0.1:{closed} at 127.0.0.1: refused. Nothing listens there")
    assert "secret" not in "".join(found)


async def test_of_very_many_records_some_are_tried_and_the_others_counted() -> None:
    _, tried, left = await findings(LOCAL, *[closed_port()] * (from_here.MOST + 900), flags=from_here.CUT, tcp=True)

    assert f"and {from_here.MOST - 20} more: refused" in tried
    assert left.startswith("skipped  Not tried: 900 more.")


async def test_records_with_names_that_drivers_refuse_fail() -> None:
    _, *found = await findings(HOST, 1024)

    assert found == ["failed   127.0.0.1: drivers refuse records with names that do not end with .a1b2c.mongodb.net."]


@pytest.mark.parametrize("label", [b"\xff", b"x" * 64, b"a..b", b"\0"], ids=repr)
async def test_a_name_that_no_host_can_have_fails(label: bytes) -> None:
    parent = b"".join(bytes([len(part)]) + part.encode() for part in HOST.split(".")[1:])
    target = struct.pack("!3H", 0, 0, 1024) + bytes([len(label)]) + label + parent + b"\0"
    record = LOOP + struct.pack("!2HIH", from_here.SRV, 1, 60, len(target)) + target

    _, found = await findings(HOST, hostile=(1, record))

    assert found.startswith("failed   ")
    assert "the name has no address" in found


@pytest.mark.parametrize(
    ("flags", "hostile", "says"),
    [
        pytest.param(0, None, "DNS has none.", id="no records"),
        pytest.param(3, None, "DNS has none.", id="no such name"),
        pytest.param(2, None, "(SERVFAIL)", id="a server that fails"),
        pytest.param(5, None, "(REFUSED)", id="a server that refuses"),
        pytest.param(0, b"", "(unreadable)", id="an answer without a header"),
        pytest.param(0, bytes(30), "(to another question)", id="an answer to another question"),
        pytest.param(from_here.CUT, None, "(Connection refused)", id="an answer that is cut, without one over TCP"),
        pytest.param(0, (1, ITSELF), "(unreadable)", id="a name that contains itself"),
        pytest.param(0, (1, b"\x3fa"), "(unreadable)", id="a name that does not end"),
        pytest.param(0, (9, b""), "(unreadable)", id="fewer records than it says"),
    ],
)
async def test_an_answer_without_hosts_fails_with_its_remedy(
    flags: int, hostile: bytes | tuple[int, bytes] | None, says: str
) -> None:
    (found,) = await findings(HOST, flags=flags, hostile=hostile)

    assert found.startswith("failed   SRV ")
    assert says in found
    assert "TimeoutError" not in found
    # Only without an answer, or without records, a NetworkPolicy may be the cause.
    assert ("port 53" in found) == (says in {"DNS has none.", "(Connection refused)"})


async def test_what_is_no_string_is_refused_and_not_repeated() -> None:
    (found,) = await findings("secret at host")

    assert found == "failed   --from-here is no connection string, no host of mongodb+srv, and no HOST:PORT."
