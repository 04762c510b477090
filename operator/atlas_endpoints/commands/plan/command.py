"""Run a plan: read manifests, read Atlas, print the forecasts.

Only reads are sent: the reconciler runs without writes, and the client would hold one back.
"""

import asyncio
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.credentials import CredentialsError
from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.atlas.throttle import Throttle
from atlas_endpoints.commands.clusterless import (
    WITHIN,
    EnvironmentCredentials,
    PatientClient,
    PlanSettings,
    client_of,
)
from atlas_endpoints.commands.manifests import Document, Manifest, ManifestReader, Other, Place
from atlas_endpoints.commands.plan import report
from atlas_endpoints.commands.plan.forecast import Forecast, exit_code, forecast_of, unanswered
from atlas_endpoints.commands.plan.offline_ports import Exports, NoCluster, OnePair
from atlas_endpoints.commands.plan.overlaps import duplicates, endangered, merged, with_conflicts
from atlas_endpoints.controller.cache import Body, Cache, status_of
from atlas_endpoints.controller.clock import SystemClock
from atlas_endpoints.controller.controller import MetadataChange, Status
from atlas_endpoints.controller.requeue import RequeueAfter
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.reconcile.drift_limiter import DriftLimiter, Limit
from atlas_endpoints.reconcile.ports import Ports
from atlas_endpoints.reconcile.reconciler import Reconciler
from atlas_endpoints.reconcile.references import ReferenceResolver
from atlas_endpoints.reconcile.resource import watched_annotations
from atlas_endpoints.tunings import ARRIVES, HELD_AGAIN

logger = logging.getLogger(__name__)

AT_ONCE = 4
"""Scopes in parallel."""

CORRECTION = "correct the manifest; delete an existing resource first, with deletionPolicy Retain, because the field is immutable"


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
        forecasts, conflicts = with_conflicts(await plan(client, kinds, documents, say))
    finally:
        await client.aclose()
    warnings = [*reader.warnings, *duplicates(documents), *endangered(found), *conflicts]
    warnings += [f"{each.document.key}:{each.doubt}" for each in forecasts if each.doubt]
    others = Counter(each.kind for each in documents if isinstance(each, Other))
    if settings.output == "json":
        put(json.dumps(report.as_document(forecasts, others, warnings), indent=2, ensure_ascii=False))
    else:
        render = report.as_markdown if settings.output == "markdown" else report.as_text
        put(render(forecasts, others, warnings))
    return exit_code(forecasts)


async def plan(
    client: Requester,
    kinds: Sequence[KindWithCommands[Any]],
    documents: Collection[Document],
    say: Callable[[str], object],
) -> list[Forecast]:
    """Return a forecast for each manifest, in their order; objects of other kinds only resolve references.

    Scopes are reconciled in parallel, and the manifests of one in a row, so that they share its LIST.
    """
    until = asyncio.get_running_loop().time() + WITHIN
    exports = [each.body for each in documents if isinstance(each, Other)]
    planner = Planner.of(PatientClient(client, say, until=until), kinds, exports)
    scopes: dict[tuple[str, str | None, str], list[Manifest]] = defaultdict(list)
    for each in documents:
        if isinstance(each, Manifest):
            scopes[each.kind.names.kind, each.resource.spec.project_id, each.resource.scope_name].append(each)
    found: dict[Place, Forecast] = {}
    room = asyncio.Semaphore(AT_ONCE)

    async def plan_scope(manifests: Sequence[Manifest]) -> None:
        async with room:
            for each in manifests:
                found[each.place] = await planner.forecast(each)

    with suppress(TimeoutError):
        async with asyncio.timeout_at(until), asyncio.TaskGroup() as tasks:
            for manifests in scopes.values():
                tasks.create_task(plan_scope(manifests))
    late = f"There was no time for it within {WITHIN:.0f} s."
    return [found.get(each.place) or unanswered(each, late) for each in documents if not isinstance(each, Other)]


@dataclass(frozen=True, slots=True)
class Planner:
    """Runs the operator's own reconcilers, without writes, on manifests.

    Attributes:
        fingerprint: of the credentials in the environment; "": there are no usable ones.
        reconcilers: by kind.
    """

    gateway: Gateway
    variables: EnvironmentCredentials
    fingerprint: str
    reconcilers: Mapping[str, Reconciler]

    @classmethod
    def of(cls, client: Requester, kinds: Sequence[KindWithCommands[Any]], exports: Collection[Body]) -> "Planner":
        """Return a planner; ``exports`` are objects of other kinds, to which manifests may refer."""
        clock, by_name, variables = SystemClock(), {kind.names.kind: kind for kind in kinds}, EnvironmentCredentials()
        gateway = Gateway(client, Throttle(), clock.monotonic, readers=by_name, list_within=WITHIN)
        access: str | CredentialsError
        try:
            access = gateway.introduce(variables.parse())
        except CredentialsError as error:
            access = error
        no_cluster = NoCluster()
        ports = Ports(
            atlas=gateway,
            credentials=OnePair(access),
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
        reconcilers = {name: Reconciler(kind, ports) for name, kind in by_name.items()}
        return cls(gateway, variables, access if isinstance(access, str) else "", reconcilers)

    async def forecast(self, manifest: Manifest) -> Forecast:
        """Return the forecast for a manifest."""
        kind, resource, body = manifest.kind, manifest.kind.resource, manifest.body
        reconciler = self.reconcilers[kind.names.kind]
        reconciler.forget(manifest.key)  # another manifest of the same resource is another plan
        while True:
            store = InFile(body)
            outcome = (await reconciler.reconcile(body, store)).outcome
            # A reconcile stores the record of an entry before it goes on.
            status = resource.status_in(store.body)
            resolved = outcome.resolved or status.resolved
            recorded = {
                **store.body,
                "status": status.model_copy(update={**outcome.own, "resolved": resolved}).to_json(),
            }
            after = store.body if kind.entry_of(recorded) == kind.entry_of(store.body) else recorded
            if after != body:
                body = after
            elif outcome.state is not None:
                break
            else:  # another call is under way
                await asyncio.sleep(outcome.requeue.delay if isinstance(outcome.requeue, RequeueAfter) else HELD_AGAIN)
        project_id = outcome.resolved.project_id if outcome.resolved is not None else None
        scope = Scope(self.fingerprint, project_id or "", kind.names.kind, manifest.resource.scope_name)
        values = [seen.value for seen in self.gateway.view(scope).entries.values() if seen.value is not None]
        if outcome.resolved is not None:
            body = {**body, "status": {**status_of(body), "resolved": outcome.resolved.to_json()}}
        forecast = forecast_of(manifest, body, outcome, outcome.state, values)
        if outcome.explanation is None:
            return forecast
        return replace(forecast, message=outcome.explanation.worded(self.variables.wording(CORRECTION)))


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
