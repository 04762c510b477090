"""Steps and views of private endpoints that Atlas makes for a region; see ``behaviour.cases`` for the form of a case."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from atlas_endpoints.atlas.answers import json_from
from atlas_endpoints.kinds.backup_private_endpoint import KIND as BACKUP
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.kind import KIND as ENCRYPTION
from atlas_endpoints.simulator.cluster import ClusterDocument
from atlas_endpoints.simulator.regional_endpoint import (
    BackupEndpointDocument,
    EncryptionDocument,
    EncryptionEndpointDocument,
    ExportBucketDocument,
    RegionalEndpointDocument,
)
from atlas_endpoints.simulator.services import put_cluster
from behaviour.atlas import PROJECT
from behaviour.cases import seconds
from behaviour.steps import Steps, Views

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.controller.cache import Body

OTHER_PROJECT = "5f7cac1adf5d6c6306f4b284"
ONE, TWO, THREE = (f"{number:024x}" for number in (1, 2, 3))
CONSTANTS: Mapping[str, Any] = {
    "PROJECT": PROJECT,
    "OTHER_PROJECT": OTHER_PROJECT,
    "ONE": ONE,
    "TWO": TWO,
    "THREE": THREE,
    "AWS": {"providerName": "AWS", "region": "eu-west-1", "deletionPolicy": "Delete"},
    "AZURE": {"providerName": "AZURE", "region": "westeurope", "deletionPolicy": "Delete"},
    "REPORTED": {"providerName": "AWS", "region": "eu-west-1", "driftPolicy": "Report"},
    "FULL": "n" * 260,
    "LONG": "n" * 261,
    "HERE": {"regionName": "EU_WEST_1"},
    "IN_AZURE": {"cloudProvider": "AZURE", "regionName": "EUROPE_WEST"},
}
_BESIDE = {"encryptionAtRest": "encryption", "clusters": "clusters", "exportBuckets": "buckets"}


def name_of(request: Request) -> str:
    """Return the name of a call in cases."""
    path, _, query = request.path.partition("?")
    last, number = path.rpartition("/")[2], query.partition("pageNum=")[2]
    more = f" page {number}" if number not in {"", "1"} else ""
    if last in _BESIDE:
        return f"GET {_BESIDE[last]}{more}"
    return f"LIST{more}" if number else f"{request.method} endpoint"


class RegionalSteps(Steps):
    """What can happen to such endpoints; the project uses keys of both clouds, with private networking."""

    name_of = staticmethod(name_of)
    document: type[RegionalEndpointDocument]

    def __init__(self) -> None:
        super().__init__((PROJECT, OTHER_PROJECT))
        self.news: list[tuple[str, str]] = []
        """The Events that follow from the statuses of all resources: reason and message."""
        on = {"enabled": True, "requirePrivateNetworking": True}
        vault = {"subscriptionID": "4e133d35", "resourceGroupName": "keys", "keyVaultName": "vault"}
        self.encryption({"awsKms": on, "azureKeyVault": {**on, **vault}}, "")

    @override
    def views(self, name: str) -> RegionalViews:
        return RegionalViews(self, name)

    @override
    def _checked(self, before: Body, status: Mapping[str, Any]) -> None:
        super()._checked(before, status)
        self.news += self.kind.news(before["status"], status)

    @override
    def clear(self, _: object, __: str) -> None:
        super().clear(None, "")
        self.news.clear()

    def endpoint(self, document: Mapping[str, Any], _: str) -> None:
        """Put an endpoint as a person does; ``count``: so many of other regions before it."""
        fields, project = dict(document), self.atlas.world.projects[PROJECT]
        for number in range(fields.pop("count", 0)):
            put = self.document.model_validate({"regionName": f"REGION_{number}", "id": f"{number + 100:024x}"})
            self.atlas.simulator.regional.put(project, put)
        self.atlas.simulator.regional.put(project, self.document.model_validate(fields))

    def endpoints(self, documents: Sequence[Mapping[str, Any]], _: str) -> None:
        for each in documents:
            self.endpoint(each, "")

    def encryption(self, document: Mapping[str, Any], _: str) -> None:
        """Change the encryption at rest of the project."""
        project = self.atlas.world.projects[PROJECT]
        self.atlas.simulator.regional.put_encryption(project, EncryptionDocument.model_validate(document))

    def atlas_cluster(self, document: Mapping[str, Any], _: str) -> None:
        """Put a cluster; ``count``: so many others before it."""
        fields, world = dict(document), self.atlas.world
        for number in range(fields.pop("count", 0)):
            put_cluster(world, world.projects[PROJECT], ClusterDocument(name=f"other{number}"))
        put_cluster(world, world.projects[PROJECT], ClusterDocument.model_validate(fields))

    def sharded_clusters(self, count: int, _: str) -> None:
        """Answer with so many clusters of 35 shards in three regions, with the fields that Atlas shows, and no key."""
        sizes = {
            "instanceSize": "M30",
            "nodeCount": 3,
            "diskIOPS": 3000,
            "ebsVolumeType": "STANDARD",
            "diskSizeGB": 40.0,
        }
        compute = {"enabled": True, "scaleDownEnabled": True, "minInstanceSize": "M30", "maxInstanceSize": "M60"}
        scaling = {"compute": compute, "diskGB": {"enabled": True}}
        specs = dict.fromkeys(("electableSpecs", "readOnlySpecs", "analyticsSpecs"), sizes)
        config = {
            "providerName": "AWS",
            "regionName": "EU_WEST_1",
            "priority": 7,
            **specs,
            "autoScaling": scaling,
            "analyticsAutoScaling": scaling,
        }
        shards = [{"id": f"{number:024x}", "zoneName": "Zone 1", "regionConfigs": [config] * 3} for number in range(35)]
        clusters = [
            {
                "id": f"{number:024x}",
                "name": f"big{number}",
                "encryptionAtRestProvider": "NONE",
                "replicationSpecs": shards,
            }
            for number in range(count)
        ]

        def accepted(request: Request) -> Any | None:
            if not name_of(request).startswith("GET clusters"):
                return None
            query = dict(each.split("=") for each in request.path.partition("?")[2].split("&"))
            size, number = int(query["itemsPerPage"]), int(query["pageNum"])
            page = json.dumps({"results": clusters[(number - 1) * size : number * size]}).encode()
            return json_from(page) or "what nobody can read"

        self.atlas.accepted = accepted

    def atlas_cluster_of(self, document: Mapping[str, Any], name: str) -> None:
        """Change a cluster."""
        self.atlas_cluster({"name": name, **document}, "")

    def gone_after(self, call: str, name: str) -> None:
        """Let a cluster be gone when such a call is answered."""

        def goes(request: Request) -> None:
            if name_of(request) == call:
                self.atlas.after = lambda _: None
                del self.atlas.world.projects[PROJECT].clusters[name]

        self.atlas.after = goes

    def bucket_of(self, document: Mapping[str, Any], name: str) -> None:
        """Change an export bucket."""
        self.bucket({"bucketName": name, **document}, "")

    def approval(self, command: str, _: str) -> None:
        """Expect the beginning of the command that approves the connection, and the whole name of that."""
        status = self.bodies["db"]["status"]
        assert status["approveCommand"].startswith(command), status
        assert status["approveCommand"].endswith(f" {status['endpoint']['privateEndpointConnectionName']}"), status

    def bucket(self, document: Mapping[str, Any], _: str) -> None:
        """Put an export bucket; ``count``: so many others before it."""
        fields, project = dict(document), self.atlas.world.projects[PROJECT]
        put = self.atlas.simulator.regional.put_bucket
        for number in range(fields.pop("count", 0)):
            put(project, ExportBucketDocument(bucket_name=f"other{number}"))
        put(project, ExportBucketDocument.model_validate(fields))

    def shows_late(self, time: str, _: str) -> None:
        """Let Atlas show a new endpoint, in a LIST and by a GET, only so long after its POST."""
        shown_at: dict[str, float] = {}

        def is_hidden(id_: str) -> bool:
            return self.true_clock.now().timestamp() < shown_at.get(id_, 0.0)

        def before(request: Request) -> None:
            if name_of(request) == "GET endpoint" and is_hidden(request.path.rpartition("/")[2]):
                raise self.atlas.refusal(request, 404, b'{"error": 404, "errorCode": "PRIVATE_ENDPOINT_NOT_FOUND"}')

        def accepted(request: Request) -> Any | None:
            if (name := name_of(request)) not in {"LIST", "POST endpoint"}:
                return None
            answer = self.atlas.read(request, self.atlas.perform(request)).json
            if name == "LIST":
                return {**answer, "results": [each for each in answer["results"] if not is_hidden(each["id"])]}
            shown_at[answer["id"]] = self.true_clock.now().timestamp() + seconds(time)
            return answer

        self.atlas.before, self.atlas.accepted = before, accepted

    def clock_ahead(self, time: str, _: str) -> None:
        """Set how far the wall clock of the operator is ahead."""
        self.clock.ahead = timedelta(seconds=seconds(time))

    def once_intended(self, document: Mapping[str, Any], _: str) -> None:
        """Put an endpoint once a status says that one is about to be created."""

        def written() -> None:
            if any(each["status"].get("creation") for each in self.cluster.objects.values()):
                self.cluster.written = lambda: None
                self.endpoint(document, "")

        self.cluster.written = written

    def accept(self, call: str, _: str) -> None:
        """Answer such calls with success, and do nothing; the first one arrives with ``late``."""
        self._late.clear()

        def accepts(request: Request) -> Any | None:
            if name_of(request) != call:
                return None
            self._late.append(request)
            return {}

        self.atlas.accepted = accepts

    def late(self, _: object, __: str) -> None:
        """Let the late call arrive."""
        self.atlas.accepted = lambda _: None
        for request in self._late[:1]:
            self.atlas.perform(request)
        self._late.clear()


class EncryptionSteps(RegionalSteps):
    """What can happen to private endpoints for encryption at rest."""

    kind = ENCRYPTION
    document = EncryptionEndpointDocument


class BackupSteps(RegionalSteps):
    """What can happen to private endpoints for backups."""

    kind = BACKUP
    document = BackupEndpointDocument


class RegionalViews(Views):
    """What ``expect`` can ask for about such endpoints."""

    _steps: RegionalSteps

    def news(self, expected: Sequence[str]) -> None:
        """The Events that follow from the statuses of all resources."""
        assert [str(reason) for reason, _ in self._steps.news] == expected, self._steps.news

    def news_say(self, words: Sequence[str]) -> None:
        found = [message for _, message in self._steps.news]
        assert [each for each in words if not any(each in message for message in found)] == [], found

    def in_atlas(self, expected: Sequence[str] | Mapping[str, str] | None) -> None:
        """The statuses of the endpoints in Atlas in the order in which they were made, or by their IDs."""
        found = {each.id: each.status for each in self._steps.atlas.world.projects[PROJECT].regional_endpoints.values()}
        shown = found if isinstance(expected, dict) else [*found.values()]
        assert shown == (expected or []), (found, self._steps.atlas.calls)

    def regions_in_atlas(self, expected: Sequence[Sequence[str]]) -> None:
        """The region of each endpoint, and that of its VPC."""
        found = self._steps.atlas.world.projects[PROJECT].regional_endpoints.values()
        assert [[each.region, each.vpc_region] for each in found] == expected
