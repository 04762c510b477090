"""What a resource takes from other objects, read before anything is decided, so that all behind sees nothing but plain values.

A connection whose reference leads nowhere yet is no reason to stand still: an endpoint is reserved, and shows the service that
the other object may be waiting for. Its connection is then not managed, whatever Atlas holds.

An entry never moves to another project. So once it was seen in one, or asked for there, that one counts. The reference may then
lead nowhere any more, which is told and holds nothing up; where it leads elsewhere, nothing is done in either project. Before
that, nothing is asked of Atlas while the project is not known.
"""

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ReferenceProblem, UnreadableError
from atlas_endpoints.cluster.targets import Target
from atlas_endpoints.controller.requeue import Requeue, at_latest
from atlas_endpoints.reconcile.facts import Finding, Problem
from atlas_endpoints.reconcile.reasons import ReferencesReason
from atlas_endpoints.reconcile.reference_fields import ProjectRef
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.values import is_object_id

R = TypeVar("R", bound=Resource)

WHOLE = Finding("True", ReferencesReason.RESOLVED, "All that the spec refers to is there.")

COMING = frozenset({ReferenceProblem.NOT_FOUND, ReferenceProblem.NOT_READY})
"""Reasons that go away while the other side is being made; for all others a person has to do something."""

RETRY_UNUSABLE = 60.0
"""Seconds after which a value that is of no use is looked at again."""


class TargetReader(Protocol):
    """Reads what references lead to, not older than it promises."""

    async def read(self, target: Target, *, age: Age) -> str:
        """Return the text of a target as it stands; it may hold anything.

        Args:
            target: which field of which object.
            age: the oldest reading that will do.

        Raises:
            UnreadableError: there is no such text, or it may not be read.
            ClusterUnavailableError: the API server could not be reached.
        """
        ...


@dataclass(frozen=True, slots=True)
class Project:
    """The project that a reconcile is about.

    Attributes:
        id: of the project.
        problem: with the reference to it; then it is the one that the entry is known to be in, and all goes on.
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


class NoProjectError(Exception):
    """The project is not known.

    Attributes:
        problem: with the reference to it.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class OtherProjectError(Exception):
    """The project is another one than the entry is in; the text says which."""


@dataclass(frozen=True, slots=True)
class Resolution(Generic[R]):
    """A resource with plain values in the place of what it refers to.

    Attributes:
        resource: as it is to be decided about.
        project: that it is about.
        problem: with a reference of its connection, which is then not managed.
    """

    resource: R
    project: Project
    problem: Problem | None = None

    def paced(self, requeue: Requeue) -> Requeue:
        """Look again no later than when the reference is worth reading again."""
        return requeue if self.problem is None else at_latest(requeue, self.problem.pace)


class ReferenceResolver:
    """Finds what resources refer to.

    Args:
        reader: reads targets.
    """

    def __init__(self, reader: TargetReader) -> None:
        self._reader = reader

    async def resolve(self, resource: R, *, age: Age) -> Resolution[R]:
        """Put plain values in the place of references.

        Args:
            resource: as it is.
            age: the oldest reading that will do.

        Raises:
            NoProjectError, OtherProjectError: there is no project in which anything may be done.
            ClusterUnavailableError: the API server could not be reached.
        """
        project = await self.project(resource, age=age)
        if not resource.refers:
            return Resolution(resource, project)
        values: dict[str, str | None] = {"project_id": project.id}
        problem = None
        try:
            for reference in resource.references:
                text = await self._reader.read(reference.target, age=age)
                values[reference.field] = _checked(text, reference.target, reference.expected, reference.is_valid(text))
        except UnreadableError as error:
            values |= resource.unconnected()
            problem = _problem(error)
        spec = resource.spec.model_copy(update=values)
        return Resolution(resource.model_copy(update={"spec": spec}), project, problem)

    async def project(self, resource: Resource, *, age: Age) -> Project:
        """Find the project that a resource is about.

        Args:
            resource: as it is.
            age: the oldest reading that will do.

        Raises:
            NoProjectError, OtherProjectError: there is none in which anything may be done.
            ClusterUnavailableError: the API server could not be reached.
        """
        reference = resource.spec.project_ref
        if reference is None:
            return settle(resource, resource.spec.project_id or "")  # one of the two is there
        target = _project_of(reference, resource.metadata.namespace)
        try:
            text = await self._reader.read(target, age=age)
            expected = "the ID of an Atlas project, which is 24 lower-case hexadecimal characters"
            return settle(resource, _checked(text, target, expected, is_object_id(text)))
        except UnreadableError as error:
            return settle(resource, _problem(error))


def settle(resource: Resource, told: str | Problem) -> Project:
    """Decide which project a reconcile is about.

    Args:
        resource: as it is.
        told: the project that its spec names, or its reference leads to; or why that leads nowhere.

    Raises:
        NoProjectError: it is not known.
        OtherProjectError: the entry is in another one.
    """
    bound = resource.bound_project_id
    if isinstance(told, Problem):
        if bound is None:
            raise NoProjectError(told)
        return Project(bound, told)
    if bound is not None and told != bound:
        reference = resource.spec.project_ref
        named = "" if reference is None else f"{reference.object_kind} {reference.name}"
        source = f"spec.projectRef ({named}) leads to" if named else "spec.projectId names"
        back = "Let the reference lead there again" if named else "Let it be that one again"
        raise OtherProjectError(
            f"{source} project {told}, and the endpoint is in project {bound}: an endpoint never moves to another project, so Atlas"
            f" is neither read nor changed in either. {back}; or delete this resource, whose deletionPolicy decides about the"
            " endpoint, and create another."
        )
    return Project(told)


def _project_of(reference: ProjectRef, namespace: str) -> Target:
    """Return where the ID of a project is; the object is in the namespace of the resource."""
    group, _, version = reference.api.partition("/")
    return Target(namespace, group, version, reference.object_kind, reference.name, reference.path)


def _checked(text: str, target: Target, expected: str, valid: bool) -> str:  # noqa: FBT001  # said by the caller
    """Return a text that keeps the rules of its field; what else there is, is not shown.

    Raises:
        UnreadableError: it does not.
    """
    if not valid:
        raise UnreadableError(
            ReferenceProblem.FIELD_MISSING,
            f"{target.field} of {target.object} does not hold {expected}. Correct the reference, or what it leads to.",
            retry_in=RETRY_UNUSABLE,
        )
    return text


def _problem(error: UnreadableError) -> Problem:
    return Problem(error.reason, error.message, error.retry_in)
