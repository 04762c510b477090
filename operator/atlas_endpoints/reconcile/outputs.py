"""What a resource hands to others: ConfigMaps that are its own and hold what Atlas shows.

A ConfigMap is written as a whole once Atlas has told all that it is to hold: to whoever puts values into manifests, a key that is
missing is an empty value. What cannot be written keeps nothing else from being done.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any, NamedTuple, Protocol, TypeAlias

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import Names
from atlas_endpoints.cluster.config_maps import ConfigMap, Owner
from atlas_endpoints.cluster.errors import ClusterUnavailableError, RefusedError
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.controller.controller import ConflictError
from atlas_endpoints.controller.log_fields import LogFields
from atlas_endpoints.reconcile.facts import Finding
from atlas_endpoints.reconcile.reasons import OutputsReason
from atlas_endpoints.reconcile.resource import Resource

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a reconcile writes a ConfigMap that somebody else keeps changing."""

RETRY = 30.0
"""Seconds after which it is tried again where the API server could not be reached."""


class ConfigMapsPort(Protocol):
    """Reads and writes ConfigMaps; see ``cluster.config_maps_writer.ConfigMapWriter``, also for the errors."""

    async def read(self, namespace: str, name: str) -> ConfigMap | None:
        """Read one; ``None`` when there is none."""
        ...

    async def create(self, owner: Owner, name: str, data: Mapping[str, str]) -> None:
        """Create one that goes when its owner goes."""
        ...

    async def update(self, owner: Owner, name: str, found: ConfigMap, data: Mapping[str, str]) -> None:
        """Replace what exactly this version of one holds."""
        ...


class ReadsPort(Protocol):
    """Reads what is no entry; see ``atlas.gateway.Gateway``."""

    async def read(
        self, scope: Scope, request: Request, *, parse: Callable[[object], Any | None], max_age: float
    ) -> Any:
        """Return what a GET has told; may raise ``AtlasError``."""
        ...


@dataclass(frozen=True, slots=True)
class Output:
    """One ConfigMap that a resource hands over.

    Attributes:
        name: of the ConfigMap.
        keys: that are ours in it.
        values: that it is to hold; None: they are not known yet.
        request: returns a GET that tells the values, where the entry does not.
        parse: reads its answer; None: it is not readable.
        fill: returns the values from what was read; None: they are not known yet.
    """

    name: str
    keys: Collection[str]
    values: Mapping[str, str] | None = None
    request: Callable[[Scope], Request] | None = None
    parse: Callable[[object], Any | None] = lambda _: None
    fill: Callable[[Any], Mapping[str, str] | None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Published:
    """What came of the outputs of a resource.

    Attributes:
        finding: for the condition ``OutputsWritten``; None: nothing was found out.
        look_in: seconds after which to look again; None: whenever there is something else to do.
    """

    finding: Finding | None
    look_in: float | None = None


class Write(Enum):
    """What is to be done about a ConfigMap, if anything."""

    CREATE = auto()
    UPDATE = auto()
    NOTHING = auto()


Step: TypeAlias = Write | Finding


def decide(name: str, values: Mapping[str, str], found: ConfigMap | None, uid: str, keys: Collection[str]) -> Step:
    """Return what to do about a ConfigMap, or why nothing can be done.

    Args:
        name: of the ConfigMap.
        values: that it is to hold.
        keys: that are ours.
        found: as it is.
        uid: of the resource.
    """
    if found is None:
        return Write.CREATE
    if uid not in found.owners:
        return Finding(
            "False",
            OutputsReason.NOT_OURS,
            f"There is a ConfigMap {name} that was not made for this resource, so nothing is written to it. Delete it, or name"
            " another one in the spec.",
        )
    if found.deleting:
        return Finding(
            "Unknown", OutputsReason.PENDING, f"ConfigMap {name} is being deleted; it is written anew when it is gone."
        )
    if all(found.data.get(key) == values.get(key) for key in keys):
        return Write.NOTHING
    return Write.UPDATE


class _Seen(NamedTuple):
    """What a ConfigMap was like when it was read or written.

    Attributes:
        uid: of the resource.
        name: of the ConfigMap.
        values: that it held.
    """

    uid: str
    name: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Memory:
    seen: _Seen
    at: float


class Outputs:
    """Writes what resources hand over.

    Args:
        config_maps: reads and writes ConfigMaps; ``None``: the operator is not to.
        atlas: reads what the entries do not tell.
        monotonic: seconds that only grow.
        names: of the kind of the resources.
    """

    def __init__(
        self, config_maps: ConfigMapsPort | None, atlas: ReadsPort, monotonic: Callable[[], float], names: Names
    ) -> None:
        self._config_maps = config_maps
        self._names = names
        self._atlas = atlas
        self._monotonic = monotonic
        self._memory: dict[Key, dict[str, _Memory]] = {}

    async def publish(
        self, resource: Resource, outputs: Sequence[Output], *, scope: Scope | None, max_age: float
    ) -> Published:
        """Have the ConfigMaps hold what is known at the end of a reconcile.

        Args:
            resource: as it is.
            outputs: of it.
            scope: of its entry, as seen with its credentials; None: nothing was seen.
            max_age: seconds for which nobody needs to look whether a ConfigMap, or what it is to hold, is as it was.
        """
        findings, look_in = [], None
        try:
            for output in outputs:
                known = output
                if output.request is not None and self._config_maps is not None and scope is not None:
                    found = await self._read(output, output.request(scope), scope, max_age)
                    if isinstance(found, Finding):
                        findings.append(found)
                        look_in = RETRY
                        continue
                    known = replace(output, values=found)
                    look_in = RETRY if found is None else look_in
                findings.append(await self._publish(resource, known, max_age))
        except ClusterUnavailableError as error:
            logger.warning("A ConfigMap has to wait: %s", error, extra=LogFields(key=str(resource.key)))
            return Published(None, RETRY)
        return Published(_together(findings) if findings else None, look_in)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a resource."""
        self._memory.pop(key, None)

    async def _read(
        self, output: Output, request: Request, scope: Scope, max_age: float
    ) -> Mapping[str, str] | Finding | None:
        """Return the values of an output, or why they are not to be had."""
        try:
            return output.fill(await self._atlas.read(scope, request, parse=output.parse, max_age=max_age))
        except AtlasError as error:
            return Finding(
                "Unknown",
                OutputsReason.PENDING,
                f"The connection string for ConfigMap {output.name} could not be read. {error.message}",
            )

    async def _publish(self, resource: Resource, output: Output, max_age: float) -> Finding:
        name, values = output.name, output.values
        if self._config_maps is None:
            return Finding(
                "False",
                OutputsReason.DISABLED,
                "The operator writes no ConfigMaps. Ask whoever runs it to set ATLAS_ENDPOINTS_OUTPUTS=on (outputs.enabled of the"
                f" chart), or remove ConfigMap {name} from the spec.",
            )
        if values is None:
            return Finding(
                "Unknown", OutputsReason.PENDING, f"Atlas does not show yet what ConfigMap {name} is to hold."
            )
        memories = self._memory.setdefault(resource.key, {})
        memory, now = memories.pop(name, None), self._monotonic()
        seen = _Seen(resource.metadata.uid, name, values)
        if memory is None or memory.seen != seen or now >= memory.at + max_age:
            try:
                finding = await self._write(self._config_maps, resource, name, output.keys, values)
            except RefusedError as error:
                return Finding(
                    "False",
                    OutputsReason.REFUSED,
                    f"The API server does not let the operator write ConfigMap {name}. Let its ServiceAccount get, create and"
                    f" patch configmaps, or mend what it says: {error}",
                )
            if finding is not None:
                return finding
            memory = _Memory(seen, now)
        memories[name] = memory
        return Finding("True", OutputsReason.WRITTEN, f"ConfigMap {name} holds what Atlas shows.")

    async def _write(
        self,
        config_maps: ConfigMapsPort,
        resource: Resource,
        name: str,
        keys: Collection[str],
        values: Mapping[str, str],
    ) -> Finding | None:
        """Read it, and write it if it is ours and differs; ``None`` when it is as it should be."""
        owner = Owner(self._names, resource.metadata.namespace, resource.metadata.name, resource.metadata.uid)
        for _ in range(ATTEMPTS):
            found = await config_maps.read(owner.namespace, name)
            step = decide(name, values, found, owner.uid, keys)
            if isinstance(step, Finding):
                return step
            try:
                if found is None:
                    await config_maps.create(owner, name, values)
                elif step is Write.UPDATE:
                    others = {key: value for key, value in found.data.items() if key not in keys}
                    await config_maps.update(owner, name, found, {**others, **values})
            except ConflictError:
                continue
            return None
        raise ClusterUnavailableError("Somebody else keeps changing it.")


def _together(findings: Sequence[Finding]) -> Finding:
    """Put what is said of each ConfigMap into one: the worst status and its reason, all messages."""
    worst = min(findings, key=lambda each: ("False", "Unknown", "True").index(each.status))
    messages = dict.fromkeys(each.message for each in findings if each.status == worst.status)
    return replace(worst, message=" ".join(messages))
