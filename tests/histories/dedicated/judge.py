"""Whether a history of private endpoints of dedicated clusters has ended as its resources want it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from atlas_endpoints.controller.cache import is_deleting
from atlas_endpoints.kinds.dedicated_private_endpoint.kind import KIND
from atlas_endpoints.kinds.regions import atlas_name, same_region
from atlas_endpoints.simulator.service import AVAILABLE, FAILED, REJECTED
from model.dedicated.named import service_of, target_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from atlas_endpoints.controller.cache import Body
    from atlas_endpoints.simulator.service import PrivateEndpoint, Service
    from model.dedicated.named import Target


class Name(NamedTuple):
    """What resources name: an endpoint of a cloud, or without one the service of its one region."""

    cloud: str
    endpoint_id: str = ""


def name_of(body: Body) -> Name | None:
    """Return the endpoint that a spec names, ignoring the letter case."""
    endpoint_id = body["spec"].get("cloudProviderEndpointId")
    return None if endpoint_id is None else Name(body["spec"]["providerName"], endpoint_id.casefold())


def named_by(body: Body) -> Target | None:
    """Return the endpoint that a resource names, once its service is known."""
    entry = KIND.entry_of(body)
    return None if entry is None else target_of(*entry.split("/", 1))


def origin_of(body: Body) -> str | None:
    """Return the origin of the service that a status shows."""
    found: str | None = (body["status"].get("service") or {}).get("origin")
    return found


def may_have_created(body: Body, service_id: str) -> bool:
    """Return whether a resource has created a service, or shares it with who has, or may have, as its status says."""
    shown = (service_of(body), origin_of(body))
    return shown == (service_id, "Created") or "serviceCreation" in body["status"]


def reason_of(body: Body) -> str | None:
    """Return the reason of ``Ready``."""
    return next((each["reason"] for each in body["status"].get("conditions", ()) if each["type"] == "Ready"), None)


def shown_in(body: Body) -> tuple[Target | None, Target | None]:
    """Return the service and the endpoint that a status shows."""
    service_id, endpoint_id = service_of(body), (body["status"].get("endpoint") or {}).get("id")
    service = None if service_id is None else target_of(service_id, "")
    return service, None if service is None or endpoint_id is None else target_of(service.service_id, endpoint_id)


def corrects(body: Body) -> bool:
    """Return whether drift is corrected for a resource."""
    return bool(body["spec"].get("driftPolicy") != "Report")


def goes_with(body: Body, held: Collection[str]) -> bool:
    """Return whether a resource that is gone was to take along what it names; ``held`` had a finalizer."""
    return body["spec"].get("deletionPolicy") == "Delete" and body["metadata"]["uid"] in held


def place_of(services: Iterable[Service], body: Body) -> Service | None:
    """Return the service of the region of a resource."""
    cloud, region = body["spec"]["providerName"], body["spec"]["region"]
    found = (each for each in services if each.cloud_provider == cloud)
    return next((each for each in found if same_region(cloud, each.region, region)), None)


class Holds(Protocol):
    """An Atlas; see ``histories.dedicated.atlas``."""

    made: set[str]
    registered: set[Target]

    @property
    def services(self) -> list[Service]: ...

    def service(self, service_id: str | None) -> Service | None: ...

    def endpoint(self, target: Target) -> PrivateEndpoint | None: ...


@dataclass(frozen=True)
class Ending:
    """What there is at the end of a history, and what has led to it.

    Attributes:
        bodies: the resources that are there.
        atlas: what it holds.
        may_stay: whether what resources named may be there without them, as the last one of each that is gone wanted it;
            a service is not named by those whose status has never shown it.
    """

    bodies: Sequence[Body]
    atlas: Holds
    may_stay: Mapping[Name, bool] = field(default_factory=dict)

    def wrong(self) -> str | None:
        """Tell what is not as the resources want it; ``None``: all is."""
        for body in self.bodies:
            if (wrong := self._wrong_with(body)) is not None:
                ready = next((each for each in body["status"].get("conditions", ()) if each["type"] == "Ready"), None)
                return f"{body['metadata']['name']}: {wrong}; {ready}"
        return self._left_over()

    def _wrong_with(self, body: Body) -> str | None:
        metadata, spec, status = body["metadata"], body["spec"], body["status"]
        if is_deleting(body):
            return "is not gone"
        if status.get("observedGeneration") != metadata["generation"]:
            return "its last edit was not seen"
        finalizers = metadata.get("finalizers") or []
        if bool(finalizers) != (spec.get("deletionPolicy") == "Delete"):
            return f"its finalizers are {finalizers}"
        reason = reason_of(body)
        service = place_of(self.atlas.services, body)
        if service is None or service.id != service_of(body):
            # What waits for its owner changes nothing; the owner is judged itself.
            is_reported = reason == "Conflict" or (reason == "Drifted" and not corrects(body))
            return None if is_reported and service is None else "it does not show the service of its region"
        return self._wrong_with_endpoint(body, service, reason)

    def _wrong_with_endpoint(self, body: Body, service: Service, reason: str | None) -> str | None:
        target, name = named_by(body), name_of(body)
        endpoint = None if target is None else self.atlas.endpoint(target)
        differs = endpoint is not None and endpoint.address != body["spec"].get("privateEndpointIpAddress")
        match reason:
            case "Conflict":
                rivals = [each for each in self.bodies if each is not body and name_of(each) == name]
                return None if rivals else "it has no rival"
            case "ServiceFailed":
                return None if service.status == FAILED else "its service has not failed"
            case "WaitingForCloudEndpoint":
                return "it does not wait for anybody" if target is not None else self._wrong_with_regions(body, service)
            case "EndpointNotFound":
                return None if endpoint is None and not corrects(body) else "its endpoint is there"
            case "Drifted":
                is_lost = self._lacks(body, service)
                return None if differs or (is_lost and not corrects(body)) else "nothing has drifted"
            case "EndpointFailed":
                is_dead = endpoint is not None and endpoint.status in {REJECTED, FAILED}
                return self._wrong_with_regions(body, service) if is_dead else "its endpoint has not failed"
            case "Available":
                if endpoint is None or endpoint.status != AVAILABLE or differs:
                    return f"its endpoint is not as it wants it: {endpoint}"
                return self._wrong_with_regions(body, service)
            case other:
                return f"{other} explains nothing"

    def _wrong_with_regions(self, body: Body, service: Service) -> str | None:
        missing = self._lacks(body, service) if corrects(body) or reason_of(body) == "Available" else set()
        return f"the service lacks {missing}" if missing else None

    @staticmethod
    def _lacks(body: Body, service: Service) -> set[str]:
        wanted = {atlas_name("AWS", each) for each in body["spec"].get("supportedRemoteRegions") or ()}
        return wanted - set(service.remote_regions or ())

    def _left_over(self) -> str | None:
        """Tell of what calls have brought into being, and nobody needs any more, although it was to go."""
        named = {name_of(body) for body in self.bodies}
        for target in self.atlas.registered:
            service = self.atlas.service(target.service_id)
            name = None if service is None else Name(service.cloud_provider, target.endpoint_id)
            if name is not None and name not in named and not self.may_stay.get(name, False):
                return f"{target} was left behind"
        clouds = {body["spec"]["providerName"] for body in self.bodies}
        for each in self.atlas.services:
            if each.id not in self.atlas.made or each.endpoints or each.cloud_provider in clouds:
                continue
            if not self.may_stay.get(Name(each.cloud_provider), True):
                return f"service {each.id} was left behind"
        return None
