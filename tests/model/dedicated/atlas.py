"""An Atlas that holds the endpoint services of one region of a project, for small models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from atlas_endpoints.atlas.errors import EndpointAbsentError, UpdateRejectedError
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from atlas_endpoints.simulator.service import AVAILABLE, DELETING, FAILED, REJECTED, PrivateEndpoint, Service
from model.dedicated import invariants
from model.dedicated.named import Target, deletes, lives, named_by, service_of, target_of
from model.environment import ANNOTATIONS, FORCE, LATELY, PROJECT, Early, Environment, Move
from model.invariants import Invariant, Violation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from atlas_endpoints.controller.cache import Body, Key
    from model.environment import Spec
    from model.invariants import Laws
    from model.run import Run

CLOUD, REGION = "AWS", "EU_WEST_1"
BY_HAND = "SA_EAST_1"
"""A region that no resource names."""
STAYS = frozenset({"EndpointRetained", "EndpointHandedOver", "EndpointOrphaned", "ForceFinalized"})
"""The reasons of Events that name what stays."""
STRANGER = "vpce-ffffffffffffffff0"
"""An endpoint that no resource names."""


def vpce(name: str) -> str:
    """The endpoint in the cloud that a resource of this name names in all models."""
    return f"vpce-0123456789abcde{name.encode().hex()}"


class Regular(Early):
    """Rounds keep their distance from the moment of each interval at which an endpoint is read: there are less states."""

    @override
    def uniform(self, a: float, b: float) -> float:
        return (a + b) / 2


@dataclass(kw_only=True)
class Dedicated(Environment):
    """An environment whose resources are about endpoints in one region.

    Attributes:
        held: the services that Atlas holds, by id.
        registered: the endpoints that are there because of a call.
        news: when calls have registered or deleted endpoints; kept only as long as another resource may not know it yet.
        created: the services that a call has made.
        remembered: those of them of which the operator has to know that.
        owed: the endpoints and services that were to be gone with a resource that is gone; a service has no endpoint's id.
        served: the requests to make dead endpoints again that were served: the uid of each resource, and its annotation.
        count: of the services that there have been.
    """

    kind = KIND
    laws: ClassVar[Laws] = invariants
    random = Regular

    held: dict[str, Service] = field(default_factory=dict)
    registered: set[Target] = field(default_factory=set)
    news: dict[Target, float] = field(default_factory=dict)
    created: set[str] = field(default_factory=set)
    remembered: set[str] = field(default_factory=set)
    owed: set[Target] = field(default_factory=set)
    served: set[tuple[str, str]] = field(default_factory=set)
    count: int = 0

    @property
    def services(self) -> list[Service]:
        """The services that are there."""
        return list(self.held.values())

    def endpoint(self, target: Target) -> PrivateEndpoint | None:
        service = self.held.get(target.service_id)
        return None if service is None else service.find(target.endpoint_id)

    # Calls.

    @override
    def read(self, method: str, path: str, content: Any) -> tuple[str, str]:
        _, _, rest = path.partition("/endpointService")
        service_id, _, endpoint_id = rest.removeprefix("/").partition("/endpoint")
        named = endpoint_id.removeprefix("/") or (content or {}).get("id")
        target = f"{service_id}/{named}" if named else service_id
        return "LIST" if method == "GET" and not target else method, target

    @override
    def serve(self, kind: str, target: str, content: Any) -> Any:
        if kind == "LIST":
            return [each.document() for each in self.services]
        if not target:
            return self._create()
        service_id, _, endpoint_id = target.partition("/")
        if (service := self.held.get(service_id)) is None:
            raise _absent(kind, "PRIVATE_ENDPOINT_SERVICE_NOT_FOUND")
        endpoint = service.find(endpoint_id)
        match kind:
            case "GET" if not endpoint_id:
                return service.document()
            case "DELETE" if not endpoint_id:
                return self._remove(service)
            case "PATCH":
                return self._change(service, content["supportedRemoteRegions"])
            case "POST":
                return self._register(service, endpoint_id)
            case _ if endpoint is None:
                raise _absent(kind, "PRIVATE_ENDPOINT_NOT_FOUND")
            case "GET":
                return endpoint.document()
            case "DELETE":
                endpoint.status, endpoint.delete_requested = DELETING, True
                self.news[target_of(service.id, endpoint_id)] = self.now
                return {}
            case other:
                raise AssertionError(other)

    def _create(self) -> Any:
        if self.held:
            raise _refused("POST", "PRIVATE_ENDPOINT_SERVICE_ALREADY_EXISTS_FOR_REGION")
        service = self.new("INITIATING")
        self.created.add(service.id)
        self.remembered.add(service.id)
        self._made(service.id)
        return service.document()

    @staticmethod
    def _remove(service: Service) -> Any:
        if service.endpoints:
            raise _refused("DELETE", "CANNOT_DELETE_PRIVATE_ENDPOINT_SERVICE_WITH_ENDPOINTS")
        service.status = DELETING
        return {}

    def _change(self, service: Service, regions: Collection[str]) -> Any:
        for region in set(regions) - set(service.remote_regions or ()):
            self._made(f"{service.id} {region}")
        service.remote_regions = tuple(regions)
        return service.document()

    def new(self, status: str = AVAILABLE) -> Service:
        """Have there be a service."""
        self.count += 1
        id_ = f"6f7cac1adf5d6c6306f4d1{self.count:02x}"
        self.held[id_] = service = Service(id_, CLOUD, REGION, status, {"endpointServiceName": "service"})
        return service

    def register_by_hand(self, service: Service, endpoint_id: str, status: str = "PENDING_ACCEPTANCE") -> None:
        """Have people have registered an endpoint."""
        service.endpoints[endpoint_id] = endpoint = PrivateEndpoint.registered(endpoint_id, CLOUD)
        endpoint.status = status
        self.lately[f"{service.id}/{endpoint_id}"] = self.now

    def _register(self, service: Service, endpoint_id: str) -> Any:
        if not service.takes_endpoints:
            raise _refused("POST", "PRIVATE_ENDPOINT_SERVICE_CANNOT_ACCEPT_ENDPOINTS")
        if service.find(endpoint_id) is not None:
            raise _refused("POST", "PRIVATE_ENDPOINT_ALREADY_EXISTS")
        service.endpoints[endpoint_id] = endpoint = PrivateEndpoint.registered(endpoint_id, CLOUD)
        target = target_of(service.id, endpoint_id)
        self.registered.add(target)
        self.news[target] = self.now
        self.served |= {request for body in self.named_with(target) if (request := self.request_of(body)) is not None}
        self._made(f"{service.id}/{endpoint_id}")
        return endpoint.document()

    def _made(self, target: str) -> None:
        if self.left["list lags"]:
            self.made[target] = self.now

    @override
    def lagging(self) -> list[Any]:
        shown = [each.document() for each in self.services if each.id not in self.made]
        for each in shown:
            each["interfaceEndpoints"] = [
                endpoint for endpoint in each["interfaceEndpoints"] if f"{each['id']}/{endpoint}" not in self.made
            ]
            regions = each.get("supportedRemoteRegions") or ()
            each["supportedRemoteRegions"] = [region for region in regions if f"{each['id']} {region}" not in self.made]
        return shown

    # What happens by itself, and what people do.

    @override
    def passing(self) -> list[Move]:
        return [
            Move("Atlas goes on", number)
            for number, (_, each) in enumerate(self._parts())
            if each.status in {"INITIATING", "PENDING_ACCEPTANCE", DELETING}
        ]

    def _parts(self) -> list[tuple[Service, Service | PrivateEndpoint]]:
        """Give all services and endpoints, each with its service."""
        found: list[tuple[Service, Service | PrivateEndpoint]] = []
        for service in self.services:
            found.append((service, service))
            found.extend((service, each) for each in service.endpoints.values())
        return found

    @override
    def meddling(self) -> Iterator[Move]:
        parts = self._parts()
        if not parts and self.left["another's service"]:
            yield Move("another's service")
        for number, (service, each) in enumerate(parts):
            may_go = each.status != DELETING and (each is not service or not service.endpoints)
            is_open = each is service and service.takes_endpoints
            possible = {
                "Atlas rejects": each.status == "PENDING_ACCEPTANCE",
                "service fails": each is service and each.status == "INITIATING",
                "removal": may_go,
                "registration": is_open and service.find(vpce("a")) is None,
                "stranger": is_open and service.find(STRANGER) is None,
                "region": is_open and BY_HAND not in (service.remote_regions or ()),
            }
            yield from (Move(kind, number) for kind, is_possible in possible.items() if is_possible and self.left[kind])

    @override
    def happen(self, run: Run[Any], move: Move) -> str:
        if move.kind in self.left:
            self.left[move.kind] -= 1
        if move.kind == "another's service":
            return f"somebody creates the service {self.new().id}"
        service, part = self._parts()[move.number]
        name = part.id if part is service else f"{service.id}/{part.id}"
        match move.kind:
            case "Atlas rejects":
                part.status = REJECTED
            case "service fails":
                part.status = FAILED
            case "Atlas goes on" if part.status != DELETING:
                part.status = AVAILABLE
            case "Atlas goes on" if part is service:
                del self.held[service.id]
            case "Atlas goes on":
                del service.endpoints[part.id]
                self.registered.discard(target_of(service.id, part.id))
                self.lately[name] = self.now
            case "region":
                service.remote_regions = (*(service.remote_regions or ()), BY_HAND)
                self._made(f"{service.id} {BY_HAND}")
            case "removal":
                part.status = DELETING
                self.lately[name] = self.now
                return f"somebody deletes {name} in Atlas"
            case _:
                id_ = STRANGER if move.kind == "stranger" else vpce("a")
                self.register_by_hand(service, id_)
                return f"somebody registers {id_} in Atlas"
        return f"{move.kind} with {name}"

    @override
    def told(self) -> str:
        return "; ".join(
            f"{'' if part is service else '+ '}{part.id[-4:]} {part.status}" for service, part in self._parts()
        )

    @override
    def whole(self, name: str, spec: Spec) -> dict[str, Any]:
        where = {"projectId": PROJECT, "providerName": CLOUD, "region": "eu-west-1"}
        return {**where, "cloudProviderEndpointId": vpce(name), **spec}

    # What is true.

    @override
    def is_shared(self, target: str) -> bool:
        return True  # resources that are deleted together may delete the same

    @override
    def forget(self) -> None:
        super().forget()
        self.news = {target: at for target, at in self.news.items() if self.now - at <= LATELY}

    @override
    def edited(self, key: Key) -> None:
        if lives(self.objects[key]):
            self.owed.clear()  # it shares the service, and may name what others were to take along

    @override
    def forgotten(self) -> None:
        self.remembered &= {
            service_of(body)
            for body in self.objects.values()
            if (body["status"].get("service") or {}).get("origin") == "Created"
        }

    @staticmethod
    def request_of(body: Body) -> tuple[str, str] | None:
        """Give the request to make what is dead again, by the uid of the resource and its annotation."""
        token = body["metadata"].get("annotations", {}).get(ANNOTATIONS + FORCE)
        return None if token is None else (body["metadata"]["uid"], token)

    def named_with(self, target: Target) -> list[Body]:
        """Give the resources that name an endpoint."""
        return [body for body in self.objects.values() if named_by(body) == target.endpoint_id]

    @override
    def release(self, body: Body) -> None:
        super().release(body)
        uid, endpoint_id = body["metadata"]["uid"], named_by(body)
        others = [each for each in self.objects.values() if each["metadata"]["uid"] != uid]
        told = " ".join(each.note for each in self.announced if each.uid == uid and each.reason in STAYS)
        for service in self.services:
            target = target_of(service.id, endpoint_id or "")
            is_told = endpoint_id is None or endpoint_id in told
            is_recent = target in self.news or f"{service.id}/{endpoint_id}" in self.lately
            if not is_told and not is_recent and self.endpoint(target) is not None:
                what = f"{body['metadata']['name']} is gone, and no Event names {endpoint_id}, which is there"
                self.violations.append(Violation(Invariant.KEPT, what))
            if not deletes(body):
                continue
            if not is_told and endpoint_id not in map(named_by, others):
                self.owed.add(target)
            is_shown = service.id == service_of(body) and service.id not in told
            if not others and (is_shown or service.id in self.remembered):
                self.owed.add(target_of(service.id, ""))


def _absent(kind: str, code: str) -> EndpointAbsentError:
    return EndpointAbsentError("There is none.", operation=kind, http_status=404, error_code=code)


def _refused(kind: str, code: str) -> UpdateRejectedError:
    return UpdateRejectedError("Atlas refused it.", operation=kind, http_status=409, error_code=code)
