"""What a resource hands to the other side of its connection: a ConfigMap that is its own and holds what Atlas has told.

It is written as a whole once Atlas has told all that the cloud's side needs: to whoever puts values into manifests, a key that
is missing is an empty value. What cannot be written keeps nothing else from being done.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import NamedTuple, Protocol, TypeAlias

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
"""The keys that are ours in a ConfigMap that is ours."""

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


def decide(name: str, values: Mapping[str, str], found: ConfigMap | None, uid: str) -> Step:
    """Tell what to do about a ConfigMap, or why nothing can be done.

    Args:
        name: of the ConfigMap.
        values: that it is to hold.
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
            " another one in spec.outputConfigMapRef; the values are in status.endpoint all the same.",
        )
    if found.deleting:
        return Finding(
            "Unknown", OutputsReason.PENDING, f"ConfigMap {name} is being deleted; it is written anew when it is gone."
        )
    if all(found.data.get(key) == values.get(key) for key in KEYS):
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
        monotonic: seconds that only grow.
    """

    def __init__(self, config_maps: ConfigMapsPort | None, monotonic: Callable[[], float]) -> None:
        self._config_maps = config_maps
        self._monotonic = monotonic
        self._memory: dict[Key, _Memory] = {}

    async def publish(
        self, resource: ServerlessPrivateEndpoint, outcome: Outcome, previous: Status, *, max_age: float
    ) -> Outcome:
        """Have the ConfigMap hold what is known at the end of a pass, and say what came of it.

        Args:
            resource: as it is.
            outcome: of the pass.
            previous: the status before it.
            max_age: seconds for which nobody needs to look whether the ConfigMap is as it was.
        """
        reference = resource.spec.output_config_map_ref
        if reference is None or outcome.verdict is None:
            return outcome
        values = values_of(endpoint_after(previous, outcome), resource.spec.provider_name)
        try:
            finding = await self._publish(resource, reference.name, values, max_age)
        except ClusterUnavailableError as error:
            logger.warning(
                "ConfigMap %s has to wait: %s", reference.name, error, extra=LogFields(key=str(resource.key))
            )
            return replace(outcome, next=at_latest(outcome.next, RETRY))
        verdict = outcome.verdict
        if finding.status == "False" and verdict.reason is Reason.WAITING_FOR_CLOUD_ENDPOINT:
            verdict = replace(verdict, message=f"{verdict.message} {finding.message}")
        return replace(outcome, verdict=verdict, outputs=finding)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a resource."""
        self._memory.pop(key, None)

    async def _publish(
        self, resource: ServerlessPrivateEndpoint, name: str, values: Mapping[str, str] | None, max_age: float
    ) -> Finding:
        if self._config_maps is None:
            return Finding(
                "False",
                OutputsReason.DISABLED,
                "The operator writes no ConfigMaps. Ask whoever runs it to set ATLAS_ENDPOINTS_OUTPUTS=on (outputs.enabled of the"
                " chart), or remove spec.outputConfigMapRef; the values are in status.endpoint all the same.",
            )
        if values is None:
            return Finding(
                "Unknown", OutputsReason.PENDING, f"Atlas has not told yet what ConfigMap {name} is to hold."
            )
        written = Finding("True", OutputsReason.WRITTEN, f"ConfigMap {name} holds what Atlas has told.")
        memory, now = self._memory.get(resource.key), self._monotonic()
        seen = _Seen(resource.metadata.uid, name, values)
        if memory is not None and memory.seen == seen and now < memory.at + max_age:
            return written
        self.forget(resource.key)
        try:
            finding = await self._write(self._config_maps, resource, name, values)
        except RefusedError as error:
            return Finding(
                "False",
                OutputsReason.REFUSED,
                f"The API server does not let the operator write ConfigMap {name}. Let its ServiceAccount get, create and patch"
                f" configmaps, or mend what it says: {error}",
            )
        if finding is None:
            self._memory[resource.key] = _Memory(seen, now)
        return finding or written

    async def _write(
        self,
        config_maps: ConfigMapsPort,
        resource: ServerlessPrivateEndpoint,
        name: str,
        values: Mapping[str, str],
    ) -> Finding | None:
        """Read it, and write it if it is ours and differs; ``None`` when it is as it should be."""
        owner = Owner(resource.metadata.namespace, resource.metadata.name, resource.metadata.uid)
        for _ in range(ATTEMPTS):
            found = await config_maps.read(owner.namespace, name)
            step = decide(name, values, found, owner.uid)
            if isinstance(step, Finding):
                return step
            try:
                if found is None:
                    await config_maps.create(owner, name, values)
                elif step is Write.UPDATE:
                    others = {key: value for key, value in found.data.items() if key not in KEYS}
                    await config_maps.update(owner, name, found, {**others, **values})
            except ConflictError:
                continue
            return None
        raise ClusterUnavailableError("Somebody else keeps changing it.")
