"""What the two kinds of endpoints that Atlas makes for a region share: their calls, their answers, and what names one."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_endpoints.atlas.answers import RefusedAnswer, classify
from atlas_endpoints.atlas.errors import (
    AtlasError,
    AtlasUnavailableError,
    EndpointAbsentError,
    MissingRoleError,
    ProjectNotFoundError,
    UpdateRejectedError,
)
from atlas_endpoints.atlas.requests import Request, Scope
from atlas_endpoints.kinds.backup_private_endpoint import KIND as BACKUP
from atlas_endpoints.kinds.backup_private_endpoint import BackupEndpointStatus
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.kind import KIND as ENCRYPTION
from atlas_endpoints.kinds.regional_resource import EndpointStatus
from atlas_endpoints.kinds.regions import place_of
from atlas_endpoints.reconcile.decision import Write
from atlas_endpoints.reconcile.kind import Named

PROJECT = "32b6e34b3d91647abb20e7b8"
ID, OTHER = "64b6e34b3d91647abb20e7b8", "74b6e34b3d91647abb20e7b8"
KEYS, BACKUPS = ENCRYPTION.api, BACKUP.api
KEYS_IN_AZURE, BACKUPS_IN_AWS = "/encryptionAtRest/AZURE/privateEndpoints", "/backup/AWS/privateEndpoints"
SCOPE, IN_AWS = Scope("", PROJECT, "", "AZURE"), Scope("", PROJECT, "", "AWS")
POST = KEYS.creation_of(SCOPE, {"regionName": "US_EAST_2"})
BACKUP_POST = BACKUPS.creation_of(IN_AWS, {"cloudProvider": "AWS", "regionName": "EU_WEST_1", "vpcRegionName": "EU_WEST_2"})  # fmt: skip
GET, DELETE = KEYS.get_of(SCOPE, ID), KEYS.deletion_of(SCOPE, ID)

REQUESTS: dict[str, tuple[Request, str, Mapping[str, Any] | None, str]] = {
    "the LIST for keys": (KEYS.list_of(SCOPE), f"GET {KEYS_IN_AZURE}", None, "2023-01-01"),
    "the LIST for backups": (BACKUPS.list_of(IN_AWS), f"GET {BACKUPS_IN_AWS}", None, "2024-11-13"),
    "a GET": (GET, f"GET {KEYS_IN_AZURE}/{ID}", None, "2023-01-01"),
    "a POST": (POST, f"POST {KEYS_IN_AZURE}", {"regionName": "US_EAST_2"}, "2023-01-01"),
    "a POST for backups": (BACKUP_POST, f"POST {BACKUPS_IN_AWS}", {"cloudProvider": "AWS", "regionName": "EU_WEST_1", "vpcRegionName": "EU_WEST_2"}, "2024-11-13"),
    "a DELETE": (DELETE, f"DELETE {KEYS_IN_AZURE}/{ID}", None, "2023-01-01"),
    "a GET for backups": (BACKUPS.get_of(IN_AWS, ID), f"GET {BACKUPS_IN_AWS}/{ID}", None, "2024-11-13"),
    "a DELETE for backups": (BACKUPS.deletion_of(IN_AWS, ID), f"DELETE {BACKUPS_IN_AWS}/{ID}", None, "2024-11-13"),
    "encryption at rest": (ENCRYPTION.get_request(SCOPE, "encryptionAtRest"), "GET /encryptionAtRest", None, "2023-01-01"),
    "the clusters": (ENCRYPTION.get_request(SCOPE, "clusters"), "GET /clusters", None, "2024-08-05"),
    "the export buckets": (BACKUP.get_request(SCOPE, "exportBuckets"), "GET /backup/exportBuckets", None, "2024-05-30"),
}  # fmt: skip
PAGED = {"the LIST for keys", "the LIST for backups", "the clusters", "the export buckets"}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_call(name: str) -> None:
    request, call, body, version = REQUESTS[name]
    method, _, path = call.partition(" ")
    assert (request.method, request.path, request.body) == (method, f"/api/atlas/v2/groups/{PROJECT}{path}", body)
    assert request.media_type == f"application/vnd.atlas.{version}+json"
    assert request.paged is (name in PAGED)


def test_each_operation_has_a_template_and_a_call() -> None:
    templates = ENCRYPTION.templates.keys() | BACKUP.templates.keys()
    assert {request.operation for request, _, _, _ in REQUESTS.values()} == templates


SHOWN = {"id": ID, "cloudProvider": "AWS", "regionName": "EU_WEST_1", "status": "ACTIVE"}
READ = EndpointStatus(id=ID, region="EU_WEST_1", status="ACTIVE")
ENTRIES: dict[str, tuple[object, EndpointStatus | None]] = {
    "as the specification has it": (SHOWN, READ),
    "with all its fields": (
        {**SHOWN, "status": "FAILED", "errorMessage": "no", "privateEndpointConnectionName": "pe"},
        EndpointStatus(id=ID, region="EU_WEST_1", status="FAILED", error_message="no", private_endpoint_connection_name="pe"),
    ),
    "an id alone": ({"id": ID}, EndpointStatus(id=ID)),
    "nulls": (dict.fromkeys(SHOWN) | {"id": ID}, EndpointStatus(id=ID)),
    "empty texts": (dict.fromkeys(SHOWN, "") | {"id": ID}, EndpointStatus(id=ID)),
    "values of other types": ({"id": ID, "status": 5, "regionName": ["x"], "errorMessage": {}}, EndpointStatus(id=ID, status="5")),
    "a region of another's": ({**SHOWN, "vpcRegionName": "EU_WEST_2"}, READ),
    "another endpoint": ({**SHOWN, "id": OTHER}, None),
    "an id that leads to another path": ({**SHOWN, "id": "../x"}, None),
    "an id of 4 MiB": ({**SHOWN, "id": "a" * (4 << 20)}, None),
    "no id": ({"status": "ACTIVE"}, None),
    "an id that is a number": ({"id": 5}, None),
    "a page": ({"results": [SHOWN]}, None),
    "a list": ([SHOWN], None),
    "no JSON": (None, None),
}  # fmt: skip


@pytest.mark.parametrize("name", ENTRIES)
def test_an_endpoint_is_read_leniently(name: str) -> None:
    answer, expected = ENTRIES[name]
    assert ENCRYPTION.got(ID, answer) == expected
    if expected is not None:
        assert ENCRYPTION.listed(answer) == (ID, expected)


VPC_REGIONS = {
    "another one": ({**SHOWN, "vpcRegionName": "EU_WEST_2"}, "EU_WEST_2"),
    "the same one": ({**SHOWN, "vpcRegionName": "EU_WEST_1"}, "EU_WEST_1"),
    "none, which is the region": (SHOWN, "EU_WEST_1"),
    "null, which is the region": ({**SHOWN, "vpcRegionName": None}, "EU_WEST_1"),
    "none at all": ({"id": ID}, None),
}


@pytest.mark.parametrize("name", VPC_REGIONS)
def test_the_region_of_the_vpc(name: str) -> None:
    answer, expected = VPC_REGIONS[name]
    found = BackupEndpointStatus.read(answer)
    assert found is not None
    assert found.vpc_region == expected


PLACES: dict[str, tuple[tuple[str, str, str | None], str]] = {
    "Atlas's name": (("AWS", "EU_WEST_1", None), "EU_WEST_1"),
    "the name of AWS": (("AWS", "eu-west-1", None), "EU_WEST_1"),
    "the name of Azure": (("AZURE", "westeurope", None), "EUROPE_WEST"),
    "a name that is Azure's only": (("AWS", "westeurope", None), "WESTEUROPE"),
    "an unknown one": (("AZURE", "moonbase", None), "MOONBASE"),
    "a pair of the same": (("AWS", "eu-west-1", "EU_WEST_1"), "EU_WEST_1"),
    "a pair": (("AWS", "eu-west-1", "us-east-1"), "EU_WEST_1 from US_EAST_1"),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_place_is_named_by_its_meaning(name: str) -> None:
    given, expected = PLACES[name]
    assert place_of(*given) == expected


@pytest.mark.parametrize("name", PLACES)
def test_an_object_names_the_place_in_its_spec_and_shows_that_of_its_status(name: str) -> None:
    (provider, region, vpc_region), place = PLACES[name]
    regions = {"region": region} if vpc_region is None else {"region": region, "vpcRegion": vpc_region}
    assert BACKUP.named_by({"spec": {"providerName": provider, **regions}}) == Named(place)
    if name != "a name that is Azure's only":
        label = BACKUP.label(BackupEndpointStatus(id=ID, region=region, vpc_region=vpc_region))
        assert label == Named(place).exclusive
    shown, _, vpc_shown = place.partition(" from ")
    status = {"endpoint": {"id": ID, "region": shown, "vpcRegion": vpc_shown or shown}}
    assert BACKUP.shown_in(status) == (place, ID)
    assert BACKUP.named_by({"spec": {"providerName": provider, **regions}, "status": status}).recorded == ID


@pytest.mark.parametrize("body", [{}, {"spec": 7, "status": []}, {"spec": {"region": 7}}, {"spec": {"region": "EU_WEST_1"}}])  # fmt: skip
def test_an_object_of_any_shape_names_nothing(body: dict[str, Any]) -> None:
    assert BACKUP.named_by(body) == Named(None)
    assert BACKUP.entry_of(body) is None


@pytest.mark.parametrize("status", [{}, {"endpoint": []}, {"endpoint": {"id": ID}}, {"endpoint": {"region": 5}}])
def test_a_status_of_any_shape_shows_nothing(status: dict[str, Any]) -> None:
    assert BACKUP.shown_in(status) == ()


def test_what_no_object_names_is_found_by_its_place() -> None:
    entries = {ID: READ, OTHER: EndpointStatus(id=OTHER, region="EU_WEST_2")}
    assert ENCRYPTION.unnamed(SCOPE, entries, [Named("EU_WEST_1")]) == {"Endpoints": [f"{OTHER} for EU_WEST_2"]}


def made(region: str, status: str) -> BackupEndpointStatus:
    return BackupEndpointStatus(id=ID, region=region, vpc_region="EU_WEST_2", status=status)


CREATED: dict[str, tuple[object, BackupEndpointStatus | None]] = {
    "what Atlas shows": ({**SHOWN, "regionName": "eu-west-1"}, made("eu-west-1", "ACTIVE")),
    "a region that nobody knows": ({**SHOWN, "regionName": "IRELAND"}, made("IRELAND", "ACTIVE")),
    "another region": ({**SHOWN, "regionName": "US_EAST_2"}, None),
    "another region of the VPC": ({**SHOWN, "vpcRegionName": "US_EAST_2"}, None),
    "a cloud that nobody knows": ({**SHOWN, "cloudProvider": "OCI"}, made("EU_WEST_1", "ACTIVE")),
    "what was sent besides": ({"id": ID, "status": "INITIATING", "regionName": None}, made("EU_WEST_1", "INITIATING")),
    "no id": ({"status": "INITIATING"}, None),
    "a list": ([{"id": ID}], None),
    "no JSON": (None, None),
}  # fmt: skip


@pytest.mark.parametrize("name", CREATED)
def test_the_answer_to_a_post(name: str) -> None:
    answer, expected = CREATED[name]
    assert BACKUP.written(Write(BACKUP_POST), answer) == (None if expected is None else (ID, expected))


def refusal(request: Request, status: int, code: str = "", detail: str = "") -> AtlasError:
    body = f'{{"errorCode": "{code}", "detail": "{detail}"}}'.encode()
    return classify(RefusedAnswer(status, {}, body), request, now=datetime(2026, 11, 30, tzinfo=UTC))


BLOCKED = "ENCRYPTION_AT_REST_PRIVATE_ENDPOINT_DELETE_BLOCKED_DURING_PROVISIONING"
EARLY: dict[str, tuple[Request, int, str, str, bool]] = {
    "as it was seen": (DELETE, 400, BLOCKED, "… during IN_PROGRESS state. Please try again later.", True),
    "its code alone": (DELETE, 400, BLOCKED, "", True),
    "its words alone": (DELETE, 400, "ODD", "The endpoint is busy. Please try again later.", True),
    "a 409": (DELETE, 409, "ODD_IN_PROGRESS", "", True),
    "another refusal": (DELETE, 400, "IN_USE", "somebody uses it", False),
    "a failure": (DELETE, 500, BLOCKED, "try again later", False),
    "a rate limit": (DELETE, 429, "RATE_LIMITED", "try again later", False),
    "a POST": (POST, 400, "ODD", "try again later", False),
}


@pytest.mark.parametrize("name", EARLY)
def test_whether_a_delete_came_too_early(name: str) -> None:
    request, status, code, detail, expected = EARLY[name]
    assert ENCRYPTION.is_early(refusal(request, status, code, detail)) is expected


THERE: dict[str, tuple[Request, int, str, str, bool]] = {
    "a 409": (POST, 409, "ODD", "", True),
    "a code": (POST, 400, "PRIVATE_ENDPOINT_ALREADY_EXISTS", "", True),
    "words": (POST, 400, "ODD", "An endpoint already exists in this region.", True),
    "something has to exist": (POST, 400, "ODD", "A key must exist.", False),
    "something does not exist": (POST, 400, "ODD", "The region does not exist.", False),
    "a wrong region": (POST, 400, "INVALID_ENUM_VALUE", "regionName is wrong", False),
    "a failure": (POST, 500, "EXISTS", "", False),
    "a DELETE": (DELETE, 409, "EXISTS", "", False),
    "a role": (POST, 403, "USER_UNAUTHORIZED", "exists", False),
}


@pytest.mark.parametrize("name", THERE)
def test_whether_a_post_was_refused_since_the_endpoint_is_there(name: str) -> None:
    request, status, code, detail, expected = THERE[name]
    assert ENCRYPTION.is_outdated(refusal(request, status, code, detail)) is expected


ABSENT = "ENCRYPTION_AT_REST_PRIVATE_ENDPOINT_NOT_FOUND"
LIST = KEYS.list_of(SCOPE)
REFUSED: dict[str, tuple[Request, int, str, type[AtlasError], str]] = {
    "a GET with a code that nobody knows": (GET, 404, ABSENT, EndpointAbsentError, "force-sync"),
    "a DELETE with it": (DELETE, 404, ABSENT, EndpointAbsentError, ""),
    "a POST with it, whose path names no endpoint": (POST, 404, ABSENT, UpdateRejectedError, ""),
    "the project": (GET, 404, "GROUP_NOT_FOUND", ProjectNotFoundError, ""),
    "a path": (GET, 404, "RESOURCE_NOT_FOUND", AtlasUnavailableError, ""),
    "no role, by a code": (LIST, 401, "USER_UNAUTHORIZED", MissingRoleError, "Project Owner in the project, even to read"),
    "no role": (LIST, 403, "", MissingRoleError, "Project Owner in the project, even to read"),
    "no role for the clusters": (ENCRYPTION.get_request(SCOPE, "clusters"), 403, "", MissingRoleError, "Project Read Only"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_refusal_means(name: str) -> None:
    request, status, code, expected, says = REFUSED[name]
    error = refusal(request, status, code)
    assert type(error) is expected
    assert says in error.message


NAMES = ["id", "status", "regionName", "name", "bucketName", "awsKms", "azureKeyVault", "replicationSpecs", "regionConfigs"]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=10,
)


@given(JSON)
def test_no_answer_raises(answer: object) -> None:
    BACKUP.listed(answer)
    BACKUP.written(Write(BACKUP_POST), answer)
    ENCRYPTION.got(ID, answer)
    for name in ENCRYPTION.reads:
        ENCRYPTION.got(name, answer)
    BACKUP.got("exportBuckets", answer)
