"""The resource ``StreamPrivateEndpoint``: its spec, its status and its CRD. Pure."""

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field
from pydantic.alias_generators import to_camel
from typing_extensions import override

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.kinds.cloud_endpoint import Provider, Region
from atlas_endpoints.kinds.lives.made import DELETING, MadeResource, MadeStatus
from atlas_endpoints.kinds.parts.fields import DeclaredSpec, Entry, Sent
from atlas_endpoints.kinds.regions import atlas_name
from atlas_endpoints.kinds.stream_private_endpoint.services import (
    LISTS,
    RULES,
    Arn,
    AttachmentUri,
    Domain,
    ResourceId,
    SubDomain,
)
from atlas_endpoints.kinds.stream_private_endpoint.targets import NO_VENDOR, service_in, target_in, target_of, texts_in
from atlas_endpoints.reconcile.crd import SET, Column, Crd, Rule, fixed, fixed_if_any
from atlas_endpoints.reconcile.spec import Duration
from atlas_endpoints.reconcile.status import Shown, StatusModel, Time

SCOPE = "Stream Processing"
"""The name of the scope, which is the project; for people, too."""


def _domains(text: str) -> frozenset[str]:
    """Return domains without what makes no difference: Atlas ends them with a dot, or not."""
    return frozenset(each.strip(".").casefold() for each in text.split(","))


def _fixed_list(field: str, message: str) -> Rule:
    """Return the rule that a list is never set, changed or emptied after the creation."""
    return Rule(
        f"has(self.{field}) && has(oldSelf.{field}) ? self.{field} == oldSelf.{field}"
        f" : size(self.?{field}.orValue([]) + oldSelf.?{field}.orValue([])) == 0",
        message,
        field,
    )


class Spec(DeclaredSpec):
    """The spec. Without ``vendor``, it is Event Hubs."""

    cel_rules: ClassVar = [
        *RULES,
        fixed("providerName", "may not be changed: {other_value}"),
        fixed_if_any("vendor", "may not be changed, added or removed: {other_value}"),
        fixed_if_any("region", "may not be changed, added or removed: {other_value}"),
        fixed_if_any("serviceEndpointId", "may not be changed, added or removed: {other_value}"),
        fixed_if_any("arn", "may not be changed, added or removed: {other_value}"),
        _fixed_list("azureResourceIds", "may not be changed, added or removed: {other_value}"),
        _fixed_list("gcpServiceAttachmentUris", "may not be changed, added or removed: {other_value}"),
        _fixed_list("dnsSubDomain", "may not be changed, added or removed: {other_way}"),
        fixed_if_any("authenticationScheme", "may not be changed, added or removed: {other_way}"),
        Rule(
            "has(self.dnsDomain) || !has(oldSelf.dnsDomain)",
            "may not be removed, because Atlas keeps the domain of a connection: set it again",
            "dnsDomain",
        ),
    ]

    provider_name: Provider
    """The cloud of the service: `AWS`, `AZURE` or `GCP`. Required; never changes."""
    vendor: (
        Literal["MSK", "CONFLUENT", "S3", "LAMBDA", "KINESIS", "EVENTHUB", "AZURE_BLOB_STORAGE", "PUBSUB"] | None
    ) = None
    """The service. AWS: `MSK`, `CONFLUENT`, `S3`, `LAMBDA` or `KINESIS`. AZURE: `EVENTHUB` (default), `CONFLUENT` or
    `AZURE_BLOB_STORAGE`. GCP: `CONFLUENT` or `PUBSUB`. Required, except with AZURE; never changes."""
    region: Region | None = None
    """The region of the service: Atlas's name, such as `EU_WEST_1`, or the cloud's, such as `eu-west-1`. Required, except with
    MSK, where Atlas finds it by the ARN and refuses the field; never changes."""
    service_endpoint_id: Annotated[str, Field(max_length=300)] | None = None
    """What the private endpoint connects to. CONFLUENT in AWS: the endpoint service that Confluent shows, such as
    `com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0`. S3 and LAMBDA: `com.amazonaws.<region>.s3` and
    `com.amazonaws.<region>.lambda`. KINESIS: not needed. EVENTHUB and AZURE_BLOB_STORAGE: the resource ID of the namespace or of
    the storage account. Never changes."""
    arn: Arn | None = None
    """MSK only: the ARN of the cluster, such as `arn:aws:kafka:eu-west-1:123456789012:cluster/orders/<UUID>-1`. The cluster must
    have multi-VPC connectivity and a policy that allows the account in `status.account.awsAccountId`. Never changes."""
    azure_resource_ids: Annotated[tuple[ResourceId, ...], Field(strict=False, max_length=3, json_schema_extra=SET)] = ()
    """CONFLUENT in AZURE only: the resource IDs of Confluent's Private Link services, one for each zone of the cluster. Never
    changes.

    A resource ID in Azure,
    `/subscriptions/<GUID>/resourceGroups/<group>/providers/Microsoft.Network/privateLinkServices/<name>`."""
    gcp_service_attachment_uris: Annotated[
        tuple[AttachmentUri, ...], Field(strict=False, max_length=3, json_schema_extra=SET)
    ] = ()
    """CONFLUENT in GCP only: the URIs of Confluent's service attachments, one for each zone of the cluster. Never changes.

    A URI, `projects/<project>/regions/<region>/serviceAttachments/<name>`."""
    dns_domain: Domain | None = None
    """The DNS domain of the service. CONFLUENT: the domain of the cluster's network or access point. EVENTHUB:
    `<namespace>.servicebus.windows.net`. AZURE_BLOB_STORAGE: `<account>.blob.core.windows.net`. Not for other services, whose
    domain Atlas finds. An enterprise or serverless cluster of Confluent in AWS names it only when the private endpoint exists:
    leave it out, give `status.connection.interfaceEndpointId` to Confluent, and set it then. Once Atlas has a domain, it takes
    another one only in the state IDLE; an edit in another state is not sent (reason UpdateRejected)."""
    dns_sub_domain: Annotated[tuple[SubDomain, ...], Field(strict=False, max_length=8, json_schema_extra=SET)] = ()
    """CONFLUENT only: the DNS names of the cluster's zones below `dnsDomain`, for a dedicated cluster that has them. Absent and
    `[]` mean that it has none. Never changes.

    A DNS name, such as `use1-az1.abc123.us-east-1.aws.confluent.cloud`."""
    authentication_scheme: Literal["TLS", "SASL_SCRAM", "IAM"] | None = None
    """MSK only: how streams sign in to the cluster: `TLS`, `SASL_SCRAM` or `IAM`, as its multi-VPC connectivity permits it.
    Default: Atlas's. Never changes."""
    provisioning_timeout: Duration | None = timedelta(hours=3)

    sent: ClassVar = {
        **dict.fromkeys(("vendor", "region", "service_endpoint_id", "arn"), Sent()),
        **dict.fromkeys(("azure_resource_ids", "gcp_service_attachment_uris"), Sent()),
        "dns_domain": Sent(key=_domains, changes=True),
        "dns_sub_domain": Sent(key=_domains),
        "authentication_scheme": Sent(),
    }

    @property
    def service(self) -> tuple[str, str]:
        """Its cloud and its vendor."""
        return self.provider_name, self.vendor or "EVENTHUB"

    @property
    def region_in_atlas(self) -> str:
        """Atlas's name of the region, which an ARN contains."""
        return atlas_name(self.provider_name, self.region or (self.arn or "").partition(":kafka:")[2].partition(":")[0])

    @property
    def _set(self) -> Mapping[str, Any]:
        """What is set of the fields that are sent to Atlas."""
        return {field: value for field, value in super().desired.items() if value}

    @property
    def body(self) -> Mapping[str, Any]:
        """The body of the POST."""
        values = {name: [*value] if name in LISTS else value for name, value in self._set.items()}
        if self.region is not None:
            values["region"] = self.region_in_atlas
        if self.service == ("AWS", "CONFLUENT"):
            values.setdefault("dnsSubDomain", [])  # Atlas demands it
        return {"provider": self.provider_name, **values}

    @property
    @override
    def desired(self) -> Mapping[str, str]:
        return {field: ",".join(sorted(value)) if field in LISTS else value for field, value in self._set.items()}


class ConnectionStatus(Entry):
    """The connection as the status shows it."""

    id_name = "_id"
    id_pattern = r"[0-9a-f]{24}"
    in_atlas: ClassVar = {"status": "state"}
    computed: ClassVar[Collection[str]] = ("target",)

    id: Shown  # pyright: ignore[reportIncompatibleVariableOverride]  # frozen
    """The ID that Atlas gave the connection, by which streams name it (`networking.access.connectionId`)."""
    status: Shown | None = Field(default=None, alias="state")
    status_since: Time | None = Field(default=None, alias="stateSince")
    target: Shown | None = None
    """What the connection leads to, as it is compared: the cloud, the vendor, Atlas's name of the region, and what names the
    service, in lower case."""
    interface_endpoint_id: Shown | None = None
    """The ID of the private endpoint that Atlas made. Confluent asks for it, for an enterprise or serverless cluster."""
    interface_endpoint_name: Shown | None = None
    """The name of the private endpoint that Atlas made. In Azure, approve the connection from it."""
    provider_account_id: Shown | None = None
    """The account in the cloud that owns the private endpoint."""
    dns_domain: Shown | None = None
    """The DNS domain of the service, as Atlas has it."""


class Connection(ConnectionStatus):
    """A connection as Atlas shows it.

    Attributes:
        service: its cloud ("": Atlas does not show that) and its vendor.
        described: what describes the service besides, by Atlas's names of the fields, which are those of the spec.
    """

    computed: ClassVar = (*ConnectionStatus.computed, "service", "described")

    service: tuple[str, str] = ("", NO_VENDOR)
    described: Mapping[str, Any] = Field(default_factory=dict)

    @classmethod
    @override
    def read(cls, answer: Any) -> Self | None:
        found = super().read(answer)
        if found is None:
            return None
        fields = {
            each: texts_in(answer, each) if each in LISTS else text_of(answer.get(each))
            for each in map(to_camel, Spec.sent)
        }
        described = {each: value for each, value in fields.items() if value}
        its = {"target": target_of(answer), "service": service_in(answer), "described": described}
        return found.model_copy(update=its)


class AccountStatus(StatusModel):
    """The account and the network of Atlas, from which the connection comes."""

    aws_account_id: Shown | None = None
    """AWS only. The account; allow it in the policy of an MSK cluster, or at Confluent."""
    vpc_id: Shown | None = None
    """AWS only. The VPC."""
    azure_subscription_id: Shown | None = None
    """AZURE only. The subscription; allow it at Confluent."""
    virtual_network_name: Shown | None = None
    """AZURE only. The virtual network."""
    gcp_project_id: Shown | None = None
    """GCP only. The Google Cloud project; allow it at Confluent."""
    vpc_network_name: Shown | None = None
    """GCP only. The VPC network."""
    cidr_block: Shown | None = None
    """The addresses of the network, in CIDR notation."""


class StreamStatus(MadeStatus):
    """The status of the kind."""

    shown_as: ClassVar = "connection"
    going: ClassVar = ("DELETE_REQUESTED", DELETING)

    connection: ConnectionStatus | None = None
    """The connection as Atlas last returned it; absent until Atlas shows one. {as_returned}"""
    account: AccountStatus | None = None
    """The account of Atlas in the cloud and region, from which streams of the project connect: what your service must allow. It
    is there before the connection is created; a field is absent where the cloud has none."""


class StreamPrivateEndpoint(MadeResource, frozen=True):
    """StreamPrivateEndpoint describes one private connection of Atlas Stream Processing to a service of yours: a Kafka cluster of Confluent or Amazon MSK, an Azure Event Hubs namespace, storage, a function or a queue.

    Atlas makes the private endpoint in its own network. The operator asks Atlas for the connection, and writes its state to the
    status, as well as the accounts of Atlas that your service must allow. Streams use the connection by its ID. {retried}
    {annotations} {removes_only}
    """

    spec_type: ClassVar = Spec
    status_type: ClassVar = StreamStatus
    scope: ClassVar = SCOPE
    bound_by: ClassVar = ("connection", "intent", "applied")
    crd: ClassVar = Crd(
        short_name="strpe",
        selectable=("projectId", "providerName", "vendor", "region", "serviceEndpointId", "arn"),
        columns=(
            Column("Vendor", ".spec.vendor", "The service to which the connection leads"),
            Column("Region", ".spec.region"),
        ),
        wide=(
            Column("Connection-Id", ".status.connection.id", "The ID that Atlas gave the connection"),
            Column(
                "Interface-Endpoint",
                ".status.connection.interfaceEndpointId",
                "The private endpoint that Atlas made in its own network",
            ),
        ),
        applied={field: f"The confirmed `spec.{field}`, as one text with commas." for field in LISTS},
        body={
            "provider": "The cloud.",
            **{field: f"The value of `spec.{field}`." for field in map(to_camel, Spec.sent)},
        },
    )
    words: ClassVar = {
        "thing": "connection",
        "state": "state",
        "moved": "move your streams to its connection, ",
        "other_value": "Atlas cannot change a connection; create a second resource with the other value, {moved}and delete this one"
        " {atlas_keeps}",
        "other_way": "Atlas cannot change a connection, and has one for each target; {made_again}",
        "role": "Project Owner or Project Stream Processing Owner in the project (Project Read Only suffices to observe)",
        "reported": "differences (reason Drifted, `status.drift`), or that the connection is missing",
        "drift": "somebody changes or deletes the connection in Atlas. `Correct` (default): it creates a deleted connection again, and"
        " sets a lost `dnsDomain`. `Report`: it only reports what differs (reasons Drifted and EndpointNotFound, `status.drift`). With"
        " both values, it creates the connection of a new resource, and sends your edits. Other differences, which Atlas cannot change,"
        " it only reports.",
        "provision": "make the connection (IDLE and WORKING together)",
        "timeout": "3h",
        "timeout_since": "`stateSince` in `status.connection`, or at `status.lastAppliedTime` if that is later",
        "provisioned": "it is DONE",
        "deleted": "the connection from Atlas, no matter who created",
        "deletion_too": "The deletion waits while streams use the connection (reason DeletionBlocked).",
        "outputs": "and updates. Its keys are `connectionId`, `interfaceEndpointId`, `interfaceEndpointName`, `providerAccountId`,"
        " `dnsDomain`, `awsAccountId`, `azureSubscriptionId` and `gcpProjectId`, as far as they are known",
        "ready": "Atlas reports that the connection is DONE",
        "contended": "target and owns the connection",
        "or_nothing": " or no connection",
        "not_applied": "If this is absent, the connection was never there, and the operator creates it with any `driftPolicy`.",
        "states": "IDLE, WORKING, DONE, FAILED, DELETE_REQUESTED, DELETING",
        "on_its_way": ", or on its way (IDLE, WORKING)",
        "others": "connections to the same service",
        "operation": "createPrivateLinkConnection",
        "methods": "`POST` to create the connection, `PATCH` to set its `dnsDomain`, or `DELETE` to remove a failed connection before it"
        " is created again",
        "body_names": ", with Atlas's names of the fields; lists are in JSON",
    }

    spec: Spec
    """The desired state. `providerName` and `vendor` say what kind of service it is, and which of the fields `region`,
    `serviceEndpointId`, `arn`, `azureResourceIds` and `gcpServiceAttachmentUris` name it. Atlas cannot change a connection, so
    these fields, `dnsSubDomain` and `authenticationScheme` never change; only `dnsDomain` may be set later. {others_change}"""
    status: StreamStatus

    @property
    @override
    def place(self) -> str:
        return target_in(self.spec.model_dump(by_alias=True))

    @property
    @override
    def called(self) -> str:
        return f"connection to {self.place}"

    @property
    @override
    def connection(self) -> Mapping[str, str | None]:
        return {}

    @override
    def shown(self, value: Connection) -> Mapping[str, str | None]:
        """Return what the spec says, since the connection was found by that; the rest only if Atlas shows it, but for the domain."""
        shown, scheme = dict(self.spec.desired), value.described.get("authenticationScheme")
        if zones := value.described.get("dnsSubDomain"):
            shown["dnsSubDomain"] = ",".join(zones)
        if scheme:
            shown["authenticationScheme"] = scheme
        return {**shown, "dnsDomain": value.dns_domain}
