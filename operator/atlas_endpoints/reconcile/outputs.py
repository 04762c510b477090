"""Write the ConfigMaps of a resource, which contain what Atlas shows.

A ConfigMap is written as a whole, once all its values are known: a tool that inserts values into manifests would read
a missing key as an empty value. A failure to write one blocks nothing else.

A resource may have many, and each may take a slow call. So a reconcile handles them only for a while, and the next one goes on.
"""

import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
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
from atlas_endpoints.controller.clock import not_in_future
from atlas_endpoints.controller.controller import ConflictError, RefusedError
from atlas_endpoints.controller.log_lines import LogFields
from atlas_endpoints.reconcile.reasons import OutputsReason, Reason
from atlas_endpoints.reconcile.resource import Resource
from atlas_endpoints.reconcile.status import Finding, find

logger = logging.getLogger(__name__)

OF_VALUES = Wording(wrong_field="correct the name in the spec")
"""The words for failures of calls for outputs: what names a cluster or a database may be edited."""

WRITE_ATTEMPTS = 3
"""How often a reconcile tries to write a ConfigMap that somebody else keeps changing."""

RETRY = 30.0
"""Seconds after which to try again if the API server cannot be reached, and first if Atlas does not show the values yet."""

RETRY_LAST = 600.0
"""Seconds between attempts to read values that Atlas does not show for long: the cluster may not exist."""

LONG = 3600.0
"""Seconds without values after which Atlas is asked why, and between such calls."""

TURN = 1.0
"""Seconds after which a reconcile begins no further output: a slow Atlas shows one at a time, between other work."""

WHOLE = 30.0
"""Seconds after which a reconcile that has waited elsewhere, too, begins no output at all."""

NEXT_TURN = 0.1
"""Seconds until the reconcile that goes on; not 0, since what goes on at once keeps the priority of an edit."""


class ConfigMapsPort(Protocol):
    """Reads and writes ConfigMaps; see ``cluster.writer.ConfigMapWriter``, also for the errors."""

    async def read(self, namespace: str, name: str) -> ConfigMap | None:
        """Return a ConfigMap, or None."""
        ...

    async def create(self, owner: OutputOwner, name: str, data: Mapping[str, str]) -> None:
        """Create a ConfigMap that is deleted with its owner."""

    async def update(self, owner: OutputOwner, name: str, found: ConfigMap, data: Mapping[str, str]) -> None:
        """Replace the data of exactly this version of a ConfigMap."""


@dataclass(frozen=True, slots=True)
class Why:
    """How to find out why Atlas shows no values.

    Attributes:
        request: returns the GET.
        parse: returns a sentence from its answer, "" if that does not tell, or None if it is unreadable.
    """

    request: Callable[[Scope], Request]
    parse: Callable[[object], str | None]


@dataclass(frozen=True, slots=True)
class Output:
    """One ConfigMap of a resource.

    Attributes:
        keys: that the operator manages in it.
        values: None: not known yet.
        request: returns the GET that reads the values if the entry does not contain them.
        parse: returns the content of its answer, or None if it is unreadable.
        fill: returns the values in that content, or None if they are not known yet.
        why: None: nothing tells why they are not known.
        hint: where to look as long as Atlas does not show them, as sentences.
    """

    name: str
    keys: Collection[str]
    values: Mapping[str, str] | None = None
    request: Callable[[Scope], Request] | None = None
    parse: Callable[[object], Any | None] = lambda _: None
    fill: Callable[[Any], Mapping[str, str] | None] = lambda _: None
    why: Why | None = None
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Published:
    """The result for all outputs of a resource.

    Attributes:
        finding: for the condition ``OutputsWritten``; None: unknown.
    """

    finding: Finding | None
    requeue_in: float | None = None


class ConfigMapAction(Enum):
    """What to do about a ConfigMap."""

    CREATE = auto()
    UPDATE = auto()
    NOTHING = auto()


def decide(
    name: str, values: Mapping[str, str], found: ConfigMap | None, uid: str, keys: Collection[str]
) -> ConfigMapAction | Finding:
    """Return what to do about a ConfigMap, or why nothing can be done."""
    if found is None:
        return ConfigMapAction.CREATE
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
        return ConfigMapAction.NOTHING
    return ConfigMapAction.UPDATE


class _Name(NamedTuple):
    """The name of an output: its ConfigMap, and the path of the GET that reads its values, or ""."""

    config_map: str
    path: str


class _Done(NamedTuple):
    """The result for one output, whose values were ``given`` or read; ``at`` is in monotonic seconds."""

    at: float
    given: Mapping[str, str] | None
    finding: Finding


@dataclass(slots=True)
class _Unshown:
    """Values that Atlas does not show.

    Attributes:
        published: whether their ConfigMap contains earlier ones; None: not known.
        why: a sentence, or "".
        asked: when ``why`` was read.
    """

    since: datetime
    published: bool | None = None
    why: str = ""
    asked: datetime | None = None


@dataclass(slots=True)
class _Round:
    """One round over the outputs of a resource, in as many reconciles as it takes.

    Attributes:
        about: uid, generation and force-sync request; another one begins a new round.
        since: what was read or written then or later is not read again, in monotonic seconds.
        unshown_since: in the first round of a process, when the condition became what it says of this; it outlasts a restart.
        done: the results, also those of the round before until they are replaced.
        unshown: by the name of the ConfigMap.
    """

    about: tuple[str, int, str | None]
    since: float
    unshown_since: datetime | None
    done: dict[_Name, _Done]
    unshown: dict[str, _Unshown]
    is_open: bool = True


class Outputs:
    """Writes the ConfigMaps of resources.

    Args:
        config_maps: None: the operator writes none.
    """

    def __init__(
        self, config_maps: ConfigMapsPort | None, atlas: Gateway, monotonic: Callable[[], float], names: Names
    ) -> None:
        self._config_maps = config_maps
        self._names = names
        self._atlas = atlas
        self._monotonic = monotonic
        self._rounds: dict[Key, _Round] = {}

    async def publish(
        self,
        resource: Resource,
        outputs: Sequence[Output],
        *,
        scope: Scope | None,
        max_age: float,
        now: datetime,
        began: float,
    ) -> Published:
        """Make the ConfigMaps contain what is known at the end of a reconcile; the next one goes on if it takes long.

        Args:
            scope: of the entry; None: no entry was observed.
            max_age: seconds for which neither a ConfigMap nor its values are read again.
            began: when the reconcile began, in monotonic seconds.
        """
        wanted: dict[_Name, tuple[Output, tuple[Scope, Request] | None]] = {}
        for output in outputs:
            call = None if scope is None or output.request is None else (scope, output.request(scope))
            wanted[_Name(output.name, "" if call is None else call[1].path)] = output, call
        current = self._round(resource, wanted, max_age)
        until = min(self._monotonic() + TURN, began + WHOLE)
        for name, (output, call) in wanted.items():
            done = current.done.get(name)
            if done is not None and done.at >= current.since and done.given == output.values:
                continue
            at = self._monotonic()
            if at >= until:
                return Published(_known(current, wanted), NEXT_TURN)
            try:
                finding = await self._publish(resource, current, output, call, now)
            except AtlasHeldError as held:
                return Published(_known(current, wanted), held.retry_after)
            except ClusterUnavailableError as error:
                logger.warning(
                    "A ConfigMap could not be written; the operator tries again: %s",
                    error,
                    extra=LogFields(key=str(resource.key)),
                )
                return Published(None, RETRY)
            current.done[name] = _Done(at, output.values, finding)
        current.is_open = False
        return Published(_known(current, wanted), _read_again_in(current, wanted, now))

    def forget(self, key: Key) -> None:
        """Forget what was written for a resource."""
        self._rounds.pop(key, None)

    def _round(self, resource: Resource, wanted: Collection[_Name], max_age: float) -> _Round:
        """Return the open round of a resource, or begin one, for which correct ConfigMaps of the last ``max_age`` seconds count."""
        metadata, last = resource.metadata, self._rounds.get(resource.key)
        about = (metadata.uid, metadata.generation, metadata.reconcile_request)
        if last is not None and last.is_open and last.about == about:
            return last
        unshown_since = None
        if last is None or last.about[0] != metadata.uid:
            told = find(resource.status, "OutputsWritten")
            is_unshown = told is not None and told.reason in {OutputsReason.PENDING, OutputsReason.NOT_FOUND}
            unshown_since = told.last_transition_time if told is not None and is_unshown else None
            last = _Round(about, 0.0, unshown_since, {}, {})
        done = {
            name: each if each.finding.status == "True" else each._replace(at=-math.inf)
            for name, each in last.done.items()
            if name in wanted
            and last.about[:2] == about[:2]  # what another generation came to says nothing about this one
        }
        named = {name.config_map for name in wanted}
        unshown = {name: each for name, each in last.unshown.items() if name in named}
        self._rounds[resource.key] = _Round(about, self._monotonic() - max_age, unshown_since, done, unshown)
        return self._rounds[resource.key]

    async def _publish(
        self, resource: Resource, current: _Round, output: Output, call: tuple[Scope, Request] | None, now: datetime
    ) -> Finding:
        """Read the values of an output and write its ConfigMap; raises ``AtlasHeldError`` if another call has to end first."""
        name, values, metadata = output.name, output.values, resource.metadata
        if self._config_maps is None:
            return _disabled(name)
        owner = OutputOwner(self._names, metadata.namespace, metadata.name, metadata.uid)
        failure: AtlasError | None = None
        if call is not None:
            max_age = min(self._monotonic() - current.since, RETRY_LAST)
            try:
                values = output.fill(await self._atlas.read(*call, parse=output.parse, max_age=max_age))
            except AtlasError as error:
                if isinstance(error, AtlasHeldError) and error.reason == Reason.PENDING:
                    raise
                values, failure = None, error
        try:
            if values is None:
                since = not_in_future(current.unshown_since or now, now=now)
                unshown = current.unshown.setdefault(name, _Unshown(since))
                if failure is not None:
                    with suppress(RefusedError, ClusterUnavailableError):  # what Atlas says is more urgent
                        await _look(self._config_maps, owner, output, unshown)
                    return _of_failure(name, failure, unshown)
                await _look(self._config_maps, owner, output, unshown)
                if call is not None and output.why is not None:
                    await self._ask(output.why, call[0], unshown, now)
                return Finding("Unknown", OutputsReason.PENDING, _of_unshown(output, unshown))
            current.unshown.pop(name, None)
            finding = await self._write(self._config_maps, owner, output, values)
        except RefusedError as error:
            return _refused(name, error)
        return finding or Finding("True", OutputsReason.WRITTEN, f"ConfigMap {name} contains the current values.")

    async def _ask(self, why: Why, scope: Scope, unshown: _Unshown, now: datetime) -> None:
        """Find out why Atlas does not show values for long; raises ``AtlasHeldError`` if another call has to end first."""
        if (now - (unshown.asked or unshown.since)).total_seconds() < LONG:
            return
        try:
            unshown.why = await self._atlas.read(scope, why.request(scope), parse=why.parse, max_age=LONG)
        except AtlasError as error:
            if isinstance(error, AtlasHeldError) and error.reason == Reason.PENDING:
                raise
            unshown.why = ""
        unshown.asked = now

    async def _write(
        self, config_maps: ConfigMapsPort, owner: OutputOwner, output: Output, values: Mapping[str, str]
    ) -> Finding | None:
        """Write a ConfigMap if it is ours and differs; return why that is not possible, or None."""
        name, keys = output.name, output.keys
        for _ in range(WRITE_ATTEMPTS):
            found = await config_maps.read(owner.namespace, name)
            step = decide(name, values, found, owner.uid, keys)
            if isinstance(step, Finding):
                return step
            try:
                if found is None:
                    await config_maps.create(owner, name, values)
                elif step is ConfigMapAction.UPDATE:
                    others = {key: value for key, value in found.data.items() if key not in keys}
                    await config_maps.update(owner, name, found, {**others, **values})
            except ConflictError:
                continue
            return None
        raise ClusterUnavailableError("Another client keeps changing the ConfigMap.")


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


def _of_failure(name: str, error: AtlasError, unshown: _Unshown) -> Finding:
    keeps = " The ConfigMap keeps the earlier ones." if unshown.published else ""
    message = f"The values for ConfigMap {name} could not be read.{keeps} {error.explanation.worded(OF_VALUES)}"
    if isinstance(error, InstanceNotFoundError | EndpointAbsentError | NotServerlessError):
        return Finding("False", OutputsReason.NOT_FOUND, message)
    return Finding("Unknown", OutputsReason.PENDING, message)


async def _look(config_maps: ConfigMapsPort, owner: OutputOwner, output: Output, unshown: _Unshown) -> None:
    """Find out whether the ConfigMap is this resource's own and contains values."""
    if unshown.published is None:
        found = await config_maps.read(owner.namespace, output.name)
        unshown.published = (
            found is not None and owner.uid in found.owners and any(key in found.data for key in output.keys)
        )


def _of_unshown(output: Output, unshown: _Unshown) -> str:
    name, why = output.name, f" {unshown.why or output.hint}".rstrip()
    if not unshown.published:
        return f"Atlas does not show the values for ConfigMap {name} yet.{why}"
    since = f"{unshown.since:%Y-%m-%dT%H:%M:%SZ}"
    return (
        f"Atlas has not shown the values for ConfigMap {name} since {since}. The ConfigMap keeps the earlier ones.{why}"
    )


def _read_again_in(current: _Round, wanted: Collection[_Name], now: datetime) -> float | None:
    """Return the seconds until values that Atlas does not show are read again, the longer the rarer."""
    unshown = (current.unshown.get(name.config_map) for name in wanted if name.path)
    youngest = max((each.since for each in unshown if each is not None), default=None)
    return None if youngest is None else min(max(RETRY, (now - youngest).total_seconds() / 4), RETRY_LAST)


def _known(current: _Round, wanted: Collection[_Name]) -> Finding | None:
    """Return what is known of all outputs, or None until each has a result.

    It has the worst status, with its reason and all its messages.
    """
    findings = [done.finding for name in wanted if (done := current.done.get(name)) is not None]
    if not findings or len(findings) < len(wanted):
        return None
    worst = min(findings, key=lambda each: ("False", "Unknown", "True").index(each.status))
    messages = dict.fromkeys(each.message for each in findings if each.status == worst.status)
    return replace(worst, message=" ".join(messages))
