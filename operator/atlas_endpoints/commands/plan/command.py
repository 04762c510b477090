"""Run a plan: read manifests, read Atlas, print the forecasts.

Only reads are sent: the reconciler runs without writes, and the client would hold one back.
"""

import asyncio
import json
import logging
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.credentials import CredentialsError
from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.atlas.throttle import Throttle
from atlas_endpoints.commands.clusterless import WITHIN, EnvironmentCredentials, PlanSettings, client_of
from atlas_endpoints.commands.manifests import Document, Invalid, Manifest, ManifestReader, Other, Place
from atlas_endpoints.commands.pauses import cause, no_time, waiting
from atlas_endpoints.commands.plan import report
from atlas_endpoints.commands.plan.forecast import (
    Forecast,
    asks_again_in,
    exit_code,
    of_invalid,
    of_outcome,
    unanswered,
)
from atlas_endpoints.commands.plan.offline_ports import Exports, NoCluster, OnePair
from atlas_endpoints.commands.plan.overlaps import (
    duplicates,
    endangered,
    merged,
    of_several_kinds,
    with_conflicts,
    with_sharers,
)
from atlas_endpoints.controller.cache import Body, Cache, status_of
from atlas_endpoints.controller.clock import SystemClock
from atlas_endpoints.controller.controller import MetadataChange, Status
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.reconcile.drift_limiter import DriftLimiter, Limit
from atlas_endpoints.reconcile.outcome import Outcome
from atlas_endpoints.reconcile.ports import Ports
from atlas_endpoints.reconcile.reconciler import Reconciler
from atlas_endpoints.reconcile.references import ReferenceResolver
from atlas_endpoints.reconcile.resource import watched_annotations
from atlas_endpoints.tunings import ARRIVES

logger = logging.getLogger(__name__)

AT_ONCE = 4
"""Scopes in parallel."""


async def run(
    settings: PlanSettings,
    kinds: Sequence[KindWithCommands[Any]],
    put: Callable[[str], object],
    say: Callable[[str], object],
) -> int:
    """Print what the operator would do about manifests, and return the exit code; see ``forecast.exit_code``.

    Args:
        put: prints the plan.
        say: prints a line about a wait.

    Raises:
        ValueError: the CA file or the proxy is not usable.
    """
    reader = ManifestReader(
        kinds, namespace=settings.namespace, recursive=settings.recursive, use_statuses=settings.use_statuses
    )
    found = reader.find(settings.filename)
    documents = merged(found)
    client = client_of(settings)
    try:
        planner = Planner(client, kinds, say, exports=[each.body for each in documents if isinstance(each, Other)])
        forecasts, conflicts = with_conflicts(with_sharers(await planner.forecast(documents)))
    finally:
        await client.aclose()
    warnings = [*reader.warnings, *duplicates(documents), *endangered(found), *conflicts]
    warnings += [*of_several_kinds(forecasts), *(f"{each.key}:{each.doubt}" for each in forecasts if each.doubt)]
    others = Counter(each.kind for each in documents if isinstance(each, Other))
    if settings.output == "json":
        put(json.dumps(report.as_document(forecasts, others, warnings), indent=2, ensure_ascii=False))
    else:
        render = report.as_markdown if settings.output == "markdown" else report.as_text
        put(render(forecasts, others, warnings))
    return exit_code(forecasts)


class Planner:
    """Runs the operator's own reconcilers, without writes, on manifests.

    Args:
        say: prints a line about a wait.
        exports: objects of other kinds, to which manifests may refer.
    """

    def __init__(
        self,
        client: Requester,
        kinds: Iterable[KindWithCommands[Any]],
        say: Callable[[str], object],
        *,
        exports: Iterable[Body] = (),
    ) -> None:
        self._say = say
        self._until, self._told_until, self._cause = math.inf, -math.inf, ""
        clock = SystemClock()
        by_name = {kind.names.kind: kind for kind in kinds}
        self._gateway = gateway = Gateway(client, Throttle(), clock.monotonic, readers=by_name)
        self._variables = EnvironmentCredentials()
        self._fingerprint = ""
        try:
            self._fingerprint = gateway.introduce(self._variables.parse())
            access = OnePair(self._fingerprint)
        except CredentialsError as error:
            access = OnePair(error)
        no_cluster = NoCluster()
        ports = Ports(
            atlas=gateway,
            credentials=access,
            references=ReferenceResolver(Exports(exports)),
            outputs=None,
            resources=Cache(watched_annotations),
            may_miss_resources=lambda: False,  # nothing is written
            limiter=DriftLimiter(Limit(0, percent=False), window=0.0, monotonic=clock.monotonic, known=lambda: 0),
            resync=no_cluster,
            read=no_cluster.read,
            refresh=no_cluster.refresh,
            emit=lambda _, event: logger.debug("%s", event.message),
            wake=lambda _: None,
            clock=clock,
            started=lambda: -ARRIVES,
            writes=False,
            grace=timedelta(0),
        )
        self._reconcilers = {name: Reconciler(kind, ports) for name, kind in by_name.items()}
        self._forecasts: dict[Place, Forecast] = {}

    async def forecast(self, documents: Iterable[Document]) -> list[Forecast]:
        """Return a forecast for each manifest, in their order; other kinds are left out."""
        ours = [each for each in documents if not isinstance(each, Other)]
        self._until = asyncio.get_running_loop().time() + WITHIN
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._until):
                await self._run(each for each in ours if isinstance(each, Manifest))
        return [self._of(each) for each in ours]

    def _of(self, document: Manifest | Invalid) -> Forecast:
        if isinstance(document, Invalid):
            return of_invalid(document)
        late = f"There was no time for it within {WITHIN:.0f} s. {self._cause}".rstrip()
        return self._forecasts.get(document.place) or unanswered(document, late)

    async def _run(self, manifests: Iterable[Manifest]) -> None:
        """Reconcile some scopes in parallel, and the manifests of one in a row, so that they share its LIST."""
        scopes: dict[tuple[str, str | None, str], list[Manifest]] = defaultdict(list)
        for each in manifests:
            scopes[each.kind.names.kind, each.resource.spec.project_id, each.resource.scope_name].append(each)
        room = asyncio.Semaphore(AT_ONCE)

        async def run(group: list[Manifest]) -> None:
            async with room:
                for each in group:
                    if (forecast := await self._reconcile(each)) is not None:
                        self._forecasts[each.place] = forecast

        groups = list(scopes.values())
        for group in groups[:1]:
            # Credentials that have not worked yet get one call at a time anyway.
            await run(group)
        async with asyncio.TaskGroup() as tasks:
            for group in groups[1:]:
                tasks.create_task(run(group))

    async def _reconcile(self, manifest: Manifest) -> Forecast | None:
        """Return the forecast for a manifest, or None if there is no time for it."""
        kind, attempts, body = manifest.kind, 0, manifest.body
        reconciler = self._reconcilers[kind.names.kind]
        reconciler.forget(manifest.key)  # another manifest of the same resource is another plan
        while True:
            store = InFile(body)
            outcome = (await reconciler.reconcile(body, store)).outcome
            if (after := stored(kind, store.body, outcome)) != body:
                body = after
                continue
            attempts += outcome.failure is not None and not outcome.deferred
            if outcome.state is not None and outcome.failure is None:
                self._cause = ""
            state, wait = outcome.state, asks_again_in(outcome, attempts)
            if state is not None and wait is None:
                break
            if not await self._pause(outcome.reason or outcome.unreported, wait or 0.0):
                return None
        project_id = outcome.resolved.project_id if outcome.resolved is not None else None
        scope = Scope(self._fingerprint, project_id or "", kind.names.kind, manifest.resource.scope_name)
        values = [seen.value for seen in self._gateway.view(scope).entries.values() if seen.value is not None]
        if outcome.resolved is not None:
            body = {**body, "status": {**status_of(body), "resolved": outcome.resolved.to_json()}}
        forecast = of_outcome(manifest, body, outcome, state, values)
        if outcome.explanation is None:
            return forecast
        correction = "correct the manifest; delete an existing resource first, with deletionPolicy Retain, because the field is immutable"
        return replace(forecast, message=outcome.explanation.worded(self._variables.wording(correction)))

    async def _pause(self, reason: str | None, seconds: float) -> bool:
        """Wait, and say so, once for scopes that wait at the same time; return False at once if there is no time for that."""
        until = asyncio.get_running_loop().time() + seconds
        fits = until <= self._until
        if seconds >= 1 and until > self._told_until + 1:
            self._told_until, self._cause = until, cause(reason)
            self._say((waiting if fits else no_time)(reason, seconds))
        await asyncio.sleep(seconds if fits else 0)
        return fits


class InFile:
    """A manifest, with what a reconcile would write."""

    def __init__(self, body: Body) -> None:
        self.body = body

    async def change(self, change: MetadataChange) -> bool:
        """Change the metadata."""
        self.body = change.made_to(self.body) if change.needed_by(self.body) else self.body
        return True

    async def write_status(self, status: Status) -> bool:
        """Change the status."""
        self.body = {**self.body, "status": status}
        return True


def stored(kind: KindWithCommands[Any], body: Body, outcome: Outcome) -> Body:
    """Return a manifest with the record of an entry that a reconcile stores before it goes on."""
    status = kind.resource.status_in(body)
    resolved = outcome.resolved or status.resolved
    recorded = {**body, "status": status.model_copy(update={**outcome.own, "resolved": resolved}).to_json()}
    return body if kind.entry_of(recorded) == kind.entry_of(body) else recorded
