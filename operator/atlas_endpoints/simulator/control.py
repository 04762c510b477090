"""The control API under ``/_simulator/``: it shows and changes what the simulator holds."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from pydantic import Field, TypeAdapter, model_validator

from atlas_endpoints.simulator.auth import ApiKey, ServiceAccount
from atlas_endpoints.simulator.cluster import ClusterDocument
from atlas_endpoints.simulator.endpoint import EndpointDocument, ObjectId, Provider
from atlas_endpoints.simulator.exchange import Answer, Request, to_json
from atlas_endpoints.simulator.federation_endpoint import FederationEndpointDocument
from atlas_endpoints.simulator.regional_endpoint import (
    BACKUP,
    ENCRYPTION,
    BackupEndpointDocument,
    EncryptionDocument,
    EncryptionEndpointDocument,
    ExportBucketDocument,
    Purpose,
    RegionalEndpointDocument,
)
from atlas_endpoints.simulator.seed import InstanceName
from atlas_endpoints.simulator.service import Service, ServiceDocument
from atlas_endpoints.simulator.services import cluster_document, put_cluster
from atlas_endpoints.simulator.simulator import Simulator
from atlas_endpoints.simulator.stream_endpoint import StreamConnectionDocument, StreamEndpointDocument
from atlas_endpoints.simulator.switches import Document, InvalidDocumentError, RateLimit, parse, parse_json
from atlas_endpoints.simulator.world import Instance, Mode, Project

PREFIX = "_simulator"
_Handler = Callable[[Request], Any]


class ModeChange(Document):
    """Body of ``POST mode``."""

    mode: Mode


class EndpointChange(Document):
    """Body of ``POST endpoints``; ``remove`` and ``advance`` may also stand beside the endpoint."""

    project_id: ObjectId
    instance_name: InstanceName
    endpoint: EndpointDocument = EndpointDocument()

    @model_validator(mode="before")
    @classmethod
    def _gather_flags(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        flags = {name: value[name] for name in ("remove", "advance") if name in value}
        rest = {name: each for name, each in value.items() if name not in flags}
        endpoint = rest.get("endpoint", {})
        return rest | {"endpoint": flags | endpoint} if isinstance(endpoint, dict) else rest


class InstanceChange(Document):
    """Body of ``POST instances``: adds an instance and its project, or removes one."""

    project_id: ObjectId
    name: InstanceName | None = None
    provider_name: Provider = "AWS"
    region_name: str = "US_EAST_1"
    rate_limit: RateLimit | None = None
    remove: bool = False


class ServiceChange(ServiceDocument):
    """Body of ``POST endpointServices``: puts, changes or removes a service, or some of its endpoints."""

    project_id: ObjectId


class ClusterChange(ClusterDocument):
    """Body of ``POST clusters``: puts, changes or removes a cluster."""

    project_id: ObjectId


class RegionalModeChange(Document):
    """Body of ``POST regionalMode``: switches the regional mode of a project."""

    project_id: ObjectId
    enabled: bool


class FederationEndpointChange(FederationEndpointDocument):
    """Body of ``POST dataFederationEndpoints``: puts, changes or removes an endpoint of Data Federation."""

    project_id: ObjectId


class EncryptionChange(EncryptionDocument):
    """Body of ``POST encryptionAtRest``: changes the encryption at rest of a project."""

    project_id: ObjectId


class EncryptionEndpointChange(EncryptionEndpointDocument):
    """Body of ``POST encryptionAtRestEndpoints``: puts, changes or removes an endpoint for encryption at rest."""

    project_id: ObjectId


class BackupEndpointChange(BackupEndpointDocument):
    """Body of ``POST backupEndpoints``: puts, changes or removes an endpoint for backups."""

    project_id: ObjectId


class ExportBucketChange(ExportBucketDocument):
    """Body of ``POST exportBuckets``: puts, changes or removes an export bucket."""

    project_id: ObjectId


class StreamEndpointChange(StreamEndpointDocument):
    """Body of ``POST streamEndpoints``: puts, changes or removes an endpoint of Stream Processing."""

    project_id: ObjectId


class StreamConnectionChange(StreamConnectionDocument):
    """Body of ``POST streamConnections``: puts, changes or removes a connection of a stream workspace."""

    project_id: ObjectId


class CredentialsChange(Document):
    """Body of ``POST credentials``.

    Attributes:
        service_accounts: Added, or replaced by client id.
        api_keys: Added, or replaced by public key.
        remove: Client ids and public keys to remove; their tokens end with them.
        revoke_tokens: Client ids whose tokens end at once; ``true``: all tokens.
    """

    service_accounts: tuple[ServiceAccount, ...] = ()
    api_keys: tuple[ApiKey, ...] = ()
    remove: tuple[str, ...] = ()
    revoke_tokens: bool | tuple[str, ...] = Field(default=False)


Change = TypeVar(
    "Change",
    ServiceChange,
    ClusterChange,
    FederationEndpointChange,
    EncryptionChange,
    RegionalModeChange,
    EncryptionEndpointChange,
    BackupEndpointChange,
    ExportBucketChange,
    StreamEndpointChange,
    StreamConnectionChange,
)

_MODE = TypeAdapter(ModeChange)
_ENDPOINTS = TypeAdapter(list[EndpointChange])
_INSTANCES = TypeAdapter(list[InstanceChange])
_SERVICES = TypeAdapter(list[ServiceChange])
_CLUSTERS = TypeAdapter(list[ClusterChange])
_FEDERATION_ENDPOINTS = TypeAdapter(list[FederationEndpointChange])
_ENCRYPTION = TypeAdapter(list[EncryptionChange])
_REGIONAL_MODE = TypeAdapter(list[RegionalModeChange])
_ENCRYPTION_ENDPOINTS = TypeAdapter(list[EncryptionEndpointChange])
_BACKUP_ENDPOINTS = TypeAdapter(list[BackupEndpointChange])
_BUCKETS = TypeAdapter(list[ExportBucketChange])
_STREAM_ENDPOINTS = TypeAdapter(list[StreamEndpointChange])
_STREAM_CONNECTIONS = TypeAdapter(list[StreamConnectionChange])
_CREDENTIALS = TypeAdapter(CredentialsChange)
_ANY: TypeAdapter[Any] = TypeAdapter(Any)
_INDEX = TypeAdapter(int)


class Control:
    """Answers the control API; it needs no credentials, so it belongs on loopback only."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._world = simulator.world
        regional = simulator.regional
        self._handlers: Mapping[str, Mapping[str, _Handler]] = {
            "": {"GET": self._index},
            "state": {"GET": self._state},
            "requests": {"GET": self._requests, "DELETE": self._forget_requests},
            "faults": {"GET": self._faults, "POST": self._add_faults, "DELETE": self._clear_faults},
            "endpoints": {"POST": self._put_endpoints},
            "instances": {"POST": self._put_instances},
            "endpointServices": {"POST": partial(self._put, _SERVICES, self._put_service)},
            "clusters": {"POST": partial(self._put, _CLUSTERS, self._put_cluster)},
            "dataFederationEndpoints": {
                "POST": partial(self._put, _FEDERATION_ENDPOINTS, self._put_federation_endpoint)
            },
            "regionalMode": {"POST": partial(self._put, _REGIONAL_MODE, _put_regional_mode)},
            "encryptionAtRest": {"POST": partial(self._put, _ENCRYPTION, regional.put_encryption)},
            "encryptionAtRestEndpoints": {
                "POST": partial(self._put, _ENCRYPTION_ENDPOINTS, self._put_regional_endpoint)
            },
            "backupEndpoints": {"POST": partial(self._put, _BACKUP_ENDPOINTS, self._put_regional_endpoint)},
            "exportBuckets": {"POST": partial(self._put, _BUCKETS, regional.put_bucket)},
            "streamEndpoints": {"POST": partial(self._put, _STREAM_ENDPOINTS, self._put_stream_endpoint)},
            "streamConnections": {"POST": partial(self._put, _STREAM_CONNECTIONS, simulator.streams.put_connection)},
            "mode": {"GET": self._mode, "POST": self._set_mode},
            "switches": {"GET": self._switches, "POST": self._turn_switches},
            "credentials": {"POST": self._put_credentials},
        }

    def answer(self, request: Request) -> Answer:
        """Answer a control request; an error names the field that is wrong."""
        self._world.settle()
        name = "/".join(request.segments[1:])
        methods = self._handlers.get(name)
        if methods is None:
            return _answer(404, {"error": f"no such control: {name}; GET /{PREFIX}/ lists them"})
        handler = methods.get(request.method)
        if handler is None:
            return _answer(405, {"error": f"{name} takes {', '.join(methods)}"})
        try:
            return _answer(200, handler(request))
        except InvalidDocumentError as error:
            return _answer(400, {"error": str(error)})

    def _index(self, _request: Request) -> Any:
        return {f"/{PREFIX}/{name}": list(methods) for name, methods in self._handlers.items()}

    def _state(self, request: Request) -> Any:
        simulator, world = self._simulator, self._world
        credentials = simulator.credentials
        return {
            "time": world.clock(),
            "mode": world.mode,
            "requests": simulator.journal.total,
            "projects": [self._project(project) for project in world.projects.values()],
            "serviceAccounts": [
                _public(account) | {"activeTokens": simulator.oauth.active(account.client_id)}
                for account in credentials.service_accounts.values()
            ],
            "apiKeys": [_public(key) for key in credentials.api_keys.values()],
            "switches": self._switches(request),
            "faults": self._faults(request),
        }

    def _requests(self, request: Request) -> Any:
        since = parse(_INDEX, request.query.get("since", "0"), what="since")
        return [entry.document() for entry in self._simulator.journal.since(since)]

    def _forget_requests(self, _request: Request) -> Any:
        self._simulator.journal.clear()
        return {"next": self._simulator.journal.total}

    def _faults(self, _request: Request) -> Any:
        return self._simulator.faults.documents()

    def _add_faults(self, request: Request) -> Any:
        self._simulator.faults.add(_json(request))
        return self._faults(request)

    def _clear_faults(self, request: Request) -> Any:
        self._simulator.faults.clear(request.query.get("path"))
        return self._faults(request)

    def _put_endpoints(self, request: Request) -> Any:
        document = _json(request)
        several = isinstance(document, list)
        changes = parse(_ENDPOINTS, document if several else [document], what="endpoints")
        instances = [self._instance(change.project_id, change.instance_name) for change in changes]
        results = []
        for change, instance in zip(changes, instances, strict=True):
            endpoint = self._world.put(instance, change.endpoint)
            shown = endpoint.document() if endpoint else {"_id": change.endpoint.id, "removed": True}
            results.append(shown | {"projectId": change.project_id, "instanceName": change.instance_name})
        return results if several else results[0]

    def _put_instances(self, request: Request) -> Any:
        document, world = _json(request), self._world
        for change in parse(_INSTANCES, document if isinstance(document, list) else [document], what="instances"):
            if change.remove and change.name is None:
                world.projects.pop(change.project_id, None)
                continue
            project = world.add_project(change.project_id, change.rate_limit)
            if change.remove:
                project.instances.pop(change.name or "", None)
            elif change.name is not None and change.name not in project.instances:
                world.add_instance(
                    project, change.name, provider_name=change.provider_name, region_name=change.region_name
                )
        return {"projects": [{"id": each.id, "instances": list(each.instances)} for each in world.projects.values()]}

    def _put(
        self,
        changes: TypeAdapter[list[Change]],
        put: Callable[[Project, Change], dict[str, Any] | None],
        request: Request,
    ) -> Any:
        document, what = _json(request), request.segments[-1]
        several = isinstance(document, list)
        results = []
        for change in parse(changes, document if several else [document], what=what):
            shown = put(self._world.add_project(change.project_id), change) or {"removed": True}
            results.append(shown | {"projectId": change.project_id})
        return results if several else results[0]

    def _put_service(self, project: Project, change: ServiceChange) -> dict[str, Any] | None:
        service = self._simulator.services.put(project, change)
        return _service(service) if service else None

    def _put_cluster(self, project: Project, change: ClusterChange) -> dict[str, Any] | None:
        cluster = put_cluster(self._world, project, change)
        return cluster_document(self._world, project, cluster) if cluster else None

    def _put_federation_endpoint(self, project: Project, change: FederationEndpointChange) -> dict[str, Any] | None:
        endpoint = self._simulator.federation.put(project, change)
        return endpoint.document() if endpoint else None

    def _put_regional_endpoint(self, project: Project, change: RegionalEndpointDocument) -> dict[str, Any] | None:
        endpoint = self._simulator.regional.put(project, change)
        return endpoint.document() if endpoint else None

    def _put_stream_endpoint(self, project: Project, change: StreamEndpointChange) -> dict[str, Any] | None:
        endpoint = self._simulator.streams.put(project, change)
        return endpoint.document() if endpoint else None

    def _mode(self, _request: Request) -> Any:
        return {"mode": self._world.mode}

    def _set_mode(self, request: Request) -> Any:
        self._world.mode = parse(_MODE, _json(request), what="mode").mode
        return self._mode(request)

    def _switches(self, _request: Request) -> Any:
        return self._world.switches.model_dump(mode="json", by_alias=True)

    def _turn_switches(self, request: Request) -> Any:
        self._world.turn(self._world.switches.changed(_json(request)))
        return self._switches(request)

    def _put_credentials(self, request: Request) -> Any:
        credentials, oauth = self._simulator.credentials, self._simulator.oauth
        change = parse(_CREDENTIALS, _json(request), what="credentials")
        for name in change.remove:
            credentials.remove(name)
            oauth.forget(name)
        credentials.put(change.service_accounts, change.api_keys)
        if change.revoke_tokens is True:
            oauth.forget_all()
        for name in change.revoke_tokens if isinstance(change.revoke_tokens, tuple) else ():
            oauth.forget(name)
        return {"serviceAccounts": list(credentials.service_accounts), "apiKeys": list(credentials.api_keys)}

    def _project(self, project: Project) -> dict[str, Any]:
        place = {"projectId": project.id}
        return {
            "id": project.id,
            "instances": [_instance(project.id, each) for each in project.instances.values()],
            "endpointServices": [_service(each) | place for each in project.services.values()],
            "clusters": [cluster_document(self._world, project, each) | place for each in project.clusters.values()],
            "dataFederationEndpoints": [each.document() | place for each in project.federation_endpoints.values()],
            "federatedDatabases": sorted(project.federated_databases),
            "encryptionAtRest": self._simulator.regional.encryption(project),
            "encryptionAtRestEndpoints": _regional_endpoints(project, ENCRYPTION),
            "backupEndpoints": _regional_endpoints(project, BACKUP),
            "exportBuckets": [each | place for each in project.export_buckets.values()],
            "streamEndpoints": [each.document() | place for each in project.stream_endpoints.values()],
            "streamConnections": [
                connection | place | {"workspaceName": name}
                for name, connections in project.stream_workspaces.items()
                for connection in connections.values()
            ],
            "regionalMode": project.regional_mode,
        }

    def _instance(self, project_id: str, name: str) -> Instance:
        project = self._world.projects.get(project_id)
        instance = project.instances.get(name) if project else None
        if instance is None:
            raise InvalidDocumentError(
                f"endpoints: project {project_id} has no instance {name}; POST /{PREFIX}/instances creates one"
            )
        return instance


def _put_regional_mode(project: Project, change: RegionalModeChange) -> dict[str, Any]:
    project.regional_mode = change.enabled
    return {"enabled": change.enabled}


def _service(service: Service) -> dict[str, Any]:
    return service.document() | {
        "endpoints": [each.document() | {"id": key} for key, each in service.endpoints.items()]
    }


def _instance(project_id: str, instance: Instance) -> dict[str, Any]:
    place = {"projectId": project_id, "instanceName": instance.name}
    return {
        "name": instance.name,
        "providerName": instance.provider_name,
        "regionName": instance.region_name,
        "endpoints": [each.document() | place for each in instance.endpoints.values()],
    }


def _regional_endpoints(project: Project, purpose: Purpose) -> list[dict[str, Any]]:
    endpoints = [each for each in project.regional_endpoints.values() if each.purpose == purpose]
    return [each.document() | {"projectId": project.id} for each in endpoints]


def _public(principal: ServiceAccount | ApiKey) -> dict[str, Any]:
    secret = {"client_secret", "client_secrets", "private_key"}
    return principal.model_dump(mode="json", by_alias=True, exclude=secret)


def _json(request: Request) -> Any:
    return parse_json(_ANY, request.body, what="body")


def _answer(status: int, document: object) -> Answer:
    return Answer(status, to_json(document) + b"\n")
