"""Write the ConfigMaps of a resource, which contain what Atlas shows.

A ConfigMap is written as a whole, once all its values are known: a tool that inserts values into manifests would read
a missing key as an empty value. A failure to write one blocks nothing else.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasHeldError,
    EndpointAbsentError,
    InstanceNotFoundError,
    NotServerlessError,
    Wording,
)
from atlas_endpoints.atlas.gateway import Gateway
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.cluster.api import ConfigMap, Names, OutputOwner
from atlas_endpoints.cluster.errors import ClusterUnavailableError
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.controller.controller import ConflictError, RefusedError
from atlas_endpoints.controller.log_lines import LogFields
from atlas_endpoints.reconcile.reasons import OutputsReason
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.status import Finding, find

logger = logging.getLogger(__name__)

OF_VALUES = Wording(wrong_field="correct the name in the spec")
"""The words for failures of calls for outputs: what names a cluster or a database may be edited."""

RETRY = 30.0
"""Seconds after which to try again if a ConfigMap cannot be written, and at least if Atlas does not show the values."""

READS = 4
"""Concurrent reads of values with one pair of credentials: fewer than the throttle admits, so that slow ones leave room for edits."""

READ_SOON = 1.0
"""Seconds after which values are read for which there was no room."""


class ConfigMapsPort(Protocol):
    """Reads and writes ConfigMaps; see ``cluster.writer.ConfigMapWriter``, also for the errors."""

    async def read(self, namespace: str, name: str) -> ConfigMap | None: ...

    async def create(self, owner: OutputOwner, name: str, data: Mapping[str, str]) -> None: ...

    async def update(self, owner: OutputOwner, name: str, found: ConfigMap, data: Mapping[str, str]) -> None: ...


@dataclass(frozen=True, slots=True)
class Output:
    """One ConfigMap of a resource.

    Attributes:
        keys: that the operator manages in it.
        values: None: not known yet.
        request: returns the GET that reads the values if the entry does not contain them.
        parse: returns the content of its answer, or None if it is unreadable.
        fill: returns the values in that content, or None if they are not known yet.
        never: returns why Atlas will never show them, by that content, as sentences; "": it may.
        hint: where to look as long as Atlas does not show them, as sentences.
    """

    name: str
    keys: Collection[str]
    values: Mapping[str, str] | None = None
    request: Callable[[Scope], Request] | None = None
    parse: Callable[[object], Any | None] = lambda _: None
    fill: Callable[[Any], Mapping[str, str] | None] = lambda _: None
    never: Callable[[Any], str] = lambda _: ""
    hint: str = ""


class Published(NamedTuple):
    """The result for one output, or for all of a resource.

    Attributes:
        finding: for the condition ``OutputsWritten``; None: unknown.
        requeue_in: seconds after which to try again; None: with the next resync.
    """

    finding: Finding | None
    requeue_in: float | None = None


class Outputs:
    """Writes the ConfigMaps of resources.

    Args:
        config_maps: None: the operator writes none.
    """

    def __init__(self, config_maps: ConfigMapsPort | None, atlas: Gateway, names: Names) -> None:
        self._config_maps = config_maps
        self._atlas = atlas
        self._names = names
        self._reading: Counter[str] = Counter()
        """How many reads are under way, by credentials."""

    async def publish(
        self,
        resource: Resource,
        outputs: Sequence[Output],
        *,
        scope: Scope | None,
        max_age: float,
        now: datetime,
        interval: timedelta,
    ) -> Published:
        """Make the ConfigMaps contain what Atlas shows; all at once, so that a slow Atlas takes the time of one call.

        Args:
            scope: of the entry; None: no entry was observed.
            max_age: seconds for which values are not read again.
            interval: the longest time between two reads of values that Atlas does not show.
        """
        told, again = find(resource.status, "OutputsWritten"), RETRY
        if told is not None and told.reason in {OutputsReason.PENDING, OutputsReason.NOT_FOUND}:
            quarter = (now - told.last_transition_time).total_seconds() / 4  # ever less often
            again = min(max(RETRY, quarter), interval.total_seconds())
        owner = OutputOwner(self._names, resource.metadata.namespace, resource.metadata.name, resource.metadata.uid)
        results = await asyncio.gather(*(self._publish(owner, each, scope, max_age, again) for each in outputs))
        findings = [each.finding for each in results if each.finding is not None]
        waits = [each.requeue_in for each in results if each.requeue_in is not None]
        return Published(_worst(findings, of=len(outputs)), max(waits, default=None))

    async def _publish(
        self, owner: OutputOwner, output: Output, scope: Scope | None, max_age: float, again: float
    ) -> Published:
        """Read the values of an output, and write its ConfigMap if it is ours and differs; ``again``: ``requeue_in`` without values."""
        if self._config_maps is None:
            return Published(_disabled(output.name))
        values, failure, requeue_in = output.values, None, None
        never = ""
        if output.request is not None and scope is not None:
            if self._reading[scope.credentials] >= READS:
                return Published(None, READ_SOON)
            self._reading += Counter([scope.credentials])
            try:
                answer = await self._atlas.read(scope, output.request(scope), parse=output.parse, max_age=max_age)
                values, never = output.fill(answer), output.never(answer)
            except AtlasHeldError as held:
                return Published(None, held.retry_after)
            except AtlasError as error:
                values, failure = None, error
            finally:
                self._reading -= Counter([scope.credentials])
            requeue_in = again if values is None else None
        try:
            return Published(await _write(self._config_maps, owner, output, values, failure or never), requeue_in)
        except RefusedError as error:
            return Published(_refused(output.name, error))
        except (ClusterUnavailableError, ConflictError) as error:
            logger.warning(
                "ConfigMap %s could not be written; the operator tries again: %s",
                output.name,
                error or "somebody else has just changed it",
                extra=LogFields(key=str(Key(self._names.kind, owner.namespace, owner.name))),
            )
            return Published(None, RETRY)


async def _write(
    config_maps: ConfigMapsPort,
    owner: OutputOwner,
    output: Output,
    values: Mapping[str, str] | None,
    failure: AtlasError | str,
) -> Finding:
    """Write a ConfigMap if that is possible; ``failure``: why its values could not be read, or will never come; "": neither."""
    name, keys = output.name, output.keys
    found = await config_maps.read(owner.namespace, name)
    if found is not None and owner.uid not in found.owners:
        message = (
            f"ConfigMap {name} exists and does not belong to this resource, so the operator does not write to it. Delete it, or"
            " name another ConfigMap in the spec."
        )
        return Finding("False", OutputsReason.NOT_OURS, message)
    if values is None:
        return _unknown(output, failure, keeps=found is not None and not found.data.keys().isdisjoint(keys))
    if found is None:
        await config_maps.create(owner, name, values)
    elif found.deleting:
        message = f"ConfigMap {name} is being deleted. The operator creates it again afterwards."
        return Finding("Unknown", OutputsReason.PENDING, message)
    elif any(found.data.get(key) != values.get(key) for key in keys):
        others = {key: value for key, value in found.data.items() if key not in keys}
        await config_maps.update(owner, name, found, {**others, **values})
    return Finding("True", OutputsReason.WRITTEN, f"ConfigMap {name} contains the current values.")


def _unknown(output: Output, failure: AtlasError | str, *, keeps: bool) -> Finding:
    """Return that the values of an output are not known; ``keeps``: its ConfigMap has earlier ones."""
    kept = " The ConfigMap keeps the earlier ones." if keeps else ""
    if isinstance(failure, str):
        values = f"the values for ConfigMap {output.name}"
        shown = (
            f"Atlas no longer shows {values}." if keeps else f"Atlas does not show {values}{'' if failure else ' yet'}."
        )
        message = f"{shown}{kept} {failure or output.hint}".rstrip()
        return (
            Finding("False", OutputsReason.NOT_FOUND, message)
            if failure
            else Finding("Unknown", OutputsReason.PENDING, message)
        )
    words = failure.explanation.worded(OF_VALUES)
    message = f"The values for ConfigMap {output.name} could not be read.{kept} {words}"
    if isinstance(failure, InstanceNotFoundError | EndpointAbsentError | NotServerlessError):
        return Finding("False", OutputsReason.NOT_FOUND, message)
    return Finding("Unknown", OutputsReason.PENDING, message)


def _disabled(name: str) -> Finding:
    message = (
        "The operator writes no ConfigMaps. Ask its administrator to set ATLAS_ENDPOINTS_OUTPUTS=on (outputs.enabled of the chart),"
        f" or remove ConfigMap {name} from the spec."
    )
    return Finding("False", OutputsReason.DISABLED, message)


def _refused(name: str, error: RefusedError) -> Finding:
    message = (
        f"The API server refuses to let the operator write ConfigMap {name}. Allow its ServiceAccount to get, create and patch"
        f" configmaps, or fix the cause in this message: {error}"
    )
    return Finding("False", OutputsReason.REFUSED, message)


def _worst(findings: Sequence[Finding], *, of: int) -> Finding | None:
    """Return the worst status, with its reason and all its messages; None: all is well so far, and not all ``of`` them are known."""
    worst = min(findings, key=lambda each: ("False", "Unknown", "True").index(each.status), default=None)
    if worst is None or (worst.status == "True" and len(findings) < of):
        return None
    messages = dict.fromkeys(each.message for each in findings if each.status == worst.status)
    return replace(worst, message=" ".join(messages))
