"""``check --from-here``: whether this machine or Pod reaches the cluster of a connection string, step by step as a driver does.

Neither Kubernetes nor Atlas is asked, and nothing of the string is printed but hosts and ports.
"""

import asyncio
import ipaddress
import re
import secrets
import socket
import struct
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

from atlas_endpoints.commands.check.report import Report, failed, named, ok, skipped, warning
from atlas_endpoints.telemetry.causes import words_of

Target: TypeAlias = tuple[str, int | None]  # a host with its port; None: a host of mongodb+srv
WITHIN = 5.0  # seconds for each step
MOST, AT_ONCE, ADDRESSES = 100, 20, 10  # targets that are tried, those at once, and the addresses of each
TXT, SRV, CUT = 16, 33, 0x0200  # types of records, the flag of an answer that is too long for UDP: RFC 1035, 2782
CODES = {0: "", 2: "SERVFAIL", 3: "", 5: "REFUSED"}  # 3: there is no such name
SERVER = "The DNS server has to forward names of mongodb.net, and must not drop answers with private addresses (rebinding protection)."
DNS = f"A NetworkPolicy has to allow DNS (port 53, UDP and TCP). {SERVER}"
# Before options, of which only appName may hold an @, an @ belongs to the user and the password.
OPTIONS = r"(?:[?](?:(?:appname=[^&]*|\w+=[^&@]*)(?:&|$))*)?"
STRING = re.compile(rf"(?ai)(?:(mongodb(?:[+]srv)?)://)?(?:.*?@)??([^@/?]+)(?:/[^@/?]*)?{OPTIONS}")
PLACE = re.compile(r"(?ai)(?:((?:[\w-]{1,63}[.]){0,9}[\w-]{1,63})[.]?|\[([0-9a-f:.]+)\](?=:))(?::(\d{1,5}))?")
NO_CONNECTION = {
    TimeoutError: "no answer. Something on the way drops the packets: on AWS the security group of the VPC endpoint, on Azure the network"
    " security group, on Google Cloud the firewall, in a Pod an egress NetworkPolicy. Allow all ports from 1024 up, which Atlas uses.",
    ConnectionRefusedError: "refused. Nothing listens there, or a firewall rejects it. Compare the port with the current string, since"
    " ports change with the cluster, and check that the cluster is not paused.",
}
OPENS = "opens."
PUBLIC = "opens, but the address is public: use the private string, and check which DNS server answers here."


def targets_in(text: str) -> list[Target]:
    """Return what a connection string, a host of ``mongodb+srv``, or ``host:port`` names; [] for anything else."""
    if (string := STRING.fullmatch(text.strip())) is None:
        return []
    scheme, found = (string[1] or "").lower(), [PLACE.fullmatch(each) for each in string[2].split(",")]
    default = 27017 if scheme == "mongodb" else None
    targets = [(each[1] or each[2], int(each[3]) if each[3] else default) for each in found if each]
    is_srv = [port for _, port in targets] == [None]
    is_list = scheme != "mongodb+srv" and all(0 < (port or 0) < 1 << 16 for _, port in targets)
    return targets if None not in found and (is_srv or is_list) else []


async def run(text: str, report: Report, servers: Sequence[Target] = ()) -> None:
    """Report which step of a connection fails; ``servers`` are those of DNS, by default this machine's."""
    report.section("Connection from here")
    targets = targets_in(text)
    if not targets:
        report.add(failed("--from-here is no connection string, no host of mongodb+srv, and no HOST:PORT."))
    elif targets[0][1] is None:
        targets = await _from_records(targets[0][0], report, servers)
    results, room = defaultdict[str, list[str]](list), asyncio.Semaphore(AT_ONCE)
    for each in await asyncio.gather(*(_reach(*target, room) for target in targets[:MOST])):
        for place, result in each:
            results[result].append(place)
    for result, places in results.items():
        finding = ok if result == OPENS else warning if result == PUBLIC else failed
        report.add(finding(f"{named(places, most=20)}: {result}"))
    if len(targets) > MOST:
        report.add(
            skipped(f"Not tried: {len(targets) - MOST} more. No cluster has so many; compare the host with the string.")
        )


async def _from_records(host: str, report: Report, servers: Sequence[Target]) -> list[Target]:
    """Return the targets in the SRV records of a host, and report about its records."""
    try:
        text = await asyncio.to_thread(Path("/etc/resolv.conf").read_text, "utf-8", "replace")
        servers = servers or [(each, 53) for each in re.findall(r"(?m)^nameserver[ \t]+([0-9A-Fa-f.:]+)", text)]
        found = await _look_up(f"_mongodb._tcp.{host}", SRV, servers)
        await _look_up(host, TXT, servers)
    except (OSError, ValueError) as error:
        cause, remedy = (words_of(error), DNS) if isinstance(error, OSError) else (str(error), SERVER)
        report.add(failed(f"SRV and TXT records of {host}: no usable answer of DNS ({cause}). {remedy}"))
        return []
    none = f"DNS has none. Compare the host with the string; a host of a mongodb:// string needs its port, HOST:PORT. {DNS}"
    names = f"{named(f'{name}:{port}' for name, port in found)}."
    report.add((ok if found else failed)(f"SRV records of {host}: {names if found else none}"))
    parent = f".{host.partition('.')[2] if host.count('.') > 1 else host}".lower()
    if foreign := sorted({name for name, _ in found if not name.lower().endswith(parent)}):
        report.add(failed(f"{named(foreign)}: drivers refuse records with names that do not end with {parent}."))
    return [target for target in found if target[0] not in foreign]


async def _reach(host: str, port: int | None, room: asyncio.Semaphore) -> list[tuple[str, str]]:
    """Return the places at which a port was tried, each with what came of it and the remedy."""
    async with room:
        try:
            async with asyncio.timeout(WITHIN):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:  # ValueError: no host can have the name
            return [(host, f"the name has no address ({words_of(error)}). {DNS}")]
        addresses = list(dict.fromkeys(str(one[4][0]) for one in found))[:ADDRESSES]
        opened = await asyncio.gather(*(_open(at, port) for at in addresses))
    return [(f"{host}:{port} at {at}", result) for at, result in zip(addresses, opened, strict=True)]


async def _open(address: str, port: int | None) -> str:
    """Return what comes of opening a port, with the remedy."""
    try:
        async with asyncio.timeout(WITHIN):
            _, writer = await asyncio.open_connection(address, port)
    except OSError as error:
        return (
            NO_CONNECTION.get(type(error)) or f"{words_of(error)}. Check routes and peerings to the private endpoint."
        )
    writer.close()
    return PUBLIC if ipaddress.ip_address(address.partition("%")[0]).is_global else OPENS


async def _look_up(name: str, type_: int, servers: Sequence[Target]) -> list[Target]:
    """Return the targets in the SRV records of a name by the first usable answer, or raise ``OSError`` or ``ValueError``."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    edns = struct.pack("!xHHIH", 41, 4096, 0, 0)  # takes answers of more than 512 bytes
    asked = secrets.token_bytes(2) + struct.pack("!5H", 0x0100, 1, 0, 0, 1) + labels + struct.pack("!xHH", type_, 1)
    failure: Exception = OSError()
    for server in servers:
        try:
            async with asyncio.timeout(WITHIN):
                return _targets(await _answer(server, asked + edns), asked)
        except (OSError, ValueError, EOFError, LookupError, struct.error) as error:
            failure = error if isinstance(error, (OSError, ValueError)) else ValueError("unreadable")
    raise failure


async def _answer(server: Target, question: bytes) -> bytes:
    """Return the answer of a DNS server, over TCP if it is too long for UDP."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM) as asking:
        asking.settimeout(0)
        await loop.sock_connect(asking, server)
        await loop.sock_sendall(asking, question)
        answer = await loop.sock_recv(asking, 4096)
    if not int.from_bytes(answer[2:4]) & CUT:
        return answer
    reader, writer = await asyncio.open_connection(*server)
    with closing(writer):
        writer.write(struct.pack("!H", len(question)) + question)
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2)))


def _targets(answer: bytes, asked: bytes) -> list[Target]:
    flags, records = struct.unpack_from("!2xH2xH", answer)
    at, found = len(asked), list[Target]()
    ours = answer[:2] + answer[12:at] == asked[:2] + asked[12:]
    if why := "cut" if flags & CUT else CODES.get(flags & 0xF, "another code") if ours else "to another question":
        raise ValueError(why)
    for _ in range(records):
        at = _name(answer, at)[1]
        type_, size = struct.unpack_from("!H6xH", answer, at)
        if type_ == SRV:
            found.append((_name(answer, at + 16)[0], *struct.unpack_from("!H", answer, at + 14)))
        at += 10 + size
    return found


def _name(answer: bytes, at: int) -> tuple[str, int]:
    """Return a name, and where it ends; names share their ends by pointers."""
    parts, end = list[str](), 0
    for _ in range(128):
        if (length := answer[at]) == 0:
            return ".".join(parts), end or at + 1
        if length < 0xC0:  # noqa: PLR2004  # no pointer
            parts.append(answer[at + 1 : at + 1 + length].decode("ascii", "replace"))
            at += 1 + length
        else:
            end, at = end or at + 2, struct.unpack_from("!H", answer, at)[0] & 0x3FFF
    raise ValueError("unreadable")
