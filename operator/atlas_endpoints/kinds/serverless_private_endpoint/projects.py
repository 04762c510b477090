"""Which project of Atlas a resource is about, where another object tells it; pure.

An endpoint never moves to another project. So once it was seen in one, or asked for there, that one counts. The reference may then
lead nowhere any more, which is told and holds nothing up; where it leads elsewhere, nothing is done in either project. Before
that, nothing is asked of Atlas while the project is not known.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from typing_extensions import override

from atlas_endpoints.cluster.errors import ReferenceProblem, UnreadableError
from atlas_endpoints.cluster.targets import Target
from atlas_endpoints.engine.outcome import Again, Next, Rest, at_latest
from atlas_endpoints.kinds.serverless_private_endpoint.model import ProjectRef, ServerlessPrivateEndpoint, is_object_id
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import Reason
from atlas_endpoints.kinds.serverless_private_endpoint.status import failing_since
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Failure, Finding, Outcome, Problem, Verdict

RETRY_UNUSABLE = 60.0
"""Seconds after which a value that is of no use is looked at again."""


@dataclass(frozen=True, slots=True)
class Project:
    """The project that a pass is about.

    Attributes:
        id: of the project.
        problem: with the reference to it; then it is the one that the endpoint is known to be in, and all goes on.
    """

    id: str
    problem: Problem | None = None

    @property
    def doubt(self) -> Finding | None:
        """What is to be said about the reference, if it leads nowhere any more."""
        if self.problem is None:
            return None
        return Finding(
            "False",
            self.problem.reason,
            f"{self.problem.message} The endpoint stays in project {self.id}, where it is.",
        )


class ProjectError(Exception):
    """There is no project in which anything may be done for a resource."""

    def outcome(self, resource: ServerlessPrivateEndpoint, *, now: datetime, grace: timedelta) -> Outcome:
        """Say so in the outcome of a pass that has asked nothing of Atlas.

        Args:
            resource: as it is.
            now: wall-clock time, UTC.
            grace: for how long something that another object may heal counts as progress.
        """
        raise NotImplementedError


class NoProjectError(ProjectError):
    """It is not known.

    Attributes:
        problem: with the reference to it.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem

    @override
    def outcome(self, resource: ServerlessPrivateEndpoint, *, now: datetime, grace: timedelta) -> Outcome:
        """Wait for the object that tells it."""
        generation, previous = resource.metadata.generation, resource.status
        since = failing_since(previous, reason=Reason.REFERENCE_NOT_READY, generation=generation, now=now)
        left = (since + grace - now).total_seconds()
        following: Next = Again(self.problem.pace)
        if left > 0:
            following = at_latest(following, left)
        message = f"{self.problem.message} Until the project is known, Atlas is neither read nor changed."
        return Outcome(
            next=following,
            generation=generation,
            verdict=Verdict(Reason.REFERENCE_NOT_READY, message, following),
            references=self.problem.finding,
            failure=self.problem.failure(since),
        )


class OtherProjectError(ProjectError):
    """It is another one than the endpoint is in; the text says which."""

    @override
    def outcome(
        self,
        resource: ServerlessPrivateEndpoint,
        *,
        now: datetime,
        grace: timedelta,  # as in the base class
    ) -> Outcome:
        """Leave both alone until a person has decided."""
        generation = resource.metadata.generation
        following: Next = Rest() if resource.spec.project_ref is None else Again(RETRY_UNUSABLE)
        since = failing_since(resource.status, reason=Reason.INVALID_SPEC, generation=generation, now=now)
        return Outcome(
            next=following,
            generation=generation,
            verdict=Verdict(Reason.INVALID_SPEC, str(self), following),
            failure=Failure(since=since, operation="validate", retryable=False, detail=str(self)),
        )


def target_of(reference: ProjectRef, namespace: str) -> Target:
    """Tell where the ID of a project is.

    Args:
        reference: to it.
        namespace: of the resource that refers to it, and of the object.
    """
    group, _, version = reference.api.partition("/")
    return Target(namespace, group, version, reference.object_kind, reference.name, reference.path)


def checked(text: str, target: Target) -> str:
    """Give the ID of a project, by the rules of ``spec.projectId``; what else there is, is not shown.

    Raises:
        UnreadableError: it is none.
    """
    if not is_object_id(text):
        raise UnreadableError(
            ReferenceProblem.FIELD_MISSING,
            f"{target.field} of {target.object} does not hold the ID of an Atlas project, which is 24 lower-case hexadecimal"
            " characters. Correct the reference, or what it leads to.",
            retry_in=RETRY_UNUSABLE,
        )
    return text


def settle(resource: ServerlessPrivateEndpoint, told: str | Problem) -> Project:
    """Decide which project a pass is about.

    Args:
        resource: as it is.
        told: the project that its spec names, or its reference leads to; or why that leads nowhere.

    Raises:
        NoProjectError: it is not known.
        OtherProjectError: the endpoint is in another one.
    """
    bound = resource.bound_project_id
    if isinstance(told, Problem):
        if bound is None:
            raise NoProjectError(told)
        return Project(bound, told)
    if bound is not None and told != bound:
        reference = resource.spec.project_ref
        source = "spec.projectId names" if reference is None else f"spec.projectRef ({_named(reference)}) leads to"
        back = "Let it be that one again" if reference is None else "Let the reference lead there again"
        raise OtherProjectError(
            f"{source} project {told}, and the endpoint is in project {bound}: an endpoint never moves to another project, so Atlas"
            f" is neither read nor changed in either. {back}; or delete this resource, whose deletionPolicy decides about the"
            " endpoint, and create another."
        )
    return Project(told)


def _named(reference: ProjectRef) -> str:
    return f"{reference.object_kind} {reference.name}"
