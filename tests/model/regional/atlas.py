"""An Atlas that makes endpoints for regions, for small models of both kinds of them: for encryption at rest, and for backups."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from atlas_endpoints.atlas.errors import EndpointAbsentError, UpdateRejectedError
from atlas_endpoints.controller.cache import Key
from atlas_endpoints.kinds.backup_private_endpoint import KIND as BACKUPS
from atlas_endpoints.kinds.encryption_at_rest_private_endpoint.kind import KIND as ENCRYPTIONS
from atlas_endpoints.kinds.regions import place_of
from atlas_endpoints.simulator import regional_endpoint as simulated
from atlas_endpoints.simulator.endpoint import AWS, AZURE, Names
from atlas_endpoints.simulator.regional_endpoint import (
    ACTIVE,
    APPROVED,
    DELETED,
    DELETING,
    FAILED,
    INITIATING,
    PENDING_ACCEPTANCE,
    PENDING_RECREATION,
    REPLACED,
    RegionalEndpoint,
)
from model.data_federation.atlas import THEIRS
from model.dedicated.atlas import Dedicated, Regular
from model.dedicated.named import lives
from model.environment import PROJECT, Environment, Move
from model.regional import invariants

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from atlas_endpoints.controller.cache import Body
    from model.environment import Spec
    from model.invariants import Laws
    from model.run import Run

REGIONS = {AWS: "EU_WEST_1", AZURE: "EUROPE_WEST"}
EARLY, LAGS = 30.0, 120.0
"""Seconds for which a DELETE is not repeated that came too early, and one that was accepted."""


class _Zero(Random):
    """Makes names that differ by nothing: a state is the same, on whatever way it was reached."""

    @override
    def getrandbits(self, k: int) -> int:
        return 0


NAMES = Names(_Zero(), float)


@dataclass(kw_only=True)
class Regional(Environment):
    """An environment whose resources are about endpoints of one purpose in one cloud.

    Attributes:
        passing_in: the statuses from which Atlas goes on by itself.
        begins: the first status of an endpoint.
        active: that of one that works.
        asks_first: whether the operator has to know before a DELETE that nothing needs the endpoint; else Atlas refuses it.
        operations: of the POST and the DELETE.
        exists: the code of a refused POST if there is one.
        cloud: of all of them.
        held: the endpoints that Atlas holds, by id.
        by_hand: those that people have made while the operator runs.
        is_on: whether the project uses keys of the customer over private networks.
        is_needed: whether a cluster reaches its key through an endpoint of the region, or a bucket is reached so.
        in_steps: whether Atlas takes its time to make and to delete an endpoint.
        renews: whether an endpoint that Atlas makes again gets another id.
        twice: whether Atlas makes a second endpoint for a region.
        ignores: how many times Atlas answers a DELETE without carrying it out.
        until: up to when no DELETE of an endpoint is to be repeated.
        served: the requests to make dead endpoints again that were served: the uid of each resource, and its annotation.
        owed: the regions of the resources that are gone, by their uids.
        count: of the endpoints that there have been.
    """

    kind: ClassVar[Any]  # pyright: ignore[reportIncompatibleVariableOverride]
    purpose: ClassVar[simulated.Purpose]
    asks_first: ClassVar = True
    passing_in: ClassVar = frozenset({INITIATING, PENDING_RECREATION, DELETING})
    begins: ClassVar[str] = INITIATING
    active: ClassVar[str] = ACTIVE
    operations: ClassVar[tuple[str, str]]
    exists: ClassVar[str] = "PRIVATE_ENDPOINT_ALREADY_EXISTS_FOR_REGION"
    laws: ClassVar[Laws] = invariants
    random = Regular

    cloud: str = AWS
    held: dict[str, Any] = field(default_factory=dict)
    by_hand: set[str] = field(default_factory=set)
    is_on: bool = True
    is_needed: bool = False
    in_steps: bool = False
    renews: bool = False
    twice: bool = False
    ignores: int = 0
    until: dict[str, float] = field(default_factory=dict)
    served: set[tuple[str, str]] = field(default_factory=set)
    owed: dict[str, str] = field(default_factory=dict)
    count: int = 0

    # Calls.

    @override
    def read(self, method: str, path: str, content: Any) -> tuple[str, str]:
        last = path.rpartition("/")[2]
        if last in {"clusters", "exportBuckets", "encryptionAtRest"}:
            return method, last
        if method == "POST":
            return method, place_of(self.cloud, content["regionName"], content.get("vpcRegionName"))
        id_ = path.rpartition("/privateEndpoints")[2].removeprefix("/")
        return method if id_ else "LIST", id_

    @override
    def serve(self, kind: str, target: str, content: Any) -> Any:
        if kind == "GET" and (shown := self._beside(target)) is not None:
            return shown
        match kind, target:
            case "LIST", _:
                return _page(self.held.values())
            case "POST", _:
                return self._create(target, content)
            case _ if target not in self.held:
                raise EndpointAbsentError("There is none.", operation=kind, http_status=404, error_code=self._absent)
            case "DELETE", _:
                return self._delete(self.held[target])
            case "PATCH", _:
                return self._edit(self.held[target], content)
            case _:
                return self.held[target].document()

    @property
    def _absent(self) -> str:
        return f"{self.purpose.code}_PRIVATE_ENDPOINT_NOT_FOUND"

    def _beside(self, what: str) -> Any:
        """Give what is read beside endpoints, or None if it is one of those."""
        vault = dict.fromkeys(("subscriptionID", "resourceGroupName", "keyVaultName"), "keys")
        config = {"providerName": self.cloud, "regionName": REGIONS[self.cloud]}
        cluster = {"id": "1", "name": "c", "encryptionAtRestProvider": self.cloud if self.is_needed else "NONE"}
        bucket = {"_id": "1", "bucketName": "b", "requirePrivateNetworking": self.is_needed}
        match what:
            case "encryptionAtRest":
                block = {"enabled": True, "requirePrivateNetworking": self.is_on, **vault}
                return dict.fromkeys(("awsKms", "azureKeyVault"), block)
            case "clusters":
                return {"results": [{**cluster, "replicationSpecs": [{"regionConfigs": [config]}]}]}
            case "exportBuckets":
                return {"results": [bucket]}
            case _:
                return None

    def _edit(self, endpoint: Any, content: Any) -> Any:
        """Change an endpoint: of a region, Atlas can change nothing."""
        raise NotImplementedError(f"{endpoint.id}: {content}")

    @override
    def lagging(self) -> Any:
        return _page(each for each in self.held.values() if each.id not in self.made)

    def _create(self, place: str, content: Any) -> Any:
        if not self.is_on:
            raise refused(self.operations[0], "PRIVATE_NETWORKING_NOT_ENABLED")
        if self.of(place) and not self.twice:
            raise refused(self.operations[0], self.exists)
        endpoint = self._made_of(content)
        self.served |= {each for body in self.naming(place) if (each := Dedicated.request_of(body)) is not None}
        self._lags(endpoint)
        return endpoint.document()

    def _made_of(self, content: Any) -> Any:
        return self.make(content["regionName"], content.get("vpcRegionName"))

    def _lags(self, endpoint: RegionalEndpoint) -> None:
        if self.left["list lags"]:
            self.made[endpoint.id] = self.now

    def make(self, region: str, vpc_region: str | None = None, status: str = "") -> Any:
        """Have there be an endpoint."""
        status = status or self.begins
        self.count += 1
        id_ = f"{self.count:024x}"
        self.held[id_] = made = self._new(id_, region, vpc_region)
        self._put(made, status)
        while self._moves(made) and not self.in_steps and status == self.begins:
            self._advance(made)
        return made

    def _new(self, id_: str, region: str, vpc_region: str | None) -> Any:
        return RegionalEndpoint(id_, self.purpose, self.cloud, region, vpc_region or region)

    def _put(self, endpoint: Any, status: str) -> None:
        endpoint.put(status, NAMES)

    def _advance(self, endpoint: Any) -> bool:
        return bool(endpoint.advance(NAMES))

    def _moves(self, endpoint: Any) -> bool:
        """Tell whether Atlas goes on with an endpoint by itself."""
        return endpoint.unseen is not None or endpoint.status in self.passing_in

    def _delete(self, endpoint: Any) -> Any:
        if refusal := self._refusal(endpoint):
            self._note_pause(endpoint.id, EARLY)
            raise refused(self.operations[1], refusal)
        self._note_pause(endpoint.id, LAGS)
        if self.ignores:
            self.ignores -= 1
        elif self.in_steps and endpoint.status not in self.kind.going:
            endpoint.unseen = DELETED
        elif not self.in_steps:
            self._forget(endpoint)
        return {}

    def _refusal(self, endpoint: Any) -> str:
        """Give the code with which Atlas refuses to delete an endpoint; "": it does not."""
        return "PRIVATE_ENDPOINT_DELETE_BLOCKED_DURING_PROVISIONING" if endpoint.status == INITIATING else ""

    def _note_pause(self, id_: str, seconds: float) -> None:
        if not {"crash", "lost answer", "late write"} & self.left.keys():
            self.until[id_] = self.now + seconds

    def _forget(self, endpoint: Any) -> None:
        del self.held[endpoint.id]
        self.lately[endpoint.id] = self.now

    # What happens by itself, and what people do.

    def _parts(self) -> list[Any]:
        return [each for _, each in sorted(self.held.items())]

    @override
    def passing(self) -> list[Move]:
        return [Move("Atlas goes on", number) for number, each in enumerate(self._parts()) if self._moves(each)]

    @override
    def meddling(self) -> Iterator[Move]:
        yield from (Move(kind) for kind in ("need", "switch", "registration") if self.left[kind])
        for number, each in enumerate(self._parts()):
            possible = {
                "Atlas fails": each.status == self.begins,
                "approval": each.status == PENDING_ACCEPTANCE and each.unseen is None,
                "expires": bool(self.naming(self.place(each.id))),
                # Who has approved one may remove it before anybody has seen that.
                "recreation": each.status in {ACTIVE, PENDING_ACCEPTANCE} and each.unseen is None,
            }
            yield from (Move(kind, number) for kind, is_possible in possible.items() if is_possible and self.left[kind])

    @override
    def happen(self, run: Run[Any], move: Move) -> str:
        if move.kind in self.left:
            self.left[move.kind] -= 1
        match move.kind:
            case "need":
                self.is_needed, self.lately["need"] = not self.is_needed, self.now
                return f"a cluster or bucket needs an endpoint: {self.is_needed}"
            case "switch":
                self.is_on, self.lately["switch"] = not self.is_on, self.now
                return f"private networking: {self.is_on}"
            case "registration":
                made = self.make(REGIONS[self.cloud], status=self.active)
                self.by_hand.add(made.id)
                self.lately[made.id] = self.now
                self._lags(made)
                return f"somebody makes {made.id} in Atlas"
            case _:
                return self._happen_to(self._parts()[move.number], move.kind)

    def _happen_to(self, endpoint: Any, what: str) -> str:
        self.lately[endpoint.id] = self.now
        match what:
            case "Atlas goes on":
                self._go_on(endpoint)
            case "Atlas fails":
                self._put(endpoint, FAILED)
            case "approval" if self.in_steps:
                endpoint.unseen = APPROVED
            case "approval":
                endpoint.put(ACTIVE, NAMES)
            case "recreation":
                endpoint.put(PENDING_RECREATION, NAMES)
            case _:
                self._forget(endpoint)
        return f"{what}: {endpoint.id[-2:]}"

    def _go_on(self, endpoint: Any) -> None:
        if endpoint.status == PENDING_RECREATION and endpoint.unseen is None and self.renews:
            endpoint.unseen = REPLACED
            self.make(endpoint.region, endpoint.vpc_region)
        elif not self._advance(endpoint):
            self._forget(endpoint)

    @override
    def told(self) -> str:
        return "; ".join(f"{each.id[-2:]} {each.status} {each.unseen or ''}".strip() for each in self._parts())

    @override
    def whole(self, name: str, spec: Spec) -> dict[str, Any]:
        return {"projectId": PROJECT, "providerName": self.cloud, "region": REGIONS[self.cloud], **spec}

    @override
    def key(self, name: str) -> Key:
        return Key(self.kind.names.kind, THEIRS, name) if name == THEIRS else super().key(name)

    # What is true.

    def place(self, target: str) -> str:
        """Give the region of an endpoint, or the region itself."""
        known = self.held.get(target)
        return target if known is None else self._place_of(known)

    def _place_of(self, endpoint: Any) -> str:
        return place_of(self.cloud, endpoint.region, endpoint.vpc_region)

    def is_ambiguous(self, place: str, shown: str | None) -> bool:
        """Tell whether nobody can know which of several endpoints is meant."""
        return len(self.of(place)) > 1 and shown not in self.held

    def is_refused(self, endpoint: Any, spec: Spec) -> bool:  # the spec has nothing to edit
        """Tell whether Atlas may have refused to change an endpoint."""
        return False

    def said_of(self, endpoint: Any, spec: Spec) -> Collection[str | None]:  # the spec has nothing to edit
        """Give the reasons that are right for an endpoint."""
        return (
            {ACTIVE: "Available", FAILED: "EndpointFailed", PENDING_ACCEPTANCE: "WaitingForApproval"}.get(
                endpoint.status, ""
            ),
        )

    def of(self, place: str) -> list[Any]:
        """Give the endpoints of a region."""
        return [each for each in self._parts() if self.place(each.id) == place]

    def naming(self, place: str) -> list[Body]:
        """Give the resources that name a region."""
        return [body for body in self.objects.values() if self.kind.named_by(body).endpoint == place]

    @override
    def is_shared(self, target: str) -> bool:
        return not any(
            map(lives, self.naming(self.place(target)))
        )  # resources that are deleted together may delete the same

    @override
    def forget(self) -> None:
        super().forget()
        self.until = {id_: until for id_, until in self.until.items() if until > self.now}

    @override
    def release(self, body: Body) -> None:
        super().release(body)
        self.owed[body["metadata"]["uid"]] = self.kind.named_by(body).endpoint or ""

    @override
    def edited(self, key: Key) -> None:
        named = self.kind.named_by(self.objects[key]).endpoint  # and so there may be one again
        self.owed = {uid: place for uid, place in self.owed.items() if place != named}


class Encryption(Regional):
    """Endpoints for encryption at rest."""

    kind, purpose = ENCRYPTIONS, simulated.ENCRYPTION
    operations = ENCRYPTIONS.api.create, ENCRYPTIONS.api.delete


class Backup(Regional):
    """Endpoints for backups."""

    kind, purpose = BACKUPS, simulated.BACKUP
    operations = BACKUPS.api.create, BACKUPS.api.delete


def _page(endpoints: Any) -> Any:
    return {"results": [each.document() for each in endpoints]}


def refused(operation: str, code: str) -> UpdateRejectedError:
    return UpdateRejectedError("Atlas refused it.", operation=operation, http_status=400, error_code=code)
