"""Private connections of Stream Processing in the Atlas Admin API, and what is read beside them: models and calls as data. Pure.

Source: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2/group/endpoint-streams, and recorded answers for Event Hubs, which leave
out what is empty. Atlas calls them private link connections.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from typing_extensions import override

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.atlas.errors import AtlasError, EndpointAbsentError, InvalidRequestError, MissingRoleError
from atlas_endpoints.atlas.requests import Refusals, Request, path
from atlas_endpoints.kinds.made_by_atlas_resource import Made
from atlas_endpoints.kinds.refusals import words_of
from atlas_endpoints.kinds.regions import atlas_name
from atlas_endpoints.reconcile.spec import matches

LIST = "listPrivateLinkConnections"
GET = "getPrivateLinkConnection"
CREATE = "createPrivateLinkConnection"
UPDATE = "updatePrivateLinkConnection"
DELETE = "deletePrivateLinkConnection"
GET_ACCOUNT = "getAccountDetails"
LIST_WORKSPACES = "listStreamWorkspaces"
LIST_STREAM_CONNECTIONS = "listStreamConnections"

_STREAMS = "/api/atlas/v2/groups/{groupId}/streams"
_ALL = f"{_STREAMS}/privateLinkConnections"
_ONE = f"{_ALL}/{{connectionId}}"

TEMPLATES = {
    LIST: _ALL,
    CREATE: _ALL,
    GET: _ONE,
    UPDATE: _ONE,
    DELETE: _ONE,
    GET_ACCOUNT: f"{_STREAMS}/accountDetails",
    LIST_WORKSPACES: _STREAMS,
    LIST_STREAM_CONNECTIONS: f"{_STREAMS}/{{tenantName}}/connections",
}
"""The path of each operation, as in Atlas's API reference."""

_VERSIONS = {UPDATE: "2025-03-12", GET_ACCOUNT: "2024-11-13"}

_WRITES = Refusals(
    explanations={
        InvalidRequestError: "Atlas cannot parse the request: projectId or the ID of the connection is malformed. To correct it, {wrong_field}.",
        MissingRoleError: (
            "The credentials may not do this: they need a role such as Project Owner or Project Stream Processing Owner in the project"
            " (MongoDB's specification names Project Stream Processing Manager, and Organization Stream Processing Admin). Grant it to"
            " the service account or API key in Atlas (Project Settings, Access Manager). {then}"
        ),
    },
)
_READS = Refusals(
    explanations={InvalidRequestError: _WRITES.explanations[InvalidRequestError]},
    # Atlas was seen to refuse a single one of many equal calls so.
    doubted=("USER_UNAUTHORIZED",),
)
# No code of these calls is documented. Those that mean something else are known for all calls.
_ABSENT = ("_NOT_FOUND",)
_GONE = (
    "Atlas no longer has the connection in status.connection. To have it created again, set spec.driftPolicy to Correct, or set the"
    " annotation atlas-endpoints.dev/force-sync."
)

_ID = r"[0-9a-f]{24}"
"""The ID of a connection, which is used in paths and ConfigMaps."""

_DEFAULT_VENDORS = {"AZURE": "EVENTHUB"}
NO_VENDOR = "GENERIC"
"""What Atlas shows if no vendor was sent."""

_NAMES = ("arn", "serviceEndpointId")
_LISTS_OF_NAMES = ("azureResourceIds", "gcpServiceAttachmentUris")
"""The fields that name the service."""

WITHOUT_REGION = frozenset({"MSK"})
"""The vendors whose ARN names the service alone, with its region."""

REGION_ALONE = frozenset({"KINESIS", "PUBSUB"})
"""The vendors that have one service in each region."""


class ConnectionState(StrEnum):
    """The known states of a connection."""

    IDLE = "IDLE"
    WORKING = "WORKING"
    DONE = "DONE"
    FAILED = "FAILED"
    DELETE_REQUESTED = "DELETE_REQUESTED"
    DELETING = "DELETING"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Connection(Made):
    """A private connection; ``status`` is its state, which may be a word that is no ``ConnectionState``.

    Attributes:
        service: its cloud ("": Atlas does not show that) and its vendor.
        described: what describes the service besides, by Atlas's names of the fields, which are those of the spec.
    """

    id: str
    status: str | None = None
    error_message: str | None = None
    target: str = ""
    dns_domain: str | None = None
    dns_sub_domain: tuple[str, ...] = ()
    authentication_scheme: str | None = None
    interface_endpoint_id: str | None = None
    interface_endpoint_name: str | None = None
    provider_account_id: str | None = None
    service: tuple[str, str] = field(default=("", NO_VENDOR), compare=False)
    described: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    @override
    def place(self) -> str:
        """What it leads to; see ``target_of``."""
        return self.target


_TEXTS = {
    "status": "state",
    "error_message": "errorMessage",
    "dns_domain": "dnsDomain",
    "authentication_scheme": "authenticationScheme",
    "interface_endpoint_id": "interfaceEndpointId",
    "interface_endpoint_name": "interfaceEndpointName",
    "provider_account_id": "providerAccountId",
}
"""The texts of a connection, and Atlas's names of them."""


def target_of(fields: Mapping[str, Any]) -> str:
    """Return what a connection leads to, by Atlas's names of the fields: one text for all ways to write it; "": it is not known.

    People can read it: cloud, service, region, and what names the service there.
    """
    provider, vendor = _service_in(fields)
    region = text_of(fields.get("region"))
    named = [text_of(fields.get("arn" if vendor in WITHOUT_REGION else "serviceEndpointId"))]
    named += [each for name in _LISTS_OF_NAMES for each in _texts(fields.get(name))]
    ids = "" if vendor in REGION_ALONE else ",".join(sorted({_same_id(each) for each in named if each}))
    place = "" if vendor in WITHOUT_REGION else atlas_name(provider, region or "")
    is_known = provider and (ids or vendor in REGION_ALONE) and (place or vendor in WITHOUT_REGION)
    return " ".join(filter(None, (provider, vendor, place, ids))) if is_known else ""


def leads_elsewhere(target: str, other: str) -> bool:
    """Return whether two targets that are known certainly differ: not only in a region, which Atlas may spell as nobody knows."""
    return bool(target and other) and _without_region(target) != _without_region(other)


def _without_region(target: str) -> Sequence[str]:
    provider, vendor, *rest = target.split(" ")
    return provider, vendor, *(() if vendor in REGION_ALONE else rest[-1:])


def _service_in(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return the cloud ("": it is not known) and the vendor, by Atlas's names of the fields."""
    provider, vendor = ((text_of(fields.get(name)) or "").upper() for name in ("provider", "vendor"))
    return provider, _DEFAULT_VENDORS.get(provider, NO_VENDOR) if vendor in {"", NO_VENDOR} else vendor


def _same_id(text: str) -> str:
    """Return an ID without what makes no difference: the letter case, the host of a URI of Google Cloud, and the domain of a service of AWS."""
    _, separator, rest = text.partition("/projects/")
    text = (f"projects/{rest}" if separator else text).casefold()
    return text.rpartition(".")[2] if text.startswith("com.amazonaws.vpce.") else text


def list_of(project_id: str) -> Request:
    """Return the LIST of the connections of a project, in pages."""
    return replace(_request(LIST, "GET", groupId=project_id), paged=True)


def get_of(project_id: str, connection_id: str) -> Request:
    """Return the GET of one connection."""
    return _request(GET, "GET", groupId=project_id, connectionId=connection_id)


def creation_of(project_id: str, body: Mapping[str, Any]) -> Request:
    """Return the POST of a connection; a second one to its target is refused, or makes a second connection."""
    return _request(CREATE, "POST", body, groupId=project_id)


def update_of(project_id: str, connection_id: str, dns_domain: str) -> Request:
    """Return the PATCH that sets the domain of a connection; Atlas takes it if it has none, or in IDLE."""
    return _request(UPDATE, "PATCH", {"dnsDomain": dns_domain}, groupId=project_id, connectionId=connection_id)


def deletion_of(project_id: str, connection_id: str) -> Request:
    """Return the DELETE of one connection; Atlas refuses it while a stream uses the connection."""
    return _request(DELETE, "DELETE", groupId=project_id, connectionId=connection_id)


def account_of(project_id: str, provider: str, region: str) -> Request:
    """Return the GET of Atlas's account in a region of a cloud; it need not succeed."""
    found = _request(GET_ACCOUNT, "GET", groupId=project_id)
    query = path("cloudProvider={cloud}&regionName={region}", GET_ACCOUNT, cloud=provider.lower(), region=region)
    return replace(found, path=f"{found.path}?{query}", optional=True)


def workspaces_of(project_id: str) -> Request:
    """Return the LIST of the workspaces of a project, in pages; it need not succeed."""
    return replace(_request(LIST_WORKSPACES, "GET", groupId=project_id), paged=True, optional=True)


def stream_connections_of(project_id: str, workspace: str) -> Request:
    """Return the LIST of the connections that the streams of a workspace have, in pages; it need not succeed."""
    found = _request(LIST_STREAM_CONNECTIONS, "GET", groupId=project_id, tenantName=workspace)
    return replace(found, paged=True, optional=True)


def connection_in(answer: Any, connection_id: str | None = None) -> Connection | None:
    """Return the connection in an answer, or None if it is none or another one than ``connection_id``."""
    found = answer.get("_id") if isinstance(answer, dict) else None
    if not isinstance(found, str) or not matches(_ID, found) or connection_id not in {None, found}:
        return None
    texts: dict[str, Any] = {name: text_of(answer.get(alias)) or None for name, alias in _TEXTS.items()}
    return Connection(
        found,
        target=target_of(answer),
        dns_sub_domain=_texts(answer.get("dnsSubDomain")),
        service=_service_in(answer),
        described=_described(answer),
        **texts,
    )


def _described(answer: Mapping[str, Any]) -> Mapping[str, str | Sequence[str]]:
    """Return what describes the service in an answer, without what is empty."""
    texts = {name: text_of(answer.get(name)) for name in (*_NAMES, "region", "dnsDomain", "authenticationScheme")}
    lists = {name: list(_texts(answer.get(name))) for name in (*_LISTS_OF_NAMES, "dnsSubDomain")}
    return {name: value for name, value in (*texts.items(), *lists.items()) if value}


def created(request: Request, answer: Any) -> Connection | None:
    """Return the connection in the answer to a POST; fields that are missing are those that were sent."""
    shown = {name: value for name, value in answer.items() if value} if isinstance(answer, dict) else {}
    return connection_in({**(request.body or {}), **shown})


def says_that_it_is_used(error: AtlasError) -> bool:
    """Return whether Atlas refuses a DELETE since streams use the connection."""
    return error.operation == DELETE and "in use" in words_of(error)


def account_in(answer: Any) -> Mapping[str, str] | None:
    """Return Atlas's account in an answer, by Atlas's names of its fields, or None if it is none."""
    found = answer.items() if isinstance(answer, dict) else ()
    return {name: text for name, value in found if (text := text_of(value))} or None


def workspaces_in(items: Any) -> Sequence[str]:
    """Return the names of the workspaces in the items of a LIST."""
    names = [text_of(_part_of(each).get("name")) for each in items] if isinstance(items, list) else []
    return tuple(name for name in names if name)


def users_in(items: Any) -> Mapping[str, Sequence[str]]:
    """Return the names of the streams' connections in the items of a LIST, by the private connections that they use."""
    found: dict[str, list[str]] = {}
    for item in items if isinstance(items, list) else ():
        # For some vendors, Atlas's documentation has another name of the field.
        for networking in (_part(item, "networking"), _part(item, "publicPrivateNetworking")):
            used, name = text_of(_part(networking, "access").get("connectionId")), text_of(_part_of(item).get("name"))
            if used and name:
                found.setdefault(used, []).append(name)
    return found


def _part_of(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _part(value: Any, name: str) -> Mapping[str, Any]:
    return _part_of(_part_of(value).get(name))


def _texts(value: Any) -> tuple[str, ...]:
    texts: Iterable[str | None] = map(text_of, value) if isinstance(value, list | tuple) else ()
    return tuple(each for each in texts if each)


def _request(operation: str, method: str, body: Mapping[str, Any] | None = None, **segments: str) -> Request:
    where = path(TEMPLATES[operation], operation, **segments)
    refusals = _READS if method == "GET" else _WRITES
    if "connectionId" in segments:
        explained = {**refusals.explanations, EndpointAbsentError: _GONE}
        refusals = replace(refusals, absent=_ABSENT, explanations=explained)
    return Request(operation, method, where, body, refusals, _VERSIONS.get(operation, "2023-02-01"))
