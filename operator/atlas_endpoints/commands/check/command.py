"""Run a check: ask Kubernetes and Atlas, and print the report.

Nothing is changed. The API server gets no write. Atlas gets one write without an effect for each scope and pair of
credentials, and none with ``WRITES=off``.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any

import httpx

from atlas_endpoints.atlas.client import AtlasClient
from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.atlas.errors import RateLimitedError
from atlas_endpoints.atlas.transport import proxy_from_environment
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.cluster.errors import NoClusterError
from atlas_endpoints.commands.check.interview import Place, Result, interview, reached, timed
from atlas_endpoints.commands.check.report import Level, Report, failed, ok, skipped, warning
from atlas_endpoints.commands.check.resources import ClusterReader
from atlas_endpoints.commands.check.settings import CheckSettings
from atlas_endpoints.commands.clusterless import PatientClient, client_of
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.settings import unknown_variables

WITHIN, PAIRS_AT_ONCE = 120.0, 8
"""Seconds for the whole check; pairs of credentials that are asked with in parallel."""


async def run(
    settings: CheckSettings,
    kinds: Sequence[KindWithCommands[Any]],
    put: Callable[[str], object],
    say: Callable[[str], object],
) -> bool:
    """Check all that the operator needs, and return whether nothing has failed.

    Args:
        put: prints a line of the report as soon as it is known, or one document at the end.
        say: prints a line about a wait.
    """
    report, began = Report(put, as_document=settings.output == "json"), time.monotonic()
    logger = logging.getLogger("atlas_endpoints")
    logger.addHandler(report)
    try:
        async with asyncio.timeout(WITHIN) as limit:
            if settings.from_here is not None:
                from atlas_endpoints.commands.check import from_here  # noqa: PLC0415  # its DNS library is not the operator's

                await from_here.run(settings.from_here, report)
            else:
                await _check(settings, kinds, report, say, until=limit.when() or 0)
    except TimeoutError:
        remedy = "The report is incomplete: check a namespace alone with --namespaces."
        report.section("Not checked", failed(f"The check did not end within {WITHIN:.0f} s. {remedy}"))
    finally:
        logger.removeHandler(report)
    report.end(time.monotonic() - began)
    return report.passed


async def _check(
    settings: CheckSettings,
    kinds: Sequence[KindWithCommands[Any]],
    report: Report,
    say: Callable[[str], object],
    *,
    until: float,
) -> None:
    """Report the ways to Kubernetes and to Atlas, and what Atlas answers about each place."""
    if unknown := unknown_variables(CheckSettings):
        no_effect = "is no setting of check in this version, and has no effect."
        report.section("Settings", *(warning(f"{name} {no_effect}") for name in unknown))
    places, credentials = list[Place](), dict[str, Credentials]()
    clients: dict[str | None, PatientClient] = {}
    async with AsyncExitStack() as closing:
        try:
            connection = await Connection.open()
        except (NoClusterError, OSError, ValueError) as error:
            report.section("Kubernetes", failed(f"{error}. Credentials come from Secrets only, so none are checked."))
        else:
            closing.push_async_callback(connection.close)
            report.section(f"Kubernetes at {connection.server}")
            reader = ClusterReader(settings, kinds, connection, report)
            places, credentials = await reader.places(), reader.credentials
        used = {credentials[place.scope.credentials].base_url for place in places}
        for base_url in dict.fromkeys(each.base_url for each in credentials.values()) or (None,):
            client = await _reach(settings, base_url, report, closing)
            if client is not None:
                clients[base_url] = PatientClient(client, say, RateLimitedError, until)
            elif base_url in used:
                report.add(skipped("Projects are not checked, because the way to Atlas is not usable."))

        def ask(place: Place) -> Awaitable[Result]:
            its_own = credentials[place.scope.credentials]
            return interview(place, clients[its_own.base_url], its_own, writes=settings.writes)

        usable = [place for place in places if credentials[place.scope.credentials].base_url in clients]
        await ask_all(ask, usable, report)


async def ask_all(ask: Callable[[Place], Awaitable[Result]], places: Iterable[Place], report: Report) -> None:
    """Report the answers about places, each as soon as it is known; a pair of credentials gets one question after the other."""
    room, turns, hopeless = asyncio.Semaphore(PAIRS_AT_ONCE), defaultdict[str, asyncio.Lock](asyncio.Lock), set[str]()

    async def ask_about(place: Place) -> None:
        pair = place.scope.credentials
        async with turns[pair], room:
            if pair in hopeless:
                report.section(place.title, skipped("Not checked: see the failure of these credentials above."))
                return
            findings, is_hopeless = await ask(place)
            report.section(place.title, *findings)
            hopeless.update({pair} if is_hopeless else ())

    async with asyncio.TaskGroup() as tasks:
        for place in places:
            tasks.create_task(ask_about(place))


async def _reach(
    settings: CheckSettings, from_secret: str | None, report: Report, closing: AsyncExitStack
) -> AtlasClient | None:
    """Report the way to Atlas, and return a client if it answers; an address ``from_secret`` is not shown."""
    url = from_secret or settings.atlas_url
    try:
        client = client_of(settings, url, writes=settings.writes)
    except ValueError as error:
        report.section("Atlas", failed(str(error)))
        return None
    closing.push_async_callback(client.aclose)
    report.section(f"Atlas: {'the address in the Secret of the operator (baseUrl)' if from_secret else url}")
    if (proxy := proxy_from_environment(httpx.URL(url))) is not None:
        shown = httpx.URL(proxy)  # the whole one may hold a password
        report.add(ok(f"Calls go through the proxy {shown.scheme}://{shown.netloc.decode()}."))
    refusal, took = await timed(client.check_reachable())
    report.add(finding := reached(refusal, took))
    return None if finding.level is Level.FAILED else client
