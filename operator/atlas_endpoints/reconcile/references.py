"""Read the values that a resource takes from other objects.

If a reference of the connection cannot be resolved yet, the reconcile goes on: the endpoint is reserved, and shows
the service that the other object may be waiting for. Until then, a connection without a value is not managed.

An entry never moves to another project. Once it was seen in a project, or requested there, that project counts. If
the reference then cannot be resolved, the status reports that, and the reconcile goes on; if it resolves to another
project, nothing is done in either. Before that, no call to Atlas is made while the project is unknown.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from pydantic.alias_generators import to_camel

from atlas_endpoints.cluster.api import Age, Target
from atlas_endpoints.cluster.errors import ClusterUnavailableError, ReferenceProblem, UnreadableError
from atlas_endpoints.reconcile.reasons import ReferencesReason
from atlas_endpoints.reconcile.resource import Reference, Resource
from atlas_endpoints.reconcile.spec import is_object_id
from atlas_endpoints.reconcile.status import Finding
from atlas_endpoints.tunings import REFERENCE_AGAIN

R = TypeVar("R", bound=Resource)

RESOLVED = Finding("True", ReferencesReason.RESOLVED, "All references are resolved.")

TEMPORARY = frozenset({ReferenceProblem.NOT_FOUND, ReferenceProblem.NOT_READY})
"""Reasons that disappear while the other object is being created; all others need a person."""

MIN_RETRY = 1.0
"""Minimum seconds until a reference is read again."""


class TargetReader(Protocol):
    """Reads the targets of references."""

    async def read(self, target: Target, *, age: Age) -> str:
        """Return the text of a target, read at most ``age`` ago; it may be any text.

        Raises:
            UnreadableError: there is no such text, or the operator may not read it.
            ClusterUnavailableError: the API server cannot be reached.
        """
        ...


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a reference is not resolved.

    Attributes:
        retry_in: seconds; it does not count in comparisons.
    """

    reason: StrEnum
    message: str
    retry_in: float = field(compare=False)

    @property
    def pace(self) -> float:
        """Seconds after which the reference is read again."""
        return max(self.retry_in, MIN_RETRY)

    @property
    def finding(self) -> Finding:
        return Finding("False", self.reason, self.message)


@dataclass(frozen=True, slots=True)
class Project:
    """The project of a reconcile.

    Attributes:
        problem: the reference cannot be resolved; ``id`` is then the project that the entry is in.
    """

    id: str
    problem: Problem | None = None

    @property
    def finding(self) -> Finding | None:
        """The content of the condition if the reference cannot be resolved any more, or None."""
        if self.problem is None:
            return None
        message = f"{self.problem.message} The endpoint stays in project {self.id}."
        return Finding("False", self.problem.reason, message)


class NoProjectError(Exception):
    """The project is unknown."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class OtherProjectError(Exception):
    """The project is not the one that the entry is in; the text names both."""


@dataclass(frozen=True, slots=True)
class Resolution(Generic[R]):
    """A resource whose references are replaced by values.

    Attributes:
        problem: with a reference of the connection, which is then not managed.
    """

    resource: R
    project: Project
    problem: Problem | None = None


class ReferenceResolver:
    """Resolves the references of resources."""

    def __init__(self, reader: TargetReader) -> None:
        self._reader = reader

    async def resolve(self, resource: R, *, age: Age) -> Resolution[R]:
        """Return the resource with values in place of references.

        Raises:
            NoProjectError, OtherProjectError: there is no project in which anything may be done.
            ClusterUnavailableError: the API server cannot be reached.
        """
        project = await self.project(resource, age=age)
        if not resource.refers:
            return Resolution(resource, project)
        values: dict[str, str | None] = {"project_id": project.id}
        problem = None
        try:
            for reference in resource.references:
                values[reference.field] = _as_bound(await self._read(reference, age=age), reference, resource)
        except UnreadableError as error:
            values |= resource.unconnected()
            problem = _problem(error)
        spec = resource.spec.model_copy(update=values)
        return Resolution(resource.model_copy(update={"spec": spec}), project, problem)

    async def readable(self, resource: R, *, age: Age) -> R:
        """Return the resource with the values of those of its references that can be read, whatever its project.

        Raises:
            ClusterUnavailableError: the API server cannot be reached, or refuses, so that nobody knows what a reference gives.
        """
        values = {}
        for reference in resource.references:
            try:
                values[reference.field] = await self._read(reference, age=age)
            except UnreadableError as error:
                if error.refused:
                    raise ClusterUnavailableError(error.message) from error
        return resource.model_copy(update={"spec": resource.spec.model_copy(update=values)})

    async def project(self, resource: Resource, *, age: Age) -> Project:
        """Return the project of a resource.

        Raises:
            NoProjectError, OtherProjectError: there is no project in which anything may be done.
            ClusterUnavailableError: the API server cannot be reached.
        """
        reference = resource.spec.project_ref
        if reference is None:
            return project_of(resource, resource.spec.project_id or "")  # one of the two is set
        expected = "the ID of an Atlas project, which is 24 lower-case hexadecimal characters"
        target = reference.target(resource.metadata.namespace)
        try:
            found = await self._read(Reference("project_id", target, is_object_id, expected), age=age)
        except UnreadableError as error:
            return project_of(resource, _problem(error))
        return project_of(resource, found)

    async def _read(self, reference: Reference, *, age: Age) -> str:
        """Return a text that is valid for its field.

        Raises:
            UnreadableError: it is not; the message does not contain it.
        """
        target = reference.target
        text = await self._reader.read(target, age=age)
        if not reference.is_valid(text):
            raise UnreadableError(
                ReferenceProblem.FIELD_MISSING,
                f"{target.field} of {target.object} is not {reference.expected}. Correct the reference, or the object.",
                retry_in=REFERENCE_AGAIN,
            )
        return text


def project_of(resource: Resource, found: str | Problem) -> Project:
    """Return the project of a reconcile.

    Args:
        found: the project in the spec, or of its reference; or why that cannot be resolved.

    Raises:
        NoProjectError: it is unknown.
        OtherProjectError: the entry is in another project.
    """
    bound = resource.bound_project_id
    if isinstance(found, Problem):
        if bound is None:
            raise NoProjectError(found)
        return Project(bound, found)
    if bound is not None and found != bound:
        reference = resource.spec.project_ref
        named = "" if reference is None else f"{reference.object_kind} {reference.name}"
        source = f"spec.projectRef ({named}) resolves to" if named else "spec.projectId is"
        field = "spec.projectRef" if named else "spec.projectId"
        raise OtherProjectError(
            f"{source} project {found}, but the endpoint is in project {bound}. An endpoint cannot move to another project, so the"
            f" operator neither reads nor changes either project. Correct {field}; or delete this resource, whose deletionPolicy"
            " applies to the endpoint, and create another one."
        )
    return Project(found)


def _as_bound(text: str, reference: Reference, resource: Resource) -> str:
    """Return the value of a reference, unless the resource is bound to another one.

    Raises:
        UnreadableError: it is bound to another one.
    """
    field = to_camel(reference.field)
    bound = resource.bound(field)
    if bound is None or resource.same(field, bound, text):
        return text
    raise UnreadableError(
        ReferencesReason.CHANGED,
        f"The reference for {field} gives {text} now, and this resource is bound to {bound}, which Atlas cannot change. Correct the"
        f" reference, or the object. If {text} is that of another endpoint, create another resource, and delete this one when nothing"
        f" uses {bound} any more; else delete this resource with deletionPolicy Delete, wait until it is gone, and create it again.",
        retry_in=REFERENCE_AGAIN,
    )


def _problem(error: UnreadableError) -> Problem:
    return Problem(error.reason, error.message, error.retry_in)
