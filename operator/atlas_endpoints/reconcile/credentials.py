"""Find the credentials of a resource: of three scopes, the most specific one that names a Secret."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from atlas_endpoints.atlas.credentials import Credentials, CredentialsError, parse_credentials
from atlas_endpoints.cluster.api import Age
from atlas_endpoints.cluster.errors import SecretProblem, UnreadableError
from atlas_endpoints.controller.names import is_name
from atlas_endpoints.tunings import SECRET_AGAIN

logger = logging.getLogger(__name__)


class SelectionProblem(StrEnum):
    """Why no Secret is read: a reason of ``CredentialsValid``."""

    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    INVALID_SECRET_NAME = "InvalidSecretName"  # noqa: S105  # no secret


class NoCredentialsError(Exception):
    """A resource has no usable credentials.

    Attributes:
        reason: of ``CredentialsValid``: a ``SelectionProblem``, ``SecretProblem`` or ``CredentialsProblem``.
        message: for people, with the remedy.
    """

    def __init__(
        self, reason: StrEnum, message: str, *, source: str | None, retry_in: float, operation: str = "readSecret"
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.source = source
        self.retry_in = retry_in
        self.operation = operation


class SecretReader(Protocol):
    """Reads Secrets by name; see ``cluster.readers.SecretReader``, also for its errors."""

    async def read(self, namespace: str, name: str, *, age: Age) -> Mapping[str, str]: ...


class NamespaceReader(Protocol):
    """Reads Namespaces; see ``cluster.readers.NamespaceReader``, also for its errors."""

    async def annotations(self, namespace: str, *, age: Age) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class Access:
    """The credentials that a resource uses.

    Attributes:
        fingerprint: identifies the credentials without revealing them.
        source: scope and name of their Secret, such as ``namespace/atlas-credentials``.
    """

    fingerprint: str
    source: str


class SecretScope(StrEnum):
    """Who names the Secret, the most specific first."""

    RESOURCE = "resource"
    NAMESPACE = "namespace"
    OPERATOR = "operator"


class _Place(NamedTuple):
    """The Secret to read."""

    scope: SecretScope
    namespace: str
    name: str

    @property
    def source(self) -> str:
        """The name in a status, which does not reveal the namespace of the operator's own Secret."""
        return f"{self.scope}/{self.name}"


ANNOTATION = "atlas-endpoints.dev/credentials-secret"
"""The annotation of a Namespace that names the Secret for its resources."""

_NAME_ONE = f"Name a Secret in spec.credentialsSecretRef.name, or in the annotation {ANNOTATION} of the namespace"

_ASK_OR_NAME_ONE = (
    "Ask the administrator of the operator to fix that. Or name a Secret in spec.credentialsSecretRef.name, or in the annotation"
    f" {ANNOTATION} of the namespace."
)


class CredentialsResolver:
    """Finds the credentials of a resource: the most specific scope that names a Secret wins, even if it is not usable.

    Args:
        default: namespace and name of the operator's own Secret.
        default_for: the namespaces whose resources may use it; empty: all.
        introduce: registers credentials and returns their fingerprint.
        check_base_url: checks the base URL in the operator's own Secret; see ``parse_credentials``.
        warns_of_own: whether to log where the operator's own Secret is if it is not usable.
    """

    def __init__(
        self,
        secrets: SecretReader,
        namespaces: NamespaceReader,
        *,
        default: tuple[str, str] | None,
        default_for: Sequence[str],
        introduce: Callable[[Credentials], str],
        check_base_url: Callable[[str], str],
        warns_of_own: bool = True,
    ) -> None:
        self._secrets = secrets
        self._namespaces = namespaces
        self._default = default
        self._default_for = frozenset(default_for)
        self._introduce = introduce
        self._check_base_url = check_base_url
        self._warns_of_own = warns_of_own
        self._unusable: str | None = None
        """Why the operator's own Secret was, when it was last read."""

    async def resolve(self, namespace: str, secret_name: str | None, *, age: Age = Age.RECENT) -> Access:
        """Return the credentials of a resource.

        Args:
            namespace: of the resource; apart from the operator's own Secret, no Secret of another namespace is read
                for it.
            age: of the observed Secret, at most; also of the Namespace, which refused credentials do not make
                obsolete.

        Raises:
            NoCredentialsError: there are none, or they are not usable.
            ClusterUnavailableError: the API server cannot be reached.
        """
        if secret_name is not None:
            place = _Place(SecretScope.RESOURCE, namespace, _checked(secret_name, "spec.credentialsSecretRef.name"))
        else:
            place = await self._named_by_namespace(namespace, age=age) or self._own(namespace)
        return await self._read(place, age=age)

    async def resolve_own(self, *, age: Age = Age.RECENT) -> Access:
        """Return the operator's own credentials, whichever namespaces may use them.

        Raises:
            NoCredentialsError: there are none, or they are not usable.
            ClusterUnavailableError: the API server cannot be reached.
        """
        return await self._read(self._default_place(), age=age)

    async def _read(self, place: _Place, *, age: Age) -> Access:
        try:
            data = await self._secrets.read(place.namespace, place.name, age=age)
            credentials = parse_credentials(
                data, check_base_url=self._check_base_url if place.scope is SecretScope.OPERATOR else None
            )
        except UnreadableError as problem:
            self._warn_of_own(place, problem.message)
            # The namespace may name another Secret meanwhile, so a long wait would delay it.
            retry_in = problem.retry_in if place.scope is SecretScope.RESOURCE else min(problem.retry_in, SECRET_AGAIN)
            raise NoCredentialsError(
                problem.reason, _unreadable(place, problem), source=place.source, retry_in=retry_in
            ) from problem
        except CredentialsError as error:
            self._warn_of_own(place, error.message)
            message = f"{_SUBJECT[place.scope]} {place.name}: {error.message}"
            raise NoCredentialsError(error.reason, message, source=place.source, retry_in=SECRET_AGAIN) from error
        if place.scope is SecretScope.OPERATOR:
            self._unusable = None
        return Access(self._introduce(credentials), place.source)

    async def _named_by_namespace(self, namespace: str, *, age: Age) -> _Place | None:
        """Return the Secret that the Namespace names for its resources, or None."""
        try:
            annotations = await self._namespaces.annotations(namespace, age=Age.FRESH if age is Age.ANEW else age)
        except UnreadableError as problem:
            # The namespace may name a Secret, so no other one may be used instead.
            raise NoCredentialsError(
                problem.reason, problem.message, source=None, retry_in=problem.retry_in, operation="readNamespace"
            ) from problem
        name = annotations.get(ANNOTATION, "").strip()
        if not name:
            return None
        return _Place(
            SecretScope.NAMESPACE, namespace, _checked(name, f"The annotation {ANNOTATION} of namespace {namespace}")
        )

    def _own(self, namespace: str) -> _Place:
        """Return the operator's own Secret if the resources of this namespace may use it."""
        place = self._default_place()
        if self._default_for and namespace not in self._default_for:
            raise NoCredentialsError(
                SelectionProblem.NAMESPACE_NOT_ALLOWED,
                f"Neither the resource nor its namespace names a Secret, and namespace {namespace} may not use the operator's"
                f" own Secret. {_NAME_ONE}. Or ask the administrator of the operator to add the namespace to"
                " ATLAS_ENDPOINTS_CREDENTIALS_NAMESPACES.",
                source=None,
                retry_in=SECRET_AGAIN,
            )
        return place

    def _default_place(self) -> _Place:
        if self._default is None:
            raise NoCredentialsError(
                SecretProblem.NOT_FOUND,
                f"Neither the resource nor its namespace names a Secret, and the operator has no Secret of its own. {_NAME_ONE}."
                " Or ask the administrator of the operator to set ATLAS_ENDPOINTS_CREDENTIALS_SECRET.",
                source=None,
                retry_in=SECRET_AGAIN,
            )
        return _Place(SecretScope.OPERATOR, *self._default)

    def _warn_of_own(self, place: _Place, message: str) -> None:
        """Log once why the operator's own Secret is not usable, and where it is; statuses do not contain that."""
        if self._warns_of_own and place.scope is SecretScope.OPERATOR and message != self._unusable:
            logger.warning("The operator's own Secret %s/%s is unusable: %s", place.namespace, place.name, message)
            self._unusable = message


_SUBJECT = {
    SecretScope.RESOURCE: "Secret",
    SecretScope.NAMESPACE: f"The annotation {ANNOTATION} of the namespace names a Secret that is unusable. Secret",
    SecretScope.OPERATOR: "The operator's own Secret",
}


def remedy_for_refused(source: str) -> str:
    """Return the remedy for credentials that Atlas refuses, for users."""
    scope, _, name = source.partition("/")
    if scope == SecretScope.OPERATOR:
        return f"They are in the operator's own Secret {name}. {_ASK_OR_NAME_ONE}"
    return f"Put valid credentials into Secret {name}. The operator reads the Secret again by itself."


def _checked(name: str, what: str) -> str:
    """Return a name that is safe as part of a URL.

    Args:
        name: not part of the error, since it may be any text.
    """
    if not is_name(name):
        raise NoCredentialsError(
            SelectionProblem.INVALID_SECRET_NAME,
            f"{what} must be the name of a Secret: at most 253 lower-case letters, digits, `-` and `.`, without a namespace."
            " Correct or remove it.",
            source=None,
            retry_in=SECRET_AGAIN,
        )
    return name


def _unreadable(place: _Place, problem: UnreadableError) -> str:
    match place.scope:
        case SecretScope.RESOURCE:
            return problem.message
        case SecretScope.NAMESPACE:
            return f"{problem.message} The annotation {ANNOTATION} of the namespace names it."
        case SecretScope.OPERATOR:
            own = f"The operator's own Secret {place.name} does not exist"
            if problem.reason != SecretProblem.NOT_FOUND:
                own = f"The operator may not read its own Secret {place.name}"
            return f"{own}. {_ASK_OR_NAME_ONE}"
