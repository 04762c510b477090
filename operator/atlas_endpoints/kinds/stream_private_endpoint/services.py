"""The services to which a connection of Stream Processing may lead: which fields describe them, with the rules of the CRD. Pure."""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum
from functools import partial
from typing import Annotated, NamedTuple

from pydantic import Field

from atlas_endpoints.kinds.regions import is_other_region
from atlas_endpoints.reconcile.spec import matches, rule

_AZURE_NAME = r"[^/\x00-\x20\x7f]"
_AZURE_ID = (
    r"(?i)/subscriptions/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/resourcegroups/"
    rf"{_AZURE_NAME}{{1,90}}/providers/%s/{_AZURE_NAME}{{1,80}}"
)
_AWS_SERVICE = r"com[.]amazonaws[.][-.a-z0-9]+|vpce-svc-[0-9a-f]+"
_ARN = r"arn:aws[-a-z]*:kafka:[-a-z0-9]+:[0-9]{12}:cluster/[^\x00-\x20\x7f]+"
_URI = (
    r"([^\x00-\x20\x7f]+/)?projects/[^/\x00-\x20\x7f]+/regions/[^/\x00-\x20\x7f]+/serviceAttachments/[^/\x00-\x20\x7f]+"
)
_DNS_NAME = r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?([.][a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)*[.]?"


class ManagedField(StrEnum):
    """The fields that are sent to Atlas and compared, by their names in the spec and in Atlas; Atlas can change only the domain."""

    VENDOR = "vendor"
    REGION = "region"
    SERVICE_ENDPOINT_ID = "serviceEndpointId"
    ARN = "arn"
    AZURE_RESOURCE_IDS = "azureResourceIds"
    GCP_SERVICE_ATTACHMENT_URIS = "gcpServiceAttachmentUris"
    DNS_DOMAIN = "dnsDomain"
    DNS_SUB_DOMAIN = "dnsSubDomain"
    AUTHENTICATION_SCHEME = "authenticationScheme"


class Service(NamedTuple):
    """What describes a service of a vendor: the fields that have to be set, those that may be, and what is said otherwise."""

    needs: AbstractSet[str]
    takes: AbstractSet[str]
    message: str


_F = ManagedField
_IN_AWS = Service(
    {_F.REGION, _F.SERVICE_ENDPOINT_ID},
    frozenset(),
    "must be described as Atlas finds a service of AWS: set `region` and `serviceEndpointId`, such as `com.amazonaws.eu-west-1.s3`;"
    " remove `arn`, `authenticationScheme`, `dnsDomain`, `dnsSubDomain` and fields of other clouds",
)
_IN_AZURE = Service(
    {_F.REGION, _F.SERVICE_ENDPOINT_ID, _F.DNS_DOMAIN},
    frozenset(),
    "must be described as Atlas finds a namespace of Event Hubs or a storage account: set `region`, `serviceEndpointId` (its resource ID)"
    " and `dnsDomain`, such as `orders.servicebus.windows.net` or `orders.blob.core.windows.net`; remove `arn`, `authenticationScheme`,"
    " `azureResourceIds`, `dnsSubDomain` and fields of other clouds",
)
SERVICES: Mapping[tuple[str, str], Service] = {
    ("AWS", "MSK"): Service(
        {_F.ARN},
        {_F.AUTHENTICATION_SCHEME},
        "must be described as Atlas finds an MSK cluster: set `arn` and, if you like, `authenticationScheme`; remove `region`,"
        " `serviceEndpointId`, `dnsDomain`, `dnsSubDomain` and fields of other clouds, which Atlas finds by the ARN",
    ),
    ("AWS", "CONFLUENT"): Service(
        {_F.REGION, _F.SERVICE_ENDPOINT_ID},
        {_F.DNS_DOMAIN, _F.DNS_SUB_DOMAIN},
        "must be described as Atlas finds a Confluent cluster in AWS: set `region` and `serviceEndpointId`; for a dedicated cluster also"
        " `dnsDomain` and `dnsSubDomain`; for an enterprise or serverless one `dnsDomain` as soon as Confluent names it; remove `arn`,"
        " `authenticationScheme` and fields of other clouds",
    ),
    ("AWS", "S3"): _IN_AWS,
    ("AWS", "LAMBDA"): _IN_AWS,
    ("AWS", "KINESIS"): Service(
        {_F.REGION},
        {_F.SERVICE_ENDPOINT_ID},
        "must be described as Atlas finds Kinesis Data Streams: set `region`; remove `arn`, `authenticationScheme`, `dnsDomain`,"
        " `dnsSubDomain` and fields of other clouds",
    ),
    ("AZURE", "EVENTHUB"): _IN_AZURE,
    ("AZURE", "AZURE_BLOB_STORAGE"): _IN_AZURE,
    ("AZURE", "CONFLUENT"): Service(
        {_F.REGION, _F.DNS_DOMAIN, _F.AZURE_RESOURCE_IDS},
        {_F.DNS_SUB_DOMAIN},
        "must be described as Atlas finds a Confluent cluster in AZURE: set `region`, `dnsDomain` and `azureResourceIds`; remove"
        " `serviceEndpointId`, `arn`, `authenticationScheme` and fields of other clouds",
    ),
    ("GCP", "CONFLUENT"): Service(
        {_F.REGION, _F.DNS_DOMAIN, _F.GCP_SERVICE_ATTACHMENT_URIS},
        {_F.DNS_SUB_DOMAIN},
        "must be described as Atlas finds a Confluent cluster in GCP: set `region`, `dnsDomain` and `gcpServiceAttachmentUris`; remove"
        " `serviceEndpointId`, `arn`, `authenticationScheme` and fields of other clouds",
    ),
    ("GCP", "PUBSUB"): Service(
        {_F.REGION},
        frozenset(),
        "must be described as Atlas finds Pub/Sub: set `region`, in which the project must have a cluster, and nothing else of the service;"
        " remove `serviceEndpointId`, `dnsDomain`, `dnsSubDomain` and fields of other clouds",
    ),
}
"""How Atlas finds the services, by cloud and vendor."""

NO_SERVICE = (
    "must be a service in the cloud of `providerName`: MSK, CONFLUENT, S3, LAMBDA or KINESIS in AWS; EVENTHUB (the default there),"
    " CONFLUENT or AZURE_BLOB_STORAGE in AZURE; CONFLUENT or PUBSUB in GCP"
)
SERVICE_IDS: Mapping[tuple[str, str], tuple[str, str]] = {
    **dict.fromkeys(
        (each for each in SERVICES if each[0] == "AWS"),
        (
            _AWS_SERVICE,
            (
                "must be the name of an endpoint service in AWS, such as `com.amazonaws.eu-west-1.s3` or Confluent's"
                " `com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0`; if it is a resource ID of Azure, providerName is wrong"
            ),
        ),
    ),
    ("AZURE", "EVENTHUB"): (
        _AZURE_ID % "microsoft[.]eventhub/namespaces",
        (
            "must be the resource ID of the Event Hubs namespace, not of one event hub:"
            " `/subscriptions/<GUID>/resourceGroups/<group>/providers/Microsoft.EventHub/namespaces/<name>`"
        ),
    ),
    ("AZURE", "AZURE_BLOB_STORAGE"): (
        _AZURE_ID % "microsoft[.]storage/storageaccounts",
        (
            "must be the resource ID of the storage account, not of one container:"
            " `/subscriptions/<GUID>/resourceGroups/<group>/providers/Microsoft.Storage/storageAccounts/<name>`"
        ),
    ),
}
"""What names the service, by cloud and vendor: the pattern, and the message about anything else."""
_AWS_NAMES: Mapping[str, str] = {"S3": "s3", "LAMBDA": "lambda", "KINESIS": "kinesis"}
"""How AWS's names of the services begin, by vendor."""


def contradiction(service: tuple[str, str], region: str | None, id_: str | None, domain: str | None) -> str:
    """Return a sentence, after a blank, about fields that seem to describe different services; "": they do not.

    Atlas is not known to compare them, and none of them can be corrected afterwards.
    """
    provider, vendor = service
    if provider == "AWS" and (found := re.fullmatch(r"com[.]amazonaws[.](vpce[.])?([^.]+)[.](.+)", id_ or "")):
        _, its_region, name = found.groups()
        if is_other_region(provider, its_region, region or ""):
            return f" serviceEndpointId names a service in {its_region}, and region is {region}: is one of them wrong?"
        if not name.startswith(_AWS_NAMES.get(vendor, "")):
            return f" serviceEndpointId {id_} does not look like a service of {vendor}: is one of them wrong?"
    namespace = (id_ or "").rpartition("/")[2]
    if provider == "AZURE" and id_ and domain and domain.partition(".")[0].casefold() != namespace.casefold():
        return (
            f" dnsDomain {domain} does not begin with {namespace}, which serviceEndpointId names: is one of them wrong?"
        )
    return ""


Arn = Annotated[
    str,
    Field(max_length=300),
    rule(
        partial(matches, _ARN),
        "must be the ARN of an MSK cluster, such as `arn:aws:kafka:eu-west-1:123456789012:cluster/orders/01234567-89ab-cdef-0123-456789abcdef-1`",
    ),
]
ResourceId = Annotated[
    str,
    Field(max_length=300),
    rule(
        partial(matches, _AZURE_ID % "microsoft[.]network/privatelinkservices"),
        "must be the resource ID of a Private Link service,"
        " `/subscriptions/<GUID>/resourceGroups/<group>/providers/Microsoft.Network/privateLinkServices/<name>`",
    ),
]
AttachmentUri = Annotated[
    str,
    Field(max_length=300),
    rule(
        partial(matches, _URI),
        "must be the URI of a service attachment, `projects/<project>/regions/<region>/serviceAttachments/<name>`",
    ),
]
Domain = Annotated[
    str,
    Field(max_length=253),
    rule(
        partial(matches, _DNS_NAME),
        "must be a DNS name, such as `orders.servicebus.windows.net`, without scheme and port",
    ),
]
SubDomain = Annotated[
    str,
    Field(max_length=120),
    rule(partial(matches, _DNS_NAME), "must be a DNS name, such as `use1-az1.abc123.us-east-1.aws.confluent.cloud`"),
]
