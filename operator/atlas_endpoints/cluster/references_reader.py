"""Read one field of an object of any kind that the settings allow, by name and with GET only."""

from collections.abc import Callable, Collection, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.age import Age
from atlas_endpoints.cluster.calls import call
from atlas_endpoints.cluster.errors import ClusterUnavailableError, ReferenceProblem, UnreadableError
from atlas_endpoints.cluster.object_cache import RETRY_LAST, ObjectCache
from atlas_endpoints.cluster.refusals import is_not_served
from atlas_endpoints.cluster.targets import Lack, Target, extract
from atlas_endpoints.controller.names import is_name


class _Api(NamedTuple):
    group: str
    version: str


class _Place(NamedTuple):
    plural: str
    target: Target


class ReferenceReader:
    """Reads targets.

    Args:
        allowed: the names of the CRDs whose kinds may be read, such as ``vpcendpoints.ec2.services.k8s.aws``.
    """

    def __init__(self, api: client.ApiClient, allowed: Collection[str], monotonic: Callable[[], float]) -> None:
        self._api = api
        self._allowed = frozenset(allowed)
        self._apis = ObjectCache("version of an API", self._kinds, _no_api, monotonic, suffices=bool)
        self._values = ObjectCache("referenced object", self._get, _problem, monotonic, suffices=_is_value)

    async def read(self, target: Target, *, age: Age = Age.RECENT) -> str:
        """Return the text of a target as it is, unvalidated.

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
        """Return the plural of a kind that may be read. ConfigMaps may always be read."""
        is_config_map = (target.group, target.kind) == ("", "ConfigMap")
        if not is_config_map and not any(each.partition(".")[2] == target.group for each in self._allowed):
            raise _not_allowed(target)
        if not all(map(is_name, (target.version, target.name, target.namespace))):  # it would be another path
            raise _no_kind(target, RETRY_LAST)
        if is_config_map:
            return "configmaps"
        api = _Api(target.group, target.version)
        plural = (await self._apis.read(api, age=age)).get(target.kind)
        if plural is None:
            raise _no_kind(target, self._apis.due_in(api))
        if f"{plural}.{target.group}" not in self._allowed:
            raise _not_allowed(target)
        return plural

    async def _kinds(self, api: _Api) -> Mapping[str, str]:
        """Return the plural of each namespaced kind of an API; none when it is not served."""
        try:
            answer = await call(self._api, "GET", ("apis", *api))
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
        plural, target = place
        api = ("apis", target.group, target.version) if target.group else ("api", target.version)
        path = (*api, "namespaces", target.namespace, plural, target.name)
        return extract(_object(await call(self._api, "GET", path)), target.path)


def _object(answer: Any) -> Mapping[str, Any]:
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
    plural, target = place
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
        f" ServiceAccount the verb get on {f'{plural}.{target.group}'.removesuffix('.')}.",
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
