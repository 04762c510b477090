"""What to ask Atlas about: the scopes and credentials that resources use, as the API server has them."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from atlas_endpoints.atlas.client import check_base_url
from atlas_endpoints.atlas.credentials import Credentials, keep_credentials
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.cluster.errors import (
    ClusterUnavailableError,
    ClusterUnreachableError,
    ForbiddenError,
    UnreadableError,
)
from atlas_endpoints.cluster.readers import NamespaceReader, SecretReader
from atlas_endpoints.cluster.relister import remedy
from atlas_endpoints.cluster.writer import ResourceWriter
from atlas_endpoints.commands.check.interview import Place
from atlas_endpoints.commands.check.report import Finding, Level, Report, failed, named, ok, skipped, warning
from atlas_endpoints.controller.cache import (
    Body,
    annotations_of,
    generation_of,
    is_deleting,
    key_of,
    spec_of,
    status_of,
)
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.reconcile.credentials import Access, CredentialsResolver, NoCredentialsError, SecretScope
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.resource import (
    ENDPOINT_ANNOTATION,
    CredentialsPlace,
    EndpointRecord,
    Resource,
    project_id_in,
)
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.settings import CheckSettings

UNHANDLED = timedelta(seconds=10)
"""How long after its creation a resource may be unhandled without a warning; an edit has no date."""

FORBIDDEN_REASONS = frozenset({"SecretForbidden", "NamespaceForbidden"})
"""Reasons that depend on the user who reads."""

OWN = CredentialsPlace("", None)
"""The operator's own Secret; no resource has an empty namespace."""


@dataclass(slots=True)
class Survey:
    """What the resources of a cluster use.

    Attributes:
        uses: each resource that the operator would ask Atlas about, with its kind and the place of its credentials.
        left_out: the names of the others, by why.
        unhandled: the names of all these whose last edit no operator has handled.
        names: what all live ones name, by kind, project and scope; of an unknown project, it may be any.
        kinds: the kinds that were read.
    """

    uses: list[tuple[KindWithCommands[Any], Resource, CredentialsPlace]] = field(default_factory=list)
    left_out: dict[tuple[Level, str], list[str]] = field(default_factory=dict)
    unhandled: list[str] = field(default_factory=list)
    names: dict[tuple[str, str | None, str | None], set[Named]] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)

    def add(self, kind: KindWithCommands[Any], bodies: Iterable[Body], now: datetime) -> None:
        """Add the resources of a kind."""
        self.kinds.add(kind.names.kind)
        for body in sorted(bodies, key=key_of):
            name, created = str(key_of(body)), body["metadata"].get("creationTimestamp")
            is_old = created is not None and now - datetime.fromisoformat(created) >= UNHANDLED
            if is_old and status_of(body).get("observedGeneration") != generation_of(body):
                self.unhandled.append(name)
            if not is_deleting(body):
                place = kind.names.kind, project_id_in(body), kind.scope_name_in(spec_of(body))
                self.names.setdefault(place, set()).update(_named(kind, body))
            use = _parse(kind, body)
            if isinstance(use, Resource):
                self.uses.append((kind, use, CredentialsPlace.of(body)))
            else:
                self.left_out.setdefault(use, []).append(name)

    def findings(self, where: str) -> Iterator[Finding]:
        """Yield the findings; ``where`` is text such as "in all namespaces"."""
        yield ok(f"Resources {where}: {len(self.uses) + sum(map(len, self.left_out.values()))}.")
        for (level, why), names in sorted(self.left_out.items()):
            yield Finding(level, f"{named(names)}: not checked, because {why}.")
        if self.unhandled:
            yield warning(
                f"No operator has handled the last edit of {named(self.unhandled)}. An operator handles an edit within"
                " seconds: verify that one runs and serves the namespace."
            )

    def places(self, access: Mapping[CredentialsPlace, tuple[str, str]], where: str = "") -> list[Place]:
        """Return a place for each scope and pair of credentials.

        Args:
            access: fingerprint and source of the credentials that could be read.
            where: the resources were read; see ``Place``.
        """
        found: dict[Scope, Place] = {}
        for kind, resource, secret in self.uses:
            if secret not in access:
                continue
            fingerprint, source = access[secret]
            scope = Scope(fingerprint, resource.known_project_id or "", kind.names.kind, resource.scope_name)
            before = found.get(scope) or Place(kind, scope, (), names=self.named_in(scope), read_in=where)
            sources = tuple(dict.fromkeys((*before.sources, source)))
            found[scope] = replace(before, sources=sources, resources=(*before.resources, resource))
        return [*found.values()]

    def named_in(self, scope: Scope) -> frozenset[Named] | None:
        """Return what live resources name in a scope, or None if they were not read."""
        if not scope.project_id or scope.kind not in self.kinds:
            return None
        projects = (scope.project_id, None)
        return frozenset().union(*(self.names.get((scope.kind, project, scope.name), ()) for project in projects))


def _named(kind: KindWithCommands[Any], body: Body) -> Iterator[Named]:
    """Yield what a resource names, also by the annotation for what Atlas names itself, which a restore may leave alone."""
    yield kind.named_by(body)
    if (record := EndpointRecord.parse(annotations_of(body).get(ENDPOINT_ANNOTATION, ""))) is not None:
        yield Named(record.endpoint_id)


def _parse(kind: KindWithCommands[Any], body: Body) -> Resource | tuple[Level, str]:
    """Return a resource, or why it is left out."""
    if is_deleting(body):
        return Level.SKIPPED, "the resource is being deleted"
    try:
        resource: Resource = kind.resource.parse(body)
    except InvalidSpecError as error:
        return Level.WARNING, f"the spec is invalid: {'; '.join(error.problems)}"
    if resource.suspended_by:
        return Level.SKIPPED, "the resource is suspended"
    if resource.known_project_id is None:
        return Level.WARNING, "spec.projectRef is not resolved; see the message in the status"
    return resource


class ClusterReader:
    """Reads from Kubernetes what to ask Atlas about, and reports it.

    Attributes:
        credentials: by fingerprint.
    """

    def __init__(
        self, settings: CheckSettings, kinds: Sequence[KindWithCommands[Any]], connection: Connection, report: Report
    ) -> None:
        self._settings = settings
        self._kinds = kinds
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
            warns_of_own=False,  # it is a finding
        )
        self._where = ""
        self.credentials: dict[str, Credentials] = {}

    async def places(self) -> list[Place]:
        """Read resources and Secrets, report them, and return the places to ask about."""
        survey = Survey()
        if self._settings.project is not None:
            await self._read_resources(survey, skipped)
            survey.uses.clear()  # only what they name counts
        elif self._settings.secret is None:
            if not await self._read_resources(survey, failed):
                return []
            self._report.add(*survey.findings(self._where or "in all namespaces"))
        named_secret = self._named_secret()
        wanted = dict.fromkeys((*(secret for *_, secret in survey.uses), *filter(None, (named_secret,))))
        if not wanted:
            self._report.add(self._nothing_to_try())
            return []
        self._report.section("Credentials")
        access: dict[CredentialsPlace, tuple[str, str]] = {}
        users: dict[str, list[str]] = {}
        for place, result in zip(wanted, await asyncio.gather(*map(self._resolve, wanted)), strict=True):
            if isinstance(result, Access):
                access[place] = result.fingerprint, self._source(place, result)
            else:
                keys = (str(resource.key) for _, resource, secret in survey.uses if secret == place)
                users.setdefault(result, []).extend(keys)
        for problem, names in users.items():
            self._report.add(failed(f"{problem} (For {named(names)}.)" if names else problem))
        for fingerprint, source in dict.fromkeys(access.values()):
            self._report.add(
                ok(f"{source} contains credentials ({self.credentials[fingerprint].kind}; not tried yet).")
            )
        places = survey.places(access, self._where)
        if named_secret is not None and named_secret in access:
            fingerprint, source = access[named_secret]
            if all(place.scope.credentials != fingerprint for place in places):
                places += self._named_places(survey, fingerprint, source)
        return places

    async def _read_resources(self, survey: Survey, problem: Callable[[str], Finding]) -> bool:
        """List the resources that the operator would serve, and report what cannot be read; return False if that is all."""
        selector = self._settings.label_selector
        listed: dict[str | None, None] = {}
        for kind in self._kinds:
            reader = ResourceWriter(self._api, kind.names, label_selector=selector)
            refused: dict[str | None, ForbiddenError] = {}
            for namespace in self._settings.namespaces or (None,):
                try:
                    listing = await reader.list(namespace)
                except ForbiddenError as error:
                    refused[namespace] = error
                    continue
                except ClusterUnavailableError as error:
                    self._report.add(problem(_explained(error)))
                    return False
                if listing is None:
                    install = "install the CRD (kubectl apply -f crds/, or crds.install of the chart)"
                    self._report.add(problem(f"The API server does not serve {kind.names.kind}: {install}."))
                    return False
                survey.add(kind, listing.bodies, datetime.now(UTC))
                listed[namespace] = None
            if refused:
                self._report.add(problem(self._unlisted(kind, refused)))
        if not listed:
            return False
        namespaces = [*filter(None, listed)]
        where = f"in {named(namespaces, most=10)}" if namespaces else "in all namespaces"
        where = f"{where} with the labels {selector}" if selector else where
        self._where = where if namespaces or selector else ""
        return True

    def _unlisted(self, kind: KindWithCommands[Any], refused: Mapping[str | None, ForbiddenError]) -> str:
        """Return which resources of a kind may not be listed, with the rights that were used, and the remedy."""
        (namespace, error), *_ = refused.items()
        plural, names = kind.names.plural, named((each or "all namespaces" for each in refused), most=10)
        is_partial = len(refused) < len(self._settings.namespaces)
        rest = " What no resource names is incomplete: those that are not listed may name it." if is_partial else ""
        if self._in_pod:
            return (
                f"Not served, because the operator may not list {plural}: {names}. {error}. {remedy(namespace)}{rest}"
            )
        return (
            f"The user of the kubeconfig may not list {plural} in {names}, so it is unknown whether the operator may. {error}. Run the"
            f" check in the operator's Pod, or as a user who has the verb list there.{rest}"
        )

    def _named_secret(self) -> CredentialsPlace | None:
        """Return the credentials that are checked even if no resource uses them."""
        named_secret, own = self._settings.secret_to_check, self._settings.default_secret
        if named_secret is not None and named_secret != own:
            return CredentialsPlace(*named_secret)
        return None if own is None else OWN

    def _named_places(self, survey: Survey, fingerprint: str, source: str) -> list[Place]:
        """Return what the settings name; else a place without a project, for the credentials alone."""
        project = self._settings.project
        found = [(kind, project, name) for kind in self._kinds for name in self._named_scopes(kind) if project]
        scopes = [
            (kind, Scope(fingerprint, project, kind.names.kind, name))
            for kind, project, name in found or [(self._kinds[0], "", "")]
        ]
        return [
            Place(kind, scope, (source,), names=survey.named_in(scope), read_in=self._where) for kind, scope in scopes
        ]

    def _named_scopes(self, kind: KindWithCommands[Any]) -> Sequence[str]:
        """Return the scopes of a project that the settings name; a project alone stands for all that are known."""
        named_scopes = self._settings.named_scopes
        if not named_scopes:
            return [*kind.scopes]
        # A scope that needs no field of a spec is the project.
        name = named_scopes.get(kind.scope_noun) or kind.scope_name_in({})
        return [name] if name is not None and (not kind.scopes or name in kind.scopes) else []

    def _nothing_to_try(self) -> Finding:
        why = "the operator has no Secret of its own (ATLAS_ENDPOINTS_CREDENTIALS_SECRET)"
        if self._settings.names_a_place:
            return failed(f"There are no credentials, because {why}. Name a Secret with --secret namespace/name.")
        return skipped(f"No credentials are checked, because {why}.")

    def _introduce(self, credentials: Credentials) -> str:
        fingerprint = credentials.fingerprint(self._settings.atlas_url)
        self.credentials[fingerprint] = credentials
        return fingerprint

    async def _resolve(self, place: CredentialsPlace) -> Access | str:
        """Return the credentials, or why there are none."""
        try:
            if place == OWN:
                return await self._access.resolve_own(age=Age.RECENT)
            return await self._access.resolve(*place, age=Age.RECENT)
        except ClusterUnavailableError as error:
            return _explained(error)
        except NoCredentialsError as error:
            return self._problem(place, error)

    def _problem(self, place: CredentialsPlace, error: NoCredentialsError) -> str:
        """Return why there are no credentials, with the rights that were used, and the namespace."""
        cause = error.__cause__ if isinstance(error.__cause__, UnreadableError) else None
        if cause is not None and cause.reason in FORBIDDEN_REASONS and not self._in_pod:
            return (
                f"The user of the kubeconfig may not read {cause.what}, so it is unknown whether the operator may. Run the check"
                " in the operator's Pod, or as a user who has the verb get on it."
            )
        if (error.source or "").startswith(f"{SecretScope.OPERATOR}/"):
            # A status hides this from users; who runs a check may see it.
            return error.message if cause is None else cause.message
        is_named = f"namespace {place.namespace}" in error.message
        return error.message if is_named else f"Namespace {place.namespace}: {error.message}"

    def _source(self, place: CredentialsPlace, access: Access) -> str:
        scope, _, name = access.source.partition("/")
        if scope == SecretScope.OPERATOR:
            return f"Secret {self._settings.credentials_secret} of the operator"
        return f"Secret {name} of namespace {place.namespace}"


def _explained(error: ClusterUnavailableError) -> str:
    if isinstance(error, ClusterUnreachableError):
        return f"{error} Check the kubeconfig or, in a Pod, the network policies."
    return str(error)
