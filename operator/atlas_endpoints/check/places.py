"""The places to ask Atlas about: the credentials and instances that the resources use. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from atlas_endpoints.check.findings import Finding, named, ok, skipped, warning
from atlas_endpoints.controller.cache import Body, Key, key_of
from atlas_endpoints.kinds.serverless_private_endpoint.resource import ServerlessPrivateEndpoint
from atlas_endpoints.reconcile.resource import CredentialsPlace
from atlas_endpoints.reconcile.spec import InvalidSpecError, Provider

UNHANDLED = timedelta(seconds=10)
"""How long after its creation a resource may be unhandled without a warning; an edit has no date."""


@dataclass(frozen=True, slots=True)
class Instance:
    """An instance of Atlas."""

    project_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Use:
    """What one resource uses."""

    resource: Key
    credentials: CredentialsPlace
    instance: Instance
    provider: Provider


@dataclass(slots=True)
class Survey:
    """What the resources of a cluster use.

    Attributes:
        uses: of each resource that the operator would ask Atlas about, sorted by name.
        unplaced: resources whose ``projectRef`` has not led to a project yet.
        invalid: the problems of each resource with an invalid spec.
        unhandled: those of all these whose last edit no operator has handled.
    """

    uses: list[Use] = field(default_factory=list)
    suspended: list[Key] = field(default_factory=list)
    terminating: list[Key] = field(default_factory=list)
    unplaced: list[Key] = field(default_factory=list)
    invalid: dict[Key, str] = field(default_factory=dict)
    unhandled: list[Key] = field(default_factory=list)

    def findings(self, where: str) -> list[Finding]:
        """Return the findings; ``where`` is text such as "in all namespaces"."""
        left_out = (self.suspended, self.terminating, self.unplaced, self.invalid)
        known = len(self.uses) + sum(map(len, left_out))
        if known == 0:
            return [ok(f"There is no resource {where}.")]
        instances = len({use.instance for use in self.uses})
        found = [ok(f"{_count(known, 'resource')} {where}, {_count(instances, 'instance')} of Atlas.")]
        for left_alone, why in ((self.suspended, "suspended"), (self.terminating, "being deleted")):
            if left_alone:
                verb, them = ("is", "it") if len(left_alone) == 1 else ("are", "them")
                found.append(skipped(f"{named(map(str, left_alone))} {verb} {why}: Atlas is not asked about {them}."))
        found += [
            warning(f"{key} is left out, since spec.projectRef has not led to a project yet; its status says why.")
            for key in self.unplaced
        ]
        found += [
            warning(f"{key} is left out, since its spec is not valid. {problem}")
            for key, problem in self.invalid.items()
        ]
        if self.unhandled:
            found.append(
                warning(
                    f"No operator has handled the last edit of {named(map(str, self.unhandled))} yet, which takes even a busy one"
                    " only seconds: is one running, and does it serve the namespace?"
                )
            )
        return found


@dataclass(frozen=True, slots=True)
class Place:
    """One pair of credentials and one instance: a section of the report.

    Attributes:
        fingerprint: of the credentials.
        instance: None to check the credentials only.
        sources: of the credentials, for users.
        providers: the resources that name each cloud.
    """

    fingerprint: str
    instance: Instance | None
    sources: tuple[str, ...]
    providers: Mapping[Provider, tuple[Key, ...]] = field(default_factory=dict)
    resources: tuple[Key, ...] = ()

    @property
    def title(self) -> str:
        """Return the heading of its section."""
        sources = named(self.sources)
        if self.instance is None:
            return f"Credentials: {sources}"
        users = f", for {named(map(str, self.resources))}" if self.resources else ""
        return f"Project {self.instance.project_id}, instance {self.instance.name}{users}"


def survey(bodies: Iterable[Body], now: datetime) -> Survey:
    """Return what resources use."""
    found = Survey()
    for body in sorted(bodies, key=key_of):
        if _is_unhandled(body, now):
            found.unhandled.append(key_of(body))
        if "deletionTimestamp" in body["metadata"]:
            found.terminating.append(key_of(body))
            continue
        try:
            resource = ServerlessPrivateEndpoint.parse(body)
        except InvalidSpecError as error:
            found.invalid[key_of(body)] = "; ".join(error.problems)
            continue
        if resource.suspended_by:
            found.suspended.append(resource.key)
            continue
        spec, project_id = resource.spec, resource.known_project_id
        if project_id is None:
            found.unplaced.append(resource.key)
            continue
        instance = Instance(project_id, spec.instance_name)
        found.uses.append(Use(resource.key, CredentialsPlace.of(body), instance, spec.provider_name))
    return found


def places(uses: Iterable[Use], access: Callable[[CredentialsPlace], tuple[str, str] | None]) -> list[Place]:
    """Return a place for each instance and pair of credentials.

    Args:
        access: returns fingerprint and source of the credentials; None when there are none, and then nothing can be
            asked.
    """
    found: dict[tuple[str, Instance], list[tuple[str, Use]]] = {}
    for use in uses:
        if (known := access(use.credentials)) is not None:
            fingerprint, source = known
            found.setdefault((fingerprint, use.instance), []).append((source, use))
    return [
        Place(
            fingerprint,
            instance,
            sources=tuple(dict.fromkeys(source for source, _ in users)),
            providers=_by_provider(use for _, use in users),
            resources=tuple(use.resource for _, use in users),
        )
        for (fingerprint, instance), users in found.items()
    ]


def _is_unhandled(body: Body, now: datetime) -> bool:
    metadata, status = body["metadata"], body.get("status") or {}
    created = metadata.get("creationTimestamp")
    is_old = created is not None and now - datetime.fromisoformat(created) >= UNHANDLED
    return is_old and status.get("observedGeneration") != metadata["generation"]


def _by_provider(uses: Iterable[Use]) -> dict[Provider, tuple[Key, ...]]:
    found: dict[Provider, tuple[Key, ...]] = {}
    for use in uses:
        found[use.provider] = (*found.get(use.provider, ()), use.resource)
    return found


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
