"""An Atlas that makes connections to the services of one project, for small models: Stream Processing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from atlas_endpoints.kinds.stream_private_endpoint.kind import KIND
from atlas_endpoints.kinds.stream_private_endpoint.targets import target_of
from atlas_endpoints.simulator import stream_endpoint as simulated
from atlas_endpoints.simulator.stream_endpoint import (
    DELETE_REQUESTED,
    DELETING,
    DONE,
    FAILED,
    IDLE,
    WORKING,
    StreamEndpoint,
    account_details,
)
from atlas_endpoints.simulator.switches import Switches
from model.environment import PROJECT
from model.regional.atlas import NAMES, REGIONS, Regional, refused
from model.streams import invariants

if TYPE_CHECKING:
    from collections.abc import Collection

    from model.environment import Spec
    from model.invariants import Laws

SWITCHES = Switches()
SERVICES = {
    simulated.CONFLUENT: "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0",
    "S3": "com.amazonaws.eu-west-1.s3",
}
"""The service of each vendor."""


@dataclass(slots=True)
class Connection(StreamEndpoint):
    """A connection, by the words that endpoints of regions have."""

    @property
    def status(self) -> str:
        return self.state

    @property
    def unseen(self) -> str | None:
        """That it is deleted, and its state does not show it."""
        return "deleted" if self.is_deleted else None

    @unseen.setter
    def unseen(self, value: str | None) -> None:
        self.is_deleted = value is not None


@dataclass(kw_only=True)
class Streams(Regional):
    """An environment whose resources are about connections to one service.

    Attributes:
        vendor: of the service.
        recorded: the connection that each resource has shown, by its uid.
    """

    kind: ClassVar = KIND
    laws: ClassVar[Laws] = invariants
    passing_in: ClassVar = frozenset({IDLE, WORKING, DELETE_REQUESTED, DELETING})
    begins: ClassVar = IDLE
    active: ClassVar = DONE
    asks_first: ClassVar = False
    operations: ClassVar = (KIND.api.create, KIND.api.delete)
    exists: ClassVar = "STREAM_PRIVATE_LINK_ALREADY_EXISTS"

    vendor: str = "S3"

    def __post_init__(self) -> None:
        self.recorded: dict[str, str] = {}

    # Calls.

    @override
    def read(self, method: str, path: str, content: Any) -> tuple[str, str]:
        if method == "POST":
            return method, target_of(content)
        last = path.rpartition("/")[2]
        return ("LIST", "") if last == "privateLinkConnections" else (method, last)

    @property
    @override
    def _absent(self) -> str:
        return "STREAM_PRIVATE_LINK_NOT_FOUND"

    @override
    def _beside(self, what: str) -> Any:
        match what:
            case "accountDetails":
                return account_details(PROJECT, self.cloud)
            case "streams":
                return {"results": [{"_id": "1", "name": "w"}]}
            case "connections":
                used = sorted(self.held) if self.is_needed else ()
                return {
                    "results": [
                        {"id": each, "name": "c", "networking": {"access": {"connectionId": each}}} for each in used
                    ]
                }
            case _:
                return None

    @override
    def _made_of(self, content: Any) -> Any:
        made = self.make(content["region"], content["vendor"])
        made.fields |= {name: value for name, value in content.items() if name != "provider"}
        while self._moves(made) and not self.in_steps:
            self._advance(made)
        return made

    @override
    def _new(self, id_: str, region: str, vpc_region: str | None) -> Any:
        vendor = vpc_region or self.vendor
        fields = {"vendor": vendor, "region": region, "serviceEndpointId": SERVICES[vendor]}
        return Connection(id_, self.cloud, fields=fields)

    @override
    def _put(self, endpoint: Any, status: str) -> None:
        endpoint.put(status, PROJECT, NAMES)

    @override
    def _advance(self, endpoint: Any) -> bool:
        return bool(endpoint.advance(PROJECT, NAMES, SWITCHES))

    @override
    def _moves(self, endpoint: Any) -> bool:
        return super()._moves(endpoint) and (endpoint.is_deleted or not endpoint.waits_for_domain)

    @override
    def _refusal(self, endpoint: Any) -> str:
        return "STREAM_PRIVATE_LINK_IN_USE" if self.is_needed else ""

    @override
    def _edit(self, endpoint: Any, content: Any) -> Any:
        if not endpoint.takes_domain:
            raise refused(KIND.api.update, "STREAM_PRIVATE_LINK_DNS_DOMAIN_ALREADY_SET")
        endpoint.fields |= content
        while self._moves(endpoint) and not self.in_steps:
            self._advance(endpoint)
        return endpoint.document()

    @override
    def meddled_with(self, target: str) -> None:
        if target in self.held:
            self.lately[target] = self.now

    @override
    def whole(self, name: str, spec: Spec) -> dict[str, Any]:
        service = {"vendor": self.vendor, "serviceEndpointId": SERVICES[self.vendor]}
        return {**service, "projectId": PROJECT, "providerName": self.cloud, "region": REGIONS[self.cloud], **spec}

    # What is true.

    @override
    def _place_of(self, endpoint: Any) -> str:
        return target_of(endpoint.document())

    def differs(self, endpoint: Any, spec: Spec) -> bool:
        """Tell whether a connection has another domain than its resource wants."""
        return spec.get("dnsDomain") not in {None, endpoint.fields.get("dnsDomain")}

    @override
    def is_refused(self, endpoint: Any, spec: Spec) -> bool:
        is_in_use = self.is_needed or "need" in self.lately
        return (
            endpoint is None
            or endpoint.id in self.lately
            or (endpoint.status == FAILED and is_in_use)
            or (self.differs(endpoint, spec) and not endpoint.takes_domain)
        )

    @override
    def said_of(self, endpoint: Any, spec: Spec) -> Collection[str | None]:
        if endpoint.status == FAILED:
            return {"EndpointFailed", "UpdateRejected"} if self.is_needed else {"EndpointFailed"}
        if self.differs(endpoint, spec):
            return () if endpoint.takes_domain else {"UpdateRejected", "Drifted"}
        return {"WaitingForCloudEndpoint" if endpoint.waits_for_domain else {DONE: "Available"}.get(endpoint.status)}
