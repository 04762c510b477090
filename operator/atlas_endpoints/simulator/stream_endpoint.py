"""A private endpoint of Stream Processing, which Atlas calls a private link connection; and the streams that use it.

::

    POST -> IDLE -> WORKING -> DONE
                       ^
                       AWS CONFLUENT without a DNS domain stays here, until a PATCH sets one

    DELETE, unless a stream uses it -> DELETE_REQUESTED -> DELETING -> absent, or DELETED and still listed
"""

from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from pydantic import Field, model_validator

from atlas_endpoints.simulator.endpoint import AWS, AZURE, Names, ObjectId
from atlas_endpoints.simulator.exchange import to_json
from atlas_endpoints.simulator.regions import atlas_name
from atlas_endpoints.simulator.switches import CloudProvider, Document, Switches

IDLE, WORKING, DONE, FAILED = "IDLE", "WORKING", "DONE", "FAILED"
DELETE_REQUESTED, DELETING, DELETED = "DELETE_REQUESTED", "DELETING", "DELETED"
GENERIC, CONFLUENT, MSK, PUBSUB = "GENERIC", "CONFLUENT", "MSK", "PUBSUB"

PLACE = ("arn", "region", "serviceEndpointId", "azureResourceIds", "gcpServiceAttachmentUris")
"""The fields of the API that say what an endpoint leads to."""
_NEXT = {IDLE: WORKING, WORKING: DONE, DELETE_REQUESTED: DELETING, DELETING: DELETED}
_DOMAIN = "dnsDomain"


@dataclass(slots=True)
class StreamEndpoint:
    """An endpoint in a network of Atlas's, towards a service of the user's.

    Attributes:
        fields: The other fields of the API; Atlas leaves out those that are null.
        extra: Shown beside the API's fields, or instead of them.
        is_deleted: It is deleted, and its state does not show it yet.
        since: When it got its state, in seconds since 1970.
        epoch: Counts changes of state.
    """

    id: str
    provider: str
    state: str = IDLE
    fields: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    is_deleted: bool = False
    since: float = 0
    epoch: int = 0

    @property
    def vendor(self) -> str:
        """Whose service it leads to, in capitals."""
        return (self.fields.get("vendor") or GENERIC).upper()

    @property
    def target(self) -> tuple[object, ...]:
        """What it leads to; the spelling of regions, the letter case and the order make no difference."""
        region = None if self.fields.get("arn") else self.fields.get("region")  # an ARN has a region in it
        fields = self.fields | {"region": atlas_name(self.provider, region or "")}
        named = [[each] if isinstance(each, str) else each or [] for each in map(fields.get, PLACE)]
        vendor = "EVENTHUB" if self.vendor == GENERIC else self.vendor
        return self.provider, vendor, *(frozenset(map(str.casefold, each)) for each in named)

    @property
    def waits_for_domain(self) -> bool:
        """Whether Confluent has yet to name the domain, and has the ID of the interface endpoint, which it needs."""
        is_confluent = (self.state, self.provider, self.vendor) == (WORKING, AWS, CONFLUENT)
        return is_confluent and bool(self.fields.get("interfaceEndpointId")) and not self.fields.get(_DOMAIN)

    @property
    def takes_domain(self) -> bool:
        """Whether a PATCH may set the domain."""
        return self.state == IDLE or not self.fields.get(_DOMAIN)

    def document(self) -> dict[str, Any]:
        """Return the fields of the API with the values that Atlas keeps."""
        known = {"_id": self.id, "provider": self.provider, "state": self.state, "vendor": GENERIC}
        return {name: value for name, value in sorted((known | self.fields).items()) if value is not None} | self.extra

    def render(self, switches: Switches) -> bytes:
        """Return the JSON that answers show."""
        return render(self.document(), switches)

    def planned(self, switches: Switches) -> float | None:
        """Return after how many seconds in its state the endpoint changes by itself; ``None``: it does not."""
        if self.is_deleted:
            return switches.streams.deletion_lag
        moves = self.state in _NEXT and self.state not in switches.streams.stuck and not self.waits_for_domain
        return switches.transition if moves else None

    def advance(self, project_id: str, names: Names, switches: Switches) -> bool:
        """Move the endpoint to its next state; return whether it still exists."""
        if self.state == DELETING and not switches.streams.keeps_deleted:
            return False
        if self.is_deleted:
            self.put(DELETE_REQUESTED, project_id, names)
            return True
        if self.state == WORKING:
            self._make_interface(project_id, names)
        if not self.waits_for_domain:
            self.put(_NEXT[self.state], project_id, names)
        return True

    def put(self, state: str, project_id: str, names: Names) -> None:
        """Set the state, and what belongs to it: an error message, the interface endpoint, the computed domain."""
        self.state = state
        self.is_deleted = False
        self.fields["errorMessage"] = "Failed to create the private endpoint." if state == FAILED else None
        if state == DONE:
            self._make_interface(project_id, names)

    def _make_interface(self, project_id: str, names: Names) -> None:
        """Fill in what is still missing of the interface endpoint."""
        name, account = f"atlas-streams-{self.id}", next(iter(account_details(project_id, self.provider).values()))
        made: dict[str, str | None] = {
            "providerAccountId": account,
            "interfaceEndpointId": name,
            "interfaceEndpointName": name,
        }
        if self.provider == AWS:
            made |= {"interfaceEndpointId": f"vpce-{names.hex(17)}", "interfaceEndpointName": None}
        elif self.provider == AZURE:
            group = f"/subscriptions/{account}/resourceGroups/rg_{self.id}"
            made["interfaceEndpointId"] = f"{group}/providers/Microsoft.Network/privateEndpoints/{name}"
        elif self.vendor == PUBSUB:
            made[_DOMAIN] = f"pubsub-{self.id}.p.googleapis.com"
        self.fields |= {key: value for key, value in made.items() if not self.fields.get(key)}


def render(document: dict[str, Any], switches: Switches) -> bytes:
    """Return an endpoint as JSON in the way in which the switches let answers show it."""
    shown = {name: value for name, value in document.items() if name not in switches.missing_fields}
    if switches.streams.final_dot and shown.get(_DOMAIN):
        shown[_DOMAIN] += "."
    return to_json(shown)


def account_details(project_id: str, provider: str) -> dict[str, str]:
    """Return in which account and network of a cloud Atlas makes the endpoints of a project."""
    number = crc32(project_id.encode())
    match provider:
        case "AWS":
            return {"awsAccountId": f"{number:012}", "cidrBlock": "192.168.248.0/21", "vpcId": f"vpc-{number:017x}"}
        case "AZURE":
            subscription = f"{number:08x}-0000-4000-8000-{number:012x}"
            return {"azureSubscriptionId": subscription, "virtualNetworkName": f"vnet_{project_id}"}
        case _:
            return {"gcpProjectId": f"p-{project_id}", "vpcNetworkName": f"nt-{project_id}"}


class StreamEndpointDocument(Document):
    """An endpoint as a seed file or a person puts it; what is not given keeps its value, ``null`` clears it.

    Without an id, it is the one that leads to the same.
    """

    id: ObjectId | None = Field(default=None, alias="_id")
    provider: CloudProvider = "AWS"
    vendor: str | None = None
    region: str | None = None
    service_endpoint_id: str | None = None
    arn: str | None = None
    azure_resource_ids: tuple[str, ...] | None = None
    gcp_service_attachment_uris: tuple[str, ...] | None = None
    dns_domain: str | None = None
    dns_sub_domain: tuple[str, ...] | None = None
    authentication_scheme: str | None = None
    state: str | None = None
    error_message: str | None = None
    interface_endpoint_id: str | None = None
    interface_endpoint_name: str | None = None
    provider_account_id: str | None = None
    extra: dict[str, Any] = Field(
        default_factory=dict, description="Shown beside the API's fields, or instead of them."
    )
    remove: bool = Field(default=False, description="Let it vanish at once.")

    @model_validator(mode="after")
    def _can_be_found(self) -> "StreamEndpointDocument":
        if self.id is None and not any(self.fields().get(name) for name in PLACE):
            raise ValueError(f"give _id, or what it leads to: {', '.join(PLACE)}")
        return self

    def fields(self) -> dict[str, Any]:
        """Return the given fields of the API that may change at any time."""
        other = {"id", "provider", "state", "extra", "remove", "project_id"}
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True, exclude=other)


class StreamConnectionDocument(Document):
    """A connection of a stream workspace, which may use an endpoint; what is not given keeps its value.

    Attributes:
        connection_id: The id of the endpoint that it uses; ``None``: it goes over the Internet.
    """

    workspace_name: str = Field(min_length=1)
    name: str = Field(min_length=1)
    type: str = "Kafka"
    connection_id: ObjectId | None = None
    state: str = "READY"
    extra: dict[str, Any] = Field(
        default_factory=dict, description="Shown beside the API's fields, or instead of them."
    )
    remove: bool = False
