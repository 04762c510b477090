"""The fourth family of operations: private endpoints that Atlas makes for a region, and what needs them.

Those for encryption at rest and those for backups differ in little; what needs them are a project's encryption at rest
(clusters show it themselves) and its export buckets.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from atlas_endpoints.simulator.body import read_fields, read_flag, read_text, require_text
from atlas_endpoints.simulator.endpoint import AWS
from atlas_endpoints.simulator.exchange import api_error, to_json
from atlas_endpoints.simulator.pages import page
from atlas_endpoints.simulator.regional_endpoint import (
    ACTIVE,
    APPROVED,
    BACKUP,
    DELETED,
    DELETING,
    ENCRYPTION,
    INITIATING,
    PENDING_ACCEPTANCE,
    PENDING_RECREATION,
    PURPOSES,
    REPLACED,
    EncryptionDocument,
    ExportBucketDocument,
    Purpose,
    RegionalEndpoint,
    RegionalEndpointDocument,
)
from atlas_endpoints.simulator.regions import BACKUP_REGIONS, is_region
from atlas_endpoints.simulator.routes import Call, Family, Operation, check_content_type
from atlas_endpoints.simulator.switches import RateLimit
from atlas_endpoints.simulator.world import Project, World

_GROUP = "/api/atlas/v2/groups/{groupId}"
_BLOCKS = {"AWS": "awsKms", "AZURE": "azureKeyVault"}
_SWITCHES = ("enabled", "requirePrivateNetworking")
_VAULT = ("subscriptionID", "resourceGroupName", "keyVaultName")
_BUCKETS_VERSION = "2024-05-30"
_BUCKETS_LIMIT = RateLimit(capacity=1200, refill_rate=1200)


class Regional:
    """Answers the operations of the family, and does what people and time do to the endpoints."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.turned.append(self._turn)

    def operations(self) -> Family:
        """Return the operations."""
        family: dict[str, dict[str, Operation]] = {}
        for purpose in PURPOSES:
            endpoints = f"{_GROUP}/{purpose.name}/{{cloudProvider}}/privateEndpoints"
            operation = partial(self._operation, purpose)
            family[endpoints] = {
                "GET": operation("getPrivateEndpoints", self._list),
                "POST": operation("createPrivateEndpoint", self._create, writes=True),
            }
            family[endpoints + "/{endpointId}"] = {
                "GET": operation("getPrivateEndpoint", self._get),
                "DELETE": operation("requestPrivateEndpointDeletion", self._delete, writes=True),
            }
        encryption, buckets = "ApiAtlasEncryptionAtRestResource::", "ApiAtlasDiskBackupExportBucketsResource::"
        admit = partial(self._world.admit, limited=ENCRYPTION.name)
        bucket = partial(Operation, admit=self._admit_buckets, version=_BUCKETS_VERSION)
        return family | {
            f"{_GROUP}/encryptionAtRest": {
                "GET": Operation(encryption + "getEncryptionAtRest", self._get_encryption),
                "PATCH": Operation(encryption + "updateEncryptionAtRest", self._update_encryption, admit, writes=True),
            },
            f"{_GROUP}/backup/exportBuckets": {
                "GET": bucket(buckets + "getAllExportBucketsByGroup", self._list_buckets)
            },
            f"{_GROUP}/backup/exportBuckets/{{exportBucketId}}": {
                "PATCH": bucket(buckets + "updateExportBucket", self._update_bucket, writes=True)
            },
        }

    def put(self, project: Project, document: RegionalEndpointDocument) -> RegionalEndpoint | None:
        """Put, change or remove an endpoint directly, or do what a person does to its connection in the cloud.

        Returns:
            The endpoint, or ``None`` if there is none.
        """
        self._world.settle()
        endpoint = project.regional_endpoints.get(document.id or "")
        if document.id is None:
            endpoint = _find(project, document.place)
        if document.remove and endpoint is not None:
            self._forget(project, endpoint)
        if document.remove or (endpoint is None and document.connection is not None):
            return None
        names, status = self._world.names, document.status
        if endpoint is None:
            endpoint = RegionalEndpoint(document.id or names.object_id(), *document.place)
            status = status or ACTIVE
        if status is not None:
            endpoint.put(status, names)
        for name in document.model_fields_set & {"connection_name", "error_message", "extra"}:
            setattr(endpoint, name, getattr(document, name))
        moved = self._connect(endpoint, document.connection)
        if moved or status is not None:
            self._entered(project, endpoint)
        else:
            self._show(project, endpoint)
        return endpoint

    def put_encryption(self, project: Project, document: EncryptionDocument) -> dict[str, Any]:
        """Change the encryption at rest of a project; return it as the API shows it."""
        for name, block in document.model_dump(by_alias=True, exclude_unset=True, exclude={"project_id"}).items():
            if block is None:
                project.encryption[name] = None
            else:
                known = project.encryption.get(name) or {}
                project.encryption[name] = known | block
        return self.encryption(project)

    def encryption(self, project: Project) -> dict[str, Any]:
        """Return the encryption at rest of a project as the API shows it."""
        shown: dict[str, Any] = {"googleCloudKms": {"enabled": False, "valid": False}}
        for name in _BLOCKS.values():
            block = project.encryption.get(name, {})
            if block is not None:
                enabled = block.get("enabled", False)
                shown[name] = {"enabled": enabled, "requirePrivateNetworking": False, "valid": enabled} | block
        return dict(sorted(shown.items()))

    def put_bucket(self, project: Project, document: ExportBucketDocument) -> dict[str, Any] | None:
        """Put, change or remove an export bucket; return it as the API shows it, or ``None`` if it is gone."""
        if document.remove:
            project.export_buckets.pop(document.bucket_name, None)
            return None
        names = self._world.names
        known = project.export_buckets.get(document.bucket_name) or {
            "_id": names.object_id(),
            "cloudProvider": AWS,
            "iamRoleId": names.object_id(),
            "requirePrivateNetworking": False,
        }
        given = document.model_dump(by_alias=True, exclude_unset=True, exclude={"project_id", "remove"})
        bucket = {name: value for name, value in sorted((known | given).items()) if value is not None}
        project.export_buckets[document.bucket_name] = bucket
        return bucket

    def _operation(
        self,
        purpose: Purpose,
        name: str,
        perform: Callable[[Purpose, Call], tuple[int, bytes]],
        *,
        writes: bool = False,
    ) -> Operation:
        resource = "".join(word.capitalize() for word in purpose.code.split("_"))
        java_method = f"ApiAtlas{resource}PrivateEndpointResource::{name}"
        done, admit = partial(perform, purpose), partial(self._admit, purpose)
        return Operation(java_method, done, admit, writes, version=purpose.version, needs_owner=True)

    def _admit(self, purpose: Purpose, call: Call) -> None:
        self._world.admit(call, purpose.name)
        if call.names["cloudProvider"] not in purpose.clouds:
            raise api_error("INVALID_ENUM_VALUE", call.names["cloudProvider"])

    def _admit_buckets(self, call: Call) -> None:
        self._world.admit(call, "exportBuckets", _BUCKETS_LIMIT)

    def _list(self, purpose: Purpose, call: Call) -> tuple[int, bytes]:
        listing = self._world.project(call).listings[purpose.listing(call.names["cloudProvider"])]
        return 200, to_json(page(call.request, listing.documents(), json.loads))

    def _create(self, purpose: Purpose, call: Call) -> tuple[int, bytes]:
        check_content_type(call.request)
        project, cloud, switches = self._world.project(call), call.names["cloudProvider"], self._world.switches
        region, vpc_region = _read(call.request.body, purpose, cloud)
        if purpose == ENCRYPTION:
            block = self.encryption(project).get(_BLOCKS[cloud], {})
            if not (block.get("enabled") and block["requirePrivateNetworking"]):
                raise api_error("ENCRYPTION_AT_REST_PRIVATE_NETWORKING_NOT_ENABLED", cloud)
        new = RegionalEndpoint(self._world.names.object_id(), purpose, cloud, region, vpc_region)
        taken = any(each.place == new.place for each in project.regional_endpoints.values())
        if taken and not switches.regional.second_endpoint:
            raise api_error(f"{purpose.code}_PRIVATE_ENDPOINT_ALREADY_EXISTS_FOR_REGION", cloud, region)
        self._entered(project, new)
        return purpose.created, new.render(switches)

    def _get(self, purpose: Purpose, call: Call) -> tuple[int, bytes]:
        return 200, self._endpoint(purpose, call).render(self._world.switches)

    def _delete(self, purpose: Purpose, call: Call) -> tuple[int, bytes]:
        endpoint = self._endpoint(purpose, call)
        if endpoint.status == INITIATING:
            raise api_error(f"{purpose.code}_PRIVATE_ENDPOINT_DELETE_BLOCKED_DURING_PROVISIONING", f"[{endpoint.id}]")
        if endpoint.status != DELETING and endpoint.unseen != DELETED:
            endpoint.unseen = DELETED
            self._entered(self._world.project(call), endpoint)
        return 204, b""

    def _get_encryption(self, call: Call) -> tuple[int, bytes]:
        return 200, to_json(self.encryption(self._world.project(call)))

    def _update_encryption(self, call: Call) -> tuple[int, bytes]:
        project = self._world.project(call)
        check_content_type(call.request)
        fields = read_fields(call.request.body, {*_BLOCKS.values(), "enabledForSearchNodes", "googleCloudKms"})
        changed: dict[str, dict[str, Any]] = {}
        for cloud, name in _BLOCKS.items():
            if block := _read_block(fields, name):
                known = project.encryption.get(name) or {}
                is_alone = fields[name] == {"enabled": False}  # then it also removes what is known of the keys
                changed[name] = block if is_alone else known | block
                endpoints = project.regional_endpoints.values()
                regions = {each.region for each in endpoints if each.listing == ENCRYPTION.listing(cloud)}
                _check_off(known, changed[name], regions)
        project.encryption.update(changed)
        return self._get_encryption(call)

    def _list_buckets(self, call: Call) -> tuple[int, bytes]:
        buckets = [*self._world.project(call).export_buckets.values()]
        return 200, to_json(page(call.request, buckets, dict))

    def _update_bucket(self, call: Call) -> tuple[int, bytes]:
        bucket_id, switch = call.names["exportBucketId"], "requirePrivateNetworking"
        buckets = {each["_id"]: each for each in self._world.project(call).export_buckets.values()}
        if bucket_id not in buckets:
            raise api_error("EXPORT_BUCKET_NOT_FOUND", bucket_id)
        check_content_type(call.request)
        fields = read_fields(call.request.body, {switch})
        if fields.get(switch) is None:
            raise api_error("MISSING_ATTRIBUTE", switch)
        buckets[bucket_id][switch] = read_flag(fields, switch)
        return 200, to_json(buckets[bucket_id])

    def _endpoint(self, purpose: Purpose, call: Call) -> RegionalEndpoint:
        endpoint = self._world.project(call).regional_endpoints.get(call.names["endpointId"])
        if endpoint is None or (endpoint.purpose, endpoint.cloud_provider) != (purpose, call.names["cloudProvider"]):
            raise api_error(f"{purpose.code}_PRIVATE_ENDPOINT_NOT_FOUND", call.names["endpointId"])
        return endpoint

    def _connect(self, endpoint: RegionalEndpoint, deed: str | None) -> bool:
        """Do what a person does to a connection; return whether a status begins or ends by it."""
        if endpoint.unseen is not None:
            return False
        if deed == "approve" and endpoint.status == PENDING_ACCEPTANCE:
            endpoint.unseen = APPROVED
            return True
        if deed == "reject" and endpoint.status == ACTIVE:
            endpoint.put(PENDING_RECREATION, self._world.names)
            return True
        return False

    def _entered(self, project: Project, endpoint: RegionalEndpoint) -> None:
        project.regional_endpoints[endpoint.id] = endpoint
        self._show(project, endpoint)
        self._world.enter(endpoint, partial(self._advance, project, endpoint))

    def _advance(self, project: Project, endpoint: RegionalEndpoint) -> None:
        names = self._world.names
        is_recreated = endpoint.status == PENDING_RECREATION and endpoint.unseen is None
        if is_recreated and self._world.switches.regional.recreation_changes_id:
            endpoint.unseen = REPLACED
            self._entered(project, endpoint)
            self._entered(project, RegionalEndpoint(names.object_id(), *endpoint.place))
        elif endpoint.advance(names):
            self._entered(project, endpoint)
        else:
            self._forget(project, endpoint)

    def _forget(self, project: Project, endpoint: RegionalEndpoint) -> None:
        endpoint.epoch += 1  # what was planned no longer applies
        del project.regional_endpoints[endpoint.id]
        self._world.list(project.listings[endpoint.listing], endpoint.id, None)

    def _show(self, project: Project, endpoint: RegionalEndpoint) -> None:
        shown = endpoint.render(self._world.switches)
        self._world.list(project.listings[endpoint.listing], endpoint.id, shown)

    def _turn(self) -> None:
        switches = self._world.switches
        for project in self._world.projects.values():
            endpoints = project.regional_endpoints.values()
            for name in [purpose.listing(cloud) for purpose in PURPOSES for cloud in purpose.clouds]:
                shown = {each.id: each.render(switches) for each in endpoints if each.listing == name}
                project.listings[name].show_only(shown)
            for endpoint in endpoints:
                self._world.plan(endpoint, partial(self._advance, project, endpoint))


def _find(project: Project, place: tuple[Purpose, str, str, str]) -> RegionalEndpoint | None:
    """Return the endpoint of a place; of several, one that stays."""
    there = [each for each in project.regional_endpoints.values() if each.place == place]
    return min(there, key=lambda each: each.unseen == REPLACED or each.status == DELETING, default=None)


def _read(body: bytes, purpose: Purpose, cloud: str) -> tuple[str, str]:
    """Read the body of a POST; return the regions; raise ApiError 400."""
    known = {"cloudProvider", "regionName"} | ({"vpcRegionName"} if purpose == BACKUP else set())
    fields = read_fields(body, known)
    if read_text(fields, "cloudProvider") not in {None, cloud}:
        raise api_error("INVALID_ATTRIBUTE", "cloudProvider")
    region = require_text(fields, "regionName")
    vpc_region = read_text(fields, "vpcRegionName") or region
    for each in (region, vpc_region):
        if not is_region(cloud, each):
            raise api_error("INVALID_ENUM_VALUE", each)
    if purpose == BACKUP and region not in BACKUP_REGIONS:
        raise api_error("INVALID_ENUM_VALUE", region)
    return region, vpc_region


def _read_block(fields: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what a PATCH says of the keys in a cloud; what is null, or no answer shows, is left out."""
    block: Any = {} if fields.get(name) is None else fields[name]
    if not isinstance(block, dict):
        raise api_error("INVALID_JSON_ATTRIBUTE", name)
    known = _SWITCHES + _VAULT if name == _BLOCKS["AZURE"] else _SWITCHES
    given = [each for each in known if block.get(each) is not None]
    return {each: read_flag(block, each) if each in _SWITCHES else read_text(block, each) for each in given}


def _check_off(before: dict[str, Any], after: dict[str, Any], regions: set[str]) -> None:
    """Raise ApiError 400 if a switch goes off while there are endpoints, which are in these regions."""
    off = [switch for switch in _SWITCHES if regions and before.get(switch) and not after.get(switch)]
    if "enabled" in off:
        raise api_error("CANNOT_DISABLE_ENCRYPTION_AT_REST_DUE_TO_PRIVATE_ENDPOINTS")
    if off:
        code = "CANNOT_DISABLE_ENCRYPTION_AT_REST_REQUIRE_PRIVATE_NETWORKING_WHILE_PRIVATE_ENDPOINTS_EXIST"
        raise api_error(code, ", ".join(sorted(regions)))
