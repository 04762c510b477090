"""What a resource hands to others: ConfigMaps that are its own and hold what Atlas shows.

One is for whoever makes the other side of the connection, the other is for the applications that use it.

It is written as a whole once Atlas has told all that the cloud's side needs: to whoever puts values into manifests, a key that
is missing is an empty value. What cannot be written keeps nothing else from being done.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import NamedTuple, Protocol, TypeAlias

from atlas_endpoints.atlas.errors import AtlasError
from atlas_endpoints.atlas.serverless_instances import PrivateConnection
from atlas_endpoints.atlas.snapshots import Instance
from atlas_endpoints.cluster.config_maps import ConfigMap, Owner
from atlas_endpoints.cluster.errors import ClusterUnavailableError, RefusedError
from atlas_endpoints.engine.controller import ConflictError
from atlas_endpoints.engine.log_fields import LogFields
from atlas_endpoints.engine.outcome import at_latest
from atlas_endpoints.engine.store import Key
from atlas_endpoints.kinds.serverless_private_endpoint.model import (
    EndpointStatus,
    Provider,
    ServerlessPrivateEndpoint,
    Status,
)
from atlas_endpoints.kinds.serverless_private_endpoint.reasons import OutputsReason, Reason
from atlas_endpoints.kinds.serverless_private_endpoint.status import endpoint_after
from atlas_endpoints.kinds.serverless_private_endpoint.verdict import Finding, Outcome

logger = logging.getLogger(__name__)

ATTEMPTS = 3
"""How often a pass writes a ConfigMap that somebody else keeps changing."""

RETRY = 30.0
"""Seconds after which it is tried again where the API server could not be reached."""

KEYS = ("endpointId", "endpointServiceName", "privateLinkServiceResourceId")
"""The keys that are ours in a ConfigMap for the other side."""

CONNECTION_KEYS = ("clusterName", "connectionStringSrv", "endpointId", "providerName", "region")
"""The keys that are ours in a ConfigMap for applications; other kinds of endpoints have the same."""

NEEDED: Mapping[Provider, frozenset[str]] = {"AWS": frozenset(KEYS[:2]), "AZURE": frozenset(KEYS)}
"""Without these no private endpoint can be made."""


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


class ConnectionsPort(Protocol):
    """Reads how clients reach an instance; see ``atlas.gateway.Gateway``."""

    async def connections(self, instance: Instance, *, max_age: float) -> tuple[PrivateConnection, ...]:
        """Return the private connections of an instance; may raise ``AtlasError``."""
        ...


class Write(Enum):
    """What is to be done about a ConfigMap, if anything."""

    CREATE = auto()
    UPDATE = auto()
    NOTHING = auto()


Step: TypeAlias = Write | Finding


def values_of(endpoint: EndpointStatus | None, provider: Provider) -> Mapping[str, str] | None:
    """Give what the ConfigMap is to hold; ``None`` as long as Atlas has not told all that the cloud's side needs.

    Args:
        endpoint: as the status shows it.
        provider: the cloud.
    """
    if endpoint is None:
        return None
    told = (endpoint.id, endpoint.endpoint_service_name, endpoint.private_link_service_resource_id)
    values = {key: value for key, value in zip(KEYS, told, strict=True) if value}
    return values if values.keys() >= NEEDED[provider] else None


def connection_values(
    endpoint: EndpointStatus | None, connections: Iterable[PrivateConnection], resource: ServerlessPrivateEndpoint
) -> Mapping[str, str] | None:
    """Return what a ConfigMap for applications is to hold; ``None`` as long as Atlas shows no string for this endpoint.

    Atlas names endpoints by the IDs that the clouds gave them. The position in the list says nothing.

    Args:
        endpoint: as the status shows it.
        connections: the private ones of the instance.
        resource: whose endpoint it is.
    """
    own = endpoint.cloud_provider_endpoint_id if endpoint is not None else None
    if endpoint is None or own is None:
        return None
    for each in connections:
        if own.casefold() in {id_.casefold() for id_ in each.endpoint_ids}:
            values = (resource.spec.instance_name, each.srv, endpoint.id, resource.spec.provider_name, each.region)
            return {key: value for key, value in zip(CONNECTION_KEYS, values, strict=True) if value}
    return None


def decide(
    name: str, values: Mapping[str, str], found: ConfigMap | None, uid: str, keys: Collection[str] = KEYS
) -> Step:
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
        connections: reads how clients reach an instance.
        monotonic: seconds that only grow.
    """

    def __init__(
        self, config_maps: ConfigMapsPort | None, connections: ConnectionsPort, monotonic: Callable[[], float]
    ) -> None:
        self._config_maps = config_maps
        self._connections = connections
        self._monotonic = monotonic
        self._memory: dict[Key, dict[str, _Memory]] = {}

    async def publish(
        self,
        resource: ServerlessPrivateEndpoint,
        outcome: Outcome,
        previous: Status,
        *,
        instance: Instance | None,
        max_age: float,
    ) -> Outcome:
        """Have the ConfigMaps hold what is known at the end of a pass, and say what came of it.

        Args:
            resource: as it is.
            outcome: of the pass.
            previous: the status before it.
            instance: of the endpoint, as seen with the credentials of the resource; ``None``: nothing was seen.
            max_age: seconds for which nobody needs to look whether a ConfigMap, or what it is to hold, is as it was.
        """
        verdict = outcome.verdict
        if verdict is None:
            return outcome
        endpoint, findings = endpoint_after(previous, outcome), []
        try:
            if (reference := resource.spec.output_config_map_ref) is not None:
                values = values_of(endpoint, resource.spec.provider_name)
                findings.append(await self._publish(resource, reference.name, KEYS, values, max_age))
            if (reference := resource.spec.connection_string_config_map_ref) is not None:
                finding = await self._publish_connection(resource, reference.name, endpoint, instance, max_age)
                findings.append(finding)
                if finding.status == "Unknown" and endpoint is not None and endpoint.status == "AVAILABLE":
                    outcome = replace(outcome, next=at_latest(outcome.next, RETRY))
        except ClusterUnavailableError as error:
            logger.warning("A ConfigMap has to wait: %s", error, extra=LogFields(key=str(resource.key)))
            return replace(outcome, next=at_latest(outcome.next, RETRY))
        if not findings:
            return outcome
        finding = _together(findings)
        if finding.status == "False" and verdict.reason is Reason.WAITING_FOR_CLOUD_ENDPOINT:
            verdict = replace(verdict, message=f"{verdict.message} {finding.message}")
        return replace(outcome, verdict=verdict, outputs=finding)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a resource."""
        self._memory.pop(key, None)

    async def _publish_connection(
        self,
        resource: ServerlessPrivateEndpoint,
        name: str,
        endpoint: EndpointStatus | None,
        instance: Instance | None,
        max_age: float,
    ) -> Finding:
        """Publish the connection string; one that was published stays until Atlas shows another one for this endpoint."""
        if self._config_maps is None or instance is None or endpoint is None or endpoint.status != "AVAILABLE":
            return await self._publish(resource, name, CONNECTION_KEYS, None, max_age)
        try:
            connections = await self._connections.connections(instance, max_age=max_age)
        except AtlasError as error:
            return Finding(
                "Unknown",
                OutputsReason.PENDING,
                f"The connection string for ConfigMap {name} could not be read. {error.message}",
            )
        values = connection_values(endpoint, connections, resource)
        return await self._publish(resource, name, CONNECTION_KEYS, values, max_age)

    async def _publish(
        self,
        resource: ServerlessPrivateEndpoint,
        name: str,
        keys: Collection[str],
        values: Mapping[str, str] | None,
        max_age: float,
    ) -> Finding:
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
        written = Finding("True", OutputsReason.WRITTEN, f"ConfigMap {name} holds what Atlas shows.")
        memories = self._memory.setdefault(resource.key, {})
        memory, now = memories.pop(name, None), self._monotonic()
        seen = _Seen(resource.metadata.uid, name, values)
        if memory is None or memory.seen != seen or now >= memory.at + max_age:
            try:
                finding = await self._write(self._config_maps, resource, name, keys, values)
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
        return written

    async def _write(
        self,
        config_maps: ConfigMapsPort,
        resource: ServerlessPrivateEndpoint,
        name: str,
        keys: Collection[str],
        values: Mapping[str, str],
    ) -> Finding | None:
        """Read it, and write it if it is ours and differs; ``None`` when it is as it should be."""
        owner = Owner(resource.metadata.namespace, resource.metadata.name, resource.metadata.uid)
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
