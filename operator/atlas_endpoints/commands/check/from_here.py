"""``check --from-here``: whether this machine or Pod reaches the cluster of a connection string, step by step as a driver does.

Neither Kubernetes nor Atlas is asked, and nothing of the string is printed but hosts and ports.
"""

import asyncio
import ipaddress
import re
import socket
from collections import defaultdict
from contextlib import suppress
from typing import TypeAlias

from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.resolver import NXDOMAIN

from atlas_endpoints.commands.check.report import Report, failed, named, ok, skipped, warning
from atlas_endpoints.telemetry.causes import words_of

Target: TypeAlias = tuple[str, int | None]  # a host with its port; None: a host of mongodb+srv
WITHIN = 5.0  # seconds for each step
MOST, ADDRESSES = 50, 10  # targets that are tried, and the addresses of each
DNS = (
    "A NetworkPolicy has to allow DNS (port 53, UDP and TCP). The DNS server has to forward names of mongodb.net, and must not drop"
    " answers with private addresses (rebinding protection)."
)
# Only an @ before the hosts may follow a user and a password: elsewhere, a part of a password could be printed as a host.
STRING = re.compile(r"(?ai)(?:(mongodb(?:[+]srv)?)://)?(?:[^@/?]*@)?([^@/?]+)(?:[/?][^@]*)?")
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


async def run(text: str, report: Report, resolver: Resolver | None = None) -> None:
    """Report which step of a connection fails; ``resolver`` asks DNS, by default as this machine does."""
    report.section("Connection from here")
    targets = targets_in(text)
    if not targets:
        report.add(failed("--from-here is no connection string, no host of mongodb+srv, and no HOST:PORT."))
    elif targets[0][1] is None:
        targets = await _from_records(targets[0][0], report, resolver)
    results = defaultdict[str, list[str]](list)
    for each in await asyncio.gather(*(_reach(*target) for target in targets[:MOST])):
        for place, result in each:
            results[result].append(place)
    for result, places in results.items():
        finding = ok if result == OPENS else warning if result == PUBLIC else failed
        report.add(finding(f"{named(places, most=20)}: {result}"))
    if left := targets[MOST:]:
        report.add(skipped(f"Not tried: {len(left)} more. No cluster has so many; compare the host with the string."))


async def _from_records(host: str, report: Report, resolver: Resolver | None) -> list[Target]:
    """Return the targets in the SRV records of a host, and report about its records; a driver asks for TXT records, too."""
    found = list[Target]()
    try:
        resolver = resolver or Resolver()
        for name, kind in ((f"_mongodb._tcp.{host}.", "SRV"), (f"{host}.", "TXT")):
            with suppress(NXDOMAIN):
                for each in await resolver.resolve(name, kind, raise_on_no_answer=False, lifetime=WITHIN):
                    if kind == "SRV":
                        found.append((each.target.to_text(omit_final_dot=True), each.port))
    except DNSException as error:
        report.add(failed(f"SRV and TXT records of {host}: no usable answer of DNS ({error}). {DNS}"))
        return []
    none = f"DNS has none. Compare the host with the string; a host of a mongodb:// string needs its port, HOST:PORT. {DNS}"
    names = f"{named(f'{name}:{port}' for name, port in found)}."
    report.add((ok if found else failed)(f"SRV records of {host}: {names if found else none}"))
    parent = f".{host.partition('.')[2] if host.count('.') > 1 else host}".lower()
    if foreign := sorted({name for name, _ in found if not name.lower().endswith(parent)}):
        report.add(failed(f"{named(foreign)}: drivers refuse records with names that do not end with {parent}."))
    return [target for target in found if target[0] not in foreign]


async def _reach(host: str, port: int | None) -> list[tuple[str, str]]:
    """Return the places at which a port was tried, each with what came of it and the remedy."""
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
