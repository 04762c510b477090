"""What the core reads and writes beside its resources and Atlas, in memory: Secrets, referenced objects, ConfigMaps, an observer."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from typing_extensions import override

from atlas_endpoints.cluster.api import Age, ConfigMap
from atlas_endpoints.cluster.errors import ClusterUnavailableError, ReferenceProblem, SecretProblem, UnreadableError
from atlas_endpoints.controller.controller import ConflictError, RefusedError
from support.ports import NoObserver

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from atlas_endpoints.cluster.api import OutputOwner, Target
    from atlas_endpoints.controller.cache import Body
    from atlas_endpoints.controller.requeue import Requeue
    from atlas_endpoints.reconcile.events import Event

TARGET_LOOK = 5.0
"""Seconds after which a reference that is not resolved is read again."""


def public_key(name: str) -> str:
    """Return the public key of the credentials that a test calls so."""
    return "".join(chr(97 + byte % 26) for byte in hashlib.sha256(name.encode()).digest()[:8])


class Secrets:
    """API keys by the name of their Secret, or the error of its reading; each key has a name of its own."""

    def __init__(self) -> None:
        self.found: dict[str, str | Exception] = {"atlas": "operator-1", "mine": "mine-1"}
        self.remembered: dict[str, str] = {}
        """Older keys, for readings that may be some seconds old."""
        self.reads: list[Age] = []
        """The age that each reading allows."""
        self.meanwhile: Callable[[], object] = lambda: None
        """Runs while a Secret is read next."""

    def put(self, name: str, value: Mapping[str, str] | str | None) -> None:
        """Replace what a Secret holds: a key, nothing, or ``unreachable``."""
        match value:
            case None:
                self.found[name] = UnreadableError(SecretProblem.NOT_FOUND, "There is no Secret.", retry_in=30.0)
            case str():
                self.found[name] = unreadable(value) if value == "unreachable" else value
            case _:
                self.found[name] = value["now"]
                self.remembered[name] = value.get("remembered", "")

    async def read(self, namespace: str, name: str, *, age: Age) -> Mapping[str, str]:
        del namespace
        self.reads.append(age)
        meanwhile, self.meanwhile = self.meanwhile, lambda: None
        meanwhile()
        await asyncio.sleep(0)
        if age is not Age.RECENT:
            self.remembered.pop(name, None)
        found = self.remembered.get(name) or self.found.get(name)
        if isinstance(found, Exception):
            raise found
        if found is None:
            raise UnreadableError(SecretProblem.NOT_FOUND, "There is no Secret.", retry_in=30.0)
        return {"publicApiKey": public_key(found), "privateApiKey": "01234567-89ab-cdef-0123-456789abcdef"}


class Namespaces:
    """The annotations that all namespaces have."""

    def __init__(self) -> None:
        self.found: Mapping[str, str] = {}

    async def annotations(self, namespace: str, *, age: Age) -> Mapping[str, str]:
        del namespace, age
        return self.found


class Targets:
    """The values of referenced objects, by kind and name, or the error of the reading."""

    def __init__(self) -> None:
        self.held: dict[str, str | Exception] = {}
        self.reads: list[tuple[Target, Age]] = []
        """With the age that each reading allows."""

    def put(self, values: Mapping[str, str | None]) -> None:
        """Replace values by those given, or by the error that ``error <reason>`` names; ``None``: no object."""
        for name, value in values.items():
            if value is None:
                self.held.pop(name, None)
            else:
                self.held[name] = unreadable(value.removeprefix("error ")) if value.startswith("error ") else value

    async def read(self, target: Target, *, age: Age) -> str:
        self.reads.append((target, age))
        await asyncio.sleep(0)
        found = self.held.get(target.object)
        if found is None:
            raise UnreadableError(ReferenceProblem.NOT_FOUND, f"There is no {target.object}.", retry_in=TARGET_LOOK)
        if isinstance(found, Exception):
            raise found
        return found


class ConfigMaps:
    """The ConfigMaps of the namespace, by name, and a log of the calls."""

    def __init__(self) -> None:
        self.found: dict[str, ConfigMap] = {}
        self.calls: list[str] = []
        """``GET``, ``POST`` and ``PATCH``, in order."""
        self.error: Exception | None = None
        """The error of all calls, until it is reset."""
        self.meanwhile: Callable[[], object] = lambda: None
        """Runs between a reading and the write that follows."""
        self._version = 0

    def put(self, name: str, data: Mapping[str, str], *owners: str) -> None:
        """Create or replace a ConfigMap, like somebody else."""
        self._version += 1
        uid = self.found[name].uid if name in self.found else f"uid-{self._version}"
        self.found[name] = ConfigMap(uid, str(self._version), frozenset(owners), deleting=False, data=data)

    def held(self, name: str) -> Mapping[str, str] | None:
        return self.found[name].data if name in self.found else None

    def fail(self, how: str | None) -> None:
        """Have all calls be ``refused`` or ``unreachable``; ``None``: none any more."""
        refused = RefusedError("403 Forbidden: cannot create")
        self.error = None if how is None else refused if how == "refused" else unreadable(how)

    async def read(self, namespace: str, name: str) -> ConfigMap | None:
        await self._called("GET")
        assert namespace == "shop"
        return self.found.get(name)

    async def create(self, owner: OutputOwner, name: str, data: Mapping[str, str]) -> None:
        await self._called("POST")
        if name in self.found:
            raise ConflictError
        self.put(name, data, owner.uid)

    async def update(self, owner: OutputOwner, name: str, found: ConfigMap, data: Mapping[str, str]) -> None:
        await self._called("PATCH")
        now = self.found.get(name)
        if now is None or (now.uid, now.version) != (found.uid, found.version):
            raise ConflictError
        self.put(name, data, *found.owners)

    async def _called(self, call: str) -> None:
        self.calls.append(call)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        if call != "GET":
            meanwhile, self.meanwhile = self.meanwhile, lambda: None
            meanwhile()


class Observer(NoObserver):
    """Keeps the Events that no status shows: the name of the resource, reason and message; and how the reconciles ended."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []
        self.reconciles: list[Requeue] = []
        self.blocked_by: list[str] = []

    @override
    def reconciled(self, kind: str, following: Requeue, seconds: float) -> None:
        self.reconciles.append(following)

    @override
    def blocked(self, kind: str, reason: str) -> None:
        self.blocked_by.append(reason)

    @override
    def recorded(self, body: Body, event: Event) -> None:
        self.events.append((body["metadata"]["name"], event.reason, event.message))


def unreadable(how: str) -> Exception:
    """Return the error of reading an object of the cluster: ``unreachable``, or a reason."""
    if how == "unreachable":
        return ClusterUnavailableError("The API server cannot be reached.")
    if how == "forbidden":
        message = "The operator may not read the object."
        return UnreadableError(ReferenceProblem.KIND_NOT_ALLOWED, message, retry_in=TARGET_LOOK, refused=True)
    reason = SecretProblem(how) if how in set(SecretProblem) else ReferenceProblem(how)
    return UnreadableError(reason, f"The fault of the object is {how}.", retry_in=TARGET_LOOK)
