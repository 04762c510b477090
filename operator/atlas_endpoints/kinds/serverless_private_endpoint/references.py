"""What a resource takes from other objects: read before the pass plans, so that all behind sees nothing but plain values.

A connection whose reference leads nowhere yet is no reason to stand still: an endpoint is reserved, and shows the service that
the other object may be waiting for. Its connection is then not managed, whatever Atlas holds. Without a project there is
nothing to go on with; see ``projects``.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ReferenceProblem, UnreadableError
from atlas_endpoints.cluster.targets import Target
from atlas_endpoints.engine.outcome import Next, at_latest
from atlas_endpoints.kinds.serverless_private_endpoint import projects
from atlas_endpoints.kinds.serverless_private_endpoint.comparison import CONNECTION
from atlas_endpoints.kinds.serverless_private_endpoint.context import applied_of
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    Applied,
    Provider,
    ServerlessPrivateEndpoint,
    Status,
    is_cloud_id,
    is_ip_address,
)
from atlas_endpoints.kinds.serverless_private_endpoint.projects import Project
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import Reason, ReferencesReason
from atlas_endpoints.kinds.serverless_private_endpoint.status import failing_since
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Finding, Outcome, Problem, Verdict

WHOLE = Finding("True", ReferencesReason.RESOLVED, "All that the spec refers to is there.")

COMING = frozenset({ReferenceProblem.NOT_FOUND, ReferenceProblem.NOT_READY})
"""Reasons that go away while the other side is being made; for all others a person has to do something."""


class TargetReader(Protocol):
    """Reads what references lead to, not older than it promises."""

    async def read(self, target: Target, *, age: Age) -> str:
        """Give the text of a target as it stands; it may hold anything.

        Args:
            target: which field of which object.
            age: the oldest reading that will do.

        Raises:
            UnreadableError: there is no such text, or it may not be read.
            ClusterUnavailableError: the API server could not be reached.
        """
        ...


@dataclass(frozen=True, slots=True)
class Resolution:
    """A resource with plain values in the place of what it refers to.

    Attributes:
        resource: as it is to be planned for.
        project: that it is about.
        problem: with a reference of its connection, which is then not managed.
        refers: whether it refers to anything at all.
    """

    resource: ServerlessPrivateEndpoint
    project: Project
    problem: Problem | None = None
    refers: bool = False

    def conclude(self, outcome: Outcome, previous: Status, *, now: datetime, grace: timedelta) -> Outcome:
        """Say what has become of the references, in the outcome of a pass over the resource with plain values.

        Args:
            outcome: of that pass.
            previous: the status before it.
            now: wall-clock time, UTC.
            grace: for how long something that another object may heal counts as progress.
        """
        verdict, problem, generation = outcome.verdict, self.problem, outcome.generation
        if not self.refers or verdict is None:
            return outcome
        if problem is None:
            return replace(outcome, references=self.project.doubt or WHOLE)
        outcome = replace(
            outcome,
            references=problem.finding,
            unconnected=True,
            applied=_with_connection(outcome.applied, previous, generation),
        )
        if verdict.reason not in {Reason.WAITING_FOR_CLOUD_ENDPOINT, Reason.AVAILABLE}:
            return outcome  # what holds the resource up besides is more urgent
        if verdict.reason is Reason.WAITING_FOR_CLOUD_ENDPOINT and problem.reason in COMING:
            return replace(outcome, verdict=replace(verdict, message=_waiting(outcome, problem)))
        since = failing_since(
            previous,
            reason=Reason.REFERENCE_NOT_READY,
            generation=generation,
            now=now,
            found=outcome.references,
            type_="ReferencesResolved",
        )
        left = (since + grace - now).total_seconds()
        following = at_latest(outcome.next, left) if left > 0 else outcome.next
        return replace(
            outcome,
            next=following,
            verdict=Verdict(
                Reason.REFERENCE_NOT_READY, problem.message + _kept(outcome), following, verdict.differences
            ),
            failure=problem.failure(since),
        )

    def paced(self, following: Next) -> Next:
        """Look again no later than when the reference is worth reading again."""
        return following if self.problem is None else at_latest(following, self.problem.pace)


class ReferenceResolver:
    """Finds what resources refer to.

    Args:
        reader: reads targets.
    """

    def __init__(self, reader: TargetReader) -> None:
        self._reader = reader

    async def resolve(self, resource: ServerlessPrivateEndpoint, *, age: Age) -> Resolution:
        """Put plain values in the place of references.

        Args:
            resource: as it is.
            age: the oldest reading that will do.

        Raises:
            ProjectError: there is no project in which anything may be done.
            ClusterUnavailableError: the API server could not be reached.
        """
        project = await self.project(resource, age=age)
        if not resource.refers:
            return Resolution(resource, project)
        placed = _with(resource, {"project_id": project.id})
        try:
            values = await self._connection(resource, age=age)
        except UnreadableError as error:
            return Resolution(_with(placed, _UNCONNECTED), project, _problem(error), refers=True)
        return Resolution(_with(placed, values), project, refers=True)

    async def project(self, resource: ServerlessPrivateEndpoint, *, age: Age) -> Project:
        """Find the project that a resource is about.

        Args:
            resource: as it is.
            age: the oldest reading that will do.

        Raises:
            ProjectError: there is none in which anything may be done.
            ClusterUnavailableError: the API server could not be reached.
        """
        reference = resource.spec.project_ref
        if reference is None:
            return projects.settle(resource, resource.spec.project_id or "")  # one of the two is there
        target = projects.target_of(reference, resource.metadata.namespace)
        try:
            return projects.settle(resource, projects.checked(await self._reader.read(target, age=age), target))
        except UnreadableError as error:
            return projects.settle(resource, _problem(error))

    async def _connection(self, resource: ServerlessPrivateEndpoint, *, age: Age) -> dict[str, str]:
        values: dict[str, str] = {}
        reference = resource.spec.cloud_provider_endpoint_ref
        if reference is not None:
            group, _, version = reference.api_version.partition("/")
            target = Target(resource.metadata.namespace, group, version, reference.kind, reference.name, reference.path)
            text = await self._reader.read(target, age=age)
            values["cloud_provider_endpoint_id"] = _checked_cloud_id(text, resource.spec.provider_name, target)
        source = resource.spec.private_endpoint_ip_address_from
        if source is not None:
            key = source.config_map_key_ref
            target = Target(resource.metadata.namespace, "", "v1", "ConfigMap", key.name, ("data", key.key))
            text = await self._reader.read(target, age=age)
            values["private_endpoint_ip_address"] = _checked_address(text, target)
        return values


_UNCONNECTED = {"cloud_provider_endpoint_id": None, "private_endpoint_ip_address": None}

_IDS = {
    "AWS": "the ID of an AWS VPC endpoint (`vpce-` and 17 lower-case hexadecimal digits)",
    "AZURE": "the resource ID of an Azure private endpoint",
}


def _checked_cloud_id(text: str, provider: Provider, target: Target) -> str:
    """Give the ID of a private endpoint, by the rules of ``spec.cloudProviderEndpointId``; what else there is, is not shown.

    Raises:
        UnreadableError: it is none.
    """
    if not is_cloud_id(provider, text):
        raise UnreadableError(
            ReferenceProblem.FIELD_MISSING,
            f"{target.field} of {target.object} does not hold {_IDS[provider]}, as spec.providerName {provider} wants it."
            " Correct the reference, or what it leads to.",
            retry_in=projects.RETRY_UNUSABLE,
        )
    return text


def _checked_address(text: str, target: Target) -> str:
    """Give an IP address, by the rules of ``spec.privateEndpointIpAddress``; what else there is, is not shown.

    Raises:
        UnreadableError: it is none.
    """
    if not is_ip_address(text):
        raise UnreadableError(
            ReferenceProblem.FIELD_MISSING,
            f"{target.field} of {target.object} does not hold an IP address such as 10.0.0.4, without white space, mask or"
            " zone. Correct the reference, or what it leads to.",
            retry_in=projects.RETRY_UNUSABLE,
        )
    return text


def _problem(error: UnreadableError) -> Problem:
    return Problem(error.reason, error.message, error.retry_in)


def _with(resource: ServerlessPrivateEndpoint, values: dict[str, str] | dict[str, None]) -> ServerlessPrivateEndpoint:
    return resource.model_copy(update={"spec": resource.spec.model_copy(update=values)})


def _with_connection(applied: Applied | None, previous: Status, generation: int) -> Applied | None:
    """Keep in mind what Atlas has confirmed of a connection that is not managed for the time being.

    If the reference leads to the same value again, a change that somebody made in Atlas meanwhile is drift, and no edit.
    """
    nothing_missed = generation <= previous.observed_generation + 1
    if applied is None or previous.applied is None or not nothing_missed:
        return applied
    known = {name: value for name, value in previous.applied.values.items() if name in CONNECTION}
    return applied_of(applied.generation, {**known, **applied.values})


def _waiting(outcome: Outcome, problem: Problem) -> str:
    service = outcome.endpoint.endpoint_service_name if outcome.endpoint else None
    link = outcome.endpoint.private_link_service_resource_id if outcome.endpoint else None
    what = (
        f"connect to {link} with a manual connection named {service}"
        if link
        else f"the service to connect to is {service}"
    )
    return f"The endpoint is reserved; {what}. {problem.message}"


def _kept(outcome: Outcome) -> str:
    """Tell what becomes of a connection that Atlas has: nothing, as long as nobody says what it should be."""
    connected = outcome.endpoint.cloud_provider_endpoint_id if outcome.endpoint else None
    return f" Until then Atlas keeps its connection to {connected}." if connected else ""
