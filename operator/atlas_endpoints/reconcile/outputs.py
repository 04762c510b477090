"""Write the ConfigMaps of a resource, which contain what Atlas shows.

A ConfigMap is written as a whole, once all its values are known: a tool that inserts values into manifests would read
a missing key as an empty value. A failure to write one blocks nothing else.
"""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any, NamedTuple, Protocol, TypeAlias

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import ConfigMap, Names, Owner
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.controller.controller import ConflictError, RefusedError
from atlas_endpoints.controller.log_lines import LogFields
from atlas_endpoints.reconcile.reasons import OutputsReason
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.status import Finding

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a reconcile tries to write a ConfigMap that somebody else keeps changing."""

RETRY = 30.0
"""Seconds after which to try again if the API server cannot be reached, and first if Atlas does not show the values yet."""

RETRY_LAST = 600.0
"""Seconds between attempts to read values that Atlas does not show for long: the cluster may not exist."""


class ConfigMapsPort(Protocol):
    """Reads and writes ConfigMaps; see ``cluster.writer.ConfigMapWriter``, also for the errors."""

    async def read(self, namespace: str, name: str) -> ConfigMap | None:
        """Return a ConfigMap, or None."""
        ...

    async def create(self, owner: Owner, name: str, data: Mapping[str, str]) -> None:
        """Create a ConfigMap that is deleted with its owner."""

    async def update(self, owner: Owner, name: str, found: ConfigMap, data: Mapping[str, str]) -> None:
        """Replace the data of exactly this version of a ConfigMap."""


class ReadsPort(Protocol):
    """Reads what is no entry; see ``atlas.gateway.Gateway``."""

    async def read(
        self, scope: Scope, request: Request, *, parse: Callable[[object], Any | None], max_age: float
    ) -> Any:
        """Return the result of a GET; may raise ``AtlasError``."""
        ...


@dataclass(frozen=True, slots=True)
class Output:
    """One ConfigMap of a resource.

    Attributes:
        keys: that the operator manages in it.
        values: None: not known yet.
        request: returns the GET that reads the values if the entry does not contain them.
        parse: returns the content of its answer, or None if it is unreadable.
        fill: returns the values in that content, or None if they are not known yet.
    """

    name: str
    keys: Collection[str]
    values: Mapping[str, str] | None = None
    request: Callable[[Scope], Request] | None = None
    parse: Callable[[object], Any | None] = lambda _: None
    fill: Callable[[Any], Mapping[str, str] | None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Published:
    """The result for all outputs of a resource.

    Attributes:
        finding: for the condition ``OutputsWritten``; None: unknown.
    """

    finding: Finding | None
    requeue_in: float | None = None


class Write(Enum):
    """What to do about a ConfigMap."""

    CREATE = auto()
    UPDATE = auto()
    NOTHING = auto()


Step: TypeAlias = Write | Finding


def decide(name: str, values: Mapping[str, str], found: ConfigMap | None, uid: str, keys: Collection[str]) -> Step:
    """Return what to do about a ConfigMap, or why nothing can be done."""
    if found is None:
        return Write.CREATE
    if uid not in found.owners:
        return Finding(
            "False",
            OutputsReason.NOT_OURS,
            f"ConfigMap {name} exists and does not belong to this resource, so the operator does not write to it. Delete it, or"
            " name another ConfigMap in the spec.",
        )
    if found.deleting:
        return Finding(
            "Unknown",
            OutputsReason.PENDING,
            f"ConfigMap {name} is being deleted. The operator creates it again afterwards.",
        )
    if all(found.data.get(key) == values.get(key) for key in keys):
        return Write.NOTHING
    return Write.UPDATE


class _Written(NamedTuple):
    """A ConfigMap that was correct when it was last read, or was written; ``at`` is in monotonic seconds."""

    uid: str
    values: Mapping[str, str]
    at: float


class Outputs:
    """Writes the ConfigMaps of resources.

    Args:
        config_maps: None: the operator writes none.
    """

    def __init__(
        self, config_maps: ConfigMapsPort | None, atlas: ReadsPort, monotonic: Callable[[], float], names: Names
    ) -> None:
        self._config_maps = config_maps
        self._names = names
        self._atlas = atlas
        self._monotonic = monotonic
        self._written: dict[Key, dict[str, _Written]] = {}
        self._missing_since: dict[Key, float] = {}

    async def publish(
        self, resource: Resource, outputs: Sequence[Output], *, scope: Scope | None, max_age: float
    ) -> Published:
        """Make the ConfigMaps contain what is known at the end of a reconcile.

        Args:
            scope: of the entry; None: no entry was observed.
            max_age: seconds for which neither a ConfigMap nor its values are read again.
        """
        findings, is_missing = [], False
        try:
            for output in outputs:
                known = output
                if output.request is not None and self._config_maps is not None and scope is not None:
                    found = await self._read(output, output.request(scope), scope, max_age)
                    is_missing = is_missing or found is None or isinstance(found, Finding)
                    if isinstance(found, Finding):
                        findings.append(found)
                        continue
                    known = replace(output, values=found)
                findings.append(await self._publish(resource, known, max_age))
        except ClusterUnavailableError as error:
            logger.warning(
                "A ConfigMap could not be written; the operator tries again: %s",
                error,
                extra=LogFields(key=str(resource.key)),
            )
            return Published(None, RETRY)
        return Published(_merged(findings) if findings else None, self._read_again_in(resource.key, missing=is_missing))

    def forget(self, key: Key) -> None:
        """Forget what was written for a resource."""
        self._written.pop(key, None)
        self._missing_since.pop(key, None)

    def _read_again_in(self, key: Key, *, missing: bool) -> float | None:
        """Return the seconds until values that Atlas does not show yet are read again, the longer the rarer."""
        if not missing:
            self._missing_since.pop(key, None)
            return None
        now = self._monotonic()
        return min(max(RETRY, (now - self._missing_since.setdefault(key, now)) / 4), RETRY_LAST)

    async def _read(
        self, output: Output, request: Request, scope: Scope, max_age: float
    ) -> Mapping[str, str] | Finding | None:
        """Return the values of an output, or why they cannot be read."""
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
                "The operator writes no ConfigMaps. Ask its administrator to set ATLAS_ENDPOINTS_OUTPUTS=on (outputs.enabled of"
                f" the chart), or remove ConfigMap {name} from the spec.",
            )
        if values is None:
            return Finding(
                "Unknown", OutputsReason.PENDING, f"Atlas does not show the values for ConfigMap {name} yet."
            )
        written = self._written.setdefault(resource.key, {})
        last, now = written.pop(name, None), self._monotonic()
        uid = resource.metadata.uid
        if last is None or (last.uid, last.values) != (uid, values) or now >= last.at + max_age:
            try:
                finding = await self._write(self._config_maps, resource, name, output.keys, values)
            except RefusedError as error:
                return Finding(
                    "False",
                    OutputsReason.REFUSED,
                    f"The API server refuses to let the operator write ConfigMap {name}. Allow its ServiceAccount to get, create and"
                    f" patch configmaps, or fix the cause in this message: {error}",
                )
            if finding is not None:
                return finding
            last = _Written(uid, values, now)
        written[name] = last
        return Finding("True", OutputsReason.WRITTEN, f"ConfigMap {name} contains the current values.")

    async def _write(
        self,
        config_maps: ConfigMapsPort,
        resource: Resource,
        name: str,
        keys: Collection[str],
        values: Mapping[str, str],
    ) -> Finding | None:
        """Write a ConfigMap if it is ours and differs; return why that is not possible, or None."""
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
        raise ClusterUnavailableError("Another client keeps changing the ConfigMap.")


def _merged(findings: Sequence[Finding]) -> Finding:
    """Return the worst status of several findings, with its reason and all its messages."""
    worst = min(findings, key=lambda each: ("False", "Unknown", "True").index(each.status))
    messages = dict.fromkeys(each.message for each in findings if each.status == worst.status)
    return replace(worst, message=" ".join(messages))
