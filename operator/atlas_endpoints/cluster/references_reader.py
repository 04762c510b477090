"""Reading what resources refer to: one field of an object of any kind that the settings allow, by name and with GET only."""

from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.errors import ClusterUnavailableError, ReferenceProblem, UnreadableError
from atlas_endpoints.cluster.exchange import exchange
from atlas_endpoints.cluster.object_cache import RETRY_LAST, Readings
from atlas_endpoints.cluster.refusals import is_not_served
from atlas_endpoints.cluster.targets import Lack, Target, extract
from atlas_endpoints.controller.names import is_name

CONFIG_MAPS = "configmaps"
"""The one kind that is not the user's own: it may always be named, and needs no looking up."""


class _Api(NamedTuple):
    """A version of a group of the Kubernetes API."""

    group: str
    version: str


class _Place(NamedTuple):
    """Where a target is read.

    Attributes:
        plural: what the API server calls the kind in paths, and RBAC in rules.
    """

    plural: str
    target: Target

    @property
    def resource(self) -> str:
        """What RBAC, and the name of a CRD, call the kind."""
        return f"{self.plural}.{self.target.group}".removesuffix(".")


class ReferenceReader:
    """Reads targets; see ``kinds.serverless_private_endpoint.references.TargetReader``.

    Args:
        api: the connection.
        allowed: the kinds that may be read, by the names of their CRDs, such as ``vpcendpoints.ec2.services.k8s.aws``.
        monotonic: seconds that only grow.
    """

    def __init__(self, api: client.ApiClient, allowed: Collection[str], monotonic: Callable[[], float]) -> None:
        self._api = api
        self._allowed = frozenset(allowed)
        self._apis = Readings("version of an API", self._kinds, _no_api, monotonic, suffices=bool)
        self._values = Readings("referenced object", self._get, _problem, monotonic, suffices=_is_value)

    async def read(self, target: Target, *, age: Age = Age.RECENT) -> str:
        """Give the text of a target as it stands; it may hold anything.

        Args:
            target: which field of which object.
            age: the oldest reading that will do.

        Raises:
            UnreadableError: ``KindNotAllowed``, ``NotFound``, ``NotReady`` or ``FieldMissing``.
            ClusterUnavailableError: the API server could not be reached.
        """
        place = _Place(await self._plural(target, age=age), target)
        found = await self._values.read(place, age=age)
        if isinstance(found, Lack):
            raise _lacking(target, found, self._values.due_in(place))
        return found

    async def _plural(self, target: Target, *, age: Age) -> str:
        """Find out what the API server calls a kind, if it may be read at all."""
        if (target.group, target.kind) == ("", "ConfigMap"):
            return _checked(target, CONFIG_MAPS)
        if not any(each.partition(".")[2] == target.group for each in self._allowed):
            raise _not_allowed(target)
        api = _Api(target.group, target.version)
        _checked(target, target.kind)
        plural = (await self._apis.read(api, age=age)).get(target.kind)
        if plural is None:
            raise _no_kind(target, self._apis.due_in(api))
        if f"{plural}.{target.group}" not in self._allowed:
            raise _not_allowed(target)
        return plural

    async def _kinds(self, api: _Api) -> Mapping[str, str]:
        """Give the namespaced kinds of an API with their plurals; none when it is not served, as before its CRD is installed."""
        try:
            answer = await exchange(self._api, "GET", ("apis", *api))
        except ApiException as error:
            if is_not_served(error):
                return {}
            raise
        return {
            each["kind"]: each["name"]
            for each in _object(answer).get("resources") or ()
            if each.get("namespaced") and "/" not in each["name"]
        }

    async def _get(self, place: _Place) -> str | Lack:
        return extract(_object(await exchange(self._api, "GET", _path(place))), place.target.path)


def _path(place: _Place) -> tuple[str, ...]:
    target = place.target
    api = ("apis", target.group, target.version) if target.group else ("api", target.version)
    return (*api, "namespaces", target.namespace, place.plural, target.name)


def _checked(target: Target, plural: str) -> str:
    """Give a plural, unless a part of the path would lead to another one.

    Raises:
        UnreadableError: there can be no such object.
    """
    if not all(map(is_name, (target.version, target.name, target.namespace))):
        raise _no_kind(target, RETRY_LAST)
    return plural


def _object(answer: Any) -> Mapping[str, Any]:
    """Give an answer the type that the API server does not promise."""
    if not isinstance(answer, dict):
        raise ClusterUnavailableError("The API server's answer is no object.")
    return answer


def _is_value(found: str | Lack) -> bool:
    return not isinstance(found, Lack)


def _no_api(api: _Api, status: int, retry_in: float) -> UnreadableError:
    return UnreadableError(
        ReferenceProblem.KIND_NOT_ALLOWED if status == HTTPStatus.FORBIDDEN else ReferenceProblem.NOT_FOUND,
        f"The API server does not tell the operator which kinds {api.group}/{api.version} has ({status}). Let its ServiceAccount"
        " discover APIs, as the ClusterRole system:discovery does for everybody.",
        retry_in=retry_in,
    )


def _no_kind(target: Target, retry_in: float) -> UnreadableError:
    return UnreadableError(
        ReferenceProblem.NOT_FOUND,
        f"The cluster has no namespaced kind {target.kind} in {target.group}/{target.version}. Install its CRD, or correct"
        " apiVersion and kind of the reference; it is picked up by itself.",
        retry_in=retry_in,
    )


def _not_allowed(target: Target) -> UnreadableError:
    return UnreadableError(
        ReferenceProblem.KIND_NOT_ALLOWED,
        f"The operator does not read the kind {target.kind} of {target.group}. Ask whoever runs the operator to add the name of"
        " its CRD to ATLAS_ENDPOINTS_REFERENCE_KINDS, or refer to a kind that is there.",
        retry_in=RETRY_LAST,
    )


def _problem(place: _Place, status: int, retry_in: float) -> UnreadableError:
    target = place.target
    if status == HTTPStatus.NOT_FOUND:
        return UnreadableError(
            ReferenceProblem.NOT_FOUND,
            f"There is no {target.object} in namespace {target.namespace}. Create it, or correct the reference; it is picked up"
            " by itself.",
            retry_in=retry_in,
        )
    return UnreadableError(
        ReferenceProblem.KIND_NOT_ALLOWED,
        f"The operator may not read {target.object} in namespace {target.namespace}, whether it exists or not. Give its"
        f" ServiceAccount the verb get on {place.resource}.",
        retry_in=retry_in,
    )


def _lacking(target: Target, lack: Lack, retry_in: float) -> UnreadableError:
    match lack:
        case Lack.ABSENT:
            message = f"{target.object} has no {target.field} yet; it is picked up by itself."
            return UnreadableError(ReferenceProblem.NOT_READY, message, retry_in=retry_in)
        case Lack.DELETING:
            message = f"{target.object} is being deleted. Let the reference name another one."
            return UnreadableError(ReferenceProblem.NOT_READY, message, retry_in=retry_in)
        case Lack.NO_TEXT:
            message = f"{target.field} of {target.object} holds no text that could be a value. Correct fieldPath."
            return UnreadableError(ReferenceProblem.FIELD_MISSING, message, retry_in=retry_in)
