"""Run a plan: read manifests, read Atlas, print the forecasts.

Only reads are sent: the reconciler runs without writes, and the client would hold one back.
"""

import asyncio
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import timedelta
from random import Random

from atlas_endpoints import __version__
from atlas_endpoints.atlas.answers import Requester
from atlas_endpoints.atlas.client import AtlasClient
from atlas_endpoints.atlas.credentials import CredentialsError
from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.atlas.throttle import Throttle
from atlas_endpoints.atlas.throttled_client import ThrottledClient
from atlas_endpoints.clusterless import EnvironmentCredentials, PlanSettings
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.controller.clock import SystemClock
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.planning import report
from atlas_endpoints.planning.forecast import (
    Forecast,
    asks_again_in,
    exit_code,
    of_conflict,
    of_invalid,
    of_outcome,
    unanswered,
)
from atlas_endpoints.planning.manifests import Document, Invalid, Manifest, Other, conflicts, duplicates, merged
from atlas_endpoints.planning.offline_ports import (
    Exports,
    NoCluster,
    OnePair,
    with_notes,
)
from atlas_endpoints.planning.sources import find, unrendered
from atlas_endpoints.reconcile.facts import Defaults
from atlas_endpoints.reconcile.outcome import Outcome
from atlas_endpoints.reconcile.reconciler import Reconciler
from atlas_endpoints.reconcile.references import ReferenceResolver

logger = logging.getLogger(__name__)

WITHIN = 300.0
"""Seconds for the whole plan."""

AT_ONCE = 4
"""Instances in parallel."""


async def run(settings: PlanSettings, say: Callable[[str], object]) -> int:
    """Print what the operator would do about manifests, and return the exit code; see ``forecast.exit_code``.

    Raises:
        ValueError: the CA file or the proxy is not usable.
    """
    documents = merged(find(settings.filename, recursive=settings.recursive, namespace=settings.namespace))
    client = AtlasClient(
        settings.atlas_url,
        user_agent=f"atlas-endpoints/{__version__}",
        writes=False,
        ca_file=settings.ca_file,
        random=Random(),  # noqa: S311  # jitter
    )
    try:
        planner = Planner(client, exports=[each.body for each in documents if isinstance(each, Other)])
        contended = conflicts(documents)
        forecasts = [of_conflict(each, contended) for each in await planner.forecast(documents)]
    finally:
        await client.aclose()
    warnings = [*planner.warnings, *unrendered(settings.filename, recursive=settings.recursive)]
    warnings += [*duplicates(documents), *(each.warning for each in contended)]
    others = Counter(each.kind for each in documents if isinstance(each, Other))
    if settings.output == "text":
        say(report.as_text(forecasts, others, warnings))
    else:
        say(report.serialized(report.as_document(forecasts, others, warnings), settings.output))
    return exit_code(forecasts)


class Planner:
    """Runs the operator's own reconciler, without writes, on manifests.

    Args:
        exports: objects of other kinds, to which manifests may refer.

    Attributes:
        warnings: about the credentials, for users.
    """

    def __init__(self, client: Requester, *, exports: Iterable[Body] = ()) -> None:
        clock = SystemClock()
        throttle = Throttle(max_in_flight=AT_ONCE)
        throttled = ThrottledClient(client, throttle, clock=clock.monotonic)
        self._gateway = gateway = Gateway(
            throttled, clock.monotonic, readers={KIND.names.kind: KIND}, dropped=lambda _: None
        )
        found = EnvironmentCredentials()
        self._fingerprint = ""
        self.warnings: list[str] = []
        self._variables = found.variables
        try:
            credentials, self.warnings = found.parse()
            self._fingerprint = gateway.introduce(credentials)
            gateway.use(self, self._fingerprint)
            access = OnePair(self._fingerprint)
        except CredentialsError as error:
            access = OnePair(error)
        no_cluster = NoCluster()
        self._reconciler = Reconciler(
            KIND,
            access,
            ReferenceResolver(Exports(exports)),
            no_cluster,
            gateway,
            resync=no_cluster,
            resources=no_cluster,
            limiter=no_cluster,
            wake=lambda _: None,
            writes=False,
            clock=clock,
            defaults=Defaults(),
            grace=timedelta(0),
            namespaces=no_cluster,
            read=no_cluster.read,
            record=lambda _, event: logger.debug("%s", event.message),
        )
        self._forecasts: dict[int, Forecast] = {}

    async def forecast(self, documents: Iterable[Document]) -> list[Forecast]:
        """Return a forecast for each manifest, in their order; other kinds are left out."""
        ours = [each for each in documents if not isinstance(each, Other)]
        with suppress(TimeoutError):
            async with asyncio.timeout(WITHIN):
                await self._run([(number, each) for number, each in enumerate(ours) if isinstance(each, Manifest)])
        return [self._of(number, each) for number, each in enumerate(ours)]

    def _of(self, number: int, document: Manifest | Invalid) -> Forecast:
        if isinstance(document, Invalid):
            return of_invalid(document)
        late = f"It was not over after {WITHIN:.0f} s and was given up."
        return self._forecasts.get(number) or unanswered(document, late)

    async def _run(self, manifests: Iterable[tuple[int, Manifest]]) -> None:
        """Reconcile some instances in parallel, and the manifests of one in a row, so that they share its LIST."""
        instances: dict[tuple[str | None, str], list[tuple[int, Manifest]]] = defaultdict(list)
        for number, each in manifests:
            spec = each.resource.spec
            instances[spec.project_id, spec.instance_name].append((number, each))
        room = asyncio.Semaphore(AT_ONCE)

        async def run(group: list[tuple[int, Manifest]]) -> None:
            async with room:
                for number, each in group:
                    self._forecasts[number] = await self._reconcile(each)

        groups = list(instances.values())
        for group in groups[:1]:
            # Credentials that have not worked yet get one call at a time anyway.
            await run(group)
        async with asyncio.TaskGroup() as tasks:
            for group in groups[1:]:
                tasks.create_task(run(group))

    async def _reconcile(self, manifest: Manifest) -> Forecast:
        attempts = 0
        body = manifest.body
        while True:
            outcome = await self._reconciler.reconcile(body, body.get("status") or {})
            if (after := with_notes(body, outcome)) != body:
                body = after
                continue
            attempts += outcome.failure is not None and not outcome.held
            wait = asks_again_in(outcome, attempts)
            if wait is None:
                return of_outcome(manifest, outcome, variables=self._variables, clouds=self._clouds(manifest, outcome))
            await asyncio.sleep(wait)

    def _clouds(self, manifest: Manifest, outcome: Outcome) -> set[str]:
        """Return the clouds of the endpoints in the LIST of an instance."""
        project_id = outcome.resolved.project_id if outcome.resolved is not None else None
        scope = Scope(self._fingerprint, project_id or "", KIND.names.kind, manifest.resource.scope_name)
        shown = (seen.value for seen in self._gateway.view(scope).entries.values())
        return {each.provider_name for each in shown if each is not None and each.provider_name}
