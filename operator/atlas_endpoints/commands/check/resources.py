"""What to ask Atlas about: the scopes and credentials that resources use, as the API server has them."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from atlas_endpoints.atlas.client import check_base_url
from atlas_endpoints.atlas.credentials import Credentials, keep_credentials
from atlas_endpoints.atlas.requests import Scope
from atlas_endpoints.cluster.connection import Connection
from atlas_endpoints.cluster.errors import (
    ClusterUnavailableError,
    ForbiddenError,
    SecretProblem,
    UnreadableError,
)
from atlas_endpoints.cluster.readers import NamespaceReader, SecretReader
from atlas_endpoints.cluster.relister import remedy
from atlas_endpoints.cluster.writer import ResourceWriter
from atlas_endpoints.commands.check.interview import Place
from atlas_endpoints.commands.check.report import Finding, Level, Report, failed, named, ok, skipped
from atlas_endpoints.commands.check.settings import CheckSettings
from atlas_endpoints.controller.cache import Body, annotations_of, is_deleting, key_of, spec_of
from atlas_endpoints.kinds.commands import KindWithCommands
from atlas_endpoints.reconcile.credentials import CredentialsResolver, NoCredentialsError, SecretScope
from atlas_endpoints.reconcile.kind import Named
from atlas_endpoints.reconcile.resource import (
    ENDPOINT_ANNOTATION,
    CredentialsPlace,
    EndpointRecord,
    Resource,
    project_id_in,
)
from atlas_endpoints.reconcile.spec import InvalidSpecError
from atlas_endpoints.settings import pair

OWN = CredentialsPlace("", None)
"""The operator's own Secret; no resource has an empty namespace."""

FORBIDDEN = SecretProblem.FORBIDDEN, SecretProblem.NAMESPACE_FORBIDDEN


@dataclass(slots=True)
class Survey:
    """What the resources of a cluster use and name.

    Attributes:
        uses: each resource that the operator would ask Atlas about, with its kind and the place of its credentials.
        left_out: the names of the others, by why.
        names: what all live ones name, by kind, and by project and scope; of an unknown project, it may be any. A kind
            that could not be read is absent.
    """

    uses: list[tuple[KindWithCommands[Any], Resource, CredentialsPlace]] = field(default_factory=list)
    left_out: dict[tuple[Level, str], list[str]] = field(default_factory=dict)
    names: dict[str, dict[tuple[str | None, str | None], set[Named]]] = field(default_factory=dict)

    def add(self, kind: KindWithCommands[Any], bodies: Iterable[Body]) -> None:
        """Add the resources of a kind."""
        names = self.names.setdefault(kind.names.kind, defaultdict(set))
        for body in sorted(bodies, key=key_of):
            if not is_deleting(body):
                there = names[project_id_in(body), kind.scope_name_in(spec_of(body))]
                there.add(kind.named_by(body))
                # What Atlas names itself is also in the annotation, which a restore may leave alone.
                if (record := EndpointRecord.parse(annotations_of(body).get(ENDPOINT_ANNOTATION, ""))) is not None:
                    there.add(Named(record.endpoint_id))
            use = _parse(kind, body)
            if isinstance(use, Resource):
                self.uses.append((kind, use, CredentialsPlace.of(body)))
            else:
                self.left_out.setdefault(use, []).append(str(key_of(body)))

    def places(self, fingerprints: Mapping[CredentialsPlace, str], where: str = "") -> list[Place]:
        """Return a place for each scope and pair of credentials that could be read; ``where`` as in ``Place``."""
        found: dict[Scope, Place] = {}
        for kind, resource, secret in self.uses:
            if secret in fingerprints:
                project_id = resource.known_project_id or ""
                scope = Scope(fingerprints[secret], project_id, kind.names.kind, resource.scope_name)
                place = found.get(scope) or Place(kind, scope, names=self.named_in(scope), read_in=where)
                found[scope] = replace(place, resources=(*place.resources, resource))
        return [*found.values()]

    def named_in(self, scope: Scope) -> frozenset[Named] | None:
        """Return what live resources name in a scope, or None if they were not read."""
        names = self.names.get(scope.kind)
        if names is None or not scope.project_id:
            return None
        return frozenset().union(*(names.get((project, scope.name), ()) for project in (scope.project_id, None)))


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
        self.credentials: dict[str, Credentials] = {}

    async def places(self) -> list[Place]:
        """Read resources and Secrets, report them, and return the places to ask about."""
        settings, survey, where = self._settings, Survey(), ""
        if settings.project is not None:
            where = await self._read_resources(survey, skipped) or ""
            survey.uses.clear()  # only what they name counts
        elif settings.secret is None:
            read_in = await self._read_resources(survey, failed)
            if read_in is None:
                return []
            where, count = read_in, len(survey.uses) + sum(map(len, survey.left_out.values()))
            self._report.add(ok(f"Resources {where or 'in all namespaces'}: {count}."))
            for (level, why), names in sorted(survey.left_out.items()):
                self._report.add(Finding(level, f"{named(names)}: not checked, because {why}."))
        secret = settings.secret or settings.credentials_secret
        own = OWN if secret == settings.credentials_secret else CredentialsPlace(*pair(secret or ""))
        wanted = dict.fromkeys((*(place for *_, place in survey.uses), *((own,) if secret else ())))
        if not wanted:
            why = "the operator has no Secret of its own (ATLAS_ENDPOINTS_CREDENTIALS_SECRET)"
            problem = failed if settings.project else skipped
            self._report.add(problem(f"No credentials are checked, because {why}. Name a Secret with --secret."))
            return []
        self._report.section("Credentials")
        read = dict(zip(wanted, await asyncio.gather(*map(self._resolve, wanted)), strict=True))
        for result in dict.fromkeys(read.values()):
            if isinstance(result, str):
                keys = named(str(resource.key) for _, resource, place in survey.uses if read[place] == result)
                self._report.add(failed(f"{result} (For {keys}.)" if keys else result))
            else:
                kind = self.credentials[result[0]].kind
                self._report.add(ok(f"{result[1]} contains credentials ({kind}; not tried yet)."))
        fingerprints = {place: result[0] for place, result in read.items() if not isinstance(result, str)}
        places = survey.places(fingerprints, where)
        if own in fingerprints and all(place.scope.credentials != fingerprints[own] for place in places):
            places += self._named_places(survey, fingerprints[own], str(read[own][1]), where)
        return places

    async def _read_resources(self, survey: Survey, problem: Callable[[str], Finding]) -> str | None:
        """List the resources that the operator would serve, and report what cannot be read.

        Returns:
            Where the resources were read, for people; "" is the whole cluster, and None is nowhere.
        """
        selector = self._settings.label_selector
        listed: dict[str | None, None] = {}
        for kind in self._kinds:
            reader = ResourceWriter(self._api, kind.names, label_selector=selector)
            for namespace in self._settings.namespaces or (None,):
                try:
                    listing = await reader.list(namespace)
                except ForbiddenError as error:
                    what = f"{kind.names.plural} in {namespace or 'all namespaces'}"
                    why = f"Not served, because the operator may not list {what}. {error}. {remedy(namespace)}"
                    self._report.add(problem(why if self._in_pod else f"{_by_user('list', what)} {error}."))
                    continue
                except ClusterUnavailableError as error:
                    hint = "Check the kubeconfig or, in a Pod, the network policies."
                    self._report.add(problem(f"{error} {hint}"))
                    return None
                if listing is None:
                    install = "install the CRD (kubectl apply -f crds/, or crds.install of the chart)"
                    self._report.add(problem(f"The API server does not serve {kind.names.kind}: {install}."))
                    return None
                survey.add(kind, listing.bodies)
                listed[namespace] = None
        if not listed:
            return None
        namespaces = named(filter(None, listed), most=10)
        labels = f"with the labels {selector}" if selector else ""
        place = f"in {namespaces or 'all namespaces'}" if namespaces or selector else ""
        return f"{place} {labels}".strip()

    def _named_places(self, survey: Survey, fingerprint: str, source: str, where: str) -> list[Place]:
        """Return what the settings name; else a place without a project, for the credentials alone."""
        settings, scopes = self._settings, list[tuple[KindWithCommands[Any], Scope]]()
        parts = {"instance": settings.instance, "provider": settings.provider}
        for kind in self._kinds if settings.project is not None else ():
            # Of the parts of a project that are named, each kind has one; or the project, if no field of a spec names its scope.
            part = parts.get(kind.scope_noun) or kind.scope_name_in({})
            named_part = [part] if part is not None and (not kind.scopes or part in kind.scopes) else []
            for name in named_part if any(parts.values()) else kind.scopes:
                scopes.append((kind, Scope(fingerprint, settings.project or "", kind.names.kind, name)))
        scopes = scopes or [(self._kinds[0], Scope(fingerprint, "", self._kinds[0].names.kind, ""))]
        return [Place(kind, scope, source, names=survey.named_in(scope), read_in=where) for kind, scope in scopes]

    def _introduce(self, credentials: Credentials) -> str:
        fingerprint = credentials.fingerprint(self._settings.atlas_url)
        self.credentials[fingerprint] = credentials
        return fingerprint

    async def _resolve(self, place: CredentialsPlace) -> tuple[str, str] | str:
        """Return the fingerprint of credentials and where they are, or why there are none."""
        try:
            access = await (self._access.resolve_own() if place == OWN else self._access.resolve(*place))
        except ClusterUnavailableError as error:
            return str(error)
        except NoCredentialsError as error:
            cause = error.__cause__
            if isinstance(cause, UnreadableError) and cause.reason in FORBIDDEN and not self._in_pod:
                return _by_user("get", cause.what)
            # A status hides from users where the operator's own Secret is; who runs a check may see it.
            is_own = (error.source or "").startswith(f"{SecretScope.OPERATOR}/")
            return cause.message if is_own and isinstance(cause, UnreadableError) else error.message
        scope, _, name = access.source.partition("/")
        if scope == SecretScope.OPERATOR:
            return access.fingerprint, f"Secret {self._settings.credentials_secret} of the operator"
        return access.fingerprint, f"Secret {name} of namespace {place.namespace}"


def _by_user(verb: str, what: str) -> str:
    return (
        f"The user of the kubeconfig may not {verb} {what}, so it is unknown whether the operator may. Run the check in the operator's"
        f" Pod, or as a user who has the verb {verb} there."
    )
