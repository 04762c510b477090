"""What the states of resources are brought about with, for each kind: where its endpoint is in Atlas, and its spec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from atlas_endpoints.kinds.backup_private_endpoint import KIND as BACKUP_KIND
from atlas_endpoints.kinds.data_federation_private_endpoint.kind import KIND as DATA_FEDERATION_KIND
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND as DEDICATED_KIND
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.kind import KIND as ENCRYPTION_AT_REST_KIND
from atlas_endpoints.kinds.private_endpoint_regional_mode import KIND as REGIONAL_MODE_KIND
from atlas_endpoints.kinds.serverless_private_endpoint.kind import KIND as SERVERLESS_KIND
from atlas_endpoints.kinds.stream_private_endpoint.kind import KIND as STREAM_KIND
from delivery.recorded import BACKUP, DATA_FEDERATION, DEDICATED, ENCRYPTION_AT_REST, REGIONAL_MODE, SERVERLESS, STREAM
from support.atlas import CLOUD_ENDPOINT, Place, place, project_id
from support.concurrent_cases import NAME, Env

if TYPE_CHECKING:
    from collections.abc import Mapping

    from atlas_endpoints.reconcile.kind import Kind

REGION, AZURE_REGION = "EU_WEST_1", "EUROPE_WEST"
REGIONAL_ENDPOINT = STREAM_CONNECTION = "8f7cac1a0000000000000000"


class Subject(Env):
    """A resource of a kind, its endpoint in Atlas, and the operator between the two.

    Attributes:
        KIND: of the resource.
        NAMED: what of its spec names the endpoint, where that may come later.
        FIELDS: of its spec beside its identity, and of its endpoint.
        EDIT: what an edit changes.
    """

    KIND: ClassVar[Kind[Any]]
    NAMED: ClassVar[Mapping[str, Any]] = {"cloudProviderEndpointId": CLOUD_ENDPOINT}
    FIELDS: ClassVar[Mapping[str, Any]]
    EDIT: ClassVar[Mapping[str, Any]]

    def change(self, **fields: Any) -> None:
        """Change the endpoint in Atlas, as a person in the Atlas UI would."""
        raise NotImplementedError

    @override
    def create(self, *, connected: bool = False, **fields: Any) -> None:
        """Create the resource.

        Args:
            connected: have the endpoint as wanted already, so that nothing is sent.
            fields: of the spec.
        """
        if connected:
            self.connect(**fields)
            fields = {**self.NAMED, **fields}
        self.resources.create(NAME, self.place.spec(**fields))

    def connect(self, **fields: Any) -> None:
        """Have the endpoint connected, with these fields of a spec."""
        raise NotImplementedError

    def stick(self) -> dict[str, dict[str, str]]:
        """Have something in Atlas stay on its way, and give what a status shows of it."""
        raise NotImplementedError


class ServerlessSubject(Subject):
    """An endpoint that Atlas has reserved."""

    KIND = SERVERLESS_KIND
    FIELDS: ClassVar = {"comment": "orders"}
    EDIT: ClassVar = {"comment": "orders, version 2"}

    @override
    def change(self, **fields: Any) -> None:
        self.atlas.change(self.place, **fields)

    @override
    def connect(self, **fields: Any) -> None:
        self.atlas.connect(self.place, fields.get("comment"))

    @override
    def stick(self) -> dict[str, dict[str, str]]:
        self.change(status="INITIATING", cloudProviderEndpointId=CLOUD_ENDPOINT)
        return {"endpoint": {"id": self.place.endpoint, "status": "INITIATING"}}


@dataclass(frozen=True, slots=True)
class DedicatedPlace(Place):
    """A region of a project, with an endpoint service that is ready."""

    @property
    @override
    def path(self) -> str:
        return f"/groups/{self.project}/privateEndpoint/"

    @override
    def spec(self, **fields: Any) -> dict[str, Any]:
        return {
            "projectId": self.project,
            "providerName": "AWS",
            "region": REGION,
            "credentialsSecretRef": {"name": "atlas-credentials"},
            **fields,
        }

    @override
    def reserving(self, **fields: Any) -> dict[str, Any]:
        return self.spec(**fields)


class DedicatedSubject(Subject):
    """A private endpoint, and the endpoint service of its region."""

    KIND = DEDICATED_KIND
    FIELDS: ClassVar = {}
    EDIT: ClassVar = {"supportedRemoteRegions": ["EU_WEST_2"]}

    @override
    def change(self, **fields: Any) -> None:
        self.change_service(endpoints=[{"id": CLOUD_ENDPOINT, **fields}])

    def change_service(self, **fields: Any) -> dict[str, Any]:
        """Change the endpoint service, or another one of the project, and give it."""
        place = {"projectId": self.place.project, "cloudProvider": "AWS", "regionName": REGION}
        return dict(self.atlas.post("endpointServices", {**place, **fields}))

    @override
    def connect(self, **_: Any) -> None:
        self.change(status="AVAILABLE")

    @override
    def stick(self) -> dict[str, dict[str, str]]:
        return {"service": {"id": self.change_service(status="INITIATING")["id"], "status": "INITIATING"}}


@dataclass(frozen=True, slots=True)
class DataFederationPlace(DedicatedPlace):
    """A project with federated databases."""

    @property
    @override
    def path(self) -> str:
        return f"/groups/{self.project}/privateNetworkSettings/"


class DataFederationSubject(Subject):
    """A private endpoint for the federated databases of a project."""

    KIND = DATA_FEDERATION_KIND
    FIELDS: ClassVar = {"comment": "orders"}
    EDIT: ClassVar = {"comment": "orders, version 2"}

    @override
    def change(self, **fields: Any) -> None:
        shown = {"extra": {"status": fields.pop("status")}} if "status" in fields else {}  # which stays
        identity = {"projectId": self.place.project, "endpointId": CLOUD_ENDPOINT}
        self.atlas.post("dataFederationEndpoints", {**identity, **shown, **fields})

    @override
    def connect(self, **fields: Any) -> None:
        self.change(comment=fields.get("comment"))

    @override
    def stick(self) -> dict[str, dict[str, str]]:
        self.change(status="PENDING")
        return {"endpoint": {"id": CLOUD_ENDPOINT, "status": "PENDING"}}


@dataclass(frozen=True, slots=True)
class EncryptionAtRestPlace(DedicatedPlace):
    """A region of a project that uses keys of its own over private networking."""

    @property
    @override
    def path(self) -> str:
        return f"/groups/{self.project}/encryptionAtRest"


@dataclass(frozen=True, slots=True)
class BackupPlace(DedicatedPlace):
    """A region of a project to whose buckets snapshots are exported."""

    @property
    @override
    def path(self) -> str:
        return f"/groups/{self.project}/backup/"


class RegionalSubject(Subject):
    """A private endpoint that Atlas makes for a region, which names it.

    Attributes:
        CHANGES: where the simulator takes changes of it.
    """

    NAMED: ClassVar = {}
    FIELDS: ClassVar = {}
    EDIT: ClassVar = {"syncInterval": "1h"}
    CHANGES: ClassVar[str]

    @override
    def change(self, **fields: Any) -> None:
        identity = {"projectId": self.place.project, "id": REGIONAL_ENDPOINT, "regionName": REGION}
        self.atlas.post(self.CHANGES, {**identity, **fields})

    @override
    def connect(self, **_: Any) -> None:
        self.change(status="ACTIVE", privateEndpointConnectionName=CLOUD_ENDPOINT)

    @override
    def stick(self) -> dict[str, dict[str, str]]:
        self.change(status="INITIATING")
        return {"endpoint": {"id": REGIONAL_ENDPOINT, "status": "INITIATING"}}


class EncryptionAtRestSubject(RegionalSubject):
    """A private endpoint to a key of the user's."""

    KIND = ENCRYPTION_AT_REST_KIND
    CHANGES = "encryptionAtRestEndpoints"

    def change_settings(self, **settings: Any) -> None:
        """Change how the project uses keys in AWS."""
        self.atlas.post("encryptionAtRest", {"projectId": self.place.project, "awsKms": settings})


class BackupSubject(RegionalSubject):
    """A private endpoint for exports of snapshots."""

    KIND = BACKUP_KIND
    CHANGES = "backupEndpoints"


@dataclass(frozen=True, slots=True)
class StreamPlace(DedicatedPlace):
    """A service of AWS in a region, for the streams of a project."""

    @property
    @override
    def path(self) -> str:
        return f"/groups/{self.project}/streams/"

    @override
    def spec(self, **fields: Any) -> dict[str, Any]:
        return DedicatedPlace.spec(self, **{"vendor": "S3", **service_in(fields.get("region", REGION)), **fields})


def service_in(region: str) -> dict[str, str]:
    """Return how S3 in a region is described, which has Atlas's name."""
    return {"region": region, "serviceEndpointId": f"com.amazonaws.{region.lower().replace('_', '-')}.s3"}


class StreamSubject(Subject):
    """A connection that Atlas makes to a service of the user's."""

    KIND = STREAM_KIND
    NAMED: ClassVar = {}
    FIELDS: ClassVar = {}
    EDIT: ClassVar = {"syncInterval": "1h"}

    @override
    def change(self, **fields: Any) -> None:
        state = {"state": fields.pop("status")} if "status" in fields else {}
        self.atlas.post("streamEndpoints", {"_id": STREAM_CONNECTION, **self._target(), **state, **fields})

    def _target(self) -> dict[str, str]:
        place = {"projectId": self.place.project, "provider": "AWS", "vendor": "S3"}
        return {**place, **service_in(REGION)}

    @override
    def connect(self, **_: Any) -> None:
        self.change(status="DONE", interfaceEndpointId=CLOUD_ENDPOINT)

    @override
    def stick(self) -> dict[str, dict[str, str]]:
        self.change(status="IDLE")
        return {"connection": {"id": STREAM_CONNECTION, "state": "IDLE"}}


@dataclass(frozen=True, slots=True)
class RegionalModePlace(DedicatedPlace):
    """A project."""

    @property
    @override
    def path(self) -> str:
        return f"/groups/{self.project}/privateEndpoint/regionalMode"

    @override
    def spec(self, **fields: Any) -> dict[str, Any]:
        fields.pop("region", None)
        return {"projectId": self.project, "credentialsSecretRef": {"name": "atlas-credentials"}, **fields}


class RegionalModeSubject(Subject):
    """The regional mode of a project."""

    KIND = REGIONAL_MODE_KIND
    NAMED: ClassVar = {}
    FIELDS: ClassVar = {}
    EDIT: ClassVar = {"syncInterval": "1h"}

    @override
    def change(self, **fields: Any) -> None:
        self.atlas.post("regionalMode", {"projectId": self.place.project, **fields})

    @override
    def connect(self, **_: Any) -> None:
        self.change(enabled=True)


SUBJECTS: Mapping[str, type[Subject]] = {
    SERVERLESS: ServerlessSubject,
    DEDICATED: DedicatedSubject,
    DATA_FEDERATION: DataFederationSubject,
    ENCRYPTION_AT_REST: EncryptionAtRestSubject,
    BACKUP: BackupSubject,
    STREAM: StreamSubject,
    REGIONAL_MODE: RegionalModeSubject,
}
_PLACES: Mapping[str, type[DedicatedPlace]] = {
    DEDICATED: DedicatedPlace,
    DATA_FEDERATION: DataFederationPlace,
    ENCRYPTION_AT_REST: EncryptionAtRestPlace,
    BACKUP: BackupPlace,
    STREAM: StreamPlace,
    REGIONAL_MODE: RegionalModePlace,
}


def place_of(kind: str, number: int) -> Place:
    """Give a place of its own to each state."""
    return place(number) if kind == SERVERLESS else _PLACES[kind](project_id(number), "", "")


def with_services(seed: dict[str, Any]) -> dict[str, Any]:
    """Give each project of a seed an endpoint service."""
    for project in seed["projects"]:
        project["endpointServices"] = [{"cloudProvider": "AWS", "regionName": REGION}]
    return seed
