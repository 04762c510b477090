"""Read from Kubernetes which resources there are, and the credentials that they use."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial

from atlas_endpoints.atlas.client import check_base_url
from atlas_endpoints.atlas.credentials import Credentials, keep_credentials
from atlas_endpoints.check.findings import Finding, Report, failed, named, ok, skipped
from atlas_endpoints.check.places import Instance, Place, Survey, places, survey
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.cluster.errors import ClusterUnavailableError, ClusterUnreachableError, UnreadableError
from atlas_endpoints.cluster.readers import FRESH, NamespaceReader, SecretReader
from atlas_endpoints.cluster.writer import ResourceWriter
from atlas_endpoints.controller.cache import Body
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND
from atlas_endpoints.reconcile.credentials import Access, CredentialsResolver, NoCredentialsError, Scope
from atlas_endpoints.reconcile.resource import CredentialsPlace
from atlas_endpoints.settings import CheckSettings

FORBIDDEN = frozenset({"SecretForbidden", "NamespaceForbidden"})
"""Reasons that depend on the user who reads."""

OWN = CredentialsPlace("", None)
"""The operator's own Secret; no resource has an empty namespace."""


class Sources:
    """Reads from Kubernetes what to ask Atlas about, and reports it.

    Attributes:
        credentials: by fingerprint.
    """

    def __init__(self, settings: CheckSettings, connection: Connection, report: Report) -> None:
        self._settings = settings
        self._report = report
        self._in_pod = connection.in_pod
        self._api = connection.fenced(lambda: False)  # no write can be sent
        self._access = CredentialsResolver(
            SecretReader(self._api, time.monotonic, keep=keep_credentials),
            NamespaceReader(self._api, time.monotonic),
            default=settings.default_secret,
            default_for=settings.credentials_namespaces,
            introduce=self._introduce,
            check_base_url=partial(check_base_url, allow_plain_http=settings.allow_plain_http, name="baseUrl"),
            monotonic=time.monotonic,
            warns_of_own=False,  # it is a finding
        )
        self.credentials: dict[str, Credentials] = {}

    async def find(self) -> list[Place]:
        """Read resources and Secrets, report them, and return the places to ask about."""
        found = Survey()
        if not self._settings.names_a_place:
            bodies = await self._list()
            if bodies is None:
                return []
            found = survey(bodies, datetime.now(UTC))
            self._report.add(*found.findings(self._where))
        named_place = self._named_place()
        wanted = dict.fromkeys((*(use.credentials for use in found.uses), *filter(None, (named_place,))))
        if not wanted:
            self._report.add(self._nothing_to_try())
            return []
        self._report.section("Credentials")
        results = await asyncio.gather(*(self._resolve(place) for place in wanted))
        known = dict(zip(wanted, results, strict=True))
        self._report_credentials(found, known)
        return self._places(found, known, named_place)

    async def _list(self) -> list[Body] | None:
        """List the resources that the operator would serve; None when that fails."""
        bodies: list[Body] = []
        for namespace in self._settings.namespaces or (None,):
            try:
                listing = await ResourceWriter(self._api, KIND.names).list(namespace, self._settings.label_selector)
            except ClusterUnavailableError as error:
                self._report.add(failed(_explained(error)))
                return None
            if listing is None:
                self._report.add(
                    failed(
                        "The API server does not serve the kind: install the CRD (kubectl apply -f crds/, or crds.install of the chart)."
                    )
                )
                return None
            bodies += listing.bodies
        return bodies

    @property
    def _where(self) -> str:
        namespaces, selector = self._settings.namespaces, self._settings.label_selector
        where = f"in {named(namespaces, most=10)}" if namespaces else "in all namespaces"
        return f"{where} with the labels {selector}" if selector else where

    def _named_place(self) -> CredentialsPlace | None:
        """Return the credentials that are checked even if no resource uses them."""
        named_secret, own = self._settings.secret_to_check, self._settings.default_secret
        if named_secret is not None and named_secret != own:
            return CredentialsPlace(*named_secret)
        return None if own is None else OWN

    def _nothing_to_try(self) -> Finding:
        if self._settings.names_a_place:
            return failed(
                "There are no credentials to ask with: name a Secret with --secret namespace/name, since the operator has none"
                " of its own (ATLAS_ENDPOINTS_CREDENTIALS_SECRET)."
            )
        return skipped(
            "No credentials are tried: the operator has no Secret of its own (ATLAS_ENDPOINTS_CREDENTIALS_SECRET)."
        )

    def _introduce(self, credentials: Credentials) -> str:
        fingerprint = credentials.fingerprint(self._settings.atlas_url)
        self.credentials[fingerprint] = credentials
        return fingerprint

    async def _resolve(self, place: CredentialsPlace) -> Access | str:
        """Return the credentials, or why there are none."""
        try:
            try:
                return await self._find(place)
            except ClusterUnreachableError:
                raise
            except ClusterUnavailableError:
                # An API server that has just started refuses what it permits: only a second refusal counts.
                await asyncio.sleep(FRESH)
                return await self._find(place, age=Age.FRESH)
        except ClusterUnavailableError as error:
            return _explained(error)
        except NoCredentialsError as error:
            return self._problem(place, error)

    def _problem(self, place: CredentialsPlace, error: NoCredentialsError) -> str:
        """Return why there are no credentials, with the rights that were used, and the namespace."""
        cause = error.__cause__ if isinstance(error.__cause__, UnreadableError) else None
        if cause is not None and cause.reason in FORBIDDEN and not self._in_pod:
            return (
                f"The user of the kubeconfig may not read {cause.what}, so it is not known whether the operator may. Run the check"
                " in the operator's Pod, or as somebody who has the verb get on it."
            )
        if (error.source or "").startswith(f"{Scope.OPERATOR}/"):
            # A status hides this from users; who runs a check may see it.
            return error.message if cause is None else cause.message
        is_named = f"namespace {place.namespace}" in error.message
        return error.message if is_named else f"Namespace {place.namespace}: {error.message}"

    async def _find(self, place: CredentialsPlace, *, age: Age = Age.RECENT) -> Access:
        if place == OWN:
            return await self._access.resolve_own(age=age)
        return await self._access.resolve(*place, age=age)

    def _report_credentials(self, found: Survey, known: Mapping[CredentialsPlace, Access | str]) -> None:
        lines: dict[Finding, None] = {}
        problems: dict[str, list[str]] = {}
        for place, result in known.items():
            if isinstance(result, Access):
                kind = self.credentials[result.fingerprint].kind
                article = "an" if kind.startswith("A") else "a"
                lines[ok(f"{self._source(place, result)} holds the credentials of {article} {kind}.")] = None
            else:
                problems.setdefault(result, []).extend(
                    str(use.resource) for use in found.uses if use.credentials == place
                )
        for problem, users in problems.items():
            lines[failed(f"{problem} (For {named(users)}.)" if users else problem)] = None
        self._report.add(*lines)

    def _source(self, place: CredentialsPlace, access: Access) -> str:
        scope, _, name = access.source.partition("/")
        if scope == Scope.OPERATOR:
            return f"The operator's own Secret {self._settings.credentials_secret}"
        return f"Secret {name} of namespace {place.namespace}"

    def _places(
        self, found: Survey, known: Mapping[CredentialsPlace, Access | str], named_place: CredentialsPlace | None
    ) -> list[Place]:
        sources = {
            place: (access.fingerprint, self._source(place, access))
            for place, access in known.items()
            if isinstance(access, Access)
        }
        asked = places(found.uses, sources.get)
        if (
            named_place is not None
            and named_place in sources
            and all(place.fingerprint != sources[named_place][0] for place in asked)
        ):
            fingerprint, source = sources[named_place]
            project, instance = self._settings.project, self._settings.instance
            named_instance = Instance(project, instance) if project and instance else None
            asked.append(Place(fingerprint, named_instance, (source,)))
        return asked


def _explained(error: ClusterUnavailableError) -> str:
    if isinstance(error, ClusterUnreachableError):
        return f"{error} Look at the kubeconfig or, in a Pod, at network policies."
    return str(error)
