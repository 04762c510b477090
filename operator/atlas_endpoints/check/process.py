"""Run a check: ask Kubernetes and Atlas, and print the report.

Nothing is changed. The API server gets no write; Atlas gets one PATCH for each instance and pair of credentials,
without a change and for an endpoint that cannot exist, and none with ``WRITES=off``.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from functools import partial

from atlas_endpoints.atlas.credentials import Credentials
from atlas_endpoints.check.findings import Level, LogToReport, Report, failed, passed, skipped, warning
from atlas_endpoints.check.interview import Result, announced, interview
from atlas_endpoints.check.places import Place
from atlas_endpoints.check.questions import Atlas
from atlas_endpoints.check.sources import Sources
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.cluster.errors import NoClusterError
from atlas_endpoints.settings import CheckSettings, unknown_variables

WITHIN = 120.0
"""Seconds for the whole check."""

AT_ONCE = 8
"""Pairs of credentials in parallel; each asks one question after the other."""


async def run(settings: CheckSettings, say: Callable[[str], object]) -> bool:
    """Check all that the operator needs, and return whether nothing has failed.

    Args:
        say: prints a line of the report as soon as it is known, or one document at the end.
    """
    report = Report(say, as_document=settings.output == "json")
    log = LogToReport(report)
    began = time.monotonic()
    logging.getLogger("atlas_endpoints").addHandler(log)
    try:
        async with AsyncExitStack() as closing:
            try:
                async with asyncio.timeout(WITHIN):
                    await _check(settings, report, closing)
            except TimeoutError:
                report.add(failed(f"It was not over after {WITHIN:.0f} s and was given up; what stands above holds."))
    finally:
        logging.getLogger("atlas_endpoints").removeHandler(log)
    report.end(time.monotonic() - began)
    return passed(report.findings)


async def _check(settings: CheckSettings, report: Report, closing: AsyncExitStack) -> None:
    unknown = unknown_variables(CheckSettings)
    if unknown:
        report.section(
            "Settings", [warning(f"{name} is no setting of this version and has no effect.") for name in unknown]
        )
    places: list[Place] = []
    credentials: Mapping[str, Credentials] = {}
    connection = await _connect(report, closing)
    if connection is not None:
        sources = Sources(settings, connection, report)
        places, credentials = await sources.find(), sources.credentials
    results: list[Result] = []
    for base_url in dict.fromkeys(each.base_url for each in credentials.values()) or (None,):
        here = [place for place in places if credentials[place.fingerprint].base_url == base_url]
        atlas = await _reach(settings, base_url, report, closing)
        if atlas is not None:
            results += await _ask(atlas, here, credentials, report, writes=settings.writes)
        elif here:
            report.add(skipped("Projects and instances are not asked about, since Atlas cannot be reached."))
    if findings := announced((each.deprecation for each in results if each.listed), now=datetime.now(UTC)):
        report.section("The end of the API", findings)


async def _connect(report: Report, closing: AsyncExitStack) -> Connection | None:
    try:
        connection = await Connection.open()
    except (NoClusterError, OSError, ValueError) as error:
        report.section("Kubernetes", [failed(f"{error}. Credentials come from Secrets only, so none are tried.")])
        return None
    closing.push_async_callback(connection.close)
    report.section(f"Kubernetes at {connection.server}")
    return connection


async def _reach(
    settings: CheckSettings, base_url: str | None, report: Report, closing: AsyncExitStack
) -> Atlas | None:
    """Return an Atlas that answers, or None."""
    try:
        atlas = Atlas(settings, base_url)
    except ValueError as error:
        report.section("Atlas", [failed(str(error))])
        return None
    closing.push_async_callback(atlas.close)
    report.section(f"Atlas: {atlas.name}")
    report.add(*await atlas.route())
    report.add(reached := await atlas.reach())
    return None if reached.level is Level.FAILED else atlas


async def _ask(
    atlas: Atlas, places: Iterable[Place], credentials: Mapping[str, Credentials], report: Report, *, writes: bool
) -> list[Result]:
    """Ask about places, and report each as soon as it is known."""
    pairs: dict[str, list[Place]] = {}
    for place in places:
        pairs.setdefault(place.fingerprint, []).append(place)
    results: list[Result] = []
    room = asyncio.Semaphore(AT_ONCE)

    async def with_one_pair(fingerprint: str, places: Sequence[Place]) -> None:
        async with room:
            hopeless = False
            for place in places:
                if hopeless:
                    report.section(
                        place.title, [skipped("It is not asked about: see what these credentials met above.")]
                    )
                    continue
                result = await interview(place, partial(atlas.ask, credentials[fingerprint]), writes=writes)
                hopeless = result.hopeless
                results.append(result)
                report.section(place.title, result.findings)

    async with asyncio.TaskGroup() as group:
        for fingerprint, its_places in pairs.items():
            group.create_task(with_one_pair(fingerprint, its_places))
    return results
