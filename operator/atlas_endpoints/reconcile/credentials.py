"""Which credentials a resource uses: of three scopes, the most specific that names a Secret."""

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from atlas_endpoints.atlas.credentials import Credentials, CredentialsError, parse_credentials
from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import SecretProblem, UnreadableError
from atlas_endpoints.controller.names import is_name
from atlas_endpoints.reconcile.errors import NoCredentialsError, SelectionProblem
from atlas_endpoints.reconcile.readers import NamespaceReader, SecretReader

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Access:
    """What a resource may use.

    Attributes:
        fingerprint: names the credentials without telling them.
        source: scope and name of their Secret, such as ``namespace/atlas-credentials``.
    """

    fingerprint: str
    source: str


class Scope(StrEnum):
    """Who names the Secret, from the most specific on."""

    RESOURCE = "resource"
    NAMESPACE = "namespace"
    OPERATOR = "operator"


class _Place(NamedTuple):
    """Where credentials are looked for."""

    scope: Scope
    namespace: str
    name: str

    @property
    def source(self) -> str:
        """How a status names it; where the operator keeps its own is nobody else's business."""
        return f"{self.scope}/{self.name}"


class _Warned(NamedTuple):
    """What was logged about a Secret, and when it was last found to be so, in monotonic seconds."""

    warnings: list[str]
    at: float


ANNOTATION = "atlas-endpoints.dev/credentials-secret"
"""By which a Namespace names a Secret of its own, for its resources that name none."""

RETRY_UNUSABLE = 30.0
"""Seconds after which what exists and is of no use is looked at again."""

UNUSED = 86400.0
"""Seconds after which it is forgotten what was logged about a Secret that nobody uses any more."""

_NAME_ONE = (
    f"Name a Secret in spec.credentialsSecretRef.name, or have the namespace name one in its annotation {ANNOTATION}"
)

_ASK_OR_NAME_ONE = (
    "Ask whoever runs the operator to mend that; or name a Secret in spec.credentialsSecretRef.name, or have the namespace"
    f" name one in its annotation {ANNOTATION}."
)


class CredentialsResolver:
    """Finds the credentials of a resource; the most specific scope that names a Secret counts, whatever comes of it.

    Args:
        secrets: reads Secrets.
        namespaces: reads Namespaces.
        default: namespace and name of the operator's own Secret, if it has one.
        default_for: the namespaces whose resources may use it; all, if there are none.
        introduce: makes credentials known and gives their fingerprint.
        check_base_url: checks the base URL that the operator's own Secret may hold; see ``parse_credentials``.
        monotonic: seconds that only grow.
        warns_of_own: whether the log tells where the operator's own Secret is when it is of no use.
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
        monotonic: Callable[[], float],
        warns_of_own: bool = True,
    ) -> None:
        self._secrets = secrets
        self._namespaces = namespaces
        self._default = default
        self._default_for = frozenset(default_for)
        self._introduce = introduce
        self._check_base_url = check_base_url
        self._monotonic = monotonic
        self._warns_of_own = warns_of_own
        self._warned: OrderedDict[_Place, _Warned] = OrderedDict()  # to find the first one in a dict takes ever longer
        """The one that was read last comes last."""
        self._refused: str | None = None

    async def resolve(self, namespace: str, secret_name: str | None, *, age: Age = Age.RECENT) -> Access:
        """Find the credentials.

        Args:
            namespace: of the resource; a Secret of another namespace is never read on its behalf, but for the operator's own.
            secret_name: what the resource names, if anything.
            age: of the Secret's reading, at most; of the Namespace's, which credentials that were refused do not make useless, too.

        Raises:
            NoCredentialsError: there are none, or not usable ones.
            ClusterUnavailableError: the API server could not be reached.
        """
        if secret_name is not None:
            place = _Place(Scope.RESOURCE, namespace, _checked(secret_name, "spec.credentialsSecretRef.name"))
        else:
            place = await self._named_by_namespace(namespace, age=age) or self._own(namespace)
        return await self._read(place, age=age)

    async def resolve_own(self, *, age: Age = Age.RECENT) -> Access:
        """Find the operator's own credentials, whoever may use them.

        Args:
            age: of the Secret's reading, at most.

        Raises:
            NoCredentialsError: there are none, or not usable ones.
            ClusterUnavailableError: the API server could not be reached.
        """
        return await self._read(self._default_place(), age=age)

    def judged(self, access: Access, *, accepted: bool) -> None:
        """Take in whether Atlas accepts credentials, and tell whoever runs the operator when it refuses the operator's own.

        Args:
            access: as ``resolve`` gave it.
            accepted: whether it does.
        """
        if self._default is None or not access.source.startswith(f"{Scope.OPERATOR}/"):
            return
        refused = None if accepted else access.fingerprint
        if refused is not None and refused != self._refused:
            namespace, name = self._default
            logger.warning("Atlas does not accept the credentials of the operator's own Secret %s/%s", namespace, name)
        self._refused = refused

    async def _read(self, place: _Place, *, age: Age) -> Access:
        try:
            data = await self._secrets.read(place.namespace, place.name, age=age)
            credentials, warnings = parse_credentials(
                data, check_base_url=self._check_base_url if place.scope is Scope.OPERATOR else None
            )
        except UnreadableError as problem:
            self._warn_of_own(place, problem.message)
            # Another Secret may be named meanwhile, which the pace of this one must not hold up.
            retry_in = problem.retry_in if place.scope is Scope.RESOURCE else min(problem.retry_in, RETRY_UNUSABLE)
            raise NoCredentialsError(
                problem.reason, _unreadable(place, problem), source=place.source, retry_in=retry_in
            ) from problem
        except CredentialsError as error:
            self._warn_of_own(place, error.message)
            message = f"{_SUBJECT[place.scope]} {place.name}: {error.message}"
            raise NoCredentialsError(error.reason, message, source=place.source, retry_in=RETRY_UNUSABLE) from error
        self._warn(place, [f"Secret {place.namespace}/{place.name}: {warning}" for warning in warnings])
        return Access(self._introduce(credentials), place.source)

    async def _named_by_namespace(self, namespace: str, *, age: Age) -> _Place | None:
        """Give the Secret that the Namespace names for its resources, if it does."""
        try:
            annotations = await self._namespaces.annotations(namespace, age=Age.FRESH if age is Age.ANEW else age)
        except UnreadableError as problem:
            # The namespace may name a Secret: no other may stand in for it.
            raise NoCredentialsError(
                problem.reason,
                problem.message,
                source=None,
                retry_in=problem.retry_in,
                operation="readNamespace",
            ) from problem
        name = annotations.get(ANNOTATION, "").strip()
        if not name:
            return None
        return _Place(
            Scope.NAMESPACE, namespace, _checked(name, f"The annotation {ANNOTATION} of namespace {namespace}")
        )

    def _own(self, namespace: str) -> _Place:
        """Give the operator's own Secret, if it has one and the resources of this namespace may use it."""
        place = self._default_place()
        if self._default_for and namespace not in self._default_for:
            raise NoCredentialsError(
                SelectionProblem.NAMESPACE_NOT_ALLOWED,
                f"Neither the resource nor its namespace names a Secret, and namespace {namespace} may not use the operator's"
                f" own. {_NAME_ONE}, or ask whoever runs the operator to add the namespace to"
                " ATLAS_ENDPOINTS_CREDENTIALS_NAMESPACES.",
                source=None,
                retry_in=RETRY_UNUSABLE,
            )
        return place

    def _default_place(self) -> _Place:
        if self._default is None:
            raise NoCredentialsError(
                SecretProblem.NOT_FOUND,
                f"Neither the resource nor its namespace names a Secret, and the operator has none of its own. {_NAME_ONE}, or"
                " ask whoever runs the operator to give it one (ATLAS_ENDPOINTS_CREDENTIALS_SECRET).",
                source=None,
                retry_in=RETRY_UNUSABLE,
            )
        return _Place(Scope.OPERATOR, *self._default)

    def _warn_of_own(self, place: _Place, message: str) -> None:
        """Tell whoever runs the operator that its own Secret is of no use, and where it is; statuses do not tell that."""
        if self._warns_of_own and place.scope is Scope.OPERATOR:
            self._warn(place, [f"The operator's own Secret {place.namespace}/{place.name} is of no use: {message}"])

    def _warn(self, place: _Place, warnings: list[str]) -> None:
        """Log what is odd about a Secret, once as long as it stays so; never its content."""
        now, before = self._monotonic(), self._warned.pop(place, None)
        if before is None or before.warnings != warnings:
            for warning in warnings:
                logger.warning("%s", warning)
        if warnings:
            self._warned[place] = _Warned(warnings, now)
        while self._warned and (oldest := next(iter(self._warned))) and self._warned[oldest].at < now - UNUSED:
            del self._warned[oldest]


_SUBJECT = {
    Scope.RESOURCE: "Secret",
    Scope.NAMESPACE: f"By the annotation {ANNOTATION} of the namespace, Secret",
    Scope.OPERATOR: "The operator's own Secret",
}


def remedy_for_refused(source: str) -> str:
    """Say to users what to do about credentials that Atlas refuses.

    Args:
        source: of the credentials; see ``Access``.
    """
    scope, _, name = source.partition("/")
    if scope == Scope.OPERATOR:
        return f"They are those of the operator's own Secret {name}. {_ASK_OR_NAME_ONE}"
    return f"Put valid ones into Secret {name}; they are picked up by themselves."


def _checked(name: str, what: str) -> str:
    """Give a name that may become a part of a URL.

    Args:
        name: to be checked; it is not shown, since it may hold anything.
        what: names it, for people.
    """
    if not is_name(name):
        raise NoCredentialsError(
            SelectionProblem.INVALID_SECRET_NAME,
            f"{what} is no name of a Secret: lower case letters, digits, `-` and `.`, 253 at most, without a namespace."
            " Correct or remove it.",
            source=None,
            retry_in=RETRY_UNUSABLE,
        )
    return name


def _unreadable(place: _Place, problem: UnreadableError) -> str:
    """Say to users that a Secret cannot be had."""
    match place.scope:
        case Scope.RESOURCE:
            return problem.message
        case Scope.NAMESPACE:
            return f"{problem.message} The annotation {ANNOTATION} of the namespace names it."
        case Scope.OPERATOR:
            lacks = "does not exist" if problem.reason == SecretProblem.NOT_FOUND else "may not be read by it"
            return f"The operator's own Secret {place.name} {lacks}. {_ASK_OR_NAME_ONE}"
