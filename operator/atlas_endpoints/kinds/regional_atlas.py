"""Private endpoints that Atlas makes for a region, in the Atlas Admin API: models and requests as data. Pure.

Those for encryption at rest and those for backups differ in path, version and one field. Nothing of them was ever recorded, so what
Atlas sends is read leniently. Source: https://www.mongodb.com/docs/api/doc/atlas-admin-api-v2.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from typing_extensions import override

from atlas_endpoints.atlas.answers import text_of
from atlas_endpoints.atlas.errors import (
    AtlasError,
    EndpointAbsentError,
    InvalidRequestError,
    MissingRoleError,
    UpdateRejectedError,
)
from atlas_endpoints.atlas.requests import PAGE, Refusals, Request, path
from atlas_endpoints.kinds.made_by_atlas_resource import Made
from atlas_endpoints.kinds.refusals import says_that_it_exists, words_of
from atlas_endpoints.kinds.regions import atlas_name, is_other_region

T = TypeVar("T")

GROUP = "/api/atlas/v2/groups/{groupId}"

REFUSALS = Refusals(
    # No code of these calls is documented. Those that mean something else are known for all calls.
    absent=("_NOT_FOUND",),
    explanations={
        EndpointAbsentError: (
            "Atlas no longer has the endpoint in status.endpoint. To have it created again, set spec.driftPolicy to Correct, or set the"
            " annotation atlas-endpoints.dev/force-sync."
        ),
        InvalidRequestError: "Atlas cannot parse the request: projectId is malformed, or Atlas has no such endpoints in this cloud. To correct it, {wrong_field}.",
        MissingRoleError: (
            "The credentials may not do this: Atlas demands the role Project Owner in the project, even to read these endpoints. Grant"
            " it to the service account or API key in Atlas (Project Settings, Access Manager). {then}"
        ),
    },
)
"""What the refusals of these calls mean."""

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""The ID of an endpoint, which is used in paths and ConfigMaps."""


class EndpointState(StrEnum):
    """The known statuses of an endpoint."""

    INITIATING = "INITIATING"
    PENDING_ACCEPTANCE = "PENDING_ACCEPTANCE"
    ACTIVE = "ACTIVE"
    FAILED = "FAILED"
    PENDING_RECREATION = "PENDING_RECREATION"
    DELETING = "DELETING"


@dataclass(frozen=True, slots=True)
class Endpoint(Made):
    """An endpoint; ``status`` may be a word that is no ``EndpointState``.

    Attributes:
        region, vpc_region: as Atlas spells them; None also if such endpoints have no VPC region.
    """

    id: str
    provider: str | None = None
    region: str | None = None
    vpc_region: str | None = None
    status: str | None = None
    error_message: str | None = None
    private_endpoint_connection_name: str | None = None

    @property
    @override
    def place(self) -> str:
        """The region, or the pair of them, for which Atlas has made it; "": it is not known."""
        # Without a cloud, Azure's names: those of AWS's regions mean the same by them.
        return "" if self.region is None else place_of(self.provider or "AZURE", self.region, self.vpc_region)


def place_of(provider: str, region: str, vpc_region: str | None = None) -> str:
    """Return a region in Atlas's words; with the region of the VPC, if that is another one. People can read it."""
    name, vpc_name = atlas_name(provider, region), atlas_name(provider, vpc_region or region)
    return name if name == vpc_name else f"{name} from {vpc_name}"


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls for endpoints of one purpose.

    Attributes:
        list, get, create, delete: the operations, by their names in Atlas's API reference.
        below: the part of their paths that names the purpose.
        has_vpc_region: whether an endpoint has one, which is the region if Atlas shows none.
    """

    list: str
    get: str
    create: str
    delete: str
    below: str
    api_version: str
    has_vpc_region: bool = False

    @property
    def templates(self) -> Mapping[str, str]:
        """The path of each operation, as in Atlas's API reference."""
        every = f"{GROUP}/{self.below}/{{cloudProvider}}/privateEndpoints"
        one = f"{every}/{{endpointId}}"
        return {self.list: every, self.create: every, self.get: one, self.delete: one}

    def list_of(self, project_id: str, provider: str) -> Request:
        """Return the LIST of the endpoints of a provider, in pages."""
        return replace(self._request(self.list, "GET", groupId=project_id, cloudProvider=provider), paged=True)

    def get_of(self, project_id: str, provider: str, endpoint_id: str) -> Request:
        """Return the GET of one endpoint."""
        return self._request(self.get, "GET", groupId=project_id, cloudProvider=provider, endpointId=endpoint_id)

    def creation_of(self, project_id: str, provider: str, body: Mapping[str, str]) -> Request:
        """Return the POST of an endpoint; what a second one for its region does is not known."""
        return self._request(self.create, "POST", body, groupId=project_id, cloudProvider=provider)

    def deletion_of(self, project_id: str, provider: str, endpoint_id: str) -> Request:
        """Return the DELETE of one endpoint."""
        return self._request(self.delete, "DELETE", groupId=project_id, cloudProvider=provider, endpointId=endpoint_id)

    def endpoint_in(self, answer: Any, endpoint_id: str | None = None) -> Endpoint | None:
        """Return the endpoint in an answer, or None if it is none or another one than ``endpoint_id``."""
        found = answer.get("id") if isinstance(answer, dict) else None
        if not isinstance(found, str) or not _ID.fullmatch(found) or endpoint_id not in {None, found}:
            return None
        region = text_of(answer.get("regionName")) or None
        vpc_region = text_of(answer.get("vpcRegionName")) or region
        return Endpoint(
            found,
            provider=text_of(answer.get("cloudProvider")) or None,
            region=region,
            vpc_region=vpc_region if self.has_vpc_region else None,
            status=text_of(answer.get("status")) or None,
            error_message=text_of(answer.get("errorMessage")) or None,
            private_endpoint_connection_name=text_of(answer.get("privateEndpointConnectionName")) or None,
        )

    def created(self, request: Request, answer: Any) -> Endpoint | None:
        """Return the endpoint in the answer to a POST, or None if it is of another region; fields that are missing are those that were sent."""
        body = request.body or {}
        sent = {name: body[name] for name in ("regionName", "vpcRegionName", "cloudProvider") if name in body}
        shown = {name: value for name, value in answer.items() if value} if isinstance(answer, dict) else {}
        endpoint, asked = self.endpoint_in({**sent, **shown}), self.endpoint_in({**sent, "id": shown.get("id")})
        if endpoint is None or asked is None:
            return None
        provider = endpoint.provider or "AWS"
        pairs = ((endpoint.region, asked.region), (endpoint.vpc_region, asked.vpc_region))
        return None if any(is_other_region(provider, one, other or "") for one, other in pairs) else endpoint

    def is_there(self, error: AtlasError) -> bool:
        """Return whether Atlas refuses a POST because it has an endpoint of this region; the code of that is not known."""
        return says_that_it_exists(error, self.create)

    def is_early(self, error: AtlasError) -> bool:
        """Return whether Atlas refuses a DELETE only because it still makes the endpoint."""
        if error.operation != self.delete or not isinstance(error, UpdateRejectedError):
            return False
        return any(each in words_of(error) for each in ("blocked during", "in progress", "try again later"))

    def _request(self, operation: str, method: str, body: Mapping[str, str] | None = None, **segments: str) -> Request:
        where = path(self.templates[operation], operation, **segments)
        refusals = REFUSALS if "endpointId" in segments else replace(REFUSALS, absent=())
        return Request(operation, method, where, body, refusals, self.api_version)


@dataclass(frozen=True, slots=True)
class ProjectRead:
    """Something of a project beside the endpoints, which is only read.

    Attributes:
        operation: by its name in Atlas's API reference.
        below: the rest of its path, below the project.
        page_size: see ``Request``.
        parse: returns its value from the answer, or from the list of all items if that comes in pages; None: it is not readable.
    """

    operation: str
    below: str
    api_version: str
    parse: Callable[[Any], Any | None]
    paged: bool = False
    page_size: int = PAGE

    @property
    def template(self) -> str:
        """Its path, as in Atlas's API reference."""
        return f"{GROUP}/{self.below}"

    def request_of(self, project_id: str) -> Request:
        """Return its GET."""
        where = path(self.template, self.operation, groupId=project_id)
        request = Request(self.operation, "GET", where, api_version=self.api_version)
        return replace(request, paged=self.paged, page_size=self.page_size)


def all_of(items: Any, parse: Callable[[Any], T | None]) -> Sequence[T] | None:
    """Return the values of all items of a list, or None if one of them has none: what is not readable may need an endpoint."""
    found = [parse(each) for each in items] if isinstance(items, list) else [None]
    values = tuple(each for each in found if each is not None)
    return values if len(values) == len(found) else None
