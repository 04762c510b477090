"""A random history of a few private endpoints that Atlas makes for regions: what happens in it, and what has to be true."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from atlas_endpoints.controller.cache import is_deleting, uid_of
from atlas_endpoints.kinds.backup_private_endpoint import KIND as BACKUPS
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.kind import KIND as ENCRYPTIONS
from atlas_endpoints.kinds.regions import place_of
from atlas_endpoints.reconcile.status import condition_in
from atlas_endpoints.simulator.cluster import ClusterDocument
from atlas_endpoints.simulator.regional_endpoint import (
    ACTIVE,
    BACKUP,
    DELETING,
    ENCRYPTION,
    FAILED,
    PENDING_ACCEPTANCE,
    BackupEndpointDocument,
    EncryptionDocument,
    EncryptionEndpointDocument,
    ExportBucketDocument,
)
from atlas_endpoints.simulator.services import put_cluster
from behaviour.atlas import PROJECT
from histories.atlas import UnreliableAtlas
from histories.course import Course
from histories.history import KNOWN, History
from model.dedicated.named import deletes, lives

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from atlas_endpoints.atlas.requests import Request
    from atlas_endpoints.controller.cache import Body
    from atlas_endpoints.simulator.regional_endpoint import Purpose, RegionalEndpoint, RegionalEndpointDocument


AWS = {"providerName": "AWS", "region": "eu-west-1"}
AZURE = {"providerName": "AZURE", "region": "westeurope"}
SAID = {ACTIVE: "Available", FAILED: "EndpointFailed", PENDING_ACCEPTANCE: "WaitingForApproval"}
TWICE = 60.0
"""Seconds for which a creation whose answer was lost may still arrive."""


class RegionalCourse(Course):
    """What people and Atlas do."""

    def __init__(self, history: RegionalHistory) -> None:
        super().__init__(history.random, history)
        self._history = history

    @override
    def people(self) -> list[Callable[[], None]]:
        if not self._names:
            return [self._create]
        return [self._create, self._create, self._policy, self._delete, self._suspend, self._force, self._force_delete]

    @override
    def atlas(self) -> list[Callable[[], None]]:
        return [self._change, self._change, self._change, self._make, self._need, self._switch, self._behave]

    def _create(self) -> None:
        choice, name = self._random.choice, self._random.choice(["one", "two", "other/three"])
        if name not in self._names:
            policies = {"deletionPolicy": choice([None, "Delete"]), "driftPolicy": choice([None, "Report"])}
            self._setup.apply(name, {"projectId": PROJECT, **policies, **choice(self._history.places)})

    def _force_delete(self) -> None:
        self._setup.annotate(self._name(), force_delete=self._random.choice(["true", "no"]))

    def _change(self) -> None:
        """Somebody approves or removes a connection, an endpoint fails, or it vanishes."""
        connections = [{"connection": "approve"}, {"connection": "reject"}]
        self._history.put(self._random.choice([*connections, {"status": FAILED}, {"remove": True}]))

    def _make(self) -> None:
        """Somebody makes an endpoint by hand."""
        self._history.put({}, anew=True)

    def _need(self) -> None:
        self._history.need(is_needed=self._random.choice([True, False, False]))

    def _switch(self) -> None:
        self._history.switch_networking(is_on=self._random.choice([True, True, False]))

    def _behave(self) -> None:
        switches = {
            "recreationChangesId": self._random.choice([True, False]),
            "deletionLag": self._random.choice([0, 100]),
        }
        self._history.atlas.switch(regional=switches)


class RegionalHistory(History[UnreliableAtlas]):
    """One history of a kind.

    Attributes:
        purpose: of its endpoints.
        documents: by which people change them.
        places: what its resources may name.
    """

    purpose: ClassVar[Purpose]
    documents: ClassVar[type[RegionalEndpointDocument]]
    places: ClassVar[Sequence[dict[str, Any]]]

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.atlas = UnreliableAtlas(self.random, lambda: self.clock.now().timestamp())
        self.atlas.sent = self._is_sent
        self.course = RegionalCourse(self)
        self._project = self.atlas.world.projects[PROJECT]
        self._needed_since = math.inf
        self._posts: dict[str, float] = {}
        self._going: set[str] = set()  # what was to be deleted, even if somebody changes it then
        self._by_hand: set[str] = set()  # the places in which people have made endpoints
        self.switch_networking(is_on=True)

    # What happens in Atlas.

    def put(self, fields: dict[str, Any], *, anew: bool = False) -> None:
        """Change one of the endpoints as a person would, or make one."""
        self.atlas.world.settle()
        there = list(self._project.regional_endpoints.values())
        place = self.random.choice(self.places)
        document = {"cloudProvider": place["providerName"], "regionName": place["region"]}
        if self.purpose == BACKUP:
            document["vpcRegionName"] = place.get("vpcRegion")
        if there and not anew:
            document = {"id": self.random.choice(there).id}
        if there or anew:
            put = self.atlas.simulator.regional.put
            made = put(self._project, self.documents.model_validate({**document, **fields}))
            self._by_hand |= {_place(made)} if anew and made is not None else set()

    def need(self, *, is_needed: bool) -> None:
        """Have clusters with keys of the customer, and buckets over private networks, or none."""
        regions, provider = [{"regionName": "EU_WEST_1"}], "AWS" if is_needed else "NONE"
        cluster = {"name": "c", "encryptionAtRestProvider": provider, "regions": regions}
        put_cluster(self.atlas.world, self._project, ClusterDocument.model_validate(cluster))
        bucket = ExportBucketDocument(bucket_name="b", require_private_networking=is_needed)
        self.atlas.simulator.regional.put_bucket(self._project, bucket)
        self._needed_since = min(self._needed_since, self.clock.monotonic()) if is_needed else math.inf

    def switch_networking(self, *, is_on: bool) -> None:
        block = {"enabled": True, "requirePrivateNetworking": is_on}
        document = EncryptionDocument.model_validate({"awsKms": block, "azureKeyVault": block})
        self.atlas.simulator.regional.put_encryption(self._project, document)

    # What has to be true.

    def _of(self, place: str) -> list[RegionalEndpoint]:
        return [each for each in self._project.regional_endpoints.values() if _place(each) == place]

    def _lives(self, place: str) -> bool:
        there = (each for each in self._of(place) if each.id not in self._going)
        return any(each.status != DELETING and each.unseen is None for each in there)

    def _naming(self, place: str) -> list[Body]:
        return [body for body in self.cluster.objects.values() if self.kind.named_by(body).endpoint == place]

    def _is_sent(self, request: Request) -> None:
        """A call leaves: nothing is asked for twice, and nothing is deleted that somebody has needed for long."""
        self.atlas.world.settle()
        now = self.clock.monotonic()
        if request.method == "POST" and request.body is not None:
            cloud = request.path.rpartition("/privateEndpoints")[0].rpartition("/")[2]
            place = place_of(cloud, request.body["regionName"], request.body.get("vpcRegionName"))
            # What a resource has sent that goes without a finalizer, before its status shows an endpoint, nobody knows.
            gone = [each for each in self.cluster.deleted if not each["status"].get("endpoint")]
            is_known = place not in self._by_hand and not any(
                self.kind.named_by(each).endpoint == place for each in gone
            )
            if is_known and self._lives(place) and now - self._posts.get(place, -math.inf) < TWICE:
                self.atlas.violations.append(f"{place} is asked for twice")
            self._posts[place] = now
        endpoint = self._project.regional_endpoints.get(request.path.rpartition("/")[2])
        if request.method != "DELETE" or endpoint is None:
            return
        self._going.add(endpoint.id)
        naming = self._naming(_place(endpoint))
        for body in naming:
            since = now - self.cluster.written_at.get(uid_of(body), math.inf)
            is_shown = self.kind.shown_in(body["status"]) and "force-sync" not in str(body["metadata"]["annotations"])
            if is_shown and not is_deleting(body) and since > KNOWN:
                self.atlas.violations.append(f"{endpoint.id} is deleted, which {body['metadata']['name']} names")
        is_forced = "force-delete': 'true" in str([body["metadata"]["annotations"] for body in naming])
        is_guarded = endpoint.cloud_provider == "AWS" and endpoint.status not in {DELETING, FAILED}
        if is_guarded and not is_forced and now - self._needed_since > KNOWN:
            self.atlas.violations.append(f"{endpoint.id} is deleted, which is needed")

    @override
    def calm(self) -> None:
        super().calm()
        self.need(is_needed=False)
        self.atlas.switch(regional={"deletionLag": 0})

    @override
    def wrong(self) -> str | None:
        for body in self.cluster.objects.values():
            if not self._is_right(body):
                ready, there = condition_in(body["status"], "Ready"), self._of(self.kind.named_by(body).endpoint or "")
                return f"{body['metadata']['name']} is not right: {ready}, {there}"
        for endpoint in self._project.regional_endpoints.values():
            named = (
                each for each in reversed(self.cluster.deleted) if self.kind.named_by(each).endpoint == _place(endpoint)
            )
            last = next(named, None)
            goes = last is not None and uid_of(last) in self.cluster.held and deletes(last)
            told = str([each.message for events in self.events.of.values() for each in events])
            if (
                goes
                and _place(endpoint) not in self._by_hand
                and endpoint.id not in told
                and not self._naming(_place(endpoint))
            ):
                return f"{endpoint.id} was left behind"
        return None

    def _is_right(self, body: Body) -> bool:
        """Return whether Atlas is as a resource wants it, and its status says so."""
        metadata, status, place = body["metadata"], body["status"], self.kind.named_by(body).endpoint or ""
        is_current = lives(body) and status["observedGeneration"] == metadata["generation"]
        if not is_current or bool(metadata.get("finalizers")) != deletes(body):
            return False
        reason, there = condition_in(status, "Ready")["reason"], {each.id: each.status for each in self._of(place)}
        if reason == "Conflict":
            return any(
                condition_in(each["status"], "Ready").get("reason") != "Conflict" for each in self._naming(place)
            )
        if not there:
            return reason in {"PrivateNetworkingRequired", "EndpointNotFound"}
        shown = (status.get("endpoint") or {}).get("id", "")
        return bool(reason == SAID.get(there.get(shown, "")))


class EncryptionHistory(RegionalHistory):
    """One history of endpoints for encryption at rest."""

    kind, purpose, documents = ENCRYPTIONS, ENCRYPTION, EncryptionEndpointDocument
    places = (AWS, {**AWS, "region": "EU_WEST_1"}, AZURE)


class BackupHistory(RegionalHistory):
    """One history of endpoints for backups."""

    kind, purpose, documents = BACKUPS, BACKUP, BackupEndpointDocument
    places = (AWS, {**AWS, "region": "EU_WEST_1"}, {**AWS, "vpcRegion": "us-east-1"})


def _place(endpoint: RegionalEndpoint) -> str:
    return place_of(endpoint.cloud_provider, endpoint.region, endpoint.vpc_region)
