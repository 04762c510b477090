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
from pathlib import Path
from typing import TypeAlias

from atlas_endpoints.commands.check.report import Report, failed, named, ok, warning
from atlas_endpoints.telemetry.causes import words_of

Target: TypeAlias = tuple[str, int]  # a host with its port; 0: a host of mongodb+srv
WITHIN = 5.0  # seconds for each step
TXT, SRV = 16, 33  # types of records: RFC 1035 and 2782

DNS = (
    "A NetworkPolicy has to allow DNS (port 53, UDP and TCP). The DNS server has to forward names of mongodb.net, and must not drop"
    " answers with private addresses (rebinding protection)."
)
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
    scheme, _, rest = text.strip().rpartition("://")
    hosts = rest.partition("?")[0].rpartition("@")[2].partition("/")[0].split(",")
    found = [re.fullmatch(r"((?:[\w-]{1,63}[.]){0,9}[\w-]{1,63})(?::(\d{1,5}))?", each, re.ASCII) for each in hosts]
    targets = [(each[1], int(each[2] or 27017 * (scheme == "mongodb"))) for each in found if each]
    is_srv = [port for _, port in targets] == [0]
    is_list = scheme != "mongodb+srv" and all(port for _, port in targets)
    return targets if None not in found and scheme in {"", "mongodb", "mongodb+srv"} and (is_srv or is_list) else []


async def run(text: str, report: Report, servers: Sequence[Target] = ()) -> None:
    """Report which step of a connection fails; ``servers`` are those of DNS, by default this machine's."""
    report.section("Connection from here")
    targets = targets_in(text)
    if not targets:
        report.add(failed("--from-here is no connection string, no host of mongodb+srv, and no HOST:PORT."))
    elif not targets[0][1]:
        targets = await _from_records(targets[0][0], report, servers)
    results: dict[str, list[str]] = defaultdict(list)
    for each in await asyncio.gather(*(_reach(*target) for target in targets)):
        for place, result in each:
            results[result].append(place)
    for result, places in results.items():
        finding = ok if result == OPENS else warning if result == PUBLIC else failed
        report.add(finding(f"{named(places, most=20)}: {result}"))


async def _from_records(host: str, report: Report, servers: Sequence[Target]) -> list[Target]:
    """Return the targets in the SRV records of a host, and report about its records."""
    try:
        found = await asyncio.to_thread(_look_up, f"_mongodb._tcp.{host}", SRV, servers)
        await asyncio.to_thread(_look_up, host, TXT, servers)
    except (OSError, ValueError, LookupError, struct.error) as error:
        report.add(failed(f"SRV and TXT records of {host}: no usable answer of DNS ({words_of(error)}). {DNS}"))
        return []
    none = f"DNS has none. Compare the host with the string; a host of a mongodb:// string needs its port, HOST:PORT. {DNS}"
    names = named(f"{name}:{port}" for name, port in found)
    report.add((ok if found else failed)(f"SRV records of {host}: {f'{names}.' if found else none}"))
    return found


async def _reach(host: str, port: int) -> list[tuple[str, str]]:
    """Return the places at which a port was tried, each with what came of it and the remedy."""
    try:
        async with asyncio.timeout(WITHIN):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return [(host, f"the name has no address ({words_of(error)}). {DNS}")]
    addresses = dict.fromkeys(str(each[4][0]) for each in found)
    return [(f"{host}:{port} at {each}", await _open(each, port)) for each in addresses]


async def _open(address: str, port: int) -> str:
    """Return what comes of opening a port, with the remedy."""
    try:
        async with asyncio.timeout(WITHIN):
            _, writer = await asyncio.open_connection(address, port)
    except OSError as error:
        unreachable = "Check the routes and peerings between this network and that of the private endpoint."
        return NO_CONNECTION.get(type(error)) or f"{words_of(error)}. {unreachable}"
    writer.close()
    return PUBLIC if ipaddress.ip_address(address.partition("%")[0]).is_global else OPENS


def _look_up(name: str, type_: int, servers: Sequence[Target]) -> list[Target]:
    """Return the targets in the SRV records of a name, as the first DNS server that answers has them; [] of other types.

    Raises:
        OSError, ValueError, LookupError, struct.error: none answers, or an answer is unreadable.
    """
    if not servers:
        text = Path("/etc/resolv.conf").read_text(encoding="utf-8", errors="replace")
        servers = [(each, 53) for each in re.findall(r"^nameserver[ \t]+([0-9A-Fa-f.:]+)", text, re.MULTILINE)]
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    edns = struct.pack("!xHHIH", 41, 4096, 0, 0)  # takes answers of more than 512 bytes
    asked = secrets.token_bytes(2) + struct.pack("!5H", 0x0100, 1, 0, 0, 1) + labels + struct.pack("!xHH", type_, 1)
    failure: OSError = OSError()
    for server in servers:
        try:
            with socket.socket(socket.AF_INET6 if ":" in server[0] else socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.settimeout(WITHIN)
                asking.connect(server)
                asking.send(asked + edns)
                return _targets(asking.recv(4096), asked)
        except OSError as error:
            failure = error
    raise failure


def _targets(answer: bytes, asked: bytes) -> list[Target]:
    flags, records = struct.unpack_from("!2xH2xH", answer)
    at, found = len(asked), list[Target]()
    if answer[:2] + answer[12:at] != asked[:2] + asked[12:] or flags & 0x0200 or flags & 0xF not in {0, 3}:
        raise ValueError  # it answers something else, is cut, or says neither that there is something nor that there is not
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
    raise ValueError
