"""The steps to the cluster of a connection string, with a DNS server and ports on loopback."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import pytest
from dns.asyncresolver import Resolver
from dns.flags import TC
from dns.message import from_wire, make_response
from dns.nameserver import Do53Nameserver
from dns.rcode import Rcode
from dns.rdatatype import SRV
from dns.rrset import from_text
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
        (f" MongoDB+SRV://{HOST}./?a=b://c&appName=a", [(HOST, None)]),
        (HOST, [(HOST, None)]),
        ("mongodb://user:12345?x@db/", []),
        ("mongodb://user:1?x=2@db/shop?appName=a", []),
        ("[::1]:1024,db:65535", [("::1", 1024), ("db", 65535)]),
        ("[::1]", []),
        ("db:0", []),
        ("db:65536", []),
        (f"mongodb://user:p%40ss@a.{HOST}:1024,b.{HOST}:1025/?ssl=true", [(f"a.{HOST}", 1024), (f"b.{HOST}", 1025)]),
        ("mongodb://user:p@s/s@db/", []),
        ("mongodb://user:p@s@db/", []),
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
        ports: in the SRV records.
        code: of the answer.
        flags: of the answer.
        hostile: what follows the header and the question in the place of a record; b"" for an answer without a header.
    """

    def __init__(
        self, ports: list[int], code: Rcode = Rcode.NOERROR, flags: int = 0, hostile: bytes | None = None
    ) -> None:
        self._ports, self._code, self._flags, self._hostile = ports, code, flags, hostile

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
        answer = make_response(from_wire(data), recursion_available=True)
        answer.set_rcode(self._code)
        (question,) = answer.question
        if self._ports and question.rdtype == SRV:
            records = [f"0 0 {port} 127.0.0.1." for port in self._ports]
            answer.answer.append(from_text(question.name, 60, "IN", "SRV", *records))
        answer.flags |= flags
        wire: bytes = answer.to_wire(max_size=65535)
        if self._hostile is None:
            return wire
        end = 12 + len(question.name.to_wire() or b"") + 4
        return wire[:6] + struct.pack("!3H", 1, 0, 0) + wire[12:end] + self._hostile if self._hostile else b""


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


async def findings(text: str, dns: Dns, *, tcp: bool = False) -> list[str]:
    lines: list[str] = []
    loop = asyncio.get_running_loop()
    failing, _ = await loop.create_datagram_endpoint(lambda: Dns([], Rcode.SERVFAIL), local_addr=("127.0.0.1", 0))
    transport, _ = await loop.create_datagram_endpoint(lambda: dns, local_addr=("127.0.0.1", 0))
    at = transport.get_extra_info("sockname")
    over_tcp = await asyncio.start_server(dns.over_tcp, *at) if tcp else None
    resolver = Resolver(configure=False)
    resolver.nameservers = [Do53Nameserver(*failing.get_extra_info("sockname")), Do53Nameserver(*at)]
    try:
        await from_here.run(text, Report(lines.append), resolver)
    finally:
        transport.close()
        failing.close()
        if over_tcp is not None:
            over_tcp.close()
    return lines[1:]


@pytest.mark.parametrize("cut", [False, True], ids=["an answer", "one that is cut"])
async def test_the_records_of_a_host_lead_to_its_ports(cut: bool) -> None:
    closed = closed_port()
    async with port() as opened:
        dns = Dns([opened, closed], flags=TC if cut else 0)
        found = await findings(f"mongodb+srv://user:secret@{LOCAL}/", dns, tcp=cut)

    assert found[0].startswith(f"ok       SRV records of {LOCAL}: 127.0.0.1:")
    assert f"ok       127.0.0.1:{opened} at 127.0.0.1: opens." in found
    (refused,) = (each for each in found if each.startswith("failed"))
    assert refused.startswith(f"failed   127.0.0.1:{closed} at 127.0.0.1: refused. Nothing listens there")
    assert "secret" not in "".join(found)


async def test_of_very_many_records_some_are_tried_and_the_others_counted() -> None:
    dns = Dns([*range(1, from_here.MOST + 901)], flags=TC)
    _, tried, left = await findings(LOCAL, dns, tcp=True)

    assert f"and {from_here.MOST - 20} more: refused" in tried
    assert left.startswith("skipped  Not tried: 900 more.")


async def test_records_with_names_that_drivers_refuse_fail() -> None:
    _, *found = await findings(HOST, Dns([1024]))

    assert found == ["failed   127.0.0.1: drivers refuse records with names that do not end with .a1b2c.mongodb.net."]


@pytest.mark.parametrize("label", [b"\xff", b"a..b", b"\0"], ids=repr)
async def test_a_name_that_no_host_can_have_fails(label: bytes) -> None:
    parent = b"".join(bytes([len(part)]) + part.encode() for part in HOST.split(".")[1:])
    target = struct.pack("!3H", 0, 0, 1024) + bytes([len(label)]) + label + parent + b"\0"
    record = LOOP + struct.pack("!2HIH", SRV, 1, 60, len(target)) + target

    _, found = await findings(HOST, Dns([], hostile=record))

    assert found.startswith("failed   ")
    assert "the name has no address" in found


@pytest.mark.parametrize(
    ("dns", "says"),
    [
        pytest.param(Dns([]), "DNS has none.", id="no records"),
        pytest.param(Dns([], Rcode.NXDOMAIN), "DNS has none.", id="no such name"),
        pytest.param(Dns([], Rcode.SERVFAIL), "answered SERVFAIL", id="a server that fails"),
        pytest.param(Dns([], Rcode.REFUSED), "answered REFUSED", id="a server that refuses"),
        pytest.param(Dns([], flags=TC), "answered", id="an answer that is cut, without one over TCP"),
        pytest.param(Dns([], hostile=ITSELF), "no usable answer of DNS", id="a name that contains itself"),
    ],
)
async def test_an_answer_without_hosts_fails_with_its_remedy(dns: Dns, says: str) -> None:
    (found,) = await findings(HOST, dns)

    assert found.startswith("failed   SRV ")
    assert says in found
    assert "port 53" in found


async def test_what_is_no_string_is_refused_and_not_repeated() -> None:
    (found,) = await findings("secret at host", Dns([]))

    assert found == "failed   --from-here is no connection string, no host of mongodb+srv, and no HOST:PORT."
