"""Read Secrets, Namespaces and referenced objects: by name and with GET only, so that no LIST and no watch is needed.

Each reader raises ``UnreadableError`` when somebody has to act, and ``ClusterUnavailableError`` when it heals by itself.
"""

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Generic, NamedTuple, TypeVar

from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException

from atlas_endpoints.cluster.api import GROUP, Age, Lack, Target, extract
from atlas_endpoints.cluster.calls import call, is_not_served, is_refused, object_in, unexpected_answer
from atlas_endpoints.cluster.errors import ClusterUnavailableError, ReferenceProblem, SecretProblem, UnreadableError
from atlas_endpoints.controller.bookkeeping import Sweep
from atlas_endpoints.controller.names import is_name, is_namespace
from atlas_endpoints.controller.requeue import doubled

MAX_AGE = 30.0
"""Seconds for which an entry is recent."""

FRESH = 2.0
"""Seconds for which an entry is fresh."""

RETRY_FIRST, RETRY_LAST = 5.0, 60.0
"""Seconds between reads of an object that is not available; doubled from the first to the last."""

READ_IDLE = 3600.0
"""Seconds after which an unused value is dropped."""

MOST = 50_000
"""Entries of one kind of object, more than an operator has resources: a tenant may name a new object with each edit."""

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    """The result of a read.

    Attributes:
        at: monotonic seconds.
        misses: consecutive reads that found a lack.
    """

    found: T | Lack
    at: float
    misses: int

    @property
    def due(self) -> float:
        if self.misses == 0:
            return self.at + MAX_AGE
        return self.at + doubled(RETRY_FIRST, self.misses - 1, RETRY_LAST)


@dataclass(eq=False, repr=False)
class ObjectCache(Generic[K, T]):
    """Reads and caches objects of one kind, with one GET at a time for each.

    Attributes:
        kind: for error messages.
        get: returns the wanted part of an object; may raise ``ApiException``.
        problem: returns the error for a lack. Its last argument is the number of seconds until the next read.
    """

    kind: str
    get: Callable[[K], Awaitable[T | Lack]]
    problem: Callable[[K, Lack, float], Exception]
    monotonic: Callable[[], float]
    _entries: OrderedDict[K, _Entry[T]] = field(init=False, default_factory=OrderedDict)
    """The one that was not read for longest comes first."""
    _reads: dict[K, asyncio.Task[_Entry[T]]] = field(init=False, default_factory=dict)
    _sweep: Sweep = field(init=False, default_factory=Sweep)

    async def read(self, key: K, *, age: Age) -> T:
        """Return the wanted part of an object; raise what ``problem`` returns, or ``ClusterUnavailableError``."""
        if age is Age.ANEW and (begun := self._reads.get(key)) is not None:
            await asyncio.wait({begun})
        entry, task = self._entries.get(key), self._reads.get(key)
        if entry is None or self._is_too_old(entry, age) or (task is not None and age is not Age.RECENT):
            if task is None:
                task = self._reads[key] = asyncio.create_task(self._read(key), name=f"read {self.kind}")
                # Else asyncio logs a failure for which nobody waits any more.
                task.add_done_callback(lambda task: task.cancelled() or task.exception())
            # Not ``await task``: a caller that is cancelled would cancel the read for the others.
            await asyncio.wait({task})
            entry = task.result()
        if not isinstance(entry.found, Lack):
            return entry.found
        raise self.problem(key, entry.found, max(0.0, entry.due - self.monotonic()))

    def _is_too_old(self, entry: _Entry[T], age: Age) -> bool:
        now = self.monotonic()
        return age is Age.ANEW or now >= (entry.due if age is Age.RECENT else entry.at + FRESH)

    async def _read(self, key: K) -> _Entry[T]:
        try:
            found = await self.get(key)
        except ApiException as error:
            if is_refused(error, HTTPStatus.NOT_FOUND):
                found = Lack.MISSING
            elif is_refused(error, HTTPStatus.FORBIDDEN):
                found = Lack.FORBIDDEN
            else:
                # Perhaps from a proxy. Not chained: nothing else of the answer may be shown.
                message = f"The API server refused to return a {self.kind}: {error.status}."
                raise ClusterUnavailableError(message) from None
        finally:
            del self._reads[key]
        now, misses = self.monotonic(), 0
        if isinstance(found, Lack):
            before = self._entries.get(key)
            misses = before.misses + 1 if before is not None else 1
        if self._sweep.is_due(now):
            self._entries = OrderedDict(each for each in self._entries.items() if now < each[1].at + READ_IDLE)
        entry = self._entries[key] = _Entry(found, now, misses)
        self._entries.move_to_end(key)
        if len(self._entries) > MOST:
            self._entries.popitem(last=False)
        return entry


class _Secret(NamedTuple):
    namespace: str
    name: str


class SecretReader:
    """Reads Secrets.

    Args:
        keep: selects the values of a Secret that are cached and returned.
    """

    def __init__(
        self,
        api: client.ApiClient,
        monotonic: Callable[[], float],
        *,
        keep: Callable[[Mapping[str, str]], Mapping[str, str]],
    ) -> None:
        self._api = api
        self._keep = keep
        self._cache = ObjectCache("Secret", self._get, _no_secret, monotonic)

    async def read(self, namespace: str, name: str, *, age: Age = Age.RECENT) -> Mapping[str, str]:
        key = _Secret(namespace, name)
        if not (is_namespace(namespace) and is_name(name)):  # no object has such a name, and it could be another path
            raise _no_secret(key, Lack.MISSING, RETRY_LAST)
        return await self._cache.read(key, age=age)

    async def _get(self, key: _Secret) -> Mapping[str, str]:
        secret = await call(self._api, "GET", ("api", "v1", "namespaces", key.namespace, "secrets", key.name))
        try:
            data = secret.get("data") or {}
            return self._keep({each: base64.b64decode(data[each]).decode(errors="replace") for each in data})
        except (AttributeError, TypeError, ValueError):
            # No object, or no base64. Not chained: the error may quote a value.
            raise unexpected_answer() from None


def _no_secret(key: _Secret, lack: Lack, retry_in: float) -> UnreadableError:
    what = f"Secret {key.name} in namespace {key.namespace}"
    if lack is Lack.MISSING:
        reason = SecretProblem.NOT_FOUND
        message = (
            f"There is no {what}. Create it with the keys clientId and clientSecret"
            " (or publicApiKey and privateApiKey), or correct the name that is given for it. The operator reads it by itself."
        )
    else:
        reason = SecretProblem.FORBIDDEN
        message = (
            f"The operator may not read {what}, whether it exists or not. Give its"
            " ServiceAccount the verb get on it, or use a Secret that it may read."
        )
    return UnreadableError(reason, message, what=what, retry_in=retry_in)


class NamespaceReader:
    """Reads the annotations with which Namespaces set defaults for their resources."""

    def __init__(self, api: client.ApiClient, monotonic: Callable[[], float]) -> None:
        self._api = api
        self._cache = ObjectCache("Namespace", self._get, _no_namespace, monotonic)

    async def annotations(self, namespace: str, *, age: Age = Age.RECENT) -> Mapping[str, str]:
        """Return the annotations of a Namespace that are in the operator's group."""
        return await self._cache.read(namespace, age=age)

    async def _get(self, name: str) -> Mapping[str, str]:
        namespace = await call(self._api, "GET", ("api", "v1", "namespaces", name))
        try:
            annotations = namespace["metadata"].get("annotations") or {}
            return {each: value for each, value in annotations.items() if each.startswith(f"{GROUP}/")}
        except (AttributeError, KeyError, TypeError):
            raise unexpected_answer() from None


def _no_namespace(name: str, lack: Lack, retry_in: float) -> UnreadableError | ClusterUnavailableError:
    if lack is Lack.MISSING:  # soon its resources are gone, too
        return ClusterUnavailableError(f"There is no Namespace {name}.")
    return UnreadableError(
        SecretProblem.NAMESPACE_FORBIDDEN,
        f"The operator may not read Namespace {name}, whose annotations may name a Secret. Give its ServiceAccount the verb"
        " get on namespaces, or set spec.credentialsSecretRef.name.",
        what=f"Namespace {name}",
        retry_in=retry_in,
    )


class _Kind(NamedTuple):
    group: str
    version: str
    kind: str


class _Place(NamedTuple):
    plural: str
    target: Target


class ReferenceReader:
    """Reads targets of any kind that the settings allow. ConfigMaps may always be read.

    Args:
        allowed: the names of the CRDs whose kinds may be read, such as ``vpcendpoints.ec2.services.k8s.aws``.
    """

    def __init__(self, api: client.ApiClient, allowed: Collection[str], monotonic: Callable[[], float]) -> None:
        self._api = api
        self._allowed = frozenset(allowed)
        self._plurals = ObjectCache("version of an API", self._discover, _no_kind, monotonic)
        self._values = ObjectCache("referenced object", self._get, _no_value, monotonic)

    async def read(self, target: Target, *, age: Age = Age.RECENT) -> str:
        return await self._values.read(_Place(await self._plural(target, age=age), target), age=age)

    async def _plural(self, target: Target, *, age: Age) -> str:
        is_config_map = (target.group, target.kind) == ("", "ConfigMap")
        if not is_config_map and not any(each.partition(".")[2] == target.group for each in self._allowed):
            raise _not_allowed(target)
        kind = _Kind(target.group, target.version, target.kind)
        if not all(map(is_name, (target.version, target.name, target.namespace))):  # it would be another path
            raise _no_kind(kind, Lack.MISSING, RETRY_LAST)
        if is_config_map:
            return "configmaps"
        plural = await self._plurals.read(kind, age=age)
        if f"{plural}.{target.group}" not in self._allowed:
            raise _not_allowed(target)
        return plural

    async def _discover(self, kind: _Kind) -> str | Lack:
        try:
            answer = object_in(await call(self._api, "GET", ("apis", kind.group, kind.version)))
        except ApiException as error:
            if is_not_served(error):
                return Lack.MISSING
            raise
        for each in answer.get("resources") or ():
            if each["kind"] == kind.kind and "/" not in each["name"]:
                return str(each["name"]) if each.get("namespaced") else Lack.CLUSTER_SCOPED
        return Lack.MISSING

    async def _get(self, place: _Place) -> str | Lack:
        plural, target = place
        api = ("apis", target.group, target.version) if target.group else ("api", target.version)
        path = (*api, "namespaces", target.namespace, plural, target.name)
        return extract(object_in(await call(self._api, "GET", path)), target.path)


def _not_allowed(target: Target) -> UnreadableError:
    return UnreadableError(
        ReferenceProblem.KIND_NOT_ALLOWED,
        f"The operator does not read the kind {target.kind} of {target.group}. Ask the administrator of the operator to add the name of"
        " its CRD to ATLAS_ENDPOINTS_REFERENCE_KINDS, or reference an allowed kind.",
        retry_in=RETRY_LAST,
    )


def _no_kind(kind: _Kind, lack: Lack, retry_in: float) -> UnreadableError:
    if lack is Lack.FORBIDDEN:
        reason = ReferenceProblem.KIND_NOT_ALLOWED
        message = (
            f"The operator may not list the kinds of {kind.group}/{kind.version}. Let its ServiceAccount discover APIs, as the"
            " ClusterRole system:discovery does for everybody."
        )
    elif lack is Lack.CLUSTER_SCOPED:
        reason = ReferenceProblem.KIND_NOT_ALLOWED
        message = (
            f"The kind {kind.kind} of {kind.group}/{kind.version} is cluster-scoped, and a reference leads to an object of the resource's"
            " own namespace. Use a namespaced kind (those of Crossplane have groups such as ec2.aws.m.upbound.io), or set the value itself."
        )
    else:
        reason = ReferenceProblem.NOT_FOUND
        message = (
            f"The cluster has no namespaced kind {kind.kind} in {kind.group}/{kind.version}. Install its CRD, or correct"
            " apiVersion and kind of the reference. The operator tries again by itself."
        )
    return UnreadableError(reason, message, retry_in=retry_in, refused=lack is Lack.FORBIDDEN)


def _no_value(place: _Place, lack: Lack, retry_in: float) -> UnreadableError:
    plural, target = place
    where = f"{target.object} in namespace {target.namespace}"
    match lack:
        case Lack.MISSING:
            reason = ReferenceProblem.NOT_FOUND
            message = f"There is no {where}. Create it, or correct the reference. The operator tries again by itself."
        case Lack.FORBIDDEN:
            reason = ReferenceProblem.KIND_NOT_ALLOWED
            message = (
                f"The operator may not read {where}, whether it exists or not. Give its ServiceAccount the verb get on"
                f" {f'{plural}.{target.group}'.removesuffix('.')}."
            )
        case Lack.ABSENT:
            reason = ReferenceProblem.NOT_READY
            message = f"{target.object} has no {target.field} yet. The operator tries again by itself."
        case Lack.DELETING:
            reason = ReferenceProblem.NOT_READY
            message = f"{target.object} is being deleted. Name another object in the reference."
        case _:
            reason = ReferenceProblem.FIELD_MISSING
            message = (
                f"{target.field} of {target.object} is not text, or is too long. Correct the reference, or the object."
            )
    return UnreadableError(reason, message, retry_in=retry_in, refused=lack is Lack.FORBIDDEN)
